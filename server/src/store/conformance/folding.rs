//! Promises about what a history makes of changes.

use tidewire_protocol::{
    Change, Event, EventId, EventKind, Fold, HistoryAnchor, MessageContent, Reactions, RoomId, Seq,
    limits,
};

use super::{Fixture, delete, edit, error, events, message, op, reaction, reply, seqs, user};
use crate::store::StoreError;

fn fold(event: &Event) -> Fold {
    event.fold.as_deref().cloned().unwrap_or_default()
}

fn text(event: &Event) -> String {
    event.content.parse::<MessageContent>().unwrap().text
}

fn reactions(event: &Event) -> Vec<(String, u32, bool, Vec<String>)> {
    let told = |r: Reactions| {
        (r.key, r.count, r.mine, r.by.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    fold(event).reactions.into_iter().map(told).collect()
}

impl Fixture<'_> {
    async fn folded(&self, room: RoomId, reader: &str, id: EventId) -> Event {
        let page = self.store.message(room, user(reader), id).await.unwrap();
        events(&page.messages).remove(0)
    }
}

pub(super) async fn history_is_folded_as_of_its_head(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let one = f.send(room, "ada", message("one")).await;
    let two = f.send(room, "bob", message("two")).await;
    f.send(room, "bob", reaction(one, "+", false)).await;
    f.send(room, "cyd", reaction(one, "-", false)).await;
    f.send(room, "ada", reaction(one, "+", false)).await;
    f.send(room, "ada", edit(one, "one and a half")).await;
    f.send(room, "ada", edit(one, "one, two")).await;
    f.send(room, "cyd", reply(one, "in the thread")).await;
    f.send(room, "ada", delete(two)).await;
    f.send(room, "bob", reaction(one, "+", true)).await;
    let page = f.store.history(room, user("ada"), None, HistoryAnchor::Newest, 100).await.unwrap();
    assert_eq!(page.covers, Some((Seq::new(1), Seq::new(11))));
    assert_eq!((seqs(&page.messages), page.as_of), (vec![1, 2, 3, 9], Seq::new(11)));
    let page = events(&page.messages);
    assert_eq!((text(&page[1]).as_str(), page[1].id), ("one, two", one));
    assert_eq!(
        reactions(&page[1]),
        [("+".into(), 1, true, vec!["ada".into()]), ("-".into(), 1, false, vec!["cyd".into()]),]
    );
    let first = fold(&page[1]);
    assert_eq!(first.edited.map(|edit| edit.seq), Some(Seq::new(8)));
    assert_eq!(first.deleted, None);
    let thread = first.thread.unwrap();
    assert_eq!((thread.replies, thread.last), (1, Change { seq: Seq::new(9), at: page[3].at }));
    assert_eq!((page[2].content.as_json(), page[2].kind.as_str()), ("{}", "message"));
    let deleted = fold(&page[2]);
    assert_eq!(deleted.deleted.map(|change| change.seq), Some(Seq::new(10)));
    assert_eq!((deleted.edited, deleted.reactions), (None, vec![]));
    assert_eq!((&page[0].fold, &page[3].fold), (&None, &None));
    // What is the reader's own is told to the reader alone.
    let bobs = f.history(room, "bob").await;
    assert!(reactions(&bobs[1]).iter().all(|(_, _, mine, _)| !mine));
    // A deletion takes all with it but the thread, in which a message keeps its place.
    f.send(room, "ada", delete(one)).await;
    f.send(room, "cyd", reply(one, "still")).await;
    f.send(room, "cyd", delete(page[3].id)).await;
    let page = f.history(room, "ada").await;
    let root = fold(&page[1]);
    assert_eq!((root.edited, root.reactions), (None, vec![]));
    assert_eq!(root.thread.unwrap().replies, 2);
    assert_eq!(page[3].content.as_json(), format!("{{\"thread\":\"{one}\"}}"));
    // The feed has every event as it was written.
    let log = f.log().await;
    assert_eq!(log.len(), 14);
}

pub(super) async fn pages_go_on_over_what_was_folded_away(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    let mut ids = Vec::new();
    for n in 0..4 {
        let id = f.send(room, "ada", message(&n.to_string())).await;
        for round in 0..30 {
            f.send(room, "ada", reaction(id, "+", round % 2 == 1)).await;
        }
        ids.push(id);
    }
    // 1 is the room's, the messages are 2, 33, 64, 95; the head is 125.
    let read = |anchor, limit| f.store.history(room, user("ada"), None, anchor, limit);
    for (anchor, limit, expected, covers) in [
        (HistoryAnchor::Newest, 1, vec![95], Some((65, 125))),
        (HistoryAnchor::Newest, 3, vec![33, 64, 95], Some((3, 125))),
        (HistoryAnchor::Newest, 100, vec![1, 2, 33, 64, 95], Some((1, 125))),
        (HistoryAnchor::Before(Seq::new(65)), 1, vec![64], Some((34, 64))),
        (HistoryAnchor::Before(Seq::new(64)), 2, vec![2, 33], Some((2, 63))),
        (HistoryAnchor::Before(Seq::new(80)), 1, vec![64], Some((34, 79))),
        (HistoryAnchor::After(Seq::new(64)), 5, vec![95], Some((65, 125))),
        (HistoryAnchor::After(Seq::new(100)), 5, vec![], Some((101, 125))),
        (HistoryAnchor::After(Seq::new(2)), 1, vec![33], Some((3, 63))),
        (HistoryAnchor::Around(Seq::new(50)), 2, vec![33, 64], Some((3, 94))),
        (HistoryAnchor::Around(Seq::new(125)), 2, vec![64, 95], Some((34, 125))),
        (HistoryAnchor::Around(Seq::new(1)), 2, vec![1, 2], Some((1, 32))),
    ] {
        let page = read(anchor, limit).await.unwrap();
        let told = page.covers.map(|(first, last)| (first.get(), last.get()));
        assert_eq!((seqs(&page.messages), told), (expected, covers), "{anchor:?} {limit}");
    }
    // Page by page, either way, all of it is spoken of once.
    let (mut below, mut seen) = (Seq::new(126), Vec::new());
    while let Some((first, last)) = read(HistoryAnchor::Before(below), 2).await.unwrap().covers {
        assert_eq!(last.next(), below);
        seen.push((first, last));
        below = first;
    }
    assert_eq!((below, seen.len()), (Seq::new(1), 3));
    let mut after = Seq::ZERO;
    while let Some((first, last)) = read(HistoryAnchor::After(after), 2).await.unwrap().covers {
        assert_eq!(first, after.next());
        after = last;
    }
    assert_eq!(after, Seq::new(125));
}

pub(super) async fn concurrent_reactions_come_to_exact_counts(f: &Fixture<'_>) {
    let names: Vec<String> = (0..15).map(|n| format!("u{n}")).collect();
    let others: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = f.group("ada", &others).await;
    let id = f.send(room, "ada", message("vote")).await;
    let voters: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(n, name)| {
            let (store, name) = (f.store.clone(), user(name));
            tokio::spawn(async move {
                // Everybody tries more than counts: repeats, removals, removals of nothing.
                for round in 0..=n % 3 {
                    for removed in [false, false, true, true] {
                        let _ = store
                            .append(room, name.clone(), vec![reaction(id, "+", removed)])
                            .await
                            .unwrap();
                    }
                    if round == 2 || n % 3 == 0 {
                        let add = vec![reaction(id, "+", false)];
                        store.append(room, name.clone(), add).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for voter in voters {
        voter.await.unwrap();
    }
    // n % 3 == 0: five, in the end with it; == 1: five without; == 2: five with it.
    let folded = f.folded(room, "u0", id).await;
    let told = reactions(&folded);
    assert_eq!(told.len(), 1);
    let (_, count, mine, by) = &told[0];
    assert_eq!((*count, *mine, by.len()), (10, true, limits::REACTION_USERS));
    // The log says the same: those added less those removed.
    let log = f.log().await;
    let mut sum = 0;
    for entry in log {
        if let crate::store::News::Event(event) = entry.news
            && let tidewire_protocol::Body::Reaction(reaction) = events(&[event.json])[0].body()
        {
            sum += if reaction.removed { -1 } else { 1 };
        }
    }
    assert_eq!(sum, 10);
    // At most so many are named, those who have it for the longest time.
    f.store.add_members(room, user("ada"), vec![user("late")]).await.unwrap();
    f.send(room, "late", reaction(id, "+", false)).await;
    let (_, count, _, by) = reactions(&f.folded(room, "ada", id).await).remove(0);
    assert_eq!((count, by.len()), (11, limits::REACTION_USERS));
    assert!(!by.contains(&"late".to_owned()));
}

pub(super) async fn a_former_member_sees_messages_as_they_were_at_the_leave(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let id = f.send(room, "ada", message("first")).await;
    f.send(room, "ada", edit(id, "second")).await;
    f.send(room, "cyd", reaction(id, "+", false)).await;
    f.send(room, "bob", reaction(id, "+", false)).await;
    f.send(room, "cyd", reply(id, "a")).await;
    let other = f.send(room, "ada", message("other")).await;
    let before = f.history(room, "bob").await;
    f.store.remove_member(room, user("bob"), user("bob")).await.unwrap();
    f.send(room, "ada", edit(id, "third")).await;
    f.send(room, "cyd", reaction(id, "+", true)).await;
    f.send(room, "ada", reaction(id, "-", false)).await;
    f.send(room, "ada", reaction(id, "+", false)).await;
    f.send(room, "cyd", reply(id, "b")).await;
    f.send(room, "ada", delete(other)).await;
    let unseen = f.send(room, "ada", message("unseen")).await;
    let mut after = f.history(room, "bob").await;
    assert_eq!(after.pop().unwrap().kind, EventKind::MemberLeft);
    assert_eq!(after, before);
    assert_eq!(f.folded(room, "bob", id).await, before[1]);
    assert_eq!(error(f.store.message(room, user("bob"), unseen).await), StoreError::UnknownMessage);
    let state = f.store.room(room, user("bob")).await.unwrap();
    assert_eq!(events(&[state.last_message.unwrap()]), [before[3].clone()]);
}

pub(super) async fn a_thread_has_pages_of_its_own(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    f.say(room, "ada", 2).await;
    let root = f.send(room, "ada", message("root")).await;
    for n in 0..5 {
        f.send(room, "bob", message("between")).await;
        let id = f.send(room, "bob", reply(root, &n.to_string())).await;
        f.send(room, "ada", reaction(id, "+", false)).await;
    }
    f.send(room, "ada", edit(root, "the root")).await;
    // The root is 4, its thread 6, 9, 12, 15, 18; the head is 20.
    let read = |anchor, limit| f.store.history(room, user("ada"), Some(root), anchor, limit);
    for (anchor, limit, expected, covers) in [
        (HistoryAnchor::Newest, 100, vec![4, 6, 9, 12, 15, 18], Some((4, 20))),
        (HistoryAnchor::Newest, 2, vec![15, 18], Some((13, 20))),
        (HistoryAnchor::Before(Seq::new(15)), 2, vec![9, 12], Some((7, 14))),
        (HistoryAnchor::Before(Seq::new(7)), 2, vec![4, 6], Some((4, 6))),
        (HistoryAnchor::Before(Seq::new(6)), 2, vec![4], Some((4, 5))),
        (HistoryAnchor::Before(Seq::new(4)), 2, vec![], None),
        (HistoryAnchor::After(Seq::ZERO), 2, vec![4, 6], Some((4, 8))),
        (HistoryAnchor::After(Seq::new(4)), 2, vec![6, 9], Some((5, 11))),
        (HistoryAnchor::After(Seq::new(18)), 2, vec![], Some((19, 20))),
        (HistoryAnchor::Around(Seq::new(12)), 4, vec![6, 9, 12, 15], Some((5, 17))),
    ] {
        let page = read(anchor, limit).await.unwrap();
        let told = page.covers.map(|(first, last)| (first.get(), last.get()));
        assert_eq!((seqs(&page.messages), told), (expected, covers), "{anchor:?} {limit}");
    }
    let page = events(&read(HistoryAnchor::Newest, 100).await.unwrap().messages);
    assert_eq!((text(&page[0]).as_str(), fold(&page[0]).thread.unwrap().replies), ("the root", 5));
    assert_eq!(reactions(&page[5]), [("+".into(), 1, true, vec!["ada".into()])]);
    // One without a thread is a page of itself, one that is not there none.
    let alone = f.send(room, "ada", message("alone")).await;
    let page = f.store.history(room, user("ada"), Some(alone), HistoryAnchor::Newest, 9).await;
    let page = page.unwrap();
    assert_eq!((seqs(&page.messages), page.covers), (vec![21], Some((Seq::new(21), Seq::new(21)))));
    let unknown = message("never sent").id;
    let page = f.store.history(room, user("ada"), Some(unknown), HistoryAnchor::Newest, 9).await;
    assert_eq!(error(page), StoreError::UnknownMessage);
}

pub(super) async fn a_message_is_found_by_its_id(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let id = f.send(room, "ada", message("x")).await;
    let edited = f.send(room, "ada", edit(id, "y")).await;
    let page = f.store.message(room, user("bob"), id).await.unwrap();
    assert_eq!((page.covers, page.as_of), (Some((Seq::new(2), Seq::new(2))), Seq::new(3)));
    assert_eq!(text(&events(&page.messages)[0]), "y");
    let created = f.history(room, "ada").await[0].id;
    for id in [edited, created, message("never sent").id] {
        let page = f.store.message(room, user("ada"), id).await;
        assert_eq!(error(page), StoreError::UnknownMessage);
    }
    assert_eq!(error(f.store.message(room, user("eve"), id).await), StoreError::NotAMember);
}

pub(super) async fn a_page_of_history_ends_at_its_bytes_and_goes_on(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    let content = MessageContent {
        metadata: Some(serde_json::json!("m".repeat(limits::METADATA_BYTES - 2))),
        ..MessageContent::of_text("t".repeat(limits::TEXT_BYTES))
    };
    for _ in 0..20 {
        let ops: Vec<_> = (0..10).map(|_| op(EventKind::Message, &content)).collect();
        f.append(room, "ada", ops).await;
    }
    let read = |anchor| f.store.history(room, user("ada"), None, anchor, 200);
    for anchor in [
        HistoryAnchor::Newest,
        HistoryAnchor::After(Seq::ZERO),
        HistoryAnchor::Around(Seq::new(100)),
    ] {
        let page = read(anchor).await.unwrap();
        let bytes: usize = page.messages.iter().map(|json| json.get().len()).sum();
        assert!(bytes <= limits::HISTORY_BYTES && bytes > limits::HISTORY_BYTES * 9 / 10);
        let (first, last) = page.covers.unwrap();
        assert_eq!(seqs(&page.messages), (first.get()..=last.get()).collect::<Vec<_>>());
        let held = match anchor {
            HistoryAnchor::Newest => last == Seq::new(201),
            HistoryAnchor::After(_) => first == Seq::new(1),
            _ => first < Seq::new(50) && last > Seq::new(150),
        };
        assert!(held, "{anchor:?} {first} {last}");
    }
    let mut below = Seq::new(202);
    while let Some((first, last)) = read(HistoryAnchor::Before(below)).await.unwrap().covers {
        assert_eq!(last.next(), below);
        below = first;
    }
    assert_eq!(below, Seq::new(1));
}

pub(super) async fn a_state_has_the_last_message_folded(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let state = || f.store.room(room, user("bob"));
    assert!(state().await.unwrap().last_message.is_none(), "there is none");
    let id = f.send(room, "ada", message("said")).await;
    assert!(state().await.unwrap().last_message.is_none(), "it is the last event");
    f.send(room, "bob", reaction(id, "+", false)).await;
    let told = events(&[state().await.unwrap().last_message.unwrap()]).remove(0);
    assert_eq!((told.id, reactions(&told)), (id, vec![("+".into(), 1, true, vec!["bob".into()])]));
    f.send(room, "ada", reply(id, "in the thread")).await;
    f.send(room, "ada", edit(id, "said better")).await;
    let told = events(&[state().await.unwrap().last_message.unwrap()]).remove(0);
    assert_eq!((told.id, text(&told).as_str()), (id, "said better"));
    // The list of rooms has it, too.
    let listed = f.store.rooms(user("bob"), None).await.unwrap().rooms.remove(0);
    assert_eq!(events(&[listed.last_message.unwrap()])[0], told);
    f.send(room, "ada", delete(id)).await;
    let told = events(&[state().await.unwrap().last_message.unwrap()]).remove(0);
    assert_eq!((told.id, told.content.as_json()), (id, "{}"));
}
