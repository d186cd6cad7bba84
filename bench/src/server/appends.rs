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
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
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
    pub(super) one_a_statement: f64,
}

/// How those write who write one event a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As a server does that groups nothing: it asks whether the user may and whether the id is new, takes a place in
    /// the room and in the log, writes, commits; each step when the one before it is answered.
    Transaction,
    /// Asks nothing, and does all else in one statement and one trip: nobody can do with less.
    Statement,
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
    let (mut ours, mut theirs, mut least) = (Vec::new(), Vec::new(), Vec::new());
    let mut answered = 0;
    for _ in 0..plan.repeats.max(1) {
        for (rates, events) in [
            (&mut ours, grouped(&log, &writers, plan.time).await?),
            (&mut theirs, one_by_one(&bare, &writers, plan.time, Way::Transaction).await?),
            (&mut least, one_by_one(&bare, &writers, plan.time, Way::Statement).await?),
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
    Ok(Some(Appends {
        ours: median(ours),
        one_a_transaction: median(theirs),
        one_a_statement: median(least),
    }))
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

/// What is asked first: the room, locked, with whether the user is in it and the id is new.
const ASK: &str = "SELECT r.head_seq,
         EXISTS(SELECT 1 FROM members m WHERE m.rk = r.rk AND m.user_id = $2 AND m.left_ord IS NULL),
         EXISTS(SELECT 1 FROM events e WHERE e.rk = r.rk AND e.id = $3)
     FROM rooms r WHERE r.rk = $1 FOR NO KEY UPDATE OF r";
const PLACE: &str = "UPDATE shards SET head_ord = head_ord + 1 WHERE shard = $1 RETURNING head_ord";
const EVENT: &str = "INSERT INTO events(shard, ord, rk, seq, id, sender, at, kind, content, hash)
     VALUES($1, $2, $3, $4, $5, $6, $7, 'message', $8, $9)";
const ROOM: &str =
    "UPDATE rooms SET head_seq = $2, head_ord = $3, active_at = greatest(active_at, $4)
     WHERE rk = $1";
const SEARCH: &str = "INSERT INTO search(rk, seq, terms)
     VALUES($1, $2, array_to_tsvector(string_to_array($3, ' ')))";

/// All that our store writes of a message, in one statement.
const ONE: &str = "WITH
     s AS (UPDATE shards SET head_ord = head_ord + 1 WHERE shard = $1 RETURNING head_ord),
     r AS (UPDATE rooms SET head_seq = head_seq + 1, head_ord = s.head_ord,
               active_at = greatest(active_at, $5)
           FROM s WHERE rk = $2 RETURNING rooms.head_seq, rooms.head_ord),
     e AS (INSERT INTO events(shard, ord, rk, seq, id, sender, at, kind, content, hash)
           SELECT $1, r.head_ord, $2, r.head_seq, $3, $4, $5, 'message', $6, $7 FROM r)
     INSERT INTO search(rk, seq, terms)
     SELECT $2, r.head_seq, array_to_tsvector(string_to_array($8, ' ')) FROM r";

/// A connection with what it has prepared.
struct Bare<'a> {
    connection: &'a Client,
    ask: Statement,
    place: Statement,
    event: Statement,
    room: Statement,
    search: Statement,
    one: Statement,
}

impl<'a> Bare<'a> {
    async fn new(connection: &'a Client) -> Result<Self, Error> {
        Ok(Self {
            connection,
            ask: connection.prepare(ASK).await?,
            place: connection.prepare(PLACE).await?,
            event: connection.prepare(EVENT).await?,
            room: connection.prepare(ROOM).await?,
            search: connection.prepare(SEARCH).await?,
            one: connection.prepare(ONE).await?,
        })
    }

    /// Writes one message, and it is on the disk.
    async fn write(&self, writer: &Writer, op: &Op, text: &str, way: Way) -> Result<(), Error> {
        let Writer { user, rk, shard, .. } = writer;
        // A term for the room and one for the sender, as our store has them.
        let terms = format!("{} \u{e000}{rk} \u{e001}{rk:016x}", index_text(text));
        let at = i64::try_from(op.id.uuid().get_timestamp().map_or(0, |t| t.to_unix().0))?;
        let (id, sender, content) = (op.id.uuid(), user.as_str(), op.content.as_json());
        let hash = [7_u8; 32].as_slice();
        let connection = self.connection;
        if way == Way::Statement {
            let params: [&(dyn ToSql + Sync); 8] =
                [shard, rk, &id, &sender, &at, &content, &hash, &terms];
            if connection.execute(&self.one, &params).await? != 1 {
                return Err("a transaction wrote no message".into());
            }
            return Ok(());
        }
        connection.batch_execute("BEGIN").await?;
        let row = connection.query_one(&self.ask, &[rk, &sender, &id]).await?;
        let (head, may, known): (i64, bool, bool) = (row.get(0), row.get(1), row.get(2));
        if !may || known {
            return Err("a member may write a new message".into());
        }
        let seq = head + 1;
        let ord: i64 = connection.query_one(&self.place, &[shard]).await?.get(0);
        let event: [&(dyn ToSql + Sync); 9] =
            [shard, &ord, rk, &seq, &id, &sender, &at, &content, &hash];
        connection.execute(&self.event, &event).await?;
        connection.execute(&self.room, &[rk, &seq, &ord, &at]).await?;
        connection.execute(&self.search, &[rk, &seq, &terms]).await?;
        connection.batch_execute("COMMIT").await?;
        Ok(())
    }
}

/// The same writers, one event a transaction, as many at a time as there are connections.
async fn one_by_one(
    connections: &Arc<Vec<Client>>,
    writers: &Arc<Vec<Writer>>,
    time: Duration,
    way: Way,
) -> Result<u64, Error> {
    let answered = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for number in 0..connections.len() {
        let (connections, writers) = (connections.clone(), writers.clone());
        let answered = answered.clone();
        tasks.spawn(async move {
            let mut rng = fastrand::Rng::with_seed(number as u64);
            let bare = Bare::new(connections.get(number).ok_or("no connection")?).await?;
            // Each writer is one connection's, and writes when his turn comes.
            for writer in writers.iter().skip(number).step_by(CONNECTIONS).cycle() {
                if Instant::now() >= until {
                    break;
                }
                let (op, text) = message(&mut rng)?;
                bare.write(writer, &op, &text, way).await?;
                if Instant::now() < until {
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            }
            Ok::<(), Error>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(answered.load(Ordering::Relaxed))
}
