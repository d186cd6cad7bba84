//! The index of what messages say, and what is found in it.
//!
//! An entry holds the terms of a message as PostgreSQL's `tsvector`; which they are, the protocol says,
//! so that no dictionary of the database has a say in it. Beside them each entry has one term for its
//! room and one for its sender, which begin with characters of the private use area: no text has such a
//! term. Entries are numbered over all shards, which gives the newest first. What is found is checked
//! against the message as the reader may see it, so that what the index has too much never shows.

use std::collections::HashMap;

use tidewire_protocol::{Content, RoomId, SearchTerm, Seq, UserId, index_text};

use super::connect::{Session, int, number};
use super::fold::{self, Place};
use super::read::{self, json, seen_by};
use crate::store::rules::{is_found, sender_digest, text_of};
use crate::store::{Found, SearchQuery, StoreError};

/// Stands before a room's key.
const ROOM: char = '\u{e000}';
/// Stands before the digest of a sender's id.
const SENDER: char = '\u{e001}';

/// Rooms of a user up to which the index is asked for them alone. Beyond it, and always for what former
/// members may not see, messages of other rooms are passed over.
const ROOM_TERMS: usize = 500;

/// Messages that one request looks at, whatever it finds. Then it says where to go on.
const LOOKS: usize = 4_000;

/// The longest term that PostgreSQL takes, in bytes. No query has so long a one.
const LONGEST: usize = 2_046;

/// What stands in the index for a message: its terms, separated by spaces.
pub(super) fn terms_of(rk: i64, sender: &UserId, content: &Content) -> String {
    let mut terms: Vec<String> = text_of(content)
        .map(|text| index_text(&text))
        .unwrap_or_default()
        .split(' ')
        .filter(|term| !term.is_empty() && term.len() <= LONGEST)
        .map(str::to_owned)
        .collect();
    if !terms.is_empty() {
        terms.push(format!("{ROOM}{rk}"));
        terms.push(sender_term(sender));
    }
    terms.join(" ")
}

/// The same as PostgreSQL reads a `tsvector`.
pub(crate) fn vector_of(rk: i64, sender: &UserId, content: &Content) -> String {
    let terms = terms_of(rk, sender, content);
    let terms = terms.split(' ').filter(|term| !term.is_empty()).map(quoted);
    terms.collect::<Vec<_>>().join(" ")
}

/// Ids may hold anything: a digest has only digits. Whoever reads compares the ids.
fn sender_term(sender: &UserId) -> String {
    format!("{SENDER}{:016x}", sender_digest(sender))
}

/// The rooms that a search looks into, by key, each with the newest event that the user may see.
type Rooms = HashMap<i64, (RoomId, Seq)>;

/// What has all terms, the newest first.
pub(super) const LOOK: &str = "SELECT sk, rk, seq FROM search
     WHERE terms @@ $1::text::tsquery AND sk < $2 ORDER BY sk DESC LIMIT $3";

pub(super) async fn search(
    s: &Session,
    user: &UserId,
    query: &SearchQuery,
) -> Result<Found, StoreError> {
    let rooms = rooms(s, user, query.room).await?;
    let mut found = Found { messages: Vec::new(), next: None, indexing: false };
    if rooms.is_empty() {
        return Ok(found);
    }
    let before = int(query.below.unwrap_or(u64::MAX));
    let expression = expression(&rooms, query);
    let rows = s.query(LOOK, &[&expression, &before, &int(LOOKS as u64)]).await?;
    let mut last = None;
    // Most of what the index gives is what is looked for: a page at a time.
    for rows in rows.chunks(query.limit.max(1)) {
        let mut places = Vec::with_capacity(rows.len());
        for row in rows {
            let (rk, seq): (i64, Seq) = (row.try_get(1)?, read::seq(row, 2)?);
            let visible = rooms.get(&rk).filter(|(_, as_of)| seq <= *as_of);
            places.push((
                number(row, 0)?,
                visible.map(|(room, as_of)| Place { rk, room: *room, seq, as_of: *as_of }),
            ));
        }
        let wanted: Vec<Place> = places.iter().filter_map(|(_, place)| *place).collect();
        let mut events = fold::events(s, user, &wanted).await?.into_iter();
        for (sk, place) in places {
            if found.messages.len() == query.limit {
                found.next = last;
                return Ok(found);
            }
            last = Some(sk);
            let Some(event) = place.and_then(|_| events.next()) else { continue };
            if is_found(&event, query.sender.as_ref(), &query.terms) {
                found.messages.push(json(&event)?);
            }
        }
    }
    found.next = last.filter(|_| rows.len() == LOOKS);
    Ok(found)
}

async fn rooms(s: &Session, user: &UserId, room: Option<RoomId>) -> Result<Rooms, StoreError> {
    if let Some(room) = room {
        let (row, member) = seen_by(s, room, user).await?;
        return Ok(HashMap::from([(row.rk, (room, member.last_seq(&row)))]));
    }
    let sql = "SELECT m.rk, r.id, coalesce(m.left_seq, r.head_seq)
               FROM members m JOIN rooms r ON r.rk = m.rk WHERE m.user_id = $1";
    let mut rooms = Rooms::new();
    for row in s.query(sql, &[&user.as_str()]).await? {
        rooms.insert(row.try_get(0)?, (read::room_id(&row, 1)?, read::seq(&row, 2)?));
    }
    Ok(rooms)
}

/// What the index is asked.
fn expression(rooms: &Rooms, SearchQuery { terms, sender, .. }: &SearchQuery) -> String {
    let of_term = |SearchTerm { text, prefix }: &SearchTerm| match prefix {
        true => format!("{}:*", quoted(text)),
        false => quoted(text),
    };
    let mut parts: Vec<String> = terms.terms().iter().map(of_term).collect();
    if rooms.len() <= ROOM_TERMS {
        let rooms: Vec<String> = rooms.keys().map(|rk| quoted(&format!("{ROOM}{rk}"))).collect();
        parts.push(format!("({})", rooms.join("|")));
    }
    if let Some(sender) = sender {
        parts.push(quoted(&sender_term(sender)));
    }
    parts.join("&")
}

/// A term as `tsquery` and `tsvector` read it, whatever it holds.
fn quoted(term: &str) -> String {
    format!("'{}'", term.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_stays_one_whatever_it_holds() {
        assert_eq!(quoted("it's a \\ & b"), "'it''s a \\\\ & b'");
    }
}
