//! A place in the feed that is of no use any more: the client begins anew by itself, keeps what is
//! true, and loses nothing that was to be sent.

use rusqlite::Connection;
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::server::ServerProcess;
use tidewire_tests::world::World;

fn stored_cursor(setup: &Setup) -> String {
    let database = Connection::open(setup.database()).unwrap();
    database.query_row("SELECT value FROM meta WHERE key = 'cursor'", [], |row| row.get(0)).unwrap()
}

fn store_cursor(setup: &Setup, cursor: &str) {
    let database = Connection::open(setup.database()).unwrap();
    let changed =
        database.execute("UPDATE meta SET value = ?1 WHERE key = 'cursor'", [cursor]).unwrap();
    assert_eq!(changed, 1);
}

/// Ada's client is stopped with messages in its outbox, its cursor is replaced, it starts again.
async fn begin_anew(world: &World, cursor: impl AsyncFn(&Setup) -> String) {
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.send_numbers(&room, 1..=3).await;
    let said = bob.send_numbers(&room, 1..=3).await;
    ada.sees(&room, &said).await;
    network.cut().await;
    let waiting = ada.send_numbers(&room, 4..=6).await;
    let missed = bob.send_numbers(&room, 4..=6).await;
    bob.sees(&room, &missed).await;
    ada.kill().await;
    network.set(Fault::None);
    store_cursor(&setup, &cursor(&world.client("bob")).await);

    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    ada.sees(&room, &waiting).await;
    ada.sees(&room, &missed).await;
    world.agree(&room, &[&ada, &bob], 13).await;
    assert_eq!(ada.stat("/bootstraps").await, 1);
    assert!(ada.view().problems.is_empty());
    // And it goes on from there.
    let more = bob.send_numbers(&room, 7..=7).await;
    ada.sees(&room, &more).await;
    ada.quit().await;
    let ada = Agent::start(&setup).await;
    ada.open(&room).await;
    world.agree(&room, &[&ada, &bob], 14).await;
    assert_eq!(ada.stat("/bootstraps").await, 0, "the new cursor is stored");
}

#[tokio::test]
async fn a_garbled_cursor_is_replaced_and_nothing_is_lost_or_shown_twice() {
    begin_anew(&World::start().await, async |_| "AWszcTd2-garbage".to_owned()).await;
}

#[tokio::test]
async fn another_users_cursor_is_replaced_and_nothing_is_lost_or_shown_twice() {
    begin_anew(&World::start().await, async |other| stored_cursor(other)).await;
}

#[tokio::test]
async fn another_servers_cursor_is_replaced_and_nothing_is_lost_or_shown_twice() {
    let elsewhere = World::start().await;
    let setup = elsewhere.client("ada");
    let ada = Agent::start(&setup).await;
    ada.create_room(&[]).await;
    ada.quit().await;
    begin_anew(&World::start().await, async |_| stored_cursor(&setup)).await;
}

#[tokio::test]
async fn an_expired_cursor_is_replaced_and_nothing_is_lost_or_shown_twice() {
    // Every cursor is too old on this server a second after it was given.
    let mut world = World::start_with(&["--ops-per-second=0"]).await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    let ids = ada.send_numbers(&room, 1..=3).await;
    ada.sees(&room, &ids).await;
    ada.quit().await;
    let dir = world.server.dir().to_owned();
    world.server.stop().await;
    world.server =
        ServerProcess::start_with(dir, &["--ops-per-second=0", "--cursor-max-age-seconds=0"]).await;
    world.lead_to_server();
    let ada = Agent::start(&setup.clone().knob("polling-interval-ms", 600_000)).await;
    ada.open(&room).await;
    ada.send_numbers(&room, 4..=4).await;
    world.agree(&room, &[&ada], 5).await;
    assert!(ada.stat("/bootstraps").await >= 1);
}

#[tokio::test]
async fn on_a_fresh_database_of_the_server_the_cache_goes_and_the_outbox_stays() {
    let mut world = World::start().await;
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&[]).await;
    let sent = ada.send_numbers(&room, 1..=3).await;
    ada.sees(&room, &sent).await;
    network.cut().await;
    let waiting = ada.send_numbers(&room, 4..=5).await;

    world.server.stop().await;
    for name in ["tidewire.db", "tidewire.db-wal", "tidewire.db-shm"] {
        match std::fs::remove_file(world.server.dir().join(name)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => other.unwrap(),
        }
    }
    world.start_server_again().await;
    network.set(Fault::None);

    // The room is gone, and with it all that was cached of it. What was never sent is still there:
    // the server says no to it, and it is the user who decides.
    ada.has_problem("send_failed").await;
    ada.until("only what was not sent is shown", |view| {
        let shown: Vec<_> = view.timeline(&room).messages().map(|m| (&m.id, &*m.state)).collect();
        shown == [(&waiting[0], "failed"), (&waiting[1], "waiting")]
    })
    .await;
    let count = |file: &str, table: &str| -> u32 {
        let database = Connection::open(setup.database().with_file_name(file)).unwrap();
        let sql = format!("SELECT count(*) FROM {table}");
        database.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("tidewire.db", "events"), count("outbox.db", "outbox")), (0, 2));
    // On the new server everything works.
    let room = ada.create_room(&[]).await;
    let ids = ada.send_numbers(&room, 1..=2).await;
    ada.sees(&room, &ids).await;
    world.agree(&room, &[&ada], 3).await;
}
