//! What a command writes into a database that a server may be running on.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::migrations;
use crate::store::StoreError;

/// Writes, all of it or nothing. Waits while the server writes.
pub(super) fn write_at<T>(
    path: &Path,
    write: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, String> {
    let failed = |error: rusqlite::Error| error.to_string();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failed)?;
    conn.busy_timeout(super::BUSY).map_err(failed)?;
    conn.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    let version: i64 =
        conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if usize::try_from(version).unwrap_or(usize::MAX) != migrations::known() {
        return Err("a server of another version has written it: use its command".into());
    }
    conn.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    // What is not committed is undone when the connection closes.
    let written = write(&conn).map_err(|error| error.to_string())?;
    conn.execute_batch("COMMIT").map_err(failed)?;
    Ok(written)
}
