//! The suites in other languages: Kotlin's by Maven, Swift's by SwiftPM, both against a stage.

pub(crate) mod bench;
pub(crate) mod kotlin;
mod report;
mod resources;
mod stage;
pub(crate) mod swift;

/// The variable by which a suite learns where its stage is.
const STAGE: &str = "TIDEWIRE_STAGE";
