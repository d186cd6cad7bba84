import Testing

@testable import Tidewire

@MainActor
@Suite struct StatusTests {
    // scenario: why
    @Test func theStatusTellsModeReasonAndLatencyAndAChangeOfThem() async throws {
        let pair = try await Pair.meet()
        let status = ClientStatus(pair.client)
        status.start()
        try await shows("real-time") { status.mode == .realTime && status.reason == .unbound }
        #expect(status.notice == nil, "nothing has changed")
        pair.client.setNetwork(Network(kind: .cellular2G))
        try await shows("a notice") { status.notice?.to == .polling }
        let notice = try #require(status.notice)
        #expect(notice.from == .realTime && notice.isStepDown)
        #expect(notice.reason == .network(kind: .cellular2G) && !notice.reasonText.isEmpty)
        status.dismissNotice()
        #expect(status.notice == nil)
        for _ in 0..<8 { try await pair.say("Hello", in: pair.room) }
        try await shows("the latency") { status.latencyMs != nil }
        try await pair.theirs.send("news")
        try await shows("unread") { status.unread?.messages == 1 }
        try await pair.end()
    }

    @Test func aChangeBeforeItHasStartedIsOneOfWhatWasShown() async throws {
        let pair = try await Pair.meet()
        try await shows("real-time") { pair.client.mode.mode == .realTime }
        let status = ClientStatus(pair.client)
        pair.client.setNetwork(Network(kind: .cellular2G))
        try await shows("polling") { pair.client.mode.mode == .polling }
        status.start()
        try await shows("a notice") { status.notice?.to == .polling }
        #expect(status.notice?.from == .realTime)
        try await pair.end()
    }

    // scenario: token-provider-fails
    @Test func itTellsThatASignInIsNeededAndThatItIsNotAnyMore() async throws {
        let refuses = Locked(true)
        let client = try await Person("ada").open(World.new()) { user in
            if refuses.withLock({ $0 }) { throw TokenProviderError.Unavailable(reason: "signed out") }
            return try await Stage.token(user)
        }
        let status = ClientStatus(client)
        status.start()
        try await shows("a sign-in is needed") { status.signInNeeded?.contains("signed out") == true }
        refuses.withLock { $0 = false }
        try await shows("it is not any more") { status.signInNeeded == nil }
        try await client.shutdown()
    }

    @Test func onlyAModeThatTheUserHasSeenIsChangedFrom() {
        func report(_ mode: Mode, _ reason: ModeReason) -> ModeReport {
            ModeReport(number: 0, mode: mode, reason: reason, reasonText: "because")
        }
        var watch = ModeWatch()
        #expect(watch.take(report(.polling, .starting)) == nil)
        #expect(watch.take(report(.realTime, .unbound)) == nil, "the first one")
        #expect(watch.take(report(.realTime, .eventStream)) == nil, "the same mode")
        // Away and back.
        #expect(watch.take(report(.polling, .app(state: .background))) == nil)
        #expect(watch.take(report(.offline, .app(state: .suspended))) == nil)
        #expect(watch.take(report(.realTime, .unbound)) == nil)
        // Away, and back on another network.
        #expect(watch.take(report(.polling, .app(state: .background))) == nil)
        let down = watch.take(report(.offline, .network(kind: .none)))
        #expect(down?.from == .realTime && down?.to == .offline && down?.isStepDown == true)
        let up = watch.take(report(.hybrid, .dataSaver))
        #expect(up?.from == .offline && up?.isStepDown == false && up?.id == 2)
        #expect(Mode.offline < .polling && Mode.polling < .hybrid && Mode.hybrid < .realTime)
    }
}
