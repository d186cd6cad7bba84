//! Several accounts on one device, and the end of one of them.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tidewire::{Client, Error, Logout, RoomId, StoreError, UserId};
use tidewire_tests::agent::Agent;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::world::World;

async fn open(server: &ServerProcess, data: &Path, user: &str) -> Result<Client, Error> {
    Client::builder(format!("http://{}", server.addr()), UserId::new(user).unwrap())
        .token(server.token_for(user, 3_600))
        .data_dir(data)
        .polling_interval(Duration::from_millis(500))
        .spread(Duration::ZERO)
        .open()
        .await
}

/// The room comes by itself.
async fn has_room(client: &Client, room: RoomId) {
    let mut events = client.events();
    while !client.rooms().await.unwrap().iter().any(|known| known.state.id == room) {
        // Something about the client changes when a room comes.
        drop(tokio::time::timeout(Duration::from_secs(1), events.recv()).await);
    }
}

fn accounts(data: &Path) -> usize {
    std::fs::read_dir(data).unwrap().count()
}

// scenario: two-accounts
#[tokio::test]
async fn two_accounts_of_one_process_see_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path().join("server")).await;
    let data = folder.path().join("data");
    let ada = open(&server, &data, "ada").await.unwrap();
    let bob = open(&server, &data, "bob").await.unwrap();
    let mut ids = Vec::new();
    for client in [&ada, &bob] {
        let mut modes = client.watch_mode();
        modes.wait_for(|report| report.mode == tidewire::Mode::RealTime).await.unwrap();
        let room = client.create_group(client.user().to_string(), Vec::new()).await.unwrap();
        room.send(format!("what only {} says", client.user())).await.unwrap();
        ids.push(room.id());
    }
    assert_eq!(accounts(&data), 2);
    for round in 0..2 {
        for (client, own, other) in [(&ada, ids[0], ids[1]), (&bob, ids[1], ids[0])] {
            let rooms = client.rooms().await.unwrap();
            let rooms: Vec<_> = rooms.iter().map(|room| room.state.id).collect();
            assert_eq!(rooms, [own], "round {round}");
            let strange = client.room(other).timeline().await;
            assert!(matches!(strange, Err(Error::UnknownRoom(_))), "round {round}");
        }
    }
    // One ends, the other does not notice.
    ada.logout(Logout::Discard).await.unwrap();
    assert_eq!(accounts(&data), 1);
    assert!(matches!(ada.rooms().await, Err(Error::Closed)));
    bob.room(ids[1]).send("still here").await.unwrap();
    bob.close().await;
    let bob = open(&server, &data, "bob").await.unwrap();
    assert_eq!(bob.rooms().await.unwrap().len(), 1);
    bob.close().await;
}

// scenario: logout
#[tokio::test]
async fn a_logout_keeps_what_was_not_sent_or_is_refused_and_leaves_nothing_behind() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    let sent = ada.send_numbers(&room, 1..=3).await;
    ada.sees(&room, &sent).await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    ada.send_numbers(&room, 4..=5).await;
    let error = ada.ask(json!({"cmd": "logout", "keep": true})).await.unwrap_err();
    assert_eq!(error["error"], "pending_sends", "{error}");
    assert!(error["message"].as_str().unwrap().starts_with("2 messages"), "{error}");
    // Nothing has changed: they go out.
    ada.network("wifi").await;
    world.agree(&room, &[&ada], 6).await;
    let folder = setup.database().parent().unwrap().to_owned();
    ada.must(json!({"cmd": "logout", "keep": true})).await;
    assert!(!folder.exists());
    assert_eq!(ada.ask(json!({"cmd": "rooms"})).await.unwrap_err()["error"], "closed");
    ada.quit().await;

    // Whoever comes back has everything that was sent, and nothing else.
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    world.agree(&room, &[&ada], 6).await;
    ada.network("none").await;
    ada.in_mode("offline").await;
    ada.send_numbers(&room, 6..=7).await;
    ada.must(json!({"cmd": "logout", "keep": false})).await;
    assert!(!folder.exists());
    ada.quit().await;
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    world.agree(&room, &[&ada], 6).await;
}

// scenario: logout
#[tokio::test]
async fn a_suspended_account_is_given_up_too() {
    let world = World::start().await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    ada.send_numbers(&room, 1..=3).await;
    world.agree(&room, &[&ada], 4).await;
    ada.must(json!({"cmd": "set_app_state", "state": "suspended"})).await;
    let error = ada.ask(json!({"cmd": "logout", "keep": true})).await.unwrap_err();
    assert_eq!(error["error"], "suspended");
    let folder = setup.database().parent().unwrap().to_owned();
    ada.must(json!({"cmd": "logout", "keep": false})).await;
    assert!(!folder.exists());
}

// scenario: logout
#[tokio::test]
async fn a_hundred_logouts_under_load_leave_no_file_and_lose_nobody_elses_word() {
    const ROUNDS: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let server =
        ServerProcess::start_with(folder.path().join("server"), &["--ops-per-second=0"]).await;
    let data = folder.path().join("data");
    let bob = open(&server, &data, "bob").await.unwrap();
    let mut modes = bob.watch_mode();
    modes.wait_for(|report| report.mode == tidewire::Mode::RealTime).await.unwrap();
    let ada = UserId::new("ada").unwrap();
    let room = bob.create_group("Harbour", vec![ada]).await.unwrap();
    let talker = {
        let room = room.clone();
        tokio::spawn(async move {
            let mut said = 0;
            loop {
                room.send(format!("{said}")).await.unwrap();
                said += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    for round in 0..ROUNDS {
        let ada = open(&server, &data, "ada").await.unwrap();
        if round % 3 != 0 {
            has_room(&ada, room.id()).await;
        }
        let (mine, timeline) = (ada.room(room.id()), ada.room(room.id()).timeline().await);
        let sending = tokio::spawn(async move {
            while mine.send("on my way out").await.is_ok() {
                tokio::task::yield_now().await;
            }
        });
        tokio::time::sleep(Duration::from_millis((round % 7) as u64 * 3)).await;
        // Asked twice at once: the first one wins, the second finds it closed.
        let (first, second) =
            tokio::join!(ada.logout(Logout::Discard), ada.logout(Logout::Discard));
        assert!(first.is_ok(), "round {round}: {first:?}");
        assert!(matches!(second, Err(Error::Closed) | Ok(())), "round {round}: {second:?}");
        sending.await.unwrap();
        drop(timeline);
        assert_eq!(accounts(&data), 1, "round {round}: only Bob's is left");
    }
    talker.abort();
    let in_use = open(&server, &data, "bob").await;
    assert!(matches!(in_use, Err(Error::Store(StoreError::FolderInUse { .. }))));
    bob.close().await;
    #[cfg(target_os = "linux")]
    {
        let open = std::fs::read_dir("/proc/self/fd").unwrap();
        let open = open
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(&data))
            .count();
        assert_eq!(open, 0, "files are left open");
    }
}
