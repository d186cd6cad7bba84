//! What a window quotes: which of its messages name others, and what those say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_protocol::{EventId, Seq};

use super::message::Message;
use super::rows::END;
use super::window::cost;

/// The messages that are quoted in a window, whether or not they stand in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Quotes {
    quoted: BTreeMap<EventId, Quoted>,
    /// Those that messages in the outbox quote.
    waiting: Vec<EventId>,
    /// What those that are known take, in bytes, reckoned.
    bytes: usize,
}

#[derive(Debug, Clone)]
struct Quoted {
    /// The places of the messages that quote it; [`END`] for those in the outbox.
    by: BTreeSet<Seq>,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    /// The disk has to be asked.
    Wanted,
    /// The disk is being asked.
    Asked,
    /// It is not on this device.
    Absent,
    Known(Arc<Message>),
}

impl Source {
    fn cost(&self) -> usize {
        match self {
            Source::Known(message) => cost(message),
            Source::Wanted | Source::Asked | Source::Absent => 0,
        }
    }
}

impl Quotes {
    /// The message at `by` quotes another one; `known` looks for it in the window.
    pub(crate) fn add(
        &mut self,
        id: EventId,
        by: Seq,
        known: impl FnOnce() -> Option<Arc<Message>>,
    ) {
        let quoted = self.quoted.entry(id).or_insert_with(|| {
            let source = known().map_or(Source::Wanted, Source::Known);
            self.bytes += source.cost();
            Quoted { by: BTreeSet::new(), source }
        });
        quoted.by.insert(by);
    }

    /// The message at `by` is gone.
    pub(crate) fn remove(&mut self, id: EventId, by: Seq) {
        if let Some(quoted) = self.quoted.get_mut(&id) {
            quoted.by.remove(&by);
            if quoted.by.is_empty() {
                self.bytes -= quoted.source.cost();
                self.quoted.remove(&id);
            }
        }
    }

    /// What the messages in the outbox quote now.
    pub(crate) fn set_waiting(
        &mut self,
        ids: Vec<EventId>,
        known: impl Fn(EventId) -> Option<Arc<Message>>,
    ) {
        if ids == self.waiting {
            return;
        }
        for id in std::mem::take(&mut self.waiting) {
            if !ids.contains(&id) {
                self.remove(id, END);
            }
        }
        for id in &ids {
            self.add(*id, END, || known(*id));
        }
        self.waiting = ids;
    }

    /// Takes note of a message. Gives the first place at which it is quoted.
    pub(crate) fn learn(&mut self, message: &Arc<Message>) -> Option<Seq> {
        let quoted = self.quoted.get_mut(&message.id)?;
        let before = std::mem::replace(&mut quoted.source, Source::Known(message.clone()));
        self.bytes = self.bytes + quoted.source.cost() - before.cost();
        quoted.by.first().copied()
    }

    /// The disk has answered what it was asked. What has been wanted anew since then is asked for again.
    pub(crate) fn looked_for(&mut self, ids: &[EventId]) {
        for id in ids {
            if let Some(quoted) = self.quoted.get_mut(id)
                && matches!(quoted.source, Source::Asked)
            {
                quoted.source = Source::Absent;
            }
        }
    }

    /// What was not on this device may be now, and an answer that is on its way may be of before. Gives
    /// whether anything is to be looked for.
    pub(crate) fn look_again(&mut self) -> bool {
        let mut any = false;
        for quoted in self.quoted.values_mut() {
            if matches!(quoted.source, Source::Absent | Source::Asked) {
                quoted.source = Source::Wanted;
                any = true;
            }
        }
        any
    }

    /// What the disk was asked for and does not have.
    pub(crate) fn absent(&self) -> impl Iterator<Item = EventId> {
        let is_absent = |quoted: &Quoted| matches!(quoted.source, Source::Absent);
        self.quoted.iter().filter(move |(_, quoted)| is_absent(quoted)).map(|(id, _)| *id)
    }

    /// What it keeps in memory, in bytes, reckoned.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of a quoted message.
    pub(crate) fn get(&self, id: EventId) -> Option<&Arc<Message>> {
        match &self.quoted.get(&id)?.source {
            Source::Known(message) => Some(message),
            Source::Wanted | Source::Asked | Source::Absent => None,
        }
    }

    /// What the disk has to be asked for, and is from now on.
    pub(crate) fn ask(&mut self) -> Vec<EventId> {
        let mut ids = Vec::new();
        for (id, quoted) in &mut self.quoted {
            if matches!(quoted.source, Source::Wanted) {
                quoted.source = Source::Asked;
                ids.push(*id);
            }
        }
        ids
    }
}
