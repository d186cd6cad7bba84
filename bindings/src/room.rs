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
    /// May add and remove members.
    Owner,
    /// May read and write, and leave. Roles that this version does not know may at least that.
    Member,
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
    /// In a direct room, the other one.
    pub peer: Option<String>,
    /// When it was created, in ms since 1970-01-01 UTC.
    pub created_at_ms: i64,
    /// How many members it has.
    pub members: u32,
    /// What the user may do in it.
    pub role: Role,
    /// Whether the user still is a member.
    pub joined: bool,
    /// The newest event known.
    pub head_seq: u64,
    /// That event, if it is here.
    pub last_message: Option<Message>,
    /// What the user has not read, as last told by the server.
    pub unread_base: Option<UnreadBase>,
    /// Messages of this room in the outbox.
    pub pending: u32,
}

/// How much of a room its user has not read, as counted by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct UnreadBase {
    /// Messages of others; 1,000 means that many or more.
    pub unread: u32,
    /// Those of them that mention the user.
    pub mentions: u32,
    /// What is counted up to.
    pub as_of: u64,
    /// Everything up to there is read.
    pub read: u64,
}

impl From<&tidewire::RoomSummary> for RoomSummary {
    fn from(summary: &tidewire::RoomSummary) -> Self {
        let state = &summary.state;
        Self {
            id: state.id.to_string(),
            kind: match state.kind {
                tidewire::RoomKind::Direct => RoomKind::Direct,
                tidewire::RoomKind::Group | tidewire::RoomKind::Other => RoomKind::Group,
            },
            name: state.name.clone(),
            peer: state.peer.as_ref().map(ToString::to_string),
            created_at_ms: state.created_at,
            members: state.members,
            role: match state.role {
                tidewire::Role::Owner => Role::Owner,
                tidewire::Role::Member | tidewire::Role::Other => Role::Member,
            },
            joined: state.joined,
            head_seq: state.head_seq.get(),
            last_message: state.last_event.as_ref().map(Message::from),
            unread_base: state.unread_base.map(|base| UnreadBase {
                unread: base.unread,
                mentions: base.mentions,
                as_of: base.as_of.get(),
                read: base.read.get(),
            }),
            pending: u32::try_from(summary.pending).unwrap_or(u32::MAX),
        }
    }
}
