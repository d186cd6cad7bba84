//! The app's lifecycle: what the background keeps, and that `Suspended` is a rest.

use tidewire_protocol::{AppState, EventKind, Mode, ServerFrame};

use super::model::room_id;
use super::world::World;
use crate::engine::disk::search::Indexing;
use crate::engine::{Command, Reason, Reply, Signal, TimelineStart, TokenInfo};
use crate::error::Error;

fn awake(seed: u64) -> World {
    let mut world = World::new(seed);
    world.server.join(room_id(1));
    world.settle();
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world
}

#[test]
fn a_glance_at_another_app_keeps_the_socket_and_a_longer_stay_closes_it() {
    let mut world = awake(1);
    let sockets = world.engine.stats().sockets;
    world.signal(Signal::AppState(AppState::Background));
    world.run(4_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(20_000);
    assert_eq!(world.engine.stats().sockets, sockets, "it is still the same socket");

    world.signal(Signal::AppState(AppState::Background));
    world.run(6_000);
    let report = world.engine.mode();
    assert_eq!((report.mode, report.reason), (Mode::Polling, Reason::App(AppState::Background)));
    let polls = world.engine.stats().polls;
    world.run(600_000);
    // At 60 s with jitter up to 1.2 of it: 8 to 10 polls in ten minutes.
    let polled = world.engine.stats().polls - polls;
    assert!((8..=10).contains(&polled), "{polled} polls");
    assert_eq!(world.engine.stats().sockets, sockets);
}

#[test]
fn what_waits_goes_out_in_the_background() {
    let mut world = awake(2);
    world.cut();
    world.send(room_id(1), "on the way out");
    world.signal(Signal::AppState(AppState::Background));
    world.run(2_000);
    let log = &world.server.rooms[&room_id(1)].log;
    assert!(log.iter().any(|event| event.kind == EventKind::Message), "{log:?}");
}

#[test]
fn a_suspended_engine_asks_for_nothing_and_goes_on_where_it_was() {
    let mut world = awake(3);
    let timeline = world.open(room_id(1));
    world.settle();
    world.send(room_id(1), "sent, and the answer never heard");
    while world.store_step() {}
    world.signal(Signal::AppState(AppState::Suspended));
    assert!(!world.engine.is_settled(), "the store is not released yet");
    // The world itself asserts that no timer is armed and nothing is asked for.
    world.settle();
    assert!(world.engine.is_settled());
    assert_eq!(world.engine.mode().mode, Mode::Offline);
    world.server.say(room_id(1), "meanwhile");
    world.pass(3_600_000);
    world.settle();

    let rooms = world.command(Command::Rooms);
    assert!(matches!(world.replies[&rooms], Ok(Reply::Rooms(_))), "from memory");
    let refused = world.command(Command::Refresh);
    assert_eq!(world.replies[&refused], Err(Error::Suspended));

    world.signal(Signal::AppState(AppState::Foreground));
    world.run(1_000);
    let texts: Vec<String> =
        world.rows[&timeline].iter().filter_map(|row| row.message()?.text()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(world.start().outbox.is_empty());
}

#[test]
fn it_may_be_suspended_before_it_has_begun_and_wakes_into_the_background() {
    let mut world = World::new(4);
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    world.server.join(room_id(1));
    world.signal(Signal::AppState(AppState::Background));
    world.run(1_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    assert_eq!(world.engine.stats().sockets, 0);
}

#[test]
fn a_token_that_ended_during_the_rest_is_not_used() {
    let mut world = awake(5);
    let expires_at = Some(world.now.wall_ms + 600_000);
    world.give_token(TokenInfo { expires_at, ..TokenInfo::default() });
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    world.now.wall_ms += 3_600_000;
    world.signal(Signal::AppState(AppState::Foreground));
    while world.store_step() {}
    assert!(world.requests.is_empty(), "nothing goes out with the old one");
    assert!(world.grant_token(), "another one is asked for");
    world.settle();
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn a_refresh_is_done_when_all_is_read_and_sent() {
    let mut world = awake(6);
    world.signal(Signal::AppState(AppState::Background));
    world.run(10_000);
    for n in 0..120 {
        world.server.say(room_id(1), &format!("{n}"));
    }
    let polls = world.engine.stats().polls;
    world.send(room_id(1), "mine");
    let refresh = world.command(Command::Refresh);
    world.settle();
    match &world.replies[&refresh] {
        Ok(Reply::Refreshed(refreshed)) => {
            assert!(refreshed.complete && refreshed.new_events > 0);
            assert_eq!(refreshed.pending, 0);
        }
        other => panic!("{other:?}"),
    }
    assert!(world.engine.stats().polls > polls);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn a_refresh_waits_for_a_message_that_is_only_about_to_leave() {
    let mut world = awake(6);
    world.signal(Signal::AppState(AppState::Background));
    world.run(10_000);
    world.signal(Signal::Ceiling(Mode::Offline));
    world.send(room_id(1), "mine");
    world.settle();
    // That it may leave goes to the disk first.
    world.signal(Signal::Ceiling(Mode::RealTime));
    let refresh = world.command(Command::Refresh);
    while !world.requests.is_empty() {
        world.answer(0);
    }
    assert!(!world.replies.contains_key(&refresh), "whoever hears of it closes the client");
    world.settle();
    match &world.replies[&refresh] {
        Ok(Reply::Refreshed(refreshed)) => assert!(refreshed.complete && refreshed.pending == 0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refresh_without_a_network_says_so() {
    let mut world = awake(7);
    world.signal(Signal::Ceiling(Mode::Offline));
    let refresh = world.command(Command::Refresh);
    assert_eq!(world.replies[&refresh], Err(Error::Offline));
}

#[test]
fn saving_power_allows_hybrid_at_most() {
    let mut world = awake(8);
    world.signal(Signal::Power { low: true });
    let report = world.engine.mode();
    assert_eq!((report.mode, report.reason), (Mode::Hybrid, Reason::LowPower));
    world.signal(Signal::Power { low: false });
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
}

#[test]
fn a_slow_reader_of_a_timeline_gets_its_reset_after_the_rest() {
    let mut world = awake(9);
    let timeline = world.open(room_id(1));
    world.settle();
    world.signal(Signal::AppState(AppState::Suspended));
    let reset = world.command(Command::ResetTimeline(timeline));
    world.settle();
    assert!(!world.replies.contains_key(&reset), "not before there is one");
    world.rows.insert(timeline, Vec::new());
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(1_000);
    assert!(world.replies[&reset].is_ok());
    assert!(!world.rows[&timeline].is_empty());
}

#[test]
fn before_anything_is_loaded_a_resting_client_tells_of_no_rooms() {
    let mut world = World::new(10);
    world.signal(Signal::AppState(AppState::Suspended));
    let rooms = world.command(Command::Rooms);
    assert_eq!(world.replies[&rooms], Err(Error::Suspended));
}

#[test]
fn a_slot_of_the_server_outlasts_the_rest() {
    let mut world = awake(11);
    world.inject(ServerFrame::Goaway { retry_after_ms: 60_000, reason: "busy".into() });
    let sockets = world.engine.stats().sockets;
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(30_000);
    assert_eq!(world.engine.stats().sockets, sockets, "it is not its turn yet");
    world.run(40_000);
    assert_eq!(world.engine.stats().sockets, sockets + 1);
}

/// Whatever was asked until now is answered, and nothing that is asked meanwhile.
fn round_trip(world: &mut World) {
    let local = |world: &mut World| {
        while world.store_step() || world.grant_token() {}
    };
    local(world);
    let asked = world.requests.len();
    let greets = !world.open_socket();
    if greets {
        while world.server_step() {}
        let arriving = world.inbound();
        for _ in 0..arriving {
            world.client_step();
        }
    }
    for _ in 0..asked {
        world.answer(0);
    }
    local(world);
}

#[test]
fn in_the_foreground_the_news_are_there_within_two_round_trips() {
    for away in [AppState::Background, AppState::Suspended] {
        for mode in [Mode::RealTime, Mode::Hybrid, Mode::Polling] {
            let mut world = awake(9);
            world.signal(Signal::Ceiling(mode));
            world.run(5_000);
            world.signal(Signal::AppState(AppState::Background));
            world.run(10_000);
            world.signal(Signal::AppState(away));
            while world.store_step() {}
            let event = world.server.say(room_id(1), "meanwhile");
            world.pass(30_000);
            world.signal(Signal::AppState(AppState::Foreground));
            round_trip(&mut world);
            round_trip(&mut world);
            let held = world.engine.rooms[&room_id(1)].held.contains(event.seq);
            assert!(held, "{mode} after {away:?}");
        }
    }
}

#[test]
fn a_second_rest_holds_only_when_its_own_release_is_done() {
    let mut world = awake(12);
    world.signal(Signal::AppState(AppState::Suspended));
    world.signal(Signal::AppState(AppState::Foreground));
    world.signal(Signal::AppState(AppState::Suspended));
    // The store does its jobs in order: let go, load, let go.
    let mut settled = Vec::new();
    while world.store_step() {
        settled.push(world.engine.is_settled());
    }
    assert_eq!(settled.pop(), Some(true));
    assert!(settled.iter().all(|settled| !settled), "{settled:?}");
}

/// The app is suspended now. The world itself asserts that no file is open once that is settled.
fn suspends_with_its_files_closed(world: &mut World) {
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    assert!(world.engine.is_settled());
    assert!(world.engine.loads.is_empty() && world.engine.commits.is_empty());
}

#[test]
fn a_message_found_while_the_app_is_suspended_leaves_no_file_open() {
    let mut world = awake(13);
    let target = world.server.say(room_id(1), "here").id;
    world.settle();
    let (_, opened) = world.open_at(room_id(1), TimelineStart::Message(target));
    suspends_with_its_files_closed(&mut world);
    assert_eq!(world.replies[&opened], Ok(Reply::Opened));
}

#[test]
fn a_step_of_the_index_while_the_app_is_suspended_leaves_no_file_open() {
    let mut world = awake(14);
    // The first screen had its time.
    world.run(1_000);
    world.engine.indexing = Indexing::Due;
    world.command(Command::Rooms);
    assert_eq!(world.engine.indexing, Indexing::Asked);
    suspends_with_its_files_closed(&mut world);
}

#[test]
fn a_page_asked_for_twice_while_the_app_is_suspended_leaves_no_file_open() {
    let mut world = awake(15);
    for n in 0..200 {
        world.server.say(room_id(1), &format!("{n}"));
        if n % 20 == 0 {
            world.settle();
        }
    }
    world.settle();
    let timeline = world.open(room_id(1));
    world.settle();
    let older = [(); 2].map(|()| world.command(Command::LoadOlder(timeline, 20)));
    suspends_with_its_files_closed(&mut world);
    assert!(older.iter().all(|older| matches!(world.replies[older], Ok(Reply::Loaded(_)))));
}
