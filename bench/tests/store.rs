//! `bench store`, made small: it runs, and what it prints can be read.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::Command;

use serde_json::Value;

#[test]
fn a_small_run_ends_with_success_and_its_last_line_has_every_figure() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["store", "--quick"])
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
    for name in ["ingest_1", "ingest_100"] {
        assert!(figures[format!("{name}.share_of_bare")]["value"].as_f64() > Some(0.0));
    }
    for name in ["start.first_screen_ms", "open.cached_room_ms", "calls.longest_run_ms"] {
        assert!(figures[name]["value"].is_number(), "{name}");
    }
    assert_eq!(figures["logout.failed"]["value"], 0.0);
    assert_eq!(figures["memory.messages"]["value"], 15_000.0);
    assert!(text.contains("SEED="), "the workload can be done again");
}
