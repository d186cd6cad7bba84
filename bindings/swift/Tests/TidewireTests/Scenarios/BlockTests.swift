import Testing

@testable import Tidewire

/// Users who are blocked.
struct BlockTests {
    // scenario: block
    @Test func whoIsBlockedIsMarkedAtOnceOnAllDevicesAndReachesNobodyInADirectRoom() async throws {
        let pair = try await Pair.meet()
        let (phone, grace) = (pair.client, pair.grace.name)
        let laptop = try await pair.ada.elsewhere().open(World.new())
        try await laptop.online()
        let group = try await phone.createGroup(name: "Tea", members: [grace])
        try await pair.peer.knows(group.id)
        let said = try await pair.peer.room(group.id).send("hello, all")
        try await laptop.knows(group.id)
        try await laptop.knows(pair.room.id)
        var timelines: [Timeline] = []
        for client in [phone, laptop] {
            let timeline = try await client.room(group.id).timeline()
            try await timeline.message(said, "it is there") { !$0.blocked }
            timelines.append(timeline)
        }
        phone.setNetwork(Network(kind: .none))
        try await phone.block(grace)
        try await timelines[0].message(said, "it is marked without a network") { $0.blocked }
        _ = try await first("she is blocked", in: phone.blocked) { $0 == [grace] }
        phone.setNetwork(Network(kind: .wifi))
        try await timelines[1].message(said, "it is marked on the other device") { $0.blocked }
        _ = try await first("she is blocked there", in: laptop.blocked) { $0 == [grace] }
        try await fails(pair.theirs, "blocked")
        try await fails(laptop.room(pair.room.id), "unblock_first")
        do {
            _ = try await pair.peer.createGroup(name: "Trap", members: [pair.ada.name])
            Issue.record("she brings nobody into a room who has blocked her")
        } catch TidewireError.Refused(let code, _, _, _) {
            #expect(code == "blocked")
        }
        do {
            try await phone.block(pair.ada.name)
            Issue.record("nobody blocks himself")
        } catch TidewireError.InvalidBlock {}
        let more = try await pair.peer.room(group.id).send("still here")
        try await timelines[1].message(more, "in the group all goes on") { $0.blocked }
        try await laptop.unblock(grace)
        try await timelines[0].message(said, "it is marked no more") { !$0.blocked }
        _ = try await first("nobody is blocked", in: phone.blocked) { $0.isEmpty }
        let again = try await pair.theirs.send("thanks")
        try await pair.timeline.message(again, "it arrives") { $0.state.isSent }
        try await laptop.shutdown()
        try await pair.end()
    }

    private func fails(_ room: Room, _ code: String) async throws {
        let timeline = try await room.timeline()
        let id = try await room.send("to the two of us")
        try await timeline.message(id, "it fails, and says why") {
            if case .failed(.refused(let told, _)) = $0.state { told == code } else { false }
        }
        try await room.discard(id)
    }
}
