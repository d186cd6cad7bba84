//! What is fetched of rooms that nobody has open: counts that are not exact, and the newest page of
//! what a list shows, so that opening it is instant. One request at a time, in order of who waits:
//! visible rooms, then unread ones, then others.

use tidewire_protocol::{AppState, HistoryAnchor, HistoryQuery, RoomId};

use super::room::Room;
use crate::config::millis;
use crate::defaults;
use crate::engine::effect::Request;
use crate::engine::time::Timer;
use crate::engine::timeline::history::Fetch;
use crate::engine::{Engine, Purpose};

/// Something to fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Errand {
    State(RoomId),
    Page(RoomId, HistoryAnchor),
}

impl Engine {
    /// Fetches the next thing that is worth it.
    pub(crate) fn advance_background(&mut self) {
        self.timers.disarm(Timer::Background);
        let may = self.online()
            && self.auth.is_ready()
            && self.http_is_open()
            && self.fetches.are_open(self.now.mono_ms)
            && self.cursor.is_some()
            && self.may_read();
        if !may || self.errand.is_some_and(|id| self.requests.contains_key(&id)) {
            return;
        }
        self.errand = None;
        // In the background only beside something that wakes the radio anyway.
        let awake = self.radio.is_awake(self.now.mono_ms);
        if self.signals.app_state != AppState::Foreground && !awake {
            return;
        }
        let Some(errand) = self.next_errand() else { return };
        let id = match errand {
            Errand::State(room) => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.asked = true;
                    room.asked_at = Some(self.now.mono_ms);
                }
                self.request(Request::Room(room), Purpose::RoomState(room))
            }
            Errand::Page(room, anchor) => {
                let fetch = Fetch::errand(room, self.cache_life, self.now.mono_ms);
                let query = HistoryQuery::at(anchor, defaults::TIMELINE_PAGE);
                self.request(Request::History(room, query), Purpose::History(fetch))
            }
        };
        self.errand = Some(id);
    }

    fn next_errand(&mut self) -> Option<Errand> {
        let count = self.next_count();
        if count.is_some() {
            return count;
        }
        let visible = self.lists.values().flat_map(|list| &list.visible);
        let seen: Vec<RoomId> = visible.take(defaults::PRELOADED_ROOMS).copied().collect();
        // Without a list nobody is about to open a room.
        if self.signals.app_state != AppState::Foreground || self.lists.is_empty() {
            return None;
        }
        let now = seen.iter().find_map(|room| self.lacking(*room));
        if now.is_some() || seen.is_empty() || self.is_sparing() || self.is_busy() {
            return now;
        }
        // Unread before recent ones, and no more than are kept in order.
        let nearest = self.nearest_rooms().to_vec();
        nearest.into_iter().find_map(|room| self.lacking(room))
    }

    /// A count that is not exact, those of visible rooms first. The server is asked once it knows of
    /// everything that was read here.
    fn next_count(&mut self) -> Option<Errand> {
        if self.heads.inexact.is_empty() || self.catching_up {
            return None;
        }
        let pause = millis(defaults::COUNT_AGAIN);
        let now = self.now.mono_ms;
        let (mut found, mut later) = (None, None::<u64>);
        let inexact = &self.heads.inexact;
        let seen = self.lists.values().flat_map(|list| &list.visible);
        for id in seen.filter(|id| inexact.contains(id)).chain(inexact) {
            let told = self.heads.rooms.get(id).is_some_and(super::heads::Entry::is_told);
            let Some(room) = self.rooms.get(id).filter(|room| told && room.may_be_asked()) else {
                continue;
            };
            let due = room.asked_at.map_or(now, |at| at + pause);
            if due <= now {
                found = Some(Errand::State(*id));
                break;
            }
            later = Some(later.map_or(due, |other| other.min(due)));
        }
        if let (None, Some(at)) = (found, later) {
            self.timers.arm(Timer::Background, at);
        }
        found
    }

    /// What a room lacks that is about to be opened.
    fn lacking(&self, id: RoomId) -> Option<Errand> {
        let room = self.rooms.get(&id).filter(|room| room.state.joined)?;
        // A room that is open fetches for itself.
        if self.windows.is_open(id) {
            return None;
        }
        if room.needs_state() && room.may_be_asked() && room.asked_at.is_none() {
            return Some(Errand::State(id));
        }
        if !self.fetches.may(id, None, self.now.mono_ms) {
            return None;
        }
        let anchor = room.lacks_newest(defaults::TIMELINE_PAGE)?;
        Some(Errand::Page(id, anchor))
    }

    /// Whether the user or the system wants to save.
    fn is_sparing(&self) -> bool {
        self.signals.low_power || self.signals.network.metered && self.signals.network.constrained
    }

    /// Whether something runs that somebody waits for.
    fn is_busy(&self) -> bool {
        let waits = self.requests.values().any(|asked| asked.is_awaited());
        waits || self.outbox.has_work() || self.catching_up || self.boot.is_some()
    }
}

impl Room {
    /// Whether the state may be asked for now.
    fn may_be_asked(&self) -> bool {
        self.state.joined && !self.asked
    }
}
