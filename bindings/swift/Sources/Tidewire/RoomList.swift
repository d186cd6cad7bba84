import TidewireFFI

/// A list of rooms, sorted and filtered, as it changes: for a screen that scrolls.
///
/// Rooms come as a window of the list, which moves along with ``setVisible(first:count:)``. Read it
/// by ``rows`` (the window, each time something changes) or by ``batches`` (the changes alone). It has
/// **one reader at a time**: who wants a second one opens a second list. It is closed by ``close()``,
/// or when its last reference is gone.
public final class RoomList: Sendable {
    let source: TidewireFFI.RoomList
    let reader: BatchReader<TidewireFFI.RoomList>
    /// The window as last read; `nil` before the first batch: an empty list has no rows either.
    private let state = Locked<RoomListState?>(nil)

    init(_ source: TidewireFFI.RoomList, gate: Gate) {
        self.source = source
        reader = BatchReader(source, gate: gate)
    }

    /// The window, each time something changes, at most every 100 ms. A new iteration starts with the
    /// window as it was last read; nothing is lost between two iterations.
    ///
    /// The loop ends when the task is cancelled, or the list or the client closed. It throws `Closed`
    /// if it is begun after that, `AlreadyWaiting` if another task reads this list, and `Internal`.
    /// Waits for neither network nor disk.
    public var rows: RoomListRows { RoomListRows(list: self) }

    /// The batches one by one, for a list that animates its changes: keep your own rows and bring them
    /// up to date by ``TidewireFFI/RoomListUpdate/apply(to:)``.
    ///
    /// The first batch of a list is a reset, and so is one for a reader that was too slow. Each is
    /// handed over once, also over several iterations: a new one goes on where the last ended. Ends
    /// and throws like ``rows``.
    public var batches: RoomListBatches { RoomListBatches(list: self) }

    /// Tells which rows the app shows, as the batches read so far have them. Call it as the user
    /// scrolls; any number of times costs little. Returns at once.
    ///
    /// The window of rows moves along, so that there are rows above and below. The rooms shown are
    /// watched for presence and typing and are live in hybrid after open ones (of this list or of the
    /// last one that said so), counts that are not exact are asked for them first, and of the first 10
    /// the newest page is fetched if it is not here, so that they open at once. Then follow those with
    /// unread messages and the most recent ones, up to 20 in all, while nothing else runs and neither
    /// low power nor data saver is on.
    ///
    /// - Parameters:
    ///   - first: the place of the first of them in the whole list, from 0.
    ///   - count: how many.
    /// - Throws: `Closed`.
    public func setVisible(first: UInt32, count: UInt32) throws {
        if reader.isClosed { throw TidewireError.Closed }
        try source.setVisible(first: first, count: count)
    }

    /// Ends the list. Returns at once; may be called twice.
    public func close() {
        reader.close()
        source.cancel()
    }

    /// The window as last read, if anything was.
    var shown: RoomListState? { state.withLock { $0 } }

    /// Reads one batch. The window follows whichever sequence reads it.
    func nextBatch() async throws -> RoomListBatch? {
        try await reader.next { batch in
            state.withLock { state in
                var next = state ?? RoomListState()
                next.take(batch)
                state = next
            }
            return batch
        }
    }
}

/// The window of a list of rooms, each time something changes. See ``RoomList/rows``.
public struct RoomListRows: AsyncSequence, Sendable {
    /// The window.
    public typealias Element = RoomListState

    let list: RoomList

    /// Begins an iteration.
    public func makeAsyncIterator() -> Iterator { Iterator(list: list) }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let list: RoomList
        private var hasBegun = false

        init(list: RoomList) {
            self.list = list
        }

        /// The window: at first as last read, then as soon as it changes.
        public mutating func next() async throws -> RoomListState? {
            if !hasBegun {
                if list.reader.isClosed { throw TidewireError.Closed }
                hasBegun = true
                if !Task.isCancelled, let shown = list.shown { return shown }
            }
            return try await list.nextBatch() == nil ? nil : list.shown
        }
    }
}

/// The batches of a list of rooms. See ``RoomList/batches``.
public struct RoomListBatches: AsyncSequence, Sendable {
    /// A batch.
    public typealias Element = RoomListBatch

    let list: RoomList

    /// Begins an iteration.
    public func makeAsyncIterator() -> Iterator { Iterator(list: list) }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let list: RoomList
        private var hasBegun = false

        init(list: RoomList) {
            self.list = list
        }

        /// The next batch, once there is one.
        public mutating func next() async throws -> RoomListBatch? {
            if !hasBegun {
                if list.reader.isClosed { throw TidewireError.Closed }
                hasBegun = true
            }
            return try await list.nextBatch()
        }
    }
}
