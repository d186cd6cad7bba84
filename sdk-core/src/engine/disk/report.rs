//! The cache report: which tier answered how many reads, how fast, and what it holds.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::engine::command::Reply;
use crate::engine::effect::CommandId;
use crate::engine::files::DownloadReport;
use crate::engine::query::{Repair, Sizes};
use crate::engine::stats::Tier;

/// What one tier did since the client was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TierReport {
    /// Reads that came to this tier: those that no faster one could answer.
    pub asked: u64,
    /// Of these, reads that it answered. A read is a timeline that opens, a page of older messages, a
    /// gap that is filled, a request for profiles.
    pub hits: u64,
    /// The median time of an answer in ms, as the upper end of its class: 0, 1, 2, 5, 10, 20, 50 and
    /// so on. 0 if there was none.
    pub p50_ms: u64,
    /// The time within which 90 of 100 answers came, likewise.
    pub p90_ms: u64,
    /// The time within which 99 of 100 answers came, likewise.
    pub p99_ms: u64,
    /// The longest time in ms.
    pub max_ms: u64,
    /// What is expected of the tier, in ms: 1 of memory, 10 of the disk, 100 of the server. From the design's
    /// table.
    pub expected_ms: u64,
    /// Answers that took no longer than that.
    pub as_expected: u64,
    /// What it holds, in bytes: memory, the messages of open rooms with what belongs to them, reckoned;
    /// disk, all files of the store and the downloaded files of messages; server, what was received of it.
    pub bytes: u64,
}

/// How the three tiers do, from the opening of the client on. See
/// [`crate::Client::cache_report`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheReport {
    /// The windows of open rooms.
    pub memory: TierReport,
    /// SQLite.
    pub disk: TierReport,
    /// The server.
    pub server: TierReport,
    /// Messages in memory.
    pub messages_in_memory: u64,
    /// The files of the disk tier.
    pub files: Sizes,
    /// The downloaded files of messages: not among the reads above, for they take as long as they are large.
    pub downloads: DownloadReport,
    /// From the call of `open` to the first byte from the server, in ms; none yet without one.
    pub first_byte_ms: Option<u64>,
    /// From the call of `open` until the list of rooms was known, from disk or from the server.
    pub first_list_ms: Option<u64>,
    /// From the call of `open` until the first timeline had its rows: the first screen.
    pub interactive_ms: Option<u64>,
    /// What was found damaged and mended, the last time that happened.
    pub repair: Option<Repair>,
}

/// The upper ends of the classes of time, in ms.
const CLASSES: [u64; 13] = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

#[derive(Debug, Clone, Copy, Default)]
struct Times {
    /// One more than there are classes: what is longer than all.
    counts: [u64; CLASSES.len() + 1],
    max_ms: u64,
    as_expected: u64,
}

impl Times {
    fn add(&mut self, ms: u64, expected_ms: u64) {
        let class = CLASSES.partition_point(|upper| *upper < ms);
        if let Some(count) = self.counts.get_mut(class) {
            *count += 1;
        }
        self.max_ms = self.max_ms.max(ms);
        self.as_expected += u64::from(ms <= expected_ms);
    }

    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The class that this share of the answers, in percent, does not leave.
    fn quantile(&self, percent: u64) -> u64 {
        let wanted = (self.total() * percent).div_ceil(100);
        let mut seen = 0;
        for (class, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return CLASSES.get(class).copied().unwrap_or(self.max_ms).min(self.max_ms);
            }
        }
        self.max_ms
    }

    fn report(&self, slower: u64, expected_ms: u64, bytes: u64) -> TierReport {
        let hits = self.total();
        TierReport {
            asked: hits + slower,
            hits,
            p50_ms: self.quantile(50),
            p90_ms: self.quantile(90),
            p99_ms: self.quantile(99),
            max_ms: self.max_ms,
            expected_ms,
            as_expected: self.as_expected,
            bytes,
        }
    }
}

/// What is counted for the report.
#[derive(Debug, Default)]
pub(crate) struct Tiers {
    times: BTreeMap<u64, Times>,
    /// When the client was opened, on the monotonic clock.
    opened_ms: u64,
    first_byte_ms: Option<u64>,
    first_list_ms: Option<u64>,
    interactive_ms: Option<u64>,
    pub(crate) repair: Option<Repair>,
}

impl Tiers {
    pub(crate) fn since(opened_ms: u64) -> Self {
        Self { opened_ms, ..Self::default() }
    }
}

fn expected_ms(tier: Tier) -> u64 {
    match tier {
        Tier::Memory => 1,
        Tier::Disk => 10,
        Tier::Server => 100,
    }
}

impl Engine {
    /// The same client, opened at another moment than the engine began: the store was opened first.
    pub(crate) fn opened_at(mut self, mono_ms: u64) -> Self {
        self.tiers.opened_ms = mono_ms;
        self
    }

    /// A read was answered by this tier.
    pub(crate) fn read(&mut self, tier: Tier, ms: u64) {
        self.stats.read(tier, ms);
        let expected = expected_ms(tier);
        self.tiers.times.entry(expected).or_default().add(ms, expected);
    }

    /// Notes what is there for the first time.
    pub(crate) fn advance_report(&mut self) {
        let since = self.now.mono_ms.saturating_sub(self.tiers.opened_ms);
        if self.stats.bytes_received > 0 {
            self.tiers.first_byte_ms.get_or_insert(since);
        }
        if self.shows() && (self.cursor.is_some() || !self.rooms.is_empty()) {
            self.tiers.first_list_ms.get_or_insert(since);
        }
        if self.tiers.interactive_ms.is_none() && self.windows.values().any(|window| window.loaded)
        {
            self.tiers.interactive_ms = Some(since);
        }
    }

    pub(crate) fn tell_report(&mut self, command: CommandId, sizes: Sizes) {
        let times = |tier| self.tiers.times.get(&expected_ms(tier)).copied().unwrap_or_default();
        let (memory, disk, server) = (times(Tier::Memory), times(Tier::Disk), times(Tier::Server));
        let in_memory: usize = self.windows.bytes();
        let messages: usize =
            self.windows.values().map(crate::engine::timeline::window::Window::len).sum();
        let downloads = self.files.report();
        let files = sizes.database + sizes.log + sizes.outbox + downloads.bytes;
        let report = CacheReport {
            memory: memory.report(
                disk.total() + server.total(),
                expected_ms(Tier::Memory),
                in_memory as u64,
            ),
            disk: disk.report(server.total(), expected_ms(Tier::Disk), files),
            server: server.report(0, expected_ms(Tier::Server), self.stats.bytes_received),
            messages_in_memory: messages as u64,
            files: sizes,
            downloads,
            first_byte_ms: self.tiers.first_byte_ms,
            first_list_ms: self.tiers.first_list_ms,
            interactive_ms: self.tiers.interactive_ms,
            repair: self.tiers.repair.clone(),
        };
        self.reply(command, Ok(Reply::Cache(Box::new(report))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_upper_ends_of_their_classes_and_never_above_the_longest() {
        let mut times = Times::default();
        for ms in [0, 0, 0, 1, 3, 4, 8, 12, 40, 7_000] {
            times.add(ms, 10);
        }
        let report = times.report(5, 10, 0);
        assert_eq!((report.asked, report.hits, report.as_expected), (15, 10, 7));
        assert_eq!((report.p50_ms, report.p90_ms, report.p99_ms), (5, 50, 7_000));
        assert_eq!(Times::default().report(0, 1, 0).p99_ms, 0);
    }
}
