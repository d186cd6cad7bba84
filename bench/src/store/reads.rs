//! What is read from the disk: the first screen, a large room, a person's reading.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use tidewire::{CacheReport, Client, RoomListQuery, Row, Timeline};

use super::Error;
use super::database::{NOWHERE, bare, builder, cache_of, client};
use super::wire::{Feed, USER, Wire, room_id};

/// Rows of the list on the first screen.
const LIST: usize = 30;

/// From the call of `open` to the top of the list and 50 messages of its first room, without a network.
pub(super) async fn first_screen(data: &Path) -> Result<Duration, Error> {
    let begin = Instant::now();
    let client = builder(NOWHERE, data)?.open().await?;
    let list = client.room_list(RoomListQuery { window: LIST, ..Default::default() }).await?;
    let mut rooms = Vec::new();
    list.next_after(0).await?.update.apply(&mut rooms);
    let first = rooms.first().ok_or("no rooms")?.room;
    let rows = rows_of(&client.room(first).timeline().await?).await?;
    let took = begin.elapsed();
    if (rows.len(), rooms.len()) != (50, LIST) {
        return Err(format!("{} rows of {} rooms", rows.len(), rooms.len()).into());
    }
    client.close().await;
    Ok(took)
}

/// The same by bare queries: the rooms with their last events, what is unread of the first of them, and
/// 50 messages.
pub(super) fn bare_first_screen(data: &Path) -> Result<Duration, Error> {
    let cache = cache_of(data)?;
    let begin = Instant::now();
    let connection = bare(&cache)?;
    let mut rooms = Vec::new();
    {
        let mut list = connection.prepare(
            "SELECT r.rk, r.state, e.at, e.content, o.read FROM rooms r
             LEFT JOIN events e ON e.rk = r.rk AND e.seq = r.head_seq
             LEFT JOIN receipts o ON o.rk = r.rk AND o.user = ?1",
        )?;
        let mut found = list.query([USER])?;
        while let Some(row) = found.next()? {
            let room: (i64, String, i64, String, i64) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
            rooms.push(room);
        }
    }
    rooms.sort_by_key(|room| std::cmp::Reverse(room.2));
    let mut unread = connection.prepare(
        "SELECT count(*) FROM events WHERE rk = ?1 AND seq > ?2 AND kind = 'message' AND sender <> ?3",
    )?;
    for (rk, _, _, _, read) in rooms.iter().take(LIST) {
        let _: i64 = unread.query_row(params![rk, read, USER], |row| row.get(0))?;
    }
    newest(&connection, rooms.first().ok_or("no rooms")?.0)?;
    Ok(begin.elapsed())
}

fn newest(connection: &Connection, rk: i64) -> Result<(), Error> {
    let mut events = connection.prepare_cached(
        "SELECT seq, id, sender, at, kind, content FROM events
         WHERE rk = ?1 ORDER BY seq DESC LIMIT 50",
    )?;
    let mut found = events.query([rk])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let event: (i64, Vec<u8>, String, i64, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
        rows.push(event);
    }
    if rows.len() == 50 { Ok(()) } else { Err("not 50 messages".into()) }
}

/// How long it takes to open a room of a client that runs, and to read it bare, each the median of many.
pub(super) async fn open_room(data: &Path, room: u64) -> Result<(f64, f64), Error> {
    let client = client(NOWHERE, data).await?;
    let room = client.room(room_id(room).parse()?);
    let rk: i64 = 1;
    let connection = bare(&cache_of(data)?)?;
    let (mut by_client, mut by_hand) = (Vec::new(), Vec::new());
    for _ in 0..1_001 {
        let begin = Instant::now();
        let timeline = room.timeline().await?;
        rows_of(&timeline).await?;
        by_client.push(begin.elapsed().as_secs_f64() * 1_000.0);
        drop(timeline);
        // The window goes with its last timeline, before the next question is answered.
        client.stats().await?;
        let begin = Instant::now();
        newest(&connection, rk)?;
        by_hand.push(begin.elapsed().as_secs_f64() * 1_000.0);
    }
    client.close().await;
    Ok((super::median(by_client), super::median(by_hand)))
}

/// How long a client that runs takes to open its list of rooms, and to tell of a change of it (a pinned
/// room), in ms: the medians of many.
pub(super) async fn room_list(data: &Path, rooms: u64) -> Result<(f64, f64), Error> {
    let client = client(NOWHERE, data).await?;
    let (mut opened, mut changed) = (Vec::new(), Vec::new());
    for number in 0..51 {
        let begin = Instant::now();
        let mut list = client.room_list(RoomListQuery::default()).await?;
        let mut rows = Vec::new();
        list.next().await?.update.apply(&mut rows);
        opened.push(begin.elapsed().as_secs_f64() * 1_000.0);
        let room = client.room(room_id(number % rooms).parse()?);
        let begin = Instant::now();
        room.pin(true).await?;
        while rows.first().is_none_or(|row| row.room != room.id()) {
            list.next().await?.update.apply(&mut rows);
        }
        changed.push(begin.elapsed().as_secs_f64() * 1_000.0);
        room.pin(false).await?;
    }
    client.close().await;
    Ok((super::median(opened), super::median(changed)))
}

pub(super) async fn rows_of(timeline: &Timeline) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    timeline.next_after(0).await?.update.apply(&mut rows);
    Ok(rows)
}

/// What a person does for a while: opens rooms, mostly the same ones, scrolls up, mostly a little, and
/// comes back.
pub(super) async fn workload(
    data: &Path,
    rooms: u64,
    seed: u64,
    steps: usize,
) -> Result<CacheReport, Error> {
    let wire = Wire::start(Feed::new(rooms, 0)).await?;
    super::database::make(&wire.url, data, &vec![(100, 901); rooms as usize]).await?;
    let client = client(&wire.url, data).await?;
    let mut random = fastrand::Rng::with_seed(seed);
    // The rooms that stay open behind the one that is looked at, the newest last.
    let mut open: Vec<(u64, Timeline)> = Vec::new();
    for _ in 0..steps {
        // Few rooms are read often: the square of an even share.
        let share = random.f64();
        let room = (share * share * rooms as f64) as u64;
        let timeline = open_timeline(&client, room).await?;
        for _ in 0..10 {
            // Half of those who have come so far go on.
            if random.bool() {
                break;
            }
            if timeline.load_older(50).await.is_err() {
                break;
            }
        }
        open.retain(|(other, _)| *other != room);
        open.push((room, timeline));
        if open.len() > 5 {
            open.remove(0);
        }
    }
    let report = client.cache_report().await?;
    client.close().await;
    Ok(report)
}

async fn open_timeline(client: &Client, room: u64) -> Result<Timeline, Error> {
    let timeline = client.room(room_id(room).parse()?).timeline().await?;
    rows_of(&timeline).await?;
    Ok(timeline)
}
