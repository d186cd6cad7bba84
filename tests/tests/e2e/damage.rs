//! The client's files are damaged: what was not sent goes out all the same, and everything else comes
//! from the server again.

use serde_json::{Value, json};
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::world::World;

/// Ada's client has rooms and messages on disk, and three messages that were not sent, when it is
/// killed. Then its file is harmed.
async fn with_pending_sends(world: &World) -> (Setup, String, Vec<String>, usize) {
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let said = bob.send_numbers(&room, 1..=60).await;
    ada.sees(&room, &said).await;
    network.cut().await;
    let waiting = ada.send_numbers(&room, 1..=3).await;
    ada.kill().await;
    network.set(Fault::None);
    (setup, room, waiting, 1 + 60 + 3)
}

fn harm(setup: &Setup, name: &str, harm: impl Fn(&mut Vec<u8>)) {
    let path = setup.database().with_file_name(name);
    // What only the log holds is written back first, as the next start would.
    rusqlite::Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    harm(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
}

async fn repair(agent: &Agent) -> Value {
    agent.must(json!({"cmd": "cache_report"})).await["repair"].clone()
}

// scenario: damaged-cache
#[tokio::test]
async fn a_damaged_cache_comes_from_the_server_again_and_what_was_not_sent_goes_out() {
    let world = World::start().await;
    let (setup, room, waiting, events) = with_pending_sends(&world).await;
    harm(&setup, "tidewire.db", |bytes| bytes[..4096].fill(0));
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    ada.sees(&room, &waiting).await;
    let told = repair(&ada).await;
    assert_eq!((&told["cache"], &told["complete"]), (&json!(true), &json!(true)), "{told}");
    let older = ada.must(json!({"cmd": "history", "room": room, "count": 100})).await;
    assert_eq!(older["more"], false);
    world.agree(&room, &[&ada], events).await;
    ada.quit().await;
    // Mended once, it stays so.
    let ada = Agent::start(&setup).await;
    assert_eq!(repair(&ada).await, Value::Null);
}

// scenario: damaged-cache
#[tokio::test]
async fn damage_that_is_met_while_running_is_told_and_mended() {
    let world = World::start().await;
    let (setup, room, waiting, events) = with_pending_sends(&world).await;
    // Whole at the start: the list can be read, the messages can not.
    harm(&setup, "tidewire.db", |bytes| {
        let mut found = 0;
        for page in bytes.chunks_mut(4096).skip(1) {
            // A leaf of a table or an index that holds what was said.
            if page.first() == Some(&10) && page.windows(6).any(|text| text == b"\"text\"") {
                page[8..200].fill(0xff);
                found += 1;
            }
        }
        assert!(found > 0);
    });
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    ada.sees(&room, &waiting).await;
    assert_eq!(repair(&ada).await["cache"], true);
    ada.must(json!({"cmd": "history", "room": room, "count": 100})).await;
    world.agree(&room, &[&ada], events).await;
}

#[tokio::test]
async fn a_damaged_outbox_is_read_row_by_row_or_left_until_its_loss_is_accepted() {
    let world = World::start().await;
    let (setup, room, waiting, events) = with_pending_sends(&world).await;
    harm(&setup, "outbox.db", |bytes| bytes[..100].fill(0));
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    ada.sees(&room, &waiting).await;
    let told = repair(&ada).await;
    assert_eq!((&told["outbox"], &told["complete"]), (&json!(3), &json!(true)), "{told}");
    ada.must(json!({"cmd": "history", "room": room, "count": 100})).await;
    world.agree(&room, &[&ada], events).await;
    ada.quit().await;

    harm(&setup, "outbox.db", |bytes| bytes.fill(0));
    let path = setup.database().with_file_name("outbox.db");
    let before = std::fs::read(&path).unwrap();
    for _ in 0..2 {
        let fatal = Agent::try_start(&setup).await.unwrap_err();
        assert_eq!(fatal["error"]["error"], "damaged", "{fatal}");
        assert!(std::fs::read(&path).unwrap() == before, "it is left as it is");
    }
    let ada = Agent::start(&setup.clone().flag("accept-loss")).await;
    assert_eq!(repair(&ada).await["complete"], false);
    ada.open(&room).await;
    world.agree(&room, &[&ada], events).await;
}
