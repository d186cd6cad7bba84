//! The transaction executor: what the engine asked for, all of it or nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior, params};
use tidewire_protocol::{Event, Receipt, RoomId};

use super::files::{self, Opening, classify};
use super::folder::Paths;
use super::search::Unwritten;
use crate::engine::{Repair, Transaction, Write};
use crate::error::StoreError;

/// The cursor's row of `meta`.
pub(super) const CURSOR: &str = "cursor";
/// The epoch's row of `meta`.
pub(super) const BLOCKS: &str = "blocks";
pub(super) const EPOCH: &str = "epoch";

/// An open database: outbox and cache.
#[derive(Debug)]
pub(crate) struct Database {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    /// What the cache's tables are called on this connection.
    pub(super) cache: &'static str,
    /// Whether the outbox waits for the disk (`synchronous = FULL`) now, and whether the cache does.
    durable: (bool, bool),
    /// Whether a transaction failed since the engine last loaded what is committed.
    failed: bool,
    /// What says that the files are damaged, if anything did.
    pub(super) damage: Option<String>,
    /// What was mended at the opening, until the engine has heard of it.
    pub(super) repair: Option<Repair>,
    /// Room keys, so that a write does not look its room up each time.
    keys: HashMap<RoomId, i64>,
    /// How many changes wait for messages, by room key, so that a message does not ask each time.
    waiting: HashMap<i64, u64>,
}

impl Database {
    pub(super) fn open(paths: &Paths, opening: &Opening) -> Result<Self, StoreError> {
        let (connection, repair) = files::open(paths, opening)?;
        Ok(Self { repair, cache: "cache", ..Self::over(connection, &paths.cache) })
    }

    /// Answers queries of the cache beside the one that writes.
    pub(super) fn reader(cache: &Path) -> Result<Self, StoreError> {
        Ok(Self::over(files::open_reader(cache)?, cache))
    }

    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let connection = files::in_memory().map_err(|error| classify(error, path))?;
        Ok(Self::over(connection, path))
    }

    fn over(connection: Connection, path: &Path) -> Self {
        Self {
            connection,
            path: path.to_owned(),
            cache: "main",
            durable: (false, false),
            failed: false,
            damage: None,
            repair: None,
            keys: HashMap::new(),
            waiting: HashMap::new(),
        }
    }

    /// Carries out a transaction. Gives each message that it changed and that is not stored as the
    /// transaction gave it.
    pub(crate) fn execute(&mut self, transaction: &Transaction) -> Result<Vec<Event>, StoreError> {
        if self.failed && !transaction.independent {
            return Err(StoreError::Superseded);
        }
        self.try_execute(transaction).map_err(|error| {
            self.fail();
            self.classify(error)
        })
    }

    /// What the engine holds in memory counts on a transaction that is undone.
    pub(crate) fn fail(&mut self) {
        self.failed = true;
        // A key may have been given by it.
        self.keys.clear();
        self.waiting.clear();
    }

    /// The engine has loaded what is committed, and builds on that.
    pub(super) fn loaded(&mut self) {
        self.failed = false;
    }

    fn try_execute(&mut self, transaction: &Transaction) -> rusqlite::Result<Vec<Event>> {
        self.wait_for_disk(transaction)?;
        // Nobody else writes. What stands on its own mostly writes into one of the two files: it locks no more.
        let behavior = if transaction.independent {
            TransactionBehavior::Deferred
        } else {
            TransactionBehavior::Immediate
        };
        let sqlite = self.connection.transaction_with_behavior(behavior)?;
        let mut writer = Writer {
            sqlite: &sqlite,
            keys: &mut self.keys,
            waiting: &mut self.waiting,
            folded: Vec::new(),
            unwritten: Unwritten::new(),
        };
        for write in &transaction.writes {
            writer.write(write)?;
        }
        writer.write_index()?;
        let folded = writer.folded;
        sqlite.commit()?;
        Ok(folded)
    }

    /// Sets for what the commit waits. Of the cache only what the user has read is promised to survive
    /// a power loss: everything else comes from the server again.
    fn wait_for_disk(&mut self, transaction: &Transaction) -> rusqlite::Result<()> {
        let reads = |write: &Write| matches!(write, Write::MarkRead { .. });
        let cache = transaction.durable && transaction.writes.iter().any(reads);
        let wanted = (transaction.durable, cache);
        let level = |durable| if durable { "FULL" } else { "NORMAL" };
        if self.durable.0 != wanted.0 {
            self.connection.pragma_update(Some("main"), "synchronous", level(wanted.0))?;
        }
        // One file holds both in memory, where nothing waits.
        if self.durable.1 != wanted.1 && self.cache != "main" {
            self.connection.pragma_update(Some(self.cache), "synchronous", level(wanted.1))?;
        }
        self.durable = wanted;
        Ok(())
    }

    /// The typed error. Once damage is found, no file is trusted until both are looked through.
    pub(super) fn classify(&mut self, error: rusqlite::Error) -> StoreError {
        self.damage = self.damage.take().or(files::damage(&error));
        classify(error, &self.path)
    }
}

/// One transaction being carried out.
pub(super) struct Writer<'a> {
    pub(super) sqlite: &'a rusqlite::Transaction<'a>,
    keys: &'a mut HashMap<RoomId, i64>,
    pub(super) waiting: &'a mut HashMap<i64, u64>,
    /// Messages that are not stored as they were given.
    pub(super) folded: Vec<Event>,
    /// What is still to go into the index of messages.
    pub(super) unwritten: Unwritten,
}

impl Writer<'_> {
    fn write(&mut self, write: &Write) -> rusqlite::Result<()> {
        match write {
            Write::WipeCache(epoch) => {
                self.sqlite.execute_batch(
                    "DELETE FROM rooms; DELETE FROM events; DELETE FROM held;
                     DELETE FROM mutations; DELETE FROM stale; DELETE FROM receipts;
                     DELETE FROM mentions; DELETE FROM profiles; DELETE FROM meta;",
                )?;
                self.wipe_index()?;
                self.keys.clear();
                self.waiting.clear();
                self.folded.clear();
                self.put_meta(EPOCH, epoch.as_str())
            }
            Write::Epoch(epoch) => self.put_meta(EPOCH, epoch.as_str()),
            Write::ForgetCursor => self.run("DELETE FROM meta WHERE key = ?1", params![CURSOR]),
            Write::Cursor(cursor) => self.put_meta(CURSOR, cursor.as_str()),
            Write::Room { state, as_of, feed_seq } => {
                let rk = self.key(state.id)?;
                self.run(
                    "UPDATE rooms SET state = ?2, head_seq = ?3, as_of = ?4, feed_seq = ?5
                     WHERE rk = ?1",
                    params![rk, json(state)?, seq(state.head_seq), seq(*as_of), seq(*feed_seq)],
                )
            }
            Write::Head { room, head_seq, feed_seq } => {
                let rk = self.key(*room)?;
                self.run(
                    "UPDATE rooms SET head_seq = ?2, feed_seq = ?3 WHERE rk = ?1",
                    params![rk, seq(*head_seq), seq(*feed_seq)],
                )
            }
            Write::Event(event) => self.put_event(event),
            Write::Mutation { event, mine } => self.put_mutation(event, *mine),
            Write::Folded { event, as_of } => self.put_folded(event, *as_of),
            Write::IndexMore(rows) => self.index_more(*rows),
            Write::Range { room, removed, put } => {
                let rk = self.key(*room)?;
                for start in removed {
                    self.run(
                        "DELETE FROM held WHERE rk = ?1 AND start = ?2",
                        params![rk, int(*start)],
                    )?;
                }
                self.put_range(
                    "INSERT OR REPLACE INTO held (rk, start, end) VALUES (?1, ?2, ?3)",
                    rk,
                    *put,
                )
            }
            Write::Stale { room, ranges } => {
                let rk = self.key(*room)?;
                self.run("DELETE FROM stale WHERE rk = ?1", params![rk])?;
                for range in ranges {
                    self.put_range(
                        "INSERT INTO stale (rk, start, end) VALUES (?1, ?2, ?3)",
                        rk,
                        *range,
                    )?;
                }
                Ok(())
            }
            Write::Receipts { room, receipts } => {
                let rk = self.key(*room)?;
                self.run("DELETE FROM receipts WHERE rk = ?1", params![rk])?;
                receipts.iter().try_for_each(|receipt| self.put_receipt(receipt))
            }
            Write::Receipt(receipt) => self.put_receipt(receipt),
            Write::MarkRead { room, seq: read } => {
                let rk = self.key(*room)?;
                self.run(
                    "UPDATE rooms SET marked = max(marked, ?2) WHERE rk = ?1",
                    params![rk, seq(*read)],
                )
            }
            Write::Opened(room, at) => {
                let rk = self.key(*room)?;
                self.run("UPDATE rooms SET opened = ?2 WHERE rk = ?1", params![rk, at])
            }
            Write::Drop { room, through } => {
                let rk = self.key(*room)?;
                self.unindex_through(rk, *through)?;
                for sql in [
                    "DELETE FROM mentions WHERE rk = ?1 AND seq <= ?2",
                    "DELETE FROM mutations WHERE rk = ?1 AND waiting = 0 AND target IN
                         (SELECT id FROM events WHERE rk = ?1 AND seq <= ?2)",
                    "DELETE FROM events WHERE rk = ?1 AND seq <= ?2",
                    "DELETE FROM held WHERE rk = ?1 AND end <= ?2",
                    "UPDATE held SET start = ?2 + 1 WHERE rk = ?1 AND start <= ?2",
                    "DELETE FROM stale WHERE rk = ?1 AND end <= ?2",
                    "UPDATE stale SET start = ?2 + 1 WHERE rk = ?1 AND start <= ?2",
                ] {
                    self.run(sql, params![rk, seq(*through)])?;
                }
                Ok(())
            }
            Write::Mention { room, seq: of, user } => {
                let rk = self.key(*room)?;
                self.run(
                    "INSERT OR IGNORE INTO mentions (rk, seq, user) VALUES (?1, ?2, ?3)",
                    params![rk, seq(*of), user.as_str()],
                )
            }
            Write::Draft { room, text: Some(text) } => self.run(
                "INSERT OR REPLACE INTO drafts (room, text) VALUES (?1, ?2)",
                params![room.uuid().as_bytes(), text],
            ),
            Write::Draft { room, text: None } => {
                self.run("DELETE FROM drafts WHERE room = ?1", params![room.uuid().as_bytes()])
            }
            Write::Wish { room, settings: Some(settings) } => self.run(
                "INSERT OR REPLACE INTO wishes (room, settings) VALUES (?1, ?2)",
                params![room.uuid().as_bytes(), json(settings)?],
            ),
            Write::Wish { room, settings: None } => {
                self.run("DELETE FROM wishes WHERE room = ?1", params![room.uuid().as_bytes()])
            }
            Write::Blocks(list) => self.put_meta(BLOCKS, &json(list)?),
            Write::BlockWish { user, blocked: Some(blocked) } => self.run(
                "INSERT OR REPLACE INTO block_wishes (user, blocked) VALUES (?1, ?2)",
                params![user.as_str(), blocked],
            ),
            Write::BlockWish { user, blocked: None } => {
                self.run("DELETE FROM block_wishes WHERE user = ?1", params![user.as_str()])
            }
            Write::Enqueue(row) => {
                self.put_uploads(row)?;
                self.run(
                    "INSERT INTO outbox (room, id, kind, content, queued_at, queued_by_server,
                     attempted_at, skips, expires_after, ordered, files)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                    params![
                        row.room.uuid().as_bytes(),
                        row.op.id.uuid().as_bytes(),
                        row.op.kind.as_str(),
                        row.op.content.as_json(),
                        row.queued_at,
                        row.queued_by_server,
                        row.attempted_at,
                        !row.holds(),
                        row.options.expires_after_ms(),
                        row.options.ordered,
                        int(row.files.len() as u64),
                    ],
                )
            }
            Write::Attempted(ids, at) => {
                for id in ids {
                    self.run(
                        "UPDATE outbox SET attempted_at = ?2 WHERE id = ?1",
                        params![id.uuid().as_bytes(), at],
                    )?;
                }
                Ok(())
            }
            Write::Uploaded(id, key) => self.run(
                "UPDATE uploads SET key = ?2 WHERE id = ?1",
                params![id.uuid().as_bytes(), key.as_str()],
            ),
            Write::Dequeue(id) => {
                self.drop_uploads(*id)?;
                self.run("DELETE FROM outbox WHERE id = ?1", params![id.uuid().as_bytes()])
            }
            Write::Amend(id, content) => self.run(
                "UPDATE outbox SET content = ?2 WHERE id = ?1",
                params![id.uuid().as_bytes(), content.as_json()],
            ),
            Write::Failure(id, reason) => self.run(
                "UPDATE outbox SET failed = ?2 WHERE id = ?1",
                params![id.uuid().as_bytes(), json(reason)?],
            ),
            Write::Retry(id, at) => self.run(
                "UPDATE outbox SET failed = NULL, attempted_at = ?2, expires_after = NULL
                 WHERE id = ?1",
                params![id.uuid().as_bytes(), at],
            ),
            Write::Profile(profile, fetched_at) => self.run(
                "INSERT OR REPLACE INTO profiles (user, profile, fetched_at) VALUES (?1, ?2, ?3)",
                params![profile.user.as_str(), json(profile)?, fetched_at],
            ),
        }
    }

    /// The key of a room; an unknown one gets a row without a state.
    pub(super) fn key(&mut self, room: RoomId) -> rusqlite::Result<i64> {
        if let Some(key) = self.keys.get(&room) {
            return Ok(*key);
        }
        let uuid = room.uuid();
        self.run("INSERT OR IGNORE INTO rooms (id) VALUES (?1)", params![uuid.as_bytes()])?;
        let key = self
            .sqlite
            .prepare_cached("SELECT rk FROM rooms WHERE id = ?1")?
            .query_row([uuid.as_bytes()], |row| row.get(0))?;
        self.keys.insert(room, key);
        Ok(key)
    }

    fn put_receipt(&mut self, receipt: &Receipt) -> rusqlite::Result<()> {
        let rk = self.key(receipt.room)?;
        self.run(
            "INSERT OR REPLACE INTO receipts (rk, user, delivered, read) VALUES (?1, ?2, ?3, ?4)",
            params![rk, receipt.user.as_str(), seq(receipt.delivered), seq(receipt.read)],
        )
    }

    fn put_meta(&self, key: &str, value: &str) -> rusqlite::Result<()> {
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)", params![key, value])
    }

    fn put_range(&self, sql: &str, rk: i64, (start, end): (u64, u64)) -> rusqlite::Result<()> {
        self.run(sql, params![rk, int(start), int(end)])
    }

    pub(super) fn run(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.sqlite.prepare_cached(sql)?.execute(params).map(drop)
    }
}

pub(super) fn json<T: serde::Serialize>(value: &T) -> rusqlite::Result<String> {
    serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(super) fn seq(seq: tidewire_protocol::Seq) -> i64 {
    int(seq.get())
}

/// SQLite's integers are signed; no log will ever be 2^63 long.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
