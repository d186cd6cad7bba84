//! Whether short jobs are short: then one is done where it is asked for, like any computation of that
//! length. Where the disk is slow, or what is read is long, the store's own thread does it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a job may take on a thread that others need too: 1 ms, a sixteenth of a frame. A commit takes 0.1 to 0.3 ms on an
/// SSD, where the way to another thread and back would take as long again; on a slow disk 5 ms and more.
const SHORT: Duration = Duration::from_millis(1);

/// Bytes of messages from which on a page is long: 50 messages of 1.3 KB. Below it a page takes 0.1 ms on a
/// fast machine; above it the way to another thread and back counts for little.
const LONG: usize = 64 * 1024;

/// How long jobs of one kind took lately.
#[derive(Debug)]
pub(super) struct Pace {
    /// In ns, the mean of the last few: each counts for an eighth. A single one that took 10 ms where others take
    /// 0.2 ms makes the next few slow ones.
    recent: AtomicU64,
    /// Whether the last one read much. What it read stays in memory, and an allocator that has an arena for each
    /// thread fills as many as there are threads that read: one is enough.
    long: AtomicBool,
}

impl Pace {
    /// Nothing is known of this disk: slow.
    pub(super) fn new() -> Self {
        Self { recent: AtomicU64::new(2 * nanos(SHORT)), long: AtomicBool::new(false) }
    }

    /// Whether the next one will be short, as far as the last ones tell.
    pub(super) fn is_short(&self) -> bool {
        !self.long.load(Ordering::Relaxed) && self.recent.load(Ordering::Relaxed) <= nanos(SHORT)
    }

    /// Says how many bytes of messages the last one read.
    pub(super) fn read(&self, bytes: usize) {
        self.long.store(bytes > LONG, Ordering::Relaxed);
    }

    /// Does a job, and notes how long it took.
    pub(super) fn note<T>(&self, job: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let result = job();
        self.took(begun.elapsed());
        result
    }

    /// Jobs of a kind come one after the other; were two at a time, one would count for both.
    fn took(&self, time: Duration) {
        let (took, recent) = (nanos(time), self.recent.load(Ordering::Relaxed));
        self.recent.store(recent - recent / 8 + took / 8, Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_disk_is_noticed_soon_and_forgiven() {
        let pace = Pace::new();
        assert!(!pace.is_short(), "nothing is known of it");
        let fast = || {
            (0..).position(|_| {
                pace.is_short() || {
                    pace.took(SHORT / 4);
                    false
                }
            })
        };
        assert!(fast().is_some_and(|jobs| (2..20).contains(&jobs)));
        pace.took(SHORT * 20);
        assert!(!pace.is_short(), "one that is far too long");
        assert!(fast().is_some_and(|jobs| (2..40).contains(&jobs)));
        (0..20).for_each(|_| pace.took(SHORT * 2));
        assert!(!pace.is_short(), "many that are just too long");
        (0..1_000).for_each(|_| pace.took(SHORT * 2));
        assert!(fast().is_some_and(|jobs| (2..40).contains(&jobs)), "that is no debt");
        pace.read(50 * 8_192);
        assert!(!pace.is_short(), "a page of the longest messages");
        pace.read(50 * 300);
        assert!(pace.is_short(), "and one of a chat's");
    }
}
