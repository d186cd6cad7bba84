//! How often somebody may try to sign in. Three bounds at once: on a user from one address, so that a guesser there does
//! not lock the user out elsewhere; on a user from everywhere; and on an address, whoever is named.

use std::net::IpAddr;
use std::time::Instant;

use tidewire_protocol::{ErrorCode, SessionId, UserId, WireError};

use crate::config::RateLimit;
use crate::rate::RateLimiter;

/// Wrong passwords of one user from one address: ten, for who has forgotten which it was, then one a minute.
const HERE: RateLimit = RateLimit { per_second: 1.0 / 60.0, burst: 10 };
/// Wrong passwords of one user from everywhere: 100, the most that NIST SP 800-63B (5.2.2) lets anybody try, then 100
/// an hour.
const EVERYWHERE: RateLimit = RateLimit { per_second: 100.0 / 3_600.0, burst: 100 };
/// Wrong passwords and new accounts of one address: 100, for an office behind it, then ten a minute.
const ADDRESS: RateLimit = RateLimit { per_second: 10.0 / 60.0, burst: 100 };
/// Refreshes of one session: each is a write, and one in some minutes is needed.
const REFRESHES: RateLimit = RateLimit { per_second: 0.2, burst: 20 };

/// Who has tried how often.
pub(crate) struct Attempts {
    here: RateLimiter<(UserId, IpAddr)>,
    everywhere: RateLimiter,
    address: RateLimiter<IpAddr>,
    refreshes: RateLimiter<SessionId>,
}

/// One that has begun. It counts unless it is said that it was none of guessing, also where nobody waits for its end.
#[must_use]
pub(crate) struct Attempt {
    user: UserId,
    from: IpAddr,
}

impl Attempt {
    /// It was none of guessing.
    pub(crate) fn was_none(self, all: &Attempts) {
        all.everywhere.give_back(&self.user, 1);
        all.address.give_back(&self.from, 1);
        all.here.give_back(&(self.user, self.from), 1);
    }
}

impl Attempts {
    /// Nobody has tried anything; `shared` with other servers or not.
    pub(crate) fn new(shared: bool) -> Self {
        Self {
            here: RateLimiter::new(Some(HERE), "attempts"),
            everywhere: match shared {
                true => RateLimiter::shared(Some(EVERYWHERE), "attempts"),
                false => RateLimiter::new(Some(EVERYWHERE), "attempts"),
            },
            address: RateLimiter::new(Some(ADDRESS), "attempts"),
            refreshes: RateLimiter::new(Some(REFRESHES), "refreshes"),
        }
    }

    /// Somebody is about to try a password.
    pub(crate) fn begin(
        &self,
        user: &UserId,
        from: IpAddr,
        now: Instant,
    ) -> Result<Attempt, WireError> {
        self.address.take(&from, 1, now).map_err(too_often)?;
        let pair = (user.clone(), from);
        let passed = self.here.take(&pair, 1, now).and_then(|()| {
            let everywhere = self.everywhere.take(user, 1, now);
            everywhere.inspect_err(|_| self.here.give_back(&pair, 1))
        });
        // What is not looked at at all is no guess.
        passed.inspect_err(|_| self.address.give_back(&from, 1)).map_err(too_often)?;
        Ok(Attempt { user: user.clone(), from })
    }

    /// Somebody is about to make an account.
    pub(crate) fn register(&self, from: IpAddr, now: Instant) -> Result<(), WireError> {
        self.address.take(&from, 1, now).map_err(too_often)
    }

    /// A session is about to get its next tokens.
    pub(crate) fn refresh(&self, session: SessionId, now: Instant) -> Result<(), WireError> {
        self.refreshes.take(&session, 1, now).map_err(too_often)
    }

    /// What the other servers have to know.
    pub(crate) fn news(&self) -> Vec<(UserId, i64)> {
        self.everywhere.take_spent()
    }

    /// What they have told.
    pub(crate) fn heard(&self, attempts: &[(UserId, i64)], now: Instant) {
        for (user, cost) in attempts {
            self.everywhere.spent_elsewhere(user, *cost, now);
        }
    }
}

/// The same for everybody: that a user is slowed down says nothing of whether there is one.
fn too_often(error: WireError) -> WireError {
    let slot = error.retry_after_ms.unwrap_or(1_000);
    let text = "too many attempts: try again later";
    WireError::new(ErrorCode::RateLimited, text).retry_after_ms(slot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    #[test]
    fn who_guesses_at_one_address_does_not_lock_the_user_out_at_another() {
        let (all, now) = (Attempts::new(true), Instant::now());
        for _ in 0..10 {
            let _ = all.begin(&user("ada"), from(1), now).unwrap();
        }
        let slowed = all.begin(&user("ada"), from(1), now).err().unwrap();
        assert_eq!((slowed.code, slowed.retry_after_ms), (ErrorCode::RateLimited, Some(60_000)));
        all.begin(&user("ada"), from(2), now).unwrap().was_none(&all);
        all.begin(&user("bob"), from(1), now).unwrap().was_none(&all);
    }

    #[test]
    fn a_user_is_guarded_against_many_addresses_and_an_address_has_only_so_many_users() {
        let (all, now) = (Attempts::new(true), Instant::now());
        for n in 0..100 {
            let _ = all.begin(&user("ada"), from(n), now).unwrap();
        }
        assert!(all.begin(&user("ada"), from(200), now).is_err());
        let all = Attempts::new(true);
        for n in 0..100 {
            let _ = all.begin(&user(&format!("u{n}")), from(1), now).unwrap();
        }
        assert!(all.begin(&user("another"), from(1), now).is_err());
        assert!(all.register(from(1), now).is_err());
        let _ = all.begin(&user("another"), from(2), now).unwrap();
    }

    #[test]
    fn over_several_servers_a_user_is_guarded_as_a_whole() {
        let ([one, two], now) = ([0, 1].map(|_| Attempts::new(true)), Instant::now());
        for n in 0..100 {
            let _ = one.begin(&user("ada"), from(n), now).unwrap();
        }
        two.heard(&one.news(), now);
        assert!(two.begin(&user("ada"), from(200), now).is_err());
    }

    #[test]
    fn the_right_password_costs_nothing() {
        let (all, now) = (Attempts::new(true), Instant::now());
        for _ in 0..1_000 {
            all.begin(&user("ada"), from(1), now).unwrap().was_none(&all);
        }
        assert_eq!(all.news(), [], "and is not told to others");
    }
}
