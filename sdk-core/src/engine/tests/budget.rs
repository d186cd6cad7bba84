//! One wake-up, one request; and what the app's budget does to both.

use tidewire_protocol::{AppState, Mode, Seq, limits};

use super::model::room_id;
use super::world::World;
use crate::engine::{
    Budget, BudgetReport, Command, Network, NetworkKind, Reason, Reply, Request, Signal, Traffic,
};

const HOUR: u64 = 3_600_000;

fn awake(seed: u64) -> World {
    let mut world = World::new(seed);
    world.server.join(room_id(1));
    world.settle();
    world
}

fn wakeups(limit: u32) -> Signal {
    Signal::Budget(Budget { max_wakeups_per_hour: Some(limit), ..Budget::default() })
}

fn report(world: &mut World) -> BudgetReport {
    let command = world.command(Command::Budget);
    match world.replies.remove(&command) {
        Some(Ok(Reply::Budget(report))) => report,
        other => panic!("{other:?}"),
    }
}

/// Time passes, and something happens in between, never within the second after a request: that
/// would be a second one of the same wake-up. Gives what was asked for, with its moment.
fn watch(world: &mut World, ms: u64, mut between: impl FnMut(&mut World)) -> Vec<(u64, Request)> {
    let end = world.now.mono_ms + ms;
    let mut seen = Vec::new();
    while world.now.mono_ms < end {
        world.grant_token();
        world.open_socket();
        while world.store_step() || world.server_step() || world.client_step() {}
        for (_, request) in &world.requests {
            seen.push((world.now.mono_ms, request.clone()));
        }
        while !world.requests.is_empty() {
            world.answer(0);
        }
        while world.store_step() || world.server_step() || world.client_step() {}
        if seen.last().is_none_or(|(at, _)| at + 1_000 <= world.now.mono_ms) {
            between(world);
            // A disk is faster than the next timer.
            while world.store_step() {}
        }
        world.pass((end - world.now.mono_ms).min(2_500));
    }
    seen
}

#[test]
fn in_polling_and_in_the_background_every_wake_up_is_one_request_that_carries_all() {
    let background = Signal::AppState(AppState::Background);
    let slow = Network { kind: NetworkKind::Cellular2G, ..Network::default() };
    for (seed, signal) in
        [Signal::Ceiling(Mode::Polling), background, Signal::Network(slow)].into_iter().enumerate()
    {
        let mut world = awake(seed as u64);
        let room = room_id(1);
        world.open(room);
        world.signal(signal);
        world.run(10_000);
        world.server.heard_syncs.clear();
        let before = world.engine.stats().clone();
        let mut rng = fastrand::Rng::with_seed(seed as u64);
        let mut sent = 0;
        let seen = watch(&mut world, HOUR, |world| match rng.u32(0..12) {
            0 => {
                world.server.say(room, "his");
            }
            1 => {
                world.send(room, "mine");
                sent += 1;
            }
            2 => {
                let head = world.engine.rooms[&room].state.head_seq;
                world.command(Command::MarkRead(room, head));
            }
            _ => {}
        });
        world.run(120_000);
        let stats = world.engine.stats().since(&before);
        let others: Vec<_> =
            seen.iter().filter(|(_, request)| !matches!(request, Request::Sync(_))).collect();
        assert!(others.is_empty(), "{signal:?}: {others:?}");
        assert_eq!(stats.requests, stats.wakeups, "{signal:?}");
        assert_eq!(stats.sockets, 0);
        // All of it came with them.
        let syncs = &world.server.heard_syncs;
        let ops: usize = syncs.iter().flat_map(|s| &s.ops).map(|room| room.ops.len()).sum();
        assert_eq!(ops, sent, "{signal:?}");
        assert!(syncs.iter().any(|sync| !sync.receipts.is_empty()));
        assert!(syncs.iter().all(|sync| sync.heartbeat_ms >= 5_000));
        assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    }
}

#[test]
fn the_background_wakes_at_most_60_times_an_hour_and_once_a_poll() {
    for seed in 0..10 {
        let mut world = awake(seed);
        world.signal(Signal::AppState(AppState::Background));
        world.run(10_000);
        let before = world.engine.stats().clone();
        world.run(HOUR);
        let stats = world.engine.stats().since(&before);
        assert_eq!((stats.requests, stats.polls), (stats.wakeups, stats.wakeups));
        // 60 s, jittered up to 72 s: never later than what peers are told to expect.
        assert!((50..=60).contains(&stats.wakeups), "{} wake-ups", stats.wakeups);
        assert_eq!(world.server.heard_syncs.last().unwrap().heartbeat_ms, 72_000);
    }
}

#[test]
fn polls_keep_to_the_budget_of_any_hour_and_are_spread_evenly() {
    for limit in [12, 60, 300] {
        let mut world = awake(u64::from(limit));
        world.signal(Signal::Ceiling(Mode::Polling));
        world.signal(wakeups(limit));
        let seen = watch(&mut world, 4 * HOUR, |_| {});
        let at: Vec<u64> = seen.iter().map(|(at, _)| *at).collect();
        for start in &at {
            let hour = at.iter().filter(|other| (*start..start + HOUR).contains(other)).count();
            assert!(hour <= limit as usize, "{hour} of {limit}");
        }
        assert!(at.len() >= 4 * limit as usize * 9 / 10, "{} of 4 × {limit}", at.len());
        let widest = at.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
        // Kept by the minute, so that up to two minutes' worth comes free at once.
        assert!(widest <= HOUR / u64::from(limit) + 130_000, "{widest} ms without a read");
        assert!(!report(&mut world).exceeded);
    }
}

#[test]
fn a_socket_that_the_budget_can_not_carry_is_not_opened_and_the_reason_says_so() {
    let mut world = awake(4);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world.signal(wakeups(100));
    let mode = world.engine.mode();
    assert_eq!((mode.mode, mode.reason), (Mode::Polling, Reason::Budget));
    let sockets = world.engine.stats().sockets;
    world.run(HOUR);
    assert_eq!(world.engine.stats().sockets, sockets);
    world.signal(Signal::Budget(Budget::default()));
    world.run(60_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
}

#[test]
fn pushes_beyond_the_bytes_lower_the_ceiling_and_it_rises_again_when_they_are_few() {
    let mut world = awake(5);
    world.signal(Signal::Budget(Budget {
        max_bytes_per_hour: Some(1_000_000),
        ..Budget::default()
    }));
    let mut traffic = Traffic::default();
    let mut lowest = Mode::RealTime;
    let mut changes = 0;
    for _ in 0..600 {
        let before = world.engine.mode().mode;
        traffic.received += 5_000;
        world.engine.handle_traffic(traffic);
        world.run(6_000);
        changes += usize::from(world.engine.mode().mode != before);
        lowest = lowest.min(world.engine.mode().mode);
    }
    assert_eq!(lowest, Mode::Polling, "3 MB an hour over 1 MB");
    assert!(changes <= 12, "{changes} changes in an hour");
    world.run(2 * HOUR);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
}

#[test]
fn with_a_budget_of_zero_the_client_reads_when_somebody_asks_and_only_then() {
    let mut world = awake(6);
    let room = room_id(1);
    world.signal(wakeups(0));
    world.run(1_000);
    world.server.say(room, "unheard");
    let before = world.engine.stats().clone();
    world.run(3 * HOUR);
    assert_eq!(world.engine.stats().since(&before).requests, 0);
    assert_eq!(world.engine.poll_timeout(), None, "nothing is armed for it either");
    assert_eq!(report(&mut world).next_read_ms, None);

    // Sending is the user's act, and the rest rides along.
    let id = world.send(room, "mine");
    world.run(5_000);
    assert!(world.server.rooms[&room].log.iter().any(|event| event.id == id));
    assert_eq!(world.engine.stats().since(&before).requests, 1);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));

    // So are opening a room, looking at the app, and a refresh.
    world.server.say(room, "for the refresh");
    let refresh = world.command(Command::Refresh);
    world.run(5_000);
    assert!(matches!(&world.replies[&refresh], Ok(Reply::Refreshed(done)) if done.complete));
    world.server.say(room, "for the foreground");
    world.signal(Signal::AppState(AppState::Background));
    world.run(HOUR);
    assert_ne!(world.engine.cursor(), Some(&world.server.head()));
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(5_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    let spent = report(&mut world);
    assert!(spent.exceeded && spent.wakeups.limit == Some(0) && spent.wakeups.spent > 0);
}

#[test]
fn a_client_that_is_opened_with_a_budget_of_zero_reads_once() {
    let mut world = World::new(7);
    world.server.join(room_id(1));
    world.signal(wakeups(0));
    world.run(HOUR);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    assert_eq!(world.engine.stats().bootstraps, 1);
    assert!(world.engine.stats().polls <= 1, "{}", world.engine.stats().polls);
    world.server.say(room_id(1), "unheard");
    world.run(HOUR);
    assert!(world.engine.stats().polls <= 1);
}

#[test]
fn a_person_is_never_held_back_and_what_follows_is_planned_with_what_that_leaves() {
    let mut world = awake(8);
    let room = room_id(1);
    world.signal(Signal::Ceiling(Mode::Polling));
    world.signal(wakeups(40));
    let mut sent = Vec::new();
    for _ in 0..60 {
        let id = world.send(room, "mine");
        world.settle();
        sent.push(id);
        world.run(5_000);
    }
    let log = &world.server.rooms[&room].log;
    assert!(sent.iter().all(|id| log.iter().any(|event| event.id == *id)), "all went out");
    let spent = report(&mut world);
    assert!(spent.exceeded && spent.wakeups.spent >= 60, "{spent:?}");
    // Nothing is left: no read by itself until the first of them is an hour old.
    world.server.say(room, "later");
    let before = world.engine.stats().requests;
    world.run(HOUR / 2);
    assert_eq!(world.engine.stats().requests, before);
    assert!(report(&mut world).next_read_ms.is_some_and(|ms| ms <= HOUR));
    world.run(HOUR);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn peers_are_told_of_the_stretched_interval_as_far_as_the_wire_allows() {
    for (limit, least, most) in [(60, 60_000, 130_000), (1, 600_000, 600_000)] {
        let mut world = awake(u64::from(limit));
        world.signal(Signal::Ceiling(Mode::Polling));
        world.signal(wakeups(limit));
        world.server.heard_syncs.clear();
        let seen = watch(&mut world, 4 * HOUR, |_| {});
        let widest = seen.windows(2).map(|pair| pair[1].0 - pair[0].0).max().unwrap();
        for sync in &world.server.heard_syncs[1..] {
            assert!((least..=most).contains(&sync.heartbeat_ms), "{} ms", sync.heartbeat_ms);
            assert!(limits::HEARTBEAT_MS.contains(&sync.heartbeat_ms));
        }
        // After 2.5 of them peers see the user offline: never within what was planned.
        let declared = world.server.heard_syncs.iter().map(|sync| sync.heartbeat_ms).min().unwrap();
        assert!(limit == 1 || widest <= declared * 5 / 2, "{widest} ms, declared {declared}");
    }
}

#[test]
fn what_was_spent_outlives_a_suspension() {
    let mut world = awake(9);
    world.signal(Signal::Ceiling(Mode::Polling));
    world.signal(wakeups(30));
    world.run(HOUR / 2);
    let before = report(&mut world).wakeups.spent;
    assert!(before >= 10, "{before}");
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    world.pass(60_000);
    assert_eq!(report(&mut world).wakeups.spent, before, "told while suspended");
    world.signal(Signal::AppState(AppState::Background));
    world.run(HOUR / 2);
    assert!(report(&mut world).wakeups.spent <= 30);
}

#[test]
fn what_was_asked_for_and_pushed_is_no_excuse_for_a_later_read() {
    let mut world = awake(11);
    world.signal(Signal::AppState(AppState::Background));
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(10_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    let polls = world.engine.stats().polls;
    world.signal(wakeups(0));
    world.run(HOUR);
    assert_eq!(world.engine.stats().polls, polls);
}

#[test]
fn mark_read_rides_along_and_costs_nothing() {
    let mut world = awake(10);
    let room = room_id(1);
    world.server.say(room, "his");
    world.settle();
    world.signal(Signal::Ceiling(Mode::Polling));
    world.signal(wakeups(0));
    world.run(10_000);
    let before = world.engine.stats().requests;
    world.command(Command::MarkRead(room, Seq::new(2)));
    world.run(HOUR);
    assert_eq!(world.engine.stats().requests, before);
    world.send(room, "mine");
    world.run(1_000);
    assert_eq!(world.engine.stats().requests, before + 1);
    assert_eq!(world.server.receipt(room, "ada").read, Seq::new(2));
}
