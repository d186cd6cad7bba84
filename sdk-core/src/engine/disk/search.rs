//! Search: what this device has, what that covers, and the index that is made beside other work.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{Event, RoomId, SearchTerms, Seq, UserId};

use super::commit::After;
use super::loads::LoadPurpose;
use super::transaction::{Transaction, Write};
use crate::defaults;
use crate::engine::command::Reply;
use crate::engine::effect::CommandId;
use crate::engine::query::Query;
use crate::engine::rooms::room::Room;
use crate::engine::stats::Tier;
use crate::engine::{Engine, Message};
use crate::error::Error;

/// What to look for on this device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SearchAsk {
    /// What somebody has typed. It has terms: whoever asks has made sure.
    pub text: String,
    /// Only in this room.
    pub room: Option<RoomId>,
    /// Only what this user has said.
    pub sender: Option<UserId>,
    /// How many.
    pub limit: usize,
    /// The `next` of the page before.
    pub before: Option<i64>,
}

/// The same as a question to the store.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchLookup {
    /// All of them must be in the text.
    pub terms: SearchTerms,
    /// Only in this room.
    pub room: Option<RoomId>,
    /// Only what this user has said.
    pub sender: Option<UserId>,
    /// How many.
    pub limit: usize,
    /// The `next` of the page before.
    pub before: Option<i64>,
    /// Whether it may be answered beside the transactions on their way, because none was when it was
    /// asked: what comes later is not promised.
    pub beside: bool,
}

/// What the store has of a search.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SearchRows {
    /// The messages, folded, the newest first.
    pub events: Vec<Event>,
    /// Where the next page begins; none at the end.
    pub next: Option<i64>,
    /// Rooms, and from where on the index has all that is held of them.
    pub unindexed: Vec<(RoomId, Seq)>,
}

/// What a search on this device found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The messages, the newest first.
    pub messages: Vec<Message>,
    /// Where the next page begins; none at the end.
    pub next: Option<i64>,
    /// What was looked through, by room.
    pub coverage: Vec<RoomCoverage>,
    /// Whether that is all there is, as far as is known.
    pub complete: bool,
}

/// What a search on this device looks through of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomCoverage {
    /// The room.
    pub room: RoomId,
    /// Every message from here to the newest was looked through, as it is now. None if not even the
    /// newest was. What is on this device below it was looked through too, with holes.
    pub complete_from: Option<Seq>,
    /// Whether that is the whole room.
    pub complete: bool,
    /// Whether more of the room is on this device and still to be taken into the index: a search some
    /// seconds later reaches further.
    pub indexing: bool,
}

/// A search on its way to the disk, and what it looks through: what was there when it was asked.
#[derive(Debug)]
pub(crate) struct Searching {
    pub(crate) command: CommandId,
    rooms: Vec<Reach>,
    /// Without a cursor not even the rooms are known.
    knows_rooms: bool,
    since: u64,
}

/// What is held of a room, as far as a search is concerned.
#[derive(Debug, Clone, Copy)]
struct Reach {
    room: RoomId,
    /// Where the newest part begins that is held without a hole and is as it is now.
    fresh_from: Option<Seq>,
    oldest_held: Option<Seq>,
    first: Seq,
    head: Seq,
}

/// How far the making of the index is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexing {
    Done,
    Due,
    /// A step is on its way.
    Asked,
}

impl Engine {
    pub(crate) fn search(&mut self, command: CommandId, ask: SearchAsk) {
        let SearchAsk { text, room, sender, limit, before } = ask;
        if let Some(room) = room.filter(|room| !self.rooms.contains_key(room)) {
            self.reply(command, Err(Error::UnknownRoom(room)));
            return;
        }
        match SearchTerms::parse(&text) {
            Ok(terms) => {
                let beside = self.commits.is_empty();
                let lookup = SearchLookup { terms, room, sender, limit, before, beside };
                let rooms = match room {
                    Some(room) => self.rooms.get(&room).map(Room::reach).into_iter().collect(),
                    None => self.rooms.values().map(Room::reach).collect(),
                };
                let knows_rooms = self.cursor.is_some();
                let purpose = Searching { command, rooms, knows_rooms, since: self.now.mono_ms };
                self.load(Query::Search(Box::new(lookup)), LoadPurpose::Search(purpose));
            }
            Err(error) => self.reply(command, Err(error.into())),
        }
    }

    pub(crate) fn searched(&mut self, searching: Searching, rows: SearchRows) {
        self.read(Tier::Disk, self.now.mono_ms - searching.since);
        let of_room = |reach: &Reach| {
            let todo = rows.unindexed.iter().find(|(id, _)| *id == reach.room);
            reach.coverage(todo.map(|(_, from)| *from))
        };
        let coverage: Vec<RoomCoverage> = searching.rooms.iter().map(of_room).collect();
        let complete = searching.knows_rooms && coverage.iter().all(|room| room.complete);
        let messages = rows.events.into_iter().map(Message::of_event).collect();
        let found = Found { messages, next: rows.next, coverage, complete };
        self.reply(searching.command, Ok(Reply::Found(Box::new(found))));
    }

    /// Takes what an earlier version has stored into the index, step by step: between two of them
    /// whatever else the disk has to do goes first.
    pub(crate) fn advance_index(&mut self) {
        if self.indexing == Indexing::Due && self.commits.is_empty() {
            self.indexing = Indexing::Asked;
            let mut transaction = Transaction { independent: true, ..Transaction::default() };
            transaction.push(Write::IndexMore(defaults::INDEX_STEP));
            self.commit(transaction, After { indexed: true, ..After::default() });
        }
    }

    /// A step is on disk. At rest nothing new is begun: waking goes on with it.
    pub(crate) fn step_indexed(&mut self) {
        if self.rests() {
            self.indexing = Indexing::Due;
            return;
        }
        self.load(Query::Unindexed, LoadPurpose::Unindexed);
    }

    pub(crate) fn unindexed_loaded(&mut self, more: bool) {
        self.indexing = if more { Indexing::Due } else { Indexing::Done };
    }
}

impl Reach {
    /// What a search looks through, if the index has only what is at or after `indexed`.
    fn coverage(&self, indexed: Option<Seq>) -> RoomCoverage {
        let from = self.fresh_from.map(|from| from.max(indexed.unwrap_or(Seq::ZERO)));
        let from = from.filter(|from| *from <= self.head.max(self.first));
        let complete = from.is_some_and(|from| from <= self.first);
        let unindexed = |below| self.oldest_held.is_some_and(|oldest| oldest < below);
        let indexing = indexed.is_some_and(unindexed);
        RoomCoverage { room: self.room, complete_from: from, complete, indexing }
    }
}

impl Room {
    fn reach(&self) -> Reach {
        Reach {
            room: self.state.id,
            fresh_from: self.fresh_from(),
            oldest_held: self.held.ranges().first().map(|(start, _)| Seq::new(*start)),
            first: self.state.first_seq,
            head: self.state.head_seq,
        }
    }

    /// Where the newest part begins that is held without a hole and is as it is now.
    fn fresh_from(&self) -> Option<Seq> {
        let (first, head) = (self.state.first_seq, self.state.head_seq);
        if head < first {
            // Nothing was ever written.
            return Some(first);
        }
        let (start, _) = self.held.range_of(head)?;
        let fresh = self.stale.last_up_to(head).map_or(Seq::ZERO, Seq::next);
        Some(Seq::new(start).max(fresh).max(first)).filter(|from| *from <= head)
    }
}
