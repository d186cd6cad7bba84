//! What this process uses, from `/proc`: zeros where there is none.

/// Threads, file descriptors and memory of this process: server and all clients together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) threads: u64,
    pub(crate) file_descriptors: u64,
    pub(crate) resident_mib: u64,
    pub(crate) cpu_seconds: u64,
}

/// Clock ticks a second of `/proc/self/stat`, the same on all Linux machines of today.
const TICKS: u64 = 100;

impl Usage {
    pub(crate) fn now() -> Self {
        let entries = |path| std::fs::read_dir(path).map_or(0, |entries| entries.count() as u64);
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The fields after the name, which may hold anything: user and system time are the
        // 12th and 13th of them.
        let fields: Vec<&str> =
            stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        Self {
            threads: entries("/proc/self/task"),
            file_descriptors: entries("/proc/self/fd"),
            resident_mib: kib.unwrap_or(0) / 1024,
            cpu_seconds: (ticks(11) + ticks(12)) / TICKS,
        }
    }

    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            threads: self.threads.max(other.threads),
            file_descriptors: self.file_descriptors.max(other.file_descriptors),
            resident_mib: self.resident_mib.max(other.resident_mib),
            cpu_seconds: self.cpu_seconds.max(other.cpu_seconds),
        }
    }
}
