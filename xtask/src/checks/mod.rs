//! What is seen in the sources without running anything.

pub(crate) mod arrows;
pub(crate) mod readme;
pub(crate) mod skips;
