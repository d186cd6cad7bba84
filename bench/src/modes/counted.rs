//! The counted part: a crowd in the simulation, every request and frame of it.

use std::time::{Duration, Instant};

use tidewire::simulation::{Counts, NoDisk, Simulation};
use tidewire::{AppState, Mode, Policy, RoomId};

use super::Choice;

/// What the crowd does, in words.
pub(super) const TRAFFIC: &str = "Traffic: each user sends one message a minute, at random moments; 19 of 20 go into the \
     user's room of 10, which is open on the screen, one into a room of 500. Everybody's client \
     tells that it has what came.";

const ROOM: usize = 10;
const LARGE_ROOM: usize = 500;
/// One message in so many goes into the large room.
const LARGE: usize = 20;
/// Messages that a user sends in a minute.
const A_MINUTE: f64 = 1.0;
/// Time for everybody to come in, and for the mode to settle, in ms.
const SETTLE_MS: u64 = 60_000;
/// The same in the background, where a client reads every 60 to 72 s.
const SETTLE_BACKGROUND_MS: u64 = 4 * 72_000;
/// How finely time is cut for the senders, in ms.
const STEP_MS: u64 = 100;

/// What was counted.
#[derive(Debug, Clone)]
pub struct Crowd {
    pub(crate) users: usize,
    /// Open at a moment, on average.
    pub(crate) sockets: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) pings_per_second: f64,
    /// Both ways.
    pub(crate) frames_per_second: f64,
    /// Of one client.
    pub(crate) requests_per_hour: f64,
    pub(crate) bytes_per_hour: f64,
    pub(crate) wakeups_per_hour: f64,
    /// None where the platform does not tell, and where memory of an earlier crowd is used again.
    pub(crate) state_bytes: Option<f64>,
    pub(crate) wall: Duration,
    /// What of that this process had a core for, where the platform tells: others run beside it.
    pub(crate) cpu: Duration,
    pub(crate) inputs: u64,
    /// The engines' part of `cpu`.
    pub(crate) engine_time: Duration,
    /// The lowest mode that anybody is in at the end, and the share of those who are.
    pub(crate) lowest: (Mode, f64),
}

/// Everything that is counted, up to a moment.
struct Sum {
    counts: Counts,
    wakeups: u64,
    engine_time: Duration,
}

impl Sum {
    fn of(simulation: &mut Simulation) -> Self {
        let (mut wakeups, mut engine_time) = (0, Duration::ZERO);
        for number in 0..simulation.clients() {
            let client = simulation.client(number);
            wakeups += client.engine().stats().wakeups;
            engine_time += client.look().engine_time;
        }
        Self { counts: simulation.counts(), wakeups, engine_time }
    }
}

/// Lets a crowd live for so many virtual minutes.
pub(super) fn run(choice: Choice, users: usize, minutes: u64) -> Crowd {
    let begin = Instant::now();
    let cpu_before = cpu_time();
    let resident = resident_bytes();
    let mut simulation = Simulation::new(1).counting().disks(|_| Box::new(NoDisk));
    simulation.set_policy(policy(choice));
    if choice == Choice::Background {
        simulation = simulation.config(|mut config| {
            config.app_state = AppState::Background;
            config
        });
    }
    let mut rng = fastrand::Rng::with_seed(2);
    let mut simulation = simulation.users(users);
    let small = rooms(&mut simulation, users, ROOM);
    let large = rooms(&mut simulation, users, LARGE_ROOM);
    let in_background = choice == Choice::Background;
    let settle = if in_background { SETTLE_BACKGROUND_MS } else { SETTLE_MS };
    simulation.run_for(settle / 2);
    if !in_background {
        for number in 0..users {
            simulation.client(number).open(small[number / ROOM]);
        }
    }
    simulation.run_for(settle / 2);
    let before = Sum::of(&mut simulation);
    let steps = minutes * 60_000 / STEP_MS;
    let expected = users as f64 * A_MINUTE * STEP_MS as f64 / 60_000.0;
    let mut owed = 0.0;
    let mut sockets = 0.0;
    for step in 0..steps {
        owed += expected * 2.0 * rng.f64();
        while owed >= 1.0 {
            owed -= 1.0;
            let sender = rng.usize(0..users);
            let to_all = rng.usize(0..LARGE) == 0;
            let room = if to_all { large[sender / LARGE_ROOM] } else { small[sender / ROOM] };
            // In the background nobody writes.
            if !in_background {
                simulation.client(sender).send(room, "What a message says, about as long as most.");
            }
        }
        simulation.run_for(STEP_MS);
        if step % 10 == 0 {
            sockets += simulation.open_sockets() as f64;
        }
    }
    let after = Sum::of(&mut simulation);
    let state_bytes = match (resident, resident_bytes()) {
        (Some(before), Some(after)) if choice == Choice::Forced(Mode::RealTime) => {
            Some(after.saturating_sub(before) as f64 / users as f64)
        }
        _ => None,
    };
    let seconds = (minutes * 60) as f64;
    let per_second =
        |of: fn(&Counts) -> u64| (of(&after.counts) - of(&before.counts)) as f64 / seconds;
    let per_client_hour = |sum: f64| sum * 3_600.0 / seconds / users as f64;
    let bytes = |counts: &Counts| counts.bytes_up + counts.bytes_down;
    let modes: Vec<Mode> = (0..users).map(|number| simulation.client(number).mode().mode).collect();
    let lowest = modes.iter().copied().min().unwrap_or(Mode::Offline);
    let share = modes.iter().filter(|mode| **mode == lowest).count() as f64 / users as f64;
    let wall = begin.elapsed();
    let cpu = match (cpu_before, cpu_time()) {
        (Some(before), Some(after)) if wall > Duration::from_secs(1) => (after - before).min(wall),
        _ => wall,
    };
    let had = cpu.as_secs_f64() / wall.as_secs_f64();
    Crowd {
        users,
        sockets: sockets / steps.div_ceil(10) as f64,
        requests_per_second: per_second(|counts| counts.requests),
        pings_per_second: per_second(|counts| counts.pings),
        frames_per_second: per_second(|counts| counts.frames_up + counts.frames_down),
        requests_per_hour: per_second(|counts| counts.requests) * 3_600.0 / users as f64,
        bytes_per_hour: per_client_hour((bytes(&after.counts) - bytes(&before.counts)) as f64),
        wakeups_per_hour: per_client_hour((after.wakeups - before.wakeups) as f64),
        state_bytes,
        wall,
        cpu,
        inputs: after.counts.inputs,
        engine_time: after.engine_time.mul_f64(had),
        lowest: (lowest, share),
    }
}

fn policy(choice: Choice) -> Option<Policy> {
    let shares = match choice {
        Choice::Forced(Mode::RealTime) | Choice::Background => (1.0, 1.0),
        Choice::Forced(Mode::Hybrid) => (0.0, 1.0),
        Choice::Forced(_) => (0.0, 0.0),
        Choice::Automatic => return None,
    };
    Some(Policy { real_time: shares.0, hybrid: shares.1, ttl_ms: 86_400_000 })
}

fn rooms(simulation: &mut Simulation, users: usize, size: usize) -> Vec<RoomId> {
    (0..users)
        .step_by(size)
        .map(|first| simulation.add_room(first..(first + size).min(users)))
        .collect()
}

/// How long this process has had a core, where the platform tells.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the name, which may hold anything: user and system time are the 12th and 13th field, in
    // ticks of 10 ms.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

/// What this process holds, where the platform tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kib * 1024)
}
