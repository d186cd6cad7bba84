//! What a start gives of each room: what a first screen shows, and nothing that is not so.

use super::*;
use crate::defaults;
use crate::engine::TailRow;

/// More rooms than a first screen has, with every number of events and every place to have read to.
#[test]
fn what_a_start_tells_of_unread_messages_is_true_as_far_as_it_goes() {
    let mut database = Database::in_memory().unwrap();
    let mut places = Vec::new();
    for events in 1..=16 {
        for read in 0..=events {
            let number = places.len() as u64 + 1;
            let mut filled = filled_room(number, events);
            let (room, seq) = (room(number), Seq::new(read));
            filled.push(Write::MarkRead { room, seq });
            database.execute(&filled).unwrap();
            places.push((room, events, read));
        }
    }
    assert!(places.len() > 2 * defaults::FIRST_ROOMS, "most are beyond a first screen");
    let rooms = start(&mut database).rooms;
    let user = UserId::new("ada").unwrap();
    for (room, events, read) in places {
        let row = rooms.iter().find(|row| row.state.id == room).unwrap();
        let what = format!("{events} events, read up to {read}: {:?}", row.tail);
        // The odd ones are another's.
        let unread: Vec<Seq> =
            (read + 1..=events).filter(|seq| seq % 2 == 1).map(Seq::new).collect();
        let last = row.state.last_event.as_ref().unwrap();
        assert_eq!(last.seq, Seq::new(events), "{what}");
        let TailRow { messages, partial, .. } = &row.tail;
        if *partial {
            let (below, told) = messages.split_first().unwrap();
            assert!(!told.is_empty() && *below > Seq::new(read), "{what}");
            let above: Vec<Seq> = unread.iter().copied().filter(|seq| seq > below).collect();
            assert_eq!(told, above, "{what}");
        } else {
            assert_eq!(*messages, unread, "{what}");
        }
        let rest = Query::Tails { user: user.clone(), rooms: vec![room] };
        let Ok(Rows::Tails(rest)) = database.load(&rest) else { panic!("{what}") };
        assert_eq!(rest[0].1.messages, unread, "{what}");
    }
}

#[test]
fn a_room_whose_head_is_not_here_starts_with_the_newest_event_that_is() {
    let mut database = Database::in_memory().unwrap();
    let mut filled = filled_room(1, 5);
    let mut state = RoomRow::without_state(room(1), 1_760_000_000_000);
    state.head_seq = Seq::new(9);
    filled.push(Write::Room { state: Box::new(state), as_of: Seq::new(9), feed_seq: Seq::new(5) });
    database.execute(&filled).unwrap();
    let rooms = start(&mut database).rooms;
    assert_eq!(rooms[0].state.head_seq, Seq::new(9));
    assert_eq!(rooms[0].state.last_event.as_ref().map(|last| last.seq), Some(Seq::new(5)));
}

#[test]
fn each_room_starts_with_its_own_receipts() {
    let mut database = Database::in_memory().unwrap();
    for number in 1..=4 {
        database.execute(&filled_room(number, 3)).unwrap();
    }
    // One that has none, between others.
    let mut none = Transaction::default();
    none.push(Write::Receipts { room: room(2), receipts: vec![] });
    let user = UserId::new("ada").unwrap();
    let receipt = Receipt { room: room(3), user, delivered: Seq::new(3), read: Seq::new(2) };
    none.push(Write::Receipt(receipt.clone()));
    database.execute(&none).unwrap();
    let own = start(&mut database).rooms.into_iter().filter_map(|row| row.own);
    assert_eq!(own.collect::<Vec<_>>(), [receipt]);
    let Ok(Rows::Receipts(all)) = database.load(&Query::receipts_of_all()) else { panic!() };
    let mut told: Vec<(RoomId, Vec<String>)> = Vec::new();
    for (room, receipts) in all {
        assert!(receipts.iter().all(|receipt| receipt.room == room));
        told.push((room, receipts.iter().map(|receipt| receipt.user.to_string()).collect()));
    }
    told.sort();
    let of = |number, users: &[&str]| (room(number), users.iter().map(|u| u.to_string()).collect());
    assert_eq!(told, [of(1, &["bob"]), of(3, &["ada", "bob"]), of(4, &["bob"])]);
}
