//! The inputs as data: what a recording holds, and what a replay gives again.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{Event, ServerFrame};

use super::command::{Command, Signal};
use super::effect::{
    CommandId, RequestError, RequestId, Response, SocketEvent, SocketId, StoreToken,
};
use super::files::{FetchEnd, FetchId, FileJobId, KeptFiles};
use super::life::auth::{TokenError, TokenInfo};
use super::outbox::PartNews;
use super::query::Rows;
use super::stats::Traffic;
use super::{Engine, Now};
use crate::error::StoreError;

/// One input of the engine. Each is one of its `handle_*` methods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// [`Engine::handle_signal`]
    Signal(Signal),
    /// [`Engine::handle_command`]
    Command(CommandId, Command),
    /// [`Engine::handle_traffic`]
    Traffic(Traffic),
    /// [`Engine::handle_timeout`]
    Timeout,
    /// [`Engine::handle_socket`]
    Socket(SocketId, SocketEvent),
    /// [`Engine::handle_frame`]
    Frame(SocketId, #[serde(with = "frame")] Box<ServerFrame>),
    /// [`Engine::handle_response`]
    Response(RequestId, Box<Result<Response, RequestError>>),
    /// [`Engine::handle_loaded`], [`Engine::handle_load_failed`]
    Loaded(StoreToken, Result<Rows, StoreError>),
    /// [`Engine::handle_committed`], [`Engine::handle_commit_failed`]
    Committed(StoreToken, Result<Vec<Event>, StoreError>),
    /// [`Engine::handle_token`]
    Token(Result<TokenInfo, TokenError>),
    /// [`Engine::handle_part`]
    Part(RequestId, PartNews),
    /// [`Engine::handle_fetched`]
    Fetched(FetchId, FetchEnd),
    /// [`Engine::handle_file_job`]
    FileJob(FileJobId, Result<KeptFiles, StoreError>),
    /// [`Engine::handle_released`]
    Released,
}

impl Engine {
    /// Takes an input. Gives what [`Engine::handle_token`] gives; true for every other.
    pub fn handle(&mut self, now: Now, input: Input) -> bool {
        match input {
            Input::Signal(signal) => self.handle_signal(now, signal),
            Input::Command(id, command) => self.handle_command(now, id, command),
            Input::Traffic(total) => self.handle_traffic(total),
            Input::Timeout => self.handle_timeout(now),
            Input::Socket(id, event) => self.handle_socket(now, id, event),
            Input::Frame(id, frame) => self.handle_frame(now, id, *frame),
            Input::Response(id, answer) => self.handle_response(now, id, *answer),
            Input::Loaded(token, Ok(rows)) => self.handle_loaded(now, token, rows),
            Input::Loaded(token, Err(error)) => self.handle_load_failed(now, token, error),
            Input::Committed(token, Ok(folded)) => self.handle_committed(now, token, folded),
            Input::Committed(token, Err(error)) => self.handle_commit_failed(now, token, error),
            Input::Token(token) => return self.handle_token(now, token),
            Input::Part(id, news) => self.handle_part(now, id, news),
            Input::Fetched(id, end) => self.handle_fetched(now, id, end),
            Input::FileJob(id, result) => self.handle_file_job(now, id, result),
            Input::Released => self.handle_released(now),
        }
        true
    }
}

/// Frames are read by their type, not by `serde` alone.
mod frame {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
    use serde_json::value::RawValue;
    use tidewire_protocol::ServerFrame;

    pub(super) fn serialize<S: Serializer>(
        frame: &ServerFrame,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Unknown<'a> {
            #[serde(rename = "type")]
            name: &'a str,
        }
        match frame {
            ServerFrame::Unknown(name) => Unknown { name }.serialize(serializer),
            frame => frame.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Box<ServerFrame>, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        ServerFrame::parse(json.get()).map(Box::new).map_err(D::Error::custom)
    }
}
