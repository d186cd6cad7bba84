//! The one thread that writes. Whatever queued while the last commit was on its way goes into the
//! next transaction: many writers share one wait for the disk, and nobody waits for a timer.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::bus::Bus;
use crate::clock;
use crate::store::StoreError;

/// Most jobs of one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 512;
/// Jobs that may wait. Callers beyond it wait for a place.
const QUEUE: usize = 4_096;

/// What a job sees: the open transaction.
pub(super) struct Tx<'a> {
    pub(super) conn: &'a Connection,
    /// The server's time of this transaction, in ms since 1970-01-01 UTC.
    pub(super) now: i64,
    head: &'a Cell<u64>,
}

impl Tx<'_> {
    /// The next place in the delivery log. Taken by the one writer: commits have its order.
    pub(super) fn next_ord(&self) -> u64 {
        self.head.set(self.head.get() + 1);
        self.head.get()
    }
}

/// Tells the caller what became of the job, once that is certain: what the job returned, or why
/// its whole transaction was lost.
type Settle = Box<dyn FnOnce(Option<&StoreError>) + Send>;
/// Runs in the transaction given; without one it only says how to tell the caller.
type Job = Box<dyn FnOnce(Option<&Tx<'_>>) -> Settle + Send>;

/// The way to the writing thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl Writer {
    /// Starts the thread. It ends, and closes the connection, when the writer is dropped.
    pub(super) fn start(
        conn: Connection,
        bus: Arc<dyn Bus>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("tidewire-writer".into())
            .spawn(move || run(&conn, queue, bus.as_ref()))?;
        Ok((Self { jobs }, thread))
    }

    /// Another way to the same thread.
    pub(super) fn handle(&self) -> Self {
        Self { jobs: self.jobs.clone() }
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Runs `job` in a transaction and returns once it is on the disk. An error of the job undoes
    /// this job alone.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let result = match tx {
                Some(tx) => guarded(tx, job),
                None => Err(StoreError::closed()),
            };
            Box::new(move |failure| {
                let result = match failure {
                    Some(error) => Err(error.clone()),
                    None => result,
                };
                // A caller who has gone away finds the outcome by asking again.
                let _ = reply.send(result);
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::closed())?;
        answer.await.map_err(|_| StoreError::Failed("the writer dropped a job".into()))?
    }
}

/// Runs one job in a savepoint of its own.
fn guarded<T>(
    tx: &Tx<'_>,
    job: impl FnOnce(&Tx<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    tx.conn.execute_batch("SAVEPOINT job")?;
    let head = tx.head.get();
    let result = catch_unwind(AssertUnwindSafe(|| job(tx)))
        .unwrap_or_else(|_| Err(StoreError::Failed("a write panicked".into())));
    if result.is_err() {
        // The places that it took in the log are free again: no event stands there.
        tx.head.set(head);
        if !tx.conn.is_autocommit() {
            tx.conn.execute_batch("ROLLBACK TO job")?;
        }
    }
    if !tx.conn.is_autocommit() {
        tx.conn.execute_batch("RELEASE job")?;
    }
    result
}

fn run(conn: &Connection, mut queue: mpsc::Receiver<Job>, bus: &dyn Bus) {
    let mut group = Vec::with_capacity(GROUP);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < GROUP {
            match queue.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        let mut settles = Vec::with_capacity(group.len());
        let outcome = commit(conn, &mut group, &mut settles);
        match &outcome {
            // The bell rings before the answers, so that whoever has an answer finds the event.
            Ok(head) => bus.ring(0, *head),
            Err(error) => tracing::warn!(%error, jobs = settles.len(), "a commit failed"),
        }
        let failure = outcome.err();
        for settle in settles {
            settle(failure.as_ref());
        }
    }
}

/// Runs a group in one transaction. On an error nothing of it is written.
fn commit(
    conn: &Connection,
    group: &mut Vec<Job>,
    settles: &mut Vec<Settle>,
) -> Result<u64, StoreError> {
    let (before, mut lost) = match begin(conn) {
        Ok(head) => (head, None),
        Err(error) => (0, Some(error)),
    };
    let head = Cell::new(before);
    let tx = Tx { conn, now: clock::now_ms(), head: &head };
    for job in group.drain(..) {
        settles.push(job(lost.is_none().then_some(&tx)));
        // A full disk makes SQLite roll the whole transaction back by itself. What follows would
        // then run, and be answered, outside of any transaction.
        if lost.is_none() && conn.is_autocommit() {
            lost = Some(StoreError::Unavailable("the transaction was rolled back".into()));
        }
    }
    let outcome = match lost {
        Some(error) => Err(error),
        None => finish(conn, before, head.get()).map(|()| head.get()),
    };
    if outcome.is_err() && !conn.is_autocommit() {
        // If even this fails, the next BEGIN says so.
        let _ = conn.execute_batch("ROLLBACK");
    }
    outcome
}

fn begin(conn: &Connection) -> Result<u64, StoreError> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let head: i64 = conn
        .prepare_cached("SELECT head_ord FROM shards WHERE shard = 0")?
        .query_row([], |row| row.get(0))?;
    Ok(head.unsigned_abs())
}

fn finish(conn: &Connection, before: u64, head: u64) -> Result<(), StoreError> {
    if head != before {
        conn.prepare_cached("UPDATE shards SET head_ord = ?1 WHERE shard = 0")?
            .execute([super::int(head)])?;
    }
    conn.execute_batch("COMMIT")?;
    Ok(())
}
