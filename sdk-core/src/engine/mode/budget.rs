//! The budget that the app may set: how often the client wakes the radio by itself, and how much it
//! lets pass.
//!
//! What was spent is kept by the minute, for an hour. What is left is spread evenly over the time
//! until some of the spent comes free again: that is how long the next poll waits. What a person
//! asks for at this moment is never refused; it counts, and what follows is planned with what it
//! leaves.

use std::collections::VecDeque;

use tidewire_protocol::Mode;

use super::dwell::Dwell;
use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;

/// What the client may spend in any hour. What is not limited is `None`.
///
/// The budget plans what the client does by itself: polls, and whether a socket is worth its
/// heartbeats. What the app or its user asks for goes out all the same, and counts: a send, a room
/// that is opened, the app's way to the foreground, `refresh_once`. With a limit of 0, or with one
/// below what a single read takes, the client reads only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Budget {
    /// Times that the client begins to use the network after a silence: [`crate::Stats::wakeups`].
    pub max_wakeups_per_hour: Option<u32>,
    /// Bytes of payload in both directions: [`crate::engine::Traffic`].
    pub max_bytes_per_hour: Option<u64>,
}

/// What was spent in the last hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetReport {
    /// Wake-ups.
    pub wakeups: Spent,
    /// Bytes of payload.
    pub bytes: Spent,
    /// The time that both are counted over, in ms: an hour, and up to a minute more, because they
    /// are kept by the minute.
    pub window_ms: u64,
    /// When the client reads next by itself, in ms from now; none where the feed is pushed, where
    /// nothing may be read, or where nothing is left that time would bring back.
    pub next_read_ms: Option<u64>,
    /// Whether more was spent than the budget allows: by what a person asked for, by an answer that
    /// was larger than those before it, or before the limit was set.
    pub exceeded: bool,
}

/// How much of one kind was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spent {
    /// So much.
    pub spent: u64,
    /// Of so much, if there is a limit.
    pub limit: Option<u64>,
}

impl Spent {
    /// What is left of the limit, if there is one.
    pub fn left(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.spent))
    }

    fn is_exceeded(&self) -> bool {
        self.limit.is_some_and(|limit| self.spent > limit)
    }
}

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;
/// What was spent in a minute comes free when the last of it is an hour old.
const KEPT_MS: u64 = HOUR_MS + MINUTE_MS;

#[derive(Debug)]
struct Minute {
    start_ms: u64,
    wakeups: u64,
    bytes: u64,
}

/// What was spent, and what follows from it.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    budget: Budget,
    /// Those in which something was spent, oldest first: 61 at most.
    minutes: VecDeque<Minute>,
    /// Bytes counted so far.
    bytes_seen: u64,
    /// Bytes counted when the read went out that is on its way.
    read_from: Option<u64>,
    /// What a read takes, in bytes: a mean in which the last one counts for a quarter.
    bytes_of_read: Option<u64>,
    /// Before a socket is tried again that was too dear.
    dwell: Dwell,
}

/// How long to wait for the next read by the client's own decision, in ms. None: time alone brings
/// none.
type Wait = Option<u64>;

impl Ledger {
    pub(crate) fn new(budget: Budget) -> Self {
        Self { budget, ..Self::default() }
    }

    fn is_limited(&self) -> bool {
        self.budget != Budget::default()
    }

    /// The client woke the radio.
    pub(crate) fn woke(&mut self, now_ms: u64) {
        self.minute(now_ms).wakeups += 1;
    }

    /// So many bytes have passed since the start.
    fn carried(&mut self, total: u64, now_ms: u64) {
        let news = total.saturating_sub(self.bytes_seen);
        self.bytes_seen = total;
        if news > 0 {
            self.minute(now_ms).bytes += news;
        }
    }

    fn minute(&mut self, now_ms: u64) -> &mut Minute {
        self.forget(now_ms);
        let current = self.minutes.back().is_some_and(|last| now_ms < last.start_ms + MINUTE_MS);
        if !current {
            self.minutes.push_back(Minute { start_ms: now_ms, wakeups: 0, bytes: 0 });
        }
        let last = self.minutes.len() - 1;
        &mut self.minutes[last]
    }

    fn forget(&mut self, now_ms: u64) {
        while self.minutes.front().is_some_and(|first| first.start_ms + KEPT_MS <= now_ms) {
            self.minutes.pop_front();
        }
    }

    fn kept(&self, now_ms: u64) -> impl Iterator<Item = &Minute> {
        self.minutes.iter().filter(move |minute| now_ms < minute.start_ms + KEPT_MS)
    }

    fn wakeups(&self, now_ms: u64) -> Spent {
        let spent = self.kept(now_ms).map(|minute| minute.wakeups).sum();
        Spent { spent, limit: self.budget.max_wakeups_per_hour.map(u64::from) }
    }

    fn bytes(&self, now_ms: u64) -> Spent {
        let spent = self.kept(now_ms).map(|minute| minute.bytes).sum();
        Spent { spent, limit: self.budget.max_bytes_per_hour }
    }

    /// Until the oldest of what was spent comes free; none if nothing was.
    fn frees_in(&self, now_ms: u64, spent: fn(&Minute) -> u64) -> Option<u64> {
        let oldest = self.kept(now_ms).find(|minute| spent(minute) > 0)?;
        Some((oldest.start_ms + KEPT_MS).saturating_sub(now_ms))
    }

    /// Bytes of a read, as measured: of reads alone, not of what else passed in the hour.
    fn bytes_per_read(&self) -> u64 {
        self.bytes_of_read.unwrap_or(defaults::BUDGET_READ_BYTES).max(1)
    }

    /// A read goes out.
    fn read_begins(&mut self) {
        self.read_from = Some(self.bytes_seen);
    }

    /// It is answered, or lost.
    fn read_ends(&mut self, total: u64) {
        let Some(from) = self.read_from.take() else { return };
        let took = total.saturating_sub(from);
        if took > 0 {
            let before = self.bytes_of_read.unwrap_or(took);
            self.bytes_of_read = Some((3 * before + took) / 4);
        }
    }

    /// Reads that are left of wake-ups and of bytes, each with the time until more come free.
    fn left(&self, now_ms: u64) -> [Option<(u64, Option<u64>)>; 2] {
        let wakeups = self.wakeups(now_ms).left();
        let bytes = self.bytes(now_ms).left().map(|left| left / self.bytes_per_read());
        [
            wakeups.map(|left| (left, self.frees_in(now_ms, |minute| minute.wakeups))),
            bytes.map(|left| (left, self.frees_in(now_ms, |minute| minute.bytes))),
        ]
    }

    /// How long to wait for the next read such that all that are left, after `planned` more, are
    /// spread evenly.
    fn wait(&self, now_ms: u64, planned: u64) -> Wait {
        let mut longest = 0;
        for (left, frees_in) in self.left(now_ms).into_iter().flatten() {
            let left = left.saturating_sub(planned);
            // What is planned comes free a whole window from now.
            let frees_in = frees_in.or((planned > 0).then_some(KEPT_MS));
            let wait = match frees_in {
                // The last of them falls on the moment when more come free.
                Some(frees_in) => frees_in / (left + 1),
                None if left == 0 => return None,
                None => 0,
            };
            longest = longest.max(wait);
        }
        (!self.reads_never()).then_some(longest)
    }

    /// Whether nothing is ever read by the client's own decision.
    fn reads_never(&self) -> bool {
        self.budget.max_wakeups_per_hour == Some(0) || self.budget.max_bytes_per_hour == Some(0)
    }

    /// Until time alone may lift the ceiling; none where only another budget does.
    fn lifts_in(&self, now_ms: u64, heartbeat_ms: u64) -> Option<u64> {
        let beats = HOUR_MS.div_ceil(heartbeat_ms.max(1));
        let too_small = self.wakeups(now_ms).limit.is_some_and(|limit| limit < beats);
        if too_small || self.reads_never() {
            return None;
        }
        let frees = self.left(now_ms).into_iter().flatten().filter_map(|(_, frees_in)| frees_in);
        Some(frees.max().unwrap_or(0).max(self.dwell.until().saturating_sub(now_ms)))
    }

    /// Whether one read fits. One that rides on a radio that is awake wakes nobody.
    fn allows(&self, now_ms: u64, awake: bool) -> bool {
        let [wakeups, bytes] = self.left(now_ms);
        let none = |left: Option<(u64, Option<u64>)>| left.is_some_and(|(left, _)| left == 0);
        !self.reads_never() && (awake || !none(wakeups)) && !none(bytes)
    }

    /// The highest mode whose costs fit. `now` is the one in force: a socket that is open is kept
    /// for as long as anything is left, one that is not has to be worth its opening.
    fn ceiling(&self, now_ms: u64, heartbeat_ms: u64, now: Mode) -> Mode {
        let mut ceiling = Mode::RealTime;
        let wakeups = self.wakeups(now_ms);
        if let Some(left) = wakeups.left() {
            let beats = HOUR_MS.div_ceil(heartbeat_ms.max(1));
            let rest = self.frees_in(now_ms, |minute| minute.wakeups).unwrap_or(HOUR_MS);
            let wanted = if now >= Mode::Hybrid { 1 } else { (beats * rest).div_ceil(HOUR_MS) };
            if wakeups.limit.is_some_and(|limit| limit < beats) || left < wanted.max(1) {
                return Mode::Polling;
            }
        }
        if let Some(left) = self.bytes(now_ms).left() {
            if left < self.bytes_per_read() {
                return Mode::Polling;
            }
            let since = now_ms.saturating_sub(millis(defaults::BUDGET_MEASURE));
            let lately: u64 =
                self.kept(now_ms).filter(|m| m.start_ms >= since).map(|m| m.bytes).sum();
            let rest = self.frees_in(now_ms, |minute| minute.bytes).unwrap_or(HOUR_MS);
            let takes = u128::from(lately) * u128::from(rest)
                / u128::from(millis(defaults::BUDGET_MEASURE));
            let share = if now >= Mode::RealTime { 1.0 } else { defaults::UPWARD_SHARE };
            if takes as f64 > left as f64 * share {
                ceiling = Mode::Hybrid;
            }
        }
        ceiling
    }
}

impl Engine {
    /// The app set another budget. What was spent before counts.
    pub(crate) fn budget_changed(&mut self, budget: Budget) {
        self.ledger.budget = budget;
        self.ledger.dwell = Dwell::default();
        // Planned anew.
        self.timers.disarm(crate::engine::Timer::Poll);
    }

    /// Counts what has passed, and sets the ceiling that the rest allows.
    pub(crate) fn advance_budget(&mut self) {
        let now = self.now.mono_ms;
        let total = self.stats.bytes_sent.saturating_add(self.stats.bytes_received);
        self.ledger.carried(total, now);
        if self.link.is_ready() && self.link.pushes() {
            // Whoever asked has the feed by now.
            self.read_asked = false;
        }
        let before = self.signals.budget;
        if !self.ledger.is_limited() {
            self.signals.budget = Mode::RealTime;
            return;
        }
        let wanted = self.ledger.ceiling(now, self.heartbeat_ms(), before);
        if wanted < before || (wanted > before && now >= self.ledger.dwell.until()) {
            self.signals.budget = wanted;
            self.ledger.dwell.changed(now, wanted > before);
        }
    }

    /// A read goes out, or has come to its end: what it takes is measured.
    pub(crate) fn reading(&mut self, begins: bool) {
        let total = self.stats.bytes_sent.saturating_add(self.stats.bytes_received);
        if begins {
            self.ledger.carried(total, self.now.mono_ms);
            self.ledger.read_begins();
        } else {
            self.ledger.read_ends(total);
        }
    }

    /// Until time alone may lift the budget's ceiling.
    pub(crate) fn budget_lifts_in(&self) -> Option<u64> {
        self.ledger.lifts_in(self.now.mono_ms, self.heartbeat_ms())
    }

    /// Whether the feed may be read now: somebody asked for it, or the budget allows it.
    pub(crate) fn may_read(&self) -> bool {
        let now = self.now.mono_ms;
        !self.ledger.is_limited()
            || self.read_asked
            || !self.refreshes.is_empty()
            || !self.outbox.ready().is_empty()
            || self.ledger.allows(now, self.radio.is_awake(now))
    }

    /// How long a read by the client's own decision waits for the budget.
    pub(crate) fn budget_wait(&self) -> Wait {
        if self.ledger.is_limited() { self.ledger.wait(self.now.mono_ms, 0) } else { Some(0) }
    }

    /// The same after the read that goes out now.
    pub(crate) fn budget_wait_after_read(&self) -> Wait {
        if self.ledger.is_limited() { self.ledger.wait(self.now.mono_ms, 1) } else { Some(0) }
    }

    pub(crate) fn budget_report(&self) -> BudgetReport {
        let now = self.now.mono_ms;
        let (wakeups, bytes) = (self.ledger.wakeups(now), self.ledger.bytes(now));
        let next = self.timers.get(crate::engine::Timer::Poll).map(|at| at.saturating_sub(now));
        BudgetReport {
            wakeups,
            bytes,
            window_ms: HOUR_MS,
            next_read_ms: next,
            exceeded: wakeups.is_exceeded() || bytes.is_exceeded(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(wakeups: Option<u32>, bytes: Option<u64>) -> Ledger {
        Ledger::new(Budget { max_wakeups_per_hour: wakeups, max_bytes_per_hour: bytes })
    }

    /// Reads whenever it may, for some hours. Gives the most wake-ups of any hour, and all.
    fn hours(ledger: &mut Ledger, hours: u64) -> (usize, usize) {
        let mut at: Vec<u64> = Vec::new();
        let mut now = 0;
        while now < hours * HOUR_MS {
            if ledger.allows(now, false) {
                ledger.woke(now);
                at.push(now);
            }
            now += ledger.wait(now, 0).unwrap().max(1_000);
        }
        let most = at.iter().map(|end| {
            at.iter().filter(|other| **other <= *end && **other + HOUR_MS > *end).count()
        });
        (most.max().unwrap(), at.len())
    }

    #[test]
    fn in_any_hour_no_more_is_planned_than_the_limit_and_hardly_less() {
        for limit in [1u32, 7, 60, 250, 1_200] {
            let (most, all) = hours(&mut ledger(Some(limit), None), 5);
            assert!(most <= limit as usize, "{most} of {limit}");
            assert!(all >= limit as usize * 5 * 9 / 10, "{all} of 5 × {limit}");
        }
    }

    #[test]
    fn what_is_left_is_spread_evenly_over_the_rest() {
        let mut ledger = ledger(Some(60), None);
        for _ in 0..30 {
            ledger.woke(0);
        }
        let wait = ledger.wait(0, 0).unwrap();
        assert_eq!(wait, KEPT_MS / 31);
        assert_eq!(ledger.wait(HOUR_MS / 2, 0).unwrap(), (KEPT_MS - HOUR_MS / 2) / 31);
    }

    #[test]
    fn a_limit_of_zero_and_one_below_a_single_read_allow_none() {
        assert_eq!(ledger(Some(0), None).wait(0, 0), None);
        assert!(!ledger(Some(0), None).allows(0, true));
        assert_eq!(ledger(None, Some(10)).wait(0, 0), None);
        assert!(!ledger(None, Some(10)).allows(0, true));
        assert_eq!(ledger(None, None).wait(0, 0), Some(0));
        let most = ledger(Some(u32::MAX), Some(u64::MAX));
        assert!(most.allows(0, false) && most.wait(0, 0) == Some(0));
        assert_eq!(most.ceiling(0, 30_000, Mode::Polling), Mode::RealTime);
    }

    #[test]
    fn bytes_are_planned_by_what_a_read_took_on_average() {
        let mut ledger = ledger(None, Some(100_000));
        for n in 1..=5 {
            ledger.woke(0);
            ledger.read_begins();
            ledger.read_ends(n * 10_000);
            ledger.carried(n * 10_000, 0);
        }
        assert_eq!(ledger.wait(0, 0), Some(KEPT_MS / 6), "five more of 10,000 each");
        ledger.carried(100_000, 0);
        assert!(!ledger.allows(1_000, false));
        assert_eq!(ledger.wait(1_000, 0), Some(KEPT_MS - 1_000));
        assert!(ledger.allows(KEPT_MS, false));
    }

    #[test]
    fn what_else_passed_in_the_hour_is_not_taken_for_the_price_of_a_read() {
        let mut ledger = ledger(None, Some(1_000_000));
        // A bootstrap, and history that somebody opened, in one wake-up.
        ledger.woke(0);
        ledger.carried(600_000, 0);
        ledger.read_begins();
        ledger.read_ends(600_500);
        ledger.carried(600_500, 0);
        assert!(ledger.allows(1_000, false), "there is room for hundreds of reads");
        assert!(ledger.wait(1_000, 0).unwrap() < 10_000);
    }

    #[test]
    fn time_lifts_no_ceiling_of_a_budget_that_is_too_small_for_a_socket() {
        let mut small = ledger(Some(60), None);
        small.woke(0);
        assert_eq!(small.lifts_in(0, 30_000), None, "60 wake-ups carry no 120 heartbeats");
        let mut spent = ledger(Some(120), None);
        spent.woke(0);
        assert_eq!(spent.lifts_in(1_000, 30_000), Some(KEPT_MS - 1_000));
        assert_eq!(ledger(None, Some(0)).lifts_in(0, 30_000), None);
    }

    #[test]
    fn the_memory_of_an_hour_is_bounded() {
        let mut ledger = ledger(Some(1), None);
        for second in 0..100_000 {
            ledger.woke(second * 1_000);
        }
        assert!(ledger.minutes.len() <= 62, "{}", ledger.minutes.len());
    }

    #[test]
    fn a_socket_must_be_worth_its_heartbeats_and_fit_its_pushes() {
        assert_eq!(ledger(Some(119), None).ceiling(0, 30_000, Mode::RealTime), Mode::Polling);
        assert_eq!(ledger(Some(120), None).ceiling(0, 30_000, Mode::Polling), Mode::RealTime);
        let mut ledger = ledger(None, Some(1_000_000));
        for minute in 0..10 {
            ledger.woke(minute * MINUTE_MS);
            ledger.carried((minute + 1) * 20_000, minute * MINUTE_MS);
        }
        // 20 KB a minute are 1.2 MB an hour.
        assert_eq!(ledger.ceiling(10 * MINUTE_MS, 30_000, Mode::RealTime), Mode::Hybrid);
        ledger.carried(1_000_000, 10 * MINUTE_MS);
        assert_eq!(ledger.ceiling(11 * MINUTE_MS, 30_000, Mode::RealTime), Mode::Polling);
        assert_eq!(ledger.ceiling(2 * KEPT_MS, 30_000, Mode::Polling), Mode::RealTime);
    }
}
