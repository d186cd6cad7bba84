//! Profiles: from memory or disk at once, fresh or not; what is stale or missing is fetched, all that
//! is wanted at one moment in one request, and its arrival told.
//!
//! Wanted are the profiles that the app asks for, and those of the rooms that it shows: peers and last
//! senders. Nobody is asked for twice at a time: whoever wants somebody who is on the way joins.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tidewire_protocol::{Profile, ProfilesRequest, RoomId, UserId, limits};

use crate::config::millis;
use crate::defaults;
use crate::engine::backoff::Backoff;
use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::{CommandId, Notice, Request, RequestError, Response};
use crate::engine::life::auth::TokenState;
use crate::engine::query::Query;
use crate::engine::stats::Tier;
use crate::engine::time::Timer;
use crate::engine::{Engine, Purpose};
use crate::error::{Error, StoreError};

/// Most profiles kept in memory: at about 300 bytes each, 600 KB.
const CACHED: usize = 2_000;

/// What is younger is not fetched anew because a room changed, whatever the time to live: in ms.
const UNASKED_TTL_MS: i64 = 10_000;

/// The last users that the app asked for, who count as shown: some screens full.
const SHOWN: usize = 200;

/// What is known of profiles, and what is being done to know more.
#[derive(Debug)]
pub(crate) struct ProfileCache {
    ttl_ms: i64,
    /// With the wall clock time of their fetching.
    known: BTreeMap<UserId, (Profile, i64)>,
    /// In the order in which they came: the oldest goes first.
    order: VecDeque<UserId>,
    /// Not in memory, and still to be looked for on disk.
    unread: BTreeSet<UserId>,
    /// Being looked for on disk.
    reading: BTreeSet<UserId>,
    /// To be fetched: the stale, and those who are not on disk either.
    wanted: BTreeSet<UserId>,
    /// On their way from the server.
    fetching: BTreeSet<UserId>,
    /// Commands that wait for somebody of whom nothing is known.
    lookups: Vec<Lookup>,
    /// The last users that the app asked for.
    shown: VecDeque<UserId>,
    /// The rooms that the app shows in a list.
    rooms: Vec<RoomId>,
    /// Whether they have to be looked at.
    look: bool,
    /// Whether there was a network when the last turn ended.
    online: bool,
    /// Whether it has come back, and the shown were not looked at since.
    back: bool,
    /// Those whose profile is another one than was told last.
    changed: BTreeSet<UserId>,
    /// When the request goes that gathers what is wanted.
    due_at: Option<u64>,
    /// Not before this moment is asked again, after a failure.
    not_before: u64,
    backoff: Backoff,
}

/// A command that asked for profiles.
#[derive(Debug)]
struct Lookup {
    command: CommandId,
    users: Vec<UserId>,
    since: u64,
    tier: Tier,
}

impl ProfileCache {
    pub(crate) fn new(ttl_ms: u64) -> Self {
        Self {
            ttl_ms: i64::try_from(ttl_ms).unwrap_or(i64::MAX),
            known: BTreeMap::new(),
            order: VecDeque::new(),
            unread: BTreeSet::new(),
            reading: BTreeSet::new(),
            wanted: BTreeSet::new(),
            fetching: BTreeSet::new(),
            lookups: Vec::new(),
            shown: VecDeque::new(),
            rooms: Vec::new(),
            look: false,
            online: false,
            back: false,
            changed: BTreeSet::new(),
            due_at: None,
            not_before: 0,
            backoff: Backoff::new(),
        }
    }

    /// What is known of a user, fresh or not.
    pub(crate) fn get(&self, user: &UserId) -> Option<&Profile> {
        self.known.get(user).map(|(profile, _)| profile)
    }

    /// The app shows these rooms in a list.
    pub(crate) fn show_rooms(&mut self, rooms: &[RoomId]) {
        let rooms = rooms.get(..limits::PROFILES_BATCH).unwrap_or(rooms);
        if self.rooms != rooms {
            self.rooms = rooms.to_vec();
            self.look = true;
        }
    }

    /// Others may have spoken in the rooms that the app shows.
    pub(crate) fn look_again(&mut self) {
        self.look = true;
    }

    fn put(&mut self, profile: Profile, fetched_at: i64) {
        let user = profile.user.clone();
        let before = self.known.insert(user.clone(), (profile, fetched_at));
        let same = before.as_ref().is_some_and(|(before, _)| Some(before) == self.get(&user));
        if !same {
            self.changed.insert(user.clone());
        }
        if before.is_none() {
            self.order.push_back(user);
            if self.known.len() > CACHED
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }

    /// Whether a profile is known and was fetched within the time to live. A clock that went
    /// backwards makes it stale rather than fresh for ever.
    fn is_fresh(&self, user: &UserId, wall_ms: i64) -> bool {
        self.known.get(user).is_some_and(|(_, at)| (0..self.ttl_ms).contains(&(wall_ms - at)))
    }

    /// Somebody's profile is wanted: from the disk if it is not in memory, from the server if it is
    /// not fresh.
    fn want(&mut self, user: &UserId, wall_ms: i64) {
        if !self.known.contains_key(user) && !self.wanted.contains(user) {
            if !self.reading.contains(user) && !self.fetching.contains(user) {
                self.unread.insert(user.clone());
            }
        } else if !self.is_fresh(user, wall_ms) && !self.fetching.contains(user) {
            self.wanted.insert(user.clone());
        }
    }

    fn has_shown(&mut self, user: &UserId) {
        self.shown.retain(|other| other != user);
        self.shown.push_back(user.clone());
        if self.shown.len() > SHOWN {
            self.shown.pop_front();
        }
    }

    /// Whether more of this user is on its way.
    fn awaits(&self, user: &UserId, online: bool) -> bool {
        self.unread.contains(user)
            || self.reading.contains(user)
            || (online && (self.wanted.contains(user) || self.fetching.contains(user)))
    }

    /// Whoever waits for this user is answered by this tier, or a farther one.
    fn mark(&mut self, user: &UserId, tier: Tier) {
        for lookup in self.lookups.iter_mut().filter(|lookup| lookup.users.contains(user)) {
            lookup.tier = tier;
        }
    }
}

impl Engine {
    pub(crate) fn look_up_profiles(&mut self, command: CommandId, users: Vec<UserId>) {
        let wall = self.now.wall_ms;
        for user in &users {
            self.profiles.has_shown(user);
            self.profiles.want(user, wall);
        }
        let lookup = Lookup { command, users, since: self.now.mono_ms, tier: Tier::Memory };
        self.profiles.lookups.push(lookup);
    }

    /// Reads, fetches, answers and tells what is due.
    pub(crate) fn advance_profiles(&mut self) {
        let online = self.online() && self.auth.is_ready();
        self.profiles.back |= online && !std::mem::replace(&mut self.profiles.online, online);
        // Nobody has asked for them: that waits for the budget.
        if (self.profiles.look || self.profiles.back) && self.may_read() {
            self.profiles.look = false;
            let back = std::mem::take(&mut self.profiles.back);
            self.want_shown(back);
        }
        if self.profiles.reading.is_empty() && !self.profiles.unread.is_empty() {
            let users = std::mem::take(&mut self.profiles.unread);
            self.profiles.reading.clone_from(&users);
            self.load(Query::Profiles(users.into_iter().collect()), LoadPurpose::Profiles);
        }
        self.fetch_profiles(online);
        // A token that is on its way mostly comes in a moment, as at the start.
        let soon = matches!(self.auth.state(), TokenState::Ready | TokenState::Fetching);
        self.answer_lookups(self.online() && soon);
        if !self.profiles.changed.is_empty() {
            let changed = std::mem::take(&mut self.profiles.changed);
            self.heads.touch_peers(&changed);
            let users = changed.into_iter().collect();
            self.notify(Notice::ProfilesChanged(users));
        }
    }

    /// Whom the app shows: of those whom it asked for itself, only after the network was away.
    fn want_shown(&mut self, back: bool) {
        let mut users: Vec<UserId> = Vec::new();
        for room in &self.profiles.rooms {
            let Some(room) = self.rooms.get(room) else { continue };
            users.extend(room.state.peer.clone());
            let last = [&room.state.last_message, &room.state.last_event];
            users.extend(last.into_iter().flatten().map(|event| event.sender.clone()));
        }
        if back {
            users.extend(self.profiles.shown.iter().cloned());
        }
        // What an app wants to be fresh at each look need not be so without anybody asking.
        let old = |(_, at): &(Profile, i64)| self.now.wall_ms - at >= UNASKED_TTL_MS;
        for user in users {
            if self.profiles.known.get(&user).is_none_or(old) {
                self.profiles.want(&user, self.now.wall_ms);
            }
        }
    }

    fn fetch_profiles(&mut self, online: bool) {
        let (now, cache) = (self.now.mono_ms, &mut self.profiles);
        if cache.wanted.is_empty() {
            cache.due_at = None;
            self.timers.disarm(Timer::Profiles);
            return;
        }
        // One request at a time: what is wanted meanwhile goes together with the next.
        if !online || !cache.fetching.is_empty() || !cache.reading.is_empty() {
            return;
        }
        let soon = (now + millis(defaults::PROFILES_GATHER)).max(cache.not_before);
        let due = *cache.due_at.get_or_insert(soon);
        if now < due {
            self.timers.arm(Timer::Profiles, due);
            return;
        }
        cache.due_at = None;
        let mut users: Vec<UserId> = cache.wanted.iter().cloned().collect();
        users.truncate(limits::PROFILES_BATCH);
        cache.wanted.retain(|user| !users.contains(user));
        cache.fetching = users.iter().cloned().collect();
        self.request(Request::Profiles(ProfilesRequest { users }), Purpose::Profiles);
    }

    /// Answers who waits for nobody any more of whom nothing is known.
    fn answer_lookups(&mut self, online: bool) {
        let cache = &mut self.profiles;
        let mut waiting = std::mem::take(&mut cache.lookups);
        let ready: Vec<Lookup> = waiting
            .extract_if(.., |lookup| {
                let waits =
                    |user: &UserId| !cache.known.contains_key(user) && cache.awaits(user, online);
                !lookup.users.iter().any(waits)
            })
            .collect();
        cache.lookups = waiting;
        ready.into_iter().for_each(|lookup| self.answer_lookup(lookup));
    }

    fn answer_lookup(&mut self, lookup: Lookup) {
        self.read(lookup.tier, self.now.mono_ms - lookup.since);
        let known = |user: &UserId| {
            let unknown =
                || Profile { user: user.clone(), name: None, avatar_url: None, updated_at: 0 };
            self.profiles.get(user).cloned().unwrap_or_else(unknown)
        };
        let profiles = lookup.users.iter().map(known).collect();
        self.reply(lookup.command, Ok(Reply::Profiles(profiles)));
    }

    pub(crate) fn profiles_loaded(&mut self, found: Vec<(Profile, i64)>) {
        let wall = self.now.wall_ms;
        let cache = &mut self.profiles;
        let read = std::mem::take(&mut cache.reading);
        for (profile, at) in found {
            // It may have been fetched meanwhile.
            if cache.known.get(&profile.user).is_none_or(|(_, other)| *other < at) {
                cache.put(profile, at);
            }
        }
        for user in read {
            cache.mark(&user, Tier::Disk);
            if !cache.is_fresh(&user, wall) && !cache.fetching.contains(&user) {
                cache.wanted.insert(user);
            }
        }
    }

    /// The disk cannot say: whoever waits for it hears why.
    pub(crate) fn profiles_not_loaded(&mut self, error: StoreError) {
        let cache = &mut self.profiles;
        let read = std::mem::take(&mut cache.reading);
        let concerned = |lookup: &mut Lookup| lookup.users.iter().any(|user| read.contains(user));
        let failed: Vec<Lookup> = cache.lookups.extract_if(.., concerned).collect();
        for lookup in failed {
            self.reply(lookup.command, Err(Error::Store(error.clone())));
        }
        self.damage_found(error);
    }

    pub(crate) fn profiles_answered(&mut self, answer: Result<Response, RequestError>) {
        let asked = std::mem::take(&mut self.profiles.fetching);
        match answer {
            Ok(Response::Profiles(fetched)) => {
                self.profiles.backoff.reset();
                self.profiles.not_before = 0;
                asked.iter().for_each(|user| self.profiles.mark(user, Tier::Server));
                self.store_profiles(fetched.profiles);
            }
            Ok(_) | Err(_) => {
                let slot = match &answer {
                    Err(RequestError::Refused(error)) => error.retry_after_ms,
                    _ => None,
                };
                let wait = self.profiles.backoff.fail(slot, &mut self.rng);
                self.profiles.not_before = self.now.mono_ms + wait;
                // Stale ones are better than none, and nobody waits for another attempt.
                let concerned =
                    |lookup: &mut Lookup| lookup.users.iter().any(|user| asked.contains(user));
                let failed: Vec<Lookup> = self.profiles.lookups.extract_if(.., concerned).collect();
                failed.into_iter().for_each(|lookup| self.answer_lookup(lookup));
                // Who is still shown is wanted again.
                self.profiles.wanted.extend(asked);
            }
        }
    }

    pub(crate) fn store_profiles(&mut self, profiles: Vec<Profile>) {
        let wall = self.now.wall_ms;
        let mut transaction = Transaction { independent: true, ..Transaction::default() };
        for profile in profiles {
            self.profiles.put(profile.clone(), wall);
            transaction.push(Write::Profile(Box::new(profile), wall));
        }
        self.commit(transaction, After::default());
    }

    /// The app is suspended: nobody waits any more, and what is known has to do, as without a network.
    /// What is missing stays wanted, and is told once the app is awake.
    pub(crate) fn profiles_rest(&mut self) {
        for lookup in std::mem::take(&mut self.profiles.lookups) {
            self.answer_lookup(lookup);
        }
    }
}
