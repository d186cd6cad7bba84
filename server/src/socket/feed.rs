//! The pushed feed: from the log until it has caught up, then from the inbox as events happen, and
//! back to the log after every loss, pause or change of membership. Both ways lead over the same
//! position, so that nothing is missed or comes twice.

use std::collections::VecDeque;
use std::sync::Arc;

use tidewire_protocol::{Cursor, Page, Receipt, limits};

use super::peer::{End, Outbound};
use super::session::Session;
use crate::cursor;
use crate::inbox::Taken;
use crate::store::{Change, Entry, EventJson, FeedPage, FeedQuery, News, Ords, StoreError};

/// A feed that is pushed.
pub(super) struct Feed {
    /// Everything up to here has been pushed or does not concern the user.
    position: Ords,
    /// The `to` of the last page, which is the `from` of the next.
    cursor: Cursor,
    /// Whether the log has to be read before the inbox.
    behind: bool,
    /// The first page goes out even if it is empty: the client learns that it has caught up.
    fresh: bool,
    /// Pushed pages that no `credit` has covered: where they end, and how much they weigh.
    unconfirmed: VecDeque<(Ords, usize)>,
}

impl Feed {
    /// Whether the log has to be read, and may.
    pub(super) fn is_behind(&self) -> bool {
        self.behind && self.credit() > 0
    }

    /// How many events may be pushed before the next `credit`.
    fn credit(&self) -> usize {
        let pushed: usize = self.unconfirmed.iter().map(|(_, weight)| weight).sum();
        limits::CREDIT_EVENTS.saturating_sub(pushed)
    }
}

impl Session {
    /// Begins to push from `cursor`, or says why not.
    pub(super) async fn start_feed(&mut self, cursor: Option<Cursor>) -> Result<(), End> {
        let position = match &cursor {
            Some(cursor) => self.app.cursors.decode(&self.user, cursor),
            None => Err(cursor::invalid()),
        };
        match (position, cursor) {
            (Ok(position), Some(cursor)) => {
                // Opened before the log is read, so that nothing falls between the two.
                self.inbox.set_feed(true);
                self.feed = Some(Feed {
                    position: position.ords,
                    cursor,
                    behind: true,
                    fresh: true,
                    unconfirmed: VecDeque::new(),
                });
                Ok(())
            }
            (Err(error), _) => self.peer.tell(error, None).await,
            (Ok(_), None) => self.peer.tell(cursor::invalid(), None).await,
        }
    }

    /// The client has committed everything up to `cursor`.
    pub(super) async fn credit(&mut self, cursor: &Cursor) -> Result<(), End> {
        let position = match self.app.cursors.decode(&self.user, cursor) {
            Ok(position) => position,
            Err(error) => return self.peer.tell(error, None).await,
        };
        let Some(feed) = &mut self.feed else { return Ok(()) };
        let paused = feed.credit() == 0;
        while feed.unconfirmed.front().is_some_and(|(to, _)| position.ords.covers(to)) {
            feed.unconfirmed.pop_front();
        }
        if paused && feed.credit() > 0 {
            self.inbox.set_feed(true);
            feed.behind = true;
        }
        Ok(())
    }

    /// Pushes what there is to push, at most one page of the log.
    pub(super) async fn push_feed(&mut self) -> Result<(), End> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        if feed.is_behind() {
            return self.push_from_log().await;
        }
        let entries = match self.inbox.take_feed() {
            Taken::Lost => {
                feed.behind = true;
                return Ok(());
            }
            Taken::Entries(entries) => entries,
        };
        let news: Vec<Arc<Entry>> = entries
            .into_iter()
            .filter(|entry| entry.ord > feed.position.get(entry.shard))
            .collect();
        // Whoever joins gets the state of the room, which only the log has.
        if news.iter().any(|entry| match entry.change() {
            Some(Change::Created) => true,
            Some(Change::Joined(user)) => *user == self.user,
            _ => false,
        }) {
            feed.behind = true;
            return Ok(());
        }
        self.push_entries(&news).await
    }

    async fn push_from_log(&mut self) -> Result<(), End> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        let query = FeedQuery {
            user: self.user.clone(),
            from: feed.position.clone(),
            limit: feed.credit().min(limits::PAGE_EVENTS),
            room_limit: limits::PAGE_EVENTS,
            have: Default::default(),
        };
        let page = match self.app.store.feed_page(query).await {
            Ok(page) => page,
            Err(StoreError::CursorBeyondHead) => {
                self.feed = None;
                self.inbox.set_feed(false);
                return self.peer.tell(cursor::invalid(), None).await;
            }
            // The client comes back in the slot given, with its cursor.
            Err(error) => return Err(End::Error(error.into())),
        };
        feed.behind = page.more;
        if page.weight() == 0 && !feed.fresh {
            feed.position = page.to;
            return Ok(());
        }
        feed.fresh = false;
        self.push_page(page).await
    }

    /// Pushes entries of the inbox, as many as fit into each page, until the credit ends.
    async fn push_entries(&mut self, mut entries: &[Arc<Entry>]) -> Result<(), End> {
        while let Some(feed) = &self.feed
            && !entries.is_empty()
        {
            let credit = feed.credit();
            if credit == 0 {
                // The rest comes from the log.
                return Ok(());
            }
            let (now, later) = entries.split_at(fitting(entries, credit));
            entries = later;
            let mut to = feed.position.clone();
            now.iter().for_each(|entry| to.raise(entry.shard, entry.ord));
            let (mut events, mut receipts) = (Vec::new(), Vec::<Receipt>::new());
            for entry in now {
                match &entry.news {
                    News::Event(event) => events.push(event.json.clone()),
                    News::Receipt(receipt) => {
                        // Only the newest of each member.
                        receipts.retain(|r| (r.room, &r.user) != (receipt.room, &receipt.user));
                        receipts.push(receipt.clone());
                    }
                }
            }
            let page = FeedPage { events, limited: Vec::new(), receipts, to, more: false };
            self.push_page(page).await?;
        }
        Ok(())
    }

    async fn push_page(&mut self, page: FeedPage) -> Result<(), End> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        let weight = page.weight();
        let FeedPage { events, limited, receipts, to, more } = page;
        let next = if to == feed.position {
            feed.cursor.clone()
        } else {
            self.app.cursors.encode(&self.user, &to)
        };
        let from = std::mem::replace(&mut feed.cursor, next.clone());
        feed.position = to;
        if weight > 0 {
            feed.unconfirmed.push_back((feed.position.clone(), weight));
        }
        if feed.credit() == 0 {
            self.inbox.set_feed(false);
            feed.behind = true;
        }
        let page: Page<EventJson> = Page { from, events, to: next, more, limited, receipts };
        self.peer.send(&Outbound::Batch(page)).await
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
