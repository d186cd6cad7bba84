import Testing

@testable import Tidewire

@Suite struct PresenceTests {
    // scenario: presence
    @Test func aPeerIsSeenOnlineAndAwayAndOfflineWithWhenItWasLastSeen() async throws {
        // Peers miss them after 2.5 s.
        let pair = try await Pair.meet()
        let grace = pair.grace.name
        let told = pair.client.presence(of: [grace, pair.ada.name])
        let online = try await first("online", in: told) { $0[grace] == .online }
        #expect(online[pair.ada.name] == .unknown, "of oneself nothing is told")
        try await pair.peer.setAppState(.background)
        _ = try await first("away", in: told) { $0[grace] == .away }
        try await pair.peer.setAppState(.foreground)
        _ = try await first("online again", in: told) { $0[grace] == .online }
        try await pair.peer.shutdown()
        let gone = try await first("offline", in: told) {
            if case .offline = $0[grace] { true } else { false }
        }
        guard case .offline(let lastSeen) = gone[grace] else { throw Trouble("\(gone)") }
        #expect((lastSeen ?? 0) > 1_700_000_000_000)
        pair.client.setNetwork(Network(kind: .none))
        _ = try await first("unknown", in: told) { $0[grace] == .unknown }
        try await pair.end()
    }

    // scenario: typing
    @Test func whoTypesIsSeenUntilTheSilenceAndUntilTheMessage() async throws {
        let pair = try await Pair.meet()
        let (room, grace) = (pair.room, pair.grace.name)
        let theirs = pair.peer.room(room.id)
        let events = pair.client.events
        _ = try await first("online", in: pair.client.presence(of: [grace])) { $0[grace] == .online }
        theirs.typing()
        _ = try await first("grace types", in: room.typists) { $0 == [grace] }
        _ = try await first("she has stopped", in: room.typists) { $0.isEmpty }
        theirs.typing()
        _ = try await first("grace types again", in: room.typists) { $0 == [grace] }
        try await theirs.send("Hello")
        _ = try await first("it is there", in: room.typists) { $0.isEmpty }
        #expect(try await pair.timeline.texts(1) == ["Hello"])
        let typed = ClientEvent.typingChanged(room: room.id, users: [grace])
        _ = try await first("it was an event too", in: events) { $0.events.contains(typed) }
        try await pair.end()
    }

    @Test func typingWhereNobodyIsToHearOfItDoesNothing() async throws {
        let pair = try await Pair.meet()
        pair.client.room("no id").typing()
        pair.client.room("0199c306-6400-7c3e-9a41-6f2d8e0b1c52").typing()
        for _ in 0..<10_000 { pair.room.typing() }
        try await pair.end()
        pair.room.typing()
        await fails(with: .Closed) { for try await _ in pair.room.typists {} }
        await fails(with: .Closed) { for try await _ in pair.client.presence(of: []) {} }
    }
}
