//! Crowds: how many clients follow the audience and the policy, and when.

use tidewire::simulation::{Audience, NoDisk, Simulation};
use tidewire::{Mode, Policy};

fn switches(simulation: &Simulation) -> u64 {
    simulation.counts().switches
}

/// An hour of an audience that swings by a tenth around a threshold, a minute each way. Gives how
/// often the most restless client changed its mode.
fn swing(seed: u64, threshold: u32) -> u64 {
    let tenth = threshold / 10;
    let mut simulation = Simulation::new(seed).users(4).room_of(0..4);
    simulation.set_audience(Audience::Fixed(threshold - tenth));
    simulation.run_for(30_000);
    let before: Vec<u64> = (0..4).map(|number| simulation.client(number).switches()).collect();
    for minute in 0..60 {
        let up = minute % 2 == 0;
        let online = if up { threshold + tenth } else { threshold - tenth };
        simulation.set_audience(Audience::Fixed(online));
        simulation.run_for(60_000);
    }
    let changes = before
        .iter()
        .enumerate()
        .map(|(number, before)| simulation.client(number).switches() - before);
    changes.max().unwrap()
}

#[test]
fn an_audience_that_swings_by_a_tenth_around_a_threshold_changes_the_mode_twice_an_hour_at_most() {
    for seed in 0..20 {
        for threshold in [50, 500] {
            let changes = swing(seed, threshold);
            assert!(changes <= 2, "seed {seed}: {changes} changes around {threshold}");
        }
    }
}

/// Clients of one crowd.
const CROWD: usize = 5_000;

/// A policy is told to a crowd. Gives the changes of mode of each of the seconds that follow.
fn step(simulation: &mut Simulation, policy: Policy) -> Vec<u64> {
    simulation.set_policy(Some(policy));
    let mut changes = Vec::new();
    let mut before = switches(simulation);
    for _ in 0..25 {
        simulation.run_for(1_000);
        let now = switches(simulation);
        changes.push(now - before);
        before = now;
    }
    changes
}

/// The busiest second sees at most twice the even share of ten seconds.
fn check_spread(changes: &[u64], least: u64) {
    let all: u64 = changes.iter().sum();
    let busiest = changes.iter().copied().max().unwrap();
    println!("{all} changes, {busiest} in the busiest second: {changes:?}");
    assert!(all >= least, "{all} changes");
    assert!(busiest <= 2 * all / 10, "{busiest} of {all} changes in one second: {changes:?}");
}

#[test]
fn a_policy_moves_a_crowd_of_five_thousand_evenly_over_its_spread() {
    let policy = |real_time, hybrid| Policy { real_time, hybrid, ttl_ms: 600_000 };
    let mut simulation = Simulation::new(1)
        .counting()
        // A database for each of them would be most of the memory.
        .disks(|_| Box::new(NoDisk));
    simulation.set_policy(Some(policy(1.0, 1.0)));
    let mut simulation = simulation.users(CROWD);
    for room in 0..CROWD / 10 {
        simulation.add_room(room * 10..room * 10 + 10);
    }
    simulation.run_for(60_000);
    let in_mode = |simulation: &mut Simulation, mode: Mode| {
        (0..CROWD).filter(|number| simulation.client(*number).mode().mode == mode).count()
    };
    assert_eq!(in_mode(&mut simulation, Mode::RealTime), CROWD);
    let changes = step(&mut simulation, policy(0.2, 0.6));
    check_spread(&changes, 3_500);
    let shares = [Mode::RealTime, Mode::Hybrid, Mode::Polling]
        .map(|mode| in_mode(&mut simulation, mode) as f64 / CROWD as f64);
    for (share, wanted) in shares.iter().zip([0.2, 0.4, 0.4]) {
        assert!((share - wanted).abs() < 0.03, "{shares:?}");
    }
    check_spread(&step(&mut simulation, policy(0.0, 0.0)), 2_500);
    assert_eq!(simulation.open_sockets(), 0);
}
