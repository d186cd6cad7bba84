//! Search, flat: what to look for, what was found, and what that covers.

use std::sync::Arc;

use tidewire::{RoomId, SearchPosition, Seq, UserId};

use crate::cancel::{CancelToken, or_cancelled};
use crate::client::Client;
use crate::error::TidewireError;
use crate::message::Message;
use crate::runtime::run;

/// What to look for. A text is found by its words, whatever their case and accents; where a script has
/// no spaces between words, by any part; emoji are words. All words have to be in a message; the last
/// one may be the beginning of a word, from two letters on. There are no operators.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SearchQuery {
    /// What somebody has typed: at most 512 bytes, with at least one letter, digit or emoji.
    pub text: String,
    /// Where to look.
    pub scope: SearchScope,
    /// Only in this room.
    #[uniffi(default = None)]
    pub room: Option<String>,
    /// Only what this user has said.
    #[uniffi(default = None)]
    pub sender: Option<String>,
    /// How many at most: 1 to 50 (20).
    #[uniffi(default = None)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[uniffi(default = None)]
    pub after: Option<String>,
}

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SearchScope {
    /// In what is on this device: at once, also without a network.
    Device,
    /// Also on the server, unless what is on this device is all there is.
    Everywhere,
}

/// Who looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SearchSource {
    /// This device.
    Device,
    /// The server.
    Server,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct SearchPage {
    /// The newest first, each once.
    pub hits: Vec<SearchHit>,
    /// Where the next page begins, as the query's `after`; none at the end of what was looked through.
    pub next: Option<String>,
    /// Whether all there is was looked through: nothing older can be missing. If not, the same search
    /// `Everywhere` may find more; if it has that scope already, the server was not reached, or has
    /// not finished its index.
    pub complete: bool,
    /// Who looked.
    pub source: SearchSource,
    /// What is on this device of the rooms that were searched. Empty on a page that goes on with what
    /// the server found.
    pub coverage: Vec<RoomCoverage>,
}

/// A message that was found.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct SearchHit {
    /// The message as it is now: whoever shows its surroundings goes by its `room` and `seq`.
    pub message: Message,
    /// What to show of it: pieces of text, one behind the other.
    pub snippet: Vec<SnippetPart>,
}

/// A piece of a snippet.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct SnippetPart {
    /// The text.
    pub text: String,
    /// Whether this is what was looked for.
    pub matched: bool,
}

/// What a search on this device looks through of a room.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct RoomCoverage {
    /// The room.
    pub room: String,
    /// Every message from here to the newest was looked through. None if not even the newest was. What
    /// is on this device below it was looked through too, with holes.
    pub complete_from: Option<u64>,
    /// Whether that is the whole room.
    pub complete: bool,
    /// Whether more of the room is on this device and still to be taken into the index: a search some
    /// seconds later reaches further.
    pub indexing: bool,
}

#[uniffi::export]
impl Client {
    /// Looks for messages: the newest first. On the `Device` it waits for the disk only. `Everywhere`
    /// it asks the server too, unless all there is is here already; then it waits for the network.
    /// Without one it gives what is here, and `complete` says that this is not everything.
    ///
    /// # Errors
    /// `InvalidSearch`, `InvalidId`, `UnknownRoom`, `Refused`, `Closed`, `Cancelled`, those of the
    /// store; for a page that goes on with what the server found also `Offline`, `Network`,
    /// `AuthRequired`.
    pub async fn search(
        &self,
        query: SearchQuery,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<SearchPage, TidewireError> {
        let client = self.inner.clone();
        let query = query.parse()?;
        run(async move {
            let search = async { Ok(client.search(query).await?.into()) };
            or_cancelled(cancel.as_deref(), search).await
        })
        .await
    }
}

impl SearchQuery {
    fn parse(self) -> Result<tidewire::SearchQuery, TidewireError> {
        let mut query = tidewire::SearchQuery::new(self.text);
        query.room = self.room.map(|room| room.parse::<RoomId>()).transpose()?;
        query.sender = self.sender.map(UserId::new).transpose()?;
        if let Some(limit) = self.limit {
            query.limit = usize::try_from(limit).unwrap_or(usize::MAX);
        }
        let after = self.after.map(|after| after.parse::<SearchPosition>()).transpose();
        query.after = after.map_err(tidewire::Error::from)?;
        query.scope = match self.scope {
            SearchScope::Device => tidewire::SearchScope::Device,
            SearchScope::Everywhere => tidewire::SearchScope::Everywhere,
        };
        Ok(query)
    }
}

impl From<tidewire::SearchPage> for SearchPage {
    fn from(page: tidewire::SearchPage) -> Self {
        let coverage = |coverage: tidewire::RoomCoverage| RoomCoverage {
            room: coverage.room.to_string(),
            complete_from: coverage.complete_from.map(Seq::get),
            complete: coverage.complete,
            indexing: coverage.indexing,
        };
        let part =
            |part: tidewire::SnippetPart| SnippetPart { text: part.text, matched: part.matched };
        let hit = |hit: tidewire::SearchHit| SearchHit {
            message: (&hit.message).into(),
            snippet: hit.snippet.into_iter().map(part).collect(),
        };
        Self {
            hits: page.hits.into_iter().map(hit).collect(),
            next: page.next.map(|next| next.to_string()),
            complete: page.complete,
            source: match page.source {
                tidewire::SearchSource::Device => SearchSource::Device,
                tidewire::SearchSource::Server => SearchSource::Server,
            },
            coverage: page.coverage.into_iter().map(coverage).collect(),
        }
    }
}
