//! Sockets: the pushed feed, live rooms, what is sent over them.

use tidewire::{ErrorCode, RoomId, Seq};
use tidewire_protocol::{
    ClientFrame, Cursor, Hello, LiveFrom, OpOutcome, Page, RoomOps, ServerFrame,
};

use super::{Served, cursor, group, op, reading, remove, room, talk};

fn hello(cursor: Option<&Cursor>, live: &[(RoomId, u64)]) -> ClientFrame {
    ClientFrame::Hello(Hello {
        cursor: cursor.cloned(),
        feed: cursor.is_some(),
        live: live.iter().map(|(room, after)| from(*room, *after)).collect(),
        heartbeat_ms: 30_000,
        ..Hello::default()
    })
}

fn from(room: RoomId, after: u64) -> LiveFrom {
    LiveFrom { room, after: Seq::new(after) }
}

async fn greeted<S: Served>(server: &mut S, name: &str, hello: ClientFrame) -> S::Socket {
    let mut socket = server.open(name).await;
    server.say(&mut socket, hello).await;
    match server.hears(&mut socket, &["welcome"]).await {
        ServerFrame::Welcome(welcome) => assert_eq!(welcome.user, super::user(name)),
        other => panic!("{other:?}"),
    }
    socket
}

async fn page<S: Served>(server: &mut S, socket: &mut S::Socket) -> Page {
    match server.hears(socket, &["batch", "error"]).await {
        ServerFrame::Batch(page) => page,
        other => panic!("{other:?}"),
    }
}

/// Pages until so many events are there. Each goes on from the one before.
async fn pages<S: Served>(
    server: &mut S,
    socket: &mut S::Socket,
    at: &mut Cursor,
    count: usize,
) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        let page = page(server, socket).await;
        assert_eq!(page.from, *at, "one page goes on from the other");
        *at = page.to;
        seqs.extend(page.events.iter().map(|event| event.seq.get()));
    }
    seqs
}

/// Live frames until so many events are there.
async fn live<S: Served>(server: &mut S, socket: &mut S::Socket, after: u64, count: usize) {
    let mut last = after;
    while last < after + count as u64 {
        match server.hears(socket, &["live", "limited", "error"]).await {
            ServerFrame::Live(live) => {
                assert_eq!(live.prev.get(), last);
                for event in live.events {
                    assert_eq!(event.seq.get(), last + 1);
                    last += 1;
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(super) async fn the_feed_is_pushed_from_the_cursor_on(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let mut at = cursor(server, "ada").await;
    talk(server, "bob", room, 2).await;
    let mut socket = greeted(server, "ada", hello(Some(&at), &[])).await;
    assert_eq!(pages(server, &mut socket, &mut at, 2).await, [2, 3]);
    talk(server, "bob", room, 1).await;
    assert_eq!(pages(server, &mut socket, &mut at, 1).await, [4]);
    let bad = Cursor::new("garbage");
    server.say(&mut socket, hello(Some(&bad), &[])).await;
    match server.hears(&mut socket, &["error"]).await {
        ServerFrame::Error { error, .. } => assert_eq!(error.code, ErrorCode::CursorInvalid),
        other => panic!("{other:?}"),
    }
    // Good for everything else.
    server.say(&mut socket, ClientFrame::Ping).await;
    server.hears(&mut socket, &["pong"]).await;
}

pub(super) async fn a_hello_sets_everything_anew(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let at = cursor(server, "ada").await;
    let mut socket = greeted(server, "ada", hello(None, &[(room, 1)])).await;
    talk(server, "bob", room, 1).await;
    live(server, &mut socket, 1, 1).await;
    // Now the feed, from the same cursor: what came live comes again, and nothing is live.
    server.say(&mut socket, hello(Some(&at), &[])).await;
    server.hears(&mut socket, &["welcome"]).await;
    let mut at = at;
    assert_eq!(pages(server, &mut socket, &mut at, 1).await, [2]);
    talk(server, "bob", room, 1).await;
    match server.hears(&mut socket, &["batch", "live"]).await {
        ServerFrame::Batch(page) => assert_eq!(page.from, at),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn what_is_sent_is_answered_and_comes_by_the_feed_too(server: &mut impl Served) {
    let there = group(server, "ada", &[]).await;
    let mut at = cursor(server, "ada").await;
    let mut socket = greeted(server, "ada", hello(Some(&at), &[])).await;
    // The first page is there even if it is empty: the client has caught up.
    assert!(page(server, &mut socket).await.events.is_empty());
    let send = ClientFrame::Send(RoomOps { room: there, ops: vec![op("hello")] });
    server.say(&mut socket, send).await;
    let mut answered = false;
    let mut pushed = false;
    while !(answered && pushed) {
        match server.hears(&mut socket, &["sent", "batch"]).await {
            ServerFrame::Sent(sent) => {
                assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }), "{sent:?}");
                answered = true;
            }
            ServerFrame::Batch(page) => {
                assert_eq!(page.from, at);
                at = page.to;
                pushed |= page.events.iter().any(|event| event.seq.get() == 2);
            }
            other => panic!("{other:?}"),
        }
    }
    let nowhere = ClientFrame::Send(RoomOps { room: room(), ops: vec![op("hello?")] });
    server.say(&mut socket, nowhere).await;
    match server.hears(&mut socket, &["sent"]).await {
        ServerFrame::Sent(sent) => {
            assert_eq!(sent.error.map(|error| error.code), Some(ErrorCode::NotAMember));
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_live_room_brings_what_follows_and_limited_where_that_is_too_much(
    server: &mut impl Served,
) {
    let (busy, calm) = (group(server, "ada", &["bob"]).await, group(server, "ada", &["bob"]).await);
    talk(server, "bob", busy, 51).await;
    talk(server, "bob", calm, 50).await;
    let mut socket = greeted(server, "ada", hello(None, &[])).await;
    server.say(&mut socket, ClientFrame::Subscribe(from(busy, 1))).await;
    match server.hears(&mut socket, &["limited", "live", "error"]).await {
        ServerFrame::Limited { room } => {
            assert_eq!((room.id, room.head_seq), (busy, Seq::new(52)));
        }
        other => panic!("{other:?}"),
    }
    server.say(&mut socket, ClientFrame::Subscribe(from(calm, 1))).await;
    live(server, &mut socket, 1, 50).await;
    server.say(&mut socket, ClientFrame::Unsubscribe { room: calm }).await;
    server.say(&mut socket, ClientFrame::Ping).await;
    server.hears(&mut socket, &["pong"]).await;
    talk(server, "bob", calm, 1).await;
    talk(server, "bob", busy, 1).await;
    // Of the other nothing more is heard.
    live(server, &mut socket, 52, 1).await;
    // A leave is the last that is told.
    remove(server, "ada", busy, "ada").await.unwrap();
    live(server, &mut socket, 53, 1).await;
}

pub(super) async fn a_room_of_others_is_not_live(server: &mut impl Served) {
    let others = group(server, "bob", &[]).await;
    let mut socket = greeted(server, "ada", hello(None, &[(others, 0)])).await;
    match server.hears(&mut socket, &["error", "live", "limited"]).await {
        ServerFrame::Error { error, room } => {
            assert_eq!((error.code, room), (ErrorCode::NotAMember, Some(others)));
        }
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_sync_over_the_socket_is_answered_with_its_number(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let at = cursor(server, "ada").await;
    talk(server, "bob", room, 1).await;
    let mut socket = greeted(server, "ada", hello(None, &[])).await;
    for (request, sync) in [(7, reading(&at)), (8, reading(&Cursor::new("garbage")))] {
        server.say(&mut socket, ClientFrame::Sync { request, sync }).await;
        let ServerFrame::Synced(synced) = server.hears(&mut socket, &["synced"]).await else {
            panic!("another frame");
        };
        assert_eq!(synced.request, request);
        match synced.response.and_then(|response| response.page) {
            Some(page) => assert_eq!((request, page.events.len()), (7, 1)),
            None => {
                let code = synced.error.map(|error| error.code);
                assert_eq!((request, code), (8, Some(ErrorCode::CursorInvalid)));
            }
        }
    }
}

pub(super) async fn what_is_pushed_waits_for_credit(server: &mut impl Served) {
    let mut rooms = Vec::new();
    for _ in 0..5 {
        rooms.push(group(server, "ada", &["bob"]).await);
    }
    let mut at = cursor(server, "ada").await;
    for room in &rooms {
        talk(server, "bob", *room, 44).await;
    }
    let mut socket = greeted(server, "ada", hello(Some(&at), &[])).await;
    let first = pages(server, &mut socket, &mut at, 200).await;
    assert_eq!(first.len(), 200, "the pipe ends there");
    server.say(&mut socket, ClientFrame::Ping).await;
    match server.hears(&mut socket, &["pong", "batch"]).await {
        ServerFrame::Pong => {}
        other => panic!("{other:?}"),
    }
    server.say(&mut socket, ClientFrame::Credit { cursor: at.clone() }).await;
    assert_eq!(pages(server, &mut socket, &mut at, 20).await.len(), 20);
}
