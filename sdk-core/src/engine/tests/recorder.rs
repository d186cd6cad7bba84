//! What is recorded replays to the same decisions, and tells no secrets.

use tidewire_protocol::{
    AppState, Ephemeral, Mode, PeerPresence, PeerTyping, PresenceState, ReceiptUpdate, RoomId, Seq,
    ServerFrame, UserId,
};

use super::model::room_id;
use super::world::World;
use crate::engine::{
    Budget, Command, Input, ListId, Network, NetworkKind, PartNews, RoomFilter, RoomListQuery,
    RoomSort, SendOptions, SettingsChange, Signal, Subject, TokenError, TokenInfo, Traffic,
};
use crate::simulation::any_change;
use crate::trace::{Recording, Replayed, Tape, TraceError, replay};

/// `TIDEWIRE_SEEDS=n` runs n of them, `TIDEWIRE_SEED=n` runs that one.
const SEEDS: u64 = 150;
const STEPS: u32 = 250;

/// Words that people said. None of them may be found.
const SAID: &[&str] = &["mulberry", "hedgehog", "lighthouse"];

fn run(seed: u64, recording: Recording) -> String {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut world = World::new(seed);
    world.tape = Some(Tape::new(recording));
    world.restart(seed);
    let rooms: Vec<RoomId> = (1..=4).map(room_id).collect();
    world.server.join(rooms[0]);
    world.server.join(rooms[1]);
    world.settle();
    world.server.upload_part_bytes = 1_000;
    let mut traffic = Traffic::default();
    let mut timelines = Vec::new();
    for _ in 0..STEPS {
        let room = rooms[rng.usize(0..rooms.len())];
        let word = SAID[rng.usize(0..SAID.len())];
        match rng.u32(0..100) {
            0..16 => {
                let burst = if rng.u32(0..30) == 0 { 80 } else { 2 };
                let ada = UserId::new("ada").unwrap();
                for n in 0..burst {
                    let bob = world.server.say(room, &format!("{word} {n}")).sender;
                    if rng.u8(0..4) == 0 {
                        world.server.speak_to(room, &bob, word, [ada.clone()]);
                    }
                }
            }
            16..22 => drop(world.send(room, &format!("my {word}"))),
            22..24 => {
                let ordered = rng.bool();
                let options = SendOptions { ordered, ..SendOptions::default() };
                let files = vec![vec![rng.u8(..); rng.usize(1..3_500)]; 2];
                world.send_files(room, &format!("a file of {word}"), files, options);
            }
            93 => drop(world.put_step()),
            94 if !world.puts.is_empty() => {
                let (id, _) = world.puts.remove(0);
                world.part_news(id, PartNews::Trouble(format!("no way to {word}")));
            }
            24..26 => world.server.join(room),
            26..28 => timelines.push(world.open(room)),
            28 => {
                // Several on their way to the disk at once.
                for timeline in &timelines {
                    world.command(Command::LoadOlder(*timeline, 5));
                }
            }
            29..33 => {
                let modes = [Mode::RealTime, Mode::Hybrid, Mode::Polling];
                world.signal(Signal::Ceiling(modes[rng.usize(0..3)]));
            }
            33..35 => {
                let states = [AppState::Foreground, AppState::Background, AppState::Suspended];
                world.signal(Signal::AppState(states[rng.usize(0..3)]));
            }
            35..37 => {
                let kinds = [NetworkKind::None, NetworkKind::Wifi, NetworkKind::Cellular2G];
                let kind = kinds[rng.usize(0..3)];
                world.signal(Signal::Network(Network { kind, ..Network::default() }));
            }
            37..39 => world.cut(),
            39..41 => world.failing_commits = rng.u32(0..3),
            41 => world.server.expired_below = world.server.ord(&world.server.head()),
            42 => {
                let wakeups = Some(rng.u32(0..200));
                let budget = Budget { max_wakeups_per_hour: wakeups, max_bytes_per_hour: None };
                world.signal(Signal::Budget(budget));
            }
            43..46 => drop(world.command(Command::MarkRead(room, Seq::new(rng.u64(0..40))))),
            46..48 => {
                let (delivered, read) = (Some(Seq::new(rng.u64(0..40))), None);
                world.server.put_receipt("bob", ReceiptUpdate { room, delivered, read });
            }
            49 => world.server.change_member(room, "eve", rng.bool()),
            50 => {
                let policy = None;
                let online = rng.u32(0..900);
                if world.engine.mode().mode == Mode::RealTime && world.open_socket() {
                    world.inject(ServerFrame::Policy { online, policy });
                }
            }
            51 => {
                let text = format!("no token for ada, she said {word}");
                world.input(Input::Token(Err(TokenError(text))));
            }
            52 => drop(world.give_token(TokenInfo::default())),
            53 => {
                traffic.received += rng.u64(0..10_000);
                world.input(Input::Traffic(traffic));
            }
            54 => drop(world.command(Command::Refresh)),
            55 => drop(world.command(Command::Why(Subject::Room(room)))),
            48 => {
                let sorts = [RoomSort::Recent, RoomSort::UnreadFirst, RoomSort::Name];
                let name = rng.bool().then(|| word.to_owned());
                let filter = RoomFilter { name, unread: rng.bool(), ..RoomFilter::default() };
                let query = RoomListQuery { sort: sorts[rng.usize(0..3)], filter, window: 2 };
                let list = ListId(rng.u64(0..3));
                world.command(Command::OpenRoomList(list, query));
                let (first, count) = (rng.usize(0..3), rng.usize(0..3));
                world.command(Command::ShowRooms { list, first, count, rooms: vec![room] });
            }
            81 => {
                let bob = UserId::new("bob").unwrap();
                let role = tidewire_protocol::Role::Owner;
                let wish = SettingsChange { muted: Some(rng.bool()), ..SettingsChange::default() };
                let text = rng.bool().then(|| format!("a {word} begun"));
                let commands = [
                    Command::SetSettings(room, wish),
                    Command::SetDraft { room, text },
                    Command::UnreadTotal,
                    Command::SetRole { room, user: bob.clone(), role },
                    Command::Ban {
                        room,
                        user: UserId::new("eve").unwrap(),
                        reason: Some(format!("{word} is why")),
                    },
                    Command::Bans(room, None),
                    Command::Unban(room, UserId::new("eve").unwrap()),
                    Command::MuteMember {
                        room,
                        user: bob.clone(),
                        for_ms: Some(60_000),
                        reason: Some(format!("{word} is why")),
                    },
                    Command::MutedMembers(room, None),
                    Command::UnmuteMember(room, bob.clone()),
                ];
                for command in commands {
                    world.command(command);
                }
            }
            95 => world.signal(Signal::Typing(room)),
            98 | 99 => {
                let Some(target) = world.server.any_message(&mut rng, room) else { continue };
                let number = u64::from(rng.u32(..));
                let (kind, content) = any_change(&mut rng, target, number);
                if rng.bool() {
                    world.operate(room, kind, &content);
                } else {
                    world.server.change(room, &UserId::new("bob").unwrap(), kind, content);
                }
            }
            96 => {
                let users = vec![UserId::new("bob").unwrap(), UserId::new("zoe").unwrap()];
                world.command(Command::Presence(users));
            }
            97 if world.inbound() > 0 => {
                let user = UserId::new(["bob", "eve"][rng.usize(0..2)]).unwrap();
                let states = [PresenceState::Online, PresenceState::Offline];
                let state = states[rng.usize(0..2)];
                let last_seen = Some(1_700_000_000_000);
                let news = Ephemeral {
                    presence: vec![PeerPresence { user: user.clone(), state, last_seen }],
                    typing: vec![PeerTyping { room, user, ttl_ms: rng.u64(0..6_000) }],
                    to: None,
                };
                world.inject(ServerFrame::Ephemeral(news));
            }
            56..60 if !world.requests.is_empty() => {
                let index = rng.usize(0..world.requests.len());
                world.lose(index, rng.bool());
            }
            60..68 if !world.requests.is_empty() => {
                let index = rng.usize(0..world.requests.len());
                world.answer(index);
            }
            68..76 => drop(world.store_step()),
            76..81 => drop(world.server_step()),
            82..90 => drop(world.client_step()),
            90..95 => drop(world.grant_token() | world.open_socket()),
            _ => world.pass(rng.u64(1..20_000)),
        }
    }
    let tape = world.tape.as_mut().unwrap();
    tape.end("closed");
    tape.text.clone()
}

fn replayed(text: &str) -> Result<Replayed, TraceError> {
    replay(text.as_bytes(), |_| {})
}

#[test]
fn any_recorded_schedule_replays_to_the_same_decisions_with_and_without_its_texts() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("TIDEWIRE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TIDEWIRE_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        for recording in [Recording::Redacted, Recording::Verbatim] {
            let text = run(seed, recording);
            let replayed = replayed(&text).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(replayed.difference, None, "TIDEWIRE_SEED={seed} {recording:?}");
            assert_eq!(replayed.end.as_deref(), Some("closed"));
            assert!(replayed.inputs > 20 && replayed.decisions > 20, "{replayed:?}");
        }
    }
}

#[test]
fn a_redacted_recording_holds_no_text_no_name_and_no_word_about_a_token() {
    for seed in 0..40 {
        let text = run(seed, Recording::Redacted);
        for secret in SAID.iter().chain(&[
            "my ",
            "\"ada\"",
            "\"bob\"",
            "\"eve\"",
            "\"zoe\"",
            "no token",
            "\"room\":\"room\"",
        ]) {
            assert!(!text.contains(secret), "seed {seed}: {secret}");
        }
        let text = run(seed, Recording::Verbatim);
        assert!(text.contains("mulberry") && text.contains("\"ada\""));
        assert!(!text.contains("no token"), "not even there");
    }
}

#[test]
fn a_recording_that_was_changed_tells_the_first_line_that_differs() {
    let text = run(3, Recording::Redacted);
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("\"out\":\"request")).unwrap();
    // A decision that is not made.
    let mut changed = lines.clone();
    changed[at] = r#"{"out":"open socket 99"}"#;
    let difference = replayed(&(changed.join("\n") + "\n")).unwrap().difference.unwrap();
    assert_eq!(difference.line, at as u64 + 1);
    assert_eq!(difference.recorded.as_deref(), Some("open socket 99"));
    assert!(difference.now.unwrap().starts_with("request"));
    // One that is left out.
    let mut changed = lines.clone();
    changed.remove(at);
    assert!(replayed(&(changed.join("\n") + "\n")).unwrap().difference.is_some());
    // One that nobody asked for in the end.
    let last = lines.iter().rposition(|line| line.contains("\"out\"")).unwrap();
    let mut changed = lines;
    changed.remove(last);
    let difference = replayed(&(changed.join("\n") + "\n")).unwrap().difference.unwrap();
    assert!(difference.now.is_some());
}

#[test]
fn a_file_that_is_cut_off_or_foreign_is_told_with_its_line() {
    let text = run(5, Recording::Redacted);
    let lines = text.lines().count();
    let cut = &text[..text.len() - 5];
    match replayed(cut) {
        Err(TraceError::CutOff { line, before }) => {
            assert_eq!(line, lines as u64);
            assert_eq!(before.difference, None);
        }
        other => panic!("{other:?}"),
    }
    // Killed between two lines: that is no error.
    let whole = &text[..=text[..text.len() - 1].rfind('\n').unwrap()];
    assert_eq!(replayed(whole).unwrap().end, None);

    let middle = text.replacen("\n{\"at\"", "\nnonsense\n{\"at\"", 3);
    let nonsense = 1 + text.lines().position(|line| line.starts_with("{\"at\"")).unwrap();
    assert!(
        matches!(replayed(&middle), Err(TraceError::Broken { line, .. }) if line == nonsense as u64)
    );
    for foreign in ["", "\n", "{}\n", "a,b,c\n", "{\"tidewire_recording\":2}\n", "\u{0}\u{1}\n"] {
        let error = replayed(foreign).unwrap_err();
        assert!(matches!(error, TraceError::Foreign { .. }), "{foreign:?}: {error}");
        assert!(error.to_string().starts_with("line 1 "), "{error}");
    }
    let newer = text.replacen("\"tidewire_recording\":2", "\"tidewire_recording\":3", 1);
    assert!(matches!(replayed(&newer), Err(TraceError::Version { found: 3, known: 2 })));
    let invalid = [b"{\"tidewire_recording\":2".as_slice(), &[0xff, 0xfe], b"}\n"].concat();
    let error = replay(invalid.as_slice(), |_| {}).unwrap_err();
    assert!(matches!(error, TraceError::Unreadable { line: 1, .. }), "{error}");
}
