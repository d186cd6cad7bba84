//! A client of the protocol that keeps nothing but its cursor: thousands fit into one process.

use std::net::SocketAddr;
use std::time::Duration;

use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use tidewire_protocol::{
    Bootstrap, ClientFrame, Cursor, ErrorBody, Hello, Op, RoomId, Sent, Seq, ServerFrame,
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

/// News after which the server is told what has been taken: at the latest, as the protocol says. It pushes four times
/// as many before it waits.
const CREDIT_AFTER: usize = 50;

/// An open socket.
#[derive(Debug)]
pub(crate) struct Light {
    socket: WebSocketStream<TcpStream>,
    /// News that were taken and not yet credited.
    uncredited: usize,
}

/// Who speaks, and listens to nobody.
#[derive(Debug)]
pub(crate) struct Speaker(SplitSink<WebSocketStream<TcpStream>, Message>);

impl Speaker {
    /// Sends a text.
    pub(crate) async fn say(&mut self, text: String) -> Result<(), Error> {
        Ok(self.0.send(Message::text(text)).await?)
    }
}

/// What a server says to `hello`.
#[derive(Debug)]
pub(crate) enum Greeting {
    Welcome,
    /// Not now: the place of this client, in ms from now.
    Slot(u64),
}

/// What of an event is looked at.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Seen {
    pub(crate) seq: Seq,
}

/// A pushed page, as far as it is looked at.
#[derive(Debug, Deserialize)]
pub(crate) struct Pushed<E = Seen> {
    pub(crate) events: Vec<E>,
    pub(crate) to: Cursor,
    /// Rooms of which only the head was told.
    #[serde(default)]
    pub(crate) limited: Vec<Limited>,
    #[serde(default)]
    receipts: Vec<IgnoredAny>,
    #[serde(default)]
    settings: Vec<IgnoredAny>,
}

impl<E> Pushed<E> {
    /// How much of the server's patience it takes.
    fn weight(&self) -> usize {
        self.events.len() + self.limited.len() + self.receipts.len() + self.settings.len()
    }
}

/// A room with more news than a page holds.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Limited {
    pub(crate) id: RoomId,
    pub(crate) head_seq: Seq,
}

/// What comes in.
#[derive(Debug)]
pub(crate) enum Heard<E = Seen> {
    Page(Pushed<E>),
    /// What became of an operation.
    Sent(Sent),
    /// The server does not want it now, or at all: it closes.
    Refused(Option<u64>),
    /// A text of a bare server.
    Text(String),
    /// The server asks whether anybody is there.
    Ping,
    Else,
    Gone,
}

impl Light {
    /// Opens a socket, without a word.
    pub(crate) async fn open(server: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{server}/v1/socket").into_client_request()?;
        let protocol = HeaderValue::from_static("tidewire.v1.json");
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { socket, uncredited: 0 })
    }

    /// The same at a route that knows no subprotocol.
    pub(crate) async fn open_bare(server: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
        let url = format!("ws://{server}/v1/socket");
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(url, stream, Some(config)).await?;
        Ok(Self { socket, uncredited: 0 })
    }

    /// Says who this is, with the feed pushed from its cursor on; without one, only to speak.
    pub(crate) async fn greet(
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
            match self.socket.next().await {
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
    pub(crate) async fn say(&mut self, frame: &ClientFrame) -> Result<(), Error> {
        Ok(self.socket.send(Message::text(serde_json::to_string(frame)?)).await?)
    }

    /// Only to speak from here on: what comes in is read by a task of its own, so that neither side ever waits
    /// for the other.
    pub(crate) fn into_speaker(self) -> Speaker {
        let (say, mut hear) = self.socket.split();
        tokio::spawn(async move { while let Some(Ok(_)) = hear.next().await {} });
        Speaker(say)
    }

    /// Waits for what comes next. A page has not been taken yet.
    pub(crate) async fn hear<E: DeserializeOwned>(&mut self) -> Result<Heard<E>, Error> {
        let text = match self.socket.next().await {
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
        } else if text.starts_with(r#"{"type":"sent""#) {
            Heard::Sent(serde_json::from_str(text)?)
        } else if text.starts_with(r#"{"type":"error""#) || text.starts_with(r#"{"type":"goaway""#)
        {
            match ServerFrame::parse(text)? {
                ServerFrame::Error { error, .. } => Heard::Refused(error.retry_after_ms),
                ServerFrame::Goaway { retry_after_ms, .. } => Heard::Refused(Some(retry_after_ms)),
                _ => Heard::Else,
            }
        } else if text.starts_with(r#"{"type""#) {
            Heard::Else
        } else {
            Heard::Text(text.to_owned())
        })
    }

    /// A page has been taken: the server hears of it when there were enough of them.
    pub(crate) async fn took<E>(&mut self, page: &Pushed<E>) -> Result<(), Error> {
        self.uncredited += page.weight();
        if self.uncredited < CREDIT_AFTER {
            return Ok(());
        }
        self.uncredited = 0;
        self.say(&ClientFrame::Credit { cursor: page.to.clone() }).await
    }

    /// The next page, taken; nothing once the server is gone.
    pub(crate) async fn page(&mut self) -> Result<Option<Pushed>, Error> {
        loop {
            match self.hear().await? {
                Heard::Page(page) => {
                    // Whoever is gone says so at the next reading.
                    let _ = self.took(&page).await;
                    return Ok(Some(page));
                }
                Heard::Ping => self.say(&ClientFrame::Pong).await?,
                Heard::Gone => return Ok(None),
                Heard::Sent(_) | Heard::Refused(_) | Heard::Else | Heard::Text(_) => {}
            }
        }
    }
}

/// Where a user's feed begins.
pub(crate) async fn bootstrap(server: SocketAddr, token: &str) -> Result<Cursor, Error> {
    Ok(begin(server, token).await?.cursor)
}

/// Where a user's feed begins, and what his rooms are like there.
pub(crate) async fn begin(server: SocketAddr, token: &str) -> Result<Bootstrap, Error> {
    let answer = call(server, token, "GET", "/v1/bootstrap", "").await?;
    Ok(serde_json::from_str(&answer)?)
}

/// Says something in a room, by a request; it is on the disk then.
pub(crate) async fn post(
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
pub(crate) async fn call(
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
