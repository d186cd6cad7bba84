import Foundation
import Testing

@testable import Tidewire

struct TokenTests {
    // scenario: token-expires
    @Test func aTokenThatEndsIsReplacedAndSendingGoesOn() async throws {
        let (asked, ask) = AsyncStream.makeStream(of: Void.self)
        let pair = try await Pair.meet { user in
            ask.yield()
            return try await Stage.token(user, seconds: 4)
        }
        var sent: [String] = []
        for await _ in asked {
            sent.append("with token \(sent.count + 1)")
            try await pair.room.send(sent.last!)
            #expect(try await pair.peerTimeline.texts(sent.count) == sent)
            if sent.count == 4 { break }
        }
        #expect(try await pair.timeline.texts(sent.count) == sent)
        try await pair.end()
    }

    // scenario: token-expires, token-provider-fails
    @Test func withoutANewTokenSendsWaitAndGoOutOnceThereIsOne() async throws {
        let isSignedIn = Locked(true)
        let pair = try await Pair.meet { user in
            guard isSignedIn.withLock({ $0 }) else { throw SignedOut() }
            return try await Stage.token(user, seconds: 3)
        }
        let events = pair.client.events
        isSignedIn.withLock { $0 = false }
        let reason = try await authRequired(events)
        #expect(reason.contains("please sign in again"), "\(reason)")

        let id = try await pair.room.send("waits")
        let waiting = try await pair.timeline.rows("it waits") { $0.texts == ["waits"] }.messages.last
        #expect(waiting?.id == id && waiting?.state == .sending)
        await #expect(throws: TidewireError.self) { try await pair.client.directRoom(with: "joan") }

        isSignedIn.withLock { $0 = true }
        #expect(try await pair.peerTimeline.texts(1) == ["waits"])
        #expect(try await pair.timeline.texts(1) == ["waits"])
        try await pair.end()
    }

    // scenario: token-provider-fails
    @Test(arguments: [
        (SignedOut(), "please sign in again"),
        (TokenProviderError.Unavailable(reason: "no account"), "no account"),
        (PlainError.notSignedIn("ada"), "notSignedIn"),
        (CancellationError(), "CancellationError"),
    ] as [(any Error, String)])
    func whatTheProviderThrowsIsToldInWords(_ error: any Error, _ words: String) async throws {
        let world = try await World.new()
        let ada = Person("ada")
        let asked = Locked(0)
        let client = try await ada.open(world) { _ in
            asked.withLock { $0 += 1 }
            throw error
        }
        let reason = try await authRequired(client.events)
        #expect(reason.contains(words) && !reason.contains("Unavailable("), "\(reason)")
        #expect(asked.withLock { $0 } > 0)
        #expect(try await client.rooms() == [], "what is cached can be read")
        try await client.shutdown()
    }

    @Test func aTokenOfSomebodyElseIsNotUsed() async throws {
        let client = try await Person("ada").open(World.new()) { _ in try await Stage.token("eve") }
        _ = try await first("eve's token is told", in: client.events) {
            $0.events.contains(.wrongUser(tokenUser: "eve"))
        }
        try await client.shutdown()
    }

    private func authRequired(_ events: ClientEvents) async throws -> String {
        let batch = try await first("AuthRequired", in: events) { $0.signInReason != nil }
        return batch.signInReason ?? ""
    }
}

extension EventBatch {
    /// Why a sign-in is needed, if one is.
    var signInReason: String? {
        for case .authRequired(let reason) in events { return reason }
        return nil
    }
}

struct SignedOut: LocalizedError {
    var errorDescription: String? { "please sign in again" }
}

enum PlainError: Error {
    case notSignedIn(String)
}
