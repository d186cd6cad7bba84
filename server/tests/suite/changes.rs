//! Edits, deletions, reactions and threads from outside: what is refused is typed, what is taken is told
//! as it was written, and history has it folded.

use serde_json::{Value, json};
use tidewire_protocol::{
    ErrorCode, EventKind, History, OpOutcome, RoomId, RoomState, Sent, ServerFrame,
};
use uuid::Uuid;

use crate::harness::{Running, feed_from, live_from, seqs, start};

/// Sends one operation as JSON. Gives its id and what became of it.
async fn op(
    server: &Running,
    name: &str,
    room: RoomId,
    kind: &str,
    content: Value,
) -> (String, OpOutcome) {
    let id = Uuid::now_v7().to_string();
    let ops = json!({ "ops": [{ "id": id, "kind": kind, "content": content }] });
    let sent: Sent = server.post(name, &format!("/v1/rooms/{room}/ops"), &ops).await.parse();
    (id, sent.results.into_iter().next().unwrap().outcome)
}

async fn taken(server: &Running, name: &str, room: RoomId, kind: &str, content: Value) -> String {
    match op(server, name, room, kind, content).await {
        (id, OpOutcome::Accepted { .. }) => id,
        other => panic!("{other:?}"),
    }
}

async fn put(server: &Running, name: &str, path: &str, body: &Value) -> crate::harness::Answer {
    server.call("PUT", path, Some(&server.token(name)), Some(&body.to_string())).await
}

#[tokio::test]
async fn each_refusal_of_a_change_is_typed() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let said = taken(&server, "ada", room, "message", json!({ "text": "said" })).await;
    let gone = taken(&server, "ada", room, "message", json!({ "text": "gone" })).await;
    taken(&server, "ada", room, "delete", json!({ "target": gone })).await;
    let inside =
        taken(&server, "bob", room, "message", json!({ "text": "x", "thread": said })).await;
    let nowhere = Uuid::now_v7().to_string();
    let text = json!({ "text": "better" });
    let long = "k".repeat(65);
    use ErrorCode::*;
    for (name, kind, content, expected) in [
        ("ada", "edit", json!({ "target": nowhere, "content": text }), UnknownMessage),
        ("ada", "edit", json!({ "target": "x", "content": text }), InvalidContent),
        ("ada", "edit", json!({ "target": said }), InvalidContent),
        ("ada", "edit", json!({ "target": said, "content": { "text": "" } }), InvalidContent),
        ("ada", "edit", json!({ "target": said, "content": 7 }), InvalidContent),
        ("bob", "edit", json!({ "target": said, "content": text }), Forbidden),
        ("ada", "edit", json!({ "target": gone, "content": text }), MessageDeleted),
        ("ada", "delete", json!({ "target": nowhere }), UnknownMessage),
        ("ada", "delete", json!({}), InvalidContent),
        ("ada", "delete", json!(null), InvalidContent),
        ("ada", "delete", json!({ "target": gone }), NoChange),
        ("bob", "delete", json!({ "target": said }), Forbidden),
        ("bob", "reaction", json!({ "target": nowhere, "key": "+" }), UnknownMessage),
        ("bob", "reaction", json!({ "target": gone, "key": "+" }), MessageDeleted),
        ("bob", "reaction", json!({ "target": said, "key": "" }), InvalidContent),
        ("bob", "reaction", json!({ "target": said, "key": long }), InvalidContent),
        ("bob", "reaction", json!({ "target": said }), InvalidContent),
        ("bob", "reaction", json!({ "target": said, "key": ["+"] }), InvalidContent),
        ("bob", "reaction", json!({ "target": said, "key": "+", "removed": true }), NoChange),
        ("bob", "message", json!({ "text": "x", "thread": nowhere }), UnknownMessage),
        ("bob", "message", json!({ "text": "x", "thread": inside }), InvalidContent),
        ("bob", "message", json!({ "text": "x", "thread": 7 }), InvalidContent),
        ("bob", "message", json!({ "text": "x", "reply_to": nowhere }), UnknownMessage),
        ("bob", "message", json!({ "text": "x", "reply_to": "x" }), InvalidContent),
        ("ada", "room.updated", json!({ "name": "forged" }), InvalidContent),
        ("ada", "member.role", json!({ "user": "ada", "role": "owner" }), InvalidContent),
    ] {
        match op(&server, name, room, kind, content.clone()).await.1 {
            OpOutcome::Refused { error } => {
                assert_eq!(error.code, expected, "{kind} {content}");
                assert!(!error.temporary && !error.message.is_empty());
            }
            other => panic!("{kind} {content}: {other:?}"),
        }
    }
    let state: RoomState = server.get("ada", &format!("/v1/rooms/{room}")).await.parse();
    assert_eq!(state.head_seq.get(), 5, "nothing of it was written");
    server.server.stop().await;
}

#[tokio::test]
async fn each_bad_request_for_rooms_and_messages_is_typed() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let said = taken(&server, "ada", room, "message", json!({ "text": "said" })).await;
    let base = format!("/v1/rooms/{room}");
    let nowhere = Uuid::now_v7();
    use ErrorCode::*;
    for (name, path, expected) in [
        ("ada", format!("{base}/messages?thread=x"), BadRequest),
        ("ada", format!("{base}/messages?thread={nowhere}"), UnknownMessage),
        ("ada", format!("{base}/messages?thread={said}&before=1&after=1"), BadRequest),
        ("eve", format!("{base}/messages?thread={said}"), NotAMember),
        ("ada", format!("{base}/messages/x"), BadRequest),
        ("ada", format!("{base}/messages/{nowhere}"), UnknownMessage),
        ("eve", format!("{base}/messages/{said}"), NotAMember),
        ("eve", format!("{base}/messages/{nowhere}"), NotAMember),
        ("ada", format!("/v1/rooms/{nowhere}/messages/{said}"), NotAMember),
    ] {
        assert_eq!(server.get(name, &path).await.code(), expected, "{name} {path}");
    }
    let long = "x".repeat(1_025);
    for (name, path, body, expected) in [
        ("ada", base.clone(), json!({ "name": "x".repeat(257) }), InvalidContent),
        ("ada", base.clone(), json!({ "avatar_url": long }), InvalidContent),
        ("ada", base.clone(), json!({ "name": 7 }), BadRequest),
        ("ada", base.clone(), json!([]), BadRequest),
        ("bob", base.clone(), json!({ "name": "mine" }), Forbidden),
        ("eve", base.clone(), json!({ "name": "mine" }), NotAMember),
        ("ada", "/v1/rooms/x".into(), json!({}), BadRequest),
        ("ada", format!("{base}/members/bob"), json!({ "role": "king" }), InvalidContent),
        ("ada", format!("{base}/members/bob"), json!({}), BadRequest),
        ("ada", format!("{base}/members/eve"), json!({ "role": "owner" }), InvalidContent),
        ("ada", format!("{base}/members/b%20b"), json!({ "role": "owner" }), BadRequest),
        ("ada", format!("{base}/members/ada"), json!({ "role": "member" }), Forbidden),
        ("bob", format!("{base}/members/bob"), json!({ "role": "owner" }), Forbidden),
        ("eve", format!("{base}/members/eve"), json!({ "role": "owner" }), NotAMember),
        ("eve", format!("{base}/settings"), json!({ "muted": true }), NotAMember),
        ("ada", format!("/v1/rooms/{nowhere}/settings"), json!({}), NotAMember),
        ("ada", format!("{base}/settings"), json!({ "muted": 1 }), BadRequest),
        ("ada", format!("{base}/settings"), json!([]), BadRequest),
    ] {
        let answer = put(&server, name, &path, &body).await;
        assert_eq!(answer.code(), expected, "{name} {path} {body}");
    }
    let answer = server.call("DELETE", &base, Some(&server.token("ada")), None).await;
    assert_eq!(answer.code(), MethodNotAllowed);
    server.server.stop().await;
}

#[tokio::test]
async fn changes_are_pushed_as_they_were_written_and_history_has_them_folded() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let cursor = server.cursor("bob").await;
    let mut feed = server.hello("bob", feed_from(cursor)).await;
    let mut live = server.hello("bob", live_from(room, 1)).await;
    assert!(matches!(feed.next().await, ServerFrame::Batch(_)));
    live.until_pong().await;
    let said = taken(&server, "ada", room, "message", json!({ "text": "said" })).await;
    taken(&server, "ada", room, "edit", json!({ "target": said, "content": { "text": "new" } }))
        .await;
    taken(&server, "bob", room, "reaction", json!({ "target": said, "key": "+" })).await;
    for (socket, is_live) in [(&mut feed, false), (&mut live, true)] {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            match socket.next().await {
                ServerFrame::Batch(page) if !is_live => seen.extend(page.events),
                ServerFrame::Live(live) if is_live => seen.extend(live.events),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(seqs(&seen), [2, 3, 4]);
        let kinds: Vec<EventKind> = seen.iter().map(|event| event.kind.clone()).collect();
        assert_eq!(kinds, [EventKind::Message, EventKind::Edit, EventKind::Reaction]);
        assert!(seen.iter().all(|event| event.fold.is_none()));
        assert_eq!(seen[0].content.as_json(), r#"{"text":"said"}"#);
    }
    let page: History = server.get("bob", &format!("/v1/rooms/{room}/messages")).await.parse();
    assert_eq!(seqs(&page.messages), [1, 2]);
    assert_eq!(page.messages[1].content.as_json(), r#"{"text":"new"}"#);
    let fold = page.messages[1].fold.clone().unwrap();
    assert!(fold.edited.is_some() && fold.reactions[0].mine);
    let one = server.get("ada", &format!("/v1/rooms/{room}/messages/{said}")).await;
    let one: History = one.parse();
    assert!(!one.messages[0].fold.clone().unwrap().reactions[0].mine);
    server.server.stop().await;
}
