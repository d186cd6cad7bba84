//! The demo's result, for people and for programs.

use std::fmt;

use serde_json::{Value, json};
use tidewire::Mode;

use super::Plan;
use super::process::Usage;
use super::tally::{Calm, ModeTally, Tally};

/// What came out.
#[derive(Debug)]
pub struct Report {
    plan: Plan,
    modes: Vec<(Mode, ModeTally)>,
    switches: u64,
    calm: Calm,
    usage: Usage,
}

impl Report {
    pub(crate) fn new(plan: Plan, tally: &Tally, calm: Calm, usage: Usage) -> Self {
        let mut counted = tally.modes();
        let modes = [Mode::RealTime, Mode::Hybrid, Mode::Polling];
        let mut modes: Vec<(Mode, ModeTally)> =
            modes.map(|mode| (mode, counted.remove(&mode).unwrap_or_default())).into();
        modes.extend(counted);
        Self { plan, modes, switches: tally.switches(), calm, usage }
    }

    /// Whether nothing was lost, repeated or out of order, and everything arrived in time.
    pub fn is_clean(&self) -> bool {
        let clean =
            |mode: &ModeTally| mode.lost == 0 && mode.repeated == 0 && mode.out_of_order == 0;
        self.calm.complete
            && self.sum(|mode| mode.sent) > 0
            && self.modes.iter().all(|(_, mode)| clean(mode))
    }

    fn sum(&self, of: impl Fn(&ModeTally) -> u64) -> u64 {
        self.modes.iter().map(|(_, mode)| of(mode)).sum()
    }

    /// One JSON object.
    pub fn to_json(&self) -> Value {
        let modes: serde_json::Map<String, Value> =
            self.modes.iter().map(|(mode, tally)| (mode.to_string(), mode_json(tally))).collect();
        json!({
            "users": self.plan.users,
            "seconds": self.plan.duration.as_secs(),
            "modes": modes,
            "sent": self.sum(|mode| mode.sent),
            "received": self.sum(|mode| mode.received),
            "lost": self.sum(|mode| mode.lost),
            "repeated": self.sum(|mode| mode.repeated),
            "out_of_order": self.sum(|mode| mode.out_of_order),
            "mode_switches": self.switches,
            "complete": self.calm.complete,
            "complete_after_ms": u64::try_from(self.calm.after.as_millis()).unwrap_or(u64::MAX),
            "process": {
                "threads": self.usage.threads,
                "file_descriptors": self.usage.file_descriptors,
                "resident_mib": self.usage.resident_mib,
                "cpu_seconds": self.usage.cpu_seconds,
            },
            "clean": self.is_clean(),
        })
    }
}

fn mode_json(tally: &ModeTally) -> Value {
    json!({
        "sent": tally.sent,
        "received": tally.received,
        "lost": tally.lost,
        "repeated": tally.repeated,
        "out_of_order": tally.out_of_order,
        "latency_ms": {
            "p50": tally.latency_ms.value_at_quantile(0.5),
            "p99": tally.latency_ms.value_at_quantile(0.99),
            "samples": tally.latency_ms.len(),
        },
        "sockets": tally.spent.sockets,
        "requests": tally.spent.requests,
        "frames": tally.spent.frames_sent + tally.spent.frames_received,
        "reads": {
            "memory": tally.spent.memory.reads,
            "disk": tally.spent.disk.reads,
            "server": tally.spent.server.reads,
        },
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} users, {} s, {} switches of mode, complete {:.1} s after the last send",
            self.plan.users,
            self.plan.duration.as_secs(),
            self.switches,
            self.calm.after.as_secs_f64(),
        )?;
        writeln!(
            f,
            "{:<10} {:>7} {:>8} {:>5} {:>8} {:>6} {:>7} {:>7} {:>8} {:>9} {:>15}",
            "mode",
            "sent",
            "received",
            "lost",
            "repeated",
            "order",
            "p50 ms",
            "p99 ms",
            "sockets",
            "requests",
            "mem/disk/server"
        )?;
        for (mode, tally) in &self.modes {
            writeln!(
                f,
                "{:<10} {:>7} {:>8} {:>5} {:>8} {:>6} {:>7} {:>7} {:>8} {:>9} {:>15}",
                mode.as_str(),
                tally.sent,
                tally.received,
                tally.lost,
                tally.repeated,
                tally.out_of_order,
                tally.latency_ms.value_at_quantile(0.5),
                tally.latency_ms.value_at_quantile(0.99),
                tally.spent.sockets,
                tally.spent.requests,
                format!(
                    "{}/{}/{}",
                    tally.spent.memory.reads, tally.spent.disk.reads, tally.spent.server.reads
                ),
            )?;
        }
        write!(
            f,
            "server and clients together: {} threads, {} file descriptors, {} MiB, {} s of CPU",
            self.usage.threads,
            self.usage.file_descriptors,
            self.usage.resident_mib,
            self.usage.cpu_seconds,
        )
    }
}
