//! The server's clock, as far as it was told. Ages are reckoned by it: the device's may be wrong, and
//! may jump by a day or a year while the client runs.

use super::time::Now;

/// What the server's clock said, and when.
#[derive(Debug, Default)]
pub(crate) struct ServerClock {
    told: Option<(i64, u64)>,
}

impl ServerClock {
    /// The server's clock says `at`, in ms since 1970-01-01 UTC.
    pub(crate) fn told(&mut self, at: i64, now: Now) {
        self.told = Some((at, now.mono_ms));
    }

    /// Whether it has said anything since the start.
    pub(crate) fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// What it says now; before anything was told, what the device's says.
    pub(crate) fn now(&self, now: Now) -> i64 {
        let Some((at, mono_ms)) = self.told else { return now.wall_ms };
        let passed = now.mono_ms.saturating_sub(mono_ms);
        at.saturating_add(i64::try_from(passed).unwrap_or(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_the_device_moves_nothing_once_the_server_was_heard() {
        let mut clock = ServerClock::default();
        assert_eq!(clock.now(Now { mono_ms: 5, wall_ms: 70 }), 70);
        clock.told(1_000, Now { mono_ms: 5, wall_ms: 70 });
        assert_eq!(clock.now(Now { mono_ms: 25, wall_ms: -9_000 }), 1_020);
    }
}
