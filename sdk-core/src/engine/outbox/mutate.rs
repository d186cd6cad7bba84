//! Edits, deletions and reactions on their way out.
//!
//! They go through the outbox like messages, and show at once, because windows add what is in the
//! outbox to what is on disk. One that fails is given up: it shows no more, the app hears of it, and
//! what is behind it goes on. A message that nobody but this client can know is changed where it
//! waits.

use tidewire_protocol::{
    ErrorCode, Event, EventId, EventKind, Op, RoomId, RoomKind, UserId, WireError, rewritten,
};

use super::{FailReason, Fate, SendOptions};
use crate::engine::Engine;
use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::{CommandId, Problem};
use crate::engine::query::Query;
use crate::engine::timeline::fold::{Act, Mutation};
use crate::error::Error;

/// What has to be known of a message before somebody changes it.
struct Known<'a> {
    sender: &'a UserId,
    kind: &'a EventKind,
    deleted: bool,
}

impl Engine {
    /// Queues an edit, a deletion or a reaction, if what is known of the message allows it. What is
    /// not on this device is left to the server's judgement.
    pub(crate) fn enqueue_mutation(&mut self, command: CommandId, room: RoomId, op: Op) {
        let Some(Mutation { target, act }) = Mutation::of(&op.kind, &op.content) else {
            let malformed = tidewire_protocol::InvalidOp::Malformed(op.kind.to_string());
            self.reply(command, Err(malformed.into()));
            return;
        };
        if let Some(waiting) = self.lookups.get_mut(&room) {
            waiting.push((command, op));
            return;
        }
        if self.is_being_deleted(room, target) {
            self.reply(command, Err(Error::MessageDeleted(target)));
            return;
        }
        if let Some(row) = self.outbox.get(target) {
            if row.op.kind != EventKind::Message {
                self.reply(command, Err(Error::UnknownMessage(target)));
                return;
            }
            match act {
                Act::Edit(edit) if self.outbox.is_ours_alone(target) => {
                    let now = rewritten(&row.op.content, &edit);
                    self.amend(command, target, now);
                }
                Act::Delete if self.outbox.is_ours_alone(target) => self.take_back(command, target),
                _ => self.queue(command, room, op, SendOptions::default()),
            }
            return;
        }
        let shown = self.windows.of(room).find_map(|(_, window)| window.message(target));
        if let Some(message) = shown.cloned() {
            let deleted = message.deleted.is_some();
            let known = Known { sender: &message.sender, kind: &message.kind, deleted };
            self.queue_if_allowed(command, room, op, &known);
        } else {
            self.lookups.insert(room, Vec::new());
            let purpose = LoadPurpose::Target(command, room, Box::new(op));
            self.load(Query::Event(room, target), purpose);
        }
    }

    /// The disk has the message that an operation is to change, or has it not.
    pub(crate) fn target_found(
        &mut self,
        command: CommandId,
        room: RoomId,
        op: Op,
        message: Option<Event>,
    ) {
        if self.rests() {
            self.reply(command, Err(Error::Suspended));
        } else if let Some(Event { sender, kind, fold, .. }) = message {
            let deleted = fold.is_some_and(|fold| fold.deleted.is_some());
            let known = Known { sender: &sender, kind: &kind, deleted };
            self.queue_if_allowed(command, room, op, &known);
        } else {
            self.queue(command, room, op, SendOptions::default());
        }
        self.looked_up(room);
    }

    /// The disk has said what it knows of a message. What the user has done in the room since then goes on, in
    /// that order: of two edits the later one is the last.
    pub(crate) fn looked_up(&mut self, room: RoomId) {
        for (command, op) in self.lookups.remove(&room).unwrap_or_default() {
            if self.rests() {
                self.reply(command, Err(Error::Suspended));
            } else {
                self.enqueue_mutation(command, room, op);
            }
        }
    }

    fn queue_if_allowed(&mut self, command: CommandId, room: RoomId, op: Op, known: &Known<'_>) {
        let Some(Mutation { target, act }) = Mutation::of(&op.kind, &op.content) else { return };
        let mine = *known.sender == self.config.user;
        let moderates = self
            .rooms
            .get(&room)
            .is_some_and(|room| room.state.role.moderates() && room.state.kind == RoomKind::Group);
        let may = match act {
            Act::Edit(_) => mine,
            Act::Delete => mine || moderates,
            Act::React { .. } | Act::Reply => true,
        };
        if *known.kind != EventKind::Message {
            self.reply(command, Err(Error::UnknownMessage(target)));
        } else if known.deleted {
            self.reply(command, Err(Error::MessageDeleted(target)));
        } else if !may {
            self.reply(command, Err(Error::NotYours(target)));
        } else {
            self.queue(command, room, op, SendOptions::default());
        }
    }

    pub(super) fn is_being_deleted(&self, room: RoomId, id: EventId) -> bool {
        let deletes = |op: &Op| {
            op.kind == EventKind::Delete
                && Mutation::of(&op.kind, &op.content).is_some_and(|other| other.target == id)
        };
        self.outbox.of_room(room).iter().any(|row| deletes(&row.op))
    }

    /// A message that nobody but this client knows says something else from now on.
    fn amend(
        &mut self,
        command: CommandId,
        id: EventId,
        content: Result<tidewire_protocol::Content, serde_json::Error>,
    ) {
        let Ok(content) = content else {
            let malformed = tidewire_protocol::InvalidOp::Malformed(EventKind::Edit.to_string());
            self.reply(command, Err(malformed.into()));
            return;
        };
        // What is sent and what is on disk must be the same: its id stands for that.
        self.outbox.begin_amend(id);
        let mut transaction =
            Transaction { durable: true, independent: true, ..Transaction::default() };
        transaction.push(Write::Amend(id, content.clone()));
        let after = After {
            amended: Some((id, content)),
            reply: Some((command, Reply::Done)),
            ..After::default()
        };
        self.commit(transaction, after);
    }

    /// An edit, a deletion or a reaction has failed. It leaves the outbox, and the app hears of it
    /// once that is on disk; that it is so already is no failure.
    pub(crate) fn give_up(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        id: EventId,
        reason: FailReason,
    ) {
        let Some(row) = self.outbox.get(id) else { return };
        let room = row.room;
        let target = Mutation::of(&row.op.kind, &row.op.content).map(|mutation| mutation.target);
        let deletes = row.op.kind == EventKind::Delete;
        self.outbox.settle(id, Fate::Arrived);
        transaction.push(Write::Dequeue(id));
        after.dequeued.push(id);
        let is_so_already = match &reason {
            FailReason::Refused(WireError { code: ErrorCode::NoChange, .. }) => true,
            // What is to be deleted never arrived.
            FailReason::Refused(WireError { code: ErrorCode::UnknownMessage, .. }) => deletes,
            _ => false,
        };
        if !is_so_already {
            after.given_up.push(Problem::SendFailed { room, id, target, reason });
        }
    }
}
