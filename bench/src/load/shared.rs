//! What all users of a run share: what they are told, and where they count.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tidewire::Mode;
use tokio::sync::watch;

use crate::figures::latencies;

/// What all users are told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    /// Whether they talk.
    pub(crate) talk: bool,
    /// Whether all that is on its way is to arrive: nothing happens to anybody any more.
    pub(crate) settle: bool,
    /// How often everybody has lost his connection by now, for which nothing but the user has to do with it.
    pub(crate) cuts: u32,
    /// How high SDK clients may go.
    pub(crate) ceiling: Option<Mode>,
    /// The heads of all rooms: who has heard everything up to his is done.
    pub(crate) heads: Option<Arc<Vec<u64>>>,
    /// Whoever is not done is done all the same.
    pub(crate) leave: bool,
}

/// As what somebody listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum By {
    Light,
    Sdk(Mode),
}

impl By {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Sdk(mode) => mode.as_str(),
        }
    }
}

/// What is counted until somebody takes it.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) sent: u64,
    pub(crate) heard: u64,
    /// From the sending to the hearing, in ms.
    pub(crate) latency: Histogram<u64>,
}

impl Default for Counted {
    fn default() -> Self {
        Self { sent: 0, heard: 0, latency: latencies() }
    }
}

#[derive(Debug, Default)]
struct Counts {
    second: Counted,
    /// Of the whole run.
    latency: BTreeMap<By, Histogram<u64>>,
    sent: u64,
    heard: u64,
    here: BTreeMap<By, usize>,
    last_back: Option<Instant>,
    refusals: u64,
}

/// What all users share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Messages tell when they were sent by how long after this.
    begin: Instant,
    orders: watch::Sender<Orders>,
    // A std mutex, because nothing awaits while it is held.
    counts: Mutex<Counts>,
    /// By room: messages that somebody was told to be in the log, or that are on their way.
    sent: Vec<AtomicU64>,
    /// Messages on their way into the log.
    pending: AtomicI64,
    /// Users who are ready for the first time.
    ready: AtomicUsize,
}

impl Shared {
    pub(crate) fn new(rooms: usize) -> Self {
        Self {
            begin: Instant::now(),
            orders: watch::Sender::new(Orders::default()),
            counts: Mutex::default(),
            sent: (0..rooms).map(|_| AtomicU64::new(0)).collect(),
            pending: AtomicI64::new(0),
            ready: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn orders(&self) -> watch::Receiver<Orders> {
        self.orders.subscribe()
    }

    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        self.orders.send_modify(change);
    }

    /// A text of so many bytes, which says when it was written.
    pub(crate) fn text(&self, bytes: usize) -> String {
        let mut text = format!("{} ", self.begin.elapsed().as_micros());
        let words = "the tide is in and the ferry can leave ".chars().cycle();
        text.extend(words.take(bytes.saturating_sub(text.len())));
        text
    }

    /// A message of a room is on its way into the log.
    pub(crate) fn sends(&self, room: usize) {
        if let Some(sent) = self.sent.get(room) {
            sent.fetch_add(1, Ordering::Relaxed);
        }
        self.pending.fetch_add(1, Ordering::Relaxed);
        let mut counts = self.lock();
        counts.sent += 1;
        counts.second.sent += 1;
    }

    /// It is in the log.
    pub(crate) fn settled(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// The server took none of it, and never will.
    pub(crate) fn refused_for_good(&self, room: usize) {
        if let Some(sent) = self.sent.get(room) {
            sent.fetch_sub(1, Ordering::Relaxed);
        }
        self.settled();
    }

    pub(crate) fn pending(&self) -> i64 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Messages of a room that were sent.
    pub(crate) fn sent_to(&self, room: usize) -> u64 {
        self.sent.get(room).map_or(0, |sent| sent.load(Ordering::Relaxed))
    }

    /// A message is heard for the first time; of others it is told how long it took.
    pub(crate) fn heard(&self, by: By, text: Option<&str>, own: bool) {
        let took = text
            .and_then(|text| text.split(' ').next()?.parse().ok())
            .map(|at| self.begin.elapsed().saturating_sub(Duration::from_micros(at)));
        let mut counts = self.lock();
        counts.heard += 1;
        counts.second.heard += 1;
        if let (Some(took), false) = (took, own) {
            let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            counts.second.latency.saturating_record(ms);
            counts.latency.entry(by).or_insert_with(latencies).saturating_record(ms);
        }
    }

    /// Somebody's way of listening changed, or he came, or went.
    pub(crate) fn moved(&self, from: Option<By>, to: Option<By>) {
        let mut counts = self.lock();
        if let Some(count) = from.and_then(|from| counts.here.get_mut(&from)) {
            *count = count.saturating_sub(1);
        }
        if let Some(to) = to {
            *counts.here.entry(to).or_default() += 1;
            if from.is_none() {
                counts.last_back = Some(Instant::now());
            }
        }
    }

    /// The server gave somebody another time.
    pub(crate) fn refused(&self) {
        self.lock().refusals += 1;
    }

    /// Somebody is where he wants to be for the first time.
    pub(crate) fn ready(&self) {
        self.ready.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn are_ready(&self) -> usize {
        self.ready.load(Ordering::Relaxed)
    }

    /// How many listen as what.
    pub(crate) fn here(&self) -> BTreeMap<By, usize> {
        self.lock().here.clone()
    }

    /// When the last one came.
    pub(crate) fn last_back(&self) -> Option<Instant> {
        self.lock().last_back
    }

    pub(crate) fn refusals(&self) -> u64 {
        self.lock().refusals
    }

    /// Takes what was counted since the last time.
    pub(crate) fn second(&self) -> Counted {
        std::mem::take(&mut self.lock().second)
    }

    /// Sent and heard, and the latencies of the whole run.
    pub(crate) fn totals(&self) -> (u64, u64, BTreeMap<By, Histogram<u64>>) {
        let counts = self.lock();
        (counts.sent, counts.heard, counts.latency.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_when_it_was_written_and_is_as_long_as_asked() {
        let shared = Shared::new(1);
        let text = shared.text(120);
        assert_eq!(text.len(), 120);
        shared.heard(By::Light, Some(&text), false);
        let (_, heard, latency) = shared.totals();
        assert_eq!(heard, 1);
        assert_eq!(latency.get(&By::Light).map(Histogram::len), Some(1));
    }
}
