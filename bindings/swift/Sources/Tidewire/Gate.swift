/// Whether a client is open. It shuts at the moment when the app asks for it, while the Rust side
/// still puts its files in order: what is called afterwards fails the same way each time.
final class Gate: Sendable {
    private let shut = Locked(false)

    var isShut: Bool { shut.withLock { $0 } }

    func close() {
        shut.withLock { $0 = true }
    }

    /// Throws `Closed` behind a shut gate.
    func pass() throws {
        if isShut { throw TidewireError.Closed }
    }
}
