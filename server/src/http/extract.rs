//! What handlers take from a request, with errors of our own: the caller, the body, ids, the query.

use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;
use tidewire_protocol::{ErrorCode, UserId, WireError, limits};

use super::Refusal;
use crate::app::App;
use crate::auth::Verified;
use crate::visitor::Visitor;

/// The user whose token came with the request.
pub(super) struct Caller(pub(super) UserId);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        Token::from_request_parts(parts, app).await.map(|Token(verified)| Self(verified.user))
    }
}

/// The token that came with the request: whose it is, and until when.
pub(crate) struct Token(pub(crate) Verified);

impl FromRequestParts<Arc<App>> for Token {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let visitor = Visitor::from_request_parts(parts, app).await?;
        let verified = match bearer(&parts.headers) {
            Some(token) => app.tokens.verify(token).await,
            None => Err(WireError::new(
                ErrorCode::TokenInvalid,
                "no token: send the header `Authorization: Bearer TOKEN`",
            )),
        };
        let verified = verified.map_err(|error| visitor.failed(error))?;
        visitor.is_known();
        Ok(Self(verified))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Refusal> {
        let (parts, body) = request.into_parts();
        if !is_json(&parts.headers) {
            return Err(Refusal::new(
                ErrorCode::BadRequest,
                "the body is to be JSON: send the header `Content-Type: application/json`",
            ));
        }
        // Nothing is unpacked, so that nothing small becomes large here.
        if parts.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Refusal::new(ErrorCode::BadRequest, "the body is to come unpacked"));
        }
        let length = parts.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_some_and(|length| length > limits::BODY_BYTES as u64) {
            return Err(too_large());
        }
        let body = read(body, app).await?;
        // `serde` would take an array for an object with as many fields.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Refusal::new(ErrorCode::BadRequest, "the body is to be a JSON object"));
        }
        match serde_json::from_slice(&body) {
            Ok(value) => Ok(Self(value)),
            // Where it is wrong and never what stands there: that may be what somebody wrote.
            Err(error) => Err(Refusal::new(
                ErrorCode::BadRequest,
                format!(
                    "the body is not of the call's shape: line {}, column {}",
                    error.line(),
                    error.column()
                ),
            )),
        }
    }
}

async fn read(body: Body, app: &App) -> Result<axum::body::Bytes, Refusal> {
    let bytes = axum::body::to_bytes(body, limits::BODY_BYTES);
    match tokio::time::timeout(app.config.body_timeout, bytes).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(too_large()),
        Ok(Err(_)) => Err(Refusal::new(ErrorCode::BadRequest, "the body broke off")),
        // Temporary: a slow network is no "no".
        Err(_) => Err(Refusal(
            WireError::new(ErrorCode::Unavailable, "the body came too slowly: try again")
                .retry_after_ms(1_000),
        )),
    }
}

fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(this) = error {
        // The type is private to the library that axum wraps.
        if this.to_string() == "length limit exceeded" {
            return true;
        }
        error = this.source();
    }
    false
}

fn too_large() -> Refusal {
    Refusal::new(ErrorCode::TooLarge, format!("a body has at most {} bytes", limits::BODY_BYTES))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next()).unwrap_or("");
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The ids in the path of the call.
pub(super) struct Ids<T>(pub(super) T);

impl<T: FromStr<Err: std::fmt::Display> + Send> FromRequestParts<Arc<App>> for Ids<(T,)> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let Path((text,)) = path::<(String,)>(parts, app).await?;
        Ok(Self((parse(&text)?,)))
    }
}

impl<A, B> FromRequestParts<Arc<App>> for Ids<(A, B)>
where
    A: FromStr<Err: std::fmt::Display> + Send,
    B: FromStr<Err: std::fmt::Display> + Send,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let Path((a, b)) = path::<(String, String)>(parts, app).await?;
        Ok(Self((parse(&a)?, parse(&b)?)))
    }
}

async fn path<T: DeserializeOwned + Send>(
    parts: &mut Parts,
    app: &Arc<App>,
) -> Result<Path<T>, Refusal> {
    Path::from_request_parts(parts, app)
        .await
        .map_err(|_| Refusal::new(ErrorCode::BadRequest, "the path holds no ids"))
}

fn parse<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, Refusal> {
    text.parse().map_err(|error: T::Err| {
        Refusal::new(ErrorCode::BadRequest, format!("an id of the path is wrong: {error}"))
    })
}

/// The query of the call.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, app).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(_) => {
                Err(Refusal::new(ErrorCode::BadRequest, "the query is not of the call's shape"))
            }
        }
    }
}
