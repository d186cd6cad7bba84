#if os(iOS) && canImport(BackgroundTasks)
import BackgroundTasks
import Foundation

/// Refreshes a client when the system wakes the app for it, a few times a day.
///
/// The identifier stands in `BGTaskSchedulerPermittedIdentifiers` of the app's Info.plist, and
/// `UIBackgroundModes` has `fetch`. ``register(_:open:)`` has to be called before the app has finished
/// launching; ``schedule(_:earliest:)`` when it goes to the background.
@available(iOSApplicationExtension, unavailable)
public enum BackgroundRefresh {
    /// For how long a refresh may take, in s: of 30 that there are as a rule.
    static let atMost = 20.0

    /// Says what is to be done when the system wakes the app.
    ///
    /// - Parameters:
    ///   - identifier: the task's identifier.
    ///   - open: gives the client: the one there is, or one that is opened for it.
    /// - Returns: whether the system knows the identifier.
    @discardableResult
    public static func register(
        _ identifier: String, open: @escaping @Sendable () async throws -> TidewireClient
    ) -> Bool {
        BGTaskScheduler.shared.register(forTaskWithIdentifier: identifier, using: nil) { task in
            // The next one: each is asked for anew.
            schedule(identifier)
            // Nothing else has it, and it may be ended on any thread: the system does not mark it so.
            nonisolated(unsafe) let task = task
            let work = Task {
                let isDone = await refresh(open)
                task.setTaskCompleted(success: isDone)
            }
            task.expirationHandler = { work.cancel() }
        }
    }

    /// Asks the system to wake the app, at the earliest after so many seconds. An earlier wish is replaced.
    /// Whether the system takes it: not in the simulator, and not where the user has switched it off.
    @discardableResult
    public static func schedule(_ identifier: String, earliest: TimeInterval = 15 * 60) -> Bool {
        let request = BGAppRefreshTaskRequest(identifier: identifier)
        request.earliestBeginDate = Date(timeIntervalSinceNow: earliest)
        do {
            try BGTaskScheduler.shared.submit(request)
            return true
        } catch {
            return false
        }
    }

    private static func refresh(
        _ open: @Sendable () async throws -> TidewireClient
    ) async -> Bool {
        do {
            return try await open().refreshOnce(deadline: atMost).complete
        } catch {
            return false
        }
    }
}
#endif
