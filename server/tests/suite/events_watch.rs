//! Presence and typing on an event stream: as on a socket, from both sides.

use tidewire_protocol::{
    AppState, Content, Ephemeral, ErrorCode, Hello, Op, PresenceState, RoomId, ServerFrame,
    SyncRequest, TypingUpdate,
};
use uuid::Uuid;

use crate::harness::{Running, message, request, start};
use crate::stream::EventStream;

const ONLINE: PresenceState = PresenceState::Online;
const AWAY: PresenceState = PresenceState::Away;
const OFFLINE: PresenceState = PresenceState::Offline;

/// A stream of a user's from where the log ends, behind its `welcome` and its first page.
async fn stream(server: &Running, name: &str, query: &str) -> EventStream {
    let mut stream = slow_stream(server, name, query, None).await;
    assert!(matches!(stream.next().await, ServerFrame::Welcome(_)));
    assert_eq!(stream.page().await.events, []);
    stream
}

async fn slow_stream(
    server: &Running,
    name: &str,
    query: &str,
    receive_buffer: Option<u32>,
) -> EventStream {
    let query = format!("?cursor={}&heartbeat_ms=1000{query}", server.cursor(name).await);
    let headers = format!("authorization: Bearer {}\r\n", server.token(name));
    server.ask_for_events(&query, &headers, receive_buffer).await.unwrap()
}

async fn ephemeral(stream: &mut EventStream) -> Ephemeral {
    match stream.next().await {
        ServerFrame::Ephemeral(news) => news,
        other => panic!("{other:?}"),
    }
}

fn states(news: &Ephemeral) -> Vec<(&str, PresenceState)> {
    let mut states: Vec<_> = news.presence.iter().map(|p| (p.user.as_str(), p.state)).collect();
    states.sort_by_key(|(name, _)| *name);
    states
}

#[tokio::test]
async fn a_stream_tells_of_watched_rooms_what_a_socket_tells() {
    let server = start().await;
    let room = server.group("ada", &["bob", "cyd"]).await;
    let mut ada = stream(&server, "ada", &format!("&device=1&watch={room}")).await;
    let hello = Hello { watch: vec![room], device: 2, heartbeat_ms: 30_000, ..Hello::default() };
    let mut socket = server.hello("ada", hello).await;
    let mut both = async || {
        let on_stream = ephemeral(&mut ada).await;
        let ServerFrame::Ephemeral(on_socket) = socket.next().await else { panic!("news") };
        assert_eq!(states(&on_stream), states(&on_socket));
        let typing = |news: &Ephemeral| {
            let typing = news.typing.iter().map(|t| (t.room, t.user.clone(), t.ttl_ms > 0));
            typing.collect::<Vec<_>>()
        };
        assert_eq!(typing(&on_stream), typing(&on_socket));
        on_stream
    };
    // Everybody first, then what changes.
    assert_eq!(states(&both().await), [("bob", OFFLINE), ("cyd", OFFLINE)]);
    let bobs = server.cursor("bob").await;
    server.sync("bob", &SyncRequest { heartbeat_ms: 60_000, ..request(bobs.clone()) }).await;
    assert_eq!(states(&both().await), [("bob", ONLINE)]);
    let typing = vec![TypingUpdate { room, typing: true }];
    let types = SyncRequest { typing, heartbeat_ms: 60_000, ..SyncRequest::default() };
    let said = server.sync("bob", &types).await;
    assert!(said.page.is_none(), "without a cursor nothing is read");
    let news = both().await;
    assert_eq!((news.typing[0].user.as_str(), news.presence.len()), ("bob", 0));
    server.server.stop().await;
}

#[tokio::test]
async fn a_stream_counts_as_a_device_of_its_user_while_it_is_open_and_a_while_longer() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let mut ada = stream(&server, "ada", &format!("&watch={room}")).await;
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", OFFLINE)]);
    let away = stream(&server, "bob", "&device=1&app_state=background").await;
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", AWAY)]);
    let here = stream(&server, "bob", "&device=2").await;
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", ONLINE)]);
    drop(here);
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", AWAY)]);
    drop(away);
    let gone = ephemeral(&mut ada).await;
    assert_eq!(states(&gone), [("bob", OFFLINE)]);
    assert!(gone.presence[0].last_seen.is_some());
    server.server.stop().await;
}

#[tokio::test]
async fn what_is_typed_beside_a_stream_ends_with_it() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let mut ada = stream(&server, "ada", &format!("&watch={room}")).await;
    let bob = stream(&server, "bob", "&device=1").await;
    while states(&ephemeral(&mut ada).await) != [("bob", ONLINE)] {}
    let typing = vec![TypingUpdate { room, typing: true }];
    server.sync("bob", &SyncRequest { typing, device: 1, ..SyncRequest::default() }).await;
    assert!(ephemeral(&mut ada).await.typing[0].ttl_ms > 0);
    drop(bob);
    assert_eq!(ephemeral(&mut ada).await.typing[0].ttl_ms, 0);
    server.server.stop().await;
}

#[tokio::test]
async fn what_cannot_be_watched_is_refused_and_strange_rooms_are_ignored() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let foreign = server.group("eve", &["dan"]).await;
    let cursor = server.cursor("ada").await;
    let headers = format!("authorization: Bearer {}\r\n", server.token("ada"));
    let strange = |count| {
        let ids = (0..count).map(|_| RoomId::from_uuid(Uuid::now_v7()).to_string());
        ids.collect::<Vec<_>>().join(",")
    };
    for (watch, code) in [
        ("rubbish".to_owned(), ErrorCode::BadRequest),
        (format!("{room},"), ErrorCode::BadRequest),
        (format!("{room};{room}"), ErrorCode::BadRequest),
        (strange(21), ErrorCode::InvalidContent),
    ] {
        let query = format!("?cursor={cursor}&watch={watch}");
        let refused = server.ask_for_events(&query, &headers, None).await.err().unwrap();
        assert_eq!((refused.code(), refused.status), (code.clone(), code.status()), "{watch}");
    }
    let query = format!("&watch={},{room},{room},{foreign}", strange(17));
    let mut ada = stream(&server, "ada", &query).await;
    assert_eq!(states(&ephemeral(&mut ada).await), [("bob", OFFLINE)]);
    // An empty list is none.
    stream(&server, "ada", "&watch=").await;
    server.server.stop().await;
}

#[tokio::test]
async fn a_reader_who_has_enough_to_read_is_told_of_others_last_and_how_they_stand_then() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let mut bob = slow_stream(&server, "bob", &format!("&watch={room}"), Some(4_096)).await;
    let cursor = server.cursor("ada").await;
    let state = async |app_state| {
        let sign = SyncRequest { app_state, heartbeat_ms: 600_000, ..request(cursor.clone()) };
        server.sync("ada", &sign).await;
    };
    // More than an inbox holds and a connection buffers, and changes all the while.
    let blob = Content::of(&"x".repeat(16_000)).unwrap();
    let op = |_| Op { kind: "blob".into(), content: blob.clone(), ..message("") };
    for n in 0..350 {
        state(if n % 2 == 0 { AppState::Foreground } else { AppState::Background }).await;
        server.ops("ada", room, &(0..2).map(op).collect::<Vec<_>>()).await;
    }
    state(AppState::Background).await;
    let (mut head, mut last, mut frames) = (1, None, 0);
    while head < 701 || last != Some(AWAY) {
        match bob.next().await {
            ServerFrame::Batch(page) => {
                head = page.events.last().map_or(head, |event| event.seq.get());
                head = page.limited.iter().map(|room| room.head_seq.get()).fold(head, u64::max);
            }
            ServerFrame::Ephemeral(news) => {
                frames += 1;
                last = states(&news).first().map(|(_, state)| *state).or(last);
            }
            _ => {}
        }
    }
    assert!(frames < 100, "{frames} frames: they do not wait each for itself");
    server.server.stop().await;
}
