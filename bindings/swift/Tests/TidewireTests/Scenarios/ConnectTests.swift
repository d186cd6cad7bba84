import Foundation
import Testing

@testable import Tidewire

struct ConnectTests {
    // scenario: connect
    @Test func aClientOpensTellsItsModeAndWhyAndListsItsRooms() async throws {
        let world = try await World.new()
        let (ada, grace) = (Person("ada"), Person("grace"))
        let client = try await ada.open(world)
        let peer = try await grace.open(world)
        #expect(client.user == ada.name)
        #expect(!client.mode.reasonText.isEmpty, "there is a mode with a reason at once")

        let report = try await client.online()
        #expect(report.mode == .realTime && report.reason == .unbound, "\(report)")
        #expect(!report.reasonText.isEmpty)
        #expect(client.mode.mode == report.mode)
        #expect(try await client.rooms() == [])

        let group = try await client.createGroup(name: "Tea", members: [grace.name])
        let direct = try await client.directRoom(with: grace.name)
        #expect(try await client.directRoom(with: grace.name).id == direct.id, "one for each pair")
        try await peer.knows(group.id)
        try await peer.knows(direct.id)
        let rooms = try await peer.rooms()
        #expect(rooms.count == 2)
        let tea = try #require(rooms.first { $0.id == group.id })
        #expect(tea.name == "Tea" && tea.kind == .group && tea.members == 2 && tea.joined)
        #expect(rooms.first { $0.id == direct.id }?.peer == ada.name)
        try await client.shutdown()
        try await peer.shutdown()
    }

    @Test func theAppsCeilingBindsTheModeAndIsItsReason() async throws {
        let client = try await Person("ada").open(World.new())
        try await client.online()
        client.setModeCeiling(.polling)
        _ = try await first("polling by the ceiling", in: client.modes) {
            $0.mode == .polling && $0.reason == .ceiling
        }
        client.setNetwork(Network(kind: .none))
        _ = try await first("offline by the network", in: client.modes) {
            $0.mode == .offline && $0.reason == .network(kind: .none)
        }
        client.setNetwork(Network(kind: .wifi))
        client.setModeCeiling(.realTime)
        _ = try await first("real-time again", in: client.modes) { $0.mode == .realTime }
        try await client.shutdown()
    }

    @Test func manyMayWatchTheModeAndEachStartsWithWhatItIs() async throws {
        let client = try await Person("ada").open(World.new())
        try await client.online()
        try await withThrowingTaskGroup(of: Mode.self) { group in
            for _ in 0..<8 {
                group.addTask { try await first("a mode", in: client.modes) { _ in true }.mode }
            }
            for try await mode in group { #expect(mode == .realTime) }
        }
        try await client.shutdown()
    }
}
