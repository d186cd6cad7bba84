//! The unread messages of rooms that have many. At the start the newest of them are read, which is what
//! a first screen shows; the rest comes a moment later, a few rooms at a time, so that nobody waits for it.

use tidewire_protocol::RoomId;

use super::heads::Entry;
use super::unread::TailRow;
use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::query::Query;
use crate::error::StoreError;

impl Engine {
    /// What is committed has been loaded. Answers to what was asked before are of another life.
    pub(in crate::engine) fn begin_tails(&mut self) {
        self.loads.retain(|_, purpose| !matches!(purpose, LoadPurpose::Tails));
    }

    /// Asks for the next few.
    pub(in crate::engine) fn advance_tails(&mut self) {
        if self.loads.values().any(|purpose| matches!(purpose, LoadPurpose::Tails)) {
            return;
        }
        let rooms = self.partial_rooms();
        if rooms.is_empty() {
            return;
        }
        let user = self.config.user.clone();
        self.load(Query::Tails { user, rooms }, LoadPurpose::Tails);
    }

    /// Visible rooms first. What is partial is so only for a moment after the start: then nothing of this
    /// costs anything.
    fn partial_rooms(&mut self) -> Vec<RoomId> {
        let rooms = &self.heads.rooms;
        self.heads.partial.retain(|room| rooms.get(room).is_some_and(Entry::is_partial));
        let partial = &self.heads.partial;
        if partial.is_empty() {
            return Vec::new();
        }
        let seen = self.lists.values().flat_map(|list| &list.visible);
        let seen = seen.filter(|room| partial.contains(room)).take(defaults::TAILS_AT_ONCE);
        let mut found: Vec<RoomId> = seen.copied().collect();
        for room in partial {
            if found.len() < defaults::TAILS_AT_ONCE && !found.contains(room) {
                found.push(*room);
            }
        }
        found
    }

    pub(in crate::engine) fn tails_loaded(&mut self, tails: Vec<(RoomId, TailRow)>) {
        for (room, tail) in tails {
            self.heads.complete(room, tail);
        }
    }

    /// They are asked for again later: meanwhile the counts say that they are not exact.
    pub(in crate::engine) fn tails_not_loaded(&mut self, error: StoreError) {
        self.spare_from = self.now.mono_ms + millis(defaults::COUNT_AGAIN);
        self.damage_found(error);
    }
}
