//! More has happened than a page holds: the newest is shown, what lies between is an honest gap.

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

/// Ada is away for 150 messages, comes back, and fills the gap.
async fn come_back(mode: &str) {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let seen = bob.send_numbers(&room, 1..=5).await;
    ada.sees(&room, &seen).await;
    ada.ceiling("offline").await;
    let missed = bob.send_numbers(&room, 6..=155).await;
    bob.sees(&room, &missed).await;
    ada.ceiling(mode).await;

    ada.sees(&room, &missed[149..]).await;
    ada.until("a gap is shown", |view| !view.timeline(&room).gaps().is_empty()).await;
    // Honest: what is neither shown nor in a gap does not exist. And the old is still shown.
    let shown = ada.must(json!({"cmd": "snapshot", "room": room})).await;
    let mut next = 1;
    for row in shown["rooms"][&room].as_array().unwrap() {
        let (from, to) = match row.get("gap") {
            Some(gap) => (gap[0].as_u64().unwrap(), gap[1].as_u64().unwrap()),
            None => (row["seq"].as_u64().unwrap(), row["seq"].as_u64().unwrap()),
        };
        assert_eq!(from, next, "{shown}");
        next = to + 1;
    }
    assert_eq!(next, 157, "{shown}");

    ada.fill_gaps(&room).await;
    world.agree(&room, &[&ada, &bob], 156).await;
    let log = ada.view().timeline(&room).messages().count();
    assert_eq!(log, 156, "nothing of the old was dropped");
}

// scenario: gap
#[tokio::test]
async fn who_was_away_for_long_sees_the_newest_and_a_gap_that_can_be_filled_by_push() {
    come_back("real_time").await;
}

#[tokio::test]
async fn who_was_away_for_long_sees_the_newest_and_a_gap_that_can_be_filled_by_poll() {
    come_back("polling").await;
}

#[tokio::test]
async fn who_was_away_for_long_sees_the_newest_and_a_gap_that_can_be_filled_in_hybrid() {
    come_back("hybrid").await;
}

#[tokio::test]
async fn history_comes_page_by_page_down_to_the_beginning_and_then_from_disk() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&["bob"]).await;
    let ids = ada.send_numbers(&room, 1..=230).await;
    ada.sees(&room, &ids).await;
    let setup = world.client("bob");
    for first in [true, false] {
        let bob = Agent::start(&setup).await;
        bob.open(&room).await;
        bob.sees(&room, &ids[229..]).await;
        bob.until("the first page", |view| view.timeline(&room).messages().count() >= 50).await;
        let mut tiers = Vec::new();
        loop {
            let older = bob.must(json!({"cmd": "history", "room": room, "count": 70})).await;
            tiers.push(older["tier"].as_str().unwrap().to_owned());
            if older["more"] == false {
                break;
            }
        }
        // A page of the server brings the next one with it.
        let expected = if first { ["server", "disk", "server"] } else { ["disk"; 3] };
        assert_eq!(tiers, expected);
        let whole = |count| count == 231;
        bob.until("all is shown", |view| whole(view.timeline(&room).messages().count())).await;
        world.agree(&room, &[&bob], 231).await;
        bob.quit().await;
    }
}

#[tokio::test]
async fn the_unread_base_comes_with_a_limited_room_and_survives_a_restart() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let setup = world.client("bob");
    let bob = Agent::start(&setup).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    bob.ceiling("offline").await;
    let mut sent = Vec::new();
    for n in 0..120 {
        let mentions = if n % 40 == 0 { json!(["bob"]) } else { json!([]) };
        let send = json!({"cmd": "send", "room": room, "text": "hi", "mentions": mentions});
        sent.push(ada.must(send).await["message"].as_str().unwrap().to_owned());
    }
    ada.sees(&room, &sent).await;
    bob.ceiling("real_time").await;
    bob.sees(&room, &sent[119..]).await;
    let expected = json!({"unread": 120, "mentions": 3, "as_of": 121, "read": 1});
    let base = async |agent: &Agent| {
        agent.must(json!({"cmd": "rooms"})).await["rooms"][0]["state"]["unread_base"].clone()
    };
    assert_eq!(base(&bob).await, expected);
    bob.quit().await;
    // Nothing new comes now: this is from the disk.
    let bob = Agent::start(&setup).await;
    assert_eq!(base(&bob).await, expected);
}
