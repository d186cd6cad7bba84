//! Single situations of users who are blocked, step by step.

use tidewire_protocol::{
    BlockList, BlockQuery, Epoch, ErrorCode, RoomId, UserId, WireError, limits,
};

use super::scenarios::world_with_room;
use super::world::World;
use crate::engine::{
    Command, ListId, Network, NetworkKind, Reply, Request, RequestError, RoomListQuery, Row,
    Signal, TimelineId,
};
use crate::error::Error;

const LIST: ListId = ListId(77);

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn offline(world: &mut World) {
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    world.settle();
}

fn online(world: &mut World) {
    world.signal(Signal::Network(Network::default()));
    world.run(3_000);
}

/// On disk, whether or not there is a network.
fn done(world: &mut World, command: Command) -> Result<Reply, Error> {
    let id = world.command(command);
    while !world.replies.contains_key(&id) {
        assert!(world.store_step(), "nothing is on its way");
    }
    world.replies[&id].clone()
}

fn set(world: &mut World, name: &str, blocked: bool) {
    let command = Command::SetBlocked { user: user(name), blocked };
    assert_eq!(done(world, command), Ok(Reply::Done));
}

fn blocked(world: &mut World) -> Vec<String> {
    let id = world.command(Command::Blocked);
    match &world.replies[&id] {
        Ok(Reply::Blocked(users)) => users.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// As another device does it, whatever there is.
fn elsewhere(world: &mut World, name: &str, blocks: bool) -> BlockList {
    let query = BlockQuery::default();
    world.server.set_blocked(&user("ada"), &user(name), blocks, query).unwrap()
}

fn on_server(world: &World) -> Vec<String> {
    world.server.blocked_by(&user("ada")).users.iter().map(ToString::to_string).collect()
}

/// Whether what bob has said is marked: all of it, or nothing.
fn is_marked(world: &World, timeline: TimelineId) -> bool {
    let said = world.rows[&timeline].iter().filter_map(Row::message);
    let said = said.filter(|message| !message.kind.is_reserved());
    let marks: Vec<bool> = said.map(|message| message.blocked).collect();
    assert!(!marks.is_empty() && marks.iter().all(|mark| *mark == marks[0]), "{marks:?}");
    marks[0]
}

/// Says something, so that there is news.
fn hear(world: &mut World, room: RoomId) {
    world.server.say(room, "so that there is news");
    world.run(6_000);
}

fn begin(world: &mut World, room: RoomId) -> TimelineId {
    world.server.say(room, "by bob");
    world.run(3_000);
    let timeline = world.open(room);
    world.run(1_000);
    assert!(!is_marked(world, timeline));
    timeline
}

#[test]
fn a_block_shows_at_once_survives_everything_and_reaches_the_server() {
    let (mut world, room) = world_with_room();
    let timeline = begin(&mut world, room);
    let id = world.command(Command::OpenRoomList(LIST, RoomListQuery::default()));
    assert_eq!(world.replies[&id], Ok(Reply::Opened));
    offline(&mut world);
    set(&mut world, "bob", true);
    assert!(is_marked(&world, timeline), "at once");
    assert_eq!(world.blocked_told, [[user("bob")]]);
    assert_eq!(blocked(&mut world), ["bob"]);
    world.run(500);
    let said = world.listed[&LIST][0].last_message.clone().unwrap();
    assert!(said.blocked, "in the list of rooms too");
    assert_eq!(on_server(&world), [""; 0]);
    world.restart(2);
    offline(&mut world);
    assert_eq!(blocked(&mut world), ["bob"]);
    // Another device has unblocked him and blocked eve meanwhile: the wish is the later word of the one alone.
    elsewhere(&mut world, "bob", true);
    elsewhere(&mut world, "bob", false);
    elsewhere(&mut world, "eve", true);
    online(&mut world);
    assert_eq!(on_server(&world), ["bob", "eve"]);
    assert_eq!(blocked(&mut world), ["bob", "eve"]);
    assert_eq!(world.start().block_wishes, []);
    // And from another device.
    elsewhere(&mut world, "bob", false);
    hear(&mut world, room);
    assert_eq!(blocked(&mut world), ["eve"]);
    let timeline = world.open(room);
    world.run(1_000);
    assert!(!is_marked(&world, timeline));
}

#[test]
fn of_several_wishes_the_newest_is_told_and_a_lost_answer_does_no_harm() {
    let (mut world, _) = world_with_room();
    set(&mut world, "bob", true);
    let told = |world: &World| {
        let is = |(_, request): &(_, Request)| {
            matches!(request, Request::Block(..) | Request::Unblock(..))
        };
        world.requests.iter().position(is)
    };
    let index = told(&world).unwrap();
    set(&mut world, "bob", false);
    set(&mut world, "eve", true);
    assert_eq!(world.requests.len(), 1, "one at a time");
    world.lose(index, true);
    world.run(30_000);
    assert_eq!(on_server(&world), ["eve"]);
    assert_eq!(blocked(&mut world), ["eve"]);
    assert_eq!(world.start().block_wishes, []);
}

#[test]
fn a_wish_that_the_server_refuses_goes_and_is_told() {
    let (mut world, _) = world_with_room();
    set(&mut world, "bob", true);
    assert_eq!(blocked(&mut world), ["bob"]);
    let (request, _) = world.requests.remove(0);
    let no = WireError::new(ErrorCode::NotFound, "an older server");
    world.respond(request, Err(RequestError::Refused(no)));
    world.run(1_000);
    assert_eq!(blocked(&mut world), [""; 0]);
    assert_eq!(world.blocked_told, [vec![user("bob")], Vec::new()]);
    assert_eq!(world.start().block_wishes, []);
}

#[test]
fn nobody_blocks_himself_nor_more_than_there_may_be() {
    let (mut world, room) = world_with_room();
    let command = Command::SetBlocked { user: user("ada"), blocked: true };
    assert!(matches!(done(&mut world, command), Err(Error::InvalidBlock(_))));
    for n in 0..limits::BLOCKED_USERS {
        elsewhere(&mut world, &format!("user-{n}"), true);
    }
    hear(&mut world, room);
    assert_eq!(blocked(&mut world).len(), limits::BLOCKED_USERS);
    let command = Command::SetBlocked { user: user("bob"), blocked: true };
    assert!(matches!(done(&mut world, command), Err(Error::InvalidBlock(_))));
    set(&mut world, "user-7", false);
    set(&mut world, "bob", true);
    world.run(3_000);
    assert_eq!(on_server(&world).len(), limits::BLOCKED_USERS);
}

#[test]
fn another_epoch_takes_the_list_of_the_server_and_keeps_the_wishes() {
    let (mut world, room) = world_with_room();
    elsewhere(&mut world, "eve", true);
    elsewhere(&mut world, "dan", true);
    hear(&mut world, room);
    assert_eq!(blocked(&mut world), ["dan", "eve"]);
    offline(&mut world);
    set(&mut world, "bob", true);
    // Restored from before: its list has a lower version.
    world.server.epoch = Epoch::new("e2");
    world.server.restore_blocks(BlockList { version: 1, users: vec![user("eve")] });
    world.server.expired_below = world.server.ord(&world.server.head());
    online(&mut world);
    world.run(30_000);
    assert_eq!(on_server(&world), ["bob", "eve"]);
    assert_eq!(blocked(&mut world), ["bob", "eve"]);
}
