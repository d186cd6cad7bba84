//! What members have set for themselves. Like a receipt it stands in the member's row, with the one
//! place in the delivery log where it changed last; unlike one it concerns nobody else.

use rusqlite::Connection;
use tidewire_protocol::{RoomId, RoomSettings, SettingsNews, SettingsUpdate, UserId};

use super::int;
use super::read;
use super::writer::Tx;
use crate::store::rules;
use crate::store::{Entry, News, StoreError};

/// The settings of a column.
pub(super) fn settings(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> Result<RoomSettings, rusqlite::Error> {
    Ok(rules::settings_of(row.get(column)?))
}

/// Replaces the user's settings of a room, if they follow those that there are. Without a version what changes
/// nothing writes nothing; with one each is a version of its own, so that those before it come too late.
pub(super) fn put(
    tx: &Tx<'_>,
    room: RoomId,
    user: &UserId,
    update: SettingsUpdate,
) -> Result<SettingsUpdate, StoreError> {
    let (row, member) = read::seen_by(tx.conn, room, user)?;
    if member.left_ord.is_some() {
        return Err(StoreError::NotAMember);
    }
    let sets = match update.version {
        Some(version) => version == member.settings_version,
        None => member.settings != update.settings,
    };
    if !sets {
        let version = Some(member.settings_version);
        return Ok(SettingsUpdate { settings: member.settings, version });
    }
    let code = rules::settings_code(update.settings);
    let version = member.settings_version + 1;
    tx.conn
        .prepare_cached(
            "UPDATE members SET settings = ?3, settings_ord = ?4, settings_version = ?5
             WHERE rk = ?1 AND user = ?2",
        )?
        .execute((row.rk, user.as_str(), code, int(tx.next_ord()), int(version)))?;
    Ok(SettingsUpdate { version: Some(version), ..update })
}

/// The settings of all users that changed after `ord`, the first `limit` of them.
pub(super) fn log_after(
    conn: &Connection,
    ord: u64,
    limit: usize,
) -> Result<Vec<Entry>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT m.settings_ord, m.user, m.settings, r.id, m.settings_version FROM members m JOIN rooms r ON r.rk = m.rk
         WHERE m.settings_ord > ?1 AND m.settings_ord > 0 ORDER BY m.settings_ord LIMIT ?2",
    )?
    .query_map((int(ord), int(limit as u64)), |row| {
        let room = read::room_id(row, 3)?;
        let news = SettingsNews { room, settings: settings(row, 2)?, version: read::number(row, 4)? };
        let news = News::Settings(read::user(row, 1)?, news);
        Ok(Entry { shard: 0, ord: read::number(row, 0)?, room: Some(room), news })
    })?
    .collect()
}
