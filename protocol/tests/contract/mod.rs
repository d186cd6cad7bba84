//! `docs/protocol.md` says what the types and the golden files say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use tidewire_protocol::{ErrorCode, limits};

use crate::registry::{CLIENT_FRAMES, SERVER_FRAMES};
use crate::{golden, names};

/// The document; `None` in the packaged crate, which comes without the repository around it.
fn document() -> Option<String> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if here.join("Cargo.toml.orig").exists() {
        return None;
    }
    Some(std::fs::read_to_string(here.join("../docs/protocol.md")).unwrap())
}

/// The JSON examples: what stands after `json` at the fence, and the text.
fn examples(document: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in document.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((info.trim().into(), String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    found
        .into_iter()
        .filter_map(|(info, text)| Some((info.strip_prefix("json")?.trim().into(), text)))
        .collect()
}

/// The rows of the tables of a section, cell by cell, without the code marks.
fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let start = document.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    document[start + 1..]
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with('|'))
        .map(|line| {
            line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

#[test]
fn every_json_example_is_a_golden_file() {
    let Some(document) = document() else { return };
    let mut shown = BTreeSet::new();
    for (info, text) in examples(&document) {
        let name = info
            .strip_prefix("golden:")
            .unwrap_or_else(|| panic!("an example without the name of its golden file:\n{text}"));
        let example: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        let pinned: Value = serde_json::from_str(&golden(name)).unwrap();
        assert_eq!(example, pinned, "{name}");
        shown.insert(name.to_owned());
    }
    // Files with a further part in their name are variations: `frame.client.hello.again`.
    for name in names() {
        let plain = matches!(
            name.split('.').collect::<Vec<_>>()[..],
            ["call", _, "request" | "response"] | ["frame", _, _]
        );
        if plain && !name.ends_with(".unknown") {
            assert!(shown.contains(&name), "{name} has no example");
        }
    }
}

#[test]
fn every_frame_has_its_section() {
    let Some(document) = document() else { return };
    for name in CLIENT_FRAMES.iter().chain(SERVER_FRAMES) {
        assert!(
            document
                .lines()
                .any(|line| line.starts_with("### ") && line.contains(&format!("`{name}`"))),
            "{name}"
        );
    }
}

#[test]
fn the_table_of_errors_is_complete_and_right() {
    let Some(document) = document() else { return };
    let table: BTreeMap<String, Vec<String>> = rows(&document, "## Errors")
        .into_iter()
        .map(|row| (row[0].clone(), row))
        .filter(|(code, _)| ErrorCode::ALL.iter().any(|known| known.as_str() == code))
        .collect();
    for code in ErrorCode::ALL {
        let row = table.get(code.as_str()).unwrap_or_else(|| panic!("{code} is missing"));
        assert_eq!(row[1], code.status().to_string(), "{code}");
        assert_eq!(row[2], if code.is_temporary() { "yes" } else { "no" }, "{code}");
        assert!(row[4].len() > 10, "{code}: what a client must do");
    }
}

#[test]
fn the_table_of_limits_is_complete_and_right() {
    let Some(document) = document() else { return };
    let table: BTreeMap<String, String> = rows(&document, "## Limits")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].replace(',', "")))
        .collect();
    macro_rules! values {
        ($($name:ident),* $(,)?) => {
            BTreeMap::from([$((stringify!($name), limits::$name.to_string())),*])
        };
    }
    let known = values!(
        USER_ID_BYTES,
        TEXT_BYTES,
        METADATA_BYTES,
        MENTIONS,
        REACTION_KEY_BYTES,
        REACTION_KEYS,
        REACTION_USERS,
        UNREAD_COUNT,
        ATTACHMENTS,
        FILE_NAME_BYTES,
        CONTENT_TYPE_BYTES,
        FILE_KEY_BYTES,
        PICTURE_PIXELS,
        PREVIEW_BYTES,
        UPLOAD_BYTES,
        UPLOAD_PARTS,
        UPLOAD_PARTS_PER_ANSWER,
        CONTENT_BYTES,
        KIND_BYTES,
        NAME_BYTES,
        PASSWORD_LEAST_BYTES,
        PASSWORD_BYTES,
        DEVICE_BYTES,
        SESSIONS,
        REFRESH_REPEAT_MS,
        REASON_BYTES,
        MUTE_MS,
        SLOW_MODE_MS,
        BLOCKED_USERS,
        URL_BYTES,
        OPS_PER_REQUEST,
        FRAME_BYTES,
        BODY_BYTES,
        ANSWER_BYTES,
        PAGE_EVENTS,
        PAGE_BYTES,
        WAIT_MS,
        HISTORY_DEFAULT,
        HISTORY_MAX,
        HISTORY_BYTES,
        ROOMS_PAGE,
        MEMBERS_PAGE,
        REPORTS_PAGE,
        PROFILES_BATCH,
        SEARCH_QUERY_BYTES,
        SEARCH_DEFAULT,
        SEARCH_MAX,
        RECEIPTS_PER_REQUEST,
        RECEIPT_MEMBERS,
        LIVE_ROOMS,
        WATCHED_ROOMS,
        EPHEMERAL_MEMBERS,
        TYPING_PER_REQUEST,
        TYPING_TTL_MS,
        PRESENCE_PER_FRAME,
        CREDIT_EVENTS,
        IDEMPOTENCY_WINDOW_MS,
        CURSOR_AGE_MS,
        HELLO_MS,
    );
    for (name, value) in &known {
        assert_eq!(table.get(*name), Some(value), "{name}");
    }
    let heartbeat = format!("{} to {}", limits::HEARTBEAT_MS.start(), limits::HEARTBEAT_MS.end());
    assert_eq!(table.get("HEARTBEAT_MS"), Some(&heartbeat));
    // A limit that is added to the source is added here and to the document.
    let source = include_str!("../../src/limits.rs");
    assert_eq!(source.matches("\npub const ").count(), known.len() + 1);
}
