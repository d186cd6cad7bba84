//! The project's commands: `cargo xtask demo | test | bindings | aar | xcframework | scenarios | replay | bench | load`. Only the
//! standard library, so that it is built in a second or two and never stands in the way.

mod bindings;
mod checks;
mod foreign;
mod package;
mod scenarios;
mod setup;
mod steps;
mod suites;
mod workspace;

use std::process::{Command, ExitCode};

const HELP: &str = "\
The project's commands.

  cargo xtask demo [--headless] [--json] [--users N] [--seconds S]
      Simulated users chat through all modes, with faults. `demo --help` has every flag.
  cargo xtask test [PART]
      Every suite, or one part of it: protocol, rust, server, e2e, kotlin, swift, demo. With CI=true
      a skipped suite is a failure. What kotlin and swift need is installed on Debian and Ubuntu if
      this runs as root: Java and Maven by apt, Swift in a folder of its own in ~/.cache/tidewire. What
      server needs, an S3 server, Go builds into the target folder.
  cargo xtask bindings [swift] [kotlin] [--release]
      Builds the library and generates the sources by which Swift and Kotlin call it, into
      bindings/swift and bindings/kotlin. With --release: the library as phones get it.
  cargo xtask aar
      The package for Android, for all its processors, in the layout of a Maven repository: target/aar. Needs
      the Android NDK; Gradle is not needed.
  cargo xtask xcframework [--url FOLDER]
      The library for iOS, its simulator and macOS, into bindings/swift/lib, and a Swift package that is ready
      to be published: target/xcframework. FOLDER is where its archive will be. Needs macOS with Xcode.
  cargo xtask scenarios
      Writes docs/scenarios.md: which test walks through which scenario, in each language.
  cargo xtask replay FILE [--quiet]
      Goes through a client's recording again, prints each input and each decision, and says whether
      the decisions are those that were recorded.
  cargo xtask bench NAME [--json]
      A benchmark, built with all optimisations: a table, and as the last line one JSON object. There is
      `modes`: what each mode costs, counted in a simulation of 5,000 users, and how fast it is over real
      sockets. `store`: the client's store beside bare SQLite with the same tables. `send`: from `send` to the
      screen beside a bare commit, and how a queue leaves. `crash`: clients killed at every step. `server`:
      what one server carries, beside a bare axum and beside one event a transaction. And `ffi`: what the border
      to Kotlin costs, with the library as phones get it, which takes minutes to build.
      `bench modes --help` has every flag.
  cargo xtask load [SCENARIO] [--users N] [--duration S] [--url URL --secret-file FILE] [--out FOLDER] [--json]
      tidewire-load, built with all optimisations: users by the thousand against a server, by a scenario of
      bench/scenarios/ or a file of one's own, with everything that they say held against the log. See docs/load.md.
  cargo xtask help
      This text.
";

/// Wrong usage: told apart from what ran and failed.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        ["demo", rest @ ..] => replace_by(suites::demo(rest)),
        ["test"] => suites::test(suites::Part::All),
        ["test", part] => match suites::Part::parse(part) {
            Ok(part) => suites::test(part),
            Err(problem) => wrong(&problem),
        },
        ["test", ..] => wrong("`test` takes one part at most"),
        ["bindings", rest @ ..] => match bindings::parse(rest) {
            Ok((languages, release)) => told(bindings::generate(&languages, release)),
            Err(problem) => wrong(&problem),
        },
        ["aar"] => told(package::aar::pack()),
        ["xcframework", rest @ ..] => match package::xcframework::parse(rest) {
            Ok(url) => told(package::xcframework::pack(&url)),
            Err(problem) => wrong(&problem),
        },
        ["replay", rest @ ..] => replace_by(suites::replay(rest)),
        ["scenarios"] => told(scenarios::write()),
        ["bench"] => {
            wrong("`bench` takes the name of a benchmark: modes, store, send, crash, server, ffi")
        }
        ["bench", "ffi", rest @ ..] => match foreign::bench::measure(rest) {
            Ok(tell) => replace_by(tell),
            Err(problem) => told(Err(problem)),
        },
        ["bench", rest @ ..] => replace_by(suites::bench(rest)),
        ["load", rest @ ..] => replace_by(suites::load(rest)),
        [command, ..] => wrong(&format!("`{command}` is no command")),
    }
}

fn told(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn wrong(problem: &str) -> ExitCode {
    eprintln!("xtask: {problem}\n\n{HELP}");
    ExitCode::from(USAGE)
}

/// Lets the command take this process's place: its exit status is ours, and so are the signals
/// that are meant for it.
#[cfg(unix)]
fn replace_by(mut command: Command) -> ExitCode {
    use std::os::unix::process::CommandExt;
    // Returns only if there is no such program.
    let error = command.exec();
    eprintln!("xtask: cargo could not be started: {error}");
    ExitCode::FAILURE
}

#[cfg(not(unix))]
fn replace_by(mut command: Command) -> ExitCode {
    match command.status() {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("xtask: cargo could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}
