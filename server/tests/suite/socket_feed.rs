//! The pushed feed: complete, in order, once, whatever happens on the way.

use serde_json::json;
use tidewire_protocol::{
    ClientFrame, Cursor, ErrorCode, Hello, Page, RoomState, ServerFrame, limits,
};

use crate::harness::{Socket, feed_from, message, request, seqs, start};

async fn batch(socket: &mut Socket) -> Page {
    match socket.next().await {
        ServerFrame::Batch(page) => page,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_feed_catches_up_and_then_goes_on_without_a_seam() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let start = server.cursor("bob").await;
    server.say("ada", room, 30).await;
    let writer = async {
        for _ in 0..100 {
            server.say("ada", room, 1).await;
        }
    };
    let reader = async {
        let mut socket = server.hello("bob", feed_from(start.clone())).await;
        let (mut from, mut seen) = (start.clone(), Vec::new());
        while seen.len() < 130 {
            let page = batch(&mut socket).await;
            assert_eq!(page.from, from, "each page goes on from the one before");
            assert!(page.events.len() <= limits::PAGE_EVENTS);
            seen.extend(seqs(&page.events));
            from = page.to.clone();
            socket.send(&ClientFrame::Credit { cursor: page.to }).await;
        }
        assert_eq!(seen, (2..=131).collect::<Vec<_>>());
        // The last place is as good for polling.
        let page = server.sync("bob", &request(from)).await.page.unwrap();
        assert!(page.events.is_empty());
    };
    tokio::join!(writer, reader);
    server.server.stop().await;
}

#[tokio::test]
async fn a_client_that_is_up_to_date_hears_so() {
    let server = start().await;
    let cursor = server.cursor("ada").await;
    let mut socket = server.hello("ada", feed_from(cursor.clone())).await;
    let page = batch(&mut socket).await;
    assert_eq!((page.from, page.events.len(), page.more), (cursor, 0, false));
    server.server.stop().await;
}

#[tokio::test]
async fn without_credit_the_push_stops_and_goes_on_from_the_log() {
    let server = start().await;
    let rooms = [server.group("ada", &["bob"]).await, server.group("ada", &["bob"]).await];
    let cursor = server.cursor("bob").await;
    let mut socket = server.hello("bob", feed_from(cursor)).await;
    let mut last = batch(&mut socket).await.to;
    let mut pushed = 0;
    for n in 0..300 {
        server.say("ada", rooms[n % 2], 1).await;
    }
    while pushed < limits::CREDIT_EVENTS {
        let page = batch(&mut socket).await;
        assert_eq!(page.from, last);
        pushed += page.events.len();
        last = page.to;
    }
    assert_eq!(pushed, limits::CREDIT_EVENTS);
    assert_eq!(socket.until_pong().await, [], "nothing more without credit");
    socket.send(&ClientFrame::Credit { cursor: last.clone() }).await;
    while pushed < 300 {
        let page = batch(&mut socket).await;
        assert_eq!(page.from, last);
        pushed += page.events.len();
        last = page.to;
    }
    assert_eq!(pushed, 300);
    server.server.stop().await;
}

#[tokio::test]
async fn whoever_is_added_gets_the_state_and_whoever_is_removed_gets_the_leave() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    server.say("ada", room, 3).await;
    let cursor = server.cursor("bob").await;
    let mut socket = server.hello("bob", feed_from(cursor)).await;
    batch(&mut socket).await;
    let members = format!("/v1/rooms/{room}/members");
    server.post("ada", &members, &json!({ "users": ["bob"] })).await.parse::<RoomState>();
    let page = batch(&mut socket).await;
    assert_eq!((page.events.len(), page.limited[0].head_seq.get()), (0, 5));
    server.say("ada", room, 1).await;
    assert_eq!(seqs(&batch(&mut socket).await.events), [6]);
    let ada = server.token("ada");
    let out = server.call("DELETE", &format!("{members}/bob"), Some(&ada), None).await;
    assert_eq!(out.status, 200);
    assert_eq!(seqs(&batch(&mut socket).await.events), [7]);
    server.say("ada", room, 1).await;
    // Something else of Bob's, so that there is a next page to look at.
    let own = server.group("bob", &[]).await;
    let page = batch(&mut socket).await;
    assert_eq!((page.events.len(), page.limited[0].id), (0, own));
    server.server.stop().await;
}

#[tokio::test]
async fn a_bad_cursor_leaves_the_feed_off_and_the_socket_open() {
    let server = start().await;
    let foreign = server.cursor("eve").await;
    for cursor in [Some(Cursor::new("rubbish")), Some(foreign), None] {
        let hello = Hello { cursor, feed: true, heartbeat_ms: 30_000, ..Hello::default() };
        let mut socket = server.hello("ada", hello).await;
        assert_eq!(socket.next_error().await, ErrorCode::CursorInvalid);
        let cursor = server.cursor("ada").await;
        socket.send(&ClientFrame::Hello(feed_from(cursor))).await;
        assert!(matches!(socket.next().await, ServerFrame::Welcome(_)));
        batch(&mut socket).await;
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_burst_that_overruns_the_queue_is_read_from_the_log() {
    let server = start().await;
    let rooms = [server.group("ada", &["bob"]).await, server.group("ada", &["bob"]).await];
    let cursor = server.cursor("bob").await;
    let mut socket = server.hello("bob", feed_from(cursor)).await;
    batch(&mut socket).await;
    let ops = |n: usize| (0..n).map(|n| message(&n.to_string())).collect::<Vec<_>>();
    let mut senders = Vec::new();
    for round in 0..20 {
        let body = json!({ "ops": ops(40) });
        let path = format!("/v1/rooms/{}/ops", rooms[round % 2]);
        senders.push((path, body));
    }
    let posts = senders.iter().map(|(path, body)| server.post("ada", path, body));
    futures::future::join_all(posts).await.iter().for_each(|answer| assert_eq!(answer.status, 200));
    // Rooms beyond the page come as `limited`; between the two, every seq up to the end is told.
    let mut heads = std::collections::HashMap::new();
    while rooms.iter().any(|room| heads.get(room) != Some(&401)) {
        let page = batch(&mut socket).await;
        for event in &page.events {
            let head = heads.entry(event.room).or_insert(1);
            assert!(event.seq.get() <= *head + 1, "no hole that is not told");
            *head = event.seq.get().max(*head);
        }
        for room in &page.limited {
            let head = heads.entry(room.id).or_insert(1);
            *head = room.head_seq.get().max(*head);
        }
        socket.send(&ClientFrame::Credit { cursor: page.to }).await;
    }
    server.server.stop().await;
}
