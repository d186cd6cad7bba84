//! Promises about reports: a copy of what was said, for those who keep order.

use tidewire_protocol::{
    ErrorCode, EventId, MessageContent, ReportId, ReportReason, ReportRequest, ReportsQuery, Role,
    RoomId, WireError, limits,
};
use uuid::Uuid;

use super::{Fixture, delete, edit, error, message, reaction, user};
use crate::store::StoreError;

fn report(room: RoomId, event: Option<EventId>) -> ReportRequest {
    ReportRequest {
        id: ReportId::from_uuid(Uuid::now_v7()),
        room,
        event,
        user: event.is_none().then(|| user("bob")),
        reason: ReportReason::Spam,
        note: Some("again; '); DROP TABLE reports --".into()),
    }
}

const OPEN: ReportsQuery = ReportsQuery { after: None, all: false };
const ALL: ReportsQuery = ReportsQuery { after: None, all: true };

pub(super) async fn a_report_keeps_what_was_said_then(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let said = f.send(room, "bob", message("first")).await;
    f.send(room, "ada", reaction(said, "+", false)).await;
    let heads = f.store.heads().await.unwrap();
    let made = [report(room, Some(said)), report(room, Some(said)), report(room, None)];
    let taken = f.store.report(user("cyd"), made[0].clone()).await.unwrap();
    assert_eq!(f.store.heads().await.unwrap(), heads, "nobody hears of it");
    f.send(room, "bob", edit(said, "second")).await;
    f.store.report(user("ada"), made[1].clone()).await.unwrap();
    f.send(room, "bob", delete(said)).await;
    f.store.report(user("cyd"), made[2].clone()).await.unwrap();
    // A repeat is answered as the first time, whatever has happened since; another report has another id.
    assert_eq!(f.store.report(user("cyd"), made[0].clone()).await.unwrap(), taken);
    let other = ReportRequest { note: None, ..made[0].clone() };
    assert_eq!(error(f.store.report(user("cyd"), other).await), StoreError::IdTaken);
    assert_eq!(error(f.store.report(user("ada"), made[0].clone()).await), StoreError::IdTaken);
    let store = f.reopened().await;
    let reports = store.reports(room, user("ada"), OPEN).await.unwrap().reports;
    let ids: Vec<ReportId> = reports.iter().map(|report| report.id).collect();
    assert_eq!(ids, made.clone().map(|report| report.id));
    let text = |at: usize| {
        let event = reports[at].event.as_ref()?;
        Some(event.content.parse::<MessageContent>().unwrap().text)
    };
    assert_eq!([text(0), text(1), text(2)], [Some("first".into()), Some("second".into()), None]);
    let copy = reports[0].event.as_ref().unwrap();
    assert_eq!((copy.id, &copy.sender), (said, &user("bob")));
    assert_eq!(copy.fold.as_ref().unwrap().reactions.len(), 1, "with what hung on it");
    assert_eq!((&reports[0].by, &reports[0].user), (&user("cyd"), &user("bob")));
    assert_eq!((reports[0].room, reports[0].at), (room, taken.at));
    assert_eq!((reports[0].reason, &reports[0].note), (made[0].reason, &made[0].note));
    assert_eq!(reports[2].user, user("bob"));
}

pub(super) async fn only_members_report_what_they_can_see(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let elsewhere = f.group("ada", &["bob"]).await;
    let said = f.send(room, "bob", message("hi")).await;
    let other = f.send(elsewhere, "bob", message("there")).await;
    let refused = |name: &str, report: ReportRequest| f.store.report(user(name), report);
    assert_eq!(error(refused("eve", report(room, Some(said))).await), StoreError::NotAMember);
    let unknown = refused("cyd", report(room, Some(other))).await;
    assert_eq!(error(unknown), StoreError::UnknownMessage);
    for (name, wrong) in [
        ("bob", report(room, Some(said))),
        ("bob", report(room, None)),
        ("cyd", ReportRequest { user: None, ..report(room, None) }),
        ("cyd", ReportRequest { user: Some(user("ada")), ..report(room, Some(said)) }),
        ("cyd", ReportRequest { note: Some(String::new()), ..report(room, Some(said)) }),
    ] {
        let code = WireError::from(error(refused(name, wrong).await)).code;
        assert_eq!(code, ErrorCode::InvalidContent);
    }
    f.store.remove_member(room, user("ada"), user("cyd")).await.unwrap();
    assert_eq!(error(refused("cyd", report(room, Some(said))).await), StoreError::NotAMember);
    assert_eq!(f.store.reports(room, user("ada"), ALL).await.unwrap().reports, []);
}

pub(super) async fn only_who_keeps_order_sees_reports_and_ends_them(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd", "moe"]).await;
    f.store.set_role(room, user("ada"), user("moe"), Role::Moderator).await.unwrap();
    let made = report(room, None);
    f.store.report(user("cyd"), made.clone()).await.unwrap();
    for name in ["bob", "cyd"] {
        let refused = f.store.reports(room, user(name), OPEN).await;
        assert!(matches!(error(refused), StoreError::Forbidden(_)));
    }
    let refused = f.store.reports(room, user("eve"), OPEN).await;
    assert_eq!(error(refused), StoreError::NotAMember);
    for name in ["bob", "cyd", "eve"] {
        let refused = f.store.resolve_report(made.id, user(name)).await;
        assert_eq!(error(refused), StoreError::UnknownReport);
    }
    let nothing = ReportId::from_uuid(Uuid::now_v7());
    let refused = f.store.resolve_report(nothing, user("ada")).await;
    assert_eq!(error(refused), StoreError::UnknownReport);
    let done = f.store.resolve_report(made.id, user("moe")).await.unwrap();
    assert_eq!(done.resolved.as_ref().unwrap().by, user("moe"));
    assert_eq!(f.store.resolve_report(made.id, user("ada")).await.unwrap(), done);
    assert_eq!(f.store.reports(room, user("ada"), OPEN).await.unwrap().reports, []);
    assert_eq!(f.store.reports(room, user("ada"), ALL).await.unwrap().reports, [done]);
}

pub(super) async fn pages_of_reports_together_are_all_of_them(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let elsewhere = f.group("ada", &["bob", "cyd"]).await;
    let mut ids = Vec::new();
    for n in 0..limits::REPORTS_PAGE + 3 {
        let one = report(room, None);
        f.store.report(user("cyd"), one.clone()).await.unwrap();
        f.store.report(user("cyd"), report(elsewhere, None)).await.unwrap();
        match n {
            7 => drop(f.store.resolve_report(one.id, user("ada")).await.unwrap()),
            _ => ids.push(one.id),
        }
    }
    let first = f.store.reports(room, user("ada"), OPEN).await.unwrap();
    assert_eq!(first.reports.len(), limits::REPORTS_PAGE);
    let rest = ReportsQuery { after: first.next, all: false };
    let rest = f.store.reports(room, user("ada"), rest).await.unwrap();
    assert_eq!((rest.reports.len(), rest.next), (2, None));
    let told: Vec<ReportId> =
        first.reports.iter().chain(&rest.reports).map(|report| report.id).collect();
    assert_eq!(told, ids);
    let wrong = ReportsQuery { after: Some(ReportId::from_uuid(Uuid::now_v7())), all: false };
    let refused = f.store.reports(room, user("ada"), wrong).await;
    assert_eq!(error(refused), StoreError::BadPageToken);
}
