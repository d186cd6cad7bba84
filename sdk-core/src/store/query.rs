//! Answers to the engine's queries.

use rusqlite::{Row, params};
use tidewire_protocol::{
    Content, Cursor, Epoch, Event, EventId, Op, Profile, Receipt, RoomId, Seq, UserId,
};
use uuid::Uuid;

use super::execute::{CURSOR, Database, EPOCH, seq};
use crate::engine::{FailReason, OutboxRow, Query, RoomRow, Rows, StartRows};
use crate::error::StoreError;

impl Database {
    /// Answers a query of the engine. With [`Query::Start`] it begins anew on what is committed.
    pub(crate) fn load(&mut self, query: &Query) -> Result<Rows, StoreError> {
        let rows = self.query(query)?;
        if *query == Query::Start {
            self.loaded();
        }
        Ok(rows)
    }

    /// Answers a query.
    pub(crate) fn query(&mut self, query: &Query) -> Result<Rows, StoreError> {
        let rows = match query {
            Query::Start => self.start().map(|rows| Rows::Start(Box::new(rows))),
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
            Query::Profiles(users) => self.profiles(users).map(Rows::Profiles),
        };
        rows.map_err(|error| self.classify(error))
    }

    fn start(&self) -> rusqlite::Result<StartRows> {
        let connection = &self.connection;
        let mut rows = StartRows::default();
        let mut meta = connection.prepare_cached("SELECT key, value FROM meta")?;
        for row in meta.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
            let (key, value): (String, String) = row?;
            match key.as_str() {
                CURSOR => rows.cursor = Some(Cursor::new(value)),
                EPOCH => rows.epoch = Some(Epoch::new(value)),
                _ => {}
            }
        }
        let held = self.ranges("SELECT rk, start, end FROM held ORDER BY rk, start")?;
        let stale = self.ranges("SELECT rk, start, end FROM stale ORDER BY rk, start")?;
        let mut rooms = connection.prepare_cached(
            "SELECT r.rk, r.id, r.state, r.head_seq, r.feed_seq, r.as_of, r.marked,
                    e.seq, e.id, e.sender, e.at, e.kind, e.content, e.fold
             FROM rooms r LEFT JOIN events e ON e.rk = r.rk AND e.seq =
                 (SELECT max(seq) FROM events WHERE rk = r.rk AND seq <= r.head_seq)",
        )?;
        let mut found = rooms.query([])?;
        while let Some(row) = found.next()? {
            let rk: i64 = row.get(0)?;
            let id = RoomId::from_uuid(uuid(row, 1)?);
            let state: Option<String> = row.get(2)?;
            let mut state = match state {
                Some(json) => parse(2, &json)?,
                None => RoomRow::without_state(id, 0),
            };
            state.head_seq = unsigned(row, 3)?;
            let has_last: Option<i64> = row.get(7)?;
            state.last_event = has_last.map(|_| event(row, 7, id)).transpose()?;
            rows.rooms.push(RoomRow {
                state,
                feed_seq: unsigned(row, 4)?,
                as_of: unsigned(row, 5)?,
                marked: unsigned(row, 6)?,
                receipts: self.receipts(rk, id)?,
                held: held.get(&rk).cloned().unwrap_or_default(),
                stale: stale.get(&rk).cloned().unwrap_or_default(),
            });
        }
        let mut outbox = connection.prepare_cached(
            "SELECT room, id, kind, content, queued_at, attempted_at, failed FROM outbox ORDER BY n",
        )?;
        let mut found = outbox.query([])?;
        while let Some(row) = found.next()? {
            let kind: String = row.get(2)?;
            let failed: Option<String> = row.get(6)?;
            rows.outbox.push(OutboxRow {
                room: RoomId::from_uuid(uuid(row, 0)?),
                op: Op {
                    id: EventId::from_uuid(uuid(row, 1)?),
                    kind: kind.as_str().into(),
                    content: content(row, 3)?,
                },
                queued_at: row.get(4)?,
                attempted_at: row.get(5)?,
                // A reason that can not be read is still a failure.
                failed: failed
                    .map(|json| serde_json::from_str(&json).unwrap_or(FailReason::Unknown)),
            });
        }
        Ok(rows)
    }

    fn receipts(&self, rk: i64, room: RoomId) -> rusqlite::Result<Vec<Receipt>> {
        self.connection
            .prepare_cached("SELECT user, delivered, read FROM receipts WHERE rk = ?1")?
            .query_map([rk], |row| {
                let user: String = row.get(0)?;
                let user = UserId::new(user).map_err(|error| damaged(0, error))?;
                Ok(Receipt { room, user, delivered: unsigned(row, 1)?, read: unsigned(row, 2)? })
            })?
            .collect()
    }

    fn ranges(
        &self,
        sql: &str,
    ) -> rusqlite::Result<std::collections::HashMap<i64, Vec<(u64, u64)>>> {
        let mut ranges = std::collections::HashMap::<i64, Vec<(u64, u64)>>::new();
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let range = (unsigned(row, 1)?.get(), unsigned(row, 2)?.get());
            ranges.entry(row.get(0)?).or_default().push(range);
        }
        Ok(ranges)
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

    /// Those of these messages that are here, by seq.
    fn messages(&self, room: RoomId, ids: &[EventId]) -> rusqlite::Result<Vec<Event>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT seq, id, sender, at, kind, content, fold FROM events
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
            "SELECT seq, id, sender, at, kind, content, fold FROM events
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

fn event(row: &Row<'_>, at: usize, room: RoomId) -> rusqlite::Result<Event> {
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

fn uuid(row: &Row<'_>, at: usize) -> rusqlite::Result<Uuid> {
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

fn damaged(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
}
