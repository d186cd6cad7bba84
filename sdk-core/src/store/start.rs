//! What a client starts from: its rooms with their last events, and what is unread of them. A first screen
//! waits for it, so it takes few searches a room; how far the other members are comes behind it.

use std::collections::{HashMap, HashSet};

use rusqlite::params;
use tidewire_protocol::{
    Cursor, Epoch, Event, EventKind, Receipt, RoomId, RoomState, Seq, UserId, limits,
};

use super::execute::{BLOCKS, CURSOR, Database, EPOCH, int, seq};
use super::query::{
    damaged, event, parse, read_block_wishes, read_drafts, read_outbox, read_wishes, unsigned, uuid,
};
use crate::defaults;
use crate::engine::{References, RoomRow, StartRows, TailRow};

/// How far below a room's head its newest message is looked for.
const SAID_WITHIN: u64 = 500;

impl Database {
    pub(super) fn start(&self, user: &UserId) -> rusqlite::Result<StartRows> {
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
                BLOCKS => rows.blocks = Some(parse(1, &value)?),
                _ => {}
            }
        }
        let held = self.ranges("SELECT rk, start, end FROM held ORDER BY rk, start")?;
        let stale = self.ranges("SELECT rk, start, end FROM stale ORDER BY rk, start")?;
        let mut rooms = connection.prepare_cached(
            "SELECT r.rk, r.id, r.state, r.head_seq, r.feed_seq, r.as_of, r.marked,
                    e.seq, e.id, e.sender, e.at, e.kind, e.content, e.fold, r.opened,
                    o.delivered, o.read
             FROM rooms r LEFT JOIN events e ON e.rk = r.rk AND e.seq = r.head_seq
             LEFT JOIN receipts o ON o.rk = r.rk AND o.user = ?1
             ORDER BY r.rk",
        )?;
        let mentioning = self.mentioning()?;
        let mut keys = Vec::new();
        let mut found = rooms.query([user.as_str()])?;
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
            state.last_event = match has_last {
                Some(_) => Some(event(row, 7, id)?),
                None => self.last_below(rk, id, state.head_seq)?,
            };
            let marked = unsigned(row, 6)?;
            keys.push(rk);
            let own = match row.get::<_, Option<i64>>(15)? {
                Some(_) => Some(Receipt {
                    room: id,
                    user: user.clone(),
                    delivered: unsigned(row, 15)?,
                    read: unsigned(row, 16)?,
                }),
                None => None,
            };
            let read = own.as_ref().map_or(Seq::ZERO, |own| own.read).max(marked);
            rows.rooms.push(RoomRow {
                tail: self.first_tail(rk, user, read, &state, mentioning.contains(&rk))?,
                said: self.said(rk, id, &state)?,
                state,
                feed_seq: unsigned(row, 4)?,
                as_of: unsigned(row, 5)?,
                marked,
                opened: row.get(14)?,
                own,
                held: held.get(&rk).cloned().unwrap_or_default(),
                stale: stale.get(&rk).cloned().unwrap_or_default(),
            });
        }
        self.first_tails(user, &keys, &mut rows.rooms)?;
        rows.drafts = read_drafts(connection)?;
        rows.wishes = read_wishes(connection)?;
        rows.block_wishes = read_block_wishes(connection)?;
        rows.outbox = read_outbox(connection)?;
        rows.unindexed = !self.unindexed()?.is_empty();
        Ok(rows)
    }

    /// How far the members of the rooms between these two are, by room.
    pub(super) fn receipts(
        &self,
        first: RoomId,
        last: RoomId,
    ) -> rusqlite::Result<Vec<(RoomId, Vec<Receipt>)>> {
        let mut all = self.connection.prepare_cached(
            "SELECT r.rk, r.id, o.user, o.delivered, o.read
             FROM rooms r CROSS JOIN receipts o ON o.rk = r.rk
             WHERE r.id BETWEEN ?1 AND ?2 ORDER BY r.id",
        )?;
        let mut found = all.query([first.uuid().as_bytes(), last.uuid().as_bytes()])?;
        let mut rooms = Vec::<(RoomId, Vec<Receipt>)>::new();
        let mut last = None;
        while let Some(row) = found.next()? {
            let rk: i64 = row.get(0)?;
            if last.replace(rk) != Some(rk) {
                rooms.push((RoomId::from_uuid(uuid(row, 1)?), Vec::new()));
            }
            let user = row.get_ref(2)?.as_str()?;
            let user = UserId::new(user).map_err(|error| damaged(2, error))?;
            if let Some((room, receipts)) = rooms.last_mut() {
                let (delivered, read) = (unsigned(row, 3)?, unsigned(row, 4)?);
                receipts.push(Receipt { room: *room, user, delivered, read });
            }
        }
        Ok(rooms)
    }

    /// The newest event that is here of a room whose head is not.
    fn last_below(&self, rk: i64, room: RoomId, head: Seq) -> rusqlite::Result<Option<Event>> {
        self.connection
            .prepare_cached(
                "SELECT seq, id, sender, at, kind, content, fold FROM events
                 WHERE rk = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT 1",
            )?
            .query_map(params![rk, seq(head)], |row| event(row, 0, room))?
            .next()
            .transpose()
    }

    /// The rooms in which anybody is mentioned: one search for each of them, and none for the others.
    fn mentioning(&self) -> rusqlite::Result<HashSet<i64>> {
        self.connection
            .prepare_cached(
                "WITH RECURSIVE of(rk) AS (
                     SELECT min(rk) FROM mentions
                     UNION ALL
                     SELECT (SELECT min(rk) FROM mentions WHERE rk > of.rk) FROM of
                     WHERE of.rk IS NOT NULL)
                 SELECT rk FROM of WHERE rk IS NOT NULL",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
    }

    /// Whether anything is unread of what is here, and its newest message: mostly the room's last event,
    /// which is at hand.
    fn first_tail(
        &self,
        rk: i64,
        user: &UserId,
        read: Seq,
        state: &RoomState,
        mentioning: bool,
    ) -> rusqlite::Result<TailRow> {
        let last = state.last_event.as_ref();
        let Some(last) =
            last.filter(|last| last.kind == EventKind::Message && last.sender != *user)
        else {
            return self.tail(rk, user, (read, state.head_seq), 1);
        };
        if last.seq <= read {
            return Ok(TailRow::default());
        }
        // Up to there, there may be more.
        let before = Seq::new(last.seq.get() - 1);
        let partial = before > read;
        Ok(TailRow {
            messages: partial.then_some(before).into_iter().chain([last.seq]).collect(),
            mentions: if mentioning { self.mentions(rk, user, read)? } else { Vec::new() },
            partial,
        })
    }

    /// Messages above `read` that mention the user, ascending: as many as anybody counts, and one more.
    fn mentions(&self, rk: i64, user: &UserId, read: Seq) -> rusqlite::Result<Vec<Seq>> {
        self.seqs(
            "SELECT seq FROM mentions WHERE rk = ?1 AND seq > ?2 AND user = ?3
             ORDER BY seq DESC LIMIT ?4",
            (rk, user, read, limits::UNREAD_COUNT + 1),
        )
    }

    /// The seqs of a query that gives them descending.
    fn seqs(
        &self,
        sql: &str,
        (rk, user, read, limit): (i64, &UserId, Seq, u32),
    ) -> rusqlite::Result<Vec<Seq>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut seqs = statement
            .query_map(params![rk, seq(read), user.as_str(), limit], |row| unsigned(row, 0))?
            .collect::<rusqlite::Result<Vec<Seq>>>()?;
        seqs.reverse();
        Ok(seqs)
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
        let messages = self.seqs(
            "SELECT seq FROM events WHERE rk = ?1 AND seq > ?2 AND kind = 'message'
             AND sender <> ?3 ORDER BY seq DESC LIMIT ?4",
            (rk, user, read, most + 1),
        )?;
        // Who is mentioned is mentioned by a message of somebody else.
        if messages.is_empty() {
            return Ok(TailRow::default());
        }
        Ok(TailRow {
            partial: most < limits::UNREAD_COUNT && messages.len() > most as usize,
            messages,
            mentions: self.mentions(rk, user, read)?,
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
                let own = row.own.as_ref().map_or(Seq::ZERO, |own| own.read);
                let read = own.max(row.marked);
                let place = (read, row.state.head_seq);
                row.tail = self.tail(keys[at], user, place, defaults::TAIL_AT_START)?;
            }
        }
        Ok(())
    }

    /// All that is unread of these rooms, as far as they are here.
    pub(super) fn tails(
        &self,
        user: &UserId,
        rooms: &[RoomId],
    ) -> rusqlite::Result<Vec<(RoomId, TailRow)>> {
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

    fn ranges(&self, sql: &str) -> rusqlite::Result<HashMap<i64, Vec<(u64, u64)>>> {
        let mut ranges = HashMap::<i64, Vec<(u64, u64)>>::new();
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let range = (unsigned(row, 1)?.get(), unsigned(row, 2)?.get());
            ranges.entry(row.get(0)?).or_default().push(range);
        }
        Ok(ranges)
    }
}
