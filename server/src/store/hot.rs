//! The newest events of rooms with traffic, in memory. An event never changes once it is written, so that one from here
//! is as good as one from the database. Who may read what, how far the log goes and what has changed up to there
//! is asked of the database all the same, in one moment with the rest: so nothing in here can be stale.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tidewire_protocol::{Event, EventId, EventKind, Op, RoomId, Seq};

use super::EventJson;
use super::checked::Concern;

/// Events kept of a room: a page of 50, one more that says whether there is more, and some that change them.
const EVENTS: usize = 64;
/// About what an event takes beside its JSON, and a room beside its events.
const EVENT_BYTES: usize = 128;
const ROOM_BYTES: usize = 512;

/// What is counted of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct HotCounts {
    /// Bodies that came from here, and those that had to be read.
    pub(crate) memory: Counter,
    pub(crate) database: Counter,
    pub(crate) bytes: Gauge,
}

/// The newest events of rooms with traffic.
pub(crate) struct Hot {
    most: usize,
    counts: HotCounts,
    // A std mutex: nothing awaits while it is held.
    tails: Mutex<Tails>,
}

#[derive(Default)]
struct Tails {
    rooms: HashMap<RoomId, Tail>,
    /// The rooms by when they were last used.
    order: BTreeMap<u64, RoomId>,
    clock: u64,
    bytes: usize,
}

/// Events of one room, without a hole.
#[derive(Default)]
struct Tail {
    events: VecDeque<Kept>,
    bytes: usize,
    used: u64,
}

struct Kept {
    seq: Seq,
    json: EventJson,
    id: EventId,
    /// Whether a history shows it, and does not fold it away.
    shown: bool,
    /// The message that it changes, or in whose thread it stands.
    target: Option<EventId>,
}

impl Kept {
    fn of(event: &Event, json: &EventJson) -> Self {
        let shown =
            !matches!(event.kind, EventKind::Edit | EventKind::Delete | EventKind::Reaction);
        let (id, kind, content) = (event.id, event.kind.clone(), event.content.clone());
        let target = Concern::of(&Op { id, kind, content }).target();
        Self { seq: event.seq, json: json.clone(), id, shown, target }
    }

    fn bytes(&self) -> usize {
        self.json.get().len() + EVENT_BYTES
    }
}

impl Tail {
    fn first(&self) -> Option<Seq> {
        self.events.front().map(|kept| kept.seq)
    }

    fn last(&self) -> Option<Seq> {
        self.events.back().map(|kept| kept.seq)
    }

    fn get(&self, seq: Seq) -> Option<&Kept> {
        let place = seq.get().checked_sub(self.first()?.get())?;
        self.events.get(usize::try_from(place).ok()?)
    }

    /// Takes an event in where it belongs. What would leave a hole begins anew, or is left out.
    fn put(&mut self, kept: Kept) {
        let (first, last) = match (self.first(), self.last()) {
            (Some(first), Some(last)) => (first, last),
            _ => (kept.seq, Seq::new(0)),
        };
        let bytes = kept.bytes();
        if kept.seq == last.next() || self.events.is_empty() {
            self.events.push_back(kept);
        } else if kept.seq > last {
            self.events.clear();
            self.bytes = 0;
            self.events.push_back(kept);
        } else if kept.seq.next() == first && self.events.len() < EVENTS {
            self.events.push_front(kept);
        } else {
            return;
        }
        self.bytes += bytes;
        while self.events.len() > EVENTS {
            self.bytes -= self.events.pop_front().map_or(0, |kept| kept.bytes());
        }
    }

    /// Whether everything up to `as_of` from `seq` on is here, and none of it changes that message.
    fn is_unchanged(&self, seq: Seq, as_of: Seq) -> bool {
        let Some(kept) = self.get(seq) else { return false };
        let after = self.events.iter().filter(|other| other.seq > seq && other.seq <= as_of);
        self.last().is_some_and(|last| last >= as_of)
            && after.into_iter().all(|other| other.target != Some(kept.id))
    }
}

impl Hot {
    /// Keeps so many bytes.
    pub(crate) fn new(most: usize, counts: HotCounts) -> Self {
        Self { most, counts, tails: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Tails> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps an event that is in the log.
    pub(crate) fn put(&self, event: &Event, json: &EventJson) {
        if self.most == 0 {
            return;
        }
        let kept = Kept::of(event, json);
        let mut tails = self.lock();
        let tails = &mut *tails;
        let tail = tails.rooms.entry(event.room).or_default();
        let new = tail.events.is_empty();
        let before = tail.bytes;
        tail.put(kept);
        tails.bytes = tails.bytes + tail.bytes - before + if new { ROOM_BYTES } else { 0 };
        tails.touch(event.room);
        while tails.bytes > self.most {
            let Some((_, coldest)) = tails.order.pop_first() else { break };
            if let Some(tail) = tails.rooms.remove(&coldest) {
                tails.bytes -= tail.bytes + ROOM_BYTES;
            }
        }
        self.counts.bytes.set(i64::try_from(tails.bytes).unwrap_or(i64::MAX));
    }

    /// The events of a room at these places as they were written, each if it is here.
    pub(crate) fn bodies(&self, room: RoomId, seqs: &[Seq]) -> Vec<Option<EventJson>> {
        self.give(room, seqs, |tail, seq| tail.get(seq))
    }

    /// The same as a history has them that ends at `as_of`: those that nothing has changed up to there.
    pub(crate) fn shown(&self, room: RoomId, seqs: &[Seq], as_of: Seq) -> Vec<Option<EventJson>> {
        self.give(room, seqs, |tail, seq| tail.get(seq).filter(|_| tail.is_unchanged(seq, as_of)))
    }

    fn give<'a>(
        &self,
        room: RoomId,
        seqs: &[Seq],
        find: impl for<'t> Fn(&'t Tail, Seq) -> Option<&'t Kept> + 'a,
    ) -> Vec<Option<EventJson>> {
        let mut tails = self.lock();
        let bodies: Vec<Option<EventJson>> = match tails.rooms.get(&room) {
            Some(tail) => seqs.iter().map(|seq| Some(find(tail, *seq)?.json.clone())).collect(),
            None => vec![None; seqs.len()],
        };
        let here = bodies.iter().flatten().count();
        if here > 0 {
            tails.touch(room);
        }
        drop(tails);
        self.counts.memory.inc_by(here as u64);
        self.counts.database.inc_by((bodies.len() - here) as u64);
        bodies
    }

    /// What a history shows below `split`, up to `count` of it, the newest first; none unless all of it is certain.
    pub(crate) fn shown_before(&self, room: RoomId, split: u64, count: u64) -> Option<Vec<u64>> {
        let tails = self.lock();
        let tail = tails.rooms.get(&room)?;
        if tail.last()?.get() < split.saturating_sub(1) {
            return None;
        }
        let below = tail.events.iter().rev().filter(|kept| kept.shown && kept.seq.get() < split);
        let most = usize::try_from(count).unwrap_or(usize::MAX);
        let seqs: Vec<u64> = below.take(most).map(|kept| kept.seq.get()).collect();
        (seqs.len() == most || tail.first() == Some(Seq::new(1))).then_some(seqs)
    }
}

impl Tails {
    fn touch(&mut self, room: RoomId) {
        let Some(tail) = self.rooms.get_mut(&room) else { return };
        self.order.remove(&tail.used);
        self.clock += 1;
        tail.used = self.clock;
        self.order.insert(self.clock, room);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidewire_protocol::Content;
    use uuid::Uuid;

    use super::*;
    use crate::store::rules::event_json;

    fn room(n: u128) -> RoomId {
        RoomId::from_uuid(Uuid::from_u128(n))
    }

    fn id(seq: u64) -> EventId {
        EventId::from_uuid(Uuid::from_u128(u128::from(seq)))
    }

    fn put(hot: &Hot, of: u128, seq: u64, kind: &str, content: &serde_json::Value) {
        let event = Event {
            room: room(of),
            seq: Seq::new(seq),
            id: id(seq),
            sender: "ada".parse().unwrap(),
            at: 0,
            kind: kind.into(),
            content: Content::of(content).unwrap(),
            fold: None,
        };
        hot.put(&event, &event_json(&event).unwrap());
    }

    fn say(hot: &Hot, of: u128, seqs: impl IntoIterator<Item = u64>) {
        seqs.into_iter().for_each(|seq| put(hot, of, seq, "message", &json!({"text": "hello"})));
    }

    fn here(hot: &Hot, of: u128, seqs: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        let all: Vec<Seq> = seqs.map(Seq::new).collect();
        let bodies = hot.bodies(room(of), &all);
        all.iter()
            .zip(bodies)
            .filter(|(_, body)| body.is_some())
            .map(|(seq, _)| seq.get())
            .collect()
    }

    fn hot(bytes: usize) -> Hot {
        Hot::new(bytes, HotCounts::default())
    }

    #[test]
    fn a_room_has_its_newest_events_without_a_hole() {
        let hot = hot(1 << 20);
        say(&hot, 1, [5, 6, 4, 6, 2]);
        assert_eq!(here(&hot, 1, 1..=9), [4, 5, 6]);
        say(&hot, 1, [9]);
        assert_eq!(here(&hot, 1, 1..=9), [9], "what lies between is not known");
        say(&hot, 1, 10..=200);
        assert_eq!(here(&hot, 1, 1..=300), (137..=200).collect::<Vec<_>>());
        assert_eq!(hot.counts.memory.get(), 3 + 1 + 64);
        assert_eq!(hot.counts.database.get(), 6 + 8 + 236);
    }

    #[test]
    fn bytes_are_bounded_and_the_room_that_was_used_least_goes_first() {
        let room = self::hot(1 << 20);
        say(&room, 1, 1..=20);
        let most = room.lock().bytes * 5 / 2;
        let hot = hot(most);
        say(&hot, 1, 1..=20);
        say(&hot, 2, 1..=20);
        assert!(!here(&hot, 1, 1..=1).is_empty());
        say(&hot, 3, 1..=20);
        assert_eq!(here(&hot, 2, 1..=20), [0; 0]);
        assert!(here(&hot, 1, 1..=20).len() == 20 && here(&hot, 3, 1..=20).len() == 20);
        let tails = hot.lock();
        let counted = tails
            .rooms
            .values()
            .map(|tail| ROOM_BYTES + tail.events.iter().map(Kept::bytes).sum::<usize>());
        assert_eq!((tails.bytes, tails.order.len()), (counted.sum::<usize>(), tails.rooms.len()));
        assert!(tails.bytes <= most);
        drop(tails);
        // One that does not fit by itself is not kept, nor is anything where nothing is to be.
        put(&hot, 4, 1, "message", &json!({"text": "x".repeat(30_000)}));
        assert_eq!((here(&hot, 4, 1..=1), hot.lock().bytes), (vec![], 0));
        let none = self::hot(0);
        say(&none, 1, 1..=2);
        assert_eq!(here(&none, 1, 1..=2), [0; 0]);
    }

    #[test]
    fn a_message_is_given_to_a_history_only_where_nothing_has_changed_it() {
        let hot = hot(1 << 20);
        say(&hot, 1, 1..=4);
        put(&hot, 1, 5, "edit", &json!({"target": id(1), "content": {"text": "else"}}));
        put(&hot, 1, 6, "delete", &json!({"target": id(2)}));
        put(&hot, 1, 7, "message", &json!({"text": "re", "thread": id(3), "reply_to": id(3)}));
        put(&hot, 1, 8, "reaction", &json!({"target": id(7), "key": "x"}));
        let shown = |as_of: u64| {
            let all: Vec<Seq> = (1..=8).map(Seq::new).collect();
            let bodies = hot.shown(room(1), &all, Seq::new(as_of));
            let seqs = all.iter().zip(bodies).filter(|(_, body)| body.is_some());
            seqs.map(|(seq, _)| seq.get()).collect::<Vec<_>>()
        };
        assert_eq!(shown(8), [4, 5, 6, 8]);
        assert_eq!(shown(5), [2, 3, 4, 5, 6, 7, 8], "a former member sees it as it was");
        assert_eq!(shown(9), [0; 0], "what came after is not known");
        assert_eq!(hot.shown_before(room(1), 9, 3), Some(vec![7, 4, 3]));
        assert_eq!(hot.shown_before(room(1), 9, 30), Some(vec![7, 4, 3, 2, 1]), "the whole room");
        assert_eq!(hot.shown_before(room(1), 10, 3), None);
        say(&hot, 2, 3..=5);
        assert_eq!(hot.shown_before(room(2), 6, 3), Some(vec![5, 4, 3]));
        assert_eq!(hot.shown_before(room(2), 6, 4), None, "there may be more");
    }
}
