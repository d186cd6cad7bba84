//! Time as an argument: the engine never asks for it.

/// A moment, given to the engine with every input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Monotonic, in ms from any fixed start. Every timer counts in it.
    pub mono_ms: u64,
    /// The device's wall clock, in ms since 1970-01-01 UTC. It may jump: it is shown, never
    /// reckoned with.
    pub wall_ms: i64,
}

/// What a timer is for. Each has at most one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next poll of the feed is due.
    Poll,
    /// The next attempt at a socket is due.
    SocketRetry,
    /// The next attempt at an event stream is due.
    StreamRetry,
    /// HTTP may be tried again after a failure.
    HttpRetry,
    /// Operations may go out again: the server gave them a slot.
    OpsRetry,
    /// A room in slow mode takes the user's next message.
    SlowMode,
    /// The time of an operation is over that was to be sent within one.
    Expiry,
    /// Uploads may go on: the server gave them a slot, or they failed.
    UploadRetry,
    /// Windows may show again how far uploads are.
    Progress,
    /// What an open window lacks may be fetched again after a failure.
    FetchRetry,
    /// The peer of the socket owes an answer: `welcome`, `sent`, `synced` or `pong`.
    SocketAnswer,
    /// The event stream owes a sign of life: `welcome`, or anything at all within 2.5 heartbeats.
    StreamAnswer,
    /// A frame has to be sent, or the server takes the client for gone.
    Heartbeat,
    /// The app has been in the background long enough: the socket goes.
    Grace,
    /// This client's moment, spread over the crowd, to follow audience or policy.
    Spread,
    /// The server's policy is no longer valid.
    PolicyExpiry,
    /// A step down for slow answers or a way that breaks has lasted: a step up is tried.
    Health,
    /// What the surroundings asked for a moment ago is done now.
    Calm,
    /// Receipts may be told over the socket again: the last ones were told a moment ago.
    Receipts,
    /// A word about the user's own typing is due: a start that had to wait, or the end.
    Typing,
    /// Somebody else's typing is not to be believed any longer.
    TypingEnds,
    /// Where others stand is not known any longer: the server was not heard for a while.
    PresenceEnds,
    /// The profiles that were wanted a moment ago are fetched now.
    Profiles,
    /// A file may be tried again after a failure.
    Files,
    /// A batched timeline update is due.
    Flush,
    /// An update of the lists of rooms is due.
    Lists,
    /// The first screen had its time: the disk may be asked for what nobody waits for.
    Spare,
    /// A count that was not exact may be asked for again.
    Background,
    /// The token has to be fetched: ahead of its expiry, or again after a failure.
    Token,
    /// The store failed: try to load what is committed.
    StoreRetry,
}

/// The armed timers. A handful at most, so a vector beats a heap.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    armed: Vec<(Timer, u64)>,
}

use serde::{Deserialize, Serialize};

impl Timers {
    pub(crate) fn arm(&mut self, timer: Timer, at_ms: u64) {
        self.disarm(timer);
        self.armed.push((timer, at_ms));
    }

    /// Arms, unless it is armed for an earlier moment.
    pub(crate) fn arm_no_later(&mut self, timer: Timer, at_ms: u64) {
        if self.get(timer).is_none_or(|armed| at_ms < armed) {
            self.arm(timer, at_ms);
        }
    }

    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.armed.retain(|(other, _)| *other != timer);
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<u64> {
        self.armed.iter().find(|(other, _)| *other == timer).map(|(_, at)| *at)
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.armed.iter().map(|(_, at)| *at).min()
    }

    /// Takes the earliest timer that is due.
    pub(crate) fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        let (timer, at) = *self.armed.iter().min_by_key(|(timer, at)| (*at, *timer))?;
        if at > now_ms {
            return None;
        }
        self.disarm(timer);
        Some(timer)
    }
}
