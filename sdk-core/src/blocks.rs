//! Whom the user has blocked, as an app sees it.

use tidewire_protocol::UserId;

use crate::client::Client;
use crate::engine::{Command, Reply};
use crate::error::Error;

impl Client {
    /// Blocks somebody. Shows at once, also without a network and after a restart: waits for the disk only; the server
    /// is told as soon as there is a network, and tells the user's other devices. Of several wishes the newest counts.
    ///
    /// In the direct room of the two nothing is written any more, by neither: what the blocked one sends fails with
    /// [`ErrorCode::Blocked`](crate::ErrorCode::Blocked), which does not say why, what this user sends with
    /// [`ErrorCode::UnblockFirst`](crate::ErrorCode::UnblockFirst). The blocked one can neither begin a direct room
    /// with the user nor add him to a group, and neither hears of the other whether he is here or types. In groups
    /// that both are in everything goes on: [`Message::blocked`](crate::Message::blocked) marks what the blocked one
    /// says, so that an app shows it folded away. What is unread counts it, and so do mentions.
    ///
    /// ```no_run
    /// # async fn example(client: tidewire::Client) -> Result<(), tidewire::Error> {
    /// let mallory: tidewire::UserId = "mallory".parse()?;
    /// client.block(mallory.clone()).await?;
    /// assert!(client.blocked().await?.contains(&mallory));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidBlock`] for the user himself, and for more than 1,000; [`Error::Store`], [`Error::Suspended`],
    /// [`Error::Closed`].
    pub async fn block(&self, user: UserId) -> Result<(), Error> {
        self.asker().ask(Command::SetBlocked { user, blocked: true }).await.map(drop)
    }

    /// Ends that, in the same way. For somebody who is not blocked it does nothing.
    ///
    /// # Errors
    /// As for [`Client::block`].
    pub async fn unblock(&self, user: UserId) -> Result<(), Error> {
        self.asker().ask(Command::SetBlocked { user, blocked: false }).await.map(drop)
    }

    /// Whom the user has blocked, by user id: from memory, with what the server does not know yet. When it changes,
    /// here or on another device, [`ClientEvent::BlockedChanged`](crate::ClientEvent::BlockedChanged) has all of them.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Closed`].
    pub async fn blocked(&self) -> Result<Vec<UserId>, Error> {
        match self.asker().ask(Command::Blocked).await? {
            Reply::Blocked(users) => Ok(users),
            other => Err(self.asker().unexpected(&other)),
        }
    }
}
