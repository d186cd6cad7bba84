//! What a user does to a message that is there: edits, deletions, reactions.

use tidewire::EventId;

use crate::client::Client;
use crate::error::TidewireError;
use crate::message::OutgoingMessage;
use crate::runtime::finish;

#[uniffi::export]
impl Client {
    /// Has a message of the user's say something else. Shows at once; on disk when this returns,
    /// from there on it arrives exactly once. A message that was never sent is changed where it
    /// waits. What the message quotes and its thread stay what they were, whatever is said here. If
    /// the server refuses the edit, the message is again what it was and the event `SendFailed`
    /// says so. Goes on if the caller gives up. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// `NotYours` and `MessageDeleted`, where the message is on this device, else the server judges;
    /// `UnknownMessage` for what is no message; `InvalidId`, `InvalidMessage`, `UnknownRoom`,
    /// `NotAMember`, `OutboxFull`, `Suspended`, `Closed`, those of the store.
    pub async fn edit(
        &self,
        room: String,
        id: String,
        message: OutgoingMessage,
    ) -> Result<(), TidewireError> {
        let (room, id, content) = (self.room(&room)?, id.parse::<EventId>()?, message.content()?);
        finish(async move { Ok(room.edit(id, content).await?) }).await
    }

    /// Deletes a message: the user's own, or in a group that the user owns anybody's. One that was
    /// never sent is discarded. Else as `edit`.
    ///
    /// # Errors
    /// As for `edit`.
    pub async fn delete(&self, room: String, id: String) -> Result<(), TidewireError> {
        let (room, id) = (self.room(&room)?, id.parse::<EventId>()?);
        finish(async move { Ok(room.delete(id).await?) }).await
    }

    /// Puts a mark on a message, as a rule an emoji: 1 to 64 bytes. Nothing changes if the user has
    /// it there already. Else as `edit`.
    ///
    /// # Errors
    /// As for `edit`, but for `NotYours`.
    pub async fn react(&self, room: String, id: String, key: String) -> Result<(), TidewireError> {
        let (room, id) = (self.room(&room)?, id.parse::<EventId>()?);
        finish(async move { Ok(room.react(id, key).await?) }).await
    }

    /// Takes the user's mark away again. As `react`.
    ///
    /// # Errors
    /// As for `react`.
    pub async fn unreact(
        &self,
        room: String,
        id: String,
        key: String,
    ) -> Result<(), TidewireError> {
        let (room, id) = (self.room(&room)?, id.parse::<EventId>()?);
        finish(async move { Ok(room.unreact(id, key).await?) }).await
    }
}
