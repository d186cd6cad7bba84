//! Tests that exist and would not run: with `CI=true` there must be none.

use std::io;

use crate::steps::Outcome;
use crate::workspace::{read, rust_files};

/// Folders with tests.
const FOLDERS: &[&str] = &["protocol", "sdk-core", "server", "bindings", "tests", "bench"];

/// The check as a step.
pub(crate) fn check() -> Outcome {
    match ignored() {
        Ok(ignored) if ignored.is_empty() => Outcome::Passed,
        Ok(ignored) => Outcome::Skipped(format!("ignored tests:\n{}", ignored.join("\n"))),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

fn ignored() -> io::Result<Vec<String>> {
    let mut ignored = Vec::new();
    for folder in FOLDERS {
        for path in rust_files(folder)? {
            for (number, line) in (1..).zip(read(&path)?.lines()) {
                if is_ignored(line) {
                    ignored.push(format!("{}:{number}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    Ok(ignored)
}

fn is_ignored(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("#[ignore") || (line.starts_with("//") && line.contains("```ignore"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_test_is_seen_with_and_without_a_reason() {
        assert!(is_ignored("    #[ignore]"));
        assert!(is_ignored("#[ignore = \"takes an hour\"]"));
        assert!(is_ignored("/// ```ignore"));
        assert!(!is_ignored("//! The app may ignore it."));
    }
}
