//! Accounts and their sessions.
//!
//! Whoever changes several sessions of a user holds the row of the account. Who changes one holds that row alone, and
//! who notes that tokens were shown waits for nobody: so nobody waits in a circle.

use async_trait::async_trait;
use tidewire_protocol::{Profile, Session, SessionId, UserId, limits};
use tokio_postgres::Row;
use uuid::Uuid;

use super::PostgresStore;
use super::address::Address;
use super::connect::{Db, Session as Connection, Tx, int};
use crate::auth::Mark;
use crate::clock;
use crate::store::StoreError;
use crate::store::accounts::{
    AccountRow, AccountStore, Digest, FIRST, Held, NewSessionRow, Presented, Refreshed, Verdict,
};

/// The sessions of a user that have not ended.
pub(super) const LIST: &str = "SELECT id, device, created_at, used_at FROM sessions
     WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
     ORDER BY used_at DESC, id DESC";
/// Those that have ended before their tokens did: asked every second.
pub(super) const ENDED: &str =
    "SELECT id FROM sessions WHERE ended_at IS NOT NULL AND tokens_until > $1";

#[async_trait]
impl AccountStore for PostgresStore {
    async fn create_account(
        &self,
        user: UserId,
        password: String,
        name: Option<String>,
    ) -> Result<Profile, StoreError> {
        create(&self.db, &user, &password, name).await
    }

    async fn account(&self, user: UserId) -> Result<Option<AccountRow>, StoreError> {
        of(&self.db.plain().await?, &user).await
    }

    async fn set_password(
        &self,
        user: UserId,
        version: i64,
        password: String,
        keep: Option<SessionId>,
    ) -> Result<bool, StoreError> {
        set_password(&self.db, &user, version, &password, keep).await
    }

    async fn begin_session(
        &self,
        new: NewSessionRow,
        version: i64,
        rehashed: Option<String>,
    ) -> Result<bool, StoreError> {
        begin(&self.db, &new, version, rehashed.as_deref()).await
    }

    async fn refresh_session(&self, presented: Presented) -> Result<Refreshed, StoreError> {
        refresh(&self.db, &presented).await
    }

    async fn end_session(&self, user: UserId, id: SessionId) -> Result<(), StoreError> {
        end(&self.db, &user, id).await
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, StoreError> {
        list(&self.db.plain().await?, &user).await
    }

    async fn sessions_shown(&self, seen: Vec<(SessionId, u32)>) -> Result<(), StoreError> {
        shown(&self.db, &seen).await
    }

    async fn ended_sessions(
        &self,
        known: Mark,
        since: i64,
    ) -> Result<Option<(Mark, Vec<SessionId>)>, StoreError> {
        ended(&self.db.plain().await?, known, since).await
    }

    async fn forget_sessions(&self, before: i64) -> Result<(), StoreError> {
        forget(&self.db, before).await
    }
}

async fn create(
    db: &Db,
    user: &UserId,
    password: &str,
    name: Option<String>,
) -> Result<Profile, StoreError> {
    let tx = db.begin().await?;
    let now = tx.now;
    // Somebody with a token of others is that user already: nobody takes his place.
    let sql = "INSERT INTO accounts(user_id, password, version, created_at)
               SELECT $1::text, $2::text, 1, $3::bigint
               WHERE NOT EXISTS (SELECT 1 FROM last_seen WHERE user_id = $1)
                 AND NOT EXISTS (SELECT 1 FROM profiles WHERE user_id = $1)
               ON CONFLICT(user_id) DO NOTHING";
    if tx.execute(sql, &[&user.as_str(), &password, &now]).await? == 0 {
        return Err(StoreError::UserTaken);
    }
    let sql = "INSERT INTO profiles(user_id, name, updated_at) VALUES($1, $2, $3)
               ON CONFLICT(user_id) DO NOTHING";
    if tx.execute(sql, &[&user.as_str(), &name, &now]).await? == 0 {
        return Err(StoreError::UserTaken);
    }
    tx.commit().await?;
    Ok(Profile { user: user.clone(), name, avatar_url: None, updated_at: now })
}

async fn of(s: &Connection, user: &UserId) -> Result<Option<AccountRow>, StoreError> {
    let sql = "SELECT password, version FROM accounts WHERE user_id = $1";
    let found = s.optional(sql, &[&user.as_str()]).await?;
    let row = |row: Row| Ok(AccountRow { password: row.try_get(0)?, version: row.try_get(1)? });
    found.map(row).transpose()
}

/// Sets another password, unless it is another one already, and ends all sessions but one.
async fn set_password(
    db: &Db,
    user: &UserId,
    version: i64,
    password: &str,
    keep: Option<SessionId>,
) -> Result<bool, StoreError> {
    let tx = db.begin().await?;
    let sql = "UPDATE accounts SET password = $3, version = version + 1
               WHERE user_id = $1 AND version = $2";
    if tx.execute(sql, &[&user.as_str(), &version, &password]).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE sessions SET ended_at = $2
               WHERE user_id = $1 AND ended_at IS NULL AND id IS DISTINCT FROM $3::uuid";
    let keep = keep.map(SessionId::uuid);
    tx.execute(sql, &[&user.as_str(), &tx.now, &keep]).await?;
    tx.commit().await?;
    Ok(true)
}

/// Sets another password in a database that servers may be running on, and ends all sessions of the user. Gives whether
/// there is such an account.
pub(crate) async fn set_password_at(
    url: &str,
    password: &str,
    user: &UserId,
) -> Result<bool, String> {
    let db = Address::parse(url).and_then(Db::new)?;
    let set = async {
        let tx = db.begin().await?;
        let sql = "UPDATE accounts SET password = $2, version = version + 1 WHERE user_id = $1";
        if tx.execute(sql, &[&user.as_str(), &password]).await? == 0 {
            return Ok(false);
        }
        let sql = "UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND ended_at IS NULL";
        tx.execute(sql, &[&user.as_str(), &tx.now]).await?;
        tx.commit().await?;
        Ok::<_, StoreError>(true)
    };
    set.await.map_err(|error| error.to_string())
}

/// Begins a session, unless the password is another one by now.
async fn begin(
    db: &Db,
    new: &NewSessionRow,
    version: i64,
    rehashed: Option<&str>,
) -> Result<bool, StoreError> {
    let tx = db.begin().await?;
    let sql = "UPDATE accounts SET password = coalesce($3, password)
               WHERE user_id = $1 AND version = $2";
    if tx.execute(sql, &[&new.user.as_str(), &version, &rehashed]).await? == 0 {
        return Ok(false);
    }
    let sql = "UPDATE sessions SET ended_at = $2
               WHERE user_id = $1 AND ended_at IS NULL AND id NOT IN (
                   SELECT id FROM sessions WHERE user_id = $1 AND ended_at IS NULL
                   ORDER BY used_at DESC, id DESC LIMIT $3)";
    let others = int(limits::SESSIONS as u64 - 1);
    tx.execute(sql, &[&new.user.as_str(), &tx.now, &others]).await?;
    let sql = "INSERT INTO sessions(id, user_id, device, created_at, used_at, given_at, generation,
                   shown, hash, tokens_until, expires_at)
               VALUES($1, $2, $3, $4, $4, $4, $5, 0, $6, $7, $8)";
    let (id, hash, first) = (new.id.uuid(), new.hash.to_vec(), i64::from(FIRST));
    let (until, expires) = (new.tokens_until, new.expires_at);
    let row: super::connect::Params<'_> =
        &[&id, &new.user.as_str(), &new.device, &tx.now, &first, &hash, &until, &expires];
    tx.execute(sql, row).await?;
    tx.commit().await?;
    Ok(true)
}

/// A session, locked until the commit, and whose it is.
async fn lock(tx: &Tx, id: SessionId) -> Result<Option<(Held, UserId)>, StoreError> {
    let sql = "SELECT generation, hash, given_at, shown, expires_at, ended_at IS NOT NULL, user_id
               FROM sessions WHERE id = $1 FOR NO KEY UPDATE";
    let Some(row) = tx.optional(sql, &[&id.uuid()]).await? else { return Ok(None) };
    let odd =
        |error: &dyn std::fmt::Display| StoreError::Failed(format!("a session is odd: {error}"));
    let hash: Digest = row.try_get::<_, &[u8]>(1)?.try_into().map_err(|error| odd(&error))?;
    let generation = |column| -> Result<u32, StoreError> {
        u32::try_from(row.try_get::<_, i64>(column)?).map_err(|error| odd(&error))
    };
    let held = Held {
        generation: generation(0)?,
        hash,
        given_at: row.try_get(2)?,
        shown: generation(3)?,
        expires_at: row.try_get(4)?,
        ended: row.try_get(5)?,
    };
    let user = row.try_get::<_, &str>(6)?.parse::<UserId>().map_err(|error| odd(&error))?;
    Ok(Some((held, user)))
}

async fn refresh(db: &Db, presented: &Presented) -> Result<Refreshed, StoreError> {
    let tx = db.begin().await?;
    let id = presented.session;
    let Some((held, user)) = lock(&tx, id).await? else { return Ok(Refreshed::Unknown) };
    let until = presented.tokens_until;
    let refreshed = match held.judge(presented, tx.now) {
        Verdict::Next => {
            let generation = presented.generation.saturating_add(1);
            let sql = "UPDATE sessions SET generation = $2, hash = $3, given_at = $4, used_at = $4,
                           tokens_until = greatest(tokens_until, $5), expires_at = $6 WHERE id = $1";
            let (number, hash) = (i64::from(generation), presented.next_hash.to_vec());
            let expires = presented.expires_at;
            tx.execute(sql, &[&id.uuid(), &number, &hash, &tx.now, &until, &expires]).await?;
            Refreshed::Given { user, generation, again: false }
        }
        Verdict::Again => {
            let sql = "UPDATE sessions SET used_at = $2, tokens_until = greatest(tokens_until, $3)
                       WHERE id = $1";
            tx.execute(sql, &[&id.uuid(), &tx.now, &until]).await?;
            Refreshed::Given { user, generation: held.generation, again: true }
        }
        Verdict::End => {
            let sql = "UPDATE sessions SET ended_at = $2 WHERE id = $1";
            tx.execute(sql, &[&id.uuid(), &tx.now]).await?;
            Refreshed::Reused(user)
        }
        Verdict::Nothing => return Ok(Refreshed::Unknown),
    };
    tx.commit().await?;
    Ok(refreshed)
}

async fn end(db: &Db, user: &UserId, id: SessionId) -> Result<(), StoreError> {
    let sql = "UPDATE sessions SET ended_at = $3
               WHERE id = $1 AND user_id = $2 AND ended_at IS NULL";
    let now = clock::now_ms();
    db.plain().await?.execute(sql, &[&id.uuid(), &user.as_str(), &now]).await?;
    Ok(())
}

/// Ends those of a user that were begun up to a second.
pub(super) async fn end_begun(tx: &Tx, user: &UserId, until: u64) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM accounts WHERE user_id = $1 FOR NO KEY UPDATE";
    tx.optional(sql, &[&user.as_str()]).await?;
    let sql = "UPDATE sessions SET ended_at = $2
               WHERE user_id = $1 AND ended_at IS NULL AND created_at / 1000 <= $3";
    tx.execute(sql, &[&user.as_str(), &tx.now, &int(until)]).await?;
    Ok(())
}

async fn list(s: &Connection, user: &UserId) -> Result<Vec<Session>, StoreError> {
    let rows = s.query(LIST, &[&user.as_str(), &clock::now_ms()]).await?;
    let session = |row: &Row| -> Result<Session, StoreError> {
        Ok(Session {
            id: SessionId::from_uuid(row.try_get(0)?),
            device: row.try_get(1)?,
            created_at: row.try_get(2)?,
            used_at: row.try_get(3)?,
            current: false,
        })
    };
    rows.iter().map(session).collect()
}

/// Tokens of these generations were shown. What somebody else holds is passed over: it is shown again with the next
/// generation, and until then a lost answer is given once more.
async fn shown(db: &Db, seen: &[(SessionId, u32)]) -> Result<(), StoreError> {
    let (ids, generations): (Vec<Uuid>, Vec<i64>) =
        seen.iter().map(|(id, generation)| (id.uuid(), i64::from(*generation))).unzip();
    let sql = "WITH free AS (SELECT id FROM sessions WHERE id = ANY($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED)
               UPDATE sessions s SET shown = n.generation, used_at = greatest(s.used_at, $3)
               FROM unnest($1::uuid[], $2::bigint[]) n(id, generation) JOIN free ON free.id = n.id
               WHERE s.id = n.id AND s.shown < n.generation";
    db.plain().await?.execute(sql, &[&ids, &generations, &clock::now_ms()]).await?;
    Ok(())
}

/// Those that have ended before their tokens did, unless they are the ones of `known`.
async fn ended(
    s: &Connection,
    known: Mark,
    since: i64,
) -> Result<Option<(Mark, Vec<SessionId>)>, StoreError> {
    let sql = "SELECT count(*), coalesce(sum(ended_at), 0)::bigint FROM sessions
               WHERE ended_at IS NOT NULL AND tokens_until > $1";
    let row = s.one(sql, &[&since]).await?;
    let mark = (row.try_get(0)?, row.try_get(1)?);
    if mark == known {
        return Ok(None);
    }
    let rows = s.query(ENDED, &[&since]).await?;
    let ids: Result<_, tokio_postgres::Error> =
        rows.iter().map(|row| row.try_get(0).map(SessionId::from_uuid)).collect();
    Ok(Some((mark, ids?)))
}

/// Removes those that nobody can come back to, and whose tokens have ended.
async fn forget(db: &Db, before: i64) -> Result<(), StoreError> {
    let sql = "DELETE FROM sessions WHERE tokens_until < $1
               AND (ended_at IS NOT NULL OR expires_at < $1)";
    db.plain().await?.execute(sql, &[&before]).await?;
    Ok(())
}
