//! What members have set for themselves. Like a receipt it stands in the member's row, with the one
//! place in the delivery log where it changed last; unlike one it concerns nobody else.

use rusqlite::Connection;
use tidewire_protocol::{RoomId, RoomSettings, SettingsNews, UserId};

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

/// Replaces the user's settings of a room. What changes nothing writes nothing.
pub(super) fn put(
    tx: &Tx<'_>,
    room: RoomId,
    user: &UserId,
    settings: RoomSettings,
) -> Result<RoomSettings, StoreError> {
    let (row, member) = read::seen_by(tx.conn, room, user)?;
    if member.left_ord.is_some() {
        return Err(StoreError::NotAMember);
    }
    if member.settings != settings {
        tx.conn
            .prepare_cached(
                "UPDATE members SET settings = ?3, settings_ord = ?4 WHERE rk = ?1 AND user = ?2",
            )?
            .execute((row.rk, user.as_str(), rules::settings_code(settings), int(tx.next_ord())))?;
    }
    Ok(settings)
}

/// The settings of all users that changed after `ord`, the first `limit` of them.
pub(super) fn log_after(
    conn: &Connection,
    ord: u64,
    limit: usize,
) -> Result<Vec<Entry>, rusqlite::Error> {
    conn.prepare_cached(
        "SELECT m.settings_ord, m.user, m.settings, r.id FROM members m JOIN rooms r ON r.rk = m.rk
         WHERE m.settings_ord > ?1 AND m.settings_ord > 0 ORDER BY m.settings_ord LIMIT ?2",
    )?
    .query_map((int(ord), int(limit as u64)), |row| {
        let room = read::room_id(row, 3)?;
        let news = SettingsNews { room, settings: settings(row, 2)? };
        let news = News::Settings(read::user(row, 1)?, news);
        Ok(Entry { shard: 0, ord: read::number(row, 0)?, room, news })
    })?
    .collect()
}
