//! One engine against the model server, with the real executor and a network between them that
//! does what the test says, step by step.

use std::collections::{BTreeMap, VecDeque};

use tidewire_protocol::{
    AppState, BlockList, ClientFrame, Content, DeleteContent, EditContent, Event, EventId,
    EventKind, EventsQuery, MessageContent, Receipt, ReceiptUpdate, Role, RoomId, RoomState, Seq,
    ServerFrame, UserId,
};

use super::checks;
use super::client::{SimClient, StoreStep, Want};
use super::disk::{Disk, MemoryDisk};
use super::server::ModelServer;
use super::socket::ModelSocket;
use crate::config::Config;
use crate::engine::{
    Command, CommandId, Fetch, FetchEnd, FetchId, Input, Now, PartNews, PartPut, Request,
    RequestError, RequestId, SendOptions, Signal, SocketEvent, SocketId, StartRows, TimelineId,
    TimelineStart, TokenInfo,
};

/// The server's longest silence on a stream.
const SIGN_OF_LIFE_MS: u64 = 30_000;

#[derive(Default)]
struct Wire {
    model: ModelSocket,
    to_server: VecDeque<ClientFrame>,
    to_client: VecDeque<ServerFrame>,
}

/// One client of one user. Its network is moved by hand.
pub(crate) struct World {
    pub(crate) server: ModelServer,
    client: SimClient,
    pub(crate) requests: Vec<(RequestId, Request)>,
    /// Parts on their way.
    pub(crate) puts: Vec<(RequestId, PartPut)>,
    /// Files that are being read.
    pub(crate) fetches: Vec<(FetchId, Fetch)>,
    opening: Vec<SocketId>,
    socket: Option<(SocketId, Wire)>,
    /// Streams that were asked for, and the open one.
    asked_streams: Vec<(SocketId, EventsQuery)>,
    stream: Option<(SocketId, Wire)>,
    /// When the server shows on it that it lives.
    sign_of_life_at: u64,
    /// Whether sockets open, and streams.
    pub(crate) sockets_work: bool,
    pub(crate) streams_work: bool,
    token_wanted: bool,
}

impl std::ops::Deref for World {
    type Target = SimClient;

    fn deref(&self) -> &SimClient {
        &self.client
    }
}

impl std::ops::DerefMut for World {
    fn deref_mut(&mut self) -> &mut SimClient {
        &mut self.client
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(Config::new(ada()), Box::new(MemoryDisk::new()), seed)
    }

    /// One with its own knobs and disk.
    pub(crate) fn with(config: Config, disk: Box<dyn Disk>, seed: u64) -> Self {
        let mut server = ModelServer::new();
        server.records = true;
        let now = Now { mono_ms: 0, wall_ms: 1_700_000_000_000 };
        let mut world = Self {
            server,
            client: SimClient::new(config, 0, seed, now, disk),
            requests: Vec::new(),
            puts: Vec::new(),
            fetches: Vec::new(),
            opening: Vec::new(),
            socket: None,
            asked_streams: Vec::new(),
            stream: None,
            sign_of_life_at: 0,
            sockets_work: true,
            streams_work: true,
            token_wanted: false,
        };
        world.collect();
        world
    }

    /// The process dies and starts again on the same files.
    pub(crate) fn restart(&mut self, seed: u64) {
        self.client.restart(seed);
        self.requests.clear();
        self.puts.clear();
        self.fetches.clear();
        self.forget_connections();
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(want) = self.client.wants.pop_front() {
            match want {
                Want::Open(id) => self.opening.push(id),
                Want::Close(id) => {
                    self.opening.retain(|other| *other != id);
                    self.socket.take_if(|(other, _)| *other == id);
                }
                Want::Frame(id, frame) => {
                    if let Some((_, wire)) = self.socket.as_mut().filter(|(other, _)| *other == id)
                    {
                        wire.to_server.push_back(frame);
                    }
                }
                Want::OpenStream(id, query) => self.asked_streams.push((id, query)),
                Want::CloseStream(id) => {
                    self.asked_streams.retain(|(other, _)| *other != id);
                    self.stream.take_if(|(other, _)| *other == id);
                }
                Want::Request(id, request) => self.requests.push((id, request)),
                Want::Put(id, put) => self.puts.push((id, put)),
                Want::DropPut(id) => self.puts.retain(|(other, _)| *other != id),
                Want::Fetch(id, fetch) => self.fetches.push((id, fetch)),
                Want::CancelFetch(id) => self.fetches.retain(|(other, _)| *other != id),
                Want::Token => self.token_wanted = true,
                Want::Release => self.release(),
            }
        }
        if let Some(broken) = &self.client.broken {
            panic!("{broken}");
        }
    }

    /// What is on its way gets lost, every second request only on its way back.
    fn release(&mut self) {
        for (index, (_, request)) in std::mem::take(&mut self.requests).into_iter().enumerate() {
            if index % 2 == 0 {
                let _ = self.server.answer(&ada(), request);
            }
        }
        self.puts.clear();
        self.fetches.clear();
        self.forget_connections();
    }

    fn forget_connections(&mut self) {
        self.opening.clear();
        self.socket = None;
        self.asked_streams.clear();
        self.stream = None;
        self.token_wanted = false;
    }

    pub(crate) fn command(&mut self, command: Command) -> CommandId {
        let id = self.client.command(command);
        self.collect();
        id
    }

    pub(crate) fn send(&mut self, room: RoomId, text: &str) -> EventId {
        let (id, _) = self.client.send(room, text);
        self.collect();
        id
    }

    /// Sends anything. Gives the operation's id and the command that carries it.
    pub(crate) fn operate<T: serde::Serialize>(
        &mut self,
        room: RoomId,
        kind: EventKind,
        content: &T,
    ) -> (EventId, CommandId) {
        let done = self.client.operate(room, kind, Content::of(content).unwrap());
        self.collect();
        done
    }

    pub(crate) fn send_files(
        &mut self,
        room: RoomId,
        text: &str,
        files: Vec<Vec<u8>>,
        options: SendOptions,
    ) -> (EventId, CommandId) {
        let done = self.client.send_files(room, text, files, options);
        self.collect();
        done
    }

    /// The first part on its way arrives, as the store takes it. Gives whether there was one.
    pub(crate) fn put_step(&mut self) -> bool {
        if self.puts.is_empty() {
            return false;
        }
        let (id, put) = self.puts.remove(0);
        let news = self.server.take_part(&self.client, &put);
        self.part_news(id, news);
        true
    }

    /// The first part on its way gets lost, or (`applied`) what the store says of it.
    pub(crate) fn lose_put(&mut self, applied: bool, news: PartNews) {
        let (id, put) = self.puts.remove(0);
        if applied {
            let _ = self.server.take_part(&self.client, &put);
        }
        self.part_news(id, news);
    }

    /// The engine hears of a part.
    pub(crate) fn part_news(&mut self, id: RequestId, news: PartNews) {
        self.client.input(Input::Part(id, news));
        self.collect();
    }

    pub(crate) fn open(&mut self, room: RoomId) -> TimelineId {
        let id = self.client.open(room);
        self.collect();
        id
    }

    pub(crate) fn open_at(
        &mut self,
        room: RoomId,
        start: TimelineStart,
    ) -> (TimelineId, CommandId) {
        let opened = self.client.open_at(room, start);
        self.collect();
        opened
    }

    pub(crate) fn open_thread(&mut self, room: RoomId, root: EventId) -> (TimelineId, CommandId) {
        let opened = self.client.open_thread(room, root);
        self.collect();
        opened
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        if matches!(signal, Signal::AppState(state) if state != AppState::Suspended) {
            self.client.resting = false;
        }
        self.client.input(Input::Signal(signal));
        self.collect();
    }

    /// Lets the store do its next job. Gives whether there was one.
    pub(crate) fn store_step(&mut self) -> bool {
        let Some(step) = self.client.store_step() else { return false };
        if step == StoreStep::Committed {
            self.check_store();
        }
        self.collect();
        true
    }

    /// The server answers the request at `index`, and the answer arrives.
    pub(crate) fn answer(&mut self, index: usize) {
        let (id, request) = self.requests.remove(index);
        let answer = self.server.answer(&ada(), request);
        self.client.input(Input::Response(id, Box::new(answer)));
        self.collect();
    }

    /// The request at `index` is lost: on its way there, or (`applied`) on its way back.
    pub(crate) fn lose(&mut self, index: usize, applied: bool) {
        let (id, request) = self.requests.remove(index);
        if applied {
            let _ = self.server.answer(&ada(), request);
        }
        let answer = Err(RequestError::Network("lost".into()));
        self.client.input(Input::Response(id, Box::new(answer)));
        self.collect();
    }

    /// The first file that is being read gets at most so many bytes further.
    pub(crate) fn fetch(&mut self, most: u64) {
        let (id, fetch) = self.fetches.remove(0);
        let now = self.client.now.wall_ms;
        let end = self.client.files.fetch(&self.server, &fetch, most, now);
        self.end_fetch(id, end);
    }

    /// What is read of a file ends so.
    pub(crate) fn end_fetch(&mut self, id: FetchId, end: FetchEnd) {
        self.client.input(Input::Fetched(id, end));
        self.collect();
    }

    /// The server takes the request at `index` now; its answer is given by the caller later.
    pub(crate) fn take_request(
        &mut self,
        index: usize,
    ) -> (RequestId, Result<crate::engine::Response, RequestError>) {
        let (id, request) = self.requests.remove(index);
        (id, self.server.answer(&ada(), request))
    }

    pub(crate) fn respond(
        &mut self,
        id: RequestId,
        answer: Result<crate::engine::Response, RequestError>,
    ) {
        self.client.input(Input::Response(id, Box::new(answer)));
        self.collect();
    }

    pub(crate) fn grant_token(&mut self) -> bool {
        let wanted = std::mem::take(&mut self.token_wanted);
        if wanted {
            self.give_token(TokenInfo::default());
        }
        wanted
    }

    /// The app gives a token, asked or not. Gives whether it is used.
    pub(crate) fn give_token(&mut self, token: TokenInfo) -> bool {
        let used = self.client.input(Input::Token(Ok(token)));
        self.collect();
        used
    }

    /// A socket that was asked for opens. Gives whether one was.
    pub(crate) fn open_socket(&mut self) -> bool {
        let Some(id) = self.opening.pop() else { return false };
        if !self.sockets_work {
            self.lose_socket(id);
            return true;
        }
        self.socket = Some((id, Wire::default()));
        self.client.input(Input::Socket(id, SocketEvent::Opened));
        self.collect();
        true
    }

    /// A stream that was asked for opens. Gives whether one was.
    pub(crate) fn open_stream(&mut self) -> bool {
        let Some((id, query)) = self.asked_streams.pop() else { return false };
        if self.streams_work {
            let (model, frames) = self.server.stream(&ada(), query);
            self.stream = Some((id, Wire { model, to_client: frames.into(), ..Wire::default() }));
            self.sign_of_life_at = self.now.mono_ms + SIGN_OF_LIFE_MS;
            self.client.input(Input::Socket(id, SocketEvent::Opened));
            self.collect();
        } else {
            self.lose_socket(id);
        }
        true
    }

    fn lose_socket(&mut self, id: SocketId) {
        let closed = SocketEvent::Closed { reason: "cut".into() };
        self.client.input(Input::Socket(id, closed));
        self.collect();
    }

    /// The stream breaks, with everything on its way.
    pub(crate) fn cut_stream(&mut self) {
        if let Some((id, _)) = self.stream.take() {
            self.lose_socket(id);
        }
    }

    pub(crate) fn has_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// The server pushes what it has into the stream. Gives whether there was anything.
    pub(crate) fn stream_step(&mut self) -> bool {
        let Some((_, wire)) = &mut self.stream else { return false };
        self.server.take_news();
        let mut pushed = self.server.push(&ada(), &mut wire.model);
        let now = self.client.now.mono_ms;
        if pushed.is_empty() && now >= self.sign_of_life_at {
            pushed.push(ServerFrame::Ping);
        }
        let some = !pushed.is_empty();
        if some {
            self.sign_of_life_at = now + SIGN_OF_LIFE_MS;
        }
        wire.to_client.extend(pushed);
        some
    }

    /// One frame arrives on the stream. Gives whether there was one that the engine takes now.
    pub(crate) fn stream_arrival(&mut self) -> bool {
        if !self.engine.wants_frames() {
            return false;
        }
        let Some((id, wire)) = &mut self.stream else { return false };
        let Some(frame) = wire.to_client.pop_front() else { return false };
        let id = *id;
        self.client.input(Input::Frame(id, Box::new(frame)));
        self.collect();
        true
    }

    /// A frame of the open stream arrives that the server did not send.
    pub(crate) fn is_opening(&self) -> bool {
        !self.opening.is_empty()
    }

    /// The server refuses the socket that is being opened.
    pub(crate) fn refuse_opening(&mut self, error: tidewire_protocol::WireError) {
        let id = self.opening.pop().unwrap();
        let frame = ServerFrame::Error { error, room: None };
        self.client.input(Input::Frame(id, Box::new(frame)));
        self.client.input(Input::Socket(id, SocketEvent::Closed { reason: "refused".into() }));
        self.collect();
    }

    pub(crate) fn inject_into_stream(&mut self, frame: ServerFrame) {
        let id = self.stream.as_ref().map(|(id, _)| *id).unwrap();
        self.client.input(Input::Frame(id, Box::new(frame)));
        self.collect();
    }

    /// The socket breaks, with everything on its way.
    pub(crate) fn cut(&mut self) {
        let id = self.socket.take().map(|(id, _)| id).or_else(|| self.opening.pop());
        if let Some(id) = id {
            self.lose_socket(id);
        }
    }

    /// The server takes one frame and pushes what it has. Gives whether there was anything.
    pub(crate) fn server_step(&mut self) -> bool {
        let Some((_, wire)) = &mut self.socket else { return false };
        let frame = wire.to_server.pop_front();
        let some = frame.is_some();
        if let Some(frame) = frame {
            wire.to_client.extend(self.server.frame(&ada(), &mut wire.model, frame));
        }
        // This socket is asked each time, whoever has news.
        self.server.take_news();
        let pushed = self.server.push(&ada(), &mut wire.model);
        let some = some || !pushed.is_empty();
        wire.to_client.extend(pushed);
        some
    }

    /// One frame arrives. Gives whether there was one that the engine takes now.
    pub(crate) fn client_step(&mut self) -> bool {
        if !self.engine.wants_frames() {
            return false;
        }
        let Some((id, wire)) = &mut self.socket else { return false };
        let Some(frame) = wire.to_client.pop_front() else { return false };
        // Through its JSON, as on a real wire.
        let frame = ServerFrame::parse(&serde_json::to_string(&frame).unwrap()).unwrap();
        let id = *id;
        self.client.input(Input::Frame(id, Box::new(frame)));
        self.collect();
        true
    }

    /// What is on its way to the server over the socket never gets there.
    pub(crate) fn drop_frames(&mut self) {
        if let Some((_, wire)) = &mut self.socket {
            wire.to_server.clear();
        }
    }

    pub(crate) fn has_socket(&self) -> bool {
        self.socket.is_some()
    }

    /// How many frames are on their way to the client.
    pub(crate) fn inbound(&self) -> usize {
        self.socket.as_ref().map_or(0, |(_, wire)| wire.to_client.len())
    }

    /// The rooms that are live on the open socket, as the server sees it.
    pub(crate) fn live_rooms(&self) -> Vec<RoomId> {
        self.socket.iter().flat_map(|(_, wire)| wire.model.live()).collect()
    }

    /// A frame of the open socket arrives that the server did not send.
    pub(crate) fn inject(&mut self, frame: ServerFrame) {
        let id = self.socket.as_ref().map(|(id, _)| *id).unwrap();
        self.client.input(Input::Frame(id, Box::new(frame)));
        self.collect();
    }

    /// The number of the last `sync` that the engine sent over the open socket.
    pub(crate) fn last_sync_frame(&self) -> u64 {
        let (_, wire) = self.socket.as_ref().unwrap();
        let number = |frame: &ClientFrame| match frame {
            ClientFrame::Sync { request, .. } => Some(*request),
            _ => None,
        };
        wire.to_server.iter().rev().find_map(number).unwrap()
    }

    /// Time goes on to the next timer, at most by `most` ms.
    pub(crate) fn pass(&mut self, most: u64) {
        let next = self.engine.poll_timeout().unwrap_or(u64::MAX);
        let sign = Some(self.sign_of_life_at).filter(|_| self.stream.is_some());
        let sign = sign.filter(|sign| *sign > self.now.mono_ms).unwrap_or(u64::MAX);
        let now = &mut self.client.now;
        let at = next.min(sign).min(now.mono_ms + most).max(now.mono_ms);
        self.server.clock += (at - now.mono_ms) as i64;
        now.wall_ms = now.wall_ms.saturating_add((at - now.mono_ms) as i64);
        now.mono_ms = at;
        self.client.input(Input::Timeout);
        self.collect();
    }

    /// Everything on its way arrives, until nothing moves without time passing.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = self.grant_token() | self.open_socket() | self.open_stream();
            while self.store_step() {
                moved = true;
            }
            while !self.requests.is_empty() {
                self.answer(0);
                moved = true;
            }
            moved |= self.put_step();
            moved |= self.server_step();
            moved |= self.client_step();
            moved |= self.stream_step();
            moved |= self.stream_arrival();
            if !moved {
                return;
            }
        }
    }

    /// Everything on its way arrives but for what streams bring, until nothing moves.
    pub(crate) fn settle_but_streams(&mut self) {
        while self.grant_token() | self.open_socket() | self.store_step() {}
        while !self.requests.is_empty() {
            self.answer(0);
            while self.store_step() {}
        }
    }

    /// Settles, and lets time pass in between, for `ms` of it.
    pub(crate) fn run(&mut self, ms: u64) {
        let end = self.now.mono_ms + ms;
        self.settle();
        while self.now.mono_ms < end {
            let left = end - self.now.mono_ms;
            self.pass(left);
            self.settle();
        }
    }

    pub(crate) fn start(&mut self) -> StartRows {
        self.client.stored()
    }

    pub(crate) fn stored_receipts(&mut self) -> BTreeMap<RoomId, Vec<Receipt>> {
        self.client.stored_receipts()
    }

    pub(crate) fn check_store(&mut self) {
        checks::check_store(&mut self.client, &self.server).unwrap();
    }

    pub(crate) fn check_events(&mut self) {
        checks::check_events(&mut self.client, &self.server).unwrap();
        checks::check_folds(&mut self.client, &self.server).unwrap();
    }
}

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

fn bob() -> UserId {
    UserId::new("bob").unwrap()
}

/// The server as Ada's world has it: Bob is in every room.
impl ModelServer {
    /// Adds Ada to a room, which is made if it was not there.
    pub(crate) fn join(&mut self, room: RoomId) {
        let content = serde_json::json!({});
        self.append(room, &bob(), EventKind::Other("test.joined".into()), &content);
        self.admit_bob(room);
        if !self.rooms[&room].has(&ada()) {
            self.admit(room, ada(), Role::Member);
        }
    }

    /// Bob says something.
    pub(crate) fn say(&mut self, room: RoomId, text: &str) -> Event {
        let event = self.speak(room, &bob(), text);
        self.admit_bob(room);
        event
    }

    fn admit_bob(&mut self, room: RoomId) {
        if !self.rooms[&room].has(&bob()) {
            self.admit(room, bob(), Role::Owner);
        }
    }

    /// Bob says something in the thread of a message.
    pub(crate) fn say_in_thread(&mut self, room: RoomId, root: EventId, text: &str) -> Event {
        let message = MessageContent { thread: Some(root), ..MessageContent::of_text(text) };
        self.append(room, &bob(), EventKind::Message, &message)
    }

    /// Bob deletes a message.
    pub(crate) fn delete(&mut self, room: RoomId, target: EventId) {
        self.append(room, &bob(), EventKind::Delete, &DeleteContent { target });
    }

    /// Bob edits a message.
    pub(crate) fn edit(&mut self, room: RoomId, target: EventId, text: &str) {
        let content = MessageContent::of_text(text);
        self.append(room, &bob(), EventKind::Edit, &EditContent { target, content });
    }

    /// Bob adds somebody else, or takes him out.
    pub(crate) fn change_member(&mut self, room: RoomId, name: &str, joins: bool) {
        let user = UserId::new(name).unwrap();
        match joins {
            true => self.add_member(room, &bob(), &user),
            false => self.remove_member(room, &bob(), &user),
        }
    }

    /// Somebody tells how far he is.
    /// A backup has another list.
    pub(crate) fn restore_blocks(&mut self, list: BlockList) {
        self.blocks.insert(ada(), (list, 0));
    }

    pub(crate) fn put_receipt(&mut self, name: &str, update: ReceiptUpdate) {
        self.take_receipt(&UserId::new(name).unwrap(), update);
    }

    /// The state of a room for Ada.
    pub(crate) fn room_state(&self, room: RoomId) -> RoomState {
        self.state_for(&ada(), room).unwrap()
    }

    /// How many messages of others Ada has not read with `after < seq <= up_to`.
    pub(crate) fn unread(&self, room: RoomId, after: Seq, up_to: Seq) -> u32 {
        self.rooms[&room].unread(&ada(), after, up_to)
    }

    /// The receipt of a member.
    pub(crate) fn receipt(&self, room: RoomId, name: &str) -> Receipt {
        self.rooms[&room].receipts[&UserId::new(name).unwrap()].0.clone()
    }
}
