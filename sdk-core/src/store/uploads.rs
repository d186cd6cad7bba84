//! Files of messages in the outbox, as rows beside it. How far an upload is the server knows: what stands
//! here is what it is of, and whether it is done.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};
use tidewire_protocol::{Checksum, EventId, FileKey, Preview, UploadId};

use super::execute::{Writer, json};
use super::query::{damaged, parse, uuid};
use crate::engine::{OutboxRow, OutgoingFile};

/// What is told of a file, as it is stored.
#[derive(Serialize, Deserialize)]
struct About {
    name: String,
    content_type: String,
    size: u64,
    sha256: Checksum,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preview: Option<Preview>,
}

impl Writer<'_> {
    pub(super) fn put_uploads(&self, row: &OutboxRow) -> rusqlite::Result<()> {
        for file in &row.files {
            let about = About {
                name: file.name.clone(),
                content_type: file.content_type.clone(),
                size: file.size,
                sha256: file.sha256,
                width: file.width,
                height: file.height,
                duration_ms: file.duration_ms,
                preview: file.preview.clone(),
            };
            self.run(
                "INSERT INTO uploads (id, message, about, key) VALUES (?1, ?2, ?3, ?4)",
                params![
                    file.id.uuid().as_bytes(),
                    row.op.id.uuid().as_bytes(),
                    json(&about)?,
                    file.key.as_ref().map(FileKey::as_str),
                ],
            )?;
        }
        Ok(())
    }

    pub(super) fn drop_uploads(&self, message: EventId) -> rusqlite::Result<()> {
        self.run("DELETE FROM uploads WHERE message = ?1", params![message.uuid().as_bytes()])
    }
}

/// The files of all messages, in the order in which those list them.
pub(super) fn read(
    connection: &Connection,
) -> rusqlite::Result<HashMap<EventId, Vec<OutgoingFile>>> {
    let mut files: HashMap<EventId, Vec<OutgoingFile>> = HashMap::new();
    let mut statement =
        connection.prepare_cached("SELECT id, message, about, key FROM uploads ORDER BY n")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        files.entry(EventId::from_uuid(uuid(row, 1)?)).or_default().push(file(row)?);
    }
    Ok(files)
}

fn file(row: &Row<'_>) -> rusqlite::Result<OutgoingFile> {
    let about: String = row.get(2)?;
    let about: About = parse(2, &about)?;
    let key: Option<String> = row.get(3)?;
    let key = key.map(FileKey::new).transpose().map_err(|error| damaged(3, error))?;
    Ok(OutgoingFile {
        id: UploadId::from_uuid(uuid(row, 0)?),
        name: about.name,
        content_type: about.content_type,
        size: about.size,
        sha256: about.sha256,
        width: about.width,
        height: about.height,
        duration_ms: about.duration_ms,
        preview: about.preview,
        path: Default::default(),
        sent: if key.is_some() { about.size } else { 0 },
        uploaded: key.is_some(),
        key,
    })
}

/// Rows of files that can not be read, and those of no message, go. What lists one of these is no
/// operation any more.
pub(super) fn mend(connection: &Connection) -> rusqlite::Result<()> {
    let numbers: Vec<i64> = connection
        .prepare("SELECT n FROM uploads")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for number in numbers {
        let sql = "SELECT id, message, about, key FROM uploads WHERE n = ?1";
        let read = connection.query_row(sql, [number], |row| {
            uuid(row, 1)?;
            file(row)
        });
        if read.is_err() {
            connection.execute("DELETE FROM uploads WHERE n = ?1", [number])?;
        }
    }
    Ok(())
}

/// Rows of messages that are in the outbox no more.
pub(super) fn drop_orphans(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .execute("DELETE FROM uploads WHERE message NOT IN (SELECT id FROM outbox)", [])
        .map(drop)
}
