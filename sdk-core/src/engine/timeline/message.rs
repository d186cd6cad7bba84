//! A message as an app sees it: what the log says of it, with what is on its way.

use std::sync::Arc;

use tidewire_protocol::{
    Attachment, Change, Content, Event, EventId, EventKind, Fold, MessageContent, Reactions,
    RoomId, Seq, Thread, UserId,
};

use super::fold::{Act, Done, Folded, References};
use crate::engine::outbox::{FailReason, OutboxRow, OutgoingFile};

/// An event that came, with the message that it is; none for one that changes another one.
pub(crate) type Arrived = (Seq, Option<Arc<Message>>);

/// A message or another event of a room, as shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id, chosen by its sender, the same before and after it is sent.
    pub id: EventId,
    /// The room.
    pub room: RoomId,
    /// Who sent it.
    pub sender: UserId,
    /// Its place in the room; none while it waits in the outbox.
    pub seq: Option<Seq>,
    /// When the server took it, or, in the outbox, when it was queued: ms since 1970-01-01 UTC.
    pub at: i64,
    /// What kind of content it has.
    pub kind: EventKind,
    /// The content: that of the last edit, and of a deleted message nothing but its `thread`.
    pub content: Content,
    /// How far it is.
    pub state: MessageState,
    /// Of the user's own messages in the log: how many of the other members have it. None of other
    /// events, and where it is not known: in rooms of more than 100 members.
    pub reach: Option<Reach>,
    /// The last edit.
    pub edited: Option<Changed>,
    /// The deletion. What is deleted has neither an edit nor reactions.
    pub deleted: Option<Changed>,
    /// The reactions, in the order in which their keys came.
    pub reactions: Vec<Reactions>,
    /// The message that it quotes.
    pub reply_to: Option<Quote>,
    /// The message in whose thread it stands.
    pub thread: Option<EventId>,
    /// What stands in its own thread.
    pub replies: Option<Replies>,
    /// Whether an edit, a deletion or a reaction of the user's is shown here that is still on its
    /// way. If the server refuses it, it goes again.
    pub changing: bool,
    /// Whether the user has blocked its sender: shown folded away. Derived each time, stored nowhere.
    pub blocked: bool,
    /// While it waits in the outbox: its files, which the client has copies of, and how far they are
    /// uploaded. Once it is in the log its content lists them.
    pub outgoing: Vec<OutgoingFile>,
}

/// When a message was edited or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// By which event; none while that is in the outbox.
    pub seq: Option<Seq>,
    /// When the server took it, or, in the outbox, when it was queued: ms since 1970-01-01 UTC.
    pub at: i64,
}

/// A message that another one quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Which one.
    pub id: EventId,
    /// What it says now, if it is on this device.
    pub message: Option<Quoted>,
}

/// What a quoted message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    /// Who sent it.
    pub sender: UserId,
    /// Its text; none if it was deleted or has none.
    pub text: Option<String>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Whether the user has blocked its sender.
    pub blocked: bool,
}

/// The messages in the thread of another one, the user's own that are on their way among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replies {
    /// How many, the deleted ones too.
    pub count: u32,
    /// When the last one came: ms since 1970-01-01 UTC.
    pub last_at: i64,
}

/// How many of the other members of a room have a message. Who came later counts as one who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Those whose devices have it; those who read it among them.
    pub delivered_to: u32,
    /// Those who have read it.
    pub read_by: u32,
    /// How many others there are: at least 1.
    pub of: u32,
}

/// The place of what is still on its way: behind everything.
const ON_ITS_WAY: Seq = Seq::new(u64::MAX);

impl From<Event> for Message {
    /// As the log has it, with what was folded into it. What it quotes is not resolved.
    fn from(event: Event) -> Self {
        Self::of_event(event)
    }
}

impl Message {
    pub(crate) fn of_event(event: Event) -> Self {
        let references = match event.kind {
            EventKind::Message => References::of(&event.content),
            _ => References::default(),
        };
        let fold = event.fold.map_or_else(Fold::default, |fold| *fold);
        Self {
            id: event.id,
            room: event.room,
            sender: event.sender,
            seq: Some(event.seq),
            at: event.at,
            kind: event.kind,
            content: event.content,
            state: MessageState::Sent,
            reach: None,
            edited: fold.edited.map(Changed::of),
            deleted: fold.deleted.map(Changed::of),
            reactions: fold.reactions,
            reply_to: references.reply_to.map(|id| Quote { id, message: None }),
            thread: references.thread,
            replies: fold.thread.map(|thread| Replies::of(&thread)),
            changing: false,
            blocked: false,
            outgoing: Vec::new(),
        }
    }

    /// Whether it is a message that stands in no thread: what a list of rooms may show.
    pub(crate) fn is_said(&self) -> bool {
        self.kind == EventKind::Message && self.thread.is_none()
    }

    /// What waits in the outbox to become this.
    pub(crate) fn of_row(row: &OutboxRow, user: &UserId, state: MessageState) -> Self {
        let event = row.accepted(user, ON_ITS_WAY, row.queued_at);
        Self { seq: None, state, outgoing: row.files.clone(), ..Self::of_event(event) }
    }

    /// The same with what the user has done to it, `at` that moment, and that is on its way.
    #[must_use]
    pub(crate) fn with(&self, act: &Act, user: &UserId, at: i64) -> Self {
        let changed = |changed: Changed| Change {
            seq: changed.seq.unwrap_or(ON_ITS_WAY.previous()),
            at: changed.at,
        };
        let thread = |replies: Replies| Thread {
            replies: replies.count,
            last: Change { seq: Seq::ZERO, at: replies.last_at },
        };
        let mut folded = Folded {
            content: self.content.clone(),
            fold: Fold {
                edited: self.edited.map(changed),
                deleted: self.deleted.map(changed),
                reactions: self.reactions.clone(),
                thread: self.replies.map(thread),
            },
        };
        let at = Change { seq: ON_ITS_WAY, at };
        folded.take(act, Done { by: user, mine: true, at });
        let Folded { content, fold } = folded;
        let changing = self.changing || !matches!(act, Act::Reply);
        let mut message = Self { content, changing, ..self.clone() };
        message.edited = fold.edited.map(Changed::of);
        message.deleted = fold.deleted.map(Changed::of);
        message.reactions = fold.reactions;
        message.replies = fold.thread.map(|thread| Replies::of(&thread));
        if message.deleted.is_some() {
            message.reply_to = None;
        }
        message
    }

    /// What somebody who quotes it shows of it.
    pub(crate) fn quoted(&self) -> Quoted {
        let (sender, text) = (self.sender.clone(), self.text());
        Quoted { sender, text, deleted: self.deleted.is_some(), blocked: self.blocked }
    }

    /// The files that it lists, if this is a `message` in the log, or about to leave for it; those of one
    /// that waits for its uploads are in [`Message::outgoing`]. Reads the content each time.
    pub fn attachments(&self) -> Vec<Attachment> {
        if self.kind != EventKind::Message || !self.content.as_json().contains("\"attachments\"") {
            return Vec::new();
        }
        self.content.parse::<MessageContent>().map_or_else(|_| Vec::new(), |said| said.attachments)
    }

    /// The text, if this is a `message` that was not deleted.
    pub fn text(&self) -> Option<String> {
        if self.kind != EventKind::Message {
            return None;
        }
        self.content.parse::<MessageContent>().ok().map(|content| content.text)
    }
}

/// How far a message is. Derived from the outbox, the log and the receipts, stored nowhere. Only the
/// user's own messages go beyond `Sent`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageState {
    /// In the outbox, on its way or about to be.
    Sending,
    /// In the outbox, behind a message that failed, or one whose files are uploaded first
    /// ([`SendOptions::ordered`](crate::SendOptions::ordered)).
    Waiting(EventId),
    /// The server refused it: retry or discard it.
    Failed(FailReason),
    /// In the log.
    Sent,
    /// On a device of every other member.
    Delivered,
    /// Read by every other member.
    Read,
}

impl MessageState {
    /// Of a message in the log that has reached so many.
    pub(crate) fn of_reach(reach: Option<Reach>) -> Self {
        match reach {
            Some(Reach { read_by, of, .. }) if read_by == of => Self::Read,
            Some(Reach { delivered_to, of, .. }) if delivered_to == of => Self::Delivered,
            _ => Self::Sent,
        }
    }

    /// Whether it is in the log: sent, and maybe more.
    pub fn is_sent(&self) -> bool {
        matches!(self, Self::Sent | Self::Delivered | Self::Read)
    }
}

impl Changed {
    fn of(change: Change) -> Self {
        let on_its_way = change.seq >= ON_ITS_WAY.previous();
        Self { seq: (!on_its_way).then_some(change.seq), at: change.at }
    }
}

impl Replies {
    fn of(thread: &Thread) -> Self {
        Self { count: thread.replies, last_at: thread.last.at }
    }
}
