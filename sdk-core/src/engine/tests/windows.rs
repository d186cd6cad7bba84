//! Timelines at any place of a room: how they open, slide, come back to the newest, and stay within
//! their memory.

use std::sync::Arc;

use tidewire_protocol::{
    Content, Event, EventId, EventKind, HistoryQuery, Live, MessageContent, Reactions, RoomId, Seq,
    ServerFrame, UserId,
};
use uuid::Uuid;

use super::model::room_id;
use super::scenarios::{seqs, world_with_room};
use super::world::World;
use crate::config::Config;
use crate::engine::timeline::window::{END, Of, Start, Window};
use crate::engine::{
    Command, CommandId, GapSide, Loaded, Message, Network, NetworkKind, Quote, Reply, Request, Row,
    Signal, Tier, TimelineId, TimelineStart,
};
use crate::error::Error;
use crate::simulation::{MemoryDisk, NoDisk};

const ROOM: u128 = 1;

fn config() -> Config {
    Config::new(UserId::new("ada").unwrap())
}

/// A world with a room, whose timelines hold so many messages.
fn world_holding(max_messages_per_room: usize) -> (World, RoomId) {
    let config = Config { max_messages_per_room, ..config() };
    let mut world = World::with(config, Box::new(MemoryDisk::new()), 1);
    let room = room_id(ROOM);
    world.server.join(room);
    world.settle();
    (world, room)
}

/// A room of which only the newest event is here, with `count` events in all.
pub(super) fn world_with_history(count: u64) -> (World, RoomId) {
    let (mut world, _) = world_with_room();
    let room = room_id(2);
    for n in 1..count {
        world.server.say(room, &format!("{n}"));
    }
    world.server.join(room);
    world.run(100);
    (world, room)
}

pub(super) fn network(world: &mut World, there: bool) {
    let kind = if there { NetworkKind::default() } else { NetworkKind::None };
    world.signal(Signal::Network(Network { kind, ..Network::default() }));
    world.settle();
}

pub(super) fn say(world: &mut World, room: RoomId, count: usize) {
    // As many at once as are no reason to leave any out.
    for n in 0..count {
        world.server.say(room, &format!("{n}"));
        if n % 20 == 19 {
            world.run(100);
        }
    }
    world.run(3_000);
}

pub(super) fn gaps(world: &World, timeline: TimelineId) -> Vec<(u64, u64)> {
    let gap = |row: &Row| match row {
        Row::Gap { from, to } => Some((from.get(), to.get())),
        Row::Message(_) => None,
    };
    world.rows[&timeline].iter().filter_map(gap).collect()
}

pub(super) fn loaded(world: &mut World, command: Command) -> Loaded {
    let command = world.command(command);
    world.run(3_000);
    match &world.replies[&command] {
        Ok(Reply::Loaded(loaded)) => *loaded,
        other => panic!("{other:?}"),
    }
}

pub(super) fn opened(world: &World, command: CommandId) -> bool {
    matches!(world.replies.get(&command), Some(Ok(Reply::Opened)))
}

pub(super) fn range(seqs: std::ops::RangeInclusive<u64>) -> Vec<u64> {
    seqs.collect()
}

/// The pages of history that wait to be answered.
fn asked(world: &World) -> Vec<HistoryQuery> {
    let history = |request: &Request| match request {
        Request::History(_, query) => Some(*query),
        _ => None,
    };
    world.requests.iter().filter_map(|(_, request)| history(request)).collect()
}

/// Lets everything happen but for answers to requests.
pub(super) fn settle_without_answers(world: &mut World) {
    while world.store_step() | world.grant_token() {}
}

#[test]
fn a_timeline_opens_at_the_first_unread_and_tells_where_that_begins() {
    let (mut world, room) = world_with_room();
    say(&mut world, room, 120);
    world.command(Command::MarkRead(room, Seq::new(60)));
    world.run(3_000);
    let requests = world.engine.stats().requests;
    let (timeline, command) = world.open_at(room, TimelineStart::FirstUnread);
    while world.store_step() {}
    assert!(opened(&world, command));
    assert_eq!(world.engine.stats().requests, requests, "what is held needs no network");
    assert_eq!(seqs(&world, timeline), range(36..=85));
    assert_eq!(world.more[&timeline], (true, true));
    assert_eq!(world.unread_from[&timeline], Some(Seq::new(61)));
    // The line stays where it was, whatever is read.
    world.command(Command::MarkRead(room, Seq::new(121)));
    world.run(3_000);
    world.command(Command::ResetTimeline(timeline));
    assert_eq!(world.unread_from[&timeline], Some(Seq::new(61)));
    let (newest, _) = world.open_at(room, TimelineStart::FirstUnread);
    world.settle();
    assert_eq!(seqs(&world, newest), range(72..=121), "nothing is unread: at the newest");
    assert_eq!((world.unread_from[&newest], world.more[&newest]), (None, (true, false)));
}

#[test]
fn a_timeline_opens_around_a_message_that_is_not_here_and_leads_back_to_the_newest() {
    let (mut world, room) = world_with_history(300);
    let target = world.server.rooms[&room].log[49].id;
    network(&mut world, false);
    let (_, refused) = world.open_at(room, TimelineStart::Message(target));
    world.run(1_000);
    assert_eq!(world.replies[&refused], Err(Error::Offline));
    network(&mut world, true);
    world.run(5_000);
    let (timeline, command) = world.open_at(room, TimelineStart::Message(target));
    world.settle();
    assert!(opened(&world, command));
    assert_eq!(seqs(&world, timeline), range(25..=74));
    assert_eq!(gaps(&world, timeline), []);
    assert_eq!(world.more[&timeline], (true, true));
    say(&mut world, room, 1);
    assert_eq!(seqs(&world, timeline), range(25..=74), "it does not follow the newest");
    let mut steps = 0;
    while loaded(&mut world, Command::LoadNewer(timeline, 100)).more {
        steps += 1;
        assert!(steps < 10);
    }
    assert_eq!(seqs(&world, timeline), range(25..=301));
    assert_eq!(world.more[&timeline], (true, false));
    say(&mut world, room, 1);
    assert_eq!(seqs(&world, timeline).last(), Some(&302), "now it does");
    let nothing = Loaded { added: 0, tier: Tier::Memory, more: false };
    assert_eq!(loaded(&mut world, Command::LoadNewer(timeline, 100)), nothing);
    world.check_events();
}

#[test]
fn a_timeline_slides_and_never_holds_more_than_it_may() {
    let (mut world, room) = world_holding(50);
    say(&mut world, room, 300);
    let timeline = world.open(room);
    world.settle();
    assert_eq!(seqs(&world, timeline), range(252..=301));
    let mut last = 252;
    while loaded(&mut world, Command::LoadOlder(timeline, 200)).more {
        let shown = seqs(&world, timeline);
        assert_eq!((shown.len(), shown[0]), (50, last - 25), "half of it goes, half stays");
        assert_eq!(world.more[&timeline], (true, true));
        last = shown[0];
    }
    assert_eq!(seqs(&world, timeline), range(1..=50));
    assert_eq!(world.more[&timeline], (false, true));
    say(&mut world, room, 3);
    assert_eq!(seqs(&world, timeline), range(1..=50), "nothing jumps");
    while loaded(&mut world, Command::LoadNewer(timeline, 20)).more {
        assert_eq!(seqs(&world, timeline).len(), 50);
    }
    assert_eq!(seqs(&world, timeline), range(255..=304));
    assert_eq!(world.more[&timeline], (true, false));
    say(&mut world, room, 1);
    assert_eq!(seqs(&world, timeline), range(256..=305));
}

#[test]
fn a_reader_who_slides_away_leaves_the_others_at_the_newest() {
    let (mut world, room) = world_holding(50);
    say(&mut world, room, 100);
    let (one, other) = (world.open(room), world.open(room));
    world.settle();
    loaded(&mut world, Command::LoadOlder(one, 25));
    assert_eq!(seqs(&world, one), range(27..=76));
    assert_eq!(seqs(&world, other), range(52..=101));
    let id = world.send(room, "mine");
    world.run(3_000);
    assert_eq!(seqs(&world, other), range(53..=102));
    assert_eq!(seqs(&world, one), range(27..=76), "what is sent stands at the newest");
    assert!(world.rows[&other].iter().any(|row| row.message().is_some_and(|m| m.id == id)));
    world.command(Command::CloseTimeline(other));
    while loaded(&mut world, Command::LoadNewer(one, 25)).more {}
    assert_eq!(seqs(&world, one), range(53..=102));
}

#[test]
fn thousands_that_were_missed_are_one_gap_and_one_page() {
    let (mut world, room) = world_with_room();
    say(&mut world, room, 9);
    network(&mut world, false);
    for n in 0..3_000 {
        world.server.say(room, &format!("{n}"));
    }
    world.signal(Signal::Network(Network::default()));
    world.run(3_000);
    let before = world.engine.stats().requests;
    let timeline = world.open(room);
    let mut pages = Vec::new();
    while {
        settle_without_answers(&mut world);
        pages.extend(asked(&world));
        !world.requests.is_empty()
    } {
        world.answer(0);
    }
    assert_eq!(pages.len(), 1, "{pages:?} of {}", world.engine.stats().requests - before);
    assert_eq!(gaps(&world, timeline), [(11, 2_959)]);
    let shown = seqs(&world, timeline);
    assert_eq!(shown, [range(1..=10), range(2_960..=3_010)].concat());
    // From its older side, for somebody who reads downwards.
    let fill = |from, to, side| Command::FillGapFrom(timeline, Seq::new(from), Seq::new(to), side);
    let found = loaded(&mut world, fill(11, 2_959, GapSide::Older));
    assert_eq!((found.added, found.tier), (200, Tier::Server));
    assert_eq!(gaps(&world, timeline), [(211, 2_959)]);
    loaded(&mut world, fill(211, 2_959, GapSide::Newer));
    assert_eq!(gaps(&world, timeline), [(211, 2_759)]);
    // Full: what is at the other end goes, and it leads back to the newest all the same.
    loaded(&mut world, fill(211, 2_759, GapSide::Newer));
    let shown = seqs(&world, timeline);
    assert_eq!((shown.len(), shown[0]), (500, 1));
    assert_eq!(world.more[&timeline], (false, true));
    world.check_events();
}

#[test]
fn a_gap_is_shown_until_what_fills_it_is() {
    let (mut world, room) = world_with_room();
    say(&mut world, room, 9);
    network(&mut world, false);
    for n in 0..200 {
        world.server.say(room, &format!("{n}"));
    }
    world.signal(Signal::Network(Network::default()));
    world.run(3_000);
    let timeline = world.open(room);
    settle_without_answers(&mut world);
    let before = gaps(&world, timeline);
    assert_eq!((before.len(), before[0].0), (1, 11));
    // The page is taken, and on its way to the disk.
    world.answer(0);
    assert_eq!(gaps(&world, timeline), before);
    settle_without_answers(&mut world);
    let after = gaps(&world, timeline);
    let missing: u64 = after.iter().map(|(from, to)| to + 1 - from).sum();
    assert!(after[0].1 < before[0].1, "{after:?} of {before:?}");
    assert_eq!(missing + seqs(&world, timeline).len() as u64, 210);
}

#[test]
fn a_gap_in_a_thread_is_shown_until_what_fills_it_is() {
    let (mut world, room) = world_with_room();
    let root = world.server.say(room, "root").id;
    let reply = |world: &mut World, count| {
        (0..count).for_each(|n| drop(world.server.say_in_thread(room, root, &format!("{n}"))));
        world.run(3_000);
    };
    reply(&mut world, 9);
    network(&mut world, false);
    reply(&mut world, 200);
    world.signal(Signal::Network(Network::default()));
    world.run(3_000);
    let (thread, _) = world.open_thread(room, root);
    settle_without_answers(&mut world);
    let before = gaps(&world, thread);
    assert_eq!((before.len(), before[0].0), (1, 12));
    let pages = asked(&world);
    assert!(pages.iter().any(|page| page.thread == Some(root)), "{pages:?}");
    // The page is taken, and on its way to the disk.
    world.answer(0);
    assert_eq!(gaps(&world, thread), before);
    settle_without_answers(&mut world);
    let after = gaps(&world, thread);
    assert_ne!(after, before);
    let missing: u64 = after.iter().map(|(from, to)| to + 1 - from).sum();
    assert_eq!(missing + seqs(&world, thread).len() as u64, 210);
}

#[test]
fn what_is_below_a_gap_is_fetched_again_once_it_is_looked_at() {
    let (mut world, room) = world_with_room();
    say(&mut world, room, 9);
    let target = world.server.rooms[&room].log[4].id;
    network(&mut world, false);
    world.server.edit(room, target, "edited");
    for n in 0..100 {
        world.server.say(room, &format!("{n}"));
    }
    world.signal(Signal::Network(Network::default()));
    let timeline = world.open(room);
    world.run(3_000);
    let text = |world: &World| {
        let shown = world.rows[&timeline].iter().filter_map(Row::message);
        shown.filter(|message| message.id == target).find_map(|message| message.text())
    };
    assert_eq!(text(&world).as_deref(), Some("3"), "shown at once, as it was");
    let gap = gaps(&world, timeline)[0];
    let fill = Command::FillGap(timeline, Seq::new(gap.0), Seq::new(gap.1));
    loaded(&mut world, fill);
    world.run(3_000);
    assert_eq!(text(&world).as_deref(), Some("edited"));
    assert_eq!(gaps(&world, timeline), []);
}

#[test]
fn places_that_do_not_exist_are_answered_with_the_nearest_or_an_error() {
    let (mut world, room) = world_with_history(300);
    let (beyond, _) = world.open_at(room, TimelineStart::Seq(Seq::new(9_999)));
    world.run(3_000);
    assert_eq!(seqs(&world, beyond).last(), Some(&300));
    assert!(!world.more[&beyond].1);
    let (before, _) = world.open_at(room, TimelineStart::Seq(Seq::ZERO));
    world.run(3_000);
    assert_eq!(seqs(&world, before), range(1..=50));
    assert_eq!(world.more[&before], (false, true));
    let nobody = EventId::from_uuid(Uuid::from_u128(0xdead));
    let (_, unknown) = world.open_at(room, TimelineStart::Message(nobody));
    let (_, no_thread) = world.open_thread(room, nobody);
    let (_, no_room) = world.open_at(room_id(77), TimelineStart::FirstUnread);
    world.run(3_000);
    assert_eq!(world.replies[&unknown], Err(Error::UnknownMessage(nobody)));
    assert_eq!(world.replies[&no_thread], Err(Error::UnknownMessage(nobody)));
    assert_eq!(world.replies[&no_room], Err(Error::UnknownRoom(room_id(77))));
    let deleted = world.server.rooms[&room].log[119].id;
    world.server.delete(room, deleted);
    world.run(3_000);
    let (around, _) = world.open_at(room, TimelineStart::Message(deleted));
    world.run(3_000);
    assert_eq!(seqs(&world, around), range(95..=144));
    let row = world.rows[&around].iter().filter_map(Row::message).find(|m| m.id == deleted);
    assert!(row.is_some_and(|message| message.deleted.is_some()));
    let closed = TimelineId(123_456);
    let load = world.command(Command::LoadNewer(closed, 5));
    assert_eq!(world.replies[&load], Err(Error::Closed));
}

#[test]
fn a_thread_shows_its_message_first_and_new_replies_as_they_come() {
    let (mut world, room) = world_with_room();
    let root = world.server.say(room, "root").id;
    for n in 0..70 {
        world.server.say_in_thread(room, root, &format!("reply {n}"));
        world.server.say(room, "beside it");
        world.run(100);
    }
    world.run(3_000);
    let requests = world.engine.stats().requests;
    let (thread, command) = world.open_thread(room, root);
    while world.store_step() {}
    assert!(opened(&world, command));
    assert_eq!(world.engine.stats().requests, requests, "what is held needs no network");
    let shown = seqs(&world, thread);
    assert_eq!((shown.len(), shown[0], shown[50]), (51, 2, 141));
    assert_eq!(world.more[&thread], (true, false));
    world.server.say_in_thread(room, root, "live");
    world.run(3_000);
    assert_eq!(seqs(&world, thread).last(), Some(&143));
    let message = MessageContent { thread: Some(root), ..MessageContent::of_text("mine") };
    let id = EventId::from_uuid(Uuid::from_u128(0x77));
    let content = Content::of(&message).unwrap();
    let op = tidewire_protocol::Op { id, kind: EventKind::Message, content };
    world.command(Command::Send { room, op, options: Default::default() });
    while world.store_step() {}
    let last = |world: &World| world.rows[&thread].last().and_then(Row::message).cloned();
    assert!(last(&world).is_some_and(|message| message.id == id && message.seq.is_none()));
    world.run(3_000);
    assert!(last(&world).is_some_and(|message| message.id == id && message.seq.is_some()));
    let first = world.rows[&thread][0].message().cloned().unwrap();
    assert_eq!((first.id, first.replies.unwrap().count), (root, 72));
    assert!(!loaded(&mut world, Command::LoadOlder(thread, 100)).more);
    assert_eq!(seqs(&world, thread).len(), 73);
    assert_eq!(world.more[&thread], (false, false));
}

#[test]
fn a_thread_that_is_not_here_is_fetched_alone() {
    let (mut world, _) = world_with_room();
    let room = room_id(2);
    let root = world.server.say(room, "root").id;
    for n in 0..80 {
        world.server.say_in_thread(room, root, &format!("reply {n}"));
        for _ in 0..20 {
            world.server.say(room, "beside it");
        }
    }
    world.server.join(room);
    world.run(3_000);
    let (thread, _) = world.open_thread(room, root);
    world.run(3_000);
    assert_eq!(seqs(&world, thread).len(), 51, "the message, and the newest page");
    assert_eq!(world.more[&thread], (true, false));
    while loaded(&mut world, Command::LoadOlder(thread, 20)).more {}
    assert_eq!((seqs(&world, thread).len(), gaps(&world, thread)), (81, vec![]));
    let room_rows = world.open(room);
    world.run(3_000);
    assert_eq!(seqs(&world, room_rows).last(), Some(&1_682));
    let reply = world.server.rooms[&room].log[1].id;
    world.server.edit(room, reply, "edited");
    world.run(3_000);
    let shown = world.rows[&thread].iter().filter_map(Row::message);
    let texts: Vec<String> = shown.filter(|m| m.id == reply).filter_map(|m| m.text()).collect();
    assert_eq!(texts, ["edited"]);
    world.check_events();
}

#[test]
fn all_windows_together_stay_within_their_memory() {
    let bound = 1_000_000;
    let config = Config { memory_bytes: bound, ..config() };
    let mut world = World::with(config, Box::new(MemoryDisk::new()), 1);
    let rooms: Vec<RoomId> = (1..=6).map(room_id).collect();
    let text = "x".repeat(8_000);
    for room in &rooms {
        world.server.join(*room);
        for _ in 0..60 {
            world.server.say(*room, &text);
        }
    }
    world.run(5_000);
    let timelines: Vec<TimelineId> = rooms.iter().map(|room| world.open(*room)).collect();
    world.run(5_000);
    let bytes = |world: &World| {
        let shown = world.rows.values().flatten().filter_map(Row::message);
        shown.map(|message| message.content.as_json().len()).sum::<usize>() as u64
    };
    assert!(bytes(&world) <= bound, "{} bytes are shown", bytes(&world));
    let last = *timelines.last().unwrap();
    assert_eq!(seqs(&world, last).len(), 51, "the one that was used last is whole");
    let first = timelines[0];
    assert_eq!(seqs(&world, first), [61], "the first one keeps its newest");
    assert_eq!(world.more[&first], (true, false));
    loaded(&mut world, Command::LoadOlder(first, 30));
    assert_eq!(seqs(&world, first), range(31..=61), "and comes back when it is used");
    assert!(bytes(&world) <= bound);
    for room in &rooms {
        say(&mut world, *room, 3);
    }
    assert!(bytes(&world) <= bound);
}

#[test]
fn reactions_and_what_is_quoted_count_for_the_memory() {
    let event = |seq: u64, text: String| Event {
        id: EventId::from_uuid(Uuid::from_u128(u128::from(seq))),
        room: room_id(ROOM),
        seq: Seq::new(seq),
        sender: UserId::new("bob").unwrap(),
        at: 1,
        kind: EventKind::Message,
        content: Content::of(&MessageContent::of_text(text)).unwrap(),
        fold: None,
    };
    let quoted = Arc::new(Message::of_event(event(1, "x".repeat(8_000))));
    let mut message = Message::of_event(event(2, "hello".into()));
    let mut window = Window::new(Of::Room, config().user, Default::default(), Start::Newest, 1);
    window.begin(&[Arc::new(message.clone())], Seq::new(2), END);
    let plain = window.bytes();
    let name = |n: u32| UserId::new(format!("somebody-{n}")).unwrap();
    let by: Vec<UserId> = (0..10).map(name).collect();
    message.reactions = vec![Reactions { key: "+1".into(), count: 10, mine: false, by }];
    window.refold(&Arc::new(message.clone()));
    assert!(window.bytes() > plain + 100, "{} after {plain}", window.bytes());
    message.reply_to = Some(Quote { id: quoted.id, message: None });
    window.refold(&Arc::new(message.clone()));
    let before = window.bytes();
    for _ in 0..2 {
        window.quotes_found(&[quoted.id], std::slice::from_ref(&quoted));
        assert!((8_000..16_000).contains(&(window.bytes() - before)), "counted once");
    }
    message.reply_to = None;
    message.reactions.clear();
    window.refold(&Arc::new(message));
    assert_eq!(window.bytes(), plain);
}

#[test]
fn a_thousand_events_a_second_for_ten_minutes_cost_one_update_a_second_and_end_exact() {
    let mut world = World::with(config(), Box::new(NoDisk), 1);
    let room = room_id(ROOM);
    world.server.join(room);
    world.settle();
    let timeline = world.open(room);
    world.settle();
    let begin = world.server.rooms[&room].head().get() + 1;
    let event = |seq: u64| Event {
        id: EventId::from_uuid(Uuid::from_u128(0x7_0000_0000 + u128::from(seq))),
        room,
        seq: Seq::new(seq),
        sender: UserId::new("bob").unwrap(),
        at: 1,
        kind: EventKind::Message,
        content: Content::of(&MessageContent::of_text(seq.to_string())).unwrap(),
        fold: None,
    };
    let before = world.updates;
    let (mut next, mut most) = (begin, 0);
    for _ in 0..10 * 60 * 20 {
        let events: Vec<Event> = (next..next + 50).map(event).collect();
        next += 50;
        world.inject(ServerFrame::Live(Live { room, prev: Seq::new(next - 51), events }));
        settle_without_answers(&mut world);
        world.pass(50);
        most = most.max(world.rows.get(&timeline).map_or(0, Vec::len));
    }
    let updates = world.updates - before;
    assert!((550..=601).contains(&updates), "{updates} updates in 600 s");
    assert!(most <= 500, "{most} rows");
    world.run(2_000);
    assert_eq!(seqs(&world, timeline), range(next - 500..=next - 1));
}

#[test]
fn a_page_from_the_server_brings_the_next_one_with_it_which_shows_when_it_is_asked_for() {
    let (mut world, room) = world_with_history(200);
    let timeline = world.open(room);
    world.run(1_000);
    let oldest = |world: &World| seqs(world, timeline)[0];
    let shown = oldest(&world);
    let mut tiers = Vec::new();
    for page in 1..=3 {
        let page_of = loaded(&mut world, Command::LoadOlder(timeline, 20));
        assert_eq!((page_of.added, page_of.more), (20, true));
        assert_eq!(oldest(&world), shown - 20 * page);
        assert_eq!(gaps(&world, timeline), []);
        tiers.push(page_of.tier);
    }
    assert_eq!(tiers, [Tier::Server, Tier::Disk, Tier::Server]);
    while loaded(&mut world, Command::LoadOlder(timeline, 20)).more {}
    assert_eq!(seqs(&world, timeline), range(1..=200));

    let (mut world, _) = world_with_room();
    let room = room_id(2);
    let said: Vec<_> = (1..200).map(|n| world.server.say(room, &format!("{n}")).id).collect();
    world.server.join(room);
    world.run(100);
    let (timeline, _) = world.open_at(room, TimelineStart::Message(said[30]));
    world.run(1_000);
    while loaded(&mut world, Command::LoadNewer(timeline, 20)).more {}
    assert_eq!(seqs(&world, timeline).last(), Some(&200));
}
