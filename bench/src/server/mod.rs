//! `bench server`: what one server carries on one machine, beside a bare axum in the same run: idle
//! connections, the fan-out of a room, and the return of everybody after it was killed. Beside that what its log on
//! PostgreSQL takes.

mod appends;
mod bare;
pub(crate) mod child;
pub(crate) mod crowd;
mod fan_out;
mod idle;
pub(crate) mod light;
mod real_time;
mod storm;

use tidewire::Mode;

use crate::figures::{Figures, Goal};
use crate::load::shared::By;
pub use bare::serve as serve_bare;
pub use child::serve;

/// A part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the log on PostgreSQL takes.
    Appends,
    /// SDK clients that stay in real-time.
    RealTime,
    /// One room of many.
    FanOut,
    /// Sockets that say nothing, and their return after the server was killed.
    Idle,
}

impl std::str::FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "appends" => Ok(Self::Appends),
            "real-time" => Ok(Self::RealTime),
            "fan-out" => Ok(Self::FanOut),
            "idle" => Ok(Self::Idle),
            other => Err(format!("`{other}` is no part: appends, real-time, fan-out or idle")),
        }
    }
}

/// How large.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Sockets that stay open.
    pub connections: usize,
    /// Members of the room whose messages are fanned out, all connected.
    pub listeners: usize,
    /// Messages of that room.
    pub messages: usize,
    /// Repeats of the fan-out, alternating with the bare ones.
    pub repeats: usize,
    /// Clients a second that the server lets in.
    pub admission: u32,
    /// Users who write into the log on PostgreSQL.
    pub writers: usize,
    /// Seconds for which they do, on each side, as often as `repeats`.
    pub append_seconds: u64,
    /// SDK clients in real-time.
    pub clients: usize,
    /// Seconds for which they talk.
    pub client_seconds: u64,
    /// Messages a second in each of their rooms of ten.
    pub client_rate: f64,
    /// Nothing but this.
    pub only: Option<Part>,
}

impl Plan {
    /// What the goals speak of.
    pub fn full() -> Self {
        Self {
            connections: 10_000,
            listeners: 1_000,
            messages: 300,
            repeats: 3,
            admission: 1_000,
            writers: 1_024,
            append_seconds: 5,
            clients: 5_000,
            client_seconds: 60,
            client_rate: 0.1,
            only: None,
        }
    }

    /// Some seconds long: it runs, and says nothing of the goals.
    pub fn quick() -> Self {
        Self {
            connections: 300,
            listeners: 50,
            messages: 20,
            repeats: 1,
            admission: 100,
            writers: 64,
            append_seconds: 1,
            clients: 100,
            client_seconds: 3,
            client_rate: 2.0,
            only: None,
        }
    }
}

/// What went wrong before anything could be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the figures are of.
pub fn setting(plan: Plan) -> String {
    let Plan { connections, listeners, messages, repeats, admission, writers, .. } = plan;
    let Plan { append_seconds, clients, client_seconds, client_rate, .. } = plan;
    let postgres = appends::SETTING;
    format!(
        "One server in a process of its own, on SQLite, and light clients of the protocol in this one, over 127.0.0.1: \
         both share the machine's cores. Bare: a WebSocket route of axum as it comes, and a broadcast channel.\n\
         Idle: {connections} sockets of as many users with the feed pushed, in rooms of 100; memory is the growth of the \
         server's resident set, a socket.\nFan-out: {messages} messages of 300 bytes into a room of {listeners}, all connected, \
         at most 8 on their way; medians of {repeats} alternating repeats.\nStorm: SIGKILL, and a new process on the same \
         folder and port; {admission} are let in a second. Time from its first word to the last `welcome`; then each \
         room says something, and every member has to hear all of it once.\nAppends: {writers} users write into the log on PostgreSQL \
         ({postgres}), one message at a time each, in rooms of their own over 16 shards, for {append_seconds} s; beside it the \
         same rows, one event a transaction, over 32 connections: with the questions that a server asks, each step when \
         the one before is answered, and without any, in one statement. Client and database share the \
         machine's cores; medians of {repeats} alternating repeats.\nReal-time: {clients} SDK clients with their stores in memory, in this \
         process, in rooms of 10 with {client_rate} messages a second each, for {client_seconds} s; all of it is held against \
         the log, by seq."
    )
}

/// Runs the plan and tells what it does as it goes, to the standard error.
///
/// # Errors
/// When something cannot be started, or the system's limits do not allow so many connections.
pub async fn run(plan: Plan) -> Result<Figures, Error> {
    let mut figures = Figures::default();
    let wanted = |part| plan.only.is_none_or(|only| only == part);
    if wanted(Part::Appends) {
        eprintln!("appends of {} writers", plan.writers);
        append(plan, &mut figures).await?;
    }
    if wanted(Part::RealTime) {
        eprintln!("{} SDK clients", plan.clients);
        stay_real_time(plan, &mut figures).await?;
    }
    if wanted(Part::FanOut) {
        eprintln!("fan-out to {} listeners", plan.listeners);
        fan_out(plan, &mut figures).await?;
    }
    if wanted(Part::Idle) {
        idle_and_storm(plan, &mut figures).await?;
    }
    Ok(figures)
}

async fn fan_out(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    let (mut ours, mut theirs, mut per_frame) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..plan.repeats.max(1) {
        let rate = fan_out::ours(plan.listeners, plan.messages).await?;
        ours.push(rate.deliveries_per_second);
        per_frame.push(rate.per_frame);
        theirs.push(fan_out::bare(plan.listeners, plan.messages).await?.deliveries_per_second);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    figures.put("fan_out.deliveries_per_second", ours, "1/s", Goal::None);
    figures.put("fan_out.messages_per_frame", median(per_frame), "", Goal::None);
    figures.put("fan_out.bare_deliveries_per_second", theirs, "1/s", Goal::None);
    figures.put("fan_out.share_of_bare", ours / theirs, "", Goal::AtLeast(0.7));
    Ok(())
}

async fn idle_and_storm(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    eprintln!("{} idle sockets, bare", plan.connections);
    let bare = idle::bare(plan.connections).await?;
    eprintln!("{} idle sockets", plan.connections);
    let mut crowd = idle::ours(plan.connections, plan.admission).await?;
    figures.put("idle.connections", plan.connections as f64, "sockets", Goal::None);
    figures.put_beside("idle.kb_per_connection", crowd.kb_each, "KB", Goal::AtMost(9.0), "10 KB");
    figures.put("idle.bare_kb_per_connection", bare, "KB", Goal::None);

    eprintln!("everybody comes back");
    let storm = storm::run(&mut crowd).await?;
    let fastest = plan.connections as f64 / f64::from(plan.admission);
    figures.put("storm.last_back_s", storm.last_back.as_secs_f64(), "s", Goal::None);
    figures.put("storm.at_the_rate_of_admission_s", fastest, "s", Goal::None);
    figures.put("storm.refusals_per_client", storm.refusals, "", Goal::AtMost(2.0));
    figures.put("storm.lost", storm.lost as f64, "messages", Goal::AtMost(0.0));
    figures.put("storm.repeated", storm.repeated as f64, "messages", Goal::AtMost(0.0));
    Ok(())
}

async fn append(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    let time = std::time::Duration::from_secs(plan.append_seconds);
    let plan = appends::Plan { writers: plan.writers, time, repeats: plan.repeats };
    // Where PostgreSQL is missing, that has been said, and nothing is told of it here.
    let Some(found) = appends::run(plan).await? else { return Ok(()) };
    let times = found.ours / found.one_a_transaction;
    figures.put("append.events_per_second", found.ours, "1/s", Goal::None);
    figures.put("append.one_a_transaction", found.one_a_transaction, "1/s", Goal::None);
    figures.put("append.one_a_statement", found.one_a_statement, "1/s", Goal::None);
    figures.put("append.times_one_a_transaction", times, "", Goal::AtLeast(8.0));
    let times = found.ours / found.one_a_statement;
    figures.put("append.times_one_a_statement", times, "", Goal::None);
    Ok(())
}

async fn stay_real_time(plan: Plan, figures: &mut Figures) -> Result<(), Error> {
    let report = real_time::run(plan).await?;
    let found = report.figures();
    let all = plan.clients as f64;
    figures.put("real_time.clients", all, "clients", Goal::None);
    let fewest = report.fewest(By::Sdk(Mode::RealTime)) as f64;
    figures.put_beside("real_time.fewest", fewest, "clients", Goal::AtLeast(all), "50 users");
    for (mode, count) in report.by_mode() {
        figures.put(format!("real_time.in_the_end.{mode}"), count as f64, "clients", Goal::None);
    }
    found.copy_into(
        figures,
        "real_time",
        &[
            "sent",
            "heard_per_second",
            "latency.real_time.p50",
            "latency.real_time.p99",
            "check.deliveries",
            "check.lost",
            "check.repeated",
            "check.in_no_log",
            "check.twice_in_the_log",
            "check.unknown",
            "server.mb_most",
            "server.cores",
            "load.cores",
            "machine.cores_used",
            "machine.cores",
        ],
    );
    report.binds().iter().for_each(|bind| figures.note(format!("Real-time: {bind}")));
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
