//! The campaign: several clients on one server, each switching its mode again and again while
//! everything around it fails. In the end each has what the server has.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tidewire::engine::{Command, Signal, TimelineId};
use tidewire::simulation::{
    Audience, Broken, Counts, Disk, FileDisk, MemoryDisk, Profile, Simulation, any_change,
};
use tidewire::{
    AppState, GapSide, Mode, Network, NetworkKind, Policy, RoomFilter, RoomId, RoomListQuery,
    RoomSort, Row, Seq, SettingsChange, TimelineStart, UserId,
};

use crate::app::{self, App};

/// Seeds, unless `TIDEWIRE_SEEDS=n` says how many; `TIDEWIRE_SEED=n` runs that one.
const SEEDS: u64 = 1_000;
/// Switches of mode that each client makes at least.
const SWITCHES: u64 = 10;
/// One seed in so many has its stores on a real disk.
const ON_DISK: u64 = 40;

/// Where the clients of a seed keep their stores.
pub(crate) type Disks = Box<dyn FnMut(usize) -> Box<dyn Disk>>;

#[test]
fn whatever_happens_in_between_every_client_ends_with_the_servers_log() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("TIDEWIRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEWIRE_SEEDS").unwrap_or(SEEDS),
    };
    let next = AtomicU64::new(seeds.start);
    let total = Mutex::new(Counts::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().to_owned();
            let disks: Disks = Box::new(move |client| {
                if seed % ON_DISK == ON_DISK - 1 {
                    Box::new(FileDisk::new(path.join(client.to_string())))
                } else {
                    Box::new(MemoryDisk::new())
                }
            });
            let counts = run(seed, disks, true).unwrap_or_else(|broken| {
                panic!("failed with TIDEWIRE_SEED={seed}: {broken}");
            });
            add(&mut total.lock().unwrap(), counts);
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
    let total = total.into_inner().unwrap();
    let count = seeds.end - seeds.start;
    println!("{count} seeds: {total:?}");
    assert!(total.switches >= 10 * count, "{} switches in {count} seeds", total.switches);
    if count >= SEEDS {
        assert!(total.switches >= 10_000, "{} switches", total.switches);
        let faults = [
            total.cuts,
            total.lost,
            total.repeated,
            total.refused,
            total.server_restarts,
            total.client_restarts,
            total.failed_commits,
            total.streams,
        ];
        assert!(faults.iter().all(|fault| *fault > count), "every fault happens: {total:?}");
    }
}

/// Timelines that one app has open at most.
const TIMELINES: usize = 5;

/// Opens a timeline at any place of a room, or of a thread in it.
fn open_somewhere(
    rng: &mut fastrand::Rng,
    simulation: &mut Simulation,
    number: usize,
    room: RoomId,
) {
    let log = &simulation.server.rooms[&room].log;
    let place = rng.u64(0..log.len() as u64 + 2);
    let message = log.get(place as usize).map(|event| event.id);
    let mut client = simulation.client(number);
    let oldest = client.look().timelines.keys().next().copied();
    if let Some(oldest) = oldest.filter(|_| client.look().timelines.len() >= TIMELINES) {
        client.close(oldest);
    }
    match (rng.u8(0..5), message) {
        (0, _) => drop(client.open(room)),
        (1, _) => drop(client.open_at(room, TimelineStart::FirstUnread)),
        (2, Some(message)) => drop(client.open_at(room, TimelineStart::Message(message))),
        (3, Some(message)) => drop(client.open_thread(room, message)),
        _ => drop(client.open_at(room, TimelineStart::Seq(Seq::new(place)))),
    }
}

/// Scrolls through some open timeline, up, down, or into a gap.
fn scroll(rng: &mut fastrand::Rng, simulation: &mut Simulation, number: usize) {
    let mut client = simulation.client(number);
    let open: Vec<TimelineId> = client.look().timelines.keys().copied().collect();
    let Some(timeline) = rng.choice(open) else { return };
    let gaps = client.rows(timeline).iter().filter_map(|row| match row {
        Row::Gap { from, to } => Some((*from, *to)),
        Row::Message(_) => None,
    });
    let gap = rng.choice(gaps.collect::<Vec<_>>());
    let side = if rng.bool() { GapSide::Older } else { GapSide::Newer };
    let count = rng.usize(1..30);
    client.command(match (gap, rng.u8(0..3)) {
        (Some((from, to)), 0) => Command::FillGapFrom(timeline, from, to, side),
        (_, 1) => Command::LoadNewer(timeline, count),
        _ => Command::LoadOlder(timeline, count),
    });
}

fn add(total: &mut Counts, other: Counts) {
    let Counts {
        inputs,
        commits,
        switches,
        requests,
        frames_up,
        pings,
        frames_down,
        sockets,
        streams,
        cuts,
        lost,
        repeated,
        refused,
        server_restarts,
        client_restarts,
        failed_commits,
        harmed,
        early_sends,
        bytes_up,
        bytes_down,
        part_bytes,
    } = other;
    total.inputs += inputs;
    total.commits += commits;
    total.switches += switches;
    total.requests += requests;
    total.frames_up += frames_up;
    total.pings += pings;
    total.frames_down += frames_down;
    total.sockets += sockets;
    total.streams += streams;
    total.cuts += cuts;
    total.lost += lost;
    total.repeated += repeated;
    total.refused += refused;
    total.server_restarts += server_restarts;
    total.client_restarts += client_restarts;
    total.failed_commits += failed_commits;
    total.harmed += harmed;
    total.early_sends += early_sends;
    total.bytes_up += bytes_up;
    total.bytes_down += bytes_down;
    total.part_bytes += part_bytes;
}

/// A life: trouble, calm, and what has to be true then. `checking`: the disk is looked at after
/// every commit as well.
pub(crate) fn run(seed: u64, disks: Disks, checking: bool) -> Result<Counts, Broken> {
    let mut life = Life::begin(seed, disks, checking);
    life.trouble();
    life.calm()?;
    life.check_logs()?;
    Ok(life.simulation.counts())
}

struct Life {
    simulation: Simulation,
    rng: fastrand::Rng,
    apps: Vec<App>,
    rooms: Vec<RoomId>,
    /// Users without a client of their own here.
    others: Vec<UserId>,
    said: u64,
}

impl Life {
    fn begin(seed: u64, disks: Disks, checking: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x7464);
        let profiles =
            [Profile::good(), Profile::lossy(), Profile::no_sockets(), Profile::terrible()];
        let clients = rng.usize(3..=4);
        let mut simulation = Simulation::new(seed)
            .network(profiles[rng.usize(0..4)].clone())
            .disks(disks)
            .checking(checking)
            .users(clients);
        let mut rooms = vec![simulation.add_room(0..clients)];
        for _ in 0..2 {
            let members = (0..clients).filter(|_| rng.bool());
            rooms.push(simulation.add_room(members.collect::<Vec<_>>().into_iter().chain([0])));
        }
        let others: Vec<UserId> =
            ["zoe", "yan"].iter().map(|name| UserId::new(*name).unwrap()).collect();
        for room in &rooms {
            let owner = simulation.client(0).user();
            for other in &others {
                simulation.server.add_member(*room, &owner, other);
            }
        }
        // The same person on a second device.
        simulation.add_device_of(0);
        let clients = simulation.clients();
        for number in 0..clients {
            open_lists(&mut rng, &mut simulation, number);
        }
        let apps = (0..clients).map(|_| App::default()).collect();
        Self { simulation, rng, apps, rooms, others, said: 0 }
    }

    fn trouble(&mut self) {
        for step in 0..400 {
            let enough = (0..self.apps.len())
                .all(|number| self.simulation.client(number).switches() >= SWITCHES);
            if step >= 80 && enough {
                break;
            }
            self.step();
            let pause = self.rng.u64(0..4_000);
            self.simulation.run_for(pause);
            for (number, app) in self.apps.iter_mut().enumerate() {
                app.clear_away(self.simulation.client(number));
            }
        }
    }

    fn step(&mut self) {
        let rng = &mut self.rng;
        let number = rng.usize(0..self.apps.len());
        let room = self.rooms[rng.usize(0..self.rooms.len())];
        let other = self.others[rng.usize(0..self.others.len())].clone();
        let simulation = &mut self.simulation;
        match rng.u32(0..120) {
            0..15 => {
                let burst = if rng.u32(0..20) == 0 { 70 } else { rng.u32(1..4) };
                // A timeline holds at most 500 rows, and each is to be read to its beginning.
                let full = simulation.server.rooms[&room].rows().len() > 300;
                let burst = if full { 0 } else { burst };
                for _ in 0..burst {
                    self.said += 1;
                    if simulation.server.rooms[&room].has(&other) {
                        let text = format!("{}", self.said);
                        let mentions = rng.u8(0..4) == 0;
                        let mentioned = mentions.then(|| simulation.client(number).user());
                        simulation.server.speak_to(room, &other, &text, mentioned);
                    }
                }
            }
            15..35 => {
                for _ in 0..rng.u32(1..4) {
                    self.said += 1;
                    let text = format!("mine {}", self.said);
                    self.apps[number].send(simulation.client(number), room, &text);
                }
            }
            // Somebody changes what was said, quotes it or answers in its thread.
            100..120 => {
                self.said += 1;
                if let Some(target) = simulation.server.any_message(rng, room) {
                    let (kind, content) = any_change(rng, target, self.said);
                    if rng.bool() {
                        self.apps[number].operate(simulation.client(number), room, kind, content);
                    } else {
                        simulation.server.change(room, &other, kind, content);
                    }
                }
            }
            35..37 => open_somewhere(rng, simulation, number, room),
            37..40 => read_somewhere(rng, simulation, number, room),
            40..42 => scroll(rng, simulation, number),
            42 if rng.bool() => {
                let user = self.others[rng.usize(..self.others.len())].clone();
                let blocked = rng.bool();
                if rng.u8(0..3) > 0 {
                    simulation.client(number).command(Command::SetBlocked { user, blocked });
                } else {
                    // On another device.
                    let by = simulation.client(number).user();
                    let query = tidewire_protocol::BlockQuery::default();
                    if by != user {
                        simulation.server.set_blocked(&by, &user, blocked, query).unwrap();
                    }
                }
            }
            42 => {
                let change = SettingsChange {
                    muted: rng.bool().then(|| rng.bool()),
                    pinned: rng.bool().then(|| rng.bool()),
                    archived: (rng.u8(0..4) == 0).then(|| rng.bool()),
                };
                simulation.client(number).command(Command::SetSettings(room, change));
            }
            43..45 => {
                let user = if rng.bool() { simulation.client(number).user() } else { other };
                if simulation.server.rooms[&room].has(&user) {
                    simulation.server.remove_member(room, &user, &user);
                } else {
                    let by = self.others[0].clone();
                    simulation.server.add_member(room, &by, &user);
                }
            }
            45..67 => {
                let signal = any_signal(rng);
                simulation.client(number).signal(signal);
            }
            67..70 => {
                let online = [1, 45, 60, 300, 450, 600, 5_000][rng.usize(0..7)];
                simulation.set_audience(Audience::Fixed(online));
            }
            70..73 => {
                let share = rng.f64();
                let ttl_ms = rng.u64(5_000..60_000);
                let policy = Policy { real_time: share * rng.f64(), hybrid: share, ttl_ms };
                simulation.set_policy(rng.bool().then_some(policy));
            }
            73..76 => simulation.client(number).cut(),
            76..78 => simulation.client(number).cut_off(rng.u64(1_000..20_000)),
            78..80 => {
                if rng.bool() {
                    simulation.goaway(5_000);
                    simulation.run_for(rng.u64(0..2_000));
                }
                simulation.restart_server(rng.u64(100..10_000));
            }
            80..84 => simulation.storm(rng.u64(1_000..15_000), rng.f64()),
            84..87 => {
                let lags = [[0, 0], [0, 3_000], [500, 10_000]][rng.usize(0..3)];
                simulation.set_instances(&lags);
            }
            87..90 => simulation.client(number).fail_commits(rng.u32(1..4)),
            90..92 => {
                let share = [0.0, 0.0, 0.1][rng.usize(0..3)];
                simulation.client(number).failing_disk(share);
            }
            92..96 => {
                simulation.client(number).restart();
                for room in &self.rooms {
                    if rng.bool() {
                        simulation.client(number).open(*room);
                    }
                }
                open_lists(rng, simulation, number);
            }
            96 => simulation.expire_cursors(),
            97 => drop(simulation.client(number).command(Command::Refresh)),
            _ => {
                let profiles = [
                    Profile::good(),
                    Profile::lossy(),
                    Profile::terrible(),
                    Profile::no_sockets(),
                    Profile { blocked: 1.0, ..Profile::lossy() },
                ];
                simulation.client(number).set_network(profiles[rng.usize(0..5)].clone());
            }
        }
    }

    /// The faults end. Nobody helps.
    fn calm(&mut self) -> Result<(), Broken> {
        let simulation = &mut self.simulation;
        simulation.calm();
        for number in 0..self.apps.len() {
            let mut client = simulation.client(number);
            client.network_is(Network::default());
            client.signal(Signal::Power { low: self.rng.bool() });
            let states = [AppState::Foreground, AppState::Foreground, AppState::Background];
            client.app_state(states[self.rng.usize(0..3)]);
            client.ceiling([Mode::RealTime, Mode::Hybrid, Mode::Polling][self.rng.usize(0..3)]);
        }
        simulation.run_for(300_000);
        for (number, app) in self.apps.iter_mut().enumerate() {
            app.clear_away(simulation.client(number));
        }
        // One failed message holds those behind it, which may fail as well.
        for _ in 0..30 {
            simulation.run_for(5_000);
            let mut failed = false;
            for (number, app) in self.apps.iter_mut().enumerate() {
                let outbox = simulation.client(number).stored().outbox;
                failed |= outbox.iter().any(|row| row.failed.is_some());
                app.clear_rest_away(simulation.client(number));
            }
            if !failed {
                break;
            }
        }
        // In the background a poll comes every 72 s at the latest: one takes up what was cleared away,
        // the next brings it to the others, one more tells that it is there, and one brings that.
        simulation.run_for(4 * 72_000 + 10_000);
        simulation.check_settled()
    }

    fn check_logs(&mut self) -> Result<(), Broken> {
        for number in 0..self.apps.len() {
            let told = |broken: Broken| Broken(format!("client {number}: {broken}"));
            let simulation = &mut self.simulation;
            self.apps[number].check_sends(simulation, number).map_err(told)?;
            let user = simulation.client(number).user();
            for room in simulation.server.rooms_of(&user) {
                let rows = app::read_all(simulation, number, room).map_err(told)?;
                let shown: Vec<_> = rows.iter().filter_map(Row::message).map(|m| m.id).collect();
                let there = simulation.server.rooms[&room].rows();
                if shown != there {
                    let text = format!("{room} shows {} of {}", shown.len(), there.len());
                    return Err(told(Broken(text)));
                }
                // What may have changed is read again where somebody looks at it.
                simulation.run_for(60_000);
                let rooms = simulation.client(number).stored().rooms;
                let stale = rooms.iter().find(|row| row.state.id == room).map(|row| &row.stale);
                if stale.is_none_or(|stale| !stale.is_empty()) {
                    return Err(told(Broken(format!("{stale:?} of {room} is not read again"))));
                }
                simulation.check().map_err(told)?;
            }
        }
        // Each has of every message what the server has made of it.
        self.simulation.check_settled()
    }
}

/// The user has read up to anywhere, also below what he has read already.
fn read_somewhere(
    rng: &mut fastrand::Rng,
    simulation: &mut Simulation,
    number: usize,
    room: RoomId,
) {
    let head = simulation.server.rooms[&room].head();
    let seq = if rng.bool() { head } else { Seq::new(rng.u64(0..=head.get())) };
    simulation.client(number).mark_read_to(room, seq);
}

/// Most apps have a list of rooms on the screen.
fn open_lists(rng: &mut fastrand::Rng, simulation: &mut Simulation, number: usize) {
    if rng.u8(0..3) == 0 {
        return;
    }
    let sort = if rng.bool() { RoomSort::Recent } else { RoomSort::UnreadFirst };
    let (archived, unread) = (rng.u8(0..4) == 0, rng.u8(0..4) == 0);
    let filter = RoomFilter { archived, unread, ..RoomFilter::default() };
    let list = simulation.client(number).open_list(RoomListQuery { sort, filter, window: 100 });
    let rooms: Vec<RoomId> = simulation.rooms().to_vec();
    let count = rooms.len();
    let show = Command::ShowRooms { list, first: 0, count, rooms };
    simulation.client(number).command(show);
}

fn any_signal(rng: &mut fastrand::Rng) -> Signal {
    match rng.u32(0..10) {
        0..4 => {
            let modes =
                [Mode::RealTime, Mode::RealTime, Mode::Hybrid, Mode::Polling, Mode::Offline];
            Signal::Ceiling(modes[rng.usize(0..5)])
        }
        4..7 => {
            let states = [
                AppState::Foreground,
                AppState::Foreground,
                AppState::Background,
                AppState::Suspended,
            ];
            Signal::AppState(states[rng.usize(0..4)])
        }
        7..9 => {
            let kinds = [
                NetworkKind::None,
                NetworkKind::Cellular2G,
                NetworkKind::Cellular,
                NetworkKind::Wifi,
                NetworkKind::Wifi,
            ];
            let kind = kinds[rng.usize(0..5)];
            Signal::Network(Network { kind, metered: rng.bool(), constrained: rng.bool() })
        }
        _ => Signal::Power { low: rng.bool() },
    }
}
