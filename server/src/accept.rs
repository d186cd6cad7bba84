//! What comes in at the public address: connections, with TLS or without, and the limits below HTTP.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::app::App;
use crate::stall::{Requests, Stalling};
use crate::visitor::Visitor;

/// Most bytes of the head of a request, and of what is read of a body at once.
const HEAD_BYTES: usize = 64 * 1024;

/// One connection.
pub(crate) async fn serve(stream: TcpStream, visitor: Visitor, router: Router, app: Arc<App>) {
    // Frames are small and wait for nobody.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let Some(tls) = &app.tls else { return talk(stream, visitor, router, app).await };
    // As long as the head of a request may take, from the beginning on: until then nobody knows what it is good for.
    let accepting = timeout(app.config.head_timeout, tls.acceptor().accept(stream));
    let accepted = tokio::select! {
        accepted = accepting => accepted,
        () = app.stopping() => return,
    };
    match accepted {
        // On the heap: what is only needed with TLS is no part of every connection's memory.
        Ok(Ok(stream)) => Box::pin(talk(stream, visitor, router, app)).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection spoke no TLS that we speak"),
        Err(_) => tracing::debug!("a connection did not come to an end with its handshake"),
    }
}

/// Requests and answers, over whatever carries them.
async fn talk<S>(stream: S, visitor: Visitor, router: Router, app: Arc<App>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let requests = Arc::new(Requests::default());
    let stream = Stalling::new(stream, app.config.write_timeout)
        .with_heads(requests.clone(), app.config.head_timeout);
    let service = TowerToHyperService::new(router);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.config.idle_timeout)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
                requests.begin();
                request.extensions_mut().insert(visitor.clone());
                let (requests, answer) = (requests.clone(), service.call(request));
                async move {
                    let answer = answer.await;
                    let becomes_socket = |answer: &axum::response::Response| {
                        answer.status() == StatusCode::SWITCHING_PROTOCOLS
                    };
                    if !answer.as_ref().is_ok_and(becomes_socket) {
                        requests.end();
                    }
                    answer
                }
            }),
        )
        .with_upgrades();
    tokio::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = app.stopping() => {
            connection.as_mut().graceful_shutdown();
            // What is idle between two requests ends by itself, not so what never began one.
            if !requests.any() {
                return;
            }
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}
