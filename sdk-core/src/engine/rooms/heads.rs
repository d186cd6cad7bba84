//! What is shown of every room, as it is on disk: heads, tails, drafts and wishes.
//!
//! What the engine takes in moves its own rooms at once, so that the next event is judged rightly.
//! A copy of what is to be seen goes along with the transaction and becomes a head here once that
//! is committed. So a list of rooms, like a timeline, never shows what the disk does not have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{Mute, Role, RoomId, RoomKind, RoomSettings, Seq, UnreadBase, UserId};

use super::room::Room;
use super::unread::{Tail, TailRow, Unread};
use crate::engine::Engine;
use crate::engine::timeline::message::Message;

/// What is to be seen of a room.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Head {
    pub(crate) kind: RoomKind,
    pub(crate) name: Option<String>,
    pub(crate) avatar_url: Option<String>,
    pub(crate) peer: Option<UserId>,
    pub(crate) created_at: i64,
    pub(crate) members: u32,
    pub(crate) role: Role,
    pub(crate) mute: Option<Mute>,
    pub(crate) slow_mode_ms: u32,
    pub(crate) joined: bool,
    /// As the server has them.
    pub(crate) settings: RoomSettings,
    /// The newest message that stands in no thread.
    pub(crate) said: Option<Arc<Message>>,
    base: Option<UnreadBase>,
    /// Everything above it is here, up to where the feed stands.
    whole_from: Seq,
    /// Up to where the user has read, as the server knows; none while that is not known.
    read: Option<Seq>,
}

impl Room {
    /// Everything above this is here, up to where the feed stands.
    fn whole_from(&self) -> Seq {
        match self.held.range_of(self.feed_seq) {
            Some((start, _)) => Seq::new(start).previous(),
            None => self.feed_seq,
        }
    }

    /// The server's count, if it holds for what the user has read and what came later is here.
    pub(crate) fn base(&self) -> Option<UnreadBase> {
        self.state.unread_base.filter(|base| base.as_of >= self.whole_from())
    }

    /// A copy of what is to be seen.
    pub(crate) fn head(&self, user: &UserId) -> Head {
        let state = &self.state;
        let known = self.receipts.of(user).map(|own| own.read);
        Head {
            kind: state.kind,
            name: state.name.clone(),
            avatar_url: state.avatar_url.clone(),
            peer: state.peer.clone(),
            created_at: state.created_at,
            members: state.members,
            role: state.role,
            mute: state.mute,
            slow_mode_ms: state.slow_mode_ms,
            joined: state.joined,
            settings: state.settings,
            said: self.said.clone(),
            base: state.unread_base,
            whole_from: self.whole_from(),
            read: known.max(state.unread_base.map(|base| base.read)),
        }
    }
}

/// A room, as it is on disk.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) head: Arc<Head>,
    tail: Tail,
    /// Up to where the user has read, as marked on this device.
    marked: Seq,
}

impl Entry {
    pub(crate) fn new(head: Head, tail: Tail, marked: Seq) -> Self {
        let mut entry = Self { head: Arc::new(head), tail, marked };
        entry.settle();
        entry
    }

    /// What is read is not in the tail.
    fn settle(&mut self) {
        self.tail.read_up_to(self.read());
    }

    fn read(&self) -> Seq {
        self.head.read.unwrap_or(Seq::ZERO).max(self.marked)
    }

    /// Whether the disk has more of what is unread.
    pub(crate) fn is_partial(&self) -> bool {
        self.head.joined && self.tail.is_partial()
    }

    /// What the user has not read.
    pub(crate) fn unread(&self) -> Unread {
        let head = &self.head;
        if !head.joined {
            return Unread::NOTHING;
        }
        let unread = self.tail.count(head.base, self.read(), head.whole_from);
        Unread { exact: unread.exact && head.read.is_some(), ..unread }
    }

    /// Where what the user has not read begins; nothing if all is read.
    pub(crate) fn unread_from(&self) -> Option<Seq> {
        self.unread().any().then(|| self.read().next())
    }

    /// Whether the server knows of everything that the user has read, so that what it counts holds.
    pub(crate) fn is_told(&self) -> bool {
        self.head.read.is_none_or(|read| read >= self.marked)
    }
}

/// What somebody has begun to write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    /// The room.
    pub room: RoomId,
    /// What stands there. Named as what it may become, so that recordings hide it alike.
    #[serde(rename = "content")]
    pub text: String,
}

/// What the user has set for a room and the server has not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The room.
    pub room: RoomId,
    /// All of the room's settings.
    pub settings: RoomSettings,
}

/// Everything that is shown of rooms.
#[derive(Debug, Default)]
pub(crate) struct Heads {
    pub(crate) rooms: BTreeMap<RoomId, Entry>,
    pub(crate) drafts: BTreeMap<RoomId, String>,
    pub(crate) wishes: BTreeMap<RoomId, RoomSettings>,
    /// Rooms that may look different since the lists were last brought up to date.
    pub(crate) dirty: BTreeSet<RoomId>,
    /// Rooms of which the disk may have more that is unread.
    pub(crate) partial: BTreeSet<RoomId>,
    /// Rooms whose count is not exact.
    pub(crate) inexact: BTreeSet<RoomId>,
    /// The last total that the app was told.
    pub(crate) told: Option<Unread>,
    /// Whether the rooms were known then.
    pub(crate) told_known: bool,
}

impl Heads {
    /// The profiles of these users are others.
    pub(crate) fn touch_peers(&mut self, users: &BTreeSet<UserId>) {
        let is_of =
            |entry: &Entry| entry.head.peer.as_ref().is_some_and(|peer| users.contains(peer));
        let rooms = self.rooms.iter().filter(|(_, entry)| is_of(entry));
        self.dirty.extend(rooms.map(|(room, _)| *room));
    }

    pub(crate) fn touch(&mut self, room: RoomId) {
        self.dirty.insert(room);
    }

    /// What the user has set, whether or not the server knows.
    pub(crate) fn settings(&self, room: RoomId, head: &Head) -> RoomSettings {
        self.wishes.get(&room).copied().unwrap_or(head.settings)
    }

    pub(crate) fn unread(&self, room: RoomId) -> Unread {
        self.rooms.get(&room).map_or(Unread::NOTHING, Entry::unread)
    }

    /// The newest message of a room is another one on disk than it was by itself, or than a copy that
    /// was made before it changed.
    pub(crate) fn refold(&mut self, message: &Arc<Message>) {
        if let Some(entry) = self.rooms.get_mut(&message.room)
            && entry.head.said.as_ref().is_some_and(|said| said.id == message.id)
        {
            let head = Head { said: Some(message.clone()), ..(*entry.head).clone() };
            entry.head = Arc::new(head);
            self.dirty.insert(message.room);
        }
    }

    /// A head is on disk.
    pub(crate) fn put(&mut self, room: RoomId, head: Arc<Head>) {
        match self.rooms.get_mut(&room) {
            Some(entry) => {
                entry.head = head;
                entry.settle();
            }
            None => {
                self.rooms.insert(room, Entry { head, tail: Tail::default(), marked: Seq::ZERO });
            }
        }
        self.touch(room);
    }

    /// A message of somebody else is on disk.
    pub(crate) fn count(&mut self, room: RoomId, seq: Seq, mentions: bool) {
        if let Some(entry) = self.rooms.get_mut(&room)
            && seq > entry.read()
        {
            entry.tail.insert(seq, mentions);
            self.touch(room);
        }
    }

    /// The user has read up to here, and that is on disk.
    pub(crate) fn mark(&mut self, room: RoomId, seq: Seq) {
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.marked = entry.marked.max(seq);
            entry.settle();
            self.touch(room);
        }
    }

    /// All that is unread of a room, as it is on disk.
    pub(crate) fn complete(&mut self, room: RoomId, tail: TailRow) {
        if let Some(entry) = self.rooms.get_mut(&room) {
            entry.tail.complete(tail);
            entry.settle();
            self.touch(room);
        }
    }

    /// Another epoch has begun: nothing that was cached is left.
    pub(crate) fn wipe(&mut self) {
        let before = std::mem::take(&mut self.rooms);
        self.dirty.extend(before.into_keys());
        self.partial.clear();
    }

    /// What is unread of all rooms that the user is in and has not archived; of muted ones only
    /// what mentions him.
    fn total(&self) -> Unread {
        let rooms = self.rooms.iter().filter(|(_, entry)| entry.head.joined);
        rooms.fold(Unread::NOTHING, |total, (id, entry)| {
            let settings = self.settings(*id, &entry.head);
            let unread = entry.unread();
            if settings.archived {
                total
            } else if settings.muted {
                total.plus(Unread { messages: unread.mentions, ..unread })
            } else {
                total.plus(unread)
            }
        })
    }
}

impl Engine {
    /// What is unread of all rooms, now. Before the first bootstrap is done not even the rooms are known.
    pub fn unread_total(&self) -> Unread {
        let total = self.heads.total();
        Unread { exact: total.exact && self.rooms_known, ..total }
    }

    /// What the user has set for a room, whether or not the server knows of it yet.
    pub fn settings(&self, room: RoomId) -> Option<RoomSettings> {
        self.heads.rooms.get(&room).map(|entry| self.heads.settings(room, &entry.head))
    }

    /// What is unread of a room, now; nothing of one that is not known.
    pub fn unread(&self, room: RoomId) -> Unread {
        self.heads.unread(room)
    }
}
