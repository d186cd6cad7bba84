//! Identifiers. Each has a type of its own, so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

use crate::limits;

/// Why a text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Room and event ids are UUIDs in the hyphenated form, UUIDv7 by convention.
    #[error(
        "not a UUID: use the hyphenated form, for example 01890a5d-ac96-774b-bcce-b302099a8057"
    )]
    NotUuid,
    /// User ids have 1 to 128 bytes.
    #[error("a user id has 1 to {max} bytes, this one has {0}", max = limits::USER_ID_BYTES)]
    UserIdLength(usize),
    /// User ids hold no white space and no control characters.
    #[error("a user id holds no white space and no control characters")]
    UserIdCharacter,
    /// File keys have 16 to 64 characters of `a-z` and `0-9`.
    #[error("a file key has 16 to {max} characters of `a-z` and `0-9`", max = limits::FILE_KEY_BYTES)]
    FileKey,
    /// Checksums have 64 hexadecimal digits.
    #[error("a SHA-256 has 64 hexadecimal digits in lower case")]
    Checksum,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Takes an existing UUID.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID behind the id.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // Of the forms that `uuid` reads, only the hyphenated one has 36 bytes.
                if text.len() != 36 {
                    return Err(InvalidId::NotUuid);
                }
                Uuid::parse_str(text).map(Self).map_err(|_| InvalidId::NotUuid)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id! {
    /// A room. Chosen by whoever creates the room, which makes creation idempotent.
    RoomId
}

uuid_id! {
    /// An event. **Chosen by its sender** (UUIDv7), its idempotency key, and never changed: the
    /// optimistic message on the sender's screen and the stored one carry the same id.
    ///
    /// The time inside the id is never trusted: order is [`Seq`], display time is the server's.
    EventId
}

uuid_id! {
    /// The upload of a file. **Chosen by whoever uploads** (UUIDv7), its idempotency key: after a restart
    /// the same id goes on where the upload stood.
    UploadId
}

uuid_id! {
    /// A report. **Chosen by whoever reports**, its idempotency key.
    ReportId
}

uuid_id! {
    /// A session of an account. Chosen by the server, and no secret: it opens nothing.
    SessionId
}

/// A user, as named by the `sub` claim of the token: 1 to 128 bytes, no white space, no control
/// characters. A clone costs one atomic increment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Checks and takes `text`.
    ///
    /// # Errors
    /// [`InvalidId::UserIdLength`] or [`InvalidId::UserIdCharacter`].
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, InvalidId> {
        let text = text.into();
        if text.is_empty() || text.len() > limits::USER_ID_BYTES {
            return Err(InvalidId::UserIdLength(text.len()));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(InvalidId::UserIdCharacter);
        }
        Ok(Self(text))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::new(text.as_ref()).map_err(serde::de::Error::custom)
    }
}

/// The place of an event in its room: 1, 2, 3 … without a hole. 0 is "before the first".
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before the first event of a room.
    pub const ZERO: Seq = Seq(0);

    /// The place with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place before this one; the one before 0 is 0.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
