//! From a SQLite folder into an empty PostgreSQL. Places keep their numbers: those of one log, dealt out to the shards,
//! grow in each of them as well. So memberships, receipts and settings stand where they stood.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use rusqlite::types::ValueRef;
use tidewire_protocol::Content;
use tokio::sync::mpsc;

use super::StoreError;
use super::postgres::{Target, metadata_of, shard_for, shard_of_user, vector_of};
use super::sqlite::Source;
use crate::store::postgres::OpenError as TargetError;
use crate::store::sqlite::OpenError as SourceError;

/// Bytes of rows that go out at once; `CHUNKS` of them may wait. So much memory it takes, whatever there is to import.
const CHUNK: usize = 256 * 1024;
const CHUNKS: usize = 4;

/// Where the rows of a table come from.
enum Rows {
    /// As SQLite has them.
    As(&'static str),
    /// The same, with what PostgreSQL can look into of a content, which comes last.
    WithMetadata(&'static str),
    /// The index of messages, which is made anew.
    Index,
}

struct Table {
    name: &'static str,
    columns: &'static str,
    rows: Rows,
}

const fn table(name: &'static str, columns: &'static str, rows: Rows) -> Table {
    Table { name, columns, rows }
}

/// All that is kept, what others refer to first.
const TABLES: &[Table] = &[
    table(
        "rooms",
        "rk, id, kind, name, avatar_url, pair, created_by, created_at, active_at, shard, head_seq, head_ord, \
         receipt_ord, members, slow_mode_ms",
        Rows::As(
            "SELECT r.rk, hex(r.id), r.kind, r.name, r.avatar_url, r.pair, r.created_by, r.created_at,
                 coalesce((SELECT e.at FROM events e WHERE e.rk = r.rk AND e.seq = r.head_seq), r.created_at),
                 p.shard, r.head_seq, r.head_ord, r.receipt_ord, r.members, r.slow_mode_ms
             FROM rooms r LEFT JOIN placed p ON p.rk = r.rk ORDER BY r.rk",
        ),
    ),
    table(
        "members",
        "rk, user_id, shard, role, joined_at, joined_seq, joined_ord, delivered_seq, read_seq, receipt_ord, \
         settings, settings_ord, settings_version, left_seq, left_ord, left_name, left_avatar_url, left_members",
        Rows::As(
            "SELECT m.rk, m.user, p.shard, m.role, m.joined_at, m.joined_seq, m.joined_ord, m.delivered_seq,
                 m.read_seq, m.receipt_ord, m.settings, m.settings_ord, m.settings_version, m.left_seq,
                 m.left_ord, m.left_name, m.left_avatar_url, m.left_members
             FROM members m LEFT JOIN placed p ON p.rk = m.rk ORDER BY m.rk, m.user",
        ),
    ),
    table(
        "events",
        "shard, ord, rk, seq, id, sender, at, kind, hash, root, content, metadata",
        Rows::WithMetadata(
            "SELECT p.shard, e.ord, e.rk, e.seq, hex(e.id), e.sender, e.at, e.kind, '\\x' || hex(e.hash), e.root,
                 e.content
             FROM events e LEFT JOIN placed p ON p.rk = e.rk ORDER BY e.ord",
        ),
    ),
    table("mentions", "rk, user_id, seq", Rows::As("SELECT rk, user, seq FROM mentions")),
    table("revisions", "rk, target, seq", Rows::As("SELECT rk, target, seq FROM revisions")),
    table("replies", "rk, root, seq, number", Rows::As("SELECT rk, root, seq, number FROM replies")),
    table(
        "reactions",
        "rk, target, user_id, until, key, since",
        Rows::As("SELECT rk, target, user, until, key, since FROM reactions"),
    ),
    table(
        "reaction_counts",
        "rk, target, until, key, since, first, users",
        Rows::As("SELECT rk, target, until, key, since, first, users FROM reaction_counts"),
    ),
    table("search", "rk, seq, terms", Rows::Index),
    table(
        "profiles",
        "user_id, name, avatar_url, updated_at",
        Rows::As("SELECT user, name, avatar_url, updated_at FROM profiles"),
    ),
    table("last_seen", "user_id, at", Rows::As("SELECT user, at FROM last_seen")),
    table(
        "uploads",
        "id, user_id, key, name, content_type, size, sha256, part_size, token, state, idle_since",
        Rows::As(
            "SELECT hex(id), user, key, name, content_type, size, '\\x' || hex(sha256), part_size, token, state,
                 idle_since FROM uploads",
        ),
    ),
    table(
        "attachments",
        "upload, rk, seq",
        Rows::As(
            "SELECT hex(upload), rk, seq FROM attachments WHERE upload IN (SELECT id FROM uploads)",
        ),
    ),
    table(
        "revocations",
        "token, user_id, until",
        Rows::As(
            "SELECT DISTINCT token, NULL, 0 FROM revocations WHERE token IS NOT NULL
             UNION ALL
             SELECT NULL, user, max(until) FROM revocations WHERE user IS NOT NULL GROUP BY user",
        ),
    ),
    table(
        "bans",
        "rk, user_id, by_user, at, reason",
        Rows::As("SELECT rk, user, by, at, reason FROM bans"),
    ),
    table(
        "mutes",
        "rk, user_id, by_user, at, until, reason",
        Rows::As("SELECT rk, user, by, at, until, reason FROM mutes"),
    ),
    table(
        "accounts",
        "user_id, password, version, created_at",
        Rows::As("SELECT user, password, version, created_at FROM accounts"),
    ),
    table(
        "sessions",
        "id, user_id, device, created_at, used_at, given_at, generation, shown, hash, tokens_until, expires_at, \
         ended_at",
        Rows::As(
            "SELECT hex(id), user, device, created_at, used_at, given_at, generation, shown, '\\x' || hex(hash),
                 tokens_until, expires_at, ended_at FROM sessions",
        ),
    ),
    table(
        "block_lists",
        "user_id, shard, ord, version",
        Rows::As(
            "SELECT l.user, p.shard, l.ord, l.version
             FROM block_lists l LEFT JOIN placed_lists p ON p.user = l.user",
        ),
    ),
    table("blocks", "user_id, blocked", Rows::As("SELECT user, blocked FROM blocks")),
    table(
        "reports",
        "id, rk, by_user, at, user_id, event, hash, reason, note, resolved_by, resolved_at",
        Rows::As(
            "SELECT hex(id), rk, by, at, user, event, '\\x' || hex(hash), reason, note, resolved_by, resolved_at
             FROM reports ORDER BY n",
        ),
    ),
    table("slow_writes", "rk, user_id, at", Rows::As("SELECT rk, user, at FROM slow_writes")),
];

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("the import was undone: {0}; remove the cause and run it again")]
    Undone(#[from] StoreError),
}

/// Writes all that the database at `path` holds into the one at `url`, which has to be empty, and gives the number of
/// rows of each table. Cut short it leaves nothing behind.
pub(crate) async fn import(
    path: &Path,
    url: &str,
    secret: Option<&[u8]>,
) -> Result<Vec<(&'static str, u64)>, ImportError> {
    let tables: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
    let mut target = Target::open(url, &tables).await?;
    let file = path.to_owned();
    let source = blocking(move || Source::open(&file, shard_for, shard_of_user)).await??;
    let head = source.head()?;
    // Read by one thread at a time, of those that may wait.
    let source = Arc::new(Mutex::new(source));
    let import = target.begin().await?;
    let mut counts = Vec::new();
    for table in TABLES {
        let (chunks, lines) = mpsc::channel(CHUNKS);
        let source = source.clone();
        let reading = blocking(move || {
            let source = source.lock().unwrap_or_else(PoisonError::into_inner);
            read(&source, table, Lines::new(chunks))
        });
        // What could not be read ends the rows too early: it is looked at before they count.
        let (read, written) = tokio::join!(reading, import.copy(table.name, table.columns, lines));
        let written = written?;
        let read = read??;
        if read != written {
            let told = format!("{written} of {read} rows of {} arrived", table.name);
            return Err(StoreError::Failed(told).into());
        }
        counts.push((table.name, written));
    }
    import.finish(&tables, head, secret).await?;
    Ok(counts)
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(job).await;
    done.map_err(|error| StoreError::Failed(format!("reading ended: {error}")))
}

/// Reads a table. Gives the number of its rows.
fn read(source: &Source, table: &Table, mut lines: Lines) -> Result<u64, StoreError> {
    match table.rows {
        Rows::As(select) => source.rows(select, |values| {
            values.iter().try_for_each(|value| lines.value(value))?;
            lines.end()
        })?,
        Rows::WithMetadata(select) => source.rows(select, |values| {
            values.iter().try_for_each(|value| lines.value(value))?;
            let content = values.last().map(|content| text(content)).transpose()?;
            let content = content.and_then(|json| Content::from_json(json).ok());
            match content.as_ref().and_then(metadata_of) {
                Some(metadata) => lines.text(&metadata.to_string()),
                None => lines.null(),
            }
            lines.end()
        })?,
        Rows::Index => source.messages(|said| {
            lines.number(said.rk);
            lines.number(i64::try_from(said.seq.get()).unwrap_or(i64::MAX));
            lines.text(&vector_of(said.rk, &said.sender, &said.content));
            lines.end()
        })?,
    }
    lines.finish()
}

fn text(value: &ValueRef<'_>) -> Result<String, StoreError> {
    let text = value.as_str().map_err(|error| StoreError::Failed(error.to_string()))?;
    Ok(text.to_owned())
}

/// Rows in the text format of PostgreSQL's `COPY`.
struct Lines {
    buffer: Vec<u8>,
    /// Whether a field of the row stands before.
    begun: bool,
    count: u64,
    chunks: mpsc::Sender<Bytes>,
}

impl Lines {
    fn new(chunks: mpsc::Sender<Bytes>) -> Self {
        Self { buffer: Vec::with_capacity(CHUNK), begun: false, count: 0, chunks }
    }

    fn field(&mut self) {
        if self.begun {
            self.buffer.push(b'\t');
        }
        self.begun = true;
    }

    fn null(&mut self) {
        self.field();
        self.buffer.extend_from_slice(b"\\N");
    }

    fn number(&mut self, number: i64) {
        self.field();
        self.buffer.extend_from_slice(number.to_string().as_bytes());
    }

    fn text(&mut self, text: &str) {
        self.field();
        for byte in text.bytes() {
            match byte {
                b'\\' => self.buffer.extend_from_slice(b"\\\\"),
                b'\t' => self.buffer.extend_from_slice(b"\\t"),
                b'\n' => self.buffer.extend_from_slice(b"\\n"),
                b'\r' => self.buffer.extend_from_slice(b"\\r"),
                // The one character that PostgreSQL's texts cannot hold.
                0 => self.buffer.extend_from_slice("\u{fffd}".as_bytes()),
                other => self.buffer.push(other),
            }
        }
    }

    fn value(&mut self, value: &ValueRef<'_>) -> Result<(), StoreError> {
        match value {
            ValueRef::Null => self.null(),
            ValueRef::Integer(number) => self.number(*number),
            other => self.text(&text(other)?),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), StoreError> {
        self.buffer.push(b'\n');
        self.begun = false;
        self.count += 1;
        if self.buffer.len() >= CHUNK { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        // Whoever took them knows why they are not taken any more.
        let gone = |_| StoreError::Failed("PostgreSQL takes no more rows".into());
        self.chunks.blocking_send(chunk.into()).map_err(gone)
    }

    fn finish(mut self) -> Result<u64, StoreError> {
        if !self.buffer.is_empty() {
            self.flush()?;
        }
        Ok(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stays behind: the life of the log, which begins anew; the head of its one shard, which is told to all; the
    /// order of revocations, by which servers follow them.
    const LEFT: &[&str] = &["meta", "shards", "revocations.n"];

    #[test]
    fn everything_that_a_folder_keeps_is_brought_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tidewire.db");
        std::fs::write(&path, []).unwrap();
        let source = Source::open(&path, shard_for, shard_of_user).unwrap();
        // The index of messages is made anew.
        let names = "SELECT m.name, c.name FROM main.sqlite_schema m, pragma_table_info(m.name) c
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'search%'";
        let mut columns = 0;
        let each = |row: &[ValueRef<'_>]| {
            let (of, column) = (text(&row[0])?, text(&row[1])?);
            columns += 1;
            if LEFT.contains(&of.as_str()) || LEFT.contains(&format!("{of}.{column}").as_str()) {
                return Ok(());
            }
            let table = TABLES.iter().find(|table| table.name == of);
            let table = table.unwrap_or_else(|| panic!("the table {of} is left behind"));
            let (Rows::As(select) | Rows::WithMetadata(select)) = table.rows else { return Ok(()) };
            let between = |c: char| !c.is_ascii_alphanumeric() && c != '_';
            assert!(
                select.split(between).any(|part| part == column),
                "{of}.{column} is left behind"
            );
            Ok(())
        };
        source.rows(names, each).unwrap();
        assert!(columns > 60, "{columns} columns are looked at");
    }

    #[test]
    fn a_row_stays_one_whatever_it_holds() {
        let (chunks, mut lines) = mpsc::channel(1);
        let mut rows = Lines::new(chunks);
        rows.text("a\tb\nc\r\\N\\.\0");
        rows.null();
        rows.number(-7);
        rows.end().unwrap();
        assert_eq!(rows.finish().unwrap(), 1);
        let sent = lines.try_recv().unwrap();
        assert_eq!(sent, "a\\tb\\nc\\r\\\\N\\\\.\u{fffd}\t\\N\t-7\n".as_bytes());
    }
}
