//! What one has sent is delivered and read: the sender sees it, the reader's other devices too, and
//! neither a cut nor a restart makes anybody forget it.

use serde_json::{Value, json};
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::world::World;

/// Waits until one's own message is shown in this state, and gives how many have it and read it.
async fn reaches(agent: &Agent, room: &str, id: &str, state: &str) -> Option<(u64, u64, u64)> {
    let what = format!("{id} is {state}");
    let is_so = |view: &tidewire_tests::view::View| {
        view.timeline(room).message(id).is_some_and(|message| message.state == state)
    };
    agent.until(&what, is_so).await;
    agent.message(room, id).reach
}

async fn mark_read(agent: &Agent, room: &str, seq: u64) {
    agent.must(json!({"cmd": "mark_read", "room": room, "seq": seq})).await;
}

/// The first room of the list.
async fn room_state(agent: &Agent) -> Value {
    agent.must(json!({"cmd": "rooms"})).await["rooms"][0]["state"].clone()
}

/// The receipt of a user as the server has it: delivered, read.
async fn receipt(world: &World, room: &str, user: &str) -> (u64, u64) {
    let state = world.call("ada", "GET", &format!("/v1/rooms/{room}"), None).await.ok();
    let receipts = state["receipts"].as_array().unwrap();
    let receipt = receipts.iter().find(|receipt| receipt["user"] == user).unwrap();
    (receipt["delivered"].as_u64().unwrap(), receipt["read"].as_u64().unwrap())
}

async fn pair(world: &World) -> (Agent, Agent, String) {
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    (ada, bob, room)
}

/// Bob has it, then reads it, and Ada sees both.
async fn deliver_and_read(mode: &str) {
    let world = World::start().await;
    let (ada, bob, room) = pair(&world).await;
    ada.ceiling(mode).await;
    bob.ceiling(mode).await;
    for number in 1..=3 {
        let ids = ada.send_numbers(&room, number..=number).await;
        assert_eq!(reaches(&ada, &room, &ids[0], "delivered").await, Some((1, 0, 1)));
        // The newest that Bob is shown.
        bob.sees(&room, &ids).await;
        let asked = bob.must(json!({"cmd": "mark_read", "room": room})).await;
        assert_eq!(asked["seq"].as_u64(), ada.message(&room, &ids[0]).seq);
        assert_eq!(reaches(&ada, &room, &ids[0], "read").await, Some((1, 1, 1)));
        assert_eq!(bob.message(&room, &ids[0]).state, "sent", "it is not his own");
    }
    assert_eq!(receipt(&world, &room, "bob").await, (4, 4));
    world.agree(&room, &[&ada, &bob], 4).await;
}

// scenario: receipts
#[tokio::test]
async fn a_message_is_delivered_and_read_in_real_time() {
    deliver_and_read("real_time").await;
}

// scenario: receipts
#[tokio::test]
async fn a_message_is_delivered_and_read_in_hybrid() {
    deliver_and_read("hybrid").await;
}

// scenario: receipts
#[tokio::test]
async fn a_message_is_delivered_and_read_in_polling() {
    deliver_and_read("polling").await;
}

#[tokio::test]
async fn what_is_read_without_a_network_is_told_later_and_exactly() {
    for mode in ["real_time", "polling"] {
        let world = World::start().await;
        let (ada, bob, room) = pair(&world).await;
        let ids = ada.send_numbers(&room, 1..=5).await;
        bob.sees(&room, &ids).await;
        reaches(&ada, &room, &ids[4], "delivered").await;
        bob.network("none").await;
        bob.in_mode("offline").await;
        mark_read(&bob, &room, 4).await;
        // It is on disk: whatever happens now.
        bob.kill().await;
        let bob = Agent::start(&world.client("bob")).await;
        bob.ceiling(mode).await;
        reaches(&ada, &room, &ids[2], "read").await;
        assert_eq!(receipt(&world, &room, "bob").await, (6, 4), "{mode}");
        let states: Vec<String> = ids.iter().map(|id| ada.message(&room, id).state).collect();
        assert_eq!(states, ["read", "read", "read", "delivered", "delivered"], "{mode}");
        // Neither does it fall back, nor does it pass the end.
        mark_read(&bob, &room, 2).await;
        mark_read(&bob, &room, 1_000).await;
        reaches(&ada, &room, &ids[4], "read").await;
        assert_eq!(receipt(&world, &room, "bob").await, (6, 6), "{mode}");
    }
}

#[tokio::test]
async fn receipts_survive_restarts_of_client_and_server() {
    let mut world = World::start().await;
    let (ada, bob, room) = pair(&world).await;
    let ids = ada.send_numbers(&room, 1..=3).await;
    bob.sees(&room, &ids).await;
    mark_read(&bob, &room, 3).await;
    reaches(&ada, &room, &ids[1], "read").await;
    reaches(&ada, &room, &ids[2], "delivered").await;
    ada.kill().await;
    world.server.kill().await;
    // From the disk alone.
    let ada = Agent::start(&world.client("ada")).await;
    ada.open(&room).await;
    let states: Vec<String> = ids.iter().map(|id| ada.message(&room, id).state).collect();
    assert_eq!(states, ["read", "read", "delivered"]);
    // Marked while the server is away.
    mark_read(&bob, &room, 4).await;
    world.start_server_again().await;
    assert_eq!(receipt(&world, &room, "bob").await.0, 4, "what was told is on its disk");
    reaches(&ada, &room, &ids[2], "read").await;
    assert_eq!(receipt(&world, &room, "bob").await, (4, 4));
}

#[tokio::test]
async fn another_device_of_the_same_user_learns_what_is_read() {
    for mode in ["real_time", "polling"] {
        let world = World::start().await;
        let (ada, phone, room) = pair(&world).await;
        let tablet: Setup = world.client("bob").data(world.folder().join("client-bob-tablet"));
        let tablet = Agent::start(&tablet).await;
        tablet.open(&room).await;
        phone.ceiling(mode).await;
        tablet.ceiling(mode).await;
        let ids = ada.send_numbers(&room, 1..=4).await;
        phone.sees(&room, &ids).await;
        tablet.sees(&room, &ids).await;

        mark_read(&phone, &room, 5).await;
        let nothing = json!({"unread": 0, "mentions": 0, "as_of": 5, "read": 5});
        assert_eq!(room_state(&phone).await["unread_base"], nothing, "at once");
        loop {
            let changed = tablet.view().rooms_changed;
            let state = room_state(&tablet).await;
            let receipts = state["receipts"].as_array().unwrap();
            let own = receipts.iter().find(|receipt| receipt["user"] == "bob").unwrap();
            if own["read"] == 5 {
                assert_eq!(state["unread_base"], nothing, "{mode}");
                break;
            }
            assert_ne!(state["unread_base"], nothing, "{mode}");
            tablet.until("news of the room", |view| view.rooms_changed > changed).await;
        }
    }
}

#[tokio::test]
async fn in_a_large_room_how_far_the_others_are_is_told_to_who_asks() {
    let world = World::start().await;
    let (ada, bob) =
        (Agent::start(&world.client("ada")).await, Agent::start(&world.client("bob")).await);
    let crowd: Vec<String> = (0..99).map(|n| format!("u{n:02}")).collect();
    let mut members: Vec<&str> = crowd.iter().map(String::as_str).collect();
    members.push("bob");
    let room = ada.create_room(&members).await;
    let ids = ada.send_numbers(&room, 1..=1).await;
    bob.open(&room).await;
    bob.sees(&room, &ids).await;
    mark_read(&bob, &room, 2).await;
    let ask = json!({"cmd": "receipts", "room": room, "seq": 2});
    let begin = std::time::Instant::now();
    let page = loop {
        let page = ada.must(ask.clone()).await;
        if page["read_by"] == 1 {
            break page;
        }
        assert!(begin.elapsed() < tidewire_tests::PATIENCE, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert_eq!((&page["of"], page["receipts"].as_array().unwrap().len()), (&json!(100), 100));
    assert_eq!(
        page["receipts"][0],
        json!({"room": room, "user": "bob", "delivered": 2, "read": 2})
    );
    let message = ada.message(&room, &ids[0]);
    assert_eq!((message.state.as_str(), message.reach), ("sent", None), "unasked nobody is told");
}

#[tokio::test]
async fn in_a_group_a_message_is_delivered_when_all_have_it_and_read_when_all_read_it() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob", "eve"]).await;
    let ids = ada.send_numbers(&room, 1..=2).await;
    // Eve's client has never been started.
    let of_bob = |view: &tidewire_tests::view::View| {
        view.timeline(&room).message(&ids[1]).is_some_and(|m| m.reach == Some((1, 0, 2)))
    };
    ada.until("Bob has it", of_bob).await;
    assert_eq!(ada.message(&room, &ids[1]).state, "sent");
    let eve = Agent::start(&world.client("eve")).await;
    assert_eq!(reaches(&ada, &room, &ids[1], "delivered").await, Some((2, 0, 2)));
    mark_read(&bob, &room, 3).await;
    let read_by_bob = |view: &tidewire_tests::view::View| {
        view.timeline(&room).message(&ids[1]).is_some_and(|m| m.reach == Some((2, 1, 2)))
    };
    ada.until("Bob has read it", read_by_bob).await;
    assert_eq!(ada.message(&room, &ids[1]).state, "delivered");
    eve.open(&room).await;
    mark_read(&eve, &room, 2).await;
    reaches(&ada, &room, &ids[0], "read").await;
    mark_read(&eve, &room, 3).await;
    reaches(&ada, &room, &ids[1], "read").await;
}

#[tokio::test]
async fn who_has_left_holds_nothing_up() {
    for mode in ["real_time", "hybrid", "polling"] {
        let world = World::start().await;
        let ada = Agent::start(&world.client("ada")).await;
        let bob = Agent::start(&world.client("bob")).await;
        let room = ada.create_room(&["bob", "eve"]).await;
        ada.ceiling(mode).await;
        let ids = ada.send_numbers(&room, 1..=2).await;
        bob.open(&room).await;
        bob.sees(&room, &ids).await;
        mark_read(&bob, &room, 2).await;
        let read_by_bob = |view: &tidewire_tests::view::View| {
            view.timeline(&room).message(&ids[0]).is_some_and(|m| m.reach == Some((1, 1, 2)))
        };
        ada.until("Bob has read it", read_by_bob).await;
        assert_eq!(ada.message(&room, &ids[0]).state, "sent", "Eve does not even have it");
        ada.must(json!({"cmd": "remove_member", "room": room, "user": "eve"})).await;
        assert_eq!(reaches(&ada, &room, &ids[0], "read").await, Some((1, 1, 1)));
        assert_eq!(reaches(&ada, &room, &ids[1], "delivered").await, Some((1, 0, 1)));
        // Back again, she has what was before, and the next message is hers to get.
        ada.must(json!({"cmd": "add_members", "room": room, "users": ["eve"]})).await;
        let third = ada.send_numbers(&room, 3..=3).await;
        let with_eve = |view: &tidewire_tests::view::View| {
            view.timeline(&room).message(&third[0]).is_some_and(|m| m.reach == Some((1, 0, 2)))
        };
        ada.until("Bob alone has it", with_eve).await;
        assert_eq!(ada.message(&room, &third[0]).state, "sent");
        assert_eq!(reaches(&ada, &room, &ids[0], "read").await, Some((2, 2, 2)));
    }
}
