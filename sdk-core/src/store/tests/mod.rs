//! What the store promises, on real files.

mod damage;
mod fixtures;
mod order;
mod start;

use std::path::Path;

use tidewire_protocol::{
    Checksum, Content, Cursor, Epoch, Event, EventId, FileKey, Op, Preview, Receipt, RoomId, Seq,
    UserId,
};
use uuid::Uuid;

use super::*;
use crate::engine::{FailReason, OutboxRow, OutgoingFile, RoomRow, SearchLookup, StartRows, Write};

fn everything() -> Query {
    Query::Start(UserId::new("ada").unwrap())
}

fn room(number: u64) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128((0x0199_c306 << 96) + u128::from(number)))
}

fn id(number: u64) -> EventId {
    EventId::from_uuid(Uuid::from_u128((0x0199_c307 << 96) + u128::from(number)))
}

fn content(text: &str) -> Content {
    Content::from_json(serde_json::json!({ "text": text }).to_string()).unwrap()
}

fn event(in_room: u64, seq: u64) -> Event {
    Event {
        id: id(in_room * 100_000 + seq),
        room: room(in_room),
        seq: Seq::new(seq),
        sender: UserId::new(if seq.is_multiple_of(2) { "ada" } else { "bob" }).unwrap(),
        at: 1_760_000_000_000 + i64::try_from(seq).unwrap(),
        kind: "message".into(),
        content: content(&format!("message {seq} of room {in_room}, {}", "and so on ".repeat(12))),
        fold: None,
    }
}

/// A room whose events from 1 on are all held.
fn filled_room(in_room: u64, events: u64) -> Transaction {
    let mut state = RoomRow::without_state(room(in_room), 1_760_000_000_000);
    state.members = 2;
    state.head_seq = Seq::new(events);
    let head = state.head_seq;
    let mut transaction = Transaction::default();
    transaction.push(Write::Room { state: Box::new(state), as_of: head, feed_seq: head });
    let user = UserId::new("bob").unwrap();
    let receipt = Receipt { room: room(in_room), user, delivered: head, read: Seq::new(1) };
    transaction.push(Write::Receipts { room: room(in_room), receipts: vec![receipt] });
    transaction.push(Write::Range { room: room(in_room), removed: vec![], put: (1, events) });
    for seq in 1..=events {
        transaction.push(Write::Event(Box::new(event(in_room, seq))));
    }
    transaction.push(Write::Cursor(Cursor::new(format!("after room {in_room}"))));
    transaction
}

fn enqueue(number: u64) -> Transaction {
    let mut transaction = Transaction { durable: true, ..Transaction::default() };
    let text = format!("pending {number}, {}", "which says something ".repeat(10));
    transaction.push(Write::Enqueue(Box::new(OutboxRow {
        room: room(1 + number % 3),
        op: Op { id: id(9_000_000 + number), kind: "message".into(), content: content(&text) },
        queued_at: 1_760_000_000_000,
        queued_by_server: None,
        attempted_at: None,
        failed: None,
        options: Default::default(),
        files: files(number),
    })));
    transaction
}

/// Each fifth message has files, one of them uploaded.
fn files(number: u64) -> Vec<OutgoingFile> {
    let file = |at: u64| OutgoingFile {
        id: UploadId::from_uuid(Uuid::from_u128(u128::from(10 * number + at))),
        name: format!("picture {at}.jpg"),
        content_type: "image/jpeg".into(),
        size: 1_000 + at,
        sha256: Checksum::new([7; 32]),
        width: Some(640),
        height: Some(480),
        duration_ms: None,
        preview: Some(Preview { format: "thumbhash".into(), data: "AAAA".into() }),
        path: Default::default(),
        sent: if at == 0 { 1_000 } else { 0 },
        uploaded: at == 0,
        key: (at == 0).then(|| FileKey::new("a".repeat(32)).unwrap()),
    };
    if number.is_multiple_of(5) { vec![file(0), file(1)] } else { Vec::new() }
}

/// What is on disk, wherever that is.
fn anywhere(mut rows: StartRows) -> StartRows {
    let files = rows.outbox.iter_mut().flat_map(|row| &mut row.files);
    files.for_each(|file| file.path = Default::default());
    rows
}

/// An account with some rooms, and pending sends on several pages, one of them attempted and one failed.
fn account(folder: &Path) -> StartRows {
    let mut open = Open::files(folder).unwrap();
    let database = open.database();
    let mut epoch = Transaction::default();
    epoch.push(Write::Epoch(Epoch::new("epoch")));
    database.execute(&epoch).unwrap();
    for number in 1..=12 {
        database.execute(&filled_room(number, 40 * number)).unwrap();
    }
    for number in 1..=60 {
        database.execute(&enqueue(number)).unwrap();
    }
    let mut told = Transaction { durable: true, ..Transaction::default() };
    told.push(Write::Attempted(vec![id(9_000_001), id(9_000_002)], 1_760_000_200_000));
    told.push(Write::Failure(id(9_000_002), FailReason::Unknown));
    database.execute(&told).unwrap();
    start(database)
}

fn start(database: &mut Database) -> StartRows {
    match database.load(&everything()).unwrap() {
        Rows::Start(rows) => *rows,
        other => panic!("{other:?}"),
    }
}

async fn load(store: &Store, query: Query) -> Result<Rows, StoreError> {
    let (done, answer) = tokio::sync::oneshot::channel();
    match store.load(query, move |rows| drop(done.send(rows))) {
        Some(rows) => rows,
        None => answer.await.unwrap(),
    }
}

async fn commit(store: &Store, transaction: Transaction) -> Result<(), StoreError> {
    let (done, answer) = tokio::sync::oneshot::channel();
    match store.commit(transaction, move |result| drop(done.send(result.map(drop)))) {
        Some(result) => result.map(drop),
        None => answer.await.unwrap(),
    }
}
