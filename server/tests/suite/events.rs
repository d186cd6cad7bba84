//! The feed as an event stream: complete, in order, once, and typed when it is refused or ends.

use std::time::Duration;

use serde_json::json;
use tidewire_protocol::{Content, Cursor, ErrorCode, Op, RoomState, ServerFrame};
use tokio::time::timeout;

use crate::harness::{PATIENCE, Running, feed_from, message, request, seqs, start, start_with};
use crate::stream::{EventStream, Told};

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

async fn refused(server: &Running, query: &str, headers: &str) -> (ErrorCode, u16) {
    match server.ask_for_events(query, headers, None).await {
        Ok(stream) => panic!("{}", stream.head),
        Err(answer) => (answer.code(), answer.status),
    }
}

#[tokio::test]
async fn the_stream_catches_up_and_then_goes_on_without_a_seam() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let start = server.cursor("bob").await;
    server.say("ada", room, 30).await;
    let writer = async {
        for _ in 0..300 {
            server.say("ada", room, 1).await;
        }
    };
    let reader = async {
        let mut stream = server.events("bob", &start).await;
        let (mut from, mut seen) = (start.clone(), Vec::new());
        while seen.len() < 330 {
            let Some(Told::Event(name, id, frame)) = stream.told().await else {
                panic!("the stream goes on")
            };
            let ServerFrame::Batch(page) = *frame else { continue };
            assert_eq!(page.from, from, "each page goes on from the one before");
            assert_eq!((name.as_str(), id.as_deref()), ("batch", Some(page.to.as_str())));
            seen.extend(seqs(&page.events));
            from = page.to;
        }
        assert_eq!(seen, (2..=331).collect::<Vec<_>>());
        // The last place is as good for polling.
        assert!(server.sync("bob", &request(from)).await.page.unwrap().events.is_empty());
    };
    tokio::join!(writer, reader);
    server.server.stop().await;
}

#[tokio::test]
async fn the_last_event_id_comes_before_the_cursor_of_the_query() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    let old = server.cursor("ada").await;
    server.say("ada", room, 3).await;
    let mut stream = server.events("ada", &old).await;
    let seen = stream.page().await;
    assert_eq!(seqs(&seen.events), [2, 3, 4]);
    drop(stream);
    server.say("ada", room, 2).await;
    let token = server.token("ada");
    let headers = format!("{}last-event-id: {}\r\n", bearer(&token), seen.to);
    for query in [String::new(), format!("?cursor={old}")] {
        let mut stream = server.ask_for_events(&query, &headers, None).await.unwrap();
        assert!(matches!(stream.next().await, ServerFrame::Welcome(_)));
        let page = stream.page().await;
        assert_eq!((page.from, seqs(&page.events)), (seen.to.clone(), vec![5, 6]));
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_stream_is_told_to_nobody_in_between_to_keep_or_to_pack() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    let cursor = server.cursor("ada").await;
    server.say("ada", room, 50).await;
    let headers = format!("{}accept-encoding: gzip\r\n", bearer(&server.token("ada")));
    let query = format!("?cursor={cursor}");
    let mut stream = server.ask_for_events(&query, &headers, None).await.unwrap();
    let head = stream.head.to_ascii_lowercase();
    for line in
        ["content-type: text/event-stream", "cache-control: no-store", "x-accel-buffering: no"]
    {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "{head}");
    }
    assert!(!head.contains("content-encoding"), "{head}");
    assert!(matches!(stream.next().await, ServerFrame::Welcome(_)));
    assert_eq!(stream.page().await.events.len(), 50);
    server.server.stop().await;
}

#[tokio::test]
async fn a_stream_that_can_not_begin_is_refused_with_the_typed_body() {
    let server = start_with(|config| config.socket_capacity = 1).await;
    let token = server.token("ada");
    let cursor = server.cursor("ada").await;
    let good = format!("?cursor={cursor}");
    let foreign = format!("?cursor={}", server.cursor("eve").await);
    let mine = bearer(&token);
    for (query, headers, code) in [
        (good.as_str(), "", ErrorCode::TokenInvalid),
        (&good, &bearer("rubbish"), ErrorCode::TokenInvalid),
        ("", &mine, ErrorCode::CursorInvalid),
        ("?cursor=rubbish", &mine, ErrorCode::CursorInvalid),
        (&foreign, &mine, ErrorCode::CursorInvalid),
        (&format!("{good}&heartbeat_ms=soon"), &mine, ErrorCode::BadRequest),
        (&good, &format!("{mine}last-event-id: rubbish\r\n"), ErrorCode::CursorInvalid),
    ] {
        let (told, status) = refused(&server, query, headers).await;
        assert_eq!((&told, status), (&code, code.status()), "{query}");
    }
    let post = server.call("POST", "/v1/events", Some(&token), Some("{}")).await;
    assert_eq!(post.code(), ErrorCode::MethodNotAllowed);
    // One counts as much as a socket, and only while it lasts.
    let stream = server.events("ada", &cursor).await;
    let full = server.ask_for_events(&good, &mine, None).await.err().unwrap();
    assert_eq!(full.code(), ErrorCode::Unavailable);
    assert!(full.header("retry-after").is_some());
    assert!(server.try_open(None).await.is_none());
    drop(stream);
    timeout(PATIENCE, async { while server.try_open(None).await.is_none() {} }).await.unwrap();
    server.server.stop().await;
}

#[tokio::test]
async fn a_cursor_that_is_too_old_is_refused_with_410() {
    let server = start_with(|config| config.cursor_max_age = Duration::ZERO).await;
    let cursor = server.cursor("ada").await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let query = format!("?cursor={cursor}");
    let told = refused(&server, &query, &bearer(&server.token("ada"))).await;
    assert_eq!(told, (ErrorCode::CursorExpired, 410));
    server.server.stop().await;
}

#[tokio::test]
async fn a_silent_stream_shows_that_it_lives() {
    let server = start().await;
    let cursor = server.cursor("ada").await;
    let query = format!("?cursor={cursor}&heartbeat_ms=1000");
    let headers = bearer(&server.token("ada"));
    let mut stream = server.ask_for_events(&query, &headers, None).await.unwrap();
    let mut comments = 0;
    while comments < 2 {
        comments += usize::from(stream.told().await.unwrap() == Told::Comment);
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_its_token_and_says_so() {
    let server = start().await;
    let cursor = server.cursor("ada").await;
    let short = server.server.keys().mint(&"ada".parse().unwrap(), Duration::from_secs(1)).unwrap();
    let query = format!("?cursor={cursor}");
    let mut stream = server.ask_for_events(&query, &bearer(&short), None).await.unwrap();
    assert!(matches!(stream.next().await, ServerFrame::Welcome(_)));
    stream.page().await;
    assert_eq!(stream.last_error().await, ErrorCode::TokenExpired);
    server.server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_says_when_to_come_back_and_ends_the_stream() {
    let server = start().await;
    let cursor = server.cursor("ada").await;
    let mut stream = server.events("ada", &cursor).await;
    stream.page().await;
    let ends = async {
        assert!(matches!(stream.next().await, ServerFrame::Goaway { .. }));
        assert_eq!(stream.frame().await, None);
    };
    tokio::join!(ends, server.server.stop());
}

#[tokio::test]
async fn two_devices_hear_the_same_on_a_stream_and_on_a_socket() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("bob").await;
    let mut streams = [server.events("bob", &cursor).await, server.events("bob", &cursor).await];
    let mut socket = server.hello("bob", feed_from(cursor.clone())).await;
    for stream in &mut streams {
        stream.page().await;
    }
    socket.next().await;
    server.say("ada", room, 1).await;
    let ServerFrame::Batch(page) = socket.next().await else { panic!("a page") };
    for stream in &mut streams {
        assert_eq!(stream.page().await.events, page.events);
    }
    server.server.stop().await;
}

#[tokio::test]
async fn whoever_is_added_gets_the_state_and_whoever_is_removed_hears_no_more() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    let cursor = server.cursor("bob").await;
    let mut stream = server.events("bob", &cursor).await;
    stream.page().await;
    let members = format!("/v1/rooms/{room}/members");
    server.post("ada", &members, &json!({ "users": ["bob"] })).await.parse::<RoomState>();
    let page = stream.page().await;
    assert_eq!((page.events.len(), page.limited[0].head_seq.get()), (0, 2));
    server.say("ada", room, 1).await;
    assert_eq!(seqs(&stream.page().await.events), [3]);
    let ada = server.token("ada");
    let out = server.call("DELETE", &format!("{members}/bob"), Some(&ada), None).await;
    assert_eq!(out.status, 200);
    assert_eq!(seqs(&stream.page().await.events), [4]);
    server.say("ada", room, 1).await;
    // Something else of Bob's, so that there is a next page to look at.
    let own = server.group("bob", &[]).await;
    let page = stream.page().await;
    assert_eq!((page.events.len(), page.limited[0].id), (0, own));
    server.server.stop().await;
}

#[tokio::test]
async fn a_change_of_the_audience_is_told() {
    let server = start().await;
    let cursor = server.cursor("ada").await;
    let mut stream = server.events("ada", &cursor).await;
    server.sync("bob", &request(server.cursor("bob").await)).await;
    loop {
        if let Some(Told::Event(name, _, frame)) = stream.told().await
            && let ServerFrame::Policy { online, .. } = *frame
        {
            assert_eq!(name, "policy");
            if online == 2 {
                break;
            }
        }
    }
    server.server.stop().await;
}

/// So many messages of 16 KB: the buffers of a connection hold only some of them.
async fn say_much(server: &Running, room: tidewire_protocol::RoomId, count: usize) {
    let blob = Content::of(&"x".repeat(16_000)).unwrap();
    let op = |_| Op { kind: "blob".into(), content: blob.clone(), ..message("") };
    for _ in 0..count / 2 {
        let sent = server.ops("ada", room, &(0..2).map(op).collect::<Vec<_>>()).await;
        assert_eq!(sent.status, 200);
    }
}

async fn slow_reader(server: &Running, cursor: &Cursor) -> EventStream {
    let query = format!("?cursor={cursor}");
    let headers = bearer(&server.token("bob"));
    server.ask_for_events(&query, &headers, Some(4_096)).await.unwrap()
}

#[tokio::test]
async fn a_slow_reader_overruns_its_queue_and_misses_nothing() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("bob").await;
    let mut stream = slow_reader(&server, &cursor).await;
    // More than an inbox holds, while nobody reads.
    say_much(&server, room, 700).await;
    let (mut from, mut head) = (cursor, 1);
    while head < 701 {
        let page = match stream.next().await {
            ServerFrame::Batch(page) => page,
            ServerFrame::Welcome(_) => continue,
            other => panic!("{other:?}"),
        };
        assert_eq!(page.from, from);
        from = page.to;
        for seq in seqs(&page.events) {
            assert_eq!(seq, head + 1, "no hole that is not told");
            head = seq;
        }
        head = page.limited.iter().map(|room| room.head_seq.get()).fold(head, u64::max);
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_stream_that_nobody_takes_is_closed_and_its_place_is_free() {
    let server = start_with(|config| {
        config.write_timeout = Duration::from_millis(100);
        config.socket_capacity = 1;
    })
    .await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("bob").await;
    let stuck = slow_reader(&server, &cursor).await;
    let fill = async {
        loop {
            say_much(&server, room, 50).await;
        }
    };
    let freed = async { while server.try_open(None).await.is_none() {} };
    tokio::select! {
        () = fill => {}
        freed = timeout(PATIENCE, freed) => freed.unwrap(),
    }
    drop(stuck);
    server.server.stop().await;
}
