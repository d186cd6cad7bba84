//! HTTP: every wrong request gets the typed error that says what was wrong.

use serde_json::json;
use tidewire_protocol::{
    Bootstrap, ErrorBody, ErrorCode, History, MemberPage, Op, OpOutcome, Profiles, RoomPage,
    RoomState, Sent, limits,
};
use tidewire_server::RateLimit;
use uuid::Uuid;

use crate::harness::{message, seqs, start, start_with, user, value};

/// Method, path, token, body, and the code to come.
type Case<'a> = (&'a str, String, Option<&'a str>, Option<&'a str>, ErrorCode);

#[tokio::test]
async fn every_error_answer_has_the_typed_body() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let (ada, eve) = (server.token("ada"), server.token("eve"));
    let (ada, eve) = (Some(ada.as_str()), Some(eve.as_str()));
    let base = format!("/v1/rooms/{room}");
    let unknown = Uuid::now_v7();
    let new_room = |id: String, kind: &str, members: &str| {
        format!(r#"{{"id":"{id}","kind":"{kind}","members":{members}}}"#)
    };
    let too_many: Vec<Op> = (0..51).map(|_| message("x")).collect();
    let too_many = json!({ "ops": too_many }).to_string();
    let one = json!({ "ops": [message("x")] }).to_string();
    let too_large: Vec<Op> = (0..9).map(|_| message(&"x".repeat(8_000))).collect();
    let too_large = json!({ "ops": too_large }).to_string();
    let crowd = format!(r#"{{"users":{}}}"#, json!(vec!["u"; 101]));
    let direct = new_room(Uuid::now_v7().to_string(), "direct", "[]");
    let taken = new_room(room.to_string(), "group", "[]");
    let odd = new_room(Uuid::now_v7().to_string(), "tavern", "[]");
    let two_rooms = json!({ "ops": [{ "room": room, "ops": [] }, { "room": room, "ops": [] }] });
    let two_rooms = two_rooms.to_string();
    let long_name = json!({ "name": "x".repeat(257) }).to_string();
    use ErrorCode::*;
    let cases: Vec<Case<'_>> = vec![
        ("GET", "/v1/bootstrap".into(), None, None, TokenInvalid),
        ("GET", "/v1/bootstrap".into(), Some("rubbish"), None, TokenInvalid),
        ("POST", "/v1/sync".into(), None, Some("{}"), TokenInvalid),
        ("GET", "/v1/socket".into(), ada, None, BadRequest),
        ("GET", "/".into(), ada, None, NotFound),
        ("GET", "/v1/nothing".into(), None, None, NotFound),
        ("DELETE", "/v1/sync".into(), ada, None, MethodNotAllowed),
        ("POST", "/healthz".into(), None, None, MethodNotAllowed),
        ("POST", "/v1/sync".into(), ada, None, BadRequest),
        ("POST", "/v1/sync".into(), ada, Some("{"), BadRequest),
        ("POST", "/v1/sync".into(), ada, Some(""), BadRequest),
        ("POST", "/v1/sync".into(), ada, Some("[]"), BadRequest),
        ("POST", "/v1/sync".into(), ada, Some(r#"{"cursor":7}"#), BadRequest),
        ("POST", "/v1/sync".into(), ada, Some(r#"{"cursor":"x"}"#), CursorInvalid),
        ("POST", "/v1/sync".into(), ada, Some(&two_rooms), InvalidContent),
        ("GET", "/v1/rooms?after=x".into(), ada, None, BadRequest),
        ("POST", "/v1/rooms".into(), ada, Some("{}"), BadRequest),
        ("POST", "/v1/rooms".into(), ada, Some(&direct), InvalidContent),
        ("POST", "/v1/rooms".into(), ada, Some(&odd), InvalidContent),
        ("POST", "/v1/rooms".into(), eve, Some(&taken), IdTaken),
        ("GET", "/v1/rooms/x".into(), ada, None, BadRequest),
        ("GET", "/v1/rooms/%ff".into(), ada, None, BadRequest),
        ("GET", format!("/v1/rooms/{unknown}"), ada, None, NotAMember),
        ("GET", base.clone(), eve, None, NotAMember),
        ("GET", format!("{base}/members"), eve, None, NotAMember),
        ("GET", format!("{base}/members?after=%20"), ada, None, BadRequest),
        ("POST", format!("{base}/members"), eve, Some(r#"{"users":["eve"]}"#), NotAMember),
        ("POST", format!("{base}/members"), ada, Some(r#"{"users":[" "]}"#), BadRequest),
        ("POST", format!("{base}/members"), ada, Some(&crowd), InvalidContent),
        ("DELETE", format!("{base}/members/bob"), eve, None, NotAMember),
        ("DELETE", format!("{base}/members/b%20b"), ada, None, BadRequest),
        ("GET", format!("{base}/messages"), eve, None, NotAMember),
        ("GET", format!("{base}/messages?before=1&after=1"), ada, None, BadRequest),
        ("GET", format!("{base}/messages?before=-1"), ada, None, BadRequest),
        ("GET", format!("{base}/messages?limit=x"), ada, None, BadRequest),
        ("POST", format!("{base}/ops"), eve, Some(&one), NotAMember),
        ("POST", format!("{base}/ops"), ada, Some(r#"{"ops":[]}"#), InvalidContent),
        ("POST", format!("{base}/ops"), ada, Some(&too_many), InvalidContent),
        ("POST", format!("{base}/ops"), ada, Some(&too_large), TooLarge),
        ("POST", "/v1/profiles:batch".into(), ada, Some(&crowd), InvalidContent),
        ("PUT", "/v1/profile".into(), ada, Some(&long_name), InvalidContent),
    ];
    for (method, path, token, body, expected) in cases {
        let answer = server.call(method, &path, token, body).await;
        assert_eq!(answer.code(), expected, "{method} {path} {body:?}");
    }
    // Somebody in the room who may not do it.
    let bob = server.token("bob");
    let kick = server.call("DELETE", &format!("{base}/members/ada"), Some(&bob), None).await;
    assert_eq!(kick.code(), Forbidden);
    server.server.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_or_of_another_type_is_refused() {
    let server = start().await;
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n",
        server.token("ada")
    );
    let declared = format!(
        "{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        limits::BODY_BYTES + 1
    );
    assert_eq!(server.raw(declared.as_bytes()).await.code(), ErrorCode::TooLarge);
    let size = limits::BODY_BYTES + 1;
    let chunked = format!(
        "{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{}",
        " ".repeat(size)
    );
    assert_eq!(server.raw(chunked.as_bytes()).await.code(), ErrorCode::TooLarge);
    let text = format!("{head}content-type: text/plain\r\ncontent-length: 2\r\n\r\n{{}}");
    assert_eq!(server.raw(text.as_bytes()).await.code(), ErrorCode::BadRequest);
    server.server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_temporary() {
    let server =
        start_with(|config| config.body_timeout = std::time::Duration::from_millis(50)).await;
    let head = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: 10\r\n\r\n{{",
        server.token("ada")
    );
    let answer = server.raw(head.as_bytes()).await;
    assert_eq!(answer.code(), ErrorCode::Unavailable);
    assert_eq!(answer.header("retry-after"), Some("1"));
    server.server.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_told_apart_from_a_bad_one() {
    let server = start().await;
    let claims = json!({ "sub": "ada", "exp": 1, "iat": 0 });
    let secret = std::fs::read_to_string(server.folder.path().join("secret.key")).unwrap();
    let secret: Vec<u8> =
        (0..64).step_by(2).map(|i| u8::from_str_radix(&secret[i..i + 2], 16).unwrap()).collect();
    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
    let old = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let answer = server.call("GET", "/v1/bootstrap", Some(&old), None).await;
    assert_eq!(answer.code(), ErrorCode::TokenExpired);
    server.server.stop().await;
}

#[tokio::test]
async fn who_sends_too_fast_gets_a_slot_and_repeats_are_free() {
    let server = start_with(|config| config.rate_limit = Some(Default::default())).await;
    let room = server.group("eve", &["ada"]).await;
    let ops: Vec<Op> = (0..50).map(|n| message(&n.to_string())).collect();
    let first: Sent = server.ops("ada", room, &ops[..40]).await.parse();
    // The first answer was lost, as far as the client knows: 40 repeats and 10 more.
    let again: Sent = server.ops("ada", room, &ops[..10]).await.parse();
    assert_eq!(first.results[..10], again.results);
    server.ops("ada", room, &ops[40..]).await.parse::<Sent>();
    let extra: Vec<Op> = (0..50).map(|_| message("more")).collect();
    let refused = server.ops("ada", room, &extra).await;
    assert_eq!(refused.code(), ErrorCode::RateLimited);
    let body: ErrorBody = serde_json::from_slice(&refused.body).unwrap();
    let slot = body.error.retry_after_ms.unwrap();
    assert!((1..=5_000).contains(&slot), "{slot}");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(seconds, slot.div_ceil(1_000));
    server.server.stop().await;
}

#[tokio::test]
async fn rooms_members_and_profiles_count_as_well_unless_they_are_refused() {
    let server = start_with(|config| {
        config.rate_limit = Some(RateLimit { per_second: 0.001, burst: 50 });
    })
    .await;
    // More members than the burst has places: possible, and the burst is used up by it.
    let crowd: Vec<String> = (0..100).map(|n| format!("u{n}")).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    let room = server.group("ada", &crowd).await;
    let ada = server.token("ada");
    let base = format!("/v1/rooms/{room}/members");
    let new = json!({ "id": Uuid::now_v7(), "kind": "group", "members": [] }).to_string();
    let cases = [
        ("POST", "/v1/rooms".to_owned(), Some(new.as_str())),
        ("POST", base.clone(), Some(r#"{"users":["bob"]}"#)),
        ("DELETE", format!("{base}/u1"), None),
        ("PUT", "/v1/profile".into(), Some(r#"{"name":"Ada"}"#)),
        ("PUT", "/v1/blocks/u1".into(), None),
        ("DELETE", "/v1/blocks/u1".into(), None),
    ];
    for (method, path, body) in &cases {
        let answer = server.call(method, path, Some(&ada), *body).await;
        assert_eq!(answer.code(), ErrorCode::RateLimited, "{method} {path}");
    }
    // Sixty times, since nothing of it is written.
    let (u1, path) = (server.token("u1"), format!("{base}/ada"));
    for _ in 0..60 {
        let kick = server.call("DELETE", &path, Some(&u1), None).await;
        assert_eq!(kick.code(), ErrorCode::Forbidden);
    }
    server.server.stop().await;
}

#[tokio::test]
async fn operations_are_applied_once_and_a_foreign_id_gives_nothing_away() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let op = message("secret");
    let first: Sent = server.ops("ada", room, std::slice::from_ref(&op)).await.parse();
    let again: Sent = server.ops("ada", room, std::slice::from_ref(&op)).await.parse();
    assert_eq!(first, again);
    let mut mine = message("mine");
    mine.id = op.id;
    let refused = server.ops("bob", room, &[mine, message("next")]).await;
    assert!(!String::from_utf8_lossy(&refused.body).contains("secret"));
    let refused: Sent = refused.parse();
    match &refused.results[0].outcome {
        OpOutcome::Refused { error } => assert_eq!(error.code, ErrorCode::IdTaken),
        other => panic!("{other:?}"),
    }
    assert_eq!(refused.results[1].outcome, OpOutcome::NotTried);
    server.server.stop().await;
}

#[tokio::test]
async fn rooms_members_history_and_profiles_answer_in_their_shapes() {
    let server = start().await;
    let room = server.group("ada", &["bob"]).await;
    let direct = json!({ "id": Uuid::now_v7(), "kind": "direct", "members": ["bob"] });
    let direct: RoomState = server.post("ada", "/v1/rooms", &direct).await.parse();
    assert_eq!(direct.peer, Some(user("bob")));
    let added: RoomState = server
        .post("ada", &format!("/v1/rooms/{room}/members"), &json!({ "users": ["eve/../x", "bob"] }))
        .await
        .parse();
    assert_eq!((added.members, added.head_seq.get()), (3, 2));
    let members: MemberPage = server.get("bob", &format!("/v1/rooms/{room}/members")).await.parse();
    assert_eq!(members.members.len(), 3);
    // A user id with a slash travels percent-encoded.
    let path = format!("/v1/rooms/{room}/members/eve%2F..%2Fx");
    let removed = server.call("DELETE", &path, Some(&server.token("ada")), None).await;
    assert_eq!(removed.parse::<RoomState>().members, 2);
    server.say("ada", room, 250).await;
    let history: History =
        server.get("bob", &format!("/v1/rooms/{room}/messages?limit=9999")).await.parse();
    assert_eq!(seqs(&history.messages), (54..=253).collect::<Vec<_>>());
    let list: RoomPage = server.get("bob", "/v1/rooms").await.parse();
    assert_eq!((list.rooms.len(), list.next), (2, None));
    let put = r#"{"name":"Ada"}"#;
    let token = server.token("ada");
    let put = server.call("PUT", "/v1/profile", Some(&token), Some(put)).await;
    assert_eq!(put.status, 200);
    let asked = json!({ "users": ["bob", "ada"] });
    let profiles: Profiles = server.post("bob", "/v1/profiles:batch", &asked).await.parse();
    assert_eq!(profiles.profiles[1].name.as_deref(), Some("Ada"));
    let bootstrap: Bootstrap = server.get("ada", "/v1/bootstrap").await.parse();
    assert_eq!((bootstrap.user, bootstrap.rooms.len()), (user("ada"), 2));
    let health = server.call("GET", "/healthz", None, None).await;
    assert_eq!(value(std::str::from_utf8(&health.body).unwrap()), json!({ "status": "ok" }));
    server.server.stop().await;
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_asks() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    server.say("ada", room, 100).await;
    let get = |path: String| {
        let token = server.token("ada");
        format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept-encoding: gzip\r\n\
             authorization: Bearer {token}\r\n\r\n"
        )
    };
    let history = server.raw(get(format!("/v1/rooms/{room}/messages")).as_bytes()).await;
    assert_eq!(history.header("content-encoding"), Some("gzip"));
    let small = server.raw(get("/v1/rooms/none".into()).as_bytes()).await;
    assert_eq!(small.header("content-encoding"), None);
    assert_eq!(small.code(), ErrorCode::BadRequest);
    server.server.stop().await;
}
