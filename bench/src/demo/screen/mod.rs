//! The demo on a terminal: a person among simulated users, and keys that make things go wrong.
//!
//! News from the world (`stage`, `watch`, `crowd`) and actions of the person (`keys`) are the only
//! inputs of the `state`; `draw` makes cells of it and decides nothing. So a recording of the inputs
//! (`record`) makes the same picture at any time, and that is where the one in the README is from.

mod clean;
mod crowd;
mod draw;
mod friend;
mod keys;
mod latency;
mod mark;
mod news;
mod picture;
mod record;
mod run;
#[cfg(test)]
mod sample;
mod script;
mod show;
mod stage;
mod state;
mod svg;
mod terminal;
mod watch;

pub use picture::{paint, redraw};
pub use run::{Unusable, run};
pub use state::MOST_USERS;

/// Simulated users at the start: few enough for real-time.
pub const FIRST_USERS: usize = keys::CROWDS[0];
