//! Whom users have blocked: a list of each user's, known to him alone.
//!
//! Whoever blocks somebody holds the room of the two, and its absence: what is written there, or whether there is to be
//! one, is judged either before or after.

use std::sync::Arc;

use tidewire_protocol::{BlockList, RoomKind, UserId};

use super::connect::{Db, Session, Tx, int, number, shard, small};
use super::read;
use super::shard_of_user;
use super::write::Written;
use crate::store::blocks::{Apart, change_of_list, changed, check_block};
use crate::store::rules::pair_of;
use crate::store::{Entry, News, Ords, StoreError};

/// Blocks somebody, or ends that.
pub(super) async fn set(
    db: &Db,
    user: &UserId,
    other: UserId,
    blocked: bool,
    version: Option<u64>,
) -> Written<BlockList> {
    check_block(user, &other)?;
    let mut tx = db.begin().await?;
    if let Some(pair) = pair_of(RoomKind::Direct, &[user.clone(), other.clone()]) {
        lock_pair(&tx, &pair).await?;
        let sql = "SELECT 1 FROM rooms WHERE pair = $1 FOR NO KEY UPDATE";
        tx.query(sql, &[&pair]).await?;
    }
    let home = small(shard_of_user(user));
    // The row is there before it is read, so that the next one waits here.
    let sql = "INSERT INTO block_lists(user_id, shard, ord, version) VALUES($1, $2, 0, 0)
               ON CONFLICT(user_id) DO UPDATE SET version = block_lists.version
               RETURNING shard, version";
    let row = tx.one(sql, &[&user.as_str(), &home]).await?;
    let home = shard(&row, 0)?;
    let list = BlockList { version: number(&row, 1)?, users: users(&tx, user).await? };
    let Some((version, changes)) = change_of_list(&list, &other, blocked, version)? else {
        return Ok((list, Vec::new()));
    };
    if changes {
        let sql = match blocked {
            true => "INSERT INTO blocks(user_id, blocked) VALUES($1, $2)",
            false => "DELETE FROM blocks WHERE user_id = $1 AND blocked = $2",
        };
        tx.execute(sql, &[&user.as_str(), &other.as_str()]).await?;
    }
    let ord = int(tx.next_ord(home).await?);
    let sql = "UPDATE block_lists SET ord = $2, version = $3 WHERE user_id = $1";
    tx.execute(sql, &[&user.as_str(), &ord, &int(version)]).await?;
    Ok((changed(list, other, blocked, version), tx.commit().await?))
}

/// Holds a pair until the commit, whether or not it has a room.
pub(super) async fn lock_pair(tx: &Tx, pair: &str) -> Result<(), StoreError> {
    tx.query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", &[&pair]).await?;
    Ok(())
}

async fn users(s: &Session, user: &UserId) -> Result<Vec<UserId>, StoreError> {
    let sql = "SELECT blocked FROM blocks WHERE user_id = $1 ORDER BY blocked";
    s.query(sql, &[&user.as_str()]).await?.iter().map(|row| read::user(row, 0)).collect()
}

/// Whom each of these users has blocked.
pub(super) async fn lists(s: &Session, users: &[UserId]) -> Result<Vec<BlockList>, StoreError> {
    let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let sql = "SELECT u.n, l.version,
                   array(SELECT b.blocked FROM blocks b WHERE b.user_id = l.user_id ORDER BY b.blocked)
               FROM unnest($1::text[]) WITH ORDINALITY u(user_id, n)
               JOIN block_lists l ON l.user_id = u.user_id";
    let mut lists: Vec<BlockList> = users.iter().map(|_| BlockList::default()).collect();
    for row in s.query(sql, &[&names]).await? {
        if let Some(list) = lists.get_mut(read::index(&row, 0)?) {
            *list = list_from(&row, 1)?;
        }
    }
    Ok(lists)
}

fn list_from(row: &tokio_postgres::Row, at: usize) -> Result<BlockList, StoreError> {
    let names: Vec<&str> = row.try_get(at + 1)?;
    let broken = |error| StoreError::Failed(format!("a blocked user is none: {error}"));
    let users: Result<Vec<UserId>, _> = names.into_iter().map(UserId::new).collect();
    Ok(BlockList { version: number(row, at)?, users: users.map_err(broken)? })
}

/// Of each of these, whether one of the two has blocked the other, as `user` may know it.
pub(super) async fn apart(
    tx: &Tx,
    user: &UserId,
    others: &[&UserId],
) -> Result<Vec<Apart>, StoreError> {
    let names: Vec<&str> = others.iter().map(|other| other.as_str()).collect();
    let sql = "SELECT EXISTS(SELECT 1 FROM blocks b WHERE b.user_id = $1 AND b.blocked = u.other),
                   EXISTS(SELECT 1 FROM blocks b WHERE b.user_id = u.other AND b.blocked = $1)
               FROM unnest($2::text[]) WITH ORDINALITY u(other, n) ORDER BY u.n";
    let rows = tx.query(sql, &[&user.as_str(), &names]).await?;
    rows.iter().map(|row| Ok(Apart::of(row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The list of a user, if it has changed after the place in its shard.
pub(super) const NEWS: &str = "SELECT l.shard, l.ord, l.version,
         array(SELECT b.blocked FROM blocks b WHERE b.user_id = l.user_id ORDER BY b.blocked)
     FROM block_lists l WHERE l.user_id = $1 AND l.ord > ($2::bigint[])[l.shard + 1]";

pub(super) async fn news(
    s: &Session,
    user: &UserId,
    from: &Ords,
) -> Result<Option<(usize, u64, BlockList)>, StoreError> {
    let from: Vec<i64> = from.iter().map(int).collect();
    let found = s.optional(NEWS, &[&user.as_str(), &from]).await?;
    found.map(|row| Ok((shard(&row, 0)?, number(&row, 1)?, list_from(&row, 2)?))).transpose()
}

/// The lists of all users that come next in a shard.
pub(super) const LOG: &str = "SELECT l.user_id, l.ord, l.version,
         array(SELECT b.blocked FROM blocks b WHERE b.user_id = l.user_id ORDER BY b.blocked)
     FROM block_lists l WHERE l.shard = $1 AND l.ord > $2 ORDER BY l.ord LIMIT $3";

/// What [`LOG`] has found, as it stands in the log.
pub(super) fn entry(row: &tokio_postgres::Row, shard: usize) -> Result<Entry, StoreError> {
    let news = News::Blocks(read::user(row, 0)?, Arc::new(list_from(row, 2)?));
    Ok(Entry { shard, ord: number(row, 1)?, room: None, news })
}
