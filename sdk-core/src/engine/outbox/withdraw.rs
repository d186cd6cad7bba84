//! What the user does about what waits: retry, discard, cancel.

use tidewire_protocol::{Content, DeleteContent, EventId, EventKind, Op, RoomId};

use super::{FailReason, Fate};
use crate::engine::Engine;
use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::CommandId;
use crate::engine::timeline::fold::{Mutation, is_mutation};
use crate::error::Error;

impl Engine {
    /// Queues a failed operation again. The user does so himself: it has all the time there is.
    pub(crate) fn retry(&mut self, command: CommandId, id: EventId) {
        let Some(row) = self.outbox.get(id).filter(|row| row.failed.is_some()) else {
            self.reply(command, Err(Error::UnknownMessage(id)));
            return;
        };
        let room = row.room;
        // What waits for its files was not sent: it counts as sent when it leaves.
        let sent = row.is_uploaded();
        let at = self.server_clock.now(self.now);
        if sent && !self.server_clock.is_told() {
            self.undated.push(id);
        }
        let mut transaction =
            Transaction { durable: true, independent: true, ..Transaction::default() };
        transaction.push(Write::Retry(id, sent.then_some(at)));
        let after = After {
            failed: vec![(room, id, None)],
            reply: Some((command, Reply::Done)),
            ..After::default()
        };
        self.commit(transaction, after);
    }

    /// Takes a failed operation out of the outbox.
    pub(crate) fn discard(&mut self, command: CommandId, id: EventId) {
        if self.outbox.get(id).is_none_or(|row| row.failed.is_none()) {
            self.reply(command, Err(Error::UnknownMessage(id)));
            return;
        }
        self.take_back(command, id);
    }

    /// Takes a message back, wherever it is: one that was never sent is gone, any other is deleted.
    /// `delete` is the id that the deletion gets then.
    pub(crate) fn cancel(
        &mut self,
        command: CommandId,
        room: RoomId,
        id: EventId,
        delete: EventId,
    ) {
        let Ok(content) = Content::of(&DeleteContent { target: id }) else {
            self.reply(command, Err(Error::UnknownMessage(id)));
            return;
        };
        let delete = Op { id: delete, kind: EventKind::Delete, content };
        let Some(row) = self.outbox.get(id).filter(|row| row.room == room) else {
            self.enqueue(command, room, delete, Default::default());
            return;
        };
        let (failed, message) = (row.failed.is_some(), row.op.kind == EventKind::Message);
        if self.outbox.is_ours_alone(id) {
            self.take_back(command, id);
        } else if !message {
            // Nothing undoes it once it is in the log.
            let reply = || Err(Error::UnknownMessage(id));
            if failed { self.take_back(command, id) } else { self.reply(command, reply()) }
        } else if failed {
            // It may be in the log, and holds its room: the deletion must not wait behind it.
            let (mut transaction, mut after) = withdrawal(command);
            self.withdraw(&mut transaction, &mut after, id);
            let row = self.row_of(room, delete, Default::default());
            transaction.push(Write::Enqueue(Box::new(row.clone())));
            after.enqueued = Some(row);
            self.commit(transaction, after);
        } else {
            self.enqueue(command, room, delete, Default::default());
        }
    }

    /// Takes a message out of the outbox, and with it what was to change it.
    pub(crate) fn take_back(&mut self, command: CommandId, id: EventId) {
        let (mut transaction, mut after) = withdrawal(command);
        self.withdraw(&mut transaction, &mut after, id);
        self.commit(transaction, after);
    }

    /// An operation and what was to change it leave the outbox.
    pub(crate) fn withdraw(
        &mut self,
        transaction: &mut Transaction,
        after: &mut After,
        id: EventId,
    ) {
        let room = self.outbox.get(id).map(|row| row.room);
        let rows = room.map(|room| self.outbox.of_room(room)).unwrap_or_default();
        let concerns = |op: &Op| {
            is_mutation(&op.kind)
                && Mutation::of(&op.kind, &op.content).is_some_and(|other| other.target == id)
        };
        let gone: Vec<(EventId, bool)> = rows
            .into_iter()
            .filter(|row| row.op.id == id || concerns(&row.op))
            .map(|row| (row.op.id, row.failed.is_some()))
            .collect();
        for (id, failed) in gone {
            self.end_uploads(id);
            after.withdrawn.push(id);
            if failed {
                // It holds its room until it is gone, also if a retry is on its way to the disk.
                self.outbox.hold(id);
            } else {
                self.outbox.settle(id, Fate::Arrived);
            }
            transaction.push(Write::Dequeue(id));
            after.dequeued.push(id);
        }
    }

    /// A message that the user has deleted meanwhile was refused: that is what he wants.
    pub(crate) fn is_wanted_gone(&self, room: RoomId, id: EventId, reason: &FailReason) -> bool {
        matches!(reason, FailReason::Refused(_)) && self.is_being_deleted(room, id)
    }
}

fn withdrawal(command: CommandId) -> (Transaction, After) {
    let transaction = Transaction { durable: true, independent: true, ..Transaction::default() };
    (transaction, After { reply: Some((command, Reply::Done)), ..After::default() })
}
