//! The one path on which events come in, whatever carried them.
//!
//! An event whose `(room, seq)` is held is dropped; any other is stored and the held range grows.
//! So every source may repeat, overlap and overtake the others.
//!
//! While the store has failed, nothing is taken: what the engine holds in memory then counts on
//! transactions that are undone. Whatever is left out comes again.

use std::sync::Arc;

use tidewire_protocol::{
    Bootstrap, Cursor, Event, EventId, History, Live, Page, RoomId, RoomState, Seq, UserId,
};

use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::outbox::Fate;
use crate::engine::rooms::room::Room;
use crate::engine::rooms::unread::countable;
use crate::engine::timeline::fold::{Mutation, is_mutation};
use crate::engine::timeline::history::{Goal, Page as HistoryPage};
use crate::engine::timeline::message::Message;
use crate::engine::{Engine, Phase, Timer};

/// Where an event came from. Only the feed moves a room's feed position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Feed,
    /// `live` frames, and the sender's own accepted operations.
    Ahead,
}

/// What a page of history says of the places that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covers {
    /// Whatever it does not show of them has gone into what it shows.
    Everything,
    /// It shows some of them and says nothing of the rest.
    Messages,
}

/// A page that brings nothing moves the cursor in memory; on disk it moves at most this often, so
/// that an idle client does not write at every poll.
const IDLE_CURSOR_MS: u64 = 10 * 60 * 1_000;

impl Engine {
    /// Takes a page of the feed, or drops it whole: it must go on from the last accepted cursor.
    /// `have` is what the request said to hold already. Gives whether it was taken.
    pub(crate) fn accept_page(&mut self, page: Page, have: &[(RoomId, Seq)], pushed: bool) -> bool {
        if self.phase != Phase::Ready || self.cursor.as_ref() != Some(&page.from) {
            self.stats.pages_dropped += 1;
            return false;
        }
        self.stats.pages += 1;
        let mut transaction = Transaction::default();
        let mut after = After { page: true, ..After::default() };
        let lists = page.settings.len() + usize::from(page.blocks.is_some());
        let count = page.events.len() + page.limited.len() + page.receipts.len() + lists;
        let quiet = count == 0;
        self.merge(&mut transaction, &mut after, page.events, Source::Feed);
        for state in page.limited {
            self.merge_state(&mut transaction, &mut after, state, Source::Feed);
        }
        // Last: of whom they are, the events and states before have told.
        for receipt in &page.receipts {
            self.merge_receipt(&mut transaction, &mut after, receipt);
        }
        for news in page.settings {
            self.merge_settings(&mut transaction, &mut after, news);
        }
        if let Some(list) = page.blocks {
            self.take_blocks(&mut transaction, &mut after, list);
        }
        for (room, seq) in have {
            // Bodies up to here were left out because they are held: the feed has passed them.
            if let Some(head) = self.rooms.get_mut(room)
                && head.feed_seq < *seq
            {
                head.feed_seq = *seq;
                after.changed.insert(*room);
                transaction.push(head.head_write());
                after.delivered.insert(*room, head.deliverable());
            }
        }
        self.cursor = Some(page.to.clone());
        self.catching_up = page.more;
        if !page.more {
            self.read_at = Some(self.now.mono_ms);
        }
        if pushed {
            after.credit = Some((page.to.clone(), count));
        }
        let stored_lately = self.now.mono_ms < self.queued_cursor_at + IDLE_CURSOR_MS;
        if quiet && transaction.writes.is_empty() && stored_lately {
            self.commit(Transaction::default(), After { page: false, ..after });
        } else {
            self.store_cursor(&mut transaction, page.to);
            self.commit(transaction, after);
        }
        true
    }

    fn store_cursor(&mut self, transaction: &mut Transaction, cursor: Cursor) {
        self.queued_cursor_at = self.now.mono_ms;
        transaction.push(Write::Cursor(cursor));
    }

    /// Takes news of a live room. It never moves the cursor.
    pub(crate) fn accept_live(&mut self, live: Live) {
        if self.phase != Phase::Ready {
            return;
        }
        let mut transaction = Transaction::default();
        let mut after = After::default();
        self.merge(&mut transaction, &mut after, live.events, Source::Ahead);
        self.commit(transaction, after);
    }

    /// Takes the state of a room, told outside the feed.
    pub(crate) fn accept_state(&mut self, state: RoomState, mut after: After) {
        if self.phase != Phase::Ready {
            // What is in memory is about to be replaced. The feed brings the room again.
            self.apply(after, Vec::new());
            return;
        }
        let mut transaction = Transaction::default();
        self.merge_state(&mut transaction, &mut after, state, Source::Ahead);
        self.commit(transaction, after);
    }

    /// Takes events, in any order, of any rooms.
    pub(crate) fn merge(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        events: Vec<Event>,
        source: Source,
    ) {
        let mut touched = std::collections::BTreeSet::new();
        let mut doubted = std::collections::BTreeSet::new();
        for event in events {
            let room =
                self.rooms.entry(event.room).or_insert_with(|| Room::unknown(event.room, event.at));
            // Changes of it may have come before it, and gone into nothing.
            let late = event.seq < room.feed_seq.max(room.folded_to);
            if source == Source::Feed && event.seq > room.feed_seq {
                room.feed_seq = event.seq;
                touched.insert(event.room);
            }
            if room.held.contains(event.seq) {
                self.stats.events_repeated += 1;
                continue;
            }
            self.stats.events += 1;
            touched.insert(event.room);
            let seq = event.seq.get();
            transaction.push(range_write(event.room, room.held.insert(seq, seq)));
            if late && !is_mutation(&event.kind) {
                room.doubt(vec![(seq, seq)], room.state.head_seq);
                doubted.insert(event.room);
            }
            let changed = room.fold(&event, &self.config.user);
            if changed {
                self.fetches.changed(event.room);
                transaction.push(room.state_write());
                transaction.push(room.receipts_write(&self.config.user));
                self.watching.again = true;
                self.show_receipts(after, event.room);
            }
            // By a poll a message may come long after its sender has begun the next one.
            if source == Source::Ahead || self.link.pushes() {
                self.has_written(event.room, &event.sender);
            }
            if self.is_mine(&event) {
                self.outbox.settle(event.id, Fate::Arrived);
                transaction.push(Write::Dequeue(event.id));
                after.dequeued.push(event.id);
            }
            count(transaction, after, &event, &self.config.user);
            // A room may be opened before this is committed: then its window takes it too.
            let arrived = after.arrived.entry(event.room).or_default();
            let seq = event.seq;
            if is_mutation(&event.kind) {
                arrived.push((seq, None));
                // One without the shape of its kind changes nothing.
                if Mutation::of(&event.kind, &event.content).is_some() {
                    let mine = event.sender == self.config.user;
                    transaction.push(Write::Mutation { event: Box::new(event), mine });
                }
            } else {
                // What came of it is folded on the disk.
                let event = Event { fold: None, ..event };
                transaction.push(Write::Event(Box::new(event.clone())));
                let message = Arc::new(Message::of_event(event));
                if let Some(room) = self.rooms.get_mut(&message.room) {
                    room.hear(&message);
                }
                arrived.push((seq, Some(message)));
            }
        }
        after.changed.extend(&touched);
        for room in doubted.iter().filter_map(|id| self.rooms.get(id)) {
            let ranges = room.stale.ranges().to_vec();
            transaction.push(Write::Stale { room: room.state.id, ranges });
        }
        for id in touched {
            self.rooms_changed = true;
            if let Some(room) = self.rooms.get(&id) {
                transaction.push(room.head_write());
                after.delivered.insert(id, room.deliverable());
            }
            self.touch(id);
            self.ask_for_state(id);
        }
    }

    /// Whether an event is what an operation of the outbox became. The id alone does not tell:
    /// somebody else may have taken it, and then the operation is still to fail.
    fn is_mine(&self, event: &Event) -> bool {
        event.sender == self.config.user && self.outbox.contains(event.id)
    }

    /// Takes a room at its head: everything up to there exists, whether or not it is here.
    pub(crate) fn merge_state(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        mut state: RoomState,
        source: Source,
    ) {
        let id = state.id;
        let head = state.head_seq;
        let last_event = state.last_event.take();
        let room = self.rooms.entry(id).or_insert_with(|| Room::told(state.clone()));
        // What happened in between may have changed what is held below it. Ahead of the feed it is on
        // its way.
        let whole_from = room.held.range_of(head).map(|(start, _)| start);
        if source == Source::Feed || whole_from.is_none() {
            let below = room.held.up_to(Seq::new(whole_from.unwrap_or(head.get())).previous());
            if room.doubt(below, head) {
                transaction.push(Write::Stale { room: id, ranges: room.stale.ranges().to_vec() });
            }
        }
        // What the user set meanwhile was told since.
        if source == Source::Ahead && room.settings_at >= Some(self.answering) {
            state.settings = room.state.settings;
            state.settings_version = room.state.settings_version;
        }
        room.take_state(state, &self.config.user);
        after.changed.insert(id);
        self.fetches.changed(id);
        self.watching.again = true;
        if source == Source::Feed && room.feed_seq < head {
            room.feed_seq = head;
        }
        // What was said in between is likely to be somebody else's.
        room.heard = room.heard.max(head);
        transaction.push(room.state_write());
        transaction.push(room.receipts_write(&self.config.user));
        self.merge(transaction, after, last_event.into_iter().collect(), Source::Ahead);
        if let Some(room) = self.rooms.get(&id) {
            after.delivered.insert(id, room.deliverable());
        }
        self.show_receipts(after, id);
        self.rooms_changed = true;
        self.touch(id);
        self.ask_for_state(id);
    }

    /// Takes a page of history: what it covers is held and fresh, whatever was there before.
    pub(crate) fn merge_history(
        &mut self,
        room_id: RoomId,
        history: History,
        mut after: After,
        covers: Covers,
        (goal, thread): (Goal, Option<EventId>),
    ) {
        let mut transaction = Transaction::default();
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        room.state.first_seq = history.first_seq;
        if history.as_of > room.state.head_seq {
            room.state.head_seq = history.as_of;
        }
        // A change of members may come this way first, and by the feed as a repeat.
        let mut changed = false;
        for event in &history.messages {
            if !room.held.contains(event.seq) {
                changed |= room.fold(event, &self.config.user);
            }
        }
        if changed {
            transaction.push(room.receipts_write(&self.config.user));
        }
        if let Some((from, to)) = history.covers {
            let spans: Vec<(u64, u64)> = match covers {
                Covers::Everything => vec![(from.get(), to.get())],
                Covers::Messages => history
                    .messages
                    .iter()
                    .map(|event| (event.seq.get(), event.seq.get()))
                    .collect(),
            };
            let start = from.get();
            // Changes that were folded away here may have been of messages below, which never hear of
            // them any more.
            let mut doubts = false;
            let everything = covers == Covers::Everything;
            if everything && !room.held.holes(start, to.get()).is_empty() {
                doubts = room.doubt(room.held.up_to(from.previous()), history.as_of);
                room.folded_to = room.folded_to.max(to);
            }
            let holes = spans.iter().flat_map(|(start, end)| room.held.holes(*start, *end));
            let filled: Vec<_> = holes.collect();
            for (start, end) in &spans {
                transaction.push(range_write(room_id, room.held.insert(*start, *end)));
            }
            // One that was asked for before the doubt is no answer to it.
            let fresh = history.as_of >= room.doubted_at;
            if fresh && !room.stale.is_empty() {
                for (start, end) in spans {
                    room.stale.remove(start, end);
                }
                // What a page of a thread does not show of it is not there to be asked for again.
                if let Some(root) = thread {
                    let windows = self.windows.of(room_id);
                    for seq in windows.flat_map(|(_, window)| window.places_of(root, from, to)) {
                        room.stale.remove(seq.get(), seq.get());
                    }
                }
                doubts = true;
            }
            if doubts {
                let ranges = room.stale.ranges().to_vec();
                transaction.push(Write::Stale { room: room_id, ranges });
            }
            if !fresh {
                self.fetches.in_vain(room_id, self.now.mono_ms, &mut self.rng);
            }
            let as_of = history.as_of;
            let mut messages = Vec::with_capacity(history.messages.len());
            for event in history.messages {
                if event.sender == self.config.user && self.outbox.contains(event.id) {
                    self.outbox.settle(event.id, Fate::Arrived);
                    transaction.push(Write::Dequeue(event.id));
                    after.dequeued.push(event.id);
                }
                count(&mut transaction, &mut after, &event, &self.config.user);
                if is_mutation(&event.kind) {
                    continue;
                }
                let message = Arc::new(Message::of_event(event.clone()));
                room.hear(&message);
                messages.push(message);
                transaction.push(Write::Folded { event: Box::new(event), as_of });
            }
            after.history =
                Some(HistoryPage { room: room_id, from, to, filled, messages, goal, thread });
        } else if goal == Goal::Ahead {
            self.fetches.in_vain(room_id, self.now.mono_ms, &mut self.rng);
        }
        transaction.push(room.state_write());
        after.delivered.insert(room_id, room.deliverable());
        after.changed.insert(room_id);
        if changed {
            self.show_receipts(&mut after, room_id);
            self.rooms_changed = true;
        }
        self.touch(room_id);
        self.commit(transaction, after);
    }

    /// Takes a page of rooms of a bootstrap. The first one says whether the cache is still of this
    /// server's life; the last one brings the cursor.
    pub(crate) fn merge_bootstrap(&mut self, first: Option<&Bootstrap>, rooms: Vec<RoomState>) {
        let mut transaction = Transaction::default();
        let mut after = After::default();
        let mut wiped = false;
        if let Some(first) = first
            && self.epoch.as_ref() != Some(&first.epoch)
        {
            // Without an epoch there is nothing of another one: only rooms that the user made while
            // this was on its way.
            wiped = self.epoch.replace(first.epoch.clone()).is_some();
            if wiped {
                self.rooms.clear();
                self.owing.clear();
                self.blocks.wipe();
                self.cache_life += 1;
                after.wiped = true;
                transaction.push(Write::WipeCache(first.epoch.clone()));
            } else {
                transaction.push(Write::Epoch(first.epoch.clone()));
            }
        }
        if let Some(first) = first {
            self.take_blocks(&mut transaction, &mut after, first.blocks.clone());
        }
        for state in rooms {
            self.merge_state(&mut transaction, &mut after, state, Source::Feed);
        }
        if wiped {
            // What is still on its way to the disk goes with the rest.
            for pending in &mut self.commits {
                pending.forget_cached();
            }
        }
        self.commit(transaction, after);
        if wiped {
            self.windows.clear();
            self.reload_windows();
        }
    }

    /// The bootstrap is complete: rooms known before it that it did not name are left, and reading
    /// may begin.
    pub(crate) fn finish_bootstrap(
        &mut self,
        cursor: Cursor,
        unseen: &std::collections::BTreeSet<RoomId>,
    ) {
        let mut transaction = Transaction::default();
        let mut after = After { page: true, ..After::default() };
        for id in unseen {
            if let Some(room) = self.rooms.get_mut(id) {
                room.state.joined = false;
                transaction.push(room.state_write());
                after.changed.insert(*id);
            }
        }
        self.cursor = Some(cursor.clone());
        self.store_cursor(&mut transaction, cursor);
        self.commit(transaction, after);
        self.poll_due = true;
        self.rooms_changed = true;
    }

    /// The cursor is of no use any more: begin anew, keeping everything that is held.
    pub(crate) fn forget_cursor(&mut self) {
        self.cursor = None;
        self.rooms_known = false;
        let mut transaction = Transaction::default();
        transaction.push(Write::ForgetCursor);
        self.commit(transaction, After::default());
        self.timers.disarm(Timer::Poll);
    }
}

impl Room {
    fn head_write(&self) -> Write {
        Write::Head { room: self.state.id, head_seq: self.state.head_seq, feed_seq: self.feed_seq }
    }
}

/// A message of somebody else counts as unread once it is on disk.
fn count(transaction: &mut Transaction, after: &mut After, event: &Event, user: &UserId) {
    if let Some(mentions) = countable(&event.kind, &event.sender, &event.content, user) {
        if mentions {
            let (room, seq) = (event.room, event.seq);
            transaction.push(Write::Mention { room, seq, user: user.clone() });
        }
        after.counted.push((event.room, event.seq, mentions));
    }
}

fn range_write(room: RoomId, change: super::ranges::RangeChange) -> Write {
    Write::Range { room, removed: change.removed, put: change.put }
}
