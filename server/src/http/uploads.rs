//! Uploads and where files are got from.

use std::sync::Arc;

use axum::extract::State;
use serde_json::Value;
use tidewire_protocol::{FileAccess, FileKey, Upload, UploadId, UploadRequest};

use super::Answer;
use super::extract::{Caller, Ids, Json};
use crate::app::App;
use crate::files;

pub(super) async fn begin(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Json(request): Json<UploadRequest>,
) -> Answer<Upload> {
    Ok(axum::Json(files::begin(&app, &user, request).await?))
}

pub(super) async fn complete(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((id,)): Ids<(UploadId,)>,
) -> Answer<Upload> {
    Ok(axum::Json(files::complete(app, user, id).await?))
}

pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((id,)): Ids<(UploadId,)>,
) -> Answer<Value> {
    files::cancel(&app, &user, id).await?;
    Ok(axum::Json(serde_json::json!({})))
}

pub(super) async fn file(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((key,)): Ids<(FileKey,)>,
) -> Answer<FileAccess> {
    Ok(axum::Json(files::access(&app, user, key).await?))
}
