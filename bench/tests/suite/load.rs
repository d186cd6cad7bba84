//! `tidewire-load`: every shipped scenario, made small, against a server that it starts, and one that runs already.

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tidewire_bench::load::SHIPPED;

fn load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidewire-load"))
        .args(arguments)
        .output()
        .expect("the load generator starts")
}

fn figures(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn in_every_shipped_scenario_all_that_is_said_is_heard_once() {
    std::thread::scope(|scope| {
        for (name, _) in SHIPPED {
            scope.spawn(move || {
                let folder = tempfile::tempdir().unwrap();
                let out = folder.path().to_str().unwrap();
                let mut arguments = vec![name, "--users", "12", "--duration", "4", "--rate", "2"];
                arguments.extend(["--json", "--out", out]);
                let output = load(&arguments);
                let figures = figures(&output);
                let value = |figure: &str| figures[figure]["value"].as_f64().unwrap();
                assert_eq!(value("users"), 12.0);
                assert!(value("check.deliveries") > 0.0, "{name}: nobody said a word");
                assert_eq!(value("check.lost") + value("check.repeated"), 0.0, "{name}");
                let report = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
                let report: Value = serde_json::from_str(&report).unwrap();
                assert_eq!(report["holds"], true, "{name}");
                assert!(report["seconds"].as_array().unwrap().len() >= 4, "{name}");
                let plot = std::fs::read_to_string(folder.path().join("plot.svg")).unwrap();
                assert!(plot.ends_with("</svg>\n"), "{name}");
            });
        }
    });
}

#[test]
fn a_server_that_runs_already_is_only_left_and_never_killed() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    // Its own server, as the load generator starts it, stands for one that runs.
    let mut server = Command::new(env!("CARGO_BIN_EXE_tidewire-load"))
        .args(["server-child", "--listen", "127.0.0.1:0", "--admission", "0", "--data"])
        .arg(folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let (url, pid) = (format!("http://{}", first.trim()), server.id().to_string());
    let secret = folder.path().join("secret.key");
    let secret = secret.to_str().unwrap();
    let there = ["--url", &url, "--secret-file", secret, "--server-pid", &pid];
    for kind in ["light", "memory"] {
        let mut arguments = vec!["reconnect-storm", "--users", "8", "--duration", "3"];
        arguments.extend(["--rate", "2", "--json", "--clients", kind]);
        arguments.extend(there);
        let figures = figures(&load(&arguments));
        assert!(figures["check.deliveries"]["value"].as_f64() > Some(0.0));
        assert!(figures["server.mb_most"]["value"].as_f64() > Some(0.0));
    }
    // Its input ends, and so does it.
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}

#[test]
fn what_cannot_be_run_is_told_and_is_no_success() {
    let told = |arguments: &[&str]| {
        let output = load(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(told(&["no-such-scenario"]).contains("reconnect-storm"), "it says which there are");
    assert!(told(&["steady", "--users", "1"]).contains("at least 2 users"));
    let gone = ["steady", "--url", "http://127.0.0.1:9", "--secret-file", "/nowhere/secret.key"];
    assert!(told(&gone).contains("/nowhere/secret.key is no file"));
    if cfg!(target_os = "linux") {
        let many = told(&["steady", "--users", "100000000"]);
        assert!(many.contains("open files"), "{many}");
    }
}
