//! The app's lifecycle, with real files and sockets: what is open is seen from outside.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;
use tidewire_tests::agent::Agent;
use tidewire_tests::world::World;

async fn app_state(agent: &Agent, state: &str) {
    agent.must(json!({"cmd": "set_app_state", "state": state})).await;
}

/// What a process holds open, besides its standard streams and what the runtime itself needs.
fn open_files(agent: &Agent) -> BTreeSet<PathBuf> {
    std::fs::read_dir(format!("/proc/{}/fd", agent.pid()))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| {
            let name = path.to_string_lossy();
            name.contains("tidewire.db") || name.contains("lock") || name.starts_with("socket:")
        })
        .collect()
}

// scenario: suspended
#[tokio::test]
async fn suspended_holds_once_the_call_returns_no_file_no_lock_no_connection() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    // Standard streams are pipes; the runtime keeps a pair of sockets for its signals.
    let idle = 2;
    for round in 0..5 {
        ada.in_mode("real_time").await;
        let sent = ada.send(&room, &format!("before {round}")).await;
        assert!(open_files(&ada).len() > idle, "{:?}", open_files(&ada));
        app_state(&ada, "suspended").await;
        let open = open_files(&ada);
        assert!(open.len() <= idle, "{open:?}");
        assert!(open.iter().all(|path| path.to_string_lossy().starts_with("socket:")), "{open:?}");
        // Rooms are told from memory; what needs the disk says why it can not be.
        ada.must(json!({"cmd": "rooms"})).await;
        let refused = ada.ask(json!({"cmd": "send", "room": room, "text": "?"})).await;
        assert_eq!(refused.unwrap_err()["error"], "suspended");
        // Another process of the app may use the folder meanwhile.
        let extension = Agent::start(&setup).await;
        let by_extension = extension.send(&room, &format!("by the extension {round}")).await;
        bob.sees(&room, &[sent, by_extension.clone()]).await;
        extension.quit().await;
        app_state(&ada, "foreground").await;
        ada.sees(&room, &[by_extension]).await;
    }
    world.agree(&room, &[&ada, &bob], 11).await;
}

#[tokio::test]
async fn a_start_in_the_background_opens_no_socket_and_can_be_suspended() {
    let world = World::start().await;
    let setup = world.client("ada");
    let first = Agent::start(&setup).await;
    let room = first.create_room(&["bob"]).await;
    first.quit().await;
    let ada = Agent::start(&setup.clone().in_background()).await;
    ada.in_mode("polling").await;
    let bob = Agent::start(&world.client("bob")).await;
    bob.open(&room).await;
    let sent = bob.send_numbers(&room, 1..=120).await;
    bob.sees(&room, &sent).await;
    let done = ada.must(json!({"cmd": "refresh_once", "deadline_ms": 30_000})).await;
    assert_eq!(done["complete"], true, "{done}");
    assert_eq!(ada.stat("/sockets").await, 0);
    app_state(&ada, "suspended").await;
    assert!(open_files(&ada).len() <= 2, "{:?}", open_files(&ada));
    // A push message: the system lets the app run for a moment.
    let more = bob.send(&room, "one more").await;
    bob.sees(&room, &[more]).await;
    let done = ada.must(json!({"cmd": "refresh_once", "deadline_ms": 30_000})).await;
    assert_eq!((&done["complete"], &done["new_events"]), (&json!(true), &json!(1)), "{done}");
    assert!(open_files(&ada).len() <= 2, "it rests again: {:?}", open_files(&ada));
    app_state(&ada, "foreground").await;
    ada.open(&room).await;
    ada.in_mode("real_time").await;
    ada.until("the newest", |view| view.timeline(&room).texts().last() == Some(&"one more")).await;
}

#[tokio::test]
async fn a_refresh_that_does_not_come_about_says_so_at_its_deadline() {
    let world = World::start().await;
    let network = world.network().await;
    let ada = Agent::start(&world.client_over(&network, "ada")).await;
    let room = ada.create_room(&["bob"]).await;
    app_state(&ada, "background").await;
    ada.in_mode("polling").await;
    network.set(tidewire_bench::proxy::Fault::HoldAnswers);
    ada.send(&room, "waits").await;
    let done = ada.must(json!({"cmd": "refresh_once", "deadline_ms": 1_000})).await;
    assert_eq!((&done["complete"], &done["pending"]), (&json!(false), &json!(1)), "{done}");
}
