//! Files of messages: uploaded in parts, gone on with after anything, sent with their message exactly once.

use tidewire_protocol::{
    AppState, EditContent, ErrorCode, EventId, EventKind, MessageContent, Mode, RoomId, WireError,
};

use super::scenarios::{ceiling, world_with_room};
use super::world::World;
use crate::engine::{
    Command, CopyTrouble, Fact, FailReason, Logout, Message, MessageState, Network, NetworkKind,
    PartNews, Problem, Reply, RequestError, Row, SendOptions, Signal, Subject, TimelineId,
};
use crate::error::Error;

const PART: usize = 1_000;

fn world() -> (World, RoomId) {
    let (mut world, room) = world_with_room();
    world.server.upload_part_bytes = PART as u64;
    (world, room)
}

fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at / 3 + at / 251) as u8).collect()
}

/// A file that has more than two parts and a bit.
fn file() -> Vec<u8> {
    bytes(2 * PART + 17)
}

fn send(world: &mut World, room: RoomId, files: Vec<Vec<u8>>) -> EventId {
    let (id, command) = world.send_files(room, "look", files, SendOptions::default());
    while world.store_step() {}
    assert_eq!(world.replies[&command], Ok(Reply::Done));
    id
}

fn network(world: &mut World, kind: NetworkKind) {
    world.signal(Signal::Network(Network { kind, ..Network::default() }));
}

fn shown(world: &World, timeline: TimelineId, id: EventId) -> Option<Message> {
    let mut messages = world.rows[&timeline].iter().filter_map(Row::message);
    messages.rfind(|message| message.id == id).map(|message| (**message).clone())
}

/// What the log has of a message: the sizes of its files.
fn in_log(world: &World, room: RoomId, id: EventId) -> Vec<Vec<u64>> {
    let of = world.server.rooms[&room].log.iter().filter(|event| event.id == id);
    of.map(|event| {
        let message: MessageContent = event.content.parse().unwrap();
        message.attachments.iter().map(|file| file.size).collect()
    })
    .collect()
}

fn places(world: &World, room: RoomId, ids: &[EventId]) -> Vec<usize> {
    let log = &world.server.rooms[&room].log;
    ids.iter().map(|id| log.iter().position(|event| event.id == *id).unwrap()).collect()
}

/// Answers what was asked and stores what is to be stored, until a part is on its way.
fn until_a_part_leaves(world: &mut World) {
    while world.puts.is_empty() {
        let moved = world.grant_token() | world.open_socket();
        let moved = moved | world.store_step() | world.server_step() | world.client_step();
        if !world.requests.is_empty() {
            world.answer(0);
        } else if !moved {
            world.pass(60_000);
        }
    }
}

fn facts(world: &mut World, room: RoomId, id: EventId) -> (Vec<Fact>, String) {
    let command = world.command(Command::Why(Subject::Message(room, id)));
    match &world.replies[&command] {
        Ok(Reply::Why(why)) => (why.facts.clone(), why.sentence.clone()),
        other => panic!("{other:?}"),
    }
}

fn refuse(world: &mut World, error: WireError) {
    let (id, _) = world.requests.remove(0);
    world.respond(id, Err(RequestError::Refused(error)));
}

#[test]
fn a_message_shows_at_once_with_its_files_and_leaves_once_they_are_up() {
    let (mut world, room) = world();
    let timeline = world.open(room);
    world.settle();
    let id = send(&mut world, room, vec![file(), bytes(5)]);
    let message = shown(&world, timeline, id).unwrap();
    assert_eq!(message.state, MessageState::Sending);
    let told: Vec<_> = message.outgoing.iter().map(|file| (file.size, file.sent)).collect();
    assert_eq!(told, [(2_017, 0), (5, 0)]);
    assert!(in_log(&world, room, id).is_empty(), "not before its files are there");
    world.run(1_000);
    assert_eq!(in_log(&world, room, id), [[2_017, 5]]);
    let message = shown(&world, timeline, id).unwrap();
    assert!(message.state.is_sent() && message.outgoing.is_empty());
    assert_eq!(message.attachments().len(), 2);
    assert!(world.copies.is_empty() && world.start().outbox.is_empty());
}

#[test]
fn progress_shows_and_not_more_often_than_somebody_sees_it() {
    let (mut world, room) = world();
    let timeline = world.open(room);
    world.settle();
    let id = send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    let put = world.puts[0].0;
    world.pass(1_000);
    let before = world.updates;
    for sent in 1..=500 {
        world.part_news(put, PartNews::Sent(sent));
    }
    assert!(world.updates <= before + 1, "{} updates", world.updates - before);
    world.pass(1_000);
    assert_eq!(shown(&world, timeline, id).unwrap().outgoing[0].sent, 500);
    let (facts, sentence) = facts(&mut world, room, id);
    assert!(facts.contains(&Fact::Uploading { files: 1, sent: 500, size: 2_017 }), "{facts:?}");
    assert!(sentence.contains("500 of 2017 bytes"), "{sentence}");
}

#[test]
fn what_is_sent_later_overtakes_a_message_with_files_unless_that_holds_its_place() {
    for ordered in [false, true] {
        let (mut world, room) = world();
        let timeline = world.open(room);
        world.settle();
        let options = SendOptions { ordered, ..SendOptions::default() };
        let (with_files, _) = world.send_files(room, "", vec![file()], options);
        until_a_part_leaves(&mut world);
        let behind = world.send(room, "behind");
        while world.store_step() | world.server_step() | world.client_step() {}
        let state = shown(&world, timeline, behind).unwrap().state;
        if ordered {
            assert_eq!(state, MessageState::Waiting(with_files));
            let (facts, sentence) = facts(&mut world, room, behind);
            assert!(facts.contains(&Fact::WaitsForUploads { id: with_files }));
            assert!(sentence.contains("uploaded first"), "{sentence}");
        } else {
            assert!(state.is_sent(), "{state:?}");
        }
        world.run(1_000);
        let places = places(&world, room, &[with_files, behind]);
        assert_eq!(places.is_sorted(), ordered, "{places:?}");
    }
}

#[test]
fn what_quotes_or_changes_a_message_never_overtakes_it() {
    let (mut world, room) = world();
    let with_files = send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    let reply = MessageContent { reply_to: Some(with_files), ..MessageContent::of_text("nice") };
    let (reply, _) = world.operate(room, EventKind::Message, &reply);
    let in_thread = MessageContent { thread: Some(with_files), ..MessageContent::of_text("in it") };
    let (in_thread, _) = world.operate(room, EventKind::Message, &in_thread);
    let reaction =
        tidewire_protocol::ReactionContent { target: with_files, key: "+1".into(), removed: false };
    let (reaction, _) = world.operate(room, EventKind::Reaction, &reaction);
    // What changes or quotes one that waits for another waits too.
    while world.store_step() {}
    let mark =
        tidewire_protocol::ReactionContent { target: reply, key: "+1".into(), removed: false };
    let (mark, _) = world.operate(room, EventKind::Reaction, &mark);
    while world.store_step() {}
    let again = MessageContent { reply_to: Some(reply), ..MessageContent::of_text("yes") };
    let (again, _) = world.operate(room, EventKind::Message, &again);
    world.run(1_000);
    let ids = [with_files, reply, in_thread, reaction, mark, again];
    let places = places(&world, room, &ids);
    assert!(places.is_sorted(), "{places:?}");
    assert!(world.problems.is_empty(), "{:?}", world.problems);
}

#[test]
fn after_a_cut_only_the_part_that_was_on_its_way_goes_out_again() {
    let (mut world, room) = world();
    let id = send(&mut world, room, vec![bytes(6 * PART)]);
    let mut left = 0;
    for cut in 0..5 {
        until_a_part_leaves(&mut world);
        assert_eq!(world.puts.len(), 1, "one part of a file at a time");
        left += world.puts[0].1.length;
        let (put, _) = world.puts.remove(0);
        world.part_news(put, PartNews::Trouble("cut".into()));
        until_a_part_leaves(&mut world);
        left += world.puts[0].1.length;
        assert_eq!(world.puts[0].1.offset, cut * PART as u64, "the same part once more");
        world.put_step();
    }
    until_a_part_leaves(&mut world);
    left += world.puts[0].1.length;
    world.run(60_000);
    assert_eq!(in_log(&world, room, id), [[6 * PART as u64]]);
    assert!(left <= (6 + 5) * PART as u64, "{left} bytes");
}

#[test]
fn a_part_that_arrived_although_nobody_heard_of_it_is_not_sent_again() {
    let (mut world, room) = world();
    send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    let (put, part) = world.puts.remove(0);
    let bytes = world.part(&part).unwrap();
    world.server.put_part(&part.part.url, &bytes).unwrap();
    world.part_news(put, PartNews::Trouble("the answer was lost".into()));
    until_a_part_leaves(&mut world);
    assert_eq!(world.puts[0].1.part.number, 2);
}

#[test]
fn uploads_go_on_after_a_restart_with_what_is_missing() {
    let (mut world, room) = world();
    let id = send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    world.put_step();
    world.restart(2);
    let timeline = world.open(room);
    while world.store_step() {}
    let message = shown(&world, timeline, id).unwrap();
    assert_eq!((message.outgoing.len(), message.state), (1, MessageState::Sending));
    until_a_part_leaves(&mut world);
    assert_eq!(world.puts[0].1.part.number, 2, "the first one is there");
    world.run(1_000);
    assert_eq!(in_log(&world, room, id), [[2_017]]);
    assert!(world.copies.is_empty());
}

#[test]
fn a_copy_without_a_message_is_gone_after_the_next_start() {
    let (mut world, room) = world();
    world.send_files(room, "", vec![file()], SendOptions::default());
    // The process ends before the message is on disk.
    world.restart(2);
    assert_eq!(world.copies.len(), 1);
    world.settle();
    assert!(world.copies.is_empty() && world.start().outbox.is_empty());
}

#[test]
fn a_commit_that_fails_leaves_neither_message_nor_copy() {
    let (mut world, room) = world();
    world.failing_commits = 1;
    let (_, command) = world.send_files(room, "", vec![file()], SendOptions::default());
    world.settle();
    assert!(matches!(world.replies[&command], Err(Error::Store(_))));
    world.run(60_000);
    assert!(world.copies.is_empty() && world.start().outbox.is_empty());
}

#[test]
fn uploads_stop_without_a_network_and_at_rest_and_go_on_afterwards() {
    for suspended in [false, true] {
        let (mut world, room) = world();
        let id = send(&mut world, room, vec![file()]);
        until_a_part_leaves(&mut world);
        if suspended {
            world.signal(Signal::AppState(AppState::Suspended));
        } else {
            network(&mut world, NetworkKind::None);
        }
        assert!(world.puts.is_empty(), "the part on its way is given up");
        world.run(60_000);
        assert!(in_log(&world, room, id).is_empty());
        if suspended {
            world.signal(Signal::AppState(AppState::Foreground));
        } else {
            let (facts, sentence) = facts(&mut world, room, id);
            assert!(facts.iter().any(|fact| matches!(fact, Fact::Ceiling { .. })), "{facts:?}");
            assert!(sentence.contains("waits for the network"), "{sentence}");
            network(&mut world, NetworkKind::Wifi);
        }
        world.run(60_000);
        assert_eq!(in_log(&world, room, id), [[2_017]], "suspended: {suspended}");
    }
}

#[test]
fn another_network_takes_the_part_up_at_once() {
    let (mut world, room) = world();
    let id = send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    let (put, _) = world.puts.remove(0);
    world.part_news(put, PartNews::Trouble("cut".into()));
    let now = world.now.mono_ms;
    network(&mut world, NetworkKind::Cellular);
    world.settle();
    assert_eq!((in_log(&world, room, id), world.now.mono_ms), (vec![vec![2_017]], now));
}

#[test]
fn trouble_never_fails_a_message_with_files_and_the_servers_slot_is_kept() {
    let (mut world, room) = world();
    let id = send(&mut world, room, vec![file()]);
    world.run(0);
    // Whatever is asked next is put off.
    let id_of_second = send(&mut world, room, vec![file()]);
    let slot = WireError::new(ErrorCode::RateLimited, "later").retry_after_ms(20_000);
    refuse(&mut world, slot);
    let begin = world.now.mono_ms;
    let (facts, _) = facts(&mut world, room, id_of_second);
    let waits = |fact: &Fact| matches!(fact, Fact::Slot { in_ms: 20_000, .. });
    assert!(facts.iter().any(waits), "{facts:?}");
    while in_log(&world, room, id_of_second).is_empty() {
        world.settle();
        world.pass(60_000);
    }
    assert!(world.now.mono_ms >= begin + 20_000);
    assert_eq!(in_log(&world, room, id), [[2_017]]);
    assert!(world.problems.is_empty());
}

#[test]
fn an_address_that_has_ended_is_asked_for_again_at_once_and_then_after_a_while() {
    let (mut world, room) = world();
    let id = send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    let now = world.now.mono_ms;
    let (put, _) = world.puts.remove(0);
    world.part_news(put, PartNews::Refused { status: 403 });
    until_a_part_leaves(&mut world);
    assert_eq!(world.now.mono_ms, now, "the first time at once");
    let (put, _) = world.puts.remove(0);
    world.part_news(put, PartNews::Refused { status: 403 });
    assert!(world.requests.is_empty() && world.puts.is_empty(), "not in a loop");
    world.run(60_000);
    assert_eq!(in_log(&world, room, id), [[2_017]]);
}

#[test]
fn addresses_that_end_while_nobody_uses_them_are_not_used() {
    let (mut world, room) = world();
    let id = send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    network(&mut world, NetworkKind::None);
    world.run(2 * 3_600_000);
    network(&mut world, NetworkKind::Wifi);
    world.run(60_000);
    assert_eq!(in_log(&world, room, id), [[2_017]]);
}

#[test]
fn the_servers_no_fails_the_message_with_its_reason_and_a_retry_begins_anew() {
    let (mut world, room) = world();
    let timeline = world.open(room);
    world.settle();
    world.server.max_upload_bytes = 2_000;
    let id = send(&mut world, room, vec![bytes(5), file()]);
    world.run(1_000);
    let message = shown(&world, timeline, id).unwrap();
    let MessageState::Failed(FailReason::Refused(error)) = &message.state else {
        panic!("{:?}", message.state)
    };
    assert_eq!(error.code, ErrorCode::TooLarge);
    assert_eq!(error.detail.as_ref().unwrap().max_bytes, Some(2_000));
    let told =
        |problem: &Problem| matches!(problem, Problem::SendFailed { id: of, .. } if *of == id);
    assert!(world.problems.iter().any(told));
    // What is behind it waits for somebody to decide.
    let behind = world.send(room, "behind");
    world.run(1_000);
    assert_eq!(shown(&world, timeline, behind).unwrap().state, MessageState::Waiting(id));
    world.server.max_upload_bytes = 50_000;
    let retry = world.command(Command::Retry(id));
    world.run(1_000);
    assert_eq!(world.replies[&retry], Ok(Reply::Done));
    assert_eq!(in_log(&world, room, id), [[5, 2_017]]);
    assert_eq!(in_log(&world, room, behind).len(), 1);
}

#[test]
fn a_file_that_arrives_as_another_goes_up_once_more_and_then_fails_its_message() {
    for times in [1, 2] {
        let (mut world, room) = world();
        let timeline = world.open(room);
        world.settle();
        let id = send(&mut world, room, vec![file()]);
        let (upload, good) =
            world.copies.iter().map(|(id, copy)| (*id, copy.clone())).next().unwrap();
        for _ in 0..times {
            world.copies.get_mut(&upload).unwrap()[9] ^= 1;
            while world.server.uploads.get(&upload).is_none_or(|upload| upload.parts.len() < 3) {
                until_a_part_leaves(&mut world);
                world.put_step();
            }
            // All is there, and not what was declared.
            world.answer(0);
            while world.store_step() {}
            world.copies.insert(upload, good.clone());
        }
        world.run(1_000);
        let state = shown(&world, timeline, id).unwrap().state;
        match state {
            MessageState::Failed(FailReason::Refused(error)) => {
                assert_eq!((error.code, times), (ErrorCode::ChecksumMismatch, 2));
            }
            state => assert!(state.is_sent() && times == 1, "{state:?}"),
        }
    }
}

#[test]
fn a_copy_that_is_not_what_it_was_fails_the_message_and_says_so() {
    for (trouble, word) in [(CopyTrouble::Missing, "gone"), (CopyTrouble::Changed, "changed")] {
        let (mut world, room) = world();
        let timeline = world.open(room);
        world.settle();
        let id = send(&mut world, room, vec![file()]);
        let upload = *world.copies.keys().next().unwrap();
        match trouble {
            CopyTrouble::Missing => drop(world.copies.remove(&upload)),
            _ => world.copies.get_mut(&upload).unwrap().push(0),
        }
        world.run(1_000);
        let state = shown(&world, timeline, id).unwrap().state;
        assert_eq!(state, MessageState::Failed(FailReason::Copy(trouble)));
        let (_, sentence) = facts(&mut world, room, id);
        assert!(sentence.contains(word) && sentence.contains("send the file again"), "{sentence}");
        let behind = world.send(room, "behind");
        let discard = world.command(Command::Discard(id));
        world.run(1_000);
        assert_eq!(world.replies[&discard], Ok(Reply::Done));
        assert_eq!(in_log(&world, room, behind).len(), 1, "the queue is not stuck");
        assert!(world.copies.is_empty() && world.start().outbox.is_empty());
    }
}

#[test]
fn a_message_taken_back_takes_its_files_along() {
    for restart in [false, true] {
        let (mut world, room) = world();
        let id = send(&mut world, room, vec![file()]);
        until_a_part_leaves(&mut world);
        world.put_step();
        if restart {
            world.restart(2);
            world.settle_but_streams();
        }
        until_a_part_leaves(&mut world);
        let delete = EventId::from_uuid(uuid::Uuid::now_v7());
        let cancel = world.command(Command::Cancel { room, message: id, delete });
        while world.store_step() {}
        assert_eq!(world.replies[&cancel], Ok(Reply::Done));
        assert!(world.puts.is_empty(), "what is on its way is given up");
        assert!(world.copies.is_empty());
        world.run(1_000);
        assert!(in_log(&world, room, id).is_empty() && world.start().outbox.is_empty());
        assert!(world.server.uploads.is_empty(), "the server is told");
    }
}

#[test]
fn an_edit_of_a_message_that_waits_for_its_files_goes_into_it() {
    for late in [false, true] {
        let (mut world, room) = world();
        let id = send(&mut world, room, vec![bytes(5)]);
        until_a_part_leaves(&mut world);
        if late {
            // Its files are there, and that is on its way to the disk.
            world.put_step();
            while !world.requests.is_empty() {
                world.answer(0);
            }
        }
        let edit = EditContent { target: id, content: MessageContent::of_text("second thought") };
        world.operate(room, EventKind::Edit, &edit);
        world.run(1_000);
        let log = &world.server.rooms[&room].log;
        let event = log.iter().find(|event| event.id == id).unwrap();
        let message: MessageContent = event.content.parse().unwrap();
        assert_eq!((message.text.as_str(), message.attachments.len()), ("second thought", 1));
        assert_eq!(log.len(), 2, "no edit of its own");
    }
}

#[test]
fn files_that_the_server_has_forgotten_go_up_again_before_their_message() {
    let (mut world, room) = world();
    let id = send(&mut world, room, vec![file()]);
    until_a_part_leaves(&mut world);
    while !world.start().outbox[0].files[0].uploaded {
        world.put_step();
        if !world.requests.is_empty() {
            world.answer(0);
        }
        while world.store_step() {}
    }
    world.drop_frames();
    network(&mut world, NetworkKind::None);
    world.run(1_000);
    let later = world.server.clock + 1;
    world.server.sweep_uploads(later);
    assert!(world.server.uploads.is_empty());
    network(&mut world, NetworkKind::Wifi);
    world.run(60_000);
    assert_eq!(in_log(&world, room, id), [[2_017]]);
    assert!(world.problems.is_empty(), "{:?}", world.problems);
}

#[test]
fn a_few_files_go_up_at_once_in_the_order_of_their_messages() {
    let (mut world, room) = world();
    let ids: Vec<EventId> = (0..5).map(|_| send(&mut world, room, vec![file()])).collect();
    until_a_part_leaves(&mut world);
    while !world.requests.is_empty() {
        world.answer(0);
    }
    assert_eq!(world.puts.len(), crate::defaults::UPLOADS_IN_FLIGHT);
    let (facts, _) = facts(&mut world, room, ids[4]);
    assert!(facts.contains(&Fact::BehindUploads), "{facts:?}");
    world.run(1_000);
    assert!(places(&world, room, &ids).is_sorted());
}

#[test]
fn an_upload_of_more_parts_than_one_answer_names_is_asked_on() {
    let (mut world, room) = world();
    world.server.upload_part_bytes = 10;
    let id = send(&mut world, room, vec![bytes(2_345)]);
    world.run(1_000);
    assert_eq!(in_log(&world, room, id), [[2_345]]);
}

#[test]
fn what_expires_in_the_middle_of_its_upload_fails_and_lets_the_rest_go_on() {
    let (mut world, room) = world();
    let expires_after = Some(std::time::Duration::from_secs(5));
    let options = SendOptions { expires_after, ..SendOptions::default() };
    let timeline = world.open(room);
    world.settle();
    let (id, _) = world.send_files(room, "", vec![file()], options);
    until_a_part_leaves(&mut world);
    while world.now.mono_ms < 6_000 {
        world.pass(1_000);
        while world.store_step() {}
    }
    let state = shown(&world, timeline, id).unwrap().state;
    assert_eq!(state, MessageState::Failed(FailReason::Expired));
    assert!(world.puts.is_empty());
}

#[test]
fn nobody_loses_files_by_a_logout_that_is_to_keep_them() {
    let (mut world, room) = world();
    network(&mut world, NetworkKind::None);
    send(&mut world, room, vec![file()]);
    let logout = world.command(Command::Logout(Logout::Keep));
    assert_eq!(world.replies[&logout], Err(Error::PendingSends { pending: 1 }));
}

#[test]
fn a_message_with_files_goes_out_by_polls_too() {
    let (mut world, room) = world();
    ceiling(&mut world, Mode::Polling);
    let id = send(&mut world, room, vec![file()]);
    world.run(20_000);
    assert_eq!(in_log(&world, room, id), [[2_017]]);
}

#[test]
fn too_many_files_and_what_lists_one_twice_are_refused() {
    let (mut world, room) = world();
    let (_, command) =
        world.send_files(room, "", (0..11).map(bytes).collect(), SendOptions::default());
    world.settle();
    assert!(matches!(world.replies[&command], Err(Error::InvalidOp(_))));
    assert!(world.copies.is_empty(), "nothing is left behind");
}

#[test]
fn the_limit_that_the_server_tells_is_what_apps_hear_before_anything_is_copied() {
    for mode in [Mode::RealTime, Mode::Polling] {
        let (mut world, room) = world();
        world.server.max_upload_bytes = 4_321;
        ceiling(&mut world, Mode::Offline);
        ceiling(&mut world, mode);
        world.run(20_000);
        let asked = world.command(Command::MayAttach(room));
        assert_eq!(world.replies[&asked], Ok(Reply::UploadBytes(4_321)), "{mode:?}");
    }
    let (mut world, _) = world();
    let unknown = super::model::room_id(77);
    let asked = world.command(Command::MayAttach(unknown));
    assert_eq!(world.replies[&asked], Err(Error::UnknownRoom(unknown)));
}
