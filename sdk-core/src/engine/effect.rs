//! What comes out of the engine: asked of the driver, one at a time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{
    AppState, Bootstrap, ClientFrame, Cursor, Epoch, Event, EventId, EventsQuery, History,
    HistoryQuery, Member, MemberPage, Mode, NewMembers, NewRoom, OpsRequest, Profile,
    ProfileUpdate, Profiles, ProfilesRequest, Receipt, Role, RoleUpdate, RoomId, RoomPage,
    RoomSettings, RoomState, RoomUpdate, SearchRequest, SearchResults, Sent, Seq, SyncRequest,
    SyncResponse, UserId, WireError,
};

use super::budget::{Budget, BudgetReport};
use super::heads::{Draft, Wish};
use super::list::{RoomListQuery, RoomListUpdate};
use super::logout::Logout;
use super::mode::{ModeReport, Network};
use super::opening::TimelineStart;
use super::outbox::OutboxRow;
use super::peers::Presence;
use super::report::CacheReport;
use super::rows::TimelineUpdate;
use super::search::{Found, SearchAsk, SearchLookup, SearchRows};
use super::settings::SettingsChange;
use super::stats::{Stats, Tier};
use super::transaction::Transaction;
use super::unread::{TailRow, Unread};
use super::why::{Subject, Why};
use crate::error::{Error, StoreError};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub u64);
    };
}
number_id! {
    /// One socket or event stream, from its opening to its end. Never used again.
    SocketId
}
number_id! {
    /// One HTTP request.
    RequestId
}
number_id! {
    /// One transaction or query of the store.
    StoreToken
}
number_id! {
    /// One command of the app, for its answer.
    CommandId
}
number_id! {
    /// One open timeline.
    TimelineId
}
number_id! {
    /// One open list of rooms.
    ListId
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Open a socket. Answered by [`SocketEvent`]s with the same id.
    OpenSocket(SocketId),
    /// Close it. Nothing more is heard of it.
    CloseSocket(SocketId),
    /// Send a frame. Into a `hello` without a token the driver puts the token.
    SendFrame(SocketId, ClientFrame),
    /// Open an event stream, `GET /v1/events`, with the token. Answered as a socket is; a typed
    /// refusal, and each comment as a `ping`, comes as a frame.
    OpenStream(SocketId, EventsQuery),
    /// Close it. Nothing more is heard of it.
    CloseStream(SocketId),
    /// Make an HTTP request, with the token. Answered by `handle_response`.
    Request(RequestId, Request),
    /// Read from the store. Answered by `handle_loaded` or `handle_load_failed`.
    Load(StoreToken, Query),
    /// Write to the store. Answered by `handle_committed` or `handle_commit_failed`, in the order
    /// in which the transactions were given.
    Commit(StoreToken, Transaction),
    /// Drop every request, the socket, the event stream and the token on its way, and let go of the store's files
    /// once all that was given before is done. Answered by `handle_released`. The next query opens
    /// the store again.
    Release,
    /// Fetch a token from the app. Answered by `handle_token`.
    FetchToken,
    /// End the client, delete everything that the store has of the account, and answer the command.
    /// Nothing is done after it.
    Erase(CommandId),
    /// Tell the app.
    Notify(Notice),
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `POST /v1/sync`
    Sync(SyncRequest),
    /// `GET /v1/bootstrap`
    Bootstrap,
    /// `GET /v1/rooms?after=`
    Rooms(String),
    /// `GET /v1/rooms/{room}`
    Room(RoomId),
    /// `POST /v1/rooms`
    CreateRoom(NewRoom),
    /// `GET /v1/rooms/{room}/members?after=`
    Members(RoomId, Option<UserId>),
    /// `POST /v1/rooms/{room}/members`
    AddMembers(RoomId, NewMembers),
    /// `DELETE /v1/rooms/{room}/members/{user}`
    RemoveMember(RoomId, UserId),
    /// `PUT /v1/rooms/{room}/members/{user}`
    SetRole(RoomId, UserId, RoleUpdate),
    /// `PUT /v1/rooms/{room}`
    UpdateRoom(RoomId, RoomUpdate),
    /// `PUT /v1/rooms/{room}/settings`
    SetSettings(RoomId, RoomSettings),
    /// `GET /v1/rooms/{room}/messages`
    History(RoomId, HistoryQuery),
    /// `GET /v1/rooms/{room}/messages/{event}`
    Message(RoomId, EventId),
    /// `POST /v1/rooms/{room}/ops`
    Ops(RoomId, OpsRequest),
    /// `POST /v1/profiles:batch`
    Profiles(ProfilesRequest),
    /// `PUT /v1/profile`
    UpdateProfile(ProfileUpdate),
    /// `GET /v1/search`
    Search(SearchRequest),
}

/// The answer to a request of the same name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Sync`].
    Sync(SyncResponse),
    /// To [`Request::Bootstrap`].
    Bootstrap(Bootstrap),
    /// To [`Request::Rooms`].
    Rooms(RoomPage),
    /// To [`Request::Room`], [`Request::CreateRoom`], [`Request::AddMembers`],
    /// [`Request::RemoveMember`], [`Request::SetRole`], [`Request::UpdateRoom`].
    Room(RoomState),
    /// To [`Request::SetSettings`].
    Settings(RoomSettings),
    /// To [`Request::Members`].
    Members(MemberPage),
    /// To [`Request::History`], [`Request::Message`].
    History(History),
    /// To [`Request::Ops`].
    Ops(Sent),
    /// To [`Request::Profiles`].
    Profiles(Profiles),
    /// To [`Request::UpdateProfile`].
    Profile(Profile),
    /// To [`Request::Search`].
    Search(SearchResults),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestError {
    /// The server said "no", in its own words.
    #[error(transparent)]
    Refused(#[from] WireError),
    /// Anything else: no connection, a timeout, a captive portal, a proxy's error page.
    #[error("network trouble: {0}")]
    Network(String),
}

/// What happened to a socket or an event stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketEvent {
    /// It is open: `hello` may be sent to a socket.
    Opened,
    /// It is gone, or never came to be.
    Closed {
        /// Why, for the log.
        reason: String,
    },
}

/// A question to the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Everything that the engine holds for all rooms, and what is unread of them by this user.
    /// Answered by [`Rows::Start`].
    Start(UserId),
    /// The newest events of a room that stand in no thread. Answered by [`Rows::Events`].
    Newest {
        /// The room.
        room: RoomId,
        /// How many.
        limit: usize,
    },
    /// Events of a room with `from <= seq < before` that stand in no thread, the newest of them. Answered by
    /// [`Rows::Events`].
    Before {
        /// The room.
        room: RoomId,
        /// Below this.
        before: Seq,
        /// Not below this.
        from: Seq,
        /// How many.
        limit: usize,
    },
    /// One event of a room by its id. Answered by [`Rows::Events`].
    Event(RoomId, EventId),
    /// Those of these messages of a room that are here. Answered by [`Rows::Events`].
    Messages {
        /// The room.
        room: RoomId,
        /// Which.
        ids: Vec<EventId>,
    },
    /// Messages of a thread with `seq < before`, the newest of them, without the one that it hangs
    /// on. Answered by [`Rows::Events`].
    Thread {
        /// The room.
        room: RoomId,
        /// The message whose thread it is.
        root: EventId,
        /// Below this.
        before: Seq,
        /// How many.
        limit: usize,
    },
    /// Events of a room, or messages of a thread, with `after < seq <= through`, the oldest of them;
    /// of a room those that stand in no thread. Answered by [`Rows::Events`].
    After {
        /// The room.
        room: RoomId,
        /// The message whose thread it is, if it is one.
        thread: Option<EventId>,
        /// Above this.
        after: Seq,
        /// Not above this.
        through: Seq,
        /// How many.
        limit: usize,
    },
    /// Events of a room with `from <= seq <= through` that stand in no thread: as many as half of
    /// `limit` nearest to `seq` below it, and the rest from it on. Answered by [`Rows::Events`].
    Around {
        /// The room.
        room: RoomId,
        /// What is to stand in the middle.
        seq: Seq,
        /// Not below this.
        from: Seq,
        /// Not above this.
        through: Seq,
        /// How many.
        limit: usize,
    },
    /// The newest messages that a search finds. Answered by [`Rows::Search`].
    Search(Box<SearchLookup>),
    /// What the search index does not have yet. Answered by [`Rows::Unindexed`].
    Unindexed,
    /// Profiles. Answered by [`Rows::Profiles`].
    Profiles(Vec<UserId>),
    /// How large everything is. Answered by [`Rows::Sizes`].
    Sizes,
}

impl Query {
    /// Whether this may be answered beside the transactions on their way, of which it then shows
    /// any that are done. All others show what was given before them, and nothing that comes after.
    /// The first of them opens a connection of its own.
    pub(crate) fn may_overtake(&self) -> bool {
        match self {
            Query::Event(..) => true,
            Query::Search(lookup) => lookup.beside,
            _ => false,
        }
    }
}

/// The store's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// To [`Query::Start`].
    Start(Box<StartRows>),
    /// To [`Query::Newest`], [`Query::Before`], [`Query::Event`], [`Query::Messages`],
    /// [`Query::Thread`], [`Query::After`] and [`Query::Around`], folded, ascending.
    Events(Vec<Event>),
    /// To [`Query::Search`].
    Search(Box<SearchRows>),
    /// To [`Query::Unindexed`]: rooms, and from where on the index has all that is held of them.
    Unindexed(Vec<(RoomId, Seq)>),
    /// To [`Query::Profiles`]: those found, with the wall clock time of their fetching.
    Profiles(Vec<(Profile, i64)>),
    /// To [`Query::Sizes`].
    Sizes(Sizes),
}

/// How large the store's files are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sizes {
    /// Of the cache's database, what is in use: what retention bounds.
    pub used: u64,
    /// The cache's database, with the pages that are free to be used again.
    pub database: u64,
    /// Its write-ahead log.
    pub log: u64,
    /// The outbox's database.
    pub outbox: u64,
}

/// What was found damaged on disk, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Repair {
    /// What was wrong, for the log.
    pub reason: String,
    /// Whether the cache was set aside: rooms and messages come from the server again.
    pub cache: bool,
    /// If the outbox was damaged: how many pending operations were read from it, and are kept.
    pub outbox: Option<u64>,
    /// Whether that was all of them. Without it something is lost, which the app has accepted
    /// (`ClientBuilder::accept_loss`).
    pub complete: bool,
}

/// What is committed: where a client goes on after a start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StartRows {
    /// Where to read on from.
    pub cursor: Option<Cursor>,
    /// The life of the server's database that the cache belongs to.
    pub epoch: Option<Epoch>,
    /// The rooms.
    pub rooms: Vec<RoomRow>,
    /// The outbox, in the order in which it was filled.
    pub outbox: Vec<OutboxRow>,
    /// What was mended since the store last told.
    #[serde(default)]
    pub repair: Option<Repair>,
    /// What somebody has begun to write.
    #[serde(default)]
    pub drafts: Vec<Draft>,
    /// What the user has set for rooms and the server has not confirmed.
    #[serde(default)]
    pub wishes: Vec<Wish>,
    /// Whether the search index has not taken in everything that is stored.
    #[serde(default)]
    pub unindexed: bool,
}

/// A room as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomRow {
    /// As the server told it; `head_seq` is the newest known.
    pub state: RoomState,
    /// The head that the state was told at, with the changes since.
    pub as_of: Seq,
    /// The highest seq that the feed has passed.
    pub feed_seq: Seq,
    /// The held ranges.
    pub held: Vec<(u64, u64)>,
    /// Those of them that may have changed on the server.
    pub stale: Vec<(u64, u64)>,
    /// How far its members are.
    pub receipts: Vec<Receipt>,
    /// Up to where the user has read, as marked on this device.
    pub marked: Seq,
    /// When the room was last opened here: wall clock, ms; 0 if it never was.
    #[serde(default)]
    pub opened: i64,
    /// The newest message that stands in no thread, if it is on disk.
    #[serde(default)]
    pub said: Option<Event>,
    /// What is unread of what is on disk.
    #[serde(default)]
    pub tail: TailRow,
}

/// What the platform or the app tells the engine about its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// The network changed.
    Network(Network),
    /// The app's state changed.
    AppState(AppState),
    /// Whether the system saves power.
    Power {
        /// It does.
        low: bool,
    },
    /// The highest mode that the app allows.
    Ceiling(Mode),
    /// What the client may spend.
    Budget(Budget),
    /// The user has pressed a key, writing something in this room.
    Typing(RoomId),
}

/// What the app asks for. Each is answered by one [`Notice::Reply`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Queue an operation; answered once it is on disk.
    Send {
        /// The room.
        room: RoomId,
        /// The operation.
        op: tidewire_protocol::Op,
    },
    /// Queue a failed operation again.
    Retry(EventId),
    /// Take a failed operation out of the outbox.
    Discard(EventId),
    /// Open a timeline at the newest messages.
    OpenTimeline(TimelineId, RoomId),
    /// Open a timeline anywhere.
    OpenTimelineAt(TimelineId, RoomId, TimelineStart),
    /// Open a timeline of a message and its thread.
    OpenThread(TimelineId, RoomId, EventId),
    /// The reader was too slow, or wants to begin anew: send a reset.
    ResetTimeline(TimelineId),
    /// The timeline's last handle is gone. Not answered.
    CloseTimeline(TimelineId),
    /// Load older messages into a timeline.
    LoadOlder(TimelineId, usize),
    /// Load newer messages into a timeline that does not follow the newest.
    LoadNewer(TimelineId, usize),
    /// Fetch what is missing in a gap, the newest first.
    FillGap(TimelineId, Seq, Seq),
    /// Fetch what is missing in a gap, from one of its sides.
    FillGapFrom(TimelineId, Seq, Seq, GapSide),
    /// The user has read a room up to this seq; answered once that is on disk.
    MarkRead(RoomId, Seq),
    /// The rooms that the app shows in a list now, from top to bottom. Not answered.
    SetVisible(Vec<RoomId>),
    /// Open a list of rooms.
    OpenRoomList(ListId, RoomListQuery),
    /// The reader was too slow, or wants to begin anew: send a reset.
    ResetRoomList(ListId),
    /// The list's last handle is gone. Not answered.
    CloseRoomList(ListId),
    /// The app shows these rows of a list. Not answered.
    ShowRooms {
        /// The list.
        list: ListId,
        /// The first row shown.
        first: usize,
        /// How many rows are shown.
        count: usize,
        /// Those rooms, from top to bottom.
        rooms: Vec<RoomId>,
    },
    /// What is unread of all rooms, from memory.
    UnreadTotal,
    /// Keep what somebody has begun to write; answered once it is on disk.
    SetDraft {
        /// The room.
        room: RoomId,
        /// The text. Named as what it may become, so that recordings hide it alike.
        #[serde(rename = "content")]
        text: Option<String>,
    },
    /// What somebody has begun to write, from memory.
    Draft(RoomId),
    /// Change the user's settings of a room; answered once the wish is on disk.
    SetSettings(RoomId, SettingsChange),
    /// Change how a room looks.
    UpdateRoom(RoomId, RoomUpdate),
    /// Give a member another role.
    SetRole {
        /// The room.
        room: RoomId,
        /// The member.
        user: UserId,
        /// What the member may do.
        role: Role,
    },
    /// The rooms, most recently active first.
    Rooms,
    /// Create a room.
    CreateRoom(NewRoom),
    /// Add members to a room.
    AddMembers(RoomId, Vec<UserId>),
    /// Remove a member from a room.
    RemoveMember(RoomId, UserId),
    /// A page of a room's members.
    #[serde(rename = "list_members")]
    Members(RoomId, Option<UserId>),
    /// Profiles of users: from memory or disk, fresh or not, and of those who are unknown from the
    /// server.
    Profiles(Vec<UserId>),
    /// Search in what is on this device.
    Search(Box<SearchAsk>),
    /// Search on the server.
    SearchServer(SearchRequest),
    /// Replace the user's own profile.
    UpdateProfile(ProfileUpdate),
    /// Where these users stand, from memory.
    Presence(Vec<UserId>),
    /// Who types in a room, from memory.
    Typists(RoomId),
    /// Counters since the start.
    Stats,
    /// What was spent in the last hour.
    Budget,
    /// Send what waits and read the feed to its end.
    Refresh,
    /// End the account on this device. Answered by the driver, at the very end.
    Logout(Logout),
    /// Which tier answered how many reads.
    CacheReport,
    /// Why something is as it is. Also answered while the app is suspended.
    Why(Subject),
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is done.
    Done,
    /// A timeline's first rows are on their way.
    Opened,
    /// More messages were loaded.
    Loaded(Loaded),
    /// The rooms.
    Rooms(Vec<RoomSummary>),
    /// A room.
    Room(Box<RoomState>),
    /// Members, and where the next page begins.
    Members(Vec<Member>, Option<UserId>),
    /// Profiles, in the order asked.
    Profiles(Vec<Profile>),
    /// What a search on this device found.
    Found(Box<Found>),
    /// What a search on the server found.
    FoundOnServer(Box<SearchResults>),
    /// Where the users stand, in the order asked.
    Presence(Vec<Presence>),
    /// Who types.
    Typists(Vec<UserId>),
    /// Counters, in all and by mode.
    Stats(Box<Stats>, BTreeMap<Mode, Stats>),
    /// What was spent in the last hour.
    Budget(BudgetReport),
    /// What is unread of all rooms.
    UnreadTotal(Unread),
    /// What somebody has begun to write.
    Draft(Option<String>),
    /// A refresh is done.
    Refreshed(Refreshed),
    /// How the tiers do.
    Cache(Box<CacheReport>),
    /// The facts, and what they say.
    Why(Box<Why>),
}

/// What a refresh brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// Whether the feed was read to its end and everything that could be sent was sent.
    pub complete: bool,
    /// Events that are on disk now and were not before.
    pub new_events: u64,
    /// Operations that are still in the outbox.
    pub pending: usize,
}

/// What `load_older`, `load_newer` and `fill_gap` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Loaded {
    /// Events added to the timeline.
    pub added: usize,
    /// Which tier had them.
    pub tier: Tier,
    /// Whether there is more on the same way: before them, or, after them, until the timeline
    /// follows the newest.
    pub more: bool,
}

/// The side from which a gap is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapSide {
    /// From what comes before it on: for somebody who reads downwards.
    Older,
    /// From what comes after it back: for somebody who reads upwards.
    Newer,
}

/// A room of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomSummary {
    /// The room as last told; `head_seq`, `last_event` and `receipts` are the newest known, and
    /// `settings` are what the user wishes. `unread_base` is as of the seq that it names: what came
    /// later is not in it. It is absent while it is not known for what the user has read since.
    pub state: RoomState,
    /// What the user has not read.
    pub unread: Unread,
    /// What somebody has begun to write.
    pub draft: Option<String>,
    /// Operations of this room in the outbox.
    pub pending: usize,
}

/// What the app is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The answer to a command.
    Reply(CommandId, Result<Reply, Error>),
    /// An update of a timeline.
    Timeline(TimelineId, TimelineUpdate),
    /// The mode or its reason changed.
    Mode(ModeReport),
    /// An update of a list of rooms.
    RoomList(ListId, RoomListUpdate),
    /// What is unread of all rooms is another number.
    UnreadTotal(Unread),
    /// Some room of the list changed.
    RoomsChanged,
    /// The profiles of these users are others than before.
    ProfilesChanged(Vec<UserId>),
    /// Where these users stand now.
    Presence(Vec<(UserId, Presence)>),
    /// All who type in the room now.
    Typing(RoomId, Vec<UserId>),
    /// Something the app or its user has to know.
    Problem(Problem),
}

/// Something the app or its user has to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// No token is to be had, or the server takes none of them: sends wait, reading stops.
    AuthRequired {
        /// Why.
        reason: String,
    },
    /// The token belongs to another user: nothing is read or sent with it.
    WrongUser {
        /// Whose it is.
        token_user: UserId,
    },
    /// The store failed: reading stops until it works again. What was shown is still true.
    StoreFailed(StoreError),
    /// The store works again.
    StoreRecovered,
    /// Something on disk was damaged. What is told here has been done; nothing is left to do.
    Repaired(Repair),
    /// An operation was refused by the server. A message stays in the outbox as failed; an edit, a
    /// deletion or a reaction is given up, and shows no more.
    SendFailed {
        /// The room.
        room: RoomId,
        /// The operation: that of a message has the message's id.
        id: EventId,
        /// The message that was to be changed, if it was an edit, a deletion or a reaction.
        target: Option<EventId>,
        /// Why.
        reason: super::outbox::FailReason,
    },
}
