//! Search in what the caller may read.

use std::sync::Arc;

use axum::extract::State;
use tidewire_protocol::{ErrorCode, SearchRequest, SearchResults, SearchTerms, limits};

use super::extract::{Caller, Params};
use super::{Answer, Refusal, rated};
use crate::app::App;
use crate::store::{EventJson, SearchQuery, StoreError};

pub(super) async fn search(
    State(app): State<Arc<App>>,
    Caller(user): Caller,
    Params(request): Params<SearchRequest>,
) -> Answer<SearchResults<EventJson>> {
    let SearchRequest { q, room, sender, limit, after } = request;
    let terms = SearchTerms::parse(&q)
        .map_err(|error| Refusal::new(ErrorCode::InvalidContent, error.to_string()))?;
    let below = match after {
        Some(after) => Some(after.parse().map_err(|_| StoreError::BadPageToken)?),
        None => None,
    };
    let limit = limit.unwrap_or(limits::SEARCH_DEFAULT).clamp(1, limits::SEARCH_MAX);
    let query = SearchQuery { terms, room, sender, limit, below };
    // A search is as much work for the database as a write.
    let found = rated(&app, &user, 1, app.store.search(user.clone(), query)).await?;
    let axum::Json(found) = found;
    let next = found.next.map(|below| below.to_string());
    let (messages, indexing) = (found.messages, found.indexing);
    Ok(axum::Json(SearchResults { messages, next, indexing }))
}
