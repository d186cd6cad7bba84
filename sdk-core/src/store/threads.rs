//! The threads on which all stores of a process work. Started with the first client, not at link
//! time; an idle client has none of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::defaults;
use crate::error::StoreError;

type Job = Box<dyn FnOnce() + Send>;

/// One thread's queue. All jobs of a client go to the same one, so that they stay in order.
#[derive(Debug, Clone)]
pub(crate) struct Lane(Sender<Job>);

impl Lane {
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        // The receiver lives as long as the process.
        let _ = self.0.send(Box::new(job));
    }
}

/// The lane of what only reads, beside all that is written.
pub(crate) fn reading() -> Result<Lane, StoreError> {
    static LANE: OnceLock<Result<Lane, String>> = OnceLock::new();
    LANE.get_or_init(|| start("read")).clone().map_err(StoreError::Io)
}

/// The lane of the files of messages: what is written there may take long, and no message waits for it.
pub(crate) fn files() -> Result<Lane, StoreError> {
    static LANE: OnceLock<Result<Lane, String>> = OnceLock::new();
    LANE.get_or_init(|| start("files")).clone().map_err(StoreError::Io)
}

/// The next lane, in turn.
pub(crate) fn lane() -> Result<Lane, StoreError> {
    static LANES: OnceLock<Result<Vec<Lane>, String>> = OnceLock::new();
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let lanes = LANES.get_or_init(|| (0..defaults::STORE_THREADS).map(start).collect());
    let lanes = lanes.as_ref().map_err(|error| StoreError::Io(error.clone()))?;
    let next = NEXT.fetch_add(1, Ordering::Relaxed) % lanes.len();
    Ok(lanes[next].clone())
}

fn start(name: impl std::fmt::Display) -> Result<Lane, String> {
    let (sender, jobs): (Sender<Job>, Receiver<Job>) = channel();
    std::thread::Builder::new()
        .name(format!("tidewire-store-{name}"))
        .spawn(move || {
            for job in jobs {
                // A job that panics must not take the other clients' stores along.
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_err() {
                    tracing::error!("a job of the store panicked");
                }
            }
        })
        .map_err(|error| format!("no thread for the store: {error}"))?;
    Ok(Lane(sender))
}

pub(crate) fn gone() -> StoreError {
    StoreError::Io("the store's thread gave no answer".into())
}
