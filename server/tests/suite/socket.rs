//! The socket: hello, broken frames, silence, tokens, sends.

use std::time::Duration;

use tidewire_protocol::{ClientFrame, ErrorCode, Hello, OpOutcome, ServerFrame, SyncRequest};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{feed_from, live_from, message, request, seqs, start, start_with};

fn quiet() -> Hello {
    Hello { heartbeat_ms: 30_000, ..Hello::default() }
}

#[tokio::test]
async fn without_hello_in_time_the_socket_is_closed() {
    let server = start_with(|config| config.hello_timeout = Duration::from_millis(50)).await;
    let mut socket = server.open().await;
    assert_eq!(socket.next_error().await, ErrorCode::BadFrame);
    socket.assert_closed().await;
    server.server.stop().await;
}

#[tokio::test]
async fn the_first_frame_is_a_hello_with_a_good_token() {
    let server = start().await;
    let bad = ClientFrame::Hello(Hello { token: Some("rubbish".into()), ..quiet() });
    let cases = [
        (serde_json::to_string(&bad).unwrap(), ErrorCode::TokenInvalid),
        (r#"{"type":"hello","heartbeat_ms":30000}"#.into(), ErrorCode::TokenInvalid),
        (r#"{"type":"ping"}"#.into(), ErrorCode::BadFrame),
        ("{".into(), ErrorCode::BadFrame),
    ];
    for (text, code) in cases {
        let mut socket = server.open().await;
        socket.send_text(&text).await;
        assert_eq!(socket.next_error().await, code, "{text}");
        socket.assert_closed().await;
    }
    server.server.stop().await;
}

#[tokio::test]
async fn an_upgrade_without_the_subprotocol_is_refused() {
    let server = start().await;
    let answer = server
        .raw(
            b"GET /v1/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              content-length: 0\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(answer.code(), ErrorCode::BadRequest);
    server.server.stop().await;
}

#[tokio::test]
async fn a_server_at_its_capacity_refuses_sockets_with_a_slot() {
    let server = start_with(|config| config.socket_capacity = 1).await;
    let _first = server.hello("ada", quiet()).await;
    let answer = server
        .raw(
            b"GET /v1/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
              sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
              sec-websocket-protocol: tidewire.v1.json\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(answer.code(), ErrorCode::Unavailable);
    assert!(answer.header("retry-after").is_some());
    server.server.stop().await;
}

#[tokio::test]
async fn frames_that_make_no_sense_leave_the_socket_open() {
    let server = start().await;
    let mut socket = server.hello("ada", quiet()).await;
    for (text, code) in [
        (r#"{"type":"aurora","glow":3}"#, ErrorCode::UnknownFrame),
        (r#"{"type":"send"}"#, ErrorCode::BadFrame),
        (r#"{"no":"type"}"#, ErrorCode::BadFrame),
        ("[1,2]", ErrorCode::BadFrame),
        ("not json", ErrorCode::BadFrame),
        ("", ErrorCode::BadFrame),
    ] {
        socket.send_text(text).await;
        assert_eq!(socket.next_error().await, code, "{text}");
    }
    socket.send_message(Message::binary(b"{}".to_vec())).await;
    assert_eq!(socket.next_error().await, ErrorCode::BadFrame);
    assert_eq!(socket.until_pong().await, []);
    server.server.stop().await;
}

#[tokio::test]
async fn a_frame_over_the_limit_is_told_and_closes() {
    let server = start().await;
    for size in [64 * 1024 + 1, 100 * 1024] {
        let mut socket = server.hello("ada", quiet()).await;
        socket.send_text(&"x".repeat(size)).await;
        assert_eq!(socket.next_error().await, ErrorCode::TooLarge);
        socket.assert_closed().await;
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_silent_socket_is_closed() {
    let server = start().await;
    // The shortest heartbeat there is: 1 s.
    let mut socket = server.hello("ada", Hello { heartbeat_ms: 1, ..Hello::default() }).await;
    assert_eq!(socket.next_error().await, ErrorCode::BadFrame);
    socket.assert_closed().await;
    server.server.stop().await;
}

#[tokio::test]
async fn a_token_that_ends_closes_the_socket_unless_it_is_renewed() {
    let server = start().await;
    let short = |seconds| {
        server.server.keys().mint(&"ada".parse().unwrap(), Duration::from_secs(seconds)).unwrap()
    };
    let mut ending = server.open().await;
    ending.send(&ClientFrame::Hello(Hello { token: Some(short(1)), ..quiet() })).await;
    assert!(matches!(ending.next().await, ServerFrame::Welcome(_)));
    let mut renewed = server.open().await;
    renewed.send(&ClientFrame::Hello(Hello { token: Some(short(1)), ..quiet() })).await;
    assert!(matches!(renewed.next().await, ServerFrame::Welcome(_)));
    renewed.send(&ClientFrame::Token { token: server.token("ada") }).await;
    assert_eq!(ending.next_error().await, ErrorCode::TokenExpired);
    ending.assert_closed().await;
    assert_eq!(renewed.until_pong().await, []);
    // A token of somebody else's changes nobody's identity.
    renewed.send(&ClientFrame::Token { token: server.token("eve") }).await;
    assert_eq!(renewed.next_error().await, ErrorCode::TokenInvalid);
    renewed.assert_closed().await;
    server.server.stop().await;
}

#[tokio::test]
async fn send_and_sync_work_as_over_http() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("ada").await;
    let mut socket = server.hello("ada", quiet()).await;
    let op = message("hi");
    for _ in 0..2 {
        socket.send_ops(room, vec![op.clone()]).await;
        match socket.next().await {
            ServerFrame::Sent(sent) => match sent.results[0].outcome {
                OpOutcome::Accepted { seq, .. } => assert_eq!(seq.get(), 2),
                ref other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
    let foreign = server.group("eve", &[]).await;
    socket.send_ops(foreign, vec![op]).await;
    match socket.next().await {
        ServerFrame::Sent(sent) => {
            assert_eq!(sent.error.unwrap().code, ErrorCode::NotAMember);
            assert_eq!(sent.results, []);
        }
        other => panic!("{other:?}"),
    }
    // A wait counts as none: the answer comes at once even when there is no news.
    let mut from = cursor;
    for expected in [vec![2], vec![]] {
        let sync = SyncRequest { wait_ms: 25_000, ..request(from.clone()) };
        socket.send(&ClientFrame::Sync { request: 7, sync }).await;
        match socket.next().await {
            ServerFrame::Synced(synced) => {
                assert_eq!(synced.request, 7);
                let page = synced.response.unwrap().page.unwrap();
                assert_eq!(seqs(&page.events), expected);
                from = page.to;
            }
            other => panic!("{other:?}"),
        }
    }
    let sync = request(tidewire_protocol::Cursor::new("x"));
    socket.send(&ClientFrame::Sync { request: 8, sync }).await;
    match socket.next().await {
        ServerFrame::Synced(synced) => {
            assert_eq!(synced.error.unwrap().code, ErrorCode::CursorInvalid);
        }
        other => panic!("{other:?}"),
    }
    server.server.stop().await;
}

#[tokio::test]
async fn hello_again_sets_everything_anew() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("bob").await;
    let mut socket = server.hello("bob", feed_from(cursor.clone())).await;
    assert!(matches!(socket.next().await, ServerFrame::Batch(_)));
    socket.send(&ClientFrame::Hello(live_from(room, 1))).await;
    assert!(matches!(socket.next().await, ServerFrame::Welcome(_)));
    server.say("ada", room, 1).await;
    match socket.next().await {
        ServerFrame::Live(live) => assert_eq!(seqs(&live.events), [2]),
        other => panic!("{other:?}"),
    }
    // Back to the feed: what it missed comes from the log, and nothing is live any more.
    socket.send(&ClientFrame::Hello(feed_from(cursor))).await;
    assert!(matches!(socket.next().await, ServerFrame::Welcome(_)));
    match socket.next().await {
        ServerFrame::Batch(page) => assert_eq!(seqs(&page.events), [2]),
        other => panic!("{other:?}"),
    }
    server.say("ada", room, 1).await;
    match socket.next().await {
        ServerFrame::Batch(page) => assert_eq!(seqs(&page.events), [3]),
        other => panic!("{other:?}"),
    }
    assert_eq!(socket.until_pong().await, []);
    // A hello with another user's token ends it.
    let token = Some(server.token("eve"));
    socket.send(&ClientFrame::Hello(Hello { token, ..quiet() })).await;
    assert_eq!(socket.next_error().await, ErrorCode::TokenInvalid);
    socket.assert_closed().await;
    server.server.stop().await;
}
