//! Peers that read slowly, or not at all.

use std::time::Duration;

use tidewire_protocol::{ClientFrame, Content, Hello, LiveFrom, Op, RoomId, Seq, ServerFrame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::{sleep, timeout};

use crate::harness::{PATIENCE, Running, message, start, start_with};

fn quiet() -> Hello {
    Hello { heartbeat_ms: 30_000, ..Hello::default() }
}

/// A room of Ada's with 52 large events: each read of the last 48 is 768 KB of events.
async fn heavy_room(server: &Running) -> RoomId {
    let room = server.group("ada", &[]).await;
    let blob = Content::of(&"x".repeat(16_000)).unwrap();
    let op = |_| Op { kind: "blob".into(), content: blob.clone(), ..message("") };
    for _ in 0..13 {
        server.ops("ada", room, &(0..4).map(op).collect::<Vec<_>>()).await;
    }
    room
}

#[tokio::test]
async fn a_socket_that_takes_nothing_is_closed_and_its_place_is_free() {
    let server = start_with(|config| {
        config.write_timeout = Duration::from_millis(100);
        config.socket_capacity = 1;
    })
    .await;
    let room = heavy_room(&server).await;
    let mut stuck = server.try_open(Some(4_096)).await.unwrap();
    stuck.send(&ClientFrame::Hello(Hello { token: Some(server.token("ada")), ..quiet() })).await;
    // Each history of the room is more than the buffers hold, and nobody reads it.
    for _ in 0..200 {
        let subscribe = LiveFrom { room, after: Seq::new(5) };
        stuck.send(&ClientFrame::Subscribe(subscribe)).await;
    }
    timeout(PATIENCE, async { while server.try_open(None).await.is_none() {} }).await.unwrap();
    server.server.stop().await;
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let server = start_with(|config| config.write_timeout = Duration::from_millis(100)).await;
    let room = heavy_room(&server).await;
    let stream = TcpSocket::new_v4().unwrap();
    stream.set_recv_buffer_size(4_096).unwrap();
    let mut stream = stream.connect(server.server.addr()).await.unwrap();
    let token = server.token("ada");
    for n in 0..20 {
        let connection = if n == 19 { "close" } else { "keep-alive" };
        let request = format!(
            "GET /v1/rooms/{room}/messages HTTP/1.1\r\nhost: x\r\nconnection: {connection}\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    // What had left before is still there, and behind it nothing comes.
    let mut got = 0;
    let mut piece = vec![0; 64 * 1_024];
    while let Ok(bytes @ 1..) = timeout(PATIENCE, stream.read(&mut piece)).await.unwrap() {
        got += bytes;
    }
    assert!(got < 20 * 52 * 16_000, "{got} bytes came");
    server.server.stop().await;
}

#[tokio::test]
async fn a_token_that_came_while_a_slow_reader_was_written_to_counts() {
    let server = start().await;
    let room = heavy_room(&server).await;
    let mut sockets = Vec::new();
    // Several, because it would be luck for one.
    for _ in 0..8 {
        let mut socket = server.try_open(Some(4_096)).await.unwrap();
        let short = server.server.keys().mint(&"ada".parse().unwrap(), Duration::from_secs(1));
        socket.send(&ClientFrame::Hello(Hello { token: Some(short.unwrap()), ..quiet() })).await;
        for _ in 0..30 {
            let subscribe = LiveFrom { room, after: Seq::new(5) };
            socket.send(&ClientFrame::Subscribe(subscribe)).await;
        }
        socket.send(&ClientFrame::Token { token: server.token("ada") }).await;
        sockets.push(socket);
    }
    sleep(Duration::from_millis(1_500)).await;
    for socket in &mut sockets {
        for frame in socket.until_pong().await {
            assert!(matches!(frame, ServerFrame::Welcome(_) | ServerFrame::Live(_)), "{frame:?}");
        }
    }
    server.server.stop().await;
}
