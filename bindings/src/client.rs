//! The client: where everything else comes from.

use std::sync::Arc;
use std::time::Duration;

use tidewire::{Content, EventId, EventKind, RoomId, Seq, UserId};

use crate::budget::{Budget, BudgetReport};
use crate::cancel::{CancelToken, or_cancelled};
use crate::error::TidewireError;
use crate::event::EventSubscription;
use crate::message::{OutgoingMessage, no_json};
use crate::mode::{self, AppState, Mode, ModeBatch, ModeSubscription, Network};
use crate::presence::Presence;
use crate::room::{RoomSummary, Unread};
use crate::runtime::{detach, finish, run};
use crate::settings::Settings;
use crate::timeline::{Timeline, TimelineStart};
use crate::token::{Provider, TokenProvider};
use crate::why::Why;

/// What a refresh brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Refreshed {
    /// Whether everything was read and everything that could be sent was sent.
    pub complete: bool,
    /// Events that are on disk now and were not before.
    pub new_events: u64,
    /// Messages that are still in the outbox.
    pub pending: u64,
}

impl From<tidewire::Refreshed> for Refreshed {
    fn from(refreshed: tidewire::Refreshed) -> Self {
        Self {
            complete: refreshed.complete,
            new_events: refreshed.new_events,
            pending: u64::try_from(refreshed.pending).unwrap_or(u64::MAX),
        }
    }
}

/// One user's client. Its background work ends with `shutdown`, or when its last handle is gone.
#[derive(uniffi::Object)]
pub struct Client {
    pub(crate) inner: tidewire::Client,
}

#[uniffi::export]
impl Client {
    /// Opens the store and starts the client. Waits for the disk, never for the network: with what
    /// is cached the client works at once.
    ///
    /// # Errors
    /// `InvalidUrl`, `InvalidId`, `InvalidSetting`, and those of the store.
    #[uniffi::constructor]
    pub async fn open(
        settings: Settings,
        tokens: Arc<dyn TokenProvider>,
    ) -> Result<Arc<Self>, TidewireError> {
        let builder = settings.builder()?.token_provider(Provider(tokens));
        run(async move { Ok(Arc::new(Self { inner: builder.open().await? })) }).await
    }

    /// Whose client this is.
    pub fn user(&self) -> String {
        self.inner.user().to_string()
    }

    /// The mode and its reason, now. Its number means nothing.
    pub fn mode(&self) -> ModeBatch {
        mode::batch(0, self.inner.mode())
    }

    /// The mode and its reason, as they change. Starts with what they are now.
    pub fn watch_mode(&self) -> Arc<ModeSubscription> {
        Arc::new(ModeSubscription::new(self.inner.watch_mode()))
    }

    /// What the client tells of itself, from now on.
    pub fn events(&self) -> Arc<EventSubscription> {
        Arc::new(EventSubscription::new(self.inner.events()))
    }

    /// The rooms, the most recently active first: from memory, also without a network.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn rooms(&self) -> Result<Vec<RoomSummary>, TidewireError> {
        let client = self.inner.clone();
        run(async move { Ok(client.rooms().await?.iter().map(RoomSummary::from).collect()) }).await
    }

    /// What is unread of all rooms together, for a badge: of those that the user is in and has not
    /// archived; muted ones count only what mentions the user. From memory, also while the app is
    /// suspended.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn unread_total(&self) -> Result<Unread, TidewireError> {
        let client = self.inner.clone();
        run(async move { Ok(client.unread_total().await?.into()) }).await
    }

    /// Creates a group with these other members, at most 100, and gives its id; the user owns it.
    /// Waits for the network.
    ///
    /// # Errors
    /// `InvalidId`, `Offline`, `Network`, `AuthRequired`, `Refused`, `Closed`, those of the store.
    pub async fn create_group(
        &self,
        name: String,
        members: Vec<String>,
    ) -> Result<String, TidewireError> {
        let client = self.inner.clone();
        let members: Result<Vec<UserId>, _> = members.into_iter().map(UserId::new).collect();
        let members = members?;
        finish(async move { Ok(client.create_group(name, members).await?.id().to_string()) }).await
    }

    /// The id of the room of this user and `peer`: there is one for each pair, and it is created if
    /// it was not there. Waits for the network.
    ///
    /// # Errors
    /// As for `create_group`.
    pub async fn direct_room(&self, peer: String) -> Result<String, TidewireError> {
        let client = self.inner.clone();
        let peer = UserId::new(peer)?;
        finish(async move { Ok(client.direct_room(peer).await?.id().to_string()) }).await
    }

    /// Opens a timeline of a room anywhere: from memory or disk if what is there is held, else waits
    /// for the network. Timelines at the newest share what they show; any other is at a place of its
    /// own.
    ///
    /// # Errors
    /// `InvalidId`, `UnknownRoom`; `UnknownMessage` if the room has no such message; `Offline` or
    /// `Network` if what is there is not on this device; `Refused`, `Closed`, `Cancelled`, those of the
    /// store.
    pub async fn open_timeline(
        &self,
        room: String,
        start: TimelineStart,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<Timeline>, TidewireError> {
        let (room, start) = (self.room(&room)?, start.parse()?);
        run(async move {
            let open = async { Ok(Arc::new(Timeline::new(room.timeline_at(start).await?))) };
            or_cancelled(cancel.as_deref(), open).await
        })
        .await
    }

    /// Opens a timeline of a message and what stands in its thread: the message first, then the newest
    /// page of the replies. What is missing is fetched and comes as an update.
    ///
    /// # Errors
    /// As for `open_timeline`.
    pub async fn open_thread(
        &self,
        room: String,
        root: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<Timeline>, TidewireError> {
        let (room, root) = (self.room(&room)?, root.parse::<EventId>()?);
        run(async move {
            let open = async { Ok(Arc::new(Timeline::new(room.thread(root).await?))) };
            or_cancelled(cancel.as_deref(), open).await
        })
        .await
    }

    /// Sends a message. Gives its id once it is on disk; by then open timelines show it. From there
    /// on it arrives exactly once, whatever happens to the network or the app. Goes on if the
    /// caller gives up. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// `InvalidId`, `InvalidMessage`, `UnknownRoom`, `NotAMember`, `OutboxFull`, `Closed`, those of
    /// the store.
    pub async fn send(
        &self,
        room: String,
        message: OutgoingMessage,
    ) -> Result<String, TidewireError> {
        let room = self.room(&room)?;
        let content = message.content()?;
        finish(async move { Ok(room.send_message(content).await?.to_string()) }).await
    }

    /// Sends an event of the app's own kind, with its content as JSON: the server carries it without
    /// looking into it. Not one that starts with `room.` or `member.`. As `send`.
    ///
    /// # Errors
    /// As for `send`.
    pub async fn send_as(
        &self,
        room: String,
        kind: String,
        content_json: String,
    ) -> Result<String, TidewireError> {
        let room = self.room(&room)?;
        let content = Content::from_json(content_json).map_err(|error| no_json(&error))?;
        let kind = EventKind::from(kind.as_str());
        finish(async move { Ok(room.send_as(kind, &content).await?.to_string()) }).await
    }

    /// Marks a room as read up to `seq`, also for the user's other devices. Never goes back; beyond
    /// the newest event it counts as that. Survives a restart, and reaches the server when there is
    /// a network. Goes on if the caller gives up. Waits for the disk, never for the network.
    ///
    /// # Errors
    /// `InvalidId`, `UnknownRoom`, `NotAMember`, `Suspended`, `Closed`, those of the store.
    pub async fn mark_read(&self, room: String, seq: u64) -> Result<(), TidewireError> {
        let room = self.room(&room)?;
        finish(async move { Ok(room.mark_read(Seq::new(seq)).await?) }).await
    }

    /// The user types in a room: call it for each keystroke. Returns at once and never fails: where
    /// nobody is to hear of it, nothing happens.
    pub fn typing(&self, room: String) {
        if let Ok(room) = self.room(&room) {
            room.typing();
        }
    }

    /// Who types in a room, the user excepted: from memory.
    ///
    /// # Errors
    /// `InvalidId`, `Closed`, those of the store.
    pub async fn typists(&self, room: String) -> Result<Vec<String>, TidewireError> {
        let room = self.room(&room)?;
        run(async move { Ok(room.typists().await?.iter().map(ToString::to_string).collect()) })
            .await
    }

    /// Where these users stand, in the order asked: from memory. Known are the members of watched
    /// rooms.
    ///
    /// # Errors
    /// `InvalidId`, `Closed`, those of the store.
    pub async fn presence(&self, users: Vec<String>) -> Result<Vec<Presence>, TidewireError> {
        let client = self.inner.clone();
        let users: Result<Vec<UserId>, _> = users.into_iter().map(UserId::new).collect();
        let users = users?;
        run(async move { Ok(client.presence(users).await?.into_iter().map(Presence::from).collect()) })
            .await
    }

    /// Queues a failed message again. Waits for the disk.
    ///
    /// # Errors
    /// `InvalidId`, `UnknownMessage`, `Closed`, those of the store.
    pub async fn retry(&self, room: String, message: String) -> Result<(), TidewireError> {
        let (room, id) = (self.room(&room)?, message.parse::<EventId>()?);
        finish(async move { Ok(room.retry(id).await?) }).await
    }

    /// Takes a failed message out of the outbox, and what was to change it: those behind it go on.
    /// Waits for the disk.
    ///
    /// # Errors
    /// As for `retry`.
    pub async fn discard(&self, room: String, message: String) -> Result<(), TidewireError> {
        let (room, id) = (self.room(&room)?, message.parse::<EventId>()?);
        finish(async move { Ok(room.discard(id).await?) }).await
    }

    /// Tells where the app stands in its lifecycle. The client hears of it at once; this returns
    /// once the state holds: for `Suspended` when no file is open or locked, no timer is armed and
    /// nothing is on its way. Until the app says otherwise, everything that needs the disk or the
    /// network then fails with `Suspended`. Goes on if the caller gives up.
    ///
    /// # Errors
    /// `Internal`.
    pub async fn set_app_state(&self, state: AppState) -> Result<(), TidewireError> {
        let settled = self.inner.set_app_state(state.into());
        finish(async move {
            settled.await;
            Ok(())
        })
        .await
    }

    /// Sends what waits and reads what is new, for the moments that a system grants to an app in
    /// the background. If the app is suspended, the client wakes for it and rests again before this
    /// returns. Waits for the network, at most until the deadline.
    ///
    /// # Errors
    /// `Offline`, `Closed`, those of the store.
    pub async fn refresh_once(&self, deadline_ms: u64) -> Result<Refreshed, TidewireError> {
        let client = self.inner.clone();
        let deadline = Duration::from_millis(deadline_ms);
        // To its end, so that a suspended client rests again whatever becomes of the caller.
        finish(async move { Ok(client.refresh_once(deadline).await?.into()) }).await
    }

    /// Why the mode is what it is. From memory, also while the app is suspended.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn why(&self) -> Result<Why, TidewireError> {
        let client = self.inner.clone();
        run(async move { Ok(client.why().await?.into()) }).await
    }

    /// Why what is shown of a room is or is not all, and new. From memory, also while the app is
    /// suspended.
    ///
    /// # Errors
    /// `InvalidId`, `UnknownRoom`, `Suspended`, `Closed`, those of the store.
    pub async fn why_room(&self, room: String) -> Result<Why, TidewireError> {
        let room = self.room(&room)?;
        run(async move { Ok(room.why().await?.into()) }).await
    }

    /// Why a message of a room is in the state that it is in. From memory if it is in the outbox or
    /// in an open timeline, also while the app is suspended; else waits for the disk.
    ///
    /// # Errors
    /// `InvalidId`, `UnknownMessage`, `Suspended`, `Closed`, those of the store.
    pub async fn why_message(&self, room: String, message: String) -> Result<Why, TidewireError> {
        let (room, id) = (self.room(&room)?, message.parse::<EventId>()?);
        run(async move { Ok(room.why_message(id).await?.into()) }).await
    }

    /// What was spent in the last hour. From memory, also while the app is suspended.
    ///
    /// # Errors
    /// `Closed`.
    pub async fn budget(&self) -> Result<BudgetReport, TidewireError> {
        let client = self.inner.clone();
        run(async move { Ok(client.budget().await?.into()) }).await
    }

    /// Sets what the client may spend in any hour; what it spent in the last one counts. Any number
    /// makes sense. Returns at once.
    pub fn set_budget(&self, budget: Budget) {
        self.inner.set_budget(budget.into());
    }

    /// Tells whether the system saves power: then the highest mode is hybrid. Returns at once.
    pub fn set_power(&self, low: bool) {
        self.inner.set_power(low);
    }

    /// Tells what the network is like. Returns at once.
    pub fn set_network(&self, network: Network) {
        self.inner.set_network(network.into());
    }

    /// Tells which rooms the app shows in a list now, from top to bottom; the first 20 count. In
    /// hybrid they are live before all others that are not open. Returns at once.
    ///
    /// # Errors
    /// `InvalidId`.
    pub fn set_visible_rooms(&self, rooms: Vec<String>) -> Result<(), TidewireError> {
        let rooms: Result<Vec<RoomId>, _> = rooms.iter().map(|room| room.parse()).collect();
        self.inner.set_visible_rooms(&rooms?);
        Ok(())
    }

    /// Sets the highest mode that the app wants, real-time at the start. Returns at once.
    pub fn set_mode_ceiling(&self, mode: Mode) {
        self.inner.set_mode_ceiling(mode.into());
    }

    /// Ends the client: its socket, its timers and its files; subscriptions say `Closed`. What
    /// waits in the outbox is on disk and goes out after the next start. Goes on if the caller
    /// gives up. Waits for the disk.
    ///
    /// # Errors
    /// `Internal`.
    pub async fn shutdown(&self) -> Result<(), TidewireError> {
        let client = self.inner.clone();
        finish(async move {
            client.close().await;
            Ok(())
        })
        .await
    }

    /// Begins a `shutdown` and does not wait for it: for a `close` that must not take long.
    pub fn begin_shutdown(&self) {
        let client = self.inner.clone();
        detach(async move { client.close().await });
    }
}

impl Client {
    pub(crate) fn room(&self, id: &str) -> Result<tidewire::Room, TidewireError> {
        Ok(self.inner.room(id.parse::<RoomId>()?))
    }
}
