//! Keeping order in groups: who is banned from one, and why.

use serde::{Deserialize, Serialize};

use crate::{UserId, limits};

/// `PUT /v1/rooms/{room}/bans/{user}`: sends a user away, if he is in, and keeps him out. Answers with the
/// [`RoomState`](crate::RoomState).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BanRequest {
    /// Why, for whoever may see the list of bans: 1 byte to 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl BanRequest {
    /// Whether its reason may be given.
    ///
    /// # Errors
    /// [`InvalidReason`].
    pub fn validate(&self) -> Result<(), InvalidReason> {
        self.reason.as_deref().map_or(Ok(()), check_reason)
    }
}

/// A reason that may not be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reason has 1 to {} bytes", limits::REASON_BYTES)]
pub struct InvalidReason;

fn check_reason(reason: &str) -> Result<(), InvalidReason> {
    let fits = (1..=limits::REASON_BYTES).contains(&reason.len());
    if fits { Ok(()) } else { Err(InvalidReason) }
}

/// Somebody who is kept out of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Who is kept out.
    pub user: UserId,
    /// Who did it.
    pub by: UserId,
    /// When, in ms since 1970-01-01 UTC.
    pub at: i64,
    /// Why, if anything was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A page of those who are kept out of a group, by user id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanPage {
    /// At most 100.
    pub bans: Vec<Ban>,
    /// How to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}
