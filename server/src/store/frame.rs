//! Where a page of history stands and what it speaks of: the same for every store.

use std::ops::Range;

use tidewire_protocol::{History, HistoryAnchor, Seq, limits};

use super::EventJson;

/// Where a page is to stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// What is below it is older than the anchor, the rest newer.
    pub(crate) split: u64,
    /// How many of the older ones are wanted first; the rest are newer.
    older: u64,
    both: bool,
    /// What the page may speak of at most.
    low: u64,
    high: u64,
}

impl Frame {
    /// The page that an anchor asks for, of what lies between `bottom` and `head`.
    pub(crate) fn new(anchor: HistoryAnchor, limit: u64, bottom: u64, head: u64) -> Self {
        let top = head.saturating_add(1);
        let down = |split: u64| Self {
            split,
            older: limit,
            both: false,
            low: bottom,
            high: split.saturating_sub(1),
        };
        match anchor {
            HistoryAnchor::Newest => down(top),
            HistoryAnchor::Before(seq) => down(seq.get().min(top)),
            HistoryAnchor::After(seq) => {
                let split = seq.get().saturating_add(1);
                Self { split, older: 0, both: false, low: bottom.max(split), high: head }
            }
            HistoryAnchor::Around(seq) => Self {
                split: seq.get().min(top),
                older: limit / 2,
                both: true,
                low: bottom,
                high: head,
            },
        }
    }
    pub(crate) fn wants_older(&self) -> bool {
        self.both || self.older > 0
    }

    pub(crate) fn wants_newer(&self) -> bool {
        self.both || self.older == 0
    }

    /// Chooses among what is below the split, the newest first, and what is from it on, each one
    /// longer than the limit if there is so much.
    pub(crate) fn choose(self, mut older: Vec<u64>, newer: Vec<u64>, limit: u64) -> Choice {
        let count = |seqs: &[u64], most: u64| (seqs.len() as u64).min(most);
        let take_newer = count(&newer, limit - count(&older, self.older));
        let take_older = count(&older, limit - take_newer) as usize;
        older.reverse();
        let split = older.len();
        let wanted = split - take_older..split + take_newer as usize;
        let mut seqs = older;
        seqs.extend(newer);
        Choice { frame: self, seqs, split, wanted }
    }
}

/// What a page may hold.
pub(crate) struct Choice {
    frame: Frame,
    /// What there is, with one more on each side than is wanted.
    seqs: Vec<u64>,
    /// The place of the first that is newer than the anchor.
    split: usize,
    wanted: Range<usize>,
}

impl Choice {
    /// Begins to fill the page: those next to the anchor first.
    pub(crate) fn taking(self) -> Taking {
        let Self { frame, seqs, split, wanted } = self;
        let mut order: Vec<(usize, Seq)> = wanted
            .clone()
            .zip(seqs.get(wanted).unwrap_or_default().iter().copied().map(Seq::new))
            .collect();
        order.sort_by_key(|(place, _)| match place.checked_sub(split) {
            Some(newer) => 2 * newer,
            None => 2 * (split - place) - 1,
        });
        Taking { frame, seqs, split, order, taken: Vec::new(), bytes: 0 }
    }
}

/// A page that is being filled.
pub(crate) struct Taking {
    frame: Frame,
    seqs: Vec<u64>,
    split: usize,
    order: Vec<(usize, Seq)>,
    taken: Vec<(usize, EventJson)>,
    bytes: usize,
}

impl Taking {
    /// All that are still to be taken, in this order.
    pub(crate) fn all_wanted(&self) -> Vec<Seq> {
        self.order.iter().skip(self.taken.len()).map(|(_, seq)| *seq).collect()
    }

    /// Takes the next one, unless the page has bytes enough.
    pub(crate) fn take(&mut self, json: EventJson) -> bool {
        let Some((place, _)) = self.order.get(self.taken.len()) else { return false };
        self.bytes += json.get().len();
        if self.bytes > limits::HISTORY_BYTES && !self.taken.is_empty() {
            return false;
        }
        self.taken.push((*place, json));
        true
    }

    /// The page, and what it speaks of.
    pub(crate) fn page(mut self, as_of: Seq) -> History<EventJson> {
        self.taken.sort_by_key(|(place, _)| *place);
        let page = match (self.taken.first(), self.taken.last()) {
            (Some((first, _)), Some((last, _))) => *first..*last + 1,
            _ => self.split..self.split,
        };
        let low = match page.start.checked_sub(1).and_then(|place| self.seqs.get(place)) {
            Some(left_out) => self.frame.low.max(left_out + 1),
            None => self.frame.low,
        };
        let high = match self.seqs.get(page.end) {
            Some(left_out) => self.frame.high.min(left_out - 1),
            None => self.frame.high,
        };
        let covers = (low <= high).then_some((Seq::new(low), Seq::new(high)));
        let messages = self.taken.into_iter().map(|(_, json)| json).collect();
        History { messages, covers, as_of, first_seq: Seq::new(1) }
    }
}
