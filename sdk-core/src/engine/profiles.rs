//! Profiles: fresh from memory or disk within `cache_ttl`, else from the server in one batch,
//! else as they were.

use std::collections::{BTreeMap, VecDeque};

use tidewire_protocol::{Profile, ProfilesRequest, UserId, limits};

use super::commit::After;
use super::effect::{CommandId, Query, Reply, Request, RequestError, Response};
use super::loads::LoadPurpose;
use super::stats::Tier;
use super::transaction::{Transaction, Write};
use super::{Engine, Purpose};

/// Most profiles kept in memory: at about 300 bytes each, 600 KB.
const CACHED: usize = 2_000;

/// Profiles in memory, with the wall clock time of their fetching.
#[derive(Debug)]
pub(crate) struct ProfileCache {
    ttl_ms: i64,
    known: BTreeMap<UserId, (Profile, i64)>,
    /// In the order in which they came: the oldest goes first.
    order: VecDeque<UserId>,
}

impl ProfileCache {
    pub(crate) fn new(ttl_ms: u64) -> Self {
        Self {
            ttl_ms: i64::try_from(ttl_ms).unwrap_or(i64::MAX),
            known: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    fn put(&mut self, profile: Profile, fetched_at: i64) {
        let user = profile.user.clone();
        if self.known.insert(user.clone(), (profile, fetched_at)).is_none() {
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
}

/// Profiles asked for by one command.
#[derive(Debug)]
pub(crate) struct Lookup {
    pub(crate) command: CommandId,
    users: Vec<UserId>,
    since: u64,
}

impl Engine {
    pub(crate) fn look_up_profiles(&mut self, command: CommandId, mut users: Vec<UserId>) {
        users.truncate(limits::PROFILES_BATCH);
        let lookup = Lookup { command, users, since: self.now.mono_ms };
        if self.missing_profiles(&lookup.users).is_empty() {
            self.answer_profiles(lookup, Tier::Memory);
        } else {
            let query = Query::Profiles(lookup.users.clone());
            self.load(query, LoadPurpose::Profiles(lookup));
        }
    }

    fn missing_profiles(&self, users: &[UserId]) -> Vec<UserId> {
        let fresh = |user: &&UserId| self.profiles.is_fresh(user, self.now.wall_ms);
        users.iter().filter(|user| !fresh(user)).cloned().collect()
    }

    pub(crate) fn profiles_loaded(&mut self, lookup: Lookup, found: Vec<(Profile, i64)>) {
        for (profile, at) in found {
            let newer = self.profiles.known.get(&profile.user).is_none_or(|(_, other)| *other < at);
            if newer {
                self.profiles.put(profile, at);
            }
        }
        let users = self.missing_profiles(&lookup.users);
        if users.is_empty() || !self.online() || !self.auth.is_ready() {
            self.answer_profiles(lookup, Tier::Disk);
        } else {
            let request = Request::Profiles(ProfilesRequest { users });
            self.request(request, Purpose::Profiles(lookup));
        }
    }

    pub(crate) fn profiles_answered(
        &mut self,
        lookup: Lookup,
        answer: Result<Response, RequestError>,
    ) {
        match answer {
            Ok(Response::Profiles(fetched)) => {
                self.store_profiles(fetched.profiles);
                self.answer_profiles(lookup, Tier::Server);
            }
            // Stale ones are better than none.
            Ok(_) | Err(_) => self.answer_profiles(lookup, Tier::Disk),
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

    fn answer_profiles(&mut self, lookup: Lookup, tier: Tier) {
        self.read(tier, self.now.mono_ms - lookup.since);
        let known = |user: &UserId| {
            let unknown =
                || Profile { user: user.clone(), name: None, avatar_url: None, updated_at: 0 };
            self.profiles.known.get(user).map_or_else(unknown, |(profile, _)| profile.clone())
        };
        let profiles = lookup.users.iter().map(known).collect();
        self.reply(lookup.command, Ok(Reply::Profiles(profiles)));
    }
}
