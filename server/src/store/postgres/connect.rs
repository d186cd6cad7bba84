//! The way to PostgreSQL: a pool of connections, and what a read or a write holds of one.
//!
//! What belongs together goes out without waiting for the answers in between: the protocol answers in
//! order. Statements are prepared before that (`warm`), because one that is prepared on the way would
//! come after those behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, QueueMode, RecyclingMethod, Runtime,
};
use futures::FutureExt;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::address::{ACQUIRE, Address};
use crate::clock;
use crate::store::{PoolUse, StoreError};

/// Connections that are kept open, however little there is to do.
pub(super) const POOL_MIN: usize = 5;
/// Most connections of one instance: 32 that write, at most, and some that read.
pub(super) const POOL_MAX: usize = 50;
/// A connection that nobody has used for so long is closed.
pub(super) const POOL_IDLE: Duration = Duration::from_secs(30);
/// The connections to one server.
#[derive(Clone)]
pub(super) struct Db {
    pool: Pool,
    /// Whether a write found no room since somebody last looked: on a full disk what changes in place is
    /// written for long.
    full: Arc<AtomicBool>,
}

impl Db {
    /// A pool; opens nothing yet.
    pub(super) fn new(address: Address) -> Result<Self, String> {
        let method = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(address.config, address.tls, method);
        let pool = Pool::builder(manager)
            .max_size(POOL_MAX)
            .wait_timeout(Some(ACQUIRE))
            .create_timeout(Some(ACQUIRE))
            .recycle_timeout(Some(ACQUIRE))
            .runtime(Runtime::Tokio1)
            // The one used last first, so that those that are too many stay idle and go.
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { pool, full: Arc::default() })
    }

    /// Opens as many as are always kept.
    pub(super) async fn open(&self) -> Result<(), StoreError> {
        let opened = (0..POOL_MIN).map(|_| self.pool.get());
        for opened in futures::future::join_all(opened).await {
            drop(opened?);
        }
        Ok(())
    }

    /// Closes those that nobody has used for a while.
    pub(super) fn close_idle(&self) {
        let mut left = self.pool.status().size;
        self.pool.retain(|_, metrics| {
            let keep = left <= POOL_MIN || metrics.last_used() < POOL_IDLE;
            left -= usize::from(!keep);
            keep
        });
    }

    /// How far the pool is used.
    pub(super) fn usage(&self) -> PoolUse {
        let status = self.pool.status();
        let idle = status.available;
        PoolUse { used: status.size.saturating_sub(idle), idle, waiting: status.waiting }
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    /// Why a write failed.
    pub(super) fn note(&self, error: &StoreError) {
        if matches!(error, StoreError::DiskFull(_)) {
            self.full.store(true, Ordering::Relaxed);
        }
    }

    /// Whether there is room to write, where something has found none before.
    pub(super) async fn has_room(&self) -> bool {
        if !self.full.load(Ordering::Relaxed) {
            return true;
        }
        let taken = async { self.begin().await?.execute(TAKE_ROOM, &[]).await };
        let still = matches!(taken.await, Err(StoreError::DiskFull(_)));
        self.full.store(still, Ordering::Relaxed);
        !still
    }

    async fn session(&self) -> Result<Object, StoreError> {
        Ok(self.pool.get().await?)
    }

    /// A connection, without a transaction.
    pub(super) async fn plain(&self) -> Result<Session, StoreError> {
        Ok(Session { conn: self.session().await?, end: None })
    }

    /// Begins to read: everything up to its drop is of one moment.
    pub(super) async fn snapshot(&self) -> Result<Session, StoreError> {
        let conn = self.session().await?;
        // Sent ahead of the first query. If it fails, so does all that follows.
        let _ =
            conn.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").now_or_never();
        Ok(Session { conn, end: Some("COMMIT") })
    }

    /// Begins to write. What is not committed is undone.
    pub(super) async fn begin(&self) -> Result<Tx, StoreError> {
        let conn = self.session().await?;
        let _ = conn.batch_execute("BEGIN").now_or_never();
        Ok(Tx {
            session: Session { conn, end: Some("ROLLBACK") },
            now: clock::now_ms(),
            heads: vec![],
        })
    }
}

/// A connection, while somebody uses it.
pub(super) struct Session {
    conn: Object,
    /// What ends its transaction.
    end: Option<&'static str>,
}

pub(super) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Session {
    async fn statement(&self, sql: &str) -> Result<Statement, StoreError> {
        Ok(self.conn.prepare_cached(sql).await?)
    }

    /// Prepares what is going to be sent together.
    pub(super) async fn warm(&self, statements: &[&str]) -> Result<(), StoreError> {
        for sql in statements {
            self.statement(sql).await?;
        }
        Ok(())
    }

    pub(super) async fn query(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let statement = self.statement(sql).await?;
        Ok(self.conn.query(&statement, params).await?)
    }

    pub(super) async fn optional(
        &self,
        sql: &str,
        params: Params<'_>,
    ) -> Result<Option<Row>, StoreError> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    pub(super) async fn one(&self, sql: &str, params: Params<'_>) -> Result<Row, StoreError> {
        let none = || StoreError::Failed("a query gave no row".into());
        self.optional(sql, params).await?.ok_or_else(none)
    }

    pub(super) async fn execute(&self, sql: &str, params: Params<'_>) -> Result<u64, StoreError> {
        let statement = self.statement(sql).await?;
        Ok(self.conn.execute(&statement, params).await?)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            // Sent ahead of whatever the next user sends; nobody waits for its answer.
            let _ = self.conn.batch_execute(end).now_or_never();
        }
    }
}

/// A transaction that writes.
pub(super) struct Tx {
    session: Session,
    /// The server's time of this transaction, in ms since 1970-01-01 UTC.
    pub(super) now: i64,
    /// The shards that it has locked, and the new heads of each.
    heads: Vec<(usize, u64)>,
}

impl std::ops::Deref for Tx {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

/// Takes 180 KB, until the transaction ends. Whoever may not make temporary tables learns nothing by it.
pub(super) const TAKE_ROOM: &str =
    "CREATE TEMP TABLE tidewire_room_left ON COMMIT DROP AS SELECT generate_series(1, 5000) AS n";

const LOCK: &str = "SELECT head_ord FROM shards WHERE shard = $1 FOR NO KEY UPDATE";
const TAKE: &str =
    "UPDATE shards SET head_ord = head_ord + $2 WHERE shard = $1 RETURNING head_ord - $2";
const RAISE: &str = "UPDATE shards SET head_ord = $2 WHERE shard = $1";

impl Tx {
    /// The next place in the log of a shard. The first one locks the shard until the commit: what can
    /// be judged before is to be judged before. One transaction takes places of one shard so.
    pub(super) async fn next_ord(&mut self, shard: usize) -> Result<u64, StoreError> {
        if let Some((_, head)) = self.heads.iter_mut().find(|(locked, _)| *locked == shard) {
            *head += 1;
            return Ok(*head);
        }
        let row = self.session.one(LOCK, &[&small(shard)]).await?;
        let head = number(&row, 0)? + 1;
        self.heads.push((shard, head));
        Ok(head)
    }

    /// Takes `count` places in the log of each of these shards, which are locked in order until the
    /// commit. Gives the place before the first one of each.
    pub(super) async fn take(
        &mut self,
        shards: &std::collections::BTreeMap<usize, u64>,
    ) -> Result<std::collections::BTreeMap<usize, u64>, StoreError> {
        let mut before = std::collections::BTreeMap::new();
        for (shard, count) in shards {
            let row = self.session.one(TAKE, &[&small(*shard), &int(*count)]).await?;
            let head = number(&row, 0)?;
            self.heads.push((*shard, head + count));
            before.insert(*shard, head);
        }
        Ok(before)
    }

    /// Prepares what `take` and `commit` send.
    pub(super) async fn warm_take(&self) -> Result<(), StoreError> {
        self.warm(&[TAKE]).await
    }

    /// Sends the commit, behind what was sent before. It only counts if all of that succeeded: else
    /// PostgreSQL undoes everything, and calls that no error.
    pub(super) async fn send_commit(&self) -> Result<(), StoreError> {
        Ok(self.session.conn.batch_execute("COMMIT").await?)
    }

    /// The commit has been answered. Gives the new heads.
    pub(super) fn committed(mut self) -> Vec<(usize, u64)> {
        self.session.end = None;
        std::mem::take(&mut self.heads)
    }

    /// Commits what was written with `next_ord`. Gives the new heads.
    pub(super) async fn commit(self) -> Result<Vec<(usize, u64)>, StoreError> {
        for (shard, head) in &self.heads {
            self.session.execute(RAISE, &[&small(*shard), &int(*head)]).await?;
        }
        self.send_commit().await?;
        Ok(self.committed())
    }
}

/// A number as PostgreSQL keeps it. What is beyond its range is beyond every log, too.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A shard as PostgreSQL keeps it.
pub(super) fn small(shard: usize) -> i16 {
    i16::try_from(shard).unwrap_or(i16::MAX)
}

/// A number that is never negative.
pub(super) fn number(row: &Row, column: usize) -> Result<u64, StoreError> {
    Ok(row.try_get::<_, i64>(column)?.unsigned_abs())
}

/// A shard.
pub(super) fn shard(row: &Row, column: usize) -> Result<usize, StoreError> {
    Ok(usize::from(row.try_get::<_, i16>(column)?.unsigned_abs()))
}

impl From<PoolError> for StoreError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Closed => Self::closed(),
            PoolError::Backend(error) => Self::from(error),
            PoolError::Timeout(_) => Self::Unavailable(
                "no connection to PostgreSQL is free, or none can be opened, for 2 s".into(),
            ),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        let text = said(&error);
        match error.code().map(tokio_postgres::error::SqlState::code) {
            // No answer of the database: the connection is gone, or was never there.
            None => Self::Unavailable(text),
            Some("53100") => Self::DiskFull(text),
            // Connections, resources, the operator, conflicts, a standby: they pass.
            Some(code)
                if ["08", "53", "57", "58", "40", "55"]
                    .iter()
                    .any(|class| code.starts_with(class))
                    || code == "25006" =>
            {
                Self::Unavailable(text)
            }
            Some(_) => Self::Failed(text),
        }
    }
}

/// What PostgreSQL says, without the values of rows.
pub(super) fn said(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    match error.as_db_error() {
        Some(told) => format!("{} ({})", told.message(), told.code().code()),
        None => match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    }
}
