//! Whom the user has blocked.

use tidewire::UserId;

use crate::client::Client;
use crate::error::TidewireError;
use crate::runtime::{finish, run};

#[uniffi::export]
impl Client {
    /// Blocks somebody: shows at once, also without a network and after a restart, and the server is told as soon as
    /// there is a network. Goes on if the caller gives up. Waits for the disk only.
    ///
    /// # Errors
    /// `InvalidId`, `InvalidBlock`, `Suspended`, `Closed`, those of the store.
    pub async fn block(&self, user: String) -> Result<(), TidewireError> {
        let (client, user) = (self.inner.clone(), UserId::new(user)?);
        finish(async move { Ok(client.block(user).await?) }).await
    }

    /// Ends that, in the same way.
    ///
    /// # Errors
    /// As for `block`.
    pub async fn unblock(&self, user: String) -> Result<(), TidewireError> {
        let (client, user) = (self.inner.clone(), UserId::new(user)?);
        finish(async move { Ok(client.unblock(user).await?) }).await
    }

    /// Whom the user has blocked, by user id: from memory, with what the server does not know yet.
    ///
    /// # Errors
    /// `Closed`, those of the store.
    pub async fn blocked(&self) -> Result<Vec<String>, TidewireError> {
        let client = self.inner.clone();
        run(async move { Ok(client.blocked().await?.iter().map(ToString::to_string).collect()) })
            .await
    }
}
