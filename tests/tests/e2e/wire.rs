//! Bad input at the wire: each gets a typed error that says what to do, and nobody else notices.

use serde_json::{Value, json};
use tidewire_tests::agent::Agent;
use tidewire_tests::http;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::socket::Socket;
use tidewire_tests::world::World;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

/// Two who chat while somebody misbehaves.
struct Bystanders {
    world: World,
    ada: Agent,
    bob: Agent,
    room: String,
    said: u32,
}

impl Bystanders {
    async fn meet() -> Self {
        let world = World::start().await;
        let ada = Agent::start(&world.client("ada")).await;
        let bob = Agent::start(&world.client("bob").knob("polling-interval-ms", 100)).await;
        let room = ada.create_room(&["bob"]).await;
        bob.open(&room).await;
        bob.ceiling("polling").await;
        let mut bystanders = Self { world, ada, bob, room, said: 0 };
        bystanders.chat().await;
        bystanders
    }

    async fn chat(&mut self) {
        self.said += 1;
        let ids = self.ada.send_numbers(&self.room, self.said..=self.said).await;
        self.bob.sees(&self.room, &ids).await;
        let ids = self.bob.send_numbers(&self.room, self.said..=self.said).await;
        self.ada.sees(&self.room, &ids).await;
    }

    /// They noticed nothing: the server is up, nobody was thrown out, nothing is missing.
    async fn go_on(mut self) {
        self.chat().await;
        assert!(self.world.server.runs(), "{}", self.world.server.log());
        self.world.agree(&self.room, &[&self.ada, &self.bob], 1 + 2 * self.said as usize).await;
        for agent in [&self.ada, &self.bob] {
            assert!(agent.view().problems.is_empty(), "{:?}", agent.view().problems);
        }
        assert_eq!(self.ada.stat("/sockets").await, 1, "the socket was never lost");
        self.world.server.stop().await;
    }

    async fn raw(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> http::Answer {
        let body = (method != "GET").then_some(body);
        http::raw(self.world.server.addr(), token, method, path, body).await
    }
}

/// An operation of `bytes` of text.
fn op(bytes: usize) -> Value {
    json!({"id": Uuid::now_v7(), "kind": "message", "content": {"text": "x".repeat(bytes)}})
}

#[tokio::test]
async fn a_bad_token_is_refused_by_every_call_and_on_the_socket() {
    let they = Bystanders::meet().await;
    let server = &they.world.server;
    let good = server.token("ada");
    let forged = format!("{}x", &good[..good.len() - 1]);
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
    let elsewhere = World::start().await.server.token("ada");
    let expired = server.token_for("ada", -60);
    let calls = [
        ("GET", "/v1/bootstrap".to_owned()),
        ("POST", "/v1/sync".to_owned()),
        ("GET", "/v1/rooms".to_owned()),
        ("GET", format!("/v1/rooms/{}", they.room)),
        ("GET", format!("/v1/rooms/{}/messages", they.room)),
        ("POST", format!("/v1/rooms/{}/ops", they.room)),
        ("GET", format!("/v1/rooms/{}/members", they.room)),
        ("POST", "/v1/reports".to_owned()),
        ("GET", format!("/v1/rooms/{}/reports", they.room)),
        ("GET", "/v1/blocks".to_owned()),
        ("PUT", "/v1/blocks/bob".to_owned()),
        ("DELETE", "/v1/blocks/bob".to_owned()),
        ("POST", "/v1/profiles:batch".to_owned()),
        ("PUT", "/v1/profile".to_owned()),
    ];
    for (method, path) in &calls {
        for token in [&forged, &unsigned, &elsewhere, "", "garbage"] {
            let answer = they.raw(Some(token), method, path, b"{}").await;
            assert_eq!(answer.refusal(401, "token_invalid")["temporary"], false, "{path}");
        }
        they.raw(None, method, path, b"{}").await.refusal(401, "token_invalid");
        they.raw(Some(&expired), method, path, b"{}").await.refusal(401, "token_expired");
    }
    for (token, code) in [(&forged, "token_invalid"), (&expired, "token_expired")] {
        let mut socket = Socket::open(server.addr()).await;
        socket.say(&json!({"type": "hello", "token": token, "heartbeat_ms": 30_000})).await;
        socket.hears_error(code).await;
        socket.is_closed().await;
    }
    // Another user's token does not take over a socket.
    let mut socket = Socket::greeted(server.addr(), &good).await;
    socket.say(&json!({"type": "token", "token": server.token("eve")})).await;
    socket.hears_error("token_invalid").await;
    socket.is_closed().await;
    they.go_on().await;
}

#[tokio::test]
async fn a_foreign_room_looks_like_one_that_does_not_exist() {
    let they = Bystanders::meet().await;
    let server = &they.world.server;
    let eve = server.token("eve");
    for room in [they.room.as_str(), "0199c306-6400-7c3e-9a41-6f2d8e0b1c52"] {
        let users = json!({"users": ["eve"]}).to_string();
        let ops = json!({"ops": [op(1)]}).to_string();
        for (method, path, body) in [
            ("GET", String::new(), ""),
            ("GET", "/messages".to_owned(), ""),
            ("GET", "/members".to_owned(), ""),
            ("POST", "/members".to_owned(), users.as_str()),
            ("DELETE", "/members/ada".to_owned(), ""),
            ("POST", "/ops".to_owned(), ops.as_str()),
        ] {
            let path = format!("/v1/rooms/{room}{path}");
            let answer = they.raw(Some(&eve), method, &path, body.as_bytes()).await;
            assert_eq!(answer.refusal(403, "not_a_member")["temporary"], false);
        }
        let sync = json!({"ops": [{"room": room, "ops": [op(1)]}]});
        let answer =
            they.raw(Some(&eve), "POST", "/v1/sync", sync.to_string().as_bytes()).await.ok();
        assert_eq!(answer["results"][0]["error"]["code"], "not_a_member", "{answer}");
        let mut socket = Socket::greeted(server.addr(), &eve).await;
        socket.say(&json!({"type": "subscribe", "room": room, "after": 0})).await;
        assert_eq!(socket.hears_error("not_a_member").await["room"], room);
        socket.say(&json!({"type": "send", "room": room, "ops": [op(1)]})).await;
        assert_eq!(socket.hears("sent").await["error"]["code"], "not_a_member");
    }
    they.go_on().await;
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused_without_telling_what_it_is() {
    let they = Bystanders::meet().await;
    let world = World::start().await;
    let server = world.server.addr();
    let (ada, bob) = (world.server.token("ada"), world.server.token("bob"));
    let room = Uuid::now_v7();
    let new = json!({"id": room, "kind": "group", "members": ["bob"]});
    http::call(server, &ada, "POST", "/v1/rooms", Some(&new)).await.ok();
    let path = format!("/v1/rooms/{room}/ops");
    let op = |id: Uuid, text: &str| json!({"id": id, "kind": "message", "content": {"text": text}});
    let send = async |token: &str, ops: Value| {
        http::call(server, token, "POST", &path, Some(&json!({"ops": ops}))).await.ok()
    };
    let id = Uuid::now_v7();
    let first = send(&ada, json!([op(id, "secret")])).await;
    // The same again is the same answer; anything else under the id is a "no".
    assert_eq!(send(&ada, json!([op(id, "secret")])).await, first);
    for (token, text) in [(&ada, "other"), (&bob, "secret")] {
        let answer = send(token, json!([op(id, text), op(Uuid::now_v7(), "behind")])).await;
        let result = &answer["results"][0];
        assert_eq!(result["outcome"], "refused");
        assert_eq!(result["error"]["code"], "id_taken", "{answer}");
        assert_ne!(result["error"]["temporary"], true);
        assert!(!answer.to_string().contains("secret"), "{answer}");
        assert_eq!(answer["results"][1]["outcome"], "not_tried");
    }
    // Also a room's id.
    let again = json!({"id": room, "kind": "group"});
    http::call(server, &bob, "POST", "/v1/rooms", Some(&again)).await.refusal(409, "id_taken");
    assert_eq!(world.log(&room.to_string(), "ada").await.len(), 2);
    they.go_on().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let they = Bystanders::meet().await;
    let ada = they.world.server.token("ada");
    let huge = vec![b' '; 300 * 1024];
    for (method, path) in [("POST", "/v1/sync"), ("POST", "/v1/rooms"), ("PUT", "/v1/profile")] {
        they.raw(Some(&ada), method, path, &huge).await.refusal(413, "too_large");
    }
    let path = format!("/v1/rooms/{}/ops", they.room);
    let many = json!({"ops": (0..10).map(|_| op(8_000)).collect::<Vec<_>>()});
    let many = many.to_string();
    they.raw(Some(&ada), "POST", &path, many.as_bytes()).await.refusal(413, "too_large");
    let more = json!({"ops": (0..51).map(|_| op(1)).collect::<Vec<_>>()}).to_string();
    they.raw(Some(&ada), "POST", &path, more.as_bytes()).await.refusal(422, "invalid_content");
    let long = json!({"ops": [op(8_193)]}).to_string();
    let answer = they.raw(Some(&ada), "POST", &path, long.as_bytes()).await.ok();
    assert_eq!(answer["results"][0]["error"]["code"], "invalid_content", "{answer}");

    let mut socket = Socket::greeted(they.world.server.addr(), &ada).await;
    socket.say_raw(Message::text(" ".repeat(65 * 1024))).await;
    socket.hears_error("too_large").await;
    socket.is_closed().await;
    // So large that the server hangs up in the middle of it: the reason may be lost with it.
    let mut socket = Socket::greeted(they.world.server.addr(), &ada).await;
    socket.try_say(Message::text(" ".repeat(4 * 1024 * 1024))).await;
    socket.is_closed().await;
    they.go_on().await;
}

#[tokio::test]
async fn what_is_no_json_or_no_call_is_told() {
    let they = Bystanders::meet().await;
    let ada = they.world.server.token("ada");
    let room = &they.room;
    let ops = format!("/v1/rooms/{room}/ops");
    for body in [&b"{"[..], b"", b"[]", b"null", b"{\"ops\":7}", b"\xff\xfe", b"{\"ops\":[{}]}"] {
        they.raw(Some(&ada), "POST", &ops, body).await.refusal(400, "bad_request");
    }
    for body in [&b"{"[..], b"[]", b"{\"cursor\":7}", b"{\"have\":[]}"] {
        they.raw(Some(&ada), "POST", "/v1/sync", body).await.refusal(400, "bad_request");
    }
    let get = async |path: String| they.raw(Some(&ada), "GET", &path, b"").await;
    get("/v1/rooms/not-a-uuid".into()).await.refusal(400, "bad_request");
    get(format!("/v1/rooms/{room}/messages?before=7&after=3")).await.refusal(400, "bad_request");
    get(format!("/v1/rooms/{room}/messages?before=seven")).await.refusal(400, "bad_request");
    get("/v1/rooms?after=made-up".into()).await.refusal(400, "bad_request");
    get("/v1/nothing".into()).await.refusal(404, "not_found");
    get("/v2/sync".into()).await.refusal(404, "not_found");
    they.raw(Some(&ada), "DELETE", "/v1/sync", b"").await.refusal(405, "method_not_allowed");
    // Numbers out of range count as the nearer end.
    let page = get(format!("/v1/rooms/{room}/messages?limit=99999999999")).await.ok();
    assert!(!page["messages"].as_array().unwrap().is_empty());
    // What pretends to be the server's own.
    let forged = json!({"ops": [{"id": Uuid::now_v7(), "kind": "member.left", "content": {}}]});
    let answer = they.raw(Some(&ada), "POST", &ops, forged.to_string().as_bytes()).await.ok();
    assert_eq!(answer["results"][0]["outcome"], "refused", "{answer}");
    they.go_on().await;
}

#[tokio::test]
async fn a_bad_frame_is_told_and_the_socket_stays() {
    let they = Bystanders::meet().await;
    let server = they.world.server.addr();
    let ada = they.world.server.token("ada");
    let mut socket = Socket::greeted(server, &ada).await;
    for text in ["{", "7", "[]", "{}", r#"{"type":"send"}"#, r#"{"type":"sync","request":"x"}"#] {
        socket.say_raw(Message::text(text)).await;
        socket.hears_error("bad_frame").await;
    }
    socket.say_raw(Message::binary(vec![1, 2, 3])).await;
    socket.hears_error("bad_frame").await;
    socket.say(&json!({"type": "teleport", "where": "home"})).await;
    socket.hears_error("unknown_frame").await;
    socket.say(&json!({"type": "ping"})).await;
    socket.hears("pong").await;

    // Nothing is heard before `hello`.
    let mut socket = Socket::open(server).await;
    socket.say(&json!({"type": "ping"})).await;
    socket.hears("error").await;
    socket.is_closed().await;
    // And without a word it is closed, with a reason.
    let mut socket = Socket::open(server).await;
    socket.hears("error").await;
    socket.is_closed().await;
    they.go_on().await;
}

#[tokio::test]
async fn a_cursor_from_elsewhere_or_beyond_the_head_is_told() {
    let they = Bystanders::meet().await;
    let folder = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(folder.path().join("now")).await;
    let ada = server.token("ada");
    let cursor = async |server: &ServerProcess, token: &str| {
        let boot = http::call(server.addr(), token, "GET", "/v1/bootstrap", None).await.ok();
        boot["cursor"].as_str().unwrap().to_owned()
    };
    let sync = async |server: &ServerProcess, cursor: &str| {
        let body = json!({"cursor": cursor});
        http::call(server.addr(), &ada, "POST", "/v1/sync", Some(&body)).await
    };
    let speak = async |server: &ServerProcess| {
        let new = json!({"id": Uuid::now_v7(), "kind": "group"});
        http::call(server.addr(), &ada, "POST", "/v1/rooms", Some(&new)).await.ok();
    };
    speak(&server).await;
    let bobs = cursor(&server, &server.token("bob")).await;
    // As it was yesterday, restored without a thought for those who have seen today.
    server.stop().await;
    let yesterday = folder.path().join("yesterday");
    std::fs::create_dir(&yesterday).unwrap();
    for entry in std::fs::read_dir(server.dir()).unwrap() {
        let entry = entry.unwrap();
        // Beside the database stands the folder of the files, which is empty here.
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), yesterday.join(entry.file_name())).unwrap();
        }
    }
    server.start_again().await;
    speak(&server).await;
    let todays = cursor(&server, &ada).await;
    sync(&server, &todays).await.ok();
    let elsewhere = they.world.server.token("ada");
    let elsewhere = cursor(&they.world.server, &elsewhere).await;
    let mut garbled = todays.clone().into_bytes();
    let middle = garbled.len() / 2;
    garbled[middle] = if garbled[middle] == b'A' { b'B' } else { b'A' };
    let garbled = String::from_utf8(garbled).unwrap();
    for bad in ["", "garbage", &bobs, &garbled, &"A".repeat(10_000)] {
        sync(&server, bad).await.refusal(400, "cursor_invalid");
        let mut socket = Socket::greeted(server.addr(), &ada).await;
        let hello = json!({"type": "hello", "cursor": bad, "feed": true, "heartbeat_ms": 30_000});
        socket.say(&hello).await;
        socket.hears("welcome").await;
        socket.hears_error("cursor_invalid").await;
        // Good for everything else.
        socket.say(&json!({"type": "ping"})).await;
        socket.hears("pong").await;
    }
    let answer = sync(&server, &elsewhere).await;
    let code = answer.body["error"]["code"].as_str().unwrap_or_default().to_owned();
    assert!(["cursor_invalid", "cursor_expired"].contains(&code.as_str()), "{}", answer.body);

    let yesterday = ServerProcess::start(yesterday).await;
    sync(&yesterday, &todays).await.refusal(400, "cursor_invalid");
    let mut socket = Socket::greeted(yesterday.addr(), &ada).await;
    let hello = json!({"type": "hello", "cursor": todays, "feed": true, "heartbeat_ms": 30_000});
    socket.say(&hello).await;
    socket.hears_error("cursor_invalid").await;
    they.go_on().await;
}
