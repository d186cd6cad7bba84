import TidewireFFI

/// Makes a call that ends when its task is cancelled: the Rust side does not see Swift's
/// cancellation, only the token.
///
/// Throws `CancellationError` if the task is cancelled before the call is done.
func cancellable<Value: Sendable>(
    _ call: (CancelToken) async throws -> Value
) async throws -> Value {
    let token = CancelToken()
    return try await withTaskCancellationHandler {
        do {
            return try await call(token)
        } catch TidewireError.Cancelled {
            throw CancellationError()
        }
    } onCancel: {
        token.cancel()
    }
}
