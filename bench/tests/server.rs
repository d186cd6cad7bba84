//! `bench server`, made small: it runs, and nothing is lost by it.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::process::Command;

use serde_json::Value;

#[test]
fn a_small_run_ends_with_success_and_loses_nothing_in_a_storm() {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["server", "--quick"])
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
    for name in ["fan_out.share_of_bare", "idle.kb_per_connection", "storm.last_back_s"] {
        assert!(figures[name]["value"].as_f64() > Some(0.0), "{name}");
    }
    assert_eq!(figures["storm.lost"]["value"], 0.0);
    assert_eq!(figures["storm.repeated"]["value"], 0.0);
}
