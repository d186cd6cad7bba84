//! What is wrong at the start and while servers run: the real binary says what it is and what to do, ends, or goes on as
//! `docs/operations.md` says.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tidewire_services::{Postgres, Redis};
use tidewire_tests::PATIENCE;
use tidewire_tests::agent::Agent;
use tidewire_tests::binaries::binaries;
use tidewire_tests::http;
use tidewire_tests::instances::Instances;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::world::World;
use uuid::Uuid;

fn server(args: &[&str]) -> Command {
    let mut command = Command::new(&binaries().server);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn migrate(url: &str) -> Output {
    server(&["migrate", "--postgres-url", url]).output().unwrap()
}

fn migrated(url: &str) -> String {
    let done = migrate(url);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// What a server says that does not start. It says it once, on standard error, and listens nowhere.
fn refused(folder: &Path, flags: &[&str]) -> String {
    let mut command = server(&["serve", "--listen", "127.0.0.1:0", "--data"]);
    let ended = command.arg(folder).args(flags).output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!((ended.status.code(), ended.stdout.as_slice()), (Some(1), &b""[..]), "{said}");
    said
}

fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_ends_the_start_and_says_what_to_do() {
    let Some(postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    postgres.create("tidewire");
    let url = postgres.url("tidewire");
    let says = |url: &str, what: &[&str]| {
        let said = refused(folder.path(), &["--postgres-url", url]);
        what.iter().for_each(|what| assert!(said.contains(what), "{what}: {said}"));
        assert!(!said.contains("secret-word"), "{said}");
    };
    says(&url, &["no tables", "tidewire-server migrate"]);
    migrated(&url);
    says(&postgres.url("missing"), &["refuses the connection", "check the user"]);
    says(
        "postgres://x:secret-word@127.0.0.1:1/x?sslmode=disable",
        &["cannot be reached", "start it"],
    );
    for (name, sql, what) in [
        ("newer", "UPDATE meta SET version = 99", &["version 99", "run that newer version"][..]),
        ("older", "UPDATE meta SET version = 1", &["at version 1", "tidewire-server migrate"]),
        (
            "frozen",
            "ALTER DATABASE frozen SET default_transaction_read_only = on",
            &["read-only", "give the primary"],
        ),
    ] {
        postgres.create_as(name, &["-T", "tidewire"]);
        postgres.run_sql(name, sql);
        says(&postgres.url(name), what);
    }
    let newer = migrate(&postgres.url("newer"));
    assert_eq!(newer.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&newer.stderr).contains("run that newer version"));
    postgres.stop();
    says(&url, &["cannot be reached", "start it"]);
    let down = migrate(&url);
    assert!(!down.status.success() && String::from_utf8_lossy(&down.stderr).contains("start it"));
}

#[tokio::test]
async fn a_redis_that_refuses_the_password_ends_the_start_and_one_that_is_away_does_not() {
    let Some(postgres) = Postgres::start() else { return };
    let Some(redis) = Redis::start_with(Some("right")) else { return };
    postgres.create("tidewire");
    let url = postgres.url("tidewire");
    migrated(&url);
    let folder = tempfile::tempdir().unwrap();
    let port = redis.port();
    for wrong in
        [format!("redis://:secret-word@127.0.0.1:{port}"), format!("redis://127.0.0.1:{port}")]
    {
        let said = refused(folder.path(), &["--postgres-url", &url, "--redis-url", &wrong]);
        assert!(said.contains("refuses this server") && said.contains("password"), "{said}");
        assert!(!said.contains("secret-word"), "{said}");
    }
    let said = refused(folder.path(), &["--postgres-url", &url, "--redis-url", "nonsense"]);
    assert!(said.contains("redis://:PASSWORD@HOST:6379"), "{said}");
    let right = format!("--redis-url={}", redis.url());
    redis.stop();
    let flags = ["--ops-per-second=0", &format!("--postgres-url={url}"), &right];
    let server = ServerProcess::start_with(folder.path(), &flags).await;
    assert!(server.log().contains("Redis is away"), "{}", server.log());
}

/// Each step begins with a table; somebody who is about to make one of that name holds it up.
#[tokio::test]
async fn a_migration_that_is_killed_between_two_steps_goes_on_where_it_was() {
    let Some(postgres) = Postgres::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (done, table) in ["shards", "revocations", "bans"].iter().enumerate() {
        let name = format!("killed{done}");
        postgres.create(&name);
        let url = postgres.url(&name);
        let held = postgres.hold(&name, &format!("CREATE TABLE {table}(x integer)"));
        let mut running = server(&["migrate", "--postgres-url", &url]).spawn().unwrap();
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND application_name = 'tidewire-server' AND wait_event_type = 'Lock'";
        until("it stands still", || postgres.ask(&name, waits) == "1");
        running.kill().unwrap();
        running.wait().unwrap();
        drop(held);
        let there = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
             AND application_name = 'tidewire-server'";
        until("PostgreSQL has noticed", || postgres.ask(&name, there) == "0");
        // No half of a step is there, and no server runs on what there is.
        let versions = postgres.ask(&name, "SELECT coalesce(max(version), 0) FROM meta");
        assert_eq!(versions, done.to_string(), "killed at {table}");
        let left = format!("SELECT to_regclass('{table}') IS NULL");
        assert_eq!(postgres.ask(&name, &left), "t");
        let said = refused(folder.path(), &["--postgres-url", &url]);
        assert!(said.contains("tidewire-server migrate"), "{said}");
        let told = migrated(&url);
        assert!(told.contains(&format!("from version {done} to")), "{told}");
        assert!(migrated(&url).contains("already"));
        let flags = [format!("--postgres-url={url}")];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut server = ServerProcess::start_with(folder.path().join(&name), &flags).await;
        server.stop().await;
    }
}

#[tokio::test]
async fn two_that_migrate_at_once_wait_for_each_other() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.create("twice");
    let url = postgres.url("twice");
    let held = postgres.hold("twice", "CREATE TABLE bans(x integer)");
    let both = [0, 1].map(|_| server(&["migrate", "--postgres-url", &url]).spawn().unwrap());
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
         AND application_name = 'tidewire-server' AND wait_event_type = 'Lock'";
    until("both stand still", || postgres.ask("twice", waits) == "2");
    drop(held);
    let mut told: Vec<String> = both
        .into_iter()
        .map(|one| {
            let done = one.wait_with_output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).unwrap()
        })
        .collect();
    told.sort_unstable();
    assert!(told[0].contains("already") && told[1].contains("from version 0"), "{told:?}");
}

async fn ready(world: &World) -> (u16, Value) {
    let answer = http::raw(world.server.addr(), None, "GET", "/readyz", None).await;
    let body = answer.body;
    (answer.status, body)
}

/// Waits until `/readyz` says this of its status and of one of its checks.
async fn says(world: &World, status: u16, check: &str, value: &str) -> Value {
    let begun = Instant::now();
    loop {
        let (is, body) = ready(world).await;
        if is == status && body["checks"][check] == value {
            return body;
        }
        assert!(begun.elapsed() < PATIENCE, "never {status}, {check}: {value}; now {is}: {body}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn readiness_says_what_of_the_dependencies_is_wrong_and_nothing_is_lost_meanwhile() {
    let Some(all) = Instances::start(1).await else { return };
    let ada = Agent::start(&all.world.client("ada")).await;
    let bob = Agent::start(&all.world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.send_numbers(&room, 1..=2).await;
    says(&all.world, 200, "bus", "ok").await;
    // Redis away: everything goes on, a second later from elsewhere.
    all.redis.stop();
    assert_eq!(says(&all.world, 200, "bus", "away").await["status"], "degraded");
    ada.send_numbers(&room, 3..=3).await;
    all.redis.start_again();
    assert_eq!(says(&all.world, 200, "bus", "ok").await["status"], "ready");
    // The database became read-only, as one does that is not the primary any more.
    let sql = "ALTER SYSTEM SET default_transaction_read_only = on";
    all.postgres.run_sql("tidewire", sql);
    all.postgres.run_sql("tidewire", "SELECT pg_reload_conf()");
    let body = says(&all.world, 503, "database", "not_writable").await;
    assert_eq!(body["error"]["code"], "unavailable", "{body}");
    let waiting = ada.send_numbers(&room, 4..=5).await;
    let history = format!("/v1/rooms/{room}/messages");
    assert_eq!(all.world.call("bob", "GET", &history, None).await.status, 200, "reading goes on");
    all.postgres.run_sql("tidewire", "ALTER SYSTEM RESET default_transaction_read_only");
    all.postgres.run_sql("tidewire", "SELECT pg_reload_conf()");
    says(&all.world, 200, "database", "ok").await;
    bob.sees(&room, &waiting).await;
    // Tables of an older version: somebody has restored a backup under a server that runs.
    all.postgres.run_sql("tidewire", "UPDATE meta SET version = version - 1");
    says(&all.world, 503, "database", "not_migrated").await;
    all.postgres.run_sql("tidewire", "UPDATE meta SET version = version + 1");
    says(&all.world, 200, "database", "ok").await;
    // None at all.
    all.postgres.stop();
    says(&all.world, 503, "database", "unreachable").await;
    ada.send_numbers(&room, 6..=6).await;
    all.postgres.start_again();
    says(&all.world, 200, "database", "ok").await;
    all.world.agree(&room, &[&ada, &bob], 7).await;
    let left = json!([ada.view().problems.len(), bob.view().problems.len()]);
    assert_eq!(left, json!([0, 0]));
}

/// PostgreSQL finds another clock before its own.
#[tokio::test]
async fn a_server_whose_clock_is_behind_says_so_and_serves_all_the_same() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.create("tidewire");
    migrated(&postgres.url("tidewire"));
    for sql in [
        "CREATE SCHEMA skewed",
        "CREATE FUNCTION skewed.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
             $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
        "ALTER DATABASE tidewire SET search_path = skewed, public, pg_catalog",
    ] {
        postgres.run_sql("tidewire", sql);
    }
    let folder = tempfile::tempdir().unwrap();
    let url = format!("--postgres-url={}", postgres.url("tidewire"));
    let server = ServerProcess::start_with(folder.path().join("server"), &[&url]).await;
    let world = World::around(folder, server).await;
    let log = world.server.log();
    assert!(log.contains(" s behind PostgreSQL's") && log.contains("NTP"), "{log}");
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.send_numbers(&room, 1..=3).await;
    world.agree(&room, &[&ada, &bob], 4).await;
}

/// A text of 6 KB that no compression makes smaller.
fn noise() -> String {
    (0..6_000).map(|_| fastrand::alphanumeric()).collect()
}

#[tokio::test]
async fn a_database_whose_disk_is_full_is_said_and_nothing_is_lost_meanwhile() {
    let Some(postgres) = Postgres::start_on_small_disk(160) else { return };
    postgres.create("tidewire");
    let url = format!("--postgres-url={}", postgres.url("tidewire"));
    migrated(&postgres.url("tidewire"));
    let folder = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (folder.path().join("server"), tempfile::tempdir().unwrap());
    let server = ServerProcess::start_with(&data, &["--ops-per-second=0", &url]).await;
    let world = World::around(folder, server).await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    ada.send_numbers(&room, 1..=2).await;
    says(&world, 200, "database", "ok").await;
    let body = json!({ "id": Uuid::now_v7(), "kind": "group", "name": "ballast" });
    let ballast = world.call("cy", "POST", "/v1/rooms", Some(&body)).await.ok();
    let ops = format!("/v1/rooms/{}/ops", ballast["id"].as_str().unwrap());
    postgres.fill_disk();
    // What the tables have taken already is filled first.
    let refused_at = loop {
        let op = json!({ "id": Uuid::now_v7(), "kind": "message", "content": { "text": noise() } });
        let answer = world.call("cy", "POST", &ops, Some(&json!({ "ops": [op] }))).await;
        if answer.status != 200 {
            break answer;
        }
    };
    assert_eq!(refused_at.status, 503, "{}", refused_at.body);
    let error = &refused_at.body["error"];
    assert_eq!((&error["code"], &error["temporary"]), (&json!("unavailable"), &json!(true)));
    assert!(!refused_at.body.to_string().contains("53100"), "{}", refused_at.body);
    says(&world, 503, "database", "not_writable").await;
    let log = world.server.log();
    assert!(log.contains("the disk is full: make room there"), "{log}");
    let secret = format!("--secret-file={}", data.join("secret.key").display());
    let said = refused(elsewhere.path(), &[&url, &secret]);
    assert!(said.contains("disk is full: make room there"), "{said}");
    let history = format!("/v1/rooms/{room}/messages");
    assert_eq!(world.call("bob", "GET", &history, None).await.status, 200, "reading goes on");
    let sent = ada.send_numbers(&room, 3..=12).await;
    postgres.make_room();
    says(&world, 200, "database", "ok").await;
    bob.sees(&room, &sent).await;
    world.agree(&room, &[&ada, &bob], 13).await;
    assert_eq!([ada.view().problems.len(), bob.view().problems.len()], [0, 0]);
}
