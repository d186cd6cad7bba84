//! The index of what messages say: kept with each write of a message, in the same transaction, and
//! made in steps for what was stored before there was one.
//!
//! An entry's number tells when its message was written, so that the index itself gives the newest
//! first and stops early. The index holds terms only (`content=''`, no places): the text stands with
//! the message. Beside those of the text each entry has two terms of its own, for its room and its
//! sender, that begin with characters of the private use area: no text has such a term.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use rusqlite::{OptionalExtension, params};
use tidewire_protocol::{Content, Event, EventKind, RoomId, SearchTerm, Seq, UserId, index_text};

use super::execute::{Database, Writer, int, seq};
use super::query::{event, room_id, unsigned};
use crate::engine::{SearchLookup, SearchRows};

/// Stands before a room's key.
const ROOM: char = '\u{e000}';
/// Stands before the digest of a sender's id.
const SENDER: char = '\u{e001}';

/// Bits of an entry's number that are not the time: room for 2^20 messages of one ms.
const PLACE_BITS: u32 = 20;
/// Bits of these that are of the room.
const ROOM_BITS: u32 = 8;
/// The latest time that fits, in ms: in the year 2248.
const LATEST: i64 = (1 << (62 - PLACE_BITS)) - 1;

/// Where the search for a message's number begins: the later the message, the higher, and within one
/// ms in the order of its room.
fn first_number(at: i64, rk: i64, seq: Seq) -> i64 {
    let of_seq = int(seq.get()) & ((1 << (PLACE_BITS - ROOM_BITS)) - 1);
    let of_room = rk & ((1 << ROOM_BITS) - 1);
    (at.clamp(0, LATEST) << PLACE_BITS) | (of_seq << ROOM_BITS) | of_room
}

/// What messages are found by, by number, room and seq; those without terms are not found. The order is
/// that of the index.
pub(super) type Unwritten = BTreeMap<(i64, i64, Seq), Option<String>>;

/// What a message is about to the index.
pub(super) struct Said<'a> {
    pub(super) rk: i64,
    pub(super) seq: Seq,
    pub(super) at: i64,
    pub(super) sender: &'a UserId,
    pub(super) kind: &'a EventKind,
    pub(super) content: &'a Content,
}

impl<'a> Said<'a> {
    pub(super) fn of(rk: i64, event: &'a Event) -> Self {
        let Event { seq, at, sender, kind, content, .. } = event;
        Self { rk, seq: *seq, at: *at, sender, kind, content }
    }

    /// What the index holds of it; nothing if there is nothing to find it by.
    fn terms(&self) -> Option<String> {
        let mut terms = index_text(&text_of(self.content)?);
        if terms.is_empty() {
            return None;
        }
        // Writing into a text cannot fail.
        let _ = write!(terms, " {ROOM}{} {}", self.rk, sender_term(self.sender));
        Some(terms)
    }
}

/// What a message says; nothing once it is deleted.
fn text_of(content: &Content) -> Option<Cow<'_, str>> {
    #[derive(serde::Deserialize)]
    struct Text<'a> {
        #[serde(borrow)]
        text: Cow<'a, str>,
    }
    content.parse::<Text<'_>>().ok().map(|content| content.text)
}

/// Ids may hold anything: a digest (FNV-1a) has only digits. Whoever reads compares the ids.
fn sender_term(sender: &UserId) -> String {
    let digest = sender.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{SENDER}{digest:016x}")
}

impl Writer<'_> {
    /// Brings the index to what a message says now, at the end of the transaction.
    pub(super) fn index(&mut self, said: &Said<'_>) {
        if *said.kind == EventKind::Message {
            let number = first_number(said.at, said.rk, said.seq);
            self.unwritten.insert((number, said.rk, said.seq), said.terms());
        }
    }

    /// Writes what the transaction made of the index, each message once, in the order of the numbers: one
    /// that is lower than the last makes FTS5 end its segment, and each segment is merged again.
    pub(super) fn write_index(&mut self) -> rusqlite::Result<()> {
        for ((number, rk, seq), terms) in std::mem::take(&mut self.unwritten) {
            match terms {
                Some(terms) => self.put_terms(number, rk, seq, &terms)?,
                None => self.unindex(number, rk, seq)?,
            }
        }
        Ok(())
    }

    fn put_terms(&self, number: i64, rk: i64, of: Seq, terms: &str) -> rusqlite::Result<()> {
        let mut doc = number;
        loop {
            let new = self
                .sqlite
                .prepare_cached(
                    "INSERT OR IGNORE INTO search_docs (doc, rk, seq) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![doc, rk, seq(of)])?;
            if new > 0 {
                break;
            }
            if self.doc_is_of(doc, rk, of)? == Some(true) {
                self.run("DELETE FROM search WHERE rowid = ?1", [doc])?;
                break;
            }
            doc += 1;
        }
        self.run("INSERT INTO search (rowid, terms) VALUES (?1, ?2)", params![doc, terms])
    }

    /// Takes a message out of the index, if it is there.
    fn unindex(&self, number: i64, rk: i64, seq: Seq) -> rusqlite::Result<()> {
        let mut doc = number;
        loop {
            match self.doc_is_of(doc, rk, seq)? {
                Some(true) => {
                    self.run("DELETE FROM search WHERE rowid = ?1", [doc])?;
                    return self.run("DELETE FROM search_docs WHERE doc = ?1", [doc]);
                }
                Some(false) => doc += 1,
                None => return Ok(()),
            }
        }
    }

    /// Takes everything of a room up to here out of the index: before the messages themselves go.
    pub(super) fn unindex_through(&mut self, rk: i64, through: Seq) -> rusqlite::Result<()> {
        self.write_index()?;
        let mut messages = self.sqlite.prepare_cached(
            "SELECT seq, at FROM events WHERE rk = ?1 AND seq <= ?2 AND kind = 'message'",
        )?;
        let mut found = messages.query(params![rk, seq(through)])?;
        while let Some(row) = found.next()? {
            let of = unsigned(row, 0)?;
            self.unindex(first_number(row.get(1)?, rk, of), rk, of)?;
        }
        Ok(())
    }

    /// Whether a number is taken, and by this message.
    fn doc_is_of(&self, doc: i64, rk: i64, seq: Seq) -> rusqlite::Result<Option<bool>> {
        self.sqlite
            .prepare_cached("SELECT rk, seq FROM search_docs WHERE doc = ?1")?
            .query_row([doc], |row| Ok((row.get::<_, i64>(0)?, unsigned(row, 1)?)))
            .optional()
            .map(|found| found.map(|of| of == (rk, seq)))
    }

    /// Empties the index, with the rest of the cache.
    pub(super) fn wipe_index(&mut self) -> rusqlite::Result<()> {
        self.unwritten.clear();
        self.sqlite.execute_batch(
            "INSERT INTO search (search) VALUES ('delete-all');
             DELETE FROM search_docs; DELETE FROM search_todo;",
        )
    }

    /// Takes up to `rows` events into the index that were stored before there was one: room by room,
    /// the newest first.
    pub(super) fn index_more(&mut self, rows: usize) -> rusqlite::Result<()> {
        let mut left = rows;
        while left > 0 {
            let Some((rk, below)) = self.next_to_index()? else { return Ok(()) };
            let events = self.events_to_index(rk, below, left)?;
            let lowest = events.last().map(|(seq, _)| *seq);
            for event in events.iter().filter_map(|(_, event)| event.as_ref()) {
                self.index(&Said::of(rk, event));
            }
            match lowest {
                Some(lowest) if events.len() == left => self.run(
                    "UPDATE search_todo SET below = ?2 WHERE rk = ?1",
                    params![rk, seq(lowest)],
                )?,
                _ => self.run("DELETE FROM search_todo WHERE rk = ?1", [rk])?,
            }
            left -= events.len().min(left);
        }
        Ok(())
    }

    fn next_to_index(&self) -> rusqlite::Result<Option<(i64, i64)>> {
        self.sqlite
            .prepare_cached("SELECT rk, below FROM search_todo ORDER BY rk LIMIT 1")?
            .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    }

    /// What cannot be read is left out: it must not keep the rest from being found.
    fn events_to_index(
        &self,
        rk: i64,
        below: i64,
        limit: usize,
    ) -> rusqlite::Result<Vec<(Seq, Option<Event>)>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.sqlite
            .prepare_cached(
                "SELECT seq, id, sender, at, kind, content, NULL FROM events
                 WHERE rk = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3",
            )?
            // Which room it is makes no difference here.
            .query_map(params![rk, below, limit], |row| {
                Ok((unsigned(row, 0)?, event(row, 0, RoomId::from_uuid(uuid::Uuid::nil())).ok()))
            })?
            .collect()
    }
}

impl Database {
    /// The newest messages that have all terms.
    pub(super) fn search(&self, lookup: &SearchLookup) -> rusqlite::Result<SearchRows> {
        let unindexed = self.unindexed()?;
        let Some(expression) = self.expression(lookup)? else {
            return Ok(SearchRows { unindexed, ..SearchRows::default() });
        };
        let mut statement = self.connection.prepare_cached(
            "SELECT s.rowid, r.id, e.seq, e.id, e.sender, e.at, e.kind, e.content, e.fold
             FROM search s
                 CROSS JOIN search_docs d ON d.doc = s.rowid
                 CROSS JOIN events e ON e.rk = d.rk AND e.seq = d.seq
                 CROSS JOIN rooms r ON r.rk = d.rk
             WHERE s.search MATCH ?1 AND s.rowid < ?2 ORDER BY s.rowid DESC",
        )?;
        let before = lookup.before.unwrap_or(i64::MAX);
        let mut rows = statement.query(params![expression, before])?;
        let mut found = SearchRows { unindexed, ..SearchRows::default() };
        let mut last = before;
        while let Some(row) = rows.next()? {
            if found.events.len() == lookup.limit {
                found.next = Some(last);
                break;
            }
            last = row.get(0)?;
            let event = event(row, 2, room_id(row, 1)?)?;
            // What the message itself says counts, not what the index holds of it.
            let text = text_of(&event.content).unwrap_or_default();
            if lookup.terms.find(&text).is_some()
                && lookup.sender.as_ref().is_none_or(|sender| *sender == event.sender)
                && !found
                    .events
                    .iter()
                    .any(|known| known.id == event.id && known.room == event.room)
            {
                found.events.push(event);
            }
        }
        Ok(found)
    }

    /// What the index is asked; nothing if the room is not here.
    fn expression(&self, lookup: &SearchLookup) -> rusqlite::Result<Option<String>> {
        let mut expression = String::new();
        if let Some(room) = lookup.room {
            let rk: Option<i64> = self
                .connection
                .prepare_cached("SELECT rk FROM rooms WHERE id = ?1")?
                .query_row([room.uuid().as_bytes()], |row| row.get(0))
                .optional()?;
            let Some(rk) = rk else { return Ok(None) };
            let _ = write!(expression, "\"{ROOM}{rk}\" AND ");
        }
        if let Some(sender) = &lookup.sender {
            let _ = write!(expression, "\"{}\" AND ", sender_term(sender));
        }
        for (n, SearchTerm { text, prefix }) in lookup.terms.terms().iter().enumerate() {
            let and = if n == 0 { "" } else { " AND " };
            // Terms hold no quotes.
            let _ = write!(expression, "{and}\"{text}\"{}", if *prefix { "*" } else { "" });
        }
        Ok(Some(expression))
    }

    /// The rooms of which the index does not have everything yet, and from where on it has.
    pub(super) fn unindexed(&self) -> rusqlite::Result<Vec<(RoomId, Seq)>> {
        self.connection
            .prepare_cached(
                "SELECT r.id, t.below FROM search_todo t JOIN rooms r ON r.rk = t.rk ORDER BY t.rk",
            )?
            .query_map([], |row| Ok((room_id(row, 0)?, unsigned(row, 1)?)))?
            .collect()
    }
}

#[cfg(test)]
mod tests;
