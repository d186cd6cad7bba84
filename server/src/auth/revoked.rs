//! Tokens that were taken back before their end: one by its id, all of a user's that were issued up to a moment, or those
//! of a session that has ended. The database keeps them; each server looks every second whether there are more, at once
//! where another one says so, and holds them in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tidewire_protocol::{ErrorCode, SessionId, UserId, WireError};
use tokio::sync::{Mutex, Notify, watch};

use super::Verified;
use crate::app::App;
use crate::clock;
use crate::store::{Store, StoreError};

/// How long a token may still be taken after it was revoked on another server, or by the command.
const LOOK: Duration = Duration::from_secs(1);

/// What is not to be believed any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The token with this id (`jti`).
    Token(String),
    /// All tokens of the user that were issued (`iat`) in this second or before, in seconds since 1970-01-01 UTC.
    /// Those that do not say when they were issued are among them.
    User {
        /// Whose.
        user: UserId,
        /// Up to when.
        until: u64,
    },
}

/// The time over which it stays the same which sessions have ended of late, in ms. So long at least, and twice that at
/// most, they are held beyond the end of their tokens: clocks differ, and a token may be given a moment after it was noted.
const HELD_MS: i64 = 60_000;
/// How often sessions are removed that are over.
const FORGET: Duration = Duration::from_secs(3_600);

/// Which revocations a server knows: their number, and the newest of them.
pub(crate) type Mark = (i64, i64);

#[derive(Debug, Default)]
struct Known {
    tokens: HashSet<String>,
    users: HashMap<UserId, u64>,
    sessions: HashSet<SessionId>,
}

/// The revocations that this server knows.
#[derive(Debug)]
pub(crate) struct Revoked {
    known: RwLock<Known>,
    /// What was read last, of tokens and of sessions. Held while reading: what is older never replaces what is newer.
    marks: Mutex<(Mark, Mark)>,
    /// How often something was added.
    changes: watch::Sender<u64>,
    /// Somebody says that there is something new.
    hint: Notify,
}

impl Revoked {
    /// Nothing, until [`Revoked::follow`].
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self {
            known: RwLock::default(),
            marks: Mutex::default(),
            changes: watch::Sender::new(0),
            hint: Notify::new(),
        })
    }

    /// Looks soon, and waits for nothing.
    pub(crate) fn look(&self) {
        self.hint.notify_one();
    }

    /// Whether a token is still good.
    ///
    /// # Errors
    /// [`ErrorCode::TokenInvalid`].
    pub(crate) fn check(&self, token: &Verified) -> Result<(), WireError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let by_id = token.id.as_ref().is_some_and(|id| known.tokens.contains(id));
        let by_user = known.users.get(&token.user).is_some_and(|until| token.issued <= *until);
        let by_session = token.session.is_some_and(|(id, _)| known.sessions.contains(&id));
        if by_id || by_user || by_session {
            let text = "this token was revoked: get another one";
            return Err(WireError::new(ErrorCode::TokenInvalid, text));
        }
        Ok(())
    }

    /// Hears when there is something new.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes in what the database has.
    pub(crate) async fn follow(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mut marks = self.marks.lock().await;
        let now = clock::now_ms();
        let tokens = store.revocations(marks.0).await?;
        let since = now - now.rem_euclid(HELD_MS) - HELD_MS;
        let sessions = store.ended_sessions(marks.1, since).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut news = false;
        if let Some((mark, all)) = tokens {
            known.tokens.clear();
            known.users.clear();
            for revocation in all {
                match revocation {
                    Revocation::Token(id) => {
                        known.tokens.insert(id);
                    }
                    Revocation::User { user, until } => {
                        let latest = known.users.entry(user).or_default();
                        *latest = until.max(*latest);
                    }
                }
            }
            (marks.0, news) = (mark, true);
        }
        if let Some((mark, all)) = sessions {
            let all: HashSet<SessionId> = all.into_iter().collect();
            news |= !all.is_subset(&known.sessions);
            known.sessions = all;
            marks.1 = mark;
        }
        drop(known);
        if news {
            self.changes.send_modify(|changes| *changes += 1);
        }
        Ok(())
    }
}

/// Looks for new ones until the server stops, and tells which tokens of sessions were shown here.
pub(crate) async fn keep(app: Arc<App>) {
    let mut forgot: Option<Instant> = None;
    loop {
        tokio::select! {
            () = app.stopping() => return,
            () = tokio::time::sleep(LOOK) => {}
            () = app.tokens.revoked().hint.notified() => {}
        }
        let store = app.store.as_ref();
        if let Err(error) = app.tokens.revoked().follow(store).await {
            tracing::warn!(%error, "revoked tokens could not be looked for");
        }
        let shown = app.tokens.shown().take();
        if !shown.is_empty()
            && let Err(error) = store.sessions_shown(shown).await
        {
            // Until the next generation a lost answer is given again, that is all.
            tracing::warn!(%error, "it could not be written which tokens were shown");
        }
        if forgot.is_none_or(|at| at.elapsed() >= FORGET) {
            forgot = Some(Instant::now());
            if let Err(error) = store.forget_sessions(clock::now_ms() - 3 * HELD_MS).await {
                tracing::warn!(%error, "sessions that are over could not be removed");
            }
        }
    }
}
