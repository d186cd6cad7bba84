//! Promises about what is written and how it is read back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidewire_protocol::{ErrorCode, HistoryAnchor, OpOutcome, Seq};

use super::{Fixture, error, events, message, seqs, user};
use crate::store::{Entry, LiveRead, News, StoreError};

fn seq_of(entry: &Entry) -> u64 {
    match &entry.news {
        News::Event(event) => event.seq.get(),
        other => panic!("nobody has read or set anything: {other:?}"),
    }
}

pub(super) async fn a_repeat_gets_the_answer_of_the_original(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let ops = vec![message("one"), message("two")];
    let first = f.append(room, "ada", ops.clone()).await;
    let again = f.append(room, "ada", ops.clone()).await;
    assert_eq!(first.results, again.results);
    assert_eq!((first.fresh, again.fresh), (2, 0));
    // Twice within one request, too.
    let op = message("three");
    let twice = f.append(room, "ada", vec![op.clone(), op]).await;
    assert_eq!(twice.results[0], twice.results[1]);
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().head_seq, Seq::new(4));
    // The id is the room's own.
    let other = f.group("ada", &[]).await;
    assert_eq!(f.append(other, "ada", ops).await.fresh, 2);
}

pub(super) async fn an_id_that_stands_for_something_else_is_taken(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let op = message("mine");
    f.append(room, "ada", vec![op.clone()]).await;
    let mut changed = message("changed");
    changed.id = op.id;
    let mut other_kind = op.clone();
    other_kind.kind = "poll".into();
    for (sender, op) in [("bob", op), ("ada", changed), ("ada", other_kind)] {
        let appended = f.append(room, sender, vec![op]).await;
        match &appended.results[0].outcome {
            OpOutcome::Refused { error } => assert_eq!(error.code, ErrorCode::IdTaken),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().head_seq, Seq::new(2));
}

pub(super) async fn what_was_accepted_stays_so_after_a_removal(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let accepted = vec![message("one"), message("two")];
    let first = f.append(room, "bob", accepted.clone()).await;
    let adas = message("of Ada's");
    f.append(room, "ada", vec![adas.clone()]).await;
    f.store.remove_member(room, user("ada"), user("bob")).await.unwrap();
    let heads = f.store.heads().await.unwrap();
    let again = f.append(room, "bob", accepted.clone()).await;
    assert_eq!((&again.results, again.fresh), (&first.results, 0));
    // Behind the repeats nothing is taken any more.
    let [one, two] = [accepted[0].clone(), accepted[1].clone()];
    let mixed = f.append(room, "bob", vec![one.clone(), message("new"), two]).await;
    assert_eq!((&mixed.results[0], mixed.fresh), (&first.results[0], 0));
    match &mixed.results[1].outcome {
        OpOutcome::Refused { error } => assert_eq!(error.code, ErrorCode::NotAMember),
        other => panic!("{other:?}"),
    }
    assert_eq!(mixed.results[2].outcome, OpOutcome::NotTried);
    // What is not his own, or not the same, is as unknown as what is not there.
    let mut changed = one.clone();
    changed.kind = "poll".into();
    for op in [message("new"), adas, changed] {
        let refused = f.store.append(room, user("bob"), vec![op, one.clone()]).await;
        assert_eq!(error(refused), StoreError::NotAMember);
    }
    assert_eq!(f.store.heads().await.unwrap(), heads);
}

pub(super) async fn after_a_refusal_nothing_more_is_tried(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    let mut reserved = message("x");
    reserved.kind = "room.created".into();
    let appended = f.append(room, "ada", vec![message("one"), reserved, message("three")]).await;
    assert!(matches!(appended.results[0].outcome, OpOutcome::Accepted { .. }));
    match &appended.results[1].outcome {
        OpOutcome::Refused { error } => assert_eq!(error.code, ErrorCode::InvalidContent),
        other => panic!("{other:?}"),
    }
    assert_eq!(appended.results[2].outcome, OpOutcome::NotTried);
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().head_seq, Seq::new(2));
}

pub(super) async fn only_members_write_and_read(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    f.store.remove_member(room, user("ada"), user("bob")).await.unwrap();
    let write = |name: &str| f.store.append(room, user(name), vec![message("no")]);
    let none = StoreError::NotAMember;
    assert_eq!(error(write("eve").await), none);
    assert_eq!(error(write("bob").await), none);
    assert_eq!(error(f.store.append(super::room_id(), user("ada"), vec![]).await), none);
    let eve = user("eve");
    assert_eq!(error(f.store.room(room, eve.clone()).await), none);
    assert_eq!(error(f.store.members(room, eve.clone(), None).await), none);
    assert_eq!(error(f.store.live_after(room, eve.clone(), Seq::ZERO).await), none);
    let history = f.store.history(room, eve.clone(), None, HistoryAnchor::Newest, 10).await;
    assert_eq!(error(history), none);
    assert_eq!(error(f.store.add_members(room, eve.clone(), vec![eve.clone()]).await), none);
    assert_eq!(error(f.store.remove_member(room, eve.clone(), user("ada")).await), none);
    assert!(f.store.rooms(eve, None).await.unwrap().rooms.is_empty());
}

pub(super) async fn concurrent_writers_leave_no_gap_and_no_repeat(f: &Fixture<'_>) {
    const WRITERS: usize = 8;
    const EACH: usize = 50;
    let names: Vec<String> = (0..WRITERS).map(|n| format!("w{n}")).collect();
    let others: Vec<&str> = names.iter().map(String::as_str).collect();
    let rooms = [f.group("ada", &others).await, f.group("ada", &others).await];
    let writers: Vec<_> = names
        .iter()
        .map(|name| {
            let (store, name) = (f.store.clone(), user(name));
            tokio::spawn(async move {
                for n in 0..EACH {
                    let op = message(&n.to_string());
                    let room = rooms[n % 2];
                    let first = store.append(room, name.clone(), vec![op.clone()]).await.unwrap();
                    let again = store.append(room, name.clone(), vec![op]).await.unwrap();
                    assert_eq!(first.results, again.results);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let log = f.log().await;
    let place = |entry: &Entry| (entry.shard, entry.ord);
    assert!(log.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])));
    for room in rooms {
        let seqs: Vec<u64> =
            log.iter().filter(|entry| entry.room == Some(room)).map(seq_of).collect();
        let all: Vec<u64> = (1..=(WRITERS * EACH / 2 + 1) as u64).collect();
        assert_eq!(seqs, all);
    }
}

pub(super) async fn whoever_follows_the_log_misses_nothing(f: &Fixture<'_>) {
    const WRITERS: usize = 8;
    const EACH: usize = 60;
    let room = f.group("ada", &[]).await;
    let shard = f.shards().await[&room];
    let done = Arc::new(AtomicBool::new(false));
    let follower = {
        let (store, done) = (f.store.clone(), done.clone());
        tokio::spawn(async move {
            let (mut ord, mut seen) = (0, Vec::new());
            loop {
                // Looked at before the read: what was written then must be in it.
                let last = done.load(Ordering::SeqCst);
                let entries = store.log_after(shard, ord, 7).await.unwrap();
                if entries.is_empty() && last {
                    return seen;
                }
                ord = entries.last().map_or(ord, |entry| entry.ord);
                seen.extend(entries.iter().map(seq_of));
            }
        })
    };
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = f.store.clone();
            tokio::spawn(async move {
                for _ in 0..EACH {
                    store.append(room, user("ada"), vec![message("x")]).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let all: Vec<u64> = (1..=(WRITERS * EACH + 1) as u64).collect();
    assert_eq!(follower.await.unwrap(), all);
}

pub(super) async fn reopened_it_has_everything(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let op = message("kept");
    let first = f.append(room, "ada", vec![op.clone()]).await;
    let heads = f.store.heads().await.unwrap();
    let state = f.store.room(room, user("bob")).await.unwrap();
    f.store.close().await;
    let store = f.reopened().await;
    assert_eq!(store.epoch(), f.store.epoch());
    assert_eq!(store.heads().await.unwrap(), heads);
    let again = store.room(room, user("bob")).await.unwrap();
    assert_eq!((again.head_seq, again.members), (state.head_seq, state.members));
    assert_eq!(events(&[again.last_event.unwrap()]), events(&[state.last_event.unwrap()]));
    // A repeat is still known as one, and the numbers go on.
    let repeat = store.append(room, user("ada"), vec![op, message("next")]).await.unwrap();
    assert_eq!(repeat.results[0], first.results[0]);
    assert_eq!(repeat.fresh, 1);
    let after = store.heads().await.unwrap();
    assert!(after.covers(&heads) && after != heads);
    store.close().await;
}

pub(super) async fn closed_it_says_so(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    f.store.close().await;
    f.store.close().await;
    let write = f.store.append(room, user("ada"), vec![message("late")]).await;
    assert!(matches!(error(write), StoreError::Unavailable(_)));
    assert!(matches!(error(f.store.heads().await), StoreError::Unavailable(_)));
}

pub(super) async fn history_speaks_of_the_range_that_was_asked(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    f.say(room, "ada", 19).await;
    let read = |anchor, limit| f.store.history(room, user("ada"), None, anchor, limit);
    let cases = [
        (HistoryAnchor::Newest, 5, Some((16, 20))),
        (HistoryAnchor::Newest, 200, Some((1, 20))),
        (HistoryAnchor::Before(Seq::new(10)), 4, Some((6, 9))),
        (HistoryAnchor::Before(Seq::new(3)), 4, Some((1, 2))),
        (HistoryAnchor::Before(Seq::new(1)), 4, None),
        (HistoryAnchor::Before(Seq::ZERO), 4, None),
        (HistoryAnchor::Before(Seq::new(u64::MAX)), 4, Some((17, 20))),
        (HistoryAnchor::After(Seq::ZERO), 4, Some((1, 4))),
        (HistoryAnchor::After(Seq::new(18)), 4, Some((19, 20))),
        (HistoryAnchor::After(Seq::new(20)), 4, None),
        (HistoryAnchor::After(Seq::new(u64::MAX)), 4, None),
        (HistoryAnchor::Around(Seq::new(10)), 4, Some((8, 11))),
        (HistoryAnchor::Around(Seq::new(1)), 4, Some((1, 4))),
        (HistoryAnchor::Around(Seq::new(20)), 4, Some((17, 20))),
        (HistoryAnchor::Around(Seq::new(u64::MAX)), 4, Some((17, 20))),
    ];
    for (anchor, limit, expected) in cases {
        let page = read(anchor, limit).await.unwrap();
        let covers = page.covers.map(|(a, b)| (a.get(), b.get()));
        assert_eq!(covers, expected, "{anchor:?} {limit}");
        let all: Vec<u64> = expected.map_or(vec![], |(a, b)| (a..=b).collect());
        assert_eq!(seqs(&page.messages), all, "{anchor:?} {limit}");
        assert_eq!((page.as_of, page.first_seq), (Seq::new(20), Seq::new(1)));
    }
    // Whoever has left reads up to the leave.
    f.store.remove_member(room, user("bob"), user("bob")).await.unwrap();
    f.say(room, "ada", 5).await;
    let page = f.store.history(room, user("bob"), None, HistoryAnchor::Newest, 3).await.unwrap();
    assert_eq!((seqs(&page.messages), page.as_of), (vec![19, 20, 21], Seq::new(21)));
}

pub(super) async fn a_live_read_goes_on_after_a_seq(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    f.say(room, "ada", 60).await;
    let read = |after| f.store.live_after(room, user("ada"), Seq::new(after));
    match read(11).await.unwrap() {
        LiveRead::Events { events, prev, more, joined } => {
            assert_eq!(seqs(&events), (12..=61).collect::<Vec<_>>());
            assert_eq!((prev, more, joined), (Seq::new(11), false, true));
        }
        other => panic!("{other:?}"),
    }
    match read(10).await.unwrap() {
        LiveRead::Limited(state) => assert_eq!(state.head_seq, Seq::new(61)),
        other => panic!("{other:?}"),
    }
    // A client that claims more than there is gets what comes, from the head on.
    match read(1_000).await.unwrap() {
        LiveRead::Events { events, prev, .. } => {
            assert_eq!((events.len(), prev), (0, Seq::new(61)));
        }
        other => panic!("{other:?}"),
    }
}
