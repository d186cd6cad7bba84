//! Modes, the app's state, and the server's policy about modes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A schedule for reading the log. Ordered: a higher mode is fresher and costs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is read or sent; everything cached stays readable and sends are queued.
    Offline,
    /// The feed is polled, no socket is open.
    Polling,
    /// The feed is polled over the socket, and a few rooms are live on it.
    Hybrid,
    /// The feed is pushed over the socket.
    RealTime,
}

impl Mode {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Mode::Offline => "offline",
            Mode::Polling => "polling",
            Mode::Hybrid => "hybrid",
            Mode::RealTime => "real_time",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the app stands in its platform's lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AppState {
    /// Somebody looks at it.
    #[default]
    Foreground,
    /// It still runs, nobody looks.
    Background,
    /// It is about to be frozen by the system: no timer, no socket.
    Suspended,
}

impl AppState {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            AppState::Foreground => "foreground",
            AppState::Background => "background",
            AppState::Suspended => "suspended",
        }
    }
}

/// What the server has found that it can carry: a *share* of the clients that may use the higher
/// modes. A client stands at a fixed point in `[0, 1)`, a hash of its id, so that a policy moves a
/// share of the crowd and always the same one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Share of clients that may be in real-time, 0 to 1.
    pub real_time: f64,
    /// Share of clients that may be in hybrid or above, 0 to 1, not below `real_time`.
    pub hybrid: f64,
    /// How long this holds from its arrival, in ms. Then the audience decides again.
    pub ttl_ms: u64,
}

/// Why a policy makes no sense. Such a policy is ignored as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a policy has 0 <= real_time <= hybrid <= 1 and 0 < ttl_ms <= 86400000")]
pub struct InvalidPolicy;

impl Policy {
    /// A policy that lets everybody be in real-time.
    pub const fn unrestricted(ttl_ms: u64) -> Self {
        Self { real_time: 1.0, hybrid: 1.0, ttl_ms }
    }

    /// Whether the shares are shares and the time to live is within a day.
    ///
    /// # Errors
    /// [`InvalidPolicy`]; NaN is invalid too.
    pub fn validate(&self) -> Result<(), InvalidPolicy> {
        let ordered = 0.0 <= self.real_time && self.real_time <= self.hybrid && self.hybrid <= 1.0;
        if ordered && (1..=86_400_000).contains(&self.ttl_ms) { Ok(()) } else { Err(InvalidPolicy) }
    }

    /// The highest mode that this allows for a client at `point` of `[0, 1)`.
    pub fn ceiling(&self, point: f64) -> Mode {
        if point < self.real_time {
            Mode::RealTime
        } else if point < self.hybrid {
            Mode::Hybrid
        } else {
            Mode::Polling
        }
    }
}
