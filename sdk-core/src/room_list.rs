//! A list of rooms: a window of it, as numbered batches of changes that the reader pulls.

use std::sync::{Arc, Mutex, PoisonError};

use tidewire_protocol::RoomId;

use crate::ask::{Ask, Asker};
use crate::engine::{Command, ListId, RoomListQuery, RoomListRow, RoomListUpdate};
use crate::error::Error;
use crate::mailbox::{Mailbox, RoomListBatch};

/// A list of rooms, sorted and filtered as its [`RoomListQuery`] says.
///
/// Rows come as a window of the list: a batch says where it begins and how many rooms there are in
/// all. Updates are pulled with [`RoomList::next`], as those of a [`Timeline`](crate::Timeline)
/// are: the first one is a reset, later ones are what has changed, at most every 100 ms, and a
/// reader that is too slow gets one fresh reset. The list is closed when it is dropped.
#[derive(Debug)]
pub struct RoomList {
    id: ListId,
    asker: Asker,
    mailbox: Arc<Mailbox<RoomListUpdate>>,
    last: u64,
    /// What the app has been given. A std mutex, because nothing awaits while it is held.
    seen: Mutex<Seen>,
}

/// The rows as the reader has them, and which of them it shows.
#[derive(Debug, Default)]
struct Seen {
    number: u64,
    rows: Vec<Arc<RoomListRow>>,
    first: usize,
    /// The first row shown, and how many.
    visible: Option<(usize, usize)>,
    /// The rooms that the client was told are shown.
    told: Vec<RoomId>,
}

impl Seen {
    fn take(&mut self, batch: &RoomListBatch) {
        // One that comes again, because its answer was lost, is in it.
        if batch.number > self.number {
            self.number = batch.number;
            batch.update.apply(&mut self.rows);
            self.first = batch.update.first();
        }
    }

    /// The rooms in the rows shown, as far as the window has them.
    fn shown(&self) -> Option<(usize, usize, Vec<RoomId>)> {
        let (first, count) = self.visible?;
        let from = first.saturating_sub(self.first).min(self.rows.len());
        let to =
            first.saturating_add(count).saturating_sub(self.first).clamp(from, self.rows.len());
        Some((first, count, self.rows[from..to].iter().map(|row| row.room).collect()))
    }
}

impl RoomList {
    pub(crate) async fn open(
        asker: Asker,
        id: ListId,
        query: RoomListQuery,
    ) -> Result<Self, Error> {
        let mailbox = Arc::new(Mailbox::default());
        // Made before the answer is awaited: if the caller gives up, the drop closes it.
        let seen = Mutex::new(Seen::default());
        let list = Self { id, asker, mailbox: mailbox.clone(), last: 0, seen };
        let (reply, answer) = tokio::sync::oneshot::channel();
        let command = Command::OpenRoomList(id, query);
        list.asker.tell(Ask::OpenRoomList(id, mailbox, command, reply))?;
        answer.await.map_err(|_| Error::Closed)??;
        Ok(list)
    }

    /// Waits for the next update. Waits for neither network nor disk: what is there comes at once.
    /// Safe to cancel: an update that was not returned comes again.
    ///
    /// # Errors
    /// [`Error::Closed`] after the client was closed.
    pub async fn next(&mut self) -> Result<RoomListBatch, Error> {
        let batch = self.next_after(self.last).await?;
        self.last = batch.number;
        Ok(batch)
    }

    /// The same for a reader that keeps its own count: `after` is the number of the last batch
    /// that it has applied, 0 at first. A batch is kept until it is acknowledged in this way. Who names
    /// one that was never given has lost its place, and gets a reset.
    ///
    /// # Errors
    /// [`Error::Closed`] after the client was closed.
    pub async fn next_after(&self, after: u64) -> Result<RoomListBatch, Error> {
        let ask = || self.asker.tell(Ask::Tell(Command::ResetRoomList(self.id)));
        let batch = self.mailbox.next(after, ask).await?;
        self.told_shown(|seen| seen.take(&batch));
        Ok(batch)
    }

    /// Tells which rows the app shows: `count` of them, the first of them the one at `first` of the
    /// whole list, as the batches read so far have it. Call it as the user scrolls; any number of
    /// times costs little. Returns at once.
    ///
    /// The window of rows moves along, so that there are rows above and below. The rooms shown are
    /// watched for presence and typing and are live in hybrid after open ones (of this list or of
    /// the last one that said so), counts that are not exact are asked for them first, and of the
    /// first 10 the newest page is fetched if it is not here, so that they open at once. Then follow
    /// those with unread messages and the most recent ones, up to 20 in all, while nothing else
    /// runs and neither low power nor data saver is on.
    ///
    /// # Errors
    /// [`Error::Closed`] after the client was closed.
    pub fn set_visible(&self, first: usize, count: usize) -> Result<(), Error> {
        let told = self.told_shown(|seen| {
            seen.visible = Some((first, count));
        });
        if told { Ok(()) } else { Err(Error::Closed) }
    }

    /// Tells the client which rooms are shown now, if that is not what it knows.
    fn told_shown(&self, change: impl FnOnce(&mut Seen)) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.visible;
        change(&mut seen);
        let Some((first, count, rooms)) = seen.shown() else { return true };
        if rooms == seen.told && before == seen.visible {
            return true;
        }
        seen.told.clone_from(&rooms);
        let show = Command::ShowRooms { list: self.id, first, count, rooms };
        self.asker.tell(Ask::Tell(show)).is_ok()
    }
}

impl Drop for RoomList {
    fn drop(&mut self) {
        // A closed client has closed its lists already.
        let _ = self.asker.tell(Ask::CloseRoomList(self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_numbers_of_an_app_overflow_what_is_shown() {
        let mut seen = Seen::default();
        for visible in [(usize::MAX, 1), (1, usize::MAX), (usize::MAX, usize::MAX)] {
            seen.visible = Some(visible);
            assert_eq!(seen.shown(), Some((visible.0, visible.1, Vec::new())));
        }
    }
}
