//! What the engine asks of the store, and what it is answered.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{
    BlockList, Cursor, Epoch, Event, EventId, Profile, Receipt, RoomId, RoomState, Seq, UserId,
};

use super::disk::search::{SearchLookup, SearchRows};
use super::outbox::OutboxRow;
use super::people::blocks::BlockWish;
use super::rooms::heads::{Draft, Wish};
use super::rooms::unread::TailRow;

/// A question to the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Everything that the engine holds for all rooms, and what is unread of them by this user.
    /// Answered by [`Rows::Start`].
    Start(UserId),
    /// How far the members of these rooms are. Answered by [`Rows::Receipts`].
    Receipts {
        /// The first of the rooms, in the order of their ids.
        first: RoomId,
        /// The last one.
        last: RoomId,
    },
    /// All that is unread of these rooms by this user, of what is stored. Answered by [`Rows::Tails`].
    Tails {
        /// Whose.
        user: UserId,
        /// The rooms.
        rooms: Vec<RoomId>,
    },
    /// The newest events of a room that stand in no thread. Answered by [`Rows::Events`].
    Newest {
        /// The room.
        room: RoomId,
        /// How many.
        limit: usize,
    },
    /// Events of a room with `from <= seq < before` that stand in no thread, the newest of them. Answered by
    /// [`Rows::Events`].
    Before {
        /// The room.
        room: RoomId,
        /// Below this.
        before: Seq,
        /// Not below this.
        from: Seq,
        /// How many.
        limit: usize,
    },
    /// One event of a room by its id. Answered by [`Rows::Events`].
    Event(RoomId, EventId),
    /// Those of these messages of a room that are here. Answered by [`Rows::Events`].
    Messages {
        /// The room.
        room: RoomId,
        /// Which.
        ids: Vec<EventId>,
    },
    /// Messages of a thread with `seq < before`, the newest of them, without the one that it hangs
    /// on. Answered by [`Rows::Events`].
    Thread {
        /// The room.
        room: RoomId,
        /// The message whose thread it is.
        root: EventId,
        /// Below this.
        before: Seq,
        /// How many.
        limit: usize,
    },
    /// Events of a room, or messages of a thread, with `after < seq <= through`, the oldest of them;
    /// of a room those that stand in no thread. Answered by [`Rows::Events`].
    After {
        /// The room.
        room: RoomId,
        /// The message whose thread it is, if it is one.
        thread: Option<EventId>,
        /// Above this.
        after: Seq,
        /// Not above this.
        through: Seq,
        /// How many.
        limit: usize,
    },
    /// Events of a room with `from <= seq <= through` that stand in no thread: as many as half of
    /// `limit` nearest to `seq` below it, and the rest from it on. Answered by [`Rows::Events`].
    Around {
        /// The room.
        room: RoomId,
        /// What is to stand in the middle.
        seq: Seq,
        /// Not below this.
        from: Seq,
        /// Not above this.
        through: Seq,
        /// How many.
        limit: usize,
    },
    /// The newest messages that a search finds. Answered by [`Rows::Search`].
    Search(Box<SearchLookup>),
    /// What the search index does not have yet. Answered by [`Rows::Unindexed`].
    Unindexed,
    /// Profiles. Answered by [`Rows::Profiles`].
    Profiles(Vec<UserId>),
    /// How large everything is. Answered by [`Rows::Sizes`].
    Sizes,
}

impl Query {
    /// How far the members of all rooms are.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn receipts_of_all() -> Self {
        let of = |bits| RoomId::from_uuid(uuid::Uuid::from_u128(bits));
        Query::Receipts { first: of(0), last: of(u128::MAX) }
    }

    /// Whether this may be answered beside the transactions on their way, of which it then shows
    /// any that are done. All others show what was given before them, and nothing that comes after.
    /// The first of them opens a connection of its own.
    pub(crate) fn may_overtake(&self) -> bool {
        match self {
            Query::Event(..) => true,
            Query::Search(lookup) => lookup.beside,
            _ => false,
        }
    }

    /// Whether somebody waits for it, and it reads no more than a page.
    pub(crate) fn is_a_page(&self) -> bool {
        match self {
            Query::Newest { .. }
            | Query::Before { .. }
            | Query::After { .. }
            | Query::Around { .. }
            | Query::Thread { .. }
            | Query::Event(..)
            | Query::Messages { .. } => true,
            Query::Start(_)
            | Query::Receipts { .. }
            | Query::Tails { .. }
            | Query::Search(_)
            | Query::Unindexed
            | Query::Profiles(_)
            | Query::Sizes => false,
        }
    }
}

/// The store's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// To [`Query::Start`].
    Start(Box<StartRows>),
    /// To [`Query::Newest`], [`Query::Before`], [`Query::Event`], [`Query::Messages`],
    /// [`Query::Thread`], [`Query::After`] and [`Query::Around`], folded, ascending.
    Events(Vec<Event>),
    /// To [`Query::Receipts`], by room.
    Receipts(Vec<(RoomId, Vec<Receipt>)>),
    /// To [`Query::Tails`]: of rooms that are here.
    Tails(Vec<(RoomId, TailRow)>),
    /// To [`Query::Search`].
    Search(Box<SearchRows>),
    /// To [`Query::Unindexed`]: rooms, and from where on the index has all that is held of them.
    Unindexed(Vec<(RoomId, Seq)>),
    /// To [`Query::Profiles`]: those found, with the wall clock time of their fetching.
    Profiles(Vec<(Profile, i64)>),
    /// To [`Query::Sizes`].
    Sizes(Sizes),
}

/// How large the store's files are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sizes {
    /// Of the cache's database, what is in use: what retention bounds.
    pub used: u64,
    /// The cache's database, with the pages that are free to be used again.
    pub database: u64,
    /// Its write-ahead log.
    pub log: u64,
    /// The outbox's database.
    pub outbox: u64,
}

/// What was found damaged on disk, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Repair {
    /// What was wrong, for the log.
    pub reason: String,
    /// Whether the cache was set aside: rooms and messages come from the server again.
    pub cache: bool,
    /// If the outbox was damaged: how many pending operations were read from it, and are kept.
    pub outbox: Option<u64>,
    /// Whether that was all of them. Without it something is lost, which the app has accepted
    /// (`ClientBuilder::accept_loss`).
    pub complete: bool,
}

/// What is committed: where a client goes on after a start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StartRows {
    /// Where to read on from.
    pub cursor: Option<Cursor>,
    /// The life of the server's database that the cache belongs to.
    pub epoch: Option<Epoch>,
    /// The rooms.
    pub rooms: Vec<RoomRow>,
    /// The outbox, in the order in which it was filled.
    pub outbox: Vec<OutboxRow>,
    /// What was mended since the store last told.
    #[serde(default)]
    pub repair: Option<Repair>,
    /// What somebody has begun to write.
    #[serde(default)]
    pub drafts: Vec<Draft>,
    /// What the user has set for rooms and the server has not confirmed.
    #[serde(default)]
    pub wishes: Vec<Wish>,
    /// Whom the user has blocked, as the server last told it; nothing before it was heard.
    #[serde(default)]
    pub blocks: Option<BlockList>,
    /// Whom the user blocks, or does so no more, without the server's having confirmed it.
    #[serde(default)]
    pub block_wishes: Vec<BlockWish>,
    /// Whether the search index has not taken in everything that is stored.
    #[serde(default)]
    pub unindexed: bool,
}

/// A room as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomRow {
    /// As the server told it; `head_seq` is the newest known.
    pub state: RoomState,
    /// The head that the state was told at, with the changes since.
    pub as_of: Seq,
    /// The highest seq that the feed has passed.
    pub feed_seq: Seq,
    /// The held ranges.
    pub held: Vec<(u64, u64)>,
    /// Those of them that may have changed on the server.
    pub stale: Vec<(u64, u64)>,
    /// How far the user is; the other members come later.
    pub own: Option<Receipt>,
    /// Up to where the user has read, as marked on this device.
    pub marked: Seq,
    /// When the room was last opened here: wall clock, ms; 0 if it never was.
    #[serde(default)]
    pub opened: i64,
    /// The newest message that stands in no thread, if it is on disk.
    #[serde(default)]
    pub said: Option<Event>,
    /// What is unread of what is on disk.
    #[serde(default)]
    pub tail: TailRow,
}
