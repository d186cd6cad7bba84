//! Promises about receipts: watermarks that grow, and news of them in the feed.

use std::collections::BTreeMap;

use tidewire_protocol::{Receipt, ReceiptUpdate, RoomId, Seq, UnreadBase};

use super::{Fixture, error, places, query, room_id, seqs, user};
use crate::store::{FeedPage, News, StoreError};

fn update(room: RoomId, delivered: Option<u64>, read: Option<u64>) -> ReceiptUpdate {
    ReceiptUpdate { room, delivered: delivered.map(Seq::new), read: read.map(Seq::new) }
}

/// Who, delivered, read.
fn told(receipts: &[Receipt]) -> Vec<(&str, u64, u64)> {
    receipts.iter().map(|r| (r.user.as_str(), r.delivered.get(), r.read.get())).collect()
}

impl Fixture<'_> {
    async fn put(&self, name: &str, updates: &[ReceiptUpdate]) {
        self.store.put_receipts(user(name), updates.to_vec()).await.unwrap();
    }

    async fn receipts(&self, room: RoomId, name: &str) -> Vec<Receipt> {
        self.store.room(room, user(name)).await.unwrap().receipts
    }
}

pub(super) async fn watermarks_only_grow_and_never_pass_the_head(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    assert_eq!(told(&f.receipts(room, "ada").await), [("ada", 1, 1), ("bob", 1, 1)]);
    f.say(room, "ada", 9).await;
    for (delivered, read, after) in [
        (Some(4), None, (4, 1)),
        (Some(2), Some(0), (4, 1)),
        (None, Some(3), (4, 3)),
        // What is read has arrived.
        (Some(1), Some(7), (7, 7)),
        (Some(u64::MAX), None, (10, 7)),
        (None, Some(u64::MAX), (10, 10)),
        (None, None, (10, 10)),
    ] {
        f.put("bob", &[update(room, delivered, read)]).await;
        let (delivered, read) = after;
        let now = f.receipts(room, "ada").await;
        assert_eq!(told(&now), [("ada", 1, 1), ("bob", delivered, read)]);
    }
    // Twice in one request: the higher of both, at one place.
    let before = f.store.heads().await.unwrap();
    f.put("ada", &[update(room, Some(9), None), update(room, Some(3), Some(2))]).await;
    assert_eq!(told(&f.receipts(room, "bob").await)[0], ("ada", 9, 2));
    assert_eq!(places(&f.store.heads().await.unwrap()), places(&before) + 1);
}

pub(super) async fn what_moves_nothing_writes_nothing(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    f.say(room, "ada", 3).await;
    f.put("bob", &[update(room, Some(4), Some(3))]).await;
    let heads = f.store.heads().await.unwrap();
    let again = [update(room, Some(4), Some(3)), update(room, Some(1), None)];
    f.put("bob", &again).await;
    // Rooms that are not there, and those of others.
    f.put("eve", &[update(room, Some(4), Some(4)), update(room_id(), Some(1), None)]).await;
    f.put("bob", &[]).await;
    assert_eq!(f.store.heads().await.unwrap(), heads);
    assert!(f.page("ada", &heads, 50).await.receipts.is_empty());
    // What is foreign keeps nothing of one's own from being taken.
    f.put("bob", &[update(room_id(), Some(1), None), update(room, None, Some(4))]).await;
    assert_eq!(told(&f.page("ada", &heads, 50).await.receipts), [("bob", 4, 4)]);
}

pub(super) async fn a_move_is_news_for_all_members_once(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "eve"]).await;
    let other = f.group("dan", &["eve"]).await;
    f.say(room, "ada", 5).await;
    let start = f.store.heads().await.unwrap();
    for seq in 2..=4 {
        f.put("bob", &[update(room, Some(seq), None)]).await;
    }
    for name in ["ada", "bob", "eve"] {
        let page = f.page(name, &start, 50).await;
        assert_eq!(told(&page.receipts), [("bob", 4, 1)], "{name}: only the newest");
        assert!(page.events.is_empty() && page.limited.is_empty() && !page.more);
        let next = f.page(name, &page.to, 50).await;
        assert!(next.receipts.is_empty(), "{name}");
    }
    assert!(f.page("dan", &start, 50).await.receipts.is_empty());
    // Beside events, each at its place.
    f.say(room, "ada", 1).await;
    f.put("eve", &[update(room, None, Some(7)), update(other, None, Some(1))]).await;
    let page = f.page("ada", &start, 50).await;
    assert_eq!((seqs(&page.events), told(&page.receipts).len()), (vec![7], 2));
}

pub(super) async fn a_read_settles_the_unread_base(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    f.say(room, "ada", 9).await;
    f.put("bob", &[update(room, Some(10), Some(8))]).await;
    let (unread, mentions, as_of, read) = (2, 0, Seq::new(10), Seq::new(8));
    let base = f.store.room(room, user("bob")).await.unwrap().unread_base;
    assert_eq!(base, Some(UnreadBase { unread, mentions, as_of, read }));
}

pub(super) async fn former_members_move_and_see_none_and_come_back_anew(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "eve"]).await;
    f.say(room, "ada", 4).await;
    f.put("bob", &[update(room, Some(3), None)]).await;
    let start = f.store.heads().await.unwrap();
    f.put("eve", &[update(room, Some(5), None)]).await;
    f.store.remove_member(room, user("ada"), user("bob")).await.unwrap();
    let left = f.store.heads().await.unwrap();
    f.put("bob", &[update(room, Some(5), Some(5))]).await;
    assert_eq!(f.store.heads().await.unwrap(), left);
    assert_eq!(told(&f.receipts(room, "ada").await), [("ada", 1, 1), ("eve", 5, 1)]);
    assert!(f.receipts(room, "bob").await.is_empty());
    assert!(f.page("bob", &start, 50).await.receipts.is_empty());
    f.store.add_members(room, user("ada"), vec![user("bob")]).await.unwrap();
    assert_eq!(told(&f.receipts(room, "ada").await)[1], ("bob", 7, 7));
    // Of what was before, the state told him.
    let back = f.page("bob", &start, 50).await;
    assert_eq!((told(&back.receipts).len(), back.limited[0].receipts.len()), (0, 3));
}

pub(super) async fn how_far_the_others_are_is_told_to_members_who_ask(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "dan", "eve", "fay"]).await;
    let said = f.say(room, "ada", 1).await;
    for name in ["bob", "dan", "fay"] {
        f.put(name, &[update(room, Some(said.get()), None)]).await;
    }
    f.put("bob", &[update(room, None, Some(said.get()))]).await;
    f.store.remove_member(room, user("ada"), user("dan")).await.unwrap();
    let page = f.store.receipts(room, user("ada"), said, None).await.unwrap();
    assert_eq!((page.delivered_to, page.read_by, page.of), (2, 1, 3));
    assert_eq!(told(&page.receipts), [("bob", 2, 2), ("eve", 1, 1), ("fay", 2, 1)]);
    assert_eq!(page.next, None);
    // The counts are of all of them, whatever page is asked for.
    let rest = f.store.receipts(room, user("ada"), said, Some(user("bob"))).await.unwrap();
    assert_eq!((rest.read_by, rest.of, rest.receipts.len()), (1, 3, 2));
    // For a reader who is one of them, without that reader.
    let theirs = f.store.receipts(room, user("bob"), said, None).await.unwrap();
    assert_eq!((theirs.read_by, theirs.of), (0, 3));
    for stranger in ["dan", "zoe"] {
        let refused = f.store.receipts(room, user(stranger), said, None).await;
        assert_eq!(error(refused), StoreError::NotAMember);
    }
}

pub(super) async fn pages_of_receipts_together_are_all_of_them(f: &Fixture<'_>) {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    let names: Vec<String> = (0..12).map(|n| format!("u{n}")).collect();
    let others: Vec<&str> = names.iter().map(String::as_str).collect();
    let rooms = [f.group("ada", &others).await, f.group("ada", &others).await];
    let start = f.store.heads().await.unwrap();
    let mut expected = BTreeMap::new();
    let mut heads = [1, 1];
    for _ in 0..80 {
        let which = rng.usize(..2);
        if rng.bool() {
            heads[which] = f.say(rooms[which], "ada", 1).await.get();
        } else {
            let name = &names[rng.usize(..names.len())];
            f.put(name, &[update(rooms[which], Some(heads[which]), None)]).await;
            if heads[which] > 1 {
                expected.insert((rooms[which], name.clone()), heads[which]);
            }
        }
    }
    for limit in [1, 3, 50] {
        let (mut from, mut found, mut events) = (start.clone(), BTreeMap::new(), 0);
        loop {
            let mut asked = query("ada", &from, limit);
            asked.room_limit = 1_000;
            let page: FeedPage = f.store.feed_page(asked).await.unwrap();
            assert!(page.weight() <= limit);
            assert!(!page.more || page.to != from, "each page makes progress");
            events += page.events.len() as u64;
            for receipt in page.receipts {
                let key = (receipt.room, receipt.user.to_string());
                assert!(found.insert(key, receipt.delivered.get()).is_none(), "once");
            }
            from = page.to;
            if !page.more {
                break;
            }
        }
        assert_eq!((&found, events), (&expected, heads[0] + heads[1] - 2));
        assert_eq!(from, f.store.heads().await.unwrap());
    }
}

pub(super) async fn whoever_follows_the_log_sees_each_receipt_where_it_moved_last(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    f.say(room, "ada", 3).await;
    f.put("bob", &[update(room, Some(2), None)]).await;
    f.put("ada", &[update(room, Some(3), None)]).await;
    f.put("bob", &[update(room, Some(4), None)]).await;
    let shard = f.shards().await[&room];
    for limit in [1, 2, 100] {
        let (mut ord, mut log) = (0, Vec::new());
        loop {
            let entries = f.store.log_after(shard, ord, limit).await.unwrap();
            let Some(last) = entries.last() else { break };
            assert!(entries.len() <= limit && entries[0].ord > ord);
            ord = last.ord;
            log.extend(entries.into_iter().map(|entry| match entry.news {
                News::Event(event) => event.seq.to_string(),
                News::Receipt(receipt) => receipt.user.to_string(),
                News::Settings(..) | News::Blocks(..) => panic!("nobody has set anything"),
            }));
        }
        assert_eq!(log, ["1", "2", "3", "4", "ada", "bob"]);
        assert_eq!(ord, f.store.heads().await.unwrap().get(shard));
    }
}
