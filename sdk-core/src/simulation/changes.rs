//! What the model server makes of edits, deletions, reactions and threads: whether it takes one, and
//! what a message has become. Each message is folded anew from the events that name it.

use tidewire_protocol::{
    Body, Change, Content, ErrorCode, Event, EventId, EventKind, Fold, Op, Reactions, Role,
    RoomKind, Seq, Thread, UserId, WireError, deleted, edited, limits,
};

use super::server::ModelRoom;

/// What a message has become.
struct Folded {
    content: Content,
    edited: Option<Change>,
    deleted: Option<Change>,
    /// Who has each key, in the order in which they came.
    keys: Vec<(String, Vec<UserId>)>,
    thread: Option<Thread>,
}

/// Whether events of this kind change others, and have no place in a history.
pub(super) fn is_change(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Edit | EventKind::Delete | EventKind::Reaction)
}

/// The message that an event names, whose fold it is part of.
pub(super) fn named_by(event: &Event) -> Option<EventId> {
    match event.body() {
        Body::Edit(edit) => Some(edit.target),
        Body::Delete(delete) => Some(delete.target),
        Body::Reaction(reaction) => Some(reaction.target),
        Body::Message(message) => message.thread,
        _ => None,
    }
}

fn change(event: &Event) -> Change {
    Change { seq: event.seq, at: event.at }
}

fn no(code: ErrorCode, text: &str) -> WireError {
    WireError::new(code, text)
}

impl ModelRoom {
    /// The message of this id.
    pub(super) fn message(&self, id: EventId) -> Option<&Event> {
        let event = self.log.get(*self.ids.get(&id)?)?;
        (event.kind == EventKind::Message).then_some(event)
    }

    fn state_of(&self, message: &Event, as_of: Seq) -> Folded {
        let mut now = Folded {
            content: message.content.clone(),
            edited: None,
            deleted: None,
            keys: Vec::new(),
            thread: None,
        };
        let named = self.named.get(&message.id).into_iter().flatten();
        let events = named.map(|index| &self.log[*index]);
        for event in events.filter(|event| event.seq > message.seq && event.seq <= as_of) {
            match event.body() {
                Body::Message(_) => {
                    let replies = now.thread.map_or(1, |thread| thread.replies + 1);
                    now.thread = Some(Thread { replies, last: change(event) });
                }
                _ if now.deleted.is_some() => {}
                Body::Edit(_) if event.sender == message.sender => {
                    if let Ok(content) = edited(&message.content, &event.content) {
                        now.content = content;
                        now.edited = Some(change(event));
                    }
                }
                Body::Delete(_) => {
                    now.content = deleted(&message.content);
                    now.edited = None;
                    now.keys.clear();
                    now.deleted = Some(change(event));
                }
                Body::Reaction(reaction) => {
                    if !now.keys.iter().any(|(key, _)| *key == reaction.key) {
                        now.keys.push((reaction.key.clone(), Vec::new()));
                    }
                    for (_, users) in now.keys.iter_mut().filter(|(key, _)| *key == reaction.key) {
                        users.retain(|user| *user != event.sender);
                        if !reaction.removed {
                            users.push(event.sender.clone());
                        }
                    }
                    now.keys.retain(|(_, users)| !users.is_empty());
                }
                _ => {}
            }
        }
        now
    }

    /// An event as a history has it, folded as of `as_of`.
    pub(super) fn folded(&self, event: &Event, as_of: Seq, reader: &UserId) -> Event {
        if event.kind != EventKind::Message {
            return event.clone();
        }
        let Folded { content, edited, deleted, keys, thread } = self.state_of(event, as_of);
        let reactions = keys.into_iter().map(|(key, users)| Reactions {
            key,
            count: users.len() as u32,
            mine: users.contains(reader),
            by: users.into_iter().take(limits::REACTION_USERS).collect(),
        });
        let fold = Fold { edited, deleted, reactions: reactions.collect(), thread };
        let fold = (!fold.is_empty()).then(|| Box::new(fold));
        Event { content, fold, ..event.clone() }
    }

    /// The newest message up to `head` that stands in no thread, folded, unless it stands at `head`.
    pub(super) fn last_message(&self, head: Seq, reader: &UserId) -> Option<Event> {
        let seen = self.log.get(..head.get() as usize).unwrap_or_default();
        let last = seen.iter().rev().find(|event| match event.body() {
            Body::Message(message) => message.thread.is_none(),
            _ => false,
        })?;
        (last.seq < head).then(|| self.folded(last, head, reader))
    }

    /// Whether the room takes an operation of a member.
    pub(super) fn judge(&self, sender: &UserId, role: Role, op: &Op) -> Result<(), WireError> {
        let probe = Event {
            id: op.id,
            room: self.id,
            seq: self.head().next(),
            sender: sender.clone(),
            at: 0,
            kind: op.kind.clone(),
            content: op.content.clone(),
            fold: None,
        };
        let known = |id| {
            let none = || no(ErrorCode::UnknownMessage, "the room has no message of this id");
            self.message(id).ok_or_else(none)
        };
        let standing = |id| {
            let message = known(id)?;
            let state = self.state_of(message, self.head());
            match state.deleted {
                Some(_) => Err(no(ErrorCode::MessageDeleted, "the message was deleted")),
                None => Ok((message, state)),
            }
        };
        match probe.body() {
            Body::Message(message) => {
                message.reply_to.map(known).transpose()?;
                let root = message.thread.map(known).transpose()?;
                match root.map(Event::body) {
                    Some(Body::Message(root)) if root.thread.is_some() => {
                        Err(no(ErrorCode::InvalidContent, "no thread in a thread"))
                    }
                    _ => Ok(()),
                }
            }
            Body::Edit(edit) => {
                let message = known(edit.target)?;
                if message.sender != *sender {
                    return Err(no(ErrorCode::Forbidden, "only its sender edits a message"));
                }
                standing(edit.target).map(|_| ())
            }
            Body::Delete(delete) => {
                let message = known(delete.target)?;
                let moderates = self.kind == RoomKind::Group && role.moderates();
                if message.sender != *sender && !moderates {
                    let text = "only its sender deletes it, or who keeps order";
                    return Err(no(ErrorCode::Forbidden, text));
                }
                match standing(delete.target) {
                    Err(_) => Err(no(ErrorCode::NoChange, "it is deleted already")),
                    Ok(_) => Ok(()),
                }
            }
            Body::Reaction(reaction) => {
                let (_, state) = standing(reaction.target)?;
                let key = state.keys.iter().find(|(key, _)| *key == reaction.key);
                let has = key.is_some_and(|(_, users)| users.contains(sender));
                if has != reaction.removed {
                    return Err(no(ErrorCode::NoChange, "it is so already"));
                }
                if key.is_none() && state.keys.len() >= limits::REACTION_KEYS {
                    return Err(no(ErrorCode::InvalidContent, "too many different reactions"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
