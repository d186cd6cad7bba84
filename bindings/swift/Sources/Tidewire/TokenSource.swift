import TidewireFFI

/// The app's closure as the Rust side knows a token provider.
final class TokenSource: TidewireFFI.TokenProvider {
    private let provider: @Sendable () async throws -> String

    init(_ provider: @escaping @Sendable () async throws -> String) {
        self.provider = provider
    }

    func token() async throws -> String {
        do {
            return try await provider()
        } catch let error as TokenProviderError {
            throw error
        } catch {
            throw TokenProviderError.Unavailable(reason: words(for: error))
        }
    }
}
