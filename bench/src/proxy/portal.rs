//! Somebody in the middle who answers in the server's place: a captive portal, a gateway.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Shared;
use super::connection::End;

/// Largest head of a request that is looked into, in bytes.
const MOST_HEAD: usize = 16 * 1024;

/// Reads until the head of a request is complete; what follows it may be read along.
pub(super) async fn read_head(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > MOST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if client.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

/// Whether an answer that begins here is an event stream.
pub(super) fn is_stream(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    head.starts_with("HTTP/")
        && head.to_ascii_lowercase().contains("\r\ncontent-type: text/event-stream")
}

pub(super) fn is_upgrade(head: &[u8]) -> bool {
    String::from_utf8_lossy(head).to_ascii_lowercase().contains("\r\nupgrade: websocket")
}

pub(super) async fn portal(client: &mut TcpStream, status: u16, shared: &Shared) -> End {
    let Ok(head) = read_head(client).await else { return End::Closed };
    shared.count(|counters| {
        counters.portal_pages += 1;
        counters.refused_upgrades += u64::from(is_upgrade(&head));
    });
    answer(client, status).await
}

/// What somebody in the middle answers, and hangs up.
pub(super) async fn answer(client: &mut TcpStream, status: u16) -> End {
    const PAGE: &str = "<!doctype html><title>Welcome</title><p>Please accept our terms.</p>";
    let reason = match status {
        200 => "OK",
        403 => "Forbidden",
        502 => "Bad Gateway",
        _ => "Somehow",
    };
    let length = PAGE.len();
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{PAGE}"
    );
    let written = async {
        client.write_all(answer.as_bytes()).await?;
        client.shutdown().await?;
        // A body that nobody reads would turn the close into a reset, before the answer is read.
        let mut rest = [0; 4096];
        while client.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    match written.await {
        Ok(()) => End::Closed,
        Err(_) => End::Reset,
    }
}
