//! Opening an account's two files: what exists nowhere else (`outbox.db`), and the cache
//! (`tidewire.db`), which the server can fill again. What is damaged is found here and mended.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use super::folder::Paths;
use super::migrations::{self, STEPS};
use super::{query, repair};
use crate::defaults;
use crate::engine::Repair;
use crate::error::StoreError;

/// Pages of the cache that a connection keeps, in KiB: a client reads a screen at a time, and
/// hundreds of clients may live in one process.
const CACHE_KIB: i64 = 512;
/// The same of the outbox, which is read once.
const OWN_KIB: i64 = 64;
/// How long another connection may keep a file before that is an error.
const BUSY: Duration = Duration::from_secs(5);

/// How the files are to be opened.
#[derive(Debug, Clone, Default)]
pub(crate) struct Opening {
    /// Why something in them is known to be damaged, if it is.
    pub(crate) suspicion: Option<String>,
    /// Whether what can not be read of the outbox is given up.
    pub(crate) accept_loss: bool,
}

/// Why a file can not be used as it is.
#[derive(Debug)]
pub(super) enum Unusable {
    Told(StoreError),
    /// In SQLite's words.
    Damaged(String),
}

/// One connection to both: the outbox as `main`, the cache attached.
///
/// A transaction over both is committed file by file, in this order: the outbox, then the cache.
/// So after a crash in between, an operation may have left the outbox whose event is not stored
/// yet. The cursor stands before that event, which comes again.
pub(super) fn open(
    paths: &Paths,
    opening: &Opening,
) -> Result<(Connection, Option<Repair>), StoreError> {
    paths.finish_repair()?;
    let mut repair = None;
    let mut own = match open_own(paths) {
        Ok(own) => own,
        Err(Unusable::Told(error)) => return Err(error),
        Err(Unusable::Damaged(reason)) => {
            repair = Some(repair::mend_own(paths, reason, opening.accept_loss)?);
            open_own(paths).map_err(|error| error.told(&paths.own))?
        }
    };
    let cache = match (&opening.suspicion, &repair) {
        // The outbox has been looked through and is sound: it is the cache's.
        (Some(reason), None) => Err(Unusable::Damaged(reason.clone())),
        _ => open_cache(paths, &mut own),
    };
    match cache {
        Ok(()) => {}
        Err(Unusable::Told(error)) => return Err(error),
        Err(Unusable::Damaged(reason)) => {
            repair::renew_cache(paths, &mut own, &reason, opening.accept_loss)?;
            open_cache(paths, &mut own).map_err(|error| error.told(&paths.cache))?;
            let whole = Repair { complete: true, ..Repair::default() };
            let earlier = repair.take().unwrap_or(whole);
            repair = Some(Repair { reason, cache: true, ..earlier });
        }
    }
    attach(&own, paths).map_err(|error| classify(error, &paths.cache))?;
    Ok((own, repair))
}

/// A second connection to the cache, which only reads.
pub(super) fn open_reader(cache: &Path) -> Result<Connection, StoreError> {
    let set_up = || {
        let connection = Connection::open(cache)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "query_only", true)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        plan_once(&connection)?;
        Ok(connection)
    };
    set_up().map_err(|error| classify(error, cache))
}

/// Both in one database in memory.
pub(super) fn in_memory() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    plan_once(&connection)?;
    for step in STEPS {
        connection.execute_batch(step.cache)?;
        connection.execute_batch(step.own)?;
    }
    Ok(connection)
}

/// Opens a file so far that its version is known. Nothing is changed in it, nor in its log.
fn begin(path: &Path) -> Result<Connection, Unusable> {
    let set_up = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let found = migrations::version(&connection)?;
        Ok((connection, found))
    };
    let (connection, found) = set_up().map_err(|error| Unusable::of(error, path))?;
    let known = migrations::known();
    // A version that no release will ever have is a damaged byte.
    if found > known + 1_000 {
        return Err(Unusable::Damaged(format!("the version {found} is none")));
    }
    if found > known {
        return Err(Unusable::Told(StoreError::Newer { found, known }));
    }
    Ok(connection)
}

/// From here on the file may be written.
fn go_on(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.pragma_update(None, "journal_mode", "WAL")
}

fn open_own(paths: &Paths) -> Result<Connection, Unusable> {
    let is_there = paths.own.exists();
    let of = |error| Unusable::of(error, &paths.own);
    let mut own = begin(&paths.own)?;
    let version = migrations::version(&own).map_err(of)?;
    if !migrations::has_outbox(version) {
        if is_there && migrations::has_outbox(header_version(&paths.cache)) {
            return Err(Unusable::Damaged("the file is empty".into()));
        }
        go_on(&own).map_err(of)?;
        return Ok(own);
    }
    // Small, and what it holds exists nowhere else: looked through at every start.
    let sound: String =
        own.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(of)?;
    if sound != "ok" {
        return Err(Unusable::Damaged(sound));
    }
    go_on(&own).map_err(of)?;
    migrations::steps(&mut own, |step| step.own).map_err(|error| misstep(error, &paths.own))?;
    same_schema(&own, &OWN_SCHEMA, |step| step.own, &paths.own)?;
    query::read_outbox(&own).map_err(of)?;
    query::read_drafts(&own).map_err(of)?;
    query::read_wishes(&own).map_err(of)?;
    query::read_block_wishes(&own).map_err(of)?;
    Ok(own)
}

/// Brings both files to the newest version.
fn open_cache(paths: &Paths, own: &mut Connection) -> Result<(), Unusable> {
    let of = |error| Unusable::of(error, &paths.cache);
    let of_own = |error| Unusable::Told(classify(error, &paths.own));
    let mut cache = begin(&paths.cache)?;
    go_on(&cache).map_err(of)?;
    if !migrations::has_outbox(migrations::version(own).map_err(of_own)?) {
        let rows = migrations::outbox_of(&cache).map_err(of)?;
        migrations::take_outbox(own, &rows).map_err(of_own)?;
        migrations::steps(own, |step| step.own).map_err(of_own)?;
    }
    migrations::steps(&mut cache, |step| step.cache)
        .map_err(|error| misstep(error, &paths.cache))?;
    same_schema(&cache, &CACHE_SCHEMA, |step| step.cache, &paths.cache)?;
    // Its log is left as it is: whoever closes a file last would write it back and delete it, for the next
    // connection to make it again.
    cache.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop).map_err(of)
}

/// A step that does not fit the tables there are: the version or the schema is damaged.
fn misstep(error: rusqlite::Error, path: &Path) -> Unusable {
    match error.sqlite_error_code() {
        Some(ErrorCode::Unknown) => Unusable::Damaged(error.to_string()),
        _ => Unusable::of(error, path),
    }
}

fn attach(own: &Connection, paths: &Paths) -> rusqlite::Result<()> {
    let limit = i64::try_from(defaults::WAL_BYTES).unwrap_or(i64::MAX);
    own.execute("ATTACH ?1 AS cache", [path_text(&paths.cache)?])?;
    for (schema, kib) in [("main", OWN_KIB), ("cache", CACHE_KIB)] {
        own.pragma_update(Some(schema), "synchronous", "NORMAL")?;
        own.pragma_update(Some(schema), "cache_size", -kib)?;
        own.pragma_update_and_check(Some(schema), "journal_size_limit", limit, |_| Ok(()))?;
    }
    plan_once(own)
}

/// A statement is planned once. Else SQLite parses and plans it anew for each other bound of a range, to look
/// that up in statistics that are never made here: of 1,000 short queries that was two thirds of the time.
fn plan_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn path_text(path: &Path) -> rusqlite::Result<&str> {
    path.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(path.to_owned()))
}

type Schema = Vec<(String, Option<String>)>;
static OWN_SCHEMA: OnceLock<Schema> = OnceLock::new();
static CACHE_SCHEMA: OnceLock<Schema> = OnceLock::new();

/// A file has to have the tables and indexes that its steps make: one damaged byte in its schema
/// makes a table that nobody finds.
fn same_schema(
    connection: &Connection,
    known: &OnceLock<Schema>,
    part: fn(&migrations::Step) -> &'static str,
    path: &Path,
) -> Result<(), Unusable> {
    let of = |error| Unusable::of(error, path);
    if known.get().is_none() {
        let mut fresh = Connection::open_in_memory().map_err(of)?;
        migrations::steps(&mut fresh, part).map_err(of)?;
        // Another thread may have been faster, with the same.
        let _ = known.set(schema(&fresh).map_err(of)?);
    }
    let found = schema(connection).map_err(of)?;
    if known.get().is_some_and(|known| known.iter().all(|entry| found.contains(entry))) {
        Ok(())
    } else {
        Err(Unusable::Damaged("the schema is not the one that was made".into()))
    }
}

fn schema(connection: &Connection) -> rusqlite::Result<Schema> {
    connection
        .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// The version as it stands in the file's header; 0 if there is none to be read.
pub(super) fn header_version(path: &Path) -> u32 {
    const USER_VERSION: usize = 60;
    let mut header = [0; 100];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut header));
    let bytes = header.get(USER_VERSION..USER_VERSION + 4).and_then(|bytes| bytes.try_into().ok());
    match (read, bytes) {
        (Ok(()), Some(bytes)) => u32::from_be_bytes(bytes),
        _ => 0,
    }
}

impl Unusable {
    pub(super) fn of(error: rusqlite::Error, path: &Path) -> Self {
        match damage(&error) {
            Some(reason) => Self::Damaged(reason),
            None => Self::Told(classify(error, path)),
        }
    }

    pub(super) fn told(self, path: &Path) -> StoreError {
        match self {
            Self::Told(error) => error,
            Self::Damaged(reason) => StoreError::Damaged { path: path.to_owned(), reason },
        }
    }
}

/// What says that a file is damaged, and no passing trouble: SQLite itself, or a row that is none.
pub(super) fn damage(error: &rusqlite::Error) -> Option<String> {
    use rusqlite::Error as E;
    let code = error.sqlite_error_code();
    let damaged = match error {
        // Not what was read: that may be somebody's words.
        E::FromSqlConversionFailure(at, ..) | E::IntegralValueOutOfRange(at, _) => {
            return Some(format!("column {at} of a row can not be read"));
        }
        E::InvalidColumnType(..) | E::Utf8Error(..) | E::QueryReturnedNoRows => true,
        _ => matches!(code, Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt)),
    };
    damaged.then(|| error.to_string())
}

/// The typed error of what SQLite says.
pub(super) fn classify(error: rusqlite::Error, path: &Path) -> StoreError {
    if let Some(reason) = damage(&error) {
        return StoreError::Damaged { path: path.to_owned(), reason };
    }
    let unusable = |reason: String| StoreError::FolderUnusable {
        path: path.parent().unwrap_or(path).to_owned(),
        reason,
    };
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::DiskFull,
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            unusable(error.to_string())
        }
        _ => StoreError::Io(error.to_string()),
    }
}
