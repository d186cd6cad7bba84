//! A server dies with everybody on it, and comes back on the same folder and port.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidewire_protocol::Seq;
use tokio::task::JoinSet;

use super::Error;
use super::child::{Kind, Process};
use super::crowd;
use super::fan_out::op;
use super::idle::{Crowd, Member};
use super::light::{Greeting, Light, post};

/// What came of it.
pub(super) struct Storm {
    /// From the new server's first word to the last `welcome`.
    pub(super) last_back: Duration,
    /// Refusals by the server, a client.
    pub(super) refusals: f64,
    /// Messages that a member should have heard and has not, over all members.
    pub(super) lost: usize,
    /// Those heard twice.
    pub(super) repeated: usize,
}

/// Messages that each room gets: one before the death, and one after the return.
const EACH: usize = 2;

/// How long a member waits for what he has not heard before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first pause of a client that finds nobody, and the longest, as the protocol says: a random time up
/// to it, which doubles.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(25));

/// Somebody who is back.
struct Back {
    at: Instant,
    refusals: usize,
    member: Member,
    heard: Vec<Seq>,
}

/// Everybody is told something, the server dies, all come back by themselves, and are told something else.
pub(super) async fn run(crowd: &mut Crowd) -> Result<Storm, Error> {
    let addr = crowd.process.addr;
    let members = std::mem::take(&mut crowd.members);
    let count = members.len();
    let mut tasks = JoinSet::new();
    for (number, member) in (0..).zip(members) {
        tasks.spawn(come_back(member, fastrand::Rng::with_seed(number), addr));
    }
    speak(crowd).await?;
    crowd.process.kill().await?;
    let folder = crowd.data().to_owned();
    let kind = Kind::Tidewire { data: &folder, admission: crowd.admission };
    crowd.process = Process::start_at(kind, addr).await?;
    let begin = Instant::now();
    let (mut last, mut refusals, mut here) = (begin, 0, Vec::new());
    while let Some(back) = tasks.join_next().await {
        let back = back??;
        last = last.max(back.at);
        refusals += back.refusals;
        here.push(back);
    }
    let mut tasks = JoinSet::new();
    for back in here {
        tasks.spawn(hear_all(back));
    }
    speak(crowd).await?;
    let (mut lost, mut repeated) = (0, 0);
    while let Some(heard) = tasks.join_next().await {
        let (missing, again) = heard?;
        lost += missing;
        repeated += again;
    }
    Ok(Storm {
        last_back: last.duration_since(begin),
        refusals: refusals as f64 / count as f64,
        lost,
        repeated,
    })
}

/// The first member of each room says something, and it is on the disk.
async fn speak(crowd: &Crowd) -> Result<(), Error> {
    for (at, room) in crowd.rooms.iter().enumerate() {
        let token = crowd::token(&crowd.keys, &crowd::user(at * crowd::ROOM)?)?;
        post(crowd.process.addr, &token, *room, op(at)?).await?;
    }
    Ok(())
}

/// Listens until the server is gone, and goes on where it was as soon as that lets it in.
async fn come_back(
    mut member: Member,
    mut rng: fastrand::Rng,
    addr: SocketAddr,
) -> Result<Back, Error> {
    let mut heard = Vec::new();
    while let Ok(Some(page)) = member.socket.page().await {
        heard.extend(page.events.iter().map(|event| event.seq));
        member.cursor = page.to;
    }
    let (mut refusals, mut pause) = (0, PAUSE.0);
    loop {
        match again(&member, addr).await {
            Ok((socket, Greeting::Welcome)) => {
                member.socket = socket;
                return Ok(Back { at: Instant::now(), refusals, member, heard });
            }
            Ok((_, Greeting::Slot(ms))) => {
                refusals += 1;
                tokio::time::sleep(Duration::from_millis(ms)).await;
            }
            Err(_) => {
                tokio::time::sleep(pause.mul_f64(rng.f64())).await;
                pause = PAUSE.1.min(pause * 2);
            }
        }
    }
}

async fn again(member: &Member, addr: SocketAddr) -> Result<(Light, Greeting), Error> {
    let mut socket = Light::open(addr).await?;
    let greeting = socket.greet(&member.token, Some(&member.cursor)).await?;
    Ok((socket, greeting))
}

/// Waits for what there is to hear: how many messages are missing, and how many came twice.
async fn hear_all(back: Back) -> (usize, usize) {
    let Back { mut member, heard, .. } = back;
    let mut known: BTreeSet<Seq> = BTreeSet::new();
    let mut repeated = heard.into_iter().filter(|seq| !known.insert(*seq)).count();
    let listening = async {
        while known.len() < EACH {
            let Ok(Some(page)) = member.socket.page().await else { return };
            repeated += page.events.iter().filter(|event| !known.insert(event.seq)).count();
        }
    };
    // Who has heard too little by then has lost something, which is counted below.
    let _ = tokio::time::timeout(PATIENCE, listening).await;
    (EACH.saturating_sub(known.len()), repeated)
}
