import Foundation
import TidewireFFI

/// A room on the screen: its messages, what the user writes, and what he does with a message.
///
/// What is sent shows at once, in state `.sending`: the client puts it into its outbox, and from there it
/// arrives exactly once. Nothing here waits for the network but paging to what is not on this device.
@MainActor
public final class TimelineModel: ScreenModel {
    /// How far the messages are.
    public enum Phase: Sendable, Hashable {
        /// They are being read, from memory, the disk or the server.
        case opening
        /// They are there, and follow what happens.
        case open
        /// They could not be read: ``TimelineModel/reopen()`` tries again.
        case failed(String)
    }

    /// The room.
    public let room: Room
    /// The message in whose thread this is; `nil` for the room's own timeline.
    public let thread: String?
    private let openTimeline: @Sendable () async throws -> Timeline
    private var timeline: Timeline?
    private let drafts: Newest<String>
    private let reading: Newest<UInt64>
    private var readUpTo: UInt64 = 0
    private var naming: Task<Void, Never>?
    private var named: Set<String> = []
    /// Whether the user has written, so that ``draft`` is not to be replaced by what is on disk.
    private var hasWritten = false
    /// Whether ``draft`` is being set to what was on disk.
    private var isFound = false
    /// What the user had written when he began to change a message.
    private var setAside = ""
    private var filling: Set<String> = []

    /// How far the messages are.
    @Observed public private(set) var phase: Phase = .opening
    /// The rows, oldest first: messages and gaps. They keep their ids from the sending on.
    @Observed public private(set) var rows: [TimelineRow] = []
    /// Whether there are older messages than those shown: ``loadOlder()``.
    @Observed public private(set) var hasOlder = false
    /// Whether there are newer ones, so that what happens does not show: ``loadNewer()``.
    @Observed public private(set) var hasNewer = false
    /// The first row that was not read when the timeline was opened: a line goes before it.
    @Observed public private(set) var firstUnreadRow: String?
    /// Whether older messages are on their way.
    @Observed public private(set) var isLoadingOlder = false
    /// Whether newer messages are on their way.
    @Observed public private(set) var isLoadingNewer = false
    /// Who types, the user excepted.
    @Observed public private(set) var typists: [String] = []
    /// What the senders show of themselves, as far as it is known.
    @Observed public private(set) var profiles: [String: Profile] = [:]
    /// The message that the next one quotes.
    @Observed public var replyingTo: Message?
    /// The message that is being changed instead of a new one written: ``edit(_:)``.
    @Observed public private(set) var editing: Message?
    /// What the user writes. Kept on disk within moments, and there again after a restart; the others hear
    /// that the user types. While a message is edited it is that one's text, which is no draft.
    @Observed public var draft = "" {
        didSet { if draft != oldValue { wrote() } }
    }

    /// - Parameters:
    ///   - client: whose room.
    ///   - room: the room's id.
    ///   - start: where it opens: at the newest messages unless told.
    public convenience init(
        _ client: TidewireClient, room: String, at start: TimelineStart = .newest
    ) {
        let room = client.room(room)
        self.init(client, room, thread: nil) { try await room.timeline(at: start) }
    }

    /// A message with what stands in its thread. What is written there is no draft of the room's.
    ///
    /// - Parameters:
    ///   - client: whose room.
    ///   - room: the room's id.
    ///   - root: the message's id.
    public convenience init(_ client: TidewireClient, room: String, threadOf root: String) {
        let room = client.room(room)
        self.init(client, room, thread: root) { try await room.thread(of: root) }
    }

    private init(
        _ client: TidewireClient, _ room: Room, thread: String?,
        openTimeline: @escaping @Sendable () async throws -> Timeline
    ) {
        self.room = room
        self.thread = thread
        self.openTimeline = openTimeline
        drafts = Newest(pause: 500_000_000) { text in
            // What can not be kept now is so with the next letter, or when the screen is left.
            try? await room.setDraft(text)
        }
        reading = Newest(pause: 200_000_000) { seq in
            // What fails here is suspended or closed; the next message that is seen goes further.
            try? await room.markRead(upTo: seq)
        }
        super.init(client)
    }

    deinit {
        naming?.cancel()
    }

    // MARK: What it shows

    /// The messages among the rows.
    public var messages: [Message] { rows.compactMap(\.message) }

    /// What a user is called here.
    public func name(of user: String) -> String {
        profiles[user]?.name ?? user
    }

    /// Opens the room again after it could not be.
    public func reopen() {
        restart()
    }

    override func begin(_ loops: Loops) {
        let (room, openTimeline) = (room, openTimeline)
        if rows.isEmpty { phase = .opening }
        loops.add { [weak self] in
            do {
                let timeline = try await onceAwake(openTimeline)
                guard self?.opened(timeline, loops) == true else { return }
                for try await rows in timeline.rows { self?.show(rows, of: timeline) }
            } catch {
                self?.couldNotOpen(error, loops)
            }
        }
        loops.add { [weak self] in
            // No typists are none: the timeline says it if something is wrong with the room.
            do { for try await users in room.typists { self?.typists = users } } catch {}
        }
        guard thread == nil else { return }
        loops.add { [weak self] in
            // Without it the field is empty, as with none.
            guard let text = try? await room.draft() else { return }
            self?.found(draft: text)
        }
    }

    override func end() {
        timeline?.close()
        timeline = nil
        naming?.cancel()
        (naming, named) = (nil, [])
        typists = []
        drafts.hurry()
        reading.hurry()
    }

    private func opened(_ timeline: Timeline, _ loops: Loops) -> Bool {
        guard self.loops === loops else { return false }
        self.timeline = timeline
        return true
    }

    private func couldNotOpen(_ error: any Error, _ loops: Loops) {
        guard self.loops === loops else { return }
        switch error {
        case is CancellationError, TidewireError.Closed: break
        default: phase = .failed(words(for: error))
        }
    }

    private func show(_ rows: [TimelineRow], of timeline: Timeline) {
        guard self.timeline === timeline else { return }
        self.rows = rows
        phase = .open
        hasOlder = timeline.hasOlder
        hasNewer = timeline.hasNewer
        firstUnreadRow = rows.first(from: timeline.unreadFrom, notOf: client.user)
        name(Set(rows.compactMap { $0.message?.sender }))
    }

    /// Follows what the senders are called. Those that are known stay known.
    private func name(_ users: Set<String>) {
        guard !users.isSubset(of: named) else { return }
        named.formUnion(users)
        naming?.cancel()
        let profiles = client.profiles(of: named.sorted())
        naming = Task { [weak self] in
            // Without names there are ids.
            do { for try await known in profiles { self?.profiles = known } } catch {}
        }
    }

    // MARK: Paging

    /// Puts older messages before those shown, as the user scrolls up. Does nothing if there are none or
    /// they are on their way. Waits for the disk, and for the network if they are not there.
    public func loadOlder(_ count: UInt32 = 50) async {
        guard let timeline, hasOlder, !isLoadingOlder else { return }
        isLoadingOlder = true
        defer { isLoadingOlder = false }
        await attempt { try await timeline.loadOlder(count) }
    }

    /// The same with newer messages, where the timeline does not follow the newest.
    public func loadNewer(_ count: UInt32 = 50) async {
        guard let timeline, hasNewer, !isLoadingNewer else { return }
        isLoadingNewer = true
        defer { isLoadingNewer = false }
        await attempt { try await timeline.loadNewer(count) }
    }

    /// Fetches what is missing in a gap: when it comes onto the screen. Does nothing for a message. Waits
    /// for the network.
    public func fill(_ row: TimelineRow) async {
        guard case .gap(let from, let to) = row, let timeline, filling.insert(row.id).inserted
        else { return }
        defer { filling.remove(row.id) }
        await attempt { try await timeline.fillGap(from: from, to: to) }
    }

    // MARK: Reading

    /// The user has seen a message: it and all before it count as read, on all of the user's devices. Call
    /// it as messages come onto the screen of an app in the foreground. Returns at once.
    public func seen(_ message: Message) {
        guard let seq = message.seq, seq > readUpTo else { return }
        readUpTo = seq
        reading.want(seq)
    }

    // MARK: Writing

    private func found(draft text: String) {
        guard !hasWritten, editing == nil, draft.isEmpty else { return }
        isFound = true
        draft = text
        isFound = false
    }

    private func wrote() {
        guard !isFound else { return }
        hasWritten = true
        if !draft.isEmpty { room.typing() }
        if editing == nil, thread == nil { drafts.want(draft) }
    }

    /// Waits until what the user has written, and how far he has read, is on disk.
    public func settled() async {
        await drafts.settled()
        await reading.settled()
    }

    /// Sends what the user has written, as a reply if there is ``replyingTo``, or changes the message that
    /// is ``editing``. The field is empty at once; if it can not be sent, what was written is there again,
    /// unless the user has gone on, and ``ScreenModel/failure`` says why. Whether it was kept. Waits for the
    /// disk, never for the network.
    ///
    /// - Parameters:
    ///   - files: files that go with it. They are copied: what becomes of the originals does not matter.
    ///   - mentions: the ids of users whom it mentions.
    @discardableResult
    public func send(files: [NewFile] = [], mentions: [String] = []) async -> Bool {
        let text = draft
        let (quoted, edited) = (replyingTo, editing)
        guard !text.isEmpty || !files.isEmpty else { return false }
        (editing, replyingTo) = (nil, nil)
        let left = edited == nil ? "" : setAside
        draft = left
        let message = OutgoingMessage(
            text: text, mentions: mentions, replyTo: quoted?.id, thread: thread)
        let isKept = await attempt {
            if let edited {
                try await room.edit(
                    edited.id, OutgoingMessage(text: text, mentions: edited.mentions + mentions))
            } else if files.isEmpty {
                try await room.send(message)
            } else {
                try await room.sendFiles(files, message)
            }
        }
        if !isKept, draft == left, editing == nil {
            (editing, replyingTo) = (edited, quoted)
            draft = text
        }
        return isKept
    }

    /// Begins to change a message of the user's: its text is in ``draft`` then, and ``send(files:mentions:)``
    /// changes it. What was in the field is there again afterwards.
    public func edit(_ message: Message) {
        if editing == nil { setAside = draft }
        replyingTo = nil
        editing = message
        draft = message.text ?? ""
    }

    /// Ends ``edit(_:)`` without a change.
    public func cancelEdit() {
        guard editing != nil else { return }
        editing = nil
        draft = setAside
    }

    // MARK: What the user does with a message

    /// Puts a mark on a message, or takes the user's own away again. Shows at once. As all of these:
    /// whether it was kept; else ``ScreenModel/failure`` says why. Waits for the disk.
    @discardableResult
    public func toggle(_ key: String, on message: Message) async -> Bool {
        let isMine = message.reactions.contains { $0.key == key && $0.mine }
        return await attempt {
            if isMine {
                try await room.unreact(key, to: message.id)
            } else {
                try await room.react(key, to: message.id)
            }
        }
    }

    /// Takes a message of the user's back, however far it is; of others it deletes what the user may.
    @discardableResult
    public func delete(_ message: Message) async -> Bool {
        await attempt {
            if message.sender == client.user {
                try await room.cancel(message.id)
            } else {
                try await room.delete(message.id)
            }
        }
    }

    /// Sends a failed message again.
    @discardableResult
    public func retry(_ message: Message) async -> Bool {
        await attempt { try await room.retry(message.id) }
    }

    /// Gives a failed message up: those behind it go on.
    @discardableResult
    public func discard(_ message: Message) async -> Bool {
        await attempt { try await room.discard(message.id) }
    }

    /// Why a message is in the state that it is in, in words. `nil` if that can not be told.
    public func why(_ message: Message) async -> String? {
        try? await room.why(message.id).sentence
    }
}

extension [TimelineRow] {
    /// The row before which the line goes that says "new": the first message of others from this place on.
    func first(from seq: UInt64?, notOf user: String) -> String? {
        guard let seq else { return nil }
        let row = first { row in
            guard let message = row.message, let place = message.seq else { return false }
            return place >= seq && message.sender != user
        }
        return row?.id
    }
}
