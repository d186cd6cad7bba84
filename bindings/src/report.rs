//! What the three tiers did, what was mended, and the end of an account on this device.

use crate::client::Client;
use crate::error::TidewireError;
use crate::runtime::{finish, run};

/// What one tier did since the client was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct TierReport {
    /// Reads that came to this tier: those that no faster one could answer.
    pub asked: u64,
    /// Of these, reads that it answered. A read is a timeline that opens, a page of older messages,
    /// a gap that is filled, a request for profiles.
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
    /// What is expected of the tier, in ms: 1 of memory, 10 of the disk, 100 of the server.
    pub expected_ms: u64,
    /// Answers that took no longer than that.
    pub as_expected: u64,
    /// What it holds, in bytes: memory, the messages of open rooms with what belongs to them; disk,
    /// all files of the store; server, what was received of it.
    pub bytes: u64,
}

/// How large the store's files are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Sizes {
    /// Of the cache's database, what is in use: what `cache_bytes` bounds.
    pub used: u64,
    /// The cache's database, with the pages that are free to be used again.
    pub database: u64,
    /// Its write-ahead log.
    pub log: u64,
    /// The outbox's database.
    pub outbox: u64,
}

/// What became of the files that the app wanted, since the client was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct DownloadReport {
    /// Files that were on the device already.
    pub from_disk: u64,
    /// Files that were fetched.
    pub from_server: u64,
    /// Files that are kept now.
    pub files: u64,
    /// Bytes of files that are kept, and of parts of others.
    pub bytes: u64,
    /// Bytes of files that were received.
    pub received: u64,
}

/// What was found damaged on disk, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Repair {
    /// What was wrong, for the log.
    pub reason: String,
    /// Whether the cache was set aside: rooms and messages come from the server again.
    pub cache: bool,
    /// If the outbox was damaged: how many pending operations were read from it, and are kept.
    pub outbox: Option<u64>,
    /// Whether that was all of them. Without it something is lost, which `accept_loss` allowed.
    pub complete: bool,
}

/// How the three tiers do, from the opening of the client on.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
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
    /// The downloaded files of messages.
    pub downloads: DownloadReport,
    /// From opening to the first byte from the server, in ms; none yet without one.
    pub first_byte_ms: Option<u64>,
    /// From opening until the list of rooms was known, from disk or from the server, in ms.
    pub first_list_ms: Option<u64>,
    /// From opening until the first timeline had its rows, in ms: the first screen.
    pub interactive_ms: Option<u64>,
    /// What was found damaged and mended, the last time that happened.
    pub repair: Option<Repair>,
}

/// What a logout does about what was not sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Logout {
    /// Nothing is lost: with pending sends the logout is refused.
    Keep,
    /// Pending sends are given up.
    Discard,
}

#[uniffi::export]
impl Client {
    /// Which tier answered how many reads, how fast, and what each holds; and how long the client
    /// took to its first byte, list and screen. Waits for the disk.
    ///
    /// # Errors
    /// `Suspended`, `Closed`, those of the store.
    pub async fn cache_report(&self) -> Result<CacheReport, TidewireError> {
        let client = self.inner.clone();
        run(async move { Ok(client.cache_report().await?.into()) }).await
    }

    /// Ends the client and the account on this device: all its files go, but for what it records
    /// into. With `Keep` that is refused while something waits to be sent. Once it has begun it is
    /// carried through, awaited or not. Waits for the disk.
    ///
    /// # Errors
    /// `PendingSends` and, while the app is suspended, `Suspended` with `Keep`: nothing has changed
    /// then, and the client goes on. Those of the store: the client has ended, and some of its files
    /// may be left. `Closed`.
    pub async fn logout(&self, logout: Logout) -> Result<(), TidewireError> {
        let client = self.inner.clone();
        finish(async move { Ok(client.logout(logout.into()).await?) }).await
    }
}

impl From<Logout> for tidewire::Logout {
    fn from(logout: Logout) -> Self {
        match logout {
            Logout::Keep => Self::Keep,
            Logout::Discard => Self::Discard,
        }
    }
}

impl From<tidewire::Repair> for Repair {
    fn from(repair: tidewire::Repair) -> Self {
        let tidewire::Repair { reason, cache, outbox, complete } = repair;
        Self { reason, cache, outbox, complete }
    }
}

impl From<tidewire::TierReport> for TierReport {
    fn from(report: tidewire::TierReport) -> Self {
        Self {
            asked: report.asked,
            hits: report.hits,
            p50_ms: report.p50_ms,
            p90_ms: report.p90_ms,
            p99_ms: report.p99_ms,
            max_ms: report.max_ms,
            expected_ms: report.expected_ms,
            as_expected: report.as_expected,
            bytes: report.bytes,
        }
    }
}

impl From<tidewire::CacheReport> for CacheReport {
    fn from(report: tidewire::CacheReport) -> Self {
        let tidewire::Sizes { used, database, log, outbox } = report.files;
        let tidewire::DownloadReport { from_disk, from_server, files, bytes, received } =
            report.downloads;
        Self {
            memory: report.memory.into(),
            disk: report.disk.into(),
            server: report.server.into(),
            messages_in_memory: report.messages_in_memory,
            files: Sizes { used, database, log, outbox },
            downloads: DownloadReport { from_disk, from_server, files, bytes, received },
            first_byte_ms: report.first_byte_ms,
            first_list_ms: report.first_list_ms,
            interactive_ms: report.interactive_ms,
            repair: report.repair.map(Repair::from),
        }
    }
}
