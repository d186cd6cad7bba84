//! A disk whose process may be killed, and whose power may fail: what SQLite had not synced by then is
//! gone, of either file for itself.
//!
//! Both files are real. A commit that waits for the disk pins everything before it; of what came after
//! it any number of commits may be there. What is lost is cut off the end of a write-ahead log, as a
//! power failure does it, and SQLite finds its way on the next opening.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tidewire::engine::{Query, Rows, Transaction, Write};
use tidewire::simulation::{Disk, FileDisk};
use tidewire::{Event, StoreError};

/// What the next death takes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Loss {
    /// Nothing: the process alone is killed.
    #[default]
    Nothing,
    /// Of the last transaction the part in the cache: the process is killed between the two files.
    SecondFile,
    /// What was not synced: the power fails.
    Unsynced,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::SecondFile, Self::Unsynced];
}

/// Says what the next death takes along. Clones say it of the same disk.
#[derive(Debug, Clone, Default)]
pub struct Switch(Arc<Mutex<Loss>>);

impl Switch {
    /// From now on.
    pub fn set(&self, loss: Loss) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = loss;
    }

    fn get(&self) -> Loss {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Real files, used from one thread.
#[derive(Debug)]
pub struct PowerDisk {
    base: PathBuf,
    /// How often the files were moved to a new folder, as they were at a death.
    lives: u32,
    files: FileDisk,
    own: Log,
    cache: Log,
    switch: Switch,
    rng: fastrand::Rng,
}

impl PowerDisk {
    /// Files in `base`. `seed` decides how much a power failure takes.
    pub fn new(base: &Path, switch: Switch, seed: u64) -> Self {
        let folder = base.join("0");
        Self {
            base: base.to_owned(),
            lives: 0,
            files: FileDisk::new(&folder),
            own: Log::of(&folder, "outbox.db"),
            cache: Log::of(&folder, "tidewire.db"),
            switch,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    fn look(&mut self, own_synced: bool, cache_synced: bool) {
        self.own.look(own_synced);
        self.cache.look(cache_synced);
    }
}

impl Disk for PowerDisk {
    fn execute(&mut self, transaction: &Transaction) -> Result<Vec<Event>, StoreError> {
        let result = self.files.execute(transaction);
        let reads = transaction.writes.iter().any(|write| matches!(write, Write::MarkRead { .. }));
        self.look(transaction.durable, transaction.durable && reads);
        result
    }

    fn load(&mut self, query: &Query) -> Result<Rows, StoreError> {
        let rows = self.files.load(query);
        self.look(false, false);
        rows
    }

    fn peek(&mut self, query: &Query) -> Result<Rows, StoreError> {
        self.files.peek(query)
    }

    fn fail(&mut self) {
        self.files.fail();
    }

    fn release(&mut self) {
        self.files.release();
        self.look(true, true);
    }

    fn die(&mut self, committing: bool) {
        let loss = match self.switch.get() {
            // Both files are done with whatever somebody has heard of.
            Loss::SecondFile if !committing => Loss::Nothing,
            loss => loss,
        };
        let (own, cache) = match loss {
            Loss::Nothing => {
                self.files.release();
                self.look(true, true);
                return;
            }
            Loss::SecondFile => (self.own.end, self.cache.before),
            Loss::Unsynced => {
                let any =
                    |log: &Log, rng: &mut fastrand::Rng| log.ends[rng.usize(0..log.ends.len())];
                (any(&self.own, &mut self.rng), any(&self.cache, &mut self.rng))
            }
        };
        self.lives += 1;
        let folder = self.base.join(self.lives.to_string());
        let copied = std::fs::create_dir_all(&folder)
            .and_then(|()| self.own.copy(&folder, own))
            .and_then(|()| self.cache.copy(&folder, cache));
        if let Err(error) = copied {
            panic!("the files of a dead process can not be copied: {error}");
        }
        self.files = FileDisk::new(&folder);
        self.own = Log::of(&folder, "outbox.db");
        self.cache = Log::of(&folder, "tidewire.db");
        // What survived the failure is there for good.
        let _ = std::fs::remove_dir_all(self.base.join((self.lives - 1).to_string()));
    }
}

/// A database file with its write-ahead log.
#[derive(Debug)]
struct Log {
    name: &'static str,
    file: PathBuf,
    log: PathBuf,
    /// What tells this log from the one before it.
    salt: [u8; 8],
    /// When the file itself was last written: by a checkpoint, which syncs the log first.
    written: Option<SystemTime>,
    /// Where the log's last valid frame ends, in bytes, and where it did a transaction before.
    end: u64,
    before: u64,
    /// Where it may end after a power failure.
    ends: Vec<u64>,
}

const HEADER: u64 = 32;
const FRAME: u64 = 24;

impl Log {
    fn of(folder: &Path, name: &'static str) -> Self {
        let mut log = Self {
            name,
            file: folder.join(name),
            log: folder.join(format!("{name}-wal")),
            salt: [0; 8],
            written: None,
            end: 0,
            before: 0,
            ends: vec![0],
        };
        log.look(true);
        log
    }

    /// Takes note of what was written since.
    fn look(&mut self, synced: bool) {
        self.before = self.end;
        let written = std::fs::metadata(&self.file).and_then(|data| data.modified()).ok();
        let checkpointed = written != std::mem::replace(&mut self.written, written);
        if self.find_end().is_none() {
            (self.end, self.salt) = (0, [0; 8]);
            self.before = 0;
            self.ends = vec![0];
        }
        if synced || checkpointed {
            self.ends.clear();
        }
        if self.ends.last() != Some(&self.end) {
            self.ends.push(self.end);
        }
    }

    fn find_end(&mut self) -> Option<()> {
        let mut file = File::open(&self.log).ok()?;
        let mut header = [0; HEADER as usize];
        file.read_exact(&mut header).ok()?;
        let page = u64::from(u32::from_be_bytes(header[8..12].try_into().ok()?));
        let salt: [u8; 8] = header[16..24].try_into().ok()?;
        if salt != self.salt {
            // All of the log before was in the file by then.
            self.salt = salt;
            (self.end, self.before) = (HEADER, HEADER);
            self.ends = vec![HEADER];
        }
        loop {
            let mut frame = [0; FRAME as usize];
            file.seek(SeekFrom::Start(self.end)).ok()?;
            if file.read_exact(&mut frame).is_err() || frame[8..16] != self.salt {
                return Some(());
            }
            self.end += FRAME + page;
        }
    }

    fn copy(&self, folder: &Path, end: u64) -> std::io::Result<()> {
        if !self.file.exists() {
            return Ok(());
        }
        std::fs::copy(&self.file, folder.join(self.name))?;
        if self.log.exists() {
            let mut log = std::fs::read(&self.log)?;
            log.truncate(usize::try_from(end).unwrap_or(usize::MAX));
            std::fs::write(folder.join(format!("{}-wal", self.name)), log)?;
        }
        Ok(())
    }
}
