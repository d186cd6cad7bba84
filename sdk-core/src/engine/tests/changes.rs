//! Single situations of edits, deletions, reactions, quotes and threads, step by step.

use tidewire_protocol::{
    DeleteContent, EditContent, ErrorCode, EventId, EventKind, History, Live, MessageContent, Mode,
    ReactionContent, RoomId, Seq, ServerFrame, UserId,
};

use super::model::room_id;
use super::scenarios::{ceiling, seqs, world_with_room};
use super::world::World;
use crate::engine::{
    CommandId, Message, MessageState, Network, NetworkKind, Problem, Reply, Request, Row, Signal,
    TimelineId,
};
use crate::error::Error;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn edit(world: &mut World, room: RoomId, target: EventId, text: &str) -> CommandId {
    let content = MessageContent::of_text(text);
    world.operate(room, EventKind::Edit, &EditContent { target, content }).1
}

fn delete(world: &mut World, room: RoomId, target: EventId) -> CommandId {
    world.operate(room, EventKind::Delete, &DeleteContent { target }).1
}

fn react(world: &mut World, room: RoomId, target: EventId, removed: bool) -> CommandId {
    let reaction = ReactionContent { target, key: "+1".into(), removed };
    world.operate(room, EventKind::Reaction, &reaction).1
}

fn by_bob<T: serde::Serialize>(world: &mut World, room: RoomId, kind: EventKind, content: &T) {
    let content = tidewire_protocol::Content::of(content).unwrap();
    world.server.change(room, &user("bob"), kind, content);
}

fn shown(world: &World, timeline: TimelineId, id: EventId) -> Message {
    let mut messages = world.rows[&timeline].iter().filter_map(Row::message);
    (**messages.rfind(|message| message.id == id).unwrap()).clone()
}

fn text(world: &World, timeline: TimelineId, id: EventId) -> String {
    shown(world, timeline, id).text().unwrap_or_default()
}

fn offline(world: &mut World) {
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    world.settle();
}

fn online(world: &mut World) {
    world.signal(Signal::Network(Network::default()));
    world.run(60_000);
}

#[test]
fn an_edit_shows_once_it_is_on_disk_survives_a_restart_and_arrives_once() {
    for mode in [Mode::Polling, Mode::Hybrid, Mode::RealTime] {
        let (mut world, room) = world_with_room();
        let id = world.send(room, "frist");
        world.settle();
        ceiling(&mut world, mode);
        let timeline = world.open(room);
        world.settle();
        offline(&mut world);
        let command = edit(&mut world, room, id, "first");
        assert_eq!(text(&world, timeline, id), "frist", "{mode}: not before it is on disk");
        while world.store_step() {}
        assert_eq!(world.replies[&command], Ok(Reply::Done));
        let echo = shown(&world, timeline, id);
        assert_eq!(echo.text().unwrap(), "first");
        assert!(echo.changing && echo.edited.is_some_and(|edited| edited.seq.is_none()));
        assert_eq!((echo.seq, &echo.state), (Some(Seq::new(2)), &MessageState::Sent));

        world.restart(2);
        let timeline = world.open(room);
        while world.store_step() {}
        assert_eq!(text(&world, timeline, id), "first", "{mode}: it survives");
        online(&mut world);
        let done = shown(&world, timeline, id);
        assert_eq!(done.edited.unwrap().seq, Some(Seq::new(3)), "{mode}");
        assert!(!done.changing && done.text().unwrap() == "first");
        assert_eq!(seqs(&world, timeline), [1, 2], "{mode}: it makes no row of its own");
        assert_eq!(world.server.rooms[&room].log.len(), 3, "{mode}: it arrived once");
        assert!(world.start().outbox.is_empty());
        world.check_events();
    }
}

#[test]
fn a_refused_change_goes_again_is_told_and_holds_nothing() {
    let (mut world, room) = world_with_room();
    let theirs = world.server.say(room, "theirs").id;
    world.settle();
    let timeline = world.open(room);
    world.settle();
    offline(&mut world);
    react(&mut world, room, theirs, false);
    while world.store_step() {}
    assert!(shown(&world, timeline, theirs).reactions[0].mine);
    let behind = world.send(room, "behind it");
    // Meanwhile Bob takes his message back.
    by_bob(&mut world, room, EventKind::Delete, &DeleteContent { target: theirs });
    online(&mut world);
    assert!(shown(&world, timeline, theirs).reactions.is_empty());
    assert!(shown(&world, timeline, theirs).deleted.is_some());
    let told = world.problems.iter().any(|problem| {
        matches!(problem, Problem::SendFailed { target: Some(target), reason: crate::engine::FailReason::Refused(error), .. }
            if *target == theirs && error.code == ErrorCode::MessageDeleted)
    });
    assert!(told, "{:?}", world.problems);
    assert_eq!(shown(&world, timeline, behind).state, MessageState::Sent, "what is behind goes on");
    assert!(world.start().outbox.is_empty());
}

#[test]
fn what_is_so_already_is_no_failure() {
    let (mut world, room) = world_with_room();
    let theirs = world.server.say(room, "theirs").id;
    world.settle();
    // Another device of the user's was faster.
    let reaction = ReactionContent { target: theirs, key: "+1".into(), removed: false };
    let content = tidewire_protocol::Content::of(&reaction).unwrap();
    offline(&mut world);
    world.server.change(room, &user("ada"), EventKind::Reaction, content);
    react(&mut world, room, theirs, false);
    online(&mut world);
    assert!(world.problems.is_empty(), "{:?}", world.problems);
    assert!(world.start().outbox.is_empty());
    let timeline = world.open(room);
    world.settle();
    let reactions = shown(&world, timeline, theirs).reactions;
    assert_eq!((reactions[0].count, reactions[0].mine), (1, true));
}

#[test]
fn a_message_that_never_left_is_edited_and_deleted_where_it_waits() {
    let (mut world, room) = world_with_room();
    let timeline = world.open(room);
    world.settle();
    offline(&mut world);
    let (kept, gone) = (world.send(room, "kpet"), world.send(room, "gone"));
    let reacted = react(&mut world, room, gone, false);
    world.settle();
    let content = MessageContent { mentions: vec![user("bob")], ..MessageContent::of_text("kept") };
    world.operate(room, EventKind::Edit, &EditContent { target: kept, content: content.clone() });
    delete(&mut world, room, gone);
    world.settle();
    assert_eq!(world.replies[&reacted], Ok(Reply::Done));
    assert_eq!(text(&world, timeline, kept), "kept");
    assert_eq!(world.start().outbox.len(), 1, "{:?}", world.start().outbox);
    world.restart(2);
    online(&mut world);
    let log = &world.server.rooms[&room].log;
    assert_eq!(log.len(), 2, "one message, and nothing about the other one");
    assert_eq!(log[1].content.parse::<MessageContent>().unwrap(), content, "mentions too");
}

#[test]
fn a_message_is_not_sent_while_it_is_being_rewritten() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::RealTime);
    offline(&mut world);
    let id = world.send(room, "old");
    while world.store_step() {}
    edit(&mut world, room, id, "new");
    // The network is back before the disk is done: the id must not stand for the old text.
    world.signal(Signal::Network(Network::default()));
    world.grant_token();
    world.open_socket();
    while world.server_step() | world.client_step() {}
    assert_eq!(world.server.rooms[&room].log.len(), 1, "nothing has left");
    world.run(60_000);
    let log = &world.server.rooms[&room].log;
    assert_eq!(log[1].content.parse::<MessageContent>().unwrap().text, "new");
    assert_eq!(log.len(), 2);
}

#[test]
fn a_message_that_may_be_known_is_changed_by_operations_of_their_own() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Polling);
    let timeline = world.open(room);
    world.settle();
    let id = world.send(room, "frist");
    while world.store_step() {}
    // It arrives, and the answer is lost.
    world.lose(0, true);
    edit(&mut world, room, id, "first");
    while world.store_step() {}
    assert_eq!(text(&world, timeline, id), "first");
    world.run(60_000);
    let log = &world.server.rooms[&room].log;
    assert_eq!(log[1].content.parse::<MessageContent>().unwrap().text, "frist");
    assert_eq!(log.len(), 3);
    assert_eq!(text(&world, timeline, id), "first");
    assert!(world.problems.is_empty());
}

#[test]
fn what_the_user_may_not_do_is_a_typed_error_before_it_is_queued() {
    let (mut world, room) = world_with_room();
    let theirs = world.server.say(room, "theirs").id;
    world.settle();
    let mine = world.send(room, "mine");
    world.settle();
    // Once with the message in memory, once on disk alone.
    for open in [false, true] {
        if open {
            world.open(room);
            world.settle();
        }
        let edited = edit(&mut world, room, theirs, "not mine");
        let deleted = delete(&mut world, room, theirs);
        world.settle();
        assert_eq!(world.replies[&edited], Err(Error::NotYours(theirs)));
        assert_eq!(world.replies[&deleted], Err(Error::NotYours(theirs)));
    }
    let first = delete(&mut world, room, mine);
    while world.store_step() {}
    let again = edit(&mut world, room, mine, "too late");
    world.settle();
    let reacted = react(&mut world, room, mine, false);
    world.settle();
    assert_eq!(world.replies[&first], Ok(Reply::Done));
    assert_eq!(world.replies[&again], Err(Error::MessageDeleted(mine)));
    assert_eq!(world.replies[&reacted], Err(Error::MessageDeleted(mine)));
    assert!(world.problems.is_empty(), "{:?}", world.problems);
}

#[test]
fn a_change_that_comes_live_before_its_message_goes_into_it() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Hybrid);
    let timeline = world.open(room);
    world.settle();
    let id = world.server.say(room, "frist").id;
    let content = MessageContent::of_text("first");
    by_bob(&mut world, room, EventKind::Edit, &EditContent { target: id, content });
    let late = world.server.rooms[&room].log[2].clone();
    world.inject(ServerFrame::Live(Live { room, prev: Seq::new(2), events: vec![late] }));
    while world.store_step() {}
    assert_eq!(seqs(&world, timeline), [1]);
    world.run(12_000);
    assert_eq!(text(&world, timeline, id), "first");
    world.check_events();
}

#[test]
fn a_history_older_than_a_change_does_not_undo_it_on_the_screen() {
    let (mut world, room) = world_with_room();
    let id = world.server.say(room, "frist").id;
    world.settle();
    let timeline = world.open(room);
    world.settle();
    // The history is read at the server now, and arrives after the edit.
    let all = tidewire_protocol::HistoryQuery::default();
    let answer = world.server.answer(&user("ada"), Request::History(room, all)).unwrap();
    let content = MessageContent::of_text("first");
    by_bob(&mut world, room, EventKind::Edit, &EditContent { target: id, content });
    world.settle();
    assert_eq!(text(&world, timeline, id), "first");
    let crate::engine::Response::History(history) = answer else { panic!("a history") };
    let History { as_of, .. } = history;
    assert_eq!(as_of, Seq::new(2));
    world.command(crate::engine::Command::FillGap(timeline, Seq::new(1), Seq::new(2)));
    let (request, _) = world.requests.pop().unwrap();
    world.respond(request, Ok(crate::engine::Response::History(history)));
    world.settle();
    assert_eq!(text(&world, timeline, id), "first");
    world.check_events();
}

#[test]
fn a_quote_shows_what_the_quoted_message_says_now_wherever_that_is() {
    let (mut world, room) = world_with_room();
    let old = world.server.say(room, "old").id;
    for n in 0..70 {
        world.server.say(room, &format!("{n}"));
        world.run(1_000);
    }
    world.settle();
    let timeline = world.open(room);
    world.settle();
    assert!(!seqs(&world, timeline).contains(&2), "the quoted one is not in the window");
    let quote = MessageContent { reply_to: Some(old), ..MessageContent::of_text("that one") };
    let (id, _) = world.operate(room, EventKind::Message, &quote);
    while world.store_step() {}
    let quoted = |world: &World| shown(world, timeline, id).reply_to.unwrap().message;
    assert_eq!(quoted(&world).unwrap().text.as_deref(), Some("old"), "from the disk, at once");
    world.settle();
    let content = MessageContent::of_text("new");
    by_bob(&mut world, room, EventKind::Edit, &EditContent { target: old, content });
    world.run(10_000);
    assert_eq!(quoted(&world).unwrap().text.as_deref(), Some("new"));
    by_bob(&mut world, room, EventKind::Delete, &DeleteContent { target: old });
    world.run(10_000);
    let gone = quoted(&world).unwrap();
    assert_eq!((gone.text, gone.deleted), (None, true));
    world.check_events();
}

#[test]
fn what_is_quoted_and_is_not_on_the_device_is_fetched_once() {
    let mut world = World::new(1);
    let room = room_id(7);
    world.server.join(room);
    let last = |world: &World| world.server.rooms[&room].log.last().unwrap().id;
    let old = world.server.say(room, "old").id;
    for n in 0..400 {
        world.server.say(room, &format!("{n}"));
    }
    let quote = |of| MessageContent { reply_to: Some(of), ..MessageContent::of_text("that one") };
    by_bob(&mut world, room, EventKind::Message, &quote(old));
    let known = last(&world);
    world.settle();
    let timeline = world.open(room);
    world.run(20_000);
    let quoted = |world: &World, id| shown(world, timeline, id).reply_to.unwrap().message;
    assert_eq!(quoted(&world, known).unwrap().text.as_deref(), Some("old"));
    assert!(!seqs(&world, timeline).contains(&2), "it stands where it stood");
    let others = |world: &World| world.engine.stats().requests - world.engine.stats().polls;
    let before = others(&world);
    world.run(60_000);
    assert_eq!(others(&world), before, "it is asked for once");
    world.check_events();
}

#[test]
fn the_message_that_a_thread_hangs_on_shows_what_it_quotes() {
    let (mut world, room) = world_with_room();
    let old = world.server.say(room, "old").id;
    let quote = MessageContent { reply_to: Some(old), ..MessageContent::of_text("that one") };
    let (root, _) = world.operate(room, EventKind::Message, &quote);
    world.settle();
    let (thread, _) = world.open_thread(room, root);
    world.settle();
    let quoted = |world: &World| shown(world, thread, root).reply_to.unwrap().message.unwrap();
    assert_eq!(quoted(&world).text.as_deref(), Some("old"));
    let content = MessageContent::of_text("new");
    by_bob(&mut world, room, EventKind::Edit, &EditContent { target: old, content });
    world.run(10_000);
    assert_eq!(quoted(&world).text.as_deref(), Some("new"));
    world.check_events();
}

#[test]
fn messages_of_a_thread_are_counted_and_make_no_row_in_the_room() {
    let (mut world, room) = world_with_room();
    let root = world.server.say(room, "root").id;
    world.settle();
    let timeline = world.open(room);
    world.settle();
    offline(&mut world);
    let reply = MessageContent { thread: Some(root), ..MessageContent::of_text("in it") };
    world.operate(room, EventKind::Message, &reply);
    while world.store_step() {}
    assert_eq!(shown(&world, timeline, root).replies.unwrap().count, 1, "at once");
    by_bob(&mut world, room, EventKind::Message, &reply);
    online(&mut world);
    assert_eq!(seqs(&world, timeline), [1, 2]);
    assert_eq!(shown(&world, timeline, root).replies.unwrap().count, 2);
    world.check_events();
}
