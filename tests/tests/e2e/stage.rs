//! The stage on which tests in other languages play: that it does what it is told.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidewire_tests::PATIENCE;
use tidewire_tests::http::{Answer, call, raw, try_raw};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

struct Stage {
    child: Child,
    control: SocketAddr,
    server: SocketAddr,
}

impl Stage {
    /// Starts one that has its folder in this one.
    async fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_stage"))
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        Self { child, control: addr(&line["control"]), server: addr(&line["server"]) }
    }

    async fn post(&self, path: &str) -> Answer {
        raw(self.control, None, "POST", path, None).await
    }

    async fn world(&self) -> (u64, SocketAddr) {
        let world = self.post("/worlds").await.ok();
        (world["world"].as_u64().unwrap(), addr(&world["url"]))
    }

    async fn ended(mut self, folder: &Path) {
        let status = timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        assert!(status.success(), "{status}");
        TcpStream::connect(self.server).await.unwrap_err();
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "its folder is removed");
    }
}

fn addr(url: &Value) -> SocketAddr {
    url.as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap()
}

async fn healthy(server: SocketAddr) -> bool {
    try_raw(server, None, "GET", "/healthz", None).await.is_ok_and(|answer| answer.status == 200)
}

#[tokio::test]
async fn a_stage_does_what_it_is_told_and_ends_with_its_stdin() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::start(folder.path()).await;
    assert!(healthy(stage.control).await && healthy(stage.server).await);

    // Each world fails for itself.
    let (first, one) = stage.world().await;
    let (second, other) = stage.world().await;
    assert_ne!(first, second);
    assert!(healthy(one).await && healthy(other).await);
    stage.post(&format!("/worlds/{first}/cut")).await.ok();
    assert!(!healthy(one).await && healthy(other).await && healthy(stage.server).await);
    stage.post(&format!("/worlds/{first}/mend")).await.ok();
    assert!(healthy(one).await);

    stage.post(&format!("/worlds/{first}/lose-next-answer")).await.ok();
    assert!(!healthy(one).await);
    assert!(healthy(one).await, "it was one answer");
    let path = format!("/worlds/{first}");
    let counters = raw(stage.control, None, "GET", &path, None).await.ok();
    assert_eq!(counters["lost_answers"], 1, "{counters}");

    stage.post(&format!("/worlds/{first}/delay?ms=100")).await.ok();
    let begin = Instant::now();
    assert!(healthy(one).await);
    assert!(begin.elapsed() >= Duration::from_millis(200), "it is paid both ways");
    stage.post(&format!("/worlds/{first}/mend")).await.ok();

    stage.post(&format!("/worlds/{first}/block-sockets")).await.ok();
    assert!(healthy(one).await, "HTTP gets through");
    let mut upgrade = TcpStream::connect(one).await.unwrap();
    upgrade.write_all(b"GET /v1/socket HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    upgrade.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 502");
    stage.post(&format!("/worlds/{first}/mend")).await.ok();

    // Tokens are the server's own, good for as long as was asked.
    let token = async |query: &str| {
        let answer = stage.post(&format!("/tokens?{query}")).await.ok();
        answer["token"].as_str().unwrap().to_owned()
    };
    let good = token("user=ada").await;
    call(one, &good, "GET", "/v1/bootstrap", None).await.ok();
    let over = token("user=ada&seconds=-60").await;
    call(one, &over, "GET", "/v1/bootstrap", None).await.refusal(401, "token_expired");

    // There is one that speaks TLS, and nothing else.
    let secure = stage.post("/secure").await.ok();
    assert_eq!(stage.post("/secure").await.ok(), secure, "the same for everybody");
    assert!(secure["roots"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    let plain = secure["url"].as_str().unwrap().replace("https://", "http://");
    let mut plain = TcpStream::connect(addr(&plain.into())).await.unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // However the connection ends.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");

    // A restart keeps the port and everything that was said.
    let room = json!({"id": uuid::Uuid::now_v7(), "kind": "group", "name": "Harbour"});
    call(one, &good, "POST", "/v1/rooms", Some(&room)).await.ok();
    stage.post("/server/stop").await.ok();
    assert!(!healthy(one).await && !healthy(other).await);
    TcpStream::connect(stage.server).await.unwrap_err();
    stage.post("/server/stop").await.refusal(409, "stopped_already");
    stage.post("/server/start").await.ok();
    assert!(healthy(one).await && healthy(other).await && healthy(stage.server).await);
    stage.post("/server/start").await.refusal(409, "started_already");
    let rooms = call(one, &good, "GET", "/v1/rooms", None).await.ok();
    assert_eq!(rooms["rooms"].as_array().unwrap().len(), 1, "{rooms}");

    // What is wrong is told.
    stage.post("/worlds/99/cut").await.refusal(404, "no_such_world");
    stage.post("/worlds/x/mend").await.refusal(404, "no_such_world");
    for path in ["/tokens", "/tokens?user=", "/tokens?user=ada&seconds=soon"] {
        stage.post(path).await.refusal(400, "bad_query");
    }
    for query in ["", "?ms=", "?ms=-1", "?ms=60001"] {
        let path = format!("/worlds/{first}/delay{query}");
        stage.post(&path).await.refusal(400, "bad_query");
    }
    stage.post("/wolds").await.refusal(404, "no_such_call");
    let answer = raw(stage.control, None, "GET", "/server/stop", None).await;
    answer.refusal(405, "wrong_method");

    drop(stage.child.stdin.take());
    stage.ended(folder.path()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_stage_ends_with_sigterm_while_its_stdin_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let mut stage = Stage::start(folder.path()).await;
    let stdin = stage.child.stdin.take();
    let pid = stage.child.id().unwrap();
    let told = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await;
    assert!(told.unwrap().success());
    stage.ended(folder.path()).await;
    drop(stdin);
}
