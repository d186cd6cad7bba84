//! Single situations of receipts, step by step.

use tidewire_protocol::{
    ClientFrame, EventId, Mode, ReceiptUpdate, RoomId, Seq, ServerFrame, UnreadBase,
};

use super::model::room_id;
use super::scenarios::{ceiling, world_with_room};
use super::world::World;
use crate::defaults;
use crate::engine::{
    Command, Message, MessageState, Network, NetworkKind, Reach, Reply, Request, Signal, TimelineId,
};

fn update(room: RoomId, delivered: u64, read: u64) -> ReceiptUpdate {
    ReceiptUpdate { room, delivered: Some(Seq::new(delivered)), read: Some(Seq::new(read)) }
}

fn shown(world: &World, timeline: TimelineId, id: EventId) -> Message {
    let mut messages = world.rows[&timeline].iter().filter_map(|row| row.message());
    messages.find(|message| message.id == id).unwrap().as_ref().clone()
}

fn state(world: &World, timeline: TimelineId, id: EventId) -> MessageState {
    shown(world, timeline, id).state
}

fn read_of(world: &World, room: RoomId) -> u64 {
    world.server.receipt(room, "ada").read.get()
}

fn mark(world: &mut World, room: RoomId, seq: u64) {
    let command = world.command(Command::MarkRead(room, Seq::new(seq)));
    while !world.replies.contains_key(&command) {
        assert!(world.store_step());
    }
    assert_eq!(world.replies[&command], Ok(Reply::Done));
}

#[test]
fn a_message_is_delivered_and_read_when_all_others_have_it_and_not_before() {
    for mode in [Mode::Polling, Mode::Hybrid, Mode::RealTime] {
        let (mut world, room) = world_with_room();
        world.server.change_member(room, "eve", true);
        ceiling(&mut world, mode);
        let timeline = world.open(room);
        world.settle();
        let id = world.send(room, "hello");
        world.run(6_000);
        let message = shown(&world, timeline, id);
        assert_eq!(message.state, MessageState::Sent, "{mode}");
        assert_eq!(message.reach, Some(Reach { delivered_to: 0, read_by: 0, of: 2 }));
        let seq = message.seq.unwrap().get();
        for (name, delivered, read, expected, reach) in [
            ("bob", seq - 1, 0, MessageState::Sent, (0, 0)),
            ("bob", seq, 0, MessageState::Sent, (1, 0)),
            ("eve", seq, 0, MessageState::Delivered, (2, 0)),
            ("bob", 0, seq, MessageState::Delivered, (2, 1)),
            ("eve", 0, seq, MessageState::Read, (2, 2)),
        ] {
            world.server.put_receipt(name, update(room, delivered, read));
            world.run(6_000);
            let message = shown(&world, timeline, id);
            assert_eq!(message.state, expected, "{mode}: {name} {delivered} {read}");
            let told = message.reach.map(|reach| (reach.delivered_to, reach.read_by));
            assert_eq!(told, Some(reach), "{mode}: {name} {delivered} {read}");
        }
    }
}

#[test]
fn messages_of_others_are_never_more_than_sent() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    let event = world.server.say(room, "mine");
    world.run(3_000);
    world.server.put_receipt("bob", update(room, 2, 2));
    world.run(3_000);
    let message = shown(&world, timeline, event.id);
    assert_eq!((message.state, message.reach), (MessageState::Sent, None));
}

#[test]
fn a_receipt_shows_once_it_is_on_disk() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    let id = world.send(room, "hello");
    world.settle();
    world.server.put_receipt("bob", update(room, 2, 2));
    while world.server_step() || world.client_step() {}
    assert_eq!(state(&world, timeline, id), MessageState::Sent, "the disk is slow");
    while world.store_step() {}
    assert_eq!(state(&world, timeline, id), MessageState::Read);
    // And from the disk it comes back.
    world.restart(2);
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    let timeline = world.open(room);
    while world.store_step() {}
    assert_eq!(state(&world, timeline, id), MessageState::Read);
}

#[test]
fn what_arrived_is_told_once_it_is_on_disk_at_most_once_a_second() {
    let (mut world, room) = world_with_room();
    world.run(2_000);
    let frames = |world: &World| {
        let receipts = |frame: &&ClientFrame| matches!(frame, ClientFrame::Receipts { .. });
        world.server.heard.iter().filter(receipts).count()
    };
    let before = frames(&world);
    world.server.say(room, "first");
    while world.server_step() || world.client_step() {}
    assert_eq!(world.server.receipt(room, "ada").delivered, Seq::new(1), "not on disk yet");
    world.settle();
    assert_eq!(
        (world.server.receipt(room, "ada").delivered.get(), frames(&world)),
        (2, before + 1)
    );
    for n in 0..30 {
        world.server.say(room, &format!("{n}"));
        world.run(100);
    }
    world.run(1_000);
    let told = frames(&world) - before;
    assert!((4..=5).contains(&told), "{told} frames in 4 s");
    assert_eq!(world.server.receipt(room, "ada").delivered, Seq::new(32));
    // Nobody waits for a receipt for one's own words.
    world.send(room, "own");
    world.run(3_000);
    assert_eq!(frames(&world) - before, told);
}

#[test]
fn in_polling_receipts_ride_on_polls_and_cause_none() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    world.run(20_000);
    world.server.say(room, "hello");
    while world.requests.is_empty() {
        world.pass(10_000);
    }
    world.settle();
    let requests = world.engine.stats().requests;
    mark(&mut world, room, 2);
    world.pass(3_000);
    assert_eq!(world.engine.stats().requests, requests, "no wake-up of its own");
    while world.requests.is_empty() {
        world.pass(10_000);
    }
    match &world.requests[0].1 {
        // What is read has arrived: one of the two says both.
        Request::Sync(sync) => {
            let read = ReceiptUpdate { room, delivered: None, read: Some(Seq::new(2)) };
            assert_eq!(sync.receipts, [read]);
        }
        other => panic!("{other:?}"),
    }
    world.settle();
    assert_eq!(read_of(&world, room), 2);
    world.run(20_000);
    match world.server.heard_syncs.last() {
        Some(sync) => assert_eq!(sync.receipts, [], "acknowledged, and told no more"),
        None => panic!(),
    }
}

#[test]
fn a_mark_is_on_disk_when_it_is_answered_and_survives_everything() {
    for mode in [Mode::Polling, Mode::Hybrid, Mode::RealTime] {
        let (mut world, room) = world_with_room();
        for n in 0..5 {
            world.server.say(room, &format!("{n}"));
        }
        world.run(6_000);
        ceiling(&mut world, mode);
        world.run(6_000);
        let command = world.command(Command::MarkRead(room, Seq::new(4)));
        assert!(!world.replies.contains_key(&command), "not before it is on disk");
        mark(&mut world, room, 4);
        // What carries it is lost, and then the process dies.
        world.cut();
        world.requests.clear();
        assert_eq!(read_of(&world, room), 1, "{mode}");
        world.restart(3);
        ceiling(&mut world, mode);
        world.run(12_000);
        assert_eq!(read_of(&world, room), 4, "{mode}");
        // Lower is nothing, beyond the head is the head.
        mark(&mut world, room, 2);
        mark(&mut world, room, 1_000);
        world.run(12_000);
        assert_eq!(read_of(&world, room), 6, "{mode}");
    }
}

#[test]
fn a_frame_that_was_lost_with_its_socket_goes_out_on_the_next_one() {
    let (mut world, room) = world_with_room();
    world.server.say(room, "hello");
    world.run(2_000);
    mark(&mut world, room, 2);
    world.cut();
    // Nor does it get there by the poll that bridges the time.
    while !world.requests.is_empty() {
        world.lose(0, false);
    }
    world.pass(0);
    assert!(world.open_socket());
    world.run(5_000);
    assert_eq!(read_of(&world, room), 2);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
}

#[test]
fn a_mark_in_an_unknown_or_former_room_is_an_error() {
    let (mut world, room) = world_with_room();
    let unknown = world.command(Command::MarkRead(room_id(9), Seq::new(1)));
    assert!(matches!(world.replies[&unknown], Err(crate::error::Error::UnknownRoom(_))));
    world.failing_commits = 1;
    world.server.say(room, "hello");
    world.settle();
    let failed = world.command(Command::MarkRead(room, Seq::new(2)));
    world.run(5_000);
    // Either it was on disk or the app heard that it was not.
    if world.replies[&failed].is_ok() {
        assert_eq!(read_of(&world, room), 2);
    }
}

#[test]
fn the_unread_base_follows_what_is_read_here_and_elsewhere() {
    let (mut world, room) = world_with_room();
    for n in 0..5 {
        world.server.say(room, &format!("{n}"));
    }
    world.run(2_000);
    let base = |world: &World| world.engine.rooms[&room].state.unread_base;
    let nothing = |read| {
        let read = Seq::new(read);
        Some(UnreadBase { unread: 0, mentions: 0, as_of: read, read })
    };
    assert_eq!(base(&world), nothing(1), "as the join told");
    mark(&mut world, room, 3);
    assert_eq!(base(&world), nothing(3), "of what is read nothing is unread");
    assert_eq!(world.engine.unread(room).messages, 3, "what lies behind it is counted here");
    mark(&mut world, room, 6);
    assert_eq!(base(&world), nothing(6));
    world.run(2_000);
    world.server.say(room, "one more");
    world.run(2_000);
    assert_eq!(base(&world), nothing(6), "what came later is not in it");
    assert_eq!(world.engine.unread(room).messages, 1);
    world.server.put_receipt("ada", update(room, 7, 7));
    world.run(2_000);
    assert_eq!(base(&world), nothing(7), "read on another device");
    world.restart(2);
    while world.store_step() {}
    assert_eq!(base(&world), nothing(7));
}

#[test]
fn a_former_member_holds_nothing_up_also_when_an_older_state_names_him() {
    let (mut world, room) = world_with_room();
    world.server.change_member(room, "eve", true);
    ceiling(&mut world, Mode::Hybrid);
    let timeline = world.open(room);
    world.run(6_000);
    let id = world.send(room, "hello");
    world.settle();
    world.server.put_receipt("bob", update(room, 9, 9));
    // Asked for before she left, answered after.
    let (before, old) = (world.server.head(), world.server.room_state(room));
    world.server.change_member(room, "eve", false);
    world.settle();
    assert_ne!(world.engine.cursor(), Some(&before), "the leave came live, ahead of the feed");
    world.inject(ServerFrame::Limited { room: old });
    world.run(12_000);
    assert_eq!(state(&world, timeline, id), MessageState::Read);
}

#[test]
fn in_a_large_room_nothing_is_told_but_what_is_read_and_states_stay_at_sent() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    let id = world.send(room, "hello");
    world.settle();
    world.server.put_receipt("bob", update(room, 2, 2));
    for n in 0..99 {
        world.server.change_member(room, &format!("u{n}"), true);
        world.run(100);
    }
    assert_eq!(shown(&world, timeline, id).reach, None, "101 members");
    assert_eq!(state(&world, timeline, id), MessageState::Sent);
    let delivered = world.server.receipt(room, "ada").delivered;
    world.server.say(room, "to all");
    world.run(5_000);
    assert_eq!(world.server.receipt(room, "ada").delivered, delivered);
    let head = world.server.rooms[&room].log.len() as u64;
    mark(&mut world, room, head);
    world.run(2_000);
    assert_eq!(read_of(&world, room), head);
    // One less, and the state of the room is asked for.
    world.server.change_member(room, "u0", false);
    world.run(2_000);
    let reach = shown(&world, timeline, id).reach;
    assert_eq!(reach, Some(Reach { delivered_to: 99, read_by: 99, of: 99 }));
    assert_eq!(state(&world, timeline, id), MessageState::Read);
}

/// A client that begins again with a message that Bob has read: what its start asks of the disk has come.
fn begun_anew_after_one_was_read(world: &mut World, room: RoomId) -> EventId {
    ceiling(world, Mode::RealTime);
    let timeline = world.open(room);
    let id = world.send(room, "hello");
    world.settle();
    let seq = shown(world, timeline, id).seq.unwrap().get();
    world.server.put_receipt("bob", update(room, seq, seq));
    world.run(6_000);
    assert_eq!(state(world, timeline, id), MessageState::Read);
    world.restart(7);
    assert!(world.store_step());
    id
}

#[test]
fn a_first_screen_does_not_wait_for_how_far_the_members_are_and_shows_it_all_the_same() {
    for fails in [false, true] {
        let (mut world, room) = world_with_room();
        let id = begun_anew_after_one_was_read(&mut world, room);
        // The rooms are here.
        assert!(world.engine.heads.rooms.contains_key(&room));
        world.failing_loads = u32::from(fails);
        let timeline = world.open(room);
        let rooms = world.command(Command::Rooms);
        world.signal(Signal::Ceiling(Mode::RealTime));
        world.grant_token();
        assert!(world.requests.is_empty() && !world.is_opening(), "nothing of the server fits yet");
        if fails {
            assert!(world.store_step());
            assert!(world.requests.is_empty() && !world.is_opening());
            world.run(60_000);
        }
        while !world.rows.contains_key(&timeline) || !world.replies.contains_key(&rooms) {
            assert!(world.store_step());
        }
        assert_eq!(state(&world, timeline, id), MessageState::Read, "at once, not a moment later");
        let Ok(Reply::Rooms(rooms)) = &world.replies[&rooms] else { panic!() };
        assert_eq!(rooms[0].state.receipts.len(), 2);
        world.run(6_000);
        assert!(world.has_socket());
    }
}

#[test]
fn the_messages_of_a_first_screen_come_before_the_receipts_of_all_other_rooms() {
    let (mut world, other) = world_with_room();
    let others = 4 * u128::try_from(defaults::RECEIPTS_AT_ONCE).unwrap();
    let room = room_id(others);
    for number in 2..=others {
        world.server.join(room_id(number));
    }
    world.server.change_member(room, "bob", true);
    let id = begun_anew_after_one_was_read(&mut world, room);
    let timeline = world.open(room);
    while !world.rows.contains_key(&timeline) {
        assert!(world.store_step());
    }
    assert_eq!(state(&world, timeline, id), MessageState::Read, "at once, not a moment later");
    assert!(!world.engine.rooms[&room_id(others / 2)].receipts.is_whole(), "its turn has not come");
    world.settle();
    assert!((2..=others).all(|number| world.engine.rooms[&room_id(number)].receipts.is_whole()));
    assert!(world.engine.rooms[&other].receipts.is_whole());
}
