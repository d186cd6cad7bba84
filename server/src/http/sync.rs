//! `POST /v1/sync`.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{SyncRequest, SyncResponse};

use super::Answer;
use super::extract::{Json, Token};
use crate::admission::Rank;
use crate::app::App;
use crate::metrics::Kind;
use crate::store::EventJson;

pub(super) async fn sync(
    State(app): State<Arc<App>>,
    Token(verified): Token,
    Json(request): Json<SyncRequest>,
) -> Answer<SyncResponse<EventJson>> {
    let rank = if request.cursor.is_some() { Rank::Resume } else { Rank::Newcomer };
    app.polls.enter(&verified.user, request.device, rank).await?;
    let _counted = app.metrics.connection(Kind::POLL);
    let answer = crate::sync::sync(&app, &verified.user, request).await?;
    // It may have waited for long.
    app.tokens.revoked().check(&verified)?;
    Ok(axum::Json(answer))
}
