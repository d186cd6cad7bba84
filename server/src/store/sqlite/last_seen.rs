//! When users were last seen.

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::UserId;

use super::writer::Tx;
use crate::store::StoreError;

pub(super) fn put(tx: &Tx<'_>, seen: &[(UserId, i64)]) -> Result<(), StoreError> {
    let mut statement = tx.conn.prepare_cached(
        "INSERT INTO last_seen(user, at) VALUES(?1, ?2)
         ON CONFLICT(user) DO UPDATE SET at = excluded.at WHERE excluded.at > at",
    )?;
    for (user, at) in seen {
        statement.execute((user.as_str(), at))?;
    }
    Ok(())
}

pub(super) fn of(conn: &Connection, users: &[UserId]) -> Result<Vec<Option<i64>>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT at FROM last_seen WHERE user = ?1")?;
    let mut seen = Vec::with_capacity(users.len());
    for user in users {
        seen.push(statement.query_row([user.as_str()], |row| row.get(0)).optional()?);
    }
    Ok(seen)
}
