//! What all subscriptions have in common: one reader at a time, an end, and cancellation.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Mutex, watch};

use crate::cancel::{CancelToken, or_cancelled};
use crate::error::TidewireError;
use crate::runtime::run;

/// What a subscription reads from.
pub(crate) trait Source: Send + 'static {
    type Batch: Send + 'static;

    /// The first batch with a number above `after`, once there is one. Safe to drop: a batch that
    /// was not returned comes again.
    fn next(
        &mut self,
        after: u64,
    ) -> impl Future<Output = Result<Self::Batch, TidewireError>> + Send;
}

/// Guards a source.
pub(crate) struct Reader<S> {
    /// A tokio mutex, because the reader awaits while it holds it. It is contended for a moment
    /// only: while the call of a caller who gave up is being dropped.
    source: Mutex<S>,
    /// Whether a caller waits for a batch.
    waiting: AtomicBool,
    closed: watch::Sender<bool>,
}

/// The caller's turn to read: it ends when the caller gives up, at that moment.
struct Turn<'a>(&'a AtomicBool);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl<S: Source> Reader<S> {
    pub(crate) fn new(source: S) -> Arc<Self> {
        let closed = watch::Sender::new(false);
        Arc::new(Self { source: Mutex::new(source), waiting: AtomicBool::new(false), closed })
    }

    /// Reads until the subscription or the call ends.
    pub(crate) async fn next(
        self: &Arc<Self>,
        after: u64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<S::Batch, TidewireError> {
        if self.waiting.swap(true, Ordering::Acquire) {
            return Err(TidewireError::AlreadyWaiting);
        }
        let _turn = Turn(&self.waiting);
        let reader = self.clone();
        run(async move {
            let mut closed = reader.closed.subscribe();
            let read = async {
                let mut source = reader.source.lock().await;
                tokio::select! {
                    biased;
                    _ = closed.wait_for(|closed| *closed) => Err(TidewireError::Closed),
                    result = source.next(after) => result,
                }
            };
            or_cancelled(cancel.as_deref(), read).await
        })
        .await
    }

    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use tokio::sync::watch;

    use super::*;

    /// Counts upwards; the last number comes again until a larger one is asked for.
    struct Numbers(watch::Receiver<u64>);

    impl Source for Numbers {
        type Batch = u64;

        async fn next(&mut self, after: u64) -> Result<u64, TidewireError> {
            let next = self.0.wait_for(|number| *number > after).await;
            next.map(|number| *number).map_err(|_| TidewireError::Closed)
        }
    }

    #[tokio::test]
    async fn there_is_one_reader_at_a_time_and_none_after_the_end() {
        let (numbers, receiver) = watch::channel(0);
        let reader = Reader::new(Numbers(receiver));
        let token = Arc::new(CancelToken::new());
        let mut first = Box::pin(reader.next(0, Some(token.clone())));
        let once = std::future::poll_fn(|context| Poll::Ready(first.as_mut().poll(context)));
        assert!(once.await.is_pending());
        assert_eq!(reader.next(0, None).await, Err(TidewireError::AlreadyWaiting));
        token.cancel();
        assert_eq!(first.await, Err(TidewireError::Cancelled));
        numbers.send(1).unwrap();
        assert_eq!(reader.next(0, None).await, Ok(1));
        reader.close();
        assert_eq!(reader.next(0, None).await, Err(TidewireError::Closed));
    }

    #[tokio::test]
    async fn a_caller_who_gave_up_is_no_reader_any_more() {
        let (numbers, receiver) = watch::channel(0);
        let reader = Reader::new(Numbers(receiver));
        for last in 0..1_000 {
            let mut first = Box::pin(reader.next(last, None));
            let once = std::future::poll_fn(|context| Poll::Ready(first.as_mut().poll(context)));
            assert!(once.await.is_pending());
            drop(first);
            // At once, while the call is still being dropped.
            let second = reader.next(last, None);
            numbers.send(last + 1).unwrap();
            assert_eq!(second.await, Ok(last + 1));
        }
    }
}
