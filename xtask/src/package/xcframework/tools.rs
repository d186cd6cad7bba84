//! What is needed to build for Apple's platforms, and how it is called.

use std::process::Command;

use crate::setup::{said, succeeds};

/// Whether everything is there; else what has to be installed.
pub(super) fn look(targets: &[&str]) -> Result<(), String> {
    let listed = said(Command::new("rustup").args(["target", "list", "--installed"]));
    let problems = problems(
        std::env::consts::OS,
        succeeds(Command::new("xcrun").args(["--sdk", "iphoneos", "--show-sdk-path"])),
        listed.as_deref(),
        targets,
    );
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// What is missing, and how to get it.
fn problems(os: &str, has_sdk: bool, listed: Option<&str>, targets: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    if os != "macos" {
        problems.push(format!(
            "an XCFramework is built on macOS only, and this is {os}: Apple's SDKs are part of Xcode"
        ));
    } else if !has_sdk {
        problems.push(
            "there is no SDK for iOS: install Xcode 16 or newer from the App Store, then run \
             `sudo xcode-select -s /Applications/Xcode.app` and open it once; the command line tools \
             alone have none"
                .into(),
        );
    }
    // Without rustup nobody can tell: the build says what is missing.
    let missing: Vec<&str> = listed.map_or_else(Vec::new, |listed| {
        targets
            .iter()
            .filter(|target| !listed.lines().any(|line| line == **target))
            .copied()
            .collect()
    });
    if !missing.is_empty() {
        problems.push(format!(
            "Rust can not build for Apple's platforms yet: rustup target add {}",
            missing.join(" ")
        ));
    }
    problems
}

/// A tool of Xcode's.
pub(super) fn xcrun(tool: &str) -> Command {
    let mut command = Command::new("xcrun");
    command.arg(tool);
    command
}

pub(super) fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{program}` failed: {status}")),
        Err(error) => Err(format!("`{program}` could not be started: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_the_way_to_get_it() {
        const TARGETS: &[&str] = &["aarch64-apple-ios", "aarch64-apple-darwin"];
        let of = |os, has_sdk, listed| problems(os, has_sdk, listed, TARGETS).join("\n");
        let all = "aarch64-apple-darwin\naarch64-apple-ios\n";
        assert_eq!(of("macos", true, Some(all)), "");
        assert_eq!(of("macos", true, None), "");
        assert!(of("linux", false, Some(all)).contains("on macOS only, and this is linux"));
        assert!(of("macos", false, Some(all)).contains("install Xcode 16"));
        let one = of("macos", true, Some("aarch64-apple-darwin\nwasm32-unknown-unknown\n"));
        assert!(one.ends_with("rustup target add aarch64-apple-ios"), "{one}");
    }
}
