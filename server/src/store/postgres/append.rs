//! How events get into the log: many requests in one transaction.
//!
//! Three trips to the database. The first locks the rooms and reads all that is needed to judge the
//! operations; then they are judged, so that what is refused never reaches the transaction's writes. The
//! second locks the shard and takes places in its log. The third writes everything and commits. So the
//! lock that all writers of a shard wait for is held for no more than two trips.

use std::collections::{BTreeMap, HashMap, HashSet};

use tidewire_protocol::OpOutcome::Accepted;
use tidewire_protocol::{
    Content, ErrorCode, EventId, EventKind, OpOutcome, OpResult, RoomId, Seq, UploadId, UserId,
    edited,
};
use uuid::Uuid;

use super::connect::{Db, Tx, int, small};
use super::read::{self, MEMBER, MEMBER_COLUMNS, Membership, ROOM, RoomRow};
use super::rows::Rows;
use super::search;
use super::uploads;
use crate::store::blocks::{Apart, judge_block};
use crate::store::checked::{Checked, Concern, Effect, Facts, Named, STANDING};
use crate::store::checked::{id_taken, judge_file, refuse};
use crate::store::order::{is_paced, judge_mute, judge_pace};
use crate::store::{StoreError, UploadRow};

/// Operations of one request that are written together.
pub(super) struct Segment<'a> {
    pub(super) room: RoomId,
    pub(super) sender: &'a UserId,
    pub(super) ops: &'a [Checked],
}

/// What became of a segment: the results up to and with the first refusal, and how many were fresh.
pub(super) type Outcome = Result<(Vec<OpResult>, usize), StoreError>;

/// What the transaction has read.
struct Known<'a> {
    rooms: HashMap<RoomId, RoomRow>,
    members: HashMap<(i64, &'a str), Membership>,
    /// Of direct rooms: whether one of the two has blocked the other, as the sender may know it.
    apart: HashMap<(i64, &'a str), Apart>,
    /// When the senders last wrote in rooms that are slow.
    last_writes: HashMap<(i64, &'a str), i64>,
    /// By room and id.
    ids: HashMap<(i64, EventId), Original>,
    /// By segment and operation: what it quotes and what it changes.
    named: HashMap<(usize, usize, bool), Target>,
    uploads: HashMap<UploadId, (UploadRow, String)>,
}

/// An event that is in the log.
struct Original {
    seq: Seq,
    at: i64,
    sender: String,
    hash: Vec<u8>,
}

/// A message that is named, with what matters to what names it.
struct Target {
    named: Named,
    content: Content,
    has: bool,
    standing: Option<(u32, Seq)>,
    keys: usize,
    replies: i32,
}

/// In the order of the keys of rooms: whoever locks several locks them in the same order.
fn lock_sql() -> String {
    ["SELECT ", ROOM, " FROM rooms r WHERE r.id = ANY($1::uuid[]) ORDER BY r.rk FOR NO KEY UPDATE"]
        .concat()
}

/// Like those below, with a subquery for each row that is looked for: `OFFSET 0` keeps the planner from making a
/// join of it, which it would do by reading all that a room has, as long as it believes that this is little.
pub(super) fn members_sql() -> String {
    [
        "SELECT m.rk, u.n, ",
        MEMBER,
        ", CASE WHEN r.slow_mode_ms > 0 THEN (SELECT w.at FROM slow_writes w
               WHERE w.rk = r.rk AND w.user_id = m.user_id) END,
           r.pair IS NOT NULL AND EXISTS(SELECT 1 FROM blocks b
               WHERE b.user_id = m.user_id AND b.blocked = p.peer),
           r.pair IS NOT NULL AND EXISTS(SELECT 1 FROM blocks b
               WHERE b.user_id = p.peer AND b.blocked = m.user_id)
          FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY u(id, user_id, n)
          JOIN rooms r ON r.id = u.id
          CROSS JOIN LATERAL (SELECT * FROM members m
              WHERE m.rk = r.rk AND m.user_id = u.user_id OFFSET 0) m
          CROSS JOIN LATERAL (SELECT CASE WHEN split_part(r.pair, E'\\n', 1) = m.user_id
              THEN split_part(r.pair, E'\\n', 2) ELSE split_part(r.pair, E'\\n', 1) END AS peer) p",
    ]
    .concat()
}

pub(super) const IDS: &str = "SELECT e.rk, e.id, e.seq, e.at, e.sender, e.hash
     FROM unnest($1::uuid[], $2::uuid[]) u(room, id)
     JOIN rooms r ON r.id = u.room
     CROSS JOIN LATERAL (SELECT * FROM events e WHERE e.rk = r.rk AND e.id = u.id OFFSET 0) e";
pub(super) const NAMED: &str = "SELECT u.n, e.seq, e.sender, e.root IS NOT NULL, e.content,
        coalesce((SELECT d.kind = 'delete' FROM revisions v
             JOIN events d ON d.rk = v.rk AND d.seq = v.seq
             WHERE v.rk = e.rk AND v.target = e.seq ORDER BY v.seq DESC LIMIT 1), false),
        EXISTS(SELECT 1 FROM reactions c WHERE c.rk = e.rk AND c.target = e.seq
             AND c.user_id = u.user_id AND c.until = $5 AND c.key = u.key),
        (SELECT c.users FROM reaction_counts c
             WHERE c.rk = e.rk AND c.target = e.seq AND c.until = $5 AND c.key = u.key),
        (SELECT c.first FROM reaction_counts c
             WHERE c.rk = e.rk AND c.target = e.seq AND c.until = $5 AND c.key = u.key),
        (SELECT count(*) FROM reaction_counts c
             WHERE c.rk = e.rk AND c.target = e.seq AND c.until = $5),
        coalesce((SELECT t.number FROM replies t WHERE t.rk = e.rk AND t.root = e.seq
             ORDER BY t.seq DESC LIMIT 1), 0)
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[])
          WITH ORDINALITY u(room, id, user_id, key, n)
     JOIN rooms r ON r.id = u.room
     CROSS JOIN LATERAL (SELECT * FROM events e
         WHERE e.rk = r.rk AND e.id = u.id AND e.kind = 'message' OFFSET 0) e";

/// Writes segments in one transaction, in order. No message may be named twice among them, but for
/// being quoted. Gives what became of each, and the new heads.
pub(super) async fn run(
    db: &Db,
    segments: &[Segment<'_>],
) -> Result<(Vec<Outcome>, Vec<(usize, u64)>), StoreError> {
    let mut tx = db.begin().await?;
    tx.warm(Rows::STATEMENTS).await?;
    tx.warm_take().await?;
    let known = look(&tx, segments).await?;
    let mut rows = Rows::default();
    let mut heads: HashMap<RoomId, Seq> = HashMap::new();
    let outcomes: Vec<Outcome> = segments
        .iter()
        .enumerate()
        .map(|(n, segment)| judge(&known, &mut heads, &mut rows, n, segment, tx.now))
        .collect();
    if rows.is_empty() {
        return Ok((outcomes, Vec::new()));
    }
    let before = tx.take(&rows.by_shard()).await?;
    rows.number(&before);
    rows.write(&tx).await?;
    Ok((outcomes, tx.committed()))
}

/// Locks the rooms, and reads what is needed.
async fn look<'a>(tx: &Tx, segments: &[Segment<'a>]) -> Result<Known<'a>, StoreError> {
    let (mut rooms, mut users) = (Vec::new(), Vec::new());
    let (mut id_rooms, mut ids) = (Vec::<Uuid>::new(), Vec::<Uuid>::new());
    let (mut in_rooms, mut targets) = (Vec::<Uuid>::new(), Vec::<Uuid>::new());
    let (mut by, mut keys, mut of) = (Vec::<&str>::new(), Vec::<&str>::new(), Vec::new());
    let (mut files, mut gone_rooms, mut gone) = (HashSet::<Uuid>::new(), Vec::new(), Vec::new());
    for (n, Segment { room, sender, ops }) in segments.iter().enumerate() {
        let room = room.uuid();
        rooms.push(room);
        users.push(sender.as_str());
        for (m, op) in ops.iter().enumerate() {
            id_rooms.push(room);
            ids.push(op.op.id.uuid());
            files.extend(op.files.iter().map(|file| file.id.uuid()));
            let key = match &op.concern {
                Concern::Reaction { key, .. } => key.as_str(),
                Concern::Delete { target } => {
                    gone_rooms.push(room);
                    gone.push(target.uuid());
                    ""
                }
                _ => "",
            };
            for (named, is_target) in [(op.concern.quoted(), false), (op.concern.target(), true)] {
                let Some(id) = named else { continue };
                in_rooms.push(room);
                targets.push(id.uuid());
                by.push(sender.as_str());
                keys.push(if is_target { key } else { "" });
                of.push((n, m, is_target));
            }
        }
    }
    let files: Vec<Uuid> = files.into_iter().collect();
    let (lock, members) = (lock_sql(), members_sql());
    tx.warm(&[&lock, &members, IDS, NAMED, uploads::LOCK]).await?;
    let (rows, found, known, named, uploads) = tokio::join!(
        biased;
        async { tx.query(&lock, &[&rooms]).await },
        async { tx.query(&members, &[&rooms, &users]).await },
        async { tx.query(IDS, &[&id_rooms, &ids]).await },
        async {
            if targets.is_empty() {
                return Ok(Vec::new());
            }
            tx.query(NAMED, &[&in_rooms, &targets, &by, &keys, &STANDING]).await
        },
        async {
            if files.is_empty() && gone.is_empty() {
                return Ok(Vec::new());
            }
            tx.query(uploads::LOCK, &[&files, &gone_rooms, &gone]).await
        },
    );
    let mut read = Known {
        rooms: HashMap::new(),
        members: HashMap::new(),
        apart: HashMap::new(),
        last_writes: HashMap::new(),
        ids: HashMap::new(),
        named: HashMap::new(),
        uploads: HashMap::new(),
    };
    for row in &rows? {
        let room = read::room_from(row, 0)?;
        read.rooms.insert(room.id, room);
    }
    for row in &found? {
        let Some(user) = users.get(read::index(row, 1)?) else { continue };
        let key = (row.try_get(0)?, *user);
        read.members.insert(key, read::member_from(row, 2)?);
        if let Some(at) = row.try_get(2 + MEMBER_COLUMNS)? {
            read.last_writes.insert(key, at);
        }
        let blocked = |at| row.try_get(2 + MEMBER_COLUMNS + at);
        read.apart.insert(key, Apart::of(blocked(1)?, blocked(2)?));
    }
    for row in &known? {
        let key = (row.try_get(0)?, EventId::from_uuid(row.try_get(1)?));
        let original = Original {
            seq: read::seq(row, 2)?,
            at: row.try_get(3)?,
            sender: row.try_get(4)?,
            hash: row.try_get(5)?,
        };
        read.ids.insert(key, original);
    }
    for row in &named? {
        let Some(key) = of.get(read::index(row, 0)?) else { continue };
        read.named.insert(*key, target_from(row)?);
    }
    for row in &uploads? {
        let (upload, owner) = uploads::row(row)?;
        read.uploads.insert(upload.request.id, (upload, owner));
    }
    Ok(read)
}

fn target_from(row: &tokio_postgres::Row) -> Result<Target, StoreError> {
    let (users, first): (Option<i32>, Option<i64>) = (row.try_get(7)?, row.try_get(8)?);
    Ok(Target {
        named: Named {
            seq: read::seq(row, 1)?,
            sender: read::user(row, 2)?,
            in_thread: row.try_get(3)?,
            deleted: row.try_get(5)?,
        },
        content: read::content(row, 4)?,
        has: row.try_get(6)?,
        standing: users
            .zip(first)
            .map(|(users, first)| (users.unsigned_abs(), Seq::new(first.unsigned_abs()))),
        keys: usize::try_from(row.try_get::<_, i64>(9)?).unwrap_or(usize::MAX),
        replies: row.try_get(10)?,
    })
}

fn judge(
    known: &Known<'_>,
    heads: &mut HashMap<RoomId, Seq>,
    rows: &mut Rows,
    number: usize,
    segment: &Segment<'_>,
    now: i64,
) -> Outcome {
    let row = known.rooms.get(&segment.room).ok_or(StoreError::NotAMember)?;
    let member = known.members.get(&(row.rk, segment.sender.as_str()));
    let member = member.ok_or(StoreError::NotAMember)?;
    let (mut results, mut fresh) = (Vec::with_capacity(segment.ops.len()), 0);
    for (place, checked) in segment.ops.iter().enumerate() {
        let repeat = known.ids.get(&(row.rk, checked.op.id));
        let same = repeat.filter(|original| {
            original.sender == segment.sender.as_str()
                && original.hash.as_slice() == checked.hash.as_slice()
        });
        let outcome = match (repeat, same) {
            (_, Some(original)) => Accepted { seq: original.seq, at: original.at },
            // Of what else is in the room somebody who is out learns nothing.
            _ if !member.is_in() => {
                refuse(ErrorCode::NotAMember, StoreError::NotAMember.to_string())
            }
            (Some(_), None) => id_taken(),
            (None, None) => {
                let head = heads.entry(row.id).or_insert(row.head_seq);
                match write(known, rows, (number, place), segment, row, member, head, now) {
                    Ok(seq) => {
                        fresh += 1;
                        Accepted { seq, at: now }
                    }
                    Err(Refused::No(error)) => OpOutcome::Refused { error },
                    Err(Refused::Failed(error)) => return Err(error),
                }
            }
        };
        let refused = matches!(outcome, OpOutcome::Refused { .. });
        results.push(OpResult { id: checked.op.id, outcome });
        if refused {
            break;
        }
    }
    Ok((results, fresh))
}

/// Why an operation is not written.
enum Refused {
    No(tidewire_protocol::WireError),
    Failed(StoreError),
}

impl From<tidewire_protocol::WireError> for Refused {
    fn from(error: tidewire_protocol::WireError) -> Self {
        Self::No(error)
    }
}

/// Judges one new operation of a member, and puts what it writes into the rows.
#[expect(clippy::too_many_arguments, reason = "what one operation is judged by")]
fn write(
    known: &Known<'_>,
    rows: &mut Rows,
    (number, place): (usize, usize),
    segment: &Segment<'_>,
    row: &RoomRow,
    member: &Membership,
    head: &mut Seq,
    now: i64,
) -> Result<Seq, Refused> {
    let Some(checked) = segment.ops.get(place) else {
        return Err(Refused::Failed(StoreError::Failed("an operation is not there".into())));
    };
    let sender = segment.sender;
    if let Some(invalid) = &checked.invalid {
        let code = ErrorCode::InvalidContent;
        return Err(tidewire_protocol::WireError::new(code, invalid.to_string()).into());
    }
    if !is_storable(checked) {
        let text = "a name in it holds the character U+0000, which cannot be kept";
        return Err(tidewire_protocol::WireError::new(ErrorCode::InvalidContent, text).into());
    }
    judge_mute(checked, member.mute_until, now)?;
    let apart = known.apart.get(&(row.rk, sender.as_str())).copied().unwrap_or_default();
    judge_block(checked, apart)?;
    let target = known.named.get(&(number, place, true));
    let facts = Facts {
        quoted: known.named.get(&(number, place, false)).map(|found| found.named.clone()),
        target: target.map(|found| found.named.clone()),
        has: target.is_some_and(|found| found.has),
        standing: target.and_then(|found| found.standing),
        keys: target.map_or(0, |found| found.keys),
    };
    let effect = checked.concern.judge(sender, member.role, row.kind, &facts)?;
    for (index, file) in checked.files.iter().enumerate() {
        let upload = known.uploads.get(&file.id).filter(|(_, owner)| owner == sender.as_str());
        judge_file(index, file, upload.map(|(upload, _)| upload))?;
    }
    // Last: what can never be taken is not to wait first.
    if is_paced(checked, member.role, row.slow_mode_ms) {
        let before = known.last_writes.get(&(row.rk, sender.as_str())).copied();
        let last = if rows.has_paced(row.rk, sender) { Some(now) } else { before };
        judge_pace(row.slow_mode_ms, last, now)?;
        rows.pace(row.rk, sender);
    }
    *head = head.next();
    let seq = *head;
    rows.event(row, seq, sender, &checked.op, &checked.hash, effect.root(), now);
    match &effect {
        Effect::Nothing => {}
        Effect::Reply { root } => {
            rows.reply(row.rk, *root, seq, target.map_or(0, |found| found.replies) + 1);
        }
        Effect::Revision { target: revised } => {
            rows.revision(row.rk, *revised, seq);
            let gone = checked.op.kind == EventKind::Delete;
            let terms = match target {
                Some(found) if !gone => {
                    let broken =
                        |error| Refused::Failed(StoreError::Failed(format!("no edit: {error}")));
                    let content = edited(&found.content, &checked.op.content).map_err(broken)?;
                    search::terms_of(row.rk, &found.named.sender, &content)
                }
                _ => String::new(),
            };
            rows.renew(row.rk, *revised, terms);
            if gone {
                rows.unlist(row.rk, *revised);
            }
        }
        Effect::Reaction { target, key, standing, removed } => {
            rows.reaction(row.rk, *target, sender, key, seq, *standing, *removed);
        }
    }
    if checked.op.kind == EventKind::Message {
        rows.search(row.rk, seq, search::terms_of(row.rk, sender, &checked.op.content));
        let called: HashSet<&UserId> =
            checked.mentions.iter().filter(|user| *user != sender).collect();
        called.into_iter().for_each(|user| rows.mention(row.rk, user, seq));
        checked.files.iter().for_each(|file| rows.list(file.id, row.rk, seq));
    }
    Ok(seq)
}

/// PostgreSQL keeps every text but those with U+0000. A content is JSON, in which it is escaped.
fn is_storable(checked: &Checked) -> bool {
    let key = match &checked.concern {
        Concern::Reaction { key, .. } => key,
        _ => "",
    };
    !checked.op.kind.as_str().contains('\0') && !key.contains('\0')
}

/// How many of the operations go together with what is `named` already: those before the first that
/// names a message which another one writes or changes. Adds what they name.
pub(super) fn together(
    room: RoomId,
    ops: &[Checked],
    named: &mut HashSet<(RoomId, EventId)>,
) -> usize {
    for (count, checked) in ops.iter().enumerate() {
        let own = Some(checked.op.id);
        let touched = [own, checked.concern.target()];
        let looked_at = checked.concern.quoted();
        let mut all = touched.iter().chain([&looked_at]).flatten();
        if all.any(|id| named.contains(&(room, *id))) {
            return count;
        }
        named.extend(touched.into_iter().flatten().map(|id| (room, id)));
    }
    ops.len()
}

/// The events of a shard, by how many.
pub(super) fn count_by_shard(shards: &[i16]) -> BTreeMap<usize, u64> {
    let mut counts = BTreeMap::new();
    for shard in shards {
        *counts.entry(usize::from(shard.unsigned_abs())).or_insert(0) += 1;
    }
    counts
}

/// Gives each event of a shard its place, in order.
pub(super) fn places(shards: &[i16], before: &BTreeMap<usize, u64>) -> Vec<i64> {
    let mut next = before.clone();
    shards
        .iter()
        .map(|shard| {
            let place = next.entry(usize::from(shard.unsigned_abs())).or_insert(0);
            *place += 1;
            int(*place)
        })
        .collect()
}

/// A shard as it stands in rows.
pub(super) fn shard_of(row: &RoomRow) -> i16 {
    small(row.shard)
}
