import Foundation
import Testing

@testable import Tidewire

struct ClosingTests {
    // scenario: use-after-close
    @Test func everyCallAfterTheCloseSaysClosed() async throws {
        let pair = try await Pair.meet()
        let id = try await pair.room.send("Hello")
        _ = try await pair.timeline.texts(1)
        let (client, room, timeline, events) =
            (pair.client, pair.room, pair.timeline, pair.client.events)
        let list = try await client.roomList()
        client.close()
        for time in ["at once", "when it is done", "after the second time"] {
            await fails(with: .Closed) { _ = try await client.rooms() }
            await fails(with: .Closed) { _ = try await client.directRoom(with: "joan") }
            await fails(with: .Closed) {
                _ = try await client.createGroup(name: "Tea", members: [])
            }
            await fails(with: .Closed) { try await room.send("too late") }
            await fails(with: .Closed) { try await client.room("nonsense").send("too late") }
            await fails(with: .Closed) { try await room.retry(id) }
            await fails(with: .Closed) { try await room.discard(id) }
            await fails(with: .Closed) { try await room.cancel(id) }
            await fails(with: .Closed) { _ = try await room.timeline() }
            await fails(with: .Closed) { try await room.markRead(upTo: 1) }
            await fails(with: .Closed) { _ = try await client.refreshOnce(deadline: 1) }
            await fails(with: .Closed) { try await timeline.loadOlder() }
            await fails(with: .Closed) { try await timeline.loadNewer() }
            await fails(with: .Closed) { _ = try await room.thread(of: id) }
            await fails(with: .Closed) { try await timeline.fillGap(from: 1, to: 2) }
            await fails(with: .Closed) { try await room.reply(to: id, "too late") }
            await fails(with: .Closed) { try await room.sendAs("app", contentJson: "{}") }
            await fails(with: .Closed) { try await room.sendInThread(of: id, "too late") }
            await fails(with: .Closed) { try await room.edit(id, "too late") }
            await fails(with: .Closed) { try await room.delete(id) }
            await fails(with: .Closed) { try await room.react("👍", to: id) }
            await fails(with: .Closed) { try await room.unreact("👍", to: id) }
            await fails(with: .Closed) { try await room.setDraft("too late") }
            await fails(with: .Closed) { _ = try await room.draft() }
            await fails(with: .Closed) { try await room.setSettings(RoomSettings()) }
            await fails(with: .Closed) { try await room.mute() }
            await fails(with: .Closed) { try await room.pin() }
            await fails(with: .Closed) { try await room.archive() }
            await fails(with: .Closed) { _ = try await room.members() }
            await fails(with: .Closed) { try await room.addMembers(["joan"]) }
            await fails(with: .Closed) { try await room.removeMember("joan") }
            await fails(with: .Closed) { try await room.leave() }
            await fails(with: .Closed) { try await room.setRole(.owner, of: "joan") }
            await fails(with: .Closed) { try await room.update(RoomUpdate(name: "Tea")) }
            await fails(with: .Closed) { _ = try await client.roomList() }
            await fails(with: .Closed) { try list.setVisible(first: 0, count: 1) }
            await fails(with: .Closed) { for try await _ in list.rows {} }
            await fails(with: .Closed) { for try await _ in list.batches {} }
            await fails(with: .Closed) { for try await _ in client.unreadTotal {} }
            await fails(with: .Closed) { _ = try await client.cacheReport() }
            await fails(with: .Closed) { try await client.logout(.discard) }
            await fails(with: .Closed) { for try await _ in timeline.rows {} }
            await fails(with: .Closed) { for try await _ in timeline.batches {} }
            await fails(with: .Closed) { for try await _ in client.modes {} }
            await fails(with: .Closed) { for try await _ in client.events {} }
            await fails(with: .Closed) { for try await _ in events {} }
            try await client.setAppState(.background)
            client.setNetwork(Network(kind: .none))
            client.setModeCeiling(.polling)
            timeline.close()
            #expect(client.user == pair.ada.name && !client.mode.reasonText.isEmpty, "\(time)")
            try await client.shutdown()
            client.close()
        }
        try await pair.peer.shutdown()
    }

    // scenario: use-after-close
    @Test func loopsThatRunEndWithTheClient() async throws {
        let pair = try await Pair.meet()
        let (client, timeline) = (pair.client, pair.timeline)
        let running = Locked(0)
        let loops = [
            Task { for try await _ in timeline.rows { running.withLock { $0 += 1 } } },
            Task { for try await _ in client.modes { running.withLock { $0 += 1 } } },
            Task {
                for try await _ in client.events { running.withLock { $0 += 1 } }
            },
        ]
        // So that the third loop, which starts with nothing, has something to tell too.
        try await within("the loops run") {
            while running.withLock({ $0 }) < 3 {
                _ = try await client.createGroup(name: "Tea", members: [])
            }
        }
        try await client.shutdown()
        for loop in loops { try await within("the loop ends") { try await loop.value } }
        try await pair.peer.shutdown()
    }

    // scenario: use-after-close
    @Test func aClosedTimelineEndsAloneAndASecondOneGoesOn() async throws {
        let pair = try await Pair.meet()
        let second = try await pair.room.timeline()
        pair.timeline.close()
        pair.timeline.close()
        await fails(with: .Closed) { for try await _ in pair.timeline.rows {} }
        await fails(with: .Closed) { try await pair.timeline.loadOlder() }
        try await pair.room.send("Hello")
        #expect(try await second.texts(1) == ["Hello"])
        try await pair.end()
    }

    // scenario: use-after-close
    @Test func aClosedTimelineKeepsNothingInMemoryWhoeverStillHoldsIt() async throws {
        let pair = try await Pair.meet()
        try await pair.say("Hello", in: pair.room)
        let list = try await pair.client.roomList()
        #expect(try await pair.client.cacheReport().messagesInMemory > 0)
        pair.timeline.close()
        list.close()
        // The client hears of a close before it hears of what is asked for afterwards.
        #expect(try await pair.client.cacheReport().messagesInMemory == 0)
        #expect(pair.timeline.room == pair.room.id)
        await fails(with: .Closed) { try await pair.timeline.loadOlder() }
        await fails(with: .Closed) { try list.setVisible(first: 0, count: 1) }
        try await pair.end()
    }

    // scenario: use-after-close
    @Test(arguments: 0..<10) func callsBesideTheCloseSucceedOrSayClosed(_ round: Int) async throws {
        let (person, world) = try await (Person("ada"), World.new())
        let client = try await person.open(world)
        try await client.online()
        let room = try await client.createGroup(name: "Tea", members: [])
        let timeline = try await room.timeline()
        let sent = Locked<Set<String>>([])
        await withTaskGroup(of: (any Error)?.self) { group in
            for call in 0..<60 {
                group.addTask {
                    do {
                        switch call % 6 {
                        case 0: _ = try await client.rooms()
                        case 1:
                            let id = try await room.send("message \(call)")
                            sent.withLock { _ = $0.insert(id) }
                        case 2: for try await _ in try await room.timeline().rows { break }
                        case 3: for try await _ in client.modes { break }
                        case 4: try await timeline.loadOlder()
                        default: if call > 30 { try await client.shutdown() } else { client.close() }
                        }
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            for await error in group where error != nil {
                #expect(error as? TidewireError == .Closed)
            }
        }
        try await client.shutdown()
        // The folder is free again, and what was sent is on it.
        let again = try await person.open(world)
        try await again.knows(room.id)
        let promised = sent.withLock { $0 }
        let end = try await again.room(room.id).send("end")
        let rows = try await again.room(room.id).timeline().rows("all that was sent") { rows in
            let sent = rows.messages.filter { $0.state.isSent }.map(\.id)
            return promised.union([end]).isSubset(of: sent)
        }
        let arrived = rows.messages.filter { $0.text != nil }.map(\.id)
        #expect(arrived.count == promised.count + 1, "once, and none of which the sender heard no")
        try await again.shutdown()
    }

    @Test func aClientThatNobodyHoldsLetsGoOfItsFolder() async throws {
        let person = Person("ada")
        let world = try await World.new()
        do {
            let client = try await person.open(world)
            try await client.online()
            await fails(with: .FolderInUse(path: "")) {
                do {
                    _ = try await person.open(world)
                } catch TidewireError.FolderInUse(let path) {
                    #expect(path.hasPrefix(person.folder))
                    throw TidewireError.FolderInUse(path: "")
                }
            }
        }
        let again = try await within("the folder is free") {
            while true {
                do {
                    return try await person.open(world)
                } catch TidewireError.FolderInUse {
                    await Task.yield()
                }
            }
        }
        try await again.shutdown()
    }
}
