//! Files of messages as an app gets them: downloads, and the files on this device that come of them.

mod folder;
#[cfg(feature = "pictures")]
mod picture;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidewire_protocol::Attachment;
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::ask::{Ask, Asker};
use crate::engine::{Command, DownloadId, Reply, WantedFile};
use crate::error::Error;
pub(crate) use folder::{FileFolder, Part};
#[cfg(feature = "pictures")]
pub use picture::{Picture, PictureError, PictureFormat, preview_pixels};

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are on this device. Fewer than before where what came had to be thrown away.
    pub bytes: u64,
    /// Bytes that the file has.
    pub size: u64,
}

/// A file on its way to this device: see [`Client::download`](crate::Client::download). Several of one file
/// share one download. It is wanted for as long as one of them, or a [`LocalFile`] that came of one, is held;
/// with the last of them the download ends. What came so far stays for some days, and the next download of
/// the file goes on from there.
#[derive(Debug)]
pub struct Download {
    asker: Asker,
    path: PathBuf,
    size: u64,
    held: Arc<Held>,
    /// Kept so that all who look at this file look at the same.
    flow: Arc<watch::Sender<Progress>>,
    answer: Mutex<Answer>,
}

/// What the engine says to a wish for a file.
#[derive(Debug)]
enum Answer {
    Awaited(oneshot::Receiver<Result<Reply, Error>>),
    Known(Result<(), Error>),
}

/// A file on this device, whole and as its message names it. It stays where it is for as long as a clone of
/// this is held, and the client is open; afterwards it goes when room is needed. Nobody may write to it.
#[derive(Debug, Clone)]
pub struct LocalFile {
    path: Arc<Path>,
    size: u64,
    _held: Arc<Held>,
}

/// A wish for a file, until it is dropped.
#[derive(Debug)]
struct Held {
    id: DownloadId,
    /// Weak: a file that an app shows keeps no client running.
    asks: mpsc::WeakUnboundedSender<Ask>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(asks) = self.asks.upgrade() {
            // A client that is closed holds nothing.
            let _ = asks.send(Ask::Tell(Command::CloseDownload(self.id)));
        }
    }
}

impl Download {
    pub(crate) fn begin(
        asker: Asker,
        files: &FileFolder,
        id: DownloadId,
        file: &Attachment,
    ) -> Self {
        let wanted = WantedFile { key: file.key.clone(), size: file.size, sha256: file.sha256 };
        let flow = files.flow(&wanted.key, wanted.size);
        let path = files.path_of(&wanted.key);
        let (reply, answer) = oneshot::channel();
        let answer = match asker.tell(Ask::Command(Command::Download(id, wanted), reply)) {
            Ok(()) => Answer::Awaited(answer),
            Err(error) => Answer::Known(Err(error)),
        };
        let held = Arc::new(Held { id, asks: asker.weak() });
        Self { asker, path, size: file.size, held, flow, answer: Mutex::new(answer) }
    }

    /// How far the file is, now: from memory.
    pub fn progress(&self) -> Progress {
        *self.flow.borrow()
    }

    /// How far the file is, as it changes: always the newest, however slowly it is read. Starts with what it
    /// is now.
    pub fn watch_progress(&self) -> watch::Receiver<Progress> {
        let mut progress = self.flow.subscribe();
        progress.mark_changed();
        progress
    }

    /// The file, once it is whole and its SHA-256 is checked. At once if it is on this device already, without
    /// a network too. Else waits for the network, for as long as it takes: without one, with a bad one and
    /// without a valid token the client goes on by itself later, from where it was. Dropping what this gives
    /// does not end the download; it may be asked again, also by several at a time.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's word, `unknown_file` as a rule: the file is gone, or not the user's
    /// to see. [`Error::Download`]: it is not what its message says, or too large. [`Error::Store`]: the disk is
    /// full, or fails. [`Error::Suspended`] if the app was suspended when the download was begun; one that
    /// was on its way goes on when the app wakes. [`Error::Closed`].
    pub async fn file(&self) -> Result<LocalFile, Error> {
        let mut answer = self.answer.lock().await;
        if let Answer::Awaited(awaited) = &mut *answer {
            let known = match awaited.await {
                Ok(Ok(Reply::Downloaded { .. })) => Ok(()),
                Ok(Ok(other)) => Err(self.asker.unexpected(&other)),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(Error::Closed),
            };
            *answer = Answer::Known(known);
        }
        match &*answer {
            Answer::Known(Err(error)) => Err(error.clone()),
            _ => Ok(LocalFile {
                path: self.path.as_path().into(),
                size: self.size,
                _held: self.held.clone(),
            }),
        }
    }
}

impl LocalFile {
    /// Where it is: in the account's private folder, under the file's key. Its name and type are in the
    /// [`Attachment`].
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }
}
