//! A stage for tests in other languages: a real server, networks that fail when told to, and a
//! small HTTP interface to all of it on a port of its own. The program `stage` runs one.
//!
//! | call | does |
//! |---|---|
//! | `GET /healthz` | answers `{}` |
//! | `POST /worlds` | makes a network of its own for one test: `{"world": N, "url": "http://…"}` |
//! | `GET /worlds/N` | `{"open", "accepted", "reset", "lost_answers"}`: connections now, and all counts so far |
//! | `POST /worlds/N/cut` | resets all connections, new ones too; answers when none is left |
//! | `POST /worlds/N/mend` | ends whatever is wrong |
//! | `POST /worlds/N/block-sockets` | answers upgrades to WebSockets in the server's place, see [`Fault::NoSockets`] |
//! | `POST /worlds/N/lose-next-answer` | throws away one answer, see [`Fault::LoseNextAnswer`] |
//! | `POST /worlds/N/delay?ms=` | each piece of data takes this long, both ways |
//! | `POST /secure` | starts a second server, with the secret of the first, that speaks TLS by an authority of its own: `{"url": "https://…", "roots": "PEM"}` |
//! | `POST /files?from=&to=&bytes=` | `from` sends `to` a file of so many bytes in their direct room: `{"room", "sha256"}` |
//! | `POST /tokens?user=[&seconds=3600]` | `{"token": "…"}`; below 0 it has ended already |
//! | `POST /server/stop`, `POST /server/start` | answer when it is done; port and folder stay |
//!
//! An answer of 400 or above is `{"error": {"code", "message"}}`. One server is behind all
//! networks: tests that run side by side need users of their own, and feel it when one of them
//! stops the server.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tidewire_bench::proxy::{Fault, Proxy};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, OnceCell};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::http;
use crate::secure::SecureServer;
use crate::server::ServerProcess;

/// The longest delay of a network, in milliseconds: as long as the slowest client waits.
const LONGEST_DELAY_MS: u64 = 60_000;

/// A running stage. [`Stage::end`] takes it down.
#[derive(Debug)]
pub struct Stage {
    shared: Arc<Shared>,
    control: SocketAddr,
    serving: JoinHandle<()>,
    /// Last, so that the server is gone when its folder is removed.
    folder: TempDir,
}

#[derive(Debug)]
struct Shared {
    /// An async mutex: who asks for something while the server is being stopped waits for that.
    server: Arc<Mutex<ServerProcess>>,
    /// Where the server listens, also when it is started again.
    addr: SocketAddr,
    /// A std mutex, because nothing awaits while it is held.
    worlds: StdMutex<BTreeMap<u32, Arc<Proxy>>>,
    /// Where the server has its folder, and the second one its own.
    folder: PathBuf,
    /// The server that speaks TLS, once somebody has asked for it.
    secure: OnceCell<SecureServer>,
}

impl Stage {
    /// Starts a server on a new folder, and the interface.
    ///
    /// # Panics
    /// If the server does not start or there is no port.
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = ServerProcess::start(folder.path().join("server")).await;
        let shared = Arc::new(Shared {
            addr: server.addr(),
            server: Arc::new(Mutex::new(server)),
            worlds: StdMutex::default(),
            folder: folder.path().to_owned(),
            secure: OnceCell::new(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let control = listener.local_addr().expect("a port");
        let app = router(shared.clone());
        let serving = tokio::spawn(async move {
            // Never ends by itself.
            let _ = axum::serve(listener, app).await;
        });
        Self { shared, control, serving, folder }
    }

    /// Where all is, as one line of JSON.
    pub fn addresses(&self) -> String {
        let (control, server) = (self.control, self.shared.addr);
        json!({"control": format!("http://{control}"), "server": format!("http://{server}")})
            .to_string()
    }

    /// Ends the server and removes its folder.
    ///
    /// # Errors
    /// What the system says when the folder cannot be removed.
    pub async fn end(self) -> io::Result<()> {
        self.serving.abort();
        let mut server = self.shared.server.lock().await;
        if server.runs() {
            // Nobody will read what it would put in order.
            server.kill().await;
        }
        drop(server);
        if let Some(secure) = self.shared.secure.get() {
            secure.kill().await;
        }
        self.folder.close()
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({}))))
        .route("/worlds", post(new_world))
        .route("/worlds/{world}", get(counters))
        .route("/worlds/{world}/cut", post(cut))
        .route("/worlds/{world}/mend", post(mend))
        .route("/worlds/{world}/block-sockets", post(block_sockets))
        .route("/worlds/{world}/lose-next-answer", post(lose_next_answer))
        .route("/worlds/{world}/delay", post(delay))
        .route("/secure", post(secure))
        .route("/files", post(file))
        .route("/tokens", post(token))
        .route("/server/stop", post(stop))
        .route("/server/start", post(start))
        .fallback(async || Refusal(StatusCode::NOT_FOUND, "no_such_call", "no such call".into()))
        .method_not_allowed_fallback(async || {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Refusal(status, "wrong_method", "GET for what is asked, POST for what is done".into())
        })
        .with_state(shared)
}

/// Why a call is refused: status, code and text.
struct Refusal(StatusCode, &'static str, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        (status, Json(json!({"error": {"code": code, "message": message}}))).into_response()
    }
}

impl From<QueryRejection> for Refusal {
    fn from(rejection: QueryRejection) -> Self {
        Self(StatusCode::BAD_REQUEST, "bad_query", rejection.body_text())
    }
}

type Answer = Result<Json<Value>, Refusal>;

impl Shared {
    fn worlds(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Arc<Proxy>>> {
        self.worlds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world(&self, number: &str) -> Result<Arc<Proxy>, Refusal> {
        let world = number.parse().ok().and_then(|number: u32| self.worlds().get(&number).cloned());
        world.ok_or_else(|| {
            Refusal(StatusCode::NOT_FOUND, "no_such_world", format!("there is no world `{number}`"))
        })
    }
}

async fn new_world(State(shared): State<Arc<Shared>>) -> Answer {
    let proxy = Proxy::start(shared.addr).await.map_err(|error| {
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, "no_port", error.to_string())
    })?;
    let url = proxy.url();
    let mut worlds = shared.worlds();
    let world = worlds.last_key_value().map_or(1, |(last, _)| last + 1);
    worlds.insert(world, Arc::new(proxy));
    Ok(Json(json!({"world": world, "url": url})))
}

async fn counters(State(shared): State<Arc<Shared>>, Path(world): Path<String>) -> Answer {
    let counters = shared.world(&world)?.counters();
    Ok(Json(json!({
        "open": counters.open,
        "accepted": counters.accepted,
        "reset": counters.reset,
        "lost_answers": counters.lost_answers,
    })))
}

async fn cut(State(shared): State<Arc<Shared>>, Path(world): Path<String>) -> Answer {
    shared.world(&world)?.cut().await;
    Ok(Json(json!({})))
}

async fn mend(State(shared): State<Arc<Shared>>, Path(world): Path<String>) -> Answer {
    shared.world(&world)?.set(Fault::None);
    Ok(Json(json!({})))
}

async fn block_sockets(State(shared): State<Arc<Shared>>, Path(world): Path<String>) -> Answer {
    shared.world(&world)?.set(Fault::NoSockets);
    Ok(Json(json!({})))
}

async fn lose_next_answer(State(shared): State<Arc<Shared>>, Path(world): Path<String>) -> Answer {
    shared.world(&world)?.set(Fault::LoseNextAnswer);
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Delay {
    ms: u64,
}

async fn delay(
    State(shared): State<Arc<Shared>>,
    Path(world): Path<String>,
    query: Result<Query<Delay>, QueryRejection>,
) -> Answer {
    let world = shared.world(&world)?;
    let Query(Delay { ms }) = query?;
    if ms > LONGEST_DELAY_MS {
        let text = format!("`ms` is {LONGEST_DELAY_MS} at most");
        return Err(Refusal(StatusCode::BAD_REQUEST, "bad_query", text));
    }
    world.set(Fault::Delay(Duration::from_millis(ms)));
    Ok(Json(json!({})))
}

async fn secure(State(shared): State<Arc<Shared>>) -> Answer {
    let begin = SecureServer::start(shared.folder.join("secure"), shared.folder.join("server"));
    let secure = shared.secure.get_or_init(|| begin).await;
    Ok(Json(json!({"url": secure.url(), "roots": secure.roots()})))
}

#[derive(Deserialize)]
struct NewFile {
    from: String,
    to: String,
    bytes: usize,
}

/// The largest file that is made, in bytes: more says nothing more.
const LARGEST_FILE: usize = 20 * 1024 * 1024;

async fn file(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<NewFile>, QueryRejection>,
) -> Answer {
    let Query(NewFile { from, to, bytes }) = query?;
    if !(1..=LARGEST_FILE).contains(&bytes) {
        let text = format!("`bytes` is 1 to {LARGEST_FILE}");
        return Err(Refusal(StatusCode::BAD_REQUEST, "bad_query", text));
    }
    let token = shared.server.lock().await.token_for(&from, 3_600);
    let addr = shared.addr;
    let sent = tokio::spawn(async move { send_file(addr, &token, &to, bytes).await });
    sent.await.map(Json).map_err(|error| {
        let text = format!("the file was not sent, see the stage's stderr: {error}");
        Refusal(StatusCode::INTERNAL_SERVER_ERROR, "not_sent", text)
    })
}

async fn send_file(addr: SocketAddr, token: &str, to: &str, bytes: usize) -> Value {
    let call = async |method: &str, path: &str, body: Option<&Value>| {
        http::call(addr, token, method, path, body).await.ok()
    };
    let file: Vec<u8> = (0..bytes).map(|place| (place / 3 + place / 4099) as u8).collect();
    let sha256: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    let mut attachment = json!({
        "id": Uuid::now_v7(), "name": "tides.bin", "content_type": "application/octet-stream",
        "size": bytes, "sha256": sha256,
    });
    let begun = call("POST", "/v1/uploads", Some(&attachment)).await;
    let size = begun["part_size"].as_u64().and_then(|size| usize::try_from(size).ok());
    let size = size.expect("an upload has a part size");
    for (part, place) in begun["parts"].as_array().into_iter().flatten().zip(0..) {
        let piece = &file[place * size..bytes.min((place + 1) * size)];
        let url = part["url"].as_str().expect("a part has an address");
        let (status, _) = http::bytes(addr, "PUT", url, Some(piece)).await.expect("an answer");
        assert_eq!(status, 200);
    }
    let path = format!("/v1/uploads/{}/complete", begun["id"].as_str().expect("an id"));
    attachment["key"] = call("POST", &path, None).await["key"].clone();
    let room = json!({"id": Uuid::now_v7(), "kind": "direct", "members": [to]});
    let room = call("POST", "/v1/rooms", Some(&room)).await["id"].clone();
    let content = json!({"text": "here it is", "attachments": [attachment]});
    let ops = json!({"ops": [{"id": Uuid::now_v7(), "kind": "message", "content": content}]});
    let path = format!("/v1/rooms/{}/ops", room.as_str().expect("an id"));
    let sent = call("POST", &path, Some(&ops)).await;
    assert_eq!(sent["results"][0]["outcome"], "accepted", "{sent}");
    json!({"room": room, "sha256": sha256})
}

#[derive(Deserialize)]
struct Whose {
    user: String,
    seconds: Option<i32>,
}

async fn token(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Whose>, QueryRejection>,
) -> Answer {
    let Query(Whose { user, seconds }) = query?;
    if user.is_empty() {
        let text = "`user` is empty".to_owned();
        return Err(Refusal(StatusCode::BAD_REQUEST, "bad_query", text));
    }
    let seconds = seconds.unwrap_or(3_600);
    let token = shared.server.lock().await.token_for(&user, seconds.into());
    Ok(Json(json!({"token": token})))
}

async fn stop(State(shared): State<Arc<Shared>>) -> Answer {
    let mut server = shared.server.clone().lock_owned().await;
    if !server.runs() {
        let text = "the server does not run".to_owned();
        return Err(Refusal(StatusCode::CONFLICT, "stopped_already", text));
    }
    finish(async move { server.stop().await }).await
}

async fn start(State(shared): State<Arc<Shared>>) -> Answer {
    let mut server = shared.server.clone().lock_owned().await;
    if server.runs() {
        let text = "the server runs".to_owned();
        return Err(Refusal(StatusCode::CONFLICT, "started_already", text));
    }
    let addr = shared.addr;
    finish(async move { server.start_at(addr).await }).await
}

/// Carries it through to its end, also when the caller hangs up; a panic is the report of what
/// went wrong.
async fn finish(work: impl Future<Output = ()> + Send + 'static) -> Answer {
    match tokio::spawn(work).await {
        Ok(()) => Ok(Json(json!({}))),
        Err(error) => {
            // The panic's own text is on stderr.
            let text = format!("the server did not do as told, see the stage's stderr: {error}");
            Err(Refusal(StatusCode::INTERNAL_SERVER_ERROR, "server_failed", text))
        }
    }
}
