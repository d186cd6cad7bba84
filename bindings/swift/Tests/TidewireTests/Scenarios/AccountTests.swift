import Foundation
import Testing

@testable import Tidewire

@Suite struct AccountTests {
    // scenario: logout
    @Test func aLogoutLosesNothingUnaskedAndLeavesNothingBehind() async throws {
        let pair = try await Pair.meet()
        try await pair.say("before", in: pair.room)
        pair.client.setNetwork(Network(kind: .none))
        for text in ["one", "two"] { try await pair.room.send(text) }
        await fails(with: .PendingSends(pending: 2)) { try await pair.client.logout(.keep) }
        #expect(TidewireError.PendingSends(pending: 2).isTemporary())
        // Nothing has changed: they go out.
        pair.client.setNetwork(Network(kind: .wifi))
        #expect(try await pair.timeline.texts(3) == ["before", "one", "two"])
        #expect(try pair.ada.accounts().count == 1)
        try await pair.client.logout(.keep)
        #expect(try pair.ada.accounts().isEmpty)
        await fails(with: .Closed) { _ = try await pair.client.rooms() }
        await fails(with: .Closed) { try await pair.client.logout(.keep) }

        // Whoever comes back has what was sent, and nothing else.
        let again = try await pair.ada.open(pair.world)
        try await again.knows(pair.room.id)
        let timeline = try await again.room(pair.room.id).timeline()
        #expect(try await timeline.texts(3) == ["before", "one", "two"])
        again.setNetwork(Network(kind: .none))
        try await again.room(pair.room.id).send("given up")
        try await again.logout(.discard)
        #expect(try pair.ada.accounts().isEmpty)
        try await pair.peer.room(pair.room.id).send("end")
        #expect(try await pair.peerTimeline.texts(4) == ["before", "one", "two", "end"])
        try await pair.peer.shutdown()
    }

    // scenario: two-accounts
    @Test func twoAccountsOfOneFolderSeeNothingOfEachOther() async throws {
        let world = try await World.new()
        let ada = Person("ada")
        let bob = ada.neighbour("bob")
        let clients = [try await ada.open(world), try await bob.open(world)]
        var rooms: [Room] = []
        for client in clients {
            try await client.online()
            let room = try await client.createGroup(name: client.user, members: [])
            try await room.send("what only \(client.user) says")
            rooms.append(room)
        }
        #expect(try ada.accounts().count == 2)
        for (client, own, other) in [(clients[0], rooms[0], rooms[1]), (clients[1], rooms[1], rooms[0])] {
            #expect(try await client.rooms().map(\.id) == [own.id])
            await fails(with: .UnknownRoom(room: other.id)) {
                _ = try await client.room(other.id).timeline()
            }
        }
        // One ends, the other does not notice.
        try await clients[0].logout(.discard)
        #expect(try ada.accounts().count == 1)
        try await rooms[1].send("still here")
        try await clients[1].shutdown()
        let again = try await bob.open(world)
        #expect(try await again.rooms().count == 1)
        try await again.shutdown()
    }

    // scenario: damaged-cache
    @Test func aDamagedCacheComesFromTheServerAgainAndWhatWasNotSentGoesOut() async throws {
        let pair = try await Pair.meet()
        try await pair.say("sent", in: pair.room)
        pair.client.setNetwork(Network(kind: .none))
        try await pair.room.send("not sent")
        try await pair.client.shutdown()
        let file = try #require(try pair.ada.accounts().first).appendingPathComponent("tidewire.db")
        let handle = try FileHandle(forWritingTo: file)
        try handle.write(contentsOf: Data(count: 4_096))
        try handle.close()

        let again = try await pair.ada.open(pair.world)
        let repair = try #require(try await again.cacheReport().repair)
        #expect(repair.cache && repair.complete && !repair.reason.isEmpty)
        try await again.knows(pair.room.id)
        let timeline = try await again.room(pair.room.id).timeline()
        #expect(try await timeline.texts(2) == ["sent", "not sent"])
        #expect(try await pair.peerTimeline.texts(2) == ["sent", "not sent"])
        try await again.shutdown()
        // Mended once, it stays so.
        let healthy = try await pair.ada.open(pair.world)
        let report = try await healthy.cacheReport()
        #expect(report.repair == nil)
        #expect(report.files.used > 0 && report.disk.bytes >= report.files.used)
        #expect([report.memory, report.disk, report.server].map(\.expectedMs) == [1, 10, 100])
        try await healthy.shutdown()
        try await pair.peer.shutdown()
    }
}
