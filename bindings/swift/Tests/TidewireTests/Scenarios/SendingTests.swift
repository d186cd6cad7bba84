import Foundation
import Testing

@testable import Tidewire

struct SendingTests {
    // scenario: optimistic-send
    @Test func aMessageShowsAtOnceAndKeepsItsIdWhenItIsSent() async throws {
        let pair = try await Pair.meet()
        try await pair.world.cut()
        let id = try await pair.room.send("Hello")
        let shown = try await pair.timeline.rows("it shows") { $0.texts == ["Hello"] }.messages
        let sending = try #require(shown.last)
        #expect(sending.id == id && sending.state == .sending && sending.seq == nil)
        #expect(sending.sender == pair.ada.name)

        async let snapshots = within("it is sent") { [timeline = pair.timeline] in
            var all: [[Message]] = []
            for try await rows in timeline.rows {
                all.append(rows.messages.filter { $0.text != nil })
                if all.last?.last?.state.isSent == true { break }
            }
            return all
        }
        try await pair.world.mend()
        let all = try await snapshots
        #expect(all.allSatisfy { $0.map(\.id) == [id] }, "one row, one id: \(all)")
        #expect(all.last?.last?.seq != nil)
        #expect(try await pair.peerTimeline.texts(1) == ["Hello"])
        try await pair.end()
    }

    // scenario: receive
    @Test func whatOneSendsTheOtherReceivesOnceAndInOrder() async throws {
        let pair = try await Pair.meet()
        let sent = (1...30).map { "message \($0)" }
        async let received = pair.peerTimeline.texts(sent.count)
        for text in sent { try await pair.room.send(text) }
        #expect(try await received == sent)
        #expect(try await pair.timeline.texts(sent.count) == sent)
        // An answer from the other side, so that anything repeated would have come before it.
        try await pair.peer.room(pair.room.id).send("thanks")
        #expect(try await pair.timeline.texts(sent.count + 1) == sent + ["thanks"])
        #expect(try await pair.peerTimeline.texts(sent.count + 1) == sent + ["thanks"])
        try await pair.end()
    }

    // scenario: lost-answer
    @Test func aSendWhoseAnswerIsLostIsOneMessage() async throws {
        let pair = try await Pair.meet()
        try await pair.world.loseNextAnswer()
        try await pair.room.send("once")
        #expect(try await pair.timeline.texts(1) == ["once"])
        try await pair.room.send("end")
        #expect(try await pair.peerTimeline.texts(2) == ["once", "end"])
        #expect(try await pair.timeline.texts(2) == ["once", "end"])
        try await pair.end()
    }

    // scenario: take-back
    @Test func whatWaitsCanBeTakenBackAndExpires() async throws {
        let pair = try await Pair.meet()
        pair.client.setNetwork(Network(kind: .none))
        let gone = try await pair.room.send("never mind")
        let late = try await pair.room.send(
            OutgoingMessage(text: "too late"),
            options: SendOptions(onFailure: .skip, expiresAfterMs: 1))
        let kept = try await pair.room.send("kept")
        try await pair.timeline.message(late, "it expires") {
            if case .failed(.expired) = $0.state { true } else { false }
        }
        try await pair.room.cancel(gone)
        pair.client.setNetwork(Network(kind: .wifi))
        try await pair.peerTimeline.message(kept, "it arrives") { $0.text == "kept" }
        #expect(try await pair.peerTimeline.texts(1) == ["kept"])
        try await pair.room.discard(late)
        try await pair.room.cancel(kept)
        try await pair.peerTimeline.message(kept, "it is deleted") { $0.deleted != nil }
        try await pair.end()
    }

    // scenario: offline-send
    @Test func whatWasWrittenOfflineOutlivesTheClientAndArrivesOnceInOrder() async throws {
        let pair = try await Pair.meet()
        try await pair.world.cut()
        let before = (1...5).map { "before \($0)" }
        for text in before { try await pair.room.send(text) }
        try await pair.client.shutdown()

        let again = try await pair.ada.open(pair.world)
        let room = again.room(pair.room.id)
        let timeline = try await room.timeline()
        let waiting = try await timeline.rows("what waits is shown") { $0.texts == before }
        #expect(waiting.messages.filter { $0.text != nil }.allSatisfy { $0.state == .sending })
        let after = ["after 1", "after 2"]
        for text in after { try await room.send(text) }
        #expect(try await again.rooms().first { $0.id == room.id }?.pending == 7)

        try await pair.world.mend()
        #expect(try await pair.peerTimeline.texts(7) == before + after)
        #expect(try await timeline.texts(7) == before + after)
        try await pair.peer.room(room.id).send("end")
        #expect(try await timeline.texts(8) == before + after + ["end"])
        #expect(try await pair.peerTimeline.texts(8) == before + after + ["end"])
        try await again.shutdown()
        try await pair.peer.shutdown()
    }

    // scenario: background
    @Test func nothingIsLostOrRepeatedInTheBackground() async throws {
        let pair = try await Pair.meet()
        let peerRoom = pair.peer.room(pair.room.id)
        try await peerRoom.send("before")
        #expect(try await pair.timeline.texts(1) == ["before"])

        try await pair.client.setAppState(.background)
        let report = try await first("the background is the reason", in: pair.client.modes) {
            $0.reason == .app(state: .background)
        }
        #expect(report.mode == .polling)
        try await peerRoom.send("meanwhile 1")
        try await pair.client.setAppState(.suspended)
        _ = try await first("suspended", in: pair.client.modes) { $0.mode == .offline }
        try await peerRoom.send("meanwhile 2")
        #expect(try await pair.peerTimeline.texts(3).count == 3, "the server has both")

        try await pair.client.setAppState(.foreground)
        _ = try await first("in front again", in: pair.client.modes) { $0.mode == .realTime }
        try await peerRoom.send("after")
        let all = ["before", "meanwhile 1", "meanwhile 2", "after"]
        #expect(try await pair.timeline.texts(4) == all)
        try await pair.end()
    }

    // scenario: server-down
    @Test func withoutAServerWhatIsCachedIsShownAndSendsWait() async throws {
        let pair = try await Pair.meet()
        try await pair.room.send("cached")
        #expect(try await pair.timeline.texts(1) == ["cached"])
        try await pair.client.shutdown()
        try await pair.world.cut()

        let again = try await pair.ada.open(pair.world)
        #expect(try await again.rooms().map(\.id) == [pair.room.id])
        let room = again.room(pair.room.id)
        let timeline = try await room.timeline()
        let rows = try await timeline.rows("the cached message") { $0.texts == ["cached"] }
        #expect(rows.messages.allSatisfy { $0.state.isSent })
        try await room.send("queued 1")
        try await room.send("queued 2")
        try await timeline.rows("both wait") { rows in
            rows.messages.filter { $0.state == .sending }.compactMap(\.text)
                == ["queued 1", "queued 2"]
        }
        do {
            _ = try await again.directRoom(with: "somebody")
            Issue.record("a new room needs the server")
        } catch TidewireError.Offline, TidewireError.Network {
            // Typed, and at once or after the connection was refused.
        }

        try await pair.world.mend()
        let all = ["cached", "queued 1", "queued 2"]
        #expect(try await pair.peerTimeline.texts(3) == all)
        #expect(try await timeline.texts(3) == all)
        try await again.shutdown()
        try await pair.peer.shutdown()
    }

    @Test func anEventOfTheAppsOwnKindArrivesAsItWasGiven() async throws {
        let pair = try await Pair.meet()
        let content = #"{"z": 1.50, "a": [null, "🌊"]}"#
        let id = try await pair.room.sendAs("com.example.poll", contentJson: content)
        let arrived = try await pair.peerTimeline.message(id, "it is there") { $0.seq != nil }
        #expect(arrived.kind == "com.example.poll" && arrived.text == nil)
        #expect(arrived.contentJson == content)
        for (kind, json) in [
            ("com.example.poll", "{"), ("room.created", "{}"), ("member.joined", "{}"), ("", "{}"),
            (String(repeating: "k", count: 65), "{}"), ("message", #"{"text": 1}"#),
            ("com.example.poll", "\"\(String(repeating: "x", count: 32_768))\""),
        ] {
            do {
                try await pair.room.sendAs(kind, contentJson: json)
                Issue.record("\(kind) was taken")
            } catch TidewireError.InvalidMessage(let reason) {
                #expect(!reason.isEmpty)
            }
        }
        try await pair.end()
    }

    @Test func mentionsAndMetadataAreCarried() async throws {
        let pair = try await Pair.meet()
        try await pair.room.send(OutgoingMessage(
            text: "look, Grace", mentions: [pair.grace.name], metadataJson: #"{"colour":"red"}"#))
        let rows = try await pair.peerTimeline.rows("it is there") { $0.texts == ["look, Grace"] }
        let message = try #require(rows.messages.last)
        #expect(message.mentions == [pair.grace.name])
        #expect(message.metadataJson == #"{"colour":"red"}"#)
        try await pair.end()
    }
}
