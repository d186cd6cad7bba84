import Testing

@testable import Tidewire

@Suite struct SurroundingsTests {
    // scenario: visible-rooms
    @Test func aRoomThatTheListShowsIsLiveBeforeOneWithLaterNews() async throws {
        let world = try await World.new()
        let (ada, grace) = (Person("ada"), Person("grace"))
        let client = try await ada.open(world)
        // Only what is live can arrive: the feed is not read again within the test.
        let peer = try await TidewireClient.open(
            Settings(
                url: world.url, user: grace.name, dataDir: grace.folder, maxConcurrentRooms: 1,
                pollingIntervalMs: 600_000)
        ) { try await Stage.token(grace.name) }
        let shown = try await client.createGroup(name: "Shown", members: [grace.name])
        let other = try await client.createGroup(name: "Other", members: [grace.name])
        for room in [shown, other] {
            try await room.send("first")
            try await peer.knows(room.id, upTo: 2)
        }
        peer.setModeCeiling(.hybrid)
        _ = try await first("hybrid", in: peer.modes) { $0.mode == .hybrid }
        for room in [shown, other] {
            try peer.setVisibleRooms([room.id])
            try await room.send("second")
            try await peer.knows(room.id, upTo: 3)
        }
        #expect(throws: TidewireError.self) { try peer.setVisibleRooms(["no room"]) }
        try await client.shutdown()
        try await peer.shutdown()
    }

    // scenario: slow-network
    @Test func whereAnswersTakeMoreThanASecondTheModeStepsDownAndSaysWhy() async throws {
        let (slow, steady) = (try await World.new(), try await World.new())
        let (ada, grace) = (Person("ada"), Person("grace"))
        let client = try await TidewireClient.open(
            Settings(
                url: slow.url, user: ada.name, dataDir: ada.folder, messageBufferTimeMs: 0,
                presenceHeartbeatIntervalMs: 1_000, pollingIntervalMs: 200)
        ) { try await Stage.token(ada.name) }
        let peer = try await grace.open(steady)
        try await client.online()
        let room = try await client.directRoom(with: grace.name)
        try await slow.delay(ms: 700)
        let report = try await first("a step down", in: client.modes) {
            if case .latency = $0.reason { return $0.mode != .realTime }
            return false
        }
        if case .latency(let ms) = report.reason { #expect(ms > 1_000) }
        try await peer.knows(room.id)
        let timeline = try await peer.room(room.id).timeline()
        try await room.send("slowly")
        try await timeline.rows("it arrives all the same") { $0.texts == ["slowly"] }
        try await client.shutdown()
        try await peer.shutdown()
    }

    // scenario: websockets-blocked
    @Test func whereWebSocketsAreBlockedEverythingIsPushedOverAnEventStream() async throws {
        let (blocked, steady) = (try await World.new(), try await World.new())
        let (ada, grace) = (Person("ada"), Person("grace"))
        try await blocked.blockSockets()
        // Only what is pushed can arrive: the feed is not read again within the test.
        let client = try await TidewireClient.open(
            Settings(
                url: blocked.url, user: ada.name, dataDir: ada.folder, messageBufferTimeMs: 0,
                pollingIntervalMs: 600_000)
        ) { try await Stage.token(ada.name) }
        let peer = try await grace.open(steady)
        let report = try await first("a stream", in: client.modes) { $0.reason == .eventStream }
        #expect(report.mode == .realTime)
        let room = try await client.directRoom(with: grace.name)
        let timeline = try await room.timeline()
        try await peer.knows(room.id)
        let theirs = peer.room(room.id)
        for text in ["one", "two", "three"] { try await theirs.send(text) }
        #expect(try await timeline.texts(3) == ["one", "two", "three"])
        try await room.send("four")
        #expect(try await theirs.timeline().texts(4) == ["one", "two", "three", "four"])
        try await client.shutdown()
        try await peer.shutdown()
    }
}

extension TidewireClient {
    /// Waits until the list has the room at this seq or above, whether or not it is open.
    func knows(_ room: String, upTo seq: UInt64) async throws {
        let events = events
        if try await rooms().contains(where: { $0.id == room && $0.headSeq >= seq }) { return }
        _ = try await first("the room is at \(seq)", in: events) { [self] _ in
            try await rooms().contains { $0.id == room && $0.headSeq >= seq }
        }
    }
}
