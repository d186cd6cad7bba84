//! Files, what is read of them and what is done in their folder, as engine and driver speak of it.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{Checksum, FileKey, UploadId};

use crate::error::StoreError;

/// One wish for a file: a handle of the app's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DownloadId(pub u64);

/// One attempt to read a file from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FetchId(pub u64);

/// One job in the folder of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileJobId(pub u64);

/// A file that somebody wants: what its message says of it, but for what people wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedFile {
    /// Where it is got from.
    #[serde(rename = "file_key")]
    pub key: FileKey,
    /// How many bytes it has.
    pub size: u64,
    /// What its bytes have to come to.
    pub sha256: Checksum,
}

/// Bytes to be read from an address into the folder, on from what is there of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Whose bytes.
    pub key: FileKey,
    /// The address; one that begins with `/` is on the server itself. Nothing that identifies the user
    /// goes there.
    pub url: String,
    /// How many bytes the file has: not one more is taken.
    pub size: u64,
}

impl std::fmt::Debug for Fetch {
    /// Without its address: that is a key to the store.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Fetch({} bytes)", self.size)
    }
}

/// What came of a [`Fetch`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FetchEnd {
    /// All bytes are on disk.
    Whole {
        /// What they come to.
        sha256: Checksum,
        /// How many bytes came.
        brought: u64,
    },
    /// The address gave this status, and no file.
    Status(u16),
    /// Network trouble, and whatever else is not the file: what came of it is on disk.
    Broke {
        /// Why, for the log.
        reason: String,
        /// How many bytes came.
        brought: u64,
    },
    /// They can not be written.
    Disk(StoreError),
}

/// Something to do in the folder of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileJob {
    /// Tell what is there. Parts that were last written so many ms before now go.
    List {
        /// The age.
        parts_kept_ms: u64,
    },
    /// Tell of one whole file, which is used now.
    Use(FileKey),
    /// What was fetched is whole: safe on the disk it takes its place.
    Keep(FileKey),
    /// Forget what was fetched.
    DropPart(FileKey),
    /// Remove whole files and parts.
    Remove(Vec<FileKey>),
    /// The copy of a file that was sent from here takes its place among the whole ones.
    Adopt {
        /// Its key.
        key: FileKey,
        /// The upload whose copy it is.
        upload: UploadId,
    },
}

/// What is in the folder of files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeptFiles {
    /// Those that are whole.
    pub whole: Vec<KeptFile>,
    /// What came so far of others.
    pub parts: Vec<KeptFile>,
}

/// A file in the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its key.
    #[serde(rename = "file_key")]
    pub key: FileKey,
    /// Its length.
    pub bytes: u64,
    /// When it was last used: wall clock, ms.
    pub used_at: i64,
}
