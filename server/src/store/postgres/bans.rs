//! Who is kept out of a room.

use tidewire_protocol::{
    Ban, BanPage, BanRequest, EventKind, MemberChange, RoomId, RoomKind, UserId, limits,
};

use super::connect::{Db, Session, Tx, int};
use super::read::{self, Membership, RoomRow};
use super::write::{
    State, Written, done, insert, member_room, membership, save_head, storable, take_out,
};
use crate::store::StoreError;
use crate::store::rules::{FIXED, check_ban, may_send_away, require_moderator};

/// Whether a user may not be added. The room is locked.
pub(super) async fn is_banned(tx: &Tx, rk: i64, user: &UserId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM bans WHERE rk = $1 AND user_id = $2";
    Ok(tx.optional(sql, &[&rk, &user.as_str()]).await?.is_some())
}

/// A group in which `by` keeps order, locked.
pub(super) async fn moderated(
    tx: &Tx,
    room: RoomId,
    by: &UserId,
) -> Result<(RoomRow, Membership), StoreError> {
    let (row, own) = member_room(tx, room, by).await?;
    if row.kind == RoomKind::Direct {
        return Err(FIXED);
    }
    require_moderator(own.role)?;
    Ok((row, own))
}

/// Keeps a user out. The ban is told before the leave, so that it is the last but one that he hears of the
/// room. What changes nothing writes nothing.
pub(super) async fn ban(
    db: &Db,
    room: RoomId,
    by: &UserId,
    user: &UserId,
    ban: &BanRequest,
) -> Written<State> {
    let mut tx = db.begin().await?;
    let (mut row, own) = moderated(&tx, room, by).await?;
    check_ban(by, user, ban)?;
    storable(&[&ban.reason])?;
    let member = membership(&tx, row.rk, user).await?.filter(Membership::is_in);
    may_send_away(own.role, member.as_ref().map(|member| member.role))?;
    if !is_banned(&tx, row.rk, user).await? {
        let change = MemberChange { user: user.clone() };
        insert(&mut tx, &mut row, by, EventKind::MemberBanned, &change).await?;
        let sql = "INSERT INTO bans(rk, user_id, by_user, at, reason) VALUES($1, $2, $3, $4, $5)";
        let now = tx.now;
        tx.execute(sql, &[&row.rk, &user.as_str(), &by.as_str(), &now, &ban.reason]).await?;
        if let Some(member) = member {
            take_out(&mut tx, &mut row, by, user, member.role).await?;
        }
        save_head(&tx, &row).await?;
    }
    done(tx, row, by).await
}

/// Keeps a user out no more.
pub(super) async fn unban(db: &Db, room: RoomId, by: &UserId, user: &UserId) -> Written<State> {
    let mut tx = db.begin().await?;
    let (mut row, _) = moderated(&tx, room, by).await?;
    if is_banned(&tx, row.rk, user).await? {
        let change = MemberChange { user: user.clone() };
        insert(&mut tx, &mut row, by, EventKind::MemberUnbanned, &change).await?;
        let sql = "DELETE FROM bans WHERE rk = $1 AND user_id = $2";
        tx.execute(sql, &[&row.rk, &user.as_str()]).await?;
        save_head(&tx, &row).await?;
    }
    done(tx, row, by).await
}

/// A page of those who are kept out.
pub(super) async fn page(
    s: &Session,
    room: RoomId,
    by: &UserId,
    after: Option<&UserId>,
) -> Result<BanPage, StoreError> {
    let (row, own) = read::seen_by(s, room, by).await?;
    if !own.is_in() {
        return Err(StoreError::NotAMember);
    }
    require_moderator(own.role)?;
    let sql = "SELECT user_id, by_user, at, reason FROM bans
               WHERE rk = $1 AND user_id > $2 ORDER BY user_id LIMIT $3";
    let (after, most) = (after.map_or("", UserId::as_str), int(limits::MEMBERS_PAGE as u64 + 1));
    let mut bans = Vec::new();
    for row in s.query(sql, &[&row.rk, &after, &most]).await? {
        bans.push(Ban {
            user: read::user(&row, 0)?,
            by: read::user(&row, 1)?,
            at: row.try_get(2)?,
            reason: row.try_get(3)?,
        });
    }
    let more = bans.len() > limits::MEMBERS_PAGE;
    bans.truncate(limits::MEMBERS_PAGE);
    let next = bans.last().filter(|_| more).map(|ban| ban.user.clone());
    Ok(BanPage { bans, next })
}
