//! Counters: what the client did and what it cost, in all and by mode.

use std::collections::BTreeMap;

use tidewire_protocol::Mode;

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

/// Counters since the start of the client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// HTTP requests made.
    pub requests: u64,
    /// Of these and of `sync` frames, reads of the feed.
    pub polls: u64,
    /// Sockets opened.
    pub sockets: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Frames received.
    pub frames_received: u64,
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
}

/// Applies `$op` to every counter of two [`Stats`].
macro_rules! each_counter {
    ($a:ident, $b:ident, $op:expr) => {{
        let tier = |a: TierStats, b: TierStats| TierStats {
            reads: $op(a.reads, b.reads),
            total_ms: $op(a.total_ms, b.total_ms),
        };
        Stats {
            requests: $op($a.requests, $b.requests),
            polls: $op($a.polls, $b.polls),
            sockets: $op($a.sockets, $b.sockets),
            frames_sent: $op($a.frames_sent, $b.frames_sent),
            frames_received: $op($a.frames_received, $b.frames_received),
            pages: $op($a.pages, $b.pages),
            pages_dropped: $op($a.pages_dropped, $b.pages_dropped),
            events: $op($a.events, $b.events),
            events_repeated: $op($a.events_repeated, $b.events_repeated),
            bootstraps: $op($a.bootstraps, $b.bootstraps),
            memory: tier($a.memory, $b.memory),
            disk: tier($a.disk, $b.disk),
            server: tier($a.server, $b.server),
        }
    }};
}

impl Stats {
    /// The sum of both.
    #[must_use]
    pub fn plus(&self, other: &Stats) -> Stats {
        each_counter!(self, other, u64::saturating_add)
    }

    /// What was counted since `before`.
    #[must_use]
    pub fn since(&self, before: &Stats) -> Stats {
        each_counter!(self, before, u64::saturating_sub)
    }

    pub(crate) fn read(&mut self, tier: Tier, ms: u64) {
        let stats = match tier {
            Tier::Memory => &mut self.memory,
            Tier::Disk => &mut self.disk,
            Tier::Server => &mut self.server,
        };
        stats.reads += 1;
        stats.total_ms += ms;
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
}
