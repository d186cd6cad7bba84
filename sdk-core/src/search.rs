//! Search as an app sees it: what to look for, what was found, and what that covers.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{InvalidSearch, RoomId, SearchRequest, SearchTerms, UserId, limits};

use crate::ask::Asker;
use crate::engine::{Command, Found, Message, Reply, RoomCoverage, SearchAsk};
use crate::error::Error;

/// What to look for.
///
/// A text is found by its words, whatever their case and accents; where a script has no spaces between
/// words, by any part; emoji are words. All words have to be in a message; the last one may be the
/// beginning of a word, from two letters on. There are no operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// What somebody has typed: at most 512 bytes, with at least one letter, digit or emoji.
    pub text: String,
    /// Only in this room.
    pub room: Option<RoomId>,
    /// Only what this user has said.
    pub sender: Option<UserId>,
    /// How many at most: 1 to 50. Others count as the nearest.
    pub limit: usize,
    /// The `next` of the page before.
    pub after: Option<SearchPosition>,
    /// Where to look.
    pub scope: SearchScope,
}

impl SearchQuery {
    /// The newest 20 on this device, in all rooms.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            room: None,
            sender: None,
            limit: limits::SEARCH_DEFAULT,
            after: None,
            scope: SearchScope::Device,
        }
    }

    /// The same with another scope.
    #[must_use]
    pub fn scope(mut self, scope: SearchScope) -> Self {
        self.scope = scope;
        self
    }

    /// The same in one room.
    #[must_use]
    pub fn room(mut self, room: RoomId) -> Self {
        self.room = Some(room);
        self
    }
}

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchScope {
    /// In what is on this device: at once, also without a network.
    #[default]
    Device,
    /// Also on the server, unless what is on this device is all there is.
    Everywhere,
}

/// Where the next page of a search begins. A text for whoever has to keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchPosition {
    /// On this device.
    Device(i64),
    /// On the server.
    Server(String),
}

impl fmt::Display for SearchPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(at) => write!(f, "d{at}"),
            Self::Server(at) => write!(f, "s{at}"),
        }
    }
}

impl FromStr for SearchPosition {
    type Err = InvalidSearch;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.get(1..).ok_or(InvalidSearch::Position)?;
        match text.as_bytes() {
            [b'd', ..] => rest.parse().map(Self::Device).map_err(|_| InvalidSearch::Position),
            [b's', ..] => Ok(Self::Server(rest.to_owned())),
            _ => Err(InvalidSearch::Position),
        }
    }
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPage {
    /// The newest first, each once.
    pub hits: Vec<SearchHit>,
    /// Where the next page begins, as the query's `after`; none at the end of what was looked through.
    pub next: Option<SearchPosition>,
    /// Whether all there is was looked through: nothing older can be missing. If not, the same search
    /// with [`SearchScope::Everywhere`] may find more; if it has that scope already, the server was not
    /// reached, or has not finished its index.
    pub complete: bool,
    /// Who looked.
    pub source: SearchSource,
    /// What is on this device of the rooms that were searched. Empty on a page that goes on with what
    /// the server found.
    pub coverage: Vec<RoomCoverage>,
}

/// Who looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SearchSource {
    /// This device.
    Device,
    /// The server.
    Server,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchHit {
    /// The message as it is now: whoever shows its surroundings goes by its `room` and `seq`.
    pub message: Message,
    /// What to show of it.
    pub snippet: Vec<SnippetPart>,
}

/// A piece of a snippet. All pieces one behind the other are the text to show: so nobody has to count
/// in bytes or in the units of another language's texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnippetPart {
    /// The text.
    pub text: String,
    /// Whether this is what was looked for.
    pub matched: bool,
}

/// Characters of a snippet before its first match, and in all, besides what is cut to whole words.
const LEAD: usize = 40;
/// See [`LEAD`]: two lines of a phone.
const LENGTH: usize = 160;

/// What stands where a text was cut off.
const CUT: &str = "…";

/// The part of a text in which a query is found first. One that does not have it all is shown from its
/// beginning, without marks.
pub(crate) fn snippet(text: &str, terms: &SearchTerms) -> Vec<SnippetPart> {
    let found = terms.find(text).unwrap_or_default();
    let first = found.first().map_or(0, |range| range.start);
    let mut start = text[..first].char_indices().rev().nth(LEAD).map_or(0, |(at, _)| at);
    if start > 0 {
        // At a word's beginning, if there is one.
        let space = text[start..first].char_indices().find(|(_, c)| c.is_whitespace());
        start += space.map_or(0, |(at, c)| at + c.len_utf8());
    }
    let end = text[start..].char_indices().nth(LENGTH).map_or(text.len(), |(at, _)| start + at);
    let mut parts = Vec::new();
    let mut put = |text: &str, matched| {
        if !text.is_empty() {
            parts.push(SnippetPart { text: text.to_owned(), matched });
        }
    };
    if start > 0 {
        put(CUT, false);
    }
    let mut at = start;
    for Range { start: from, end: to } in found {
        if from >= end {
            break;
        }
        let to = to.min(end);
        put(&text[at..from], false);
        put(&text[from..to], true);
        at = to;
    }
    put(&text[at..end], false);
    if end < text.len() {
        put(CUT, false);
    }
    parts
}

/// Looks on the device, and on the server where that is asked for and could bring more. What those say whom the user
/// has blocked is marked, as in a timeline.
pub(crate) async fn search(asker: &Asker, query: SearchQuery) -> Result<SearchPage, Error> {
    let mut page = find(asker, query).await?;
    let blocked = match asker.ask(Command::Blocked).await? {
        Reply::Blocked(users) => users,
        other => return Err(asker.unexpected(&other)),
    };
    for hit in &mut page.hits {
        hit.message.blocked = blocked.contains(&hit.message.sender);
    }
    Ok(page)
}

async fn find(asker: &Asker, query: SearchQuery) -> Result<SearchPage, Error> {
    let terms = SearchTerms::parse(&query.text)?;
    let limit = query.limit.clamp(1, limits::SEARCH_MAX);
    let request = |after| SearchRequest {
        q: query.text.clone(),
        room: query.room,
        sender: query.sender.clone(),
        limit: Some(limit),
        after,
    };
    let before = match query.after.clone() {
        Some(SearchPosition::Server(after)) => {
            return on_server(asker, request(Some(after)), &terms, Vec::new()).await;
        }
        Some(SearchPosition::Device(before)) => Some(before),
        None => None,
    };
    let (text, room, sender) = (query.text.clone(), query.room, query.sender.clone());
    let ask = SearchAsk { text, room, sender, limit, before };
    let local = match asker.ask(Command::Search(Box::new(ask))).await {
        Ok(Reply::Found(found)) => on_device(*found, &terms),
        Ok(other) => return Err(asker.unexpected(&other)),
        // The server may know a room that has not come here yet.
        Err(Error::UnknownRoom(_)) if query.scope == SearchScope::Everywhere => {
            return on_server(asker, request(None), &terms, Vec::new()).await;
        }
        Err(error) => return Err(error),
    };
    // A page that goes on with what the device found stays with it.
    if local.complete || query.scope == SearchScope::Device || before.is_some() {
        return Ok(local);
    }
    match on_server(asker, request(None), &terms, local.coverage.clone()).await {
        Ok(page) => Ok(page),
        // What is here is better than nothing, and says that it is not everything.
        Err(error) if error.is_temporary() || matches!(error, Error::AuthRequired(_)) => Ok(local),
        Err(error) => Err(error),
    }
}

fn on_device(found: Found, terms: &SearchTerms) -> SearchPage {
    let Found { messages, next, coverage, complete } = found;
    SearchPage {
        hits: messages.into_iter().map(|message| hit(message, terms)).collect(),
        next: next.map(SearchPosition::Device),
        complete,
        source: SearchSource::Device,
        coverage,
    }
}

async fn on_server(
    asker: &Asker,
    request: SearchRequest,
    terms: &SearchTerms,
    coverage: Vec<RoomCoverage>,
) -> Result<SearchPage, Error> {
    let results = match asker.ask(Command::SearchServer(request)).await? {
        Reply::FoundOnServer(results) => *results,
        other => return Err(asker.unexpected(&other)),
    };
    let messages = results.messages.into_iter().map(Message::of_event);
    Ok(SearchPage {
        hits: messages.map(|message| hit(message, terms)).collect(),
        next: results.next.map(SearchPosition::Server),
        complete: !results.indexing,
        source: SearchSource::Server,
        coverage,
    })
}

fn hit(message: Message, terms: &SearchTerms) -> SearchHit {
    let text = message.text().unwrap_or_default();
    SearchHit { snippet: snippet(&text, terms), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &str, text: &str) -> String {
        let parts = snippet(text, &SearchTerms::parse(query).unwrap());
        let part = |part: SnippetPart| match part.matched {
            true => format!("[{}]", part.text),
            false => part.text,
        };
        parts.into_iter().map(part).collect()
    }

    #[test]
    fn a_snippet_marks_what_was_looked_for_and_its_parts_are_the_text() {
        assert_eq!(shown("café tom", "Tomorrow at the Cafe!"), "[Tomorrow] at the [Cafe]!");
        assert_eq!(shown("東京", "明日は東京へ"), "明日は[東京]へ");
        assert_eq!(shown("עולם", "שלום עולם 👋"), "שלום [עולם] 👋");
    }

    #[test]
    fn a_long_text_is_cut_at_whole_words_around_its_first_match() {
        let text = format!("{}needle {}", "hay straw ".repeat(30), "grass ".repeat(100));
        let snippet = shown("needle", &text);
        assert!(snippet.starts_with("…straw") || snippet.starts_with("…hay"), "{snippet}");
        assert!(snippet.contains("[needle]") && snippet.ends_with('…'), "{snippet}");
        assert!(snippet.chars().count() < LENGTH + 10);
        let emoji = format!("{}needle", "👨‍👩‍👧".repeat(200));
        assert!(shown("needle", &emoji).ends_with("[needle]"));
    }

    #[test]
    fn a_position_survives_being_a_text() {
        for position in [SearchPosition::Device(-5), SearchPosition::Server("é x".into())] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for text in ["", "x", "d", "dx", "é"] {
            assert_eq!(text.parse::<SearchPosition>(), Err(InvalidSearch::Position));
        }
    }
}
