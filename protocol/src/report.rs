//! Reports: what a member tells those who keep order of somebody, with a copy of what was said.

use serde::{Deserialize, Serialize};

use crate::{Event, EventId, ReportId, RoomId, UserId, limits};

/// Why something is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportReason {
    /// Unwanted advertising, or the same again and again.
    Spam,
    /// Insults, threats, harassment.
    Abuse,
    /// What is against the law, or against the rules of the place.
    Illegal,
    /// Somebody passes for somebody else.
    Impersonation,
    /// Anything else: the note says what. Also a reason that this version does not know.
    #[serde(other)]
    Other,
}

impl ReportReason {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Abuse => "abuse",
            Self::Illegal => "illegal",
            Self::Impersonation => "impersonation",
            Self::Other => "other",
        }
    }
}

/// `POST /v1/reports`: tells those who keep order in a room of a message or of somebody there. Answers with
/// [`ReportTaken`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRequest {
    /// Its id, chosen by who reports: the same report again is the same one.
    pub id: ReportId,
    /// The room.
    pub room: RoomId,
    /// The message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// The user: needed without a message, else its sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// Why.
    pub reason: ReportReason,
    /// More of it: 1 byte to 1 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A report that may not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReport {
    /// It is of nobody and of nothing.
    #[error("a report is of a message or of a user")]
    OfNothing,
    /// Its note is empty or too long.
    #[error("a note has 1 to {} bytes", limits::REASON_BYTES)]
    Note,
}

impl ReportRequest {
    /// Whether it may be made, as far as it tells itself.
    ///
    /// # Errors
    /// [`InvalidReport`].
    pub fn validate(&self) -> Result<(), InvalidReport> {
        if self.event.is_none() && self.user.is_none() {
            return Err(InvalidReport::OfNothing);
        }
        let fits = |note: &String| (1..=limits::REASON_BYTES).contains(&note.len());
        if self.note.as_ref().is_none_or(fits) { Ok(()) } else { Err(InvalidReport::Note) }
    }
}

/// The answer to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTaken {
    /// The report.
    pub id: ReportId,
    /// When the server first took it, in ms since 1970-01-01 UTC.
    pub at: i64,
}

/// A report, for those who keep order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its id.
    pub id: ReportId,
    /// The room.
    pub room: RoomId,
    /// Who has made it.
    pub by: UserId,
    /// When, in ms since 1970-01-01 UTC.
    pub at: i64,
    /// Of whom.
    pub user: UserId,
    /// The message as it was then, folded: what becomes of it changes nothing here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
    /// Why.
    pub reason: ReportReason,
    /// More of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who has done with it, and when; absent while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
}

/// That a report is done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    /// By whom.
    pub by: UserId,
    /// When, in ms since 1970-01-01 UTC.
    pub at: i64,
}

/// The query of `GET /v1/rooms/{room}/reports`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReportsQuery {
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ReportId>,
    /// Whether those that are done with come, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// A page of the reports of a room, the oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportPage {
    /// At most 50.
    pub reports: Vec<Report>,
    /// How to get the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<ReportId>,
}
