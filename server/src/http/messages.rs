//! A room's history, and what is written into it.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{
    ErrorCode, EventId, History, HistoryQuery, OpsRequest, RoomId, RoomOps, Sent, limits,
};

use super::extract::{Caller, Ids, Json, Params};
use super::{Answer, Refusal};
use crate::app::App;
use crate::ops;
use crate::store::EventJson;

pub(super) async fn history(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Params(query): Params<HistoryQuery>,
) -> Answer<History<EventJson>> {
    let anchor = query.anchor().ok_or_else(|| {
        Refusal::new(ErrorCode::BadRequest, "at most one of `before`, `after` and `around`")
    })?;
    let limit = query.limit.unwrap_or(limits::HISTORY_DEFAULT).clamp(1, limits::HISTORY_MAX);
    Ok(axum::Json(app.store.history(room, user, query.thread, anchor, limit).await?))
}

/// One message, as a page of itself.
pub(super) async fn message(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room, event)): Ids<(RoomId, EventId)>,
) -> Answer<History<EventJson>> {
    Ok(axum::Json(app.store.message(room, user, event).await?))
}

pub(super) async fn ops(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Json(request): Json<OpsRequest>,
) -> Answer<Sent> {
    let mut sent = ops::apply(&app, &user, RoomOps { room, ops: request.ops }).await;
    // Over HTTP what refuses the request as a whole is the answer's status.
    match sent.error.take() {
        Some(error) => Err(error.into()),
        None => Ok(axum::Json(sent)),
    }
}
