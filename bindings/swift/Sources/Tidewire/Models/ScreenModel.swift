import Observation
#if canImport(Combine)
import Combine
#endif

/// What a screen shows and does, as an object that views observe: the base of ``ClientStatus``,
/// ``RoomListModel``, ``TimelineModel`` and ``SearchModel``.
///
/// It is both: `Observable` from iOS 17 and macOS 14 on (a view that reads a property is drawn anew when
/// that changes; `@State`, `@Bindable`, `@Environment`), and an `ObservableObject` (`@StateObject`,
/// `@ObservedObject`) where there is Combine, for iOS 15 and 16.
///
/// Making one costs nothing and does nothing: SwiftUI makes many that it never uses. It works from
/// ``run()`` or ``start()`` on, and ends with its owner: nothing that runs for it keeps it alive, and what
/// it has opened is closed when it is gone.
@MainActor
public class ScreenModel {
    /// Whose screen it is.
    let client: TidewireClient
    private var running: Loops?
    #if canImport(Combine)
    /// Makes `objectWillChange` tell of every change. The values themselves are not published: `@Published`
    /// and Observation do not go together.
    @Published private(set) var version: UInt = 0
    #else
    /// How often something has changed.
    private(set) var version: UInt = 0
    #endif

    /// What went wrong last of what the user has asked for, until ``clearFailure()``. What the client
    /// mends by itself is none of it.
    @Observed public internal(set) var failure: TidewireError?

    init(_ client: TidewireClient) {
        self.client = client
    }

    deinit {
        running?.cancel()
    }

    /// Follows what it shows until the task is cancelled: for the `task` modifier of a view. Returns
    /// sooner if there is nothing to follow any more, as after the client's end.
    public final func run() async {
        start()
        var next = running
        while let mine = next {
            await withTaskCancellationHandler {
                await mine.finished()
            } onCancel: {
                mine.cancel()
            }
            // Unless it was stopped, or begun anew, meanwhile.
            if running === mine { stop() }
            next = mine.successor
        }
    }

    /// Begins to follow what it shows, until ``stop()`` or until the last reference to this is gone: for
    /// owners that are no SwiftUI view. Returns at once; does nothing if it follows already.
    public final func start() {
        if let running, !running.isCancelled { return }
        let loops = Loops()
        running = loops
        let client = client
        // So that it goes on until it is stopped or the client ends, whatever becomes of what it shows.
        follow(loops) { for try await _ in client.modes {} }
        begin(loops)
    }

    /// Ends what ``start()`` began. What was shown stays. Returns at once; may be called twice.
    public final func stop() {
        guard let running else { return }
        running.cancel()
        self.running = nil
        end()
    }

    /// A property is about to have another value.
    final func isAboutToChange() {
        version &+= 1
    }

    /// Whether it follows what it shows.
    final var isRunning: Bool { running.map { !$0.isCancelled } ?? false }

    /// Begins anew, if it was begun: because what it is to show is something else.
    final func restart() {
        guard isRunning, let before = running else { return }
        stop()
        start()
        before.goOn(as: running)
    }

    /// Runs a loop until it ends, fails or is cancelled. It must hold this only weakly.
    final func follow(
        _ loops: Loops, _ body: @escaping @MainActor @Sendable () async throws -> Void
    ) {
        loops.add { [weak self] in
            do {
                try await body()
            } catch {
                self?.note(error)
            }
        }
    }

    /// The loops that run.
    final var loops: Loops? { running }

    /// Forgets ``failure``: it was shown.
    public final func clearFailure() {
        failure = nil
    }

    /// Begins the loops. They must hold this only weakly.
    func begin(_ loops: Loops) {}

    /// Lets go of what the loops have opened.
    func end() {}

    /// Keeps what went wrong for the screen, unless it is none: a task that was cancelled, a client that
    /// was closed.
    final func note(_ error: any Error) {
        switch error {
        case is CancellationError, TidewireError.Cancelled, TidewireError.Closed: break
        case let error as TidewireError: failure = error
        default: failure = .Internal(reason: words(for: error))
        }
    }

    /// Does what the user has asked for. Gives whether it could be done; else ``failure`` says why.
    @discardableResult
    final func attempt(_ body: () async throws -> Void) async -> Bool {
        do {
            try await body()
            return true
        } catch {
            note(error)
            return false
        }
    }
}

/// Opens something, also for a client that sleeps at first: as where the system has started the app and a
/// screen comes up before the client has heard that somebody looks. A frozen app does not ask again.
func onceAwake<Value: Sendable>(
    _ open: @Sendable () async throws -> Value
) async throws -> Value {
    while true {
        do {
            return try await open()
        } catch TidewireError.Suspended {
            try await Task.sleep(nanoseconds: 200_000_000)
        }
    }
}

#if canImport(Combine)
extension ScreenModel: ObservableObject {}
#endif

@available(macOS 14, iOS 17, tvOS 17, watchOS 10, *)
extension ScreenModel: Observable {}
