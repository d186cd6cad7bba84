//! What can be set, with its default and the reason for it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use tidewire_protocol::limits;

use crate::auth::{KeySource, TokenRules};
use crate::tls::TlsFiles;

/// Rooms whose operations one `sync` may bring. Each is a transaction of its own, so that this and
/// the size of a body bound how long one request keeps the writer.
pub(crate) const SYNC_ROOMS: usize = 50;

/// Who decides how many clients may use the higher modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyChoice {
    /// The clients, by the number of users online.
    Audience,
    /// The server, by the sockets that it can carry: [`Config::socket_capacity`], corrected by what
    /// it measures ([`Config::max_lag`], [`Config::max_database_time`]).
    #[default]
    Capacity,
}

impl std::str::FromStr for PolicyChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "audience" => Ok(Self::Audience),
            "capacity" => Ok(Self::Capacity),
            other => Err(format!("`{other}` is no policy: use `audience` or `capacity`")),
        }
    }
}

/// How often one user may write: send operations, create rooms, change members or the profile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Operations a second that a user may send for long. A room that is created costs as much as
    /// the members that it begins with beside the creator, others that are added one each, at least
    /// 1 a call; so do a removal and a profile.
    pub per_second: f64,
    /// Operations that a user may send at once after a pause: at least one request's worth, so
    /// that an outbox flushes after a tunnel.
    pub burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { per_second: 10.0, burst: limits::OPS_PER_REQUEST as u32 }
    }
}

/// Where the files of messages lie.
#[derive(Debug, Clone, Default)]
pub enum FileStore {
    /// In the folder `files` of the data folder; this server takes and gives them itself.
    #[default]
    Folder,
    /// In a bucket of S3 or of whatever speaks its language; clients go there.
    S3(S3),
}

/// A bucket of S3, R2, MinIO and the like.
#[derive(Clone)]
pub struct S3 {
    /// Where it is spoken to, by this server and by clients: `https://s3.eu-west-1.amazonaws.com`.
    pub endpoint: String,
    /// Its name.
    pub bucket: String,
    /// Its region; `auto` for R2.
    pub region: String,
    /// Who this server is there.
    pub access_key_id: String,
    /// The secret that goes with it.
    pub secret_access_key: String,
    /// Whether the bucket stands in the path of an address, and not in its host.
    pub path_style: bool,
    /// What the names of all objects begin with: `chat/`. May be empty.
    pub prefix: String,
}

impl std::fmt::Debug for S3 {
    /// The secret never stands in a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3({}, {})", self.endpoint, self.bucket)
    }
}

/// An address that may hold a password: never shown.
///
/// ```
/// use tidewire_server::Secret;
///
/// let url = Secret::from("postgres://tidewire:secret@db/tidewire");
/// assert_eq!(format!("{url:?}"), "Secret");
/// ```
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn get(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Accounts of the server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountRules {
    /// How long a token of a session holds. Default 15 min: a token that somebody has copied is worth nothing after
    /// that, and a client asks for another one four times an hour.
    pub token_ttl: Duration,
    /// How long a session holds that is not used. Default 90 days.
    pub session_ttl: Duration,
    /// Memory that the hash of one password takes, in KiB. Default 19,456 (19 MiB), with two passes on one lane: the
    /// least that the OWASP Password Storage Cheat Sheet recommends for Argon2id.
    pub password_memory_kib: u32,
    /// How often Argon2id passes over it. Default 2.
    pub password_passes: u32,
    /// How many passwords are hashed at once; 16 more of each wait, and whoever comes then gets a time to come back.
    /// Default the number of processors, at most 4: 76 MiB.
    pub password_hashes: usize,
}

impl Default for AccountRules {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, |number| number.get());
        Self {
            token_ttl: Duration::from_secs(15 * 60),
            session_ttl: Duration::from_secs(90 * 24 * 3_600),
            password_memory_kib: 19 * 1_024,
            password_passes: 2,
            password_hashes: processors.min(4),
        }
    }
}

/// Everything that [`Server::start`](crate::Server::start) needs to know.
///
/// ```
/// use tidewire_server::{Config, PolicyChoice};
///
/// let mut config = Config::new("/var/lib/tidewire");
/// config.policy = PolicyChoice::Audience;
/// config.rate_limit = None;
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// The folder for the database, the secret and the lock. Made if missing.
    pub data_dir: PathBuf,
    /// Where to listen; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Speaks TLS there, with this certificate; `None`, the default, speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Where `/metrics`, `/healthz` and `/readyz` are answered, for those who watch the server: an address that is
    /// not public. `None`, the default, answers no `/metrics` anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Keeps the log in this PostgreSQL, as `postgres://USER:PASSWORD@HOST:5432/DATABASE`, which any number
    /// of servers may share; `None` keeps it in the data folder. [`migrate`](crate::migrate) first.
    pub postgres_url: Option<Secret>,
    /// A standby of it, which is asked for history and searches first.
    pub postgres_read_url: Option<Secret>,
    /// The Redis or Valkey over which servers on one PostgreSQL tell each other what is new, as
    /// `redis://:PASSWORD@HOST:6379`, or `rediss://` for TLS. Without it they hear of each other within a second.
    pub redis_url: Option<Secret>,
    /// The authorities of which one has to have signed the certificate of a `rediss://`, as PEM; `None`, the
    /// default, trusts those of the system.
    pub redis_ca_file: Option<PathBuf>,
    /// What this server is called among those on one PostgreSQL; no two at a time may be called the same.
    /// `None`, the default, takes a name that nobody else can have.
    pub instance_id: Option<String>,
    /// The file with the secret; default `secret.key` in the data folder.
    pub secret_file: Option<PathBuf>,
    /// Where the public keys of those lie who sign tokens beside the secret: Ed25519 (`EdDSA`) and RSA (`RS256`).
    /// `None`, the default, takes only tokens of the secret.
    pub token_keys: Option<KeySource>,
    /// What tokens have to say besides whose they are. Default nothing.
    pub token_rules: TokenRules,
    /// Keeps accounts, by whose passwords users sign in. `None`, the default, keeps none: whoever else signs tokens
    /// knows who may.
    pub accounts: Option<AccountRules>,
    /// Web pages of these origins (`https://app.example`) may speak to this server, besides its own. Apps that are no
    /// browsers are not asked. Default none.
    pub allowed_origins: Vec<String>,
    /// Proxies that are believed whom they name in `X-Forwarded-For`. Default none.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections of one address that have not said whose they are; more are closed at once. Default 4,000: a
    /// crowd behind one address that comes back at once, and less than half of what is carried.
    pub waiting_per_address: u32,
    /// Who decides about modes. Default [`PolicyChoice::Capacity`].
    pub policy: PolicyChoice,
    /// Sockets that this server is to carry; more are refused for the moment. Default 10,000, at
    /// about 10 KB each half of the 20,000 files that one process may open by common defaults.
    pub socket_capacity: u32,
    /// Sockets and event streams that are let in a second, resumes before newcomers; the others get a time to come
    /// back, each one of his own. 0 lets everybody in at once. Default 1,000: each of them reads a page of the log,
    /// about 0.5 ms of one core.
    pub admission_per_second: u32,
    /// Never fewer, however late the event loop is. Default 100: 10,000 clients are back in less than two minutes.
    pub admission_floor: u32,
    /// The same for polls, which have a budget of their own; 0 switches it off. Default 5,000: 10,000 clients that
    /// poll every 5 s, twice over. Never less than a tenth of it, however late the event loop is.
    pub polls_per_second: u32,
    /// How late the event loop may be before the server counts as loaded and restricts the modes.
    /// Default 100 ms: half of what a message takes in real-time.
    pub max_lag: Duration,
    /// The same for the time that the database takes for a write, its queue included. Default
    /// 500 ms: a hundred times what a commit costs on a common disk.
    pub max_database_time: Duration,
    /// How often one user may write; `None` switches the limit off. Default 10/s, burst 50.
    pub rate_limit: Option<RateLimit>,
    /// Where the files of messages lie. Default [`FileStore::Folder`].
    pub files: FileStore,
    /// The largest file, in bytes. Default 50 MiB.
    pub max_upload_bytes: u64,
    /// Bytes of a part of an upload, at least what the store wants: 1 MiB of a folder, 5 MiB of S3, which is
    /// also the default.
    pub upload_part_bytes: Option<u64>,
    /// How long an upload is kept that no message lists. Default 24 h.
    pub upload_ttl: Duration,
    /// How many bytes of new uploads one user may begin; `None` switches the limit off. Default 1 MiB/s after
    /// a burst of 500 MiB: a message with as many and as large files as there may be.
    pub upload_limit: Option<RateLimit>,
    /// Where every file is got from by its key alone, for a content network in front of the store. Who knows
    /// it and a key needs no membership. Default none.
    pub cdn_url: Option<String>,
    /// How long a cursor stays valid. Default 30 days.
    pub cursor_max_age: Duration,
    /// Most members of one room. Default 10,000: one event is looked up for each of them, about
    /// 1 ms at this size.
    pub max_members: u32,
    /// Most members of a room in which watching brings presence and typing; above 100 counts as 100.
    /// Default 100.
    pub ephemeral_members: u32,
    /// Bytes for the newest events of rooms with traffic, which are then not read from the database; 0 keeps none.
    /// Default 64 MiB: about 2,000 busy rooms with 64 events of 400 bytes each.
    pub hot_event_bytes: usize,
    /// Threads that read the database. Default 2: SQLite reads are short and mostly from memory.
    pub reader_threads: usize,
    /// Time from the opening of a socket to its `hello`. Default 5 s.
    pub hello_timeout: Duration,
    /// A connection whose peer takes nothing at all of what is written to it for so long is closed.
    /// Default 10 s.
    pub write_timeout: Duration,
    /// Time for the body of a request to arrive. Default 20 s.
    pub body_timeout: Duration,
    /// Time for the head of a request to arrive, from its first byte on, and for a TLS handshake from its beginning.
    /// Default 10 s.
    pub head_timeout: Duration,
    /// Time for a connection to idle before the first request and between two. Default
    /// 75 s: above the 60 s between the requests of a client in the background.
    pub idle_timeout: Duration,
}

impl Config {
    /// The defaults, with the data in `data_dir`.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            metrics_listen: None,
            postgres_url: None,
            postgres_read_url: None,
            redis_url: None,
            redis_ca_file: None,
            instance_id: None,
            secret_file: None,
            token_keys: None,
            token_rules: TokenRules::default(),
            accounts: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            waiting_per_address: 4_000,
            policy: PolicyChoice::default(),
            socket_capacity: 10_000,
            admission_per_second: 1_000,
            admission_floor: 100,
            polls_per_second: 5_000,
            max_lag: Duration::from_millis(100),
            max_database_time: Duration::from_millis(500),
            rate_limit: Some(RateLimit::default()),
            files: FileStore::default(),
            max_upload_bytes: limits::UPLOAD_BYTES,
            upload_part_bytes: None,
            upload_ttl: Duration::from_secs(24 * 3_600),
            upload_limit: Some(RateLimit { per_second: 1024.0 * 1024.0, burst: 500 * 1024 * 1024 }),
            cdn_url: None,
            cursor_max_age: Duration::from_millis(limits::CURSOR_AGE_MS),
            max_members: 10_000,
            ephemeral_members: limits::EPHEMERAL_MEMBERS,
            hot_event_bytes: 64 * 1024 * 1024,
            reader_threads: 2,
            hello_timeout: Duration::from_millis(limits::HELLO_MS),
            write_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(20),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
        }
    }
}
