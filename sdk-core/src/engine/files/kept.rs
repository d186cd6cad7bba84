//! What is kept of files, as the folder was seen and what was done there since; and what goes for want of
//! room.

use std::collections::BTreeMap;

use tidewire_protocol::FileKey;

use super::{Files, KeptFile, KeptFiles};

/// What is on disk.
#[derive(Debug, Default)]
pub(super) struct Kept {
    whole: BTreeMap<FileKey, Held>,
    /// Of those that are not being fetched.
    parts: BTreeMap<FileKey, Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    bytes: u64,
    used_at: i64,
}

/// What became of the files that the app wanted, since the client was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DownloadReport {
    /// Files that were on the device already.
    pub from_disk: u64,
    /// Files that were fetched.
    pub from_server: u64,
    /// Files that are kept now.
    pub files: u64,
    /// Bytes of files that are kept, and of parts: at most `ClientBuilder::file_cache_bytes`, and what the
    /// app holds beyond that.
    pub bytes: u64,
    /// Bytes of files that were received.
    pub received: u64,
}

impl Files {
    pub(super) fn listed(&mut self, KeptFiles { whole, parts }: KeptFiles) {
        let held = |file: KeptFile| (file.key, Held { bytes: file.bytes, used_at: file.used_at });
        let fetched = |key: &FileKey| self.wanted.get(key).is_some_and(super::Wanted::is_under_way);
        let parts = parts.into_iter().filter(|part| !fetched(&part.key)).map(held).collect();
        self.kept = Some(Kept { whole: whole.into_iter().map(held).collect(), parts });
        self.grown = true;
        self.unseen = false;
    }

    /// A file is whole, and used now.
    pub(super) fn keep(&mut self, key: &FileKey, bytes: u64, used_at: i64) {
        self.grown = true;
        if let Some(kept) = &mut self.kept {
            kept.parts.remove(key);
            kept.whole.insert(key.clone(), Held { bytes, used_at });
        }
    }

    /// It is not here.
    pub(super) fn forget(&mut self, key: &FileKey) {
        if let Some(kept) = &mut self.kept {
            kept.whole.remove(key);
        }
    }

    /// What was fetched of it so far is left where it is.
    pub(super) fn part(&mut self, key: &FileKey, bytes: u64, used_at: i64) {
        if let Some(kept) = &mut self.kept {
            kept.parts.insert(key.clone(), Held { bytes, used_at });
        }
    }

    /// It is being fetched: from now on its whole size counts.
    pub(super) fn begin_part(&mut self, key: &FileKey) {
        self.grown = true;
        if let Some(kept) = &mut self.kept {
            kept.parts.remove(key);
        }
    }

    /// Takes out what goes so that no more than `most` bytes are left, what was used longest ago first.
    pub(super) fn too_much(&mut self, most: u64) -> Vec<FileKey> {
        let coming = self.wanted.values().filter(|wanted| wanted.is_under_way());
        let coming: u64 = coming.map(|wanted| wanted.file.size).sum();
        let Some(kept) = &mut self.kept else { return Vec::new() };
        let all = kept.whole.values().chain(kept.parts.values());
        let mut bytes = coming + all.map(|held| held.bytes).sum::<u64>();
        if bytes <= most {
            return Vec::new();
        }
        let may_go = |key: &FileKey| {
            !self.wanted.contains_key(key) && !self.held.values().any(|held| held == key)
        };
        let mut oldest: Vec<(i64, FileKey, u64)> = kept
            .whole
            .iter()
            .chain(&kept.parts)
            .filter(|(key, _)| may_go(key))
            .map(|(key, held)| (held.used_at, key.clone(), held.bytes))
            .collect();
        oldest.sort();
        let mut going = Vec::new();
        for (_, key, size) in oldest {
            if bytes <= most {
                break;
            }
            bytes = bytes.saturating_sub(size);
            kept.whole.remove(&key);
            kept.parts.remove(&key);
            going.push(key);
        }
        going
    }

    pub(crate) fn report(&self) -> DownloadReport {
        let kept = self.kept.as_ref();
        let whole = kept.map(|kept| &kept.whole);
        let parts = kept.map(|kept| &kept.parts);
        let bytes = |held: Option<&BTreeMap<FileKey, Held>>| {
            held.into_iter().flatten().map(|(_, held)| held.bytes).sum::<u64>()
        };
        DownloadReport {
            from_disk: self.from_disk,
            from_server: self.from_server,
            files: whole.map_or(0, |whole| whole.len() as u64),
            bytes: bytes(whole) + bytes(parts),
            received: self.received,
        }
    }
}
