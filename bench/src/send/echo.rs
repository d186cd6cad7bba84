//! From the call of `send` to the first update of the timeline, and the bare commit beside it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};
use tidewire::{Client, EventId, Mode, Room, Row, RowKey, Timeline, UserId};
use tidewire_server::Server;

use super::{Error, Plan, median};

/// The 50th and 99th percentile of each, in ns.
#[derive(Debug)]
pub(super) struct Echo {
    pub(super) client: (f64, f64),
    pub(super) bare: (f64, f64),
    pub(super) online: (f64, f64),
}

pub(super) async fn open(server: &Server, name: &str, data: &Path) -> Result<Client, Error> {
    let user: UserId = name.parse()?;
    let token = server.keys().mint(&user, Duration::from_secs(3_600))?;
    let url = format!("http://{}", server.addr());
    // What is measured is when it is known, not how often a screen is drawn.
    let builder = Client::builder(url, user).message_buffer_time(Duration::from_millis(10));
    Ok(builder.token(token).data_dir(data).open().await?)
}

/// A line of a chat, each another one.
fn text(number: usize) -> String {
    format!(
        "{number:>6}: the tide is high, and the harbour lies still in the morning light; come down"
    )
}

/// Measures on the thread that calls, and then in a task of the runtime, from where the bindings call.
pub(super) async fn measure(
    server: &Server,
    folder: &Path,
    plan: Plan,
) -> Result<(Echo, Echo), Error> {
    let of = |name: &str| (folder.join(name), folder.join(format!("{name}.db")));
    let (data, bare) = of("echo");
    let here = echoes(open(server, "ada", &data).await?, bare, plan).await?;
    let (data, bare) = of("task");
    let task = tokio::spawn(echoes(open(server, "ada", &data).await?, bare, plan));
    Ok((here, task.await??))
}

async fn echoes(client: Client, bare: PathBuf, plan: Plan) -> Result<Echo, Error> {
    let room = client.create_group("Harbour", Vec::new()).await?;
    let mut screen = Screen::open(&room).await?;
    client.set_mode_ceiling(Mode::RealTime);
    let mut online = Vec::new();
    for number in 0..plan.sends {
        let (id, time) = screen.echo(&room, &text(number)).await?;
        online.push(time);
        // What follows from the answer is shown before the next one begins.
        screen.until_sent(id).await?;
    }
    client.set_mode_ceiling(Mode::Offline);
    client.watch_mode().wait_for(|report| report.mode == Mode::Offline).await?;
    let bare = Bare::open(&bare)?;
    let (mut clients, mut bares) = (Vec::new(), Vec::new());
    // The first ones warm everything up.
    for repeat in 0..=plan.repeats {
        let mut committed = Vec::new();
        for number in 0..plan.sends {
            committed.push(bare.commit(&text(number))?);
        }
        let mut echoes = Vec::new();
        for number in 0..plan.sends {
            let (id, time) = screen.echo(&room, &text(number)).await?;
            echoes.push(time);
            room.cancel(id).await?;
            screen.until_gone(id).await?;
        }
        if repeat > 0 {
            clients.push(percentiles(echoes));
            bares.push(percentiles(committed));
        }
    }
    client.close().await;
    let middle = |of: Vec<(f64, f64)>| {
        let (p50, p99) = of.into_iter().unzip();
        (median(p50), median(p99))
    };
    Ok(Echo { client: middle(clients), bare: middle(bares), online: percentiles(online) })
}

fn percentiles(mut times: Vec<f64>) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied();
    (at(0.5).unwrap_or_default(), at(0.99).or(times.last().copied()).unwrap_or_default())
}

/// Somebody who looks at a room.
pub(super) struct Screen {
    timeline: Timeline,
    rows: Vec<tidewire::Row>,
}

impl Screen {
    pub(super) async fn open(room: &Room) -> Result<Self, Error> {
        let timeline = room.timeline().await?;
        let mut screen = Self { timeline, rows: Vec::new() };
        screen.look().await?;
        Ok(screen)
    }

    pub(super) async fn look(&mut self) -> Result<(), Error> {
        let batch = self.timeline.next().await?;
        batch.update.apply(&mut self.rows);
        Ok(())
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Sends a text. Gives the time until an update came, which is the one with the message.
    async fn echo(&mut self, room: &Room, text: &str) -> Result<(EventId, f64), Error> {
        let begin = Instant::now();
        let mut echoed = begin;
        let (sent, looked) = tokio::join!(room.send(text), async {
            let batch = self.timeline.next().await;
            echoed = Instant::now();
            batch
        });
        let (id, batch) = (sent?, looked?);
        batch.update.apply(&mut self.rows);
        while !self.shows(id) {
            // An update of something else was faster.
            self.look().await?;
            echoed = Instant::now();
        }
        Ok((id, (echoed - begin).as_nanos() as f64))
    }

    fn shows(&self, id: EventId) -> bool {
        self.rows.iter().rev().any(|row| row.key() == RowKey::Message(id))
    }

    async fn until_sent(&mut self, id: EventId) -> Result<(), Error> {
        let sent = |row: &Row| {
            row.message().is_some_and(|message| message.id == id && message.state.is_sent())
        };
        while !self.rows.iter().rev().any(sent) {
            self.look().await?;
        }
        Ok(())
    }

    async fn until_gone(&mut self, id: EventId) -> Result<(), Error> {
        while self.shows(id) {
            self.look().await?;
        }
        Ok(())
    }
}

/// The SDK's table of what waits, and nothing around it.
struct Bare(Connection);

impl Bare {
    fn open(path: &Path) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(
            "CREATE TABLE outbox (
                n INTEGER PRIMARY KEY AUTOINCREMENT, room BLOB NOT NULL, id BLOB NOT NULL UNIQUE,
                kind TEXT NOT NULL, content TEXT NOT NULL, queued_at INTEGER NOT NULL,
                attempted_at INTEGER, failed TEXT, queued_by_server INTEGER,
                skips INTEGER NOT NULL DEFAULT 0, expires_after INTEGER);",
        )?;
        Ok(Self(connection))
    }

    fn commit(&self, text: &str) -> Result<f64, Error> {
        let id = uuid::Uuid::now_v7();
        let content = serde_json::json!({ "text": text }).to_string();
        let begin = Instant::now();
        let transaction =
            rusqlite::Transaction::new_unchecked(&self.0, TransactionBehavior::Immediate)?;
        transaction
            .prepare_cached(
                "INSERT INTO outbox (room, id, kind, content, queued_at, queued_by_server)
                 VALUES (?1, ?2, 'message', ?3, ?4, ?4)",
            )?
            .execute(params![id.as_bytes(), id.as_bytes(), content, 1_760_000_000_000_i64])?;
        transaction.commit()?;
        let time = begin.elapsed().as_nanos() as f64;
        // As the client's is taken back.
        self.0.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id.as_bytes()])?;
        Ok(time)
    }
}
