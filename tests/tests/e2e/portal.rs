//! Somebody in the middle answers in the server's place: that is never the server's "no".

use serde_json::json;
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

async fn behind_a_portal(status: u16) {
    let world = World::start().await;
    let network = world.network().await;
    let ada = Agent::start(&world.client_over(&network, "ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.in_mode("real_time").await;
    network.set(Fault::Portal { status });
    let ids = ada.send_numbers(&room, 1..=3).await;
    let missed = bob.send_numbers(&room, 1..=3).await;
    // It was tried both ways, and got a page both times.
    network
        .until(|counters| {
            counters.refused_upgrades >= 1 && counters.portal_pages > counters.refused_upgrades
        })
        .await;
    let error = ada.ask(json!({"cmd": "create_room", "name": "Pier"})).await.unwrap_err();
    assert_eq!((&error["error"], &error["temporary"]), (&json!("network"), &json!(true)));
    for id in &ids {
        assert_eq!(ada.message(&room, id).state, "sending");
    }
    assert!(ada.view().problems.is_empty(), "{:?}", ada.view().problems);
    network.set(Fault::None);
    ada.sees(&room, &ids).await;
    ada.sees(&room, &missed).await;
    world.agree(&room, &[&ada, &bob], 7).await;
    assert_eq!(ada.stat("/bootstraps").await, 1, "its place in the feed is as good as before");
}

#[tokio::test]
async fn a_captive_portal_that_answers_200_makes_nothing_fail() {
    behind_a_portal(200).await;
}

#[tokio::test]
async fn a_captive_portal_that_answers_403_makes_nothing_fail() {
    behind_a_portal(403).await;
}

#[tokio::test]
async fn a_first_start_behind_a_portal_goes_on_once_it_is_gone() {
    let world = World::start().await;
    let network = world.network().await;
    network.set(Fault::Portal { status: 200 });
    let ada = Agent::start(&world.client_over(&network, "ada")).await;
    network.until(|counters| counters.portal_pages >= 2).await;
    network.set(Fault::None);
    ada.in_mode("real_time").await;
    let room = ada.create_room(&[]).await;
    ada.send_numbers(&room, 1..=1).await;
    world.agree(&room, &[&ada], 2).await;
}

#[tokio::test]
async fn a_network_that_breaks_sockets_is_polled() {
    let world = World::start().await;
    let network = world.network().await;
    network.set(Fault::NoSockets);
    let ada = Agent::start(&world.client_over(&network, "ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    network.until(|counters| counters.refused_upgrades >= 1).await;
    for number in 1..=5 {
        let ids = ada.send_numbers(&room, number..=number).await;
        bob.sees(&room, &ids).await;
        let ids = bob.send_numbers(&room, number..=number).await;
        ada.sees(&room, &ids).await;
    }
    world.agree(&room, &[&ada, &bob], 11).await;
}
