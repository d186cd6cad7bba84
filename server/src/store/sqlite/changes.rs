//! What changes a message: edits, deletions, reactions, replies in its thread. Whether one may be
//! written is judged in the transaction that writes it; what is kept of it makes folding a message a
//! few looks into indexes, whatever has happened to the room: see `fold`.

use rusqlite::OptionalExtension;
use tidewire_protocol::{EventId, Role, Seq, UserId, WireError};

use super::int;
use super::read::{self, RoomRow};
use super::writer::Tx;
use crate::store::StoreError;
use crate::store::checked::{Concern, Effect, Facts, Named, STANDING};

/// The message of this id, as far as it matters to what names it.
fn named(tx: &Tx<'_>, row: &RoomRow, id: EventId) -> Result<Option<Named>, StoreError> {
    let found = tx
        .conn
        .prepare_cached(
            "SELECT seq, sender, root IS NOT NULL FROM events
             WHERE rk = ?1 AND id = ?2 AND kind = 'message'",
        )?
        .query_row((row.rk, id.uuid().as_bytes()), |found| {
            Ok(Named {
                seq: read::seq(found, 0)?,
                sender: read::user(found, 1)?,
                in_thread: found.get(2)?,
                deleted: false,
            })
        })
        .optional()?;
    let Some(mut named) = found else { return Ok(None) };
    named.deleted = is_deleted(tx, row, named.seq)?;
    Ok(Some(named))
}

fn is_deleted(tx: &Tx<'_>, row: &RoomRow, target: Seq) -> Result<bool, StoreError> {
    // After a deletion nothing more is taken, so that it is the last revision.
    let last = tx
        .conn
        .prepare_cached(
            "SELECT e.kind = 'delete' FROM revisions v JOIN events e ON e.rk = v.rk AND e.seq = v.seq
             WHERE v.rk = ?1 AND v.target = ?2 ORDER BY v.seq DESC LIMIT 1",
        )?
        .query_row((row.rk, int(target.get())), |found| found.get(0))
        .optional()?;
    Ok(last.unwrap_or(false))
}

/// Whether the operation of a member may be written, and what it then changes.
pub(super) fn judge<'a>(
    tx: &Tx<'_>,
    row: &RoomRow,
    sender: &UserId,
    role: Role,
    concern: &'a Concern,
) -> Result<Result<Effect<'a>, WireError>, StoreError> {
    let mut facts = Facts::default();
    if let Some(quoted) = concern.quoted() {
        facts.quoted = named(tx, row, quoted)?;
    }
    if let Some(target) = concern.target() {
        facts.target = named(tx, row, target)?;
    }
    if let (Concern::Reaction { key, .. }, Some(target)) = (concern, &facts.target) {
        let target = target.seq;
        facts.has = tx
            .conn
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM reactions WHERE rk = ?1 AND target = ?2
                 AND user = ?3 AND until = ?4 AND key = ?5)",
            )?
            .query_row((row.rk, int(target.get()), sender.as_str(), STANDING, key), |found| {
                found.get(0)
            })?;
        facts.standing = standing(tx, row, target, key)?;
        facts.keys = keys(tx, row, target)?;
    }
    Ok(concern.judge(sender, role, row.kind, &facts))
}

/// How many users have the key on a message now, and since when it is there.
fn standing(
    tx: &Tx<'_>,
    row: &RoomRow,
    target: Seq,
    key: &str,
) -> Result<Option<(u32, Seq)>, StoreError> {
    let found = tx
        .conn
        .prepare_cached(
            "SELECT users, first FROM reaction_counts
             WHERE rk = ?1 AND target = ?2 AND until = ?3 AND key = ?4",
        )?
        .query_row((row.rk, int(target.get()), STANDING, key), |found| {
            Ok((found.get(0)?, read::seq(found, 1)?))
        })
        .optional()?;
    Ok(found)
}

/// How many different keys a message has now.
fn keys(tx: &Tx<'_>, row: &RoomRow, target: Seq) -> Result<usize, StoreError> {
    let keys: i64 = tx
        .conn
        .prepare_cached(
            "SELECT count(*) FROM reaction_counts WHERE rk = ?1 AND target = ?2 AND until = ?3",
        )?
        .query_row((row.rk, int(target.get()), STANDING), |found| found.get(0))?;
    Ok(usize::try_from(keys).unwrap_or(usize::MAX))
}

/// Keeps what the event at `seq` has changed.
pub(super) fn keep(
    tx: &Tx<'_>,
    row: &RoomRow,
    sender: &UserId,
    seq: Seq,
    effect: &Effect<'_>,
) -> Result<(), StoreError> {
    let at = int(seq.get());
    match effect {
        Effect::Nothing => {}
        Effect::Reply { root } => {
            // Numbered, so that the last one up to a seq says how many there are.
            tx.conn
                .prepare_cached(
                    "INSERT INTO replies(rk, root, seq, number) VALUES(?1, ?2, ?3, 1 + coalesce(
                         (SELECT number FROM replies WHERE rk = ?1 AND root = ?2
                          ORDER BY seq DESC LIMIT 1), 0))",
                )?
                .execute((row.rk, int(root.get()), at))?;
        }
        Effect::Revision { target } => {
            tx.conn
                .prepare_cached("INSERT INTO revisions(rk, target, seq) VALUES(?1, ?2, ?3)")?
                .execute((row.rk, int(target.get()), at))?;
        }
        Effect::Reaction { target, key, standing, removed } => {
            let target = int(target.get());
            if *removed {
                tx.conn
                    .prepare_cached(
                        "UPDATE reactions SET until = ?6 WHERE rk = ?1 AND target = ?2 AND user = ?3
                         AND until = ?4 AND key = ?5",
                    )?
                    .execute((row.rk, target, sender.as_str(), STANDING, key, at))?;
            } else {
                tx.conn
                    .prepare_cached(
                        "INSERT INTO reactions(rk, target, user, until, key, since)
                         VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
                    )?
                    .execute((row.rk, target, sender.as_str(), STANDING, key, at))?;
            }
            let (users, first) = standing.unwrap_or((0, seq));
            if standing.is_some() {
                tx.conn
                    .prepare_cached(
                        "UPDATE reaction_counts SET until = ?5
                         WHERE rk = ?1 AND target = ?2 AND until = ?3 AND key = ?4",
                    )?
                    .execute((row.rk, target, STANDING, key, at))?;
            }
            let users = if *removed { users.saturating_sub(1) } else { users.saturating_add(1) };
            if users > 0 {
                tx.conn
                    .prepare_cached(
                        "INSERT INTO reaction_counts(rk, target, until, key, since, first, users)
                         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute((row.rk, target, STANDING, key, at, int(first.get()), users))?;
            }
        }
    }
    Ok(())
}
