//! Why the mode, a room or a message is as it is: facts, flat, and the sentence that they make.

use crate::message::MessageState;
use crate::mode::{Mode, ModeReason};

/// Why something is as it is: the chain of facts, and what they say together.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Why {
    /// The facts: first what is, then what it follows from.
    pub facts: Vec<Fact>,
    /// The same for people, in one English sentence. Holds no text of a message.
    pub sentence: String,
}

impl From<tidewire::Why> for Why {
    fn from(why: tidewire::Why) -> Self {
        Self { facts: why.facts.into_iter().map(Fact::from).collect(), sentence: why.sentence }
    }
}

/// One fact. "In" counts from now on, "for" and "ago" back from now.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Fact {
    /// The mode, and the signal that bound it.
    Mode {
        /// The mode.
        mode: Mode,
        /// What bound it.
        reason: ModeReason,
    },
    /// How far a message is.
    Message {
        /// Its state, as timelines show it.
        state: MessageState,
    },
    /// What is shown of a room, or would be.
    Room {
        /// Whether nothing is missing up to the newest event that is known to exist.
        complete: bool,
        /// Whether it is as new as the mode promises: pushed, live, or read within an interval.
        fresh: bool,
    },
    /// A signal, and the highest mode that it allows.
    Ceiling {
        /// Which signal.
        signal: ModeReason,
        /// The highest mode that it allows.
        allows: Mode,
        /// Whether this is the one that binds: the lowest, and the first of those.
        binds: bool,
        /// For how long it has allowed no more and no less.
        for_ms: u64,
        /// What would raise it.
        lifted_by: Lift,
    },
    /// Audience or policy ask for another mode; this client's moment to follow is still to come.
    Spread {
        /// The mode that they ask for.
        towards: Mode,
        /// When the moment comes.
        in_ms: u64,
    },
    /// The crowd has turned around: until then its ceiling does not rise.
    Dwell {
        /// When it may rise.
        in_ms: u64,
    },
    /// The app has just gone into the background: until then the socket is kept.
    Grace {
        /// When it goes.
        in_ms: u64,
    },
    /// The app said that it is suspended: nothing is read or sent.
    Suspended,
    /// There is no token that may be used.
    Token {
        /// How far the way to one is.
        stage: TokenStage,
        /// When the app is asked again, if that is planned.
        retry_in_ms: Option<u64>,
    },
    /// The store can not be relied on now.
    Store {
        /// What it is doing.
        stage: StoreStage,
        /// When it is tried again, if that is planned.
        retry_in_ms: Option<u64>,
    },
    /// There is no position in the feed yet: the list of rooms is fetched first.
    NoPosition,
    /// The socket.
    Socket {
        /// How far it is.
        stage: SocketStage,
        /// Whether the feed is pushed over it.
        pushes: bool,
    },
    /// The server gave a slot: until then it is not asked.
    Slot {
        /// What waits.
        way: Way,
        /// When it comes.
        in_ms: u64,
    },
    /// After failures, until then nothing is tried.
    Backoff {
        /// What waits.
        way: Way,
        /// Failures in a row.
        failures: u32,
        /// When it is tried again.
        in_ms: u64,
    },
    /// The budget has nothing left for reads by the client's own decision.
    HeldBack {
        /// When there is something again; none where only an act of the app or its user brings it.
        in_ms: Option<u64>,
    },
    /// Where an operation stands in its room's outbox.
    Queue {
        /// 1 for the next to go.
        position: u32,
        /// The one right before it.
        ahead: Option<String>,
    },
    /// It is being written to the disk: it goes out after that.
    Writing,
    /// It waits for this one of the same room, which has failed.
    WaitsFor {
        /// That one.
        id: String,
    },
    /// It is on its way; the answer is awaited.
    InFlight {
        /// What carries it.
        vehicle: Vehicle,
        /// Since when.
        for_ms: u64,
    },
    /// One before it is on its way: a room has one request in flight.
    BehindFlight {
        /// Since when.
        for_ms: u64,
    },
    /// When it was queued, by the device's clock.
    Queued {
        /// How long ago; 0 if the clock went back.
        ms_ago: u64,
    },
    /// When it first went out, by the server's clock as far as it was told.
    FirstSent {
        /// How long ago; 0 if the clock went back.
        ms_ago: u64,
    },
    /// The server's "no".
    Refused {
        /// Its code.
        code: String,
        /// What it says of it.
        message: String,
    },
    /// It was first sent longer ago than the server remembers ids.
    TooOld,
    /// It was to be sent within a time that is over.
    Expired,
    /// The app gave it a time to be sent in.
    Expires {
        /// What is left of that.
        in_ms: u64,
    },
    /// It is in the log.
    InLog {
        /// Its place in the room.
        seq: u64,
    },
    /// Somebody else's: its state goes no further than `Sent`.
    FromOther {
        /// Whose.
        sender: String,
    },
    /// How far the other members are with it.
    Receipts {
        /// Those who have it; those who read it among them.
        delivered: u32,
        /// Those who have read it.
        read: u32,
        /// How many others there are.
        of: u32,
    },
    /// There is nobody else in the room.
    Alone,
    /// In rooms of this size nobody sees how far the others are.
    AboveReceiptMembers {
        /// As many members as the room has.
        members: u32,
        /// As many as it may have.
        limit: u32,
    },
    /// How far the others are is not known yet: the room's state is awaited.
    ReceiptsAwaited,
    /// The user is no member of the room: nothing of it comes any more.
    NotJoined,
    /// The room is not open: nothing is fetched for it.
    NotOpen,
    /// These events exist and are not here: they come when somebody asks for them.
    Gap {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// These may have changed on the server since they were read.
    Stale {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The feed has not come to the newest event that is known.
    Behind {
        /// Where the feed is.
        feed_seq: u64,
        /// The newest.
        head_seq: u64,
    },
    /// The feed has more than its last page.
    CatchingUp,
    /// History of the room is being fetched.
    Fetching,
    /// The feed is pushed.
    Pushed,
    /// The room is live.
    Live,
    /// When the feed was last read to its end.
    LastRead {
        /// How long ago; none if never since the start.
        ms_ago: Option<u64>,
    },
    /// The feed is being read.
    Reading,
    /// The next read.
    NextRead {
        /// When.
        in_ms: u64,
    },
}

/// What would raise a ceiling.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum Lift {
    /// It allows everything.
    Nothing,
    /// Another network.
    OtherNetwork,
    /// The app comes to the foreground.
    Foreground,
    /// The app sets a higher one.
    App,
    /// A network that is not metered, or the data saver is switched off.
    DataSaverOff,
    /// The system stops saving power.
    PowerSavingOff,
    /// The budget has something left again, or is raised.
    Budget {
        /// When that is, as far as it is known.
        in_ms: Option<u64>,
    },
    /// A socket that works; one is tried.
    Socket {
        /// When.
        in_ms: u64,
    },
    /// Better answers: then a step up is tried.
    Step {
        /// When.
        in_ms: u64,
    },
    /// The server's first answer.
    FirstAnswer,
    /// Fewer users.
    Audience {
        /// As many or fewer.
        at_most: u32,
    },
    /// The server tells otherwise, or what it told runs out.
    Policy {
        /// When it runs out.
        in_ms: u64,
    },
}

/// How far the way to a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum TokenStage {
    /// The app is not asked now.
    Missing,
    /// The app has been asked.
    Asked,
    /// The app gave none, or the server takes none of those given.
    Failed,
}

/// What the store is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum StoreStage {
    /// What is on disk is being loaded.
    Loading,
    /// It failed.
    Failed,
}

/// How far the socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum SocketStage {
    /// It is being opened.
    Opening,
    /// It is open, and the server has not greeted yet.
    Greeting,
    /// It is open.
    Open,
}

/// What waits after a failure, or for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Way {
    /// Requests.
    Requests,
    /// Sockets.
    Sockets,
    /// Operations of the outbox.
    Sends,
    /// History of open rooms.
    History,
}

/// What carries operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Vehicle {
    /// The socket.
    Socket,
    /// A poll of the feed.
    Poll,
    /// A request of their own.
    Request,
}

impl From<tidewire::Fact> for Fact {
    fn from(fact: tidewire::Fact) -> Self {
        match fact {
            tidewire::Fact::Mode { mode, reason } => {
                Self::Mode { mode: mode.into(), reason: reason.into() }
            }
            tidewire::Fact::Message { state } => Self::Message { state: (&state).into() },
            tidewire::Fact::Room { complete, fresh } => Self::Room { complete, fresh },
            tidewire::Fact::Ceiling { signal, allows, binds, for_ms, lifted_by } => Self::Ceiling {
                signal: signal.into(),
                allows: allows.into(),
                binds,
                for_ms,
                lifted_by: lifted_by.into(),
            },
            tidewire::Fact::Spread { towards, in_ms } => {
                Self::Spread { towards: towards.into(), in_ms }
            }
            tidewire::Fact::Dwell { in_ms } => Self::Dwell { in_ms },
            tidewire::Fact::Grace { in_ms } => Self::Grace { in_ms },
            tidewire::Fact::Suspended => Self::Suspended,
            tidewire::Fact::Token { stage, retry_in_ms } => {
                Self::Token { stage: stage.into(), retry_in_ms }
            }
            tidewire::Fact::Store { stage, retry_in_ms } => {
                Self::Store { stage: stage.into(), retry_in_ms }
            }
            tidewire::Fact::NoPosition => Self::NoPosition,
            tidewire::Fact::Socket { stage, pushes } => {
                Self::Socket { stage: stage.into(), pushes }
            }
            tidewire::Fact::Slot { way, in_ms } => Self::Slot { way: way.into(), in_ms },
            tidewire::Fact::Backoff { way, failures, in_ms } => {
                Self::Backoff { way: way.into(), failures, in_ms }
            }
            tidewire::Fact::HeldBack { in_ms } => Self::HeldBack { in_ms },
            tidewire::Fact::Queue { position, ahead } => {
                Self::Queue { position, ahead: ahead.map(|id| id.to_string()) }
            }
            tidewire::Fact::Writing => Self::Writing,
            tidewire::Fact::WaitsFor { id } | tidewire::Fact::WaitsForUploads { id } => {
                Self::WaitsFor { id: id.to_string() }
            }
            // Nothing here can send files yet: none of these comes.
            tidewire::Fact::Uploading { .. } | tidewire::Fact::BehindUploads => Self::Writing,
            tidewire::Fact::Copy { .. } => Self::TooOld,
            tidewire::Fact::InFlight { vehicle, for_ms } => {
                Self::InFlight { vehicle: vehicle.into(), for_ms }
            }
            tidewire::Fact::BehindFlight { for_ms } => Self::BehindFlight { for_ms },
            tidewire::Fact::Queued { ms_ago } => Self::Queued { ms_ago },
            tidewire::Fact::FirstSent { ms_ago } => Self::FirstSent { ms_ago },
            tidewire::Fact::Refused { code, message } => Self::Refused { code, message },
            tidewire::Fact::TooOld => Self::TooOld,
            tidewire::Fact::Expired => Self::Expired,
            tidewire::Fact::Expires { in_ms } => Self::Expires { in_ms },
            tidewire::Fact::InLog { seq } => Self::InLog { seq: seq.get() },
            tidewire::Fact::FromOther { sender } => Self::FromOther { sender: sender.to_string() },
            tidewire::Fact::Receipts { delivered, read, of } => {
                Self::Receipts { delivered, read, of }
            }
            tidewire::Fact::Alone => Self::Alone,
            tidewire::Fact::AboveReceiptMembers { members, limit } => {
                Self::AboveReceiptMembers { members, limit }
            }
            tidewire::Fact::ReceiptsAwaited => Self::ReceiptsAwaited,
            tidewire::Fact::NotJoined => Self::NotJoined,
            tidewire::Fact::NotOpen => Self::NotOpen,
            tidewire::Fact::Gap { from, to } => Self::Gap { from: from.get(), to: to.get() },
            tidewire::Fact::Stale { from, to } => Self::Stale { from: from.get(), to: to.get() },
            tidewire::Fact::Behind { feed_seq, head_seq } => {
                Self::Behind { feed_seq: feed_seq.get(), head_seq: head_seq.get() }
            }
            tidewire::Fact::CatchingUp => Self::CatchingUp,
            tidewire::Fact::Fetching => Self::Fetching,
            tidewire::Fact::Pushed => Self::Pushed,
            tidewire::Fact::Live => Self::Live,
            tidewire::Fact::LastRead { ms_ago } => Self::LastRead { ms_ago },
            tidewire::Fact::Reading => Self::Reading,
            tidewire::Fact::NextRead { in_ms } => Self::NextRead { in_ms },
        }
    }
}

impl From<tidewire::Lift> for Lift {
    fn from(lift: tidewire::Lift) -> Self {
        match lift {
            tidewire::Lift::Nothing => Self::Nothing,
            tidewire::Lift::OtherNetwork => Self::OtherNetwork,
            tidewire::Lift::Foreground => Self::Foreground,
            tidewire::Lift::App => Self::App,
            tidewire::Lift::DataSaverOff => Self::DataSaverOff,
            tidewire::Lift::PowerSavingOff => Self::PowerSavingOff,
            tidewire::Lift::Budget { in_ms } => Self::Budget { in_ms },
            tidewire::Lift::Socket { in_ms } => Self::Socket { in_ms },
            tidewire::Lift::Step { in_ms } => Self::Step { in_ms },
            tidewire::Lift::FirstAnswer => Self::FirstAnswer,
            tidewire::Lift::Audience { at_most } => Self::Audience { at_most },
            tidewire::Lift::Policy { in_ms } => Self::Policy { in_ms },
        }
    }
}

impl From<tidewire::TokenStage> for TokenStage {
    fn from(stage: tidewire::TokenStage) -> Self {
        match stage {
            tidewire::TokenStage::Missing => Self::Missing,
            tidewire::TokenStage::Asked => Self::Asked,
            tidewire::TokenStage::Failed => Self::Failed,
        }
    }
}

impl From<tidewire::StoreStage> for StoreStage {
    fn from(stage: tidewire::StoreStage) -> Self {
        match stage {
            tidewire::StoreStage::Loading => Self::Loading,
            tidewire::StoreStage::Failed => Self::Failed,
        }
    }
}

impl From<tidewire::SocketStage> for SocketStage {
    fn from(stage: tidewire::SocketStage) -> Self {
        match stage {
            tidewire::SocketStage::Opening => Self::Opening,
            tidewire::SocketStage::Greeting => Self::Greeting,
            tidewire::SocketStage::Open => Self::Open,
        }
    }
}

impl From<tidewire::Way> for Way {
    fn from(way: tidewire::Way) -> Self {
        match way {
            tidewire::Way::Requests => Self::Requests,
            tidewire::Way::Sockets => Self::Sockets,
            tidewire::Way::Sends | tidewire::Way::Uploads | tidewire::Way::SlowMode => Self::Sends,
            tidewire::Way::History => Self::History,
        }
    }
}

impl From<tidewire::Vehicle> for Vehicle {
    fn from(vehicle: tidewire::Vehicle) -> Self {
        match vehicle {
            tidewire::Vehicle::Socket => Self::Socket,
            tidewire::Vehicle::Poll => Self::Poll,
            tidewire::Vehicle::Request => Self::Request,
        }
    }
}
