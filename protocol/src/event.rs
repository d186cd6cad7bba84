//! Events: what is durable in a room's log.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{
    Attachment, DeleteContent, EditContent, EventId, Fold, Mute, MuteChange, ReactionContent, Role,
    RoomId, RoomKind, Seq, SlowMode, UserId,
};

/// One event of a room's log, as every reader gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Chosen by the sender, unique within the room.
    pub id: EventId,
    /// The room.
    pub room: RoomId,
    /// The place in the room: it orders, removes repeats and shows holes.
    pub seq: Seq,
    /// Who did it.
    pub sender: UserId,
    /// When the server took it, in ms since 1970-01-01 UTC.
    pub at: i64,
    /// What kind of content this is.
    pub kind: EventKind,
    /// The content, kept byte for byte: kinds that this version does not know pass through.
    pub content: Content,
    /// In a folded history: what later events have made of it. Absent where nothing has, and on every
    /// event that stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Box<Fold>>,
}

impl Event {
    /// The content as a type, by its kind. Content that does not fit its kind is
    /// [`Body::Opaque`], never an error: an old client must live with a new server.
    pub fn body(&self) -> Body {
        fn typed<'a, T: Deserialize<'a>>(content: &'a Content, wrap: fn(T) -> Body) -> Body {
            content.parse().map_or(Body::Opaque, wrap)
        }
        match self.kind {
            EventKind::Message => typed(&self.content, Body::Message),
            EventKind::Edit => typed(&self.content, Body::Edit),
            EventKind::Delete => typed(&self.content, Body::Delete),
            EventKind::Reaction => typed(&self.content, Body::Reaction),
            EventKind::RoomCreated => typed(&self.content, Body::RoomCreated),
            EventKind::MemberJoined => typed(&self.content, Body::MemberJoined),
            EventKind::RoomUpdated => typed(&self.content, Body::RoomUpdated),
            EventKind::MemberLeft => typed(&self.content, Body::MemberLeft),
            EventKind::MemberRole => typed(&self.content, Body::MemberRole),
            EventKind::MemberBanned => typed(&self.content, Body::MemberBanned),
            EventKind::MemberUnbanned => typed(&self.content, Body::MemberUnbanned),
            EventKind::MemberMuted => typed(&self.content, Body::MemberMuted),
            EventKind::MemberUnmuted => typed(&self.content, Body::MemberUnmuted),
            EventKind::RoomSlowMode => typed(&self.content, Body::RoomSlowMode),
            EventKind::Other(_) => Body::Opaque,
        }
    }
}

/// The content of an event as a type.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Somebody said something.
    Message(MessageContent),
    /// Somebody said it better.
    Edit(EditContent),
    /// Somebody took back what was said.
    Delete(DeleteContent),
    /// Somebody marked a message, or took the mark away.
    Reaction(ReactionContent),
    /// The first event of every room.
    RoomCreated(RoomCreated),
    /// The room looks different.
    RoomUpdated(RoomUpdate),
    /// Somebody was added.
    MemberJoined(MemberChange),
    /// Somebody left or was removed.
    MemberLeft(MemberChange),
    /// Somebody may do more or less.
    MemberRole(RoleChange),
    /// Somebody is kept out from here on.
    MemberBanned(MemberChange),
    /// Somebody may be added again.
    MemberUnbanned(MemberChange),
    /// Somebody may only read from here on.
    MemberMuted(MuteChange),
    /// Somebody may write again.
    MemberUnmuted(MemberChange),
    /// How often a member may write is another.
    RoomSlowMode(SlowMode),
    /// A kind or a shape that this version does not know.
    Opaque,
}

/// What kind of content an event has. Kinds that start with `room.` or `member.` are the
/// server's; every other kind may be sent by clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `message`: [`MessageContent`].
    Message,
    /// `edit`: [`EditContent`].
    Edit,
    /// `delete`: [`DeleteContent`].
    Delete,
    /// `reaction`: [`ReactionContent`].
    Reaction,
    /// `room.created`: [`RoomCreated`]. Only the server writes it.
    RoomCreated,
    /// `room.updated`: [`RoomUpdate`]. Only the server writes it.
    RoomUpdated,
    /// `member.joined`: [`MemberChange`]. Only the server writes it.
    MemberJoined,
    /// `member.left`: [`MemberChange`]. Only the server writes it.
    MemberLeft,
    /// `member.role`: [`RoleChange`]. Only the server writes it.
    MemberRole,
    /// `member.banned`: [`MemberChange`]. Only the server writes it.
    MemberBanned,
    /// `member.unbanned`: [`MemberChange`]. Only the server writes it.
    MemberUnbanned,
    /// `member.muted`: [`MuteChange`]. Only the server writes it.
    MemberMuted,
    /// `member.unmuted`: [`MemberChange`]. Only the server writes it.
    MemberUnmuted,
    /// `room.slow_mode`: [`SlowMode`]. Only the server writes it.
    RoomSlowMode,
    /// Any other kind, carried opaque.
    Other(Arc<str>),
}

impl EventKind {
    /// The name on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            EventKind::Message => "message",
            EventKind::Edit => "edit",
            EventKind::Delete => "delete",
            EventKind::Reaction => "reaction",
            EventKind::RoomCreated => "room.created",
            EventKind::RoomUpdated => "room.updated",
            EventKind::MemberJoined => "member.joined",
            EventKind::MemberLeft => "member.left",
            EventKind::MemberRole => "member.role",
            EventKind::MemberBanned => "member.banned",
            EventKind::MemberUnbanned => "member.unbanned",
            EventKind::MemberMuted => "member.muted",
            EventKind::MemberUnmuted => "member.unmuted",
            EventKind::RoomSlowMode => "room.slow_mode",
            EventKind::Other(name) => name,
        }
    }

    /// Whether only the server may write events of this kind.
    pub fn is_reserved(&self) -> bool {
        let name = self.as_str();
        name.starts_with("room.") || name.starts_with("member.")
    }
}

impl From<&str> for EventKind {
    fn from(name: &str) -> Self {
        match name {
            "message" => EventKind::Message,
            "edit" => EventKind::Edit,
            "delete" => EventKind::Delete,
            "reaction" => EventKind::Reaction,
            "room.created" => EventKind::RoomCreated,
            "room.updated" => EventKind::RoomUpdated,
            "member.joined" => EventKind::MemberJoined,
            "member.left" => EventKind::MemberLeft,
            "member.role" => EventKind::MemberRole,
            "member.banned" => EventKind::MemberBanned,
            "member.unbanned" => EventKind::MemberUnbanned,
            "member.muted" => EventKind::MemberMuted,
            "member.unmuted" => EventKind::MemberUnmuted,
            "room.slow_mode" => EventKind::RoomSlowMode,
            other => EventKind::Other(other.into()),
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Ok(name.as_ref().into())
    }
}

/// JSON kept as the sender wrote it. Two contents are equal when their bytes are.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(Box<RawValue>);

impl Content {
    /// The JSON of `value`.
    ///
    /// # Errors
    /// What `serde_json` says of a value that is no JSON, a map with keys that are no text.
    pub fn of<T: Serialize>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self)
    }

    /// Takes JSON text.
    ///
    /// # Errors
    /// What `serde_json` says of text that is no JSON.
    pub fn from_json(json: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(json).map(Self)
    }

    /// `{}`: what is left of something that says nothing.
    pub(crate) fn empty() -> Self {
        Self(serde_json::value::RawValue::from_string("{}".into()).unwrap_or_default())
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }

    /// Whether it is a JSON object. `serde` would take an array for an object with as many fields.
    pub(crate) fn is_object(&self) -> bool {
        // No white space stands around the text.
        self.as_json().starts_with('{')
    }

    /// Reads the content as `T`.
    ///
    /// # Errors
    /// What `serde_json` says of a shape that does not fit.
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0.get())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl fmt::Debug for Content {
    /// Its size only: what people write never stands in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.as_json().len())
    }
}

/// The content of a `message`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MessageContent {
    /// What was said: at most 8 KiB of UTF-8, and not empty unless files are listed.
    pub text: String,
    /// Anything the app wants to carry: at most 4 KiB of JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
    /// Whom the message calls by name: at most 50 users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// The message of the same room that this one quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<EventId>,
    /// The message of the same room in whose thread this one stands. Such a message is not shown in
    /// the room itself; it cannot have a thread of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<EventId>,
    /// The files that belong to it: at most 10, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

impl MessageContent {
    /// A message that is nothing but its text.
    pub fn of_text(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

/// The content of `room.created`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomCreated {
    /// Direct or group.
    pub kind: RoomKind,
    /// The name, for groups that have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first members, the creator first.
    pub members: Vec<UserId>,
}

/// The content of `member.joined`, `member.left`, `member.banned`, `member.unbanned` and `member.unmuted`. Who did
/// it is the event's sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberChange {
    /// Whom it concerns.
    pub user: UserId,
}

/// The content of `member.role`. Who gave the role is the event's sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoleChange {
    /// Whom it concerns.
    pub user: UserId,
    /// What the user may do now.
    pub role: Role,
}

/// How a group looks: the body of `PUT /v1/rooms/{room}`, and the content of `room.updated`. What is
/// absent, the room has not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoomUpdate {
    /// The name: at most 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The picture: at most 1024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
}

/// A member of a room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The user.
    pub user: UserId,
    /// What the user may do.
    pub role: Role,
    /// When the user was added, in ms since 1970-01-01 UTC.
    pub joined_at: i64,
    /// If the user may only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<Mute>,
}

/// What a user shows of himself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The user.
    pub user: UserId,
    /// The name to show: at most 256 bytes. Absent when the user has set none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The picture to show: at most 1024 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// When the user last changed it, in ms since 1970-01-01 UTC; 0 if never.
    pub updated_at: i64,
}
