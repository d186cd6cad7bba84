//! `POST /v1/sync`.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{SyncRequest, SyncResponse};

use super::Answer;
use super::extract::{Caller, Json};
use crate::app::App;
use crate::store::EventJson;

pub(super) async fn sync(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Json(request): Json<SyncRequest>,
) -> Answer<SyncResponse<EventJson>> {
    Ok(axum::Json(crate::sync::sync(&app, &user, request).await?))
}
