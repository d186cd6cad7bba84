//! What of a window is shown, and how that changes.

use std::collections::HashMap;
use std::sync::Arc;

use tidewire_protocol::{EventId, Seq};

use super::{Of, Window};
use crate::engine::feed::ranges::RangeSet;
use crate::engine::outbox::OutboxRow;
use crate::engine::timeline::fold::{Act, Mutation, is_mutation};
use crate::engine::timeline::message::{Message, MessageState, Quote, Quoted};
use crate::engine::timeline::rows::{Change, END, Row, diff};

/// What a window is derived from besides its own messages.
pub(crate) struct Sources<'a> {
    pub(crate) held: &'a RangeSet,
    pub(crate) feed_seq: Seq,
    pub(crate) first_seq: Seq,
    pub(crate) outbox: Vec<&'a OutboxRow>,
}

/// What changed in a window.
#[derive(Debug)]
pub(crate) struct Flushed {
    pub(crate) changes: Vec<Change>,
    pub(crate) more_before: bool,
    pub(crate) more_after: bool,
}

/// What the user has done to messages and is on its way, by message.
type Pending = HashMap<EventId, Vec<(Act, i64)>>;

impl Window {
    /// Derives the states of the user's own messages.
    fn derive_states(&mut self) {
        if !std::mem::take(&mut self.receipts_changed) {
            return;
        }
        let others = self.others.clone();
        let derive = |message: &mut Arc<Message>| {
            let reach = message.seq.and_then(|seq| others.as_ref()?.reach(seq));
            let differs = message.reach != reach;
            if differs {
                let state = MessageState::of_reach(reach);
                *message = Arc::new(Message { state, reach, ..(**message).clone() });
            }
            differs
        };
        let mut first = None;
        for seq in &self.own {
            if self.messages.change(*seq, derive) {
                first.get_or_insert(*seq);
            }
        }
        let user = &self.user;
        let own = |root: &&mut Arc<Message>| root.sender == *user && !root.kind.is_reserved();
        if self.root.as_mut().filter(own).is_some_and(derive) {
            first = Some(Seq::ZERO);
        }
        if let Some(first) = first {
            self.change(first);
        }
    }

    /// Looks which holes are shown. Holes above the feed's position are on their way; those below
    /// it are gaps. Those with nothing to show between them are one.
    fn look_at_gaps(&mut self, sources: &Sources<'_>) {
        let newest = self.messages.last_key_value().map_or(Seq::ZERO, |(seq, _)| *seq);
        let known = newest.max(sources.feed_seq).min(self.to);
        let held = self.held_and_shown(sources.held);
        let holes = match self.oldest() {
            Some(from) => held.holes(from.get(), known.get()),
            None if sources.feed_seq >= sources.first_seq && sources.feed_seq > Seq::ZERO => {
                held.holes(sources.first_seq.get().max(1), known.get())
            }
            None => Vec::new(),
        };
        let mut gaps: Vec<(u64, u64)> = Vec::new();
        let passed = sources.feed_seq.get();
        for (start, end) in holes.into_iter().filter(|(start, _)| *start <= passed) {
            let end = end.min(passed);
            match gaps.last_mut() {
                Some(last)
                    if self.messages.range(Seq::new(last.1)..Seq::new(start)).next().is_none() =>
                {
                    last.1 = end;
                }
                _ => gaps.push((start, end)),
            }
        }
        if gaps == self.gaps {
            return;
        }
        let from = self.from.get();
        let before: Vec<_> = self.gaps.iter().filter(|(start, _)| *start >= from).collect();
        let same = before.iter().zip(&gaps).take_while(|(a, b)| **a == *b).count();
        let first = before.get(same).map(|(start, _)| *start);
        let first = first.into_iter().chain(gaps.get(same).map(|(start, _)| *start)).min();
        self.gaps = gaps;
        if let Some(first) = first {
            self.change(Seq::new(first));
        }
    }

    /// What the user has done to messages and is on its way.
    fn pending(sources: &Sources<'_>) -> Pending {
        let mut pending = Pending::new();
        for row in sources.outbox.iter().filter(|row| row.failed.is_none()) {
            if let Some(Mutation { target, act }) = Mutation::of(&row.op.kind, &row.op.content) {
                pending.entry(target).or_default().push((act, row.queued_at));
            }
        }
        pending
    }

    /// The message with what is on its way.
    fn overlay(&self, message: &Arc<Message>, pending: &Pending) -> Arc<Message> {
        let mut message = message.clone();
        for (act, at) in pending.get(&message.id).into_iter().flatten() {
            message = Arc::new(message.with(act, &self.user, *at));
        }
        message
    }

    /// The rows from `start` on.
    fn rows_from(&self, start: Seq, waiting: &[Arc<Message>], pending: &Pending) -> Vec<Row> {
        let mut rows = Vec::new();
        let message = |message: &Arc<Message>| {
            let message = self.overlay(message, pending);
            Row::Message(self.marked(self.with_quote(message, waiting, pending)))
        };
        if let Some(root) = self.root.as_ref().filter(|root| root.seq >= Some(start)) {
            rows.push(message(root));
        }
        let of_gap = |&(from, to): &(u64, u64)| Row::Gap { from: Seq::new(from), to: Seq::new(to) };
        let mut gaps = self.gaps.iter().filter(|(from, _)| *from >= start.get()).peekable();
        for (seq, one) in self.messages.range(start..) {
            while let Some(gap) = gaps.next_if(|(from, _)| *from <= seq.get()) {
                rows.push(of_gap(gap));
            }
            rows.push(message(one));
        }
        rows.extend(gaps.map(of_gap));
        rows.extend(waiting.iter().map(message));
        rows
    }

    /// The message with what it quotes, as that is now.
    fn with_quote(
        &self,
        message: Arc<Message>,
        waiting: &[Arc<Message>],
        pending: &Pending,
    ) -> Arc<Message> {
        let Some(Quote { id, .. }) = message.reply_to else { return message };
        let of_waiting = || waiting.iter().find(|other| other.id == id);
        let quoted = of_waiting().or_else(|| self.quotes.get(id));
        let quoted = quoted.map(|quoted| {
            let quoted = self.overlay(quoted, pending);
            Quoted { blocked: quoted.is_by(&self.blocked), ..quoted.quoted() }
        });
        let quote = Quote { id, message: quoted };
        Arc::new(Message { reply_to: Some(quote), ..(*message).clone() })
    }

    /// The message with whether its sender is blocked.
    fn marked(&self, message: Arc<Message>) -> Arc<Message> {
        if !message.is_by(&self.blocked) {
            return message;
        }
        Arc::new(Message { blocked: true, ..(*message).clone() })
    }

    /// What waits in the outbox to be sent, as far as it is to be shown here.
    fn waiting(&self, sources: &Sources<'_>) -> Vec<Arc<Message>> {
        let mut holder = None;
        let mut waiting = Vec::new();
        // It is going to stand behind the newest.
        for row in sources.outbox.iter().filter(|_| self.is_live()) {
            let state = match (&row.failed, holder) {
                (Some(reason), _) => MessageState::Failed(reason.clone()),
                (None, Some(id)) => MessageState::Waiting(id),
                (None, None) => MessageState::Sending,
            };
            if row.failed.is_some() && row.holds() || row.failed.is_none() && row.holds_place() {
                holder.get_or_insert(row.op.id);
            }
            // Somebody else's event may have this id: then that has the row, and this is to fail.
            if !is_mutation(&row.op.kind) && self.message(row.op.id).is_none() {
                let message = Message::of_row(row, &self.user, state);
                if self.is_of(&message) {
                    waiting.push(Arc::new(message));
                }
            }
        }
        waiting
    }

    /// Everything, for a reader that begins: the rows, and whether there is more before and after.
    pub(crate) fn everything(&self) -> (Vec<Row>, bool, bool) {
        (self.shown.clone(), self.more_before, self.more_after)
    }

    /// Derives what may have changed and gives what did, if anything.
    pub(crate) fn flush(&mut self, sources: &Sources<'_>, now_ms: u64) -> Option<Flushed> {
        self.dirty = false;
        self.derive_states();
        self.look_at_gaps(sources);
        let waiting = self.waiting(sources);
        let quoted: Vec<EventId> =
            waiting.iter().filter_map(|message| Some(message.reply_to.as_ref()?.id)).collect();
        let mut quotes = std::mem::take(&mut self.quotes);
        quotes.set_waiting(quoted, |id| self.message(id).cloned());
        self.quotes = quotes;
        let pending = Self::pending(sources);
        if self.overlaid || !pending.is_empty() {
            self.overlaid = !pending.is_empty();
            self.change(Seq::ZERO);
            self.dirty = false;
        }
        let mut changes = Vec::new();
        let changed_from = std::mem::replace(&mut self.changed_from, END);
        if self.of == Of::Room && changed_from > Seq::ZERO {
            // What the window has left behind.
            let gone = self.shown.partition_point(|row| row.place() < self.from);
            changes.extend((0..gone).map(|_| Change::Remove { index: 0 }));
            self.shown.drain(..gone);
        }
        let kept = self.shown.partition_point(|row| row.place() < changed_from);
        let rows = self.rows_from(changed_from, &waiting, &pending);
        let differences = diff(kept, &self.shown[kept..], &rows);
        if !differences.is_empty() {
            changes.extend(differences);
            self.shown.truncate(kept);
            self.shown.extend(rows);
        }
        let bottom = self.bottom(sources.first_seq);
        let more_before = self.oldest().is_some_and(|from| from > bottom);
        let more_after = !self.is_live();
        if changes.is_empty() && (more_before, more_after) == (self.more_before, self.more_after) {
            return None;
        }
        (self.more_before, self.more_after) = (more_before, more_after);
        self.last_flush_ms = Some(now_ms);
        Some(Flushed { changes, more_before, more_after })
    }

    /// What would be shown if everything were derived anew.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn derived(&self, sources: &Sources<'_>) -> Vec<Row> {
        let mut anew = self.clone();
        anew.receipts_changed = true;
        anew.shown.clear();
        anew.change(Seq::ZERO);
        let _ = anew.flush(sources, 0);
        anew.shown
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
            Some(last) if self.arrivals.is_burst(now_ms, buffer_ms) => {
                last.saturating_add(buffer_ms)
            }
            _ => now_ms,
        }
    }
}
