//! The driver: one tokio task for each client, which does what the engine asks and tells it what
//! came of it. Decides nothing.

pub(crate) mod address;
mod download;
mod effects;
mod http;
mod recorder;
mod socket;
mod sse;
mod step;
mod stored;
mod stream;
mod tls;
mod traffic;
mod upload;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidewire_protocol::{ClientFrame, Event, ServerFrame, UserId};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;

use crate::ask::Ask;
use crate::config::Config;
use crate::engine::{
    Command, CommandId, Effect, Engine, FetchEnd, FetchId, FileJobId, Input, KeptFiles, ListId,
    ModeReport, Notice, Now, PartNews, Reply, RequestError, RequestId, Response, RoomListUpdate,
    Rows, Signal, SocketEvent, SocketId, StoreToken, TimelineId, TimelineUpdate, TokenError,
};
use crate::error::{Error, StoreError};
use crate::event::ClientEvent;
use crate::files::FileFolder;
use crate::mailbox::Mailbox;
use crate::store::Store;
use crate::token::{TokenProvider, inspect};
use http::Http;
pub(crate) use recorder::Recorder;
use traffic::Traffic;

pub(crate) use address::Address;
pub(crate) use tls::Trust;

/// Outcomes that are heard before anybody else: a short commit is done when the engine asks for it, and a screen
/// waits for what follows. A few, so that nobody else waits for long.
const AT_ONCE: usize = 4;

/// What comes back from what the engine asked for.
enum Outcome {
    Socket(SocketId, SocketEvent),
    Response(RequestId, Box<Result<Response, RequestError>>),
    Committed(StoreToken, Result<Vec<Event>, StoreError>),
    Loaded(StoreToken, Result<Rows, StoreError>),
    Token(Result<String, TokenError>),
    Part(RequestId, PartNews),
    Fetched(FetchId, FetchEnd),
    FileJob(FileJobId, Result<KeptFiles, StoreError>),
    Released,
}

/// What a client is made of, besides its engine.
pub(crate) struct Parts {
    pub(crate) config: Config,
    pub(crate) address: Address,
    pub(crate) tokens: Arc<dyn TokenProvider>,
    pub(crate) store: Store,
    pub(crate) files: Arc<FileFolder>,
    /// When the app asked for the client.
    pub(crate) opened: Instant,
    pub(crate) recorder: Option<Recorder>,
    pub(crate) mode: watch::Sender<ModeReport>,
    pub(crate) events: broadcast::Sender<ClientEvent>,
    pub(crate) asks: mpsc::UnboundedReceiver<Ask>,
}

struct OpenSocket {
    id: SocketId,
    outbound: mpsc::Sender<ClientFrame>,
    task: AbortHandle,
}

struct OpenStream {
    id: SocketId,
    task: AbortHandle,
}

struct Driver {
    engine: Engine,
    user: UserId,
    start: Instant,
    http: Arc<Http>,
    traffic: Arc<Traffic>,
    /// What the engine was told of it last.
    traffic_told: crate::engine::Traffic,
    address: Address,
    tokens: Arc<dyn TokenProvider>,
    /// The last token given. Never logged, never stored.
    token: Arc<str>,
    store: Store,
    files: Arc<FileFolder>,
    /// Files that are being read.
    fetches: HashMap<FetchId, AbortHandle>,
    recorder: Option<Recorder>,
    mode: watch::Sender<ModeReport>,
    events: broadcast::Sender<ClientEvent>,
    replies: HashMap<CommandId, oneshot::Sender<Result<Reply, Error>>>,
    mailboxes: HashMap<TimelineId, Arc<Mailbox<TimelineUpdate>>>,
    lists: HashMap<ListId, Arc<Mailbox<RoomListUpdate>>>,
    next_command: u64,
    socket: Option<OpenSocket>,
    /// Frames of the open socket. One at a time: what the engine does not want stays in the socket.
    frames: mpsc::Receiver<ServerFrame>,
    stream: Option<OpenStream>,
    /// Parts of files on their way.
    puts: HashMap<RequestId, AbortHandle>,
    /// The same of the open event stream.
    stream_frames: mpsc::Receiver<ServerFrame>,
    outcomes: mpsc::UnboundedSender<Outcome>,
    /// Outcomes of what was done at once. Not among the others, because who is told of one is woken, and the
    /// task would wake itself: another thread of the runtime gets up to take it over, and half the time does.
    done: VecDeque<Outcome>,
    /// The command that ends the account here, once there was one.
    erasing: Option<CommandId>,
    /// Who waits for the engine to settle.
    settling: Vec<oneshot::Sender<()>>,
    /// Aborts on drop whatever still runs.
    tasks: JoinSet<()>,
}

/// Starts the client's task on the current runtime.
pub(crate) fn spawn(parts: Parts) -> Result<(), Error> {
    let traffic = Arc::new(Traffic::default());
    let http = Http::new(parts.address.clone(), traffic.clone())
        .map_err(|reason| Error::InvalidUrl { url: parts.address.http(""), reason })?;
    let start = parts.opened;
    let (outcomes, inbox) = mpsc::unbounded_channel();
    let (_, frames) = mpsc::channel(1);
    let (_, stream_frames) = mpsc::channel(1);
    let (seed, begin) = (fastrand::u64(..), now(start));
    let mut engine = Engine::new(parts.config.clone(), seed, begin).opened_at(0);
    let mut recorder = parts.recorder;
    if let Some(recorder) = &mut recorder {
        let point = crate::trace::coarse(engine.point());
        engine = engine.with_point(point);
        recorder.engine(&engine, &parts.config, seed, begin);
    }
    let driver = Driver {
        user: parts.config.user.clone(),
        engine,
        start,
        http: Arc::new(http),
        traffic,
        traffic_told: crate::engine::Traffic::default(),
        address: parts.address,
        tokens: parts.tokens,
        token: Arc::from(""),
        store: parts.store,
        files: parts.files,
        fetches: HashMap::new(),
        recorder,
        mode: parts.mode,
        events: parts.events,
        replies: HashMap::new(),
        mailboxes: HashMap::new(),
        lists: HashMap::new(),
        next_command: 0,
        socket: None,
        frames,
        stream: None,
        puts: HashMap::new(),
        stream_frames,
        outcomes,
        done: VecDeque::new(),
        erasing: None,
        settling: Vec::new(),
        tasks: JoinSet::new(),
    };
    tokio::spawn(driver.run(parts.asks, inbox));
    Ok(())
}

/// Why a text is no frame, without any of what it says: that may be somebody's words.
fn no_frame(error: &serde_json::Error) -> String {
    let (line, column) = (error.line(), error.column());
    format!("a frame that is none: {:?} error at {line}:{column}", error.classify())
}

fn now(start: Instant) -> Now {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now {
        mono_ms: u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX),
        wall_ms: i64::try_from(wall.as_millis()).unwrap_or(i64::MAX),
    }
}

impl Driver {
    async fn run(
        mut self,
        mut asks: mpsc::UnboundedReceiver<Ask>,
        mut inbox: mpsc::UnboundedReceiver<Outcome>,
    ) {
        let due = tokio::time::sleep_until(self.start);
        tokio::pin!(due);
        let closing = loop {
            self.do_effects();
            for _ in 0..AT_ONCE {
                let Some(outcome) = self.done.pop_front().or_else(|| inbox.try_recv().ok()) else {
                    break;
                };
                self.outcome(outcome);
                self.do_effects();
            }
            if self.erasing.is_some() {
                break None;
            }
            self.tell_settled();
            let timer = self.engine.poll_timeout();
            if let Some(at) = timer.map(|at| self.start + Duration::from_millis(at))
                && due.deadline() != at
            {
                due.as_mut().reset(at);
            }
            tokio::select! {
                ask = asks.recv() => match ask {
                    Some(Ask::Close(done)) => break Some(done),
                    Some(ask) => self.asked(ask),
                    // The last handle is gone.
                    None => break None,
                },
                () = std::future::ready(()), if !self.done.is_empty() => {}
                Some(outcome) = inbox.recv() => self.outcome(outcome),
                Some(frame) = self.frames.recv(), if self.engine.wants_frames() => {
                    step::tell("frame");
                    if let Some(id) = self.socket.as_ref().map(|socket| socket.id) {
                        self.input(Input::Frame(id, Box::new(frame)));
                    }
                }
                Some(frame) = self.stream_frames.recv(), if self.engine.wants_frames() => {
                    if let Some(id) = self.stream.as_ref().map(|stream| stream.id) {
                        self.input(Input::Frame(id, Box::new(frame)));
                    }
                }
                () = &mut due, if timer.is_some() => {
                    self.input(Input::Timeout);
                }
                Some(_) = self.tasks.join_next(), if !self.tasks.is_empty() => {}
            }
        };
        if let Some(recorder) = &mut self.recorder {
            // Also what was held while the app was suspended.
            recorder.wake();
            recorder.end("closed");
        }
        self.close_socket();
        self.close_stream();
        self.tasks.abort_all();
        // No file is written any more in a folder that is left, or erased.
        self.files.drained().await;
        // After every transaction given before. Whoever waits for one of them hears of it: what is
        // on disk will be sent, and must not look as if it were not.
        match self.erasing {
            None => self.store.close().await,
            Some(command) => {
                let erased = self.store.erase().await;
                let reply = erased.map(|()| Reply::Done).map_err(Error::Store);
                self.notice(Notice::Reply(command, reply));
            }
        }
        while let Some(outcome) = self.done.pop_front().or_else(|| inbox.try_recv().ok()) {
            if matches!(outcome, Outcome::Committed(..)) {
                self.outcome(outcome);
            }
        }
        while let Some(effect) = self.engine.poll_effect() {
            if let Effect::Notify(notice @ Notice::Reply(..)) = effect {
                self.notice(notice);
            }
        }
        self.mailboxes.values().for_each(|mailbox| mailbox.close());
        self.lists.values().for_each(|mailbox| mailbox.close());
        drop(self.settling);
        for (_, reply) in self.replies.drain() {
            let _ = reply.send(Err(Error::Closed));
        }
        if let Some(done) = closing {
            let _ = done.send(());
        }
    }

    /// Gives the engine an input, and to the recording. Before it what has passed over the network.
    fn input(&mut self, input: Input) -> bool {
        let now = now(self.start);
        let total = self.traffic.total();
        if std::mem::replace(&mut self.traffic_told, total) != total {
            self.recorded(now, &Input::Traffic(total));
            self.engine.handle_traffic(total);
        }
        self.recorded(now, &input);
        let usable = self.engine.handle(now, input);
        if let Some(recorder) = &mut self.recorder
            && !self.engine.rests()
        {
            recorder.wake();
        }
        usable
    }

    fn recorded(&mut self, now: Now, input: &Input) {
        if let Some(recorder) = &mut self.recorder {
            recorder.input(now, input);
        }
    }

    fn asked(&mut self, ask: Ask) {
        match ask {
            Ask::Command(command, reply) => self.command(command, reply),
            Ask::OpenTimeline(id, mailbox, command, reply) => {
                self.mailboxes.insert(id, mailbox);
                self.command(command, reply);
            }
            Ask::CloseTimeline(id) => {
                self.mailboxes.remove(&id);
                let command = self.command_id();
                self.input(Input::Command(command, Command::CloseTimeline(id)));
            }
            Ask::Copy(files, most, reply) => self.copy(files, most, reply),
            Ask::OpenRoomList(id, mailbox, command, reply) => {
                self.lists.insert(id, mailbox);
                self.command(command, reply);
            }
            Ask::CloseRoomList(id) => {
                self.lists.remove(&id);
                let command = self.command_id();
                self.input(Input::Command(command, Command::CloseRoomList(id)));
            }
            Ask::Tell(command) => {
                let id = self.command_id();
                self.input(Input::Command(id, command));
            }
            Ask::Signal(signal) => {
                self.input(Input::Signal(signal));
            }
            Ask::Key(key) => {
                let typing = Signal::Typing(key.room());
                // From here on the next one is worth another ask.
                drop(key);
                self.input(Input::Signal(typing));
            }
            Ask::Settle(signal, done) => {
                self.input(Input::Signal(signal));
                self.settling.push(done);
            }
            Ask::Close(done) => drop(done),
        }
    }

    fn command(&mut self, command: Command, reply: oneshot::Sender<Result<Reply, Error>>) {
        let id = self.command_id();
        self.replies.insert(id, reply);
        self.input(Input::Command(id, command));
    }

    fn command_id(&mut self) -> CommandId {
        self.next_command += 1;
        CommandId(self.next_command)
    }

    fn outcome(&mut self, outcome: Outcome) {
        step::tell("outcome");
        match outcome {
            Outcome::Socket(id, event) => {
                // What came before the end is heard before it: a `goaway` holds the slot.
                let frames = match (&self.socket, &self.stream) {
                    (Some(socket), _) if socket.id == id => Some(&mut self.frames),
                    (_, Some(stream)) if stream.id == id => Some(&mut self.stream_frames),
                    _ => None,
                };
                if let Some(frames) = frames.filter(|_| matches!(event, SocketEvent::Closed { .. }))
                {
                    let frames: Vec<_> = std::iter::from_fn(|| frames.try_recv().ok()).collect();
                    for frame in frames {
                        self.input(Input::Frame(id, Box::new(frame)));
                    }
                }
                self.input(Input::Socket(id, event));
            }
            Outcome::Response(id, answer) => {
                self.input(Input::Response(id, answer));
            }
            Outcome::Committed(token, result) => {
                self.input(Input::Committed(token, result));
            }
            Outcome::Loaded(token, rows) => {
                self.input(Input::Loaded(token, rows));
            }
            // What the engine asks for because of the token is done after this.
            Outcome::Token(Ok(token)) => {
                if self.input(Input::Token(Ok(inspect(&token)))) {
                    self.token = token.into();
                }
            }
            Outcome::Token(Err(error)) => {
                self.input(Input::Token(Err(error)));
            }
            Outcome::Part(id, news) => {
                if !matches!(news, PartNews::Sent(_)) {
                    self.puts.remove(&id);
                }
                self.input(Input::Part(id, news));
            }
            Outcome::Fetched(id, end) => {
                self.fetches.remove(&id);
                self.input(Input::Fetched(id, end));
            }
            Outcome::FileJob(id, result) => {
                self.input(Input::FileJob(id, result));
            }
            Outcome::Released => {
                self.input(Input::Released);
            }
        }
    }
}
