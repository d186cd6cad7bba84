//! The app's lifecycle: the window that the background is, and the rest that `Suspended` asks for.
//!
//! At rest nothing is armed, nothing is on its way, and the store is released: iOS kills an app
//! that is suspended while it holds a lock on a file in a shared container (0xdead10cc), and
//! another process, an extension of the app, may use the folder meanwhile. So waking begins with
//! what is on disk, as a start does.

use tidewire_protocol::AppState;

use crate::config::millis;
use crate::defaults;
use crate::engine::command::Command;
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::effect::{CommandId, Effect, RequestError};
use crate::engine::time::{Now, Timer, Timers};
use crate::engine::{Engine, Phase};
use crate::error::Error;

/// Whether the engine rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    Awake,
    /// The store is being released.
    Settling,
    Asleep,
}

impl Engine {
    pub(crate) fn app_state_changed(&mut self, state: AppState) {
        let before = std::mem::replace(&mut self.signals.app_state, state);
        if before == state {
            return;
        }
        self.timers.disarm(Timer::Grace);
        self.signals.grace = false;
        if state == AppState::Suspended {
            self.fall_asleep();
            return;
        }
        if before == AppState::Suspended {
            self.wake();
        }
        match state {
            AppState::Foreground => {
                self.look_again();
                // Somebody looks.
                self.read_asked = true;
                return;
            }
            // A glance at another app is no reason to lose the socket: what is in the outbox goes
            // out on it, and at its end one poll reads what is left.
            _ if self.link.is_ready() || self.stream.is_open() => {
                self.signals.grace = true;
                let grace = millis(defaults::BACKGROUND_GRACE);
                self.timers.arm(Timer::Grace, self.now.mono_ms + grace);
            }
            _ => {}
        }
        // One look at the server.
        if self.calms_down(self.looked_at) {
            self.look_due = true;
        } else {
            self.looked_at = Some(self.now.mono_ms);
            self.poll_due = true;
        }
    }

    pub(crate) fn grace_over(&mut self) {
        self.signals.grace = false;
        self.poll_due = true;
    }

    /// Whether `Suspended` holds: no file is open, no timer armed, nothing on its way. True as
    /// well when the app is not suspended.
    pub fn is_settled(&self) -> bool {
        self.rest != Rest::Settling
    }

    /// Whether the app is suspended, so that nothing may be begun.
    pub fn rests(&self) -> bool {
        self.rest != Rest::Awake
    }

    fn fall_asleep(&mut self) {
        self.rest = Rest::Settling;
        self.close_link("the app is suspended");
        self.close_stream("the app is suspended");
        self.drop_uploads_on_their_way();
        let mut requests: Vec<_> = self.requests.keys().copied().collect();
        requests.sort_unstable();
        for id in requests {
            let error = RequestError::Network("the app is suspended".into());
            self.handle_response(self.now, id, Err(error));
        }
        self.auth_rests();
        self.profiles_rest();
        self.files_rest();
        self.forget_peers();
        self.forget_typing();
        // What is on disk may be another process's by the time of waking.
        self.loads.retain(|_, purpose| !matches!(purpose, LoadPurpose::Start));
        self.forget_receipts_asked();
        for (command, deferred) in std::mem::take(&mut self.deferred) {
            self.command_at_rest(command, deferred);
        }
        for refresh in std::mem::take(&mut self.refreshes) {
            self.reply(refresh.command, Err(Error::Suspended));
        }
        self.forget_health();
        self.release();
    }

    /// After all that the store was given before.
    fn release(&mut self) {
        self.releases += 1;
        self.effect(Effect::Release);
    }

    /// The store is released and what was on its way is gone.
    pub fn handle_released(&mut self, now: Now) {
        self.now = now;
        self.releases = self.releases.saturating_sub(1);
        // One of an earlier rest says nothing: the files were opened again since.
        if self.rest == Rest::Settling && self.releases == 0 {
            if self.loads.is_empty() && self.commits.is_empty() {
                self.rest = Rest::Asleep;
            } else {
                // What came of an answer was given behind it, and opens the files again.
                self.release();
            }
        }
        self.advance();
    }

    fn wake(&mut self) {
        self.rest = Rest::Awake;
        self.phase = Phase::Loading;
        self.sync = None;
        self.boot = None;
        self.http_backoff.reset();
        self.ops_backoff.reset();
        self.link_backoff.reset();
        self.stream_backoff.reset();
        self.retry_files();
        self.auth_wakes();
        // The server's slots stand: the crowd that they spread did not sleep.
        if self.now.mono_ms < self.http_slot_until {
            self.timers.arm(Timer::HttpRetry, self.http_slot_until);
        }
        if self.now.mono_ms < self.link_slot_until {
            self.timers.arm(Timer::SocketRetry, self.link_slot_until);
        }
        if self.now.mono_ms < self.ops_slot_until {
            self.timers.arm(Timer::OpsRetry, self.ops_slot_until);
        }
        self.uploads_wake();
        self.load_start();
    }

    /// Whatever was armed meanwhile: at rest nothing fires.
    pub(crate) fn keep_resting(&mut self) {
        self.timers = Timers::default();
    }

    /// What a resting engine can answer: from memory, and nothing else.
    pub(crate) fn command_at_rest(&mut self, id: CommandId, command: Command) {
        match command {
            Command::CloseTimeline(timeline) => self.close_timeline(timeline),
            Command::CloseRoomList(list) => self.close_list(list),
            Command::CloseDownload(download) => self.close_download(download),
            Command::Stats | Command::Budget | Command::Presence(_) | Command::Typists(_) => {
                self.command(id, command);
            }
            Command::Profiles(_) => {
                self.command(id, command);
                self.profiles_rest();
            }
            // Before the first load nothing is known of them.
            Command::Rooms | Command::Draft(_) | Command::UnreadTotal if self.loaded_once => {
                self.command(id, command);
            }
            // Its reader takes nothing but the reset: it gets one on waking.
            Command::ResetTimeline(_) | Command::ResetRoomList(_) | Command::ShowRooms { .. } => {
                self.deferred.push((id, command));
            }
            _ => self.reply(id, Err(Error::Suspended)),
        }
    }
}
