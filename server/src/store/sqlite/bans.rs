//! Who is kept out of a room.

use rusqlite::Connection;
use tidewire_protocol::{
    Ban, BanPage, BanRequest, EventKind, MemberChange, RoomId, RoomKind, RoomState, UserId, limits,
};

use super::append::{insert_own, save_head};
use super::int;
use super::read::{self, Membership, RoomRow};
use super::write::{member_room, take_out};
use super::writer::Tx;
use crate::store::rules::{FIXED, check_ban, may_send_away, require_moderator};
use crate::store::{EventJson, StoreError};

/// Whether a user may not be added.
pub(super) fn is_banned(tx: &Tx<'_>, rk: i64, user: &UserId) -> Result<bool, StoreError> {
    let banned = tx
        .conn
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM bans WHERE rk = ?1 AND user = ?2)")?
        .query_row((rk, user.as_str()), |found| found.get(0))?;
    Ok(banned)
}

/// A group in which `by` keeps order.
pub(super) fn moderated(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
) -> Result<(RoomRow, Membership), StoreError> {
    let (row, own) = member_room(tx, room, by)?;
    if row.kind == RoomKind::Direct {
        return Err(FIXED);
    }
    require_moderator(own.role)?;
    Ok((row, own))
}

/// Keeps a user out. The ban is told before the leave, so that it is the last but one that he hears of the
/// room. What changes nothing writes nothing.
pub(super) fn ban(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    user: &UserId,
    ban: &BanRequest,
) -> Result<RoomState<EventJson>, StoreError> {
    let (mut row, own) = moderated(tx, room, by)?;
    check_ban(by, user, ban)?;
    let member = read::membership(tx.conn, row.rk, user)?;
    let member = member.filter(|member| member.left_ord.is_none());
    may_send_away(own.role, member.as_ref().map(|member| member.role))?;
    if !is_banned(tx, row.rk, user)? {
        let change = MemberChange { user: user.clone() };
        insert_own(tx, &mut row, by, EventKind::MemberBanned, &change)?;
        tx.conn
            .prepare_cached(
                "INSERT INTO bans(rk, user, by, at, reason) VALUES(?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((row.rk, user.as_str(), by.as_str(), tx.now, &ban.reason))?;
        if let Some(member) = member {
            take_out(tx, &mut row, by, user, member.role)?;
        }
        save_head(tx, &row)?;
    }
    read::state(tx.conn, &row, by)
}

/// Keeps a user out no more.
pub(super) fn unban(
    tx: &Tx<'_>,
    room: RoomId,
    by: &UserId,
    user: &UserId,
) -> Result<RoomState<EventJson>, StoreError> {
    let (mut row, _) = moderated(tx, room, by)?;
    let lifted = tx
        .conn
        .prepare_cached("DELETE FROM bans WHERE rk = ?1 AND user = ?2")?
        .execute((row.rk, user.as_str()))?;
    if lifted > 0 {
        let change = MemberChange { user: user.clone() };
        insert_own(tx, &mut row, by, EventKind::MemberUnbanned, &change)?;
        save_head(tx, &row)?;
    }
    read::state(tx.conn, &row, by)
}

/// A page of those who are kept out.
pub(super) fn page(
    conn: &Connection,
    room: RoomId,
    by: &UserId,
    after: Option<&UserId>,
) -> Result<BanPage, StoreError> {
    let (row, own) = read::seen_by(conn, room, by)?;
    if own.left_ord.is_some() {
        return Err(StoreError::NotAMember);
    }
    require_moderator(own.role)?;
    let bans: Result<Vec<Ban>, rusqlite::Error> = conn
        .prepare_cached(
            "SELECT user, by, at, reason FROM bans WHERE rk = ?1 AND user > ?2
             ORDER BY user LIMIT ?3",
        )?
        .query_map(
            (row.rk, after.map_or("", UserId::as_str), int(limits::MEMBERS_PAGE as u64 + 1)),
            |row| {
                Ok(Ban {
                    user: read::user(row, 0)?,
                    by: read::user(row, 1)?,
                    at: row.get(2)?,
                    reason: row.get(3)?,
                })
            },
        )?
        .collect();
    let mut bans = bans?;
    let more = bans.len() > limits::MEMBERS_PAGE;
    bans.truncate(limits::MEMBERS_PAGE);
    let next = bans.last().filter(|_| more).map(|ban| ban.user.clone());
    Ok(BanPage { bans, next })
}
