//! What a client tells of itself.

use crate::engine::{ModeReport, Problem};

/// What a client tells of itself, besides its timelines.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// The mode or its reason changed.
    Mode(ModeReport),
    /// Some room of the list changed: ask [`crate::Client::rooms`] when it matters.
    RoomsChanged,
    /// Something the app or its user has to know.
    Problem(Problem),
}
