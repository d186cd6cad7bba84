//! Presence and typing: true for a moment, never in the log. Whatever of it is lost or shed is
//! made up for by the next change or by the end of its time.

use serde::{Deserialize, Serialize};

use crate::{RoomId, UserId, limits};

/// Where a user stands, as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceState {
    /// Some device of the user's is in the foreground.
    Online,
    /// Every device that was heard of is in the background.
    Away,
    /// No device was heard of within 2.5 of the heartbeats that it declared.
    Offline,
    /// A state that this version does not know: shown like none.
    #[serde(other)]
    Other,
}

/// What others are told of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPresence {
    /// Whose.
    pub user: UserId,
    /// Where the user stands.
    pub state: PresenceState,
    /// Of one who is offline: the last sign of life, in ms since 1970-01-01 UTC. Absent when none is
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<i64>,
}

/// Somebody types in a room, or has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerTyping {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// For how long from now it is to be believed, in ms; 0: the user has stopped.
    pub ttl_ms: u64,
}

/// What a client says of its own user's typing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypingUpdate {
    /// Where.
    pub room: RoomId,
    /// Whether the user types; false says that it is over.
    pub typing: bool,
}

/// Which rooms a client watches: of their members it hears presence, of the rooms who types.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Watch {
    /// At most 20, the most important first.
    pub rooms: Vec<RoomId>,
    /// The `to` of an earlier answer for these rooms or for more: then only what has changed since
    /// comes. Without it, or with one that the server does not know, everything comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// News of presence and typing in watched rooms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ephemeral {
    /// Each user at most once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub presence: Vec<PeerPresence>,
    /// Each user at most once a room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub typing: Vec<PeerTyping>,
    /// In an answer to `sync`: where to go on from, in [`Watch::since`]. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl Ephemeral {
    /// Whether it tells nothing of anybody.
    pub fn is_empty(&self) -> bool {
        self.presence.is_empty() && self.typing.is_empty()
    }
}

/// What a server that says nothing of it allows.
pub(crate) fn default_members() -> u32 {
    limits::EPHEMERAL_MEMBERS
}

pub(crate) fn is_default_members(members: &u32) -> bool {
    *members == limits::EPHEMERAL_MEMBERS
}

pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Rooms in a query, which holds no lists: their ids with commas between them.
pub(crate) mod comma_separated {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use crate::RoomId;

    pub(crate) fn serialize<S: Serializer>(rooms: &[RoomId], to: S) -> Result<S::Ok, S::Error> {
        let ids: Vec<String> = rooms.iter().map(ToString::to_string).collect();
        to.serialize_str(&ids.join(","))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<RoomId>, D::Error> {
        let text = String::deserialize(from)?;
        let ids = text.split(',').filter(|_| !text.is_empty());
        ids.map(|id| id.parse().map_err(D::Error::custom)).collect()
    }
}
