//! Blocking from outside: on every way to the user's other devices, to nobody else, and between the two of a direct
//! room.

use serde_json::json;
use tidewire_protocol::{
    BlockList, ClientFrame, Ephemeral, ErrorCode, Hello, Page, PresenceState, RoomId, ServerFrame,
    SyncRequest, TypingUpdate, Watch,
};
use uuid::Uuid;

use crate::harness::{Running, Socket, feed_from, request, start, user};

fn list(version: u64, names: &[&str]) -> BlockList {
    BlockList { version, users: names.iter().map(|name| user(name)).collect() }
}

async fn block(server: &Running, name: &str, other: &str) -> BlockList {
    let path = format!("/v1/blocks/{other}");
    server.call("PUT", &path, Some(&server.token(name)), None).await.parse()
}

async fn unblock(server: &Running, name: &str, other: &str) -> BlockList {
    let path = format!("/v1/blocks/{other}");
    server.call("DELETE", &path, Some(&server.token(name)), None).await.parse()
}

async fn batch(socket: &mut Socket) -> Page {
    match socket.next().await {
        ServerFrame::Batch(page) => page,
        other => panic!("{other:?}"),
    }
}

async fn direct(server: &Running, name: &str, other: &str) -> RoomId {
    let id = Uuid::now_v7();
    let body = json!({ "id": id, "kind": "direct", "members": [other] }).to_string();
    let token = server.token(name);
    let state: tidewire_protocol::RoomState =
        server.call("POST", "/v1/rooms", Some(&token), Some(&body)).await.parse();
    state.id
}

#[tokio::test]
async fn whom_somebody_has_blocked_is_told_to_nobody_else() {
    let server = start().await;
    server.group("ada", &["bob"]).await;
    let cursor = server.cursor("ada").await;
    let mut socket = server.hello("ada", feed_from(cursor.clone())).await;
    let mut bob = server.hello("bob", feed_from(server.cursor("bob").await)).await;
    let mut stream = server.events("ada", &cursor).await;
    assert_eq!(batch(&mut socket).await.blocks, None);
    assert_eq!(stream.page().await.blocks, None);
    batch(&mut bob).await;

    let waiting = SyncRequest { wait_ms: 25_000, ..request(cursor.clone()) };
    let (answer, now) = tokio::join!(server.sync("ada", &waiting), block(&server, "ada", "bob"));
    let told = list(1, &["bob"]);
    assert_eq!(now, told);
    assert_eq!(answer.page.unwrap().blocks.as_ref(), Some(&told));
    let page = batch(&mut socket).await;
    assert_eq!((page.blocks.as_ref(), page.events.len()), (Some(&told), 0));
    assert_eq!(stream.page().await.blocks.as_ref(), Some(&told));
    // A repeat is no news, and the others hear nothing of it.
    block(&server, "ada", "bob").await;
    assert_eq!(socket.until_pong().await, []);
    assert_eq!(bob.until_pong().await, []);
    let mine = async |name: &str| server.get(name, "/v1/blocks").await.parse::<BlockList>();
    assert_eq!(mine("ada").await, told);
    assert_eq!(mine("bob").await, list(0, &[]));
    assert_eq!(unblock(&server, "ada", "bob").await, list(2, &[]));
    // Changes that follow another list than there is change nothing.
    let path = "/v1/blocks/eve?version=1";
    let late = server.call("PUT", path, Some(&server.token("ada")), None).await;
    assert_eq!(late.parse::<BlockList>(), list(2, &[]));
    let oneself = server.call("PUT", "/v1/blocks/ada", Some(&server.token("ada")), None).await;
    assert_eq!(oneself.code(), ErrorCode::InvalidContent);
    server.server.stop().await;
}

fn watching(room: RoomId) -> Hello {
    Hello { watch: vec![room], device: 1, heartbeat_ms: 30_000, ..Hello::default() }
}

fn states(news: &Ephemeral) -> Vec<(&str, PresenceState, bool)> {
    let mut states: Vec<_> = news
        .presence
        .iter()
        .map(|one| (one.user.as_str(), one.state, one.last_seen.is_some()))
        .collect();
    states.sort_by_key(|(name, ..)| *name);
    states
}

/// News of presence until a user stands there.
async fn stands(socket: &mut Socket, name: &str, state: PresenceState) -> Ephemeral {
    loop {
        let ServerFrame::Ephemeral(news) = socket.next().await else { continue };
        if news.presence.iter().any(|one| one.user.as_str() == name && one.state == state) {
            return news;
        }
    }
}

#[tokio::test]
async fn two_of_whom_one_has_blocked_the_other_hear_nothing_of_each_other() {
    let server = start().await;
    let room = server.group("ada", &["bob", "cyd"]).await;
    let (online, offline) = (PresenceState::Online, PresenceState::Offline);
    let mut ada = server.hello("ada", watching(room)).await;
    let mut bob = server.hello("bob", watching(room)).await;
    let mut cyd = server.hello("cyd", watching(room)).await;
    stands(&mut ada, "bob", online).await;
    stands(&mut bob, "ada", online).await;
    stands(&mut cyd, "bob", online).await;
    block(&server, "ada", "bob").await;
    // At once, for both, and as of somebody who was never here.
    for (socket, name) in [(&mut ada, "bob"), (&mut bob, "ada")] {
        let news = stands(socket, name, offline).await;
        assert!(states(&news).contains(&(name, offline, false)), "{news:?}");
    }
    let types = ClientFrame::Ephemeral { typing: vec![TypingUpdate { room, typing: true }] };
    bob.send(&types).await;
    loop {
        let ServerFrame::Ephemeral(news) = cyd.next().await else { continue };
        if news.typing.iter().any(|typing| typing.user == user("bob")) {
            break;
        }
    }
    let heard = ada.until_pong().await;
    let of_bob = |frame: &ServerFrame| match frame {
        ServerFrame::Ephemeral(news) => {
            news.typing.iter().any(|typing| typing.user == user("bob"))
                || states(news).iter().any(|(name, state, _)| *name == "bob" && *state == online)
        }
        _ => false,
    };
    assert!(!heard.iter().any(of_bob), "{heard:?}");
    // Who asks is told the same, on a room that is followed already.
    let cursor = server.cursor("ada").await;
    let watch = Watch { rooms: vec![room], since: None };
    let asked = SyncRequest { watch: Some(watch), ..request(cursor) };
    let told = server.sync("ada", &asked).await.ephemeral.unwrap();
    assert!(states(&told).contains(&("bob", offline, false)), "{told:?}");
    assert!(told.typing.is_empty(), "{told:?}");
    // Over again, they are told of each other anew.
    unblock(&server, "ada", "bob").await;
    stands(&mut ada, "bob", online).await;
    stands(&mut bob, "ada", online).await;
    server.server.stop().await;
}

#[tokio::test]
async fn who_comes_into_a_watched_room_is_kept_apart_from_the_beginning() {
    let server = start().await;
    let room = server.group("ada", &["cyd"]).await;
    block(&server, "bob", "ada").await;
    let (online, offline) = (PresenceState::Online, PresenceState::Offline);
    let mut ada = server.hello("ada", watching(room)).await;
    let mut cyd = server.hello("cyd", watching(room)).await;
    stands(&mut ada, "cyd", online).await;
    stands(&mut cyd, "ada", online).await;
    // He is not to be added by her; he may come by others.
    let body = json!({ "users": ["bob"] }).to_string();
    let path = format!("/v1/rooms/{room}/members");
    let refused = server.call("POST", &path, Some(&server.token("ada")), Some(&body)).await;
    assert_eq!(refused.code(), ErrorCode::Blocked);
    let moderator = json!({ "role": "moderator" }).to_string();
    let role = format!("/v1/rooms/{room}/members/cyd");
    server.call("PUT", &role, Some(&server.token("ada")), Some(&moderator)).await;
    let added = server.call("POST", &path, Some(&server.token("cyd")), Some(&body)).await;
    assert_eq!(added.status, 200);
    let mut bob = server.hello("bob", watching(room)).await;
    stands(&mut cyd, "bob", online).await;
    let heard = ada.until_pong().await;
    let of_bob = |frame: &ServerFrame| match frame {
        ServerFrame::Ephemeral(news) => {
            states(news).iter().any(|(name, state, _)| *name == "bob" && *state != offline)
        }
        _ => false,
    };
    assert!(!heard.iter().any(of_bob), "{heard:?}");
    let news = stands(&mut bob, "cyd", online).await;
    assert!(states(&news).contains(&("ada", offline, false)), "{news:?}");
    server.server.stop().await;
}

#[tokio::test]
async fn in_a_direct_room_the_one_hears_that_it_cannot_be_delivered_and_the_other_to_unblock() {
    let server = start().await;
    let room = direct(&server, "ada", "bob").await;
    block(&server, "ada", "bob").await;
    let path = format!("/v1/rooms/{room}/ops");
    let send = |name: &'static str| {
        let ops = json!({ "ops": [{
            "id": Uuid::now_v7(), "kind": "message", "content": { "text": "hi" },
        }]});
        let (path, server) = (&path, &server);
        async move {
            let body = ops.to_string();
            let sent = server.call("POST", path, Some(&server.token(name)), Some(&body)).await;
            sent.parse::<serde_json::Value>()["results"][0]["error"]["code"].clone()
        }
    };
    assert_eq!(send("bob").await, "blocked");
    assert_eq!(send("ada").await, "unblock_first");
    unblock(&server, "ada", "bob").await;
    assert!(send("bob").await.is_null() && send("ada").await.is_null());
    server.server.stop().await;
}
