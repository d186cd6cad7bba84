//! The schema, step by step. `PRAGMA user_version` says how many steps a database has taken.

use rusqlite::Connection;

/// Each step runs once, in a transaction with the count. Never change one that was released; add
/// the next.
///
/// `ord` is the key of `events`: with one shard it is unique, every index carries it for free, and
/// the delivery log is read in the order in which it lies on the disk.
///
/// `receipt_ord` of a member is the one place of the delivery log where the member's receipt stands,
/// 0 while it has not moved since the member came; that of a room is the highest of its members.
/// `settings_ord` is the same for the member's settings.
///
/// `root` of an event is the seq of the message in whose thread it stands. `target`, `root`, `seq`,
/// `since`, `until` and `first` are seqs of the room: a reaction is there for `since <= seq < until`,
/// and so is a row of `reaction_counts`, which says how many users have a key in that time and since
/// when (`first`) it is there without a break. What stands has the highest `until` there is. So all
/// that a fold needs, as of the head or as of a leave, is found by keys that begin with the message.
///
/// `token` of an upload is what the object store calls it, none before the store was asked; `state` is 0 while
/// parts are put, 1 when it is complete, 2 when it is on its way out. `idle_since` is when it was last asked
/// for, none while a message lists it, 0 on its way out.
///
/// Events of the kinds `edit`, `delete` and `reaction` from before the third step were judged by
/// nobody, and so are in none of these tables: they change nothing, and no history shows them.
pub(super) const STEPS: &[&str] = &[
    "
CREATE TABLE meta(epoch TEXT NOT NULL, created_at INTEGER NOT NULL);
CREATE TABLE shards(shard INTEGER PRIMARY KEY, head_ord INTEGER NOT NULL);
INSERT INTO shards VALUES(0, 0);
CREATE TABLE rooms(
    rk INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    name TEXT,
    pair TEXT UNIQUE,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    head_seq INTEGER NOT NULL,
    head_ord INTEGER NOT NULL,
    receipt_ord INTEGER NOT NULL DEFAULT 0,
    members INTEGER NOT NULL
);
CREATE TABLE members(
    rk INTEGER NOT NULL,
    user TEXT NOT NULL,
    role INTEGER NOT NULL,
    joined_at INTEGER NOT NULL,
    joined_seq INTEGER NOT NULL,
    joined_ord INTEGER NOT NULL,
    delivered_seq INTEGER NOT NULL,
    read_seq INTEGER NOT NULL,
    receipt_ord INTEGER NOT NULL DEFAULT 0,
    left_seq INTEGER,
    left_ord INTEGER,
    PRIMARY KEY(rk, user)
) WITHOUT ROWID;
CREATE INDEX members_user ON members(user, rk);
CREATE INDEX members_receipt ON members(rk, receipt_ord);
CREATE INDEX receipts ON members(receipt_ord) WHERE receipt_ord > 0;
CREATE TABLE events(
    ord INTEGER PRIMARY KEY,
    rk INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    id BLOB NOT NULL,
    sender TEXT NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    hash BLOB NOT NULL
);
CREATE UNIQUE INDEX events_seq ON events(rk, seq);
CREATE UNIQUE INDEX events_id ON events(rk, id);
CREATE TABLE mentions(
    rk INTEGER NOT NULL,
    user TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY(rk, user, seq)
) WITHOUT ROWID;
CREATE TABLE profiles(
    user TEXT PRIMARY KEY,
    name TEXT,
    avatar_url TEXT,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
",
    "
CREATE TABLE last_seen(user TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
",
    "
ALTER TABLE events ADD COLUMN root INTEGER;
CREATE INDEX events_shown ON events(rk, seq, kind, sender)
    WHERE kind NOT IN ('edit', 'delete', 'reaction');
CREATE INDEX events_last ON events(rk, seq) WHERE kind = 'message' AND root IS NULL;
CREATE TABLE revisions(
    rk INTEGER NOT NULL,
    target INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY(rk, target, seq)
) WITHOUT ROWID;
CREATE TABLE replies(
    rk INTEGER NOT NULL,
    root INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY(rk, root, seq)
) WITHOUT ROWID;
CREATE TABLE reactions(
    rk INTEGER NOT NULL,
    target INTEGER NOT NULL,
    user TEXT NOT NULL,
    until INTEGER NOT NULL,
    key TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY(rk, target, user, until, key)
) WITHOUT ROWID;
CREATE INDEX reactions_key ON reactions(rk, target, key, until, since);
CREATE TABLE reaction_counts(
    rk INTEGER NOT NULL,
    target INTEGER NOT NULL,
    until INTEGER NOT NULL,
    key TEXT NOT NULL,
    since INTEGER NOT NULL,
    first INTEGER NOT NULL,
    users INTEGER NOT NULL,
    PRIMARY KEY(rk, target, until, key)
) WITHOUT ROWID;
ALTER TABLE rooms ADD COLUMN avatar_url TEXT;
ALTER TABLE members ADD COLUMN settings INTEGER NOT NULL DEFAULT 0;
ALTER TABLE members ADD COLUMN settings_ord INTEGER NOT NULL DEFAULT 0;
CREATE INDEX settings ON members(settings_ord) WHERE settings_ord > 0;
",
    // What was written before is taken in step by step: `search_todo` says below which place.
    "
CREATE VIRTUAL TABLE search USING fts5(
    terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii'
);
CREATE TABLE search_todo(below INTEGER NOT NULL);
INSERT INTO search_todo SELECT head_ord + 1 FROM shards WHERE head_ord > 0;
",
    // Short beginnings of words have lists of their own: else each search for one would merge those of
    // all words that begin so, however far it then looks.
    "
DROP TABLE search;
CREATE VIRTUAL TABLE search USING fts5(
    terms, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii', prefix = '2 3'
);
DELETE FROM search_todo;
INSERT INTO search_todo SELECT head_ord + 1 FROM shards WHERE head_ord > 0;
",
    // How a room looked when a member left, for those who are out already by what the log says.
    "
ALTER TABLE members ADD COLUMN left_name TEXT;
ALTER TABLE members ADD COLUMN left_avatar_url TEXT;
ALTER TABLE members ADD COLUMN left_members INTEGER;
CREATE TEMP TABLE told AS
    SELECT rk, seq, kind LIKE 'room.%' AS looks, content, sum(
        CASE kind
            WHEN 'room.created' THEN json_array_length(content, '$.members')
            WHEN 'member.joined' THEN 1
            WHEN 'member.left' THEN -1
            ELSE 0
        END
    ) OVER (PARTITION BY rk ORDER BY seq) AS members
    FROM events
    WHERE kind IN ('room.created', 'room.updated', 'member.joined', 'member.left')
      AND rk IN (SELECT rk FROM members WHERE left_seq IS NOT NULL);
CREATE INDEX temp.told_looks ON told(rk, looks, seq);
UPDATE members SET
    left_name = (SELECT json_extract(content, '$.name') FROM told
        WHERE told.rk = members.rk AND looks = 1 AND seq <= left_seq ORDER BY seq DESC LIMIT 1),
    left_avatar_url = (SELECT json_extract(content, '$.avatar_url') FROM told
        WHERE told.rk = members.rk AND looks = 1 AND seq <= left_seq ORDER BY seq DESC LIMIT 1),
    left_members = (SELECT told.members FROM told
        WHERE told.rk = members.rk AND looks = 0 AND seq = left_seq)
    WHERE left_seq IS NOT NULL;
DROP TABLE told;
",
    // What counts as unread, without what does not.
    "
CREATE INDEX events_counted ON events(rk, seq, sender) WHERE kind = 'message';
",
    // Uploads, and which messages list them.
    "
CREATE TABLE uploads(
    id BLOB PRIMARY KEY,
    user TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    part_size INTEGER NOT NULL,
    token TEXT,
    state INTEGER NOT NULL,
    idle_since INTEGER
) WITHOUT ROWID;
CREATE INDEX uploads_idle ON uploads(idle_since) WHERE idle_since IS NOT NULL;
CREATE TABLE attachments(
    upload BLOB NOT NULL,
    rk INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY(upload, rk, seq)
) WITHOUT ROWID;
CREATE INDEX attachments_message ON attachments(rk, seq);
",
    // Which settings came after which.
    "
ALTER TABLE members ADD COLUMN settings_version INTEGER NOT NULL DEFAULT 0;
UPDATE members SET settings_version = 1 WHERE settings_ord > 0;
",
    // Tokens that were taken back: one by its id, or all of a user's that were issued up to a second. A number that
    // was given never comes again, so that what is new shows.
    "
CREATE TABLE revocations(
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    token TEXT,
    user TEXT,
    until INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX revocations_token ON revocations(token) WHERE token IS NOT NULL;
CREATE INDEX revocations_user ON revocations(user) WHERE user IS NOT NULL;
",
    // Who is kept out of which room.
    "
CREATE TABLE bans(
    rk INTEGER NOT NULL,
    user TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT,
    PRIMARY KEY(rk, user)
) WITHOUT ROWID;
",
    // Who may only read in which room, and until when: the highest time where only others end it. How long a member
    // waits from one message to the next, in ms, and when the last one was, kept only while the room is slow.
    "
CREATE TABLE mutes(
    rk INTEGER NOT NULL,
    user TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    reason TEXT,
    PRIMARY KEY(rk, user)
) WITHOUT ROWID;
ALTER TABLE rooms ADD COLUMN slow_mode_ms INTEGER NOT NULL DEFAULT 0;
CREATE TABLE slow_writes(
    rk INTEGER NOT NULL,
    user TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY(rk, user)
) WITHOUT ROWID;
",
    // Accounts: the hash of the password, and which password it is, so that nobody signs in by one that was changed
    // meanwhile. Sessions: `hash` is that of the refresh token of `generation`, given first at `given_at`; `shown` is the
    // newest generation of which a token came back. Its tokens hold until `tokens_until`, its refresh token until
    // `expires_at`.
    "
CREATE TABLE accounts(
    user TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    version INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE sessions(
    id BLOB PRIMARY KEY,
    user TEXT NOT NULL,
    device TEXT,
    created_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    given_at INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    hash BLOB NOT NULL,
    tokens_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER
) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions(user) WHERE ended_at IS NULL;
CREATE INDEX sessions_ended ON sessions(tokens_until) WHERE ended_at IS NOT NULL;
",
    // Whom users have blocked. `ord` of a list is the one place of the delivery log where it stands.
    "
CREATE TABLE block_lists(
    user TEXT PRIMARY KEY,
    ord INTEGER NOT NULL,
    version INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX block_lists_ord ON block_lists(ord);
CREATE TABLE blocks(
    user TEXT NOT NULL,
    blocked TEXT NOT NULL,
    PRIMARY KEY(user, blocked)
) WITHOUT ROWID;
",
    // What members have told those who keep order of, with the message as it was then. `hash` is of what was asked for.
    "
CREATE TABLE reports(
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    rk INTEGER NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    user TEXT NOT NULL,
    event TEXT,
    hash BLOB NOT NULL,
    reason TEXT NOT NULL,
    note TEXT,
    resolved_by TEXT,
    resolved_at INTEGER
);
CREATE INDEX reports_room ON reports(rk, n);
CREATE INDEX reports_open ON reports(rk, n) WHERE resolved_at IS NULL;
",
];

/// Why a database cannot be brought to this version's schema.
#[derive(Debug)]
pub(super) enum MigrateError {
    /// A newer version of the server has written it.
    Newer {
        found: usize,
    },
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for MigrateError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// How many steps this version knows.
pub(super) const fn known() -> usize {
    STEPS.len()
}

/// Takes the steps that the database has not taken yet. A new database gets its epoch.
pub(super) fn migrate(conn: &mut Connection, now: i64) -> Result<(), MigrateError> {
    let found: usize = conn
        .pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?
        .try_into()
        .unwrap_or(usize::MAX);
    if found > STEPS.len() {
        return Err(MigrateError::Newer { found });
    }
    for (done, step) in STEPS.iter().enumerate().skip(found) {
        let tx = conn.transaction()?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", super::int(done as u64 + 1))?;
        if done == 0 {
            let epoch = uuid::Uuid::now_v7().to_string();
            tx.execute("INSERT INTO meta VALUES(?1, ?2)", (epoch, now))?;
        }
        tx.commit()?;
    }
    Ok(())
}
