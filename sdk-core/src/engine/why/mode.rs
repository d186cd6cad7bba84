//! Why the mode is what it is.

use tidewire_protocol::{AppState, Mode};

use super::fact::{Fact, Lift};
use crate::engine::Engine;
use crate::engine::mode::ceilings::{CrowdChange, Reason, audience_opens};
use crate::engine::time::Timer;

/// Since when each ceiling has allowed what it allows, in the order of the fold.
#[derive(Debug, Default)]
pub(crate) struct CeilingsSince(Vec<(Mode, u64)>);

impl CeilingsSince {
    pub(crate) fn note(&mut self, ceilings: impl Iterator<Item = (Mode, Reason)>, now_ms: u64) {
        for (index, (mode, _)) in ceilings.enumerate() {
            match self.0.get_mut(index) {
                Some(known) if known.0 == mode => {}
                Some(known) => *known = (mode, now_ms),
                None => self.0.push((mode, now_ms)),
            }
        }
    }
}

impl Engine {
    pub(super) fn why_mode(&self) -> Vec<Fact> {
        let report = self.signals.report();
        let mut facts = vec![Fact::Mode { mode: report.mode, reason: report.reason }];
        facts.extend(self.ceilings());
        facts.extend(self.due_in(Timer::Grace).map(|in_ms| Fact::Grace { in_ms }));
        facts.extend(self.crowd_to_come());
        facts.extend(self.obstacles_without_ceiling());
        facts.extend(self.socket());
        facts.extend(self.socket_wait());
        facts
    }

    /// Every ceiling, the one that binds first.
    fn ceilings(&self) -> Vec<Fact> {
        let report = self.signals.report();
        let now = self.now.mono_ms;
        let mut facts: Vec<Fact> = Vec::new();
        for (index, (allows, signal)) in self.signals.ceilings().enumerate() {
            let since = self.ceilings_since.0.get(index).map_or(now, |(_, since)| *since);
            let binds = signal == report.reason && allows == report.mode;
            let Some(signal) = self.named(signal) else { continue };
            let fact = Fact::Ceiling {
                signal,
                allows,
                binds,
                for_ms: self.ago(since),
                lifted_by: self.lift(signal, allows),
            };
            if binds { facts.insert(0, fact) } else { facts.push(fact) }
        }
        facts
    }

    /// What a signal is called that limits nothing: of answers, what they take.
    fn named(&self, signal: Reason) -> Option<Reason> {
        if signal != Reason::Unbound {
            return Some(signal);
        }
        let ms = self.signals.health.latency_ms()?;
        Some(Reason::Latency { ms: u32::try_from(ms).unwrap_or(u32::MAX) })
    }

    /// The ceiling that binds, if there is one.
    pub(super) fn binding_ceiling(&self) -> Option<Fact> {
        self.ceilings().into_iter().find(|fact| matches!(fact, Fact::Ceiling { binds: true, .. }))
    }

    fn lift(&self, signal: Reason, allows: Mode) -> Lift {
        if allows == Mode::RealTime {
            return Lift::Nothing;
        }
        match signal {
            Reason::Unbound | Reason::EventStream => Lift::Nothing,
            Reason::Starting => Lift::FirstAnswer,
            Reason::Audience(_) => Lift::Audience { at_most: audience_opens(allows) },
            Reason::Policy => {
                Lift::Policy { in_ms: self.due_in(Timer::PolicyExpiry).unwrap_or_default() }
            }
            Reason::Network(_) => Lift::OtherNetwork,
            Reason::DataSaver => Lift::DataSaverOff,
            Reason::App(AppState::Foreground | AppState::Background | AppState::Suspended) => {
                Lift::Foreground
            }
            Reason::SocketsFail => {
                Lift::Socket { in_ms: self.due_in(Timer::SocketRetry).unwrap_or_default() }
            }
            Reason::Latency { .. } | Reason::Breaks(_) => {
                Lift::Step { in_ms: self.due_in(Timer::Health).unwrap_or_default() }
            }
            Reason::LowPower => Lift::PowerSavingOff,
            Reason::Ceiling => Lift::App,
            Reason::Budget => Lift::Budget { in_ms: self.budget_lifts_in() },
        }
    }

    /// What the crowd's signals ask for and is not in force yet.
    fn crowd_to_come(&self) -> Option<Fact> {
        let CrowdChange::Later { rises } = self.signals.crowd_change() else { return None };
        let in_ms = self.due_in(Timer::Spread)?;
        let (towards, _) = self.signals.crowd_wanted()?;
        let dwells = rises && self.dwell.until() > self.now.mono_ms;
        Some(if dwells { Fact::Dwell { in_ms } } else { Fact::Spread { towards, in_ms } })
    }
}
