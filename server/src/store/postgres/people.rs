//! Profiles, and when users were last seen.

use std::collections::HashMap;

use tidewire_protocol::{Profile, ProfileUpdate, UserId};

use super::connect::{Db, Session};
use super::write::storable;
use crate::clock;
use crate::store::StoreError;

pub(super) async fn set_profile(
    db: &Db,
    user: &UserId,
    update: ProfileUpdate,
) -> Result<Profile, StoreError> {
    let ProfileUpdate { name, avatar_url } = update;
    storable(&[&name, &avatar_url])?;
    let now = clock::now_ms();
    let sql = "INSERT INTO profiles(user_id, name, avatar_url, updated_at) VALUES($1, $2, $3, $4)
               ON CONFLICT(user_id) DO UPDATE SET name = excluded.name,
                   avatar_url = excluded.avatar_url, updated_at = excluded.updated_at";
    db.plain().await?.execute(sql, &[&user.as_str(), &name, &avatar_url, &now]).await?;
    Ok(Profile { user: user.clone(), name, avatar_url, updated_at: now })
}

pub(super) async fn profiles(s: &Session, users: Vec<UserId>) -> Result<Vec<Profile>, StoreError> {
    let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let sql = "SELECT user_id, name, avatar_url, updated_at FROM profiles
               WHERE user_id = ANY($1::text[])";
    let rows = s.query(sql, &[&names]).await?;
    let mut known = HashMap::new();
    for row in &rows {
        known.insert(row.try_get::<_, &str>(0)?, row);
    }
    let mut profiles = Vec::with_capacity(users.len());
    for user in &users {
        let (name, avatar_url, updated_at) = match known.get(user.as_str()) {
            Some(row) => (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?),
            None => (None, None, 0),
        };
        profiles.push(Profile { user: user.clone(), name, avatar_url, updated_at });
    }
    Ok(profiles)
}

pub(super) async fn put_last_seen(db: &Db, seen: &[(UserId, i64)]) -> Result<(), StoreError> {
    // Each once, and in one order: instances that write the same users wait for each other, no more.
    let mut latest = std::collections::BTreeMap::new();
    for (user, at) in seen {
        let known = latest.entry(user.as_str()).or_insert(*at);
        *known = (*known).max(*at);
    }
    if latest.is_empty() {
        return Ok(());
    }
    let (users, at): (Vec<&str>, Vec<i64>) = latest.into_iter().unzip();
    let sql = "INSERT INTO last_seen(user_id, at)
               SELECT u.user_id, u.at FROM unnest($1::text[], $2::bigint[]) u(user_id, at)
               ORDER BY u.user_id COLLATE \"C\"
               ON CONFLICT(user_id) DO UPDATE SET at = excluded.at WHERE excluded.at > last_seen.at";
    db.plain().await?.execute(sql, &[&users, &at]).await?;
    Ok(())
}

pub(super) async fn last_seen(
    s: &Session,
    users: &[UserId],
) -> Result<Vec<Option<i64>>, StoreError> {
    let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
    let sql = "SELECT user_id, at FROM last_seen WHERE user_id = ANY($1::text[])";
    let rows = s.query(sql, &[&names]).await?;
    let mut known: HashMap<&str, i64> = HashMap::new();
    for row in &rows {
        known.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(names.iter().map(|name| known.get(name).copied()).collect())
}
