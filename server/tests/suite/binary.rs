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
