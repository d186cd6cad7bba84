//! Two people chat in each mode, and while the mode changes under them.

use std::time::Duration;

use serde_json::json;
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::world::World;

/// Two clients in one room, both with the room open.
async fn pair(world: &World, tune: impl Fn(Setup) -> Setup) -> (Agent, Agent, String) {
    let ada = Agent::start(&tune(world.client("ada"))).await;
    let bob = Agent::start(&tune(world.client("bob"))).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    (ada, bob, room)
}

/// Both speak and both see everything once, in order, each message under the id it began with.
async fn chat(world: &World, ada: &Agent, bob: &Agent, room: &str) {
    let mut ids = Vec::new();
    for number in 1..=10 {
        let said = ada.send_numbers(room, number..=number).await;
        ids.extend(said);
        let said = bob.send_numbers(room, number..=number).await;
        bob.sees(room, &ids).await;
        ids.extend(said);
        ada.sees(room, &ids).await;
    }
    bob.sees(room, &ids).await;
    // `room.created` and 20 messages.
    world.agree(room, &[ada, bob], 21).await;
    for (agent, own) in [(ada, 0), (bob, 1)] {
        let view = agent.view();
        let states = &view.timeline(room).states;
        for id in ids.iter().skip(own).step_by(2) {
            assert_eq!(states[id], ["sending", "sent"], "{id}\n{}", view.tail());
        }
    }
}

// scenario: connect, optimistic-send, receive
#[tokio::test]
async fn two_clients_chat_in_real_time() {
    let world = World::start().await;
    // So slow a poll that only a push can bring anything.
    let (ada, bob, room) = pair(&world, |setup| setup.knob("polling-interval-ms", 600_000)).await;
    ada.in_mode("real_time").await;
    bob.in_mode("real_time").await;
    chat(&world, &ada, &bob, &room).await;
    ada.quit().await;
    bob.quit().await;
}

#[tokio::test]
async fn two_clients_chat_in_hybrid_over_live_rooms() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, |setup| setup.knob("polling-interval-ms", 600_000)).await;
    ada.ceiling("hybrid").await;
    bob.ceiling("hybrid").await;
    chat(&world, &ada, &bob, &room).await;
    assert_eq!(ada.view().modes.last().unwrap().1, "the app set this ceiling");
}

#[tokio::test]
async fn a_room_that_is_not_live_comes_by_poll_in_hybrid() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, |setup| setup.knob("max-concurrent-rooms", 0)).await;
    ada.ceiling("hybrid").await;
    bob.ceiling("hybrid").await;
    chat(&world, &ada, &bob, &room).await;
}

#[tokio::test]
async fn two_clients_chat_in_polling_without_a_socket() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, |setup| setup).await;
    ada.ceiling("polling").await;
    bob.ceiling("polling").await;
    let frames = bob.stat("/frames_sent").await;
    chat(&world, &ada, &bob, &room).await;
    assert_eq!(bob.stat("/frames_sent").await, frames, "polling needs no socket");
}

#[tokio::test]
async fn two_clients_chat_on_a_slow_network() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, |setup| setup).await;
    for agent in [&ada, &bob] {
        agent.network("cellular_2g").await;
        agent.in_mode("polling").await;
    }
    assert_eq!(ada.view().modes.last().unwrap().1, "the network is 2G");
    chat(&world, &ada, &bob, &room).await;
}

#[tokio::test]
async fn two_clients_chat_in_the_background() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, |setup| setup).await;
    for agent in [&ada, &bob] {
        agent.must(json!({"cmd": "set_app_state", "state": "background"})).await;
        agent.in_mode("polling").await;
    }
    assert_eq!(ada.view().modes.last().unwrap().1, "the app is in state background");
    chat(&world, &ada, &bob, &room).await;
}

#[tokio::test]
async fn a_small_audience_is_in_real_time_when_the_audience_decides() {
    let world = World::start_with(&["--policy=audience"]).await;
    let (ada, bob, room) = pair(&world, |setup| setup).await;
    ada.in_mode("real_time").await;
    bob.in_mode("real_time").await;
    chat(&world, &ada, &bob, &room).await;
}

#[tokio::test]
async fn messages_survive_many_switches_of_mode_while_both_send() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, |setup| setup).await;
    let modes = ["polling", "hybrid", "real_time", "offline", "hybrid", "polling", "real_time"];
    let speak = async |agent: &Agent, mut next: usize, step: usize| {
        for number in 1..=60 {
            agent.send_numbers(&room, number..=number).await;
            if number % 3 == 0 {
                agent.ceiling(modes[next % modes.len()]).await;
                next += step;
            }
        }
        agent.ceiling("real_time").await;
    };
    // At odds with each other, so that every mode meets every other one.
    tokio::join!(speak(&ada, 0, 1), speak(&bob, 3, 2));
    for agent in [&ada, &bob] {
        agent
            .until("the last one is shown", |view| {
                view.timeline(&room).messages().any(|message| message.seq == Some(121))
            })
            .await;
        // Who could read nothing for more than a page has missed what lies before it.
        agent.fill_gaps(&room).await;
    }
    world.agree(&room, &[&ada, &bob], 121).await;
}

// scenario: background
#[tokio::test]
async fn messages_survive_trips_to_the_background_and_other_networks() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, |setup| setup).await;
    for round in 0..8u32 {
        let number = round * 2 + 1;
        ada.send_numbers(&room, number..=number).await;
        match round % 4 {
            0 => ada.network("none").await,
            1 => {
                ada.must(json!({"cmd": "set_app_state", "state": "suspended"})).await;
                ada.must(json!({"cmd": "set_app_state", "state": "background"})).await;
            }
            2 => ada.network("cellular_2g").await,
            _ => drop(ada.must(json!({"cmd": "set_app_state", "state": "background"})).await),
        }
        bob.send_numbers(&room, number..=number).await;
        ada.send_numbers(&room, number + 1..=number + 1).await;
        ada.network("wifi").await;
        ada.must(json!({"cmd": "set_app_state", "state": "foreground"})).await;
        bob.send_numbers(&room, number + 1..=number + 1).await;
    }
    ada.in_mode("real_time").await;
    world.agree(&room, &[&ada, &bob], 33).await;
}

// scenario: visible-rooms
#[tokio::test]
async fn a_room_that_the_list_shows_is_live_before_one_with_later_news() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    // Only what is live can arrive: the feed is not read again within the test.
    let patient = |setup: Setup| setup.knob("polling-interval-ms", 600_000);
    let bob = patient(world.client("bob")).knob("max-concurrent-rooms", 1);
    let bob = Agent::start(&bob).await;
    let shown = ada.create_room(&["bob"]).await;
    let other = ada.create_room(&["bob"]).await;
    for room in [&shown, &other] {
        ada.open(room).await;
        ada.send_numbers(room, 1..=1).await;
        bob.knows(room, 2).await;
    }
    bob.ceiling("hybrid").await;
    bob.must(json!({"cmd": "set_visible", "rooms": [shown]})).await;
    ada.send_numbers(&shown, 2..=2).await;
    bob.knows(&shown, 3).await;
    bob.must(json!({"cmd": "set_visible", "rooms": [other]})).await;
    ada.send_numbers(&other, 2..=2).await;
    bob.knows(&other, 3).await;
}

// scenario: slow-network
#[tokio::test]
async fn where_answers_take_more_than_a_second_the_mode_steps_down_and_chat_goes_on() {
    let world = World::start().await;
    let network = world.network().await;
    let often = |setup: Setup| setup.knob("presence-heartbeat-interval-ms", 1_000);
    let ada = Agent::start(&often(world.client_over(&network, "ada"))).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.in_mode("real_time").await;
    network.set(Fault::Delay(Duration::from_millis(700)));
    ada.until("a step down for slow answers", |view| {
        let (mode, reason) = view.modes.last().unwrap();
        mode != "real_time" && reason.starts_with("the server's answers take ")
    })
    .await;
    let id = ada.send(&room, "slowly").await;
    bob.sees(&room, &[id]).await;
    bob.send_numbers(&room, 1..=1).await;
    world.agree(&room, &[&ada, &bob], 3).await;
}

#[tokio::test]
async fn a_server_that_cannot_keep_up_restricts_the_modes_to_what_it_carries() {
    let world = World::start_with(&["--socket-capacity=100"]).await;
    let sync = json!({"heartbeat_ms": 30_000});
    let policy = async || {
        let answer = world.call("ada", "POST", "/v1/sync", Some(&sync)).await.ok();
        answer["policy"]["real_time"].as_f64().expect("a policy")
    };
    assert_eq!(policy().await, 1.0);
    // Standing still for most of the time, its event loop is never in time.
    for _ in 0..200 {
        world.server.pause().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.server.resume().await;
        if policy().await < 1.0 {
            return;
        }
    }
    panic!("the policy still lets everybody be in real-time\n{}", world.server.log());
}
