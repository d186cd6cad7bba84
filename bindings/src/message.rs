//! Messages, flat: one record each, with everything that a row of a list shows.

use tidewire::{EventKind, MessageContent, UserId};

use crate::error::TidewireError;

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
    /// What kind of content it has: `message`, `room.created`, `member.joined`, `member.left`, or
    /// a kind of the app's own.
    pub kind: String,
    /// The text, if this is a `message`.
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
    /// The server refused it: retry or discard it.
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
    /// It was first sent longer ago than the server remembers ids, so that sending it again could
    /// make a second one.
    Unknown {
        /// The same, for people.
        text: String,
    },
}

/// What to send.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct OutgoingMessage {
    /// At most 8 KiB of UTF-8, and not empty.
    pub text: String,
    /// Whom it mentions: at most 50 users.
    #[uniffi(default = [])]
    pub mentions: Vec<String>,
    /// Anything the app wants to carry: at most 4 KiB of JSON.
    #[uniffi(default = None)]
    pub metadata_json: Option<String>,
}

impl OutgoingMessage {
    pub(crate) fn content(self) -> Result<MessageContent, TidewireError> {
        let metadata = self.metadata_json.map(|json| parse(&json)).transpose()?;
        let mentions: Result<Vec<UserId>, _> = self.mentions.into_iter().map(UserId::new).collect();
        Ok(MessageContent {
            text: self.text,
            metadata,
            mentions: mentions?,
            ..MessageContent::default()
        })
    }
}

/// JSON from the app.
pub(crate) fn parse(json: &str) -> Result<serde_json::Value, TidewireError> {
    serde_json::from_str(json).map_err(|error| TidewireError::InvalidMessage {
        reason: format!("what the app gave as JSON is none: {error}"),
    })
}

impl From<&tidewire::Message> for Message {
    fn from(message: &tidewire::Message) -> Self {
        let content = match message.kind {
            EventKind::Message => message.content.parse::<MessageContent>().ok(),
            _ => None,
        };
        // Content that does not fit its kind is carried as it is.
        let content_json = content.is_none().then(|| message.content.as_json().to_owned());
        let content = content.unwrap_or_default();
        Self {
            id: message.id.to_string(),
            room: message.room.to_string(),
            sender: message.sender.to_string(),
            seq: message.seq.map(tidewire::Seq::get),
            at_ms: message.at,
            kind: message.kind.to_string(),
            text: content_json.is_none().then_some(content.text),
            mentions: content.mentions.iter().map(ToString::to_string).collect(),
            metadata_json: content.metadata.map(|metadata| metadata.to_string()),
            content_json,
            state: (&message.state).into(),
            reach: message.reach.map(|reach| Reach {
                delivered_to: reach.delivered_to,
                read_by: reach.read_by,
                of: reach.of,
            }),
        }
    }
}

impl From<&tidewire::Event> for Message {
    fn from(event: &tidewire::Event) -> Self {
        let message = tidewire::Message::from(event.clone());
        (&message).into()
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
            tidewire::FailReason::Refused(error) => {
                Self::Refused { code: error.code.as_str().into(), text }
            }
            tidewire::FailReason::Unknown => Self::Unknown { text },
        }
    }
}
