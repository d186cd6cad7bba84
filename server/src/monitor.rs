//! The second listener, for those who watch the server: `/metrics`, `/healthz` and `/readyz`. It answers until
//! everything else has ended, so that a server that drains can be seen to.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::app::App;
use crate::{health, http};

/// What Prometheus takes for its text form.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Time for the head of a request, and between two: above the usual minute between two looks.
const IDLE: Duration = Duration::from_secs(75);
/// Pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);
/// Connections at a time. Whoever watches has one or two.
const CONNECTIONS: usize = 64;

/// Answers until it is dropped.
pub(crate) async fn run(listener: TcpListener, app: Arc<App>) {
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(http::health))
        .route("/readyz", get(health::ready))
        .with_state(app);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    let service = TowerToHyperService::new(router.clone());
                    connections.spawn(async move {
                        let served = hyper::server::conn::http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(IDLE)
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                        if let Err(error) = served {
                            tracing::debug!(%error, "a connection of those who watch broke");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT)], app.metrics.text(&app).await)
}
