//! The folder in which files of messages lie on this device: `files/cache` has the whole ones, `files/parts`
//! what came so far of others, each under its key. Does what the engine asks, on one thread that all clients
//! of the process share; decides nothing.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tidewire_protocol::{Checksum, FileKey};
use tokio::sync::{oneshot, watch};

use super::Progress;
use crate::engine::{FileJob, KeptFile, KeptFiles};
use crate::error::StoreError;
use crate::store::files_lane;
use crate::store::outgoing::Outgoing;

/// A client's folder of files.
#[derive(Debug)]
pub(crate) struct FileFolder {
    places: Places,
    /// It is nobody's account, and goes with the client.
    temporary: bool,
    /// Jobs that were given and are not done. Nothing but the lane's emptiness hangs on it.
    busy: Arc<AtomicUsize>,
    /// How far each file is that somebody looks at. A std mutex, because nothing awaits while it is held.
    flows: Mutex<HashMap<FileKey, Weak<watch::Sender<Progress>>>>,
}

/// Where is what.
#[derive(Debug, Clone)]
struct Places {
    account: PathBuf,
    outgoing: Arc<Outgoing>,
}

impl Places {
    fn whole(&self) -> PathBuf {
        self.account.join("files").join("cache")
    }

    fn parts(&self) -> PathBuf {
        self.account.join("files").join("parts")
    }

    fn file(&self, key: &FileKey) -> PathBuf {
        self.whole().join(key.as_str())
    }

    fn part(&self, key: &FileKey) -> PathBuf {
        self.parts().join(key.as_str())
    }
}

/// A part that is being written.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    hash: Sha256,
    /// How many bytes are there.
    pub(crate) bytes: u64,
}

/// Counts a job as done, whatever becomes of it.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn failed(error: &io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
        _ => StoreError::Io(format!("the folder of files: {error}")),
    }
}

impl FileFolder {
    /// The folder below an account's; without one a folder of the system's for what is temporary.
    pub(crate) fn new(account: Option<PathBuf>, outgoing: Arc<Outgoing>) -> Self {
        let temporary = account.is_none();
        let account = account.unwrap_or_else(|| {
            let name = format!("tidewire-{:016x}", fastrand::u64(..));
            std::env::temp_dir().join(name)
        });
        Self {
            places: Places { account, outgoing },
            temporary,
            busy: Arc::default(),
            flows: Mutex::default(),
        }
    }

    /// Where a whole file is.
    pub(crate) fn path_of(&self, key: &FileKey) -> PathBuf {
        self.places.file(key)
    }

    /// Whether nothing is being done.
    pub(crate) fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Acquire) == 0
    }

    /// Runs a job behind all that were given before it; at once where the thread can not be had, which only
    /// a system without any left refuses.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        self.busy.fetch_add(1, Ordering::AcqRel);
        let busy = Busy(self.busy.clone());
        let job = move || {
            job();
            drop(busy);
        };
        // Begun with the first file: who has none has no thread for them.
        match files_lane() {
            Ok(lane) => lane.run(job),
            Err(_) => job(),
        }
    }

    /// The same with a result that is waited for.
    fn work<T: Send + 'static, J: FnOnce() -> T + Send + 'static>(
        &self,
        job: J,
    ) -> impl Future<Output = Result<T, StoreError>> + use<T, J> {
        let (done, result) = oneshot::channel();
        self.run(move || drop(done.send(job())));
        async move {
            let gone = |_| StoreError::Io("the thread of files gave no answer".into());
            result.await.map_err(gone)
        }
    }

    /// Waits until all jobs given before are done.
    pub(crate) async fn drained(&self) {
        if !self.is_idle() {
            let _ = self.work(|| {}).await;
        }
    }

    /// Does a job, then calls `done` on the thread of files.
    pub(crate) fn carry_out(
        &self,
        job: FileJob,
        done: impl FnOnce(Result<KeptFiles, StoreError>) + Send + 'static,
    ) {
        let places = self.places.clone();
        self.run(move || done(places.carry_out(job).map_err(|error| failed(&error))));
    }

    /// Opens what came of a file so far. What can not be of a file of this size is dropped.
    pub(crate) async fn part(&self, key: &FileKey, size: u64) -> Result<Part, StoreError> {
        let (places, key) = (self.places.clone(), key.clone());
        let opened = self.work(move || Part::open(&places, &key, size)).await?;
        opened.map_err(|error| failed(&error))
    }

    /// Writes more of a part, or begins it anew with nothing.
    pub(crate) async fn write(&self, mut part: Part, more: Vec<u8>) -> Result<Part, StoreError> {
        let written = self.work(move || part.append(&more).map(|()| part)).await?;
        written.map_err(|error| failed(&error))
    }

    /// Begins a part anew.
    pub(crate) async fn restart(&self, mut part: Part) -> Result<Part, StoreError> {
        let restarted = self.work(move || part.clear().map(|()| part)).await?;
        restarted.map_err(|error| failed(&error))
    }

    /// How far a file is, for all who look at it together.
    pub(crate) fn flow(&self, key: &FileKey, size: u64) -> Arc<watch::Sender<Progress>> {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flow) = flows.get(key).and_then(Weak::upgrade) {
            return flow;
        }
        flows.retain(|_, flow| flow.strong_count() > 0);
        let flow = Arc::new(watch::Sender::new(Progress { bytes: 0, size }));
        flows.insert(key.clone(), Arc::downgrade(&flow));
        flow
    }

    /// A file is so far.
    pub(crate) fn reached(&self, key: &FileKey, bytes: u64) {
        let flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flow) = flows.get(key).and_then(Weak::upgrade) {
            flow.send_if_modified(|progress| {
                let changed = progress.bytes != bytes;
                progress.bytes = bytes;
                changed
            });
        }
    }
}

impl Drop for FileFolder {
    fn drop(&mut self) {
        // Mostly there never was a file.
        if self.temporary && self.places.account.exists() {
            let account = self.places.account.clone();
            self.run(move || match std::fs::remove_dir_all(account) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(%error, "a temporary folder stays");
                }
                _ => {}
            });
        }
    }
}

impl Places {
    fn carry_out(&self, job: FileJob) -> io::Result<KeptFiles> {
        let one = |file: Option<KeptFile>| KeptFiles {
            whole: file.into_iter().collect(),
            parts: Vec::new(),
        };
        match job {
            FileJob::List { parts_kept_ms } => {
                sweep(&self.parts(), Duration::from_millis(parts_kept_ms))?;
                Ok(KeptFiles { whole: list(&self.whole())?, parts: list(&self.parts())? })
            }
            FileJob::Use(key) => self.used(&key).map(one),
            FileJob::Keep(key) => {
                match OpenOptions::new().write(true).open(self.part(&key)) {
                    // On the disk before it has the name of one that is whole.
                    Ok(part) => part.sync_all()?,
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        return Ok(KeptFiles::default());
                    }
                    Err(error) => return Err(error),
                }
                self.put(&self.part(&key), &key).map(one)
            }
            FileJob::DropPart(key) => gone(&self.part(&key)).map(|()| KeptFiles::default()),
            FileJob::Remove(keys) => {
                for key in keys {
                    gone(&self.file(&key))?;
                    gone(&self.part(&key))?;
                }
                Ok(KeptFiles::default())
            }
            FileJob::Adopt { key, upload } => self.put(&self.outgoing.path(upload), &key).map(one),
        }
    }

    /// Moves a file to where the whole ones are.
    fn put(&self, from: &Path, key: &FileKey) -> io::Result<Option<KeptFile>> {
        std::fs::create_dir_all(self.whole())?;
        let to = self.file(key);
        match std::fs::rename(from, &to) {
            Err(error) if error.kind() == ErrorKind::CrossesDevices => {
                // By way of a part: what has the name of a whole one is whole.
                std::fs::create_dir_all(self.parts())?;
                let part = self.part(key);
                std::fs::copy(from, &part)?;
                OpenOptions::new().write(true).open(&part)?.sync_all()?;
                std::fs::rename(&part, &to)?;
                gone(from)?;
            }
            renamed => renamed?,
        }
        self.used(key)
    }

    /// A whole file, if it is there: it is used now.
    fn used(&self, key: &FileKey) -> io::Result<Option<KeptFile>> {
        let file = match OpenOptions::new().write(true).open(self.file(key)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = SystemTime::now();
        // The order in which files go hangs on it, and nothing else.
        if let Err(error) = file.set_modified(now) {
            tracing::debug!(%error, "a file's last use is not noted");
        }
        let bytes = file.metadata()?.len();
        Ok(Some(KeptFile { key: key.clone(), bytes, used_at: millis(now) }))
    }
}

fn millis(at: SystemTime) -> i64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn list(folder: &Path) -> io::Result<Vec<KeptFile>> {
    let mut files = Vec::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        // Whatever else is there is not ours.
        let Some(key) = entry.file_name().to_str().and_then(|name| FileKey::new(name).ok()) else {
            continue;
        };
        let data = match entry.metadata() {
            // It went this very moment.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            data => data?,
        };
        files.push(KeptFile { key, bytes: data.len(), used_at: millis(data.modified()?) });
    }
    Ok(files)
}

/// Removes the parts that nobody goes on with.
fn sweep(folder: &Path, kept: Duration) -> io::Result<()> {
    let Some(before) = SystemTime::now().checked_sub(kept) else { return Ok(()) };
    for part in list(folder)? {
        if part.used_at < millis(before) {
            gone(&folder.join(part.key.as_str()))?;
        }
    }
    Ok(())
}

fn gone(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

impl Part {
    fn open(places: &Places, key: &FileKey, size: u64) -> io::Result<Self> {
        std::fs::create_dir_all(places.parts())?;
        let path = places.part(key);
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        if file.metadata()?.len() > size {
            file.set_len(0)?;
        }
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let mut piece = vec![0; 64 * 1024];
        loop {
            match file.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(&piece[..read]);
                    bytes += read as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { file, hash, bytes })
    }

    fn append(&mut self, more: &[u8]) -> io::Result<()> {
        self.file.write_all(more)?;
        self.hash.update(more);
        self.bytes += more.len() as u64;
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.hash, self.bytes) = (Sha256::new(), 0);
        Ok(())
    }

    /// What its bytes come to.
    pub(crate) fn sha256(self) -> Checksum {
        Checksum::new(self.hash.finalize().into())
    }
}
