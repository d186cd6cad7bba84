//! Accounts and their sessions.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row};
use tidewire_protocol::{Profile, ProfileUpdate, Session, SessionId, UserId, limits};
use uuid::Uuid;

use super::write::set_profile;
use super::writer::Tx;
use super::{SqliteStore, beside, int};
use crate::auth::Mark;
use crate::clock;
use crate::store::StoreError;
use crate::store::accounts::{
    AccountRow, AccountStore, FIRST, Held, NewSessionRow, Presented, Refreshed, Verdict,
};

#[async_trait]
impl AccountStore for SqliteStore {
    async fn create_account(
        &self,
        user: UserId,
        password: String,
        name: Option<String>,
    ) -> Result<Profile, StoreError> {
        self.write(move |tx| create(tx, &user, &password, name)).await
    }

    async fn account(&self, user: UserId) -> Result<Option<AccountRow>, StoreError> {
        self.read(move |conn| of(conn, &user)).await
    }

    async fn set_password(
        &self,
        user: UserId,
        version: i64,
        password: String,
        keep: Option<SessionId>,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| set_password(tx, &user, version, &password, keep)).await
    }

    async fn begin_session(
        &self,
        new: NewSessionRow,
        version: i64,
        rehashed: Option<String>,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| begin(tx, &new, version, rehashed.as_deref())).await
    }

    async fn refresh_session(&self, presented: Presented) -> Result<Refreshed, StoreError> {
        self.write(move |tx| refresh(tx, &presented)).await
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<(), StoreError> {
        self.write(move |tx| end(tx, &user, id)).await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        self.read(move |conn| list(conn, &user)).await
    }

    async fn sessions_shown(&self, seen: Vec<(SessionId, u32)>) -> Result<(), StoreError> {
        self.write(move |tx| shown(tx, &seen)).await
    }

    async fn ended_sessions(
        &self,
        known: Mark,
        since: i64,
    ) -> Result<Option<(Mark, Vec<SessionId>)>, StoreError> {
        self.read(move |conn| ended(conn, known, since)).await
    }

    async fn forget_sessions(&self, before: i64) -> Result<(), StoreError> {
        self.write(move |tx| forget(tx, before)).await
    }
}

fn create(
    tx: &Tx<'_>,
    user: &UserId,
    password: &str,
    name: Option<String>,
) -> Result<Profile, StoreError> {
    // Somebody with a token of others is that user already: nobody takes his place.
    let here = "SELECT EXISTS(SELECT 1 FROM accounts WHERE user = ?1)
             OR EXISTS(SELECT 1 FROM last_seen WHERE user = ?1)
             OR EXISTS(SELECT 1 FROM profiles WHERE user = ?1)";
    if tx.conn.prepare_cached(here)?.query_row([user.as_str()], |row| row.get(0))? {
        return Err(StoreError::UserTaken);
    }
    let sql = "INSERT INTO accounts(user, password, version, created_at) VALUES(?1, ?2, 1, ?3)";
    tx.conn.prepare_cached(sql)?.execute((user.as_str(), password, tx.now))?;
    set_profile(tx, user, ProfileUpdate { name, avatar_url: None })
}

fn of(conn: &Connection, user: &UserId) -> Result<Option<AccountRow>, StoreError> {
    let sql = "SELECT password, version FROM accounts WHERE user = ?1";
    let row = |row: &Row<'_>| Ok(AccountRow { password: row.get(0)?, version: row.get(1)? });
    Ok(conn.prepare_cached(sql)?.query_row([user.as_str()], row).optional()?)
}

/// Sets another password, unless it is another one already, and ends all sessions but one.
fn set_password(
    tx: &Tx<'_>,
    user: &UserId,
    version: i64,
    password: &str,
    keep: Option<SessionId>,
) -> Result<bool, StoreError> {
    let sql = "UPDATE accounts SET password = ?3, version = version + 1
         WHERE user = ?1 AND version = ?2";
    if tx.conn.prepare_cached(sql)?.execute((user.as_str(), version, password))? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE sessions SET ended_at = ?2
         WHERE user = ?1 AND ended_at IS NULL AND id IS NOT ?3";
    let keep = keep.map(|id| *id.uuid().as_bytes());
    tx.conn.prepare_cached(sql)?.execute((user.as_str(), tx.now, keep))?;
    Ok(true)
}

/// Begins a session, unless the password is another one by now.
fn begin(
    tx: &Tx<'_>,
    new: &NewSessionRow,
    version: i64,
    rehashed: Option<&str>,
) -> Result<bool, StoreError> {
    let sql =
        "UPDATE accounts SET password = coalesce(?3, password) WHERE user = ?1 AND version = ?2";
    if tx.conn.prepare_cached(sql)?.execute((new.user.as_str(), version, rehashed))? == 0 {
        return Ok(false);
    }
    let sql =
        "UPDATE sessions SET ended_at = ?2 WHERE user = ?1 AND ended_at IS NULL AND id NOT IN (
             SELECT id FROM sessions WHERE user = ?1 AND ended_at IS NULL
             ORDER BY used_at DESC, id DESC LIMIT ?3)";
    let others = int(limits::SESSIONS as u64 - 1);
    tx.conn.prepare_cached(sql)?.execute((new.user.as_str(), tx.now, others))?;
    let sql = "INSERT INTO sessions(id, user, device, created_at, used_at, given_at, generation, shown, hash,
             tokens_until, expires_at) VALUES(?1, ?2, ?3, ?4, ?4, ?4, ?5, 0, ?6, ?7, ?8)";
    tx.conn.prepare_cached(sql)?.execute((
        new.id.uuid().as_bytes(),
        new.user.as_str(),
        &new.device,
        tx.now,
        FIRST,
        new.hash,
        new.tokens_until,
        new.expires_at,
    ))?;
    Ok(true)
}

fn refresh(tx: &Tx<'_>, presented: &Presented) -> Result<Refreshed, StoreError> {
    let sql = "SELECT generation, hash, given_at, shown, expires_at, ended_at IS NOT NULL, user
         FROM sessions WHERE id = ?1";
    let row = |row: &Row<'_>| {
        let held = Held {
            generation: row.get(0)?,
            hash: row.get(1)?,
            given_at: row.get(2)?,
            shown: row.get(3)?,
            expires_at: row.get(4)?,
            ended: row.get(5)?,
        };
        Ok((held, row.get::<_, String>(6)?))
    };
    let id = presented.session.uuid();
    let found = tx.conn.prepare_cached(sql)?.query_row([id.as_bytes()], row).optional()?;
    let Some((held, user)) = found else { return Ok(Refreshed::Unknown) };
    let user = named(&user)?;
    match held.judge(presented, tx.now) {
        Verdict::Next => {
            let generation = presented.generation.saturating_add(1);
            let sql = "UPDATE sessions SET generation = ?2, hash = ?3, given_at = ?4, used_at = ?4,
                 tokens_until = max(tokens_until, ?5), expires_at = ?6 WHERE id = ?1";
            let Presented { next_hash, tokens_until, expires_at, .. } = presented;
            tx.conn.prepare_cached(sql)?.execute((
                id.as_bytes(),
                generation,
                next_hash,
                tx.now,
                tokens_until,
                expires_at,
            ))?;
            Ok(Refreshed::Given { user, generation, again: false })
        }
        Verdict::Again => {
            let sql = "UPDATE sessions SET used_at = ?2, tokens_until = max(tokens_until, ?3) WHERE id = ?1";
            let until = presented.tokens_until;
            tx.conn.prepare_cached(sql)?.execute((id.as_bytes(), tx.now, until))?;
            Ok(Refreshed::Given { user, generation: held.generation, again: true })
        }
        Verdict::End => {
            end(tx, &user, presented.session)?;
            Ok(Refreshed::Reused(user))
        }
        Verdict::Nothing => Ok(Refreshed::Unknown),
    }
}

fn end(tx: &Tx<'_>, user: &UserId, id: SessionId) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET ended_at = ?3 WHERE id = ?1 AND user = ?2 AND ended_at IS NULL";
    tx.conn.prepare_cached(sql)?.execute((id.uuid().as_bytes(), user.as_str(), tx.now))?;
    Ok(())
}

/// Sets another password in a database that a server may be running on, and ends all sessions of the user. Gives whether
/// there is such an account.
pub(crate) fn set_password_at(path: &Path, password: &str, user: &UserId) -> Result<bool, String> {
    beside::write_at(path, |conn| {
        let sql = "UPDATE accounts SET password = ?2, version = version + 1 WHERE user = ?1";
        if conn.execute(sql, (user.as_str(), password))? == 0 {
            return Ok(false);
        }
        let sql = "UPDATE sessions SET ended_at = ?2 WHERE user = ?1 AND ended_at IS NULL";
        conn.execute(sql, (user.as_str(), clock::now_ms()))?;
        Ok(true)
    })
}

/// Ends those of a user that were begun up to a second.
pub(super) fn end_begun(conn: &Connection, user: &UserId, until: u64) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET ended_at = ?2
         WHERE user = ?1 AND ended_at IS NULL AND created_at / 1000 <= ?3";
    conn.prepare_cached(sql)?.execute((user.as_str(), clock::now_ms(), int(until)))?;
    Ok(())
}

fn list(conn: &Connection, user: &UserId) -> Result<Vec<Session>, StoreError> {
    let sql = "SELECT id, device, created_at, used_at FROM sessions
         WHERE user = ?1 AND ended_at IS NULL AND expires_at > ?2 ORDER BY used_at DESC, id DESC";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map((user.as_str(), clock::now_ms()), |row| {
        Ok(Session {
            id: SessionId::from_uuid(Uuid::from_bytes(row.get(0)?)),
            device: row.get(1)?,
            created_at: row.get(2)?,
            used_at: row.get(3)?,
            current: false,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Tokens of these generations were shown.
fn shown(tx: &Tx<'_>, seen: &[(SessionId, u32)]) -> Result<(), StoreError> {
    let sql =
        "UPDATE sessions SET shown = ?2, used_at = max(used_at, ?3) WHERE id = ?1 AND shown < ?2";
    let mut statement = tx.conn.prepare_cached(sql)?;
    for (id, generation) in seen {
        statement.execute((id.uuid().as_bytes(), generation, tx.now))?;
    }
    Ok(())
}

/// Those that have ended before their tokens did, unless they are the ones of `known`.
fn ended(
    conn: &Connection,
    known: Mark,
    since: i64,
) -> Result<Option<(Mark, Vec<SessionId>)>, StoreError> {
    let sql = "SELECT count(*), coalesce(sum(ended_at), 0) FROM sessions
         WHERE ended_at IS NOT NULL AND tokens_until > ?1";
    let mark =
        conn.prepare_cached(sql)?.query_row([since], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if mark == known {
        return Ok(None);
    }
    let sql = "SELECT id FROM sessions WHERE ended_at IS NOT NULL AND tokens_until > ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement
        .query_map([since], |row| Ok(SessionId::from_uuid(Uuid::from_bytes(row.get(0)?))))?;
    Ok(Some((mark, rows.collect::<Result<_, _>>()?)))
}

/// Removes those that nobody can come back to, and whose tokens have ended.
fn forget(tx: &Tx<'_>, before: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM sessions WHERE tokens_until < ?1
         AND (ended_at IS NOT NULL OR expires_at < ?1)";
    tx.conn.prepare_cached(sql)?.execute([before])?;
    Ok(())
}

fn named(user: &str) -> Result<UserId, StoreError> {
    user.parse().map_err(|error| StoreError::Failed(format!("a session is odd: {error}")))
}
