//! Presence and typing: who is here, who hears of it, and when somebody was last seen.
//!
//! `users` knows devices and heartbeats, `watched` the rooms that somebody looks at. Between the two
//! passes nothing but changes, so that those of other instances can come in at the same place.

mod elsewhere;
mod ledger;
mod users;
mod watched;
mod watching;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidewire_protocol::{
    AppState, BlockList, PeerPresence, PresenceState, RoomId, TypingUpdate, UserId, limits,
};

use crate::clock;
use crate::config::RateLimit;
use crate::rate::RateLimiter;
use crate::store::{Change as Membership, Entry};
use ledger::Ledger;
use users::{Change, Device, Users};
use watched::Watched;

pub(crate) use elsewhere::share;
pub(crate) use ledger::{keep, write_everybody};
pub(crate) use watched::left_ms;
pub(crate) use watching::Watching;

/// How often one user may say that he types or has stopped: a start and a stop for a message every
/// second. What is beyond it is ignored.
const TYPING_RATE: RateLimit = RateLimit { per_second: 2.0, burst: 10 };

/// How often the members of a room are read for one user: those of all that he may watch, several
/// times. Of the others he is told later.
const READING_RATE: RateLimit = RateLimit { per_second: 10.0, burst: 60 };

/// How often a user's comings and goings are told at once. What is beyond it is told with the next
/// tick, however often it changed until then.
const FLIP_RATE: RateLimit = RateLimit { per_second: 0.5, burst: 10 };

/// How long after the last sign of life somebody with this heartbeat counts.
pub(crate) fn silence(heartbeat_ms: u64) -> Duration {
    let (low, high) = (*limits::HEARTBEAT_MS.start(), *limits::HEARTBEAT_MS.end());
    Duration::from_millis(heartbeat_ms.clamp(low, high) * 5 / 2)
}

/// A moment in ms since 1970-01-01 UTC.
fn time_of(moment: Instant, now: Instant) -> i64 {
    let ago = i64::try_from(now.saturating_duration_since(moment).as_millis());
    clock::now_ms().saturating_sub(ago.unwrap_or(i64::MAX))
}

/// What a device says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sign {
    pub(crate) device: u32,
    pub(crate) app_state: AppState,
    pub(crate) heartbeat_ms: u64,
}

struct State {
    users: Users,
    watched: Watched,
    ledger: Ledger,
    /// Those whose state changed too often to tell it at once, and their last sign of life.
    late: HashMap<UserId, Instant>,
    /// Who types where, or has stopped, since the other servers were told; none where there are no others.
    typed: Option<Vec<(RoomId, UserId, bool)>>,
    /// Of whom it was told that he types.
    types: HashSet<(RoomId, UserId)>,
    /// When the other servers were last heard of.
    servers: HashMap<u32, Instant>,
}

impl State {
    /// A user's state is another one: those who watch hear of it, and it is on its way to the disk.
    fn changed(&mut self, change: Change, now: Instant) {
        let Change { user, state, seen } = change;
        self.late.remove(&user);
        let seen_at = time_of(seen, now);
        // Also of those who come: so a crash of the server makes nobody look gone for days.
        self.ledger.seen(&user, seen_at);
        self.tell_watchers(user, state, seen_at);
    }

    fn tell_watchers(&mut self, user: UserId, state: PresenceState, seen_at: i64) {
        let last_seen = (state == PresenceState::Offline).then_some(seen_at);
        self.watched.changed(&PeerPresence { user, state, last_seen });
    }

    fn tell_late(&mut self, now: Instant) {
        for (user, seen) in std::mem::take(&mut self.late) {
            let state = self.users.state(&user);
            self.changed(Change { user, state, seen }, now);
        }
    }

    fn expire(&mut self, now: Instant) {
        for change in self.users.expire(now) {
            self.changed(change, now);
        }
    }
}

/// Who is here, and who hears of it.
pub(crate) struct Presence {
    // A std mutex: nothing awaits while it is held.
    state: Mutex<State>,
    /// As many were online before the start, and count until then unless more are heard of.
    expected: Option<(u32, Instant)>,
    typing: RateLimiter,
    reading: RateLimiter,
    flips: RateLimiter,
    members: u32,
}

impl Presence {
    /// Nobody has been heard of, and `expected` users were online a moment ago: until their time is
    /// over nobody is told of as offline who has not been heard of. Rooms of more than `members` bring
    /// no presence.
    pub(crate) fn expecting(expected: Option<(u32, Duration)>, members: u32, now: Instant) -> Self {
        let expected = expected.map(|(online, left)| (online, now + left));
        let early_until = expected.filter(|(online, _)| *online > 0).map(|(_, until)| until);
        let members = members.min(limits::EPHEMERAL_MEMBERS);
        let state = State {
            users: Users::default(),
            watched: Watched::new(members, fastrand::u32(..), early_until),
            ledger: Ledger::default(),
            late: HashMap::new(),
            typed: None,
            types: HashSet::new(),
            servers: HashMap::new(),
        };
        let typing = RateLimiter::new(Some(TYPING_RATE), "updates");
        let reading = RateLimiter::new(Some(READING_RATE), "readings");
        let flips = RateLimiter::new(Some(FLIP_RATE), "changes");
        Self { state: Mutex::new(state), expected, typing, reading, flips, members }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most members of a room that brings presence and typing.
    pub(crate) fn members(&self) -> u32 {
        self.members
    }

    /// A sign of life over HTTP.
    pub(crate) fn seen(&self, user: &UserId, sign: Sign, now: Instant) {
        self.update(user, sign, now + silence(sign.heartbeat_ms), now, |device| device.is_in(sign));
    }

    /// A socket of the user's begins.
    pub(crate) fn socket_opened(&self, user: &UserId, sign: Sign, now: Instant) {
        self.update(user, sign, now, now, |device| {
            device.sockets = device.sockets.saturating_add(1);
            device.is_in(sign);
        });
    }

    /// It tells anew where the app stands.
    pub(crate) fn socket_said(&self, user: &UserId, sign: Sign, now: Instant) {
        self.update(user, sign, now, now, |device| device.is_in(sign));
    }

    /// It ends: the user counts for a while longer, for the time of a reconnect. Where the app stood
    /// when this one began says nothing now: the next one may have begun already.
    pub(crate) fn socket_closed(&self, user: &UserId, sign: Sign, now: Instant) {
        self.update(user, sign, now + silence(sign.heartbeat_ms), now, |device| {
            device.sockets = device.sockets.saturating_sub(1);
        });
        self.lock().watched.stops(user, now);
    }

    fn update(
        &self,
        user: &UserId,
        sign: Sign,
        until: Instant,
        now: Instant,
        change: impl FnOnce(&mut Device),
    ) {
        let mut state = self.lock();
        let change = state.users.update(user, sign.device, until, now, change);
        match change {
            Some(change) if self.flips.take(user, 1, now).is_ok() => state.changed(change, now),
            Some(change) => drop(state.late.insert(change.user, change.seen)),
            None => {}
        }
    }

    /// Lets go of those whose time has run out, and of rooms that nobody asks for any more.
    pub(crate) fn expire(&self, now: Instant) {
        let mut state = self.lock();
        state.tell_late(now);
        state.expire(now);
        state.watched.expire(now);
    }

    /// How many users are online.
    pub(crate) fn online(&self, now: Instant) -> u32 {
        let heard_of = self.heard_of(now);
        self.still_expected(heard_of, now).map_or(heard_of, |(expected, _)| expected)
    }

    /// The same number, and for how long it counts after a restart: one that was itself only
    /// remembered keeps its end, any other counts for `fresh` from now.
    pub(crate) fn to_remember(&self, fresh: Duration, now: Instant) -> (u32, Duration) {
        let heard_of = self.heard_of(now);
        match self.still_expected(heard_of, now) {
            Some((expected, until)) => (expected, until.saturating_duration_since(now)),
            None => (heard_of, fresh),
        }
    }

    /// The number of before the start and its end, while it is the one that counts.
    fn still_expected(&self, heard_of: u32, now: Instant) -> Option<(u32, Instant)> {
        self.expected.filter(|(expected, until)| now < *until && *expected > heard_of)
    }

    fn heard_of(&self, now: Instant) -> u32 {
        let mut state = self.lock();
        state.expire(now);
        u32::try_from(state.users.len()).unwrap_or(u32::MAX)
    }

    /// Who comes into a watched room by an entry of the log.
    pub(crate) fn comes(&self, entry: &Entry) -> Option<UserId> {
        let Some(Membership::Joined(user)) = entry.change() else { return None };
        entry.room.filter(|room| self.lock().watched.follows(*room)).map(|_| user.clone())
    }

    /// A user has blocked somebody, or does so no more: the two hear nothing of each other, or hear it again.
    pub(crate) fn blocks_changed(&self, user: &UserId, list: &Arc<BlockList>) {
        self.lock().watched.blocks_changed(user, list);
    }

    /// Follows what an entry of the log does to the members of a watched room. Called before anybody
    /// hears of the entry, so that whoever acts on it finds it here. `blocks` is whom the one has blocked who comes.
    pub(crate) fn follow(&self, entry: &Entry, blocks: BlockList) {
        let (Some(change), Some(room)) = (entry.change(), entry.room) else { return };
        let mut state = self.lock();
        for user in state.watched.follow(room, entry.ord, change, blocks) {
            let standing = state.users.state(&user);
            let known = state.ledger.last(&user).max(state.watched.known_of(&user));
            let last_seen = known.filter(|_| standing == PresenceState::Offline);
            state.watched.changed(&PeerPresence { user, state: standing, last_seen });
        }
    }

    /// Where a user types or has stopped. What is too much, and what is of rooms that the user is
    /// not in, is ignored: nobody misses it.
    pub(crate) fn typing(&self, user: &UserId, updates: &[TypingUpdate], now: Instant) {
        for update in updates {
            if self.typing.take(user, 1, now).is_err() {
                return;
            }
            let mut state = self.lock();
            state.watched.typing(user, update.room, update.typing, now);
            state.tell_typing(user, update.room, update.typing);
        }
    }

    /// A message has been sent: its sender does not type any more.
    pub(crate) fn sent(&self, user: &UserId, room: RoomId, now: Instant) {
        let mut state = self.lock();
        state.watched.typing(user, room, false, now);
        state.tell_typing(user, room, false);
    }
}

#[cfg(test)]
mod store_tests;
#[cfg(test)]
mod tests;
