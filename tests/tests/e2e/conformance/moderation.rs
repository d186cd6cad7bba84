//! Who keeps order in a group, and what becomes of those who are sent away.

use tidewire::engine::{Request, RequestError, Response};
use tidewire::{Body, ErrorCode, Event, EventKind, Role, RoomId, RoomState};
use tidewire_protocol::{BanPage, BanRequest, OpOutcome, RoleUpdate, RoomKind, Seq};

use super::changes::{delete, room_request};
use super::{
    Served, add, boot, code, cursor, group, read, refusal, remove, talk, try_create, try_send, user,
};

/// A group of Ada's in which Moe keeps order.
pub(super) async fn moderated(server: &mut impl Served, members: &[&str]) -> RoomId {
    let room = group(server, "ada", members).await;
    give(server, room, "moe", Role::Moderator).await;
    room
}

pub(super) async fn give(server: &mut impl Served, room: RoomId, name: &str, role: Role) {
    let request = Request::SetRole(room, user(name), RoleUpdate { role });
    room_request(server, "ada", request).await.unwrap();
}

async fn ban(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    name: &str,
    reason: Option<&str>,
) -> Result<RoomState, RequestError> {
    let ban = BanRequest { reason: reason.map(Into::into) };
    room_request(server, by, Request::Ban(room, user(name), ban)).await
}

async fn unban(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    name: &str,
) -> Result<RoomState, RequestError> {
    room_request(server, by, Request::Unban(room, user(name))).await
}

async fn bans(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    after: Option<&str>,
) -> Result<BanPage, RequestError> {
    match server.request(by, Request::Bans(room, after.map(user))).await? {
        Response::Bans(page) => Ok(page),
        other => panic!("{other:?}"),
    }
}

/// Whom an event of members concerns.
fn whom(event: &Event) -> (EventKind, String) {
    match event.body() {
        Body::MemberBanned(change) | Body::MemberUnbanned(change) | Body::MemberLeft(change) => {
            (event.kind.clone(), change.user.to_string())
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_moderator_keeps_order_among_members_and_an_owner_among_all(
    server: &mut impl Served,
) {
    let room = moderated(server, &["bob", "cyd", "moe", "mia"]).await;
    give(server, room, "mia", Role::Moderator).await;
    assert_eq!(boot(server, "moe").await.rooms[0].role, Role::Moderator);
    for (by, name) in [("bob", "cyd"), ("moe", "mia"), ("moe", "ada")] {
        assert_eq!(code(remove(server, by, room, name).await), ErrorCode::Forbidden, "{by} {name}");
        let banned = ban(server, by, room, name, None).await;
        assert_eq!(code(banned), ErrorCode::Forbidden, "{by} {name}");
    }
    assert_eq!(code(ban(server, "moe", room, "moe", None).await), ErrorCode::Forbidden);
    assert_eq!(code(unban(server, "bob", room, "eve").await), ErrorCode::Forbidden);
    let role = RoleUpdate { role: Role::Moderator };
    let given = room_request(server, "moe", Request::SetRole(room, user("bob"), role)).await;
    assert_eq!(code(given), ErrorCode::Forbidden);
    let adas = talk(server, "ada", room, 1).await[0];
    let bobs = talk(server, "bob", room, 1).await[0];
    let sent = try_send(server, "cyd", room, vec![delete(bobs)]).await.unwrap();
    assert_eq!(refusal(&sent.results[0].outcome), Some(ErrorCode::Forbidden));
    let sent = try_send(server, "moe", room, vec![delete(bobs), delete(adas)]).await.unwrap();
    assert!(sent.results.iter().all(|r| matches!(r.outcome, OpOutcome::Accepted { .. })));
    assert_eq!(add(server, "moe", room, "eve").await.unwrap().members, 6);
    assert_eq!(code(add(server, "bob", room, "fay").await), ErrorCode::Forbidden);
    assert_eq!(remove(server, "moe", room, "bob").await.unwrap().members, 5);
    assert_eq!(remove(server, "ada", room, "moe").await.unwrap().members, 4);
    let direct = try_create(server, "ada", super::room(), RoomKind::Direct, &["bob"]).await;
    let direct = direct.unwrap().id;
    assert_eq!(code(ban(server, "ada", direct, "bob", None).await), ErrorCode::Forbidden);
}

pub(super) async fn who_is_banned_is_out_and_stays_out_until_the_ban_is_lifted(
    server: &mut impl Served,
) {
    let room = moderated(server, &["bob", "cyd", "moe"]).await;
    let (bobs, cyds) = (cursor(server, "bob").await, cursor(server, "cyd").await);
    for _ in 0..2 {
        let state = ban(server, "moe", room, "bob", Some("spam")).await.unwrap();
        assert_eq!((state.members, state.head_seq), (3, Seq::new(4)), "told once");
    }
    talk(server, "cyd", room, 1).await;
    // He hears of both and of nothing after.
    let told: Vec<_> = read(server, "bob", &bobs).await.events.iter().map(whom).collect();
    let bob = || "bob".to_owned();
    assert_eq!(told, [(EventKind::MemberBanned, bob()), (EventKind::MemberLeft, bob())]);
    let told = read(server, "cyd", &cyds).await.events;
    assert_eq!(whom(&told[0]), (EventKind::MemberBanned, bob()));
    assert_eq!((whom(&told[1]).0, told.len()), (EventKind::MemberLeft, 3));
    for by in ["moe", "ada"] {
        assert_eq!(code(add(server, by, room, "bob").await), ErrorCode::Banned);
    }
    // Somebody who is not in the room.
    assert_eq!(ban(server, "ada", room, "eve", None).await.unwrap().head_seq, Seq::new(6));
    assert_eq!(code(add(server, "ada", room, "eve").await), ErrorCode::Banned);
    let page = bans(server, "moe", room, None).await.unwrap();
    let listed: Vec<_> = page.bans.iter().map(|b| (b.user.as_str(), b.by.as_str())).collect();
    assert_eq!((listed, page.next), (vec![("bob", "moe"), ("eve", "ada")], None));
    assert_eq!(page.bans[0].reason.as_deref(), Some("spam"));
    let rest = bans(server, "ada", room, Some("bob")).await.unwrap();
    assert_eq!(rest.bans, page.bans[1..]);
    assert_eq!(code(bans(server, "cyd", room, None).await), ErrorCode::Forbidden);
    assert_eq!(code(bans(server, "bob", room, None).await), ErrorCode::NotAMember);
    for _ in 0..2 {
        let state = unban(server, "moe", room, "bob").await.unwrap();
        assert_eq!(state.head_seq, Seq::new(7), "told once");
    }
    assert_eq!(add(server, "moe", room, "bob").await.unwrap().members, 4);
    assert_eq!(boot(server, "bob").await.rooms[0].role, Role::Member);
    let long = ban(server, "ada", room, "bob", Some(&"x".repeat(1_025))).await;
    assert_eq!(code(long), ErrorCode::InvalidContent);
    assert_eq!(code(ban(server, "eve", room, "bob", None).await), ErrorCode::NotAMember);
}

pub(super) async fn a_group_without_an_owner_goes_to_a_moderator_first(server: &mut impl Served) {
    let room = moderated(server, &["bob", "moe"]).await;
    remove(server, "ada", room, "ada").await.unwrap();
    assert_eq!(boot(server, "moe").await.rooms[0].role, Role::Owner);
    assert_eq!(boot(server, "bob").await.rooms[0].role, Role::Member);
}
