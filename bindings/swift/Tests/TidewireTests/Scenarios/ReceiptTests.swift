import Testing

@testable import Tidewire

@Suite struct ReceiptTests {
    // scenario: receipts
    @Test func aMessageBecomesDeliveredAndThenRead() async throws {
        let pair = try await Pair.meet()
        try await pair.room.send("Hello")
        let rows = try await pair.peerTimeline.rows("it arrives") { $0.texts == ["Hello"] }
        let seq = try #require(rows.messages.last?.seq)
        let delivered = try await pair.timeline.rows("delivered") {
            $0.messages.last?.state == .delivered
        }
        #expect(delivered.messages.last?.reach == Reach(deliveredTo: 1, readBy: 0, of: 1))
        try await pair.peer.room(pair.room.id).markRead(upTo: seq)
        try await pair.timeline.rows("read") { $0.messages.last?.state == .read }
        // Asked for, as in a room of any size.
        let page = try await pair.room.receipts(at: seq)
        #expect((page.deliveredTo, page.readBy, page.of) == (1, 1, 1))
        #expect(page.receipts.map(\.read) == [seq])
        #expect(page.next == nil)
        try await pair.end()
    }
}
