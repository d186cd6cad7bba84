//! What the engine asks for, done: each effect, and what the app is told.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use tidewire_protocol::{ClientFrame, EventsQuery, ServerFrame, UploadId};
use tokio::sync::{mpsc, oneshot};

use super::http::Http;
use super::stored::Stored;
use super::{Driver, OpenSocket, OpenStream, Outcome, socket, step, stream, upload};
use crate::defaults;
use crate::engine::{
    Command, Effect, Input, Notice, PartPut, Reply, RequestId, SocketEvent, SocketId, TokenError,
};
use crate::error::Error;
use crate::event::ClientEvent;
use crate::store::outgoing::Copy;

/// Frames queued for the socket: the engine sends a handful at a time, and a socket that does not
/// take them is dead.
const OUTBOUND: usize = 256;

impl Driver {
    pub(super) fn do_effects(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            if let Some(recorder) = &mut self.recorder {
                recorder.decision(&effect);
            }
            step::tell("effect");
            match effect {
                Effect::OpenSocket(id) => self.open_socket(id),
                Effect::CloseSocket(id) => {
                    if self.socket.as_ref().is_some_and(|socket| socket.id == id) {
                        self.close_socket();
                    }
                }
                Effect::SendFrame(id, frame) => self.send_frame(id, frame),
                Effect::OpenStream(id, query) => self.open_stream(id, query),
                Effect::CloseStream(id) => {
                    if self.stream.as_ref().is_some_and(|stream| stream.id == id) {
                        self.close_stream();
                    }
                }
                Effect::Request(id, request) => {
                    let http = self.http.clone();
                    let token = self.token.clone();
                    self.spawn(async move {
                        let answer = http.perform(request, &token).await;
                        Outcome::Response(id, Box::new(answer))
                    });
                }
                Effect::Load(token, query) => {
                    let outcomes = self.outcomes.clone();
                    let told = move |rows| drop(outcomes.send(Outcome::Loaded(token, rows)));
                    if let Some(rows) = self.store.load(query, told) {
                        self.done.push_back(Outcome::Loaded(token, rows));
                    }
                }
                Effect::Commit(token, transaction) => {
                    let outcomes = self.outcomes.clone();
                    let stored = Stored::of(&self.user, &transaction);
                    let told = stored.clone();
                    let done = self.store.commit(transaction, move |result| {
                        told.tell(&result);
                        let _ = outcomes.send(Outcome::Committed(token, result));
                    });
                    if let Some(result) = done {
                        stored.tell(&result);
                        self.done.push_back(Outcome::Committed(token, result));
                    }
                }
                Effect::PutPart(id, put) => self.put_part(id, put),
                Effect::DropPut(id) => {
                    if let Some(task) = self.puts.remove(&id) {
                        task.abort();
                    }
                }
                Effect::DropCopy(upload) => self.store.copy_done(upload),
                Effect::Fetch(id, fetch) => self.fetch(id, fetch),
                Effect::CancelFetch(id) => self.cancel_fetch(id),
                Effect::File(id, job) => self.file_job(id, job),
                Effect::Release => self.release(),
                Effect::Erase(command) => self.erasing = Some(command),
                Effect::FetchToken => {
                    let token = self.tokens.token();
                    self.spawn(async move {
                        let late = |_| Err(TokenError("the app gave no token in time".into()));
                        let answer = tokio::time::timeout(defaults::TOKEN_TIMEOUT, token).await;
                        Outcome::Token(answer.unwrap_or_else(late))
                    });
                }
                Effect::Notify(notice) => self.notice(notice),
            }
        }
    }

    fn put_part(&mut self, id: RequestId, put: PartPut) {
        let (http, outcomes) = (self.http.clone(), self.outcomes.clone());
        let copy = self.store.outgoing().path(put.upload);
        let task = self.tasks.spawn(async move {
            let tell = |news| drop(outcomes.send(Outcome::Part(id, news)));
            tell(upload::put(&http, copy, put, tell).await);
        });
        self.puts.insert(id, task);
    }

    /// Copies files on a thread where that keeps nobody.
    pub(super) fn copy(
        &self,
        files: Vec<(PathBuf, UploadId)>,
        most: u64,
        reply: oneshot::Sender<Result<Vec<Copy>, Error>>,
    ) {
        let outgoing = self.store.outgoing();
        tokio::task::spawn_blocking(move || {
            let copies = files.iter().map(|(path, id)| outgoing.copy(path, *id, most));
            // Whoever does not wait any more gets none: they are deleted.
            let _ = reply.send(copies.collect());
        });
    }

    fn release(&mut self) {
        self.close_socket();
        self.close_stream();
        self.puts.clear();
        self.tasks.abort_all();
        self.fetches.clear();
        // Idle connections and their timers go with the old one.
        if let Ok(http) = Http::new(self.address.clone(), self.traffic.clone()) {
            self.http = Arc::new(http);
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.rest();
        }
        self.release_store();
    }

    /// Nobody hears that the engine has settled before the last aborted task is gone.
    pub(super) fn tell_settled(&mut self) {
        if !self.settling.is_empty() && self.engine.is_settled() && self.is_quiet() {
            for done in self.settling.drain(..) {
                let _ = done.send(());
            }
        }
    }

    /// Whether nothing runs that the engine has asked to end.
    fn is_quiet(&self) -> bool {
        self.tasks.is_empty() || !self.engine.rests()
    }

    fn spawn(&mut self, work: impl Future<Output = Outcome> + Send + 'static) {
        let outcomes = self.outcomes.clone();
        self.tasks.spawn(async move {
            let _ = outcomes.send(work.await);
        });
    }

    fn open_socket(&mut self, id: SocketId) {
        self.close_socket();
        let (outbound, to_send) = mpsc::channel(OUTBOUND);
        let (inbound, frames) = mpsc::channel(1);
        self.frames = frames;
        let address = self.address.clone();
        let outcomes = self.outcomes.clone();
        let traffic = self.traffic.clone();
        let task = self.tasks.spawn(async move {
            let reason = match socket::open(&address).await {
                Ok(connection) => {
                    let _ = outcomes.send(Outcome::Socket(id, SocketEvent::Opened));
                    socket::carry(connection, to_send, inbound, &traffic).await
                }
                Err(socket::NotOpened::Network(reason)) => reason,
                // Said as a frame: it is heard before the end.
                Err(socket::NotOpened::Refused(error)) => {
                    let _ = inbound.send(ServerFrame::Error { error, room: None }).await;
                    "refused by the server".into()
                }
            };
            let _ = outcomes.send(Outcome::Socket(id, SocketEvent::Closed { reason }));
        });
        self.socket = Some(OpenSocket { id, outbound, task });
    }

    pub(super) fn close_socket(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.task.abort();
        }
    }

    fn open_stream(&mut self, id: SocketId, query: EventsQuery) {
        self.close_stream();
        let (inbound, frames) = mpsc::channel(1);
        self.stream_frames = frames;
        let (http, token) = (self.http.clone(), self.token.clone());
        let outcomes = self.outcomes.clone();
        let task = self.tasks.spawn(async move {
            let opened = || drop(outcomes.send(Outcome::Socket(id, SocketEvent::Opened)));
            let reason = stream::carry(&http, &query, &token, opened, &inbound).await;
            let _ = outcomes.send(Outcome::Socket(id, SocketEvent::Closed { reason }));
        });
        self.stream = Some(OpenStream { id, task });
    }

    pub(super) fn close_stream(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.task.abort();
        }
    }

    fn send_frame(&mut self, id: SocketId, mut frame: ClientFrame) {
        match &mut frame {
            ClientFrame::Hello(hello) => hello.token = Some(self.token.to_string()),
            ClientFrame::Token { token } => *token = self.token.to_string(),
            _ => {}
        }
        let Some(socket) = self.socket.as_ref().filter(|socket| socket.id == id) else { return };
        if socket.outbound.try_send(frame).is_err() {
            // Full or gone: either way it carries nothing any more.
            let reason = "frames are not taken any more".into();
            let _ = self.outcomes.send(Outcome::Socket(id, SocketEvent::Closed { reason }));
        }
    }

    pub(super) fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Reply(id, reply) => {
                if let Ok(Reply::Downloaded { key, size }) = &reply {
                    self.files.reached(key, *size);
                }
                if let Some(waiting) = self.replies.remove(&id) {
                    // The caller may have gone; what it asked for is done all the same.
                    let _ = waiting.send(reply);
                }
            }
            Notice::Timeline(id, update) => {
                if let Some(mailbox) = self.mailboxes.get(&id)
                    && mailbox.deliver(update)
                {
                    let command = self.command_id();
                    let ask = Command::ResetTimeline(id);
                    self.input(Input::Command(command, ask));
                }
            }
            Notice::RoomList(id, update) => {
                if let Some(mailbox) = self.lists.get(&id)
                    && mailbox.deliver(update)
                {
                    let command = self.command_id();
                    self.input(Input::Command(command, Command::ResetRoomList(id)));
                }
            }
            Notice::UnreadTotal(total) => {
                let _ = self.events.send(ClientEvent::UnreadTotalChanged(total));
            }
            Notice::Mode(report) => {
                tracing::info!(user = %self.user, mode = ?report.mode, because = %report.reason, "mode");
                self.mode.send_replace(report);
                let _ = self.events.send(ClientEvent::Mode(report));
            }
            Notice::RoomsChanged => {
                let _ = self.events.send(ClientEvent::RoomsChanged);
            }
            Notice::ProfilesChanged(users) => {
                let _ = self.events.send(ClientEvent::ProfilesChanged(users));
            }
            Notice::BlockedChanged(users) => {
                let _ = self.events.send(ClientEvent::BlockedChanged(users));
            }
            Notice::Presence(changes) => {
                let _ = self.events.send(ClientEvent::PresenceChanged(changes));
            }
            Notice::Typing(room, users) => {
                let _ = self.events.send(ClientEvent::TypingChanged { room, users });
            }
            Notice::Problem(problem) => {
                let _ = self.events.send(ClientEvent::Problem(problem));
            }
        }
    }
}
