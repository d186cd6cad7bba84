//! Rooms as the server tells them.

use serde::{Deserialize, Serialize};

use crate::{Event, Mute, Receipt, RoomId, Seq, UserId};

/// What a room is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomKind {
    /// Two people. There is one such room for each pair, and its members never change.
    Direct,
    /// Any number of people.
    Group,
    /// A kind that this version does not know: shown like a group.
    #[serde(other)]
    Other,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May do everything in a group: what a moderator may, to anybody, give roles, and change how it looks.
    Owner,
    /// Keeps order in a group: adds members, mutes, sends away and bans those who are neither owner nor
    /// moderator, deletes anybody's messages, and says how often members may write.
    Moderator,
    /// May read and write, and leave.
    Member,
    /// A role that this version does not know: it may at least what a member may.
    #[serde(other)]
    Other,
}

impl Role {
    /// Whether it may keep order in a group.
    pub fn moderates(self) -> bool {
        matches!(self, Role::Owner | Role::Moderator)
    }

    /// Whether it may mute and send away whoever has that role, and keep him out.
    pub fn may_send_away(self, other: Role) -> bool {
        self == Role::Owner || (self.moderates() && !other.moderates())
    }
}

/// The state of a room at its head, for one member. Wherever a client gets one, it means
/// `limited`: everything up to `head_seq` exists, whether or not its bodies were sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct RoomState<E = Event> {
    /// The room.
    pub id: RoomId,
    /// Direct or group.
    pub kind: RoomKind,
    /// The name, for groups that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The picture, for groups that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// In a direct room, the other one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<UserId>,
    /// When it was created, in ms since 1970-01-01 UTC.
    pub created_at: i64,
    /// How many members it has.
    pub members: u32,
    /// What the reader may do in it.
    pub role: Role,
    /// If the reader may only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<Mute>,
    /// How long a member waits from one message to the next, in ms, unless the role keeps order; 0 for no time.
    #[serde(default, skip_serializing_if = "is_off")]
    pub slow_mode_ms: u32,
    /// Whether the reader still is a member. After leaving, the room keeps its last state.
    pub joined: bool,
    /// What the reader has set for this room, on whatever device.
    #[serde(default, skip_serializing_if = "RoomSettings::is_default")]
    pub settings: RoomSettings,
    /// Which version of them that is: one more with each that is set.
    #[serde(default, skip_serializing_if = "is_first")]
    pub settings_version: u64,
    /// The oldest event that can be read.
    pub first_seq: Seq,
    /// The newest event that the reader may see.
    pub head_seq: Seq,
    /// What the reader has not read yet. Absent after a leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread_base: Option<UnreadBase>,
    /// How far each of its members is, in a room of at most 100. None in a larger one, and none
    /// after a leave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
    /// The event at `head_seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_event: Option<E>,
    /// The newest message of the room that stands in no thread, folded: what a list of rooms shows.
    /// Absent when it is `last_event`, and in a room without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<E>,
}

/// How much of a room its reader has not read, as counted by the server. Only messages of others
/// count. To know the number at a later moment, add the countable events after `as_of`; the base
/// holds only for the watermark `read` that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadBase {
    /// Messages of others with `read < seq <= as_of`. The count stops at 1,000: that many or more.
    pub unread: u32,
    /// Those of all such messages that mention the reader. This count stops there, too.
    pub mentions: u32,
    /// What is counted up to.
    pub as_of: Seq,
    /// The reader's read watermark: everything up to there is read. It begins at the event that
    /// brought the reader into the room.
    pub read: Seq,
}

/// What a user has set for a room, for all of the user's devices. Nobody else learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct RoomSettings {
    /// No notifications: the room's messages do not count for the badge, mentions do.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub muted: bool,
    /// Above all rooms that are not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pinned: bool,
    /// Out of sight, unless asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub archived: bool,
}

impl RoomSettings {
    /// Whether nothing is set.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The settings of one room, as news for the user's other devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsNews {
    /// Which room.
    pub room: RoomId,
    /// All of them.
    pub settings: RoomSettings,
    /// Which version of them that is.
    #[serde(default, skip_serializing_if = "is_first")]
    pub version: u64,
}

/// Settings to be set, and the answer: those that there are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsUpdate {
    /// All of them.
    #[serde(flatten)]
    pub settings: RoomSettings,
    /// Where they are to be set, the version that they follow: if there is another one by now, nothing is
    /// set, so that no request that was long on its way takes back a later one. Without it they are set
    /// whatever there is. In an answer the version that there is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

fn is_off(interval_ms: &u32) -> bool {
    *interval_ms == 0
}

fn is_first(version: &u64) -> bool {
    *version == 0
}
