//! Files of messages that wait in the outbox: what is known of each, and how the message comes to list
//! them.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{
    Attachment, Checksum, Content, FileKey, MessageContent, Preview, UploadId, UploadRequest,
    limits,
};

use super::OutboxRow;

/// A file of a message that waits in the outbox. The client has a copy of its own, so that whatever
/// becomes of the one that the app gave, this one is sent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct OutgoingFile {
    /// Its upload.
    pub id: UploadId,
    /// Its name, as others will see it.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// The SHA-256 of them.
    pub sha256: Checksum,
    /// The width of a picture or video in pixels.
    pub width: Option<u32>,
    /// The height in pixels.
    pub height: Option<u32>,
    /// How long it plays, in ms.
    pub duration_ms: Option<u32>,
    /// What is shown until the file is there.
    pub preview: Option<Preview>,
    /// Where the copy is: to be shown, never to be changed. It goes once the message is in the log.
    pub path: PathBuf,
    /// How many bytes of it the object store has, with those on their way to it. At most five times a
    /// second another number.
    #[serde(default)]
    pub sent: u64,
    /// Whether all of it is there, and was checked.
    pub uploaded: bool,
    /// Where it is got from; known once it was uploaded.
    pub key: Option<FileKey>,
}

impl fmt::Debug for OutgoingFile {
    /// Without its name and its place: what people write never stands in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, size, sent, uploaded, .. } = self;
        write!(f, "OutgoingFile({id}, {sent} of {size} bytes, uploaded: {uploaded})")
    }
}

/// What can be wrong with the client's own copy of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyTrouble {
    /// It is gone: somebody has cleared the app's files. Send the file again.
    Missing,
    /// It is not what it was when it was made. Send the file again.
    Changed,
    /// It can not be read.
    Unreadable,
}

impl fmt::Display for CopyTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "the copy of a file of it is gone",
            Self::Changed => "the copy of a file of it was changed",
            Self::Unreadable => "the copy of a file of it can not be read",
        })
    }
}

impl OutgoingFile {
    pub(crate) fn request(&self) -> UploadRequest {
        UploadRequest {
            id: self.id,
            name: self.name.clone(),
            content_type: self.content_type.clone(),
            size: self.size,
            sha256: self.sha256,
        }
    }

    /// As the message lists it, below this key.
    fn attachment(&self, key: FileKey) -> Attachment {
        Attachment {
            id: self.id,
            key,
            name: self.name.clone(),
            content_type: self.content_type.clone(),
            size: self.size,
            sha256: self.sha256,
            width: self.width,
            height: self.height,
            duration_ms: self.duration_ms,
            preview: self.preview.clone(),
        }
    }
}

/// The content of a message with these files behind those that it lists otherwise. Before all of them are
/// uploaded their keys are stand-ins of the greatest length: to see whether the message can be sent at all.
pub(crate) fn listing(
    content: &Content,
    files: &[OutgoingFile],
) -> Result<Content, serde_json::Error> {
    let mut message: MessageContent = content.parse()?;
    message.attachments.retain(|other| files.iter().all(|file| file.id != other.id));
    for file in files {
        let stand_in = || FileKey::new("0".repeat(limits::FILE_KEY_BYTES)).ok();
        let key = file.key.clone().or_else(stand_in);
        message.attachments.extend(key.map(|key| file.attachment(key)));
    }
    Content::of(&message)
}

impl OutboxRow {
    /// One of its files.
    pub(crate) fn file(&self, id: UploadId) -> Option<&OutgoingFile> {
        self.files.iter().find(|file| file.id == id)
    }

    /// Whether its content lists all of its files, by the keys that they have.
    pub(crate) fn lists_its_files(&self) -> bool {
        let Ok(message) = self.op.content.parse::<MessageContent>() else { return false };
        let listed = |file: &OutgoingFile| {
            let same =
                |other: &Attachment| other.id == file.id && Some(&other.key) == file.key.as_ref();
            message.attachments.iter().any(same)
        };
        self.files.iter().all(listed)
    }

    /// Whether all of its files are in the object store: before that it does not leave.
    pub(crate) fn is_uploaded(&self) -> bool {
        self.files.iter().all(|file| file.uploaded)
    }

    /// Whether those behind it wait until its files are uploaded.
    pub(crate) fn holds_place(&self) -> bool {
        self.options.ordered && !self.is_uploaded()
    }
}
