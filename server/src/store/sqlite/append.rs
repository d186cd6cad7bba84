//! How an event gets into the log of its room, once, and what a repeat is answered.

use rusqlite::OptionalExtension;
use tidewire_protocol::OpOutcome::Accepted;
use tidewire_protocol::{
    Content, ErrorCode, EventId, EventKind, Op, OpOutcome, OpResult, RoomId, Seq, UserId,
};

use super::blocks;
use super::changes;
use super::int;
use super::mutes;
use super::read::{self, Membership, RoomRow};
use super::search;
use super::uploads;
use super::writer::Tx;
use crate::store::blocks::{Apart, judge_block};
use crate::store::checked::{Checked, Effect, id_taken, payload_hash, refuse};
use crate::store::order::{is_paced, judge_mute, judge_pace};
use crate::store::rules::peer_of;
use crate::store::{Appended, StoreError};

pub(super) fn append(
    tx: &Tx<'_>,
    room: RoomId,
    sender: &UserId,
    ops: &[Checked],
) -> Result<Appended, StoreError> {
    let mut row = read::room_row(tx.conn, room)?.ok_or(StoreError::NotAMember)?;
    let member = read::membership(tx.conn, row.rk, sender)?.ok_or(StoreError::NotAMember)?;
    let joined = member.left_ord.is_none();
    let apart = match peer_of(row.pair.as_deref(), sender) {
        Some(peer) => blocks::apart(tx.conn, sender, &peer)?,
        None => Apart::No,
    };
    let mut results = Vec::with_capacity(ops.len());
    let mut fresh = 0;
    let mut refused = false;
    for checked in ops {
        let outcome = if refused {
            OpOutcome::NotTried
        } else if joined {
            append_one(tx, &mut row, (sender, &member, apart), checked, &mut fresh)?
        } else {
            repeat_of_former(tx, &row, sender, checked)?
        };
        refused |= matches!(outcome, OpOutcome::Refused { .. });
        results.push(OpResult { id: checked.op.id, outcome });
    }
    let repeats = matches!(results.first(), Some(OpResult { outcome: Accepted { .. }, .. }));
    if !joined && !repeats {
        return Err(StoreError::NotAMember);
    }
    // Repeats alone leave the disk in peace.
    if fresh > 0 {
        save_head(tx, &row)?;
    }
    Ok(Appended { results, fresh })
}

/// What the room has under the id of an operation.
enum Known {
    Nothing,
    /// The same operation of the same sender.
    Same {
        seq: Seq,
        at: i64,
    },
    Other,
}

fn look_up(
    tx: &Tx<'_>,
    row: &RoomRow,
    sender: &UserId,
    checked: &Checked,
) -> Result<Known, StoreError> {
    let known = tx
        .conn
        .prepare_cached("SELECT seq, at, sender, hash FROM events WHERE rk = ?1 AND id = ?2")?
        .query_row((row.rk, checked.op.id.uuid().as_bytes()), |found| {
            let same = found.get_ref(2)?.as_str()? == sender.as_str()
                && found.get_ref(3)?.as_blob()? == checked.hash.as_slice();
            Ok(if same {
                Known::Same { seq: read::seq(found, 0)?, at: found.get(1)? }
            } else {
                Known::Other
            })
        })
        .optional()?;
    Ok(known.unwrap_or(Known::Nothing))
}

fn append_one(
    tx: &Tx<'_>,
    row: &mut RoomRow,
    (sender, member, apart): (&UserId, &Membership, Apart),
    checked: &Checked,
    fresh: &mut usize,
) -> Result<OpOutcome, StoreError> {
    Ok(match (look_up(tx, row, sender, checked)?, &checked.invalid) {
        (Known::Same { seq, at }, _) => Accepted { seq, at },
        (Known::Other, _) => id_taken(),
        (Known::Nothing, Some(invalid)) => refuse(ErrorCode::InvalidContent, invalid.to_string()),
        (Known::Nothing, None) => {
            if let Err(error) = judge_mute(checked, member.mute_until, tx.now) {
                return Ok(OpOutcome::Refused { error });
            }
            if let Err(error) = judge_block(checked, apart) {
                return Ok(OpOutcome::Refused { error });
            }
            let role = member.role;
            let effect = match changes::judge(tx, row, sender, role, &checked.concern)? {
                Ok(effect) => effect,
                Err(error) => return Ok(OpOutcome::Refused { error }),
            };
            if let Err(error) = uploads::judge(tx, sender, &checked.files)? {
                return Ok(OpOutcome::Refused { error });
            }
            // Last: what can never be taken is not to wait first.
            if is_paced(checked, role, row.slow_mode_ms) {
                let last = mutes::last_write(tx, row, sender)?;
                if let Err(error) = judge_pace(row.slow_mode_ms, last, tx.now) {
                    return Ok(OpOutcome::Refused { error });
                }
                mutes::has_written(tx, row, sender)?;
            }
            let seq = insert(tx, row, sender, &checked.op, &checked.hash, effect.root())?;
            changes::keep(tx, row, sender, seq, &effect)?;
            uploads::list(tx, row.rk, seq, &checked.files)?;
            if let (Effect::Revision { target }, EventKind::Delete) = (&effect, &checked.op.kind) {
                uploads::unlist(tx, row.rk, *target)?;
            }
            match effect {
                Effect::Revision { target } => search::renew(tx, row.rk, row.id, target)?,
                _ if checked.op.kind == EventKind::Message => {
                    search::take_in(tx, row.head_ord, row.rk, sender, &checked.op.content)?;
                }
                _ => {}
            }
            for user in checked.mentions.iter().filter(|user| *user != sender) {
                tx.conn
                    .prepare_cached(
                        "INSERT OR IGNORE INTO mentions(rk, user, seq) VALUES(?1, ?2, ?3)",
                    )?
                    .execute((row.rk, user.as_str(), int(seq.get())))?;
            }
            *fresh += 1;
            Accepted { seq, at: tx.now }
        }
    })
}

/// The answer to somebody who is out by now: what was accepted before stays accepted, since its
/// answer may have been lost. Of what else is in the room he learns nothing.
fn repeat_of_former(
    tx: &Tx<'_>,
    row: &RoomRow,
    sender: &UserId,
    checked: &Checked,
) -> Result<OpOutcome, StoreError> {
    Ok(match look_up(tx, row, sender, checked)? {
        Known::Same { seq, at } => Accepted { seq, at },
        Known::Other | Known::Nothing => {
            refuse(ErrorCode::NotAMember, StoreError::NotAMember.to_string())
        }
    })
}

/// Writes an event at the head of its room. The caller saves the head.
fn insert(
    tx: &Tx<'_>,
    row: &mut RoomRow,
    sender: &UserId,
    Op { id, kind, content }: &Op,
    hash: &[u8; 32],
    root: Option<Seq>,
) -> Result<Seq, StoreError> {
    row.head_seq = row.head_seq.next();
    row.head_ord = tx.next_ord();
    tx.conn
        .prepare_cached(
            "INSERT INTO events(ord, rk, seq, id, sender, at, kind, content, hash, root)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            int(row.head_ord),
            row.rk,
            int(row.head_seq.get()),
            id.uuid().as_bytes(),
            sender.as_str(),
            tx.now,
            kind.as_str(),
            content.as_json(),
            hash,
            root.map(|root| int(root.get())),
        ))?;
    Ok(row.head_seq)
}

/// Writes an event of the server's own.
pub(super) fn insert_own<T: serde::Serialize>(
    tx: &Tx<'_>,
    row: &mut RoomRow,
    sender: &UserId,
    kind: EventKind,
    content: &T,
) -> Result<Seq, StoreError> {
    let content = Content::of(content)
        .map_err(|error| StoreError::Failed(format!("an event is no JSON: {error}")))?;
    let hash = payload_hash(&kind, &content);
    let id = EventId::from_uuid(uuid::Uuid::now_v7());
    insert(tx, row, sender, &Op { id, kind, content }, &hash, None)
}

pub(super) fn save_head(tx: &Tx<'_>, row: &RoomRow) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached(
            "UPDATE rooms SET head_seq = ?2, head_ord = ?3, members = ?4 WHERE rk = ?1",
        )?
        .execute((row.rk, int(row.head_seq.get()), int(row.head_ord), row.members))?;
    Ok(())
}
