//! Exactly once: what is echoed arrives, and what arrived is not sent a second time.

use std::sync::Arc;

use serde_json::{Value, json};
use tidewire_bench::proxy::{Fault, Proxy};
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::view::View;
use tidewire_tests::world::World;

/// Ada on a network that can fail, Bob on one that does not, in one room.
async fn pair(
    world: &World,
    tune: impl Fn(Setup) -> Setup,
) -> (Setup, Agent, Arc<Proxy>, Agent, String) {
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

// scenario: lost-answer
#[tokio::test]
async fn a_resend_after_an_ack_lost_in_polling_creates_no_second_message() {
    lose_an_ack("polling").await;
}

// scenario: lost-answer
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

async fn refused(mode: &str) {
    let world = World::start().await;
    let bob = Agent::start(&world.client("bob")).await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = bob.create_room(&["ada"]).await;
    ada.open(&room).await;
    ada.ceiling("offline").await;
    let ids = ada.send_numbers(&room, 1..=3).await;
    bob.must(json!({"cmd": "remove_member", "room": room, "user": "ada"})).await;
    ada.ceiling(mode).await;
    ada.has_problem("send_failed").await;
    let states = |view: &View| -> Vec<String> {
        let state = |id: &String| view.timeline(&room).message(id).map(|m| m.state.clone());
        ids.iter().filter_map(state).collect()
    };
    ada.until("those behind the first wait", |view| {
        states(view) == ["failed", "waiting", "waiting"]
    })
    .await;

    bob.must(json!({"cmd": "add_members", "room": room, "users": ["ada"]})).await;
    ada.until("Ada is back", |view| {
        view.timeline(&room).messages().filter(|m| m.kind == "member.joined").count() == 1
    })
    .await;
    assert_eq!(states(&ada.view()), ["failed", "waiting", "waiting"], "the user decides");
    ada.must(json!({"cmd": "retry", "room": room, "message": ids[0]})).await;
    ada.sees(&room, &ids).await;
    // `room.created`, `member.left`, `member.joined` and the three, in order.
    let log = world.agree(&room, &[&bob], 6).await;
    assert!(log[3..].iter().map(|event| &event["id"]).eq(&ids), "{log:#?}");
    let failed = |problem: &&Value| problem["problem"] == "send_failed";
    assert_eq!(ada.view().problems.iter().filter(failed).count(), 1);
}

#[tokio::test]
async fn a_message_refused_in_polling_holds_those_behind_it_until_it_is_retried() {
    refused("polling").await;
}

#[tokio::test]
async fn a_message_refused_on_the_socket_holds_those_behind_it_until_it_is_retried() {
    refused("real_time").await;
}
