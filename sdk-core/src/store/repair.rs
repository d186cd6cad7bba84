//! Mending damaged files. The cache is set aside and made anew: the server has it. The outbox is
//! read row by row into a new file first; what can not be read is never given up without being told to.

use std::path::Path;

use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Connection, OpenFlags, params};

use super::files::{Unusable, classify};
use super::folder::{Paths, with_suffix};
use super::{migrations, query, uploads};
use crate::engine::Repair;
use crate::error::StoreError;

/// Makes the outbox's file anew, with every row that can be read of the damaged one.
///
/// # Errors
/// [`StoreError::Damaged`] if not everything can be read and that is not accepted. Nothing is
/// changed then.
pub(super) fn mend_own(
    paths: &Paths,
    reason: String,
    accept_loss: bool,
) -> Result<Repair, StoreError> {
    let made = Paths::unfinished(&paths.own);
    let failed = |error| classify(error, &paths.own);
    paths.remove(&made)?;
    let mut fresh = Connection::open(&made).map_err(failed)?;
    migrations::steps(&mut fresh, |step| step.own).map_err(failed)?;
    let whole = rescue(paths, &mut fresh).map_err(failed)?;
    let rescued = count(&fresh, "outbox").map_err(failed)?;
    drop(fresh);
    if !whole && !accept_loss {
        paths.remove(&made)?;
        let reason = format!("{reason}; {rescued} pending sends can be read of it, maybe not all");
        return Err(StoreError::Damaged { path: paths.own.clone(), reason });
    }
    paths.replace(&paths.own)?;
    tracing::warn!(reason, rescued, whole, "the outbox was damaged and has been made anew");
    Ok(Repair { reason, cache: false, outbox: Some(rescued), complete: whole })
}

/// Sets the cache aside, so that the next opening makes a new one. If the outbox is still in it, that is
/// rescued first.
pub(super) fn renew_cache(
    paths: &Paths,
    own: &mut Connection,
    reason: &str,
    accept_loss: bool,
) -> Result<(), StoreError> {
    let failed = |error| classify(error, &paths.own);
    if !migrations::has_outbox(migrations::version(own).map_err(failed)?) {
        let rows = Connection::open(&paths.cache).and_then(|cache| migrations::outbox_of(&cache));
        let rows = match rows {
            Ok(rows) => rows,
            Err(_) if accept_loss => Vec::new(),
            Err(error) => {
                return Err(Unusable::of(error, &paths.cache).told(&paths.cache));
            }
        };
        migrations::take_outbox(own, &rows).map_err(failed)?;
    }
    paths.set_aside(&paths.cache)?;
    tracing::warn!(reason, "the cache was damaged and is filled anew");
    Ok(())
}

/// Copies what can be read; gives whether that is everything.
fn rescue(paths: &Paths, fresh: &mut Connection) -> rusqlite::Result<bool> {
    let copy = with_suffix(&Paths::unfinished(&paths.own), ".copy");
    let copied = copy_of(paths, &copy);
    let mut whole = copied && copy_rows(&copy, fresh)?;
    // With the first page gone nothing is found. A file made by the same steps has the same one.
    if copied && !whole && first_page_of(&copy, fresh).is_some() {
        whole = copy_rows(&copy, fresh)?;
    }
    if paths.remove(&copy).is_err() {
        tracing::warn!("a copy of the damaged outbox could not be removed");
    }
    // What is no operation is taken by nobody.
    if query::read_outbox(fresh).is_err() {
        whole = false;
        uploads::mend(fresh)?;
        drop_unreadable(fresh)?;
    }
    uploads::drop_orphans(fresh)?;
    if query::read_drafts(fresh).is_err() {
        mend_drafts(fresh)?;
    }
    if query::read_wishes(fresh).is_err() {
        // The settings are again what the server has.
        fresh.execute("DELETE FROM wishes", [])?;
    }
    if query::read_block_wishes(fresh).is_err() {
        fresh.execute("DELETE FROM block_wishes", [])?;
    }
    Ok(whole)
}

fn copy_of(paths: &Paths, copy: &Path) -> bool {
    let log = with_suffix(&paths.own, "-wal");
    let with_log = !log.exists() || std::fs::copy(log, with_suffix(copy, "-wal")).is_ok();
    with_log && std::fs::copy(&paths.own, copy).is_ok()
}

/// Copies all tables as far as they can be read, from both ends.
fn copy_rows(from: &Path, fresh: &mut Connection) -> rusqlite::Result<bool> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let Ok(damaged) = Connection::open_with_flags(from, flags) else { return Ok(false) };
    // A file without its version had no tables yet, or has lost them.
    let mut whole = migrations::version(&damaged).is_ok_and(migrations::has_outbox);
    for table in tables(fresh)? {
        let key = key_of(fresh, &table)?;
        let columns = columns_of(fresh, &damaged, &table)?;
        let transaction = fresh.transaction()?;
        let mut all = false;
        for order in ["ASC", "DESC"] {
            let sql = format!("SELECT {columns} FROM {table} NOT INDEXED ORDER BY {key} {order}");
            if read_until_trouble(&damaged, &sql, &table, &columns, &transaction)? {
                all = true;
                break;
            }
        }
        transaction.commit()?;
        // The smallest index names the rows too.
        let copied = count(fresh, &table)?;
        whole &= match count(&damaged, &table) {
            Ok(named) if all => named <= copied,
            Ok(named) => named == copied,
            Err(_) => all,
        };
    }
    Ok(whole)
}

fn count(connection: &Connection, table: &str) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

fn read_until_trouble(
    damaged: &Connection,
    sql: &str,
    table: &str,
    columns: &str,
    fresh: &Connection,
) -> rusqlite::Result<bool> {
    let Ok(mut statement) = damaged.prepare(sql) else { return Ok(false) };
    let width = statement.column_count();
    let places: Vec<String> = (1..=width).map(|at| format!("?{at}")).collect();
    let places = places.join(", ");
    let mut insert =
        fresh.prepare(&format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})"))?;
    let Ok(mut rows) = statement.query([]) else { return Ok(false) };
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                // As they are: what is no text any more is mended later.
                let values: rusqlite::Result<Vec<ToSqlOutput<'_>>> =
                    (0..width).map(|at| row.get_ref(at).map(ToSqlOutput::Borrowed)).collect();
                match values.and_then(|values| insert.execute(rusqlite::params_from_iter(values))) {
                    Ok(_) => {}
                    // A row that the table does not take is no row of it.
                    Err(_) => return Ok(false),
                }
            }
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

/// Rows that can not be read as what they should be.
fn drop_unreadable(fresh: &Connection) -> rusqlite::Result<()> {
    let numbers: Vec<i64> = fresh
        .prepare("SELECT n FROM outbox")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for number in numbers {
        if query::read_outbox_row(fresh, number).is_err() {
            fresh.execute("DELETE FROM outbox WHERE n = ?1", [number])?;
        }
    }
    Ok(())
}

/// Of a draft everything is kept that is text.
fn mend_drafts(fresh: &Connection) -> rusqlite::Result<()> {
    let drafts: Vec<(Value, Vec<u8>)> = fresh
        .prepare("SELECT room, CAST(text AS BLOB) FROM drafts")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (room, text) in drafts {
        let is_room = matches!(&room, Value::Blob(id) if id.len() == 16);
        if is_room {
            let text = String::from_utf8_lossy(&text);
            fresh.execute("UPDATE drafts SET text = ?2 WHERE room = ?1", params![room, text])?;
        } else {
            fresh.execute("DELETE FROM drafts WHERE room = ?1", [room])?;
        }
    }
    Ok(())
}

fn tables(fresh: &Connection) -> rusqlite::Result<Vec<String>> {
    fresh
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}

fn key_of(fresh: &Connection, table: &str) -> rusqlite::Result<String> {
    let keys: Vec<String> = fresh
        .prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?
        .query_map([table], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    // The first column is enough to come from the other end.
    Ok(keys.into_iter().next().unwrap_or_else(|| "rowid".into()))
}

/// The columns that both have: the damaged file may be of an earlier version. If it does not say, all.
fn columns_of(fresh: &Connection, damaged: &Connection, table: &str) -> rusqlite::Result<String> {
    let of = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        connection
            .prepare("SELECT name FROM pragma_table_info(?1)")?
            .query_map([table], |row| row.get(0))?
            .collect()
    };
    let mut columns = of(fresh)?;
    if let Ok(there) = of(damaged)
        && !there.is_empty()
    {
        columns.retain(|column| there.contains(column));
    }
    Ok(columns.join(", "))
}

/// Puts the first page of `fresh` (header and schema) over that of the copy.
fn first_page_of(copy: &Path, fresh: &Connection) -> Option<()> {
    use std::io::{Read, Seek, SeekFrom, Write};
    const PAGE_COUNT: usize = 28;
    const FREE_LIST: usize = 32;
    const CHANGES: usize = 24;
    const VALID_FOR: usize = 92;
    fresh.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).ok()?;
    let page: u32 = fresh.pragma_query_value(None, "page_size", |row| row.get(0)).ok()?;
    let mut first = vec![0; page as usize];
    std::fs::File::open(fresh.path()?).ok()?.read_exact(&mut first).ok()?;
    let length = std::fs::metadata(copy).ok()?.len();
    let pages = u32::try_from(length / u64::from(page)).ok().filter(|pages| *pages > 1)?;
    let mut put = |at: usize, value: u32| {
        if let Some(place) = first.get_mut(at..at + 4) {
            place.copy_from_slice(&value.to_be_bytes());
        }
    };
    put(PAGE_COUNT, pages);
    // No page is known to be free.
    put(FREE_LIST, 0);
    put(FREE_LIST + 4, 0);
    put(CHANGES, 1);
    put(VALID_FOR, 1);
    // A log beside it counts.
    first.get_mut(18..20)?.fill(2);
    let mut file = std::fs::OpenOptions::new().write(true).open(copy).ok()?;
    file.seek(SeekFrom::Start(0)).ok()?;
    file.write_all(&first).ok()
}
