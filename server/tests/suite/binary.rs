//! The binary: its one line, its token, its signals, its exit codes.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn command(args: &[&str], data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewire-server"));
    command.args(args).arg("--data").arg(data).env_clear();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server process, killed if the test fails.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(data: &Path) -> (Process, BufReader<std::process::ChildStdout>, String) {
    let mut process =
        Process(command(&["serve", "--listen", "127.0.0.1:0"], data).spawn().unwrap());
    let mut stdout = BufReader::new(process.0.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (process, stdout, line)
}

#[test]
fn it_serves_until_a_signal_and_exits_with_zero() {
    for signal in ["-TERM", "-INT"] {
        let data = tempfile::tempdir().unwrap();
        let (mut process, mut stdout, line) = serve(data.path());
        let addr = line.trim_end().strip_prefix("listening on http://").unwrap().to_owned();
        assert!(addr.starts_with("127.0.0.1:"), "{line}");
        std::net::TcpStream::connect(&addr).unwrap();
        let id = process.0.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(process.0.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line and no more");
        assert!(std::net::TcpStream::connect(&addr).is_err());
    }
}

#[test]
fn logs_are_one_json_object_a_line_if_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let flags = ["serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
    let mut process = Process(command(&flags, data.path()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let id = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let mut logs = String::new();
    process.0.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
    assert_eq!(process.0.wait().unwrap().code(), Some(0));
    let messages: Vec<String> = logs
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line))
        .map(|log| log["message"].as_str().unwrap().to_owned())
        .collect();
    assert!(messages.iter().any(|message| message == "stopping"), "{messages:?}");
}

#[test]
fn a_token_from_before_the_first_start_is_good() {
    let data = tempfile::tempdir().unwrap();
    let mint = || {
        let output = command(&["token", "--user", "ada"], data.path()).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let early = mint();
    let (_process, _stdout, line) = serve(data.path());
    let addr = line.trim_end().strip_prefix("listening on http://").unwrap().to_owned();
    for token in [early, mint()] {
        let mut stream = std::net::TcpStream::connect(&addr).unwrap();
        let request = format!(
            "GET /v1/bootstrap HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[test]
fn a_folder_in_use_and_a_file_that_is_no_database_exit_with_one_and_say_why() {
    let data = tempfile::tempdir().unwrap();
    let (_process, _stdout, _) = serve(data.path());
    let second = command(&["serve", "--listen", "127.0.0.1:0"], data.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another tidewire-server"));
    assert_eq!(second.stdout, b"");

    let broken = tempfile::tempdir().unwrap();
    std::fs::write(broken.path().join("tidewire.db"), "no database ".repeat(1_000)).unwrap();
    let output = command(&["serve", "--listen", "127.0.0.1:0"], broken.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no SQLite database"));
}

/// A server that keeps accounts, with the cheapest of hashes, and its address.
fn serve_accounts(data: &Path, log: &str) -> (Process, String) {
    let flags =
        ["serve", "--listen", "127.0.0.1:0", "--password-memory-kib=64", "--password-passes=1"];
    let mut command = command(&flags, data);
    let mut process =
        Process(command.env("TIDEWIRE_ACCOUNTS", "1").env("RUST_LOG", log).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (process, line.trim_end().strip_prefix("listening on ").unwrap().to_owned())
}

/// The walk through accounts of `docs/operations.md`, as it stands there.
fn walk(server: &str) -> String {
    let docs = include_str!("../../../docs/operations.md");
    let script = docs.split("```sh accounts\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(script.lines().count(), 5, "five lines: {script}");
    let mut shell = Command::new("sh");
    let walked = shell.args(["-euc", script]).env("SERVER", server).output().unwrap();
    let (told, errors) = (walked.stdout, String::from_utf8_lossy(&walked.stderr).into_owned());
    assert!(walked.status.success(), "{errors}");
    String::from_utf8(told).unwrap()
}

#[test]
fn the_walk_through_accounts_ends_signed_in() {
    let data = tempfile::tempdir().unwrap();
    let (_process, server) = serve_accounts(data.path(), "info");
    let told = walk(&server);
    assert!(told.contains("\"name\":\"Ada\"") && told.contains("\"device\":\"Phone\""), "{told}");
    assert!(told.contains("\"current\":true"), "{told}");
}

#[test]
fn no_log_holds_a_password_or_a_token() {
    let data = tempfile::tempdir().unwrap();
    let (mut process, server) = serve_accounts(data.path(), "trace");
    // Read as it comes: a log that nobody reads stops the server.
    let mut stderr = process.0.stderr.take().unwrap();
    let logs = std::thread::spawn(move || {
        let mut logs = String::new();
        stderr.read_to_string(&mut logs).unwrap();
        logs
    });
    walk(&server);
    let post = |path: &str, body: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-H", "content-type: application/json", "-d", body]);
        let output = curl.arg(format!("{server}{path}")).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let session = r#"{"user": "ada", "password": "the tide is at two"}"#;
    let mut told: serde_json::Value = serde_json::from_str(&post("/v1/sessions", session)).unwrap();
    let mut secrets = vec!["the tide".to_owned(), "wrong secret".to_owned()];
    post("/v1/sessions", r#"{"user": "ada", "password": "wrong secret"}"#);
    post("/v1/sessions", r#"{"user": "ada", "password": "wrong secret", "device": 7}"#);
    for _ in 0..2 {
        let refresh = told["refresh_token"].as_str().unwrap().to_owned();
        secrets.push(told["token"].as_str().unwrap().to_owned());
        let body = serde_json::json!({ "refresh_token": refresh }).to_string();
        told = serde_json::from_str(&post("/v1/sessions:refresh", &body)).unwrap();
        secrets.push(refresh);
    }
    // One that came twice is told of, and not said.
    let refresh = serde_json::json!({ "refresh_token": secrets[3] }).to_string();
    assert!(post("/v1/sessions:refresh", &refresh).contains("token_invalid"));
    let id = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let logs = logs.join().unwrap();
    assert!(logs.contains("a refresh token came twice"), "{logs}");
    for secret in &secrets {
        assert!(!logs.contains(secret.as_str()), "{secret} stands in the log");
    }
    for hash in ["argon2id", "$argon2"] {
        assert!(!logs.contains(hash), "{hash}");
    }
}
