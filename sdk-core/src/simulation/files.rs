//! The folder of files of a simulated client, in memory: what the driver does on a disk.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use tidewire_protocol::{Checksum, FileKey};

use super::server::ModelServer;
use crate::engine::{Fetch, FetchEnd, FileJob, KeptFile, KeptFiles};
use crate::error::StoreError;

/// What is in the folder, with the wall clock's time of the last use.
#[derive(Debug, Default)]
pub struct SimFiles {
    /// Whole files.
    pub whole: BTreeMap<FileKey, (Vec<u8>, i64)>,
    /// What came so far of others.
    pub parts: BTreeMap<FileKey, (Vec<u8>, i64)>,
    /// Whether nothing can be written.
    pub full: bool,
}

fn told(files: &BTreeMap<FileKey, (Vec<u8>, i64)>) -> Vec<KeptFile> {
    let file = |(key, (bytes, used_at)): (&FileKey, &(Vec<u8>, i64))| KeptFile {
        key: key.clone(),
        bytes: bytes.len() as u64,
        used_at: *used_at,
    };
    files.iter().map(file).collect()
}

impl SimFiles {
    /// Bytes of all that is there.
    pub fn bytes(&self) -> u64 {
        self.whole.values().chain(self.parts.values()).map(|(file, _)| file.len() as u64).sum()
    }

    /// Does a job, at this moment of the wall clock.
    ///
    /// # Errors
    /// As the engine is to hear.
    pub fn carry_out(&mut self, job: FileJob, now: i64) -> Result<KeptFiles, StoreError> {
        Ok(match job {
            FileJob::List { parts_kept_ms } => {
                self.parts.retain(|_, (_, at)| now - *at < parts_kept_ms as i64);
                KeptFiles { whole: told(&self.whole), parts: told(&self.parts) }
            }
            FileJob::Use(key) => self.used(key, now),
            FileJob::Keep(_) if self.full => return Err(StoreError::DiskFull),
            FileJob::Keep(key) => {
                if let Some(part) = self.parts.remove(&key) {
                    self.whole.insert(key.clone(), part);
                }
                self.used(key, now)
            }
            FileJob::DropPart(key) => {
                self.parts.remove(&key);
                KeptFiles::default()
            }
            FileJob::Remove(keys) => {
                for key in keys {
                    self.whole.remove(&key);
                    self.parts.remove(&key);
                }
                KeptFiles::default()
            }
            // Who has the copies adopts them.
            FileJob::Adopt { .. } => KeptFiles::default(),
        })
    }

    /// The copy of a file that was sent, if it is there, is a whole one from now on.
    pub fn adopt(&mut self, key: FileKey, copy: Option<Vec<u8>>, now: i64) -> KeptFiles {
        if let Some(copy) = copy {
            self.whole.insert(key.clone(), (copy, now));
        }
        self.used(key, now)
    }

    fn used(&mut self, key: FileKey, now: i64) -> KeptFiles {
        let file = self.whole.get_mut(&key).map(|file| {
            file.1 = now;
            KeptFile { key, bytes: file.0.len() as u64, used_at: now }
        });
        KeptFiles { whole: file.into_iter().collect(), parts: Vec::new() }
    }

    /// Reads from an address, on from what is there, at most `most` bytes before the connection breaks.
    pub fn fetch(&mut self, server: &ModelServer, fetch: &Fetch, most: u64, now: i64) -> FetchEnd {
        if self.full {
            return FetchEnd::Disk(StoreError::DiskFull);
        }
        let file = match server.get_file(&fetch.url) {
            Ok(file) => file,
            Err(error) => return FetchEnd::Status(error.code.status()),
        };
        let part = self.parts.entry(fetch.key.clone()).or_default();
        part.1 = now;
        let from = part.0.len();
        let to = file.len().min(from.saturating_add(most as usize));
        part.0.extend_from_slice(file.get(from..to).unwrap_or_default());
        if part.0.len() as u64 == fetch.size {
            let sha256 = Checksum::new(Sha256::digest(&part.0).into());
            FetchEnd::Whole { sha256, brought: to.saturating_sub(from) as u64 }
        } else {
            FetchEnd::Broke { reason: "cut".into(), brought: to.saturating_sub(from) as u64 }
        }
    }
}
