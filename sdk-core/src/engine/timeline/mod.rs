//! What is shown of a room's messages: windows that open, grow and slide, and the rows that are made of them.

pub(super) mod fetches;
pub(super) mod fold;
pub(super) mod history;
pub(super) mod message;
pub(super) mod opening;
pub(super) mod paging;
pub(super) mod quotes;
pub(super) mod rows;
pub(super) mod timelines;
pub(super) mod window;
pub(super) mod windows;
