//! Which mode this client is in, and what that may cost: ceilings, the surroundings that state them, and how
//! long one stays before it rises.

pub(super) mod budget;
pub(super) mod calm;
pub(super) mod ceilings;
pub(super) mod crowd;
pub(super) mod dwell;
pub(super) mod health;
