//! The bindings of Tidewire for Swift and Kotlin, made with UniFFI. Nothing here decides: each
//! item hands over to the crate `tidewire`, in a shape that crosses the border cheaply. Kotlin pays
//! by the call, Swift by the record: so subscriptions come in batches, records are flat and
//! immutable, and there are no objects in lists.
//!
//! Subscriptions are pulled: `next(after)` gives the first batch whose number is above `after`,
//! which acknowledges all before it. A batch whose answer was lost, because the caller was
//! cancelled at that moment, comes again. Every exported future may be dropped at any await.
//!
//! Apps use the hand-written layers in `swift/` and `kotlin/`, not this.

mod blocks;
mod budget;
mod cancel;
mod changes;
mod client;
mod error;
mod event;
mod files;
mod held;
mod logging;
mod members;
mod message;
mod mode;
mod outbox;
mod presence;
mod profiles;
mod receipts;
mod report;
mod reports;
mod room;
mod room_list;
mod room_settings;
mod runtime;
mod search;
mod settings;
mod subscription;
mod timeline;
mod token;
mod uploads;
mod why;

pub use budget::{Budget, BudgetReport, Spent};
pub use cancel::CancelToken;
pub use client::{Client, Refreshed};
pub use error::TidewireError;
pub use event::{ClientEvent, EventBatch, EventSubscription};
pub use files::{Attachment, Download, DownloadProgress, LocalFile, Preview};
pub use logging::{
    LogBatch, LogFile, LogLevel, LogLine, LogSubscription, log_to_file, stop_log_file,
    subscribe_logs,
};
pub use members::{Ban, BanPage, Member, MemberPage, MutePage, MutedUser, RoomUpdate};
pub use message::{
    Changed, FailReason, Message, MessageState, OutgoingMessage, Quote, Quoted, Reach, Reactions,
    Replies,
};
pub use mode::{AppState, Mode, ModeBatch, ModeReason, ModeSubscription, Network, NetworkKind};
pub use outbox::{OnFailure, SendOptions};
pub use presence::{PeerPresence, Presence};
pub use profiles::{Profile, ProfileUpdate};
pub use receipts::{Receipt, ReceiptPage};
pub use report::{CacheReport, DownloadReport, Logout, Repair, Sizes, TierReport};
pub use room::{Mute, Role, RoomKind, RoomSettings, RoomSummary, Unread};
pub use room_list::{
    RoomFilter, RoomList, RoomListBatch, RoomListChange, RoomListQuery, RoomListRow,
    RoomListUpdate, RoomSort,
};
pub use search::{
    RoomCoverage, SearchHit, SearchPage, SearchQuery, SearchScope, SearchSource, SnippetPart,
};
pub use settings::Settings;
pub use timeline::{
    GapSide, Loaded, Tier, Timeline, TimelineBatch, TimelineChange, TimelineRow, TimelineStart,
    TimelineUpdate,
};
pub use token::{TokenProvider, TokenProviderError};
pub use uploads::{NewFile, OutgoingFile};
pub use why::{Fact, Lift, SocketStage, StoreStage, TokenStage, Vehicle, Way, Why};

uniffi::setup_scaffolding!();
