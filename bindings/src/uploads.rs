//! Files on their way out: named by the app, copied by the client, uploaded before their message is sent.

use tidewire::FileError;

use crate::client::Client;
use crate::error::TidewireError;
use crate::files::Preview;
use crate::message::OutgoingMessage;
use crate::outbox::SendOptions;
use crate::runtime::finish;

/// A file that is to be sent. Only the path has to be told.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewFile {
    /// Where it is. It is copied before anything else happens: what becomes of it afterwards does not matter.
    pub path: String,
    /// The name that others see: that of the path unless told. What may not be in a name becomes `_`.
    #[uniffi(default = None)]
    pub name: Option<String>,
    /// Its media type, for example `image/jpeg`: guessed from the extension of its name unless told.
    #[uniffi(default = None)]
    pub content_type: Option<String>,
    /// The width of a picture or video in pixels, as it is shown.
    #[uniffi(default = None)]
    pub width: Option<u32>,
    /// The height in pixels.
    #[uniffi(default = None)]
    pub height: Option<u32>,
    /// How long it plays, in ms.
    #[uniffi(default = None)]
    pub duration_ms: Option<u32>,
    /// What others see until they have the file: at most 1 KiB.
    #[uniffi(default = None)]
    pub preview: Option<Preview>,
}

/// A file of a message that waits for its upload.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OutgoingFile {
    /// Its upload.
    pub id: String,
    /// Its name, as others will see it.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// How many bytes it has.
    pub size: u64,
    /// How many of them are uploaded or on their way. At most five times a second another number.
    pub sent: u64,
    /// Whether all of it is there, and was checked.
    pub uploaded: bool,
    /// Where the client's copy is: to be shown, never to be changed. It goes once the message is in the log.
    pub path: String,
    /// The width of a picture or video in pixels.
    pub width: Option<u32>,
    /// The height in pixels.
    pub height: Option<u32>,
    /// How long it plays, in ms.
    pub duration_ms: Option<u32>,
    /// What is shown until the file is there.
    pub preview: Option<Preview>,
}

#[uniffi::export]
impl Client {
    /// Sends a message with files, at most 10; its text may be empty. They are copied first. Gives the message's
    /// id once copies and message are on disk; by then open timelines show it, with how far each upload is. From
    /// there on it arrives exactly once, also after a restart; after a cut only the part that was on its way goes
    /// up again. What is sent after it overtakes it meanwhile, unless the options say `ordered`. Goes on if the
    /// caller gives up. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// `FileMissing`, `FileUnusable`, `UploadTooLarge`, and `DiskFull` where there is no room for the copies:
    /// nothing is kept of any of them then. Else as for `send`.
    pub async fn send_files(
        &self,
        room: String,
        message: OutgoingMessage,
        files: Vec<NewFile>,
        options: SendOptions,
    ) -> Result<String, TidewireError> {
        let (room, content) = (self.room(&room)?, message.content()?);
        let files = files.into_iter().map(tidewire::NewFile::from).collect();
        finish(
            async move { Ok(room.send_files(content, files, options.into()).await?.to_string()) },
        )
        .await
    }
}

impl From<NewFile> for tidewire::NewFile {
    fn from(file: NewFile) -> Self {
        Self {
            path: file.path.into(),
            name: file.name,
            content_type: file.content_type,
            width: file.width,
            height: file.height,
            duration_ms: file.duration_ms,
            preview: file
                .preview
                .map(|Preview { format, data }| tidewire::Preview { format, data }),
        }
    }
}

impl From<&tidewire::OutgoingFile> for OutgoingFile {
    fn from(file: &tidewire::OutgoingFile) -> Self {
        let preview = |preview: &tidewire::Preview| Preview {
            format: preview.format.clone(),
            data: preview.data.clone(),
        };
        Self {
            id: file.id.to_string(),
            name: file.name.clone(),
            content_type: file.content_type.clone(),
            size: file.size,
            sent: file.sent,
            uploaded: file.uploaded,
            path: file.path.to_string_lossy().into_owned(),
            width: file.width,
            height: file.height,
            duration_ms: file.duration_ms,
            preview: file.preview.as_ref().map(preview),
        }
    }
}

/// What is wrong with a file that is to be sent.
pub(crate) fn unusable(path: String, error: &FileError) -> TidewireError {
    match error {
        FileError::Missing => TidewireError::FileMissing { path },
        FileError::TooLarge { max_bytes } => {
            TidewireError::UploadTooLarge { path, max_bytes: *max_bytes }
        }
        error => TidewireError::FileUnusable { path, reason: error.to_string() },
    }
}
