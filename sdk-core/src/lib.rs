//! A chat client SDK whose connection rises and falls with the load, and never loses its place in
//! the conversation.
//!
//! ```no_run
//! use tidewire::{Client, UserId};
//!
//! # async fn example(token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("https://chat.example.com", UserId::new("ada")?)
//!     .token(token)
//!     .data_dir("chat-data")
//!     .open()
//!     .await?;
//! let room = client.direct_room(UserId::new("grace")?).await?;
//! let mut timeline = room.timeline().await?;
//! room.send("Hello, Grace").await?;
//!
//! let mut rows = Vec::new();
//! loop {
//!     timeline.next().await?.update.apply(&mut rows);
//!     for message in rows.iter().filter_map(|row| row.message()) {
//!         println!("{}: {:?} {:?}", message.sender, message.text(), message.state);
//!     }
//! }
//! # }
//! ```
//!
//! A room is a log, a mode is a schedule for reading it: real-time has the log pushed, hybrid polls
//! it and watches a few rooms live, polling polls it. So a switch can neither lose nor repeat
//! anything. Reads go through three tiers: memory, SQLite, server. A send is on disk before it
//! shows, shows before it is sent, and arrives exactly once.
//!
//! The modules from the inside out: [`engine`] decides and does nothing; the driver does what it
//! asks and decides nothing; the store is SQLite; on top are the handles [`Client`], [`Room`],
//! [`Timeline`] and [`RoomList`].

mod ask;
mod blocks;
mod builder;
mod client;
mod config;
pub mod defaults;
mod driver;
pub mod engine;
mod error;
mod event;
mod files;
mod mailbox;
mod new_file;
mod reports;
mod room;
mod room_list;
mod search;
#[cfg(any(test, feature = "simulation"))]
pub mod simulation;
mod store;
mod timeline;
mod token;
pub mod trace;

pub use builder::ClientBuilder;
pub use client::{Client, Settled};
pub use config::{Config, InvalidConfig};
pub use engine::{
    Budget, BudgetReport, CacheReport, Change, Changed, CopyTrouble, DownloadReport, Fact,
    FailReason, GapSide, Lift, Loaded, Logout, Message, MessageState, ModeReport, Network,
    NetworkKind, OnFailure, OutgoingFile, Presence, Problem, Quote, Quoted, Reach, Reason,
    Refreshed, Repair, Replies, RoomCoverage, RoomFilter, RoomListChange, RoomListQuery,
    RoomListRow, RoomListUpdate, RoomSort, RoomSummary, Row, RowKey, SendOptions, SettingsChange,
    Sizes, SocketStage, Spent, Stats, StoreStage, Tier, TierReport, TierStats, TimelineStart,
    TimelineUpdate, TokenError, TokenStage, Unread, Vehicle, Way, Why,
};
pub use error::{DownloadError, Error, FileError, StoreError};
pub use event::ClientEvent;
pub use files::{Download, LocalFile, Progress};
#[cfg(feature = "pictures")]
pub use files::{Picture, PictureError, PictureFormat, preview_pixels};
pub use mailbox::{Batch, RoomListBatch, TimelineBatch};
pub use new_file::NewFile;
pub use room::Room;
pub use room_list::RoomList;
pub use search::{
    SearchHit, SearchPage, SearchPosition, SearchQuery, SearchScope, SearchSource, SnippetPart,
};
pub use timeline::Timeline;
pub use token::{FixedToken, TokenFuture, TokenProvider};
pub use trace::Recording;

pub use tidewire_protocol::{
    AppState, Attachment, Ban, BanPage, Body, Checksum, Content, ErrorCode, Event, EventId,
    EventKind, FileKey, InvalidBlock, InvalidFile, InvalidId, InvalidOp, InvalidSearch, Member,
    MessageContent, Mode, Mute, MutePage, MutedUser, Policy, Preview, Profile, ProfileUpdate,
    Reactions, Receipt, ReceiptPage, Report, ReportId, ReportPage, ReportReason, ReportTaken,
    Resolved, Role, RoomId, RoomKind, RoomSettings, RoomState, RoomUpdate, Seq, UnreadBase,
    UploadId, UserId, WireError,
};
