//! The demo: a crowd of real clients, a real server, real faults, and a tally that believes
//! nobody: what each user saw on the screen is held against what all of them sent.

mod process;
mod report;
pub mod screen;
mod tally;
mod user;

use std::sync::Arc;
use std::time::Duration;

use tidewire::UserId;
use tidewire_server::{Config, PolicyChoice, Server};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::proxy::{Fault, Proxy};
pub use report::Report;
use tally::Tally;
use user::{Orders, User};

/// How large and how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Simulated users, each a client with its own store.
    pub users: usize,
    /// How long they chat. Afterwards everybody has a minute to get what is still on its way.
    pub duration: Duration,
}

/// What went wrong before anything could be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Members of a room.
const ROOM_SIZE: usize = 10;
/// One user in ten sits behind the network that is cut.
const BEHIND_PROXY: usize = 10;
/// Real-time is allowed below 50 users and hybrid up to 500, so that the crowd rests at these.
const REAL_TIME_CROWD: usize = 45;
const HYBRID_CROWD: usize = 300;
/// Time for everything on its way to arrive, once nobody sends any more.
const CALM: Duration = Duration::from_secs(60);

/// Moments of the plan, as shares of its duration.
mod moment {
    /// The first crowd, all in real-time, is complete.
    pub(super) const REAL_TIME_COMPLETE: f64 = 0.08;
    /// The crowd begins to grow to the second.
    pub(super) const HYBRID_BEGINS: f64 = 0.28;
    pub(super) const HYBRID_COMPLETE: f64 = 0.42;
    /// The crowd begins to grow to the third.
    pub(super) const POLLING_BEGINS: f64 = 0.62;
    pub(super) const POLLING_COMPLETE: f64 = 0.75;
    /// One user in ten goes to the background, and comes back.
    pub(super) const BACKGROUND: (f64, f64) = (0.15, 0.25);
    /// The network of one user in ten is cut, and mended.
    pub(super) const CUT: (f64, f64) = (0.48, 0.54);
    /// The server stops, and starts again at once on its folder.
    pub(super) const RESTART: f64 = 0.85;
}

/// Runs the plan.
///
/// # Errors
/// When server, proxy or the first clients can not be started.
pub async fn run(plan: Plan) -> Result<Report, Error> {
    let folder = tempfile::tempdir()?;
    let server = start_server(folder.path().join("server"), None).await?;
    let addr = server.addr();
    let proxy = Proxy::start(addr).await?;
    let keys = server.keys().clone();
    let tally = Arc::new(Tally::default());
    let (orders, _) = tokio::sync::watch::channel(Orders::Chat);
    let begin = Instant::now();
    let at = |share: f64| begin + plan.duration.mul_f64(share);

    let mut users = JoinSet::new();
    for number in 0..plan.users {
        let id = user_id(number)?;
        let direct = number % BEHIND_PROXY != 3;
        let room = number / ROOM_SIZE;
        let members: Result<Vec<UserId>, Error> =
            (room * ROOM_SIZE..((room + 1) * ROOM_SIZE).min(plan.users)).map(user_id).collect();
        let user = User {
            number,
            url: if direct { format!("http://{addr}") } else { proxy.url() },
            token: keys.mint(&id, Duration::from_secs(24 * 3_600))?,
            id,
            folder: folder.path().join("clients"),
            // The first of a room makes it.
            makes_room_for: (number % ROOM_SIZE == 0).then_some(members?),
            arrives: at(arrival(number, plan.users)),
            background: (number % BEHIND_PROXY == 5)
                .then_some((at(moment::BACKGROUND.0), at(moment::BACKGROUND.1))),
            seed: number as u64,
        };
        users.spawn(user.live(tally.clone(), orders.subscribe()));
    }

    let ticker = tokio::spawn(tell_progress(tally.clone(), begin, plan));
    tokio::time::sleep_until(at(moment::CUT.0)).await;
    proxy.set(Fault::Cut);
    tokio::time::sleep_until(at(moment::CUT.1)).await;
    proxy.set(Fault::None);
    tokio::time::sleep_until(at(moment::RESTART)).await;
    server.stop().await;
    drop(server);
    let server = start_server(folder.path().join("server"), Some(addr)).await?;
    let peak = process::Usage::now();
    tokio::time::sleep_until(at(1.0)).await;

    // Nobody sends any more; what is on its way arrives.
    orders.send_replace(Orders::Finish);
    let calm = tally.wait_until_complete(CALM).await;
    let usage = process::Usage::now().max(peak);
    orders.send_replace(Orders::Leave);
    while let Some(result) = users.join_next().await {
        result??;
    }
    ticker.abort();
    server.stop().await;
    Ok(Report::new(plan, &tally, calm, usage))
}

async fn start_server(
    folder: std::path::PathBuf,
    addr: Option<std::net::SocketAddr>,
) -> Result<Server, Error> {
    let mut config = Config::new(folder);
    if let Some(addr) = addr {
        config.listen = addr;
    }
    // The audience decides, so that the thresholds of the table can be seen at work.
    config.policy = PolicyChoice::Audience;
    config.rate_limit = None;
    Ok(Server::start(config).await?)
}

fn user_id(number: usize) -> Result<UserId, Error> {
    Ok(UserId::new(format!("user-{number:04}"))?)
}

/// When a user arrives, as a share of the plan: three crowds, with pauses in which they chat.
fn arrival(number: usize, users: usize) -> f64 {
    let first = REAL_TIME_CROWD.min(users);
    let second = HYBRID_CROWD.min(users);
    let spread = |from: f64, to: f64, index: usize, of: usize| {
        from + (to - from) * index as f64 / of.max(1) as f64
    };
    if number < first {
        spread(0.0, moment::REAL_TIME_COMPLETE, number, first)
    } else if number < second {
        spread(moment::HYBRID_BEGINS, moment::HYBRID_COMPLETE, number - first, second - first)
    } else {
        spread(moment::POLLING_BEGINS, moment::POLLING_COMPLETE, number - second, users - second)
    }
}

async fn tell_progress(tally: Arc<Tally>, begin: Instant, plan: Plan) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let seconds = begin.elapsed().as_secs();
        eprintln!("{seconds:>4} s of {}: {}", plan.duration.as_secs(), tally.progress());
    }
}
