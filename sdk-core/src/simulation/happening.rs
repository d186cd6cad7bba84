//! What happens at a moment, and what follows from it.

use tidewire_protocol::{ClientFrame, ErrorCode, EventsQuery, ServerFrame, WireError};

use super::audience::worth_telling;
use super::checks;
use super::client::{StoreStep, Want};
use super::network::{Harm, chance};
use super::simulation::{Audience, Simulation};
use crate::config::millis;
use crate::defaults;
use crate::engine::{
    Fetch, FetchId, Input, PartNews, PartPut, Request, RequestError, RequestId, Response,
    SocketEvent, TokenInfo,
};

pub(super) type Answer = Result<Response, RequestError>;

/// Something that happens.
#[derive(Debug)]
pub(super) enum Happening {
    /// A second has passed.
    Tick,
    /// The time of a client's timer has come, if it still is the time.
    Wake(usize),
    /// The store does its next job.
    Store(usize),
    /// A client whose process has died starts again.
    Rises(usize),
    /// The app's token provider answers.
    Token {
        node: usize,
        net: u32,
    },
    /// A file was read, as far as its network lets it come.
    Fetched {
        node: usize,
        net: u32,
        id: FetchId,
        fetch: Box<Fetch>,
    },
    /// A request reaches the server.
    Arrives {
        node: usize,
        net: u32,
        id: RequestId,
        request: Box<Request>,
        sent_at: u64,
        heard: bool,
    },
    /// An answer reaches the client.
    Answered {
        node: usize,
        net: u32,
        id: RequestId,
        answer: Box<Answer>,
    },
    /// A part of a file reaches the store.
    PartArrives {
        node: usize,
        net: u32,
        id: RequestId,
        put: Box<PartPut>,
        bytes: Vec<u8>,
        heard: bool,
    },
    /// What became of a part reaches the client.
    PartAnswered {
        node: usize,
        net: u32,
        id: RequestId,
        news: PartNews,
    },
    /// A socket is open.
    Opened(u64),
    /// A socket breaks by itself.
    Cut(u64),
    /// The client hears that a socket is gone.
    Closed(u64),
    /// The server hears that the client has hung up.
    HungUp(u64),
    /// The server pushes what it has.
    Push(u64),
    /// The server shows on an event stream that it is there.
    SignOfLife(u64),
    FrameUp(u64, Box<ClientFrame>),
    FrameDown(u64, Box<ServerFrame>),
}

/// A happening in its place.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: u64,
    pub(super) serial: u64,
    pub(super) happening: Happening,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

/// How long a store takes for a job, at most, in ms.
const STORE_MS: u64 = 20;

impl Simulation {
    pub(super) fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Tick => {
                self.count_audience();
                self.after(1_000, Happening::Tick);
            }
            Happening::Wake(node) => {
                if self.nodes[node].wake_at == Some(self.now) {
                    self.nodes[node].wake_at = None;
                    self.input(node, Input::Timeout);
                }
            }
            Happening::Store(node) => self.store(node),
            Happening::Rises(node) => {
                if self.nodes[node].client.dead {
                    self.rise(node);
                }
            }
            Happening::Token { node, net } => {
                if self.nodes[node].net == net {
                    self.input(node, Input::Token(Ok(TokenInfo::default())));
                }
            }
            Happening::Fetched { node, net, id, fetch } => self.fetched(node, net, id, &fetch),
            Happening::Arrives { node, net, id, request, sent_at, heard } => {
                self.arrives(node, net, id, *request, sent_at, heard);
            }
            Happening::Answered { node, net, id, answer } => {
                if self.nodes[node].net == net {
                    if let Ok(answer) = &*answer {
                        self.received(node, || answer_bytes(answer));
                    }
                    let sends = self.nodes[node].sends.remove(&id.0);
                    if let Err(RequestError::Refused(error)) = &*answer
                        && sends
                    {
                        self.told_slot(node, error);
                    }
                    self.input(node, Input::Response(id, answer));
                }
            }
            Happening::PartArrives { node, net, id, put, bytes, heard } => {
                self.part_arrives(node, net, id, *put, &bytes, heard);
            }
            Happening::PartAnswered { node, net, id, news } => {
                let dropped = self.nodes[node].dropped_puts.contains(&id.0);
                if self.nodes[node].net == net && !dropped {
                    self.input(node, Input::Part(id, news));
                }
            }
            Happening::Opened(id) => self.opened(id),
            Happening::Cut(id) => {
                let silent = self.connections.get(&id).map(|c| self.nodes[c.node].network.silent);
                let silent = chance(&mut self.rng, silent.unwrap_or_default());
                self.break_connection(id, silent);
            }
            Happening::Closed(id) => self.closed(id),
            Happening::HungUp(id) => {
                if let Some(connection) = self.connections.remove(&id)
                    && connection.opened
                    && !connection.server_gone
                {
                    let heartbeat = connection.model.heartbeat_ms;
                    self.presence.socket_closed(connection.node, heartbeat, self.now);
                }
            }
            Happening::Push(id) => self.push(id),
            Happening::SignOfLife(id) => self.sign_of_life(id),
            Happening::FrameUp(id, frame) => self.frame_up(id, *frame),
            Happening::FrameDown(id, frame) => {
                let Some(connection) = self.connections.get_mut(&id) else { return };
                if connection.is_open() {
                    let node = connection.node;
                    connection.arrived.push_back(*frame);
                    self.take_frames(node);
                }
            }
        }
    }

    /// Gives a client's engine an input and takes what it wants.
    pub(super) fn input(&mut self, node: usize, input: Input) -> bool {
        let now = self.clock();
        let client = &mut self.nodes[node].client;
        client.now = now;
        let given = client.input(input);
        self.pump(node);
        given
    }

    /// Takes what a client wants of the network, and sets its alarm.
    pub(super) fn pump(&mut self, node: usize) {
        while let Some(want) = self.nodes[node].client.wants.pop_front() {
            match want {
                Want::Open(socket) => self.open_connection(node, socket, None),
                Want::OpenStream(id, query) => self.open_connection(node, id, Some(query)),
                Want::Close(socket) | Want::CloseStream(socket) => self.hang_up(node, socket),
                Want::Frame(socket, frame) => self.send_up(node, socket.0, frame),
                Want::Request(id, request) => self.send_request(node, id, request),
                Want::Put(id, put) => self.send_part(node, id, put),
                // What has left arrives all the same, and nobody hears of it.
                Want::DropPut(id) => drop(self.nodes[node].dropped_puts.insert(id.0)),
                Want::Token => {
                    let net = self.nodes[node].net;
                    let wait = self.rng.u64(0..=200);
                    self.after(wait, Happening::Token { node, net });
                }
                Want::Fetch(id, fetch) => {
                    self.nodes[node].fetches.insert(id);
                    let (net, wait) = (self.nodes[node].net, self.rng.u64(0..=2_000));
                    self.after(wait, Happening::Fetched { node, net, id, fetch: Box::new(fetch) });
                }
                Want::CancelFetch(id) => drop(self.nodes[node].fetches.remove(&id)),
                Want::Release => self.drop_everything(node),
            }
        }
        let now = self.now;
        if self.nodes[node].client.dead {
            self.drop_everything(node);
            self.nodes[node].client.jobs.clear();
            let wait = self.rng.u64(0..=3_000);
            self.after(wait, Happening::Rises(node));
            return;
        }
        let of = &mut self.nodes[node];
        if !of.storing && !of.client.jobs.is_empty() {
            of.storing = true;
            let wait = self.rng.u64(0..=STORE_MS);
            self.after(wait, Happening::Store(node));
        }
        let of = &mut self.nodes[node];
        if let Some(at) = of.client.engine.poll_timeout() {
            let at = at.max(now);
            if of.wake_at.is_none_or(|wake| wake > at || wake < now) {
                of.wake_at = Some(at);
                self.at(at, Happening::Wake(node));
            }
        }
    }

    /// A client's process starts, on what is on disk.
    pub(super) fn rise(&mut self, node: usize) {
        let now = self.clock();
        let seed = self.rng.u64(..);
        self.counts.client_restarts += 1;
        let of = &mut self.nodes[node];
        of.wake_at = None;
        of.sends.clear();
        of.dropped_puts.clear();
        // Kept in memory.
        of.slot_until = 0;
        of.client.now = now;
        of.client.restart(seed);
        self.pump(node);
    }

    /// The server has refused operations.
    fn told_slot(&mut self, node: usize, error: &WireError) {
        let slot = error.retry_after_ms.unwrap_or_default();
        let of = &mut self.nodes[node];
        of.slot_until = of.slot_until.max(self.now + slot);
    }

    /// Operations leave a client.
    fn ops_leave(&mut self, node: usize) {
        self.counts.early_sends += u64::from(self.now < self.nodes[node].slot_until);
    }

    /// Nothing on its way concerns the client any more.
    pub(super) fn drop_everything(&mut self, node: usize) {
        self.nodes[node].net += 1;
        self.nodes[node].fetches.clear();
        let sockets: Vec<u64> = self.nodes[node].sockets.drain().map(|(_, id)| id).collect();
        for id in sockets {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.client_gone = true;
                let wait = self.rng.u64(0..=2_000);
                self.after(wait, Happening::HungUp(id));
            }
        }
    }

    fn fetched(&mut self, node: usize, net: u32, id: FetchId, fetch: &Fetch) {
        let clock = self.clock();
        let of = &mut self.nodes[node];
        if of.net != net || !of.fetches.remove(&id) {
            return;
        }
        let most =
            if self.now < of.cut_off_until { self.rng.u64(0..=fetch.size) } else { u64::MAX };
        let end = of.client.files.fetch(&self.server, fetch, most, clock.wall_ms);
        self.input(node, Input::Fetched(id, end));
    }

    fn store(&mut self, node: usize) {
        let now = self.clock();
        let of = &mut self.nodes[node];
        of.storing = false;
        let client = &mut of.client;
        client.now = now;
        if client.failing_commits == 0 && chance(&mut self.rng, of.failing) {
            client.failing_commits = 1;
        }
        let failing = client.failing_commits;
        let step = client.store_step();
        self.counts.failed_commits += u64::from(client.failing_commits < failing);
        if step == Some(StoreStep::Committed)
            && self.checks
            && client.broken.is_none()
            && let Err(broken) = checks::check_store(client, &self.server)
        {
            client.broken = Some(broken);
        }
        self.pump(node);
        self.take_frames(node);
    }

    /// Frames that have arrived go to the engine, as long as it takes them.
    fn take_frames(&mut self, node: usize) {
        let mut ids: Vec<u64> = self.nodes[node].sockets.values().copied().collect();
        ids.sort_unstable();
        for id in ids {
            while self.nodes[node].client.engine.wants_frames()
                && let Some(connection) = self.connections.get_mut(&id)
                && !connection.client_gone
                && let Some(frame) = connection.arrived.pop_front()
            {
                let socket = connection.socket;
                self.counts.frames_down += 1;
                if let ServerFrame::Sent(tidewire_protocol::Sent { error: Some(error), .. }) =
                    &frame
                {
                    self.told_slot(node, error);
                }
                let frame = if self.counts_bytes {
                    self.received(node, || json_bytes(&frame));
                    frame
                } else {
                    // Through its JSON, as on a real wire.
                    ServerFrame::parse(&serde_json::to_string(&frame).unwrap()).unwrap()
                };
                self.input(node, Input::Frame(socket, Box::new(frame)));
            }
        }
    }

    fn received(&mut self, node: usize, bytes: impl FnOnce() -> u64) {
        if self.counts_bytes {
            let bytes = bytes();
            self.counts.bytes_down += bytes;
            let traffic = &mut self.nodes[node].client.traffic;
            traffic.received += bytes;
            let total = *traffic;
            self.nodes[node].client.engine.handle_traffic(total);
        }
    }

    fn sent(&mut self, node: usize, bytes: impl FnOnce() -> u64) {
        if self.counts_bytes {
            let bytes = bytes();
            self.counts.bytes_up += bytes;
            self.nodes[node].client.traffic.sent += bytes;
        }
    }

    pub(super) fn passes(&self, node: usize) -> bool {
        self.now >= self.down_until && self.now >= self.nodes[node].cut_off_until
    }

    fn send_up(&mut self, node: usize, socket: u64, frame: ClientFrame) {
        self.sent(node, || json_bytes(&frame));
        let Some(id) = self.nodes[node].sockets.get(&socket).copied() else { return };
        if matches!(frame, ClientFrame::Send(_)) {
            self.ops_leave(node);
        }
        let Simulation { nodes, rng, connections, now, .. } = self;
        let Some(connection) = connections.get_mut(&id) else { return };
        let at = connection.up_at.max(*now + nodes[node].network.frame_delay(rng));
        connection.up_at = at;
        self.at(at, Happening::FrameUp(id, Box::new(frame)));
    }

    fn send_request(&mut self, node: usize, id: RequestId, request: Request) {
        self.sent(node, || request_bytes(&request));
        if carries_ops(&request) {
            self.ops_leave(node);
            self.nodes[node].sends.insert(id.0);
        }
        let net = self.nodes[node].net;
        let sent_at = self.now;
        let lost = chance(&mut self.rng, self.nodes[node].network.loss) || !self.passes(node);
        let heard = !lost;
        if lost {
            self.counts.lost += 1;
            // Noticed at once, or never.
            let timeout = millis(defaults::REQUEST_TIMEOUT);
            let wait = if self.rng.bool() { timeout } else { self.rng.u64(0..=3_000) };
            let answer = Box::new(Err(RequestError::Network("lost".into())));
            self.after(wait, Happening::Answered { node, net, id, answer });
            if self.rng.bool() || !self.passes(node) {
                return;
            }
        }
        let wait = self.nodes[node].network.delay(&mut self.rng);
        let request = Box::new(request);
        self.after(wait, Happening::Arrives { node, net, id, request, sent_at, heard });
    }

    pub(super) fn busy(&mut self) -> Option<WireError> {
        if self.now >= self.storm_until || !chance(&mut self.rng, self.storm_share) {
            return None;
        }
        self.counts.refused += 1;
        let codes = [ErrorCode::RateLimited, ErrorCode::Unavailable];
        let code = codes[self.rng.usize(0..2)].clone();
        let error = WireError::new(code, "the server is busy");
        Some(if self.rng.u8(0..4) > 0 {
            error.retry_after_ms(self.rng.u64(0..=10_000))
        } else {
            error
        })
    }

    fn arrives(
        &mut self,
        node: usize,
        net: u32,
        id: RequestId,
        request: Request,
        sent_at: u64,
        heard: bool,
    ) {
        let answer = if self.now < self.down_until {
            Err(RequestError::Network("refused".into()))
        } else if let Some(busy) = self.busy() {
            Err(busy.into())
        } else {
            self.counts.requests += 1;
            let instance = self.rng.usize(0..self.lags.len());
            self.server.applied = self.applied(instance);
            if let Request::Sync(sync) = &request {
                self.presence.heard(node, sync.heartbeat_ms, self.now);
            }
            let user = self.nodes[node].client.user.clone();
            let answer = self.server.answer(&user, request);
            self.server.applied = None;
            self.tell_news();
            answer
        };
        if !heard {
            return;
        }
        let harm = self.next_harm(node);
        let answer = match harm {
            // The client hears of it in time.
            Some(Harm::Drop) => Err(RequestError::Network("no answer in time".into())),
            Some(Harm::Truncate) => Err(RequestError::Network("the answer broke off".into())),
            _ => answer,
        };
        let Simulation { nodes, rng, .. } = self;
        let network = &nodes[node].network;
        let wait = match harm {
            Some(Harm::Drop) => millis(defaults::REQUEST_TIMEOUT),
            Some(Harm::Delay(ms)) => network.answer_delay(rng) + ms,
            _ => network.answer_delay(rng),
        };
        let repeats = harm == Some(Harm::Repeat) || chance(rng, network.repeat);
        let again = repeats.then(|| network.answer_delay(rng));
        if let Some(later) = again {
            self.counts.repeated += 1;
            let answer = Box::new(answer.clone());
            self.after(wait + later, Happening::Answered { node, net, id, answer });
        }
        let given_up = sent_at + millis(defaults::REQUEST_TIMEOUT);
        if self.now + wait > given_up {
            let answer = Box::new(Err(RequestError::Network("no answer in time".into())));
            self.at(given_up.max(self.now), Happening::Answered { node, net, id, answer });
        }
        self.after(wait, Happening::Answered { node, net, id, answer: Box::new(answer) });
    }

    /// What a test has planned for the next answer or frame.
    pub(super) fn next_harm(&mut self, node: usize) -> Option<Harm> {
        let harm = self.nodes[node].harms.next();
        self.counts.harmed += u64::from(harm.is_some());
        harm
    }

    fn opened(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let (node, socket) = (connection.node, connection.socket);
        if connection.client_gone || connection.server_gone {
            return;
        }
        let stream = connection.stream.take();
        let blocked = stream.is_none() && chance(&mut self.rng, self.nodes[node].network.blocked);
        if blocked || !self.passes(node) {
            self.break_connection(id, false);
            return;
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.opened = true;
        }
        self.presence.socket_opened(node, self.now);
        self.input(node, Input::Socket(socket, SocketEvent::Opened));
        if let Some(query) = stream {
            self.begin_stream(id, node, query);
        }
    }

    fn closed(&mut self, id: u64) {
        let Some(connection) = self.connections.get(&id) else { return };
        let (node, net, socket) = (connection.node, connection.net, connection.socket);
        if connection.client_gone || self.nodes[node].net != net {
            return;
        }
        self.nodes[node].sockets.remove(&socket.0);
        self.connections.remove(&id);
        let closed = SocketEvent::Closed { reason: "the connection broke".into() };
        self.input(node, Input::Socket(socket, closed));
    }

    fn begin_stream(&mut self, id: u64, node: usize, query: EventsQuery) {
        if let Some(error) = self.busy() {
            self.send_down(id, vec![ServerFrame::Error { error, room: None }]);
            self.break_connection(id, false);
            return;
        }
        let heartbeat_ms = query.heartbeat_ms;
        self.server.applied = self.applied(self.nodes[node].instance);
        let (model, frames) = self.server.stream(&self.nodes[node].client.user, query);
        self.server.applied = None;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.model = model;
        }
        self.send_down(id, frames);
        self.wake_connection(id);
        self.after(heartbeat_ms, Happening::SignOfLife(id));
    }

    /// An event stream that is silent says that it is there.
    fn sign_of_life(&mut self, id: u64) {
        let Some(connection) = self.connections.get(&id) else { return };
        if connection.is_open() {
            let heartbeat_ms = connection.model.heartbeat_ms;
            self.send_down(id, vec![ServerFrame::Ping]);
            self.after(heartbeat_ms, Happening::SignOfLife(id));
        }
    }

    fn push(&mut self, id: u64) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.push_at == Some(self.now) {
            connection.push_at = None;
        }
        if connection.server_gone {
            return;
        }
        let node = connection.node;
        let instance = self.nodes[node].instance;
        self.server.applied = self.applied(instance);
        if let Some(connection) = self.connections.get_mut(&id) {
            let user = &self.nodes[node].client.user;
            let frames = self.server.push(user, &mut connection.model);
            self.send_down(id, frames);
        }
        self.server.applied = None;
    }

    fn frame_up(&mut self, id: u64, frame: ClientFrame) {
        let Some(connection) = self.connections.get(&id) else { return };
        let node = connection.node;
        if connection.server_gone || !connection.opened || !self.passes(node) {
            return;
        }
        self.counts.frames_up += 1;
        self.counts.pings += u64::from(matches!(frame, ClientFrame::Ping));
        if matches!(frame, ClientFrame::Hello(_))
            && let Some(error) = self.busy()
        {
            self.send_down(id, vec![ServerFrame::Error { error, room: None }]);
            return;
        }
        if let ClientFrame::Send(ops) = &frame
            && let Some(error) = self.busy()
        {
            let sent =
                tidewire_protocol::Sent { room: ops.room, results: Vec::new(), error: Some(error) };
            self.send_down(id, vec![ServerFrame::Sent(sent)]);
            return;
        }
        let instance = self.nodes[node].instance;
        self.server.applied = self.applied(instance);
        if let Some(connection) = self.connections.get_mut(&id) {
            let user = &self.nodes[node].client.user;
            let frames = self.server.frame(user, &mut connection.model, frame);
            self.send_down(id, frames);
        }
        self.server.applied = None;
        self.wake_connection(id);
        self.tell_news();
    }

    /// Counts the audience, and tells it to sockets if it has changed.
    pub(super) fn count_audience(&mut self) {
        let online = match self.audience {
            Audience::Counted => self.presence.online(self.now).max(1),
            Audience::Fixed(online) => online,
        };
        self.server.online = online;
        let policy = self.server.policy;
        if !worth_telling((online, policy), self.told) {
            return;
        }
        self.told = (online, policy);
        let greeted = |c: &super::connection::Connection| c.is_open() && c.model.greeted;
        let ids: Vec<u64> =
            self.connections.iter().filter(|(_, c)| greeted(c)).map(|(id, _)| *id).collect();
        for id in ids {
            self.send_down(id, vec![ServerFrame::Policy { online, policy }]);
        }
    }
}

fn carries_ops(request: &Request) -> bool {
    match request {
        Request::Ops(..) => true,
        Request::Sync(sync) => !sync.ops.is_empty(),
        _ => false,
    }
}

/// Counts what it is given.
struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn json_bytes<T: serde::Serialize>(value: &T) -> u64 {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).unwrap();
    counter.0
}

fn request_bytes(request: &Request) -> u64 {
    match request {
        Request::Sync(body) => json_bytes(body),
        Request::CreateRoom(body) => json_bytes(body),
        Request::AddMembers(_, body) => json_bytes(body),
        Request::Ops(_, body) => json_bytes(body),
        Request::Profiles(body) => json_bytes(body),
        Request::UpdateProfile(body) => json_bytes(body),
        Request::SetRole(_, _, body) => json_bytes(body),
        Request::Ban(_, _, body) => json_bytes(body),
        Request::Mute(_, _, body) => json_bytes(body),
        Request::SetSlowMode(_, body) => json_bytes(body),
        Request::UpdateRoom(_, body) => json_bytes(body),
        Request::Report(body) => json_bytes(body),
        Request::SetSettings(_, body) => json_bytes(body),
        Request::BeginUpload(body) => json_bytes(body),
        Request::Bootstrap
        | Request::Rooms(_)
        | Request::Room(_)
        | Request::Members(..)
        | Request::Receipts(..)
        | Request::Reports(..)
        | Request::ResolveReport(_)
        | Request::Blocks
        | Request::Block(..)
        | Request::Unblock(..)
        | Request::RemoveMember(..)
        | Request::Unban(..)
        | Request::Bans(..)
        | Request::Unmute(..)
        | Request::Mutes(..)
        | Request::Message(..)
        | Request::Search(_)
        | Request::CompleteUpload(_)
        | Request::CancelUpload(_)
        | Request::File(_)
        | Request::History(..) => 0,
    }
}

fn answer_bytes(answer: &Response) -> u64 {
    match answer {
        Response::Sync(body) => json_bytes(body),
        Response::Bootstrap(body) => json_bytes(body),
        Response::Rooms(body) => json_bytes(body),
        Response::Room(body) => json_bytes(body),
        Response::Members(body) => json_bytes(body),
        Response::Bans(body) => json_bytes(body),
        Response::Mutes(body) => json_bytes(body),
        Response::Receipts(body) => json_bytes(body),
        Response::History(body) => json_bytes(body),
        Response::Ops(body) => json_bytes(body),
        Response::Profiles(body) => json_bytes(body),
        Response::Profile(body) => json_bytes(body),
        Response::Search(body) => json_bytes(body),
        Response::Settings(body) => json_bytes(body),
        Response::ReportTaken(body) => json_bytes(body),
        Response::Reports(body) => json_bytes(body),
        Response::Report(body) => json_bytes(body),
        Response::Blocks(body) => json_bytes(body),
        Response::Upload(body) => json_bytes(body),
        Response::Done => 2,
        Response::File(body) => json_bytes(body),
    }
}
