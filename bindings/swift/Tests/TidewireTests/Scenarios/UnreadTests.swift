import Testing

@testable import Tidewire

@Suite struct UnreadTests {
    // scenario: unread
    @Test func unreadCountsAreExactAfterOfflineReadsOtherDevicesAndReconnects() async throws {
        let pair = try await Pair.meet()
        let phone = pair.client
        let tablet = try await pair.ada.elsewhere().open(World.new())
        let lists = [try await phone.roomList(), try await tablet.roomList()]
        func tells(_ list: RoomList, _ messages: UInt32, _ mentions: UInt32) async throws {
            let unread = Unread(messages: messages, mentions: mentions, exact: true)
            try await list.row(pair.room, "\(unread)") { $0.unread == unread }
        }
        for number in 1...4 { try await pair.theirs.send("\(number)") }
        try await pair.theirs.send(OutgoingMessage(text: "5, Ada", mentions: [pair.ada.name]))
        for list in lists { try await tells(list, 5, 1) }
        let seqs = try await pair.timeline.rows("all five") { $0.texts.count == 5 }
            .messages.filter { $0.text != nil }.compactMap(\.seq)

        // The phone goes and reads what it has; another device reads further than it has.
        phone.setNetwork(Network(kind: .none))
        for number in 6...8 { try await pair.theirs.send("\(number)") }
        try await tells(lists[1], 8, 1)
        try await pair.room.markRead(upTo: seqs[1])
        try await tells(lists[0], 3, 1)
        try await tablet.room(pair.room.id).markRead(upTo: seqs[4] + 1)
        try await tells(lists[1], 2, 0)
        phone.setNetwork(Network(kind: .wifi))
        try await tells(lists[0], 2, 0)
        for client in [phone, tablet] {
            _ = try await first("the badge", in: client.unreadTotal) {
                $0 == Unread(messages: 2, mentions: 0, exact: true)
            }
        }
        // Of a muted room only what mentions counts.
        try await pair.room.mute()
        _ = try await first("no badge", in: tablet.unreadTotal) { $0.messages == 0 }
        try await pair.theirs.send(OutgoingMessage(text: "Ada!", mentions: [pair.ada.name]))
        _ = try await first("a mention", in: phone.unreadTotal) { $0.mentions == 1 && $0.messages == 1 }
        try await pair.room.markRead(upTo: seqs[4] + 10)
        for list in lists { try await tells(list, 0, 0) }
        let nothing = Unread(messages: 0, mentions: 0, exact: true)
        #expect(try await phone.rooms().first?.unread == nothing)
        try await tablet.shutdown()
        try await pair.end()
        await fails(with: .Closed) { for try await _ in phone.unreadTotal {} }
    }
}
