//! What the answers themselves say of the way to the server: how long they take, and how often the
//! way breaks. Where either is bad, the mode goes one step down; later a step up is tried.
//!
//! An outage is one break, however long it lasts: while nothing comes through, backing off is what
//! helps, not another mode. It is the way that breaks again and again that a socket does not suit.

use std::collections::VecDeque;

use tidewire_protocol::Mode;

use super::ceilings::Reason;
use super::dwell::Dwell;
use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::time::Timer;

/// What the last answers were like.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// When each answer came, and the ms that it took; the latest at the end.
    answers: VecDeque<(u64, u64)>,
    /// When the way broke.
    breaks: VecDeque<u64>,
    /// Whether nothing has come through since the last break.
    broken: bool,
    limit: Option<Limit>,
    dwell: Dwell,
}

/// A step down that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit {
    mode: Mode,
    reason: Reason,
}

impl Health {
    /// Something came through.
    fn works(&mut self) {
        self.broken = false;
    }

    /// A question was answered after `took_ms`.
    fn answered(&mut self, now_ms: u64, took_ms: u64) {
        self.works();
        self.answers.push_back((now_ms, took_ms));
        if self.answers.len() > defaults::HEALTH_ANSWERS {
            self.answers.pop_front();
        }
    }

    /// A question was lost, or the socket was.
    fn lost(&mut self, now_ms: u64) {
        if !std::mem::replace(&mut self.broken, true) {
            self.breaks.push_back(now_ms);
        }
    }

    /// The third quartile of what the last answers took, in ms: one that is slow among four is not
    /// yet a slow way.
    pub(crate) fn latency_ms(&self) -> Option<u64> {
        if self.answers.len() < defaults::HEALTH_LEAST {
            return None;
        }
        let mut took: Vec<u64> = self.answers.iter().map(|(_, took)| *took).collect();
        took.sort_unstable();
        Some(took[self.quartile()])
    }

    /// Where that stands among the answers, the fastest first.
    fn quartile(&self) -> usize {
        self.answers.len().saturating_sub(1) * 3 / 4
    }

    /// Whether it is above so many ms: asked at every turn, and answered without sorting.
    fn is_slow(&self, ms: f64) -> bool {
        let fast = self.answers.iter().filter(|(_, took)| *took as f64 <= ms).count();
        self.answers.len() >= defaults::HEALTH_LEAST && fast <= self.quartile()
    }

    /// Forgets what is too old to say anything of now.
    fn forget(&mut self, now_ms: u64) {
        let since = now_ms.saturating_sub(millis(defaults::HEALTH_MEMORY));
        while self.answers.front().is_some_and(|(at, _)| *at < since) {
            self.answers.pop_front();
        }
        while self.breaks.front().is_some_and(|at| *at < since) {
            self.breaks.pop_front();
        }
    }

    /// What is wrong, if something is. On the way up the bar is lower, so that a way which is just
    /// about too slow does not swing.
    fn trouble(&self, share: f64) -> Option<Reason> {
        let breaks = self.breaks.len();
        if breaks >= defaults::HEALTH_BREAKS {
            return Some(Reason::Breaks(u32::try_from(breaks).unwrap_or(u32::MAX)));
        }
        if !self.is_slow(millis(defaults::SLOW_ANSWER) as f64 * share) {
            return None;
        }
        let latency = self.latency_ms()?;
        Some(Reason::Latency { ms: u32::try_from(latency).unwrap_or(u32::MAX) })
    }

    /// The highest mode that it allows, and why.
    pub(crate) fn ceiling(&self) -> (Mode, Reason) {
        self.limit.map_or((Mode::RealTime, Reason::Unbound), |limit| (limit.mode, limit.reason))
    }
}

impl Engine {
    /// A question that was asked at `asked_ms` is answered.
    pub(crate) fn answered(&mut self, asked_ms: u64) {
        let now = self.now.mono_ms;
        if self.lagged_at.is_some_and(|lagged| lagged >= asked_ms) {
            // It may have waited here, for the disk.
            self.way_works();
        } else {
            self.signals.health.answered(now, now.saturating_sub(asked_ms));
        }
    }

    /// Something came through, though nobody knows how long it took.
    pub(crate) fn way_works(&mut self) {
        self.signals.health.works();
    }

    /// What was on its way is lost, and the client did not end it itself.
    pub(crate) fn way_broke(&mut self) {
        self.signals.health.lost(self.now.mono_ms);
    }

    /// Another network, or the user is back: what was measured says nothing of now.
    pub(crate) fn forget_health(&mut self) {
        self.signals.health = Health::default();
        self.timers.disarm(Timer::Health);
    }

    /// Takes a step down where it is due.
    pub(crate) fn advance_health(&mut self) {
        let now = self.now.mono_ms;
        self.signals.health.forget(now);
        let Some(reason) = self.signals.health.trouble(1.0) else { return };
        let below = match self.signals.report().mode {
            Mode::RealTime => Mode::Hybrid,
            Mode::Hybrid => Mode::Polling,
            // Lower than polling nothing is gained.
            Mode::Polling | Mode::Offline => return,
        };
        let health = &mut self.signals.health;
        health.limit = Some(Limit { mode: below, reason });
        health.dwell.changed(now, false);
        // The next step, down or up, is judged by what this one has brought.
        health.answers.clear();
        health.breaks.clear();
        let until = health.dwell.until().max(now + millis(defaults::HEALTH_PROBE));
        self.timers.arm(Timer::Health, until);
    }

    /// A step down has lasted long enough: one up is tried, unless the way is as bad as it was.
    pub(crate) fn health_due(&mut self) {
        let now = self.now.mono_ms;
        let health = &mut self.signals.health;
        health.forget(now);
        let Some(limit) = health.limit else { return };
        if health.broken || health.trouble(defaults::UPWARD_SHARE).is_some() {
            self.timers.arm(Timer::Health, now + millis(defaults::HEALTH_PROBE));
            return;
        }
        health.dwell.changed(now, true);
        if limit.mode < Mode::Hybrid {
            health.limit = Some(Limit { mode: Mode::Hybrid, ..limit });
            let until = health.dwell.until().max(now + millis(defaults::HEALTH_PROBE));
            self.timers.arm(Timer::Health, until);
        } else {
            health.limit = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_answer_in_four_is_no_slow_way_and_two_are() {
        let mut health = Health::default();
        for took in [50, 40, 3_000] {
            health.answered(0, took);
        }
        assert_eq!(health.latency_ms(), None, "too few to tell");
        health.answered(0, 60);
        assert_eq!(health.trouble(1.0), None);
        health.answered(0, 2_000);
        assert_eq!(health.trouble(1.0), Some(Reason::Latency { ms: 2_000 }));
        assert!(health.is_slow(1_999.0) && !health.is_slow(2_000.0), "as the quartile says");
        for _ in 0..defaults::HEALTH_ANSWERS {
            health.answered(0, 900);
        }
        assert_eq!(health.trouble(1.0), None);
        assert_eq!(
            health.trouble(0.8),
            Some(Reason::Latency { ms: 900 }),
            "not good enough to rise"
        );
    }

    #[test]
    fn an_outage_is_one_break_and_old_breaks_are_forgotten() {
        let mut health = Health::default();
        for at in 0..100 {
            health.lost(at);
        }
        assert_eq!(health.trouble(1.0), None);
        for at in 100..102 {
            health.answered(at, 10);
            health.lost(at);
        }
        assert_eq!(health.trouble(1.0), Some(Reason::Breaks(3)));
        health.forget(millis(defaults::HEALTH_MEMORY) + 50);
        assert_eq!(health.trouble(1.0), None);
    }
}
