//! The model of the simulation.

use std::collections::VecDeque;

use tidewire::UserId;
use tidewire::engine::{Request, RequestError, Response};
use tidewire::simulation::{ModelServer, ModelSocket};
use tidewire_protocol::{ClientFrame, Cursor, ServerFrame, WireError};

use super::{FileCall, Served, user};

#[derive(Default)]
pub(super) struct Model(ModelServer);

pub(super) struct Socket {
    user: UserId,
    model: ModelSocket,
    heard: VecDeque<ServerFrame>,
}

impl Served for Model {
    type Socket = Socket;

    async fn request(&mut self, name: &str, request: Request) -> Result<Response, RequestError> {
        self.0.answer(&user(name), request)
    }

    async fn open(&mut self, name: &str) -> Socket {
        Socket { user: user(name), model: ModelSocket::default(), heard: VecDeque::new() }
    }

    async fn say(&mut self, socket: &mut Socket, frame: ClientFrame) {
        socket.heard.extend(self.0.push(&socket.user, &mut socket.model));
        socket.heard.extend(self.0.frame(&socket.user, &mut socket.model, frame));
    }

    async fn hears(&mut self, socket: &mut Socket, wanted: &[&str]) -> ServerFrame {
        socket.heard.extend(self.0.push(&socket.user, &mut socket.model));
        loop {
            let frame = socket.heard.pop_front().expect("a frame");
            let json = serde_json::to_value(&frame).unwrap();
            if wanted.iter().any(|wanted| json["type"] == **wanted) {
                return frame;
            }
        }
    }

    async fn file_call(&mut self, name: &str, call: FileCall) -> Result<Vec<u8>, WireError> {
        fn json<T: serde::Serialize>(value: &T) -> Vec<u8> {
            serde_json::to_vec(value).unwrap()
        }
        let (user, model) = (user(name), &mut self.0);
        match call {
            FileCall::Begin(request) => model.begin_upload(&user, request).map(|told| json(&told)),
            FileCall::Put(url, bytes) => model.put_part(&url, &bytes).map(|()| Vec::new()),
            FileCall::Complete(id) => model.complete_upload(&user, id).map(|told| json(&told)),
            FileCall::Cancel(id) => model.cancel_upload(&user, id).map(|()| Vec::new()),
            FileCall::Access(key) => model.file_access(&user, &key).map(|told| json(&told)),
            FileCall::Get(url) => model.get_file(&url),
        }
    }

    async fn expire(&mut self, _: &str, _: &Cursor) {
        // Only what is older than the newest event.
        let head = self.0.head();
        self.0.expired_below = head.as_str()[1..].parse().unwrap();
    }
}
