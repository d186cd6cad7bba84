//! Without a network everything cached is there, everything sent is kept, and nobody has to press
//! a button when the network is back.

use serde_json::json;
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

// scenario: offline-send
#[tokio::test]
async fn what_is_sent_without_a_network_survives_a_kill_and_goes_out_in_order() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let seen = bob.send_numbers(&room, 1..=3).await;
    ada.sees(&room, &seen).await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    let first = ada.send_numbers(&room, 1..=5).await;
    ada.kill().await;

    // A cold start without a network shows what was there, and takes more.
    let ada = Agent::start(&setup.clone().knob("polling-interval-ms", 600_000)).await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    ada.open(&room).await;
    for id in seen.iter().chain(&first) {
        ada.message(&room, id);
    }
    let second = ada.send_numbers(&room, 6..=10).await;
    ada.kill().await;

    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    ada.sees(&room, &first).await;
    ada.sees(&room, &second).await;
    world.agree(&room, &[&ada, &bob], 14).await;
}

// scenario: server-down
#[tokio::test]
async fn a_cold_start_without_server_and_token_shows_what_is_cached() {
    let mut world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    let ids = ada.send_numbers(&room, 1..=5).await;
    ada.sees(&room, &ids).await;
    ada.quit().await;
    world.server.stop().await;
    let mut setup = setup;
    setup.token = None;
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    for id in &ids {
        assert_eq!(ada.message(&room, id).state, "sent");
    }
    let rooms = ada.must(json!({"cmd": "rooms"})).await;
    assert_eq!(rooms["rooms"][0]["state"]["name"], "Harbour");
    let error = ada.ask(json!({"cmd": "create_room", "name": "Pier"})).await.unwrap_err();
    assert_eq!(error["error"], "auth_required");
    ada.quit().await;
}

// scenario: offline-send
#[tokio::test]
async fn what_waits_goes_out_by_itself_when_the_network_is_back() {
    let world = World::start().await;
    let network = world.network().await;
    let ada = Agent::start(&world.client_over(&network, "ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    network.cut().await;
    // The system says nothing of it: only connections fail.
    let ids = ada.send_numbers(&room, 1..=20).await;
    network.until(|counters| counters.reset >= 3).await;
    assert!(ids.iter().all(|id| ada.message(&room, id).state == "sending"));
    network.set(Fault::None);
    bob.sees(&room, &ids).await;
    world.agree(&room, &[&ada, &bob], 21).await;
    assert!(ada.view().problems.is_empty());
}

// scenario: take-back
#[tokio::test]
async fn what_waits_can_be_taken_back_without_a_trace_even_after_a_kill() {
    let world = World::start().await;
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    network.cut().await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    let gone = ada.send(&room, "never mind").await;
    let options = json!({"cmd": "send", "room": room, "text": "too late", "on_failure": "skip",
        "expires_after_ms": 1});
    let late = ada.must(options).await["message"].as_str().unwrap().to_owned();
    let kept = ada.send_numbers(&room, 1..=1).await;
    ada.until("it expires", |view| {
        view.timeline(&room).message(&late).is_some_and(|message| message.state == "failed")
    })
    .await;
    ada.kill().await;
    let ada = Agent::start(&setup).await;
    ada.must(json!({"cmd": "cancel", "room": room, "message": gone})).await;
    ada.kill().await;
    network.set(Fault::None);

    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    ada.sees(&room, &kept).await;
    ada.must(json!({"cmd": "discard", "room": room, "message": late})).await;
    let log = world.agree(&room, &[&bob], 2).await;
    assert_eq!(log[1]["id"], *kept[0]);
}

#[tokio::test]
async fn a_call_that_needs_the_server_says_so_and_a_send_does_not() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&["bob"]).await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    for question in [
        json!({"cmd": "create_room", "name": "Pier"}),
        json!({"cmd": "members", "room": room}),
        json!({"cmd": "add_members", "room": room, "users": ["eve"]}),
        json!({"cmd": "set_profile", "name": "Ada"}),
    ] {
        let error = ada.ask(question.clone()).await.unwrap_err();
        assert_eq!((&error["error"], &error["temporary"]), (&json!("offline"), &json!(true)));
    }
    let ids = ada.send_numbers(&room, 1..=1).await;
    ada.network("wifi").await;
    ada.sees(&room, &ids).await;
}
