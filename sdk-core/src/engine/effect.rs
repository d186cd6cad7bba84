//! What comes out of the engine: asked of the driver, one at a time.

use serde::{Deserialize, Serialize};
use tidewire_protocol::{
    BanPage, BanRequest, BlockList, BlockQuery, Bootstrap, ClientFrame, EventId, EventsQuery,
    FileAccess, FileKey, History, HistoryQuery, MemberPage, MutePage, MuteRequest, NewMembers,
    NewRoom, OpsRequest, Profile, ProfileUpdate, Profiles, ProfilesRequest, ReceiptPage, Report,
    ReportId, ReportPage, ReportRequest, ReportTaken, ReportsQuery, RoleUpdate, RoomId, RoomPage,
    RoomState, RoomUpdate, SearchRequest, SearchResults, Sent, Seq, SettingsUpdate, SlowMode,
    SyncRequest, SyncResponse, Upload, UploadId, UploadRequest, UserId, WireError,
};

use super::command::Reply;
use super::disk::transaction::Transaction;
use super::files::{Fetch, FetchId, FileJob, FileJobId};
use super::mode::ceilings::ModeReport;
use super::outbox::PartPut;
use super::people::peers::Presence;
use super::query::{Query, Repair};
use super::rooms::list::RoomListUpdate;
use super::rooms::unread::Unread;
use super::timeline::rows::TimelineUpdate;
use crate::error::{Error, StoreError};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        pub struct $name(pub u64);
    };
}
number_id! {
    /// One socket or event stream, from its opening to its end. Never used again.
    SocketId
}
number_id! {
    /// One HTTP request.
    RequestId
}
number_id! {
    /// One transaction or query of the store.
    StoreToken
}
number_id! {
    /// One command of the app, for its answer.
    CommandId
}
number_id! {
    /// One open timeline.
    TimelineId
}
number_id! {
    /// One open list of rooms.
    ListId
}

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Open a socket. Answered by [`SocketEvent`]s with the same id.
    OpenSocket(SocketId),
    /// Close it. Nothing more is heard of it.
    CloseSocket(SocketId),
    /// Send a frame. Into a `hello` without a token the driver puts the token.
    SendFrame(SocketId, ClientFrame),
    /// Open an event stream, `GET /v1/events`, with the token. Answered as a socket is; a typed
    /// refusal, and each comment as a `ping`, comes as a frame.
    OpenStream(SocketId, EventsQuery),
    /// Close it. Nothing more is heard of it.
    CloseStream(SocketId),
    /// Make an HTTP request, with the token. Answered by `handle_response`.
    Request(RequestId, Request),
    /// Read from the store. Answered by `handle_loaded` or `handle_load_failed`.
    Load(StoreToken, Query),
    /// Write to the store. Answered by `handle_committed` or `handle_commit_failed`, in the order
    /// in which the transactions were given.
    Commit(StoreToken, Transaction),
    /// Read a file from its address into the folder of files. Answered by `handle_fetched`.
    Fetch(FetchId, Fetch),
    /// Read no further. What came stays; nothing more is heard of it.
    CancelFetch(FetchId),
    /// Do something in the folder of files. Answered by `handle_file_job`. Jobs are done in order.
    File(FileJobId, FileJob),
    /// Drop every request, every fetch, the socket, the event stream and the token on its way, and let go of the
    /// store's files once all that was given before is done. Answered by `handle_released`. The next query opens
    /// the store again.
    Release,
    /// Put a part of an upload's copy to its address. Answered by `handle_part`.
    PutPart(RequestId, PartPut),
    /// Give that part up. Nothing more is heard of it.
    DropPut(RequestId),
    /// The copy of a file that was to be sent is done with.
    DropCopy(UploadId),
    /// Fetch a token from the app. Answered by `handle_token`.
    FetchToken,
    /// End the client, delete everything that the store has of the account, and answer the command.
    /// Nothing is done after it.
    Erase(CommandId),
    /// Tell the app.
    Notify(Notice),
}

/// An HTTP request.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `POST /v1/sync`
    Sync(SyncRequest),
    /// `GET /v1/bootstrap`
    Bootstrap,
    /// `GET /v1/rooms?after=`
    Rooms(String),
    /// `GET /v1/rooms/{room}`
    Room(RoomId),
    /// `POST /v1/rooms`
    CreateRoom(NewRoom),
    /// `GET /v1/rooms/{room}/members?after=`
    Members(RoomId, Option<UserId>),
    /// `GET /v1/rooms/{room}/receipts?seq=&after=`
    Receipts(RoomId, Seq, Option<UserId>),
    /// `POST /v1/rooms/{room}/members`
    AddMembers(RoomId, NewMembers),
    /// `DELETE /v1/rooms/{room}/members/{user}`
    RemoveMember(RoomId, UserId),
    /// `PUT /v1/rooms/{room}/members/{user}`
    SetRole(RoomId, UserId, RoleUpdate),
    /// `PUT /v1/rooms/{room}/bans/{user}`
    Ban(RoomId, UserId, BanRequest),
    /// `DELETE /v1/rooms/{room}/bans/{user}`
    Unban(RoomId, UserId),
    /// `GET /v1/rooms/{room}/bans?after=`
    Bans(RoomId, Option<UserId>),
    /// `PUT /v1/rooms/{room}/mutes/{user}`
    Mute(RoomId, UserId, MuteRequest),
    /// `DELETE /v1/rooms/{room}/mutes/{user}`
    Unmute(RoomId, UserId),
    /// `GET /v1/rooms/{room}/mutes?after=`
    Mutes(RoomId, Option<UserId>),
    /// `PUT /v1/rooms/{room}/slow_mode`
    SetSlowMode(RoomId, SlowMode),
    /// `PUT /v1/rooms/{room}`
    UpdateRoom(RoomId, RoomUpdate),
    /// `PUT /v1/rooms/{room}/settings`
    SetSettings(RoomId, SettingsUpdate),
    /// `POST /v1/reports`
    Report(ReportRequest),
    /// `GET /v1/rooms/{room}/reports`
    Reports(RoomId, ReportsQuery),
    /// `POST /v1/reports/{id}/resolve`
    ResolveReport(ReportId),
    /// `GET /v1/blocks`
    Blocks,
    /// `PUT /v1/blocks/{user}?version=`
    Block(UserId, BlockQuery),
    /// `DELETE /v1/blocks/{user}?version=`
    Unblock(UserId, BlockQuery),
    /// `GET /v1/rooms/{room}/messages`
    History(RoomId, HistoryQuery),
    /// `GET /v1/rooms/{room}/messages/{event}`
    Message(RoomId, EventId),
    /// `POST /v1/rooms/{room}/ops`
    Ops(RoomId, OpsRequest),
    /// `POST /v1/profiles:batch`
    Profiles(ProfilesRequest),
    /// `PUT /v1/profile`
    UpdateProfile(ProfileUpdate),
    /// `GET /v1/search`
    Search(SearchRequest),
    /// `POST /v1/uploads`
    BeginUpload(UploadRequest),
    /// `POST /v1/uploads/{id}/complete`
    CompleteUpload(UploadId),
    /// `DELETE /v1/uploads/{id}`
    CancelUpload(UploadId),
    /// `GET /v1/files/{key}`
    File(FileKey),
}

/// The answer to a request of the same name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Sync`].
    Sync(SyncResponse),
    /// To [`Request::Bootstrap`].
    Bootstrap(Bootstrap),
    /// To [`Request::Rooms`].
    Rooms(RoomPage),
    /// To [`Request::Room`], [`Request::CreateRoom`], [`Request::AddMembers`],
    /// [`Request::RemoveMember`], [`Request::SetRole`], [`Request::Ban`], [`Request::Unban`],
    /// [`Request::Mute`], [`Request::Unmute`], [`Request::SetSlowMode`], [`Request::UpdateRoom`].
    Room(RoomState),
    /// To [`Request::SetSettings`].
    Settings(SettingsUpdate),
    /// To [`Request::Blocks`], [`Request::Block`], [`Request::Unblock`].
    Blocks(BlockList),
    /// To [`Request::Report`].
    ReportTaken(ReportTaken),
    /// To [`Request::Reports`].
    Reports(ReportPage),
    /// To [`Request::ResolveReport`].
    Report(Box<Report>),
    /// To [`Request::Members`].
    Members(MemberPage),
    /// To [`Request::Bans`].
    Bans(BanPage),
    /// To [`Request::Mutes`].
    Mutes(MutePage),
    /// To [`Request::Receipts`].
    Receipts(ReceiptPage),
    /// To [`Request::History`], [`Request::Message`].
    History(History),
    /// To [`Request::Ops`].
    Ops(Sent),
    /// To [`Request::Profiles`].
    Profiles(Profiles),
    /// To [`Request::UpdateProfile`].
    Profile(Profile),
    /// To [`Request::Search`].
    Search(SearchResults),
    /// To [`Request::BeginUpload`], [`Request::CompleteUpload`].
    Upload(Upload),
    /// To [`Request::CancelUpload`].
    Done,
    /// To [`Request::File`].
    File(FileAccess),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestError {
    /// The server said "no", in its own words.
    #[error(transparent)]
    Refused(#[from] WireError),
    /// Anything else: no connection, a timeout, a captive portal, a proxy's error page.
    #[error("network trouble: {0}")]
    Network(String),
}

/// What happened to a socket or an event stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketEvent {
    /// It is open: `hello` may be sent to a socket.
    Opened,
    /// It is gone, or never came to be.
    Closed {
        /// Why, for the log.
        reason: String,
    },
}

/// What the app is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Notice {
    /// The answer to a command.
    Reply(CommandId, Result<Reply, Error>),
    /// An update of a timeline.
    Timeline(TimelineId, TimelineUpdate),
    /// The mode or its reason changed.
    Mode(ModeReport),
    /// An update of a list of rooms.
    RoomList(ListId, RoomListUpdate),
    /// What is unread of all rooms is another number.
    UnreadTotal(Unread),
    /// Some room of the list changed.
    RoomsChanged,
    /// The profiles of these users are others than before.
    ProfilesChanged(Vec<UserId>),
    /// All whom the user has blocked now.
    BlockedChanged(Vec<UserId>),
    /// Where these users stand now.
    Presence(Vec<(UserId, Presence)>),
    /// All who type in the room now.
    Typing(RoomId, Vec<UserId>),
    /// Something the app or its user has to know.
    Problem(Problem),
}

/// Something the app or its user has to know.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// No token is to be had, or the server takes none of them: sends wait, reading stops.
    AuthRequired {
        /// Why.
        reason: String,
    },
    /// The token belongs to another user: nothing is read or sent with it.
    WrongUser {
        /// Whose it is.
        token_user: UserId,
    },
    /// The store failed: reading stops until it works again. What was shown is still true.
    StoreFailed(StoreError),
    /// The store works again.
    StoreRecovered,
    /// Something on disk was damaged. What is told here has been done; nothing is left to do.
    Repaired(Repair),
    /// An operation was refused by the server. A message stays in the outbox as failed; an edit, a
    /// deletion or a reaction is given up, and shows no more.
    SendFailed {
        /// The room.
        room: RoomId,
        /// The operation: that of a message has the message's id.
        id: EventId,
        /// The message that was to be changed, if it was an edit, a deletion or a reaction.
        target: Option<EventId>,
        /// Why.
        reason: super::outbox::FailReason,
    },
}
