//! The golden files pin the wire. A file that changes is a change of the contract: old clients
//! and old servers still send what it said before.

#![allow(clippy::unwrap_used, reason = "clippy.toml spares test functions, not their helpers")]

mod contract;
mod registry;
mod rules;

use std::collections::BTreeSet;
use std::path::PathBuf;

use registry::{CLIENT_FRAMES, REGISTRY, SERVER_FRAMES, client_type, server_type};
use tidewire_protocol::{ClientFrame, ErrorCode, Event, EventKind, ServerFrame};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The golden file of this name.
fn golden(name: &str) -> String {
    let path = folder().join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all golden files.
fn names() -> BTreeSet<String> {
    std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.strip_suffix(".json").unwrap_or_else(|| panic!("{name} is no JSON file")).into()
        })
        .collect()
}

#[test]
fn every_golden_file_reads_as_its_type_and_is_written_the_same() {
    for (name, check) in REGISTRY {
        check(name, &golden(name));
    }
}

#[test]
fn every_golden_file_has_a_type_and_every_entry_a_file() {
    let files = names();
    let registered: BTreeSet<String> = REGISTRY.iter().map(|(name, _)| (*name).into()).collect();
    assert_eq!(registered.len(), REGISTRY.len(), "a name is registered twice");
    assert_eq!(files, registered);
}

#[test]
fn every_frame_of_a_client_has_a_golden_file() {
    let seen: BTreeSet<&str> = names()
        .iter()
        .filter(|name| name.starts_with("frame.client."))
        .map(|name| client_type(&ClientFrame::parse(&golden(name)).unwrap()))
        .collect();
    assert_eq!(seen, CLIENT_FRAMES.iter().copied().chain(["unknown"]).collect());
}

#[test]
fn every_frame_of_a_server_has_a_golden_file() {
    let seen: BTreeSet<&str> = names()
        .iter()
        .filter(|name| name.starts_with("frame.server."))
        .map(|name| server_type(&ServerFrame::parse(&golden(name)).unwrap()))
        .collect();
    assert_eq!(seen, SERVER_FRAMES.iter().copied().chain(["unknown"]).collect());
}

#[test]
fn every_error_code_stands_in_the_golden_table() {
    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Row {
        code: ErrorCode,
        status: u16,
        temporary: bool,
    }
    let table: Vec<Row> = serde_json::from_str(&golden("error.codes")).unwrap();
    let known: Vec<Row> = ErrorCode::ALL
        .iter()
        .map(|code| Row {
            code: code.clone(),
            status: code.status(),
            temporary: code.is_temporary(),
        })
        .collect();
    assert_eq!(table, known);
}

#[test]
fn every_kind_of_event_has_a_golden_file() {
    let seen: BTreeSet<String> = names()
        .iter()
        .filter(|name| name.starts_with("event."))
        .map(|name| serde_json::from_str::<Event>(&golden(name)).unwrap().kind)
        .filter(|kind| !matches!(kind, EventKind::Other(_)))
        .map(|kind| kind.to_string())
        .collect();
    let known = [
        EventKind::Message,
        EventKind::Edit,
        EventKind::Delete,
        EventKind::Reaction,
        EventKind::RoomCreated,
        EventKind::RoomUpdated,
        EventKind::MemberJoined,
        EventKind::MemberLeft,
        EventKind::MemberRole,
        EventKind::MemberBanned,
        EventKind::MemberUnbanned,
        EventKind::MemberMuted,
        EventKind::MemberUnmuted,
        EventKind::RoomSlowMode,
    ];
    assert_eq!(seen, known.map(|kind| kind.to_string()).into());
}
