//! How a client begins: where, who, with which knobs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tidewire_protocol::{AppState, Mode, UserId};
use tokio::sync::{broadcast, mpsc, watch};

use crate::client::Client;
use crate::config::{Config, InvalidConfig};
use crate::driver::{self, Address, Parts, Recorder, Trust};
use crate::engine::{Budget, ModeReport, Reason, TokenError};
use crate::error::Error;
use crate::files::FileFolder;
use crate::store::Store;
use crate::token::{FixedToken, TokenProvider};
use crate::trace::Recording;

/// Events that a slow receiver may fall behind before it misses some.
const EVENTS: usize = 256;

/// Sets up a [`Client`]. See [`Client::builder`].
pub struct ClientBuilder {
    url: String,
    config: Config,
    tokens: Option<Arc<dyn TokenProvider>>,
    data_dir: Option<PathBuf>,
    recording: Option<(PathBuf, Recording)>,
    accept_loss: bool,
    roots: Option<Vec<u8>>,
}

impl std::fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("url", &self.url)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

macro_rules! knobs {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.config.$name = $name;
            self
        })*
    };
}

impl ClientBuilder {
    pub(crate) fn new(url: String, user: UserId) -> Self {
        Self {
            url,
            config: Config::new(user),
            tokens: None,
            data_dir: None,
            recording: None,
            accept_loss: false,
            roots: None,
        }
    }

    /// Where tokens come from. Without it, and without [`ClientBuilder::token`], the client works
    /// on what is cached and reports `AuthRequired`.
    #[must_use]
    pub fn token_provider(mut self, tokens: impl TokenProvider) -> Self {
        self.tokens = Some(Arc::new(tokens));
        self
    }

    /// One token that is never renewed: for tools and tests.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        self.token_provider(FixedToken(token.into()))
    }

    /// The folder for all accounts' data; each account gets a folder of its own in it. Without it
    /// everything is kept in memory and ends with the client, pending sends too.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// Whether to begin although something that exists nowhere else is damaged beyond reading: pending
    /// sends. Unless told, [`ClientBuilder::open`] fails with [`crate::StoreError::Damaged`] then
    /// and changes nothing. Told, it keeps what can be read and sets the damaged file aside, and
    /// [`crate::Problem::Repaired`] tells of it. Ask the user first.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }

    /// Certificates, as PEM, by which the server's own may be signed besides those that Mozilla trusts: for servers
    /// whose certificates come from an authority of one's own. Unless told, there are none.
    /// [`ClientBuilder::open`] fails with [`Error::InvalidConfig`] where it holds none that can be used.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Some(pem.into());
        self
    }

    /// Records what the client is given and what it decides into a file, to be replayed elsewhere:
    /// see [`crate::trace`]. A file that is there already is replaced. The recording ends at 64 MiB,
    /// and when the disk does not keep up or is full; the client goes on. Tokens are never in it.
    #[must_use]
    pub fn record(mut self, file: impl Into<PathBuf>, recording: Recording) -> Self {
        self.recording = Some((file.into(), recording));
        self
    }

    knobs! {
        /// Where the app stands now: in the foreground unless told. In the background no socket is
        /// opened.
        app_state: AppState;
        /// Rooms that are live at once in hybrid: 0 to 20, 5 unless told.
        max_concurrent_rooms: usize;
        /// In a burst, at most one timeline update in this time: 0 to 60 s, 1 s unless told. A
        /// quiet room shows at once.
        message_buffer_time: Duration;
        /// Longest silence in the foreground: 1 s to 10 min, 30 s unless told. After 2.5 of them
        /// peers see the user offline.
        presence_heartbeat_interval: Duration;
        /// The same in the background, and how often the feed is polled there: 60 s unless told.
        background_heartbeat_interval: Duration;
        /// How often the feed is polled in hybrid and polling: 100 ms to 10 min, 5 s unless told.
        polling_interval: Duration;
        /// The same on a 2G network: 10 s unless told.
        slow_polling_interval: Duration;
        /// Messages of one room kept in memory: 50 to 100,000, 500 unless told.
        max_messages_per_room: usize;
        /// Bytes of messages kept in memory, of all open timelines together: at least 1 MB, 24 MB
        /// unless told. Above it timelines that were not opened or scrolled lately keep their newest
        /// page only; the rest of it comes again by `load_older`.
        memory_bytes: u64;
        /// How long profiles and room metadata count as fresh: 300 s unless told.
        cache_ttl: Duration;
        /// Time over which changes that audience or policy ask for are spread: 0 to 10 min, 10 s
        /// unless told.
        spread: Duration;
        /// Bytes of messages kept on disk: at least 1 MB, 256 MB unless told. Above it the oldest
        /// messages of the rooms that were not opened for longest go first, but for the newest 50 of each
        /// room; pending sends never do. What went is fetched again when somebody scrolls there.
        cache_bytes: u64;
        /// Bytes of downloaded files kept on disk: at least 1 MB, 256 MB unless told. Above it those that
        /// were not used for longest go first; one that the app holds ([`crate::LocalFile`]) never does.
        file_cache_bytes: u64;
        /// Operations that may wait in the outbox: 1 to 1,000,000, 10,000 unless told.
        outbox_capacity: usize;
        /// What the client may spend in any hour: without limits unless told. Any number makes
        /// sense: see [`Budget`].
        budget: Budget;
    }

    /// Opens the store and starts the client. Waits for the disk, never for the network: with what
    /// is cached the client works at once. Needs a tokio runtime, on which it then runs.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], [`Error::InvalidConfig`], [`Error::Store`].
    pub async fn open(self) -> Result<Client, Error> {
        let opened = tokio::time::Instant::now();
        self.config.validate()?;
        let mut address = Address::parse(&self.url)?;
        if let Some(pem) = &self.roots {
            address.trust = Trust::with(pem).map_err(|reason| {
                tracing::warn!(%reason, "the root certificates cannot be used");
                InvalidConfig { knob: "root_certificates", bounds: "certificates as PEM" }
            })?;
        }
        let store = match &self.data_dir {
            Some(folder) => Store::open(&folder.join(self.account()), self.accept_loss).await?,
            None => Store::in_memory().await?,
        };
        let files = self.data_dir.as_ref().map(|folder| folder.join(self.account()));
        let files = Arc::new(FileFolder::new(files, store.outgoing()));
        let recorder = match &self.recording {
            Some((path, recording)) => Some(Recorder::begin(path, *recording, store.lane()).await?),
            None => None,
        };
        let user = self.config.user.clone();
        let (asks, inbox) = mpsc::unbounded_channel();
        let starting = ModeReport { mode: Mode::Polling, reason: Reason::Starting };
        let (mode, modes) = watch::channel(starting);
        let (events, _) = broadcast::channel(EVENTS);
        let tokens = self.tokens.unwrap_or_else(|| Arc::new(no_token));
        let weak_events = events.downgrade();
        driver::spawn(Parts {
            config: self.config,
            address,
            tokens,
            store,
            files: files.clone(),
            opened,
            recorder,
            mode,
            events,
            asks: inbox,
        })?;
        Ok(Client::new(asks, user, modes, weak_events, files))
    }

    /// The account's folder: a hash, because user ids may hold what file systems do not take.
    fn account(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.url.trim_end_matches('/'));
        hash.update([0]);
        hash.update(self.config.user.as_str());
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

async fn no_token() -> Result<String, TokenError> {
    Err(TokenError("the app gave no token provider".into()))
}
