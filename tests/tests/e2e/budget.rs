//! What the app allows to be spent is kept, and what a person asks for is done all the same.

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

// scenario: budget
#[tokio::test]
async fn with_a_budget_of_zero_a_client_reads_when_it_is_asked_and_says_what_it_spent() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada").knob("max-wakeups-per-hour", 0)).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = bob.create_room(&["ada"]).await;
    // No push, no poll brings the room: a refresh does.
    ada.must(json!({"cmd": "refresh_once", "deadline_ms": 10_000})).await;
    ada.open(&room).await;
    ada.in_mode("polling").await;
    assert_eq!(ada.stat("/sockets").await, 0);
    let polls = ada.stat("/polls").await;
    let unheard = bob.send_numbers(&room, 1..=20).await;
    bob.sees(&room, &unheard).await;
    assert_eq!(ada.stat("/polls").await, polls);

    // A send is never held back, and the news ride along.
    let id = ada.send(&room, "mine").await;
    let id = [id];
    ada.sees(&room, &id).await;
    ada.sees(&room, &unheard).await;
    bob.sees(&room, &id).await;
    let spent = ada.must(json!({"cmd": "budget"})).await;
    assert_eq!((&spent["wakeups"]["limit"], &spent["exceeded"]), (&json!(0), &json!(true)));
    assert!(spent["next_read_ms"].is_null(), "{spent}");

    // Raised at run time, it is real-time again.
    ada.must(json!({"cmd": "set_budget", "max_wakeups_per_hour": 10_000})).await;
    ada.in_mode("real_time").await;
    let bytes = ada.must(json!({"cmd": "budget"})).await["bytes"]["spent"].as_u64().unwrap();
    assert!(bytes > 0);
}
