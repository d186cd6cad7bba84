//! Presence and typing on a socket: behind everything else, and left out when the other side has
//! enough to read.

use std::time::Instant;

use tidewire_protocol::{RoomId, TypingUpdate};

use super::peer::{End, Outbound};
use super::session::Session;
use crate::sync;

impl Session {
    /// Watches these rooms and no others.
    pub(super) async fn watch(&mut self, rooms: Vec<RoomId>) -> Result<(), End> {
        match sync::check_watch(&rooms) {
            Ok(()) => {
                self.watching.set(rooms);
                Ok(())
            }
            Err(error) => self.peer.tell(error, None).await,
        }
    }

    /// The user types, or has stopped.
    pub(super) async fn typing(&mut self, updates: &[TypingUpdate]) -> Result<(), End> {
        match sync::check_typing(updates) {
            Ok(()) => {
                self.app.presence.typing(&self.user, updates, Instant::now());
                Ok(())
            }
            Err(error) => self.peer.tell(error, None).await,
        }
    }

    /// Tells what there is of presence and typing.
    pub(super) async fn push_moments(&mut self) -> Result<(), End> {
        let news = self.watching.news(self.app.store.as_ref()).await;
        for news in news.map_err(|error| End::Error(error.into()))? {
            self.peer.send(&Outbound::Ephemeral(news)).await?;
        }
        Ok(())
    }
}
