//! One thing at a time for each upload: its parts are put together once, and not while they are deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidewire_protocol::UploadId;
use tokio::sync::OwnedMutexGuard;

type Lock = Arc<tokio::sync::Mutex<()>>;

/// The uploads that something is being done with.
#[derive(Default)]
pub(super) struct Locks(Arc<Mutex<HashMap<UploadId, Lock>>>);

/// While it lives, nobody else does anything with the upload.
pub(crate) struct Held {
    guard: Option<OwnedMutexGuard<()>>,
    id: UploadId,
    locks: Arc<Mutex<HashMap<UploadId, Lock>>>,
}

impl Locks {
    /// Waits for its turn.
    pub(super) async fn hold(&self, id: UploadId) -> Held {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            locks.entry(id).or_default().clone()
        };
        // Made before the wait, so that a caller who goes away leaves nothing behind.
        let mut held = Held { guard: None, id, locks: self.0.clone() };
        held.guard = Some(lock.lock_owned().await);
        held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        self.guard = None;
        if locks.get(&self.id).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_is_held_by_one_and_forgotten_after_the_last() {
        let locks = Locks::default();
        let id = UploadId::from_uuid(uuid::Uuid::from_u128(1));
        let first = locks.hold(id).await;
        let mut second = std::pin::pin!(locks.hold(id));
        assert!(futures::poll!(second.as_mut()).is_pending());
        let other = UploadId::from_uuid(uuid::Uuid::from_u128(2));
        drop(locks.hold(other).await);
        drop(first);
        drop(second.await);
        assert!(locks.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_leaves_nothing_behind() {
        let locks = Locks::default();
        let id = UploadId::from_uuid(uuid::Uuid::from_u128(1));
        let first = locks.hold(id).await;
        {
            let mut second = std::pin::pin!(locks.hold(id));
            assert!(futures::poll!(second.as_mut()).is_pending());
        }
        drop(first);
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
