//! Uploads: how far each is, which messages list it, and who may see its file.

use tidewire_protocol::{Checksum, FileKey, UploadId, UploadRequest, UserId};
use tokio_postgres::Row;
use uuid::Uuid;

use super::connect::{Db, Session, Tx, int, number};
use crate::store::{NewUpload, StoreError, UploadRow, UploadState};

const COLUMNS: &str = "u.id, u.user_id, u.key, u.name, u.content_type, u.size, u.sha256, u.part_size, u.token, u.state";

/// Locks the uploads that messages are to list, and those that the messages list which are to be deleted.
pub(super) const LOCK: &str =
    "SELECT u.id, u.user_id, u.key, u.name, u.content_type, u.size, u.sha256,
         u.part_size, u.token, u.state
     FROM uploads u
     WHERE u.id = ANY($1::uuid[]) OR u.id IN (
         SELECT a.upload FROM unnest($2::uuid[], $3::uuid[]) g(room, id)
         JOIN rooms r ON r.id = g.room
         CROSS JOIN LATERAL (SELECT e.rk, e.seq FROM events e
             WHERE e.rk = r.rk AND e.id = g.id OFFSET 0) e
         JOIN attachments a ON a.rk = e.rk AND a.seq = e.seq)
     ORDER BY u.id FOR NO KEY UPDATE";

/// An upload and whose it is, from [`COLUMNS`].
pub(super) fn row(found: &Row) -> Result<(UploadRow, String), StoreError> {
    let odd =
        |error: &dyn std::fmt::Display| StoreError::Failed(format!("an upload is odd: {error}"));
    let sha256: [u8; 32] = found.try_get::<_, &[u8]>(6)?.try_into().map_err(|error| odd(&error))?;
    let request = UploadRequest {
        id: UploadId::from_uuid(found.try_get::<_, Uuid>(0)?),
        name: found.try_get(3)?,
        content_type: found.try_get(4)?,
        size: number(found, 5)?,
        sha256: Checksum::new(sha256),
    };
    let upload = UploadRow {
        request,
        key: FileKey::new(found.try_get::<_, String>(2)?).map_err(|error| odd(&error))?,
        part_size: number(found, 7)?,
        token: found.try_get(8)?,
        state: match found.try_get::<_, i16>(9)? {
            0 => UploadState::Begun,
            1 => UploadState::Complete,
            // 2.
            _ => UploadState::Outgoing,
        },
    };
    Ok((upload, found.try_get(1)?))
}

/// The upload of this id and whose it is, in whatever state; locked, if it is to be changed.
async fn look_up(
    s: &Session,
    id: UploadId,
    lock: bool,
) -> Result<Option<(UploadRow, String)>, StoreError> {
    let lock = if lock { " FOR NO KEY UPDATE" } else { "" };
    let sql = ["SELECT ", COLUMNS, " FROM uploads u WHERE u.id = $1", lock].concat();
    s.optional(&sql, &[&id.uuid()]).await?.map(|found| row(&found)).transpose()
}

async fn touch(tx: &Tx, id: UploadId) -> Result<(), StoreError> {
    let sql = "UPDATE uploads SET idle_since = $2
               WHERE id = $1 AND idle_since IS NOT NULL AND state <> 2";
    tx.execute(sql, &[&id.uuid(), &tx.now]).await?;
    Ok(())
}

pub(super) async fn begin(db: &Db, user: &UserId, new: NewUpload) -> Result<UploadRow, StoreError> {
    let NewUpload { request, key, part_size } = new;
    if [&request.name, &request.content_type].into_iter().any(|text| text.contains('\0')) {
        let text = "a name or a media type holds the character U+0000, which cannot be kept";
        return Err(StoreError::InvalidContent(text.into()));
    }
    let tx = db.begin().await?;
    let sql = "INSERT INTO uploads(id, user_id, key, name, content_type, size, sha256, part_size,
                   state, idle_since) VALUES($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)
               ON CONFLICT(id) DO NOTHING";
    let (id, sha256) = (request.id.uuid(), request.sha256.bytes().to_vec());
    let (size, part) = (int(request.size), int(part_size));
    let (name, media) = (&request.name, &request.content_type);
    let made = tx
        .execute(
            sql,
            &[&id, &user.as_str(), &key.as_str(), name, media, &size, &sha256, &part, &tx.now],
        )
        .await?;
    let upload = if made == 1 {
        UploadRow { request, key, part_size, token: None, state: UploadState::Begun }
    } else {
        let (known, owner) =
            look_up(&tx, request.id, true).await?.ok_or(StoreError::UnknownUpload)?;
        if owner != user.as_str() || known.request != request {
            return Err(StoreError::IdTaken);
        }
        touch(&tx, request.id).await?;
        known
    };
    tx.commit().await?;
    Ok(upload)
}

pub(super) async fn set_token(
    db: &Db,
    id: UploadId,
    token: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "UPDATE uploads SET token = $2 WHERE id = $1 AND state = 0";
    db.plain().await?.execute(sql, &[&id.uuid(), &token]).await?;
    Ok(())
}

pub(super) async fn of(s: &Session, user: &UserId, id: UploadId) -> Result<UploadRow, StoreError> {
    match look_up(s, id, false).await? {
        Some((upload, owner))
            if owner == user.as_str() && upload.state != UploadState::Outgoing =>
        {
            Ok(upload)
        }
        _ => Err(StoreError::UnknownUpload),
    }
}

pub(super) async fn of_key(s: &Session, key: &FileKey) -> Result<UploadRow, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM uploads u WHERE u.key = $1 AND u.state = 0"].concat();
    let found = s.optional(&sql, &[&key.as_str()]).await?.ok_or(StoreError::UnknownUpload)?;
    Ok(row(&found)?.0)
}

pub(super) async fn complete(db: &Db, id: UploadId) -> Result<(), StoreError> {
    let tx = db.begin().await?;
    let sql = "UPDATE uploads SET state = 1, token = NULL WHERE id = $1 AND state = 0";
    tx.execute(sql, &[&id.uuid()]).await?;
    touch(&tx, id).await?;
    tx.commit().await?;
    Ok(())
}

const SEND_OUT: &str = "UPDATE uploads SET state = 2, idle_since = 0 WHERE id = ANY($1::uuid[])";

pub(super) async fn cancel(
    db: &Db,
    user: &UserId,
    id: UploadId,
) -> Result<Option<UploadRow>, StoreError> {
    let tx = db.begin().await?;
    let Some((upload, owner)) = look_up(&tx, id, true).await? else { return Ok(None) };
    if owner != user.as_str() {
        return Ok(None);
    }
    let sql = "SELECT 1 FROM attachments WHERE upload = $1 LIMIT 1";
    if tx.optional(sql, &[&id.uuid()]).await?.is_some() {
        let text = "a message lists this file: delete the message, and the file goes with it";
        return Err(StoreError::Forbidden(text));
    }
    tx.execute(SEND_OUT, &[&vec![id.uuid()]]).await?;
    tx.commit().await?;
    Ok(Some(UploadRow { state: UploadState::Outgoing, ..upload }))
}

/// What is on its way out comes first, since 0 is before all moments. What another instance works on
/// is left to it.
const OUTGOING: &str = "SELECT u.id, u.user_id, u.key, u.name, u.content_type, u.size, u.sha256,
         u.part_size, u.token, u.state
     FROM uploads u WHERE u.idle_since IS NOT NULL AND u.idle_since < greatest($1::bigint, 1)
     ORDER BY u.idle_since LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED";

pub(super) async fn outgoing(
    db: &Db,
    before: i64,
    limit: usize,
) -> Result<Vec<UploadRow>, StoreError> {
    let tx = db.begin().await?;
    let mut uploads = Vec::new();
    for found in tx.query(OUTGOING, &[&before, &int(limit as u64)]).await? {
        let (upload, _) = row(&found)?;
        uploads.push(UploadRow { state: UploadState::Outgoing, ..upload });
    }
    let ids: Vec<Uuid> = uploads.iter().map(|upload| upload.request.id.uuid()).collect();
    if !ids.is_empty() {
        tx.execute(SEND_OUT, &[&ids]).await?;
        tx.commit().await?;
    }
    Ok(uploads)
}

pub(super) async fn is_outgoing(s: &Session, id: UploadId) -> Result<bool, StoreError> {
    let found = look_up(s, id, false).await?;
    Ok(found.is_some_and(|(upload, _)| upload.state == UploadState::Outgoing))
}

pub(super) async fn forget(db: &Db, id: UploadId) -> Result<(), StoreError> {
    let sql = "DELETE FROM uploads WHERE id = $1 AND state = 2";
    db.plain().await?.execute(sql, &[&id.uuid()]).await?;
    Ok(())
}

/// Who may see a file: its uploader, and whoever may read a message that lists it.
pub(super) const SEEN: &str = "SELECT 1 FROM attachments a
    JOIN members m ON m.rk = a.rk AND m.user_id = $2
    WHERE a.upload = $1 AND (m.left_seq IS NULL OR a.seq <= m.left_seq) LIMIT 1";

pub(super) async fn file(
    s: &Session,
    user: Option<&UserId>,
    key: &FileKey,
) -> Result<UploadRow, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM uploads u WHERE u.key = $1 AND u.state = 1"].concat();
    let found = s.optional(&sql, &[&key.as_str()]).await?.ok_or(StoreError::UnknownFile)?;
    let (upload, owner) = row(&found)?;
    let Some(user) = user else { return Ok(upload) };
    let sees = owner == user.as_str()
        || s.optional(SEEN, &[&upload.request.id.uuid(), &user.as_str()]).await?.is_some();
    if sees { Ok(upload) } else { Err(StoreError::UnknownFile) }
}
