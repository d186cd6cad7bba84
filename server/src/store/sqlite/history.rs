//! Pages of a room's history, and of a thread's. What is folded away is not looked at: the index
//! of what is shown leaves it out, so that a page costs the same however much was changed.

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::{EventId, History, HistoryAnchor, RoomId, Seq, UserId, limits};

use super::fold::View;
use super::int;
use super::read::{self, seen_by};
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

/// Where a page is to stand.
struct Frame {
    /// What is below it is older than the anchor, the rest newer.
    split: u64,
    /// How many of the older ones are wanted first; the rest are newer.
    older: u64,
    both: bool,
    /// What the page may speak of at most.
    low: u64,
    high: u64,
}

impl Frame {
    fn new(anchor: HistoryAnchor, limit: u64, bottom: u64, head: u64) -> Self {
        let top = head.saturating_add(1);
        let down = |split: u64| Self {
            split,
            older: limit,
            both: false,
            low: bottom,
            high: split.saturating_sub(1),
        };
        match anchor {
            HistoryAnchor::Newest => down(top),
            HistoryAnchor::Before(seq) => down(seq.get().min(top)),
            HistoryAnchor::After(seq) => {
                let split = seq.get().saturating_add(1);
                Self { split, older: 0, both: false, low: bottom.max(split), high: head }
            }
            HistoryAnchor::Around(seq) => Self {
                split: seq.get().min(top),
                older: limit / 2,
                both: true,
                low: bottom,
                high: head,
            },
        }
    }
}

/// What a page is of.
struct Source<'a> {
    conn: &'a Connection,
    rk: i64,
    head: u64,
    /// Of a thread, the message that it hangs on.
    root: Option<u64>,
}

impl Source<'_> {
    /// Up to `count` below `split`, the newest first.
    fn before(&self, split: u64, count: u64) -> Result<Vec<u64>, StoreError> {
        let (split, count) = (split.min(self.head.saturating_add(1)), int(count));
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
    let source = Source { conn, rk: row.rk, head: as_of.get(), root };
    let frame = Frame::new(anchor, limit, root.unwrap_or(1), as_of.get());
    // One more than is wanted of each side: what is left out bounds what the page speaks of.
    let mut older = match frame.both || frame.older > 0 {
        true => source.before(frame.split, limit + 1)?,
        false => Vec::new(),
    };
    let newer = match frame.both || frame.older == 0 {
        true => source.from(frame.split, limit + 1)?,
        false => Vec::new(),
    };
    let count = |seqs: &[u64], most: u64| (seqs.len() as u64).min(most);
    let take_newer = count(&newer, limit - count(&older, frame.older));
    let take_older = count(&older, limit - take_newer) as usize;
    let take_newer = take_newer as usize;
    older.reverse();
    let split = older.len();
    let (older_from, newer_to) = (split - take_older, split + take_newer);
    let mut seqs = older;
    seqs.extend(newer);
    let view = View { rk: row.rk, room, as_of, reader: user };
    let (page, messages) = load(conn, &view, &seqs, split, older_from..newer_to)?;
    let low = match page.start.checked_sub(1).and_then(|place| seqs.get(place)) {
        Some(left_out) => frame.low.max(left_out + 1),
        None => frame.low,
    };
    let high = match seqs.get(page.end) {
        Some(left_out) => frame.high.min(left_out - 1),
        None => frame.high,
    };
    let covers = (low <= high).then_some((Seq::new(low), Seq::new(high)));
    Ok(History { messages, covers, as_of, first_seq: Seq::new(1) })
}

/// Loads the messages at these places, those next to the anchor first, until a page has bytes
/// enough. Gives the places that were loaded, and what stands there.
fn load(
    conn: &Connection,
    view: &View<'_>,
    seqs: &[u64],
    split: usize,
    wanted: std::ops::Range<usize>,
) -> Result<(std::ops::Range<usize>, Vec<EventJson>), StoreError> {
    let mut order: Vec<(usize, u64)> =
        wanted.clone().zip(seqs.get(wanted).unwrap_or_default().iter().copied()).collect();
    order.sort_by_key(|(place, _)| match place.checked_sub(split) {
        Some(newer) => 2 * newer,
        None => 2 * (split - place) - 1,
    });
    let mut loaded = Vec::with_capacity(order.len());
    let mut bytes = 0;
    for (place, seq) in order {
        let json = view.event(conn, Seq::new(seq))?;
        bytes += json.get().len();
        if bytes > limits::HISTORY_BYTES && !loaded.is_empty() {
            break;
        }
        loaded.push((place, json));
    }
    loaded.sort_by_key(|(place, _)| *place);
    let page = match (loaded.first(), loaded.last()) {
        (Some((first, _)), Some((last, _))) => *first..*last + 1,
        _ => split..split,
    };
    Ok((page, loaded.into_iter().map(|(_, json)| json).collect()))
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
