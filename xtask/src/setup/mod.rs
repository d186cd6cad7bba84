//! What the suites need on a machine: looked at before they run, and brought where that can be
//! done without asking.

pub(crate) mod apt;
pub(crate) mod java;
pub(crate) mod s3;
pub(crate) mod services;
pub(crate) mod swift;
pub(crate) mod unpacked;
mod version;

use std::process::{Command, Stdio};

use crate::workspace::cargo;
use version::Version;

/// The oldest cargo that packages crates of one workspace that depend on each other. (The crates
/// themselves are content with the workspace's `rust-version`, which cargo checks by itself.)
pub(crate) const PACKAGING: Version = Version(1, 90);

/// The version of the cargo that runs this.
pub(crate) fn cargo_version() -> Option<Version> {
    Version::after("cargo ", &said(&mut cargo(&["--version"]))?)
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

/// What a program says when it succeeds: none if it is not there or fails.
pub(crate) fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(crate) fn succeeds(command: &mut Command) -> bool {
    said(command).is_some()
}
