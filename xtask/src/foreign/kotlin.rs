//! The Kotlin suite.

use std::path::Path;
use std::process::Command;

use super::STAGE;
use super::report::{Counts, surefire};
use super::stage::Stage;
use crate::bindings::{self, Language};
use crate::setup::java;
use crate::steps::Outcome;
use crate::workspace::{files, root};

const PROJECT: &str = "bindings/kotlin/pom.xml";
const REPORTS: &str = "bindings/kotlin/target/surefire-reports";

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
    let stage = Stage::start()?;
    // Reports of tests that are no more would be counted.
    let reports = root().join(REPORTS);
    if reports.exists() {
        std::fs::remove_dir_all(&reports)
            .map_err(|error| format!("{}: {error}", reports.display()))?;
    }
    println!("mvn -q -B -f {PROJECT} test");
    let status = Command::new("mvn")
        .current_dir(root())
        .args(["-q", "-B", "-f", PROJECT, "test"])
        .env(STAGE, &stage.control)
        .status()
        .map_err(|error| format!("Maven could not be started: {error}"))?;
    let counts = counts(&reports)?;
    println!("{} tests, {} failed, {} skipped", counts.tests, counts.failed, counts.skipped);
    Ok(counts.outcome(status.success()))
}

fn counts(reports: &Path) -> Result<Counts, String> {
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
