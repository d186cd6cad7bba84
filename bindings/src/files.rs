//! Files of messages: what a message lists, and how they come to this device.

use std::sync::Arc;

use tokio::sync::watch;

use crate::cancel::{CancelToken, or_cancelled};
use crate::client::Client;
use crate::error::TidewireError;
use crate::held::Held;
use crate::runtime::run;
use crate::subscription::{Reader, Source};

/// A file of a message. All of it is its sender's word but the key, the name, the type, the size and the
/// checksum.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Attachment {
    /// The upload that brought it.
    pub id: String,
    /// Where it is got from: the same key is the same bytes, always.
    pub key: String,
    /// Its name: 1 to 255 bytes, without anything that could mislead.
    pub name: String,
    /// Its media type, for example `image/jpeg`.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// The width of a picture or video in pixels, as it is shown.
    pub width: Option<u32>,
    /// The height in pixels.
    pub height: Option<u32>,
    /// How long it plays, in ms.
    pub duration_ms: Option<u32>,
    /// What is shown until the file is there.
    pub preview: Option<Preview>,
}

/// A tiny stand-in for a picture.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Preview {
    /// What `data` is: `thumbhash`, or the subtype of a picture's media type (`webp`, `jpeg`).
    pub format: String,
    /// The bytes as Base64.
    pub data: String,
}

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct DownloadProgress {
    /// 1, 2, 3 …
    pub number: u64,
    /// Bytes that are on this device.
    pub bytes: u64,
    /// Bytes that the file has.
    pub size: u64,
}

/// A file on its way to this device. Several of one file share one download. It is wanted until all of them
/// are cancelled or gone, and what came of them is released.
#[derive(uniffi::Object)]
pub struct Download {
    inner: Arc<Held<tidewire::Download>>,
    reader: Arc<Reader<Steps>>,
}

struct Steps {
    download: Arc<Held<tidewire::Download>>,
    receiver: watch::Receiver<tidewire::Progress>,
    last: Option<DownloadProgress>,
}

/// A file on this device, whole and checked. It stays where it is until it is released or gone, and goes when
/// room is needed after that.
#[derive(uniffi::Object)]
pub struct LocalFile {
    path: String,
    size: u64,
    held: Arc<Held<tidewire::LocalFile>>,
}

#[uniffi::export]
impl Client {
    /// Gets a file of a message, unless it is on this device already. Begins at once, and is carried through
    /// in every mode but offline: on from what is there after a cut or a restart.
    ///
    /// # Errors
    /// `InvalidId` if the key or the checksum is none.
    pub fn download(&self, attachment: Attachment) -> Result<Arc<Download>, TidewireError> {
        let download = self.inner.download(&attachment.try_into()?);
        let receiver = download.watch_progress();
        let inner = Held::new(download);
        let steps = Steps { download: inner.clone(), receiver, last: None };
        Ok(Arc::new(Download { inner, reader: Reader::new(steps) }))
    }
}

#[uniffi::export]
impl Download {
    /// How far the file is, once there is something newer than `after`: at first at once. Steps that were
    /// passed meanwhile are left out. Waits for neither network nor disk.
    ///
    /// # Errors
    /// `Closed` once the download has ended, well or not; `Cancelled`, `AlreadyWaiting`.
    pub async fn next(
        &self,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<DownloadProgress, TidewireError> {
        self.reader.next(after, cancel).await
    }

    /// The file, once it is whole and its SHA-256 is checked: at once if it is on this device already, else
    /// waits for the network, for as long as it takes.
    ///
    /// # Errors
    /// `Refused` with the server's word, `unknown_file` as a rule; `FileDamaged`, `FileTooLarge`,
    /// `Suspended`, `Closed`, `Cancelled`, those of the store.
    pub async fn file(
        &self,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<LocalFile>, TidewireError> {
        let download = self.inner.get()?;
        run(async move {
            let file = async { Ok(download.file().await?) };
            let file = or_cancelled(cancel.as_deref(), file).await?;
            let path = file.path().to_str().map(str::to_owned);
            let none = || TidewireError::internal("the path of the file is no text");
            let (path, size) = (path.ok_or_else(none)?, file.size());
            Ok(Arc::new(LocalFile { path, size, held: Held::new(file) }))
        })
        .await
    }

    /// Wants the file no more: with the last one of it the download ends. What came stays for some days.
    pub fn cancel(&self) {
        self.reader.close();
        self.inner.close();
    }
}

#[uniffi::export]
impl LocalFile {
    /// Where it is: in the account's private folder, under its key. Nobody may write to it.
    pub fn path(&self) -> String {
        self.path.clone()
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// It may go from now on.
    pub fn release(&self) {
        self.held.close();
    }
}

impl Source for Steps {
    type Batch = DownloadProgress;

    async fn next(&mut self, after: u64) -> Result<DownloadProgress, TidewireError> {
        if let Some(last) = self.last.filter(|last| last.number > after) {
            return Ok(last);
        }
        let download = self.download.get()?;
        tokio::select! {
            biased;
            changed = self.receiver.changed() => changed.map_err(|_| TidewireError::Closed)?,
            _ = download.file() => return Err(TidewireError::Closed),
        }
        let tidewire::Progress { bytes, size } = *self.receiver.borrow_and_update();
        let number = self.last.map_or(0, |last| last.number).max(after) + 1;
        let progress = DownloadProgress { number, bytes, size };
        self.last = Some(progress);
        Ok(progress)
    }
}

impl From<&tidewire::Attachment> for Attachment {
    fn from(file: &tidewire::Attachment) -> Self {
        Self {
            id: file.id.to_string(),
            key: file.key.to_string(),
            name: file.name.clone(),
            content_type: file.content_type.clone(),
            size: file.size,
            sha256: file.sha256.to_string(),
            width: file.width,
            height: file.height,
            duration_ms: file.duration_ms,
            preview: file.preview.clone().map(Preview::from),
        }
    }
}

impl TryFrom<Attachment> for tidewire::Attachment {
    type Error = TidewireError;

    fn try_from(file: Attachment) -> Result<Self, TidewireError> {
        Ok(Self {
            id: file.id.parse()?,
            key: file.key.parse()?,
            name: file.name,
            content_type: file.content_type,
            size: file.size,
            sha256: file.sha256.parse()?,
            width: file.width,
            height: file.height,
            duration_ms: file.duration_ms,
            preview: file.preview.map(tidewire::Preview::from),
        })
    }
}

impl From<tidewire::Preview> for Preview {
    fn from(preview: tidewire::Preview) -> Self {
        let tidewire::Preview { format, data } = preview;
        Self { format, data }
    }
}

impl From<Preview> for tidewire::Preview {
    fn from(preview: Preview) -> Self {
        let Preview { format, data } = preview;
        Self { format, data }
    }
}
