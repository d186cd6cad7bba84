//! Who may only read in a room, and how often members may write there.

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::{
    EventKind, MemberChange, Mute, MuteChange, MutePage, MuteRequest, MutedUser, RoomId, RoomState,
    SlowMode, UserId, limits,
};

use super::append::{insert_own, save_head};
use super::bans::moderated;
use super::int;
use super::read::{self, RoomRow};
use super::writer::Tx;
use crate::clock;
use crate::store::order::{check_mute, check_slow_mode, may_mute, mute_of, until_of};
use crate::store::rules::require_moderator;
use crate::store::{EventJson, StoreError};

/// Lets a member only read. What changes nothing writes nothing.
pub(super) fn mute(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    user: &UserId,
    mute: &MuteRequest,
) -> Result<RoomState<EventJson>, StoreError> {
    let (mut row, own) = moderated(tx, room, by)?;
    check_mute(by, user, mute)?;
    let member = read::membership(tx.conn, row.rk, user)?;
    let Some(member) = member.filter(|member| member.left_ord.is_none()) else {
        return Err(StoreError::InvalidContent("the user is not a member of the room".into()));
    };
    may_mute(own.role, Some(member.role))?;
    let until = until_of(mute, tx.now);
    let as_kept = (until, mute.reason.clone());
    if kept(tx, row.rk, user)?.is_none_or(|kept| kept != as_kept) {
        let now = Mute { until: mute_of(Some(until), tx.now).and_then(|mute| mute.until) };
        let change = MuteChange { user: user.clone(), mute: now };
        insert_own(tx, &mut row, by, EventKind::MemberMuted, &change)?;
        tx.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO mutes(rk, user, by, at, until, reason)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute((row.rk, user.as_str(), by.as_str(), tx.now, until, &mute.reason))?;
        save_head(tx, &row)?;
    }
    read::state(tx.conn, &row, by)
}

/// Until when a user is muted, and why.
fn kept(tx: &Tx<'_>, rk: i64, user: &UserId) -> Result<Option<(i64, Option<String>)>, StoreError> {
    let kept = tx
        .conn
        .prepare_cached("SELECT until, reason FROM mutes WHERE rk = ?1 AND user = ?2")?
        .query_row((rk, user.as_str()), |found| Ok((found.get(0)?, found.get(1)?)))
        .optional()?;
    Ok(kept)
}

/// Lets a user write again. That a mute is over by time was no event, and its end is none.
pub(super) fn unmute(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    user: &UserId,
) -> Result<RoomState<EventJson>, StoreError> {
    let (mut row, own) = moderated(tx, room, by)?;
    let member = read::membership(tx.conn, row.rk, user)?;
    let member = member.filter(|member| member.left_ord.is_none());
    may_mute(own.role, member.map(|member| member.role))?;
    if let Some((until, _)) = kept(tx, row.rk, user)? {
        tx.conn
            .prepare_cached("DELETE FROM mutes WHERE rk = ?1 AND user = ?2")?
            .execute((row.rk, user.as_str()))?;
        if mute_of(Some(until), tx.now).is_some() {
            let change = MemberChange { user: user.clone() };
            insert_own(tx, &mut row, by, EventKind::MemberUnmuted, &change)?;
            save_head(tx, &row)?;
        }
    }
    read::state(tx.conn, &row, by)
}

/// A page of those who may only read.
pub(super) fn page(
    conn: &Connection,
    room: RoomId,
    by: &UserId,
    after: Option<&UserId>,
) -> Result<MutePage, StoreError> {
    let (row, own) = read::seen_by(conn, room, by)?;
    if own.left_ord.is_some() {
        return Err(StoreError::NotAMember);
    }
    require_moderator(own.role)?;
    let now = clock::now_ms();
    let mutes: Result<Vec<MutedUser>, rusqlite::Error> = conn
        .prepare_cached(
            "SELECT user, by, at, until, reason FROM mutes
             WHERE rk = ?1 AND user > ?2 AND until > ?3 ORDER BY user LIMIT ?4",
        )?
        .query_map(
            (row.rk, after.map_or("", UserId::as_str), now, int(limits::MEMBERS_PAGE as u64 + 1)),
            |row| {
                Ok(MutedUser {
                    user: read::user(row, 0)?,
                    by: read::user(row, 1)?,
                    at: row.get(2)?,
                    mute: mute_of(row.get(3)?, now).unwrap_or(Mute { until: None }),
                    reason: row.get(4)?,
                })
            },
        )?
        .collect();
    let mut mutes = mutes?;
    let more = mutes.len() > limits::MEMBERS_PAGE;
    mutes.truncate(limits::MEMBERS_PAGE);
    let next = mutes.last().filter(|_| more).map(|muted| muted.user.clone());
    Ok(MutePage { mutes, next })
}

/// Says how often a member may write. What changes nothing writes nothing.
pub(super) fn set_slow_mode(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    slow_mode: SlowMode,
) -> Result<RoomState<EventJson>, StoreError> {
    let (mut row, _) = moderated(tx, room, by)?;
    check_slow_mode(slow_mode)?;
    if row.slow_mode_ms != slow_mode.interval_ms {
        insert_own(tx, &mut row, by, EventKind::RoomSlowMode, &slow_mode)?;
        tx.conn
            .prepare_cached("UPDATE rooms SET slow_mode_ms = ?2 WHERE rk = ?1")?
            .execute((row.rk, slow_mode.interval_ms))?;
        if slow_mode.interval_ms == 0 {
            tx.conn.prepare_cached("DELETE FROM slow_writes WHERE rk = ?1")?.execute([row.rk])?;
        }
        row.slow_mode_ms = slow_mode.interval_ms;
        save_head(tx, &row)?;
    }
    read::state(tx.conn, &row, by)
}

/// When a member last wrote in a slow room.
pub(super) fn last_write(
    tx: &Tx<'_>,
    row: &RoomRow,
    sender: &UserId,
) -> Result<Option<i64>, StoreError> {
    let last = tx
        .conn
        .prepare_cached("SELECT at FROM slow_writes WHERE rk = ?1 AND user = ?2")?
        .query_row((row.rk, sender.as_str()), |found| found.get(0))
        .optional()?;
    Ok(last)
}

/// A member writes in a slow room.
pub(super) fn has_written(tx: &Tx<'_>, row: &RoomRow, sender: &UserId) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached("INSERT OR REPLACE INTO slow_writes(rk, user, at) VALUES(?1, ?2, ?3)")?
        .execute((row.rk, sender.as_str(), tx.now))?;
    Ok(())
}
