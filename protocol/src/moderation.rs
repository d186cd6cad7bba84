//! Keeping order in groups: who is banned from one or may only read in it, and why; how often members may write.

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

/// That somebody may only read in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mute {
    /// Until when, in ms since 1970-01-01 UTC by the server's clock; absent where only somebody who keeps order
    /// ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

impl Mute {
    /// Whether it holds at a moment of the server's clock, in ms since 1970-01-01 UTC.
    pub fn holds_at(self, now: i64) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// `PUT /v1/rooms/{room}/mutes/{user}`: takes a member's word. Answers with the [`RoomState`](crate::RoomState).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MuteRequest {
    /// For how long, in ms from when the server takes it: 1 to a year of 366 days. Without it, until somebody who
    /// keeps order ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Why, for whoever may see the list of mutes: 1 byte to 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A mute that may not be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMute {
    /// Its reason may not be given.
    #[error(transparent)]
    Reason(#[from] InvalidReason),
    /// Its time is none, or too long.
    #[error("a mute is for 1 to {} ms, or without a time until it is lifted", limits::MUTE_MS)]
    Time,
}

impl MuteRequest {
    /// Whether its time and its reason may be given.
    ///
    /// # Errors
    /// [`InvalidMute`].
    pub fn validate(&self) -> Result<(), InvalidMute> {
        if self.for_ms.is_some_and(|time| !(1..=limits::MUTE_MS).contains(&time)) {
            return Err(InvalidMute::Time);
        }
        Ok(self.reason.as_deref().map_or(Ok(()), check_reason)?)
    }
}

/// The content of `member.muted`. Who did it is the event's sender.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MuteChange {
    /// Who may only read from here on.
    pub user: UserId,
    /// Until when.
    #[serde(flatten)]
    pub mute: Mute,
}

/// Somebody who may only read in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutedUser {
    /// Who may only read.
    pub user: UserId,
    /// Who did it.
    pub by: UserId,
    /// When, in ms since 1970-01-01 UTC.
    pub at: i64,
    /// Until when.
    #[serde(flatten)]
    pub mute: Mute,
    /// Why, if anything was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A page of those who may only read in a group, by user id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MutePage {
    /// At most 100.
    pub mutes: Vec<MutedUser>,
    /// How to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<UserId>,
}

/// How often a member may write: the body of `PUT /v1/rooms/{room}/slow_mode`, which answers with the
/// [`RoomState`](crate::RoomState), and the content of `room.slow_mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowMode {
    /// How long from one message of a member to the next, in ms: at most 6 hours; 0 for no time. Whatever changes
    /// a message counts for nothing, and those who keep order do not wait.
    pub interval_ms: u32,
}

/// A slow mode that is too slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a slow mode has at most {} ms", limits::SLOW_MODE_MS)]
pub struct InvalidSlowMode;

impl SlowMode {
    /// Whether it may be set.
    ///
    /// # Errors
    /// [`InvalidSlowMode`].
    pub fn validate(self) -> Result<(), InvalidSlowMode> {
        if self.interval_ms > limits::SLOW_MODE_MS { Err(InvalidSlowMode) } else { Ok(()) }
    }
}
