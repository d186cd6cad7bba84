//! The bindings' own tokio runtime: the foreign side has none, and a future that it polls itself
//! would cross the border at every wake.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

use crate::error::TidewireError;

/// A phone has 4 to 8 cores, and the clients of a process share these threads.
const MOST_WORKERS: usize = 4;
/// Half of tokio's default: nothing here recurses.
const STACK_BYTES: usize = 1024 * 1024;

/// Never dropped: a runtime must not end on one of its own threads, and nobody can tell which
/// thread drops the last handle.
static RUNTIME: OnceLock<Runtime> = OnceLock::new();

fn runtime() -> Result<&'static Runtime, TidewireError> {
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let runtime = Builder::new_multi_thread()
        .worker_threads(cores.min(MOST_WORKERS))
        .thread_stack_size(STACK_BYTES)
        .thread_name("tidewire")
        .enable_all()
        .build()
        .map_err(|error| TidewireError::internal(format!("no threads are to be had: {error}")))?;
    Ok(RUNTIME.get_or_init(|| runtime))
}

/// What an exported function does, whichever it is: a task of its own type for each of them is 3 KB of code.
type Work<T> = Pin<Box<dyn Future<Output = Result<T, TidewireError>> + Send>>;

/// Runs a future on the runtime. If the caller gives up, the future is dropped: for reads.
pub(crate) fn run<T, F>(future: F) -> Task<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, TidewireError>> + Send + 'static,
{
    Task::new(Box::pin(future), true)
}

/// Runs a future on the runtime to its end, whether or not the caller waits for it: for what the
/// user has decided, like a send from a screen that is closed at that moment.
pub(crate) fn finish<T, F>(future: F) -> Task<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, TidewireError>> + Send + 'static,
{
    Task::new(Box::pin(future), false)
}

/// Runs a future on the runtime that nobody waits for.
pub(crate) fn detach(future: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = runtime() {
        runtime.spawn(future);
    }
}

/// A future that runs on the runtime from when it was made, and may end with whoever waits for it.
#[must_use = "what ends with its caller ends at once"]
pub(crate) struct Task<T> {
    handle: Result<JoinHandle<Result<T, TidewireError>>, TidewireError>,
    ends_with_caller: bool,
}

impl<T: Send + 'static> Task<T> {
    fn new(work: Work<T>, ends_with_caller: bool) -> Self {
        Self { handle: runtime().map(|runtime| runtime.spawn(work)), ends_with_caller }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TidewireError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.handle {
            Ok(handle) => Pin::new(handle).poll(context).map(|joined| match joined {
                Ok(result) => result,
                Err(error) => Err(TidewireError::internal(error.to_string())),
            }),
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let (true, Ok(handle)) = (self.ends_with_caller, &self.handle) {
            handle.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    /// Polls a future once, then drops it.
    async fn give_up<T>(future: impl Future<Output = T>) {
        let mut future = Box::pin(future);
        let once = std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        assert!(once.await.is_pending());
    }

    #[tokio::test]
    async fn a_read_ends_with_its_caller_and_a_write_does_not() {
        let (started, mut starts) = mpsc::unbounded_channel();
        let (release, released) = oneshot::channel::<()>();
        let tell = started.clone();
        give_up(finish(async move {
            let _ = released.await;
            let _ = tell.send("written");
            Ok(())
        }))
        .await;
        let (kept, ended) = oneshot::channel::<()>();
        give_up(run(async move {
            let _kept = kept;
            std::future::pending::<Result<(), _>>().await
        }))
        .await;
        // The read is gone, and what it held with it.
        assert!(tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().is_err());
        release.send(()).unwrap();
        assert_eq!(starts.recv().await, Some("written"));
        drop(started);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_not_an_abort() {
        let result = run(async { Err::<(), _>(panicking()) }).await;
        assert!(matches!(result, Err(TidewireError::Internal { .. })), "{result:?}");
    }

    fn panicking() -> TidewireError {
        panic!("on purpose")
    }
}
