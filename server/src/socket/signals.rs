//! What a session waits for beside its socket and its inbox, and what seldom comes: the server stops, a
//! token is taken back, the audience changes, a deadline is there.
//!
//! A `select!` over each of them would register with all of them anew for every frame, which took a tenth
//! of the time of a fan-out. Here they are polled only when one of them has something to say.

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant as Deadline, sleep_until};

use super::session::Session;

/// Something that seldom comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// The server stops.
    Stop,
    /// A token was taken back, or the audience or the policy is another one. Not watched again until
    /// [`Signals::watch`].
    Changed,
    /// A moment that [`Signals::wake_by`] named is there.
    Time,
}

/// All of them, of one session.
pub(super) struct Signals {
    waiting: FuturesUnordered<BoxFuture<'static, Signal>>,
    /// When the next [`Signal::Time`] comes, if one does.
    next: Option<Deadline>,
}

impl Signals {
    pub(super) fn new(session: &Session) -> Self {
        let mut signals = Self { waiting: FuturesUnordered::new(), next: None };
        signals.watch(session);
        signals.wake_by(session.next_deadline());
        signals
    }

    /// Waits for what changes from what the session has seen.
    pub(super) fn watch(&self, session: &Session) {
        let mut stop = session.stop.clone();
        let mut revoked = session.revoked.clone();
        let mut audience = session.audience.clone();
        self.waiting.push(Box::pin(async move {
            tokio::select! {
                () = stop.requested() => Signal::Stop,
                Ok(()) = revoked.changed() => Signal::Changed,
                Ok(()) = audience.changed() => Signal::Changed,
                else => Signal::Stop,
            }
        }));
    }

    /// Tells of `deadline`. One that is put off meanwhile is looked at in vain, and named again then; what
    /// comes earlier than what was named before is told in time.
    pub(super) fn wake_by(&mut self, deadline: Deadline) {
        if self.next.is_some_and(|next| next <= deadline) {
            return;
        }
        self.next = Some(deadline);
        self.waiting.push(Box::pin(async move {
            sleep_until(deadline).await;
            Signal::Time
        }));
    }

    /// A moment was there.
    pub(super) fn rang(&mut self) {
        self.next = self.next.filter(|next| *next > Deadline::now());
    }

    /// The next of them. May be dropped while it waits, without a loss.
    pub(super) async fn next(&mut self) -> Signal {
        match self.waiting.next().await {
            Some(signal) => signal,
            // Both are named again whenever one came.
            None => std::future::pending().await,
        }
    }
}
