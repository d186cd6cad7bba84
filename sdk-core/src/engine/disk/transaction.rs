//! What the engine asks the store to write, all of it or nothing.

use tidewire_protocol::{
    BlockList, Content, Cursor, Epoch, Event, EventId, FileKey, Profile, Receipt, RoomId,
    RoomSettings, RoomState, Seq, UploadId, UserId,
};

use crate::engine::outbox::OutboxRow;

/// Writes that belong together. The store carries them out in order, in one SQLite transaction.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transaction {
    /// Whether the commit has to survive a power loss (`synchronous = FULL`): true for the outbox.
    /// The cache can be read again from the server.
    pub durable: bool,
    /// Whether this stands on its own. All others build on what the ones before them wrote: once
    /// one of those has failed they are refused until what is committed has been loaded again, so
    /// that neither the cursor nor a range ever passes an event that is not stored.
    pub independent: bool,
    /// The writes.
    pub writes: Vec<Write>,
}

/// One write.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Drops everything cached: another epoch has begun. Outbox and drafts stay.
    WipeCache(Epoch),
    /// The life of the server's database that the cache belongs to.
    Epoch(Epoch),
    /// No cursor any more: the next start begins with a bootstrap.
    ForgetCursor,
    /// The feed is read up to here.
    Cursor(Cursor),
    /// A room as the server told it (without its last event), and the feed's position in it.
    Room {
        /// The room.
        state: Box<RoomState>,
        /// The head that the state was told at: changes up to it are in it.
        as_of: Seq,
        /// The highest seq that the feed has passed.
        feed_seq: Seq,
    },
    /// A room's head and feed position moved.
    Head {
        /// The room.
        room: RoomId,
        /// The newest seq known.
        head_seq: Seq,
        /// The highest seq that the feed has passed.
        feed_seq: Seq,
    },
    /// An event as it was sent. One of the same seq is replaced. What is known of later changes to
    /// it goes into it.
    Event(Box<Event>),
    /// An event that changes another one: it goes into that, or waits for it.
    Mutation {
        /// The event.
        event: Box<Event>,
        /// Whether the user did it.
        mine: bool,
    },
    /// An event of a folded history. It replaces what is stored if that was folded as of less; what
    /// is known of later changes goes into it.
    Folded {
        /// The event, with what was made of it.
        event: Box<Event>,
        /// All changes up to here are in it.
        as_of: Seq,
    },
    /// Takes up to so many events into the search index that were stored before there was one.
    IndexMore(usize),
    /// The held ranges of a room: rows to delete by their start, and one to write.
    Range {
        /// The room.
        room: RoomId,
        /// Starts of ranges to delete.
        removed: Vec<u64>,
        /// The range to write.
        put: (u64, u64),
    },
    /// All stale ranges of a room.
    Stale {
        /// The room.
        room: RoomId,
        /// The ranges.
        ranges: Vec<(u64, u64)>,
    },
    /// All receipts of a room.
    Receipts {
        /// The room.
        room: RoomId,
        /// The receipts.
        receipts: Vec<Receipt>,
    },
    /// One receipt of a room.
    Receipt(Receipt),
    /// The user has read a room up to here, which the server may not know yet.
    MarkRead {
        /// The room.
        room: RoomId,
        /// The newest seq read.
        seq: Seq,
    },
    /// A room was opened at this time (wall clock, ms): what is not looked at goes first when space
    /// is short.
    Opened(RoomId, i64),
    /// Everything of a room up to here goes: events, and that they are held.
    Drop {
        /// The room.
        room: RoomId,
        /// The newest seq that goes.
        through: Seq,
    },
    /// A message mentions the user.
    Mention {
        /// The room.
        room: RoomId,
        /// The message's place.
        seq: Seq,
        /// The user.
        user: UserId,
    },
    /// What somebody has begun to write in a room; `None` if nothing.
    Draft {
        /// The room.
        room: RoomId,
        /// The text.
        text: Option<String>,
    },
    /// What the user has set for a room and the server has not confirmed; `None` once it has.
    Wish {
        /// The room.
        room: RoomId,
        /// The settings.
        settings: Option<RoomSettings>,
    },
    /// All whom the user has blocked, as the server says.
    Blocks(BlockList),
    /// That the user blocks somebody, or does so no more, and the server has not confirmed it; `None` once it has.
    BlockWish {
        /// Whom it is about.
        user: UserId,
        /// Whether he is to be blocked.
        blocked: Option<bool>,
    },
    /// A new operation in the outbox, with its files.
    Enqueue(Box<OutboxRow>),
    /// Operations may have been sent from this time on (ms since 1970-01-01 UTC). Written before
    /// they are.
    Attempted(Vec<EventId>, i64),
    /// An operation reached the log, or the app discarded it. Its files go with it.
    Dequeue(EventId),
    /// An operation that nobody but this client knows says something else.
    Amend(EventId, Content),
    /// Why an operation failed.
    Failure(EventId, crate::engine::outbox::FailReason),
    /// A file of a message in the outbox is in the object store, below this key.
    Uploaded(UploadId, FileKey),
    /// A failed operation is queued again, with all the time there is. It counts as sent from this
    /// time on (ms since 1970-01-01 UTC), if there is one: the user takes the risk.
    Retry(EventId, Option<i64>),
    /// A profile, and when it was fetched (wall clock, ms).
    Profile(Box<Profile>, i64),
}

impl Transaction {
    pub(crate) fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}
