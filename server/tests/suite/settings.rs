//! Settings of rooms from outside: on every way to the user's other devices, and to nobody else.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidewire_protocol::{Page, RoomId, RoomSettings, ServerFrame, SettingsNews, SyncRequest};

use crate::harness::{Running, Socket, feed_from, request, start, start_with};

const MUTED: RoomSettings = RoomSettings { muted: true, pinned: false, archived: false };

async fn set(server: &Running, name: &str, room: RoomId, body: &Value) -> RoomSettings {
    let path = format!("/v1/rooms/{room}/settings");
    server.call("PUT", &path, Some(&server.token(name)), Some(&body.to_string())).await.parse()
}

async fn batch(socket: &mut Socket) -> Page {
    match socket.next().await {
        ServerFrame::Batch(page) => page,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn settings_are_pushed_to_their_user_and_end_a_wait() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("ada").await;
    let mut socket = server.hello("ada", feed_from(cursor.clone())).await;
    let mut bob = server.hello("bob", feed_from(server.cursor("bob").await)).await;
    let mut stream = server.events("ada", &cursor).await;
    assert!(batch(&mut socket).await.settings.is_empty());
    assert!(stream.page().await.settings.is_empty());
    batch(&mut bob).await;

    let waiting = SyncRequest { wait_ms: 25_000, ..request(cursor.clone()) };
    let started = Instant::now();
    let change = json!({ "muted": true });
    let (answer, now) =
        tokio::join!(server.sync("ada", &waiting), set(&server, "ada", room, &change));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert_eq!(now, MUTED);
    let told = [SettingsNews { room, settings: MUTED, version: 1 }];
    assert_eq!(answer.page.unwrap().settings, told);
    let page = batch(&mut socket).await;
    assert_eq!((page.settings.as_slice(), page.events.len()), (told.as_slice(), 0));
    assert_eq!(stream.page().await.settings, told);
    // The others hear nothing of it, and a repeat is no news for anybody.
    set(&server, "ada", room, &change).await;
    assert_eq!(bob.until_pong().await, []);
    assert_eq!(socket.until_pong().await, []);
    let page = server.sync("bob", &request(server.cursor("bob").await)).await.page.unwrap();
    assert!(page.settings.is_empty());
    server.server.stop().await;
}

#[tokio::test]
async fn settings_changed_again_and_again_come_once_in_a_page() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    let other = server.group("ada", &[]).await;
    let cursor = server.cursor("ada").await;
    set(&server, "ada", other, &json!({ "archived": true })).await;
    for n in 0..10 {
        set(&server, "ada", room, &json!({ "muted": n % 2 == 1, "pinned": n % 2 == 0 })).await;
    }
    let page = server.sync("ada", &request(cursor.clone())).await.page.unwrap();
    let told: Vec<RoomId> = page.settings.iter().map(|news| news.room).collect();
    assert_eq!(told, [other, room]);
    assert_eq!(page.settings[1].settings, MUTED);
    let mut stream = server.events("ada", &cursor).await;
    assert_eq!(stream.page().await.settings, page.settings);
    server.server.stop().await;
}

#[tokio::test]
async fn settings_count_against_the_rate() {
    let server = start_with(|config| {
        config.rate_limit = Some(tidewire_server::RateLimit { per_second: 0.001, burst: 3 });
    })
    .await;
    let room = server.group("ada", &[]).await;
    let path = format!("/v1/rooms/{room}/settings");
    let token = server.token("ada");
    let mut codes = Vec::new();
    for _ in 0..4 {
        let answer = server.call("PUT", &path, Some(&token), Some("{}")).await;
        codes.push(answer.status);
    }
    assert_eq!(codes.last(), Some(&429), "{codes:?}");
    server.server.stop().await;
}
