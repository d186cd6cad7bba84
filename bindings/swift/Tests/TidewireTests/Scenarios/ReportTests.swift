import Testing

@testable import Tidewire

/// What is told those who keep order.
struct ReportTests {
    // scenario: report
    @Test func aReportKeepsWhatWasSaidAndIsSeenByThoseWhoKeepOrderAlone() async throws {
        let pair = try await Pair.meet()
        let group = try await pair.client.createGroup(name: "Tea", members: [pair.grace.name])
        try await pair.peer.knows(group.id)
        let theirs = pair.peer.room(group.id)
        let timeline = try await theirs.timeline()
        let said = try await group.send("rubbish")
        try await timeline.message(said, "it is there") { $0.state.isSent }
        for _ in 0..<2 { try await theirs.report(said, reason: .abuse, note: "rude") }
        try await theirs.reportUser(pair.ada.name, reason: .spam)
        do {
            _ = try await theirs.reports()
            Issue.record("a member sees no reports")
        } catch TidewireError.Refused(let code, _, _, _) {
            #expect(code == "forbidden")
        }
        try await group.edit(said, "roses")
        try await group.delete(said)
        let page = try await group.reports()
        #expect(page.reports.map(\.reason) == [.abuse, .spam] && page.next == nil)
        let first = try #require(page.reports.first)
        #expect(first.by == pair.grace.name && first.user == pair.ada.name && first.note == "rude")
        #expect(first.message?.text == "rubbish" && first.resolvedBy == nil)
        #expect(page.reports[1].message == nil)
        let done = try await group.resolveReport(first.id)
        #expect(done.resolvedBy == pair.ada.name && done.resolvedAtMs != nil)
        #expect(try await group.reports().reports.count == 1)
        #expect(try await group.reports(all: true).reports.count == 2)
        pair.peer.setNetwork(Network(kind: .none))
        await fails(with: .Offline) { try await theirs.report(said, reason: .other) }
        try await pair.end()
    }
}
