//! Who gets the lines: a file, and whoever has subscribed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

use tokio::sync::Notify;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber, callsite, subscriber};

use super::file::Rotating;
use super::lines::{line, written};
use super::{LogLevel, LogLine};
use crate::error::TidewireError;

/// Lines that wait for a reader: a second of the busiest client on `Debug`.
const MOST_WAITING: usize = 1_000;
/// Lines of one batch.
const BATCH: usize = 256;

pub(super) static SINKS: Sinks = Sinks {
    file: Mutex::new(None),
    queues: RwLock::new(Vec::new()),
    least: RwLock::new(None),
    settling: Mutex::new(()),
    taken: OnceLock::new(),
};

pub(super) struct Sinks {
    file: Mutex<Option<(LogLevel, Rotating)>>,
    /// Weak, because a subscription ends when nobody holds it.
    queues: RwLock<Vec<Weak<Queue>>>,
    /// The lowest level that anybody wants, if anybody wants any.
    least: RwLock<Option<LogLevel>>,
    /// Of two who change what is wanted, the second one looks when the first has told.
    settling: Mutex<()>,
    /// Whether the logs of this process could be taken.
    taken: OnceLock<bool>,
}

impl Sinks {
    /// Puts another file in the place of the one there is.
    pub(super) fn set_file(
        &'static self,
        file: Option<(LogLevel, Rotating)>,
    ) -> Result<(), TidewireError> {
        if file.is_some() {
            self.take()?;
        }
        let last = std::mem::replace(&mut *lock(&self.file), file);
        drop(last);
        self.settle();
        Ok(())
    }

    pub(super) fn subscribe(&'static self, level: LogLevel) -> Result<Arc<Queue>, TidewireError> {
        self.take()?;
        let queue = Arc::new(Queue::new(level));
        {
            let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
            queues.retain(|queue| queue.strong_count() > 0);
            queues.push(Arc::downgrade(&queue));
        }
        self.settle();
        Ok(queue)
    }

    /// Becomes the one that gets the logs of this process, if nobody is yet.
    fn take(&'static self) -> Result<(), TidewireError> {
        if *self.taken.get_or_init(|| subscriber::set_global_default(Taking(self)).is_ok()) {
            return Ok(());
        }
        Err(TidewireError::internal("something else in this process takes the logs"))
    }

    /// Finds out anew what is wanted, and has every place in the code look whether that is for it.
    fn settle(&self) {
        let one_at_a_time = lock(&self.settling);
        let of_file = lock(&self.file).as_ref().map(|(level, _)| *level);
        let readers = self.readers();
        let least = readers.iter().map(|queue| queue.level).chain(of_file).max();
        *self.least.write().unwrap_or_else(PoisonError::into_inner) = least;
        callsite::rebuild_interest_cache();
        drop(one_at_a_time);
        // Here, because the end of the last one's subscription comes to here again.
        drop(readers);
    }

    /// Those who have subscribed, held: none of them may end under the lock.
    fn readers(&self) -> Vec<Arc<Queue>> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.iter().filter_map(Weak::upgrade).collect()
    }

    fn least(&self) -> Option<LogLevel> {
        *self.least.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, line: LogLine) {
        if let Some((level, file)) = &mut *lock(&self.file)
            && line.level <= *level
        {
            file.write(&written(&line));
        }
        for queue in self.readers() {
            if line.level <= queue.level {
                queue.push(line.clone());
            }
        }
    }
}

/// What the code of the SDK says its lines to. Spans are not kept: lines carry their ids themselves.
struct Taking(&'static Sinks);

impl Subscriber for Taking {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let ours = metadata.target().split("::").next() == Some("tidewire");
        ours && self.0.least().is_some_and(|least| LogLevel::from(*metadata.level()) <= least)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.0.least() {
            None => LevelFilter::OFF,
            Some(LogLevel::Error) => LevelFilter::ERROR,
            Some(LogLevel::Warn) => LevelFilter::WARN,
            Some(LogLevel::Info) => LevelFilter::INFO,
            Some(LogLevel::Debug) => LevelFilter::DEBUG,
            Some(LogLevel::Trace) => LevelFilter::TRACE,
        })
    }

    fn event(&self, event: &Event<'_>) {
        self.0.tell(line(event));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// Lines for one subscription.
pub(super) struct Queue {
    level: LogLevel,
    waiting: Mutex<Waiting>,
    /// That there is a line again.
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<LogLine>,
    missed: u64,
}

impl Queue {
    fn new(level: LogLevel) -> Self {
        Self { level, waiting: Mutex::default(), more: Notify::new() }
    }

    fn push(&self, line: LogLine) {
        let mut waiting = lock(&self.waiting);
        if waiting.lines.len() == MOST_WAITING {
            waiting.lines.pop_front();
            waiting.missed += 1;
        }
        waiting.lines.push_back(line);
        drop(waiting);
        self.more.notify_one();
    }

    /// The next lines, once there are some, and how many were dropped before them.
    pub(super) async fn take(&self) -> (Vec<LogLine>, u64) {
        loop {
            {
                let mut waiting = lock(&self.waiting);
                if !waiting.lines.is_empty() {
                    let count = waiting.lines.len().min(BATCH);
                    let lines = waiting.lines.drain(..count).collect();
                    return (lines, std::mem::take(&mut waiting.missed));
                }
            }
            // One that came between the look and this has left its mark there.
            self.more.notified().await;
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // So that lines that only this one wanted are made no more.
        SINKS.settle();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
