//! The wire of Tidewire: every call, frame, field, unit, limit and error code, as types.
//!
//! Nothing here does I/O, reads a clock or knows whether it runs in a client or in a server.
//! `docs/protocol.md` describes the same contract for people; the golden files under
//! `tests/golden` pin it for machines.
//!
//! ```
//! use tidewire_protocol::{ClientFrame, ServerFrame};
//!
//! let ping = ClientFrame::parse(r#"{"type":"ping"}"#).unwrap();
//! assert_eq!(ping, ClientFrame::Ping);
//! // A frame that this version does not know is not an error.
//! let later = ServerFrame::parse(r#"{"type":"aurora","glow":3}"#).unwrap();
//! assert_eq!(later, ServerFrame::Unknown("aurora".into()));
//! ```

mod account;
mod attachment;
mod block;
mod calls;
mod cursor;
mod ephemeral;
mod error;
mod event;
mod frame;
mod ids;
pub mod limits;
mod mode;
mod moderation;
mod mutation;
mod op;
mod page;
mod receipt;
mod report;
mod room;
mod search;
mod upload;

pub use account::{
    InvalidAccount, NewAccount, NewSession, PasswordChange, RefreshRequest, SecretText, Session,
    SessionTokens, Sessions, check_password,
};
pub use attachment::{
    Attachment, Checksum, FileKey, InvalidFile, Preview, check_content_type, check_file_name,
    clean_file_name,
};
pub use block::{BlockList, BlockQuery, InvalidBlock};
pub use calls::{
    Bootstrap, EventsQuery, History, HistoryAnchor, HistoryQuery, MemberPage, NewMembers, NewRoom,
    OpsRequest, ProfileUpdate, Profiles, ProfilesRequest, RoleUpdate, RoomPage, SyncRequest,
    SyncResponse,
};
pub use cursor::{Cursor, Epoch};
pub use ephemeral::{Ephemeral, PeerPresence, PeerTyping, PresenceState, TypingUpdate, Watch};
pub use error::{ErrorBody, ErrorCode, ErrorDetail, WireError};
pub use event::{
    Body, Content, Event, EventKind, Member, MemberChange, MessageContent, Profile, RoleChange,
    RoomCreated, RoomUpdate,
};
pub use frame::{ClientFrame, Hello, Live, LiveFrom, ServerFrame, Synced, Welcome};
pub use ids::{EventId, InvalidId, ReportId, RoomId, Seq, SessionId, UploadId, UserId};
pub use mode::{AppState, InvalidPolicy, Mode, Policy};
pub use moderation::{
    Ban, BanPage, BanRequest, InvalidMute, InvalidReason, InvalidSlowMode, Mute, MuteChange,
    MutePage, MuteRequest, MutedUser, SlowMode,
};
pub use mutation::{
    Change, DeleteContent, EditContent, Fold, ReactionContent, Reactions, Thread, deleted, edited,
    rewritten,
};
pub use op::{InvalidOp, Op, OpOutcome, OpResult, RoomOps, Sent};
pub use page::Page;
pub use receipt::{Receipt, ReceiptPage, ReceiptUpdate};
pub use report::{
    InvalidReport, Report, ReportPage, ReportReason, ReportRequest, ReportTaken, ReportsQuery,
    Resolved,
};
pub use room::{Role, RoomKind, RoomSettings, RoomState, SettingsNews, SettingsUpdate, UnreadBase};
pub use search::{
    InvalidSearch, SearchRequest, SearchResults, SearchTerm, SearchTerms, index_text,
};
pub use upload::{FileAccess, Upload, UploadPart, UploadRequest};
