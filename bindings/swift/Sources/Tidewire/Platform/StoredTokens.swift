import Foundation

/// Keeps a token from one start of the app to the next. On Apple platforms ``KeychainTokenStore``.
public protocol TokenStore: Sendable {
    /// The token, if there is one.
    func load() throws -> String?
    /// Keeps a token in the place of the one there is; `nil` forgets it.
    func save(_ token: String?) throws
}

/// A token provider that begins with the token of the last start, if that is good for a while: so the app is
/// online without waiting for the sign-in server.
///
///     let tokens = StoredTokens(KeychainTokenStore(account: user)) { try await signIn(user) }
///     let client = try await TidewireClient.open(settings) { try await tokens.token() }
///
/// The stored one is given once: whoever asks again, because it runs out or was refused, gets a new one.
public actor StoredTokens {
    /// How long the stored one has to be good for at least, in s: the client asks that long ahead.
    static let leastLeft: TimeInterval = 60

    private let store: any TokenStore
    private let fetch: @Sendable () async throws -> String
    private var isAsked = false

    /// - Parameters:
    ///   - store: where it is kept.
    ///   - fetch: gets a new one: the app's own way to its sign-in server.
    public init(_ store: any TokenStore, fetch: @escaping @Sendable () async throws -> String) {
        self.store = store
        self.fetch = fetch
    }

    /// A token that is valid now. What can not be loaded or saved costs a fetch, and no more.
    ///
    /// - Throws: what `fetch` throws.
    public func token() async throws -> String {
        let isFirst = !isAsked
        isAsked = true
        if isFirst, let stored = try? store.load(), let end = expiry(of: stored),
            end.timeIntervalSinceNow > Self.leastLeft
        {
            return stored
        }
        let token = try await fetch()
        try? store.save(token)
        return token
    }

    /// Forgets the token: when the user signs out.
    ///
    /// - Throws: what the store throws.
    public func forget() throws {
        isAsked = true
        try store.save(nil)
    }
}

/// When a token ends, if it is a JSON web token that says so. Nothing of it is verified: the server does that.
func expiry(of token: String) -> Date? {
    let parts = token.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3 else { return nil }
    var base64 = parts[1].replacingOccurrences(of: "-", with: "+").replacingOccurrences(of: "_", with: "/")
    base64 += String(repeating: "=", count: (4 - base64.count % 4) % 4)
    struct Claims: Decodable {
        let exp: Double?
    }
    guard let data = Data(base64Encoded: base64),
        let end = try? JSONDecoder().decode(Claims.self, from: data).exp
    else { return nil }
    return Date(timeIntervalSince1970: end)
}
