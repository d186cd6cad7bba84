//! What is known of others: where they stand and who types. In memory only, and no longer than it
//! can be relied on: what the server has not confirmed for a while is not known.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_protocol::{Ephemeral, PeerTyping, PresenceState, RoomId, UserId, limits};

use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::effect::Notice;
use crate::engine::time::Timer;

/// Where another user stands, as far as this client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Presence {
    /// Not known: the user is in no watched room, nothing was heard of the server for a while, or
    /// the app is in the background. Show nothing rather than what was.
    #[default]
    Unknown,
    /// Some device of the user's is in the foreground.
    Online,
    /// Every device of the user's is in the background.
    Away,
    /// No device was heard of for 2.5 of the intervals that it declared.
    Offline {
        /// The last sign of life, in ms since 1970-01-01 UTC by the server's clock; none if the
        /// server knows of none.
        last_seen: Option<i64>,
    },
}

/// Most users of whom something is kept: as many as there can be in watched rooms.
const KNOWN: usize = limits::WATCHED_ROOMS * limits::EPHEMERAL_MEMBERS as usize;

/// What is known of others.
#[derive(Debug, Default)]
pub(crate) struct Peers {
    known: BTreeMap<UserId, Presence>,
    /// Who types, and until when that is to be believed.
    typing: BTreeMap<RoomId, BTreeMap<UserId, u64>>,
}

impl Engine {
    /// Where these users stand, in order.
    pub(crate) fn presence_of(&self, users: &[UserId]) -> Vec<Presence> {
        users.iter().map(|user| self.peers.known.get(user).copied().unwrap_or_default()).collect()
    }

    /// Who types in a room.
    pub(crate) fn typists(&self, room: RoomId) -> Vec<UserId> {
        self.peers.typing.get(&room).into_iter().flat_map(|users| users.keys().cloned()).collect()
    }

    /// Takes what the server tells of others.
    pub(crate) fn take_ephemeral(&mut self, news: Ephemeral) {
        let mut changes = Vec::new();
        for told in news.presence {
            let presence = match told.state {
                PresenceState::Online => Presence::Online,
                PresenceState::Away => Presence::Away,
                PresenceState::Offline => Presence::Offline { last_seen: told.last_seen },
                PresenceState::Other => Presence::Unknown,
            };
            let known = self.peers.known.get(&told.user).copied().unwrap_or_default();
            let full = known == Presence::Unknown && self.peers.known.len() >= KNOWN;
            if known == presence || full || told.user == self.config.user {
                continue;
            }
            self.peers.known.insert(told.user.clone(), presence);
            changes.push((told.user, presence));
        }
        if !changes.is_empty() {
            self.notify(Notice::Presence(changes));
        }
        let mut touched = BTreeSet::new();
        for told in news.typing {
            if self.take_typing(&told) {
                touched.insert(told.room);
            }
        }
        touched.into_iter().for_each(|room| self.tell_typists(room));
    }

    /// Gives whether others type now than before.
    fn take_typing(&mut self, told: &PeerTyping) -> bool {
        if !self.watching.has(told.room) || told.user == self.config.user {
            return false;
        }
        let users = self.peers.typing.entry(told.room).or_default();
        if told.ttl_ms == 0 {
            return users.remove(&told.user).is_some();
        }
        if users.len() >= limits::EPHEMERAL_MEMBERS as usize && !users.contains_key(&told.user) {
            return false;
        }
        // Nobody types for ever, whatever a server says.
        let until = self.now.mono_ms + told.ttl_ms.min(2 * limits::TYPING_TTL_MS);
        users.insert(told.user.clone(), until).is_none()
    }

    fn tell_typists(&mut self, room: RoomId) {
        let users = self.typists(room);
        if users.is_empty() {
            self.peers.typing.remove(&room);
        }
        self.notify(Notice::Typing(room, users));
    }

    /// Something of the user's has arrived in the room: what was typed is there.
    pub(crate) fn has_written(&mut self, room: RoomId, user: &UserId) {
        if let Some(users) = self.peers.typing.get_mut(&room)
            && users.remove(user).is_some()
        {
            self.tell_typists(room);
        }
    }

    /// Keeps only what can be relied on: those who have typed long enough stop, and what was heard
    /// of before a socket or stream was lost holds for a while.
    pub(crate) fn advance_peers(&mut self) {
        self.end_typing();
        let ends = self.peers.typing.values().flat_map(BTreeMap::values).min();
        match ends {
            Some(at) => self.timers.arm(Timer::TypingEnds, *at),
            None => self.timers.disarm(Timer::TypingEnds),
        }
        let by_socket = self.link.is_ready() && !self.link.watched().is_empty();
        let by_stream = self.stream.is_open() && !self.stream.watched().is_empty();
        if self.peers.known.is_empty() || by_socket || by_stream {
            self.timers.disarm(Timer::PresenceEnds);
        } else if self.timers.get(Timer::PresenceEnds).is_none() {
            self.presence_holds();
        }
    }

    fn end_typing(&mut self) {
        let now = self.now.mono_ms;
        let mut ended = Vec::new();
        for (room, users) in &mut self.peers.typing {
            let before = users.len();
            users.retain(|_, until| *until > now);
            if users.len() < before {
                ended.push(*room);
            }
        }
        ended.into_iter().for_each(|room| self.tell_typists(room));
    }

    /// What is known holds from now on for as long as it may take until the server is heard again.
    pub(crate) fn presence_holds(&mut self) {
        let slowest = self.config.slow_polling_interval.max(self.config.polling_interval);
        let holds = millis(defaults::PRESENCE_HOLDS).max(millis(slowest) * 5 / 2);
        self.timers.arm(Timer::PresenceEnds, self.now.mono_ms + holds);
    }

    /// A poll that watched these rooms was answered.
    pub(crate) fn told_by_poll(&mut self, rooms: Vec<RoomId>, news: Option<Ephemeral>) {
        if rooms.is_empty() {
            return;
        }
        let mut news = news.unwrap_or_default();
        self.watching.polled(rooms, news.to.take());
        self.take_ephemeral(news);
        if !self.peers.known.is_empty() {
            self.presence_holds();
        }
    }

    /// Where anybody stands is not known any more.
    pub(crate) fn forget_presence(&mut self) {
        self.retain_known(|_| false);
        self.retain_told(|_| false);
    }

    /// Nothing is known any more of anybody.
    pub(crate) fn forget_peers(&mut self) {
        self.forget_presence();
        let rooms: Vec<RoomId> = std::mem::take(&mut self.peers.typing).into_keys().collect();
        rooms.into_iter().for_each(|room| self.tell_typists(room));
    }

    /// Forgets who is in no watched room any more, and who types elsewhere.
    pub(crate) fn forget_strangers(&mut self) {
        let heard_of = self.heard_of();
        self.retain_told(|room| heard_of.contains(room));
        let watched: Vec<_> = heard_of.iter().filter_map(|id| self.rooms.get(id)).collect();
        // Who is in a room has to be known to say who is not.
        if watched.iter().all(|room| room.receipts.is_whole()) {
            let members = watched.iter().flat_map(|room| room.receipts.list());
            let members: BTreeSet<UserId> = members.map(|receipt| receipt.user).collect();
            self.retain_known(|user| members.contains(user));
        }
        let elsewhere = self.peers.typing.keys().filter(|room| !heard_of.contains(room));
        for room in elsewhere.copied().collect::<Vec<_>>() {
            self.peers.typing.remove(&room);
            self.tell_typists(room);
        }
    }

    fn retain_known(&mut self, keep: impl Fn(&UserId) -> bool) {
        let mut gone = Vec::new();
        self.peers.known.retain(|user, presence| {
            let keep = keep(user);
            if !keep && *presence != Presence::Unknown {
                gone.push((user.clone(), Presence::Unknown));
            }
            keep
        });
        if !gone.is_empty() {
            self.notify(Notice::Presence(gone));
        }
    }
}
