//! Engines and a model of the server under a virtual clock, on a network that does what a seed
//! says.

// A tool of tests: what can not be is a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod checks;
mod client;
mod disk;
mod feed;
pub(crate) mod server;
mod socket;
#[cfg(test)]
pub(crate) mod world;

pub use checks::{Broken, check_events, check_rows, check_store};
pub use client::SimClient;
pub use disk::{Disk, FileDisk, MemoryDisk, NoDisk};
pub use server::{ModelRoom, ModelServer, cursor_at, room_id};
pub use socket::ModelSocket;
