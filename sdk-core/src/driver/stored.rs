//! Tells those who measure when an event has reached the disk: a `tracing` event at level `TRACE`
//! with the target `tidewire::stored`, and the user and the event's id as its fields.

use tidewire_protocol::{EventId, UserId};
use tracing::Level;

use super::step;
use crate::engine::{Transaction, Write};
use crate::error::StoreError;

const TARGET: &str = "tidewire::stored";

/// The events of a transaction, if anybody measures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored(Option<(UserId, Vec<EventId>)>);

impl Stored {
    pub(crate) fn of(user: &UserId, transaction: &Transaction) -> Self {
        if !tracing::enabled!(target: TARGET, Level::TRACE) {
            return Self(None);
        }
        let id = |write: &Write| match write {
            Write::Event(event) | Write::Mutation { event, .. } | Write::Folded { event, .. } => {
                Some(event.id)
            }
            _ => None,
        };
        Self(Some((user.clone(), transaction.writes.iter().filter_map(id).collect())))
    }

    /// The transaction was carried out, or not.
    pub(crate) fn tell<T>(&self, result: &Result<T, StoreError>) {
        step::tell("committed");
        let (Some((user, ids)), Ok(_)) = (&self.0, result) else { return };
        for id in ids {
            tracing::trace!(target: TARGET, %user, %id, "an event is on disk");
        }
    }
}
