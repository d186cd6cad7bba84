//! The other end of a socket: frames as types, and the ways to close. A write waits for as long as
//! the other side takes something: the connection below says when it does not.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use tidewire_protocol::{ClientFrame, ErrorCode, RoomId, ServerFrame, WireError, limits};
use tokio::time::timeout;

use crate::connection::STOPS;
use crate::metrics::Metrics;
use crate::store::EventJson;

/// How long a close waits for the other side to close as well. A socket that is dropped with bytes
/// unread resets the connection, and the last frame would be lost with it.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How long the last frames may take, behind what a slow reader has not taken yet: half of what a
/// server that stops waits for its sockets.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is sent.
pub(super) type Outbound = ServerFrame<EventJson>;

/// Why a session is over.
#[derive(Debug)]
pub(super) enum End {
    /// The connection is gone or does not take what is written.
    Gone,
    /// The client hears this, then the socket is closed.
    Error(WireError),
    /// The server stops.
    Goaway { retry_after_ms: u64 },
}

/// What comes in.
#[derive(Debug)]
pub(super) enum Inbound {
    Frame(ClientFrame),
    /// No frame of ours: the client hears why, the socket stays.
    Bad(WireError),
    /// A sign of life of the WebSocket protocol itself.
    Alive,
}

/// The other end of a socket.
pub(super) struct Peer {
    socket: WebSocket,
    metrics: Arc<Metrics>,
}

impl Peer {
    pub(super) fn new(socket: WebSocket, metrics: Arc<Metrics>) -> Self {
        Self { socket, metrics }
    }

    /// The next thing that comes in. May be dropped while it waits, without a loss.
    pub(super) async fn receive(&mut self) -> Result<Inbound, End> {
        let bad = |text: &str| Ok(Inbound::Bad(WireError::new(ErrorCode::BadFrame, text)));
        let received = self.socket.recv().await;
        self.metrics.frame("in");
        match received {
            Some(Ok(Message::Text(text))) if text.len() > limits::FRAME_BYTES => Err(too_large()),
            Some(Ok(Message::Text(text))) => match ClientFrame::parse(&text) {
                Ok(ClientFrame::Unknown(_)) => Ok(Inbound::Bad(WireError::new(
                    ErrorCode::UnknownFrame,
                    "this server knows no frame of this type",
                ))),
                Ok(frame) => Ok(Inbound::Frame(frame)),
                Err(_) => bad("the frame is no JSON, or not of its type's shape"),
            },
            Some(Ok(Message::Binary(_))) => bad("frames are text"),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Inbound::Alive),
            // axum hides the type of the error: its text is what there is.
            Some(Err(error)) if error.to_string().contains("too long") => Err(too_large()),
            Some(Ok(Message::Close(_)) | Err(_)) | None => Err(End::Gone),
        }
    }

    pub(super) async fn send(&mut self, frame: &Outbound) -> Result<(), End> {
        match frame {
            ServerFrame::Error { error, .. } => self.metrics.refused(error),
            ServerFrame::Sent(sent) => sent.error.iter().for_each(|e| self.metrics.refused(e)),
            _ => {}
        }
        self.metrics.frame("out");
        let text = match serde_json::to_string(frame) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "a frame is no JSON");
                return Err(End::Gone);
            }
        };
        self.write(Message::Text(text.into())).await
    }

    /// Tells of an error; the socket stays.
    pub(super) async fn tell(&mut self, error: WireError, room: Option<RoomId>) -> Result<(), End> {
        self.send(&Outbound::Error { error, room }).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        // Gone, or it takes nothing: either way it resumes from its cursor.
        self.socket.send(message).await.map_err(|_| End::Gone)
    }

    /// Says why, and closes.
    pub(super) async fn close(mut self, end: End) {
        let (frame, code) = match end {
            // After a close frame of the client's, the answer to it still has to go out.
            End::Gone => {
                let _ = timeout(CLOSE_WAIT, self.socket.recv()).await;
                return;
            }
            End::Error(error) => (Outbound::Error { error, room: None }, close_code::POLICY),
            End::Goaway { retry_after_ms } => {
                let reason = STOPS.to_owned();
                (Outbound::Goaway { retry_after_ms, reason }, close_code::AWAY)
            }
        };
        let close = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        let last_words = async {
            self.send(&frame).await?;
            self.write(close).await
        };
        if !matches!(timeout(LAST_WORDS, last_words).await, Ok(Ok(()))) {
            return;
        }
        let closed = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(CLOSE_WAIT, closed).await;
    }
}

fn too_large() -> End {
    End::Error(WireError::new(
        ErrorCode::TooLarge,
        format!("a frame has at most {} bytes", limits::FRAME_BYTES),
    ))
}
