//! Tests that exist and would not run: with `CI=true` there must be none.

use std::io;

use crate::steps::Outcome;
use crate::workspace::{files, read, root};

/// Folders with tests, the extension of their files, and how one is switched off: at the beginning
/// of a line, or anywhere in it.
const FOLDERS: &[(&str, &str, &[&str], &[&str])] = &[
    ("protocol", "rs", RUST, &[]),
    ("sdk-core", "rs", RUST, &[]),
    ("server", "rs", RUST, &[]),
    ("services", "rs", RUST, &[]),
    ("bindings/src", "rs", RUST, &[]),
    ("bindings/tests", "rs", RUST, &[]),
    ("tests", "rs", RUST, &[]),
    ("bench", "rs", RUST, &[]),
    ("bindings/swift/Tests", "swift", &[], SWIFT),
    ("bindings/kotlin/src/test", "kt", KOTLIN, &[]),
    ("bindings/kotlin/android/src/test", "kt", KOTLIN, &[]),
];

const RUST: &[&str] = &["#[ignore"];
const SWIFT: &[&str] = &["XCTSkip", ".disabled(", ".enabled(if"];
const KOTLIN: &[&str] = &["@Disabled", "@Ignore", "Assumptions.", "assumeTrue(", "assumeFalse("];

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
    for (folder, extension, begins, holds) in FOLDERS {
        // Not every crate has such a folder.
        if !root().join(folder).exists() {
            continue;
        }
        for path in files(folder, extension)? {
            for (number, line) in (1..).zip(read(&path)?.lines()) {
                if is_ignored(line, begins, holds) {
                    ignored.push(format!("{}:{number}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    Ok(ignored)
}

fn is_ignored(line: &str, begins: &[&str], holds: &[&str]) -> bool {
    let line = line.trim();
    if line.starts_with("//") {
        return line.contains("```ignore");
    }
    begins.iter().any(|begin| line.starts_with(begin)) || holds.iter().any(|it| line.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ignored_test_is_seen_with_and_without_a_reason() {
        let rust = |line| is_ignored(line, RUST, &[]);
        assert!(rust("    #[ignore]"));
        assert!(rust("#[ignore = \"takes an hour\"]"));
        assert!(rust("/// ```ignore"));
        assert!(!rust("//! The app may ignore it."));
        let swift = |line| is_ignored(line, &[], SWIFT);
        assert!(swift("        throw XCTSkip(\"later\")"));
        assert!(swift("@Test(.disabled(\"later\")) func sends() {"));
        assert!(!swift("// XCTSkip is not for us"));
        assert!(!swift("button.disabled = true"));
        let kotlin = |line| is_ignored(line, KOTLIN, &[]);
        assert!(kotlin("    @Disabled(\"later\")"));
        assert!(kotlin("@Ignore"));
        assert!(!kotlin("fun ignored() {"));
    }
}
