//! What members tell those who keep order of.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{
    Report, ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, RoomId,
};

use super::extract::{Caller, Ids, Json, Params};
use super::{Answer, rated};
use crate::app::App;

/// What a report costs of the user's rate: it is written for people to read.
const COST: usize = 5;

pub(super) async fn report(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Json(request): Json<ReportRequest>,
) -> Answer<ReportTaken> {
    rated(&app, &user, COST, app.store.report(user.clone(), request)).await
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Params(query): Params<ReportsQuery>,
) -> Answer<ReportPage> {
    Ok(axum::Json(app.store.reports(room, user, query).await?))
}

/// Answers with the report as it is now.
pub(super) async fn resolve(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((id,)): Ids<(ReportId,)>,
) -> Answer<Report> {
    rated(&app, &user, 1, app.store.resolve_report(id, user.clone())).await
}
