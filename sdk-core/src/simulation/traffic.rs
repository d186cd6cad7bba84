//! What people do to messages, by chance: for those who want all of it to happen.

use tidewire_protocol::{
    Content, DeleteContent, EditContent, Event, EventId, EventKind, MessageContent, Op,
    ReactionContent, RoomId, RoomOps, UserId,
};
use uuid::Uuid;

use super::checks::makes_row;
use super::server::{ModelRoom, ModelServer};

/// What somebody does to a message. `number` tells it from others.
pub fn any_change(rng: &mut fastrand::Rng, target: EventId, number: u64) -> (EventKind, Content) {
    let text = |text: &str| format!("{text} {number}");
    let of_message = |content: MessageContent| (EventKind::Message, Content::of(&content).unwrap());
    match rng.u32(0..12) {
        0..3 => {
            let content = MessageContent::of_text(text("better"));
            (EventKind::Edit, Content::of(&EditContent { target, content }).unwrap())
        }
        3 => (EventKind::Delete, Content::of(&DeleteContent { target }).unwrap()),
        4..10 => {
            let key = ["+1", "heart", "sail"][rng.usize(0..3)].into();
            let reaction = ReactionContent { target, key, removed: rng.u32(0..3) == 0 };
            (EventKind::Reaction, Content::of(&reaction).unwrap())
        }
        10 => of_message(MessageContent {
            reply_to: Some(target),
            ..MessageContent::of_text(text("quoting"))
        }),
        _ => of_message(MessageContent {
            thread: Some(target),
            ..MessageContent::of_text(text("in the thread"))
        }),
    }
}

impl ModelServer {
    /// A message of a room that stands in no thread, one of the last ones as a rule.
    pub fn any_message(&self, rng: &mut fastrand::Rng, room: RoomId) -> Option<EventId> {
        let log = &self.rooms.get(&room)?.log;
        let last = if rng.u32(0..4) == 0 { log.len() } else { 12 };
        let roots: Vec<&Event> = log
            .iter()
            .rev()
            .take(last)
            .filter(|event| event.kind == EventKind::Message && makes_row(event))
            .collect();
        Some(rng.choice(roots)?.id)
    }

    /// Somebody does something to a message, unless the rules forbid it.
    pub fn change(&mut self, room: RoomId, user: &UserId, kind: EventKind, content: Content) {
        self.ids_taken += 1;
        let id = EventId::from_uuid(Uuid::from_u128(0x8_0000_0000 + u128::from(self.ids_taken)));
        self.apply(user, RoomOps { room, ops: vec![Op { id, kind, content }] });
    }
}

impl ModelRoom {
    /// What an event of the room has become, as `reader` sees it.
    pub fn now(&self, id: EventId, reader: &UserId) -> Option<Event> {
        let event = self.log.get(*self.ids.get(&id)?)?;
        Some(self.folded(event, self.head(), reader))
    }

    /// The events that make a row of the room's timeline: what changes another one makes none, nor
    /// what stands in a thread.
    pub fn rows(&self) -> Vec<EventId> {
        self.log.iter().filter(|event| makes_row(event)).map(|event| event.id).collect()
    }
}
