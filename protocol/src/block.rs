//! Whom a user has blocked: known to that user alone.

use serde::{Deserialize, Serialize};

use crate::{UserId, limits};

/// All whom a user has blocked: the answer to `GET /v1/blocks`, `PUT` and `DELETE /v1/blocks/{user}`, and what the
/// feed tells the user's other devices when it has changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlockList {
    /// Counts the changes; 0 before the first. A list of a higher version is the newer one.
    #[serde(default)]
    pub version: u64,
    /// Those who are blocked, by user id: at most 1,000.
    #[serde(default)]
    pub users: Vec<UserId>,
}

impl BlockList {
    /// Whether nothing has ever been changed: then no page tells of it.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether somebody is blocked.
    pub fn has(&self, user: &UserId) -> bool {
        self.users.binary_search(user).is_ok()
    }

    /// About how many bytes it takes as JSON.
    pub fn wire_bytes(&self) -> usize {
        40 + self.users.iter().map(|user| user.as_str().len() + 3).sum::<usize>()
    }
}

/// Somebody who may not be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// It is the user himself.
    #[error("nobody blocks himself")]
    Oneself,
    /// As many are blocked as may be.
    #[error("at most {} users are blocked: unblock somebody first", limits::BLOCKED_USERS)]
    TooMany,
}

/// The query of `PUT` and `DELETE /v1/blocks/{user}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BlockQuery {
    /// The version of the list that the change is to follow. If there is another one, nothing changes, and the answer
    /// has the list as it is. Each change that names one makes a new version, also where it changes nothing: so
    /// those before it come too late. Without it the change is made whatever there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}
