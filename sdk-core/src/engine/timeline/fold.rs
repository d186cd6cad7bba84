//! What later events make of a message: pure, and the same for what is on disk and for what the
//! outbox adds to it on the screen.
//!
//! A message is folded *as of* a seq: everything up to there has gone into it. Later changes are
//! taken in the order of their seqs, so that what comes of them does not depend on the order in
//! which they arrived: whoever finds one that is older than what was taken begins anew from where
//! the message was folded as of, and takes all that are known.

use tidewire_protocol::{
    Change, Content, DeleteContent, EventId, EventKind, Fold, ReactionContent, Reactions, Thread,
    UserId, deleted, edited, limits,
};

/// What an event does to another one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mutation {
    /// The message that it concerns.
    pub(crate) target: EventId,
    pub(crate) act: Act,
}

/// What is done to a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// The content of the `edit`.
    Edit(Content),
    Delete,
    React {
        key: String,
        removed: bool,
    },
    /// Another message stands in its thread.
    Reply,
}

/// Who did it, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Done<'a> {
    pub(crate) by: &'a UserId,
    /// Whether that is the reader.
    pub(crate) mine: bool,
    pub(crate) at: Change,
}

impl Mutation {
    /// What an event does to another one; nothing, for most. One without the shape of its kind does
    /// nothing either.
    pub(crate) fn of(kind: &EventKind, content: &Content) -> Option<Self> {
        match kind {
            EventKind::Message => {
                let target = References::of(content).thread?;
                Some(Self { target, act: Act::Reply })
            }
            EventKind::Edit => {
                #[derive(serde::Deserialize)]
                struct Target {
                    target: EventId,
                }
                let Target { target } = content.parse().ok()?;
                Some(Self { target, act: Act::Edit(content.clone()) })
            }
            EventKind::Delete => {
                let DeleteContent { target } = content.parse().ok()?;
                Some(Self { target, act: Act::Delete })
            }
            EventKind::Reaction => {
                let ReactionContent { target, key, removed } = content.parse().ok()?;
                Some(Self { target, act: Act::React { key, removed } })
            }
            _ => None,
        }
    }
}

/// Whether events of this kind say nothing by themselves: they go into the message that they
/// concern.
pub(crate) fn is_mutation(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Edit | EventKind::Delete | EventKind::Reaction)
}

/// The other messages that one names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub(crate) struct References {
    #[serde(default)]
    pub(crate) reply_to: Option<EventId>,
    #[serde(default)]
    pub(crate) thread: Option<EventId>,
}

impl References {
    /// Of a message's content. Most name none: their JSON is not parsed.
    pub(crate) fn of(content: &Content) -> Self {
        let json = content.as_json();
        if json.contains("\"thread\"") || json.contains("\"reply_to\"") {
            content.parse().unwrap_or_default()
        } else {
            Self::default()
        }
    }
}

/// What a message says now, and what has happened to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded {
    pub(crate) content: Content,
    pub(crate) fold: Fold,
}

impl Folded {
    /// Takes what somebody did. Reactions have to come in the order of their seqs; the last edit, a
    /// deletion and the number of replies do not depend on it.
    pub(crate) fn take(&mut self, act: &Act, done: Done<'_>) {
        let gone = self.fold.deleted.is_some();
        match act {
            Act::Reply => {
                let thread = self.fold.thread.get_or_insert(Thread { replies: 0, last: done.at });
                thread.replies = thread.replies.saturating_add(1);
                if done.at.seq > thread.last.seq {
                    thread.last = done.at;
                }
            }
            Act::Delete => {
                if self.fold.deleted.is_none_or(|first| done.at.seq < first.seq) {
                    self.content = deleted(&self.content);
                    self.fold.edited = None;
                    self.fold.reactions.clear();
                    self.fold.deleted = Some(done.at);
                }
            }
            _ if gone => {}
            Act::Edit(edit) => {
                if self.fold.edited.is_none_or(|last| done.at.seq > last.seq)
                    && let Ok(content) = edited(&self.content, edit)
                {
                    self.content = content;
                    self.fold.edited = Some(done.at);
                }
            }
            Act::React { key, removed: false } => self.add(key, done),
            Act::React { key, removed: true } => self.remove(key, done),
        }
    }

    fn add(&mut self, key: &str, done: Done<'_>) {
        let reactions = &mut self.fold.reactions;
        let at = reactions.iter().position(|known| known.key == key).unwrap_or_else(|| {
            let (count, mine, by) = Default::default();
            reactions.push(Reactions { key: key.into(), count, mine, by });
            reactions.len() - 1
        });
        let known = &mut reactions[at];
        // Each user has each key once. Beyond those who are named the server's word is taken.
        if (done.mine && known.mine) || known.by.contains(done.by) {
            return;
        }
        known.count = known.count.saturating_add(1);
        known.mine |= done.mine;
        if known.by.len() < limits::REACTION_USERS {
            known.by.push(done.by.clone());
        }
    }

    fn remove(&mut self, key: &str, done: Done<'_>) {
        let reactions = &mut self.fold.reactions;
        let Some(at) = reactions.iter().position(|known| known.key == key) else { return };
        let known = &mut reactions[at];
        let named = known.by.iter().position(|user| user == done.by);
        // Whoever is not among those named may be one of the others, unless there are none.
        let others = usize::try_from(known.count).unwrap_or(usize::MAX) > known.by.len();
        if named.is_none() && (!others || (done.mine && !known.mine)) {
            return;
        }
        known.count -= 1;
        known.mine &= !done.mine;
        if let Some(named) = named {
            known.by.remove(named);
        }
        if known.count == 0 {
            reactions.remove(at);
        }
    }

    /// The same as it was folded as of `base`, as far as the order of what is taken matters: there
    /// one begins anew.
    pub(crate) fn rewind(&mut self, base: Fold) {
        self.fold.reactions = if self.fold.deleted.is_some() { Vec::new() } else { base.reactions };
        self.fold.thread = base.thread;
    }
}
