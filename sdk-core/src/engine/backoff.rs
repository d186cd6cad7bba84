//! How long to wait after a failure: `backon`'s delays, the engine's jitter.

use std::fmt;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::defaults;

/// Delays after failures in a row: full jitter over 1 s, 2 s, 4 s … 25 s, or the server's slot.
pub(crate) struct Backoff {
    delays: ExponentialBackoff,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { delays: Self::delays(), failures: 0 }
    }

    fn delays() -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(defaults::RETRY_FIRST)
            .with_max_delay(defaults::RETRY_MOST)
            .with_factor(2.0)
            .without_max_times()
            .build()
    }

    /// Counts a failure and says how many ms to wait. The server's slot, where it gave one, is
    /// what lets a herd return in the least time: it is taken as it is.
    pub(crate) fn fail(&mut self, slot_ms: Option<u64>, rng: &mut fastrand::Rng) -> u64 {
        self.failures += 1;
        let most = self.delays.next().unwrap_or(defaults::RETRY_MOST);
        slot_ms.map_or_else(|| jitter(most, rng), slot)
    }

    pub(crate) fn reset(&mut self) {
        *self = Self::new();
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }
}

/// A slot of the server's, in ms, as far as it makes sense.
pub(crate) fn slot(ms: u64) -> u64 {
    ms.min(crate::config::millis(defaults::SLOT_MOST))
}

fn jitter(most: Duration, rng: &mut fastrand::Rng) -> u64 {
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
    rng.u64(0..=most)
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backoff({} failures)", self.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_most_and_never_end() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut backoff = Backoff::new();
        let mut highest = 0;
        for failure in 0..2_000u32 {
            let delay = backoff.fail(None, &mut rng);
            let most = 1_000u64.saturating_mul(1 << failure.min(20)).min(25_000);
            assert!(delay <= most, "failure {failure}: {delay} ms");
            highest = highest.max(delay);
        }
        assert!(highest > 20_000, "the last delays are still jittered over 25 s: {highest} ms");
        assert_eq!(backoff.fail(Some(123), &mut rng), 123);
    }
}
