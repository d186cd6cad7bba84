//! What is read of the database: rooms, members, the log. Every function runs inside of
//! one transaction, so that what it puts together is of one moment.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};
use tidewire_protocol::{
    Content, Event, EventId, EventKind, Member, MemberPage, Profile, Role, RoomId, RoomKind,
    RoomSettings, RoomState, Seq, UnreadBase, UserId, limits,
};
use uuid::Uuid;

use super::fold::View;
use super::{blocks, int, receipts, settings};
use crate::clock;
use crate::store::hot::Hot;
use crate::store::order::mute_of;
use crate::store::rules::{change_of, event_json, peer_of, role_of};
use crate::store::{Entry, EventJson, LiveRead, Logged, News, Roster, StoreError};

/// A row of `rooms`.
pub(super) struct RoomRow {
    pub(super) rk: i64,
    pub(super) id: RoomId,
    pub(super) kind: RoomKind,
    pub(super) name: Option<String>,
    pub(super) avatar_url: Option<String>,
    pub(super) pair: Option<String>,
    pub(super) created_by: String,
    pub(super) created_at: i64,
    pub(super) head_seq: Seq,
    pub(super) head_ord: u64,
    pub(super) members: u32,
    /// How long a member waits from one message to the next.
    pub(super) slow_mode_ms: u32,
}

/// A row of `members`.
pub(super) struct Membership {
    pub(super) role: Role,
    pub(super) left_seq: Option<Seq>,
    pub(super) left_ord: Option<u64>,
    /// Everything up to there has arrived.
    pub(super) delivered_seq: Seq,
    /// Everything up to there is read.
    pub(super) read_seq: Seq,
    pub(super) settings: RoomSettings,
    pub(super) settings_version: u64,
    /// Until when the member may only read, if he was ever muted.
    pub(super) mute_until: Option<i64>,
    /// How the room looked at the leave.
    left_looks: Option<Looks>,
}

/// What everybody in a room sees of it.
struct Looks {
    name: Option<String>,
    avatar_url: Option<String>,
    members: u32,
}

impl Membership {
    /// The newest event that the member may see.
    pub(super) fn last_seq(&self, row: &RoomRow) -> Seq {
        self.left_seq.unwrap_or(row.head_seq)
    }
}

type Read<T> = Result<T, rusqlite::Error>;

fn bad(
    column: usize,
    ty: Type,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, ty, Box::new(error))
}

/// A number that is never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> Read<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}

pub(super) fn seq(row: &Row<'_>, column: usize) -> Read<Seq> {
    number(row, column).map(Seq::new)
}

pub(super) fn user(row: &Row<'_>, column: usize) -> Read<UserId> {
    let text = row.get_ref(column)?.as_str()?;
    UserId::new(text).map_err(|error| bad(column, Type::Text, error))
}

pub(super) fn room_id(row: &Row<'_>, column: usize) -> Read<RoomId> {
    uuid(row, column).map(RoomId::from_uuid)
}

fn uuid(row: &Row<'_>, column: usize) -> Read<Uuid> {
    Uuid::from_slice(row.get_ref(column)?.as_blob()?)
        .map_err(|error| bad(column, Type::Blob, error))
}

pub(super) fn role(row: &Row<'_>, column: usize) -> Read<Role> {
    row.get(column).map(role_of)
}

const ROOM: &str = "SELECT rk, id, kind, name, pair, created_by, created_at, head_seq, head_ord, \
                    members, avatar_url, slow_mode_ms FROM rooms WHERE ";

fn room_from(row: &Row<'_>) -> Read<RoomRow> {
    Ok(RoomRow {
        rk: row.get(0)?,
        id: room_id(row, 1)?,
        kind: if row.get::<_, i64>(2)? == 1 { RoomKind::Direct } else { RoomKind::Group },
        name: row.get(3)?,
        pair: row.get(4)?,
        created_by: row.get(5)?,
        created_at: row.get(6)?,
        head_seq: seq(row, 7)?,
        head_ord: number(row, 8)?,
        members: row.get(9)?,
        avatar_url: row.get(10)?,
        slow_mode_ms: row.get(11)?,
    })
}

pub(super) fn room_row(conn: &Connection, id: RoomId) -> Read<Option<RoomRow>> {
    conn.prepare_cached(&format!("{ROOM} id = ?1"))?
        .query_row([id.uuid().as_bytes()], room_from)
        .optional()
}

pub(super) fn room_of_key(conn: &Connection, rk: i64) -> Read<RoomRow> {
    conn.prepare_cached(&format!("{ROOM} rk = ?1"))?.query_row([rk], room_from)
}

pub(super) fn room_of_pair(conn: &Connection, pair: &str) -> Read<Option<RoomRow>> {
    conn.prepare_cached(&format!("{ROOM} pair = ?1"))?.query_row([pair], room_from).optional()
}

pub(super) fn membership(conn: &Connection, rk: i64, user: &UserId) -> Read<Option<Membership>> {
    conn.prepare_cached(
        "SELECT role, left_seq, left_ord, delivered_seq, read_seq, settings,
                left_name, left_avatar_url, left_members, settings_version,
                (SELECT until FROM mutes WHERE mutes.rk = ?1 AND mutes.user = ?2) FROM members
         WHERE rk = ?1 AND user = ?2",
    )?
    .query_row((rk, user.as_str()), |row| {
        Ok(Membership {
            role: role(row, 0)?,
            left_seq: row.get::<_, Option<i64>>(1)?.map(|n| Seq::new(n.unsigned_abs())),
            left_ord: row.get::<_, Option<i64>>(2)?.map(i64::unsigned_abs),
            delivered_seq: seq(row, 3)?,
            read_seq: seq(row, 4)?,
            settings: settings::settings(row, 5)?,
            settings_version: number(row, 9)?,
            mute_until: row.get(10)?,
            left_looks: match row.get(8)? {
                Some(members) => {
                    Some(Looks { name: row.get(6)?, avatar_url: row.get(7)?, members })
                }
                None => None,
            },
        })
    })
    .optional()
}

/// The room and the membership of somebody who is or was in it.
pub(super) fn seen_by(
    conn: &Connection,
    room: RoomId,
    user: &UserId,
) -> Result<(RoomRow, Membership), StoreError> {
    let row = room_row(conn, room)?.ok_or(StoreError::NotAMember)?;
    let member = membership(conn, row.rk, user)?.ok_or(StoreError::NotAMember)?;
    Ok((row, member))
}

pub(super) fn room(
    conn: &Connection,
    room: RoomId,
    user: &UserId,
) -> Result<RoomState<EventJson>, StoreError> {
    let (row, member) = seen_by(conn, room, user)?;
    state_of(conn, &row, user, &member)
}

/// The state of a room for somebody who is or was in it.
pub(super) fn state(
    conn: &Connection,
    row: &RoomRow,
    user: &UserId,
) -> Result<RoomState<EventJson>, StoreError> {
    let member = membership(conn, row.rk, user)?.ok_or(StoreError::NotAMember)?;
    state_of(conn, row, user, &member)
}

fn state_of(
    conn: &Connection,
    row: &RoomRow,
    user: &UserId,
    member: &Membership,
) -> Result<RoomState<EventJson>, StoreError> {
    let head_seq = member.last_seq(row);
    let last = event(conn, row.rk, row.id, head_seq)?.map(|event| json(&event)).transpose()?;
    let (name, avatar_url, members) = match &member.left_looks {
        Some(Looks { name, avatar_url, members }) => (name, avatar_url, *members),
        None => (&row.name, &row.avatar_url, row.members),
    };
    Ok(RoomState {
        id: row.id,
        kind: row.kind,
        name: name.clone(),
        avatar_url: avatar_url.clone(),
        settings: match member.left_seq {
            None => member.settings,
            Some(_) => RoomSettings::default(),
        },
        settings_version: member.settings_version,
        peer: peer_of(row.pair.as_deref(), user),
        created_at: row.created_at,
        members,
        role: member.role,
        mute: match member.left_seq {
            None => mute_of(member.mute_until, clock::now_ms()),
            Some(_) => None,
        },
        slow_mode_ms: row.slow_mode_ms,
        joined: member.left_seq.is_none(),
        first_seq: Seq::new(1),
        head_seq,
        unread_base: match member.left_seq {
            None => Some(unread_base(conn, row, user, member.read_seq)?),
            Some(_) => None,
        },
        receipts: match member.left_seq {
            None => receipts::of_room(conn, row)?,
            Some(_) => Vec::new(),
        },
        last_event: last,
        last_message: last_message(conn, row, user, head_seq)?,
    })
}

/// The newest message of a room that stands in no thread.
pub(super) const LAST_MESSAGE: &str = "SELECT seq FROM events INDEXED BY events_last
     WHERE rk = ?1 AND seq <= ?2 AND kind = 'message' AND root IS NULL ORDER BY seq DESC LIMIT 1";

/// That message, folded, unless it is the last event anyway.
fn last_message(
    conn: &Connection,
    row: &RoomRow,
    reader: &UserId,
    head: Seq,
) -> Result<Option<EventJson>, StoreError> {
    let last = conn
        .prepare_cached(LAST_MESSAGE)?
        .query_row((row.rk, int(head.get())), |found| seq(found, 0))
        .optional()?;
    let view = View { rk: row.rk, room: row.id, as_of: head, reader };
    last.filter(|seq| *seq < head).map(|seq| view.event(conn, seq)).transpose()
}

/// The messages of others that count as unread. The user's own are passed over, all else is not looked
/// at.
pub(super) const UNREAD: &str = "SELECT count(*) FROM (
         SELECT 1 FROM events INDEXED BY events_counted
         WHERE rk = ?1 AND seq > ?3 AND kind = 'message' AND sender <> ?2 LIMIT ?4)";
/// Those of them that mention the user: only messages of others are written there.
pub(super) const MENTIONS: &str = "SELECT count(*) FROM (
         SELECT 1 FROM mentions WHERE rk = ?1 AND user = ?2 AND seq > ?3 LIMIT ?4)";

/// What `user` has not read yet, counted at the room's head.
fn unread_base(conn: &Connection, row: &RoomRow, user: &UserId, read: Seq) -> Read<UnreadBase> {
    let number = |sql: &str| -> Read<u32> {
        let parameters = (row.rk, user.as_str(), int(read.get()), limits::UNREAD_COUNT);
        conn.prepare_cached(sql)?.query_row(parameters, |row| row.get(0))
    };
    let (unread, mentions) = (number(UNREAD)?, number(MENTIONS)?);
    Ok(UnreadBase { unread, mentions, as_of: row.head_seq, read })
}

/// Columns of an event, its place first: see [`event_from`].
const EVENT: &str = "e.ord, e.seq, e.id, e.sender, e.at, e.kind, e.content";

pub(super) fn content(row: &Row<'_>, column: usize) -> Read<Content> {
    Content::from_json(row.get(column)?).map_err(|error| bad(column, Type::Text, error))
}

pub(super) fn json(event: &Event) -> Read<EventJson> {
    event_json(event).map_err(|error| bad(6, Type::Text, error))
}

/// An event from the columns of [`EVENT`].
fn plain_event(row: &Row<'_>, room: RoomId) -> Read<Event> {
    Ok(Event {
        room,
        seq: seq(row, 1)?,
        id: EventId::from_uuid(uuid(row, 2)?),
        sender: user(row, 3)?,
        at: row.get(4)?,
        kind: EventKind::from(row.get_ref(5)?.as_str()?),
        content: content(row, 6)?,
        fold: None,
    })
}

/// The event at a seq, as it was written.
pub(super) fn event(conn: &Connection, rk: i64, room: RoomId, seq: Seq) -> Read<Option<Event>> {
    conn.prepare_cached(&format!("SELECT {EVENT} FROM events e WHERE e.rk = ?1 AND e.seq = ?2"))?
        .query_row((rk, int(seq.get())), |row| plain_event(row, room))
        .optional()
}

/// An event and its place from the columns of [`EVENT`].
fn event_from(row: &Row<'_>, hot: &Hot, room: RoomId) -> Read<(u64, Logged)> {
    let event = plain_event(row, room)?;
    let (change, json) = (change_of(&event), json(&event)?);
    hot.put(&event, &json);
    Ok((number(row, 0)?, Logged { seq: event.seq, json, change }))
}

/// The events of a room from `first` to `last`, both included: from memory if all of them are there.
pub(super) fn events(
    conn: &Connection,
    hot: &Hot,
    rk: i64,
    room: RoomId,
    (first, last): (Seq, Seq),
) -> Read<Vec<EventJson>> {
    let seqs: Vec<Seq> = (first.get()..=last.get()).map(Seq::new).collect();
    if let Some(bodies) = hot.bodies(room, &seqs).into_iter().collect() {
        return Ok(bodies);
    }
    conn.prepare_cached(&format!(
        "SELECT {EVENT} FROM events e WHERE e.rk = ?1 AND e.seq BETWEEN ?2 AND ?3 ORDER BY e.seq"
    ))?
    .query_map((rk, int(first.get()), int(last.get())), |row| {
        Ok(event_from(row, hot, room)?.1.json)
    })?
    .collect()
}

pub(super) fn log_after(
    conn: &Connection,
    hot: &Hot,
    ord: u64,
    limit: usize,
) -> Result<Vec<Entry>, StoreError> {
    let events: Read<Vec<Entry>> = conn
        .prepare_cached(&format!(
            "SELECT {EVENT}, r.id FROM events e JOIN rooms r ON r.rk = e.rk
             WHERE e.ord > ?1 ORDER BY e.ord LIMIT ?2"
        ))?
        .query_map((int(ord), int(limit as u64)), |row| {
            let room = room_id(row, 7)?;
            let (ord, event) = event_from(row, hot, room)?;
            Ok(Entry { shard: 0, ord, room: Some(room), news: News::Event(event) })
        })?
        .collect();
    let mut entries = events?;
    entries.extend(receipts::log_after(conn, ord, limit)?);
    entries.extend(settings::log_after(conn, ord, limit)?);
    entries.extend(blocks::log_after(conn, ord, limit)?);
    // Each of the four has all up to its own end, so that the first `limit` of all are whole.
    entries.sort_unstable_by_key(|entry| entry.ord);
    entries.truncate(limit);
    Ok(entries)
}

pub(super) fn head(conn: &Connection) -> Read<u64> {
    conn.prepare_cached("SELECT head_ord FROM shards WHERE shard = 0")?
        .query_row([], |row| number(row, 0))
}

pub(super) fn live_after(
    conn: &Connection,
    hot: &Hot,
    room: RoomId,
    user: &UserId,
    after: Seq,
) -> Result<LiveRead, StoreError> {
    let (row, member) = seen_by(conn, room, user)?;
    let head = member.last_seq(&row);
    let prev = after.min(head);
    if head.get() - prev.get() > limits::PAGE_EVENTS as u64 {
        return Ok(LiveRead::Limited(state_of(conn, &row, user, &member)?));
    }
    let mut events = self::events(conn, hot, row.rk, row.id, (prev.next(), head))?;
    let mut bytes = 0;
    let fits = events
        .iter()
        .take_while(|json| {
            bytes += json.get().len();
            bytes <= limits::PAGE_BYTES
        })
        .count();
    let more = fits < events.len();
    events.truncate(fits);
    Ok(LiveRead::Events { events, prev, more, joined: member.left_seq.is_none() })
}

pub(super) fn roster(conn: &Connection, room: RoomId) -> Result<Roster, StoreError> {
    let as_of = head(conn)?;
    let members: Read<Vec<_>> = conn
        .prepare_cached(
            "SELECT m.user, m.joined_ord, m.left_ord FROM members m JOIN rooms r ON r.rk = m.rk
             WHERE r.id = ?1",
        )?
        .query_map([room.uuid().as_bytes()], |row| {
            let left = row.get::<_, Option<i64>>(2)?.map(i64::unsigned_abs);
            Ok((user(row, 0)?, number(row, 1)?, left))
        })?
        .collect();
    Ok(Roster { as_of, members: members? })
}

pub(super) fn members(
    conn: &Connection,
    room: RoomId,
    reader: &UserId,
    after: Option<&UserId>,
) -> Result<MemberPage, StoreError> {
    let (row, member) = seen_by(conn, room, reader)?;
    if member.left_seq.is_some() {
        return Err(StoreError::NotAMember);
    }
    let now = clock::now_ms();
    let members: Read<Vec<Member>> = conn
        .prepare_cached(
            "SELECT user, role, joined_at,
                    (SELECT until FROM mutes WHERE mutes.rk = ?1 AND mutes.user = members.user)
             FROM members
             WHERE rk = ?1 AND user > ?2 AND left_ord IS NULL ORDER BY user LIMIT ?3",
        )?
        .query_map(
            (row.rk, after.map_or("", UserId::as_str), int(limits::MEMBERS_PAGE as u64 + 1)),
            |row| {
                Ok(Member {
                    user: user(row, 0)?,
                    role: role(row, 1)?,
                    joined_at: row.get(2)?,
                    mute: mute_of(row.get(3)?, now),
                })
            },
        )?
        .collect();
    let mut members = members?;
    let more = members.len() > limits::MEMBERS_PAGE;
    members.truncate(limits::MEMBERS_PAGE);
    let next = members.last().filter(|_| more).map(|member| member.user.clone());
    Ok(MemberPage { members, next })
}

pub(super) fn profiles(conn: &Connection, users: Vec<UserId>) -> Result<Vec<Profile>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT name, avatar_url, updated_at FROM profiles WHERE user = ?1")?;
    let mut profiles = Vec::with_capacity(users.len());
    for user in users {
        let found = statement
            .query_row([user.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let (name, avatar_url, updated_at) = found.unwrap_or((None, None, 0));
        profiles.push(Profile { user, name, avatar_url, updated_at });
    }
    Ok(profiles)
}
