import Testing

@testable import Tidewire

/// The fold of updates into rows: a pure function.
struct TimelineFoldTests {
    @Test func aResetReplacesWhateverThereWas() {
        var rows = [row("old"), TimelineRow.gap(from: 1, to: 2)]
        TimelineUpdate.reset(rows: [row("a"), row("b")], unreadFrom: nil).apply(to: &rows)
        #expect(rows.map(\.id) == ["a", "b"])
        TimelineUpdate.reset(rows: [], unreadFrom: nil).apply(to: &rows)
        #expect(rows.isEmpty)
    }

    @Test func changesAreAppliedInTheirOrder() {
        var rows = [row("a"), row("b"), row("c")]
        TimelineUpdate.diff(changes: [
            .remove(index: 1),
            .insert(index: 2, row: row("d")),
            .insert(index: 0, row: .gap(from: 3, to: 9)),
            .set(index: 1, row: row("a", state: .sent)),
        ]).apply(to: &rows)
        #expect(rows.map(\.id) == ["gap from 3", "a", "c", "d"])
        #expect(rows[1].message?.state == .sent)
        #expect(rows[0].message == nil)
    }

    @Test func theEndAndTheBeginningArePlacesToo() {
        var rows: [TimelineRow] = []
        TimelineUpdate.diff(changes: [.insert(index: 0, row: row("b"))]).apply(to: &rows)
        TimelineUpdate.diff(changes: [.insert(index: 1, row: row("c"))]).apply(to: &rows)
        TimelineUpdate.diff(changes: [.insert(index: 0, row: row("a"))]).apply(to: &rows)
        #expect(rows.map(\.id) == ["a", "b", "c"])
        TimelineUpdate.diff(changes: [.remove(index: 2), .remove(index: 0)]).apply(to: &rows)
        #expect(rows.map(\.id) == ["b"])
    }

    @Test func noChangesChangeNothing() {
        var rows = [row("a")]
        TimelineUpdate.diff(changes: []).apply(to: &rows)
        #expect(rows.map(\.id) == ["a"])
    }

    @Test func anEmptyRoomHasBegunAndHasNoRows() {
        var fold = TimelineFold()
        #expect(!fold.hasBegun)
        fold.take(TimelineBatch(number: 1, update: .reset(rows: [], unreadFrom: nil), moreBefore: true, moreAfter: false))
        #expect(fold.hasBegun && fold.rows.isEmpty && fold.hasOlder)
        let change = TimelineChange.insert(index: 0, row: row("a"))
        fold.take(TimelineBatch(number: 2, update: .diff(changes: [change]), moreBefore: false, moreAfter: true))
        #expect(fold.rows.map(\.id) == ["a"] && !fold.hasOlder && fold.hasNewer)
    }

    /// Random diffs, built by changing a list and writing down how: the fold ends at the same list.
    @Test(arguments: 0..<50) func whateverWasWrittenDownIsWhatComesOut(_ seed: UInt64) {
        var random = Seeded(state: seed &* 2 &+ 1)
        var expected: [TimelineRow] = []
        var folded: [TimelineRow] = [row("stale")]
        TimelineUpdate.reset(rows: expected, unreadFrom: nil).apply(to: &folded)
        for number in 0..<200 {
            let new = row("\(number)")
            let change: TimelineChange
            switch expected.isEmpty ? 0 : Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let index = Int.random(in: 0...expected.count, using: &random)
                expected = Array(expected[..<index]) + [new] + Array(expected[index...])
                change = .insert(index: UInt32(index), row: new)
            case 2:
                let index = Int.random(in: expected.indices, using: &random)
                expected = expected.enumerated().map { $0.offset == index ? new : $0.element }
                change = .set(index: UInt32(index), row: new)
            default:
                let index = Int.random(in: expected.indices, using: &random)
                expected = expected.enumerated().filter { $0.offset != index }.map(\.element)
                change = .remove(index: UInt32(index))
            }
            TimelineUpdate.diff(changes: [change]).apply(to: &folded)
        }
        #expect(folded == expected)
    }

    private func row(_ id: String, state: MessageState = .sending) -> TimelineRow {
        .message(message: Message(
            id: id, room: "room", sender: "ada", seq: nil, atMs: 0, kind: "message", text: id,
            mentions: [], metadataJson: nil, contentJson: nil, state: state, reach: nil,
            edited: nil, deleted: nil, reactions: [], replyTo: nil, thread: nil, replies: nil,
            changing: false, blocked: false, attachments: [], outgoing: []))
    }
}

/// A small generator (an LCG of Knuth's), so that a failing seed can be run again.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
