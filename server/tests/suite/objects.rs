//! Helpers for files: whoever uploads one, and plain HTTP to wherever an address leads.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use serde_json::json;
use sha2::{Digest, Sha256};
use tidewire_protocol::{
    Attachment, Checksum, Content, ErrorCode, EventId, EventKind, FileAccess, MessageContent, Op,
    OpOutcome, RoomId, Sent, Upload, UploadId, UploadPart, UploadRequest,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use uuid::Uuid;

use crate::harness::{Answer, PATIENCE, Running};

/// Bytes that are no two alike for long.
pub(crate) fn bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    (0..count).map(|_| next() as u8).collect()
}

pub(crate) fn asked(bytes: &[u8]) -> UploadRequest {
    UploadRequest {
        id: UploadId::from_uuid(Uuid::now_v7()),
        name: "Mast, \u{201c}from below\u{201d}.jpg".into(),
        content_type: "image/jpeg".into(),
        size: bytes.len() as u64,
        sha256: Checksum::new(Sha256::digest(bytes).into()),
    }
}

pub(crate) fn attachment(asked: &UploadRequest, upload: &Upload) -> Attachment {
    let UploadRequest { id, name, content_type, size, sha256 } = asked.clone();
    Attachment {
        id,
        key: upload.key.clone(),
        name,
        content_type,
        size,
        sha256,
        width: None,
        height: None,
        duration_ms: None,
        preview: None,
    }
}

pub(crate) fn listing(files: Vec<Attachment>) -> Op {
    let content = MessageContent { attachments: files, ..MessageContent::default() };
    let content = Content::of(&content).unwrap();
    Op { id: EventId::from_uuid(Uuid::now_v7()), kind: EventKind::Message, content }
}

/// In place of a status: the connection was cut.
const CUT: u16 = 0;

/// Whether a store has said no.
pub(crate) fn is_refused(answer: &Answer) -> bool {
    matches!(answer.status, CUT | 400..500)
}

/// One request to whatever is there. Who answers before all is sent is heard all the same.
pub(crate) async fn exchange(
    to: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let stream = TcpStream::connect(to).await.unwrap();
    let (mut from, mut into) = stream.into_split();
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    if method == "PUT" && !headers.iter().any(|(name, _)| *name == "content-length") {
        request += &format!("content-length: {}\r\n", body.len());
    }
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += "\r\n";
    let mut all = request.into_bytes();
    all.extend_from_slice(body);
    let writing = tokio::spawn(async move {
        let _ = into.write_all(&all).await;
        into
    });
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, from.read_to_end(&mut answer)).await.unwrap();
    writing.abort();
    if answer.is_empty() {
        // A store that refuses what is still being sent may cut the connection before its answer is read.
        assert!(read.is_err(), "a connection that was closed without an answer");
        return Answer { status: CUT, head: String::new(), body: Vec::new() };
    }
    let split = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[split + 4..].to_vec() }
}

impl Running {
    /// Who answers at an address, and what is to be asked there.
    fn leads(&self, url: &str) -> (SocketAddr, String) {
        match url.strip_prefix("http://") {
            Some(rest) => {
                let (host, target) = rest.split_once('/').unwrap();
                (host.parse().unwrap(), format!("/{target}"))
            }
            None => (self.server.addr(), url.to_owned()),
        }
    }

    pub(crate) async fn at(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let (to, target) = self.leads(url);
        exchange(to, method, &target, headers, body).await
    }

    pub(crate) async fn begin(&self, name: &str, asked: &UploadRequest) -> Upload {
        self.post(name, "/v1/uploads", asked).await.parse()
    }

    /// Puts a part of a file, with its checksum.
    pub(crate) async fn put(&self, upload: &Upload, part: &UploadPart, file: &[u8]) -> Answer {
        let bytes = slice(upload, part.number, file);
        let md5 = STANDARD.encode(Md5::digest(bytes));
        let mut headers = vec![("content-md5", md5.as_str())];
        headers.extend(part.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        self.at("PUT", &part.url, &headers, bytes).await
    }

    pub(crate) async fn put_all(&self, upload: &Upload, file: &[u8]) {
        for part in &upload.parts {
            let answer = self.put(upload, part, file).await;
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        }
    }

    pub(crate) async fn complete(&self, name: &str, id: UploadId) -> Answer {
        let path = format!("/v1/uploads/{id}/complete");
        self.call("POST", &path, Some(&self.token(name)), None).await
    }

    pub(crate) async fn cancel(&self, name: &str, id: UploadId) -> Answer {
        let path = format!("/v1/uploads/{id}");
        self.call("DELETE", &path, Some(&self.token(name)), None).await
    }

    pub(crate) async fn access(&self, name: &str, key: &str) -> Answer {
        self.get(name, &format!("/v1/files/{key}")).await
    }

    /// Uploads a file from its first byte to its last.
    pub(crate) async fn upload(&self, name: &str, file: &[u8]) -> (UploadRequest, Upload) {
        let asked = asked(file);
        let begun = self.begin(name, &asked).await;
        self.put_all(&begun, file).await;
        let done: Upload = self.complete(name, asked.id).await.parse();
        assert!(done.complete && done.key == begun.key);
        (asked, done)
    }

    /// Sends a message that lists these files.
    pub(crate) async fn list(&self, name: &str, room: RoomId, files: Vec<Attachment>) -> EventId {
        let op = listing(files);
        let id = op.id;
        let sent: Sent = self.ops(name, room, &[op]).await.parse();
        assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }), "{sent:?}");
        id
    }

    /// Sends one that must be refused.
    pub(crate) async fn list_refused(
        &self,
        name: &str,
        room: RoomId,
        file: Attachment,
    ) -> ErrorCode {
        let sent: Sent = self.ops(name, room, &[listing(vec![file])]).await.parse();
        match &sent.results[0].outcome {
            OpOutcome::Refused { error } => error.code.clone(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn delete_message(&self, name: &str, room: RoomId, target: EventId) {
        let content = Content::of(&json!({ "target": target })).unwrap();
        let id = EventId::from_uuid(Uuid::now_v7());
        let sent: Sent =
            self.ops(name, room, &[Op { id, kind: EventKind::Delete, content }]).await.parse();
        assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }), "{sent:?}");
    }

    /// Where somebody gets a file.
    pub(crate) async fn url_for(&self, name: &str, key: &str) -> String {
        self.access(name, key).await.parse::<FileAccess>().url
    }
}

/// The bytes of a part.
pub(crate) fn slice<'a>(upload: &Upload, number: u32, file: &'a [u8]) -> &'a [u8] {
    let size = upload.part_size as usize;
    let begin = (number as usize - 1) * size;
    &file[begin..file.len().min(begin + size)]
}
