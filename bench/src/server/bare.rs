//! What the server is held against: a WebSocket route of axum as it comes, on which whatever one says goes
//! to all by a broadcast channel. No log, no disk, no order that outlives it.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use tokio::io::AsyncReadExt;
use tokio::sync::broadcast;

use super::Error;

/// Messages that a slow socket may be behind.
const BEHIND: usize = 1_024;

/// Run in the child: serves until its input ends.
///
/// # Errors
/// When it cannot listen.
pub async fn serve(listen: SocketAddr) -> Result<(), Error> {
    let (said, _) = broadcast::channel::<Utf8Bytes>(BEHIND);
    let app = Router::new().route(
        "/v1/socket",
        any(|upgrade: WebSocketUpgrade, State(said): State<broadcast::Sender<Utf8Bytes>>| async {
            upgrade.on_upgrade(|socket| talk(socket, said))
        }),
    );
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("{}", listener.local_addr()?);
    let until = async {
        // Whatever it says, the parent is gone.
        let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
    };
    tokio::select! {
        served = async { axum::serve(listener, app.with_state(said)).await } => Ok(served?),
        () = until => Ok(()),
    }
}

async fn talk(mut socket: WebSocket, said: broadcast::Sender<Utf8Bytes>) {
    let mut all = said.subscribe();
    loop {
        tokio::select! {
            heard = socket.recv() => match heard {
                // Nobody there is no trouble.
                Some(Ok(Message::Text(text))) => drop(said.send(text)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            news = all.recv() => {
                let Ok(text) = news else { return };
                if socket.send(Message::Text(text)).await.is_err() {
                    return;
                }
            }
        }
    }
}
