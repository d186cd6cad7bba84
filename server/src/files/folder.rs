//! The object store in a folder of the server's own: parts and objects are files, and their addresses, signed by
//! this server, lead to itself. Names of files are made of keys and tokens alone, which this server has given.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};
use tidewire_protocol::{Checksum, FileKey, UploadPart};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ObjectError, ObjectStore, StoredPart, URL_LASTS, hex};
use crate::clock;
use crate::store::UploadRow;

/// Bytes of a part: what is sent anew after a cut. Some seconds of a slow network, and still few requests.
const PART_BYTES: u64 = 1024 * 1024;
/// Most parts that are written at a time. Each holds a file and a buffer.
const WRITERS: usize = 64;
/// Digits of a token: 128 bits.
const TOKEN_DIGITS: usize = 32;

/// The folder.
pub(crate) struct Folder {
    root: PathBuf,
    mac: Hmac<Sha256>,
    writers: Arc<Semaphore>,
}

/// What a signed address lets its holder put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartPermit {
    pub(crate) key: FileKey,
    pub(crate) token: String,
    pub(crate) number: u32,
    /// Exactly so many bytes.
    pub(crate) bytes: u64,
    /// Until when, in seconds since 1970-01-01 UTC.
    pub(crate) expires: u64,
}

impl PartPermit {
    fn signed_text(&self) -> String {
        let Self { key, token, number, bytes, expires } = self;
        format!("tidewire part\0{key}\0{token}\0{number}\0{bytes}\0{expires}")
    }
}

/// A part on its way to the disk. Dropped, it leaves nothing behind.
pub(crate) struct Receiving {
    file: tokio::fs::File,
    path: PathBuf,
    md5: Md5,
    bytes: u64,
    kept: bool,
    _turn: OwnedSemaphorePermit,
}

/// A part that is wholly on the disk, under a name that nobody knows yet.
pub(crate) struct Received {
    part: Receiving,
    /// The MD5 of its bytes.
    pub(crate) md5: [u8; 16],
}

impl Folder {
    /// Opens or makes the folder, and clears away what was on its way when the server ended. Waits for the disk.
    pub(crate) fn open(root: &Path, mac: Hmac<Sha256>) -> io::Result<Self> {
        let folder =
            Self { root: root.to_owned(), mac, writers: Arc::new(Semaphore::new(WRITERS)) };
        match fs::remove_dir_all(folder.aside()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for path in [folder.aside(), root.join("parts"), root.join("objects")] {
            fs::create_dir_all(path)?;
        }
        Ok(folder)
    }

    /// Where files are written before they have their name.
    fn aside(&self) -> PathBuf {
        self.root.join("aside")
    }

    fn parts_of(&self, token: &str) -> Result<PathBuf, ObjectError> {
        let ours = token.len() == TOKEN_DIGITS && token.bytes().all(|b| b.is_ascii_hexdigit());
        match ours {
            true => Ok(self.root.join("parts").join(token)),
            // It was another store's: there is nothing of it here.
            false => Err(ObjectError::Failed("the upload was begun in another store".into())),
        }
    }

    /// Where an object lies. A key holds nothing but letters and digits.
    pub(crate) fn path_of(&self, key: &FileKey) -> PathBuf {
        let key = key.as_str();
        self.root.join("objects").join(&key[..2]).join(key)
    }

    fn sign(&self, text: &str) -> String {
        let mut mac = self.mac.clone();
        mac.update(text.as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    fn is_signed(&self, text: &str, signature: &str, expires: u64) -> bool {
        // Compared as hashes of a secret: how long it takes says nothing of what would be right.
        let mut ours = self.mac.clone();
        ours.update(self.sign(text).as_bytes());
        let mut theirs = self.mac.clone();
        theirs.update(signature.as_bytes());
        ours.verify(&theirs.finalize().into_bytes()).is_ok() && clock::now_seconds() < expires
    }

    /// Whether this server has signed this, and it has not ended.
    pub(crate) fn permits_part(&self, permit: &PartPermit, signature: &str) -> bool {
        self.is_signed(&permit.signed_text(), signature, permit.expires)
    }

    /// The same for getting an object.
    pub(crate) fn permits_get(&self, key: &FileKey, expires: u64, signature: &str) -> bool {
        self.is_signed(&signed_get(key, expires), signature, expires)
    }

    /// Begins to take a part.
    ///
    /// # Errors
    /// Too many are being written, or the disk cannot take one.
    pub(crate) async fn receive(&self) -> Result<Receiving, ObjectError> {
        let busy = |_| ObjectError::Unavailable("too many parts are being written".into());
        let turn = self.writers.clone().try_acquire_owned().map_err(busy)?;
        let path = self.aside().join(random()?);
        let file = tokio::fs::File::options().write(true).create_new(true).open(&path).await?;
        Ok(Receiving { file, path, md5: Md5::new(), bytes: 0, kept: false, _turn: turn })
    }

    /// Gives a part its name: from here on it is there.
    pub(crate) async fn keep(
        &self,
        permit: &PartPermit,
        mut received: Received,
    ) -> Result<(), ObjectError> {
        let folder = self.parts_of(&permit.token)?;
        let to = folder.join(permit.number.to_string());
        let from = received.part.path.clone();
        let parts = self.root.join("parts");
        blocking(move || {
            if !folder.exists() {
                fs::create_dir_all(&folder)?;
                sync_folder(&parts)?;
            }
            fs::rename(from, to)?;
            sync_folder(&folder)
        })
        .await?;
        received.part.kept = true;
        Ok(())
    }

    /// An address of a part that ends at that second.
    pub(super) fn part_address(&self, permit: &PartPermit) -> String {
        let signature = self.sign(&permit.signed_text());
        let PartPermit { key, token, number, bytes, expires } = permit;
        format!(
            "/v1/objects/{key}?partNumber={number}&uploadId={token}&size={bytes}\
             &expires={expires}&signature={signature}"
        )
    }

    /// An address of an object that ends at that second.
    pub(super) fn object_address(&self, key: &FileKey, expires: u64) -> String {
        let signature = self.sign(&signed_get(key, expires));
        format!("/v1/objects/{key}?expires={expires}&signature={signature}")
    }
}

fn signed_get(key: &FileKey, expires: u64) -> String {
    format!("tidewire get\0{key}\0{expires}")
}

impl Receiving {
    /// Takes some bytes. Gives how many there are by now.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> Result<u64, ObjectError> {
        self.file.write_all(bytes).await?;
        self.md5.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(self.bytes)
    }

    /// All bytes are there: waits until they are on the disk.
    pub(crate) async fn finish(mut self) -> Result<Received, ObjectError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let md5 = self.md5.clone().finalize().into();
        Ok(Received { part: self, md5 })
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is cleared away at the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// 128 random bits, as a name.
fn random() -> Result<String, ObjectError> {
    let mut bytes = [0; TOKEN_DIGITS / 2];
    getrandom::fill(&mut bytes)
        .map_err(|error| ObjectError::Failed(format!("no random bytes: {error}")))?;
    Ok(hex(&bytes))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    // Elsewhere folders cannot be opened; their file systems keep names without being asked.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ObjectError> {
    match tokio::task::spawn_blocking(job).await {
        Ok(result) => Ok(result?),
        Err(error) => Err(ObjectError::Failed(error.to_string())),
    }
}

/// `None` where there is no such file.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn ends_at() -> u64 {
    clock::now_seconds().saturating_add(URL_LASTS.max(Duration::from_secs(1)).as_secs())
}

#[async_trait]
impl ObjectStore for Folder {
    fn least_part(&self) -> u64 {
        PART_BYTES
    }

    async fn begin(&self, _: &UploadRow) -> Result<String, ObjectError> {
        random()
    }

    fn part_url(&self, key: &FileKey, token: &str, number: u32, bytes: u64) -> UploadPart {
        let (key, token) = (key.clone(), token.to_owned());
        let permit = PartPermit { key, token, number, bytes, expires: ends_at() };
        UploadPart { number, url: self.part_address(&permit), headers: Default::default() }
    }

    async fn parts(
        &self,
        _: &FileKey,
        token: &str,
    ) -> Result<Option<Vec<StoredPart>>, ObjectError> {
        let Ok(folder) = self.parts_of(token) else { return Ok(None) };
        let found = blocking(move || {
            let Some(entries) = there(fs::read_dir(folder))? else { return Ok(Vec::new()) };
            let mut parts = Vec::new();
            for entry in entries {
                let entry = entry?;
                if let Some(number) = entry.file_name().to_str().and_then(|n| n.parse().ok()) {
                    let size = entry.metadata()?.len();
                    parts.push(StoredPart { number, size, etag: String::new() });
                }
            }
            parts.sort_by_key(|part| part.number);
            Ok(parts)
        });
        Ok(Some(found.await?))
    }

    async fn assemble(
        &self,
        key: &FileKey,
        token: &str,
        parts: &[StoredPart],
    ) -> Result<(), ObjectError> {
        let folder = self.parts_of(token)?;
        let numbers: Vec<u32> = parts.iter().map(|part| part.number).collect();
        let (aside, to) = (self.aside().join(random()?), self.path_of(key));
        let objects = self.root.join("objects");
        blocking(move || {
            let made = (|| {
                let mut whole = File::options().write(true).create_new(true).open(&aside)?;
                for number in numbers {
                    io::copy(&mut File::open(folder.join(number.to_string()))?, &mut whole)?;
                }
                whole.flush()?;
                whole.sync_all()?;
                let shelf = to.parent().unwrap_or(&objects);
                fs::create_dir_all(shelf)?;
                sync_folder(&objects)?;
                fs::rename(&aside, &to)?;
                sync_folder(shelf)
            })();
            if made.is_err() {
                // What is half goes, so that a full disk is not fuller than before.
                let _ = fs::remove_file(&aside);
                return made;
            }
            there(fs::remove_dir_all(folder)).map(drop)
        })
        .await
    }

    async fn size(&self, key: &FileKey) -> Result<Option<u64>, ObjectError> {
        let path = self.path_of(key);
        blocking(move || Ok(there(fs::metadata(path))?.map(|found| found.len()))).await
    }

    async fn checksum(&self, key: &FileKey) -> Result<Option<Checksum>, ObjectError> {
        let path = self.path_of(key);
        blocking(move || {
            let Some(mut file) = there(File::open(path))? else { return Ok(None) };
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match file.read(&mut buffer)? {
                    0 => return Ok(Some(Checksum::new(hash.finalize().into()))),
                    read => hash.update(&buffer[..read]),
                }
            }
        })
        .await
    }

    fn url(&self, upload: &UploadRow) -> String {
        self.object_address(&upload.key, ends_at())
    }

    async fn abort(&self, _: &FileKey, token: &str) -> Result<(), ObjectError> {
        let Ok(folder) = self.parts_of(token) else { return Ok(()) };
        blocking(move || there(fs::remove_dir_all(folder)).map(drop)).await
    }

    async fn delete(&self, key: &FileKey) -> Result<(), ObjectError> {
        let path = self.path_of(key);
        blocking(move || there(fs::remove_file(path)).map(drop)).await
    }
}
