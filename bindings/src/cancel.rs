//! Cancellation that the foreign side asks for: a Swift task that is cancelled does not drop the
//! Rust future that it waits for.

use std::future::Future;

use tokio::sync::watch;

use crate::error::TidewireError;

/// Ends the calls that it is given to. Once cancelled it stays so: it does not matter whether the
/// call or the cancellation comes first.
#[derive(Debug, uniffi::Object)]
pub struct CancelToken {
    cancelled: watch::Sender<bool>,
}

#[uniffi::export]
impl CancelToken {
    /// A token that is not cancelled.
    #[uniffi::constructor]
    pub fn new() -> Self {
        Self { cancelled: watch::Sender::new(false) }
    }

    /// Ends the calls that have this token with `Cancelled`.
    pub fn cancel(&self) {
        self.cancelled.send_replace(true);
    }
}

impl Default for CancelToken {
    fn default() -> Self {
        Self::new()
    }
}

/// The result of `future`, or `Cancelled` if the token is cancelled before it is there.
pub(crate) async fn or_cancelled<T>(
    token: Option<&CancelToken>,
    future: impl Future<Output = Result<T, TidewireError>>,
) -> Result<T, TidewireError> {
    let Some(token) = token else { return future.await };
    let mut cancelled = token.cancelled.subscribe();
    tokio::select! {
        biased;
        _ = cancelled.wait_for(|cancelled| *cancelled) => Err(TidewireError::Cancelled),
        result = future => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_that_was_cancelled_before_the_call_ends_it_too() {
        let token = CancelToken::new();
        assert!(or_cancelled(Some(&token), async { Ok(1) }).await.is_ok());
        token.cancel();
        let waiting = or_cancelled(Some(&token), std::future::pending::<Result<(), _>>());
        assert!(matches!(waiting.await, Err(TidewireError::Cancelled)));
        assert!(or_cancelled(None, async { Ok(1) }).await.is_ok());
    }
}
