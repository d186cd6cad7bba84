//! A timeline: the messages of one room, as numbered batches of changes that the reader pulls.

use std::sync::Arc;

use tidewire_protocol::{RoomId, Seq};

use crate::ask::{Ask, Asker};
use crate::engine::{Command, Older, Reply, TimelineId, TimelineUpdate};
use crate::error::Error;
use crate::mailbox::{Mailbox, TimelineBatch};

/// The messages of one room, from the newest back.
///
/// Updates are pulled: [`Timeline::next`] waits for one. A reader that is too slow gets one fresh
/// reset instead of a long queue. The timeline is closed when it is dropped.
#[derive(Debug)]
pub struct Timeline {
    id: TimelineId,
    room: RoomId,
    asker: Asker,
    mailbox: Arc<Mailbox<TimelineUpdate>>,
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
