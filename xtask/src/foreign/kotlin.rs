//! The Kotlin suite.

use std::path::Path;
use std::process::Command;

use super::STAGE;
use super::report::{Counts, surefire};
use super::resources;
use super::stage::Stage;
use crate::bindings::{self, Language};
use crate::setup::java;
use crate::steps::Outcome;
use crate::workspace::{files, root};

/// The package for the JVM, its part for Android, and the example, all built together.
const PROJECT: &str = "bindings/kotlin/modules.xml";
/// What is built, and so has reports.
const MODULES: &[&str] = &["bindings/kotlin", "bindings/kotlin/android"];
const REPORTS: &str = "target/surefire-reports";

/// Runs it.
pub(crate) fn test() -> Outcome {
    if !root().join(PROJECT).exists() {
        return Outcome::Skipped(format!("there is no Kotlin suite yet: {PROJECT} is missing"));
    }
    if let Err(why) = java::set_up() {
        return Outcome::Skipped(why);
    }
    match run() {
        Ok(outcome) => outcome,
        Err(problem) => Outcome::Failed(problem),
    }
}

fn run() -> Result<Outcome, String> {
    bindings::generate(&[Language::Kotlin], false)?;
    resources::prepare()?;
    let stage = Stage::start()?;
    // Reports of tests that are no more would be counted.
    for module in MODULES {
        let reports = root().join(module).join(REPORTS);
        if reports.exists() {
            std::fs::remove_dir_all(&reports)
                .map_err(|error| format!("{}: {error}", reports.display()))?;
        }
    }
    // A part that fails hides nothing of the others that do not build on it.
    let args = ["-q", "-B", "--fail-at-end", "-f", PROJECT, "test"];
    println!("mvn {}", args.join(" "));
    let status = Command::new("mvn")
        .current_dir(root())
        .args(args)
        .env(STAGE, &stage.control)
        .status()
        .map_err(|error| format!("Maven could not be started: {error}"))?;
    let mut counts = Counts::default();
    for module in MODULES {
        let of_module = count(&root().join(module).join(REPORTS))?;
        if status.success() && of_module.tests == 0 {
            return Err(format!("no test of {module} was run"));
        }
        counts = counts.and(of_module);
    }
    println!("{} tests, {} failed, {} skipped", counts.tests, counts.failed, counts.skipped);
    Ok(counts.outcome(status.success()))
}

fn count(reports: &Path) -> Result<Counts, String> {
    let mut counts = Counts::default();
    if !reports.exists() {
        return Ok(counts);
    }
    let told = |path: &Path, error| format!("{}: {error}", path.display());
    for path in files(reports, "xml").map_err(|error| told(reports, error))? {
        let text = std::fs::read_to_string(&path).map_err(|error| told(&path, error))?;
        let report = surefire(&text).ok_or(format!("{} is no report", path.display()))?;
        counts = counts.and(report);
    }
    Ok(counts)
}
