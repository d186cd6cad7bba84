//! The pushed feed: from the log until it has caught up, then from the inbox as events happen, and
//! back to the log after every loss, pause or change of membership. Both ways lead over the same
//! position, so that nothing is missed or comes twice. Makes pages; what carries them is not its
//! affair.

use std::collections::VecDeque;
use std::sync::Arc;

use tidewire_protocol::{Cursor, Page, Receipt, SettingsNews, UserId, WireError, limits};

use crate::app::App;
use crate::cursor;
use crate::inbox::{Inbox, Taken};
use crate::store::{Change, Entry, EventJson, FeedPage, FeedQuery, News, Ords, StoreError};

/// A feed that is pushed to one connection. Only one that is attached to the hub has news.
pub(crate) struct Feed {
    app: Arc<App>,
    user: UserId,
    inbox: Arc<Inbox>,
    /// Everything up to here has been pushed or does not concern the user.
    position: Ords,
    /// The `to` of the last page, which is the `from` of the next.
    cursor: Cursor,
    /// Whether the log has to be read before the inbox.
    behind: bool,
    /// The first page goes out even if it is empty: the client learns that it has caught up.
    fresh: bool,
    /// Pushed pages that are not confirmed.
    unconfirmed: VecDeque<Pushed>,
}

/// A page that is not confirmed.
struct Pushed {
    /// Where it ends, as a place and as the client knows it.
    to: Ords,
    cursor: Cursor,
    weight: usize,
}

/// Why a feed ends.
#[derive(Debug)]
pub(crate) enum FeedEnd {
    /// Its cursor is none of this server's.
    Cursor(WireError),
    /// The log cannot be read now: the client comes back in the slot given, with its cursor.
    Store(WireError),
}

impl Feed {
    /// Begins to push from `cursor` into a connection that is attached with `inbox`.
    pub(crate) fn begin(
        app: &Arc<App>,
        user: &UserId,
        inbox: &Arc<Inbox>,
        cursor: Option<Cursor>,
    ) -> Result<Self, WireError> {
        let cursor = cursor.ok_or_else(cursor::invalid)?;
        let position = app.cursors.decode(user, &cursor)?.ords;
        // Opened before the log is read, so that nothing falls between the two.
        inbox.set_feed(true);
        Ok(Self {
            app: app.clone(),
            user: user.clone(),
            inbox: inbox.clone(),
            position,
            cursor,
            behind: true,
            fresh: true,
            unconfirmed: VecDeque::new(),
        })
    }

    /// Whether the log has to be read, and may.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind && self.credit() > 0
    }

    /// How many events may be pushed before the next confirmation.
    fn credit(&self) -> usize {
        let pushed: usize = self.unconfirmed.iter().map(|page| page.weight).sum();
        limits::CREDIT_EVENTS.saturating_sub(pushed)
    }

    /// The client has committed everything up to `cursor`.
    pub(crate) fn confirm(&mut self, cursor: &Cursor) -> Result<(), WireError> {
        // Almost always it is that of a page which was pushed a moment ago: whose it is need not be checked.
        let known = self.unconfirmed.iter().find(|page| page.cursor == *cursor);
        let position = match known {
            Some(page) => page.to.clone(),
            None => self.app.cursors.decode(&self.user, cursor)?.ords,
        };
        self.confirm_to(&position);
        Ok(())
    }

    /// Whatever was pushed counts as confirmed.
    pub(crate) fn confirm_all(&mut self) {
        self.confirm_to(&self.position.clone());
    }

    fn confirm_to(&mut self, position: &Ords) {
        let paused = self.credit() == 0;
        while self.unconfirmed.front().is_some_and(|page| position.covers(&page.to)) {
            self.unconfirmed.pop_front();
        }
        if paused && self.credit() > 0 {
            self.inbox.set_feed(true);
            self.behind = true;
        }
    }

    /// What there is to push now: at most one page of the log, or what the inbox holds, up to the
    /// credit.
    pub(crate) async fn pages(&mut self) -> Result<Vec<Page<EventJson>>, FeedEnd> {
        if self.is_behind() {
            return Ok(self.page_of_log().await?.into_iter().collect());
        }
        let entries = match self.inbox.take_feed() {
            Taken::Lost => {
                self.app.metrics.overflowed();
                self.behind = true;
                return Ok(Vec::new());
            }
            Taken::Entries(entries) => entries,
        };
        let news: Vec<Arc<Entry>> = entries
            .into_iter()
            .filter(|entry| entry.ord > self.position.get(entry.shard))
            .collect();
        // Whoever joins gets the state of the room, which only the log has.
        if news.iter().any(|entry| match entry.change() {
            Some(Change::Created) => true,
            Some(Change::Joined(user)) => *user == self.user,
            _ => false,
        }) {
            self.behind = true;
            return Ok(Vec::new());
        }
        Ok(self.of_entries(&news))
    }

    async fn page_of_log(&mut self) -> Result<Option<Page<EventJson>>, FeedEnd> {
        let query = FeedQuery {
            user: self.user.clone(),
            from: self.position.clone(),
            limit: self.credit().min(limits::PAGE_EVENTS),
            room_limit: limits::PAGE_EVENTS,
            have: Default::default(),
        };
        let page = match self.app.store.feed_page(query).await {
            Ok(page) => page,
            Err(StoreError::CursorBeyondHead) => return Err(FeedEnd::Cursor(cursor::invalid())),
            Err(error) => return Err(FeedEnd::Store(error.into())),
        };
        self.behind = page.more;
        if page.weight() == 0 && !self.fresh {
            self.position = page.to;
            return Ok(None);
        }
        self.fresh = false;
        Ok(Some(self.page(page)))
    }

    /// Makes pages of entries of the inbox, as many as fit into each, until the credit ends: the
    /// rest comes from the log.
    fn of_entries(&mut self, mut entries: &[Arc<Entry>]) -> Vec<Page<EventJson>> {
        let mut pages = Vec::new();
        while !entries.is_empty() && self.credit() > 0 {
            let (now, later) = entries.split_at(fitting(entries, self.credit()));
            entries = later;
            let mut to = self.position.clone();
            now.iter().for_each(|entry| to.raise(entry.shard, entry.ord));
            let (mut events, mut receipts) = (Vec::new(), Vec::<Receipt>::new());
            let mut settings = Vec::<SettingsNews>::new();
            let mut blocks = None;
            for entry in now {
                match &entry.news {
                    News::Event(event) => events.push(event.json.clone()),
                    News::Receipt(receipt) => {
                        // Only the newest of each member.
                        receipts.retain(|r| (r.room, &r.user) != (receipt.room, &receipt.user));
                        receipts.push(receipt.clone());
                    }
                    News::Settings(_, news) => {
                        settings.retain(|older| older.room != news.room);
                        settings.push(*news);
                    }
                    News::Blocks(_, list) => blocks = Some((**list).clone()),
                }
            }
            let limited = Vec::new();
            let page = FeedPage { events, limited, receipts, settings, blocks, to, more: false };
            pages.push(self.page(page));
        }
        pages
    }

    fn page(&mut self, page: FeedPage) -> Page<EventJson> {
        let weight = page.weight();
        let FeedPage { events, limited, receipts, settings, blocks, to, more } = page;
        let next = if to == self.position {
            self.cursor.clone()
        } else {
            self.app.cursors.encode(&self.user, &to)
        };
        let from = std::mem::replace(&mut self.cursor, next.clone());
        self.position = to;
        if weight > 0 {
            let (to, cursor) = (self.position.clone(), next.clone());
            self.unconfirmed.push_back(Pushed { to, cursor, weight });
        }
        if self.credit() == 0 {
            self.inbox.set_feed(false);
            self.behind = true;
        }
        Page { from, events, to: next, more, limited, receipts, settings, blocks }
    }
}

/// How many of the entries make one page.
fn fitting(entries: &[Arc<Entry>], credit: usize) -> usize {
    let mut bytes = 0;
    let fitting = entries
        .iter()
        .take(credit.min(limits::PAGE_EVENTS))
        .take_while(|entry| {
            bytes += entry.bytes();
            bytes <= limits::PAGE_BYTES
        })
        .count();
    fitting.max(1)
}
