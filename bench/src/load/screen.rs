//! What an SDK client shows of a room, looked at as its user would: a message that is there twice is a repeat, also
//! where the log has it once.

use std::collections::{HashMap, HashSet};

use tidewire::{Change, EventId, Row, Seq, TimelineUpdate};

use super::reader::Reader;

/// A row, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Message(EventId, Option<u64>),
    Gap(Seq, Seq),
}

impl Shown {
    fn of(row: &Row) -> Self {
        match row {
            Row::Message(message) => Self::Message(message.id, message.seq.map(Seq::get)),
            Row::Gap { from, to } => Self::Gap(*from, *to),
        }
    }
}

/// The rows of a timeline, and what its user has heard by them.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) reader: Reader,
    rows: Vec<Shown>,
    /// The place in the log of each message on the screen, none while it waits.
    there: HashMap<EventId, Option<u64>>,
    seqs: HashSet<u64>,
}

impl Screen {
    pub(crate) fn new(base: u64) -> Self {
        let (there, seqs) = (HashMap::new(), HashSet::new());
        Self { reader: Reader::new(base), rows: Vec::new(), there, seqs }
    }

    /// Takes an update; gives the rows of messages that are news: each once in the life of the screen.
    pub(crate) fn take<'a>(&mut self, update: &'a TimelineUpdate) -> Vec<&'a Row> {
        let mut news = Vec::new();
        match update {
            TimelineUpdate::Reset { rows, .. } => {
                self.rows.clear();
                self.there.clear();
                self.seqs.clear();
                for row in rows {
                    self.rows.push(Shown::of(row));
                    self.comes(row, &mut news);
                }
            }
            TimelineUpdate::Diff { changes, .. } => {
                for change in changes {
                    match change {
                        Change::Insert { index, row } => {
                            self.rows.insert((*index).min(self.rows.len()), Shown::of(row));
                            self.comes(row, &mut news);
                        }
                        Change::Set { index, row } => {
                            let shown = Shown::of(row);
                            let before =
                                self.rows.get_mut(*index).map(|at| std::mem::replace(at, shown));
                            if before != Some(shown) {
                                before.into_iter().for_each(|before| self.goes(before));
                                self.comes(row, &mut news);
                            }
                        }
                        Change::Remove { index } => {
                            if *index < self.rows.len() {
                                let before = self.rows.remove(*index);
                                self.goes(before);
                            }
                        }
                    }
                }
            }
        }
        news
    }

    fn comes<'a>(&mut self, row: &'a Row, news: &mut Vec<&'a Row>) {
        let Shown::Message(id, seq) = Shown::of(row) else { return };
        let twice = self.there.insert(id, seq).is_some();
        let Some(seq) = seq else { return };
        if !self.seqs.insert(seq) || twice {
            self.reader.repeats();
        }
        if self.reader.hears(seq) {
            news.push(row);
        }
    }

    fn goes(&mut self, row: Shown) {
        let Shown::Message(id, seq) = row else { return };
        self.there.remove(&id);
        if let Some(seq) = seq {
            self.seqs.remove(&seq);
        }
    }

    /// What is missing on the screen of what the user has to hear, the newest.
    pub(crate) fn gap(&self) -> Option<(Seq, Seq)> {
        self.rows.iter().rev().find_map(|row| match row {
            Shown::Gap(from, to) if to.get() > self.reader.base() => Some((*from, *to)),
            _ => None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use tidewire::RoomId;

    use super::*;
    use crate::load::reader::Verdict;

    fn row(id: u128, seq: Option<u64>) -> Row {
        let room = RoomId::from_uuid(uuid::Uuid::nil());
        super::super::test_row(EventId::from_uuid(uuid::Uuid::from_u128(id)), room, seq)
    }

    fn diff(changes: Vec<Change>) -> TimelineUpdate {
        TimelineUpdate::Diff { changes, more_before: false, more_after: false }
    }

    #[test]
    fn an_own_message_that_gets_its_place_is_heard_once() {
        let mut screen = Screen::new(0);
        assert!(
            screen.take(&diff(vec![Change::Insert { index: 0, row: row(1, None) }])).is_empty()
        );
        let update = diff(vec![Change::Set { index: 0, row: row(1, Some(1)) }]);
        assert_eq!(screen.take(&update).len(), 1);
        assert!(screen.take(&update).is_empty(), "it looks different, and is no news");
        let verdict = Verdict { expected: 1, ..Verdict::default() };
        assert_eq!(screen.reader.verdict(1), verdict);
    }

    #[test]
    fn a_message_that_is_there_twice_is_a_repeat() {
        let insert = |id, seq| diff(vec![Change::Insert { index: 0, row: row(id, Some(seq)) }]);
        let mut screen = Screen::new(0);
        screen.take(&insert(1, 1));
        screen.take(&insert(1, 1));
        assert_eq!(screen.reader.verdict(1).repeated, 1, "the same message");
        let mut screen = Screen::new(0);
        screen.take(&insert(1, 1));
        screen.take(&insert(2, 1));
        assert_eq!(screen.reader.verdict(1).repeated, 1, "two messages at one place");
        let mut screen = Screen::new(0);
        screen.take(&insert(1, 1));
        screen.take(&diff(vec![Change::Remove { index: 0 }]));
        screen.take(&insert(1, 1));
        assert_eq!(screen.reader.verdict(1).repeated, 0, "one that went and came back");
    }

    #[test]
    fn a_gap_counts_only_where_there_is_something_to_hear() {
        let gap = |from, to| Change::Insert {
            index: 0,
            row: Row::Gap { from: Seq::new(from), to: Seq::new(to) },
        };
        let mut screen = Screen::new(5);
        screen.take(&diff(vec![gap(2, 5)]));
        assert_eq!(screen.gap(), None);
        screen.take(&diff(vec![gap(4, 6)]));
        assert_eq!(screen.gap(), Some((Seq::new(4), Seq::new(6))));
    }
}
