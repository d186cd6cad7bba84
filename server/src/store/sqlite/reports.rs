//! What members have told those who keep order of.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row};
use tidewire_protocol::{
    Report, ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, RoomId, UserId, limits,
};
use uuid::Uuid;

use super::bans::moderated;
use super::write::member_room;
use super::writer::Tx;
use super::{history, int, read};
use crate::store::StoreError;
use crate::store::reports::{ReportRow, check_report, hash_of, reported};
use crate::store::rules::require_moderator;

/// What [`row`] reads.
const COLUMNS: &str =
    "p.id, r.id, p.by, p.at, p.user, p.event, p.reason, p.note, p.resolved_by, p.resolved_at";

fn row(found: &Row<'_>) -> rusqlite::Result<ReportRow> {
    let resolved_at: Option<i64> = found.get(9)?;
    Ok(ReportRow {
        id: ReportId::from_uuid(Uuid::from_bytes(found.get(0)?)),
        room: read::room_id(found, 1)?,
        by: read::user(found, 2)?,
        at: found.get(3)?,
        user: read::user(found, 4)?,
        event: found.get(5)?,
        reason: found.get(6)?,
        note: found.get(7)?,
        resolved: match resolved_at {
            Some(at) => Some((read::user(found, 8)?, at)),
            None => None,
        },
    })
}

/// Takes a report, with a copy of the message.
pub(super) fn take(
    tx: &Tx<'_>,
    by: &UserId,
    request: &ReportRequest,
) -> Result<ReportTaken, StoreError> {
    check_report(by, request)?;
    let hash = hash_of(request);
    let same = tx
        .conn
        .prepare_cached("SELECT at, by, hash FROM reports WHERE id = ?1")?
        .query_row([request.id.uuid().as_bytes()], |found| {
            let same = found.get_ref(1)?.as_str()? == by.as_str()
                && found.get_ref(2)?.as_blob()? == hash.as_slice();
            Ok(same.then_some(found.get(0)?))
        })
        .optional()?;
    if let Some(same) = same {
        return same.map(|at| ReportTaken { id: request.id, at }).ok_or(StoreError::IdTaken);
    }
    let (room, _) = member_room(tx, request.room, by)?;
    let event = match request.event {
        Some(id) => history::message(tx.conn, request.room, by, id)?.messages.pop(),
        None => None,
    };
    let user = reported(by, request, event.as_ref())?;
    tx.conn
        .prepare_cached(
            "INSERT INTO reports(id, rk, by, at, user, event, hash, reason, note)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            request.id.uuid().as_bytes(),
            room.rk,
            by.as_str(),
            tx.now,
            user.as_str(),
            event.as_ref().map(|event| event.get()),
            hash,
            request.reason.as_str(),
            &request.note,
        ))?;
    Ok(ReportTaken { id: request.id, at: tx.now })
}

/// A page of the reports of a room.
pub(super) fn page(
    conn: &Connection,
    room: RoomId,
    by: &UserId,
    query: ReportsQuery,
) -> Result<ReportPage, StoreError> {
    let (of, own) = read::seen_by(conn, room, by)?;
    if own.left_ord.is_some() {
        return Err(StoreError::NotAMember);
    }
    require_moderator(own.role)?;
    let after = match query.after {
        Some(id) => conn
            .prepare_cached("SELECT n FROM reports WHERE id = ?1 AND rk = ?2")?
            .query_row((id.uuid().as_bytes(), of.rk), |found| found.get(0))
            .optional()?
            .ok_or(StoreError::BadPageToken)?,
        None => 0_i64,
    };
    let open = if query.all { "" } else { "AND p.resolved_at IS NULL" };
    let sql = format!(
        "SELECT {COLUMNS} FROM reports p JOIN rooms r ON r.rk = p.rk
         WHERE p.rk = ?1 AND p.n > ?2 {open} ORDER BY p.n LIMIT ?3"
    );
    let most = limits::REPORTS_PAGE;
    let rows: rusqlite::Result<Vec<ReportRow>> =
        conn.prepare_cached(&sql)?.query_map((of.rk, after, int(most as u64 + 1)), row)?.collect();
    let mut reports = Vec::new();
    for row in rows? {
        reports.push(row.report()?);
    }
    let more = reports.len() > most;
    reports.truncate(most);
    let next = reports.last().filter(|_| more).map(|report: &Report| report.id);
    Ok(ReportPage { reports, next })
}

/// Says that a report is done with.
pub(super) fn resolve(tx: &Tx<'_>, id: ReportId, by: &UserId) -> Result<Report, StoreError> {
    let find = |conn: &Connection| {
        conn.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM reports p JOIN rooms r ON r.rk = p.rk WHERE p.id = ?1"
        ))?
        .query_row([id.uuid().as_bytes()], row)
        .optional()
    };
    let found = find(tx.conn)?.ok_or(StoreError::UnknownReport)?;
    // Whether there is such a report, nobody learns who keeps no order there.
    moderated(tx, found.room, by).map_err(hidden)?;
    tx.conn
        .prepare_cached(
            "UPDATE reports SET resolved_by = ?2, resolved_at = ?3
             WHERE id = ?1 AND resolved_at IS NULL",
        )?
        .execute((id.uuid().as_bytes(), by.as_str(), tx.now))?;
    find(tx.conn)?.ok_or(StoreError::UnknownReport)?.report()
}

fn hidden(error: StoreError) -> StoreError {
    match error {
        StoreError::NotAMember | StoreError::Forbidden(_) => StoreError::UnknownReport,
        other => other,
    }
}

/// All reports of a database that a server may be running on, the oldest first.
pub(crate) fn reports_at(path: &Path) -> Result<Vec<Report>, String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let all = || -> Result<Vec<Report>, StoreError> {
        let conn = Connection::open_with_flags(path, flags)?;
        super::prepare(&conn)?;
        let sql =
            format!("SELECT {COLUMNS} FROM reports p JOIN rooms r ON r.rk = p.rk ORDER BY p.n");
        let mut statement = conn.prepare(&sql)?;
        let rows: rusqlite::Result<Vec<ReportRow>> = statement.query_map([], row)?.collect();
        rows?.into_iter().map(ReportRow::report).collect()
    };
    all().map_err(|error| error.to_string())
}
