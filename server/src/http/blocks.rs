//! Whom a user has blocked: his own affair.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{BlockList, BlockQuery, UserId};

use super::extract::{Caller, Ids, Params};
use super::{Answer, rated};
use crate::app::App;

pub(super) async fn list(State(app): State<Arc<App>>, Caller(user): Caller) -> Answer<BlockList> {
    let lists = app.store.block_lists(vec![user]).await?;
    Ok(axum::Json(lists.into_iter().next().unwrap_or_default()))
}

/// Answers with the list as it is now, changed or not.
pub(super) async fn block(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((other,)): Ids<(UserId,)>,
    Params(query): Params<BlockQuery>,
) -> Answer<BlockList> {
    rated(&app, &user, 1, app.store.set_blocked(user.clone(), other, true, query.version)).await
}

/// Answers with the list as it is now, changed or not.
pub(super) async fn unblock(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((other,)): Ids<(UserId,)>,
    Params(query): Params<BlockQuery>,
) -> Answer<BlockList> {
    rated(&app, &user, 1, app.store.set_blocked(user.clone(), other, false, query.version)).await
}
