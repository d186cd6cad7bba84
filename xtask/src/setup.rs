//! What the suites need on a machine, looked at before they run.

use std::process::{Command, Stdio};

use crate::workspace::cargo;

/// The oldest cargo that packages crates of one workspace that depend on each other. (The crates
/// themselves are content with the workspace's `rust-version`, which cargo checks by itself.)
pub(crate) const PACKAGING: Version = Version(1, 90);

/// The first two numbers of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32);

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Reads `cargo 1.95.0 (f2d3ce0bd 2026-03-21)`.
fn parse(text: &str) -> Option<Version> {
    let mut numbers = text.split_whitespace().nth(1)?.split('.');
    Some(Version(numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The version of the cargo that runs this.
pub(crate) fn cargo_version() -> Option<Version> {
    let output = cargo(&["--version"]).output().ok()?;
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Bundled SQLite and ring are C. A machine that links Rust with `cc` has one; others say so in
/// `CC`.
pub(crate) fn c_compiler() -> Result<(), String> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    // `CC` may hold flags or a wrapper: its first word has to be there.
    let program = compiler.split_whitespace().next().unwrap_or("cc");
    if succeeds(Command::new(program).arg("--version")) {
        return Ok(());
    }
    Err(format!(
        "there is no C compiler (`{compiler}`): SQLite and ring need one. Debian and Ubuntu: \
         apt-get install build-essential. macOS: xcode-select --install"
    ))
}

/// Whether cargo has this subcommand; if not, rustup is asked to add what brings it.
pub(crate) fn component(subcommand: &str, component: &str) -> Result<(), String> {
    if succeeds(&mut cargo(&[subcommand, "--version"])) {
        return Ok(());
    }
    println!("rustup component add {component}");
    let added = Command::new("rustup").args(["component", "add", component]).status();
    if added.is_ok_and(|status| status.success())
        && succeeds(&mut cargo(&[subcommand, "--version"]))
    {
        return Ok(());
    }
    Err(format!("`cargo {subcommand}` is not installed: rustup component add {component}"))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        assert_eq!(parse("cargo 1.95.0 (f2d3ce0bd 2026-03-21)"), Some(Version(1, 95)));
        assert_eq!(parse("cargo 1.100.0-nightly (abc)"), Some(Version(1, 100)));
        assert!(Version(1, 100) > PACKAGING && Version(1, 9) < PACKAGING);
        assert_eq!(parse("something else"), None);
    }
}
