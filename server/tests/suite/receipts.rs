//! Receipts from outside: told in any way, news on every way.

use std::time::{Duration, Instant};

use serde_json::json;
use tidewire_protocol::{
    ClientFrame, ErrorCode, Page, Receipt, ReceiptUpdate, RoomId, RoomState, Seq, ServerFrame,
    SyncRequest, UnreadBase,
};

use crate::harness::{Running, Socket, feed_from, request, start};

fn read(room: RoomId, seq: u64) -> ReceiptUpdate {
    ReceiptUpdate { room, delivered: None, read: Some(Seq::new(seq)) }
}

fn told(receipts: &[Receipt]) -> Vec<(&str, u64, u64)> {
    receipts.iter().map(|r| (r.user.as_str(), r.delivered.get(), r.read.get())).collect()
}

async fn batch(socket: &mut Socket) -> Page {
    match socket.next().await {
        ServerFrame::Batch(page) => page,
        other => panic!("{other:?}"),
    }
}

async fn state(server: &Running, name: &str, room: RoomId) -> RoomState {
    server.get(name, &format!("/v1/rooms/{room}")).await.parse()
}

#[tokio::test]
async fn a_sync_takes_receipts_and_its_page_has_the_callers_own() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 3).await;
    let cursor = server.cursor("bob").await;
    let adas = server.cursor("ada").await;
    let tell = SyncRequest { receipts: vec![read(room, 3)], ..request(cursor) };
    let page = server.sync("bob", &tell).await.page.unwrap();
    assert_eq!(told(&page.receipts), [("bob", 3, 3)]);
    let again = SyncRequest { receipts: vec![read(room, 3)], ..request(page.to.clone()) };
    let quiet = server.sync("bob", &again).await.page.unwrap();
    assert_eq!((quiet.receipts.len(), quiet.to), (0, page.to), "told again it is no news");
    let page = server.sync("ada", &request(adas)).await.page.unwrap();
    assert_eq!(told(&page.receipts), [("bob", 3, 3)]);
    let base = UnreadBase { unread: 1, mentions: 0, as_of: Seq::new(4), read: Seq::new(3) };
    assert_eq!(state(&server, "bob", room).await.unread_base, Some(base));
    server.server.stop().await;
}

#[tokio::test]
async fn a_receipt_is_pushed_and_ends_a_wait_as_an_event_does() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 3).await;
    let cursor = server.cursor("ada").await;
    let bobs = server.cursor("bob").await;
    let mut ada = server.hello("ada", feed_from(cursor.clone())).await;
    assert_eq!(batch(&mut ada).await.receipts, []);
    let mut bob = server.hello("bob", feed_from(bobs)).await;
    batch(&mut bob).await;

    let waiting = SyncRequest { wait_ms: 25_000, ..request(cursor) };
    let started = Instant::now();
    let tell = ClientFrame::Receipts { receipts: vec![read(room, 4)] };
    let (answer, ()) = tokio::join!(server.sync("ada", &waiting), bob.send(&tell));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(told(&answer.page.unwrap().receipts), [("bob", 4, 4)]);
    for socket in [&mut ada, &mut bob] {
        let page = batch(socket).await;
        assert_eq!((told(&page.receipts), page.events.len()), (vec![("bob", 4, 4)], 0));
    }
    // Nothing comes of a repeat, and the next event goes on from the same place.
    bob.send(&tell).await;
    assert_eq!(bob.until_pong().await, []);
    server.say("bob", room, 1).await;
    let page = batch(&mut ada).await;
    assert_eq!((page.events.len(), page.receipts.len()), (1, 0));
    server.server.stop().await;
}

#[tokio::test]
async fn foreign_receipts_are_ignored_and_too_many_are_refused() {
    let server = start().await;
    let mine = server.group("ada", &["bob"]).await;
    let foreign = server.group("eve", &[]).await;
    server.say("ada", mine, 2).await;
    let cursor = server.cursor("bob").await;
    let receipts = vec![read(foreign, 1), read(mine, 2)];
    let mixed = SyncRequest { receipts, ..request(cursor.clone()) };
    let page = server.sync("bob", &mixed).await.page.unwrap();
    assert_eq!(told(&page.receipts), [("bob", 2, 2)]);
    let many = |count| vec![read(mine, 3); count];
    let over = SyncRequest { receipts: many(51), ..request(cursor.clone()) };
    assert_eq!(server.post("bob", "/v1/sync", &over).await.code(), ErrorCode::InvalidContent);
    let mut bob = server.hello("bob", feed_from(page.to)).await;
    batch(&mut bob).await;
    bob.send(&ClientFrame::Receipts { receipts: many(51) }).await;
    assert_eq!(bob.next_error().await, ErrorCode::InvalidContent);
    assert_eq!(told(&state(&server, "bob", mine).await.receipts)[1], ("bob", 2, 2));
    bob.send(&ClientFrame::Receipts { receipts: many(50) }).await;
    assert_eq!(told(&batch(&mut bob).await.receipts), [("bob", 3, 3)]);
    for misshapen in [
        json!({"receipts": [{"room": "x"}]}),
        json!({"receipts": [{"room": mine, "read": -1}]}),
        json!({"receipts": {}}),
    ] {
        let refused = server.post("bob", "/v1/sync", &misshapen).await;
        assert_eq!(refused.code(), ErrorCode::BadRequest);
    }
    server.server.stop().await;
}

#[tokio::test]
async fn in_a_large_room_a_receipt_comes_back_to_its_own_user_alone() {
    let server = start().await;
    let names: Vec<String> = (0..100).map(|n| format!("u{n}")).collect();
    let others: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = server.group("ada", &others[..99]).await;
    server.say("ada", room, 2).await;
    assert_eq!(state(&server, "u1", room).await.receipts.len(), 100);
    let members = format!("/v1/rooms/{room}/members");
    server.post("ada", &members, &json!({ "users": ["u99"] })).await.parse::<RoomState>();
    assert_eq!(state(&server, "u1", room).await.receipts, []);
    let (cursor, adas) = (server.cursor("u1").await, server.cursor("ada").await);
    let mut ada = server.hello("ada", feed_from(adas.clone())).await;
    batch(&mut ada).await;
    let tell = SyncRequest { receipts: vec![read(room, 3)], ..request(cursor) };
    let page = server.sync("u1", &tell).await.page.unwrap();
    assert_eq!(told(&page.receipts), [("u1", 3, 3)]);
    assert_eq!(ada.until_pong().await, []);
    assert_eq!(server.sync("ada", &request(adas)).await.page.unwrap().receipts, []);
    server.server.stop().await;
}

#[tokio::test]
async fn receipts_survive_a_restart() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 3).await;
    let cursor = server.cursor("ada").await;
    let bobs = server.cursor("bob").await;
    let tell = SyncRequest { receipts: vec![read(room, 2)], ..request(bobs) };
    server.sync("bob", &tell).await;
    let folder = server.folder.path().to_owned();
    server.server.stop().await;
    let config = tidewire_server::Config::new(folder);
    let server = Running {
        server: tidewire_server::Server::start(config).await.unwrap(),
        folder: server.folder,
    };
    let page = server.sync("ada", &request(cursor)).await.page.unwrap();
    assert_eq!(told(&page.receipts), [("bob", 2, 2)]);
    assert_eq!(told(&state(&server, "ada", room).await.receipts), [("ada", 1, 1), ("bob", 2, 2)]);
    server.server.stop().await;
}
