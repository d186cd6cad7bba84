//! A window: a range of a room's messages, or of a thread's, and what of it is shown.
//!
//! Rows are derived from messages, held ranges, receipts and outbox when an update is due; the update is
//! the difference to what was shown before. So no path that changes one of them can forget to tell
//! the screen. What stands before the first place that changed is not derived again: with 500
//! messages in a window, one more costs as much as one more in an empty one.

mod derive;
mod messages;

use std::collections::BTreeSet;
use std::sync::Arc;

use tidewire_protocol::{EventId, Reactions, Seq, UserId};

use super::message::{Arrived, Message};
use super::quotes::Quotes;

pub(crate) use super::rows::END;
use super::rows::Row;
use crate::engine::effect::{CommandId, TimelineId};
use crate::engine::feed::ranges::RangeSet;
use crate::engine::people::blocks::Blocked;
use crate::engine::people::receipts::Others;
pub(crate) use derive::{Flushed, Sources};
use messages::Messages;

use crate::defaults;

/// What a window is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The messages of the room that stand in no thread.
    Room,
    /// A message and those that stand in its thread.
    Thread(EventId),
}

/// An end of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Older,
    Newer,
}

/// How a window comes to its first messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Newest,
    /// With this place in the middle.
    Around(Seq),
    /// The same, asked of the server.
    Server(Seq),
}

/// A range of messages, and who looks at them.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) of: Of,
    user: UserId,
    pub(crate) timelines: Vec<TimelineId>,
    /// Who waits for its first messages.
    pub(crate) waiting: Vec<(CommandId, TimelineId)>,
    pub(crate) start: Start,
    /// By seq: what makes a row of the room itself, or of the thread. All that is on disk between
    /// `from` and `to`.
    messages: Messages,
    /// What they take, in bytes, reckoned.
    bytes: usize,
    /// Of a thread, the message that it hangs on.
    root: Option<Arc<Message>>,
    /// Of a thread, whether that went with another epoch, and is to be asked for.
    lost_root: bool,
    /// Of a thread, what the server told of it beyond what is held of the room.
    told: RangeSet,
    /// What of that is on its way to the disk.
    arriving: RangeSet,
    /// Places of the user's own messages.
    own: BTreeSet<Seq>,
    quotes: Quotes,
    /// Whom the user has blocked.
    blocked: Blocked,
    /// How far the other members are, if it is known.
    others: Option<Arc<Others>>,
    /// The first place shown; [`END`] in an empty window. What lies below is older history.
    from: Seq,
    /// The last place shown; [`END`] as long as it follows the newest.
    to: Seq,
    /// When it was last opened or scrolled: a counter, not a clock.
    pub(crate) used: u64,
    /// Whether the first messages are here.
    pub(crate) loaded: bool,
    /// Whether what follows its end is being read.
    pub(crate) joining: bool,
    /// Whether somebody reads what lies below its gaps.
    pub(crate) reads_all: bool,
    /// The end at which it last grew.
    pub(crate) grew: Side,
    shown: Vec<Row>,
    gaps: Vec<(u64, u64)>,
    /// Whether something in the outbox changes what is shown.
    overlaid: bool,
    more_before: bool,
    more_after: bool,
    /// Whether something changed since the last update.
    pub(crate) dirty: bool,
    /// The first place at which it did.
    changed_from: Seq,
    receipts_changed: bool,
    last_flush_ms: Option<u64>,
    arrivals: Arrivals,
}

/// How many messages came lately, to tell a burst from a quiet room: counted in this buffer time
/// and in the one before it.
#[derive(Debug, Clone, Default)]
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

    /// Whether much has come lately, as of this moment: nothing rolls while nothing comes.
    fn is_burst(&self, now_ms: u64, buffer_ms: u64) -> bool {
        let mut at = self.clone();
        at.roll(now_ms, buffer_ms);
        at.now + at.before > defaults::QUIET_MESSAGES
    }
}

/// The place of the message that a thread hangs on: before all that is in the thread.
const ROOT: Seq = Seq::ZERO;

/// Bytes of a message's places in the window: keys, pointers and counts, eight words of 8 bytes.
const PLACES: usize = 64;

/// What a message takes in memory, in bytes, reckoned: itself, its places in the window, and the copy that
/// is shown where it quotes another one.
pub(crate) fn cost(message: &Message) -> usize {
    let reacted = |reactions: &Reactions| {
        let name = |user: &UserId| size_of::<UserId>() + user.as_str().len();
        let names: usize = reactions.by.iter().map(name).sum();
        size_of::<Reactions>() + reactions.key.len() + names
    };
    let one = size_of::<Message>()
        + message.content.as_json().len()
        + message.sender.as_str().len()
        + message.reactions.iter().map(reacted).sum::<usize>()
        + PLACES;
    one * (1 + usize::from(message.reply_to.is_some()))
}

impl Window {
    pub(crate) fn new(of: Of, user: UserId, blocked: Blocked, start: Start, used: u64) -> Self {
        Self {
            of,
            user,
            timelines: Vec::new(),
            waiting: Vec::new(),
            start,
            messages: Messages::default(),
            bytes: 0,
            root: None,
            lost_root: false,
            told: RangeSet::default(),
            arriving: RangeSet::default(),
            own: BTreeSet::new(),
            quotes: Quotes::default(),
            blocked,
            others: None,
            from: END,
            to: if start == Start::Newest { END } else { Seq::ZERO },
            used,
            loaded: false,
            joining: false,
            reads_all: start != Start::Newest,
            grew: Side::Newer,
            shown: Vec::new(),
            gaps: Vec::new(),
            overlaid: false,
            more_before: false,
            more_after: false,
            dirty: false,
            changed_from: END,
            receipts_changed: false,
            last_flush_ms: None,
            arrivals: Arrivals::default(),
        }
    }

    /// The same for one reader alone, who is about to go elsewhere.
    pub(crate) fn split(&mut self, timeline: TimelineId) -> Self {
        self.timelines.retain(|other| *other != timeline);
        let mut split = Self { timelines: vec![timeline], waiting: Vec::new(), ..self.clone() };
        // What the disk is being asked is answered to the other one.
        split.look_for_quotes_again();
        split
    }

    /// Forgets all messages, because another epoch began: what was shown exists no more.
    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
        self.own.clear();
        self.quotes = Quotes::default();
        self.root = None;
        self.lost_root = self.of != Of::Room;
        self.told = RangeSet::default();
        self.arriving = RangeSet::default();
        (self.from, self.to) = (END, END);
        self.start = Start::Newest;
        self.loaded = false;
        self.change(Seq::ZERO);
    }

    fn change(&mut self, at: Seq) {
        self.changed_from = self.changed_from.min(at);
        self.dirty = true;
    }

    /// Takes whom the user has blocked.
    pub(crate) fn set_blocked(&mut self, blocked: Blocked) {
        self.blocked = blocked;
        self.change(Seq::ZERO);
    }

    /// Takes how far the other members are.
    pub(crate) fn set_others(&mut self, others: Option<Arc<Others>>) {
        if self.others != others {
            self.others = others;
            self.receipts_changed = true;
            self.dirty = true;
        }
    }

    /// The message of this id, if it is here.
    pub(crate) fn message(&self, id: EventId) -> Option<&Arc<Message>> {
        let root = || self.root.as_ref().filter(|root| root.id == id);
        self.messages.by_id(id).or_else(root)
    }

    /// What it keeps in memory, in bytes, reckoned.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes + self.quotes.bytes() + self.root.as_deref().map_or(0, cost)
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it follows the newest.
    pub(crate) fn is_live(&self) -> bool {
        self.to == END
    }

    /// The first place of the window, if it shows any.
    pub(crate) fn oldest(&self) -> Option<Seq> {
        (self.from != END).then_some(self.from)
    }

    /// The last place of the window; [`END`] if it follows the newest.
    pub(crate) fn end(&self) -> Seq {
        self.to
    }

    pub(crate) fn contains(&self, seq: Seq) -> bool {
        (self.from..=self.to).contains(&seq)
    }

    /// What is held of what it is of.
    pub(crate) fn held<'a>(&self, of_room: &'a RangeSet) -> std::borrow::Cow<'a, RangeSet> {
        if self.told.is_empty() {
            return std::borrow::Cow::Borrowed(of_room);
        }
        let mut held = of_room.clone();
        for &(start, end) in self.told.ranges() {
            held.insert(start, end);
        }
        std::borrow::Cow::Owned(held)
    }

    /// What is held of what it is of, and shown: until its messages are, a hole is a gap.
    fn held_and_shown<'a>(&self, of_room: &'a RangeSet) -> std::borrow::Cow<'a, RangeSet> {
        let mut held = self.held(of_room);
        for &(start, end) in self.arriving.ranges() {
            held.to_mut().remove(start, end);
        }
        held
    }

    /// Where it can begin at the earliest, as the room does.
    pub(crate) fn bottom(&self, of_room: Seq) -> Seq {
        let root = self.root.as_ref().and_then(|root| root.seq);
        root.map_or(of_room, Seq::next).max(Seq::new(1))
    }

    pub(crate) fn set_root(&mut self, root: Arc<Message>) {
        self.receipts_changed = true;
        self.lost_root = false;
        let before = self.root.replace(root).and_then(|root| root.reply_to.clone());
        let quoted = self.root.as_ref().and_then(|root| root.reply_to.clone());
        if let Some(gone) =
            before.filter(|gone| quoted.as_ref().is_none_or(|now| now.id != gone.id))
        {
            self.quotes.remove(gone.id, ROOT);
        }
        self.quote_of_root();
        self.change(ROOT);
    }

    fn quote_of_root(&mut self) {
        if let Some(quote) = self.root.as_ref().and_then(|root| root.reply_to.as_ref()) {
            let find = || self.messages.by_id(quote.id).cloned();
            self.quotes.add(quote.id, ROOT, find);
        }
    }

    /// The server told all of the thread from `from` to `to`; it is shown once it is on disk.
    pub(crate) fn set_told(&mut self, from: Seq, to: Seq, held: &RangeSet) {
        let (from, to) = (from.get(), to.get());
        let holes = self.held(held).holes(from, to);
        holes.into_iter().for_each(|(start, end)| drop(self.arriving.insert(start, end)));
        self.told.insert(from, to);
    }

    /// What the server told of the thread from `from` to `to` is on disk.
    pub(crate) fn set_arrived(&mut self, from: Seq, to: Seq) {
        self.arriving.remove(from.get(), to.get());
        self.dirty = true;
    }

    /// The newest of its places that is among these.
    pub(crate) fn newest_of(&self, stale: &RangeSet, held: &RangeSet, feed: Seq) -> Option<Seq> {
        if self.of != Of::Room {
            return self.newest_of_thread(stale);
        }
        let oldest = self.oldest()?;
        let gaps = || held.holes(oldest.get(), feed.min(self.to).get());
        let above_gaps = match self.reads_all {
            true => None,
            false => gaps().last().map(|(_, end)| Seq::new(end.saturating_add(1))),
        };
        let lowest = above_gaps.map_or(oldest, |above| above.max(oldest));
        stale.last_up_to(self.to).filter(|seq| *seq >= lowest)
    }

    /// Most places between a thread's messages are of others.
    fn newest_of_thread(&self, stale: &RangeSet) -> Option<Seq> {
        let within = |&(start, end): &(u64, u64)| {
            let mut messages = self.messages.range(Seq::new(start)..=Seq::new(end));
            messages.next_back().map(|(seq, _)| *seq)
        };
        let newest = stale.ranges().iter().rev().find_map(within);
        let root = self.root.as_ref().and_then(|root| root.seq);
        newest.max(root.filter(|seq| stale.contains(*seq)))
    }

    /// Of this thread, its places from one seq to another.
    pub(crate) fn places_of(&self, root: EventId, from: Seq, to: Seq) -> Vec<Seq> {
        let places = self.messages.range(from..=to).filter(|_| self.of == Of::Thread(root));
        places.map(|(seq, _)| *seq).collect()
    }

    /// Of a thread, whether the message that it hangs on is missing.
    pub(crate) fn lacks_root(&self) -> bool {
        self.lost_root
    }

    /// Of a thread, the end of the newest hole in it, unless there is a page of newer messages.
    pub(crate) fn lacks(&self, held: &RangeSet, feed: Seq) -> Option<Seq> {
        self.of.thread()?;
        let held = self.held(held);
        let oldest = self.oldest()?;
        let hole = held.holes(oldest.get(), feed.min(self.to).get()).pop();
        let before = oldest.previous();
        let missing = before >= self.bottom(Seq::ZERO) && !held.contains(before);
        let end = hole.map(|(_, end)| Seq::new(end)).or(missing.then_some(before))?;
        let newer = self.messages.range(end..).count();
        (newer < defaults::TIMELINE_PAGE && self.root.is_some()).then_some(end)
    }

    /// Of a thread, from where on it is shown if `first` is the first reply that is here: from its
    /// beginning, if nothing can be missing.
    pub(crate) fn whole_from(&self, held: &RangeSet, feed: Seq, first: Option<Seq>) -> Seq {
        let held = self.held(held);
        let start = held.range_of(feed).map_or(feed.next(), |(start, _)| Seq::new(start));
        start.min(first.unwrap_or(END)).max(self.bottom(Seq::ZERO))
    }

    /// Forgets what the server told of the thread beyond what is held: maybe it is not on disk.
    pub(crate) fn forget_told(&mut self) {
        self.told = RangeSet::default();
        self.arriving = RangeSet::default();
        self.quotes.look_again();
        self.dirty = true;
    }

    fn is_of(&self, message: &Message) -> bool {
        match self.of {
            Of::Room => message.thread.is_none(),
            Of::Thread(root) => message.thread == Some(root),
        }
    }

    fn put(&mut self, seq: Seq, message: Arc<Message>) {
        // It may be what a later one quotes.
        self.learn(&message);
        self.bytes += cost(&message);
        if let Some(quote) = &message.reply_to {
            let (messages, root) = (&self.messages, &self.root);
            let root = || root.as_ref().filter(|root| root.id == quote.id);
            let find = || messages.by_id(quote.id).or_else(root).cloned();
            self.quotes.add(quote.id, seq, find);
        }
        if message.sender == self.user && !message.kind.is_reserved() {
            self.own.insert(seq);
            self.receipts_changed = true;
        }
        let quote = message.reply_to.as_ref().map(|quote| quote.id);
        if let Some(before) = self.messages.insert(seq, message) {
            self.bytes -= cost(&before);
            if let Some(gone) = &before.reply_to
                && Some(gone.id) != quote
            {
                self.quotes.remove(gone.id, seq);
            }
        }
        self.change(seq);
    }

    fn forget(&mut self, seq: Seq, message: &Message) {
        self.bytes -= cost(message);
        self.own.remove(&seq);
        if let Some(quote) = &message.reply_to {
            self.quotes.remove(quote.id, seq);
        }
    }

    /// Drops the oldest messages until `most` are left.
    fn drop_oldest(&mut self, most: usize) {
        while self.messages.len() > most {
            if let Some((seq, message)) = self.messages.pop_first() {
                self.forget(seq, &message);
                self.from = self.messages.first_key_value().map_or(END, |(seq, _)| *seq);
            }
        }
        self.dirty = true;
        if self.of != Of::Room {
            // The first row stays.
            self.change(Seq::ZERO);
        }
    }

    /// Drops the newest messages until `most` are left. From then on it does not follow the newest.
    fn drop_newest(&mut self, most: usize) {
        while self.messages.len() > most.max(1) {
            if let Some((seq, message)) = self.messages.pop_last() {
                self.forget(seq, &message);
                self.to = self.messages.last_key_value().map_or(self.to, |(seq, _)| *seq);
                self.change(self.to.next());
            }
        }
    }

    /// Keeps at most so many messages: what goes is at the other end than it grew at.
    pub(crate) fn slide(&mut self, most: usize) {
        match self.grew {
            Side::Older => self.drop_newest(most),
            Side::Newer => self.drop_oldest(most),
        }
    }

    /// Keeps its newest messages, because memory is short.
    pub(crate) fn shrink(&mut self, most: usize) {
        if self.messages.len() > most {
            self.drop_oldest(most);
        }
    }

    /// Takes events of the room; those without a message say nothing by themselves. The first messages of
    /// a window that has none yet are asked for behind what is on its way to the disk, and bring them.
    pub(crate) fn take(&mut self, events: &[Arrived], most: usize) {
        for (seq, message) in events {
            if let Some(message) = message {
                self.learn(message);
            }
            if !self.loaded {
                continue;
            }
            let begins = self.of == Of::Room && (self.from == END || seq.next() == self.from);
            if self.is_live() && begins {
                self.from = *seq;
            }
            if self.contains(*seq)
                && let Some(message) = message.as_ref().filter(|message| self.is_of(message))
            {
                self.put(*seq, message.clone());
            }
            self.dirty = true;
        }
        if self.messages.len() > most {
            self.grew = Side::Newer;
            self.drop_oldest(most);
        }
    }

    /// Takes messages that lie anywhere: those in its range are put into it. Gives how many are new.
    pub(crate) fn fill(&mut self, messages: &[Arc<Message>]) -> usize {
        let before = self.messages.len();
        for message in messages {
            self.learn(message);
            if let Some(seq) = message.seq
                && self.contains(seq)
                && self.is_of(message)
            {
                self.put(seq, message.clone());
            }
        }
        self.dirty = true;
        self.messages.len() - before
    }

    /// The same from `from` on, where it begins then. Gives how many are new.
    pub(crate) fn extend_older(&mut self, messages: &[Arc<Message>], from: Seq) -> usize {
        if from < self.from {
            self.from = from;
            self.change(from);
        }
        self.fill(messages)
    }

    /// The same up to `to`, where it ends then.
    pub(crate) fn extend_newer(&mut self, messages: &[Arc<Message>], to: Seq) -> usize {
        self.to = self.to.max(to);
        self.fill(messages)
    }

    /// Its first messages, and where it begins and ends.
    pub(crate) fn begin(&mut self, messages: &[Arc<Message>], from: Seq, to: Seq) {
        (self.from, self.to) = (from, to);
        self.loaded = true;
        self.change(Seq::ZERO);
        self.fill(messages);
    }

    /// Takes all its messages anew; where it begins then.
    pub(crate) fn replace(&mut self, messages: &[Arc<Message>], from: Seq) {
        self.messages.clear();
        self.own.clear();
        self.bytes = 0;
        self.quotes = Quotes::default();
        self.quote_of_root();
        self.from = from;
        self.change(Seq::ZERO);
        self.fill(messages);
    }

    /// Takes what became of a message, as it is on disk.
    pub(crate) fn refold(&mut self, message: &Arc<Message>) {
        self.learn(message);
        if let Some(seq) = message.seq.filter(|seq| self.messages.contains_key(seq)) {
            self.put(seq, message.clone());
        }
    }

    /// Takes note of a message if it is quoted here, or is what the thread hangs on.
    fn learn(&mut self, message: &Arc<Message>) {
        if let Some(at) = self.quotes.learn(message) {
            self.change(at);
        }
        if self.of == Of::Thread(message.id) {
            self.set_root(message.clone());
        }
    }

    /// More of the room is on disk than before: what is quoted and was not there may be now.
    pub(crate) fn look_for_quotes_again(&mut self) {
        self.dirty |= self.quotes.look_again();
    }

    /// The disk was asked for quoted messages, and has these of them.
    pub(crate) fn quotes_found(&mut self, asked: &[EventId], found: &[Arc<Message>]) {
        found.iter().for_each(|message| self.learn(message));
        self.quotes.looked_for(asked);
        self.dirty = true;
    }

    /// Quoted messages that are not on this device.
    pub(crate) fn lacks_quotes(&self) -> impl Iterator<Item = EventId> {
        self.quotes.absent()
    }

    /// The disk could not answer: it is asked again.
    pub(crate) fn quotes_not_found(&mut self) {
        self.quotes.look_again();
    }

    /// Quoted messages that the disk has to be asked for, and is from now on.
    pub(crate) fn ask_for_quotes(&mut self) -> Vec<EventId> {
        self.quotes.ask()
    }
}
