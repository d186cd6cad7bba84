/// The tasks of a model from one start to the next stop. They end with it, or when it is gone.
final class Loops: Sendable {
    private struct State: Sendable {
        var tasks: [Task<Void, Never>] = []
        var isCancelled = false
        var successor: Loops?
    }

    private let state = Locked(State())

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Those that took the place of these, where the model had to begin anew.
    var successor: Loops? { state.withLock { $0.successor } }

    func goOn(as successor: Loops?) {
        state.withLock { $0.successor = successor }
    }

    /// Runs something until it ends or all are cancelled. It must not hold the model.
    func add(_ body: @escaping @MainActor @Sendable () async -> Void) {
        let task = Task { @MainActor in await body() }
        let isLate = state.withLock { state in
            state.tasks.append(task)
            return state.isCancelled
        }
        if isLate { task.cancel() }
    }

    func cancel() {
        let tasks = state.withLock { state in
            state.isCancelled = true
            return state.tasks
        }
        for task in tasks { task.cancel() }
    }

    /// Waits for the end of all, also of those that come meanwhile.
    func finished() async {
        var ended = 0
        while let task = state.withLock({ $0.tasks.count > ended ? $0.tasks[ended] : nil }) {
            await task.value
            ended += 1
        }
    }

    deinit {
        cancel()
    }
}
