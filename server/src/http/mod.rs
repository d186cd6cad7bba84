//! The HTTP face: one handler a call, in a file a subject. Every answer of 400 or above has the
//! typed body, whatever went wrong: only that is the server's "no" to a client.

mod accounts;
mod blocks;
mod bootstrap;
pub(crate) mod extract;
mod messages;
mod objects;
mod profiles;
mod reports;
mod rooms;
mod search;
mod sync;
mod uploads;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use futures::FutureExt;
use tidewire_protocol::{ErrorBody, ErrorCode, UserId, WireError};
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use crate::app::App;
use crate::events;
use crate::health;
use crate::metrics;
use crate::origin;
use crate::socket;
use crate::store::StoreError;

/// Answers below this are not compressed, in bytes: they fit into one packet as they are.
const COMPRESS_ABOVE: u64 = 1_024;

/// An error on its way to the client.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) WireError);

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(WireError::new(code, message))
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status =
            StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Seconds, rounded up: for proxies and libraries that know only the header.
        let seconds = error.retry_after_ms.unwrap_or(1_000).div_ceil(1_000);
        let slot = error.temporary && error.code != ErrorCode::Internal;
        let code = error.code.clone();
        let mut response = (status, axum::Json(ErrorBody { error })).into_response();
        // For the metrics.
        response.extensions_mut().insert(code);
        if slot {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// What a handler answers with.
type Answer<T> = Result<axum::Json<T>, Refusal>;

/// Writes something that costs the user as much of his rate as its `size`; what is refused costs
/// nothing.
async fn rated<T>(
    app: &App,
    user: &UserId,
    size: usize,
    write: impl Future<Output = Result<T, StoreError>>,
) -> Answer<T> {
    let cost = app.limiter.cost_of_call(size);
    app.limiter.take(user, cost, Instant::now())?;
    let written = write.await;
    if written.is_err() {
        app.limiter.give_back(user, cost);
    }
    Ok(axum::Json(written?))
}

/// All calls.
pub(crate) fn router(app: Arc<App>) -> Router {
    let gzip = CompressionLayer::new()
        .quality(CompressionLevel::Fastest)
        // The pieces of a stream would wait for each other.
        .compress_when(SizeAbove::new(COMPRESS_ABOVE).and(NotForContentType::SSE));
    let objects = Router::new()
        .route("/v1/objects/{key}", get(objects::get).put(objects::put))
        .method_not_allowed_fallback(method_not_allowed);
    let cors = origin::cors(&app.config.allowed_origins);
    let router = Router::new()
        .route("/v1/sync", post(sync::sync))
        .route("/v1/bootstrap", get(bootstrap::bootstrap))
        .route("/v1/rooms", get(rooms::list).post(rooms::create))
        .route("/v1/rooms/{room}", get(rooms::state).put(rooms::update))
        .route("/v1/rooms/{room}/receipts", get(rooms::receipts))
        .route("/v1/rooms/{room}/settings", put(rooms::set_settings))
        .route("/v1/rooms/{room}/members", get(rooms::members).post(rooms::add_members))
        .route("/v1/rooms/{room}/members/{user}", put(rooms::set_role).delete(rooms::remove_member))
        .route("/v1/rooms/{room}/bans", get(rooms::bans))
        .route("/v1/rooms/{room}/bans/{user}", put(rooms::ban).delete(rooms::unban))
        .route("/v1/rooms/{room}/mutes", get(rooms::mutes))
        .route("/v1/rooms/{room}/mutes/{user}", put(rooms::mute).delete(rooms::unmute))
        .route("/v1/rooms/{room}/slow_mode", put(rooms::set_slow_mode))
        .route("/v1/reports", post(reports::report))
        .route("/v1/reports/{id}/resolve", post(reports::resolve))
        .route("/v1/rooms/{room}/reports", get(reports::list))
        .route("/v1/blocks", get(blocks::list))
        .route("/v1/blocks/{user}", put(blocks::block).delete(blocks::unblock))
        .route("/v1/rooms/{room}/messages", get(messages::history))
        .route("/v1/rooms/{room}/messages/{event}", get(messages::message))
        .route("/v1/rooms/{room}/ops", post(messages::ops))
        .route("/v1/uploads", post(uploads::begin))
        .route("/v1/uploads/{id}", delete(uploads::cancel))
        .route("/v1/uploads/{id}/complete", post(uploads::complete))
        .route("/v1/files/{key}", get(uploads::file))
        .route("/v1/profiles:batch", post(profiles::batch))
        .route("/v1/search", get(search::search))
        .route("/v1/profile", put(profiles::update))
        .route("/v1/socket", get(socket::upgrade))
        .route("/v1/events", get(events::events))
        .route("/healthz", get(health))
        .route("/readyz", get(health::ready));
    // Without accounts there are no such calls.
    let router = match &app.accounts {
        Some(_) => router
            .route("/v1/accounts", post(accounts::register))
            .route("/v1/accounts/current/password", put(accounts::change_password))
            .route("/v1/sessions", get(accounts::list).post(accounts::sign_in))
            .route("/v1/sessions:refresh", post(accounts::refresh))
            .route("/v1/sessions/current", delete(accounts::sign_out))
            .route("/v1/sessions/{id}", delete(accounts::end)),
        None => router,
    };
    let router = router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(gzip)
        // Files go as they are: most are compressed already, and ranges of them have to be theirs.
        .merge(objects);
    let router = match cors {
        Some(cors) => router.layer(cors),
        None => router,
    };
    router
        .layer(middleware::from_fn(catch_panic))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::measure))
        .with_state(app)
}

/// It serves while its store does.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Answer<serde_json::Value> {
    app.store.heads().await?;
    Ok(axum::Json(serde_json::json!({ "status": "ok" })))
}

async fn not_found() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such call")
}

async fn method_not_allowed() -> Refusal {
    Refusal::new(ErrorCode::MethodNotAllowed, "this call exists with another method")
}

/// One request that fails must not take the connection, and the requests behind it, down.
async fn catch_panic(request: Request, next: Next) -> Response {
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!("a request panicked");
            Refusal::new(ErrorCode::Internal, "the server failed: try again later").into_response()
        }
    }
}
