//! A timeline: the messages of one room, as numbered batches of changes that the reader pulls.

use std::sync::Arc;

use tidewire_protocol::{EventId, RoomId, Seq};

use crate::ask::{Ask, Asker};
use crate::engine::{Command, GapSide, Loaded, Reply, TimelineId, TimelineStart, TimelineUpdate};
use crate::error::Error;
use crate::mailbox::{Mailbox, TimelineBatch};

/// A part of the messages of one room, or of a thread.
///
/// It shows what lies between two places and grows by [`Timeline::load_older`] and
/// [`Timeline::load_newer`]. Beyond `max_messages_per_room` (500) it slides: what is at the other end
/// goes. Without newer messages than its own it follows the newest; once it has slid away from them,
/// updates say `more_after`, and `load_newer` leads back.
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
    pub(crate) async fn open(
        asker: Asker,
        id: TimelineId,
        room: RoomId,
        start: TimelineStart,
    ) -> Result<Self, Error> {
        let command = match start {
            TimelineStart::Newest => Command::OpenTimeline(id, room),
            start => Command::OpenTimelineAt(id, room, start),
        };
        Self::open_with(asker, id, room, command).await
    }

    pub(crate) async fn open_thread(
        asker: Asker,
        id: TimelineId,
        room: RoomId,
        root: EventId,
    ) -> Result<Self, Error> {
        Self::open_with(asker, id, room, Command::OpenThread(id, room, root)).await
    }

    async fn open_with(
        asker: Asker,
        id: TimelineId,
        room: RoomId,
        command: Command,
    ) -> Result<Self, Error> {
        let mailbox = Arc::new(Mailbox::default());
        // Made before the answer is awaited: if the caller gives up, the drop closes it.
        let timeline = Self { id, room, asker, mailbox: mailbox.clone(), last: 0 };
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
        let batch = self.next_after(self.last).await?;
        self.last = batch.number;
        Ok(batch)
    }

    /// The same for a reader that keeps its own count: `after` is the number of the last batch
    /// that it has applied, 0 at first. A batch is kept until it is acknowledged in this way. Who names
    /// one that was never given has lost its place, and gets a reset.
    ///
    /// # Errors
    /// [`Error::Closed`] after the client was closed.
    pub async fn next_after(&self, after: u64) -> Result<TimelineBatch, Error> {
        let ask = || self.asker.tell(Ask::Tell(Command::ResetTimeline(self.id)));
        self.mailbox.next(after, ask).await
    }

    /// Puts up to `count` (1 to 200, at most half of `max_messages_per_room`) older messages before
    /// those shown: from disk as far as they are there without a hole, else from the server. Gives
    /// what was found once it is on its way as an update. Where the timeline then holds more than
    /// `max_messages_per_room`, its newest messages go, and it does not follow the newest any more.
    ///
    /// # Errors
    /// [`Error::Offline`] or [`Error::Network`] if they are not on disk; [`Error::Refused`];
    /// [`Error::Store`]; [`Error::Closed`].
    pub async fn load_older(&self, count: usize) -> Result<Loaded, Error> {
        self.load(Command::LoadOlder(self.id, count)).await
    }

    /// The same with newer messages, behind those shown, of a timeline with `more_after`. Once there
    /// are none, the timeline follows the newest again. Does nothing if it does.
    ///
    /// # Errors
    /// As for [`Timeline::load_older`].
    pub async fn load_newer(&self, count: usize) -> Result<Loaded, Error> {
        self.load(Command::LoadNewer(self.id, count)).await
    }

    /// Fetches what is missing in a gap that the timeline shows, the newest first, at most 200
    /// events at a time. As [`Timeline::fill_gap_from`] with [`GapSide::Newer`].
    ///
    /// # Errors
    /// As for [`Timeline::fill_gap_from`].
    pub async fn fill_gap(&self, from: Seq, to: Seq) -> Result<Loaded, Error> {
        self.load(Command::FillGap(self.id, from, to)).await
    }

    /// Fetches what is missing in a gap that the timeline shows, from one of its sides, at most 200
    /// events at a time. Where the timeline then holds more than `max_messages_per_room`, its newest
    /// messages go with [`GapSide::Newer`], its oldest with [`GapSide::Older`]. Waits for the network.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Network`], [`Error::Refused`], [`Error::Store`],
    /// [`Error::Closed`].
    pub async fn fill_gap_from(&self, from: Seq, to: Seq, side: GapSide) -> Result<Loaded, Error> {
        self.load(Command::FillGapFrom(self.id, from, to, side)).await
    }

    async fn load(&self, command: Command) -> Result<Loaded, Error> {
        match self.asker.ask(command).await? {
            Reply::Loaded(loaded) => Ok(loaded),
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
