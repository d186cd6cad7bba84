//! One event stream: opened and read. Frames that nobody takes stay on the way.

use tidewire_protocol::{EventsQuery, ServerFrame};
use tokio::sync::mpsc;

use super::http::{Http, trouble};
use super::sse::{Parser, Told};
use crate::engine::RequestError;

/// Carries frames until the stream ends; gives the reason. While nobody takes the last frame,
/// nothing more is read. Tells when the server has begun to speak.
pub(crate) async fn carry(
    http: &Http,
    query: &EventsQuery,
    token: &str,
    opened: impl FnOnce() + Send,
    inbound: &mpsc::Sender<ServerFrame>,
) -> String {
    const ENDED: &str = "closed by this side";
    let mut stream = match http.events(query, token).await {
        Ok(stream) => stream,
        Err(RequestError::Refused(error)) => {
            let reason = error.to_string();
            let _ = inbound.send(ServerFrame::Error { error, room: None }).await;
            return reason;
        }
        Err(RequestError::Network(reason)) => return reason,
    };
    opened();
    let mut parser = Parser::default();
    loop {
        let piece = match stream.chunk().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return "closed by the server".into(),
            Err(error) => return trouble(&error.without_url()).to_string(),
        };
        http.traffic.receives(piece.len());
        let Ok(told) = parser.take(&piece) else {
            return "an event is larger than any can be".into();
        };
        for told in told {
            let frame = match told {
                Told::Comment => ServerFrame::Ping,
                Told::Event(data) => match ServerFrame::parse(&data) {
                    Ok(frame) => frame,
                    Err(error) => return super::no_frame(&error),
                },
            };
            if inbound.send(frame).await.is_err() {
                return ENDED.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::Address;
    use super::super::traffic::Traffic;
    use super::*;

    /// What comes of an answer: whether it began as a stream, the frames, the bytes counted, and
    /// what was asked.
    async fn carried(answer: &str) -> (bool, Vec<ServerFrame>, u64, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = answer.to_owned();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut asked).await.unwrap() > 0, "no more comes");
            }
            // Byte by byte: a network may cut it anywhere.
            for byte in answer.bytes() {
                stream.write_all(&[byte]).await.unwrap();
            }
            String::from_utf8(asked).unwrap()
        });
        let traffic = Arc::new(Traffic::default());
        let http = Http::new(Address::parse(&url).unwrap(), traffic.clone()).unwrap();
        let query = EventsQuery {
            cursor: Some(tidewire_protocol::Cursor::new("c/7")),
            heartbeat_ms: 30_000,
            ..EventsQuery::default()
        };
        let (inbound, mut frames) = mpsc::channel(16);
        let mut opened = false;
        carry(&http, &query, "secret", || opened = true, &inbound).await;
        drop(inbound);
        let mut told = Vec::new();
        while let Some(frame) = frames.recv().await {
            told.push(frame);
        }
        (opened, told, traffic.total().received, server.await.unwrap())
    }

    #[tokio::test]
    async fn what_a_stream_says_comes_as_frames_and_its_bytes_are_counted() {
        const EVENTS: &str = ": hello\n\nevent: policy\ndata: {\"type\":\"policy\",\ndata: \"online\":3}\n\n\
             event: later\ndata: {\"type\":\"later\"}\n\ndata: {\"type\":\"pong\"}\n";
        const HEAD: &str =
            "HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\n";
        let (opened, frames, bytes, asked) = carried(&format!("{HEAD}{EVENTS}")).await;
        let policy = ServerFrame::Policy { online: 3, policy: None };
        // The last one is cut off.
        assert_eq!(frames, [ServerFrame::Ping, policy, ServerFrame::Unknown("later".into())]);
        assert_eq!((opened, bytes), (true, EVENTS.len() as u64));
        let asked = asked.to_ascii_lowercase();
        for part in [
            "get /v1/events?cursor=c%2f7&app_state=foreground&heartbeat_ms=30000 http/1.1\r\n",
            "\r\nauthorization: bearer secret\r\n",
            "\r\naccept: text/event-stream\r\n",
            "\r\naccept-encoding: identity\r\n",
        ] {
            assert!(asked.contains(part), "{asked}");
        }
    }

    #[tokio::test]
    async fn the_servers_no_comes_as_the_frame_that_it_would_be_on_a_socket() {
        let body = r#"{"error":{"code":"cursor_expired","message":"old","temporary":false}}"#;
        let length = body.len();
        let head = format!("HTTP/1.1 410 Gone\r\nContent-Length: {length}\r\n\r\n");
        let (opened, frames, _, _) = carried(&format!("{head}{body}")).await;
        assert!(!opened);
        let [ServerFrame::Error { error, room: None }] = &frames[..] else { panic!("{frames:?}") };
        assert_eq!(error.code, tidewire_protocol::ErrorCode::CursorExpired);
    }

    #[tokio::test]
    async fn what_somebody_else_answers_is_no_stream_and_no_refusal() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\ndata: {\"type\":\"pong\"}\n\n",
            "HTTP/1.1 200 OK\r\n\r\ndata: {\"type\":\"pong\"}\n\n",
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
            "HTTP/1.1 302 Found\r\nLocation: /terms\r\nContent-Length: 0\r\n\r\n",
        ] {
            let (opened, frames, _, _) = carried(answer).await;
            assert_eq!((opened, frames), (false, Vec::new()), "{answer}");
        }
    }

    #[tokio::test]
    async fn an_event_that_is_no_frame_ends_the_stream() {
        let events = "data: {\"type\":\"pong\"}\n\ndata: nonsense\n\ndata: {\"type\":\"pong\"}\n\n";
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        let (opened, frames, _, _) = carried(&format!("{head}{events}")).await;
        assert_eq!((opened, frames), (true, vec![ServerFrame::Pong]));
    }
}
