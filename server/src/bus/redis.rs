//! The doorbell over Redis or Valkey, for several instances. Nobody relies on it: a bell that is lost costs the
//! time until the heads of the log are looked at anyway, and while Redis is away all of them are.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, TlsCertificates};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use super::{Bell, Bus, Gossip, InProcess};
use crate::store::Ords;
use crate::tls;

/// How long Redis may take for an answer: what it has to do is never more than some microseconds.
const ANSWER: Duration = Duration::from_secs(1);
/// The same for the first connection of a server that starts.
const FIRST: Duration = Duration::from_secs(2);
/// Pause after a connection was lost, and the longest one after it was lost again and again.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// Tellings that go out together.
const PIPED: usize = 64;
/// Tellings that may wait to be told.
const TELLING: usize = 1_024;

/// What is spoken over.
#[derive(Clone)]
struct Channels {
    bell: String,
    gossip: String,
}

/// Why a server does not start with the Redis that it was given. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisProblem {
    #[error(
        "--redis-url is no address of a Redis: {0}; it looks like redis://:PASSWORD@HOST:6379, or rediss:// for TLS"
    )]
    Url(String),
    #[error("--redis-ca-file {0}")]
    Authorities(String),
    #[error(
        "the certificate of Redis at {at} is not trusted: {reason}; give the file of the authority that signs it, in PEM, \
         as --redis-ca-file, and name Redis in --redis-url as its certificate does"
    )]
    Untrusted { at: String, reason: String },
    #[error(
        "Redis at {at} refuses this server: {reason}; check the user and the password in \
         --redis-url"
    )]
    Refused { at: String, reason: String },
}

/// Where it is, and by whom it is believed to be it.
#[derive(Clone, Copy)]
pub(crate) struct Address<'a> {
    /// `redis://`, or `rediss://` for TLS.
    pub(crate) url: &'a str,
    /// The authorities that are trusted, in PEM; those of the system without it.
    pub(crate) ca_file: Option<&'a Path>,
}

impl Address<'_> {
    fn client(self) -> Result<Client, RedisProblem> {
        // Of no effect where somebody in this process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The text may hold a password: what the parser says of it does not.
        let wrong = |error: RedisError| RedisProblem::Url(error.to_string());
        let Some(file) = self.ca_file else { return Client::open(self.url).map_err(wrong) };
        if !self.url.starts_with("rediss://") {
            let reason = "is for TLS, and --redis-url does not begin with rediss://";
            return Err(RedisProblem::Authorities(reason.into()));
        }
        tls::roots_of(file).map_err(RedisProblem::Authorities)?;
        let pem =
            std::fs::read(file).map_err(|error| RedisProblem::Authorities(error.to_string()))?;
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(pem) };
        Client::build_with_tls(self.url, certificates).map_err(wrong)
    }
}

/// The doorbell over Redis or Valkey.
pub(crate) struct RedisBus {
    /// Those of this instance, and what is heard of others.
    local: InProcess,
    /// What is to be told to others: the highest heads, however often they rang.
    ringing: watch::Sender<Ords>,
    /// Whether the others are heard.
    up: AtomicBool,
    /// What is to be told beside.
    telling: mpsc::Sender<Gossip>,
    tasks: OnceLock<[JoinHandle<()>; 2]>,
}

impl RedisBus {
    /// Connects. `log` names the log that is rung for: those of other logs on the same Redis are not
    /// heard. A Redis that is away is tried again and again; one that refuses is an error.
    pub(crate) async fn connect(
        address: Address<'_>,
        log: &str,
        shards: usize,
    ) -> Result<Arc<Self>, RedisProblem> {
        let client = address.client()?;
        let at = client.get_connection_info().addr().to_string();
        let first = async {
            let mut connection = client.get_multiplexed_async_connection().await?;
            // Without a password nobody is refused before the first command.
            redis::cmd("PING").query_async::<()>(&mut connection).await
        };
        match tokio::time::timeout(FIRST, first).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if refuses(&error) => {
                return Err(RedisProblem::Refused { at, reason: error.to_string() });
            }
            Ok(Err(error)) if tls::distrusts(&error) => {
                return Err(RedisProblem::Untrusted { at, reason: error.to_string() });
            }
            Ok(Err(error)) => away(&at, &error.to_string()),
            Err(_) => away(&at, "it does not answer"),
        }
        let channels = Channels {
            bell: format!("tidewire:{log}:bell"),
            gossip: format!("tidewire:{log}:gossip"),
        };
        let ringing = watch::Sender::new(Ords::zero(shards));
        let (telling, to_tell) = mpsc::channel(TELLING);
        let told = ringing.subscribe();
        let local = InProcess::new(shards);
        let (up, tasks) = (AtomicBool::new(false), OnceLock::new());
        let bus = Arc::new(Self { local, ringing, up, telling, tasks });
        // Only now: who hears ends when the bus is gone, and must not take it for that before it is there.
        let _ = bus.tasks.set([
            tokio::spawn(tell(client.clone(), channels.clone(), told, to_tell)),
            tokio::spawn(hear(client, channels, Arc::downgrade(&bus), at)),
        ]);
        Ok(bus)
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        self.tasks.get().into_iter().flatten().for_each(JoinHandle::abort);
    }
}

impl Bus for RedisBus {
    fn ring(&self, shard: usize, head: u64) {
        self.local.ring(shard, head);
        self.ringing.send_if_modified(|told| {
            let news = head > told.get(shard);
            told.raise(shard, head);
            news
        });
    }

    fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    fn subscribe(&self) -> Bell {
        self.local.subscribe()
    }

    fn tell(&self, gossip: Gossip) {
        // Full while Redis is away or slow: it is said again later.
        let _ = self.telling.try_send(gossip);
    }

    fn hear(&self) -> broadcast::Receiver<Arc<Gossip>> {
        self.local.hear()
    }

    fn is_shared(&self) -> bool {
        true
    }
}

fn away(at: &str, reason: &str) {
    tracing::warn!(
        at,
        reason,
        "Redis is away: until it is back, what is written on other servers is seen a second later"
    );
}

/// Whether Redis has answered with a refusal: that does not pass by itself.
fn refuses(error: &RedisError) -> bool {
    use redis::{ErrorKind, ServerErrorKind};
    match error.kind() {
        ErrorKind::AuthenticationFailed => true,
        ErrorKind::Server(kind) => matches!(kind, ServerErrorKind::NoPerm),
        _ => matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM")),
    }
}

/// Tells the others what has rung here: what rang while it told is one more telling.
async fn tell(
    client: Client,
    channels: Channels,
    mut ringing: watch::Receiver<Ords>,
    mut telling: mpsc::Receiver<Gossip>,
) {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(1)
        .set_response_timeout(Some(ANSWER))
        .set_connection_timeout(Some(ANSWER));
    let manager = ConnectionManager::new_lazy_with_config(client, config);
    let Ok(mut manager) = manager else { return };
    let mut told: Option<Ords> = None;
    loop {
        let mut bells = redis::pipe();
        tokio::select! {
            rung = ringing.changed() => if rung.is_err() { return },
            gossip = telling.recv() => {
                let Some(gossip) = gossip else { return };
                let waiting = std::iter::from_fn(|| telling.try_recv().ok());
                for gossip in std::iter::once(gossip).chain(waiting.take(PIPED)) {
                    if let Ok(text) = serde_json::to_string(&gossip) {
                        bells.publish(&channels.gossip, text).ignore();
                    }
                }
            }
        }
        let heads = ringing.borrow_and_update().clone();
        for (shard, head) in heads.iter().enumerate() {
            if told.as_ref().is_none_or(|told| told.get(shard) < head) && head > 0 {
                bells.publish(&channels.bell, format!("{shard}:{head}")).ignore();
            }
        }
        // Once more, since that a connection has ended is noticed by using it.
        let rung = bells.query_async::<()>(&mut manager).await;
        if rung.is_err()
            && let Err(error) = bells.query_async::<()>(&mut manager).await
        {
            // The others look at the heads within a second.
            tracing::debug!(%error, "a bell was lost");
        }
        told = Some(heads);
    }
}

/// Hears the others, as long as the bus is there.
async fn hear(client: Client, channels: Channels, bus: std::sync::Weak<RedisBus>, at: String) {
    let mut pause = RETRY_MIN;
    let mut was_away = false;
    while bus.strong_count() > 0 {
        match listen(&client, &channels).await {
            Ok(mut bells) => {
                if let Some(bus) = bus.upgrade() {
                    // Nobody knows what was said meanwhile: everybody says it again, also this one.
                    bus.tell(Gossip { again: true, ..Gossip::default() });
                }
                if std::mem::take(&mut was_away) {
                    tracing::info!(at, "Redis is back");
                }
                pause = RETRY_MIN;
                set_up(&bus, true);
                while let Some(message) = bells.next().await {
                    let text: String = message.get_payload().unwrap_or_default();
                    let Some(bus) = bus.upgrade() else { return };
                    if message.get_channel_name() == channels.gossip {
                        // What a newer server says in other words is not for this one.
                        if let Ok(gossip) = serde_json::from_str(&text) {
                            bus.local.tell(gossip);
                        }
                    } else if let Some((shard, head)) = read(&text) {
                        bus.local.ring(shard, head);
                    }
                }
                set_up(&bus, false);
                away(&at, "the connection was lost");
                was_away = true;
            }
            Err(error) => {
                if !std::mem::replace(&mut was_away, true) {
                    away(&at, &error.to_string());
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RETRY_MAX);
    }
}

fn set_up(bus: &std::sync::Weak<RedisBus>, up: bool) {
    if let Some(bus) = bus.upgrade() {
        bus.up.store(up, Ordering::Relaxed);
    }
}

async fn listen(
    client: &Client,
    channels: &Channels,
) -> Result<impl futures::Stream<Item = redis::Msg> + Unpin, RedisError> {
    let connecting = client.get_async_pubsub();
    let timed_out = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let connected = tokio::time::timeout(ANSWER, connecting).await;
    let mut connection = connected.map_err(|_| RedisError::from(timed_out()))??;
    connection.subscribe(&[&channels.bell, &channels.gossip]).await?;
    Ok(connection.into_on_message())
}

/// `SHARD:HEAD`.
fn read(text: &str) -> Option<(usize, u64)> {
    let (shard, head) = text.split_once(':')?;
    Some((shard.parse().ok()?, head.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use tidewire_services::{Authority, Redis};

    use super::*;
    use crate::bus::conformance;

    fn plain(url: &str) -> Address<'_> {
        Address { url, ca_file: None }
    }

    async fn connect(redis: &Redis, log: &str, shards: usize) -> Arc<RedisBus> {
        RedisBus::connect(plain(&redis.url()), log, shards).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_bus_over_redis_keeps_the_promises_of_the_trait() {
        let Some(redis) = Redis::start() else { return };
        let mut buses = Vec::new();
        for (n, shards) in [1, 3, 1, 1].into_iter().enumerate() {
            buses.push(connect(&redis, &format!("log{n}"), shards).await);
        }
        let buses = std::sync::Mutex::new(buses.into_iter());
        conformance::suite(|shards| {
            let bus = buses.lock().unwrap().next().unwrap();
            assert_eq!(bus.subscribe().borrow().len(), shards);
            bus
        })
        .await;
        let (one, two) = (connect(&redis, "log", 1).await, connect(&redis, "log", 1).await);
        conformance::gossip(&one, &two).await;
        // Also after Redis was away; whoever hears it then knows that he has to say everything again.
        let mut heard = two.hear();
        redis.stop();
        redis.start_again();
        let again = async { while heard.recv().await.is_ok_and(|gossip| !gossip.again) {} };
        tokio::time::timeout(PATIENCE, again).await.unwrap();
        conformance::meet(&one, &mut heard, 5).await;
    }

    /// What never takes so long unless something is broken.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Rings until a head above `head` is heard: a bell that rings before the other listens is lost, as it may be.
    async fn rings_through(from: &RedisBus, to: &RedisBus, shard: usize, head: u64) -> u64 {
        let mut bell = to.subscribe();
        let mut now = head;
        let heard = async {
            while bell.borrow_and_update().get(shard) <= head {
                now += 1;
                from.ring(shard, now);
                let _ = tokio::time::timeout(Duration::from_millis(100), bell.changed()).await;
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("a bell is heard");
        now
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn instances_hear_each_other_and_nobody_else() {
        let Some(redis) = Redis::start() else { return };
        let one = connect(&redis, "log", 16).await;
        let two = connect(&redis, "log", 16).await;
        let other = connect(&redis, "another", 16).await;
        rings_through(&one, &two, 7, 0).await;
        rings_through(&two, &one, 3, 0).await;
        assert_eq!(*other.subscribe().borrow(), Ords::zero(16));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn after_redis_was_away_they_hear_each_other_again() {
        let Some(redis) = Redis::start() else { return };
        let one = connect(&redis, "log", 1).await;
        let two = connect(&redis, "log", 1).await;
        let head = rings_through(&one, &two, 0, 0).await;
        redis.stop();
        one.ring(0, head + 1);
        assert_eq!(one.subscribe().borrow().get(0), head + 1, "heard here all the same");
        redis.start_again();
        rings_through(&one, &two, 0, head + 1).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wrong_password_is_told_and_a_redis_that_is_away_is_waited_for() {
        let Some(redis) = Redis::start_with(Some("right")) else { return };
        let at = |password: &str| format!("redis://:{password}@127.0.0.1:{}", redis.port());
        for url in [at("wrong-word"), format!("redis://127.0.0.1:{}", redis.port())] {
            let error = RedisBus::connect(plain(&url), "log", 1).await.err().unwrap();
            assert!(matches!(error, RedisProblem::Refused { .. }), "{error:?}");
            assert!(!error.to_string().contains("wrong-word"), "{error}");
        }
        assert!(RedisBus::connect(plain(&at("right")), "log", 1).await.is_ok());
        redis.stop();
        assert!(RedisBus::connect(plain(&at("right")), "log", 1).await.is_ok());
        let error = RedisBus::connect(plain("nonsense"), "log", 1).await.err().unwrap();
        assert!(matches!(error, RedisProblem::Url(_)));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn over_tls_they_hear_each_other_and_a_certificate_of_somebody_else_is_told() {
        let authority = Authority::new("of Redis");
        let Some(redis) = Redis::start_secure(&authority) else { return };
        let folder = tempfile::tempdir().unwrap();
        let (right, wrong) = (folder.path().join("right.pem"), folder.path().join("wrong.pem"));
        std::fs::write(&right, authority.pem()).unwrap();
        std::fs::write(&wrong, Authority::new("of nobody").pem()).unwrap();
        let url = redis.url();
        let at = |ca_file| Address { url: &url, ca_file };
        let one = RedisBus::connect(at(Some(&right)), "log", 1).await.unwrap();
        let two = RedisBus::connect(at(Some(&right)), "log", 1).await.unwrap();
        let head = rings_through(&one, &two, 0, 0).await;
        redis.stop();
        redis.start_again();
        rings_through(&two, &one, 0, head).await;
        for ca_file in [Some(wrong.as_path()), None] {
            let error = RedisBus::connect(at(ca_file), "log", 1).await.err().unwrap();
            assert!(matches!(error, RedisProblem::Untrusted { .. }), "{error:?}");
            assert!(error.to_string().contains("--redis-ca-file"), "{error}");
        }
        let nowhere = folder.path().join("nowhere.pem");
        let error = RedisBus::connect(at(Some(&nowhere)), "log", 1).await.err().unwrap();
        assert!(error.to_string().contains("nowhere.pem"), "{error}");
        let without_tls = Address { url: "redis://127.0.0.1:1", ca_file: Some(&right) };
        let error = RedisBus::connect(without_tls, "log", 1).await.err().unwrap();
        assert!(error.to_string().contains("rediss://"), "{error}");
    }
}
