//! Tokens that were taken back.

use super::address::Address;
use super::connect::{Db, Session, int};
use crate::auth::{Mark, Revocation};
use crate::store::StoreError;

pub(super) async fn put(db: &Db, revocation: &Revocation) -> Result<(), StoreError> {
    let tx = db.begin().await?;
    match revocation {
        Revocation::Token(id) => {
            let sql = "INSERT INTO revocations(token) VALUES($1) ON CONFLICT(token) DO NOTHING";
            tx.execute(sql, &[id]).await?;
        }
        Revocation::User { user, until } => {
            // Else they would get others at once.
            super::accounts::end_begun(&tx, user, *until).await?;
            // Only the latest counts. It takes a new number, so that it is seen to be new.
            let sql = "INSERT INTO revocations(user_id, until) VALUES($1, $2)
                 ON CONFLICT(user_id) DO UPDATE SET until = excluded.until, n = excluded.n
                 WHERE excluded.until > revocations.until";
            tx.execute(sql, &[&user.as_str(), &int(*until)]).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// All of them, unless they are the ones of `known`.
pub(super) async fn all(
    session: &Session,
    known: Mark,
) -> Result<Option<(Mark, Vec<Revocation>)>, StoreError> {
    // The number besides the newest: who commits later may have taken a smaller number.
    let sql = "SELECT count(*), coalesce(sum(n), 0)::bigint FROM revocations";
    let row = session.one(sql, &[]).await?;
    let mark = (row.try_get(0)?, row.try_get(1)?);
    if mark == known {
        return Ok(None);
    }
    let rows = session.query("SELECT token, user_id, until FROM revocations", &[]).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let (token, user): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
        let user = user.and_then(|user| user.parse().ok());
        let until = super::connect::number(&row, 2)?;
        all.extend(match (token, user) {
            (Some(id), _) => Some(Revocation::Token(id)),
            (None, Some(user)) => Some(Revocation::User { user, until }),
            (None, None) => None,
        });
    }
    Ok(Some((mark, all)))
}

/// Writes one into a database that servers may be running on.
pub(crate) async fn revoke_at(url: &str, revocation: &Revocation) -> Result<(), String> {
    let db = Address::parse(url).and_then(Db::new)?;
    put(&db, revocation).await.map_err(|error| error.to_string())
}
