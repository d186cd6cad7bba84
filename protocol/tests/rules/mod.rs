//! Rules of the wire at their edges.

mod attachments;
mod codes;
mod frames;
mod ids;
mod mutations;
mod ops;
mod policy;
mod search;
