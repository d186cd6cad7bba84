//! What the user has begun to write in a room: kept on this device until it is sent or cleared.

use tidewire_protocol::{InvalidOp, RoomId, limits};

use super::heads::Heads;
use crate::engine::Engine;
use crate::engine::command::Reply;
use crate::engine::disk::commit::After;
use crate::engine::disk::transaction::{Transaction, Write};
use crate::engine::effect::CommandId;
use crate::error::Error;

impl Engine {
    /// Keeps a draft, or forgets it. The app hears of it once that is on disk.
    pub(crate) fn set_draft(&mut self, command: CommandId, room: RoomId, text: Option<String>) {
        let text = text.filter(|text| !text.is_empty());
        let bytes = text.as_ref().map_or(0, String::len);
        if bytes > limits::CONTENT_BYTES {
            self.reply(command, Err(InvalidOp::ContentTooLong(bytes).into()));
            return;
        }
        // A draft of a room that is gone may still be cleared.
        if text.is_some() && !self.rooms.contains_key(&room) {
            self.reply(command, Err(Error::UnknownRoom(room)));
            return;
        }
        let mut transaction =
            Transaction { durable: true, independent: true, ..Transaction::default() };
        transaction.push(Write::Draft { room, text: text.clone() });
        let reply = Some((command, Reply::Done));
        self.commit(transaction, After { draft: Some((room, text)), reply, ..After::default() });
    }

    pub(crate) fn draft(&self, room: RoomId) -> Option<String> {
        self.heads.drafts.get(&room).cloned()
    }
}

impl Heads {
    pub(crate) fn set_draft(&mut self, room: RoomId, text: Option<String>) {
        match text {
            Some(text) => self.drafts.insert(room, text),
            None => self.drafts.remove(&room),
        };
        self.touch(room);
    }
}
