/// Time that the system gives to an app that has left the screen.
@MainActor
protocol BackgroundTime: AnyObject {
    /// Asks for some. `expired` is called shortly before it ends; the app is killed if it has not ended it by
    /// then. `nil` if there is none to be had.
    func begin(expired: @escaping @MainActor () -> Void) -> Int?
    /// It is not needed any more.
    func end(_ time: Int)
    /// How much is left, in s.
    var remaining: Double { get }
}

/// Leads a client through the life of an app: to the background with what waits to be sent, to sleep before
/// the system freezes it, and back.
///
/// A frozen app that holds a lock of a file is killed. So the way to sleep runs under a background task of
/// the system: what waits is sent and what is new is read, for as long as there is time, and then every file
/// is closed. If the app comes back meanwhile, it does not go to sleep.
@MainActor
final class AppLifecycle {
    /// For how long it sends and reads at most, in s: of 30 that there are as a rule.
    nonisolated static let flushAtMost = 20.0
    /// What is kept of the time for closing the files, in s.
    nonisolated static let keptForClosing = 5.0

    private let client: TidewireClient
    private let time: any BackgroundTime
    /// Counts the comings and goings: what was begun before the last one is over.
    private var turn: UInt64 = 0
    private var held: Int?
    /// What is sent and read before it sleeps.
    private var flush: Task<Void, Never>?
    /// Each change waits for the one before it: they would overtake one another else.
    private var last: Task<Void, Never>?

    init(_ client: TidewireClient, time: any BackgroundTime) {
        self.client = client
        self.time = time
    }

    /// Somebody looks at the app.
    func entersForeground() {
        turn += 1
        release()
        tell(.foreground)
    }

    /// Nobody looks at it any more, or the system has started it with nobody looking.
    func entersBackground() {
        turn += 1
        let mine = turn
        release()
        // Held by the system until the time is given back, and so by the task: what was begun is ended, also
        // if nobody observes any more.
        held = time.begin { self.sleeps(mine) }
        tell(.background)
        // Without time there is none to flush either: at once to sleep.
        guard held != nil else {
            tell(.suspended)
            return
        }
        let (client, seconds) = (client, flushTime(remaining: time.remaining))
        let flush = Task {
            guard !Task.isCancelled else { return }
            // Without a network, or once there is too little time, what waits is on disk.
            _ = try? await client.refreshOnce(deadline: seconds)
        }
        self.flush = flush
        Task {
            await flush.value
            sleeps(mine)
        }
    }

    /// Waits until the client is where it was told to go.
    func settled() async {
        while let task = last {
            await task.value
            if last == task { return }
        }
    }

    /// Goes to sleep, unless the app has come back; the time is given back once every file is closed.
    private func sleeps(_ mine: UInt64) {
        guard turn == mine, held != nil else { return }
        flush?.cancel()
        // One that came behind this would wake the client again.
        tell(.suspended, behind: flush) {
            if self.turn == mine { self.release() }
        }
    }

    private func release() {
        guard let held else { return }
        self.held = nil
        time.end(held)
    }

    private func tell(
        _ state: AppState, behind flush: Task<Void, Never>? = nil,
        then: @escaping @MainActor () -> Void = {}
    ) {
        let (client, before) = (client, last)
        last = Task {
            await before?.value
            await flush?.value
            // It fails by a defect of the SDK alone, and is not to keep the app from giving its time back.
            try? await client.setAppState(state)
            then()
        }
    }
}

/// For how long may be sent and read, if so much time is left.
func flushTime(remaining: Double) -> Double {
    // In the foreground the system says that there is no end.
    guard remaining.isFinite else { return AppLifecycle.flushAtMost }
    return max(0, min(AppLifecycle.flushAtMost, remaining - AppLifecycle.keptForClosing))
}
