//! Timelines at any place of a room, and of threads.

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

// scenario: open-at-unread
#[tokio::test]
async fn a_timeline_opens_at_the_first_unread_and_says_where_that_begins() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    let ids = ada.send_numbers(&room, 1..=40).await;
    bob.open(&room).await;
    bob.sees(&room, &ids).await;
    let read = bob.message(&room, &ids[9]).seq.unwrap();
    bob.must(json!({"cmd": "mark_read", "room": room, "seq": read})).await;
    let more = ada.send_numbers(&room, 41..=80).await;
    bob.sees(&room, &more).await;

    bob.must(json!({"cmd": "open_room", "room": room, "at": "first_unread"})).await;
    bob.until("the line above what is new", |view| {
        let timeline = view.timeline(&room);
        timeline.unread_from == Some(read + 1) && timeline.message(&ids[10]).is_some()
    })
    .await;
}

// scenario: jump-to-message
#[tokio::test]
async fn a_timeline_opens_around_a_message_that_is_not_here_and_leads_back_to_the_newest() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&["bob"]).await;
    let ids = ada.send_numbers(&room, 1..=230).await;
    ada.sees(&room, &ids).await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.open(&room).await;
    bob.sees(&room, &ids[229..]).await;

    let target = &ids[59];
    bob.must(json!({"cmd": "open_room", "room": room, "at": {"message": target}})).await;
    bob.until("the message in its place", |view| {
        let timeline = view.timeline(&room);
        timeline.message(target).is_some() && timeline.more && timeline.more_after
    })
    .await;
    assert!(bob.view().timeline(&room).message(&ids[229]).is_none());
    while bob.must(json!({"cmd": "load_newer", "room": room, "count": 100})).await["more"] == true {
    }
    bob.until("the newest", |view| !view.timeline(&room).more_after).await;
    let last = ada.send(&room, "one more").await;
    bob.sees(&room, &[last]).await;
    assert_eq!(bob.view().timeline(&room).gaps(), []);
}

#[tokio::test]
async fn where_nothing_is_held_a_timeline_says_so_offline_and_for_ids_that_do_not_exist() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&["bob"]).await;
    let ids = ada.send_numbers(&room, 1..=230).await;
    ada.sees(&room, &ids).await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.open(&room).await;
    bob.sees(&room, &ids[229..]).await;
    let at = |message: &str| json!({"cmd": "open_room", "room": room, "at": {"message": message}});
    let unknown = bob.ask(at("0192f0c1-2b3c-7d4e-8f50-112233445566")).await.unwrap_err();
    assert_eq!(unknown["error"], "unknown_message", "{unknown}");
    bob.ceiling("offline").await;
    let offline = bob.ask(at(&ids[20])).await.unwrap_err();
    assert_eq!(offline["error"], "offline", "{offline}");
}

// scenario: thread
#[tokio::test]
async fn a_thread_opens_as_a_timeline_of_its_own_and_new_replies_appear_in_it() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&["bob"]).await;
    let root = ada.send(&room, "root").await;
    ada.sees(&room, std::slice::from_ref(&root)).await;
    let reply = |text: &str| json!({"cmd": "send", "room": room, "text": text, "thread": root});
    for n in 0..5 {
        ada.must(reply(&format!("reply {n}"))).await;
    }
    let noise = ada.send_numbers(&room, 1..=120).await;
    ada.sees(&room, &noise).await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.open(&room).await;
    bob.sees(&room, &noise[119..]).await;

    bob.must(json!({"cmd": "thread", "room": room, "message": root})).await;
    bob.until("the thread", |view| view.timeline(&room).texts().len() == 6).await;
    assert_eq!(bob.view().timeline(&room).texts()[0], "root");
    ada.must(reply("live")).await;
    bob.sees_text(&room, "live").await;
    let mine = bob.must(reply("mine")).await["message"].as_str().unwrap().to_owned();
    bob.sees(&room, &[mine]).await;
    assert_eq!(bob.view().timeline(&room).texts().len(), 8);
}
