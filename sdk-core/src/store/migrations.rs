//! The schema, as numbered steps. A step is never changed once it has been released.

use rusqlite::Connection;

use crate::error::StoreError;

/// Step n brings the database from version n to n + 1 (`PRAGMA user_version`).
const STEPS: &[&str] = &[
    // 1. Rooms, events, held ranges, receipts, outbox, profiles. Integer room keys keep the events' key
    //    at 10 bytes instead of 24.
    "
    CREATE TABLE meta (
        key   TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE rooms (
        rk       INTEGER PRIMARY KEY,
        id       BLOB NOT NULL UNIQUE,
        state    TEXT,
        head_seq INTEGER NOT NULL DEFAULT 0,
        as_of    INTEGER NOT NULL DEFAULT 0,
        feed_seq INTEGER NOT NULL DEFAULT 0,
        marked   INTEGER NOT NULL DEFAULT 0
    );

    CREATE TABLE events (
        rk      INTEGER NOT NULL,
        seq     INTEGER NOT NULL,
        id      BLOB NOT NULL,
        sender  TEXT NOT NULL,
        at      INTEGER NOT NULL,
        kind    TEXT NOT NULL,
        content TEXT NOT NULL,
        PRIMARY KEY (rk, seq)
    ) WITHOUT ROWID;

    CREATE TABLE held (
        rk    INTEGER NOT NULL,
        start INTEGER NOT NULL,
        end   INTEGER NOT NULL,
        PRIMARY KEY (rk, start)
    ) WITHOUT ROWID;

    CREATE TABLE stale (
        rk    INTEGER NOT NULL,
        start INTEGER NOT NULL,
        end   INTEGER NOT NULL,
        PRIMARY KEY (rk, start)
    ) WITHOUT ROWID;

    CREATE TABLE receipts (
        rk        INTEGER NOT NULL,
        user      TEXT NOT NULL,
        delivered INTEGER NOT NULL,
        read      INTEGER NOT NULL,
        PRIMARY KEY (rk, user)
    ) WITHOUT ROWID;

    -- Never dropped, never refilled: what stands here exists nowhere else. It names its room by
    -- id, not by key, because the cache around it may be wiped.
    CREATE TABLE outbox (
        n            INTEGER PRIMARY KEY AUTOINCREMENT,
        room         BLOB NOT NULL,
        id           BLOB NOT NULL UNIQUE,
        kind         TEXT NOT NULL,
        content      TEXT NOT NULL,
        queued_at    INTEGER NOT NULL,
        attempted_at INTEGER,
        failed       TEXT
    );

    CREATE TABLE profiles (
        user       TEXT PRIMARY KEY,
        profile    TEXT NOT NULL,
        fetched_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    ",
    // 2. Messages are folded: what later events made of them stands with them, and those events
    //    beside them. What an earlier version kept of these as opaque goes, and what may have been
    //    changed by it becomes stale, so that it is read again before long.
    "
    ALTER TABLE events ADD COLUMN thread BLOB;
    ALTER TABLE events ADD COLUMN as_of INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE events ADD COLUMN fold TEXT;
    ALTER TABLE events ADD COLUMN base TEXT;

    CREATE TABLE mutations (
        rk      INTEGER NOT NULL,
        target  BLOB NOT NULL,
        seq     INTEGER NOT NULL,
        at      INTEGER NOT NULL,
        sender  TEXT NOT NULL,
        kind    TEXT NOT NULL,
        content TEXT NOT NULL,
        mine    INTEGER NOT NULL,
        waiting INTEGER NOT NULL,
        PRIMARY KEY (rk, target, seq)
    ) WITHOUT ROWID;
    CREATE INDEX mutations_waiting ON mutations (rk, seq) WHERE waiting = 1;

    UPDATE events SET thread = unhex(replace(json_extract(content, '$.thread'), '-', ''))
        WHERE kind = 'message' AND instr(content, '\"thread\"') AND json_valid(content)
            AND json_type(content, '$.thread') = 'text';
    INSERT OR REPLACE INTO stale (rk, start, end)
        SELECT rk, start, end FROM held WHERE rk IN
            (SELECT rk FROM events
             WHERE kind IN ('edit', 'delete', 'reaction') OR thread IS NOT NULL);
    DELETE FROM events WHERE kind IN ('edit', 'delete', 'reaction');

    CREATE INDEX events_by_id ON events (rk, id);
    CREATE INDEX events_by_thread ON events (rk, thread, seq) WHERE thread IS NOT NULL;
    ",
];

/// Brings the database to the newest version; each step is one transaction.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Migration> {
    let known = u32::try_from(STEPS.len()).unwrap_or(u32::MAX);
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > known {
        return Err(Migration::Newer(StoreError::Newer { found, known }));
    }
    for (version, step) in (1u32..).zip(STEPS).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Why the database can not be brought to the newest version.
pub(crate) enum Migration {
    Newer(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Migration {
    fn from(error: rusqlite::Error) -> Self {
        Migration::Sqlite(error)
    }
}
