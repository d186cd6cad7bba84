//! Accounts and sessions as every store keeps them, and what becomes of a session when a refresh token comes.
//!
//! **A refresh token is used once**, and its generation says how often that was done before it. One that comes again is
//! either a repeat of a request whose answer was lost, or a copy in other hands. What tells them apart is whether
//! anybody has shown what that answer brought: as long as nobody has, the repeat gets the same answer, however late. So
//! a phone that lost the answer in a tunnel is not signed out, and a copy that comes after its owner went on ends
//! the session.

use async_trait::async_trait;
use tidewire_protocol::{Profile, Session, SessionId, UserId, limits};

use super::StoreError;
use crate::auth::Mark;

/// What a store keeps of accounts. Whatever changes several things does so as a whole.
#[async_trait]
pub(crate) trait AccountStore: Send + Sync {
    /// Makes an account and the profile that it begins with, unless there is such a user.
    async fn create_account(
        &self,
        user: UserId,
        password: String,
        name: Option<String>,
    ) -> Result<Profile, StoreError>;

    /// The account of a user.
    async fn account(&self, user: UserId) -> Result<Option<AccountRow>, StoreError>;

    /// Sets another password, and ends all sessions of the user but one. Gives whether it did: not if the password is
    /// not the one of `version` any more.
    async fn set_password(
        &self,
        user: UserId,
        version: i64,
        password: String,
        keep: Option<SessionId>,
    ) -> Result<bool, StoreError>;

    /// Begins a session by the password of `version`, and keeps that password as it was hashed anew, if it was. Those
    /// beyond the most that there may be end, the ones first that were used the longest ago. Gives whether it did: not
    /// if the password is another one by now.
    async fn begin_session(
        &self,
        new: NewSessionRow,
        version: i64,
        rehashed: Option<String>,
    ) -> Result<bool, StoreError>;

    /// Exchanges a refresh token, as [`Held::judge`] says.
    async fn refresh_session(&self, presented: Presented) -> Result<Refreshed, StoreError>;

    /// Ends a session of the user's. One that has ended or is none stays so.
    async fn end_session(&self, user: UserId, id: SessionId) -> Result<(), StoreError>;

    /// The sessions of a user that have not ended, those used last first. None of them is said to be the caller's.
    async fn sessions(&self, user: UserId) -> Result<Vec<Session>, StoreError>;

    /// Tokens of these generations were shown by whoever got them.
    async fn sessions_shown(&self, seen: Vec<(SessionId, u32)>) -> Result<(), StoreError>;

    /// All sessions that have ended and of which tokens held after `since` (ms), and the mark of them, unless it is the
    /// one that is known.
    async fn ended_sessions(
        &self,
        known: Mark,
        since: i64,
    ) -> Result<Option<(Mark, Vec<SessionId>)>, StoreError>;

    /// Removes sessions that are over, and whose tokens were so before that moment (ms).
    async fn forget_sessions(&self, before: i64) -> Result<(), StoreError>;
}

/// SHA-256 of a refresh token.
pub(crate) type Digest = [u8; 32];

/// The generation of the tokens that a session begins with.
pub(crate) const FIRST: u32 = 1;

/// What is kept of an account.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccountRow {
    /// The hash of the password, in the PHC string format.
    pub(crate) password: String,
    /// Which password it is: another number after each change, the same after it was hashed anew.
    pub(crate) version: i64,
}

impl std::fmt::Debug for AccountRow {
    /// Not even the hash stands in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccountRow({})", self.version)
    }
}

/// A session to begin.
#[derive(Debug, Clone)]
pub(crate) struct NewSessionRow {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) device: Option<String>,
    /// Of its first refresh token.
    pub(crate) hash: Digest,
    /// When its first token ends, in ms.
    pub(crate) tokens_until: i64,
    /// When its refresh token ends, in ms.
    pub(crate) expires_at: i64,
}

/// A refresh token that this server has given at some time, and what it is exchanged for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Presented {
    pub(crate) session: SessionId,
    pub(crate) generation: u32,
    pub(crate) hash: Digest,
    /// Of the one that follows it, which is always the same.
    pub(crate) next_hash: Digest,
    /// When the token ends that is given for it, in ms.
    pub(crate) tokens_until: i64,
    /// When the next refresh token ends, in ms.
    pub(crate) expires_at: i64,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// It was exchanged, now or before.
    Given {
        user: UserId,
        /// Of the tokens that it was exchanged for.
        generation: u32,
        /// Whether that was done before.
        again: bool,
    },
    /// It was used before, and somebody went on from there: the session has ended now.
    Reused(UserId),
    /// Its session is not there, or has ended.
    Unknown,
}

/// What a store has of a session when a refresh token comes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    pub(crate) generation: u32,
    pub(crate) hash: Digest,
    /// When the newest tokens were given first, in ms.
    pub(crate) given_at: i64,
    /// The newest generation of which a token was shown.
    pub(crate) shown: u32,
    pub(crate) expires_at: i64,
    pub(crate) ended: bool,
}

/// What is to be done with a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next generation begins.
    Next,
    /// The newest generation is given again.
    Again,
    /// The session ends.
    End,
    /// Nothing: it is good for nothing.
    Nothing,
}

impl Held {
    /// What is to be done with a refresh token that this server has given.
    pub(crate) fn judge(&self, presented: &Presented, now: i64) -> Verdict {
        if self.ended || self.expires_at <= now {
            return Verdict::Nothing;
        }
        // The database was set back to an earlier moment: whoever went on goes on.
        if presented.generation > self.generation {
            return Verdict::Next;
        }
        if presented.generation == self.generation {
            return if presented.hash == self.hash { Verdict::Next } else { Verdict::Nothing };
        }
        let is_previous = presented.next_hash == self.hash;
        let lost = self.shown < self.generation;
        let repeat = i64::try_from(limits::REFRESH_REPEAT_MS).unwrap_or(i64::MAX);
        let at_once = now.saturating_sub(self.given_at) < repeat;
        if is_previous && (lost || at_once) { Verdict::Again } else { Verdict::End }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const HOUR: i64 = 3_600_000;

    fn digest(generation: u32) -> Digest {
        [generation as u8; 32]
    }

    fn presented(generation: u32) -> Presented {
        Presented {
            session: SessionId::from_uuid(Uuid::nil()),
            generation,
            hash: digest(generation),
            next_hash: digest(generation + 1),
            tokens_until: 0,
            expires_at: 0,
        }
    }

    fn held(generation: u32, shown: u32) -> Held {
        let hash = digest(generation);
        Held { generation, hash, given_at: 0, shown, expires_at: 100 * HOUR, ended: false }
    }

    #[test]
    fn the_newest_begins_the_next_generation_until_the_session_ends() {
        assert_eq!(held(3, 3).judge(&presented(3), HOUR), Verdict::Next);
        assert_eq!(held(3, 0).judge(&presented(3), HOUR), Verdict::Next, "shown or not");
        let ended = Held { ended: true, ..held(3, 3) };
        assert_eq!(ended.judge(&presented(3), HOUR), Verdict::Nothing);
        assert_eq!(held(3, 3).judge(&presented(3), 100 * HOUR), Verdict::Nothing, "it is too old");
        let other = Presented { hash: digest(9), ..presented(3) };
        assert_eq!(held(3, 3).judge(&other, HOUR), Verdict::Nothing);
    }

    #[test]
    fn whoever_lost_the_answer_gets_it_again_however_late() {
        for late in [1, HOUR, 99 * HOUR] {
            assert_eq!(held(3, 2).judge(&presented(2), late), Verdict::Again, "{late}");
        }
    }

    #[test]
    fn a_copy_that_comes_after_its_owner_went_on_ends_the_session() {
        let repeat = limits::REFRESH_REPEAT_MS as i64;
        assert_eq!(held(3, 3).judge(&presented(2), repeat - 1), Verdict::Again, "two at once");
        assert_eq!(held(3, 3).judge(&presented(2), repeat), Verdict::End);
        // A generation further on there is nothing that could be given again.
        for now in [0, HOUR] {
            assert_eq!(held(3, 0).judge(&presented(1), now), Verdict::End);
        }
    }

    #[test]
    fn a_database_that_was_set_back_signs_nobody_out() {
        assert_eq!(held(3, 3).judge(&presented(5), HOUR), Verdict::Next);
    }
}
