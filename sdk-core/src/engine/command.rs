//! What the app and the platform tell the engine, and what commands are answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{
    AppState, BanPage, EventId, FileKey, Member, Mode, MutePage, NewRoom, Profile, ProfileUpdate,
    ReceiptPage, Report, ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, Role,
    RoomId, RoomState, RoomUpdate, SearchRequest, SearchResults, Seq, UserId,
};

use super::disk::report::CacheReport;
use super::disk::search::{Found, SearchAsk};
use super::effect::{ListId, TimelineId};
use super::files::{DownloadId, WantedFile};
use super::life::logout::Logout;
use super::mode::budget::{Budget, BudgetReport};
use super::mode::ceilings::Network;
use super::outbox::{OutgoingFile, SendOptions};
use super::people::peers::Presence;
use super::rooms::list::RoomListQuery;
use super::rooms::settings::SettingsChange;
use super::rooms::unread::Unread;
use super::stats::{Stats, Tier};
use super::timeline::opening::TimelineStart;
use super::why::{Subject, Why};

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

/// What the app asks for. Each is answered by one [`Notice::Reply`](super::Notice::Reply).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Queue an operation; answered once it is on disk.
    Send {
        /// The room.
        room: RoomId,
        /// The operation.
        op: tidewire_protocol::Op,
        /// How it is sent.
        #[serde(default)]
        options: SendOptions,
    },
    /// Whether files can be sent into a room, and how large they may be: asked before they are copied.
    MayAttach(RoomId),
    /// Queue a message with files, of which the client has copies; answered once it is on disk.
    SendFiles {
        /// The room.
        room: RoomId,
        /// The message, as it is without the files.
        op: tidewire_protocol::Op,
        /// The files.
        files: Vec<OutgoingFile>,
        /// How it is sent.
        options: SendOptions,
    },
    /// Queue a failed operation again.
    Retry(EventId),
    /// Take a failed operation out of the outbox.
    Discard(EventId),
    /// Take a message back: one that was never sent is gone, any other is deleted.
    Cancel {
        /// The room.
        room: RoomId,
        /// The message.
        message: EventId,
        /// The id that the deletion gets, if there has to be one.
        delete: EventId,
    },
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
    /// Block somebody, or do so no more; answered once the wish is on disk.
    SetBlocked {
        /// Whom.
        user: UserId,
        /// Whether he is to be blocked.
        blocked: bool,
    },
    /// Whom the user has blocked, from memory.
    Blocked,
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
    /// Send somebody away and keep him out.
    Ban {
        /// The room.
        room: RoomId,
        /// Who is to be kept out.
        user: UserId,
        /// Why, for those who keep order.
        reason: Option<String>,
    },
    /// Keep somebody out no more.
    Unban(RoomId, UserId),
    /// A page of those who are kept out of a room.
    #[serde(rename = "list_bans")]
    Bans(RoomId, Option<UserId>),
    /// Let a member only read.
    MuteMember {
        /// The room.
        room: RoomId,
        /// Who may only read.
        user: UserId,
        /// For how long, in ms; without it until somebody ends it.
        for_ms: Option<u64>,
        /// Why, for those who keep order.
        reason: Option<String>,
    },
    /// Let somebody write again.
    UnmuteMember(RoomId, UserId),
    /// A page of those who may only read in a room.
    MutedMembers(RoomId, Option<UserId>),
    /// Say how often members of a room may write.
    SetSlowMode {
        /// The room.
        room: RoomId,
        /// From one message of a member to the next, in ms; 0 for no time.
        interval_ms: u32,
    },
    /// Tell those who keep order of a message or of somebody.
    Report(ReportRequest),
    /// A page of what was reported in a room.
    #[serde(rename = "list_reports")]
    Reports(RoomId, ReportsQuery),
    /// Say that a report is done with.
    ResolveReport(ReportId),
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
    /// How far the others are with what stands at a seq, and a page of their receipts.
    #[serde(rename = "list_receipts")]
    Receipts(RoomId, Seq, Option<UserId>),
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
    /// Get a file, unless it is here.
    Download(DownloadId, WantedFile),
    /// The file's last handle is gone: it is wanted no more, and may go. Not answered.
    CloseDownload(DownloadId),
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
    /// Who is kept out.
    Bans(BanPage),
    /// Who may only read.
    Mutes(MutePage),
    /// How far the others are.
    Receipts(Box<ReceiptPage>),
    /// Profiles, in the order asked.
    Profiles(Vec<Profile>),
    /// What a search on this device found.
    Found(Box<Found>),
    /// What a search on the server found.
    FoundOnServer(Box<SearchResults>),
    /// Where the users stand, in the order asked.
    Presence(Vec<Presence>),
    /// When the server first took a report.
    Reported(ReportTaken),
    /// What was reported.
    Reports(ReportPage),
    /// A report.
    Report(Box<Report>),
    /// Who types.
    Typists(Vec<UserId>),
    /// Who is blocked, by user id.
    Blocked(Vec<UserId>),
    /// Counters, in all and by mode.
    Stats(Box<Stats>, BTreeMap<Mode, Stats>),
    /// What was spent in the last hour.
    Budget(BudgetReport),
    /// What is unread of all rooms.
    UnreadTotal(Unread),
    /// What somebody has begun to write.
    Draft(Option<String>),
    /// How many bytes a file may have.
    UploadBytes(u64),
    /// A refresh is done.
    Refreshed(Refreshed),
    /// How the tiers do.
    Cache(Box<CacheReport>),
    /// A file is on this device, whole and checked.
    Downloaded {
        /// Which one.
        key: FileKey,
        /// How many bytes it has.
        size: u64,
    },
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
