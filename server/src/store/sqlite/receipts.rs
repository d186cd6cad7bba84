//! Receipts: how far the members of a room are. The row of a member holds the watermarks and the
//! one place in the delivery log where they stand; a move takes a fresh place and leaves the old.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};
use tidewire_protocol::{Receipt, ReceiptPage, ReceiptUpdate, RoomId, Seq, UserId, limits};

use super::int;
use super::read::{self, RoomRow};
use super::writer::Tx;
use crate::store::{Entry, News, StoreError};

/// Columns of a receipt after its place: see [`receipt_from`].
const RECEIPT: &str = "m.receipt_ord, m.user, m.delivered_seq, m.read_seq";

/// A receipt and its place from the columns of [`RECEIPT`].
fn receipt_from(row: &Row<'_>, room: RoomId) -> Result<(u64, Receipt), rusqlite::Error> {
    let receipt = Receipt {
        room,
        user: read::user(row, 1)?,
        delivered: read::seq(row, 2)?,
        read: read::seq(row, 3)?,
    };
    Ok((read::number(row, 0)?, receipt))
}

/// Whether members of the room see each other's receipts.
fn is_shared(members: u32) -> bool {
    members <= limits::RECEIPT_MEMBERS
}

/// How far the other members are with what stands at `seq`, and a page of their receipts.
pub(super) fn page(
    conn: &Connection,
    room: RoomId,
    reader: &UserId,
    seq: Seq,
    after: Option<&UserId>,
) -> Result<ReceiptPage, StoreError> {
    let (row, member) = read::seen_by(conn, room, reader)?;
    if member.left_seq.is_some() {
        return Err(StoreError::NotAMember);
    }
    let (of, delivered_to, read_by) = conn
        .prepare_cached(
            "SELECT count(*), total(delivered_seq >= ?3), total(read_seq >= ?3) FROM members
             WHERE rk = ?1 AND user <> ?2 AND left_ord IS NULL",
        )?
        .query_row((row.rk, reader.as_str(), int(seq.get())), |row| {
            Ok((row.get(0)?, row.get::<_, f64>(1)? as u32, row.get::<_, f64>(2)? as u32))
        })?;
    let sql = format!(
        "SELECT {RECEIPT} FROM members m
         WHERE m.rk = ?1 AND m.user <> ?2 AND m.user > ?3 AND m.left_ord IS NULL
         ORDER BY m.user LIMIT ?4"
    );
    let most = limits::MEMBERS_PAGE;
    let after = after.map_or("", UserId::as_str);
    let found: Result<Vec<(u64, Receipt)>, rusqlite::Error> = conn
        .prepare_cached(&sql)?
        .query_map((row.rk, reader.as_str(), after, int(most as u64 + 1)), |found| {
            receipt_from(found, room)
        })?
        .collect();
    let mut receipts: Vec<Receipt> = found?.into_iter().map(|(_, receipt)| receipt).collect();
    let more = receipts.len() > most;
    receipts.truncate(most);
    let next = receipts.last().filter(|_| more).map(|receipt| receipt.user.clone());
    Ok(ReceiptPage { delivered_to, read_by, of, receipts, next })
}

/// Raises the user's watermarks.
pub(super) fn put(tx: &Tx<'_>, user: &UserId, updates: &[ReceiptUpdate]) -> Result<(), StoreError> {
    // One place in the log for each room, whatever stands twice in the list.
    let mut by_room: BTreeMap<RoomId, ReceiptUpdate> = BTreeMap::new();
    for update in updates {
        let merged = by_room.entry(update.room).or_insert(*update);
        merged.delivered = merged.delivered.max(update.delivered);
        merged.read = merged.read.max(update.read);
    }
    for update in by_room.values() {
        let Some(row) = read::room_row(tx.conn, update.room)? else { continue };
        let Some(member) = read::membership(tx.conn, row.rk, user)? else { continue };
        if member.left_ord.is_none() {
            raise(tx, &row, user, &member, update)?;
        }
    }
    Ok(())
}

fn raise(
    tx: &Tx<'_>,
    row: &RoomRow,
    user: &UserId,
    member: &read::Membership,
    update: &ReceiptUpdate,
) -> Result<(), StoreError> {
    let mut receipt = Receipt {
        room: row.id,
        user: user.clone(),
        delivered: member.delivered_seq,
        read: member.read_seq,
    };
    // Nobody has what is not there yet.
    let delivered = update.delivered.unwrap_or_default().min(row.head_seq);
    let read = update.read.unwrap_or_default().min(row.head_seq);
    if !receipt.raise(delivered, read) {
        return Ok(());
    }
    let ord = int(tx.next_ord());
    tx.conn
        .prepare_cached(
            "UPDATE members SET delivered_seq = ?3, read_seq = ?4, receipt_ord = ?5
             WHERE rk = ?1 AND user = ?2",
        )?
        .execute((
            row.rk,
            user.as_str(),
            int(receipt.delivered.get()),
            int(receipt.read.get()),
            ord,
        ))?;
    tx.conn
        .prepare_cached("UPDATE rooms SET receipt_ord = ?2 WHERE rk = ?1")?
        .execute((row.rk, ord))?;
    Ok(())
}

/// The receipts of all members, as far as they see each other's.
pub(super) fn of_room(conn: &Connection, row: &RoomRow) -> Result<Vec<Receipt>, rusqlite::Error> {
    if !is_shared(row.members) {
        return Ok(Vec::new());
    }
    conn.prepare_cached(&format!(
        "SELECT {RECEIPT} FROM members m WHERE m.rk = ?1 AND m.left_ord IS NULL ORDER BY m.user"
    ))?
    .query_map([row.rk], |found| Ok(receipt_from(found, row.id)?.1))?
    .collect()
}

/// What `user` is to see of a room's receipts that moved after `from`, with their places: the first
/// `limit` of them.
pub(super) fn news(
    conn: &Connection,
    row: &RoomRow,
    user: &UserId,
    from: u64,
    limit: usize,
) -> Result<Vec<(u64, Receipt)>, rusqlite::Error> {
    let moved = format!(
        "SELECT {RECEIPT} FROM members m
         WHERE m.rk = ?1 AND m.receipt_ord > ?2 AND m.left_ord IS NULL"
    );
    let found = |found: &Row<'_>| receipt_from(found, row.id);
    if is_shared(row.members) {
        conn.prepare_cached(&format!("{moved} ORDER BY m.receipt_ord LIMIT ?3"))?
            .query_map((row.rk, int(from), int(limit as u64)), found)?
            .collect()
    } else {
        // By the key: the others of a large room are not looked at.
        conn.prepare_cached(&format!("{moved} AND m.user = ?3"))?
            .query_map((row.rk, int(from), user.as_str()), found)?
            .collect()
    }
}

/// The receipts of all rooms that moved after `ord`, the first `limit` of them.
pub(super) fn log_after(
    conn: &Connection,
    ord: u64,
    limit: usize,
) -> Result<Vec<Entry>, rusqlite::Error> {
    conn.prepare_cached(&format!(
        "SELECT {RECEIPT}, r.id FROM members m JOIN rooms r ON r.rk = m.rk
         WHERE m.receipt_ord > ?1 AND m.receipt_ord > 0 ORDER BY m.receipt_ord LIMIT ?2"
    ))?
    .query_map((int(ord), int(limit as u64)), |found| {
        let room = read::room_id(found, 4)?;
        let (ord, receipt) = receipt_from(found, room)?;
        Ok(Entry { shard: 0, ord, room: Some(room), news: News::Receipt(receipt) })
    })?
    .collect()
}
