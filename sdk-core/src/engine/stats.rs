//! Counters since the start: what the client did and what it cost.

/// Which tier answered a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// The windows of open rooms, in memory.
    Memory,
    /// SQLite.
    Disk,
    /// The server.
    Server,
}

/// Reads that one tier answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TierStats {
    /// How many.
    pub reads: u64,
    /// How long they took together, in ms.
    pub total_ms: u64,
}

/// Counters since the start of the client.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// HTTP requests made.
    pub requests: u64,
    /// Of these and of `sync` frames, reads of the feed.
    pub polls: u64,
    /// Sockets opened.
    pub sockets: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Pages taken.
    pub pages: u64,
    /// Pages dropped because they did not go on from the cursor, or came from a former reader.
    pub pages_dropped: u64,
    /// Events that were new.
    pub events: u64,
    /// Events that were held already.
    pub events_repeated: u64,
    /// Times that the client began anew because its cursor was not valid any more.
    pub bootstraps: u64,
    /// Reads answered from memory.
    pub memory: TierStats,
    /// Reads answered from disk.
    pub disk: TierStats,
    /// Reads answered by the server.
    pub server: TierStats,
}

impl Stats {
    pub(crate) fn read(&mut self, tier: Tier, ms: u64) {
        let stats = match tier {
            Tier::Memory => &mut self.memory,
            Tier::Disk => &mut self.disk,
            Tier::Server => &mut self.server,
        };
        stats.reads += 1;
        stats.total_ms += ms;
    }
}
