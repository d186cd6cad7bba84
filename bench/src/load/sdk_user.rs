//! A user with the SDK, who looks at the timeline of his room. What counts as heard is what stands there.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire::{
    AppState, Client, EventId, MessageState, Mode, Network, NetworkKind, Room, RoomId, Row,
    Timeline, UserId,
};
use tokio::sync::{Semaphore, watch};

use super::Error;
use super::reader::Reader;
use super::screen::Screen;
use super::shared::{By, Orders, Shared};

/// After a gap could not be filled.
const AGAIN: Duration = Duration::from_secs(1);

/// Messages of a room that a client keeps in memory: more than are said in a run.
const MESSAGES: usize = 20_000;

/// How long a client is without a network when a connection is cut, at most.
const CUT: Duration = Duration::from_secs(1);

/// Somebody with the SDK.
pub(crate) struct SdkUser {
    pub(crate) url: String,
    pub(crate) user: UserId,
    pub(crate) token: String,
    /// None keeps everything in memory.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) room: RoomId,
    pub(crate) room_number: usize,
    pub(crate) first: Option<u64>,
    pub(crate) pause: Duration,
    pub(crate) text_bytes: usize,
    /// Between two changes of his telephone's surroundings, in the mean.
    pub(crate) changes: Option<Duration>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) doors: Arc<Semaphore>,
    pub(crate) rng: fastrand::Rng,
}

struct Session {
    client: Client,
    room: Room,
    timeline: Timeline,
    screen: Screen,
    orders: watch::Receiver<Orders>,
    mode: Mode,
    /// Own messages that are not in the log as far as is known.
    waiting: HashSet<EventId>,
    next: Instant,
    next_change: Option<Instant>,
    next_gap: Option<Instant>,
    cuts: u32,
    /// When the network is there again.
    network: Option<Instant>,
}

impl SdkUser {
    /// Lives until he has heard everything or is told to leave; gives what he has heard.
    pub(crate) async fn live(mut self) -> Result<Reader, Error> {
        let mut session = {
            let doors = self.doors.clone();
            let _turn = doors.acquire().await?;
            self.open().await?
        };
        self.shared.ready();
        self.shared.moved(None, Some(By::Sdk(session.mode)));
        let ended = self.talk(&mut session).await;
        self.shared.moved(Some(By::Sdk(session.mode)), None);
        let Session { client, timeline, screen, .. } = session;
        drop(timeline);
        client.close().await;
        ended?;
        Ok(screen.reader)
    }

    async fn open(&mut self) -> Result<Session, Error> {
        let mut client = Client::builder(&self.url, self.user.clone())
            .token(self.token.as_str())
            .max_messages_per_room(MESSAGES);
        if let Some(folder) = &self.folder {
            client = client.data_dir(folder);
        }
        let client = client.open().await?;
        let mut modes = client.watch_mode();
        let mut events = client.events();
        let head = loop {
            let rooms = client.rooms().await?;
            if let Some(room) = rooms.iter().find(|room| room.state.id == self.room) {
                break room.state.head_seq.get();
            }
            if self.shared.orders().borrow().leave {
                return Err("a client has not seen its room".into());
            }
            // Something about the client changes when the room comes.
            let _ = tokio::time::timeout(AGAIN, events.recv()).await;
        };
        // Where nothing binds it, it rises to the highest; what binds it holds for the run.
        let rise = modes.wait_for(|report| report.mode > Mode::Polling);
        let _ = tokio::time::timeout(AGAIN, rise).await;
        let room = client.room(self.room);
        let timeline = room.timeline().await?;
        let mode = client.mode().mode;
        let orders = self.shared.orders();
        let cuts = orders.borrow().cuts;
        let next_change = self.changes.map(|mean| Instant::now() + mean.mul_f64(self.rng.f64()));
        Ok(Session {
            client,
            room,
            timeline,
            screen: Screen::new(self.first.unwrap_or(head)),
            orders,
            mode,
            waiting: HashSet::new(),
            next: Instant::now() + self.pause.mul_f64(self.rng.f64()),
            next_change,
            next_gap: None,
            cuts,
            network: None,
        })
    }

    async fn talk(&mut self, session: &mut Session) -> Result<(), Error> {
        let mut modes = session.client.watch_mode();
        let mut ceiling = None;
        loop {
            let orders = session.orders.borrow_and_update().clone();
            let head = orders.heads.as_ref().and_then(|heads| heads.get(self.room_number));
            let heard = head.is_some_and(|head| session.screen.reader.complete_to() >= *head);
            if orders.leave || heard {
                return Ok(());
            }
            if orders.ceiling != ceiling {
                ceiling = orders.ceiling;
                session.client.set_mode_ceiling(ceiling.unwrap_or(Mode::RealTime));
            }
            if orders.cuts != session.cuts {
                session.cuts = orders.cuts;
                session.client.set_network(network(NetworkKind::None));
                session.network = Some(Instant::now() + CUT.mul_f64(self.rng.f64()));
            }
            if orders.settle && session.next_change.is_some() {
                // The end: what was on its way arrives under good conditions.
                session.next_change = None;
                session.client.set_network(network(NetworkKind::Wifi));
                session.client.set_app_state(AppState::Foreground);
            }
            tokio::select! {
                batch = session.timeline.next() => self.look(session, &batch?.update),
                () = at(session.next_gap), if session.next_gap.is_some() => {
                    session.next_gap = None;
                    fill(session).await?;
                }
                () = at(Some(session.next)), if orders.talk => {
                    session.next = Instant::now() + self.pause.mul_f64(0.5 + self.rng.f64());
                    self.shared.sends(self.room_number);
                    let id = session.room.send(self.shared.text(self.text_bytes)).await?;
                    session.waiting.insert(id);
                }
                () = at(session.next_change), if session.next_change.is_some() => {
                    let mean = self.changes.unwrap_or(AGAIN);
                    session.next_change =
                        Some(Instant::now() + mean.mul_f64(0.5 + self.rng.f64()));
                    self.change(session);
                }
                () = at(session.network), if session.network.is_some() => {
                    session.network = None;
                    session.client.set_network(network(NetworkKind::Other));
                }
                changed = modes.changed() => {
                    changed?;
                    let mode = modes.borrow_and_update().mode;
                    self.shared.moved(Some(By::Sdk(session.mode)), Some(By::Sdk(mode)));
                    session.mode = mode;
                }
                changed = session.orders.changed() => changed?,
            }
        }
    }

    fn look(&self, session: &mut Session, update: &tidewire::TimelineUpdate) {
        for message in session.screen.take(update).into_iter().filter_map(Row::message) {
            let own = message.sender == self.user;
            if own && session.waiting.remove(&message.id) {
                self.shared.settled();
            }
            self.shared.heard(By::Sdk(session.mode), message.text().as_deref(), own);
        }
        for (id, state) in states(update) {
            let gone = matches!(state, MessageState::Failed(_)) && session.waiting.remove(&id);
            if gone {
                self.shared.refused_for_good(self.room_number);
            }
        }
        if session.next_gap.is_none() && session.screen.gap().is_some() {
            session.next_gap = Some(Instant::now());
        }
    }

    /// Something about the telephone changes.
    fn change(&mut self, session: &Session) {
        let client = &session.client;
        match self.rng.u8(0..7) {
            0 => client.set_network(network(NetworkKind::Wifi)),
            1 => client.set_network(network(NetworkKind::Cellular)),
            2 => client.set_network(network(NetworkKind::Cellular2G)),
            3 => client.set_network(network(NetworkKind::None)),
            4 => drop(client.set_app_state(AppState::Background)),
            _ => {
                client.set_network(network(NetworkKind::Wifi));
                drop(client.set_app_state(AppState::Foreground));
            }
        }
    }
}

fn network(kind: NetworkKind) -> Network {
    Network { kind, ..Network::default() }
}

/// The own messages of an update with how far they are.
fn states(update: &tidewire::TimelineUpdate) -> Vec<(EventId, MessageState)> {
    let rows: Vec<&Row> = match update {
        tidewire::TimelineUpdate::Reset { rows, .. } => rows.iter().collect(),
        tidewire::TimelineUpdate::Diff { changes, .. } => changes
            .iter()
            .filter_map(|change| match change {
                tidewire::Change::Insert { row, .. } | tidewire::Change::Set { row, .. } => {
                    Some(row)
                }
                tidewire::Change::Remove { .. } => None,
            })
            .collect(),
    };
    rows.into_iter()
        .filter_map(Row::message)
        .filter(|message| message.seq.is_none())
        .map(|message| (message.id, message.state.clone()))
        .collect()
}

/// Asks for what is missing on the screen; again in a moment where that does not work.
async fn fill(session: &mut Session) -> Result<(), Error> {
    let Some((from, to)) = session.screen.gap() else { return Ok(()) };
    match session.timeline.fill_gap(from, to).await {
        Ok(_) => {}
        Err(error) if error.is_temporary() => {}
        Err(error) => return Err(error.into()),
    }
    session.next_gap = Some(Instant::now() + AGAIN);
    Ok(())
}

/// Waits until then.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}
