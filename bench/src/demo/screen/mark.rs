//! How far a message is, as the timeline shows it: one mark for each state.

use serde::{Deserialize, Serialize};
use tidewire::MessageState;

/// What stands before a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    /// On its way, or behind one that failed.
    Clock,
    /// In the log.
    Check,
    /// With all members.
    DoubleCheck,
    /// Read by all members.
    FilledDoubleCheck,
    /// Refused: the user decides.
    Alert,
}

/// The mark of a state.
pub(crate) fn mark(state: &MessageState) -> Mark {
    match state {
        MessageState::Sending | MessageState::Waiting(_) => Mark::Clock,
        MessageState::Sent => Mark::Check,
        MessageState::Delivered => Mark::DoubleCheck,
        MessageState::Read => Mark::FilledDoubleCheck,
        MessageState::Failed(_) => Mark::Alert,
    }
}

impl Mark {
    /// Two columns wide, of characters that every terminal has in one width.
    pub(crate) fn glyph(self) -> &'static str {
        match self {
            Mark::Clock => "◷ ",
            Mark::Check => "✓ ",
            Mark::DoubleCheck => "✓✓",
            Mark::FilledDoubleCheck => "✔✔",
            Mark::Alert => "! ",
        }
    }
}

#[cfg(test)]
mod tests {
    use tidewire::FailReason;

    use super::*;

    #[test]
    fn every_state_has_its_mark() {
        let waiting = MessageState::Waiting(tidewire::EventId::from_uuid(uuid::Uuid::nil()));
        assert_eq!(mark(&MessageState::Sending), Mark::Clock);
        assert_eq!(mark(&waiting), Mark::Clock);
        assert_eq!(mark(&MessageState::Sent), Mark::Check);
        assert_eq!(mark(&MessageState::Delivered), Mark::DoubleCheck);
        assert_eq!(mark(&MessageState::Read), Mark::FilledDoubleCheck);
        assert_eq!(mark(&MessageState::Failed(FailReason::Unknown)), Mark::Alert);
    }
}
