//! A server in a folder of its own, and the plainest clients for HTTP and the socket.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidewire_protocol::{
    Bootstrap, ClientFrame, Content, Cursor, ErrorBody, ErrorCode, Event, EventId, EventKind,
    Hello, LiveFrom, MessageContent, Op, RoomId, RoomOps, RoomState, Sent, Seq, ServerFrame,
    SyncRequest, SyncResponse, UserId,
};
use tidewire_server::{Config, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use uuid::Uuid;

/// What never takes so long unless something is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A server in a folder of its own.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
}

pub(crate) async fn start() -> Running {
    start_with(|_| {}).await
}

pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::new(folder.path());
    config.rate_limit = None;
    change(&mut config);
    Running { server: Server::start(config).await.unwrap(), folder }
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The code of an error, which must have the status that goes with it.
    pub(crate) fn code(&self) -> ErrorCode {
        let body: ErrorBody = serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no typed body ({error}): {self:?}"));
        assert_eq!(body.error.code.status(), self.status, "{body:?}");
        assert!(self.header("content-type").unwrap().starts_with("application/json"));
        body.error.code
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Running {
    pub(crate) fn token(&self, name: &str) -> String {
        self.server.keys().mint(&user(name), Duration::from_secs(3_600)).unwrap()
    }

    /// Sends bytes as they are, and reads until the server closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.server.addr()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
        let split = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: bytes[split + 4..].to_vec() }
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        if let Some(token) = token {
            request += &format!("authorization: Bearer {token}\r\n");
        }
        if let Some(body) = body {
            request += "content-type: application/json\r\n";
            request += &format!("content-length: {}\r\n", body.len());
        }
        request += "\r\n";
        request += body.unwrap_or_default();
        self.raw(request.as_bytes()).await
    }

    pub(crate) async fn get(&self, name: &str, path: &str) -> Answer {
        self.call("GET", path, Some(&self.token(name)), None).await
    }

    pub(crate) async fn post(&self, name: &str, path: &str, body: &impl Serialize) -> Answer {
        let body = serde_json::to_string(body).unwrap();
        self.call("POST", path, Some(&self.token(name)), Some(&body)).await
    }

    /// A group of Ada's.
    pub(crate) async fn group(&self, creator: &str, members: &[&str]) -> RoomId {
        let id = RoomId::from_uuid(Uuid::now_v7());
        let room = json!({ "id": id, "kind": "group", "members": members });
        self.post(creator, "/v1/rooms", &room).await.parse::<RoomState>().id
    }

    pub(crate) async fn ops(&self, name: &str, room: RoomId, ops: &[Op]) -> Answer {
        self.post(name, &format!("/v1/rooms/{room}/ops"), &json!({ "ops": ops })).await
    }

    /// Sends so many messages.
    pub(crate) async fn say(&self, name: &str, room: RoomId, count: usize) {
        let ops: Vec<Op> = (0..count).map(|n| message(&n.to_string())).collect();
        for ops in ops.chunks(50) {
            let sent: Sent = self.ops(name, room, ops).await.parse();
            assert_eq!(sent.results.len(), ops.len());
        }
    }

    pub(crate) async fn cursor(&self, name: &str) -> Cursor {
        self.get(name, "/v1/bootstrap").await.parse::<Bootstrap>().cursor
    }

    pub(crate) async fn sync(&self, name: &str, request: &SyncRequest) -> SyncResponse {
        self.post(name, "/v1/sync", request).await.parse()
    }

    pub(crate) async fn open(&self) -> Socket {
        self.try_open(None).await.expect("the upgrade succeeds")
    }

    /// A socket, unless the upgrade is refused. Its end takes only so many bytes unread.
    pub(crate) async fn try_open(&self, receive_buffer: Option<u32>) -> Option<Socket> {
        let mut request =
            format!("ws://{}/v1/socket", self.server.addr()).into_client_request().unwrap();
        let protocol = "tidewire.v1.json".parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let stream = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = receive_buffer {
            stream.set_recv_buffer_size(bytes).unwrap();
        }
        let stream = stream.connect(self.server.addr()).await.unwrap();
        let (socket, answer) = tokio_tungstenite::client_async(request, stream).await.ok()?;
        assert_eq!(answer.headers()["sec-websocket-protocol"], "tidewire.v1.json");
        Some(Socket { socket })
    }

    /// A socket that has said hello.
    pub(crate) async fn hello(&self, name: &str, hello: Hello) -> Socket {
        let mut socket = self.open().await;
        let token = Some(self.token(name));
        socket.send(&ClientFrame::Hello(Hello { token, ..hello })).await;
        match socket.next().await {
            ServerFrame::Welcome(welcome) => assert_eq!(welcome.user, user(name)),
            other => panic!("{other:?}"),
        }
        socket
    }
}

pub(crate) fn request(cursor: Cursor) -> SyncRequest {
    serde_json::from_value(json!({ "cursor": cursor })).unwrap()
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn message(text: &str) -> Op {
    let content = MessageContent::of_text(text);
    Op {
        id: EventId::from_uuid(Uuid::now_v7()),
        kind: EventKind::Message,
        content: Content::of(&content).unwrap(),
    }
}

pub(crate) fn seqs(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.seq.get()).collect()
}

pub(crate) fn feed_from(cursor: Cursor) -> Hello {
    Hello { cursor: Some(cursor), feed: true, heartbeat_ms: 30_000, ..Hello::default() }
}

pub(crate) fn live_from(room: RoomId, after: u64) -> Hello {
    let live = vec![LiveFrom { room, after: Seq::new(after) }];
    Hello { live, heartbeat_ms: 30_000, ..Hello::default() }
}

/// The client's end of a socket.
pub(crate) struct Socket {
    socket: WebSocketStream<TcpStream>,
}

impl Socket {
    pub(crate) async fn send(&mut self, frame: &ClientFrame) {
        self.send_text(&serde_json::to_string(frame).unwrap()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn send_ops(&mut self, room: RoomId, ops: Vec<Op>) {
        self.send(&ClientFrame::Send(RoomOps { room, ops })).await;
    }

    /// The next frame, but for `policy`, which comes when it likes. `None` once closed.
    pub(crate) async fn frame(&mut self) -> Option<ServerFrame> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("a frame comes")? {
                Ok(Message::Text(text)) => match ServerFrame::parse(&text).unwrap() {
                    ServerFrame::Policy { .. } => {}
                    frame => return Some(frame),
                },
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    pub(crate) async fn next(&mut self) -> ServerFrame {
        self.frame().await.expect("the socket is open")
    }

    pub(crate) async fn next_error(&mut self) -> ErrorCode {
        match self.next().await {
            ServerFrame::Error { error, .. } => error.code,
            other => panic!("{other:?}"),
        }
    }

    /// What comes until the answer to a ping that is sent now. Frames of a connection come in
    /// order, so this is everything that was on its way.
    pub(crate) async fn until_pong(&mut self) -> Vec<ServerFrame> {
        self.send(&ClientFrame::Ping).await;
        let mut frames = Vec::new();
        loop {
            match self.next().await {
                ServerFrame::Pong => return frames,
                frame => frames.push(frame),
            }
        }
    }

    pub(crate) async fn assert_closed(&mut self) {
        assert_eq!(self.frame().await, None);
    }
}

pub(crate) fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
