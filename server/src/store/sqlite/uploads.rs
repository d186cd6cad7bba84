//! Uploads: how far each is, which messages list it, and who may see its file.

use rusqlite::{Connection, OptionalExtension, Row};
use tidewire_protocol::{
    Attachment, Checksum, FileKey, Seq, UploadId, UploadRequest, UserId, WireError,
};
use uuid::Uuid;

use super::int;
use super::writer::Tx;
use crate::store::checked::judge_file;
use crate::store::{NewUpload, StoreError, UploadRow, UploadState};

const BEGUN: i64 = 0;
const COMPLETE: i64 = 1;

/// What [`row`] reads.
macro_rules! columns {
    () => {
        "id, user, key, name, content_type, size, sha256, part_size, token, state"
    };
}

fn row(found: &Row<'_>) -> rusqlite::Result<UploadRow> {
    let odd = |column, error: tidewire_protocol::InvalidId| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    };
    let number = |column| found.get::<_, i64>(column).map(i64::unsigned_abs);
    let request = UploadRequest {
        id: UploadId::from_uuid(Uuid::from_bytes(found.get(0)?)),
        name: found.get(3)?,
        content_type: found.get(4)?,
        size: number(5)?,
        sha256: Checksum::new(found.get(6)?),
    };
    Ok(UploadRow {
        request,
        key: FileKey::new(found.get::<_, String>(2)?).map_err(|error| odd(2, error))?,
        part_size: number(7)?,
        token: found.get(8)?,
        state: match found.get(9)? {
            BEGUN => UploadState::Begun,
            COMPLETE => UploadState::Complete,
            // 2.
            _ => UploadState::Outgoing,
        },
    })
}

/// The upload of this id and whose it is, in whatever state.
fn look_up(conn: &Connection, id: UploadId) -> Result<Option<(UploadRow, String)>, StoreError> {
    let found = conn
        .prepare_cached(concat!("SELECT ", columns!(), " FROM uploads WHERE id = ?1"))?
        .query_row([id.uuid().as_bytes()], |found| Ok((row(found)?, found.get(1)?)))
        .optional()?;
    Ok(found)
}

fn touch(tx: &Tx<'_>, id: UploadId) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached(
            "UPDATE uploads SET idle_since = ?2
             WHERE id = ?1 AND idle_since IS NOT NULL AND state <> 2",
        )?
        .execute((id.uuid().as_bytes(), tx.now))?;
    Ok(())
}

pub(super) fn begin(tx: &Tx<'_>, user: &UserId, new: NewUpload) -> Result<UploadRow, StoreError> {
    let NewUpload { request, key, part_size } = new;
    if let Some((known, owner)) = look_up(tx.conn, request.id)? {
        if owner != user.as_str() || known.request != request {
            return Err(StoreError::IdTaken);
        }
        touch(tx, request.id)?;
        return Ok(known);
    }
    tx.conn
        .prepare_cached(
            "INSERT INTO uploads(id, user, key, name, content_type, size, sha256, part_size, state,
             idle_since) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9)",
        )?
        .execute((
            request.id.uuid().as_bytes(),
            user.as_str(),
            key.as_str(),
            &request.name,
            &request.content_type,
            int(request.size),
            request.sha256.bytes(),
            int(part_size),
            tx.now,
        ))?;
    Ok(UploadRow { request, key, part_size, token: None, state: UploadState::Begun })
}

pub(super) fn set_token(tx: &Tx<'_>, id: UploadId, token: Option<&str>) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached("UPDATE uploads SET token = ?2 WHERE id = ?1 AND state = 0")?
        .execute((id.uuid().as_bytes(), token))?;
    Ok(())
}

pub(super) fn of(conn: &Connection, user: &UserId, id: UploadId) -> Result<UploadRow, StoreError> {
    match look_up(conn, id)? {
        Some((upload, owner))
            if owner == user.as_str() && upload.state != UploadState::Outgoing =>
        {
            Ok(upload)
        }
        _ => Err(StoreError::UnknownUpload),
    }
}

pub(super) fn of_key(conn: &Connection, key: &FileKey) -> Result<UploadRow, StoreError> {
    conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM uploads WHERE key = ?1 AND state = 0"
    ))?
    .query_row([key.as_str()], row)
    .optional()?
    .ok_or(StoreError::UnknownUpload)
}

pub(super) fn complete(tx: &Tx<'_>, id: UploadId) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached("UPDATE uploads SET state = 1, token = NULL WHERE id = ?1 AND state = 0")?
        .execute([id.uuid().as_bytes()])?;
    touch(tx, id)
}

pub(super) fn cancel(
    tx: &Tx<'_>,
    user: &UserId,
    id: UploadId,
) -> Result<Option<UploadRow>, StoreError> {
    let Some((upload, owner)) = look_up(tx.conn, id)? else { return Ok(None) };
    if owner != user.as_str() {
        return Ok(None);
    }
    let listed: bool = tx
        .conn
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM attachments WHERE upload = ?1)")?
        .query_row([id.uuid().as_bytes()], |found| found.get(0))?;
    if listed {
        let text = "a message lists this file: delete the message, and the file goes with it";
        return Err(StoreError::Forbidden(text));
    }
    send_out(tx, id)?;
    Ok(Some(UploadRow { state: UploadState::Outgoing, ..upload }))
}

fn send_out(tx: &Tx<'_>, id: UploadId) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached("UPDATE uploads SET state = 2, idle_since = 0 WHERE id = ?1")?
        .execute([id.uuid().as_bytes()])?;
    Ok(())
}

pub(super) fn outgoing(
    tx: &Tx<'_>,
    before: i64,
    limit: usize,
) -> Result<Vec<UploadRow>, StoreError> {
    // What is on its way out comes first, since 0 is before all moments.
    let mut statement = tx.conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        " FROM uploads WHERE idle_since IS NOT NULL AND idle_since < max(?1, 1)
          ORDER BY idle_since LIMIT ?2"
    ))?;
    let found = statement.query_map((before, int(limit as u64)), row)?;
    let mut uploads = found.collect::<Result<Vec<_>, _>>()?;
    for upload in &mut uploads {
        send_out(tx, upload.request.id)?;
        upload.state = UploadState::Outgoing;
    }
    Ok(uploads)
}

pub(super) fn is_outgoing(conn: &Connection, id: UploadId) -> Result<bool, StoreError> {
    let found = look_up(conn, id)?;
    Ok(found.is_some_and(|(upload, _)| upload.state == UploadState::Outgoing))
}

pub(super) fn forget(tx: &Tx<'_>, id: UploadId) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached("DELETE FROM uploads WHERE id = ?1 AND state = 2")?
        .execute([id.uuid().as_bytes()])?;
    Ok(())
}

/// Who may see a file: its uploader, and whoever may read a message that lists it.
pub(super) const SEEN: &str = "SELECT 1 FROM attachments a
    JOIN members m ON m.rk = a.rk AND m.user = ?2
    WHERE a.upload = ?1 AND (m.left_seq IS NULL OR a.seq <= m.left_seq) LIMIT 1";

pub(super) fn file(
    conn: &Connection,
    user: Option<&UserId>,
    key: &FileKey,
) -> Result<UploadRow, StoreError> {
    let found = conn
        .prepare_cached(concat!(
            "SELECT ",
            columns!(),
            " FROM uploads WHERE key = ?1 AND state = 1"
        ))?
        .query_row([key.as_str()], |found| Ok((row(found)?, found.get::<_, String>(1)?)))
        .optional()?;
    let (upload, owner) = found.ok_or(StoreError::UnknownFile)?;
    let Some(user) = user else { return Ok(upload) };
    let sees = owner == user.as_str()
        || conn
            .prepare_cached(SEEN)?
            .exists((upload.request.id.uuid().as_bytes(), user.as_str()))?;
    if sees { Ok(upload) } else { Err(StoreError::UnknownFile) }
}

/// Whether a message of this sender may list these files.
pub(super) fn judge(
    tx: &Tx<'_>,
    sender: &UserId,
    files: &[Attachment],
) -> Result<Result<(), WireError>, StoreError> {
    for (index, file) in files.iter().enumerate() {
        let upload = match of(tx.conn, sender, file.id) {
            Ok(upload) => Some(upload),
            Err(StoreError::UnknownUpload) => None,
            Err(error) => return Err(error),
        };
        if let Err(refusal) = judge_file(index, file, upload.as_ref()) {
            return Ok(Err(refusal));
        }
    }
    Ok(Ok(()))
}

/// Keeps that a message lists these files.
pub(super) fn list(tx: &Tx<'_>, rk: i64, seq: Seq, files: &[Attachment]) -> Result<(), StoreError> {
    for file in files {
        let id = file.id.uuid();
        tx.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO attachments(upload, rk, seq) VALUES(?1, ?2, ?3)",
            )?
            .execute((id.as_bytes(), rk, int(seq.get())))?;
        tx.conn
            .prepare_cached("UPDATE uploads SET idle_since = NULL WHERE id = ?1")?
            .execute([id.as_bytes()])?;
    }
    Ok(())
}

/// A message was deleted: the files that no other lists go with it.
pub(super) fn unlist(tx: &Tx<'_>, rk: i64, seq: Seq) -> Result<(), StoreError> {
    let mut statement =
        tx.conn.prepare_cached("SELECT upload FROM attachments WHERE rk = ?1 AND seq = ?2")?;
    let found = statement.query_map((rk, int(seq.get())), |found| found.get::<_, [u8; 16]>(0))?;
    let uploads = found.collect::<Result<Vec<_>, _>>()?;
    for upload in uploads {
        tx.conn
            .prepare_cached("DELETE FROM attachments WHERE upload = ?1 AND rk = ?2 AND seq = ?3")?
            .execute((upload, rk, int(seq.get())))?;
        tx.conn
            .prepare_cached(
                "UPDATE uploads SET state = 2, idle_since = 0
                 WHERE id = ?1 AND NOT EXISTS(SELECT 1 FROM attachments WHERE upload = ?1)",
            )?
            .execute([upload])?;
    }
    Ok(())
}
