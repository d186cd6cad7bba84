//! One look at the server and out again: for the moments that a system grants to an app in the
//! background.

use crate::engine::Engine;
use crate::engine::command::{Refreshed, Reply};
use crate::engine::effect::CommandId;
use crate::error::Error;

/// A refresh that is under way.
#[derive(Debug)]
pub(crate) struct Refresh {
    pub(crate) command: CommandId,
    /// Events that were known when it began.
    events: u64,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// What is on its way was asked for before this began, and may not hold what it is about.
    Due,
    Asked,
    /// The feed has been read to its end.
    Read,
}

impl Engine {
    pub(crate) fn refresh(&mut self, command: CommandId) {
        if !self.online() {
            self.reply(command, Err(Error::Offline));
            return;
        }
        let events = self.stats.events;
        self.refreshes.push(Refresh { command, events, stage: Stage::Due });
        self.poll_due = true;
        self.read_asked = true;
    }

    pub(crate) fn refreshes_asked(&mut self) {
        for refresh in &mut self.refreshes {
            if refresh.stage == Stage::Due {
                refresh.stage = Stage::Asked;
            }
        }
    }

    /// The answer to a poll was the last page for now.
    pub(crate) fn refreshes_read(&mut self) {
        for refresh in &mut self.refreshes {
            if refresh.stage == Stage::Asked {
                refresh.stage = Stage::Read;
            }
        }
    }

    /// Answers the refreshes that are done: everything is read and on disk, and nothing that can
    /// be sent waits.
    pub(crate) fn settle_refreshes(&mut self) {
        if self.refreshes.is_empty() || self.page_in_flight() {
            return;
        }
        if self.outbox.has_work() || self.uploads.has_work() {
            return;
        }
        // Where the feed is pushed, nothing is ever behind.
        let pushed = self.link.is_ready() && self.link.pushes() || self.stream.is_open();
        let done = |refresh: &Refresh| pushed || refresh.stage == Stage::Read;
        let (done, going): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.refreshes).into_iter().partition(done);
        self.refreshes = going;
        for refresh in done {
            let refreshed = Refreshed {
                complete: true,
                new_events: self.stats.events.saturating_sub(refresh.events),
                pending: self.outbox.len(),
            };
            self.reply(refresh.command, Ok(Reply::Refreshed(refreshed)));
        }
    }
}
