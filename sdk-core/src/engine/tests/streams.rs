//! Where sockets fail and HTTP works: an event stream carries the feed, and gives it back.

use tidewire_protocol::{
    AppState, Cursor, ErrorCode, Mode, Page, Seq, ServerFrame, UserId, Welcome, WireError,
};

use super::model::room_id;
use super::world::World;
use crate::engine::{Command, Network, NetworkKind, Problem, Reason, Request, Signal, TokenInfo};

/// A client on a network where no socket opens, until its stream does.
pub(super) fn streaming(seed: u64) -> World {
    let mut world = World::new(seed);
    world.sockets_work = false;
    world.server.join(room_id(1));
    world.run(60_000);
    assert!(world.has_stream());
    assert_eq!(mode(&world), (Mode::RealTime, Reason::EventStream));
    world
}

fn mode(world: &World) -> (Mode, Reason) {
    let report = world.engine.mode();
    (report.mode, report.reason)
}

fn polling(world: &World) -> bool {
    mode(world) == (Mode::Polling, Reason::SocketsFail)
}

#[test]
fn where_sockets_fail_an_event_stream_pushes_the_feed() {
    let mut world = streaming(1);
    let before = world.engine.stats().clone();
    for n in 0..100 {
        world.server.say(room_id(1), &format!("{n}"));
        world.settle();
        assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    }
    world.run(3_600_000);
    let since = world.engine.stats().since(&before);
    assert_eq!((since.polls, since.streams, since.pages_dropped), (0, 0, 0), "{since:?}");
    assert!(since.events >= 100);
    assert!((8..=30).contains(&since.sockets), "sockets are tried now and then: {since:?}");
}

#[test]
fn a_socket_that_works_again_takes_over_and_nothing_is_lost_or_comes_twice() {
    for seed in 0..10 {
        let mut world = streaming(seed);
        let before = world.engine.stats().clone();
        for n in 0..1_200 {
            if n % 400 == 100 {
                world.sockets_work = true;
            } else if n % 400 == 300 {
                world.sockets_work = false;
                world.cut();
            }
            world.server.say(room_id(1), &format!("{n}"));
            world.run(2_500);
        }
        world.run(60_000);
        assert_eq!(world.engine.cursor(), Some(&world.server.head()));
        world.check_events();
        let since = world.engine.stats().since(&before);
        assert_eq!((since.events, since.events_repeated), (1_200, 0), "{since:?}");
        assert!(since.streams >= 2 && since.frames_sent > 0, "there and back: {since:?}");
    }
}

#[test]
fn two_readers_of_the_feed_never_move_it_side_by_side() {
    let mut world = streaming(2);
    world.sockets_work = true;
    // The probe comes while the stream pushes. Frames of both are on their way.
    while !world.open_socket() {
        world.pass(1_000_000);
        world.stream_step();
        world.stream_arrival();
        while world.store_step() {}
    }
    world.server.say(room_id(1), "over the stream");
    world.stream_step();
    world.server_step();
    world.client_step();
    assert!(!world.has_stream(), "the greeted socket ends the stream, and what it carried");
    assert_eq!(mode(&world), (Mode::RealTime, Reason::Unbound));
    let dropped = world.engine.stats().pages_dropped;
    world.run(2_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    assert_eq!(world.engine.stats().pages_dropped, dropped);
}

#[test]
fn where_the_wish_is_hybrid_a_stream_is_of_no_use() {
    let mut world = World::new(3);
    world.sockets_work = false;
    world.server.online = 100;
    world.server.join(room_id(1));
    world.run(600_000);
    assert!(polling(&world));
    assert_eq!(world.engine.stats().streams, 0);
    // The crowd goes: now it is.
    world.server.online = 2;
    world.run(60_000);
    assert_eq!(mode(&world), (Mode::RealTime, Reason::EventStream));
    // And comes back.
    world.server.online = 100;
    world.engine.told_crowd(100, None);
    world.run(60_000);
    assert!(polling(&world) && !world.has_stream());
}

#[test]
fn where_streams_fail_too_it_is_polling_and_both_are_tried_now_and_then() {
    let mut world = World::new(4);
    (world.sockets_work, world.streams_work) = (false, false);
    world.server.join(room_id(1));
    world.run(120_000);
    assert!(polling(&world));
    let before = world.engine.stats().clone();
    world.server.say(room_id(1), "by polling");
    world.run(3_600_000);
    assert!(polling(&world));
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    let since = world.engine.stats().since(&before);
    for tries in [since.sockets, since.streams] {
        assert!((8..=30).contains(&tries), "{since:?}");
    }
    world.streams_work = true;
    world.run(600_000);
    assert_eq!(mode(&world), (Mode::RealTime, Reason::EventStream));
}

#[test]
fn a_proxy_that_keeps_the_stream_back_holds_nothing_up() {
    let mut world = World::new(5);
    world.sockets_work = false;
    world.server.join(room_id(1));
    while world.engine.stats().streams < 1 {
        world.settle_but_streams();
        world.pass(1_000);
    }
    // Its answer never comes. Meanwhile everything goes on by polling.
    let start = world.now.mono_ms;
    let id = world.send(room_id(1), "not held up");
    world.settle_but_streams();
    assert!(world.server.rooms[&room_id(1)].log.iter().any(|event| event.id == id));
    while world.engine.stats().streams < 2 {
        world.settle_but_streams();
        world.pass(1_000);
    }
    let waited = world.now.mono_ms - start;
    assert!((9_000..12_000).contains(&waited), "{waited}");
    while world.now.mono_ms < start + 60_000 {
        world.settle_but_streams();
        world.pass(1_000);
    }
    assert!(polling(&world));
    assert!((2..=4).contains(&world.engine.stats().streams));
}

#[test]
fn a_poll_that_was_faster_than_the_stream_costs_a_stream_and_nothing_else() {
    let mut world = World::new(6);
    world.sockets_work = false;
    world.server.join(room_id(1));
    while world.engine.stats().streams < 1 {
        world.settle_but_streams();
        world.pass(1_000);
    }
    // It is slow to open, and a poll reads on.
    world.server.say(room_id(1), "one");
    while world.engine.cursor() != Some(&world.server.head()) {
        world.settle_but_streams();
        world.pass(1_000);
    }
    world.server.say(room_id(1), "two");
    world.settle();
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    assert!(world.has_stream());
    assert_eq!(world.engine.stats().streams, 2);
    assert_eq!(world.engine.stats().events_repeated, 0);
    // And one that comes after it opened is dropped whole.
    let dropped = world.engine.stats().pages_dropped;
    world.cut_stream();
    let index = world.requests.iter().position(|(_, request)| matches!(request, Request::Sync(_)));
    let (late, answer) = world.take_request(index.unwrap());
    world.server.say(room_id(1), "three");
    world.respond(late, answer);
    world.run(1_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    assert_eq!(world.engine.stats().pages_dropped, dropped);
}

#[test]
fn a_page_that_does_not_go_on_from_the_cursor_is_dropped_and_the_stream_opened_anew() {
    let mut world = streaming(7);
    world.server.say(room_id(1), "one");
    world.settle();
    let before = world.engine.stats().clone();
    let wrong = Page {
        from: Cursor::new("c0"),
        events: Vec::new(),
        to: world.server.head(),
        more: false,
        limited: Vec::new(),
        receipts: Vec::new(),
        settings: Vec::new(),
        blocks: None,
    };
    world.inject_into_stream(ServerFrame::Batch(wrong));
    assert!(!world.has_stream());
    world.run(2_000);
    assert!(world.has_stream());
    let since = world.engine.stats().since(&before);
    assert_eq!((since.pages_dropped, since.streams), (1, 1));
}

#[test]
fn what_the_client_says_goes_by_requests_at_once() {
    let mut world = streaming(8);
    let before = world.engine.stats().clone();
    let id = world.send(room_id(1), "at once");
    while world.store_step() {}
    assert!(world.requests.iter().any(|(_, request)| matches!(request, Request::Ops(..))));
    world.settle();
    assert!(world.server.rooms[&room_id(1)].log.iter().any(|event| event.id == id));
    // Receipts by a request that reads nothing, no more often than polls would be.
    let start = world.now.mono_ms;
    for n in 0..50 {
        let event = world.server.say(room_id(1), &format!("{n}"));
        world.settle();
        world.command(Command::MarkRead(room_id(1), event.seq));
        world.run(500);
    }
    world.run(10_000);
    let read = Seq::new(world.server.rooms[&room_id(1)].log.len() as u64);
    assert_eq!(world.server.receipt(room_id(1), "ada").read, read);
    let since = world.engine.stats().since(&before);
    assert_eq!(since.polls, 0);
    let most = (world.now.mono_ms - start) / 5_000 + 2;
    assert!(since.requests <= most, "{} requests, {most} at most", since.requests);
}

#[test]
fn receipts_whose_request_was_lost_are_told_again() {
    let mut world = streaming(9);
    let event = world.server.say(room_id(1), "read me");
    world.settle();
    world.run(10_000);
    world.command(Command::MarkRead(room_id(1), event.seq));
    while world.store_step() {}
    assert_eq!(world.requests.len(), 1);
    world.lose(0, false);
    world.run(60_000);
    assert_eq!(world.server.receipt(room_id(1), "ada").read, event.seq);
}

#[test]
fn a_stream_ends_where_a_socket_would() {
    let wifi = Network { kind: NetworkKind::Wifi, ..Network::default() };
    let none = Network { kind: NetworkKind::None, ..Network::default() };
    for signal in [
        Signal::AppState(AppState::Suspended),
        Signal::Network(none),
        Signal::Network(wifi),
        Signal::Ceiling(Mode::Polling),
        Signal::Power { low: true },
    ] {
        let mut world = streaming(10);
        world.signal(signal);
        assert!(!world.has_stream(), "{signal:?}");
    }
    let mut world = streaming(10);
    world.signal(Signal::AppState(AppState::Background));
    world.settle();
    assert!(world.has_stream(), "a glance at another app");
    world.run(6_000);
    assert!(!world.has_stream());
    assert_eq!(mode(&world), (Mode::Polling, Reason::App(AppState::Background)));
    // The network is the same: what is known of it holds.
    world.signal(Signal::AppState(AppState::Foreground));
    world.settle();
    assert!(world.has_stream());
    assert_eq!(mode(&world), (Mode::RealTime, Reason::EventStream));
}

#[test]
fn on_another_network_sockets_are_tried_before_streams() {
    let mut world = streaming(11);
    world.sockets_work = true;
    let wifi = Network { kind: NetworkKind::Wifi, ..Network::default() };
    world.signal(Signal::Network(wifi));
    let streams = world.engine.stats().streams;
    world.settle();
    assert_eq!(mode(&world), (Mode::RealTime, Reason::Unbound));
    assert_eq!(world.engine.stats().streams, streams);
}

#[test]
fn a_stream_that_breaks_is_opened_again_at_once_and_the_mode_stays() {
    let mut world = streaming(12);
    world.run(120_000);
    world.cut_stream();
    assert_eq!(mode(&world), (Mode::RealTime, Reason::EventStream));
    world.server.say(room_id(1), "meanwhile");
    world.run(10);
    assert!(world.has_stream());
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn a_silent_stream_is_lost_unless_it_is_the_disk_that_lags() {
    let mut world = streaming(13);
    let streams = world.engine.stats().streams;
    let start = world.now.mono_ms;
    // Nothing of what the server says arrives.
    while world.has_stream() {
        while !world.requests.is_empty() {
            world.answer(0);
        }
        world.cut();
        world.pass(1_000);
    }
    let silence = world.now.mono_ms - start;
    assert!((45_000..=76_000).contains(&silence), "{silence}");
    world.run(5_000);
    assert_eq!(world.engine.stats().streams, streams + 1);
    // The disk takes nothing any more.
    while world.engine.wants_frames() {
        world.server.say(room_id(1), "more");
        world.stream_step();
        world.stream_arrival();
    }
    let end = world.now.mono_ms + 200_000;
    while world.now.mono_ms < end {
        world.cut();
        world.pass(1_000);
    }
    assert!(world.has_stream());
    world.run(1_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn a_servers_slot_holds_for_streams_and_sockets() {
    let mut world = streaming(14);
    let before = world.engine.stats().clone();
    world.inject_into_stream(ServerFrame::Goaway { retry_after_ms: 90_000, reason: "".into() });
    assert!(!world.has_stream());
    world.run(89_000);
    // Nor does the foreground shorten it.
    world.signal(Signal::AppState(AppState::Background));
    world.signal(Signal::AppState(AppState::Foreground));
    world.settle();
    let since = world.engine.stats().since(&before);
    assert_eq!((since.streams, since.sockets), (0, 0));
    assert!(since.polls > 0, "meanwhile it polls");
    world.run(1_100);
    assert!(world.has_stream());
    // The same where the server has no place for one.
    let error = WireError::new(ErrorCode::Unavailable, "full").retry_after_ms(20_000);
    world.inject_into_stream(ServerFrame::Error { error, room: None });
    world.run(19_000);
    assert!(!world.has_stream());
    world.run(2_000);
    assert!(world.has_stream());
}

#[test]
fn a_stream_is_opened_anew_with_another_token() {
    let mut world = streaming(15);
    let streams = world.engine.stats().streams;
    world.give_token(TokenInfo::default());
    world.run(1_000);
    assert!(world.has_stream());
    assert_eq!(world.engine.stats().streams, streams + 1);
    // And with one that the server asks for.
    let error = WireError::new(ErrorCode::TokenExpired, "ended");
    world.inject_into_stream(ServerFrame::Error { error, room: None });
    assert!(!world.has_stream());
    world.run(1_000);
    assert!(world.has_stream());
}

#[test]
fn a_cursor_that_the_stream_refuses_is_replaced() {
    let mut world = streaming(16);
    let error = WireError::new(ErrorCode::CursorExpired, "old");
    world.inject_into_stream(ServerFrame::Error { error, room: None });
    world.run(1_000);
    assert_eq!(world.engine.stats().bootstraps, 2);
    assert!(world.has_stream());
    world.server.say(room_id(1), "goes on");
    world.settle();
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn a_stream_of_another_user_is_no_stream() {
    let mut world = streaming(17);
    let welcome = Welcome {
        user: UserId::new("eve").unwrap(),
        epoch: world.server.epoch.clone(),
        online: 1,
        policy: None,
        ephemeral_members: 100,
        max_upload_bytes: 50 * 1024 * 1024,
        idempotency_window_ms: 1,
        now: 0,
    };
    world.inject_into_stream(ServerFrame::Welcome(welcome));
    assert!(!world.has_stream());
    assert!(world.problems.iter().any(|problem| matches!(problem, Problem::WrongUser { .. })));
}

#[test]
fn a_server_that_was_away_finds_the_client_on_its_stream_again() {
    let mut world = streaming(18);
    // Nothing answers.
    world.streams_work = false;
    world.cut_stream();
    let end = world.now.mono_ms + 60_000;
    while world.now.mono_ms < end {
        world.grant_token();
        while world.store_step() {}
        while !world.requests.is_empty() {
            world.lose(0, false);
        }
        world.open_stream();
        world.open_socket();
        world.pass(1_000);
    }
    world.streams_work = true;
    world.server.say(room_id(1), "it is back");
    // The next poll is answered: everything else is tried at once.
    world.run(26_000);
    assert!(world.has_stream());
    assert_eq!(mode(&world), (Mode::RealTime, Reason::EventStream));
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}
