//! A long outage, a crowd of 429s behind it, and then a server that works: everything arrives once, in the
//! slots given, and nobody helps.

use tidewire::simulation::{MemoryDisk, Profile, Simulation};
use tidewire::{EventId, Mode, RoomId};

const ROOMS: usize = 20;
const OPERATIONS: usize = 200;
const MINUTE: u64 = 60_000;

fn outage(seed: u64, mode: Mode) {
    let mut simulation = Simulation::new(seed)
        .network(Profile::good())
        .disks(|_| Box::new(MemoryDisk::new()))
        .users(2);
    let rooms: Vec<RoomId> = (0..ROOMS).map(|_| simulation.add_room([1, 0])).collect();
    simulation.client(0).ceiling(mode);
    simulation.run_for(20_000);

    // The platform sees a network, and nothing passes.
    simulation.client(0).cut_off(30 * MINUTE);
    let mut sent: Vec<(RoomId, EventId)> = Vec::new();
    for number in 0..OPERATIONS {
        let room = rooms[number % ROOMS];
        let (id, _) = simulation.client(0).send(room, &format!("number {number}"));
        sent.push((room, id));
        simulation.run_for(5_000);
    }
    simulation.run_for(30 * MINUTE - OPERATIONS as u64 * 5_000);
    let arrived = |simulation: &Simulation| {
        sent.iter().filter(|(room, id)| simulation.server.event(*room, *id).is_some()).count()
    };
    assert_eq!(simulation.client(0).stored().outbox.len(), OPERATIONS, "seed {seed}");
    assert_eq!(arrived(&simulation), 0, "seed {seed}");

    // The server is back, and so is everybody else.
    simulation.storm(2 * MINUTE, 0.9);
    simulation.run_for(4 * MINUTE);
    let counts = simulation.counts();
    assert!(counts.refused > 0, "seed {seed}: {counts:?}");
    assert_eq!(counts.early_sends, 0, "seed {seed}: a slot was not kept");
    assert_eq!(arrived(&simulation), OPERATIONS, "seed {seed}");
    let log = |room: &RoomId| &simulation.server.rooms[room].log;
    for room in &rooms {
        let wanted: Vec<EventId> =
            sent.iter().filter(|(of, _)| of == room).map(|(_, id)| *id).collect();
        let there: Vec<EventId> = log(room).iter().map(|event| event.id).collect();
        let own: Vec<EventId> = there.into_iter().filter(|id| wanted.contains(id)).collect();
        assert_eq!(own, wanted, "seed {seed}: each once, in order");
    }
    assert!(simulation.client(0).look().problems.is_empty(), "seed {seed}");
    simulation.run_for(2 * MINUTE);
    simulation.check_settled().unwrap();
}

#[test]
fn after_half_an_hour_without_a_server_and_a_crowd_everything_arrives_once_and_in_its_slots() {
    for seed in 0..10 {
        for mode in [Mode::RealTime, Mode::Hybrid, Mode::Polling] {
            outage(seed, mode);
        }
    }
}
