//! Accounts of the server's own: a client goes on by the refresh tokens of its session, and stops when that ends.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidewire::{
    Client, ClientEvent, MessageState, Mode, Problem, Room, Row, Timeline, TokenError, UserId,
};
use tidewire_services::Postgres;
use tidewire_tests::PATIENCE;
use tidewire_tests::binaries::binaries;
use tidewire_tests::http::{Answer, call, raw};
use tidewire_tests::instances::Instances;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::socket::Socket;
use tokio::sync::Mutex;

const ACCOUNTS: &[&str] = &["--accounts", "--password-memory-kib=64", "--password-passes=1"];
const PASSWORD: &str = "the tide is at two";

/// A call without a token.
async fn post(server: SocketAddr, path: &str, body: &Value) -> Answer {
    raw(server, None, "POST", path, Some(body.to_string().as_bytes())).await
}

async fn register(server: SocketAddr, user: &str) {
    let account = json!({ "user": user, "password": PASSWORD });
    post(server, "/v1/accounts", &account).await.ok();
}

async fn sign_in(server: SocketAddr, user: &str, device: &str) -> Value {
    let session = json!({ "user": user, "password": PASSWORD, "device": device });
    post(server, "/v1/sessions", &session).await.ok()
}

fn token(tokens: &Value) -> &str {
    tokens["token"].as_str().unwrap()
}

/// What an app keeps of its session, and how it gets tokens.
struct Keychain {
    server: SocketAddr,
    kept: Mutex<Value>,
    refreshes: AtomicUsize,
    /// The network loses the next answer.
    loses: AtomicBool,
}

impl Keychain {
    async fn token(&self) -> Result<String, TokenError> {
        let mut kept = self.kept.lock().await;
        // From the sign-in, and never used.
        if let Some(token) = kept.as_object_mut().unwrap().remove("token") {
            return Ok(token.as_str().unwrap().to_owned());
        }
        let asked = json!({ "refresh_token": kept["refresh_token"] });
        let answer = post(self.server, "/v1/sessions:refresh", &asked).await;
        if answer.status != 200 {
            return Err(TokenError(answer.body.to_string()));
        }
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        if self.loses.swap(false, Ordering::SeqCst) {
            return Err(TokenError("the network is away".into()));
        }
        // Kept first, and used then.
        *kept = answer.body;
        let token = kept.as_object_mut().unwrap().remove("token").unwrap();
        Ok(token.as_str().unwrap().to_owned())
    }
}

async fn open(keychain: &Arc<Keychain>, data: &std::path::Path) -> Client {
    let keychain = keychain.clone();
    let url = format!("http://{}", keychain.server);
    let client = Client::builder(url, UserId::new("ada").unwrap())
        .token_provider(move || {
            let keychain = keychain.clone();
            async move { keychain.token().await }
        })
        .data_dir(data)
        .spread(Duration::ZERO)
        .open()
        .await
        .unwrap();
    let mut modes = client.watch_mode();
    let up = modes.wait_for(|report| report.mode == Mode::RealTime);
    tokio::time::timeout(PATIENCE, up).await.expect("real-time in time").unwrap();
    client
}

/// Says something and follows it until it is sent, or until `until` says that this is enough.
struct Conversation {
    room: Room,
    timeline: Timeline,
    rows: Vec<Row>,
}

impl Conversation {
    fn state(&self, text: &str) -> Option<MessageState> {
        let mut messages = self.rows.iter().filter_map(Row::message);
        messages
            .find(|message| message.text().as_deref() == Some(text))
            .map(|message| message.state.clone())
    }

    async fn follow(&mut self, text: &str, wanted: MessageState) {
        while self.state(text) != Some(wanted.clone()) {
            let next = tokio::time::timeout(PATIENCE, self.timeline.next()).await;
            let next = next.unwrap_or_else(|_| panic!("{text} is {wanted:?}: {:?}", self.rows));
            next.unwrap().update.apply(&mut self.rows);
            assert!(!matches!(self.state(text), Some(MessageState::Failed(_))), "{:?}", self.rows);
        }
    }
}

async fn texts(server: SocketAddr, token: &str, room: &str) -> Vec<String> {
    let page = call(server, token, "GET", &format!("/v1/rooms/{room}/messages"), None).await.ok();
    let messages = page["messages"].as_array().unwrap().iter();
    messages.filter_map(|message| Some(message["content"]["text"].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn a_session_that_is_ended_elsewhere_makes_sends_wait_until_its_user_signs_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [ACCOUNTS, &["--ops-per-second=0", "--account-token-seconds=4"]].concat();
    let server = ServerProcess::start_with(folder.path().join("server"), &flags).await;
    let at = server.addr();
    register(at, "ada").await;
    register(at, "bob").await;
    let phone = sign_in(at, "ada", "Phone").await;
    let keychain = Arc::new(Keychain {
        server: at,
        kept: Mutex::new(phone),
        refreshes: AtomicUsize::new(0),
        loses: AtomicBool::new(false),
    });
    let client = open(&keychain, &folder.path().join("data")).await;
    let mut events = client.events();
    let room = client.direct_room(UserId::new("bob").unwrap()).await.unwrap();
    let id = room.id().to_string();
    let timeline = room.timeline().await.unwrap();
    let mut talk = Conversation { room, timeline, rows: Vec::new() };
    talk.room.send("one").await.unwrap();
    talk.follow("one", MessageState::Sent).await;
    // It outlives its first tokens, and an answer that the network has lost.
    keychain.loses.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    while keychain.refreshes.load(Ordering::SeqCst) < 3 {
        assert!(begun.elapsed() < PATIENCE, "it is refreshed");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    talk.room.send("two").await.unwrap();
    talk.follow("two", MessageState::Sent).await;

    // From another device.
    let tablet = sign_in(at, "ada", "Tablet").await;
    let listed = call(at, token(&tablet), "GET", "/v1/sessions", None).await.ok();
    let sessions = listed["sessions"].as_array().unwrap();
    let lost = sessions.iter().find(|session| session["device"] == "Phone").unwrap();
    let path = format!("/v1/sessions/{}", lost["id"].as_str().unwrap());
    call(at, token(&tablet), "DELETE", &path, None).await.ok();
    let told = async {
        loop {
            match events.recv().await {
                Ok(ClientEvent::Problem(Problem::AuthRequired { .. })) => return,
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(closed) => panic!("{closed}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the client says that it has to sign in");
    talk.room.send("three").await.unwrap();
    talk.follow("three", MessageState::Sending).await;
    let bob = sign_in(at, "bob", "Phone").await;
    assert_eq!(texts(at, token(&bob), &id).await, ["one", "two"]);

    *keychain.kept.lock().await = sign_in(at, "ada", "Phone, found again").await;
    talk.follow("three", MessageState::Sent).await;
    assert_eq!(texts(at, token(&bob), &id).await, ["one", "two", "three"], "once");
    client.close().await;
}

#[tokio::test]
async fn a_session_that_ends_at_one_server_is_closed_at_the_other() {
    let Some(all) = Instances::start_with(2, ACCOUNTS).await else { return };
    let [one, other] = [all.world.server.addr(), all.others[0].addr()];
    register(one, "ada").await;
    let (phone, tablet) =
        (sign_in(one, "ada", "Phone").await, sign_in(other, "ada", "Tablet").await);
    let mut socket = Socket::greeted(one, token(&phone)).await;
    call(
        other,
        token(&tablet),
        "DELETE",
        &format!("/v1/sessions/{}", phone["session"].as_str().unwrap()),
        None,
    )
    .await
    .ok();
    socket.hears_error("token_invalid").await;
    socket.is_closed().await;
    let refresh = json!({ "refresh_token": phone["refresh_token"] });
    for server in [one, other] {
        post(server, "/v1/sessions:refresh", &refresh).await.refusal(401, "token_invalid");
    }
    // What one server has given the other gives again.
    let refresh = json!({ "refresh_token": tablet["refresh_token"] });
    let given = post(one, "/v1/sessions:refresh", &refresh).await.ok();
    let again = post(other, "/v1/sessions:refresh", &refresh).await.ok();
    assert_eq!(given["refresh_token"], again["refresh_token"]);
}

#[tokio::test]
async fn accounts_and_sessions_go_along_to_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    postgres.create("tidewire");
    let url = postgres.url("tidewire");
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let mut server = ServerProcess::start_with(&data, ACCOUNTS).await;
    register(server.addr(), "ada").await;
    let (phone, lost) =
        (sign_in(server.addr(), "ada", "Phone").await, sign_in(server.addr(), "ada", "Lost").await);
    let out = call(server.addr(), token(&lost), "DELETE", "/v1/sessions/current", None).await;
    out.ok();
    server.stop().await;
    let mut import = Command::new(&binaries().server);
    import.args(["import", "--postgres-url", &url, "--data"]).arg(&data);
    let imported = import.output().unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let flag = format!("--postgres-url={url}");
    let server = ServerProcess::start_with(&data, &[ACCOUNTS, &[flag.as_str()]].concat()).await;
    let at = server.addr();
    call(at, token(&lost), "GET", "/v1/sessions", None).await.refusal(401, "token_invalid");
    let listed = call(at, token(&phone), "GET", "/v1/sessions", None).await.ok();
    assert_eq!(listed["sessions"].as_array().unwrap().len(), 1, "{listed}");
    let refresh = json!({ "refresh_token": phone["refresh_token"] });
    post(at, "/v1/sessions:refresh", &refresh).await.ok();
    sign_in(at, "ada", "Tablet").await;
}
