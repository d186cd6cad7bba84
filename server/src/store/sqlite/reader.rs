//! Threads that read, each with a connection of its own. Every read is one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::store::StoreError;

/// Reads that may wait. Callers beyond it wait for a place.
const QUEUE: usize = 4_096;

type Job = Box<dyn FnOnce(&Connection) + Send>;
/// One thread waits in it, the others for the lock: whoever is free takes the next job.
type Queue = Arc<Mutex<mpsc::Receiver<Job>>>;

/// The way to the reading threads.
pub(super) struct Readers {
    jobs: mpsc::Sender<Job>,
}

impl Readers {
    /// Starts a thread for each connection. They end when the last handle is dropped.
    pub(super) fn start(conns: Vec<Connection>) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let queue: Queue = Arc::new(Mutex::new(queue));
        let mut threads = Vec::with_capacity(conns.len());
        for conn in conns {
            let queue = queue.clone();
            let thread = std::thread::Builder::new()
                .name("tidewire-reader".into())
                .spawn(move || run(&conn, &queue))?;
            threads.push(thread);
        }
        Ok((Self { jobs }, threads))
    }

    /// Another way to the same threads.
    pub(super) fn handle(&self) -> Self {
        Self { jobs: self.jobs.clone() }
    }

    /// Jobs that wait.
    pub(super) fn waiting(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }

    /// Runs `job` in a transaction that sees one moment.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |conn| {
            // Nobody waits for the answer any more: the client hung up.
            if reply.is_closed() {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(|| in_snapshot(conn, job)))
                .unwrap_or_else(|_| Err(StoreError::Failed("a read panicked".into())));
            let _ = reply.send(result);
        });
        self.jobs.send(job).await.map_err(|_| StoreError::closed())?;
        answer.await.map_err(|_| StoreError::Failed("a reader dropped a job".into()))?
    }
}

fn in_snapshot<T>(
    conn: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    // Dropped at the end, it rolls back, which for a read is the same as a commit.
    let snapshot = conn.unchecked_transaction()?;
    job(&snapshot)
}

fn run(conn: &Connection, queue: &Queue) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        match job {
            Some(job) => job(conn),
            None => return,
        }
    }
}
