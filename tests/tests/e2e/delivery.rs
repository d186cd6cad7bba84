//! Exactly once: what is echoed arrives, and what arrived is not sent a second time.

use std::sync::Arc;

use serde_json::json;
use tidewire_bench::proxy::{Fault, Proxy};
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::world::World;

/// Ada on a network that can fail, Bob on one that does not, in one room.
async fn pair(world: &World, tune: impl Fn(Setup) -> Setup) -> (Setup, Agent, Arc<Proxy>, Agent, String) {
    let network = world.network().await;
    let setup = tune(world.client_over(&network, "ada"));
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.in_mode("real_time").await;
    (setup, ada, network, bob, room)
}

#[tokio::test]
async fn a_client_killed_between_echo_and_ack_sends_its_message_once() {
    for mode in ["real_time", "hybrid", "polling"] {
        let world = World::start().await;
        let (setup, ada, network, bob, room) = pair(&world, |setup| setup).await;
        ada.ceiling(mode).await;
        network.set(Fault::HoldAnswers);
        let ids = ada.send_numbers(&room, 1..=1).await;
        // It arrived, and Ada's client has not heard of it.
        bob.sees(&room, &ids).await;
        assert_eq!(ada.message(&room, &ids[0]).state, "sending");
        ada.kill().await;
        network.set(Fault::None);

        let ada = Agent::start(&setup).await;
        ada.open(&room).await;
        ada.sees(&room, &ids).await;
        assert_eq!(world.agree(&room, &[&ada, &bob], 2).await[1]["id"], *ids[0]);
    }
}

#[tokio::test]
async fn a_client_killed_before_anything_left_it_sends_its_messages_later() {
    let world = World::start().await;
    let (setup, ada, network, bob, room) = pair(&world, |setup| setup).await;
    network.cut().await;
    let ids = ada.send_numbers(&room, 1..=5).await;
    ada.kill().await;
    network.set(Fault::None);
    let ada = Agent::start(&setup).await;
    bob.sees(&room, &ids).await;
    ada.open(&room).await;
    world.agree(&room, &[&ada, &bob], 6).await;
}

/// Loses the answer to a send, in this mode.
async fn lose_an_ack(mode: &str) {
    let world = World::start().await;
    // Nothing but the send makes a request while its answer is lost.
    let (_, ada, network, bob, room) =
        pair(&world, |setup| setup.knob("polling-interval-ms", 600_000)).await;
    let first = ada.send_numbers(&room, 1..=1).await;
    ada.sees(&room, &first).await;
    ada.ceiling(mode).await;
    let second = ada.send_numbers(&room, 2..=2).await;
    ada.sees(&room, &second).await;
    network.set(Fault::LoseNextAnswer);
    let third = ada.send_numbers(&room, 3..=3).await;
    network.until(|counters| counters.lost_answers == 1).await;
    bob.sees(&room, &third).await;
    ada.sees(&room, &third).await;
    let view = ada.view();
    assert_eq!(view.timeline(&room).states[&third[0]], ["sending", "sent"]);
    assert!(view.problems.is_empty(), "{:?}", view.problems);
    drop(view);
    world.agree(&room, &[&ada, &bob], 4).await;
}

#[tokio::test]
async fn a_resend_after_an_ack_lost_in_polling_creates_no_second_message() {
    lose_an_ack("polling").await;
}

#[tokio::test]
async fn a_resend_after_an_ack_lost_on_the_socket_creates_no_second_message() {
    lose_an_ack("real_time").await;
}

#[tokio::test]
async fn a_resend_after_an_ack_lost_in_hybrid_creates_no_second_message() {
    lose_an_ack("hybrid").await;
}

#[tokio::test]
async fn many_lost_acks_in_a_row_neither_lose_nor_repeat_nor_reorder() {
    let world = World::start().await;
    let (_, ada, network, bob, room) = pair(&world, |setup| setup).await;
    for round in 0..6u32 {
        ada.ceiling(["polling", "hybrid", "real_time"][round as usize % 3]).await;
        let lost = network.counters().lost_answers;
        network.set(Fault::LoseNextAnswer);
        ada.send_numbers(&room, round * 4 + 1..=round * 4 + 4).await;
        bob.send_numbers(&room, round + 1..=round + 1).await;
        network.until(|counters| counters.lost_answers > lost).await;
    }
    world.agree(&room, &[&ada, &bob], 31).await;
}

#[tokio::test]
async fn cuts_in_mid_conversation_neither_lose_nor_repeat_nor_reorder() {
    let world = World::start().await;
    let (_, ada, network, bob, room) = pair(&world, |setup| setup).await;
    for round in 0..5u32 {
        ada.send_numbers(&room, round * 3 + 1..=round * 3 + 1).await;
        network.cut().await;
        ada.send_numbers(&room, round * 3 + 2..=round * 3 + 2).await;
        bob.send_numbers(&room, round * 2 + 1..=round * 2 + 1).await;
        network.set(Fault::None);
        ada.send_numbers(&room, round * 3 + 3..=round * 3 + 3).await;
        bob.send_numbers(&room, round * 2 + 2..=round * 2 + 2).await;
    }
    world.agree(&room, &[&ada, &bob], 26).await;
}

#[tokio::test]
async fn a_burst_over_the_rate_limit_arrives_whole_and_in_order() {
    let world = World::start_with(&["--ops-per-second=100", "--ops-burst=50"]).await;
    let (_, ada, network, bob, room) = pair(&world, |setup| setup).await;
    network.cut().await;
    ada.send_numbers(&room, 1..=180).await;
    network.set(Fault::None);
    world.agree(&room, &[&ada, &bob], 181).await;
    assert!(!ada.view().has_problem("send_failed"));
}

#[tokio::test]
async fn a_slow_network_makes_nothing_fail() {
    let world = World::start().await;
    let (_, ada, network, bob, room) = pair(&world, |setup| setup).await;
    network.set(Fault::Delay(std::time::Duration::from_millis(150)));
    for (number, mode) in (1..).zip(["real_time", "hybrid", "polling"]) {
        ada.ceiling(mode).await;
        ada.send_numbers(&room, number..=number).await;
        let ids = bob.send_numbers(&room, number..=number).await;
        ada.sees(&room, &ids).await;
    }
    world.agree(&room, &[&ada, &bob], 7).await;
    assert!(ada.view().problems.is_empty());
}

#[tokio::test]
async fn a_refused_message_holds_those_behind_it_until_it_is_discarded() {
    let world = World::start().await;
    let (_, ada, network, bob, room) = pair(&world, |setup| setup).await;
    // Bob takes the id that Ada's message will have: the one "no" that a sender can not foresee.
    network.cut().await;
    let first = ada.send(&room, "first").await;
    let second = ada.send(&room, "second").await;
    let path = format!("/v1/rooms/{room}/ops");
    let op = json!({"id": first, "kind": "message", "content": {"text": "taken"}});
    let sent = world.call("bob", "POST", &path, Some(&json!({"ops": [op]}))).await.ok();
    assert_eq!(sent["results"][0]["outcome"], "accepted");
    // In polling and without a look at the feed before, so that the send meets the "no".
    network.set(Fault::None);
    bob.sees_text(&room, "taken").await;
    ada.until("one of the two ends of it", |view| {
        view.has_problem("send_failed") || view.timeline(&room).texts().contains(&"taken")
    })
    .await;
    if ada.view().has_problem("send_failed") {
        ada.until("the second waits", |view| {
            let timeline = view.timeline(&room);
            timeline.message(&second).is_some_and(|m| m.state == "waiting")
        })
        .await;
        ada.must(json!({"cmd": "discard", "room": room, "message": first})).await;
    }
    ada.sees(&room, &[second]).await;
    let log = world.agree(&room, &[&ada, &bob], 3).await;
    assert_eq!(log[1]["content"]["text"], "taken");
}
