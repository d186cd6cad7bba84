//! How long a ceiling stays before it rises again: a crowd that swings must not take every client
//! with it.

use crate::config::millis;
use crate::defaults;

/// The way of a ceiling so far.
#[derive(Debug, Default)]
pub(crate) struct Dwell {
    changed_at: u64,
    /// Whether the last change was a rise.
    rose: Option<bool>,
    wait_ms: u64,
}

impl Dwell {
    /// The ceiling changed. Each reversal doubles the time until the next rise; a long rest makes up
    /// for all of them.
    pub(crate) fn changed(&mut self, now_ms: u64, rises: bool) {
        let (first, most) = (millis(defaults::DWELL_FIRST), millis(defaults::DWELL_MOST));
        if now_ms.saturating_sub(self.changed_at) > 2 * most {
            self.wait_ms = 0;
        } else if self.rose == Some(!rises) {
            self.wait_ms = (2 * self.wait_ms).clamp(first, most);
        }
        self.rose = Some(rises);
        self.changed_at = now_ms;
    }

    /// Until when it must not rise. Down it may go at any time: that protects the server.
    pub(crate) fn until(&self) -> u64 {
        self.changed_at + self.wait_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_with_each_reversal_and_a_long_rest_ends_it() {
        let mut dwell = Dwell::default();
        dwell.changed(0, false);
        assert_eq!(dwell.until(), 0, "a first change is no reversal");
        let mut waits = Vec::new();
        for n in 1..=8 {
            dwell.changed(n, n % 2 == 1);
            waits.push((dwell.until() - n) / 1_000);
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 600, 600]);
        // Further in the same direction is none.
        dwell.changed(9, false);
        assert_eq!(dwell.until(), 9 + 600_000);
        dwell.changed(10_000_000, true);
        assert_eq!(dwell.until(), 10_000_000);
    }
}
