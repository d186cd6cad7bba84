//! Live rooms: without a hole, without a repeat, and never without membership.

use tidewire_protocol::{
    ClientFrame, ErrorCode, Hello, LiveFrom, RoomId, Seq, ServerFrame, limits,
};
use uuid::Uuid;

use crate::harness::{Socket, live_from, seqs, start};

/// The next frame of a live room, as its `prev` and seqs.
async fn live(socket: &mut Socket) -> (u64, Vec<u64>) {
    match socket.next().await {
        ServerFrame::Live(live) => (live.prev.get(), seqs(&live.events)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_live_room_goes_on_from_where_the_client_is() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 5).await;
    let writer = async {
        for _ in 0..60 {
            server.say("ada", room, 1).await;
        }
    };
    let reader = async {
        let mut socket = server.hello("bob", live_from(room, 3)).await;
        let mut at = 3;
        while at < 66 {
            let (prev, events) = live(&mut socket).await;
            assert_eq!(prev, at, "no hole and no repeat");
            assert_eq!(events, (at + 1..=at + events.len() as u64).collect::<Vec<_>>());
            at += events.len() as u64;
        }
        socket.send(&ClientFrame::Unsubscribe { room }).await;
        socket.until_pong().await;
        server.say("ada", room, 1).await;
        assert_eq!(socket.until_pong().await, []);
    };
    tokio::join!(writer, reader);
    server.server.stop().await;
}

#[tokio::test]
async fn more_than_a_frame_allows_is_limited_and_the_room_stays_live() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 51).await;
    let mut socket = server.hello("bob", live_from(room, 1)).await;
    match socket.next().await {
        ServerFrame::Limited { room } => assert_eq!(room.head_seq.get(), 52),
        other => panic!("{other:?}"),
    }
    server.say("ada", room, 1).await;
    assert_eq!(live(&mut socket).await, (52, vec![53]));
    server.server.stop().await;
}

#[tokio::test]
async fn a_foreign_room_and_one_too_many_are_refused() {
    let server = start().await;
    let foreign = server.group("ada", &[]).await;
    let mut rooms = Vec::new();
    for _ in 0..limits::LIVE_ROOMS {
        let room = server.group("bob", &[]).await;
        rooms.push(LiveFrom { room, after: Seq::new(1) });
    }
    let extra = server.group("bob", &[]).await;
    let mut socket = server.hello("bob", live_from(foreign, 0)).await;
    let unknown = RoomId::from_uuid(Uuid::now_v7());
    socket.send(&ClientFrame::Subscribe(LiveFrom { room: unknown, after: Seq::ZERO })).await;
    let mut refused = Vec::new();
    for _ in 0..2 {
        match socket.next().await {
            ServerFrame::Error { error, room } => {
                assert_eq!(error.code, ErrorCode::NotAMember);
                refused.push(room.unwrap());
            }
            other => panic!("{other:?}"),
        }
    }
    refused.sort();
    let mut expected = [foreign, unknown];
    expected.sort();
    assert_eq!(refused, expected);
    let hello = Hello { live: rooms, heartbeat_ms: 30_000, ..Hello::default() };
    socket.send(&ClientFrame::Hello(hello)).await;
    assert!(matches!(socket.next().await, ServerFrame::Welcome(_)));
    socket.send(&ClientFrame::Subscribe(LiveFrom { room: extra, after: Seq::ZERO })).await;
    match socket.next().await {
        ServerFrame::Error { error, room } => {
            assert_eq!((error.code, room), (ErrorCode::InvalidContent, Some(extra)));
        }
        other => panic!("{other:?}"),
    }
    server.server.stop().await;
}

#[tokio::test]
async fn whoever_is_removed_sees_the_leave_and_nothing_after() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let mut socket = server.hello("bob", live_from(room, 0)).await;
    assert_eq!(live(&mut socket).await, (0, vec![1]));
    let path = format!("/v1/rooms/{room}/members/bob");
    let ada = server.token("ada");
    assert_eq!(server.call("DELETE", &path, Some(&ada), None).await.status, 200);
    assert_eq!(live(&mut socket).await, (1, vec![2]));
    server.say("ada", room, 3).await;
    assert_eq!(socket.until_pong().await, []);
    // Nor does a former member get back in by asking.
    socket.send(&ClientFrame::Subscribe(LiveFrom { room, after: Seq::new(2) })).await;
    assert_eq!(socket.next_error().await, ErrorCode::NotAMember);
    server.server.stop().await;
}
