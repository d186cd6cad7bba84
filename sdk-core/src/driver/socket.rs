//! One WebSocket: opened, read, written, closed. Frames that nobody takes stay in the socket.

use futures::{SinkExt, StreamExt};
use rustls::pki_types::ServerName;
use tidewire_protocol::{ClientFrame, ErrorBody, ServerFrame, WireError, limits};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

use super::address::Address;
use super::traffic::Traffic;
use crate::defaults;

/// The subprotocol of version 1 with JSON frames.
const SUBPROTOCOL: &str = "tidewire.v1.json";

/// Most bytes of an inbound message: a page has 256 KiB of events, and room states beside them.
const MOST_INBOUND: usize = 4 * limits::PAGE_BYTES;

/// Bytes read at a time. tungstenite takes 128 KiB for each connection unless told; 4 KiB hold
/// most frames.
const READ_BUFFER: usize = 4 * 1024;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
pub(crate) type Connection = WebSocketStream<Box<dyn Stream>>;

/// Why a socket did not open.
#[derive(Debug)]
pub(crate) enum NotOpened {
    /// Trouble on the way.
    Network(String),
    /// The server itself says no, most often with a slot.
    Refused(WireError),
}

impl From<String> for NotOpened {
    fn from(reason: String) -> Self {
        Self::Network(reason)
    }
}

impl From<Error> for NotOpened {
    fn from(error: Error) -> Self {
        // Of an answer that comes in pieces the library keeps the first: what is cut off is no word of the
        // server's.
        let body = match &error {
            Error::Http(answer) => answer.body().as_deref().unwrap_or_default(),
            _ => &[],
        };
        match serde_json::from_slice::<ErrorBody>(body) {
            Ok(body) => Self::Refused(body.error),
            Err(_) => Self::Network(error.to_string()),
        }
    }
}

/// Opens a socket, within the time for connecting.
pub(crate) async fn open(address: &Address) -> Result<Connection, NotOpened> {
    tokio::time::timeout(defaults::CONNECT_TIMEOUT, connect(address))
        .await
        .map_err(|_| "no connection in time".to_owned())?
}

async fn connect(address: &Address) -> Result<Connection, NotOpened> {
    let tcp = TcpStream::connect((address.resolvable_host(), address.port))
        .await
        .map_err(|error| error.to_string())?;
    // Frames are small and each one is awaited.
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream: Box<dyn Stream> = if address.tls {
        let name = ServerName::try_from(address.resolvable_host().to_owned())
            .map_err(|error| error.to_string())?;
        let connector = tokio_rustls::TlsConnector::from(address.trust.config()?);
        Box::new(connector.connect(name, tcp).await.map_err(|error| error.to_string())?)
    } else {
        Box::new(tcp)
    };
    let mut request = address.socket().into_client_request().map_err(|error| error.to_string())?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * limits::FRAME_BYTES)
        .max_message_size(Some(MOST_INBOUND))
        .max_frame_size(Some(MOST_INBOUND));
    let (connection, _) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    Ok(connection)
}

/// Carries frames both ways until the socket ends; gives the reason. While nobody takes the last
/// frame, nothing more is read.
pub(crate) async fn carry(
    mut connection: Connection,
    mut outbound: mpsc::Receiver<ClientFrame>,
    inbound: mpsc::Sender<ServerFrame>,
    traffic: &Traffic,
) -> String {
    let mut waiting = None;
    loop {
        tokio::select! {
            frame = outbound.recv() => {
                let Some(frame) = frame else {
                    let _ = connection.close(None).await;
                    return "closed by this side".into();
                };
                if let Err(reason) = write(&mut connection, &frame, traffic).await {
                    return reason;
                }
            }
            permit = inbound.reserve(), if waiting.is_some() => {
                let (Ok(permit), Some(frame)) = (permit, waiting.take()) else {
                    return "closed by this side".into();
                };
                permit.send(frame);
            }
            message = connection.next(), if waiting.is_none() => {
                match message {
                    Some(Ok(Message::Text(text))) => {
                        traffic.receives(text.len());
                        match ServerFrame::parse(text.as_str()) {
                            Ok(frame) => waiting = Some(frame),
                            Err(error) => return super::no_frame(&error),
                        }
                    }
                    // tungstenite answers pings by itself.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Binary(_))) => return "a binary frame".into(),
                    Some(Ok(Message::Close(frame))) => {
                        let why = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                        return format!("closed by the server: {why}");
                    }
                    Some(Err(error)) => return error.to_string(),
                    None => return "closed by the server".into(),
                }
            }
        }
    }
}

async fn write(
    connection: &mut Connection,
    frame: &ClientFrame,
    traffic: &Traffic,
) -> Result<(), String> {
    let json = serde_json::to_string(frame).map_err(|error| error.to_string())?;
    traffic.sends(json.len());
    let message = Message::Text(Utf8Bytes::from(json));
    tokio::time::timeout(defaults::ANSWER_TIMEOUT, connection.send(message))
        .await
        .map_err(|_| "a write stalled".to_owned())?
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// What a client makes of an answer to the upgrade that is none.
    async fn answered(answer: &str) -> NotOpened {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                asked.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let refused = open(&Address::parse(&url).unwrap()).await.err().expect("no socket");
        server.await.unwrap();
        refused
    }

    #[tokio::test]
    async fn a_refusal_of_the_upgrade_is_the_servers_word_only_with_its_body() {
        let body = r#"{"error":{"code":"unavailable","message":"full","temporary":true,"retry_after_ms":7000}}"#;
        let answer = |body: &str| {
            let length = body.len();
            format!("HTTP/1.1 503 Service Unavailable\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        match answered(&answer(body)).await {
            NotOpened::Refused(error) => assert_eq!(error.retry_after_ms, Some(7_000)),
            other => panic!("{other:?}"),
        }
        for body in ["<html>busy</html>", &body[..20], ""] {
            let other = answered(&answer(body)).await;
            assert!(matches!(other, NotOpened::Network(_)), "{other:?}");
        }
    }

    #[tokio::test]
    async fn the_bytes_of_frames_are_counted_both_ways() {
        let (near, far) = tokio::io::duplex(4096);
        let near: Box<dyn Stream> = Box::new(near);
        let connection = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
        let mut far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
        let (outbound, to_send) = mpsc::channel(1);
        let (inbound, mut frames) = mpsc::channel(1);
        let traffic = Arc::new(Traffic::default());
        let counted = traffic.clone();
        let carrying =
            tokio::spawn(async move { carry(connection, to_send, inbound, &counted).await });
        outbound.send(ClientFrame::Ping).await.unwrap();
        let asked = far.next().await.unwrap().unwrap();
        let answer = serde_json::to_string(&<ServerFrame>::Pong).unwrap();
        far.send(Message::text(answer.clone())).await.unwrap();
        assert_eq!(frames.recv().await, Some(ServerFrame::Pong));
        let total = traffic.total();
        assert_eq!((total.sent, total.received), (asked.len() as u64, answer.len() as u64));
        carrying.abort();
    }
}
