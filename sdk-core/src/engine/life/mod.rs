//! The life of a client: its token, foreground, background and suspension, and its end.

pub(super) mod auth;
pub(super) mod lifecycle;
pub(super) mod logout;
pub(super) mod refresh;
