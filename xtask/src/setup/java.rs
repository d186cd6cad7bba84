//! Java and Maven, which build and test the Kotlin bindings.

use std::process::Command;

use super::version::Version;
use super::{apt, said};

/// The oldest Java that runs the tests.
const OLDEST: Version = Version(17, 0);

/// Looked for in this order: which ones there are depends on the release.
const PACKAGES: &[&str] =
    &["openjdk-17-jdk-headless", "openjdk-21-jdk-headless", "openjdk-25-jdk-headless"];

/// Maven on a Java that is new enough: installed if it is not there and can be.
pub(crate) fn set_up() -> Result<(), String> {
    let Err(problem) = installed() else { return Ok(()) };
    let how = "Debian and Ubuntu: apt-get install openjdk-17-jdk-headless maven. macOS: brew \
               install openjdk maven";
    apt::usable().map_err(|why| format!("{problem}, and {why}. {how}"))?;
    let mut failed = String::new();
    for package in PACKAGES {
        match apt::install(&[package, "maven"]) {
            Ok(()) => return installed(),
            Err(why) => failed = why,
        }
    }
    Err(format!("{problem}, and {failed}"))
}

/// Asks Maven, because it is the one that chooses the Java.
fn installed() -> Result<(), String> {
    let maven = said(Command::new("mvn").args(["-B", "-v"])).ok_or("there is no Maven (`mvn`)")?;
    match Version::after("Java version: ", &maven) {
        Some(version) if version >= OLDEST => Ok(()),
        Some(version) => Err(format!("Maven runs on Java {version}, not on {OLDEST} or newer")),
        None => Err("Maven does not say on which Java it runs".into()),
    }
}
