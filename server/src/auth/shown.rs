//! Which tokens of sessions have come back: whoever shows one has got the answer that brought it. The database has to know
//! that, to tell a repeat of a lost answer from a copy in other hands.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidewire_protocol::SessionId;

/// Sessions remembered so that each generation is told once: about 2 MB. Beyond that all are forgotten, and told again.
const REMEMBERED: usize = 50_000;

#[derive(Debug, Default)]
struct State {
    told: HashMap<SessionId, u32>,
    fresh: HashMap<SessionId, u32>,
}

/// The tokens of sessions that were shown to this server.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    // A std mutex: nothing awaits while it is held.
    state: Mutex<State>,
}

impl Shown {
    /// A token of this generation was shown.
    pub(crate) fn note(&self, session: SessionId, generation: u32) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.told.get(&session).is_some_and(|told| *told >= generation) {
            return;
        }
        if state.told.len() >= REMEMBERED {
            state.told.clear();
        }
        state.told.insert(session, generation);
        state.fresh.insert(session, generation);
    }

    /// What is new since this was asked last.
    pub(crate) fn take(&self) -> Vec<(SessionId, u32)> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut state.fresh).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_generation_is_told_once_and_only_the_newest_counts() {
        let (shown, id) = (Shown::default(), SessionId::from_uuid(Uuid::nil()));
        for generation in [1, 1, 2, 1] {
            shown.note(id, generation);
        }
        assert_eq!(shown.take(), [(id, 2)]);
        shown.note(id, 2);
        assert!(shown.take().is_empty());
        shown.note(id, 3);
        assert_eq!(shown.take(), [(id, 3)]);
    }
}
