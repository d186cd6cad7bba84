//! Tokens that were taken back.

use std::path::Path;

use rusqlite::Connection;

use super::{beside, int};
use crate::auth::{Mark, Revocation};
use crate::store::StoreError;

pub(super) fn put(conn: &Connection, revocation: &Revocation) -> Result<(), StoreError> {
    match revocation {
        Revocation::Token(id) => {
            let sql = "INSERT INTO revocations(token) SELECT ?1
                 WHERE NOT EXISTS (SELECT 1 FROM revocations WHERE token = ?1)";
            conn.prepare_cached(sql)?.execute([id])?;
        }
        Revocation::User { user, until } => {
            let until = int(*until);
            // Only the latest counts. A new row, so that it is seen to be new.
            let sql = "DELETE FROM revocations WHERE user = ?1 AND until <= ?2";
            conn.prepare_cached(sql)?.execute((user.as_str(), until))?;
            let sql = "INSERT INTO revocations(user, until) VALUES(?1, ?2)";
            conn.prepare_cached(sql)?.execute((user.as_str(), until))?;
        }
    }
    if let Revocation::User { user, until } = revocation {
        // Else they would get others at once.
        super::accounts::end_begun(conn, user, *until)?;
    }
    Ok(())
}

/// All of them, unless they are the ones of `known`.
pub(super) fn all(
    conn: &Connection,
    known: Mark,
) -> Result<Option<(Mark, Vec<Revocation>)>, StoreError> {
    let sql = "SELECT count(*), coalesce(max(n), 0) FROM revocations";
    let mark = conn.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if mark == known {
        return Ok(None);
    }
    let mut statement = conn.prepare_cached("SELECT token, user, until FROM revocations")?;
    let rows = statement.query_map([], |row| {
        let user: Option<String> = row.get(1)?;
        Ok((row.get::<_, Option<String>>(0)?, user, row.get::<_, i64>(2)?))
    })?;
    let mut all = Vec::new();
    for row in rows {
        let (token, user, until) = row?;
        let user = user.and_then(|user| user.parse().ok());
        all.extend(match (token, user) {
            (Some(id), _) => Some(Revocation::Token(id)),
            (None, Some(user)) => Some(Revocation::User { user, until: until.unsigned_abs() }),
            (None, None) => None,
        });
    }
    Ok(Some((mark, all)))
}

/// Writes one into a database that a server may be running on.
pub(crate) fn revoke_at(path: &Path, revocation: &Revocation) -> Result<(), String> {
    beside::write_at(path, |conn| put(conn, revocation))
}
