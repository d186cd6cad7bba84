//! What an operation may carry, exactly at each limit and one beyond.

use serde_json::json;
use tidewire_protocol::{Content, EventKind, InvalidOp, MessageContent, Op, limits};

fn op(kind: &str, content: Content) -> Op {
    let id = "0199c82d-0e20-7105-8a5b-4c6d7e8f0005".parse().unwrap();
    Op { id, kind: kind.into(), content }
}

fn message(text: &str, metadata: Option<serde_json::Value>) -> Op {
    op(
        "message",
        Content::of(&MessageContent { text: text.into(), metadata, ..MessageContent::default() })
            .unwrap(),
    )
}

/// JSON text of exactly this many bytes.
fn json_text(bytes: usize) -> String {
    format!("\"{}\"", "x".repeat(bytes - 2))
}

#[test]
fn a_text_has_1_byte_to_8_kib() {
    assert_eq!(message("", None).validate(), Err(InvalidOp::TextEmpty));
    assert_eq!(message("a", None).validate(), Ok(()));
    assert_eq!(message(&"a".repeat(limits::TEXT_BYTES), None).validate(), Ok(()));
    assert_eq!(message(&"a".repeat(8193), None).validate(), Err(InvalidOp::TextTooLong(8193)));
    // Bytes of UTF-8, not characters.
    assert_eq!(message(&"😀".repeat(2048), None).validate(), Ok(()));
    assert_eq!(message(&"😀".repeat(2049), None).validate(), Err(InvalidOp::TextTooLong(8196)));
}

#[test]
fn a_text_is_measured_unescaped_and_its_content_escaped() {
    // A control character takes six bytes of JSON: the text alone would do, the content does not.
    let bells = message(&"\u{7}".repeat(limits::TEXT_BYTES), None);
    assert!(matches!(bells.validate(), Err(InvalidOp::ContentTooLong(_))));
    assert_eq!(message(&"\"".repeat(limits::TEXT_BYTES), None).validate(), Ok(()));
}

#[test]
fn metadata_has_at_most_4_kib() {
    let fits = json!("x".repeat(limits::METADATA_BYTES - 2));
    assert_eq!(message("a", Some(fits)).validate(), Ok(()));
    let over = json!("x".repeat(limits::METADATA_BYTES - 1));
    assert_eq!(message("a", Some(over)).validate(), Err(InvalidOp::MetadataTooLong(4097)));
    // A full text with full metadata fits into the content.
    let both = message(&"a".repeat(limits::TEXT_BYTES), Some(json!("x".repeat(4094))));
    assert_eq!(both.validate(), Ok(()));
}

#[test]
fn a_message_mentions_at_most_50_users() {
    let calling = |count: usize| {
        let mentions = (0..count).map(|n| format!("user-{n}").parse().unwrap()).collect();
        op(
            "message",
            Content::of(&MessageContent { mentions, ..MessageContent::of_text("a") }).unwrap(),
        )
    };
    assert_eq!(calling(50).validate(), Ok(()));
    assert_eq!(calling(51).validate(), Err(InvalidOp::TooManyMentions(51)));
}

#[test]
fn content_of_any_kind_has_at_most_32_kib() {
    let content = |bytes| Content::from_json(json_text(bytes)).unwrap();
    assert_eq!(op("poll.vote", content(limits::CONTENT_BYTES)).validate(), Ok(()));
    assert_eq!(op("poll.vote", content(32_769)).validate(), Err(InvalidOp::ContentTooLong(32_769)));
}

#[test]
fn reserved_kinds_are_the_servers() {
    for kind in ["room.created", "member.joined", "member.left", "room.", "member.x", "room.later"]
    {
        assert_eq!(
            op(kind, Content::of(&json!({})).unwrap()).validate(),
            Err(InvalidOp::KindReserved(kind.into()))
        );
        assert!(EventKind::from(kind).is_reserved());
    }
    for kind in
        ["room", "member", "rooms.x", "membership", "poll.room.", "Room.created", "message2"]
    {
        assert_eq!(op(kind, Content::of(&json!({})).unwrap()).validate(), Ok(()), "{kind}");
    }
}

#[test]
fn a_kind_has_1_to_64_bytes() {
    let with = |kind: &str| op(kind, Content::of(&json!(null)).unwrap()).validate();
    assert_eq!(with(""), Err(InvalidOp::KindLength));
    assert_eq!(with(&"k".repeat(limits::KIND_BYTES)), Ok(()));
    assert_eq!(with(&"k".repeat(65)), Err(InvalidOp::KindLength));
    assert_eq!(with(&"é".repeat(33)), Err(InvalidOp::KindLength));
}

#[test]
fn a_message_has_the_shape_of_a_message() {
    for text in
        ["null", "[]", r#"["a"]"#, "{}", r#"{"text":7}"#, r#"{"text":null}"#, r#"{"metadata":{}}"#]
    {
        let content = Content::from_json(text.into()).unwrap();
        assert_eq!(
            op("message", content).validate(),
            Err(InvalidOp::Malformed("message".into())),
            "{text}"
        );
    }
    // What a later version adds passes.
    let later = Content::from_json(r#"{"text":"a","aurora":[1]}"#.into()).unwrap();
    assert_eq!(op("message", later).validate(), Ok(()));
}

#[test]
fn content_is_json_and_nothing_around_it() {
    for text in ["", "{", "{}{}", "nul", "'a'", "{\"a\":01}", "\"\n\""] {
        assert!(Content::from_json(text.into()).is_err(), "{text:?}");
    }
    assert_eq!(Content::from_json(" { } \n".into()).unwrap().as_json(), "{ }");
}

#[test]
fn the_estimate_of_a_size_is_not_too_small() {
    let op = message("a \"quoted\" text", Some(json!({ "a": 1 })));
    assert!(op.wire_bytes() >= serde_json::to_string(&op).unwrap().len());
}
