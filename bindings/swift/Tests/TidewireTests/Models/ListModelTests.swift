import Testing

@testable import Tidewire

@MainActor
@Suite struct ListModelTests {
    // scenario: room-list
    @Test func aListFollowsWhatHappensAndWhatTheUserDoes() async throws {
        let pair = try await Pair.meet()
        let model = RoomListModel(pair.client)
        #expect(!model.isLoaded && model.rows.isEmpty)
        model.start()
        try await shows("the room") { model.isLoaded && model.rows.map(\.room) == [pair.room.id] }
        let tea = try #require(await model.createGroup(name: "Tea", members: [pair.grace.name]))
        try await shows("the group") { model.rows.count == 2 }
        try await pair.peer.knows(tea.id)
        try await pair.theirs.send("Hello")
        try await shows("unread") { model.rows.first?.room == pair.room.id && model.rows[0].unread.messages == 1 }
        for row in model.rows { model.appeared(row) }
        #expect(await model.markRead(model.rows[0]))
        try await shows("read") { model.rows.allSatisfy { $0.unread.messages == 0 } }

        let group = try #require(model.rows.first { $0.room == tea.id })
        #expect(await model.pin(group))
        try await shows("pinned above") { model.rows.first?.room == tea.id }
        #expect(await model.mute(group))
        try await shows("muted") { model.rows.first?.settings.muted == true }
        model.nameContains = "te"
        try await shows("found by its name") { model.rows.map(\.room) == [tea.id] }
        model.nameContains = ""
        model.filter = RoomFilter(kind: .direct)
        try await shows("direct rooms") { model.rows.map(\.room) == [pair.room.id] }
        model.filter = RoomFilter()
        model.sort = .name
        try await shows("all") { model.rows.count == 2 }
        #expect(await model.archive(group))
        try await shows("put away") { model.rows.map(\.room) == [pair.room.id] }
        #expect(await model.directRoom(with: "no user!") == nil && model.failure != nil)
        try await pair.end()
    }

    @Test func whatIsVisibleIsAPlaceInTheWholeList() {
        func row(_ room: String) -> RoomListRow {
            RoomListRow(
                room: room, kind: .group, name: nil, avatarUrl: nil, peer: nil, profile: nil, members: 1,
                role: .member, mute: nil, slowModeMs: 0,
                settings: RoomSettings(), unread: Unread(messages: 0, mentions: 0, exact: true),
                lastMessage: nil, draft: nil, pending: 0, failed: false, atMs: 0)
        }
        var state = RoomListState()
        #expect(state.place(of: ["a"]) == nil)
        state.first = 40
        state.rows = ["a", "b", "c", "d"].map(row)
        #expect(state.place(of: []) == nil)
        #expect(state.place(of: ["gone"]) == nil)
        #expect(state.place(of: ["b"]) == 41..<42)
        #expect(state.place(of: ["d", "b", "gone"]) == 41..<44)
    }

    // scenario: search
    @Test func aSearchFindsAtEachLetterAndEverywhereAfterAPause() async throws {
        let pair = try await Pair.meet()
        try await pair.say("a lighthouse in the fog", in: pair.room)
        let model = SearchModel(pair.client, in: pair.room.id)
        model.text = "light"
        #expect(!model.isSearching && model.hits.isEmpty, "not begun")
        let view = Task { await model.run() }
        try await shows("found") { model.hits.count == 1 && !model.isSearching }
        #expect(model.isComplete && !model.hasMore)
        model.text = "lightz"
        try await shows("not found") { model.hits.isEmpty && !model.isSearching }
        model.text = "fog"
        model.text = "  "
        #expect(model.hits.isEmpty && !model.isSearching && model.failure == nil)

        view.cancel()
        try await within("the view's task ends") { await view.value }
        model.text = "fog"
        #expect(!model.isSearching, "stopped")

        // On another device nothing is there: what it finds the server has.
        let other = try await pair.ada.elsewhere().open(pair.world)
        try await other.knows(pair.room.id)
        let everywhere = SearchModel(other)
        everywhere.start()
        everywhere.text = "lighthouse"
        try await shows("found by the server") { everywhere.hits.count == 1 }
        await everywhere.loadMore()
        #expect(everywhere.hits.count == 1)
        try await other.shutdown()
        try await pair.end()
    }
}
