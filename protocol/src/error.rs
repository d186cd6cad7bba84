//! Errors of the wire. Only an answer with this body is the server's "no"; anything else that
//! claims to be an answer (a captive portal, a proxy) is network trouble.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The body of every HTTP answer with a status of 400 or above.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: WireError,
}

/// An error as the server tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct WireError {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong and what to do about it, for people.
    pub message: String,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub temporary: bool,
    /// When to try again, in ms from now: the slot that the server has given this client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// More of what went wrong, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Box<ErrorDetail>>,
}

/// More of what went wrong, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// Of `too_large`, where a file is: how many bytes it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Of `upload_incomplete`: the parts that the store lacks, at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_parts: Vec<u32>,
    /// Of `muted`: until when, in ms since 1970-01-01 UTC by the server's clock. Absent where only somebody who
    /// keeps order ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl WireError {
    /// An error with the message given. Whether it is temporary follows from the code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let temporary = code.is_temporary();
        Self { code, message: message.into(), temporary, retry_after_ms: None, detail: None }
    }

    /// The same with more of what went wrong.
    #[must_use]
    pub fn detail(mut self, detail: ErrorDetail) -> Self {
        self.detail = Some(Box::new(detail));
        self
    }

    /// The same with a slot.
    #[must_use]
    pub fn retry_after_ms(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)*
            /// A code that this version does not know. Its HTTP status and `temporary` tell what
            /// to do.
            Other(String),
        }

        impl ErrorCode {
            /// Every code that this version knows.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),*];

            /// The name on the wire.
            pub fn as_str(&self) -> &str {
                match self {
                    $(ErrorCode::$name => $text,)*
                    ErrorCode::Other(text) => text,
                }
            }

            /// The HTTP status that goes with the code.
            pub fn status(&self) -> u16 {
                match self {
                    $(ErrorCode::$name => $status,)*
                    ErrorCode::Other(_) => 400,
                }
            }
        }

        impl From<&str> for ErrorCode {
            fn from(text: &str) -> Self {
                match text {
                    $($text => ErrorCode::$name,)*
                    other => ErrorCode::Other(other.into()),
                }
            }
        }
    };
}

codes! {
    /// The request is no JSON, or not of the call's shape.
    BadRequest = "bad_request", 400;
    /// A socket frame is no JSON, or not of its type's shape.
    BadFrame = "bad_frame", 400;
    /// A socket frame of a type that the server does not know. It was ignored.
    UnknownFrame = "unknown_frame", 400;
    /// The cursor is no cursor, another user's, or beyond the head of the log: bootstrap.
    CursorInvalid = "cursor_invalid", 400;
    /// No token, or one that this server did not sign: get another.
    TokenInvalid = "token_invalid", 401;
    /// The token was good and has expired: get another.
    TokenExpired = "token_expired", 401;
    /// There is no such account, or the password is not its: the two are not told apart.
    WrongCredentials = "wrong_credentials", 401;
    /// The room does not exist, or the user is not in it: the two are not told apart.
    NotAMember = "not_a_member", 403;
    /// The signed address has ended, or this server did not sign it: ask for another.
    UrlExpired = "url_expired", 403;
    /// The user is in the room and may not do this.
    Forbidden = "forbidden", 403;
    /// Somebody who keeps order has taken the user's word in the room: see [`ErrorDetail::until`].
    Muted = "muted", 403;
    /// A user who was to be added is banned from the room: nobody was added.
    Banned = "banned", 403;
    /// What was to be sent cannot be delivered to this person, and who was to be added cannot be added. Why is not
    /// told.
    Blocked = "blocked", 403;
    /// The user has blocked this person: unblock first.
    UnblockFirst = "unblock_first", 403;
    /// There is no such call.
    NotFound = "not_found", 404;
    /// The room has no message of this id that the user can see.
    UnknownMessage = "unknown_message", 404;
    /// There is no report of this id that the user may see.
    UnknownReport = "unknown_report", 404;
    /// There is no upload of this id of the user's, or not any more.
    UnknownUpload = "unknown_upload", 404;
    /// There is no file of this key that the user may see, or not any more.
    UnknownFile = "unknown_file", 404;
    /// The call exists, with another method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The id stands for something else already: take another.
    IdTaken = "id_taken", 409;
    /// The message was deleted: it can be neither edited nor reacted to.
    MessageDeleted = "message_deleted", 409;
    /// It is so already: the reaction is there (or gone), the message is deleted. Nothing was written.
    NoChange = "no_change", 409;
    /// The upload is not complete: parts are missing, or nobody has said that it is.
    UploadIncomplete = "upload_incomplete", 409;
    /// The cursor is older than the log reaches, or of another epoch: bootstrap.
    CursorExpired = "cursor_expired", 410;
    /// The body or the frame is over its limit.
    TooLarge = "too_large", 413;
    /// The shape is right and the content is not: it breaks a limit or a rule.
    InvalidContent = "invalid_content", 422;
    /// What arrived is not what its checksum says: send it again.
    ChecksumMismatch = "checksum_mismatch", 422;
    /// Too many requests: try again in `retry_after_ms`.
    RateLimited = "rate_limited", 429;
    /// The room is in slow mode, and the user's last message is too young: try again in `retry_after_ms`. It
    /// concerns this room alone.
    SlowMode = "slow_mode", 429;
    /// The server failed; it is on record there.
    Internal = "internal", 500;
    /// The server is overloaded, starting or stopping: try again in `retry_after_ms`.
    Unavailable = "unavailable", 503;
}

impl ErrorCode {
    /// Whether the same request may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self.status(), 429 | 500..)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Ok(text.as_ref().into())
    }
}
