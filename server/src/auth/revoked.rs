//! Tokens that were taken back before their end: one by its id, or all of a user's that were issued up to a moment.
//! The database keeps them; each server looks every second whether there are more, and holds them in memory.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tidewire_protocol::{ErrorCode, UserId, WireError};
use tokio::sync::watch;

use super::Verified;
use crate::app::App;
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

/// Which revocations a server knows: their number, and the newest of them.
pub(crate) type Mark = (i64, i64);

#[derive(Debug, Default)]
struct Known {
    tokens: HashSet<String>,
    users: HashMap<UserId, u64>,
}

/// The revocations that this server knows.
#[derive(Debug)]
pub(crate) struct Revoked {
    known: RwLock<Known>,
    mark: watch::Sender<Mark>,
}

impl Revoked {
    /// Nothing, until [`Revoked::follow`].
    pub(crate) fn none() -> Arc<Self> {
        Arc::new(Self { known: RwLock::default(), mark: watch::Sender::new((0, 0)) })
    }

    /// Whether a token is still good.
    ///
    /// # Errors
    /// [`ErrorCode::TokenInvalid`].
    pub(crate) fn check(&self, token: &Verified) -> Result<(), WireError> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let by_id = token.id.as_ref().is_some_and(|id| known.tokens.contains(id));
        let by_user = known.users.get(&token.user).is_some_and(|until| token.issued <= *until);
        if by_id || by_user {
            let text = "this token was revoked: get another one";
            return Err(WireError::new(ErrorCode::TokenInvalid, text));
        }
        Ok(())
    }

    /// Hears when there is something new.
    pub(crate) fn changes(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
    }

    /// Takes in what the database has.
    pub(crate) async fn follow(&self, store: &dyn Store) -> Result<(), StoreError> {
        let mark = *self.mark.borrow();
        let Some((mark, all)) = store.revocations(mark).await? else { return Ok(()) };
        let mut known = Known::default();
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
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = known;
        self.mark.send_replace(mark);
        Ok(())
    }
}

/// Looks for new ones until the server stops.
pub(crate) async fn keep(app: Arc<App>) {
    loop {
        tokio::select! {
            () = app.stopping() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(error) = app.tokens.revoked().follow(app.store.as_ref()).await {
            tracing::warn!(%error, "revoked tokens could not be looked for");
        }
    }
}
