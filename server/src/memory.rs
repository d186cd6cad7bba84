//! The audience, remembered over a restart.
//!
//! Who is online is known only from those who ask. Right after a start that is nobody: thousands of
//! clients would hear of an empty house, all open sockets, and be sent back a minute later. So the
//! number is kept in the data folder, and counts for as long as a client may be silent.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::presence::silence;

/// The file in the data folder.
const FILE: &str = "audience.json";

/// For how long a remembered number counts: 2.5 of the heartbeats that clients declare in the
/// foreground. By then everybody who is still there has been heard of.
fn lasts() -> Duration {
    silence(30_000)
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    online: u32,
    /// In ms since 1970-01-01 UTC.
    at: i64,
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

/// Writes the number down. It is a help, not a promise: a failure is told to the log only.
pub(crate) async fn remember(data_dir: &Path, online: u32) {
    let path = path(data_dir);
    let written = tokio::task::spawn_blocking(move || {
        let json = serde_json::to_vec(&Remembered { online, at: clock::now_ms() })?;
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
    // A clock that went backwards makes it useless, not everlasting.
    let age = u64::try_from(clock::now_ms().checked_sub(remembered.at)?).ok()?;
    let left = lasts().checked_sub(Duration::from_millis(age))?;
    Some((remembered.online, left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_number_counts_for_a_while_and_only_if_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(recall(folder.path()), None);
        remember(folder.path(), 1_234).await;
        let (online, left) = recall(folder.path()).unwrap();
        assert_eq!(online, 1_234);
        assert!(left <= lasts());
        let write = |online, at| {
            let json = serde_json::to_vec(&Remembered { online, at }).unwrap();
            std::fs::write(path(folder.path()), json).unwrap();
        };
        write(7, clock::now_ms() - 75_001);
        assert_eq!(recall(folder.path()), None, "too old");
        write(7, clock::now_ms() + 3_600_000);
        assert_eq!(recall(folder.path()), None, "from the future");
        std::fs::write(path(folder.path()), "no JSON").unwrap();
        assert_eq!(recall(folder.path()), None);
    }
}
