//! What the user has not read of a room: a base that the server counted, and a tail that is counted
//! here. Both are held for a read watermark, and the number is always derived from them: nothing is
//! ever counted up or down.
//!
//! The base holds for the watermark that it names. A higher one makes it trivial: of what is read,
//! nothing is unread. The tail is every countable message above the watermark that is on disk. So
//! the number is exact if nothing is missing between the base's end and the feed's place in the
//! room; where something is, the server is asked for a new base.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{EventKind, Seq, UnreadBase, UserId, limits};

/// How much is unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Unread {
    /// Messages of others, in threads too. Of one room at most 1,000, which then means that many or
    /// more.
    pub messages: u32,
    /// Those of them that mention the user; at most 1,000 of one room.
    pub mentions: u32,
    /// Whether this is the number. If not, the user has read up to somewhere within what is not
    /// here, and the server is asked as soon as it can be reached: until then there are at least
    /// so many.
    pub exact: bool,
}

impl Unread {
    /// Of a room with nothing unread.
    pub const NOTHING: Unread = Unread { messages: 0, mentions: 0, exact: true };

    /// Whether anything is unread.
    pub fn any(&self) -> bool {
        self.messages > 0 || self.mentions > 0
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Unread) -> Unread {
        Unread {
            messages: self.messages.saturating_add(other.messages),
            mentions: self.mentions.saturating_add(other.mentions),
            exact: self.exact && other.exact,
        }
    }
}

/// How many seqs a tail holds of each kind: as far as anybody counts.
pub(crate) const MOST: usize = limits::UNREAD_COUNT as usize;

/// Seqs, ascending: the newest [`MOST`] of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Marks {
    seqs: Vec<Seq>,
    /// Up to here there may have been others, which were left out because there were too many.
    floor: Seq,
}

impl Marks {
    /// As stored: ascending, and one more than [`MOST`] if there are more.
    fn load(seqs: Vec<Seq>) -> Self {
        let mut marks = Self { seqs, floor: Seq::ZERO };
        marks.bound();
        marks
    }

    fn insert(&mut self, seq: Seq) {
        if seq <= self.floor {
            return;
        }
        if let Err(place) = self.seqs.binary_search(&seq) {
            self.seqs.insert(place, seq);
            self.bound();
        }
    }

    fn bound(&mut self) {
        let over = self.seqs.len().saturating_sub(MOST);
        if let Some(last) = self.seqs.drain(..over).next_back() {
            self.floor = last;
        }
    }

    fn read_up_to(&mut self, seq: Seq) {
        let read = self.seqs.partition_point(|other| *other <= seq);
        self.seqs.drain(..read);
        if self.seqs.is_empty() {
            self.seqs.shrink_to_fit();
        }
    }

    fn above(&self, seq: Seq) -> u32 {
        let count = self.seqs.len() - self.seqs.partition_point(|other| *other <= seq);
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

/// The countable messages of a room above the user's read watermark, as far as they are on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Tail {
    messages: Marks,
    mentions: Marks,
}

/// A tail as it is stored, ascending: one more than anybody counts if there are more.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TailRow {
    /// Messages of others.
    pub messages: Vec<Seq>,
    /// Those that mention the user.
    pub mentions: Vec<Seq>,
}

impl Tail {
    pub(crate) fn load(row: TailRow) -> Self {
        Self { messages: Marks::load(row.messages), mentions: Marks::load(row.mentions) }
    }

    /// A message of somebody else is on disk.
    pub(crate) fn insert(&mut self, seq: Seq, mentions: bool) {
        self.messages.insert(seq);
        if mentions {
            self.mentions.insert(seq);
        }
    }

    pub(crate) fn read_up_to(&mut self, seq: Seq) {
        self.messages.read_up_to(seq);
        self.mentions.read_up_to(seq);
    }

    /// What is unread at the watermark `read`. `whole_from`: everything above it is here, up to
    /// where the feed stands.
    pub(crate) fn count(&self, base: Option<UnreadBase>, read: Seq, whole_from: Seq) -> Unread {
        let trivial = UnreadBase { unread: 0, mentions: 0, as_of: read, read };
        let base = base.filter(|base| base.read >= read).unwrap_or(trivial);
        let bounded = |counted: u32, tail: &Marks| {
            counted.saturating_add(tail.above(base.as_of)).min(limits::UNREAD_COUNT)
        };
        Unread {
            messages: bounded(base.unread, &self.messages),
            mentions: bounded(base.mentions, &self.mentions),
            exact: base.as_of >= whole_from,
        }
    }
}

/// Whether an event counts as unread for a user, and whether it mentions the user.
pub(crate) fn countable(
    kind: &EventKind,
    sender: &UserId,
    content: &tidewire_protocol::Content,
    user: &UserId,
) -> Option<bool> {
    if *kind != EventKind::Message || sender == user {
        return None;
    }
    /// What is left even of a message that was deleted.
    #[derive(Deserialize)]
    struct Mentioning {
        #[serde(default)]
        mentions: Vec<UserId>,
    }
    // Few messages mention anybody: the others are not read through.
    let mentions = content.as_json().contains("\"mentions\"")
        && content.parse::<Mentioning>().is_ok_and(|message| message.mentions.contains(user));
    Some(mentions)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn seq(number: u64) -> Seq {
        Seq::new(number)
    }

    #[test]
    fn above_a_thousand_the_number_stays_and_becomes_exact_again_when_they_are_read() {
        let mut tail = Tail::default();
        for number in 1..=1_500 {
            tail.insert(seq(number), number % 100 == 0);
        }
        let count = |tail: &Tail, read| tail.count(None, seq(read), seq(0));
        assert_eq!(count(&tail, 0), Unread { messages: 1_000, mentions: 15, exact: true });
        tail.read_up_to(seq(300));
        assert_eq!(count(&tail, 300).messages, 1_000, "1,200 are 1,000 or more");
        tail.read_up_to(seq(900));
        assert_eq!(count(&tail, 900), Unread { messages: 600, mentions: 6, exact: true });
        // What comes late from below does not count twice.
        tail.insert(seq(200), true);
        assert_eq!(count(&tail, 900).messages, 600);
    }

    #[test]
    fn a_base_holds_only_for_the_watermark_that_it_names() {
        let mut tail = Tail::default();
        tail.insert(seq(12), false);
        let base = UnreadBase { unread: 5, mentions: 1, as_of: seq(10), read: seq(3) };
        let count = |read, whole_from| tail.count(Some(base), seq(read), seq(whole_from));
        assert_eq!(count(3, 10), Unread { messages: 6, mentions: 1, exact: true });
        // Read within the base: exact if all of it is here.
        assert_eq!(count(5, 10), Unread { messages: 1, mentions: 0, exact: false });
        assert_eq!(count(5, 4), Unread { messages: 1, mentions: 0, exact: true });
        assert_eq!(count(11, 10), Unread { messages: 1, mentions: 0, exact: true });
    }

    #[test]
    fn a_mention_counts_even_if_its_message_came_after_its_deletion() {
        use tidewire_protocol::{Content, MessageContent, deleted};

        let [ada, bob] = ["ada", "bob"].map(|name| UserId::new(name).unwrap());
        let mentions = vec![ada.clone()];
        let message = MessageContent { mentions, ..MessageContent::of_text("look") };
        let message = Content::of(&message).unwrap();
        for content in [&message, &deleted(&message)] {
            let counts = |user| countable(&EventKind::Message, &bob, content, user);
            assert_eq!((counts(&ada), counts(&bob)), (Some(true), None));
        }
    }

    proptest! {
        /// In any order, with any reads in between, the tail counts what a plain set would.
        #[test]
        fn a_tail_counts_what_is_above_the_watermark(
            steps in prop::collection::vec((1u64..3_000, any::<bool>(), 0u8..20), 0..2_000),
        ) {
            let mut tail = Tail::default();
            let mut model = BTreeSet::new();
            let mut read = 0;
            for (number, mentions, step) in steps {
                if step == 0 {
                    read = read.max(number / 4);
                    tail.read_up_to(seq(read));
                } else if number > read {
                    tail.insert(seq(number), mentions);
                    model.insert(number);
                }
                let unread = model.range(read + 1..).count().min(MOST);
                let counted = tail.count(None, seq(read), seq(0)).messages as usize;
                prop_assert_eq!(counted, unread);
            }
        }
    }
}
