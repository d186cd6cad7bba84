//! What is read of the database: rooms, members, the log. Whoever calls these holds a session whose
//! transaction sees one moment, so that what is put together here is of that moment.

use std::collections::HashMap;

use tidewire_protocol::{
    Content, Event, EventId, EventKind, Member, MemberPage, Receipt, Role, RoomId, RoomKind,
    RoomSettings, RoomState, Seq, UnreadBase, UserId, limits,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::blocks;
use super::connect::{Session, int, number, shard, small};
use super::fold::{self, Place};
use crate::clock;
use crate::store::hot::Hot;
use crate::store::order::mute_of;
use crate::store::rules::{change_of, event_json, peer_of, role_of, settings_of};
use crate::store::{Entry, EventJson, LiveRead, Logged, News, Ords, Roster, StoreError};

/// A row of `rooms`.
#[derive(Debug, Clone)]
pub(super) struct RoomRow {
    pub(super) rk: i64,
    pub(super) id: RoomId,
    pub(super) kind: RoomKind,
    pub(super) name: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) pair: Option<String>,
    pub(super) created_by: String,
    pub(super) created_at: i64,
    pub(super) shard: usize,
    pub(super) head_seq: Seq,
    pub(super) head_ord: u64,
    pub(super) members: u32,
    /// How long a member waits from one message to the next.
    pub(super) slow_mode_ms: u32,
}

/// A row of `members`.
#[derive(Debug, Clone)]
pub(super) struct Membership {
    pub(super) role: Role,
    pub(super) left_seq: Option<Seq>,
    /// Everything up to there has arrived.
    pub(super) delivered_seq: Seq,
    /// Everything up to there is read.
    pub(super) read_seq: Seq,
    pub(super) settings: RoomSettings,
    pub(super) settings_version: u64,
    /// Until when the member may only read, if he was ever muted.
    pub(super) mute_until: Option<i64>,
    /// How the room looked at the leave: name, avatar, members.
    left_looks: Option<(Option<String>, Option<String>, u32)>,
}

impl Membership {
    pub(super) fn is_in(&self) -> bool {
        self.left_seq.is_none()
    }

    /// The newest event that the member may see.
    pub(super) fn last_seq(&self, row: &RoomRow) -> Seq {
        self.left_seq.unwrap_or(row.head_seq)
    }
}

/// Columns of a room: see [`room_from`].
pub(super) const ROOM: &str = "r.rk, r.id, r.kind, r.name, r.avatar_url, r.pair, r.created_by, \
     r.created_at, r.shard, r.head_seq, r.head_ord, r.members, r.slow_mode_ms";
/// How many these are.
pub(super) const ROOM_COLUMNS: usize = 13;
/// Columns of a member: see [`member_from`].
pub(super) const MEMBER: &str = "m.role, m.left_seq, m.delivered_seq, m.read_seq, m.settings, \
     m.left_name, m.left_avatar_url, m.left_members, m.settings_version, \
     (SELECT mu.until FROM mutes mu WHERE mu.rk = m.rk AND mu.user_id = m.user_id)";
/// How many these are.
pub(super) const MEMBER_COLUMNS: usize = 10;

pub(super) fn seq(row: &Row, column: usize) -> Result<Seq, StoreError> {
    number(row, column).map(Seq::new)
}

pub(super) fn user(row: &Row, column: usize) -> Result<UserId, StoreError> {
    let text: &str = row.try_get(column)?;
    UserId::new(text).map_err(|error| StoreError::Failed(format!("a user id is none: {error}")))
}

pub(super) fn room_id(row: &Row, column: usize) -> Result<RoomId, StoreError> {
    Ok(RoomId::from_uuid(row.try_get::<_, Uuid>(column)?))
}

fn count(row: &Row, column: usize) -> Result<u32, StoreError> {
    Ok(row.try_get::<_, i32>(column)?.unsigned_abs())
}

fn role(row: &Row, column: usize) -> Result<Role, StoreError> {
    Ok(role_of(i64::from(row.try_get::<_, i16>(column)?)))
}

/// A room from the columns of [`ROOM`].
pub(super) fn room_from(row: &Row, at: usize) -> Result<RoomRow, StoreError> {
    let direct = row.try_get::<_, i16>(at + 2)? == 1;
    Ok(RoomRow {
        rk: row.try_get(at)?,
        id: room_id(row, at + 1)?,
        kind: if direct { RoomKind::Direct } else { RoomKind::Group },
        name: row.try_get(at + 3)?,
        avatar_url: row.try_get(at + 4)?,
        pair: row.try_get(at + 5)?,
        created_by: row.try_get(at + 6)?,
        created_at: row.try_get(at + 7)?,
        shard: shard(row, at + 8)?,
        head_seq: seq(row, at + 9)?,
        head_ord: number(row, at + 10)?,
        members: count(row, at + 11)?,
        slow_mode_ms: count(row, at + 12)?,
    })
}

/// A member from the columns of [`MEMBER`].
pub(super) fn member_from(row: &Row, at: usize) -> Result<Membership, StoreError> {
    let left_seq: Option<i64> = row.try_get(at + 1)?;
    let left_members: Option<i32> = row.try_get(at + 7)?;
    Ok(Membership {
        role: role(row, at)?,
        left_seq: left_seq.map(|seq| Seq::new(seq.unsigned_abs())),
        delivered_seq: seq(row, at + 2)?,
        read_seq: seq(row, at + 3)?,
        settings: settings_of(row.try_get(at + 4)?),
        settings_version: number(row, at + 8)?,
        mute_until: row.try_get(at + 9)?,
        left_looks: match left_members {
            Some(members) => {
                Some((row.try_get(at + 5)?, row.try_get(at + 6)?, members.unsigned_abs()))
            }
            None => None,
        },
    })
}

/// The room and the membership of somebody who is or was in it.
pub(super) async fn seen_by(
    s: &Session,
    room: RoomId,
    user: &UserId,
) -> Result<(RoomRow, Membership), StoreError> {
    let sql = const_format(&["SELECT ", ROOM, ", ", MEMBER, SEEN_BY]);
    let row = s.optional(&sql, &[&room.uuid(), &user.as_str()]).await?;
    let row = row.ok_or(StoreError::NotAMember)?;
    Ok((room_from(&row, 0)?, member_from(&row, ROOM_COLUMNS)?))
}

const SEEN_BY: &str =
    " FROM rooms r JOIN members m ON m.rk = r.rk AND m.user_id = $2 WHERE r.id = $1";

/// Puts the parts of a statement together.
pub(super) fn const_format(parts: &[&str]) -> String {
    parts.concat()
}

/// Rooms of a user's, in the order of their keys in `rks`.
pub(super) async fn rooms_of_keys(
    s: &Session,
    user: &UserId,
    rks: &[i64],
) -> Result<Vec<(RoomRow, Membership)>, StoreError> {
    if rks.is_empty() {
        return Ok(Vec::new());
    }
    let sql = const_format(&[
        "SELECT ",
        ROOM,
        ", ",
        MEMBER,
        " FROM unnest($1::bigint[]) WITH ORDINALITY u(rk, n) JOIN rooms r ON r.rk = u.rk
          JOIN members m ON m.rk = r.rk AND m.user_id = $2 ORDER BY u.n",
    ]);
    let rows = s.query(&sql, &[&rks, &user.as_str()]).await?;
    rows.iter().map(|row| Ok((room_from(row, 0)?, member_from(row, ROOM_COLUMNS)?))).collect()
}

/// The newest message of a room that stands in no thread.
pub(super) const LAST_MESSAGE: &str =
    "SELECT u.n, x.seq FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY u(rk, head, n)
     CROSS JOIN LATERAL (
         SELECT e.seq FROM events e
         WHERE e.rk = u.rk AND e.seq <= u.head AND e.kind = 'message' AND e.root IS NULL
         ORDER BY e.seq DESC LIMIT 1) x";
/// The messages of others that count as unread, and those of them that mention the user: only messages
/// of others are written there.
pub(super) const UNREAD: &str = "SELECT u.n, x.unread, y.mentions
     FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY u(rk, read, n)
     CROSS JOIN LATERAL (SELECT count(*) AS unread FROM (
         SELECT 1 FROM events e WHERE e.rk = u.rk AND e.seq > u.read AND e.kind = 'message'
         AND e.sender <> $3 LIMIT $4) c) x
     CROSS JOIN LATERAL (SELECT count(*) AS mentions FROM (
         SELECT 1 FROM mentions o WHERE o.rk = u.rk AND o.user_id = $3 AND o.seq > u.read
         LIMIT $4) c) y";
/// The receipts of all members of rooms.
const RECEIPTS: &str = "SELECT m.rk, m.user_id, m.delivered_seq, m.read_seq FROM members m
     WHERE m.rk = ANY($1::bigint[]) AND m.left_ord IS NULL ORDER BY m.rk, m.user_id";

/// Whether members of the room see each other's receipts.
pub(super) fn is_shared(members: u32) -> bool {
    members <= limits::RECEIPT_MEMBERS
}

/// The states of rooms for somebody who is or was in them, in the same order.
pub(super) async fn states(
    s: &Session,
    user: &UserId,
    rooms: &[(RoomRow, Membership)],
) -> Result<Vec<RoomState<EventJson>>, StoreError> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    let rks: Vec<i64> = rooms.iter().map(|(row, _)| row.rk).collect();
    let heads: Vec<i64> = rooms.iter().map(|(row, m)| int(m.last_seq(row).get())).collect();
    let reads: Vec<i64> = rooms.iter().map(|(_, m)| int(m.read_seq.get())).collect();
    let is_open = |(row, m): &&(RoomRow, Membership)| m.is_in() && is_shared(row.members);
    let open: Vec<i64> = rooms.iter().filter(is_open).map(|(row, _)| row.rk).collect();
    let most = i64::from(limits::UNREAD_COUNT);
    let (name, ids) = (user.as_str(), room_ids(rooms));
    let ends: Vec<(i64, i64)> = rks.iter().copied().zip(heads.iter().copied()).collect();
    let (last, last_message, unread, receipts) = tokio::try_join!(
        plain_events(s, &ends),
        async { s.query(LAST_MESSAGE, &[&rks, &heads]).await },
        async { s.query(UNREAD, &[&rks, &reads, &name, &most]).await },
        async { s.query(RECEIPTS, &[&open]).await },
    )?;
    let mut places = Vec::new();
    let mut of_room = vec![None; rooms.len()];
    for found in &last_message {
        let (at, seq) = (index(found, 0)?, seq(found, 1)?);
        let Some((row, member)) = rooms.get(at) else { continue };
        let as_of = member.last_seq(row);
        // Unless it is the last event anyway.
        if seq < as_of
            && let Some(slot) = of_room.get_mut(at)
        {
            *slot = Some(places.len());
            places.push(Place { rk: row.rk, room: row.id, seq, as_of });
        }
    }
    let folded = fold::events(s, user, &places).await?;
    let mut by_room: HashMap<i64, Vec<Receipt>> = HashMap::new();
    for found in &receipts {
        let rk: i64 = found.try_get(0)?;
        let Some(room) = ids.get(&rk) else { continue };
        by_room.entry(rk).or_default().push(receipt_from(found, 1, *room)?);
    }
    let mut counts = vec![(0, 0); rooms.len()];
    for found in &unread {
        let number =
            |column| Ok::<_, StoreError>(u32::try_from(number(found, column)?).unwrap_or(u32::MAX));
        if let Some(slot) = counts.get_mut(index(found, 0)?) {
            *slot = (number(1)?, number(2)?);
        }
    }
    let now = clock::now_ms();
    let mut states = Vec::with_capacity(rooms.len());
    for (at, (row, member)) in rooms.iter().enumerate() {
        let last_event = match last.get(at) {
            Some(Some((_, event))) => Some(json(event)?),
            _ => None,
        };
        let message = of_room.get(at).copied().flatten().and_then(|place| folded.get(place));
        let (unread, mentions) = counts.get(at).copied().unwrap_or_default();
        let read = member.read_seq;
        let peer = peer_of(row.pair.as_deref(), user);
        let (name, avatar_url, members) = match &member.left_looks {
            Some((name, avatar_url, members)) => (name, avatar_url, *members),
            None => (&row.name, &row.avatar_url, row.members),
        };
        states.push(RoomState {
            id: row.id,
            kind: row.kind,
            name: name.clone(),
            avatar_url: avatar_url.clone(),
            settings: if member.is_in() { member.settings } else { RoomSettings::default() },
            settings_version: member.settings_version,
            peer,
            created_at: row.created_at,
            members,
            role: member.role,
            mute: mute_of(member.mute_until, now).filter(|_| member.is_in()),
            slow_mode_ms: row.slow_mode_ms,
            joined: member.is_in(),
            first_seq: Seq::new(1),
            head_seq: member.last_seq(row),
            unread_base: member.is_in().then_some(UnreadBase {
                unread,
                mentions,
                as_of: row.head_seq,
                read,
            }),
            receipts: by_room.remove(&row.rk).unwrap_or_default(),
            last_event,
            last_message: message.map(json).transpose()?,
        });
    }
    Ok(states)
}

fn room_ids(rooms: &[(RoomRow, Membership)]) -> HashMap<i64, RoomId> {
    rooms.iter().map(|(row, _)| (row.rk, row.id)).collect()
}

/// The state of one room.
pub(super) async fn state(
    s: &Session,
    row: RoomRow,
    user: &UserId,
    member: Membership,
) -> Result<RoomState<EventJson>, StoreError> {
    let none = || StoreError::Failed("a room has no state".into());
    states(s, user, &[(row, member)]).await?.pop().ok_or_else(none)
}

/// The place in an array, of a column that counts from 1.
pub(super) fn index(row: &Row, column: usize) -> Result<usize, StoreError> {
    let place = usize::try_from(number(row, column)?).unwrap_or(usize::MAX);
    Ok(place.saturating_sub(1))
}

/// A receipt from the columns user, delivered, read.
pub(super) fn receipt_from(row: &Row, at: usize, room: RoomId) -> Result<Receipt, StoreError> {
    Ok(Receipt {
        room,
        user: user(row, at)?,
        delivered: seq(row, at + 1)?,
        read: seq(row, at + 2)?,
    })
}

pub(super) fn json(event: &Event) -> Result<EventJson, StoreError> {
    event_json(event).map_err(|error| StoreError::Failed(format!("an event is no JSON: {error}")))
}

pub(super) fn content(row: &Row, column: usize) -> Result<Content, StoreError> {
    Content::from_json(row.try_get(column)?)
        .map_err(|error| StoreError::Failed(format!("a content is no JSON: {error}")))
}

/// An event and its place from the columns ord, seq, id, sender, at, kind, content.
pub(super) fn event_from(row: &Row, at: usize, room: RoomId) -> Result<(u64, Event), StoreError> {
    let event = Event {
        room,
        seq: seq(row, at + 1)?,
        id: EventId::from_uuid(row.try_get(at + 2)?),
        sender: user(row, at + 3)?,
        at: row.try_get(at + 4)?,
        kind: EventKind::from(row.try_get::<_, &str>(at + 5)?),
        content: content(row, at + 6)?,
        fold: None,
    };
    Ok((number(row, at)?, event))
}

/// Events as they were written, by room and seq.
pub(super) const EVENTS_AT: &str =
    "SELECT u.n, r.id, e.ord, e.seq, e.id, e.sender, e.at, e.kind, e.content
     FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY u(rk, seq, n)
     JOIN events e ON e.rk = u.rk AND e.seq = u.seq JOIN rooms r ON r.rk = e.rk";

/// The events at these places, each with its `ord`, in the same order; none where there is none.
pub(super) async fn plain_events(
    s: &Session,
    places: &[(i64, i64)],
) -> Result<Vec<Option<(u64, Event)>>, StoreError> {
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let (rks, seqs): (Vec<i64>, Vec<i64>) = places.iter().copied().unzip();
    let mut events: Vec<Option<(u64, Event)>> = places.iter().map(|_| None).collect();
    for found in s.query(EVENTS_AT, &[&rks, &seqs]).await? {
        let room = room_id(&found, 1)?;
        if let Some(slot) = events.get_mut(index(&found, 0)?) {
            *slot = Some(event_from(&found, 2, room)?);
        }
    }
    Ok(events)
}

fn logged(hot: &Hot, event: &Event) -> Result<Logged, StoreError> {
    let json = json(event)?;
    hot.put(event, &json);
    Ok(Logged { seq: event.seq, json, change: change_of(event) })
}

/// What of the log comes next in a shard, with its rooms.
pub(super) const LOG_EVENTS: &str =
    "SELECT r.id, e.ord, e.seq, e.id, e.sender, e.at, e.kind, e.content
     FROM events e JOIN rooms r ON r.rk = e.rk
     WHERE e.shard = $1 AND e.ord > $2 ORDER BY e.ord LIMIT $3";
pub(super) const LOG_RECEIPTS: &str =
    "SELECT r.id, m.user_id, m.delivered_seq, m.read_seq, m.receipt_ord
     FROM members m JOIN rooms r ON r.rk = m.rk
     WHERE m.shard = $1 AND m.receipt_ord > $2 AND m.receipt_ord > 0 ORDER BY m.receipt_ord LIMIT $3";
pub(super) const LOG_SETTINGS: &str =
    "SELECT r.id, m.user_id, m.settings, m.settings_ord, m.settings_version
     FROM members m JOIN rooms r ON r.rk = m.rk
     WHERE m.shard = $1 AND m.settings_ord > $2 AND m.settings_ord > 0
     ORDER BY m.settings_ord LIMIT $3";

pub(super) async fn log_after(
    s: &Session,
    hot: &Hot,
    shard: usize,
    ord: u64,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let (place, after, most) = (small(shard), int(ord), int(limit as u64));
    let (events, receipts, settings, lists) = tokio::try_join!(
        async { s.query(LOG_EVENTS, &[&place, &after, &most]).await },
        async { s.query(LOG_RECEIPTS, &[&place, &after, &most]).await },
        async { s.query(LOG_SETTINGS, &[&place, &after, &most]).await },
        async { s.query(blocks::LOG, &[&place, &after, &most]).await },
    )?;
    let mut entries = Vec::with_capacity(events.len());
    for found in &events {
        let room = room_id(found, 0)?;
        let (ord, event) = event_from(found, 1, room)?;
        entries.push(Entry {
            shard,
            ord,
            room: Some(room),
            news: News::Event(logged(hot, &event)?),
        });
    }
    for found in &receipts {
        let room = room_id(found, 0)?;
        let news = News::Receipt(receipt_from(found, 1, room)?);
        entries.push(Entry { shard, ord: number(found, 4)?, room: Some(room), news });
    }
    for found in &settings {
        let room = room_id(found, 0)?;
        let settings = settings_of(found.try_get(2)?);
        let news = tidewire_protocol::SettingsNews { room, settings, version: number(found, 4)? };
        let news = News::Settings(user(found, 1)?, news);
        entries.push(Entry { shard, ord: number(found, 3)?, room: Some(room), news });
    }
    for found in &lists {
        entries.push(blocks::entry(found, shard)?);
    }
    // Each of the four has all up to its own end, so that the first `limit` of all are whole.
    entries.sort_unstable_by_key(|entry| entry.ord);
    entries.truncate(limit);
    Ok(entries)
}

pub(super) const HEADS: &str = "SELECT head_ord FROM shards ORDER BY shard";

pub(super) async fn heads(s: &Session) -> Result<Ords, StoreError> {
    s.query(HEADS, &[]).await?.iter().map(|row| number(row, 0)).collect()
}

/// The events of a room from one seq to another, both included.
pub(super) const EVENTS_BETWEEN: &str =
    "SELECT e.ord, e.seq, e.id, e.sender, e.at, e.kind, e.content FROM events e
     WHERE e.rk = $1 AND e.seq BETWEEN $2 AND $3 ORDER BY e.seq";

/// Events of a room without a hole, as they were written: from memory if all of them are there.
async fn bodies(
    s: &Session,
    hot: &Hot,
    rk: i64,
    room: RoomId,
    seqs: &[Seq],
) -> Result<Vec<EventJson>, StoreError> {
    if let Some(bodies) = hot.bodies(room, seqs).into_iter().collect() {
        return Ok(bodies);
    }
    let end = |seq: Option<&Seq>| int(seq.map_or(0, |seq| seq.get()));
    let (first, last) = (end(seqs.first()), end(seqs.last()));
    let mut bodies = Vec::with_capacity(seqs.len());
    for found in s.query(EVENTS_BETWEEN, &[&rk, &first, &last]).await? {
        bodies.push(logged(hot, &event_from(&found, 0, room)?.1)?.json);
    }
    Ok(bodies)
}

pub(super) async fn live_after(
    s: &Session,
    hot: &Hot,
    room: RoomId,
    user: &UserId,
    after: Seq,
) -> Result<LiveRead, StoreError> {
    let (row, member) = seen_by(s, room, user).await?;
    let head = member.last_seq(&row);
    let prev = after.min(head);
    if head.get() - prev.get() > limits::PAGE_EVENTS as u64 {
        return Ok(LiveRead::Limited(state(s, row, user, member).await?));
    }
    let (mut events, mut bytes, mut more) = (Vec::new(), 0, false);
    if prev < head {
        let seqs: Vec<Seq> = (prev.next().get()..=head.get()).map(Seq::new).collect();
        for json in bodies(s, hot, row.rk, row.id, &seqs).await? {
            bytes += json.get().len();
            more = bytes > limits::PAGE_BYTES;
            if more {
                break;
            }
            events.push(json);
        }
    }
    Ok(LiveRead::Events { events, prev, more, joined: member.is_in() })
}

pub(super) async fn roster(s: &Session, room: RoomId) -> Result<Roster, StoreError> {
    let head = "SELECT s.head_ord FROM rooms r JOIN shards s ON s.shard = r.shard WHERE r.id = $1";
    let all =
        "SELECT m.user_id, m.joined_ord, m.left_ord FROM members m JOIN rooms r ON r.rk = m.rk
               WHERE r.id = $1";
    let id = room.uuid();
    let (head, all) = tokio::try_join!(async { s.optional(head, &[&id]).await }, async {
        s.query(all, &[&id]).await
    })?;
    let mut members = Vec::with_capacity(all.len());
    for row in &all {
        let left: Option<i64> = row.try_get(2)?;
        members.push((user(row, 0)?, number(row, 1)?, left.map(i64::unsigned_abs)));
    }
    Ok(Roster { as_of: head.map_or(Ok(0), |row| number(&row, 0))?, members })
}

pub(super) async fn members(
    s: &Session,
    room: RoomId,
    reader: &UserId,
    after: Option<&UserId>,
) -> Result<MemberPage, StoreError> {
    let (row, member) = seen_by(s, room, reader).await?;
    if !member.is_in() {
        return Err(StoreError::NotAMember);
    }
    let now = clock::now_ms();
    let sql = "SELECT m.user_id, m.role, m.joined_at,
                   (SELECT mu.until FROM mutes mu WHERE mu.rk = m.rk AND mu.user_id = m.user_id)
               FROM members m
               WHERE rk = $1 AND user_id > $2 AND left_ord IS NULL ORDER BY user_id LIMIT $3";
    let (after, most) = (after.map_or("", UserId::as_str), int(limits::MEMBERS_PAGE as u64 + 1));
    let mut members = Vec::new();
    for row in s.query(sql, &[&row.rk, &after, &most]).await? {
        members.push(Member {
            user: user(&row, 0)?,
            role: role(&row, 1)?,
            joined_at: row.try_get(2)?,
            mute: mute_of(row.try_get(3)?, now),
        });
    }
    let more = members.len() > limits::MEMBERS_PAGE;
    members.truncate(limits::MEMBERS_PAGE);
    let next = members.last().filter(|_| more).map(|member| member.user.clone());
    Ok(MemberPage { members, next })
}
