//! How many users are online: those with a socket, and those heard of within 2.5 of the heartbeats
//! that they declared. Users are kept in the order in which their time runs out, so that nothing
//! is ever scanned.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidewire_protocol::{UserId, limits};

/// How long after the last sign of life somebody with this heartbeat counts.
pub(crate) fn silence(heartbeat_ms: u64) -> Duration {
    let (low, high) = (*limits::HEARTBEAT_MS.start(), *limits::HEARTBEAT_MS.end());
    Duration::from_millis(heartbeat_ms.clamp(low, high) * 5 / 2)
}

#[derive(Debug)]
struct Seen {
    sockets: u32,
    until: Instant,
}

#[derive(Debug, Default)]
struct Users {
    seen: HashMap<UserId, Seen>,
    /// Those without a socket, by when their time runs out.
    ends: BTreeSet<(Instant, UserId)>,
}

/// Who is online.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    users: Mutex<Users>,
    /// As many were online before the start, and count until then unless more are heard of.
    expected: Option<(u32, Instant)>,
}

impl Presence {
    /// Nobody has been heard of, and `expected` users were online a moment ago.
    pub(crate) fn expecting(expected: Option<(u32, Duration)>, now: Instant) -> Self {
        let expected = expected.map(|(online, left)| (online, now + left));
        Self { expected, ..Self::default() }
    }

    /// A sign of life over HTTP.
    pub(crate) fn seen(&self, user: &UserId, heartbeat_ms: u64, now: Instant) {
        self.update(user, now + silence(heartbeat_ms), |_| {});
    }

    /// A socket of the user's begins.
    pub(crate) fn socket_opened(&self, user: &UserId, now: Instant) {
        self.update(user, now, |seen| seen.sockets += 1);
    }

    /// It ends: the user counts for a while longer, for the time of a reconnect.
    pub(crate) fn socket_closed(&self, user: &UserId, heartbeat_ms: u64, now: Instant) {
        self.update(user, now + silence(heartbeat_ms), |seen| {
            seen.sockets = seen.sockets.saturating_sub(1);
        });
    }

    /// How many users are online.
    pub(crate) fn online(&self, now: Instant) -> u32 {
        let heard_of = self.heard_of(now);
        self.still_expected(heard_of, now).map_or(heard_of, |(expected, _)| expected)
    }

    /// The same number, and for how long it counts after a restart: one that was itself only
    /// remembered keeps its end, any other counts for `fresh` from now.
    pub(crate) fn to_remember(&self, fresh: Duration, now: Instant) -> (u32, Duration) {
        let heard_of = self.heard_of(now);
        match self.still_expected(heard_of, now) {
            Some((expected, until)) => (expected, until.saturating_duration_since(now)),
            None => (heard_of, fresh),
        }
    }

    /// The number of before the start and its end, while it is the one that counts.
    fn still_expected(&self, heard_of: u32, now: Instant) -> Option<(u32, Instant)> {
        self.expected.filter(|(expected, until)| now < *until && *expected > heard_of)
    }

    fn heard_of(&self, now: Instant) -> u32 {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((until, _)) = users.ends.first()
            && *until <= now
        {
            if let Some((_, user)) = users.ends.pop_first() {
                users.seen.remove(&user);
            }
        }
        u32::try_from(users.seen.len()).unwrap_or(u32::MAX)
    }

    fn update(&self, user: &UserId, until: Instant, change: impl FnOnce(&mut Seen)) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let Users { seen, ends } = &mut *users;
        let entry = seen.entry(user.clone()).or_insert(Seen { sockets: 0, until });
        if entry.sockets == 0 {
            ends.remove(&(entry.until, user.clone()));
        }
        entry.until = entry.until.max(until);
        change(entry);
        if entry.sockets == 0 {
            ends.insert((entry.until, user.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_counts_for_two_and_a_half_heartbeats() {
        let presence = Presence::default();
        let start = Instant::now();
        let ada: UserId = "ada".parse().unwrap();
        presence.seen(&ada, 10_000, start);
        presence.seen(&ada, 2_000, start);
        assert_eq!(presence.online(start + Duration::from_millis(24_999)), 1);
        assert_eq!(presence.online(start + Duration::from_millis(25_000)), 0);
    }

    #[test]
    fn a_user_with_sockets_counts_once_and_a_while_after_the_last_one() {
        let presence = Presence::default();
        let start = Instant::now();
        let ada: UserId = "ada".parse().unwrap();
        presence.socket_opened(&ada, start);
        presence.socket_opened(&ada, start);
        presence.seen(&ada, 1_000, start);
        let later = start + Duration::from_secs(3_600);
        assert_eq!(presence.online(later), 1);
        presence.socket_closed(&ada, 1_000, later);
        assert_eq!(presence.online(later + Duration::from_secs(60)), 1);
        presence.socket_closed(&ada, 1_000, later + Duration::from_secs(60));
        assert_eq!(presence.online(later + Duration::from_secs(61)), 1);
        assert_eq!(presence.online(later + Duration::from_millis(62_500)), 0);
    }

    #[test]
    fn those_of_before_a_restart_count_until_their_time_runs_out() {
        let start = Instant::now();
        let presence = Presence::expecting(Some((2, Duration::from_secs(75))), start);
        let users: Vec<UserId> = ["ada", "bob", "cyd"].map(|user| user.parse().unwrap()).into();
        presence.socket_opened(&users[0], start);
        assert_eq!(presence.online(start), 2);
        let fresh = Duration::from_secs(75);
        let later = start + Duration::from_secs(70);
        let remembered = presence.to_remember(fresh, later);
        assert_eq!(remembered, (2, Duration::from_secs(5)), "it is as old as before");
        presence.socket_opened(&users[1], start);
        presence.socket_opened(&users[2], start);
        assert_eq!(presence.online(start), 3);
        assert_eq!(presence.to_remember(fresh, later), (3, fresh));
        presence.socket_closed(&users[1], 1_000, start);
        presence.socket_closed(&users[2], 1_000, start);
        assert_eq!(presence.online(start + Duration::from_secs(74)), 2);
        assert_eq!(presence.online(start + Duration::from_secs(75)), 1);
    }

    #[test]
    fn a_declared_heartbeat_outside_of_the_limits_is_cut() {
        assert_eq!(silence(0), Duration::from_millis(2_500));
        assert_eq!(silence(u64::MAX), Duration::from_secs(1_500));
    }
}
