//! Where the updates of a timeline or a list of rooms wait for their reader: numbered, bounded, and kept until they are
//! acknowledged.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::defaults;
use crate::engine::{Change, RoomListUpdate, Row, TimelineUpdate};
use crate::error::Error;

/// A numbered update.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<U> {
    /// 1, 2, 3 …; asking for what comes after it acknowledges this one.
    pub number: u64,
    /// The update. The first one is a reset.
    pub update: U,
}

/// A numbered update of a timeline. The first one is a [`TimelineUpdate::Reset`].
pub type TimelineBatch = Batch<TimelineUpdate>;

/// A numbered update of a list of rooms. The first one is a [`RoomListUpdate::Reset`].
pub type RoomListBatch = Batch<RoomListUpdate>;

/// What waits in a mailbox.
pub(crate) trait Update: Clone {
    /// Whether it holds everything, so that what came before is of no use any more.
    fn is_reset(&self) -> bool;
    /// What is said in it, in bytes: what it alone may keep in memory as long as it waits. There is one reset
    /// at most, of what is shown anyway.
    fn bytes(&self) -> usize;
}

impl Update for TimelineUpdate {
    fn is_reset(&self) -> bool {
        matches!(self, TimelineUpdate::Reset { .. })
    }

    fn bytes(&self) -> usize {
        let said = |row: &Row| row.message().map_or(0, |message| message.content.as_json().len());
        match self {
            TimelineUpdate::Reset { .. } => 0,
            TimelineUpdate::Diff { changes, .. } => changes
                .iter()
                .map(|change| match change {
                    Change::Insert { row, .. } | Change::Set { row, .. } => said(row),
                    Change::Remove { .. } => 0,
                })
                .sum(),
        }
    }
}

impl Update for RoomListUpdate {
    fn is_reset(&self) -> bool {
        matches!(self, RoomListUpdate::Reset { .. })
    }

    /// The lists have these rows anyway.
    fn bytes(&self) -> usize {
        0
    }
}

/// Updates between the driver and a reader. A std mutex, because nothing awaits while it is held.
#[derive(Debug)]
pub(crate) struct Mailbox<U> {
    queue: Mutex<Queue<U>>,
    arrived: Notify,
}

impl<U> Default for Mailbox<U> {
    fn default() -> Self {
        let (batches, delivered) = (VecDeque::new(), 0);
        let queue = Queue { batches, delivered, lagging: false, closed: false };
        Self { queue: Mutex::new(queue), arrived: Notify::new() }
    }
}

#[derive(Debug)]
struct Queue<U> {
    batches: VecDeque<Batch<U>>,
    delivered: u64,
    /// Updates were dropped; nothing but a reset makes sense.
    lagging: bool,
    closed: bool,
}

impl<U: Update> Queue<U> {
    /// Whether another update would be more than is kept for a reader.
    fn is_full(&self, update: &U) -> bool {
        let waiting: usize = self.batches.iter().map(|batch| batch.update.bytes()).sum();
        let too_much = waiting + update.bytes() > defaults::TIMELINE_QUEUE_BYTES;
        self.batches.len() >= defaults::TIMELINE_QUEUE || !self.batches.is_empty() && too_much
    }
}

impl<U: Update> Mailbox<U> {
    /// Takes an update. Gives whether a reset has to be asked for, because the reader is too slow.
    pub(crate) fn deliver(&self, update: U) -> bool {
        let mut queue = self.lock();
        let is_reset = update.is_reset();
        if queue.lagging && !is_reset {
            return false;
        }
        if !is_reset && queue.is_full(&update) {
            queue.batches.clear();
            queue.lagging = true;
            return true;
        }
        if is_reset {
            // Whatever was not read yet is in it.
            queue.batches.clear();
            queue.lagging = false;
        }
        queue.delivered += 1;
        let number = queue.delivered;
        queue.batches.push_back(Batch { number, update });
        drop(queue);
        self.arrived.notify_waiters();
        false
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_waiters();
    }

    /// What comes after a number. A reader who names one that was never given has lost its place:
    /// `ask` has to ask for a reset, which it gets.
    pub(crate) async fn next(
        &self,
        mut after: u64,
        ask: impl Fn() -> Result<(), Error>,
    ) -> Result<Batch<U>, Error> {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            // Registered before looking, so that nothing falls between the two.
            arrived.as_mut().enable();
            {
                let mut queue = self.lock();
                if after > queue.delivered {
                    after = queue.delivered;
                    queue.batches.clear();
                    queue.lagging = true;
                    // A closed client is told of below.
                    let _ = ask();
                }
                while queue.batches.front().is_some_and(|batch| batch.number <= after) {
                    queue.batches.pop_front();
                }
                if let Some(batch) = queue.batches.front() {
                    return Ok(batch.clone());
                }
                if queue.closed {
                    return Err(Error::Closed);
                }
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue<U>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tidewire_protocol::{Content, Event, EventId, EventKind, RoomId, Seq, UserId};

    use super::*;
    use crate::engine::Message;

    fn diff() -> TimelineUpdate {
        TimelineUpdate::Diff { changes: Vec::new(), more_before: false, more_after: false }
    }

    fn none() -> Result<(), Error> {
        Ok(())
    }

    fn reset(rows: Vec<Row>) -> TimelineUpdate {
        TimelineUpdate::Reset { rows, more_before: false, more_after: false, unread_from: None }
    }

    #[tokio::test]
    async fn a_batch_comes_again_until_the_next_one_is_asked_for() {
        let mailbox = Mailbox::default();
        mailbox.deliver(reset(Vec::new()));
        mailbox.deliver(diff());
        assert_eq!(mailbox.next(0, none).await.unwrap().number, 1);
        assert_eq!(mailbox.next(0, none).await.unwrap().number, 1, "the answer may have been lost");
        assert_eq!(mailbox.next(1, none).await.unwrap().number, 2);
        mailbox.close();
        assert_eq!(mailbox.next(2, none).await, Err(Error::Closed));
    }

    #[tokio::test]
    async fn a_reader_who_names_what_was_never_given_gets_a_reset() {
        let mailbox = Mailbox::default();
        mailbox.deliver(reset(Vec::new()));
        mailbox.deliver(diff());
        let (next, ()) = tokio::join!(mailbox.next(7, none), async {
            mailbox.deliver(diff());
            mailbox.deliver(reset(Vec::new()));
        });
        let next = next.unwrap();
        assert!(next.update.is_reset(), "{next:?}");
        mailbox.deliver(diff());
        assert_eq!(mailbox.next(next.number, none).await.unwrap().update, diff());
    }

    #[tokio::test]
    async fn a_slow_reader_keeps_no_more_in_memory_than_two_of_the_largest_pages() {
        let said = |bytes: usize| {
            let content = serde_json::json!({"text": "x".repeat(bytes)});
            let event = Event {
                id: EventId::from_uuid(uuid::Uuid::nil()),
                room: RoomId::from_uuid(uuid::Uuid::nil()),
                seq: Seq::new(1),
                sender: UserId::new("ada").unwrap(),
                at: 0,
                kind: EventKind::Message,
                content: Content::of(&content).unwrap(),
                fold: None,
            };
            let row = Row::Message(Message::of_event(event).into());
            let changes = vec![Change::Insert { index: 0, row }; 50];
            TimelineUpdate::Diff { changes, more_before: false, more_after: false }
        };
        let mailbox = Mailbox::default();
        assert!(!mailbox.deliver(said(8_000)));
        assert!(!mailbox.deliver(said(8_000)), "one that is read, and one behind it");
        assert!(mailbox.deliver(said(8_000)));
        mailbox.deliver(reset(Vec::new()));
        assert!(mailbox.next(0, none).await.unwrap().update.is_reset());
        let mailbox = Mailbox::default();
        assert!(!mailbox.deliver(said(100_000)), "whatever its size, if nothing else waits");

        let TimelineUpdate::Diff { changes, .. } = said(100_000) else { return };
        let inserted = |change: Change| match change {
            Change::Insert { row, .. } => row,
            other => panic!("{other:?}"),
        };
        let mailbox = Mailbox::default();
        mailbox.deliver(reset(changes.into_iter().map(inserted).collect()));
        assert!(!mailbox.deliver(said(8_000)), "a window of long messages is told its changes");
    }

    #[tokio::test]
    async fn a_slow_reader_gets_one_reset_instead_of_an_endless_queue() {
        let mailbox = Mailbox::default();
        let asked = (0..1_000).filter(|_| mailbox.deliver(diff())).count();
        assert_eq!(asked, 1, "one reset is asked for, however much is dropped");
        mailbox.deliver(reset(Vec::new()));
        mailbox.deliver(diff());
        let first = mailbox.next(0, none).await.unwrap();
        assert!(matches!(first.update, TimelineUpdate::Reset { .. }));
        assert_eq!(mailbox.next(first.number, none).await.unwrap().update, diff());
    }
}
