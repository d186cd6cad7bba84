//! Presence and typing on a socket: behind everything else, conflated, and left out when the other
//! side has enough to read.

use std::time::{Duration, Instant};

use tidewire_protocol::{Ephemeral, PeerTyping, RoomId, TypingUpdate, limits};
use tokio::time::Instant as Deadline;

use super::peer::{End, Outbound};
use super::session::Session;
use crate::inbox::Moments;
use crate::presence::left_ms;
use crate::sync;

/// Pause between two frames of it: what happens meanwhile goes together. An eye takes 200 ms for at
/// once, and a crowd that comes back makes 5 frames a second here instead of hundreds.
const PAUSE: Duration = Duration::from_millis(200);

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
        let Moments { presence, typing, shed } = self.inbox.take_moments();
        if shed {
            self.watching.begin_anew();
        }
        let now = Instant::now();
        let typing = typing.into_iter().map(|((room, user), until)| {
            let ttl_ms = left_ms(until, now);
            PeerTyping { room, user, ttl_ms }
        });
        let news = Ephemeral {
            presence: presence.into_values().collect(),
            typing: typing.collect(),
            to: None,
        };
        self.send_ephemeral(news).await?;
        if self.watching.is_behind() {
            // After the news: it is newer than they are.
            let first = self.watching.first(self.app.store.as_ref()).await;
            let first = first.map_err(|error| End::Error(error.into()))?;
            self.send_ephemeral(first).await?;
        }
        self.calm_until = Deadline::now() + PAUSE;
        Ok(())
    }

    async fn send_ephemeral(&mut self, mut news: Ephemeral) -> Result<(), End> {
        while !news.is_empty() {
            let most = news.presence.len().min(limits::PRESENCE_PER_FRAME);
            let rest =
                Ephemeral { presence: news.presence.split_off(most), ..Ephemeral::default() };
            self.peer.send(&Outbound::Ephemeral(news)).await?;
            news = rest;
        }
        Ok(())
    }
}
