//! The demo and the benchmarks as programs: they run, and what they print can be read.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test a panic is the report")]

mod load;
mod modes;
mod server;
mod store;
#[cfg(target_os = "linux")]
mod terminal;

use std::process::Command;

use serde_json::Value;

/// Runs a benchmark: its figures, each of which has its shape, and all that it printed.
fn bench(arguments: &[&str]) -> (Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments)
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
    (figures, text)
}
