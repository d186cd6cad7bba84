//! The list of rooms, drafts, and what the user sets for a room.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::view::View;
use tidewire_tests::world::World;

async fn open_list(agent: &Agent, list: &str, query: Value) {
    let mut command = json!({"cmd": "open_room_list", "list": list});
    for (key, value) in query.as_object().unwrap() {
        command[key] = value.clone();
    }
    agent.must(command).await;
    agent.until("the list", |view| view.lists.contains_key(list)).await;
}

async fn lists(agent: &Agent, list: &str, rooms: &[&str]) {
    let is = |view: &View| view.lists.get(list).is_some_and(|list| list.rooms() == rooms);
    agent.until(&format!("{list} is {rooms:?}"), is).await;
}

fn row(agent: &Agent, list: &str, room: &str) -> Value {
    agent.view().listed(list, room).unwrap().clone()
}

async fn group(agent: &Agent, name: &str, members: &[&str]) -> String {
    let create = json!({"cmd": "create_room", "name": name, "members": members});
    agent.must(create).await["room"].as_str().unwrap().to_owned()
}

// scenario: room-list
#[tokio::test]
async fn a_list_of_rooms_is_sorted_filtered_and_follows_what_happens() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let harbour = group(&ada, "Harbour", &["bob"]).await;
    let anchor = group(&ada, "Ánchor", &["bob"]).await;
    let direct = ada.must(json!({"cmd": "create_room", "peer": "bob"})).await["room"]
        .as_str()
        .unwrap()
        .to_owned();
    open_list(&bob, "recent", json!({})).await;
    open_list(&bob, "unread", json!({"sort": "unread_first"})).await;
    open_list(&bob, "name", json!({"sort": "name"})).await;
    open_list(&bob, "found", json!({"name": "ANCH", "kind": "group"})).await;
    for (room, text) in [(&harbour, "one"), (&anchor, "two"), (&direct, "three")] {
        ada.send(room, text).await;
        let is = |view: &View| {
            view.listed("recent", room)
                .is_some_and(|row| row["last_message"]["content"]["text"] == text)
        };
        bob.until(text, is).await;
    }
    lists(&bob, "recent", &[&direct, &anchor, &harbour]).await;
    lists(&bob, "name", &[&direct, &anchor, &harbour]).await;
    lists(&bob, "found", &[&anchor]).await;
    assert_eq!(row(&bob, "recent", &direct)["peer"], "ada");
    assert_eq!(row(&bob, "name", &anchor)["name"], "Ánchor");
    let read = json!({"cmd": "mark_read", "room": direct, "seq": 1_000});
    bob.must(read).await;
    lists(&bob, "unread", &[&anchor, &harbour, &direct]).await;
    // One's own words, and a name that an owner changes.
    bob.send(&harbour, "mine").await;
    lists(&bob, "recent", &[&harbour, &direct, &anchor]).await;
    ada.must(json!({"cmd": "update_room", "room": harbour, "name": "A harbour"})).await;
    lists(&bob, "name", &[&harbour, &direct, &anchor]).await;
    ada.must(json!({"cmd": "set_role", "room": harbour, "user": "bob", "role": "owner"})).await;
    let owns =
        |view: &View| view.listed("recent", &harbour).is_some_and(|row| row["role"] == "owner");
    bob.until("he owns it", owns).await;
    bob.must(json!({"cmd": "leave", "room": anchor})).await;
    lists(&bob, "recent", &[&harbour, &direct]).await;
    lists(&bob, "found", &[]).await;
}

#[tokio::test]
async fn a_list_of_many_rooms_is_a_window_that_moves_and_what_it_shows_is_fetched_ahead() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let mut rooms = Vec::new();
    for number in 0..70 {
        let room = group(&ada, &format!("{number:02}"), &["bob"]).await;
        ada.must(json!({"cmd": "open_room", "room": room})).await;
        for text in ["a", "b", "c"] {
            ada.send(&room, text).await;
        }
        rooms.push(room);
    }
    let last = rooms.last().unwrap().clone();
    let sent = |view: &View| {
        let messages = view.timeline(&last).messages();
        messages.filter(|message| message.text.is_some() && message.is_sent()).count() == 3
    };
    ada.until("all is sent", sent).await;
    let bob = Agent::start(&world.client("bob")).await;
    open_list(&bob, "all", json!({"sort": "name", "window": 20})).await;
    let whole = |view: &View| view.lists["all"].total == 70;
    bob.until("all pages have come", whole).await;
    assert_eq!(bob.view().lists["all"].rooms(), rooms[..20].iter().collect::<Vec<_>>());
    bob.must(json!({"cmd": "set_list_visible", "list": "all", "first": 40, "count": 8})).await;
    let shows = |view: &View| {
        let list = &view.lists["all"];
        list.first <= 40 && list.rooms().contains(&rooms[47].as_str()) && list.rows.len() == 20
    };
    bob.until("the window has moved", shows).await;
    // What is seen opens whole without a network.
    let fetched = |stats: &Value| stats["tiers"]["server"]["reads"].as_u64() >= Some(8);
    while !fetched(&bob.must(json!({"cmd": "stats"})).await) {
        tokio::task::yield_now().await;
    }
    bob.must(json!({"cmd": "set_network", "kind": "none"})).await;
    bob.open(&rooms[40]).await;
    let timeline = |view: &View| view.timeline(&rooms[40]).texts().len() == 3;
    bob.until("it is whole", timeline).await;
}

// scenario: draft
#[tokio::test]
async fn a_draft_is_there_after_a_kill_and_shows_in_the_list() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&["bob"]).await;
    ada.must(json!({"cmd": "set_draft", "room": room, "text": "half a tho"})).await;
    ada.kill().await;
    let ada = Agent::start(&setup).await;
    ada.must(json!({"cmd": "set_network", "kind": "none"})).await;
    open_list(&ada, "all", json!({})).await;
    let shown = |text: Option<&'static str>| {
        let room = room.clone();
        move |view: &View| {
            view.listed("all", &room).is_some_and(|row| row["draft"].as_str() == text)
        }
    };
    ada.until("the draft", shown(Some("half a tho"))).await;
    let draft = ada.must(json!({"cmd": "draft", "room": room})).await;
    assert_eq!(draft["text"], "half a tho");
    ada.must(json!({"cmd": "set_draft", "room": room})).await;
    ada.until("no draft", shown(None)).await;
}

// scenario: room-settings
#[tokio::test]
async fn what_is_set_for_a_room_shows_at_once_and_on_the_other_device() {
    let world = World::start().await;
    let setup = world.client("ada");
    let phone = Agent::start(&setup).await;
    let tablet = world.client("ada").data(world.folder().join("client-ada-tablet"));
    let tablet = Agent::start(&tablet).await;
    let first = group(&phone, "first", &["bob"]).await;
    let second = group(&phone, "second", &["bob"]).await;
    for device in [&phone, &tablet] {
        open_list(device, "all", json!({})).await;
        open_list(device, "away", json!({"archived": true})).await;
        lists(device, "all", &[&second, &first]).await;
    }
    // Without a network, and then the process is killed.
    phone.must(json!({"cmd": "set_network", "kind": "none"})).await;
    phone.must(json!({"cmd": "settings", "room": first, "pinned": true, "muted": true})).await;
    lists(&phone, "all", &[&first, &second]).await;
    phone.kill().await;
    assert_eq!(tablet.view().lists["all"].rooms(), [&second, &first]);
    let phone = Agent::start(&setup).await;
    open_list(&phone, "all", json!({})).await;
    open_list(&phone, "away", json!({"archived": true})).await;
    lists(&phone, "all", &[&first, &second]).await;
    lists(&tablet, "all", &[&first, &second]).await;
    let set = json!({"muted": true, "pinned": true});
    assert_eq!(row(&tablet, "all", &first)["settings"], set);
    tablet.must(json!({"cmd": "settings", "room": second, "archived": true})).await;
    for device in [&phone, &tablet] {
        lists(device, "all", &[&first]).await;
        lists(device, "away", &[&second]).await;
    }
    tablet.must(json!({"cmd": "settings", "room": first, "pinned": false, "muted": false})).await;
    let bare =
        |view: &View| view.listed("all", &first).is_some_and(|row| row["settings"] == json!({}));
    phone.until("nothing is set any more", bare).await;
}
