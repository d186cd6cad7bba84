//! The client's own copies of files that are to be sent: in the account's folder, made before the message
//! is queued, and gone once it is in the log.
//!
//! A copy belongs to whoever makes it until the message is on disk. What is there at a start and belongs to
//! nobody was left by a process that ended in between.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};
use tidewire_protocol::{Checksum, UploadId};

use crate::defaults;
use crate::engine::OutgoingFile;
use crate::error::{Error, FileError, StoreError};

/// The copies of one client.
#[derive(Debug)]
pub(crate) struct Outgoing {
    folder: PathBuf,
    /// Whether there is no account's folder: then this one goes with the client.
    temporary: bool,
    /// Locked for moments only, never while a file is copied.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Copies that belong to whoever makes them.
    taken: BTreeSet<UploadId>,
    /// The account is gone: nothing may be written into its folder any more.
    closed: bool,
}

/// A copy, until the message that it is for is on disk. Dropped before that, it is deleted.
#[derive(Debug)]
pub(crate) struct Copy {
    outgoing: Arc<Outgoing>,
    id: UploadId,
    /// Whether it may be somebody else's by now.
    given: bool,
    pub(crate) size: u64,
    pub(crate) sha256: Checksum,
}

impl Outgoing {
    /// Below an account's folder.
    pub(crate) fn of(account: &Path) -> Arc<Self> {
        let folder = account.join("files").join("outgoing");
        Arc::new(Self { folder, temporary: false, state: Mutex::default() })
    }

    /// Of a client whose data ends with it.
    pub(crate) fn temporary() -> Arc<Self> {
        let folder = std::env::temp_dir().join(format!("tidewire-{}", uuid::Uuid::now_v7()));
        Arc::new(Self { folder, temporary: true, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the copy of an upload is.
    pub(crate) fn path(&self, id: UploadId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    /// Copies a file, of at most so many bytes, to the disk itself. Blocks.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Store`] if it is the copy that can not be written, [`Error::Closed`]. Nothing is
    /// left then.
    pub(crate) fn copy(
        self: &Arc<Self>,
        from: &Path,
        id: UploadId,
        most: u64,
    ) -> Result<Copy, Error> {
        // A pipe would never end, and a folder says so only when it is read.
        let about = std::fs::metadata(from).map_err(|error| source(from, &error))?;
        if !about.is_file() {
            return Err(of(from, FileError::NoFile));
        }
        let told = about.len();
        check_size(from, told, most)?;
        let mut file = File::open(from).map_err(|error| source(from, &error))?;
        let mut copy = Copy {
            outgoing: self.clone(),
            id,
            given: false,
            size: 0,
            sha256: Checksum::new([0; 32]),
        };
        let mut target = {
            let mut state = self.state();
            if state.closed {
                copy.given = true;
                return Err(Error::Closed);
            }
            state.taken.insert(id);
            self.create(id).map_err(|error| self.unwritable(&error))?
        };
        let mut hash = Sha256::new();
        let mut buffer = vec![0; defaults::UPLOAD_CHUNK];
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(source(from, &error)),
            };
            copy.size += read as u64;
            check_size(from, copy.size, most)?;
            hash.update(&buffer[..read]);
            target.write_all(&buffer[..read]).map_err(|error| self.unwritable(&error))?;
        }
        if copy.size != told {
            // Half of something: whoever writes it is not done.
            return Err(of(from, FileError::Changed));
        }
        copy.sha256 = Checksum::new(hash.finalize().into());
        let synced = target.sync_all().and_then(|()| sync_folder(&self.folder));
        synced.map_err(|error| self.unwritable(&error))?;
        Ok(copy)
    }

    fn create(&self, id: UploadId) -> std::io::Result<File> {
        let mut folder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.recursive(true).create(&self.folder)?;
        OpenOptions::new().write(true).create_new(true).open(self.path(id))
    }

    fn unwritable(&self, error: &std::io::Error) -> Error {
        Error::Store(match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
            _ => {
                StoreError::FolderUnusable { path: self.folder.clone(), reason: error.to_string() }
            }
        })
    }

    /// The message is in the log or was taken back: the copy goes. Blocks. One that can not be deleted is at the
    /// next start.
    pub(crate) fn done(&self, id: UploadId) {
        if let Err(error) = std::fs::remove_file(self.path(id))
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(upload = %id, %error, "the copy of a file could not be deleted");
        }
    }

    /// Says where copies are, and deletes those that belong to nobody. Blocks.
    pub(crate) fn settle<'a>(&self, files: impl Iterator<Item = &'a mut OutgoingFile>) {
        let mut known = BTreeSet::new();
        for file in files {
            file.path = self.path(file.id);
            known.insert(file.id);
        }
        let state = self.state();
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let id = entry.file_name().to_str().and_then(|name| name.parse::<UploadId>().ok());
            if id.is_none_or(|id| !known.contains(&id) && !state.taken.contains(&id)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// The account goes: nothing is written any more.
    pub(crate) fn close(&self) {
        self.state().closed = true;
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        if self.temporary {
            // Mostly it was never made.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Copy {
    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.outgoing.path(self.id)
    }

    /// From now on it is the outbox's, or nobody knows: only a start deletes it, if it is nobody's.
    pub(crate) fn give(&mut self) {
        self.given = true;
    }

    /// The outbox did not take it.
    pub(crate) fn take_back(&mut self) {
        self.given = false;
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !self.given {
            self.outgoing.done(self.id);
        }
        self.outgoing.state().taken.remove(&self.id);
    }
}

fn check_size(from: &Path, bytes: u64, most: u64) -> Result<(), Error> {
    match bytes {
        0 => Err(of(from, FileError::Empty)),
        bytes if bytes > most => Err(of(from, FileError::TooLarge { max_bytes: most })),
        _ => Ok(()),
    }
}

fn of(path: &Path, error: FileError) -> Error {
    Error::File { path: path.to_owned(), error }
}

fn source(path: &Path, error: &std::io::Error) -> Error {
    of(
        path,
        match error.kind() {
            ErrorKind::NotFound => FileError::Missing,
            _ => FileError::Unreadable(error.to_string()),
        },
    )
}

/// A name in a folder is on the disk once the folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}
