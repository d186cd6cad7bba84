//! The account's folder: made, locked against a second process, unlocked on drop.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// A folder that nobody else uses as long as this lives.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Drop for Folder {
    /// Closing the file is not enough: a child process that is just being forked holds it open
    /// too, until it becomes another program.
    fn drop(&mut self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the folder could not be unlocked");
        }
    }
}

impl Folder {
    pub(crate) fn lock(path: &Path) -> Result<Self, StoreError> {
        let unusable = |error: std::io::Error| StoreError::FolderUnusable {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        std::fs::create_dir_all(path).map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::FolderInUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    pub(crate) fn database_path(&self) -> PathBuf {
        self.path.join("tidewire.db")
    }
}
