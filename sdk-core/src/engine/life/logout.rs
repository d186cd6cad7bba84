//! The end of an account on this device.

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::engine::effect::{CommandId, Effect};
use crate::error::Error;

/// What a logout does about what was not sent yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Logout {
    /// Nothing is lost: with pending sends the logout is refused.
    Keep,
    /// Pending sends are given up.
    Discard,
}

impl Engine {
    /// With [`Logout::Keep`] the outbox has been loaded: nobody else knows what is pending.
    pub(crate) fn log_out(&mut self, command: CommandId, logout: Logout) {
        let pending = self.outbox.unsent() + self.enqueues_in_flight();
        if logout == Logout::Keep && pending > 0 {
            self.reply(command, Err(Error::PendingSends { pending }));
        } else {
            self.effect(Effect::Erase(command));
        }
    }
}
