//! Accounts of this server's own, for who has no sign-in elsewhere: off unless asked for. What they bring is a token like
//! any other, with a session behind it. `password` hashes, `refresh` makes the tokens that bring the next ones,
//! `attempts` slows down who guesses. Nothing in here, no password and no token, ever stands in a log.

mod attempts;
pub(crate) mod password;
mod refresh;

use std::time::{Duration, Instant};

use tidewire_protocol::{
    ErrorCode, NewAccount, NewSession, PasswordChange, Profile, RefreshRequest, SessionId,
    SessionTokens, Sessions, UserId, WireError,
};
use uuid::Uuid;

use self::attempts::Attempts;
use self::password::Passwords;
use self::refresh::{RefreshKeys, RefreshToken};
use crate::app::App;
use crate::auth::{Keys, Verified};
use crate::clock;
use crate::config::AccountRules;
use crate::metrics::{Metrics, Refresh, SignIn};
use crate::store::accounts::{AccountRow, FIRST, NewSessionRow, Presented, Refreshed};
use crate::visitor::Visitor;

/// Accounts of this server's own.
pub(crate) struct Accounts {
    rules: AccountRules,
    passwords: Passwords,
    keys: RefreshKeys,
    pub(crate) attempts: Attempts,
}

impl Accounts {
    /// `shared` says whether other servers hear of attempts. Gives what is wrong with the rules.
    pub(crate) fn new(
        rules: AccountRules,
        keys: &Keys,
        metrics: &Metrics,
        shared: bool,
    ) -> Result<Self, String> {
        let passwords = Passwords::new(&rules, metrics.password_hashes())?;
        let keys = RefreshKeys::new(keys.secret());
        Ok(Self { rules, passwords, keys, attempts: Attempts::new(shared) })
    }

    /// Makes an account.
    pub(crate) async fn register(
        &self,
        app: &App,
        visitor: &Visitor,
        new: NewAccount,
    ) -> Result<Profile, WireError> {
        new.validate().map_err(|error| invalid(&error))?;
        // Also one that is refused: who asks for names is told whether they are taken.
        self.attempts.register(visitor.place(), Instant::now())?;
        let NewAccount { user, password, name } = new;
        let password = self.passwords.hash(password).await?;
        let profile = app.store.create_account(user, password, name).await?;
        app.metrics.account_made();
        Ok(profile)
    }

    /// Begins a session.
    pub(crate) async fn sign_in(
        &self,
        app: &App,
        visitor: &Visitor,
        new: NewSession,
    ) -> Result<SessionTokens, WireError> {
        new.validate().map_err(|error| invalid(&error))?;
        let NewSession { user, password, device } = new;
        let signed_in = self.prove(app, visitor, &user, password, async |account, rehashed| {
            self.begin(app, &user, device, account, rehashed).await
        });
        let signed_in = signed_in.await;
        app.metrics.signed_in(match &signed_in {
            Ok(_) => SignIn::Done,
            Err(error) if error.code == ErrorCode::WrongCredentials => SignIn::Wrong,
            Err(error) if error.code == ErrorCode::RateLimited => SignIn::Limited,
            Err(_) => SignIn::Failed,
        });
        let tokens = signed_in?;
        visitor.is_known();
        // One session more may have ended another one.
        app.tokens.revoked().look();
        Ok(tokens)
    }

    /// Does something that the password of an account is asked for. It costs an attempt unless the password is right,
    /// and as much time where there is no such account. `done` says no where the password was changed meanwhile.
    async fn prove<T>(
        &self,
        app: &App,
        visitor: &Visitor,
        user: &UserId,
        password: tidewire_protocol::SecretText,
        done: impl AsyncFnOnce(AccountRow, Option<String>) -> Result<Option<T>, WireError>,
    ) -> Result<T, WireError> {
        let attempt = self.attempts.begin(user, visitor.place(), Instant::now())?;
        let checked = async {
            let account = app.store.account(user.clone()).await?;
            let stored = account.as_ref().map(|account| account.password.clone());
            Ok::<_, WireError>((account, self.passwords.check(password, stored).await?))
        };
        let (account, checked) = match checked.await {
            Ok((account, checked)) => (account.filter(|_| checked.right), checked),
            Err(error) => {
                attempt.was_none(&self.attempts);
                return Err(error);
            }
        };
        let account = account.ok_or_else(wrong)?;
        attempt.was_none(&self.attempts);
        done(account, checked.rehashed).await?.ok_or_else(wrong)
    }

    async fn begin(
        &self,
        app: &App,
        user: &UserId,
        device: Option<String>,
        account: AccountRow,
        rehashed: Option<String>,
    ) -> Result<Option<SessionTokens>, WireError> {
        let id = SessionId::from_uuid(Uuid::now_v7());
        let refresh = self.keys.first(id)?;
        let row = NewSessionRow {
            id,
            user: user.clone(),
            device,
            hash: refresh.digest(),
            tokens_until: after(self.rules.token_ttl),
            expires_at: after(self.rules.session_ttl),
        };
        // Kept first: a token of a session that is none could never be taken back.
        if !app.store.begin_session(row, account.version, rehashed).await? {
            return Ok(None);
        }
        self.tokens(app, user.clone(), id, FIRST, &refresh).map(Some)
    }

    fn tokens(
        &self,
        app: &App,
        user: UserId,
        session: SessionId,
        generation: u32,
        refresh: &RefreshToken,
    ) -> Result<SessionTokens, WireError> {
        let ttl = self.rules.token_ttl;
        let (token, expires) = app.tokens.mint(&user, ttl, (session, generation))?;
        let expires_at = i64::try_from(expires.saturating_mul(1_000)).unwrap_or(i64::MAX);
        let refresh_token = self.keys.seal(refresh).into();
        Ok(SessionTokens { session, user, token: token.into(), expires_at, refresh_token })
    }

    /// Exchanges a refresh token for the next ones, or for the same again where its answer was lost.
    pub(crate) async fn refresh(
        &self,
        app: &App,
        visitor: &Visitor,
        request: RefreshRequest,
    ) -> Result<SessionTokens, WireError> {
        let spent = || {
            let text = "this refresh token is good for nothing, or not any more: sign in again";
            WireError::new(ErrorCode::TokenInvalid, text)
        };
        let Some(token) = self.keys.open(request.refresh_token.get()) else {
            app.metrics.refreshed(Refresh::Refused);
            return Err(visitor.failed(spent()));
        };
        self.attempts.refresh(token.session, Instant::now())?;
        let next = self.keys.next(&token);
        let presented = Presented {
            session: token.session,
            generation: token.generation,
            hash: token.digest(),
            next_hash: next.digest(),
            tokens_until: after(self.rules.token_ttl),
            expires_at: after(self.rules.session_ttl),
        };
        match app.store.refresh_session(presented).await? {
            Refreshed::Given { user, generation, again } => {
                app.metrics.refreshed(if again { Refresh::Again } else { Refresh::Next });
                visitor.is_known();
                self.tokens(app, user, token.session, generation, &next)
            }
            Refreshed::Reused(_) => {
                app.metrics.refreshed(Refresh::Reused);
                tracing::warn!(session = %token.session, "a refresh token came twice: its session has ended");
                app.taken_back().await?;
                Err(spent())
            }
            Refreshed::Unknown => {
                app.metrics.refreshed(Refresh::Refused);
                Err(visitor.failed(spent()))
            }
        }
    }

    /// Sets another password, and ends all sessions but that of the caller.
    pub(crate) async fn change_password(
        &self,
        app: &App,
        visitor: &Visitor,
        caller: Verified,
        change: PasswordChange,
    ) -> Result<(), WireError> {
        change.validate().map_err(|error| invalid(&error))?;
        let PasswordChange { password, new_password } = change;
        let (user, keep) = (caller.user, caller.session.map(|(id, _)| id));
        let changed = self.prove(app, visitor, &user, password, async |account, _| {
            let hash = self.passwords.hash(new_password).await?;
            let set = app.store.set_password(user.clone(), account.version, hash, keep).await?;
            Ok(set.then_some(()))
        });
        changed.await?;
        Ok(app.taken_back().await?)
    }
}

/// The sessions of the caller.
pub(crate) async fn list(app: &App, caller: Verified) -> Result<Sessions, WireError> {
    let current = caller.session.map(|(id, _)| id);
    let mut sessions = app.store.sessions(caller.user).await?;
    sessions.iter_mut().for_each(|session| session.current = Some(session.id) == current);
    Ok(Sessions { sessions })
}

/// Ends a session of a user's. What it speaks with is worth nothing when this returns.
pub(crate) async fn end(app: &App, user: UserId, id: SessionId) -> Result<(), WireError> {
    app.store.end_session(user, id).await?;
    Ok(app.taken_back().await?)
}

fn after(time: Duration) -> i64 {
    let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    clock::now_ms().saturating_add(time)
}

fn invalid(error: &tidewire_protocol::InvalidAccount) -> WireError {
    WireError::new(ErrorCode::InvalidContent, error.to_string())
}

/// What a caller hears whose password is wrong, and one who names nobody: the same.
fn wrong() -> WireError {
    let text = "there is no such account, or this is not its password";
    WireError::new(ErrorCode::WrongCredentials, text)
}
