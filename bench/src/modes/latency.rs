//! The measured part: real clients, a real server, real sockets.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tidewire::{Client, EventId, Mode, Room, RoomId, Row, UserId};
use tidewire_server::{Config, PolicyChoice, Server};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{Error, stored};
use crate::figures::latencies;

/// What the clients do, in words.
pub(super) const TRAFFIC: &str = "Traffic: rooms of 10, open on everybody's screen; each user sends one message in 10 s. \
     The time is from the call of `send` to the other member's store, and to the update of his \
     timeline.";

const ROOM: usize = 10;
/// Mean time between two messages of a user.
const PAUSE: Duration = Duration::from_secs(10);
/// Time for all clients to be in their mode and their room.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time for what is on its way to arrive: more than an interval where it is polled.
fn calm(mode: Mode) -> Duration {
    Duration::from_secs(if mode == Mode::Polling { 7 } else { 2 })
}

/// What was measured.
#[derive(Debug)]
pub struct Live {
    pub(crate) users: usize,
    /// In ms, of receivers who were in the mode.
    pub(crate) to_store: Histogram<u64>,
    pub(crate) to_screen: Histogram<u64>,
    /// Messages whose receivers were in another mode.
    pub(crate) elsewhere: u64,
    /// Opened from the first message to the last and before, all clients together.
    pub(crate) sockets: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Gather,
    Measure,
    Leave,
}

/// What all clients saw.
#[derive(Debug, Default)]
struct Seen {
    sent: HashMap<EventId, (Instant, UserId)>,
    /// Who saw what, when, and in which mode.
    shown: Vec<(UserId, EventId, Instant, Mode)>,
    sockets: u64,
}

/// Lets `users` clients chat in a mode.
pub(super) async fn run(mode: Mode, users: usize, time: Duration) -> Result<Live, Error> {
    stored::listen();
    stored::take();
    let folder = tempfile::tempdir()?;
    let mut config = Config::new(folder.path().join("server"));
    // The server lets everybody be where the client's own ceiling puts it.
    config.policy = PolicyChoice::Capacity;
    config.socket_capacity = u32::try_from(users)?.saturating_mul(10).max(1_000);
    config.max_lag = Duration::from_secs(3_600);
    config.max_database_time = Duration::from_secs(3_600);
    config.rate_limit = None;
    let server = Server::start(config).await?;
    let url = format!("http://{}", server.addr());
    let seen = Arc::new(Mutex::new(Seen::default()));
    let (phase, watch) = watch::channel(Phase::Gather);
    let (ready, mut gathered) = tokio::sync::mpsc::unbounded_channel();
    let mut tasks = JoinSet::new();
    for number in 0..users {
        let id = user_id(number)?;
        let token = server.keys().mint(&id, Duration::from_secs(24 * 3_600))?;
        let first = number - number % ROOM;
        let members: Result<Vec<UserId>, Error> = (first..(first + ROOM).min(users))
            .filter(|other| *other != number)
            .map(user_id)
            .collect();
        let user = User {
            id: id.clone(),
            mode,
            makes_room_for: (number == first).then_some(members?),
            seen: seen.clone(),
            ready: ready.clone(),
            phase: watch.clone(),
            rng: fastrand::Rng::with_seed(number as u64),
        };
        let client = Client::builder(&url, id).token(token).data_dir(folder.path().join("clients"));
        tasks.spawn(user.live(client));
    }
    drop(ready);
    let all = async {
        for _ in 0..users {
            gathered.recv().await;
        }
    };
    tokio::select! {
        gathered = tokio::time::timeout(PATIENCE, all) => {
            gathered.map_err(|_| "the clients do not come into their rooms in time")?;
        }
        // One that ends now has failed.
        Some(ended) = tasks.join_next() => ended??,
    }
    phase.send_replace(Phase::Measure);
    tokio::time::sleep(time + calm(mode)).await;
    phase.send_replace(Phase::Leave);
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    server.stop().await;
    let seen = std::mem::take(&mut *lock(&seen));
    Ok(tally(mode, users, time, seen))
}

fn tally(mode: Mode, users: usize, time: Duration, seen: Seen) -> Live {
    let on_disk = stored::take();
    let mut live = Live {
        users,
        to_store: latencies(),
        to_screen: latencies(),
        elsewhere: 0,
        sockets: seen.sockets,
    };
    let begin = seen.sent.values().map(|(at, _)| *at).min();
    for (user, id, shown, in_mode) in seen.shown {
        let Some((sent, sender)) = seen.sent.get(&id) else { continue };
        if *sender == user || begin.is_some_and(|begin| *sent > begin + time) {
            continue;
        }
        if in_mode != mode {
            live.elsewhere += 1;
            continue;
        }
        let ms =
            |at: Instant| u64::try_from(at.duration_since(*sent).as_millis()).unwrap_or(u64::MAX);
        live.to_screen.saturating_record(ms(shown));
        if let Some(stored) = on_disk.get(&(user.to_string(), id.to_string())) {
            live.to_store.saturating_record(ms(*stored));
        }
    }
    live
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

fn user_id(number: usize) -> Result<UserId, Error> {
    Ok(UserId::new(format!("user-{number:04}"))?)
}

struct User {
    id: UserId,
    mode: Mode,
    makes_room_for: Option<Vec<UserId>>,
    seen: Arc<Mutex<Seen>>,
    ready: tokio::sync::mpsc::UnboundedSender<()>,
    phase: watch::Receiver<Phase>,
    rng: fastrand::Rng,
}

impl User {
    async fn live(mut self, builder: tidewire::ClientBuilder) -> Result<(), Error> {
        let client = builder.open().await?;
        client.set_mode_ceiling(self.mode);
        let room = self.room(&client).await?;
        let mut modes = client.watch_mode();
        let mode = self.mode;
        modes.wait_for(|report| report.mode == mode).await?;
        self.ready.send(())?;
        self.chat(&client, &room).await?;
        lock(&self.seen).sockets += client.stats().await?.sockets;
        client.close().await;
        Ok(())
    }

    async fn room(&mut self, client: &Client) -> Result<Room, Error> {
        let mut events = client.events();
        loop {
            let room: Option<RoomId> = match &self.makes_room_for {
                Some(others) => match client.create_group("a room", others.clone()).await {
                    Ok(room) => Some(room.id()),
                    Err(error) if error.is_temporary() => None,
                    Err(error) => return Err(error.into()),
                },
                None => client.rooms().await?.first().map(|room| room.state.id),
            };
            match room {
                Some(room) => return Ok(client.room(room)),
                // Something about the client changes when a room comes.
                None => drop(tokio::time::timeout(Duration::from_secs(1), events.recv()).await),
            }
        }
    }

    async fn chat(&mut self, client: &Client, room: &Room) -> Result<(), Error> {
        let mut timeline = room.timeline().await?;
        let mut rows: Vec<Row> = Vec::new();
        let mut known = std::collections::HashSet::new();
        let mut next = Instant::now() + PAUSE.mul_f64(self.rng.f64());
        loop {
            let writing = *self.phase.borrow() == Phase::Measure;
            tokio::select! {
                batch = timeline.next() => {
                    let now = Instant::now();
                    batch?.update.apply(&mut rows);
                    let mode = client.mode().mode;
                    let shown = rows.iter().filter_map(Row::message);
                    let new: Vec<EventId> = shown
                        .filter(|message| message.seq.is_some() && known.insert(message.id))
                        .map(|message| message.id)
                        .collect();
                    let mut seen = lock(&self.seen);
                    seen.shown.extend(new.into_iter().map(|id| (self.id.clone(), id, now, mode)));
                }
                () = tokio::time::sleep_until(next.into()), if writing => {
                    next += PAUSE.mul_f64(0.5 + self.rng.f64());
                    let begun = Instant::now();
                    let id = room.send("What a message says, about as long as most.").await?;
                    lock(&self.seen).sent.insert(id, (begun, self.id.clone()));
                }
                changed = self.phase.changed() => {
                    changed?;
                    match *self.phase.borrow_and_update() {
                        Phase::Leave => return Ok(()),
                        Phase::Measure => next = Instant::now() + PAUSE.mul_f64(self.rng.f64()),
                        Phase::Gather => {}
                    }
                }
            }
        }
    }
}
