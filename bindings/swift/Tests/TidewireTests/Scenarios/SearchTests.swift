import Testing

@testable import Tidewire

@Suite struct SearchTests {
    // scenario: search
    @Test func messagesAreFoundOnTheDeviceAndOnTheServerAndItSaysWhatThatCovers() async throws {
        let pair = try await Pair.meet()
        let id = try await pair.say("Meet me at the Café, Tomorrow 🎉", in: pair.room)
        try await pair.say("something else", in: pair.room)
        for query in ["cafe tom", "CAFÉ", "🎉", "to"] {
            let page = try await pair.client.search(query)
            #expect(page.hits.map(\.id) == [id], "\(query)")
            #expect(page.source == .device && page.next == nil)
        }
        let hit = try #require(try await pair.client.search("cafe").hits.first)
        #expect(hit.snippet.map(\.text).joined() == "Meet me at the Café, Tomorrow 🎉")
        #expect(hit.snippet.filter(\.matched).map(\.text) == ["Café"])
        #expect(hit.message.room == pair.room.id && hit.message.seq != nil)
        let coverage = try await pair.client.search("cafe").coverage
        #expect(coverage.contains { $0.room == pair.room.id && $0.complete })

        // Pages, one sender, one room.
        let first = try await pair.client.search("me", in: pair.room.id, from: pair.ada.name, limit: 1)
        #expect(first.hits.count == 1)
        #expect(try await pair.client.search("cafe", from: pair.grace.name).hits.isEmpty)
        let text = "so many"
        for number in 1...3 { try await pair.say("\(text) \(number)", in: pair.room) }
        let top = try await pair.client.search(text, limit: 2)
        #expect(top.hits.compactMap(\.message.text) == ["so many 3", "so many 2"])
        let rest = try await pair.client.search(text, limit: 2, after: top.next)
        #expect(rest.hits.compactMap(\.message.text) == ["so many 1"] && rest.next == nil)

        // What another device has not, the server finds.
        let tablet = try await pair.ada.elsewhere().open(World.new())
        try await tablet.knows(pair.room.id)
        let everywhere = try await tablet.search("cafe", scope: .everywhere)
        #expect(everywhere.hits.map(\.id) == [id] && everywhere.complete)
        // An edit is found by what it says now, a deletion not at all.
        try await pair.room.edit(id, "Meet me at the bar")
        try await pair.timeline.message(id, "edited") { !$0.changing && $0.edited != nil }
        #expect(try await pair.client.search("cafe").hits.isEmpty)
        #expect(try await pair.client.search("bar").hits.map(\.id) == [id])
        for nothing in ["", " ,.", String(repeating: "x", count: 1_000)] {
            do {
                _ = try await pair.client.search(nothing)
                Issue.record("did not throw: \(nothing)")
            } catch TidewireError.InvalidSearch(let reason) {
                #expect(!reason.isEmpty)
            }
        }
        try await tablet.shutdown()
        try await pair.end()
        await fails(with: .Closed) { _ = try await pair.client.search("cafe") }
    }

    @Test func aCancelledSearchEndsAsCancelled() async throws {
        let pair = try await Pair.meet()
        let search = Task { try await pair.client.search("cafe") }
        search.cancel()
        do {
            _ = try await search.value
        } catch is CancellationError {
            // Or it was faster.
        }
        try await pair.end()
    }

    // scenario: profiles
    @Test func aProfileIsShownToOthersAndItsChangeIsTold() async throws {
        let pair = try await Pair.meet()
        let grace = pair.grace.name
        let list = try await pair.client.roomList()
        try list.setVisible(first: 0, count: 5)
        let update = ProfileUpdate(name: "Grace 🌊 جريس", avatarUrl: "https://example.com/g")
        let own = try await pair.peer.updateProfile(update)
        #expect(own.user == grace && own.name == update.name && own.updatedAtMs > 0)
        let told = pair.client.profiles(of: [grace, pair.ada.name])
        let seen = try await first("grace's name", in: told) { $0[grace]?.name == update.name }
        #expect(seen[grace] == own)
        #expect(seen[pair.ada.name]?.name == nil)
        let row = try await list.row(pair.room, "in the list too") { $0.profile?.name == update.name }
        #expect(row.profile?.avatarUrl == update.avatarUrl && row.peer == grace)
        do {
            try await pair.peer.updateProfile(ProfileUpdate(name: String(repeating: "x", count: 2_000)))
            Issue.record("did not throw")
        } catch TidewireError.Refused(let code, _, _, _) {
            #expect(!code.isEmpty)
        }
        // Without a network it is as it was last seen.
        pair.client.setNetwork(Network(kind: .none))
        _ = try await first("as last seen", in: told) { $0[grace] == own }
        try await pair.end()
        await fails(with: .Closed) { for try await _ in told {} }
    }
}
