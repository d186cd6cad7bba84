//! Who is there and who types, in each mode, with real heartbeats that are short.

use serde_json::{Value, json};
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::world::World;

/// A client whose peers miss it after 2.5 s.
fn quick(setup: Setup) -> Setup {
    setup.knob("presence-heartbeat-interval-ms", 1_000)
}

/// Two in one room, both with the room open, in their modes.
async fn pair(world: &World, modes: [&str; 2]) -> (Agent, Agent, String) {
    let ada = Agent::start(&quick(world.client("ada"))).await;
    let bob = Agent::start(&quick(world.client("bob"))).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    for (agent, mode) in [(&ada, modes[0]), (&bob, modes[1])] {
        agent.in_mode("real_time").await;
        agent.ceiling(mode).await;
    }
    (ada, bob, room)
}

async fn sees(agent: &Agent, user: &str, presence: &str) {
    agent.until(&format!("{user} is {presence}"), |view| view.stands(user, presence)).await;
}

async fn app_state(agent: &Agent, state: &str) {
    agent.must(json!({"cmd": "set_app_state", "state": state})).await;
}

async fn key(agent: &Agent, room: &str) {
    agent.must(json!({"cmd": "typing", "room": room})).await;
}

async fn typists(agent: &Agent, room: &str) -> Value {
    agent.must(json!({"cmd": "typists", "room": room})).await["users"].clone()
}

async fn seen_in(modes: [&str; 2]) {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, modes).await;
    sees(&ada, "bob", "online").await;
    sees(&bob, "ada", "online").await;
    app_state(&bob, "background").await;
    sees(&ada, "bob", "away").await;
    app_state(&bob, "foreground").await;
    sees(&ada, "bob", "online").await;
    bob.kill().await;
    sees(&ada, "bob", "offline").await;
    let told = ada.must(json!({"cmd": "presence", "users": ["eve", "bob", "ada"]})).await;
    let told = told["presence"].as_array().unwrap();
    let names: Vec<&Value> = told.iter().map(|told| &told["presence"]).collect();
    assert_eq!(names, ["unknown", "offline", "unknown"], "{told:?}");
    assert!(told[1]["last_seen"].as_i64().is_some_and(|at| at > 1_700_000_000_000), "{told:?}");
    assert_eq!(typists(&ada, &room).await, json!([]));
}

// scenario: presence
#[tokio::test]
async fn a_peer_is_seen_online_away_and_offline_in_real_time() {
    seen_in(["real_time", "real_time"]).await;
}

#[tokio::test]
async fn a_peer_is_seen_online_away_and_offline_in_hybrid() {
    seen_in(["hybrid", "hybrid"]).await;
}

#[tokio::test]
async fn a_peer_is_seen_online_away_and_offline_in_polling() {
    seen_in(["polling", "polling"]).await;
}

async fn typing_in(modes: [&str; 2]) {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, modes).await;
    sees(&ada, "bob", "online").await;
    let types = async |who: &[&str]| {
        ada.until(&format!("{who:?} types"), |view| view.typists(&room) == who).await;
    };
    key(&bob, &room).await;
    types(&["bob"]).await;
    assert_eq!(typists(&ada, &room).await, json!(["bob"]));
    // Silence.
    types(&[]).await;
    key(&bob, &room).await;
    types(&["bob"]).await;
    let said = bob.send(&room, "here it is").await;
    types(&[]).await;
    ada.sees(&room, &[said]).await;
    assert!(bob.view().typists(&room).is_empty(), "nobody hears himself");
    // `room.created` and the message.
    world.agree(&room, &[&ada, &bob], 2).await;
}

// scenario: typing
#[tokio::test]
async fn who_types_is_seen_until_silence_or_the_message_in_real_time() {
    typing_in(["real_time", "real_time"]).await;
}

#[tokio::test]
async fn who_types_is_seen_until_silence_or_the_message_in_hybrid() {
    typing_in(["hybrid", "hybrid"]).await;
}

#[tokio::test]
async fn who_types_is_seen_until_silence_or_the_message_in_polling() {
    typing_in(["polling", "polling"]).await;
}

#[tokio::test]
async fn who_types_is_seen_across_modes() {
    typing_in(["polling", "real_time"]).await;
    typing_in(["real_time", "polling"]).await;
}

#[tokio::test]
async fn who_is_cut_off_while_typing_types_no_longer() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, ["real_time", "real_time"]).await;
    key(&bob, &room).await;
    ada.until("bob types", |view| view.typists(&room) == ["bob"]).await;
    bob.kill().await;
    ada.until("bob is gone", |view| view.typists(&room).is_empty()).await;
}

#[tokio::test]
async fn a_thousand_keys_are_a_frame_or_two() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, ["real_time", "real_time"]).await;
    key(&bob, &room).await;
    ada.until("bob types", |view| view.typists(&room) == ["bob"]).await;
    let heartbeats = |frames: u64| frames <= 10;
    let before = bob.stat("/frames_sent").await;
    for _ in 0..1_000 {
        key(&bob, &room).await;
    }
    let frames = bob.stat("/frames_sent").await - before;
    assert!(heartbeats(frames), "{frames} frames");
    assert_eq!(ada.view().typists(&room), ["bob"]);
    // What no room and no member is to hear of does nothing.
    key(&bob, "0199c306-6400-7c3e-9a41-6f2d8e0b1c52").await;
}

#[tokio::test]
async fn a_room_above_the_stated_size_brings_neither() {
    let world = World::start_with(&["--ephemeral-members=2", "--ops-per-second=0"]).await;
    let (ada, bob, small) = pair(&world, ["real_time", "polling"]).await;
    let large = ada.create_room(&["bob", "cyd"]).await;
    bob.open(&large).await;
    let cyd = Agent::start(&quick(world.client("cyd"))).await;
    cyd.open(&large).await;
    cyd.in_mode("real_time").await;
    key(&cyd, &large).await;
    for agent in [&bob, &ada] {
        key(agent, &large).await;
        key(agent, &small).await;
    }
    ada.until("bob types", |view| view.typists(&small) == ["bob"]).await;
    bob.until("ada types", |view| view.typists(&small) == ["ada"]).await;
    for agent in [&ada, &bob, &cyd] {
        assert!(agent.view().typists(&large).is_empty());
        assert!(!agent.view().presence.contains_key("cyd"));
    }
    assert!(cyd.view().presence.is_empty());
}

#[tokio::test]
async fn who_was_removed_sees_nobody_and_is_seen_by_nobody() {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world, ["real_time", "real_time"]).await;
    let other = ada.create_room(&["cyd"]).await;
    let cyd = Agent::start(&quick(world.client("cyd"))).await;
    cyd.open(&other).await;
    sees(&ada, "bob", "online").await;
    sees(&bob, "ada", "online").await;
    ada.must(json!({"cmd": "remove_member", "room": room, "user": "bob"})).await;
    sees(&ada, "bob", "unknown").await;
    sees(&bob, "ada", "unknown").await;
    key(&bob, &room).await;
    key(&ada, &room).await;
    // What came after has passed.
    cyd.in_mode("real_time").await;
    key(&cyd, &other).await;
    ada.until("cyd types", |view| view.typists(&other) == ["cyd"]).await;
    assert!(ada.view().typists(&room).is_empty() && bob.view().typists(&room).is_empty());
}

#[tokio::test]
async fn what_is_not_known_any_more_is_said_so_and_known_again_after() {
    let world = World::start().await;
    let (ada, bob, _) = pair(&world, ["real_time", "real_time"]).await;
    sees(&ada, "bob", "online").await;
    ada.network("none").await;
    sees(&ada, "bob", "unknown").await;
    ada.network("wifi").await;
    sees(&ada, "bob", "online").await;
    app_state(&ada, "suspended").await;
    sees(&ada, "bob", "unknown").await;
    app_state(&ada, "foreground").await;
    sees(&ada, "bob", "online").await;
    app_state(&ada, "background").await;
    sees(&ada, "bob", "unknown").await;
    sees(&bob, "ada", "away").await;
}
