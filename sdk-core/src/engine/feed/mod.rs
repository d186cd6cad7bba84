//! How the log is read: polls, socket and event stream, and the one path on which events come in.

pub(super) mod link;
pub(super) mod merge;
pub(super) mod ranges;
pub(super) mod reader;
pub(super) mod stream;
