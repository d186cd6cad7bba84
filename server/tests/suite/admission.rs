//! More come at once than are let in: each of the others has a time of his own.

use std::collections::BTreeSet;

use futures::future::join_all;
use tidewire_protocol::{ClientFrame, ErrorBody, Hello, ServerFrame};

use crate::harness::{Running, feed_from, start_with};

/// Ten a second, whatever the lag.
async fn slow_door() -> Running {
    start_with(|config| {
        config.admission_per_second = 10;
        config.admission_floor = 10;
    })
    .await
}

/// Says hello, and gives the slot of a refusal.
async fn come(server: &Running, name: &str, hello: Hello) -> Option<u64> {
    let mut socket = server.open().await;
    let token = Some(server.token(name));
    socket.send(&ClientFrame::Hello(Hello { token, ..hello })).await;
    match socket.next().await {
        ServerFrame::Welcome(_) => None,
        ServerFrame::Error { error, .. } => {
            assert!(error.temporary, "{error:?}");
            socket.assert_closed().await;
            Some(error.retry_after_ms.expect("a slot"))
        }
        other => panic!("{other:?}"),
    }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}

#[tokio::test]
async fn above_the_rate_sockets_wait_a_moment_and_the_others_get_a_time_each_of_their_own() {
    let server = slow_door().await;
    let quiet = || Hello { heartbeat_ms: 30_000, ..Hello::default() };
    let users = names("u", 30);
    let slots = join_all(users.iter().map(|name| come(&server, name, quiet()))).await;
    let refused: BTreeSet<u64> = slots.iter().copied().flatten().collect();
    assert!((10..=19).contains(&refused.len()), "{refused:?}");
    assert_eq!(refused.len(), slots.iter().flatten().count(), "no two the same: {slots:?}");
    // Ten a second are promised, from the second on that those who wait are let in within. What it takes them to
    // come is between two of them.
    let (first, last) = (refused.first().unwrap(), refused.last().unwrap());
    assert!((500..=1_500).contains(first) && last - first <= 100 * refused.len() as u64);
    // Who comes at his time is in.
    let (name, slot) = users.iter().zip(&slots).find(|(_, slot)| **slot == Some(*first)).unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(slot.unwrap())).await;
    assert_eq!(come(&server, name, quiet()).await, None);
    server.server.stop().await;
}

#[tokio::test]
async fn who_resumes_comes_before_who_begins() {
    let server = slow_door().await;
    let cursors = join_all(names("old", 11).into_iter().map(async |name| {
        let cursor = server.cursor(&name).await;
        (name, cursor)
    }))
    .await;
    let quiet = || Hello { heartbeat_ms: 30_000, ..Hello::default() };
    let begin = names("new", 11);
    // All newcomers wait or are in before anybody resumes.
    let newcomers: Vec<_> = begin.iter().map(|name| come(&server, name, quiet())).collect();
    let mut newcomers = Box::pin(join_all(newcomers));
    let begun = tokio::time::timeout(std::time::Duration::from_millis(100), newcomers.as_mut());
    assert!(begun.await.is_err(), "ten of them wait");
    let resumes = cursors
        .into_iter()
        .map(async |(name, cursor)| come(&server, &name, feed_from(cursor)).await);
    let (newcomers, resumes) = tokio::join!(newcomers, join_all(resumes));
    let refused = |slots: &[Option<u64>]| slots.iter().flatten().count();
    assert!(refused(&resumes) <= 2, "{resumes:?}");
    assert!(refused(&newcomers) >= 7, "{newcomers:?}");
    server.server.stop().await;
}

#[tokio::test]
async fn polls_have_a_budget_of_their_own() {
    let server = start_with(|config| config.polls_per_second = 10).await;
    let users = names("u", 30);
    let answers = join_all(users.iter().map(async |name| {
        let token = server.token(name);
        server.call("POST", "/v1/sync", Some(&token), Some("{}")).await
    }))
    .await;
    let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert!(good.len() >= 11 && refused.len() >= 10, "{} of 30", good.len());
    for answer in refused {
        assert_eq!(answer.code(), tidewire_protocol::ErrorCode::Unavailable);
        let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap();
        assert!(body.error.retry_after_ms.is_some() && answer.header("retry-after").is_some());
    }
    let quiet = Hello { heartbeat_ms: 30_000, ..Hello::default() };
    assert_eq!(come(&server, "ada", quiet).await, None, "sockets are not concerned");
    server.server.stop().await;
}
