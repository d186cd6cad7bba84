//! Rooms and their members.

use std::sync::Arc;

use axum::extract::State;
use serde::Deserialize;
use tidewire_protocol::{
    BanPage, BanRequest, MemberPage, MutePage, MuteRequest, NewMembers, NewRoom, ReceiptPage,
    RoleUpdate, RoomId, RoomPage, RoomState, RoomUpdate, Seq, SettingsUpdate, SlowMode, UserId,
};

use super::extract::{Caller, Ids, Json, Params};
use super::{Answer, rated};
use crate::app::App;
use crate::store::EventJson;

/// The query of a call with pages.
#[derive(Deserialize)]
pub(super) struct After<T> {
    after: Option<T>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Params(query): Params<After<String>>,
) -> Answer<RoomPage<EventJson>> {
    Ok(axum::Json(app.store.rooms(user, query.after).await?))
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Json(room): Json<NewRoom>,
) -> Answer<RoomState<EventJson>> {
    let size = room.members.len();
    rated(&app, &user, size, app.store.create_room(user.clone(), room)).await
}

pub(super) async fn state(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
) -> Answer<RoomState<EventJson>> {
    Ok(axum::Json(app.store.room(room, user).await?))
}

pub(super) async fn members(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Params(query): Params<After<UserId>>,
) -> Answer<MemberPage> {
    Ok(axum::Json(app.store.members(room, user, query.after).await?))
}

/// The query for receipts.
#[derive(Deserialize)]
pub(super) struct AtSeq {
    seq: Seq,
    after: Option<UserId>,
}

pub(super) async fn receipts(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Params(query): Params<AtSeq>,
) -> Answer<ReceiptPage> {
    Ok(axum::Json(app.store.receipts(room, user, query.seq, query.after).await?))
}

/// Answers with the room's state after it.
pub(super) async fn add_members(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Json(new): Json<NewMembers>,
) -> Answer<RoomState<EventJson>> {
    let size = new.users.len();
    rated(&app, &user, size, app.store.add_members(room, user.clone(), new.users)).await
}

/// Answers with the room's state after it, for the caller.
pub(super) async fn remove_member(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room, member)): Ids<(RoomId, UserId)>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.remove_member(room, user.clone(), member)).await
}

/// Answers with the room's state after it.
pub(super) async fn update(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Json(update): Json<RoomUpdate>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.update_room(room, user.clone(), update)).await
}

/// Answers with the room's state after it.
pub(super) async fn set_role(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room, member)): Ids<(RoomId, UserId)>,
    Json(update): Json<RoleUpdate>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.set_role(room, user.clone(), member, update.role)).await
}

/// Answers with the room's state after it.
pub(super) async fn ban(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room, banned)): Ids<(RoomId, UserId)>,
    Json(ban): Json<BanRequest>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.ban(room, user.clone(), banned, ban)).await
}

/// Answers with the room's state after it.
pub(super) async fn unban(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room, banned)): Ids<(RoomId, UserId)>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.unban(room, user.clone(), banned)).await
}

pub(super) async fn bans(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Params(query): Params<After<UserId>>,
) -> Answer<BanPage> {
    Ok(axum::Json(app.store.bans(room, user, query.after).await?))
}

/// Answers with the room's state after it.
pub(super) async fn mute(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room, muted)): Ids<(RoomId, UserId)>,
    Json(mute): Json<MuteRequest>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.mute(room, user.clone(), muted, mute)).await
}

/// Answers with the room's state after it.
pub(super) async fn unmute(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room, muted)): Ids<(RoomId, UserId)>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.unmute(room, user.clone(), muted)).await
}

pub(super) async fn mutes(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Params(query): Params<After<UserId>>,
) -> Answer<MutePage> {
    Ok(axum::Json(app.store.mutes(room, user, query.after).await?))
}

/// Answers with the room's state after it.
pub(super) async fn set_slow_mode(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Json(slow_mode): Json<SlowMode>,
) -> Answer<RoomState<EventJson>> {
    rated(&app, &user, 1, app.store.set_slow_mode(room, user.clone(), slow_mode)).await
}

/// Answers with the settings as they are now, set or not.
pub(super) async fn set_settings(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Ids((room,)): Ids<(RoomId,)>,
    Json(update): Json<SettingsUpdate>,
) -> Answer<SettingsUpdate> {
    rated(&app, &user, 1, app.store.set_settings(room, user.clone(), update)).await
}
