//! Who listens for what on this instance, and what each user has missed since it started. Knows
//! connections only as inboxes and bells; never reads the database.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidewire_protocol::{RoomId, UserId};
use tokio::sync::Notify;

use crate::bus::Bell;
use crate::inbox::Inbox;
use crate::store::{Entry, News, Ords};

/// Users whose last event is remembered before all of them are forgotten at once: about 30 MB.
const LAST_MAX: usize = 200_000;

struct Listeners {
    /// Of what came before it nothing is known: where the log stood when this instance started, or
    /// when `last` was emptied.
    start: Ords,
    /// What has been handed out.
    applied: Ords,
    /// The last entry that concerned each user, since `start`.
    last: HashMap<UserId, Ords>,
    feeds: HashMap<UserId, Vec<Arc<Inbox>>>,
    waiters: HashMap<UserId, Vec<Arc<Notify>>>,
    live: HashMap<RoomId, Vec<Arc<Inbox>>>,
}

/// Who listens for what on this instance.
pub(crate) struct Hub {
    bell: Bell,
    // A std mutex: nothing awaits while it is held.
    listeners: Mutex<Listeners>,
}

impl Hub {
    pub(crate) fn new(start: Ords, bell: Bell) -> Arc<Self> {
        let listeners = Listeners {
            applied: start.clone(),
            start,
            last: HashMap::new(),
            feeds: HashMap::new(),
            waiters: HashMap::new(),
            live: HashMap::new(),
        };
        Arc::new(Self { bell, listeners: Mutex::new(listeners) })
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What has been handed out.
    pub(crate) fn applied(&self) -> Ords {
        self.lock().applied.clone()
    }

    /// Hands an entry out: to the feeds of `users`, to their waiting requests, and, if it is an
    /// event, to everybody who has the room live. Gives how many connections were told.
    pub(crate) fn dispatch<'a>(
        &self,
        entry: &Arc<Entry>,
        users: impl Iterator<Item = &'a UserId>,
    ) -> usize {
        let mut told = 0;
        let mut guard = self.lock();
        let listeners = &mut *guard;
        let shards = listeners.applied.len();
        for user in users {
            match listeners.last.get_mut(user) {
                Some(last) => last.raise(entry.shard, entry.ord),
                None => {
                    let mut last = Ords::zero(shards);
                    last.raise(entry.shard, entry.ord);
                    listeners.last.insert(user.clone(), last);
                }
            }
            for inbox in listeners.feeds.get(user).into_iter().flatten() {
                inbox.push_feed(entry);
                told += 1;
            }
            for waiter in listeners.waiters.get(user).into_iter().flatten() {
                waiter.notify_one();
                told += 1;
            }
        }
        // Receipts come by the feed alone.
        if let (News::Event(_), Some(room)) = (&entry.news, entry.room) {
            for inbox in listeners.live.get(&room).into_iter().flatten() {
                inbox.push_live(entry);
                told += 1;
            }
        }
        listeners.applied.raise(entry.shard, entry.ord);
        // Only now, with this event in `applied`: nobody it concerned may be told of nothing.
        if listeners.last.len() > LAST_MAX {
            listeners.last = HashMap::new();
            listeners.start = listeners.applied.clone();
        }
        told
    }

    /// Whether it is certain, without a look into the database, that the user has nothing after
    /// `from`. Not certain: a place before the start, one ahead of what was handed out, and any
    /// while the bell has told of events that are still on their way.
    pub(crate) fn nothing_after(&self, user: &UserId, from: &Ords) -> bool {
        let listeners = self.lock();
        let told = self.bell.borrow();
        from.covers(&listeners.start)
            && listeners.applied.covers(from)
            && listeners.applied.covers(&told)
            && listeners.last.get(user).is_none_or(|last| from.covers(last))
    }

    /// The user's feed goes into `inbox`, while the guard lives.
    pub(crate) fn attach(self: &Arc<Self>, user: &UserId, inbox: &Arc<Inbox>) -> Attached {
        add(&mut self.lock().feeds, user.clone(), inbox.clone());
        Attached { hub: self.clone(), user: user.clone(), inbox: inbox.clone() }
    }

    /// Rings for each entry that is news for the user, while the guard lives.
    pub(crate) fn wait(self: &Arc<Self>, user: &UserId) -> Waiting {
        let bell = Arc::new(Notify::new());
        add(&mut self.lock().waiters, user.clone(), bell.clone());
        Waiting { hub: self.clone(), user: user.clone(), bell }
    }

    /// The room goes live into `inbox`, until [`Hub::unsubscribe`].
    pub(crate) fn subscribe(&self, room: RoomId, inbox: &Arc<Inbox>) {
        add(&mut self.lock().live, room, inbox.clone());
    }

    /// Ends that.
    pub(crate) fn unsubscribe(&self, room: RoomId, inbox: &Arc<Inbox>) {
        remove(&mut self.lock().live, &room, inbox);
    }
}

fn add<K: Eq + Hash, T>(map: &mut HashMap<K, Vec<Arc<T>>>, key: K, listener: Arc<T>) {
    map.entry(key).or_default().push(listener);
}

fn remove<K: Eq + Hash, T>(map: &mut HashMap<K, Vec<Arc<T>>>, key: &K, listener: &Arc<T>) {
    if let Some(listeners) = map.get_mut(key) {
        listeners.retain(|other| !Arc::ptr_eq(other, listener));
        if listeners.is_empty() {
            map.remove(key);
        }
    }
}

/// Keeps an inbox attached to a user's feed.
pub(crate) struct Attached {
    hub: Arc<Hub>,
    user: UserId,
    inbox: Arc<Inbox>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        remove(&mut self.hub.lock().feeds, &self.user, &self.inbox);
    }
}

/// A request that waits for news of a user.
pub(crate) struct Waiting {
    hub: Arc<Hub>,
    user: UserId,
    bell: Arc<Notify>,
}

impl Waiting {
    /// Returns at the next news of the user; one since the registration is heard.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        remove(&mut self.hub.lock().waiters, &self.user, &self.bell);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tidewire_protocol::Seq;
    use uuid::Uuid;

    use super::*;
    use crate::bus::{Bus, InProcess};
    use crate::store::Logged;

    fn entry(ord: u64) -> Arc<Entry> {
        let json = RawValue::from_string("{}".into()).unwrap().into();
        let room = RoomId::from_uuid(Uuid::nil());
        let event = Logged { seq: Seq::new(ord), json, change: None };
        Arc::new(Entry { shard: 0, ord, room: Some(room), news: News::Event(event) })
    }

    fn at(ord: u64) -> Ords {
        Ords::from_iter([ord])
    }

    #[test]
    fn nothing_new_is_said_only_when_it_is_certain() {
        let bus = InProcess::new(1);
        let hub = Hub::new(at(10), bus.subscribe());
        let (ada, bob): (UserId, UserId) = ("ada".parse().unwrap(), "bob".parse().unwrap());
        assert!(hub.nothing_after(&ada, &at(10)));
        assert!(!hub.nothing_after(&ada, &at(9)), "before the start");
        assert!(!hub.nothing_after(&ada, &at(11)), "ahead of what was handed out");
        bus.ring(0, 12);
        assert!(!hub.nothing_after(&ada, &at(10)), "the bell told of more");
        hub.dispatch(&entry(11), [&ada].into_iter());
        hub.dispatch(&entry(12), std::iter::empty());
        assert!(!hub.nothing_after(&ada, &at(10)));
        assert!(hub.nothing_after(&ada, &at(11)));
        assert!(hub.nothing_after(&bob, &at(10)), "none of it was Bob's");
    }

    #[test]
    fn too_many_users_are_forgotten_and_nobody_misses_a_thing_by_it() {
        let bus = InProcess::new(1);
        let hub = Hub::new(at(0), bus.subscribe());
        let crowd: Vec<UserId> = (0..=LAST_MAX).map(|n| format!("u{n}").parse().unwrap()).collect();
        let bob: UserId = "bob".parse().unwrap();
        hub.dispatch(&entry(1), crowd[1..].iter());
        assert_eq!(hub.lock().last.len(), LAST_MAX);
        assert!(hub.nothing_after(&bob, &at(0)));
        hub.dispatch(&entry(2), crowd[..1].iter());
        assert!(hub.lock().last.len() <= LAST_MAX);
        for user in [&crowd[0], &crowd[1], &bob] {
            assert!(!hub.nothing_after(user, &at(0)) && !hub.nothing_after(user, &at(1)));
            assert!(hub.nothing_after(user, &at(2)));
        }
        hub.dispatch(&entry(3), [&bob].into_iter());
        assert!(!hub.nothing_after(&bob, &at(2)) && hub.nothing_after(&crowd[0], &at(2)));
    }

    #[tokio::test]
    async fn listeners_hear_while_their_guards_live() {
        let hub = Hub::new(at(0), InProcess::new(1).subscribe());
        let ada: UserId = "ada".parse().unwrap();
        let inbox = Arc::new(Inbox::default());
        inbox.set_feed(true);
        let attached = hub.attach(&ada, &inbox);
        let waiting = hub.wait(&ada);
        hub.dispatch(&entry(1), [&ada].into_iter());
        waiting.rung().await;
        inbox.rung().await;
        assert!(!inbox.is_empty());
        inbox.set_feed(true);
        drop((attached, waiting));
        hub.dispatch(&entry(2), [&ada].into_iter());
        assert!(inbox.is_empty());
        assert!(hub.lock().feeds.is_empty() && hub.lock().waiters.is_empty());
    }
}
