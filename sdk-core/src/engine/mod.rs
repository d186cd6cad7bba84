//! The engine: everything that decides, and nothing that does.
//!
//! No socket, no clock, no thread, no disk and no randomness of its own, so that it runs the same
//! under a driver with all of these and under a virtual clock. One engine is one client. Its
//! methods are of four kinds:
//!
//! - `handle_*`: something happened (a frame, an answer, a signal, a command, a commit, a timer);
//! - [`Engine::poll_effect`]: what to do about it, until it gives `None`;
//! - [`Engine::poll_timeout`]: when to call [`Engine::handle_timeout`];
//! - getters.
//!
//! After every input, [`Engine::advance`](Engine) compares what should be (mode, socket, reader,
//! outbox, windows) with what is, and asks for the difference. An input only records what
//! happened, so that no combination of inputs needs a path of its own.
//!
//! ```
//! use tidewire::engine::{Effect, Engine, Now, Query};
//! use tidewire::{Config, UserId};
//!
//! let start = Now { mono_ms: 0, wall_ms: 1_700_000_000_000 };
//! let config = Config::new(UserId::new("ada").unwrap());
//! let mut engine = Engine::new(config, 42, start);
//! // The first thing that it wants is what it knew before.
//! assert!(matches!(engine.poll_effect(), Some(Effect::Load(_, Query::Start(_)))));
//! ```

mod backoff;
mod begin;
mod calls;
mod clock;
mod command;
mod disk;
mod effect;
mod feed;
mod files;
mod input;
mod life;
mod mode;
mod outbox;
mod people;
mod query;
mod rooms;
mod stats;
#[cfg(test)]
mod tests;
mod time;
mod timeline;
mod why;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tidewire_protocol::{Cursor, Epoch, RoomId};

use crate::config::Config;
use crate::error::StoreError;
use backoff::Backoff;
use disk::commit::Pending;
use disk::loads::LoadPurpose;
use feed::link::Link;
use feed::reader::{Boot, Sync};
use life::auth::Auth;
use outbox::Outbox;
use people::profiles::ProfileCache;
use rooms::room::Room;
use time::Timers;
use timeline::windows::Windows;

pub use command::{Command, GapSide, Loaded, Refreshed, Reply, RoomSummary, Signal};
pub use disk::report::{CacheReport, TierReport};
pub use disk::search::{Found, RoomCoverage, SearchAsk, SearchLookup, SearchRows};
pub use disk::transaction::{Transaction, Write};
pub use effect::{
    CommandId, Effect, ListId, Notice, Problem, Request, RequestError, RequestId, Response,
    SocketEvent, SocketId, StoreToken, TimelineId,
};
pub use feed::ranges::{RangeChange, RangeSet};
pub use files::{
    DownloadId, DownloadReport, Fetch, FetchEnd, FetchId, FileJob, FileJobId, KeptFile, KeptFiles,
    WantedFile,
};
pub use input::Input;
pub use life::auth::{TokenError, TokenInfo};
pub use life::logout::Logout;
pub use mode::budget::{Budget, BudgetReport, Spent};
pub use mode::ceilings::{ModeReport, Network, NetworkKind, Reason};
pub use outbox::{
    CopyTrouble, FailReason, OnFailure, OutboxRow, OutgoingFile, PartNews, PartPut, SendOptions,
};
pub use people::blocks::BlockWish;
pub use people::peers::Presence;
pub use query::{Query, Repair, RoomRow, Rows, Sizes, StartRows};
pub use rooms::heads::{Draft, Wish};
pub use rooms::list::{
    RoomFilter, RoomListChange, RoomListQuery, RoomListRow, RoomListUpdate, RoomSort,
};
pub use rooms::settings::SettingsChange;
pub use rooms::unread::{TailRow, Unread};
pub use stats::{Stats, Tier, TierStats, Traffic};
pub use time::{Now, Timer};
pub use timeline::message::{Changed, Message, MessageState, Quote, Quoted, Reach, Replies};
pub use timeline::opening::TimelineStart;
pub use timeline::rows::{Change, Row, RowKey, TimelineUpdate};
pub use why::{Fact, Lift, SocketStage, StoreStage, Subject, TokenStage, Vehicle, Way, Why};

pub(crate) use outbox::listing;
#[cfg(any(test, feature = "simulation"))]
pub(crate) use timeline::fold::is_mutation;
pub(crate) use timeline::fold::{Act, Done, Folded, Mutation, References};

/// What a request was made for.
#[derive(Debug)]
pub(crate) enum Purpose {
    Sync,
    Boot,
    RoomState(RoomId),
    Ops(RoomId),
    History(timeline::history::Fetch),
    Profiles,
    /// Where a file is.
    File,
    /// The user's settings of a room, as they were told.
    Settings(RoomId, tidewire_protocol::SettingsUpdate),
    /// Whom the user has blocked, and the change that was told with it.
    Blocks(Option<people::blocks::Told>),
    /// Where an upload stands.
    Upload(tidewire_protocol::UploadId),
    /// What the server is told, whatever it answers.
    Told,
    /// A command's own call. Kept whole, because a token that just expired makes it go out again.
    Call {
        command: CommandId,
        request: Box<Request>,
        again: bool,
        /// The life of the cache that it went out in.
        life: u64,
    },
}

/// A request on its way.
#[derive(Debug)]
pub(crate) struct Asked {
    purpose: Purpose,
    /// Of the token that it went out with.
    generation: u64,
    at_ms: u64,
}

impl Asked {
    /// Whether somebody waits for the answer.
    fn is_awaited(&self) -> bool {
        match &self.purpose {
            Purpose::Call { .. } | Purpose::Profiles | Purpose::File => true,
            Purpose::History(fetch) => fetch.is_awaited(),
            _ => false,
        }
    }
}

/// Whether the store can be relied on.
#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// What is committed is being loaded.
    Loading,
    /// What a first screen shows is here. Nothing goes to the server, and nothing of it is taken, until it is known
    /// how far the members of the rooms are.
    Shown,
    Ready,
    /// A commit or a load failed; [`Timer::StoreRetry`] loads again.
    Failed,
}

/// One client, as a deterministic state machine. See the module's text.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    rng: fastrand::Rng,
    now: Now,
    server_clock: clock::ServerClock,
    effects: VecDeque<Effect>,
    timers: Timers,
    next_id: u64,

    signals: mode::ceilings::Signals,
    reported: Option<ModeReport>,

    dwell: mode::dwell::Dwell,
    ceilings_since: why::CeilingsSince,
    ledger: mode::budget::Ledger,
    /// Whether somebody waits for the feed to be read: then it is read whatever the budget says.
    read_asked: bool,
    rest: life::lifecycle::Rest,
    /// Releases of the store on their way.
    releases: u32,
    refreshes: Vec<life::refresh::Refresh>,

    phase: Phase,
    store_backoff: Backoff,
    /// Whether anything is known of what is committed.
    loaded_once: bool,
    /// Counts the wipes of the cache.
    cache_life: u64,
    fetches: timeline::fetches::Fetches,
    /// Whether the app was told that the store failed and not yet that it works again.
    store_told: Option<StoreError>,
    /// Transactions on their way, in order.
    commits: VecDeque<Pending>,
    /// Ordered, so that the same inputs always come to the same effects.
    loads: BTreeMap<StoreToken, LoadPurpose>,
    /// Commands that came before the store was loaded.
    deferred: Vec<(CommandId, Command)>,

    auth: Auth,
    requests: HashMap<RequestId, Asked>,
    /// Calls of commands that wait for a token.
    awaiting_token: Vec<(CommandId, Request)>,

    /// The last accepted cursor: the only thing that a page may go on from.
    cursor: Option<Cursor>,
    /// When the feed was last read to its end, or known to be pushed.
    read_at: Option<u64>,
    /// When a cursor was last given to the store: pages that bring nothing do not move it there.
    queued_cursor_at: u64,
    epoch: Option<Epoch>,
    rooms: BTreeMap<RoomId, Room>,
    /// Whether all of them are on disk: a bootstrap is done, and what it gave is still good.
    rooms_known: bool,
    rooms_changed: bool,
    /// What is shown of rooms.
    heads: rooms::heads::Heads,
    lists: BTreeMap<ListId, rooms::list::List>,
    lists_told_at: Option<u64>,
    /// From when on the disk has time for what nobody waits for.
    spare_from: u64,
    /// What is fetched of rooms that nobody has open.
    errand: Option<RequestId>,
    /// The wish that is on its way to the server.
    settings_told: Option<(RoomId, tidewire_protocol::RoomSettings)>,
    /// The number of the request whose answer is being taken; of anything else, one above all. What
    /// happened before a request was made knows only lower numbers.
    answering: u64,
    /// Rooms of which the server may have to hear how far the user is.
    owing: BTreeSet<RoomId>,
    receipts_told_at: Option<u64>,
    /// Whether the feed had more than its last page.
    catching_up: bool,
    windows: Windows,
    timelines: HashMap<TimelineId, timeline::opening::View>,
    /// Messages that timelines are to be opened at, asked of the server.
    findings: BTreeMap<CommandId, timeline::opening::Finding>,
    /// What history is for that was asked for before there was a token.
    goals: BTreeMap<CommandId, (timeline::history::Goal, Option<tidewire_protocol::EventId>)>,
    /// Rooms with a page on its way that nobody asked for.
    fetching: BTreeSet<RoomId>,
    interest: rooms::interest::Interest,
    retention: disk::retention::Retention,
    outbox: Outbox,
    /// Rooms of which the disk is asked for a message that is to be changed, with the changes that wait until it
    /// has answered.
    lookups: BTreeMap<RoomId, Vec<(CommandId, tidewire_protocol::Op)>>,
    uploads: outbox::uploads::Uploads,
    /// Largest file that the server takes, in bytes.
    max_upload_bytes: u64,
    /// What this process has sent before the server told its time.
    undated: Vec<tidewire_protocol::EventId>,
    profiles: ProfileCache,
    /// How far the search index is with what an earlier version stored.
    indexing: disk::search::Indexing,
    /// Files on their way to this device, and what is kept of them.
    files: files::Files,

    /// Whom the user has blocked.
    blocks: people::blocks::Blocks,
    /// What of others is known, and of the user's own typing is told.
    watching: people::watch::Watching,
    peers: people::peers::Peers,
    typing: people::typing::OwnTyping,
    /// Most members of a room that brings presence and typing.
    ephemeral_members: u32,
    /// Tells this run of the client from the user's other devices.
    device: u32,

    link: Link,
    link_opened_at: Option<u64>,
    link_backoff: Backoff,
    /// When the surroundings last changed, and whether they have since.
    looked_at: Option<u64>,
    /// When the network last became another one.
    moved_at: Option<u64>,
    /// When the disk last lagged behind what came in.
    lagged_at: Option<u64>,
    look_due: bool,
    /// Sockets in a row that never came to be while the server could be reached.
    sockets_failed: u32,
    /// Sockets that were tried where sockets fail.
    probes: u32,
    stream: feed::stream::Stream,
    stream_opened_at: Option<u64>,
    stream_backoff: Backoff,
    /// Streams in a row that did not open while the server was reached.
    stream_failures: u32,
    sync: Option<Sync>,
    boot: Option<Boot>,
    /// A poll is due now.
    poll_due: bool,
    http_backoff: Backoff,
    /// Of operations that the server put off.
    ops_backoff: Backoff,
    ops_put_off_at: Option<u64>,
    /// Until when the server asked for no operations.
    ops_slot_until: u64,
    /// Until when the server asked this client to make no requests, and to open no socket.
    http_slot_until: u64,
    link_slot_until: u64,
    idempotency_window_ms: u64,

    stats: Stats,
    tiers: disk::report::Tiers,
    mode_stats: stats::ModeStats,
    radio: stats::Radio,
}

impl Engine {
    /// The same as another one that stood at `point` of `[0, 1)`, the place of its user in policies,
    /// whatever the name of this one's user says: for replays, where names are not the true ones.
    pub(crate) fn with_point(mut self, point: f64) -> Self {
        self.signals.move_to(point);
        self
    }

    pub(crate) fn point(&self) -> f64 {
        self.signals.point()
    }

    /// The platform or the app told something about the surroundings.
    pub fn handle_signal(&mut self, now: Now, signal: Signal) {
        self.now = now;
        match signal {
            Signal::Network(network) => {
                let moved = network.kind != self.signals.network.kind;
                self.signals.network = network;
                if moved {
                    // Whatever was open belongs to the network that is gone.
                    self.close_link("the network changed");
                    self.close_stream("the network changed");
                    self.leave_network();
                    self.sockets_may_work();
                    self.look_again();
                }
            }
            Signal::AppState(state) => self.app_state_changed(state),
            Signal::Power { low } => self.signals.low_power = low,
            Signal::Ceiling(mode) => self.signals.ceiling = mode,
            Signal::Budget(budget) => self.budget_changed(budget),
            Signal::Typing(room) => self.key_pressed(room),
        }
        self.advance();
    }

    /// The app asks for something.
    pub fn handle_command(&mut self, now: Now, id: CommandId, command: Command) {
        self.now = now;
        // What stands in the way is told whatever stands in the way.
        if let Command::Why(subject) = &command
            && self.why_now(id, subject)
        {
            self.advance();
            return;
        }
        if let Command::SetVisible(rooms) = command {
            // Whether or not they are known yet.
            self.set_visible(rooms);
            self.advance();
            return;
        }
        if command == Command::Logout(Logout::Discard) {
            // Whatever the store holds or fails with.
            self.log_out(id, Logout::Discard);
            return;
        }
        if self.rests() {
            self.command_at_rest(id, command);
            return;
        }
        if self.phase == Phase::Failed && !self.loaded_once {
            // Nothing is known of rooms and outbox: no answer but the store's would be true.
            let error = self.store_told.clone().unwrap_or(StoreError::Superseded);
            self.reply(id, Err(crate::error::Error::Store(error)));
            return;
        }
        // What came first goes first, also when the store fails while commands wait for it.
        if self.waits(&command) || !self.deferred.is_empty() {
            self.deferred.push((id, command));
        } else {
            self.command(id, command);
        }
        self.advance();
    }

    /// What has passed over the network since the start. Told before an input that may change the
    /// mode or ask for the counters, so that bytes belong to the mode that they passed in.
    pub fn handle_traffic(&mut self, total: Traffic) {
        self.stats.bytes_sent = total.sent;
        self.stats.bytes_received = total.received;
    }

    /// A timer is due: call this at or after the moment that [`Engine::poll_timeout`] gave.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        while let Some(timer) = self.timers.pop_due(now.mono_ms) {
            match timer {
                Timer::Poll => self.poll_due = true,
                Timer::SocketRetry
                | Timer::StreamRetry
                | Timer::HttpRetry
                | Timer::OpsRetry
                | Timer::SlowMode
                | Timer::Expiry
                | Timer::UploadRetry
                | Timer::Progress
                | Timer::FetchRetry
                | Timer::Receipts
                | Timer::Typing
                | Timer::TypingEnds
                | Timer::Background
                | Timer::Lists
                | Timer::Spare
                | Timer::Profiles
                | Timer::Files
                | Timer::Flush => {}
                Timer::Calm if self.look_due => self.look_again(),
                Timer::Calm => {}
                Timer::Health => self.health_due(),
                Timer::PresenceEnds => self.forget_presence(),
                // The answer may be among what waits for the disk.
                Timer::SocketAnswer if !self.wants_frames() => self.expect_answer(),
                Timer::SocketAnswer => self.link_failed("no answer in time"),
                Timer::StreamAnswer => self.stream_silent(),
                Timer::Heartbeat => self.heartbeat(),
                Timer::Grace => self.grace_over(),
                Timer::Spread => self.crowd_due(),
                Timer::PolicyExpiry => {
                    self.signals.policy = None;
                    self.crowd_told();
                }
                Timer::Token => self.token_due(),
                Timer::StoreRetry => {
                    self.phase = Phase::Loading;
                    self.load_start();
                }
            }
        }
        self.advance();
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Engine::handle_timeout`], on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.timers.next()
    }

    /// Whether frames may be read from the socket and the event stream. False while the disk lags:
    /// then the driver leaves them where they are, and the server holds back.
    pub fn wants_frames(&self) -> bool {
        self.commits.len() < crate::defaults::COMMITS_IN_FLIGHT
    }

    /// The mode and its reason.
    pub fn mode(&self) -> ModeReport {
        self.signals.report()
    }

    /// The last accepted cursor.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// How far the feed has passed a room, and what is held of it, if all of that is on disk.
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) fn passed(&self, room: RoomId) -> Option<(tidewire_protocol::Seq, &RangeSet)> {
        let on_disk = self.commits.is_empty() && self.phase == Phase::Ready;
        self.rooms.get(&room).filter(|_| on_disk).map(|room| (room.feed_seq, &room.held))
    }

    /// Rooms whose operations are on their way.
    #[cfg(test)]
    pub(crate) fn sends_in_flight(&self) -> usize {
        self.outbox.flights()
    }

    /// Counters since the start.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Compares what should be with what is, and asks for the difference.
    fn advance(&mut self) {
        if !self.wants_frames() {
            self.lagged_at = Some(self.now.mono_ms);
        }
        self.advance_health();
        self.advance_budget();
        let ceilings = self.signals.ceilings();
        self.ceilings_since.note(ceilings.clone(), self.now.mono_ms);
        let report = self.signals.report_of(ceilings);
        if self.reported != Some(report) {
            let before = self.reported.replace(report);
            if let Some(before) = before.filter(|before| before.mode != report.mode) {
                self.mode_stats.change(before.mode, &self.stats);
            }
            self.notify(Notice::Mode(report));
        }
        if self.rests() {
            self.keep_resting();
            return;
        }
        self.advance_auth();
        if self.rooms_changed {
            self.profiles.look_again();
            self.interest.changed();
        }
        // Before the background, which fetches what is not exact.
        self.flush_lists();
        if self.phase == Phase::Ready {
            self.advance_watch();
            // Before the socket: where that takes over, the stream ends first.
            self.advance_stream();
            self.advance_link();
            self.advance_expiry();
            self.advance_uploads();
            self.advance_outbox();
            self.advance_reader();
            // After it: what rides on a poll needs no frame of its own.
            self.advance_receipts();
            self.advance_typing();
            self.advance_peers();
            self.advance_windows();
            self.advance_settings();
            self.advance_blocks();
            self.advance_files();
            // After what somebody waits for.
            self.advance_background();
            self.settle_refreshes();
            self.advance_spare();
        }
        self.advance_report();
        self.advance_profiles();
        self.flush_windows();
        if std::mem::take(&mut self.rooms_changed) {
            self.notify(Notice::RoomsChanged);
        }
    }

    /// What the disk is asked for when nobody waits for it.
    fn advance_spare(&mut self) {
        if self.now.mono_ms < self.spare_from {
            self.timers.arm(Timer::Spare, self.spare_from);
            return;
        }
        self.timers.disarm(Timer::Spare);
        self.advance_tails();
        self.advance_retention();
        self.advance_index();
    }

    /// The client itself uses the network.
    fn reach_out(&mut self) {
        if self.radio.used(self.now.mono_ms) {
            self.stats.wakeups += 1;
            self.ledger.woke(self.now.mono_ms);
        }
    }

    /// Whether the app is shown what is committed.
    fn shows(&self) -> bool {
        matches!(self.phase, Phase::Shown | Phase::Ready)
    }

    fn online(&self) -> bool {
        self.signals.is_online()
    }

    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    fn notify(&mut self, notice: Notice) {
        self.effect(Effect::Notify(notice));
    }

    fn reply(&mut self, command: CommandId, reply: Result<Reply, crate::error::Error>) {
        self.notify(Notice::Reply(command, reply));
    }
}
