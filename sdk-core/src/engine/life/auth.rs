//! The token: fetched once, ahead of its expiry, never twice at a time.

use serde::{Deserialize, Serialize};
use tidewire_protocol::UserId;

use crate::engine::backoff::Backoff;
use crate::engine::effect::{Effect, Notice, Problem, RequestId};
use crate::engine::time::{Now, Timer};
use crate::engine::{Engine, Purpose};

/// What is known of a token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Whose it is, if it tells.
    pub user: Option<UserId>,
    /// When it expires, in ms since 1970-01-01 UTC, if it tells.
    pub expires_at: Option<i64>,
}

/// The app gave no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{0}")]
pub struct TokenError(pub String);

/// How far the way to a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenState {
    Missing,
    Fetching,
    Ready,
    /// [`Timer::Token`] tries again.
    Failed,
}

/// Whether there is a token.
#[derive(Debug)]
pub(crate) struct Auth {
    state: TokenState,
    backoff: Backoff,
    /// When the token expires by the wall clock, in ms, if it tells.
    expires_at: Option<i64>,
    /// Tokens in a row that the server did not take.
    rejected: u32,
    /// Counts the tokens: a refusal of an older one says nothing of the one in use.
    generation: u64,
}

/// A token is fetched this long before it expires, or after three quarters of a shorter life.
const AHEAD_MS: i64 = 60_000;

impl Auth {
    pub(crate) fn new() -> Self {
        Self {
            state: TokenState::Missing,
            backoff: Backoff::new(),
            expires_at: None,
            rejected: 0,
            generation: 0,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.state == TokenState::Ready
    }

    pub(crate) fn state(&self) -> TokenState {
        self.state
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.state == TokenState::Failed
    }

    /// The server took the token.
    pub(crate) fn accepted(&mut self) {
        self.rejected = 0;
        self.backoff.reset();
    }
}

impl Engine {
    /// The app's token provider has answered. Gives whether the token may be used: one of another
    /// user must not reach the server, where it would send what waits here under a wrong name.
    pub fn handle_token(&mut self, now: Now, token: Result<TokenInfo, TokenError>) -> bool {
        self.now = now;
        let mut usable = false;
        match token {
            Ok(TokenInfo { user: Some(user), .. }) if user != self.config.user => {
                self.wrong_user(user);
            }
            Ok(info) => {
                usable = true;
                self.auth.state = TokenState::Ready;
                self.auth.generation += 1;
                self.timers.disarm(Timer::Token);
                self.auth.expires_at = info.expires_at;
                self.arm_token_timer();
                self.refresh_socket_token();
                for (command, request) in std::mem::take(&mut self.awaiting_token) {
                    self.call(command, request, true);
                }
            }
            // The old one still serves: ask again before it expires.
            Err(_) if self.auth.state == TokenState::Ready => {
                let wait = self.auth.backoff.fail(None, &mut self.rng);
                self.timers.arm(Timer::Token, now.mono_ms + wait);
            }
            Err(error) => self.auth_failed(error.0),
        }
        self.advance();
        usable
    }

    /// A token is replaced ahead of its end.
    fn arm_token_timer(&mut self) {
        let life = self.auth.expires_at.map(|at| at.saturating_sub(self.now.wall_ms));
        // One that looks expired is good, or this clock is wrong: the server will tell.
        if let Some(life) = life.filter(|life| *life > 0) {
            let wait = (life - AHEAD_MS).max(life / 4 * 3).max(1_000);
            self.timers.arm(Timer::Token, self.now.mono_ms + wait.unsigned_abs());
        }
    }

    /// The app is suspended: nobody is asked any more.
    pub(crate) fn auth_rests(&mut self) {
        if self.auth.state == TokenState::Fetching {
            self.auth.state = TokenState::Missing;
        }
        for (command, _) in std::mem::take(&mut self.awaiting_token) {
            self.call_failed(command, crate::error::Error::Suspended);
        }
    }

    /// Timers stood still, or the token ended, while the app was suspended.
    pub(crate) fn auth_wakes(&mut self) {
        let ended = self.auth.expires_at.is_some_and(|at| at - AHEAD_MS <= self.now.wall_ms);
        match self.auth.state {
            TokenState::Ready if !ended => self.arm_token_timer(),
            _ => self.auth.state = TokenState::Missing,
        }
    }

    /// The server did not take the token. The first time another one is fetched at once, after
    /// that with growing delays: a provider that gives bad tokens must not be asked in a loop.
    pub(crate) fn token_rejected(&mut self, reason: &str) {
        if self.auth.state != TokenState::Ready {
            return;
        }
        self.auth.rejected += 1;
        if self.auth.rejected > 1 {
            self.auth_failed(reason.to_owned());
        } else {
            self.auth.state = TokenState::Missing;
        }
    }

    pub(crate) fn auth_failed(&mut self, reason: String) {
        self.auth.state = TokenState::Failed;
        let wait = self.auth.backoff.fail(None, &mut self.rng);
        self.timers.arm(Timer::Token, self.now.mono_ms + wait);
        for (command, _) in std::mem::take(&mut self.awaiting_token) {
            self.call_failed(command, crate::error::Error::AuthRequired(reason.clone()));
        }
        self.notify(Notice::Problem(Problem::AuthRequired { reason }));
    }

    pub(crate) fn token_due(&mut self) {
        match self.auth.state {
            TokenState::Failed => self.auth.state = TokenState::Missing,
            // Ahead of its expiry: the old one serves until the new one is there.
            TokenState::Ready if self.online() => self.effect(Effect::FetchToken),
            TokenState::Ready => self.auth.state = TokenState::Missing,
            TokenState::Missing | TokenState::Fetching => {}
        }
    }

    pub(crate) fn advance_auth(&mut self) {
        if !self.online() {
            // No call of the app waits for the network.
            for (command, _) in std::mem::take(&mut self.awaiting_token) {
                self.call_failed(command, crate::error::Error::Offline);
            }
        }
        if self.auth.state == TokenState::Missing && self.online() {
            self.auth.state = TokenState::Fetching;
            self.effect(Effect::FetchToken);
        }
    }

    /// Whether an answer means that the token is at fault; then it is dealt with.
    /// `generation` is that of the token that was sent.
    pub(crate) fn refused_token(
        &mut self,
        error: &tidewire_protocol::WireError,
        generation: u64,
    ) -> bool {
        let at_fault = error.code.status() == 401;
        if at_fault && generation == self.auth.generation {
            self.token_rejected(&error.to_string());
        }
        at_fault
    }

    /// Puts a command's call back until there is a token, unless it has been put back before.
    pub(crate) fn retry_with_token(&mut self, request: RequestId, error: &str) {
        // The handler of any other request has to hear of the refusal itself.
        let asked = self.requests.get(&request).map(|asked| &asked.purpose);
        if !matches!(asked, Some(Purpose::Call { .. })) {
            return;
        }
        let asked = self.requests.remove(&request).map(|asked| asked.purpose);
        let Some(Purpose::Call { command, request, again, .. }) = asked else { return };
        if again || self.auth.has_failed() {
            self.call_failed(command, crate::error::Error::AuthRequired(error.to_owned()));
        } else {
            self.call(command, *request, true);
        }
    }
}
