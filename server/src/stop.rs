//! The wish to stop, heard by every task.

use tokio::sync::watch;

/// Hears the wish to stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// The switch and what hears it.
    pub(crate) fn channel() -> (watch::Sender<bool>, Self) {
        let (switch, stop) = watch::channel(false);
        (switch, Self(stop))
    }

    /// Whether it was told already.
    pub(crate) fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the server is to stop.
    pub(crate) async fn requested(&mut self) {
        // An error means that the server is gone: that is a stop as well.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
