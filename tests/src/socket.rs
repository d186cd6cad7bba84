//! A WebSocket, frame by frame: a client would not send what a broken one sends.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::PATIENCE;

/// An open socket.
#[derive(Debug)]
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens one, without a word.
    ///
    /// # Panics
    /// If it does not open.
    pub async fn open(server: SocketAddr) -> Self {
        Self::try_open(server).await.expect("a socket")
    }

    /// Opens one; none if nobody is there, or it is refused.
    pub async fn try_open(server: SocketAddr) -> Option<Self> {
        let mut request =
            format!("ws://{server}/v1/socket").into_client_request().expect("an address");
        let protocol = HeaderValue::from_static("tidewire.v1.json");
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let stream = TcpStream::connect(server).await.ok()?;
        let (socket, answer) = tokio_tungstenite::client_async(request, stream).await.ok()?;
        assert_eq!(answer.headers()[SEC_WEBSOCKET_PROTOCOL], "tidewire.v1.json");
        Some(Self(socket))
    }

    /// Opens one and says `hello` without asking for anything.
    pub async fn greeted(server: SocketAddr, token: &str) -> Self {
        let mut socket = Self::open(server).await;
        socket.say(&json!({"type": "hello", "token": token, "heartbeat_ms": 30_000})).await;
        socket.hears("welcome").await;
        socket
    }

    /// Sends a frame.
    pub async fn say(&mut self, frame: &Value) {
        self.say_raw(Message::text(frame.to_string())).await;
    }

    /// Sends any message.
    ///
    /// # Panics
    /// If the socket is closed.
    pub async fn say_raw(&mut self, message: Message) {
        self.0.send(message).await.expect("the socket is open");
    }

    /// Sends as much of a message as the server takes.
    pub async fn try_say(&mut self, message: Message) {
        // Whether it was taken is the server's affair here.
        let _ = timeout(PATIENCE, self.0.send(message)).await;
    }

    /// Waits for a frame of this type; others are passed over.
    ///
    /// # Panics
    /// If none comes.
    pub async fn hears(&mut self, wanted: &str) -> Value {
        self.hears_any(&[wanted]).await
    }

    /// Waits for a frame of one of these types; others are passed over.
    ///
    /// # Panics
    /// If none comes.
    pub async fn hears_any(&mut self, wanted: &[&str]) -> Value {
        loop {
            let message = timeout(PATIENCE, self.0.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(text.as_str()).expect("JSON");
                    if wanted.iter().any(|wanted| frame["type"] == **wanted) {
                        return frame;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("no {wanted:?} but {other:?}"),
            }
        }
    }

    /// Waits for an `error` frame and gives its error.
    ///
    /// # Panics
    /// If its code is another one.
    pub async fn hears_error(&mut self, code: &str) -> Value {
        let frame = self.hears("error").await;
        assert_eq!(frame["error"]["code"], code, "{frame}");
        assert!(!frame["error"]["message"].as_str().unwrap_or_default().is_empty(), "{frame}");
        frame
    }

    /// Waits until the server closes it; frames before are passed over.
    ///
    /// # Panics
    /// If it does not.
    pub async fn is_closed(&mut self) {
        let closed = async { while let Some(Ok(_)) = self.0.next().await {} };
        timeout(PATIENCE, closed).await.expect("a close in time");
    }
}
