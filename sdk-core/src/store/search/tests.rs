//! What is written is found, as it is now.

use proptest::prelude::*;
use tidewire_protocol::{
    Content, DeleteContent, EditContent, Epoch, Event, EventId, EventKind, MessageContent, RoomId,
    SearchTerms, Seq, UserId,
};
use uuid::Uuid;

use crate::engine::{Query, Rows, SearchLookup, SearchRows, Transaction, Write};
use crate::store::Database;

fn room(n: u128) -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(n))
}

fn id(room: u128, seq: u64) -> EventId {
    EventId::from_uuid(Uuid::from_u128((room << 64) | u128::from(seq)))
}

fn event(at_room: u128, seq: u64, at: i64, kind: EventKind, content: Content) -> Event {
    let sender = UserId::new(if seq.is_multiple_of(2) { "ada" } else { "bob" }).unwrap();
    let id = id(at_room, seq);
    Event { id, room: room(at_room), seq: Seq::new(seq), sender, at, kind, content, fold: None }
}

fn said(at_room: u128, seq: u64, at: i64, text: &str) -> Write {
    let content = Content::of(&MessageContent::of_text(text)).unwrap();
    Write::Event(Box::new(event(at_room, seq, at, EventKind::Message, content)))
}

fn edited(at_room: u128, seq: u64, target: u64, text: &str) -> Write {
    let content = MessageContent::of_text(text);
    let content = Content::of(&EditContent { target: id(at_room, target), content }).unwrap();
    let event = Box::new(event(at_room, seq, 9, EventKind::Edit, content));
    Write::Mutation { event, mine: false }
}

fn deleted(at_room: u128, seq: u64, target: u64) -> Write {
    let content = Content::of(&DeleteContent { target: id(at_room, target) }).unwrap();
    let event = Box::new(event(at_room, seq, 9, EventKind::Delete, content));
    Write::Mutation { event, mine: false }
}

fn write(database: &mut Database, writes: impl IntoIterator<Item = Write>) {
    let writes = writes.into_iter().collect();
    database.execute(&Transaction { writes, ..Transaction::default() }).unwrap();
}

fn look(database: &mut Database, lookup: SearchLookup) -> SearchRows {
    match database.query(&Query::Search(Box::new(lookup))).unwrap() {
        Rows::Search(rows) => *rows,
        other => panic!("{other:?}"),
    }
}

fn lookup(text: &str) -> SearchLookup {
    let terms = SearchTerms::parse(text).unwrap();
    SearchLookup { terms, room: None, sender: None, limit: 50, before: None, beside: false }
}

fn found(database: &mut Database, text: &str) -> Vec<(RoomId, u64)> {
    let rows = look(database, lookup(text));
    rows.events.iter().map(|event| (event.room, event.seq.get())).collect()
}

#[test]
fn what_is_written_is_found_with_the_newest_first_and_rooms_and_senders_apart() {
    let mut database = Database::in_memory().unwrap();
    write(
        &mut database,
        [
            said(1, 1, 100, "Hello World"),
            said(2, 1, 300, "hello from elsewhere"),
            said(1, 2, 200, "nothing"),
            said(1, 3, 400, "say HELLO again"),
            said(1, 4, 400, "and hello"),
        ],
    );
    let all = [(room(1), 4), (room(1), 3), (room(2), 1), (room(1), 1)];
    assert_eq!(found(&mut database, "hello"), all);
    assert_eq!(found(&mut database, "hello wor"), [(room(1), 1)]);
    assert_eq!(found(&mut database, "\"hello\" NOT -again"), []);
    let of_room = look(&mut database, SearchLookup { room: Some(room(2)), ..lookup("hello") });
    assert_eq!(of_room.events.len(), 1);
    let sender = Some(UserId::new("ada").unwrap());
    let of_ada = look(&mut database, SearchLookup { sender, ..lookup("hello") });
    assert_eq!(of_ada.events.iter().map(|event| event.seq.get()).collect::<Vec<_>>(), [4]);
    let nowhere = look(&mut database, SearchLookup { room: Some(room(9)), ..lookup("hello") });
    assert_eq!(nowhere, SearchRows::default());
}

#[test]
fn pages_go_on_where_the_last_one_ended_also_within_one_millisecond() {
    let mut database = Database::in_memory().unwrap();
    // Far more of one moment than any number can tell apart: those of 256 rooms further share places.
    for n in [1, 2, 257, 513] {
        write(&mut database, (1..=40).map(|seq| said(n, seq, 5, "hello")));
        write(&mut database, [said(n, 4_097, 5, "hello"), said(n, 8_193, 5, "hello")]);
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = look(&mut database, SearchLookup { limit: 7, before, ..lookup("hello") });
        assert!(page.events.len() == 7 || page.next.is_none());
        seen.extend(page.events.iter().map(|event| (event.room, event.seq)));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 4 * 42);
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "each once");
}

#[test]
fn an_edit_is_found_by_what_it_says_and_what_is_deleted_by_nothing() {
    let mut database = Database::in_memory().unwrap();
    write(&mut database, [said(1, 1, 1, "first words"), said(1, 2, 2, "second words")]);
    write(&mut database, [edited(1, 3, 1, "other things"), deleted(1, 4, 2)]);
    assert_eq!(found(&mut database, "words"), []);
    assert_eq!(found(&mut database, "things"), [(room(1), 1)]);
    // Changes that came before their message, and one that was overtaken.
    write(&mut database, [edited(1, 13, 11, "late edit"), edited(1, 12, 11, "early edit")]);
    write(&mut database, [said(1, 11, 3, "before any edit")]);
    assert_eq!(found(&mut database, "edit"), [(room(1), 11)]);
    assert_eq!(found(&mut database, "late"), [(room(1), 11)]);
    assert_eq!(found(&mut database, "before"), []);
    write(&mut database, [deleted(1, 15, 14), said(1, 14, 4, "gone at once")]);
    assert_eq!(found(&mut database, "gone"), []);
}

#[test]
fn a_history_replaces_what_was_there_and_brings_what_was_not() {
    let mut database = Database::in_memory().unwrap();
    let folded = |seq, at, text: &str, as_of| {
        let content = Content::of(&MessageContent::of_text(text)).unwrap();
        let event = Box::new(event(1, seq, at, EventKind::Message, content));
        Write::Folded { event, as_of: Seq::new(as_of) }
    };
    write(&mut database, [said(1, 1, 1, "as it was")]);
    write(&mut database, [folded(1, 1, "as it is", 9), folded(2, 2, "as ever", 9)]);
    assert_eq!(found(&mut database, "as"), [(room(1), 2), (room(1), 1)]);
    assert_eq!(found(&mut database, "was"), []);
    // An older one changes nothing.
    write(&mut database, [folded(1, 1, "as it was", 5)]);
    assert_eq!(found(&mut database, "was"), []);
}

#[test]
fn a_wiped_cache_is_not_found_any_more() {
    let mut database = Database::in_memory().unwrap();
    write(&mut database, [said(1, 1, 1, "hello")]);
    write(&mut database, [Write::WipeCache(Epoch::new("e2"))]);
    assert_eq!(found(&mut database, "hello"), []);
    write(&mut database, [said(2, 1, 1, "hello")]);
    assert_eq!(found(&mut database, "hello"), [(room(2), 1)]);
}

#[test]
fn what_an_earlier_version_stored_is_taken_in_step_by_step_the_newest_first() {
    let mut database = Database::in_memory().unwrap();
    for n in [1, 2] {
        write(&mut database, (1..=10).map(|seq| said(n, seq, seq as i64, "hello there")));
        let head = Write::Head { room: room(n), head_seq: Seq::new(10), feed_seq: Seq::new(10) };
        write(&mut database, [head]);
    }
    database
        .connection
        .execute_batch(
            "INSERT INTO search (search) VALUES ('delete-all'); DELETE FROM search_docs;
             INSERT INTO search_todo SELECT rk, head_seq + 1 FROM rooms;
             UPDATE events SET sender = '' WHERE rk = 1 AND seq = 2;",
        )
        .unwrap();
    let left = |database: &mut Database| look(database, lookup("hello")).unindexed;
    assert_eq!(left(&mut database), [(room(1), Seq::new(11)), (room(2), Seq::new(11))]);
    // Meanwhile life goes on.
    write(&mut database, [said(1, 11, 11, "hello"), edited(1, 12, 9, "changed")]);
    write(&mut database, [Write::IndexMore(4)]);
    assert_eq!(left(&mut database)[0], (room(1), Seq::new(7)));
    assert_eq!(found(&mut database, "hello").len(), 4, "seq 9 says something else");
    write(&mut database, [Write::IndexMore(7)]);
    assert_eq!(left(&mut database), [(room(2), Seq::new(10))]);
    write(&mut database, [Write::IndexMore(100)]);
    assert_eq!(left(&mut database), []);
    // All but the changed one and the one that can not be read.
    assert_eq!(found(&mut database, "hello").len(), 21 - 2);
    assert_eq!(found(&mut database, "changed"), [(room(1), 9)]);
    write(&mut database, [Write::IndexMore(100)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn each_word_of_a_message_finds_it(texts in proptest::collection::vec("\\PC{1,60}", 1..12)) {
        let mut database = Database::in_memory().unwrap();
        let writes = texts.iter().zip(1..).map(|(text, seq)| said(1, seq, 7, text));
        write(&mut database, writes);
        for (text, seq) in texts.iter().zip(1_u64..) {
            for word in text.split_whitespace() {
                if SearchTerms::parse(word).is_ok() {
                    let found = found(&mut database, word);
                    prop_assert!(found.contains(&(room(1), seq)), "{word:?} of {text:?}");
                }
            }
        }
    }
}
