//! Single situations of sending, step by step.

use tidewire_protocol::{Mode, Seq};

use super::model::room_id;
use super::scenarios::{ROOM, ceiling, seqs, world_with_room};
use super::world::World;
use crate::engine::{Command, MessageState, Network, NetworkKind, Problem, Reply, Row, Signal};

#[test]
fn a_send_is_on_disk_before_it_shows_and_keeps_its_id_for_life() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    let id = world.send(room, "hello");
    assert_eq!(world.rows[&timeline].len(), 1, "not shown before it is on disk");
    world.store_step();
    let shown = world.rows[&timeline][1].message().unwrap().clone();
    assert_eq!((shown.id, &shown.state, shown.seq), (id, &MessageState::Sending, None));
    assert_eq!(world.start().outbox[0].op.id, id);
    world.settle();
    let shown = world.rows[&timeline][1].message().unwrap().clone();
    assert_eq!((shown.id, &shown.state), (id, &MessageState::Sent));
    assert_eq!(shown.seq, Some(Seq::new(2)));
    assert!(world.start().outbox.is_empty());
}

#[test]
fn a_resend_after_a_lost_answer_makes_no_second_message() {
    for mode in [Mode::Polling, Mode::Hybrid, Mode::RealTime] {
        let (mut world, room) = world_with_room();
        ceiling(&mut world, mode);
        let timeline = world.open(room);
        world.settle();
        let id = world.send(room, "once");
        while world.store_step() {}
        if mode == Mode::Polling {
            world.lose(0, true);
        } else {
            world.server_step();
            world.cut();
        }
        world.run(30_000);
        let log = &world.server.rooms[&room].log;
        assert_eq!(log.iter().filter(|event| event.id == id).count(), 1, "{mode}");
        assert_eq!(seqs(&world, timeline), [1, 2], "{mode}");
        assert!(world.start().outbox.is_empty(), "{mode}");
    }
}

#[test]
fn a_killed_client_sends_what_was_queued_after_its_next_start() {
    let (mut world, room) = world_with_room();
    let ids: Vec<_> = (0..3).map(|n| world.send(room, &format!("{n}"))).collect();
    while world.store_step() {}
    world.server_step();
    world.restart(2);
    world.run(1_000);
    let log = &world.server.rooms[&room].log;
    let sent: Vec<_> = log.iter().skip(1).map(|event| event.id).collect();
    assert_eq!(sent, ids);
}

#[test]
fn operations_of_a_room_go_out_in_order_and_many_at_a_time() {
    let (mut world, room) = world_with_room();
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    let ids: Vec<_> = (0..120).map(|n| world.send(room, &format!("{n}"))).collect();
    world.settle();
    ceiling(&mut world, Mode::Polling);
    let before = world.engine.stats().requests;
    world.signal(Signal::Network(Network::default()));
    world.run(10_000);
    let log = &world.server.rooms[&room].log;
    assert_eq!(log.iter().skip(1).map(|event| event.id).collect::<Vec<_>>(), ids);
    let requests = world.engine.stats().requests - before;
    assert!(requests <= 8, "{requests} requests for 120 operations");
}

#[test]
fn nothing_overtakes_a_failed_operation_not_even_while_the_failure_is_written() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    let timeline = world.open(room);
    world.settle();
    let first = world.send(room, "refused");
    let second = world.send(room, "behind it");
    while world.store_step() {}
    let (id, _) = world.requests.remove(0);
    let error = tidewire_protocol::WireError::new(tidewire_protocol::ErrorCode::IdTaken, "taken");
    let results = vec![
        tidewire_protocol::OpResult {
            id: first,
            outcome: tidewire_protocol::OpOutcome::Refused { error },
        },
        tidewire_protocol::OpResult { id: second, outcome: tidewire_protocol::OpOutcome::NotTried },
    ];
    let sent = tidewire_protocol::Sent { room, results, error: None };
    let response = tidewire_protocol::SyncResponse {
        page: None,
        results: vec![sent],
        online: 2,
        policy: None,
        now: world.server.clock,
        ephemeral_members: 100,
        max_upload_bytes: 50 * 1024 * 1024,
        ephemeral: None,
    };
    world.respond(id, Ok(crate::engine::Response::Sync(response)));
    world.run(60_000);
    let states: Vec<MessageState> = world.rows[&timeline]
        .iter()
        .filter_map(Row::message)
        .filter(|message| message.seq.is_none())
        .map(|message| message.state.clone())
        .collect();
    assert!(
        matches!(&states[..], [MessageState::Failed(_), MessageState::Waiting(behind)] if *behind == first),
        "{states:?}"
    );
    let discard = world.command(Command::Discard(first));
    world.run(60_000);
    assert_eq!(world.replies[&discard], Ok(Reply::Done));
    let log = &world.server.rooms[&room].log;
    assert!(log.iter().any(|event| event.id == second));
    assert!(log.iter().all(|event| event.id != first));
}

#[test]
fn only_what_was_sent_before_the_servers_memory_begins_is_not_sent_again() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    world.settle();
    let tried = world.send(room, "tried");
    while world.store_step() {}
    world.lose(0, false);
    while world.store_step() {}
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    let untried = world.send(room, "never tried");
    while world.store_step() {}
    world.server.clock += 91 * DAY_MS;
    world.restart(2);
    let timeline = world.open(room);
    world.run(30_000);
    let shown = |id| {
        world.rows[&timeline].iter().find_map(|row| row.message().filter(|m| m.id == id).cloned())
    };
    let unknown = MessageState::Failed(crate::engine::FailReason::Unknown);
    assert_eq!(shown(tried).unwrap().state, unknown);
    assert_eq!(shown(untried).unwrap().state, MessageState::Waiting(tried));
    world.command(Command::Retry(tried));
    world.run(30_000);
    let sent: Vec<_> = world.server.rooms[&room].log[1..].iter().map(|event| event.id).collect();
    assert_eq!(sent, [tried, untried]);
}

#[test]
fn nothing_goes_out_with_another_users_token() {
    let mut world = World::new(1);
    world.server.join(room_id(ROOM));
    while world.store_step() {}
    let eve = tidewire_protocol::UserId::new("eve").unwrap();
    let token = crate::engine::TokenInfo { user: Some(eve.clone()), expires_at: None };
    assert!(!world.give_token(token));
    assert!(world.requests.is_empty(), "{:?}", world.requests);
    let wrong = Problem::WrongUser { token_user: eve };
    assert!(world.problems.contains(&wrong), "{:?}", world.problems);
    world.run(60_000);
    assert_eq!(world.engine.cursor(), Some(&world.server.head()), "the next token is a good one");
}

#[test]
fn a_clock_that_jumps_fails_nothing_and_sends_nothing_twice() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    for jump in [-DAY_MS, 365 * DAY_MS] {
        for restart in [false, true] {
            let (mut world, room) = world_with_room();
            ceiling(&mut world, Mode::Polling);
            world.settle();
            let tried = world.send(room, "tried");
            while world.store_step() {}
            // It arrives, and the answer is lost.
            world.lose(0, true);
            while world.store_step() {}
            world.now.wall_ms += jump;
            if restart {
                world.restart(2);
            }
            world.run(120_000);
            assert!(
                world.start().outbox.is_empty(),
                "{jump} {restart}: {:?}",
                world.start().outbox
            );
            let log = &world.server.rooms[&room].log;
            assert_eq!(log.iter().filter(|event| event.id == tried).count(), 1);
            assert!(world.problems.is_empty(), "{:?}", world.problems);
        }
    }
}

#[test]
fn what_a_process_sends_before_it_knows_the_time_is_not_taken_for_old() {
    const DAY_MS: i64 = 24 * 3_600 * 1_000;
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    world.settle();
    // The device believes in a date long gone, and the process begins.
    world.now.wall_ms -= 400 * DAY_MS;
    world.restart(2);
    ceiling(&mut world, Mode::Polling);
    while world.store_step() {}
    let sent = world.send(room, "first of all");
    while world.store_step() || world.grant_token() {}
    assert_eq!(world.requests.len(), 1, "it rides on the first read");
    // The answer is lost: the next one tells the time.
    world.lose(0, true);
    world.run(120_000);
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    assert!(world.start().outbox.is_empty());
    let log = &world.server.rooms[&room].log;
    assert_eq!(log.iter().filter(|event| event.id == sent).count(), 1);
}
