//! Files on their way to this device: once for all who want them, on from what is there, kept while there is
//! room.

use sha2::{Digest, Sha256};
use tidewire_protocol::{
    AppState, Checksum, Content, ErrorCode, EventId, EventKind, FileKey, MessageContent, Mode, Op,
    RoomOps, UploadId, UploadRequest, UserId,
};
use uuid::Uuid;

use super::model::room_id;
use super::world::World;
use crate::config::Config;
use crate::engine::{
    CacheReport, Command, CommandId, DownloadId, FetchEnd, Network, NetworkKind, Reply, Request,
    RequestError, Signal, WantedFile,
};
use crate::error::{DownloadError, Error, StoreError};
use crate::simulation::MemoryDisk;

const SIZE: usize = 10_000;

fn bytes(seed: u8) -> Vec<u8> {
    (0..SIZE).map(|place| (place / 7) as u8 ^ seed).collect()
}

/// Bob sends a file. Gives what its message says of it.
fn sent(world: &mut World, seed: u8) -> WantedFile {
    let (bob, file) = (UserId::new("bob").unwrap(), bytes(seed));
    let uuid = Uuid::from_u128(0xf_0000 + u128::from(seed));
    let asked = UploadRequest {
        id: UploadId::from_uuid(uuid),
        name: "tides.bin".into(),
        content_type: "application/octet-stream".into(),
        size: file.len() as u64,
        sha256: Checksum::new(Sha256::digest(&file).into()),
    };
    let upload = world.server.begin_upload(&bob, asked.clone()).unwrap();
    world.server.put_part(&upload.parts[0].url, &file).unwrap();
    world.server.complete_upload(&bob, asked.id).unwrap();
    let UploadRequest { id, name, content_type, size, sha256 } = asked;
    let attachment = serde_json::json!({
        "id": id, "key": upload.key, "name": name, "content_type": content_type, "size": size, "sha256": sha256,
    });
    let attachments = vec![serde_json::from_value(attachment).unwrap()];
    let content = MessageContent { attachments, ..MessageContent::default() };
    let id = EventId::from_uuid(uuid);
    let op = Op { id, kind: EventKind::Message, content: Content::of(&content).unwrap() };
    world.server.apply(&bob, RoomOps { room: room_id(1), ops: vec![op] });
    WantedFile { key: upload.key, size, sha256 }
}

fn online(seed: u64) -> World {
    online_with(seed, |_| {})
}

fn online_with(seed: u64, configure: impl FnOnce(&mut Config)) -> World {
    let mut config = Config::new(UserId::new("ada").unwrap());
    configure(&mut config);
    let mut world = World::with(config, Box::new(MemoryDisk::new()), seed);
    world.server.join(room_id(1));
    world.settle();
    world
}

fn want(world: &mut World, handle: u64, file: &WantedFile) -> CommandId {
    let id = world.command(Command::Download(DownloadId(handle), file.clone()));
    world.settle();
    id
}

fn release(world: &mut World, handle: u64) {
    world.command(Command::CloseDownload(DownloadId(handle)));
    world.settle();
}

/// All that is being read comes, however often it takes.
fn arrive(world: &mut World) {
    while !world.fetches.is_empty() {
        world.fetch(u64::MAX);
        world.settle();
    }
}

fn is_here(world: &World, command: CommandId, file: &WantedFile) -> bool {
    let there = matches!(&world.replies.get(&command), Some(Ok(Reply::Downloaded { key, size }))
        if *key == file.key && *size == file.size);
    if there {
        let (whole, _) = &world.files.whole[&file.key];
        assert_eq!(Checksum::new(Sha256::digest(whole).into()), file.sha256);
    }
    there
}

fn report(world: &mut World) -> CacheReport {
    let command = world.command(Command::CacheReport);
    world.settle();
    match &world.replies[&command] {
        Ok(Reply::Cache(report)) => (**report).clone(),
        other => panic!("{other:?}"),
    }
}

fn requests(world: &World) -> u64 {
    world.engine.stats().requests
}

#[test]
fn a_file_is_got_once_for_all_who_want_it_and_then_is_here_without_a_network() {
    let mut world = online(1);
    let file = sent(&mut world, 1);
    let first = want(&mut world, 1, &file);
    let second = want(&mut world, 2, &file);
    assert_eq!(world.fetches.len(), 1);
    arrive(&mut world);
    assert!(is_here(&world, first, &file) && is_here(&world, second, &file));
    assert!(world.files.parts.is_empty());

    world.signal(Signal::Ceiling(Mode::Offline));
    world.settle();
    let before = requests(&world);
    let third = want(&mut world, 3, &file);
    assert!(is_here(&world, third, &file));
    assert!(world.fetches.is_empty() && requests(&world) == before);
    let report = report(&mut world).downloads;
    assert_eq!((report.from_server, report.from_disk, report.files), (1, 1, 1));
    assert_eq!((report.bytes, report.received), (SIZE as u64, SIZE as u64));
}

#[test]
fn after_a_cut_and_after_a_restart_only_what_is_missing_comes() {
    let mut world = online(2);
    let file = sent(&mut world, 1);
    want(&mut world, 1, &file);
    for _ in 0..3 {
        world.fetch(2_000);
        world.run(30_000);
    }
    assert_eq!(world.files.parts[&file.key].0.len(), 6_000);
    assert_eq!(report(&mut world).downloads.received, 6_000);
    world.restart(22);
    world.settle();
    let again = want(&mut world, 1, &file);
    arrive(&mut world);
    assert!(is_here(&world, again, &file));
    assert_eq!(report(&mut world).downloads.received, 4_000);
}

#[test]
fn a_download_ends_with_its_last_handle_and_the_next_one_goes_on() {
    let mut world = online(3);
    let file = sent(&mut world, 1);
    let first = want(&mut world, 1, &file);
    want(&mut world, 2, &file);
    world.fetch(4_000);
    world.run(30_000);
    release(&mut world, 1);
    assert_eq!(world.replies.get(&first), Some(&Err(Error::Closed)), "no caller is left behind");
    assert_eq!(world.fetches.len(), 1, "somebody still wants it");
    release(&mut world, 2);
    assert!(world.fetches.is_empty());
    world.run(60_000);
    assert!(world.fetches.is_empty(), "nobody wants it any more");
    let again = want(&mut world, 3, &file);
    arrive(&mut world);
    assert!(is_here(&world, again, &file));
    assert_eq!(report(&mut world).downloads.received, SIZE as u64);
}

#[test]
fn only_the_servers_own_no_fails_a_download() {
    let mut world = online(4);
    let file = sent(&mut world, 1);
    let command = want(&mut world, 1, &file);
    // Whatever an address answers, and a network that breaks: it goes on.
    for end in [
        FetchEnd::Status(500),
        FetchEnd::Status(302),
        FetchEnd::Status(404),
        FetchEnd::Status(403),
        FetchEnd::Broke { reason: "portal".into(), brought: 0 },
    ] {
        while world.fetches.is_empty() {
            world.run(1_000);
        }
        let (id, _) = world.fetches.remove(0);
        world.end_fetch(id, end);
    }
    world.settle();
    assert_eq!(world.replies.get(&command), None);
    while world.fetches.is_empty() {
        world.run(1_000);
    }
    arrive(&mut world);
    assert!(is_here(&world, command, &file));

    let key = FileKey::new("0123456789abcdef").unwrap();
    let nowhere = want(&mut world, 2, &WantedFile { key, ..file });
    let code = world.replies[&nowhere].as_ref().unwrap_err().code().cloned();
    assert_eq!(code, Some(ErrorCode::UnknownFile));
}

#[test]
fn a_server_in_trouble_is_asked_again_with_growing_delays() {
    let mut world = online(5);
    let file = sent(&mut world, 1);
    let command = world.command(Command::Download(DownloadId(1), file.clone()));
    let mut asked = 0;
    for _ in 0..120 {
        while world.store_step() {}
        if let Some(place) =
            world.requests.iter().position(|(_, it)| matches!(it, Request::File(_)))
        {
            asked += 1;
            world.lose(place, false);
        }
        world.pass(1_000);
    }
    assert!((4..=40).contains(&asked), "{asked} times in two minutes");
    assert_eq!(world.replies.get(&command), None);
    world.run(30_000);
    arrive(&mut world);
    assert!(is_here(&world, command, &file));
}

#[test]
fn an_address_that_has_ended_is_asked_for_again_at_once() {
    let mut world = online(6);
    let file = sent(&mut world, 1);
    let command = want(&mut world, 1, &file);
    world.fetch(5_000);
    // Offline for so long that the address has ended, by this clock and by the server's.
    world.signal(Signal::Ceiling(Mode::Offline));
    world.run(4_000_000);
    world.signal(Signal::Ceiling(Mode::RealTime));
    world.settle();
    arrive(&mut world);
    assert!(is_here(&world, command, &file));

    // The server's clock alone: the address says so itself.
    let other = sent(&mut world, 2);
    let command = want(&mut world, 2, &other);
    world.server.clock += 4_000_000;
    let before = requests(&world);
    arrive(&mut world);
    assert!(is_here(&world, command, &other));
    assert_eq!(requests(&world), before + 1, "without a delay, and once");
}

#[test]
fn what_is_not_what_its_message_says_is_got_once_more_and_then_given_up() {
    let mut world = online(7);
    let file = sent(&mut world, 1);
    let lied = WantedFile { sha256: Checksum::new([7; 32]), ..file.clone() };
    let command = want(&mut world, 1, &lied);
    world.fetch(u64::MAX);
    world.settle();
    assert_eq!(world.replies.get(&command), None);
    assert_eq!(world.fetches.len(), 1);
    world.fetch(u64::MAX);
    world.settle();
    assert_eq!(world.replies[&command], Err(Error::Download(DownloadError::Damaged)));
    assert!(world.files.whole.is_empty() && world.files.parts.is_empty(), "nothing wrong stays");

    // A part that was damaged on the disk costs one more turn, and nothing else.
    let other = sent(&mut world, 2);
    let command = want(&mut world, 2, &other);
    world.fetch(5_000);
    world.files.parts.get_mut(&other.key).unwrap().0[17] ^= 1;
    world.run(30_000);
    arrive(&mut world);
    assert!(is_here(&world, command, &other));
}

#[test]
fn no_more_is_kept_than_may_be_and_what_was_used_last_stays() {
    let most = 3 * SIZE as u64 + 500;
    let mut world = online_with(8, |config| config.file_cache_bytes = most);
    let files: Vec<WantedFile> = (1..=5).map(|seed| sent(&mut world, seed)).collect();
    for (handle, file) in (1..).zip(&files[..3]) {
        let command = want(&mut world, handle, file);
        arrive(&mut world);
        assert!(is_here(&world, command, file));
        world.run(1_000);
    }
    for handle in 1..=3 {
        release(&mut world, handle);
    }
    // The first is looked at again, so that the second is the oldest; the third is held.
    want(&mut world, 11, &files[0]);
    world.run(1_000);
    want(&mut world, 13, &files[2]);
    release(&mut world, 11);
    world.run(1_000);
    let fourth = want(&mut world, 4, &files[3]);
    assert!(world.files.bytes() <= most - SIZE as u64, "there is room before anything comes");
    arrive(&mut world);
    assert!(is_here(&world, fourth, &files[3]));
    let kept = |world: &World| -> Vec<bool> {
        files.iter().map(|file| world.files.whole.contains_key(&file.key)).collect()
    };
    assert_eq!(kept(&world), [true, false, true, true, false]);
    release(&mut world, 4);
    world.run(1_000);
    want(&mut world, 5, &files[4]);
    arrive(&mut world);
    assert_eq!(kept(&world), [false, false, true, true, true]);
    assert!(world.files.bytes() <= most);

    // What the app holds stays, whatever comes; and goes once it is let go.
    want(&mut world, 14, &files[3]);
    want(&mut world, 6, &files[0]);
    arrive(&mut world);
    assert_eq!(kept(&world), [true, false, true, true, true]);
    release(&mut world, 14);
    assert_eq!(kept(&world), [true, false, true, false, true]);

    let large = WantedFile { size: most + 1, ..files[1].clone() };
    let refused = want(&mut world, 7, &large);
    let error = DownloadError::TooLarge { size: most + 1, most };
    assert_eq!(world.replies[&refused], Err(Error::Download(error)));
}

#[test]
fn nothing_comes_offline_nor_while_the_app_is_suspended_and_afterwards_it_goes_on() {
    let mut world = online(9);
    let file = sent(&mut world, 1);
    let command = want(&mut world, 1, &file);
    world.fetch(3_000);
    world.run(30_000);
    assert_eq!(world.fetches.len(), 1);
    world.signal(Signal::Network(Network { kind: NetworkKind::None, ..Network::default() }));
    assert!(world.fetches.is_empty());
    world.run(60_000);
    assert!(world.fetches.is_empty());
    world.signal(Signal::Network(Network { kind: NetworkKind::Wifi, ..Network::default() }));
    world.settle();
    assert_eq!(world.fetches.len(), 1, "at once");
    world.signal(Signal::AppState(AppState::Suspended));
    world.settle();
    assert!(world.engine.is_settled() && world.fetches.is_empty());
    let refused = want(&mut world, 2, &file);
    assert_eq!(world.replies[&refused], Err(Error::Suspended));
    world.pass(600_000);
    world.settle();
    world.signal(Signal::AppState(AppState::Background));
    world.settle();
    world.fetch(3_000);
    world.run(30_000);
    arrive(&mut world);
    assert!(is_here(&world, command, &file), "in the background too");
    assert_eq!(report(&mut world).downloads.received, SIZE as u64);
}

#[test]
fn a_full_disk_is_told_and_the_next_wish_goes_on_from_what_is_there() {
    let mut world = online(10);
    let file = sent(&mut world, 1);
    let command = want(&mut world, 1, &file);
    world.fetch(3_000);
    world.files.full = true;
    world.run(30_000);
    world.fetch(u64::MAX);
    world.settle();
    assert_eq!(world.replies[&command], Err(Error::Store(StoreError::DiskFull)));
    world.files.full = false;
    let again = want(&mut world, 2, &file);
    arrive(&mut world);
    assert!(is_here(&world, again, &file));
    assert_eq!(report(&mut world).downloads.received, SIZE as u64);
}

#[test]
fn three_files_come_at_a_time_and_those_asked_for_first_come_first() {
    let mut world = online(11);
    let files: Vec<WantedFile> = (1..=5).map(|seed| sent(&mut world, seed)).collect();
    for (handle, file) in (1..).zip(&files) {
        world.command(Command::Download(DownloadId(handle), file.clone()));
    }
    world.settle();
    let coming = |world: &World| -> Vec<FileKey> {
        world.fetches.iter().map(|(_, fetch)| fetch.key.clone()).collect()
    };
    let keys: Vec<FileKey> = files.iter().map(|file| file.key.clone()).collect();
    assert_eq!(coming(&world), keys[..3]);
    world.fetch(u64::MAX);
    world.settle();
    assert_eq!(coming(&world), keys[1..4]);
    arrive(&mut world);
    assert_eq!(world.files.whole.len(), 5);
}

#[test]
fn a_part_that_nobody_goes_on_with_is_swept_after_some_days() {
    let mut world = online(12);
    let (old, young) = (sent(&mut world, 1), sent(&mut world, 2));
    for (handle, file) in [(1, &old), (2, &young)] {
        want(&mut world, handle, file);
        world.fetch(100);
        release(&mut world, handle);
        world.run(2 * 24 * 3_600_000);
    }
    assert_eq!(world.files.parts.len(), 2);
    world.restart(23);
    world.settle();
    report(&mut world);
    assert_eq!(world.files.parts.keys().collect::<Vec<_>>(), [&young.key]);
}

#[test]
fn a_file_that_was_sent_from_here_is_here() {
    let mut world = online(13);
    let file = sent(&mut world, 1);
    let upload = UploadId::from_uuid(Uuid::from_u128(77));
    world.copies.insert(upload, vec![b'a'; 20]);
    let adopted =
        WantedFile { size: 20, sha256: Checksum::new(Sha256::digest([b'a'; 20]).into()), ..file };
    world.engine.adopt_file(adopted.key.clone(), upload);
    world.settle();
    while world.store_step() {}
    let command = want(&mut world, 1, &adopted);
    while world.store_step() {}
    assert!(is_here(&world, command, &adopted));
    assert!(world.fetches.is_empty());
}

#[test]
fn one_base_address_serves_all_files_and_the_server_is_asked_where_it_does_not() {
    let mut world = online(14);
    let (first, second) = (sent(&mut world, 1), sent(&mut world, 2));
    let told = |key: &FileKey, base: Option<&str>| {
        let url = format!("/v1/objects/{key}?expires={}", i64::MAX);
        let base_url = base.map(str::to_owned);
        Ok(crate::engine::Response::File(tidewire_protocol::FileAccess {
            url,
            expires_in_ms: None,
            base_url,
        }))
    };
    world.command(Command::Download(DownloadId(1), first.clone()));
    while world.store_step() {}
    let (id, _) = world.requests.remove(0);
    world.respond(id, told(&first.key, Some("https://files.example/")));
    arrive(&mut world);
    let before = requests(&world);
    let command = want(&mut world, 2, &second);
    let address = format!("https://files.example/{}", second.key);
    assert_eq!(world.fetches[0].1.url, address);
    assert_eq!(requests(&world), before);
    let (id, _) = world.fetches.remove(0);
    world.end_fetch(id, FetchEnd::Status(404));
    world.settle();
    arrive(&mut world);
    assert!(is_here(&world, command, &second));
}

#[test]
fn a_refused_token_is_replaced_and_the_download_goes_on() {
    let mut world = online(15);
    let file = sent(&mut world, 1);
    let command = world.command(Command::Download(DownloadId(1), file.clone()));
    while world.store_step() {}
    let place = world.requests.iter().position(|(_, it)| matches!(it, Request::File(_))).unwrap();
    let (id, _) = world.requests.remove(place);
    let ended = tidewire_protocol::WireError::new(ErrorCode::TokenExpired, "ended");
    world.respond(id, Err(RequestError::Refused(ended)));
    world.settle();
    arrive(&mut world);
    assert!(is_here(&world, command, &file));
}
