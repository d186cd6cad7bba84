import TidewireFFI

/// A part of the messages of one room, or of a thread, oldest row first.
///
/// It grows by ``loadOlder(_:)`` and ``loadNewer(_:)``. Beyond `maxMessagesPerRoom` (500) it slides: what
/// is at the other end goes. Without newer messages than its own it follows the newest; once it has slid
/// away from them, ``hasNewer`` says so, and ``loadNewer(_:)`` leads back.
///
/// Read it by ``rows`` (everything, each time something changes) or by ``batches`` (the changes
/// alone). It has **one reader at a time**: who wants a second one opens a second timeline. It is
/// closed by ``close()``, or when its last reference is gone.
public final class Timeline: Sendable {
    /// The id of the room.
    public let room: String

    let source: TidewireFFI.Timeline
    let reader: BatchReader<TidewireFFI.Timeline>
    private let gate: Gate
    private let fold = Locked(TimelineFold())

    init(_ source: TidewireFFI.Timeline, gate: Gate) {
        room = source.room()
        self.source = source
        self.gate = gate
        reader = BatchReader(source, gate: gate)
    }

    /// All rows, each time something changes. A new iteration starts with the rows as they were
    /// last read; nothing is lost between two iterations.
    ///
    /// The loop ends when the task is cancelled, or the timeline or the client closed. It throws
    /// `Closed` if it is begun after that, `AlreadyWaiting` if another task reads this timeline,
    /// and `Internal`. Waits for neither network nor disk.
    public var rows: TimelineRows { TimelineRows(timeline: self) }

    /// The batches one by one, for a list that animates its changes: keep your own rows and bring
    /// them up to date by ``TidewireFFI/TimelineUpdate/apply(to:)``.
    ///
    /// The first batch of a timeline is a reset, and so is one for a reader that was too slow. Each
    /// is handed over once, also over several iterations: a new one goes on where the last ended,
    /// whether that was cancelled, left by `break` or ended by an error. Ends and throws like
    /// ``rows``.
    public var batches: TimelineBatches { TimelineBatches(timeline: self) }

    /// Whether there are older messages, on disk or on the server, than those read so far.
    public var hasOlder: Bool { fold.withLock { $0.hasOlder } }

    /// Whether there are newer messages than those read so far. If so, the timeline does not follow the
    /// newest: ``loadNewer(_:)`` leads back to them.
    public var hasNewer: Bool { fold.withLock { $0.hasNewer } }

    /// Where what the user had not read begins, as it was when the timeline was opened: the line goes
    /// before the first row of this seq or above it. `nil` if all was read, and before the first batch.
    public var unreadFrom: UInt64? { fold.withLock { $0.unreadFrom } }

    /// Puts older messages before those shown; they come as the next update. Waits for the disk, and for
    /// the network if they are not there. Where the timeline then holds too many, its newest messages go,
    /// and it does not follow the newest any more.
    ///
    /// - Parameter count: how many at most, 1 to 200, and half of `maxMessagesPerRoom`.
    /// - Throws: `Offline` or `Network` if they are not on disk; `Refused`, `StoreFailed`, `Closed`,
    ///   `Internal`; `CancellationError` if the task is cancelled.
    @discardableResult
    public func loadOlder(_ count: UInt32 = 50) async throws -> Loaded {
        try pass()
        return try await cancellable { try await source.loadOlder(count: count, cancel: $0) }
    }

    /// The same with newer messages, behind those shown, of a timeline that ``hasNewer``. Once there are
    /// none, the timeline follows the newest again. Does nothing if it does.
    ///
    /// - Parameter count: how many at most, 1 to 200, and half of `maxMessagesPerRoom`.
    /// - Throws: as ``loadOlder(_:)``.
    @discardableResult
    public func loadNewer(_ count: UInt32 = 50) async throws -> Loaded {
        try pass()
        return try await cancellable { try await source.loadNewer(count: count, cancel: $0) }
    }

    /// Fetches what is missing in a gap that the timeline shows, from one of its sides, at most 200
    /// events at a time; they come as the next update. Waits for the network.
    ///
    /// - Parameters:
    ///   - from: the first missing seq, as the row says.
    ///   - to: the last missing seq, as the row says.
    ///   - side: from where: `.newer`, for somebody who reads upwards, unless told.
    /// - Throws: `Offline`, `Network`, `Refused`, `StoreFailed`, `Closed`, `Internal`;
    ///   `CancellationError` if the task is cancelled.
    @discardableResult
    public func fillGap(from: UInt64, to: UInt64, side: GapSide = .newer) async throws -> Loaded {
        try pass()
        return try await cancellable {
            try await source.fillGap(from: from, to: to, side: side, cancel: $0)
        }
    }

    /// Ends the timeline. Returns at once; may be called twice.
    public func close() {
        reader.close()
        source.cancel()
    }

    private func pass() throws {
        if reader.isClosed { throw TidewireError.Closed }
    }

    /// The rows as last read, if anything was.
    var shown: [TimelineRow]? { fold.withLock { $0.hasBegun ? $0.rows : nil } }

    /// Reads one batch. The rows follow whichever sequence reads it.
    func nextBatch() async throws -> TimelineBatch? {
        try await reader.next { batch in
            fold.withLock { $0.take(batch) }
            return batch
        }
    }
}

/// All rows of a timeline, each time something changes. See ``Timeline/rows``.
public struct TimelineRows: AsyncSequence, Sendable {
    /// All rows, oldest first.
    public typealias Element = [TimelineRow]

    let timeline: Timeline

    /// Begins an iteration.
    public func makeAsyncIterator() -> Iterator { Iterator(timeline: timeline) }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let timeline: Timeline
        private var hasBegun = false

        init(timeline: Timeline) {
            self.timeline = timeline
        }

        /// The rows: at first as last read, then as soon as they change.
        public mutating func next() async throws -> [TimelineRow]? {
            if !hasBegun {
                if timeline.reader.isClosed { throw TidewireError.Closed }
                hasBegun = true
                if !Task.isCancelled, let shown = timeline.shown { return shown }
            }
            return try await timeline.nextBatch() == nil ? nil : timeline.shown
        }
    }
}

/// The batches of a timeline. See ``Timeline/batches``.
public struct TimelineBatches: AsyncSequence, Sendable {
    /// A batch.
    public typealias Element = TimelineBatch

    let timeline: Timeline

    /// Begins an iteration.
    public func makeAsyncIterator() -> Iterator { Iterator(timeline: timeline) }

    /// One iteration.
    public struct Iterator: AsyncIteratorProtocol, Sendable {
        let timeline: Timeline
        private var hasBegun = false

        init(timeline: Timeline) {
            self.timeline = timeline
        }

        /// The next batch, once there is one.
        public mutating func next() async throws -> TimelineBatch? {
            if !hasBegun {
                if timeline.reader.isClosed { throw TidewireError.Closed }
                hasBegun = true
            }
            return try await timeline.nextBatch()
        }
    }
}
