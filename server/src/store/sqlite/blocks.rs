//! Whom users have blocked: a list of each user's, known to him alone.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::{BlockList, UserId};

use super::int;
use super::read;
use super::writer::Tx;
use crate::store::blocks::{Apart, change_of_list, changed, check_block};
use crate::store::{Entry, News, StoreError};

/// Blocks somebody, or ends that.
pub(super) fn set(
    tx: &Tx<'_>,
    user: &UserId,
    other: UserId,
    blocked: bool,
    version: Option<u64>,
) -> Result<BlockList, StoreError> {
    check_block(user, &other)?;
    let list = list(tx.conn, user)?;
    let Some((version, changes)) = change_of_list(&list, &other, blocked, version)? else {
        return Ok(list);
    };
    tx.conn
        .prepare_cached(
            "INSERT OR REPLACE INTO block_lists(user, ord, version) VALUES(?1, ?2, ?3)",
        )?
        .execute((user.as_str(), int(tx.next_ord()), int(version)))?;
    if changes {
        let sql = match blocked {
            true => "INSERT INTO blocks(user, blocked) VALUES(?1, ?2)",
            false => "DELETE FROM blocks WHERE user = ?1 AND blocked = ?2",
        };
        tx.conn.prepare_cached(sql)?.execute((user.as_str(), other.as_str()))?;
    }
    Ok(changed(list, other, blocked, version))
}

/// Whom a user has blocked.
pub(super) fn list(conn: &Connection, user: &UserId) -> Result<BlockList, rusqlite::Error> {
    let version = conn
        .prepare_cached("SELECT version FROM block_lists WHERE user = ?1")?
        .query_row([user.as_str()], |row| read::number(row, 0))
        .optional()?;
    let Some(version) = version else { return Ok(BlockList::default()) };
    Ok(BlockList { version, users: users(conn, user)? })
}

fn users(conn: &Connection, user: &UserId) -> Result<Vec<UserId>, rusqlite::Error> {
    conn.prepare_cached("SELECT blocked FROM blocks WHERE user = ?1 ORDER BY blocked")?
        .query_map([user.as_str()], |row| read::user(row, 0))?
        .collect()
}

/// Whom each of these users has blocked.
pub(super) fn lists(conn: &Connection, users: &[UserId]) -> Result<Vec<BlockList>, StoreError> {
    Ok(users.iter().map(|user| list(conn, user)).collect::<Result<_, _>>()?)
}

/// Whether one of the two has blocked the other, as `user` may know it.
pub(super) fn apart(
    conn: &Connection,
    user: &UserId,
    other: &UserId,
) -> Result<Apart, rusqlite::Error> {
    let mut has = conn.prepare_cached("SELECT 1 FROM blocks WHERE user = ?1 AND blocked = ?2")?;
    let own = has.exists((user.as_str(), other.as_str()))?;
    Ok(Apart::of(own, has.exists((other.as_str(), user.as_str()))?))
}

/// The list of a user, and where it stands, if it has changed after `ord`.
pub(super) fn news(
    conn: &Connection,
    user: &UserId,
    ord: u64,
) -> Result<Option<(u64, BlockList)>, rusqlite::Error> {
    let found = conn
        .prepare_cached("SELECT ord FROM block_lists WHERE user = ?1 AND ord > ?2")?
        .query_row((user.as_str(), int(ord)), |row| read::number(row, 0))
        .optional()?;
    found.map(|ord| Ok((ord, list(conn, user)?))).transpose()
}

/// The lists of all users that changed after `ord`, the first `limit` of them.
pub(super) fn log_after(
    conn: &Connection,
    ord: u64,
    limit: usize,
) -> Result<Vec<Entry>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT ord, user, version FROM block_lists WHERE ord > ?1 ORDER BY ord LIMIT ?2",
    )?
    .query_map((int(ord), int(limit as u64)), |row| {
        let user = read::user(row, 1)?;
        let list = BlockList { version: read::number(row, 2)?, users: users(conn, &user)? };
        let news = News::Blocks(user, Arc::new(list));
        Ok(Entry { shard: 0, ord: read::number(row, 0)?, room: None, news })
    })?
    .collect()
}
