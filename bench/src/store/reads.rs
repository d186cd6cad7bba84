//! What is read from the disk: the first screen, a large room, a person's reading.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tidewire::{CacheReport, Client, Row, Timeline};

use super::Error;
use super::database::{NOWHERE, bare, builder, cache_of, client};
use super::wire::{Feed, Wire, room_id};

/// From the call of `open` to the list and 50 messages of a room, without a network.
pub(super) async fn first_screen(data: &Path) -> Result<Duration, Error> {
    let begin = Instant::now();
    let client = builder(NOWHERE, data)?.open().await?;
    let rooms = client.rooms().await?;
    let first = rooms.first().ok_or("no rooms")?.state.id;
    let rows = rows_of(&client.room(first).timeline().await?).await?;
    let took = begin.elapsed();
    if rows.len() != 50 {
        return Err(format!("{} rows", rows.len()).into());
    }
    client.close().await;
    Ok(took)
}

/// The same by bare queries: the list with its last events, and 50 messages.
pub(super) fn bare_first_screen(data: &Path) -> Result<Duration, Error> {
    let cache = cache_of(data)?;
    let begin = Instant::now();
    let connection = bare(&cache)?;
    let mut rooms = Vec::new();
    {
        let mut list = connection.prepare(
            "SELECT r.rk, r.state, e.at, e.content FROM rooms r
             LEFT JOIN events e ON e.rk = r.rk AND e.seq = r.head_seq",
        )?;
        let mut found = list.query([])?;
        while let Some(row) = found.next()? {
            let room: (i64, String, i64, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            rooms.push(room);
        }
    }
    rooms.sort_by_key(|room| std::cmp::Reverse(room.2));
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
    for _ in 0..101 {
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
    super::database::make(&wire.url, data, &vec![(500, 501); rooms as usize]).await?;
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
