//! Messages as a history has them: what later events have made of each, up to a seq and for one reader.
//! All messages of a page are folded by the same five queries, which go out together.

use tidewire_protocol::{
    Change, Content, Event, EventKind, Fold, Reactions, RoomId, Seq, Thread, UserId, deleted,
    edited, limits,
};

use super::connect::{Session, int};
use super::read::{self, index, seq};
use crate::store::StoreError;

/// A message, and from where it is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) rk: i64,
    pub(super) room: RoomId,
    pub(super) seq: Seq,
    /// Later events are not there.
    pub(super) as_of: Seq,
}

/// The last revision of each message, and the last of its thread.
pub(super) const REVISIONS: &str = "SELECT u.n, x.seq, x.at, x.kind, x.content
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY u(rk, seq, as_of, n)
     CROSS JOIN LATERAL (
         SELECT e.seq, e.at, e.kind, e.content FROM (
             SELECT v.seq FROM revisions v
             WHERE v.rk = u.rk AND v.target = u.seq AND v.seq <= u.as_of
             ORDER BY v.seq DESC LIMIT 1) v
         JOIN events e ON e.rk = u.rk AND e.seq = v.seq) x";
pub(super) const THREADS: &str = "SELECT u.n, x.seq, x.at, x.number
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY u(rk, seq, as_of, n)
     CROSS JOIN LATERAL (
         SELECT e.seq, e.at, t.number FROM (
             SELECT t.seq, t.number FROM replies t
             WHERE t.rk = u.rk AND t.root = u.seq AND t.seq <= u.as_of
             ORDER BY t.seq DESC LIMIT 1) t
         JOIN events e ON e.rk = u.rk AND e.seq = t.seq) x";
/// The keys of each message, which of them are the reader's, and who has one.
pub(super) const KEYS: &str = "SELECT u.n, c.key, c.users
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY u(rk, seq, as_of, n)
     JOIN reaction_counts c ON c.rk = u.rk AND c.target = u.seq AND c.until > u.as_of
      AND c.since <= u.as_of
     ORDER BY u.n, c.first";
pub(super) const MINE: &str = "SELECT u.n, c.key
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY u(rk, seq, as_of, n)
     JOIN reactions c ON c.rk = u.rk AND c.target = u.seq AND c.user_id = $4 AND c.until > u.as_of
      AND c.since <= u.as_of";
/// Those whose reaction stands come in the order in which they came: all of them have the same `until`.
pub(super) const BY: &str = "SELECT u.n, c.key, b.user_id
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY u(rk, seq, as_of, n)
     JOIN reaction_counts c ON c.rk = u.rk AND c.target = u.seq AND c.until > u.as_of
      AND c.since <= u.as_of
     CROSS JOIN LATERAL (
         SELECT b.user_id, b.until, b.since FROM reactions b
         WHERE b.rk = u.rk AND b.target = u.seq AND b.key = c.key AND b.until > u.as_of
           AND b.since <= u.as_of
         ORDER BY b.until, b.since LIMIT $4) b
     ORDER BY u.n, c.key, b.until, b.since";

/// The events at these places, folded, in the same order.
pub(super) async fn events(
    s: &Session,
    reader: &UserId,
    places: &[Place],
) -> Result<Vec<Event>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let rks: Vec<i64> = places.iter().map(|place| place.rk).collect();
    let seqs: Vec<i64> = places.iter().map(|place| int(place.seq.get())).collect();
    let as_of: Vec<i64> = places.iter().map(|place| int(place.as_of.get())).collect();
    let at: Vec<(i64, i64)> = rks.iter().copied().zip(seqs.iter().copied()).collect();
    let (name, most) = (reader.as_str(), int(limits::REACTION_USERS as u64));
    let (plain, revisions, threads, keys, mine, by) = tokio::try_join!(
        read::plain_events(s, &at),
        async { s.query(REVISIONS, &[&rks, &seqs, &as_of]).await },
        async { s.query(THREADS, &[&rks, &seqs, &as_of]).await },
        async { s.query(KEYS, &[&rks, &seqs, &as_of]).await },
        async { s.query(MINE, &[&rks, &seqs, &as_of, &name]).await },
        async { s.query(BY, &[&rks, &seqs, &as_of, &most]).await },
    )?;
    let mut events = Vec::with_capacity(places.len());
    for (place, event) in places.iter().zip(plain) {
        let hole =
            || StoreError::Failed(format!("room {} has a hole at {}", place.room, place.seq));
        events.push((event.ok_or_else(hole)?.1, Fold::default()));
    }
    for row in &keys {
        let reactions =
            Reactions { key: row.try_get(1)?, count: count(row, 2)?, mine: false, by: Vec::new() };
        if let Some((_, fold)) = events.get_mut(index(row, 0)?) {
            fold.reactions.push(reactions);
        }
    }
    for row in &mine {
        if let Some(reactions) = of_key(&mut events, row)? {
            reactions.mine = true;
        }
    }
    for row in &by {
        let user = read::user(row, 2)?;
        if let Some(reactions) = of_key(&mut events, row)? {
            reactions.by.push(user);
        }
    }
    for row in &threads {
        let last = Change { seq: seq(row, 1)?, at: row.try_get(2)? };
        if let Some((_, fold)) = events.get_mut(index(row, 0)?) {
            fold.thread = Some(Thread { replies: count(row, 3)?, last });
        }
    }
    for row in &revisions {
        let change = Change { seq: seq(row, 1)?, at: row.try_get(2)? };
        let (kind, content) = (EventKind::from(row.try_get::<_, &str>(3)?), read::content(row, 4)?);
        if let Some((event, fold)) = events.get_mut(index(row, 0)?) {
            revise(event, fold, change, &kind, &content)?;
        }
    }
    Ok(events.into_iter().map(|(event, fold)| with(event, fold)).collect())
}

fn revise(
    event: &mut Event,
    fold: &mut Fold,
    change: Change,
    kind: &EventKind,
    content: &Content,
) -> Result<(), StoreError> {
    if *kind == EventKind::Delete {
        event.content = deleted(&event.content);
        fold.deleted = Some(change);
        fold.reactions.clear();
    } else {
        let broken = |error| StoreError::Failed(format!("an edit is none: {error}"));
        event.content = edited(&event.content, content).map_err(broken)?;
        fold.edited = Some(change);
    }
    Ok(())
}

fn with(mut event: Event, fold: Fold) -> Event {
    if event.kind == EventKind::Message && !fold.is_empty() {
        event.fold = Some(Box::new(fold));
    }
    event
}

fn of_key<'a>(
    events: &'a mut [(Event, Fold)],
    row: &tokio_postgres::Row,
) -> Result<Option<&'a mut Reactions>, StoreError> {
    let key: &str = row.try_get(1)?;
    let event = events.get_mut(index(row, 0)?);
    Ok(event.and_then(|(_, fold)| fold.reactions.iter_mut().find(|known| known.key == key)))
}

fn count(row: &tokio_postgres::Row, column: usize) -> Result<u32, StoreError> {
    Ok(row.try_get::<_, i32>(column)?.unsigned_abs())
}
