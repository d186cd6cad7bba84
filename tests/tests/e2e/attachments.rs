//! Messages with files, from an app to the object store: real processes, real networks that fail.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidewire_bench::proxy::{Fault, Proxy};
use tidewire_tests::PATIENCE;
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::disk::Disk;
use tidewire_tests::http;
use tidewire_tests::view::{Message, View};
use tidewire_tests::world::World;

const MIB: usize = 1024 * 1024;
/// What the server's own store makes parts of.
const PART: u64 = MIB as u64;

/// A file of so many bytes, no part of which is like another.
fn file(folder: &Path, name: &str, size: usize) -> PathBuf {
    let path = folder.join(name);
    let bytes: Vec<u8> = (0..size).map(|at| (at / 3 + at / 4099) as u8).collect();
    std::fs::write(&path, bytes).unwrap();
    path
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// The client's copies of files that are to be sent.
fn copies(data: &Path) -> Vec<PathBuf> {
    let files = files_in(data).into_iter();
    files.filter(|path| path.parent().is_some_and(|folder| folder.ends_with("outgoing"))).collect()
}

/// What is not needed any more goes, though nobody waits for it.
async fn gone(files: impl Fn() -> Vec<PathBuf>) {
    let begun = Instant::now();
    while !files().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "still there: {:?}", files());
        tokio::task::yield_now().await;
    }
}

async fn send(agent: &Agent, room: &str, files: &[&Path]) -> String {
    let files: Vec<Value> = files.iter().map(|path| json!({"path": path})).collect();
    let ask = json!({"cmd": "send_files", "room": room, "text": "look", "files": files});
    agent.must(ask).await["message"].as_str().unwrap().to_owned()
}

/// What the message's only file is shown with.
fn sent(message: &Message) -> u64 {
    message.json["attachments"][0]["sent"].as_u64().unwrap_or_default()
}

async fn until_sent(agent: &Agent, room: &str, id: &str, bytes: u64) {
    let far = |view: &View| {
        view.timeline(room).message(id).is_some_and(|m| m.is_sent() || sent(m) >= bytes)
    };
    agent.until("its file is on its way", far).await;
}

/// The file that a message lists is what was sent, for somebody who reads it.
async fn arrived(world: &World, agent: &Agent, room: &str, id: &str, source: &Path) {
    agent.sees(room, &[id.to_owned()]).await;
    let message = agent.message(room, id);
    let listed = &message.json["attachments"][0];
    let bytes = std::fs::read(source).unwrap();
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(listed["sha256"], sha256);
    assert_eq!(listed["size"], bytes.len());
    let path = format!("/v1/files/{}", listed["key"].as_str().unwrap());
    let access = world.call("bob", "GET", &path, None).await.ok();
    let url = access["url"].as_str().unwrap();
    let (status, got) = http::bytes(world.server.addr(), "GET", url, None).await.unwrap();
    assert!(status == 200 && got == bytes, "{status}, {} bytes", got.len());
}

struct Scene {
    world: World,
    network: std::sync::Arc<Proxy>,
    setup: Setup,
    ada: Agent,
    bob: Agent,
    room: String,
    data: PathBuf,
}

impl Scene {
    async fn begin() -> Self {
        let world = World::start_with(&["--ops-per-second=0"]).await;
        let network = world.network().await;
        let setup = world.client_over(&network, "ada");
        let ada = Agent::start(&setup).await;
        let bob = Agent::start(&world.client("bob")).await;
        let room = ada.create_room(&["bob"]).await;
        bob.open(&room).await;
        let data = world.folder().join("client-ada");
        Self { world, network, setup, ada, bob, room, data }
    }

    fn file(&self, name: &str, size: usize) -> PathBuf {
        file(self.world.folder(), name, size)
    }

    async fn refused(&self, ask: Value, error: &str) -> Value {
        let told = self.ada.ask(ask).await.unwrap_err();
        assert_eq!(told["error"], error, "{told}");
        assert_eq!(copies(&self.data), Vec::<PathBuf>::new(), "nothing is left behind");
        told
    }
}

// scenario: upload
#[tokio::test]
async fn an_upload_that_is_cut_five_times_repeats_only_the_parts_that_were_on_their_way() {
    const CUTS: u64 = 5;
    let scene = Scene::begin().await;
    let size = 20 * MIB;
    let path = scene.file("film.mp4", size);
    // So slow that a cut comes in the middle of something.
    scene.network.set(Fault::Delay(std::time::Duration::from_millis(2)));
    let before = scene.network.counters().bytes_up;
    let id = send(&scene.ada, &scene.room, &[&path]).await;
    for cut in 1..=CUTS {
        // Some way into the next part, wherever the last cut was.
        let far = before + cut * 3 * PART + PART / 3;
        scene.network.until(|counters| counters.bytes_up >= far).await;
        scene.network.cut().await;
        scene.network.set(Fault::Delay(std::time::Duration::from_millis(2)));
    }
    scene.ada.sees(&scene.room, std::slice::from_ref(&id)).await;
    let bytes = scene.network.counters().bytes_up - before;
    arrived(&scene.world, &scene.bob, &scene.room, &id, &path).await;
    // What is said of each part, and of everything else meanwhile.
    let talk = 64 * 1024;
    assert!(bytes >= size as u64);
    assert!(bytes <= size as u64 + CUTS * PART + talk, "{bytes} bytes for {size}");
    gone(|| copies(&scene.data)).await;
}

#[tokio::test]
async fn a_process_killed_in_the_middle_of_an_upload_goes_on_with_it_whatever_became_of_the_file() {
    let mut scene = Scene::begin().await;
    let path = scene.file("film.mp4", 12 * MIB);
    scene.network.set(Fault::Delay(std::time::Duration::from_millis(2)));
    let id = send(&scene.ada, &scene.room, &[&path]).await;
    let kept = path.with_extension("kept");
    std::fs::rename(&path, &kept).unwrap();
    until_sent(&scene.ada, &scene.room, &id, 4 * PART).await;
    scene.ada.kill().await;
    let before = scene.network.counters().bytes_up;
    scene.ada = Agent::start(&scene.setup).await;
    scene.ada.open(&scene.room).await;
    arrived(&scene.world, &scene.bob, &scene.room, &id, &kept).await;
    let bytes = scene.network.counters().bytes_up - before;
    assert!(bytes < 9 * PART, "{bytes} bytes, though 3 parts were there");
    scene.ada.sees(&scene.room, std::slice::from_ref(&id)).await;
    gone(|| copies(&scene.data)).await;
    let log = scene.world.log(&scene.room, "bob").await;
    assert_eq!(log.iter().filter(|event| event["kind"] == "message").count(), 1);
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_of_an_upload_has_the_file_in_the_end() {
    let mut scene = Scene::begin().await;
    let path = scene.file("film.mp4", 12 * MIB);
    scene.network.set(Fault::Delay(std::time::Duration::from_millis(2)));
    let id = send(&scene.ada, &scene.room, &[&path]).await;
    until_sent(&scene.ada, &scene.room, &id, 4 * PART).await;
    scene.world.server.kill().await;
    scene.world.start_server_again().await;
    scene.network.set(Fault::None);
    arrived(&scene.world, &scene.bob, &scene.room, &id, &path).await;
}

#[tokio::test]
async fn what_is_sent_during_an_upload_overtakes_it_unless_that_holds_its_place() {
    let scene = Scene::begin().await;
    let path = scene.file("film.mp4", 3 * MIB);
    for ordered in [false, true] {
        scene.network.set(Fault::Delay(std::time::Duration::from_millis(3)));
        let files = json!([{"path": path, "name": "a/film\u{202e}.mp4"}]);
        let ask = json!({
            "cmd": "send_files", "room": scene.room, "files": files, "ordered": ordered,
        });
        let id = scene.ada.must(ask).await["message"].as_str().unwrap().to_owned();
        let behind = scene.ada.send(&scene.room, "behind").await;
        scene.network.set(Fault::None);
        scene.bob.sees(&scene.room, &[id.clone(), behind.clone()]).await;
        let seq = |id: &str| scene.bob.message(&scene.room, id).seq.unwrap();
        assert_eq!(seq(&id) < seq(&behind), ordered);
        let message = scene.bob.message(&scene.room, &id);
        let listed = &message.json["attachments"][0];
        assert_eq!(
            (&listed["name"], &listed["content_type"]),
            (&json!("a_film_.mp4"), &json!("video/mp4"))
        );
    }
}

#[tokio::test]
async fn a_message_taken_back_in_the_middle_of_its_upload_leaves_nothing_anywhere() {
    let scene = Scene::begin().await;
    let path = scene.file("film.mp4", 12 * MIB);
    scene.network.set(Fault::Delay(std::time::Duration::from_millis(2)));
    let id = send(&scene.ada, &scene.room, &[&path]).await;
    until_sent(&scene.ada, &scene.room, &id, 2 * PART).await;
    let ask = json!({"cmd": "cancel", "room": scene.room, "message": id});
    scene.ada.must(ask).await;
    let behind = scene.ada.send(&scene.room, "behind").await;
    scene.bob.sees(&scene.room, &[behind]).await;
    let log = scene.world.log(&scene.room, "bob").await;
    assert!(log.iter().all(|event| event["id"] != id.as_str()));
    gone(|| copies(&scene.data)).await;
    let server = scene.world.server.dir().join("files");
    gone(|| files_in(&server)).await;
}

#[tokio::test]
async fn a_file_that_can_not_be_sent_is_a_typed_error_and_leaves_nothing() {
    let scene = Scene::begin().await;
    let folder = scene.world.folder();
    let ask =
        |path: &Path| json!({"cmd": "send_files", "room": scene.room, "files": [{"path": path}]});
    scene.refused(ask(&folder.join("nowhere.jpg")), "file_missing").await;
    scene.refused(ask(folder), "no_file").await;
    scene.refused(ask(&file(folder, "empty.txt", 0)), "file_empty").await;
    let large = folder.join("large.bin");
    std::fs::File::create(&large).unwrap().set_len(50 * MIB as u64 + 1).unwrap();
    let told = scene.refused(ask(&large), "file_too_large").await;
    assert!(told["message"].as_str().unwrap().contains("52428800"), "{told}");
    // One of several is enough.
    let good = file(folder, "good.txt", 100);
    let files = json!([{"path": good}, {"path": folder.join("nowhere.jpg")}]);
    let both = json!({"cmd": "send_files", "room": scene.room, "files": files});
    scene.refused(both, "file_missing").await;
    let kind = json!([{"path": good, "content_type": "no type"}]);
    let ask_kind = json!({"cmd": "send_files", "room": scene.room, "files": kind});
    scene.refused(ask_kind, "file_invalid").await;
    let many: Vec<Value> = (0..11).map(|_| json!({"path": good})).collect();
    let ask_many = json!({"cmd": "send_files", "room": scene.room, "files": many});
    scene.refused(ask_many, "invalid_op").await;
    // And the queue goes on.
    let id = send(&scene.ada, &scene.room, &[&good]).await;
    arrived(&scene.world, &scene.bob, &scene.room, &id, &good).await;
}

#[tokio::test]
async fn a_file_above_the_limit_of_this_server_is_refused_before_it_is_copied() {
    let world = World::start_with(&["--ops-per-second=0", "--max-upload-bytes=1000"]).await;
    let ada = Agent::start(&world.client("ada")).await;
    let room = ada.create_room(&[]).await;
    let files = json!([{ "path": file(world.folder(), "large.bin", 1_001) }]);
    let ask = json!({"cmd": "send_files", "room": room, "files": files});
    let told = ada.ask(ask).await.unwrap_err();
    assert_eq!(told["error"], "file_too_large", "{told}");
    assert!(told["message"].as_str().unwrap().contains("1000 bytes"), "{told}");
}

#[tokio::test]
async fn a_copy_that_somebody_deletes_fails_its_message_and_holds_nobody_for_good() {
    let scene = Scene::begin().await;
    scene.ada.ceiling("offline").await;
    let path = scene.file("film.mp4", 2 * MIB);
    let id = send(&scene.ada, &scene.room, &[&path]).await;
    for copy in copies(&scene.data) {
        std::fs::remove_file(copy).unwrap();
    }
    let behind = scene.ada.send(&scene.room, "behind").await;
    scene.ada.ceiling("real_time").await;
    let failed =
        |view: &View| view.timeline(&scene.room).message(&id).is_some_and(|m| m.state == "failed");
    scene.ada.until("it fails", failed).await;
    let why = scene.ada.must(json!({"cmd": "why", "room": scene.room, "message": id})).await;
    assert!(why.to_string().contains("send the file again"), "{why}");
    scene.ada.must(json!({"cmd": "discard", "room": scene.room, "message": id})).await;
    scene.ada.sees(&scene.room, &[behind]).await;
}

#[tokio::test]
async fn a_disk_that_fills_up_while_a_file_is_copied_is_told_and_takes_the_message_later() {
    let world = World::start().await;
    let data = world.folder().join("client-ada");
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = Disk::over(&data) else { return };
    let setup = world.client("ada").wrapped(disk.wrapper("size=8m"));
    let ada = Agent::start(&setup).await;
    let bob = Agent::start(&world.client("bob")).await;
    let room = ada.create_room(&["bob"]).await;
    bob.open(&room).await;
    let path = file(world.folder(), "film.mp4", 3 * MIB);
    let ballast = disk.fill(ada.pid());
    let ask = json!({"cmd": "send_files", "room": room, "files": [{"path": path}]});
    let told = ada.ask(ask).await.unwrap_err();
    assert_eq!((&told["error"], &told["temporary"]), (&json!("disk_full"), &json!(true)));
    assert_eq!(copies(&disk.seen_by(ada.pid())), Vec::<PathBuf>::new());
    std::fs::remove_file(ballast).unwrap();
    let id = send(&ada, &room, &[&path]).await;
    arrived(&world, &bob, &room, &id, &path).await;
}

#[tokio::test]
async fn a_logout_leaves_no_copy() {
    let scene = Scene::begin().await;
    scene.ada.ceiling("offline").await;
    let path = scene.file("film.mp4", MIB);
    send(&scene.ada, &scene.room, &[&path]).await;
    assert_eq!(copies(&scene.data).len(), 1);
    let kept = scene.ada.ask(json!({"cmd": "logout", "keep": true})).await.unwrap_err();
    assert_eq!(kept["error"], "pending_sends");
    scene.ada.must(json!({"cmd": "logout", "keep": false})).await;
    assert_eq!(files_in(&scene.data), Vec::<PathBuf>::new());
}
