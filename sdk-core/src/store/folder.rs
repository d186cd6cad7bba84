//! The account's folder: made, locked against a second process, unlocked on drop; and where which
//! file is in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// The file that is locked.
const LOCK: &str = "lock";

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
        let lock_path = path.join(LOCK);
        loop {
            std::fs::create_dir_all(path).map_err(|error| unusable(path, &error))?;
            let lock = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&lock_path)
                .map_err(|error| unusable(path, &error))?;
            match lock.try_lock() {
                // Whoever erased the account meanwhile has locked a file that is gone.
                Ok(()) if !is_at(&lock, &lock_path) => {}
                Ok(()) => return Ok(Self { path: path.to_owned(), lock }),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::FolderInUse { path: path.to_owned() });
                }
                Err(TryLockError::Error(error)) => return Err(unusable(path, &error)),
            }
        }
    }

    pub(super) fn paths(&self) -> Paths {
        Paths::of(&self.path)
    }

    /// Deletes everything of the account, the folder too.
    pub(super) fn erase(self) -> Result<(), StoreError> {
        let path = self.path.clone();
        let failed = |error: std::io::Error| unusable(&path, &error);
        let entries = std::fs::read_dir(&path).map_err(failed)?;
        let mut entries: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<std::io::Result<_>>()
            .map_err(failed)?;
        // The lock last: once it is gone, somebody else may begin anew here.
        entries.sort_by_key(|entry| entry.ends_with(LOCK));
        for entry in entries {
            let removed =
                if entry.is_dir() { std::fs::remove_dir_all(&entry) } else { gone(&entry) };
            removed.map_err(failed)?;
        }
        drop(self);
        match std::fs::remove_dir(&path) {
            // Somebody begins anew already.
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(failed),
        }
    }
}

/// Whether the open file is the one that has this name now.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let place = |data: std::fs::Metadata| (data.dev(), data.ino());
    let (open, named) = (file.metadata().map(place), std::fs::metadata(path).map(place));
    open.is_ok_and(|open| named.is_ok_and(|named| named == open))
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn unusable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::FolderUnusable { path: path.to_owned(), reason: error.to_string() }
}

/// Where an account's files are.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    folder: PathBuf,
    /// What exists nowhere else: the outbox.
    pub(super) own: PathBuf,
    /// What the server can fill again.
    pub(super) cache: PathBuf,
}

/// What a file made anew is called until it is whole, and until it takes its place.
const UNFINISHED: &str = "unfinished";
const READY: &str = "ready";
/// What a damaged file is called that was set aside.
const DAMAGED: &str = "damaged";

impl Paths {
    pub(super) fn of(folder: &Path) -> Self {
        let file = |name| folder.join(name);
        Self { folder: folder.to_owned(), own: file("outbox.db"), cache: file("tidewire.db") }
    }

    /// Where a new file is made, in place of `path`.
    pub(super) fn unfinished(path: &Path) -> PathBuf {
        with_suffix(path, &format!(".{UNFINISHED}"))
    }

    /// Takes what was made anew into use; until it is called `ready` nothing of this counts.
    pub(super) fn replace(&self, path: &Path) -> Result<(), StoreError> {
        let ready = with_suffix(path, &format!(".{READY}"));
        let made = Self::unfinished(path);
        let made_file = OpenOptions::new().write(true).open(&made);
        self.io(made_file.and_then(|file| file.sync_all()))?;
        self.io(std::fs::rename(made, ready))?;
        self.finish_repair()
    }

    /// Goes on with what was interrupted, whenever that was.
    pub(super) fn finish_repair(&self) -> Result<(), StoreError> {
        for path in [&self.own, &self.cache] {
            let ready = with_suffix(path, &format!(".{READY}"));
            if ready.exists() {
                self.set_aside(path)?;
                self.io(std::fs::rename(&ready, path))?;
            }
            self.remove(&Self::unfinished(path))?;
        }
        Ok(())
    }

    /// Puts a damaged file where nobody looks for it; one that was put there before goes.
    pub(super) fn set_aside(&self, path: &Path) -> Result<(), StoreError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let prefix = format!("{name}.{DAMAGED}-");
        if path.exists() {
            for entry in self.io(std::fs::read_dir(&self.folder))? {
                let entry = self.io(entry)?;
                if entry.file_name().to_string_lossy().starts_with(&prefix) {
                    self.io(gone(&entry.path()))?;
                }
            }
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let aside = with_suffix(path, &format!(".{DAMAGED}-{}", now.unwrap_or_default().as_secs()));
        // The log first: beside another file it would be taken for that one's.
        for suffix in ["-wal", ""] {
            match std::fs::rename(with_suffix(path, suffix), with_suffix(&aside, suffix)) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                renamed => self.io(renamed)?,
            }
        }
        self.io(gone(&with_suffix(path, "-shm")))
    }

    /// Removes a database with all that belongs to it.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        for suffix in ["-wal", "-shm", "-journal", ""] {
            self.io(gone(&with_suffix(path, suffix)))?;
        }
        Ok(())
    }

    pub(super) fn io<T>(&self, result: std::io::Result<T>) -> Result<T, StoreError> {
        result.map_err(|error| unusable(&self.folder, &error))
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn gone(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
