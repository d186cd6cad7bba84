//! When history is fetched again after trouble: a busy server has its slot, one room's trouble holds
//! up no other, and a "no" holds until the room is another one.

use std::collections::{BTreeMap, BTreeSet};

use tidewire_protocol::{ErrorCode, EventId, RoomId, WireError};

use crate::engine::backoff::Backoff;

/// What holds back the pages that nobody asked for.
#[derive(Debug)]
pub(crate) struct Fetches {
    server: Wait,
    rooms: BTreeMap<RoomId, Wait>,
    /// Rooms, or threads of them, of which the server has said that there is nothing to be had.
    refused: BTreeSet<(RoomId, Option<EventId>)>,
    /// Quoted messages that the server was asked for: once, unless the room becomes another one.
    quotes: BTreeSet<(RoomId, EventId)>,
}

#[derive(Debug)]
struct Wait {
    backoff: Backoff,
    until_ms: u64,
}

impl Wait {
    fn new() -> Self {
        Self { backoff: Backoff::new(), until_ms: 0 }
    }

    fn fail(&mut self, slot: Option<u64>, now_ms: u64, rng: &mut fastrand::Rng) {
        self.until_ms = now_ms + self.backoff.fail(slot, rng);
    }
}

impl Fetches {
    pub(crate) fn new() -> Self {
        Self {
            server: Wait::new(),
            rooms: BTreeMap::new(),
            refused: BTreeSet::new(),
            quotes: BTreeSet::new(),
        }
    }

    /// The server has answered with a page.
    pub(crate) fn succeeded(&mut self, room: RoomId) {
        self.server.backoff.reset();
        self.rooms.remove(&room);
    }

    /// A page came that does not settle what it was asked for.
    pub(crate) fn in_vain(&mut self, room: RoomId, now_ms: u64, rng: &mut fastrand::Rng) {
        self.rooms.entry(room).or_insert_with(Wait::new).fail(None, now_ms, rng);
    }

    /// The server refused a page.
    pub(crate) fn refused(
        &mut self,
        (room, thread): (RoomId, Option<EventId>),
        error: &WireError,
        now_ms: u64,
        rng: &mut fastrand::Rng,
    ) {
        // One without a good token says nothing of the room, and goes out again with another.
        if error.code.status() == 401 {
            return;
        }
        let slot = error.retry_after_ms;
        match error.code {
            ErrorCode::RateLimited | ErrorCode::Unavailable => self.server.fail(slot, now_ms, rng),
            _ if error.temporary => {
                self.rooms.entry(room).or_insert_with(Wait::new).fail(slot, now_ms, rng);
            }
            _ => drop(self.refused.insert((room, thread))),
        }
    }

    /// The room is another one than it was: what was refused may be given now.
    pub(crate) fn changed(&mut self, room: RoomId) {
        self.refused.retain(|(refused, _)| *refused != room);
        self.quotes.retain(|(quoted, _)| *quoted != room);
    }

    /// Whatever was refused may be given now.
    pub(crate) fn begin_anew(&mut self) {
        self.refused.clear();
        self.quotes.clear();
    }

    /// A quoted message is asked for.
    pub(crate) fn quote_asked(&mut self, room: RoomId, id: EventId) {
        self.quotes.insert((room, id));
    }

    /// The server did not say whether there is such a message.
    pub(crate) fn quote_unanswered(&mut self, room: RoomId, id: EventId) {
        self.quotes.remove(&(room, id));
    }

    /// Whether a quoted message may be asked for.
    pub(crate) fn may_quote(&self, room: RoomId, id: EventId, now_ms: u64) -> bool {
        self.waits(room, now_ms).is_none() && !self.quotes.contains(&(room, id))
    }

    /// Whether the server takes such requests at all.
    pub(crate) fn are_open(&self, now_ms: u64) -> bool {
        self.server.until_ms <= now_ms
    }

    /// Whether a page of this room, or of this thread of it, may be asked for.
    pub(crate) fn may(&self, room: RoomId, thread: Option<EventId>, now_ms: u64) -> bool {
        self.waits(room, now_ms).is_none() && !self.refused.contains(&(room, thread))
    }

    /// Until when nothing is fetched of a room, and after how many failures.
    pub(crate) fn waits(&self, room: RoomId, now_ms: u64) -> Option<(u64, u32)> {
        let waits = [Some(&self.server), self.rooms.get(&room)].into_iter().flatten();
        let waits = waits.filter(|wait| wait.until_ms > now_ms);
        waits.map(|wait| (wait.until_ms, wait.backoff.failures())).max()
    }

    /// When the next wait ends.
    pub(crate) fn next(&self, now_ms: u64) -> Option<u64> {
        let waits = self.rooms.values().chain([&self.server]);
        waits.map(|wait| wait.until_ms).filter(|until| *until > now_ms).min()
    }
}
