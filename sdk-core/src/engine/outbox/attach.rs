//! Messages with files: the copies are on disk, the message follows.

use tidewire_protocol::{InvalidOp, Op, RoomId};

use super::files::{OutgoingFile, listing};
use super::{OutboxRow, SendOptions};
use crate::engine::Engine;
use crate::engine::command::Reply;
use crate::engine::effect::CommandId;
use crate::error::Error;

impl Engine {
    /// Whether files can be sent into a room: before they are copied.
    pub(crate) fn may_attach(&mut self, command: CommandId, room: RoomId) {
        let may = self.may_write(room).and_then(|()| self.has_room());
        self.reply(command, may.map(|()| Reply::UploadBytes(self.max_upload_bytes)));
    }

    /// Queues a message with files. It leaves once they are uploaded.
    pub(crate) fn send_files(
        &mut self,
        command: CommandId,
        room: RoomId,
        op: Op,
        files: Vec<OutgoingFile>,
        options: SendOptions,
    ) {
        let may = self.can_list(&op, &files).and_then(|()| self.may_write(room));
        if let Err(error) = may.and_then(|()| self.has_room()) {
            self.reply(command, Err(error));
            return;
        }
        self.typing_sent(room);
        let row = self.row_of(room, op, options);
        // It does not leave at once.
        let row = OutboxRow { attempted_at: None, files, ..row };
        self.store_row(command, row);
    }

    /// Whether the message can be sent once it lists all files.
    fn can_list(&self, op: &Op, files: &[OutgoingFile]) -> Result<(), Error> {
        let malformed = |_| InvalidOp::Malformed(op.kind.to_string());
        let content = listing(&op.content, files).map_err(malformed)?;
        Op { content, ..op.clone() }.validate()?;
        Ok(())
    }
}
