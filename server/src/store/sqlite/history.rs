//! Pages of a room's history, and of a thread's. What is folded away is not looked at: the index
//! of what is shown leaves it out, so that a page costs the same however much was changed.

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::{EventId, History, HistoryAnchor, RoomId, Seq, UserId};

use super::fold::View;
use super::int;
use super::read::{self, seen_by};
use crate::store::frame::Frame;
use crate::store::hot::Hot;
use crate::store::{EventJson, StoreError};

/// What is shown of a room before a seq, and from one on.
pub(super) const SHOWN_BEFORE: &str = "SELECT seq FROM events INDEXED BY events_shown
     WHERE rk = ?1 AND seq < ?2 AND kind NOT IN ('edit', 'delete', 'reaction')
     ORDER BY seq DESC LIMIT ?3";
pub(super) const SHOWN_FROM: &str = "SELECT seq FROM events INDEXED BY events_shown
     WHERE rk = ?1 AND seq BETWEEN ?2 AND ?4 AND kind NOT IN ('edit', 'delete', 'reaction')
     ORDER BY seq LIMIT ?3";
/// The same of a thread, without the message that it hangs on.
pub(super) const REPLIES_BEFORE: &str = "SELECT seq FROM replies
     WHERE rk = ?1 AND root = ?4 AND seq < ?2 ORDER BY seq DESC LIMIT ?3";
pub(super) const REPLIES_FROM: &str = "SELECT seq FROM replies
     WHERE rk = ?1 AND root = ?5 AND seq BETWEEN ?2 AND ?4 ORDER BY seq LIMIT ?3";

/// What a page is of.
struct Source<'a> {
    conn: &'a Connection,
    hot: &'a Hot,
    room: RoomId,
    rk: i64,
    head: u64,
    /// Of a thread, the message that it hangs on.
    root: Option<u64>,
}

impl Source<'_> {
    /// Up to `count` below `split`, the newest first.
    fn before(&self, split: u64, count: u64) -> Result<Vec<u64>, StoreError> {
        let split = split.min(self.head.saturating_add(1));
        if self.root.is_none()
            && let Some(seqs) = self.hot.shown_before(self.room, split, count)
        {
            return Ok(seqs);
        }
        let count = int(count);
        let seqs: Result<Vec<u64>, rusqlite::Error> = match self.root {
            None => self
                .conn
                .prepare_cached(SHOWN_BEFORE)?
                .query_map((self.rk, int(split), count), |row| read::number(row, 0))?
                .collect(),
            Some(root) => self
                .conn
                .prepare_cached(REPLIES_BEFORE)?
                .query_map((self.rk, int(split), count, int(root)), |row| read::number(row, 0))?
                .collect(),
        };
        let mut seqs = seqs?;
        if let Some(root) = self.root.filter(|root| *root < split && (seqs.len() as i64) < count) {
            seqs.push(root);
        }
        Ok(seqs)
    }

    /// Up to `count` from `split` on.
    fn from(&self, split: u64, count: u64) -> Result<Vec<u64>, StoreError> {
        let (count, head) = (int(count), int(self.head));
        let seqs: Result<Vec<u64>, rusqlite::Error> = match self.root {
            None => self
                .conn
                .prepare_cached(SHOWN_FROM)?
                .query_map((self.rk, int(split), count, head), |row| read::number(row, 0))?
                .collect(),
            Some(root) => {
                let mut statement = self.conn.prepare_cached(REPLIES_FROM)?;
                let replies = statement
                    .query_map((self.rk, int(split), count, head, int(root)), |row| {
                        read::number(row, 0)
                    })?;
                let first = (root >= split).then_some(Ok(root));
                first.into_iter().chain(replies).collect()
            }
        };
        Ok(seqs?)
    }
}

pub(super) fn page(
    conn: &Connection,
    hot: &Hot,
    room: RoomId,
    user: &UserId,
    thread: Option<EventId>,
    anchor: HistoryAnchor,
    limit: u64,
) -> Result<History<EventJson>, StoreError> {
    let (row, member) = seen_by(conn, room, user)?;
    let as_of = member.last_seq(&row);
    let root = match thread {
        Some(id) => Some(message_seq(conn, row.rk, id, as_of)?.get()),
        None => None,
    };
    let source = Source { conn, hot, room, rk: row.rk, head: as_of.get(), root };
    let frame = Frame::new(anchor, limit, root.unwrap_or(1), as_of.get());
    // One more than is wanted of each side: what is left out bounds what the page speaks of.
    let older = match frame.wants_older() {
        true => source.before(frame.split, limit + 1)?,
        false => Vec::new(),
    };
    let newer = match frame.wants_newer() {
        true => source.from(frame.split, limit + 1)?,
        false => Vec::new(),
    };
    let choice = frame.choose(older, newer, limit);
    let view = View { rk: row.rk, room, as_of, reader: user };
    let mut taking = choice.taking();
    let wanted = taking.all_wanted();
    for (seq, here) in wanted.iter().zip(hot.shown(room, &wanted, as_of)) {
        let body = match here {
            Some(body) => body,
            None => view.event(conn, *seq)?,
        };
        if !taking.take(body) {
            break;
        }
    }
    Ok(taking.page(as_of))
}

/// One message, as a page of itself.
pub(super) fn message(
    conn: &Connection,
    room: RoomId,
    user: &UserId,
    id: EventId,
) -> Result<History<EventJson>, StoreError> {
    let (row, member) = seen_by(conn, room, user)?;
    let as_of = member.last_seq(&row);
    let seq = message_seq(conn, row.rk, id, as_of)?;
    let view = View { rk: row.rk, room, as_of, reader: user };
    let messages = vec![view.event(conn, seq)?];
    Ok(History { messages, covers: Some((seq, seq)), as_of, first_seq: Seq::new(1) })
}

/// Where a message stands that the reader may see.
fn message_seq(conn: &Connection, rk: i64, id: EventId, as_of: Seq) -> Result<Seq, StoreError> {
    let seq = conn
        .prepare_cached("SELECT seq FROM events WHERE rk = ?1 AND id = ?2 AND kind = 'message'")?
        .query_row((rk, id.uuid().as_bytes()), |row| read::seq(row, 0))
        .optional()?;
    seq.filter(|seq| *seq <= as_of).ok_or(StoreError::UnknownMessage)
}
