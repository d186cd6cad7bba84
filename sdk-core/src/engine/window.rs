//! What a timeline shows of one room, and how that changes.
//!
//! The rows are derived anew from messages, held ranges, receipts and outbox whenever an update
//! is due; the update is the difference to what was shown before. So no path that changes one of
//! them can forget to tell the screen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidewire_protocol::{EventId, Seq, UserId};

use super::effect::TimelineId;
use super::fold::{Act, Mutation, is_mutation};
use super::message::{Arrived, Message, MessageState, Quote, Quoted};
use super::outbox::OutboxRow;
use super::ranges::RangeSet;
use super::receipts::Others;
use crate::defaults;

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
        more: bool,
    },
    /// Changes, to be applied in order.
    Diff {
        /// The changes.
        changes: Vec<Change>,
        /// Whether there are older messages, on disk or on the server.
        more: bool,
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

/// The window of an open room: its newest messages, and who looks at them.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) timelines: Vec<TimelineId>,
    /// By seq, from `from` on: what makes a row of the room itself.
    messages: BTreeMap<Seq, Arc<Message>>,
    /// Messages that are quoted here and lie elsewhere: nothing for one that is not on this device.
    quoted: BTreeMap<EventId, Option<Arc<Message>>>,
    /// Those of which it is not known yet whether they are.
    pub(crate) unknown_quotes: Vec<EventId>,
    /// How far the other members are, if it is known.
    others: Option<Arc<Others>>,
    /// The lowest seq shown. What lies below is older history.
    pub(crate) from: Seq,
    /// When it was last opened, for choosing live rooms: a counter, not a clock.
    pub(crate) opened: u64,
    /// Whether the first rows came from the disk.
    pub(crate) loaded: bool,
    /// Whether a fetch from the server is on its way.
    pub(crate) fetching: bool,
    shown: Vec<Row>,
    more: bool,
    /// Whether something changed since the last update.
    pub(crate) dirty: bool,
    last_flush_ms: Option<u64>,
    arrivals: Arrivals,
}

/// How many messages came lately, to tell a burst from a quiet room: counted in this buffer time
/// and in the one before it.
#[derive(Debug, Default)]
struct Arrivals {
    period_start_ms: u64,
    now: u32,
    before: u32,
}

impl Arrivals {
    fn roll(&mut self, now_ms: u64, buffer_ms: u64) {
        let passed = now_ms.saturating_sub(self.period_start_ms);
        if passed >= buffer_ms {
            self.before = if passed < buffer_ms.saturating_mul(2) { self.now } else { 0 };
            self.now = 0;
            self.period_start_ms = now_ms;
        }
    }

    fn is_burst(&self) -> bool {
        self.now + self.before > defaults::QUIET_MESSAGES
    }
}

/// What a window is derived from besides its own messages.
pub(crate) struct Sources<'a> {
    pub(crate) user: &'a UserId,
    pub(crate) held: &'a RangeSet,
    pub(crate) feed_seq: Seq,
    pub(crate) first_seq: Seq,
    pub(crate) outbox: Vec<&'a OutboxRow>,
}

impl Window {
    pub(crate) fn new(opened: u64) -> Self {
        Self {
            timelines: Vec::new(),
            messages: BTreeMap::new(),
            quoted: BTreeMap::new(),
            unknown_quotes: Vec::new(),
            others: None,
            from: Seq::new(u64::MAX),
            opened,
            loaded: false,
            fetching: false,
            shown: Vec::new(),
            more: false,
            dirty: false,
            last_flush_ms: None,
            arrivals: Arrivals::default(),
        }
    }

    /// Forgets all messages, for instance because another epoch began.
    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.quoted.clear();
        self.from = Seq::new(u64::MAX);
        self.dirty = true;
    }

    /// Takes how far the other members are.
    pub(crate) fn set_others(&mut self, others: Option<Arc<Others>>) {
        if self.others != others {
            self.others = others;
            self.dirty = true;
        }
    }

    /// The message of this id, if it is shown.
    pub(crate) fn message(&self, id: EventId) -> Option<&Arc<Message>> {
        self.messages.values().find(|message| message.id == id)
    }

    /// What it keeps in memory, in bytes, reckoned: messages, their places in the window, and the rows that were
    /// shown last.
    pub(crate) fn bytes(&self) -> usize {
        let message = |message: &Arc<Message>| {
            size_of::<Message>()
                + message.content.as_json().len()
                + message.sender.as_str().len()
                + 4 * size_of::<usize>()
        };
        let waiting = self.shown.iter().filter_map(Row::message).filter(|m| m.seq.is_none());
        self.messages.values().chain(waiting).map(message).sum::<usize>()
            + self.shown.capacity() * size_of::<Row>()
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Takes events of the room at or after the window's beginning; those without a message say
    /// nothing by themselves. The window is bounded: the oldest go when it is over `max`.
    pub(crate) fn take(&mut self, events: impl IntoIterator<Item = Arrived>, max: usize) {
        for (seq, message) in events {
            if let Some(message) = &message {
                self.learn(message);
            }
            if seq >= self.from || self.messages.is_empty() || self.is_just_below(seq) {
                self.from = self.from.min(seq);
                if let Some(message) = message.filter(|message| message.thread.is_none()) {
                    self.messages.insert(seq, message);
                }
                self.dirty = true;
            }
        }
        while self.messages.len() > max {
            self.messages.pop_first();
            self.from = self.messages.first_key_value().map_or(self.from, |(seq, _)| *seq);
        }
    }

    fn is_just_below(&self, seq: Seq) -> bool {
        seq.next() == self.from
    }

    /// Takes events below the window's beginning; `from` is where it then begins.
    pub(crate) fn extend(
        &mut self,
        events: impl IntoIterator<Item = Arc<Message>>,
        from: Seq,
    ) -> usize {
        let before = self.messages.len();
        for message in events {
            self.learn(&message);
            if let Some(seq) = message.seq.filter(|_| message.thread.is_none()) {
                self.messages.insert(seq, message);
            }
        }
        self.from = self.from.min(from);
        self.dirty = true;
        self.messages.len() - before
    }

    /// Takes what became of a message, as it is on disk.
    pub(crate) fn refold(&mut self, message: &Arc<Message>) {
        self.learn(message);
        let Some(seq) = message.seq else { return };
        if let Some(shown) = self.messages.get_mut(&seq) {
            *shown = message.clone();
            self.dirty = true;
        }
    }

    /// Takes note of a message if it is quoted here.
    fn learn(&mut self, message: &Arc<Message>) {
        if let Some(quoted) = self.quoted.get_mut(&message.id) {
            *quoted = Some(message.clone());
            self.dirty = true;
        }
    }

    /// The disk was asked for quoted messages, and has these of them.
    pub(crate) fn quotes_found(&mut self, asked: &[EventId], found: Vec<Arc<Message>>) {
        for id in asked {
            self.quoted.entry(*id).or_default();
        }
        for message in found {
            self.learn(&message);
        }
        self.dirty = true;
    }

    /// The oldest seq of the window, if it shows any.
    pub(crate) fn oldest(&self) -> Option<Seq> {
        (self.from.get() != u64::MAX).then_some(self.from)
    }

    /// Derives the states of the user's own messages.
    fn derive_states(&mut self, user: &UserId) {
        for (seq, message) in &mut self.messages {
            if message.sender != *user || message.kind.is_reserved() {
                continue;
            }
            let reach = self.others.as_ref().and_then(|others| others.reach(*seq));
            if message.reach != reach {
                let state = MessageState::of_reach(reach);
                *message = Arc::new(Message { state, reach, ..(**message).clone() });
            }
        }
    }

    fn rows(&self, sources: &Sources<'_>) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.messages.len() + sources.outbox.len() + 2);
        let newest = self.messages.last_key_value().map_or(Seq::ZERO, |(seq, _)| *seq);
        // Holes above the feed's position are on their way; those below it are gaps.
        let known = newest.max(sources.feed_seq);
        let holes = match self.oldest() {
            Some(from) => sources.held.holes(from.get(), known.get()),
            None if sources.feed_seq >= sources.first_seq && sources.feed_seq > Seq::ZERO => {
                sources.held.holes(sources.first_seq.get().max(1), known.get())
            }
            None => Vec::new(),
        };
        let mut gaps = holes
            .into_iter()
            .filter(|(start, _)| *start <= sources.feed_seq.get())
            .map(|(start, end)| Row::Gap {
                from: Seq::new(start),
                to: Seq::new(end.min(sources.feed_seq.get())),
            })
            .peekable();
        for (seq, message) in &self.messages {
            while let Some(Row::Gap { from, .. }) = gaps.peek() {
                if from > seq {
                    break;
                }
                rows.extend(gaps.next());
            }
            rows.push(Row::Message(message.clone()));
        }
        rows.extend(gaps);
        let mut holder = None;
        for row in &sources.outbox {
            let state = match (&row.failed, holder) {
                (Some(reason), _) => MessageState::Failed(reason.clone()),
                (None, Some(id)) => MessageState::Waiting(id),
                (None, None) => MessageState::Sending,
            };
            if row.failed.is_some() {
                holder.get_or_insert(row.op.id);
            }
            if !is_mutation(&row.op.kind) {
                let message = Message::of_row(row, sources.user, state);
                if message.thread.is_none() {
                    rows.push(Row::Message(Arc::new(message)));
                }
            }
        }
        self.add_what_is_on_its_way(sources, &mut rows);
        self.resolve_quotes(&mut rows);
        rows
    }

    /// What the user has done to messages shows at once, and goes again if the server refuses it.
    fn add_what_is_on_its_way(&self, sources: &Sources<'_>, rows: &mut [Row]) {
        let mut pending: HashMap<EventId, Vec<(Act, i64)>> = HashMap::new();
        for row in sources.outbox.iter().filter(|row| row.failed.is_none()) {
            if let Some(Mutation { target, act }) = Mutation::of(&row.op.kind, &row.op.content) {
                pending.entry(target).or_default().push((act, row.queued_at));
            }
        }
        if pending.is_empty() {
            return;
        }
        for row in rows {
            let Row::Message(message) = row else { continue };
            for (act, at) in pending.get(&message.id).into_iter().flatten() {
                *message = Arc::new(message.with(act, sources.user, *at));
            }
        }
    }

    /// Shows what is quoted as it is now.
    fn resolve_quotes(&self, rows: &mut [Row]) {
        let quotes = |row: &Row| Some(row.message()?.reply_to.as_ref()?.id);
        let mut wanted: HashMap<EventId, Option<Quoted>> =
            rows.iter().filter_map(quotes).map(|id| (id, None)).collect();
        if wanted.is_empty() {
            return;
        }
        for message in rows.iter().filter_map(Row::message) {
            if let Some(quoted) = wanted.get_mut(&message.id) {
                *quoted = Some(message.quoted());
            }
        }
        for row in rows {
            let Row::Message(message) = row else { continue };
            let Some(Quote { id, .. }) = message.reply_to else { continue };
            let shown = wanted.get(&id).cloned().flatten();
            let elsewhere = || Some(self.quoted.get(&id)?.as_ref()?.quoted());
            let quote = Quote { id, message: shown.or_else(elsewhere) };
            *message = Arc::new(Message { reply_to: Some(quote), ..(**message).clone() });
        }
    }

    /// Which quoted messages are to be looked for, and which need not be kept any more.
    fn note_quotes(&mut self, rows: &[Row]) {
        let mut kept = BTreeMap::new();
        self.unknown_quotes.clear();
        let shown: std::collections::HashSet<EventId> =
            self.messages.values().map(|message| message.id).collect();
        for quote in rows.iter().filter_map(|row| row.message()?.reply_to.as_ref()) {
            if shown.contains(&quote.id) || kept.contains_key(&quote.id) {
                continue;
            }
            match self.quoted.remove(&quote.id) {
                Some(known) => drop(kept.insert(quote.id, known)),
                None if !self.unknown_quotes.contains(&quote.id) => {
                    self.unknown_quotes.push(quote.id);
                }
                None => {}
            }
        }
        self.quoted = kept;
    }

    fn has_more(&self, sources: &Sources<'_>) -> bool {
        self.oldest().is_some_and(|from| from > sources.first_seq)
    }

    /// Everything, for a reader that begins.
    pub(crate) fn reset(&mut self) -> TimelineUpdate {
        TimelineUpdate::Reset { rows: self.shown.clone(), more: self.more }
    }

    /// Derives the rows anew and gives what changed, if anything did.
    pub(crate) fn flush(&mut self, sources: &Sources<'_>, now_ms: u64) -> Option<TimelineUpdate> {
        self.dirty = false;
        self.derive_states(sources.user);
        let rows = self.rows(sources);
        self.note_quotes(&rows);
        let more = self.has_more(sources);
        let changes = diff(&self.shown, &rows);
        if changes.is_empty() && more == self.more {
            return None;
        }
        self.shown = rows;
        self.more = more;
        self.last_flush_ms = Some(now_ms);
        Some(TimelineUpdate::Diff { changes, more })
    }

    /// Counts messages that came.
    pub(crate) fn count(&mut self, messages: usize, now_ms: u64, buffer_ms: u64) {
        self.arrivals.roll(now_ms, buffer_ms);
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.arrivals.now = self.arrivals.now.saturating_add(messages);
    }

    /// When the next update may go out: at once in a quiet room, a buffer time after the last one
    /// in a burst.
    pub(crate) fn flush_at(&self, now_ms: u64, buffer_ms: u64) -> u64 {
        match self.last_flush_ms {
            Some(last) if self.arrivals.is_burst() => last.saturating_add(buffer_ms),
            _ => now_ms,
        }
    }
}

/// The changes that make `new` of `old`. Rows that stay are never taken out and put in again,
/// unless they move.
fn diff(old: &[Row], new: &[Row]) -> Vec<Change> {
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
    let old = &old[prefix..old.len() - suffix];
    let new = &new[prefix..new.len() - suffix];
    let mut changes = Vec::new();

    let keys: std::collections::HashSet<RowKey> = new.iter().map(Row::key).collect();
    let mut current: Vec<&Row> = Vec::with_capacity(old.len());
    for row in old {
        if keys.contains(&row.key()) {
            current.push(row);
        } else {
            changes.push(Change::Remove { index: prefix + current.len() });
        }
    }
    for (at, row) in new.iter().enumerate() {
        let index = prefix + at;
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
    use tidewire_protocol::{Content, Event, EventKind, RoomId};
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
            TimelineUpdate::Diff { changes: diff(&old, &new), more: false }.apply(&mut rows);
            prop_assert_eq!(rows, new);
        }
    }

    #[test]
    fn a_message_that_is_sent_stays_the_same_row() {
        let old = vec![row(1, 0), row(2, 0)];
        let new = vec![row(1, 0), row(2, 1)];
        assert!(matches!(diff(&old, &new)[..], [Change::Set { index: 1, .. }]));
    }
}
