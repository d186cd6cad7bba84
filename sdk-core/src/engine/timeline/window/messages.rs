//! The messages of a window, by their place and by their id.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use tidewire_protocol::{EventId, Seq};

use crate::engine::timeline::message::Message;

/// Read like the map by place; changed so that both agree.
#[derive(Debug, Clone, Default)]
pub(super) struct Messages {
    by_seq: BTreeMap<Seq, Arc<Message>>,
    /// So that one more costs as much in a full window as in an empty one.
    places: HashMap<EventId, Seq>,
}

impl Messages {
    pub(super) fn by_id(&self, id: EventId) -> Option<&Arc<Message>> {
        self.by_seq.get(self.places.get(&id)?)
    }

    /// Puts a message to its place. Gives what stood there.
    pub(super) fn insert(&mut self, seq: Seq, message: Arc<Message>) -> Option<Arc<Message>> {
        let id = message.id;
        let before = self.by_seq.insert(seq, message);
        if let Some(before) = &before {
            self.places.remove(&before.id);
        }
        self.places.insert(id, seq);
        before
    }

    /// Changes a message, which stays the one that it is.
    pub(super) fn change(
        &mut self,
        seq: Seq,
        change: impl FnOnce(&mut Arc<Message>) -> bool,
    ) -> bool {
        self.by_seq.get_mut(&seq).is_some_and(change)
    }

    pub(super) fn pop_first(&mut self) -> Option<(Seq, Arc<Message>)> {
        let (seq, message) = self.by_seq.pop_first()?;
        self.places.remove(&message.id);
        Some((seq, message))
    }

    pub(super) fn pop_last(&mut self) -> Option<(Seq, Arc<Message>)> {
        let (seq, message) = self.by_seq.pop_last()?;
        self.places.remove(&message.id);
        Some((seq, message))
    }

    pub(super) fn clear(&mut self) {
        self.by_seq.clear();
        self.places.clear();
    }
}

impl Deref for Messages {
    type Target = BTreeMap<Seq, Arc<Message>>;

    fn deref(&self) -> &Self::Target {
        &self.by_seq
    }
}
