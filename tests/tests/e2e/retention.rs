//! Space on the client's disk is bounded: what goes is known to be gone, and comes again when it is
//! wanted.

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;
use uuid::Uuid;

const BOUND: u64 = 1_000_000;

#[tokio::test]
async fn above_its_bound_the_cache_lets_the_oldest_go_and_fetches_them_when_they_are_wanted() {
    let world = World::start().await;
    let setup = world.client("ada").knob("cache-bytes", BOUND);
    let ada = Agent::start(&setup).await;
    let quiet = ada.create_room(&[]).await;
    let kept = ada.send_numbers(&quiet, 1..=3).await;
    ada.sees(&quiet, &kept).await;
    let busy = ada.create_room(&["bob"]).await;
    ada.must(json!({"cmd": "close_room", "room": busy})).await;
    let path = format!("/v1/rooms/{busy}/ops");
    let long = "x".repeat(2_000);
    for _ in 0..64 {
        let op = || json!({"id": Uuid::now_v7(), "kind": "message", "content": {"text": long}});
        let ops: Vec<_> = (0..20).map(|_| op()).collect();
        let answer = world.call("bob", "POST", &path, Some(&json!({"ops": ops}))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    let log = world.log(&busy, "bob").await;
    let head = log.last().unwrap()["seq"].as_u64().unwrap();
    assert!(head > 1_280);
    ada.knows(&busy, head).await;
    // What comes is looked at every 500 events; until then it may stand above. A page of 4 KiB holds one of
    // these messages.
    let files = || async { ada.must(json!({"cmd": "cache_report"})).await["files"].clone() };
    let begin = std::time::Instant::now();
    while files().await["used"].as_u64().unwrap() > BOUND + 500 * 4_500 {
        assert!(begin.elapsed() < tidewire_tests::PATIENCE, "{}", files().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    ada.quit().await;
    // A start looks at once.
    let ada = Agent::start(&setup).await;
    let files = || async { ada.must(json!({"cmd": "cache_report"})).await["files"].clone() };
    while files().await["used"].as_u64().unwrap() > BOUND {
        assert!(begin.elapsed() < tidewire_tests::PATIENCE, "{}", files().await);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // Without a network the newest are there, and what is gone is said to be elsewhere.
    ada.network("none").await;
    ada.in_mode("offline").await;
    ada.open(&busy).await;
    assert_eq!(ada.view().timeline(&busy).messages().count(), 50);
    ada.open(&quiet).await;
    for id in &kept {
        ada.message(&quiet, id);
    }
    let older = json!({"cmd": "history", "room": busy, "count": 200});
    let error = loop {
        match ada.ask(older.clone()).await {
            Ok(page) => assert_eq!((&page["tier"], &page["more"]), (&json!("disk"), &json!(true))),
            Err(error) => break error,
        }
    };
    assert_eq!(error["error"], "offline", "{error}");
    // With one everything can be read again, without a hole.
    ada.network("wifi").await;
    ada.in_mode("real_time").await;
    let page = ada.must(older).await;
    assert_eq!((&page["tier"], &page["more"]), (&json!("server"), &json!(true)));
    let seqs: Vec<u64> =
        ada.view().timeline(&busy).messages().filter_map(|message| message.seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
}
