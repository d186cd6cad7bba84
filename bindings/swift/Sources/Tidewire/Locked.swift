import Foundation

/// A value behind a lock that is held for moments only, never across an `await`.
///
/// `@unchecked`, because the compiler cannot see that `value` is touched under the lock alone.
/// `Mutex` of the standard library could say it, but it needs iOS 18.
final class Locked<Value: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}
