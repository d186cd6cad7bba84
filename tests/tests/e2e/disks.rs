//! The disk is full, the client's or the server's: it is told, nothing is lost, and once there is
//! space everything goes on by itself.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::disk::Disk;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::world::World;
use uuid::Uuid;

#[tokio::test]
async fn a_client_on_a_full_disk_says_so_and_recovers_by_itself() {
    let world = World::start().await;
    let setup = world.client("ada");
    let data = setup.data.clone().unwrap();
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = Disk::over(&data) else { return };
    let ada = Agent::start(&setup.wrapped(disk.wrapper("size=4m"))).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let ids = ada.send_numbers(&room, 1..=2).await;
    bob.sees(&room, &ids).await;

    let ballast = disk.fill(ada.pid());
    // Some may still fit into what the database has taken already.
    let mut number = 3;
    let long = "x".repeat(8_000);
    let error = loop {
        let said = ada.ask(json!({"cmd": "send", "room": room, "text": long})).await;
        match said {
            Ok(_) => number += 1,
            Err(error) => break error,
        }
        assert!(number < 1_000, "the small disk is never full");
    };
    assert_eq!((&error["error"], &error["temporary"]), (&json!("disk_full"), &json!(true)));
    ada.has_problem("store_failed").await;
    let missed = bob.send_numbers(&room, 1..=40).await;
    bob.sees(&room, &missed).await;
    // What was there is still shown.
    ada.message(&room, &ids[0]);

    std::fs::remove_file(ballast).unwrap();
    // Without a word from the app.
    ada.sees(&room, &missed).await;
    ada.has_problem("store_recovered").await;
    let ids = ada.send_numbers(&room, 3..=4).await;
    ada.sees(&room, &ids).await;
    bob.sees(&room, &ids).await;
    let log = world.log(&room, "ada").await;
    world.agree(&room, &[&ada], log.len()).await;
    assert_eq!(ada.stat("/bootstraps").await, 1);
}

#[tokio::test]
async fn a_server_on_a_full_disk_stays_up_and_its_clients_wait() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("server");
    std::fs::create_dir(&dir).unwrap();
    let Some(disk) = Disk::over(&dir) else { return };
    // Outside, so that the tokens made there are good.
    let secret = format!("--secret-file={}", folder.path().join("secret.key").display());
    let flags = ["--ops-per-second=0", secret.as_str()];
    let server = ServerProcess::start_wrapped(dir, &flags, disk.wrapper("size=8m")).await;
    let mut world = World::around(folder, server).await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let ids = ada.send_numbers(&room, 1..=2).await;
    bob.sees(&room, &ids).await;

    let ballast = disk.fill(world.server.pid());
    let path = format!("/v1/rooms/{room}/ops");
    let mut accepted = 0;
    let refused = loop {
        let content = json!({"text": "x".repeat(8_000)});
        let op = json!({"id": Uuid::now_v7(), "kind": "message", "content": content});
        let answer = world.call("bob", "POST", &path, Some(&json!({"ops": [op]}))).await;
        if answer.status != 200 {
            break answer;
        }
        accepted += 1;
        assert!(accepted < 2_000, "the small disk is never full");
    };
    assert!(refused.status >= 500, "{}", refused.body);
    assert_eq!(refused.body["error"]["temporary"], true, "{}", refused.body);
    let ids = ada.send_numbers(&room, 3..=4).await;
    let seq = |event: &Value| event["seq"].as_u64();
    let log = world.log(&room, "bob").await;
    assert_eq!(log.last().and_then(seq), Some(3 + accepted), "what is there can be read");
    assert_eq!(ada.message(&room, &ids[1]).state, "sending");
    assert!(!ada.view().has_problem("send_failed"));
    assert!(world.server.runs());

    std::fs::remove_file(ballast).unwrap();
    ada.sees(&room, &ids).await;
    bob.sees(&room, &ids).await;
    assert_eq!(world.log(&room, "bob").await.len() as u64, 5 + accepted);
    assert!(world.server.runs());
    world.server.stop().await;
}
