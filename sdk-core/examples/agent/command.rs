//! The lines that the agent reads.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tidewire::{
    AppState, Attachment, EventId, FileKey, GapSide, Mode, NetworkKind, NewFile, OnFailure,
    Preview, ReportId, ReportReason, Role, RoomFilter, RoomId, RoomKind, RoomSort, Seq,
    TimelineStart, UserId,
};

/// What stdin asks for: `cmd` names it, `id` comes back in the answer.
#[derive(Deserialize)]
pub(crate) struct Line {
    #[serde(default)]
    pub(crate) id: Value,
    #[serde(flatten)]
    pub(crate) command: Command,
}

/// A command, as `docs/agent.md` lists them.
#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub(crate) enum Command {
    CreateRoom {
        name: Option<String>,
        members: Option<Vec<UserId>>,
        peer: Option<UserId>,
    },
    Rooms,
    OpenRoomList {
        #[serde(default)]
        list: String,
        #[serde(default)]
        sort: RoomSort,
        #[serde(flatten, deserialize_with = "filter")]
        filter: RoomFilter,
        #[serde(default = "hundred")]
        window: usize,
    },
    CloseRoomList {
        #[serde(default)]
        list: String,
    },
    SetListVisible {
        #[serde(default)]
        list: String,
        first: usize,
        count: usize,
    },
    UnreadTotal,
    SetDraft {
        room: RoomId,
        text: Option<String>,
    },
    Draft {
        room: RoomId,
    },
    Settings {
        room: RoomId,
        muted: Option<bool>,
        pinned: Option<bool>,
        archived: Option<bool>,
    },
    UpdateRoom {
        room: RoomId,
        name: Option<String>,
        avatar_url: Option<String>,
    },
    SetRole {
        room: RoomId,
        user: UserId,
        role: Role,
    },
    OpenRoom {
        room: RoomId,
        at: Option<TimelineStart>,
    },
    /// Shows a thread in the room's place.
    Thread {
        room: RoomId,
        message: EventId,
    },
    CloseRoom {
        room: RoomId,
    },
    Send {
        room: RoomId,
        text: String,
        metadata: Option<Value>,
        #[serde(default)]
        mentions: Vec<UserId>,
        /// The message that it quotes, and the one in whose thread it stands.
        reply_to: Option<EventId>,
        thread: Option<EventId>,
        #[serde(default)]
        on_failure: OnFailure,
        expires_after_ms: Option<u64>,
    },
    /// Sends a message with files.
    SendFiles {
        room: RoomId,
        #[serde(default)]
        text: String,
        files: Vec<File>,
        reply_to: Option<EventId>,
        thread: Option<EventId>,
        #[serde(default)]
        ordered: bool,
        #[serde(default)]
        on_failure: OnFailure,
        expires_after_ms: Option<u64>,
    },
    Edit {
        room: RoomId,
        message: EventId,
        text: String,
        metadata: Option<Value>,
        #[serde(default)]
        mentions: Vec<UserId>,
    },
    Delete {
        room: RoomId,
        message: EventId,
    },
    React {
        room: RoomId,
        message: EventId,
        key: String,
    },
    Unreact {
        room: RoomId,
        message: EventId,
        key: String,
    },
    Retry {
        room: RoomId,
        message: EventId,
    },
    Discard {
        room: RoomId,
        message: EventId,
    },
    /// Kills the process at this step of the client's from now on.
    DieAt {
        step: u64,
    },
    Cancel {
        room: RoomId,
        message: EventId,
    },
    History {
        room: RoomId,
        #[serde(default = "fifty")]
        count: usize,
    },
    LoadNewer {
        room: RoomId,
        #[serde(default = "fifty")]
        count: usize,
    },
    FillGap {
        room: RoomId,
        from: Seq,
        to: Seq,
        #[serde(default = "newer")]
        side: GapSide,
    },
    MarkRead {
        room: RoomId,
        seq: Option<Seq>,
    },
    Snapshot {
        room: Option<RoomId>,
    },
    Typing {
        room: RoomId,
    },
    Typists {
        room: RoomId,
    },
    Presence {
        users: Vec<UserId>,
    },
    Members {
        room: RoomId,
        after: Option<UserId>,
    },
    Receipts {
        room: RoomId,
        seq: Seq,
        after: Option<UserId>,
    },
    AddMembers {
        room: RoomId,
        users: Vec<UserId>,
    },
    RemoveMember {
        room: RoomId,
        user: UserId,
    },
    Ban {
        room: RoomId,
        user: UserId,
        reason: Option<String>,
    },
    Unban {
        room: RoomId,
        user: UserId,
    },
    Bans {
        room: RoomId,
        after: Option<UserId>,
    },
    Report {
        room: RoomId,
        message: EventId,
        reason: ReportReason,
        note: Option<String>,
    },
    ReportUser {
        room: RoomId,
        user: UserId,
        reason: ReportReason,
        note: Option<String>,
    },
    Reports {
        room: RoomId,
        after: Option<ReportId>,
        #[serde(default)]
        all: bool,
    },
    ResolveReport {
        room: RoomId,
        report: ReportId,
    },
    Block {
        user: UserId,
    },
    Unblock {
        user: UserId,
    },
    Blocked,
    MuteMember {
        room: RoomId,
        user: UserId,
        for_ms: Option<u64>,
        reason: Option<String>,
    },
    UnmuteMember {
        room: RoomId,
        user: UserId,
    },
    MutedMembers {
        room: RoomId,
        after: Option<UserId>,
    },
    SetSlowMode {
        room: RoomId,
        interval_ms: Option<u64>,
    },
    Leave {
        room: RoomId,
    },
    Search {
        text: String,
        room: Option<RoomId>,
        sender: Option<UserId>,
        limit: Option<usize>,
        after: Option<String>,
        #[serde(default)]
        everywhere: bool,
    },
    Profiles {
        users: Vec<UserId>,
    },
    SetProfile {
        name: Option<String>,
        avatar_url: Option<String>,
    },
    SetAppState {
        state: AppState,
    },
    SetNetwork {
        kind: Kind,
        #[serde(default)]
        metered: bool,
        #[serde(default)]
        constrained: bool,
    },
    SetPower {
        low: bool,
    },
    RefreshOnce {
        deadline_ms: u64,
    },
    SetCeiling {
        mode: Mode,
    },
    SetVisible {
        rooms: Vec<RoomId>,
    },
    SetBudget {
        max_wakeups_per_hour: Option<u32>,
        max_bytes_per_hour: Option<u64>,
    },
    Budget,
    Why {
        room: Option<RoomId>,
        message: Option<EventId>,
    },
    Stats,
    CacheReport,
    Download {
        file: Attachment,
    },
    ReleaseFile {
        file: FileKey,
    },
    Logout {
        keep: bool,
    },
    Quit,
}

/// A file that is to be sent.
#[derive(Deserialize)]
pub(crate) struct File {
    path: PathBuf,
    name: Option<String>,
    content_type: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    duration_ms: Option<u32>,
    preview: Option<Preview>,
}

impl From<File> for NewFile {
    fn from(file: File) -> Self {
        let File { path, name, content_type, width, height, duration_ms, preview } = file;
        Self { path, name, content_type, width, height, duration_ms, preview }
    }
}

/// A kind of network.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    None,
    #[serde(rename = "cellular_2g")]
    Cellular2G,
    Cellular,
    Wifi,
    Other,
}

/// What a list is to show; what is left out does not matter.
fn filter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RoomFilter, D::Error> {
    #[derive(Deserialize)]
    struct Filter {
        #[serde(default)]
        unread: bool,
        kind: Option<RoomKind>,
        #[serde(default)]
        archived: bool,
        muted: Option<bool>,
        name: Option<String>,
    }
    let Filter { unread, kind, archived, muted, name } = Filter::deserialize(deserializer)?;
    Ok(RoomFilter { unread, kind, archived, muted, name })
}

fn hundred() -> usize {
    100
}

fn newer() -> GapSide {
    GapSide::Newer
}

fn fifty() -> usize {
    50
}

impl From<Kind> for NetworkKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::None => Self::None,
            Kind::Cellular2G => Self::Cellular2G,
            Kind::Cellular => Self::Cellular,
            Kind::Wifi => Self::Wifi,
            Kind::Other => Self::Other,
        }
    }
}
