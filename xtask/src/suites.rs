//! `cargo xtask test`: which steps there are, in which order, for the whole and for its parts.

use std::process::{Command, ExitCode};

use crate::checks::{arrows, readme, skips};
use crate::foreign;
use crate::package;
use crate::scenarios;
use crate::setup;
use crate::steps::{Outcome, Steps};
use crate::workspace::{cargo, program};

/// The demo of the last step: enough users to leave real-time (50), and short.
const DEMO: &[&str] = &["--headless", "--json", "--users", "60", "--seconds", "12"];

/// What is to be tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    All,
    /// The wire's types and rules.
    Protocol,
    /// The client, with the wire that it is built on.
    Rust,
    Server,
    /// Client and server together, over real sockets.
    EndToEnd,
    /// The bindings as Kotlin calls them.
    Kotlin,
    /// The bindings as Swift calls them.
    Swift,
    /// The short demo alone.
    Demo,
}

impl Part {
    /// Reads a part's name.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "all" => Ok(Self::All),
            "protocol" => Ok(Self::Protocol),
            "rust" => Ok(Self::Rust),
            "server" => Ok(Self::Server),
            "e2e" => Ok(Self::EndToEnd),
            "demo" => Ok(Self::Demo),
            "kotlin" => Ok(Self::Kotlin),
            "swift" => Ok(Self::Swift),
            other => Err(format!("`{other}` is no part of the tests")),
        }
    }

    /// Whether cargo tests it.
    fn is_of_cargo(self) -> bool {
        !matches!(self, Self::Kotlin | Self::Swift | Self::Demo)
    }

    /// The part's packages, as cargo's arguments.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Self::All => &["--workspace"],
            Self::Protocol => &["-p", "tidewire-protocol"],
            Self::Rust => &["-p", "tidewire-protocol", "-p", "tidewire", "-p", "tidewire-ffi"],
            Self::Server => &["-p", "tidewire-server", "-p", "tidewire-services"],
            Self::EndToEnd => &["-p", "tidewire-tests"],
            Self::Kotlin | Self::Swift => &["-p", "tidewire-ffi"],
            Self::Demo => &["-p", "tidewire-bench"],
        }
    }
}

/// The demo, with these arguments. Built alone: who wants to see it waits for nothing else.
pub(crate) fn demo(args: &[&str]) -> Command {
    let mut command = cargo(&["run", "--quiet", "-p", "tidewire-bench", "--bin", "demo", "--"]);
    command.args(args);
    command
}

/// The program that goes through a recording again.
pub(crate) fn replay(args: &[&str]) -> Command {
    let mut command = cargo(&["run", "--quiet", "-p", "tidewire", "--example", "replay", "--"]);
    command.args(args);
    command
}

/// A benchmark, with these arguments.
pub(crate) fn bench(args: &[&str]) -> Command {
    measured("bench", args)
}

/// The load generator, with these arguments.
pub(crate) fn load(args: &[&str]) -> Command {
    measured("tidewire-load", args)
}

fn measured(program: &str, args: &[&str]) -> Command {
    let mut command = cargo(&["run", "--quiet", "--profile", "measure", "-p", "tidewire-bench"]);
    command.args(["--bin", program, "--"]).args(args);
    command
}

/// Runs every step of a part, also after one has failed.
pub(crate) fn test(part: Part) -> ExitCode {
    let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true" || ci == "1");
    if let Err(problem) = setup::c_compiler() {
        eprintln!("xtask: {problem}");
        return ExitCode::FAILURE;
    }
    let mut steps = Steps::new(strict);
    if part != Part::Demo {
        checks(&mut steps, part);
    }
    if matches!(part, Part::All | Part::EndToEnd) {
        // The end-to-end tests start these programs.
        steps.run("build", cargo(&["build", "--workspace", "--bins", "--examples"]));
    }
    if matches!(part, Part::All | Part::Server) {
        // The server's tests of files keep some of them there.
        steps.check("s3 server", || match setup::s3::set_up() {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Skipped(why),
        });
    }
    if matches!(part, Part::All | Part::Server | Part::EndToEnd) {
        // The tests of several servers run these.
        steps.check("services", || match setup::services::set_up() {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Skipped(why),
        });
    }
    if part.is_of_cargo() {
        let mut test = cargo(&["test", "--no-fail-fast"]);
        // End-to-end tests wait more than they work: with a thread for each core they would take
        // three times as long.
        test.args(part.packages()).env("RUST_TEST_THREADS", "8");
        steps.run("test", test);
    }
    if matches!(part, Part::All | Part::Kotlin) {
        steps.check("kotlin", foreign::kotlin::test);
        // Of what the suite has compiled.
        steps.check("aar", package::aar::test);
    }
    if matches!(part, Part::All | Part::Swift) {
        steps.check("swift", foreign::swift::test);
        steps.check("swift for apple", foreign::swift::parse);
        // Of what the suite has generated.
        steps.check("xcframework", package::xcframework::test);
    }
    if matches!(part, Part::All | Part::Demo) {
        // After the whole it is there already: `cargo run` would choose other features of the
        // dependencies and build them once more.
        let built = || {
            let mut demo = program("demo");
            demo.args(DEMO);
            demo
        };
        steps.run("demo", if part == Part::All { built() } else { demo(DEMO) });
    }
    // Last, because it leaves its own build of the packages in the target folder.
    if matches!(part, Part::All | Part::Rust | Part::Protocol) {
        package(&mut steps, part);
    }
    steps.close()
}

/// What is seen without running anything.
fn checks(steps: &mut Steps, part: Part) {
    steps.check("arrows", arrows::check);
    steps.check("skips", skips::check);
    if matches!(part, Part::All | Part::EndToEnd | Part::Kotlin | Part::Swift) {
        steps.check("scenarios", scenarios::check);
    }
    if !part.is_of_cargo() {
        return;
    }
    if matches!(part, Part::All | Part::Rust) {
        steps.check("readme", readme::check);
    }
    match setup::component("fmt", "rustfmt") {
        Ok(()) => {
            let packages = if part == Part::All { &["--all"][..] } else { part.packages() };
            let mut fmt = cargo(&["fmt", "--check"]);
            fmt.args(packages);
            steps.run("fmt", fmt);
        }
        Err(why) => steps.check("fmt", || Outcome::Skipped(why)),
    }
    match setup::component("clippy", "clippy") {
        Ok(()) => {
            let mut clippy = cargo(&["clippy", "--all-targets"]);
            clippy.args(part.packages()).args(["--", "-D", "warnings"]);
            steps.run("clippy", clippy);
        }
        Err(why) => steps.check("clippy", || Outcome::Skipped(why)),
    }
    let mut docs = cargo(&["doc", "--no-deps"]);
    docs.args(part.packages()).env("RUSTDOCFLAGS", "-D warnings");
    steps.run("docs", docs);
}

/// Packs what is published and builds it from the packages alone.
fn package(steps: &mut Steps, part: Part) {
    let version = setup::cargo_version();
    if version.is_none_or(|version| version < setup::PACKAGING) {
        let why = format!("this needs cargo {} or newer: rustup update", setup::PACKAGING);
        steps.check("package", || Outcome::Skipped(why));
        return;
    }
    // A clone that is being worked on is packed as it is.
    setup::unpacked::forget();
    let mut package = cargo(&["package", "--allow-dirty", "--target-dir", setup::unpacked::TARGET]);
    package.args(["-p", "tidewire-protocol"]);
    if part != Part::Protocol {
        // Together, because no registry has the first one yet.
        package.args(["-p", "tidewire"]);
    }
    steps.run("package", package);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_does_not_exist_is_no_success() {
        assert!(Part::parse("rusty").is_err());
        assert_eq!(Part::parse("server"), Ok(Part::Server));
    }
}
