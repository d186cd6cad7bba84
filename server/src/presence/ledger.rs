//! When somebody was last seen: all that is written of presence. Those who came or went since the
//! last look are written together, once a minute, so that nobody is written more often.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidewire_protocol::UserId;
use tokio::time::MissedTickBehavior;

use super::Presence;
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

    fn take(&mut self) -> Vec<(UserId, i64)> {
        std::mem::take(&mut self.unwritten).into_iter().collect()
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
    fn unwritten(&self) -> Vec<(UserId, i64)> {
        self.lock().ledger.take()
    }
}

async fn write(app: &App, mut seen: Vec<(UserId, i64)>) {
    while !seen.is_empty() {
        let rest = seen.split_off(seen.len().min(BATCH));
        // A help, not a promise: what is lost is written when the user comes or goes again.
        if let Err(error) = app.store.put_last_seen(seen).await {
            tracing::warn!(%error, "when users were last seen could not be written");
            return;
        }
        seen = rest;
    }
}
