//! The binary: flags to configuration, signals to a graceful stop.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};
use tidewire_protocol::{SecretText, UserId};
use tidewire_server::auth::{KeySource, Keys, Revocation, TokenRules};
use tidewire_server::{
    AccountRules, Config, FileStore, PolicyChoice, RateLimit, S3, Secret, Server, TlsFiles,
};
use tracing_subscriber::EnvFilter;

/// The reference server of Tidewire.
#[derive(Parser)]
#[command(name = "tidewire-server", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the server until SIGTERM or SIGINT. Prints `listening on URL` once it does.
    Serve(Box<Serve>),
    /// Brings the tables of a PostgreSQL database to this version, and ends. To be run before the first
    /// server of a new version starts; running it twice does no harm.
    Migrate(Migrate),
    /// Writes all that a data folder holds into an empty PostgreSQL database, and ends. No server may run on either. Cut
    /// short it leaves nothing behind.
    Import(Import),
    /// Takes tokens back before their end: all of a user's, or one by its id. Servers that run follow within a second,
    /// and close the connections that were opened with them.
    Revoke(Revoke),
    /// Sets the password of an account, which is read from a line of the standard input: the arguments of a process can
    /// be seen by others. All sessions of the user end, while servers run or not.
    Password(Password),
    /// Prints what members have reported, the oldest first, while servers run or not: of all rooms, also those of two,
    /// in which nobody else sees it.
    Reports(Reports),
    /// Prints a token for a user, for trying things out. Works while the server runs, and before
    /// its first start.
    Token(Token),
}

#[derive(Args)]
struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "TIDEWIRE_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Speaks TLS there: the certificate of the server and those by which it is signed, as PEM. Read anew when it changes.
    #[arg(long, env = "TIDEWIRE_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key that belongs to it, as PEM.
    #[arg(long, env = "TIDEWIRE_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Where `/metrics`, `/healthz` and `/readyz` are answered for those who watch the server; nowhere without it.
    /// Not for the public.
    #[arg(long, env = "TIDEWIRE_METRICS_LISTEN")]
    metrics_listen: Option<SocketAddr>,
    /// How logs are written: `text` for people, `json` with one object a line.
    #[arg(long, env = "TIDEWIRE_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    #[command(flatten)]
    data: Data,
    /// Who decides how many clients may use the higher modes: `capacity` (the server, by its
    /// sockets) or `audience` (the clients, by the users online).
    #[arg(long, env = "TIDEWIRE_POLICY", default_value = "capacity")]
    policy: PolicyChoice,
    /// Sockets that this server is to carry.
    #[arg(long, env = "TIDEWIRE_SOCKET_CAPACITY", default_value_t = 10_000)]
    socket_capacity: u32,
    #[command(flatten)]
    admission: Admission,
    /// How late the event loop may be, in ms, before the policy restricts the modes.
    #[arg(long, env = "TIDEWIRE_MAX_LAG_MS", default_value_t = 100)]
    max_lag_ms: u64,
    /// How long the database may take for a write, in ms, before the policy restricts the modes.
    #[arg(long, env = "TIDEWIRE_MAX_DATABASE_MS", default_value_t = 500)]
    max_database_ms: u64,
    /// Operations a second that one user may write for long; 0 switches the limit off.
    #[arg(long, env = "TIDEWIRE_OPS_PER_SECOND", default_value_t = 10.0)]
    ops_per_second: f64,
    /// Operations that one user may send at once after a pause.
    #[arg(long, env = "TIDEWIRE_OPS_BURST", default_value_t = 50)]
    ops_burst: u32,
    /// Most members of one room.
    #[arg(long, env = "TIDEWIRE_MAX_MEMBERS", default_value_t = 10_000)]
    max_members: u32,
    /// Most members of a room in which watching brings presence and typing, up to 100.
    #[arg(long, env = "TIDEWIRE_EPHEMERAL_MEMBERS", default_value_t = 100)]
    ephemeral_members: u32,
    /// Bytes of memory for the newest events of rooms with traffic; 0 reads all of them from the database.
    #[arg(long, env = "TIDEWIRE_HOT_EVENT_BYTES", default_value_t = 64 * 1024 * 1024)]
    hot_event_bytes: usize,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    accounts: AccountFlags,
    #[command(flatten)]
    shared: Shared,
    #[command(flatten)]
    files: FileFlags,
    /// How long a cursor stays valid, in seconds.
    #[arg(long, env = "TIDEWIRE_CURSOR_MAX_AGE_SECONDS", default_value_t = 30 * 24 * 3_600)]
    cursor_max_age_seconds: u64,
}

#[derive(Args)]
struct Rules {
    /// Tokens must have been issued by this (`iss`).
    #[arg(long, env = "TIDEWIRE_TOKEN_ISSUER")]
    token_issuer: Option<String>,
    /// Tokens must be for this (`aud`).
    #[arg(long, env = "TIDEWIRE_TOKEN_AUDIENCE")]
    token_audience: Option<String>,
}

impl Rules {
    fn rules(self) -> TokenRules {
        TokenRules { issuer: self.token_issuer, audience: self.token_audience }
    }
}

#[derive(Args)]
struct Trust {
    /// A file with the public keys of those who sign tokens (a JSON Web Key Set): EdDSA and RS256. The secret signs
    /// as well.
    #[arg(long, env = "TIDEWIRE_JWKS_FILE", conflicts_with = "jwks_url")]
    jwks_file: Option<PathBuf>,
    /// The same by an address: `https://login.example/.well-known/jwks.json`.
    #[arg(long, env = "TIDEWIRE_JWKS_URL")]
    jwks_url: Option<String>,
    #[command(flatten)]
    rules: Rules,
    /// Web pages of this origin may speak to this server: `https://app.example`. Several with commas between.
    #[arg(long, env = "TIDEWIRE_ALLOW_ORIGIN", value_delimiter = ',')]
    allow_origin: Vec<String>,
    /// Proxies that are believed whom they name in `X-Forwarded-For`: `10.0.0.0/8`. Several with commas between.
    #[arg(long, env = "TIDEWIRE_TRUSTED_PROXY", value_delimiter = ',')]
    trusted_proxy: Vec<ipnet::IpNet>,
    /// Connections of one address that have not said whose they are; more are closed at once.
    #[arg(long, env = "TIDEWIRE_WAITING_PER_ADDRESS", default_value_t = 4_000)]
    waiting_per_address: u32,
}

impl Trust {
    fn apply(self, config: &mut Config) {
        let file = self.jwks_file.map(KeySource::File);
        config.token_keys = file.or(self.jwks_url.map(KeySource::Url));
        config.token_rules = self.rules.rules();
        config.allowed_origins = self.allow_origin;
        config.trusted_proxies = self.trusted_proxy;
        config.waiting_per_address = self.waiting_per_address;
    }
}

#[derive(Args)]
struct AccountFlags {
    /// Keeps accounts: anybody may make one, and sign in by its password. Tokens of others are good as well.
    #[arg(long, env = "TIDEWIRE_ACCOUNTS", value_parser = FalseyValueParser::new())]
    accounts: bool,
    /// How long a token of a session holds, in seconds, up to a day.
    #[arg(long, env = "TIDEWIRE_ACCOUNT_TOKEN_SECONDS", default_value_t = 15 * 60,
        value_parser = clap::value_parser!(u64).range(1..=24 * 3_600))]
    account_token_seconds: u64,
    /// How long a session holds that is not used, in seconds.
    #[arg(long, env = "TIDEWIRE_ACCOUNT_SESSION_SECONDS", default_value_t = 90 * 24 * 3_600)]
    account_session_seconds: u64,
    /// Memory that the hash of one password takes (Argon2id), in KiB. Passwords that were kept with other parameters are
    /// hashed anew when their user signs in.
    #[arg(long, env = "TIDEWIRE_PASSWORD_MEMORY_KIB", default_value_t = 19 * 1_024)]
    password_memory_kib: u32,
    /// How often Argon2id passes over it.
    #[arg(long, env = "TIDEWIRE_PASSWORD_PASSES", default_value_t = 2)]
    password_passes: u32,
    /// How many passwords are hashed at once; default the number of processors, at most 4.
    #[arg(long, env = "TIDEWIRE_PASSWORD_HASHES")]
    password_hashes: Option<usize>,
}

impl AccountFlags {
    fn rules(&self) -> Option<AccountRules> {
        let default = AccountRules::default();
        self.accounts.then(|| AccountRules {
            token_ttl: Duration::from_secs(self.account_token_seconds),
            session_ttl: Duration::from_secs(self.account_session_seconds),
            password_memory_kib: self.password_memory_kib,
            password_passes: self.password_passes,
            password_hashes: self.password_hashes.unwrap_or(default.password_hashes),
        })
    }
}

/// How logs are written.
#[derive(Clone, Copy)]
enum LogFormat {
    Text,
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("`{other}` is no format of logs: use `text` or `json`")),
        }
    }
}

#[derive(Args)]
struct Admission {
    /// Sockets and event streams that are let in a second, resumes first; the others get a time to come back.
    /// 0 lets everybody in at once.
    #[arg(long, env = "TIDEWIRE_ADMISSION_PER_SECOND", default_value_t = 1_000)]
    admission_per_second: u32,
    /// As many are let in, however late the event loop is.
    #[arg(long, env = "TIDEWIRE_ADMISSION_FLOOR", default_value_t = 100)]
    admission_floor: u32,
    /// Polls that are answered a second; the others get a time to come back. 0 answers all.
    #[arg(long, env = "TIDEWIRE_POLLS_PER_SECOND", default_value_t = 5_000)]
    polls_per_second: u32,
}

impl Admission {
    fn apply(&self, config: &mut Config) {
        config.admission_per_second = self.admission_per_second;
        config.admission_floor = self.admission_floor;
        config.polls_per_second = self.polls_per_second;
    }
}

#[derive(Args)]
struct Shared {
    /// Keeps the log in this PostgreSQL, which any number of servers may share:
    /// `postgres://USER:PASSWORD@HOST:5432/DATABASE`. The arguments of a process can be seen by others: with a
    /// password it is better in the environment.
    #[arg(long, env = "TIDEWIRE_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// A standby of it, which is asked for history and searches first.
    #[arg(
        long,
        env = "TIDEWIRE_POSTGRES_READ_URL",
        hide_env_values = true,
        requires = "postgres_url"
    )]
    postgres_read_url: Option<String>,
    /// The Redis or Valkey over which servers on one PostgreSQL tell each other what is new:
    /// `redis://:PASSWORD@HOST:6379`, or `rediss://` for TLS.
    #[arg(long, env = "TIDEWIRE_REDIS_URL", hide_env_values = true, requires = "postgres_url")]
    redis_url: Option<String>,
    /// The authorities of which one has to have signed the certificate of a `rediss://`, as PEM. Without it, those
    /// of the system.
    #[arg(long, env = "TIDEWIRE_REDIS_CA_FILE", requires = "redis_url")]
    redis_ca_file: Option<PathBuf>,
    /// What this server is called among those on one PostgreSQL: no two at a time the same. Without it, it takes
    /// a name that nobody else can have.
    #[arg(long, env = "TIDEWIRE_INSTANCE_ID", requires = "postgres_url")]
    instance_id: Option<String>,
}

impl Shared {
    fn apply(self, config: &mut Config) {
        config.postgres_url = self.postgres_url.map(Secret::from);
        config.postgres_read_url = self.postgres_read_url.map(Secret::from);
        config.redis_url = self.redis_url.map(Secret::from);
        config.redis_ca_file = self.redis_ca_file;
        config.instance_id = self.instance_id;
    }
}

#[derive(Args)]
struct Migrate {
    /// The database: `postgres://USER:PASSWORD@HOST:5432/DATABASE`.
    #[arg(long, env = "TIDEWIRE_POSTGRES_URL", hide_env_values = true)]
    postgres_url: String,
    /// Gives the log another epoch as well: once, after it was restored from a backup and before the first server
    /// starts. Clients then drop what they have cached, and keep what they have to send.
    #[arg(long)]
    new_epoch: bool,
}

#[derive(Args)]
struct Import {
    #[command(flatten)]
    data: Data,
    /// The empty database: `postgres://USER:PASSWORD@HOST:5432/DATABASE`.
    #[arg(long, env = "TIDEWIRE_POSTGRES_URL", hide_env_values = true)]
    postgres_url: String,
}

#[derive(Args)]
struct FileFlags {
    /// The largest file of a message, in bytes.
    #[arg(long, env = "TIDEWIRE_MAX_UPLOAD_BYTES", default_value_t = 50 * 1024 * 1024)]
    max_upload_bytes: u64,
    /// Bytes of one part of an upload, at least 1 MiB in a folder and 5 MiB in S3, which is the default.
    #[arg(long, env = "TIDEWIRE_UPLOAD_PART_BYTES")]
    upload_part_bytes: Option<u64>,
    /// How long an upload is kept that no message lists, in seconds.
    #[arg(long, env = "TIDEWIRE_UPLOAD_TTL_SECONDS", default_value_t = 24 * 3_600)]
    upload_ttl_seconds: u64,
    /// Bytes a second of new uploads that one user may begin for long; 0 switches the limit off.
    #[arg(long, env = "TIDEWIRE_UPLOAD_BYTES_PER_SECOND", default_value_t = 1024.0 * 1024.0)]
    upload_bytes_per_second: f64,
    /// Bytes of new uploads that one user may begin at once after a pause.
    #[arg(long, env = "TIDEWIRE_UPLOAD_BURST_BYTES", default_value_t = 500 * 1024 * 1024)]
    upload_burst_bytes: u32,
    /// Where every file is got from by its key alone: a content network in front of the store.
    #[arg(long, env = "TIDEWIRE_CDN_URL")]
    cdn_url: Option<String>,
    /// Keeps files in this S3 bucket, not in the data folder.
    #[arg(long, env = "TIDEWIRE_S3_BUCKET", requires = "s3_endpoint")]
    s3_bucket: Option<String>,
    /// Where S3 is spoken to, by this server and by clients: `https://s3.eu-west-1.amazonaws.com`.
    #[arg(long, env = "TIDEWIRE_S3_ENDPOINT", requires = "s3_bucket")]
    s3_endpoint: Option<String>,
    /// The region of the bucket; `auto` for R2.
    #[arg(long, env = "TIDEWIRE_S3_REGION", default_value = "us-east-1")]
    s3_region: String,
    /// Puts the bucket into the path of addresses (MinIO), not into the host.
    #[arg(long, env = "TIDEWIRE_S3_PATH_STYLE")]
    s3_path_style: bool,
    /// What the names of all objects begin with: `chat/`.
    #[arg(long, env = "TIDEWIRE_S3_PREFIX", default_value = "")]
    s3_prefix: String,
    /// The access key of this server. Its secret stands in TIDEWIRE_S3_SECRET_ACCESS_KEY, since the arguments of
    /// a process can be seen by others.
    #[arg(long, env = "TIDEWIRE_S3_ACCESS_KEY_ID", default_value = "")]
    s3_access_key_id: String,
}

impl FileFlags {
    fn apply(self, config: &mut Config) {
        config.max_upload_bytes = self.max_upload_bytes;
        config.upload_part_bytes = self.upload_part_bytes;
        config.upload_ttl = Duration::from_secs(self.upload_ttl_seconds);
        config.upload_limit = (self.upload_bytes_per_second > 0.0).then_some(RateLimit {
            per_second: self.upload_bytes_per_second,
            burst: self.upload_burst_bytes,
        });
        config.cdn_url = self.cdn_url;
        if let (Some(bucket), Some(endpoint)) = (self.s3_bucket, self.s3_endpoint) {
            config.files = FileStore::S3(S3 {
                endpoint,
                bucket,
                region: self.s3_region,
                access_key_id: self.s3_access_key_id,
                secret_access_key: std::env::var("TIDEWIRE_S3_SECRET_ACCESS_KEY")
                    .unwrap_or_default(),
                path_style: self.s3_path_style,
                prefix: self.s3_prefix,
            });
        }
    }
}

#[derive(Args)]
struct Token {
    /// Whose token: 1 to 128 bytes, no white space.
    #[arg(long, env = "TIDEWIRE_USER")]
    user: UserId,
    #[command(flatten)]
    data: Data,
    /// How long it holds, in seconds.
    #[arg(long, env = "TIDEWIRE_TTL_SECONDS", default_value_t = 24 * 3_600)]
    ttl_seconds: u64,
    #[command(flatten)]
    rules: Rules,
}

#[derive(Args)]
struct Revoke {
    /// Whose: all tokens that were issued until now.
    #[arg(long, conflicts_with = "token_id", required_unless_present = "token_id")]
    user: Option<UserId>,
    /// Up to which second (since 1970-01-01 UTC) they were issued; default now.
    #[arg(long, requires = "user")]
    issued_until: Option<u64>,
    /// The id (`jti`) of the one.
    #[arg(long)]
    token_id: Option<String>,
    /// The database, where it is not in the folder.
    #[arg(long, env = "TIDEWIRE_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// The folder with the database.
    #[arg(long, env = "TIDEWIRE_DATA", default_value = "tidewire-data")]
    data: PathBuf,
}

#[derive(Args)]
struct Password {
    /// Whose.
    #[arg(long)]
    user: UserId,
    /// Reads none, and sets one that nobody knows: the account is closed until it gets another.
    #[arg(long)]
    none: bool,
    /// The database, where it is not in the folder.
    #[arg(long, env = "TIDEWIRE_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// The folder with the database.
    #[arg(long, env = "TIDEWIRE_DATA", default_value = "tidewire-data")]
    data: PathBuf,
}

#[derive(Args)]
struct Reports {
    /// One JSON object a line, with the message as it was.
    #[arg(long)]
    json: bool,
    /// Also those that are done with.
    #[arg(long)]
    all: bool,
    /// The database, where it is not in the folder.
    #[arg(long, env = "TIDEWIRE_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// The folder with the database.
    #[arg(long, env = "TIDEWIRE_DATA", default_value = "tidewire-data")]
    data: PathBuf,
}

#[derive(Args)]
struct Data {
    /// The folder for the database, the secret and the lock. Made if missing.
    #[arg(long, env = "TIDEWIRE_DATA", default_value = "tidewire-data")]
    data: PathBuf,
    /// The file with the secret that signs tokens; default `secret.key` in the data folder.
    #[arg(long, env = "TIDEWIRE_SECRET_FILE")]
    secret_file: Option<PathBuf>,
}

impl Serve {
    fn config(self) -> Config {
        let mut config = Config::new(self.data.data);
        config.listen = self.listen;
        if let (Some(certificate), Some(key)) = (self.tls_cert, self.tls_key) {
            config.tls = Some(TlsFiles { certificate, key });
        }
        config.metrics_listen = self.metrics_listen;
        config.secret_file = self.data.secret_file;
        config.policy = self.policy;
        config.socket_capacity = self.socket_capacity;
        self.admission.apply(&mut config);
        config.max_lag = Duration::from_millis(self.max_lag_ms);
        config.max_database_time = Duration::from_millis(self.max_database_ms);
        config.rate_limit = (self.ops_per_second > 0.0)
            .then_some(RateLimit { per_second: self.ops_per_second, burst: self.ops_burst });
        config.max_members = self.max_members;
        config.ephemeral_members = self.ephemeral_members;
        config.hot_event_bytes = self.hot_event_bytes;
        config.cursor_max_age = Duration::from_secs(self.cursor_max_age_seconds);
        self.trust.apply(&mut config);
        config.accounts = self.accounts.rules();
        self.shared.apply(&mut config);
        self.files.apply(&mut config);
        config
    }
}

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => run(serve.log_format, serve.config()),
        Command::Token(token) => print_token(token),
        Command::Revoke(revoke) => run_revoke(revoke),
        Command::Password(password) => set_password(&password),
        Command::Reports(reports) => print_reports(&reports),
        Command::Migrate(migrate) => run_migrate(&migrate),
        Command::Import(import) => run_import(&import),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidewire-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print_token(token: Token) -> Result<(), Failure> {
    let keys = match &token.data.secret_file {
        Some(path) => Keys::load_or_create_file(path)?,
        None => Keys::load_or_create(&token.data.data)?,
    };
    let ttl = Duration::from_secs(token.ttl_seconds);
    writeln!(std::io::stdout(), "{}", keys.mint_by(&token.rules.rules(), &token.user, ttl)?)?;
    Ok(())
}

fn run_revoke(revoke: Revoke) -> Result<(), Failure> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let revocation = match (revoke.user, revoke.token_id) {
        (Some(user), _) => {
            Revocation::User { user, until: revoke.issued_until.unwrap_or_else(now) }
        }
        (None, Some(id)) => Revocation::Token(id),
        (None, None) => return Err("give --user or --token-id".into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let url = revoke.postgres_url.as_deref();
    runtime.block_on(tidewire_server::revoke(&revoke.data, url, &revocation))?;
    Ok(())
}

fn set_password(set: &Password) -> Result<(), Failure> {
    let read = || -> std::io::Result<SecretText> {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        Ok(line.trim_end_matches(['\r', '\n']).into())
    };
    let password = if set.none { None } else { Some(read()?) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (url, data) = (set.postgres_url.as_deref(), &set.data);
    runtime.block_on(tidewire_server::set_password(data, url, &set.user, password))?;
    Ok(())
}

fn print_reports(reports: &Reports) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let all = tidewire_server::reports(&reports.data, reports.postgres_url.as_deref());
    let mut stdout = std::io::stdout();
    for report in runtime.block_on(all)? {
        if report.resolved.is_some() && !reports.all {
            continue;
        }
        if reports.json {
            writeln!(stdout, "{}", serde_json::to_string(&report)?)?;
            continue;
        }
        let tidewire_protocol::Report { id, room, by, at, user, reason, .. } = &report;
        write!(stdout, "{id} at {at}: {by} reports {user} in {room} ({})", reason.as_str())?;
        // What people have written is never taken for lines of this list, nor for commands to a terminal.
        for (name, text) in [("note", report.note.clone()), ("message", said(&report))] {
            if let Some(text) = text {
                write!(stdout, ", {name} {text:?}")?;
            }
        }
        match &report.resolved {
            Some(done) => writeln!(stdout, ", done with by {} at {}", done.by, done.at)?,
            None => writeln!(stdout)?,
        }
    }
    Ok(())
}

/// What the message of a report says, as far as it is text.
fn said(report: &tidewire_protocol::Report) -> Option<String> {
    let content = &report.event.as_ref()?.content;
    let said = content.parse::<tidewire_protocol::MessageContent>();
    Some(said.map_or_else(|_| content.as_json().to_owned(), |said| said.text))
}

fn run_migrate(migrate: &Migrate) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (from, to) = runtime.block_on(tidewire_server::migrate(&migrate.postgres_url))?;
    let mut stdout = std::io::stdout();
    match from == to {
        true => writeln!(stdout, "the database is at version {to} already")?,
        false => writeln!(stdout, "the database was brought from version {from} to {to}")?,
    }
    if migrate.new_epoch {
        runtime.block_on(tidewire_server::renew_epoch(&migrate.postgres_url))?;
        writeln!(stdout, "the log has another epoch: clients begin anew")?;
    }
    Ok(())
}

fn run_import(Import { data, postgres_url }: &Import) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let import = tidewire_server::import(&data.data, data.secret_file.as_deref(), postgres_url);
    let rows = runtime.block_on(import)?;
    let mut stdout = std::io::stdout();
    for (table, rows) in rows.iter().filter(|(_, rows)| *rows > 0) {
        writeln!(stdout, "{table}: {rows}")?;
    }
    writeln!(
        stdout,
        "imported: from now on start servers with --postgres-url, on the same secret and files"
    )?;
    Ok(())
}

fn run(format: LogFormat, config: Config) -> Result<(), Failure> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).init(),
        // Fields beside the message, not below a key of their own: what log stores expect.
        LogFormat::Json => logs.json().flatten_event(true).with_ansi(false).init(),
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Failure> {
    // Listened to before the line is printed: whoever has read it may send a signal.
    let signal = signals()?;
    let renewed = renewals(config.tls.is_some())?;
    let server = Server::start(config).await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", server.url())?;
    stdout.flush()?;
    tokio::select! {
        () = signal => {}
        () = renewed(&server) => {}
    }
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}

/// Has the certificate read again at each SIGHUP; never ends. Without one, SIGHUP does what it does to any process.
#[cfg(unix)]
fn renewals(wanted: bool) -> std::io::Result<impl AsyncFnOnce(&Server)> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = wanted.then(|| signal(SignalKind::hangup())).transpose()?;
    Ok(async move |server: &Server| {
        while let Some(hangups) = &mut hangups {
            if hangups.recv().await.is_none() {
                break;
            }
            tokio::task::block_in_place(|| server.read_certificate_again());
        }
        std::future::pending().await
    })
}

#[cfg(not(unix))]
fn renewals(_wanted: bool) -> std::io::Result<impl AsyncFnOnce(&Server)> {
    Ok(async |_: &Server| std::future::pending().await)
}

#[cfg(unix)]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn signals() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a signal handler the process ends by the signal itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
