//! Who is online at the model server: those with a socket, and those heard of within 2.5 of the
//! heartbeats that they declared.

use std::collections::{BTreeSet, HashMap};

use tidewire_protocol::{Policy, limits};

#[derive(Debug, Default)]
struct Seen {
    sockets: u32,
    until: u64,
}

/// Who is online, as far as this life of the server knows.
#[derive(Debug, Default)]
pub(super) struct Presence {
    seen: HashMap<usize, Seen>,
    /// Those without a socket, by when their time runs out.
    ends: BTreeSet<(u64, usize)>,
}

fn silence(heartbeat_ms: u64) -> u64 {
    heartbeat_ms.clamp(*limits::HEARTBEAT_MS.start(), *limits::HEARTBEAT_MS.end()) * 5 / 2
}

impl Presence {
    /// A sign of life over HTTP.
    pub(super) fn heard(&mut self, node: usize, heartbeat_ms: u64, now: u64) {
        self.update(node, now + silence(heartbeat_ms), |_| {});
    }

    pub(super) fn socket_opened(&mut self, node: usize, now: u64) {
        self.update(node, now, |seen| seen.sockets += 1);
    }

    /// The user counts for a while longer, for the time of a reconnect.
    pub(super) fn socket_closed(&mut self, node: usize, heartbeat_ms: u64, now: u64) {
        self.update(node, now + silence(heartbeat_ms), |seen| {
            seen.sockets = seen.sockets.saturating_sub(1);
        });
    }

    fn update(&mut self, node: usize, until: u64, change: impl FnOnce(&mut Seen)) {
        let seen = self.seen.entry(node).or_default();
        if seen.sockets == 0 {
            self.ends.remove(&(seen.until, node));
        }
        seen.until = seen.until.max(until);
        change(seen);
        if seen.sockets == 0 {
            self.ends.insert((seen.until, node));
        }
    }

    pub(super) fn online(&mut self, now: u64) -> u32 {
        while let Some((until, node)) = self.ends.first().copied()
            && until <= now
        {
            self.ends.pop_first();
            self.seen.remove(&node);
        }
        self.seen.len() as u32
    }
}

/// Whether clients should hear of the new numbers after they heard the old: a fiftieth more or
/// less users, or another policy.
pub(super) fn worth_telling(new: (u32, Option<Policy>), told: (u32, Option<Policy>)) -> bool {
    new.1 != told.1 || new.0.abs_diff(told.0) >= (told.0 / 50).max(1)
}
