//! Receipts: the watermarks of many users in one transaction, as appends are written. A move takes a fresh
//! place in the log and leaves the old one.

use std::collections::{BTreeMap, HashMap};

use tidewire_protocol::{Receipt, ReceiptPage, ReceiptUpdate, RoomId, Seq, UserId, limits};
use uuid::Uuid;

use super::append::{count_by_shard, places, shard_of};
use super::connect::{Db, Session, int, number};
use super::read::{self, MEMBER, ROOM};
use crate::store::StoreError;

/// What is to be raised, by room and user: merged, so that each takes one place.
pub(super) type Raises = BTreeMap<(RoomId, UserId), ReceiptUpdate>;

/// Adds an update to those that are to be written together.
pub(super) fn merge(raises: &mut Raises, user: &UserId, update: ReceiptUpdate) {
    let merged = raises.entry((update.room, user.clone())).or_insert(update);
    merged.delivered = merged.delivered.max(update.delivered);
    merged.read = merged.read.max(update.read);
}

/// How far the other members are with what stands at `seq`, and a page of their receipts.
pub(super) async fn page(
    s: &Session,
    room: RoomId,
    reader: &UserId,
    seq: Seq,
    after: Option<&UserId>,
) -> Result<ReceiptPage, StoreError> {
    let (row, member) = read::seen_by(s, room, reader).await?;
    if !member.is_in() {
        return Err(StoreError::NotAMember);
    }
    let sql = "SELECT count(*), count(*) FILTER (WHERE delivered_seq >= $3),
                      count(*) FILTER (WHERE read_seq >= $3)
               FROM members WHERE rk = $1 AND user_id <> $2 AND left_ord IS NULL";
    let counts = s.query(sql, &[&row.rk, &reader.as_str(), &int(seq.get())]).await?;
    let count = |column| -> Result<u32, StoreError> {
        let counted = counts.first().map_or(Ok(0), |row| number(row, column))?;
        Ok(u32::try_from(counted).unwrap_or(u32::MAX))
    };
    let (of, delivered_to, read_by) = (count(0)?, count(1)?, count(2)?);
    let sql = "SELECT user_id, delivered_seq, read_seq FROM members
               WHERE rk = $1 AND user_id <> $2 AND user_id > $3 AND left_ord IS NULL
               ORDER BY user_id LIMIT $4";
    let (after, most) = (after.map_or("", UserId::as_str), limits::MEMBERS_PAGE);
    let asked = int(most as u64 + 1);
    let mut receipts = Vec::new();
    for found in s.query(sql, &[&row.rk, &reader.as_str(), &after, &asked]).await? {
        receipts.push(read::receipt_from(&found, 0, room)?);
    }
    let more = receipts.len() > most;
    receipts.truncate(most);
    let next = receipts.last().filter(|_| more).map(|receipt| receipt.user.clone());
    Ok(ReceiptPage { delivered_to, read_by, of, receipts, next })
}

const RAISE: &str = "UPDATE members m
     SET delivered_seq = u.delivered, read_seq = u.read, receipt_ord = u.ord
     FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
          u(rk, user_id, delivered, read, ord)
     WHERE m.rk = u.rk AND m.user_id = u.user_id";
const ROOMS: &str = "UPDATE rooms r SET receipt_ord = greatest(r.receipt_ord, u.ord)
     FROM (SELECT rk, max(ord) AS ord FROM unnest($1::bigint[], $2::bigint[]) v(rk, ord)
           GROUP BY rk) u
     WHERE r.rk = u.rk";

/// Raises watermarks, each at most to the head of its room. Those of rooms that the user is not in are
/// left out. Gives the new heads.
pub(super) async fn run(db: &Db, raises: &Raises) -> Result<Vec<(usize, u64)>, StoreError> {
    if raises.is_empty() {
        return Ok(Vec::new());
    }
    let mut tx = db.begin().await?;
    let lock = [
        "SELECT ",
        ROOM,
        " FROM rooms r WHERE r.id = ANY($1::uuid[]) ORDER BY r.rk FOR NO KEY UPDATE",
    ]
    .concat();
    let members = [
        "SELECT r.id, m.user_id, ",
        MEMBER,
        " FROM unnest($1::uuid[], $2::text[]) u(id, user_id)
          JOIN rooms r ON r.id = u.id
          CROSS JOIN LATERAL (SELECT * FROM members m
              WHERE m.rk = r.rk AND m.user_id = u.user_id AND m.left_ord IS NULL OFFSET 0) m",
    ]
    .concat();
    let rooms: Vec<Uuid> = raises.keys().map(|(room, _)| room.uuid()).collect();
    let users: Vec<&str> = raises.keys().map(|(_, user)| user.as_str()).collect();
    tx.warm(&[&lock, &members, RAISE, ROOMS]).await?;
    tx.warm_take().await?;
    let (rows, found) = tokio::join!(
        biased;
        async { tx.query(&lock, &[&rooms]).await },
        async { tx.query(&members, &[&rooms, &users]).await },
    );
    let mut known = HashMap::new();
    for row in &rows? {
        let room = read::room_from(row, 0)?;
        known.insert(room.id, room);
    }
    let (mut shards, mut rks, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let (mut delivered, mut seen) = (Vec::new(), Vec::new());
    for row in &found? {
        let (room, user) = (read::room_id(row, 0)?, read::user(row, 1)?);
        let member = read::member_from(row, 2)?;
        let key = (room, user);
        let (Some(of), Some(update)) = (known.get(&room), raises.get(&key)) else { continue };
        let mut receipt =
            Receipt { room, user: key.1, delivered: member.delivered_seq, read: member.read_seq };
        // Nobody has what is not there yet.
        let to = |seq: Option<tidewire_protocol::Seq>| seq.unwrap_or_default().min(of.head_seq);
        if !receipt.raise(to(update.delivered), to(update.read)) {
            continue;
        }
        shards.push(shard_of(of));
        rks.push(of.rk);
        delivered.push(int(receipt.delivered.get()));
        seen.push(int(receipt.read.get()));
        names.push(receipt.user.as_str().to_owned());
    }
    if rks.is_empty() {
        return Ok(Vec::new());
    }
    let before = tx.take(&count_by_shard(&shards)).await?;
    let ords = places(&shards, &before);
    let (raised, moved, commit) = tokio::join!(
        biased;
        async { tx.execute(RAISE, &[&rks, &names, &delivered, &seen, &ords]).await },
        async { tx.execute(ROOMS, &[&rks, &ords]).await },
        tx.send_commit(),
    );
    raised?;
    moved?;
    commit?;
    Ok(tx.committed())
}
