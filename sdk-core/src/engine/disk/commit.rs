//! Transactions on their way to the disk, and what waits for them.
//!
//! Ranges, heads and cursor move when an event is taken, so that the next one is judged rightly;
//! what anybody *sees* (rows, replies, credit) waits here until the transaction is committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidewire_protocol::{
    ClientFrame, Content, Cursor, Event, EventId, RoomId, RoomSettings, Seq, UserId,
};

use super::transaction::Transaction;
use crate::config::millis;
use crate::defaults;
use crate::engine::command::Reply;
use crate::engine::effect::{CommandId, Effect, Notice, Problem, StoreToken};
use crate::engine::feed::link::Link;
use crate::engine::outbox::{FailReason, OutboxRow};
use crate::engine::people::receipts::Others;
use crate::engine::rooms::heads::Head;
use crate::engine::time::{Now, Timer};
use crate::engine::timeline::history::Page;
use crate::engine::timeline::message::{Arrived, Message};
use crate::engine::timeline::opening::Finding;
use crate::engine::{Engine, Phase};
use crate::error::{Error, StoreError};

/// A transaction on its way.
#[derive(Debug)]
pub(crate) struct Pending {
    token: StoreToken,
    after: After,
}

impl Pending {
    pub(crate) fn enqueues(&self) -> bool {
        self.after.enqueued.is_some()
    }

    pub(crate) fn enqueues_id(&self, id: EventId) -> bool {
        self.after.enqueued.as_ref().is_some_and(|row| row.op.id == id)
    }

    /// Whether windows of a room get messages with it.
    pub(crate) fn brings(&self, room: RoomId) -> bool {
        let page = self.after.history.as_ref().is_some_and(|page| page.room == room);
        page || self.after.arrived.contains_key(&room)
    }

    /// What becomes of a room's wish with it, if anything does.
    pub(crate) fn wish(&self, room: RoomId) -> Option<Option<RoomSettings>> {
        self.after.wish.filter(|(of, _)| *of == room).map(|(_, settings)| settings)
    }

    /// What becomes of the wish to block somebody with it, if anything does.
    pub(crate) fn block_wish(&self, user: &UserId) -> Option<Option<bool>> {
        self.after.block_wish.as_ref().filter(|(of, _)| of == user).map(|(_, blocked)| *blocked)
    }

    pub(crate) fn forget_cached(&mut self) {
        self.after.arrived.clear();
        self.after.history = None;
        self.after.others.clear();
        self.after.delivered.clear();
        self.after.marked = None;
        self.after.heads.clear();
        self.after.counted.clear();
        self.after.wiped = false;
        self.after.blocks = None;
    }
}

/// What follows from a commit.
#[derive(Debug, Default)]
pub(crate) struct After {
    /// New events of open rooms, or of rooms that may be open by then, with the messages that they
    /// are; none of those that change another one.
    pub(crate) arrived: BTreeMap<RoomId, Vec<Arrived>>,
    /// A page of history.
    pub(crate) history: Option<Page>,
    /// A message that a timeline is to be opened at.
    pub(crate) found: Option<(Finding, Arc<Message>)>,
    pub(crate) enqueued: Option<OutboxRow>,
    pub(crate) dequeued: Vec<EventId>,
    /// Those of them that the user has taken back.
    pub(crate) withdrawn: Vec<EventId>,
    /// Operations of which the disk says then that they may have been sent.
    pub(crate) marked_sent: Vec<EventId>,
    /// An operation that says something else from then on.
    pub(crate) amended: Option<(EventId, Content)>,
    pub(crate) failed: Vec<(RoomId, EventId, Option<FailReason>)>,
    /// What the app has to hear of operations that were given up.
    pub(crate) given_up: Vec<Problem>,
    /// A pushed page: up to where, and of how many events, limited rooms and receipts.
    pub(crate) credit: Option<(Cursor, usize)>,
    /// How far the other members of open rooms are.
    pub(crate) others: BTreeMap<RoomId, Option<Arc<Others>>>,
    /// Up to where rooms are on disk then, as far as the feed has passed them.
    pub(crate) delivered: BTreeMap<RoomId, Seq>,
    /// Up to where the user has read.
    pub(crate) marked: Option<(RoomId, Seq)>,
    /// Rooms that look different then. Their heads are copied when the transaction is given to the
    /// store.
    pub(crate) changed: BTreeSet<RoomId>,
    pub(crate) heads: Vec<(RoomId, Arc<Head>)>,
    /// Messages of others that were not here before, and whether they mention the user.
    pub(crate) counted: Vec<(RoomId, Seq, bool)>,
    /// Whether everything that was cached goes.
    pub(crate) wiped: bool,
    /// What somebody has begun to write then.
    pub(crate) draft: Option<(RoomId, Option<String>)>,
    /// What the user wishes for a room then; nothing once the server has confirmed it.
    pub(crate) wish: Option<(RoomId, Option<RoomSettings>)>,
    /// All whom the user has blocked then, as the server says.
    pub(crate) blocks: Option<BTreeSet<UserId>>,
    /// Whether the user wishes then to have somebody blocked; nothing once the server has confirmed it.
    pub(crate) block_wish: Option<(UserId, Option<bool>)>,
    pub(crate) reply: Option<(CommandId, Reply)>,
    /// Whether messages went because space is short.
    pub(crate) dropped: bool,
    /// Whether this is a page of the feed: the next read waits for it.
    pub(crate) page: bool,
    /// Whether this is a step of the search index.
    pub(crate) indexed: bool,
}

impl Engine {
    /// Gives a transaction to the store. One without writes is committed already.
    pub(crate) fn commit(&mut self, transaction: Transaction, mut after: After) {
        let user = &self.config.user;
        let copy = |id| Some((id, Arc::new(self.rooms.get(&id)?.head(user))));
        after.heads = std::mem::take(&mut after.changed).into_iter().filter_map(copy).collect();
        if transaction.is_empty() {
            self.apply(after, Vec::new());
            return;
        }
        self.retention.note(&transaction);
        let token = StoreToken(self.id());
        self.commits.push_back(Pending { token, after });
        self.effect(Effect::Commit(token, transaction));
    }

    /// A transaction is on disk. `folded` is each message that it changed and that is not there as
    /// the transaction gave it.
    pub fn handle_committed(&mut self, now: Now, token: StoreToken, folded: Vec<Event>) {
        self.now = now;
        if let Some(pending) = self.take_pending(token) {
            self.store_backoff.reset();
            if self.store_told.take().is_some() {
                self.notify(Notice::Problem(Problem::StoreRecovered));
            }
            self.apply(pending.after, folded);
        }
        self.advance();
    }

    /// A transaction failed: nothing of it is on disk. What is committed is loaded anew, because
    /// what the engine holds in memory already counts on the transaction.
    pub fn handle_commit_failed(&mut self, now: Now, token: StoreToken, error: StoreError) {
        self.now = now;
        if let Some(pending) = self.take_pending(token) {
            let finding = pending.after.found.map(|(finding, _)| finding.command);
            if let Some(command) = pending.after.reply.map(|(command, _)| command).or(finding) {
                self.reply(command, Err(Error::Store(error.clone())));
            }
            self.store_failed(error);
        }
        self.advance();
    }

    fn take_pending(&mut self, token: StoreToken) -> Option<Pending> {
        let at = self.commits.iter().position(|pending| pending.token == token)?;
        self.commits.remove(at)
    }

    /// Reading stops until what is committed has been loaded again.
    pub(crate) fn store_failed(&mut self, error: StoreError) {
        if self.shows() {
            self.close_link("the store failed");
            self.close_stream("the store failed");
            self.sync = None;
            self.boot = None;
            self.load_again_later();
        }
        // One that was refused because of an earlier one tells nothing new.
        if error != StoreError::Superseded && self.store_told.as_ref() != Some(&error) {
            self.store_told = Some(error.clone());
            self.notify(Notice::Problem(Problem::StoreFailed(error)));
        }
    }

    pub(crate) fn load_again_later(&mut self) {
        self.phase = Phase::Failed;
        let wait = self.store_backoff.fail(None, &mut self.rng);
        self.timers.arm(Timer::StoreRetry, self.now.mono_ms + wait);
    }

    /// The pages of a room's history that are on their way to the disk.
    pub(crate) fn pages_in_flight(&self, room: RoomId) -> impl Iterator<Item = &Page> {
        let pages = self.commits.iter().filter_map(|pending| pending.after.history.as_ref());
        pages.filter(move |page| page.room == room)
    }

    /// Whether a page of the feed is on its way to the disk.
    pub(crate) fn page_in_flight(&self) -> bool {
        self.commits.iter().any(|pending| pending.after.page)
    }

    /// Lets happen what waited for a commit.
    pub(crate) fn apply(&mut self, after: After, folded: Vec<Event>) {
        let max = self.config.max_messages_per_room;
        let now = self.now.mono_ms;
        let buffer = millis(self.config.message_buffer_time);
        if after.wiped {
            self.heads.wipe();
        }
        self.rooms_known |= after.page && self.cursor.is_some();
        for (room, head) in after.heads {
            self.heads.put(room, head);
            if let Some(said) = self.rooms.get(&room).and_then(|room| room.said.as_ref()) {
                self.heads.refold(said);
            }
        }
        for (room, seq, mentions) in after.counted {
            self.heads.count(room, seq, mentions);
        }
        if let Some((room, text)) = after.draft {
            self.heads.set_draft(room, text);
        }
        if let Some((room, settings)) = after.wish {
            self.heads.set_wish(room, settings);
        }
        if let Some(users) = after.blocks {
            self.blocks_stored(users);
        }
        if let Some((user, blocked)) = after.block_wish {
            self.block_wish_stored(user, blocked);
        }
        self.outbox.marked(&after.marked_sent);
        // What the user does himself never waits for a burst to end.
        let by_user = after.reply.is_some();
        let mut shown_at_once = BTreeSet::new();
        for id in after.dequeued {
            if let Some(row) = self.outbox.remove(id) {
                self.touch(row.room);
                shown_at_once.extend(by_user.then_some(row.room));
                self.files_done(row, after.withdrawn.contains(&id));
            }
        }
        for (room, arrived) in after.arrived {
            for (_, window) in self.windows.of_mut(room) {
                window.count(arrived.len(), now, buffer);
                window.take(&arrived, max);
                window.look_for_quotes_again();
            }
        }
        if let Some(page) = after.history {
            self.show_page(page);
        }
        // What is on disk is what is shown, whatever the events said by themselves.
        for event in folded {
            let message = Arc::new(Message::of_event(event));
            if let Some(room) = self.rooms.get_mut(&message.room) {
                room.refold(&message);
            }
            self.heads.refold(&message);
            for (_, window) in self.windows.of_mut(message.room) {
                window.refold(&message);
            }
        }
        for (room, others) in after.others {
            for (_, window) in self.windows.of_mut(room) {
                window.set_others(others.clone());
            }
        }
        for (room, seq) in after.delivered {
            self.delivered(room, seq);
        }
        if let Some((room, seq)) = after.marked {
            self.marked(room, seq);
        }
        if let Some(row) = after.enqueued {
            let room = row.room;
            let (id, marked) = (row.op.id, row.attempted_at.is_some());
            self.outbox.push_fresh(row, marked);
            self.begin_uploads(id);
            self.rooms_changed = true;
            self.touch(room);
            // The user's own words never wait for a burst to end.
            self.flush_room(room);
        }
        if let Some((id, content)) = after.amended
            && let Some(room) = self.outbox.amend(id, content)
        {
            self.touch(room);
            self.flush_room(room);
        }
        for (room, id, reason) in after.failed {
            self.outbox.set_failed(id, reason.clone());
            self.begin_uploads(id);
            self.touch(room);
            shown_at_once.extend(by_user.then_some(room));
            if let Some(reason) = reason {
                let target = None;
                self.notify(Notice::Problem(Problem::SendFailed { room, id, target, reason }));
            }
        }
        for room in shown_at_once {
            self.flush_room(room);
        }
        for problem in after.given_up {
            self.notify(Notice::Problem(problem));
        }
        if let Some((cursor, events)) = after.credit
            && let Link::Ready(ready) = &mut self.link
        {
            ready.uncredited += events;
            if ready.uncredited >= defaults::CREDIT_AFTER {
                ready.uncredited = 0;
                self.send_frame(ClientFrame::Credit { cursor });
            }
        }
        if after.dropped {
            self.dropped();
        }
        if let Some((finding, message)) = after.found {
            self.found(finding, message);
        }
        if after.indexed {
            self.step_indexed();
        }
        if let Some((command, reply)) = after.reply {
            self.reply(command, Ok(reply));
        }
    }

    pub(crate) fn touch(&mut self, room: RoomId) {
        self.heads.touch(room);
        for (_, window) in self.windows.of_mut(room) {
            window.dirty = true;
        }
    }
}
