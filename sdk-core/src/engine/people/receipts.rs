//! Receipts: how far the members of a room are, and what this client owes of its own.
//!
//! What is owed is derived: what is on disk here, and what the user has read, less what the user's
//! own receipt in the feed says already. So nothing has to be remembered of what was told: after a
//! restart or a lost connection it is told again, until the feed brings it back.

use std::ops::Bound;
use std::sync::Arc;

use tidewire_protocol::{
    ClientFrame, Receipt, ReceiptUpdate, RoomId, Seq, UnreadBase, UserId, limits,
};

use crate::config::millis;
use crate::defaults;
use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::CommandId;
use crate::engine::query::Query;
use crate::engine::rooms::room::Room;
use crate::engine::time::Timer;
use crate::engine::timeline::message::Reach;
use crate::engine::{Engine, Phase};
use crate::error::Error;

/// Whether so many receipts are those of all members. A room whose state is not known has none.
fn are_all(receipts: usize, members: u32) -> bool {
    (1..=limits::RECEIPT_MEMBERS).contains(&members) && receipts == members as usize
}

/// The receipts of a room, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    /// By user, as they come from the disk: a start reads thousands of them before anything shows.
    known: Vec<Receipt>,
    /// Whether those of all members are here and of nobody else. If not, the one that counts is the
    /// user's own.
    whole: bool,
}

impl Receipts {
    /// At first only the user's own is here.
    pub(crate) fn of_user(own: Option<Receipt>) -> Self {
        Self { known: own.into_iter().collect(), whole: false }
    }

    /// As stored: whole if there are as many as members.
    fn load(mut known: Vec<Receipt>, members: u32) -> Self {
        known.sort_by(|one, other| one.user.cmp(&other.user));
        Self { whole: are_all(known.len(), members), known }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    pub(crate) fn of(&self, user: &UserId) -> Option<&Receipt> {
        self.place(user).ok().map(|at| &self.known[at])
    }

    /// Where a user's is, or would be.
    fn place(&self, user: &UserId) -> Result<usize, usize> {
        self.known.binary_search_by(|receipt| receipt.user.cmp(user))
    }

    fn put(&mut self, receipt: Receipt) {
        match self.place(&receipt.user) {
            Ok(at) => self.known[at] = receipt,
            Err(at) => self.known.insert(at, receipt),
        }
    }

    /// All members' receipts, by user; none if some are not known.
    pub(crate) fn list(&self) -> Vec<Receipt> {
        if self.whole { self.known.clone() } else { Vec::new() }
    }

    /// Takes what a room's state tells. Who is not in it is no member any more; who is keeps the
    /// higher watermarks, because the feed may have been faster.
    fn replace(&mut self, told: Vec<Receipt>, members: u32, user: &UserId) {
        let before = std::mem::take(self);
        for mut receipt in told {
            if let Some(known) = before.of(&receipt.user) {
                receipt.raise(known.delivered, known.read);
            }
            self.put(receipt);
        }
        self.whole = are_all(self.known.len(), members);
        if let Some(own) = before.of(user)
            && self.of(user).is_none()
        {
            self.put(own.clone());
        }
    }

    /// Takes news of one member. Gives whether they are any.
    fn raise(&mut self, news: &Receipt, own: bool) -> bool {
        match self.place(&news.user) {
            Ok(at) => self.known[at].raise(news.delivered, news.read),
            // While the state of the room is on its way, any of these may be a member.
            Err(at) if own || !self.whole => {
                self.known.insert(at, news.clone());
                true
            }
            Err(_) => false,
        }
    }

    /// All but the user's own are not known any more.
    fn forget_others(&mut self, user: &UserId) {
        self.known.retain(|known| known.user == *user);
        self.whole = false;
    }
}

/// How far the other members of a room are: what the states of the user's own messages are derived
/// from. A copy for the window, so that nothing shows before it is on disk.
#[derive(Debug, PartialEq)]
pub(crate) struct Others {
    /// Each ascending.
    delivered: Vec<Seq>,
    read: Vec<Seq>,
}

impl Others {
    /// How many of the others have what stands at `seq`; none if there are no others.
    pub(crate) fn reach(&self, seq: Seq) -> Option<Reach> {
        let count = |marks: usize| u32::try_from(marks).unwrap_or(u32::MAX);
        let reached =
            |marks: &[Seq]| count(marks.len() - marks.partition_point(|mark| *mark < seq));
        let of = count(self.delivered.len());
        let (delivered_to, read_by) = (reached(&self.delivered), reached(&self.read));
        (of > 0).then_some(Reach { delivered_to, read_by, of })
    }
}

/// What was told of a room, and may be on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    delivered: Option<Seq>,
    read: Option<Seq>,
    at: u64,
}

impl Room {
    /// How far the others are, if that is known of all of them.
    pub(crate) fn others(&self, user: &UserId) -> Option<Arc<Others>> {
        if !self.receipts.whole {
            return None;
        }
        let marks = |of: fn(&Receipt) -> Seq| {
            let others = self.receipts.known.iter().filter(|receipt| receipt.user != *user);
            let mut marks: Vec<Seq> = others.map(of).collect();
            marks.sort_unstable();
            marks
        };
        let (delivered, read) = (marks(|receipt| receipt.delivered), marks(|receipt| receipt.read));
        Some(Arc::new(Others { delivered, read }))
    }

    /// Up to where the user has read, here or on another device.
    pub(crate) fn read_up_to(&self, user: &UserId) -> Seq {
        self.receipts.of(user).map_or(Seq::ZERO, |own| own.read).max(self.marked)
    }

    /// Brings the unread base to the user's read watermark: a base for a lower one holds no more,
    /// and of what is read nothing is unread. Gives whether it changed.
    pub(crate) fn settle_base(&mut self, user: &UserId) -> bool {
        let read = self.read_up_to(user);
        let holds = self.state.unread_base.is_some_and(|base| base.read >= read);
        if holds || !self.state.joined || read == Seq::ZERO {
            return false;
        }
        let nothing = UnreadBase { unread: 0, mentions: 0, as_of: read, read };
        self.state.unread_base = Some(nothing);
        true
    }

    /// Takes the receipts that came with a state of the room, which is `state` already.
    pub(crate) fn take_receipts(&mut self, told: Vec<Receipt>, user: &UserId) {
        self.receipts.replace(told, self.state.members, user);
        if let Some(base) = self.state.unread_base {
            let own = Receipt::at(self.state.id, user.clone(), base.read);
            self.receipts.raise(&own, true);
        }
        self.settle_base(user);
    }

    /// Takes what an older state of the room tells of those who are members.
    pub(crate) fn take_old_receipts(&mut self, told: &[Receipt]) {
        for receipt in told {
            if let Ok(at) = self.receipts.place(&receipt.user) {
                self.receipts.known[at].raise(receipt.delivered, receipt.read);
            }
        }
    }

    /// A member has come in with the event at `seq`.
    pub(crate) fn follow_join(&mut self, joined: &UserId, seq: Seq, user: &UserId) {
        let receipt = Receipt::at(self.state.id, joined.clone(), seq);
        if self.state.members > limits::RECEIPT_MEMBERS {
            self.receipts.forget_others(user);
        } else if self.receipts.whole || joined == user {
            self.receipts.put(receipt);
        }
    }

    /// A member has gone.
    pub(crate) fn follow_leave(&mut self, left: &UserId) {
        self.receipts.known.retain(|known| known.user != *left);
        // Small enough now that members see each other's.
        if self.state.members <= limits::RECEIPT_MEMBERS && !self.receipts.whole {
            self.wants_state = true;
        }
    }

    /// Who is a member has to be asked. Until then any receipt may be a member's.
    pub(crate) fn doubt_members(&mut self) {
        self.receipts.whole = false;
        self.wants_state = true;
    }

    /// All receipts, as they are to be stored. While some are not known, only the user's own.
    pub(crate) fn receipts_write(&self, user: &UserId) -> Write {
        let whole = self.receipts.whole;
        let kept = self.receipts.known.iter().filter(|receipt| whole || receipt.user == *user);
        Write::Receipts { room: self.state.id, receipts: kept.cloned().collect() }
    }

    /// The highest seq held that the feed has passed.
    pub(crate) fn deliverable(&self) -> Seq {
        self.held.last_up_to(self.feed_seq).unwrap_or(Seq::ZERO)
    }

    /// Whether the server has to hear anything, as far as is known.
    pub(crate) fn owes(&self, user: &UserId) -> bool {
        self.owed(user).is_some()
    }

    /// What the server has to hear, as far as is known.
    fn owed(&self, user: &UserId) -> Option<ReceiptUpdate> {
        if !self.state.joined || self.state.members == 0 {
            return None;
        }
        let own = self.receipts.of(user);
        let known_read = own.map_or(Seq::ZERO, |own| own.read);
        let read = (self.marked > known_read).then_some(self.marked);
        // One's own words need no receipt: nobody waits for it.
        let delivered = own
            .filter(|_| self.state.members <= limits::RECEIPT_MEMBERS)
            .filter(|own| self.stored > own.delivered && self.heard > own.delivered)
            .map(|_| self.stored)
            .filter(|delivered| read.is_none_or(|read| read < *delivered));
        let room = self.state.id;
        (read.is_some() || delivered.is_some()).then_some(ReceiptUpdate { room, delivered, read })
    }

    /// The same, less what is on its way already.
    fn untold(&self, user: &UserId, now_ms: u64) -> Option<ReceiptUpdate> {
        let owed = self.owed(user)?;
        let again = millis(defaults::RECEIPT_AGAIN);
        let told = self.told.is_some_and(|told| {
            owed.delivered <= told.delivered && owed.read <= told.read && now_ms < told.at + again
        });
        (!told).then_some(owed)
    }
}

impl Engine {
    /// Asks for those of all members. A first screen does not wait for them: of many rooms they are by far the most
    /// that a client starts from. They come some rooms at a time, so that what a screen asks for meanwhile comes
    /// between.
    pub(crate) fn load_receipts(&mut self) {
        self.forget_receipts_asked();
        if !self.load_receipts_from(Bound::Unbounded) {
            self.receipts_are_here();
        }
    }

    /// Asks for those of the next rooms. False if there are no more.
    fn load_receipts_from(&mut self, from: Bound<RoomId>) -> bool {
        let mut rooms = self.rooms.range((from, Bound::Unbounded)).map(|(id, _)| *id);
        let Some(first) = rooms.next() else { return false };
        let last = rooms.take(defaults::RECEIPTS_AT_ONCE - 1).last().unwrap_or(first);
        self.load(Query::Receipts { first, last }, LoadPurpose::Receipts(Some(last)));
        true
    }

    /// Asks for those of a room whose messages are about to be shown, before all others: each message is shown
    /// with how far it has come.
    pub(crate) fn load_receipts_of(&mut self, room: RoomId) {
        if self.phase == Phase::Shown {
            self.load(Query::Receipts { first: room, last: room }, LoadPurpose::Receipts(None));
        }
    }

    /// An answer to what was asked before would be of another life.
    pub(crate) fn forget_receipts_asked(&mut self) {
        self.loads.retain(|_, purpose| !matches!(purpose, LoadPurpose::Receipts(_)));
    }

    /// Those of some rooms are here: up to `last`, or of one that was asked for before its turn.
    pub(crate) fn receipts_loaded(
        &mut self,
        last: Option<RoomId>,
        some: Vec<(RoomId, Vec<Receipt>)>,
    ) {
        if self.phase != Phase::Shown {
            return;
        }
        for (id, receipts) in some {
            if let Some(room) = self.rooms.get_mut(&id) {
                room.receipts = Receipts::load(receipts, room.state.members);
            }
        }
        if let Some(last) = last
            && !self.load_receipts_from(Bound::Excluded(last))
        {
            self.receipts_are_here();
        }
    }

    /// All of them: what comes from the server can be judged from now on.
    fn receipts_are_here(&mut self) {
        for room in self.rooms.values_mut() {
            let small = room.state.members <= limits::RECEIPT_MEMBERS;
            room.wants_state = small && !room.receipts.is_whole();
        }
        for key in self.windows.keys() {
            let others = self.rooms.get(&key.room).and_then(|room| room.others(&self.config.user));
            if let Some(window) = self.windows.get_mut(key) {
                window.set_others(others);
            }
        }
        self.phase = Phase::Ready;
        self.run_deferred();
    }

    /// The user has read everything up to `seq`. The app hears of it once it is on disk; the server
    /// is told as soon as the mode allows, until the feed brings it back.
    pub(crate) fn mark_read(&mut self, command: CommandId, room: RoomId, seq: Seq) {
        let Some(head) = self.rooms.get(&room) else {
            self.reply(command, Err(Error::UnknownRoom(room)));
            return;
        };
        if !head.state.joined {
            self.reply(command, Err(Error::NotAMember(room)));
            return;
        }
        // Nobody has read what is not there yet.
        let seq = seq.min(head.state.head_seq);
        if seq <= head.read_up_to(&self.config.user) {
            self.reply(command, Ok(Reply::Done));
            return;
        }
        let mut transaction = Transaction { durable: true, ..Transaction::default() };
        transaction.push(Write::MarkRead { room, seq });
        let reply = Some((command, Reply::Done));
        self.commit(transaction, After { marked: Some((room, seq)), reply, ..After::default() });
    }

    /// A mark of the user's is on disk.
    pub(crate) fn marked(&mut self, room: RoomId, seq: Seq) {
        let user = &self.config.user;
        if let Some(head) = self.rooms.get_mut(&room) {
            head.marked = head.marked.max(seq);
            self.rooms_changed |= head.settle_base(user);
            self.heads.mark(room, seq);
            self.interest.changed();
            self.owing.insert(room);
        }
    }

    /// Events up to `seq` are on disk.
    pub(crate) fn delivered(&mut self, room: RoomId, seq: Seq) {
        if let Some(head) = self.rooms.get_mut(&room)
            && head.stored < seq
        {
            head.stored = seq;
            self.owing.insert(room);
        }
    }

    /// Takes a receipt of the feed.
    pub(crate) fn merge_receipt(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        news: &Receipt,
    ) {
        let user = &self.config.user;
        let own = news.user == *user;
        let Some(room) = self.rooms.get_mut(&news.room) else { return };
        if !room.receipts.raise(news, own) {
            return;
        }
        if let Some(known) = room.receipts.of(&news.user).filter(|_| own || room.receipts.whole) {
            transaction.push(Write::Receipt(known.clone()));
        }
        if own {
            // Also what was read on another device.
            if room.settle_base(user) {
                transaction.push(room.state_write());
            }
            self.rooms_changed = true;
            after.changed.insert(news.room);
        }
        self.show_receipts(after, news.room);
    }

    /// How far the others are shows once it is on disk.
    pub(crate) fn show_receipts(&self, after: &mut After, id: RoomId) {
        // A window that is opened later is filled from what is here then.
        if self.windows.is_open(id)
            && let Some(room) = self.rooms.get(&id)
        {
            after.others.insert(id, room.others(&self.config.user));
        }
    }

    /// What the next `sync` takes along: all that is owed, or, over a socket, what that does not
    /// carry yet.
    pub(crate) fn board_receipts(&mut self, over_socket: bool) -> Vec<ReceiptUpdate> {
        // Told between the pages of a long absence, each would come back behind the last of them.
        if self.catching_up {
            return Vec::new();
        }
        if over_socket {
            return self.tell_untold();
        }
        self.settle_owing();
        let user = &self.config.user;
        let rooms = self.owing.iter().filter_map(|id| self.rooms.get(id));
        rooms.filter_map(|room| room.owed(user)).take(limits::RECEIPTS_PER_REQUEST).collect()
    }

    /// Goes over the rooms of which something was owed. Only where something can be told: after a long
    /// time without a network these are many.
    fn settle_owing(&mut self) {
        let (user, rooms) = (&self.config.user, &self.rooms);
        self.owing.retain(|id| rooms.get(id).is_some_and(|room| room.owes(user)));
    }

    /// Takes what nothing carries yet, and notes that something does now.
    pub(crate) fn tell_untold(&mut self) -> Vec<ReceiptUpdate> {
        let (user, now) = (&self.config.user, self.now.mono_ms);
        let mut updates = Vec::new();
        for id in &self.owing {
            if updates.len() == limits::RECEIPTS_PER_REQUEST {
                break;
            }
            if let Some(room) = self.rooms.get_mut(id)
                && let Some(update) = room.untold(user, now)
            {
                let ReceiptUpdate { delivered, read, .. } = update;
                room.told = Some(Told { delivered, read, at: now });
                updates.push(update);
            }
        }
        if !updates.is_empty() {
            self.receipts_told_at = Some(now);
        }
        updates
    }

    /// Whatever carried receipts may have lost them: they are owed as before.
    pub(crate) fn forget_told(&mut self) {
        for id in &self.owing {
            if let Some(room) = self.rooms.get_mut(id) {
                room.told = None;
            }
        }
    }

    /// Tells what is owed over an open socket, at most once a second, or, while a stream pushes the
    /// feed, by requests as often as polls would be. Without either it waits for the next poll.
    pub(crate) fn advance_receipts(&mut self) {
        let socket = self.link.is_ready();
        if !socket && !self.stream.is_open() {
            self.timers.disarm(Timer::Receipts);
            return;
        }
        self.settle_owing();
        let (user, now) = (&self.config.user, self.now.mono_ms);
        let untold = |id| self.rooms.get(id).is_some_and(|room| room.untold(user, now).is_some());
        if !self.owing.iter().any(untold) {
            self.timers.disarm(Timer::Receipts);
            return;
        }
        let pause =
            millis(if socket { defaults::RECEIPT_PAUSE } else { self.config.polling_interval });
        let due = self.receipts_told_at.map_or(now, |told| told + pause);
        if now < due {
            self.timers.arm(Timer::Receipts, due);
            return;
        }
        if !socket {
            // Its answer is the moment to look for more.
            if self.may_tell() {
                self.tell_by_request();
            }
            return;
        }
        let receipts = self.tell_untold();
        if receipts.len() == limits::RECEIPTS_PER_REQUEST {
            self.timers.arm(Timer::Receipts, now + pause);
        }
        self.send_frame(ClientFrame::Receipts { receipts });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn others(marks: &[(u64, u64)]) -> Others {
        let sorted = |mut seqs: Vec<Seq>| {
            seqs.sort_unstable();
            seqs
        };
        Others {
            delivered: sorted(marks.iter().map(|(delivered, _)| Seq::new(*delivered)).collect()),
            read: sorted(marks.iter().map(|(_, read)| Seq::new(*read)).collect()),
        }
    }

    #[test]
    fn a_message_has_reached_those_whose_watermark_is_at_or_above_it() {
        let others = others(&[(9, 2), (5, 5), (7, 0)]);
        let reach = |seq| others.reach(Seq::new(seq)).map(|r| (r.delivered_to, r.read_by, r.of));
        assert_eq!(reach(2), Some((3, 2, 3)));
        assert_eq!(reach(5), Some((3, 1, 3)));
        assert_eq!(reach(6), Some((2, 0, 3)));
        assert_eq!(reach(10), Some((0, 0, 3)));
        assert_eq!(self::others(&[]).reach(Seq::new(1)), None, "nobody to reach");
    }

    #[test]
    fn receipts_of_who_is_not_a_member_are_dropped_once_all_members_are_known() {
        let room = RoomId::from_uuid(Uuid::nil());
        let user = |name: &str| UserId::new(name).unwrap();
        let at = |name: &str, seq| Receipt::at(room, user(name), Seq::new(seq));
        let mut receipts = Receipts::default();
        // The state of the room is still to come, and older than this.
        assert!(receipts.raise(&at("bob", 7), false));
        assert!(receipts.raise(&at("eve", 7), false));
        receipts.replace(vec![at("ada", 3), at("bob", 5)], 2, &user("ada"));
        assert!(receipts.is_whole());
        assert_eq!(receipts.of(&user("bob")), Some(&at("bob", 7)), "the higher of both");
        assert!(!receipts.raise(&at("eve", 9), false));
        assert_eq!(receipts.list(), [at("ada", 3), at("bob", 7)]);
    }
}
