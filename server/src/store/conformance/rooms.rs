//! Promises about rooms, members and profiles.

use std::collections::BTreeSet;

use tidewire_protocol::{
    Body, EventKind, MessageContent, NewRoom, Op, ProfileUpdate, Role, RoleChange, RoomId,
    RoomKind, Seq, UnreadBase, UserId, limits,
};

use super::{Fixture, error, events, message, op, places, room_id, user};
use crate::store::StoreError;

fn group(id: RoomId, members: &[&str]) -> NewRoom {
    let members = members.iter().map(|name| user(name)).collect();
    NewRoom { id, kind: RoomKind::Group, name: Some("tea".into()), members }
}

fn direct(members: &[&str]) -> NewRoom {
    NewRoom { kind: RoomKind::Direct, name: None, ..group(room_id(), members) }
}

pub(super) async fn creation_is_idempotent_for_its_creator_only(f: &Fixture<'_>) {
    let room = group(room_id(), &["bob", "bob", "ada"]);
    let first = f.store.create_room(user("ada"), room.clone()).await.unwrap();
    assert_eq!((first.members, first.head_seq, first.role), (2, Seq::new(1), Role::Owner));
    assert_eq!(first.name.as_deref(), Some("tea"));
    match events(&[first.last_event.unwrap()])[0].body() {
        Body::RoomCreated(created) => assert_eq!(created.members, [user("ada"), user("bob")]),
        other => panic!("{other:?}"),
    }
    let again = f.store.create_room(user("ada"), room.clone()).await.unwrap();
    assert_eq!((again.id, again.head_seq), (first.id, first.head_seq));
    let foreign = f.store.create_room(user("bob"), room.clone()).await;
    assert_eq!(error(foreign), StoreError::IdTaken);
    let other_kind =
        NewRoom { kind: RoomKind::Direct, name: None, members: vec![user("bob")], ..room };
    assert_eq!(error(f.store.create_room(user("ada"), other_kind).await), StoreError::IdTaken);
}

pub(super) async fn a_pair_has_one_direct_room(f: &Fixture<'_>) {
    let creations: Vec<_> = (0..10)
        .map(|n| {
            let (me, other) = if n % 2 == 0 { ("ada", "bob") } else { ("bob", "ada") };
            let (store, room) = (f.store.clone(), direct(&[other]));
            tokio::spawn(async move { store.create_room(user(me), room).await.unwrap() })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for creation in creations {
        let state = creation.await.unwrap();
        assert_eq!(state.members, 2);
        assert!(state.peer.is_some());
        ids.insert(state.id);
    }
    assert_eq!(ids.len(), 1);
    let other = f.store.create_room(user("ada"), direct(&["eve"])).await.unwrap();
    assert_eq!(other.peer, Some(user("eve")));
    assert!(!ids.contains(&other.id));
}

pub(super) async fn a_direct_room_is_of_two_and_never_changes(f: &Fixture<'_>) {
    for members in [&[][..], &["ada"], &["bob", "eve"]] {
        let refused = f.store.create_room(user("ada"), direct(members)).await;
        assert!(matches!(error(refused), StoreError::InvalidContent(_)));
    }
    let room = f.store.create_room(user("ada"), direct(&["bob"])).await.unwrap().id;
    let add = f.store.add_members(room, user("ada"), vec![user("eve")]).await;
    assert!(matches!(error(add), StoreError::Forbidden(_)));
    let leave = f.store.remove_member(room, user("ada"), user("ada")).await;
    assert!(matches!(error(leave), StoreError::Forbidden(_)));
}

pub(super) async fn only_owners_change_members_and_a_group_always_has_one(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "eve"]).await;
    let add = f.store.add_members(room, user("bob"), vec![user("dan")]).await;
    assert!(matches!(error(add), StoreError::Forbidden(_)));
    let kick = f.store.remove_member(room, user("bob"), user("eve")).await;
    assert!(matches!(error(kick), StoreError::Forbidden(_)));
    // Who is in already stays as he is, and is no event.
    let same = f.store.add_members(room, user("ada"), vec![user("bob")]).await.unwrap();
    assert_eq!((same.head_seq, same.members), (Seq::new(1), 3));
    let more = f.store.add_members(room, user("ada"), vec![user("dan"), user("dan")]).await;
    assert_eq!((more.as_ref().unwrap().head_seq, more.unwrap().members), (Seq::new(2), 4));
    let left = f.store.remove_member(room, user("ada"), user("ada")).await.unwrap();
    assert_eq!((left.joined, left.head_seq, left.members), (false, Seq::new(3), 3));
    // Asked again, because the first answer was lost.
    let again = f.store.remove_member(room, user("ada"), user("ada")).await.unwrap();
    assert_eq!(again.head_seq, Seq::new(3));
    let heir = f.store.room(room, user("bob")).await.unwrap();
    assert_eq!((heir.role, heir.head_seq), (Role::Owner, Seq::new(4)));
    let told = events(&[heir.last_event.unwrap()]).remove(0);
    let change = RoleChange { user: user("bob"), role: Role::Owner };
    assert_eq!((told.sender.as_str(), told.body()), ("ada", Body::MemberRole(change)));
    let old = f.store.room(room, user("ada")).await.unwrap();
    assert_eq!(old.head_seq, Seq::new(3), "who inherits is told to those who stay");
    assert_eq!(f.store.room(room, user("eve")).await.unwrap().role, Role::Member);
    f.store.remove_member(room, user("bob"), user("eve")).await.unwrap();
}

pub(super) async fn a_room_takes_only_so_many(f: &Fixture<'_>) {
    let names: Vec<String> = (0..18).map(|n| format!("u{n}")).collect();
    let others: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = f.group("ada", &others).await;
    let before = f.store.heads().await.unwrap();
    // One place is free, two are asked for.
    let over = f.store.add_members(room, user("ada"), vec![user("bob"), user("eve")]).await;
    assert!(matches!(error(over), StoreError::InvalidContent(_)));
    assert_eq!(f.store.heads().await.unwrap(), before, "a refused request writes nothing");
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().members, 19);
    assert_eq!(error(f.store.room(room, user("bob")).await), StoreError::NotAMember);
    let last = f.store.add_members(room, user("ada"), vec![user("bob")]).await.unwrap();
    assert_eq!((last.members, last.head_seq), (20, Seq::new(2)));
    let after = f.store.heads().await.unwrap();
    assert_eq!(places(&after), places(&before) + 1, "the refused request took no place in the log");
    let long = NewRoom { name: Some("x".repeat(257)), ..group(room_id(), &[]) };
    let long = f.store.create_room(user("ada"), long).await;
    assert!(matches!(error(long), StoreError::InvalidContent(_)));
}

pub(super) async fn the_room_list_misses_no_room_that_becomes_active(f: &Fixture<'_>) {
    let mut rooms = Vec::new();
    for _ in 0..70 {
        rooms.push(f.group("ada", &[]).await);
    }
    let first = f.store.rooms(user("ada"), None).await.unwrap();
    assert_eq!(first.rooms.len(), 30);
    let newest: Vec<RoomId> = rooms.iter().rev().take(30).copied().collect();
    assert_eq!(first.rooms.iter().map(|room| room.id).collect::<Vec<_>>(), newest);
    // The last of the list moves to its front while the pages are turned.
    f.say(rooms[0], "ada", 1).await;
    f.say(rooms[69], "ada", 1).await;
    let mut found: BTreeSet<RoomId> = first.rooms.iter().map(|room| room.id).collect();
    let mut next = first.next;
    while let Some(token) = next {
        let page = f.store.rooms(user("ada"), Some(token)).await.unwrap();
        found.extend(page.rooms.iter().map(|room| room.id));
        next = page.next;
    }
    assert_eq!(found, rooms.iter().copied().collect());
    for token in ["", "x", "d.1", "d.a.b", "u."] {
        let page = f.store.rooms(user("ada"), Some(token.into())).await;
        assert_eq!(error(page), StoreError::BadPageToken);
    }
    // A room that was left is in the list no more.
    f.store.remove_member(rooms[5], user("ada"), user("ada")).await.unwrap();
    let mut next = None;
    loop {
        let page = f.store.rooms(user("ada"), next).await.unwrap();
        assert!(page.rooms.iter().all(|room| room.id != rooms[5]));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
}

pub(super) async fn members_come_in_pages(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "eve"]).await;
    let page = f.store.members(room, user("eve"), None).await.unwrap();
    let names: Vec<&str> = page.members.iter().map(|member| member.user.as_str()).collect();
    assert_eq!(names, ["ada", "bob", "eve"]);
    assert_eq!((page.members[0].role, page.members[1].role), (Role::Owner, Role::Member));
    assert_eq!(page.next, None);
    let rest = f.store.members(room, user("eve"), Some(user("ada"))).await.unwrap();
    assert_eq!(rest.members.len(), 2);
}

pub(super) async fn profiles_are_replaced_as_a_whole(f: &Fixture<'_>) {
    let set = |name: Option<&str>, avatar_url: Option<&str>| {
        let update =
            ProfileUpdate { name: name.map(Into::into), avatar_url: avatar_url.map(Into::into) };
        f.store.set_profile(user("ada"), update)
    };
    set(Some("Ada"), Some("https://example.org/a.png")).await.unwrap();
    let changed = set(Some("Ada L."), None).await.unwrap();
    assert!(changed.updated_at > 0);
    let users: Vec<UserId> = vec![user("nobody"), user("ada")];
    let profiles = f.store.profiles(users).await.unwrap();
    assert_eq!(profiles[1], changed);
    assert_eq!((profiles[0].user.as_str(), profiles[0].updated_at), ("nobody", 0));
    assert_eq!((&profiles[0].name, &profiles[1].avatar_url), (&None, &None));
}

fn calling(users: &[&str]) -> MessageContent {
    let mentions = users.iter().map(|name| user(name)).collect();
    MessageContent { mentions, ..MessageContent::of_text("hey") }
}

/// Unread, mentions, as of, read.
fn base(unread: u32, mentions: u32, as_of: u64, read: u64) -> Option<UnreadBase> {
    Some(UnreadBase { unread, mentions, as_of: Seq::new(as_of), read: Seq::new(read) })
}

pub(super) async fn a_state_says_what_its_reader_has_not_read(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let unread = async |name| f.store.room(room, user(name)).await.unwrap().unread_base;
    assert_eq!(unread("bob").await, base(0, 0, 1, 1));
    let ops = vec![
        message("two"),
        op(EventKind::Message, &calling(&["bob", "bob", "ada"])),
        op("poll.vote".into(), &calling(&["bob"])),
    ];
    f.append(room, "ada", ops.clone()).await;
    // A repeat counts once, what is no message not at all, and nobody's own does.
    f.append(room, "ada", ops).await;
    f.append(room, "bob", vec![op(EventKind::Message, &calling(&["bob", "ada"]))]).await;
    assert_eq!(unread("bob").await, base(2, 1, 5, 1));
    assert_eq!(unread("ada").await, base(1, 1, 5, 1));
    // Whoever comes later has read what was before.
    let added = f.store.add_members(room, user("ada"), vec![user("cy")]).await.unwrap();
    assert_eq!(added.unread_base, base(1, 1, 6, 1));
    assert_eq!(unread("cy").await, base(0, 0, 6, 6));
    f.append(room, "ada", vec![message("seven")]).await;
    assert_eq!(unread("cy").await, base(1, 0, 7, 6));
    f.store.remove_member(room, user("cy"), user("cy")).await.unwrap();
    assert_eq!(unread("cy").await, None);
}

pub(super) async fn the_counts_of_unread_and_of_mentions_stop(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let all = limits::UNREAD_COUNT + 50;
    let ops: Vec<Op> = (0..all).map(|_| op(EventKind::Message, &calling(&["bob"]))).collect();
    for ops in ops.chunks(limits::OPS_PER_REQUEST) {
        f.append(room, "ada", ops.to_vec()).await;
    }
    let state = f.store.room(room, user("bob")).await.unwrap();
    let most = limits::UNREAD_COUNT;
    assert_eq!(state.unread_base, base(most, most, u64::from(all) + 1, 1));
}
