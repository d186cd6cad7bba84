//! Bodies of the HTTP calls.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AppState, BlockList, Cursor, Ephemeral, Epoch, Event, EventId, Member, Op, Page, Policy,
    Profile, ReceiptUpdate, Role, RoomId, RoomKind, RoomOps, RoomState, Sent, Seq, TypingUpdate,
    UserId, Watch, ephemeral, limits, upload,
};

/// `POST /v1/sync`, and the frame `sync`: one wake-up, one request. Operations and receipts
/// are applied first, then the feed is read, so that the page already holds what was just sent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SyncRequest {
    /// Where to read on from. Without it, nothing is read and the answer has no page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Most events of the page: 1 to 50.
    #[serde(default = "SyncRequest::default_limit")]
    pub limit: usize,
    /// How long the server may wait for news, in ms, at most 25,000; 0 answers at once. A request
    /// with operations never waits.
    #[serde(default)]
    pub wait_ms: u64,
    /// Per room, up to which seq the client holds everything: bodies up to it are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub have: BTreeMap<RoomId, Seq>,
    /// Where the app stands in its lifecycle.
    #[serde(default)]
    pub app_state: AppState,
    /// The longest time until the client's next request, in ms: after 2.5 of them in silence the
    /// user counts as offline.
    #[serde(default = "SyncRequest::default_heartbeat_ms")]
    pub heartbeat_ms: u64,
    /// Operations to apply before reading, at most one entry a room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ops: Vec<RoomOps>,
    /// How far the user is, at most 50: taken before reading.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<ReceiptUpdate>,
    /// Which of the user's devices this is: a number that the client draws at its start. 0 stands
    /// for all that draw none.
    #[serde(default, skip_serializing_if = "ephemeral::is_zero")]
    pub device: u32,
    /// The rooms whose presence and typing the answer is to tell. A client with an open socket
    /// leaves it out: there they are pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
    /// Where the user types or has stopped, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub typing: Vec<TypingUpdate>,
}

impl SyncRequest {
    fn default_limit() -> usize {
        limits::PAGE_EVENTS
    }

    fn default_heartbeat_ms() -> u64 {
        30_000
    }
}

/// The query of `GET /v1/events`: the feed as an event stream. The header `Last-Event-ID`, where
/// there is one, takes the place of `cursor`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EventsQuery {
    /// Where to read on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Where the app stands in its lifecycle.
    #[serde(default)]
    pub app_state: AppState,
    /// The longest silence on the stream, in ms: then a comment comes. After 2.5 of them without a
    /// byte the client may take the connection for lost.
    #[serde(default = "SyncRequest::default_heartbeat_ms")]
    pub heartbeat_ms: u64,
    /// Which of the user's devices this is, as in [`SyncRequest::device`].
    #[serde(default, skip_serializing_if = "ephemeral::is_zero")]
    pub device: u32,
    /// The rooms whose presence and typing the stream is to tell: at most 20, the most important
    /// first. On the wire one text, with commas between the ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "ephemeral::comma_separated")]
    pub watch: Vec<RoomId>,
}

/// The answer to `sync`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct SyncResponse<E = Event> {
    /// The page from the request's cursor.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub page: Option<Page<E>>,
    /// One for each entry of the request's `ops`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<Sent>,
    /// How many users are online on this deployment.
    pub online: u32,
    /// What the server can carry; absent when it leaves the choice to the audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// The server's clock, in ms since 1970-01-01 UTC.
    pub now: i64,
    /// Most members of a room in which watching brings presence and typing: at most 100, which is
    /// also what an absent one means.
    #[serde(
        default = "ephemeral::default_members",
        skip_serializing_if = "ephemeral::is_default_members"
    )]
    pub ephemeral_members: u32,
    /// Largest file that the server takes, in bytes.
    #[serde(default = "upload::default_bytes", skip_serializing_if = "upload::is_default_bytes")]
    pub max_upload_bytes: u64,
    /// News of the rooms that the request watches; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<Ephemeral>,
}

/// `GET /v1/bootstrap`: where a client without a valid cursor begins. The cursor was taken before
/// the rooms were read, so that reading on from it misses nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct Bootstrap<E = Event> {
    /// Whose token this is.
    pub user: UserId,
    /// The life of this server's database. If it differs from the client's, the client drops what
    /// it has cached.
    pub epoch: Epoch,
    /// Where to read on from.
    pub cursor: Cursor,
    /// The first page of the user's rooms, the most recently active first.
    pub rooms: Vec<RoomState<E>>,
    /// How to get the next page, for `GET /v1/rooms?after=`; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whom the user has blocked; absent while that has never changed.
    #[serde(default, skip_serializing_if = "BlockList::is_default")]
    pub blocks: BlockList,
    /// How many users are online on this deployment.
    pub online: u32,
    /// What the server can carry; absent when it leaves the choice to the audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Most members of a room in which watching brings presence and typing: at most 100, which is
    /// also what an absent one means.
    #[serde(
        default = "ephemeral::default_members",
        skip_serializing_if = "ephemeral::is_default_members"
    )]
    pub ephemeral_members: u32,
    /// Largest file that the server takes, in bytes.
    #[serde(default = "upload::default_bytes", skip_serializing_if = "upload::is_default_bytes")]
    pub max_upload_bytes: u64,
    /// How long event ids are remembered, in ms.
    pub idempotency_window_ms: u64,
    /// The server's clock, in ms since 1970-01-01 UTC.
    pub now: i64,
}

/// `GET /v1/rooms?after=`: a page of the user's rooms, the most recently active first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct RoomPage<E = Event> {
    /// At most 30.
    pub rooms: Vec<RoomState<E>>,
    /// How to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /v1/rooms`. Answers with the [`RoomState`], also when the room exists already: same id
/// from the same creator, or a direct room of the same pair (then with that room's id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRoom {
    /// The id of the room to be, chosen by the creator (UUIDv7).
    pub id: RoomId,
    /// Direct or group.
    pub kind: RoomKind,
    /// The name: at most 256 bytes; none in a direct room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The other members, at most 100; in a direct room exactly one.
    #[serde(default)]
    pub members: Vec<UserId>,
}

/// `POST /v1/rooms/{room}/members`: adds members, at most 100. Those who are in already stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewMembers {
    /// Whom to add.
    pub users: Vec<UserId>,
}

/// `GET /v1/rooms/{room}/members?after=`: a page of the members, by user id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberPage {
    /// At most 100.
    pub members: Vec<Member>,
    /// How to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// `POST /v1/rooms/{room}/ops`. Answers with [`Sent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpsRequest {
    /// At most 50, at most 64 KiB together.
    pub ops: Vec<Op>,
}

/// Where a page of history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryAnchor {
    /// The newest messages of the room.
    Newest,
    /// The messages just before this seq.
    Before(Seq),
    /// The messages just after this seq.
    After(Seq),
    /// The messages around this seq, half of them before it.
    Around(Seq),
}

/// The query of `GET /v1/rooms/{room}/messages`: at most one of `before`, `after`, `around`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HistoryQuery {
    /// The messages just before this seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// The messages just after this seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// The messages around this seq.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub around: Option<Seq>,
    /// Only the message of this id and those that stand in its thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<EventId>,
    /// How many, 1 to 200; 100 unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

impl HistoryQuery {
    /// The same of one thread alone.
    pub fn of_thread(self, root: EventId) -> Self {
        Self { thread: Some(root), ..self }
    }

    /// A query for `limit` messages at `anchor`.
    pub fn at(anchor: HistoryAnchor, limit: usize) -> Self {
        let mut query = Self { limit: Some(limit), ..Self::default() };
        match anchor {
            HistoryAnchor::Newest => {}
            HistoryAnchor::Before(seq) => query.before = Some(seq),
            HistoryAnchor::After(seq) => query.after = Some(seq),
            HistoryAnchor::Around(seq) => query.around = Some(seq),
        }
        query
    }

    /// The anchor, or `None` when more than one was given.
    pub fn anchor(&self) -> Option<HistoryAnchor> {
        match (self.before, self.after, self.around) {
            (None, None, None) => Some(HistoryAnchor::Newest),
            (Some(seq), None, None) => Some(HistoryAnchor::Before(seq)),
            (None, Some(seq), None) => Some(HistoryAnchor::After(seq)),
            (None, None, Some(seq)) => Some(HistoryAnchor::Around(seq)),
            _ => None,
        }
    }
}

/// A page of a room's history, folded as of `as_of`; and the answer to
/// `GET /v1/rooms/{room}/messages/{event}`, which is a page of that message alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct History<E = Event> {
    /// What is left of the events of `covers` after folding, by seq.
    pub messages: Vec<E>,
    /// First and last seq that this page speaks of, both included: what is not in `messages` of
    /// these does not exist, or has gone into what does. In a page of a thread that is said of the
    /// thread alone. Absent when there is nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<(Seq, Seq)>,
    /// The room's head when this was read: later changes are not folded in.
    pub as_of: Seq,
    /// The oldest event of the room that can be read.
    pub first_seq: Seq,
}

/// `POST /v1/profiles:batch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfilesRequest {
    /// At most 100.
    pub users: Vec<UserId>,
}

/// The answer to `POST /v1/profiles:batch`: one for each user asked, in order. A user who has set
/// nothing, and one who does not exist, have an empty profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profiles {
    /// The profiles.
    pub profiles: Vec<Profile>,
}

/// `PUT /v1/profile`: replaces the caller's profile. Answers with the [`Profile`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ProfileUpdate {
    /// The name to show: at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The picture to show: at most 1024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// `PUT /v1/rooms/{room}/members/{user}`: gives a member another role. Answers with the
/// [`RoomState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleUpdate {
    /// What the member may do from now on.
    pub role: Role,
}
