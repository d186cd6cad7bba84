//! What a user keeps for a room: a draft on this device, and what holds on all of them.

use crate::client::Client;
use crate::error::TidewireError;
use crate::room::RoomSettings;
use crate::runtime::{finish, run};

#[uniffi::export]
impl Client {
    /// Keeps what the user has begun to write in a room, at most 32 KiB; nothing or an empty text
    /// forgets it. It is on disk when this returns, stays on this device and shows in lists of rooms.
    /// Sending does not clear it. Goes on if the caller gives up. Waits for the disk.
    ///
    /// # Errors
    /// `InvalidMessage` if it is too long; `InvalidId`, `UnknownRoom`, `Suspended`, `Closed`, those
    /// of the store.
    pub async fn set_draft(&self, room: String, text: Option<String>) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        finish(async move { Ok(room.set_draft(text).await?) }).await
    }

    /// What the user has begun to write in a room: from memory.
    ///
    /// # Errors
    /// `InvalidId`, `Closed`, those of the store.
    pub async fn draft(&self, room: String) -> Result<Option<String>, TidewireError> {
        let room = self.room(&room)?;
        run(async move { Ok(room.draft().await?) }).await
    }

    /// Sets what holds for a room on all of the user's devices. It is on disk and shows when this
    /// returns; the server is told as soon as there is a network. Of several wishes the newest
    /// counts. Goes on if the caller gives up. Waits for the disk.
    ///
    /// # Errors
    /// `InvalidId`, `UnknownRoom`, `NotAMember`, `Suspended`, `Closed`, those of the store.
    pub async fn set_room_settings(
        &self,
        room: String,
        settings: RoomSettings,
    ) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        finish(async move { Ok(room.set_settings(settings.into()).await?) }).await
    }

    /// Mutes a room, or ends that; what else is set stays. As `set_room_settings`.
    ///
    /// # Errors
    /// As for `set_room_settings`.
    pub async fn mute(&self, room: String, muted: bool) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        finish(async move { Ok(room.mute(muted).await?) }).await
    }

    /// Pins a room above all that are not, or ends that. As `mute`.
    ///
    /// # Errors
    /// As for `set_room_settings`.
    pub async fn pin(&self, room: String, pinned: bool) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        finish(async move { Ok(room.pin(pinned).await?) }).await
    }

    /// Puts a room away, or brings it back. As `mute`.
    ///
    /// # Errors
    /// As for `set_room_settings`.
    pub async fn archive(&self, room: String, archived: bool) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        finish(async move { Ok(room.archive(archived).await?) }).await
    }
}
