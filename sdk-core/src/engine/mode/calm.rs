//! Surroundings that cannot keep still: what they ask of the network is done at once, and not again
//! for a moment.

use crate::config::millis;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::time::Timer;

impl Engine {
    /// The surroundings changed: what that asks of the network is done at once, and not twice
    /// within [`defaults::CALM`], however often a platform tells of it.
    pub(crate) fn look_again(&mut self) {
        if self.calms_down(self.looked_at) {
            self.look_due = true;
        } else {
            self.looked_at = Some(self.now.mono_ms);
            self.look_due = false;
            self.retry_everything();
        }
    }

    /// Whether something was done so lately that it has to wait; then it is tried again in time.
    pub(crate) fn calms_down(&mut self, done_at: Option<u64>) -> bool {
        let until = done_at.map_or(0, |at| at + millis(defaults::CALM));
        let waits = self.now.mono_ms < until;
        if waits {
            self.timers.arm_no_later(Timer::Calm, until);
        }
        waits
    }

    /// Nothing waits out an old failure.
    pub(crate) fn retry_everything(&mut self) {
        self.http_backoff.reset();
        self.ops_backoff.reset();
        self.sends_may_go_on();
        self.uploads_may_go_on();
        self.retry_links();
        self.forget_health();
        self.retry_files();
        // A slot that the server gave stands: the crowd it spreads came back as well.
        if self.now.mono_ms >= self.http_slot_until {
            self.timers.disarm(Timer::HttpRetry);
        }
        self.poll_due = true;
    }
}
