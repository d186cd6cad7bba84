//! A server dies, and all its clients come back at once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tidewire_tests::http;
use tidewire_tests::socket::Socket;
use tidewire_tests::world::World;

const RESUMES: usize = 300;
const NEWCOMERS: usize = 60;
/// Let in a second.
const RATE: &str = "100";
const MESSAGES: usize = 20;

/// A client that does what the protocol says, and no more.
struct Light {
    token: String,
    /// None begins anew.
    cursor: Option<Value>,
    refusals: usize,
    /// Its place among all, once it is back.
    back: usize,
}

impl Light {
    /// Comes back: until a server is there, and then in its slots.
    async fn come(&mut self, server: SocketAddr, served: &AtomicUsize) -> Socket {
        loop {
            let Some(mut socket) = Socket::try_open(server).await else {
                // Nobody is there yet.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let resumes = self.cursor.is_some();
            let hello = json!({
                "type": "hello", "token": self.token, "heartbeat_ms": 30_000,
                "feed": resumes, "cursor": self.cursor,
            });
            socket.say(&hello).await;
            let answer = socket.hears_any(&["welcome", "error"]).await;
            if answer["type"] == "welcome" {
                self.back = served.fetch_add(1, Ordering::Relaxed);
                return socket;
            }
            assert_eq!(answer["error"]["code"], "unavailable", "{answer}");
            self.refusals += 1;
            let slot = answer["error"]["retry_after_ms"].as_u64().expect("a slot");
            tokio::time::sleep(Duration::from_millis(slot)).await;
        }
    }

    /// Reads the feed until it has these messages, each once and in order.
    async fn reads(&mut self, socket: &mut Socket, first: u64) {
        let mut next = first;
        while next < first + MESSAGES as u64 {
            let batch = socket.hears("batch").await;
            assert_eq!(Some(&batch["from"]), self.cursor.as_ref(), "it goes on where it was");
            for event in batch["events"].as_array().unwrap() {
                assert_eq!(event["seq"], next, "nothing is lost and nothing comes twice");
                next += 1;
            }
            self.cursor = Some(batch["to"].clone());
        }
    }
}

#[tokio::test]
async fn after_a_kill_all_are_back_refused_about_once_and_those_who_resume_come_first() {
    let flags = ["--ops-per-second=0", "--admission-per-second", RATE, "--admission-floor", RATE];
    let mut world = World::start_with(&flags).await;
    let addr = world.server.addr();
    let names: Vec<String> = (0..RESUMES).map(|n| format!("u{n}")).collect();
    let token = |name: &str| world.server.token_for(name, 3_600);
    let id = uuid::Uuid::now_v7();
    let room = json!({ "id": id, "kind": "group" });
    world.call("ada", "POST", "/v1/rooms", Some(&room)).await.ok();
    for some in names.chunks(100) {
        let members = json!({ "users": some });
        world.call("ada", "POST", &format!("/v1/rooms/{id}/members"), Some(&members)).await.ok();
    }
    let bootstraps = names.iter().map(async |name| {
        let token = token(name);
        let page = http::call(addr, &token, "GET", "/v1/bootstrap", None).await.ok();
        let cursor = Some(page["cursor"].clone());
        (Light { token, cursor, refusals: 0, back: 0 }, page)
    });
    let (mut clients, pages): (Vec<_>, Vec<_>) = join_all(bootstraps).await.into_iter().unzip();
    let head = pages[0]["rooms"][0]["head_seq"].as_u64().expect("the head of the room");

    world.server.kill().await;
    let newcomers = (0..NEWCOMERS).map(|n| {
        let token = world.server.token_for(&format!("new{n}"), 3_600);
        Light { token, cursor: None, refusals: 0, back: 0 }
    });
    clients.extend(newcomers);
    let served = Arc::new(AtomicUsize::new(0));
    let storm: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let served = served.clone();
            tokio::spawn(async move {
                let mut socket = client.come(addr, &served).await;
                if client.cursor.is_some() {
                    client.reads(&mut socket, head + 1).await;
                }
                // Who is back stays.
                (client, socket)
            })
        })
        .collect();
    world.server.start_at(addr).await;
    let ops: Vec<Value> = (0..MESSAGES)
        .map(|n| {
            let content = json!({ "text": format!("message {n}") });
            json!({ "id": uuid::Uuid::now_v7(), "kind": "message", "content": content })
        })
        .collect();
    let sent = json!({ "ops": ops });
    world.call("ada", "POST", &format!("/v1/rooms/{id}/ops"), Some(&sent)).await.ok();

    let back = join_all(storm).await.into_iter().map(|client| client.expect("it is back").0);
    let (resumed, began): (Vec<_>, Vec<_>) = back.partition(|client| client.cursor.is_some());
    let refusals: usize = resumed.iter().chain(&began).map(|client| client.refusals).sum();
    let all = RESUMES + NEWCOMERS;
    assert!(refusals >= all / 4, "no storm: {refusals} refusals");
    assert!(refusals <= 2 * all, "{refusals} refusals of {all} clients");
    let most = resumed.iter().map(|client| client.refusals).max().unwrap();
    assert!(most <= 2, "one who resumed was refused {most} times");
    let middle = |clients: &[Light]| {
        let places: BTreeSet<usize> = clients.iter().map(|client| client.back).collect();
        places.into_iter().nth(clients.len() / 2).unwrap()
    };
    let (middle_resumed, middle_began) = (middle(&resumed), middle(&began));
    // By chance the middle of the newcomers would be the middle of all, 180.
    assert!(
        middle_began > RESUMES * 3 / 4,
        "the middle of the newcomers came as number {middle_began}, of the others as {middle_resumed}"
    );
}
