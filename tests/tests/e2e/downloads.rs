//! Files as they come to a client: whole and checked whatever the network does, once for all who want them, and
//! kept while there is room.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidewire_bench::proxy::Fault;
use tidewire_tests::agent::{Agent, Setup};
use tidewire_tests::disk::Disk;
use tidewire_tests::http;
use tidewire_tests::view::View;
use tidewire_tests::world::World;
use uuid::Uuid;

const MIB: usize = 1024 * 1024;

fn bytes(count: usize, seed: u8) -> Vec<u8> {
    (0..count).map(|place| (place / 3 + place / 4099) as u8 ^ seed).collect()
}

/// Bob uploads a file and sends it to Ada. Gives what the message says of it.
async fn sent(world: &World, file: &[u8]) -> Value {
    let sha256: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut attachment = json!({
        "id": Uuid::now_v7(), "name": "../../a secret name.bin", "content_type": "a/b",
        "size": file.len(), "sha256": sha256,
    });
    attachment["name"] = "a secret name.bin".into();
    let told = world.call("bob", "POST", "/v1/uploads", Some(&attachment)).await.ok();
    let size = told["part_size"].as_u64().unwrap() as usize;
    for part in told["parts"].as_array().unwrap() {
        let from = (part["number"].as_u64().unwrap() as usize - 1) * size;
        let bytes = &file[from..file.len().min(from + size)];
        let url = part["url"].as_str().unwrap();
        let put = http::bytes(world.server.addr(), "PUT", url, Some(bytes)).await.unwrap();
        assert_eq!(put.0, 200);
    }
    let path = format!("/v1/uploads/{}/complete", attachment["id"].as_str().unwrap());
    let done = world.call("bob", "POST", &path, None).await.ok();
    attachment["key"] = done["key"].clone();
    let room = json!({"id": Uuid::now_v7(), "kind": "direct", "members": ["ada"]});
    let room = world.call("bob", "POST", "/v1/rooms", Some(&room)).await.ok();
    let message = json!({"id": Uuid::now_v7(), "kind": "message", "content": {
        "text": "", "attachments": [attachment],
    }});
    let path = format!("/v1/rooms/{}/ops", room["id"].as_str().unwrap());
    let sent = world.call("bob", "POST", &path, Some(&json!({"ops": [message]}))).await.ok();
    assert_eq!(sent["results"][0]["outcome"], "accepted", "{sent}");
    attachment
}

fn key(file: &Value) -> &str {
    file["key"].as_str().unwrap()
}

/// How the last download of a file ended.
fn ended<'a>(view: &'a View, file: &Value, times: usize) -> Option<&'a Value> {
    let of = |line: &&Value| line["event"] == "downloaded" && line["file"] == file["key"];
    view.lines.iter().filter(of).nth(times - 1)
}

/// How far a file was told to be, in order.
fn progress(view: &View, file: &Value) -> Vec<u64> {
    let of = |line: &&Value| line["event"] == "download" && line["file"] == file["key"];
    view.lines.iter().filter(of).map(|line| line["bytes"].as_u64().unwrap()).collect()
}

async fn wants(agent: &Agent, file: &Value) {
    agent.must(json!({"cmd": "download", "file": file})).await;
}

/// Waits until a download has ended well for the `times`th time, and looks at the file.
async fn has(agent: &Agent, file: &Value, whole: &[u8], times: usize) -> PathBuf {
    agent.until("the file is here", |view| ended(view, file, times).is_some()).await;
    let line = ended(&agent.view(), file, times).cloned().unwrap();
    let path = line["path"].as_str().unwrap_or_else(|| panic!("{line}\n{}", agent.view().tail()));
    assert!(std::fs::read(path).unwrap() == whole, "it is another file");
    assert!(path.ends_with(key(file)) && !path.contains("secret name"), "{path}");
    path.into()
}

async fn fails(agent: &Agent, file: &Value, error: &str) {
    agent.until("the download fails", |view| ended(view, file, 1).is_some()).await;
    let line = ended(&agent.view(), file, 1).cloned().unwrap();
    assert_eq!(line["error"]["error"], error, "{line}");
}

async fn report(agent: &Agent, field: &str) -> u64 {
    let report = agent.must(json!({"cmd": "cache_report"})).await;
    report["downloads"][field].as_u64().unwrap_or_else(|| panic!("{report}"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// What lies in a client's folders of files.
fn kept(setup: &Setup) -> Vec<PathBuf> {
    let data = setup.data.as_deref().unwrap();
    let accounts = std::fs::read_dir(data).unwrap();
    accounts.flat_map(|account| files_below(&account.unwrap().path().join("files"))).collect()
}

// scenario: download
#[tokio::test]
async fn a_file_comes_through_cuts_and_no_byte_of_it_comes_twice() {
    let world = World::start().await;
    let whole = bytes(20 * MIB, 1);
    let file = sent(&world, &whole).await;
    let network = world.network().await;
    let ada = Agent::start(&world.client_over(&network, "ada")).await;
    ada.in_mode("real_time").await;
    network.set(Fault::Delay(Duration::from_millis(1)));
    wants(&ada, &file).await;
    for quarter in 1..=3 {
        let far = (quarter * 5 * MIB) as u64;
        let reached = |view: &View| progress(view, &file).last().is_some_and(|at| *at >= far);
        ada.until("a quarter more is here", reached).await;
        network.cut().await;
        network.set(Fault::Delay(Duration::from_millis(1)));
    }
    network.set(Fault::None);
    has(&ada, &file, &whole, 1).await;
    assert_eq!(report(&ada, "received").await, whole.len() as u64);
    let told = progress(&ada.view(), &file);
    assert!(told.is_sorted(), "nothing was thrown away: {told:?}");
}

// scenario: download
#[tokio::test]
async fn two_who_want_a_file_share_one_download_and_the_next_one_needs_no_network() {
    let world = World::start().await;
    let whole = bytes(3 * MIB, 2);
    let file = sent(&world, &whole).await;
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    network.set(Fault::Delay(Duration::from_millis(1)));
    wants(&ada, &file).await;
    wants(&ada, &file).await;
    let path = has(&ada, &file, &whole, 1).await;
    assert_eq!(has(&ada, &file, &whole, 2).await, path);
    assert_eq!(report(&ada, "received").await, whole.len() as u64);
    ada.quit().await;

    network.cut().await;
    let ada = Agent::start(&setup).await;
    wants(&ada, &file).await;
    assert_eq!(has(&ada, &file, &whole, 1).await, path);
    assert_eq!((report(&ada, "from_disk").await, report(&ada, "received").await), (1, 0));
    // A logout takes the files along.
    ada.must(json!({"cmd": "logout", "keep": false})).await;
    assert_eq!(kept(&setup), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_client_that_is_killed_in_the_middle_of_a_file_goes_on_from_there() {
    let world = World::start().await;
    let whole = bytes(10 * MIB, 3);
    let file = sent(&world, &whole).await;
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    network.set(Fault::Delay(Duration::from_millis(1)));
    wants(&ada, &file).await;
    let far = 4 * MIB as u64;
    ada.until("some of it is here", |view| progress(view, &file).iter().any(|at| *at >= far)).await;
    ada.kill().await;
    assert!(kept(&setup).iter().all(|path| path.parent().unwrap().ends_with("parts")));
    network.set(Fault::None);
    let ada = Agent::start(&setup).await;
    wants(&ada, &file).await;
    has(&ada, &file, &whole, 1).await;
    let received = report(&ada, "received").await;
    assert!(received <= whole.len() as u64 - far, "{received} bytes came again");
}

#[tokio::test]
async fn no_more_is_kept_than_may_be_and_nothing_goes_that_is_held() {
    let world = World::start().await;
    let setup = world.client("ada").knob("file-cache-bytes", 2_500_000);
    let ada = Agent::start(&setup).await;
    let mut files = Vec::new();
    for seed in 0..6 {
        let whole = bytes(MIB, seed);
        let file = sent(&world, &whole).await;
        wants(&ada, &file).await;
        let path = has(&ada, &file, &whole, 1).await;
        if seed > 0 {
            ada.must(json!({"cmd": "release_file", "file": file["key"]})).await;
        }
        files.push((file, path));
        assert!(report(&ada, "bytes").await <= 2_500_000);
    }
    let there: Vec<bool> = files.iter().map(|(_, path)| path.exists()).collect();
    assert_eq!(there, [true, false, false, false, false, true]);
    let large = json!({
        "id": Uuid::now_v7(), "key": "0123456789abcdef", "name": "a", "content_type": "a/b",
        "size": 2_500_001, "sha256": files[0].0["sha256"],
    });
    wants(&ada, &large).await;
    fails(&ada, &large, "file_too_large").await;
}

#[tokio::test]
async fn a_suspended_client_holds_no_file_open_and_goes_on_when_it_wakes() {
    let world = World::start().await;
    let whole = bytes(10 * MIB, 4);
    let file = sent(&world, &whole).await;
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    network.set(Fault::Delay(Duration::from_millis(1)));
    wants(&ada, &file).await;
    let far = 3 * MIB as u64;
    ada.until("some of it is here", |view| progress(view, &file).iter().any(|at| *at >= far)).await;
    ada.must(json!({"cmd": "set_app_state", "state": "suspended"})).await;
    let data = setup.data.clone().unwrap();
    let open = std::fs::read_dir(format!("/proc/{}/fd", ada.pid())).unwrap();
    let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let open: Vec<PathBuf> = links.filter(|path| path.starts_with(&data)).collect();
    assert_eq!(open, Vec::<PathBuf>::new());
    let before = network.counters().bytes_down;
    ada.must(json!({"cmd": "set_app_state", "state": "background"})).await;
    network.set(Fault::None);
    has(&ada, &file, &whole, 1).await;
    let again = network.counters().bytes_down - before;
    assert!(again < (whole.len() as u64 - far) + MIB as u64, "{again} bytes after waking");
}

#[tokio::test]
async fn a_file_that_is_gone_is_told_as_gone() {
    let world = World::start().await;
    let ada = Agent::start(&world.client("ada")).await;
    let file = json!({
        "id": Uuid::now_v7(), "key": "0123456789abcdef0123456789abcdef", "name": "a",
        "content_type": "a/b", "size": 5, "sha256": "00".repeat(32),
    });
    wants(&ada, &file).await;
    fails(&ada, &file, "unknown_file").await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_with_room_the_download_goes_on() {
    let world = World::start().await;
    let whole = bytes(6 * MIB, 5);
    let file = sent(&world, &whole).await;
    let setup = world.client("ada");
    let data = setup.data.clone().unwrap();
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = Disk::over(&data) else { return };
    let ada = Agent::start(&setup.wrapped(disk.wrapper("size=12m"))).await;
    ada.in_mode("real_time").await;
    let ballast = disk.fill(ada.pid());
    wants(&ada, &file).await;
    fails(&ada, &file, "disk_full").await;
    std::fs::remove_file(ballast).unwrap();
    wants(&ada, &file).await;
    ada.until("the file is here", |view| ended(view, &file, 2).is_some()).await;
    let line = ended(&ada.view(), &file, 2).cloned().unwrap();
    let seen = line["path"].as_str().unwrap_or_else(|| panic!("{line}"));
    let inside = Path::new(seen).strip_prefix(&data).unwrap();
    assert!(std::fs::read(disk.seen_by(ada.pid()).join(inside)).unwrap() == whole);
}

/// Somebody who gives files by their keys alone, as told.
#[derive(Clone, Default)]
struct Cdn {
    answers: Arc<Mutex<VecDeque<Response>>>,
    asked: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Cdn {
    /// Starts one. Gives its base address.
    async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap());
        let app = axum::Router::new().fallback(Self::answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        base
    }

    async fn answer(State(cdn): State<Self>, request: Request) -> Response {
        cdn.asked.lock().unwrap().push(request.headers().clone());
        let next = cdn.answers.lock().unwrap().pop_front();
        next.unwrap_or_else(|| StatusCode::SERVICE_UNAVAILABLE.into_response())
    }

    fn will(&self, answer: impl IntoResponse) {
        self.answers.lock().unwrap().push_back(answer.into_response());
    }

    fn asked(&self) -> Vec<HeaderMap> {
        self.asked.lock().unwrap().clone()
    }
}

/// A world whose server gives files by the address of a content network.
async fn with_cdn() -> (World, Cdn) {
    let cdn = Cdn::default();
    let flag = format!("--cdn-url={}", cdn.start().await);
    (World::start_with(&["--ops-per-second=0", &flag]).await, cdn)
}

#[tokio::test]
async fn an_address_gets_no_token_is_not_followed_elsewhere_and_has_to_give_the_file_itself() {
    let (world, cdn) = with_cdn().await;
    let whole = bytes(3_000, 6);
    let file = sent(&world, &whole).await;
    let elsewhere = Cdn::default();
    let trap = elsewhere.start().await;
    elsewhere.will(whole.clone());
    cdn.will((StatusCode::FOUND, [(header::LOCATION, trap)]));
    cdn.will((StatusCode::FORBIDDEN, "<p>Please pay.</p>"));
    cdn.will("<p>Please accept our terms.</p>");
    cdn.will(([(header::CONTENT_ENCODING, "gzip")], whole.clone()));
    cdn.will(StatusCode::NOT_FOUND);
    cdn.will([whole.as_slice(), b"and more"].concat());
    cdn.will(whole.clone());
    let ada = Agent::start(&world.client("ada")).await;
    wants(&ada, &file).await;
    has(&ada, &file, &whole, 1).await;
    assert_eq!(elsewhere.asked().len(), 0, "no redirect is followed");
    let asked = cdn.asked();
    assert_eq!(asked.len(), 7);
    for headers in asked {
        assert!(!headers.contains_key(header::AUTHORIZATION), "{headers:?}");
        assert!(!headers.contains_key(header::COOKIE), "{headers:?}");
        assert_eq!(headers[header::ACCEPT_ENCODING], "identity");
    }
    assert_eq!(ada.view().problems, Vec::<Value>::new());
}

#[tokio::test]
async fn a_part_of_a_file_is_held_against_what_was_asked_for() {
    let (world, cdn) = with_cdn().await;
    let whole = bytes(3 * MIB, 7);
    let file = sent(&world, &whole).await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    ada.in_mode("real_time").await;
    // It has one more byte than a third when it breaks off.
    let part = MIB + 1;
    let broken = |from: usize| {
        let pieces = [Ok(whole[from..part].to_vec()), Err(std::io::Error::other("cut"))];
        axum::body::Body::from_stream(futures::stream::iter(pieces))
    };
    cdn.will(([(header::CONTENT_LENGTH, whole.len().to_string())], broken(0)));
    let range = |from: usize| format!("bytes {from}-{}/{}", whole.len() - 1, whole.len());
    let partial = |from: usize, told: usize| {
        let headers = [(header::CONTENT_RANGE, range(told))];
        (StatusCode::PARTIAL_CONTENT, headers, whole[from..].to_vec())
    };
    // Another place of the file than was asked for.
    cdn.will(partial(0, 0));
    // It knows no ranges, and gives all of it.
    cdn.will(whole.clone());
    wants(&ada, &file).await;
    has(&ada, &file, &whole, 1).await;
    let asked = cdn.asked();
    assert_eq!(asked[0].get(header::RANGE), None);
    for headers in &asked[1..] {
        assert_eq!(headers[header::RANGE], format!("bytes={part}-"));
    }
    assert_eq!(asked.len(), 3);
}

#[tokio::test]
async fn a_file_that_is_another_one_is_got_twice_at_most_and_leaves_nothing() {
    let (world, cdn) = with_cdn().await;
    let whole = bytes(3_000, 8);
    let file = sent(&world, &whole).await;
    let setup = world.client("ada");
    let ada = Agent::start(&setup).await;
    for _ in 0..2 {
        cdn.will(bytes(3_000, 9));
    }
    wants(&ada, &file).await;
    fails(&ada, &file, "file_damaged").await;
    assert_eq!(cdn.asked().len(), 2);
    assert_eq!(report(&ada, "bytes").await, 0);
    assert_eq!(kept(&setup), Vec::<PathBuf>::new());
    // Once it is well again, so is the next wish.
    cdn.will(whole.clone());
    wants(&ada, &file).await;
    has(&ada, &file, &whole, 2).await;
}

#[tokio::test]
async fn whoever_has_sent_a_file_need_not_fetch_it() {
    let world = World::start().await;
    let network = world.network().await;
    let setup = world.client_over(&network, "ada");
    let ada = Agent::start(&setup).await;
    let room = ada.create_room(&["bob"]).await;
    let whole = bytes(2 * MIB, 10);
    let source = world.folder().join("a secret name.bin");
    std::fs::write(&source, &whole).unwrap();
    let ask = json!({"cmd": "send_files", "room": room, "files": [{"path": source}]});
    let id = ada.must(ask).await["message"].as_str().unwrap().to_owned();
    ada.sees(&room, std::slice::from_ref(&id)).await;
    let file = ada.message(&room, &id).json["content"]["attachments"][0].clone();
    network.cut().await;
    wants(&ada, &file).await;
    has(&ada, &file, &whole, 1).await;
    assert_eq!((report(&ada, "from_disk").await, report(&ada, "received").await), (1, 0));
    assert_eq!(kept(&setup).len(), 1, "the copy has moved");
}
