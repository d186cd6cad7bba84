//! The server stops, dies and comes back; nobody loses a word.

use tidewire_tests::agent::Agent;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::world::World;

/// Both speak before, while and after the server is away.
async fn talk_over_a_restart(mut world: World, away: impl AsyncFn(&mut ServerProcess)) {
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    bob.ceiling("polling").await;
    ada.send_numbers(&room, 1..=3).await;
    bob.send_numbers(&room, 1..=3).await;
    // No wait: some are on their way when the server goes.
    away(&mut world.server).await;
    ada.send_numbers(&room, 4..=6).await;
    bob.send_numbers(&room, 4..=6).await;
    world.start_server_again().await;
    ada.send_numbers(&room, 7..=9).await;
    bob.send_numbers(&room, 7..=9).await;
    world.agree(&room, &[&ada, &bob], 19).await;
    ada.in_mode("real_time").await;
}

#[tokio::test]
async fn a_conversation_goes_on_over_a_graceful_restart_of_the_server() {
    talk_over_a_restart(World::start().await, async |server| server.stop().await).await;
}

// scenario: server-down
#[tokio::test]
async fn a_conversation_goes_on_when_the_server_is_killed() {
    talk_over_a_restart(World::start().await, async |server| server.kill().await).await;
}

#[tokio::test]
async fn a_server_started_again_on_its_folder_has_everything() {
    let mut world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&["bob"]).await;
    ada.must(serde_json::json!({"cmd": "set_profile", "name": "Ada Moss"})).await;
    let ids = ada.send_numbers(&room, 1..=120).await;
    ada.sees(&room, &ids).await;
    ada.quit().await;
    let before = world.log(&room, "ada").await;
    assert_eq!(before.len(), 121);
    world.server.stop().await;
    world.start_server_again().await;
    assert_eq!(world.log(&room, "ada").await, before, "from seq 1 on, byte for byte");

    // Somebody who comes for the first time finds all of it.
    let bob = Agent::start(&world.client("bob")).await;
    bob.open(&room).await;
    loop {
        let older = bob.must(serde_json::json!({"cmd": "history", "room": room})).await;
        if older["more"] == false {
            break;
        }
    }
    bob.until("the whole log is shown", |view| view.timeline(&room).messages().count() == 121)
        .await;
    let profiles = bob.must(serde_json::json!({"cmd": "profiles", "users": ["ada"]})).await;
    assert_eq!(profiles["profiles"][0]["name"], "Ada Moss");
    world.agree(&room, &[&bob], 121).await;
}

#[tokio::test]
async fn a_server_that_is_killed_keeps_what_it_has_acknowledged() {
    let mut world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&[]).await;
    for round in 0..3u32 {
        let ids = ada.send_numbers(&room, round * 5 + 1..=round * 5 + 5).await;
        ada.sees(&room, &ids).await;
        world.server.kill().await;
        world.start_server_again().await;
        let log = world.log(&room, "ada").await;
        for id in &ids {
            assert!(log.iter().any(|event| event["id"] == **id), "{id} was sent and is lost");
        }
    }
    world.agree(&room, &[&ada], 16).await;
}
