//! The store on PostgreSQL, for any number of instances: 16 shards, whose logs grow side by side.
//!
//! Whoever writes locks the rooms first, in the order of their keys, then the shards, in order, and holds
//! both to the commit. So `ord` grows in the order of commits, nobody can read past an event that is still
//! to come, and nobody waits in a circle.

mod accounts;
mod address;
mod append;
mod bans;
mod blocks;
mod connect;
mod feed;
mod fold;
mod history;
mod import;
mod migrations;
mod mutes;
mod open;
mod people;
mod read;
mod receipts;
mod reports;
mod revocations;
mod room_list;
mod rows;
mod search;
mod uploads;
mod worker;
mod write;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tidewire_protocol::{
    BanPage, BanRequest, BlockList, Epoch, EventId, FileKey, History, HistoryAnchor, MemberPage,
    MutePage, MuteRequest, NewRoom, Op, Profile, ProfileUpdate, ReceiptPage, ReceiptUpdate, Report,
    ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, Role, RoomId, RoomPage,
    RoomState, RoomUpdate, Seq, SettingsUpdate, SlowMode, UploadId, UserId,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::address::Address;
use self::connect::Db;
use self::worker::{Append, Job, Receipts};
use self::write::Written;
use super::checked::Checked;
use super::hot::Hot;
use super::{
    Appended, Entry, EventJson, FeedPage, FeedQuery, Found, LiveRead, NewUpload, Ords, Pressure,
    Roster, SearchQuery, Store, StoreError, UploadRow,
};
use crate::auth::{Mark, Revocation};
use crate::bus::Bus;
use crate::health::Database;

pub(crate) use self::accounts::set_password_at;
pub(crate) use self::import::Target;
pub(crate) use self::migrations::{migrate, renew_epoch};
pub(crate) use self::open::OpenError;
pub(crate) use self::reports::reports_at;
pub(crate) use self::revocations::revoke_at;
pub(crate) use self::rows::metadata_of;
pub(crate) use self::search::vector_of;

/// How many shards the log has: as many writers as go side by side.
pub(crate) const SHARDS: usize = 16;
/// How often idle connections are looked for.
const TIDY: Duration = Duration::from_secs(10);

/// The shard that a new room gets. The room keeps it, whatever this says later.
pub(crate) fn shard_for(room: RoomId) -> usize {
    let digest = room.uuid().as_bytes().iter().fold(0x811c_9dc5_u32, |digest, byte| {
        (digest ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    (digest >> 16) as usize % SHARDS
}

/// The shard that what is of a user alone gets. It stays there, whatever this says later.
pub(crate) fn shard_of_user(user: &UserId) -> usize {
    let digest = crate::store::rules::sender_digest(user);
    (digest >> 32) as usize % SHARDS
}

/// Where the database is, and who comes to it.
pub(crate) struct Options<'a> {
    pub(crate) url: &'a str,
    /// A standby, for history and search.
    pub(crate) read_url: Option<&'a str>,
    /// A digest of what this server signs with.
    pub(crate) secret: &'a [u8],
    /// The name of this instance; none for one that nobody else can have.
    pub(crate) instance: Option<&'a str>,
    pub(crate) max_members: u32,
    /// The newest events of rooms with traffic.
    pub(crate) hot: Arc<Hot>,
}

/// The store on PostgreSQL.
pub(crate) struct PostgresStore {
    epoch: Epoch,
    max_members: u32,
    hot: Arc<Hot>,
    db: Db,
    /// A standby.
    reader: Option<Db>,
    bus: Arc<dyn Bus>,
    /// One at a time of each: what is not written by the workers. So no more connections write than
    /// twice the shards.
    turns: Vec<Arc<tokio::sync::Mutex<()>>>,
    open: Mutex<Option<Open>>,
}

/// What is there until `close`.
struct Open {
    workers: Vec<mpsc::Sender<Job>>,
    writing: Vec<JoinHandle<()>>,
    tidying: JoinHandle<()>,
    /// Holds the name of the instance.
    _name: tokio_postgres::Client,
}

/// A database that can be served from.
pub(crate) struct Ready {
    /// The life of its log.
    pub(crate) epoch: Epoch,
    client: tokio_postgres::Client,
}

/// Looks at the database, and takes the name of this instance.
pub(crate) async fn look(options: &Options<'_>) -> Result<Ready, OpenError> {
    let client = migrations::connect(options.url).await?;
    open::serve(&client).await?;
    let epoch = Epoch::new(open::check(&client, options.secret).await?);
    if let Some(name) = options.instance {
        open::take_name(&client, name).await?;
    }
    Ok(Ready { epoch, client })
}

impl PostgresStore {
    /// Opens the first connections to a database that was looked at.
    pub(crate) async fn open(
        options: Options<'_>,
        Ready { epoch, client }: Ready,
        bus: Arc<dyn Bus>,
    ) -> Result<Self, OpenError> {
        let db = database(options.url)?;
        db.open().await.map_err(|error| OpenError::Other(error.to_string()))?;
        let reader = match options.read_url {
            Some(url) => Some(reader(url, epoch.as_str()).await?),
            None => None,
        };
        let (workers, writing) =
            (0..SHARDS).map(|_| worker::start(db.clone(), bus.clone())).unzip();
        let pools: Vec<Db> = [Some(db.clone()), reader.clone()].into_iter().flatten().collect();
        let tidying = tokio::spawn(async move {
            loop {
                tokio::time::sleep(TIDY).await;
                pools.iter().for_each(Db::close_idle);
            }
        });
        let turns = (0..SHARDS).map(|_| Arc::default()).collect();
        let open = Mutex::new(Some(Open { workers, writing, tidying, _name: client }));
        let Options { max_members, hot, .. } = options;
        Ok(Self { epoch, max_members, hot, db, reader, bus, turns, open })
    }

    /// Writes one thing of a room, behind what is being written of its shard. It goes on to its end,
    /// whether or not anybody still waits for it.
    async fn one<T: Send + 'static>(
        &self,
        room: RoomId,
        write: impl Future<Output = Written<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.in_turn(shard_for(room), write).await
    }

    /// The same of what is of no room.
    async fn in_turn<T: Send + 'static>(
        &self,
        shard: usize,
        write: impl Future<Output = Written<T>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turns.get(shard).cloned().unwrap_or_default();
        let (db, bus) = (self.db.clone(), self.bus.clone());
        let task = tokio::spawn(async move {
            let _turn = turn.lock_owned().await;
            let (value, heads) = write.await.inspect_err(|error| db.note(error))?;
            heads.iter().for_each(|(shard, head)| bus.ring(*shard, *head));
            Ok(value)
        });
        task.await.map_err(|error| StoreError::Failed(format!("a write was lost: {error}")))?
    }

    /// The way to the worker of a room.
    fn worker(&self, room: RoomId) -> Result<mpsc::Sender<Job>, StoreError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let worker = open.as_ref().and_then(|open| open.workers.get(shard_for(room)));
        worker.cloned().ok_or_else(StoreError::closed)
    }
}

async fn answered<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    answer.await.map_err(|_| StoreError::Failed("a group of writes was lost".into()))?
}

fn database(url: &str) -> Result<Db, OpenError> {
    Address::parse(url).and_then(Db::new).map_err(OpenError::Url)
}

/// A standby. One that does not answer now may do so later: until then the primary answers.
async fn reader(url: &str, epoch: &str) -> Result<Db, OpenError> {
    match migrations::connect(url).await {
        Ok(client) if open::epoch_of(&client).await? != epoch => return Err(OpenError::OtherEpoch),
        Ok(_) => {}
        Err(error @ OpenError::Url(_)) => return Err(error),
        Err(error) => tracing::warn!(%error, "the standby does not answer: the primary does"),
    }
    database(url)
}

#[async_trait]
impl Store for PostgresStore {
    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn shards(&self) -> usize {
        SHARDS
    }

    async fn probe(&self) -> Database {
        open::probe(&self.db).await
    }

    fn pressure(&self) -> Pressure {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = open.iter().flat_map(|open| &open.workers);
        let writes = workers.map(|jobs| jobs.max_capacity() - jobs.capacity()).sum();
        let pool = self.db.usage();
        Pressure { writes, reads: pool.waiting, pool: Some(pool) }
    }

    async fn heads(&self) -> Result<Ords, StoreError> {
        read::heads(&self.db.plain().await?).await
    }

    async fn create_room(
        &self,
        creator: UserId,
        room: NewRoom,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let (db, max) = (self.db.clone(), self.max_members);
        self.one(room.id, async move { write::create_room(&db, &creator, &room, max).await }).await
    }

    async fn add_members(
        &self,
        room: RoomId,
        by: UserId,
        users: Vec<UserId>,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let (db, max) = (self.db.clone(), self.max_members);
        self.one(room, async move { write::add_members(&db, room, &by, &users, max).await }).await
    }

    async fn remove_member(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { write::remove_member(&db, room, &by, &user).await }).await
    }

    async fn update_room(
        &self,
        room: RoomId,
        by: UserId,
        update: RoomUpdate,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { write::update_room(&db, room, &by, &update).await }).await
    }

    async fn set_role(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        role: Role,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { write::set_role(&db, room, &by, &user, role).await }).await
    }

    async fn ban(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        ban: BanRequest,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { bans::ban(&db, room, &by, &user, &ban).await }).await
    }

    async fn unban(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { bans::unban(&db, room, &by, &user).await }).await
    }

    async fn bans(
        &self,
        room: RoomId,
        by: UserId,
        after: Option<UserId>,
    ) -> Result<BanPage, StoreError> {
        bans::page(&self.db.snapshot().await?, room, &by, after.as_ref()).await
    }

    async fn mute(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        mute: MuteRequest,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { mutes::mute(&db, room, &by, &user, &mute).await }).await
    }

    async fn unmute(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { mutes::unmute(&db, room, &by, &user).await }).await
    }

    async fn mutes(
        &self,
        room: RoomId,
        by: UserId,
        after: Option<UserId>,
    ) -> Result<MutePage, StoreError> {
        mutes::page(&self.db.snapshot().await?, room, &by, after.as_ref()).await
    }

    async fn set_slow_mode(
        &self,
        room: RoomId,
        by: UserId,
        slow_mode: SlowMode,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { mutes::set_slow_mode(&db, room, &by, slow_mode).await }).await
    }

    async fn set_settings(
        &self,
        room: RoomId,
        user: UserId,
        update: SettingsUpdate,
    ) -> Result<SettingsUpdate, StoreError> {
        let db = self.db.clone();
        self.one(room, async move { write::set_settings(&db, room, &user, update).await }).await
    }

    async fn set_blocked(
        &self,
        user: UserId,
        other: UserId,
        blocked: bool,
        version: Option<u64>,
    ) -> Result<BlockList, StoreError> {
        let db = self.db.clone();
        let shard = shard_of_user(&user);
        let write = async move { blocks::set(&db, &user, other, blocked, version).await };
        self.in_turn(shard, write).await
    }

    async fn block_lists(&self, users: Vec<UserId>) -> Result<Vec<BlockList>, StoreError> {
        blocks::lists(&self.db.plain().await?, &users).await
    }

    async fn report(&self, by: UserId, request: ReportRequest) -> Result<ReportTaken, StoreError> {
        let db = self.db.clone();
        self.one(request.room, async move { reports::take(&db, &by, &request).await }).await
    }

    async fn reports(
        &self,
        room: RoomId,
        by: UserId,
        query: ReportsQuery,
    ) -> Result<ReportPage, StoreError> {
        reports::page(&self.db.snapshot().await?, room, &by, query).await
    }

    async fn resolve_report(&self, id: ReportId, by: UserId) -> Result<Report, StoreError> {
        let db = self.db.clone();
        let shard = shard_of_user(&by);
        self.in_turn(shard, async move { reports::resolve(&db, id, &by).await }).await
    }

    async fn append(
        &self,
        room: RoomId,
        sender: UserId,
        ops: Vec<Op>,
    ) -> Result<Appended, StoreError> {
        let worker = self.worker(room)?;
        let (reply, answer) = oneshot::channel();
        let ops = ops.into_iter().map(Checked::new).collect();
        let job = Job::Append(Append { room, sender, ops, reply });
        worker.send(job).await.map_err(|_| StoreError::closed())?;
        answered(answer).await
    }

    async fn put_receipts(
        &self,
        user: UserId,
        updates: Vec<ReceiptUpdate>,
    ) -> Result<(), StoreError> {
        let mut by_shard: HashMap<usize, Vec<ReceiptUpdate>> = HashMap::new();
        for update in updates {
            by_shard.entry(shard_for(update.room)).or_default().push(update);
        }
        let mut answers = Vec::with_capacity(by_shard.len());
        for updates in by_shard.into_values() {
            let Some(first) = updates.first() else { continue };
            let worker = self.worker(first.room)?;
            let (reply, answer) = oneshot::channel();
            let job = Job::Receipts(Receipts { user: user.clone(), updates, reply });
            worker.send(job).await.map_err(|_| StoreError::closed())?;
            answers.push(answered(answer));
        }
        for answer in answers {
            answer.await?;
        }
        Ok(())
    }

    async fn feed_page(&self, query: FeedQuery) -> Result<FeedPage, StoreError> {
        feed::page(&self.db.snapshot().await?, &self.hot, &query).await
    }

    async fn log_after(
        &self,
        shard: usize,
        ord: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        read::log_after(&self.db.snapshot().await?, &self.hot, shard, ord, limit).await
    }

    async fn live_after(
        &self,
        room: RoomId,
        user: UserId,
        after: Seq,
    ) -> Result<LiveRead, StoreError> {
        read::live_after(&self.db.snapshot().await?, &self.hot, room, &user, after).await
    }

    async fn roster(&self, room: RoomId) -> Result<Roster, StoreError> {
        read::roster(&self.db.snapshot().await?, room).await
    }

    async fn room(&self, room: RoomId, user: UserId) -> Result<RoomState<EventJson>, StoreError> {
        let snapshot = self.db.snapshot().await?;
        let (row, member) = read::seen_by(&snapshot, room, &user).await?;
        read::state(&snapshot, row, &user, member).await
    }

    async fn rooms(
        &self,
        user: UserId,
        after: Option<String>,
    ) -> Result<RoomPage<EventJson>, StoreError> {
        room_list::page(&self.db.snapshot().await?, &user, after.as_deref()).await
    }

    async fn members(
        &self,
        room: RoomId,
        user: UserId,
        after: Option<UserId>,
    ) -> Result<MemberPage, StoreError> {
        read::members(&self.db.snapshot().await?, room, &user, after.as_ref()).await
    }

    async fn receipts(
        &self,
        room: RoomId,
        user: UserId,
        seq: Seq,
        after: Option<UserId>,
    ) -> Result<ReceiptPage, StoreError> {
        receipts::page(&self.db.snapshot().await?, room, &user, seq, after.as_ref()).await
    }

    async fn history(
        &self,
        room: RoomId,
        user: UserId,
        thread: Option<EventId>,
        anchor: HistoryAnchor,
        limit: usize,
    ) -> Result<History<EventJson>, StoreError> {
        let limit = limit.max(1) as u64;
        if let Some(reader) = &self.reader
            && let Ok(snapshot) = reader.snapshot().await
            && let Ok(page) =
                history::page(&snapshot, &self.hot, room, &user, thread, anchor, limit).await
            && !is_behind(anchor, page.as_of)
        {
            return Ok(page);
        }
        history::page(&self.db.snapshot().await?, &self.hot, room, &user, thread, anchor, limit)
            .await
    }

    async fn message(
        &self,
        room: RoomId,
        user: UserId,
        id: EventId,
    ) -> Result<History<EventJson>, StoreError> {
        history::message(&self.db.snapshot().await?, room, &user, id).await
    }

    async fn search(&self, user: UserId, query: SearchQuery) -> Result<Found, StoreError> {
        if let Some(reader) = &self.reader
            && let Ok(snapshot) = reader.snapshot().await
            && let Ok(found) = search::search(&snapshot, &user, &query).await
        {
            return Ok(found);
        }
        search::search(&self.db.snapshot().await?, &user, &query).await
    }

    async fn index_more(&self) -> Result<bool, StoreError> {
        // Every message is in the index from the transaction on that wrote it.
        Ok(false)
    }

    async fn begin_upload(&self, user: UserId, new: NewUpload) -> Result<UploadRow, StoreError> {
        uploads::begin(&self.db, &user, new).await
    }

    async fn set_upload_token(
        &self,
        id: UploadId,
        token: Option<String>,
    ) -> Result<(), StoreError> {
        uploads::set_token(&self.db, id, token.as_deref()).await
    }

    async fn upload(&self, user: UserId, id: UploadId) -> Result<UploadRow, StoreError> {
        uploads::of(&self.db.plain().await?, &user, id).await
    }

    async fn upload_of_key(&self, key: FileKey) -> Result<UploadRow, StoreError> {
        uploads::of_key(&self.db.plain().await?, &key).await
    }

    async fn complete_upload(&self, id: UploadId) -> Result<(), StoreError> {
        uploads::complete(&self.db, id).await
    }

    async fn cancel_upload(
        &self,
        user: UserId,
        id: UploadId,
    ) -> Result<Option<UploadRow>, StoreError> {
        uploads::cancel(&self.db, &user, id).await
    }

    async fn outgoing_uploads(
        &self,
        before: i64,
        limit: usize,
    ) -> Result<Vec<UploadRow>, StoreError> {
        uploads::outgoing(&self.db, before, limit).await
    }

    async fn outgoing_upload(&self, id: UploadId) -> Result<bool, StoreError> {
        uploads::is_outgoing(&self.db.plain().await?, id).await
    }

    async fn forget_upload(&self, id: UploadId) -> Result<(), StoreError> {
        uploads::forget(&self.db, id).await
    }

    async fn file(&self, user: Option<UserId>, key: FileKey) -> Result<UploadRow, StoreError> {
        uploads::file(&self.db.snapshot().await?, user.as_ref(), &key).await
    }

    async fn set_profile(
        &self,
        user: UserId,
        profile: ProfileUpdate,
    ) -> Result<Profile, StoreError> {
        people::set_profile(&self.db, &user, profile).await
    }

    async fn profiles(&self, users: Vec<UserId>) -> Result<Vec<Profile>, StoreError> {
        people::profiles(&self.db.plain().await?, users).await
    }

    async fn put_last_seen(&self, seen: Vec<(UserId, i64)>) -> Result<(), StoreError> {
        people::put_last_seen(&self.db, &seen).await
    }

    async fn last_seen(&self, users: Vec<UserId>) -> Result<Vec<Option<i64>>, StoreError> {
        people::last_seen(&self.db.plain().await?, &users).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        revocations::put(&self.db, &revocation).await
    }

    async fn revocations(
        &self,
        known: Mark,
    ) -> Result<Option<(Mark, Vec<Revocation>)>, StoreError> {
        revocations::all(&self.db.plain().await?, known).await
    }

    async fn close(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Open { workers, writing, tidying, _name }) = open else { return };
        tidying.abort();
        drop(workers);
        for task in writing {
            if let Err(error) = task.await {
                tracing::error!(%error, "a worker of the store had ended before");
            }
        }
        self.db.close();
        if let Some(reader) = &self.reader {
            reader.close();
        }
    }
}

/// Whether a standby lacks what was asked for.
fn is_behind(anchor: HistoryAnchor, as_of: Seq) -> bool {
    match anchor {
        HistoryAnchor::Newest => false,
        HistoryAnchor::Before(seq) | HistoryAnchor::After(seq) | HistoryAnchor::Around(seq) => {
            seq > as_of
        }
    }
}
