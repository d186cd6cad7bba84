import Foundation
import Testing

@testable import Tidewire

@Suite struct RoomListTests {
    // scenario: room-list
    @Test func aListOfRoomsIsSortedFilteredAndFollowsWhatHappens() async throws {
        let pair = try await Pair.meet()
        let (ada, grace) = (pair.client, pair.peer)
        let harbour = try await ada.createGroup(name: "Harbour", members: [pair.grace.name])
        let anchor = try await ada.createGroup(name: "Ánchor", members: [pair.grace.name])
        let recent = try await grace.roomList()
        let unread = try await grace.roomList(sort: .unreadFirst)
        let names = try await grace.roomList(sort: .name, filter: RoomFilter(kind: .group))
        let found = try await grace.roomList(filter: RoomFilter(name: "ANCH"))
        for (room, text) in [(harbour, "one"), (anchor, "two"), (pair.room, "three")] {
            try await room.send(text)
            try await recent.row(room, text) { $0.lastMessage?.text == text }
        }
        try await recent.shows([pair.room, anchor, harbour])
        try await names.shows([anchor, harbour])
        try await found.shows([anchor])
        let direct = try await recent.row(pair.room, "exact") { $0.unread.messages == 1 }
        #expect(direct.peer == pair.ada.name && direct.kind == .direct && direct.name == nil)
        let theirs = grace.room(pair.room.id)
        try await theirs.markRead(upTo: 1_000)
        try await unread.shows([anchor, harbour, pair.room])
        // One's own words, and a name that an owner changes.
        try await grace.room(harbour.id).send("mine")
        try await recent.shows([harbour, pair.room, anchor])
        try await harbour.update(RoomUpdate(name: "A harbour", avatarUrl: "https://example.com/h"))
        try await names.shows([harbour, anchor])
        let renamed = try await recent.row(harbour, "renamed") { $0.name == "A harbour" }
        #expect(renamed.avatarUrl == "https://example.com/h" && renamed.role == .member)
        try await grace.room(anchor.id).leave()
        try await recent.shows([harbour, pair.room])
        try await found.shows([])
        recent.close()
        await fails(with: .Closed) { for try await _ in recent.rows {} }
        await fails(with: .Closed) { try recent.setVisible(first: 0, count: 1) }
        try await pair.end()
        await fails(with: .Closed) { _ = try await grace.roomList() }
    }

    @Test func aListIsAWindowThatMovesWithWhatIsShown() async throws {
        let world = try await World.new()
        let client = try await Person("ada").open(world)
        try await client.online()
        var rooms: [Room] = []
        for number in 1...9 {
            rooms.append(try await client.createGroup(name: "\(number)", members: []))
        }
        let list = try await client.roomList(sort: .name, window: 4)
        let top = try await list.rows("all rooms") { $0.total == 9 }
        #expect(top.first == 0 && top.rows.map(\.name) == ["1", "2", "3", "4"])
        try list.setVisible(first: 5, count: 2)
        let moved = try await list.rows("it has moved") { $0.first > 0 }
        let shown = moved.rows.map { $0.name ?? "" }
        #expect(shown.contains("6") && shown.contains("7") && shown.count == 4)
        // The batches go on where the rows ended.
        try await rooms[5].pin()
        let batch = try await first("its batch", in: list.batches) { _ in true }
        #expect(batch.number > 1 && batch.total == 9)
        try await client.shutdown()
    }

    // scenario: draft
    @Test func aDraftIsThereAfterARestartAndShowsInTheList() async throws {
        let pair = try await Pair.meet()
        try await pair.room.setDraft("half a tho")
        try await pair.client.shutdown()
        try await pair.world.cut()
        let again = try await pair.ada.open(pair.world)
        let room = again.room(pair.room.id)
        let list = try await again.roomList()
        try await list.row(room, "the draft") { $0.draft == "half a tho" }
        #expect(try await room.draft() == "half a tho")
        #expect(try await again.rooms().first?.draft == "half a tho")
        try await room.setDraft(nil)
        try await list.row(room, "no draft") { $0.draft == nil }
        #expect(try await room.draft() == nil)
        do {
            try await room.setDraft(String(repeating: "x", count: 40_000))
            Issue.record("did not throw")
        } catch TidewireError.InvalidMessage {}
        try await again.shutdown()
        try await pair.peer.shutdown()
    }

    // scenario: room-settings
    @Test func whatIsSetForARoomShowsAtOnceAndOnTheOtherDevice() async throws {
        let pair = try await Pair.meet()
        let phone = pair.client
        let tablet = try await pair.ada.elsewhere().open(World.new())
        let group = try await phone.createGroup(name: "Tea", members: [])
        let lists = [try await phone.roomList(), try await tablet.roomList()]
        let away = try await tablet.roomList(filter: RoomFilter(archived: true))
        try await pair.say("newer", in: pair.room)
        for list in lists { try await list.shows([pair.room, group]) }
        phone.setNetwork(Network(kind: .none))
        try await group.pin()
        try await group.mute()
        let set = RoomSettings(muted: true, pinned: true)
        try await lists[0].row(group, "at once") { $0.settings == set }
        try await lists[0].shows([group, pair.room])
        phone.setNetwork(Network(kind: .wifi))
        try await lists[1].row(group, "on the other device") { $0.settings == set }
        try await lists[1].shows([group, pair.room])
        try await tablet.room(pair.room.id).archive()
        for list in lists { try await list.shows([group]) }
        try await away.shows([pair.room])
        try await tablet.room(group.id).setSettings(RoomSettings())
        try await lists[0].row(group, "nothing is set any more") { $0.settings == RoomSettings() }
        try await tablet.shutdown()
        try await pair.end()
    }

    // scenario: members
    @Test func membersAreInvitedGivenARoleAndSentAwayAndAllSeeIt() async throws {
        let pair = try await Pair.meet()
        let group = try await pair.client.createGroup(name: "Tea", members: [])
        let list = try await pair.peer.roomList()
        let theirs = pair.peer.room(group.id)
        try await group.addMembers([pair.grace.name])
        let invited = try await list.row(group, "the invitation") { $0.members == 2 }
        #expect(invited.role == .member)
        do {
            try await theirs.update(RoomUpdate(name: "Coffee"))
            Issue.record("only owners may")
        } catch TidewireError.Refused(let code, _, _, _) {
            #expect(code == "forbidden")
        }
        try await group.setRole(.owner, of: pair.grace.name)
        try await list.row(group, "she owns it") { $0.role == .owner }
        try await theirs.update(RoomUpdate(name: "Coffee"))
        let page = try await group.members()
        #expect(Set(page.members.map(\.id)) == [pair.ada.name, pair.grace.name])
        #expect(page.members.allSatisfy { $0.role == .owner && $0.joinedAtMs > 0 } && page.next == nil)
        let own = try await pair.client.roomList()
        try await own.shows([group, pair.room])
        try await theirs.removeMember(pair.ada.name)
        try await own.shows([pair.room])
        await fails(with: .NotAMember(room: group.id)) { try await group.send("hello?") }
        try await pair.end()
    }

    // scenario: moderation
    @Test func aModeratorDeletesSendsAwayAndKeepsOutAndAllSeeIt() async throws {
        let pair = try await Pair.meet()
        let group = try await pair.client.createGroup(name: "Tea", members: [pair.grace.name])
        let list = try await pair.peer.roomList()
        let theirs = pair.peer.room(group.id)
        let said = try await group.send("rubbish")
        try await list.row(group, "the message") { $0.lastMessage?.id == said }
        await fails(with: .NotYours(id: said)) { try await theirs.delete(said) }
        try await group.setRole(.moderator, of: pair.grace.name)
        try await list.row(group, "she keeps order") { $0.role == .moderator }
        try await theirs.delete(said)
        let own = try await pair.client.roomList()
        try await own.row(group, "it is gone") { $0.lastMessage?.deleted != nil }
        try await theirs.ban("mallory", reason: "spam")
        let page = try await group.bans()
        #expect(page.bans.map(\.user) == ["mallory"] && page.next == nil)
        #expect(page.bans.first?.by == pair.grace.name && page.bans.first?.reason == "spam")
        do {
            try await group.addMembers(["mallory"])
            Issue.record("who is banned is not added")
        } catch TidewireError.Refused(let code, _, _, _) {
            #expect(code == "banned")
        }
        try await theirs.unban("mallory")
        try await group.addMembers(["mallory"])
        try await theirs.removeMember("mallory")
        try await group.ban(pair.grace.name)
        try await list.shows([pair.room])
        await fails(with: .NotAMember(room: group.id)) { try await theirs.send("hello?") }
        try await pair.end()
    }

    // scenario: mute
    @Test func aMutedMemberReadsOnHearsUntilWhenAndWritesAgainOnceItEnds() async throws {
        let pair = try await Pair.meet()
        let group = try await pair.client.createGroup(name: "Tea", members: [pair.grace.name])
        let list = try await pair.peer.roomList()
        try await list.row(group, "the room") { $0.mute == nil }
        let theirs = pair.peer.room(group.id)
        do {
            try await theirs.muteMember(pair.ada.name)
            Issue.record("a member mutes nobody")
        } catch TidewireError.Refused(let code, _, _, _) {
            #expect(code == "forbidden")
        }
        try await group.muteMember(pair.grace.name, for: 3_600, reason: "noise")
        try await list.row(group, "she is muted") { $0.mute != nil }
        let listed = try await group.mutedMembers().mutes.first
        #expect(listed?.user == pair.grace.name && listed?.by == pair.ada.name)
        #expect(listed?.reason == "noise" && listed?.mute.untilMs != nil)
        let until = listed?.mute.untilMs
        let members = try await group.members().members
        #expect(members.first { $0.user == pair.grace.name }?.mute?.untilMs == until)
        let timeline = try await theirs.timeline()
        let id = try await theirs.send("may I?")
        try await timeline.message(id, "it has failed, and says until when") {
            if case .failed(.muted(let untilMs, _)) = $0.state { untilMs == until } else { false }
        }
        let hush = try await group.send("hush")
        try await timeline.message(hush, "she reads on") { _ in true }
        try await group.unmuteMember(pair.grace.name)
        try await list.row(group, "she may write") { $0.mute == nil }
        try await theirs.retry(id)
        try await timeline.message(id, "it is sent") { $0.state.isSent }
        try await pair.end()
    }

    // scenario: slow-mode
    @Test func inSlowModeMessagesWaitForTheirTurnInOrderAndHoldNoOtherRoomUp() async throws {
        let pair = try await Pair.meet()
        let group = try await pair.client.createGroup(name: "Tea", members: [pair.grace.name])
        let list = try await pair.peer.roomList()
        try await list.row(group, "the room") { $0.slowModeMs == 0 }
        try await group.setSlowMode(3_600)
        try await list.row(group, "it is slow") { $0.slowModeMs == 3_600_000 }
        let theirs = pair.peer.room(group.id)
        let timeline = try await theirs.timeline()
        let first = try await theirs.send("1")
        let second = try await theirs.send("2")
        let third = try await theirs.send("3")
        try await timeline.message(first, "the first is sent") { $0.state.isSent }
        let elsewhere = try await pair.peer.room(pair.room.id).timeline()
        let there = try await pair.peer.room(pair.room.id).send("at once")
        try await elsewhere.message(there, "the other room goes on") { $0.state.isSent }
        try await timeline.message(second, "the second waits") { $0.state == .sending }
        try await group.setSlowMode(nil)
        try await list.row(group, "it is slow no more") { $0.slowModeMs == 0 }
        try await timeline.message(second, "it is sent") { $0.state.isSent }
        try await timeline.message(third, "and the last") { $0.state.isSent }
        try await pair.end()
    }
}
