import Foundation
import Testing

@testable import Tidewire

struct ErrorTests {
    @Test func errorsAreReadable() {
        let error: any Error = TidewireError.InvalidSetting(setting: "spread", bounds: "0 to 1")
        #expect(error.localizedDescription == "`spread` is out of its bounds: 0 to 1")
        #expect("\(error)" == error.localizedDescription)
        #expect(String(reflecting: error) == error.localizedDescription)
        let none: any Error = TokenProviderError.Unavailable(reason: "nobody is signed in")
        #expect(none.localizedDescription == "nobody is signed in")
    }

    @Test func errorsAreTyped() async throws {
        func settings(_ url: String, spread: UInt64? = nil, user: String = "ada") -> Settings {
            Settings(url: url, user: user, spreadMs: spread)
        }
        do {
            _ = try await TidewireClient.open(settings("no address")) { "" }
            Issue.record("did not throw")
        } catch TidewireError.InvalidUrl(let url, let reason) {
            #expect(url == "no address" && !reason.isEmpty)
        }
        do {
            _ = try await TidewireClient.open(settings("http://[::1]", spread: 600_001)) { "" }
            Issue.record("did not throw")
        } catch TidewireError.InvalidSetting(let setting, _) {
            #expect(setting.contains("spread"))
        }
        do {
            _ = try await TidewireClient.open(settings("http://[::1]", user: "a b")) { "" }
            Issue.record("did not throw")
        } catch TidewireError.InvalidId(let reason) {
            #expect(!reason.isEmpty)
        }
    }

    @Test func callsFailTypedAndAtOnceWithoutANetwork() async throws {
        // In memory, without a folder, and offline from the start on.
        let settings = Settings(url: "http://127.0.0.1:9", user: "ada")
        let client = try await TidewireClient.open(settings) { "" }
        client.setNetwork(Network(kind: .none))
        await fails(with: .Offline) { _ = try await client.directRoom(with: "grace") }
        #expect(TidewireError.Offline.isTemporary() && !TidewireError.Closed.isTemporary())
        await fails(with: .InvalidId(reason: "")) { try await anyId { try await client.room("?").send("a") } }
        let stranger = UUID().uuidString.lowercased()
        await fails(with: .UnknownRoom(room: stranger)) {
            try await client.room(stranger).send("Hello")
        }
        try await client.shutdown()
    }

    @Test func aMessageThatCanNeverBeSentIsRefusedAtOnce() async throws {
        let pair = try await Pair.meet()
        for bad in ["", String(repeating: "x", count: 8_193)] {
            do {
                try await pair.room.send(bad)
                Issue.record("did not throw")
            } catch TidewireError.InvalidMessage(let reason) {
                #expect(!reason.isEmpty)
            }
        }
        let id = UUID().uuidString.lowercased()
        await fails(with: .UnknownMessage(id: id)) { try await pair.room.retry(id) }
        await fails(with: .UnknownMessage(id: id)) { try await pair.room.discard(id) }
        try await pair.end()
    }

    /// Leaves the words of an `InvalidId` out.
    private func anyId(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch TidewireError.InvalidId(let reason) {
            #expect(!reason.isEmpty)
            throw TidewireError.InvalidId(reason: "")
        }
    }
}
