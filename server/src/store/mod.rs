//! Where the log lives. `trait Store` is what the server asks of a database; nothing in here knows
//! of sockets, HTTP or who is connected.
//!
//! What every implementation promises, and `conformance` checks: `seq` is gapless in its room,
//! `ord` grows within its shard in the order of commits, whatever was answered is on the disk, and
//! each read sees one moment.

pub(crate) mod accounts;
pub(crate) mod blocks;
pub(crate) mod checked;
#[cfg(test)]
pub(crate) mod conformance;
mod error;
pub(crate) mod frame;
pub(crate) mod hot;
pub(crate) mod import;
pub(crate) mod order;
pub(crate) mod postgres;
pub(crate) mod reports;
pub(crate) mod rules;
pub(crate) mod sqlite;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::value::RawValue;
use tidewire_protocol::{
    BanPage, BanRequest, BlockList, Epoch, EventId, FileKey, History, HistoryAnchor, MemberPage,
    MutePage, MuteRequest, NewRoom, Op, OpResult, Profile, ProfileUpdate, Receipt, ReceiptPage,
    ReceiptUpdate, Report, ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, Role,
    RoomId, RoomPage, RoomState, RoomUpdate, SearchTerms, Seq, SettingsNews, SettingsUpdate,
    SlowMode, UploadId, UploadRequest, UserId,
};

pub(crate) use accounts::AccountStore;
pub(crate) use error::StoreError;

use crate::auth::{Mark, Revocation};
use crate::health::Database;

/// An event as JSON: serialised once, shared by all who get it.
pub(crate) type EventJson = Arc<RawValue>;

/// A place in each shard of the log. 0 is before the first event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ords(Vec<u64>);

impl Ords {
    /// Before everything.
    pub(crate) fn zero(shards: usize) -> Self {
        Self(vec![0; shards])
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().copied()
    }

    /// The place in one shard.
    pub(crate) fn get(&self, shard: usize) -> u64 {
        self.0.get(shard).copied().unwrap_or(0)
    }

    /// Moves the place in one shard up; never down.
    pub(crate) fn raise(&mut self, shard: usize, ord: u64) {
        if let Some(place) = self.0.get_mut(shard) {
            *place = ord.max(*place);
        }
    }

    /// Moves the place in one shard down; never up.
    pub(crate) fn lower(&mut self, shard: usize, ord: u64) {
        if let Some(place) = self.0.get_mut(shard) {
            *place = ord.min(*place);
        }
    }

    /// Whether this is at or after `other` in every shard.
    pub(crate) fn covers(&self, other: &Ords) -> bool {
        self.iter().zip(other.iter()).all(|(mine, theirs)| mine >= theirs)
    }
}

impl FromIterator<u64> for Ords {
    fn from_iter<I: IntoIterator<Item = u64>>(ords: I) -> Self {
        Self(ords.into_iter().collect())
    }
}

/// What stands at one place of the delivery log.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) shard: usize,
    pub(crate) ord: u64,
    /// None of what is of a user and of no room.
    pub(crate) room: Option<RoomId>,
    pub(crate) news: News,
}

/// What can stand in the delivery log.
#[derive(Debug, Clone)]
pub(crate) enum News {
    Event(Logged),
    /// A member's watermarks have moved. They stand where they moved last, and nowhere else.
    Receipt(Receipt),
    /// The user has set something else for a room. It stands where it changed last, and nowhere else.
    Settings(UserId, SettingsNews),
    /// The user has blocked somebody, or does so no more. It stands where that changed last, with all whom the user
    /// has blocked by then.
    Blocks(UserId, Arc<BlockList>),
}

/// An event of a room.
#[derive(Debug, Clone)]
pub(crate) struct Logged {
    pub(crate) seq: Seq,
    pub(crate) json: EventJson,
    /// What it does to the membership of its room.
    pub(crate) change: Option<Change>,
}

impl Entry {
    /// What it does to the membership of its room.
    pub(crate) fn change(&self) -> Option<&Change> {
        match &self.news {
            News::Event(event) => event.change.as_ref(),
            News::Receipt(_) | News::Settings(..) | News::Blocks(..) => None,
        }
    }

    /// About how many bytes it takes in a page.
    pub(crate) fn bytes(&self) -> usize {
        match &self.news {
            News::Event(event) => event.json.get().len(),
            News::Receipt(_) => RECEIPT_BYTES,
            News::Settings(..) => SETTINGS_BYTES,
            News::Blocks(_, list) => list.wire_bytes(),
        }
    }
}

/// About how many bytes a receipt takes in a page: its numbers and names, and a user id of some
/// length.
pub(crate) const RECEIPT_BYTES: usize = 128;

/// About how many bytes the settings of a room take in a page.
pub(crate) const SETTINGS_BYTES: usize = 128;

/// What an event does to the membership of its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// The room begins.
    Created,
    /// A user was added.
    Joined(UserId),
    /// A user left or was removed.
    Left(UserId),
}

/// What to read of the feed.
#[derive(Debug, Clone)]
pub(crate) struct FeedQuery {
    pub(crate) user: UserId,
    pub(crate) from: Ords,
    /// Most events, limited rooms, receipts and settings together.
    pub(crate) limit: usize,
    /// A room with more new events than this comes as `limited`.
    pub(crate) room_limit: usize,
    /// Bodies up to these are left out.
    pub(crate) have: BTreeMap<RoomId, Seq>,
}

/// A page of the feed.
#[derive(Debug)]
pub(crate) struct FeedPage {
    pub(crate) events: Vec<EventJson>,
    pub(crate) limited: Vec<RoomState<EventJson>>,
    pub(crate) receipts: Vec<Receipt>,
    pub(crate) settings: Vec<SettingsNews>,
    pub(crate) blocks: Option<BlockList>,
    pub(crate) to: Ords,
    pub(crate) more: bool,
}

impl FeedPage {
    /// How many events, limited rooms, receipts, settings and lists it has.
    pub(crate) fn weight(&self) -> usize {
        let rooms = self.limited.len() + self.receipts.len() + self.settings.len();
        self.events.len() + rooms + usize::from(self.blocks.is_some())
    }
}

/// What a live room has after a seq.
#[derive(Debug)]
pub(crate) enum LiveRead {
    /// All of it, or the first 256 KiB.
    Events {
        /// Without a hole.
        events: Vec<EventJson>,
        /// The seq before the first of them. Below what was asked only if that is beyond the head.
        prev: Seq,
        /// Whether there is more behind them.
        more: bool,
        /// Whether the reader still is a member.
        joined: bool,
    },
    /// More than a frame allows.
    Limited(RoomState<EventJson>),
}

/// Who is and was in a room.
#[derive(Debug)]
pub(crate) struct Roster {
    /// The head of the room's shard when this was read: events up to it are in here already.
    pub(crate) as_of: u64,
    /// Each with the first and the last `ord` that concerns them.
    pub(crate) members: Vec<(UserId, u64, Option<u64>)>,
}

/// What became of the operations of one request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Appended {
    pub(crate) results: Vec<OpResult>,
    /// How many of them were not repeats.
    pub(crate) fresh: usize,
}

/// What to look for.
#[derive(Debug, Clone)]
pub(crate) struct SearchQuery {
    pub(crate) terms: SearchTerms,
    /// Only in this room.
    pub(crate) room: Option<RoomId>,
    /// Only what this user has said.
    pub(crate) sender: Option<UserId>,
    /// How many at most.
    pub(crate) limit: usize,
    /// Where the page before has ended.
    pub(crate) below: Option<u64>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The newest first, folded.
    pub(crate) messages: Vec<EventJson>,
    /// Where to go on; none at the end.
    pub(crate) next: Option<u64>,
    /// Whether the index lacks something still.
    pub(crate) indexing: bool,
}

/// What to begin.
#[derive(Debug, Clone)]
pub(crate) struct NewUpload {
    pub(crate) request: UploadRequest,
    pub(crate) key: FileKey,
    pub(crate) part_size: u64,
}

/// An upload as it stands.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct UploadRow {
    pub(crate) request: UploadRequest,
    pub(crate) key: FileKey,
    pub(crate) part_size: u64,
    /// What the object store calls it.
    pub(crate) token: Option<String>,
    pub(crate) state: UploadState,
}

impl std::fmt::Debug for UploadRow {
    /// Without the file's name and without what opens the store.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UploadRow({:?}, {:?})", self.request, self.state)
    }
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadState {
    /// Parts are being put.
    Begun,
    /// Everything was checked.
    Complete,
    /// It is being deleted.
    Outgoing,
}

/// What waits for the database.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pressure {
    pub(crate) writes: usize,
    pub(crate) reads: usize,
    /// Of one that is spoken to over a pool.
    pub(crate) pool: Option<PoolUse>,
}

/// How far a pool of connections is used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PoolUse {
    pub(crate) used: usize,
    pub(crate) idle: usize,
    /// Calls that wait for one.
    pub(crate) waiting: usize,
}

/// The database. Every call may wait for the disk; none blocks the caller's thread.
#[async_trait]
pub(crate) trait Store: AccountStore + Send + Sync + 'static {
    /// The life of this database: another one after a restore.
    fn epoch(&self) -> &Epoch;

    /// How many shards its log has; fixed for the life of the database.
    fn shards(&self) -> usize;

    /// Whether it can be read and written, by doing both.
    async fn probe(&self) -> Database;

    /// What waits for it at this moment.
    fn pressure(&self) -> Pressure;

    /// The head of each shard.
    async fn heads(&self) -> Result<Ords, StoreError>;

    /// Creates a room, or returns the one that this request has created before, or the pair's.
    async fn create_room(
        &self,
        creator: UserId,
        room: NewRoom,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Adds those of `users` who are not in yet; none of them if one is banned.
    async fn add_members(
        &self,
        room: RoomId,
        by: UserId,
        users: Vec<UserId>,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Takes `user` out: oneself, or another if the role of `by` allows it. One who is out already stays out.
    async fn remove_member(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Changes how a group looks, by the will of an owner.
    async fn update_room(
        &self,
        room: RoomId,
        by: UserId,
        update: RoomUpdate,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Gives a member of a group another role, by the will of an owner. The last owner stays one.
    async fn set_role(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        role: Role,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Takes `user` out, if he is in, and keeps him out, by the will of an owner or a moderator.
    async fn ban(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        ban: BanRequest,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Keeps `user` out no more, by the will of an owner or a moderator.
    async fn unban(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// A page of those who are kept out, for an owner or a moderator.
    async fn bans(
        &self,
        room: RoomId,
        by: UserId,
        after: Option<UserId>,
    ) -> Result<BanPage, StoreError>;

    /// Lets a member only read, by the will of an owner or a moderator. What was said last holds.
    async fn mute(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        mute: MuteRequest,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Lets `user` write again, by the will of an owner or a moderator.
    async fn unmute(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// A page of those who may only read, for an owner or a moderator.
    async fn mutes(
        &self,
        room: RoomId,
        by: UserId,
        after: Option<UserId>,
    ) -> Result<MutePage, StoreError>;

    /// Says how often a member may write, by the will of an owner or a moderator.
    async fn set_slow_mode(
        &self,
        room: RoomId,
        by: UserId,
        slow_mode: SlowMode,
    ) -> Result<RoomState<EventJson>, StoreError>;

    /// Replaces what a member has set for a room, unless it was to follow another version than the one that
    /// there is. Gives what there is afterwards.
    async fn set_settings(
        &self,
        room: RoomId,
        user: UserId,
        update: SettingsUpdate,
    ) -> Result<SettingsUpdate, StoreError>;

    /// Blocks somebody, or ends that, unless it was to follow another version of the list than the one that there is.
    /// Gives the list as it is afterwards.
    async fn set_blocked(
        &self,
        user: UserId,
        other: UserId,
        blocked: bool,
        version: Option<u64>,
    ) -> Result<BlockList, StoreError>;

    /// Whom each of these users has blocked, in the order asked.
    async fn block_lists(&self, users: Vec<UserId>) -> Result<Vec<BlockList>, StoreError>;

    /// Takes a member's report, with a copy of the message. The same one again is answered as the first.
    async fn report(&self, by: UserId, request: ReportRequest) -> Result<ReportTaken, StoreError>;

    /// A page of the reports of a room, for an owner or a moderator.
    async fn reports(
        &self,
        room: RoomId,
        by: UserId,
        query: ReportsQuery,
    ) -> Result<ReportPage, StoreError>;

    /// Says that a report is done with, by the will of an owner or a moderator of its room. Who did so first stays.
    async fn resolve_report(&self, id: ReportId, by: UserId) -> Result<Report, StoreError>;

    /// Applies operations in order, as one: up to the first refusal.
    async fn append(
        &self,
        room: RoomId,
        sender: UserId,
        ops: Vec<Op>,
    ) -> Result<Appended, StoreError>;

    /// Raises the user's watermarks, each at most to the head of its room. Those of rooms that the
    /// user is not in are left out; what does not move is not written.
    async fn put_receipts(
        &self,
        user: UserId,
        updates: Vec<ReceiptUpdate>,
    ) -> Result<(), StoreError>;

    /// The next page of a user's feed.
    async fn feed_page(&self, query: FeedQuery) -> Result<FeedPage, StoreError>;

    /// What comes next in a shard, in order, at most `limit`.
    async fn log_after(
        &self,
        shard: usize,
        ord: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// What a live room has after `after`.
    async fn live_after(
        &self,
        room: RoomId,
        user: UserId,
        after: Seq,
    ) -> Result<LiveRead, StoreError>;

    /// Who is and was in a room.
    async fn roster(&self, room: RoomId) -> Result<Roster, StoreError>;

    /// The state of a room for a member or former member.
    async fn room(&self, room: RoomId, user: UserId) -> Result<RoomState<EventJson>, StoreError>;

    /// A page of the user's rooms. `after` is the `next` of the page before. Rooms that become
    /// active while a client turns the pages are not missed.
    async fn rooms(
        &self,
        user: UserId,
        after: Option<String>,
    ) -> Result<RoomPage<EventJson>, StoreError>;

    /// A page of a room's members.
    async fn members(
        &self,
        room: RoomId,
        user: UserId,
        after: Option<UserId>,
    ) -> Result<MemberPage, StoreError>;

    /// How far the other members are with what stands at `seq`, and a page of their receipts.
    async fn receipts(
        &self,
        room: RoomId,
        user: UserId,
        seq: Seq,
        after: Option<UserId>,
    ) -> Result<ReceiptPage, StoreError>;

    /// A page of a room's history, folded as of the head that it names; with `thread`, of that
    /// message and those in its thread alone.
    async fn history(
        &self,
        room: RoomId,
        user: UserId,
        thread: Option<EventId>,
        anchor: HistoryAnchor,
        limit: usize,
    ) -> Result<History<EventJson>, StoreError>;

    /// One message, folded, as a page of itself.
    async fn message(
        &self,
        room: RoomId,
        user: UserId,
        id: EventId,
    ) -> Result<History<EventJson>, StoreError>;

    /// The newest messages with all terms that the user may see.
    async fn search(&self, user: UserId, query: SearchQuery) -> Result<Found, StoreError>;

    /// Takes some of what was written before there was an index into it. Gives whether there is more:
    /// then this is to be called again.
    async fn index_more(&self) -> Result<bool, StoreError>;

    /// Begins an upload, or gives the one that this request has begun before, which is touched.
    async fn begin_upload(&self, user: UserId, new: NewUpload) -> Result<UploadRow, StoreError>;

    /// Keeps what the object store calls an upload; `None` to begin with its parts anew.
    async fn set_upload_token(&self, id: UploadId, token: Option<String>)
    -> Result<(), StoreError>;

    /// An upload of the user's that is not on its way out.
    async fn upload(&self, user: UserId, id: UploadId) -> Result<UploadRow, StoreError>;

    /// The upload of a key whose parts are still being put.
    async fn upload_of_key(&self, key: FileKey) -> Result<UploadRow, StoreError>;

    /// Everything of it is there and was checked.
    async fn complete_upload(&self, id: UploadId) -> Result<(), StoreError>;

    /// Sends an upload that no message lists on its way out. Gives it, if there is one to delete.
    async fn cancel_upload(
        &self,
        user: UserId,
        id: UploadId,
    ) -> Result<Option<UploadRow>, StoreError>;

    /// Sends uploads on their way out that were last asked for before that moment and that no message
    /// lists. Gives all that are on their way out, at most `limit`.
    async fn outgoing_uploads(
        &self,
        before: i64,
        limit: usize,
    ) -> Result<Vec<UploadRow>, StoreError>;

    /// Whether an upload is on its way out.
    async fn outgoing_upload(&self, id: UploadId) -> Result<bool, StoreError>;

    /// The object store has nothing of it any more.
    async fn forget_upload(&self, id: UploadId) -> Result<(), StoreError>;

    /// A complete file that the user has uploaded, or that stands in a message that he may read; without a
    /// user, whoever asks.
    async fn file(&self, user: Option<UserId>, key: FileKey) -> Result<UploadRow, StoreError>;

    /// Replaces a profile.
    async fn set_profile(
        &self,
        user: UserId,
        profile: ProfileUpdate,
    ) -> Result<Profile, StoreError>;

    /// The profiles of these users, in order.
    async fn profiles(&self, users: Vec<UserId>) -> Result<Vec<Profile>, StoreError>;

    /// Raises the moments at which these users were last seen, in ms since 1970-01-01 UTC.
    async fn put_last_seen(&self, seen: Vec<(UserId, i64)>) -> Result<(), StoreError>;

    /// When these users were last seen, in order; none of one who never was.
    async fn last_seen(&self, users: Vec<UserId>) -> Result<Vec<Option<i64>>, StoreError>;

    /// Takes tokens back. One that is as strong as what there is changes nothing.
    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError>;

    /// All revocations and the mark of them, unless it is the one that is known.
    async fn revocations(&self, known: Mark)
    -> Result<Option<(Mark, Vec<Revocation>)>, StoreError>;

    /// Finishes what is queued and closes the files. Calls after it are `Unavailable`.
    async fn close(&self);
}
