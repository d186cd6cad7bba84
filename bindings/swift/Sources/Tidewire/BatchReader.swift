import TidewireFFI

/// A batch with its number: asking for what comes after it acknowledges it.
protocol NumberedBatch: Sendable {
    var number: UInt64 { get }
}

extension TimelineBatch: NumberedBatch {}
extension RoomListBatch: NumberedBatch {}
extension ModeReport: NumberedBatch {}
extension EventBatch: NumberedBatch {}
extension DownloadProgress: NumberedBatch {}

/// A subscription on the Rust side, pulled batch by batch.
protocol BatchSource: Sendable {
    associatedtype Batch: NumberedBatch

    func next(after: UInt64, cancel: CancelToken?) async throws -> Batch
}

extension TidewireFFI.Timeline: BatchSource {}
extension TidewireFFI.RoomList: BatchSource {}
extension ModeSubscription: BatchSource {}
extension EventSubscription: BatchSource {}
extension TidewireFFI.Download: BatchSource {}

/// Reads a subscription for one iteration after the other.
///
/// A batch counts as read once it is handed over, and the Rust side keeps it until the next one is
/// asked for. So a batch that was on its way to a cancelled iteration comes again, and one that was
/// handed over does not.
final class BatchReader<Source: BatchSource>: Sendable {
    private struct State: Sendable {
        /// The last batch that was handed over.
        var read: UInt64 = 0
        var call: Call?
        var isClosed = false
    }

    /// A call that waits for a batch. A task of its own, so that the next reader can wait for the
    /// end of a cancelled call, which takes the Rust side a moment.
    private struct Call: Sendable {
        let cancel: CancelToken
        let result: Task<Source.Batch, any Error>
        var isCancelled = false
    }

    private enum Turn {
        case mine(Call)
        /// Somebody else's, who was cancelled: it ends in a moment.
        case ending(Call)
        case taken
        /// The subscription has ended, or the caller was cancelled.
        case over
    }

    private let source: Source
    private let gate: Gate
    private let state = Locked(State())

    init(_ source: Source, gate: Gate) {
        self.source = source
        self.gate = gate
    }

    /// Whether a new iteration makes no sense any more.
    var isClosed: Bool { gate.isShut || state.withLock { $0.isClosed } }

    func close() {
        state.withLock { $0.isClosed = true }
    }

    /// Waits for the next batch and hands it over. `nil` if the task is cancelled or the
    /// subscription has ended.
    ///
    /// `handOver` runs under the lock: what it does and that the batch counts as read are one.
    func next<Value>(_ handOver: (Source.Batch) -> Value) async throws -> Value? {
        let cancel = CancelToken()
        return try await withTaskCancellationHandler {
            while true {
                switch takeTurn(cancel) {
                case .mine(let call):
                    let result = await call.result.result
                    return try endTurn(cancel, result, handOver)
                case .ending(let call):
                    _ = await call.result.result
                    state.withLock { if $0.call?.cancel === call.cancel { $0.call = nil } }
                case .taken:
                    throw TidewireError.AlreadyWaiting
                case .over:
                    return nil
                }
            }
        } onCancel: {
            state.withLock { if $0.call?.cancel === cancel { $0.call?.isCancelled = true } }
            cancel.cancel()
        }
    }

    private func takeTurn(_ cancel: CancelToken) -> Turn {
        state.withLock { state in
            // Under the lock: whoever is cancelled later finds the call and notes it there.
            if state.isClosed || Task.isCancelled { return .over }
            if let call = state.call { return call.isCancelled ? .ending(call) : .taken }
            let call = Call(cancel: cancel, result: Task { [source, read = state.read] in
                try await source.next(after: read, cancel: cancel)
            })
            state.call = call
            return .mine(call)
        }
    }

    private func endTurn<Value>(
        _ cancel: CancelToken,
        _ result: Result<Source.Batch, any Error>,
        _ handOver: (Source.Batch) -> Value
    ) throws -> Value? {
        try state.withLock { state in
            // The turn of a cancelled reader may have passed on already: the batch comes again there.
            guard state.call?.cancel === cancel else { return nil }
            state.call = nil
            do {
                let batch = try result.get()
                state.read = batch.number
                return handOver(batch)
            } catch TidewireError.Cancelled, TidewireError.Closed {
                return nil
            }
        }
    }
}
