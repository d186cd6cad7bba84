//! Promises about users who have blocked each other.

use tidewire_protocol::{
    BlockList, ErrorCode, NewRoom, OpOutcome, RoomId, RoomKind, RoomState, UserId, limits,
};

use super::{Fixture, delete, edit, error, message, reaction, room_id, user};
use crate::store::{EventJson, News, StoreError};

fn list(version: u64, names: &[&str]) -> BlockList {
    BlockList { version, users: names.iter().map(|name| user(name)).collect() }
}

impl Fixture<'_> {
    async fn block(&self, name: &str, other: &str) -> BlockList {
        self.store.set_blocked(user(name), user(other), true, None).await.unwrap()
    }

    async fn unblock(&self, name: &str, other: &str) -> BlockList {
        self.store.set_blocked(user(name), user(other), false, None).await.unwrap()
    }

    async fn blocks(&self, name: &str) -> BlockList {
        self.store.block_lists(vec![user(name)]).await.unwrap().remove(0)
    }

    async fn create(
        &self,
        kind: RoomKind,
        creator: &str,
        others: &[&str],
    ) -> Result<RoomState<EventJson>, StoreError> {
        let members = others.iter().map(|name| user(name)).collect();
        let room = NewRoom { id: room_id(), kind, name: None, members };
        self.store.create_room(user(creator), room).await
    }

    async fn direct(&self, creator: &str, other: &str) -> RoomId {
        self.create(RoomKind::Direct, creator, &[other]).await.unwrap().id
    }
}

pub(super) async fn between_two_of_whom_one_has_blocked_the_other_nothing_is_written(
    f: &Fixture<'_>,
) {
    let room = f.direct("ada", "bob").await;
    let (bobs, adas) = (f.send(room, "bob", message("hi")).await, message("hello"));
    let adas = f.send(room, "ada", adas).await;
    let repeated = message("before");
    f.send(room, "bob", repeated.clone()).await;
    assert_eq!(f.block("ada", "bob").await, list(1, &["bob"]));
    // The one hears that it cannot be delivered, the other what to do.
    for op in [message("still"), edit(bobs, "hm"), reaction(adas, "+", false)] {
        assert_eq!(f.refused(room, "bob", op).await, ErrorCode::Blocked);
    }
    assert_eq!(f.refused(room, "ada", message("well")).await, ErrorCode::UnblockFirst);
    // What was accepted stays so, and what was said may be taken back.
    f.send(room, "bob", repeated).await;
    f.send(room, "bob", delete(bobs)).await;
    f.send(room, "ada", delete(adas)).await;
    // Neither learns what the other one has done.
    assert_eq!(f.block("bob", "ada").await, list(1, &["ada"]));
    assert_eq!(f.refused(room, "bob", message("no")).await, ErrorCode::UnblockFirst);
    assert_eq!(f.unblock("ada", "bob").await, list(2, &[]));
    assert_eq!(f.refused(room, "ada", message("and?")).await, ErrorCode::Blocked);
    assert_eq!(f.unblock("bob", "ada").await, list(2, &[]));
    f.say(room, "ada", 1).await;
    f.say(room, "bob", 1).await;
}

pub(super) async fn nobody_brings_those_into_a_room_who_have_blocked_him(f: &Fixture<'_>) {
    f.block("ada", "bob").await;
    let group = f.group("bob", &["cyd"]).await;
    let heads = f.store.heads().await.unwrap();
    for (creator, other, expected) in
        [("bob", "ada", StoreError::Blocked), ("ada", "bob", StoreError::UnblockFirst)]
    {
        assert_eq!(error(f.create(RoomKind::Direct, creator, &[other]).await), expected);
    }
    let refused = f.create(RoomKind::Group, "bob", &["cyd", "ada"]).await;
    assert_eq!(error(refused), StoreError::Blocked);
    let both = vec![user("dan"), user("ada")];
    let refused = f.store.add_members(group, user("bob"), both.clone()).await;
    assert_eq!(error(refused), StoreError::Blocked);
    assert_eq!(f.store.heads().await.unwrap(), heads, "nobody was added");
    // Others may, and whom somebody has blocked he may meet among others, if he wants.
    f.create(RoomKind::Group, "cyd", &["bob", "ada"]).await.unwrap();
    f.create(RoomKind::Group, "ada", &["bob"]).await.unwrap();
    // A room that is there is found.
    f.unblock("ada", "bob").await;
    let room = f.direct("bob", "ada").await;
    f.block("ada", "bob").await;
    assert_eq!([f.direct("bob", "ada").await, f.direct("ada", "bob").await], [room; 2]);
    f.unblock("ada", "bob").await;
    assert_eq!(f.store.add_members(group, user("bob"), both).await.unwrap().members, 4);
}

pub(super) async fn in_a_group_everything_goes_on(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    f.block("ada", "bob").await;
    let said = f.send(room, "bob", message("hi")).await;
    f.send(room, "ada", reaction(said, "+", false)).await;
    let base = f.store.room(room, user("ada")).await.unwrap().unread_base.unwrap();
    assert_eq!(base.unread, 1);
    // Who is in already stays, whoever adds him.
    let again = vec![user("ada"), user("cyd")];
    f.block("cyd", "ada").await;
    let refused = f.store.add_members(room, user("ada"), again.clone()).await;
    assert_eq!(error(refused), StoreError::Blocked);
    f.unblock("cyd", "ada").await;
    assert_eq!(f.store.add_members(room, user("ada"), again).await.unwrap().members, 3);
}

pub(super) async fn a_list_that_changes_is_news_for_its_user_once(f: &Fixture<'_>) {
    let start = f.store.heads().await.unwrap();
    assert_eq!(f.unblock("ada", "bob").await, list(0, &[]));
    assert_eq!(f.store.heads().await.unwrap(), start, "nothing has changed");
    f.block("ada", "cyd").await;
    f.block("ada", "bob").await;
    let room = f.group("ada", &["eve"]).await;
    f.unblock("ada", "cyd").await;
    let heads = f.store.heads().await.unwrap();
    assert_eq!(f.block("ada", "bob").await, list(3, &["bob"]));
    assert_eq!(f.store.heads().await.unwrap(), heads, "a repeat writes nothing");
    let page = f.page("ada", &start, 50).await;
    assert_eq!(page.blocks, Some(list(3, &["bob"])));
    assert_eq!((page.limited.len(), page.weight(), page.more), (1, 2, false));
    assert_eq!(f.page("ada", &page.to, 50).await.weight(), 0);
    // Page by page it comes once as well.
    let (mut from, mut told) = (start.clone(), Vec::new());
    loop {
        let page = f.page("ada", &from, 1).await;
        assert!(page.weight() <= 1);
        told.extend(page.blocks);
        from = page.to;
        if !page.more {
            break;
        }
    }
    assert_eq!(told, [list(3, &["bob"])]);
    for other in ["bob", "cyd", "eve"] {
        assert_eq!(f.page(other, &start, 50).await.blocks, None, "{other} hears nothing of it");
        assert_eq!(f.blocks(other).await, list(0, &[]));
    }
    assert_eq!(f.blocks("ada").await, list(3, &["bob"]));
    // It stands at one place of the log, with its user, and in no room.
    let of_user = |entry: &crate::store::Entry| match &entry.news {
        News::Blocks(of, list) => Some((of.clone(), (**list).clone(), entry.room)),
        _ => None,
    };
    let log: Vec<_> = f.log().await.iter().filter_map(of_user).collect();
    assert_eq!(log, [(user("ada"), list(3, &["bob"]), None)]);
    let _ = room;
    let again = f.reopened().await;
    assert_eq!(again.block_lists(vec![user("ada")]).await.unwrap(), [list(3, &["bob"])]);
}

pub(super) async fn a_change_that_follows_another_list_changes_nothing(f: &Fixture<'_>) {
    let set = |other: &str, blocked, version| {
        f.store.set_blocked(user("ada"), user(other), blocked, Some(version))
    };
    assert_eq!(set("bob", true, 0).await.unwrap(), list(1, &["bob"]));
    assert_eq!(set("bob", false, 0).await.unwrap(), list(1, &["bob"]), "it comes too late");
    // One that names a version makes one, also where it changes nothing: what was sent before is late then.
    assert_eq!(set("bob", true, 1).await.unwrap(), list(2, &["bob"]));
    assert_eq!(set("bob", false, 1).await.unwrap(), list(2, &["bob"]));
    assert_eq!(set("bob", false, 2).await.unwrap(), list(3, &[]));
    let nobody = f.store.set_blocked(user("ada"), user("ada"), true, None).await;
    assert!(matches!(error(nobody), StoreError::InvalidContent(_)));
    // In the order asked.
    f.block("cyd", "dan").await;
    let lists = f.store.block_lists(vec![user("cyd"), user("eve"), user("ada")]).await.unwrap();
    assert_eq!(lists, [list(1, &["dan"]), list(0, &[]), list(3, &[])]);
}

pub(super) async fn a_list_has_an_end(f: &Fixture<'_>) {
    let name = |n: usize| -> UserId { format!("user-{n:04}").parse().unwrap() };
    for n in 0..limits::BLOCKED_USERS {
        f.store.set_blocked(user("ada"), name(n), true, None).await.unwrap();
    }
    let full = f.blocks("ada").await;
    assert_eq!(full.users.len(), limits::BLOCKED_USERS);
    assert!(full.users.is_sorted());
    let refused = f.store.set_blocked(user("ada"), user("bob"), true, None).await;
    assert!(matches!(error(refused), StoreError::InvalidContent(_)));
    f.store.set_blocked(user("ada"), name(7), false, None).await.unwrap();
    assert!(f.block("ada", "bob").await.has(&user("bob")));
}

pub(super) async fn a_send_beside_a_block_is_before_it_or_refused(f: &Fixture<'_>) {
    let room = f.direct("ada", "bob").await;
    for _ in 0..20 {
        let sends = async {
            let mut sent = Vec::new();
            for _ in 0..3 {
                let results = f.append(room, "bob", vec![message("hi")]).await.results;
                sent.push(matches!(results[0].outcome, OpOutcome::Accepted { .. }));
            }
            sent
        };
        let block = async {
            f.block("ada", "bob").await;
            f.store.room(room, user("ada")).await.unwrap().head_seq
        };
        let (sent, head) = tokio::join!(sends, block);
        assert!(sent.is_sorted_by(|a, b| a >= b), "nothing goes on behind a refusal: {sent:?}");
        let now = f.store.room(room, user("ada")).await.unwrap().head_seq;
        assert_eq!(now, head, "what is there when the block is answered is all");
        f.unblock("ada", "bob").await;
    }
}
