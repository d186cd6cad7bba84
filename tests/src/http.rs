//! Plain HTTP, byte by byte: a library would not send what a broken client sends.

use std::io;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; `Null` if it is no JSON.
    pub body: Value,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// If it is none.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The error of a typed refusal.
    ///
    /// # Panics
    /// If the status or the code is another one, or the body has not the shape.
    pub fn refusal(self, status: u16, code: &str) -> Value {
        let error = &self.body["error"];
        assert_eq!((self.status, error["code"].as_str()), (status, Some(code)), "{}", self.body);
        let message = error["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "an error says what to do: {}", self.body);
        assert!(error["temporary"].is_boolean() || error.get("temporary").is_none());
        error.clone()
    }
}

/// One call with a JSON body.
pub async fn call(
    server: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let body = body.map(Value::to_string);
    raw(server, Some(token), method, path, body.as_deref().map(str::as_bytes)).await
}

/// One call with any bytes as its body.
///
/// # Panics
/// If there is no answer.
pub async fn raw(
    server: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&[u8]>,
) -> Answer {
    let answer = try_raw(server, token, method, path, body).await;
    answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// The same, for one that may not be answered.
///
/// # Errors
/// What happened to the connection.
///
/// # Panics
/// If it stays open without an answer, or what comes is no HTTP.
pub async fn try_raw(
    server: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&[u8]>,
) -> io::Result<Answer> {
    let answer = exchange(server, token, method, path, body).await?;
    let answer = String::from_utf8(answer).expect("an answer in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    Ok(Answer {
        status: status(head, method, path),
        body: serde_json::from_str(body).unwrap_or_default(),
    })
}

/// One call whose answer may be any bytes: to the address of a part or of a file. Gives its status and its body.
///
/// # Errors
/// What happened to the connection.
///
/// # Panics
/// If it stays open without an answer, or what comes is no HTTP.
pub async fn bytes(
    server: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&[u8]>,
) -> io::Result<(u16, Vec<u8>)> {
    let answer = exchange(server, None, method, path, body).await?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..end]);
    Ok((status(&head, method, path), answer[end + 4..].to_vec()))
}

fn status(head: &str, method: &str, path: &str) -> u16 {
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{method} {path}: no status in `{head}`"))
}

/// Sends a request and reads until the server closes.
async fn exchange(
    server: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&[u8]>,
) -> io::Result<Vec<u8>> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n");
    if let Some(token) = token {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if let Some(body) = body {
        head.push_str("Content-Type: application/json\r\n");
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let exchange = async {
        let stream = TcpStream::connect(server).await?;
        let (mut from, mut to) = stream.into_split();
        let mut request = head.into_bytes();
        request.extend_from_slice(body.unwrap_or_default());
        // A server that refuses a body need not read it to its end.
        let writing = tokio::spawn(async move {
            let _ = to.write_all(&request).await;
            to
        });
        let mut answer = Vec::new();
        let read = from.read_to_end(&mut answer).await;
        writing.abort();
        match read {
            Ok(_) if answer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if answer.is_empty() => Err(error),
            _ => Ok(answer),
        }
    };
    timeout(PATIENCE, exchange).await.expect("an answer in time")
}
