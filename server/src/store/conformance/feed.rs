//! Promises about the feed: pages together are the log, whatever cuts them.

use std::collections::BTreeMap;

use tidewire_protocol::{Content, Op, RoomId, limits};

use super::{Fixture, error, events, message, query, seqs, user};
use crate::store::{Ords, StoreError};

pub(super) async fn pages_together_are_the_log(f: &Fixture<'_>) {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut rooms = Vec::new();
    for n in 0..6 {
        // Every third room is none of Bob's.
        let others: &[&str] = if n % 3 == 2 { &["eve"] } else { &["bob"] };
        rooms.push((f.group("ada", others).await, n % 3 != 2));
    }
    let shards = f.shards().await;
    let start = f.store.heads().await.unwrap();
    let mut expected = Vec::new();
    for n in 0..200 {
        let (room, bobs) = rooms[rng.usize(..rooms.len())];
        let op = message(&format!("{n}"));
        if bobs {
            expected.push((room, op.id));
        }
        f.append(room, "ada", vec![op]).await;
    }
    // The log has one order in each shard.
    expected.sort_by_key(|(room, _)| shards[room]);
    for _ in 0..10 {
        let mut from = start.clone();
        let mut found = Vec::new();
        loop {
            let limit = rng.usize(1..=limits::PAGE_EVENTS);
            let mut asked = query("bob", &from, limit);
            asked.room_limit = 1_000;
            let page = f.store.feed_page(asked).await.unwrap();
            assert!(page.limited.is_empty());
            assert!(page.events.len() <= limit);
            found.extend(events(&page.events).iter().map(|event| (event.room, event.id)));
            assert!(page.to.covers(&from));
            assert!(!page.more || page.to != from, "each page makes progress");
            from = page.to;
            if !page.more {
                break;
            }
        }
        found.sort_by_key(|(room, _)| shards[room]);
        assert_eq!(found, expected);
        assert_eq!(from, f.store.heads().await.unwrap());
    }
}

pub(super) async fn whoever_joins_gets_the_state_and_what_follows(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    let start = f.store.heads().await.unwrap();
    f.say(room, "ada", 3).await;
    f.store.add_members(room, user("ada"), vec![user("bob")]).await.unwrap();
    f.say(room, "ada", 2).await;
    let page = f.page("bob", &start, 50).await;
    assert!(page.events.is_empty(), "all of it is in the state");
    assert_eq!(page.limited.len(), 1);
    let state = &page.limited[0];
    assert_eq!((state.id, state.head_seq.get(), state.joined), (room, 7, true));
    assert_eq!(seqs(&[state.last_event.clone().unwrap()]), [7]);
    f.say(room, "ada", 2).await;
    let next = f.page("bob", &page.to, 50).await;
    assert_eq!(seqs(&next.events), [8, 9]);
    assert!(next.limited.is_empty());
    // From the start of the world as well: the room came with its first event.
    let fresh = f.page("ada", &Ords::zero(f.store.shards()), 50).await;
    assert_eq!((fresh.events.len(), fresh.limited.len()), (0, 1));
}

pub(super) async fn whoever_leaves_gets_the_leave_and_nothing_after(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let start = f.store.heads().await.unwrap();
    f.say(room, "ada", 2).await;
    f.store.remove_member(room, user("ada"), user("bob")).await.unwrap();
    f.say(room, "ada", 3).await;
    let page = f.page("bob", &start, 50).await;
    assert_eq!(seqs(&page.events), [2, 3, 4]);
    assert!(page.limited.is_empty() && !page.more);
    let state = f.store.room(room, user("bob")).await.unwrap();
    assert_eq!((state.joined, state.head_seq.get(), state.members), (false, 4, 1));
    f.say(room, "ada", 1).await;
    let next = f.page("bob", &page.to, 50).await;
    assert!(next.events.is_empty() && next.limited.is_empty());
    // Back again: the room as it is now.
    f.store.add_members(room, user("ada"), vec![user("bob")]).await.unwrap();
    let back = f.page("bob", &next.to, 50).await;
    assert!(back.events.is_empty());
    assert_eq!((back.limited[0].joined, back.limited[0].head_seq.get()), (true, 9));
    // And somebody who came and went between two looks hears that he is out.
    f.store.add_members(room, user("ada"), vec![user("eve")]).await.unwrap();
    f.store.remove_member(room, user("eve"), user("eve")).await.unwrap();
    let page = f.page("eve", &start, 50).await;
    assert_eq!((page.events.len(), page.limited[0].joined), (0, false));
}

pub(super) async fn a_room_with_too_much_news_is_limited_and_the_others_still_come(
    f: &Fixture<'_>,
) {
    let busy = f.group("ada", &["bob"]).await;
    let exact = f.group("ada", &["bob"]).await;
    let quiet = f.group("ada", &["bob"]).await;
    let start = f.store.heads().await.unwrap();
    f.say(quiet, "ada", 1).await;
    f.say(busy, "ada", 51).await;
    f.say(exact, "ada", 50).await;
    f.say(quiet, "ada", 1).await;
    let mut from = start;
    let mut found: BTreeMap<RoomId, Vec<u64>> = BTreeMap::new();
    let mut limited = Vec::new();
    let mut pages = 0;
    loop {
        let page = f.page("bob", &from, 50).await;
        pages += 1;
        assert!(page.events.len() + page.limited.len() <= 50);
        for event in events(&page.events) {
            found.entry(event.room).or_default().push(event.seq.get());
        }
        limited.extend(page.limited.iter().map(|room| (room.id, room.head_seq.get())));
        from = page.to;
        if !page.more {
            break;
        }
        assert!(pages < 10);
    }
    assert_eq!(limited, [(busy, 52)]);
    assert_eq!(found.get(&quiet), Some(&vec![2, 3]));
    assert_eq!(found.get(&exact), Some(&(2..=51).collect()));
    assert_eq!(from, f.store.heads().await.unwrap());
}

pub(super) async fn a_page_ends_at_its_bytes_and_goes_on(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let start = f.store.heads().await.unwrap();
    let blob = Content::of(&"x".repeat(limits::CONTENT_BYTES - 2)).unwrap();
    for _ in 0..20 {
        let op = Op { kind: "blob".into(), content: blob.clone(), ..message("") };
        f.append(room, "ada", vec![op]).await;
    }
    let (mut from, mut found) = (start, Vec::new());
    loop {
        let page = f.page("bob", &from, 50).await;
        let bytes: usize = page.events.iter().map(|json| json.get().len()).sum();
        assert!(bytes <= limits::PAGE_BYTES && !page.events.is_empty());
        found.extend(seqs(&page.events));
        from = page.to;
        if !page.more {
            break;
        }
    }
    assert_eq!(found, (2..=21).collect::<Vec<_>>());
}

pub(super) async fn bodies_that_the_client_has_are_left_out(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let other = f.group("ada", &["bob"]).await;
    let start = f.store.heads().await.unwrap();
    let last = f.say(room, "ada", 60).await;
    f.say(other, "ada", 1).await;
    let mut asked = query("bob", &start, 50);
    asked.have.insert(room, tidewire_protocol::Seq::new(last.get() - 3));
    let page = f.store.feed_page(asked.clone()).await.unwrap();
    assert!(page.limited.is_empty(), "what the client has does not count");
    let mut left = seqs(&page.events);
    left.sort_unstable();
    assert_eq!(left, [2, 59, 60, 61]);
    asked.have.insert(room, last);
    assert_eq!(seqs(&f.store.feed_page(asked.clone()).await.unwrap().events), [2]);
    asked.have.insert(room, tidewire_protocol::Seq::new(u64::MAX));
    assert_eq!(seqs(&f.store.feed_page(asked).await.unwrap().events), [2]);
}

pub(super) async fn a_cursor_beyond_the_head_is_refused(f: &Fixture<'_>) {
    f.group("ada", &[]).await;
    let heads = f.store.heads().await.unwrap();
    assert!(f.page("ada", &heads, 50).await.events.is_empty());
    let beyond = heads.iter().map(|ord| ord + 1).collect();
    let page = f.store.feed_page(query("ada", &beyond, 50)).await;
    assert_eq!(error(page), StoreError::CursorBeyondHead);
    let far = heads.iter().map(|_| u64::MAX).collect();
    assert_eq!(
        error(f.store.feed_page(query("ada", &far, 50)).await),
        StoreError::CursorBeyondHead
    );
}
