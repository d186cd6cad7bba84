//! Slow answers, a way that breaks, and surroundings that cannot keep still.

use std::collections::VecDeque;

use tidewire_protocol::{AppState, Mode, Policy, ServerFrame};

use super::model::room_id;
use super::world::World;
use crate::engine::{Command, ModeReport, Network, NetworkKind, Reason, RequestError, Signal};

fn awake(seed: u64) -> World {
    let mut world = World::new(seed);
    world.server.join(room_id(1));
    world.settle();
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world
}

/// Lets exactly `ms` pass, in which nothing arrives.
fn wait(world: &mut World, ms: u64) {
    let end = world.now.mono_ms + ms;
    while world.now.mono_ms < end {
        world.pass(end - world.now.mono_ms);
        while world.store_step() {}
    }
}

/// Time passes, and whatever is asked is answered `latency` ms later. Gives the modes passed through.
fn run_with_latency(world: &mut World, ms: u64, latency: u64) -> Vec<Mode> {
    const STEP_MS: u64 = 50;
    let end = world.now.mono_ms + ms;
    let mut modes = vec![world.engine.mode().mode];
    let mut answers = VecDeque::new();
    let mut frames = VecDeque::new();
    while world.now.mono_ms < end {
        let due = world.now.mono_ms + latency;
        world.grant_token();
        world.open_socket();
        while world.store_step() {}
        while !world.requests.is_empty() {
            let (id, answer) = world.take_request(0);
            answers.push_back((due, id, answer));
        }
        while world.server_step() {}
        frames.truncate(world.inbound());
        frames.resize(world.inbound(), due);
        while answers.front().is_some_and(|(due, ..)| *due <= world.now.mono_ms) {
            let (_, id, answer) = answers.pop_front().unwrap();
            world.respond(id, answer);
        }
        while frames.front().is_some_and(|due| *due <= world.now.mono_ms) && world.client_step() {
            frames.pop_front();
        }
        let mode = world.engine.mode().mode;
        if modes.last() != Some(&mode) {
            modes.push(mode);
        }
        wait(world, STEP_MS);
    }
    modes
}

#[test]
fn where_answers_are_slow_the_mode_goes_down_step_by_step_and_up_again_when_they_are_not() {
    let mut world = awake(1);
    let modes = run_with_latency(&mut world, 1_200_000, 1_500);
    assert_eq!(modes, [Mode::RealTime, Mode::Hybrid, Mode::Polling]);
    assert!(matches!(world.engine.mode().reason, Reason::Latency { ms } if ms >= 1_500));
    let modes = run_with_latency(&mut world, 1_200_000, 50);
    assert_eq!(modes, [Mode::Polling, Mode::Hybrid, Mode::RealTime]);
}

#[test]
fn a_latency_that_is_just_good_enough_changes_nothing() {
    let mut world = awake(2);
    assert_eq!(run_with_latency(&mut world, 1_200_000, 900), [Mode::RealTime]);
}

#[test]
fn a_latency_around_the_threshold_is_followed_ever_more_slowly() {
    let mut world = awake(3);
    let mut changes = 0;
    for minute in 0..120 {
        let latency = if minute % 2 == 0 { 1_400 } else { 300 };
        changes += run_with_latency(&mut world, 60_000, latency).len() - 1;
    }
    assert!(changes <= 30, "{changes} changes in two hours");
}

#[test]
fn a_way_that_breaks_again_and_again_costs_a_step_and_one_outage_does_not() {
    let mut world = awake(4);
    world.cut();
    // Half a minute without a server: however many tries fail, it is one outage.
    let end = world.now.mono_ms + 30_000;
    while world.now.mono_ms < end {
        while world.store_step() {}
        while !world.requests.is_empty() {
            world.lose(0, false);
        }
        world.cut();
        world.pass(500);
    }
    world.run(30_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    for _ in 0..2 {
        world.cut();
        world.run(10_000);
    }
    let report = ModeReport { mode: Mode::Hybrid, reason: Reason::Breaks(3) };
    assert_eq!(world.engine.mode(), report);
    world.run(600_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime, "one up is tried later");
}

#[test]
fn another_network_and_the_users_return_forget_what_was_measured() {
    let wifi = Network { kind: NetworkKind::Wifi, ..Network::default() };
    for signals in [
        vec![Signal::Network(wifi)],
        vec![Signal::AppState(AppState::Suspended), Signal::AppState(AppState::Foreground)],
    ] {
        let mut world = awake(5);
        run_with_latency(&mut world, 1_200_000, 1_500);
        assert_eq!(world.engine.mode().mode, Mode::Polling);
        for signal in signals {
            world.signal(signal);
        }
        world.settle();
        assert_eq!(world.engine.mode().mode, Mode::RealTime);
    }
}

#[test]
fn a_thousand_signals_a_second_cost_about_one_request_and_one_socket_a_second() {
    let signals = [
        [NetworkKind::Wifi, NetworkKind::Cellular]
            .map(|kind| Signal::Network(Network { kind, ..Network::default() })),
        [AppState::Background, AppState::Foreground].map(Signal::AppState),
        [Mode::Polling, Mode::RealTime].map(Signal::Ceiling),
        [Mode::Hybrid, Mode::RealTime].map(Signal::Ceiling),
        [true, false].map(|low| Signal::Power { low }),
        [NetworkKind::None, NetworkKind::Wifi]
            .map(|kind| Signal::Network(Network { kind, ..Network::default() })),
    ];
    for pair in signals {
        let mut world = awake(6);
        wait(&mut world, 2_000);
        world.settle();
        let before = world.engine.stats().clone();
        for n in 0..10_000 {
            world.signal(pair[n % 2]);
            wait(&mut world, 1);
            world.settle();
        }
        let stats = world.engine.stats().since(&before);
        assert!(stats.sockets <= 11, "{pair:?}: {} sockets", stats.sockets);
        assert!(stats.polls <= 30, "{pair:?}: {} polls", stats.polls);
        assert!(stats.frames_sent <= 60, "{pair:?}: {} frames", stats.frames_sent);
        // Nothing of it sticks.
        world.run(20_000);
        assert_eq!(world.engine.mode().mode, Mode::RealTime);
        let event = world.server.say(room_id(1), "still there?");
        world.settle();
        assert!(world.engine.rooms[&room_id(1)].held.contains(event.seq), "{pair:?}");
    }
}

#[test]
fn a_policy_that_makes_no_sense_is_none_and_the_audience_decides() {
    let nonsense = [
        Policy { real_time: f64::NAN, hybrid: 0.0, ttl_ms: 60_000 },
        Policy { real_time: 0.5, hybrid: 0.1, ttl_ms: 60_000 },
        Policy { real_time: -1.0, hybrid: 2.0, ttl_ms: 60_000 },
        Policy { real_time: 0.0, hybrid: 0.0, ttl_ms: 0 },
        Policy { real_time: 0.0, hybrid: 0.0, ttl_ms: u64::MAX },
        Policy { real_time: f64::INFINITY, hybrid: f64::INFINITY, ttl_ms: 1 },
    ];
    for policy in nonsense {
        let mut world = awake(7);
        let heard = ServerFrame::Policy { online: 2, policy: Some(policy) };
        world.inject(heard);
        world.run(60_000);
        assert_eq!(world.engine.mode().mode, Mode::RealTime, "{policy:?}");
    }
}

#[test]
fn a_device_clock_that_jumps_moves_no_timer() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    let mut world = awake(8);
    world.signal(Signal::Ceiling(Mode::Polling));
    world.run(10_000);
    for jump in [-DAY_MS, 366 * DAY_MS, i64::MIN / 2, i64::MAX / 2] {
        world.now.wall_ms = world.now.wall_ms.saturating_add(jump);
        let before = world.engine.stats().clone();
        world.run(60_000);
        let polls = world.engine.stats().since(&before).polls;
        assert!((12..=16).contains(&polls), "{jump}: {polls} polls in a minute");
        let event = world.server.say(room_id(1), "tick");
        world.run(6_000);
        assert!(world.engine.rooms[&room_id(1)].held.contains(event.seq));
    }
}

#[test]
fn live_are_the_rooms_nearest_to_the_eye_open_then_visible_then_unread_then_recent() {
    let mut world = World::new(9);
    for n in 1..=12 {
        world.server.join(room_id(n));
    }
    world.server.online = 100;
    world.settle();
    assert_eq!(world.engine.mode().mode, Mode::Hybrid);
    // Each later one is more recent; all is read but for rooms 3 and 4.
    for n in 1..=12 {
        world.server.say(room_id(n), "news");
    }
    world.run(10_000);
    for n in (1..=12).filter(|n| ![3, 4].contains(n)) {
        let seq = world.engine.rooms[&room_id(n)].state.head_seq;
        world.command(Command::MarkRead(room_id(n), seq));
    }
    world.run(10_000);
    let live = |world: &World| {
        let mut live: Vec<u128> =
            (1..=12).filter(|n| world.live_rooms().contains(&room_id(*n))).collect();
        live.sort_unstable();
        live
    };
    assert_eq!(live(&world), [3, 4, 10, 11, 12], "unread, then recent");
    world.command(Command::SetVisible(vec![room_id(7), room_id(8), room_id(9)]));
    world.run(2_000);
    assert_eq!(live(&world), [3, 4, 7, 8, 9], "visible, then unread");
    let timeline = world.open(room_id(1));
    world.run(2_000);
    assert_eq!(live(&world), [1, 4, 7, 8, 9], "open, visible, the unread one with the latest news");
    world.command(Command::CloseTimeline(timeline));
    world.command(Command::SetVisible(Vec::new()));
    world.run(2_000);
    assert_eq!(live(&world), [3, 4, 10, 11, 12]);
}

#[test]
fn what_was_asked_over_the_old_network_is_asked_again_over_the_new_one_at_once() {
    let mut world = awake(10);
    world.signal(Signal::Ceiling(Mode::Polling));
    world.run(3_000);
    let sent = world.send(room_id(1), "in the lift");
    while world.store_step() {}
    // On its way, and never answered: that network is gone.
    assert!(!world.requests.is_empty());
    let lost = world.requests.len();
    wait(&mut world, 2_000);
    let wifi = Network { kind: NetworkKind::Wifi, ..Network::default() };
    world.signal(Signal::Network(wifi));
    assert!(world.requests.len() > lost, "nothing waits for the old one to give up");
    let old: Vec<_> = world.requests.drain(..lost).map(|(id, _)| id).collect();
    world.settle();
    let log = &world.server.rooms[&room_id(1)].log;
    assert!(log.iter().any(|event| event.id == sent));
    for id in old {
        world.respond(id, Err(RequestError::Network("no answer in time".into())));
    }
    world.run(20_000);
    assert_eq!(world.engine.signals.health.ceiling().0, Mode::RealTime);
    assert!(world.start().outbox.is_empty());
}

#[test]
fn a_slot_beyond_all_sense_is_an_hour_at_most() {
    let mut world = awake(11);
    let goaway = ServerFrame::Goaway { retry_after_ms: u64::MAX, reason: "never".into() };
    world.inject(goaway);
    world.run(60_000);
    assert!(world.engine.poll_timeout().is_some());
    world.run(3_600_000);
    assert_eq!(world.live_rooms().len(), 0);
    assert!(world.has_socket(), "an hour later it is tried again");
}
