//! What an app may ask for beside sending: what a failure means for those behind, and how long there
//! is time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What becomes of what was sent after a message of the same room, if that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It waits until the failed one was sent again or discarded, so that nothing overtakes it.
    #[default]
    Hold,
    /// It goes on.
    Skip,
}

/// How something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SendOptions {
    /// What a failure means for those behind it.
    pub on_failure: OnFailure,
    /// What has not been sent after this time fails as
    /// [`FailReason::Expired`](crate::FailReason::Expired). Without it there is no such time. Kept in
    /// ms.
    pub expires_after: Option<Duration>,
    /// Of a message with files: whether those behind it wait until its files are uploaded. Unless told,
    /// they overtake it, and it takes its place when it leaves.
    pub ordered: bool,
}

impl SendOptions {
    /// The time there is, in ms.
    pub(crate) fn expires_after_ms(&self) -> Option<i64> {
        self.expires_after.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
    }
}
