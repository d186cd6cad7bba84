#if canImport(Darwin)
import Foundation
#if canImport(Network)
import Network
#endif
#if os(iOS) && canImport(CoreTelephony)
import CoreTelephony
#endif
#if canImport(UIKit) && !os(watchOS)
import UIKit
#endif

/// Tells a client what the system tells an app: the network, low power, and on iOS and tvOS where the app
/// stands in its life. It ends with its last reference: keep it beside the client.
///
///     let client = try await TidewireClient.open(settings) { … }
///     let platform = PlatformObserver(client)
///
/// In the background what waits is sent and what is new is read, for as long as the system gives time; then
/// the client closes its files and rests until the app comes back. On macOS, where apps are not frozen, it
/// goes on in the foreground.
@MainActor
public final class PlatformObserver {
    private let client: TidewireClient
    private var path = PathFacts()
    /// Removed where they were added: with this object.
    private let observers = Observers()
    #if canImport(Network)
    private var monitor: PathMonitor?
    #endif
    #if os(iOS) && canImport(CoreTelephony)
    private let telephony = CTTelephonyNetworkInfo()
    #endif
    #if canImport(UIKit) && !os(watchOS)
    private let lifecycle: AppLifecycle?
    #endif

    /// Begins to observe, and tells how everything is now.
    ///
    /// - Parameters:
    ///   - client: whom it tells.
    ///   - followsLifecycle: whether it tells where the app stands: not in an extension, and not in an app
    ///     that goes on working in the background.
    public init(_ client: TidewireClient, followsLifecycle: Bool = true) {
        self.client = client
        #if canImport(UIKit) && !os(watchOS)
        lifecycle =
            followsLifecycle ? AppLifecycle(client, time: ApplicationTime.shared) : nil
        #endif
        observePower()
        observePath()
        #if canImport(UIKit) && !os(watchOS)
        observeLifecycle()
        #endif
    }

    private func observePower() {
        client.setPower(low: ProcessInfo.processInfo.isLowPowerModeEnabled)
        observers.add(.NSProcessInfoPowerStateDidChange) { [client] in
            client.setPower(low: ProcessInfo.processInfo.isLowPowerModeEnabled)
        }
    }

    private func observePath() {
        #if os(iOS) && canImport(CoreTelephony)
        path.radio = radio
        observers.add(.CTServiceRadioAccessTechnologyDidChange) { [weak self] in
            guard let self else { return }
            path.radio = radio
            tellPath()
        }
        #endif
        #if canImport(Network)
        monitor = PathMonitor { [weak self] path in
            guard let self else { return }
            let radio = self.path.radio
            self.path = path
            self.path.radio = radio
            tellPath()
        }
        #endif
    }

    private func tellPath() {
        client.setNetwork(Network(path))
    }

    #if os(iOS) && canImport(CoreTelephony)
    private var radio: String? {
        dataRadio(
            of: telephony.serviceCurrentRadioAccessTechnology,
            chosen: telephony.dataServiceIdentifier)
    }
    #endif

    #if canImport(UIKit) && !os(watchOS)
    private func observeLifecycle() {
        guard let lifecycle else { return }
        observers.add(UIApplication.willEnterForegroundNotification) { lifecycle.entersForeground() }
        observers.add(UIApplication.didEnterBackgroundNotification) { lifecycle.entersBackground() }
        // Started by the system, for a push message or a refresh: nobody looks.
        if UIApplication.shared.applicationState == .background { lifecycle.entersBackground() }
    }
    #endif
}

#if canImport(UIKit) && !os(watchOS)
extension Settings {
    /// These settings for an app that may have been started by the system, with nobody looking: then the
    /// client opens no socket. Ask on the main actor, before the client is opened.
    @MainActor
    public var asLaunched: Settings {
        launched(inBackground: UIApplication.shared.applicationState == .background)
    }
}

/// The background tasks of the app.
@MainActor
private final class ApplicationTime: BackgroundTime {
    static let shared = ApplicationTime()

    func begin(expired: @escaping @MainActor () -> Void) -> Int? {
        let task = UIApplication.shared.beginBackgroundTask(withName: "Tidewire") {
            // The system calls it on the main thread.
            MainActor.assumeIsolated { expired() }
        }
        return task == .invalid ? nil : task.rawValue
    }

    func end(_ time: Int) {
        UIApplication.shared.endBackgroundTask(UIBackgroundTaskIdentifier(rawValue: time))
    }

    var remaining: Double { UIApplication.shared.backgroundTimeRemaining }
}
#endif

#if canImport(Network)
/// The path to the internet, told on the main actor as it changes. It ends with its last reference.
private final class PathMonitor {
    private let monitor = NWPathMonitor()

    init(_ heard: @escaping @MainActor @Sendable (PathFacts) -> Void) {
        monitor.pathUpdateHandler = { path in
            let facts = PathFacts(path)
            // On the main queue, as `start` says.
            MainActor.assumeIsolated { heard(facts) }
        }
        monitor.start(queue: .main)
    }

    deinit {
        monitor.cancel()
    }
}

extension PathFacts {
    init(_ path: NWPath) {
        // A path that needs a connection, as a VPN on demand, is there once somebody asks for it.
        isUsable = path.status != .unsatisfied
        usesWifi = path.usesInterfaceType(.wifi)
        usesCellular = path.usesInterfaceType(.cellular)
        isExpensive = path.isExpensive
        isConstrained = path.isConstrained
    }
}
#endif

/// Observers of notifications, removed when nobody holds them any more.
private final class Observers: Sendable {
    private let tokens = Locked<[Token]>([])

    /// Calls `heard` on the main actor.
    func add(_ name: Notification.Name, _ heard: @escaping @MainActor @Sendable () -> Void) {
        let token = NotificationCenter.default.addObserver(forName: name, object: nil, queue: .main) { _ in
            MainActor.assumeIsolated { heard() }
        }
        tokens.withLock { $0.append(Token(token)) }
    }

    deinit {
        for token in tokens.withLock({ $0 }) { NotificationCenter.default.removeObserver(token.token) }
    }
}

/// `@unchecked`, because the system does not mark what it gives as an observer's token. Nothing is done with
/// it but to hand it back, which may be done on any thread.
private struct Token: @unchecked Sendable {
    let token: any NSObjectProtocol

    init(_ token: any NSObjectProtocol) {
        self.token = token
    }
}
#endif
