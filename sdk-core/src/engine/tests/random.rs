//! Random schedules: whatever the network, the disk and the modes do, what is on disk is true at
//! every commit, and in the end the client has what the server has.

use std::collections::BTreeMap;

use tidewire_protocol::{
    AppState, EventId, EventKind, Mode, Receipt, ReceiptUpdate, RoomId, Seq, UserId,
};

use super::model::room_id;
use super::world::World;
use crate::engine::{
    Command, CommandId, MessageState, Network, NetworkKind, PartNews, Phase, RoomRow, Row,
    SendOptions, Signal, TimelineId,
};
use crate::simulation::any_change;

/// `TIDEWIRE_SEEDS=n` runs n of them, `TIDEWIRE_SEED=n` runs that one.
const SEEDS: u64 = 400;
const STEPS: u32 = 300;

#[test]
fn any_schedule_of_faults_and_switches_ends_with_the_servers_log() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("TIDEWIRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEWIRE_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(|| run(seed));
        assert!(result.is_ok(), "failed with TIDEWIRE_SEED={seed}");
    }
}

fn run(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::new(seed);
    let rooms: Vec<RoomId> = (1..=4).map(room_id).collect();
    for room in &rooms[..2] {
        world.server.join(*room);
    }
    // Every third one stays on a network where sockets fail, most of the time.
    let blocked = seed.is_multiple_of(3);
    if blocked {
        world.sockets_work = false;
        world.run(60_000);
    }
    world.settle();
    let mut sent: Vec<(RoomId, EventId)> = Vec::new();
    // Those with files that do not hold their place.
    let mut with_files: Vec<(RoomId, EventId, CommandId)> = Vec::new();
    world.server.upload_part_bytes = 1_000;
    let mut said = 0;
    // What the user has read.
    let mut marks: Vec<(CommandId, RoomId, Seq)> = Vec::new();
    for step in 0..STEPS {
        let room = rooms[rng.usize(0..rooms.len())];
        match rng.u32(0..if blocked { 142 } else { 122 }) {
            100..103 => {
                let seq = Seq::new(rng.u64(0..60));
                // Cut to the head that the client knows. One that loads anew is about to know another.
                let ready = world.engine.phase == Phase::Ready;
                let known = world.engine.rooms.get(&room).filter(|_| ready);
                let head = known.map_or(Seq::ZERO, |room| room.state.head_seq);
                marks.push((world.command(Command::MarkRead(room, seq)), room, seq.min(head)));
            }
            // Others, and another device of the user's.
            103..108 => {
                let name = ["bob", "eve", "ada"][rng.usize(0..3)];
                let mark = Some(Seq::new(rng.u64(0..60)));
                let (delivered, read) = if rng.bool() { (mark, None) } else { (None, mark) };
                world.server.put_receipt(name, ReceiptUpdate { room, delivered, read });
            }
            // The user and others change what was said.
            110..122 => {
                let Some(target) = world.server.any_message(&mut rng, room) else { continue };
                said += 1;
                let (kind, content) = any_change(&mut rng, target, said);
                if rng.bool() {
                    let of_message = kind == EventKind::Message;
                    let (id, _) = world.operate(room, kind, &content);
                    sent.extend(of_message.then_some((room, id)));
                } else {
                    let who = UserId::new(["bob", "eve", "ada"][rng.usize(0..3)]).unwrap();
                    world.server.change(room, &who, kind, content);
                }
            }
            122 => world.sockets_work = rng.u32(0..4) == 0,
            123 => world.streams_work = !world.streams_work,
            124 => world.cut_stream(),
            125..142 => drop(world.open_stream() | world.stream_step() | world.stream_arrival()),
            108..110 => world.server.change_member(room, "eve", rng.bool()),
            0..20 => {
                let burst = if rng.u32(0..30) == 0 { 80 } else { rng.u32(1..4) };
                for _ in 0..burst {
                    said += 1;
                    world.server.say(room, &format!("{said}"));
                }
            }
            26..28 => {
                let ordered = rng.bool();
                let options = SendOptions { ordered, ..SendOptions::default() };
                let sizes = (0..rng.usize(1..4)).map(|_| rng.usize(1..3_500));
                let files = sizes.map(|size| vec![7; size]).collect();
                let (id, command) = world.send_files(room, "files", files, options);
                match ordered {
                    true => sent.push((room, id)),
                    false => with_files.push((room, id, command)),
                }
            }
            20..26 => {
                let id = world.send(room, &format!("mine {step}"));
                sent.push((room, id));
            }
            28..30 => world.server.join(room),
            30..33 => {
                world.open(room);
            }
            33..37 => {
                let modes = [Mode::RealTime, Mode::Hybrid, Mode::Polling];
                let lowest = if blocked && rng.bool() { 1 } else { 3 };
                world.signal(Signal::Ceiling(modes[rng.usize(0..lowest)]));
            }
            37..39 => {
                let states = [AppState::Foreground, AppState::Background, AppState::Suspended];
                world.signal(Signal::AppState(states[rng.usize(0..3)]));
            }
            39..41 if !blocked => {
                let kinds = [NetworkKind::None, NetworkKind::Wifi, NetworkKind::Cellular2G];
                let kind = kinds[rng.usize(0..3)];
                world.signal(Signal::Network(Network { kind, ..Network::default() }));
            }
            41..44 => world.cut(),
            44..46 => world.failing_commits = rng.u32(0..3),
            46 => {
                world.server.expired_below = world.server.ord(&world.server.head());
            }
            47 => {
                world.restart(seed.wrapping_add(u64::from(step)));
                if blocked {
                    // Until it knows again.
                    world.run(60_000);
                }
            }
            48..52 if !world.requests.is_empty() => {
                let index = rng.usize(0..world.requests.len());
                world.lose(index, rng.bool());
            }
            52..62 if !world.requests.is_empty() => {
                let index = rng.usize(0..world.requests.len());
                world.answer(index);
            }
            62..72 => drop(world.store_step()),
            72..80 => drop(world.server_step() | world.stream_step()),
            80..90 => drop(world.client_step() | world.stream_arrival()),
            90..94 => drop(world.grant_token() | world.open_socket() | world.open_stream()),
            94 | 95 => drop(world.put_step()),
            96 if !world.puts.is_empty() => {
                let news = match rng.bool() {
                    true => PartNews::Trouble("lost".into()),
                    false => PartNews::Refused { status: 403 },
                };
                world.lose_put(rng.bool(), news);
            }
            _ => world.pass(rng.u64(1..20_000)),
        }
    }
    // The faults end. Nobody helps.
    world.sockets_work = rng.bool();
    world.streams_work = rng.bool();
    world.failing_commits = 0;
    world.server.expired_below = 0;
    world.signal(Signal::Network(Network::default()));
    world.signal(Signal::AppState(AppState::Foreground));
    world.signal(Signal::Ceiling([Mode::RealTime, Mode::Hybrid, Mode::Polling][rng.usize(0..3)]));
    world.run(120_000);

    assert_eq!(world.engine.cursor(), Some(&world.server.head()), "read to the head");
    world.check_store();
    world.check_events();
    let stored = world.start();
    assert!(stored.outbox.is_empty(), "nothing is stuck: {:?}", stored.outbox);
    for room in &rooms {
        let log: Vec<EventId> = world
            .server
            .rooms
            .get(room)
            .map_or_else(Vec::new, |room| room.log.iter().map(|event| event.id).collect());
        let mut arrived: Vec<EventId> = Vec::new();
        for id in &log {
            if sent.iter().any(|(_, sent)| sent == id) {
                assert!(!arrived.contains(id), "arrived twice");
                arrived.push(*id);
            }
        }
        // What was accepted by `send` (its reply was Ok) arrived, in the order of sending.
        let mine: Vec<EventId> = sent
            .iter()
            .filter(|(to, id)| to == room && log.contains(id))
            .map(|(_, id)| *id)
            .collect();
        assert_eq!(arrived, mine, "order of sending");
    }
    for (room, id, command) in with_files {
        let log = world.server.rooms.get(&room).map_or(&[][..], |room| &room.log);
        let times = log.iter().filter(|event| event.id == id).count();
        let done = matches!(world.replies.get(&command), Some(Ok(_)));
        assert!(times <= 1 && (!done || times == 1), "{id}, {done}: {times} times in the log");
    }
    assert!(world.copies.is_empty(), "copies of {:?} are left", world.copies.keys());
    let receipts = world.stored_receipts();
    check_receipts(&world, &stored.rooms, &receipts);
    for (command, room, seq) in marks {
        if matches!(world.replies.get(&command), Some(Ok(_))) {
            let read = world.server.receipt(room, "ada").read;
            assert!(read >= seq, "{seq} of {room} was marked, {read} is told");
        }
    }
    for rows in world.rows.values() {
        let waiting = rows.iter().filter_map(Row::message).filter(|m| m.seq.is_none()).count();
        assert_eq!(waiting, 0, "an open timeline still shows a message on its way");
    }
}

/// In the end the client and the server agree on how far everybody is, and on what follows from it.
fn check_receipts(world: &World, stored: &[RoomRow], receipts: &BTreeMap<RoomId, Vec<Receipt>>) {
    for row in stored {
        let room = row.state.id;
        let told: Vec<Receipt> = world.server.rooms[&room]
            .receipts
            .values()
            .map(|(receipt, _)| receipt.clone())
            .collect();
        assert_eq!(receipts[&room], told, "{room}");
        let own = world.server.receipt(room, "ada");
        let log = &world.server.rooms[&room].log;
        let of_others = log.iter().filter(|event| event.sender != world.user);
        let last = of_others.map(|event| event.seq).max().unwrap_or_default();
        assert!(own.delivered >= last, "{own:?} of {last} in {room}");
        let head = &world.engine.rooms[&room];
        if let Some(base) = head.state.unread_base {
            assert!(base.read >= own.read, "a base for what was read before");
            assert_eq!(base.unread, world.server.unread(room, base.read, base.as_of));
        }
    }
    for (timeline, rows) in &world.rows {
        check_states(world, *timeline, rows);
    }
}

fn check_states(world: &World, timeline: TimelineId, rows: &[Row]) {
    for message in rows.iter().filter_map(Row::message) {
        let Some(seq) = message.seq else { continue };
        let receipts = world.server.rooms[&message.room].receipts.values();
        let others = || receipts.clone().filter(|(receipt, _)| receipt.user != message.sender);
        let expected = if message.sender != world.user {
            MessageState::Sent
        } else if others().all(|(receipt, _)| receipt.read >= seq) {
            MessageState::Read
        } else if others().all(|(receipt, _)| receipt.delivered >= seq) {
            MessageState::Delivered
        } else {
            MessageState::Sent
        };
        assert_eq!(message.state, expected, "{seq} of {} in {timeline:?}", message.room);
    }
}
