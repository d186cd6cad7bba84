//! Messages, flat: one record each, with everything that a row of a list shows.

use tidewire::{EventId, EventKind, MessageContent, Seq, UserId};

use crate::error::TidewireError;
use crate::files::Attachment;
use crate::uploads::OutgoingFile;

/// A message or another event of a room.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Message {
    /// Its id, chosen by its sender, the same before and after it is sent.
    pub id: String,
    /// The room.
    pub room: String,
    /// Who sent it.
    pub sender: String,
    /// Its place in the room; none while it waits in the outbox.
    pub seq: Option<u64>,
    /// When the server took it, or, in the outbox, when it was queued: ms since 1970-01-01 UTC.
    pub at_ms: i64,
    /// What kind of content it has: `message`, `room.created`, `room.updated`, `member.joined`,
    /// `member.left`, `member.role`, or a kind of the app's own.
    pub kind: String,
    /// The text as of the last edit, if this is a `message` that was not deleted.
    pub text: Option<String>,
    /// Whom a `message` mentions.
    pub mentions: Vec<String>,
    /// What the app put into a `message`, as JSON.
    pub metadata_json: Option<String>,
    /// The content of anything that is no `message`, as JSON.
    pub content_json: Option<String>,
    /// How far it is.
    pub state: MessageState,
    /// Of a message of the user's own in a room of up to 100 members: how many of the others have
    /// it, and have read it.
    pub reach: Option<Reach>,
    /// The last edit.
    pub edited: Option<Changed>,
    /// The deletion. What is deleted has no text, no edit and no reactions.
    pub deleted: Option<Changed>,
    /// The reactions, in the order in which their keys came.
    pub reactions: Vec<Reactions>,
    /// The message that it quotes.
    pub reply_to: Option<Quote>,
    /// The message in whose thread it stands.
    pub thread: Option<String>,
    /// What stands in its own thread.
    pub replies: Option<Replies>,
    /// Whether an edit, a deletion or a reaction of the user's is shown here that is still on its
    /// way. If the server refuses it, it goes again.
    pub changing: bool,
    /// Whether the user has blocked its sender: to be shown folded away.
    pub blocked: bool,
    /// The files that it lists, in its sender's order.
    pub attachments: Vec<Attachment>,
    /// The files of one that waits for their uploads, and how far each is.
    pub outgoing: Vec<OutgoingFile>,
}

/// When a message was edited or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Changed {
    /// By which event; none while that is in the outbox.
    pub seq: Option<u64>,
    /// When the server took it, or, in the outbox, when it was queued: ms since 1970-01-01 UTC.
    pub at_ms: i64,
}

/// All reactions of one key on a message.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Reactions {
    /// The mark, as a rule an emoji.
    pub key: String,
    /// How many users have it there.
    pub count: u32,
    /// Whether the user is one of them.
    pub mine: bool,
    /// Those of them who have it for the longest time, at most 10.
    pub by: Vec<String>,
}

/// A message that another one quotes.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Quote {
    /// Which one.
    pub id: String,
    /// What it says now, if it is on this device.
    pub message: Option<Quoted>,
}

/// What a quoted message says.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Quoted {
    /// Who sent it.
    pub sender: String,
    /// Its text; none if it was deleted or has none.
    pub text: Option<String>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Whether the user has blocked its sender.
    pub blocked: bool,
}

/// The messages in the thread of another one, the user's own that are on their way among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Replies {
    /// How many, the deleted ones too.
    pub count: u32,
    /// When the last one came: ms since 1970-01-01 UTC.
    pub last_at_ms: i64,
}

/// How many of the other members of a room have a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Reach {
    /// Those whose devices have it; those who read it among them.
    pub delivered_to: u32,
    /// Those who have read it.
    pub read_by: u32,
    /// How many others there are: at least 1.
    pub of: u32,
}

/// How far a message is. Derived from the outbox and the log, stored nowhere.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum MessageState {
    /// In the outbox, on its way or about to be.
    Sending,
    /// In the outbox, behind a message that failed.
    Waiting {
        /// That message.
        behind: String,
    },
    /// The server refused it, or it was not sent in its time: retry or discard it.
    Failed {
        /// Why.
        reason: FailReason,
    },
    /// In the log.
    Sent,
    /// On a device of every other member.
    Delivered,
    /// Read by every other member.
    Read,
}

/// Why a message failed. Trouble with the network is never a reason.
#[derive(Debug, Clone, PartialEq, uniffi::Enum)]
pub enum FailReason {
    /// The server said "no".
    Refused {
        /// The code, as in the protocol.
        code: String,
        /// What went wrong, for people.
        text: String,
    },
    /// The user may only read in the room.
    Muted {
        /// Until when, in ms since 1970-01-01 UTC by the server's clock; none where only somebody who keeps order
        /// ends it.
        until_ms: Option<i64>,
        /// The same, for people.
        text: String,
    },
    /// It was first sent longer ago than the server remembers ids, so that sending it again could
    /// make a second one.
    Unknown {
        /// The same, for people.
        text: String,
    },
    /// It was to be sent within a time that is over. If it had been tried before, it may have arrived all
    /// the same; then it shows as sent once that is known.
    Expired {
        /// The same, for people.
        text: String,
    },
    /// The client's own copy of one of its files is gone or was changed: send the file again.
    CopyLost {
        /// The same, for people.
        text: String,
    },
}

/// What to send.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct OutgoingMessage {
    /// At most 8 KiB of UTF-8, and not empty but where files go with it.
    pub text: String,
    /// Whom it mentions: at most 50 users.
    #[uniffi(default = [])]
    pub mentions: Vec<String>,
    /// Anything the app wants to carry: at most 4 KiB of JSON.
    #[uniffi(default = None)]
    pub metadata_json: Option<String>,
    /// The message of the same room that it quotes.
    #[uniffi(default = None)]
    pub reply_to: Option<String>,
    /// The message of the same room in whose thread it stands, which must stand in none itself. It
    /// makes no row in the room's own timeline.
    #[uniffi(default = None)]
    pub thread: Option<String>,
}

impl OutgoingMessage {
    pub(crate) fn content(self) -> Result<MessageContent, TidewireError> {
        let metadata = self.metadata_json.map(|json| parse(&json)).transpose()?;
        let mentions: Result<Vec<UserId>, _> = self.mentions.into_iter().map(UserId::new).collect();
        let id = |id: Option<String>| id.map(|id| id.parse::<EventId>()).transpose();
        let (reply_to, thread) = (id(self.reply_to)?, id(self.thread)?);
        let attachments = Vec::new();
        Ok(MessageContent {
            text: self.text,
            metadata,
            mentions: mentions?,
            reply_to,
            thread,
            attachments,
        })
    }
}

/// JSON from the app.
fn parse(json: &str) -> Result<serde_json::Value, TidewireError> {
    serde_json::from_str(json).map_err(|error| no_json(&error))
}

/// The app gave something else as JSON.
pub(crate) fn no_json(error: &serde_json::Error) -> TidewireError {
    let reason = format!("what the app gave as JSON is none: {error}");
    TidewireError::InvalidMessage { reason }
}

impl From<&tidewire::Message> for Message {
    fn from(message: &tidewire::Message) -> Self {
        let deleted = message.deleted.is_some();
        let content = match message.kind {
            EventKind::Message if !deleted => message.content.parse::<MessageContent>().ok(),
            _ => None,
        };
        // Content that does not fit its kind is carried as it is; what is deleted has none.
        let other = content.is_none() && !deleted;
        let content_json = other.then(|| message.content.as_json().to_owned());
        let text = content.as_ref().map(|content| content.text.clone());
        let content = content.unwrap_or_default();
        Self {
            id: message.id.to_string(),
            room: message.room.to_string(),
            sender: message.sender.to_string(),
            seq: message.seq.map(Seq::get),
            at_ms: message.at,
            kind: message.kind.to_string(),
            text,
            mentions: content.mentions.iter().map(ToString::to_string).collect(),
            metadata_json: content.metadata.map(|metadata| metadata.to_string()),
            content_json,
            state: (&message.state).into(),
            reach: message.reach.map(|reach| Reach {
                delivered_to: reach.delivered_to,
                read_by: reach.read_by,
                of: reach.of,
            }),
            edited: message.edited.map(Changed::from),
            deleted: message.deleted.map(Changed::from),
            reactions: message.reactions.iter().map(Reactions::from).collect(),
            reply_to: message.reply_to.as_ref().map(Quote::from),
            thread: message.thread.map(|root| root.to_string()),
            replies: message.replies.map(Replies::from),
            changing: message.changing,
            blocked: message.blocked,
            attachments: content.attachments.iter().map(Attachment::from).collect(),
            outgoing: message.outgoing.iter().map(OutgoingFile::from).collect(),
        }
    }
}

impl From<tidewire::Changed> for Changed {
    fn from(changed: tidewire::Changed) -> Self {
        Self { seq: changed.seq.map(Seq::get), at_ms: changed.at }
    }
}

impl From<&tidewire::Reactions> for Reactions {
    fn from(reactions: &tidewire::Reactions) -> Self {
        Self {
            key: reactions.key.clone(),
            count: reactions.count,
            mine: reactions.mine,
            by: reactions.by.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&tidewire::Quote> for Quote {
    fn from(quote: &tidewire::Quote) -> Self {
        let quoted = |quoted: &tidewire::Quoted| Quoted {
            sender: quoted.sender.to_string(),
            text: quoted.text.clone(),
            deleted: quoted.deleted,
            blocked: quoted.blocked,
        };
        Self { id: quote.id.to_string(), message: quote.message.as_ref().map(quoted) }
    }
}

impl From<tidewire::Replies> for Replies {
    fn from(replies: tidewire::Replies) -> Self {
        Self { count: replies.count, last_at_ms: replies.last_at }
    }
}

impl From<&tidewire::MessageState> for MessageState {
    fn from(state: &tidewire::MessageState) -> Self {
        match state {
            tidewire::MessageState::Sending => Self::Sending,
            tidewire::MessageState::Waiting(behind) => Self::Waiting { behind: behind.to_string() },
            tidewire::MessageState::Failed(reason) => {
                Self::Failed { reason: reason.clone().into() }
            }
            tidewire::MessageState::Sent => Self::Sent,
            tidewire::MessageState::Delivered => Self::Delivered,
            tidewire::MessageState::Read => Self::Read,
        }
    }
}

impl From<tidewire::FailReason> for FailReason {
    fn from(reason: tidewire::FailReason) -> Self {
        let text = reason.to_string();
        match reason {
            tidewire::FailReason::Refused(error) if error.code == tidewire::ErrorCode::Muted => {
                Self::Muted { until_ms: error.detail.and_then(|detail| detail.until), text }
            }
            tidewire::FailReason::Refused(error) => {
                Self::Refused { code: error.code.as_str().into(), text }
            }
            tidewire::FailReason::Unknown => Self::Unknown { text },
            tidewire::FailReason::Expired => Self::Expired { text },
            tidewire::FailReason::Copy(_) => Self::CopyLost { text },
        }
    }
}
