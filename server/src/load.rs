//! What the server measures of its own load, and how many sockets it can carry by that.
//!
//! The number of sockets that a machine carries is a guess until it is tried. So the configured
//! capacity is where it begins, and what is measured corrects it: when the event loop lags or the
//! database takes its time, the capacity falls at once to below what is open now; while both are
//! at ease, it grows again, slowly, up to what was configured. Below the limit it creeps up all the
//! same: a load that the sockets did not cause must not keep them out for ever.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often the event loop is asked whether it is in time.
pub(crate) const LAG_PROBE: Duration = Duration::from_millis(100);

/// What is older says nothing of now: as long as a change of policy takes to spread over the
/// clients.
const MEMORY: Duration = Duration::from_secs(10);
/// Measurements that are kept of each kind. At 10 a second those of the event loop fill the memory;
/// of a busy database they are the last moment.
const KEPT: usize = 128;
/// Fewer say nothing: nine out of ten of them are more than one slow moment.
const LEAST: usize = 30;

/// After a step down, the time until the next one: until the clients have followed it, and what is
/// measured is its result.
const STEP_DOWN_PAUSE: Duration = Duration::from_secs(15);
/// The same after a step up. Down faster than up: an overload hurts everybody, some idle capacity
/// nobody.
const STEP_UP_PAUSE: Duration = Duration::from_secs(10);
const STEP_DOWN: f64 = 0.8;
const STEP_UP: f64 = 1.1;
/// Below this share of its limit a measurement is at ease.
const EASE: f64 = 0.5;
/// Between ease and limit: 2 % a minute, so that a server which is just about loaded is tried now and
/// then, and not again and again.
const CREEP_PAUSE: Duration = Duration::from_secs(60);
const CREEP: f64 = 1.02;
/// The capacity never falls below this share of what was configured: where that few sockets are too
/// many, it is not the sockets.
const FLOOR: f64 = 0.01;

/// What may be measured at most before the server counts as loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) lag: Duration,
    pub(crate) database: Duration,
}

/// The load, as measured.
#[derive(Debug)]
pub(crate) struct Load {
    bounds: Bounds,
    // A std mutex: nothing awaits while it is held.
    measured: Mutex<Measured>,
}

#[derive(Debug)]
struct Measured {
    lag: Recent,
    database: Recent,
    capacity: Capacity,
}

impl Load {
    pub(crate) fn new(bounds: Bounds, configured: u32, now: Instant) -> Self {
        let measured = Measured {
            lag: Recent::default(),
            database: Recent::default(),
            capacity: Capacity::new(configured, now),
        };
        Self { bounds, measured: Mutex::new(measured) }
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event loop was so late.
    pub(crate) fn lagged(&self, by: Duration, now: Instant) {
        self.lock().lag.add(by, now);
    }

    /// The database took so long for a call that a client waits for, its queue included.
    pub(crate) fn database_took(&self, time: Duration, now: Instant) {
        self.lock().database.add(time, now);
    }

    /// Follows what was measured; `open` sockets are open. Called about once a second.
    pub(crate) fn judge(&self, open: u32, now: Instant) {
        let mut measured = self.lock();
        let share = |recent: &mut Recent, bound: Duration| {
            let high = recent.high(now).unwrap_or_default();
            high.as_secs_f64() / bound.as_secs_f64().max(0.001)
        };
        let lag = share(&mut measured.lag, self.bounds.lag);
        let database = share(&mut measured.database, self.bounds.database);
        let before = measured.capacity.get();
        measured.capacity.follow(lag.max(database), open, now);
        let after = measured.capacity.get();
        if after < before {
            tracing::warn!(capacity = after, lag, database, "the server is loaded");
        }
    }

    /// How many sockets the server can carry.
    pub(crate) fn capacity(&self) -> u32 {
        self.lock().capacity.get()
    }
}

/// The last measurements of one kind.
#[derive(Debug, Default)]
struct Recent {
    kept: VecDeque<(Instant, Duration)>,
}

impl Recent {
    fn add(&mut self, value: Duration, now: Instant) {
        self.kept.push_back((now, value));
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// What nine out of ten stay below.
    fn high(&mut self, now: Instant) -> Option<Duration> {
        while self.kept.front().is_some_and(|(at, _)| now.duration_since(*at) > MEMORY) {
            self.kept.pop_front();
        }
        if self.kept.len() < LEAST {
            return None;
        }
        let mut values: Vec<Duration> = self.kept.iter().map(|(_, value)| *value).collect();
        let place = values.len() * 9 / 10;
        Some(*values.select_nth_unstable(place).1)
    }
}

/// How many sockets can be carried, by what was measured.
#[derive(Debug)]
struct Capacity {
    configured: f64,
    estimate: f64,
    changed_at: Option<Instant>,
    grown_at: Instant,
}

impl Capacity {
    fn new(configured: u32, now: Instant) -> Self {
        let configured = f64::from(configured);
        Self { configured, estimate: configured, changed_at: None, grown_at: now }
    }

    /// `load` is 1 at the limit.
    fn follow(&mut self, load: f64, open: u32, now: Instant) {
        let since = |at: Instant| now.duration_since(at);
        if load > 1.0 {
            if self.changed_at.is_none_or(|at| since(at) >= STEP_DOWN_PAUSE) {
                let carried = self.estimate.min(f64::from(open));
                self.estimate = (carried * STEP_DOWN).max(self.configured * FLOOR);
                self.changed_at = Some(now);
            }
            self.grown_at = now;
            return;
        }
        let (pause, step) =
            if load < EASE { (STEP_UP_PAUSE, STEP_UP) } else { (CREEP_PAUSE, CREEP) };
        if since(self.grown_at) >= pause {
            self.estimate = (self.estimate * step).min(self.configured);
            self.grown_at = now;
        }
    }

    fn get(&self) -> u32 {
        // A share of a `u32`.
        self.estimate.round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets `seconds` pass in which the load follows from what the capacity allows.
    fn run(capacity: &mut Capacity, start: Instant, seconds: u64, load: impl Fn(f64) -> f64) {
        for second in 0..seconds {
            let open = capacity.estimate.min(5_000.0);
            capacity.follow(load(open), open as u32, start + Duration::from_secs(second));
        }
    }

    #[test]
    fn a_loaded_server_finds_what_it_carries_and_does_not_swing_around_it() {
        let start = Instant::now();
        let mut capacity = Capacity::new(10_000, start);
        // This machine carries 2,000.
        run(&mut capacity, start, 300, |open| open / 2_000.0);
        let found = capacity.get();
        assert!((1_000..=2_000).contains(&found), "{found}");
        let mut falls = 0;
        for minute in 0..60 {
            let (before, at) = (capacity.get(), start + Duration::from_secs(300 + 60 * minute));
            run(&mut capacity, at, 60, |open| open / 2_000.0);
            falls += u32::from(capacity.get() < before);
            assert!((1_000..=2_100).contains(&capacity.get()), "{}", capacity.get());
        }
        assert!(falls <= 8, "{falls} falls in an hour");
    }

    #[test]
    fn a_load_that_the_sockets_do_not_cause_keeps_them_out_for_a_while_and_not_for_ever() {
        let start = Instant::now();
        let mut capacity = Capacity::new(10_000, start);
        run(&mut capacity, start, 60, |_| 2.0);
        assert!(capacity.get() < 3_000);
        run(&mut capacity, start + Duration::from_secs(60), 3 * 3_600, |_| 0.7);
        assert_eq!(capacity.get(), 10_000);
    }

    #[test]
    fn it_grows_back_to_what_was_configured_and_no_further() {
        let start = Instant::now();
        let mut capacity = Capacity::new(10_000, start);
        run(&mut capacity, start, 60, |_| 2.0);
        let low = capacity.get();
        assert!(low < 3_000, "{low}");
        run(&mut capacity, start + Duration::from_secs(60), 60, |_| 0.1);
        assert!(capacity.get() < 2 * low, "not all at once");
        run(&mut capacity, start + Duration::from_secs(120), 600, |_| 0.1);
        assert_eq!(capacity.get(), 10_000);
    }

    #[test]
    fn it_never_falls_to_nothing() {
        let start = Instant::now();
        let mut capacity = Capacity::new(10_000, start);
        run(&mut capacity, start, 3_600, |_| 100.0);
        assert_eq!(capacity.get(), 100);
    }

    #[test]
    fn one_late_moment_in_ten_says_nothing_and_old_ones_are_forgotten() {
        let start = Instant::now();
        let mut recent = Recent::default();
        for n in 1..LEAST as u64 {
            recent.add(Duration::from_millis(n % 9), start);
        }
        assert_eq!(recent.high(start), None, "too few");
        recent.add(Duration::from_secs(5), start);
        assert!(recent.high(start).unwrap() < Duration::from_millis(10), "one of thirty");
        for _ in 0..10 {
            recent.add(Duration::from_secs(5), start);
        }
        assert_eq!(recent.high(start), Some(Duration::from_secs(5)), "eleven of forty");
        assert_eq!(recent.high(start + MEMORY + Duration::from_secs(1)), None);
    }
}
