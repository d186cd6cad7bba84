//! How often one user may write, or somebody may try something: a bucket of tokens for each.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tidewire_protocol::{ErrorCode, UserId, WireError};

use crate::config::RateLimit;

/// Users remembered before those with a full bucket are forgotten: about 1 MB.
const SWEEP_AT: usize = 10_000;

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// The buckets of all users, or of whatever is limited one by one.
pub(crate) struct RateLimiter<K = UserId> {
    limit: Option<RateLimit>,
    /// What is limited, for people.
    unit: &'static str,
    buckets: Mutex<Buckets<K>>,
    /// What was spent here since the other servers were told; none where there are no others.
    spent: Option<Mutex<HashMap<K, i64>>>,
}

struct Buckets<K> {
    by_user: HashMap<K, Bucket>,
    sweep_at: usize,
}

impl<K: Eq + Hash + Clone> RateLimiter<K> {
    pub(crate) fn new(limit: Option<RateLimit>, unit: &'static str) -> Self {
        let limit = limit.filter(|limit| limit.per_second > 0.0 && limit.per_second.is_finite());
        let buckets = Buckets { by_user: HashMap::new(), sweep_at: SWEEP_AT };
        Self { limit, unit, buckets: Mutex::new(buckets), spent: None }
    }

    /// The same over several servers: what each of them lets pass is told to the others ([`RateLimiter::take_spent`],
    /// [`RateLimiter::spent_elsewhere`]), so that the limit is one up to what happens in between.
    pub(crate) fn shared(limit: Option<RateLimit>, unit: &'static str) -> Self {
        Self { spent: Some(Mutex::default()), ..Self::new(limit, unit) }
    }

    fn note(&self, user: &K, cost: i64) {
        if let Some(spent) = self.spent.as_ref().filter(|_| cost != 0) {
            let mut spent = spent.lock().unwrap_or_else(PoisonError::into_inner);
            *spent.entry(user.clone()).or_default() += cost;
        }
    }

    /// What was spent here since this was asked last.
    pub(crate) fn take_spent(&self) -> Vec<(K, i64)> {
        let Some(spent) = &self.spent else { return Vec::new() };
        let mut spent = spent.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *spent).into_iter().filter(|(_, cost)| *cost != 0).collect()
    }

    /// A user has spent so much at another server, or got it back.
    pub(crate) fn spent_elsewhere(&self, user: &K, cost: i64, now: Instant) {
        let Some(limit) = self.limit else { return };
        let burst = f64::from(limit.burst.max(1));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(limit, now);
        let bucket =
            buckets.by_user.entry(user.clone()).or_insert(Bucket { tokens: burst, at: now });
        bucket.refill(limit, now);
        // No more debt than one request can leave, whatever another server says.
        bucket.tokens = (bucket.tokens - cost as f64).clamp(-burst, burst);
    }

    /// Takes `cost` tokens of the user's.
    ///
    /// # Errors
    /// [`ErrorCode::RateLimited`] with the time at which there are enough again.
    pub(crate) fn take(&self, user: &K, cost: usize, now: Instant) -> Result<(), WireError> {
        let Some(limit) = self.limit else { return Ok(()) };
        let burst = f64::from(limit.burst.max(1));
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(limit, now);
        let bucket =
            buckets.by_user.entry(user.clone()).or_insert(Bucket { tokens: burst, at: now });
        bucket.refill(limit, now);
        // A request larger than the bucket passes when the bucket is full, and leaves a debt.
        let needed = (cost as f64).min(burst);
        if bucket.tokens >= needed {
            bucket.tokens -= cost as f64;
            drop(buckets);
            self.note(user, i64::try_from(cost).unwrap_or(i64::MAX));
            return Ok(());
        }
        let wait_ms = (needed - bucket.tokens) / limit.per_second * 1_000.0;
        Err(WireError::new(
            ErrorCode::RateLimited,
            format!("at most {} {} a second: try again later", limit.per_second, self.unit),
        )
        .retry_after_ms(wait_ms.ceil().max(1.0) as u64))
    }

    /// What a call of this size costs that cannot be split: it must stay possible, so at most the
    /// whole bucket, and no debt beyond it.
    pub(crate) fn cost_of_call(&self, size: usize) -> usize {
        let burst = self.limit.map_or(u32::MAX, |limit| limit.burst.max(1));
        size.clamp(1, burst as usize)
    }

    /// Gives tokens back: repeats of what was accepted before cost nothing.
    pub(crate) fn give_back(&self, user: &K, tokens: usize) {
        let Some(limit) = self.limit.filter(|_| tokens > 0) else { return };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.by_user.get_mut(user) {
            let burst = f64::from(limit.burst.max(1));
            bucket.tokens = (bucket.tokens + tokens as f64).min(burst);
            drop(buckets);
            self.note(user, -i64::try_from(tokens).unwrap_or(i64::MAX));
        }
    }
}

impl<K> Buckets<K> {
    /// Forgets full buckets, as often as the number of users has doubled.
    fn sweep(&mut self, limit: RateLimit, now: Instant) {
        if self.by_user.len() < self.sweep_at {
            return;
        }
        let burst = f64::from(limit.burst.max(1));
        self.by_user.retain(|_, bucket| {
            bucket.refill(limit, now);
            bucket.tokens < burst
        });
        self.sweep_at = (self.by_user.len() * 2).max(SWEEP_AT);
    }
}

impl Bucket {
    fn refill(&mut self, limit: RateLimit, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        let burst = f64::from(limit.burst.max(1));
        self.tokens = (self.tokens + passed * limit.per_second).min(burst);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn user() -> UserId {
        "ada".parse().unwrap()
    }

    #[test]
    fn a_burst_passes_then_the_slot_is_when_there_is_enough_again() {
        let limiter =
            RateLimiter::new(Some(RateLimit { per_second: 10.0, burst: 50 }), "operations");
        let start = Instant::now();
        limiter.take(&user(), 50, start).unwrap();
        let error = limiter.take(&user(), 5, start).unwrap_err();
        assert_eq!((error.code, error.retry_after_ms), (ErrorCode::RateLimited, Some(500)));
        limiter.take(&user(), 5, start + Duration::from_millis(500)).unwrap();
        limiter.take(&"bob".parse().unwrap(), 50, start).unwrap();
    }

    #[test]
    fn a_call_costs_at_least_one_and_at_most_the_bucket() {
        let limiter: RateLimiter =
            RateLimiter::new(Some(RateLimit { per_second: 10.0, burst: 50 }), "operations");
        assert_eq!([0, 1, 50, 100].map(|size| limiter.cost_of_call(size)), [1, 1, 50, 50]);
    }

    #[test]
    fn over_several_servers_a_user_has_one_rate() {
        let limit = Some(RateLimit { per_second: 10.0, burst: 50 });
        let [one, two] = [0, 1].map(|_| RateLimiter::shared(limit, "operations"));
        let now = Instant::now();
        one.take(&user(), 50, now).unwrap();
        one.give_back(&user(), 5);
        let spent = one.take_spent();
        assert_eq!(spent, [(user(), 45)]);
        assert!(one.take_spent().is_empty(), "told once");
        two.spent_elsewhere(&user(), 45, now);
        two.take(&user(), 5, now).unwrap();
        assert_eq!(two.take(&user(), 1, now).unwrap_err().retry_after_ms, Some(100));
        two.spent_elsewhere(&user(), i64::MAX, now);
        let wait = two.take(&user(), 1, now).unwrap_err().retry_after_ms;
        assert_eq!(wait, Some(5_100), "nobody is shut out for longer than a request's debt");
        two.spent_elsewhere(&user(), i64::MIN, now);
        two.take(&user(), 50, now).unwrap();
        assert!(two.take(&user(), 1, now).is_err(), "nor let in for nothing");
    }

    #[test]
    fn what_was_given_back_can_be_taken_again() {
        let limiter =
            RateLimiter::new(Some(RateLimit { per_second: 10.0, burst: 50 }), "operations");
        let start = Instant::now();
        limiter.take(&user(), 50, start).unwrap();
        limiter.give_back(&user(), 50);
        limiter.take(&user(), 50, start).unwrap();
    }

    #[test]
    fn a_request_larger_than_the_bucket_is_not_refused_for_ever() {
        let limiter =
            RateLimiter::new(Some(RateLimit { per_second: 10.0, burst: 5 }), "operations");
        let start = Instant::now();
        limiter.take(&user(), 50, start).unwrap();
        assert_eq!(limiter.take(&user(), 1, start).unwrap_err().retry_after_ms, Some(4_600));
    }
}
