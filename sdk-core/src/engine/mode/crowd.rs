//! Following the crowd: what the server tells of its audience and of what it can carry is followed
//! by each client at a moment of its own, and ever more slowly where it swings.

use tidewire_protocol::Policy;

use super::ceilings::CrowdChange;
use crate::config::millis;
use crate::engine::Engine;
use crate::engine::time::Timer;

impl Engine {
    /// How many users are online and what the server can carry, as just told.
    pub(crate) fn told_crowd(&mut self, online: u32, policy: Option<Policy>) {
        self.signals.online = Some(online);
        // A policy that makes no sense is none: the audience decides.
        self.signals.policy = policy.filter(|policy| policy.validate().is_ok());
        match self.signals.policy {
            Some(policy) => {
                self.timers.arm(Timer::PolicyExpiry, self.now.mono_ms + policy.ttl_ms);
            }
            None => self.timers.disarm(Timer::PolicyExpiry),
        }
        self.crowd_told();
    }

    pub(crate) fn crowd_told(&mut self) {
        match self.signals.crowd_change() {
            CrowdChange::None => {
                self.timers.disarm(Timer::Spread);
                self.signals.refresh_crowd_reason();
            }
            CrowdChange::First => self.signals.follow_crowd(),
            CrowdChange::Later { rises } => {
                let spread = self.rng.u64(0..=millis(self.config.spread));
                let at = self.now.mono_ms + spread;
                if !rises {
                    // Also where a rise is armed that is not wanted any more.
                    self.timers.arm_no_later(Timer::Spread, at);
                } else if self.timers.get(Timer::Spread).is_none() {
                    self.timers.arm(Timer::Spread, at.max(self.dwell.until()));
                }
            }
        }
    }

    /// This client's moment to follow the crowd has come.
    pub(crate) fn crowd_due(&mut self) {
        match self.signals.crowd_change() {
            CrowdChange::None => {}
            // What was armed was a way down, and the crowd has turned meanwhile.
            CrowdChange::Later { rises: true } if self.now.mono_ms < self.dwell.until() => {
                self.timers.arm(Timer::Spread, self.dwell.until());
            }
            CrowdChange::First => self.signals.follow_crowd(),
            CrowdChange::Later { rises } => {
                self.signals.follow_crowd();
                self.dwell.changed(self.now.mono_ms, rises);
            }
        }
    }
}

/// Where a user stands in `[0, 1)`: FNV-1a, which spreads short names evenly and stays the same
/// over versions, so that a policy always moves the same share.
pub(crate) fn point_of(name: &str) -> f64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The upper bits of FNV of short names are poor: fold once more.
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1u64 << 53) as f64
}
