//! What a client tells of itself.

use tidewire_protocol::{RoomId, UserId};

use crate::engine::{ModeReport, Presence, Problem, Unread};

/// What a client tells of itself, besides its timelines.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// The mode or its reason changed.
    Mode(ModeReport),
    /// Some room of the list changed: ask [`crate::Client::rooms`] when it matters. A
    /// [`RoomList`](crate::RoomList) tells what changed.
    RoomsChanged,
    /// What is unread of all rooms is another number: see [`crate::Client::unread_total`]. At most
    /// every 100 ms.
    UnreadTotalChanged(Unread),
    /// The profiles of these users are others than before, or known for the first time: what
    /// [`crate::Client::profiles`] gives of them now is new.
    ProfilesChanged(Vec<UserId>),
    /// Whom the user has blocked now, by user id: all of them. It was changed here or on another device, or the
    /// server would not have it so.
    BlockedChanged(Vec<UserId>),
    /// Where these users stand now, of those whose place has changed. They are members of the rooms
    /// that the client watches: the 20 nearest to the eye, see
    /// [`crate::Client::set_visible_rooms`].
    PresenceChanged(Vec<(UserId, Presence)>),
    /// All who type in a watched room now, the user excepted.
    TypingChanged {
        /// The room.
        room: RoomId,
        /// Who; empty when nobody does any more.
        users: Vec<UserId>,
    },
    /// Something the app or its user has to know.
    Problem(Problem),
}
