//! `bench modes`, made small: it runs, and what it prints can be read.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::Command;

use serde_json::Value;

#[test]
fn a_small_run_ends_with_success_and_its_last_line_has_every_figure() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["modes", "--users", "50", "--minutes", "1", "--live-users", "10"])
        .args(["--live-seconds", "2"])
        .output()
        .expect("the benchmark starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let figures: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    for figure in figures.as_object().unwrap().values() {
        assert!(figure["value"].is_number() && figure["unit"].is_string(), "{figure}");
        assert!(figure["holds"].is_boolean() && figure.get("goal").is_some(), "{figure}");
    }
    for mode in ["real_time", "hybrid", "polling", "automatic"] {
        for figure in ["sockets", "presence_frames_per_second"] {
            let figure = &figures[format!("{mode}.{figure}")];
            assert_eq!(figure["holds"], true, "{mode}: {figure}");
        }
        assert!(figures[format!("{mode}.bytes_per_client_hour")]["value"].as_f64() > Some(0.0));
    }
    assert_eq!(figures["background.wakeups_per_hour"]["holds"], true, "{figures}");
    assert_eq!(figures["background.requests_per_wakeup"]["value"], 1.0);
    assert!(figures["polling.to_screen_p99_ms"]["value"].is_number());
    assert!(text.contains("Traffic: "), "what the figures are of is told");
}
