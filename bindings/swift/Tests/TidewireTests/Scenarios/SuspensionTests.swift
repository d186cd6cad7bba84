import Testing

@testable import Tidewire

@Suite struct SuspensionTests {
    // scenario: suspended
    @Test func suspendedItLetsGoOfItsFolderAndWakesForARefreshAndForGood() async throws {
        let pair = try await Pair.meet()
        try await pair.room.send("before")
        #expect(try await pair.timeline.texts(1) == ["before"])
        try await pair.client.setAppState(.suspended)
        #expect(try await pair.client.rooms().map(\.id) == [pair.room.id])
        await fails(with: .Suspended) { try await pair.room.send("too late") }

        // The folder is free for another process of the app.
        let appExtension = try await pair.ada.open(pair.world)
        let room = appExtension.room(pair.room.id)
        try await room.send("by the extension")
        #expect(try await room.timeline().texts(2) == ["before", "by the extension"])
        try await appExtension.shutdown()

        try await pair.peer.room(pair.room.id).send("meanwhile")
        #expect(try await pair.peerTimeline.texts(3).count == 3, "the server has it")
        let refreshed = try await pair.client.refreshOnce(deadline: 30)
        #expect(refreshed.complete && refreshed.newEvents >= 1, "\(refreshed)")
        // It rests again.
        try await pair.ada.open(pair.world).shutdown()

        try await pair.client.setAppState(.foreground)
        #expect(try await pair.timeline.texts(3) == ["before", "by the extension", "meanwhile"])
        try await pair.end()
    }

    @Test(arguments: [Double.infinity, .nan, .greatestFiniteMagnitude, 1e300])
    func aDeadlineThatIsNoneIsADay(_ deadline: Double) async throws {
        let pair = try await Pair.meet()
        #expect(try await pair.client.refreshOnce(deadline: deadline).complete)
        try await pair.end()
    }

    @Test func secondsAreCountedInMilliseconds() {
        #expect(milliseconds(0.25) == 250 && milliseconds(86_399) == 86_399_000)
        #expect(milliseconds(-1) == 0 && milliseconds(-.infinity) == 0)
        #expect(milliseconds(.nan) == 86_400_000 && milliseconds(.infinity) == 86_400_000)
    }

    @Test func aLoopOverProfilesOutlivesASuspension() async throws {
        let pair = try await Pair.meet()
        let grace = pair.grace.name
        try await pair.peer.updateProfile(ProfileUpdate(name: "Grace"))
        try await pair.client.setAppState(.suspended)
        let told = pair.client.profiles(of: [grace, "nobody"])
        let seen = Locked<[String?]>([])
        let loop = Task {
            for try await profiles in told { seen.withLock { $0.append(profiles[grace]?.name) } }
        }
        try await within("what is known while it is suspended") {
            while seen.withLock({ $0.isEmpty }) { await Task.yield() }
        }
        try await pair.client.setAppState(.foreground)
        try await within("grace's name afterwards") {
            while seen.withLock({ $0.last != "Grace" }) { await Task.yield() }
        }
        try await pair.end()
        try await within("the loop ends") { try await loop.value }
    }

    @Test func savingPowerAllowsHybridAtMost() async throws {
        let pair = try await Pair.meet()
        pair.client.setPower(low: true)
        let saving = try await first("hybrid", in: pair.client.modes) { $0.mode == .hybrid }
        #expect(saving.reason == .lowPower)
        try await pair.end()
    }
}
