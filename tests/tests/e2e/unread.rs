//! What is unread: the same number as the server's, wherever and whenever something was read.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

async fn mark_read(agent: &Agent, room: &str, seq: u64) {
    agent.must(json!({"cmd": "mark_read", "room": room, "seq": seq})).await;
}

/// What the server counts for a user.
async fn counted(world: &World, room: &str, user: &str) -> (u64, u64) {
    let state = world.call(user, "GET", &format!("/v1/rooms/{room}"), None).await.ok();
    let base = &state["unread_base"];
    (base["unread"].as_u64().unwrap(), base["mentions"].as_u64().unwrap())
}

/// Waits until a client's list tells this number of a room, as an exact one.
async fn tells(agent: &Agent, room: &str, messages: u64, mentions: u64) {
    let exactly = json!({"messages": messages, "mentions": mentions, "exact": true});
    let is = |row: Option<&Value>| row.is_some_and(|row| row["unread"] == exactly);
    let what = format!("{messages} and {mentions} are unread in {room}");
    agent.until(&what, |view| is(view.listed("all", room))).await;
}

async fn open_list(agent: &Agent) {
    agent.must(json!({"cmd": "open_room_list", "list": "all"})).await;
}

// scenario: unread
#[tokio::test]
async fn unread_counts_are_exact_after_offline_reads_other_devices_and_reconnects() {
    let world = World::start().await;
    let network = world.network().await;
    let ada = Agent::start(&world.client("ada")).await;
    let setup = world.client_over(&network, "bob");
    let phone = Agent::start(&setup).await;
    let tablet = world.client("bob").data(world.folder().join("client-bob-tablet"));
    let tablet = Agent::start(&tablet).await;
    for device in [&phone, &tablet] {
        open_list(device).await;
    }
    let room = ada.create_room(&["bob"]).await;
    for number in 1..=10 {
        ada.send(&room, &format!("{number}")).await;
    }
    for device in [&phone, &tablet] {
        tells(device, &room, 10, 0).await;
    }
    // The phone goes, and much is said: more than a page brings.
    phone.must(json!({"cmd": "set_network", "kind": "none"})).await;
    for number in 11..=90 {
        ada.send(&room, &format!("{number}")).await;
    }
    ada.must(json!({"cmd": "send", "room": room, "text": "@bob", "mentions": ["bob"]})).await;
    tells(&tablet, &room, 91, 1).await;
    // It reads what it has, and another device reads further, into what the phone has not.
    mark_read(&phone, &room, 8).await;
    tells(&phone, &room, 3, 0).await;
    mark_read(&tablet, &room, 41).await;
    tells(&tablet, &room, 51, 1).await;
    phone.must(json!({"cmd": "set_network", "kind": "wifi"})).await;
    tells(&phone, &room, 51, 1).await;
    assert_eq!(counted(&world, &room, "bob").await, (51, 1));
    // Without a network it does not know what lies in between, says so, and knows it afterwards.
    phone.must(json!({"cmd": "set_network", "kind": "none"})).await;
    mark_read(&phone, &room, 60).await;
    phone.kill().await;
    let phone = Agent::start(&setup).await;
    open_list(&phone).await;
    tells(&phone, &room, 32, 1).await;
    tells(&tablet, &room, 32, 1).await;
    assert_eq!(counted(&world, &room, "bob").await, (32, 1));
    mark_read(&tablet, &room, 92).await;
    for device in [&phone, &tablet] {
        tells(device, &room, 0, 0).await;
        let total = device.must(json!({"cmd": "unread_total"})).await;
        assert_eq!(total, json!({"messages": 0, "mentions": 0, "exact": true}));
    }
}

#[tokio::test]
async fn the_badge_is_the_sum_of_what_is_neither_archived_nor_muted() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let mut rooms = Vec::new();
    for _ in 0..3 {
        let room = ada.create_room(&["bob"]).await;
        ada.send(&room, "hello").await;
        ada.must(json!({"cmd": "send", "room": room, "text": "@bob", "mentions": ["bob"]})).await;
        bob.open(&room).await;
        rooms.push(room);
    }
    let is = |messages: u64, mentions: u64| {
        move |view: &tidewire_tests::view::View| {
            view.unread_total
                .as_ref()
                .is_some_and(|total| total["messages"] == messages && total["mentions"] == mentions)
        }
    };
    bob.until("six are unread", is(6, 3)).await;
    bob.must(json!({"cmd": "settings", "room": rooms[0], "muted": true})).await;
    bob.until("of the muted one the mention counts", is(5, 3)).await;
    bob.must(json!({"cmd": "settings", "room": rooms[1], "archived": true})).await;
    bob.until("the archived one does not count", is(3, 2)).await;
}
