//! What open timelines are told, and when.

use tidewire_protocol::RoomId;

use super::rows::TimelineUpdate;
use super::window::{Flushed, Sources};
use super::windows::WindowKey;
use crate::config::millis;
use crate::engine::Engine;
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::effect::{Effect, Notice, RequestError};
use crate::engine::feed::ranges::RangeSet;
use crate::engine::query::Query;
use crate::engine::rooms::room::Room;
use crate::engine::time::Timer;
use crate::error::Error;

impl Engine {
    /// Sends out the updates that are due, and arms the timer for the others.
    pub(crate) fn flush_windows(&mut self) {
        let now = self.now.mono_ms;
        let buffer = millis(self.config.message_buffer_time);
        let most = usize::try_from(self.config.memory_bytes).unwrap_or(usize::MAX);
        self.windows.bound(most);
        let mut due = Vec::new();
        let mut next: Option<u64> = None;
        for (key, window) in self.windows.iter() {
            if !window.dirty || !window.loaded || self.is_reloading(*key) {
                continue;
            }
            let at = window.flush_at(now, buffer);
            if at <= now {
                due.push(*key);
            } else {
                next = Some(next.map_or(at, |earlier| earlier.min(at)));
            }
        }
        for key in due {
            self.flush_window(key);
        }
        match next {
            Some(at) => self.timers.arm(Timer::Flush, at),
            None => self.timers.disarm(Timer::Flush),
        }
    }

    /// Tells all that look at a room what changed, at once.
    pub(crate) fn flush_room(&mut self, room: RoomId) {
        let keys: Vec<WindowKey> = self.windows.of(room).map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.flush_window(key));
    }

    pub(crate) fn flush_window(&mut self, key: WindowKey) {
        // Half of it is of before: a message that left the outbox meanwhile would be gone for a moment.
        if self.is_reloading(key) {
            return;
        }
        let shown = self.held_and_shown(key.room);
        let Some(window) = self.windows.get_mut(key).filter(|window| window.loaded) else { return };
        // A room of another epoch may be unknown now: then only what waits to be sent is shown.
        let unknown = Room::unknown(key.room, 0);
        let room = self.rooms.get(&key.room).unwrap_or(&unknown);
        let sources = Sources {
            held: shown.as_ref().unwrap_or(&room.held),
            feed_seq: room.feed_seq,
            first_seq: window.bottom(room.state.first_seq),
            outbox: self.outbox.of_room(key.room),
        };
        if let Some(Flushed { changes, more_before, more_after }) =
            window.flush(&sources, self.now.mono_ms)
        {
            let update = TimelineUpdate::Diff { changes, more_before, more_after };
            for timeline in &window.timelines {
                self.effects.push_back(Effect::Notify(Notice::Timeline(*timeline, update.clone())));
            }
        }
        self.look_for_quotes(key);
    }

    /// What is held of a room without the pages that are on their way to the disk: until its messages are shown,
    /// a hole is a gap. Nothing where that is all that is held.
    fn held_and_shown(&self, id: RoomId) -> Option<RangeSet> {
        let pages = self.pages_in_flight(id);
        let mut filled = pages.flat_map(|page| &page.filled).peekable();
        filled.peek()?;
        let mut held = self.rooms.get(&id)?.held.clone();
        filled.for_each(|(start, end)| held.remove(*start, *end));
        Some(held)
    }

    /// What a timeline would show if everything were derived anew, and from where to where.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn derived(&self, timeline: crate::engine::TimelineId) -> Option<Derived> {
        let key = self.timelines.get(&timeline)?.window?;
        let window = self.windows.get(key).filter(|window| window.loaded)?;
        let room = self.rooms.get(&key.room)?;
        let shown = self.held_and_shown(key.room);
        let sources = Sources {
            held: shown.as_ref().unwrap_or(&room.held),
            feed_seq: room.feed_seq,
            first_seq: window.bottom(room.state.first_seq),
            outbox: self.outbox.of_room(key.room),
        };
        Some(Derived {
            rows: window.derived(&sources),
            thread: window.of.thread(),
            from: window.oldest(),
            to: window.end(),
        })
    }

    /// Asks the disk for messages that a window quotes and does not show, one question at a time: the
    /// answer brings the next one.
    fn look_for_quotes(&mut self, key: WindowKey) {
        if !self.shows() || self.rests() {
            return;
        }
        let of_window = |purpose: &LoadPurpose| matches!(purpose, LoadPurpose::Quotes(other, _) if *other == key);
        if self.loads.values().any(of_window) {
            return;
        }
        let Some(window) = self.windows.get_mut(key) else { return };
        let ids = window.ask_for_quotes();
        if !ids.is_empty() {
            let query = Query::Messages { room: key.room, ids: ids.clone() };
            self.load(query, LoadPurpose::Quotes(key, ids));
        }
    }

    pub(crate) fn enqueues_in_flight(&self) -> usize {
        self.commits.iter().filter(|pending| pending.enqueues()).count()
    }
}

/// See [`Engine::derived`].
#[cfg(any(test, feature = "simulation"))]
#[derive(Debug)]
pub(crate) struct Derived {
    pub(crate) rows: Vec<crate::engine::Row>,
    pub(crate) thread: Option<tidewire_protocol::EventId>,
    pub(crate) from: Option<tidewire_protocol::Seq>,
    pub(crate) to: tidewire_protocol::Seq,
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(error) if error.code.status() == 401 => {
                Error::AuthRequired(error.to_string())
            }
            RequestError::Refused(error) => Error::Refused(error),
            RequestError::Network(reason) => Error::Network(reason),
        }
    }
}
