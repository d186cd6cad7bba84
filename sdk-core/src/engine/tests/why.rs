//! Explanations: true at every moment, and told whatever stands in the way.

use tidewire_protocol::{AppState, EventId, Mode, RoomId, Seq, ServerFrame, WireError};
use uuid::Uuid;

use super::model::room_id;
use super::world::World;
use crate::engine::{
    Budget, Command, Fact, Lift, MessageState, Network, NetworkKind, Reason, Reply, Signal,
    StoreStage, Subject, TokenStage, Vehicle, Way, Why,
};
use crate::error::Error;

fn awake(seed: u64) -> World {
    let mut world = World::new(seed);
    world.server.join(room_id(1));
    world.settle();
    world
}

fn ask(world: &mut World, subject: Subject) -> Result<Why, Error> {
    let command = world.command(Command::Why(subject));
    while !world.replies.contains_key(&command) {
        assert!(world.store_step(), "never answered");
    }
    match world.replies.remove(&command).unwrap() {
        Ok(Reply::Why(why)) => Ok(*why),
        Err(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

fn why(world: &mut World, subject: Subject) -> Why {
    let why = ask(world, subject).unwrap();
    assert!(why.sentence.ends_with('.') && !why.sentence.contains("  "), "{}", why.sentence);
    why
}

fn network(kind: NetworkKind) -> Signal {
    Signal::Network(Network { kind, ..Network::default() })
}

fn ceilings(why: &Why) -> Vec<(Reason, Mode, bool, u64)> {
    let ceiling = |fact: &Fact| match fact {
        Fact::Ceiling { signal, allows, binds, for_ms, .. } => {
            Some((*signal, *allows, *binds, *for_ms))
        }
        _ => None,
    };
    why.facts.iter().filter_map(ceiling).collect()
}

#[test]
fn the_mode_is_explained_by_all_ceilings_of_which_one_binds() {
    let mut world = awake(1);
    let free = why(&mut world, Subject::Mode);
    assert_eq!(free.facts[0], Fact::Mode { mode: Mode::RealTime, reason: Reason::Unbound });
    assert!(
        ceilings(&free).iter().all(|(_, allows, binds, _)| { *allows == Mode::RealTime && !binds })
    );
    assert_eq!(free.sentence, "Real-time because nothing limits it.");

    world.signal(network(NetworkKind::Cellular2G));
    world.signal(Signal::Power { low: true });
    world.run(7_000);
    let bound = why(&mut world, Subject::Mode);
    assert_eq!(ceilings(&bound).len(), ceilings(&free).len());
    let binding: Vec<_> = ceilings(&bound).into_iter().filter(|(_, _, binds, _)| *binds).collect();
    assert_eq!(binding, [(Reason::Network(NetworkKind::Cellular2G), Mode::Polling, true, 7_000)]);
    assert!(bound.facts.iter().any(|fact| matches!(
        fact,
        Fact::Ceiling {
            signal: Reason::LowPower,
            binds: false,
            lifted_by: Lift::PowerSavingOff,
            ..
        }
    )));
    assert_eq!(
        bound.sentence,
        "Polling because the network is 2G; without that it would be hybrid because the device \
         saves power; another network would lift it."
    );
}

#[test]
fn a_change_that_the_crowd_asks_for_is_announced() {
    let mut world = awake(2);
    let policy = None;
    world.inject(ServerFrame::Policy { online: 300, policy });
    let waiting = why(&mut world, Subject::Mode);
    assert!(
        waiting.facts.iter().any(|fact| matches!(
            fact,
            Fact::Spread { towards: Mode::Hybrid, in_ms } if *in_ms <= 10_000
        )),
        "{:?}",
        waiting.facts
    );
    world.run(10_000);
    let there = why(&mut world, Subject::Mode);
    assert!(
        there.facts.iter().any(|fact| matches!(
            fact,
            Fact::Ceiling { binds: true, lifted_by: Lift::Audience { at_most: 39 }, .. }
        )),
        "{:?}",
        there.facts
    );
    assert!(there.sentence.contains("39 users or fewer"), "{}", there.sentence);
}

#[test]
fn a_message_in_the_queue_tells_its_place_and_what_it_waits_for() {
    let mut world = awake(3);
    let room = room_id(1);
    world.signal(network(NetworkKind::None));
    let ids: Vec<EventId> = (0..3).map(|n| world.send(room, &format!("{n}"))).collect();
    let writing = why(&mut world, Subject::Message(room, ids[2]));
    assert!(writing.facts.contains(&Fact::Writing), "{:?}", writing.facts);
    world.settle();
    let waiting = why(&mut world, Subject::Message(room, ids[2]));
    assert_eq!(waiting.facts[0], Fact::Message { state: MessageState::Sending });
    assert!(waiting.facts.contains(&Fact::Queue { position: 3, ahead: Some(ids[1]) }));
    assert_eq!(
        waiting.sentence,
        format!(
            "Sending: third in the queue of this room, behind {}, which waits for the network.",
            ids[1]
        )
    );
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    let resting = why(&mut world, Subject::Message(room, ids[0]));
    assert!(resting.facts.contains(&Fact::Suspended), "from memory: {:?}", resting.facts);
}

#[test]
fn a_message_on_its_way_tells_what_carries_it_and_since_when() {
    let mut world = awake(4);
    let room = room_id(1);
    let id = world.send(room, "by socket");
    world.store_step();
    world.pass(50);
    let by_socket = why(&mut world, Subject::Message(room, id));
    let flight = Fact::InFlight { vehicle: Vehicle::Socket, for_ms: 50 };
    assert!(by_socket.facts.contains(&flight), "{:?}", by_socket.facts);
    assert_eq!(by_socket.sentence, "Sending: on its way over the socket for 50 ms.");
    world.settle();

    world.signal(Signal::Ceiling(Mode::Polling));
    world.settle();
    let first = world.send(room, "by poll");
    while world.store_step() {}
    let second = world.send(room, "too late for it");
    while world.store_step() {}
    let by_poll = why(&mut world, Subject::Message(room, first));
    let flight = Fact::InFlight { vehicle: Vehicle::Poll, for_ms: 0 };
    assert!(by_poll.facts.contains(&flight), "{:?}", by_poll.facts);
    let behind = why(&mut world, Subject::Message(room, second));
    assert!(behind.facts.contains(&Fact::BehindFlight { for_ms: 0 }), "{:?}", behind.facts);
    world.lose(0, false);
    let backoff = why(&mut world, Subject::Message(room, first));
    assert!(
        backoff
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::Backoff { way: Way::Requests, failures: 1, .. })),
        "{:?}",
        backoff.facts
    );
    assert!(backoff.sentence.contains("next try in"), "{}", backoff.sentence);
}

#[test]
fn a_failed_message_tells_the_servers_words_and_those_behind_it_what_they_wait_for() {
    let mut world = awake(5);
    let room = room_id(1);
    world.signal(Signal::Ceiling(Mode::Polling));
    world.settle();
    let first = world.send(room, "no");
    let second = world.send(room, "behind");
    while world.store_step() {}
    let (id, _) = world.requests.remove(0);
    let code = tidewire_protocol::ErrorCode::Forbidden;
    let error = WireError::new(code, "not here");
    let outcome = tidewire_protocol::OpOutcome::Refused { error };
    let results = vec![tidewire_protocol::OpResult { id: first, outcome }];
    let results = vec![tidewire_protocol::Sent { room, results, error: None }];
    let response = tidewire_protocol::SyncResponse {
        page: None,
        results,
        online: 2,
        policy: None,
        now: 0,
        ephemeral_members: 100,
        max_upload_bytes: 50 * 1024 * 1024,
        ephemeral: None,
    };
    world.respond(id, Ok(crate::engine::Response::Sync(response)));
    while world.store_step() {}
    let failed = why(&mut world, Subject::Message(room, first));
    assert_eq!(
        failed.sentence,
        "Failed: the server refused it (forbidden: not here); retry or discard it."
    );
    let waiting = why(&mut world, Subject::Message(room, second));
    assert!(waiting.facts.contains(&Fact::WaitsFor { id: first }), "{:?}", waiting.facts);
    assert_eq!(waiting.facts[0], Fact::Message { state: MessageState::Waiting(first) });
}

#[test]
fn a_message_in_the_log_tells_how_far_the_others_are_wherever_it_is() {
    let mut world = awake(6);
    let room = room_id(1);
    let id = world.send(room, "mine");
    world.settle();
    let update =
        |delivered: Option<Seq>, read| tidewire_protocol::ReceiptUpdate { room, delivered, read };
    world.server.put_receipt("bob", update(Some(Seq::new(2)), None));
    world.settle();
    // On disk only.
    let delivered = why(&mut world, Subject::Message(room, id));
    assert_eq!(delivered.facts[0], Fact::Message { state: MessageState::Delivered });
    assert!(delivered.facts.contains(&Fact::Receipts { delivered: 1, read: 0, of: 1 }));
    let timeline = world.open(room);
    world.settle();
    // In an open window: the same as it shows.
    let shown = world.rows[&timeline].iter().filter_map(|row| row.message()).find(|m| m.id == id);
    assert_eq!(delivered.facts[0], Fact::Message { state: shown.unwrap().state.clone() });
    assert_eq!(why(&mut world, Subject::Message(room, id)), delivered);

    let of_bob = world.server.say(room, "his").id;
    world.settle();
    let his = why(&mut world, Subject::Message(room, of_bob));
    assert_eq!(his.sentence, "Sent: at 3 of the room; bob sent it.");
}

#[test]
fn what_is_not_known_is_a_typed_error() {
    let mut world = awake(7);
    let (room, id) = (room_id(1), EventId::from_uuid(Uuid::from_u128(1)));
    let (unknown, elsewhere) = (Error::UnknownMessage(id), RoomId::from_uuid(Uuid::nil()));
    assert_eq!(ask(&mut world, Subject::Message(room, id)), Err(unknown.clone()));
    assert_eq!(ask(&mut world, Subject::Message(elsewhere, id)), Err(unknown.clone()));
    assert_eq!(ask(&mut world, Subject::Room(elsewhere)), Err(Error::UnknownRoom(elsewhere)));
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    assert_eq!(ask(&mut world, Subject::Message(room, id)), Err(unknown));
    assert!(ask(&mut world, Subject::Room(room)).is_ok());
    let mut world = World::new(8);
    world.signal(Signal::AppState(AppState::Suspended));
    assert_eq!(ask(&mut world, Subject::Room(room)), Err(Error::Suspended));
    assert!(ask(&mut world, Subject::Mode).is_ok());
}

#[test]
fn a_room_is_complete_and_fresh_where_the_feed_is_pushed_and_says_what_it_waits_for_elsewhere() {
    let mut world = awake(9);
    let room = room_id(1);
    world.open(room);
    world.settle();
    let pushed = why(&mut world, Subject::Room(room));
    assert_eq!(pushed.facts, [Fact::Room { complete: true, fresh: true }, Fact::Pushed]);
    assert_eq!(pushed.sentence, "Complete and fresh: the feed is pushed.");

    world.signal(Signal::Ceiling(Mode::Polling));
    world.run(100);
    world.pass(900);
    let polled = why(&mut world, Subject::Room(room));
    assert_eq!(polled.facts[0], Fact::Room { complete: true, fresh: true });
    assert!(polled.facts.contains(&Fact::LastRead { ms_ago: Some(1_000) }), "{:?}", polled.facts);
    assert!(polled.facts.iter().any(|fact| matches!(fact, Fact::NextRead { .. })));

    world.signal(network(NetworkKind::None));
    world.pass(60_000);
    let offline = why(&mut world, Subject::Room(room));
    assert_eq!(offline.facts[0], Fact::Room { complete: true, fresh: false });
    assert!(offline.sentence.contains("it waits for the network; read 61 s ago"), "{offline:?}");
}

#[test]
fn a_room_tells_its_gaps_and_what_may_have_changed() {
    let mut world = awake(10);
    let room = room_id(1);
    world.open(room);
    world.settle();
    world.signal(network(NetworkKind::None));
    world.settle();
    for n in 0..200 {
        world.server.say(room, &format!("{n}"));
    }
    world.signal(network(NetworkKind::Wifi));
    world.run(2_000);
    let gap = why(&mut world, Subject::Room(room));
    assert!(gap.facts.contains(&Fact::Gap { from: Seq::new(2), to: Seq::new(150) }), "{gap:?}");
    assert_eq!(gap.facts[0], Fact::Room { complete: false, fresh: false });
    assert!(gap.sentence.starts_with("Incomplete: 2 to 150 are not here"), "{}", gap.sentence);

    world.signal(network(NetworkKind::None));
    world.engine.rooms.get_mut(&room).unwrap().stale.insert(1, 1);
    let stale = why(&mut world, Subject::Room(room));
    assert!(stale.facts.contains(&Fact::Stale { from: Seq::new(1), to: Seq::new(1) }), "{stale:?}");
}

#[test]
fn a_disk_that_fails_and_a_token_that_is_missing_are_told() {
    let mut world = awake(11);
    let room = room_id(1);
    world.failing_commits = 1;
    world.server.say(room, "a");
    world.settle();
    let mode = why(&mut world, Subject::Mode);
    assert!(
        mode.facts.iter().any(|fact| matches!(
            fact,
            Fact::Store { stage: StoreStage::Failed, retry_in_ms: Some(_) }
        )),
        "{mode:?}"
    );
    assert!(mode.sentence.contains("the disk, which failed; next try in"), "{}", mode.sentence);

    let mut world = World::new(12);
    while world.store_step() {}
    let asked = why(&mut world, Subject::Mode);
    let token = Fact::Token { stage: TokenStage::Asked, retry_in_ms: None };
    assert!(asked.facts.contains(&token), "{asked:?}");
}

#[test]
fn what_the_budget_holds_back_is_told() {
    let mut world = awake(13);
    world.signal(Signal::Budget(Budget { max_wakeups_per_hour: Some(0), ..Budget::default() }));
    world.run(60_000);
    let mode = why(&mut world, Subject::Mode);
    assert_eq!(mode.facts[0], Fact::Mode { mode: Mode::Polling, reason: Reason::Budget });
    assert!(mode.sentence.contains("a larger budget would lift it"), "{}", mode.sentence);
    let room = why(&mut world, Subject::Room(room_id(1)));
    assert!(room.facts.contains(&Fact::HeldBack { in_ms: None }), "{room:?}");
}

/// Whatever the moment, an explanation agrees with what the engine shows.
#[test]
fn at_any_moment_of_a_random_schedule_the_first_fact_is_the_truth() {
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut world = awake(seed);
        let room = room_id(1);
        let timeline = world.open(room);
        let mut sent: Vec<EventId> = Vec::new();
        for _ in 0..120 {
            match rng.u32(0..12) {
                0 => sent.push(world.send(room, "mine")),
                1 => drop(world.server.say(room, "his")),
                2 => world.cut(),
                3 => world.signal(network([NetworkKind::None, NetworkKind::Wifi][rng.usize(0..2)])),
                4 => {
                    let modes = [Mode::RealTime, Mode::Hybrid, Mode::Polling];
                    world.signal(Signal::Ceiling(modes[rng.usize(0..3)]));
                }
                5 if !world.requests.is_empty() => world.lose(0, rng.bool()),
                6 if !world.requests.is_empty() => world.answer(0),
                7 => drop(world.grant_token() | world.open_socket()),
                8 => drop(world.server_step() | world.client_step()),
                9 => drop(world.store_step()),
                _ => world.pass(rng.u64(1..5_000)),
            }
            let mode = why(&mut world, Subject::Mode);
            let report = world.engine.mode();
            let first = Fact::Mode { mode: report.mode, reason: report.reason };
            assert_eq!(mode.facts[0], first, "seed {seed}");
            why(&mut world, Subject::Room(room));
            while world.store_step() {}
            // A window that waits for the end of a burst shows less than is known.
            let shown = world.rows.get(&timeline).cloned().unwrap_or_default();
            for message in shown.iter().filter_map(|row| row.message()).filter(|m| m.seq.is_none())
            {
                let told = why(&mut world, Subject::Message(room, message.id));
                let agrees = matches!(&told.facts[0], Fact::Message { state }
                    if *state == message.state || state.is_sent());
                assert!(agrees, "seed {seed}: {told:?}, {:?}", message.state);
            }
        }
    }
}

#[test]
fn a_mode_that_a_stream_carries_says_so_and_a_room_on_it_is_fresh() {
    let mut world = World::new(31);
    world.sockets_work = false;
    world.server.join(room_id(1));
    world.run(60_000);
    let carried = why(&mut world, Subject::Mode);
    assert_eq!(carried.facts[0], Fact::Mode { mode: Mode::RealTime, reason: Reason::EventStream });
    let binds: Vec<_> = ceilings(&carried).into_iter().filter(|(.., binds, _)| *binds).collect();
    assert!(matches!(binds[..], [(Reason::EventStream, Mode::RealTime, true, _)]), "{binds:?}");
    let start =
        "Real-time because sockets fail on this network, and an event stream does their work";
    assert!(carried.sentence.starts_with(start), "{}", carried.sentence);
    assert!(carried.sentence.contains("the socket"), "when one is tried: {}", carried.sentence);
    let room = why(&mut world, Subject::Room(room_id(1)));
    assert_eq!(room.facts[0], Fact::Room { complete: true, fresh: true }, "{}", room.sentence);
}
