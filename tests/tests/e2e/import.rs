//! From one server's own SQLite to PostgreSQL: everything is there, and whoever was in the middle of something goes on.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use rusqlite::Connection;
use serde_json::{Value, json};
use tidewire_services::Postgres;
use tidewire_tests::PATIENCE;
use tidewire_tests::agent::Agent;
use tidewire_tests::binaries::binaries;
use tidewire_tests::http;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::world::World;
use uuid::Uuid;

const FLAGS: &str = "--ops-per-second=0";

fn command(folder: &Path, url: &str) -> Command {
    let mut command = Command::new(&binaries().server);
    command.args(["import", "--postgres-url", url, "--data"]).arg(folder);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn import(folder: &Path, url: &str) -> Output {
    command(folder, url).output().expect("the server's binary runs")
}

/// What it says of rows that it has brought over.
fn imported(folder: &Path, url: &str) -> String {
    let done = import(folder, url);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Why it brings nothing over.
fn refused(folder: &Path, url: &str) -> String {
    let done = import(folder, url);
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stdout));
    String::from_utf8(done.stderr).unwrap()
}

async fn serve(folder: &Path, url: &str) -> ServerProcess {
    ServerProcess::start_with(folder, &[FLAGS, &format!("--postgres-url={url}")]).await
}

fn message(text: &str) -> Value {
    json!({"id": Uuid::now_v7(), "kind": "message", "content": {"text": text}})
}

fn change(kind: &str, target: &Value, mut content: Value) -> Value {
    content["target"] = target["id"].clone();
    json!({"id": Uuid::now_v7(), "kind": kind, "content": content})
}

async fn send(world: &World, user: &str, room: &str, ops: &[&Value]) -> Value {
    let path = format!("/v1/rooms/{room}/ops");
    let sent = world.call(user, "POST", &path, Some(&json!({"ops": ops}))).await.ok();
    for result in sent["results"].as_array().unwrap() {
        assert_eq!(result["outcome"], "accepted", "{sent}");
    }
    sent
}

async fn create(world: &World, kind: &str, name: Option<&str>, members: &[&str]) -> String {
    let id = Uuid::now_v7().to_string();
    let mut room = json!({"id": id, "kind": kind, "members": members});
    if let Some(name) = name {
        room["name"] = name.into();
    }
    world.call("ada", "POST", "/v1/rooms", Some(&room)).await.ok();
    id
}

/// A server on which everything has happened that a store can keep. Gives its rooms, and operations that were answered.
async fn eventful(world: &World) -> (Vec<String>, Vec<Value>) {
    let members = ["bob", "cyd", "dan", "moe"];
    let group = create(world, "group", Some("Tab\there, \\N and a \"quote\" 👋"), &members).await;
    let mut rooms = vec![group.clone(), create(world, "direct", None, &["bob"]).await];
    // Rooms enough for every shard.
    for n in 0..40 {
        rooms.push(create(world, "group", None, &["bob"]).await);
        send(world, "bob", &rooms[n + 2], &[&message(&format!("hello {n}"))]).await;
    }
    let lines = message("Grüße\nin\ttwo \\. lines\r\u{0}");
    let calls = json!({"id": Uuid::now_v7(), "kind": "message", "content": {
        "text": "@bob look", "mentions": ["bob"], "metadata": {"order": 7, "none": null},
    }});
    let (edited, deleted) = (message("harbour before"), message("never said"));
    let odd = json!({"id": Uuid::now_v7(), "kind": "custom.odd", "content": {"n": 1.5e300, "z": "\u{0}"}});
    let ops = [&lines, &calls, &edited, &deleted, &odd];
    send(world, "ada", &group, &ops).await;
    let reply = json!({"id": Uuid::now_v7(), "kind": "message", "content": {
        "text": "in the thread", "thread": lines["id"], "reply_to": lines["id"],
    }});
    let edit = change("edit", &edited, json!({"content": {"text": "lighthouse after"}}));
    let gone = change("delete", &deleted, json!({}));
    send(world, "ada", &group, &[&edit, &gone]).await;
    let (boat, heart) = (json!({"key": "⛵"}), json!({"key": "❤"}));
    let kept = change("reaction", &lines, boat.clone());
    let taken = change("reaction", &lines, heart.clone());
    let back = change("reaction", &lines, json!({"key": "❤", "removed": true}));
    send(world, "bob", &group, &[&reply, &kept, &taken, &back]).await;
    send(world, "cyd", &group, &[&change("reaction", &lines, boat)]).await;
    let of = |path: &str| format!("/v1/rooms/{group}/{path}");
    let put = async |user: &str, path: String, body: Value| {
        world.call(user, "PUT", &path, Some(&body)).await.ok();
    };
    put("ada", of("members/moe"), json!({"role": "moderator"})).await;
    put("bob", of("settings"), json!({"muted": true, "pinned": true})).await;
    put("moe", of("bans/dan"), json!({"reason": "spam"})).await;
    put("moe", of("mutes/bob"), json!({"reason": "loud"})).await;
    put("moe", of("slow_mode"), json!({"interval_ms": 1_000})).await;
    put("moe", "/v1/blocks/eve".into(), json!({})).await;
    let report = json!({
        "id": Uuid::now_v7(), "room": group, "event": lines["id"], "reason": "abuse", "note": "rude\tand \\ loud",
    });
    let taken = world.call("bob", "POST", "/v1/reports", Some(&report)).await.ok();
    let report = json!({"id": Uuid::now_v7(), "room": group, "user": "ada", "reason": "spam"});
    world.call("bob", "POST", "/v1/reports", Some(&report)).await.ok();
    let resolve = format!("/v1/reports/{}/resolve", taken["id"].as_str().unwrap());
    world.call("moe", "POST", &resolve, None).await.ok();
    put("ada", "/v1/profile".into(), json!({"name": "Ada L."})).await;
    world.call("cyd", "DELETE", &of("members/cyd"), None).await.ok();
    let boot = world.call("bob", "GET", "/v1/bootstrap", None).await.ok();
    let receipts = json!([{"room": group, "delivered": 6, "read": 3}]);
    let sync = json!({
        "cursor": boot["cursor"], "limit": 50, "wait_ms": 0, "app_state": "foreground",
        "heartbeat_ms": 30_000, "receipts": receipts,
    });
    world.call("bob", "POST", "/v1/sync", Some(&sync)).await.ok();
    (rooms, vec![lines, calls, edited, deleted, odd])
}

/// Whatever a server can be asked for, by everybody, without the tokens of pages and what only the present moment knows.
async fn asked(world: &World, rooms: &[String]) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for user in ["ada", "bob", "cyd", "dan", "moe", "nobody"] {
        let mut paths: Vec<String> = [
            "/v1/search?q=hello",
            "/v1/search?q=lighthouse",
            "/v1/search?q=harbour",
            "/v1/search?q=gr%C3%BCsse",
            "/v1/blocks",
        ]
        .map(Into::into)
        .to_vec();
        for room in rooms {
            for end in [
                "",
                "/members",
                "/receipts?seq=2",
                "/bans",
                "/mutes",
                "/reports?all=true",
                "/messages?after=0&limit=200",
            ] {
                paths.push(format!("/v1/rooms/{room}{end}"));
            }
        }
        for path in paths {
            let answer = world.call(user, "GET", &path, None).await;
            let mut body = answer.body;
            if path.starts_with("/v1/search") {
                body.as_object_mut().unwrap().remove("next");
            }
            all.push((format!("{user} {path}"), json!([answer.status, body])));
        }
        let boot = world.call(user, "GET", "/v1/bootstrap", None).await.ok();
        let ids = |list: &Value| -> Vec<Value> {
            list.as_array().into_iter().flatten().map(|room| room["id"].clone()).collect()
        };
        all.push((format!("{user}'s first rooms"), ids(&boot["rooms"]).into()));
        let batch = json!({"users": ["ada", "bob"]});
        let profiles = world.call(user, "POST", "/v1/profiles:batch", Some(&batch)).await.ok();
        all.push((format!("profiles for {user}"), profiles));
    }
    all
}

#[tokio::test]
async fn after_an_import_everybody_is_answered_as_before() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.create("tidewire");
    let url = postgres.url("tidewire");
    let mut world = World::start().await;
    let (rooms, ops) = eventful(&world).await;
    let sent = send(&world, "ada", &rooms[0], &ops.iter().collect::<Vec<_>>()).await;
    let revoked = world.server.token("eve");
    let before = asked(&world, &rooms).await;
    let old = world.call("bob", "GET", "/v1/bootstrap", None).await.ok();
    let folder = world.server.dir().to_owned();
    world.server.stop().await;
    let revoke = Command::new(&binaries().server)
        .args(["revoke", "--user=eve", "--data"])
        .arg(&folder)
        .status();
    assert!(revoke.unwrap().success());
    let told = imported(&folder, &url);
    assert!(
        told.contains("rooms: 42") && told.contains("start servers with --postgres-url"),
        "{told}"
    );

    world.server = serve(&folder, &url).await;
    world.lead_to_server();
    for ((what, was), (_, is)) in before.iter().zip(asked(&world, &rooms).await) {
        assert_eq!(*was, is, "{what}");
    }
    // What was answered once is answered so again, and nothing is written.
    assert_eq!(send(&world, "ada", &rooms[0], &ops.iter().collect::<Vec<_>>()).await, sent);
    // Nor is the next report taken for one of then.
    let report = json!({"id": Uuid::now_v7(), "room": rooms[0], "user": "bob", "reason": "other"});
    world.call("ada", "POST", "/v1/reports", Some(&report)).await.ok();
    // Nobody goes on from a place in the old log.
    let sync = json!({
        "cursor": old["cursor"], "limit": 50, "wait_ms": 0, "app_state": "foreground", "heartbeat_ms": 30_000,
    });
    world.call("bob", "POST", "/v1/sync", Some(&sync)).await.refusal(410, "cursor_expired");
    let eve = http::call(world.server.addr(), &revoked, "GET", "/v1/bootstrap", None).await;
    eve.refusal(401, "token_invalid");
    // The log goes on where it ended, in rooms of then and of now.
    for room in &rooms {
        send(&world, "ada", room, &[&message("after all that")]).await;
    }
    let new = create(&world, "group", None, &["bob"]).await;
    send(&world, "bob", &new, &[&message("a new room")]).await;
    let found = world.call("ada", "GET", "/v1/search?q=after%20that&limit=50", None).await.ok();
    assert_eq!(found["messages"].as_array().unwrap().len(), rooms.len());
}

#[tokio::test]
async fn a_conversation_moves_to_postgres_while_its_clients_live() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.create("tidewire");
    let url = postgres.url("tidewire");
    let mut world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let bob = Agent::start(&world.client("bob")).await;
    let cyd = Agent::start(&world.client("cyd")).await;
    let room = ada.create_room(&["bob", "cyd"]).await;
    for agent in [&bob, &cyd] {
        agent.open(&room).await;
    }
    cyd.must(json!({"cmd": "open_room_list", "list": "all"})).await;
    cyd.ceiling("polling").await;
    let path = world.folder().join("picture");
    std::fs::write(&path, vec![7; 1_500_000]).unwrap();
    let files = json!([{"path": path}]);
    let ask = json!({"cmd": "send_files", "room": room, "text": "look", "files": files});
    let picture = ada.must(ask).await["message"].as_str().unwrap().to_owned();
    bob.sees(&room, &[picture]).await;
    for agent in [&ada, &bob, &cyd] {
        agent.send_numbers(&room, 1..=3).await;
    }
    world.agree(&room, &[&ada, &bob, &cyd], 11).await;
    cyd.must(json!({"cmd": "mark_read", "room": room, "seq": 4})).await;
    // No wait: some are on their way when the server dies, and some are said while there is none.
    for agent in [&ada, &bob, &cyd] {
        agent.send_numbers(&room, 4..=6).await;
    }
    world.server.kill().await;
    for agent in [&ada, &bob, &cyd] {
        agent.send_numbers(&room, 7..=8).await;
    }
    let folder = world.server.dir().to_owned();
    imported(&folder, &url);
    world.server = serve(&folder, &url).await;
    world.lead_to_server();
    for agent in [&ada, &bob, &cyd] {
        agent.send_numbers(&room, 9..=10).await;
    }
    let log = world.shown(&room, &[&ada, &bob, &cyd], 32).await;

    // What was not read is what was not read, at the server and at the client.
    let state = world.call("cyd", "GET", &format!("/v1/rooms/{room}"), None).await.ok();
    let read = state["receipts"].as_array().unwrap().iter().find(|r| r["user"] == "cyd").unwrap();
    let unread = log
        .iter()
        .filter(|event| event["seq"].as_u64() > read["read"].as_u64() && event["sender"] != "cyd");
    assert_eq!(state["unread_base"]["unread"], unread.count());
    let exactly = json!({"messages": state["unread_base"]["unread"], "mentions": 0, "exact": true});
    let told = |row: Option<&Value>| row.is_some_and(|row| row["unread"] == exactly);
    cyd.until("the same is unread", |view| told(view.listed("all", &room))).await;
    // What was said is found, and the file is there.
    let search = json!({"cmd": "search", "text": "bob 2", "everywhere": true});
    let found = bob.must(search).await;
    assert_eq!(found["hits"][0]["message"]["sender"], "bob", "{found}");
    let key = log[1]["content"]["attachments"][0]["key"].as_str().unwrap();
    let access = world.call("bob", "GET", &format!("/v1/files/{key}"), None).await.ok();
    let url = access["url"].as_str().unwrap();
    let (status, bytes) = http::bytes(world.server.addr(), "GET", url, None).await.unwrap();
    assert!(status == 200 && bytes == vec![7; 1_500_000], "{status}, {} bytes", bytes.len());
    assert!(ada.view().problems.is_empty() && ada.stat("/bootstraps").await <= 2);
}

/// A folder with one room, whose server has stopped.
async fn stopped(parent: &Path) -> std::path::PathBuf {
    let mut world = World::start().await;
    let room = create(&world, "group", None, &["bob"]).await;
    send(&world, "ada", &room, &[&message("hello")]).await;
    world.server.stop().await;
    let folder = parent.join("server");
    std::fs::rename(world.server.dir(), &folder).unwrap();
    folder
}

#[tokio::test]
async fn an_import_that_is_killed_leaves_nothing_and_the_next_one_brings_all() {
    let Some(postgres) = Postgres::start() else { return };
    let parent = tempfile::tempdir().unwrap();
    let folder = stopped(parent.path()).await;
    for (n, table) in ["rooms", "events", "search", "bans", "shards", "meta"].iter().enumerate() {
        let name = format!("killed{n}");
        postgres.create(&name);
        let url = postgres.url(&name);
        let migrated =
            Command::new(&binaries().server).args(["migrate", "--postgres-url", &url]).output();
        assert!(migrated.unwrap().status.success());
        // Stands still where this table is to be written.
        let lock = postgres.hold(&name, &format!("LOCK TABLE {table} IN SHARE MODE"));
        let mut running = command(&folder, &url).spawn().unwrap();
        let waits = format!(
            "SELECT count(*) FROM pg_locks WHERE relation = '{table}'::regclass AND NOT granted"
        );
        until("it stands still", || postgres.ask(&name, &waits) == "1");
        running.kill().unwrap();
        running.wait().unwrap();
        drop(lock);
        let left = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        until("PostgreSQL has noticed", || postgres.ask(&name, left) == "0");
        assert_eq!(postgres.ask(&name, "SELECT count(*) FROM rooms"), "0", "killed at {table}");
        let told = imported(&folder, &url);
        assert!(told.contains("rooms: 1") && told.contains("events: 2"), "{told}");
    }
}

fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
    }
}

#[tokio::test]
async fn what_keeps_an_import_from_beginning_is_said_and_changes_nothing() {
    let Some(postgres) = Postgres::start() else { return };
    let parent = tempfile::tempdir().unwrap();
    let folder = stopped(parent.path()).await;
    postgres.create("tidewire");
    let url = postgres.url("tidewire");
    let said = refused(&parent.path().join("elsewhere"), &url);
    assert!(said.contains("there is no tidewire.db") && said.contains("--data"), "{said}");
    let wrong = parent.path().join("wrong.key");
    let with = command(&folder, &url).arg("--secret-file").arg(&wrong).output().unwrap();
    let told = String::from_utf8_lossy(&with.stderr);
    assert!(!with.status.success() && told.contains("there is no secret file"), "{told}");
    assert!(!wrong.exists(), "a secret that nobody knows");
    let said = refused(&folder, &postgres.url("missing"));
    assert!(said.contains("check the user, the password and the database"), "{said}");
    let server = ServerProcess::start(&folder).await;
    let said = refused(&folder, &url);
    assert!(said.contains("another tidewire-server runs on the data folder"), "{said}");
    drop(server);
    imported(&folder, &url);
    let said = refused(&folder, &url);
    assert!(said.contains("not empty") && said.contains("createdb"), "{said}");
    // A server on the empty database would not notice.
    postgres.create("served");
    let served = postgres.url("served");
    assert!(
        Command::new(&binaries().server)
            .args(["migrate", "--postgres-url", &served])
            .output()
            .unwrap()
            .status
            .success()
    );
    let other = serve(&parent.path().join("other"), &served).await;
    let said = refused(&folder, &served);
    assert!(said.contains("runs on the database") && said.contains("stop it first"), "{said}");
    drop(other);
    for (version, what) in [(99, "run that newer version"), (1, "tidewire-server migrate")] {
        let name = format!("version{version}");
        postgres.create_as(&name, &["-T", "tidewire"]);
        postgres.run_sql(&name, &format!("UPDATE meta SET version = {version}"));
        let said = refused(&folder, &postgres.url(&name));
        assert!(said.contains(what), "{said}");
    }
    let database = Connection::open(folder.join("tidewire.db")).unwrap();
    let known: i64 = database.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    database.pragma_update(None, "user_version", 999).unwrap();
    postgres.create("fresh");
    let said = refused(&folder, &postgres.url("fresh"));
    assert!(said.contains("was written by a newer version"), "{said}");
    // A log with a hole is damaged: nothing of it is brought over.
    database.pragma_update(None, "user_version", known).unwrap();
    database.execute("DELETE FROM events WHERE seq = 1", []).unwrap();
    drop(database);
    let said = refused(&folder, &postgres.url("fresh"));
    assert!(said.contains("holes") && said.contains("was undone"), "{said}");
    assert_eq!(postgres.ask("fresh", "SELECT count(*) FROM rooms"), "0");
}
