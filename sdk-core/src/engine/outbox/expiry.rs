//! What was to be sent within a time that is over fails, unless it is on its way just now.

use tidewire_protocol::EventId;

use super::{FailReason, OutboxRow};
use crate::engine::clock::ServerClock;
use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::Transaction;
use crate::engine::time::{Now, Timer};
use crate::engine::{Engine, Phase};

impl OutboxRow {
    /// How many ms are left to send this; nothing if it has all the time there is. By the server's
    /// clock as far as that was known at both ends, else by the device's.
    pub(crate) fn time_left(&self, clock: &ServerClock, now: Now) -> Option<i64> {
        let time = self.options.expires_after_ms()?;
        let age = match self.queued_by_server {
            Some(at) if clock.is_told() => clock.now(now).saturating_sub(at),
            _ => now.wall_ms.saturating_sub(self.queued_at),
        };
        Some(time.saturating_sub(age.max(0)))
    }
}

impl Engine {
    /// Fails what is too late, and comes back for the next one.
    pub(crate) fn advance_expiry(&mut self) {
        let mut late: Vec<EventId> = Vec::new();
        let mut next: Option<i64> = None;
        for row in self.outbox.expiring() {
            match row.time_left(&self.server_clock, self.now) {
                Some(left) if left <= 0 => late.push(row.op.id),
                Some(left) => next = Some(next.map_or(left, |next| next.min(left))),
                None => {}
            }
        }
        match next {
            Some(left) => {
                self.timers.arm(Timer::Expiry, self.now.mono_ms + left.unsigned_abs());
            }
            None => self.timers.disarm(Timer::Expiry),
        }
        if late.is_empty() || self.phase != Phase::Ready {
            return;
        }
        let mut transaction = Transaction { durable: true, ..Transaction::default() };
        let mut after = After::default();
        for id in late {
            self.fail(&mut transaction, &mut after, id, FailReason::Expired);
        }
        self.commit(transaction, after);
    }
}
