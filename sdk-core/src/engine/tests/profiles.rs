//! Who is asked for, when, how often, and what is told of it.

use tidewire_protocol::{AppState, Profile, RoomId, UserId};

use super::model::room_id;
use super::world::World;
use crate::engine::{
    Command, CommandId, Network, NetworkKind, Reply, Request, RequestError, Signal,
};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn name(world: &mut World, user_id: &str, name: &str) {
    let (user, name) = (user(user_id), Some(name.to_owned()));
    let profile = Profile { user: user.clone(), name, avatar_url: None, updated_at: 1 };
    world.server.profiles.insert(user, profile);
}

fn ask(world: &mut World, users: &[&str]) -> CommandId {
    world.command(Command::Profiles(users.iter().map(|name| user(name)).collect()))
}

fn names(world: &mut World, asked: CommandId) -> Vec<Option<String>> {
    match world.replies.remove(&asked) {
        Some(Ok(Reply::Profiles(profiles))) => profiles.into_iter().map(|p| p.name).collect(),
        other => panic!("{other:?}"),
    }
}

/// The users of the requests for profiles that are on their way.
fn asked_for(world: &World) -> Vec<Vec<UserId>> {
    let users = |(_, request): &(_, Request)| match request {
        Request::Profiles(request) => Some(request.users.clone()),
        _ => None,
    };
    world.requests.iter().filter_map(users).collect()
}

/// Time passes with everything else on its way arriving, until profiles are asked for.
fn until_asked(world: &mut World) -> Vec<UserId> {
    for _ in 0..1_000 {
        while world.store_step() {}
        if let Some(users) = asked_for(world).pop() {
            return users;
        }
        while let Some(other) = other_request(world) {
            world.answer(other);
        }
        world.pass(10);
    }
    panic!("nobody is asked for");
}

fn other_request(world: &World) -> Option<usize> {
    world.requests.iter().position(|(_, request)| !matches!(request, Request::Profiles(_)))
}

fn answer(world: &mut World) {
    let at = world.requests.iter().position(|(_, r)| matches!(r, Request::Profiles(_))).unwrap();
    world.answer(at);
    while world.store_step() {}
}

fn settled() -> World {
    let mut world = World::new(5);
    world.settle();
    world.run(1_000);
    world
}

fn network(world: &mut World, kind: NetworkKind) {
    world.signal(Signal::Network(Network { kind, ..Network::default() }));
}

#[test]
fn a_screen_of_thirty_rooms_and_fifty_messages_costs_one_request_and_scrolling_back_none() {
    let mut world = World::new(5);
    let rooms: Vec<RoomId> = (1..=30).map(room_id).collect();
    for (room, n) in rooms.iter().zip(1..) {
        world.server.join(*room);
        world.server.change_member(*room, &format!("peer{n}"), true);
        world.server.speak(*room, &user(&format!("peer{n}")), "hello");
        name(&mut world, &format!("peer{n}"), &format!("Peer {n}"));
    }
    world.settle();
    world.run(1_000);
    assert_eq!(asked_for(&world), Vec::<Vec<UserId>>::new(), "nobody is shown yet");
    // The list tells what it shows, each row asks for its own, and so does each message.
    world.command(Command::SetVisible(rooms.clone()));
    let rows: Vec<CommandId> = (1..=30).map(|n| ask(&mut world, &[&format!("peer{n}")])).collect();
    let messages = (0..50).map(|n| ask(&mut world, &[["bob", "peer1", "carl"][n % 3]]));
    let messages: Vec<CommandId> = messages.collect();
    let users = until_asked(&mut world);
    assert_eq!(users.len(), 32, "{users:?}");
    answer(&mut world);
    for (row, n) in rows.into_iter().zip(1..) {
        assert_eq!(names(&mut world, row), [Some(format!("Peer {n}"))]);
    }
    for message in messages {
        names(&mut world, message);
    }
    // Away and back: everything is known.
    for visible in [&rooms[10..], &rooms[..20], &rooms[..]] {
        world.command(Command::SetVisible(visible.to_vec()));
        let row = ask(&mut world, &["peer3"]);
        assert_eq!(names(&mut world, row), [Some("Peer 3".into())], "at once");
        for _ in 0..20 {
            while world.store_step() {}
            world.pass(10);
            assert!(asked_for(&world).is_empty());
        }
    }
}

#[test]
fn what_is_stale_is_given_at_once_and_its_news_told() {
    let mut world = settled();
    name(&mut world, "grace", "Grace 👩‍🔬");
    let asked = ask(&mut world, &["grace"]);
    until_asked(&mut world);
    answer(&mut world);
    assert_eq!(names(&mut world, asked), [Some("Grace 👩‍🔬".into())]);
    assert_eq!(std::mem::take(&mut world.profiles_changed), [user("grace")]);
    name(&mut world, "grace", "גרייס");
    world.run(301_000);
    let asked = ask(&mut world, &["grace"]);
    assert_eq!(names(&mut world, asked), [Some("Grace 👩‍🔬".into())], "at once");
    assert_eq!(until_asked(&mut world), [user("grace")]);
    answer(&mut world);
    assert_eq!(std::mem::take(&mut world.profiles_changed), [user("grace")]);
    let asked = ask(&mut world, &["grace"]);
    assert_eq!(names(&mut world, asked), [Some("גרייס".into())]);
    // One that is the same as before is no news.
    world.run(301_000);
    ask(&mut world, &["grace"]);
    until_asked(&mut world);
    answer(&mut world);
    assert!(world.profiles_changed.is_empty());
    // After a start it comes from the disk.
    world.restart(6);
    world.settle();
    let asked = ask(&mut world, &["grace"]);
    while world.store_step() {}
    assert_eq!(names(&mut world, asked), [Some("גרייס".into())]);
}

#[test]
fn nobody_is_asked_for_twice_at_a_time_and_whoever_asks_again_joins() {
    let mut world = settled();
    name(&mut world, "grace", "Grace");
    let first = ask(&mut world, &["grace"]);
    until_asked(&mut world);
    let joins = ask(&mut world, &["grace"]);
    let more = ask(&mut world, &["grace", "alan"]);
    for _ in 0..50 {
        while world.store_step() {}
        world.pass(10);
    }
    assert_eq!(asked_for(&world).len(), 1);
    answer(&mut world);
    assert_eq!(names(&mut world, first), [Some("Grace".into())]);
    assert_eq!(names(&mut world, joins), [Some("Grace".into())]);
    assert_eq!(until_asked(&mut world), [user("alan")]);
    answer(&mut world);
    assert_eq!(names(&mut world, more), [Some("Grace".into()), None]);
}

#[test]
fn a_failure_answers_with_what_is_known_and_is_not_repeated_at_once() {
    let mut world = settled();
    let asked = ask(&mut world, &["grace"]);
    until_asked(&mut world);
    let mut attempts = 0;
    let begun = world.now.mono_ms;
    while world.now.mono_ms < begun + 60_000 {
        if let Some(at) = world.requests.iter().position(|(_, r)| matches!(r, Request::Profiles(_)))
        {
            attempts += 1;
            let (id, _) = world.take_request(at);
            world.respond(id, Err(RequestError::Network("trouble".into())));
        }
        world.pass(100);
        while world.store_step() {}
        while let Some(other) = other_request(&world) {
            world.answer(other);
        }
    }
    assert_eq!(names(&mut world, asked), [None], "nobody waits for another attempt");
    assert!((2..=20).contains(&attempts), "{attempts} in a minute");
}

#[test]
fn without_a_network_it_is_as_last_seen_and_with_it_the_shown_are_fetched_once() {
    let mut world = settled();
    name(&mut world, "grace", "Grace");
    ask(&mut world, &["grace"]);
    until_asked(&mut world);
    answer(&mut world);
    world.profiles_changed.clear();
    network(&mut world, NetworkKind::None);
    world.run(301_000);
    name(&mut world, "grace", "Dr. Grace");
    let asked = ask(&mut world, &["grace", "alan"]);
    while world.store_step() {}
    assert_eq!(names(&mut world, asked), [Some("Grace".into()), None]);
    assert!(asked_for(&world).is_empty());
    network(&mut world, NetworkKind::Wifi);
    world.settle_but_streams();
    let mut asked = asked_for(&world);
    if asked.is_empty() {
        asked.push(until_asked(&mut world));
        answer(&mut world);
    }
    assert_eq!(asked, [vec![user("alan"), user("grace")]]);
    assert_eq!(std::mem::take(&mut world.profiles_changed), [user("alan"), user("grace")]);
    let requests = world.engine.stats().requests;
    world.run(5_000);
    assert!(asked_for(&world).is_empty() && world.engine.stats().requests < requests + 5);
}

#[test]
fn suspended_they_are_as_last_seen_and_what_is_missing_comes_after_waking() {
    let mut world = settled();
    name(&mut world, "grace", "Grace");
    name(&mut world, "alan", "Alan");
    name(&mut world, "carl", "Carl");
    ask(&mut world, &["grace"]);
    until_asked(&mut world);
    answer(&mut world);
    world.profiles_changed.clear();
    // One waits when the rest begins, and one asks during it.
    let waits = ask(&mut world, &["grace", "alan"]);
    until_asked(&mut world);
    world.signal(Signal::AppState(AppState::Suspended));
    while world.store_step() {}
    assert_eq!(names(&mut world, waits), [Some("Grace".into()), None]);
    let asked = ask(&mut world, &["grace", "carl"]);
    assert_eq!(names(&mut world, asked), [Some("Grace".into()), None], "at once");
    assert!(asked_for(&world).is_empty() && world.profiles_changed.is_empty());
    world.signal(Signal::AppState(AppState::Foreground));
    world.settle();
    world.run(30_000);
    let mut told = std::mem::take(&mut world.profiles_changed);
    told.sort();
    assert_eq!(told, [user("alan"), user("carl")]);
    let asked = ask(&mut world, &["alan", "carl"]);
    assert_eq!(names(&mut world, asked), [Some("Alan".into()), Some("Carl".into())]);
}

#[test]
fn more_than_a_request_carries_go_one_after_the_other() {
    let mut world = settled();
    let ids: Vec<String> = (0..150).map(|n| format!("user{n:03}")).collect();
    for part in ids.chunks(50) {
        ask(&mut world, &part.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(until_asked(&mut world).len(), 100);
    assert_eq!(asked_for(&world).len(), 1);
    answer(&mut world);
    assert_eq!(until_asked(&mut world).len(), 50);
}
