//! Engines and a model of the server under a virtual clock, on a network that does what a seed
//! says: for tests of an app's logic, and of this crate. With the feature `simulation`.
//!
//! Each client is a real engine with the real transaction executor on SQLite, in memory unless
//! told. The server is a model of one: a log, memberships, receipts, sockets with a pushed feed
//! and live rooms, several instances that may lag. No thread, no socket, no clock: an hour passes
//! in milliseconds, and the same seed and the same calls make the same hour again.
//!
//! ```
//! use tidewire::simulation::{Profile, Simulation};
//!
//! let mut simulation = Simulation::new(7).network(Profile::lossy()).users(3).room_of([0, 1, 2]);
//! let room = simulation.rooms()[0];
//! simulation.run_for(20_000);
//! let timeline = simulation.client(2).open(room);
//! simulation.client(0).send(room, "hello");
//! simulation.client(1).cut();
//! simulation.restart_server(2_000);
//! simulation.run_for(20_000);
//!
//! // The trouble ends, time passes, and everybody has everything.
//! simulation.calm();
//! simulation.run_for(120_000);
//! simulation.check_settled().unwrap();
//! assert_eq!(simulation.client(2).texts(timeline), ["hello"]);
//! ```
//!
//! [`Simulation::check`] tells whether what is promised at any moment holds: no cursor has passed
//! an event that is not stored, nothing was shown twice or out of order, nothing is missing
//! without a mark. [`Simulation::check_settled`] adds what is promised in the end. Both name the
//! seed when they fail. That the model does as the server does is tested against the server.

// A tool of tests: what can not be is a panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod audience;
mod blocks;
mod calls;
mod changes;
mod checks;
mod client;
mod connection;
mod disk;
mod feed;
mod files;
mod handle;
mod happening;
mod history;
mod network;
mod order;
mod parts;
mod reports;
mod rooms;
mod search;
pub(crate) mod server;
#[allow(clippy::module_inception)]
mod simulation;
mod socket;
mod traffic;
mod uploads;
#[cfg(test)]
pub(crate) mod world;

pub use checks::{Broken, check_events, check_folds, check_rows, check_store};
pub use client::SimClient;
pub use disk::{Disk, FileDisk, MemoryDisk, NoDisk};
pub use files::SimFiles;
pub use handle::Handle;
pub use network::{Harm, Profile};
pub use server::{ModelRoom, ModelServer, cursor_at, room_id};
pub use simulation::{Audience, Counts, Simulation};
pub use socket::ModelSocket;
pub use traffic::any_change;
pub use uploads::ModelUpload;
