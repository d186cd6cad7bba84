//! Users who have blocked each other: what is refused between them, and how lists travel.

use tidewire::engine::{Request, RequestError, Response};
use tidewire::{ErrorCode, EventKind, RoomKind};
use tidewire_protocol::{BlockList, BlockQuery, DeleteContent, NewMembers, OpOutcome};

use super::changes::of;
use super::{Served, boot, code, cursor, group, op, read, room, try_create, try_send, user};

async fn set(
    server: &mut impl Served,
    by: &str,
    other: &str,
    blocked: bool,
    version: Option<u64>,
) -> Result<BlockList, RequestError> {
    let query = BlockQuery { version };
    let request = match blocked {
        true => Request::Block(user(other), query),
        false => Request::Unblock(user(other), query),
    };
    match server.request(by, request).await? {
        Response::Blocks(list) => Ok(list),
        other => panic!("{other:?}"),
    }
}

fn list(version: u64, names: &[&str]) -> BlockList {
    BlockList { version, users: names.iter().map(|name| user(name)).collect() }
}

pub(super) async fn a_block_list_comes_by_the_feed_to_its_user_alone(server: &mut impl Served) {
    group(server, "ada", &["bob"]).await;
    let (adas, bobs) = (cursor(server, "ada").await, cursor(server, "bob").await);
    assert!(boot(server, "ada").await.blocks.is_default());
    for other in ["eve", "bob", "eve"] {
        set(server, "ada", other, true, None).await.unwrap();
    }
    let page = read(server, "ada", &adas).await;
    assert_eq!(page.blocks, Some(list(2, &["bob", "eve"])));
    assert!(page.events.is_empty() && page.limited.is_empty() && !page.more);
    assert_eq!(read(server, "ada", &page.to).await.blocks, None);
    assert_eq!(read(server, "bob", &bobs).await.blocks, None);
    assert_eq!(boot(server, "ada").await.blocks, list(2, &["bob", "eve"]));
    assert!(boot(server, "bob").await.blocks.is_default());
    match server.request("ada", Request::Blocks).await.unwrap() {
        Response::Blocks(now) => assert_eq!(now, list(2, &["bob", "eve"])),
        other => panic!("{other:?}"),
    }
    assert_eq!(code(set(server, "ada", "ada", true, None).await), ErrorCode::InvalidContent);
}

pub(super) async fn a_change_of_a_list_that_comes_too_late_takes_back_no_later_one(
    server: &mut impl Served,
) {
    assert_eq!(set(server, "ada", "bob", true, Some(0)).await.unwrap(), list(1, &["bob"]));
    assert_eq!(set(server, "ada", "bob", false, Some(0)).await.unwrap(), list(1, &["bob"]));
    assert_eq!(set(server, "ada", "bob", true, Some(1)).await.unwrap(), list(2, &["bob"]));
    assert_eq!(set(server, "ada", "bob", false, Some(1)).await.unwrap(), list(2, &["bob"]));
    assert_eq!(set(server, "ada", "bob", false, None).await.unwrap(), list(3, &[]));
}

/// Why an operation is refused; none if it is taken.
async fn refusal(
    server: &mut impl Served,
    by: &str,
    room: tidewire::RoomId,
    op: tidewire_protocol::Op,
) -> Option<ErrorCode> {
    let sent = try_send(server, by, room, vec![op]).await.unwrap();
    match &sent.results[0].outcome {
        OpOutcome::Refused { error } => Some(error.code.clone()),
        _ => None,
    }
}

pub(super) async fn between_two_of_whom_one_has_blocked_the_other_nothing_is_written(
    server: &mut impl Served,
) {
    let there = try_create(server, "ada", room(), RoomKind::Direct, &["bob"]).await.unwrap().id;
    let first = op("hi");
    assert_eq!(refusal(server, "bob", there, first.clone()).await, None);
    set(server, "ada", "bob", true, None).await.unwrap();
    assert_eq!(refusal(server, "bob", there, op("still")).await, Some(ErrorCode::Blocked));
    assert_eq!(refusal(server, "ada", there, op("well")).await, Some(ErrorCode::UnblockFirst));
    // What was accepted stays so, and may be taken back.
    assert_eq!(refusal(server, "bob", there, first.clone()).await, None);
    let gone = of(EventKind::Delete, &DeleteContent { target: first.id });
    assert_eq!(refusal(server, "bob", there, gone).await, None);
    // A room that is there is found, and no other one is begun.
    let found = try_create(server, "bob", room(), RoomKind::Direct, &["ada"]).await.unwrap();
    assert_eq!(found.id, there);
    set(server, "ada", "eve", true, None).await.unwrap();
    let by_eve = try_create(server, "eve", room(), RoomKind::Direct, &["ada"]).await;
    assert_eq!(code(by_eve), ErrorCode::Blocked);
    let by_ada = try_create(server, "ada", room(), RoomKind::Direct, &["eve"]).await;
    assert_eq!(code(by_ada), ErrorCode::UnblockFirst);
    let brought = try_create(server, "eve", room(), RoomKind::Group, &["ada"]).await;
    assert_eq!(code(brought), ErrorCode::Blocked);
    let eves = group(server, "eve", &["bob"]).await;
    let add = Request::AddMembers(eves, NewMembers { users: vec![user("ada")] });
    assert_eq!(code(server.request("eve", add).await), ErrorCode::Blocked);
    // Among others everything goes on.
    let group = group(server, "ada", &["bob"]).await;
    assert_eq!(refusal(server, "bob", group, op("hi")).await, None);
    set(server, "ada", "bob", false, None).await.unwrap();
    assert_eq!(refusal(server, "bob", there, op("again")).await, None);
}
