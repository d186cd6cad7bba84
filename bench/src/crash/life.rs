//! A life with everything in it: whatever the user does, the process dies somewhere, answers get lost,
//! late, twice or cut off, the server restarts or has no time. In the end everything is there.

use std::path::Path;

use tidewire::simulation::{Broken, Counts, Harm, MemoryDisk, Profile, Simulation};
use tidewire::{Mode, RoomId};

use super::power::{Loss, PowerDisk, Switch};
use super::promises::{Act, Promises};

/// The client that dies.
pub(super) const ADA: usize = 0;
/// Another one, which does not.
const BOB: usize = 1;

/// A world with one client whose process may die, and one room in which nothing is refused, and one in
/// which things may be.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) simulation: Simulation,
    pub(super) promises: Promises,
    pub(super) switch: Switch,
    pub(super) room: RoomId,
    pub(super) other: RoomId,
}

impl Scene {
    pub(super) fn begin(seed: u64, folder: &Path, profile: Profile) -> Self {
        let switch = Switch::default();
        let (base, told) = (folder.to_owned(), switch.clone());
        let mut simulation = Simulation::new(seed)
            .network(profile)
            // What has to be true after every commit is the campaign's; here it is looked at in the end.
            .checking(false)
            .disks(move |client| match client {
                ADA => Box::new(PowerDisk::new(&base, told.clone(), seed)),
                _ => Box::new(MemoryDisk::new()),
            })
            .users(2);
        // Bob made them, so that he may send Ada away.
        let room = simulation.add_room([BOB, ADA]);
        let other = simulation.add_room([BOB, ADA]);
        // So that files have several.
        simulation.server.upload_part_bytes = 1_000;
        let promises = Promises::of(ADA);
        Self { simulation, promises, switch, room, other }
    }

    /// The user does something, in the room where that makes sense.
    pub(super) fn act(&mut self, act: Act) {
        let refused = matches!(act, Act::Retry | Act::Discard);
        let room = if refused { self.other } else { self.room };
        self.promises.act(&mut self.simulation, act, room);
    }

    /// What Ada sends into the other room is refused, and held there.
    pub(super) fn refuse(&mut self, mode: Mode, skip: bool) {
        self.simulation.client(ADA).ceiling(Mode::Offline);
        if skip {
            self.promises.say_aside(&mut self.simulation, self.other);
        }
        for _ in 0..3 {
            self.promises.act(&mut self.simulation, Act::Send, self.other);
        }
        self.simulation.run_for(500);
        let (ada, bob) = (self.simulation.client(ADA).user(), self.simulation.client(BOB).user());
        self.simulation.server.remove_member(self.other, &bob, &ada);
        self.simulation.client(ADA).ceiling(mode);
        self.simulation.run_for(15_000);
        self.simulation.server.add_member(self.other, &bob, &ada);
        self.simulation.run_for(10_000);
    }

    /// All trouble ends, and nobody helps but the user with what was refused.
    pub(super) fn end(&mut self, rng: &mut fastrand::Rng) -> Result<(), Broken> {
        self.switch.set(Loss::Nothing);
        self.simulation.client(ADA).live_on();
        self.simulation.calm();
        let mode = [Mode::RealTime, Mode::Hybrid, Mode::Polling][rng.usize(0..3)];
        self.simulation.client(ADA).ceiling(mode);
        self.simulation.run_for(120_000);
        for _ in 0..30 {
            let outbox = self.simulation.client(ADA).stored().outbox;
            if !outbox.iter().any(|row| row.failed.is_some()) {
                break;
            }
            self.act(if rng.bool() { Act::Retry } else { Act::Discard });
            self.simulation.run_for(6_000);
        }
        self.simulation.run_for(120_000);
        self.simulation.check_settled()?;
        let seed = self.simulation.seed();
        self.promises
            .check(&mut self.simulation)
            .map_err(|broken| Broken(format!("seed {seed}: {broken}")))
    }
}

/// A life from a seed. Its files are in `folder`.
///
/// # Errors
/// The first promise that was broken.
pub fn run(seed: u64, folder: &Path) -> Result<Counts, Broken> {
    let mut rng = fastrand::Rng::with_seed(seed ^ 0x6c69_6665);
    let profiles = [Profile::good(), Profile::lossy(), Profile::no_sockets(), Profile::terrible()];
    let mut scene = Scene::begin(seed, folder, profiles[rng.usize(0..4)].clone());
    scene.simulation.client(ADA).open(scene.room);
    scene.simulation.run_for(3_000);
    for _ in 0..rng.usize(15..30) {
        trouble(&mut rng, &mut scene);
        for _ in 0..rng.u32(1..4) {
            scene.act(Act::ALL[rng.usize(0..Act::ALL.len())]);
        }
        let pause = if rng.bool() { 100 } else { 5_000 };
        scene.simulation.run_for(rng.u64(0..pause));
        if !scene.simulation.client(ADA).look().timelines.is_empty() || rng.bool() {
            continue;
        }
        // The app that has started again shows the room again.
        scene.simulation.client(ADA).open(scene.room);
    }
    scene.end(&mut rng)?;
    Ok(scene.simulation.counts())
}

fn trouble(rng: &mut fastrand::Rng, scene: &mut Scene) {
    scene.switch.set(Loss::ALL[rng.usize(0..Loss::ALL.len())]);
    let Scene { simulation, other: _, .. } = scene;
    if rng.bool() {
        simulation.client(ADA).die_at(rng.u64(1..60));
    }
    for _ in 0..rng.usize(0..3) {
        let harms = [Harm::Drop, Harm::Delay(rng.u64(1..20_000)), Harm::Repeat, Harm::Truncate];
        simulation.client(ADA).harm_answer(rng.u64(1..10), harms[rng.usize(0..4)]);
    }
    let modes = [Mode::RealTime, Mode::Hybrid, Mode::Polling, Mode::Offline];
    match rng.u8(0..20) {
        0..4 => simulation.client(ADA).ceiling(modes[rng.usize(0..4)]),
        4 => simulation.client(ADA).cut(),
        5 => simulation.client(ADA).cut_off(rng.u64(1_000..10_000)),
        6 => simulation.restart_server(rng.u64(100..8_000)),
        7 => simulation.storm(rng.u64(1_000..10_000), rng.f64()),
        8 => simulation.client(ADA).fail_commits(rng.u32(1..3)),
        9 => {
            simulation.client(ADA).restart();
        }
        10 => {
            let mode = modes[rng.usize(0..3)];
            scene.refuse(mode, rng.bool());
        }
        11 => {
            let user = simulation.client(BOB).user();
            let room = scene.room;
            simulation.server.speak(room, &user, "from the other side");
        }
        _ => {}
    }
}
