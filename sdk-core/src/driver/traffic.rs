//! Bytes of payload, counted where they pass: by the tasks of requests and of the socket.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine;

/// One client's bytes since its start. Its tasks count side by side, also one whose answer nobody
/// waits for any more. Nothing else hangs on the numbers, so that the order may be relaxed.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    pub(crate) fn sends(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn receives(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> engine::Traffic {
        engine::Traffic {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }
}
