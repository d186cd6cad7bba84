//! Single situations of what is unread, of lists of rooms, drafts and settings, step by step.

use tidewire_protocol::{
    EventKind, Mode, RoomId, RoomSettings, RoomUpdate, Seq, ServerFrame, SettingsUpdate, UserId,
};

use super::model::room_id;
use super::scenarios::{ceiling, world_with_room};
use super::world::World;
use crate::engine::{
    Command, ListId, Network, NetworkKind, Reply, Request, RoomListQuery, RoomListRow,
    SettingsChange, Signal, Unread,
};
use crate::error::Error;

const LIST: ListId = ListId(77);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn exactly(messages: u32) -> Unread {
    Unread { messages, mentions: 0, exact: true }
}

fn offline(world: &mut World) {
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    world.settle();
}

fn online(world: &mut World) {
    world.signal(Signal::Network(Network::default()));
    world.run(3_000);
}

fn say(world: &mut World, room: RoomId, count: u64) {
    for n in 0..count {
        world.server.say(room, &format!("{n}"));
    }
}

/// On disk, whether or not there is a network.
fn done(world: &mut World, command: Command) -> Result<Reply, Error> {
    let id = world.command(command);
    while !world.replies.contains_key(&id) {
        assert!(world.store_step(), "nothing is on its way");
    }
    world.replies[&id].clone()
}

fn mark(world: &mut World, room: RoomId, seq: u64) {
    assert_eq!(done(world, Command::MarkRead(room, Seq::new(seq))), Ok(Reply::Done));
}

fn open_list(world: &mut World) {
    let id = world.command(Command::OpenRoomList(LIST, RoomListQuery::default()));
    assert_eq!(world.replies[&id], Ok(Reply::Opened));
}

fn rows(world: &World) -> Vec<RoomListRow> {
    world.listed[&LIST].iter().map(|row| row.as_ref().clone()).collect()
}

fn row(world: &World, room: RoomId) -> RoomListRow {
    rows(world).into_iter().find(|row| row.room == room).unwrap()
}

#[test]
fn unread_counts_once_it_is_on_disk_and_not_before() {
    let (mut world, room) = world_with_room();
    assert_eq!(world.engine.unread(room), exactly(0));
    say(&mut world, room, 3);
    while world.server_step() || world.client_step() {}
    assert_eq!(world.engine.unread(room), exactly(0), "the disk is slow");
    world.settle();
    assert_eq!(world.engine.unread(room), exactly(3));
    world.send(room, "mine");
    world.run(2_000);
    assert_eq!(world.engine.unread(room), exactly(3), "one's own words are not unread");
    let text = "@ada, look";
    world.server.speak_to(room, &user("bob"), text, [user("ada")]);
    world.server.append(room, &user("bob"), EventKind::Other("app.poll".into()), &"{}");
    world.run(2_000);
    let four = Unread { mentions: 1, ..exactly(4) };
    assert_eq!(world.engine.unread(room), four, "messages count, other kinds do not");
    world.restart(2);
    offline(&mut world);
    while world.store_step() {}
    assert_eq!(world.engine.unread(room), four, "also after a restart without a network");
    mark(&mut world, room, 3);
    assert_eq!(world.engine.unread(room), Unread { mentions: 1, ..exactly(2) });
}

#[test]
fn no_total_is_told_as_exact_before_the_rooms_are_known() {
    let mut world = World::new(1);
    world.server.join(room_id(1));
    say(&mut world, room_id(1), 3);
    offline(&mut world);
    assert_eq!(world.unread_told, Some(Unread { exact: false, ..Unread::NOTHING }));
    assert!(!world.engine.unread_total().exact);
    world.signal(Signal::Network(Network::default()));
    let mut steps = 0;
    while world.grant_token() | world.store_step() | !world.requests.is_empty() {
        if !world.requests.is_empty() {
            world.answer(0);
        }
        let told = world.unread_told.unwrap();
        assert!(!told.exact || told == exactly(3), "{told:?}");
        steps += 1;
        assert!(steps < 100);
    }
    world.run(1_000);
    assert_eq!(world.unread_told, Some(exactly(3)));
}

#[test]
fn rows_that_no_list_has_can_be_named_as_shown() {
    let (mut world, _) = world_with_room();
    open_list(&mut world);
    for (first, count) in [(usize::MAX, 1), (1, usize::MAX), (usize::MAX, usize::MAX)] {
        world.command(Command::ShowRooms { list: LIST, first, count, rooms: Vec::new() });
        world.run(1_000);
        assert_eq!(rows(&world).len(), 1);
    }
}

#[test]
fn a_failed_commit_counts_nothing() {
    let (mut world, room) = world_with_room();
    world.failing_commits = 1;
    say(&mut world, room, 2);
    world.settle();
    assert_eq!(world.engine.unread(room), exactly(0));
    world.run(10_000);
    assert_eq!(world.engine.unread(room), exactly(2));
}

#[test]
fn a_read_within_what_only_the_server_counted_says_so_until_the_server_has_counted_again() {
    let (mut world, room) = world_with_room();
    offline(&mut world);
    say(&mut world, room, 120);
    online(&mut world);
    assert_eq!(world.engine.unread(room), exactly(120), "the base of a room that came limited");
    offline(&mut world);
    mark(&mut world, room, 60);
    let at_least = world.engine.unread(room);
    assert!(!at_least.exact && at_least.messages <= 61, "{at_least:?}");
    assert!(!world.engine.unread_total().exact);
    world.restart(2);
    offline(&mut world);
    assert!(!world.engine.unread(room).exact, "the process forgets that it does not know");
    online(&mut world);
    assert_eq!(world.engine.unread(room), exactly(61));
    assert_eq!(world.engine.unread_total(), exactly(61));
}

#[test]
fn a_read_within_what_is_here_is_counted_without_asking() {
    let (mut world, room) = world_with_room();
    offline(&mut world);
    say(&mut world, room, 40);
    online(&mut world);
    let timeline = world.open(room);
    world.settle();
    world.command(Command::LoadOlder(timeline, 200));
    world.run(2_000);
    offline(&mut world);
    let requests = world.engine.stats().requests;
    mark(&mut world, room, 11);
    assert_eq!(world.engine.unread(room), exactly(30));
    assert_eq!(world.engine.stats().requests, requests);
}

#[test]
fn a_read_on_another_device_is_as_good_as_one_here() {
    for mode in [Mode::Polling, Mode::Hybrid, Mode::RealTime] {
        let (mut world, room) = world_with_room();
        ceiling(&mut world, mode);
        say(&mut world, room, 5);
        world.run(6_000);
        assert_eq!(world.engine.unread(room), exactly(5), "{mode}");
        let read =
            tidewire_protocol::ReceiptUpdate { room, delivered: None, read: Some(Seq::new(4)) };
        world.server.put_receipt("ada", read);
        world.run(6_000);
        assert_eq!(world.engine.unread(room), exactly(2), "{mode}");
    }
}

#[test]
fn more_than_a_thousand_are_a_thousand() {
    let (mut world, room) = world_with_room();
    say(&mut world, room, 1_200);
    world.run(20_000);
    assert_eq!(world.engine.unread(room).messages, 1_000);
    mark(&mut world, room, 701);
    world.run(20_000);
    assert_eq!(world.engine.unread(room), exactly(500));
}

/// Started again on what it had, before anything but the newest was counted.
fn started_with(unread: u64) -> (World, RoomId) {
    let (mut world, room) = world_with_room();
    // Few at a time come as they are, and are counted here.
    for _ in 0..unread / 20 {
        say(&mut world, room, 20);
        world.run(1_000);
    }
    world.restart(2);
    offline(&mut world);
    (world, room)
}

#[test]
fn at_the_start_the_newest_are_counted_and_all_of_them_a_moment_later() {
    let (mut world, room) = started_with(300);
    assert_eq!(world.engine.unread(room), Unread { exact: false, ..exactly(100) });
    assert!(!world.engine.unread_total().exact);
    world.run(1_000);
    assert_eq!(world.engine.unread(room), exactly(300));
    assert_eq!(world.unread_told, Some(exactly(300)));
    assert_eq!(world.engine.stats().requests, 0, "the disk knows");
}

#[test]
fn what_comes_and_what_is_read_before_all_is_counted_is_counted_once() {
    let (mut world, room) = started_with(300);
    world.signal(Signal::Network(Network::default()));
    say(&mut world, room, 5);
    world.settle();
    assert_eq!(world.engine.unread(room), Unread { exact: false, ..exactly(105) });
    mark(&mut world, room, 100);
    world.run(1_000);
    assert_eq!(world.engine.unread(room).messages, 301 + 5 - 100);
    assert!(world.engine.unread(room).exact);

    let (mut world, room) = started_with(300);
    mark(&mut world, room, 251);
    assert_eq!(world.engine.unread(room), exactly(50), "all of that was counted at the start");

    let (mut world, room) = started_with(1_200);
    world.run(1_000);
    assert_eq!(world.engine.unread(room).messages, 1_000);
    mark(&mut world, room, 701);
    assert_eq!(world.engine.unread(room), exactly(500));
}

#[test]
fn counts_that_the_disk_refuses_say_that_they_are_not_exact_and_are_asked_again() {
    let (mut world, room) = started_with(300);
    world.failing_loads = 1;
    world.run(1_000);
    assert_eq!(world.engine.unread(room), Unread { exact: false, ..exactly(100) });
    world.run(20_000);
    assert_eq!(world.engine.unread(room), exactly(300));
}

#[test]
fn a_list_shows_the_newest_message_the_own_one_that_waits_and_the_draft() {
    let (mut world, room) = world_with_room();
    let other = room_id(2);
    world.server.join(other);
    world.settle();
    open_list(&mut world);
    let said = world.server.say(room, "hello");
    world.run(1_000);
    assert_eq!(rows(&world)[0].room, room, "the newest on top");
    let shown = row(&world, room);
    assert_eq!(shown.last_message.map(|m| m.id), Some(said.id));
    assert_eq!((shown.unread, shown.pending), (exactly(1), 0));
    offline(&mut world);
    let id = world.send(other, "mine");
    while world.store_step() {}
    world.run(500);
    let waiting = row(&world, other);
    assert_eq!(rows(&world)[0].room, other);
    assert_eq!(waiting.last_message.as_ref().map(|m| m.id), Some(id));
    assert_eq!(waiting.last_message.and_then(|m| m.seq), None);
    assert_eq!((waiting.pending, waiting.failed), (1, false));
    let draft = Command::SetDraft { room, text: Some("I was about to".into()) };
    assert_eq!(done(&mut world, draft), Ok(Reply::Done));
    world.run(500);
    assert_eq!(row(&world, room).draft.as_deref(), Some("I was about to"));
    online(&mut world);
    let sent = row(&world, other);
    assert_eq!(sent.last_message.and_then(|m| m.seq), Some(Seq::new(2)));
    assert_eq!(sent.pending, 0);
}

#[test]
fn what_does_not_show_in_the_room_does_not_show_in_the_list() {
    let (mut world, room) = world_with_room();
    open_list(&mut world);
    let first = world.server.say(room, "hello");
    let message = tidewire_protocol::MessageContent {
        thread: Some(first.id),
        ..tidewire_protocol::MessageContent::of_text("in its thread")
    };
    world.server.append(room, &user("bob"), EventKind::Message, &message);
    world.server.change_member(room, "eve", true);
    world.run(1_000);
    let check = |world: &World| {
        let row = row(world, room);
        assert_eq!(row.last_message.map(|m| m.id), Some(first.id));
        assert_eq!(row.unread, exactly(2), "a reply in a thread is unread all the same");
    };
    check(&world);
    world.restart(2);
    offline(&mut world);
    open_list(&mut world);
    while world.store_step() {}
    world.run(500);
    check(&world);
}

#[test]
fn an_edit_and_a_deletion_of_the_newest_message_show_in_the_list() {
    let (mut world, room) = world_with_room();
    open_list(&mut world);
    let said = world.server.say(room, "helo");
    let edit = |text: &str| tidewire_protocol::EditContent {
        target: said.id,
        content: tidewire_protocol::MessageContent::of_text(text),
    };
    world.run(1_000);
    world.server.append(room, &user("bob"), EventKind::Edit, &edit("hello"));
    world.run(1_000);
    let text = |world: &World| row(world, room).last_message.and_then(|message| message.text());
    assert_eq!(text(&world).as_deref(), Some("hello"));
    let delete = tidewire_protocol::DeleteContent { target: said.id };
    world.server.append(room, &user("bob"), EventKind::Delete, &delete);
    world.run(1_000);
    assert_eq!(text(&world), None);
    assert_eq!(row(&world, room).unread, exactly(1), "a deleted message counts as before");
}

#[test]
fn in_a_burst_a_list_is_updated_ten_times_a_second_and_ends_exact() {
    let (mut world, room) = world_with_room();
    open_list(&mut world);
    world.run(1_000);
    let before = world.updates;
    for n in 0..500 {
        world.server.say(room, &format!("{n}"));
        world.run(10);
    }
    let updates = world.updates - before;
    assert!((40..=51).contains(&updates), "{updates} updates in 5 s");
    world.run(1_000);
    assert_eq!(row(&world, room).unread, exactly(500));
}

#[test]
fn what_a_list_shows_opens_at_once_also_after_a_long_absence() {
    let (mut world, room) = world_with_room();
    let hidden = room_id(2);
    world.server.join(hidden);
    world.settle();
    offline(&mut world);
    say(&mut world, room, 200);
    say(&mut world, hidden, 200);
    world.signal(Signal::Power { low: true });
    open_list(&mut world);
    let (list, rooms) = (LIST, vec![room]);
    world.command(Command::ShowRooms { list, first: 0, count: 1, rooms });
    online(&mut world);
    let held = |world: &mut World, room: RoomId| {
        let row = world.start().rooms.into_iter().find(|row| row.state.id == room).unwrap();
        row.held.last().map(|(start, end)| end - start + 1)
    };
    assert!(held(&mut world, room) >= Some(50));
    assert_eq!(held(&mut world, hidden), Some(1), "power is saved, and nobody sees it");
    world.signal(Signal::Power { low: false });
    world.run(10_000);
    assert!(held(&mut world, hidden) >= Some(50), "the rest in its own time");
}

#[test]
fn a_draft_survives_restarts_and_another_epoch_and_is_gone_when_cleared() {
    let (mut world, room) = world_with_room();
    let draft = |text: &str| Command::SetDraft { room, text: Some(text.into()) };
    assert_eq!(done(&mut world, draft("half a tho")), Ok(Reply::Done));
    world.restart(2);
    world.server.epoch = tidewire_protocol::Epoch::new("e2");
    world.server.expired_below = world.server.ord(&world.server.head());
    world.server.say(room, "in another life");
    world.run(30_000);
    assert_eq!(world.engine.unread(room).messages, 1);
    let asked = world.command(Command::Draft(room));
    assert_eq!(world.replies[&asked], Ok(Reply::Draft(Some("half a tho".into()))));
    let long = "x".repeat(40_000);
    assert!(matches!(done(&mut world, draft(&long)), Err(Error::InvalidOp(_))));
    assert_eq!(done(&mut world, draft("")), Ok(Reply::Done));
    assert_eq!(world.start().drafts, []);
    let unknown = Command::SetDraft { room: room_id(9), text: Some("x".into()) };
    assert!(matches!(done(&mut world, unknown), Err(Error::UnknownRoom(_))));
}

fn muted() -> RoomSettings {
    RoomSettings { muted: true, ..RoomSettings::default() }
}

/// As another device sets them, whatever there is.
fn any(settings: RoomSettings) -> SettingsUpdate {
    SettingsUpdate { settings, version: None }
}

fn on_server(world: &World, room: RoomId) -> RoomSettings {
    world.server.room_state(room).settings
}

#[test]
fn a_wish_shows_at_once_survives_everything_and_reaches_the_server() {
    let (mut world, room) = world_with_room();
    open_list(&mut world);
    offline(&mut world);
    let mute = SettingsChange { muted: Some(true), ..SettingsChange::default() };
    assert_eq!(done(&mut world, Command::SetSettings(room, mute)), Ok(Reply::Done));
    world.run(500);
    assert_eq!(row(&world, room).settings, muted());
    world.restart(2);
    offline(&mut world);
    assert_eq!(world.engine.settings(room), Some(muted()));
    // Another device pins meanwhile: what was wished for here is the later word.
    let pinned = RoomSettings { pinned: true, ..RoomSettings::default() };
    world.server.set_settings(&user("ada"), room, any(pinned)).unwrap();
    online(&mut world);
    assert_eq!(on_server(&world, room), muted());
    assert_eq!(world.engine.settings(room), Some(muted()));
    assert_eq!(world.start().wishes, []);
    // And from another device.
    world.server.set_settings(&user("ada"), room, any(pinned)).unwrap();
    world.server.say(room, "so that there is news");
    world.run(6_000);
    assert_eq!(world.engine.settings(room), Some(pinned));
}

#[test]
fn of_several_wishes_the_newest_is_told_and_a_lost_answer_does_no_harm() {
    let (mut world, room) = world_with_room();
    let set = |muted, pinned| {
        let change = SettingsChange { muted: Some(muted), pinned: Some(pinned), archived: None };
        Command::SetSettings(room, change)
    };
    let asked = |world: &World| {
        let is = |(_, request): &(_, Request)| matches!(request, Request::SetSettings(..));
        world.requests.iter().position(is)
    };
    assert_eq!(done(&mut world, set(true, false)), Ok(Reply::Done));
    let index = asked(&world).unwrap();
    assert_eq!(done(&mut world, set(true, true)), Ok(Reply::Done));
    assert_eq!(done(&mut world, set(false, true)), Ok(Reply::Done));
    assert_eq!(world.requests.len(), 1, "one at a time");
    world.lose(index, true);
    world.run(30_000);
    let pinned = RoomSettings { pinned: true, ..RoomSettings::default() };
    assert_eq!(on_server(&world, room), pinned);
    assert_eq!(world.engine.settings(room), Some(pinned));
    assert_eq!(world.start().wishes, []);
}

#[test]
fn an_answer_from_before_does_not_bring_older_settings_back() {
    let (mut world, room) = world_with_room();
    let id = world.command(Command::AddMembers(room, vec![user("eve")]));
    let (request, _) = world.take_request(0);
    let old = world.server.room_state(room);
    world.server.set_settings(&user("ada"), room, any(muted())).unwrap();
    world.server.say(room, "so that there is news");
    world.run(6_000);
    assert_eq!(world.engine.settings(room), Some(muted()));
    let old = tidewire_protocol::RoomState { head_seq: Seq::new(9), ..old };
    world.respond(request, Ok(crate::engine::Response::Room(old)));
    world.settle();
    assert!(world.replies[&id].is_ok());
    assert_eq!(world.engine.settings(room), Some(muted()));
}

#[test]
fn the_badge_leaves_out_what_is_archived_and_counts_of_muted_rooms_what_mentions_the_user() {
    let (mut world, room) = world_with_room();
    let (quiet, away) = (room_id(2), room_id(3));
    for other in [quiet, away] {
        world.server.join(other);
    }
    world.settle();
    for of in [room, quiet, away] {
        say(&mut world, of, 2);
        world.server.speak_to(of, &user("bob"), "@ada", [user("ada")]);
    }
    world.run(2_000);
    assert_eq!(world.engine.unread_total(), Unread { mentions: 3, ..exactly(9) });
    let mute = SettingsChange { muted: Some(true), ..SettingsChange::default() };
    let archive = SettingsChange { archived: Some(true), ..SettingsChange::default() };
    done(&mut world, Command::SetSettings(quiet, mute)).unwrap();
    done(&mut world, Command::SetSettings(away, archive)).unwrap();
    world.run(500);
    let total = Unread { mentions: 2, ..exactly(4) };
    assert_eq!(world.engine.unread_total(), total);
    assert_eq!(world.unread_told, Some(total), "and the app hears of it");
    world.server.remove_member(room, &user("bob"), &user("ada"));
    world.run(2_000);
    assert_eq!(world.engine.unread_total(), Unread { mentions: 1, ..exactly(1) });
}

#[test]
fn a_name_and_a_role_follow_their_events_whatever_order_they_come_in() {
    let (mut world, room) = world_with_room();
    ceiling(&mut world, Mode::Hybrid);
    world.open(room);
    world.run(6_000);
    open_list(&mut world);
    let rename = |world: &mut World, name: &str| {
        let update = RoomUpdate { name: Some(name.into()), avatar_url: None };
        world.server.update_room(&user("bob"), room, update).unwrap();
    };
    rename(&mut world, "first");
    rename(&mut world, "second");
    let log = &world.server.rooms[&room].log;
    let newest = log.last().unwrap().clone();
    let prev = newest.seq.previous();
    let live = tidewire_protocol::Live { room, prev, events: vec![newest] };
    world.inject(ServerFrame::Live(live));
    world.run(500);
    assert_eq!(row(&world, room).name.as_deref(), Some("second"));
    world.run(12_000);
    assert_eq!(row(&world, room).name.as_deref(), Some("second"), "the older one came later");
    let owner = tidewire_protocol::RoleUpdate { role: tidewire_protocol::Role::Owner };
    world.server.set_role(&user("bob"), room, &user("ada"), owner).unwrap();
    world.run(12_000);
    assert_eq!(row(&world, room).role, tidewire_protocol::Role::Owner);
}
