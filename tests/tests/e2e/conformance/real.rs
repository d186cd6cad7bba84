//! The real server, over HTTP and WebSockets.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;
use tempfile::TempDir;
use tidewire::engine::{Request, RequestError, Response};
use tidewire_protocol::{
    BlockQuery, ClientFrame, Cursor, ErrorBody, ErrorCode, HistoryQuery, SearchRequest,
    ServerFrame, UserId, WireError,
};
use tidewire_tests::http;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::socket::Socket;

use super::{FileCall, Served, code, reading, sync};

pub(super) struct Real {
    server: ServerProcess,
    tokens: HashMap<String, String>,
    _folder: TempDir,
}

impl Real {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = ServerProcess::start(folder.path().join("server")).await;
        Self { server, tokens: HashMap::new(), _folder: folder }
    }

    fn token(&mut self, name: &str) -> String {
        let server = &self.server;
        self.tokens.entry(name.to_owned()).or_insert_with(|| server.token(name)).clone()
    }
}

impl Served for Real {
    type Socket = (Socket, String);

    async fn request(&mut self, name: &str, request: Request) -> Result<Response, RequestError> {
        let token = self.token(name);
        let (method, path, body) = call(&request);
        let answer = http::call(self.server.addr(), &token, method, &path, body.as_ref()).await;
        let text = answer.body.to_string();
        if answer.status != 200 {
            let body: ErrorBody = serde_json::from_str(&text).unwrap();
            assert_eq!(body.error.code.status(), answer.status, "{text}");
            return Err(body.error.into());
        }
        Ok(parse(&request, &text).unwrap())
    }

    async fn open(&mut self, name: &str) -> Self::Socket {
        (Socket::open(self.server.addr()).await, self.token(name))
    }

    async fn say(&mut self, (socket, token): &mut Self::Socket, mut frame: ClientFrame) {
        if let ClientFrame::Hello(hello) = &mut frame {
            hello.token.get_or_insert(token.clone());
        }
        socket.say(&json(&frame)).await;
    }

    async fn hears(&mut self, (socket, _): &mut Self::Socket, wanted: &[&str]) -> ServerFrame {
        let frame = socket.hears_any(wanted).await;
        ServerFrame::parse(&frame.to_string()).unwrap()
    }

    async fn file_call(&mut self, name: &str, call: FileCall) -> Result<Vec<u8>, WireError> {
        let token = self.token(name);
        let addr = self.server.addr();
        let (status, body) = match call {
            FileCall::Put(url, bytes) => {
                http::bytes(addr, "PUT", &url, Some(&bytes)).await.unwrap()
            }
            FileCall::Get(url) => http::bytes(addr, "GET", &url, None).await.unwrap(),
            call => {
                let (method, path, body) = match &call {
                    FileCall::Begin(request) => {
                        ("POST", "/v1/uploads".to_owned(), Some(json(request)))
                    }
                    FileCall::Complete(id) => ("POST", format!("/v1/uploads/{id}/complete"), None),
                    FileCall::Cancel(id) => ("DELETE", format!("/v1/uploads/{id}"), None),
                    FileCall::Access(key) => ("GET", format!("/v1/files/{key}"), None),
                    FileCall::Put(..) | FileCall::Get(_) => unreachable!("they are above"),
                };
                let answer = http::call(addr, &token, method, &path, body.as_ref()).await;
                (answer.status, answer.body.to_string().into_bytes())
            }
        };
        if status == 200 {
            return Ok(body);
        }
        let body: ErrorBody = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.error.code.status(), status, "{body:?}");
        Err(body.error)
    }

    async fn expire(&mut self, name: &str, cursor: &Cursor) {
        // Every cursor is too old on this server a second after it was given.
        let dir = self.server.dir().to_owned();
        self.server.stop().await;
        let flags = ["--ops-per-second=0", "--cursor-max-age-seconds=0"];
        self.server = ServerProcess::start_with(dir, &flags).await;
        loop {
            match sync(self, name, reading(cursor)).await {
                Ok(_) => tokio::task::yield_now().await,
                refused => {
                    assert_eq!(code(refused), ErrorCode::CursorExpired);
                    return;
                }
            }
        }
    }
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

/// A request as HTTP.
fn call(request: &Request) -> (&'static str, String, Option<Value>) {
    match request {
        Request::Sync(body) => ("POST", "/v1/sync".into(), Some(json(body))),
        Request::Bootstrap => ("GET", "/v1/bootstrap".into(), None),
        Request::Rooms(after) => ("GET", format!("/v1/rooms?after={after}"), None),
        Request::Room(room) => ("GET", format!("/v1/rooms/{room}"), None),
        Request::CreateRoom(body) => ("POST", "/v1/rooms".into(), Some(json(body))),
        Request::Members(room, after) => {
            let after = after.as_ref().map_or(String::new(), |after| format!("?after={after}"));
            ("GET", format!("/v1/rooms/{room}/members{after}"), None)
        }
        Request::Receipts(room, seq, after) => {
            let after = after.as_ref().map_or(String::new(), |after| format!("&after={after}"));
            ("GET", format!("/v1/rooms/{room}/receipts?seq={seq}{after}"), None)
        }
        Request::AddMembers(room, body) => {
            ("POST", format!("/v1/rooms/{room}/members"), Some(json(body)))
        }
        Request::RemoveMember(room, user) => {
            ("DELETE", format!("/v1/rooms/{room}/members/{user}"), None)
        }
        Request::SetRole(room, user, body) => {
            ("PUT", format!("/v1/rooms/{room}/members/{user}"), Some(json(body)))
        }
        Request::Ban(room, user, body) => {
            ("PUT", format!("/v1/rooms/{room}/bans/{user}"), Some(json(body)))
        }
        Request::Unban(room, user) => ("DELETE", format!("/v1/rooms/{room}/bans/{user}"), None),
        Request::Bans(room, after) => {
            let after = after.as_ref().map_or(String::new(), |after| format!("?after={after}"));
            ("GET", format!("/v1/rooms/{room}/bans{after}"), None)
        }
        Request::Mute(room, user, body) => {
            ("PUT", format!("/v1/rooms/{room}/mutes/{user}"), Some(json(body)))
        }
        Request::Unmute(room, user) => ("DELETE", format!("/v1/rooms/{room}/mutes/{user}"), None),
        Request::Mutes(room, after) => {
            let after = after.as_ref().map_or(String::new(), |after| format!("?after={after}"));
            ("GET", format!("/v1/rooms/{room}/mutes{after}"), None)
        }
        Request::SetSlowMode(room, body) => {
            ("PUT", format!("/v1/rooms/{room}/slow_mode"), Some(json(body)))
        }
        Request::UpdateRoom(room, body) => ("PUT", format!("/v1/rooms/{room}"), Some(json(body))),
        Request::SetSettings(room, body) => {
            ("PUT", format!("/v1/rooms/{room}/settings"), Some(json(body)))
        }
        Request::Report(body) => ("POST", "/v1/reports".into(), Some(json(body))),
        Request::Reports(room, query) => {
            let after = query.after.map_or(String::new(), |after| format!("&after={after}"));
            ("GET", format!("/v1/rooms/{room}/reports?all={}{after}", query.all), None)
        }
        Request::ResolveReport(id) => ("POST", format!("/v1/reports/{id}/resolve"), None),
        Request::Blocks => ("GET", "/v1/blocks".into(), None),
        Request::Block(user, query) => ("PUT", block(user, *query), None),
        Request::Unblock(user, query) => ("DELETE", block(user, *query), None),
        Request::Message(room, event) => {
            ("GET", format!("/v1/rooms/{room}/messages/{event}"), None)
        }
        Request::History(room, query) => {
            ("GET", format!("/v1/rooms/{room}/messages?{}", history(query)), None)
        }
        Request::Ops(room, body) => ("POST", format!("/v1/rooms/{room}/ops"), Some(json(body))),
        Request::Search(search) => ("GET", format!("/v1/search?{}", search_query(search)), None),
        Request::File(key) => ("GET", format!("/v1/files/{key}"), None),
        Request::Profiles(body) => ("POST", "/v1/profiles:batch".into(), Some(json(body))),
        Request::UpdateProfile(body) => ("PUT", "/v1/profile".into(), Some(json(body))),
        Request::BeginUpload(body) => ("POST", "/v1/uploads".into(), Some(json(body))),
        Request::CompleteUpload(id) => ("POST", format!("/v1/uploads/{id}/complete"), None),
        Request::CancelUpload(id) => ("DELETE", format!("/v1/uploads/{id}"), None),
    }
}

fn block(user: &UserId, query: BlockQuery) -> String {
    let version = query.version.map_or(String::new(), |version| format!("?version={version}"));
    format!("/v1/blocks/{user}{version}")
}

fn history(query: &HistoryQuery) -> String {
    let seqs = [("before", query.before), ("after", query.after), ("around", query.around)];
    let seqs = seqs.into_iter().filter_map(|(name, seq)| Some(format!("{name}={}", seq?.get())));
    let limit = query.limit.map(|limit| format!("limit={limit}"));
    let thread = query.thread.map(|root| format!("thread={root}"));
    seqs.chain(thread).chain(limit).collect::<Vec<_>>().join("&")
}

fn search_query(search: &SearchRequest) -> String {
    let escape =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let parts = [
        Some(format!("q={}", escape(&search.q))),
        search.room.map(|room| format!("room={room}")),
        search.sender.as_ref().map(|sender| format!("sender={}", escape(sender.as_str()))),
        search.limit.map(|limit| format!("limit={limit}")),
        search.after.as_ref().map(|after| format!("after={}", escape(after))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("&")
}

fn parse(request: &Request, text: &str) -> serde_json::Result<Response> {
    Ok(match request {
        Request::Sync(_) => Response::Sync(serde_json::from_str(text)?),
        Request::Bootstrap => Response::Bootstrap(serde_json::from_str(text)?),
        Request::Rooms(_) => Response::Rooms(serde_json::from_str(text)?),
        Request::Room(_)
        | Request::CreateRoom(_)
        | Request::AddMembers(..)
        | Request::RemoveMember(..)
        | Request::SetRole(..)
        | Request::Ban(..)
        | Request::Unban(..)
        | Request::Mute(..)
        | Request::Unmute(..)
        | Request::SetSlowMode(..)
        | Request::UpdateRoom(..) => Response::Room(serde_json::from_str(text)?),
        Request::Members(..) => Response::Members(serde_json::from_str(text)?),
        Request::Bans(..) => Response::Bans(serde_json::from_str(text)?),
        Request::Mutes(..) => Response::Mutes(serde_json::from_str(text)?),
        Request::Receipts(..) => Response::Receipts(serde_json::from_str(text)?),
        Request::Report(_) => Response::ReportTaken(serde_json::from_str(text)?),
        Request::Reports(..) => Response::Reports(serde_json::from_str(text)?),
        Request::ResolveReport(_) => Response::Report(serde_json::from_str(text)?),
        Request::Blocks | Request::Block(..) | Request::Unblock(..) => {
            Response::Blocks(serde_json::from_str(text)?)
        }
        Request::SetSettings(..) => Response::Settings(serde_json::from_str(text)?),
        Request::History(..) | Request::Message(..) => {
            Response::History(serde_json::from_str(text)?)
        }
        Request::Ops(..) => Response::Ops(serde_json::from_str(text)?),
        Request::Search(_) => Response::Search(serde_json::from_str(text)?),
        Request::File(_) => Response::File(serde_json::from_str(text)?),
        Request::Profiles(_) => Response::Profiles(serde_json::from_str(text)?),
        Request::UpdateProfile(_) => Response::Profile(serde_json::from_str(text)?),
        Request::BeginUpload(_) | Request::CompleteUpload(_) => {
            Response::Upload(serde_json::from_str(text)?)
        }
        Request::CancelUpload(_) => Response::Done,
    })
}
