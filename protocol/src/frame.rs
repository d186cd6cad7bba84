//! Frames of the socket: one JSON object each, named by `type`.

use serde::{Deserialize, Serialize};

use crate::{
    AppState, Cursor, Ephemeral, Epoch, Event, Page, Policy, ReceiptUpdate, RoomId, RoomOps,
    RoomState, Sent, Seq, SyncRequest, SyncResponse, TypingUpdate, UserId, WireError, ephemeral,
    upload,
};

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// The first frame, within 5 s. Sent again on the same socket, it sets `feed`, `live` and the
    /// rest anew; then the token may be left out.
    Hello(Hello),
    /// Another token for the same user, before the old one expires.
    Token {
        /// The token.
        token: String,
    },
    /// Everything up to this cursor is committed: push on.
    Credit {
        /// The `to` of a pushed page.
        cursor: Cursor,
    },
    /// Makes a room live.
    Subscribe(LiveFrom),
    /// Ends that. Frames on their way are still data.
    Unsubscribe {
        /// The room.
        room: RoomId,
    },
    /// Operations of one room. Answered by `sent`.
    Send(RoomOps),
    /// The call `sync` over the socket (`wait_ms` counts as 0). Answered by `synced`.
    Sync {
        /// Given back in the answer.
        request: u64,
        /// The request.
        sync: SyncRequest,
    },
    /// How far the user is. Not answered: the user's own receipts come back by the feed.
    Receipts {
        /// At most 50.
        receipts: Vec<ReceiptUpdate>,
    },
    /// The rooms to be watched from now on, in place of those before.
    Watch {
        /// At most 20, the most important first.
        rooms: Vec<RoomId>,
    },
    /// Where the user types or has stopped. Not answered, and nobody minds if it is lost.
    Ephemeral {
        /// At most 20.
        typing: Vec<TypingUpdate>,
    },
    /// Is anybody there? Answered by `pong`.
    Ping,
    /// The answer to `ping`.
    Pong,
    /// A type that this version does not know.
    #[serde(skip)]
    Unknown(String),
}

/// The content of `hello`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Hello {
    /// Who this is. Needed in the first `hello` of a socket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Where to push on from. Needed when `feed` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// Whether the feed is to be pushed.
    #[serde(default)]
    pub feed: bool,
    /// The rooms to be live, at most 20: those named before and not here are live no more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<LiveFrom>,
    /// The rooms to be watched, at most 20, as in the frame `watch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watch: Vec<RoomId>,
    /// Which of the user's devices this is: a number that the client draws at its start. 0 stands
    /// for all that draw none.
    #[serde(default, skip_serializing_if = "ephemeral::is_zero")]
    pub device: u32,
    /// Where the app stands in its lifecycle.
    #[serde(default)]
    pub app_state: AppState,
    /// The longest time until the client's next frame, in ms: after 2.5 of them in silence the
    /// server closes the socket.
    pub heartbeat_ms: u64,
}

/// A room to be live, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveFrom {
    /// The room.
    pub room: RoomId,
    /// The newest seq that the client has: what comes after it is sent, or, if that is more than
    /// 50 events, `limited`.
    pub after: Seq,
}

/// What a server sends.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case", bound(serialize = "E: Serialize"))]
pub enum ServerFrame<E = Event> {
    /// The answer to `hello`.
    Welcome(Welcome),
    /// A page of the feed.
    Batch(Page<E>),
    /// News of a live room. Never moves the cursor.
    Live(Live<E>),
    /// A live room has more news than a frame allows: fetch what is wanted from history.
    Limited {
        /// The room at its head.
        room: RoomState<E>,
    },
    /// The answer to `send`.
    Sent(Sent),
    /// The answer to `sync`.
    Synced(Box<Synced<E>>),
    /// Presence and typing in watched rooms: first of all members, then what changes.
    Ephemeral(Ephemeral),
    /// The audience or the policy has changed.
    Policy {
        /// How many users are online on this deployment.
        online: u32,
        /// What the server can carry; absent when it leaves the choice to the audience.
        #[serde(skip_serializing_if = "Option::is_none")]
        policy: Option<Policy>,
    },
    /// Is anybody there? Answered by `pong`.
    Ping,
    /// The answer to `ping`.
    Pong,
    /// Something was wrong. The socket stays open unless a close frame follows.
    Error {
        /// What.
        error: WireError,
        /// The room that it concerns, if it concerns one.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<RoomId>,
    },
    /// The server is about to close this socket: come back in `retry_after_ms`.
    Goaway {
        /// The slot of this client, in ms from now.
        retry_after_ms: u64,
        /// Why, for people.
        reason: String,
    },
    /// A type that this version does not know.
    #[serde(skip)]
    Unknown(String),
}

/// The content of `welcome`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// Whose token this is.
    pub user: UserId,
    /// The life of this server's database.
    pub epoch: Epoch,
    /// How many users are online on this deployment.
    pub online: u32,
    /// What the server can carry; absent when it leaves the choice to the audience.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Most members of a room in which watching brings presence and typing: at most 100, which is
    /// also what an absent one means.
    #[serde(
        default = "ephemeral::default_members",
        skip_serializing_if = "ephemeral::is_default_members"
    )]
    pub ephemeral_members: u32,
    /// Largest file that the server takes, in bytes.
    #[serde(default = "upload::default_bytes", skip_serializing_if = "upload::is_default_bytes")]
    pub max_upload_bytes: u64,
    /// How long event ids are remembered, in ms.
    pub idempotency_window_ms: u64,
    /// The server's clock, in ms since 1970-01-01 UTC.
    pub now: i64,
}

/// The content of `live`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct Live<E = Event> {
    /// The room.
    pub room: RoomId,
    /// The seq before the first of `events`. If the client does not have it, there is a hole.
    pub prev: Seq,
    /// Events without a hole, at most 50.
    pub events: Vec<E>,
}

/// The content of `synced`: exactly one of `response` and `error`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "E: Serialize", deserialize = "E: Deserialize<'de>"))]
pub struct Synced<E = Event> {
    /// As given in the request.
    pub request: u64,
    /// The answer.
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    pub response: Option<SyncResponse<E>>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
}

/// Only the type of a frame. `serde`'s own internally tagged enums would buffer the whole frame
/// and lose the raw content of events, so that a frame is read in two steps.
#[derive(Deserialize)]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    name: std::borrow::Cow<'a, str>,
}

impl<'a> Tag<'a> {
    /// `serde` would read a struct from a JSON array too: a frame is an object.
    fn of(json: &'a str) -> Result<Self, serde_json::Error> {
        if json.trim_start().starts_with('{') {
            serde_json::from_str(json)
        } else {
            Err(serde::de::Error::custom("a frame is a JSON object"))
        }
    }
}

macro_rules! fields {
    ($json:expr, $frame:ident :: $variant:ident { $($field:ident : $type:ty $(= $default:ident)?),* }) => {{
        #[derive(Deserialize)]
        struct Fields { $($(#[serde($default)])? $field: $type),* }
        let Fields { $($field),* } = serde_json::from_str($json)?;
        $frame::$variant { $($field),* }
    }};
}

impl ClientFrame {
    /// Reads a frame. One of an unknown type is [`ClientFrame::Unknown`].
    ///
    /// # Errors
    /// What `serde_json` says of text that is no JSON object or lacks what its type needs.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let tag = Tag::of(json)?;
        Ok(match tag.name.as_ref() {
            "hello" => ClientFrame::Hello(serde_json::from_str(json)?),
            "token" => fields!(json, ClientFrame::Token { token: String }),
            "credit" => fields!(json, ClientFrame::Credit { cursor: Cursor }),
            "subscribe" => ClientFrame::Subscribe(serde_json::from_str(json)?),
            "unsubscribe" => fields!(json, ClientFrame::Unsubscribe { room: RoomId }),
            "send" => ClientFrame::Send(serde_json::from_str(json)?),
            "sync" => fields!(json, ClientFrame::Sync { request: u64, sync: SyncRequest }),
            "receipts" => fields!(json, ClientFrame::Receipts { receipts: Vec<ReceiptUpdate> }),
            "watch" => fields!(json, ClientFrame::Watch { rooms: Vec<RoomId> }),
            "ephemeral" => fields!(json, ClientFrame::Ephemeral { typing: Vec<TypingUpdate> }),
            "ping" => ClientFrame::Ping,
            "pong" => ClientFrame::Pong,
            other => ClientFrame::Unknown(other.to_owned()),
        })
    }
}

impl ServerFrame {
    /// Reads a frame. One of an unknown type is [`ServerFrame::Unknown`].
    ///
    /// # Errors
    /// What `serde_json` says of text that is no JSON object or lacks what its type needs.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let tag = Tag::of(json)?;
        Ok(match tag.name.as_ref() {
            "welcome" => ServerFrame::Welcome(serde_json::from_str(json)?),
            "batch" => ServerFrame::Batch(serde_json::from_str(json)?),
            "live" => ServerFrame::Live(serde_json::from_str(json)?),
            "limited" => fields!(json, ServerFrame::Limited { room: RoomState }),
            "sent" => ServerFrame::Sent(serde_json::from_str(json)?),
            "synced" => ServerFrame::Synced(serde_json::from_str(json)?),
            "ephemeral" => ServerFrame::Ephemeral(serde_json::from_str(json)?),
            "policy" => {
                fields!(json, ServerFrame::Policy { online: u32, policy: Option<Policy> = default })
            }
            "ping" => ServerFrame::Ping,
            "pong" => ServerFrame::Pong,
            "error" => {
                fields!(json, ServerFrame::Error { error: WireError, room: Option<RoomId> = default })
            }
            "goaway" => {
                fields!(json, ServerFrame::Goaway { retry_after_ms: u64, reason: String = default })
            }
            other => ServerFrame::Unknown(other.to_owned()),
        })
    }
}
