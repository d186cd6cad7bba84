import TidewireFFI

/// What a client knows at any moment, as it changes: at first as it is, then each newer value. A slow
/// reader gets the newest and none that were passed meanwhile. Any number of tasks may iterate, each
/// on its own.
///
/// The loop ends when the task is cancelled or the client closed. It throws `Closed` if it is begun
/// after that, and `Internal`. Waits for neither network nor disk.
public struct Latest<Value: Sendable & Equatable>: AsyncSequence, Sendable {
    /// A value.
    public typealias Element = Value

    let events: @Sendable () -> ClientEvents
    let concerns: @Sendable (ClientEvent) -> Bool
    let read: @Sendable () async throws -> Value

    /// Begins an iteration, which starts with the value as it is.
    public func makeAsyncIterator() -> Iterator {
        // Subscribed before it is asked for, so that nothing falls between the two.
        Iterator(events: events().makeAsyncIterator(), concerns: concerns, read: read)
    }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        var events: ClientEvents.Iterator
        let concerns: @Sendable (ClientEvent) -> Bool
        let read: @Sendable () async throws -> Value
        private var last: Value?

        init(
            events: ClientEvents.Iterator,
            concerns: @escaping @Sendable (ClientEvent) -> Bool,
            read: @escaping @Sendable () async throws -> Value
        ) {
            self.events = events
            self.concerns = concerns
            self.read = read
        }

        /// The value: at first as it is, then once it has changed.
        public mutating func next() async throws -> Value? {
            if last == nil {
                last = try await read()
                return last
            }
            while let batch = try await events.next() {
                guard batch.missed > 0 || batch.events.contains(where: concerns) else { continue }
                let value: Value
                do {
                    value = try await read()
                } catch TidewireError.Closed {
                    return nil
                }
                if value != last {
                    last = value
                    return value
                }
            }
            return nil
        }
    }
}
