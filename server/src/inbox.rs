//! What waits for one connection: what happened while it was busy. Bounded, and of no
//! consequence: a queue that overflows is dropped, and the connection reads the log instead.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tidewire_protocol::{PeerPresence, RoomId, UserId};
use tokio::sync::Notify;

use crate::store::Entry;

/// Entries that wait for one connection: five pages.
const CAPACITY: usize = 256;

#[derive(Default)]
struct Queue {
    entries: VecDeque<Arc<Entry>>,
    open: bool,
    lost: bool,
}

impl Queue {
    fn push(&mut self, entry: &Arc<Entry>) -> bool {
        if !self.open || self.lost {
            return false;
        }
        if self.entries.len() == CAPACITY {
            self.entries = VecDeque::new();
            self.lost = true;
        } else {
            self.entries.push_back(entry.clone());
        }
        true
    }
}

/// Users whose news wait for one connection, and as many who type: more than watched rooms have
/// members, unless they are large.
const MOMENTS: usize = 512;

/// Presence and typing that wait: of each only the last. The first to go when there is too much.
#[derive(Debug, Default)]
pub(crate) struct Moments {
    pub(crate) presence: HashMap<UserId, PeerPresence>,
    /// Until when each is to be believed.
    pub(crate) typing: HashMap<(RoomId, UserId), Instant>,
    /// Whether something was left out.
    pub(crate) shed: bool,
}

impl Moments {
    fn is_empty(&self) -> bool {
        self.presence.is_empty() && self.typing.is_empty() && !self.shed
    }
}

#[derive(Default)]
struct Queues {
    feed: Queue,
    live: Queue,
    moments: Moments,
}

impl Queues {
    /// Takes news of presence or typing, unless the connection has enough to do. Gives whether it is
    /// to be woken.
    fn moment(&mut self, put: impl FnOnce(&mut Moments)) -> bool {
        let busy =
            [&self.feed, &self.live].iter().any(|q| q.lost || q.entries.len() > CAPACITY / 2);
        let full = self.moments.presence.len().max(self.moments.typing.len()) >= MOMENTS;
        if busy || full || self.moments.shed {
            self.moments = Moments { shed: true, ..Moments::default() };
        } else {
            put(&mut self.moments);
        }
        !busy
    }
}

/// What a look into a queue finds.
#[derive(Debug)]
pub(crate) enum Taken {
    /// The events, in order.
    Entries(Vec<Arc<Entry>>),
    /// There were too many: read the log.
    Lost,
}

/// What waits for one connection.
#[derive(Default)]
pub(crate) struct Inbox {
    // A std mutex: nothing awaits while it is held.
    queues: Mutex<Queues>,
    bell: Notify,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something new. A bell rung before is heard.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// News of one of the user's rooms.
    pub(crate) fn push_feed(&self, entry: &Arc<Entry>) {
        if self.lock().feed.push(entry) {
            self.bell.notify_one();
        }
    }

    /// An event of a live room.
    pub(crate) fn push_live(&self, entry: &Arc<Entry>) {
        if self.lock().live.push(entry) {
            self.bell.notify_one();
        }
    }

    /// A user stands elsewhere now.
    pub(crate) fn push_presence(&self, news: &PeerPresence) {
        let put = |moments: &mut Moments| {
            moments.presence.insert(news.user.clone(), news.clone());
        };
        if self.lock().moment(put) {
            self.bell.notify_one();
        }
    }

    /// Somebody types until then, or has stopped.
    pub(crate) fn push_typing(&self, room: RoomId, user: &UserId, until: Instant) {
        let put = |moments: &mut Moments| {
            moments.typing.insert((room, user.clone()), until);
        };
        if self.lock().moment(put) {
            self.bell.notify_one();
        }
    }

    /// Everything has to be told again of presence and typing.
    pub(crate) fn tell_again(&self) {
        if self.lock().moment(|moments| moments.shed = true) {
            self.bell.notify_one();
        }
    }

    /// What there is of presence and typing.
    pub(crate) fn take_moments(&self) -> Moments {
        std::mem::take(&mut self.lock().moments)
    }

    /// Whether there is any of it.
    pub(crate) fn has_moments(&self) -> bool {
        !self.lock().moments.is_empty()
    }

    /// Opens the queue of the feed, empty, or closes it.
    pub(crate) fn set_feed(&self, open: bool) {
        self.lock().feed = Queue { open, ..Queue::default() };
    }

    /// Opens or closes the queue of the live rooms.
    pub(crate) fn set_live(&self, open: bool) {
        let mut queues = self.lock();
        if queues.live.open != open {
            queues.live = Queue { open, ..Queue::default() };
        }
    }

    pub(crate) fn take_feed(&self) -> Taken {
        take(&mut self.lock().feed)
    }

    pub(crate) fn take_live(&self) -> Taken {
        take(&mut self.lock().live)
    }

    /// Whether neither queue has an event. Presence and typing do not count.
    pub(crate) fn is_empty(&self) -> bool {
        let queues = self.lock();
        [&queues.feed, &queues.live].iter().all(|queue| queue.entries.is_empty() && !queue.lost)
    }
}

/// Empties the queue. From here on it fills again, also after a loss: what reads the log now sees
/// everything that was lost.
fn take(queue: &mut Queue) -> Taken {
    let entries = std::mem::take(&mut queue.entries);
    if std::mem::take(&mut queue.lost) { Taken::Lost } else { Taken::Entries(entries.into()) }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;
    use tidewire_protocol::{RoomId, Seq};
    use uuid::Uuid;

    use super::*;
    use crate::store::{Logged, News};

    fn entry(ord: u64) -> Arc<Entry> {
        let json = RawValue::from_string("{}".into()).unwrap().into();
        let room = RoomId::from_uuid(Uuid::nil());
        let event = Logged { seq: Seq::new(ord), json, change: None };
        Arc::new(Entry { shard: 0, ord, room: Some(room), news: News::Event(event) })
    }

    fn ords(taken: Taken) -> Vec<u64> {
        match taken {
            Taken::Entries(entries) => entries.iter().map(|entry| entry.ord).collect(),
            Taken::Lost => panic!("lost"),
        }
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        let inbox = Inbox::default();
        inbox.push_feed(&entry(1));
        inbox.push_live(&entry(1));
        assert!(inbox.is_empty());
        inbox.set_feed(true);
        inbox.push_feed(&entry(2));
        inbox.set_feed(false);
        assert!(inbox.is_empty());
    }

    #[test]
    fn a_queue_that_overflows_says_so_once_and_fills_again() {
        let inbox = Inbox::default();
        inbox.set_feed(true);
        inbox.set_live(true);
        inbox.push_live(&entry(1));
        for ord in 0..=CAPACITY as u64 + 10 {
            inbox.push_feed(&entry(ord));
        }
        assert!(!inbox.is_empty());
        assert!(matches!(inbox.take_feed(), Taken::Lost));
        inbox.push_feed(&entry(7));
        assert_eq!(ords(inbox.take_feed()), [7]);
        assert_eq!(ords(inbox.take_live()), [1], "the other queue is not harmed");
        assert!(inbox.is_empty());
    }
}
