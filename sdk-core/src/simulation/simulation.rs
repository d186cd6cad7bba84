//! Many clients, one server, one clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

use tidewire_protocol::{NewRoom, Policy, RoomId, RoomKind, ServerFrame, UserId};

use super::audience::Presence;
use super::checks::{self, Broken};
use super::client::SimClient;
use super::connection::Connection;
use super::disk::{Disk, MemoryDisk};
use super::handle::Handle;
use super::happening::{Entry, Happening};
use super::network::{Harms, Profile};
use super::server::{ModelServer, News, room_id};
use crate::config::Config;
use crate::engine::Now;

/// The wall clock of the beginning.
const BEGINNING: i64 = 1_700_000_000_000;

/// Who counts as the audience that the server tells its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The clients that the server knows to be online.
    Counted,
    /// So many, whoever is there.
    Fixed(u32),
}

/// What passed since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Inputs that engines were given.
    pub inputs: u64,
    /// Transactions that were committed.
    pub commits: u64,
    /// Changes of mode.
    pub switches: u64,
    /// HTTP requests that the server took.
    pub requests: u64,
    /// Frames that the server took.
    pub frames_up: u64,
    /// Those of them that only say that the client is there.
    pub pings: u64,
    /// Frames that clients were given.
    pub frames_down: u64,
    /// Sockets that were opened.
    pub sockets: u64,
    /// Event streams that were opened.
    pub streams: u64,
    /// Sockets that broke by themselves or with the server.
    pub cuts: u64,
    /// Requests that were lost.
    pub lost: u64,
    /// Bytes of parts of files that left clients.
    pub part_bytes: u64,
    /// Answers and frames that came twice.
    pub repeated: u64,
    /// Requests and greetings that the server refused because it was busy.
    pub refused: u64,
    /// Restarts of the server.
    pub server_restarts: u64,
    /// Restarts of clients.
    pub client_restarts: u64,
    /// Commits that failed.
    pub failed_commits: u64,
    /// Answers and frames that were harmed as a test had planned.
    pub harmed: u64,
    /// Requests and frames with operations that left before the slot that the server had given for
    /// operations refused before.
    pub early_sends: u64,
    /// Bytes of JSON that clients sent, if they are counted.
    pub bytes_up: u64,
    /// Bytes of JSON that clients received, if they are counted.
    pub bytes_down: u64,
}

/// A client and what is on its way for it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) client: SimClient,
    /// Counts the times that everything on its way was dropped.
    pub(super) net: u32,
    pub(super) wake_at: Option<u64>,
    pub(super) storing: bool,
    pub(super) network: Profile,
    /// Until when nothing passes.
    pub(super) cut_off_until: u64,
    /// The open sockets, by the engine's id.
    pub(super) sockets: HashMap<u64, u64>,
    /// The instance of the server that serves its sockets.
    pub(super) instance: usize,
    /// Of the commits, the share that fails.
    pub(super) failing: f64,
    /// What becomes of answers.
    pub(super) harms: Harms,
    /// Requests with operations that were not answered yet.
    pub(super) sends: BTreeSet<u64>,
    /// Parts of files that it has given up.
    pub(super) dropped_puts: BTreeSet<u64>,
    /// Until when the server has asked to send nothing.
    pub(super) slot_until: u64,
    /// Files that are being read.
    pub(super) fetches: BTreeSet<crate::engine::FetchId>,
}

/// Engines and a model of the server under a virtual clock. See the [module](super).
pub struct Simulation {
    pub(super) seed: u64,
    pub(super) rng: fastrand::Rng,
    pub(super) now: u64,
    /// The server. What a test does to it at once is as if another user had done it.
    pub server: ModelServer,
    pub(super) nodes: Vec<Node>,
    /// The clients of each user.
    pub(super) by_user: HashMap<UserId, Vec<usize>>,
    pub(super) connections: BTreeMap<u64, Connection>,
    pub(super) next_connection: u64,
    pub(super) queue: BinaryHeap<Reverse<Entry>>,
    pub(super) serial: u64,
    pub(super) presence: Presence,
    pub(super) audience: Audience,
    pub(super) told: (u32, Option<Policy>),
    /// By how many ms each instance of the server lags behind the database.
    pub(super) lags: Vec<u64>,
    /// When the log had which head.
    pub(super) heads: VecDeque<(u64, u64)>,
    pub(super) down_until: u64,
    pub(super) storm_until: u64,
    pub(super) storm_share: f64,
    pub(super) counts: Counts,
    pub(super) counts_bytes: bool,
    pub(super) checks: bool,
    profile: Profile,
    rooms: Vec<RoomId>,
    configure: Box<dyn Fn(Config) -> Config>,
    disks: Box<dyn FnMut(usize) -> Box<dyn Disk>>,
    pub(super) looks: bool,
}

impl std::fmt::Debug for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulation")
            .field("seed", &self.seed)
            .field("now", &self.now)
            .field("clients", &self.nodes.len())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Simulation {
    /// A world without users. The same seed and the same calls make the same world again.
    pub fn new(seed: u64) -> Self {
        let mut simulation = Self {
            seed,
            rng: fastrand::Rng::with_seed(seed),
            now: 0,
            server: ModelServer::new(),
            nodes: Vec::new(),
            by_user: HashMap::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            queue: BinaryHeap::new(),
            serial: 0,
            presence: Presence::default(),
            audience: Audience::Counted,
            told: (0, None),
            lags: vec![0],
            heads: VecDeque::new(),
            down_until: 0,
            storm_until: 0,
            storm_share: 0.0,
            counts: Counts::default(),
            counts_bytes: false,
            checks: true,
            profile: Profile::good(),
            rooms: Vec::new(),
            configure: Box::new(|config| config),
            disks: Box::new(|_| Box::new(MemoryDisk::new())),
            looks: true,
        };
        simulation.after(1_000, Happening::Tick);
        simulation
    }

    /// The network of all clients, from now on.
    #[must_use]
    pub fn network(mut self, profile: Profile) -> Self {
        self.set_network(profile);
        self
    }

    /// How clients that are added from now on are tuned.
    #[must_use]
    pub fn config(mut self, configure: impl Fn(Config) -> Config + 'static) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// Where clients that are added from now on keep their store: in memory, unless told. The
    /// number is the client's.
    #[must_use]
    pub fn disks(mut self, disks: impl FnMut(usize) -> Box<dyn Disk> + 'static) -> Self {
        self.disks = Box::new(disks);
        self
    }

    /// For a crowd that is only counted: rows and replies are not kept, nothing is checked on the
    /// way, and the bytes of everything that passes are counted.
    #[must_use]
    pub fn counting(mut self) -> Self {
        self.looks = false;
        self.checks = false;
        self.counts_bytes = true;
        self
    }

    /// Whether what is on disk is checked after every commit. It is, unless told.
    #[must_use]
    pub fn checking(mut self, checks: bool) -> Self {
        self.checks = checks;
        self
    }

    /// Adds `count` users, each with a client that starts now: `user-0000`, `user-0001` …
    #[must_use]
    pub fn users(mut self, count: usize) -> Self {
        for _ in 0..count {
            self.add_user();
        }
        self
    }

    /// Adds a room of these users; the first of them makes it.
    ///
    /// # Panics
    /// If there are no such users.
    #[must_use]
    pub fn room_of(mut self, users: impl IntoIterator<Item = usize>) -> Self {
        self.add_room(users);
        self
    }

    /// Adds a user with a client that starts now. Gives the client's number.
    pub fn add_user(&mut self) -> usize {
        let number = self.nodes.len();
        self.add_client(UserId::new(format!("user-{number:04}")).unwrap())
    }

    /// Adds another device of a client's user, which starts now with a store of its own. Gives the
    /// new client's number.
    ///
    /// # Panics
    /// If there is no such client.
    pub fn add_device_of(&mut self, number: usize) -> usize {
        let user = self.client(number).user();
        self.add_client(user)
    }

    fn add_client(&mut self, user: UserId) -> usize {
        let number = self.nodes.len();
        let config = (self.configure)(Config::new(user.clone()));
        let disk = (self.disks)(number);
        let seed = self.rng.u64(..);
        let mut client = SimClient::new(config, number as u64 + 1, seed, self.clock(), disk);
        client.looks = self.looks;
        self.nodes.push(Node {
            client,
            net: 0,
            wake_at: None,
            storing: false,
            network: self.profile.clone(),
            cut_off_until: 0,
            sockets: HashMap::new(),
            instance: self.rng.usize(0..self.lags.len()),
            failing: 0.0,
            harms: Harms::default(),
            sends: BTreeSet::new(),
            dropped_puts: BTreeSet::new(),
            slot_until: 0,
            fetches: BTreeSet::new(),
        });
        self.by_user.entry(user).or_default().push(number);
        self.pump(number);
        number
    }

    /// Adds a room of these users; the first of them makes it.
    ///
    /// # Panics
    /// If there are no such users.
    pub fn add_room(&mut self, users: impl IntoIterator<Item = usize>) -> RoomId {
        let users: Vec<UserId> =
            users.into_iter().map(|user| self.nodes[user].client.user.clone()).collect();
        let (creator, others) = users.split_first().expect("a room has somebody who makes it");
        let id = room_id(self.rooms.len() as u128 + 1);
        let new = NewRoom {
            id,
            kind: RoomKind::Group,
            name: Some(format!("room {}", self.rooms.len())),
            members: Vec::new(),
        };
        self.server.create_room(creator, new).unwrap();
        for user in others {
            self.server.add_member(id, creator, user);
        }
        self.rooms.push(id);
        self.tell_news();
        id
    }

    /// The rooms, in the order in which they were added.
    pub fn rooms(&self) -> &[RoomId] {
        &self.rooms
    }

    /// A client.
    ///
    /// # Panics
    /// If there is no such client.
    pub fn client(&mut self, number: usize) -> Handle<'_> {
        assert!(number < self.nodes.len(), "there are {} clients", self.nodes.len());
        Handle { simulation: self, number }
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.nodes.len()
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Virtual time since the beginning, in ms.
    pub fn now_ms(&self) -> u64 {
        self.now
    }

    /// What passed since the beginning.
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts;
        for node in &self.nodes {
            counts.inputs += node.client.inputs;
            counts.commits += node.client.commits;
            counts.switches += node.client.switches;
        }
        counts
    }

    /// Sockets that are open now.
    pub fn open_sockets(&self) -> usize {
        self.connections.values().filter(|connection| connection.is_open()).count()
    }

    pub(super) fn clock(&self) -> Now {
        Now { mono_ms: self.now, wall_ms: BEGINNING + self.now as i64 }
    }

    /// Lets time pass, in ms: everything that is due happens.
    pub fn run_for(&mut self, ms: u64) {
        let end = self.now + ms;
        self.tell_news();
        while let Some(Reverse(entry)) = self.queue.peek() {
            if entry.at > end {
                break;
            }
            let Some(Reverse(entry)) = self.queue.pop() else { break };
            self.now = self.now.max(entry.at);
            self.happen(entry.happening);
        }
        self.now = end;
    }

    pub(super) fn at(&mut self, at: u64, happening: Happening) {
        self.serial += 1;
        self.queue.push(Reverse(Entry { at, serial: self.serial, happening }));
    }

    pub(super) fn after(&mut self, ms: u64, happening: Happening) {
        self.at(self.now + ms, happening);
    }

    /// Whoever has news on a socket is pushed to, once the instance has read it.
    pub(super) fn tell_news(&mut self) {
        if self.heads.back().is_none_or(|(_, head)| *head != self.server.head) {
            self.heads.push_back((self.now, self.server.head));
        }
        for news in self.server.take_news() {
            let users: Vec<usize> = match &news {
                News::User(user) => self.by_user.get(user).into_iter().flatten().copied().collect(),
                News::Room { room, also } => {
                    let room = &self.server.rooms[room];
                    let users = room.receipts.keys().chain(also);
                    users.filter_map(|user| self.by_user.get(user)).flatten().copied().collect()
                }
            };
            for user in users {
                self.wake_connections(user);
            }
        }
    }

    /// How far the instance has read the log.
    pub(super) fn applied(&mut self, instance: usize) -> Option<u64> {
        let lag = self.lags[instance];
        if lag == 0 {
            return None;
        }
        let most = self.lags.iter().copied().max().unwrap_or_default();
        while let Some((at, _)) = self.heads.get(1)
            && *at + most < self.now
        {
            self.heads.pop_front();
        }
        let known = self.heads.iter().rev().find(|(at, _)| *at + lag <= self.now);
        Some(known.map_or(0, |(_, head)| *head))
    }

    /// The network of all clients, from now on.
    pub fn set_network(&mut self, profile: Profile) {
        for node in &mut self.nodes {
            node.network = profile.clone();
        }
        self.profile = profile;
    }

    /// What the server tells of the audience.
    pub fn set_audience(&mut self, audience: Audience) {
        self.audience = audience;
        self.count_audience();
    }

    /// What the server says that it can carry; `None` leaves the choice to the audience.
    pub fn set_policy(&mut self, policy: Option<Policy>) {
        self.server.policy = policy;
    }

    /// Instances of the server, each by how many ms it lags behind the database. Each client's
    /// sockets are served by one of them, its requests by any.
    pub fn set_instances(&mut self, lags_ms: &[u64]) {
        assert!(!lags_ms.is_empty(), "somebody has to serve");
        self.lags = lags_ms.to_vec();
        for node in &mut self.nodes {
            node.instance = self.rng.usize(0..self.lags.len());
        }
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        ids.into_iter().for_each(|id| self.wake_connection(id));
    }

    /// The server stops, with its sockets and its knowledge of who is online; the log stays. It is
    /// back after `ms`.
    pub fn restart_server(&mut self, ms: u64) {
        self.counts.server_restarts += 1;
        self.down_until = self.now + ms;
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            self.break_connection(id, false);
        }
        self.presence = Presence::default();
    }

    /// The server is about to stop: it asks every socket to come back within so many ms, each in
    /// a slot of its own.
    pub fn goaway(&mut self, most_ms: u64) {
        let ids: Vec<u64> = self.connections.keys().copied().collect();
        for id in ids {
            let retry_after_ms = self.rng.u64(0..=most_ms);
            let reason = "the server stops".to_owned();
            self.send_down(id, vec![ServerFrame::Goaway { retry_after_ms, reason }]);
        }
    }

    /// For so many ms the server refuses this share of requests, greetings and operations, with 429 or
    /// 503, and mostly with a slot.
    pub fn storm(&mut self, ms: u64, share: f64) {
        self.storm_until = self.now + ms;
        self.storm_share = share;
    }

    /// Every cursor given so far is too old from now on, until [`Simulation::calm`].
    pub fn expire_cursors(&mut self) {
        self.server.expired_below = self.server.head;
    }

    /// All trouble ends: the network is good, every instance is up to date, the server serves, and
    /// no commit fails any more.
    pub fn calm(&mut self) {
        self.set_network(Profile::good());
        self.set_instances(&[0]);
        self.storm_until = 0;
        self.server.expired_below = 0;
        for node in &mut self.nodes {
            node.failing = 0.0;
            node.client.failing_commits = 0;
            node.cut_off_until = 0;
        }
    }

    /// What must be true at any moment.
    ///
    /// # Errors
    /// The first promise that was broken, and the seed.
    pub fn check(&mut self) -> Result<(), Broken> {
        for number in 0..self.nodes.len() {
            let client = &mut self.nodes[number].client;
            let broken = client.broken.clone().map_or(Ok(()), Err);
            let checked = broken
                .and_then(|()| checks::check_store(client, &self.server))
                .and_then(|()| checks::check_events(client, &self.server));
            checked.map_err(|broken| self.told_of(number, &broken))?;
        }
        Ok(())
    }

    /// What must be true once all trouble has ended and time has passed: everybody has read to
    /// the end, has what the server has, shows it without an unmarked gap, and has sent all that
    /// could be sent.
    ///
    /// # Errors
    /// The first promise that was broken, and the seed.
    pub fn check_settled(&mut self) -> Result<(), Broken> {
        self.check()?;
        for number in 0..self.nodes.len() {
            let client = &mut self.nodes[number].client;
            let checked = checks::check_settled(client, &self.server);
            checked.map_err(|broken| self.told_of(number, &broken))?;
        }
        Ok(())
    }

    fn told_of(&self, number: usize, broken: &Broken) -> Broken {
        let user = &self.nodes[number].client.user;
        Broken(format!("seed {}, {user}, {} ms: {broken}", self.seed, self.now))
    }
}
