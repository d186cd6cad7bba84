import Foundation
import Testing

@testable import Tidewire

@Suite struct WhyTests {
    // scenario: why
    @Test func modeAndRoomAndMessageAreExplainedByFactsAndASentence() async throws {
        let pair = try await Pair.meet()
        let (client, room) = (pair.client, pair.room)
        client.setNetwork(Network(kind: .cellular2G))
        _ = try await first("polling", in: client.modes) { $0.mode == .polling }
        let mode = try await client.why()
        #expect(mode.sentence.contains("Polling because the network is 2G"), "\(mode.sentence)")
        let binds = mode.facts.contains { fact in
            if case .ceiling(.network(.cellular2G), .polling, true, _, .otherNetwork) = fact {
                true
            } else {
                false
            }
        }
        #expect(binds, "\(mode.facts)")

        client.setNetwork(Network(kind: .none))
        _ = try await first("offline", in: client.modes) { $0.mode == .offline }
        let one = try await room.send("one")
        let two = try await room.send("two")
        let waiting = try await room.why(two)
        #expect(waiting.facts.first == .message(state: .sending))
        #expect(waiting.facts.contains(.queue(position: 2, ahead: one)))
        #expect(
            waiting.sentence
                == "Sending: second in the queue of this room, behind \(one), which waits for the network.")
        guard case .room(_, let fresh) = try await room.why().facts.first else {
            throw Trouble("the first fact is not about the room")
        }
        #expect(!fresh)
        let unknown = UUID().uuidString.lowercased()
        await fails(with: .UnknownMessage(id: unknown)) { _ = try await room.why(unknown) }

        try await client.setAppState(.suspended)
        #expect(try await room.why(two).facts.contains(.suspended))
        try await client.setAppState(.foreground)
        client.setNetwork(Network(kind: .wifi))
        #expect(try await pair.timeline.texts(2) == ["one", "two"])
        let sent = try await room.why(two).facts
        #expect(sent.contains { if case .inLog = $0 { true } else { false } }, "\(sent)")
        try await pair.end()
    }

    // scenario: budget
    @Test func withABudgetOfZeroItReadsWhenItIsAskedAndSaysWhatItSpent() async throws {
        let pair = try await Pair.meet()
        pair.client.setBudget(Budget(maxWakeupsPerHour: 0))
        _ = try await first("the budget", in: pair.client.modes) { $0.reason == .budget }
        try await pair.peer.room(pair.room.id).send("unheard")
        #expect(try await pair.peerTimeline.texts(1) == ["unheard"])
        #expect(try await pair.client.budget().wakeups.limit == 0)

        // A send is never held back, and the news ride along.
        try await pair.room.send("mine")
        #expect(Set(try await pair.timeline.texts(2)) == ["unheard", "mine"])
        #expect(try await pair.peerTimeline.texts(2).count == 2)
        let spent = try await pair.client.budget()
        #expect(spent.exceeded && spent.wakeups.spent > 0 && spent.bytes.limit == nil, "\(spent)")

        pair.client.setBudget(Budget())
        _ = try await first("real-time", in: pair.client.modes) { $0.mode == .realTime }
        #expect(try await pair.client.refreshOnce(deadline: 30).complete)
        try await pair.end()
    }

    // scenario: recorder
    @Test(arguments: [false, true])
    func whatItWasGivenAndDecidedIsRecordedWithoutWhatWasSaid(verbatim: Bool) async throws {
        let world = try await World.new()
        let (ada, grace) = (Person("ada"), Person("grace"))
        try FileManager.default.createDirectory(
            atPath: ada.folder, withIntermediateDirectories: true)
        let file = ada.folder + "/recording.jsonl"
        let token = try await Stage.token(ada.name)
        let client = try await TidewireClient.open(
            Settings(
                url: world.url, user: ada.name, dataDir: ada.folder, recordInto: file,
                recordVerbatim: verbatim)
        ) { token }
        let room = try await client.directRoom(with: grace.name)
        try await room.send("a lighthouse in the fog")
        #expect(try await room.timeline().texts(1) == ["a lighthouse in the fog"])
        _ = try await first("real-time", in: client.modes) { $0.mode == .realTime }
        try await client.shutdown()
        let text = try String(contentsOfFile: file, encoding: .utf8)
        #expect(text.hasPrefix("{\"tidewire_recording\":"))
        #expect(text.hasSuffix("{\"end\":\"closed\"}\n"))
        #expect(text.contains("{\"out\":\"tell mode RealTime because Unbound\"}"))
        #expect(!text.contains(token))
        #expect(text.contains("lighthouse") == verbatim)
        #expect(text.contains(ada.name) == verbatim)
    }
}
