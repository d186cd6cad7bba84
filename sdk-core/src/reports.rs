//! What is told those who keep order in a room, as an app sees it.

use sha2::{Digest, Sha256};
use tidewire_protocol::{
    EventId, Report, ReportId, ReportPage, ReportReason, ReportRequest, ReportTaken, ReportsQuery,
    UserId,
};

use crate::engine::{Command, Reply};
use crate::error::Error;
use crate::room::Room;

impl Room {
    /// Tells those who keep order in the room, and whoever runs the server, of a message. The server keeps a copy of it
    /// as it is now: whatever is edited or deleted later changes nothing of the report. The note, 1 byte to 1 KiB, is
    /// for them alone; who is reported hears nothing. The same report again is the same one, so that after
    /// [`Error::Network`] it may be made again. Waits for the network: without one, it is for the app to ask again.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Network`], [`Error::AuthRequired`], [`Error::Refused`], [`Error::Closed`].
    pub async fn report(
        &self,
        message: EventId,
        reason: ReportReason,
        note: Option<String>,
    ) -> Result<ReportTaken, Error> {
        self.make_report(Some(message), None, reason, note).await
    }

    /// The same of somebody in the room, without a message.
    ///
    /// # Errors
    /// As for [`Room::report`].
    pub async fn report_user(
        &self,
        user: UserId,
        reason: ReportReason,
        note: Option<String>,
    ) -> Result<ReportTaken, Error> {
        self.make_report(None, Some(user), reason, note).await
    }

    async fn make_report(
        &self,
        event: Option<EventId>,
        user: Option<UserId>,
        reason: ReportReason,
        note: Option<String>,
    ) -> Result<ReportTaken, Error> {
        let nil = ReportId::from_uuid(uuid::Uuid::nil());
        let unnamed = ReportRequest { id: nil, room: self.id(), event, user, reason, note };
        let id = id_of(self.client().user(), &unnamed);
        let command = Command::Report(ReportRequest { id, ..unnamed });
        match self.client().asker().ask(command).await? {
            Reply::Reported(taken) => Ok(taken),
            other => Err(self.client().asker().unexpected(&other)),
        }
    }

    /// A page of at most 50 reports of the room, the oldest first, and where the next one begins: those that are open,
    /// or all. Owners and moderators of groups may; who has reported is named. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::report`].
    pub async fn reports(&self, after: Option<ReportId>, all: bool) -> Result<ReportPage, Error> {
        let query = ReportsQuery { after, all };
        match self.client().asker().ask(Command::Reports(self.id(), query)).await? {
            Reply::Reports(page) => Ok(page),
            other => Err(self.client().asker().unexpected(&other)),
        }
    }

    /// Says that a report is done with; who has said so first stays. Who may see it may. Waits for the network.
    ///
    /// # Errors
    /// As for [`Room::report`].
    pub async fn resolve_report(&self, report: ReportId) -> Result<Report, Error> {
        match self.client().asker().ask(Command::ResolveReport(report)).await? {
            Reply::Report(report) => Ok(*report),
            other => Err(self.client().asker().unexpected(&other)),
        }
    }
}

/// An id that the same report always has: its digest, as a UUID of version 8.
fn id_of(by: &UserId, report: &ReportRequest) -> ReportId {
    let mut hash = Sha256::new();
    let room = report.room.to_string();
    let event = report.event.map(|event| event.to_string()).unwrap_or_default();
    let user = report.user.as_ref().map_or("", UserId::as_str);
    let note = report.note.as_deref().unwrap_or_default();
    let parts = [by.as_str(), &room, &event, user, report.reason.as_str(), note];
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    ReportId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_report_has_the_same_id_and_another_one_has_not() {
        let user = |name: &str| UserId::new(name).unwrap();
        let report = |note: &str| ReportRequest {
            id: ReportId::from_uuid(uuid::Uuid::nil()),
            room: tidewire_protocol::RoomId::from_uuid(uuid::Uuid::from_u128(7)),
            event: None,
            user: Some(user("mallory")),
            reason: ReportReason::Spam,
            note: Some(note.into()),
        };
        let id = id_of(&user("ada"), &report("again"));
        assert_eq!(id, id_of(&user("ada"), &report("again")));
        assert_ne!(id, id_of(&user("bob"), &report("again")));
        assert_ne!(id, id_of(&user("ada"), &report("and again")));
        assert_eq!(id.uuid().get_version_num(), 8);
    }
}
