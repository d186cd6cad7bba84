//! Pages of a room's history, and of a thread's. What is folded away is not looked at: the index of what
//! is shown leaves it out.

use tidewire_protocol::{EventId, History, HistoryAnchor, RoomId, Seq, UserId};

use super::connect::{Session, int, number};
use super::fold::{self, Place};
use super::read::{self, json, seen_by};
use crate::store::frame::Frame;
use crate::store::hot::Hot;
use crate::store::{EventJson, StoreError};

/// Messages that are folded at once: mostly a page.
const CHUNK: usize = 100;

/// What is shown of a room before a seq, and from one on.
pub(super) const SHOWN_BEFORE: &str = "SELECT seq FROM events
     WHERE rk = $1 AND seq < $2 AND kind NOT IN ('edit', 'delete', 'reaction')
     ORDER BY seq DESC LIMIT $3";
pub(super) const SHOWN_FROM: &str = "SELECT seq FROM events
     WHERE rk = $1 AND seq BETWEEN $2 AND $4 AND kind NOT IN ('edit', 'delete', 'reaction')
     ORDER BY seq LIMIT $3";
/// The same of a thread, without the message that it hangs on.
pub(super) const REPLIES_BEFORE: &str = "SELECT seq FROM replies
     WHERE rk = $1 AND root = $4 AND seq < $2 ORDER BY seq DESC LIMIT $3";
pub(super) const REPLIES_FROM: &str = "SELECT seq FROM replies
     WHERE rk = $1 AND root = $5 AND seq BETWEEN $2 AND $4 ORDER BY seq LIMIT $3";
/// Where a message stands.
pub(super) const MESSAGE: &str =
    "SELECT seq FROM events WHERE rk = $1 AND id = $2 AND kind = 'message'";

/// What a page is of.
struct Source<'a> {
    s: &'a Session,
    hot: &'a Hot,
    room: RoomId,
    rk: i64,
    head: u64,
    /// Of a thread, the message that it hangs on.
    root: Option<u64>,
}

impl Source<'_> {
    /// Up to `count` below `split`, the newest first.
    async fn before(&self, split: u64, count: u64) -> Result<Vec<u64>, StoreError> {
        let top = split.min(self.head.saturating_add(1));
        if self.root.is_none()
            && let Some(seqs) = self.hot.shown_before(self.room, top, count)
        {
            return Ok(seqs);
        }
        let (top, most) = (int(top), int(count));
        let rows = match self.root {
            None => self.s.query(SHOWN_BEFORE, &[&self.rk, &top, &most]).await?,
            Some(root) => {
                self.s.query(REPLIES_BEFORE, &[&self.rk, &top, &most, &int(root)]).await?
            }
        };
        let mut seqs = numbers(&rows)?;
        let room = (seqs.len() as u64) < count;
        if let Some(root) = self.root.filter(|root| room && int(*root) < top) {
            seqs.push(root);
        }
        Ok(seqs)
    }

    /// Up to `count` from `split` on.
    async fn from(&self, split: u64, count: u64) -> Result<Vec<u64>, StoreError> {
        let (first, most, head) = (int(split), int(count), int(self.head));
        match self.root {
            None => numbers(&self.s.query(SHOWN_FROM, &[&self.rk, &first, &most, &head]).await?),
            Some(root) => {
                let of = int(root);
                let rows =
                    self.s.query(REPLIES_FROM, &[&self.rk, &first, &most, &head, &of]).await?;
                let own = (root >= split).then_some(root);
                Ok(own.into_iter().chain(numbers(&rows)?).collect())
            }
        }
    }
}

fn numbers(rows: &[tokio_postgres::Row]) -> Result<Vec<u64>, StoreError> {
    rows.iter().map(|row| number(row, 0)).collect()
}

pub(super) async fn page(
    s: &Session,
    hot: &Hot,
    room: RoomId,
    user: &UserId,
    thread: Option<EventId>,
    anchor: HistoryAnchor,
    limit: u64,
) -> Result<History<EventJson>, StoreError> {
    let (row, member) = seen_by(s, room, user).await?;
    let as_of = member.last_seq(&row);
    let root = match thread {
        Some(id) => Some(message_seq(s, row.rk, id, as_of).await?.get()),
        None => None,
    };
    let source = Source { s, hot, room, rk: row.rk, head: as_of.get(), root };
    let frame = Frame::new(anchor, limit, root.unwrap_or(1), as_of.get());
    // One more than is wanted of each side: what is left out bounds what the page speaks of.
    let older = match frame.wants_older() {
        true => source.before(frame.split, limit + 1).await?,
        false => Vec::new(),
    };
    let newer = match frame.wants_newer() {
        true => source.from(frame.split, limit + 1).await?,
        false => Vec::new(),
    };
    let mut taking = frame.choose(older, newer, limit).taking();
    'filling: for seqs in taking.all_wanted().chunks(CHUNK) {
        let here = hot.shown(room, seqs, as_of);
        let missing = seqs.iter().zip(&here).filter(|(_, body)| body.is_none());
        let places: Vec<Place> =
            missing.map(|(seq, _)| Place { rk: row.rk, room, seq: *seq, as_of }).collect();
        let mut folded = fold::events(s, user, &places).await?.into_iter();
        for body in here {
            let body = match body {
                Some(body) => Some(body),
                None => folded.next().map(|event| json(&event)).transpose()?,
            };
            if !body.is_some_and(|body| taking.take(body)) {
                break 'filling;
            }
        }
    }
    Ok(taking.page(as_of))
}

/// One message, as a page of itself.
pub(super) async fn message(
    s: &Session,
    room: RoomId,
    user: &UserId,
    id: EventId,
) -> Result<History<EventJson>, StoreError> {
    let (row, member) = seen_by(s, room, user).await?;
    let as_of = member.last_seq(&row);
    let seq = message_seq(s, row.rk, id, as_of).await?;
    let mut messages = Vec::new();
    for event in fold::events(s, user, &[Place { rk: row.rk, room, seq, as_of }]).await? {
        messages.push(json(&event)?);
    }
    Ok(History { messages, covers: Some((seq, seq)), as_of, first_seq: Seq::new(1) })
}

/// Where a message stands that the reader may see.
async fn message_seq(s: &Session, rk: i64, id: EventId, as_of: Seq) -> Result<Seq, StoreError> {
    let found = s.optional(MESSAGE, &[&rk, &id.uuid()]).await?;
    let seq = found.map(|row| read::seq(&row, 0)).transpose()?;
    seq.filter(|seq| *seq <= as_of).ok_or(StoreError::UnknownMessage)
}
