//! Search: by which terms a text is found, and what a query asks for. The same on both sides, so that
//! the same query finds the same messages on a device and on the server.
//!
//! A text is cut into terms: words of letters and digits; pairs of neighbouring characters where a
//! script has no spaces between words; emoji one by one. Terms have no case, no accents and one form
//! of each character. Everything else separates. All terms of a query must be in a text; the last
//! one may be the beginning of a word.

mod split;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Event, RoomId, UserId, limits};
use split::{Piece, split};

/// The query of `GET /v1/search`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SearchRequest {
    /// What to look for: at most 512 bytes, with at least one letter, digit or emoji.
    pub q: String,
    /// Only in this room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomId>,
    /// Only what this user has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<UserId>,
    /// How many, 1 to 50; 20 unless told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// The answer to `GET /v1/search`: the newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct SearchResults<E = Event> {
    /// The messages, folded. There may be fewer than asked for, even none, and more behind `next`: a
    /// request does no more than so much work.
    pub messages: Vec<E>,
    /// How to go on; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Whether the server has not finished looking through what it holds: then older messages may be
    /// missing for the time being.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indexing: bool,
}

/// Why a query can find nothing, whatever there is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSearch {
    /// There is no letter, digit or emoji in it.
    #[error("there is no letter, digit or emoji to search for")]
    Empty,
    /// A query has at most 512 bytes.
    #[error("the query has {0} bytes, the limit is {max}: take fewer words", max = limits::SEARCH_QUERY_BYTES)]
    TooLong(usize),
    /// The position is none that a page has given.
    #[error("this is no position of a search: take the one of the page before")]
    Position,
}

/// One term of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerm {
    /// The term, as [`index_text`] has it.
    pub text: String,
    /// Whether terms that begin like this count too.
    pub prefix: bool,
}

impl SearchTerm {
    fn fits(&self, term: &str) -> bool {
        if self.prefix { term.starts_with(&self.text) } else { term == self.text }
    }
}

/// What a query asks for.
///
/// ```
/// use tidewire_protocol::SearchTerms;
///
/// let query = SearchTerms::parse("Café tom").unwrap();
/// assert!(query.find("See you TOMORROW, at the cafe").is_some());
/// assert!(query.find("See you at the café").is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerms(Vec<SearchTerm>);

impl SearchTerms {
    /// Reads what somebody has typed. There are no operators: every character that is neither letter
    /// nor digit nor emoji only separates.
    ///
    /// # Errors
    /// [`InvalidSearch`].
    pub fn parse(query: &str) -> Result<Self, InvalidSearch> {
        if query.len() > limits::SEARCH_QUERY_BYTES {
            return Err(InvalidSearch::TooLong(query.len()));
        }
        let mut terms: Vec<SearchTerm> = Vec::new();
        let mut last_is_word = false;
        split(query, |piece| {
            let (text, prefix) = match &piece {
                // It is the end of the pair before it.
                Piece::Last { alone: false, .. } => return,
                Piece::Last { text, .. } => (*text, true),
                Piece::Word { text, .. } | Piece::Pair { text, .. } | Piece::Emoji { text, .. } => {
                    (*text, false)
                }
            };
            last_is_word = matches!(piece, Piece::Word { .. });
            terms.push(SearchTerm { text: text.to_owned(), prefix });
        });
        // One letter begins too many words to mean one of them.
        if let Some(last) = terms.last_mut().filter(|_| last_is_word)
            && last.text.chars().nth(1).is_some()
        {
            last.prefix = true;
        }
        // A term twice asks for no more than once.
        let mut unique: Vec<SearchTerm> = Vec::with_capacity(terms.len());
        for term in terms {
            if !unique.contains(&term) {
                unique.push(term);
            }
        }
        if unique.is_empty() { Err(InvalidSearch::Empty) } else { Ok(Self(unique)) }
    }

    /// The terms: all of them must be in a text.
    pub fn terms(&self) -> &[SearchTerm] {
        &self.0
    }

    /// Where in a text the query is found, in bytes, in order and apart from each other. None if some
    /// term is not in it.
    pub fn find(&self, text: &str) -> Option<Vec<Range<usize>>> {
        let mut missing: Vec<bool> = vec![true; self.0.len()];
        let mut found: Vec<Range<usize>> = Vec::new();
        split(text, |piece| {
            for (term, missing) in self.0.iter().zip(&mut missing) {
                if term.fits(piece.text()) {
                    *missing = false;
                    found.push(piece.range(term.text == piece.text()));
                }
            }
        });
        if missing.contains(&true) {
            return None;
        }
        found.sort_unstable_by_key(|range| (range.start, range.end));
        let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
        for range in found {
            match apart.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => apart.push(range),
            }
        }
        Some(apart)
    }
}

/// The terms of a text, with spaces between them: what goes into an index that cuts at spaces. No term
/// holds ASCII other than letters and digits, nor a character of the private use areas.
pub fn index_text(text: &str) -> String {
    let mut terms = String::with_capacity(text.len() + 8);
    split(text, |piece| {
        if !terms.is_empty() {
            terms.push(' ');
        }
        terms.push_str(piece.text());
    });
    terms
}
