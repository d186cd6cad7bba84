//! Presence and typing from outside: watched over a socket or by asking, and never in the log.

use std::time::Duration;

use tidewire_protocol::{
    AppState, ClientFrame, Cursor, Ephemeral, ErrorCode, Hello, PresenceState, RoomId, ServerFrame,
    SyncRequest, TypingUpdate, Watch,
};
use tidewire_server::{Config, Server};
use uuid::Uuid;

use crate::harness::{Running, Socket, feed_from, message, request, start, start_with, user};

fn types(room: RoomId, typing: bool) -> ClientFrame {
    ClientFrame::Ephemeral { typing: vec![TypingUpdate { room, typing }] }
}

fn watching(room: RoomId) -> Hello {
    Hello { watch: vec![room], device: 1, heartbeat_ms: 30_000, ..Hello::default() }
}

async fn ephemeral(socket: &mut Socket) -> Ephemeral {
    match socket.next().await {
        ServerFrame::Ephemeral(news) => news,
        other => panic!("{other:?}"),
    }
}

fn states(news: &Ephemeral) -> Vec<(&str, PresenceState)> {
    let mut states: Vec<_> = news.presence.iter().map(|p| (p.user.as_str(), p.state)).collect();
    states.sort_by_key(|(name, _)| *name);
    states
}

/// What bob's device says by asking.
fn asks(cursor: &Cursor, app_state: AppState) -> SyncRequest {
    SyncRequest { heartbeat_ms: 1_000, device: 7, app_state, ..request(cursor.clone()) }
}

#[tokio::test]
async fn a_watched_room_tells_everybody_once_and_then_what_changes() {
    let server = start().await;
    let room = server.group("ada", &["bob", "cyd"]).await;
    let mut ada = server.hello("ada", watching(room)).await;
    let first = ephemeral(&mut ada).await;
    let offline = PresenceState::Offline;
    assert_eq!(states(&first), [("bob", offline), ("cyd", offline)]);
    assert!(first.presence.iter().all(|presence| presence.last_seen.is_none()));

    let cursor = server.cursor("bob").await;
    server.sync("bob", &asks(&cursor, AppState::Foreground)).await;
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", PresenceState::Online)]);
    server.sync("bob", &asks(&cursor, AppState::Foreground)).await;
    server.sync("bob", &asks(&cursor, AppState::Background)).await;
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", PresenceState::Away)]);
    // Nothing more is heard of him for 2.5 of the heartbeats that he declared.
    let gone = ephemeral(&mut ada).await;
    assert_eq!(states(&gone), [("bob", offline)]);
    assert!(gone.presence[0].last_seen.is_some());

    // Watched anew, he is told of again; not watched, he is not.
    ada.send(&ClientFrame::Watch { rooms: Vec::new() }).await;
    assert_eq!(ada.until_pong().await, []);
    server.sync("bob", &asks(&cursor, AppState::Foreground)).await;
    assert_eq!(ada.until_pong().await, []);
    ada.send(&ClientFrame::Watch { rooms: vec![room] }).await;
    let expected = [("bob", PresenceState::Online), ("cyd", offline)];
    assert_eq!(states(&ephemeral(&mut ada).await), expected);
    server.server.stop().await;
}

#[tokio::test]
async fn an_open_socket_is_a_heartbeat_and_outlives_the_intervals() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("ada").await;
    let mut bob = server.hello("bob", Hello { heartbeat_ms: 1_000, ..watching(room) }).await;
    let watch = Watch { rooms: vec![room], since: None };
    let ask = SyncRequest { watch: Some(watch), ..request(cursor.clone()) };
    let first = server.sync("ada", &ask).await.ephemeral.unwrap();
    assert_eq!(states(&first), [("bob", PresenceState::Online)]);
    let mut since = first.to;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        bob.send(&ClientFrame::Ping).await;
        let watch = Some(Watch { rooms: vec![room], since: since.clone() });
        let ask = SyncRequest { watch, ..request(cursor.clone()) };
        if let Some(news) = server.sync("ada", &ask).await.ephemeral {
            assert_eq!(states(&news), [], "he is still there");
            since = news.to;
        }
    }
    server.server.stop().await;
}

#[tokio::test]
async fn typing_is_heard_by_the_others_who_watch_and_a_message_ends_it() {
    let server = start().await;
    let room = server.group("ada", &["bob", "cyd"]).await;
    let mut ada = server.hello("ada", watching(room)).await;
    let mut also_ada = server.hello("ada", Hello { device: 2, ..watching(room) }).await;
    let mut bob = server.hello("bob", watching(room)).await;
    for socket in [&mut ada, &mut also_ada, &mut bob] {
        ephemeral(socket).await;
    }
    let mut cyd = server.hello("cyd", Hello { heartbeat_ms: 30_000, ..Hello::default() }).await;
    for socket in [&mut ada, &mut also_ada, &mut bob] {
        while !states(&ephemeral(socket).await).contains(&("cyd", PresenceState::Online)) {}
    }
    ada.send(&types(room, true)).await;
    let heard = ephemeral(&mut bob).await;
    assert_eq!((&heard.typing[0].user, heard.typing[0].room), (&user("ada"), room));
    assert!((14_000..=15_000).contains(&heard.typing[0].ttl_ms));
    ada.send(&types(room, false)).await;
    assert_eq!(ephemeral(&mut bob).await.typing[0].ttl_ms, 0);
    ada.send(&types(room, true)).await;
    assert!(ephemeral(&mut bob).await.typing[0].ttl_ms > 0);
    ada.send_ops(room, vec![message("here it is")]).await;
    assert_eq!(ephemeral(&mut bob).await.typing[0].ttl_ms, 0);
    let quiet = |frames: &[ServerFrame]| {
        !frames.iter().any(|frame| matches!(frame, ServerFrame::Ephemeral(_)))
    };
    assert!(quiet(&ada.until_pong().await), "nobody hears himself");
    assert!(quiet(&also_ada.until_pong().await), "nor on another device");
    assert!(quiet(&cyd.until_pong().await), "who does not watch hears nothing");
    server.server.stop().await;
}

#[tokio::test]
async fn by_asking_typing_is_told_and_heard_aboard_the_same_call() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let (adas, bobs) = (server.cursor("ada").await, server.cursor("bob").await);
    let ask = |since: Option<String>| SyncRequest {
        watch: Some(Watch { rooms: vec![room], since }),
        ..request(adas.clone())
    };
    let first = server.sync("ada", &ask(None)).await.ephemeral.unwrap();
    assert!(server.sync("ada", &ask(first.to.clone())).await.ephemeral.is_none());
    let typing = vec![TypingUpdate { room, typing: true }];
    server.sync("bob", &SyncRequest { typing, ..request(bobs.clone()) }).await;
    let news = server.sync("ada", &ask(first.to)).await.ephemeral.unwrap();
    assert_eq!(news.typing[0].user, user("bob"));
    assert_eq!(states(&news), [("bob", PresenceState::Online)]);
    server.say("bob", room, 1).await;
    let news = server.sync("ada", &ask(news.to)).await.ephemeral.unwrap();
    assert_eq!((news.typing[0].ttl_ms, news.presence.len()), (0, 0));
    server.server.stop().await;
}

#[tokio::test]
async fn a_room_above_the_stated_size_brings_nothing() {
    let server = start_with(|config| config.ephemeral_members = 2).await;
    let small = server.group("ada", &["bob"]).await;
    let large = server.group("ada", &["bob", "cyd"]).await;
    let cursor = server.cursor("ada").await;
    let mut ada = server.hello("ada", watching(large)).await;
    let mut bob = server.hello("bob", watching(small)).await;
    bob.send(&types(large, true)).await;
    ephemeral(&mut bob).await;
    assert_eq!(ada.until_pong().await, []);
    let watch = Some(Watch { rooms: vec![large, small], since: None });
    let answer = server.sync("ada", &SyncRequest { watch, ..request(cursor) }).await;
    assert_eq!(answer.ephemeral_members, 2);
    let news = answer.ephemeral.unwrap();
    assert_eq!(states(&news), [("bob", PresenceState::Online)], "of the small room");
    assert_eq!(news.typing, []);
    server.server.stop().await;
}

#[tokio::test]
async fn who_was_removed_neither_hears_nor_is_heard() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let mut ada = server.hello("ada", watching(room)).await;
    let mut bob = server.hello("bob", watching(room)).await;
    ephemeral(&mut bob).await;
    // Bob's state may have come with the first answer or after it.
    while !states(&ephemeral(&mut ada).await).contains(&("bob", PresenceState::Online)) {}
    let path = format!("/v1/rooms/{room}/members/bob");
    let token = server.token("ada");
    assert_eq!(server.call("DELETE", &path, Some(&token), None).await.status, 200);
    // The change has been handed out when its event arrives.
    let cursor = server.cursor("ada").await;
    server.say("ada", room, 1).await;
    let wait = SyncRequest { wait_ms: 25_000, ..request(cursor) };
    assert_eq!(server.sync("ada", &wait).await.page.unwrap().events.len(), 1);
    bob.send(&types(room, true)).await;
    ada.send(&types(room, true)).await;
    assert_eq!(bob.until_pong().await, []);
    assert_eq!(ada.until_pong().await, []);
    bob.send(&ClientFrame::Watch { rooms: Vec::new() }).await;
    bob.send(&ClientFrame::Watch { rooms: vec![room] }).await;
    assert_eq!(bob.until_pong().await, []);
    let bobs = server.cursor("bob").await;
    let watch = Some(Watch { rooms: vec![room], since: None });
    let told = server.sync("bob", &SyncRequest { watch, ..request(bobs) }).await;
    assert!(told.ephemeral.is_none_or(|news| news.is_empty()));
    server.server.stop().await;
}

#[tokio::test]
async fn too_much_is_refused_and_strange_rooms_are_ignored() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let foreign = server.group("eve", &["dan"]).await;
    let strange = |count| (0..count).map(|_| RoomId::from_uuid(Uuid::now_v7())).collect::<Vec<_>>();
    let mut bob = server.hello("bob", watching(room)).await;
    assert_eq!(states(&ephemeral(&mut bob).await), [("ada", PresenceState::Offline)]);
    bob.send(&ClientFrame::Watch { rooms: strange(1_000) }).await;
    assert_eq!(bob.next_error().await, ErrorCode::InvalidContent);
    let typing = strange(21).into_iter().map(|room| TypingUpdate { room, typing: true });
    bob.send(&ClientFrame::Ephemeral { typing: typing.clone().collect() }).await;
    assert_eq!(bob.next_error().await, ErrorCode::InvalidContent);
    for _ in 0..1_000 {
        bob.send(&types(foreign, true)).await;
    }
    assert_eq!(bob.until_pong().await, []);
    // What was watched before still is.
    let mut ada = server.hello("ada", watching(room)).await;
    assert_eq!(states(&ephemeral(&mut bob).await), [("ada", PresenceState::Online)]);
    let mut rooms = strange(17);
    rooms.extend([room, room, foreign]);
    ada.send(&ClientFrame::Watch { rooms }).await;
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", PresenceState::Online)]);

    let cursor = server.cursor("ada").await;
    let watch = Some(Watch { rooms: strange(1_000), since: None });
    let refused = SyncRequest { watch, ..request(cursor.clone()) };
    assert_eq!(server.post("ada", "/v1/sync", &refused).await.code(), ErrorCode::InvalidContent);
    let refused = SyncRequest { typing: typing.collect(), ..request(cursor.clone()) };
    assert_eq!(server.post("ada", "/v1/sync", &refused).await.code(), ErrorCode::InvalidContent);
    let watch = Some(Watch { rooms: strange(20), since: Some("rubbish".into()) });
    let nobody = server.sync("ada", &SyncRequest { watch, ..request(cursor) }).await;
    assert!(nobody.ephemeral.unwrap().is_empty());
    server.server.stop().await;
}

#[tokio::test]
async fn nothing_of_it_stands_in_the_log() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("ada").await;
    let mut ada = server.hello("ada", Hello { watch: vec![room], ..feed_from(cursor) }).await;
    assert!(matches!(ada.next().await, ServerFrame::Batch(page) if page.events.is_empty()));
    ephemeral(&mut ada).await;
    let mut bob = server.hello("bob", watching(room)).await;
    bob.send(&types(room, true)).await;
    let mut typed = false;
    while !typed {
        typed = !ephemeral(&mut ada).await.typing.is_empty();
    }
    bob.until_pong().await;
    server.say("bob", room, 1).await;
    loop {
        match ada.next().await {
            ServerFrame::Ephemeral(_) => {}
            ServerFrame::Batch(page) => {
                assert_eq!(page.events[0].seq.get(), 2, "the message is next after the creation");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_room_that_is_watched_before_it_begins_tells_once_it_is_there() {
    let server = start().await;
    let id = RoomId::from_uuid(Uuid::now_v7());
    let mut ada = server.hello("ada", watching(id)).await;
    assert_eq!(ada.until_pong().await, []);
    let room = serde_json::json!({ "id": id, "kind": "group", "members": ["bob"] });
    server.post("cyd", "/v1/rooms", &room).await;
    let members = serde_json::json!({ "users": ["ada"] });
    server.post("cyd", &format!("/v1/rooms/{id}/members"), &members).await;
    let expected = [("bob", PresenceState::Offline), ("cyd", PresenceState::Offline)];
    while states(&ephemeral(&mut ada).await) != expected {}
    server.server.stop().await;
}

#[tokio::test]
async fn after_a_restart_those_of_before_are_not_told_of_as_gone_and_others_with_their_time() {
    let server = start().await;
    let room = server.group("ada", &["bob", "eve"]).await;
    for name in ["bob", "eve"] {
        let cursor = server.cursor(name).await;
        server.sync(name, &asks(&cursor, AppState::Foreground)).await;
    }
    server.server.stop().await;
    let hour = 3_600_000;
    {
        let files =
            std::fs::read_dir(server.folder.path()).unwrap().map(|file| file.unwrap().path());
        let database =
            files.into_iter().find(|path| path.extension().is_some_and(|end| end == "db"));
        let database = rusqlite::Connection::open(database.unwrap()).unwrap();
        let sql = "UPDATE last_seen SET at = at - ?1 WHERE user = 'eve'";
        assert_eq!(database.execute(sql, [hour]).unwrap(), 1);
    }
    let config = Config::new(server.folder.path());
    let server = Running { server: Server::start(config).await.unwrap(), folder: server.folder };
    let mut ada = server.hello("ada", watching(room)).await;
    let first = ephemeral(&mut ada).await;
    assert_eq!(states(&first), [("eve", PresenceState::Offline)]);
    assert!(first.presence[0].last_seen.is_some_and(|at| at > 1_700_000_000_000));
    server.server.stop().await;
}
