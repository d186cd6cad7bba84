//! Start and stop: what is opened in which order, and closed in the reverse.

use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use tidewire_protocol::{UserId, WireError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

use crate::accept::serve;
use crate::accounts::Accounts;
use crate::admission::{Door, Farewell};
use crate::app::App;
use crate::applier::Applier;
use crate::auth::{self, Jwks, KeyError, Keys, Revocation, Tokens};
use crate::bus::{Bus, InProcess, RedisAddress, RedisBus};
use crate::config::{Config, Secret};
use crate::cursor::Cursors;
use crate::files::{self, Files};
use crate::health::Looks;
use crate::http;
use crate::hub::Hub;
use crate::load::{self, Bounds, Load};
use crate::memory::{self, Diary};
use crate::metrics::Metrics;
use crate::monitor;
use crate::policy::Audience;
use crate::presence::{self, Presence};
use crate::rate::RateLimiter;
use crate::stop::Stop;
use crate::store::hot::Hot;
use crate::store::postgres::{self, PostgresStore};
use crate::store::sqlite::{OpenError, SqliteStore};
use crate::store::{Store, StoreError};
use crate::tls::{self, Tls};
use crate::visitor::Visitors;

/// How long a stop waits for requests and sockets to end, before it ends them.
const DRAIN: Duration = Duration::from_secs(10);
/// How often sockets hear of the audience at most.
const AUDIENCE_TICK: Duration = Duration::from_secs(1);
/// They hear of it at least as often, in ticks: a policy holds 60 s.
const AUDIENCE_RENEW_TICKS: u32 = 25;
/// However late the event loop is, this part of the polls is answered.
const POLLS_FLOOR: u32 = 10;
/// Pause after a connection could not be accepted, most often for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data folder cannot be made or written to.
    #[error("the data folder {path}: {source}; give a folder that this user may write to", path = path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Another server runs on the folder.
    #[error(
        "another tidewire-server runs on the data folder {path}: stop it, or give this one a \
         folder of its own with --data",
        path = path.display()
    )]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// The secret cannot be had.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The database file is something else.
    #[error(
        "{path} is no SQLite database: restore it from a backup, or move it away to start with an \
         empty one",
        path = path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database was written by a newer version.
    #[error(
        "{path} was written by a newer version (schema {found}, this version knows {known}): run \
         that version",
        path = path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: usize,
        /// The newest schema that this version knows.
        known: usize,
    },
    /// The database cannot be opened.
    #[error("the database {path} cannot be opened: {reason}", path = path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database says.
        reason: String,
    },
    /// There is nothing to import.
    #[error("there is no tidewire.db in {path}: give the data folder of a server with --data", path = path.display())]
    NoDatabase {
        /// The folder.
        path: PathBuf,
    },
    /// PostgreSQL cannot be used.
    #[error("{reason}")]
    Postgres {
        /// What is wrong and what to do.
        reason: String,
    },
    /// Redis cannot be used.
    #[error("{reason}")]
    Redis {
        /// What is wrong and what to do.
        reason: String,
    },
    /// Files cannot be kept.
    #[error("files cannot be kept: {reason}")]
    Files {
        /// What is wrong.
        reason: String,
    },
    /// There is no such account.
    #[error("{user} has no account: give the id by which somebody has registered")]
    NoAccount {
        /// Whose was asked for.
        user: UserId,
    },
    /// Accounts cannot be kept so.
    #[error("accounts cannot be kept: {reason}")]
    Accounts {
        /// What is wrong.
        reason: String,
    },
    /// The certificate or its key cannot be used.
    #[error("{reason}")]
    Tls {
        /// What is wrong and what to do.
        reason: String,
    },
    /// The address of those who watch cannot be listened on.
    #[error("cannot listen on {addr}: {source}; give another address with --metrics-listen")]
    BindMetrics {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; give another address with --listen")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A running server.
///
/// Dropping it stops it without waiting; [`Server::stop`] waits until everything is closed.
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// use std::time::Duration;
/// use tidewire_server::{Config, Server};
///
/// let server = Server::start(Config::new(folder.path())).await?;
/// let token = server.keys().mint(&"ada".parse()?, Duration::from_secs(3600))?;
/// println!("{} speaks at {}", token, server.url());
/// server.stop().await;
/// # Ok(()) }
/// ```
pub struct Server {
    addr: SocketAddr,
    metrics_addr: Option<SocketAddr>,
    keys: Keys,
    app: Arc<App>,
    stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

impl Server {
    /// Opens the data folder, and listens. Waits for the disk.
    ///
    /// # Errors
    /// [`StartError`], which says what to do.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let opened = {
            let config = config.clone();
            tokio::task::spawn_blocking(move || Opened::open(&config)).await
        };
        // Cancelled only when the runtime is on its way down.
        let Opened { lock, keys, files, tls } = opened.map_err(|error| {
            StartError::Database { path: config.data_dir.clone(), reason: error.to_string() }
        })??;
        let jwks = match config.token_keys.clone() {
            Some(source) => Some(Jwks::open(source).await?),
            None => None,
        };
        let metrics = Metrics::new();
        let hot = Arc::new(Hot::new(config.hot_event_bytes, metrics.hot()));
        let (store, bus) = open_store(&config, &keys, hot).await?;
        let bind = |source| StartError::Bind { addr: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(bind)?;
        let addr = listener.local_addr().map_err(bind)?;
        let watchers = match config.metrics_listen {
            Some(addr) => Some(listen_for_metrics(addr).await?),
            None => None,
        };
        let metrics_addr = watchers.as_ref().map(|(_, addr)| *addr);
        let (dir, shared) = (config.data_dir.clone(), config.postgres_url.is_some());
        let unreadable = |error: StoreError| match shared {
            true => StartError::Postgres { reason: error.to_string() },
            false => StartError::Database { path: dir.clone(), reason: error.to_string() },
        };
        let heads = store.heads().await.map_err(unreadable)?;

        let (stop, stopping) = Stop::channel();
        let (done, stopped) = watch::channel(false);
        let hub = Hub::new(heads, bus.subscribe());
        let cursors =
            Cursors::new(keys.secret(), store.epoch(), store.shards(), config.cursor_max_age);
        let audience = Audience::of(config.policy, 0, 0, config.socket_capacity);
        let expected = memory::recall(&config.data_dir);
        let presence =
            Arc::new(Presence::expecting(expected, config.ephemeral_members, Instant::now()));
        let tokens = Tokens::new(keys.clone(), config.token_rules.clone(), jwks);
        // Before anybody comes: what was revoked is never believed again, also after a restart.
        tokens.revoked().follow(store.as_ref()).await.map_err(unreadable)?;
        let accounts =
            config.accounts.map(|rules| Accounts::new(rules, &keys, &metrics, bus.is_shared()));
        let accounts = accounts.transpose().map_err(|reason| StartError::Accounts { reason })?;
        let app = Arc::new(App {
            tokens,
            accounts,
            cursors,
            store: store.clone(),
            bus: bus.clone(),
            hub: hub.clone(),
            presence: presence.clone(),
            limiter: match bus.is_shared() {
                true => RateLimiter::shared(config.rate_limit, "operations"),
                false => RateLimiter::new(config.rate_limit, "operations"),
            },
            files,
            tls: tls.clone(),
            door: Door::new(config.admission_per_second, config.admission_floor),
            polls: Door::new(config.polls_per_second, config.polls_per_second / POLLS_FLOOR),
            farewell: Farewell::default(),
            load: Load::new(
                Bounds { lag: config.max_lag, database: config.max_database_time },
                config.socket_capacity,
                Instant::now(),
            ),
            metrics: metrics.clone(),
            health: Looks::default(),
            sockets: watch::Sender::new(0),
            audience: watch::Sender::new(audience),
            stop: stopping.clone(),
            config,
        });
        if bus.is_shared() {
            presence.begin_sharing();
        }
        let applier = Applier::new(store.clone(), bus.clone(), hub, presence, metrics);
        let serving = app.clone();
        let mut tasks = vec![
            tokio::spawn(applier.run(bus.subscribe(), stopping.clone())),
            tokio::spawn(watch_lag(app.clone())),
            tokio::spawn(auth::keep(app.clone())),
            tokio::spawn(keep_doors(app.clone())),
            tokio::spawn(tell_audience(app.clone())),
            tokio::spawn(index_messages(app.clone())),
            tokio::spawn(files::keep_swept(app.clone())),
            tokio::spawn(presence::share(app.clone(), bus)),
            tokio::spawn(presence::keep(app.clone())),
        ];
        if let Some(tls) = tls {
            tasks.push(tokio::spawn(tls::keep(tls, stopping.clone())));
        }
        let running = Running {
            listener,
            app,
            tasks,
            watchers: watchers.map(|(watchers, _)| watchers),
            store,
            lock,
        };
        tokio::spawn(async move {
            running.run(stopping).await;
            done.send_replace(true);
        });
        Ok(Self { addr, metrics_addr, keys, app: serving, stop, stopped })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where `/metrics` is answered, if anywhere.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// The same as a URL, without a slash at its end.
    pub fn url(&self) -> String {
        let scheme = if self.app.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.addr)
    }

    /// Reads certificate and key again, as it does by itself within seconds. What cannot be used is logged, and changes
    /// nothing. Waits for the disk.
    pub fn read_certificate_again(&self) {
        if let Some(tls) = &self.app.tls {
            tls.read_again();
        }
    }

    /// The keys that sign its tokens.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Takes tokens back. This server follows before it returns, others on the same database within a second. Waits for
    /// the disk or the network.
    ///
    /// # Errors
    /// That it could not be written: then nothing is taken back.
    pub async fn revoke(&self, revocation: Revocation) -> Result<(), WireError> {
        let store = self.app.store.as_ref();
        store.revoke(revocation).await?;
        Ok(self.app.taken_back().await?)
    }

    /// Stops: sockets get `goaway`, waiting requests their answer, what is queued is written. When
    /// it returns, the port is free and the data folder unlocked. May be called more than once.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        // An error means that the task is gone, with all that it held.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server({})", self.addr)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn listen_for_metrics(addr: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bind = |source| StartError::BindMetrics { addr, source };
    let listener = TcpListener::bind(addr).await.map_err(bind)?;
    let addr = listener.local_addr().map_err(bind)?;
    Ok((listener, addr))
}

/// What is opened before anything runs.
struct Opened {
    lock: File,
    keys: Keys,
    files: Files,
    tls: Option<Arc<Tls>>,
}

impl Opened {
    fn open(config: &Config) -> Result<Self, StartError> {
        let lock = lock(&config.data_dir)?;
        let keys = match &config.secret_file {
            Some(path) => Keys::load_or_create_file(path)?,
            None => Keys::load_or_create(&config.data_dir)?,
        };
        let files =
            Files::open(config, keys.secret()).map_err(|reason| StartError::Files { reason })?;
        let tls = config.tls.clone().map(Tls::open).transpose();
        let tls = tls.map_err(|reason| StartError::Tls { reason })?.map(Arc::new);
        Ok(Self { lock, keys, files, tls })
    }
}

/// The log, and what rings when it grows.
type Log = (Arc<dyn Store>, Arc<dyn Bus>);

async fn open_store(config: &Config, keys: &Keys, hot: Arc<Hot>) -> Result<Log, StartError> {
    let Some(url) = &config.postgres_url else {
        let config = config.clone();
        let opened = tokio::task::spawn_blocking(move || open_sqlite(&config, hot)).await;
        return match opened {
            Ok(opened) => opened,
            // Cancelled only when the runtime is on its way down.
            Err(error) => Err(StartError::Files { reason: error.to_string() }),
        };
    };
    if matches!(config.files, crate::config::FileStore::Folder) {
        tracing::warn!(
            "files of messages lie in this server's own folder, where no other server on the same \
             PostgreSQL finds them: use a bucket (--s3-bucket), or run only this one"
        );
    }
    let mark = secret_mark(keys);
    let options = postgres::Options {
        url: url.get(),
        read_url: config.postgres_read_url.as_ref().map(Secret::get),
        secret: mark.as_ref(),
        instance: config.instance_id.as_deref(),
        max_members: config.max_members,
        hot,
    };
    let failed = |error: postgres::OpenError| StartError::Postgres { reason: error.to_string() };
    let ready = postgres::look(&options).await.map_err(failed)?;
    let bus: Arc<dyn Bus> = match &config.redis_url {
        Some(url) => {
            let ca_file = config.redis_ca_file.as_deref();
            let address = RedisAddress { url: url.get(), ca_file };
            let bus = RedisBus::connect(address, ready.epoch.as_str(), postgres::SHARDS).await;
            bus.map_err(|problem| StartError::Redis { reason: problem.to_string() })?
        }
        None => Arc::new(InProcess::new(postgres::SHARDS)),
    };
    let store = PostgresStore::open(options, ready, bus.clone()).await.map_err(failed)?;
    Ok((Arc::new(store), bus))
}

/// What a database keeps of the secret that signs: a digest, so that it never holds that itself.
pub(crate) fn secret_mark(keys: &Keys) -> impl AsRef<[u8]> + use<> {
    Sha256::new_with_prefix(b"tidewire secret\0").chain_update(keys.secret()).finalize()
}

fn open_sqlite(config: &Config, hot: Arc<Hot>) -> Result<Log, StartError> {
    let bus: Arc<dyn Bus> = Arc::new(InProcess::new(1));
    let path = config.data_dir.join("tidewire.db");
    let store = SqliteStore::open(&path, bus.clone(), config.reader_threads, config.max_members);
    let store = store.map_err(|error| unopened(path, error))?;
    Ok((Arc::new(store.keeping(hot)), bus))
}

/// Why the database of a folder cannot be opened.
pub(crate) fn unopened(path: PathBuf, error: OpenError) -> StartError {
    match error {
        OpenError::NotADatabase => StartError::NotADatabase { path },
        OpenError::Newer { found, known } => StartError::NewerSchema { path, found, known },
        other => StartError::Database { path, reason: other.to_string() },
    }
}

/// Makes the folder and takes its lock, which lasts as long as the file is open.
pub(crate) fn lock(dir: &Path) -> Result<File, StartError> {
    let unusable = |source| StartError::DataDir { path: dir.to_owned(), source };
    std::fs::create_dir_all(dir).map_err(unusable)?;
    let path = dir.join("lock");
    let file = File::options().create(true).write(true).truncate(false).open(path);
    let file = file.map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Locked { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unusable(source)),
    }
}

/// What runs between start and stop.
struct Running {
    listener: TcpListener,
    watchers: Option<TcpListener>,
    app: Arc<App>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    store: Arc<dyn Store>,
    lock: File,
}

impl Running {
    async fn run(self, mut stop: Stop) {
        let Self { listener, watchers, app, tasks, store, lock } = self;
        let router = http::router(app.clone());
        // Dropped, and so ended, when everything else has.
        let mut watched = JoinSet::new();
        if let Some(watchers) = watchers {
            watched.spawn(monitor::run(watchers, app.clone()));
        }
        let mut connections = JoinSet::new();
        let config = &app.config;
        let visitors = Visitors::new(config.trusted_proxies.clone(), config.waiting_per_address);
        loop {
            tokio::select! {
                () = stop.requested() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => match visitors.came(peer.ip()) {
                        Some(visitor) => {
                            connections.spawn(serve(stream, visitor, router.clone(), app.clone()));
                        }
                        None => app.metrics.turned_away(),
                    },
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                // Takes the ended ones out, so that they don't pile up.
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        let drained = async {
            while connections.join_next().await.is_some() {}
            app.sockets_ended().await;
        };
        if timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(left = connections.len(), "connections did not end in time");
            connections.shutdown().await;
        }
        remember_audience(&app).await;
        presence::write_everybody(&app).await;
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the server had ended before");
            }
        }
        watched.shutdown().await;
        store.close().await;
        // Closing the file is not enough: a child process that is just being forked holds it open
        // too, until it becomes another program.
        if let Err(error) = lock.unlock() {
            tracing::warn!(%error, "the data folder could not be unlocked");
        }
    }
}

/// Writes down how many users are online, for the next start.
async fn remember_audience(app: &App) {
    let (online, left) = app.presence.to_remember(memory::lasts(), Instant::now());
    memory::remember(&app.config.data_dir, online, left).await;
}

/// Asks the event loop again and again whether it is in time.
async fn watch_lag(app: Arc<App>) {
    loop {
        let begun = Instant::now();
        tokio::select! {
            () = app.stopping() => return,
            () = tokio::time::sleep(load::LAG_PROBE) => {}
        }
        let now = Instant::now();
        let lag = now.duration_since(begun).saturating_sub(load::LAG_PROBE);
        app.load.lagged(lag, now);
        for door in [&app.door, &app.polls] {
            door.adapt(lag, app.config.max_lag, now);
        }
        app.metrics.lagged(lag);
    }
}

/// Lets those in who wait at the doors.
async fn keep_doors(app: Arc<App>) {
    tokio::join!(app.door.keep(app.stop.clone()), app.polls.keep(app.stop.clone()));
}

/// Pause between two steps of the search index: whoever writes goes first.
const INDEX_PAUSE: Duration = Duration::from_millis(20);
/// The same after a step that failed.
const INDEX_RETRY: Duration = Duration::from_secs(10);

/// Takes what was written before there was a search index into it.
async fn index_messages(app: Arc<App>) {
    loop {
        let pause = match app.store.index_more().await {
            Ok(true) => INDEX_PAUSE,
            Ok(false) => return,
            Err(error) => {
                tracing::warn!(%error, "a step of the search index failed");
                INDEX_RETRY
            }
        };
        tokio::select! {
            () = app.stopping() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Tells the sockets how many users are online, and the policy: when it has changed by enough, and
/// before the last policy ends.
async fn tell_audience(app: Arc<App>) {
    let mut tick = tokio::time::interval(AUDIENCE_TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silent_ticks = 0;
    let mut diary = Diary::new(app.audience_now());
    loop {
        tokio::select! {
            () = app.stopping() => return,
            _ = tick.tick() => {}
        }
        app.load.judge(*app.sockets.borrow(), Instant::now());
        let now = app.audience_now();
        if diary.is_due(now) {
            remember_audience(&app).await;
        }
        silent_ticks += 1;
        let renew = now.policy.is_some() && silent_ticks >= AUDIENCE_RENEW_TICKS;
        if renew || now.differs_from(&app.audience.borrow()) {
            app.audience.send_replace(now);
            silent_ticks = 0;
        }
    }
}
