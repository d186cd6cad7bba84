//! What is held of a room, whether or not it is open.

use tidewire_protocol::{
    Body, Event, HistoryAnchor, MemberChange, Role, RoomId, RoomKind, RoomState, Seq, UserId,
};

use super::effect::RoomRow;
use super::ranges::RangeSet;

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
    /// Whether the state was asked for.
    pub(crate) asked: bool,
}

impl RoomRow {
    /// A stand-in for the state of a room that only events are known of: no members, so that the
    /// engine asks for the real one.
    pub(crate) fn without_state(id: RoomId, at: i64) -> RoomState {
        RoomState {
            id,
            kind: RoomKind::Group,
            name: None,
            peer: None,
            created_at: at,
            members: 0,
            role: Role::Member,
            joined: true,
            first_seq: Seq::new(1),
            head_seq: Seq::ZERO,
            unread_base: None,
            receipts: Vec::new(),
            last_event: None,
        }
    }
}

impl Room {
    pub(crate) fn load(row: RoomRow) -> Self {
        Self {
            as_of: row.state.head_seq,
            state: row.state,
            feed_seq: row.feed_seq,
            held: RangeSet::from_ranges(row.held),
            stale: RangeSet::from_ranges(row.stale),
            asked: false,
        }
    }

    pub(crate) fn told(state: RoomState) -> Self {
        Self {
            as_of: state.head_seq,
            state,
            feed_seq: Seq::ZERO,
            held: RangeSet::default(),
            stale: RangeSet::default(),
            asked: false,
        }
    }

    /// A room that an event came from before its state did.
    pub(crate) fn unknown(id: RoomId, at: i64) -> Self {
        Self::told(RoomRow::without_state(id, at))
    }

    /// Whether the state is a stand-in: every real room has a member.
    pub(crate) fn needs_state(&self) -> bool {
        self.state.members == 0 && self.state.joined
    }

    /// Folds a new event into the state. Gives whether more than the head changed.
    pub(crate) fn fold(&mut self, event: &Event, user: &UserId) -> bool {
        if event.seq > self.state.head_seq {
            self.state.head_seq = event.seq;
        }
        if self.state.last_event.as_ref().is_none_or(|last| last.seq < event.seq) {
            self.state.last_event = Some(event.clone());
        }
        if event.seq <= self.as_of {
            return false;
        }
        match event.body() {
            Body::MemberJoined(MemberChange { user: joined }) => {
                self.state.members = self.state.members.saturating_add(1);
                self.state.joined |= joined == *user;
                true
            }
            Body::MemberLeft(MemberChange { user: left }) => {
                self.state.members = self.state.members.saturating_sub(1).max(1);
                if left == *user {
                    self.state.joined = false;
                    self.state.unread_base = None;
                }
                true
            }
            _ => false,
        }
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

    /// The state without the last event, as it is stored.
    pub(crate) fn stored_state(&self) -> Box<RoomState> {
        Box::new(RoomState { last_event: None, ..self.state.clone() })
    }
}
