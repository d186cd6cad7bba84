//! The rooms that somebody watches, who is in them, and what has changed of whom. Of rooms that
//! nobody watches nothing is known, so that a change of a user costs as much as there are rooms to
//! tell it in.
//!
//! Every change has a number. So whoever asks instead of listening gets what came after the number
//! that he has.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire_protocol::{
    BlockList, Ephemeral, PeerPresence, PeerTyping, PresenceState, RoomId, UserId, limits,
};

use super::users::Users;
use crate::clock;
use crate::inbox::Inbox;
use crate::store::{Change, Roster};

/// How long a room is followed after somebody asked for it: two polls of the background, with
/// some to spare.
const LEASE: Duration = Duration::from_secs(180);

/// Most rooms that are followed for those who ask. Beyond it a room brings nothing until others end.
const LEASED: usize = 100_000;

/// How long somebody is believed to type.
const TYPING_TTL: Duration = Duration::from_millis(limits::TYPING_TTL_MS);

/// Who has stopped typing is remembered for so long, for those who ask: a poll of a slow network.
const TYPED: Duration = Duration::from_secs(15);

/// Who was seen within so many ms before the end of a server was probably here to the end: what a crash
/// leaves is up to a minute old, and a start may take some more.
const LATELY_MS: i64 = 5 * 60 * 1_000;

enum Members {
    /// Being read. What happened meanwhile, and whom the one has blocked who came.
    Loading(Vec<(u64, Change, BlockList)>),
    Known {
        /// Changes up to there are in it.
        as_of: u64,
        users: HashSet<UserId>,
    },
}

struct Watcher {
    user: UserId,
    inbox: Arc<Inbox>,
}

struct Typed {
    until: Instant,
    version: u64,
}

struct Room {
    members: Members,
    watchers: Vec<Watcher>,
    /// Until when it is followed for those who ask.
    lease: Option<Instant>,
    /// Of changes before it nothing is known.
    since: u64,
    /// The last change of any of its members.
    version: u64,
    typing: HashMap<UserId, Typed>,
}

impl Room {
    /// The members, if presence and typing are to be had of them.
    fn small(&self, most: usize) -> Option<&HashSet<UserId>> {
        match &self.members {
            Members::Known { users, .. } if users.len() <= most => Some(users),
            _ => None,
        }
    }

    fn has(&self, user: &UserId) -> bool {
        matches!(&self.members, Members::Known { users, .. } if users.contains(user))
    }

    /// Those who are to hear of `user`.
    fn hearers<'a>(
        &'a self,
        members: &'a HashSet<UserId>,
        peers: &'a HashMap<UserId, Peer>,
        user: &'a UserId,
    ) -> impl Iterator<Item = &'a Inbox> {
        let others = self.watchers.iter().filter(move |watcher| watcher.user != *user);
        let inside = others.filter(|watcher| members.contains(&watcher.user));
        let inside = inside.filter(move |watcher| !are_apart(peers, &watcher.user, user));
        inside.map(|watcher| watcher.inbox.as_ref())
    }
}

/// A member of a room that is followed.
#[derive(Default)]
struct Peer {
    rooms: Vec<RoomId>,
    version: u64,
    /// As far as is known here.
    last_seen: Option<i64>,
    /// Whom he has blocked.
    blocks: Arc<BlockList>,
}

/// Whether one of the two has blocked the other: then neither hears of the other.
fn are_apart(peers: &HashMap<UserId, Peer>, a: &UserId, b: &UserId) -> bool {
    let has = |of: &UserId, other| peers.get(of).is_some_and(|peer| peer.blocks.has(other));
    has(a, b) || has(b, a)
}

/// The rooms that somebody watches.
pub(super) struct Watched {
    rooms: HashMap<RoomId, Room>,
    peers: HashMap<UserId, Peer>,
    leases: BTreeSet<(Instant, RoomId)>,
    version: u64,
    /// Counts the changes of lists of who is blocked.
    block_news: u64,
    /// Tells the numbers of this instance from those of any other.
    nonce: u32,
    /// Most members of a room that brings anything.
    most: usize,
    /// Until when nobody is told of as offline who was seen lately: right after a start those who are
    /// still there have not been heard of yet.
    early_until: Option<Instant>,
}

/// What one reader is to be told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) ephemeral: Ephemeral,
    /// Those of it who are offline since nobody here knows when.
    pub(super) unseen: Vec<UserId>,
}

impl Watched {
    pub(super) fn new(most: u32, nonce: u32, early_until: Option<Instant>) -> Self {
        Self {
            rooms: HashMap::new(),
            peers: HashMap::new(),
            leases: BTreeSet::new(),
            version: 0,
            block_news: 0,
            nonce,
            most: most as usize,
            early_until,
        }
    }

    /// The text of a number, for those who ask.
    fn mark(&self, version: u64) -> String {
        format!("{:x}.{version:x}", self.nonce)
    }

    fn version_of(&self, mark: &str) -> Option<u64> {
        let (nonce, version) = mark.split_once('.')?;
        let version = u64::from_str_radix(version, 16).ok()?;
        let ours = u32::from_str_radix(nonce, 16).ok()? == self.nonce;
        (ours && version <= self.version).then_some(version)
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn room(&mut self, id: RoomId) -> &mut Room {
        self.rooms.entry(id).or_insert_with(|| Room {
            members: Members::Loading(Vec::new()),
            watchers: Vec::new(),
            lease: None,
            since: 0,
            version: 0,
            typing: HashMap::new(),
        })
    }

    pub(super) fn add(&mut self, id: RoomId, user: &UserId, inbox: &Arc<Inbox>) {
        let watcher = Watcher { user: user.clone(), inbox: inbox.clone() };
        self.room(id).watchers.push(watcher);
    }

    pub(super) fn remove(&mut self, id: RoomId, inbox: &Arc<Inbox>) {
        if let Some(room) = self.rooms.get_mut(&id) {
            room.watchers.retain(|watcher| !Arc::ptr_eq(&watcher.inbox, inbox));
            self.forget_unused(id);
        }
    }

    /// Follows the room for a while for `user`, unless he is known not to be in it. Gives whether
    /// that is new: then it has to be looked, once the members are known, whether he is.
    pub(super) fn lease(&mut self, id: RoomId, user: &UserId, now: Instant) -> bool {
        let leased = self.rooms.get(&id).is_some_and(|room| room.lease.is_some());
        let stranger = !self.is_loading(id) && self.rooms.get(&id).is_some_and(|r| !r.has(user));
        if stranger || !leased && self.leases.len() >= LEASED {
            return false;
        }
        let room = self.room(id);
        // Renewed only when half of it is over: most polls change nothing here.
        if room.lease.is_none_or(|until| until < now + LEASE / 2) {
            let before = room.lease.replace(now + LEASE);
            if let Some(before) = before {
                self.leases.remove(&(before, id));
            }
            self.leases.insert((now + LEASE, id));
        }
        !leased
    }

    /// Ends the time of a room that turned out not to have this user, or could not be read.
    pub(super) fn release_stranger(&mut self, id: RoomId, user: &UserId) {
        if let Some(room) = self.rooms.get_mut(&id).filter(|room| !room.has(user)) {
            if let Some(until) = room.lease.take() {
                self.leases.remove(&(until, id));
            }
            self.forget_unused(id);
        }
    }

    pub(super) fn expire(&mut self, now: Instant) {
        while self.leases.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, id)) = self.leases.pop_first() else { break };
            if let Some(room) = self.rooms.get_mut(&id) {
                room.lease = None;
                self.forget_unused(id);
            }
        }
        if self.early_until.is_some_and(|until| until <= now) {
            self.early_until = None;
            self.tell_all_again();
        }
    }

    /// Who has not been heard of by now is offline: all who watch are told everything anew.
    fn tell_all_again(&mut self) {
        let version = self.next();
        for room in self.rooms.values_mut() {
            (room.since, room.version) = (version, version);
            room.watchers.iter().for_each(|watcher| watcher.inbox.tell_again());
        }
    }

    fn forget_unused(&mut self, id: RoomId) {
        if self.rooms.get(&id).is_some_and(|room| room.watchers.is_empty() && room.lease.is_none())
            && let Some(room) = self.rooms.remove(&id)
            && let Some(members) = room.small(self.most)
        {
            members.iter().for_each(|user| self.unindex(user, id));
        }
    }

    pub(super) fn is_loading(&self, id: RoomId) -> bool {
        self.rooms.get(&id).is_some_and(|room| matches!(room.members, Members::Loading(_)))
    }

    pub(super) fn follows(&self, id: RoomId) -> bool {
        self.rooms.contains_key(&id)
    }

    /// How many changes of lists of who is blocked were heard of.
    pub(super) fn block_news(&self) -> u64 {
        self.block_news
    }

    /// Takes a list of somebody who is in no other room that is followed: else it is here, and news of it come.
    fn take_list(&mut self, user: &UserId, list: Arc<BlockList>) {
        if let Some(peer) = self.peers.get_mut(user).filter(|peer| peer.rooms.len() == 1) {
            peer.blocks = list;
        }
    }

    /// A user has blocked somebody, or does so no more. Whom it concerns is told everything anew.
    pub(super) fn blocks_changed(&mut self, user: &UserId, list: &Arc<BlockList>) {
        self.block_news += 1;
        let Some(peer) = self.peers.get_mut(user) else { return };
        if list.version <= peer.blocks.version {
            return;
        }
        let before = std::mem::replace(&mut peer.blocks, list.clone());
        for id in peer.rooms.clone() {
            let Some(members) = self.rooms.get(&id).and_then(|room| room.small(self.most)) else {
                continue;
            };
            let differs = |other: &&UserId| before.has(other) != list.has(other);
            let concerned: Vec<UserId> = members.iter().filter(differs).cloned().collect();
            for other in &concerned {
                self.tell_again(id, other);
            }
            if !concerned.is_empty() {
                self.tell_again(id, user);
            }
        }
    }

    /// The members of a room have been read, and whom they have blocked, when as many changes of that were heard of as
    /// `mark` says.
    pub(super) fn loaded(
        &mut self,
        id: RoomId,
        roster: Roster,
        mut blocks: Vec<(UserId, BlockList)>,
        mark: u64,
    ) {
        if mark != self.block_news {
            // What was read of it may be older than what was heard: it stays to be read.
            return;
        }
        // A number of its own: of a room that is new, everybody is news to all who hold an older one.
        let version = self.next();
        let most = self.most;
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let Members::Loading(changes) = &mut room.members else { return };
        let as_of = roster.as_of;
        if changes.iter().any(|(ord, change, _)| *ord > as_of && *change == Change::Created) {
            // Read before the room began: it stays to be read.
            return;
        }
        let here = roster.members.into_iter().filter(|(_, _, left)| left.is_none());
        let mut users: HashSet<UserId> = here.map(|(user, ..)| user).collect();
        let mut as_of = roster.as_of;
        for (ord, change, list) in std::mem::take(changes) {
            if ord > as_of {
                as_of = ord;
                apply(&mut users, &change);
                if let Change::Joined(user) = change {
                    blocks.push((user, list));
                }
            }
        }
        room.members = Members::Known { as_of, users };
        (room.since, room.version) = (version, version);
        let members: Vec<UserId> = room.small(most).into_iter().flatten().cloned().collect();
        members.iter().for_each(|user| self.index(user, id));
        for (user, list) in blocks {
            self.take_list(&user, Arc::new(list));
        }
    }

    fn index(&mut self, user: &UserId, room: RoomId) {
        let version = self.version;
        let peer = self.peers.entry(user.clone()).or_default();
        peer.version = peer.version.max(version);
        peer.rooms.push(room);
    }

    fn unindex(&mut self, user: &UserId, room: RoomId) {
        if let Some(peer) = self.peers.get_mut(user) {
            peer.rooms.retain(|other| *other != room);
            if peer.rooms.is_empty() {
                self.peers.remove(user);
            }
        }
    }

    /// Follows a change of a room's members. Gives those whose presence is news by it.
    pub(super) fn follow(
        &mut self,
        id: RoomId,
        ord: u64,
        change: &Change,
        blocks: BlockList,
    ) -> Vec<UserId> {
        let most = self.most;
        let Some(room) = self.rooms.get_mut(&id) else { return Vec::new() };
        let (as_of, users) = match &mut room.members {
            Members::Loading(changes) => {
                changes.push((ord, change.clone(), blocks));
                return Vec::new();
            }
            Members::Known { as_of, users } => (as_of, users),
        };
        if ord <= *as_of {
            return Vec::new();
        }
        *as_of = ord;
        if *change == Change::Created {
            // Watched before it was there: whom it begins with is to be read.
            let members: Vec<UserId> = users.drain().collect();
            room.members = Members::Loading(Vec::new());
            room.watchers.iter().for_each(|watcher| watcher.inbox.tell_again());
            members.iter().for_each(|user| self.unindex(user, id));
            return Vec::new();
        }
        let was_small = users.len() <= most;
        if !apply(users, change) {
            return Vec::new();
        }
        let is_small = users.len() <= most;
        let all: Vec<UserId> =
            if was_small == is_small { Vec::new() } else { users.iter().cloned().collect() };
        let member = match change {
            Change::Joined(user) | Change::Left(user) => user.clone(),
            Change::Created => return Vec::new(),
        };
        room.typing.remove(&member);
        match (was_small, is_small, change) {
            (true, true, Change::Joined(_)) => {
                self.index(&member, id);
                self.take_list(&member, Arc::new(blocks));
                self.tell_again(id, &member);
                vec![member]
            }
            (true, true, _) => {
                self.unindex(&member, id);
                Vec::new()
            }
            (true, false, _) => {
                room.typing.clear();
                all.iter().for_each(|user| self.unindex(user, id));
                Vec::new()
            }
            (false, true, _) => {
                // Whom they have blocked is to be read.
                room.members = Members::Loading(Vec::new());
                room.watchers.iter().for_each(|watcher| watcher.inbox.tell_again());
                Vec::new()
            }
            (false, false, _) => Vec::new(),
        }
    }

    /// Somebody came into a room that he may have watched before: he has heard of nobody in it.
    fn tell_again(&mut self, id: RoomId, user: &UserId) {
        let version = self.next();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        // Those who ask do not say who they were before: all of them are told.
        (room.since, room.version) = (version, version);
        let own = room.watchers.iter().filter(|watcher| watcher.user == *user);
        own.for_each(|watcher| watcher.inbox.tell_again());
    }

    /// Tells those who watch that a user stands elsewhere now.
    pub(super) fn changed(&mut self, news: &PeerPresence) {
        let version = self.next();
        let most = self.most;
        let Some(peer) = self.peers.get_mut(&news.user) else { return };
        peer.version = version;
        if news.last_seen.is_some() {
            peer.last_seen = news.last_seen;
        }
        let Some(peer) = self.peers.get(&news.user) else { return };
        for id in &peer.rooms {
            let Some(room) = self.rooms.get_mut(id) else { continue };
            room.version = version;
            if let Some(members) = room.small(most) {
                room.hearers(members, &self.peers, &news.user)
                    .for_each(|inbox| inbox.push_presence(news));
            }
        }
    }

    /// Somebody types, or has stopped. Counts for members of small rooms.
    pub(super) fn typing(&mut self, user: &UserId, id: RoomId, types: bool, now: Instant) {
        let (most, version) = (self.most, self.version + 1);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if !room.small(most).is_some_and(|members| members.contains(user)) {
            return;
        }
        let typed = room.typing.get(user).is_some_and(|typed| typed.until > now);
        if !types && !typed {
            return;
        }
        self.version = version;
        room.version = version;
        let until = if types { now + TYPING_TTL } else { now };
        room.typing.retain(|_, typed| typed.until + TYPED > now);
        room.typing.insert(user.clone(), Typed { until, version });
        if let Some(members) = room.small(most) {
            room.hearers(members, &self.peers, user)
                .for_each(|inbox| inbox.push_typing(id, user, until));
        }
    }

    /// A connection of the user's has ended: whatever was being typed on it is over.
    pub(super) fn stops(&mut self, user: &UserId, now: Instant) {
        let rooms = self.peers.get(user).map(|peer| peer.rooms.clone()).unwrap_or_default();
        rooms.into_iter().for_each(|room| self.typing(user, room, false, now));
    }

    /// What `reader` is to be told of these rooms: everything, or what came after a mark.
    pub(super) fn told(
        &self,
        users: &Users,
        reader: &UserId,
        rooms: &[RoomId],
        since: Option<&str>,
        now: Instant,
    ) -> Told {
        let since = since.and_then(|mark| self.version_of(mark));
        let mut told = Told::default();
        let mut seen = HashSet::new();
        let followed = rooms.iter().filter_map(|id| Some((*id, self.rooms.get(id)?)));
        for (id, room) in followed {
            let Some(members) = room.small(self.most).filter(|m| m.contains(reader)) else {
                continue;
            };
            let since = since.filter(|since| *since >= room.since);
            let is_news = |version: u64| since.is_none_or(|since| version > since);
            if !is_news(room.version) {
                continue;
            }
            for user in members.iter().filter(|user| *user != reader) {
                let Some(peer) = self.peers.get(user).filter(|peer| is_news(peer.version)) else {
                    continue;
                };
                if !seen.insert(user) {
                    continue;
                }
                if are_apart(&self.peers, reader, user) {
                    // The same as of somebody who was never here.
                    let (user, state) = (user.clone(), PresenceState::Offline);
                    told.ephemeral.presence.push(PeerPresence { user, state, last_seen: None });
                    continue;
                }
                let state = users.state(user);
                let offline = state == PresenceState::Offline;
                let last_seen = peer.last_seen.filter(|_| offline);
                if self.is_early(last_seen) {
                    continue;
                }
                if offline && last_seen.is_none() {
                    told.unseen.push(user.clone());
                }
                told.ephemeral.presence.push(PeerPresence { user: user.clone(), state, last_seen });
            }
            for (user, typed) in room.typing.iter().filter(|(user, _)| *user != reader) {
                if are_apart(&self.peers, reader, user) {
                    continue;
                }
                let ttl_ms = left_ms(typed.until, now);
                if is_news(typed.version) && (ttl_ms > 0 || since.is_some()) {
                    told.ephemeral.typing.push(PeerTyping { room: id, user: user.clone(), ttl_ms });
                }
            }
        }
        // Those who hold a mark that still serves go on from it.
        if since.is_none() || !told.ephemeral.is_empty() {
            told.ephemeral.to = Some(self.mark(self.version));
        }
        told
    }

    /// Whether it is too early to tell of one who is offline and was last seen at `last_seen`: the
    /// server has just started, and he may be on his way back. Whoever held him for online goes on to
    /// do so.
    pub(super) fn is_early(&self, last_seen: Option<i64>) -> bool {
        let lately = |at| at > clock::now_ms().saturating_sub(LATELY_MS);
        self.early_until.is_some() && last_seen.is_some_and(lately)
    }

    /// When a user was last seen, as far as is known here.
    pub(super) fn known_of(&self, user: &UserId) -> Option<i64> {
        self.peers.get(user).and_then(|peer| peer.last_seen)
    }

    /// The database knew when these were last seen.
    pub(super) fn last_seen(&mut self, users: &[UserId], seen: &[Option<i64>]) {
        for (user, seen) in users.iter().zip(seen) {
            if let Some(peer) = self.peers.get_mut(user)
                && peer.last_seen < *seen
            {
                peer.last_seen = *seen;
            }
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.rooms.len(), self.peers.len(), self.leases.len())
    }
}

/// How much is left, in ms.
pub(crate) fn left_ms(until: Instant, now: Instant) -> u64 {
    u64::try_from(until.saturating_duration_since(now).as_millis()).unwrap_or(u64::MAX)
}

/// Gives whether it changed anything.
fn apply(users: &mut HashSet<UserId>, change: &Change) -> bool {
    match change {
        Change::Joined(user) => users.insert(user.clone()),
        Change::Left(user) => users.remove(user),
        Change::Created => false,
    }
}
