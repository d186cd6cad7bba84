//! Errors, by what the caller can do about them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{
    ErrorCode, EventId, InvalidBlock, InvalidFile, InvalidId, InvalidOp, InvalidSearch, RoomId,
    WireError,
};

use crate::config::InvalidConfig;

/// What a call of the SDK can fail with. Trouble with the network never fails a send: it waits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The store could not do its part.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The message can never be accepted: change it.
    #[error("the message can not be sent: {0}")]
    InvalidOp(#[from] InvalidOp),
    /// A file can not be sent as it is. Nothing of it is kept.
    #[error("the file {path} can not be sent: {error}", path = path.display())]
    File {
        /// As given.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        error: FileError,
    },
    /// A search that can find nothing, whatever there is: change the query.
    #[error("nothing can be searched for: {0}")]
    InvalidSearch(#[from] InvalidSearch),
    /// Somebody who may not be blocked.
    #[error(transparent)]
    InvalidBlock(#[from] InvalidBlock),
    /// An identifier is none.
    #[error(transparent)]
    InvalidId(#[from] InvalidId),
    /// A knob is out of its bounds.
    #[error(transparent)]
    InvalidConfig(#[from] InvalidConfig),
    /// The server's address is none: use `https://host[:port]` or `http://host[:port]`.
    #[error("`{url}` is no server address: {reason}")]
    InvalidUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The client knows no such room. If somebody just added the user, it comes with the feed.
    #[error("the room {0} is not known here: wait for the feed to bring it, or check the id")]
    UnknownRoom(RoomId),
    /// The user has left the room or was removed from it.
    #[error("the user is no member of the room {0} any more")]
    NotAMember(RoomId),
    /// There is no such message here, or, where a failed one is meant, it has not failed.
    #[error("there is no message {0} here that this could be about")]
    UnknownMessage(EventId),
    /// Only the sender of a message may edit it; delete it may its sender and, in a group, an owner.
    #[error("the message {0} is somebody else's")]
    NotYours(EventId),
    /// The message was deleted, or is about to be: it can be neither changed nor reacted to.
    #[error("the message {0} was deleted")]
    MessageDeleted(EventId),
    /// Too much waits to be sent: wait until some of it has left.
    #[error("{capacity} messages wait in the outbox already: wait until some have left")]
    OutboxFull {
        /// As many as may wait.
        capacity: usize,
    },
    /// This needs the server, and the mode is `Offline`.
    #[error("this needs the server, and there is no connection now")]
    Offline,
    /// This needs the server, and it was not reached.
    #[error("the server was not reached: {0}")]
    Network(String),
    /// The server's "no".
    #[error("the server refused: {0}")]
    Refused(WireError),
    /// The app gave no token, or the server takes none of those given: sign in again.
    #[error("a valid token is needed: {0}")]
    AuthRequired(String),
    /// There are messages that were not sent yet, and the logout was to keep them: send, retry or discard them
    /// first, or give them up with [`crate::Logout::Discard`].
    #[error("{pending} messages were not sent yet")]
    PendingSends {
        /// How many.
        pending: usize,
    },
    /// A file can not be had, whatever the network does.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The app said that it is suspended, and this needs the disk or the network.
    #[error("the app is suspended: say that it is in the foreground or the background first")]
    Suspended,
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl Error {
    /// Whether the same call can succeed later without any change by the caller.
    pub fn is_temporary(&self) -> bool {
        match self {
            Error::Offline
            | Error::Network(_)
            | Error::OutboxFull { .. }
            | Error::PendingSends { .. } => true,
            Error::Refused(error) => error.temporary,
            Error::Store(error) => matches!(error, StoreError::DiskFull | StoreError::Io(_)),
            _ => false,
        }
    }

    /// The code, where the server refused.
    pub fn code(&self) -> Option<&ErrorCode> {
        match self {
            Error::Refused(error) => Some(&error.code),
            _ => None,
        }
    }
}

/// What can be wrong with a file that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is none: choose it again.
    #[error("it is not there (any more): choose it again")]
    Missing,
    /// It is a folder, a pipe or a device.
    #[error("it is no file: choose a file")]
    NoFile,
    /// The app may not read it, or the system can not.
    #[error("it can not be read: {0}")]
    Unreadable(String),
    /// There is nothing in it.
    #[error("it is empty: wait until it is written, or choose another")]
    Empty,
    /// It has more bytes than the server takes.
    #[error("it has more than {max_bytes} bytes: make it smaller")]
    TooLarge {
        /// As many as it may have.
        max_bytes: u64,
    },
    /// It grew or shrank while it was copied: somebody is writing it.
    #[error("somebody is writing it: send it when it is done")]
    Changed,
    /// What is told of it breaks a rule: its media type, its size in pixels, its preview.
    #[error(transparent)]
    Invalid(InvalidFile),
}

/// Why a file can not be had, but for what server and disk say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// What came is not what the message says, twice: its SHA-256 is another one. What came is deleted.
    #[error("the file is not the one that its message names")]
    Damaged,
    /// It is larger than all files together may be: see [`crate::ClientBuilder::file_cache_bytes`].
    #[error("the file has {size} bytes, and at most {most} are kept")]
    TooLarge {
        /// How many bytes it has.
        size: u64,
        /// As many as are kept.
        most: u64,
    },
}

/// What can be wrong with the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreError {
    /// Another process, or another client of this one, has this account open.
    #[error("the folder {path} is in use: close the other client of this account")]
    FolderInUse {
        /// The account's folder.
        path: PathBuf,
    },
    /// The folder can not be made, read or written.
    #[error("the folder {path} can not be used: {reason}")]
    FolderUnusable {
        /// The account's folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// What exists nowhere else, the pending sends, can not be read to its end: the file is damaged.
    /// It was left as it is. [`crate::ClientBuilder::accept_loss`] goes on with what can be read. A
    /// damaged cache alone is never an error: it is filled again.
    #[error("the file {path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of the SDK wrote this. It was left as it is.
    #[error("the database has version {found}, this SDK knows {known}: update the app")]
    Newer {
        /// The version found.
        found: u32,
        /// The newest version known.
        known: u32,
    },
    /// The disk is full: free some space; the client goes on by itself.
    #[error("the disk is full")]
    DiskFull,
    /// An earlier transaction failed, and this one builds on it. Nothing was written.
    #[error("an earlier transaction failed, so that this one was not tried")]
    Superseded,
    /// Anything else that the system or SQLite says.
    #[error("the store failed: {0}")]
    Io(String),
}
