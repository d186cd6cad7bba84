//! `bench modes`: what a mode costs, counted in the simulation, and how fast it is, measured over
//! real sockets.

mod counted;
mod latency;
mod stored;

use std::time::Duration;

use tidewire::Mode;

use crate::figures::{Figures, Goal};
pub use counted::Crowd;
pub use latency::Live;

/// How large and how long.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Users of the simulated crowds.
    pub users: usize,
    /// Virtual minutes that are counted.
    pub minutes: u64,
    /// Clients over real sockets; 0 leaves that part out.
    pub live_users: usize,
    /// Seconds that are measured in each mode.
    pub live_seconds: u64,
}

/// What went wrong before anything could be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// How a crowd comes into its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The server's policy sends everybody into it.
    Forced(Mode),
    /// The clients choose by the audience.
    Automatic,
    /// Everybody's app is in the background.
    Background,
}

impl Choice {
    fn name(self) -> &'static str {
        match self {
            Self::Forced(mode) => mode.as_str(),
            Self::Automatic => "automatic",
            Self::Background => "background",
        }
    }
}

const CHOICES: [Choice; 5] = [
    Choice::Forced(Mode::RealTime),
    Choice::Forced(Mode::Hybrid),
    Choice::Forced(Mode::Polling),
    Choice::Automatic,
    Choice::Background,
];

/// Runs the plan and prints what it does as it goes, to the standard error.
///
/// # Errors
/// When server or clients of the measured part can not be started.
pub async fn run(plan: Plan) -> Result<Figures, Error> {
    let mut figures = Figures::default();
    for choice in CHOICES {
        eprintln!("{}: {} users, {} min", choice.name(), plan.users, plan.minutes);
        let crowd = counted::run(choice, plan.users, plan.minutes);
        eprintln!("  {:.1} s, {} inputs", crowd.wall.as_secs_f64(), crowd.inputs);
        put_crowd(&mut figures, choice, &crowd);
    }
    if plan.live_users > 0 {
        for mode in [Mode::RealTime, Mode::Hybrid, Mode::Polling] {
            let time = Duration::from_secs(plan.live_seconds);
            eprintln!("{mode}: {} clients over real sockets", plan.live_users);
            let live = latency::run(mode, plan.live_users, time).await?;
            put_live(&mut figures, mode, &live);
        }
    }
    Ok(figures)
}

/// What the figures are of.
pub fn setting(plan: Plan) -> String {
    let Plan { users, minutes, live_users, live_seconds } = plan;
    format!(
        "Counted: {users} users in the simulation for {minutes} virtual minutes after one to settle, on a network of \
         20 to 60 ms one way.\n{}\nState is the process's growth, the model server's share included; \
         clients have no disk there.\nMeasured: {live_users} clients of one process against a server in it, over \
         127.0.0.1, each with its store on disk, for {live_seconds} s a mode.\n{}",
        counted::TRAFFIC,
        latency::TRAFFIC
    )
}

fn put_crowd(figures: &mut Figures, choice: Choice, crowd: &Crowd) {
    let name = |figure: &str| format!("{}.{figure}", choice.name());
    let users = crowd.users as f64;
    if choice == Choice::Background {
        figures.put(name("wakeups_per_hour"), crowd.wakeups_per_hour, "1/h", Goal::AtMost(60.0));
        let each = crowd.requests_per_hour / crowd.wakeups_per_hour.max(f64::MIN_POSITIVE);
        figures.put(name("requests_per_wakeup"), each, "requests", Goal::AtMost(1.0));
        figures.put(name("bytes_per_hour"), crowd.bytes_per_hour, "B/h", Goal::None);
        figures.put(name("sockets"), crowd.sockets, "sockets", Goal::AtMost(0.0));
        return;
    }
    let (table, most) = match choice {
        Choice::Forced(Mode::RealTime) => ("25,000 at 5,000 users", users),
        Choice::Forced(Mode::Hybrid) => ("10,000 at 5,000 users", users),
        Choice::Forced(_) => ("0", 0.0),
        Choice::Automatic | Choice::Background => ("", users),
    };
    figures.put_beside(name("sockets"), crowd.sockets, "sockets", Goal::AtMost(most), table);
    figures.put(name("requests_per_second"), crowd.requests_per_second, "1/s", Goal::None);
    figures.put_beside(
        name("presence_frames_per_second"),
        crowd.pings_per_second,
        "1/s",
        // A heartbeat every 30 s from everybody.
        Goal::AtMost(users / 30.0),
        "167 at 5,000 users",
    );
    figures.put(name("frames_per_second"), crowd.frames_per_second, "1/s", Goal::None);
    figures.put(name("bytes_per_client_hour"), crowd.bytes_per_hour, "B/h", Goal::None);
    figures.put(name("wakeups_per_client_hour"), crowd.wakeups_per_hour, "1/h", Goal::None);
    if let Some(bytes) = crowd.state_bytes {
        figures.put(name("state_bytes_per_client"), bytes, "B", Goal::None);
    }
    figures.put(name("wall_seconds"), crowd.wall.as_secs_f64(), "s", Goal::None);
    figures.put(name("cpu_seconds"), crowd.cpu.as_secs_f64(), "s", Goal::None);
    let rate = crowd.inputs as f64 / crowd.engine_time.as_secs_f64().max(f64::MIN_POSITIVE);
    figures.put(name("engine_inputs_per_second"), rate, "1/s", Goal::AtLeast(100_000.0));
    let whole = crowd.inputs as f64 / crowd.cpu.as_secs_f64().max(f64::MIN_POSITIVE);
    figures.put(name("simulated_inputs_per_second"), whole, "1/s", Goal::None);
    figures.put(name("share_in_lowest_mode"), crowd.lowest.1, lowest(crowd), Goal::None);
}

fn lowest(crowd: &Crowd) -> &'static str {
    match crowd.lowest.0 {
        Mode::RealTime => "real_time",
        Mode::Hybrid => "hybrid",
        Mode::Polling => "polling",
        Mode::Offline => "offline",
    }
}

fn put_live(figures: &mut Figures, mode: Mode, live: &Live) {
    let name = |figure: &str| format!("{mode}.{figure}");
    let (table, median, last) = match mode {
        Mode::RealTime => ("~200 ms", Goal::AtMost(200.0), Goal::None),
        Mode::Hybrid => ("~500 ms", Goal::AtMost(500.0), Goal::None),
        _ => ("2-5 s", Goal::AtMost(5_000.0), Goal::AtMost(5_000.0)),
    };
    for (what, latency) in [("to_store", &live.to_store), ("to_screen", &live.to_screen)] {
        let at = |quantile| latency.value_at_quantile(quantile) as f64;
        figures.put_beside(name(&format!("{what}_p50_ms")), at(0.5), "ms", median, table);
        figures.put(name(&format!("{what}_p99_ms")), at(0.99), "ms", last);
    }
    figures.put(name("latency_samples"), live.to_screen.len() as f64, "messages", Goal::None);
    figures.put(name("latency_samples_elsewhere"), live.elsewhere as f64, "messages", Goal::None);
    figures.put(
        name("real_sockets"),
        live.sockets as f64,
        "sockets",
        Goal::AtMost(live.users as f64),
    );
}
