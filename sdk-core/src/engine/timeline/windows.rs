//! All windows of a client, by room, and how much memory they may take.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::{Range, RangeMut, Values};

use tidewire_protocol::{RoomId, Seq};

use super::window::{Of, Window};
use crate::defaults;

/// One window of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WindowKey {
    pub(crate) room: RoomId,
    number: u64,
}

/// All windows.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    all: BTreeMap<WindowKey, Window>,
    last_number: u64,
    /// Counts openings and scrollings, to tell which window was used last.
    uses: u64,
}

fn of_room(room: RoomId) -> std::ops::RangeInclusive<WindowKey> {
    WindowKey { room, number: 0 }..=WindowKey { room, number: u64::MAX }
}

impl Windows {
    pub(crate) fn insert(&mut self, room: RoomId, window: Window) -> WindowKey {
        self.last_number += 1;
        let key = WindowKey { room, number: self.last_number };
        self.all.insert(key, window);
        key
    }

    pub(crate) fn remove(&mut self, key: WindowKey) -> Option<Window> {
        self.all.remove(&key)
    }

    pub(crate) fn get(&self, key: WindowKey) -> Option<&Window> {
        self.all.get(&key)
    }

    pub(crate) fn get_mut(&mut self, key: WindowKey) -> Option<&mut Window> {
        self.all.get_mut(&key)
    }

    pub(crate) fn keys(&self) -> Vec<WindowKey> {
        self.all.keys().copied().collect()
    }

    pub(crate) fn values(&self) -> Values<'_, WindowKey, Window> {
        self.all.values()
    }

    pub(crate) fn iter(&self) -> std::collections::btree_map::Iter<'_, WindowKey, Window> {
        self.all.iter()
    }

    /// The windows of a room and of its threads.
    pub(crate) fn of(&self, room: RoomId) -> Range<'_, WindowKey, Window> {
        self.all.range(of_room(room))
    }

    pub(crate) fn of_mut(&mut self, room: RoomId) -> RangeMut<'_, WindowKey, Window> {
        self.all.range_mut(of_room(room))
    }

    pub(crate) fn is_open(&self, room: RoomId) -> bool {
        self.of(room).next().is_some()
    }

    /// The rooms with a window, each once.
    pub(crate) fn rooms(&self) -> Vec<RoomId> {
        let mut rooms: Vec<RoomId> = self.all.keys().map(|key| key.room).collect();
        rooms.dedup();
        rooms
    }

    /// The window of a room that follows its newest messages, if it has one.
    pub(crate) fn live(&self, room: RoomId) -> Option<(WindowKey, &Window)> {
        let live = |window: &Window| window.of == Of::Room && window.is_live();
        self.of(room).find(|(_, window)| live(window)).map(|(key, window)| (*key, window))
    }

    /// The first place of a room that is shown anywhere.
    pub(crate) fn oldest(&self, room: RoomId) -> Option<Seq> {
        self.of(room).filter_map(|(_, window)| window.oldest()).min()
    }

    /// Another epoch has begun: nothing of what was shown exists any more.
    pub(crate) fn clear(&mut self) {
        self.all.values_mut().filter(|window| window.loaded).for_each(Window::clear);
    }

    /// A window is used now.
    pub(crate) fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values().map(Window::bytes).sum()
    }

    /// Keeps all windows together within so many bytes: those that were used least recently keep no
    /// more than their newest page, and if that is not enough, their newest message. The one that
    /// was used last comes last: it loses what is at the other end than it grew at.
    pub(crate) fn bound(&mut self, most: usize) {
        if self.bytes() <= most {
            return;
        }
        let mut order: Vec<(u64, WindowKey)> =
            self.all.iter().map(|(key, window)| (window.used, *key)).collect();
        order.sort_unstable();
        let Some((_, last)) = order.pop() else { return };
        for keep in [defaults::TIMELINE_PAGE, 1] {
            for (_, key) in &order {
                if self.bytes() <= most {
                    return;
                }
                if let Some(window) = self.all.get_mut(key) {
                    window.shrink(keep);
                }
            }
        }
        let others: usize = self.bytes() - self.all.get(&last).map_or(0, Window::bytes);
        if let Some(window) = self.all.get_mut(&last) {
            while others + window.bytes() > most && window.len() > 1 {
                let left = window.len() - window.len().div_ceil(8);
                window.slide(left.max(1));
            }
        }
    }

    /// The rooms with a window, the one that was used last first.
    pub(crate) fn by_use(&self) -> Vec<RoomId> {
        let mut open: Vec<_> =
            self.all.iter().map(|(key, w)| (Reverse(w.used), key.room)).collect();
        open.sort_unstable();
        let mut rooms = Vec::with_capacity(open.len());
        for (_, room) in open {
            if !rooms.contains(&room) {
                rooms.push(room);
            }
        }
        rooms
    }
}
