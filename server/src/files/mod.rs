//! Files of messages: where they lie (`folder`, `s3`), how they get there and back (`uploads`), and how those go
//! that nothing lists (`sweep`).
//!
//! A file goes straight from the client to the object store, in parts, to addresses that this server has signed;
//! through the server's own hands it goes only where the store is a folder of its own. What it says of itself is
//! believed by nobody: when all parts are there, the server reads the whole and compares size and SHA-256 with
//! what was declared, on every store alike, and only then a message may list it.

mod folder;
mod locks;
mod s3;
mod sweep;
mod uploads;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tidewire_protocol::{
    Checksum, ErrorCode, FileKey, UploadId, UploadPart, UploadRequest, UserId, WireError,
};

pub(crate) use folder::{Folder, PartPermit};
pub(crate) use sweep::keep_swept;
pub(crate) use uploads::{access, begin, cancel, complete};

use crate::config::{Config, FileStore};
use crate::rate::RateLimiter;
use crate::store::UploadRow;

/// How long an address of a part or a file holds. Long enough for the largest part on the slowest network,
/// short enough that one that got away soon is worth nothing.
const URL_LASTS: Duration = Duration::from_secs(3_600);

/// Most time until an object store that could not serve is asked again, in ms. Each caller gets a slot of its
/// own below it.
const RETRY_MS: u64 = 4_000;

/// A part that the store has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredPart {
    pub(crate) number: u32,
    pub(crate) size: u64,
    /// What the store calls its content.
    pub(crate) etag: String,
}

/// Why an object store does not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ObjectError {
    /// It is full, or cannot be reached: later it may.
    #[error("the object store cannot serve right now: {0}")]
    Unavailable(String),
    /// It says no, or makes no sense.
    #[error("the object store failed: {0}")]
    Failed(String),
}

impl From<std::io::Error> for ObjectError {
    fn from(error: std::io::Error) -> Self {
        // A disk that is full, read-only or gone: nothing that the server could do, but its operator.
        Self::Unavailable(error.to_string())
    }
}

impl From<ObjectError> for WireError {
    fn from(error: ObjectError) -> Self {
        // What the store says is for the log of the server, not for its clients.
        match error {
            ObjectError::Unavailable(reason) => {
                tracing::warn!(%reason, "the object store cannot serve");
                let slot = RETRY_MS / 4 + fastrand::u64(0..RETRY_MS);
                let text = "the server cannot take or give files right now: try again";
                WireError::new(ErrorCode::Unavailable, text).retry_after_ms(slot)
            }
            ObjectError::Failed(reason) => {
                tracing::error!(%reason, "the object store failed");
                WireError::new(ErrorCode::Internal, "the server failed: try again later")
            }
        }
    }
}

/// Where files lie. Objects are put in parts; each part and each object has an address for whoever it is given
/// to. Nothing half is ever seen: a part is there with all of its bytes or not at all, and so is an object.
#[async_trait]
pub(crate) trait ObjectStore: Send + Sync + 'static {
    /// The smallest part that it takes, but for the last of an object.
    fn least_part(&self) -> u64;

    /// Begins an object. Gives what the store calls it until it is whole.
    async fn begin(&self, upload: &UploadRow) -> Result<String, ObjectError>;

    /// Where a part of exactly so many bytes is put.
    fn part_url(&self, key: &FileKey, token: &str, number: u32, bytes: u64) -> UploadPart;

    /// The parts that were put so far; none if there is nothing begun under this name.
    async fn parts(
        &self,
        key: &FileKey,
        token: &str,
    ) -> Result<Option<Vec<StoredPart>>, ObjectError>;

    /// Makes an object of its parts, given in order. They are gone then.
    async fn assemble(
        &self,
        key: &FileKey,
        token: &str,
        parts: &[StoredPart],
    ) -> Result<(), ObjectError>;

    /// How many bytes an object has.
    async fn size(&self, key: &FileKey) -> Result<Option<u64>, ObjectError>;

    /// Reads an object from its first byte to its last.
    async fn checksum(&self, key: &FileKey) -> Result<Option<Checksum>, ObjectError>;

    /// Where an object is got from.
    fn url(&self, upload: &UploadRow) -> String;

    /// Throws the parts of an object away. None are there: done.
    async fn abort(&self, key: &FileKey, token: &str) -> Result<(), ObjectError>;

    /// Deletes an object. It is not there: done.
    async fn delete(&self, key: &FileKey) -> Result<(), ObjectError>;
}

/// All that has to do with files.
pub(crate) struct Files {
    objects: Arc<dyn ObjectStore>,
    /// The same, where it is a folder that this server gives and takes files for.
    folder: Option<Arc<Folder>>,
    keys: Hmac<Sha256>,
    limiter: RateLimiter,
    locks: locks::Locks,
    max_bytes: u64,
    part_bytes: Option<u64>,
    lasts: Duration,
    cdn_url: Option<String>,
}

impl Files {
    /// Opens the store. Waits for the disk, where it is one.
    ///
    /// # Errors
    /// What is wrong with the store or its settings.
    pub(crate) fn open(config: &Config, secret: &[u8]) -> Result<Self, String> {
        let mac = mac(secret);
        let (objects, folder): (Arc<dyn ObjectStore>, _) = match &config.files {
            FileStore::Folder => {
                let folder = folder_at(&config.data_dir.join("files"), mac.clone())?;
                (folder.clone(), Some(folder))
            }
            FileStore::S3(settings) => (Arc::new(s3::S3Store::new(settings)?), None),
        };
        Ok(Self {
            objects,
            folder,
            keys: mac,
            limiter: RateLimiter::new(config.upload_limit, "bytes of uploads"),
            locks: locks::Locks::default(),
            max_bytes: config.max_upload_bytes,
            part_bytes: config.upload_part_bytes,
            lasts: config.upload_ttl,
            cdn_url: config.cdn_url.clone().map(with_slash),
        })
    }

    /// Waits until nobody else does anything with the upload.
    pub(crate) async fn hold(&self, id: UploadId) -> locks::Held {
        self.locks.hold(id).await
    }

    /// The folder, if files lie in one.
    pub(crate) fn folder(&self) -> Option<&Arc<Folder>> {
        self.folder.as_ref()
    }

    /// Largest file that is taken, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Whether a key alone opens a file.
    pub(crate) fn is_open(&self) -> bool {
        self.cdn_url.is_some()
    }

    /// Where the file of an upload will lie. It follows from what the upload is, so that one that begins anew
    /// lies where it was; and nobody without the secret can guess it.
    fn key(&self, user: &UserId, request: &UploadRequest) -> FileKey {
        let mut mac = self.keys.clone();
        mac.update(b"tidewire file\0");
        mac.update(user.as_str().as_bytes());
        mac.update(b"\0");
        mac.update(request.id.uuid().as_bytes());
        mac.update(&request.sha256.bytes());
        mac.update(&request.size.to_be_bytes());
        let digits = hex(&mac.finalize().into_bytes()[..16]);
        // 32 hexadecimal digits are a key.
        FileKey::new(digits).unwrap_or_else(|_| unreachable!("32 hexadecimal digits are a key"))
    }
}

fn folder_at(path: &Path, mac: Hmac<Sha256>) -> Result<Arc<Folder>, String> {
    let folder = Folder::open(path, mac);
    folder.map(Arc::new).map_err(|error| {
        let path = path.display();
        format!("the folder {path}: {error}; give a folder that this user may write to")
    })
}

/// The secret, to sign with. What is signed says what it is for, first of all.
fn mac(secret: &[u8]) -> Hmac<Sha256> {
    // `Hmac::new` wants a whole block; a shorter key is padded with zeros, as RFC 2104 says.
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(secret) {
        *to = *from;
    }
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&block.into())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A string takes whatever is written to it.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn with_slash(url: String) -> String {
    if url.ends_with('/') { url } else { url + "/" }
}

/// How long whoever has a copy of a file may keep it: what lies under a key never changes.
pub(crate) const IMMUTABLE: &str = "max-age=31536000, immutable";

/// How a browser is to treat a file: pictures, sounds and videos are shown, everything else is saved, and
/// whatever it is called, its name breaks out of no header.
pub(crate) fn disposition(name: &str, content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let essence = essence.to_ascii_lowercase();
    let shown = matches!(
        essence.as_str(),
        "image/png" | "image/jpeg" | "image/gif" | "image/webp" | "image/avif"
    ) || essence.starts_with("audio/")
        || essence.starts_with("video/");
    let how = if shown { "inline" } else { "attachment" };
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '_' })
        .collect();
    // RFC 8187: everything but letters, digits and a few marks as the bytes of its UTF-8.
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex(&[byte]).to_ascii_uppercase());
        }
    }
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}
