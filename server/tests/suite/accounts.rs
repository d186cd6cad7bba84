//! Accounts that the server keeps itself, and who tries to get into them.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidewire_protocol::{
    ClientFrame, ErrorCode, Hello, Profile, ServerFrame, SessionTokens, Sessions, SyncRequest,
};
use tidewire_server::{AccountRules, Config, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::harness::{Answer, PATIENCE, Running, request, start, start_with, user};

const PASSWORD: &str = "the tide is at two";

/// What costs nothing to hash: these tests are of everything else.
fn cheap() -> AccountRules {
    AccountRules { password_memory_kib: 64, password_passes: 1, ..AccountRules::default() }
}

async fn with_accounts() -> Running {
    start_with(|config| config.accounts = Some(cheap())).await
}

impl Running {
    async fn tell(&self, method: &str, path: &str, token: Option<&str>, body: &Value) -> Answer {
        self.call(method, path, token, Some(&body.to_string())).await
    }

    async fn register(&self, name: &str) -> Answer {
        let account = json!({ "user": name, "password": PASSWORD });
        self.tell("POST", "/v1/accounts", None, &account).await
    }

    async fn try_sign_in(&self, name: &str, password: &str) -> Answer {
        let session = json!({ "user": name, "password": password });
        self.tell("POST", "/v1/sessions", None, &session).await
    }

    async fn sign_in(&self, name: &str) -> SessionTokens {
        self.try_sign_in(name, PASSWORD).await.parse()
    }

    async fn refresh(&self, tokens: &SessionTokens) -> Answer {
        let body = json!({ "refresh_token": tokens.refresh_token });
        self.tell("POST", "/v1/sessions:refresh", None, &body).await
    }

    async fn sessions(&self, tokens: &SessionTokens) -> Answer {
        self.call("GET", "/v1/sessions", Some(tokens.token.get()), None).await
    }

    /// Somebody behind a proxy that is trusted tries a password.
    async fn try_from(&self, address: &str, name: &str, password: &str) -> Answer {
        let body = json!({ "user": name, "password": password }).to_string();
        let head = format!(
            "POST /v1/sessions HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-forwarded-for: {address}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.raw(format!("{head}{body}").as_bytes()).await
    }
}

#[tokio::test]
async fn without_accounts_there_are_no_such_calls() {
    let server = start().await;
    assert_eq!(server.register("ada").await.code(), ErrorCode::NotFound);
    assert_eq!(server.try_sign_in("ada", PASSWORD).await.code(), ErrorCode::NotFound);
    assert_eq!(server.get("ada", "/v1/sessions").await.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn who_registers_signs_in_and_speaks_and_tokens_of_others_are_good_as_before() {
    let server = with_accounts().await;
    let account = json!({ "user": "ada", "password": PASSWORD, "name": "Ada" });
    let profile: Profile = server.tell("POST", "/v1/accounts", None, &account).await.parse();
    assert_eq!((profile.user, profile.name.as_deref()), (user("ada"), Some("Ada")));
    let session = json!({ "user": "ada", "password": PASSWORD, "device": "Phone" });
    let tokens: SessionTokens = server.tell("POST", "/v1/sessions", None, &session).await.parse();
    assert_eq!(tokens.user, user("ada"));
    let token = tokens.token.get();
    assert_eq!(server.call("GET", "/v1/bootstrap", Some(token), None).await.status, 200);
    let mut socket = server.open().await;
    let hello = Hello { token: Some(token.into()), heartbeat_ms: 30_000, ..Hello::default() };
    socket.send(&ClientFrame::Hello(hello)).await;
    assert!(
        matches!(socket.next().await, ServerFrame::Welcome(welcome) if welcome.user == tokens.user)
    );
    let listed: Sessions = server.sessions(&tokens).await.parse();
    let [only] = listed.sessions.as_slice() else { panic!("{listed:?}") };
    assert_eq!((only.id, only.device.as_deref()), (tokens.session, Some("Phone")));
    assert!(only.current);
    // The same user by a token that the secret has signed, and another one who has no account.
    assert_eq!(server.get("bob", "/v1/bootstrap").await.status, 200);
    let theirs: Sessions = server.get("ada", "/v1/sessions").await.parse();
    assert_eq!((theirs.sessions.len(), theirs.sessions[0].current), (1, false));
    let none =
        server.call("DELETE", "/v1/sessions/current", Some(&server.token("ada")), None).await;
    assert_eq!(none.code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn what_may_not_be_is_refused_and_says_why() {
    let server = with_accounts().await;
    for account in [
        json!({ "user": "Ada", "password": PASSWORD }),
        json!({ "user": "ad\u{430}", "password": PASSWORD }),
        json!({ "user": "ada", "password": "seven77" }),
        json!({ "user": "ada", "password": "x".repeat(1_025) }),
        json!({ "user": "ada", "password": PASSWORD, "name": "x".repeat(257) }),
        json!({ "user": "ada", "password": PASSWORD, "name": "a\0b" }),
    ] {
        let answer = server.tell("POST", "/v1/accounts", None, &account).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.code(), ErrorCode::InvalidContent, "{account}");
        assert!(!body.contains(PASSWORD) && !body.contains("seven77"), "{body}");
    }
    server.register("ada").await.parse::<Profile>();
    for session in [
        json!({ "user": "ada", "password": "x".repeat(1_025) }),
        json!({ "user": "ada", "password": PASSWORD, "device": "" }),
        json!({ "user": "ada", "password": PASSWORD, "device": "a\u{1b}b" }),
        json!({ "user": "ada", "password": PASSWORD, "device": "x".repeat(129) }),
    ] {
        let answer = server.tell("POST", "/v1/sessions", None, &session).await;
        assert_eq!(answer.code(), ErrorCode::InvalidContent, "{session}");
    }
    // Nobody's password is a token, and no password stands in a URL.
    let odd = server.tell("POST", "/v1/sessions", None, &json!({ "user": "ada" })).await;
    assert_eq!(odd.code(), ErrorCode::BadRequest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_those_who_register_at_once_one_gets_the_name() {
    let server = with_accounts().await;
    let wishes = (0..8).map(|n| {
        let account = json!({ "user": "ada", "password": format!("{PASSWORD} {n}") });
        let server = &server;
        async move { (n, server.tell("POST", "/v1/accounts", None, &account).await) }
    });
    let mut winner = None;
    for (n, answer) in futures::future::join_all(wishes).await {
        match answer.status {
            200 => assert_eq!(winner.replace(n), None, "one alone"),
            _ => assert_eq!(answer.code(), ErrorCode::IdTaken),
        }
    }
    let winner = winner.expect("one of them");
    for n in 0..8 {
        let signed_in = server.try_sign_in("ada", &format!("{PASSWORD} {n}")).await;
        assert_eq!(signed_in.status == 200, n == winner, "{n}");
    }
    // Who is here by a token of others keeps his name.
    let name = json!({ "name": "Bob" });
    let bob = server.token("bob");
    assert_eq!(server.tell("PUT", "/v1/profile", Some(&bob), &name).await.status, 200);
    assert_eq!(server.register("bob").await.code(), ErrorCode::IdTaken);
}

#[tokio::test]
async fn who_has_no_account_is_told_what_a_wrong_password_is_told() {
    let metrics = |config: &mut Config| config.metrics_listen = Some(([127, 0, 0, 1], 0).into());
    let server = start_with(|config| {
        config.accounts = Some(cheap());
        metrics(config);
    })
    .await;
    server.register("ada").await.parse::<Profile>();
    let hashed = server.hashed().await;
    let wrong = server.try_sign_in("ada", "no, it is at three").await;
    let one = server.hashed().await - hashed;
    let unknown = server.try_sign_in("nobody", "no, it is at three").await;
    let other = server.hashed().await - hashed - one;
    assert_eq!(wrong.code(), ErrorCode::WrongCredentials);
    assert_eq!((wrong.status, &wrong.body), (unknown.status, &unknown.body));
    let heads = [&wrong, &unknown].map(|answer| answer.header("content-length"));
    assert_eq!(heads[0], heads[1]);
    assert_eq!((one, other), (1, 1), "and each has cost one hash");
}

impl Running {
    /// How many passwords were hashed.
    async fn hashed(&self) -> u64 {
        let text = self.metrics_text().await;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("tidewire_password_hash_seconds_count "));
        count.unwrap().parse().unwrap()
    }

    async fn metrics_text(&self) -> String {
        let mut stream = TcpStream::connect(self.server.metrics_addr().unwrap()).await.unwrap();
        let ask = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(ask).await.unwrap();
        let mut text = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut text)).await.unwrap().unwrap();
        text
    }
}

#[tokio::test]
async fn guessing_a_password_is_slowed_down_and_its_user_gets_in_elsewhere() {
    let server = start_with(|config| {
        config.accounts = Some(cheap());
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    server.register("ada").await.parse::<Profile>();
    let guess = async |address: &str, name: &str| {
        server.try_from(address, name, "no, it is at three").await.code()
    };
    for _ in 0..10 {
        assert_eq!(guess("203.0.113.7", "ada").await, ErrorCode::WrongCredentials);
        assert_eq!(guess("203.0.113.7", "nobody").await, ErrorCode::WrongCredentials);
    }
    for name in ["ada", "nobody"] {
        let slowed = server.try_from("203.0.113.7", name, "no, it is at three").await;
        assert!(slowed.header("retry-after").is_some(), "{name}: {slowed:?}");
        assert_eq!(slowed.code(), ErrorCode::RateLimited);
    }
    // Not even with the right one, or it would tell which that is.
    let right = server.try_from("203.0.113.7", "ada", PASSWORD).await;
    assert_eq!(right.code(), ErrorCode::RateLimited);
    assert_eq!(server.try_from("198.51.100.9", "ada", PASSWORD).await.status, 200);
    // From many addresses.
    let mut tried = 10;
    for n in 0..10 {
        for _ in 0..9 {
            assert_eq!(guess(&format!("192.0.2.{n}"), "ada").await, ErrorCode::WrongCredentials);
            tried += 1;
        }
    }
    assert_eq!(tried, 100);
    let mut more = 0;
    while guess(&format!("198.18.0.{more}"), "ada").await == ErrorCode::WrongCredentials {
        more += 1;
        assert!(more < 10, "one more in 36 s at most");
    }
    assert_eq!(guess("192.0.2.200", "bob").await, ErrorCode::WrongCredentials);
    // One address, many names.
    let mut address = 0;
    while guess("203.0.113.99", &format!("u{address}")).await == ErrorCode::WrongCredentials {
        address += 1;
        assert!(address <= 110, "an address has only so many");
    }
    assert!(address >= 100, "{address}");
    let more = json!({ "user": "more", "password": PASSWORD });
    assert_eq!(server.tell("POST", "/v1/accounts", None, &more).await.status, 200, "elsewhere");
}

#[tokio::test]
async fn a_lost_answer_is_given_again() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let first = server.sign_in("ada").await;
    // The answer is lost, and the client asks again: as often as it takes.
    let lost: SessionTokens = server.refresh(&first).await.parse();
    for _ in 0..3 {
        let again: SessionTokens = server.refresh(&first).await.parse();
        assert_eq!(again.refresh_token, lost.refresh_token);
        assert_eq!((again.session, &again.user), (first.session, &user("ada")));
        assert_eq!(server.sessions(&again).await.status, 200);
    }
    // Two of them at once get the same as well.
    let (one, two) = tokio::join!(server.refresh(&lost), server.refresh(&lost));
    let (one, two): (SessionTokens, SessionTokens) = (one.parse(), two.parse());
    assert_eq!(one.refresh_token, two.refresh_token);
    let next: SessionTokens = server.refresh(&two).await.parse();
    assert_ne!(next.refresh_token, one.refresh_token);
    assert_eq!(server.sessions(&first).await.status, 200, "a token holds until it ends");
}

#[tokio::test]
async fn a_copied_refresh_token_ends_its_session() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let (first, other) = (server.sign_in("ada").await, server.sign_in("ada").await);
    let second: SessionTokens = server.refresh(&first).await.parse();
    let third: SessionTokens = server.refresh(&second).await.parse();
    assert_eq!(server.sessions(&third).await.status, 200);
    // The copy comes, and its owner is on already.
    assert_eq!(server.refresh(&first).await.code(), ErrorCode::TokenInvalid);
    for tokens in [&first, &second, &third] {
        assert_eq!(server.sessions(tokens).await.code(), ErrorCode::TokenInvalid);
        assert_eq!(server.refresh(tokens).await.code(), ErrorCode::TokenInvalid);
    }
    let left: Sessions = server.sessions(&other).await.parse();
    assert_eq!(left.sessions.len(), 1);
    assert!(left.sessions[0].current, "the other one goes on");
}

#[tokio::test]
async fn a_forged_refresh_token_does_nothing() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let tokens = server.sign_in("ada").await;
    let genuine = tokens.refresh_token.get();
    let flipped = if genuine.ends_with('A') { "E" } else { "A" };
    let flipped = format!("{}{flipped}", &genuine[..genuine.len() - 1]);
    for forged in ["", "x", tokens.token.get(), &flipped, &genuine.repeat(1_000)] {
        let body = json!({ "refresh_token": forged });
        let answer = server.tell("POST", "/v1/sessions:refresh", None, &body).await;
        assert_eq!(answer.code(), ErrorCode::TokenInvalid);
    }
    // A refresh token opens nothing itself.
    let used = server.call("GET", "/v1/bootstrap", Some(genuine), None).await;
    assert_eq!(used.code(), ErrorCode::TokenInvalid);
    server.refresh(&tokens).await.parse::<SessionTokens>();
}

#[tokio::test]
async fn one_sees_and_ends_ones_own_sessions_and_nobody_elses() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    server.register("eve").await.parse::<Profile>();
    let (phone, tablet) = (server.sign_in("ada").await, server.sign_in("ada").await);
    let eve = server.sign_in("eve").await;
    let end = async |by: &SessionTokens, of: &SessionTokens| {
        let path = format!("/v1/sessions/{}", of.session);
        server.call("DELETE", &path, Some(by.token.get()), None).await
    };
    assert_eq!(end(&eve, &phone).await.status, 200, "nothing is said of others'");
    let listed: Sessions = server.sessions(&phone).await.parse();
    assert_eq!(listed.sessions.len(), 2);
    for _ in 0..2 {
        assert_eq!(end(&phone, &tablet).await.status, 200, "a repeat does no harm");
    }
    assert_eq!(server.sessions(&tablet).await.code(), ErrorCode::TokenInvalid);
    assert_eq!(server.refresh(&tablet).await.code(), ErrorCode::TokenInvalid);
    let listed: Sessions = server.sessions(&phone).await.parse();
    assert_eq!(listed.sessions.iter().map(|one| one.id).collect::<Vec<_>>(), [phone.session]);
    let odd = server.call("DELETE", "/v1/sessions/x", Some(phone.token.get()), None).await;
    assert_eq!(odd.code(), ErrorCode::BadRequest);
    assert_eq!(server.sessions(&eve).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_ended_is_closed_wherever_it_is_open() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let (phone, tablet) = (server.sign_in("ada").await, server.sign_in("ada").await);
    let cursor = server.cursor("ada").await;
    let hello = |tokens: &SessionTokens| {
        let token = Some(tokens.token.get().into());
        ClientFrame::Hello(Hello { token, heartbeat_ms: 30_000, ..Hello::default() })
    };
    let (mut of_phone, mut of_tablet) = (server.open().await, server.open().await);
    of_phone.send(&hello(&phone)).await;
    of_tablet.send(&hello(&tablet)).await;
    of_phone.until_pong().await;
    of_tablet.until_pong().await;
    let headers = format!("authorization: Bearer {}\r\n", phone.token.get());
    let query = format!("?cursor={cursor}&heartbeat_ms=30000");
    let mut stream = server.ask_for_events(&query, &headers, None).await.unwrap();
    assert!(matches!(stream.next().await, ServerFrame::Welcome(_)));
    stream.page().await;
    let waiting = SyncRequest { wait_ms: 25_000, ..request(cursor) };
    let waiting = serde_json::to_value(&waiting).unwrap();
    let waited = server.tell("POST", "/v1/sync", Some(phone.token.get()), &waiting);
    let ended = async {
        // The poll is there, or comes to a closed door.
        of_tablet.until_pong().await;
        let path = format!("/v1/sessions/{}", phone.session);
        let answer = server.call("DELETE", &path, Some(tablet.token.get()), None).await;
        assert_eq!(answer.status, 200);
        // At once: not one call more.
        assert_eq!(server.sessions(&phone).await.code(), ErrorCode::TokenInvalid);
        assert_eq!(of_phone.next_error().await, ErrorCode::TokenInvalid);
        of_phone.assert_closed().await;
        assert_eq!(stream.last_error().await, ErrorCode::TokenInvalid);
        // An event ends the wait.
        let room = server.group("bob", &["ada"]).await;
        server.say("bob", room, 1).await;
    };
    let (waited, ()) = tokio::join!(waited, ended);
    assert_eq!(waited.code(), ErrorCode::TokenInvalid);
    of_tablet.until_pong().await;

    // Also after a restart, and with accounts switched off.
    server.server.stop().await;
    let again = Server::start(Config::new(server.folder.path())).await.unwrap();
    let server = Running { server: again, folder: server.folder };
    let ada = |tokens: &SessionTokens| tokens.token.get().to_owned();
    let out = server.call("GET", "/v1/bootstrap", Some(&ada(&phone)), None).await;
    assert_eq!(out.code(), ErrorCode::TokenInvalid);
    let still = server.call("GET", "/v1/bootstrap", Some(&ada(&tablet)), None).await;
    assert_eq!(still.status, 200);
}

#[tokio::test]
async fn whoever_signs_out_is_out() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let (phone, tablet) = (server.sign_in("ada").await, server.sign_in("ada").await);
    let out = server.call("DELETE", "/v1/sessions/current", Some(phone.token.get()), None).await;
    assert_eq!(out.status, 200);
    assert_eq!(server.sessions(&phone).await.code(), ErrorCode::TokenInvalid);
    assert_eq!(server.refresh(&phone).await.code(), ErrorCode::TokenInvalid);
    assert_eq!(server.sessions(&tablet).await.status, 200);
}

#[tokio::test]
async fn another_password_ends_all_other_sessions_at_once() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let (phone, tablet) = (server.sign_in("ada").await, server.sign_in("ada").await);
    let change = async |by: &SessionTokens, password: &str, new: &str| {
        let body = json!({ "password": password, "new_password": new });
        let token = Some(by.token.get());
        server.tell("PUT", "/v1/accounts/current/password", token, &body).await
    };
    assert_eq!(
        change(&phone, "wrong one", "no, at three").await.code(),
        ErrorCode::WrongCredentials
    );
    assert_eq!(change(&phone, PASSWORD, "short").await.code(), ErrorCode::InvalidContent);
    assert_eq!(server.sessions(&tablet).await.status, 200, "nothing has happened");
    assert_eq!(change(&phone, PASSWORD, "no, at three").await.status, 200);
    assert_eq!(server.sessions(&tablet).await.code(), ErrorCode::TokenInvalid);
    assert_eq!(server.refresh(&tablet).await.code(), ErrorCode::TokenInvalid);
    server.refresh(&phone).await.parse::<SessionTokens>();
    assert_eq!(server.try_sign_in("ada", PASSWORD).await.code(), ErrorCode::WrongCredentials);
    assert_eq!(server.try_sign_in("ada", "no, at three").await.status, 200);
    // The same user by a token of others: he has the password, and no session to keep.
    let body = json!({ "password": "no, at three", "new_password": PASSWORD });
    let token = server.token("ada");
    let path = "/v1/accounts/current/password";
    assert_eq!(server.tell("PUT", path, Some(&token), &body).await.status, 200);
    assert_eq!(server.sessions(&phone).await.code(), ErrorCode::TokenInvalid);
    assert_eq!(server.tell("PUT", path, None, &body).await.code(), ErrorCode::TokenInvalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sets_another_password_or_none_while_the_server_runs() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let phone = server.sign_in("ada").await;
    let set = |user: &str, more: &[&str], typed: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire-server"));
        command.args(["password", "--user", user]).args(more).env_clear();
        command.arg("--data").arg(server.folder.path());
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        // One that reads nothing may be gone by now.
        let _ = running.stdin.take().unwrap().write_all(typed.as_bytes());
        let output = running.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (done, told) = set("ada", &[], "short\n");
    assert!(!done && told.contains("8 to 1024 bytes"), "{told}");
    let (done, told) = set("eve", &[], "no, at three\n");
    assert!(!done && told.contains("eve has no account"), "{told}");
    assert_eq!(server.sessions(&phone).await.status, 200, "nothing has happened");
    assert_eq!(set("ada", &[], "no, at three\r\n"), (true, String::new()));
    let begun = Instant::now();
    while server.sessions(&phone).await.status == 200 {
        assert!(begun.elapsed() < PATIENCE, "never ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.refresh(&phone).await.code(), ErrorCode::TokenInvalid);
    assert_eq!(server.try_sign_in("ada", PASSWORD).await.code(), ErrorCode::WrongCredentials);
    let tablet = server.try_sign_in("ada", "no, at three").await.parse::<SessionTokens>();
    assert_eq!(server.sessions(&tablet).await.status, 200);
    assert_eq!(set("ada", &["--none"], ""), (true, String::new()));
    assert_eq!(server.refresh(&tablet).await.code(), ErrorCode::TokenInvalid);
    for password in ["no, at three", PASSWORD, ""] {
        let answer = server.try_sign_in("ada", password).await;
        assert_eq!(answer.code(), ErrorCode::WrongCredentials);
    }
}

#[tokio::test]
async fn whose_tokens_are_taken_back_cannot_refresh_either() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let tokens = server.sign_in("ada").await;
    let until = u64::MAX >> 1;
    let all = tidewire_server::auth::Revocation::User { user: user("ada"), until };
    server.server.revoke(all).await.unwrap();
    assert_eq!(server.sessions(&tokens).await.code(), ErrorCode::TokenInvalid);
    assert_eq!(server.refresh(&tokens).await.code(), ErrorCode::TokenInvalid);
}

#[tokio::test]
async fn parameters_that_are_raised_hold_from_the_next_sign_in_on() {
    let server = with_accounts().await;
    server.register("ada").await.parse::<Profile>();
    let folder = server.folder;
    server.server.stop().await;
    let kept = || -> String {
        let file = rusqlite::Connection::open(folder.path().join("tidewire.db")).unwrap();
        file.query_row("SELECT password FROM accounts", [], |row| row.get(0)).unwrap()
    };
    assert!(kept().starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{}", kept());
    let mut config = Config::new(folder.path());
    config.accounts = Some(AccountRules { password_memory_kib: 128, ..cheap() });
    let server = Running { server: Server::start(config).await.unwrap(), folder };
    assert_eq!(server.try_sign_in("ada", "wrong one").await.code(), ErrorCode::WrongCredentials);
    server.sign_in("ada").await;
    let folder = server.folder;
    server.server.stop().await;
    let file = rusqlite::Connection::open(folder.path().join("tidewire.db")).unwrap();
    let kept: String =
        file.query_row("SELECT password FROM accounts", [], |row| row.get(0)).unwrap();
    assert!(kept.starts_with("$argon2id$v=19$m=128,t=1,p=1$"), "{kept}");
}

#[tokio::test]
async fn a_token_of_a_session_ends_and_the_session_goes_on() {
    let rules = AccountRules { token_ttl: Duration::from_secs(1), ..cheap() };
    let server = start_with(|config| config.accounts = Some(rules)).await;
    server.register("ada").await.parse::<Profile>();
    let tokens = server.sign_in("ada").await;
    let begun = Instant::now();
    loop {
        let answer = server.sessions(&tokens).await;
        if answer.status != 200 {
            assert_eq!(answer.code(), ErrorCode::TokenExpired);
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "it never ends");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let next: SessionTokens = server.refresh(&tokens).await.parse();
    assert_eq!(server.sessions(&next).await.status, 200);
}

#[tokio::test]
async fn parameters_that_argon2_does_not_take_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.accounts = Some(AccountRules { password_memory_kib: 1, ..cheap() });
    let error = Server::start(config).await.unwrap_err().to_string();
    assert!(error.contains("Argon2"), "{error}");
}
