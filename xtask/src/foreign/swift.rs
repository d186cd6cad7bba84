//! The Swift suite.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};

use super::STAGE;
use super::report::swift as counts;
use super::stage::Stage;
use crate::bindings::{self, Language};
use crate::setup::swift::Swift;
use crate::steps::Outcome;
use crate::workspace::{files, root};

const PACKAGE: &str = "bindings/swift";

/// Runs it.
pub(crate) fn test() -> Outcome {
    if !root().join(PACKAGE).join("Package.swift").exists() {
        let why = format!("there is no Swift suite yet: {PACKAGE}/Package.swift is missing");
        return Outcome::Skipped(why);
    }
    match Swift::set_up() {
        Ok(swift) => run(&swift).unwrap_or_else(Outcome::Failed),
        Err(why) => Outcome::Skipped(why),
    }
}

fn run(swift: &Swift) -> Result<Outcome, String> {
    bindings::generate(&[Language::Swift], false)?;
    let stage = Stage::start()?;
    println!("swift test --package-path {PACKAGE}");
    let args = ["test", "--package-path", PACKAGE];
    let command = swift.command(&args, &[(STAGE, &stage.control)]);
    let (status, output) =
        heard(command).map_err(|error| format!("Swift could not be started: {error}"))?;
    let counts = counts(&output);
    println!("{} tests, {} failed, {} skipped", counts.tests, counts.failed, counts.skipped);
    Ok(counts.outcome(status.success()))
}

/// Whether what is for Apple's platforms alone can be read by the compiler: the example app, and those parts
/// of the package that are left out here. Without Apple's SDKs no more can be said of them.
pub(crate) fn parse() -> Outcome {
    let swift = match Swift::set_up() {
        Ok(swift) => swift,
        Err(why) => return Outcome::Skipped(why),
    };
    let parsed = || -> Result<String, String> {
        let mut sources = Vec::new();
        for folder in ["bindings/swift/Sources/Tidewire", "examples-ios"] {
            sources.extend(files(folder, "swift").map_err(|error| format!("{folder}: {error}"))?);
        }
        let names: Vec<String> = sources.iter().map(|path| path.display().to_string()).collect();
        let mut args = vec!["-parse", "-swift-version", "6"];
        args.extend(names.iter().map(String::as_str));
        let status = swift.compiler(&args).status();
        match status.map_err(|error| format!("Swift could not be started: {error}"))?.success() {
            true => Ok(format!("{} files", names.len())),
            false => Err("the compiler can not read them, see above".into()),
        }
    };
    match parsed() {
        Ok(what) => Outcome::PassedWith(what),
        Err(why) => Outcome::Failed(why),
    }
}

/// Runs a command and gives what it wrote, which is also passed on as it comes.
fn heard(mut command: Command) -> io::Result<(ExitStatus, String)> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let err = child.stderr.take().map(|err| std::thread::spawn(|| pass_on(err, io::stderr())));
    let mut output = child.stdout.take().map_or_else(String::new, |out| pass_on(out, io::stdout()));
    if let Some(err) = err {
        output.push_str(&err.join().unwrap_or_default());
    }
    Ok((child.wait()?, output))
}

fn pass_on(from: impl io::Read, mut to: impl Write) -> String {
    let mut all = String::new();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        // Whoever reads our output may have gone; the suite goes on.
        let _ = to.write_all(&line);
        all.push_str(&String::from_utf8_lossy(&line));
        line.clear();
    }
    all
}
