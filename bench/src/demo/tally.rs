//! Who sent what, who saw what: counted outside the SDK.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;
use tidewire::{EventId, Message, Mode, RoomId, Row, Stats, UserId};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::figures::latencies;

/// Numbers of one mode.
#[derive(Debug, Clone)]
pub(crate) struct ModeTally {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) repeated: u64,
    pub(crate) out_of_order: u64,
    /// From `send` to the receiver's screen, in ms, by the receiver's mode at that time.
    pub(crate) latency_ms: Histogram<u64>,
    /// What the clients' own counters say.
    pub(crate) spent: Stats,
}

impl Default for ModeTally {
    fn default() -> Self {
        Self {
            sent: 0,
            received: 0,
            lost: 0,
            repeated: 0,
            out_of_order: 0,
            latency_ms: latencies(),
            spent: Stats::default(),
        }
    }
}

#[derive(Debug)]
struct Sent {
    room: RoomId,
    mode: Mode,
}

#[derive(Debug, Default)]
struct Inner {
    /// When a user began to send his n-th message.
    begun: HashMap<(UserId, u64), Instant>,
    sent: HashMap<EventId, Sent>,
    /// What each user has seen, by room. A user is in the list from his arrival in the room on.
    seen: BTreeMap<(RoomId, UserId), HashSet<EventId>>,
    modes: BTreeMap<Mode, ModeTally>,
    now_in: BTreeMap<Mode, usize>,
    switches: u64,
    /// Users who still have something in the outbox, or do not tell otherwise.
    sending: HashSet<UserId>,
}

/// The tally of all users.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    // A std mutex, because nothing awaits while it is held.
    inner: Mutex<Inner>,
    changed: Notify,
}

/// Whether everything arrived within the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calm {
    pub(crate) complete: bool,
    pub(crate) after: Duration,
}

impl Tally {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A user sends his n-th message now. Others may see it before he learns its id.
    pub(crate) fn begins(&self, user: &UserId, number: u64) {
        self.lock().begun.insert((user.clone(), number), Instant::now());
    }

    /// It is in the outbox.
    pub(crate) fn sent(&self, id: EventId, room: RoomId, mode: Mode) {
        let mut inner = self.lock();
        inner.modes.entry(mode).or_default().sent += 1;
        inner.sent.insert(id, Sent { room, mode });
    }

    /// A user is in a room and looks at it.
    pub(crate) fn present(&self, room: RoomId, user: &UserId) {
        self.lock().seen.entry((room, user.clone())).or_default();
    }

    /// A user sees a message that is in the log.
    pub(crate) fn received(&self, user: &UserId, mode: Mode, message: &Message, at: Instant) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let seen = inner.seen.entry((message.room, user.clone())).or_default();
        let first = seen.insert(message.id);
        let tally = inner.modes.entry(mode).or_default();
        if !first {
            return;
        }
        tally.received += 1;
        if message.sender != *user
            && let Some(number) = number_of(message)
            && let Some(begun) = inner.begun.get(&(message.sender.clone(), number))
        {
            let latency = at.saturating_duration_since(*begun).as_millis();
            tally.latency_ms.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX));
        }
        self.changed.notify_waiters();
    }

    /// The rows that a user sees: each once, by seq, and each sender's in the order of sending.
    pub(crate) fn check(&self, mode: Mode, rows: &[Row]) {
        let mut ids = HashSet::with_capacity(rows.len());
        let mut last_seq = None;
        let mut last_number: HashMap<&UserId, u64> = HashMap::new();
        let (mut repeated, mut out_of_order) = (0, 0);
        for message in rows.iter().filter_map(Row::message) {
            if !ids.insert(message.id) {
                repeated += 1;
            }
            if let Some(seq) = message.seq {
                if last_seq.is_some_and(|last| seq <= last) {
                    out_of_order += 1;
                }
                last_seq = Some(seq);
            }
            if let Some(number) = number_of(message) {
                let last = last_number.insert(&message.sender, number);
                if last.is_some_and(|last| number <= last) {
                    out_of_order += 1;
                }
            }
        }
        if repeated + out_of_order > 0 {
            let mut inner = self.lock();
            let tally = inner.modes.entry(mode).or_default();
            tally.repeated += repeated;
            tally.out_of_order += out_of_order;
        }
    }

    /// A row came in that was there before and had not gone.
    pub(crate) fn repeated(&self, mode: Mode) {
        self.lock().modes.entry(mode).or_default().repeated += 1;
    }

    /// A user's mode changed, or he arrived (`from` is none) or left (`to` is none).
    pub(crate) fn moved(&self, from: Option<Mode>, to: Option<Mode>) {
        let mut inner = self.lock();
        if let Some(mode) = from {
            let count = inner.now_in.entry(mode).or_default();
            *count = count.saturating_sub(1);
            inner.switches += u64::from(to.is_some());
        }
        if let Some(mode) = to {
            *inner.now_in.entry(mode).or_default() += 1;
        }
    }

    /// What a client did in all its time.
    pub(crate) fn spent(&self, modes: BTreeMap<Mode, Stats>) {
        let mut inner = self.lock();
        for (mode, spent) in modes {
            let tally = inner.modes.entry(mode).or_default();
            tally.spent = tally.spent.plus(&spent);
        }
    }

    /// Whether a user's outbox is empty.
    pub(crate) fn outbox(&self, user: &UserId, empty: bool) {
        let mut inner = self.lock();
        if empty {
            inner.sending.remove(user);
        } else {
            inner.sending.insert(user.clone());
        }
        drop(inner);
        self.changed.notify_waiters();
    }

    /// Waits until everybody has seen everything that was sent to his room, and nobody has
    /// anything left to send.
    pub(crate) async fn wait_until_complete(&self, most: Duration) -> Calm {
        let begin = Instant::now();
        let complete = async {
            loop {
                let changed = self.changed.notified();
                if self.missing().is_empty() && self.lock().sending.is_empty() {
                    return;
                }
                // Looked at ten times a second at most: it counts everything.
                changed.await;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let complete = tokio::time::timeout(most, complete).await.is_ok();
        let after = begin.elapsed();
        let missing = self.missing();
        let mut inner = self.lock();
        for id in missing {
            if let Some(mode) = inner.sent.get(&id).map(|sent| sent.mode) {
                inner.modes.entry(mode).or_default().lost += 1;
            }
        }
        Calm { complete, after }
    }

    /// Each message once for each user who is in its room and has not seen it.
    fn missing(&self) -> Vec<EventId> {
        let inner = self.lock();
        let mut by_room: HashMap<RoomId, Vec<EventId>> = HashMap::new();
        for (id, sent) in &inner.sent {
            by_room.entry(sent.room).or_default().push(*id);
        }
        let mut missing = Vec::new();
        for ((room, _), seen) in &inner.seen {
            let sent = by_room.get(room).map(Vec::as_slice).unwrap_or_default();
            missing.extend(sent.iter().filter(|id| !seen.contains(id)));
        }
        missing
    }

    pub(crate) fn modes(&self) -> BTreeMap<Mode, ModeTally> {
        self.lock().modes.clone()
    }

    pub(crate) fn switches(&self) -> u64 {
        self.lock().switches
    }

    /// One line on where things stand.
    pub(crate) fn progress(&self) -> String {
        let inner = self.lock();
        let modes: Vec<String> = inner
            .now_in
            .iter()
            .rev()
            .filter(|(_, count)| **count > 0)
            .map(|(mode, count)| format!("{count} {mode}"))
            .collect();
        let received: u64 = inner.modes.values().map(|mode| mode.received).sum();
        format!("{}; {} sent, {received} seen", modes.join(", "), inner.sent.len())
    }
}

/// The number that a sender put into a message: 1, 2, 3 … in the order of sending.
fn number_of(message: &Message) -> Option<u64> {
    message.text()?.rsplit('#').next()?.parse().ok()
}
