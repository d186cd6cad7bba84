//! What one user has heard of his room, by seq: the log is gapless, so that whoever knows where it began for him
//! and where it ended knows what he has missed.

/// The seqs that one user has heard.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The room's head when he began to listen: what is above has to come, each seq once.
    base: u64,
    /// A bit for each seq above it.
    heard: Vec<u64>,
    count: u64,
    repeated: u64,
}

impl Reader {
    /// Listens from behind `base` on.
    pub(crate) fn new(base: u64) -> Self {
        Self { base, heard: Vec::new(), count: 0, repeated: 0 }
    }

    /// Where he began.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Hears a seq. Gives whether it is new to him; what was there before he came is not.
    pub(crate) fn hears(&mut self, seq: u64) -> bool {
        let Some(place) = seq.checked_sub(self.base + 1) else { return false };
        let (word, bit) = ((place / 64) as usize, 1 << (place % 64));
        if self.heard.len() <= word {
            self.heard.resize(word + 1, 0);
        }
        let Some(word) = self.heard.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        self.count += u64::from(new);
        new
    }

    /// Something came that was there already.
    pub(crate) fn repeats(&mut self) {
        self.repeated += 1;
    }

    /// Up to where he has heard everything.
    pub(crate) fn complete_to(&self) -> u64 {
        let full = self.heard.iter().take_while(|word| **word == u64::MAX).count();
        let rest = self.heard.get(full).map_or(0, |word| word.trailing_ones());
        self.base + full as u64 * 64 + u64::from(rest)
    }

    /// What has become of the log up to its head.
    pub(crate) fn verdict(&self, head: u64) -> Verdict {
        let expected = head.saturating_sub(self.base);
        let above = self.heard.iter().enumerate().map(|(n, word)| {
            let first = self.base + n as u64 * 64 + 1;
            match (head + 1).saturating_sub(first) {
                0 => word.count_ones(),
                inside if inside < 64 => (word >> inside).count_ones(),
                _ => 0,
            }
        });
        let above: u64 = above.map(u64::from).sum();
        let lost = expected.saturating_sub(self.count - above);
        Verdict { expected, lost, repeated: self.repeated, invented: above }
    }
}

/// What has become of messages, of one reader or of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Deliveries that the log asks for.
    pub(crate) expected: u64,
    /// Those that never came.
    pub(crate) lost: u64,
    /// Those that came again.
    pub(crate) repeated: u64,
    /// What came and stands in no log.
    pub(crate) invented: u64,
}

impl std::ops::AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.expected += other.expected;
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.invented += other.invented;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_loss_is_found_wherever_it_is() {
        for missing in [11, 12, 73, 74, 75, 138, 139, 210] {
            let mut reader = Reader::new(10);
            for seq in (1..=210).filter(|seq| *seq != missing) {
                reader.hears(seq);
            }
            let verdict = Verdict { expected: 200, lost: 1, ..Verdict::default() };
            assert_eq!(reader.verdict(210), verdict, "without {missing}");
            assert_eq!(reader.complete_to(), missing - 1);
            reader.hears(missing);
            assert_eq!(reader.verdict(210).lost, 0);
            assert_eq!(reader.complete_to(), 210);
        }
    }

    #[test]
    fn whoever_hears_nothing_has_lost_everything() {
        let verdict = Reader::new(3).verdict(7);
        assert_eq!(verdict, Verdict { expected: 4, lost: 4, ..Verdict::default() });
    }

    #[test]
    fn what_stands_in_no_log_makes_up_for_no_loss() {
        let mut reader = Reader::new(0);
        for seq in [1, 2, 4] {
            assert!(reader.hears(seq));
        }
        let verdict = reader.verdict(3);
        assert_eq!(verdict, Verdict { expected: 3, lost: 1, repeated: 0, invented: 1 });
    }

    #[test]
    fn what_comes_twice_makes_up_for_no_loss() {
        let mut reader = Reader::new(0);
        for seq in [1, 1, 3] {
            reader.hears(seq);
        }
        assert_eq!(reader.verdict(3).lost, 1);
    }

    #[test]
    fn what_was_there_before_is_no_news_and_what_comes_again_is_told() {
        let mut reader = Reader::new(5);
        assert!(!reader.hears(5));
        assert!(reader.hears(6));
        assert!(!reader.hears(6));
        reader.repeats();
        assert_eq!(reader.verdict(6).repeated, 1);
        assert_eq!(reader.base(), 5);
    }
}
