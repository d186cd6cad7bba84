//! What waits in the outbox: taken back, expired, skipped, put off.

use std::time::Duration;

use tidewire_protocol::{
    AppState, EditContent, ErrorCode, EventId, EventKind, MessageContent, Mode, OpOutcome,
    OpResult, RoomId, Sent, ServerFrame, UserId, WireError,
};

use super::model::room_id;
use super::scenarios::{ceiling, world_with_room};
use super::world::World;
use crate::engine::{
    Command, CommandId, Fact, FailReason, Message, MessageState, Network, NetworkKind, OnFailure,
    Problem, Reply, Request, RequestError, Row, SendOptions, Signal, Subject, TimelineId,
};

const DAY_MS: i64 = 24 * 3_600 * 1_000;

fn offline(world: &mut World) {
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    world.settle();
}

fn online(world: &mut World) {
    world.signal(Signal::Network(Network::default()));
    world.run(60_000);
}

fn cancel(world: &mut World, room: RoomId, message: EventId) -> CommandId {
    let delete = EventId::from_uuid(uuid::Uuid::now_v7());
    world.command(Command::Cancel { room, message, delete })
}

fn send_with(world: &mut World, room: RoomId, text: &str, options: SendOptions) -> EventId {
    let content = tidewire_protocol::Content::of(&MessageContent::of_text(text)).unwrap();
    let (id, _) = world.operate_with(room, EventKind::Message, content, options);
    id
}

fn expiring(after: Duration) -> SendOptions {
    SendOptions { expires_after: Some(after), ..SendOptions::default() }
}

fn shown(world: &World, timeline: TimelineId, id: EventId) -> Option<Message> {
    let mut messages = world.rows[&timeline].iter().filter_map(Row::message);
    messages.rfind(|message| message.id == id).map(|message| (**message).clone())
}

fn in_log(world: &World, room: RoomId, id: EventId) -> usize {
    world.server.rooms[&room].log.iter().filter(|event| event.id == id).count()
}

fn refuse_all(world: &mut World, room: RoomId, ids: &[EventId]) {
    world.drop_frames();
    let error = WireError::new(ErrorCode::Forbidden, "no");
    let outcome = |at: usize| match at {
        0 => OpOutcome::Refused { error: error.clone() },
        _ => OpOutcome::NotTried,
    };
    let results = ids.iter().enumerate().map(|(at, id)| OpResult { id: *id, outcome: outcome(at) });
    let sent = Sent { room, results: results.collect(), error: None };
    world.inject(ServerFrame::Sent(sent));
    while world.store_step() {}
}

#[test]
fn what_was_never_sent_and_is_taken_back_leaves_nothing_even_after_a_restart() {
    for restart in [false, true] {
        let (mut world, room) = world_with_room();
        offline(&mut world);
        let message = world.send(room, "never mind");
        let kept = world.send(room, "kept");
        world.settle();
        if restart {
            world.restart(2);
            offline(&mut world);
        }
        let command = cancel(&mut world, room, message);
        world.settle();
        assert_eq!(world.replies[&command], Ok(Reply::Done));
        let left: Vec<_> = world.start().outbox.iter().map(|row| row.op.id).collect();
        assert_eq!(left, [kept], "after a restart: {restart}");
        online(&mut world);
        assert_eq!((in_log(&world, room, message), in_log(&world, room, kept)), (0, 1));
        assert_eq!(world.server.rooms[&room].log.len(), 2, "nobody hears of it");
    }
}

#[test]
fn an_edit_goes_into_what_was_never_sent_even_after_a_restart() {
    let (mut world, room) = world_with_room();
    offline(&mut world);
    let message = world.send(room, "first thought");
    world.settle();
    world.restart(2);
    offline(&mut world);
    let edit = EditContent { target: message, content: MessageContent::of_text("second thought") };
    world.operate(room, EventKind::Edit, &edit);
    online(&mut world);
    let log = &world.server.rooms[&room].log;
    assert_eq!(log.len(), 2, "no edit of its own");
    assert_eq!(log[1].content.as_json(), r#"{"text":"second thought"}"#);
}

#[test]
fn what_may_have_arrived_and_is_taken_back_is_deleted() {
    for arrived in [false, true] {
        for restart in [false, true] {
            let (mut world, room) = world_with_room();
            ceiling(&mut world, Mode::Polling);
            let message = world.send(room, "never mind");
            while world.store_step() {}
            world.lose(0, arrived);
            offline(&mut world);
            if restart {
                world.restart(2);
                offline(&mut world);
            }
            let timeline = world.open(room);
            world.settle();
            let command = cancel(&mut world, room, message);
            world.settle();
            assert_eq!(world.replies[&command], Ok(Reply::Done));
            assert!(shown(&world, timeline, message).unwrap().deleted.is_some());
            online(&mut world);
            assert_eq!(in_log(&world, room, message), 1, "{arrived} {restart}");
            assert!(shown(&world, timeline, message).unwrap().deleted.is_some());
            let user = UserId::new("ada").unwrap();
            let now = world.server.rooms[&room].now(message, &user).unwrap();
            assert!(now.fold.unwrap().deleted.is_some(), "{arrived} {restart}");
            assert!(world.start().outbox.is_empty() && world.problems.is_empty());
        }
    }
}

#[test]
fn what_is_in_the_log_and_is_taken_back_is_deleted() {
    let (mut world, room) = world_with_room();
    let message = world.send(room, "said");
    world.run(2_000);
    cancel(&mut world, room, message);
    world.run(2_000);
    let user = UserId::new("ada").unwrap();
    let now = world.server.rooms[&room].now(message, &user).unwrap();
    assert!(now.fold.unwrap().deleted.is_some());
}

#[test]
fn what_is_taken_back_and_refused_is_gone_and_holds_nothing() {
    let (mut world, room) = world_with_room();
    let message = world.send(room, "refused");
    while world.store_step() {}
    cancel(&mut world, room, message);
    let behind = world.send(room, "behind it");
    while world.store_step() {}
    refuse_all(&mut world, room, &[message]);
    world.run(5_000);
    assert!(world.start().outbox.is_empty(), "{:?}", world.start().outbox);
    assert_eq!(in_log(&world, room, behind), 1);
    assert!(world.problems.is_empty(), "{:?}", world.problems);
}

#[test]
fn what_failed_without_a_certain_no_and_is_taken_back_is_deleted_and_holds_nothing() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    let message = send_with(&mut world, room, "late", expiring(Duration::from_secs(5)));
    while world.store_step() {}
    world.lose(0, true);
    offline(&mut world);
    let behind = world.send(room, "behind it");
    world.run(10_000);
    assert_eq!(world.start().outbox[0].failed, Some(FailReason::Expired));
    cancel(&mut world, room, message);
    online(&mut world);
    let user = UserId::new("ada").unwrap();
    let now = world.server.rooms[&room].now(message, &user).unwrap();
    assert!(now.fold.unwrap().deleted.is_some());
    assert_eq!(in_log(&world, room, behind), 1);
    assert!(world.start().outbox.is_empty());
}

#[test]
fn what_may_be_skipped_holds_nothing_up_when_it_fails() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    let skip = SendOptions { on_failure: OnFailure::Skip, ..SendOptions::default() };
    let failing = send_with(&mut world, room, "by the way", skip);
    while world.store_step() {}
    // It has left already; these come behind it.
    let edit = EditContent { target: failing, content: MessageContent::of_text("changed") };
    world.operate(room, EventKind::Edit, &edit);
    let behind = world.send(room, "behind it");
    while world.store_step() {}
    refuse_all(&mut world, room, &[failing]);
    world.run(5_000);
    assert_eq!(in_log(&world, room, behind), 1);
    let row = shown(&world, timeline, failing).unwrap();
    assert!(matches!(row.state, MessageState::Failed(_)), "{:?}", row.state);
    assert_eq!(world.start().outbox.len(), 2, "with what was to change it");
    assert!(matches!(&world.problems[..], [Problem::SendFailed { id, .. }] if *id == failing));
    // It holds nothing after a restart either.
    world.restart(2);
    let next = world.send(room, "and then");
    world.run(5_000);
    assert_eq!(in_log(&world, room, next), 1);
    world.command(Command::Retry(failing));
    world.run(5_000);
    assert_eq!(in_log(&world, room, failing), 1);
    assert!(world.start().outbox.is_empty());
}

#[test]
fn what_is_not_sent_in_its_time_fails_and_holds_its_room_until_the_user_decides() {
    for restart in [false, true] {
        let (mut world, room) = world_with_room();
        offline(&mut world);
        let late =
            send_with(&mut world, room, "within a minute", expiring(Duration::from_secs(60)));
        let behind = world.send(room, "whenever");
        world.settle();
        if restart {
            world.restart(2);
            offline(&mut world);
        }
        let timeline = world.open(room);
        world.run(59_000);
        let why = world.command(Command::Why(Subject::Message(room, late)));
        world.settle();
        let Ok(Reply::Why(why)) = &world.replies[&why] else { panic!("no reason") };
        assert!(why.facts.iter().any(|fact| matches!(fact, Fact::Expires { in_ms: ..=1_000 })));
        assert_eq!(shown(&world, timeline, late).unwrap().state, MessageState::Sending);
        world.run(2_000);
        let failed = MessageState::Failed(FailReason::Expired);
        assert_eq!(shown(&world, timeline, late).unwrap().state, failed);
        assert_eq!(shown(&world, timeline, behind).unwrap().state, MessageState::Waiting(late));
        online(&mut world);
        assert_eq!(in_log(&world, room, late) + in_log(&world, room, behind), 0);
        world.command(Command::Retry(late));
        world.run(120_000);
        assert_eq!((in_log(&world, room, late), in_log(&world, room, behind)), (1, 1));
    }
}

#[test]
fn what_expired_and_has_arrived_all_the_same_shows_as_sent() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    let late = send_with(&mut world, room, "just in time", expiring(Duration::from_secs(5)));
    while world.store_step() {}
    world.lose(0, true);
    offline(&mut world);
    world.run(10_000);
    assert_eq!(world.start().outbox[0].failed, Some(FailReason::Expired));
    let timeline = world.open(room);
    online(&mut world);
    assert!(shown(&world, timeline, late).unwrap().state.is_sent());
    assert!(world.start().outbox.is_empty());
}

#[test]
fn a_device_clock_that_jumps_by_a_day_ends_no_time() {
    for jump in [-DAY_MS, DAY_MS] {
        let (mut world, room) = world_with_room();
        offline(&mut world);
        let message =
            send_with(&mut world, room, "within an hour", expiring(Duration::from_secs(3_600)));
        world.settle();
        world.now.wall_ms += jump;
        world.run(1_000);
        online(&mut world);
        assert_eq!(in_log(&world, room, message), 1, "{jump}");
        assert!(world.problems.is_empty(), "{:?}", world.problems);
    }
}

#[test]
fn a_refusal_of_another_room_shortens_no_slot() {
    let (mut world, first) = world_with_room();
    let second = room_id(2);
    world.server.join(second);
    world.settle();
    let one = world.send(first, "one");
    let two = world.send(second, "two");
    while world.store_step() {}
    world.drop_frames();
    let busy = || WireError::new(ErrorCode::RateLimited, "too many");
    for (room, error) in [(first, busy().retry_after_ms(20_000)), (second, busy())] {
        world.inject(ServerFrame::Sent(Sent { room, results: Vec::new(), error: Some(error) }));
    }
    world.run(19_000);
    assert_eq!(in_log(&world, first, one) + in_log(&world, second, two), 0);
    world.run(2_000);
    assert_eq!((in_log(&world, first, one), in_log(&world, second, two)), (1, 1));
}

#[test]
fn neither_sleep_nor_another_network_nor_a_poll_shortens_a_slot() {
    let (mut world, room) = world_with_room();
    let message = world.send(room, "later");
    while world.store_step() {}
    world.drop_frames();
    let error = WireError::new(ErrorCode::Unavailable, "busy").retry_after_ms(30_000);
    world.inject(ServerFrame::Sent(Sent { room, results: Vec::new(), error: Some(error) }));
    world.signal(Signal::AppState(AppState::Suspended));
    world.run(2_000);
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(2_000);
    world.signal(Signal::Network(Network { kind: NetworkKind::Cellular, ..Network::default() }));
    ceiling(&mut world, Mode::Polling);
    world.run(24_000);
    assert_eq!(in_log(&world, room, message), 0);
    world.run(10_000);
    assert_eq!(in_log(&world, room, message), 1);
}

#[test]
fn what_was_put_off_without_a_slot_goes_on_with_the_next_connection() {
    let (mut world, room) = world_with_room();
    let message = world.send(room, "at once");
    while world.store_step() {}
    world.drop_frames();
    // Many failures: the next try would be far away.
    for _ in 0..12 {
        let error = WireError::new(ErrorCode::Internal, "an accident");
        world.inject(ServerFrame::Sent(Sent { room, results: Vec::new(), error: Some(error) }));
    }
    let waits = world.engine.poll_timeout();
    world.cut();
    world.run(3_000);
    assert_eq!(in_log(&world, room, message), 1, "it would have waited until {waits:?}");
}

#[test]
fn late_refusals_of_an_old_token_reject_no_new_one() {
    let (mut world, room) = world_with_room();
    let other = room_id(2);
    world.server.join(other);
    world.settle();
    // Requests of their own: the socket is gone and does not come back.
    world.sockets_work = false;
    world.streams_work = false;
    world.cut();
    world.settle_but_streams();
    let one = world.send(room, "one");
    let two = world.send(other, "two");
    while world.store_step() {}
    let sends = |world: &World| -> Vec<_> {
        let ops = world.requests.iter().filter(|(_, request)| matches!(request, Request::Ops(..)));
        ops.map(|(id, _)| *id).collect()
    };
    let asked = sends(&world);
    assert_eq!(asked.len(), 2, "{:?}", world.requests);
    world.requests.clear();
    let expired = || WireError::new(ErrorCode::TokenExpired, "expired");
    for id in asked {
        world.respond(id, Err(RequestError::Refused(expired())));
        world.grant_token();
    }
    world.run(20_000);
    let told = world.problems.iter().any(|one| matches!(one, Problem::AuthRequired { .. }));
    assert!(!told, "{:?}", world.problems);
    assert_eq!((in_log(&world, room, one), in_log(&world, other, two)), (1, 1));
}

#[test]
fn whatever_waits_in_however_many_rooms_only_so_much_is_on_its_way_at_once() {
    let (mut world, _) = world_with_room();
    let rooms: Vec<RoomId> = (2..=400).map(room_id).collect();
    rooms.iter().for_each(|room| world.server.join(*room));
    world.run(5_000);
    offline(&mut world);
    let ids: Vec<_> = rooms.iter().map(|room| (*room, world.send(*room, "hello"))).collect();
    world.settle();
    world.signal(Signal::Network(Network::default()));
    while world.store_step() | world.grant_token() | world.open_socket() {}
    let most = crate::defaults::SENDS_IN_FLIGHT.max(crate::defaults::SEND_REQUESTS_IN_FLIGHT);
    assert!(world.engine.sends_in_flight() <= most);
    world.run(60_000);
    assert!(ids.iter().all(|(room, id)| in_log(&world, *room, *id) == 1));
}

#[test]
fn an_id_that_somebody_else_has_taken_makes_one_row_and_a_typed_failure() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    offline(&mut world);
    let mine = world.send(room, "mine");
    world.settle();
    world.server.speak_as(room, &UserId::new("bob").unwrap(), "theirs", mine);
    let behind = world.send(room, "behind it");
    online(&mut world);
    let rows = world.rows[&timeline].iter().filter_map(Row::message).filter(|row| row.id == mine);
    let senders: Vec<_> = rows.map(|row| row.sender.to_string()).collect();
    assert_eq!(senders, ["bob"]);
    let told = world.problems.iter().any(|problem| {
        matches!(problem, Problem::SendFailed { id, reason: FailReason::Refused(error), .. }
            if *id == mine && error.code == ErrorCode::IdTaken)
    });
    assert!(told, "{:?}", world.problems);
    world.command(Command::Discard(mine));
    world.run(5_000);
    assert_eq!(in_log(&world, room, behind), 1, "the queue is not stuck");
}

#[test]
fn a_room_that_has_become_quiet_shows_changes_at_once_again() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    for number in 0..100 {
        world.server.say(room, &format!("{number}"));
    }
    world.run(10_000);
    // The first one shows at once anyway; the second must not wait for the first.
    for text in ["one", "two"] {
        let id = world.server.say(room, text).id;
        world.settle();
        assert!(shown(&world, timeline, id).is_some(), "{text}");
    }
}

#[test]
fn what_is_discarded_while_a_retry_is_written_never_leaves() {
    let (mut world, room) = world_with_room();
    let message = world.send(room, "refused");
    while world.store_step() {}
    refuse_all(&mut world, room, &[message]);
    world.command(Command::Retry(message));
    world.command(Command::Discard(message));
    world.run(5_000);
    assert_eq!(in_log(&world, room, message), 0);
    assert!(world.start().outbox.is_empty());
}
