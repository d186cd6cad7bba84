//! Errors as enums with fields, so that an app can act on them without reading text.

use tidewire::{DownloadError, Error, StoreError};

use crate::uploads::unusable;

/// What a call can fail with. Trouble with the network never fails a send: it waits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum TidewireError {
    /// Another process, or another client of this one, has this account open.
    #[error("the folder {path} is in use: close the other client of this account")]
    FolderInUse {
        /// The account's folder.
        path: String,
    },
    /// The folder can not be made, read or written.
    #[error("the folder {path} can not be used: {reason}")]
    FolderUnusable {
        /// The account's folder.
        path: String,
        /// What the system says.
        reason: String,
    },
    /// What exists nowhere else, the pending sends, can not be read to its end: the file is damaged.
    /// It was left as it is. `accept_loss` goes on with what can be read. A damaged cache alone is
    /// never an error: it is filled again.
    #[error("the file {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of the SDK wrote the database. It was left as it is.
    #[error("the database has version {found}, this SDK knows {known}: update the app")]
    NewerDatabase {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// The disk is full: free some space; the client goes on by itself.
    #[error("the disk is full")]
    DiskFull,
    /// Anything else that is wrong with the store.
    #[error("the store failed: {reason}")]
    StoreFailed {
        /// What the system or SQLite says.
        reason: String,
    },
    /// The message can never be accepted: change it.
    #[error("the message can not be sent: {reason}")]
    InvalidMessage {
        /// What is wrong with it.
        reason: String,
    },
    /// A search that can find nothing, whatever there is: change the query.
    #[error("nothing can be searched for: {reason}")]
    InvalidSearch {
        /// What is wrong with it.
        reason: String,
    },
    /// Somebody who may not be blocked: the user himself, or more than 1,000.
    #[error("{reason}")]
    InvalidBlock {
        /// Which of the two.
        reason: String,
    },
    /// An identifier is none.
    #[error("{reason}")]
    InvalidId {
        /// What is wrong with it.
        reason: String,
    },
    /// A setting is out of its bounds.
    #[error("`{setting}` is out of its bounds: {bounds}")]
    InvalidSetting {
        /// The setting.
        setting: String,
        /// Its bounds.
        bounds: String,
    },
    /// The server's address is none: use `https://host[:port]` or `http://host[:port]`.
    #[error("`{url}` is no server address: {reason}")]
    InvalidUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client knows no such room. If somebody just added the user, it comes with the feed.
    #[error("the room {room} is not known here: wait for the feed to bring it, or check the id")]
    UnknownRoom {
        /// The room.
        room: String,
    },
    /// The user has left the room or was removed from it.
    #[error("the user is no member of the room {room} any more")]
    NotAMember {
        /// The room.
        room: String,
    },
    /// There is no such message here, or, where a failed one is meant, it has not failed.
    #[error("there is no message {id} here that this could be about")]
    UnknownMessage {
        /// The message.
        id: String,
    },
    /// Only the sender of a message may edit it; delete it may its sender and, in a group, an owner.
    #[error("the message {id} is somebody else's")]
    NotYours {
        /// The message.
        id: String,
    },
    /// The message was deleted, or is about to be: it can be neither changed nor reacted to.
    #[error("the message {id} was deleted")]
    MessageDeleted {
        /// The message.
        id: String,
    },
    /// Too much waits to be sent: wait until some of it has left.
    #[error("{capacity} messages wait in the outbox already: wait until some have left")]
    OutboxFull {
        /// As many as may wait.
        capacity: u64,
    },
    /// This needs the server, and the mode is `Offline`.
    #[error("this needs the server, and there is no connection now")]
    Offline,
    /// This needs the server, and it was not reached.
    #[error("the server was not reached: {reason}")]
    Network {
        /// What happened.
        reason: String,
    },
    /// The server's "no".
    #[error("the server refused: {reason}")]
    Refused {
        /// The code, as in the protocol.
        code: String,
        /// What went wrong and what to do about it.
        reason: String,
        /// Whether the same call can succeed later.
        temporary: bool,
        /// When to try again, in ms from now, if the server said so.
        retry_after_ms: Option<u64>,
    },
    /// The app gave no token, or the server takes none of those given: sign in again.
    #[error("a valid token is needed: {reason}")]
    AuthRequired {
        /// Why.
        reason: String,
    },
    /// There are messages that were not sent yet, and the logout was to keep them: send, retry or
    /// discard them first, or give them up.
    #[error("{pending} messages were not sent yet")]
    PendingSends {
        /// How many.
        pending: u64,
    },
    /// There is no such file (any more): choose it again. Nothing was sent.
    #[error("the file {path} is not there: choose it again")]
    FileMissing {
        /// As given.
        path: String,
    },
    /// The file can not be sent as it is: it is empty, being written, no file, or can not be read. Nothing was
    /// sent.
    #[error("the file {path} can not be sent: {reason}")]
    FileUnusable {
        /// As given.
        path: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The file has more bytes than the server takes: make it smaller. Nothing was sent.
    #[error("the file {path} has more than {max_bytes} bytes: make it smaller")]
    UploadTooLarge {
        /// As given.
        path: String,
        /// As many as it may have.
        max_bytes: u64,
    },
    /// What came of a file is not what its message says, twice. What came is deleted.
    #[error("the file is not the one that its message names")]
    FileDamaged,
    /// The file is larger than all files together may be: see `file_cache_bytes`.
    #[error("the file has {size} bytes, and at most {most} are kept")]
    FileTooLarge {
        /// How many bytes it has.
        size: u64,
        /// As many as are kept.
        most: u64,
    },
    /// The app said that it is suspended, and this needs the disk or the network: say that it is in
    /// the foreground or the background first.
    #[error("the app is suspended: say that it is in the foreground or the background first")]
    Suspended,
    /// The client or the subscription was closed.
    #[error("this was closed")]
    Closed,
    /// The caller was cancelled. Nothing is lost: what was on its way comes with the next call.
    #[error("the call was cancelled")]
    Cancelled,
    /// Another `next` waits on the same subscription: one reader at a time.
    #[error("another call waits for the next batch: a subscription has one reader at a time")]
    AlreadyWaiting,
    /// The SDK failed. Please report it.
    #[error("the SDK failed: {reason}")]
    Internal {
        /// What happened.
        reason: String,
    },
}

#[uniffi::export]
impl TidewireError {
    /// What went wrong and what to do about it, for people.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// Whether the same call can succeed later without any change by the caller.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Offline | Self::Network { .. } | Self::OutboxFull { .. } => true,
            Self::DiskFull | Self::StoreFailed { .. } => true,
            Self::PendingSends { .. } | Self::Cancelled | Self::AlreadyWaiting => true,
            Self::Refused { temporary, .. } => *temporary,
            _ => false,
        }
    }
}

impl TidewireError {
    pub(crate) fn internal(reason: impl Into<String>) -> Self {
        Self::Internal { reason: reason.into() }
    }
}

impl From<Error> for TidewireError {
    fn from(error: Error) -> Self {
        let count = |number| u64::try_from(number).unwrap_or(u64::MAX);
        match error {
            Error::Store(error) => error.into(),
            Error::InvalidOp(error) => Self::InvalidMessage { reason: error.to_string() },
            Error::File { path, error } => unusable(path.to_string_lossy().into_owned(), &error),
            Error::InvalidSearch(error) => Self::InvalidSearch { reason: error.to_string() },
            Error::InvalidBlock(error) => Self::InvalidBlock { reason: error.to_string() },
            Error::InvalidId(error) => Self::InvalidId { reason: error.to_string() },
            Error::InvalidConfig(error) => {
                Self::InvalidSetting { setting: error.knob.into(), bounds: error.bounds.into() }
            }
            Error::InvalidUrl { url, reason } => Self::InvalidUrl { url, reason },
            Error::UnknownRoom(room) => Self::UnknownRoom { room: room.to_string() },
            Error::NotAMember(room) => Self::NotAMember { room: room.to_string() },
            Error::UnknownMessage(id) => Self::UnknownMessage { id: id.to_string() },
            Error::NotYours(id) => Self::NotYours { id: id.to_string() },
            Error::MessageDeleted(id) => Self::MessageDeleted { id: id.to_string() },
            Error::OutboxFull { capacity } => Self::OutboxFull { capacity: count(capacity) },
            Error::Offline => Self::Offline,
            Error::Network(reason) => Self::Network { reason },
            Error::Refused(error) => Self::Refused {
                code: error.code.as_str().into(),
                reason: error.message,
                temporary: error.temporary,
                retry_after_ms: error.retry_after_ms,
            },
            Error::AuthRequired(reason) => Self::AuthRequired { reason },
            Error::PendingSends { pending } => Self::PendingSends { pending: count(pending) },
            Error::Download(DownloadError::Damaged) => Self::FileDamaged,
            Error::Download(DownloadError::TooLarge { size, most }) => {
                Self::FileTooLarge { size, most }
            }
            Error::Suspended => Self::Suspended,
            Error::Closed => Self::Closed,
        }
    }
}

impl From<StoreError> for TidewireError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::FolderInUse { path } => {
                Self::FolderInUse { path: path.display().to_string() }
            }
            StoreError::FolderUnusable { path, reason } => {
                Self::FolderUnusable { path: path.display().to_string(), reason }
            }
            StoreError::Damaged { path, reason } => {
                Self::Damaged { path: path.display().to_string(), reason }
            }
            StoreError::Newer { found, known } => Self::NewerDatabase { found, known },
            StoreError::DiskFull => Self::DiskFull,
            StoreError::Superseded | StoreError::Io(_) => {
                Self::StoreFailed { reason: error.to_string() }
            }
        }
    }
}

impl From<tidewire::InvalidId> for TidewireError {
    fn from(error: tidewire::InvalidId) -> Self {
        Error::InvalidId(error).into()
    }
}
