//! Things to show, for tests.

use tidewire::{EventId, RoomId};
use uuid::Uuid;

use super::mark::Mark;
use super::news::{Line, RoomLine, Said};

pub(crate) fn room(number: usize) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(number as u128))
}

pub(crate) fn rooms(count: usize) -> Vec<RoomLine> {
    let line = |number| RoomLine {
        id: room(number),
        name: format!("room {number}"),
        members: 12,
        last: "the last word".into(),
        pending: 0,
        unread: None,
    };
    (0..count).map(line).collect()
}

pub(crate) fn message(number: usize, mark: Mark, text: &str) -> Line {
    Line::Message(Said {
        id: EventId::from_uuid(Uuid::from_u128(number as u128)),
        sender: "mira".into(),
        own: false,
        text: text.into(),
        mark,
        at_s: number as u64,
        failed: (mark == Mark::Alert).then(|| "the server refused it".into()),
    })
}
