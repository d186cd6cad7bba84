//! `bench server`: what one server carries on one machine, beside a bare axum in the same run: idle
//! connections, the fan-out of a room, and the return of everybody after it was killed.

mod bare;
mod child;
mod crowd;
mod fan_out;
mod idle;
mod light;
mod storm;

use crate::figures::{Figures, Goal};
pub use bare::serve as serve_bare;
pub use child::serve;

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
}

impl Plan {
    /// What the goals speak of.
    pub fn full() -> Self {
        Self { connections: 10_000, listeners: 1_000, messages: 300, repeats: 3, admission: 1_000 }
    }

    /// Some seconds long: it runs, and says nothing of the goals.
    pub fn quick() -> Self {
        Self { connections: 300, listeners: 50, messages: 20, repeats: 1, admission: 100 }
    }
}

/// What went wrong before anything could be measured.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What the figures are of.
pub fn setting(plan: Plan) -> String {
    let Plan { connections, listeners, messages, repeats, admission } = plan;
    format!(
        "One server in a process of its own, on SQLite, and light clients of the protocol in this one, over 127.0.0.1: \
         both share the machine's cores. Bare: a WebSocket route of axum as it comes, and a broadcast channel.\n\
         Idle: {connections} sockets of as many users with the feed pushed, in rooms of 100; memory is the growth of the \
         server's resident set, a socket.\nFan-out: {messages} messages of 300 bytes into a room of {listeners}, all connected, \
         at most 8 on their way; medians of {repeats} alternating repeats.\nStorm: SIGKILL, and a new process on the same \
         folder and port; {admission} are let in a second. Time from its first word to the last `welcome`; then each \
         room says something, and every member has to hear all of it once."
    )
}

/// Runs the plan and tells what it does as it goes, to the standard error.
///
/// # Errors
/// When something cannot be started, or the system's limits do not allow so many connections.
pub async fn run(plan: Plan) -> Result<Figures, Error> {
    let mut figures = Figures::default();
    eprintln!("fan-out to {} listeners", plan.listeners);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..plan.repeats.max(1) {
        ours.push(fan_out::ours(plan.listeners, plan.messages).await?);
        theirs.push(fan_out::bare(plan.listeners, plan.messages).await?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    figures.put("fan_out.deliveries_per_second", ours, "1/s", Goal::None);
    figures.put("fan_out.bare_deliveries_per_second", theirs, "1/s", Goal::None);
    figures.put("fan_out.share_of_bare", ours / theirs, "", Goal::AtLeast(0.7));

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
    Ok(figures)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
