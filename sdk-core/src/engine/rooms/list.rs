//! Lists of rooms: a window of what is sorted and filtered, and how that changes.
//!
//! A list keeps the sort keys of its rooms in order. A room that changed is taken out and put in
//! again where it belongs, which costs two searches whatever the number of rooms; rows are made for
//! the window alone, and of those that changed. The update is the difference to what was shown.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{Mute, Profile, Role, RoomId, RoomKind, RoomSettings, UserId};

use super::names::folded;
use super::unread::Unread;
use crate::defaults;
use crate::engine::timeline::message::{Message, MessageState};

/// Which rooms a list shows, in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomListQuery {
    /// The order. Pinned rooms stand above all others.
    pub sort: RoomSort,
    /// Which rooms. The user is in all of them.
    pub filter: RoomFilter,
    /// How many rows are told at most, 1 to 500: those around what is visible. 100 unless told.
    pub window: usize,
}

impl Default for RoomListQuery {
    fn default() -> Self {
        Self {
            sort: RoomSort::default(),
            filter: RoomFilter::default(),
            window: defaults::ROOM_LIST_WINDOW,
        }
    }
}

/// The order of a list of rooms, below the pinned ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomSort {
    /// By the time of the last message, the newest first.
    #[default]
    Recent,
    /// Those with unread messages first, each part by the time of the last message.
    UnreadFirst,
    /// By name, without regard to case and to the marks of Latin letters; a direct room by its
    /// peer's name, or id while that is not known. Those without a name come first.
    Name,
}

/// Which rooms a list shows: those to which everything set here applies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct RoomFilter {
    /// Only rooms with something unread.
    pub unread: bool,
    /// Only rooms of this kind.
    pub kind: Option<RoomKind>,
    /// Only archived rooms. Without it only those that are not.
    pub archived: bool,
    /// Only muted rooms, or only those that are not.
    pub muted: Option<bool>,
    /// Only rooms whose name, or whose peer's name (or id, while that is not known), contains this, compared as [`RoomSort::Name`]
    /// compares.
    pub name: Option<String>,
}

/// A row of a list of rooms. What it is for life is its room.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomListRow {
    /// The room.
    pub room: RoomId,
    /// Direct or group.
    pub kind: RoomKind,
    /// The name, for groups that have one.
    pub name: Option<String>,
    /// The picture, for groups that have one.
    pub avatar_url: Option<String>,
    /// In a direct room, the other one.
    pub peer: Option<UserId>,
    /// That user's profile, if it is known: it is fetched for the rows that the app shows.
    pub profile: Option<Profile>,
    /// How many members it has; 0 while only events are known of the room.
    pub members: u32,
    /// What the user may do in it.
    pub role: Role,
    /// If the user may only read; one with an end is over once the server's clock has passed it.
    pub mute: Option<Mute>,
    /// How long a member waits from one message to the next, in ms, unless the role keeps order; 0 for no time.
    pub slow_mode_ms: u32,
    /// What the user has set, whether or not the server knows of it yet.
    pub settings: RoomSettings,
    /// What the user has not read.
    pub unread: Unread,
    /// The newest message that stands in no thread: one of the user's own that still waits in the
    /// outbox, else the newest of the log that is known.
    pub last_message: Option<Arc<Message>>,
    /// What the user has begun to write.
    pub draft: Option<String>,
    /// Operations of this room in the outbox.
    pub pending: usize,
    /// Whether one of them has failed, so that the others wait for the user.
    pub failed: bool,
    /// The time that the room is sorted by: of its last message, else of its creation. In ms since
    /// 1970-01-01 UTC.
    pub at: i64,
}

/// An update of a list of rooms.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomListUpdate {
    /// Everything, from scratch.
    Reset {
        /// The rows of the window, from top to bottom.
        rows: Vec<Arc<RoomListRow>>,
        /// Where the window begins in the list.
        first: usize,
        /// How many rooms the list has.
        total: usize,
    },
    /// Changes, to be applied in order.
    Diff {
        /// The changes of the window's rows.
        changes: Vec<RoomListChange>,
        /// Where the window begins in the list now.
        first: usize,
        /// How many rooms the list has now.
        total: usize,
    },
}

/// One change of the rows of a window. A row that moves is removed and inserted again.
#[derive(Debug, Clone, PartialEq)]
pub enum RoomListChange {
    /// A row comes in before the one at `index`.
    Insert {
        /// Where, in the window.
        index: usize,
        /// What.
        row: Arc<RoomListRow>,
    },
    /// The row at `index` is the same room and looks different.
    Set {
        /// Where, in the window.
        index: usize,
        /// What it is now.
        row: Arc<RoomListRow>,
    },
    /// The row at `index` goes.
    Remove {
        /// Where, in the window.
        index: usize,
    },
}

impl RoomListUpdate {
    /// Applies the update to rows that were built from the updates before it.
    pub fn apply(&self, rows: &mut Vec<Arc<RoomListRow>>) {
        match self {
            RoomListUpdate::Reset { rows: all, .. } => rows.clone_from(all),
            RoomListUpdate::Diff { changes, .. } => {
                for change in changes {
                    match change {
                        RoomListChange::Insert { index, row } => rows.insert(*index, row.clone()),
                        RoomListChange::Set { index, row } => rows[*index] = row.clone(),
                        RoomListChange::Remove { index } => drop(rows.remove(*index)),
                    }
                }
            }
        }
    }

    /// Where the window begins in the list.
    pub fn first(&self) -> usize {
        match self {
            RoomListUpdate::Reset { first, .. } | RoomListUpdate::Diff { first, .. } => *first,
        }
    }

    /// How many rooms the list has.
    pub fn total(&self) -> usize {
        match self {
            RoomListUpdate::Reset { total, .. } | RoomListUpdate::Diff { total, .. } => *total,
        }
    }
}

/// Where a room stands in a list. What its order does not ask for is the same in all keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    unpinned: bool,
    read: bool,
    name: Arc<str>,
    at: Reverse<i64>,
    /// The newest id first: rooms of the same moment stand still.
    id: Reverse<RoomId>,
}

/// What is to be known of a room to place it.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) kind: RoomKind,
    pub(crate) name: &'a str,
    pub(crate) settings: RoomSettings,
    pub(crate) unread: bool,
    pub(crate) at: i64,
}

/// Where lists get their rooms from.
pub(crate) trait Source {
    /// What places a room; none if the user is not in it.
    fn facts(&self, room: RoomId) -> Option<Facts<'_>>;
    /// The room's row.
    fn row(&self, room: RoomId) -> Option<RoomListRow>;
}

/// An open list.
#[derive(Debug)]
pub(crate) struct List {
    query: RoomListQuery,
    /// What names have to contain, folded.
    contains: Option<String>,
    order: Vec<Key>,
    keys: HashMap<RoomId, Key>,
    /// Where the window begins, and how many rows it has at most.
    first: usize,
    window: usize,
    shown: Vec<Arc<RoomListRow>>,
    told: (usize, usize),
    /// The rooms that the app shows, from top to bottom.
    pub(crate) visible: Vec<RoomId>,
    /// Whether the window has moved since the last update.
    pub(crate) moved: bool,
}

impl List {
    pub(crate) fn new(query: RoomListQuery) -> Self {
        let contains = query.filter.name.as_deref().map(folded).filter(|name| !name.is_empty());
        let window = query.window.clamp(1, defaults::ROOM_LIST_MOST);
        Self {
            query,
            contains,
            order: Vec::new(),
            keys: HashMap::new(),
            first: 0,
            window,
            shown: Vec::new(),
            told: (0, 0),
            visible: Vec::new(),
            moved: false,
        }
    }

    /// The app shows `count` rows from `first` on: the window is to hold them.
    pub(crate) fn show(&mut self, first: usize, count: usize, rooms: Vec<RoomId>) {
        self.visible = rooms;
        let window = self.query.window.max(count).clamp(1, defaults::ROOM_LIST_MOST);
        let count = count.min(window);
        let spare = window - count;
        let (top, bottom) = (self.first, self.first.saturating_add(window));
        let above = first.saturating_sub(top);
        let end = first.saturating_add(count);
        let below = bottom.saturating_sub(end);
        // A quarter of what is spare on either side may be scrolled away before it moves.
        let near_top = first < top || (top > 0 && above < spare / 4);
        let near_bottom = end > bottom || (bottom < self.order.len() && below < spare / 4);
        if near_top || near_bottom || window != self.window {
            self.window = window;
            self.first = first.saturating_sub(spare / 2);
            self.moved = true;
        }
    }

    /// Everything, for a reader that begins.
    pub(crate) fn reset(&self) -> RoomListUpdate {
        let (first, total) = self.told;
        RoomListUpdate::Reset { rows: self.shown.clone(), first, total }
    }

    /// Places the rooms that may have changed. Gives what changed in the window, if anything did.
    pub(crate) fn update(
        &mut self,
        dirty: &BTreeSet<RoomId>,
        source: &impl Source,
    ) -> Option<RoomListUpdate> {
        for room in dirty {
            let key = source.facts(*room).and_then(|facts| self.place(*room, &facts));
            if self.keys.get(room) == key.as_ref() {
                continue;
            }
            if let Some(old) = self.keys.remove(room)
                && let Ok(place) = self.order.binary_search(&old)
            {
                self.order.remove(place);
            }
            if let Some(key) = key {
                if let Err(place) = self.order.binary_search(&key) {
                    self.order.insert(place, key.clone());
                }
                self.keys.insert(*room, key);
            }
        }
        self.moved = false;
        let total = self.order.len();
        self.first = self.first.min(total.saturating_sub(self.window));
        let end = self.first.saturating_add(self.window).min(total);
        let before: HashMap<RoomId, &Arc<RoomListRow>> =
            self.shown.iter().map(|row| (row.room, row)).collect();
        let rows: Vec<Arc<RoomListRow>> = self.order[self.first..end]
            .iter()
            .filter_map(|key| {
                let Reverse(room) = key.id;
                match before.get(&room) {
                    Some(row) if !dirty.contains(&room) => Some((*row).clone()),
                    before => {
                        let row = source.row(room)?;
                        let same = before.filter(|before| before.as_ref() == &row);
                        Some(same.map_or_else(|| Arc::new(row), |before| (*before).clone()))
                    }
                }
            })
            .collect();
        let changes = diff(&self.shown, &rows);
        let told = (self.first, total);
        if changes.is_empty() && self.told == told {
            return None;
        }
        self.shown = rows;
        self.told = told;
        Some(RoomListUpdate::Diff { changes, first: self.first, total })
    }

    /// Where a room stands; nowhere if it is not of this list.
    fn place(&self, room: RoomId, facts: &Facts<'_>) -> Option<Key> {
        let RoomFilter { unread, kind, archived, muted, name: _ } = &self.query.filter;
        let wanted = (!unread || facts.unread)
            && kind.is_none_or(|kind| kind == facts.kind)
            && *archived == facts.settings.archived
            && muted.is_none_or(|muted| muted == facts.settings.muted);
        if !wanted {
            return None;
        }
        let by_name = self.query.sort == RoomSort::Name;
        let name = (by_name || self.contains.is_some()).then(|| folded(facts.name));
        if let (Some(contains), Some(name)) = (&self.contains, &name)
            && !name.contains(contains)
        {
            return None;
        }
        Some(Key {
            unpinned: !facts.settings.pinned,
            read: self.query.sort == RoomSort::UnreadFirst && !facts.unread,
            name: name.filter(|_| by_name).unwrap_or_default().into(),
            at: Reverse(if by_name { 0 } else { facts.at }),
            id: Reverse(room),
        })
    }
}

/// The changes that make `new` of `old`. A row that moves up or down is taken out once and put in
/// once, whatever it passes.
fn diff(old: &[Arc<RoomListRow>], new: &[Arc<RoomListRow>]) -> Vec<RoomListChange> {
    let same = |a: &Arc<RoomListRow>, b: &Arc<RoomListRow>| Arc::ptr_eq(a, b) || a == b;
    let wanted: std::collections::HashSet<RoomId> = new.iter().map(|row| row.room).collect();
    let mut changes = Vec::new();
    let mut current: Vec<&Arc<RoomListRow>> = Vec::with_capacity(old.len());
    for row in old {
        if wanted.contains(&row.room) {
            current.push(row);
        } else {
            changes.push(RoomListChange::Remove { index: current.len() });
        }
    }
    for (index, row) in new.iter().enumerate() {
        let is = |other: Option<&&Arc<RoomListRow>>| other.is_some_and(|o| o.room == row.room);
        if !is(current.get(index)) && is(current.get(index + 1)) {
            // What stands here belongs further down.
            changes.push(RoomListChange::Remove { index });
            current.remove(index);
        }
        if is(current.get(index)) {
            if !same(current[index], row) {
                changes.push(RoomListChange::Set { index, row: row.clone() });
            }
            continue;
        }
        let later = current.iter().skip(index).position(|other| other.room == row.room);
        if let Some(later) = later.map(|later| index + later) {
            changes.push(RoomListChange::Remove { index: later });
            current.remove(later);
        }
        changes.push(RoomListChange::Insert { index, row: row.clone() });
        current.insert(index, row);
    }
    changes
}

/// How far an operation of the outbox is. `holder`: the first one of its room that others wait for.
pub(crate) fn pending_state(
    row: &crate::engine::outbox::OutboxRow,
    holder: Option<tidewire_protocol::EventId>,
) -> MessageState {
    match (&row.failed, holder) {
        (Some(reason), _) => MessageState::Failed(reason.clone()),
        (None, Some(id)) if id != row.op.id => MessageState::Waiting(id),
        (None, _) => MessageState::Sending,
    }
}

#[cfg(test)]
mod tests;
