//! Reports, as far as no database is needed. The same for every store.

use sha2::{Digest, Sha256};
use tidewire_protocol::{
    Event, Report, ReportId, ReportReason, ReportRequest, Resolved, RoomId, UserId,
};

use super::{EventJson, StoreError};

/// A report as it is kept.
pub(crate) struct ReportRow {
    pub(crate) id: ReportId,
    pub(crate) room: RoomId,
    pub(crate) by: UserId,
    pub(crate) at: i64,
    pub(crate) user: UserId,
    pub(crate) event: Option<String>,
    pub(crate) reason: String,
    pub(crate) note: Option<String>,
    pub(crate) resolved: Option<(UserId, i64)>,
}

impl ReportRow {
    /// As those see it who keep order.
    pub(crate) fn report(self) -> Result<Report, StoreError> {
        let broken = |error| StoreError::Failed(format!("a copy of a message is none: {error}"));
        let event = self.event.as_deref().map(serde_json::from_str).transpose().map_err(broken)?;
        Ok(Report {
            id: self.id,
            room: self.room,
            by: self.by,
            at: self.at,
            user: self.user,
            event,
            reason: reason_of(&self.reason),
            note: self.note,
            resolved: self.resolved.map(|(by, at)| Resolved { by, at }),
        })
    }
}

fn reason_of(text: &str) -> ReportReason {
    use ReportReason::{Abuse, Illegal, Impersonation, Other, Spam};
    let named = [Spam, Abuse, Illegal, Impersonation].into_iter().find(|one| one.as_str() == text);
    named.unwrap_or(Other)
}

/// What the same report has in common, beside its id and who has made it.
pub(crate) fn hash_of(request: &ReportRequest) -> [u8; 32] {
    let mut hash = Sha256::new();
    let room = request.room.to_string();
    let event = request.event.map(|event| event.to_string()).unwrap_or_default();
    let user = request.user.as_ref().map_or("", UserId::as_str);
    let note = request.note.as_deref().unwrap_or_default();
    for part in [room.as_str(), &event, user, request.reason.as_str(), note] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether a report may be made, as far as it tells itself.
pub(crate) fn check_report(by: &UserId, request: &ReportRequest) -> Result<(), StoreError> {
    request.validate().map_err(|error| StoreError::InvalidContent(error.to_string()))?;
    if request.user.as_ref() == Some(by) {
        return Err(StoreError::InvalidContent("nobody reports himself".into()));
    }
    Ok(())
}

/// Of whom a report is: of the sender of its message, or of the one named. If both are named they have to be the same.
pub(crate) fn reported(
    by: &UserId,
    request: &ReportRequest,
    event: Option<&EventJson>,
) -> Result<UserId, StoreError> {
    let invalid = |text: &str| Err(StoreError::InvalidContent(text.into()));
    let sender = match event {
        Some(json) => {
            let event: Event = serde_json::from_str(json.get())
                .map_err(|error| StoreError::Failed(format!("an event is none: {error}")))?;
            Some(event.sender)
        }
        None => None,
    };
    match (sender, &request.user) {
        (Some(sender), Some(user)) if sender != *user => {
            invalid("the message is somebody else's than the user's")
        }
        (Some(sender), _) if sender == *by => invalid("nobody reports himself"),
        (Some(sender), _) => Ok(sender),
        (None, Some(user)) => Ok(user.clone()),
        (None, None) => invalid("a report is of a message or of a user"),
    }
}
