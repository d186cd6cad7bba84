//! Answers to the engine's queries.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Row, params};
use tidewire_protocol::{
    Content, Cursor, Epoch, Event, EventId, EventKind, Op, Profile, Receipt, RoomId, RoomState,
    Seq, UserId, limits,
};
use uuid::Uuid;

use super::execute::{CURSOR, Database, EPOCH, int, seq};
use super::folder::with_suffix;
use super::uploads;
use crate::defaults;
use crate::engine::{
    Draft, FailReason, OnFailure, OutboxRow, OutgoingFile, Query, References, RoomRow, Rows,
    SendOptions, Sizes, StartRows, TailRow, Wish,
};
use crate::error::StoreError;

/// How far below a room's head its newest message is looked for.
const SAID_WITHIN: u64 = 500;

/// Receipts by the key of their room: whose, up to where delivered, up to where read.
type ByRoom = HashMap<i64, Vec<(UserId, Seq, Seq)>>;

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

    fn start(&self, user: &UserId) -> rusqlite::Result<StartRows> {
        let connection = &self.connection;
        // One lock for all of it.
        let _whole = connection.unchecked_transaction()?;
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
                    e.seq, e.id, e.sender, e.at, e.kind, e.content, e.fold, r.opened
             FROM rooms r LEFT JOIN events e ON e.rk = r.rk AND e.seq =
                 (SELECT max(seq) FROM events WHERE rk = r.rk AND seq <= r.head_seq)",
        )?;
        let mut receipts = self.receipts()?;
        let mut keys = Vec::new();
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
            let marked = unsigned(row, 6)?;
            let receipts: Vec<Receipt> = receipts
                .remove(&rk)
                .into_iter()
                .flatten()
                .map(|(user, delivered, read)| Receipt { room: id, user, delivered, read })
                .collect();
            keys.push(rk);
            let own = receipts.iter().find(|receipt| receipt.user == *user);
            let read = own.map_or(Seq::ZERO, |own| own.read).max(marked);
            rows.rooms.push(RoomRow {
                // As long as its pages are at hand.
                tail: self.tail(rk, user, (read, state.head_seq), 1)?,
                said: self.said(rk, id, &state)?,
                state,
                feed_seq: unsigned(row, 4)?,
                as_of: unsigned(row, 5)?,
                marked,
                opened: row.get(14)?,
                receipts,
                held: held.get(&rk).cloned().unwrap_or_default(),
                stale: stale.get(&rk).cloned().unwrap_or_default(),
            });
        }
        self.first_tails(user, &keys, &mut rows.rooms)?;
        rows.drafts = read_drafts(connection)?;
        rows.wishes = read_wishes(connection)?;
        rows.outbox = read_outbox(connection)?;
        rows.unindexed = !self.unindexed()?.is_empty();
        Ok(rows)
    }

    /// All receipts by room, read in one go: room by room that is a search each.
    fn receipts(&self) -> rusqlite::Result<ByRoom> {
        let mut receipts = ByRoom::new();
        let mut statement = self
            .connection
            .prepare_cached("SELECT rk, user, delivered, read FROM receipts ORDER BY rk, user")?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let user = UserId::new(row.get_ref(1)?.as_str()?).map_err(|error| damaged(1, error))?;
            let receipt = (user, unsigned(row, 2)?, unsigned(row, 3)?);
            receipts.entry(row.get(0)?).or_default().push(receipt);
        }
        Ok(receipts)
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

    /// What is unread of what is here, of messages the newest: `most`, and one more if there are more.
    fn tail(
        &self,
        rk: i64,
        user: &UserId,
        (read, head): (Seq, Seq),
        most: u32,
    ) -> rusqlite::Result<TailRow> {
        if head <= read {
            return Ok(TailRow::default());
        }
        let seqs = |sql: &str, limit: u32| -> rusqlite::Result<Vec<Seq>> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut seqs = statement
                .query_map(params![rk, seq(read), user.as_str(), limit], |row| unsigned(row, 0))?
                .collect::<rusqlite::Result<Vec<Seq>>>()?;
            seqs.reverse();
            Ok(seqs)
        };
        let messages = seqs(
            "SELECT seq FROM events WHERE rk = ?1 AND seq > ?2 AND kind = 'message'
             AND sender <> ?3 ORDER BY seq DESC LIMIT ?4",
            most + 1,
        )?;
        // Who is mentioned is mentioned by a message of somebody else.
        if messages.is_empty() {
            return Ok(TailRow::default());
        }
        Ok(TailRow {
            partial: most < limits::UNREAD_COUNT && messages.len() > most as usize,
            messages,
            mentions: seqs(
                "SELECT seq FROM mentions WHERE rk = ?1 AND seq > ?2 AND user = ?3
                 ORDER BY seq DESC LIMIT ?4",
                limits::UNREAD_COUNT + 1,
            )?,
        })
    }

    /// What is unread of the rooms of a first screen, as far as it shows it: the rooms have `keys`.
    fn first_tails(
        &self,
        user: &UserId,
        keys: &[i64],
        rooms: &mut [RoomRow],
    ) -> rusqlite::Result<()> {
        let mut order: Vec<usize> = (0..rooms.len()).collect();
        order.sort_by_cached_key(|at| {
            let state = &rooms[*at].state;
            let last = state.last_event.as_ref().map(|event| event.at);
            std::cmp::Reverse((state.settings.pinned, last))
        });
        for at in order.into_iter().take(defaults::FIRST_ROOMS) {
            let row = &mut rooms[at];
            if row.tail.partial {
                let own = row.receipts.iter().find(|receipt| receipt.user == *user);
                let read = own.map_or(Seq::ZERO, |own| own.read).max(row.marked);
                let place = (read, row.state.head_seq);
                row.tail = self.tail(keys[at], user, place, defaults::TAIL_AT_START)?;
            }
        }
        Ok(())
    }

    /// All that is unread of these rooms, as far as they are here.
    fn tails(&self, user: &UserId, rooms: &[RoomId]) -> rusqlite::Result<Vec<(RoomId, TailRow)>> {
        let mut places = self.connection.prepare_cached(
            "SELECT r.rk, r.head_seq, max(r.marked, coalesce(o.read, 0)) FROM rooms r
             LEFT JOIN receipts o ON o.rk = r.rk AND o.user = ?2 WHERE r.id = ?1",
        )?;
        let mut tails = Vec::with_capacity(rooms.len());
        for room in rooms {
            let mut found = places.query(params![room.uuid().as_bytes(), user.as_str()])?;
            if let Some(row) = found.next()? {
                let (head, read) = (unsigned(row, 1)?, unsigned(row, 2)?);
                let tail = self.tail(row.get(0)?, user, (read, head), limits::UNREAD_COUNT)?;
                tails.push((*room, tail));
            }
        }
        Ok(tails)
    }

    /// The newest message that stands in no thread, unless it lies far below the head. Mostly it is
    /// the newest event.
    fn said(&self, rk: i64, room: RoomId, state: &RoomState) -> rusqlite::Result<Option<Event>> {
        let stands_in_room = |event: &&Event| {
            event.kind == EventKind::Message && References::of(&event.content).thread.is_none()
        };
        if let Some(last) = state.last_event.as_ref().filter(stands_in_room) {
            return Ok(Some(last.clone()));
        }
        let lowest = state.head_seq.get().saturating_sub(SAID_WITHIN);
        self.connection
            .prepare_cached(
                "SELECT seq, id, sender, at, kind, content, fold FROM events
                 WHERE rk = ?1 AND seq > ?2 AND kind = 'message' AND thread IS NULL
                 ORDER BY seq DESC LIMIT 1",
            )?
            .query_map(params![rk, int(lowest)], |row| event(row, 0, room))?
            .next()
            .transpose()
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
