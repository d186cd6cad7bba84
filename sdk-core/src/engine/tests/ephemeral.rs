//! Presence and typing: little is told, nothing is kept, and what is not known is not pretended.

use tidewire_protocol::{
    AppState, ClientFrame, Ephemeral, Mode, PeerPresence, PeerTyping, PresenceState, RoomId,
    ServerFrame, TypingUpdate, UserId, limits,
};

use crate::engine::{Command, Network, NetworkKind, Presence, Reply, Signal};
use crate::simulation::room_id;
use crate::simulation::world::World;

/// A client in real time with these rooms, each with Bob in it.
fn with_rooms(seed: u64, rooms: u128) -> World {
    let mut world = World::new(seed);
    (1..=rooms).for_each(|number| world.server.join(room_id(number)));
    // A room of a state alone has its members known.
    (1..=rooms).for_each(|number| world.server.change_member(room_id(number), "carol", true));
    world.run(1_000);
    assert_eq!(world.engine.mode().mode, Mode::RealTime);
    world
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

/// The typing frames that the server heard since the last look: when, and what.
fn typing_heard(world: &mut World) -> Vec<TypingUpdate> {
    let heard = std::mem::take(&mut world.server.heard);
    let typing = heard.into_iter().filter_map(|frame| match frame {
        ClientFrame::Ephemeral { typing } => Some(typing),
        _ => None,
    });
    typing.flatten().collect()
}

const NOTHING: [bool; 0] = [];

fn says(world: &mut World) -> Vec<bool> {
    typing_heard(world).into_iter().map(|update| update.typing).collect()
}

fn key(world: &mut World) {
    world.signal(Signal::Typing(room_id(1)));
}

/// Keystrokes each 200 ms for so long.
fn type_for(world: &mut World, ms: u64) {
    for _ in 0..ms / 200 {
        key(world);
        world.run(200);
    }
}

fn presence(name: &str, state: PresenceState, last_seen: Option<i64>) -> PeerPresence {
    PeerPresence { user: user(name), state, last_seen }
}

fn types(room: RoomId, name: &str, ttl_ms: u64) -> PeerTyping {
    PeerTyping { room, user: user(name), ttl_ms }
}

fn tell(world: &mut World, presence: Vec<PeerPresence>, typing: Vec<PeerTyping>) {
    world.inject(ServerFrame::Ephemeral(Ephemeral { presence, typing, to: None }));
}

fn of(world: &World, name: &str) -> Presence {
    world.engine.presence_of(&[user(name)])[0]
}

fn typists(world: &World, room: u128) -> Vec<String> {
    world.engine.typists(room_id(room)).iter().map(ToString::to_string).collect()
}

/// The rooms that the server was last told to be watched, over the socket.
fn watched(world: &World) -> Vec<RoomId> {
    let of_frame = |frame: &ClientFrame| match frame {
        ClientFrame::Hello(hello) => Some(hello.watch.clone()),
        ClientFrame::Watch { rooms } => Some(rooms.clone()),
        _ => None,
    };
    world.server.heard.iter().rev().find_map(of_frame).unwrap_or_default()
}

#[test]
fn typing_is_told_when_it_begins_now_and_then_and_when_it_ends() {
    let mut world = with_rooms(1, 1);
    key(&mut world);
    world.settle();
    assert_eq!(says(&mut world), [true], "at once");
    type_for(&mut world, 11_600);
    assert_eq!(says(&mut world), NOTHING, "others believe it for 15 s");
    type_for(&mut world, 1_000);
    assert_eq!(says(&mut world), [true]);
    world.run(2_500);
    assert_eq!(says(&mut world), NOTHING, "a pause for thought");
    key(&mut world);
    world.run(3_500);
    assert_eq!(says(&mut world), [false], "3 s after the last key");
    world.run(60_000);
    assert_eq!(says(&mut world), NOTHING);
}

#[test]
fn a_message_ends_typing_without_a_frame_and_the_next_start_keeps_its_distance() {
    let mut world = with_rooms(2, 1);
    type_for(&mut world, 1_000);
    assert_eq!(says(&mut world), [true]);
    world.send(room_id(1), "short");
    // 1 s after the first start: the next one waits until 3 s are over.
    type_for(&mut world, 1_800);
    assert_eq!(says(&mut world), NOTHING);
    type_for(&mut world, 400);
    assert_eq!(says(&mut world), [true]);
    world.send(room_id(1), "and another");
    world.run(60_000);
    assert_eq!(says(&mut world), NOTHING, "what was sent needs no end");
}

#[test]
fn a_thousand_keys_a_second_are_a_frame_in_twelve_seconds() {
    let mut world = with_rooms(3, 1);
    let polls = world.engine.stats().polls;
    for _ in 0..20_000 {
        key(&mut world);
        world.run(1);
    }
    assert_eq!(says(&mut world), [true, true]);
    assert_eq!(world.engine.stats().polls, polls);
}

#[test]
fn typing_frames_are_at_most_a_twentieth_of_the_keystrokes() {
    let seed = 20_261_122;
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = with_rooms(seed, 1);
    let (mut keys, mut frames) = (0, 0);
    for number in 0..200 {
        // From "ok" to a paragraph; half of them have fewer than 40 characters.
        let length = 2 + (rng.f64().powi(2) * 150.0) as usize;
        for at in 0..length {
            key(&mut world);
            keys += 1;
            // 5 a second, some words apart, and now and then a thought.
            let thought = at % 6 == 5 && rng.u32(0..100) < 8;
            let pause = if thought { rng.u64(1_000..=6_000) } else { rng.u64(100..=300) };
            world.run(pause);
        }
        world.send(room_id(1), &format!("message {number}"));
        world.run(rng.u64(2_000..=20_000));
        frames += says(&mut world).len();
    }
    let ratio = frames as f64 / f64::from(keys);
    println!("typing: {frames} frames for {keys} keystrokes, {:.2} % (seed {seed})", ratio * 100.0);
    assert!(ratio <= 0.05, "{ratio}");
}

#[test]
fn in_polling_typing_rides_on_the_polls_and_causes_none() {
    let mut world = with_rooms(4, 1);
    world.signal(Signal::Ceiling(Mode::Polling));
    world.run(10_000);
    let wait = |world: &World| world.engine.poll_timeout().unwrap() - world.now.mono_ms;
    world.server.heard_syncs.clear();
    // Right after a poll.
    while world.server.heard_syncs.is_empty() {
        world.run(100);
    }
    assert!(wait(&world) > 3_000);
    world.server.heard_syncs.clear();
    type_for(&mut world, 3_000);
    assert_eq!(world.server.heard_syncs.len(), 0);
    while world.server.heard_syncs.is_empty() {
        type_for(&mut world, 200);
    }
    let typing = |world: &World| world.server.heard_syncs.last().unwrap().typing.clone();
    assert_eq!(typing(&world), [TypingUpdate { room: room_id(1), typing: true }]);
    world.server.heard_syncs.clear();
    world.run(5_000);
    assert_eq!(typing(&world), [TypingUpdate { room: room_id(1), typing: false }]);
    let polls = world.engine.stats().polls;
    world.run(60_000);
    let polls = world.engine.stats().polls - polls;
    assert!((12..=15).contains(&polls), "{polls} polls");
    assert!(world.server.heard_syncs[1..].iter().all(|sync| sync.typing.is_empty()));
}

#[test]
fn where_nobody_is_to_hear_of_it_nothing_is_told() {
    let mut world = with_rooms(5, 2);
    world.server.ephemeral_members = 3;
    world.server.change_member(room_id(2), "dora", true);
    world.cut();
    world.run(5_000);
    typing_heard(&mut world);
    for room in [room_id(2), room_id(77)] {
        world.signal(Signal::Typing(room));
    }
    world.run(1_000);
    assert_eq!(typing_heard(&mut world), [], "too many members, and a room that is none of ours");
    world.signal(Signal::Typing(room_id(1)));
    world.run(100);
    assert_eq!(typing_heard(&mut world).len(), 1);
    world.server.change_member(room_id(1), "carol", false);
    world.server.change_member(room_id(1), "bob", false);
    world.run(4_000);
    typing_heard(&mut world);
    key(&mut world);
    world.run(1_000);
    assert_eq!(typing_heard(&mut world), [], "alone");
}

#[test]
fn a_key_pressed_without_a_network_or_asleep_is_forgotten() {
    let mut world = with_rooms(6, 1);
    world.signal(Signal::AppState(AppState::Suspended));
    key(&mut world);
    world.settle();
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(5_000);
    assert_eq!(says(&mut world), NOTHING);
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    key(&mut world);
    world.run(4_000);
    world.signal(Signal::Network(Network::default()));
    world.run(20_000);
    assert_eq!(says(&mut world), NOTHING);
}

#[test]
fn open_rooms_are_watched_first_and_then_the_most_recently_active() {
    let mut world = with_rooms(7, 30);
    world.run(30_000);
    let expected: Vec<RoomId> = (11..=30).rev().map(room_id).collect();
    assert_eq!(watched(&world), expected, "each was active after the one before it");
    world.open(room_id(3));
    world.settle();
    assert_eq!(watched(&world)[0], room_id(3), "at once");
    let timeline = world.open(room_id(5));
    world.run(1_000);
    assert_eq!(watched(&world)[..3], [room_id(5), room_id(3), room_id(30)]);
    assert_eq!(watched(&world).len(), limits::WATCHED_ROOMS);
    let frames = |world: &World| {
        let heard = world.server.heard.iter();
        heard.filter(|frame| matches!(frame, ClientFrame::Watch { .. })).count()
    };
    let before = frames(&world);
    world.server.say(room_id(1), "wakes up");
    world.run(10_000);
    assert_eq!(frames(&world), before, "a list that moves is no reason for a frame");
    world.command(Command::CloseTimeline(timeline));
    world.settle();
    assert_eq!(watched(&world)[..3], [room_id(3), room_id(1), room_id(30)]);
}

#[test]
fn what_a_list_shows_is_watched_and_fast_scrolling_is_a_frame_a_second() {
    let mut world = with_rooms(17, 60);
    world.run(1_000);
    world.server.heard.clear();
    for number in 0..2_000 {
        let visible = (number % 40 + 1..number % 40 + 11).map(room_id).collect();
        world.command(Command::SetVisible(visible));
        world.run(1);
    }
    world.run(1_000);
    let frames = |world: &World| {
        let heard = world.server.heard.iter();
        heard.filter(|frame| matches!(frame, ClientFrame::Watch { .. })).count()
    };
    assert!(frames(&world) <= 4, "{} frames", frames(&world));
    let visible: Vec<RoomId> = (40..50).map(room_id).collect();
    assert_eq!(watched(&world)[..10], visible);
}

#[test]
fn an_app_that_flickers_forgets_nothing_that_is_still_told() {
    let mut world = with_rooms(18, 2);
    world.run(2_000);
    world.signal(Signal::AppState(AppState::Background));
    world.run(2_000);
    // The server is greeted, and tells everybody again. It is not greeted twice within a second.
    world.signal(Signal::AppState(AppState::Foreground));
    world.settle();
    tell(&mut world, vec![presence("bob", PresenceState::Online, None)], vec![]);
    let hellos = |world: &World| {
        let heard = world.server.heard.iter();
        heard.filter(|frame| matches!(frame, ClientFrame::Hello(_))).count()
    };
    let before = hellos(&world);
    for _ in 0..100 {
        world.signal(Signal::AppState(AppState::Background));
        world.signal(Signal::AppState(AppState::Foreground));
        world.run(1);
    }
    assert_eq!(of(&world, "bob"), Presence::Online);
    world.run(5_000);
    assert_eq!(of(&world, "bob"), Presence::Online);
    assert_eq!(hellos(&world), before);
    assert_eq!(watched(&world).len(), 2);
}

#[test]
fn nothing_is_watched_where_nobody_looks() {
    let mut world = with_rooms(8, 2);
    assert_eq!(watched(&world).len(), 2);
    world.signal(Signal::AppState(AppState::Background));
    world.settle();
    assert_eq!(watched(&world), []);
    world.run(120_000);
    assert!(world.server.heard_syncs.iter().all(|sync| sync.watch.is_none()));
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(5_000);
    assert_eq!(watched(&world).len(), 2);
}

#[test]
fn what_is_known_of_others_ends_when_the_server_is_not_heard_any_more() {
    let mut world = with_rooms(9, 1);
    let online = || vec![presence("bob", PresenceState::Online, None)];
    tell(&mut world, online(), vec![]);
    assert_eq!((of(&world, "bob"), of(&world, "carol")), (Presence::Online, Presence::Unknown));
    world.run(3_600_000);
    assert_eq!(of(&world, "bob"), Presence::Online, "an open socket tells every change");

    world.cut();
    world.run(100);
    assert_eq!(of(&world, "bob"), Presence::Online, "a reconnect is no reason to flicker");
    world.run(60_000);
    let away = vec![presence("bob", PresenceState::Away, None)];
    tell(&mut world, away, vec![]);
    assert_eq!(of(&world, "bob"), Presence::Away);

    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    assert_eq!(of(&world, "bob"), Presence::Unknown, "no network");
    world.signal(Signal::Network(Network::default()));
    world.run(5_000);
    let gone = presence("bob", PresenceState::Offline, Some(1_700));
    tell(&mut world, vec![gone], vec![]);
    assert_eq!(of(&world, "bob"), Presence::Offline { last_seen: Some(1_700) });
    world.signal(Signal::AppState(AppState::Background));
    assert_eq!(of(&world, "bob"), Presence::Unknown, "in the background");
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(5_000);
    tell(&mut world, online(), vec![types(room_id(1), "bob", 10_000)]);
    world.signal(Signal::AppState(AppState::Suspended));
    let asked = world.command(Command::Presence(vec![user("bob")]));
    world.settle();
    assert_eq!(world.replies[&asked], Ok(Reply::Presence(vec![Presence::Unknown])), "asleep");
    assert!(typists(&world, 1).is_empty());
}

#[test]
fn a_server_that_is_silent_takes_its_word_with_it() {
    let mut world = with_rooms(10, 1);
    tell(&mut world, vec![presence("bob", PresenceState::Online, None)], vec![]);
    world.cut();
    // Nobody answers: sockets and requests hang.
    let end = world.now.mono_ms + 29_000;
    while world.now.mono_ms < end {
        world.pass(end - world.now.mono_ms);
    }
    assert_eq!(of(&world, "bob"), Presence::Online);
    let end = world.now.mono_ms + 2_000;
    while world.now.mono_ms < end {
        world.pass(end - world.now.mono_ms);
    }
    assert_eq!(of(&world, "bob"), Presence::Unknown);
}

#[test]
fn polls_ask_for_what_has_changed_and_for_everything_when_a_room_is_new() {
    let mut world = with_rooms(11, 22);
    world.signal(Signal::Ceiling(Mode::Polling));
    let to = |mark: &str, presence| Ephemeral { presence, typing: vec![], to: Some(mark.into()) };
    let next = |world: &mut World| {
        world.server.heard_syncs.clear();
        while world.server.heard_syncs.is_empty() {
            world.run(100);
        }
        let watch = world.server.heard_syncs[0].watch.clone().unwrap();
        assert_eq!(watch.rooms.len(), limits::WATCHED_ROOMS);
        watch.since
    };
    assert_eq!(next(&mut world), None);
    let offline = presence("bob", PresenceState::Offline, None);
    world.server.ephemeral = Some(to("m1", vec![offline]));
    assert_eq!(next(&mut world), None);
    assert_eq!(of(&world, "bob"), Presence::Offline { last_seen: None });
    assert_eq!(next(&mut world).as_deref(), Some("m1"));
    assert_eq!(next(&mut world).as_deref(), Some("m1"), "nothing new, and the old place stands");
    world.server.ephemeral = Some(to("m2", vec![]));
    next(&mut world);
    assert_eq!(next(&mut world).as_deref(), Some("m2"));
    let timeline = world.open(room_id(1));
    assert_eq!(next(&mut world), None, "a room is new among them");
    world.server.ephemeral = Some(to("m3", vec![]));
    next(&mut world);
    assert_eq!(next(&mut world).as_deref(), Some("m3"));
    world.command(Command::CloseTimeline(timeline));
    assert_eq!(next(&mut world), None, "and another one instead");
    assert_eq!(of(&world, "bob"), Presence::Offline { last_seen: None }, "told an hour ago or now");
}

#[test]
fn polls_ask_for_everything_again_after_it_was_forgotten() {
    let offline = Network { kind: NetworkKind::None, ..Network::default() };
    let back = Signal::AppState(AppState::Foreground);
    let pauses = [
        (Signal::AppState(AppState::Background), back),
        (Signal::AppState(AppState::Suspended), back),
        (Signal::Network(offline), Signal::Network(Network::default())),
    ];
    for (gone, back) in pauses {
        let what = format!("{gone:?}");
        let mut world = with_rooms(21, 2);
        world.signal(Signal::Ceiling(Mode::Polling));
        world.run(20_000);
        let bob = || vec![presence("bob", PresenceState::Online, None)];
        let to = |mark: &str| Ephemeral { presence: bob(), typing: vec![], to: Some(mark.into()) };
        let since = |world: &World| {
            let syncs = world.server.heard_syncs.iter().rev();
            syncs.filter_map(|sync| sync.watch.clone()).map(|watch| watch.since).next()
        };
        world.server.ephemeral = Some(to("m1"));
        world.run(30_000);
        assert_eq!(since(&world), Some(Some("m1".into())), "{what}");
        assert_eq!(of(&world, "bob"), Presence::Online, "{what}");
        world.signal(gone);
        world.settle();
        assert_eq!(of(&world, "bob"), Presence::Unknown, "{what}");
        world.run(3_000);
        world.server.heard_syncs.clear();
        world.signal(back);
        while since(&world).is_none() {
            world.run(100);
        }
        assert_eq!(since(&world), Some(None), "{what}");
        world.server.ephemeral = Some(to("m2"));
        world.run(20_000);
        assert_eq!(of(&world, "bob"), Presence::Online, "{what}");
        assert_eq!(since(&world), Some(Some("m2".into())), "{what}");
    }
}

#[test]
fn polls_ask_for_everything_again_after_a_silence_of_the_server() {
    let mut world = with_rooms(22, 1);
    world.signal(Signal::Ceiling(Mode::Polling));
    let bob = vec![presence("bob", PresenceState::Online, None)];
    world.server.ephemeral =
        Some(Ephemeral { presence: bob, typing: vec![], to: Some("m1".into()) });
    world.run(30_000);
    assert_eq!(of(&world, "bob"), Presence::Online);
    // Nobody answers.
    while of(&world, "bob") != Presence::Unknown {
        world.pass(1_000);
    }
    // A poll that was on its way meanwhile hears of changes at last. They are not enough.
    world.server.heard_syncs.clear();
    world.server.ephemeral =
        Some(Ephemeral { presence: vec![], typing: vec![], to: Some("m2".into()) });
    world.run(60_000);
    let syncs = world.server.heard_syncs.iter();
    let since: Vec<_> = syncs.filter_map(|sync| sync.watch.clone()).map(|w| w.since).collect();
    assert_eq!(since[..2], [Some("m1".into()), None]);
}

#[test]
fn somebody_types_until_the_time_ends_a_message_comes_or_he_stops() {
    let mut world = with_rooms(12, 2);
    let room = room_id(1);
    tell(&mut world, vec![], vec![types(room, "bob", 10_000), types(room, "carol", 4_000)]);
    assert_eq!(typists(&world, 1), ["bob", "carol"]);
    world.run(4_000);
    assert_eq!(typists(&world, 1), ["bob"]);
    tell(&mut world, vec![], vec![types(room, "bob", 10_000)]);
    world.run(9_000);
    assert_eq!(typists(&world, 1), ["bob"], "told again, it goes on");
    tell(&mut world, vec![], vec![types(room, "bob", 0)]);
    assert!(typists(&world, 1).is_empty());
    tell(&mut world, vec![], vec![types(room, "bob", u64::MAX), types(room, "ada", 10_000)]);
    assert_eq!(typists(&world, 1), ["bob"], "never the user himself");
    world.server.say(room, "there");
    world.settle();
    assert!(typists(&world, 1).is_empty());
    tell(&mut world, vec![], vec![types(room, "bob", u64::MAX)]);
    world.run(60_000);
    assert!(typists(&world, 1).is_empty(), "nobody types for ever");
    let elsewhere = room_id(99);
    tell(&mut world, vec![], vec![types(elsewhere, "bob", 10_000)]);
    assert!(typists(&world, 99).is_empty());
}

#[test]
fn a_message_that_a_poll_brings_late_does_not_end_what_is_typed_since() {
    let mut world = with_rooms(13, 1);
    world.signal(Signal::Ceiling(Mode::Hybrid));
    world.run(10_000);
    world.signal(Signal::Ceiling(Mode::Polling));
    world.run(10_000);
    world.server.say(room_id(1), "sent before");
    world.server.ephemeral = Some(Ephemeral {
        presence: vec![],
        typing: vec![types(room_id(1), "bob", 9_000)],
        to: Some("m1".into()),
    });
    world.run(5_000);
    assert_eq!(typists(&world, 1), ["bob"]);
}

#[test]
fn who_is_in_no_watched_room_any_more_is_forgotten() {
    let mut world = with_rooms(14, 1);
    let all = ["bob", "carol"].map(|name| presence(name, PresenceState::Online, None));
    tell(&mut world, all.to_vec(), vec![]);
    world.server.change_member(room_id(1), "carol", false);
    world.run(1_000);
    assert_eq!((of(&world, "bob"), of(&world, "carol")), (Presence::Online, Presence::Unknown));
}

#[test]
fn a_server_that_tells_too_much_fills_no_memory() {
    let mut world = with_rooms(15, 1);
    let room = room_id(1);
    for crowd in 0..20 {
        let names: Vec<String> = (0..500).map(|n| format!("u{}", crowd * 500 + n)).collect();
        let news = names.iter().map(|name| presence(name, PresenceState::Online, None)).collect();
        let typing = names.iter().map(|name| types(room, name, 10_000)).collect();
        tell(&mut world, news, typing);
    }
    let all: Vec<UserId> = (0..10_000).map(|n| user(&format!("u{n}"))).collect();
    let known = world.engine.presence_of(&all);
    let known = known.iter().filter(|presence| **presence != Presence::Unknown).count();
    assert_eq!(known, limits::WATCHED_ROOMS * limits::EPHEMERAL_MEMBERS as usize);
    assert_eq!(world.engine.typists(room).len(), limits::EPHEMERAL_MEMBERS as usize);
    world.open(room);
    world.settle();
    assert_eq!(of(&world, "u0"), Presence::Unknown, "none of them is in the room");
}
