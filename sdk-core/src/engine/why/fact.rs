//! The vocabulary of explanations: flat, immutable, every duration relative and in ms.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{EventId, Mode, RoomId, Seq, UserId};

use crate::engine::mode::ceilings::Reason;
use crate::engine::outbox::CopyTrouble;
use crate::engine::timeline::message::MessageState;

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The mode.
    Mode,
    /// Whether what is shown of a room is all and new.
    Room(RoomId),
    /// The state of a message.
    Message(RoomId, EventId),
}

/// Why something is as it is: the chain of facts, and what they say together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Why {
    /// The facts: first what is, then what it follows from.
    pub facts: Vec<Fact>,
    /// The same for people, in one sentence. Holds no text of a message.
    pub sentence: String,
}

/// One fact. "In" counts from now on, "for" and "ago" back from now.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "fact", rename_all = "snake_case")]
pub enum Fact {
    /// The mode, and the signal that bound it.
    Mode {
        /// The mode.
        mode: Mode,
        /// What bound it.
        reason: Reason,
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
        signal: Reason,
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
        ahead: Option<EventId>,
    },
    /// It is being written to the disk: it goes out after that.
    Writing,
    /// It waits for this one of the same room, which has failed.
    WaitsFor {
        /// That one.
        id: EventId,
    },
    /// It waits for this one of the same room, whose files are uploaded first.
    WaitsForUploads {
        /// That one.
        id: EventId,
    },
    /// Its files are being uploaded, or are to be: it leaves after that.
    Uploading {
        /// How many files are not uploaded yet.
        files: u32,
        /// How many bytes of all of them have left.
        sent: u64,
        /// How many bytes all of them have.
        size: u64,
    },
    /// The files of messages that were queued before it are uploaded first.
    BehindUploads,
    /// A file of it can not be uploaded: the client's copy is not what it was.
    Copy {
        /// What is wrong with it.
        trouble: CopyTrouble,
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
        seq: Seq,
    },
    /// Somebody else's: its state goes no further than `Sent`.
    FromOther {
        /// Whose.
        sender: UserId,
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
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// These may have changed on the server since they were read.
    Stale {
        /// The first.
        from: Seq,
        /// The last.
        to: Seq,
    },
    /// The feed has not come to the newest event that is known.
    Behind {
        /// Where the feed is.
        feed_seq: Seq,
        /// The newest.
        head_seq: Seq,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenStage {
    /// The app is not asked now.
    Missing,
    /// The app has been asked.
    Asked,
    /// The app gave none, or the server takes none of those given.
    Failed,
}

/// What the store is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreStage {
    /// What is on disk is being loaded.
    Loading,
    /// It failed.
    Failed,
}

/// How far the socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketStage {
    /// It is being opened.
    Opening,
    /// It is open, and the server has not greeted yet.
    Greeting,
    /// It is open.
    Open,
}

/// What waits after a failure, or for a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Requests.
    Requests,
    /// Sockets.
    Sockets,
    /// Operations of the outbox.
    Sends,
    /// History of open rooms.
    History,
    /// Uploads of files.
    Uploads,
    /// Messages of a room in slow mode.
    SlowMode,
}

/// What carries operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vehicle {
    /// The socket.
    Socket,
    /// A poll of the feed.
    Poll,
    /// A request of their own.
    Request,
}
