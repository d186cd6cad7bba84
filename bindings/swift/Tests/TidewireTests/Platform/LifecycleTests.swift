import Testing

@testable import Tidewire

/// A system that gives time, and takes it away when the test says so.
@MainActor
private final class System: BackgroundTime {
    var gives = true
    var remaining = 30.0
    private(set) var given: [Int] = []
    private(set) var ended: [Int] = []
    private var expired: (@MainActor () -> Void)?

    func begin(expired: @escaping @MainActor () -> Void) -> Int? {
        guard gives else { return nil }
        given.append(given.count)
        self.expired = expired
        return given.last
    }

    func end(_ time: Int) {
        ended.append(time)
    }

    func timeIsUp() {
        expired?()
    }
}

@MainActor
@Suite struct LifecycleTests {
    private func isAsleep(_ client: TidewireClient) async throws -> Bool {
        try await client.why().facts.contains(.suspended)
    }

    private func sleeps(_ client: TidewireClient) async throws {
        _ = try await first("asleep", in: client.modes) { $0.reason == .app(state: .suspended) }
    }

    // scenario: background
    @Test func whatWaitsIsSentBeforeItSleepsAndTheTimeIsGivenBack() async throws {
        let pair = try await Pair.meet()
        let system = System()
        let life = AppLifecycle(pair.client, time: system)
        try await pair.room.send("on the way out")
        life.entersBackground()
        #expect(system.given == [0] && system.ended.isEmpty)
        #expect(try await pair.peerTimeline.texts(1) == ["on the way out"])
        try await sleeps(pair.client)
        try await within("the time is given back") { @MainActor in
            while system.ended.isEmpty { await Task.yield() }
        }
        #expect(system.ended == [0])
        #expect(try await isAsleep(pair.client), "asleep before the time was given back")

        try await pair.theirs.send("while away")
        life.entersForeground()
        #expect(try await pair.timeline.texts(2) == ["on the way out", "while away"])
        #expect(system.ended == [0])
        try await pair.end()
    }

    // scenario: suspended
    @Test func whenTheTimeIsUpItSleepsAtOnce() async throws {
        let pair = try await Pair.meet()
        let system = System()
        let life = AppLifecycle(pair.client, time: system)
        // What is asked for now is answered by nobody.
        try await pair.world.delay(ms: 60_000)
        try await pair.room.send("stays")
        life.entersBackground()
        system.timeIsUp()
        try await within("the time is given back") { @MainActor in
            while system.ended.isEmpty { await Task.yield() }
        }
        #expect(try await isAsleep(pair.client))
        #expect(system.ended == [0])
        try await pair.world.delay(ms: 0)
        life.entersForeground()
        try await pair.peerTimeline.rows("sent after all") { $0.texts == ["stays"] }
        try await pair.end()
    }

    // scenario: background
    @Test func whoComesBackSoonDoesNotSleep() async throws {
        let pair = try await Pair.meet()
        let system = System()
        let life = AppLifecycle(pair.client, time: system)
        for _ in 0..<20 {
            life.entersBackground()
            life.entersForeground()
        }
        await life.settled()
        #expect(system.ended == system.given && system.given.count == 20)
        _ = try await first("in front", in: pair.client.modes) { $0.mode == .realTime }
        #expect(try await !isAsleep(pair.client))
        // Time that runs out now is nobody's any more.
        system.timeIsUp()
        await life.settled()
        try await pair.room.send("awake")
        #expect(try await pair.peerTimeline.texts(1) == ["awake"])
        #expect(try await !isAsleep(pair.client))
        try await pair.end()
    }

    // scenario: suspended
    @Test func withoutTimeItSleepsAtOnce() async throws {
        let pair = try await Pair.meet()
        let system = System()
        system.gives = false
        let life = AppLifecycle(pair.client, time: system)
        life.entersBackground()
        await life.settled()
        #expect(try await isAsleep(pair.client) && system.ended.isEmpty)
        life.entersForeground()
        try await pair.client.online()
        try await pair.end()
    }
}
