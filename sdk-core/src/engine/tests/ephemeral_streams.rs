//! Presence and typing where an event stream pushes the feed: heard on it, told beside it.

use tidewire_protocol::{
    AppState, ClientFrame, Ephemeral, Hello, PeerPresence, PeerTyping, PresenceState, RoomId,
    SyncRequest, TypingUpdate, UserId,
};

use super::streams::streaming;
use crate::engine::{Command, Presence, Signal};
use crate::simulation::room_id;
use crate::simulation::world::World;

fn bob() -> UserId {
    UserId::new("bob").unwrap()
}

fn tell(world: &mut World, state: PresenceState, ttl_ms: u64) {
    world.server.ephemeral = Some(Ephemeral {
        presence: vec![PeerPresence { user: bob(), state, last_seen: None }],
        typing: vec![PeerTyping { room: room_id(1), user: bob(), ttl_ms }],
        to: None,
    });
    world.settle();
}

fn of_bob(world: &World) -> (Presence, Vec<UserId>) {
    (world.engine.presence_of(&[bob()])[0], world.engine.typists(room_id(1)))
}

/// What the streams that were opened since the last look asked for.
fn asked(world: &mut World) -> Vec<Hello> {
    let heard = std::mem::take(&mut world.server.heard);
    let hellos = heard.into_iter().filter_map(|frame| match frame {
        ClientFrame::Hello(hello) => Some(hello),
        _ => None,
    });
    hellos.collect()
}

/// The requests that arrived since the last look, each of which only tells.
fn told(world: &mut World) -> Vec<SyncRequest> {
    let syncs = std::mem::take(&mut world.server.heard_syncs);
    let only_tells = |sync: &SyncRequest| {
        sync.cursor.is_none() && sync.watch.is_none() && sync.heartbeat_ms == 30_000
    };
    assert!(syncs.iter().all(only_tells), "{syncs:?}");
    syncs
}

fn typing(world: &mut World) -> Vec<TypingUpdate> {
    told(world).into_iter().flat_map(|sync| sync.typing).collect()
}

fn update(typing: bool) -> TypingUpdate {
    TypingUpdate { room: room_id(1), typing }
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

/// A client on a stream, where nothing is to be told.
fn quiet(seed: u64) -> World {
    let mut world = streaming(seed);
    world.run(30_000);
    world.server.heard_syncs.clear();
    world
}

#[test]
fn a_stream_tells_of_others_as_a_socket_does_and_what_it_told_ends_with_it() {
    let mut world = streaming(1);
    let hello = asked(&mut world).pop().unwrap();
    assert_eq!((hello.watch, hello.app_state), (vec![room_id(1)], AppState::Foreground));
    assert_ne!(hello.device, 0);
    tell(&mut world, PresenceState::Online, 10_000);
    assert_eq!(of_bob(&world), (Presence::Online, vec![bob()]));
    world.run(3_600_000);
    assert_eq!(of_bob(&world), (Presence::Online, vec![]), "an open stream tells every change");

    // It breaks, and nothing answers any more.
    world.cut_stream();
    let silence = |world: &mut World, ms| {
        let end = world.now.mono_ms + ms;
        while world.now.mono_ms < end {
            world.pass(end - world.now.mono_ms);
        }
    };
    silence(&mut world, 29_000);
    assert_eq!(of_bob(&world).0, Presence::Online, "a reconnect is no reason to flicker");
    silence(&mut world, 2_000);
    assert_eq!(of_bob(&world).0, Presence::Unknown);
}

#[test]
fn other_rooms_are_watched_by_another_stream_that_goes_on_from_the_cursor() {
    for seed in 0..5 {
        let mut world = streaming(seed);
        let rooms: Vec<RoomId> = (1..=60).map(room_id).collect();
        rooms[1..].iter().for_each(|room| world.server.join(*room));
        world.run(60_000);
        let last = asked(&mut world).pop().unwrap();
        assert_eq!(last.watch, world.engine.watching.rooms());
        let before = world.engine.stats().clone();
        // Ten seconds of fast scrolling, while others speak.
        for n in 0..1_000 {
            world.command(Command::SetVisible(rooms[n % 40..n % 40 + 10].to_vec()));
            if n % 10 == 0 {
                world.server.say(rooms[n % 60], "while it scrolls");
            }
            world.run(10);
        }
        let since = world.engine.stats().since(&before);
        assert!((5..=11).contains(&since.streams), "one a second: {since:?}");
        world.run(5_000);
        let last = asked(&mut world).pop().unwrap();
        let set =
            |rooms: &[RoomId]| rooms.iter().copied().collect::<std::collections::BTreeSet<_>>();
        let shown = set(&rooms[39..49]);
        assert!(shown.is_subset(&set(&last.watch)), "what is shown at last is watched");
        assert_eq!(world.engine.cursor(), Some(&world.server.head()));
        world.check_events();
        let since = world.engine.stats().since(&before);
        assert_eq!((since.events, since.events_repeated, since.pages_dropped), (100, 0, 0));
        assert_eq!(since.polls, 0, "one reader at a time, and it is the stream");
    }
}

#[test]
fn a_stream_that_is_slow_to_open_brings_the_feed_forward_before_another_one_takes_its_place() {
    let mut world = streaming(2);
    (2..=30).for_each(|number| world.server.join(room_id(number)));
    world.run(60_000);
    let before = world.engine.stats().clone();
    for n in 0..30 {
        world.server.say(room_id(1), &format!("{n}"));
        world.command(Command::SetVisible(vec![room_id(n % 9 + 2)]));
        // Whatever opens takes longer than the calm.
        for _ in 0..15 {
            world.settle_but_streams();
            world.pass(100);
        }
        // By then something else is shown than it was asked for.
        world.command(Command::SetVisible(vec![room_id(n % 9 + 3)]));
        world.open_stream();
        while world.stream_step() | world.stream_arrival() {}
        assert_eq!(world.engine.cursor(), Some(&world.server.head()));
    }
    assert_eq!(world.engine.stats().since(&before).polls, 0);
}

#[test]
fn the_app_in_the_background_is_told_at_once_and_nothing_is_watched_there() {
    let mut world = quiet(3);
    asked(&mut world);
    world.signal(Signal::AppState(AppState::Background));
    world.settle();
    let hello = asked(&mut world).pop().unwrap();
    assert_eq!((hello.watch, hello.app_state), (vec![], AppState::Background));
    world.signal(Signal::AppState(AppState::Foreground));
    world.run(1_000);
    let hello = asked(&mut world).pop().unwrap();
    assert_eq!((hello.watch, hello.app_state), (vec![room_id(1)], AppState::Foreground));
}

#[test]
fn beside_a_stream_typing_is_told_by_requests_that_read_nothing_and_by_few() {
    let mut world = quiet(4);
    let polls = world.engine.stats().polls;
    key(&mut world);
    world.settle();
    assert_eq!(typing(&mut world), [update(true)], "at once");
    type_for(&mut world, 11_600);
    assert_eq!(typing(&mut world), [], "others believe it for 15 s");
    type_for(&mut world, 1_000);
    assert_eq!(typing(&mut world), [update(true)]);
    world.run(3_500);
    assert_eq!(typing(&mut world), [update(false)]);
    world.run(10_000);
    type_for(&mut world, 1_000);
    assert_eq!(typing(&mut world), [update(true)]);
    world.send(room_id(1), "short");
    type_for(&mut world, 1_800);
    assert_eq!(typing(&mut world), [], "the next start is 3 s after the last one");
    type_for(&mut world, 400);
    assert_eq!(typing(&mut world), [update(true)]);
    for _ in 0..20_000 {
        key(&mut world);
        world.run(1);
    }
    assert!(told(&mut world).len() <= 2);
    assert_eq!(world.engine.stats().polls, polls);
}

/// Time in which no answer comes; the timers must not spin.
fn nothing_comes(world: &mut World, ms: u64) {
    let end = world.now.mono_ms + ms;
    let mut steps = 0;
    while world.now.mono_ms < end {
        world.pass(end - world.now.mono_ms);
        steps += 1;
        assert!(steps < 100, "timers that are due for ever");
    }
}

#[test]
fn receipts_and_typing_ride_on_one_request() {
    let mut world = quiet(5);
    let event = world.server.say(room_id(1), "one");
    world.settle();
    assert_eq!(told(&mut world).len(), 1, "delivered");
    world.command(Command::MarkRead(room_id(1), event.seq));
    world.settle();
    assert_eq!(told(&mut world), [], "not so soon, for its own sake");
    key(&mut world);
    world.settle();
    let syncs = told(&mut world);
    assert_eq!(syncs.len(), 1);
    assert_eq!((&syncs[0].typing[..], syncs[0].receipts.len()), (&[update(true)][..], 1));

    world.run(10_000);
    told(&mut world);
    // While a request is on its way both wait, and then they go together.
    key(&mut world);
    let event = world.server.say(room_id(1), "two");
    while world.stream_step() | world.stream_arrival() | world.store_step() {}
    world.command(Command::MarkRead(room_id(1), event.seq));
    while world.store_step() {}
    nothing_comes(&mut world, 4_000);
    assert_eq!(world.requests.len(), 1, "nothing overtakes it");
    world.settle();
    let syncs = told(&mut world);
    assert_eq!(syncs.len(), 2, "{syncs:?}");
    assert_eq!((&syncs[1].typing[..], syncs[1].receipts.len()), (&[update(false)][..], 1));
}

#[test]
fn typing_that_a_stream_took_with_it_is_told_again() {
    let mut world = quiet(6);
    type_for(&mut world, 4_000);
    assert_eq!(typing(&mut world), [update(true)]);
    world.cut_stream();
    world.run(100);
    assert!(world.has_stream());
    key(&mut world);
    world.settle();
    // By the poll that fills in for the stream, or beside the next one.
    let syncs = std::mem::take(&mut world.server.heard_syncs);
    let typing: Vec<_> = syncs.into_iter().flat_map(|sync| sync.typing).collect();
    assert_eq!(typing, [update(true)]);
}
