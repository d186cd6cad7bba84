//! Answers to the engine's queries.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Row, params};
use tidewire_protocol::{Content, Event, EventId, Op, Profile, RoomId, Seq, UserId};
use uuid::Uuid;

use super::execute::{Database, int, seq};
use super::folder::with_suffix;
use super::uploads;
use crate::engine::{
    BlockWish, Draft, FailReason, OnFailure, OutboxRow, OutgoingFile, Query, Rows, SendOptions,
    Sizes, Wish,
};
use crate::error::StoreError;

impl Database {
    /// Answers a query of the engine. With [`Query::Start`] it begins anew on what is committed.
    pub(crate) fn load(&mut self, query: &Query) -> Result<Rows, StoreError> {
        if let Query::Start(user) = query {
            self.settle(user).map_err(|error| self.classify(error))?;
        }
        let mut rows = self.query(query)?;
        if let Rows::Start(rows) = &mut rows {
            rows.repair = self.repair.take();
            self.loaded();
        }
        Ok(rows)
    }

    /// Takes out of the outbox what has come back by the feed. Both are one transaction over two files:
    /// when the power fails in between, the cache may be ahead. What somebody else has sent under
    /// the same id is not it.
    fn settle(&self, user: &UserId) -> rusqlite::Result<()> {
        let is_there = "EXISTS (SELECT 1 FROM rooms r
             JOIN events e INDEXED BY events_by_id ON e.rk = r.rk AND e.id = outbox.id
             WHERE r.id = outbox.room AND e.sender = ?1)";
        let found = format!("SELECT count(*) FROM outbox WHERE {is_there}");
        let settled: i64 = self.connection.query_row(&found, [user.as_str()], |row| row.get(0))?;
        if settled > 0 {
            let settle = format!("DELETE FROM outbox WHERE {is_there}");
            self.connection.execute(&settle, [user.as_str()])?;
            uploads::drop_orphans(&self.connection)?;
        }
        Ok(())
    }

    /// Answers a query.
    pub(crate) fn query(&mut self, query: &Query) -> Result<Rows, StoreError> {
        let rows = match query {
            Query::Start(user) => self.start(user).map(|rows| Rows::Start(Box::new(rows))),
            Query::Receipts { first, last } => self.receipts(*first, *last).map(Rows::Receipts),
            Query::Tails { user, rooms } => self.tails(user, rooms).map(Rows::Tails),
            Query::Newest { room, limit } => {
                self.events(*room, Seq::ZERO, Seq::new(u64::MAX), *limit).map(Rows::Events)
            }
            Query::Before { room, before, from, limit } => {
                self.events(*room, *from, *before, *limit).map(Rows::Events)
            }
            Query::Event(room, id) => self.messages(*room, &[*id]).map(Rows::Events),
            Query::Messages { room, ids } => self.messages(*room, ids).map(Rows::Events),
            Query::Thread { room, root, before, limit } => {
                self.thread(*room, *root, *before, *limit).map(Rows::Events)
            }
            Query::After { room, thread, after, through, limit } => {
                self.after(*room, *thread, (*after, *through), *limit).map(Rows::Events)
            }
            Query::Around { room, seq, from, through, limit } => {
                self.around(*room, *seq, (*from, *through), *limit).map(Rows::Events)
            }
            Query::Search(lookup) => self.search(lookup).map(|found| Rows::Search(Box::new(found))),
            Query::Unindexed => self.unindexed().map(Rows::Unindexed),
            Query::Profiles(users) => self.profiles(users).map(Rows::Profiles),
            Query::Sizes => self.sizes().map(Rows::Sizes),
        };
        rows.map_err(|error| self.classify(error))
    }

    fn sizes(&self) -> rusqlite::Result<Sizes> {
        let of = |name| -> rusqlite::Result<u64> {
            let schema = Some(self.cache);
            let value: i64 = self.connection.pragma_query_value(schema, name, |row| row.get(0))?;
            Ok(value.unsigned_abs())
        };
        let (page, pages, free) = (of("page_size")?, of("page_count")?, of("freelist_count")?);
        // None of a store in memory.
        let file = |path: &Path| std::fs::metadata(path).map_or(0, |data| data.len());
        Ok(Sizes {
            used: pages.saturating_sub(free) * page,
            database: pages * page,
            log: file(&with_suffix(&self.path, "-wal")),
            outbox: file(&self.path.with_file_name("outbox.db")),
        })
    }

    /// The newest events with `from <= seq < before`, ascending.
    fn events(
        &self,
        room: RoomId,
        from: Seq,
        before: Seq,
        limit: usize,
    ) -> rusqlite::Result<Vec<Event>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, sender, at, kind, content, fold FROM events
             WHERE rk = (SELECT rk FROM rooms WHERE id = ?1) AND seq >= ?2 AND seq < ?3
                 AND thread IS NULL
             ORDER BY seq DESC LIMIT ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut events = statement
            .query_map(params![room.uuid().as_bytes(), seq(from), seq(before), limit], |row| {
                event(row, 0, room)
            })?
            .collect::<rusqlite::Result<Vec<Event>>>()?;
        events.reverse();
        Ok(events)
    }

    /// The oldest events of a room, or messages of a thread, with `after < seq <= through`.
    fn after(
        &self,
        room: RoomId,
        thread: Option<EventId>,
        (after, through): (Seq, Seq),
        limit: usize,
    ) -> rusqlite::Result<Vec<Event>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let room_id = room.uuid();
        let (after, through) = (seq(after), seq(through));
        match thread {
            None => self
                .connection
                .prepare_cached(
                    "SELECT seq, id, sender, at, kind, content, fold FROM events
                     WHERE rk = (SELECT rk FROM rooms WHERE id = ?1) AND seq > ?2 AND seq <= ?3
                         AND thread IS NULL
                     ORDER BY seq LIMIT ?4",
                )?
                .query_map(params![room_id.as_bytes(), after, through, limit], |row| {
                    event(row, 0, room)
                })?
                .collect(),
            Some(root) => self
                .connection
                .prepare_cached(
                    "SELECT seq, id, sender, at, kind, content, fold FROM events
                     WHERE rk = (SELECT rk FROM rooms WHERE id = ?1) AND thread = ?2
                         AND seq > ?3 AND seq <= ?4
                     ORDER BY seq LIMIT ?5",
                )?
                .query_map(
                    params![room_id.as_bytes(), root.uuid().as_bytes(), after, through, limit],
                    |row| event(row, 0, room),
                )?
                .collect(),
        }
    }

    /// Events on both sides of a place, ascending.
    fn around(
        &self,
        room: RoomId,
        middle: Seq,
        (from, through): (Seq, Seq),
        limit: usize,
    ) -> rusqlite::Result<Vec<Event>> {
        let mut events = self.events(room, from, middle, limit / 2)?;
        let rest = (middle.previous(), through);
        events.extend(self.after(room, None, rest, limit - limit / 2)?);
        Ok(events)
    }

    /// Those of these messages that are here, by seq.
    fn messages(&self, room: RoomId, ids: &[EventId]) -> rusqlite::Result<Vec<Event>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, sender, at, kind, content, fold FROM events INDEXED BY events_by_id
             WHERE rk = (SELECT rk FROM rooms WHERE id = ?1) AND id = ?2",
        )?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let (room_id, id) = (room.uuid(), id.uuid());
            let params = params![room_id.as_bytes(), id.as_bytes()];
            for row in statement.query_map(params, |row| event(row, 0, room))? {
                found.push(row?);
            }
        }
        found.sort_by_key(|event| event.seq);
        Ok(found)
    }

    /// The newest messages of a thread with `seq < before`, ascending.
    fn thread(
        &self,
        room: RoomId,
        root: EventId,
        before: Seq,
        limit: usize,
    ) -> rusqlite::Result<Vec<Event>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, sender, at, kind, content, fold FROM events INDEXED BY events_by_thread
             WHERE rk = (SELECT rk FROM rooms WHERE id = ?1) AND thread = ?2 AND seq < ?3
             ORDER BY seq DESC LIMIT ?4",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let (room_id, root) = (room.uuid(), root.uuid());
        let params = params![room_id.as_bytes(), root.as_bytes(), seq(before), limit];
        let mut events = statement
            .query_map(params, |row| event(row, 0, room))?
            .collect::<rusqlite::Result<Vec<Event>>>()?;
        events.reverse();
        Ok(events)
    }

    fn profiles(&self, users: &[UserId]) -> rusqlite::Result<Vec<(Profile, i64)>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT profile, fetched_at FROM profiles WHERE user = ?1")?;
        let mut profiles = Vec::with_capacity(users.len());
        for user in users {
            let mut found = statement.query([user.as_str()])?;
            if let Some(row) = found.next()? {
                let json: String = row.get(0)?;
                profiles.push((parse(0, &json)?, row.get(1)?));
            }
        }
        Ok(profiles)
    }
}

/// The outbox, in the order in which it was filled.
pub(super) fn read_outbox(connection: &Connection) -> rusqlite::Result<Vec<OutboxRow>> {
    let mut files = uploads::read(connection)?;
    let mut statement = connection.prepare_cached(&format!("{OUTBOX} ORDER BY n"))?;
    statement.query_map([], |row| outbox_row(row, &mut files))?.collect()
}

/// What the user has begun to write.
pub(super) fn read_drafts(connection: &Connection) -> rusqlite::Result<Vec<Draft>> {
    let draft =
        |row: &Row<'_>| Ok(Draft { room: RoomId::from_uuid(uuid(row, 0)?), text: row.get(1)? });
    connection.prepare_cached("SELECT room, text FROM drafts")?.query_map([], draft)?.collect()
}

/// Settings that the server has not confirmed.
pub(super) fn read_wishes(connection: &Connection) -> rusqlite::Result<Vec<Wish>> {
    let wish = |row: &Row<'_>| {
        let settings: String = row.get(1)?;
        Ok(Wish { room: RoomId::from_uuid(uuid(row, 0)?), settings: parse(1, &settings)? })
    };
    connection.prepare_cached("SELECT room, settings FROM wishes")?.query_map([], wish)?.collect()
}

/// Whom the user has blocked, or does so no more, without the server's having confirmed it.
pub(super) fn read_block_wishes(connection: &Connection) -> rusqlite::Result<Vec<BlockWish>> {
    let wish = |row: &Row<'_>| {
        let user = row.get_ref(0)?.as_str()?;
        let user = UserId::new(user).map_err(|error| damaged(0, error))?;
        Ok(BlockWish { user, blocked: row.get(1)? })
    };
    let mut statement = connection.prepare_cached("SELECT user, blocked FROM block_wishes")?;
    statement.query_map([], wish)?.collect()
}

/// One row of the outbox.
pub(super) fn read_outbox_row(connection: &Connection, n: i64) -> rusqlite::Result<OutboxRow> {
    let mut files = uploads::read(connection)?;
    let sql = format!("{OUTBOX} WHERE n = ?1");
    connection.query_row(&sql, [n], |row| outbox_row(row, &mut files))
}

const OUTBOX: &str = "SELECT room, id, kind, content, queued_at, attempted_at, failed,
     queued_by_server, skips, expires_after, ordered, files FROM outbox";

fn outbox_row(
    row: &Row<'_>,
    files: &mut HashMap<EventId, Vec<OutgoingFile>>,
) -> rusqlite::Result<OutboxRow> {
    let id = EventId::from_uuid(uuid(row, 1)?);
    let files = files.remove(&id).unwrap_or_default();
    if row.get::<_, i64>(11)? != int(files.len() as u64) {
        // Without them it would say something else.
        return Err(damaged(11, std::io::Error::other("a message has lost files")));
    }
    let kind: String = row.get(2)?;
    let failed: Option<String> = row.get(6)?;
    let expires_after: Option<i64> = row.get(9)?;
    Ok(OutboxRow {
        room: RoomId::from_uuid(uuid(row, 0)?),
        op: Op { id, kind: kind.as_str().into(), content: content(row, 3)? },
        queued_at: row.get(4)?,
        attempted_at: row.get(5)?,
        // A reason that can not be read is still a failure.
        failed: failed.map(|json| serde_json::from_str(&json).unwrap_or(FailReason::Unknown)),
        queued_by_server: row.get(7)?,
        options: SendOptions {
            on_failure: if row.get(8)? { OnFailure::Skip } else { OnFailure::Hold },
            expires_after: expires_after.map(|ms| Duration::from_millis(ms.unsigned_abs())),
            ordered: row.get(10)?,
        },
        files,
    })
}

pub(super) fn event(row: &Row<'_>, at: usize, room: RoomId) -> rusqlite::Result<Event> {
    let kind: String = row.get(at + 4)?;
    let fold: Option<String> = row.get(at + 6)?;
    Ok(Event {
        id: EventId::from_uuid(uuid(row, at + 1)?),
        room,
        seq: unsigned(row, at)?,
        sender: user(row, at + 2)?,
        at: row.get(at + 3)?,
        kind: kind.as_str().into(),
        content: content(row, at + 5)?,
        fold: fold.map(|json| parse(at + 6, &json)).transpose()?,
    })
}

pub(super) fn user(row: &Row<'_>, at: usize) -> rusqlite::Result<UserId> {
    let name: String = row.get(at)?;
    UserId::new(name).map_err(|error| damaged(at, error))
}

pub(super) fn content(row: &Row<'_>, at: usize) -> rusqlite::Result<Content> {
    Content::from_json(row.get(at)?).map_err(|error| damaged(at, error))
}

pub(super) fn room_id(row: &Row<'_>, at: usize) -> rusqlite::Result<RoomId> {
    uuid(row, at).map(RoomId::from_uuid)
}

pub(super) fn uuid(row: &Row<'_>, at: usize) -> rusqlite::Result<Uuid> {
    let bytes: [u8; 16] = row.get(at)?;
    Ok(Uuid::from_bytes(bytes))
}

pub(super) fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<Seq> {
    let number: i64 = row.get(at)?;
    Ok(Seq::new(number.max(0).unsigned_abs()))
}

pub(super) fn parse<T: serde::de::DeserializeOwned>(at: usize, json: &str) -> rusqlite::Result<T> {
    serde_json::from_str(json).map_err(|error| damaged(at, error))
}

pub(super) fn damaged(
    at: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
}
