import TidewireFFI

/// A list of rooms on the screen: its rows, what is visible of them, and what the user does with a row.
@MainActor
public final class RoomListModel: ScreenModel {
    private var list: RoomList?
    private var visible: Set<String> = []

    /// The rows of the window, its place and how many rooms there are. Empty until the first are read:
    /// see ``isLoaded``.
    @Observed public private(set) var state = RoomListState()
    /// Whether the rows were read: an empty list is one without rooms then.
    @Observed public private(set) var isLoaded = false
    /// The order, below the pinned rooms.
    @Observed public var sort: RoomSort {
        didSet { if sort != oldValue { reopen() } }
    }
    /// Which rooms, but for their names.
    @Observed public var filter: RoomFilter {
        didSet { if filter != oldValue { reopen() } }
    }
    /// What the user looks for among the names: only rooms whose name contains it.
    @Observed public var nameContains = "" {
        didSet { if nameContains != oldValue { reopen() } }
    }

    /// - Parameters:
    ///   - client: whose rooms.
    ///   - sort: the order.
    ///   - filter: which rooms.
    public init(
        _ client: TidewireClient, sort: RoomSort = .recent, filter: RoomFilter = RoomFilter()
    ) {
        _sort = Observed(wrappedValue: sort)
        _filter = Observed(wrappedValue: filter)
        super.init(client)
    }

    /// The rows from top to bottom.
    public var rows: [RoomListRow] { state.rows }

    override func begin(_ loops: Loops) {
        let client = client
        let sort = sort
        let name = nameContains.isEmpty ? filter.name : nameContains
        let filter = RoomFilter(
            unread: filter.unread, kind: filter.kind, archived: filter.archived, muted: filter.muted,
            name: name)
        follow(loops) { [weak self] in
            let list = try await onceAwake { try await client.roomList(sort: sort, filter: filter) }
            // Held by this loop and the model: it is closed when both have let go of it.
            guard self?.opened(list, loops) == true else { return }
            for try await state in list.rows { self?.show(state, loops) }
        }
    }

    override func end() {
        list?.close()
        list = nil
    }

    private func opened(_ list: RoomList, _ loops: Loops) -> Bool {
        // Meanwhile another one may have begun.
        guard self.loops === loops else { return false }
        self.list = list
        return true
    }

    private func show(_ state: RoomListState, _ loops: Loops) {
        guard self.loops === loops else { return }
        self.state = state
        isLoaded = true
        tellVisible()
    }

    /// Opens the list again after it could not be, as ``ScreenModel/failure`` said.
    public func reopen() {
        restart()
    }

    /// A row came onto the screen: for `onAppear`. What is visible is live and fetched first.
    public func appeared(_ row: RoomListRow) {
        visible.insert(row.room)
        tellVisible()
    }

    /// A row left the screen: for `onDisappear`.
    public func disappeared(_ row: RoomListRow) {
        visible.remove(row.room)
        tellVisible()
    }

    private func tellVisible() {
        guard let list, let range = state.place(of: visible) else { return }
        // The list may have been closed at this moment: then nothing is visible of it.
        try? list.setVisible(first: range.lowerBound, count: UInt32(range.count))
    }

    /// Mutes a room, or ends that. It shows at once. Whether it could be done; else ``ScreenModel/failure``
    /// says why. Waits for the disk.
    @discardableResult
    public func mute(_ row: RoomListRow, _ muted: Bool = true) async -> Bool {
        await attempt { try await client.room(row.room).mute(muted) }
    }

    /// Pins a room above all others, or ends that. As ``mute(_:_:)``.
    @discardableResult
    public func pin(_ row: RoomListRow, _ pinned: Bool = true) async -> Bool {
        await attempt { try await client.room(row.room).pin(pinned) }
    }

    /// Puts a room away, or brings it back. As ``mute(_:_:)``.
    @discardableResult
    public func archive(_ row: RoomListRow, _ archived: Bool = true) async -> Bool {
        await attempt { try await client.room(row.room).archive(archived) }
    }

    /// Marks all of a room as read. As ``mute(_:_:)``.
    @discardableResult
    public func markRead(_ row: RoomListRow) async -> Bool {
        await attempt {
            guard let seq = row.lastMessage?.seq else { return }
            try await client.room(row.room).markRead(upTo: seq)
        }
    }

    /// The room with another user, found or created. `nil` if that could not be; ``ScreenModel/failure``
    /// says why. Waits for the network.
    public func directRoom(with peer: String) async -> Room? {
        var room: Room?
        await attempt { room = try await client.directRoom(with: peer) }
        return room
    }

    /// Creates a group. As ``directRoom(with:)``.
    public func createGroup(name: String, members: [String]) async -> Room? {
        var room: Room?
        await attempt { room = try await client.createGroup(name: name, members: members) }
        return room
    }
}

extension RoomListState {
    /// Where these rooms stand in the whole list: from the first to behind the last of them, of those that
    /// are in the window. `nil` if none is.
    func place(of rooms: Set<String>) -> Range<UInt32>? {
        guard let from = rows.firstIndex(where: { rooms.contains($0.room) }),
            let to = rows.lastIndex(where: { rooms.contains($0.room) })
        else { return nil }
        return first + UInt32(from)..<first + UInt32(to) + 1
    }
}
