//! Slow mode: a room that took a message of the user's takes the next one after a time. Only that room waits, and
//! what is behind the message in it, so that the order stays.

use tidewire_protocol::{EventKind, Op, RoomId, RoomState, WireError, limits};

use super::Outbox;
use crate::engine::Engine;
use crate::engine::time::Timer;

/// Until when nothing of a room leaves, and how slow it was when the server said so.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    until_ms: u64,
    interval_ms: u32,
}

impl Outbox {
    /// The room waits until then.
    fn pace(&mut self, room: RoomId, pace: Pace) {
        self.paced.insert(room, pace);
    }

    /// Until when a room waits, on the monotonic clock.
    pub(crate) fn paced_until(&self, room: RoomId) -> Option<u64> {
        self.paced.get(&room).map(|pace| pace.until_ms)
    }

    /// The same outbox after it was loaded anew: what the server asked for still stands.
    pub(crate) fn keep_pace(self, before: Outbox) -> Self {
        Self { paced: before.paced, ..self }
    }
}

/// How slow a room is for the user.
fn interval_of(state: &RoomState) -> u32 {
    if state.role.moderates() || !state.joined { 0 } else { state.slow_mode_ms }
}

/// Whether an operation waits for its turn: what changes a message does not.
pub(super) fn counts(op: &Op) -> bool {
    !matches!(op.kind, EventKind::Edit | EventKind::Delete | EventKind::Reaction)
}

impl Engine {
    /// The operations of a room that go out next.
    pub(crate) fn next_ops(&self, room: RoomId) -> Vec<Op> {
        self.outbox.next_ops(room, self.is_slow(room))
    }

    /// Whether the user's messages into a room wait for their turn.
    pub(super) fn is_slow(&self, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(|room| interval_of(&room.state) > 0)
    }

    /// The server takes the next message of a room at a later time. It is no failure: the others go on.
    pub(super) fn room_put_off(&mut self, room: RoomId, error: &WireError) {
        // Beyond what a room may ask for it is a mistake, and must not hold messages back for good.
        let most = u64::from(limits::SLOW_MODE_MS);
        let wait = error.retry_after_ms.unwrap_or_default().clamp(1, most);
        let interval_ms = self.rooms.get(&room).map_or(0, |room| interval_of(&room.state));
        self.outbox.pace(room, Pace { until_ms: self.now.mono_ms + wait, interval_ms });
    }

    /// Rooms go on whose time has come, and those that are not as slow any more as they were: the server says so
    /// again if it is too early.
    pub(super) fn advance_slow_rooms(&mut self) {
        let (now, rooms) = (self.now.mono_ms, &self.rooms);
        self.outbox.paced.retain(|room, pace| {
            let interval = rooms.get(room).map(|room| interval_of(&room.state));
            now < pace.until_ms && interval.is_none_or(|interval| interval == pace.interval_ms)
        });
        match self.outbox.paced.values().map(|pace| pace.until_ms).min() {
            Some(at) => self.timers.arm(Timer::SlowMode, at),
            None => self.timers.disarm(Timer::SlowMode),
        }
    }
}
