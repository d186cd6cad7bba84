//! How much of the cache stays on disk. Above the bound the oldest messages of the rooms that were
//! not opened for longest go, in small steps between other transactions. With them goes that
//! they are held, so that nobody takes a hole for the whole.

use tidewire_protocol::{RoomId, Seq};

use super::commit::After;
use super::loads::LoadPurpose;
use super::transaction::{Transaction, Write};
use crate::config::millis;
use crate::defaults;
use crate::engine::query::{Query, Sizes};
use crate::engine::{Engine, Phase};

/// What is known of the cache's size.
#[derive(Debug, Default)]
pub(crate) struct Retention {
    /// Events given to the store since it was last asked; `None` before the first time.
    written: Option<u64>,
    /// Whether an answer or a step is on its way.
    busy: bool,
    /// Whether messages go until the lower bound is reached.
    over: bool,
}

impl Retention {
    pub(crate) fn note(&mut self, transaction: &Transaction) {
        if let Some(written) = &mut self.written {
            let events = transaction.writes.iter().filter(|w| matches!(w, Write::Event(_)));
            *written += events.count() as u64;
        }
    }
}

impl Engine {
    /// Looks at the size once in a while.
    pub(crate) fn advance_retention(&mut self) {
        let look = self.retention.written.is_none_or(|n| n >= defaults::CACHE_LOOK_AFTER);
        if self.retention.busy || !(look || self.retention.over) || self.phase != Phase::Ready {
            return;
        }
        self.retention.written = Some(0);
        self.retention.busy = true;
        self.load(Query::Sizes, LoadPurpose::Sizes);
    }

    /// The store told its size, or failed to.
    pub(crate) fn sizes_told(&mut self, sizes: Option<Sizes>) {
        self.retention.busy = false;
        let Some(sizes) = sizes else {
            self.retention.over = false;
            return;
        };
        let bound = self.config.cache_bytes;
        let low = (bound as f64 * defaults::CACHE_LOW) as u64;
        self.retention.over = sizes.used > if self.retention.over { low } else { bound };
        // At rest nothing may open the files again.
        if !self.retention.over || self.phase != Phase::Ready || self.rests() {
            return;
        }
        let Some((room, through)) = self.next_to_drop() else {
            // Only the newest pages are left, or what is being read: behind that it is looked at again.
            self.retention.over = self.rooms.keys().any(|id| self.droppable(*id).is_some());
            return;
        };
        let Some(head) = self.rooms.get_mut(&room) else { return };
        head.held.remove(0, through.get());
        head.stale.remove(0, through.get());
        let mut transaction = Transaction::default();
        transaction.push(Write::Drop { room, through });
        self.retention.busy = true;
        self.commit(transaction, After { dropped: true, ..After::default() });
    }

    /// A step is on disk.
    pub(crate) fn dropped(&mut self) {
        self.retention.busy = false;
    }

    /// What was on its way when the store failed is answered by nobody.
    pub(crate) fn forget_retention(&mut self) {
        self.retention = Retention::default();
    }

    /// The room to take from next, and how far.
    fn next_to_drop(&self) -> Option<(RoomId, Seq)> {
        let candidates = self.rooms.iter().filter_map(|(id, room)| {
            let through = self.droppable(*id).filter(|_| !self.is_growing(*id))?;
            let last = room.state.last_event.as_ref().map_or(0, |event| event.at);
            Some(((self.windows.is_open(*id), room.opened, last), *id, through))
        });
        candidates.min_by_key(|(order, id, _)| (*order, *id)).map(|(_, room, to)| (room, to))
    }

    /// Whether something of a room is on its way between the disk and a window: it would be shown and
    /// not held.
    fn is_growing(&self, id: RoomId) -> bool {
        let loads = self.loads.values().any(|purpose| match purpose {
            LoadPurpose::Window { key, .. }
            | LoadPurpose::Again { key, .. }
            | LoadPurpose::Step { key, .. } => key.room == id,
            _ => false,
        });
        loads || self.commits.iter().any(|pending| pending.brings(id))
    }

    /// Up to where the next step goes in a room: never into its newest page, nor into what somebody
    /// looks at.
    fn droppable(&self, id: RoomId) -> Option<Seq> {
        let room = self.rooms.get(&id)?;
        let newest = room.held.last()?.get();
        let page = newest.saturating_sub(defaults::TIMELINE_PAGE as u64);
        let shown = match self.windows.is_open(id) {
            true => self.windows.oldest(id)?.get().saturating_sub(1),
            false => u64::MAX,
        };
        let most = page.min(shown);
        let &(first, last) = room.held.ranges().first()?;
        let through = first.saturating_add(defaults::CACHE_DROP - 1).min(last).min(most);
        (through >= first).then(|| Seq::new(through))
    }

    /// Somebody opens a room.
    pub(crate) fn note_opened(&mut self, id: RoomId) {
        let now = self.now.wall_ms;
        let again = i64::try_from(millis(defaults::OPENED_AGAIN)).unwrap_or(i64::MAX);
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if now.saturating_sub(room.opened) < again || self.phase != Phase::Ready {
            return;
        }
        room.opened = now;
        let mut transaction = Transaction::default();
        transaction.push(Write::Opened(id, now));
        self.commit(transaction, After::default());
    }
}
