import TidewireFFI

/// The mode and its reason, as they change. See ``TidewireClient/modes``.
public struct ModeReports: AsyncSequence, Sendable {
    /// The mode and its reason.
    public typealias Element = ModeReport

    let client: TidewireFFI.Client
    let gate: Gate

    /// Begins an iteration, which starts with the mode as it is.
    public func makeAsyncIterator() -> Iterator {
        Iterator(reader: BatchReader(client.watchMode(), gate: gate))
    }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let reader: BatchReader<ModeSubscription>
        private var hasBegun = false

        init(reader: BatchReader<ModeSubscription>) {
            self.reader = reader
        }

        /// The mode: at first as it is, then once it has changed.
        public mutating func next() async throws -> ModeReport? {
            if !hasBegun {
                if reader.isClosed { throw TidewireError.Closed }
                hasBegun = true
            }
            return try await reader.next { $0 }
        }
    }
}

/// What a client tells of itself. See ``TidewireClient/events``.
public struct ClientEvents: AsyncSequence, Sendable {
    /// Events in their order.
    public typealias Element = EventBatch

    let reader: BatchReader<EventSubscription>

    /// Subscribes now.
    static func begin(_ client: TidewireFFI.Client, _ gate: Gate) -> ClientEvents {
        let subscription = client.events()
        gate.ends(subscription)
        return ClientEvents(reader: BatchReader(subscription, gate: gate))
    }

    /// Begins an iteration, which goes on where the last one of this subscription ended.
    public func makeAsyncIterator() -> Iterator { Iterator(reader: reader) }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let reader: BatchReader<EventSubscription>
        private var hasBegun = false

        init(reader: BatchReader<EventSubscription>) {
            self.reader = reader
        }

        /// The next events, once there are some.
        public mutating func next() async throws -> EventBatch? {
            if !hasBegun {
                if reader.isClosed { throw TidewireError.Closed }
                hasBegun = true
            }
            return try await reader.next { $0 }
        }
    }
}
