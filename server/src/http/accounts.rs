//! Accounts and their sessions, where this server keeps them.

use std::sync::Arc;

use axum::extract::State;
use serde_json::{Value, json};
use tidewire_protocol::{
    ErrorCode, NewAccount, NewSession, PasswordChange, Profile, RefreshRequest, SessionId,
    SessionTokens, Sessions,
};

use super::extract::{Ids, Json, Token};
use super::{Answer, Refusal};
use crate::accounts::{self, Accounts};
use crate::app::App;
use crate::visitor::Visitor;

fn accounts(app: &App) -> Result<&Accounts, Refusal> {
    let none = || Refusal::new(ErrorCode::NotFound, "this server keeps no accounts");
    app.accounts.as_ref().ok_or_else(none)
}

pub(super) async fn register(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Json(new): Json<NewAccount>,
) -> Answer<Profile> {
    Ok(axum::Json(accounts(&app)?.register(&app, &visitor, new).await?))
}

pub(super) async fn change_password(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Token(caller): Token,
    Json(change): Json<PasswordChange>,
) -> Answer<Value> {
    accounts(&app)?.change_password(&app, &visitor, caller, change).await?;
    Ok(axum::Json(json!({})))
}

pub(super) async fn sign_in(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Json(new): Json<NewSession>,
) -> Answer<SessionTokens> {
    Ok(axum::Json(accounts(&app)?.sign_in(&app, &visitor, new).await?))
}

pub(super) async fn refresh(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Json(request): Json<RefreshRequest>,
) -> Answer<SessionTokens> {
    Ok(axum::Json(accounts(&app)?.refresh(&app, &visitor, request).await?))
}

pub(super) async fn list(State(app): State<Arc<App>>, Token(caller): Token) -> Answer<Sessions> {
    Ok(axum::Json(accounts::list(&app, caller).await?))
}

pub(super) async fn sign_out(State(app): State<Arc<App>>, Token(caller): Token) -> Answer<Value> {
    let Some((session, _)) = caller.session else {
        let text = "this token is of no session: whoever has signed it takes it back";
        return Err(Refusal::new(ErrorCode::Forbidden, text));
    };
    accounts::end(&app, caller.user, session).await?;
    Ok(axum::Json(json!({})))
}

pub(super) async fn end(
    State(app): State<Arc<App>>,
    Token(caller): Token,
    Ids((id,)): Ids<(SessionId,)>,
) -> Answer<Value> {
    accounts::end(&app, caller.user, id).await?;
    Ok(axum::Json(json!({})))
}
