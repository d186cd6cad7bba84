//! What is held of a room, whether or not it is open.

use std::sync::Arc;

use tidewire_protocol::{
    Body, Event, HistoryAnchor, MemberChange, MuteChange, Role, RoleChange, RoomId, RoomKind,
    RoomState, RoomUpdate, Seq, SlowMode, UserId,
};

use crate::defaults;
use crate::engine::disk::transaction::Write;
use crate::engine::feed::ranges::RangeSet;
use crate::engine::people::receipts::{Receipts, Told};
use crate::engine::query::RoomRow;
use crate::engine::timeline::message::Message;

/// A room's head.
#[derive(Debug)]
pub(crate) struct Room {
    /// As the server told it last, with the newest head known since.
    pub(crate) state: RoomState,
    /// The head that `state` was told at: changes up to it are in it already.
    pub(crate) as_of: Seq,
    /// The highest seq that the feed has passed. Holes above it are on their way, holes below it
    /// are gaps.
    pub(crate) feed_seq: Seq,
    pub(crate) held: RangeSet,
    /// Held, and possibly changed on the server since.
    pub(crate) stale: RangeSet,
    /// Changes up to here may be missing in what is stale: a history that was folded as of less does
    /// not tell.
    pub(crate) doubted_at: Seq,
    /// Changes up to here may have been folded away. An event below that comes by itself may lack
    /// some.
    pub(crate) folded_to: Seq,
    /// The newest change of the state that was taken on its own. A state from before it is not the
    /// newest.
    changed_at: Seq,
    /// Whether the state has to be asked for, because something is missing in it.
    pub(crate) wants_state: bool,
    /// Whether the state was asked for.
    pub(crate) asked: bool,
    /// How far the members are.
    pub(crate) receipts: Receipts,
    /// Up to where the user has read, as marked on this device; on disk.
    pub(crate) marked: Seq,
    /// When it was last opened here: wall clock, ms.
    pub(crate) opened: i64,
    /// The highest seq on disk that the feed has passed.
    pub(crate) stored: Seq,
    /// The newest event of somebody else, as far as is known.
    pub(crate) heard: Seq,
    /// What the open socket carries of the user's receipts.
    pub(crate) told: Option<Told>,
    /// The newest message known that stands in no thread.
    pub(crate) said: Option<Arc<Message>>,
    /// When the server last told of the user's settings here, as the number given last by then: an
    /// answer to what was asked before that may be older.
    pub(crate) settings_at: Option<u64>,
    /// When the state was last asked for, on the monotonic clock.
    pub(crate) asked_at: Option<u64>,
}

impl RoomRow {
    /// A stand-in for the state of a room that only events are known of: no members, so that the
    /// engine asks for the real one.
    pub(crate) fn without_state(id: RoomId, at: i64) -> RoomState {
        RoomState {
            id,
            kind: RoomKind::Group,
            name: None,
            avatar_url: None,
            peer: None,
            created_at: at,
            members: 0,
            role: Role::Member,
            mute: None,
            slow_mode_ms: 0,
            joined: true,
            settings: tidewire_protocol::RoomSettings::default(),
            settings_version: 0,
            first_seq: Seq::new(1),
            head_seq: Seq::ZERO,
            unread_base: None,
            receipts: Vec::new(),
            last_event: None,
            last_message: None,
        }
    }
}

impl Room {
    pub(crate) fn load(row: RoomRow, user: &UserId) -> Self {
        let said = row.said.map(|event| Arc::new(Message::of_event(event)));
        let mut room = Self {
            as_of: row.as_of,
            feed_seq: row.feed_seq,
            held: RangeSet::from_ranges(row.held),
            stale: RangeSet::from_ranges(row.stale),
            // Which of the events since `as_of` were such changes is not stored.
            changed_at: row.state.head_seq,
            receipts: Receipts::of_user(row.own),
            marked: row.marked,
            opened: row.opened,
            ..Self::told(row.state)
        };
        // What was held of it by a folded history is not stored.
        room.folded_to = room.held.last().unwrap_or_default();
        room.doubted_at = room.state.head_seq;
        if let Some(said) = said {
            // As it stands on the disk it has seen every later change.
            room.said.take_if(|told| told.seq <= said.seq);
            room.hear(&said);
        }
        room.stored = room.deliverable();
        room.heard = room.stored;
        room.settle_base(user);
        room
    }

    pub(crate) fn told(state: RoomState) -> Self {
        let said = state.last_message.clone().or_else(|| state.last_event.clone());
        let said = said.map(Message::of_event).filter(Message::is_said).map(Arc::new);
        Self {
            said,
            settings_at: None,
            asked_at: None,
            as_of: state.head_seq,
            state,
            feed_seq: Seq::ZERO,
            held: RangeSet::default(),
            stale: RangeSet::default(),
            doubted_at: Seq::ZERO,
            folded_to: Seq::ZERO,
            changed_at: Seq::ZERO,
            wants_state: false,
            asked: false,
            receipts: Receipts::default(),
            marked: Seq::ZERO,
            opened: 0,
            stored: Seq::ZERO,
            heard: Seq::ZERO,
            told: None,
        }
    }

    /// A room that an event came from before its state did.
    pub(crate) fn unknown(id: RoomId, at: i64) -> Self {
        Self::told(RoomRow::without_state(id, at))
    }

    /// Whether the state is a stand-in (every real room has a member), or lacks something.
    pub(crate) fn needs_state(&self) -> bool {
        (self.state.members == 0 || self.wants_state) && self.state.joined
    }

    /// Takes a state of the room, unless what is known is newer. Gives whether it did.
    pub(crate) fn take_state(&mut self, mut state: RoomState, user: &UserId) -> bool {
        let head = state.head_seq;
        if let Some(said) = state.last_message.clone() {
            // Folded up to the head.
            let said = Arc::new(Message::of_event(said));
            self.said.take_if(|known| known.seq == said.seq && head >= self.as_of);
            self.hear(&said);
        }
        let receipts = std::mem::take(&mut state.receipts);
        if head < self.as_of || head < self.changed_at {
            // What changed between the two may be told nowhere else.
            if head > self.as_of {
                self.doubt_members();
            }
            self.take_old_receipts(&receipts);
            return false;
        }
        let newest = self.state.head_seq.max(head);
        let last = self.state.last_event.take();
        self.state = RoomState { head_seq: newest, last_event: last, ..state };
        self.as_of = head;
        self.wants_state = false;
        self.take_receipts(receipts, user);
        true
    }

    /// Folds a new event into the state. Gives whether more than the head changed, in the state and
    /// in the receipts.
    pub(crate) fn fold(&mut self, event: &Event, user: &UserId) -> bool {
        if event.seq > self.state.head_seq {
            self.state.head_seq = event.seq;
        }
        if self.state.last_event.as_ref().is_none_or(|last| last.seq < event.seq) {
            self.state.last_event = Some(event.clone());
        }
        if event.sender != *user {
            self.heard = self.heard.max(event.seq);
        }
        // The server alone writes what changes a state.
        if event.seq <= self.as_of || !event.kind.is_reserved() {
            return false;
        }
        let body = event.body();
        match &body {
            Body::MemberJoined(_) | Body::MemberLeft(_) => {
                if event.seq < self.changed_at {
                    // Who came and went is told out of order: only the server knows who is in.
                    self.doubt_members();
                    return true;
                }
                self.changed_at = event.seq;
            }
            Body::RoomUpdated(_)
            | Body::MemberRole(_)
            | Body::MemberMuted(_)
            | Body::MemberUnmuted(_)
            | Body::RoomSlowMode(_) => {
                if event.seq < self.changed_at {
                    // What was changed later may have been just this.
                    self.wants_state = true;
                    return true;
                }
                self.changed_at = event.seq;
            }
            _ => {}
        }
        match body {
            Body::RoomUpdated(RoomUpdate { name, avatar_url }) => {
                self.state.name = name;
                self.state.avatar_url = avatar_url;
                true
            }
            Body::MemberRole(RoleChange { user: of, role }) => {
                if of == *user {
                    self.state.role = role;
                }
                true
            }
            Body::MemberMuted(MuteChange { user: of, mute }) => {
                if of == *user {
                    self.state.mute = Some(mute);
                }
                true
            }
            Body::MemberUnmuted(MemberChange { user: of }) => {
                if of == *user {
                    self.state.mute = None;
                }
                true
            }
            Body::RoomSlowMode(SlowMode { interval_ms }) => {
                self.state.slow_mode_ms = interval_ms;
                true
            }
            Body::MemberJoined(MemberChange { user: joined }) => {
                self.state.members = self.state.members.saturating_add(1);
                self.state.joined |= joined == *user;
                self.follow_join(&joined, event.seq, user);
                true
            }
            Body::MemberLeft(MemberChange { user: left }) => {
                self.state.members = self.state.members.saturating_sub(1).max(1);
                self.follow_leave(&left);
                if left == *user {
                    self.state.joined = false;
                    self.state.unread_base = None;
                }
                true
            }
            _ => false,
        }
    }

    /// The newest message of the room is another one on disk than it was by itself.
    pub(crate) fn refold(&mut self, message: &Arc<Message>) {
        if let Some(said) = self.said.as_mut().filter(|said| said.id == message.id) {
            *said = message.clone();
        }
    }

    /// Takes a message that may be the newest of the room. Gives whether it is.
    pub(crate) fn hear(&mut self, message: &Arc<Message>) -> bool {
        let newer = self.said.as_ref().is_none_or(|said| said.seq < message.seq);
        let said = newer && message.is_said();
        if said {
            self.said = Some(message.clone());
        }
        said
    }

    /// Changes of these, up to `as_of`, may have been missed. Gives whether there are any.
    pub(crate) fn doubt(&mut self, ranges: Vec<(u64, u64)>, as_of: Seq) -> bool {
        if !ranges.is_empty() {
            self.doubted_at = self.doubted_at.max(as_of);
        }
        ranges.iter().for_each(|(start, end)| drop(self.stale.insert(*start, *end)));
        !ranges.is_empty()
    }

    /// Up to which seq everything is held that the feed has not brought yet.
    pub(crate) fn have(&self) -> Option<Seq> {
        let (_, end) = self.held.range_of(self.feed_seq.next())?;
        Some(Seq::new(end))
    }

    /// The newest seq from which on `live` should go on.
    pub(crate) fn live_after(&self) -> Seq {
        self.have().or(self.held.last()).unwrap_or(Seq::ZERO).max(self.feed_seq)
    }

    /// Where to fetch so that the newest page is here, if the feed has passed it and it is not.
    pub(crate) fn lacks_newest(&self, page: usize) -> Option<HistoryAnchor> {
        let newest = self.state.head_seq.min(self.feed_seq);
        if newest < self.state.first_seq || newest == Seq::ZERO {
            return None;
        }
        match self.held.range_of(newest) {
            None => Some(HistoryAnchor::Newest),
            // Often only the last event of a room that came `limited`.
            Some((start, _)) => {
                let short = newest.get() - start < page as u64 - 1;
                let begins = Seq::new(start);
                (short && begins > self.state.first_seq).then_some(HistoryAnchor::Before(begins))
            }
        }
    }

    /// Whether half a page is held on both sides of a place, or all that there is.
    pub(crate) fn holds_around(&self, seq: Seq) -> bool {
        let half = defaults::TIMELINE_PAGE as u64 / 2;
        self.held.range_of(seq).is_some_and(|(start, end)| {
            let before = seq.get() - start >= half || start <= self.state.first_seq.get().max(1);
            before && (end - seq.get() >= half || end >= self.feed_seq.get())
        })
    }

    /// The state as it is stored: without the last event, which has a place of its own.
    pub(crate) fn state_write(&self) -> Write {
        let state = Box::new(RoomState { last_event: None, ..self.state.clone() });
        Write::Room { state, as_of: self.as_of, feed_seq: self.feed_seq }
    }
}
