import TidewireFFI

/// One user's client: where everything else comes from.
///
/// Its work in the background ends with ``shutdown()`` or ``close()``, or when the last reference
/// to it and its rooms is gone. No call keeps the caller's thread.
public final class TidewireClient: Sendable {
    let client: TidewireFFI.Client
    let gate = Gate()

    private init(_ client: TidewireFFI.Client) {
        self.client = client
    }

    /// Opens the store and starts the client. Waits for the disk, never for the network: with what
    /// is cached the client works at once, also offline and with an expired token.
    ///
    /// - Parameters:
    ///   - settings: the server, the user, the folder, and what differs from the defaults.
    ///   - tokenProvider: gives a token that is valid now: the app's own way to its sign-in server.
    ///     Asked ahead of expiry and after a refusal, never twice at a time, and given 30 s. What
    ///     it throws is told as `authRequired` among the ``events``, in its own words, and it is
    ///     asked again after 1 to 25 s; meanwhile sends wait.
    /// - Throws: `InvalidUrl`, `InvalidId`, `InvalidSetting`, `FolderInUse`, `FolderUnusable`,
    ///   `Damaged`, `NewerDatabase`, `DiskFull`, `StoreFailed`, `Internal`.
    public static func open(
        _ settings: Settings,
        tokenProvider: @escaping @Sendable () async throws -> String
    ) async throws -> TidewireClient {
        let tokens = TokenSource(tokenProvider)
        return TidewireClient(try await Client.open(settings: settings, tokens: tokens))
    }

    /// Whose client this is.
    public var user: String { client.user() }

    /// The mode and its reason, now. Its number means nothing.
    public var mode: ModeReport { client.mode() }

    /// The mode and its reason: at first as they are, then as they change. A slow reader gets the
    /// newest and none that were passed meanwhile. Any number of tasks may iterate, each on its own.
    ///
    /// The loop ends when the task is cancelled or the client closed. It throws `Closed` if it is
    /// begun after that, and `Internal`. Waits for neither network nor disk.
    public var modes: ModeReports { ModeReports(client: client, gate: gate) }

    /// What the client tells of itself: that rooms changed, that a sign-in is needed, that a
    /// message was refused, that the store fails. Each use of this property is a subscription of
    /// its own, which begins at that moment: keep it to iterate a second time without a loss.
    ///
    /// The loop ends when the task is cancelled or the client closed. It throws `Closed` if it is
    /// begun after that, `AlreadyWaiting` if another task iterates the same subscription, and
    /// `Internal`. Waits for neither network nor disk.
    public var events: ClientEvents {
        ClientEvents.begin(client, gate)
    }

    /// The rooms, the most recently active first: from memory, also without a network.
    ///
    /// - Throws: `Closed`, `Internal`.
    public func rooms() async throws -> [RoomSummary] {
        try gate.pass()
        return try await client.rooms()
    }

    /// Opens a list of rooms, sorted and filtered: for a screen that scrolls. From memory, also without
    /// a network. While it is open the client fetches ahead what it shows: see
    /// ``RoomList/setVisible(first:count:)``.
    ///
    /// - Parameters:
    ///   - sort: the order. Pinned rooms stand above all others.
    ///   - filter: which rooms.
    ///   - window: how many rows are told at most, those around what is visible: 1 to 500 (100).
    /// - Throws: `Suspended`, `Closed`, `Internal`, and those of the store.
    public func roomList(
        sort: RoomSort = .recent,
        filter: RoomFilter = RoomFilter(),
        window: UInt32? = nil
    ) async throws -> RoomList {
        try gate.pass()
        let query = RoomListQuery(sort: sort, filter: filter, window: window)
        return RoomList(try await client.openRoomList(query: query), gate: gate)
    }

    /// Gets a file of a message, unless it is on this device already. The client begins at once and
    /// carries it through: in every mode but offline, on from what is there after a cut or a restart,
    /// and not while the app is suspended. Several downloads of one file are one; at most 3 files come at
    /// a time, those asked for first before the others. What came is kept for as long as
    /// `fileCacheBytes` of the settings allows. Returns at once.
    ///
    /// - Throws: `InvalidId` if the key or the checksum is none; `Closed`.
    public func download(_ attachment: Attachment) throws -> Download {
        try gate.pass()
        return Download(try client.download(attachment: attachment), gate: gate)
    }

    /// What is unread of all rooms together, for a badge: at first as it is, then each newer number.
    /// Of rooms that the user is in and has not archived; muted ones count only what mentions the
    /// user. From memory, also while the app is suspended.
    public var unreadTotal: Latest<Unread> {
        Latest(
            events: { [client, gate] in ClientEvents.begin(client, gate) },
            concerns: { if case .unreadTotalChanged = $0 { true } else { false } },
            read: { [client, gate] in
                try gate.pass()
                return try await client.unreadTotal()
            })
    }

    /// Where users stand: at first as it is, then each newer state. Known are the members of watched
    /// rooms: the 20 nearest to the eye (open, visible, unread, recently active), each of at most 100
    /// members unless the server states less. All others are `.unknown`, and so is
    /// everybody in the background, without a network, and once the server was not heard for a while;
    /// the user's own presence always is. From memory.
    ///
    /// - Parameter users: their ids. One that is none makes the loop throw `InvalidId`.
    public func presence(of users: [String]) -> Latest<[String: Presence]> {
        Latest(
            events: { [client, gate] in ClientEvents.begin(client, gate) },
            concerns: { if case .presenceChanged = $0 { true } else { false } },
            read: { [client, gate] in
                try gate.pass()
                let told = try await client.presence(users: users)
                return Dictionary(zip(users, told), uniquingKeysWith: { first, _ in first })
            })
    }

    /// A room by its id. Asks nobody whether it exists: its calls do.
    public func room(_ id: String) -> Room {
        Room(id: id, client: client, gate: gate)
    }

    /// Creates a group; this user owns it. More members are invited with ``Room/addMembers(_:)``, and
    /// ``Room/leave()`` leaves it. Goes on if the task is cancelled. Waits for the network.
    ///
    /// - Parameters:
    ///   - name: its name.
    ///   - members: the other members, at most 100.
    /// - Throws: `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`,
    ///   `Internal`, and those of the store.
    public func createGroup(name: String, members: [String]) async throws -> Room {
        try gate.pass()
        return room(try await client.createGroup(name: name, members: members))
    }

    /// The room of this user and another one: there is one for each pair, and it is created if it
    /// was not there. Goes on if the task is cancelled. Waits for the network.
    ///
    /// - Parameter peer: the other user.
    /// - Throws: as ``createGroup(name:members:)``.
    public func directRoom(with peer: String) async throws -> Room {
        try gate.pass()
        return room(try await client.directRoom(peer: peer))
    }

    /// Tells where the app stands in its lifecycle. The client hears of it at once; this returns
    /// once the state holds. For `.suspended` that is when no file is open or locked, no timer is
    /// armed and nothing is on its way: call it under a background task of the system, and wait for
    /// it. Until the app says otherwise, calls that need the disk or the network then throw
    /// `Suspended`. Goes on if the task is cancelled; does nothing after the close.
    ///
    /// - Throws: `Internal`.
    public func setAppState(_ state: AppState) async throws {
        try await client.setAppState(state: state)
    }

    /// Sends what waits and reads what is new, for the moments that the system grants to an app in
    /// the background: a refresh task, a push message. If the app is suspended, the client wakes for
    /// it and rests again before this returns. Goes on if the task is cancelled. Waits for the
    /// network, at most until the deadline.
    ///
    /// - Parameter deadline: in seconds; a day at most, whatever is said.
    /// - Throws: `Offline`, `Closed`, `Internal`, and those of the store.
    public func refreshOnce(deadline: Double) async throws -> Refreshed {
        try gate.pass()
        return try await client.refreshOnce(deadlineMs: milliseconds(deadline))
    }

    /// Why the mode is what it is: every ceiling with what it allows, which one binds and for how
    /// long, and what the client waits for. From memory, also while the app is suspended.
    ///
    /// - Throws: `Closed`, `Internal`.
    public func why() async throws -> Why {
        try gate.pass()
        return try await client.why()
    }

    /// What was spent in the last hour of what ``setBudget(_:)`` or the settings allow. From memory,
    /// also while the app is suspended.
    ///
    /// - Throws: `Closed`, `Internal`.
    public func budget() async throws -> BudgetReport {
        try gate.pass()
        return try await client.budget()
    }

    /// Which tier (memory, disk, server) answered how many reads, how fast, and what each holds; and
    /// how long the client took to its first byte, list and screen. Waits for the disk.
    ///
    /// - Throws: `Suspended`, `Closed`, `Internal`, and those of the store.
    public func cacheReport() async throws -> CacheReport {
        try gate.pass()
        return try await client.cacheReport()
    }

    /// Sets what the client may spend in any hour; what it spent in the last one counts. Any number
    /// makes sense. Returns at once; does nothing after the close.
    public func setBudget(_ budget: Budget) {
        client.setBudget(budget: budget)
    }

    /// Tells whether the system saves power: then the highest mode is hybrid. Returns at once; does
    /// nothing after the close.
    public func setPower(low: Bool) {
        client.setPower(low: low)
    }

    /// Tells what the network is like. Returns at once; does nothing after the close.
    public func setNetwork(_ network: Network) {
        client.setNetwork(network: network)
    }

    /// Tells which rooms the app shows in a list now, from top to bottom; the first 20 count. In
    /// hybrid they are live before all others that are not open. Returns at once; does nothing after
    /// the close.
    ///
    /// - Throws: `InvalidId`.
    public func setVisibleRooms(_ rooms: [String]) throws {
        try client.setVisibleRooms(rooms: rooms)
    }

    /// Sets the highest mode that the app wants, real-time at the start. Returns at once; does
    /// nothing after the close.
    public func setModeCeiling(_ mode: Mode) {
        client.setModeCeiling(mode: mode)
    }

    /// Ends the client: its socket, its timers and its files. From this call on all others throw
    /// `Closed`; loops over timelines, modes and events end. What waits in the outbox is on disk
    /// and goes out after the next start. Goes on if the task is cancelled; may be called twice.
    /// Waits for the disk: afterwards the folder is free.
    ///
    /// - Throws: `Internal`.
    public func shutdown() async throws {
        gate.close()
        try await client.shutdown()
    }

    /// Begins a ``shutdown()`` and does not wait for it. Returns at once; may be called twice.
    public func close() {
        gate.close()
        client.beginShutdown()
    }

    /// Ends the client and the account on this device: its socket, its timers, what it has in memory,
    /// and all its files, but for what it records into. With `.keep` that is refused while something
    /// waits to be sent; the client goes on then. Else all other calls throw `Closed` from then on, as
    /// after ``close()``. Goes on if the task is cancelled. Waits for the disk.
    ///
    /// - Parameter logout: what becomes of what was not sent yet.
    /// - Throws: `PendingSends` and, while the app is suspended, `Suspended` with `.keep`: nothing has
    ///   changed then. Those of the store: the client has ended, and some of its files may be left.
    ///   `Closed`, `Internal`.
    public func logout(_ logout: Logout) async throws {
        try gate.pass()
        do {
            try await client.logout(logout: logout)
        } catch let refused as TidewireError {
            switch refused {
            case .PendingSends, .Suspended: break
            default: gate.close()
            }
            throw refused
        }
        gate.close()
    }
}
