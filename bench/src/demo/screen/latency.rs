//! When messages were sent, so that their latency can be measured where they are seen: all clients
//! of the demo are in one process and have one clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidewire::EventId;
use tokio::time::Instant;

/// Moments kept: those of rooms that nobody looks at are never asked for.
const MOST: usize = 4_096;

/// The moments of sending. A cheap clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Sent {
    // A std mutex, because nothing awaits while it is held.
    moments: Arc<Mutex<HashMap<EventId, Instant>>>,
}

impl Sent {
    fn lock(&self) -> MutexGuard<'_, HashMap<EventId, Instant>> {
        self.moments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message is in the outbox; its sending began then.
    pub(super) fn note(&self, id: EventId, begun: Instant) {
        let mut moments = self.lock();
        if moments.len() >= MOST {
            let newest = moments.values().max().copied().unwrap_or(begun);
            moments.retain(|_, at| newest.duration_since(*at) < Duration::from_secs(120));
            if moments.len() >= MOST {
                moments.clear();
            }
        }
        moments.insert(id, begun);
    }

    /// The message is seen now, for the first time: how long it took, in ms.
    pub(super) fn seen(&self, id: EventId) -> Option<u64> {
        let begun = self.lock().remove(&id)?;
        Some(u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_measured_once_and_the_moments_are_bounded() {
        let sent = Sent::default();
        let id = |n| EventId::from_uuid(uuid::Uuid::from_u128(n));
        sent.note(id(1), Instant::now());
        assert!(sent.seen(id(1)).is_some());
        assert_eq!(sent.seen(id(1)), None);
        for n in 0..3 * MOST as u128 {
            sent.note(id(n), Instant::now());
        }
        assert!(sent.lock().len() <= MOST);
    }
}
