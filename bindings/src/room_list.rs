//! A list of rooms, as numbered batches of changes that the reader pulls.

use std::sync::Arc;

use crate::cancel::CancelToken;
use crate::client::Client;
use crate::error::TidewireError;
use crate::held::Held;
use crate::message::Message;
use crate::profiles::Profile;
use crate::room::{Mute, Role, RoomKind, RoomSettings, Unread};
use crate::runtime::run;
use crate::subscription::{Reader, Source};

/// The order of a list of rooms, below the pinned ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum RoomSort {
    /// By the time of the last message, the newest first.
    Recent,
    /// Those with unread messages first, each part by the time of the last message.
    UnreadFirst,
    /// By name, without regard to case and to the marks of Latin letters; a direct room by its
    /// peer's name, or id while that is not known. Those without a name come first.
    Name,
}

/// Which rooms a list shows: those to which everything set here applies. The user is in all of them.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RoomFilter {
    /// Only rooms with something unread.
    #[uniffi(default = false)]
    pub unread: bool,
    /// Only rooms of this kind.
    #[uniffi(default = None)]
    pub kind: Option<RoomKind>,
    /// Only archived rooms. Without it only those that are not.
    #[uniffi(default = false)]
    pub archived: bool,
    /// Only muted rooms, or only those that are not.
    #[uniffi(default = None)]
    pub muted: Option<bool>,
    /// Only rooms whose name, or whose peer's name (or id, while that is not known), contains this,
    /// compared as `Name` compares.
    #[uniffi(default = None)]
    pub name: Option<String>,
}

/// Which rooms a list shows, in which order.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RoomListQuery {
    /// The order. Pinned rooms stand above all others.
    pub sort: RoomSort,
    /// Which rooms.
    pub filter: RoomFilter,
    /// How many rows are told at most: 1 to 500, those around what is visible (100).
    #[uniffi(default = None)]
    pub window: Option<u32>,
}

/// A row of a list of rooms. What it is for life is its room.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct RoomListRow {
    /// The room.
    pub room: String,
    /// Direct or group.
    pub kind: RoomKind,
    /// The name, for groups that have one.
    pub name: Option<String>,
    /// The picture, for groups that have one.
    pub avatar_url: Option<String>,
    /// In a direct room, the other one.
    pub peer: Option<String>,
    /// That user's profile, if it is known: it is fetched for the rows that the app shows.
    pub profile: Option<Profile>,
    /// How many members it has; 0 while only events are known of the room.
    pub members: u32,
    /// What the user may do in it.
    pub role: Role,
    /// If the user may only read.
    pub mute: Option<Mute>,
    /// How long a member waits from one message to the next, in ms, unless the role keeps order; 0 for no time.
    pub slow_mode_ms: u32,
    /// What the user has set, whether or not the server knows of it yet.
    pub settings: RoomSettings,
    /// What the user has not read.
    pub unread: Unread,
    /// The newest message that stands in no thread: one of the user's own that still waits in the
    /// outbox, else the newest of the log that is known.
    pub last_message: Option<Message>,
    /// What the user has begun to write.
    pub draft: Option<String>,
    /// Operations of this room in the outbox.
    pub pending: u32,
    /// Whether one of them has failed, so that the others wait for the user.
    pub failed: bool,
    /// The time that the room is sorted by: of its last message, else of its creation. In ms since
    /// 1970-01-01 UTC.
    pub at_ms: i64,
}

/// One change of the rows of a window. A row that moves is removed and inserted again.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
#[allow(clippy::large_enum_variant, reason = "it is copied across the border field by field")]
pub enum RoomListChange {
    /// A row comes in before the one at `index`.
    Insert {
        /// Where, in the window.
        index: u32,
        /// The row.
        row: RoomListRow,
    },
    /// The row at `index` is the same room and looks different.
    Set {
        /// Where, in the window.
        index: u32,
        /// The row.
        row: RoomListRow,
    },
    /// The row at `index` goes.
    Remove {
        /// Where, in the window.
        index: u32,
    },
}

/// What is new.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum RoomListUpdate {
    /// Everything, from scratch.
    Reset {
        /// The rows of the window, from top to bottom.
        rows: Vec<RoomListRow>,
    },
    /// Changes of the window's rows, to be applied in order.
    Diff {
        /// The changes.
        changes: Vec<RoomListChange>,
    },
}

/// A numbered update.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct RoomListBatch {
    /// 1, 2, 3 …; asking for what comes after it acknowledges this one.
    pub number: u64,
    /// What is new. The first one of a list is a `Reset`, and so is one for a reader that was too
    /// slow.
    pub update: RoomListUpdate,
    /// Where the window begins in the list now.
    pub first: u32,
    /// How many rooms the list has now.
    pub total: u32,
}

/// A list of rooms, as a window of rows. Closed by `cancel`, or when its last handle is gone.
#[derive(uniffi::Object)]
pub struct RoomList {
    inner: Arc<Held<tidewire::RoomList>>,
    reader: Arc<Reader<Batches>>,
}

struct Batches(Arc<Held<tidewire::RoomList>>);

#[uniffi::export]
impl Client {
    /// Opens a list of rooms, sorted and filtered: for a screen that scrolls. From memory, also
    /// without a network.
    ///
    /// # Errors
    /// `Suspended`, `Closed`, those of the store.
    pub async fn open_room_list(
        &self,
        query: RoomListQuery,
    ) -> Result<Arc<RoomList>, TidewireError> {
        let client = self.inner.clone();
        run(async move {
            let inner = Held::new(client.room_list(query.into()).await?);
            let reader = Reader::new(Batches(inner.clone()));
            Ok(Arc::new(RoomList { inner, reader }))
        })
        .await
    }
}

#[uniffi::export]
impl RoomList {
    /// The first batch with a number above `after`, once there is one; `after` is 0 at first. At
    /// most every 100 ms. Waits for neither network nor disk.
    ///
    /// # Errors
    /// `Closed`, `Cancelled`, `AlreadyWaiting`.
    pub async fn next(
        &self,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<RoomListBatch, TidewireError> {
        self.reader.next(after, cancel).await
    }

    /// Tells which rows the app shows: `count` of them, the first of them the one at `first` of the
    /// whole list, as the batches read so far have it. The window of rows moves along, and what is
    /// shown is watched, live and fetched first. Returns at once.
    ///
    /// # Errors
    /// `Closed`.
    pub fn set_visible(&self, first: u32, count: u32) -> Result<(), TidewireError> {
        let size = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(self.inner.get()?.set_visible(size(first), size(count))?)
    }

    /// Closes the list: every call says `Closed` from now on, and the client keeps nothing in memory
    /// for it any more.
    pub fn cancel(&self) {
        self.reader.close();
        self.inner.close();
    }
}

impl Source for Batches {
    type Batch = RoomListBatch;

    async fn next(&mut self, after: u64) -> Result<RoomListBatch, TidewireError> {
        Ok(self.0.get()?.next_after(after).await?.into())
    }
}

impl From<RoomListQuery> for tidewire::RoomListQuery {
    fn from(query: RoomListQuery) -> Self {
        let RoomFilter { unread, kind, archived, muted, name } = query.filter;
        let kind = kind.map(tidewire::RoomKind::from);
        let defaults = Self::default();
        let window = query.window.map(|window| usize::try_from(window).unwrap_or(usize::MAX));
        Self {
            sort: match query.sort {
                RoomSort::Recent => tidewire::RoomSort::Recent,
                RoomSort::UnreadFirst => tidewire::RoomSort::UnreadFirst,
                RoomSort::Name => tidewire::RoomSort::Name,
            },
            filter: tidewire::RoomFilter { unread, kind, archived, muted, name },
            window: window.unwrap_or(defaults.window),
        }
    }
}

/// A window has at most 500 rows, and nobody is in 4 billion rooms.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl From<tidewire::RoomListBatch> for RoomListBatch {
    fn from(batch: tidewire::RoomListBatch) -> Self {
        let (first, total) = (small(batch.update.first()), small(batch.update.total()));
        let update = match &batch.update {
            tidewire::RoomListUpdate::Reset { rows, .. } => {
                RoomListUpdate::Reset { rows: rows.iter().map(|row| row.as_ref().into()).collect() }
            }
            tidewire::RoomListUpdate::Diff { changes, .. } => {
                RoomListUpdate::Diff { changes: changes.iter().map(RoomListChange::from).collect() }
            }
        };
        Self { number: batch.number, update, first, total }
    }
}

impl From<&tidewire::RoomListChange> for RoomListChange {
    fn from(change: &tidewire::RoomListChange) -> Self {
        match change {
            tidewire::RoomListChange::Insert { index, row } => {
                Self::Insert { index: small(*index), row: row.as_ref().into() }
            }
            tidewire::RoomListChange::Set { index, row } => {
                Self::Set { index: small(*index), row: row.as_ref().into() }
            }
            tidewire::RoomListChange::Remove { index } => Self::Remove { index: small(*index) },
        }
    }
}

impl From<&tidewire::RoomListRow> for RoomListRow {
    fn from(row: &tidewire::RoomListRow) -> Self {
        Self {
            room: row.room.to_string(),
            kind: row.kind.into(),
            name: row.name.clone(),
            avatar_url: row.avatar_url.clone(),
            peer: row.peer.as_ref().map(ToString::to_string),
            profile: row.profile.clone().map(Profile::from),
            members: row.members,
            role: row.role.into(),
            mute: row.mute.map(Mute::from),
            slow_mode_ms: row.slow_mode_ms,
            settings: row.settings.into(),
            unread: row.unread.into(),
            last_message: row.last_message.as_deref().map(Message::from),
            draft: row.draft.clone(),
            pending: small(row.pending),
            failed: row.failed,
            at_ms: row.at,
        }
    }
}
