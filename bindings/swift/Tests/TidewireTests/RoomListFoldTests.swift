import Testing

@testable import Tidewire

/// The fold of updates into the window of a list: a pure function.
struct RoomListFoldTests {
    @Test func aResetReplacesEverythingAndChangesAreAppliedInOrder() {
        var state = RoomListState()
        state.take(batch(.reset(rows: [row("stale")]), first: 7, total: 8))
        state.take(batch(.reset(rows: [row("a"), row("b"), row("c")]), first: 0, total: 5))
        #expect(state.rows.map(\.id) == ["a", "b", "c"] && state.first == 0 && state.total == 5)
        state.take(batch(.diff(changes: [
            .remove(index: 2),
            .insert(index: 0, row: row("c")),
            .set(index: 2, row: row("b", unread: 1)),
        ]), first: 3, total: 9))
        #expect(state.rows == [row("c"), row("a"), row("b", unread: 1)])
        #expect(state.first == 3 && state.total == 9)
    }

    private func batch(_ update: RoomListUpdate, first: UInt32, total: UInt32) -> RoomListBatch {
        RoomListBatch(number: 1, update: update, first: first, total: total)
    }

    private func row(_ room: String, unread: UInt32 = 0) -> RoomListRow {
        RoomListRow(
            room: room, kind: .group, name: room, avatarUrl: nil, peer: nil, profile: nil, members: 1,
            role: .owner, mute: nil, slowModeMs: 0, settings: RoomSettings(),
            unread: Unread(messages: unread, mentions: 0, exact: true),
            lastMessage: nil, draft: nil, pending: 0, failed: false, atMs: 0)
    }
}
