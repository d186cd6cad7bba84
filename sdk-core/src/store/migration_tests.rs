//! A database of an earlier version is brought to this one with everything that it holds.

use rusqlite::Connection;
use tidewire_protocol::{EventId, EventKind, RoomId, Seq, UserId};
use uuid::Uuid;

use super::Open;
use super::execute::Database;
use super::migrations::STEPS;
use crate::engine::{Query, Rows};

const ROOM: u128 = 7;
const ROOT: u128 = 0x0192_f0c1_2b3c_7d4e_8f50_1122_3344_5566;

fn blob(id: u128) -> Vec<u8> {
    Uuid::from_u128(id).as_bytes().to_vec()
}

fn events(database: &mut Database, query: &Query) -> Vec<(u64, EventKind)> {
    match database.query(query).unwrap() {
        Rows::Events(events) => {
            events.into_iter().map(|event| (event.seq.get(), event.kind)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_database_that_knew_no_changes_keeps_its_messages_and_its_outbox_and_doubts_what_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(STEPS[0].cache).unwrap();
    old.pragma_update(None, "user_version", 1).unwrap();
    let thread = Uuid::from_u128(ROOT).to_string();
    for (rk, room) in [(1, ROOM), (2, ROOM + 1)] {
        old.execute("INSERT INTO rooms (rk, id, head_seq) VALUES (?1, ?2, 4)", (rk, blob(room)))
            .unwrap();
        old.execute("INSERT INTO held (rk, start, end) VALUES (?1, 1, 4)", [rk]).unwrap();
    }
    let rows = [
        (1, 1, ROOT, "message", r#"{"text":"root"}"#.to_owned()),
        (1, 2, 2, "message", format!(r#"{{"text":"in it","thread":"{thread}"}}"#)),
        (1, 3, 3, "edit", format!(r#"{{"target":"{thread}","content":{{"text":"new"}}}}"#)),
        (1, 4, 4, "message", r#"{"text":"the word \"thread\" is no thread"}"#.to_owned()),
        (2, 1, 5, "message", r#"{"text":"untouched"}"#.to_owned()),
    ];
    for (rk, seq, id, kind, content) in rows {
        old.execute(
            "INSERT INTO events (rk, seq, id, sender, at, kind, content)
             VALUES (?1, ?2, ?3, 'ada', 1, ?4, ?5)",
            (rk, seq, blob(id), kind, content),
        )
        .unwrap();
    }
    old.execute(
        "INSERT INTO outbox (room, id, kind, content, queued_at)
         VALUES (?1, ?2, 'message', '{\"text\":\"still to be sent\"}', 5)",
        (blob(ROOM), blob(9)),
    )
    .unwrap();
    drop(old);

    let mut open = Open::files(folder.path()).unwrap();
    let database = open.database();
    let everything = Query::Start(UserId::new("ada").unwrap());
    let Rows::Start(start) = database.load(&everything).unwrap() else { panic!("a start") };
    assert_eq!(start.outbox.len(), 1, "what is to be sent survives");
    assert_eq!(start.outbox[0].op.id, EventId::from_uuid(Uuid::from_u128(9)));
    let room =
        |id| start.rooms.iter().find(|row| row.state.id == RoomId::from_uuid(Uuid::from_u128(id)));
    let (changed, untouched) = (room(ROOM).unwrap(), room(ROOM + 1).unwrap());
    assert_eq!((&changed.held[..], &changed.stale[..]), (&[(1, 4)][..], &[(1, 4)][..]));
    assert_eq!((&untouched.held[..], &untouched.stale[..]), (&[(1, 4)][..], &[][..]));

    let room = RoomId::from_uuid(Uuid::from_u128(ROOM));
    let newest = Query::Newest { room, limit: 10 };
    let message = EventKind::Message;
    assert_eq!(events(database, &newest), [(1, message.clone()), (4, message.clone())]);
    let root = EventId::from_uuid(Uuid::from_u128(ROOT));
    let of_thread = Query::Thread { room, root, before: Seq::new(100), limit: 10 };
    assert_eq!(events(database, &of_thread), [(2, message.clone())]);
    assert_eq!(events(database, &Query::Event(room, root)), [(1, message)]);
}
