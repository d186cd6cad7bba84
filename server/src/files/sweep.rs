//! Uploads that no message lists go after a while, and files whose messages were deleted go at once.

use std::sync::Arc;
use std::time::Duration;

use super::Files;
use super::uploads::remove;
use crate::app::App;
use crate::clock;
use crate::store::Store;

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(60);
/// How many go in one step.
const STEP: usize = 100;

/// Looks again and again, until the server stops.
pub(crate) async fn keep_swept(app: Arc<App>) {
    let lasts = i64::try_from(app.files.lasts.as_millis()).unwrap_or(i64::MAX);
    loop {
        tokio::select! {
            () = app.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let swept =
            sweep(app.store.as_ref(), &app.files, clock::now_ms().saturating_sub(lasts)).await;
        if swept > 0 {
            tracing::info!(files = swept, "files that nothing lists were deleted");
        }
    }
}

/// Deletes what was last asked for before that moment and is listed by nothing, and what is on its way out.
/// Gives how many went.
pub(super) async fn sweep(store: &dyn Store, files: &Files, before: i64) -> usize {
    let mut swept = 0;
    loop {
        let outgoing = match store.outgoing_uploads(before, STEP).await {
            Ok(outgoing) => outgoing,
            Err(error) => {
                tracing::warn!(%error, "it cannot be told which files may go");
                return swept;
            }
        };
        let found = outgoing.len();
        for upload in outgoing {
            let held = files.locks.hold(upload.request.id).await;
            // Somebody may have begun it anew meanwhile.
            match store.outgoing_upload(upload.request.id).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) => return swept,
            }
            // Why was logged where it was found out. What did not go is found again at the next turn.
            if remove(store, files, &upload, &held).await.is_err() {
                return swept;
            }
            swept += 1;
        }
        if found < STEP {
            return swept;
        }
    }
}
