/// That the mode has changed: something to show for a moment.
public struct ModeNotice: Sendable, Hashable, Identifiable {
    /// 1, 2, 3 … within one ``ClientStatus``.
    public let id: UInt64
    /// The mode that the user knew of.
    public let from: Mode
    /// The mode now.
    public let to: Mode
    /// The signal that bound it.
    public let reason: ModeReason
    /// The same in words, in English.
    public let reasonText: String

    /// Whether the client does less than before.
    public var isStepDown: Bool { to < from }
}

extension Mode: Comparable {
    /// By how much the client does: offline is the least, real-time the most.
    public static func < (one: Mode, other: Mode) -> Bool { one.rank < other.rank }

    private var rank: Int {
        switch self {
        case .offline: 0
        case .polling: 1
        case .hybrid: 2
        case .realTime: 3
        }
    }
}

/// Finds out which changes of the mode are worth a notice: those from one that the user has seen to
/// another. What only follows from leaving the app or from starting it is none.
struct ModeWatch: Sendable {
    private var known: Mode?
    private var count: UInt64 = 0

    mutating func take(_ report: ModeReport) -> ModeNotice? {
        switch report.reason {
        case .starting, .app: return nil
        default: break
        }
        guard let from = known else {
            known = report.mode
            return nil
        }
        guard from != report.mode else { return nil }
        known = report.mode
        count += 1
        return ModeNotice(
            id: count, from: from, to: report.mode, reason: report.reason,
            reasonText: report.reasonText)
    }
}
