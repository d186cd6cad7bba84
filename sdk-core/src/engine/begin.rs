//! What an engine is before anything has happened.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use super::backoff::Backoff;
use super::feed::link::Link;
use super::life::auth::Auth;
use super::outbox::Outbox;
use super::people::profiles::ProfileCache;
use super::stats::Stats;
use super::time::{Now, Timers};
use super::timeline::windows::Windows;
use super::{
    Engine, Phase, clock, disk, feed, files, life, mode, outbox, people, rooms, stats, timeline,
    why,
};
use crate::config::{Config, millis};

impl Engine {
    /// A client that begins. `seed` is its source of randomness, for jitter.
    pub fn new(config: Config, seed: u64, now: Now) -> Self {
        let point = mode::crowd::point_of(config.user.as_str());
        let mut engine = Self {
            rng: fastrand::Rng::with_seed(seed),
            now,
            server_clock: clock::ServerClock::default(),
            effects: VecDeque::new(),
            timers: Timers::default(),
            next_id: 0,
            signals: mode::ceilings::Signals::new(point, config.app_state),
            reported: None,
            dwell: mode::dwell::Dwell::default(),
            ceilings_since: why::CeilingsSince::default(),
            ledger: mode::budget::Ledger::new(config.budget),
            // Whoever opens a client wants to see what is new.
            read_asked: true,
            rest: life::lifecycle::Rest::Awake,
            releases: 0,
            refreshes: Vec::new(),
            phase: Phase::Loading,
            store_backoff: Backoff::new(),
            loaded_once: false,
            cache_life: 0,
            fetches: timeline::fetches::Fetches::new(),
            store_told: None,
            commits: VecDeque::new(),
            loads: BTreeMap::new(),
            deferred: Vec::new(),
            auth: Auth::new(),
            requests: HashMap::new(),
            awaiting_token: Vec::new(),
            cursor: None,
            read_at: None,
            queued_cursor_at: 0,
            epoch: None,
            rooms: BTreeMap::new(),
            rooms_known: false,
            rooms_changed: false,
            heads: rooms::heads::Heads::default(),
            lists: BTreeMap::new(),
            lists_told_at: None,
            spare_from: 0,
            errand: None,
            settings_told: None,
            answering: u64::MAX,
            owing: BTreeSet::new(),
            receipts_told_at: None,
            catching_up: false,
            windows: Windows::default(),
            timelines: HashMap::new(),
            findings: BTreeMap::new(),
            goals: BTreeMap::new(),
            fetching: BTreeSet::new(),
            interest: rooms::interest::Interest::default(),
            retention: disk::retention::Retention::default(),
            outbox: Outbox::default(),
            lookups: BTreeMap::new(),
            uploads: outbox::uploads::Uploads::new(),
            max_upload_bytes: tidewire_protocol::limits::UPLOAD_BYTES,
            undated: Vec::new(),
            profiles: ProfileCache::new(millis(config.cache_ttl)),
            indexing: disk::search::Indexing::Done,
            files: files::Files::default(),
            blocks: people::blocks::Blocks::default(),
            watching: people::watch::Watching::default(),
            peers: people::peers::Peers::default(),
            typing: people::typing::OwnTyping::default(),
            ephemeral_members: tidewire_protocol::limits::EPHEMERAL_MEMBERS,
            // Never 0, which stands for many.
            device: fastrand::Rng::with_seed(seed).u32(1..),
            link: Link::default(),
            link_opened_at: None,
            link_backoff: Backoff::new(),
            looked_at: None,
            moved_at: None,
            lagged_at: None,
            look_due: false,
            sockets_failed: 0,
            probes: 0,
            stream: feed::stream::Stream::default(),
            stream_opened_at: None,
            stream_backoff: Backoff::new(),
            stream_failures: 0,
            sync: None,
            boot: None,
            poll_due: true,
            http_backoff: Backoff::new(),
            ops_backoff: Backoff::new(),
            ops_put_off_at: None,
            ops_slot_until: 0,
            http_slot_until: 0,
            link_slot_until: 0,
            idempotency_window_ms: tidewire_protocol::limits::IDEMPOTENCY_WINDOW_MS,
            stats: Stats::default(),
            tiers: disk::report::Tiers::since(now.mono_ms),
            mode_stats: stats::ModeStats::default(),
            radio: stats::Radio::default(),
            config,
        };
        engine.load_start();
        engine
    }
}
