//! What an app may ask for beside sending, and how the user takes something back.

use std::time::Duration;

use tidewire::EventId;

use crate::client::Client;
use crate::error::TidewireError;
use crate::message::OutgoingMessage;
use crate::runtime::finish;

/// What becomes of what was sent after a message of the same room, if that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum OnFailure {
    /// It waits until the failed one was sent again or discarded, so that nothing overtakes it.
    Hold,
    /// It goes on.
    Skip,
}

/// How something is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct SendOptions {
    /// What a failure means for those behind it.
    pub on_failure: OnFailure,
    /// What has not been sent after so many ms fails as `Expired`. Without it there is no such time.
    #[uniffi(default = None)]
    pub expires_after_ms: Option<u64>,
    /// Whether what is sent after a message with files waits for them, instead of overtaking it.
    #[uniffi(default = false)]
    pub ordered: bool,
}

#[uniffi::export]
impl Client {
    /// Sends a message with options. As `send`.
    ///
    /// # Errors
    /// As for `send`.
    pub async fn send_with(
        &self,
        room: String,
        message: OutgoingMessage,
        options: SendOptions,
    ) -> Result<String, TidewireError> {
        let (room, content) = (self.room(&room)?, message.content()?);
        finish(async move { Ok(room.send_with(content, options.into()).await?.to_string()) }).await
    }

    /// Takes a message of the user's back, however far it is. One that was never sent is gone, as if
    /// it had never been written. One that may have arrived is deleted. Goes on if the caller gives
    /// up. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// `UnknownMessage` for what is no message and may have been sent; else as for `delete`.
    pub async fn cancel(&self, room: String, message: String) -> Result<(), TidewireError> {
        let (room, id) = (self.room(&room)?, message.parse::<EventId>()?);
        finish(async move { Ok(room.cancel(id).await?) }).await
    }
}

impl From<SendOptions> for tidewire::SendOptions {
    fn from(options: SendOptions) -> Self {
        Self {
            on_failure: match options.on_failure {
                OnFailure::Hold => tidewire::OnFailure::Hold,
                OnFailure::Skip => tidewire::OnFailure::Skip,
            },
            expires_after: options.expires_after_ms.map(Duration::from_millis),
            ordered: options.ordered,
        }
    }
}
