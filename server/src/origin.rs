//! From which web pages this server may be spoken to. Apps that are no browsers send no `Origin` and are not asked.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tidewire_protocol::{ErrorCode, WireError};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// How long a browser may keep what it was told, in seconds: the most that all of them take.
const KEPT_SECONDS: u64 = 7_200;

/// Whether a socket may be opened. A browser opens one to anywhere, from any page, and asks nobody: only this
/// server can refuse it.
///
/// # Errors
/// [`ErrorCode::Forbidden`].
pub(crate) fn check(allowed: &[String], headers: &HeaderMap) -> Result<(), WireError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)) || own(origin, host) {
        return Ok(());
    }
    let text = "pages of this origin may not speak to this server: see --allow-origin";
    Err(WireError::new(ErrorCode::Forbidden, text))
}

/// Whether the page comes from this server itself. A proxy may leave the port out of `Host`.
fn own(origin: &str, host: &str) -> bool {
    let Some((_, page)) = origin.split_once("://") else { return false };
    let name = page.split_once(':').map_or(page, |(name, _)| name);
    !host.is_empty() && (page.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(host))
}

/// What browsers are told of other calls; `None` where no page elsewhere may speak to this server.
pub(crate) fn cors(allowed: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> =
        allowed.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return None;
    }
    Some(
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::RANGE,
                HeaderName::from_static("content-md5"),
                HeaderName::from_static("last-event-id"),
            ])
            .expose_headers([header::ETAG, header::RETRY_AFTER])
            .max_age(std::time::Duration::from_secs(KEPT_SECONDS)),
    )
}
