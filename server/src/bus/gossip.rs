//! What servers tell each other beside the bell: who is here, who types, and what users have spent of their rates.
//! Nothing of it is kept anywhere, and any of it may be lost: each word holds for a while only, and is said again.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{PresenceState, RoomId, UserId};

/// Most entries of one telling: about 50 KB.
pub(crate) const ENTRIES: usize = 500;

/// Some news of one server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gossip {
    /// The server that says it: a number drawn at its start.
    pub(crate) from: u32,
    /// Whether everybody is to say again who is with him: somebody has begun to listen.
    #[serde(default)]
    pub(crate) again: bool,
    /// Who is with this server, and for how many ms that holds. Offline: not any more.
    #[serde(default)]
    pub(crate) presence: Vec<(UserId, PresenceState, u64)>,
    /// Who types where, or has stopped.
    #[serde(default)]
    pub(crate) typing: Vec<(RoomId, UserId, bool)>,
    /// What users have spent of their rate; less than nothing: what they got back.
    #[serde(default)]
    pub(crate) spent: Vec<(UserId, i64)>,
    /// How often somebody tried to sign in as a user; less than nothing: what was none of guessing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attempts: Vec<(UserId, i64)>,
    /// Whether something was taken back: everybody is to look.
    #[serde(default)]
    pub(crate) revoked: bool,
}

impl Gossip {
    /// Whether it tells nothing of anybody.
    pub(crate) fn is_silent(&self) -> bool {
        let Self { presence, typing, spent, attempts, .. } = self;
        presence.is_empty() && typing.is_empty() && spent.is_empty() && attempts.is_empty()
    }

    /// The same in tellings of at most [`ENTRIES`] each; one at least.
    pub(crate) fn in_pieces(mut self) -> Vec<Self> {
        let mut pieces = Vec::new();
        loop {
            let rest = Self {
                from: self.from,
                again: false,
                presence: self.presence.split_off(self.presence.len().min(ENTRIES)),
                typing: self.typing.split_off(self.typing.len().min(ENTRIES)),
                spent: self.spent.split_off(self.spent.len().min(ENTRIES)),
                attempts: self.attempts.split_off(self.attempts.len().min(ENTRIES)),
                revoked: false,
            };
            let done = rest.is_silent();
            pieces.push(std::mem::replace(&mut self, rest));
            if done {
                return pieces;
            }
        }
    }
}
