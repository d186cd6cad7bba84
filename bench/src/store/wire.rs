//! A server made of prepared bytes: what it sends costs nothing while it is measured. It speaks the
//! calls that a polling client makes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Value, json};
use tidewire_protocol::limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Error;

/// Events of one page of the feed.
pub(super) const PAGE: u64 = 50;

/// The user whose client is measured.
pub(super) const USER: &str = "ada";

const BEGAN_AT: u64 = 1_760_000_000_000;

pub(super) fn room_id(number: u64) -> String {
    format!("0199c306-6400-7000-8000-{number:012x}")
}

fn event_id(room: u64, seq: u64) -> String {
    format!("0199c307-{:04x}-7000-8000-{seq:012x}", room % 0x1_0000)
}

/// What a message says: as long as most.
pub(super) fn text(seq: u64) -> String {
    format!("Message {seq}, about as long as what people write to each other in a chat.")
}

/// An event as the server tells it.
fn event(room: u64, seq: u64, kind: &str, content: &Value) -> Value {
    json!({
        "id": event_id(room, seq), "room": room_id(room), "seq": seq,
        "sender": format!("user-{:02}", seq % 10), "at": BEGAN_AT + seq * 1_000,
        "kind": kind, "content": content,
    })
}

/// A message as the server tells it.
pub(super) fn message(room: u64, seq: u64) -> Value {
    event(room, seq, "message", &json!({"text": text(seq)}))
}

/// A message as long as a message may be.
pub(super) fn longest_message(room: u64, seq: u64) -> Value {
    let words = text(seq).repeat(limits::TEXT_BYTES / text(seq).len());
    event(room, seq, "message", &json!({"text": words}))
}

/// What a room's log has at this place: of a hundred events five are reactions and two are edits, each
/// of a message a little before it.
fn logged(room: u64, seq: u64) -> Value {
    match seq {
        _ if seq > 10 && seq % 20 == 7 => {
            let target = event_id(room, seq - 3);
            event(room, seq, "reaction", &json!({"target": target, "key": "👍"}))
        }
        // Of the same sender.
        _ if seq > 10 && seq % 50 == 13 => {
            let content = json!({"text": format!("{} (edited)", text(seq - 10))});
            let target = event_id(room, seq - 10);
            event(room, seq, "edit", &json!({"target": target, "content": content}))
        }
        _ => message(room, seq),
    }
}

/// A room as the server tells it.
pub(super) fn room(number: u64, head: u64, first: u64) -> Value {
    json!({
        "id": room_id(number), "kind": "group", "name": format!("Room {number}"),
        "created_at": BEGAN_AT, "members": 10, "role": "member", "joined": true,
        "first_seq": first, "head_seq": head,
    })
}

/// What the feed has: events in so many rooms, page by page, each as the bytes of an answer.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) rooms: u64,
    pub(super) pages: Vec<Vec<u8>>,
}

impl Feed {
    /// The events go round the rooms.
    pub(super) fn new(rooms: u64, events: u64) -> Self {
        let mut heads = vec![0; rooms as usize];
        let pages = events / PAGE;
        let pages = (0..pages).map(|page| {
            let events: Vec<Value> = (page * PAGE..(page + 1) * PAGE)
                .map(|number| {
                    let room = number % rooms;
                    let head = &mut heads[room as usize];
                    *head += 1;
                    logged(room, *head)
                })
                .collect();
            // After the last one too the client asks at once, which tells when that was on disk.
            answer(page, &events, page + 1, true)
        });
        Self { rooms, pages: pages.collect() }
    }
}

fn answer(from: u64, events: &[Value], to: u64, more: bool) -> Vec<u8> {
    let page = json!({
        "from": format!("c{from}"), "events": events, "to": format!("c{to}"), "more": more,
    });
    json!({"page": page, "online": 1, "now": BEGAN_AT}).to_string().into_bytes()
}

/// The server.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) url: String,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    feed: Feed,
    /// When which page was asked for, the one behind the last too.
    asked: Mutex<Vec<Option<Instant>>>,
}

impl Wire {
    pub(super) async fn start(feed: Feed) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address: SocketAddr = listener.local_addr()?;
        let asked = Mutex::new(vec![None; feed.pages.len() + 1]);
        let shared = Arc::new(Shared { feed, asked });
        let serving = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = serving.clone();
                tokio::spawn(async move { drop(shared.serve(stream).await) });
            }
        });
        Ok(Self { url: format!("http://{address}"), shared, task })
    }

    /// When the pages were asked for: the one behind the last is asked for when the last is on disk.
    pub(super) fn asked(&self) -> Vec<Instant> {
        let asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().copied().map_while(|at| at).collect()
    }

    pub(super) fn pages(&self) -> &[Vec<u8>] {
        &self.shared.feed.pages
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nodelay(true)?;
        let mut buffer = Vec::new();
        loop {
            let Some(head_end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
                continue;
            };
            let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                })
                .unwrap_or(0usize);
            while buffer.len() < head_end + 4 + length {
                if stream.read_buf(&mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            let body: Vec<u8> = buffer.drain(..head_end + 4 + length).skip(head_end + 4).collect();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, answer) = self.answer(path, &body);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                answer.len()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&answer).await?;
        }
    }

    fn answer(&self, path: &str, body: &[u8]) -> (&'static str, Vec<u8>) {
        const OK: &str = "200 OK";
        if path == "/v1/bootstrap" {
            let rooms: Vec<Value> = (0..self.feed.rooms).map(|number| room(number, 0, 1)).collect();
            let answer = json!({
                "user": USER, "epoch": "e", "cursor": "c0", "rooms": rooms, "online": 1,
                "idempotency_window_ms": 7_776_000_000u64, "now": BEGAN_AT,
            });
            return (OK, answer.to_string().into_bytes());
        }
        if path == "/v1/sync" {
            let request: Value = serde_json::from_slice(body).unwrap_or_default();
            let cursor = request["cursor"].as_str().and_then(|text| text.strip_prefix('c'));
            let at: usize = cursor.and_then(|text| text.parse().ok()).unwrap_or(0);
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(asked) = asked.get_mut(at) {
                asked.get_or_insert_with(Instant::now);
            }
            let page = self.feed.pages.get(at).cloned();
            return (OK, page.unwrap_or_else(|| answer(at as u64, &[], at as u64, false)));
        }
        if let Some(history) = history(path) {
            return (OK, history);
        }
        let error =
            json!({"error": {"code": "not_found", "message": "none here", "temporary": false}});
        ("404 Not Found", error.to_string().into_bytes())
    }
}

/// The older messages of a room, made as they are asked for.
fn history(path: &str) -> Option<Vec<u8>> {
    let (room, query) = path.strip_prefix("/v1/rooms/")?.split_once("/messages")?;
    let room = u64::from_str_radix(room.rsplit('-').next()?, 16).ok()?;
    let of = |name: &str| -> Option<u64> {
        let mut pairs = query.trim_start_matches('?').split('&');
        pairs.find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let (before, limit) = (of("before")?, of("limit").unwrap_or(100));
    let from = before.saturating_sub(limit).max(1);
    let messages: Vec<Value> = (from..before).map(|seq| message(room, seq)).collect();
    let answer = json!({
        "messages": messages, "covers": [from, before - 1], "as_of": before, "first_seq": 1,
    });
    Some(answer.to_string().into_bytes())
}
