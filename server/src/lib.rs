//! The reference server of Tidewire: one process, one folder, no other service.
//!
//! **How an event travels.** A request comes in over HTTP (`http`) or over a socket (`socket`)
//! and reaches the store, whose one writer gives each event its `(room, seq)` and `(shard, ord)`
//! and commits whole groups (`store`). After the commit the bell rings (`bus`); the applier reads
//! what is new in the log and hands it to the hub, which knows who listens on this instance: pushed
//! feeds, live rooms, waiting `sync` requests. The database is the truth and every queue on the way
//! may be dropped: whoever missed something reads the log from his own position.
//!
//! **What holds everywhere.** A cursor moves only by reading the log in the order of commits.
//! Membership is checked on every path, and under the writer where something is written. Nothing a
//! client sends can take memory without a bound. Message text and tokens never reach a log.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! use tidewire_server::{Config, Server};
//!
//! let server = Server::start(Config::new(folder.path())).await?;
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! server.stop().await;
//! # Ok(()) }
//! ```

mod accept;
mod accounts;
mod admission;
mod app;
mod applier;
pub mod auth;
mod bus;
mod clock;
mod commands;
mod config;
mod connection;
mod cursor;
mod events;
mod feed;
mod files;
mod health;
mod http;
mod hub;
mod inbox;
mod load;
#[cfg(feature = "measure")]
pub mod measure;
mod memory;
mod metrics;
mod monitor;
mod ops;
mod origin;
mod policy;
mod presence;
mod rate;
mod server;
mod socket;
mod stall;
mod stop;
mod store;
mod sync;
mod tls;
mod visitor;

pub use commands::{import, migrate, renew_epoch, reports, revoke, set_password};
pub use config::{AccountRules, Config, FileStore, PolicyChoice, RateLimit, S3, Secret};
pub use server::{Server, StartError};
pub use tls::TlsFiles;
