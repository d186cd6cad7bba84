//! The index of what messages say, and what is found in it.
//!
//! An entry has the `ord` of its message, so that the index itself gives the newest first and stops
//! early. It holds terms only; beside those of the text each entry has one for its room and one for its
//! sender, which begin with characters of the private use area: no text has such a term. What is found
//! is checked against the message as the reader may see it, so that what the index lacks or has too
//! much never shows.

use std::collections::HashMap;
use std::fmt::Write as _;

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::{Content, Event, RoomId, SearchTerm, SearchTerms, Seq, UserId, index_text};

use super::fold::View;
use super::int;
use super::read::{self, seen_by};
use super::writer::Tx;
use crate::store::rules::{is_found, sender_digest, text_of};
use crate::store::{Found, SearchQuery, StoreError};

/// Stands before a room's key.
const ROOM: char = '\u{e000}';
/// Stands before the digest of a sender's id.
const SENDER: char = '\u{e001}';

/// Rooms of a user up to which the index is asked for them alone, at about 20 µs for each of them.
/// Beyond it, and always for what former members may not see, messages of other rooms are passed over.
const ROOM_TERMS: usize = 2_000;

/// Messages that one request looks at, whatever it finds. Then it says where to go on. This bounds the
/// looks alone: that the index gives the first of them soon is due to its prefixes.
const LOOKS: usize = 4_000;

/// Events that one step of the index takes in: about 10 ms in which nobody else can write.
const STEP: usize = 200;

/// Ids may hold anything: a digest has only digits. Whoever reads compares the ids.
fn sender_term(sender: &UserId) -> String {
    format!("{SENDER}{:016x}", sender_digest(sender))
}

/// Takes a message in that was just written.
pub(super) fn take_in(
    tx: &Tx<'_>,
    ord: u64,
    rk: i64,
    sender: &UserId,
    content: &Content,
) -> Result<(), StoreError> {
    let mut terms = text_of(content).map_or_else(String::new, |text| index_text(&text));
    if terms.is_empty() {
        return Ok(());
    }
    // Writing into a text cannot fail.
    let _ = write!(terms, " {ROOM}{rk} {}", sender_term(sender));
    tx.conn
        .prepare_cached("INSERT INTO search(rowid, terms) VALUES(?1, ?2)")?
        .execute((int(ord), terms))?;
    Ok(())
}

/// Brings the index to what a message says after an edit or a deletion.
pub(super) fn renew(tx: &Tx<'_>, rk: i64, room: RoomId, target: Seq) -> Result<(), StoreError> {
    let found = tx
        .conn
        .prepare_cached("SELECT ord, sender FROM events WHERE rk = ?1 AND seq = ?2")?
        .query_row((rk, int(target.get())), |row| Ok((read::number(row, 0)?, read::user(row, 1)?)))
        .optional()?;
    let Some((ord, sender)) = found else { return Ok(()) };
    let view = View { rk, room, as_of: Seq::new(u64::MAX), reader: &sender };
    let event = view.folded(tx.conn, target)?;
    replace(tx, ord, rk, &event)
}

fn replace(tx: &Tx<'_>, ord: u64, rk: i64, event: &Event) -> Result<(), StoreError> {
    tx.conn.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([int(ord)])?;
    take_in(tx, ord, rk, &event.sender, &event.content)
}

/// An event that is to be taken in: its place, room and seq, and whether it is a message.
type Written = (u64, i64, RoomId, Seq, bool);

/// Takes in some of what was written before there was an index, the newest first. Gives whether there
/// is more.
pub(super) fn index_more(tx: &Tx<'_>) -> Result<bool, StoreError> {
    let Some(below) = below(tx.conn)? else { return Ok(false) };
    let events: Result<Vec<Written>, rusqlite::Error> = tx
        .conn
        .prepare_cached(
            "SELECT e.ord, e.rk, r.id, e.seq, e.kind = 'message'
             FROM events e JOIN rooms r ON r.rk = e.rk
             WHERE e.ord < ?1 ORDER BY e.ord DESC LIMIT ?2",
        )?
        .query_map((int(below), int(STEP as u64)), |row| {
            let ord = read::number(row, 0)?;
            Ok((ord, row.get(1)?, read::room_id(row, 2)?, read::seq(row, 3)?, row.get(4)?))
        })?
        .collect();
    let events = events?;
    let Some((last, ..)) = events.last() else {
        tx.conn.execute("DELETE FROM search_todo", [])?;
        return Ok(false);
    };
    tx.conn.prepare_cached("UPDATE search_todo SET below = ?1")?.execute([int(*last)])?;
    for (_, rk, room, seq, is_message) in events {
        if is_message {
            renew(tx, rk, room, seq)?;
        }
    }
    Ok(true)
}

/// Below which place the index lacks what was written; nothing if it lacks nothing.
fn below(conn: &Connection) -> Result<Option<u64>, rusqlite::Error> {
    conn.prepare_cached("SELECT below FROM search_todo")?
        .query_row([], |row| read::number(row, 0))
        .optional()
}

/// The rooms that a search looks into, by key, each with the newest event that the user may see.
type Rooms = HashMap<i64, (RoomId, Seq)>;

pub(super) fn search(
    conn: &Connection,
    user: &UserId,
    query: &SearchQuery,
) -> Result<Found, StoreError> {
    let indexing = below(conn)?.is_some();
    let rooms = rooms(conn, user, query.room)?;
    let mut found = Found { messages: Vec::new(), next: None, indexing };
    if rooms.is_empty() {
        return Ok(found);
    }
    let expression = expression(&rooms, query);
    let mut statement = conn.prepare_cached(
        "SELECT s.rowid, e.rk, e.seq, e.kind FROM search s CROSS JOIN events e ON e.ord = s.rowid
         WHERE s.search MATCH ?1 AND s.rowid < ?2 ORDER BY s.rowid DESC LIMIT ?3",
    )?;
    let before = query.below.unwrap_or(i64::MAX.unsigned_abs());
    let mut rows = statement.query((expression, int(before), int(LOOKS as u64)))?;
    let (mut looks, mut last) = (0, before);
    while let Some(row) = rows.next()? {
        if found.messages.len() == query.limit {
            found.next = Some(last);
            return Ok(found);
        }
        looks += 1;
        last = read::number(row, 0)?;
        let (rk, seq): (i64, Seq) = (row.get(1)?, read::seq(row, 2)?);
        let Some((room, as_of)) = rooms.get(&rk).filter(|(_, as_of)| seq <= *as_of) else {
            continue;
        };
        let view = View { rk, room: *room, as_of: *as_of, reader: user };
        let event = view.folded(conn, seq)?;
        if is_found(&event, query.sender.as_ref(), &query.terms) {
            found.messages.push(read::json(&event)?);
        }
    }
    found.next = (looks == LOOKS).then_some(last);
    Ok(found)
}

fn rooms(conn: &Connection, user: &UserId, room: Option<RoomId>) -> Result<Rooms, StoreError> {
    if let Some(room) = room {
        let (row, member) = seen_by(conn, room, user)?;
        return Ok(HashMap::from([(row.rk, (room, member.last_seq(&row)))]));
    }
    let rooms: Result<Rooms, rusqlite::Error> = conn
        .prepare_cached(
            "SELECT m.rk, r.id, coalesce(m.left_seq, r.head_seq)
             FROM members m JOIN rooms r ON r.rk = m.rk WHERE m.user = ?1",
        )?
        .query_map([user.as_str()], |row| {
            Ok((row.get(0)?, (read::room_id(row, 1)?, read::seq(row, 2)?)))
        })?
        .collect();
    Ok(rooms?)
}

/// What the index is asked. Terms hold no quotes.
fn expression(rooms: &Rooms, SearchQuery { terms, sender, .. }: &SearchQuery) -> String {
    let mut parts = of_terms(terms);
    if rooms.len() <= ROOM_TERMS {
        let rooms: Vec<String> = rooms.keys().map(|rk| format!("\"{ROOM}{rk}\"")).collect();
        parts.push(format!("({})", rooms.join(" OR ")));
    }
    if let Some(sender) = sender {
        parts.push(format!("\"{}\"", sender_term(sender)));
    }
    parts.join(" AND ")
}

fn of_terms(terms: &SearchTerms) -> Vec<String> {
    let quoted = |SearchTerm { text, prefix }: &SearchTerm| {
        if *prefix { format!("\"{text}\"*") } else { format!("\"{text}\"") }
    };
    terms.terms().iter().map(quoted).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::migrations::STEPS;
    use super::*;

    #[test]
    fn the_index_takes_all_the_rooms_that_it_may_be_asked_for() {
        let conn = Connection::open_in_memory().unwrap();
        for step in STEPS {
            conn.execute_batch(step).unwrap();
        }
        let room = RoomId::from_uuid(Uuid::nil());
        let rooms = |count: usize| -> Rooms {
            (1..=count).map(|rk| (rk as i64, (room, Seq::new(1)))).collect()
        };
        // Of the last of the rooms, and of one more.
        for rk in [ROOM_TERMS, ROOM_TERMS + 1] {
            let terms = format!("hello {ROOM}{rk}");
            conn.execute(
                "INSERT INTO search(rowid, terms) VALUES(?1, ?2)",
                (int(rk as u64), terms),
            )
            .unwrap();
        }
        let query = SearchQuery {
            terms: SearchTerms::parse("he").unwrap(),
            room: None,
            sender: None,
            limit: 50,
            below: None,
        };
        let mut search =
            conn.prepare("SELECT rowid FROM search WHERE search MATCH ?1 ORDER BY rowid").unwrap();
        let mut found = |count| -> Vec<i64> {
            let rows = search.query_map([expression(&rooms(count), &query)], |row| row.get(0));
            rows.unwrap().map(Result::unwrap).collect()
        };
        let last = ROOM_TERMS as i64;
        assert_eq!(found(ROOM_TERMS), [last]);
        // With one more it gives what others say, too, for the looks to pass over.
        assert_eq!(found(ROOM_TERMS + 1), [last, last + 1]);
    }
}
