//! What can be wrong on the client's own side: each is told as what it is, and nothing is harmed.

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::disk::Disk;
use tidewire_tests::world::World;

#[tokio::test]
async fn a_second_client_on_a_folder_is_told_and_the_first_goes_on() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    let fatal = Agent::try_start(&setup).await.unwrap_err();
    assert_eq!(fatal["error"]["error"], "folder_in_use", "{fatal}");
    ada.send_numbers(&room, 1..=1).await;
    world.agree(&room, &[&ada], 2).await;
    // The folder is free the moment that the first one has ended, however it did.
    ada.kill().await;
    let ada = Agent::start(&setup).await;
    ada.quit().await;
    Agent::start(&setup).await.quit().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_told_and_left_as_it_is() {
    let world = World::start().await;
    let setup = world.client("ada");
    Agent::start(&setup).await.quit().await;
    let version = |set: Option<u32>| -> u32 {
        let database = rusqlite::Connection::open(setup.database()).unwrap();
        if let Some(version) = set {
            database.pragma_update(None, "user_version", version).unwrap();
        }
        database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    };
    version(Some(999));
    let fatal = Agent::try_start(&setup).await.unwrap_err();
    assert_eq!(fatal["error"]["error"], "newer_database", "{fatal}");
    assert_eq!(version(None), 999);
}

#[tokio::test]
async fn a_folder_that_is_a_file_is_told() {
    let world = World::start().await;
    let setup = world.client("ada");
    std::fs::write(setup.data.as_ref().unwrap(), "I was here first").unwrap();
    let fatal = Agent::try_start(&setup).await.unwrap_err();
    assert_eq!(fatal["error"]["error"], "folder_unusable", "{fatal}");
}

#[tokio::test]
async fn a_read_only_folder_is_told() {
    let world = World::start().await;
    let setup = world.client("ada");
    let data = setup.data.clone().unwrap();
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = Disk::over(&data) else { return };
    let fatal = Agent::try_start(&setup.wrapped(disk.wrapper("ro"))).await.unwrap_err();
    assert_eq!(fatal["error"]["error"], "folder_unusable", "{fatal}");
}

#[tokio::test]
async fn a_message_that_can_never_be_accepted_is_refused_before_it_is_queued() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&[]).await;
    let send = |text: String, metadata: serde_json::Value| json!({"cmd": "send", "room": room, "text": text, "metadata": metadata});
    for question in [
        send("x".repeat(8_193), json!(null)),
        send("ü".repeat(4_097), json!(null)),
        send(String::new(), json!(null)),
        send("hello".into(), json!("x".repeat(4_095))),
    ] {
        let error = ada.ask(question).await.unwrap_err();
        assert_eq!(error["error"], "invalid_op", "{error}");
        assert_eq!(error["temporary"], false, "{error}");
    }
    let strange = "0199c306-6400-7c3e-9a41-6f2d8e0b1c52";
    let question = json!({"cmd": "send", "room": strange, "text": "hello"});
    assert_eq!(ada.ask(question).await.unwrap_err()["error"], "unknown_room");
    // At the limit it passes, whatever JSON makes of it.
    for text in ["x".repeat(8_192), "\u{1}".repeat(2_000), "\"\\\n".repeat(2_000)] {
        ada.must(send(text, json!(null))).await;
    }
    ada.send_numbers(&room, 1..=1).await;
    world.agree(&room, &[&ada], 5).await;
}

#[tokio::test]
async fn a_full_outbox_is_told_and_takes_more_once_some_have_left() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada").knob("outbox-capacity", 3)).await;
    let room = ada.create_room(&[]).await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    let ids = ada.send_numbers(&room, 1..=3).await;
    let question = json!({"cmd": "send", "room": room, "text": "ada 4"});
    let error = ada.ask(question).await.unwrap_err();
    assert_eq!((&error["error"], &error["temporary"]), (&json!("outbox_full"), &json!(true)));
    ada.network("wifi").await;
    ada.sees(&room, &ids).await;
    ada.send_numbers(&room, 4..=4).await;
    world.agree(&room, &[&ada], 5).await;
}

#[tokio::test]
async fn a_second_server_on_a_folder_says_so_and_the_first_goes_on() {
    let mut world = World::start().await;
    let output = std::process::Command::new(&tidewire_tests::binaries::binaries().server)
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(world.server.dir())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("another tidewire-server"), "{said}");
    assert!(world.server.runs());
    let ada = Agent::start(&world.client("ada")).await;
    ada.create_room(&[]).await;
}
