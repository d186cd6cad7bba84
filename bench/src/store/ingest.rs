//! How fast what comes is on disk, beside bare parsing and inserting of the same bytes.

use std::time::{Duration, Instant};

use rusqlite::{Transaction, params};
use tidewire_protocol::{Event, EventId, EventKind, SyncResponse};

use super::Error;
use super::database::{bare, cache_of, client, put_event};
use super::wire::{Feed, PAGE, Wire, room_id};

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Events a second.
    pub(super) rate: f64,
    /// The last tenth of the pages took so many times as long as the second one.
    pub(super) slower: f64,
}

/// The SDK: a polling client from its first page to the last one on disk, with a room open.
pub(super) async fn by_client(wire: &Wire) -> Result<Run, Error> {
    let folder = tempfile::tempdir()?;
    let client = client(&wire.url, folder.path()).await?;
    let pages = wire.pages().len();
    let room = client.room(room_id(0).parse()?);
    let mut timeline = loop {
        // The room comes with the bootstrap.
        match room.timeline().await {
            Ok(timeline) => break timeline,
            Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    };
    let reader = tokio::spawn(async move {
        let mut rows = Vec::new();
        while let Ok(batch) = timeline.next().await {
            batch.update.apply(&mut rows);
        }
    });
    let begin = Instant::now();
    while wire.asked().len() <= pages {
        if begin.elapsed() > Duration::from_secs(300) {
            return Err(format!("only {} of {pages} pages were read", wire.asked().len()).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let asked = wire.asked();
    let run = run(&asked, pages);
    reader.abort();
    client.close().await;
    let cache = bare(&cache_of(folder.path())?)?;
    let all = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM mutations)";
    let stored: i64 = cache.query_row(all, [], |row| row.get(0))?;
    if stored as u64 != pages as u64 * PAGE {
        return Err(format!("{stored} events are stored").into());
    }
    Ok(run)
}

fn run(asked: &[Instant], pages: usize) -> Run {
    let time = |from: usize, to: usize| asked[to].duration_since(asked[from]).as_secs_f64();
    let tenth = (pages / 10).max(1);
    // The first one fills caches.
    let (early, late) = (time(tenth, 2 * tenth), time(pages - tenth, pages));
    Run { rate: pages as f64 * PAGE as f64 / time(0, pages), slower: late / early }
}

/// Bare: the same bytes parsed to the same types, the same rows in the same transactions.
pub(super) async fn bare_run(wire: &Wire) -> Result<Run, Error> {
    let folder = tempfile::tempdir()?;
    client(super::database::NOWHERE, folder.path()).await?.close().await;
    let mut connection = bare(&cache_of(folder.path())?)?;
    let mut moments = vec![Instant::now()];
    let mut heads = std::collections::HashMap::new();
    let mut doc = 0;
    for bytes in wire.pages() {
        let answer: SyncResponse = serde_json::from_slice(bytes)?;
        let page = answer.page.ok_or("a page")?;
        let transaction = connection.transaction()?;
        let mut touched = std::collections::BTreeMap::new();
        for event in page.events {
            let next = i64::try_from(heads.len() + 1)?;
            let rk = *heads.entry(event.room).or_insert(next);
            let seq = i64::try_from(event.seq.get())?;
            doc += 1;
            match event.kind {
                EventKind::Message => put_event(&transaction, rk, doc, &event)?,
                _ => put_mutation(&transaction, rk, seq, &event)?,
            }
            touched.insert(rk, (event.room, seq));
        }
        for (rk, (room, seq)) in touched {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO held (rk, start, end) VALUES (?1, 1, ?2)")?
                .execute(params![rk, seq])?;
            transaction
                .prepare_cached(
                    "INSERT INTO rooms (rk, id, head_seq, feed_seq) VALUES (?1, ?2, ?3, ?3)
                     ON CONFLICT (rk) DO UPDATE SET head_seq = ?3, feed_seq = ?3",
                )?
                .execute(params![rk, room.uuid().as_bytes(), seq])?;
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('cursor', ?1)")?
            .execute([page.to.as_str()])?;
        transaction.commit()?;
        moments.push(Instant::now());
    }
    Ok(run(&moments, wire.pages().len()))
}

/// The row of what changes a message, which says what the message is then.
fn put_mutation(
    transaction: &Transaction<'_>,
    rk: i64,
    seq: i64,
    event: &Event,
) -> Result<(), Error> {
    #[derive(serde::Deserialize)]
    struct About {
        target: EventId,
    }
    let about: About = event.content.parse()?;
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO mutations
                 (rk, target, seq, at, sender, kind, content, mine, waiting)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0)",
        )?
        .execute(params![
            rk,
            about.target.uuid().as_bytes(),
            seq,
            event.at,
            event.sender.as_str(),
            event.kind.as_str(),
            event.content.as_json(),
        ])?;
    Ok(())
}

pub(super) async fn wire(rooms: u64, events: u64) -> Result<Wire, Error> {
    Wire::start(Feed::new(rooms, events)).await
}
