//! What members of the model server's rooms have reported.

use tidewire_protocol::{
    ErrorCode, Report, ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, Resolved,
    RoomId, UserId, WireError, limits,
};

use super::server::{ModelServer, not_a_member};

fn invalid(text: impl Into<String>) -> WireError {
    WireError::new(ErrorCode::InvalidContent, text)
}

impl ModelServer {
    /// Takes a member's report, with a copy of the message.
    pub(super) fn take_report(
        &mut self,
        by: &UserId,
        request: ReportRequest,
    ) -> Result<ReportTaken, WireError> {
        request.validate().map_err(|error| invalid(error.to_string()))?;
        if request.user.as_ref() == Some(by) {
            return Err(invalid("nobody reports himself"));
        }
        let known = self.reports.iter().find(|(asked, _)| asked.id == request.id);
        if let Some((asked, report)) = known {
            return match *asked == request && report.by == *by {
                true => Ok(ReportTaken { id: report.id, at: report.at }),
                false => Err(WireError::new(ErrorCode::IdTaken, "another report's id")),
            };
        }
        if !self.seen_by(by, request.room)?.0.has(by) {
            return Err(not_a_member());
        }
        let event = match request.event {
            Some(id) => self.message(by, request.room, id)?.messages.pop(),
            None => None,
        };
        let sender = event.as_ref().map(|event| event.sender.clone());
        let user = match (sender, request.user.clone()) {
            (Some(sender), Some(user)) if sender != user => {
                return Err(invalid("the message is somebody else's"));
            }
            (Some(sender), _) if sender == *by => return Err(invalid("nobody reports himself")),
            (Some(user), _) | (None, Some(user)) => user,
            (None, None) => return Err(invalid("a report is of a message or of a user")),
        };
        let (id, at, room) = (request.id, self.clock, request.room);
        let (reason, note) = (request.reason, request.note.clone());
        let (by, resolved) = (by.clone(), None);
        self.reports
            .push((request, Report { id, room, by, at, user, event, reason, note, resolved }));
        Ok(ReportTaken { id, at })
    }

    /// A page of the reports of a room.
    pub(super) fn reports_of(
        &self,
        by: &UserId,
        room: RoomId,
        query: ReportsQuery,
    ) -> Result<ReportPage, WireError> {
        let (log, member) = self.seen_by(by, room)?;
        if !log.has(by) {
            return Err(not_a_member());
        }
        if !member.role.moderates() {
            return Err(WireError::new(ErrorCode::Forbidden, "only who keeps order may do this"));
        }
        let all = self.reports.iter().map(|(_, report)| report).filter(|one| one.room == room);
        let mut all = all.peekable();
        if let Some(after) = query.after {
            while all.peek().is_some_and(|one| one.id != after) {
                all.next();
            }
            if all.next().is_none() {
                return Err(WireError::new(ErrorCode::BadRequest, "no such page"));
            }
        }
        let wanted = all.filter(|one| query.all || one.resolved.is_none());
        let mut reports: Vec<Report> = wanted.take(limits::REPORTS_PAGE + 1).cloned().collect();
        let more = reports.len() > limits::REPORTS_PAGE;
        reports.truncate(limits::REPORTS_PAGE);
        let next = reports.last().filter(|_| more).map(|report| report.id);
        Ok(ReportPage { reports, next })
    }

    /// Says that a report is done with.
    pub(super) fn resolve_report(
        &mut self,
        by: &UserId,
        id: ReportId,
    ) -> Result<Report, WireError> {
        let unknown = || WireError::new(ErrorCode::UnknownReport, "there is no such report");
        let at = self.reports.iter().position(|(asked, _)| asked.id == id).ok_or_else(unknown)?;
        let room = self.reports[at].1.room;
        self.moderated_by(by, room).map_err(|_| unknown())?;
        let (by, now) = (by.clone(), self.clock);
        let report = &mut self.reports[at].1;
        report.resolved.get_or_insert(Resolved { by, at: now });
        Ok(report.clone())
    }
}
