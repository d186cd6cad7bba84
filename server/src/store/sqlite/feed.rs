//! Pages of a user's feed and of the room list: what is looked at grows with the news, not with
//! the number of events.

use rusqlite::{Connection, OptionalExtension};
use tidewire_protocol::{
    BlockList, Receipt, RoomPage, RoomSettings, RoomState, Seq, SettingsNews, UserId, limits,
};

use super::{blocks, int, read, receipts, settings};
use crate::store::hot::Hot;
use crate::store::{
    EventJson, FeedPage, FeedQuery, Ords, RECEIPT_BYTES, SETTINGS_BYTES, StoreError,
};

/// A room of the user's with something new.
struct News {
    rk: i64,
    joined_ord: u64,
    /// The newest event that the user may see.
    last: Seq,
    /// Whether there may be new events.
    events: bool,
    /// Whether receipts of members have moved, and the user is one of them.
    receipts: bool,
    /// What the user has set since, and where it stands.
    settings: Option<(u64, RoomSettings, u64)>,
}

/// What may go into a page, by the place where it belongs.
enum Item {
    Event { rk: i64, seq: Seq },
    Limited { rk: i64 },
    Receipt(Receipt),
    Settings(SettingsNews),
    Blocks(BlockList),
}

pub(super) fn page(
    conn: &Connection,
    hot: &Hot,
    query: &FeedQuery,
) -> Result<FeedPage, StoreError> {
    // The head first: what is committed later is beyond it and comes with the next page.
    let head = read::head(conn)?;
    let from = query.from.get(0);
    if from > head {
        return Err(StoreError::CursorBeyondHead);
    }
    let mut items = Vec::new();
    for news in rooms_with_news(conn, &query.user, from)? {
        if news.events {
            collect(conn, query, from, &news, &mut items)?;
        }
        if news.receipts {
            collect_receipts(conn, query, from, &news, &mut items)?;
        }
        if let Some((ord, settings, version)) = news.settings {
            let room = read::room_of_key(conn, news.rk)?.id;
            items.push((ord, Item::Settings(SettingsNews { room, settings, version })));
        }
    }
    let blocks = blocks::news(conn, &query.user, from)?;
    items.extend(blocks.map(|(ord, list)| (ord, Item::Blocks(list))));
    items.sort_unstable_by_key(|(ord, _)| *ord);
    let mut page = FeedPage {
        events: Vec::new(),
        limited: Vec::new(),
        receipts: Vec::new(),
        settings: Vec::new(),
        blocks: None,
        to: Ords::zero(1),
        more: false,
    };
    let mut bytes = 0;
    for (taken, (ord, item)) in items.iter().enumerate() {
        let size = match (taken < query.limit).then(|| load(conn, hot, &query.user, item)) {
            None => None,
            Some(loaded) => {
                let loaded = loaded?;
                let size = loaded.bytes();
                // Even the largest single event is a page, or reading would not go on.
                let fits = taken == 0 || bytes + size <= limits::PAGE_BYTES;
                fits.then(|| loaded.put(&mut page)).map(|()| size)
            }
        };
        match size {
            Some(size) => bytes += size,
            None => {
                page.to.raise(0, ord - 1);
                page.more = true;
                return Ok(page);
            }
        }
    }
    page.to.raise(0, head);
    Ok(page)
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
            // The fields of a room beside its last events are about as long as a short message.
            Self::Limited(room) => {
                let events = [&room.last_event, &room.last_message].into_iter().flatten();
                256 + events.map(|json| json.get().len()).sum::<usize>()
                    + room.receipts.len() * RECEIPT_BYTES
            }
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

fn load(conn: &Connection, hot: &Hot, user: &UserId, item: &Item) -> Result<Loaded, StoreError> {
    match item {
        Item::Event { rk, seq } => {
            let room = conn
                .prepare_cached("SELECT id FROM rooms WHERE rk = ?1")?
                .query_row([rk], |row| read::room_id(row, 0))?;
            let event = read::events(conn, hot, *rk, room, (*seq, *seq))?.pop();
            let event = event
                .ok_or_else(|| StoreError::Failed(format!("room {room} has a hole at {seq}")))?;
            Ok(Loaded::Event(event))
        }
        Item::Limited { rk } => {
            let row = read::room_of_key(conn, *rk)?;
            Ok(Loaded::Limited(Box::new(read::state(conn, &row, user)?)))
        }
        Item::Receipt(receipt) => Ok(Loaded::Receipt(receipt.clone())),
        Item::Settings(news) => Ok(Loaded::Settings(*news)),
        Item::Blocks(list) => Ok(Loaded::Blocks(list.clone())),
    }
}

fn rooms_with_news(conn: &Connection, user: &UserId, from: u64) -> Result<Vec<News>, StoreError> {
    let news: Result<Vec<News>, rusqlite::Error> = conn
        .prepare_cached(
            "SELECT m.rk, m.joined_ord, coalesce(m.left_seq, r.head_seq), r.head_ord > ?2,
                    r.receipt_ord > ?2 AND m.left_ord IS NULL,
                    m.settings_ord > max(?2, m.joined_ord) AND m.left_ord IS NULL,
                    m.settings_ord, m.settings, m.settings_version
             FROM members m JOIN rooms r ON r.rk = m.rk
             WHERE m.user = ?1 AND (r.head_ord > ?2 OR r.receipt_ord > ?2 OR m.settings_ord > ?2)
               AND (m.left_ord IS NULL OR m.left_ord > ?2)",
        )?
        .query_map((user.as_str(), int(from)), |row| {
            Ok(News {
                rk: row.get(0)?,
                joined_ord: read::number(row, 1)?,
                last: read::seq(row, 2)?,
                events: row.get(3)?,
                receipts: row.get(4)?,
                settings: match row.get(5)? {
                    true => Some((
                        read::number(row, 6)?,
                        settings::settings(row, 7)?,
                        read::number(row, 8)?,
                    )),
                    false => None,
                },
            })
        })?
        .collect();
    Ok(news?)
}

/// The items of one room.
fn collect(
    conn: &Connection,
    query: &FeedQuery,
    from: u64,
    news: &News,
    items: &mut Vec<(u64, Item)>,
) -> Result<(), StoreError> {
    if news.joined_ord > from {
        // Joined since: the state says all up to the head.
        items.push((news.joined_ord, Item::Limited { rk: news.rk }));
        return Ok(());
    }
    let Some(mut first) = first_after(conn, news.rk, from, news.last)? else {
        return Ok(());
    };
    if !query.have.is_empty() {
        let room = read::room_of_key(conn, news.rk)?.id;
        if let Some(have) = query.have.get(&room) {
            first = first.max(have.next());
        }
    }
    if first > news.last {
        return Ok(());
    }
    let count = news.last.get() - first.get() + 1;
    if count > query.room_limit as u64 {
        // It stands where its first event stands, so that no page passes the room untold.
        let ord = ord_at(conn, news.rk, first)?.unwrap_or(from + 1);
        items.push((ord, Item::Limited { rk: news.rk }));
        return Ok(());
    }
    let mut statement =
        conn.prepare_cached("SELECT ord, seq FROM events WHERE rk = ?1 AND seq BETWEEN ?2 AND ?3")?;
    let rows = statement.query_map((news.rk, int(first.get()), int(news.last.get())), |row| {
        Ok((read::number(row, 0)?, read::seq(row, 1)?))
    })?;
    for row in rows {
        let (ord, seq) = row?;
        items.push((ord, Item::Event { rk: news.rk, seq }));
    }
    Ok(())
}

/// The receipts of one room. Of a room that the user has come into since, those before that are in
/// its state.
fn collect_receipts(
    conn: &Connection,
    query: &FeedQuery,
    from: u64,
    news: &News,
    items: &mut Vec<(u64, Item)>,
) -> Result<(), StoreError> {
    let row = read::room_of_key(conn, news.rk)?;
    let from = from.max(news.joined_ord);
    // One more than a page takes, so that the page knows where to stop.
    let moved = receipts::news(conn, &row, &query.user, from, query.limit + 1)?;
    items.extend(moved.into_iter().map(|(ord, receipt)| (ord, Item::Receipt(receipt))));
    Ok(())
}

fn ord_at(conn: &Connection, rk: i64, seq: Seq) -> Result<Option<u64>, StoreError> {
    let ord = conn
        .prepare_cached("SELECT ord FROM events WHERE rk = ?1 AND seq = ?2")?
        .query_row((rk, int(seq.get())), |row| read::number(row, 0))
        .optional()?;
    Ok(ord)
}

/// The first event of the room after `from`, if it is not after `last`. `ord` grows with `seq`, so
/// that a search that gallops back from `last` takes as many steps as the news has digits.
fn first_after(
    conn: &Connection,
    rk: i64,
    from: u64,
    last: Seq,
) -> Result<Option<Seq>, StoreError> {
    let is_new = |seq: u64| -> Result<bool, StoreError> {
        Ok(ord_at(conn, rk, Seq::new(seq))?.is_some_and(|ord| ord > from))
    };
    let mut new = last.get();
    if !is_new(new)? {
        return Ok(None);
    }
    let mut step = 1;
    // `old` is before the first new one; 0 is before everything.
    let mut old = loop {
        let probe = new.saturating_sub(step);
        if probe == 0 || !is_new(probe)? {
            break probe;
        }
        new = probe;
        step *= 2;
    };
    while new - old > 1 {
        let middle = old + (new - old) / 2;
        if is_new(middle)? { new = middle } else { old = middle }
    }
    Ok(Some(Seq::new(new)))
}

/// Where a page of the room list goes on. First all rooms from the most recently active down, as
/// of the moment of the first page; then those that have become active since, from that moment up.
enum RoomsFrom {
    Down { as_of: u64, below: u64 },
    Up { above: u64 },
}

impl RoomsFrom {
    fn parse(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let way = parts.next()?;
        let mut number = || parts.next()?.parse().ok();
        match way {
            "d" => Some(Self::Down { as_of: number()?, below: number()? }),
            "u" => Some(Self::Up { above: number()? }),
            _ => None,
        }
    }

    fn token(&self) -> String {
        match self {
            Self::Down { as_of, below } => format!("d.{as_of}.{below}"),
            Self::Up { above } => format!("u.{above}"),
        }
    }
}

pub(super) fn rooms(
    conn: &Connection,
    user: &UserId,
    after: Option<&str>,
) -> Result<RoomPage<EventJson>, StoreError> {
    let head = read::head(conn)?;
    let from = match after {
        None => RoomsFrom::Down { as_of: head, below: head.saturating_add(1) },
        Some(token) => RoomsFrom::parse(token).ok_or(StoreError::BadPageToken)?,
    };
    let (mut keys, next) = match from {
        RoomsFrom::Down { as_of, below } => {
            let keys = keys(conn, user, "r.head_ord < ?2 ORDER BY r.head_ord DESC", below)?;
            let next = if keys.len() > limits::ROOMS_PAGE {
                let below = keys.get(limits::ROOMS_PAGE - 1).map_or(0, |(_, ord)| *ord);
                Some(RoomsFrom::Down { as_of, below })
            } else {
                (head > as_of).then_some(RoomsFrom::Up { above: as_of })
            };
            (keys, next)
        }
        RoomsFrom::Up { above } => {
            let keys = keys(conn, user, "r.head_ord > ?2 ORDER BY r.head_ord", above)?;
            let next = (keys.len() > limits::ROOMS_PAGE).then(|| {
                let above = keys.get(limits::ROOMS_PAGE - 1).map_or(above, |(_, ord)| *ord);
                RoomsFrom::Up { above }
            });
            (keys, next)
        }
    };
    keys.truncate(limits::ROOMS_PAGE);
    let mut rooms = Vec::with_capacity(keys.len());
    for (rk, _) in keys {
        rooms.push(read::state(conn, &read::room_of_key(conn, rk)?, user)?);
    }
    Ok(RoomPage { rooms, next: next.map(|from| from.token()) })
}

/// One more than a page of the user's rooms, each with its head.
fn keys(
    conn: &Connection,
    user: &UserId,
    which: &str,
    ord: u64,
) -> Result<Vec<(i64, u64)>, StoreError> {
    let keys: Result<Vec<_>, rusqlite::Error> = conn
        .prepare_cached(&format!(
            "SELECT r.rk, r.head_ord FROM members m JOIN rooms r ON r.rk = m.rk
             WHERE m.user = ?1 AND m.left_ord IS NULL AND {which} LIMIT ?3"
        ))?
        .query_map((user.as_str(), int(ord), int(limits::ROOMS_PAGE as u64 + 1)), |row| {
            Ok((row.get(0)?, read::number(row, 1)?))
        })?
        .collect();
    Ok(keys?)
}
