//! The store on embedded SQLite: one file, one writing thread, some reading threads, one shard.

mod accounts;
mod append;
mod bans;
mod beside;
mod blocks;
mod changes;
mod export;
mod feed;
mod fold;
mod history;
mod last_seen;
mod migrations;
mod mutes;
mod read;
mod reader;
mod receipts;
mod reports;
mod revocations;
mod roles;
mod search;
mod settings;
mod uploads;
mod write;
mod writer;

#[cfg(test)]
mod migration_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use tidewire_protocol::{
    BanPage, BanRequest, BlockList, Epoch, EventId, FileKey, History, HistoryAnchor, MemberPage,
    MutePage, MuteRequest, NewRoom, Op, Profile, ProfileUpdate, ReceiptPage, ReceiptUpdate, Report,
    ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, Role, RoomId, RoomPage,
    RoomState, RoomUpdate, Seq, SettingsUpdate, SlowMode, UploadId, UserId,
};

use self::migrations::MigrateError;
use self::reader::Readers;
use self::writer::{Tx, Writer};

pub(crate) use self::accounts::set_password_at;
pub(crate) use self::export::Source;
pub(crate) use self::reports::reports_at;
pub(crate) use self::revocations::revoke_at;
use super::checked::Checked;
use super::hot::{Hot, HotCounts};
use super::{
    Appended, Entry, EventJson, FeedPage, FeedQuery, Found, LiveRead, NewUpload, Ords, Pressure,
    Roster, SearchQuery, Store, StoreError, UploadRow,
};
use crate::auth::{Mark, Revocation};
use crate::bus::Bus;
use crate::clock;
use crate::health::Database;

/// How long one connection waits for a lock of another. Only migrations and checkpoints hold one.
const BUSY: Duration = Duration::from_secs(5);
/// Page cache of one connection, in KiB, negative as SQLite wants it: 8 MiB.
const CACHE_KIB: i64 = -8 * 1024;
/// Prepared statements that one connection keeps: all that there are.
const STATEMENTS: usize = 128;

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The file is something else.
    #[error("it is no SQLite database")]
    NotADatabase,
    /// A newer version has written it.
    #[error("a newer version has written it (schema {found}, this version knows {known})")]
    Newer { found: usize, known: usize },
    /// Anything else.
    #[error("{0}")]
    Sqlite(rusqlite::Error),
    /// No thread could be started.
    #[error("no thread can be started: {0}")]
    Thread(std::io::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::NotADatabase,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<MigrateError> for OpenError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Newer { found } => Self::Newer { found, known: migrations::known() },
            MigrateError::Sqlite(error) => error.into(),
        }
    }
}

/// The store on embedded SQLite.
pub(crate) struct SqliteStore {
    epoch: Epoch,
    max_members: u32,
    hot: Arc<Hot>,
    open: Mutex<Option<Open>>,
}

/// What is there until `close`.
struct Open {
    writer: Writer,
    writing: JoinHandle<()>,
    readers: Readers,
    reading: Vec<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens or makes the database at `path`. Waits for the disk.
    pub(crate) fn open(
        path: &Path,
        bus: Arc<dyn Bus>,
        readers: usize,
        max_members: u32,
    ) -> Result<Self, OpenError> {
        let mut conn = Connection::open(path)?;
        prepare(&conn)?;
        conn.pragma_update(None, "journal_mode", "WAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        migrations::migrate(&mut conn, clock::now_ms())?;
        let epoch: String = conn.query_row("SELECT epoch FROM meta", [], |row| row.get(0))?;
        let mut connections = Vec::new();
        for _ in 0..readers.max(1) {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let conn = Connection::open_with_flags(path, flags)?;
            prepare(&conn)?;
            connections.push(conn);
        }
        let (writer, writing) = Writer::start(conn, bus).map_err(OpenError::Thread)?;
        let (readers, reading) = Readers::start(connections).map_err(OpenError::Thread)?;
        let open = Mutex::new(Some(Open { writer, writing, readers, reading }));
        let hot = Arc::new(Hot::new(0, HotCounts::default()));
        Ok(Self { epoch: Epoch::new(epoch), max_members, hot, open })
    }

    /// With the newest events of rooms with traffic in memory.
    pub(crate) fn keeping(mut self, hot: Arc<Hot>) -> Self {
        self.hot = hot;
        self
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let writer = self.with(|open| open.writer.handle())?;
        writer.write(job).await
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.with(|open| open.readers.handle())?;
        readers.read(job).await
    }

    fn with<T>(&self, get: impl FnOnce(&Open) -> T) -> Result<T, StoreError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(get).ok_or_else(StoreError::closed)
    }
}

fn prepare(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.busy_timeout(BUSY)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "cache_size", CACHE_KIB)?;
    // Planned once: else each other bound of a range is another parsing and planning.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "foreign_keys", false)
}

/// A number as SQLite keeps it. What is beyond its range is beyond every log, too.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for SqliteStore {
    fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    fn shards(&self) -> usize {
        1
    }

    async fn probe(&self) -> Database {
        // A row that stays as it is costs its page and the sync of a commit all the same.
        let touch = "UPDATE shards SET head_ord = head_ord WHERE shard = 0";
        match self.write(move |tx| Ok(tx.conn.execute(touch, [])?)).await {
            Ok(_) => Database::Ok,
            Err(_) if self.heads().await.is_ok() => Database::NotWritable,
            Err(_) => Database::Unreachable,
        }
    }

    fn pressure(&self) -> Pressure {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = open.as_ref() else { return Pressure::default() };
        Pressure { writes: open.writer.waiting(), reads: open.readers.waiting(), pool: None }
    }

    async fn heads(&self) -> Result<Ords, StoreError> {
        self.read(|conn| Ok(Ords::from_iter([read::head(conn)?]))).await
    }

    async fn create_room(
        &self,
        creator: UserId,
        room: NewRoom,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let max = self.max_members;
        self.write(move |tx| write::create_room(tx, &creator, &room, max)).await
    }

    async fn add_members(
        &self,
        room: RoomId,
        by: UserId,
        users: Vec<UserId>,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let max = self.max_members;
        self.write(move |tx| write::add_members(tx, room, &by, &users, max)).await
    }

    async fn remove_member(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| write::remove_member(tx, room, &by, &user)).await
    }

    async fn update_room(
        &self,
        room: RoomId,
        by: UserId,
        update: RoomUpdate,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| roles::update_room(tx, room, &by, &update)).await
    }

    async fn set_role(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        role: Role,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| roles::set_role(tx, room, &by, &user, role)).await
    }

    async fn ban(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        ban: BanRequest,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| bans::ban(tx, room, &by, &user, &ban)).await
    }

    async fn unban(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| bans::unban(tx, room, &by, &user)).await
    }

    async fn bans(
        &self,
        room: RoomId,
        by: UserId,
        after: Option<UserId>,
    ) -> Result<BanPage, StoreError> {
        self.read(move |conn| bans::page(conn, room, &by, after.as_ref())).await
    }

    async fn mute(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
        mute: MuteRequest,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| mutes::mute(tx, room, &by, &user, &mute)).await
    }

    async fn unmute(
        &self,
        room: RoomId,
        by: UserId,
        user: UserId,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| mutes::unmute(tx, room, &by, &user)).await
    }

    async fn mutes(
        &self,
        room: RoomId,
        by: UserId,
        after: Option<UserId>,
    ) -> Result<MutePage, StoreError> {
        self.read(move |conn| mutes::page(conn, room, &by, after.as_ref())).await
    }

    async fn set_slow_mode(
        &self,
        room: RoomId,
        by: UserId,
        slow_mode: SlowMode,
    ) -> Result<RoomState<EventJson>, StoreError> {
        self.write(move |tx| mutes::set_slow_mode(tx, room, &by, slow_mode)).await
    }

    async fn set_settings(
        &self,
        room: RoomId,
        user: UserId,
        update: SettingsUpdate,
    ) -> Result<SettingsUpdate, StoreError> {
        self.write(move |tx| settings::put(tx, room, &user, update)).await
    }

    async fn set_blocked(
        &self,
        user: UserId,
        other: UserId,
        blocked: bool,
        version: Option<u64>,
    ) -> Result<BlockList, StoreError> {
        self.write(move |tx| blocks::set(tx, &user, other, blocked, version)).await
    }

    async fn block_lists(&self, users: Vec<UserId>) -> Result<Vec<BlockList>, StoreError> {
        self.read(move |conn| blocks::lists(conn, &users)).await
    }

    async fn report(&self, by: UserId, request: ReportRequest) -> Result<ReportTaken, StoreError> {
        self.write(move |tx| reports::take(tx, &by, &request)).await
    }

    async fn reports(
        &self,
        room: RoomId,
        by: UserId,
        query: ReportsQuery,
    ) -> Result<ReportPage, StoreError> {
        self.read(move |conn| reports::page(conn, room, &by, query)).await
    }

    async fn resolve_report(&self, id: ReportId, by: UserId) -> Result<Report, StoreError> {
        self.write(move |tx| reports::resolve(tx, id, &by)).await
    }

    async fn append(
        &self,
        room: RoomId,
        sender: UserId,
        ops: Vec<Op>,
    ) -> Result<Appended, StoreError> {
        // Checked and hashed here: the one writer does only what it alone can do.
        let ops: Vec<Checked> = ops.into_iter().map(Checked::new).collect();
        self.write(move |tx| append::append(tx, room, &sender, &ops)).await
    }

    async fn put_receipts(
        &self,
        user: UserId,
        updates: Vec<ReceiptUpdate>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| receipts::put(tx, &user, &updates)).await
    }

    async fn feed_page(&self, query: FeedQuery) -> Result<FeedPage, StoreError> {
        let hot = self.hot.clone();
        self.read(move |conn| feed::page(conn, &hot, &query)).await
    }

    async fn log_after(
        &self,
        _shard: usize,
        ord: u64,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let hot = self.hot.clone();
        self.read(move |conn| read::log_after(conn, &hot, ord, limit)).await
    }

    async fn live_after(
        &self,
        room: RoomId,
        user: UserId,
        after: Seq,
    ) -> Result<LiveRead, StoreError> {
        let hot = self.hot.clone();
        self.read(move |conn| read::live_after(conn, &hot, room, &user, after)).await
    }

    async fn roster(&self, room: RoomId) -> Result<Roster, StoreError> {
        self.read(move |conn| read::roster(conn, room)).await
    }

    async fn room(&self, room: RoomId, user: UserId) -> Result<RoomState<EventJson>, StoreError> {
        self.read(move |conn| read::room(conn, room, &user)).await
    }

    async fn rooms(
        &self,
        user: UserId,
        after: Option<String>,
    ) -> Result<RoomPage<EventJson>, StoreError> {
        self.read(move |conn| feed::rooms(conn, &user, after.as_deref())).await
    }

    async fn members(
        &self,
        room: RoomId,
        user: UserId,
        after: Option<UserId>,
    ) -> Result<MemberPage, StoreError> {
        self.read(move |conn| read::members(conn, room, &user, after.as_ref())).await
    }

    async fn receipts(
        &self,
        room: RoomId,
        user: UserId,
        seq: Seq,
        after: Option<UserId>,
    ) -> Result<ReceiptPage, StoreError> {
        self.read(move |conn| receipts::page(conn, room, &user, seq, after.as_ref())).await
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
        let hot = self.hot.clone();
        self.read(move |conn| history::page(conn, &hot, room, &user, thread, anchor, limit)).await
    }

    async fn message(
        &self,
        room: RoomId,
        user: UserId,
        id: EventId,
    ) -> Result<History<EventJson>, StoreError> {
        self.read(move |conn| history::message(conn, room, &user, id)).await
    }

    async fn search(&self, user: UserId, query: SearchQuery) -> Result<Found, StoreError> {
        self.read(move |conn| search::search(conn, &user, &query)).await
    }

    async fn index_more(&self) -> Result<bool, StoreError> {
        self.write(search::index_more).await
    }

    async fn begin_upload(&self, user: UserId, new: NewUpload) -> Result<UploadRow, StoreError> {
        self.write(move |tx| uploads::begin(tx, &user, new)).await
    }

    async fn set_upload_token(
        &self,
        id: UploadId,
        token: Option<String>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| uploads::set_token(tx, id, token.as_deref())).await
    }

    async fn upload(&self, user: UserId, id: UploadId) -> Result<UploadRow, StoreError> {
        self.read(move |conn| uploads::of(conn, &user, id)).await
    }

    async fn upload_of_key(&self, key: FileKey) -> Result<UploadRow, StoreError> {
        self.read(move |conn| uploads::of_key(conn, &key)).await
    }

    async fn complete_upload(&self, id: UploadId) -> Result<(), StoreError> {
        self.write(move |tx| uploads::complete(tx, id)).await
    }

    async fn cancel_upload(
        &self,
        user: UserId,
        id: UploadId,
    ) -> Result<Option<UploadRow>, StoreError> {
        self.write(move |tx| uploads::cancel(tx, &user, id)).await
    }

    async fn outgoing_uploads(
        &self,
        before: i64,
        limit: usize,
    ) -> Result<Vec<UploadRow>, StoreError> {
        self.write(move |tx| uploads::outgoing(tx, before, limit)).await
    }

    async fn outgoing_upload(&self, id: UploadId) -> Result<bool, StoreError> {
        self.read(move |conn| uploads::is_outgoing(conn, id)).await
    }

    async fn forget_upload(&self, id: UploadId) -> Result<(), StoreError> {
        self.write(move |tx| uploads::forget(tx, id)).await
    }

    async fn file(&self, user: Option<UserId>, key: FileKey) -> Result<UploadRow, StoreError> {
        self.read(move |conn| uploads::file(conn, user.as_ref(), &key)).await
    }

    async fn set_profile(
        &self,
        user: UserId,
        profile: ProfileUpdate,
    ) -> Result<Profile, StoreError> {
        self.write(move |tx| write::set_profile(tx, &user, profile)).await
    }

    async fn profiles(&self, users: Vec<UserId>) -> Result<Vec<Profile>, StoreError> {
        self.read(move |conn| read::profiles(conn, users)).await
    }

    async fn put_last_seen(&self, seen: Vec<(UserId, i64)>) -> Result<(), StoreError> {
        self.write(move |tx| last_seen::put(tx, &seen)).await
    }

    async fn last_seen(&self, users: Vec<UserId>) -> Result<Vec<Option<i64>>, StoreError> {
        self.read(move |conn| last_seen::of(conn, &users)).await
    }

    async fn revoke(&self, revocation: Revocation) -> Result<(), StoreError> {
        self.write(move |tx| revocations::put(tx.conn, &revocation)).await
    }

    async fn revocations(
        &self,
        known: Mark,
    ) -> Result<Option<(Mark, Vec<Revocation>)>, StoreError> {
        self.read(move |conn| revocations::all(conn, known)).await
    }

    async fn close(&self) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Open { writer, writing, readers, reading }) = open else { return };
        let joined = tokio::task::spawn_blocking(move || {
            drop(readers);
            let panicked = reading.into_iter().filter_map(|thread| thread.join().err()).count();
            // The last connection to close tidies the WAL up, which a reader may not.
            drop(writer);
            panicked + usize::from(writing.join().is_err())
        });
        match joined.await {
            Ok(0) => {}
            Ok(panicked) => tracing::error!(panicked, "threads of the store had panicked"),
            Err(error) => tracing::error!(%error, "the store was not closed"),
        }
    }
}
