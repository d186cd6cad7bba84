//! Why the store does not do what it was asked.

use tidewire_protocol::{ErrorCode, WireError};

/// Most time until a store that could not write is asked again, in ms. Each caller gets a slot of
/// its own below it.
const RETRY_MS: u64 = 2_000;

/// Why the store does not do what it was asked. Nothing has been written then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// The room does not exist, or the user is not in it.
    #[error("there is no such room, or you are not a member of it")]
    NotAMember,
    /// The user may not do this.
    #[error("{0}")]
    Forbidden(&'static str),
    /// Somebody who was to be added is kept out.
    #[error("{0} is banned from the room: lift the ban first")]
    Banned(tidewire_protocol::UserId),
    /// The other one, or one of those who were to be added, has blocked the user. Who is not told.
    #[error("this person cannot be reached")]
    Blocked,
    /// The user has blocked the other one.
    #[error("you have blocked this person: unblock first")]
    UnblockFirst,
    /// The room has no such message, or not one that the user may see.
    #[error("the room has no message of this id")]
    UnknownMessage,
    /// There is no such report, or the user keeps no order in its room.
    #[error("there is no such report that you may see")]
    UnknownReport,
    /// There is no such upload of the user's.
    #[error("there is no such upload of yours, or not any more: begin it anew")]
    UnknownUpload,
    /// There is no such file for the user.
    #[error("there is no such file, or you may not see it")]
    UnknownFile,
    /// The id stands for something else.
    #[error("this id stands for something else already: take another one")]
    IdTaken,
    /// Somebody has the account, or is that user without one.
    #[error("there is such a user already: take another name, or sign in")]
    UserTaken,
    /// A rule is broken.
    #[error("{0}")]
    InvalidContent(String),
    /// The page token was never given.
    #[error("this server gave no such page token: begin with the first page")]
    BadPageToken,
    /// The cursor lies beyond the head of the log.
    #[error("the cursor lies beyond the log: bootstrap")]
    CursorBeyondHead,
    /// The disk does not take it now, or the store is closing.
    #[error("the store cannot serve right now: {0}")]
    Unavailable(String),
    /// There is no room left where the store writes.
    #[error("the disk is full: make room there ({0})")]
    DiskFull(String),
    /// A fault of the server.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// The store has been closed.
    pub(crate) fn closed() -> Self {
        Self::Unavailable("it is closing".into())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::DiskFull) => Self::DiskFull(error.to_string()),
            Some(
                Code::SystemIoFailure
                | Code::ReadOnly
                | Code::CannotOpen
                | Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::OutOfMemory
                | Code::OperationInterrupted,
            ) => Self::Unavailable(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<StoreError> for WireError {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::NotAMember => ErrorCode::NotAMember,
            StoreError::Forbidden(_) => ErrorCode::Forbidden,
            StoreError::Banned(_) => ErrorCode::Banned,
            StoreError::Blocked => ErrorCode::Blocked,
            StoreError::UnblockFirst => ErrorCode::UnblockFirst,
            StoreError::UnknownMessage => ErrorCode::UnknownMessage,
            StoreError::UnknownReport => ErrorCode::UnknownReport,
            StoreError::UnknownUpload => ErrorCode::UnknownUpload,
            StoreError::UnknownFile => ErrorCode::UnknownFile,
            StoreError::IdTaken | StoreError::UserTaken => ErrorCode::IdTaken,
            StoreError::InvalidContent(_) => ErrorCode::InvalidContent,
            StoreError::BadPageToken => ErrorCode::BadRequest,
            StoreError::CursorBeyondHead => ErrorCode::CursorInvalid,
            // What the disk says is for the log of the server, not for its clients.
            StoreError::Unavailable(_) | StoreError::DiskFull(_) => {
                tracing::warn!(reason = %error, "the store cannot serve");
                let slot = RETRY_MS / 4 + fastrand::u64(0..RETRY_MS);
                return WireError::new(
                    ErrorCode::Unavailable,
                    "the server cannot read or write right now: try again",
                )
                .retry_after_ms(slot);
            }
            StoreError::Failed(reason) => {
                tracing::error!(%reason, "the store failed");
                return WireError::new(ErrorCode::Internal, "the server failed: try again later");
            }
        };
        WireError::new(code, error.to_string())
    }
}
