//! Tokens that are taken back before their end.

use std::process::Command;
use std::time::{Duration, Instant};

use tidewire_protocol::{ErrorCode, Hello, ServerFrame};
use tidewire_server::auth::Revocation;
use tidewire_server::{Config, Server};

use crate::harness::{PATIENCE, Running, feed_from, request, start};

fn revoke(server: &Running, what: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire-server"));
    command.arg("revoke").args(what).arg("--data").arg(server.folder.path()).env_clear();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn quiet() -> Hello {
    Hello { heartbeat_ms: 30_000, ..Hello::default() }
}

async fn until_refused(server: &Running, token: &str) {
    let begun = Instant::now();
    loop {
        let answer = server.call("GET", "/v1/bootstrap", Some(token), None).await;
        if answer.status != 200 {
            assert_eq!(answer.code(), ErrorCode::TokenInvalid);
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "never refused");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_closed_wherever_it_is_open_and_stays_out_after_a_restart() {
    let server = start().await;
    let (token, cursor) = (server.token("ada"), server.cursor("ada").await);
    let mut socket = server.hello("ada", feed_from(cursor.clone())).await;
    assert!(matches!(socket.next().await, ServerFrame::Batch(_)));
    let mut others = server.hello("bob", quiet()).await;
    let stream = format!(
        "GET /v1/events?cursor={cursor} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let waiting = request(cursor.clone());
    let waiting = tidewire_protocol::SyncRequest { wait_ms: 25_000, ..waiting };
    let waited = async {
        // An event ends the wait after the token has gone.
        let answer = server.post("ada", "/v1/sync", &waiting).await;
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    };
    let streamed = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream_of = tokio::net::TcpStream::connect(server.server.addr()).await.unwrap();
        stream_of.write_all(stream.as_bytes()).await.unwrap();
        let (mut text, mut piece) = (String::new(), vec![0; 4_096]);
        while !text.contains("event: error") {
            let read = stream_of.read(&mut piece);
            let bytes = tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
            assert_ne!(bytes, 0, "it says why: {text}");
            text += &String::from_utf8_lossy(&piece[..bytes]);
        }
        text
    };
    let taking_back = async {
        // All three are there, or come to a closed door.
        server.hello("bob", quiet()).await.until_pong().await;
        revoke(&server, &["--user", "ada"]);
        assert_eq!(socket.next_error().await, ErrorCode::TokenInvalid);
        socket.assert_closed().await;
        until_refused(&server, &token).await;
        let room = server.group("bob", &["ada"]).await;
        server.say("bob", room, 1).await;
    };
    let ((status, body), text, ()) = tokio::join!(waited, streamed, taking_back);
    assert_eq!(status, 401, "{body}");
    assert!(text.contains("token_invalid"), "{text}");
    others.until_pong().await;

    server.server.stop().await;
    let again = Server::start(Config::new(server.folder.path())).await.unwrap();
    let server = Running { server: again, folder: server.folder };
    let answer = server.call("GET", "/v1/bootstrap", Some(&token), None).await;
    assert_eq!(answer.code(), ErrorCode::TokenInvalid, "also after a restart");
    assert_eq!(server.get("bob", "/v1/bootstrap").await.status, 200);
    // Another one, of a later second.
    let begun = Instant::now();
    while server.get("ada", "/v1/bootstrap").await.status != 200 {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_is_revoked_by_its_id_and_its_users_others_are_not() {
    use base64::Engine;
    let server = start().await;
    let (one, other) = (server.token("ada"), server.token("ada"));
    let claims = one.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    revoke(&server, &["--token-id", claims["jti"].as_str().unwrap()]);
    until_refused(&server, &one).await;
    let third = server.token("bob");
    let of_bob = Revocation::User { user: "bob".parse().unwrap(), until: u64::MAX >> 1 };
    server.server.revoke(of_bob).await.unwrap();
    let refused = server.call("GET", "/v1/bootstrap", Some(&third), None).await;
    assert_eq!(refused.code(), ErrorCode::TokenInvalid, "at once, on this server");
    assert_eq!(server.call("GET", "/v1/bootstrap", Some(&other), None).await.status, 200);
}
