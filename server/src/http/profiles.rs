//! What users show of themselves.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{ErrorCode, Profile, ProfileUpdate, Profiles, ProfilesRequest, limits};

use super::extract::{Caller, Json};
use super::{Answer, Refusal, rated};
use crate::app::App;

pub(super) async fn batch(
    State(app): State<Arc<App>>,
    Caller(_): Caller,
    Json(request): Json<ProfilesRequest>,
) -> Answer<Profiles> {
    if request.users.len() > limits::PROFILES_BATCH {
        let text = format!("at most {} profiles at once", limits::PROFILES_BATCH);
        return Err(Refusal::new(ErrorCode::InvalidContent, text));
    }
    Ok(axum::Json(Profiles { profiles: app.store.profiles(request.users).await? }))
}

pub(super) async fn update(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Json(update): Json<ProfileUpdate>,
) -> Answer<Profile> {
    let too_long = |text: &Option<String>, limit| text.as_ref().is_some_and(|t| t.len() > limit);
    if too_long(&update.name, limits::NAME_BYTES) || too_long(&update.avatar_url, limits::URL_BYTES)
    {
        let text = format!(
            "a name has at most {} bytes, an avatar URL {}",
            limits::NAME_BYTES,
            limits::URL_BYTES
        );
        return Err(Refusal::new(ErrorCode::InvalidContent, text));
    }
    rated(&app, &user, 1, app.store.set_profile(user.clone(), update)).await
}
