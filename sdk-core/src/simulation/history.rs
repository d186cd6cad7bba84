//! What the model server gives of a room's history: folded, from either end, around a seq, of a
//! thread, of one message.

use tidewire_protocol::{
    ErrorCode, Event, EventId, History, HistoryAnchor, HistoryQuery, RoomId, Seq, UserId,
    WireError, limits,
};

use super::changes::{is_change, named_by};
use super::server::{ModelRoom, ModelServer};

fn unknown_message() -> WireError {
    WireError::new(ErrorCode::UnknownMessage, "the room has no message of this id")
}

/// What of a history's events goes into a page: from which to which, and what it speaks of.
fn cut(
    seqs: &[u64],
    anchor: HistoryAnchor,
    limit: usize,
    (bottom, head): (u64, u64),
) -> (std::ops::Range<usize>, Option<(u64, u64)>) {
    let at = |seq: u64| seqs.partition_point(|other| *other < seq);
    // Where the page ends on either side if it has room enough, as places and as seqs.
    let (split, before, low, high) = match anchor {
        HistoryAnchor::Newest => (seqs.len(), limit, bottom, head),
        HistoryAnchor::Before(seq) => {
            (at(seq.get()), limit, bottom, head.min(seq.previous().get()))
        }
        HistoryAnchor::After(seq) => (at(seq.get() + 1), 0, bottom.max(seq.get() + 1), head),
        HistoryAnchor::Around(seq) => (at(seq.get()), limit / 2, bottom, head),
    };
    let one_sided = !matches!(anchor, HistoryAnchor::Around(_));
    let behind = if one_sided && before > 0 { 0 } else { seqs.len() - split };
    let mut older = before.min(split);
    let newer = behind.min(limit - older);
    if !one_sided {
        older = split.min(limit - newer);
    }
    let page = split - older..split + newer;
    let first = if page.start > 0 { low.max(seqs[page.start - 1] + 1) } else { low };
    let last = if page.end < seqs.len() { high.min(seqs[page.end] - 1) } else { high };
    (page, (first <= last).then_some((first, last)))
}

impl ModelServer {
    pub(super) fn history(
        &self,
        user: &UserId,
        room: RoomId,
        query: HistoryQuery,
    ) -> Result<History, WireError> {
        let (room, member) = self.seen_by(user, room)?;
        let as_of = room.last_seen_by(member);
        let limit = query.limit.unwrap_or(limits::HISTORY_DEFAULT).clamp(1, limits::HISTORY_MAX);
        let anchor = query.anchor().ok_or_else(|| {
            WireError::new(ErrorCode::BadRequest, "at most one of `before`, `after`, `around`")
        })?;
        let root = match query.thread {
            Some(id) => Some(
                room.message(id).filter(|root| root.seq <= as_of).ok_or_else(unknown_message)?,
            ),
            None => None,
        };
        let stands = |event: &&Event| match root {
            None => !is_change(&event.kind),
            Some(root) => {
                event.id == root.id || !is_change(&event.kind) && named_by(event) == Some(root.id)
            }
        };
        let seen = room.log.get(..as_of.get() as usize).unwrap_or_default();
        let seqs: Vec<u64> = seen.iter().filter(stands).map(|event| event.seq.get()).collect();
        let bottom = root.map_or(1, |root| root.seq.get());
        let (page, covers) = cut(&seqs, anchor, limit, (bottom, as_of.get()));
        let messages = seqs[page].iter().map(|seq| room.at(Seq::new(*seq)));
        Ok(History {
            messages: messages.map(|event| room.folded(event, as_of, user)).collect(),
            covers: covers.map(|(first, last)| (Seq::new(first), Seq::new(last))),
            as_of,
            first_seq: Seq::new(1),
        })
    }

    pub(super) fn message(
        &self,
        user: &UserId,
        room: RoomId,
        id: EventId,
    ) -> Result<History, WireError> {
        let (room, member) = self.seen_by(user, room)?;
        let as_of = room.last_seen_by(member);
        let message = room.message(id).filter(|message| message.seq <= as_of);
        let message = message.ok_or_else(unknown_message)?;
        Ok(History {
            messages: vec![room.folded(message, as_of, user)],
            covers: Some((message.seq, message.seq)),
            as_of,
            first_seq: Seq::new(1),
        })
    }
}

impl ModelRoom {
    fn at(&self, seq: Seq) -> &Event {
        &self.log[seq.previous().get() as usize]
    }
}
