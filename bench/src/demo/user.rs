//! One simulated user: arrives, opens the room, reads, writes, goes to the background and back.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidewire::{
    AppState, Change, Client, Mode, ModeReport, Room, Row, RowKey, Timeline, TimelineUpdate, UserId,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Error;
use super::tally::Tally;

/// Rows up to which older messages are loaded: with more of them a timeline slides away from the
/// newest.
const MOST_ROWS: usize = 300;

/// What all users are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orders {
    Chat,
    /// Send no more, go on reading.
    Finish,
    Leave,
}

/// A user before he arrives.
pub(crate) struct User {
    pub(crate) number: usize,
    pub(crate) id: UserId,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) folder: PathBuf,
    pub(crate) makes_room_for: Option<Vec<UserId>>,
    pub(crate) arrives: Instant,
    pub(crate) background: Option<(Instant, Instant)>,
    pub(crate) seed: u64,
}

/// The mean time between two messages of a user.
const PAUSE: Duration = Duration::from_secs(4);
/// A minute of a crowd is short: it follows the audience within 2 s instead of 10.
const SPREAD: Duration = Duration::from_secs(2);

impl User {
    /// Lives until he is told to leave.
    pub(crate) async fn live(
        self,
        tally: Arc<Tally>,
        mut orders: watch::Receiver<Orders>,
    ) -> Result<(), Error> {
        tokio::select! {
            () = tokio::time::sleep_until(self.arrives) => {}
            // The demo ended before he came.
            _ = orders.wait_for(|orders| *orders != Orders::Chat) => return Ok(()),
        }
        let client = Client::builder(self.url, self.id.clone())
            .token(self.token)
            .data_dir(self.folder)
            .spread(SPREAD)
            .open()
            .await?;
        let mode = client.mode().mode;
        tally.moved(None, Some(mode));
        let mut session = Session {
            user: self.id,
            tally,
            client,
            mode,
            rng: fastrand::Rng::with_seed(self.seed),
            rows: Vec::new(),
            written: 0,
        };
        let room = match self.makes_room_for {
            Some(members) => {
                let others = members.into_iter().filter(|member| *member != session.user).collect();
                make_room(&session.client, self.number, others).await?
            }
            None => session.first_room(&mut orders).await?,
        };
        let Some(room) = room else { return Ok(()) };
        session.chat(room, self.background, orders).await
    }
}

/// Makes a room, again and again until the network lets it.
async fn make_room(
    client: &Client,
    number: usize,
    others: Vec<UserId>,
) -> Result<Option<Room>, Error> {
    let mut events = client.events();
    loop {
        match client.create_group(format!("room of {number}"), others.clone()).await {
            Ok(room) => return Ok(Some(room)),
            Err(error) if error.is_temporary() => {
                // Something about the client changes when the network does.
                let _ = tokio::time::timeout(Duration::from_secs(1), events.recv()).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

struct Session {
    user: UserId,
    tally: Arc<Tally>,
    client: Client,
    mode: Mode,
    rng: fastrand::Rng,
    rows: Vec<Row>,
    written: u64,
}

impl Session {
    /// Waits for the room that somebody else made.
    async fn first_room(
        &mut self,
        orders: &mut watch::Receiver<Orders>,
    ) -> Result<Option<Room>, Error> {
        let mut events = self.client.events();
        loop {
            if let Some(room) = self.client.rooms().await?.first() {
                return Ok(Some(self.client.room(room.state.id)));
            }
            tokio::select! {
                _ = events.recv() => {}
                _ = orders.wait_for(|orders| *orders == Orders::Leave) => return Ok(None),
            }
        }
    }

    async fn chat(
        mut self,
        room: Room,
        background: Option<(Instant, Instant)>,
        mut orders: watch::Receiver<Orders>,
    ) -> Result<(), Error> {
        let mut timeline = room.timeline().await?;
        self.tally.present(room.id(), &self.user);
        let mut modes = self.client.watch_mode();
        let mut next_message = Instant::now() + self.pause();
        let mut journeys: Vec<(Instant, AppState)> = background
            .into_iter()
            .flat_map(|(away, back)| [(back, AppState::Foreground), (away, AppState::Background)])
            .collect();
        loop {
            let writing = *orders.borrow() == Orders::Chat;
            let journey = journeys.last().copied();
            tokio::select! {
                batch = timeline.next() => {
                    let batch = batch?;
                    self.look(&room, &timeline, &batch.update).await?;
                }
                () = tokio::time::sleep_until(next_message), if writing => {
                    self.write(&room).await?;
                    next_message = Instant::now() + self.pause();
                }
                changed = modes.changed() => {
                    changed?;
                    let report = *modes.borrow_and_update();
                    self.mode_changed(report);
                }
                () = tokio::time::sleep_until(journey.map_or_else(Instant::now, |(at, _)| at)),
                    if journey.is_some() =>
                {
                    if let Some((_, state)) = journeys.pop() {
                        self.client.set_app_state(state);
                    }
                }
                changed = orders.changed() => {
                    changed?;
                    if *orders.borrow_and_update() == Orders::Leave {
                        break;
                    }
                }
            }
        }
        self.tally.moved(Some(self.mode), None);
        self.tally.spent(self.client.stats_by_mode().await?);
        drop(timeline);
        self.client.close().await;
        Ok(())
    }

    fn pause(&mut self) -> Duration {
        PAUSE.mul_f64(0.5 + self.rng.f64())
    }

    async fn write(&mut self, room: &Room) -> Result<(), Error> {
        self.written += 1;
        self.tally.begins(&self.user, self.written);
        let id = room.send(format!("{} #{}", self.user, self.written)).await?;
        self.tally.sent(id, room.id(), self.mode);
        self.tally.outbox(&self.user, false);
        Ok(())
    }

    fn mode_changed(&mut self, report: ModeReport) {
        if report.mode != self.mode {
            self.tally.moved(Some(self.mode), Some(report.mode));
            self.mode = report.mode;
        }
    }

    /// Looks at an update as a reader would: every row counts, and what came before the first
    /// screen is scrolled to.
    async fn look(
        &mut self,
        room: &Room,
        timeline: &Timeline,
        update: &TimelineUpdate,
    ) -> Result<(), Error> {
        let at = Instant::now();
        let mut there: HashSet<RowKey> = self.rows.iter().map(Row::key).collect();
        let (touched, more): (Vec<Row>, bool) = match update {
            TimelineUpdate::Reset { rows, more_before, .. } => (rows.clone(), *more_before),
            TimelineUpdate::Diff { changes, more_before, .. } => {
                let mut rows = self.rows.clone();
                let mut touched = Vec::new();
                for change in changes {
                    match change {
                        Change::Insert { index, row } => {
                            if !there.insert(row.key()) {
                                self.tally.repeated(self.mode);
                            }
                            rows.insert(*index, row.clone());
                            touched.push(row.clone());
                        }
                        Change::Set { index, row } => {
                            rows[*index] = row.clone();
                            touched.push(row.clone());
                        }
                        Change::Remove { index } => {
                            there.remove(&rows.remove(*index).key());
                        }
                    }
                }
                (touched, *more_before)
            }
        };
        update.apply(&mut self.rows);
        for message in touched.iter().filter_map(Row::message) {
            if message.seq.is_some() {
                self.tally.received(&self.user, self.mode, message, at);
            }
        }
        self.tally.check(self.mode, &self.rows);
        let waiting =
            self.rows.iter().filter_map(Row::message).any(|message| message.seq.is_none());
        if !waiting {
            self.tally.outbox(&self.user, true);
        }
        let gap = self.rows.iter().rev().find_map(|row| match row {
            Row::Gap { from, to } => Some((*from, *to)),
            Row::Message(_) => None,
        });
        let older = match gap {
            // Filling a gap of a full timeline has led away from the newest.
            _ if update.more_after() => timeline.load_newer(200).await.map(drop),
            Some((from, to)) => timeline.fill_gap(from, to).await.map(drop),
            None if more && self.rows.len() < MOST_ROWS => timeline.load_older(200).await.map(drop),
            None => Ok(()),
        };
        match older {
            // The next update brings the gap again.
            Err(error) if error.is_temporary() => {
                tracing::debug!(%error, room = %room.id(), "older messages later");
                Ok(())
            }
            other => Ok(other?),
        }
    }
}
