//! Who may only read in a room, and how often members may write there.

use tidewire_protocol::{
    EventKind, MemberChange, Mute, MuteChange, MutePage, MuteRequest, MutedUser, RoomId, SlowMode,
    UserId, limits,
};

use super::bans::moderated;
use super::connect::{Db, Session, Tx, int};
use super::read::{self, Membership};
use super::write::{State, Written, done, insert, membership, save_head, storable};
use crate::clock;
use crate::store::StoreError;
use crate::store::order::{check_mute, check_slow_mode, may_mute, mute_of, until_of};
use crate::store::rules::require_moderator;

/// Lets a member only read. What changes nothing writes nothing.
pub(super) async fn mute(
    db: &Db,
    room: RoomId,
    by: &UserId,
    user: &UserId,
    mute: &MuteRequest,
) -> Written<State> {
    let mut tx = db.begin().await?;
    let (mut row, own) = moderated(&tx, room, by).await?;
    check_mute(by, user, mute)?;
    storable(&[&mute.reason])?;
    let member = membership(&tx, row.rk, user).await?.filter(Membership::is_in);
    let Some(member) = member else {
        return Err(StoreError::InvalidContent("the user is not a member of the room".into()));
    };
    may_mute(own.role, Some(member.role))?;
    let until = until_of(mute, tx.now);
    let as_kept = (until, mute.reason.clone());
    if kept(&tx, row.rk, user).await?.is_none_or(|kept| kept != as_kept) {
        let now = Mute { until: mute_of(Some(until), tx.now).and_then(|mute| mute.until) };
        let change = MuteChange { user: user.clone(), mute: now };
        insert(&mut tx, &mut row, by, EventKind::MemberMuted, &change).await?;
        let sql = "INSERT INTO mutes(rk, user_id, by_user, at, until, reason)
                   VALUES($1, $2, $3, $4, $5, $6) ON CONFLICT(rk, user_id) DO UPDATE
                   SET by_user = excluded.by_user, at = excluded.at, until = excluded.until,
                       reason = excluded.reason";
        let (user, by, now) = (user.as_str(), by.as_str(), tx.now);
        tx.execute(sql, &[&row.rk, &user, &by, &now, &until, &mute.reason]).await?;
        save_head(&tx, &row).await?;
    }
    done(tx, row, by).await
}

/// Until when a user is muted, and why. The room is locked.
async fn kept(
    tx: &Tx,
    rk: i64,
    user: &UserId,
) -> Result<Option<(i64, Option<String>)>, StoreError> {
    let sql = "SELECT until, reason FROM mutes WHERE rk = $1 AND user_id = $2";
    let found = tx.optional(sql, &[&rk, &user.as_str()]).await?;
    found.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}

/// Lets a user write again. That a mute is over by time was no event, and its end is none.
pub(super) async fn unmute(db: &Db, room: RoomId, by: &UserId, user: &UserId) -> Written<State> {
    let mut tx = db.begin().await?;
    let (mut row, own) = moderated(&tx, room, by).await?;
    let member = membership(&tx, row.rk, user).await?.filter(Membership::is_in);
    may_mute(own.role, member.map(|member| member.role))?;
    if let Some((until, _)) = kept(&tx, row.rk, user).await? {
        if mute_of(Some(until), tx.now).is_some() {
            let change = MemberChange { user: user.clone() };
            insert(&mut tx, &mut row, by, EventKind::MemberUnmuted, &change).await?;
            save_head(&tx, &row).await?;
        }
        let sql = "DELETE FROM mutes WHERE rk = $1 AND user_id = $2";
        tx.execute(sql, &[&row.rk, &user.as_str()]).await?;
    }
    done(tx, row, by).await
}

/// A page of those who may only read.
pub(super) async fn page(
    s: &Session,
    room: RoomId,
    by: &UserId,
    after: Option<&UserId>,
) -> Result<MutePage, StoreError> {
    let (row, own) = read::seen_by(s, room, by).await?;
    if !own.is_in() {
        return Err(StoreError::NotAMember);
    }
    require_moderator(own.role)?;
    let sql = "SELECT user_id, by_user, at, until, reason FROM mutes
               WHERE rk = $1 AND user_id > $2 AND until > $3 ORDER BY user_id LIMIT $4";
    let (after, most) = (after.map_or("", UserId::as_str), int(limits::MEMBERS_PAGE as u64 + 1));
    let now = clock::now_ms();
    let mut mutes = Vec::new();
    for row in s.query(sql, &[&row.rk, &after, &now, &most]).await? {
        mutes.push(MutedUser {
            user: read::user(&row, 0)?,
            by: read::user(&row, 1)?,
            at: row.try_get(2)?,
            mute: mute_of(row.try_get(3)?, now).unwrap_or(Mute { until: None }),
            reason: row.try_get(4)?,
        });
    }
    let more = mutes.len() > limits::MEMBERS_PAGE;
    mutes.truncate(limits::MEMBERS_PAGE);
    let next = mutes.last().filter(|_| more).map(|muted| muted.user.clone());
    Ok(MutePage { mutes, next })
}

/// Says how often a member may write. What changes nothing writes nothing.
pub(super) async fn set_slow_mode(
    db: &Db,
    room: RoomId,
    by: &UserId,
    slow_mode: SlowMode,
) -> Written<State> {
    let mut tx = db.begin().await?;
    let (mut row, _) = moderated(&tx, room, by).await?;
    check_slow_mode(slow_mode)?;
    if row.slow_mode_ms != slow_mode.interval_ms {
        insert(&mut tx, &mut row, by, EventKind::RoomSlowMode, &slow_mode).await?;
        let interval = i32::try_from(slow_mode.interval_ms).unwrap_or(i32::MAX);
        let sql = "UPDATE rooms SET slow_mode_ms = $2 WHERE rk = $1";
        tx.execute(sql, &[&row.rk, &interval]).await?;
        if interval == 0 {
            tx.execute("DELETE FROM slow_writes WHERE rk = $1", &[&row.rk]).await?;
        }
        row.slow_mode_ms = slow_mode.interval_ms;
        save_head(&tx, &row).await?;
    }
    done(tx, row, by).await
}
