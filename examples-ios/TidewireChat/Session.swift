import Foundation
import Observation
import Tidewire

/// Who is signed in, and the client of that user. The one place that opens and ends clients.
@MainActor
@Observable
final class Session {
    enum Phase {
        case signedOut
        case opening
        case open(TidewireClient, ClientStatus)
    }

    /// As in `BGTaskSchedulerPermittedIdentifiers` of Info.plist.
    static let refreshTask = "dev.tidewire.chat.refresh"

    private(set) var phase: Phase = .signedOut
    /// Why the sign-in failed, in words.
    var problem: String?
    @ObservationIgnored private var platform: PlatformObserver?
    @ObservationIgnored private let log = SystemLog(.info, subsystem: "dev.tidewire.chat")

    /// The client that is open, for a refresh in the background.
    private static var current: TidewireClient?

    /// Goes on with the account of the last time, if there is one.
    func resume() async {
        guard case .signedOut = phase, let account = Account.saved else { return }
        await open(account)
    }

    /// A real app asks its own sign-in server here; this one takes a token of the demo's server.
    func signIn(server: String, user: String, token: String) async {
        let account = Account(server: server, user: user)
        do {
            try KeychainTokenStore(account: user).save(token)
        } catch {
            problem = error.localizedDescription
            return
        }
        await open(account)
    }

    private func open(_ account: Account) async {
        phase = .opening
        problem = nil
        do {
            let client = try await account.open()
            account.save()
            Self.current = client
            // From now on the client hears of the network, of low power, and where the app stands.
            platform = PlatformObserver(client)
            let status = ClientStatus(client)
            status.start()
            phase = .open(client, status)
        } catch {
            problem = error.localizedDescription
            phase = .signedOut
        }
    }

    /// How many messages wait to be sent, if the sign-out was refused because of them.
    func signOut(discarding: Bool) async -> UInt64? {
        guard case .open(let client, let status) = phase else { return nil }
        do {
            try await client.logout(discarding ? .discard : .keep)
        } catch TidewireError.PendingSends(let pending) {
            return pending
        } catch {
            // The client has ended all the same.
            problem = error.localizedDescription
        }
        status.stop()
        (platform, Self.current) = (nil, nil)
        Account.forget(client.user)
        phase = .signedOut
        return nil
    }

    /// The client there is, or one that is opened because the system has woken the app.
    static func clientForRefresh() async throws -> TidewireClient {
        if let current { return current }
        guard let account = Account.saved else { throw CancellationError() }
        let client = try await account.open()
        current = client
        return client
    }
}

/// Who was signed in last, and where. The token is in the keychain.
struct Account: Codable {
    let server: String
    let user: String

    private static let key = "account"

    static var saved: Account? {
        UserDefaults.standard.data(forKey: key).flatMap { try? JSONDecoder().decode(Account.self, from: $0) }
    }

    func save() {
        UserDefaults.standard.set(try? JSONEncoder().encode(self), forKey: Self.key)
    }

    static func forget(_ user: String) {
        UserDefaults.standard.removeObject(forKey: key)
        // What stays there is of no use to anybody: the token runs out.
        try? KeychainTokenStore(account: user).save(nil)
    }

    /// Waits for the disk, never for the network.
    @MainActor
    func open() async throws -> TidewireClient {
        let folder = URL.applicationSupportDirectory.appending(path: "tidewire")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let store = KeychainTokenStore(account: user)
        let settings = Settings(url: server, user: user, dataDir: folder.path).asLaunched
        return try await TidewireClient.open(settings) {
            // A real app gets a new one from its sign-in server: see `StoredTokens`.
            guard let token = try store.load() else {
                throw TokenProviderError.Unavailable(reason: "signed out")
            }
            return token
        }
    }
}
