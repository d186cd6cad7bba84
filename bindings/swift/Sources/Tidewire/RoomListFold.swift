extension RoomListUpdate {
    /// Brings the rows of the window up to date. They have to be what the updates before this one
    /// made of them; the first update of a list is a reset, which replaces whatever there was.
    public func apply(to rows: inout [RoomListRow]) {
        switch self {
        case .reset(let all):
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

/// What a list of rooms shows at one moment: a window of it.
public struct RoomListState: Sendable, Hashable {
    /// The rows of the window, from top to bottom.
    public var rows: [RoomListRow] = []
    /// Where the window begins in the list.
    public var first: UInt32 = 0
    /// How many rooms the list has.
    public var total: UInt32 = 0

    /// A list that has not told anything yet.
    public init() {}

    /// Brings it up to date: for those who read ``RoomList/batches``.
    public mutating func take(_ batch: RoomListBatch) {
        batch.update.apply(to: &rows)
        first = batch.first
        total = batch.total
    }
}
