//! Single situations of reading, step by step.

use tidewire_protocol::{AppState, Live, Mode, RoomId, Seq, ServerFrame};

use super::model::room_id;
use super::world::World;
use crate::engine::{
    Command, Network, NetworkKind, Problem, Reason, Reply, Request, Row, Signal, TimelineId,
    Traffic,
};
use crate::error::{Error, StoreError};

pub(super) const ROOM: u128 = 1;

pub(super) fn world_with_room() -> (World, RoomId) {
    let mut world = World::new(1);
    let room = room_id(ROOM);
    world.server.join(room);
    world.settle();
    (world, room)
}

pub(super) fn seqs(world: &World, timeline: TimelineId) -> Vec<u64> {
    let rows = &world.rows[&timeline];
    rows.iter().filter_map(|row| Some(row.message()?.seq?.get())).collect()
}

fn gaps(world: &World, timeline: TimelineId) -> Vec<(u64, u64)> {
    let gap = |row: &Row| match row {
        Row::Gap { from, to } => Some((from.get(), to.get())),
        Row::Message(_) => None,
    };
    world.rows[&timeline].iter().filter_map(gap).collect()
}

pub(super) fn ceiling(world: &mut World, mode: Mode) {
    world.signal(Signal::Ceiling(mode));
    world.settle();
}

#[test]
fn a_live_event_far_ahead_of_the_feed_is_shown_and_moves_no_cursor() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Hybrid);
    let timeline = world.open(room);
    world.settle();
    let cursor = world.engine.cursor().cloned();
    for n in 0..9 {
        world.server.say(room, &format!("{n}"));
    }
    let last = world.server.rooms[&room].log[9].clone();
    // The frames in between were lost with a slow server: only the newest comes, ahead of all.
    let live = Live { room, prev: Seq::new(9), events: vec![last] };
    world.inject(ServerFrame::Live(live));
    while world.store_step() {}
    assert_eq!(seqs(&world, timeline), [1, 10]);
    assert_eq!(gaps(&world, timeline), [], "the hole is on its way, not a gap");
    assert_eq!(world.engine.cursor(), cursor.as_ref(), "live never moves the cursor");
    // The poll brings the events, the one after it the client's own receipt for them.
    world.run(12_000);
    assert_eq!(seqs(&world, timeline), (1..=10).collect::<Vec<_>>());
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn a_late_poll_after_a_switch_is_dropped_whole() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    let timeline = world.open(room);
    world.settle();
    world.server.say(room, "a");
    while world.requests.is_empty() {
        world.pass(10_000);
    }
    let (late, answer) = world.take_request(0);
    ceiling(&mut world, Mode::RealTime);
    world.server.say(room, "b");
    world.run(100);
    assert_eq!(seqs(&world, timeline), [1, 2, 3]);
    let cursor = world.engine.cursor().cloned();
    let dropped = world.engine.stats().pages_dropped;
    world.respond(late, answer);
    world.settle();
    assert_eq!(world.engine.cursor(), cursor.as_ref());
    assert_eq!(world.engine.stats().pages_dropped, dropped + 1);
    assert_eq!(seqs(&world, timeline), [1, 2, 3]);
}

#[test]
fn a_pushed_page_after_a_switch_to_polling_is_dropped_whole() {
    let (mut world, room) = world_with_room();
    world.open(room);
    world.settle();
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world.server.say(room, "a");
    while world.server_step() {}
    // The page is in the socket when the mode falls: the engine never sees it, and polls instead.
    ceiling(&mut world, Mode::Polling);
    world.settle();
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    world.check_events();
}

#[test]
fn a_page_cut_by_its_limit_is_read_on_at_once_and_misses_nothing() {
    let mut world = World::new(1);
    let rooms: Vec<RoomId> = (1..=5).map(room_id).collect();
    rooms.iter().for_each(|room| world.server.join(*room));
    world.settle();
    ceiling(&mut world, Mode::Polling);
    world.settle();
    let polls = world.engine.stats().polls;
    for n in 0..30 {
        for room in &rooms {
            world.server.say(*room, &format!("{n}"));
        }
    }
    while world.requests.is_empty() {
        world.pass(10_000);
    }
    world.settle();
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    assert_eq!(world.engine.stats().polls, polls + 3, "150 events are three pages");
    world.check_events();
    for room in &rooms {
        let timeline = world.open(*room);
        world.settle();
        assert_eq!(seqs(&world, timeline), (1..=31).collect::<Vec<_>>());
        assert_eq!(gaps(&world, timeline), []);
    }
}

#[test]
fn a_join_in_mid_stream_brings_the_room_at_its_head_and_its_history_on_demand() {
    let (mut world, _) = world_with_room();
    let other = room_id(2);
    for n in 0..120 {
        world.server.say(other, &format!("{n}"));
    }
    world.server.join(other);
    world.run(100);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    let timeline = world.open(other);
    world.settle();
    world.run(2_000);
    assert_eq!(seqs(&world, timeline), (71..=121).collect::<Vec<_>>(), "the newest page");
    assert_eq!(gaps(&world, timeline), []);
    let older = world.command(Command::LoadOlder(timeline, 200));
    world.settle();
    world.run(2_000);
    assert!(matches!(&world.replies[&older], Ok(Reply::Loaded(loaded)) if !loaded.more));
    assert_eq!(seqs(&world, timeline), (1..=121).collect::<Vec<_>>());
}

#[test]
fn a_room_with_too_much_news_shows_its_newest_and_an_honest_gap() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    world.settle();
    for n in 0..200 {
        world.server.say(room, &format!("{n}"));
    }
    world.signal(Signal::Network(Network::default()));
    world.run(2_000);
    assert_eq!(gaps(&world, timeline), [(2, 150)]);
    assert_eq!(seqs(&world, timeline)[1..], (151..=201).collect::<Vec<_>>());
    let fill = world.command(Command::FillGap(timeline, Seq::new(2), Seq::new(150)));
    world.run(2_000);
    assert!(world.replies[&fill].is_ok());
    assert_eq!(gaps(&world, timeline), []);
    assert_eq!(seqs(&world, timeline), (1..=201).collect::<Vec<_>>());
    world.check_events();
}

#[test]
fn an_expired_cursor_begins_anew_and_keeps_outbox_and_cache() {
    let (mut world, room) = world_with_room();
    world.server.say(room, "a");
    world.settle();
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    let id = world.send(room, "mine");
    world.settle();
    world.server.say(room, "b");
    world.server.expired_below = world.server.ord(&world.server.head());
    world.signal(Signal::Network(Network::default()));
    let timeline = world.open(room);
    world.run(3_000);
    assert_eq!(world.engine.stats().bootstraps, 2);
    assert_eq!(seqs(&world, timeline), [1, 2, 3, 4]);
    assert_eq!(world.server.rooms[&room].log[3].id, id);
}

#[test]
fn another_epoch_drops_the_cache_and_never_the_outbox() {
    let (mut world, room) = world_with_room();
    for n in 0..5 {
        world.server.say(room, &format!("{n}"));
    }
    let timeline = world.open(room);
    world.settle();
    assert_eq!(seqs(&world, timeline).len(), 6);
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    let id = world.send(room, "kept");
    world.settle();
    // A restore: another life of the database, with another log.
    let mut restored = super::model::ModelServer::new();
    restored.epoch = tidewire_protocol::Epoch::new("e2");
    restored.ids_taken = 1_000;
    restored.join(room);
    restored.say(room, "other");
    world.server = restored;
    world.signal(Signal::Network(Network::default()));
    world.run(3_000);
    assert_eq!(seqs(&world, timeline), [1, 2, 3]);
    assert_eq!(world.server.rooms[&room].log[2].id, id);
    world.check_events();
}

#[test]
fn a_failed_commit_stops_reading_is_told_and_loses_nothing() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    world.failing_commits = 1;
    world.server.say(room, "a");
    world.server.say(room, "b");
    world.settle();
    assert_eq!(seqs(&world, timeline), [1], "what is not on disk is not shown");
    assert!(world.problems.contains(&Problem::StoreFailed(StoreError::DiskFull)));
    let refused = world.send(room, "while the disk is full");
    world.failing_commits = 1;
    world.store_step();
    assert!(world.replies.values().any(|reply| *reply == Err(Error::Store(StoreError::DiskFull))));
    world.run(60_000);
    assert!(world.problems.contains(&Problem::StoreRecovered));
    assert_eq!(seqs(&world, timeline), [1, 2, 3]);
    assert!(world.server.rooms[&room].log.iter().all(|event| event.id != refused));
    world.check_events();
}

#[test]
fn the_mode_follows_audience_network_and_app_state_with_its_reason() {
    let (mut world, _) = world_with_room();
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world.server.online = 300;
    world.cut();
    world.run(60_000);
    let report = world.engine.mode();
    assert_eq!((report.mode, report.reason), (Mode::Hybrid, Reason::Audience(300)));
    world.server.online = 3_000;
    world.run(60_000);
    assert_eq!(world.engine.mode().mode, Mode::Polling);
    let sockets = world.engine.stats().sockets;
    world.run(60_000);
    assert_eq!(world.engine.stats().sockets, sockets, "polling opens no socket");
    world.signal(Signal::AppState(AppState::Background));
    let polls = world.engine.stats().polls;
    world.run(600_000);
    let polled = world.engine.stats().polls - polls;
    assert!((8..=11).contains(&polled), "{polled} polls in 10 minutes of background");
    world.signal(Signal::AppState(AppState::Suspended));
    assert_eq!(world.engine.mode().mode, Mode::Offline);
    let requests = world.engine.stats().requests;
    world.run(600_000);
    assert_eq!(world.engine.stats().requests, requests, "suspended asks for nothing");
}

#[test]
fn a_burst_is_batched_and_a_quiet_room_shows_at_once() {
    let (mut world, room) = world_with_room();
    world.open(room);
    world.settle();
    let before = world.updates;
    world.server.say(room, "quiet");
    world.settle();
    assert_eq!(world.updates, before + 1, "shown without waiting");
    let before = world.updates;
    for n in 0..10_000 {
        world.server.say(room, &format!("{n}"));
        world.now.mono_ms += 1;
        world.settle();
    }
    let updates = world.updates - before;
    assert!(updates <= 20 + 11, "{updates} updates for 10 s of a burst");
    let timelines: Vec<TimelineId> = world.rows.keys().copied().collect();
    world.run(2_000);
    let shown = seqs(&world, timelines[0]);
    assert_eq!(shown.len(), 500, "the window is bounded");
    assert_eq!(shown.last(), Some(&10_002));
}

#[test]
fn limited_rooms_are_credited_like_events() {
    let (mut world, _) = world_with_room();
    for number in 100..160 {
        world.server.join(room_id(number));
    }
    world.settle();
    // A page of 50 and one of 10.
    assert_eq!(world.server.credited.len(), 1, "else the server would wait for ever");
}

#[test]
fn a_captive_portal_fails_nothing() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    world.settle();
    let id = world.send(room, "patience");
    while world.store_step() {}
    for _ in 0..20 {
        while world.requests.is_empty() {
            world.pass(60_000);
        }
        world.lose(0, false);
    }
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    assert_eq!(world.start().outbox.len(), 1);
    world.run(60_000);
    assert!(world.server.rooms[&room].log.iter().any(|event| event.id == id));
}

#[test]
fn a_mode_without_push_has_at_most_one_reader_at_work() {
    let (mut world, _) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    for _ in 0..5 {
        world.pass(10_000);
        let syncs =
            |request: &&(crate::engine::RequestId, Request)| matches!(request.1, Request::Sync(_));
        assert!(world.requests.iter().filter(syncs).count() <= 1);
    }
}

fn unauthorized() -> Result<crate::engine::Response, crate::engine::RequestError> {
    let code = tidewire_protocol::ErrorCode::TokenExpired;
    Err(crate::engine::RequestError::Refused(tidewire_protocol::WireError::new(code, "expired")))
}

#[test]
fn a_token_that_is_refused_twice_is_told_and_reading_goes_on_with_the_next() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    world.settle();
    for _ in 0..2 {
        while world.requests.is_empty() {
            world.pass(10_000);
            world.grant_token();
        }
        let (id, _) = world.take_request(0);
        world.respond(id, unauthorized());
    }
    assert!(matches!(world.problems[..], [Problem::AuthRequired { .. }]), "{:?}", world.problems);
    let id = world.send(room, "waits");
    world.server.say(room, "meanwhile");
    world.run(60_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    assert!(world.server.rooms[&room].log.iter().any(|event| event.id == id));
}

/// Lets time pass in a network that answers nothing, and gives how many requests were tried.
fn requests_in_the_void(world: &mut World, ms: u64) -> u64 {
    let before = world.engine.stats().requests;
    let end = world.now.mono_ms + ms;
    while world.now.mono_ms < end {
        while !world.requests.is_empty() {
            world.lose(0, false);
            assert!(world.engine.stats().requests - before < 1_000, "a loop without a pause");
        }
        while world.store_step() {}
        let left = end - world.now.mono_ms;
        world.pass(left);
    }
    world.engine.stats().requests - before
}

#[test]
fn after_goaway_a_server_that_is_gone_is_asked_with_growing_pauses() {
    let (mut world, room) = world_with_room();
    world.inject(ServerFrame::Goaway { retry_after_ms: 60_000, reason: "restart".into() });
    let sockets = world.engine.stats().sockets;
    let requests = requests_in_the_void(&mut world, 59_000);
    assert!((2..=40).contains(&requests), "{requests} requests in a minute");
    assert_eq!(world.engine.stats().sockets, sockets, "the slot for the socket is kept");
    world.server.say(room, "back");
    world.run(60_000);
    assert!(world.engine.stats().sockets > sockets);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
}

#[test]
fn a_slot_given_to_a_socket_that_does_not_open_is_kept_and_says_nothing_against_sockets() {
    let (mut world, _) = world_with_room();
    world.cut();
    // HTTP works all the time.
    let pass = |world: &mut World, ms| {
        while !world.requests.is_empty() {
            world.answer(0);
            while world.store_step() {}
        }
        world.pass(ms);
    };
    for _ in 0..5 {
        while !world.is_opening() {
            pass(&mut world, 1_000);
        }
        let code = tidewire_protocol::ErrorCode::Unavailable;
        let full = tidewire_protocol::WireError::new(code, "full").retry_after_ms(20_000);
        world.refuse_opening(full);
        let (sockets, before) = (world.engine.stats().sockets, world.engine.stats().requests);
        let end = world.now.mono_ms + 19_900;
        while world.now.mono_ms < end {
            let left = end - world.now.mono_ms;
            pass(&mut world, left);
        }
        let requests = world.engine.stats().requests - before;
        assert!((2..=15).contains(&requests), "{requests} polls while it waits");
        assert_eq!(world.engine.stats().sockets, sockets, "the slot is kept");
    }
    world.run(60_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
}

#[test]
fn a_slot_given_on_the_socket_is_waited_for() {
    let (mut world, _) = world_with_room();
    ceiling(&mut world, Mode::Hybrid);
    let code = tidewire_protocol::ErrorCode::Unavailable;
    let error = tidewire_protocol::WireError::new(code, "busy").retry_after_ms(8_000);
    let polls = world.engine.stats().polls;
    while world.engine.stats().polls == polls {
        world.pass(10_000);
    }
    let request = world.last_sync_frame();
    let refused = tidewire_protocol::Synced { request, response: None, error: Some(error) };
    world.inject(ServerFrame::Synced(Box::new(refused)));
    let polls = world.engine.stats().polls;
    world.pass(7_999);
    assert_eq!(world.engine.stats().polls, polls);
    world.run(10_000);
    assert!(world.engine.stats().polls > polls);
}

#[test]
fn a_dead_socket_is_noticed_however_much_is_sent_over_it() {
    let (mut world, _) = world_with_room();
    let rooms: Vec<RoomId> = (2..=8).map(room_id).collect();
    rooms.iter().for_each(|room| world.server.join(*room));
    world.settle();
    let sockets = world.engine.stats().sockets;
    for room in &rooms {
        world.send(*room, "into the void");
        while world.store_step() {}
        for _ in 0..4 {
            world.pass(1_000);
        }
    }
    assert!(world.engine.stats().sockets > sockets, "28 s without any answer");
}

#[test]
fn a_page_that_does_not_go_on_from_the_cursor_is_dropped_whole_and_asked_for_anew() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    world.server.say(room, "a");
    world.settle();
    let cursor = world.engine.cursor().cloned().unwrap();
    for n in 0..3 {
        world.server.say(room, &format!("{n}"));
    }
    // The page before it was lost on its way.
    let events = vec![world.server.rooms[&room].log[4].clone()];
    let (from, to) = (super::model::cursor_at(4), world.server.head());
    let (more, limited, receipts) = Default::default();
    let page = tidewire_protocol::Page {
        from,
        events,
        to,
        more,
        limited,
        receipts,
        settings: Vec::new(),
        blocks: None,
    };
    let (frames, dropped) = (world.engine.stats().frames_sent, world.engine.stats().pages_dropped);
    world.inject(ServerFrame::Batch(page));
    assert_eq!(world.engine.cursor(), Some(&cursor));
    assert_eq!(world.engine.stats().pages_dropped, dropped + 1);
    assert_eq!(world.engine.stats().frames_sent, frames + 1, "the server is told where to go on");
    assert_eq!(seqs(&world, timeline), [1, 2]);
    world.settle();
    assert_eq!(seqs(&world, timeline), [1, 2, 3, 4, 5]);
    assert_eq!(gaps(&world, timeline), []);
}

#[test]
fn an_event_that_is_held_is_dropped_whatever_carried_it() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Hybrid);
    world.open(room);
    world.settle();
    let event = world.server.say(room, "once");
    world.settle();
    let (events, updates) = (world.engine.stats().events, world.updates);
    let live = Live { room, prev: Seq::new(1), events: vec![event] };
    world.inject(ServerFrame::Live(live));
    assert!(!world.store_step(), "nothing to write");
    assert_eq!(world.engine.stats().events, events);
    assert_eq!(world.updates, updates);
}

#[test]
fn an_unknown_frame_and_an_unknown_kind_harm_nothing() {
    let (mut world, room) = world_with_room();
    world.open(room);
    world.settle();
    let frame = ServerFrame::parse(r#"{"type":"aurora"}"#).unwrap();
    assert_eq!(frame, ServerFrame::Unknown("aurora".into()));
    world.server.join(room);
    world.settle();
    assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    world.check_events();
}

#[test]
fn a_wakeup_is_one_burst_of_the_clients_own_after_a_silence() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    world.run(20_000);
    let (wakeups, polls) = (world.engine.stats().wakeups, world.engine.stats().polls);
    world.run(60_000);
    let woke = world.engine.stats().wakeups - wakeups;
    assert_eq!(woke, world.engine.stats().polls - polls, "in polling each poll is one wake-up");

    ceiling(&mut world, Mode::RealTime);
    world.settle();
    world.run(5_000);
    let wakeups = world.engine.stats().wakeups;
    for n in 0..5 {
        world.send(room, &format!("{n}"));
        world.settle();
    }
    assert_eq!(world.engine.stats().wakeups, wakeups + 1, "five sends at once are one");
    world.run(5_000);
    let before = (world.engine.stats().wakeups, world.engine.stats().events);
    world.server.say(room, "pushed");
    world.settle();
    let after = (world.engine.stats().wakeups, world.engine.stats().events);
    assert_eq!(after, (before.0, before.1 + 1), "a push is not the client's");
}

#[test]
fn bytes_belong_to_the_mode_that_they_passed_in() {
    let (mut world, _) = world_with_room();
    world.engine.handle_traffic(Traffic { sent: 10, received: 100 });
    ceiling(&mut world, Mode::Polling);
    world.engine.handle_traffic(Traffic { sent: 15, received: 300 });
    let asked = world.command(Command::Stats);
    let Some(Ok(Reply::Stats(stats, modes))) = world.replies.get(&asked) else {
        panic!("no stats");
    };
    assert_eq!((stats.bytes_sent, stats.bytes_received), (15, 300));
    let of = |mode| (modes[&mode].bytes_sent, modes[&mode].bytes_received);
    assert_eq!(of(Mode::Polling), (5, 200));
    assert_eq!(of(Mode::RealTime), (10, 100));
}
