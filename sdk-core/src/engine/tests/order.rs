//! Mutes and slow mode, as a client lives through them.

use tidewire_protocol::{
    DeleteContent, ErrorCode, EventId, EventKind, Mode, MuteRequest, NewRoom, Role, RoleUpdate,
    RoomId, RoomKind, RoomState, Seq, SlowMode, UserId,
};

use super::model::room_id;
use super::scenarios::{ceiling, seqs};
use super::world::World;
use crate::engine::{
    Command, Fact, FailReason, MessageState, Problem, Reply, RoomSummary, Row, Subject, Way,
};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// Rooms of Bob's in which the client's user is a member.
fn world_of_bob(rooms: u128) -> (World, Vec<RoomId>) {
    let mut world = World::new(7);
    let members = vec![user("ada")];
    let ids: Vec<RoomId> = (50..50 + rooms).map(room_id).collect();
    for id in &ids {
        let new = NewRoom { id: *id, kind: RoomKind::Group, name: None, members: members.clone() };
        world.server.create_room(&user("bob"), new).unwrap();
    }
    world.settle();
    (world, ids)
}

fn slow(world: &mut World, room: RoomId, interval_ms: u32) {
    world.server.set_slow_mode(&user("bob"), room, SlowMode { interval_ms }).unwrap();
}

fn mute(world: &mut World, room: RoomId, for_ms: Option<u64>) {
    let mute = MuteRequest { for_ms, reason: None };
    world.server.mute(&user("bob"), room, &user("ada"), mute).unwrap();
}

/// What stands in the log of the client's own.
fn said(world: &World, room: RoomId) -> Vec<EventId> {
    let log = &world.server.rooms[&room].log;
    log.iter().filter(|event| event.sender == user("ada")).map(|event| event.id).collect()
}

fn known(world: &mut World, room: RoomId) -> RoomState {
    let command = world.command(Command::Rooms);
    world.settle();
    let Some(Ok(Reply::Rooms(rooms))) = world.replies.get(&command) else { panic!("no rooms") };
    let of = |summary: &&RoomSummary| summary.state.id == room;
    rooms.iter().find(of).unwrap().state.clone()
}

#[test]
fn in_slow_mode_messages_wait_for_their_turn_in_order_and_none_fails() {
    for mode in [Mode::Polling, Mode::Hybrid, Mode::RealTime] {
        let (mut world, rooms) = world_of_bob(1);
        ceiling(&mut world, mode);
        slow(&mut world, rooms[0], 60_000);
        world.settle();
        let ids: Vec<_> = (0..4).map(|n| world.send(rooms[0], &format!("{n}"))).collect();
        let mut seen = Vec::new();
        for _ in 0..5 {
            world.run(60_000);
            seen.push(said(&world, rooms[0]).len());
        }
        assert_eq!(said(&world, rooms[0]), ids, "{mode}");
        let mut steps = seen.windows(2);
        assert!(steps.all(|pair| pair[1] <= pair[0] + 1), "{mode}: one an interval: {seen:?}");
        assert!(world.start().outbox.is_empty(), "{mode}");
        let failed = |problem: &Problem| matches!(problem, Problem::SendFailed { .. });
        assert!(!world.problems.iter().any(failed), "{mode}");
    }
}

#[test]
fn what_waits_for_a_slow_room_holds_no_other_room_up() {
    for mode in [Mode::Polling, Mode::RealTime] {
        let (mut world, rooms) = world_of_bob(2);
        ceiling(&mut world, mode);
        slow(&mut world, rooms[0], 600_000);
        world.settle();
        let first = world.send(rooms[0], "1");
        world.send(rooms[0], "2");
        world.run(30_000);
        let ids: Vec<_> = (0..5)
            .map(|n| {
                let id = world.send(rooms[1], &format!("{n}"));
                world.run(2_000);
                id
            })
            .collect();
        assert_eq!(said(&world, rooms[1]), ids, "{mode}");
        assert_eq!(said(&world, rooms[0]), [first], "{mode}");
    }
}

#[test]
fn a_slow_room_is_not_asked_again_before_its_time() {
    let (mut world, rooms) = world_of_bob(1);
    ceiling(&mut world, Mode::RealTime);
    slow(&mut world, rooms[0], 600_000);
    world.settle();
    for n in 0..3 {
        world.send(rooms[0], &format!("{n}"));
    }
    world.run(10_000);
    let before = world.engine.stats().sends;
    world.run(500_000);
    assert_eq!(world.engine.stats().sends, before);
    world.run(700_000);
    // One for each message that was left, at most.
    assert!(world.engine.stats().sends <= before + 2, "{}", world.engine.stats().sends);
    assert_eq!(said(&world, rooms[0]).len(), 3);
}

#[test]
fn a_slow_room_is_offered_no_more_messages_than_it_may_say_something_of() {
    let (mut world, rooms) = world_of_bob(2);
    slow(&mut world, rooms[0], 600_000);
    world.settle();
    let taken = world.send(rooms[0], "1");
    world.run(5_000);
    assert_eq!(said(&world, rooms[0]), [taken]);
    ceiling(&mut world, Mode::Offline);
    for room in &rooms {
        for n in 2..6 {
            world.send(*room, &format!("{n}"));
        }
    }
    world.run(5_000);
    assert_eq!(world.engine.next_ops(rooms[0]).len(), 2, "the others would be sent in vain");
    assert_eq!(world.engine.next_ops(rooms[1]).len(), 4);
}

#[test]
fn when_slow_mode_ends_or_the_user_keeps_order_what_waits_goes_at_once() {
    let (mut world, rooms) = world_of_bob(2);
    ceiling(&mut world, Mode::RealTime);
    for room in &rooms {
        slow(&mut world, *room, 6 * 3_600_000);
    }
    world.settle();
    for room in &rooms {
        for n in 0..3 {
            world.send(*room, &format!("{n}"));
        }
    }
    world.run(5_000);
    assert_eq!(said(&world, rooms[0]).len(), 1);
    assert_eq!(known(&mut world, rooms[0]).slow_mode_ms, 6 * 3_600_000);
    slow(&mut world, rooms[0], 0);
    let role = RoleUpdate { role: Role::Moderator };
    world.server.set_role(&user("bob"), rooms[1], &user("ada"), role).unwrap();
    world.run(5_000);
    assert_eq!((said(&world, rooms[0]).len(), said(&world, rooms[1]).len()), (3, 3));
    assert_eq!(known(&mut world, rooms[0]).slow_mode_ms, 0);
}

#[test]
fn what_waits_for_a_slow_room_says_so_and_goes_out_after_a_kill() {
    let (mut world, rooms) = world_of_bob(1);
    ceiling(&mut world, Mode::RealTime);
    slow(&mut world, rooms[0], 3_600_000);
    world.settle();
    let first = world.send(rooms[0], "1");
    let second = world.send(rooms[0], "2");
    world.run(5_000);
    let command = world.command(Command::Why(Subject::Message(rooms[0], second)));
    world.settle();
    let Some(Ok(Reply::Why(why))) = world.replies.get(&command) else { panic!("no answer") };
    assert!(why.facts.contains(&Fact::Message { state: MessageState::Sending }), "{why:?}");
    let slot = |fact: &Fact| matches!(fact, Fact::Slot { way: Way::SlowMode, in_ms } if *in_ms > 0);
    assert!(why.facts.iter().any(slot), "{why:?}");
    assert!(why.sentence.contains("slow mode"), "{}", why.sentence);
    world.restart(8);
    world.run(10_000);
    assert_eq!(said(&world, rooms[0]), [first]);
    world.run(3_700_000);
    assert_eq!(said(&world, rooms[0]), [first, second]);
}

#[test]
fn a_refresh_in_the_background_does_not_wait_for_a_slow_room() {
    let (mut world, rooms) = world_of_bob(1);
    ceiling(&mut world, Mode::Polling);
    slow(&mut world, rooms[0], 3_600_000);
    world.settle();
    world.send(rooms[0], "1");
    world.send(rooms[0], "2");
    world.run(10_000);
    let command = world.command(Command::Refresh);
    world.run(10_000);
    assert!(world.replies.contains_key(&command), "the refresh came to an end");
}

#[test]
fn a_muted_member_reads_on_and_hears_until_when() {
    let (mut world, rooms) = world_of_bob(1);
    ceiling(&mut world, Mode::RealTime);
    let timeline = world.open(rooms[0]);
    world.settle();
    let kept = world.send(rooms[0], "before");
    world.run(1_000);
    mute(&mut world, rooms[0], Some(600_000));
    world.settle();
    let until = known(&mut world, rooms[0]).mute.unwrap().until;
    assert!(until.is_some());
    let id = world.send(rooms[0], "after");
    world.run(5_000);
    let rows = &world.rows[&timeline];
    let shown = rows.iter().filter_map(Row::message).find(|message| message.id == id).unwrap();
    let MessageState::Failed(FailReason::Refused(error)) = &shown.state else {
        panic!("{:?}", shown.state)
    };
    assert_eq!(error.code, ErrorCode::Muted);
    assert_eq!(error.detail.as_ref().unwrap().until, until);
    // He may take back what he said, and reads what others say.
    world.command(Command::Discard(id));
    world.run(1_000);
    world.operate(rooms[0], EventKind::Delete, &DeleteContent { target: kept });
    world.server.speak(rooms[0], &user("bob"), "hush");
    world.run(5_000);
    assert!(world.start().outbox.is_empty());
    assert_eq!(seqs(&world, timeline), [1, 2, 3, 4], "the deletion is folded");
    let deleted = |event: &&tidewire_protocol::Event| event.kind == EventKind::Delete;
    assert_eq!(world.server.rooms[&rooms[0]].log.iter().filter(deleted).count(), 1);
    // The time is over: nobody has to say so.
    world.run(600_000);
    let again = world.send(rooms[0], "again");
    world.run(5_000);
    assert!(said(&world, rooms[0]).contains(&again));
    mute(&mut world, rooms[0], None);
    world.settle();
    assert_eq!(known(&mut world, rooms[0]).mute.unwrap().until, None);
    world.server.unmute(&user("bob"), rooms[0], &user("ada")).unwrap();
    world.settle();
    assert_eq!(known(&mut world, rooms[0]).mute, None);
    assert!(known(&mut world, rooms[0]).head_seq > Seq::new(7));
}

#[test]
fn who_was_away_learns_of_the_mute_with_the_state_of_the_room() {
    let (mut world, rooms) = world_of_bob(1);
    ceiling(&mut world, Mode::Polling);
    world.settle();
    mute(&mut world, rooms[0], None);
    slow(&mut world, rooms[0], 5_000);
    for n in 0..120 {
        world.server.speak(rooms[0], &user("bob"), &format!("{n}"));
    }
    world.run(60_000);
    let state = known(&mut world, rooms[0]);
    assert_eq!((state.mute.map(|mute| mute.until), state.slow_mode_ms), (Some(None), 5_000));
}
