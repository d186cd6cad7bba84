//! The schema of both files, as numbered steps. A step is never changed once it has been released.

use rusqlite::Connection;
use rusqlite::types::Value;

/// One step, from version n to n + 1 (`PRAGMA user_version` of both files).
pub(super) struct Step {
    /// For the file of what exists nowhere else: the outbox, drafts. Never dropped, never refilled.
    pub(super) own: &'static str,
    /// For the cache, which the server can fill again.
    pub(super) cache: &'static str,
}

/// All steps. Whoever appends one puts a database of the version before it into `fixtures/`.
pub(super) const STEPS: &[Step] = &[
    // 1. Rooms, events, held ranges, receipts, outbox, profiles. Integer room keys keep the events' key
    //    at 10 bytes instead of 24.
    Step {
        own: "",
        cache: "
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
    },
    // 2. The outbox in a file of its own: whatever happens to the cache's file, this one is small, seldom
    //    written and untouched by it; with it drafts, and settings that the server has not confirmed
    //    (`wishes`). `opened` says when a room was last looked at, for retention. Mentions: whom old
    //    messages mention is read off them, because whose database this is, it does not know. Messages
    //    are folded: what later events made of them stands with them, and those events beside them. What
    //    version 1 kept of these as opaque goes, and what may have been changed by it becomes stale, so
    //    that it is read again before long.
    Step {
        own: "
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

    CREATE TABLE drafts (
        room BLOB PRIMARY KEY,
        text TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE wishes (
        room     BLOB PRIMARY KEY,
        settings TEXT NOT NULL
    ) WITHOUT ROWID;
    ",
        cache: "
    DROP TABLE outbox;
    ALTER TABLE rooms ADD COLUMN opened INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE mentions (
        rk   INTEGER NOT NULL,
        seq  INTEGER NOT NULL,
        user TEXT NOT NULL,
        PRIMARY KEY (rk, seq, user)
    ) WITHOUT ROWID;

    INSERT OR IGNORE INTO mentions (rk, seq, user)
    SELECT e.rk, e.seq, j.value FROM events e, json_each(e.content, '$.mentions') j
    WHERE e.kind = 'message' AND instr(e.content, '\"mentions\"') > 0 AND j.type = 'text';

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

    -- Messages are found by what they say. What is stored already is taken into the index in steps,
    -- beside other work: search_todo says below which seq of a room that is still to come.
    CREATE VIRTUAL TABLE search USING fts5(
        terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii', prefix = '2 3'
    );
    CREATE TABLE search_docs (
        doc INTEGER PRIMARY KEY,
        rk  INTEGER NOT NULL,
        seq INTEGER NOT NULL
    );
    CREATE TABLE search_todo (
        rk    INTEGER PRIMARY KEY,
        below INTEGER NOT NULL
    );
    INSERT INTO search_todo (rk, below) SELECT rk, max(head_seq, feed_seq) + 1 FROM rooms;
    ",
    },
    // 3. What the app asked for beside a send: whether those behind it go on if it fails, and within how
    //    many ms it is to be sent, for which its age by the server's clock counts. From here on
    //    `attempted_at` is written before anything leaves. What was queued before may have left just
    //    now without it.
    Step {
        own: "
    ALTER TABLE outbox ADD COLUMN queued_by_server INTEGER;
    ALTER TABLE outbox ADD COLUMN skips INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE outbox ADD COLUMN expires_after INTEGER;
    UPDATE outbox SET attempted_at = unixepoch() * 1000 WHERE attempted_at IS NULL;
    ",
        cache: "",
    },
    // 4. Files of messages that wait: what each is (`about`, as JSON), and its key once it is uploaded. The
    //    message counts its files, so that one which lost some is not taken for whole. Whether those behind
    //    it wait for them.
    Step {
        own: "
    ALTER TABLE outbox ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE outbox ADD COLUMN files INTEGER NOT NULL DEFAULT 0;

    CREATE TABLE uploads (
        n       INTEGER PRIMARY KEY AUTOINCREMENT,
        id      BLOB NOT NULL UNIQUE,
        message BLOB NOT NULL,
        about   TEXT NOT NULL,
        key     TEXT
    );
    CREATE INDEX uploads_by_message ON uploads (message);
    ",
        cache: "",
    },
    // 5. Whom the user has blocked, or does so no more, without the server's having confirmed it.
    Step {
        own: "
    CREATE TABLE block_wishes (
        user    TEXT PRIMARY KEY,
        blocked INTEGER NOT NULL
    ) WITHOUT ROWID;
    ",
        cache: "",
    },
];

/// The step whose cache part drops the outbox that the own part has taken over.
const OUTBOX_MOVES: u32 = 2;

/// The newest version known.
pub(super) fn known() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// The version that a file has.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings one file to the newest version; each step is one transaction.
pub(super) fn steps(
    connection: &mut Connection,
    part: impl Fn(&Step) -> &'static str,
) -> rusqlite::Result<()> {
    let found = version(connection)?;
    for (version, step) in (1u32..).zip(STEPS).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(part(step))?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The own file takes the outbox over before the cache drops it: what is interrupted in between is
/// done again.
pub(super) fn take_outbox(own: &mut Connection, rows: &[Vec<Value>]) -> rusqlite::Result<()> {
    let transaction = own.transaction()?;
    for (version, step) in (1u32..=OUTBOX_MOVES).zip(STEPS) {
        transaction.execute_batch(step.own)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    for row in rows {
        let sql = "INSERT OR IGNORE INTO outbox
             (n, room, id, kind, content, queued_at, attempted_at, failed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        transaction.execute(sql, rusqlite::params_from_iter(row))?;
    }
    transaction.commit()
}

/// Whether the own file has the outbox; before that it is in the cache's.
pub(super) fn has_outbox(own: u32) -> bool {
    own >= OUTBOX_MOVES
}

/// The rows of an outbox that is still in the cache's file; none in a newer or a new one.
pub(super) fn outbox_of(cache: &Connection) -> rusqlite::Result<Vec<Vec<Value>>> {
    if !(1..OUTBOX_MOVES).contains(&version(cache)?) {
        return Ok(Vec::new());
    }
    let mut rows = cache.prepare(
        "SELECT n, room, id, kind, content, queued_at, attempted_at, failed FROM outbox ORDER BY n",
    )?;
    let rows = rows.query_map([], |row| (0..8).map(|at| row.get(at)).collect())?;
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_of_before_keeps_what_it_has_and_learns_whom_its_messages_mention() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STEPS[0].cache).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection
            .execute_batch(
                r#"
                INSERT INTO rooms (rk, id, head_seq) VALUES (1, x'01', 3);
                INSERT INTO events (rk, seq, id, sender, at, kind, content) VALUES
                    (1, 1, x'11', 'bob', 1, 'message', '{"text":"@ada","mentions":["ada","eve"]}'),
                    (1, 2, x'12', 'bob', 1, 'message', '{"text":"the word \"mentions\""}'),
                    (1, 3, x'13', 'bob', 1, 'app.poll', '{"mentions":["ada"]}'),
                    (1, 4, x'14', 'bob', 1, 'message', '{"text":"x","mentions":"nonsense"}');
                "#,
            )
            .unwrap();
        steps(&mut connection, |step| step.cache).unwrap();
        let all = |sql: &str| -> Vec<String> {
            let mut statement = connection.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let mentions = all("SELECT rk || ' ' || seq || ' ' || user FROM mentions WHERE seq < 4");
        assert_eq!(mentions, ["1 1 ada", "1 1 eve"]);
        assert_eq!(all("SELECT kind FROM events").len(), 4);
    }
}
