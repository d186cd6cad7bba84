//! What the foreign side has closed: it may hold the object itself for as long as it likes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::TidewireError;

/// A handle of the client, until it is closed. Dropped then, and not with the object that the app
/// holds: the client keeps a room in memory, live and watched for as long as there is a handle.
pub(crate) struct Held<T>(Mutex<Option<Arc<T>>>);

impl<T> Held<T> {
    pub(crate) fn new(handle: T) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(Arc::new(handle)))))
    }

    /// The handle, for one call.
    ///
    /// # Errors
    /// `Closed`.
    pub(crate) fn get(&self) -> Result<Arc<T>, TidewireError> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone().ok_or(TidewireError::Closed)
    }

    /// Lets go of the handle. Calls that are on their way still have it.
    pub(crate) fn close(&self) {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Not under the lock: a drop may do anything.
        drop(handle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_handle_is_gone_as_soon_as_no_call_has_it() {
        let held = Held::new(());
        let call = held.get().unwrap();
        let handle = Arc::downgrade(&call);
        held.close();
        assert_eq!(held.get(), Err(TidewireError::Closed));
        assert!(handle.upgrade().is_some());
        drop(call);
        assert!(handle.upgrade().is_none());
        held.close();
    }
}
