//! The rules of rooms that need no database, and numbers that stand for what is kept: the same for
//! every store.

use std::sync::Arc;

use serde_json::value::RawValue;
use tidewire_protocol::{
    BanRequest, Body, Content, Event, EventKind, NewRoom, Role, RoomKind, RoomSettings, RoomUpdate,
    SearchTerms, UserId, limits,
};

use super::{Change, EventJson, StoreError};

/// The creator and the others, each once.
pub(crate) fn first_members(
    creator: &UserId,
    room: &NewRoom,
    max_members: u32,
) -> Result<Vec<UserId>, StoreError> {
    let invalid = |text: String| Err(StoreError::InvalidContent(text));
    if room.members.len() > limits::MEMBERS_PAGE {
        return invalid(format!("at most {} members at once", limits::MEMBERS_PAGE));
    }
    let mut members = vec![creator.clone()];
    for user in &room.members {
        if !members.contains(user) {
            members.push(user.clone());
        }
    }
    if room.name.as_ref().is_some_and(|name| name.len() > limits::NAME_BYTES) {
        return invalid(format!("a name has at most {} bytes", limits::NAME_BYTES));
    }
    match room.kind {
        RoomKind::Other => return invalid("a room is `direct` or `group`".into()),
        RoomKind::Direct if members.len() != 2 => {
            return invalid("a direct room has exactly one other member, and not oneself".into());
        }
        RoomKind::Direct if room.name.is_some() => {
            return invalid("a direct room has no name".into());
        }
        _ => {}
    }
    if members.len() > max_members as usize {
        return invalid(format!("a room has at most {max_members} members"));
    }
    Ok(members)
}

/// What keeps the two of a direct room from having another one: user ids hold no control characters,
/// so that a line break separates for sure.
pub(crate) fn pair_of(kind: RoomKind, members: &[UserId]) -> Option<String> {
    match (kind, members) {
        (RoomKind::Direct, [a, b]) => {
            let (a, b) = (a.as_str().min(b.as_str()), a.as_str().max(b.as_str()));
            Some(format!("{a}\n{b}"))
        }
        _ => None,
    }
}

/// The other one of a pair.
pub(crate) fn peer_of(pair: Option<&str>, user: &UserId) -> Option<UserId> {
    let peer = pair?.split('\n').find(|name| *name != user.as_str())?;
    UserId::new(peer).ok()
}

/// Whether a group may look so.
pub(crate) fn check_looks(RoomUpdate { name, avatar_url }: &RoomUpdate) -> Result<(), StoreError> {
    let long = |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.len() > most);
    if long(name, limits::NAME_BYTES) || long(avatar_url, limits::URL_BYTES) {
        let (name, url) = (limits::NAME_BYTES, limits::URL_BYTES);
        let text = format!("a name has at most {name} bytes, an avatar URL {url}");
        return Err(StoreError::InvalidContent(text));
    }
    Ok(())
}

pub(crate) fn role_code(role: Role) -> i64 {
    match role {
        Role::Owner => 1,
        Role::Member | Role::Other => 2,
        Role::Moderator => 3,
    }
}

/// The role of a number.
pub(crate) fn role_of(code: i64) -> Role {
    match code {
        1 => Role::Owner,
        3 => Role::Moderator,
        _ => Role::Member,
    }
}

/// Whether somebody of that role is an owner.
pub(crate) fn require_owner(role: Role) -> Result<(), StoreError> {
    match role {
        Role::Owner => Ok(()),
        _ => Err(StoreError::Forbidden("only an owner of the room may do this")),
    }
}

/// Whether somebody of that role keeps order in the room.
pub(crate) fn require_moderator(role: Role) -> Result<(), StoreError> {
    if role.moderates() {
        Ok(())
    } else {
        Err(StoreError::Forbidden("only an owner or a moderator of the room may do this"))
    }
}

/// Whether somebody may send another one away who is in the room with that role, or is not in it.
pub(crate) fn may_send_away(role: Role, other: Option<Role>) -> Result<(), StoreError> {
    require_moderator(role)?;
    if other.is_some_and(|other| !role.may_send_away(other)) {
        return Err(StoreError::Forbidden("a moderator sends neither owners nor moderators away"));
    }
    Ok(())
}

/// Whether `by` may ban `user` for that reason, as far as the two alone tell.
pub(crate) fn check_ban(by: &UserId, user: &UserId, ban: &BanRequest) -> Result<(), StoreError> {
    if by == user {
        return Err(StoreError::Forbidden("nobody bans himself: leave the room"));
    }
    ban.validate().map_err(|error| StoreError::InvalidContent(error.to_string()))
}

/// The members of a direct room are two, and nobody stands above the other.
pub(crate) const FIXED: StoreError =
    StoreError::Forbidden("the members of a direct room never change");

pub(crate) fn room_kind_code(kind: RoomKind) -> i64 {
    match kind {
        RoomKind::Direct => 1,
        RoomKind::Group | RoomKind::Other => 2,
    }
}

const MUTED: i64 = 1;
const PINNED: i64 = 2;
const ARCHIVED: i64 = 4;

/// Settings as a number.
pub(crate) fn settings_code(settings: RoomSettings) -> i64 {
    let RoomSettings { muted, pinned, archived } = settings;
    [(muted, MUTED), (pinned, PINNED), (archived, ARCHIVED)]
        .into_iter()
        .filter(|(set, _)| *set)
        .map(|(_, bit)| bit)
        .sum()
}

/// The settings of a number.
pub(crate) fn settings_of(code: i64) -> RoomSettings {
    RoomSettings {
        muted: code & MUTED != 0,
        pinned: code & PINNED != 0,
        archived: code & ARCHIVED != 0,
    }
}

/// What a message says; nothing once it is deleted.
pub(crate) fn text_of(content: &Content) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Text {
        text: String,
    }
    content.parse::<Text>().ok().map(|content| content.text)
}

/// Whether a message, as its reader may see it, is what is looked for.
pub(crate) fn is_found(event: &Event, sender: Option<&UserId>, terms: &SearchTerms) -> bool {
    event.kind == EventKind::Message
        && sender.is_none_or(|sender| *sender == event.sender)
        && text_of(&event.content).is_some_and(|text| terms.find(&text).is_some())
}

/// An event as JSON.
pub(crate) fn event_json(event: &Event) -> Result<EventJson, serde_json::Error> {
    serde_json::to_string(event).and_then(RawValue::from_string).map(Arc::from)
}

/// What an event does to the membership of its room.
pub(crate) fn change_of(event: &Event) -> Option<Change> {
    match &event.kind {
        EventKind::RoomCreated => Some(Change::Created),
        EventKind::MemberJoined | EventKind::MemberLeft => match event.body() {
            Body::MemberJoined(change) => Some(Change::Joined(change.user)),
            Body::MemberLeft(change) => Some(Change::Left(change.user)),
            _ => None,
        },
        _ => None,
    }
}

/// A digest of a user's id (FNV-1a), for an index: whoever reads compares the ids.
pub(crate) fn sender_digest(sender: &UserId) -> u64 {
    sender.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
