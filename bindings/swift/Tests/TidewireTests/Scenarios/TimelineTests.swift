import Testing

@testable import Tidewire

/// Timelines that are opened somewhere else than at the newest.
@Suite struct TimelineTests {
    /// Grace says so many things, the first of them `text 1`; gives their ids.
    private func talk(_ pair: Pair, _ count: Int) async throws -> [String] {
        var ids: [String] = []
        for number in 1...count { ids.append(try await pair.theirs.send("text \(number)")) }
        _ = try await pair.peerTimeline.rows("all is sent") { rows in
            rows.messages.last?.text == "text \(count)" && rows.messages.last?.state.isSent == true
        }
        return ids
    }

    // scenario: open-at-unread
    @Test func aTimelineOpensAtTheFirstUnreadMessageAndSaysWhereThatBegins() async throws {
        let pair = try await Pair.meet()
        let ids = try await talk(pair, 120)
        let newest = try await pair.timeline.message(ids[119], "the newest") { $0.seq != nil }
        let read = try #require(newest.seq) - 110
        try await pair.room.markRead(upTo: read)
        let timeline = try await pair.room.timeline(at: .firstUnread)
        try await timeline.rows("the first unread") { rows in
            rows.messages.contains { $0.seq == read + 1 }
        }
        #expect(timeline.unreadFrom == read + 1)
        while try await timeline.loadNewer(100).more {}
        try await timeline.message(ids[119], "the newest again") { $0.seq != nil }
        #expect(!timeline.hasNewer)
        let next = try await pair.theirs.send("live again")
        try await timeline.message(next, "it follows") { $0.text == "live again" }
        try await pair.end()
    }

    // scenario: jump-to-message
    @Test func aTimelineOpensAroundAMessageThatIsNotHere() async throws {
        let pair = try await Pair.meet()
        let ids = try await talk(pair, 150)
        let again = try await pair.ada.elsewhere().open(World.new())
        try await again.knows(pair.room.id)
        let room = again.room(pair.room.id)
        let timeline = try await room.timeline(at: .message(id: ids[4]))
        let rows = try await timeline.rows("it is there") { $0.messages.contains { $0.id == ids[4] } }
        #expect(timeline.hasNewer && !rows.messages.contains { $0.id == ids[149] })
        let seq = try #require(rows.messages.first { $0.id == ids[4] }?.seq)
        let same = try await room.timeline(at: .seq(seq: seq))
        try await same.message(ids[4], "by its place too") { $0.seq == seq }
        await fails(with: .UnknownMessage(id: room.id)) {
            _ = try await room.timeline(at: .message(id: room.id))
        }
        again.setNetwork(Network(kind: .none))
        try await room.timeline(at: .message(id: ids[4])).message(ids[4], "from disk") { $0.seq == seq }
        try await again.shutdown()
        try await pair.end()
    }

    // scenario: gap
    @Test func afterALongAbsenceTheNewestIsShownAndOneGapThatCanBeFilled() async throws {
        let pair = try await Pair.meet()
        try await pair.say("before", in: pair.room)
        pair.client.setNetwork(Network(kind: .none))
        let ids = try await talk(pair, 200)
        pair.client.setNetwork(Network(kind: .wifi))
        try await pair.timeline.rows("the newest and a gap") { rows in
            rows.messages.last?.id == ids[199] && rows.contains { $0.message == nil }
        }
        let all = ["before"] + (1...200).map { "text \($0)" }
        let timeline = pair.timeline
        _ = try await first("all of it", in: timeline.rows) { rows in
            for case .gap(let from, let to) in rows {
                let side: GapSide = to % 2 == 0 ? .older : .newer
                try await timeline.fillGap(from: from, to: to, side: side)
            }
            return rows.texts == all
        }
        try await pair.end()
    }

    // scenario: thread
    @Test func aThreadOpensAsATimelineOfItsOwnAndNewRepliesAppearInIt() async throws {
        let pair = try await Pair.meet()
        let root = try await pair.say("Where?", in: pair.room)
        try await pair.theirs.sendInThread(of: root, "Here")
        let thread = try await pair.room.thread(of: root)
        try await thread.rows("root and reply") { $0.texts == ["Where?", "Here"] }
        pair.client.setNetwork(Network(kind: .none))
        let own = try await pair.room.sendInThread(of: root, "Where now?")
        try await thread.message(own, "one's own at once") { $0.state == .sending && $0.thread == root }
        pair.client.setNetwork(Network(kind: .wifi))
        try await thread.message(own, "sent") { $0.state.isSent }
        try await pair.theirs.sendInThread(of: root, "There")
        try await thread.rows("a new one") { $0.texts == ["Where?", "Here", "Where now?", "There"] }
        #expect(try await pair.timeline.texts(1) == ["Where?"])
        thread.close()
        await fails(with: .Closed) { try await thread.loadOlder() }
        try await pair.end()
    }
}
