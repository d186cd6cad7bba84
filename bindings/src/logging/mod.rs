//! The SDK's logs, for the system's log (os_log, logcat) and for a file.
//!
//! Lines are pulled in batches, for the layers above to hand to their system's log, or go straight to a file.
//! No call crosses the border for each line: that takes ten times as long. While nobody asks for a level,
//! a line of that level costs one comparison of its call site.
//!
//! Only what Tidewire itself logs is taken, of all clients of the process. No text of a message, no token
//! and no file name is ever in a log.

mod file;
mod lines;
mod sinks;

use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::error::TidewireError;
use crate::subscription::{Reader, Source};

use self::sinks::{Queue, SINKS};

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, uniffi::Enum)]
pub enum LogLevel {
    /// A defect.
    Error,
    /// Something is wrong that the client copes with.
    Warn,
    /// What a client does: few lines.
    Info,
    /// What helps to understand why.
    Debug,
    /// Every step.
    Trace,
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LogLine {
    /// When, in ms since 1970-01-01 UTC.
    pub at_ms: i64,
    /// How much it matters.
    pub level: LogLevel,
    /// Which part of the SDK says so, as `tidewire::store::repair`.
    pub target: String,
    /// What it says, with its fields as `name=value` behind it.
    pub text: String,
}

/// Lines in their order.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LogBatch {
    /// 1, 2, 3 …; asking for what comes after it acknowledges this one.
    pub number: u64,
    /// The lines, at most 256.
    pub lines: Vec<LogLine>,
    /// How many were dropped before them, because the reader was too slow.
    pub missed: u64,
}

/// A file for the logs.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LogFile {
    /// Its path; its folder has to exist. What is in it stays, and is written on behind.
    pub path: String,
    /// Lines that matter less are left out.
    pub level: LogLevel,
    /// How large it may become, in bytes: at least 10,000 (1,000,000). Then it is renamed to `path.1`, that
    /// one to `path.2` …, and a new one is begun.
    #[uniffi(default = None)]
    pub max_bytes: Option<u64>,
    /// How many of those that are full are kept: 0 to 100 (3).
    #[uniffi(default = None)]
    pub keep: Option<u32>,
}

/// Begins to write the logs of all clients into a file; an earlier one is given up. What can not be
/// written later, as on a full disk, is lost, and the next line that can be says how many. Waits for the
/// disk.
///
/// # Errors
/// `FolderUnusable` if the file can not be opened, `InvalidSetting`.
#[uniffi::export]
pub fn log_to_file(file: LogFile) -> Result<(), TidewireError> {
    SINKS.set_file(Some((file.level, file::Rotating::open(file)?)))
}

/// Ends [`log_to_file`]. Returns at once; may be called twice.
///
/// # Errors
/// `Internal`.
#[uniffi::export]
pub fn stop_log_file() -> Result<(), TidewireError> {
    SINKS.set_file(None)
}

/// The logs of all clients, from now on, without lines that matter less than `level`. Of a reader that is
/// more than 1,000 lines behind the oldest are dropped.
///
/// # Errors
/// `Internal` if something else in this process takes the logs.
#[uniffi::export]
pub fn subscribe_logs(level: LogLevel) -> Result<Arc<LogSubscription>, TidewireError> {
    let queue = SINKS.subscribe(level)?;
    let last = LogBatch { number: 0, lines: Vec::new(), missed: 0 };
    Ok(Arc::new(LogSubscription { reader: Reader::new(Lines { queue, last }) }))
}

/// The logs, in batches that the reader pulls. It ends with `cancel`, or when its last handle is gone.
#[derive(uniffi::Object)]
pub struct LogSubscription {
    reader: Arc<Reader<Lines>>,
}

struct Lines {
    queue: Arc<Queue>,
    /// The last batch, until it is acknowledged.
    last: LogBatch,
}

#[uniffi::export]
impl LogSubscription {
    /// The next lines, once there are some: those of the first batch with a number above `after`. Waits
    /// for neither network nor disk.
    ///
    /// # Errors
    /// `Closed`, `Cancelled`, `AlreadyWaiting`.
    pub async fn next(
        &self,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<LogBatch, TidewireError> {
        self.reader.next(after, cancel).await
    }

    /// Ends the subscription: `next` says `Closed` from now on.
    pub fn cancel(&self) {
        self.reader.close();
    }
}

impl Drop for LogSubscription {
    fn drop(&mut self) {
        self.reader.close();
    }
}

impl Source for Lines {
    type Batch = LogBatch;

    async fn next(&mut self, after: u64) -> Result<LogBatch, TidewireError> {
        if self.last.number > after {
            return Ok(self.last.clone());
        }
        let (lines, missed) = self.queue.take().await;
        self.last = LogBatch { number: after.max(self.last.number) + 1, lines, missed };
        Ok(self.last.clone())
    }
}

#[cfg(test)]
mod tests;
