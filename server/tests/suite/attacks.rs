//! Whoever means harm, over real connections: each is stopped, and the others do not notice.

use std::time::Duration;

use serde_json::{Value, json};
use tidewire_protocol::{
    ClientFrame, Cursor, ErrorCode, Hello, RoomId, ServerFrame, SyncRequest, TypingUpdate,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{
    Answer, PATIENCE, Running, feed_from, live_from, message, request, seqs, start, start_with,
};

fn quiet(token: String) -> ClientFrame {
    ClientFrame::Hello(Hello { token: Some(token), heartbeat_ms: 30_000, ..Hello::default() })
}

/// Bytes of memory that this process holds.
fn held() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// Whether this process has nothing to do but this test, so that what it holds is what the test made it hold. If not,
/// one of its own has run it when this returns.
fn alone(test: &str) -> bool {
    const ALONE: &str = "TIDEWIRE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut itself = std::process::Command::new(std::env::current_exe().unwrap());
    let run = itself.args(["--exact", test]).env(ALONE, "1").output().unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && told.contains("1 passed"), "{told}");
    false
}

async fn is_closed(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    // Closed or reset: it is over.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it is closed");
}

async fn serves(server: &Running) {
    assert_eq!(server.call("GET", "/healthz", None, None).await.status, 200);
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off_and_an_idle_connection_is_not() {
    let server = start_with(|config| config.head_timeout = Duration::from_millis(300)).await;
    let mut idle = TcpStream::connect(server.server.addr()).await.unwrap();
    // Two requests with a pause between them that is longer than a head may take.
    let whole = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    idle.write_all(whole).await.unwrap();
    let mut first = [0; 12];
    timeout(PATIENCE, idle.read_exact(&mut first)).await.unwrap().unwrap();
    let slow = TcpStream::connect(server.server.addr()).await.unwrap();
    let (mut from, mut to) = slow.into_split();
    let trickle = async move {
        for byte in
            b"GET /v1/bootstrap HTTP/1.1\r\nhost: x\r\nx: ".iter().chain([b'y'; 2_000].iter())
        {
            if to.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let trickle = tokio::spawn(trickle);
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, from.read_to_end(&mut rest)).await.expect("it is cut off");
    assert!(rest.is_empty(), "not a word: {rest:?}");
    trickle.abort();
    let rest = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    idle.write_all(rest).await.unwrap();
    let mut answers = String::new();
    timeout(PATIENCE, idle.read_to_string(&mut answers)).await.unwrap().unwrap();
    assert!(answers.contains("HTTP/1.1 200"), "{answers}");
}

#[tokio::test]
async fn an_address_has_only_so_many_connections_that_say_nothing() {
    let server = start_with(|config| config.waiting_per_address = 3).await;
    let addr = server.server.addr();
    let mut silent = Vec::new();
    for _ in 0..2 {
        silent.push(TcpStream::connect(addr).await.unwrap());
    }
    // Sockets that have said hello count no more.
    let mut greeted = Vec::new();
    for _ in 0..5 {
        let mut socket = server.open().await;
        socket.send(&quiet(server.token("ada"))).await;
        assert!(matches!(socket.next().await, ServerFrame::Welcome(_)));
        greeted.push(socket);
    }
    let ungreeted = server.open().await;
    is_closed(&mut TcpStream::connect(addr).await.unwrap()).await;
    for socket in &mut greeted {
        socket.until_pong().await;
    }
    drop((silent, ungreeted));
    // They are counted out as they go.
    let back = async { while server.try_open(None).await.is_none() {} };
    timeout(PATIENCE, back).await.unwrap();
}

/// A socket, byte by byte, that has said nothing yet. Gives the head of the answer, too.
async fn raw_socket(server: &Running) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(server.server.addr()).await.unwrap();
    let ask = "GET /v1/socket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-extensions: permessage-deflate\r\nsec-websocket-protocol: tidewire.v1.json\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    (stream, String::from_utf8(head).unwrap().to_lowercase())
}

#[tokio::test]
async fn frames_beyond_the_limit_are_never_taken_into_memory() {
    if !alone("attacks::frames_beyond_the_limit_are_never_taken_into_memory") {
        return;
    }
    let server = start().await;
    let mut bystander =
        server.hello("bob", Hello { heartbeat_ms: 30_000, ..Hello::default() }).await;
    let before = held();
    let mut sockets = Vec::new();
    for claimed in [1 << 20, 1 << 30, 1 << 40, 1_u64 << 62].iter().cycle().take(40) {
        let (mut stream, _) = raw_socket(&server).await;
        let mut head = vec![0x81, 0xff];
        head.extend(claimed.to_be_bytes());
        head.extend([0; 4]);
        stream.write_all(&head).await.unwrap();
        // As much of it as the server takes.
        for _ in 0..64 {
            let piece = timeout(PATIENCE, stream.write_all(&[b'x'; 64 * 1_024])).await.unwrap();
            if piece.is_err() {
                break;
            }
        }
        sockets.push(stream);
    }
    for stream in &mut sockets {
        is_closed(stream).await;
    }
    let grown = held().saturating_sub(before);
    assert!(grown < 32 * 1024 * 1024, "{grown} bytes more");
    bystander.until_pong().await;
}

#[tokio::test]
async fn ten_thousand_typing_frames_a_second_disturb_nobody() {
    if !alone("attacks::ten_thousand_typing_frames_a_second_disturb_nobody") {
        return;
    }
    let server = start().await;
    let room = server.group("ada", &["bob", "mallory"]).await;
    let cursor = server.cursor("bob").await;
    let mut bob = server.hello("bob", feed_from(cursor)).await;
    let watch = ClientFrame::Watch { rooms: vec![room] };
    bob.send(&watch).await;
    let mut ada = server.hello("ada", live_from(room, 0)).await;
    let mut mallory = server.hello("mallory", live_from(room, 0)).await;
    let before = held();
    let flood = tokio::spawn(async move {
        for n in 0..30_000_u32 {
            let typing = vec![TypingUpdate { room, typing: n % 2 == 0 }];
            mallory.send(&ClientFrame::Ephemeral { typing }).await;
        }
        mallory.until_pong().await;
    });
    for n in 0..100 {
        ada.send_ops(room, vec![message(&n.to_string())]).await;
    }
    let (mut got, mut told) = (Vec::new(), 0);
    while got.last().is_none_or(|last| *last < 101) {
        match bob.next().await {
            ServerFrame::Batch(page) => {
                got.extend(seqs(&page.events));
                bob.send(&ClientFrame::Credit { cursor: page.to }).await;
            }
            ServerFrame::Ephemeral(_) => told += 1,
            other => panic!("{other:?}"),
        }
    }
    timeout(PATIENCE, flood).await.expect("the flood is taken").unwrap();
    told += bob.until_pong().await.len();
    let wanted: Vec<u64> = (got[0]..=101).collect();
    assert_eq!(got, wanted, "nothing is lost, nothing comes twice");
    assert!(told < 1_000, "{told} frames of typing were passed on");
    let grown = held().saturating_sub(before);
    assert!(grown < 64 * 1024 * 1024, "{grown} bytes more");
}

#[tokio::test]
async fn a_forged_or_foreign_cursor_opens_nothing_on_any_path() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    server.say("ada", room, 3).await;
    let ada = server.cursor("ada").await;
    let own = server.cursor("eve").await.as_str().to_owned();
    let mut flipped = own.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    let spliced = format!("{}{}", &ada.as_str()[..40], &own[40..]);
    let attempts = [ada.as_str(), &flipped, &spliced, "", "%00", "' OR 1=1 --"];
    for cursor in attempts {
        let refused = server.post("eve", "/v1/sync", &request(Cursor::new(cursor))).await;
        assert_eq!(refused.code(), ErrorCode::CursorInvalid, "{cursor}");
        let mut socket = server.hello("eve", feed_from(Cursor::new(cursor))).await;
        assert_eq!(socket.next_error().await, ErrorCode::CursorInvalid, "{cursor}");
        assert_eq!(socket.until_pong().await, [], "and nothing behind it");
        let mut socket = server.hello("eve", feed_from(Cursor::new(&*own))).await;
        socket.send(&ClientFrame::Credit { cursor: Cursor::new(cursor) }).await;
        let told = socket.until_pong().await;
        let refused = |frame: &ServerFrame| {
            matches!(frame, ServerFrame::Error { error, .. }
            if error.code == ErrorCode::CursorInvalid)
        };
        assert!(told.iter().any(refused), "{cursor}: {told:?}");
    }
    for cursor in [ada.as_str(), &flipped] {
        let refused = server.get("eve", &format!("/v1/events?cursor={cursor}")).await;
        assert_eq!(refused.code(), ErrorCode::CursorInvalid, "{cursor}");
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

#[tokio::test]
async fn a_token_without_a_signature_or_of_another_algorithm_is_none() {
    let server = start_with(|config| {
        let path = config.data_dir.join("jwks.json");
        // The public half of a key of RFC 8032.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x }] });
        std::fs::write(&path, set.to_string()).unwrap();
        config.token_keys = Some(tidewire_server::auth::KeySource::File(path));
    })
    .await;
    let good = server.token("ada");
    assert_eq!(server.call("GET", "/v1/bootstrap", Some(&good), None).await.status, 200);
    let parts: Vec<&str> = good.split('.').collect();
    let head = |text: &str| base64(text.as_bytes());
    let mallory = base64(br#"{"sub":"ada","exp":99999999999}"#);
    let signed_with_the_public_key = {
        use hmac::Mac;
        let body = format!("{}.{mallory}", head(r#"{"alg":"HS256","kid":"one"}"#));
        let mut block = [0; 64];
        let key = b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        block[..key.len()].copy_from_slice(key);
        let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::digest::KeyInit>::new(&block.into());
        mac.update(body.as_bytes());
        format!("{body}.{}", base64(&mac.finalize().into_bytes()))
    };
    let attempts = [
        format!("{}.{}.", head(r#"{"alg":"none"}"#), parts[1]),
        format!("{}.{}.{}", head(r#"{"alg":"None"}"#), parts[1], parts[2]),
        format!("{}.{mallory}.", head(r#"{"alg":"nOnE","typ":"JWT"}"#)),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{mallory}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", head(r#"{"alg":"HS384"}"#), parts[1], parts[2]),
        format!("{}.{}.{}", head(r#"{"alg":"EdDSA","kid":"one"}"#), parts[1], parts[2]),
        format!("{}.{}.{}", head(r#"{"alg":"RS256","kid":"one"}"#), parts[1], parts[2]),
        format!(
            "{}.{}.{}",
            head(r#"{"alg":"HS256","kid":"../../secret.key"}"#),
            parts[1],
            parts[2]
        ),
        format!(
            "{}.{mallory}.{}",
            head(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"},"jku":"http://evil.example"}"#),
            parts[2]
        ),
        signed_with_the_public_key,
        "..".into(),
        "a".repeat(20_000),
    ];
    for token in &attempts {
        let refused = server.call("GET", "/v1/bootstrap", Some(token), None).await;
        assert_eq!(refused.code(), ErrorCode::TokenInvalid, "{token}");
        let mut socket = server.open().await;
        socket.send(&quiet(token.clone())).await;
        assert_eq!(socket.next_error().await, ErrorCode::TokenInvalid, "{token}");
        socket.assert_closed().await;
    }
}

#[tokio::test]
async fn guessing_tokens_is_slowed_down_and_good_ones_pass() {
    let server = start().await;
    let mut codes = Vec::new();
    for _ in 0..400 {
        codes.push(server.call("GET", "/v1/bootstrap", Some("guess"), None).await);
        if codes.last().unwrap().status == 429 {
            break;
        }
    }
    let last = codes.pop().unwrap();
    assert_eq!(last.code(), ErrorCode::RateLimited, "after {} attempts", codes.len());
    assert!(last.header("retry-after").is_some());
    assert!(codes.iter().all(|answer| answer.code() == ErrorCode::TokenInvalid));
    assert_eq!(server.get("ada", "/v1/bootstrap").await.status, 200, "from the same address");
}

/// What has opened databases, if it ever stood in a statement.
const HOSTILE: [&str; 7] = [
    "' OR '1'='1",
    "'; DROP TABLE events; --",
    "\" OR \"\"=\"",
    "x') UNION SELECT * FROM members --",
    "%' ESCAPE '\\",
    "ada\u{0}",
    "* OR NEAR(a b) NOT c:d \"",
];

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"))
}

#[tokio::test]
async fn no_text_of_a_client_reaches_a_statement() {
    let server = start().await;
    let room = server.group("ada", &[]).await;
    server.say("ada", room, 3).await;
    for text in HOSTILE {
        let enc = encoded(text);
        for path in [
            format!("/v1/search?q={enc}"),
            format!("/v1/search?q=0&room={room}&sender={enc}"),
            format!("/v1/rooms?after={enc}"),
            format!("/v1/rooms/{enc}"),
            format!("/v1/rooms/{room}/members?after={enc}"),
            format!("/v1/rooms/{room}/messages?after={enc}"),
            format!("/v1/files/{enc}"),
        ] {
            let answer = server.get("eve", &path).await;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(answer.status < 500, "{path}: {body}");
            assert!(!body.contains("\"sender\":\"ada\""), "{path}: {body}");
        }
        let sent = server.ops("ada", room, &[message(text)]).await;
        assert_eq!(sent.status, 200, "it is a text like any other");
        let profiles = json!({ "users": [text] });
        assert!(server.post("eve", "/v1/profiles:batch", &profiles).await.status < 500);
        let name = json!({ "name": text });
        assert!(
            server
                .call("PUT", "/v1/profile", Some(&server.token("eve")), Some(&name.to_string()))
                .await
                .status
                < 500
        );
        let members = json!({ "users": [text] });
        let added = server.post("eve", &format!("/v1/rooms/{room}/members"), &members).await;
        assert!((400..500).contains(&added.status), "{added:?}");
    }
    let all: Value = server.get("ada", &format!("/v1/rooms/{room}/messages")).await.parse();
    let texts: Vec<&str> = all["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|message| message["content"]["text"].as_str())
        .collect();
    assert!(HOSTILE.iter().all(|text| texts.contains(text)), "word for word: {texts:?}");
}

#[tokio::test]
async fn no_text_of_a_client_becomes_a_header() {
    let server = start().await;
    let token = server.token("ada");
    let line = "x\r\nset-cookie: stolen=1";
    for path in [
        format!("/v1/rooms/{}", encoded(line)),
        format!("/v1/search?q={}", encoded(line)),
        format!("/v1/files/{}", encoded(line)),
        format!("/{}", encoded(line)),
    ] {
        let answer = server.call("GET", &path, Some(&token), None).await;
        assert_eq!(answer.header("set-cookie"), None, "{path}: {}", answer.head);
    }
    for (name, content_type) in [(line, "image/png"), ("a.png", line)] {
        let upload = json!({
            "id": uuid::Uuid::now_v7(), "name": name, "content_type": content_type, "size": 3,
            "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        });
        let refused = server.post("ada", "/v1/uploads", &upload).await;
        assert!((400..500).contains(&refused.status), "{refused:?}");
    }
    // A request cannot be hidden behind another one.
    let smuggled = format!(
        "POST /v1/sync HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: \
         application/json\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
         0\r\n\r\nGET /v1/bootstrap HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let answer = server.raw(smuggled.as_bytes()).await;
    assert!(answer.status >= 400, "{answer:?}");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains("HTTP/1.1"), "one answer and no more: {text}");
}

async fn upgrade(server: &Running, host: &str, origin: Option<&str>) -> u16 {
    let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
    let request = format!(
        "GET /v1/socket HTTP/1.1\r\nhost: {host}\r\n{origin}connection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         sec-websocket-protocol: tidewire.v1.json\r\n\r\n"
    );
    let mut stream = TcpStream::connect(server.server.addr()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut status)).await.unwrap().unwrap();
    std::str::from_utf8(&status[9..]).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_page_from_elsewhere_opens_no_socket_and_reads_no_answer() {
    let app = "https://app.example";
    let server = start_with(|config| config.allowed_origins = vec![app.into()]).await;
    for (host, origin, status) in [
        ("chat.example", None, 101),
        ("chat.example", Some(app), 101),
        ("chat.example", Some("https://chat.example"), 101),
        ("chat.example", Some("https://chat.example:8443"), 101),
        ("chat.example:8443", Some("https://chat.example:8443"), 101),
        ("chat.example", Some("https://evil.example"), 403),
        ("chat.example", Some("https://chat.example.evil.example"), 403),
        ("chat.example", Some("https://app.example.evil.example"), 403),
        ("chat.example", Some("http://app.example"), 403),
        ("chat.example", Some("null"), 403),
        ("chat.example", Some(""), 403),
    ] {
        assert_eq!(upgrade(&server, host, origin).await, status, "{origin:?} at {host}");
    }
    let ask = async |origin: &str| -> Answer {
        let request = format!(
            "OPTIONS /v1/sync HTTP/1.1\r\nhost: chat.example\r\norigin: {origin}\r\nconnection: close\r\n\
             access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n\r\n"
        );
        server.raw(request.as_bytes()).await
    };
    let allowed = ask(app).await;
    assert_eq!(allowed.header("access-control-allow-origin"), Some(app));
    assert_eq!(allowed.header("access-control-allow-credentials"), None, "no cookies");
    let refused = ask("https://evil.example").await;
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let closed = start().await;
    assert_eq!(upgrade(&closed, "chat.example", Some(app)).await, 403, "nobody unless told");
    assert_eq!(upgrade(&closed, "chat.example", None).await, 101, "apps send no origin");
}

/// gzip of so many zeros: a thousandth of it, whoever unpacks it.
fn bomb(zeros: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut code = |code: u32, length: u32| {
        bits.extend((0..length).rev().map(|bit| code >> bit & 1 == 1));
    };
    // The last block, with the codes that need no table: 01 read from the lowest bit.
    code(0b110, 3);
    code(0b0011_0000, 8);
    for _ in 0..zeros / 258 {
        // As many as possible of what stood one place before.
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    let packed = bits
        .chunks(8)
        .map(|byte| byte.iter().enumerate().fold(0, |all, (n, bit)| all | u8::from(*bit) << n));
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    bytes.extend(packed);
    bytes.extend([0; 8]);
    bytes
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    if !alone("attacks::what_is_packed_is_not_unpacked") {
        return;
    }
    let server = start().await;
    let bomb = bomb(64 * 1024 * 1024);
    assert!(bomb.len() < 1024 * 1024, "{} bytes", bomb.len());
    let before = held();
    for coding in ["gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        // What would make sense as it is, too: whoever says that it is packed is not believed either way.
        for body in [&bomb[..60_000], b"{}"] {
            let mut request = format!(
                "POST /v1/sync HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: \
                 application/json\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\nconnection: \
                 close\r\n\r\n",
                server.token("eve"),
                body.len()
            )
            .into_bytes();
            request.extend(body);
            let refused = server.raw(&request).await;
            assert_eq!(refused.code(), ErrorCode::BadRequest, "{coding}");
            assert!(String::from_utf8_lossy(&refused.body).contains("unpacked"), "{refused:?}");
        }
    }
    // A socket agrees on no compression, and a frame that claims it all the same is no frame.
    let (mut stream, head) = raw_socket(&server).await;
    assert!(head.starts_with("http/1.1 101") && !head.contains("permessage-deflate"), "{head}");
    let mut frame = vec![0xc1, 0xfe];
    frame.extend(60_000_u16.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(&bomb[10..60_010]);
    let _ = stream.write_all(&frame).await;
    is_closed(&mut stream).await;
    let grown = held().saturating_sub(before);
    assert!(grown < 40 * 1024 * 1024, "{grown} bytes more");
    serves(&server).await;
}

/// Each is signed for one thing, until one moment, and holds while that is still to be done.
#[tokio::test]
async fn the_address_of_a_part_is_good_for_that_part_alone_and_not_after_it() {
    let server = start().await;
    let id = uuid::Uuid::now_v7();
    let upload = json!({
        "id": id, "name": "a.txt", "content_type": "text/plain", "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    });
    let begun: Value = server.post("ada", "/v1/uploads", &upload).await.parse();
    let url = begun["parts"][0]["url"].as_str().unwrap_or_else(|| panic!("{begun}"));
    let path = &url[url.find("/v1/objects").unwrap()..];
    let put = async |path: &str, bytes: &str| {
        let request = format!(
            "PUT {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{bytes}",
            bytes.len()
        );
        server.raw(request.as_bytes()).await
    };
    for (changed, to) in
        [("partNumber=1", "partNumber=2"), ("size=3", "size=4"), ("expires=", "expires=9")]
    {
        let forged = path.replacen(changed, to, 1);
        assert_ne!(forged, path, "{path} has no {changed}");
        assert_eq!(put(&forged, "abc").await.code(), ErrorCode::UrlExpired, "{to}");
    }
    assert_eq!(put(path, "abcd").await.code(), ErrorCode::InvalidContent);
    assert_eq!(put(path, "abc").await.status, 200);
    let complete = format!("/v1/uploads/{id}/complete");
    let foreign = server.post("eve", &complete, &json!({})).await;
    assert_eq!(foreign.code(), ErrorCode::UnknownUpload, "somebody else's");
    assert_eq!(server.post("ada", &complete, &json!({})).await.status, 200);
    // Once it is whole nobody changes it, whoever has kept the address.
    assert!((400..500).contains(&put(path, "xyz").await.status));
    let begun_again = server.post("eve", "/v1/uploads", &upload).await;
    assert!((400..500).contains(&begun_again.status), "{begun_again:?}");
}

#[tokio::test]
async fn who_was_removed_is_refused_on_every_path() {
    let server = start().await;
    let room = server.group("ada", &["eve"]).await;
    server.say("ada", room, 1).await;
    let cursor = server.cursor("eve").await;
    let out = server
        .call("DELETE", &format!("/v1/rooms/{room}/members/eve"), Some(&server.token("ada")), None)
        .await;
    assert_eq!(out.status, 200);
    let secret = message("after the removal");
    assert_eq!(server.ops("ada", room, std::slice::from_ref(&secret)).await.status, 200);
    let leaks = |text: &str| text.contains("after the removal");
    for path in [
        format!("/v1/rooms/{room}"),
        format!("/v1/rooms/{room}/messages"),
        format!("/v1/rooms/{room}/messages?after=1"),
        format!("/v1/rooms/{room}/messages/{}", secret.id),
        format!("/v1/rooms/{room}/receipts?seq=1"),
        "/v1/rooms".to_owned(),
        "/v1/bootstrap".to_owned(),
        "/v1/search?q=removal".to_owned(),
    ] {
        let answer = server.get("eve", &path).await;
        assert!(!leaks(&String::from_utf8_lossy(&answer.body)), "{path}");
    }
    assert_eq!(server.ops("eve", room, &[message("x")]).await.code(), ErrorCode::NotAMember);
    let members = json!({ "users": ["eve"] });
    let back = server.post("eve", &format!("/v1/rooms/{room}/members"), &members).await;
    assert_eq!(back.code(), ErrorCode::NotAMember, "nobody lets himself in");
    let synced = server.sync("eve", &SyncRequest { ..request(cursor) }).await;
    assert!(!leaks(&serde_json::to_string(&synced).unwrap()));
    let mut socket = server.hello("eve", live_from(RoomId::from_uuid(room.uuid()), 1)).await;
    let told = socket.until_pong().await;
    assert!(!leaks(&serde_json::to_string(&told).unwrap()), "{told:?}");
}
