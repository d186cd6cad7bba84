//! How many events a second get into the log on PostgreSQL, and how many if each is a transaction of its own:
//! the same rows in the same tables, with the same indexes, of one cluster that waits for its disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidewire_protocol::{
    Content, EventId, MessageContent, NewRoom, Op, OpOutcome, RoomId, RoomKind, UserId, index_text,
};
use tidewire_server::measure::Log;
use tidewire_services::Postgres;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::{Error, median};

/// What the cluster is told: it keeps what it has answered, whatever happens.
const SETTINGS: &[&str] = &["fsync=on", "synchronous_commit=on", "shared_buffers=512MB"];

/// The same for people.
pub(super) const SETTING: &str = "fsync, synchronous_commit and full_page_writes on, shared_buffers 512 MB, \
     the rest as PostgreSQL comes";

const DATABASE: &str = "appends";

/// Connections that write one event a transaction: as many as our store writes with at most, two for each
/// shard. More wait for the same locks.
const CONNECTIONS: usize = 32;

/// How much.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    /// Users who write, each in a room of his own, one message after the other.
    pub(super) writers: usize,
    /// What is measured of each side, as often as `repeats`.
    pub(super) time: Duration,
    pub(super) repeats: usize,
}

/// Events a second.
pub(super) struct Appends {
    pub(super) ours: f64,
    pub(super) one_a_transaction: f64,
}

/// Somebody who writes.
struct Writer {
    room: RoomId,
    user: UserId,
    /// The room as the tables know it.
    rk: i64,
    shard: i16,
}

/// Measures both sides in turn. None where PostgreSQL is not installed.
pub(super) async fn run(plan: Plan) -> Result<Option<Appends>, Error> {
    let started = tokio::task::spawn_blocking(|| {
        let cluster = Postgres::start_with(SETTINGS)?;
        cluster.create(DATABASE);
        Some(cluster)
    });
    let Some(cluster) = started.await? else { return Ok(None) };
    let url = cluster.url(DATABASE);
    tidewire_server::migrate(&url).await?;
    let log = Arc::new(Log::open(&url).await?);
    let bare = Arc::new(connections(&url).await?);
    let writers = Arc::new(writers(&log, bare.first().ok_or("no connection")?, plan).await?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut answered = 0;
    for _ in 0..plan.repeats.max(1) {
        for (rates, events) in [
            (&mut ours, grouped(&log, &writers, plan.time).await?),
            (&mut theirs, one_by_one(&bare, &writers, plan.time).await?),
        ] {
            answered += events;
            rates.push(events as f64 / plan.time.as_secs_f64());
        }
    }
    let sql = "SELECT count(*) FROM events WHERE kind = 'message'";
    let there: i64 = bare.first().ok_or("no connection")?.query_one(sql, &[]).await?.get(0);
    // What was on its way when the time was up is there as well, and counts on neither side.
    if u64::try_from(there)? < answered {
        return Err(format!("{answered} events were answered, and the log has {there}").into());
    }
    log.close().await;
    drop(bare);
    tokio::task::spawn_blocking(move || drop(cluster)).await?;
    Ok(Some(Appends { ours: median(ours), one_a_transaction: median(theirs) }))
}

async fn connections(url: &str) -> Result<Vec<Client>, Error> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        connections.push(client);
    }
    Ok(connections)
}

async fn writers(log: &Log, tables: &Client, plan: Plan) -> Result<Vec<Writer>, Error> {
    let mut writers = Vec::new();
    for number in 0..plan.writers {
        let user = super::crowd::user(number)?;
        let room = RoomId::from_uuid(Uuid::now_v7());
        let kind = RoomKind::Group;
        let new = NewRoom { id: room, kind, name: None, members: Vec::new() };
        log.create_room(user.clone(), new).await?;
        let row =
            tables.query_one("SELECT rk, shard FROM rooms WHERE id = $1", &[&room.uuid()]).await?;
        writers.push(Writer { room, user, rk: row.get(0), shard: row.get(1) });
    }
    Ok(writers)
}

/// A message of ten words, most of which others have said before.
fn message(rng: &mut fastrand::Rng) -> Result<(Op, String), Error> {
    let text: Vec<String> = (0..10).map(|_| format!("word{}", rng.u32(0..5_000))).collect();
    let text = text.join(" ");
    let content = Content::of(&MessageContent::of_text(text.as_str()))?;
    Ok((Op { id: EventId::from_uuid(Uuid::now_v7()), kind: "message".into(), content }, text))
}

/// Everybody writes into the log; who has an answer writes the next.
async fn grouped(log: &Arc<Log>, writers: &Arc<Vec<Writer>>, time: Duration) -> Result<u64, Error> {
    let answered = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for number in 0..writers.len() {
        let (log, writers, answered) = (log.clone(), writers.clone(), answered.clone());
        tasks.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(number as u64);
            let writer = writers.get(number).ok_or("nobody")?;
            while Instant::now() < until {
                let (op, _) = message(&mut rng)?;
                let results = log.append(writer.room, writer.user.clone(), vec![op]).await?;
                let accepted = results
                    .iter()
                    .all(|result| matches!(result.outcome, OpOutcome::Accepted { .. }));
                if !accepted || results.is_empty() {
                    return Err(Error::from("the log refused a message"));
                }
                if Instant::now() < until {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(answered.load(Ordering::Relaxed))
}

/// One event with all that our store writes of a message, in one statement and one trip: nobody who writes one
/// event a transaction can do with less.
const ONE: &str = "WITH
     s AS (UPDATE shards SET head_ord = head_ord + 1 WHERE shard = $1 RETURNING head_ord),
     r AS (UPDATE rooms SET head_seq = head_seq + 1, head_ord = s.head_ord,
               active_at = greatest(active_at, $5)
           FROM s WHERE rk = $2 RETURNING rooms.head_seq, rooms.head_ord),
     e AS (INSERT INTO events(shard, ord, rk, seq, id, sender, at, kind, content, hash)
           SELECT $1, r.head_ord, $2, r.head_seq, $3, $4, $5, 'message', $6, $7 FROM r)
     INSERT INTO search(rk, seq, terms)
     SELECT $2, r.head_seq, array_to_tsvector(string_to_array($8, ' ')) FROM r";

/// The same writers, one event a transaction, as many at a time as there are connections.
async fn one_by_one(
    connections: &Arc<Vec<Client>>,
    writers: &Arc<Vec<Writer>>,
    time: Duration,
) -> Result<u64, Error> {
    let answered = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for number in 0..connections.len() {
        let (connections, writers) = (connections.clone(), writers.clone());
        let answered = answered.clone();
        tasks.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(number as u64);
            let connection = connections.get(number).ok_or("no connection")?;
            let statement = connection.prepare(ONE).await?;
            // Each writer is one connection's, and writes when his turn comes.
            for writer in writers.iter().skip(number).step_by(CONNECTIONS).cycle() {
                if Instant::now() >= until {
                    break;
                }
                let (op, text) = message(&mut rng)?;
                let terms =
                    format!("{} \u{e000}{} \u{e001}{number:016x}", index_text(&text), writer.rk);
                let at = i64::try_from(op.id.uuid().get_timestamp().map_or(0, |t| t.to_unix().0))?;
                let (id, sender, content) =
                    (op.id.uuid(), writer.user.as_str(), op.content.as_json());
                let hash = [7_u8; 32].as_slice();
                let params: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
                    [&writer.shard, &writer.rk, &id, &sender, &at, &content, &hash, &terms];
                if connection.execute(&statement, &params).await? != 1 {
                    return Err(Error::from("a transaction wrote no message"));
                }
                if Instant::now() < until {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(answered.load(Ordering::Relaxed))
}
