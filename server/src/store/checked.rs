//! What can be known of an operation without the database, and what it would change: the same for
//! every store.

use sha2::{Digest, Sha256};
use tidewire_protocol::{
    Attachment, Content, DeleteContent, EditContent, ErrorCode, EventId, EventKind, InvalidOp,
    MessageContent, Op, OpOutcome, ReactionContent, Role, RoomKind, Seq, UserId, WireError, limits,
};

use super::{StoreError, UploadRow, UploadState};

/// Until when a reaction is there that nobody has taken away: beyond every log.
pub(crate) const STANDING: i64 = i64::MAX;

/// An operation with all that can be known of it without the database.
pub(crate) struct Checked {
    pub(crate) op: Op,
    pub(crate) hash: [u8; 32],
    pub(crate) invalid: Option<InvalidOp>,
    pub(crate) concern: Concern,
    pub(crate) mentions: Vec<UserId>,
    pub(crate) files: Vec<Attachment>,
}

impl Checked {
    pub(crate) fn new(op: Op) -> Self {
        let invalid = op.validate().err();
        let mentions = if invalid.is_none() { mentions_of(&op) } else { Vec::new() };
        let files = if invalid.is_none() { files_of(&op) } else { Vec::new() };
        let concern = if invalid.is_none() { Concern::of(&op) } else { Concern::Nothing };
        Self { hash: payload_hash(&op.kind, &op.content), invalid, concern, mentions, files, op }
    }
}

/// Whom a valid operation calls by name.
fn mentions_of(op: &Op) -> Vec<UserId> {
    #[derive(serde::Deserialize)]
    struct Mentions {
        #[serde(default)]
        mentions: Vec<UserId>,
    }
    if op.kind != EventKind::Message {
        return Vec::new();
    }
    op.content.parse::<Mentions>().map_or_else(|_| Vec::new(), |content| content.mentions)
}

/// Which files a valid operation lists.
fn files_of(op: &Op) -> Vec<Attachment> {
    #[derive(serde::Deserialize)]
    struct Files {
        #[serde(default)]
        attachments: Vec<Attachment>,
    }
    if op.kind != EventKind::Message {
        return Vec::new();
    }
    op.content.parse::<Files>().map_or_else(|_| Vec::new(), |content| content.attachments)
}

/// What a repeat must have in common with the original, beside its id and sender.
pub(crate) fn payload_hash(kind: &EventKind, content: &Content) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(kind.as_str().as_bytes());
    hash.update(b"\0");
    hash.update(content.as_json().as_bytes());
    hash.finalize().into()
}

/// What an operation has to do with other messages, as far as it says so itself.
pub(crate) enum Concern {
    Nothing,
    Message { reply_to: Option<EventId>, thread: Option<EventId> },
    Edit { target: EventId },
    Delete { target: EventId },
    Reaction { target: EventId, key: String, removed: bool },
}

impl Concern {
    /// What a valid operation concerns.
    pub(crate) fn of(op: &Op) -> Self {
        let content = &op.content;
        let concern = match op.kind {
            EventKind::Message => content.parse::<MessageContent>().map(|message| Self::Message {
                reply_to: message.reply_to,
                thread: message.thread,
            }),
            EventKind::Edit => {
                content.parse::<EditContent>().map(|edit| Self::Edit { target: edit.target })
            }
            EventKind::Delete => content
                .parse::<DeleteContent>()
                .map(|delete| Self::Delete { target: delete.target }),
            EventKind::Reaction => content.parse::<ReactionContent>().map(|reaction| {
                let ReactionContent { target, key, removed } = reaction;
                Self::Reaction { target, key, removed }
            }),
            _ => return Self::Nothing,
        };
        // What does not parse is not valid, and is refused for that.
        concern.unwrap_or(Self::Nothing)
    }
}

/// What an operation that may be written changes.
pub(crate) enum Effect<'a> {
    Nothing,
    /// A message in the thread of that one.
    Reply {
        root: Seq,
    },
    /// An edit or a deletion of that message.
    Revision {
        target: Seq,
    },
    Reaction {
        target: Seq,
        key: &'a str,
        /// How many users have the key now, and since when it is there; none if nobody has.
        standing: Option<(u32, Seq)>,
        removed: bool,
    },
}

impl Effect<'_> {
    /// The message in whose thread the event stands.
    pub(crate) fn root(&self) -> Option<Seq> {
        match self {
            Self::Reply { root } => Some(*root),
            _ => None,
        }
    }
}

/// A message that is named by another event.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    pub(crate) seq: Seq,
    pub(crate) sender: UserId,
    pub(crate) in_thread: bool,
    pub(crate) deleted: bool,
}

/// What the room has of that with which an operation is concerned.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The message that it quotes.
    pub(crate) quoted: Option<Named>,
    /// The message that it changes or in whose thread it stands.
    pub(crate) target: Option<Named>,
    /// Of a reaction: whether the sender has it, how many users have its key and since when, and how
    /// many different keys there are.
    pub(crate) has: bool,
    pub(crate) standing: Option<(u32, Seq)>,
    pub(crate) keys: usize,
}

impl Concern {
    /// The message that it quotes.
    pub(crate) fn quoted(&self) -> Option<EventId> {
        match self {
            Self::Message { reply_to, .. } => *reply_to,
            _ => None,
        }
    }

    /// The message that it changes or in whose thread it stands.
    pub(crate) fn target(&self) -> Option<EventId> {
        match self {
            Self::Nothing => None,
            Self::Message { thread, .. } => *thread,
            Self::Edit { target } | Self::Delete { target } | Self::Reaction { target, .. } => {
                Some(*target)
            }
        }
    }

    /// Whether the operation of a member may be written, and what it then changes.
    pub(crate) fn judge<'a>(
        &'a self,
        sender: &UserId,
        role: Role,
        room: RoomKind,
        facts: &Facts,
    ) -> Result<Effect<'a>, WireError> {
        let no = |code, text: &str| Err(WireError::new(code, text));
        let unknown = || {
            WireError::new(
                ErrorCode::UnknownMessage,
                "the room has no message of this id: what is changed, quoted or answered must be \
                 there",
            )
        };
        let target = || facts.target.as_ref().ok_or_else(unknown);
        match self {
            Self::Nothing => Ok(Effect::Nothing),
            Self::Message { reply_to, thread } => {
                if reply_to.is_some() && facts.quoted.is_none() {
                    return Err(unknown());
                }
                if thread.is_none() {
                    return Ok(Effect::Nothing);
                }
                let root = target()?;
                if root.in_thread {
                    return no(
                        ErrorCode::InvalidContent,
                        "a message that stands in a thread has none of its own: name the thread's \
                         first",
                    );
                }
                Ok(Effect::Reply { root: root.seq })
            }
            Self::Edit { .. } => {
                let target = target()?;
                if target.sender != *sender {
                    return no(ErrorCode::Forbidden, "only its sender edits a message");
                }
                if target.deleted {
                    let text = "the message was deleted: send another one";
                    return no(ErrorCode::MessageDeleted, text);
                }
                Ok(Effect::Revision { target: target.seq })
            }
            Self::Delete { .. } => {
                let target = target()?;
                let moderates = room != RoomKind::Direct && role.moderates();
                if target.sender != *sender && !moderates {
                    let text = "only its sender deletes a message, and in a group who keeps order";
                    return no(ErrorCode::Forbidden, text);
                }
                if target.deleted {
                    return no(ErrorCode::NoChange, "the message is deleted already");
                }
                Ok(Effect::Revision { target: target.seq })
            }
            Self::Reaction { key, removed, .. } => {
                let target = target()?;
                if target.deleted {
                    let text = "the message was deleted: nobody can react to it any more";
                    return no(ErrorCode::MessageDeleted, text);
                }
                if facts.has != *removed {
                    let text =
                        if facts.has { "the reaction is there already" } else { "there is none" };
                    return no(ErrorCode::NoChange, text);
                }
                if facts.standing.is_none() && facts.keys >= limits::REACTION_KEYS {
                    let most = limits::REACTION_KEYS;
                    let text = format!("a message takes at most {most} different reactions");
                    return no(ErrorCode::InvalidContent, &text);
                }
                let (standing, removed) = (facts.standing, *removed);
                Ok(Effect::Reaction { target: target.seq, key, standing, removed })
            }
        }
    }
}

/// Whether a message may list a file whose upload is this one of its sender's.
pub(crate) fn judge_file(
    index: usize,
    file: &Attachment,
    upload: Option<&UploadRow>,
) -> Result<(), WireError> {
    let no = |code, text: &str| Err(WireError::new(code, format!("attachment {index}: {text}")));
    let Some(upload) = upload.filter(|upload| upload.state != UploadState::Outgoing) else {
        return no(ErrorCode::UnknownUpload, &StoreError::UnknownUpload.to_string());
    };
    if upload.state != UploadState::Complete {
        return no(ErrorCode::UploadIncomplete, "its upload is not complete");
    }
    let UploadRow { request, key, .. } = upload;
    let same = request.name == file.name
        && request.content_type == file.content_type
        && request.size == file.size
        && request.sha256 == file.sha256
        && *key == file.key;
    if !same {
        return no(
            ErrorCode::InvalidContent,
            "its key, name, media type, size or checksum is not that of its upload",
        );
    }
    Ok(())
}

/// What a caller hears of an operation that is not taken.
pub(crate) fn refuse(code: ErrorCode, message: String) -> OpOutcome {
    OpOutcome::Refused { error: WireError::new(code, message) }
}

/// The same of one whose id stands for something else.
pub(crate) fn id_taken() -> OpOutcome {
    refuse(
        ErrorCode::IdTaken,
        "this id stands for another event of the room: send with another one".into(),
    )
}
