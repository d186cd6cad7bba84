//! Why what is shown of a room is not all, or not new.

use tidewire_protocol::{Mode, RoomId, Seq};

use super::fact::{Fact, Way};
use crate::defaults;
use crate::engine::Engine;
use crate::engine::rooms::room::Room;
use crate::engine::time::Timer;

impl Engine {
    pub(super) fn why_room(&self, id: RoomId) -> Vec<Fact> {
        let Some(room) = self.rooms.get(&id) else { return Vec::new() };
        let missing = self.missing(room);
        let obstacles = self.obstacles();
        let read_lately =
            self.read_at.is_some_and(|at| self.ago(at) <= self.poll_interval_ms().max(1_000));
        let pushed = self.is_pushed();
        let live = self.link.is_live(&id);
        let up_to_date = missing.is_empty() && room.state.joined;
        let fresh = up_to_date && obstacles.is_empty() && (pushed || live || read_lately);
        let complete =
            !missing.iter().any(|fact| matches!(fact, Fact::Gap { .. } | Fact::Behind { .. }));

        let mut facts = vec![Fact::Room { complete, fresh }];
        if !room.state.joined {
            facts.push(Fact::NotJoined);
            return facts;
        }
        facts.extend(missing);
        facts.extend(self.fetching(id));
        facts.extend(obstacles);
        if pushed {
            facts.push(Fact::Pushed);
        } else {
            facts.extend(live.then_some(Fact::Live));
            facts.push(Fact::LastRead { ms_ago: self.read_at.map(|at| self.ago(at)) });
            facts.extend(self.next_read());
        }
        facts
    }

    /// What is not here of what is shown, or would be shown.
    fn missing(&self, room: &Room) -> Vec<Fact> {
        let state = &room.state;
        let page = defaults::TIMELINE_PAGE as u64;
        let newest = Seq::new((room.feed_seq.get() + 1).saturating_sub(page));
        let window = self.windows.oldest(state.id);
        let from = window.unwrap_or(newest).max(state.first_seq).max(Seq::new(1));
        let mut facts = Vec::new();
        for (start, end) in room.held.holes(from.get(), room.feed_seq.get()) {
            facts.push(Fact::Gap { from: Seq::new(start), to: Seq::new(end) });
        }
        for &(start, end) in room.stale.ranges() {
            if end >= from.get() {
                facts
                    .push(Fact::Stale { from: Seq::new(start.max(from.get())), to: Seq::new(end) });
            }
        }
        // What came ahead of the feed is here all the same.
        let here = room.have().unwrap_or(room.feed_seq).max(room.feed_seq);
        if here < state.head_seq {
            facts.push(Fact::Behind { feed_seq: room.feed_seq, head_seq: state.head_seq });
        }
        if self.catching_up {
            facts.push(Fact::CatchingUp);
        }
        facts
    }

    fn fetching(&self, id: RoomId) -> Option<Fact> {
        if !self.windows.is_open(id) {
            return Some(Fact::NotOpen);
        }
        if self.fetching.contains(&id) {
            return Some(Fact::Fetching);
        }
        let now = self.now.mono_ms;
        let (until, failures) = self.fetches.waits(id, now)?;
        let in_ms = until - now;
        Some(Fact::Backoff { way: Way::History, failures, in_ms })
    }

    fn is_pushed(&self) -> bool {
        let by_socket = self.link.is_ready() && self.link.pushes();
        self.signals.report().mode == Mode::RealTime && (by_socket || self.stream.is_open())
    }

    fn next_read(&self) -> Vec<Fact> {
        if self.sync.is_some() || self.boot.is_some() {
            return vec![Fact::Reading];
        }
        if let Some(wait) = self.requests_wait() {
            return vec![wait];
        }
        if !self.may_read() && self.poll_due {
            return vec![Fact::HeldBack { in_ms: self.due_in(Timer::Poll) }];
        }
        if self.link_is_coming() {
            return self.socket().into_iter().collect();
        }
        match self.due_in(Timer::Poll) {
            Some(in_ms) => vec![Fact::NextRead { in_ms }],
            None if self.budget_wait().is_none() => vec![Fact::HeldBack { in_ms: None }],
            None => Vec::new(),
        }
    }
}
