//! Operations: what a client asks to have written into a room's log.

use serde::{Deserialize, Serialize};

use crate::{
    Content, DeleteContent, EditContent, EventId, EventKind, InvalidFile, MessageContent,
    ReactionContent, RoomId, Seq, WireError, limits,
};

/// One operation. If the server takes it, it becomes the event with the same id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Op {
    /// The id of the event to be, chosen by the sender (UUIDv7): the idempotency key.
    pub id: EventId,
    /// What kind of content this is; not one that starts with `room.` or `member.`.
    pub kind: EventKind,
    /// The content.
    pub content: Content,
}

/// Why an operation can never be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOp {
    /// The text of a message has at most 8 KiB.
    #[error("the text has {0} bytes, the limit is {max}: send it in parts", max = limits::TEXT_BYTES)]
    TextTooLong(usize),
    /// A message says something or lists a file.
    #[error("the text is empty")]
    TextEmpty,
    /// `metadata` has at most 4 KiB of JSON.
    #[error("the metadata has {0} bytes of JSON, the limit is {max}", max = limits::METADATA_BYTES)]
    MetadataTooLong(usize),
    /// A message mentions at most 50 users.
    #[error("the message mentions {0} users, the limit is {max}", max = limits::MENTIONS)]
    TooManyMentions(usize),
    /// A message lists at most 10 files.
    #[error("the message lists {0} files, the limit is {max}", max = limits::ATTACHMENTS)]
    TooManyAttachments(usize),
    /// A message lists a file once.
    #[error("the message lists the same file twice")]
    AttachmentTwice,
    /// What is told of a file breaks a rule.
    #[error("attachment {index}: {why}")]
    Attachment {
        /// Which one, from 0 on.
        index: usize,
        /// What is wrong with it.
        why: InvalidFile,
    },
    /// The content of any kind has at most 32 KiB of JSON.
    #[error("the content has {0} bytes of JSON, the limit is {max}", max = limits::CONTENT_BYTES)]
    ContentTooLong(usize),
    /// The content does not have the shape of its kind.
    #[error("the content does not have the shape of its kind `{0}`")]
    Malformed(String),
    /// A reaction's key has 1 to 64 bytes.
    #[error("the key of a reaction has 1 to {max} bytes", max = limits::REACTION_KEY_BYTES)]
    ReactionKeyLength,
    /// An operation cannot concern itself.
    #[error("an operation cannot concern itself: name the id of another message")]
    TargetsItself,
    /// Kinds that start with `room.` or `member.` are the server's.
    #[error(
        "the kind `{0}` is the server's: use one that starts with neither `room.` nor `member.`"
    )]
    KindReserved(String),
    /// A kind has 1 to 64 bytes.
    #[error("a kind has 1 to {max} bytes", max = limits::KIND_BYTES)]
    KindLength,
}

impl Op {
    /// Whether a server can accept this operation, as far as that can be known without asking.
    /// Clients check before they queue, the server checks before it writes.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidOp> {
        let kind = self.kind.as_str();
        if kind.is_empty() || kind.len() > limits::KIND_BYTES {
            return Err(InvalidOp::KindLength);
        }
        if self.kind.is_reserved() {
            return Err(InvalidOp::KindReserved(kind.into()));
        }
        /// What a message says after an edit, as it was sent.
        #[derive(Deserialize)]
        struct Now {
            content: Content,
        }
        let bytes = self.content.as_json().len();
        match self.kind {
            EventKind::Message => {
                let message: MessageContent = self.parse()?;
                message.validate()?;
                self.check_targets([message.reply_to, message.thread])?;
            }
            EventKind::Edit => {
                let edit: EditContent = self.parse()?;
                let Now { content: now } = self.parse()?;
                if !now.is_object() {
                    return Err(InvalidOp::Malformed(self.kind.to_string()));
                }
                edit.content.validate()?;
                self.check_targets([Some(edit.target)])?;
            }
            EventKind::Delete => {
                let delete: DeleteContent = self.parse()?;
                self.check_targets([Some(delete.target)])?;
            }
            EventKind::Reaction => {
                let reaction: ReactionContent = self.parse()?;
                if !(1..=limits::REACTION_KEY_BYTES).contains(&reaction.key.len()) {
                    return Err(InvalidOp::ReactionKeyLength);
                }
                self.check_targets([Some(reaction.target)])?;
            }
            _ => {}
        }
        if bytes > limits::CONTENT_BYTES {
            return Err(InvalidOp::ContentTooLong(bytes));
        }
        Ok(())
    }

    /// The content as the type of its kind.
    fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, InvalidOp> {
        match self.content.parse() {
            Ok(content) if self.content.is_object() => Ok(content),
            _ => Err(InvalidOp::Malformed(self.kind.to_string())),
        }
    }

    fn check_targets(
        &self,
        targets: impl IntoIterator<Item = Option<EventId>>,
    ) -> Result<(), InvalidOp> {
        let itself = targets.into_iter().flatten().any(|target| target == self.id);
        if itself { Err(InvalidOp::TargetsItself) } else { Ok(()) }
    }

    /// About how many bytes this takes in a request.
    pub fn wire_bytes(&self) -> usize {
        self.content.as_json().len() + self.kind.as_str().len() + 80
    }
}

impl MessageContent {
    /// Whether the text, the metadata, the mentions and what is told of the files are within their limits.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), InvalidOp> {
        if self.text.is_empty() && self.attachments.is_empty() {
            return Err(InvalidOp::TextEmpty);
        }
        if self.text.len() > limits::TEXT_BYTES {
            return Err(InvalidOp::TextTooLong(self.text.len()));
        }
        let metadata = self.metadata.as_ref().map_or(0, |value| value.to_string().len());
        if metadata > limits::METADATA_BYTES {
            return Err(InvalidOp::MetadataTooLong(metadata));
        }
        if self.mentions.len() > limits::MENTIONS {
            return Err(InvalidOp::TooManyMentions(self.mentions.len()));
        }
        if self.attachments.len() > limits::ATTACHMENTS {
            return Err(InvalidOp::TooManyAttachments(self.attachments.len()));
        }
        for (index, file) in self.attachments.iter().enumerate() {
            file.validate().map_err(|why| InvalidOp::Attachment { index, why })?;
            if self.attachments[..index].iter().any(|other| other.id == file.id) {
                return Err(InvalidOp::AttachmentTwice);
            }
        }
        Ok(())
    }
}

/// Operations of one room, applied in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomOps {
    /// The room.
    pub room: RoomId,
    /// At most 50, at most 64 KiB together.
    pub ops: Vec<Op>,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpResult {
    /// Which operation.
    pub id: EventId,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: OpOutcome,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum OpOutcome {
    /// It is in the log. A repeat of an accepted operation gets the same answer as the first.
    Accepted {
        /// Its place in the room.
        seq: Seq,
        /// When the server took it, in ms since 1970-01-01 UTC.
        at: i64,
    },
    /// The server's "no": trying again brings the same.
    Refused {
        /// Why.
        error: WireError,
    },
    /// An operation before it was refused, so that this one was not looked at.
    NotTried,
}

/// The answer to the operations of one room. `results` has one entry for each operation, in
/// order; it is empty when the request as a whole was refused, and then `error` says why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The room.
    pub room: RoomId,
    /// One for each operation.
    pub results: Vec<OpResult>,
    /// Why the request as a whole was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<WireError>,
}
