//! An engine, a model server, the real executor, and a network between them that does what the
//! test says.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tidewire_protocol::{
    AppState, ClientFrame, Content, EventId, EventKind, MessageContent, Op, RoomId, Seq,
    ServerFrame,
};
use uuid::Uuid;

use super::model::{ModelServer, ModelSocket};
use crate::config::Config;
use crate::engine::{
    Command, CommandId, Effect, Engine, Notice, Now, Query, Reply, Request, RequestError,
    RequestId, Row, Rows, Signal, SocketEvent, SocketId, StoreToken, TimelineId, TokenInfo,
    Transaction,
};
use crate::error::{Error, StoreError};
use crate::store::Database;

enum StoreJob {
    Commit(StoreToken, Transaction),
    Load(StoreToken, Query),
    Release,
}

#[derive(Default)]
struct Wire {
    model: ModelSocket,
    to_server: VecDeque<ClientFrame>,
    to_client: VecDeque<ServerFrame>,
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) server: ModelServer,
    pub(crate) database: Database,
    pub(crate) now: Now,
    jobs: VecDeque<StoreJob>,
    pub(crate) requests: Vec<(RequestId, Request)>,
    opening: Vec<SocketId>,
    socket: Option<(SocketId, Wire)>,
    token_wanted: bool,
    pub(crate) replies: HashMap<CommandId, Result<Reply, Error>>,
    pub(crate) rows: BTreeMap<TimelineId, Vec<Row>>,
    pub(crate) updates: u64,
    pub(crate) problems: Vec<crate::engine::Problem>,
    next: u64,
    /// Since the engine let go of everything, until the app wakes it.
    resting: bool,
    /// Commits that fail from now on.
    pub(crate) failing_commits: u32,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let server = ModelServer::new();
        let now = Now { mono_ms: 0, wall_ms: 1_700_000_000_000 };
        let config = Config::new(server.user.clone());
        let mut world = Self {
            engine: Engine::new(config, seed, now),
            server,
            database: Database::in_memory().unwrap(),
            now,
            jobs: VecDeque::new(),
            requests: Vec::new(),
            opening: Vec::new(),
            socket: None,
            token_wanted: false,
            replies: HashMap::new(),
            rows: BTreeMap::new(),
            updates: 0,
            problems: Vec::new(),
            next: 0,
            resting: false,
            failing_commits: 0,
        };
        world.collect();
        world
    }

    /// The process dies and starts again on the same files.
    pub(crate) fn restart(&mut self, seed: u64) {
        let config = Config::new(self.server.user.clone());
        self.engine = Engine::new(config, seed, self.now);
        self.jobs.clear();
        self.requests.clear();
        self.opening.clear();
        self.socket = None;
        self.rows.clear();
        self.token_wanted = false;
        self.resting = false;
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            let quiet = matches!(effect, Effect::Notify(_) | Effect::CloseSocket(_));
            assert!(quiet || !self.resting, "a resting engine asked for {effect:?}");
            match effect {
                Effect::OpenSocket(id) => self.opening.push(id),
                Effect::CloseSocket(id) => {
                    self.opening.retain(|other| *other != id);
                    self.socket.take_if(|(other, _)| *other == id);
                }
                Effect::SendFrame(id, frame) => {
                    if let Some((_, wire)) = self.socket.as_mut().filter(|(other, _)| *other == id)
                    {
                        wire.to_server.push_back(frame);
                    }
                }
                Effect::Request(id, request) => self.requests.push((id, request)),
                Effect::Load(token, query) => self.jobs.push_back(StoreJob::Load(token, query)),
                Effect::Commit(token, transaction) => {
                    self.jobs.push_back(StoreJob::Commit(token, transaction));
                }
                Effect::FetchToken => self.token_wanted = true,
                Effect::Release => self.release(),
                Effect::Notify(Notice::Reply(id, reply)) => {
                    assert!(self.replies.insert(id, reply).is_none(), "answered twice: {id:?}");
                }
                Effect::Notify(Notice::Timeline(id, update)) => {
                    self.updates += 1;
                    let rows = self.rows.entry(id).or_default();
                    update.apply(rows);
                    check_rows(rows);
                }
                Effect::Notify(Notice::Problem(problem)) => self.problems.push(problem),
                Effect::Notify(_) => {}
            }
        }
        assert!(!self.resting || self.engine.poll_timeout().is_none(), "a timer is armed");
    }

    /// What is on its way gets lost, every second request only on its way back.
    fn release(&mut self) {
        for (index, (_, request)) in std::mem::take(&mut self.requests).into_iter().enumerate() {
            if index % 2 == 0 {
                let _ = self.server.answer(request);
            }
        }
        self.opening.clear();
        self.socket = None;
        self.token_wanted = false;
        self.jobs.push_back(StoreJob::Release);
        self.resting = true;
    }

    pub(crate) fn command(&mut self, command: Command) -> CommandId {
        self.next += 1;
        let id = CommandId(self.next);
        self.engine.handle_command(self.now, id, command);
        self.collect();
        id
    }

    pub(crate) fn send(&mut self, room: RoomId, text: &str) -> EventId {
        self.next += 1;
        let id = EventId::from_uuid(Uuid::from_u128(0x5_0000_0000 + u128::from(self.next)));
        let content = MessageContent::of_text(text);
        let content = Content::of(&content).unwrap();
        let op = Op { id, kind: EventKind::Message, content };
        self.command(Command::Send { room, op });
        id
    }

    pub(crate) fn open(&mut self, room: RoomId) -> TimelineId {
        self.next += 1;
        let id = TimelineId(self.next);
        self.command(Command::OpenTimeline(id, room));
        id
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        if matches!(signal, Signal::AppState(state) if state != AppState::Suspended) {
            self.resting = false;
        }
        self.engine.handle_signal(self.now, signal);
        self.collect();
    }

    /// Lets the store do its next job. Gives whether there was one.
    pub(crate) fn store_step(&mut self) -> bool {
        let Some(job) = self.jobs.pop_front() else { return false };
        match job {
            StoreJob::Commit(token, _) if self.failing_commits > 0 => {
                self.failing_commits -= 1;
                self.database.fail();
                self.engine.handle_commit_failed(self.now, token, StoreError::DiskFull);
            }
            StoreJob::Commit(token, transaction) => match self.database.execute(&transaction) {
                Ok(()) => {
                    self.check_store();
                    self.engine.handle_committed(self.now, token);
                }
                Err(error) => self.engine.handle_commit_failed(self.now, token, error),
            },
            StoreJob::Load(token, query) => {
                let rows = self.database.load(&query).unwrap();
                self.engine.handle_loaded(self.now, token, rows);
            }
            StoreJob::Release => self.engine.handle_released(self.now),
        }
        self.collect();
        true
    }

    /// The server answers the request at `index`, and the answer arrives.
    pub(crate) fn answer(&mut self, index: usize) {
        let (id, request) = self.requests.remove(index);
        let answer = self.server.answer(request);
        self.engine.handle_response(self.now, id, answer);
        self.collect();
    }

    /// The request at `index` is lost: on its way there, or (`applied`) on its way back.
    pub(crate) fn lose(&mut self, index: usize, applied: bool) {
        let (id, request) = self.requests.remove(index);
        if applied {
            let _ = self.server.answer(request);
        }
        let answer = Err(RequestError::Network("lost".into()));
        self.engine.handle_response(self.now, id, answer);
        self.collect();
    }

    /// The server takes the request at `index` now; its answer is given by the caller later.
    pub(crate) fn take_request(
        &mut self,
        index: usize,
    ) -> (RequestId, Result<crate::engine::Response, RequestError>) {
        let (id, request) = self.requests.remove(index);
        (id, self.server.answer(request))
    }

    pub(crate) fn respond(
        &mut self,
        id: RequestId,
        answer: Result<crate::engine::Response, RequestError>,
    ) {
        self.engine.handle_response(self.now, id, answer);
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
        let used = self.engine.handle_token(self.now, Ok(token));
        self.collect();
        used
    }

    /// A socket that was asked for opens. Gives whether one was.
    pub(crate) fn open_socket(&mut self) -> bool {
        let Some(id) = self.opening.pop() else { return false };
        self.socket = Some((id, Wire::default()));
        self.engine.handle_socket(self.now, id, SocketEvent::Opened);
        self.collect();
        true
    }

    /// The socket breaks, with everything on its way.
    pub(crate) fn cut(&mut self) {
        let id = self.socket.take().map(|(id, _)| id).or_else(|| self.opening.pop());
        if let Some(id) = id {
            let closed = SocketEvent::Closed { reason: "cut".into() };
            self.engine.handle_socket(self.now, id, closed);
            self.collect();
        }
    }

    /// The server takes one frame and pushes what it has. Gives whether there was anything.
    pub(crate) fn server_step(&mut self) -> bool {
        let Some((_, wire)) = &mut self.socket else { return false };
        let frame = wire.to_server.pop_front();
        let some = frame.is_some();
        if let Some(frame) = frame {
            wire.to_client.extend(self.server.frame(&mut wire.model, frame));
        }
        let pushed = self.server.push(&mut wire.model);
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
        self.engine.handle_frame(self.now, id, frame);
        self.collect();
        true
    }

    /// How many frames are on their way to the client.
    pub(crate) fn inbound(&self) -> usize {
        self.socket.as_ref().map_or(0, |(_, wire)| wire.to_client.len())
    }

    pub(crate) fn socket_id(&self) -> Option<SocketId> {
        self.socket.as_ref().map(|(id, _)| *id)
    }

    /// The rooms that are live on the open socket, as the server sees it.
    pub(crate) fn live_rooms(&self) -> Vec<RoomId> {
        self.socket.iter().flat_map(|(_, wire)| wire.model.live.keys().copied()).collect()
    }

    /// A frame of the open socket arrives that the server did not send.
    pub(crate) fn inject(&mut self, frame: ServerFrame) {
        let id = self.socket.as_ref().map(|(id, _)| *id).unwrap();
        self.engine.handle_frame(self.now, id, frame);
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
        let at = next.min(self.now.mono_ms + most).max(self.now.mono_ms);
        self.now.wall_ms += (at - self.now.mono_ms) as i64;
        self.server.clock += (at - self.now.mono_ms) as i64;
        self.now.mono_ms = at;
        self.engine.handle_timeout(self.now);
        self.collect();
    }

    /// Everything on its way arrives, until nothing moves without time passing.
    pub(crate) fn settle(&mut self) {
        loop {
            let mut moved = self.grant_token() | self.open_socket();
            while self.store_step() {
                moved = true;
            }
            while !self.requests.is_empty() {
                self.answer(0);
                moved = true;
            }
            moved |= self.server_step();
            moved |= self.client_step();
            if !moved {
                return;
            }
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

    pub(crate) fn start(&mut self) -> Box<crate::engine::StartRows> {
        match self.database.query(&Query::Start).unwrap() {
            Rows::Start(rows) => rows,
            other => unreachable!("{other:?}"),
        }
    }

    /// What must be true of the disk at every moment: the stored cursor passes no event that is
    /// neither stored nor known to be missing, and what is stored is what the server has.
    pub(crate) fn check_store(&mut self) {
        let stored = self.start();
        let Some(cursor) = stored.cursor else { return };
        let ord = self.server.ord(&cursor);
        for room in &stored.rooms {
            let id = room.state.id;
            let passed = self.server.seqs_up_to(id, ord);
            let held = crate::engine::RangeSet::from_ranges(room.held.iter().copied());
            assert!(
                room.feed_seq.get() >= passed,
                "the cursor {cursor} passed seq {passed} of {id}, the room knows of {}",
                room.feed_seq
            );
            // Nor a receipt.
            for (receipt, place) in self.server.rooms[&id].receipts.values() {
                let known = room.receipts.iter().find(|known| known.user == receipt.user);
                if let Some(known) = known.filter(|_| *place > 0 && *place <= ord) {
                    let passed = (known.delivered, known.read);
                    assert_eq!(passed, (receipt.delivered, receipt.read), "of {}", known.user);
                }
            }
            let limited = self.server.limited_at.get(&id).copied().unwrap_or_default();
            for (start, end) in held.holes(1, room.feed_seq.get()) {
                assert!(
                    Seq::new(end) <= limited,
                    "{start}..={end} of {id} are missing, and the room was never limited there"
                );
            }
        }
    }

    /// Every stored event is the server's, and every held one is stored.
    pub(crate) fn check_events(&mut self) {
        let stored = self.start();
        for room in stored.rooms {
            let id = room.state.id;
            let query = Query::Newest { room: id, limit: usize::MAX };
            let Rows::Events(events) = self.database.query(&query).unwrap() else { unreachable!() };
            let log = &self.server.rooms[&id].log;
            for event in &events {
                assert_eq!(Some(event), log.get(event.seq.get() as usize - 1));
            }
            let held: u64 = room.held.iter().map(|(start, end)| end - start + 1).sum();
            let stored: Vec<u64> = events.iter().map(|event| event.seq.get()).collect();
            assert_eq!(
                held,
                stored.len() as u64,
                "held {:?}, stored {stored:?} in {id}",
                room.held
            );
        }
    }
}

/// What must be true of a timeline at every moment.
fn check_rows(rows: &[Row]) {
    let mut seen = std::collections::HashSet::new();
    let mut last = Seq::ZERO;
    for row in rows {
        assert!(seen.insert(row.key()), "shown twice: {:?}", row.key());
        match row {
            Row::Message(message) => {
                if let Some(seq) = message.seq {
                    assert!(seq > last, "{seq} shown after {last}");
                    last = seq;
                }
            }
            Row::Gap { from, to } => {
                assert!(*from > last && to >= from, "a gap out of its place");
                last = *to;
            }
        }
    }
}
