//! The user's own typing: the app tells every keystroke, the server hears as little as makes it
//! true. A start when it begins, another one now and then while it goes on, a stop after a silence.
//! A message needs none: the server takes it for the end.

use std::collections::BTreeMap;

use tidewire_protocol::{ClientFrame, RoomId, TypingUpdate, limits};

use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::time::Timer;

/// What the user does in one room.
#[derive(Debug)]
struct Keys {
    /// Whether something is being written that was not sent yet.
    typing: bool,
    last_key: u64,
    /// The last start that the server was told, whatever came of it.
    started: Option<u64>,
    /// The same, while the server still believes it.
    told: Option<u64>,
}

/// The rooms in which the user types.
#[derive(Debug, Default)]
pub(crate) struct OwnTyping {
    rooms: BTreeMap<RoomId, Keys>,
}

impl Keys {
    /// The user has been silent for long enough.
    fn settle(&mut self, now: u64) {
        let silence = millis(defaults::TYPING_SILENCE);
        self.typing &= now < self.last_key + silence;
        // By then nobody believes it any more.
        self.told = self.told.filter(|at| now < at + limits::TYPING_TTL_MS);
    }

    /// When the next start is due.
    fn start_due(&self) -> u64 {
        match (self.told, self.started) {
            (Some(told), _) => told + millis(defaults::TYPING_AGAIN),
            (None, Some(started)) => started + millis(defaults::TYPING_PAUSE),
            (None, None) => 0,
        }
    }

    /// Whether a start or a stop is to be told. A start is repeated by a key, never by the clock.
    fn is_due(&self, now: u64) -> bool {
        if self.typing { now >= self.start_due() } else { self.told.is_some() }
    }

    fn tell(&mut self, now: u64) -> bool {
        if self.typing {
            self.started = Some(now);
            self.told = Some(now);
        } else {
            self.told = None;
        }
        self.typing
    }
}

impl Engine {
    /// The user has pressed a key in a room.
    pub(crate) fn key_pressed(&mut self, id: RoomId) {
        let now = self.now.mono_ms;
        let most = self.ephemeral_members;
        if self.rests() || !self.rooms.get(&id).is_some_and(|room| room.is_ephemeral(most)) {
            return;
        }
        // Who may only read types for himself.
        let server_now = self.server_clock.now(self.now);
        let mute = self.rooms.get(&id).and_then(|room| room.state.mute);
        if mute.is_some_and(|mute| mute.holds_at(server_now)) {
            return;
        }
        let rooms = &mut self.typing.rooms;
        if !rooms.contains_key(&id) && rooms.len() >= limits::TYPING_PER_REQUEST {
            return;
        }
        let fresh = Keys { typing: true, last_key: now, started: None, told: None };
        let keys = rooms.entry(id).or_insert(fresh);
        keys.settle(now);
        keys.typing = true;
        keys.last_key = now;
    }

    /// What was typed in the room is on its way.
    pub(crate) fn typing_sent(&mut self, room: RoomId) {
        if let Some(keys) = self.typing.rooms.get_mut(&room) {
            keys.typing = false;
            keys.told = None;
        }
    }

    /// What carried the user's presence is closed: the server takes that for the end of typing.
    pub(crate) fn typing_lost(&mut self) {
        for keys in self.typing.rooms.values_mut() {
            keys.told = None;
        }
    }

    /// Tells what is due over an open socket, or, while a stream pushes the feed, by a request.
    /// Without either it waits for the next poll.
    pub(crate) fn advance_typing(&mut self) {
        if self.typing.rooms.is_empty() {
            return;
        }
        let now = self.now.mono_ms;
        let (all, most) = (&self.rooms, self.ephemeral_members);
        let pause = millis(defaults::TYPING_PAUSE);
        self.typing.rooms.retain(|id, keys| {
            keys.settle(now);
            let recent = keys.started.is_some_and(|at| now < at + pause);
            let here = all.get(id).is_some_and(|room| room.is_ephemeral(most));
            here && (keys.typing || keys.told.is_some() || recent)
        });
        let socket = self.link.is_ready();
        if !socket && !self.stream.is_open() {
            self.timers.disarm(Timer::Typing);
            return;
        }
        if self.typing.rooms.values().any(|keys| keys.is_due(now)) {
            if socket {
                let typing = self.due_typing();
                self.send_frame(ClientFrame::Ephemeral { typing });
            } else if self.may_tell() {
                self.tell_by_request();
            }
        }
        let next = self.typing.rooms.values().filter(|keys| keys.typing).map(|keys| {
            let silent = keys.last_key + millis(defaults::TYPING_SILENCE);
            // One that is due already waits for something else than time.
            let start = Some(keys.start_due()).filter(|due| keys.told.is_none() && *due > now);
            start.map_or(silent, |start| start.min(silent))
        });
        match next.min() {
            Some(at) => self.timers.arm(Timer::Typing, at),
            None => self.timers.disarm(Timer::Typing),
        }
    }

    /// Takes what is due, and notes that it is told now.
    pub(crate) fn due_typing(&mut self) -> Vec<TypingUpdate> {
        let now = self.now.mono_ms;
        let mut due = Vec::new();
        for (room, keys) in &mut self.typing.rooms {
            keys.settle(now);
            if keys.is_due(now) {
                due.push(TypingUpdate { room: *room, typing: keys.tell(now) });
            }
        }
        due
    }

    /// What rides on a poll: where the user types now, and where no more.
    pub(crate) fn board_typing(&mut self) -> Vec<TypingUpdate> {
        let now = self.now.mono_ms;
        let mut aboard = Vec::new();
        for (room, keys) in &mut self.typing.rooms {
            keys.settle(now);
            if keys.typing || keys.told.is_some() {
                aboard.push(TypingUpdate { room: *room, typing: keys.tell(now) });
            }
        }
        aboard
    }

    /// Whatever was being written, nobody hears of it any more.
    pub(crate) fn forget_typing(&mut self) {
        self.typing = OwnTyping::default();
    }
}
