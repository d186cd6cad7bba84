//! What is told those who keep order in a room.

use std::sync::Arc;

use tidewire::{EventId, ReportId, UserId};

use crate::cancel::{CancelToken, or_cancelled};
use crate::client::Client;
use crate::error::TidewireError;
use crate::message::Message;
use crate::runtime::{finish, run};

/// Why something is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ReportReason {
    /// Unwanted advertising, or the same again and again.
    Spam,
    /// Insults, threats, harassment.
    Abuse,
    /// What is against the law, or against the rules of the place.
    Illegal,
    /// Somebody passes for somebody else.
    Impersonation,
    /// Anything else: the note says what.
    Other,
}

/// A report, for those who keep order.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Report {
    /// Its id.
    pub id: String,
    /// Who has made it.
    pub by: String,
    /// When: ms since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Of whom.
    pub user: String,
    /// The message as it was then: what becomes of it changes nothing here.
    pub message: Option<Message>,
    /// Why.
    pub reason: ReportReason,
    /// More of it.
    pub note: Option<String>,
    /// Who has done with it; none while it is open.
    pub resolved_by: Option<String>,
    /// When that was: ms since 1970-01-01 UTC.
    pub resolved_at_ms: Option<i64>,
}

/// A page of the reports of a room.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ReportPage {
    /// At most 50, the oldest first.
    pub reports: Vec<Report>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

#[uniffi::export]
impl Client {
    /// Tells those who keep order in the room, and whoever runs the server, of a message, and gives when the server first
    /// took it: ms since 1970-01-01 UTC. The same report again is the same one. Goes on if the caller gives up. Waits
    /// for the network.
    ///
    /// # Errors
    /// `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`.
    pub async fn report(
        &self,
        room: String,
        message: String,
        reason: ReportReason,
        note: Option<String>,
    ) -> Result<i64, TidewireError> {
        let (room, message) = (self.room(&room)?, message.parse::<EventId>()?);
        finish(async move { Ok(room.report(message, reason.into(), note).await?.at) }).await
    }

    /// The same of somebody in the room, without a message.
    ///
    /// # Errors
    /// As for `report`.
    pub async fn report_user(
        &self,
        room: String,
        user: String,
        reason: ReportReason,
        note: Option<String>,
    ) -> Result<i64, TidewireError> {
        let (room, user) = (self.room(&room)?, UserId::new(user)?);
        finish(async move { Ok(room.report_user(user, reason.into(), note).await?.at) }).await
    }

    /// A page of the reports of a room, the oldest first: those that are open, or all. `after` is the `next` of the page
    /// before it. Owners and moderators may. Waits for the network.
    ///
    /// # Errors
    /// As for `members`.
    pub async fn reports(
        &self,
        room: String,
        after: Option<String>,
        all: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ReportPage, TidewireError> {
        let room = self.room(&room)?;
        let after = after.map(|after| after.parse::<ReportId>()).transpose()?;
        run(async move {
            let page = async { Ok(room.reports(after, all).await?.into()) };
            or_cancelled(cancel.as_deref(), page).await
        })
        .await
    }

    /// Says that a report is done with, and gives it as it is now; who has said so first stays. Who may see it may. Goes
    /// on if the caller gives up. Waits for the network.
    ///
    /// # Errors
    /// As for `report`.
    pub async fn resolve_report(
        &self,
        room: String,
        report: String,
    ) -> Result<Report, TidewireError> {
        let (room, report) = (self.room(&room)?, report.parse::<ReportId>()?);
        finish(async move { Ok(room.resolve_report(report).await?.into()) }).await
    }
}

impl From<ReportReason> for tidewire::ReportReason {
    fn from(reason: ReportReason) -> Self {
        match reason {
            ReportReason::Spam => Self::Spam,
            ReportReason::Abuse => Self::Abuse,
            ReportReason::Illegal => Self::Illegal,
            ReportReason::Impersonation => Self::Impersonation,
            ReportReason::Other => Self::Other,
        }
    }
}

impl From<tidewire::ReportReason> for ReportReason {
    fn from(reason: tidewire::ReportReason) -> Self {
        match reason {
            tidewire::ReportReason::Spam => Self::Spam,
            tidewire::ReportReason::Abuse => Self::Abuse,
            tidewire::ReportReason::Illegal => Self::Illegal,
            tidewire::ReportReason::Impersonation => Self::Impersonation,
            tidewire::ReportReason::Other => Self::Other,
        }
    }
}

impl From<tidewire::Report> for Report {
    fn from(report: tidewire::Report) -> Self {
        let message = report.event.map(tidewire::Message::from);
        let resolved = report.resolved;
        Self {
            id: report.id.to_string(),
            by: report.by.to_string(),
            at_ms: report.at,
            user: report.user.to_string(),
            message: message.as_ref().map(Message::from),
            reason: report.reason.into(),
            note: report.note,
            resolved_at_ms: resolved.as_ref().map(|resolved| resolved.at),
            resolved_by: resolved.map(|resolved| resolved.by.to_string()),
        }
    }
}

impl From<tidewire::ReportPage> for ReportPage {
    fn from(page: tidewire::ReportPage) -> Self {
        let next = page.next.map(|next| next.to_string());
        Self { reports: page.reports.into_iter().map(Report::from).collect(), next }
    }
}
