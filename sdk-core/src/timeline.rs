//! A timeline: the messages of one room, as numbered batches of changes that the reader pulls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidewire_protocol::{RoomId, Seq};
use tokio::sync::Notify;

use crate::client::Asker;
use crate::defaults;
use crate::driver::Ask;
use crate::engine::{Command, Older, Reply, TimelineId, TimelineUpdate};
use crate::error::Error;

/// A numbered update of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineBatch {
    /// 1, 2, 3 …; asking for what comes after it acknowledges this one.
    pub number: u64,
    /// The update. The first one of a timeline is a [`TimelineUpdate::Reset`].
    pub update: TimelineUpdate,
}

/// The messages of one room, from the newest back.
///
/// Updates are pulled: [`Timeline::next`] waits for one. A reader that is too slow gets one fresh
/// reset instead of a long queue. The timeline is closed when it is dropped.
#[derive(Debug)]
pub struct Timeline {
    id: TimelineId,
    room: RoomId,
    asker: Asker,
    mailbox: Arc<Mailbox>,
    last: u64,
}

impl Timeline {
    pub(crate) async fn open(asker: Asker, id: TimelineId, room: RoomId) -> Result<Self, Error> {
        let mailbox = Arc::new(Mailbox::default());
        // Made before the answer is awaited: if the caller gives up, the drop closes it.
        let timeline = Self { id, room, asker, mailbox: mailbox.clone(), last: 0 };
        let command = Command::OpenTimeline(id, room);
        let (reply, answer) = tokio::sync::oneshot::channel();
        timeline.asker.tell(Ask::OpenTimeline(id, mailbox, command, reply))?;
        answer.await.map_err(|_| Error::Closed)??;
        Ok(timeline)
    }

    /// The room.
    pub fn room_id(&self) -> RoomId {
        self.room
    }

    /// Waits for the next update. Waits for neither network nor disk: what is there comes at once.
    /// Safe to cancel: an update that was not returned comes again.
    ///
    /// # Errors
    /// [`Error::Closed`] after the client was closed.
    pub async fn next(&mut self) -> Result<TimelineBatch, Error> {
        let batch = self.mailbox.next(self.last).await?;
        self.last = batch.number;
        Ok(batch)
    }

    /// The same for a reader that keeps its own count: `after` is the number of the last batch
    /// that it has applied, 0 at first. A batch is kept until it is acknowledged in this way.
    ///
    /// # Errors
    /// [`Error::Closed`] after the client was closed.
    pub async fn next_after(&self, after: u64) -> Result<TimelineBatch, Error> {
        self.mailbox.next(after).await
    }

    /// Puts up to `count` (1 to 200) older messages before those shown: from disk as far as they
    /// are there, else from the server. Gives what was found once it is on its way as an update.
    ///
    /// # Errors
    /// [`Error::WindowFull`]; [`Error::Offline`] or [`Error::Network`] if they are not on disk;
    /// [`Error::Refused`]; [`Error::Store`]; [`Error::Closed`].
    pub async fn load_older(&self, count: usize) -> Result<Older, Error> {
        self.older(Command::LoadOlder(self.id, count)).await
    }

    /// Fetches what is missing in a gap that the timeline shows, the newest first, at most 200
    /// events at a time. Waits for the network.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Network`], [`Error::Refused`], [`Error::Store`],
    /// [`Error::Closed`].
    pub async fn fill_gap(&self, from: Seq, to: Seq) -> Result<Older, Error> {
        self.older(Command::FillGap(self.id, from, to)).await
    }

    async fn older(&self, command: Command) -> Result<Older, Error> {
        match self.asker.ask(command).await? {
            Reply::Older(older) => Ok(older),
            other => Err(self.asker.unexpected(&other)),
        }
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        // A closed client has closed its timelines already.
        let _ = self.asker.tell(Ask::CloseTimeline(self.id));
    }
}

/// Updates between the driver and a reader. A std mutex, because nothing awaits while it is held.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<TimelineBatch>,
    delivered: u64,
    /// Updates were dropped; nothing but a reset makes sense.
    lagging: bool,
    closed: bool,
}

impl Mailbox {
    /// Takes an update. Gives whether a reset has to be asked for, because the reader is too slow.
    pub(crate) fn deliver(&self, update: TimelineUpdate) -> bool {
        let mut queue = self.lock();
        let is_reset = matches!(update, TimelineUpdate::Reset { .. });
        if queue.lagging && !is_reset {
            return false;
        }
        if !is_reset && queue.batches.len() >= defaults::TIMELINE_QUEUE {
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
        queue.batches.push_back(TimelineBatch { number, update });
        drop(queue);
        self.arrived.notify_waiters();
        false
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_waiters();
    }

    async fn next(&self, after: u64) -> Result<TimelineBatch, Error> {
        loop {
            let arrived = self.arrived.notified();
            tokio::pin!(arrived);
            // Registered before looking, so that nothing falls between the two.
            arrived.as_mut().enable();
            {
                let mut queue = self.lock();
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

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Row;

    fn diff() -> TimelineUpdate {
        TimelineUpdate::Diff { changes: Vec::new(), more: false }
    }

    fn reset(rows: Vec<Row>) -> TimelineUpdate {
        TimelineUpdate::Reset { rows, more: false }
    }

    #[tokio::test]
    async fn a_batch_comes_again_until_the_next_one_is_asked_for() {
        let mailbox = Mailbox::default();
        mailbox.deliver(reset(Vec::new()));
        mailbox.deliver(diff());
        assert_eq!(mailbox.next(0).await.unwrap().number, 1);
        assert_eq!(mailbox.next(0).await.unwrap().number, 1, "the answer may have been lost");
        assert_eq!(mailbox.next(1).await.unwrap().number, 2);
        mailbox.close();
        assert_eq!(mailbox.next(2).await, Err(Error::Closed));
    }

    #[tokio::test]
    async fn a_slow_reader_gets_one_reset_instead_of_an_endless_queue() {
        let mailbox = Mailbox::default();
        let asked = (0..1_000).filter(|_| mailbox.deliver(diff())).count();
        assert_eq!(asked, 1, "one reset is asked for, however much is dropped");
        mailbox.deliver(reset(Vec::new()));
        mailbox.deliver(diff());
        let first = mailbox.next(0).await.unwrap();
        assert!(matches!(first.update, TimelineUpdate::Reset { .. }));
        assert_eq!(mailbox.next(first.number).await.unwrap().update, diff());
    }
}
