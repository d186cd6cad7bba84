//! The call `sync`.

use std::time::{Duration, Instant};

use tidewire_protocol::{ErrorCode, OpOutcome, RoomId, RoomOps, SyncRequest, SyncResponse};
use tokio::time::timeout;
use uuid::Uuid;

use crate::harness::{PATIENCE, message, request, seqs, start, start_with};

#[tokio::test]
async fn the_page_holds_what_the_same_request_sent() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let from = server.cursor("ada").await;
    for round in 0..20 {
        let from = server.cursor("ada").await;
        let ops = vec![RoomOps { room, ops: vec![message("hi")] }];
        let answer = server.sync("ada", &SyncRequest { ops, ..request(from.clone()) }).await;
        let page = answer.page.unwrap();
        assert_eq!(page.from, from);
        assert_eq!(seqs(&page.events), [round + 2]);
        match answer.results[0].results[0].outcome {
            OpOutcome::Accepted { seq, .. } => assert_eq!(seq.get(), round + 2),
            ref other => panic!("{other:?}"),
        }
    }
    let page = server.sync("ada", &request(from)).await.page.unwrap();
    assert_eq!(page.events.len(), 20);
    server.server.stop().await;
}

#[tokio::test]
async fn what_was_answered_is_in_the_next_page_of_everybody() {
    // The answer from memory must not lag behind a commit that somebody knows of.
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let mut cursor = server.cursor("bob").await;
    for round in 0..50 {
        server.say("ada", room, 1).await;
        let page = server.sync("bob", &request(cursor.clone())).await.page.unwrap();
        assert_eq!(seqs(&page.events), [round + 2]);
        let quiet = server.sync("bob", &request(page.to.clone())).await.page.unwrap();
        assert!(quiet.events.is_empty() && !quiet.more);
        assert_eq!(quiet.to, quiet.from, "nothing new is the same place");
        cursor = page.to;
    }
    server.server.stop().await;
}

#[tokio::test]
async fn a_waiting_sync_is_answered_by_the_event_it_waits_for() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("bob").await;
    let waiting = SyncRequest { wait_ms: 25_000, ..request(cursor) };
    let started = Instant::now();
    let (answer, ()) = tokio::join!(server.sync("bob", &waiting), server.say("ada", room, 1));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(seqs(&answer.page.unwrap().events), [2]);
    // And without news when its time is over.
    let cursor = server.cursor("bob").await;
    let waiting = SyncRequest { wait_ms: 50, ..request(cursor) };
    let started = Instant::now();
    let answer = server.sync("bob", &waiting).await;
    assert!(answer.page.unwrap().events.is_empty());
    assert!(started.elapsed() >= Duration::from_millis(50));
    server.server.stop().await;
}

#[tokio::test]
async fn a_stop_answers_waiting_syncs_at_once() {
    let server = start().await;
    let cursor = server.cursor("bob").await;
    let waiting = SyncRequest { wait_ms: 25_000, ..request(cursor) };
    let started = Instant::now();
    let stop = async {
        // The online count says that the request has arrived.
        while server.sync("ada", &SyncRequest::default_for_test()).await.online < 2 {}
        server.server.stop().await;
    };
    let (answer, ()) = tokio::join!(server.sync("bob", &waiting), stop);
    assert!(answer.page.unwrap().events.is_empty());
    assert!(started.elapsed() < Duration::from_secs(10));
}

trait ForTest {
    fn default_for_test() -> Self;
}

impl ForTest for SyncRequest {
    fn default_for_test() -> Self {
        serde_json::from_str("{}").unwrap()
    }
}

#[tokio::test]
async fn without_a_cursor_nothing_is_read() {
    let server = start().await;
    let answer: SyncResponse = server.sync("ada", &SyncRequest::default_for_test()).await;
    assert_eq!((answer.page, answer.online), (None, 1));
    server.server.stop().await;
}

#[tokio::test]
async fn a_room_that_refuses_does_not_harm_the_others() {
    let server = start().await;
    let mine = server.group("ada", &[]).await;
    let foreign = server.group("eve", &[]).await;
    let cursor = server.cursor("ada").await;
    let ops = vec![
        RoomOps { room: foreign, ops: vec![message("no")] },
        RoomOps { room: mine, ops: vec![message("yes")] },
    ];
    let answer = server.sync("ada", &SyncRequest { ops, ..request(cursor) }).await;
    assert_eq!(answer.results[0].error.as_ref().unwrap().code, ErrorCode::NotAMember);
    assert!(matches!(answer.results[1].results[0].outcome, OpOutcome::Accepted { .. }));
    assert_eq!(seqs(&answer.page.unwrap().events), [2]);
    server.server.stop().await;
}

#[tokio::test]
async fn a_sync_brings_operations_of_so_many_rooms_and_none_that_are_empty() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    let cursor = server.cursor("ada").await;
    let with = |rooms: usize| {
        let foreign = |_| RoomId::from_uuid(Uuid::now_v7());
        let rooms = std::iter::once(room).chain((1..rooms).map(foreign));
        let ops = rooms.map(|room| RoomOps { room, ops: vec![] }).collect();
        SyncRequest { ops, ..request(cursor.clone()) }
    };
    let refused = server.post("ada", "/v1/sync", &with(51)).await;
    assert_eq!(refused.code(), ErrorCode::InvalidContent);
    let answer = server.sync("ada", &with(50)).await;
    assert_eq!(answer.results.len(), 50);
    for sent in answer.results {
        assert_eq!(sent.error.unwrap().code, ErrorCode::InvalidContent);
    }
    server.server.stop().await;
}

#[tokio::test]
async fn foreign_forged_and_old_cursors_are_told_apart() {
    let server = start_with(|config| config.cursor_max_age = Duration::from_millis(1)).await;
    let eves = server.cursor("eve").await;
    let foreign = server.post("ada", "/v1/sync", &request(eves)).await;
    assert_eq!(foreign.code(), ErrorCode::CursorInvalid);
    let old = server.cursor("ada").await;
    timeout(PATIENCE, async {
        loop {
            let answer = server.post("ada", "/v1/sync", &request(old.clone())).await;
            if answer.status != 200 {
                assert_eq!(answer.code(), ErrorCode::CursorExpired);
                return;
            }
        }
    })
    .await
    .unwrap();
    server.server.stop().await;
}

#[tokio::test]
async fn a_cursor_beyond_the_log_is_invalid() {
    // The log of a folder that was put back to an older copy, with the same secret and epoch.
    let server = start().await;
    let room = server.group("ada", &[]).await;
    let folder = server.folder.path().to_owned();
    server.server.stop().await;
    let copy = std::fs::read(folder.join("tidewire.db")).unwrap();
    let config = tidewire_server::Config::new(&folder);
    let later = tidewire_server::Server::start(config.clone()).await.unwrap();
    let server = crate::harness::Running { server: later, folder: server.folder };
    server.say("ada", room, 5).await;
    let ahead = server.cursor("ada").await;
    server.server.stop().await;
    std::fs::write(folder.join("tidewire.db"), copy).unwrap();
    let earlier = tidewire_server::Server::start(config).await.unwrap();
    let server = crate::harness::Running { server: earlier, folder: server.folder };
    let answer = server.post("ada", "/v1/sync", &request(ahead)).await;
    assert_eq!(answer.code(), ErrorCode::CursorInvalid);
    server.server.stop().await;
}
