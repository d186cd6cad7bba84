import TidewireFFI

/// Why something is reported.
public typealias ReportReason = TidewireFFI.ReportReason
/// A report, for those who keep order, with the message as it was then.
public typealias Report = TidewireFFI.Report
/// A page of the reports of a room, and where the next one begins.
public typealias ReportPage = TidewireFFI.ReportPage

extension Room {
    /// Tells those who keep order in the room, and whoever runs the server, of a message. The server keeps a copy of it as
    /// it is now: whatever is edited or deleted later changes nothing of the report. Who is reported hears nothing. The
    /// same report again is the same one, so that after `Network` it may be made again. Goes on if the task is
    /// cancelled. Waits for the network.
    ///
    /// - Parameters:
    ///   - message: the message's id.
    ///   - reason: why.
    ///   - note: more of it, 1 byte to 1 KiB, for those who keep order alone.
    /// - Throws: `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`, `Internal`.
    public func report(_ message: String, reason: ReportReason, note: String? = nil) async throws {
        try gate.pass()
        _ = try await client.report(room: id, message: message, reason: reason, note: note)
    }

    /// The same of somebody in the room, without a message.
    ///
    /// - Parameters:
    ///   - user: the user's id.
    ///   - reason: why.
    ///   - note: more of it, 1 byte to 1 KiB, for those who keep order alone.
    /// - Throws: as ``report(_:reason:note:)``.
    public func reportUser(_ user: String, reason: ReportReason, note: String? = nil) async throws {
        try gate.pass()
        _ = try await client.reportUser(room: id, user: user, reason: reason, note: note)
    }

    /// A page of at most 50 reports of the room, the oldest first. Owners and moderators of groups may; who has reported
    /// is named. Waits for the network.
    ///
    /// - Parameters:
    ///   - next: the `next` of the page before it; `nil` for the first one.
    ///   - all: also those that are done with.
    /// - Throws: as ``members(after:)``.
    public func reports(after next: String? = nil, all: Bool = false) async throws -> ReportPage {
        try gate.pass()
        return try await cancellable {
            try await client.reports(room: id, after: next, all: all, cancel: $0)
        }
    }

    /// Says that a report is done with, and gives it as it is now; who has said so first stays. Who may see it may. Goes
    /// on if the task is cancelled. Waits for the network.
    ///
    /// - Parameter report: the report's id.
    /// - Throws: as ``report(_:reason:note:)``.
    @discardableResult
    public func resolveReport(_ report: String) async throws -> Report {
        try gate.pass()
        return try await client.resolveReport(room: id, report: report)
    }
}
