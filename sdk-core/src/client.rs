//! The client: the handle that everything else comes from.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tidewire_protocol::{
    AppState, Attachment, ErrorCode, Mode, NewRoom, Profile, ProfileUpdate, RoomId, RoomKind,
    UserId, WireError, limits,
};
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use uuid::Uuid;

use crate::ask::{Ask, Asker};
use crate::builder::ClientBuilder;
use crate::engine::{
    Budget, BudgetReport, CacheReport, Command, DownloadId, ListId, Logout, ModeReport, Network,
    Presence, Refreshed, Reply, RoomListQuery, RoomSummary, Signal, Stats, Subject, TimelineId,
    Unread, Why,
};
use crate::error::Error;
use crate::event::ClientEvent;
use crate::files::{Download, FileFolder};
use crate::room::Room;
use crate::room_list::RoomList;
use crate::search::{self, SearchPage, SearchQuery};

/// One user's client: a cheap clone of a handle. Its background work ends when the last handle is
/// dropped, or with [`Client::close`]. Timelines and rooms are handles too.
///
/// Every method that is not `async` returns at once. An `async` one says what it waits for; none
/// keeps the caller's thread.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    asker: Asker,
    user: UserId,
    mode: watch::Receiver<ModeReport>,
    /// Held by the client's task alone: when that ends, the receivers hear of it.
    events: broadcast::WeakSender<ClientEvent>,
    /// Numbers timelines and lists of rooms.
    subscriptions: AtomicU64,
    /// Whether the app said last that it is suspended.
    suspended: AtomicBool,
    files: Arc<FileFolder>,
}

/// The way of a client into a state: awaited, it is there once the state holds. See
/// [`Client::set_app_state`].
#[derive(Debug)]
pub struct Settled(oneshot::Receiver<()>);

impl Future for Settled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}

impl Client {
    /// Begins a client of the server at `url` (`https://host[:port]`) for `user`.
    pub fn builder(url: impl Into<String>, user: UserId) -> ClientBuilder {
        ClientBuilder::new(url.into(), user)
    }

    pub(crate) fn new(
        asks: mpsc::UnboundedSender<Ask>,
        user: UserId,
        mode: watch::Receiver<ModeReport>,
        events: broadcast::WeakSender<ClientEvent>,
        files: Arc<FileFolder>,
    ) -> Self {
        let asker = Asker::new(asks);
        let subscriptions = AtomicU64::new(0);
        let suspended = AtomicBool::new(false);
        let inner = Inner { asker, user, mode, events, subscriptions, suspended, files };
        Self { inner: Arc::new(inner) }
    }

    /// Whose client this is.
    pub fn user(&self) -> &UserId {
        &self.inner.user
    }

    /// The mode and its reason, now.
    pub fn mode(&self) -> ModeReport {
        *self.inner.mode.borrow()
    }

    /// The mode and its reason, as they change. Starts with what they are now.
    pub fn watch_mode(&self) -> watch::Receiver<ModeReport> {
        let mut mode = self.inner.mode.clone();
        mode.mark_changed();
        mode
    }

    /// What the client tells of itself, from now on, until it is closed. A receiver that falls 256
    /// events behind is told how many it missed.
    pub fn events(&self) -> broadcast::Receiver<ClientEvent> {
        match self.inner.events.upgrade() {
            Some(events) => events.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    /// The rooms, the most recently active first: from memory, also without a network.
    ///
    /// # Errors
    /// [`Error::Closed`]; [`Error::Suspended`] if the app was suspended before they were loaded.
    pub async fn rooms(&self) -> Result<Vec<RoomSummary>, Error> {
        match self.inner.asker.ask(Command::Rooms).await? {
            Reply::Rooms(rooms) => Ok(rooms),
            other => Err(self.inner.asker.unexpected(&other)),
        }
    }

    /// Opens a list of rooms, sorted and filtered: for a screen that scrolls. From memory, also
    /// without a network. While a list is open the client fetches ahead what it shows: see
    /// [`RoomList::set_visible`].
    ///
    /// ```no_run
    /// use tidewire::{RoomListQuery, RoomSort};
    ///
    /// # async fn example(client: tidewire::Client) -> Result<(), tidewire::Error> {
    /// let query = RoomListQuery { sort: RoomSort::UnreadFirst, ..RoomListQuery::default() };
    /// let mut list = client.room_list(query).await?;
    /// list.set_visible(0, 12)?;
    /// let mut rows = Vec::new();
    /// loop {
    ///     list.next().await?.update.apply(&mut rows);
    ///     for row in rows.iter().take(12) {
    ///         println!("{:?}: {} unread", row.name, row.unread.messages);
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Closed`]; [`Error::Suspended`] if the app is suspended.
    pub async fn room_list(&self, query: RoomListQuery) -> Result<RoomList, Error> {
        RoomList::open(self.inner.asker.clone(), ListId(self.subscription()), query).await
    }

    /// What is unread of all rooms together, for a badge: of those that the user is in and has not
    /// archived; muted ones count only what mentions the user. From memory, also while the app is
    /// suspended; [`ClientEvent::UnreadTotalChanged`] tells of changes.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn unread_total(&self) -> Result<Unread, Error> {
        match self.inner.asker.ask(Command::UnreadTotal).await? {
            Reply::UnreadTotal(total) => Ok(total),
            other => Err(self.inner.asker.unexpected(&other)),
        }
    }

    /// A handle of a room. Whether the room is known shows when it is used.
    pub fn room(&self, id: RoomId) -> Room {
        Room::new(self.clone(), id)
    }

    /// Creates a group with these other members, at most 100; this user owns it. More are invited
    /// with [`Room::add_members`], and [`Room::leave`] leaves it. Waits for the network.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Network`], [`Error::AuthRequired`], [`Error::Refused`],
    /// [`Error::Store`], [`Error::Closed`].
    pub async fn create_group(
        &self,
        name: impl Into<String>,
        members: Vec<UserId>,
    ) -> Result<Room, Error> {
        self.create(RoomKind::Group, Some(name.into()), members).await
    }

    /// The room of this user and `peer`: there is one for each pair, and it is created if it was
    /// not there. Waits for the network.
    ///
    /// # Errors
    /// As for [`Client::create_group`].
    pub async fn direct_room(&self, peer: UserId) -> Result<Room, Error> {
        self.create(RoomKind::Direct, None, vec![peer]).await
    }

    async fn create(
        &self,
        kind: RoomKind,
        name: Option<String>,
        members: Vec<UserId>,
    ) -> Result<Room, Error> {
        let id = RoomId::from_uuid(Uuid::now_v7());
        let command = Command::CreateRoom(NewRoom { id, kind, name, members });
        let state = self.inner.asker.room(command).await?;
        Ok(self.room(state.id))
    }

    /// Profiles of users, in the order asked: from memory or disk as they were last seen, and of users
    /// of whom nothing is known from the server. Those that are older than `cache_ttl` are given at
    /// once too, and fetched; if they are others by now, [`ClientEvent::ProfilesChanged`] says so. All
    /// that is asked for within 20 ms, by whatever calls, is one request for each 100 users; nobody is
    /// asked for who is on the way already. So a list may ask for each of its rows. Without a network,
    /// and while the app is suspended, a user of whom nothing is known has an empty profile; what is
    /// missing then is fetched, and told, afterwards.
    ///
    /// Peers and last senders of the rooms that the app shows (see [`Client::set_visible_rooms`]) are
    /// fetched without being asked for.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Closed`].
    pub async fn profiles(&self, users: Vec<UserId>) -> Result<Vec<Profile>, Error> {
        let mut profiles = Vec::with_capacity(users.len());
        // In turns, so that however many are asked for, few wait in the engine.
        for users in users.chunks(limits::PROFILES_BATCH) {
            let command = Command::Profiles(users.to_vec());
            profiles.extend(self.inner.asker.profiles(command).await?);
        }
        Ok(profiles)
    }

    /// Replaces the user's own profile. Waits for the network. A name of more than 256 bytes, and an
    /// avatar URL of more than 1,024, are refused with `invalid_content` here as the server would.
    ///
    /// # Errors
    /// As for [`Client::create_group`].
    pub async fn update_profile(&self, update: ProfileUpdate) -> Result<Profile, Error> {
        let over =
            |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.len() > most);
        if over(&update.name, limits::NAME_BYTES) || over(&update.avatar_url, limits::URL_BYTES) {
            let (name, url) = (limits::NAME_BYTES, limits::URL_BYTES);
            let text = format!("a name has at most {name} bytes, an avatar URL {url}");
            return Err(Error::Refused(WireError::new(ErrorCode::InvalidContent, text)));
        }
        let profiles = self.inner.asker.profiles(Command::UpdateProfile(update)).await?;
        profiles.into_iter().next().ok_or(Error::Closed)
    }

    /// Looks for messages: the newest first, at most 50 a page. With [`SearchScope::Device`] it looks
    /// through what is on this device and waits for the disk only. With [`SearchScope::Everywhere`] it
    /// asks the server too, unless all there is is here already; then it waits for the network. Without
    /// one it gives what is here, and `complete` says that this is not everything.
    ///
    /// So an app that shows hits while somebody types asks the device at each letter, and everywhere
    /// once the person pauses and the page was not `complete`:
    ///
    /// ```no_run
    /// # use tidewire::{SearchQuery, SearchScope};
    /// # async fn example(client: tidewire::Client) -> Result<(), tidewire::Error> {
    /// let query = SearchQuery::new("café tom");
    /// let mut page = client.search(query.clone()).await?;
    /// if !page.complete {
    ///     page = client.search(query.scope(SearchScope::Everywhere)).await?;
    /// }
    /// for hit in page.hits {
    ///     let snippet: String = hit.snippet.into_iter().map(|part| part.text).collect();
    ///     println!("{}: {snippet}", hit.message.sender);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidSearch`], [`Error::UnknownRoom`], [`Error::Refused`], [`Error::Store`],
    /// [`Error::Closed`]; for a page that goes on with what the server found also [`Error::Offline`],
    /// [`Error::Network`], [`Error::AuthRequired`].
    ///
    /// [`SearchScope::Device`]: crate::SearchScope::Device
    /// [`SearchScope::Everywhere`]: crate::SearchScope::Everywhere
    pub async fn search(&self, query: SearchQuery) -> Result<SearchPage, Error> {
        search::search(&self.inner.asker, query).await
    }

    /// Gets a file of a message, unless it is on this device already. The client begins at once and carries it
    /// through: in every mode but offline, on from what is there after a cut or a restart, and not while the app
    /// is suspended. Several downloads of one file are one; at most 3 files come at a time, those asked for first
    /// before the others. What came is kept for as long as [`ClientBuilder::file_cache_bytes`] allows. Bytes
    /// of files count for the budget, and files are got whatever it says.
    ///
    /// ```no_run
    /// # async fn example(client: tidewire::Client, message: tidewire::Message) -> Result<(), tidewire::Error> {
    /// for attachment in message.attachments() {
    ///     let download = client.download(&attachment);
    ///     let mut progress = download.watch_progress();
    ///     tokio::spawn(async move {
    ///         while progress.changed().await.is_ok() {
    ///             let so_far = *progress.borrow_and_update();
    ///             println!("{} of {} bytes", so_far.bytes, so_far.size);
    ///         }
    ///     });
    ///     let file = download.file().await?;
    ///     println!("{}: {}", attachment.name, file.path().display());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn download(&self, attachment: &Attachment) -> Download {
        let id = DownloadId(self.subscription());
        Download::begin(self.inner.asker.clone(), &self.inner.files, id, attachment)
    }

    /// Where these users stand, in the order asked: from memory, as last told by
    /// [`ClientEvent::PresenceChanged`]. Known are the members of watched rooms: the 20 that
    /// are nearest to the eye (see [`Client::set_visible_rooms`]), each of at most 100 members unless
    /// the server states less. All others are [`Presence::Unknown`], and so is everybody in the
    /// background, without a network, and once the server was not heard for 30 s (or 2.5 polls, if
    /// those are slower); the user himself always is.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Closed`].
    pub async fn presence(&self, users: Vec<UserId>) -> Result<Vec<Presence>, Error> {
        match self.inner.asker.ask(Command::Presence(users)).await? {
            Reply::Presence(presence) => Ok(presence),
            other => Err(self.inner.asker.unexpected(&other)),
        }
    }

    /// Counters since the start.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn stats(&self) -> Result<Stats, Error> {
        self.all_stats().await.map(|(stats, _)| stats)
    }

    /// The same counters by the mode that they were counted in.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn stats_by_mode(&self) -> Result<BTreeMap<Mode, Stats>, Error> {
        self.all_stats().await.map(|(_, modes)| modes)
    }

    /// Why the mode is what it is: every ceiling with what it allows, which one binds and for how
    /// long, and what the client waits for. From memory, also while the app is suspended.
    ///
    /// ```no_run
    /// # async fn example(client: tidewire::Client) -> Result<(), tidewire::Error> {
    /// let why = client.why().await?;
    /// println!("{}", why.sentence);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn why(&self) -> Result<Why, Error> {
        self.inner.asker.why(Subject::Mode).await
    }

    /// What was spent in the last hour of what [`Client::set_budget`] or the builder allows. Also
    /// without limits, and while the app is suspended.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn budget(&self) -> Result<BudgetReport, Error> {
        match self.inner.asker.ask(Command::Budget).await? {
            Reply::Budget(report) => Ok(report),
            other => Err(self.inner.asker.unexpected(&other)),
        }
    }

    /// Sets what the client may spend in any hour, from now on; what it spent in the last hour
    /// counts. Any number makes sense: see [`Budget`] for what 0 does.
    pub fn set_budget(&self, budget: Budget) {
        self.signal(Signal::Budget(budget));
    }

    async fn all_stats(&self) -> Result<(Stats, BTreeMap<Mode, Stats>), Error> {
        match self.inner.asker.ask(Command::Stats).await? {
            Reply::Stats(stats, modes) => Ok((*stats, modes)),
            other => Err(self.inner.asker.unexpected(&other)),
        }
    }

    /// Tells where the app stands in its lifecycle. The client hears of it at once, whether or not
    /// the result is awaited; awaited, it is there once the state holds.
    ///
    /// In the background the socket is kept for 5 s more, then the feed is polled, every 60 s unless
    /// told otherwise. For [`AppState::Suspended`] await the result: then no file is open or locked,
    /// no timer is armed and nothing is on its way. Until the app says otherwise, rooms are told
    /// from memory and everything else that needs the disk or the network fails with
    /// [`Error::Suspended`].
    pub fn set_app_state(&self, state: AppState) -> Settled {
        self.inner.suspended.store(state == AppState::Suspended, Ordering::Release);
        self.settle(Signal::AppState(state))
    }

    fn settle(&self, signal: Signal) -> Settled {
        let (done, settled) = oneshot::channel();
        // After `close` everything has settled for good.
        let _ = self.inner.asker.tell(Ask::Settle(signal, done));
        Settled(settled)
    }

    /// Sends what waits and reads the feed to its end, for the moments that a system grants to an
    /// app in the background. If the app is suspended, the client wakes for it and rests again
    /// before this returns. Waits for the network, at most until the deadline; what did not come
    /// about by then comes about later.
    ///
    /// # Errors
    /// [`Error::Offline`], [`Error::Store`], [`Error::Closed`].
    pub async fn refresh_once(&self, deadline: Duration) -> Result<Refreshed, Error> {
        let suspended = self.inner.suspended.load(Ordering::Acquire);
        if suspended {
            self.settle(Signal::AppState(AppState::Background)).await;
        }
        let result = self.refresh_until(deadline).await;
        // The app may have come to the foreground meanwhile.
        if suspended && self.inner.suspended.load(Ordering::Acquire) {
            self.settle(Signal::AppState(AppState::Suspended)).await;
        }
        result
    }

    async fn refresh_until(&self, deadline: Duration) -> Result<Refreshed, Error> {
        let before = self.stats().await?.events;
        let refresh = self.inner.asker.ask(Command::Refresh);
        match tokio::time::timeout(deadline, refresh).await {
            Ok(Ok(Reply::Refreshed(refreshed))) => Ok(refreshed),
            Ok(Ok(other)) => Err(self.inner.asker.unexpected(&other)),
            Ok(Err(error)) => Err(error),
            Err(_) => {
                let pending = self.rooms().await?.iter().map(|room| room.pending).sum();
                let new_events = self.stats().await?.events.saturating_sub(before);
                Ok(Refreshed { complete: false, new_events, pending })
            }
        }
    }

    /// Tells whether the system saves power: then the highest mode is hybrid.
    pub fn set_power(&self, low: bool) {
        self.signal(Signal::Power { low });
    }

    /// Tells what the network is like.
    pub fn set_network(&self, network: Network) {
        self.signal(Signal::Network(network));
    }

    /// Sets the highest mode that the app wants, [`Mode::RealTime`] at the start.
    pub fn set_mode_ceiling(&self, mode: Mode) {
        self.signal(Signal::Ceiling(mode));
    }

    /// Tells which rooms the app shows in a list now, from top to bottom; the first 20 count. In
    /// hybrid at most [`ClientBuilder::max_concurrent_rooms`] rooms are live: open timelines before
    /// visible rooms, these before unread ones, and the most recently active last.
    pub fn set_visible_rooms(&self, rooms: &[RoomId]) {
        // After `close` there is nobody to tell.
        let _ = self.inner.asker.tell(Ask::Tell(Command::SetVisible(rooms.to_vec())));
    }

    fn signal(&self, signal: Signal) {
        // After `close` there is nobody to tell, and nothing to be told.
        let _ = self.inner.asker.tell(Ask::Signal(signal));
    }

    /// Ends the client: its socket, its timers and its files. What waits in the outbox is on disk
    /// and goes out after the next start. Waits for the disk.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.inner.asker.tell(Ask::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }

    /// Ends the client and the account on this device: its socket, its timers, what it has in memory,
    /// and all its files, those of [`ClientBuilder::record`] excepted. With [`Logout::Keep`] that is
    /// refused while something waits to be sent; reading the feed and sending go on then. Once it
    /// has begun it is carried through, awaited or not. Waits for the disk.
    ///
    /// ```no_run
    /// # async fn example(client: tidewire::Client) -> Result<(), tidewire::Error> {
    /// use tidewire::{Error, Logout};
    /// match client.logout(Logout::Keep).await {
    ///     Err(Error::PendingSends { pending }) => println!("{pending} messages would be lost"),
    ///     done => done?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::PendingSends`] and, while the app is suspended, [`Error::Suspended`] with
    /// [`Logout::Keep`]: nothing has changed then. [`Error::Store`]: the client has ended, and some of its
    /// files may be left. [`Error::Closed`].
    pub async fn logout(&self, logout: Logout) -> Result<(), Error> {
        match self.inner.asker.ask(Command::Logout(logout)).await? {
            Reply::Done => Ok(()),
            other => Err(self.inner.asker.unexpected(&other)),
        }
    }

    /// Which tier (memory, disk, server) answered how many reads, how fast, and what each holds; and
    /// how long the client took to its first byte, list and screen. The store's files are asked
    /// for their size: this waits for the disk.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Suspended`], [`Error::Closed`].
    pub async fn cache_report(&self) -> Result<CacheReport, Error> {
        match self.inner.asker.ask(Command::CacheReport).await? {
            Reply::Cache(report) => Ok(*report),
            other => Err(self.inner.asker.unexpected(&other)),
        }
    }

    pub(crate) fn asker(&self) -> &Asker {
        &self.inner.asker
    }

    pub(crate) fn timeline_id(&self) -> TimelineId {
        TimelineId(self.subscription())
    }

    fn subscription(&self) -> u64 {
        self.inner.subscriptions.fetch_add(1, Ordering::Relaxed) + 1
    }
}
