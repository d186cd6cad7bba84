//! Whether this server can do its work, and what of that depends on others. Looked at when somebody asks, and at
//! most once in a while: the question is open to everybody.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tidewire_protocol::{ErrorCode, WireError};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::app::App;

/// How long a look counts. It writes a row, which costs the disk a sync.
const FRESH: Duration = Duration::from_secs(2);
/// How long the database may take to answer it: less than what those wait who ask such questions.
const PATIENCE: Duration = Duration::from_secs(2);

/// How the database does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Database {
    /// It can be read and written.
    Ok,
    /// It does not answer.
    Unreachable,
    /// It answers and takes nothing: full, read-only, a standby.
    NotWritable,
    /// Its tables are of an older version.
    NotMigrated,
}

/// What there is to say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health {
    pub(crate) database: Database,
    /// Other servers are heard of with a delay.
    pub(crate) bus_away: bool,
    pub(crate) draining: bool,
}

impl Health {
    /// Whether clients may be sent here. Without the bus they may: messages of other servers are a second later.
    pub(crate) fn is_ready(&self) -> bool {
        self.database == Database::Ok && !self.draining
    }
}

/// What was seen last.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    // Held over the look, so that many who ask at once bring one look.
    last: Mutex<Option<(Instant, Database)>>,
}

impl Looks {
    /// How the server does. Waits for the database, for 2 s at most.
    pub(crate) async fn look(&self, app: &App) -> Health {
        let database = {
            let mut last = self.last.lock().await;
            match *last {
                Some((at, database)) if at.elapsed() < FRESH => database,
                before => {
                    let looked = timeout(PATIENCE, app.store.probe()).await;
                    let database = looked.unwrap_or(Database::Unreachable);
                    if before.is_none_or(|(_, before)| before != database) {
                        tracing::info!(?database, "the database was looked at");
                    }
                    *last = Some((Instant::now(), database));
                    database
                }
            }
        };
        Health { database, bus_away: !app.bus.is_up(), draining: app.stop.is_requested() }
    }
}

/// `GET /readyz`: whether clients may be sent here, and why not. Names no address, no error text of others.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Response {
    let health = app.health.look(&app).await;
    let checks = json!({
        "database": health.database,
        "bus": if health.bus_away { "away" } else { "ok" },
        "draining": health.draining,
    });
    if health.is_ready() {
        let status = if health.bus_away { "degraded" } else { "ready" };
        return axum::Json(json!({ "status": status, "checks": checks })).into_response();
    }
    let text = if health.draining { "the server stops" } else { "the database cannot be used" };
    let error = WireError::new(ErrorCode::Unavailable, text);
    let body = json!({ "status": "unready", "checks": checks, "error": error });
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}
