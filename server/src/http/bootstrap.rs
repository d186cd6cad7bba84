//! `GET /v1/bootstrap`: where a client without a valid cursor begins.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{Bootstrap, limits};

use super::Answer;
use super::extract::Caller;
use crate::admission::Rank;
use crate::app::App;
use crate::clock;
use crate::store::EventJson;

pub(super) async fn bootstrap(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
) -> Answer<Bootstrap<EventJson>> {
    app.polls.enter(&user, 0, Rank::Newcomer).await?;
    // The cursor before the rooms: reading on from it misses nothing.
    let heads = app.store.heads().await?;
    let page = app.store.rooms(user.clone(), None).await?;
    let blocks = app.store.block_lists(vec![user.clone()]).await?.pop().unwrap_or_default();
    let audience = app.audience_now();
    Ok(axum::Json(Bootstrap {
        epoch: app.store.epoch().clone(),
        cursor: app.cursors.encode(&user, &heads),
        rooms: page.rooms,
        next: page.next,
        blocks,
        online: audience.online,
        policy: audience.policy,
        ephemeral_members: app.presence.members(),
        max_upload_bytes: app.files.max_bytes(),
        idempotency_window_ms: limits::IDEMPOTENCY_WINDOW_MS,
        now: clock::now_ms(),
        user,
    }))
}
