//! Frames: what is unknown, what is odd, what is broken.

use serde_json::{Value, json};
use tidewire_protocol::{
    AppState, Body, Bootstrap, ClientFrame, Event, Page, ServerFrame, SyncRequest, SyncResponse,
};

use crate::golden;

/// The object with a field that no version knows, at every level but inside of contents.
fn with_unknown_fields(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            // `have` is a map from rooms, not an object with fields.
            let mut map: serde_json::Map<_, _> = map
                .into_iter()
                .map(|(key, value)| match key.as_str() {
                    "content" | "have" => (key, value),
                    _ => (key, with_unknown_fields(value)),
                })
                .collect();
            map.insert("aurora".into(), json!({ "glow": [1, null, "x"] }));
            Value::Object(map)
        }
        Value::Array(list) => Value::Array(list.into_iter().map(with_unknown_fields).collect()),
        other => other,
    }
}

fn extended(name: &str) -> String {
    with_unknown_fields(serde_json::from_str(&golden(name)).unwrap()).to_string()
}

/// What was read is compared by what it is written as: contents lose their spacing on the way.
fn value(written: &impl serde::Serialize) -> Value {
    serde_json::to_value(written).unwrap()
}

#[test]
fn a_frame_of_an_unknown_type_is_told_apart_from_a_broken_one() {
    assert_eq!(
        ServerFrame::parse(r#"{"type":"aurora","glow":3}"#).unwrap(),
        ServerFrame::Unknown("aurora".into())
    );
    assert_eq!(ClientFrame::parse(r#"{"type":""}"#).unwrap(), ClientFrame::Unknown("".into()));
    // Names are exact.
    assert_eq!(
        ServerFrame::parse(r#"{"type":"Ping"}"#).unwrap(),
        ServerFrame::Unknown("Ping".into())
    );
}

#[test]
fn broken_frames_are_refused() {
    for text in [
        "",
        "null",
        "7",
        "\"ping\"",
        "{}",
        "[]",
        r#"["ping"]"#,
        r#" ["ping"]"#,
        r#"{"type":7}"#,
        r#"{"type":null}"#,
        r#"{"type":"ping"} {"type":"ping"}"#,
        r#"{"type":"ping""#,
        r#"{"type":"credit"}"#,
        r#"{"type":"hello"}"#,
        r#"{"type":"subscribe","room":"harbour","after":0}"#,
        r#"{"type":"subscribe","room":"0199c306-6400-7c3e-9a41-6f2d8e0b1c52","after":-1}"#,
        r#"{"type":"subscribe","room":"0199c306-6400-7c3e-9a41-6f2d8e0b1c52","after":1.5}"#,
    ] {
        assert!(ClientFrame::parse(text).is_err(), "{text}");
    }
    for text in ["", "[]", r#"["pong"]"#, "{}", r#"{"type":"goaway"}"#, r#"{"type":"batch"}"#] {
        assert!(ServerFrame::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_type_may_stand_anywhere_and_be_written_with_escapes() {
    let frame = ClientFrame::parse("\n {\"a\":[{\"type\":\"pong\"}], \"type\":\"p\\u0069ng\"}\t");
    assert_eq!(frame.unwrap(), ClientFrame::Ping);
}

#[test]
fn unknown_fields_are_ignored_in_every_frame() {
    for name in crate::names() {
        if name.starts_with("frame.client.") && !name.ends_with(".unknown") {
            let frame = ClientFrame::parse(&extended(&name)).unwrap();
            assert_eq!(
                value(&frame),
                value(&ClientFrame::parse(&golden(&name)).unwrap()),
                "{name}"
            );
        } else if name.starts_with("frame.server.") && !name.ends_with(".unknown") {
            let frame = ServerFrame::parse(&extended(&name)).unwrap();
            assert_eq!(
                value(&frame),
                value(&ServerFrame::parse(&golden(&name)).unwrap()),
                "{name}"
            );
        }
    }
}

#[test]
fn unknown_fields_are_ignored_in_the_large_answers() {
    fn same<T: serde::de::DeserializeOwned + serde::Serialize>(name: &str) {
        let read: T = serde_json::from_str(&extended(name)).unwrap();
        let plain: T = serde_json::from_str(&golden(name)).unwrap();
        assert_eq!(value(&read), value(&plain), "{name}");
    }
    same::<Bootstrap>("call.bootstrap.response");
    same::<SyncRequest>("call.sync.request");
    same::<SyncResponse>("call.sync.response");
    same::<Page>("page.limited");
}

#[test]
fn what_may_be_left_out_may_be_left_out() {
    let sync: SyncRequest = serde_json::from_str("{}").unwrap();
    assert_eq!((sync.limit, sync.wait_ms, sync.heartbeat_ms), (50, 0, 30_000));
    assert_eq!(sync.app_state, AppState::Foreground);
    assert!(sync.cursor.is_none() && sync.have.is_empty() && sync.ops.is_empty());

    let hello = ClientFrame::parse(r#"{"type":"hello","heartbeat_ms":30000}"#).unwrap();
    let ClientFrame::Hello(hello) = hello else { panic!("{hello:?}") };
    assert!(
        hello.token.is_none() && hello.cursor.is_none() && !hello.feed && hello.live.is_empty()
    );

    let goaway = ServerFrame::parse(r#"{"type":"goaway","retry_after_ms":5}"#).unwrap();
    assert_eq!(goaway, ServerFrame::Goaway { retry_after_ms: 5, reason: String::new() });

    let policy = ServerFrame::parse(r#"{"type":"policy","online":3}"#).unwrap();
    assert_eq!(policy, ServerFrame::Policy { online: 3, policy: None });
}

#[test]
fn the_odd_content_of_an_unknown_kind_survives_every_frame_byte_for_byte() {
    let line = golden("event.unknown.odd");
    let event: Event = serde_json::from_str(&line).unwrap();
    let odd = event.content.as_json().to_owned();
    assert!(line.contains(&odd));

    let live = format!(
        r#"{{"type":"live","room":"{}","prev":{},"events":[{}]}}"#,
        event.room,
        event.seq.previous(),
        line.trim_end()
    );
    let written = serde_json::to_string(&ServerFrame::parse(&live).unwrap()).unwrap();
    assert_eq!(written, live);

    let send = format!(
        r#"{{"type":"send","room":"{}","ops":[{{"id":"{}","kind":"{}","content":{odd}}}]}}"#,
        event.room, event.id, event.kind
    );
    let frame = ClientFrame::parse(&send).unwrap();
    assert_eq!(serde_json::to_string(&frame).unwrap(), send);
    let ClientFrame::Send(ops) = frame else { panic!("{frame:?}") };
    ops.ops[0].validate().unwrap();
}

#[test]
fn what_people_write_never_stands_in_a_log() {
    let event: Event = serde_json::from_str(&golden("event.message")).unwrap();
    let Body::Message(message) = event.body() else { panic!() };
    assert!(!format!("{event:?}").contains(&message.text));
}
