//! Rooms of the list, flat.

use crate::message::Message;

/// What a room is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum RoomKind {
    /// Two people.
    Direct,
    /// Any number of people. Kinds that this version does not know are shown so too.
    Group,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Role {
    /// May do everything in a group: what a moderator may, to anybody, give roles, and change how it looks.
    Owner,
    /// Keeps order in a group: adds members, mutes, sends away and bans those who are neither owner nor
    /// moderator, deletes anybody's messages, and says how often members may write.
    Moderator,
    /// May read and write, and leave. Roles that this version does not know may at least that.
    Member,
}

/// That somebody may only read in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Mute {
    /// Until when, in ms since 1970-01-01 UTC by the server's clock: then it is over without a word. None where only
    /// somebody who keeps order ends it.
    pub until_ms: Option<i64>,
}

/// A room of the list.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct RoomSummary {
    /// Its id.
    pub id: String,
    /// Direct or group.
    pub kind: RoomKind,
    /// The name, for groups that have one.
    pub name: Option<String>,
    /// The picture, for groups that have one.
    pub avatar_url: Option<String>,
    /// In a direct room, the other one.
    pub peer: Option<String>,
    /// When it was created, in ms since 1970-01-01 UTC.
    pub created_at_ms: i64,
    /// How many members it has.
    pub members: u32,
    /// What the user may do in it.
    pub role: Role,
    /// If the user may only read.
    pub mute: Option<Mute>,
    /// How long a member waits from one message to the next, in ms, unless the role keeps order; 0 for no time.
    pub slow_mode_ms: u32,
    /// Whether the user still is a member.
    pub joined: bool,
    /// The newest event known.
    pub head_seq: u64,
    /// That event, if it is here.
    pub last_event: Option<Message>,
    /// What the user has set for it, whether or not the server knows of it yet.
    pub settings: RoomSettings,
    /// What the user has not read.
    pub unread: Unread,
    /// What the user has begun to write.
    pub draft: Option<String>,
    /// Operations of this room in the outbox.
    pub pending: u32,
}

/// How much is unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Unread {
    /// Messages of others, in threads too. Of one room at most 1,000, which then means that many or
    /// more.
    pub messages: u32,
    /// Those of them that mention the user; at most 1,000 of one room.
    pub mentions: u32,
    /// Whether this is the number. If not, there are at least so many, and the server is asked as
    /// soon as it can be reached.
    pub exact: bool,
}

/// What a user has set for a room, for all of the user's devices. Nobody else learns of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct RoomSettings {
    /// The room's messages do not count for the badge, mentions do.
    #[uniffi(default = false)]
    pub muted: bool,
    /// It stands above all rooms that are not.
    #[uniffi(default = false)]
    pub pinned: bool,
    /// It is in no list that does not ask for it, and does not count for the badge.
    #[uniffi(default = false)]
    pub archived: bool,
}

impl From<&tidewire::RoomSummary> for RoomSummary {
    fn from(summary: &tidewire::RoomSummary) -> Self {
        let state = &summary.state;
        let last = state.last_event.clone().map(tidewire::Message::from);
        Self {
            id: state.id.to_string(),
            kind: state.kind.into(),
            name: state.name.clone(),
            avatar_url: state.avatar_url.clone(),
            peer: state.peer.as_ref().map(ToString::to_string),
            created_at_ms: state.created_at,
            members: state.members,
            role: state.role.into(),
            mute: state.mute.map(Mute::from),
            slow_mode_ms: state.slow_mode_ms,
            joined: state.joined,
            head_seq: state.head_seq.get(),
            last_event: last.map(|event| (&event).into()),
            settings: state.settings.into(),
            unread: summary.unread.into(),
            draft: summary.draft.clone(),
            pending: u32::try_from(summary.pending).unwrap_or(u32::MAX),
        }
    }
}

impl From<tidewire::Mute> for Mute {
    fn from(mute: tidewire::Mute) -> Self {
        Self { until_ms: mute.until }
    }
}

impl From<tidewire::RoomKind> for RoomKind {
    fn from(kind: tidewire::RoomKind) -> Self {
        match kind {
            tidewire::RoomKind::Direct => Self::Direct,
            tidewire::RoomKind::Group | tidewire::RoomKind::Other => Self::Group,
        }
    }
}

impl From<RoomKind> for tidewire::RoomKind {
    fn from(kind: RoomKind) -> Self {
        match kind {
            RoomKind::Direct => Self::Direct,
            RoomKind::Group => Self::Group,
        }
    }
}

impl From<tidewire::Role> for Role {
    fn from(role: tidewire::Role) -> Self {
        match role {
            tidewire::Role::Owner => Self::Owner,
            tidewire::Role::Moderator => Self::Moderator,
            tidewire::Role::Member | tidewire::Role::Other => Self::Member,
        }
    }
}

impl From<Role> for tidewire::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Moderator => Self::Moderator,
            Role::Member => Self::Member,
        }
    }
}

impl From<tidewire::Unread> for Unread {
    fn from(unread: tidewire::Unread) -> Self {
        let tidewire::Unread { messages, mentions, exact } = unread;
        Self { messages, mentions, exact }
    }
}

impl From<tidewire::RoomSettings> for RoomSettings {
    fn from(settings: tidewire::RoomSettings) -> Self {
        let tidewire::RoomSettings { muted, pinned, archived } = settings;
        Self { muted, pinned, archived }
    }
}

impl From<RoomSettings> for tidewire::RoomSettings {
    fn from(settings: RoomSettings) -> Self {
        let RoomSettings { muted, pinned, archived } = settings;
        Self { muted, pinned, archived }
    }
}
