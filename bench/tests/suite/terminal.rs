//! The demo's program itself, on a real pseudo-terminal, as a person would have it before him.
//!
//! `script` of util-linux is what makes the terminal: it is on every Debian, and a crate for it
//! would be used by this test alone. `vt100` is the eye.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const DEMO: &str = env!("CARGO_BIN_EXE_demo");

/// How long anything may take: on a busy machine a crowd is slow to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A person before a terminal.
struct Person {
    child: Child,
    keys: ChildStdin,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    raw: Vec<u8>,
}

impl Person {
    /// Starts the demo on a terminal of this size, from a shell that tells afterwards how the demo
    /// ended and how it left the terminal.
    fn sits_down(columns: u16, rows: u16) -> Self {
        let shell = format!(
            "stty rows {rows} cols {columns}; '{DEMO}'; code=$?; stty -a; echo \"left with $code\"; \
             exit $code"
        );
        let mut child = Command::new("script")
            .args(["--quiet", "--flush", "--return", "--command", &shell, "/dev/null"])
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`script` of util-linux makes the terminal: install it (Debian: bsdutils)");
        let mut stdout = child.stdout.take().unwrap();
        let (told, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 64 * 1024];
            while let Ok(read @ 1..) = stdout.read(&mut buffer) {
                if told.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = child.stdin.take().unwrap();
        let screen = vt100::Parser::new(rows, columns, 0);
        Self { child, keys, output, screen, raw: Vec::new() }
    }

    fn types(&mut self, text: &str) {
        self.keys.write_all(text.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn presses_escape(&mut self, then: &str) {
        self.types("\u{1b}");
        // A letter right behind it would be another key: the help line shows that it has come.
        self.sees(then);
    }

    fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Waits until the screen shows this.
    fn sees(&mut self, text: &str) {
        self.until(text, |contents| contents.contains(text));
    }

    fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let late = Instant::now() + PATIENCE;
        while !holds(&self.contents()) {
            let left = late.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => {
                    self.screen.process(&bytes);
                    self.raw.extend(bytes);
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("`{what}` does not come:\n{}", self.contents())
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended before `{what}`:\n{}", self.contents())
                }
            }
        }
    }

    /// Waits for the end, and gives the exit status and what stands on the terminal.
    fn leaves(mut self) -> (Option<i32>, String, String) {
        while let Ok(bytes) = self.output.recv_timeout(PATIENCE) {
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
        let status = self.child.wait().unwrap();
        let raw = String::from_utf8_lossy(&self.raw).into_owned();
        (status.code(), self.contents(), raw)
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // A test that failed leaves nothing running: the end of the terminal ends the demo.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asserts that the terminal is as it was.
fn assert_restored(contents: &str, raw: &str) {
    assert!(raw.contains("\u{1b}[?1049h") && raw.contains("\u{1b}[?1049l"), "the second screen");
    assert!(raw.rfind("\u{1b}[?25h") > raw.rfind("\u{1b}[?25l"), "the cursor is visible");
    let modes: Vec<&str> = contents.split_whitespace().collect();
    for mode in ["icanon", "echo", "isig", "icrnl", "opost"] {
        assert!(modes.contains(&mode), "{mode} is not back:\n{contents}");
    }
}

#[test]
fn a_person_chats_brings_a_crowd_and_quits() {
    let mut person = Person::sits_down(100, 40);
    person.sees("Real-time");
    person.sees("nothing limits it");
    person.sees("harbour");
    person.types("hello from the pier");
    person.sees("› hello from the pier");
    person.types("\r");
    person.until("the message is in the room", |contents| {
        contents.lines().any(|line| line.contains('✓') && line.contains("you hello from the pier"))
    });
    person.presses_escape("Esc: back to typing");
    person.types("+");
    person.until("the notice of hybrid", |contents| {
        contents.lines().filter(|line| line.contains("Hybrid")).count() >= 3
            && contents.contains("users are online")
    });
    person.types("f");
    person.sees("press r to retry, x to discard");
    person.sees("a retry will work");
    person.types("r");
    person.until("the message that failed is in the room", |contents| {
        contents.lines().any(|line| line.contains('✓') && line.contains("refuse this one"))
    });
    person.types("s");
    person.sees("server stopped");
    person.types("s");
    person.sees("the server runs again");
    person.types("q");
    let (code, contents, raw) = person.leaves();
    assert!(contents.contains("left with 0"), "{contents}");
    assert_eq!(code, Some(0), "{contents}");
    assert_restored(&contents, &raw);
}

#[test]
fn a_small_terminal_is_told_so_and_control_c_ends_it() {
    let mut person = Person::sits_down(60, 15);
    person.sees("Please make the terminal larger");
    person.types("\u{3}");
    let (code, contents, raw) = person.leaves();
    assert_eq!(code, Some(0), "{contents}");
    assert!(raw.contains("\u{1b}[?1049l"), "{raw}");
}

#[test]
fn without_a_terminal_nothing_is_started_and_the_way_out_is_told() {
    let output = Command::new(DEMO).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--headless") && told.contains("terminal"), "{told}");
}

/// The parent of a process, if it is still there.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything: the state, then the parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The demo that runs on a person's terminal.
fn demo_of(person: &Person) -> u32 {
    let is_below = |pid| {
        std::iter::successors(Some(pid), |pid| parent(*pid)).any(|pid| pid == person.child.id())
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| {
            std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("demo"))
        })
        .find(|pid| is_below(*pid))
        .expect("the demo runs")
}

#[test]
fn a_terminal_that_goes_away_ends_the_demo() {
    let mut person = Person::sits_down(100, 30);
    person.sees("Real-time");
    let demo = demo_of(&person);
    person.child.kill().unwrap();
    let late = Instant::now() + PATIENCE;
    while std::fs::exists(format!("/proc/{demo}")).unwrap() {
        assert!(Instant::now() < late, "the demo goes on without a terminal");
        std::thread::sleep(Duration::from_millis(20));
    }
}
