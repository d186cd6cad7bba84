//! Reports: what is kept of a message, and who sees it.

use tidewire::engine::{Request, RequestError, Response};
use tidewire::{
    ErrorCode, EventId, EventKind, MessageContent, Report, ReportId, ReportPage, ReportReason,
    ReportTaken, Role, RoomId, RoomKind,
};
use tidewire_protocol::{DeleteContent, EditContent, ReportRequest, ReportsQuery, RoleUpdate};
use uuid::Uuid;

use super::changes::of;
use super::{Served, code, group, op, remove, talk, try_create, try_send, user};

fn report(room: RoomId, event: Option<EventId>) -> ReportRequest {
    ReportRequest {
        id: ReportId::from_uuid(Uuid::now_v7()),
        room,
        event,
        user: event.is_none().then(|| user("bob")),
        reason: ReportReason::Abuse,
        note: Some("he insults us".into()),
    }
}

async fn take(
    server: &mut impl Served,
    by: &str,
    report: &ReportRequest,
) -> Result<ReportTaken, RequestError> {
    match server.request(by, Request::Report(report.clone())).await? {
        Response::ReportTaken(taken) => Ok(taken),
        other => panic!("{other:?}"),
    }
}

async fn page(
    server: &mut impl Served,
    by: &str,
    room: RoomId,
    query: ReportsQuery,
) -> Result<ReportPage, RequestError> {
    match server.request(by, Request::Reports(room, query)).await? {
        Response::Reports(page) => Ok(page),
        other => panic!("{other:?}"),
    }
}

async fn open(server: &mut impl Served, by: &str, room: RoomId) -> Vec<Report> {
    page(server, by, room, ReportsQuery::default()).await.unwrap().reports
}

async fn resolve(server: &mut impl Served, by: &str, id: ReportId) -> Result<Report, RequestError> {
    match server.request(by, Request::ResolveReport(id)).await? {
        Response::Report(report) => Ok(*report),
        other => panic!("{other:?}"),
    }
}

pub(super) async fn a_report_keeps_what_was_said_whatever_becomes_of_it(server: &mut impl Served) {
    let room = group(server, "ada", &["bob", "cyd"]).await;
    let said = op("you fool");
    try_send(server, "bob", room, vec![said.clone()]).await.unwrap();
    let first = report(room, Some(said.id));
    let taken = take(server, "cyd", &first).await.unwrap();
    assert_eq!(taken, take(server, "cyd", &first).await.unwrap(), "it is one report");
    let content = MessageContent::of_text("you friend");
    let edit = of(EventKind::Edit, &EditContent { target: said.id, content });
    try_send(server, "bob", room, vec![edit]).await.unwrap();
    let second = report(room, Some(said.id));
    take(server, "cyd", &second).await.unwrap();
    let gone = of(EventKind::Delete, &DeleteContent { target: said.id });
    try_send(server, "bob", room, vec![gone]).await.unwrap();
    let reports = open(server, "ada", room).await;
    let texts: Vec<String> = reports
        .iter()
        .map(|one| one.event.as_ref().unwrap().content.parse::<MessageContent>().unwrap().text)
        .collect();
    assert_eq!(texts, ["you fool", "you friend"]);
    let Report { id, by, at, user: of_whom, reason, note, resolved, .. } = reports[0].clone();
    assert_eq!((id, by, at), (first.id, user("cyd"), taken.at));
    assert_eq!((of_whom, reason, resolved), (user("bob"), ReportReason::Abuse, None));
    assert_eq!(note, first.note);
    // Somebody may be reported without a message; the id stands for one report alone.
    take(server, "cyd", &report(room, None)).await.unwrap();
    let taken = ReportRequest { note: None, ..first.clone() };
    assert_eq!(code(take(server, "cyd", &taken).await), ErrorCode::IdTaken);
    assert_eq!(code(take(server, "ada", &first).await), ErrorCode::IdTaken);
}

pub(super) async fn only_members_report_and_only_who_keeps_order_sees_it(server: &mut impl Served) {
    let room = group(server, "ada", &["bob", "cyd"]).await;
    let said = talk(server, "bob", room, 1).await[0];
    assert_eq!(code(take(server, "eve", &report(room, None)).await), ErrorCode::NotAMember);
    let unknown = report(room, Some(EventId::from_uuid(Uuid::now_v7())));
    assert_eq!(code(take(server, "cyd", &unknown).await), ErrorCode::UnknownMessage);
    for wrong in [
        ReportRequest { user: None, ..report(room, None) },
        ReportRequest { user: Some(user("cyd")), ..report(room, None) },
        ReportRequest { user: Some(user("ada")), ..report(room, Some(said)) },
        ReportRequest { note: Some("x".repeat(1_025)), ..report(room, Some(said)) },
        ReportRequest { note: Some(String::new()), ..report(room, Some(said)) },
    ] {
        assert_eq!(code(take(server, "cyd", &wrong).await), ErrorCode::InvalidContent);
    }
    assert_eq!(
        code(take(server, "bob", &report(room, Some(said))).await),
        ErrorCode::InvalidContent
    );
    let made = report(room, Some(said));
    take(server, "cyd", &made).await.unwrap();
    for (name, expected) in [
        ("bob", ErrorCode::Forbidden),
        ("cyd", ErrorCode::Forbidden),
        ("eve", ErrorCode::NotAMember),
    ] {
        let query = ReportsQuery::default();
        assert_eq!(code(page(server, name, room, query).await), expected);
        assert_eq!(code(resolve(server, name, made.id).await), ErrorCode::UnknownReport);
    }
    let nothing = ReportId::from_uuid(Uuid::now_v7());
    assert_eq!(code(resolve(server, "ada", nothing).await), ErrorCode::UnknownReport);
    let moderator = RoleUpdate { role: Role::Moderator };
    let role = Request::SetRole(room, user("cyd"), moderator);
    server.request("ada", role).await.unwrap();
    // Who was first stays.
    let done = resolve(server, "cyd", made.id).await.unwrap();
    assert_eq!(done.resolved.as_ref().map(|done| done.by.clone()), Some(user("cyd")));
    assert_eq!(resolve(server, "ada", made.id).await.unwrap(), done);
    assert_eq!(open(server, "ada", room).await, []);
    let all = ReportsQuery { all: true, after: None };
    assert_eq!(page(server, "ada", room, all).await.unwrap().reports, [done]);
    // Who is out reports nothing and sees nothing. In a room of two nobody keeps order.
    remove(server, "ada", room, "cyd").await.unwrap();
    assert_eq!(code(take(server, "cyd", &report(room, None)).await), ErrorCode::NotAMember);
    assert_eq!(code(page(server, "cyd", room, all).await), ErrorCode::NotAMember);
    let direct = try_create(server, "ada", super::room(), RoomKind::Direct, &["bob"]).await;
    let direct = direct.unwrap().id;
    let of_two = report(direct, None);
    take(server, "ada", &of_two).await.unwrap();
    assert_eq!(code(page(server, "ada", direct, all).await), ErrorCode::Forbidden);
    assert_eq!(code(resolve(server, "ada", of_two.id).await), ErrorCode::UnknownReport);
}

pub(super) async fn reports_come_in_pages(server: &mut impl Served) {
    // A report costs more than a message: each makes one.
    let names: Vec<String> = (0..53).map(|n| format!("u{n}")).collect();
    let mut members: Vec<&str> = names.iter().map(String::as_str).collect();
    members.push("bob");
    let room = group(server, "ada", &members).await;
    let mut made = Vec::new();
    for name in &names {
        let one = report(room, None);
        take(server, name, &one).await.unwrap();
        made.push(one.id);
    }
    let first = page(server, "ada", room, ReportsQuery::default()).await.unwrap();
    assert_eq!((first.reports.len(), first.next), (50, Some(made[49])));
    let rest = ReportsQuery { after: first.next, all: false };
    let rest = page(server, "ada", room, rest).await.unwrap();
    assert_eq!(rest.next, None);
    let ids: Vec<ReportId> =
        first.reports.iter().chain(&rest.reports).map(|report| report.id).collect();
    assert_eq!(ids, made);
}
