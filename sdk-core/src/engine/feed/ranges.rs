//! Sets of seqs, kept as ranges: which events of a room are held.

use tidewire_protocol::Seq;

/// Disjoint ranges of seqs, both ends included, ascending, never touching each other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RangeSet {
    ranges: Vec<(u64, u64)>,
}

/// What an insertion did to the stored ranges: rows to delete by their start, and one to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeChange {
    /// Starts of ranges that are swallowed.
    pub removed: Vec<u64>,
    /// The range that now covers what was inserted.
    pub put: (u64, u64),
}

impl RangeSet {
    /// Takes ranges in any order, merging those that touch.
    pub fn from_ranges(ranges: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut set = Self::default();
        for (start, end) in ranges {
            set.insert(start, end);
        }
        set
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `seq` is held.
    pub fn contains(&self, seq: Seq) -> bool {
        self.range_of(seq).is_some()
    }

    /// The range that `seq` lies in.
    pub fn range_of(&self, seq: Seq) -> Option<(u64, u64)> {
        let seq = seq.get();
        let after = self.ranges.partition_point(|(start, _)| *start <= seq);
        let (start, end) = *self.ranges.get(after.checked_sub(1)?)?;
        (seq <= end).then_some((start, end))
    }

    /// The highest seq held that is not above `seq`.
    pub fn last_up_to(&self, seq: Seq) -> Option<Seq> {
        let after = self.ranges.partition_point(|(start, _)| *start <= seq.get());
        let (_, end) = *self.ranges.get(after.checked_sub(1)?)?;
        Some(Seq::new(end).min(seq))
    }

    /// The highest seq held.
    pub fn last(&self) -> Option<Seq> {
        self.ranges.last().map(|(_, end)| Seq::new(*end))
    }

    /// Adds `start..=end` (nothing if `start > end`, then `put` is that empty range).
    pub fn insert(&mut self, start: u64, end: u64) -> RangeChange {
        if start > end {
            return RangeChange { removed: Vec::new(), put: (start, end) };
        }
        // Ranges that overlap or touch: from the first that ends at `start - 1` or later, to the
        // last that starts at `end + 1` or earlier.
        let first = self.ranges.partition_point(|(_, e)| e.saturating_add(1) < start);
        let last = self.ranges.partition_point(|(s, _)| *s <= end.saturating_add(1));
        let touched = &self.ranges[first..last];
        let put = (
            touched.first().map_or(start, |(s, _)| start.min(*s)),
            touched.last().map_or(end, |(_, e)| end.max(*e)),
        );
        let removed = touched.iter().map(|(s, _)| *s).filter(|s| *s != put.0).collect();
        self.ranges.splice(first..last, [put]);
        RangeChange { removed, put }
    }

    /// Takes `start..=end` out.
    pub fn remove(&mut self, start: u64, end: u64) {
        if start > end {
            return;
        }
        let mut kept = Vec::with_capacity(self.ranges.len() + 1);
        for &(s, e) in &self.ranges {
            if e < start || s > end {
                kept.push((s, e));
                continue;
            }
            if s < start {
                kept.push((s, start - 1));
            }
            if e > end {
                kept.push((end + 1, e));
            }
        }
        self.ranges = kept;
    }

    /// What there is up to `seq`, included.
    pub fn up_to(&self, seq: Seq) -> Vec<(u64, u64)> {
        let below = self.ranges.iter().take_while(|(start, _)| *start <= seq.get());
        below.map(|(start, end)| (*start, *end.min(&seq.get()))).collect()
    }

    /// The holes within `start..=end`, ascending.
    pub fn holes(&self, start: u64, end: u64) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        let mut next = start;
        for &(s, e) in &self.ranges {
            if e < next {
                continue;
            }
            if s > end {
                break;
            }
            if s > next {
                holes.push((next, s - 1));
            }
            next = e.saturating_add(1);
        }
        if next <= end {
            holes.push((next, end));
        }
        holes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_hold_exactly_what_was_put_in_and_not_taken_out(
            steps in prop::collection::vec((any::<bool>(), 1u64..60, 0u64..12), 0..60),
        ) {
            let mut set = RangeSet::default();
            let mut model = BTreeSet::new();
            let mut rows = std::collections::BTreeMap::new();
            for (add, start, length) in steps {
                let end = start + length;
                if add {
                    let change = set.insert(start, end);
                    for removed in &change.removed {
                        prop_assert!(rows.remove(removed).is_some());
                    }
                    rows.insert(change.put.0, change.put.1);
                    model.extend(start..=end);
                } else {
                    set.remove(start, end);
                    model.retain(|seq| !(start..=end).contains(seq));
                    rows = set.ranges().iter().copied().collect();
                }
                // Told row by row or read at once, the stored ranges are the same.
                prop_assert!(rows.iter().map(|(s, e)| (*s, *e)).eq(set.ranges().iter().copied()));
                for pair in set.ranges().windows(2) {
                    prop_assert!(pair[0].1 + 1 < pair[1].0);
                }
                for seq in 1..80 {
                    prop_assert_eq!(set.contains(Seq::new(seq)), model.contains(&seq));
                    let below = model.range(..=seq).next_back().map(|seq| Seq::new(*seq));
                    prop_assert_eq!(set.last_up_to(Seq::new(seq)), below);
                }
                let holes: Vec<u64> =
                    set.holes(1, 75).into_iter().flat_map(|(s, e)| s..=e).collect();
                prop_assert!(holes.iter().copied().eq((1..=75).filter(|s| !model.contains(s))));
            }
        }
    }
}
