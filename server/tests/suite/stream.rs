//! The client's end of an event stream: chunks, lines and events, read as they come.

use tidewire_protocol::{Cursor, ErrorCode, Page, ServerFrame};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{Answer, PATIENCE, Running};

/// What comes on a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    /// An event: its name, its id, and its data.
    Event(String, Option<String>, Box<ServerFrame>),
    /// A sign of life.
    Comment,
}

/// The client's end of an event stream.
pub(crate) struct EventStream {
    stream: BufReader<TcpStream>,
    pub(crate) head: String,
    text: String,
}

impl Running {
    /// Asks for a stream; `headers` end with a line end each.
    pub(crate) async fn ask_for_events(
        &self,
        query: &str,
        headers: &str,
        receive_buffer: Option<u32>,
    ) -> Result<EventStream, Answer> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer {
            socket.set_recv_buffer_size(bytes).unwrap();
        }
        let mut stream = socket.connect(self.server.addr()).await.unwrap();
        let request = format!("GET /v1/events{query} HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = timeout(PATIENCE, stream.read_line(&mut head)).await.unwrap().unwrap();
            assert!(read > 0, "an answer comes: {head}");
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        if status == 200 {
            return Ok(EventStream { stream, head, text: String::new() });
        }
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").unwrap().parse().unwrap();
        answer.body = vec![0; length];
        stream.read_exact(&mut answer.body).await.unwrap();
        Err(answer)
    }

    /// A stream of a user's from a cursor, behind its `welcome`.
    pub(crate) async fn events(&self, name: &str, cursor: &Cursor) -> EventStream {
        let query = format!("?cursor={cursor}&heartbeat_ms=30000");
        let headers = format!("authorization: Bearer {}\r\n", self.token(name));
        let mut stream = self.ask_for_events(&query, &headers, None).await.unwrap();
        assert!(matches!(stream.next().await, ServerFrame::Welcome(_)));
        stream
    }
}

impl EventStream {
    /// The next thing that comes; `None` at the end.
    pub(crate) async fn told(&mut self) -> Option<Told> {
        timeout(PATIENCE, async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let told = parse(event);
                    self.text = rest.to_owned();
                    return Some(told);
                }
                let chunk = self.chunk().await?;
                self.text.push_str(&chunk);
            }
        })
        .await
        .expect("something comes")
    }

    async fn chunk(&mut self) -> Option<String> {
        let mut size = String::new();
        self.stream.read_line(&mut size).await.ok()?;
        let size = usize::from_str_radix(size.trim_end(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).await.ok()?;
        chunk.truncate(size);
        (size > 0).then(|| String::from_utf8(chunk).unwrap())
    }

    /// The next frame but for `policy`, which comes when it likes; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<ServerFrame> {
        loop {
            match self.told().await? {
                Told::Event(name, _, _) if name == "policy" => {}
                Told::Event(_, _, frame) => return Some(*frame),
                Told::Comment => {}
            }
        }
    }

    pub(crate) async fn next(&mut self) -> ServerFrame {
        self.frame().await.expect("the stream goes on")
    }

    pub(crate) async fn page(&mut self) -> Page {
        match self.next().await {
            ServerFrame::Batch(page) => page,
            other => panic!("{other:?}"),
        }
    }

    /// The error that ends the stream.
    pub(crate) async fn last_error(&mut self) -> ErrorCode {
        let code = match self.next().await {
            ServerFrame::Error { error, .. } => error.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(self.frame().await, None);
        code
    }
}

fn parse(event: &str) -> Told {
    if event.starts_with(':') {
        return Told::Comment;
    }
    let field = |name: &str| {
        let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let lines: Vec<&str> = lines.collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    };
    let frame = ServerFrame::parse(&field("data").unwrap()).unwrap();
    Told::Event(field("event").unwrap(), field("id"), Box::new(frame))
}
