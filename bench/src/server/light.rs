//! A client of the protocol that keeps nothing but its cursor: thousands fit into one process.

use std::net::SocketAddr;
use std::time::Duration;

use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use tidewire_protocol::{
    Bootstrap, ClientFrame, Cursor, ErrorBody, Hello, Op, RoomId, Seq, ServerFrame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::Error;

/// The longest time between two frames of a client, in ms: nobody says anything while idle sockets are measured.
const HEARTBEAT_MS: u64 = 30_000;

/// An open socket.
#[derive(Debug)]
pub(super) struct Light(WebSocketStream<TcpStream>);

/// Who speaks, and listens to nobody.
#[derive(Debug)]
pub(super) struct Speaker(SplitSink<WebSocketStream<TcpStream>, Message>);

impl Speaker {
    /// Sends a text.
    pub(super) async fn say(&mut self, text: String) -> Result<(), Error> {
        Ok(self.0.send(Message::text(text)).await?)
    }
}

/// What a server says to `hello`.
#[derive(Debug)]
pub(super) enum Greeting {
    Welcome,
    /// Not now: the place of this client, in ms from now.
    Slot(u64),
}

/// What of an event is looked at.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Seen {
    pub(super) seq: Seq,
}

/// A pushed page, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub(super) struct Pushed {
    pub(super) events: Vec<Seen>,
    pub(super) to: Cursor,
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Heard {
    Page(Pushed),
    /// A text of a bare server.
    Text(String),
    /// The server asks whether anybody is there.
    Ping,
    Else,
    Gone,
}

impl Light {
    /// Opens a socket, without a word.
    pub(super) async fn open(server: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{server}/v1/socket").into_client_request()?;
        let protocol = HeaderValue::from_static("tidewire.v1.json");
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self(socket))
    }

    /// The same at a route that knows no subprotocol.
    pub(super) async fn open_bare(server: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
        let url = format!("ws://{server}/v1/socket");
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
        Ok(Self(socket))
    }

    /// Says who this is, with the feed pushed from its cursor on; without one, only to speak.
    pub(super) async fn greet(
        &mut self,
        token: &str,
        cursor: Option<&Cursor>,
    ) -> Result<Greeting, Error> {
        let hello = Hello {
            token: Some(token.to_owned()),
            cursor: cursor.cloned(),
            feed: cursor.is_some(),
            heartbeat_ms: HEARTBEAT_MS,
            ..Hello::default()
        };
        self.say(&ClientFrame::Hello(hello)).await?;
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => match ServerFrame::parse(text.as_str())? {
                    ServerFrame::Welcome(_) => return Ok(Greeting::Welcome),
                    ServerFrame::Error { error, .. } => {
                        let slot = error.retry_after_ms.ok_or(error.message)?;
                        return Ok(Greeting::Slot(slot));
                    }
                    _ => {}
                },
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err("the server hung up".into()),
            }
        }
    }

    /// Sends a frame.
    pub(super) async fn say(&mut self, frame: &ClientFrame) -> Result<(), Error> {
        Ok(self.0.send(Message::text(serde_json::to_string(frame)?)).await?)
    }

    /// Only to speak from here on: what comes in is read by a task of its own, so that neither side ever waits
    /// for the other.
    pub(super) fn into_speaker(self) -> Speaker {
        let (say, mut hear) = self.0.split();
        tokio::spawn(async move { while let Some(Ok(_)) = hear.next().await {} });
        Speaker(say)
    }

    /// Waits for what comes next. A page is not acknowledged yet.
    pub(super) async fn hear(&mut self) -> Result<Heard, Error> {
        let text = match self.0.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(_)) | Err(_)) | None => return Ok(Heard::Gone),
            Some(Ok(_)) => return Ok(Heard::Else),
        };
        let text = text.as_str();
        // The tag stands first, as the server writes it.
        Ok(if text.starts_with(r#"{"type":"batch""#) {
            Heard::Page(serde_json::from_str(text)?)
        } else if text.starts_with(r#"{"type":"ping""#) {
            Heard::Ping
        } else if text.starts_with(r#"{"type""#) {
            Heard::Else
        } else {
            Heard::Text(text.to_owned())
        })
    }

    /// The next page, acknowledged; nothing once the server is gone.
    pub(super) async fn page(&mut self) -> Result<Option<Pushed>, Error> {
        loop {
            match self.hear().await? {
                Heard::Page(page) => {
                    // Whoever is gone says so at the next reading.
                    let _ = self.say(&ClientFrame::Credit { cursor: page.to.clone() }).await;
                    return Ok(Some(page));
                }
                Heard::Ping => self.say(&ClientFrame::Pong).await?,
                Heard::Gone => return Ok(None),
                Heard::Else | Heard::Text(_) => {}
            }
        }
    }
}

/// Where a user's feed begins.
pub(super) async fn bootstrap(server: SocketAddr, token: &str) -> Result<Cursor, Error> {
    let answer = call(server, token, "GET", "/v1/bootstrap", "").await?;
    Ok(serde_json::from_str::<Bootstrap>(&answer)?.cursor)
}

/// Says something in a room, by a request; it is on the disk then.
pub(super) async fn post(
    server: SocketAddr,
    token: &str,
    room: RoomId,
    op: Op,
) -> Result<(), Error> {
    let path = format!("/v1/rooms/{room}/ops");
    let body = serde_json::json!({ "ops": [op] }).to_string();
    let answer = call(server, token, "POST", &path, &body).await?;
    if answer.contains("\"accepted\"") { Ok(()) } else { Err(answer.into()) }
}

/// One call on a connection of its own, again in the slot that the server gives.
async fn call(
    server: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Result<String, Error> {
    loop {
        let mut stream = TcpStream::connect(server).await?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {server}\r\nauthorization: Bearer {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("an answer has a head")?;
        if head.starts_with("HTTP/1.1 200") {
            return Ok(body.to_owned());
        }
        let error = serde_json::from_str::<ErrorBody>(body)?.error;
        let slot = error.retry_after_ms.ok_or(error.message)?;
        tokio::time::sleep(Duration::from_millis(slot)).await;
    }
}
