import TidewireFFI

/// Whether a client is open. It shuts at the moment when the app asks for it, while the Rust side
/// still puts its files in order: what is called afterwards fails the same way each time.
final class Gate: Sendable {
    private struct State: Sendable {
        var isShut = false
        var subscriptions: [Weak] = []
    }

    private struct Weak: Sendable {
        weak var subscription: EventSubscription?
    }

    private let state = Locked(State())

    var isShut: Bool { state.withLock { $0.isShut } }

    /// Throws `Closed` behind a shut gate.
    func pass() throws {
        if isShut { throw TidewireError.Closed }
    }

    /// Ends a subscription of events with the gate: by itself it ends when the last reference to
    /// the client is gone, and not with `shutdown`.
    func ends(_ subscription: EventSubscription) {
        let isShut = state.withLock { state in
            state.subscriptions.removeAll { $0.subscription == nil }
            state.subscriptions.append(Weak(subscription: subscription))
            return state.isShut
        }
        if isShut { subscription.cancel() }
    }

    func close() {
        let subscriptions = state.withLock { state in
            state.isShut = true
            return state.subscriptions
        }
        for weak in subscriptions { weak.subscription?.cancel() }
    }
}
