//! How fast what comes is on disk, beside bare parsing and inserting of the same bytes.

use std::time::{Duration, Instant};

use rusqlite::{Transaction, params};
use serde_json::json;
use tidewire_protocol::{Event, EventId, EventKind, MessageContent, SyncResponse};

use super::Error;
use super::database::{
    Index, Terms, bare, cache_of, client, doc_of, put_event, put_index, terms_of,
};
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
    for bytes in wire.pages() {
        let answer: SyncResponse = serde_json::from_slice(bytes)?;
        let page = answer.page.ok_or("a page")?;
        let transaction = connection.transaction()?;
        let mut index = Index::new();
        let mut touched = std::collections::BTreeMap::new();
        for event in page.events {
            let next = i64::try_from(heads.len() + 1)?;
            let rk = *heads.entry(event.room).or_insert(next);
            let seq = i64::try_from(event.seq.get())?;
            match event.kind {
                EventKind::Message => put_event(&transaction, rk, &event, &mut index)?,
                _ => put_mutation(&transaction, rk, &event, &mut index)?,
            }
            touched.insert(rk, (event.room, seq));
        }
        put_index(&transaction, index)?;
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

/// What changes a message: its own row, and the message as it is then, also to the search.
fn put_mutation(
    transaction: &Transaction<'_>,
    rk: i64,
    event: &Event,
    index: &mut Index,
) -> Result<(), Error> {
    #[derive(serde::Deserialize)]
    struct About {
        target: EventId,
        key: Option<String>,
        content: Option<MessageContent>,
    }
    let About { target, key, content } = event.content.parse()?;
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO mutations
                 (rk, target, seq, at, sender, kind, content, mine, waiting)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0)",
        )?
        .execute(params![
            rk,
            target.uuid().as_bytes(),
            i64::try_from(event.seq.get())?,
            event.at,
            event.sender.as_str(),
            event.kind.as_str(),
            event.content.as_json(),
        ])?;
    let (seq, at, mut says): (i64, i64, String) = transaction
        .prepare_cached(
            "SELECT seq, at, content FROM events INDEXED BY events_by_id WHERE rk = ?1 AND id = ?2",
        )?
        .query_row(params![rk, target.uuid().as_bytes()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
    let fold = match (key, content) {
        (Some(key), _) => {
            json!({"reactions": [{"key": key, "count": 1, "by": [event.sender.as_str()]}]})
        }
        (None, Some(content)) => {
            says = serde_json::to_string(&content)?;
            let text = terms_of(rk, &content.text);
            // It may have come with the same page.
            index
                .entry(doc_of(rk, seq, at))
                .and_modify(|terms| terms.text.clone_from(&text))
                .or_insert(Terms { text, new: None });
            json!({"edited": {"seq": event.seq, "at": event.at}})
        }
        (None, None) => return Err(format!("{event:?} changes nothing").into()),
    };
    transaction
        .prepare_cached(
            "UPDATE events SET content = ?3, fold = ?4, as_of = ?5 WHERE rk = ?1 AND seq = ?2",
        )?
        .execute(params![rk, seq, says, fold.to_string(), i64::try_from(event.seq.get())?])?;
    Ok(())
}

pub(super) async fn wire(rooms: u64, events: u64) -> Result<Wire, Error> {
    Wire::start(Feed::new(rooms, events)).await
}
