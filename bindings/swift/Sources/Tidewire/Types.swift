import TidewireFFI

// The value types, as the generated module has them: immutable, `Sendable`, `Hashable`. Apps import
// `Tidewire` only.

/// What a client is opened with. What is left out keeps its default; bounds are checked on opening.
public typealias Settings = TidewireFFI.Settings

/// A message or another event of a room: one flat record with everything that a row shows.
public typealias Message = TidewireFFI.Message
/// How far a message is: `.sending`, `.waiting`, `.failed`, `.sent`, `.delivered` or `.read`.
public typealias MessageState = TidewireFFI.MessageState
/// How many of the other members of a room have a message, and have read it.
public typealias Reach = TidewireFFI.Reach
/// Why a message failed. Trouble with the network is never a reason.
public typealias FailReason = TidewireFFI.FailReason
/// How something is sent: what a failure means for those behind it, and within what time.
public typealias SendOptions = TidewireFFI.SendOptions
/// What becomes of what was sent after a message of the same room, if that fails: `.hold` or `.skip`.
public typealias OnFailure = TidewireFFI.OnFailure
/// A message to send, with mentions and what the app wants to carry.
public typealias OutgoingMessage = TidewireFFI.OutgoingMessage

/// A file that a message lists. ``TidewireClient/download(_:)`` gets it.
public typealias Attachment = TidewireFFI.Attachment
/// A file that is to be sent. Only its path has to be told.
public typealias NewFile = TidewireFFI.NewFile
/// A file of a message that waits for its upload, and how far that is.
public typealias OutgoingFile = TidewireFFI.OutgoingFile
/// A tiny stand-in for a picture, shown until the file is there.
public typealias Preview = TidewireFFI.Preview
/// How far a file is: ``bytes`` of its ``size``.
public typealias DownloadProgress = TidewireFFI.DownloadProgress
/// What became of the files that the app wanted: part of the cache report.
public typealias DownloadReport = TidewireFFI.DownloadReport

/// When a message was edited or deleted.
public typealias Changed = TidewireFFI.Changed
/// All reactions of one key on a message.
public typealias Reactions = TidewireFFI.Reactions
/// A message that another one quotes.
public typealias Quote = TidewireFFI.Quote
/// What a quoted message says.
public typealias Quoted = TidewireFFI.Quoted
/// What stands in the thread of a message: how many, and when the last one came.
public typealias Replies = TidewireFFI.Replies

/// A room of the user's. For a list on the screen there is ``RoomList``.
public typealias RoomSummary = TidewireFFI.RoomSummary
/// What a room is for: `.direct` or `.group`.
public typealias RoomKind = TidewireFFI.RoomKind
/// What a member may do.
public typealias Role = TidewireFFI.Role
/// How much is unread, and whether that is the number or the least that it is.
public typealias Unread = TidewireFFI.Unread
/// What a user has set for a room on all devices: muted, pinned, archived.
public typealias RoomSettings = TidewireFFI.RoomSettings
/// A member of a room.
public typealias Member = TidewireFFI.Member
/// A page of members, and where the next one begins.
public typealias MemberPage = TidewireFFI.MemberPage
/// Somebody who is kept out of a group.
public typealias Ban = TidewireFFI.Ban
/// A page of those who are kept out of a group, and where the next one begins.
public typealias BanPage = TidewireFFI.BanPage
/// How far one member of a room is.
public typealias Receipt = TidewireFFI.Receipt
/// How far the others are with a message, a page of their receipts, and where the next one begins.
public typealias ReceiptPage = TidewireFFI.ReceiptPage
/// How a group looks: what is left out it has not any more.
public typealias RoomUpdate = TidewireFFI.RoomUpdate

/// The order of a list of rooms, below the pinned ones: `.recent`, `.unreadFirst` or `.name`.
public typealias RoomSort = TidewireFFI.RoomSort
/// Which rooms a list shows: those to which everything set here applies.
public typealias RoomFilter = TidewireFFI.RoomFilter
/// A row of a list of rooms.
public typealias RoomListRow = TidewireFFI.RoomListRow
/// One change of the rows of a list.
public typealias RoomListChange = TidewireFFI.RoomListChange
/// What is new in a list: all rows of its window, or changes of them.
public typealias RoomListUpdate = TidewireFFI.RoomListUpdate
/// A numbered update of a list.
public typealias RoomListBatch = TidewireFFI.RoomListBatch

/// A row of a timeline: a message, or a gap.
public typealias TimelineRow = TidewireFFI.TimelineRow
/// One change of the rows.
public typealias TimelineChange = TidewireFFI.TimelineChange
/// What is new in a timeline: all rows, or changes of them.
public typealias TimelineUpdate = TidewireFFI.TimelineUpdate
/// A numbered update of a timeline.
public typealias TimelineBatch = TidewireFFI.TimelineBatch
/// What ``Timeline/loadOlder(_:)``, ``Timeline/loadNewer(_:)`` and ``Timeline/fillGap(from:to:side:)``
/// found.
public typealias Loaded = TidewireFFI.Loaded
/// Where a timeline opens: `.newest`, `.firstUnread`, `.message(id:)` or `.seq(seq:)`.
public typealias TimelineStart = TidewireFFI.TimelineStart
/// The side from which a gap is filled: `.older` for who reads downwards, `.newer` for who reads
/// upwards.
public typealias GapSide = TidewireFFI.GapSide
/// Which tier answered a read: memory, disk or server.
public typealias Tier = TidewireFFI.Tier

/// How the client reads: `.offline`, `.polling`, `.hybrid` or `.realTime`.
public typealias Mode = TidewireFFI.Mode
/// Why the mode is what it is: the signal that bound it.
public typealias ModeReason = TidewireFFI.ModeReason
/// The mode, its reason, and the reason in words.
public typealias ModeReport = TidewireFFI.ModeBatch

/// Why something is as it is: facts, and the sentence that they make.
public typealias Why = TidewireFFI.Why
/// One fact of an explanation.
public typealias Fact = TidewireFFI.Fact
/// What would raise a ceiling.
public typealias Lift = TidewireFFI.Lift
/// How far the way to a token is.
public typealias TokenStage = TidewireFFI.TokenStage
/// What the store is doing.
public typealias StoreStage = TidewireFFI.StoreStage
/// How far the socket is.
public typealias SocketStage = TidewireFFI.SocketStage
/// What waits after a failure, or for a slot.
public typealias Way = TidewireFFI.Way
/// What carries messages to the server.
public typealias Vehicle = TidewireFFI.Vehicle

/// What a client may spend in any hour. What is left out is not limited; with 0 it reads only when
/// the app or its user asks.
public typealias Budget = TidewireFFI.Budget
/// What was spent in the last hour.
public typealias BudgetReport = TidewireFFI.BudgetReport
/// How much of one kind was spent.
public typealias Spent = TidewireFFI.Spent

/// What a user shows of themselves.
public typealias Profile = TidewireFFI.Profile
/// What the user is to show: what is left out is not shown any more.
public typealias ProfileUpdate = TidewireFFI.ProfileUpdate

/// Where a search looks: `.device` or `.everywhere`.
public typealias SearchScope = TidewireFFI.SearchScope
/// Who looked: `.device` or `.server`.
public typealias SearchSource = TidewireFFI.SearchSource
/// What a search found, and whether that is everything.
public typealias SearchPage = TidewireFFI.SearchPage
/// A message that was found, and what to show of it.
public typealias SearchHit = TidewireFFI.SearchHit
/// A piece of a snippet: all pieces one behind the other are the text to show.
public typealias SnippetPart = TidewireFFI.SnippetPart
/// What a search on this device looks through of a room.
public typealias RoomCoverage = TidewireFFI.RoomCoverage

/// How the three tiers do, from the opening of the client on.
public typealias CacheReport = TidewireFFI.CacheReport
/// What one tier did.
public typealias TierReport = TidewireFFI.TierReport
/// How large the store's files are, in bytes.
public typealias Sizes = TidewireFFI.Sizes
/// What was found damaged on disk, and what became of it.
public typealias Repair = TidewireFFI.Repair
/// What ``TidewireClient/logout(_:)`` does about what was not sent yet: `.keep` or `.discard`.
public typealias Logout = TidewireFFI.Logout

/// Where the app stands in its lifecycle.
public typealias AppState = TidewireFFI.AppState
/// What ``TidewireClient/refreshOnce(deadline:)`` brought.
public typealias Refreshed = TidewireFFI.Refreshed
/// What the platform says of the network.
public typealias Network = TidewireFFI.Network
/// A kind of link.
public typealias NetworkKind = TidewireFFI.NetworkKind

/// Where another user stands, as far as this client knows: `.unknown`, `.online`, `.away` or
/// `.offline`.
public typealias Presence = TidewireFFI.Presence
/// Where one user stands.
public typealias PeerPresence = TidewireFFI.PeerPresence

/// What a client tells of itself.
public typealias ClientEvent = TidewireFFI.ClientEvent
/// Events in their order, and how many were dropped before them because the reader was too slow.
public typealias EventBatch = TidewireFFI.EventBatch

extension Message: Identifiable {}

extension MessageState {
    /// Whether the message is in the room's log: sent, and maybe delivered or read.
    public var isSent: Bool {
        switch self {
        case .sent, .delivered, .read: true
        case .sending, .waiting, .failed: false
        }
    }
}

extension RoomSummary: Identifiable {}

extension RoomListRow: Identifiable {
    /// The room: what the row is for life.
    public var id: String { room }
}

extension Profile: Identifiable {
    /// The user.
    public var id: String { user }
}

extension SearchHit: Identifiable {
    /// The message's id.
    public var id: String { message.id }
}

extension Member: Identifiable {
    /// The user.
    public var id: String { user }
}

extension TimelineRow: Identifiable {
    /// Stays the same while the row changes: a message keeps its id from its sending on, a gap the
    /// place where it begins.
    public var id: String {
        switch self {
        case .message(let message): message.id
        case .gap(let from, _): "gap from \(from)"
        }
    }

    /// The message, if the row is one.
    public var message: Message? {
        if case .message(let message) = self { message } else { nil }
    }
}
