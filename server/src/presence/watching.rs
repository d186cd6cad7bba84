//! The rooms that one connection watches, and what it is told of them: everything first, then what
//! changes, conflated, and everything again where changes were left out. Makes frames; what carries
//! them is not its affair. Also what anybody who asks instead of listening is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire_protocol::{Ephemeral, PeerTyping, RoomId, UserId, Watch, limits};
use tokio::time::Instant as Deadline;

use super::{Presence, left_ms};
use crate::inbox::{Inbox, Moments};
use crate::store::{Store, StoreError};

/// Pause between two tellings: what happens meanwhile goes together. An eye takes 200 ms for at
/// once, and a crowd that comes back makes 5 frames a second here instead of hundreds.
const PAUSE: Duration = Duration::from_millis(200);

/// Users that the database is asked about at once. Of more it is not told when they were last seen.
const LOOKUPS: usize = 500;

/// The rooms that one connection watches, while it lives.
pub(crate) struct Watching {
    presence: Arc<Presence>,
    user: UserId,
    inbox: Arc<Inbox>,
    rooms: Vec<RoomId>,
    /// Those of them of which nothing has been told yet.
    fresh: Vec<RoomId>,
    /// Until when there is a pause: something was told a moment ago.
    calm_until: Deadline,
}

impl Watching {
    pub(crate) fn new(presence: Arc<Presence>, user: UserId, inbox: Arc<Inbox>) -> Self {
        let (rooms, fresh, calm_until) = (Vec::new(), Vec::new(), Deadline::now());
        Self { presence, user, inbox, rooms, fresh, calm_until }
    }

    /// Watches these rooms and no others.
    pub(crate) fn set(&mut self, mut rooms: Vec<RoomId>) {
        let mut seen = std::collections::HashSet::new();
        rooms.retain(|room| seen.insert(*room));
        let mut state = self.presence.lock();
        for room in self.rooms.iter().filter(|room| !rooms.contains(room)) {
            state.watched.remove(*room, &self.inbox);
        }
        // Registered before anything is read, so that nothing falls between the two.
        for room in rooms.iter().filter(|room| !self.rooms.contains(room)) {
            state.watched.add(*room, &self.user, &self.inbox);
            self.fresh.push(*room);
        }
        drop(state);
        self.fresh.retain(|room| rooms.contains(room));
        self.rooms = rooms;
    }

    /// Whether there is something to tell, of changes or of everybody in some room.
    pub(crate) fn has_news(&self) -> bool {
        !self.fresh.is_empty() || self.inbox.has_moments()
    }

    /// When it may be told. What carries it lets everything else pass first.
    pub(crate) fn calm_until(&self) -> Deadline {
        self.calm_until
    }

    /// What there is to tell now, in frames of the size that the wire allows. Waits for the disk
    /// when rooms are new.
    pub(crate) async fn news(&mut self, store: &dyn Store) -> Result<Vec<Ephemeral>, StoreError> {
        let Moments { presence, typing, shed } = self.inbox.take_moments();
        if shed {
            // Changes were left out: everything has to be told again.
            self.fresh = self.rooms.clone();
        }
        let now = Instant::now();
        let typing = typing.into_iter().map(|((room, user), until)| {
            let ttl_ms = left_ms(until, now);
            PeerTyping { room, user, ttl_ms }
        });
        let news = Ephemeral {
            presence: presence.into_values().collect(),
            typing: typing.collect(),
            to: None,
        };
        let mut frames = in_frames(news);
        if !self.fresh.is_empty() {
            // After the news: it is newer than they are.
            frames.extend(in_frames(self.first(store).await?));
        }
        self.calm_until = Deadline::now() + PAUSE;
        Ok(frames)
    }

    /// What is to be told first of the rooms that are new. Waits for the disk.
    async fn first(&mut self, store: &dyn Store) -> Result<Ephemeral, StoreError> {
        let rooms = std::mem::take(&mut self.fresh);
        self.presence.load(&self.user, &rooms, store).await?;
        // Those that could not be read now are told a moment later.
        self.fresh = {
            let state = self.presence.lock();
            rooms.iter().copied().filter(|room| state.watched.is_loading(*room)).collect()
        };
        let told = self.presence.told(&self.user, &rooms, None, store).await?;
        Ok(Ephemeral { to: None, ..told })
    }
}

fn in_frames(mut news: Ephemeral) -> Vec<Ephemeral> {
    let mut frames = Vec::new();
    while !news.is_empty() {
        let most = news.presence.len().min(limits::PRESENCE_PER_FRAME);
        let rest = Ephemeral { presence: news.presence.split_off(most), ..Ephemeral::default() };
        frames.push(std::mem::replace(&mut news, rest));
    }
    frames
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut state = self.presence.lock();
        for room in &self.rooms {
            state.watched.remove(*room, &self.inbox);
        }
    }
}

impl Presence {
    /// What somebody who asks instead of listening is to be told. Waits for the disk when a room
    /// has not been watched for a while.
    pub(crate) async fn answer(
        &self,
        user: &UserId,
        watch: &Watch,
        store: &dyn Store,
    ) -> Result<Option<Ephemeral>, StoreError> {
        let rooms: Vec<RoomId> = watch.rooms.iter().copied().take(limits::WATCHED_ROOMS).collect();
        let now = Instant::now();
        let begun: Vec<RoomId> = {
            let mut state = self.lock();
            rooms.iter().copied().filter(|room| state.watched.lease(*room, user, now)).collect()
        };
        let loaded = self.load(user, &rooms, store).await;
        {
            // Whether the user is in them is known only now.
            let mut state = self.lock();
            begun.iter().for_each(|room| state.watched.release_stranger(*room, user));
        }
        loaded?;
        let told = self.told(user, &rooms, watch.since.as_deref(), store).await?;
        Ok(told.to.is_some().then_some(told))
    }

    /// Reads the members of those rooms that are not followed yet, as many as the user may have read
    /// now.
    async fn load(
        &self,
        user: &UserId,
        rooms: &[RoomId],
        store: &dyn Store,
    ) -> Result<(), StoreError> {
        let loading: Vec<RoomId> = {
            let state = self.lock();
            rooms.iter().copied().filter(|room| state.watched.is_loading(*room)).collect()
        };
        for room in loading {
            if self.reading.take(user, 1, Instant::now()).is_err() {
                break;
            }
            let mark = self.lock().watched.block_news();
            let roster = store.roster(room).await?;
            let present = roster.members.iter().filter(|(_, _, left)| left.is_none());
            let present: Vec<UserId> = present.map(|(user, ..)| user.clone()).collect();
            let lists = match present.len() <= self.members as usize {
                true => store.block_lists(present.clone()).await?,
                false => Vec::new(),
            };
            let blocks = present.into_iter().zip(lists).collect();
            self.lock().watched.loaded(room, roster, blocks, mark);
        }
        Ok(())
    }

    async fn told(
        &self,
        user: &UserId,
        rooms: &[RoomId],
        since: Option<&str>,
        store: &dyn Store,
    ) -> Result<Ephemeral, StoreError> {
        // What is on its way to the disk is read before the disk is, so that it is found in one.
        let (mut told, unwritten) = {
            let state = self.lock();
            let mut told = state.watched.told(&state.users, user, rooms, since, Instant::now());
            told.unseen.truncate(LOOKUPS);
            let unwritten: Vec<_> =
                told.unseen.iter().map(|user| state.ledger.last(user)).collect();
            (told, unwritten)
        };
        if !told.unseen.is_empty() {
            let mut seen = store.last_seen(told.unseen.clone()).await?;
            seen.iter_mut().zip(unwritten).for_each(|(seen, last)| *seen = last.max(*seen));
            let mut state = self.lock();
            state.watched.last_seen(&told.unseen, &seen);
            let found: std::collections::HashMap<_, _> = told.unseen.iter().zip(seen).collect();
            for presence in &mut told.ephemeral.presence {
                if let Some(seen) = found.get(&presence.user) {
                    presence.last_seen = *seen;
                }
            }
            told.ephemeral.presence.retain(|news| !state.watched.is_early(news.last_seen));
        }
        Ok(told.ephemeral)
    }
}
