//! Bodies of the calls by which files get to the store and back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Checksum, FileKey, InvalidFile, UploadId, check_content_type, check_file_name, limits,
};

/// `POST /v1/uploads`: begins an upload, or goes on with it. A repeat, which is the way to fresh addresses
/// too, says what the store has already. Answers with the [`Upload`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRequest {
    /// The id of the upload, chosen by the client (UUIDv7): the idempotency key.
    pub id: UploadId,
    /// The file's name, as [`Attachment::name`](crate::Attachment::name).
    pub name: String,
    /// The file's media type.
    pub content_type: String,
    /// How many bytes the file has, at least 1.
    pub size: u64,
    /// The SHA-256 of the whole file.
    pub sha256: Checksum,
}

impl std::fmt::Debug for UploadRequest {
    /// Without the file's name: what people write never stands in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, size, content_type, .. } = self;
        write!(f, "UploadRequest({id}, {content_type}, {size} bytes)")
    }
}

impl UploadRequest {
    /// Whether a server can take this, as far as that can be known without asking: how large a file may be,
    /// it alone knows.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidFile> {
        check_file_name(&self.name)?;
        check_content_type(&self.content_type)?;
        if self.size == 0 { Err(InvalidFile::Empty) } else { Ok(()) }
    }
}

/// Where an upload stands: the answer to `POST /v1/uploads` and `POST /v1/uploads/{id}/complete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// Which upload.
    pub id: UploadId,
    /// Where the file will be got from: for [`Attachment::key`](crate::Attachment::key). The same upload has
    /// the same key always, also when it begins anew after it was deleted.
    pub key: FileKey,
    /// Whether everything is there and was checked. Then there are no parts.
    pub complete: bool,
    /// How many bytes each part has but the last, which has what is left. Part `n`, from 1 on, begins at
    /// `(n - 1) × part_size`. Stays what it is for as long as the upload lives.
    pub part_size: u64,
    /// The parts that the store has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<u32>,
    /// The parts that are missing, in order, at most 100. Where there are more, the same request brings
    /// the next once these are stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<UploadPart>,
    /// How long the addresses hold, in ms from now. 0 where there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expires_in_ms: u64,
}

/// Where to put a part: `PUT` with its bytes as the body, without a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadPart {
    /// Which one, from 1 on.
    pub number: u32,
    /// Where to put it. One that begins with `/` is on the server itself.
    pub url: String,
    /// Headers to send with it, beside `Content-Length`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

impl std::fmt::Debug for UploadPart {
    /// Without its address: that is a key to the store.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UploadPart({})", self.number)
    }
}

/// The answer to `GET /v1/files/{key}`: where the file is got from.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileAccess {
    /// Where to `GET` it, without a token. One that begins with `/` is on the server itself.
    pub url: String,
    /// How long the address holds, in ms from now; absent where it does for as long as the file is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_ms: Option<u64>,
    /// Where every file of the deployment is got from by its key alone: the address is this text and the
    /// key. A client that knows it need not ask for each file. Absent where there is no such place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

impl std::fmt::Debug for FileAccess {
    /// Without the address: that is a key to the store.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileAccess(expires in {:?} ms)", self.expires_in_ms)
    }
}

pub(crate) fn default_bytes() -> u64 {
    limits::UPLOAD_BYTES
}

pub(crate) fn is_default_bytes(bytes: &u64) -> bool {
    *bytes == limits::UPLOAD_BYTES
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
