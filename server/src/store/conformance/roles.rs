//! Promises about who may do what in a group, and how it looks.

use tidewire_protocol::{
    BanRequest, Body, ErrorCode, EventKind, MemberChange, NewRoom, Role, RoleChange, RoomId,
    RoomKind, RoomState, RoomUpdate, Seq,
};

use super::{Fixture, delete, error, events, message, query, room_id, user};
use crate::store::{EventJson, StoreError};

fn looks(name: Option<&str>, avatar_url: Option<&str>) -> RoomUpdate {
    RoomUpdate { name: name.map(Into::into), avatar_url: avatar_url.map(Into::into) }
}

pub(super) async fn a_group_looks_as_its_owners_want_and_is_told_once(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let update = |by: &str, looks| f.store.update_room(room, user(by), looks);
    let both = looks(Some("Harbour"), Some("https://img.example/h"));
    let state = update("ada", both.clone()).await.unwrap();
    assert_eq!((state.name.as_deref(), state.head_seq), (Some("Harbour"), Seq::new(2)));
    assert_eq!(state.avatar_url, both.avatar_url);
    // A repeat changes nothing and is not told.
    assert_eq!(update("ada", both.clone()).await.unwrap().head_seq, Seq::new(2));
    let told = f.history(room, "bob").await.remove(1);
    assert_eq!((told.sender.as_str(), told.body()), ("ada", Body::RoomUpdated(both)));
    // What is left out is cleared.
    let state = update("ada", looks(None, Some("u"))).await.unwrap();
    assert_eq!((state.name, state.avatar_url.as_deref()), (None, Some("u")));
    let bobs = f.store.room(room, user("bob")).await.unwrap();
    assert_eq!((bobs.name, bobs.avatar_url.as_deref()), (None, Some("u")));
    assert!(matches!(error(update("bob", looks(None, None)).await), StoreError::Forbidden(_)));
    assert_eq!(error(update("eve", looks(None, None)).await), StoreError::NotAMember);
    let long = looks(Some(&"x".repeat(257)), None);
    assert!(matches!(error(update("ada", long).await), StoreError::InvalidContent(_)));
    let long = looks(None, Some(&"x".repeat(1_025)));
    assert!(matches!(error(update("ada", long).await), StoreError::InvalidContent(_)));
    let id = room_id();
    let direct = NewRoom { id, kind: RoomKind::Direct, name: None, members: vec![user("bob")] };
    f.store.create_room(user("ada"), direct).await.unwrap();
    let refused = f.store.update_room(id, user("ada"), looks(Some("Us"), None)).await;
    assert!(matches!(error(refused), StoreError::Forbidden(_)));
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().head_seq, Seq::new(3));
}

pub(super) async fn owners_give_roles_and_the_last_one_stays(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let give = |by: &str, to: &str, role| f.store.set_role(room, user(by), user(to), role);
    let forbidden = |result| matches!(error(result), StoreError::Forbidden(_));
    let invalid = |result| matches!(error(result), StoreError::InvalidContent(_));
    assert!(forbidden(give("bob", "bob", Role::Owner).await));
    assert!(forbidden(give("ada", "ada", Role::Member).await), "the last owner");
    assert!(invalid(give("ada", "bob", Role::Other).await));
    assert!(invalid(give("ada", "eve", Role::Owner).await));
    assert_eq!(error(give("eve", "bob", Role::Owner).await), StoreError::NotAMember);
    assert_eq!(give("ada", "ada", Role::Owner).await.unwrap().head_seq, Seq::new(1), "no change");
    assert_eq!(give("ada", "bob", Role::Owner).await.unwrap().head_seq, Seq::new(2));
    let told = f.history(room, "cyd").await.remove(1);
    let change = RoleChange { user: user("bob"), role: Role::Owner };
    assert_eq!((told.sender.as_str(), told.body()), ("ada", Body::MemberRole(change)));
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().role, Role::Owner);
    // Another owner may take it away.
    let state = give("bob", "ada", Role::Member).await.unwrap();
    assert_eq!((state.role, state.head_seq), (Role::Owner, Seq::new(3)));
    assert!(forbidden(give("ada", "bob", Role::Member).await));
    assert!(forbidden(give("bob", "bob", Role::Member).await));
    let members = f.store.members(room, user("cyd"), None).await.unwrap().members;
    let owners: Vec<_> = members.iter().filter(|member| member.role == Role::Owner).collect();
    assert_eq!((owners.len(), owners[0].user.as_str()), (1, "bob"));
    assert_eq!(
        events(&[f.store.room(room, user("ada")).await.unwrap().last_event.unwrap()]).len(),
        1
    );
}

/// A group of Ada's in which Moe keeps order.
async fn moderated(f: &Fixture<'_>, members: &[&str]) -> RoomId {
    let room = f.group("ada", members).await;
    f.store.set_role(room, user("ada"), user("moe"), Role::Moderator).await.unwrap();
    room
}

impl Fixture<'_> {
    async fn ban(
        &self,
        room: RoomId,
        by: &str,
        name: &str,
        reason: Option<&str>,
    ) -> Result<RoomState<EventJson>, StoreError> {
        let ban = BanRequest { reason: reason.map(Into::into) };
        self.store.ban(room, user(by), user(name), ban).await
    }
}

pub(super) async fn a_moderator_keeps_order_among_members_and_an_owner_among_all(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "cyd", "moe", "mia"]).await;
    f.store.set_role(room, user("ada"), user("mia"), Role::Moderator).await.unwrap();
    assert_eq!(f.store.room(room, user("moe")).await.unwrap().role, Role::Moderator);
    let forbidden = |result| matches!(error(result), StoreError::Forbidden(_));
    let out = |by: &str, name: &str| f.store.remove_member(room, user(by), user(name));
    // Nobody below, beside or above.
    assert!(forbidden(out("bob", "cyd").await));
    assert!(forbidden(out("moe", "mia").await));
    assert!(forbidden(out("moe", "ada").await));
    assert!(forbidden(f.ban(room, "bob", "cyd", None).await));
    assert!(forbidden(f.ban(room, "moe", "mia", None).await));
    assert!(forbidden(f.ban(room, "moe", "ada", None).await));
    assert!(forbidden(f.ban(room, "moe", "moe", None).await));
    assert!(forbidden(f.store.unban(room, user("bob"), user("eve")).await));
    // Roles and looks are the owner's.
    let role = f.store.set_role(room, user("moe"), user("bob"), Role::Moderator).await;
    assert!(forbidden(role));
    assert!(forbidden(f.store.update_room(room, user("moe"), looks(None, Some("u"))).await));
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().head_seq, Seq::new(3));
    // Anybody's message.
    let adas = f.send(room, "ada", message("a")).await;
    let bobs = f.send(room, "bob", message("b")).await;
    assert_eq!(f.refused(room, "cyd", delete(bobs)).await, ErrorCode::Forbidden);
    f.send(room, "moe", delete(bobs)).await;
    f.send(room, "moe", delete(adas)).await;
    assert_eq!(f.store.add_members(room, user("moe"), vec![user("eve")]).await.unwrap().members, 6);
    assert_eq!(out("moe", "bob").await.unwrap().members, 5);
    assert_eq!(out("ada", "moe").await.unwrap().members, 4);
    let id = room_id();
    let direct = NewRoom { id, kind: RoomKind::Direct, name: None, members: vec![user("bob")] };
    f.store.create_room(user("ada"), direct).await.unwrap();
    assert!(forbidden(f.ban(id, "ada", "bob", None).await));
    assert!(forbidden(f.store.unban(id, user("ada"), user("bob")).await));
}

pub(super) async fn who_is_banned_is_out_and_stays_out_until_the_ban_is_lifted(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "cyd", "moe"]).await;
    let from = f.store.heads().await.unwrap();
    let state = f.ban(room, "moe", "bob", Some("spam")).await.unwrap();
    assert_eq!((state.members, state.head_seq), (3, Seq::new(4)));
    // A repeat changes nothing, and neither does another reason.
    assert_eq!(f.ban(room, "ada", "bob", None).await.unwrap().head_seq, Seq::new(4));
    let bob = MemberChange { user: user("bob") };
    let told: Vec<_> = f.history(room, "cyd").await[2..].iter().map(|event| event.body()).collect();
    assert_eq!(told, [Body::MemberBanned(bob.clone()), Body::MemberLeft(bob.clone())]);
    // He hears of both and of nothing after.
    f.say(room, "cyd", 1).await;
    let page = f.store.feed_page(query("bob", &from, 50)).await.unwrap();
    let kinds: Vec<_> = events(&page.events).into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::MemberBanned, EventKind::MemberLeft]);
    assert!(!f.store.room(room, user("bob")).await.unwrap().joined);
    // Nobody is added where one of them is banned, whoever adds.
    for by in ["moe", "ada"] {
        let add = f.store.add_members(room, user(by), vec![user("eve"), user("bob")]).await;
        assert_eq!(error(add), StoreError::Banned(user("bob")));
    }
    assert_eq!(f.store.room(room, user("ada")).await.unwrap().members, 3);
    // One who is not in the room is kept out of it as well, and told by one event.
    assert_eq!(f.ban(room, "ada", "eve", None).await.unwrap().head_seq, Seq::new(6));
    assert!(matches!(
        error(f.store.add_members(room, user("ada"), vec![user("eve")]).await),
        StoreError::Banned(_)
    ));
    for _ in 0..2 {
        let state = f.store.unban(room, user("moe"), user("bob")).await.unwrap();
        assert_eq!(state.head_seq, Seq::new(7), "told once");
    }
    assert_eq!(f.history(room, "cyd").await[6].body(), Body::MemberUnbanned(bob));
    let state = f.store.add_members(room, user("moe"), vec![user("bob")]).await.unwrap();
    assert_eq!(state.members, 4);
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().role, Role::Member);
    for long in [String::new(), "x".repeat(1_025)] {
        let refused = error(f.ban(room, "ada", "bob", Some(&long)).await);
        assert!(matches!(refused, StoreError::InvalidContent(_)));
    }
    assert_eq!(error(f.ban(room, "eve", "bob", None).await), StoreError::NotAMember);
}

pub(super) async fn only_who_keeps_order_sees_who_is_banned_in_pages(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "moe"]).await;
    let bans = |by: &str, after: Option<&str>| f.store.bans(room, user(by), after.map(user));
    assert_eq!(bans("moe", None).await.unwrap().bans, []);
    f.ban(room, "moe", "u000", Some("spam")).await.unwrap();
    for n in 1..103 {
        f.ban(room, "ada", &format!("u{n:03}"), None).await.unwrap();
    }
    let first = bans("moe", None).await.unwrap();
    assert_eq!((first.bans.len(), first.next.as_ref()), (100, Some(&user("u099"))));
    let ban = &first.bans[0];
    assert_eq!(
        (&ban.user, &ban.by, ban.reason.as_deref()),
        (&user("u000"), &user("moe"), Some("spam"))
    );
    assert!(ban.at > 0);
    let rest = bans("ada", Some("u099")).await.unwrap();
    assert_eq!((rest.bans.len(), rest.next), (3, None));
    assert!(matches!(error(bans("bob", None).await), StoreError::Forbidden(_)));
    assert_eq!(error(bans("u000", None).await), StoreError::NotAMember);
    // Of another room none is seen.
    let other = f.group("ada", &[]).await;
    assert_eq!(f.store.bans(other, user("ada"), None).await.unwrap().bans, []);
    assert_eq!(f.reopened().await.bans(room, user("ada"), None).await.unwrap(), first);
}

pub(super) async fn a_group_without_an_owner_goes_to_a_moderator_first(f: &Fixture<'_>) {
    let room = moderated(f, &["bob", "moe"]).await;
    f.store.remove_member(room, user("ada"), user("ada")).await.unwrap();
    assert_eq!(f.store.room(room, user("moe")).await.unwrap().role, Role::Owner);
    assert_eq!(f.store.room(room, user("bob")).await.unwrap().role, Role::Member);
}
