//! `tidewire-load`: users by the thousand, who live through a scenario against a server, with all that they say
//! accounted for by seq. Nothing here knows how the server does what it does.

mod light_user;
mod machine;
mod plot;
mod progress;
mod reader;
mod report;
mod scenario;
mod screen;
mod sdk_user;
pub(crate) mod shared;
mod target;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire::Mode;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use self::light_user::LightUser;
use self::machine::{Machine, Meter, Used};
use self::progress::Progress;
use self::reader::{Reader, Verdict};
pub use self::report::Report;
use self::report::{Second, Storm};
use self::scenario::Kind;
pub use self::scenario::{Ceiling, Clients, Mobile, Rooms, SHIPPED, Scenario, Traffic};
use self::sdk_user::SdkUser;
use self::shared::Shared;
pub use self::target::Elsewhere;
use self::target::{Place, Target};

/// What went wrong before anything could be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Users who begin at the same time.
const AT_ONCE: usize = 48;

/// How long all users may take to be there, and at the end to have heard everything: so long, and so much for each.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_millis(30));

/// How a scenario is run.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Against a server that runs already. None starts one, in a process of its own, that limits nobody.
    pub elsewhere: Option<Elsewhere>,
    /// How many the own server lets in a second; 0 lets in all at once.
    pub admission: u32,
    /// What is left to chance is the same for the same seed.
    pub seed: u64,
    /// Tells how far it is, to the standard error.
    pub progress: bool,
}

/// Lets the users of a scenario live through it.
///
/// # Errors
/// When it makes no sense, when something cannot be started, and when this machine cannot carry so many users.
pub async fn run(scenario: &Scenario, options: &Options) -> Result<Report, Error> {
    if let Some(problem) = scenario.problem() {
        return Err(problem.into());
    }
    let target = match &options.elsewhere {
        Some(there) => Target::elsewhere(there)?,
        None => Target::start(options.admission).await?,
    };
    let machine = Machine::look();
    if let Some(why) = machine.refuses(scenario, target.addr) {
        return Err(why.into());
    }
    let places = target.rooms(scenario.users, scenario.members()).await?;
    let shared = Arc::new(Shared::new(places.len()));
    let folder = tempfile::tempdir()?;
    let mut run = Run {
        scenario,
        options,
        machine,
        target,
        places,
        shared,
        folder,
        users: JoinSet::new(),
        seconds: Vec::new(),
        used: Vec::new(),
        storms: Vec::new(),
        meter: Meter::default(),
        progress: Progress::new(options.progress, std::io::stderr().is_terminal()),
    };
    run.all().await
}

struct Run<'a> {
    scenario: &'a Scenario,
    options: &'a Options,
    machine: Machine,
    target: Target,
    places: Vec<Place>,
    shared: Arc<Shared>,
    folder: tempfile::TempDir,
    users: JoinSet<Result<(usize, Reader), Error>>,
    seconds: Vec<Second>,
    used: Vec<Used>,
    storms: Vec<Storm>,
    meter: Meter,
    progress: Progress,
}

/// What happens to all.
#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Storm,
    Ceiling(Mode),
}

impl Run<'_> {
    async fn all(&mut self) -> Result<Report, Error> {
        self.gather().await?;
        self.meter.look(self.target.pid(), 1.0);
        let idle_bytes = self.target.pid().and_then(machine::resident);
        self.talk().await?;
        let begin = Instant::now();
        let unsettled = self.settle().await?;
        let verdict = self.end().await?;
        let settled_after = begin.elapsed();
        let (sent, heard, latency) = self.shared.totals();
        self.progress.done();
        Ok(Report {
            about: self.scenario.about.clone(),
            users: self.scenario.users,
            rooms: self.places.len(),
            sent,
            heard,
            latency,
            verdict: verdict.0,
            in_log: verdict.1,
            unsettled,
            settled_after,
            refusals: self.shared.refusals(),
            seconds: std::mem::take(&mut self.seconds),
            storms: std::mem::take(&mut self.storms),
            idle_bytes,
            binds: self.machine.binds(&self.used, self.target.pid().is_some()),
            cores: self.machine.cores,
        })
    }

    fn patience(&self) -> Duration {
        PATIENCE.0 + PATIENCE.1 * u32::try_from(self.scenario.users).unwrap_or(u32::MAX)
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.scenario.seconds)
    }

    /// Lets everybody come, and waits for all of them unless they arrive while the others talk.
    async fn gather(&mut self) -> Result<(), Error> {
        let doors = Arc::new(Semaphore::new(AT_ONCE));
        let begin = Instant::now();
        let over = self.time().mul_f64(self.scenario.arrive);
        for number in 0..self.scenario.users {
            let share = number as f64 / self.scenario.users as f64;
            self.spawn(number, begin + over.mul_f64(share), &doors)?;
        }
        if !over.is_zero() {
            return Ok(());
        }
        let until = begin + self.patience();
        while self.shared.are_ready() < self.scenario.users {
            self.progress.gathering(self.shared.are_ready(), self.scenario.users);
            self.look_for_failures()?;
            if Instant::now() > until {
                let ready = self.shared.are_ready();
                let users = self.scenario.users;
                return Err(format!("only {ready} of {users} users came in time").into());
            }
            // Nothing hangs on how often this is looked at.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.shared.second();
        Ok(())
    }

    fn spawn(
        &mut self,
        number: usize,
        arrives: Instant,
        doors: &Arc<Semaphore>,
    ) -> Result<(), Error> {
        let members = self.scenario.members();
        let room_number = number / members;
        let place = self.places.get(room_number).ok_or("a user without a room")?;
        let here = self.scenario.users.min((room_number + 1) * members) - room_number * members;
        let traffic = self.scenario.traffic;
        let pause = Duration::from_secs_f64(here as f64 / traffic.per_room_per_second);
        let user = self.target.user(number)?;
        let token = self.target.token(&user)?;
        let first = (self.scenario.arrive == 0.0).then_some(place.first);
        let rng = fastrand::Rng::with_seed(self.options.seed ^ (number as u64) << 20);
        let (shared, doors, room) = (self.shared.clone(), doors.clone(), place.id);
        let text_bytes = traffic.text_bytes;
        let life: futures::future::BoxFuture<'static, Result<Reader, Error>> =
            match self.scenario.kind(number) {
                Kind::Light => {
                    let server = self.target.addr;
                    let user = LightUser {
                        server,
                        user,
                        token,
                        room,
                        room_number,
                        first,
                        pause,
                        text_bytes,
                        shared,
                        doors,
                        rng,
                    };
                    Box::pin(user.live())
                }
                kind @ (Kind::Memory | Kind::Disk) => {
                    let folder = (kind == Kind::Disk).then(|| self.folder.path().join("clients"));
                    let changes = self
                        .scenario
                        .mobile
                        .map(|mobile| Duration::from_secs_f64(60.0 / mobile.changes_per_minute));
                    let user = SdkUser {
                        url: self.target.url.clone(),
                        user,
                        token,
                        folder,
                        room,
                        room_number,
                        first,
                        pause,
                        text_bytes,
                        changes,
                        shared,
                        doors,
                        rng,
                    };
                    Box::pin(user.live())
                }
            };
        self.users.spawn(async move {
            tokio::time::sleep_until(arrives.into()).await;
            Ok((room_number, life.await?))
        });
        Ok(())
    }

    /// Nobody ends before the end, unless something is wrong.
    fn look_for_failures(&mut self) -> Result<(), Error> {
        match self.users.try_join_next() {
            Some(ended) => {
                ended??;
                Err("a user went before the end".into())
            }
            None => Ok(()),
        }
    }

    /// The time of the scenario, with what happens in it.
    async fn talk(&mut self) -> Result<(), Error> {
        let mut happens: Vec<(f64, What)> =
            self.scenario.storms.iter().map(|at| (*at, What::Storm)).collect();
        happens.extend(
            self.scenario.ceilings.iter().map(|ceiling| (ceiling.at, What::Ceiling(ceiling.mode))),
        );
        happens.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (begin, time) = (Instant::now(), self.time());
        self.shared.order(|orders| orders.talk = true);
        let mut next_second = begin + Duration::from_secs(1);
        loop {
            let end = begin + time;
            let happening = happens.last().map_or(end, |(at, _)| begin + time.mul_f64(*at));
            let until = next_second.min(happening).min(end);
            tokio::time::sleep_until(until.into()).await;
            self.look_for_failures()?;
            if until == next_second || until == end {
                self.second(begin, time);
                next_second += Duration::from_secs(1);
            }
            if until == end {
                break;
            }
            if until == happening
                && let Some((_, what)) = happens.pop()
            {
                self.happen(what, begin).await?;
            }
        }
        self.close_storm();
        self.shared.order(|orders| {
            orders.talk = false;
            orders.settle = true;
            orders.ceiling = None;
        });
        Ok(())
    }

    async fn happen(&mut self, what: What, begin: Instant) -> Result<(), Error> {
        match what {
            What::Ceiling(mode) => self.shared.order(|orders| orders.ceiling = Some(mode)),
            What::Storm => {
                self.close_storm();
                let at = begin.elapsed();
                if self.target.is_own() {
                    self.target.kill_and_start().await?;
                } else {
                    self.shared.order(|orders| orders.cuts += 1);
                }
                let now = Instant::now();
                self.storms.push(Storm { at, begin: now, last_back: None });
            }
        }
        Ok(())
    }

    /// Whoever is back from the last storm is back by now.
    fn close_storm(&mut self) {
        if let Some(storm) = self.storms.last_mut().filter(|storm| storm.last_back.is_none()) {
            let last = self.shared.last_back().filter(|back| *back > storm.begin);
            storm.last_back = last.map(|back| back - storm.begin);
        }
    }

    /// Takes down what a second was like.
    fn second(&mut self, begin: Instant, time: Duration) {
        let at = begin.elapsed();
        let since = self.seconds.last().map_or(Duration::ZERO, |second| second.at);
        let used = self.meter.look(self.target.pid(), (at - since).as_secs_f64());
        let counted = self.shared.second();
        let second = Second {
            at,
            here: self.shared.here(),
            sent: counted.sent,
            heard: counted.heard,
            p50: counted.latency.value_at_quantile(0.5),
            p99: counted.latency.value_at_quantile(0.99),
            used,
            server_bytes: self.target.pid().and_then(machine::resident),
        };
        self.progress.second(&second, time);
        self.used.push(used);
        self.seconds.push(second);
    }

    /// Waits until nothing is on its way into the log; gives how much still is when patience ends.
    async fn settle(&mut self) -> Result<u64, Error> {
        let until = Instant::now() + self.patience();
        loop {
            self.look_for_failures()?;
            let pending = u64::try_from(self.shared.pending()).unwrap_or(0);
            if pending == 0 || Instant::now() > until {
                return Ok(pending);
            }
            self.progress.settling(pending);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks the server where the log of each room ends, waits until everybody has heard everything, or patience
    /// ends, and holds the one against the other. Gives that, and how many messages the log has.
    async fn end(&mut self) -> Result<(Verdict, Vec<report::Room>), Error> {
        let mut heads = Vec::with_capacity(self.places.len());
        for place in &self.places {
            heads.push(self.target.head(place).await?);
        }
        let heads = Arc::new(heads);
        self.shared.order(|orders| orders.heads = Some(heads.clone()));
        let until = tokio::time::Instant::now() + self.patience();
        let mut verdict = Verdict::default();
        let mut hear = |ended: Result<(usize, Reader), Error>| -> Result<(), Error> {
            let (room, reader) = ended?;
            verdict += reader.verdict(heads.get(room).copied().unwrap_or_default());
            Ok(())
        };
        loop {
            match tokio::time::timeout_at(until, self.users.join_next()).await {
                Ok(Some(ended)) => hear(ended?)?,
                Ok(None) => break,
                Err(_) => {
                    self.shared.order(|orders| orders.leave = true);
                    while let Some(ended) = self.users.join_next().await {
                        hear(ended?)?;
                    }
                    break;
                }
            }
        }
        let rooms = self.places.iter().zip(heads.iter()).enumerate();
        let rooms = rooms.map(|(number, (place, head))| report::Room {
            sent: self.shared.sent_to(number),
            in_log: head.saturating_sub(place.first),
        });
        Ok((verdict, rooms.collect()))
    }
}

/// A row of a timeline.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
fn test_row(id: tidewire::EventId, room: tidewire::RoomId, seq: Option<u64>) -> tidewire::Row {
    use tidewire::{Content, Message, MessageContent, MessageState, Seq};
    tidewire::Row::Message(Arc::new(Message {
        id,
        room,
        sender: "ada".parse().unwrap(),
        seq: seq.map(Seq::new),
        at: 0,
        kind: "message".into(),
        content: Content::of(&MessageContent::of_text("hello")).unwrap(),
        state: if seq.is_some() { MessageState::Sent } else { MessageState::Sending },
        reach: None,
        edited: None,
        deleted: None,
        reactions: Vec::new(),
        reply_to: None,
        thread: None,
        replies: None,
        changing: false,
        blocked: false,
        outgoing: Vec::new(),
    }))
}
