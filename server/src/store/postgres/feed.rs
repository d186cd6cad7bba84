//! Pages of a user's feed: what is looked at grows with the news, not with the number of events. The
//! shards take turns, and each stops before the first thing that a page leaves out.

use std::collections::HashMap;

use tidewire_protocol::{BlockList, Receipt, RoomId, RoomState, Seq, SettingsNews, UserId, limits};

use super::blocks;
use super::connect::{Session, int, number, shard};
use super::read::{self, json};
use crate::store::hot::Hot;
use crate::store::rules::settings_of;
use crate::store::{
    EventJson, FeedPage, FeedQuery, Ords, RECEIPT_BYTES, SETTINGS_BYTES, StoreError,
};

/// A room of the user's with something new.
struct News {
    rk: i64,
    room: RoomId,
    shard: usize,
    joined_ord: u64,
    /// The newest event that the user may see.
    last: Seq,
    /// Whether there may be new events.
    events: bool,
    /// Whether receipts of members have moved, and the user is one of them.
    receipts: bool,
    /// Whether members see each other's.
    shared: bool,
    /// What the user has set since, and where it stands.
    settings: Option<(u64, SettingsNews)>,
}

/// What may go into a page, by the place where it belongs.
enum Item {
    Event { rk: i64, room: RoomId, seq: Seq },
    Limited { rk: i64 },
    Receipt(Receipt),
    Settings(SettingsNews),
    Blocks(BlockList),
}

/// The user's rooms in which something stands after the place in their shard.
pub(super) const NEWS: &str =
    "SELECT m.rk, r.id, r.shard, m.joined_ord, coalesce(m.left_seq, r.head_seq),
            r.head_ord > f.ord, r.receipt_ord > f.ord AND m.left_ord IS NULL,
            m.settings_ord > greatest(f.ord, m.joined_ord) AND m.left_ord IS NULL,
            m.settings_ord, m.settings, r.members, m.settings_version
     FROM members m JOIN rooms r ON r.rk = m.rk
     CROSS JOIN LATERAL (SELECT ($2::bigint[])[r.shard + 1] AS ord) f
     WHERE m.user_id = $1 AND (r.head_ord > f.ord OR r.receipt_ord > f.ord OR m.settings_ord > f.ord)
       AND (m.left_ord IS NULL OR m.left_ord > f.ord)";
/// The newest events of rooms after a place, one more of each than comes as events.
pub(super) const NEWEST: &str = "SELECT u.n, e.ord, e.seq
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY u(rk, after, last, n)
     CROSS JOIN LATERAL (
         SELECT e.ord, e.seq FROM events e
         WHERE e.rk = u.rk AND e.seq <= u.last AND e.seq > u.last - $4 AND e.ord > u.after) e
     ORDER BY u.n, e.seq";
/// The place of the first event of rooms after a place: `ord` grows with `seq`, so that halving finds
/// it in as many looks as the room's head has digits.
pub(super) const FIRST: &str = "SELECT u.n, e.ord, e.seq
     FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) WITH ORDINALITY u(rk, after, last, n)
     CROSS JOIN LATERAL (
         WITH RECURSIVE halves(low, high) AS (
             SELECT 0::bigint, u.last
             UNION ALL
             SELECT CASE WHEN e.ord > u.after THEN h.low ELSE e.seq END,
                    CASE WHEN e.ord > u.after THEN e.seq ELSE h.high END
             FROM halves h JOIN events e ON e.rk = u.rk AND e.seq = (h.low + h.high) / 2
             WHERE h.high - h.low > 1
         ) SELECT min(high) AS seq FROM halves) f
     JOIN events e ON e.rk = u.rk AND e.seq = f.seq";
/// The receipts of rooms that moved after a place.
pub(super) const MOVED: &str = "SELECT u.n, m.receipt_ord, m.user_id, m.delivered_seq, m.read_seq
     FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY u(rk, after, n)
     CROSS JOIN LATERAL (
         SELECT * FROM members m
         WHERE m.rk = u.rk AND m.receipt_ord > u.after AND m.left_ord IS NULL
         ORDER BY m.receipt_ord LIMIT $3) m";
/// The same of one user: the others of a large room are not looked at.
pub(super) const OWN: &str = "SELECT u.n, m.receipt_ord, m.user_id, m.delivered_seq, m.read_seq
     FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY u(rk, after, n)
     JOIN members m ON m.rk = u.rk AND m.user_id = $3 AND m.receipt_ord > u.after
      AND m.left_ord IS NULL";

pub(super) async fn page(
    s: &Session,
    hot: &Hot,
    query: &FeedQuery,
) -> Result<FeedPage, StoreError> {
    // One moment: what is committed later is beyond the heads and comes with the next page.
    let (heads, news, list) = tokio::try_join!(
        read::heads(s),
        rooms_with_news(s, query),
        blocks::news(s, &query.user, &query.from),
    )?;
    if query.from.len() != heads.len() || !heads.covers(&query.from) {
        return Err(StoreError::CursorBeyondHead);
    }
    let mut items: Vec<Vec<(u64, Item)>> = heads.iter().map(|_| Vec::new()).collect();
    let mut put = |shard: usize, ord: u64, item: Item| {
        if let Some(of_shard) = items.get_mut(shard) {
            of_shard.push((ord, item));
        }
    };
    events(s, query, &news, &mut put).await?;
    receipts(s, query, &news, &mut put).await?;
    for room in &news {
        if let Some((ord, settings)) = room.settings {
            put(room.shard, ord, Item::Settings(settings));
        }
    }
    if let Some((shard, ord, list)) = list {
        put(shard, ord, Item::Blocks(list));
    }
    fill(s, hot, query, heads, items).await
}

/// Takes what fits.
async fn fill(
    s: &Session,
    hot: &Hot,
    query: &FeedQuery,
    heads: Ords,
    items: Vec<Vec<(u64, Item)>>,
) -> Result<FeedPage, StoreError> {
    let mut page = FeedPage {
        events: Vec::new(),
        limited: Vec::new(),
        receipts: Vec::new(),
        settings: Vec::new(),
        blocks: None,
        to: heads,
        more: false,
    };
    let order = in_turns(items, &query.from);
    let loaded = load(s, hot, &query.user, order.iter().take(query.limit)).await?;
    let (mut bytes, mut taken) = (0, 0);
    for loaded in loaded {
        bytes += loaded.bytes();
        // Even the largest single event is a page, or reading would not go on.
        if taken > 0 && bytes > limits::PAGE_BYTES {
            break;
        }
        loaded.put(&mut page);
        taken += 1;
    }
    for (shard, ord, _) in order.iter().skip(taken) {
        page.to.lower(*shard, ord.saturating_sub(1));
        page.more = true;
    }
    Ok(page)
}

/// The items of all shards, one of each after the other. Which shard begins changes with the place, so
/// that none is kept waiting by pages of a single item.
fn in_turns(items: Vec<Vec<(u64, Item)>>, from: &Ords) -> Vec<(usize, u64, Item)> {
    let shards = items.len().max(1);
    let begin = from.iter().fold(0_usize, |sum, ord| sum.wrapping_add(ord as usize)) % shards;
    let mut turns: Vec<(usize, usize, u64, Item)> = Vec::new();
    for (shard, mut of_shard) in items.into_iter().enumerate() {
        of_shard.sort_unstable_by_key(|(ord, _)| *ord);
        for (turn, (ord, item)) in of_shard.into_iter().enumerate() {
            turns.push((turn, shard, ord, item));
        }
    }
    turns.sort_by_key(|(turn, shard, ..)| (*turn, (shard + shards - begin) % shards));
    turns.into_iter().map(|(_, shard, ord, item)| (shard, ord, item)).collect()
}

enum Loaded {
    Event(EventJson),
    Limited(Box<RoomState<EventJson>>),
    Receipt(Receipt),
    Settings(SettingsNews),
    Blocks(BlockList),
}

impl Loaded {
    fn bytes(&self) -> usize {
        match self {
            Self::Event(json) => json.get().len(),
            Self::Limited(room) => room_bytes(room),
            Self::Receipt(_) => RECEIPT_BYTES,
            Self::Settings(_) => SETTINGS_BYTES,
            Self::Blocks(list) => list.wire_bytes(),
        }
    }

    fn put(self, page: &mut FeedPage) {
        match self {
            Self::Event(json) => page.events.push(json),
            Self::Limited(room) => page.limited.push(*room),
            Self::Receipt(receipt) => page.receipts.push(receipt),
            Self::Settings(news) => page.settings.push(news),
            Self::Blocks(list) => page.blocks = Some(list),
        }
    }
}

/// About how many bytes the state of a room takes: its fields beside its last events are about as long
/// as a short message.
fn room_bytes(room: &RoomState<EventJson>) -> usize {
    let events = [&room.last_event, &room.last_message].into_iter().flatten();
    256 + events.map(|json| json.get().len()).sum::<usize>() + room.receipts.len() * RECEIPT_BYTES
}

/// The bodies that need not be read.
fn in_memory<'a>(
    hot: &Hot,
    items: impl Iterator<Item = &'a (usize, u64, Item)>,
) -> HashMap<(i64, Seq), EventJson> {
    let mut rooms: HashMap<(i64, RoomId), Vec<Seq>> = HashMap::new();
    for (_, _, item) in items {
        if let Item::Event { rk, room, seq } = item {
            rooms.entry((*rk, *room)).or_default().push(*seq);
        }
    }
    let mut bodies = HashMap::new();
    for ((rk, room), seqs) in rooms {
        let found = seqs.iter().zip(hot.bodies(room, &seqs));
        bodies.extend(found.filter_map(|(seq, body)| Some(((rk, *seq), body?))));
    }
    bodies
}

async fn load(
    s: &Session,
    hot: &Hot,
    user: &UserId,
    items: impl Iterator<Item = &(usize, u64, Item)> + Clone,
) -> Result<Vec<Loaded>, StoreError> {
    let (mut places, mut rks) = (Vec::new(), Vec::new());
    let mut bodies = in_memory(hot, items.clone());
    for (_, _, item) in items.clone() {
        match item {
            Item::Event { rk, seq, .. } => {
                if !bodies.contains_key(&(*rk, *seq)) {
                    places.push((*rk, int(seq.get())));
                }
            }
            Item::Limited { rk } => rks.push(*rk),
            Item::Receipt(_) | Item::Settings(_) | Item::Blocks(_) => {}
        }
    }
    let (events, rooms) =
        tokio::try_join!(read::plain_events(s, &places), read::rooms_of_keys(s, user, &rks))?;
    let mut events = events.into_iter();
    let mut states = read::states(s, user, &rooms).await?.into_iter();
    let mut loaded = Vec::new();
    for (_, _, item) in items {
        loaded.push(match item {
            Item::Event { rk, seq, .. } => match bodies.remove(&(*rk, *seq)) {
                Some(body) => Loaded::Event(body),
                None => {
                    let hole = || StoreError::Failed(format!("room {rk} has a hole at {seq}"));
                    let (_, event) = events.next().flatten().ok_or_else(hole)?;
                    let json = json(&event)?;
                    hot.put(&event, &json);
                    Loaded::Event(json)
                }
            },
            Item::Limited { rk } => {
                let none = || StoreError::Failed(format!("room {rk} has no state"));
                Loaded::Limited(Box::new(states.next().ok_or_else(none)?))
            }
            Item::Receipt(receipt) => Loaded::Receipt(receipt.clone()),
            Item::Settings(news) => Loaded::Settings(*news),
            Item::Blocks(list) => Loaded::Blocks(list.clone()),
        });
    }
    Ok(loaded)
}

async fn rooms_with_news(s: &Session, query: &FeedQuery) -> Result<Vec<News>, StoreError> {
    let from: Vec<i64> = query.from.iter().map(int).collect();
    let mut news = Vec::new();
    for row in s.query(NEWS, &[&query.user.as_str(), &from]).await? {
        let room = read::room_id(&row, 1)?;
        news.push(News {
            rk: row.try_get(0)?,
            room,
            shard: shard(&row, 2)?,
            joined_ord: number(&row, 3)?,
            last: read::seq(&row, 4)?,
            events: row.try_get(5)?,
            receipts: row.try_get(6)?,
            settings: match row.try_get(7)? {
                true => {
                    let settings = settings_of(row.try_get(9)?);
                    let version = number(&row, 11)?;
                    Some((number(&row, 8)?, SettingsNews { room, settings, version }))
                }
                false => None,
            },
            shared: read::is_shared(row.try_get::<_, i32>(10)?.unsigned_abs()),
        });
    }
    Ok(news)
}

/// The new events of rooms, or that there are too many.
async fn events(
    s: &Session,
    query: &FeedQuery,
    news: &[News],
    put: &mut impl FnMut(usize, u64, Item),
) -> Result<(), StoreError> {
    let mut rooms: Vec<&News> = Vec::new();
    for room in news.iter().filter(|room| room.events) {
        if room.joined_ord > query.from.get(room.shard) {
            // Joined since: the state says all up to the head.
            put(room.shard, room.joined_ord, Item::Limited { rk: room.rk });
        } else {
            rooms.push(room);
        }
    }
    if rooms.is_empty() {
        return Ok(());
    }
    let rks: Vec<i64> = rooms.iter().map(|room| room.rk).collect();
    let after: Vec<i64> = rooms.iter().map(|room| int(query.from.get(room.shard))).collect();
    let last: Vec<i64> = rooms.iter().map(|room| int(room.last.get())).collect();
    let most = query.room_limit as u64 + 1;
    let mut newest: HashMap<usize, Vec<(u64, Seq)>> = HashMap::new();
    for row in s.query(NEWEST, &[&rks, &after, &last, &int(most)]).await? {
        let of_room = newest.entry(read::index(&row, 0)?).or_default();
        of_room.push((number(&row, 1)?, read::seq(&row, 2)?));
    }
    let mut crowded: Vec<&News> = Vec::new();
    for (at, room) in rooms.iter().enumerate() {
        let mut found = newest.remove(&at).unwrap_or_default();
        if let Some(have) = query.have.get(&room.room) {
            found.retain(|(_, seq)| seq > have);
        }
        if found.len() as u64 == most {
            crowded.push(room);
            continue;
        }
        for (ord, seq) in found {
            put(room.shard, ord, Item::Event { rk: room.rk, room: room.room, seq });
        }
    }
    // Such a room stands where its first event stands, so that no page passes it untold.
    let rks: Vec<i64> = crowded.iter().map(|room| room.rk).collect();
    let after: Vec<i64> = crowded.iter().map(|room| int(query.from.get(room.shard))).collect();
    let last: Vec<i64> = crowded.iter().map(|room| int(room.last.get())).collect();
    if crowded.is_empty() {
        return Ok(());
    }
    for row in s.query(FIRST, &[&rks, &after, &last]).await? {
        if let Some(room) = crowded.get(read::index(&row, 0)?) {
            put(room.shard, number(&row, 1)?, Item::Limited { rk: room.rk });
        }
    }
    Ok(())
}

/// The receipts of rooms. Of a room that the user has come into since, those before that are in its
/// state.
async fn receipts(
    s: &Session,
    query: &FeedQuery,
    news: &[News],
    put: &mut impl FnMut(usize, u64, Item),
) -> Result<(), StoreError> {
    let moved: Vec<&News> = news.iter().filter(|room| room.receipts).collect();
    let (shared, large): (Vec<&News>, Vec<&News>) = moved.into_iter().partition(|room| room.shared);
    for (rooms, own) in [(shared, false), (large, true)] {
        if rooms.is_empty() {
            continue;
        }
        let rks: Vec<i64> = rooms.iter().map(|room| room.rk).collect();
        let after = |room: &&News| int(query.from.get(room.shard).max(room.joined_ord));
        let after: Vec<i64> = rooms.iter().map(after).collect();
        let rows = match own {
            true => s.query(OWN, &[&rks, &after, &query.user.as_str()]).await?,
            // One more than a page takes, so that the page knows where to stop.
            false => s.query(MOVED, &[&rks, &after, &int(query.limit as u64 + 1)]).await?,
        };
        for row in &rows {
            let Some(room) = rooms.get(read::index(row, 0)?) else { continue };
            let receipt = read::receipt_from(row, 2, room.room)?;
            put(room.shard, number(row, 1)?, Item::Receipt(receipt));
        }
    }
    Ok(())
}
