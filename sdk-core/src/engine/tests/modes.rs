//! How the mode follows what it hears, and what it does not follow.

use tidewire_protocol::Mode;

use super::model::room_id;
use super::world::World;
use crate::engine::{Network, NetworkKind, Reason, Signal};

fn awake(seed: u64) -> World {
    let mut world = World::new(seed);
    world.server.join(room_id(1));
    world.settle();
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world
}

/// An hour of an audience that swings between two numbers, one minute each. Gives how often the
/// mode changed.
fn swing(world: &mut World, low: u32, high: u32) -> usize {
    let mut changes = 0;
    for minute in 0..60 {
        let online = if minute % 2 == 0 { high } else { low };
        world.server.online = online;
        let end = world.now.mono_ms + 60_000;
        while world.now.mono_ms < end {
            let before = world.engine.mode().mode;
            world.engine.told_crowd(online, None);
            world.settle();
            world.pass(1_000);
            changes += usize::from(world.engine.mode().mode != before);
        }
    }
    changes
}

#[test]
fn an_audience_that_swings_a_little_around_a_threshold_changes_the_mode_twice_at_most() {
    for seed in 0..20 {
        let mut world = awake(seed);
        let changes = swing(&mut world, 45, 55);
        assert!(changes <= 2, "{changes} changes");
    }
}

#[test]
fn an_audience_that_swings_a_lot_is_followed_ever_more_slowly() {
    for seed in 0..20 {
        let mut world = awake(seed);
        let changes = swing(&mut world, 10, 200);
        // 60 without a dwell.
        assert!((2..=20).contains(&changes), "{changes} changes");
    }
}

/// Time passes, requests are answered, and no socket comes about.
fn run_without_sockets(world: &mut World, ms: u64) {
    let end = world.now.mono_ms + ms;
    while world.now.mono_ms < end {
        world.grant_token();
        while world.store_step() {}
        while !world.requests.is_empty() {
            world.answer(0);
        }
        world.cut();
        world.pass(end - world.now.mono_ms);
    }
}

#[test]
fn where_sockets_fail_the_mode_steps_down_and_one_is_tried_now_and_then() {
    let mut world = awake(1);
    let before = world.engine.stats().sockets;
    run_without_sockets(&mut world, 120_000);
    let report = world.engine.mode();
    assert_eq!((report.mode, report.reason), (Mode::Polling, Reason::SocketsFail));
    world.server.say(room_id(1), "by polling");
    run_without_sockets(&mut world, 3_600_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    let tries = world.engine.stats().sockets - before;
    assert!((8..=30).contains(&tries), "{tries} sockets in an hour");
    // They work again: the next one that is tried is kept.
    world.run(600_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
}

#[test]
fn another_network_is_tried_at_once() {
    let mut world = awake(2);
    run_without_sockets(&mut world, 600_000);
    assert_eq!(world.engine.mode().reason, Reason::SocketsFail);
    let wifi = Network { kind: NetworkKind::Wifi, ..Network::default() };
    world.signal(Signal::Network(wifi));
    world.settle();
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
}
