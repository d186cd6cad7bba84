//! The harness of the end-to-end tests: real server processes, real client processes, real sockets
//! and files, and a network that fails when it is told to.
//!
//! Nothing here waits by the clock: every wait is for something observed, and has a deadline that
//! only a broken promise reaches ([`PATIENCE`]). What was observed until then is in the panic.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "in a test a panic is the report")]

pub mod agent;
pub mod binaries;
pub mod disk;
pub mod http;
pub mod instances;
pub mod secure;
pub mod server;
pub mod socket;
pub mod stage;
pub mod view;
pub mod world;

use std::time::Duration;

/// How long anything may take before it counts as never: several times the longest backoff (25 s)
/// would be needed to reach it by chance.
pub const PATIENCE: Duration = Duration::from_secs(90);
