//! What those hear who watch the server: `/metrics`, `/readyz`, and a stop that can be seen.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tidewire_protocol::ErrorCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{
    Answer, PATIENCE, Running, feed_from, live_from, message, request, start_with, value,
};

async fn start() -> Running {
    start_with(|config| config.metrics_listen = Some(([127, 0, 0, 1], 0).into())).await
}

async fn get(addr: SocketAddr, path: &str) -> Answer {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.as_bytes().to_vec() }
}

impl Running {
    async fn metrics(&self) -> String {
        let answer = get(self.server.metrics_addr().unwrap(), "/metrics").await;
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }

    async fn ready(&self) -> (u16, Value) {
        let answer = get(self.server.metrics_addr().unwrap(), "/readyz").await;
        (answer.status, value(std::str::from_utf8(&answer.body).unwrap()))
    }
}

/// The value of a series, as it stands in the text.
fn series<'a>(text: &'a str, name: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}

#[tokio::test]
async fn metrics_count_what_happens_and_name_nobody() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 3).await;
    let cursor = server.cursor("bob").await;
    let mut real_time = server.hello("bob", feed_from(cursor)).await;
    let mut hybrid = server.hello("ada", live_from(room, 0)).await;
    let refused = server.get("eve", &format!("/v1/rooms/{room}/messages")).await;
    assert_eq!(refused.code(), ErrorCode::NotAMember);
    server.call("GET", "/v1/nowhere", None, None).await;
    real_time.until_pong().await;
    hybrid.until_pong().await;
    let text = server.metrics().await;
    for (name, wanted) in [
        ("tidewire_operations_total{outcome=\"written\"}", "3"),
        ("tidewire_append_seconds_count", "1"),
        ("tidewire_connections{transport=\"socket\",mode=\"real_time\"}", "1"),
        ("tidewire_connections{transport=\"socket\",mode=\"hybrid\"}", "1"),
        ("tidewire_connections{transport=\"events\",mode=\"real_time\"}", "0"),
        ("tidewire_open_connections", "2"),
        ("tidewire_refusals_total{reason=\"not_a_member\"}", "1"),
        ("tidewire_refusals_total{reason=\"not_found\"}", "1"),
        ("tidewire_policy_fraction{mode=\"hybrid\"}", "1.0"),
        ("tidewire_database_up", "1"),
        ("tidewire_bus_up", "1"),
        ("tidewire_ready", "1"),
        (
            "tidewire_request_seconds_count{method=\"GET\",route=\"/v1/rooms/{room}/messages\",status=\"403\"}",
            "1",
        ),
        ("tidewire_request_seconds_count{method=\"GET\",route=\"none\",status=\"404\"}", "1"),
    ] {
        assert_eq!(series(&text, name), wanted, "{name}");
    }
    // What is in the log is handed out behind the answers.
    assert!(series(&text, "tidewire_handed_out_total").parse::<u64>().unwrap() >= 3);
    for name in ["\"ada\"", "\"bob\"", "\"eve\"", &room.to_string(), "127.0.0.1", "Bearer"] {
        assert!(!text.contains(name), "{name} is nobody's business:\n{text}");
    }
    drop((real_time, hybrid));
    let gone = async {
        while series(&server.metrics().await, "tidewire_open_connections") != "0" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
    let answer = server.call("GET", "/metrics", None, None).await;
    assert_eq!(answer.code(), ErrorCode::NotFound, "never at the public address");
}

/// `docs/operations.md` says of each what it means and when to worry.
#[tokio::test]
async fn the_table_of_metrics_has_what_there_is_and_nothing_else() {
    let server = start().await;
    server.say("ada", server.group("ada", &["bob"]).await, 1).await;
    server.call("GET", "/v1/nowhere", None, None).await;
    server.hello("ada", feed_from(server.cursor("ada").await)).await.until_pong().await;
    let text = server.metrics().await;
    let there: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let docs = include_str!("../../../docs/operations.md");
    let told: BTreeSet<&str> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `tidewire_")?.split_once('`'))
        .filter_map(|(name, _)| there.iter().find(|n| n.strip_prefix("tidewire_") == Some(name)))
        .copied()
        .collect();
    assert_eq!(told, there, "those that the table lacks are on the right alone");
    let rows = docs.lines().filter(|line| line.starts_with("| `tidewire_")).count();
    assert_eq!(rows, told.len(), "the table tells of what there is not");
}

#[tokio::test]
async fn readiness_follows_the_database() {
    let server = start().await;
    let (status, body) = server.ready().await;
    assert_eq!((status, body["status"].as_str()), (200, Some("ready")), "{body}");
    assert_eq!(server.call("GET", "/readyz", None, None).await.status, 200, "there as well");
    let path = server.folder.path().join("tidewire.db");
    let other = rusqlite::Connection::open(path).unwrap();
    other.busy_timeout(PATIENCE).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    server.until_ready_is(503).await;
    let (_, body) = server.ready().await;
    assert_eq!(body["error"]["code"], "unavailable", "{body}");
    assert_ne!(body["checks"]["database"], "ok", "{body}");
    assert!(!body.to_string().contains("tidewire.db"), "no more than one has to know: {body}");
    assert_eq!(series(&server.metrics().await, "tidewire_database_up"), "0");
    other.execute_batch("ROLLBACK").unwrap();
    server.until_ready_is(200).await;
}

impl Running {
    async fn until_ready_is(&self, wanted: u16) {
        let reached = async {
            while self.ready().await.0 != wanted {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("never {wanted}"));
    }
}

#[tokio::test]
async fn a_request_under_way_ends_well_while_the_server_says_that_it_drains() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    let body = serde_json::json!({ "ops": [message("on its way")] }).to_string();
    let (half, rest) = body.split_at(5);
    let mut stream = TcpStream::connect(server.server.addr()).await.unwrap();
    let head = format!(
        "POST /v1/rooms/{room}/ops HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: \
         application/json\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        server.token("ada"),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server asks for the body: it has begun with this request.
    let mut begun = [0; 25];
    timeout(PATIENCE, stream.read_exact(&mut begun)).await.unwrap().unwrap();
    assert!(begun.starts_with(b"HTTP/1.1 100"));
    stream.write_all(half.as_bytes()).await.unwrap();
    let stop = server.server.stop();
    let client = async {
        server.until_ready_is(503).await;
        let (_, body) = server.ready().await;
        assert_eq!(body["checks"]["draining"], true, "{body}");
        assert!(TcpStream::connect(server.server.addr()).await.is_err(), "nobody new");
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    timeout(PATIENCE, async { tokio::join!(stop, client) }).await.unwrap();
    let watchers = TcpStream::connect(server.server.metrics_addr().unwrap()).await;
    assert!(watchers.is_err(), "ended last");
}

#[tokio::test]
async fn what_many_read_of_a_busy_room_is_read_from_the_database_once() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    server.say("ada", room, 30).await;
    let cursor = server.cursor("bob").await;
    server.say("ada", room, 20).await;
    // Whoever follows the log has passed it on, and kept it.
    let mut first = server.hello("bob", live_from(room, 51)).await;
    first.until_pong().await;
    let followed = async {
        while series(&server.metrics().await, "tidewire_handed_out_total") != "51" {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, followed).await.unwrap();
    let given = async || {
        let text = server.metrics().await;
        let of = |from: &str| -> u64 {
            series(&text, &format!("tidewire_event_bodies_total{{from=\"{from}\"}}"))
                .parse()
                .unwrap()
        };
        (of("memory"), of("database"))
    };
    let before = given().await;
    // 20 each by a page of the feed, 50 each by a live room, 50 each by a history.
    let mut connections = Vec::new();
    for _ in 0..10 {
        server.sync("bob", &request(cursor.clone())).await;
        let mut live = server.hello("bob", live_from(room, 1)).await;
        live.until_pong().await;
        connections.push(live);
        let page = server.get("bob", &format!("/v1/rooms/{room}/messages?limit=50")).await;
        assert_eq!(page.status, 200);
    }
    let after = given().await;
    assert_eq!((after.0 - before.0, after.1 - before.1), (10 * (20 + 50 + 50), 0));
    let text = server.metrics().await;
    assert!(series(&text, "tidewire_hot_events_bytes").parse::<u64>().unwrap() > 51 * 128);
}
