//! Timelines beside trouble: what opens, grows and is fetched where something else is on its way, was
//! given up, or is refused.

use tidewire_protocol::{ErrorCode, Live, Page, Seq, ServerFrame, WireError};

use super::model::{ModelServer, room_id};
use super::scenarios::{seqs, world_with_room};
use super::windows::{
    gaps, loaded, network, opened, range, say, settle_without_answers, world_with_history,
};
use super::world::World;
use crate::engine::{
    Command, Input, Request, RequestError, Sizes, Tier, TimelineStart, TokenError,
};
use crate::error::Error;

#[test]
fn a_window_that_opens_while_a_late_page_is_written_hides_nothing_that_is_held() {
    let (mut world, room) = world_with_room();
    let mut late = world.server.head();
    for n in 0..130 {
        world.server.say(room, &format!("{n}"));
        if n == 29 {
            late = world.server.head();
        }
    }
    let log = world.server.rooms[&room].log.clone();
    let ahead = Live { room, prev: Seq::new(31), events: log[31..].to_vec() };
    world.inject(ServerFrame::Live(ahead));
    while world.store_step() {}
    let page = Page {
        from: world.engine.cursor().cloned().unwrap(),
        events: log[1..31].to_vec(),
        to: late,
        more: true,
        limited: Vec::new(),
        receipts: Vec::new(),
        settings: Vec::new(),
        blocks: None,
    };
    world.inject(ServerFrame::Batch(page));
    let timeline = world.open(room);
    while world.store_step() {}
    assert_eq!(seqs(&world, timeline), range(82..=131));
    assert_eq!(world.more[&timeline], (true, false));
    assert!(loaded(&mut world, Command::LoadOlder(timeline, 200)).tier == Tier::Disk);
    assert_eq!(seqs(&world, timeline), range(1..=131));
}

#[test]
fn a_timeline_given_up_while_its_message_is_looked_for_leaves_no_window() {
    let (mut world, _) = world_with_room();
    say(&mut world, room_id(1), 20);
    let far = room_id(2);
    for n in 0..300 {
        world.server.say(far, &format!("{n}"));
    }
    world.server.join(far);
    world.run(3_000);
    for room in [room_id(1), far] {
        let target = world.server.rooms[&room].log[4].id;
        for thread in [false, true] {
            let (timeline, command) = match thread {
                true => world.open_thread(room, target),
                false => world.open_at(room, TimelineStart::Message(target)),
            };
            world.command(Command::CloseTimeline(timeline));
            world.settle();
            assert_eq!(world.replies[&command], Err(Error::Closed));
            assert!(!world.engine.windows.is_open(room));
        }
    }
    // It is the first messages that are asked of the server.
    let (timeline, _) = world.open_at(far, TimelineStart::Seq(Seq::new(100)));
    assert!(world.engine.windows.is_open(far));
    world.command(Command::CloseTimeline(timeline));
    world.settle();
    assert!(!world.engine.windows.is_open(far));
}

#[test]
fn what_is_here_opens_whatever_the_server_does_not_say() {
    let (mut world, room) = world_with_history(300);
    let newest = world.open(room);
    world.run(3_000);
    world.command(Command::CloseTimeline(newest));
    // The edge of what is held: the server would have more of it.
    let edge = Seq::new(253);
    let unheld = TimelineStart::Seq(Seq::new(20));
    let opens = |world: &mut World| world.open_at(room, TimelineStart::Seq(edge));
    let shows = |world: &World, timeline| seqs(world, timeline).contains(&edge.get());

    let (timeline, command) = opens(&mut world);
    let busy = WireError::new(ErrorCode::Unavailable, "busy");
    let (id, _) = world.take_request(0);
    world.respond(id, Err(RequestError::Refused(busy)));
    world.settle();
    assert!(opened(&world, command) && shows(&world, timeline), "the server is busy");
    world.command(Command::CloseTimeline(timeline));
    let (timeline, command) = opens(&mut world);
    let (id, _) = world.take_request(0);
    let left = WireError::new(ErrorCode::NotAMember, "left");
    world.respond(id, Err(RequestError::Refused(left.clone())));
    world.settle();
    assert_eq!(world.replies[&command], Err(Error::Refused(left)), "its \"no\" holds");
    assert!(!world.rows.contains_key(&timeline));

    // No token is there yet, and then none is to be had.
    world.restart(2);
    while world.store_step() {}
    let (waits, before) = opens(&mut world);
    world.input(Input::Token(Err(TokenError("signed out".into()))));
    while world.store_step() {}
    assert!(opened(&world, before) && shows(&world, waits), "{:?}", world.replies[&before]);
    world.command(Command::CloseTimeline(waits));
    let (timeline, command) = opens(&mut world);
    while world.store_step() {}
    assert!(opened(&world, command) && shows(&world, timeline), "no token is to be had");
    let (_, command) = world.open_at(room, unheld);
    while world.store_step() {}
    assert!(matches!(world.replies[&command], Err(Error::AuthRequired(_))));
    assert!(world.engine.goals.is_empty() && world.engine.findings.is_empty());
}

#[test]
fn what_may_have_changed_in_a_thread_is_fetched_again_while_it_is_open() {
    let (mut world, room) = world_with_room();
    let root = world.server.say(room, "root").id;
    let replies = [0, 1, 2].map(|n| world.server.say_in_thread(room, root, &format!("{n}")).id);
    world.run(3_000);
    let (thread, _) = world.open_thread(room, root);
    world.settle();
    network(&mut world, false);
    world.server.edit(room, root, "another root");
    world.server.edit(room, replies[1], "another reply");
    for n in 0..100 {
        world.server.say(room, &format!("{n}"));
    }
    network(&mut world, true);
    world.run(10_000);
    let texts: Vec<String> =
        world.rows[&thread].iter().filter_map(|row| row.message()?.text()).collect();
    assert_eq!(texts, ["another root", "0", "another reply", "2"]);
    assert_eq!(gaps(&world, thread), []);
    let requests = world.engine.stats().requests;
    world.run(60_000);
    assert_eq!(world.engine.stats().requests, requests, "once, and not for ever");
    world.check_events();
}

#[test]
fn an_open_thread_has_its_first_message_again_in_another_epoch() {
    let (mut world, room) = world_with_room();
    let root = world.server.say(room, "root").id;
    for n in 0..3 {
        world.server.say_in_thread(room, root, &format!("{n}"));
    }
    say(&mut world, room, 200);
    let (thread, _) = world.open_thread(room, root);
    world.settle();
    assert_eq!(seqs(&world, thread), range(2..=5));
    network(&mut world, false);
    // A restore: the last reply is lost.
    let mut restored = ModelServer::new();
    restored.epoch = tidewire_protocol::Epoch::new("e2");
    restored.join(room);
    assert_eq!(restored.say(room, "root").id, root);
    for n in 0..2 {
        restored.say_in_thread(room, root, &format!("{n}"));
    }
    for n in 0..100 {
        restored.say(room, &format!("{n}"));
    }
    world.server = restored;
    network(&mut world, true);
    world.run(10_000);
    assert_eq!(seqs(&world, thread), range(2..=4));
    assert_eq!((gaps(&world, thread), world.more[&thread]), (vec![], (false, false)));
    world.check_events();
}

#[test]
fn a_room_that_the_server_refuses_holds_up_no_other_and_is_asked_again_once_it_changes() {
    let (mut world, _) = world_with_room();
    let rooms = [room_id(2), room_id(3)];
    for room in rooms {
        for n in 0..100 {
            world.server.say(room, &format!("{n}"));
        }
        world.server.join(room);
    }
    world.run(1_000);
    let [refused, other] = rooms.map(|room| world.open(room));
    settle_without_answers(&mut world);
    let at = |world: &World, room| {
        let of =
            |(_, request): &(_, Request)| matches!(request, Request::History(of, _) if *of == room);
        world.requests.iter().position(of)
    };
    let first = at(&world, rooms[0]).unwrap();
    let (id, _) = world.take_request(first);
    let no = WireError::new(ErrorCode::Forbidden, "no");
    world.respond(id, Err(RequestError::Refused(no)));
    world.settle();
    assert_eq!(seqs(&world, other).len(), 51, "at once");
    assert_eq!(seqs(&world, refused), [101]);
    let requests = world.engine.stats().requests;
    world.run(60_000);
    assert_eq!(world.engine.stats().requests, requests, "a refusal holds");
    world.server.change_member(rooms[0], "cleo", true);
    world.run(3_000);
    assert!(seqs(&world, refused).len() > 50);
}

#[test]
fn history_asked_for_before_there_was_a_token_stays_out_of_another_epoch() {
    let (mut world, room) = world_with_history(300);
    world.open(room);
    world.run(3_000);
    world.restart(2);
    while world.store_step() {}
    let timeline = world.open(room);
    while world.store_step() {}
    // What is on the disk, and then what is not.
    world.command(Command::LoadOlder(timeline, 50));
    while world.store_step() {}
    let older = world.command(Command::LoadOlder(timeline, 50));
    assert!(world.requests.is_empty() && !world.replies.contains_key(&older));
    world.grant_token();
    let page = world.requests.iter().position(|(_, r)| matches!(r, Request::History(..))).unwrap();
    let (id, answer) = world.take_request(page);
    let mut restored = ModelServer::new();
    restored.epoch = tidewire_protocol::Epoch::new("e2");
    restored.ids_taken = 1_000;
    restored.join(room);
    world.server = restored;
    world.run(3_000);
    world.respond(id, answer);
    world.run(3_000);
    assert_eq!(world.replies[&older], Err(Error::UnknownRoom(room)));
    assert_eq!(world.engine.rooms[&room].held.ranges(), [(1, 1)]);
    world.check_events();
}

#[test]
fn what_is_about_to_be_shown_is_not_dropped_for_want_of_space() {
    let (mut world, room) = world_with_room();
    say(&mut world, room, 300);
    let timeline = world.open(room);
    world.settle();
    let older = world.command(Command::LoadOlder(timeline, 50));
    let full = Sizes { used: u64::MAX, ..Sizes::default() };
    world.engine.sizes_told(Some(full));
    world.settle();
    assert!(world.replies[&older].is_ok());
    assert_eq!((seqs(&world, timeline), gaps(&world, timeline)), (range(202..=301), vec![]));
    world.engine.sizes_told(Some(full));
    world.settle();
    assert!(!world.engine.rooms[&room].held.contains(Seq::new(1)), "the rest goes");
    assert_eq!(gaps(&world, timeline), []);
}
