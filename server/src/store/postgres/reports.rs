//! What members have told those who keep order of.

use tidewire_protocol::{
    Report, ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, RoomId, UserId, limits,
};
use tokio_postgres::Row;

use super::address::Address;
use super::bans::moderated;
use super::connect::{Db, Session, int};
use super::write::{Written, member_room, storable};
use super::{history, read};
use crate::store::StoreError;
use crate::store::reports::{ReportRow, check_report, hash_of, reported};
use crate::store::rules::require_moderator;

/// What [`report`] reads.
const COLUMNS: &str = "p.id, r.id, p.by_user, p.at, p.user_id, p.event, p.reason, p.note, p.resolved_by, p.resolved_at";

fn report(found: &Row) -> Result<Report, StoreError> {
    let resolved_at: Option<i64> = found.try_get(9)?;
    let row = ReportRow {
        id: ReportId::from_uuid(found.try_get(0)?),
        room: read::room_id(found, 1)?,
        by: read::user(found, 2)?,
        at: found.try_get(3)?,
        user: read::user(found, 4)?,
        event: found.try_get(5)?,
        reason: found.try_get(6)?,
        note: found.try_get(7)?,
        resolved: match resolved_at {
            Some(at) => Some((read::user(found, 8)?, at)),
            None => None,
        },
    };
    row.report()
}

/// Takes a report, with a copy of the message.
pub(super) async fn take(db: &Db, by: &UserId, request: &ReportRequest) -> Written<ReportTaken> {
    check_report(by, request)?;
    storable(&[&request.note])?;
    let hash = hash_of(request).to_vec();
    let tx = db.begin().await?;
    let known = "SELECT at, by_user, hash FROM reports WHERE id = $1";
    let answer = |found: &Row| -> Result<ReportTaken, StoreError> {
        let (same, of): (&str, &[u8]) = (found.try_get(1)?, found.try_get(2)?);
        if same != by.as_str() || of != hash {
            return Err(StoreError::IdTaken);
        }
        Ok(ReportTaken { id: request.id, at: found.try_get(0)? })
    };
    if let Some(found) = tx.optional(known, &[&request.id.uuid()]).await? {
        return Ok((answer(&found)?, Vec::new()));
    }
    let (room, _) = member_room(&tx, request.room, by).await?;
    let event = match request.event {
        Some(id) => history::message(&tx, request.room, by, id).await?.messages.pop(),
        None => None,
    };
    let user = reported(by, request, event.as_ref())?;
    let event = event.as_ref().map(|event| event.get());
    let sql = "INSERT INTO reports(id, rk, by_user, at, user_id, event, hash, reason, note)
               VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT(id) DO NOTHING";
    let (id, reporter, reason) = (request.id.uuid(), by.as_str(), request.reason.as_str());
    let made = tx
        .execute(
            sql,
            &[
                &id,
                &room.rk,
                &reporter,
                &tx.now,
                &user.as_str(),
                &event,
                &hash,
                &reason,
                &request.note,
            ],
        )
        .await?;
    if made == 0 {
        // The same id came on another connection meanwhile.
        let found = tx.one(known, &[&id]).await?;
        return Ok((answer(&found)?, Vec::new()));
    }
    let taken = ReportTaken { id: request.id, at: tx.now };
    Ok((taken, tx.commit().await?))
}

/// A page of the reports of a room.
pub(super) async fn page(
    s: &Session,
    room: RoomId,
    by: &UserId,
    query: ReportsQuery,
) -> Result<ReportPage, StoreError> {
    let (of, own) = read::seen_by(s, room, by).await?;
    if !own.is_in() {
        return Err(StoreError::NotAMember);
    }
    require_moderator(own.role)?;
    let after: i64 = match query.after {
        Some(id) => {
            let sql = "SELECT n FROM reports WHERE id = $1 AND rk = $2";
            let found = s.optional(sql, &[&id.uuid(), &of.rk]).await?;
            found.ok_or(StoreError::BadPageToken)?.try_get(0)?
        }
        None => 0,
    };
    let open = if query.all { "" } else { "AND p.resolved_at IS NULL" };
    let sql = format!(
        "SELECT {COLUMNS} FROM reports p JOIN rooms r ON r.rk = p.rk
         WHERE p.rk = $1 AND p.n > $2 {open} ORDER BY p.n LIMIT $3"
    );
    let most = limits::REPORTS_PAGE;
    let mut reports = Vec::new();
    for found in s.query(&sql, &[&of.rk, &after, &int(most as u64 + 1)]).await? {
        reports.push(report(&found)?);
    }
    let more = reports.len() > most;
    reports.truncate(most);
    let next = reports.last().filter(|_| more).map(|report| report.id);
    Ok(ReportPage { reports, next })
}

/// Says that a report is done with.
pub(super) async fn resolve(db: &Db, id: ReportId, by: &UserId) -> Written<Report> {
    let tx = db.begin().await?;
    let sql =
        format!("SELECT {COLUMNS} FROM reports p JOIN rooms r ON r.rk = p.rk WHERE p.id = $1");
    let found = tx.optional(&sql, &[&id.uuid()]).await?.ok_or(StoreError::UnknownReport)?;
    // Whether there is such a report, nobody learns who keeps no order there.
    moderated(&tx, report(&found)?.room, by).await.map_err(hidden)?;
    let resolve = "UPDATE reports SET resolved_by = $2, resolved_at = $3
                   WHERE id = $1 AND resolved_at IS NULL";
    tx.execute(resolve, &[&id.uuid(), &by.as_str(), &tx.now]).await?;
    let resolved = report(&tx.one(&sql, &[&id.uuid()]).await?)?;
    Ok((resolved, tx.commit().await?))
}

fn hidden(error: StoreError) -> StoreError {
    match error {
        StoreError::NotAMember | StoreError::Forbidden(_) => StoreError::UnknownReport,
        other => other,
    }
}

/// All reports of a database that servers may be running on, the oldest first.
pub(crate) async fn reports_at(url: &str) -> Result<Vec<Report>, String> {
    let db = Address::parse(url).and_then(Db::new)?;
    let all = async {
        let sql =
            format!("SELECT {COLUMNS} FROM reports p JOIN rooms r ON r.rk = p.rk ORDER BY p.n");
        let rows = db.plain().await?.query(&sql, &[]).await?;
        rows.iter().map(report).collect::<Result<Vec<Report>, StoreError>>()
    };
    all.await.map_err(|error| error.to_string())
}
