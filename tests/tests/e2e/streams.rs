//! Networks that break WebSockets and let HTTP through: an event stream pushes the feed.

use std::sync::Arc;

use serde_json::json;
use tidewire_bench::proxy::{Fault, Proxy};
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

const STREAMS: &str = "sockets fail on this network, and an event stream does their work";
const POLLS: &str = "sockets fail on this network";

async fn in_mode_because(agent: &Agent, mode: &str, reason: &str) {
    let wanted = (mode.to_owned(), reason.to_owned());
    let what = format!("{mode} because {reason}");
    agent.until(&what, |view| view.modes.last() == Some(&wanted)).await;
}

/// So slow a poll that only a push can bring anything.
const HARDLY: u64 = 600_000;

/// Ada behind a network with this fault, Bob on a good one, both in one room.
async fn behind(
    fault: Fault,
    world: &World,
    polling_ms: u64,
) -> (Arc<Proxy>, Agent, Agent, String) {
    let network = world.network().await;
    network.set(fault);
    let setup = world.client_over(&network, "ada").knob("polling-interval-ms", polling_ms);
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    (network, ada, bob, room)
}

/// Both speak and see it at once, one message after the other.
async fn chat(ada: &Agent, bob: &Agent, room: &str, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        let ids = ada.send_numbers(room, number..=number).await;
        bob.sees(room, &ids).await;
        let ids = bob.send_numbers(room, number..=number).await;
        ada.sees(room, &ids).await;
    }
}

/// The client tries a socket at once, and keeps what it knows of the network.
async fn look_again(agent: &Agent) {
    for state in ["background", "foreground"] {
        agent.must(json!({"cmd": "set_app_state", "state": state})).await;
    }
}

// scenario: websockets-blocked
#[tokio::test]
async fn where_sockets_are_blocked_everything_is_pushed_over_an_event_stream() {
    let world = World::start().await;
    let (_network, ada, bob, room) = behind(Fault::NoSockets, &world, HARDLY).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    let polls = ada.stat("/polls").await;
    chat(&ada, &bob, &room, 1..=10).await;
    world.agree(&room, &[&ada, &bob], 21).await;
    assert_eq!(ada.stat("/polls").await, polls, "nothing was polled");
    assert_eq!((ada.stat("/frames_sent").await, ada.stat("/streams").await), (0, 1));
    ada.quit().await;
    bob.quit().await;
}

#[tokio::test]
async fn a_socket_takes_over_from_a_stream_and_back_while_both_send() {
    let world = World::start().await;
    let (network, ada, bob, room) = behind(Fault::NoSockets, &world, 500).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    let to_socket = async || {
        network.set(Fault::None);
        look_again(&ada).await;
        in_mode_because(&ada, "real_time", "nothing limits it").await;
    };
    let to_stream = async || {
        // Resets the socket too.
        network.set(Fault::NoSockets);
        in_mode_because(&ada, "real_time", STREAMS).await;
    };
    // Not more in all than a window holds.
    for turn in 0..2 {
        let first = turn * 80 + 1;
        tokio::join!(to_socket(), chat(&ada, &bob, &room, first..=first + 39));
        tokio::join!(to_stream(), chat(&ada, &bob, &room, first + 40..=first + 79));
    }
    world.agree(&room, &[&ada, &bob], 321).await;
}

#[tokio::test]
async fn a_stream_finds_its_place_again_when_the_server_was_killed() {
    let mut world = World::start().await;
    let (_network, ada, bob, room) = behind(Fault::NoSockets, &world, HARDLY).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    chat(&ada, &bob, &room, 1..=3).await;
    world.server.kill().await;
    ada.send_numbers(&room, 4..=6).await;
    bob.send_numbers(&room, 4..=6).await;
    world.start_server_again().await;
    world.agree(&room, &[&ada, &bob], 13).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    chat(&ada, &bob, &room, 7..=9).await;
    world.server.stop().await;
    ada.send_numbers(&room, 10..=10).await;
    world.start_server_again().await;
    world.agree(&room, &[&ada, &bob], 20).await;
    assert_eq!(ada.stat("/bootstraps").await, 1, "its place in the feed is as good as before");
}

#[tokio::test]
async fn behind_a_proxy_that_keeps_streams_back_it_is_polling_until_it_lets_them_through() {
    let world = World::start().await;
    let (network, ada, bob, room) = behind(Fault::NoStreams, &world, 500).await;
    // Two were given their time; meanwhile nothing is held up.
    network.until(|counters| counters.held_streams >= 1).await;
    chat(&ada, &bob, &room, 1..=5).await;
    network.until(|counters| counters.held_streams >= 2).await;
    in_mode_because(&ada, "polling", POLLS).await;
    chat(&ada, &bob, &room, 6..=10).await;
    assert!(!ada.view().modes.iter().any(|(_, reason)| reason == STREAMS), "it never was open");
    network.set(Fault::NoSockets);
    look_again(&ada).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    chat(&ada, &bob, &room, 11..=12).await;
    world.agree(&room, &[&ada, &bob], 25).await;
}

#[tokio::test]
async fn a_suspended_app_leaves_its_stream_and_comes_back_to_it() {
    let world = World::start().await;
    let (network, ada, bob, room) = behind(Fault::NoSockets, &world, HARDLY).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    ada.must(json!({"cmd": "set_app_state", "state": "suspended"})).await;
    network.until(|counters| counters.open == 0).await;
    bob.send_numbers(&room, 1..=3).await;
    ada.must(json!({"cmd": "set_app_state", "state": "foreground"})).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    world.agree(&room, &[&ada, &bob], 4).await;
}

async fn sees(agent: &Agent, user: &str, presence: &str) {
    agent.until(&format!("{user} is {presence}"), |view| view.stands(user, presence)).await;
}

#[tokio::test]
async fn two_behind_streams_see_each_other_come_type_look_away_and_go() {
    let world = World::start().await;
    let network = world.network().await;
    network.set(Fault::NoSockets);
    let over_stream =
        |user| world.client_over(&network, user).knob("presence-heartbeat-interval-ms", 1_000);
    let ada = Agent::start(&over_stream("ada")).await;
    let bob = Agent::start(&over_stream("bob")).await;
    in_mode_because(&ada, "real_time", STREAMS).await;
    in_mode_because(&bob, "real_time", STREAMS).await;
    let polls = [ada.stat("/polls").await, bob.stat("/polls").await];
    // Rooms that come to be while the streams are open are watched as well.
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    sees(&ada, "bob", "online").await;
    sees(&bob, "ada", "online").await;
    let types = async |agent: &Agent, who: &[&str]| {
        agent.until(&format!("{who:?} types"), |view| view.typists(&room) == who).await;
    };
    for (who, name, other) in [(&ada, "ada", &bob), (&bob, "bob", &ada)] {
        who.must(json!({"cmd": "typing", "room": room})).await;
        types(other, &[name]).await;
        // Silence.
        types(other, &[]).await;
        who.must(json!({"cmd": "typing", "room": room})).await;
        types(other, &[name]).await;
        let said = who.send(&room, "here it is").await;
        types(other, &[]).await;
        other.sees(&room, &[said]).await;
    }
    world.agree(&room, &[&ada, &bob], 3).await;
    assert_eq!([ada.stat("/polls").await, bob.stat("/polls").await], polls, "all was pushed");
    assert_eq!(ada.stat("/frames_sent").await + bob.stat("/frames_sent").await, 0);
    bob.must(json!({"cmd": "set_app_state", "state": "background"})).await;
    sees(&ada, "bob", "away").await;
    bob.must(json!({"cmd": "set_app_state", "state": "foreground"})).await;
    sees(&ada, "bob", "online").await;
    bob.kill().await;
    sees(&ada, "bob", "offline").await;
    ada.quit().await;
}
