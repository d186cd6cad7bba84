//! Rooms, their members, what is sent into them, their history.

use tidewire::ErrorCode;
use tidewire::engine::{Request, Response};
use tidewire::{Role, RoomKind, Seq};
use tidewire_protocol::{
    Body, EventKind, HistoryAnchor, HistoryQuery, MemberChange, OpOutcome, RoleChange, RoomUpdate,
};

use super::{
    Served, add, boot, code, cursor, group, op, read, refusal, remove, room, talk, try_create,
    try_send, user,
};

pub(super) async fn a_room_is_created_once_and_a_repeat_gets_the_same(server: &mut impl Served) {
    let id = room();
    let first = try_create(server, "ada", id, RoomKind::Group, &["bob"]).await.unwrap();
    assert_eq!((first.id, first.head_seq, first.members), (id, Seq::new(1), 2));
    assert_eq!((first.role, first.joined, first.first_seq), (Role::Owner, true, Seq::new(1)));
    let again = try_create(server, "ada", id, RoomKind::Group, &["bob"]).await.unwrap();
    assert_eq!(again, first);
    let taken = try_create(server, "bob", id, RoomKind::Group, &["ada"]).await;
    assert_eq!(code(taken), ErrorCode::IdTaken);
    let rooms = boot(server, "bob").await.rooms;
    assert_eq!(rooms.len(), 1);
    assert_eq!((rooms[0].id, rooms[0].role), (id, Role::Member));
    assert!(boot(server, "eve").await.rooms.is_empty());
}

pub(super) async fn a_pair_has_one_direct_room(server: &mut impl Served) {
    let first = try_create(server, "ada", room(), RoomKind::Direct, &["bob"]).await.unwrap();
    assert_eq!(first.peer, Some(user("bob")));
    let other = try_create(server, "bob", room(), RoomKind::Direct, &["ada"]).await.unwrap();
    assert_eq!((other.id, other.peer), (first.id, Some(user("ada"))));
    let alone = try_create(server, "ada", room(), RoomKind::Direct, &[]).await;
    assert_eq!(code(alone), ErrorCode::InvalidContent);
}

pub(super) async fn an_operation_is_taken_once_and_a_repeat_gets_the_first_answer(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &["bob"]).await;
    let op = op("once");
    let first = try_send(server, "ada", room, vec![op.clone()]).await.unwrap();
    talk(server, "bob", room, 2).await;
    let again = try_send(server, "ada", room, vec![op]).await.unwrap();
    assert_eq!(first, again);
    let OpOutcome::Accepted { seq, .. } = first.results[0].outcome else { panic!("{first:?}") };
    assert_eq!(seq, Seq::new(2));
    assert_eq!(boot(server, "ada").await.rooms[0].head_seq, Seq::new(4));
}

pub(super) async fn an_id_that_is_taken_is_refused_and_nothing_behind_it_is_tried(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &["bob"]).await;
    let first = op("first");
    try_send(server, "ada", room, vec![first.clone()]).await.unwrap();
    let other = tidewire_protocol::Op { id: first.id, ..op("another text") };
    let sent = try_send(server, "ada", room, vec![op("good"), other, op("behind")]).await.unwrap();
    let outcomes: Vec<_> = sent.results.iter().map(|result| &result.outcome).collect();
    assert!(matches!(outcomes[0], OpOutcome::Accepted { .. }));
    assert_eq!(refusal(outcomes[1]), Some(ErrorCode::IdTaken));
    assert_eq!(*outcomes[2], OpOutcome::NotTried);
    // The same words of somebody else are something else.
    let sent = try_send(server, "bob", room, vec![first]).await.unwrap();
    assert_eq!(refusal(&sent.results[0].outcome), Some(ErrorCode::IdTaken));
    let none = try_send(server, "ada", room, Vec::new()).await;
    assert_eq!(code(none), ErrorCode::InvalidContent);
    let many = try_send(server, "ada", room, (0..51).map(|_| op("x")).collect()).await;
    assert_eq!(code(many), ErrorCode::InvalidContent);
    assert_eq!(boot(server, "ada").await.rooms[0].head_seq, Seq::new(3));
}

pub(super) async fn who_is_not_in_a_room_learns_nothing_of_it(server: &mut impl Served) {
    let there = group(server, "ada", &["bob"]).await;
    let nowhere = room();
    for room in [there, nowhere] {
        let history = Request::History(room, HistoryQuery::default());
        assert_eq!(code(server.request("eve", history).await), ErrorCode::NotAMember);
        assert_eq!(code(server.request("eve", Request::Room(room)).await), ErrorCode::NotAMember);
        let members = Request::Members(room, None);
        assert_eq!(code(server.request("eve", members).await), ErrorCode::NotAMember);
        assert_eq!(code(try_send(server, "eve", room, vec![op("?")]).await), ErrorCode::NotAMember);
        assert_eq!(code(add(server, "eve", room, "eve").await), ErrorCode::NotAMember);
        assert_eq!(code(remove(server, "eve", room, "ada").await), ErrorCode::NotAMember);
    }
}

pub(super) async fn only_an_owner_changes_members_and_a_group_is_never_without_one(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &["bob"]).await;
    assert_eq!(code(add(server, "bob", room, "eve").await), ErrorCode::Forbidden);
    assert_eq!(code(remove(server, "bob", room, "ada").await), ErrorCode::Forbidden);
    assert_eq!(add(server, "ada", room, "eve").await.unwrap().members, 3);
    // Who is in stays, and nothing is written.
    assert_eq!(add(server, "ada", room, "eve").await.unwrap().head_seq, Seq::new(2));
    let left = remove(server, "ada", room, "ada").await.unwrap();
    assert_eq!((left.joined, left.head_seq, left.unread_base), (false, Seq::new(3), None));
    assert!(left.receipts.is_empty());
    // A repeat, whose first answer was lost.
    assert_eq!(remove(server, "ada", room, "ada").await.unwrap().head_seq, Seq::new(3));
    assert_eq!(remove(server, "bob", room, "eve").await.unwrap().members, 1);
}

pub(super) async fn a_former_member_gets_the_answer_to_what_was_accepted_and_nothing_else(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &["bob"]).await;
    let accepted = op("accepted");
    let first = try_send(server, "bob", room, vec![accepted.clone()]).await.unwrap();
    let theirs = talk(server, "ada", room, 1).await;
    remove(server, "ada", room, "bob").await.unwrap();
    assert_eq!(try_send(server, "bob", room, vec![accepted.clone()]).await.unwrap(), first);
    let sent = try_send(server, "bob", room, vec![accepted, op("more")]).await.unwrap();
    assert_eq!(refusal(&sent.results[1].outcome), Some(ErrorCode::NotAMember));
    let guess = tidewire_protocol::Op { id: theirs[0], ..op("?") };
    assert_eq!(code(try_send(server, "bob", room, vec![guess]).await), ErrorCode::NotAMember);
    // He still reads what he has seen.
    talk(server, "ada", room, 3).await;
    match server.request("bob", Request::History(room, HistoryQuery::default())).await.unwrap() {
        Response::History(history) => assert_eq!(history.as_of, Seq::new(4)),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn history_comes_from_either_end_and_around(server: &mut impl Served) {
    let room = group(server, "ada", &[]).await;
    talk(server, "ada", room, 29).await;
    for (anchor, limit, covers) in [
        (HistoryAnchor::Newest, 10, Some((21, 30))),
        (HistoryAnchor::Before(Seq::new(21)), 10, Some((11, 20))),
        (HistoryAnchor::Before(Seq::new(5)), 10, Some((1, 4))),
        (HistoryAnchor::Before(Seq::new(1)), 10, None),
        (HistoryAnchor::Before(Seq::new(99)), 2, Some((29, 30))),
        (HistoryAnchor::After(Seq::new(3)), 4, Some((4, 7))),
        (HistoryAnchor::After(Seq::new(28)), 4, Some((29, 30))),
        (HistoryAnchor::After(Seq::new(30)), 4, None),
        (HistoryAnchor::Around(Seq::new(10)), 5, Some((8, 12))),
        (HistoryAnchor::Around(Seq::new(1)), 4, Some((1, 4))),
        (HistoryAnchor::Around(Seq::new(30)), 4, Some((27, 30))),
        (HistoryAnchor::Newest, 500, Some((1, 30))),
    ] {
        let request = Request::History(room, HistoryQuery::at(anchor, limit));
        let Response::History(history) = server.request("ada", request).await.unwrap() else {
            panic!("another answer");
        };
        let told = history.covers.map(|(first, last)| (first.get(), last.get()));
        assert_eq!(told, covers, "{anchor:?}");
        let seqs: Vec<u64> = history.messages.iter().map(|event| event.seq.get()).collect();
        let expected = covers.map_or(Vec::new(), |(first, last)| (first..=last).collect());
        assert_eq!(seqs, expected, "{anchor:?}");
        assert_eq!((history.as_of, history.first_seq), (Seq::new(30), Seq::new(1)));
    }
    let both = HistoryQuery {
        before: Some(Seq::new(3)),
        after: Some(Seq::new(3)),
        ..HistoryQuery::default()
    };
    let refused = server.request("ada", Request::History(room, both)).await;
    assert_eq!(code(refused), ErrorCode::BadRequest);
}

pub(super) async fn an_heir_is_told_that_the_group_is_his(server: &mut impl Served) {
    let room = group(server, "ada", &["bob", "cyd"]).await;
    let cursors = [cursor(server, "bob").await, cursor(server, "ada").await];
    remove(server, "ada", room, "ada").await.unwrap();
    let page = read(server, "bob", &cursors[0]).await;
    let bodies: Vec<_> = page.events.iter().map(|event| event.body()).collect();
    let left = MemberChange { user: user("ada") };
    let role = RoleChange { user: user("bob"), role: Role::Owner };
    assert_eq!(bodies, [Body::MemberLeft(left), Body::MemberRole(role)]);
    assert!(page.events.iter().all(|event| event.sender == user("ada")));
    assert_eq!(boot(server, "bob").await.rooms[0].role, Role::Owner);
    // Who leaves hears of the leave and no more.
    let page = read(server, "ada", &cursors[1]).await;
    assert_eq!(page.events.len(), 1);
    // Where an owner stays nobody inherits.
    add(server, "bob", room, "eve").await.unwrap();
    remove(server, "cyd", room, "cyd").await.unwrap();
    let boot = boot(server, "eve").await;
    assert_eq!(boot.rooms[0].last_event.as_ref().unwrap().kind, EventKind::MemberLeft);
}

pub(super) async fn a_former_member_sees_the_room_as_it_was_at_the_leave(server: &mut impl Served) {
    let room = group(server, "ada", &["bob", "cyd"]).await;
    let looks = |name: &str| RoomUpdate {
        name: Some(name.into()),
        avatar_url: Some(format!("https://img.example/{name}")),
    };
    for (name, leaver) in [("before", Some("bob")), ("later", Some("cyd")), ("last", None)] {
        let update = Request::UpdateRoom(room, looks(name));
        server.request("ada", update).await.unwrap();
        if let Some(leaver) = leaver {
            remove(server, "ada", room, leaver).await.unwrap();
        }
    }
    add(server, "ada", room, "eve").await.unwrap();
    for (reader, name, members) in
        [("bob", "before", 2), ("cyd", "later", 1), ("ada", "last", 2), ("eve", "last", 2)]
    {
        let Response::Room(state) = server.request(reader, Request::Room(room)).await.unwrap()
        else {
            panic!("another answer");
        };
        let RoomUpdate { name, avatar_url } = looks(name);
        assert_eq!((state.name, state.avatar_url), (name, avatar_url), "{reader}");
        assert_eq!(state.members, members, "{reader}");
    }
    // Who comes back sees it as it is.
    let back = add(server, "ada", room, "bob").await.unwrap();
    let Response::Room(state) = server.request("bob", Request::Room(room)).await.unwrap() else {
        panic!("another answer");
    };
    assert_eq!((state.name, state.members), (back.name, 3));
}
