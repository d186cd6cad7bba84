//! Rows of a timeline, and how one set of them becomes another.

use std::sync::Arc;

use tidewire_protocol::{EventId, Seq};

use super::message::Message;

/// Behind everything.
pub(crate) const END: Seq = Seq::new(u64::MAX);

/// A row of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A message or another event.
    Message(Arc<Message>),
    /// Events that exist and are not here: `from..=to`. Fetch them with `fill_gap`.
    Gap {
        /// The first missing seq.
        from: Seq,
        /// The last missing seq.
        to: Seq,
    },
}

/// What a row is, for life: diffs speak of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowKey {
    /// A message, from its optimistic echo on.
    Message(EventId),
    /// The gap that begins here.
    Gap(Seq),
}

impl Row {
    /// What this row is.
    pub fn key(&self) -> RowKey {
        match self {
            Row::Message(message) => RowKey::Message(message.id),
            Row::Gap { from, .. } => RowKey::Gap(*from),
        }
    }

    /// Where it stands; what waits in the outbox behind everything.
    pub(crate) fn place(&self) -> Seq {
        match self {
            Row::Message(message) => message.seq.unwrap_or(END),
            Row::Gap { from, .. } => *from,
        }
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&Arc<Message>> {
        match self {
            Row::Message(message) => Some(message),
            Row::Gap { .. } => None,
        }
    }
}

/// An update of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub enum TimelineUpdate {
    /// Everything, from scratch.
    Reset {
        /// The rows, oldest first.
        rows: Vec<Row>,
        /// Whether there are older messages, on disk or on the server.
        more_before: bool,
        /// Whether there are newer messages than those of the timeline. If so, it does not follow
        /// the newest: `load_newer` leads back to them.
        more_after: bool,
        /// Where what the user had not read begins, as it was when the timeline was opened: the line
        /// goes before the first row of this seq or above it. None if all was read.
        unread_from: Option<Seq>,
    },
    /// Changes, to be applied in order.
    Diff {
        /// The changes.
        changes: Vec<Change>,
        /// Whether there are older messages, on disk or on the server.
        more_before: bool,
        /// Whether there are newer messages than those of the timeline.
        more_after: bool,
    },
}

/// One change of the rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A row comes in before the one at `index`.
    Insert {
        /// Where.
        index: usize,
        /// What.
        row: Row,
    },
    /// The row at `index` is the same and looks different.
    Set {
        /// Where.
        index: usize,
        /// What it is now.
        row: Row,
    },
    /// The row at `index` goes.
    Remove {
        /// Where.
        index: usize,
    },
}

impl TimelineUpdate {
    /// Whether there are older messages, on disk or on the server.
    pub fn more_before(&self) -> bool {
        let (Self::Reset { more_before, .. } | Self::Diff { more_before, .. }) = self;
        *more_before
    }

    /// Whether there are newer messages than those of the timeline.
    pub fn more_after(&self) -> bool {
        let (Self::Reset { more_after, .. } | Self::Diff { more_after, .. }) = self;
        *more_after
    }

    /// Applies the update to rows that were built from the updates before it.
    pub fn apply(&self, rows: &mut Vec<Row>) {
        match self {
            TimelineUpdate::Reset { rows: all, .. } => rows.clone_from(all),
            TimelineUpdate::Diff { changes, .. } => {
                for change in changes {
                    match change {
                        Change::Insert { index, row } => rows.insert(*index, row.clone()),
                        Change::Set { index, row } => rows[*index] = row.clone(),
                        Change::Remove { index } => drop(rows.remove(*index)),
                    }
                }
            }
        }
    }
}

/// The changes that make `new` of `old`, which both stand behind `at` rows that stay. Rows that stay
/// are never taken out and put in again, unless they move.
pub(crate) fn diff(at: usize, old: &[Row], new: &[Row]) -> Vec<Change> {
    let same = |a: &Row, b: &Row| match (a, b) {
        (Row::Message(a), Row::Message(b)) => Arc::ptr_eq(a, b) || a == b,
        (a, b) => a == b,
    };
    let prefix = old.iter().zip(new).take_while(|(a, b)| same(a, b)).count();
    let suffix = old[prefix..]
        .iter()
        .rev()
        .zip(new[prefix..].iter().rev())
        .take_while(|(a, b)| same(a, b))
        .count();
    let first = at + prefix;
    let old = &old[prefix..old.len() - suffix];
    let new = &new[prefix..new.len() - suffix];
    if old.is_empty() {
        let insert =
            |(at, row): (usize, &Row)| Change::Insert { index: first + at, row: row.clone() };
        return new.iter().enumerate().map(insert).collect();
    }
    let mut changes = Vec::new();
    let keys: std::collections::HashSet<RowKey> = new.iter().map(Row::key).collect();
    let mut current: Vec<&Row> = Vec::with_capacity(old.len());
    for row in old {
        if keys.contains(&row.key()) {
            current.push(row);
        } else {
            changes.push(Change::Remove { index: first + current.len() });
        }
    }
    for (at, row) in new.iter().enumerate() {
        let index = first + at;
        if current.get(at).is_some_and(|other| other.key() == row.key()) {
            if !same(current[at], row) {
                changes.push(Change::Set { index, row: row.clone() });
            }
            continue;
        }
        if let Some(later) = current.iter().skip(at).position(|other| other.key() == row.key()) {
            changes.push(Change::Remove { index: index + later });
            current.remove(at + later);
        }
        changes.push(Change::Insert { index, row: row.clone() });
        current.insert(at, row);
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidewire_protocol::{Content, Event, EventKind, RoomId, UserId};
    use uuid::Uuid;

    use super::*;

    fn row(id: u8, version: u8) -> Row {
        let event = Event {
            id: EventId::from_uuid(Uuid::from_u128(u128::from(id))),
            room: RoomId::from_uuid(Uuid::nil()),
            seq: Seq::new(1),
            sender: UserId::new("ada").unwrap(),
            at: i64::from(version),
            kind: EventKind::Message,
            content: Content::from_json("{}".into()).unwrap(),
            fold: None,
        };
        Row::Message(Arc::new(Message::of_event(event)))
    }

    proptest! {
        #[test]
        fn a_diff_applied_to_the_old_rows_gives_the_new_ones(
            old in prop::collection::btree_map(0u8..24, 0u8..3, 0..16),
            new in prop::collection::vec((0u8..24, 0u8..3), 0..16),
        ) {
            let old: Vec<Row> = old.into_iter().map(|(id, version)| row(id, version)).collect();
            let mut seen = std::collections::HashSet::new();
            let new: Vec<Row> = new
                .into_iter()
                .filter(|(id, _)| seen.insert(*id))
                .map(|(id, version)| row(id, version))
                .collect();
            let mut rows = old.clone();
            TimelineUpdate::Diff {
                changes: diff(0, &old, &new),
                more_before: false,
                more_after: false,
            }
            .apply(&mut rows);
            prop_assert_eq!(rows, new);
        }
    }

    #[test]
    fn a_message_that_is_sent_stays_the_same_row() {
        let old = vec![row(1, 0), row(2, 0)];
        let new = vec![row(1, 0), row(2, 1)];
        assert!(matches!(diff(0, &old, &new)[..], [Change::Set { index: 1, .. }]));
    }
}
