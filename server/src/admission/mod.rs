//! The door: how many clients a second may begin or go on at this server, so that a herd that comes back does
//! not throw it over, and is back in the least time. `schedule` decides; this waits and tells.

mod schedule;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidewire_protocol::{ErrorCode, UserId, WireError};
use tokio::sync::{Notify, oneshot};
use tokio::time::sleep_until;

use crate::stop::Stop;
use schedule::{Entry, Schedule};

pub(crate) use schedule::Rank;

/// Over how long the return of clients is spread at least when the server stops.
const GOAWAY_SPREAD: Duration = Duration::from_secs(1);

/// What one who waits is told: that he is in, or when to come back.
type Answer = Result<(), Duration>;

/// One door: sockets and event streams have one, polls another.
pub(crate) struct Door {
    /// None where everybody is let in at once. A std mutex: nothing awaits while it is held.
    schedule: Option<Mutex<Schedule<oneshot::Sender<Answer>>>>,
    /// Rung when somebody begins to wait.
    waits: Notify,
}

impl Door {
    /// Lets so many in a second, and never fewer than `floor` while the event loop lags; 0 lets everybody in.
    pub(crate) fn new(per_second: u32, floor: u32) -> Self {
        let schedule = (per_second > 0).then(|| {
            let (rate, floor) = (f64::from(per_second), f64::from(floor.max(1)));
            Mutex::new(Schedule::new(rate, floor, Instant::now()))
        });
        Self { schedule, waits: Notify::new() }
    }

    fn lock(&self) -> Option<MutexGuard<'_, Schedule<oneshot::Sender<Answer>>>> {
        Some(self.schedule.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for a moment until this device of a user may come in. His token has been looked at before: nobody
    /// takes places in somebody else's name.
    ///
    /// # Errors
    /// `unavailable`, with the place that is kept for him.
    pub(crate) async fn enter(
        &self,
        user: &UserId,
        device: u32,
        rank: Rank,
    ) -> Result<(), WireError> {
        let (sender, answer) = oneshot::channel();
        {
            let Some(mut schedule) = self.lock() else { return Ok(()) };
            let key = schedule::key(user, device);
            let (entry, other) = schedule.enter(key, rank, sender, Instant::now());
            if let Some(Entry::Refused(other, after)) = other {
                // Gone meanwhile: he has his place all the same.
                let _ = other.send(Err(after));
            }
            match entry {
                Entry::In(_) => return Ok(()),
                Entry::Refused(_, after) => return Err(later(after)),
                Entry::Waits => {}
            }
        }
        self.waits.notify_one();
        match answer.await {
            Ok(answer) => answer.map_err(later),
            // The server stops: whoever is here hears it at once.
            Err(_) => Err(later(GOAWAY_SPREAD.mul_f64(fastrand::f64()))),
        }
    }

    /// Lets those in whose turn it is, and says whose turn comes when.
    fn release(&self) -> Option<Instant> {
        let mut schedule = self.lock()?;
        loop {
            let released = schedule.release(Instant::now());
            if released.is_empty() {
                break;
            }
            for waiter in released {
                // Gone meanwhile.
                if waiter.send(Ok(())).is_err() {
                    schedule.give_back();
                }
            }
        }
        schedule.next_release()
    }

    /// Lets those in who wait, until the server stops.
    pub(crate) async fn keep(&self, mut stop: Stop) {
        loop {
            let next = self.release();
            let due = async {
                match next {
                    Some(at) => sleep_until(at.into()).await,
                    None => self.waits.notified().await,
                }
            };
            tokio::select! {
                () = stop.requested() => break,
                () = due => {}
            }
        }
        if let Some(mut schedule) = self.lock() {
            schedule.close();
        }
    }

    /// The event loop was so late; above `bound` fewer are let in.
    pub(crate) fn adapt(&self, lag: Duration, bound: Duration, now: Instant) {
        let Some(mut schedule) = self.lock() else { return };
        let before = schedule.rate();
        schedule.adapt(lag, bound, now);
        let after = schedule.rate();
        drop(schedule);
        if after < before {
            tracing::warn!(?lag, a_second = after, "the event loop is late: fewer are let in");
        }
    }

    /// How many are let in a second at this moment; None where everybody is.
    pub(crate) fn rate(&self) -> Option<f64> {
        self.lock().map(|schedule| schedule.rate())
    }
}

fn later(after: Duration) -> WireError {
    let text = "more come than the server can let in at once: come back at the time that is yours";
    let ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    WireError::new(ErrorCode::Unavailable, text).retry_after_ms(ms.max(1))
}

/// The moments for the clients of a server that stops to come back, wherever they come to: spread evenly, at
/// the rate at which they will be let in.
#[derive(Default)]
pub(crate) struct Farewell {
    told: AtomicU32,
}

impl Farewell {
    /// The next one's moment, in ms from now, of about `all`.
    pub(crate) fn slot_ms(&self, all: u32, rate: Option<f64>) -> u64 {
        let all = all.max(1);
        let spread = f64::from(all) / rate.unwrap_or(1_000.0).max(1.0);
        let spread = spread.max(GOAWAY_SPREAD.as_secs_f64());
        // Somewhere within his own part: more than were counted begin anew.
        let part = f64::from(self.told.fetch_add(1, Ordering::Relaxed) % all) + fastrand::f64();
        (part / f64::from(all) * spread * 1_000.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_of_a_server_that_stops_come_back_at_the_rate_at_which_they_are_let_in() {
        let farewell = Farewell::default();
        let mut slots: Vec<u64> =
            (0..5_000).map(|_| farewell.slot_ms(5_000, Some(500.0))).collect();
        slots.sort_unstable();
        assert!(slots[4_999] <= 10_000, "{}", slots[4_999]);
        for second in slots.chunks(500) {
            let took = second[499] - second[0];
            assert!((990..=1_010).contains(&took), "500 within {took} ms");
        }
        let few = Farewell::default();
        assert!((0..10).all(|_| few.slot_ms(3, Some(500.0)) <= 1_000));
    }

    #[tokio::test]
    async fn who_waits_is_let_in_or_told_when_the_server_stops() {
        let door = std::sync::Arc::new(Door::new(20, 1));
        let (stop, stopping) = Stop::channel();
        let keeper = tokio::spawn({
            let door = door.clone();
            async move { door.keep(stopping).await }
        });
        let user = |n: u32| -> UserId { format!("u{n}").parse().unwrap() };
        // Two at once, twenty wait, the others get a place.
        let tries = (0..30).map(|n| {
            let door = door.clone();
            async move { door.enter(&user(n), 0, Rank::Resume).await }
        });
        let answers = futures::future::join_all(tries).await;
        let refused: Vec<u64> =
            answers.iter().filter_map(|a| a.as_ref().err()?.retry_after_ms).collect();
        assert!((6..=9).contains(&refused.len()), "{refused:?}");
        let waits = (40..45).map(|n| {
            let door = door.clone();
            tokio::spawn(async move { door.enter(&user(n), 0, Rank::Newcomer).await })
        });
        let waits: Vec<_> = waits.collect();
        stop.send_replace(true);
        keeper.await.unwrap();
        for wait in waits {
            // Let in before the stop, or told: none waits for ever.
            let _ = wait.await.unwrap();
        }
        assert!(Door::new(0, 0).enter(&user(1), 0, Rank::Newcomer).await.is_ok());
    }
}
