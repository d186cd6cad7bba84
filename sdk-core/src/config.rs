//! What the app may tune.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{AppState, UserId};

use crate::defaults;
use crate::engine::Budget;

/// The knobs of a client. [`Config::new`] has the defaults; [`crate::ClientBuilder`] sets them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Whose client this is: the `sub` of the token.
    pub user: UserId,
    /// Where the app stands when the client is opened: a system starts apps in the background too.
    pub app_state: AppState,
    /// Rooms that are live at once in hybrid (5).
    pub max_concurrent_rooms: usize,
    /// In a burst, at most one timeline update in this time (1000 ms); a quiet room shows at once.
    pub message_buffer_time: Duration,
    /// Longest silence in the foreground (30 s): after 2.5 of them peers see the user offline.
    pub presence_heartbeat_interval: Duration,
    /// The same in the background (60 s), and how often the feed is polled there.
    pub background_heartbeat_interval: Duration,
    /// How often the feed is polled in hybrid and polling (5 s).
    pub polling_interval: Duration,
    /// The same on a 2G network (10 s).
    pub slow_polling_interval: Duration,
    /// Messages of one room kept in memory (500).
    pub max_messages_per_room: usize,
    /// Bytes of messages kept in memory, of all open timelines together (24 MB).
    #[serde(default = "memory_bytes")]
    pub memory_bytes: u64,
    /// How long profiles and room metadata count as fresh (300 s).
    pub cache_ttl: Duration,
    /// Bytes of messages kept on disk (256 MB).
    #[serde(default = "cache_bytes")]
    pub cache_bytes: u64,
    /// Bytes of downloaded files kept on disk (256 MB).
    #[serde(default = "file_cache_bytes")]
    pub file_cache_bytes: u64,
    /// Time over which changes that audience or policy ask for are spread (10 s).
    pub spread: Duration,
    /// Operations that may wait in the outbox (10,000).
    pub outbox_capacity: usize,
    /// What the client may spend in an hour (without limits).
    pub budget: Budget,
}

impl Config {
    /// The defaults for `user`.
    pub fn new(user: UserId) -> Self {
        Self {
            user,
            app_state: AppState::Foreground,
            max_concurrent_rooms: defaults::MAX_CONCURRENT_ROOMS,
            message_buffer_time: defaults::MESSAGE_BUFFER_TIME,
            presence_heartbeat_interval: defaults::PRESENCE_HEARTBEAT_INTERVAL,
            background_heartbeat_interval: defaults::BACKGROUND_HEARTBEAT_INTERVAL,
            polling_interval: defaults::POLLING_INTERVAL,
            slow_polling_interval: defaults::SLOW_POLLING_INTERVAL,
            max_messages_per_room: defaults::MAX_MESSAGES_PER_ROOM,
            memory_bytes: defaults::MEMORY_BYTES,
            cache_ttl: defaults::CACHE_TTL,
            cache_bytes: defaults::CACHE_BYTES,
            file_cache_bytes: defaults::FILE_CACHE_BYTES,
            spread: defaults::SPREAD,
            outbox_capacity: defaults::OUTBOX_CAPACITY,
            budget: Budget::default(),
        }
    }

    /// Whether the knobs make sense together.
    ///
    /// # Errors
    /// [`InvalidConfig`] names the knob and its bounds.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let second = Duration::from_secs(1);
        let check = |ok: bool, knob, bounds| {
            if ok { Ok(()) } else { Err(InvalidConfig { knob, bounds }) }
        };
        let running = self.app_state != AppState::Suspended;
        check(running, "app_state", "foreground or background")?;
        let most = tidewire_protocol::limits::LIVE_ROOMS;
        check((0..=most).contains(&self.max_concurrent_rooms), "max_concurrent_rooms", "0 to 20")?;
        check(self.message_buffer_time <= 60 * second, "message_buffer_time", "0 to 60 s")?;
        let beat = second..=600 * second;
        check(
            beat.contains(&self.presence_heartbeat_interval),
            "presence_heartbeat_interval",
            "1 s to 10 min",
        )?;
        check(
            beat.contains(&self.background_heartbeat_interval),
            "background_heartbeat_interval",
            "1 s to 10 min",
        )?;
        let poll = second / 10..=600 * second;
        check(poll.contains(&self.polling_interval), "polling_interval", "100 ms to 10 min")?;
        check(
            poll.contains(&self.slow_polling_interval),
            "slow_polling_interval",
            "100 ms to 10 min",
        )?;
        let window = defaults::TIMELINE_PAGE..=100_000;
        check(
            window.contains(&self.max_messages_per_room),
            "max_messages_per_room",
            "50 to 100,000",
        )?;
        check(self.memory_bytes >= 1_000_000, "memory_bytes", "at least 1 MB")?;
        check(self.cache_bytes >= 1_000_000, "cache_bytes", "at least 1 MB")?;
        check(self.file_cache_bytes >= 1_000_000, "file_cache_bytes", "at least 1 MB")?;
        check(self.spread <= 600 * second, "spread", "0 to 10 min")?;
        check((1..=1_000_000).contains(&self.outbox_capacity), "outbox_capacity", "1 to 1,000,000")
    }
}

fn memory_bytes() -> u64 {
    defaults::MEMORY_BYTES
}

fn cache_bytes() -> u64 {
    defaults::CACHE_BYTES
}

fn file_cache_bytes() -> u64 {
    defaults::FILE_CACHE_BYTES
}

/// A knob is out of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{knob}` is out of its bounds: {bounds}")]
pub struct InvalidConfig {
    /// The knob.
    pub knob: &'static str,
    /// Its bounds.
    pub bounds: &'static str,
}

/// A duration in whole ms, as the engine reckons.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
