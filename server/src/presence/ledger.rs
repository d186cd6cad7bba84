//! When somebody was last seen: all that is written of presence. Those who are here, or were
//! since the last look, are written together, once a minute, so that nobody is written more often.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire_protocol::UserId;
use tokio::time::MissedTickBehavior;

use super::{Presence, State, time_of};
use crate::app::App;
use crate::clock;

/// How often it is looked who has gone: what the end of a user's time is late at most.
const TICK: Duration = Duration::from_millis(500);
/// How often what is new is written, in ticks.
const WRITE_TICKS: u32 = 120;
/// Users of one transaction, so that no message waits for a crowd.
const BATCH: usize = 500;

/// What is not on the disk yet, in ms since 1970-01-01 UTC.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    unwritten: HashMap<UserId, i64>,
}

impl Ledger {
    pub(super) fn seen(&mut self, user: &UserId, at: i64) {
        match self.unwritten.get_mut(user) {
            Some(before) => *before = at.max(*before),
            None => drop(self.unwritten.insert(user.clone(), at)),
        }
    }

    /// What the disk does not have yet of a user.
    pub(super) fn last(&self, user: &UserId) -> Option<i64> {
        self.unwritten.get(user).copied()
    }

    pub(super) fn all(&self) -> Vec<(UserId, i64)> {
        self.unwritten.iter().map(|(user, at)| (user.clone(), *at)).collect()
    }

    /// These are on the disk. What has come since stays.
    pub(super) fn written(&mut self, seen: &[(UserId, i64)]) {
        for (user, at) in seen {
            if self.last(user).is_some_and(|last| last <= *at) {
                self.unwritten.remove(user);
            }
        }
    }
}

/// Lets users go whose time has run out, and writes when they were last seen, until the server
/// stops.
pub(crate) async fn keep(app: Arc<App>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = 0;
    loop {
        tokio::select! {
            () = app.stopping() => return,
            _ = tick.tick() => {}
        }
        app.presence.expire(Instant::now());
        ticks += 1;
        if ticks >= WRITE_TICKS {
            ticks = 0;
            app.presence.note_everybody(Instant::now());
            write(&app, app.presence.unwritten()).await;
        }
    }
}

/// The server stops: whoever is here was seen just now.
pub(crate) async fn write_everybody(app: &App) {
    let now = clock::now_ms();
    {
        let mut state = app.presence.lock();
        let here: Vec<UserId> = state.users.names().cloned().collect();
        here.iter().for_each(|user| state.ledger.seen(user, now));
    }
    write(app, app.presence.unwritten()).await;
}

impl Presence {
    /// Also those who stay are written, so that a crash makes nobody look gone for hours.
    pub(super) fn note_everybody(&self, now: Instant) {
        let mut state = self.lock();
        let State { users, ledger, .. } = &mut *state;
        users.signs(now).for_each(|(user, seen)| ledger.seen(user, time_of(seen, now)));
    }

    fn unwritten(&self) -> Vec<(UserId, i64)> {
        self.lock().ledger.all()
    }
}

async fn write(app: &App, mut seen: Vec<(UserId, i64)>) {
    while !seen.is_empty() {
        let rest = seen.split_off(seen.len().min(BATCH));
        if let Err(error) = app.store.put_last_seen(seen.clone()).await {
            // The next look tries again.
            tracing::warn!(%error, "when users were last seen could not be written");
            return;
        }
        // Not before: whoever asks the disk meanwhile does not find them there.
        app.presence.lock().ledger.written(&seen);
        seen = rest;
    }
}
