//! However events arrive, what is stored of a message is what comes of them in the order of the log.

use proptest::prelude::*;
use tidewire_protocol::{
    Change, Content, DeleteContent, EditContent, Event, EventId, EventKind, Fold, MessageContent,
    ReactionContent, RoomId, Seq, UserId, limits,
};
use uuid::Uuid;

use super::execute::Database;
use crate::defaults;
use crate::engine::{Done, Folded, Mutation, Query, Rows, Transaction, Write};

const ME: &str = "user0";

fn room() -> RoomId {
    RoomId::from_uuid(Uuid::from_u128(7))
}

fn id(number: u64) -> EventId {
    EventId::from_uuid(Uuid::from_u128(u128::from(number)))
}

fn event<T: serde::Serialize>(seq: u64, sender: &str, kind: EventKind, content: &T) -> Event {
    Event {
        id: id(seq),
        room: room(),
        seq: Seq::new(seq),
        sender: UserId::new(sender).unwrap(),
        at: seq as i64 * 1_000,
        kind,
        content: Content::of(content).unwrap(),
        fold: None,
    }
}

fn message(seq: u64, text: &str) -> Event {
    event(seq, "user1", EventKind::Message, &MessageContent::of_text(text))
}

fn edit(seq: u64, target: u64, text: &str) -> Event {
    let content = MessageContent::of_text(text);
    event(seq, "user1", EventKind::Edit, &EditContent { target: id(target), content })
}

fn delete(seq: u64, target: u64) -> Event {
    event(seq, "user1", EventKind::Delete, &DeleteContent { target: id(target) })
}

fn react(seq: u64, target: u64, user: &str, key: &str, removed: bool) -> Event {
    let reaction = ReactionContent { target: id(target), key: key.into(), removed };
    event(seq, user, EventKind::Reaction, &reaction)
}

fn reply(seq: u64, root: u64) -> Event {
    let content = MessageContent { thread: Some(id(root)), ..MessageContent::of_text("so") };
    event(seq, "user2", EventKind::Message, &content)
}

fn write(event: Event) -> Write {
    let mine = event.sender.as_str() == ME;
    match event.kind {
        EventKind::Message => Write::Event(Box::new(event)),
        _ => Write::Mutation { event: Box::new(event), mine },
    }
}

fn commit(database: &mut Database, writes: Vec<Write>) -> Vec<Event> {
    database.execute(&Transaction { writes, ..Transaction::default() }).unwrap()
}

fn stored(database: &mut Database, seq: u64) -> Option<Event> {
    match database.query(&Query::Event(room(), id(seq))).unwrap() {
        Rows::Events(events) => events.into_iter().next(),
        other => panic!("{other:?}"),
    }
}

/// What comes of a message by changes in the order of the log.
fn folded<'a>(message: &Event, changes: impl IntoIterator<Item = &'a Event>) -> Event {
    let mut folded = Folded { content: message.content.clone(), fold: Fold::default() };
    for change in changes {
        let Some(mutation) = Mutation::of(&change.kind, &change.content) else { continue };
        if mutation.target == message.id {
            let at = Change { seq: change.seq, at: change.at };
            let mine = change.sender.as_str() == ME;
            folded.take(&mutation.act, Done { by: &change.sender, mine, at });
        }
    }
    let fold = (!folded.fold.is_empty()).then(|| Box::new(folded.fold));
    Event { content: folded.content, fold, ..message.clone() }
}

/// As two have to agree: whom a reaction names is some of them.
fn comparable(event: &Event) -> Event {
    let mut event = event.clone();
    for one in event.fold.iter_mut().flat_map(|fold| &mut fold.reactions) {
        assert!(one.by.len() <= limits::REACTION_USERS && one.by.len() <= one.count as usize);
        one.by.clear();
    }
    event
}

/// A log: a message at 1, and what changed it, as a server takes it.
fn log(steps: &[(u8, u8, u8)]) -> Vec<Event> {
    let mut log = vec![message(1, "first")];
    let mut reactions = std::collections::BTreeSet::new();
    let mut deleted = false;
    for (what, who, key) in steps {
        let seq = log.len() as u64 + 1;
        let (user, key) = (format!("user{who}"), format!("key{key}"));
        log.push(match what {
            0..2 if !deleted => edit(seq, 1, &format!("text {seq}")),
            2 if !deleted && *who == 0 => {
                deleted = true;
                delete(seq, 1)
            }
            3..5 => reply(seq, 1),
            5 => message(seq, "another one"),
            _ if !deleted => {
                let removed = !reactions.insert((user.clone(), key.clone()));
                if removed {
                    reactions.remove(&(user.clone(), key.clone()));
                }
                react(seq, 1, &user, &key, removed)
            }
            _ => message(seq, "and so on"),
        });
    }
    log
}

/// What arrives: an event by itself, or the message as a history has it, folded as of a seq.
#[derive(Debug, Clone, Copy)]
enum Arrival {
    Event(usize),
    History(usize),
}

fn arrivals() -> impl Strategy<Value = (Vec<Event>, Vec<Arrival>)> {
    prop::collection::vec((0u8..16, 0u8..13, 0u8..3), 0..40).prop_flat_map(|steps| {
        let log = log(&steps);
        let len = log.len();
        let histories = prop::collection::vec(0..len, 0..3);
        (Just(log), histories, any::<bool>(), prop::collection::vec(0..len, 0..5)).prop_flat_map(
            |(log, histories, alone, again)| {
                // It comes by itself, by a history, or both: never by itself where it is held.
                let alone = alone || histories.is_empty();
                let mut all: Vec<Arrival> = (1..log.len()).map(Arrival::Event).collect();
                all.extend(again.into_iter().filter(|at| *at > 0).map(Arrival::Event));
                all.extend(histories.iter().map(|at| Arrival::History(*at)));
                all.extend(alone.then_some(Arrival::Event(0)));
                (Just(log), Just(all).prop_shuffle())
            },
        )
    })
}

proptest! {
    #[test]
    fn in_whatever_order_and_how_often_changes_come_the_message_is_what_the_log_makes_of_it(
        (log, arrivals) in arrivals(),
    ) {
        let mut database = Database::in_memory().unwrap();
        let mut held = false;
        let mut known = std::collections::BTreeSet::new();
        let mut shown: Option<Event> = None;
        for arrival in arrivals {
            let writes = match arrival {
                // What is held is dropped before it comes here; changes are taken twice all the same.
                Arrival::Event(at) if log[at].kind == EventKind::Message && !known.insert(at) => continue,
                Arrival::Event(0) if held => continue,
                Arrival::Event(at) => vec![write(log[at].clone())],
                Arrival::History(at) => {
                    let as_of = Seq::new(at as u64 + 1);
                    let event = Box::new(folded(&log[0], &log[1..=at]));
                    vec![Write::Folded { event, as_of }]
                }
            };
            held |= matches!(arrival, Arrival::Event(0) | Arrival::History(_));
            for write in &writes {
                if let Write::Event(event) | Write::Folded { event, .. } = write && event.id == log[0].id {
                    shown = Some((**event).clone());
                }
            }
            for event in commit(&mut database, writes) {
                if event.id == log[0].id {
                    shown = Some(event);
                }
            }
            // Whoever shows what was given, and then what the store says came of it, shows the disk.
            prop_assert_eq!(&shown, &stored(&mut database, 1));
        }
        let expected = folded(&log[0], &log[1..]);
        prop_assert_eq!(comparable(&shown.unwrap()), comparable(&expected));
    }
}

#[test]
fn a_change_that_comes_before_its_message_waits_for_it() {
    let mut database = Database::in_memory().unwrap();
    let told = commit(&mut database, vec![write(edit(3, 1, "late")), write(reply(2, 1))]);
    assert_eq!(told, [], "there is nothing to show yet");
    let told = commit(&mut database, vec![write(message(1, "early"))]);
    let expected = folded(&message(1, "early"), &[reply(2, 1), edit(3, 1, "late")]);
    assert_eq!(told, std::slice::from_ref(&expected));
    assert_eq!(stored(&mut database, 1), Some(expected));
}

#[test]
fn a_reaction_taken_away_before_it_was_given_is_not_there() {
    let mut database = Database::in_memory().unwrap();
    let (given, taken) = (react(2, 1, ME, "+1", false), react(3, 1, ME, "+1", true));
    commit(&mut database, vec![write(message(1, "m")), write(taken), write(given)]);
    assert_eq!(stored(&mut database, 1).unwrap().fold, None);
}

#[test]
fn a_deletion_wins_over_everything_whenever_it_comes() {
    let mut database = Database::in_memory().unwrap();
    let changes = [delete(5, 1), edit(3, 1, "better"), react(4, 1, ME, "+1", false)];
    let writes = std::iter::once(message(1, "m")).chain(changes).map(write).collect();
    commit(&mut database, writes);
    let left = stored(&mut database, 1).unwrap();
    assert_eq!(left.content.as_json(), "{}");
    let deleted = Some(Change { seq: Seq::new(5), at: 5_000 });
    assert_eq!(*left.fold.unwrap(), Fold { deleted, ..Fold::default() });
}

#[test]
fn a_history_folded_before_a_change_that_is_known_here_does_not_undo_it() {
    let mut database = Database::in_memory().unwrap();
    let first = message(1, "m");
    let changes = [edit(2, 1, "2"), react(3, 1, "user5", "+1", false), edit(4, 1, "4")];
    commit(&mut database, vec![write(first.clone()), write(changes[2].clone())]);
    // As of 3, asked for before the edit at 4 was made.
    let event = Box::new(folded(&first, &changes[..2]));
    let told = commit(&mut database, vec![Write::Folded { event, as_of: Seq::new(3) }]);
    let expected = folded(&first, &changes);
    assert_eq!(told, std::slice::from_ref(&expected));
    assert_eq!(stored(&mut database, 1), Some(expected));
}

#[test]
fn changes_of_messages_that_never_come_are_bounded_and_the_oldest_go() {
    let mut database = Database::in_memory().unwrap();
    let most = defaults::WAITING_CHANGES as u64;
    // All of other messages, none of which is here.
    let first = 1_000_000;
    for n in 0..most + 50 {
        commit(&mut database, vec![write(edit(first + n, n + 1, "never seen"))]);
    }
    let count = |database: &Database| -> u64 {
        let sql = "SELECT count(*) FROM mutations";
        database.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64
    };
    assert_eq!(count(&database), most);
    // The newest are there, the oldest are not.
    commit(&mut database, vec![write(message(1, "a")), write(message(most + 50, "b"))]);
    assert_eq!(stored(&mut database, 1).unwrap().fold, None);
    assert!(stored(&mut database, most + 50).unwrap().fold.is_some());
    // One that has found its message makes room again.
    commit(&mut database, vec![write(edit(first * 2, 2_000_000, "waits"))]);
    assert_eq!(count(&database), most + 1);
}

#[test]
fn another_epoch_takes_what_waits_along() {
    let mut database = Database::in_memory().unwrap();
    commit(&mut database, vec![write(edit(2, 1, "of before"))]);
    let epoch = tidewire_protocol::Epoch::new("e2");
    commit(&mut database, vec![Write::WipeCache(epoch), write(message(1, "new"))]);
    assert_eq!(stored(&mut database, 1).unwrap().fold, None);
}

#[test]
fn a_thread_is_read_by_itself_and_not_with_its_room() {
    let mut database = Database::in_memory().unwrap();
    let writes = [message(1, "root"), reply(2, 1), message(3, "other"), reply(4, 1), reply(5, 3)];
    commit(&mut database, writes.map(write).into());
    let seqs = |rows: Rows| match rows {
        Rows::Events(events) => events.iter().map(|event| event.seq.get()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let newest = Query::Newest { room: room(), limit: 10 };
    assert_eq!(seqs(database.query(&newest).unwrap()), [1, 3]);
    let of_root = |before, limit| {
        let before = Seq::new(before);
        Query::Thread { room: room(), root: id(1), before, limit }
    };
    assert_eq!(seqs(database.query(&of_root(100, 10)).unwrap()), [2, 4]);
    assert_eq!(seqs(database.query(&of_root(4, 10)).unwrap()), [2]);
    let replies = stored(&mut database, 1).unwrap().fold.unwrap().thread.unwrap();
    assert_eq!((replies.replies, replies.last.seq), (2, Seq::new(4)));
}
