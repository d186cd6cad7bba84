//! The messages of one room, as numbered batches of changes that the reader pulls.

use std::sync::Arc;

use tidewire::{Change, EventId, Row, Seq};

use crate::cancel::{CancelToken, or_cancelled};
use crate::error::TidewireError;
use crate::held::Held;
use crate::message::Message;
use crate::runtime::run;
use crate::subscription::{Reader, Source};

/// A row of a timeline.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[allow(clippy::large_enum_variant, reason = "it is copied across the border field by field")]
pub enum TimelineRow {
    /// A message or another event.
    Message {
        /// It.
        message: Message,
    },
    /// Events that exist and are not here: fetch them with `fill_gap`.
    Gap {
        /// The first missing seq.
        from: u64,
        /// The last missing seq.
        to: u64,
    },
}

/// One change of the rows.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[allow(clippy::large_enum_variant, reason = "it is copied across the border field by field")]
pub enum TimelineChange {
    /// A row comes in before the one at `index`.
    Insert {
        /// Where.
        index: u32,
        /// The row.
        row: TimelineRow,
    },
    /// The row at `index` now looks so.
    Set {
        /// Where.
        index: u32,
        /// The row.
        row: TimelineRow,
    },
    /// The row at `index` goes.
    Remove {
        /// Where.
        index: u32,
    },
}

/// What is new.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum TimelineUpdate {
    /// Everything, from scratch.
    Reset {
        /// The rows, oldest first.
        rows: Vec<TimelineRow>,
        /// Where what the user had not read begins, as it was when the timeline was opened: the line
        /// goes before the first row of this seq or above it. None if all was read.
        unread_from: Option<u64>,
    },
    /// Changes, to be applied in order.
    Diff {
        /// The changes.
        changes: Vec<TimelineChange>,
    },
}

/// A numbered update.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct TimelineBatch {
    /// 1, 2, 3 …; asking for what comes after it acknowledges this one.
    pub number: u64,
    /// What is new. The first one of a timeline is a `Reset`, and so is one for a reader that was
    /// too slow.
    pub update: TimelineUpdate,
    /// Whether there are older messages, on disk or on the server.
    pub more_before: bool,
    /// Whether there are newer messages than those of the timeline. If so, it does not follow the
    /// newest: `load_newer` leads back to them.
    pub more_after: bool,
}

/// Which tier answered a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Tier {
    /// Memory.
    Memory,
    /// SQLite.
    Disk,
    /// The server.
    Server,
}

/// What `load_older`, `load_newer` and `fill_gap` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Loaded {
    /// Events added to the timeline.
    pub added: u32,
    /// Which tier had them.
    pub tier: Tier,
    /// Whether there is more on the same way: before them, or, after them, until the timeline
    /// follows the newest.
    pub more: bool,
}

/// Where a timeline opens.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum TimelineStart {
    /// At the newest messages.
    Newest,
    /// Around the first message that the user has not read; at the newest if there is none.
    FirstUnread,
    /// Around a message.
    Message {
        /// Which one.
        id: String,
    },
    /// Around a place; at the newest if that is beyond the room's end, at the oldest if it is before
    /// its beginning.
    Seq {
        /// Which one.
        seq: u64,
    },
}

/// The side from which a gap is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum GapSide {
    /// From what comes before it on: for somebody who reads downwards.
    Older,
    /// From what comes after it back: for somebody who reads upwards.
    Newer,
}

/// A part of the messages of one room, or of a thread. Closed by `cancel`, or when its last handle is
/// gone.
#[derive(uniffi::Object)]
pub struct Timeline {
    room: String,
    inner: Arc<Held<tidewire::Timeline>>,
    reader: Arc<Reader<Batches>>,
}

struct Batches(Arc<Held<tidewire::Timeline>>);

impl Timeline {
    pub(crate) fn new(timeline: tidewire::Timeline) -> Self {
        let room = timeline.room_id().to_string();
        let inner = Held::new(timeline);
        Self { room, reader: Reader::new(Batches(inner.clone())), inner }
    }
}

#[uniffi::export]
impl Timeline {
    /// The room.
    pub fn room(&self) -> String {
        self.room.clone()
    }

    /// The first batch with a number above `after`, once there is one; `after` is 0 at first.
    /// Waits for neither network nor disk.
    ///
    /// # Errors
    /// `Closed`, `Cancelled`, `AlreadyWaiting`.
    pub async fn next(
        &self,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<TimelineBatch, TidewireError> {
        self.reader.next(after, cancel).await
    }

    /// Puts up to `count` (1 to 200, at most half of `max_messages_per_room`) older messages before
    /// those shown: from disk as far as they are there without a hole, else from the server. Where the
    /// timeline then holds more than `max_messages_per_room`, its newest messages go, and it does not
    /// follow the newest any more.
    ///
    /// # Errors
    /// `Offline` or `Network` if they are not on disk; `Refused`, `StoreFailed`, `Closed`,
    /// `Cancelled`.
    pub async fn load_older(
        &self,
        count: u32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Loaded, TidewireError> {
        let timeline = self.inner.get()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        run(async move {
            let load = async { Ok(timeline.load_older(count).await?.into()) };
            or_cancelled(cancel.as_deref(), load).await
        })
        .await
    }

    /// The same with newer messages, behind those shown, of a timeline with `more_after`. Once there
    /// are none, the timeline follows the newest again. Does nothing if it does.
    ///
    /// # Errors
    /// As for `load_older`.
    pub async fn load_newer(
        &self,
        count: u32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Loaded, TidewireError> {
        let timeline = self.inner.get()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        run(async move {
            let load = async { Ok(timeline.load_newer(count).await?.into()) };
            or_cancelled(cancel.as_deref(), load).await
        })
        .await
    }

    /// Fetches what is missing in a gap that the timeline shows, from one of its sides, at most 200
    /// events at a time. Where the timeline then holds more than `max_messages_per_room`, messages of
    /// the side go that it is filled from. Waits for the network.
    ///
    /// # Errors
    /// `Offline`, `Network`, `Refused`, `StoreFailed`, `Closed`, `Cancelled`.
    pub async fn fill_gap(
        &self,
        from: u64,
        to: u64,
        side: GapSide,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Loaded, TidewireError> {
        let timeline = self.inner.get()?;
        let (from, to) = (Seq::new(from), Seq::new(to));
        run(async move {
            let fill = async { Ok(timeline.fill_gap_from(from, to, side.into()).await?.into()) };
            or_cancelled(cancel.as_deref(), fill).await
        })
        .await
    }

    /// Closes the timeline: every call says `Closed` from now on, and the client keeps nothing in
    /// memory for it any more.
    pub fn cancel(&self) {
        self.reader.close();
        self.inner.close();
    }
}

impl Source for Batches {
    type Batch = TimelineBatch;

    async fn next(&mut self, after: u64) -> Result<TimelineBatch, TidewireError> {
        Ok(self.0.get()?.next_after(after).await?.into())
    }
}

impl From<tidewire::TimelineBatch> for TimelineBatch {
    fn from(batch: tidewire::TimelineBatch) -> Self {
        match batch.update {
            tidewire::TimelineUpdate::Reset { rows, more_before, more_after, unread_from } => {
                let rows = rows.iter().map(TimelineRow::from).collect();
                let unread_from = unread_from.map(Seq::get);
                let update = TimelineUpdate::Reset { rows, unread_from };
                Self { number: batch.number, update, more_before, more_after }
            }
            tidewire::TimelineUpdate::Diff { changes, more_before, more_after } => {
                let changes = changes.iter().map(TimelineChange::from).collect();
                let update = TimelineUpdate::Diff { changes };
                Self { number: batch.number, update, more_before, more_after }
            }
        }
    }
}

impl From<&Row> for TimelineRow {
    fn from(row: &Row) -> Self {
        match row {
            Row::Message(message) => Self::Message { message: message.as_ref().into() },
            Row::Gap { from, to } => Self::Gap { from: from.get(), to: to.get() },
        }
    }
}

impl From<&Change> for TimelineChange {
    fn from(change: &Change) -> Self {
        // A window has at most 100,000 rows.
        let at = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        match change {
            Change::Insert { index, row } => Self::Insert { index: at(*index), row: row.into() },
            Change::Set { index, row } => Self::Set { index: at(*index), row: row.into() },
            Change::Remove { index } => Self::Remove { index: at(*index) },
        }
    }
}

impl From<tidewire::Loaded> for Loaded {
    fn from(loaded: tidewire::Loaded) -> Self {
        Self {
            added: u32::try_from(loaded.added).unwrap_or(u32::MAX),
            tier: match loaded.tier {
                tidewire::Tier::Memory => Tier::Memory,
                tidewire::Tier::Disk => Tier::Disk,
                tidewire::Tier::Server => Tier::Server,
            },
            more: loaded.more,
        }
    }
}

impl From<GapSide> for tidewire::GapSide {
    fn from(side: GapSide) -> Self {
        match side {
            GapSide::Older => Self::Older,
            GapSide::Newer => Self::Newer,
        }
    }
}

impl TimelineStart {
    pub(crate) fn parse(self) -> Result<tidewire::TimelineStart, TidewireError> {
        Ok(match self {
            Self::Newest => tidewire::TimelineStart::Newest,
            Self::FirstUnread => tidewire::TimelineStart::FirstUnread,
            Self::Message { id } => tidewire::TimelineStart::Message(id.parse::<EventId>()?),
            Self::Seq { seq } => tidewire::TimelineStart::Seq(Seq::new(seq)),
        })
    }
}
