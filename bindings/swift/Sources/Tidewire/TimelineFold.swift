extension TimelineUpdate {
    /// Brings `rows` up to date. They have to be what the updates before this one made of them;
    /// the first update of a timeline is a reset, which replaces whatever there was.
    public func apply(to rows: inout [TimelineRow]) {
        switch self {
        case .reset(let all, _):
            rows = all
        case .diff(let changes):
            for change in changes {
                switch change {
                case .insert(let index, let row): rows.insert(row, at: Int(index))
                case .set(let index, let row): rows[Int(index)] = row
                case .remove(let index): rows.remove(at: Int(index))
                }
            }
        }
    }
}

/// What a timeline shows, as far as it was read.
struct TimelineFold: Sendable {
    private(set) var rows: [TimelineRow] = []
    private(set) var hasOlder = false
    private(set) var hasNewer = false
    private(set) var unreadFrom: UInt64?
    /// Whether there was a first batch: an empty room has no rows either.
    private(set) var hasBegun = false

    mutating func take(_ batch: TimelineBatch) {
        batch.update.apply(to: &rows)
        hasOlder = batch.moreBefore
        hasNewer = batch.moreAfter
        if case .reset(_, let from) = batch.update { unreadFrom = from }
        hasBegun = true
    }
}
