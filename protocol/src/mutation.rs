//! What changes a message after it was written (edits, deletions, reactions, replies in its thread),
//! and what they come to when a history is folded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Content, EventId, MessageContent, Seq, UserId};

/// The content of an `edit`: a `message` of the same sender says something else from here on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EditContent {
    /// Which message.
    pub target: EventId,
    /// What it says now, all of it. Its `reply_to`, `thread`, `mentions` and `attachments` stay what they
    /// were: they are not read here. Only where it lists files may its text be empty.
    pub content: MessageContent,
}

/// The content of a `delete`: a `message` says nothing any more. Its sender may do that, and in a
/// group an owner.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeleteContent {
    /// Which message.
    pub target: EventId,
}

/// The content of a `reaction`: its sender adds a mark to a message, or takes it away.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReactionContent {
    /// Which message.
    pub target: EventId,
    /// The mark, as a rule one emoji: 1 to 64 bytes. One user has each key at most once on a message.
    pub key: String,
    /// Whether it is taken away.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

/// What a message says after an edit: `edit` is the content of the `edit`, `original` that of the
/// message. Nothing of what this version does not know is lost, and where neither of them names a
/// quote, a thread, a user or a file it is the edit's text byte for byte.
///
/// # Errors
/// What `serde_json` says of a content that does not have the shape of its kind.
pub fn edited(original: &Content, edit: &Content) -> Result<Content, serde_json::Error> {
    replaced(original, edit, &["reply_to", "thread", "mentions", "attachments"])
}

/// What a message that nobody has seen yet says after an edit: as [`edited`], and whom it mentions is
/// what the edit says.
///
/// # Errors
/// As for [`edited`].
pub fn rewritten(original: &Content, edit: &Content) -> Result<Content, serde_json::Error> {
    replaced(original, edit, &["reply_to", "thread", "attachments"])
}

/// The content of an edit, with these fields as they were.
fn replaced(
    original: &Content,
    edit: &Content,
    fields: &[&str],
) -> Result<Content, serde_json::Error> {
    #[derive(Deserialize)]
    struct Edit<'a> {
        #[serde(borrow)]
        content: &'a RawValue,
    }
    let now = edit.parse::<Edit<'_>>()?.content;
    // What is no object has no fields that could stay.
    let was = match original.is_object() {
        true => original.parse::<BTreeMap<String, &RawValue>>()?,
        false => BTreeMap::new(),
    };
    let mut is = serde_json::from_str::<BTreeMap<String, &RawValue>>(now.get())?;
    let mut same = true;
    for name in fields {
        same &= match was.get(*name) {
            Some(value) => {
                is.insert((*name).into(), value).is_some_and(|now| now.get() == value.get())
            }
            None => is.remove(*name).is_none(),
        };
    }
    if same { Content::from_json(now.get().into()) } else { Content::of(&is) }
}

/// What is left of a message that was deleted: in which thread it stands, if it does, so that it is
/// not taken for one of the room itself, and whom it mentioned, so that everybody counts alike. Else
/// `{}`.
pub fn deleted(original: &Content) -> Content {
    #[derive(Serialize, Deserialize)]
    struct Left<'a> {
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        thread: Option<&'a RawValue>,
        #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
        mentions: Option<&'a RawValue>,
    }
    let left = match original.parse() {
        Ok(left) if original.is_object() => left,
        _ => Left { thread: None, mentions: None },
    };
    Content::of(&left).unwrap_or_else(|_| Content::empty())
}

/// What later events have made of a message, up to some seq. Where it stands, the event's `content`
/// is that of the last edit ([`edited`]), and if the message was deleted nothing but its `thread` and
/// its `mentions` ([`deleted`]).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fold {
    /// The last edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<Change>,
    /// The deletion. What is deleted has neither an edit nor reactions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Change>,
    /// The reactions, at most 20 keys, by the seq since which each key is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reactions>,
    /// The messages of its thread, the deleted ones too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Thread>,
}

/// By which event a message changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its seq.
    pub seq: Seq,
    /// When the server took it, in ms since 1970-01-01 UTC.
    pub at: i64,
}

/// All reactions of one key on a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reactions {
    /// The mark.
    pub key: String,
    /// How many users have it there.
    pub count: u32,
    /// Whether the reader is one of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mine: bool,
    /// Those of them who have it for the longest time, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<UserId>,
}

/// The messages that stand in the thread of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// How many.
    pub replies: u32,
    /// The last one.
    pub last: Change,
}

impl Fold {
    /// Whether nothing has changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
