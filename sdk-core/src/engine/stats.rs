//! Counters: what the client did and what it cost, in all and by mode.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidewire_protocol::Mode;

use crate::config::millis;
use crate::defaults;

/// Which tier answered a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The windows of open rooms, in memory.
    Memory,
    /// SQLite.
    Disk,
    /// The server.
    Server,
}

/// Reads that one tier answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TierStats {
    /// How many.
    pub reads: u64,
    /// How long they took together, in ms.
    pub total_ms: u64,
}

/// Payload that passed, in bytes: bodies of HTTP requests and answers, as they are before and after
/// compression, and the text of socket frames and event streams. Headers, framing, TLS and TCP are not in it, so that
/// the number tells what the protocol costs, whatever carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Given to the network.
    pub sent: u64,
    /// Taken from it.
    pub received: u64,
}

/// Counters since the start of the client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// HTTP requests made.
    pub requests: u64,
    /// Of these and of `sync` frames, reads of the feed.
    pub polls: u64,
    /// Sockets opened.
    pub sockets: u64,
    /// Event streams opened.
    pub streams: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Requests, counted for each room in them, and frames that carried operations of the outbox.
    pub sends: u64,
    /// Frames received, over sockets and event streams.
    pub frames_received: u64,
    /// Bytes of payload sent: see [`Traffic`].
    pub bytes_sent: u64,
    /// Bytes of payload received: see [`Traffic`].
    pub bytes_received: u64,
    /// Times that the client itself began to use the network after a silence, in which nothing was
    /// sent or received, of at least [`crate::defaults::RADIO_IDLE`] (1 s). Each one wakes a
    /// phone's radio, which costs more than the bytes that follow. What the server pushes into a
    /// silence is not counted, though it ends it; a request, a frame or a socket's opening is, but
    /// only the first of a burst.
    pub wakeups: u64,
    /// Pages taken.
    pub pages: u64,
    /// Pages dropped because they did not go on from the cursor, or came from a former reader.
    pub pages_dropped: u64,
    /// Events that were new.
    pub events: u64,
    /// Events that were held already.
    pub events_repeated: u64,
    /// Times that the client began anew because its cursor was not valid any more.
    pub bootstraps: u64,
    /// Reads answered from memory.
    pub memory: TierStats,
    /// Reads answered from disk.
    pub disk: TierStats,
    /// Reads answered by the server.
    pub server: TierStats,
    /// The tier that answered the last read, if there was one. No counter: a sum has that of its
    /// second part, if there was a read in it.
    pub last_tier: Option<Tier>,
}

/// Applies `$op` to every counter of two [`Stats`]; `$last` is the last tier of the result.
macro_rules! each_counter {
    ($a:ident, $b:ident, $op:expr, $last:expr) => {{
        let tier = |a: TierStats, b: TierStats| TierStats {
            reads: $op(a.reads, b.reads),
            total_ms: $op(a.total_ms, b.total_ms),
        };
        Stats {
            requests: $op($a.requests, $b.requests),
            polls: $op($a.polls, $b.polls),
            sockets: $op($a.sockets, $b.sockets),
            streams: $op($a.streams, $b.streams),
            frames_sent: $op($a.frames_sent, $b.frames_sent),
            sends: $op($a.sends, $b.sends),
            frames_received: $op($a.frames_received, $b.frames_received),
            bytes_sent: $op($a.bytes_sent, $b.bytes_sent),
            bytes_received: $op($a.bytes_received, $b.bytes_received),
            wakeups: $op($a.wakeups, $b.wakeups),
            pages: $op($a.pages, $b.pages),
            pages_dropped: $op($a.pages_dropped, $b.pages_dropped),
            events: $op($a.events, $b.events),
            events_repeated: $op($a.events_repeated, $b.events_repeated),
            bootstraps: $op($a.bootstraps, $b.bootstraps),
            memory: tier($a.memory, $b.memory),
            disk: tier($a.disk, $b.disk),
            server: tier($a.server, $b.server),
            last_tier: $last,
        }
    }};
}

impl Stats {
    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Stats) -> Stats {
        each_counter!(self, other, u64::saturating_add, other.last_tier.or(self.last_tier))
    }

    /// What was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Stats) -> Stats {
        let read = self.reads() > before.reads();
        each_counter!(self, before, u64::saturating_sub, self.last_tier.filter(|_| read))
    }

    fn reads(&self) -> u64 {
        self.memory.reads + self.disk.reads + self.server.reads
    }

    pub(crate) fn read(&mut self, tier: Tier, ms: u64) {
        let stats = match tier {
            Tier::Memory => &mut self.memory,
            Tier::Disk => &mut self.disk,
            Tier::Server => &mut self.server,
        };
        stats.reads += 1;
        stats.total_ms += ms;
        self.last_tier = Some(tier);
    }
}

/// When the network was last used: the silence that a wake-up ends.
#[derive(Debug, Default)]
pub(crate) struct Radio {
    used_ms: Option<u64>,
}

impl Radio {
    /// It carries something now. Whether that ends a silence.
    pub(crate) fn used(&mut self, now_ms: u64) -> bool {
        let idle = millis(defaults::RADIO_IDLE);
        let before = self.used_ms.replace(now_ms);
        before.is_none_or(|before| now_ms.saturating_sub(before) >= idle)
    }
}

impl Radio {
    /// Whether it is still awake from the last use, so that one more wakes nobody.
    pub(crate) fn is_awake(&self, now_ms: u64) -> bool {
        let idle = millis(defaults::RADIO_IDLE);
        self.used_ms.is_some_and(|used| now_ms.saturating_sub(used) < idle)
    }
}

/// The counters of each mode, kept by difference: whoever counts does not need to know the mode.
#[derive(Debug, Default)]
pub(crate) struct ModeStats {
    ended: BTreeMap<Mode, Stats>,
    at_change: Stats,
}

impl ModeStats {
    /// The mode `from` ends, with these counters.
    pub(crate) fn change(&mut self, from: Mode, now: &Stats) {
        *self.ended.entry(from).or_default() = self.of(from).plus(&now.since(&self.at_change));
        self.at_change = now.clone();
    }

    /// All modes so far; `current` is the one that goes on.
    pub(crate) fn all(&self, current: Mode, now: &Stats) -> BTreeMap<Mode, Stats> {
        let mut all = self.ended.clone();
        all.insert(current, self.of(current).plus(&now.since(&self.at_change)));
        all
    }

    fn of(&self, mode: Mode) -> Stats {
        self.ended.get(&mode).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_belongs_to_the_mode_that_it_was_made_in() {
        let mut modes = ModeStats::default();
        let mut stats = Stats { requests: 3, ..Stats::default() };
        modes.change(Mode::Polling, &stats);
        stats.requests = 4;
        stats.sockets = 1;
        modes.change(Mode::RealTime, &stats);
        stats.requests = 9;
        let all = modes.all(Mode::Polling, &stats);
        assert_eq!((all[&Mode::Polling].requests, all[&Mode::Polling].sockets), (8, 0));
        assert_eq!((all[&Mode::RealTime].requests, all[&Mode::RealTime].sockets), (1, 1));
        let sum = all.values().fold(Stats::default(), |sum, stats| sum.plus(stats));
        assert_eq!(sum, stats);
    }

    #[test]
    fn bytes_and_wakeups_are_counted_by_mode_and_the_last_tier_is_of_the_mode_that_read() {
        let mut modes = ModeStats::default();
        let mut stats =
            Stats { bytes_sent: 10, bytes_received: 20, wakeups: 1, ..Stats::default() };
        stats.read(Tier::Disk, 3);
        modes.change(Mode::RealTime, &stats);
        stats.bytes_received = 25;
        stats.wakeups = 2;
        let all = modes.all(Mode::Polling, &stats);
        let of = |mode| {
            let stats: &Stats = &all[&mode];
            (stats.bytes_sent, stats.bytes_received, stats.wakeups, stats.last_tier)
        };
        assert_eq!(of(Mode::RealTime), (10, 20, 1, Some(Tier::Disk)));
        assert_eq!(of(Mode::Polling), (0, 5, 1, None));
        stats.read(Tier::Server, 3);
        assert_eq!(modes.all(Mode::Polling, &stats)[&Mode::Polling].last_tier, Some(Tier::Server));
    }

    #[test]
    fn only_the_first_of_a_burst_ends_a_silence() {
        let mut radio = Radio::default();
        let ends: Vec<bool> =
            [0, 10, 999, 1_998, 2_998, 3_000].into_iter().map(|ms| radio.used(ms)).collect();
        assert_eq!(ends, [true, false, false, false, true, false]);
    }
}
