//! What this machine gives, and when it is the limit: files, ports, cores. Read from `/proc`; where there is none,
//! nothing is known, and nothing is said to be the limit.

use std::fs::read_to_string;
use std::net::SocketAddr;

use super::scenario::{Kind, Scenario};

/// Clock ticks a second in `/proc`, the same on all Linux machines of today.
const TICKS: f64 = 100.0;

/// Files that a process has open whatever its users do.
const BASE: usize = 100;

/// What the machine gives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// Files that this process may have open, and so may its child.
    files: Option<usize>,
    /// Ports for connections to one address and port.
    ports: Option<usize>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let files = read_to_string("/proc/self/limits").ok().and_then(|limits| {
            let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
            line.split_whitespace().next()?.parse().ok()
        });
        let ports =
            read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok().and_then(|range| {
                let mut ends = range.split_whitespace().map(str::parse::<usize>);
                let (first, last) = (ends.next()?.ok()?, ends.next()?.ok()?);
                Some((last + 1).saturating_sub(first))
            });
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cores, files, ports }
    }

    /// Why so many users do not fit into this process, if so, and what to do.
    pub(crate) fn refuses(&self, scenario: &Scenario, server: SocketAddr) -> Option<String> {
        let (mut files, mut connections) = (BASE, 0);
        for number in 0..scenario.users {
            // An SDK client has a connection for requests beside its socket while it begins; on disk, two databases
            // of three files each, and a lock.
            let (open, links) = match scenario.kind(number) {
                Kind::Light => (1, 1),
                Kind::Memory => (2, 2),
                Kind::Disk => (9, 2),
            };
            files += open;
            connections += links;
        }
        let users = scenario.users;
        if let Some(most) = self.files.filter(|most| files > *most) {
            return Some(format!(
                "{users} users need about {files} open files, and a process may have {most} here: raise that with \
                 `ulimit -n {files}`, take fewer --users, or run several of these side by side with --url"
            ));
        }
        if let Some(most) = self.ports.filter(|most| connections > *most) {
            return Some(format!(
                "{users} users need about {connections} connections to {server}, and this machine has {most} ports \
                 for one address: widen net.ipv4.ip_local_port_range, or take another machine for the rest"
            ));
        }
        None
    }

    /// What bound the run, other than the server: by the cores that this process and the whole machine used, each
    /// second.
    pub(crate) fn binds(&self, used: &[Used], is_here: bool) -> Vec<String> {
        let seconds = used.len().max(1) as f64;
        let cores = self.cores as f64;
        let own = used.iter().map(|used| used.own).sum::<f64>() / seconds;
        let full = used.iter().filter(|used| used.machine > 0.95 * cores).count();
        let mut binds = Vec::new();
        if full as f64 > 0.2 * seconds {
            let whom =
                if is_here { "the server and the load share them" } else { "the load has them" };
            binds.push(format!(
                "this machine is the limit: all {} cores were busy in {full} of {} s, and {whom}. Latencies are those \
                 of the machine; run the load elsewhere, or take fewer --users",
                self.cores,
                used.len()
            ));
        } else if own > 0.7 * cores {
            binds.push(format!(
                "this process is the limit: it used {own:.1} of {} cores itself",
                self.cores
            ));
        }
        binds
    }
}

/// Cores used in a second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// By this process.
    pub(crate) own: f64,
    /// By the server's, where it is known.
    pub(crate) server: f64,
    /// By all of the machine.
    pub(crate) machine: f64,
}

/// What processes have used, looked at again and again.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    own: f64,
    server: Option<(u32, f64)>,
    machine: f64,
}

impl Meter {
    /// What was used since the last look, which was so many seconds ago.
    pub(crate) fn look(&mut self, server: Option<u32>, seconds: f64) -> Used {
        let before = std::mem::take(self);
        self.own = of_process("self").unwrap_or_default();
        self.server = server.and_then(|pid| Some((pid, of_process(&pid.to_string())?)));
        self.machine = of_machine().unwrap_or_default();
        let since = |now: f64, then: f64| (now - then).max(0.0) / seconds.max(0.001);
        let server = match (self.server, before.server) {
            (Some((pid, now)), Some((same, then))) if pid == same => since(now, then),
            // Another process than at the last look: killed, and started again.
            (Some((_, now)), _) => since(now, 0.0),
            (None, _) => 0.0,
        };
        Used {
            own: since(self.own, before.own),
            server,
            machine: since(self.machine, before.machine),
        }
    }
}

/// Seconds of a core that a process has used.
fn of_process(pid: &str) -> Option<f64> {
    let stat = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The fields after the name, which may hold anything: user and system time are the 12th and 13th of them.
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<f64>().ok()?, fields.next()?.parse::<f64>().ok()?);
    Some((user + system) / TICKS)
}

/// The same of all processes.
fn of_machine() -> Option<f64> {
    let stat = read_to_string("/proc/stat").ok()?;
    let fields: Vec<f64> =
        stat.lines().next()?.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq, steal: a core that waits, or that others have, is not used.
    let used = [0, 1, 2, 5, 6].iter().filter_map(|at| fields.get(*at)).sum::<f64>();
    Some(used / TICKS)
}

/// Bytes that a process keeps in memory.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    let status = read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine { cores: 2, files: Some(20_000), ports: Some(28_232) }
    }

    fn of(name: &str, users: usize) -> Scenario {
        Scenario { users, ..Scenario::load(name).unwrap() }
    }

    #[test]
    fn more_users_than_files_or_ports_are_refused_with_what_to_do() {
        let server = SocketAddr::from(([127, 0, 0, 1], 80));
        assert_eq!(machine().refuses(&of("busy-room", 15_000), server), None);
        let why = machine().refuses(&of("busy-room", 20_000), server).unwrap();
        assert!(why.contains("ulimit -n 20100"), "{why}");
        let many = Machine { files: Some(1_000_000), ..machine() };
        let why = many.refuses(&of("busy-room", 30_000), server).unwrap();
        assert!(why.contains("28232 ports"), "{why}");
        let why = machine().refuses(&of("mobile", 10_000), server).unwrap();
        assert!(why.contains("open files"), "files on disk count: {why}");
    }

    #[test]
    fn a_machine_that_is_full_and_a_generator_that_is_are_told_apart() {
        let second = |own, machine| Used { own, server: 0.3, machine };
        assert!(machine().binds(&[second(0.5, 1.0); 10], true).is_empty());
        assert!(machine().binds(&[second(0.8, 2.0); 10], true)[0].starts_with("this machine"));
        assert!(machine().binds(&[second(1.6, 1.8); 10], true)[0].starts_with("this process"));
    }

    #[test]
    fn time_that_this_process_uses_is_seen() {
        let mut meter = Meter::default();
        meter.look(None, 1.0);
        let begin = std::time::Instant::now();
        let mut n = 0_u64;
        while begin.elapsed().as_millis() < 200 {
            n = std::hint::black_box(n + 1);
        }
        let used = meter.look(Some(std::process::id()), begin.elapsed().as_secs_f64());
        if cfg!(target_os = "linux") {
            assert!(used.own > 0.0 && used.machine > 0.0 && used.server > 0.0, "{used:?}");
            assert!(resident(std::process::id()).unwrap() > 0);
        }
    }
}
