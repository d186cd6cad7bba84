//! A client of the simulation: an engine, its disk, and the app that looks at it. What it wants
//! of the network is left to whoever moves time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tidewire_protocol::{
    Checksum, ClientFrame, Content, EventId, EventKind, EventsQuery, MessageContent, Op, Receipt,
    RoomId, Seq, UploadId, UserId,
};
use uuid::Uuid;

use super::checks::{self, Broken};
use super::disk::Disk;
use super::files::SimFiles;
use crate::config::Config;
use crate::engine::{
    Command, CommandId, CopyTrouble, Effect, Engine, Fetch, FetchId, FileJob, FileJobId, Input,
    ListId, Notice, Now, OutgoingFile, PartPut, Problem, Query, Reply, Request, RequestId,
    RoomListQuery, RoomListRow, Row, Rows, SendOptions, SocketId, StartRows, StoreToken,
    TimelineId, TimelineStart, TimelineUpdate, Traffic, Transaction, Unread,
};
use crate::error::{Error, StoreError};

/// Something for the store to do.
#[derive(Debug)]
pub(super) enum StoreJob {
    Commit(StoreToken, Transaction),
    Load(StoreToken, Query),
    File(FileJobId, FileJob),
    Release,
}

/// Something that the engine wants of the network.
#[derive(Debug)]
pub(super) enum Want {
    Open(SocketId),
    Close(SocketId),
    Frame(SocketId, ClientFrame),
    OpenStream(SocketId, EventsQuery),
    CloseStream(SocketId),
    Request(RequestId, Request),
    Put(RequestId, PartPut),
    DropPut(RequestId),
    Fetch(FetchId, Fetch),
    CancelFetch(FetchId),
    Token,
    /// Everything on its way is to be dropped.
    Release,
}

/// An engine, its disk, and what the app was told.
#[derive(Debug)]
pub struct SimClient {
    /// Whose client this is.
    pub user: UserId,
    /// The engine.
    pub engine: Engine,
    pub(super) config: Config,
    /// The clocks.
    pub now: Now,
    pub(super) disk: Box<dyn Disk>,
    /// The folder of files.
    pub files: SimFiles,
    pub(super) jobs: VecDeque<StoreJob>,
    pub(super) wants: VecDeque<Want>,
    /// The answers to commands.
    pub replies: HashMap<CommandId, Result<Reply, Error>>,
    /// Whose profiles were told to be others.
    pub profiles_changed: Vec<UserId>,
    /// The rows of each open timeline.
    pub rows: BTreeMap<TimelineId, Vec<Row>>,
    /// Timelines that are being opened.
    opening: BTreeMap<CommandId, TimelineId>,
    /// Timelines that could not be opened: their handles are dropped.
    refused: Vec<TimelineId>,
    /// Whether there is more before and after each of them.
    pub more: BTreeMap<TimelineId, (bool, bool)>,
    /// Where what was unread began when each of them was opened.
    pub unread_from: BTreeMap<TimelineId, Option<Seq>>,
    /// The room of each open timeline.
    pub timelines: BTreeMap<TimelineId, RoomId>,
    /// The rows of each open list of rooms.
    pub listed: BTreeMap<ListId, Vec<Arc<RoomListRow>>>,
    /// What each open list of rooms asks for.
    pub lists: BTreeMap<ListId, RoomListQuery>,
    /// The total of what is unread, as the app was told last.
    pub unread_told: Option<Unread>,
    /// Those of the timelines that were updated by this input.
    updated: BTreeSet<TimelineId>,
    /// Updates of timelines.
    pub updates: u64,
    /// Problems that the app was told.
    pub problems: Vec<Problem>,
    /// Whom the user has blocked, as it was told each time.
    pub blocked_told: Vec<Vec<UserId>>,
    /// How often the mode changed.
    pub switches: u64,
    /// Inputs that the engine was given.
    pub inputs: u64,
    /// Real time that the engine took for them, in a crowd that is only counted.
    pub engine_time: Duration,
    /// Transactions that were committed.
    pub commits: u64,
    mode: Option<tidewire_protocol::Mode>,
    /// Tells this client's ids from those of others.
    number: u64,
    next: u64,
    /// Since the engine let go of everything, until the app wakes it.
    pub(super) resting: bool,
    /// Whether the store's files are open.
    stores: bool,
    /// Commits that fail from now on.
    pub failing_commits: u32,
    /// Queries that fail from now on.
    pub failing_loads: u32,
    /// Steps since the client was added: each thing that the engine asked for, each job of the store
    /// before it is done, and again before the engine hears of it.
    pub steps: u64,
    /// The step at which the process dies.
    pub(super) dies_at: Option<u64>,
    /// Since it died, until it starts again.
    pub(super) dead: bool,
    /// Whether it died just as the store had carried out a transaction.
    committing: bool,
    /// Its copies of files that are to be sent.
    pub copies: BTreeMap<UploadId, Vec<u8>>,
    /// Those that belong to a command that is not answered.
    copying: BTreeMap<CommandId, Vec<UploadId>>,
    /// Bytes that passed, if they are counted.
    pub(super) traffic: Traffic,
    /// Whether the app looks at rows and replies; a crowd that is only counted does not.
    pub(super) looks: bool,
    /// The first promise that was broken.
    pub(super) broken: Option<Broken>,
    /// A recording of the engine since its last start.
    #[cfg(test)]
    pub(crate) tape: Option<crate::trace::Tape>,
}

impl SimClient {
    pub(super) fn new(
        config: Config,
        number: u64,
        seed: u64,
        now: Now,
        disk: Box<dyn Disk>,
    ) -> Self {
        let mut client = Self {
            user: config.user.clone(),
            engine: Engine::new(config.clone(), seed, now),
            config,
            now,
            disk,
            files: SimFiles::default(),
            jobs: VecDeque::new(),
            wants: VecDeque::new(),
            replies: HashMap::new(),
            profiles_changed: Vec::new(),
            rows: BTreeMap::new(),
            opening: BTreeMap::new(),
            refused: Vec::new(),
            more: BTreeMap::new(),
            unread_from: BTreeMap::new(),
            timelines: BTreeMap::new(),
            listed: BTreeMap::new(),
            lists: BTreeMap::new(),
            unread_told: None,
            updated: BTreeSet::new(),
            updates: 0,
            problems: Vec::new(),
            blocked_told: Vec::new(),
            switches: 0,
            inputs: 0,
            engine_time: Duration::ZERO,
            commits: 0,
            mode: None,
            number,
            next: 0,
            resting: false,
            stores: false,
            failing_commits: 0,
            failing_loads: 0,
            steps: 0,
            dies_at: None,
            dead: false,
            committing: false,
            copies: BTreeMap::new(),
            copying: BTreeMap::new(),
            traffic: Traffic::default(),
            looks: true,
            broken: None,
            #[cfg(test)]
            tape: None,
        };
        client.collect();
        client
    }

    /// The process dies and starts again on the same files.
    pub(super) fn restart(&mut self, seed: u64) {
        self.engine = Engine::new(self.config.clone(), seed, self.now);
        #[cfg(test)]
        if let Some(tape) = &mut self.tape {
            tape.begin(&self.engine, &self.config, seed, self.now);
        }
        self.dead = false;
        self.disk.die(std::mem::take(&mut self.committing));
        self.jobs.clear();
        self.wants.clear();
        self.copying.clear();
        self.updated.clear();
        self.refused.clear();
        self.rows.clear();
        self.timelines.clear();
        self.opening.clear();
        self.listed.clear();
        self.lists.clear();
        self.unread_told = None;
        self.blocked_told.clear();
        self.resting = false;
        self.stores = false;
        self.collect();
    }

    /// Gives the engine an input, and takes what comes of it.
    pub(crate) fn input(&mut self, input: Input) -> bool {
        if self.dead {
            return false;
        }
        self.inputs += 1;
        #[cfg(test)]
        if let Some(tape) = &mut self.tape {
            tape.input(self.now, &input);
        }
        if self.looks {
            let given = self.engine.handle(self.now, input);
            self.collect();
            return given;
        }
        let begin = Instant::now();
        let given = self.engine.handle(self.now, input);
        self.collect();
        self.engine_time += begin.elapsed();
        given
    }

    /// One step further. Gives whether the process is dead by now.
    fn step(&mut self) -> bool {
        self.steps += 1;
        if self.dies_at.is_some_and(|at| at <= self.steps) {
            self.dies_at = None;
            self.dead = true;
        }
        self.dead
    }

    fn collect(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            if self.step() {
                return;
            }
            #[cfg(test)]
            if let Some(tape) = &mut self.tape {
                tape.decision(&effect);
            }
            let quiet = matches!(
                effect,
                Effect::Notify(_)
                    | Effect::CloseSocket(_)
                    | Effect::CloseStream(_)
                    | Effect::DropPut(_)
                    | Effect::DropCopy(..)
            );
            // Until it has settled, it may have to store what was on its way, and let go again.
            let settling = !self.engine.is_settled()
                && matches!(effect, Effect::Load(..) | Effect::Commit(..) | Effect::Release);
            if self.resting && !quiet && !settling {
                self.breaks(format!("a resting engine asked for {effect:?}"));
            }
            match effect {
                Effect::OpenSocket(id) => self.wants.push_back(Want::Open(id)),
                Effect::CloseSocket(id) => self.wants.push_back(Want::Close(id)),
                Effect::SendFrame(id, frame) => self.wants.push_back(Want::Frame(id, frame)),
                Effect::OpenStream(id, query) => self.wants.push_back(Want::OpenStream(id, query)),
                Effect::CloseStream(id) => self.wants.push_back(Want::CloseStream(id)),
                Effect::Request(id, request) => self.wants.push_back(Want::Request(id, request)),
                Effect::Load(token, query) => self.jobs.push_back(StoreJob::Load(token, query)),
                Effect::Commit(token, transaction) => {
                    self.jobs.push_back(StoreJob::Commit(token, transaction));
                }
                Effect::Fetch(id, fetch) => self.wants.push_back(Want::Fetch(id, fetch)),
                Effect::CancelFetch(id) => self.wants.push_back(Want::CancelFetch(id)),
                Effect::File(id, job) => self.jobs.push_back(StoreJob::File(id, job)),
                // No simulated user leaves for good.
                Effect::Erase(_) => {}
                Effect::PutPart(id, put) => self.wants.push_back(Want::Put(id, put)),
                Effect::DropPut(id) => self.wants.push_back(Want::DropPut(id)),
                Effect::DropCopy(id) => drop(self.copies.remove(&id)),
                Effect::FetchToken => self.wants.push_back(Want::Token),
                Effect::Release => {
                    self.wants.push_back(Want::Release);
                    self.jobs.push_back(StoreJob::Release);
                    self.resting = true;
                }
                Effect::Notify(notice) => self.notice(notice),
            }
        }
        // What is shown is on disk: what is on its way there may lie in between.
        for id in std::mem::take(&mut self.updated) {
            let Some(room) = self.timelines.get(&id) else { continue };
            let rows = self.rows.get(&id).map_or(&[][..], |rows| rows);
            let thread = self.engine.derived(id).is_some_and(|derived| derived.thread.is_some());
            let passed = self.engine.passed(*room).filter(|_| !thread);
            let marks = passed.map(|(passed, held)| checks::check_marks(rows, passed, held));
            if let Some(Err(broken)) = marks {
                self.broken.get_or_insert(broken);
            }
        }
        for timeline in std::mem::take(&mut self.refused) {
            self.close(timeline);
        }
        if self.resting && self.engine.poll_timeout().is_some() {
            self.breaks("a timer is armed at rest".into());
        }
        let asleep = self.engine.rests() && self.engine.is_settled();
        if asleep && (self.stores || !self.jobs.is_empty()) {
            self.breaks("a file is open at rest".into());
        }
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::Mode(report) => {
                let before = self.mode.replace(report.mode);
                self.switches += u64::from(before.is_some_and(|before| before != report.mode));
            }
            Notice::Timeline(..) if !self.looks => self.updates += 1,
            Notice::Reply(..) if !self.looks => {}
            Notice::Reply(id, reply) => {
                if let Some(timeline) = self.opening.remove(&id)
                    && reply.is_err()
                {
                    self.refused.push(timeline);
                }
                let copied = self.copying.remove(&id).unwrap_or_default();
                if reply.as_ref().is_err_and(|error| *error != Error::Closed) {
                    self.copies.retain(|id, _| !copied.contains(id));
                }
                let before = self.replies.insert(id, reply);
                if before.is_some() {
                    self.breaks(format!("answered twice: {id:?}"));
                }
            }
            Notice::Timeline(id, update) => {
                self.updates += 1;
                // One that was closed hears nothing any more.
                if !self.timelines.contains_key(&id) {
                    return;
                }
                let rows = self.rows.entry(id).or_default();
                update.apply(rows);
                if let TimelineUpdate::Reset { unread_from, .. } = &update {
                    self.unread_from.insert(id, *unread_from);
                }
                self.more.insert(id, (update.more_before(), update.more_after()));
                if let Err(broken) = checks::check_rows(rows) {
                    self.broken.get_or_insert(broken);
                }
                self.updated.insert(id);
            }
            Notice::RoomList(..) if !self.looks => self.updates += 1,
            Notice::RoomList(id, update) => {
                self.updates += 1;
                let rows = self.listed.entry(id).or_default();
                update.apply(rows);
                let total = update.total();
                if rows.len() > total || update.first() + rows.len() > total {
                    self.breaks(format!("{total} rooms, and more rows than that"));
                }
            }
            Notice::UnreadTotal(total) => self.unread_told = Some(total),
            Notice::Problem(problem) => self.problems.push(problem),
            Notice::BlockedChanged(users) => self.blocked_told.push(users),
            Notice::ProfilesChanged(users) => self.profiles_changed.extend(users),
            _ => {}
        }
    }

    pub(super) fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(Broken(what));
    }

    /// A number that this client has not used yet, in any of its lives.
    fn number(&mut self) -> u64 {
        self.next += 1;
        (self.number << 32) | self.next
    }

    pub(super) fn command(&mut self, command: Command) -> CommandId {
        let id = CommandId(self.number());
        self.input(Input::Command(id, command));
        id
    }

    /// Sends a text. Gives the message's id and the command that carries it.
    pub(super) fn send(&mut self, room: RoomId, text: &str) -> (EventId, CommandId) {
        let content = Content::of(&MessageContent::of_text(text)).unwrap();
        self.operate(room, EventKind::Message, content)
    }

    /// Sends anything. Gives the operation's id and the command that carries it.
    pub(super) fn operate(
        &mut self,
        room: RoomId,
        kind: EventKind,
        content: Content,
    ) -> (EventId, CommandId) {
        self.operate_with(room, kind, content, SendOptions::default())
    }

    /// The same with options.
    pub(crate) fn operate_with(
        &mut self,
        room: RoomId,
        kind: EventKind,
        content: Content,
        options: SendOptions,
    ) -> (EventId, CommandId) {
        let number = self.number();
        let id = EventId::from_uuid(Uuid::from_u128(0x5_0000_0000_0000_0000 + u128::from(number)));
        (id, self.command(Command::Send { room, op: Op { id, kind, content }, options }))
    }

    /// Sends a message with files, each of these bytes. Gives its id and the command that carries it.
    pub(crate) fn send_files(
        &mut self,
        room: RoomId,
        text: &str,
        files: Vec<Vec<u8>>,
        options: SendOptions,
    ) -> (EventId, CommandId) {
        let files: Vec<OutgoingFile> = files.into_iter().map(|bytes| self.copy(bytes)).collect();
        let content = Content::of(&MessageContent::of_text(text)).unwrap();
        let number = u128::from(self.number());
        let id = EventId::from_uuid(Uuid::from_u128(0x5_0000_0000_0000_0000 + number));
        let op = Op { id, kind: EventKind::Message, content };
        let command = CommandId(self.number());
        self.copying.insert(command, files.iter().map(|file| file.id).collect());
        self.input(Input::Command(command, Command::SendFiles { room, op, files, options }));
        (id, command)
    }

    fn copy(&mut self, bytes: Vec<u8>) -> OutgoingFile {
        let number = u128::from(self.number());
        let id = UploadId::from_uuid(Uuid::from_u128(0x6_0000_0000_0000_0000 + number));
        let file = OutgoingFile {
            id,
            name: "a file of mulberries.jpg".into(),
            content_type: "application/octet-stream".into(),
            size: bytes.len() as u64,
            sha256: Checksum::new(Sha256::digest(&bytes).into()),
            width: None,
            height: None,
            duration_ms: None,
            preview: None,
            path: id.to_string().into(),
            sent: 0,
            uploaded: false,
            key: None,
        };
        self.copies.insert(id, bytes);
        file
    }

    /// Copies of nobody go.
    fn sweep_copies(&mut self, start: &StartRows) {
        let mut known: BTreeSet<UploadId> = self.copying.values().flatten().copied().collect();
        known.extend(start.outbox.iter().flat_map(|row| &row.files).map(|file| file.id));
        self.copies.retain(|id, _| known.contains(id));
    }

    /// The bytes of a part, as they leave.
    pub(crate) fn part(&self, put: &PartPut) -> Result<Vec<u8>, CopyTrouble> {
        let copy = self.copies.get(&put.upload).ok_or(CopyTrouble::Missing)?;
        if copy.len() as u64 != put.size {
            return Err(CopyTrouble::Changed);
        }
        Ok(copy[put.offset as usize..(put.offset + put.length) as usize].to_vec())
    }

    /// Takes a message back.
    pub(super) fn cancel(&mut self, room: RoomId, message: EventId) -> CommandId {
        let number = self.number();
        let delete =
            EventId::from_uuid(Uuid::from_u128(0x5_0000_0000_0000_0000 + u128::from(number)));
        self.command(Command::Cancel { room, message, delete })
    }

    pub(super) fn open(&mut self, room: RoomId) -> TimelineId {
        let id = TimelineId(self.number());
        self.timelines.insert(id, room);
        self.command(Command::OpenTimeline(id, room));
        id
    }

    /// Opens a timeline anywhere. Gives the command that does, too.
    pub(super) fn open_at(
        &mut self,
        room: RoomId,
        start: TimelineStart,
    ) -> (TimelineId, CommandId) {
        let id = TimelineId(self.number());
        self.timelines.insert(id, room);
        (id, self.open_by(id, Command::OpenTimelineAt(id, room, start)))
    }

    /// Opens the thread of a message. Gives the command that does, too.
    pub(super) fn open_thread(&mut self, room: RoomId, root: EventId) -> (TimelineId, CommandId) {
        let id = TimelineId(self.number());
        self.timelines.insert(id, room);
        (id, self.open_by(id, Command::OpenThread(id, room, root)))
    }

    fn open_by(&mut self, timeline: TimelineId, command: Command) -> CommandId {
        let id = CommandId(self.number());
        self.opening.insert(id, timeline);
        self.input(Input::Command(id, command));
        id
    }

    /// Closes a timeline.
    pub(super) fn close(&mut self, timeline: TimelineId) {
        self.command(Command::CloseTimeline(timeline));
        self.timelines.remove(&timeline);
        self.rows.remove(&timeline);
    }

    /// Opens a list of rooms.
    pub(super) fn open_list(&mut self, query: RoomListQuery) -> ListId {
        let id = ListId(self.number());
        self.lists.insert(id, query.clone());
        self.command(Command::OpenRoomList(id, query));
        id
    }

    /// Lets the store do its next job. Gives the transaction that was committed by it, if it was
    /// one; nothing if there was no job.
    pub(super) fn store_step(&mut self) -> Option<StoreStep> {
        let job = self.jobs.pop_front()?;
        if self.step() {
            return None;
        }
        let mut step = StoreStep::Other;
        self.stores = !matches!(job, StoreJob::Release);
        match job {
            StoreJob::Commit(token, _) if self.failing_commits > 0 => {
                self.failing_commits -= 1;
                self.disk.fail();
                self.input(Input::Committed(token, Err(StoreError::DiskFull)));
            }
            StoreJob::Commit(token, transaction) => {
                let result = self.disk.execute(&transaction);
                if result.is_ok() {
                    self.commits += 1;
                    step = StoreStep::Committed;
                }
                if self.step() {
                    self.committing = true;
                    return Some(step);
                }
                self.input(Input::Committed(token, result));
            }
            StoreJob::Load(token, _) if self.failing_loads > 0 => {
                self.failing_loads -= 1;
                self.input(Input::Loaded(token, Err(StoreError::DiskFull)));
            }
            StoreJob::Load(token, query) => {
                let rows = self.disk.load(&query);
                if let Ok(Rows::Start(start)) = &rows {
                    self.sweep_copies(start);
                }
                self.input(Input::Loaded(token, rows));
            }
            StoreJob::File(id, FileJob::Adopt { key, upload }) => {
                let copy = self.copies.remove(&upload);
                let result = self.files.adopt(key, copy, self.now.wall_ms);
                self.input(Input::FileJob(id, Ok(result)));
            }
            StoreJob::File(id, job) => {
                let result = self.files.carry_out(job, self.now.wall_ms);
                self.input(Input::FileJob(id, result));
            }
            StoreJob::Release => {
                self.disk.release();
                self.input(Input::Released);
            }
        }
        Some(step)
    }

    /// What a start would begin with: everything that is committed.
    pub fn stored(&mut self) -> StartRows {
        match self.disk.peek(&Query::Start(self.user.clone())) {
            Ok(Rows::Start(rows)) => *rows,
            other => panic!("a start is not answered by {other:?}"),
        }
    }

    /// How far the members of each room are, as it is stored.
    pub fn stored_receipts(&mut self) -> BTreeMap<RoomId, Vec<Receipt>> {
        match self.disk.peek(&Query::receipts_of_all()) {
            Ok(Rows::Receipts(all)) => all.into_iter().collect(),
            other => panic!("receipts are not answered by {other:?}"),
        }
    }
}

/// What the store did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreStep {
    Committed,
    Other,
}
