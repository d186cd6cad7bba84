//! The audience, remembered over a restart.
//!
//! Who is online is known only from those who ask. Right after a start that is nobody: thousands of
//! clients would hear of an empty house, all open sockets, and be sent back a minute later. So the
//! number is kept in the data folder, and counts for as long as a client may be silent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::policy::Audience;
use crate::presence::silence;

/// The file in the data folder.
const FILE: &str = "audience.json";

/// For how long a remembered number counts: 2.5 of the heartbeats that clients declare in the
/// foreground. By then everybody who is still there has been heard of.
pub(crate) fn lasts() -> Duration {
    silence(30_000)
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    online: u32,
    /// Until when it counts, in ms since 1970-01-01 UTC.
    until: i64,
}

/// When the number is written down while the server runs: a process that is killed has no last
/// moment to write in. Counts ticks of a second.
pub(crate) struct Diary {
    written: Audience,
    ticks: u32,
}

/// A change is written down at most this often, in ticks.
const CHANGED_TICKS: u32 = 10;
/// The number is written down at least this often, in ticks: well below the time for which it
/// counts, so that a crash always finds it.
const UNCHANGED_TICKS: u32 = 30;

impl Diary {
    /// Nothing is written down yet of this run, but what was before it still counts.
    pub(crate) fn new(now: Audience) -> Self {
        Self { written: now, ticks: 0 }
    }

    /// Whether the number is to be written down at this tick.
    pub(crate) fn is_due(&mut self, now: Audience) -> bool {
        self.ticks += 1;
        let due = self.ticks >= UNCHANGED_TICKS
            || (self.ticks >= CHANGED_TICKS && now.differs_from(&self.written));
        if due {
            *self = Self::new(now);
        }
        due
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Writes the number down, which counts for `left` from now. It is a help, not a promise: a failure
/// is told to the log only.
pub(crate) async fn remember(data_dir: &Path, online: u32, left: Duration) {
    let path = path(data_dir);
    let written = tokio::task::spawn_blocking(move || {
        let left_ms = i64::try_from(left.as_millis()).unwrap_or(i64::MAX);
        let until = clock::now_ms().saturating_add(left_ms);
        let json = serde_json::to_vec(&Remembered { online, until })?;
        // Renamed into its place: a crash leaves the one or the other.
        let aside = path.with_extension("new");
        std::fs::write(&aside, json)?;
        std::fs::rename(aside, path)
    });
    match written.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the audience could not be written down"),
        Err(error) => tracing::warn!(%error, "the audience could not be written down"),
    }
}

/// The number of before, and for how long it still counts; `None` when there is none or it is too
/// old.
pub(crate) fn recall(data_dir: &Path) -> Option<(u32, Duration)> {
    let json = std::fs::read(path(data_dir)).ok()?;
    let remembered: Remembered = serde_json::from_slice(&json).ok()?;
    let left = u64::try_from(remembered.until.checked_sub(clock::now_ms())?).ok()?;
    let left = Duration::from_millis(left);
    // A clock that went backwards makes it useless, not everlasting.
    (!left.is_zero() && left <= lasts()).then_some((remembered.online, left))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::presence::Presence;

    #[tokio::test]
    async fn the_number_counts_for_a_while_and_only_if_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(recall(folder.path()), None);
        remember(folder.path(), 1_234, lasts()).await;
        let (online, left) = recall(folder.path()).unwrap();
        assert_eq!(online, 1_234);
        assert!(left <= lasts() && left > lasts() / 2);
        let write = |online, until| {
            let json = serde_json::to_vec(&Remembered { online, until }).unwrap();
            std::fs::write(path(folder.path()), json).unwrap();
        };
        write(7, clock::now_ms() - 1);
        assert_eq!(recall(folder.path()), None, "too old");
        write(7, clock::now_ms() + 3_600_000);
        assert_eq!(recall(folder.path()), None, "from the future");
        std::fs::write(path(folder.path()), "no JSON").unwrap();
        assert_eq!(recall(folder.path()), None);
    }

    #[tokio::test]
    async fn restarts_do_not_prolong_what_nobody_has_seen_again() {
        let folder = tempfile::tempdir().unwrap();
        remember(folder.path(), 1_234, Duration::from_secs(20)).await;
        let mut last = Duration::from_secs(20);
        for _ in 0..3 {
            let now = Instant::now();
            let presence = Presence::expecting(recall(folder.path()), 100, now);
            assert_eq!(presence.online(now), 1_234);
            let (online, left) = presence.to_remember(lasts(), now);
            remember(folder.path(), online, left).await;
            let (online, left) = recall(folder.path()).unwrap();
            assert!(online == 1_234 && left <= last);
            last = left;
        }
    }

    #[test]
    fn a_number_that_stays_the_same_is_written_down_too() {
        let audience = |online| Audience { online, policy: None };
        let mut diary = Diary::new(audience(100));
        let mut due_at = |online| (1..=100).find(|_| diary.is_due(audience(online)));
        assert_eq!(due_at(100), Some(30));
        assert_eq!(due_at(100), Some(30));
        assert_eq!(due_at(200), Some(10), "a change sooner");
        assert_eq!(due_at(200), Some(30));
        assert!(Duration::from_secs(30) < lasts());
    }
}
