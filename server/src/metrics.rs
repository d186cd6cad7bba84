//! What the server counts and measures of itself, in the text form that Prometheus reads. Nothing in here
//! names a user, a room or an address: a series is a kind of thing, never somebody's.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use tidewire_protocol::{ErrorCode, WireError};

use crate::app::App;
use crate::health::{Database, Health};
use crate::policy::Audience;
use crate::store::hot::HotCounts;

/// Upper ends of the classes of times, in seconds: from a write that met no queue to the longest poll.
const TIMES: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

fn times() -> Histogram {
    Histogram::new(TIMES)
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    method: &'static str,
    route: String,
    status: u16,
}

/// What carries a connection, and the mode that it is used in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Kind {
    transport: &'static str,
    mode: &'static str,
}

impl Kind {
    /// A socket that the feed is pushed over.
    pub(crate) const REAL_TIME: Self = Self { transport: "socket", mode: "real_time" };
    /// A socket for a few live rooms.
    pub(crate) const HYBRID: Self = Self { transport: "socket", mode: "hybrid" };
    /// An event stream.
    pub(crate) const EVENTS: Self = Self { transport: "events", mode: "real_time" };
    /// A poll that is being answered, or waits.
    pub(crate) const POLL: Self = Self { transport: "sync", mode: "polling" };
    const ALL: [Self; 4] = [Self::REAL_TIME, Self::HYBRID, Self::EVENTS, Self::POLL];
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: String,
}

macro_rules! one_label {
    ($($name:ident, $label:ident;)*) => {
        $(#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name {
            $label: &'static str,
        })*
    };
}

one_label! {
    Direction, direction;
    From, from;
    Mode, mode;
    Outcome, outcome;
    Queue, queue;
    PoolState, state;
    Version, version;
}

/// What became of a wish to sign in.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SignIn {
    Done,
    /// No such account, or another password.
    Wrong,
    /// Too many at once, or too many wrong ones.
    Limited,
    Failed,
}

/// What became of a refresh token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refresh {
    Next,
    /// Its answer was lost.
    Again,
    /// It came twice: its session has ended.
    Reused,
    Refused,
}

impl SignIn {
    const ALL: [Self; 4] = [Self::Done, Self::Wrong, Self::Limited, Self::Failed];

    fn outcome(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Wrong => "wrong",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

impl Refresh {
    const ALL: [Self; 4] = [Self::Next, Self::Again, Self::Reused, Self::Refused];

    fn outcome(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Again => "again",
            Self::Reused => "reused",
            Self::Refused => "refused",
        }
    }
}

/// A gauge with a fraction.
type Share = Gauge<f64, AtomicU64>;

/// All that is counted and measured.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    calls: Family<Call, Histogram, fn() -> Histogram>,
    refusals: Family<Reason, Counter>,
    connections: Family<Kind, Gauge>,
    frames: Family<Direction, Counter>,
    ops: Family<Outcome, Counter>,
    append: Histogram,
    handed_out: Counter,
    fan_out: Histogram,
    overflows: Counter,
    lag: Histogram,
    bodies: Family<From, Counter>,
    hot_bytes: Gauge,
    sign_ins: Family<Outcome, Counter>,
    refreshes: Family<Outcome, Counter>,
    accounts: Counter,
    password_hash: Histogram,
    // What is looked at when somebody asks.
    open: Gauge,
    capacity: Gauge,
    online: Gauge,
    policy: Family<Mode, Share>,
    queues: Family<Queue, Gauge>,
    pool: Family<PoolState, Gauge>,
    database: Gauge,
    bus: Gauge,
    ready: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Arc<Self> {
        let calls = Family::new_with_constructor(times as fn() -> Histogram);
        let mut metrics = Self {
            registry: Registry::with_prefix("tidewire"),
            calls,
            refusals: Family::default(),
            connections: Family::default(),
            frames: Family::default(),
            ops: Family::default(),
            append: times(),
            handed_out: Counter::default(),
            fan_out: times(),
            overflows: Counter::default(),
            lag: times(),
            bodies: Family::default(),
            hot_bytes: Gauge::default(),
            sign_ins: Family::default(),
            refreshes: Family::default(),
            accounts: Counter::default(),
            password_hash: times(),
            open: Gauge::default(),
            capacity: Gauge::default(),
            online: Gauge::default(),
            policy: Family::default(),
            queues: Family::default(),
            pool: Family::default(),
            database: Gauge::default(),
            bus: Gauge::default(),
            ready: Gauge::default(),
        };
        metrics.register();
        // Told as 0 from the start, so that an alert on what is missing means something.
        Kind::ALL.iter().for_each(|kind| drop(metrics.connections.get_or_create(kind)));
        for outcome in SignIn::ALL.map(SignIn::outcome) {
            drop(metrics.sign_ins.get_or_create(&Outcome { outcome }));
        }
        for outcome in Refresh::ALL.map(Refresh::outcome) {
            drop(metrics.refreshes.get_or_create(&Outcome { outcome }));
        }
        Arc::new(metrics)
    }

    fn register(&mut self) {
        let build = Family::<Version, Gauge>::default();
        build.get_or_create(&Version { version: env!("CARGO_PKG_VERSION") }).set(1);
        let all = &mut self.registry;
        all.register("build", "The version that runs; always 1", build);
        let seconds = Unit::Seconds;
        all.register_with_unit(
            "request",
            "Time to the head of an answer, by route; that of a poll has its wait in it",
            seconds.clone(),
            self.calls.clone(),
        );
        all.register("refusals", "Calls and frames that were refused", self.refusals.clone());
        all.register("connections", "Those in use, by mode", self.connections.clone());
        all.register("frames", "Frames of sockets", self.frames.clone());
        all.register("operations", "Operations that clients sent", self.ops.clone());
        all.register_with_unit(
            "append",
            "From an operation to its commit, the queue included",
            seconds.clone(),
            self.append.clone(),
        );
        all.register(
            "handed_out",
            "Entries of the log handed to listeners",
            self.handed_out.clone(),
        );
        all.register_with_unit(
            "fan_out",
            "From the bell until an entry is in every inbox of this server",
            seconds.clone(),
            self.fan_out.clone(),
        );
        all.register("inbox_overflows", "Inboxes given up for the log", self.overflows.clone());
        all.register_with_unit(
            "event_loop_lag",
            "How late the event loop was",
            seconds.clone(),
            self.lag.clone(),
        );
        all.register("sign_ins", "Wishes to sign in to an account", self.sign_ins.clone());
        all.register("refreshes", "Refresh tokens that came", self.refreshes.clone());
        all.register("accounts_made", "New accounts", self.accounts.clone());
        all.register_with_unit(
            "password_hash",
            "What a password took to hash",
            seconds,
            self.password_hash.clone(),
        );
        all.register("event_bodies", "Events that were given out", self.bodies.clone());
        all.register_with_unit(
            "hot_events",
            "Memory that the newest events of rooms take",
            Unit::Bytes,
            self.hot_bytes.clone(),
        );
        all.register("open_connections", "Sockets and event streams", self.open.clone());
        all.register("connection_capacity", "As many can be carried", self.capacity.clone());
        all.register("users_online", "Users online, as clients hear of it", self.online.clone());
        all.register("policy_fraction", "Share that may use a mode", self.policy.clone());
        all.register("queue_depth", "What waits for the database", self.queues.clone());
        all.register("pool_connections", "Connections to PostgreSQL", self.pool.clone());
        all.register("database_up", "1 if it can be read and written", self.database.clone());
        all.register("bus_up", "1 if other servers are heard at once", self.bus.clone());
        all.register("ready", "What /readyz says: 1 for 200", self.ready.clone());
    }

    /// A connection in this mode, while the guard lives.
    pub(crate) fn connection(self: &Arc<Self>, kind: Kind) -> Counted {
        self.connections.get_or_create(&kind).inc();
        Counted { metrics: self.clone(), kind }
    }

    /// Something was refused.
    pub(crate) fn refused(&self, error: &WireError) {
        self.refused_as(&error.code);
    }

    fn refused_as(&self, code: &ErrorCode) {
        self.refusals.get_or_create(&Reason { reason: code.as_str().to_owned() }).inc();
    }

    /// A connection was closed at once: its address has too many that say nothing.
    pub(crate) fn turned_away(&self) {
        self.refusals.get_or_create(&Reason { reason: "waiting_connections".to_owned() }).inc();
    }

    /// A frame came in, or went out.
    pub(crate) fn frame(&self, direction: &'static str) {
        self.frames.get_or_create(&Direction { direction }).inc();
    }

    /// Operations of one request came to this, after so long.
    pub(crate) fn appended(&self, sent: usize, written: usize, took: Duration) {
        let count = |outcome, count: usize| {
            if count > 0 {
                self.ops.get_or_create(&Outcome { outcome }).inc_by(count as u64);
            }
        };
        count("written", written);
        count("not_written", sent.saturating_sub(written));
        self.append.observe(took.as_secs_f64());
    }

    /// An entry was handed out, so long after the bell.
    pub(crate) fn handed_out(&self, after: Duration) {
        self.handed_out.inc();
        self.fan_out.observe(after.as_secs_f64());
    }

    /// A connection was too slow for its inbox.
    pub(crate) fn overflowed(&self) {
        self.overflows.inc();
    }

    /// The event loop was so late.
    pub(crate) fn lagged(&self, by: Duration) {
        self.lag.observe(by.as_secs_f64());
    }

    /// Somebody wished to sign in.
    pub(crate) fn signed_in(&self, sign_in: SignIn) {
        self.sign_ins.get_or_create(&Outcome { outcome: sign_in.outcome() }).inc();
    }

    /// A refresh token came.
    pub(crate) fn refreshed(&self, refresh: Refresh) {
        self.refreshes.get_or_create(&Outcome { outcome: refresh.outcome() }).inc();
    }

    /// There is an account more.
    pub(crate) fn account_made(&self) {
        self.accounts.inc();
    }

    /// What hashing passwords is measured by.
    pub(crate) fn password_hashes(&self) -> Histogram {
        self.password_hash.clone()
    }

    /// What the newest events of rooms are counted by.
    pub(crate) fn hot(&self) -> HotCounts {
        let bodies = |from| self.bodies.get_or_create(&From { from }).clone();
        let (memory, database) = (bodies("memory"), bodies("database"));
        HotCounts { memory, database, bytes: self.hot_bytes.clone() }
    }

    /// Everything, as text. Waits for the database, at most as long as [`Health`] lets it.
    pub(crate) async fn text(&self, app: &App) -> String {
        let health = app.health.look(app).await;
        self.look(app, &health);
        let mut text = String::new();
        if let Err(error) = text::encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }

    fn look(&self, app: &App, health: &Health) {
        let flag = |gauge: &Gauge, set: bool| gauge.set(i64::from(set));
        flag(&self.database, health.database == Database::Ok);
        flag(&self.bus, !health.bus_away);
        flag(&self.ready, health.is_ready());
        let Audience { online, policy } = app.audience_now();
        self.online.set(i64::from(online));
        self.open.set(i64::from(*app.sockets.borrow()));
        self.capacity.set(i64::from(app.load.capacity()));
        let (real_time, hybrid) = policy.map_or((1.0, 1.0), |p| (p.real_time, p.hybrid));
        for (mode, share) in [("real_time", real_time), ("hybrid", hybrid)] {
            self.policy.get_or_create(&Mode { mode }).set(share);
        }
        let pressure = app.store.pressure();
        for (queue, depth) in [("writes", pressure.writes), ("reads", pressure.reads)] {
            self.queues.get_or_create(&Queue { queue }).set(depth as i64);
        }
        let pool = pressure.pool.unwrap_or_default();
        for (state, count) in
            [("used", pool.used), ("idle", pool.idle), ("waited_for", pool.waiting)]
        {
            self.pool.get_or_create(&PoolState { state }).set(count as i64);
        }
    }
}

/// Counts a connection while it lives.
pub(crate) struct Counted {
    metrics: Arc<Metrics>,
    kind: Kind,
}

impl Counted {
    /// It is used in another mode now.
    pub(crate) fn becomes(&mut self, kind: Kind) {
        if kind != self.kind {
            *self = self.metrics.connection(kind);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.metrics.connections.get_or_create(&self.kind).dec();
    }
}

/// Measures a call, and counts what it was refused for.
pub(crate) async fn measure(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = method(request.method());
    // The template: ids of rooms are no names of series.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("none", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    let call = Call { method, route, status };
    app.metrics.calls.get_or_create(&call).observe(begun.elapsed().as_secs_f64());
    if let Some(code) = response.extensions().get::<ErrorCode>() {
        app.metrics.refused_as(code);
    }
    response
}

/// Those that there are: a client may send any word as its method.
fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "HEAD" => "HEAD",
        _ => "other",
    }
}
