//! What a lasting connection of a user has, whatever carries it: its place among those that the
//! server can carry, its part in who is online, and the end of its token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire_protocol::{ErrorCode, UserId, WireError};
use tokio::time::Instant as Deadline;

use crate::app::App;
use crate::clock;
use crate::presence::Sign;

/// Why a connection that the server closes is closed, for people.
pub(crate) const STOPS: &str = "the server stops";

/// Whether there is a place for one more; if not, when to ask again.
pub(crate) fn admit(app: &App) -> Result<(), WireError> {
    if *app.sockets.borrow() < app.config.socket_capacity {
        return Ok(());
    }
    let text = "the server carries as many connections as it can: poll, and try again";
    let error = WireError::new(ErrorCode::Unavailable, text);
    Err(error.retry_after_ms(5_000 + fastrand::u64(0..10_000)))
}

/// A moment for a client to come back to a server that stops, in ms from now.
pub(crate) fn goaway_slot_ms(app: &App) -> u64 {
    app.farewell.slot_ms(*app.sockets.borrow(), app.door.rate())
}

/// When a token ends, on the clock that timers use; at most ten years from now, which its
/// arithmetic can carry.
pub(crate) fn deadline_of(expires: u64) -> Deadline {
    let left = expires.saturating_sub(clock::now_seconds());
    Deadline::now() + Duration::from_secs(left.min(10 * 365 * 24 * 3_600))
}

/// Counts an open connection while it lives.
pub(crate) struct Open(Arc<App>);

impl Open {
    pub(crate) fn count(app: Arc<App>) -> Self {
        app.sockets.send_modify(|open| *open += 1);
        Self(app)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.sockets.send_modify(|open| *open = open.saturating_sub(1));
    }
}

/// Counts the user as online while it lives, and a while longer.
pub(crate) struct Online {
    app: Arc<App>,
    user: UserId,
    pub(crate) sign: Sign,
}

impl Online {
    pub(crate) fn begin(app: &Arc<App>, user: &UserId, sign: Sign) -> Self {
        app.presence.socket_opened(user, sign, Instant::now());
        Self { app: app.clone(), user: user.clone(), sign }
    }
}

impl Drop for Online {
    fn drop(&mut self) {
        self.app.presence.socket_closed(&self.user, self.sign, Instant::now());
    }
}
