//! What an edit, a deletion, a reaction, a quote and a thread may carry, and what they make of a message.

use serde_json::{Value, json};
use tidewire_protocol::{
    Content, Event, Fold, InvalidOp, MessageContent, Op, RoomSettings, deleted, edited, limits,
};

const ID: &str = "0199c82d-0e20-7105-8a5b-4c6d7e8f0005";
const TARGET: &str = "0199c82c-c3e8-7101-8a5b-4c6d7e8f0001";

fn check(kind: &str, content: &Value) -> Result<(), InvalidOp> {
    let content = Content::of(content).unwrap();
    Op { id: ID.parse().unwrap(), kind: kind.into(), content }.validate()
}

fn content(json: &str) -> Content {
    Content::from_json(json.into()).unwrap()
}

#[test]
fn an_edit_carries_a_whole_message_within_its_limits() {
    let edit = |text: &str| json!({ "target": TARGET, "content": { "text": text } });
    assert_eq!(check("edit", &edit("better")), Ok(()));
    assert_eq!(check("edit", &edit("")), Err(InvalidOp::TextEmpty));
    assert_eq!(check("edit", &edit(&"a".repeat(8193))), Err(InvalidOp::TextTooLong(8193)));
    let malformed = Err(InvalidOp::Malformed("edit".into()));
    for content in [json!({}), json!({ "target": TARGET }), json!({ "content": { "text": "a" } })] {
        assert_eq!(check("edit", &content), malformed, "{content}");
    }
}

#[test]
fn a_deletion_names_a_message() {
    assert_eq!(check("delete", &json!({ "target": TARGET })), Ok(()));
    for content in [json!({}), json!(null), json!({ "target": "x" })] {
        assert_eq!(check("delete", &content), Err(InvalidOp::Malformed("delete".into())));
    }
}

#[test]
fn a_reactions_key_has_1_to_64_bytes() {
    let reaction = |key: &str| check("reaction", &json!({ "target": TARGET, "key": key }));
    assert_eq!(reaction("👍"), Ok(()));
    // One emoji of seven parts, 25 bytes.
    assert_eq!(reaction("👨‍👩‍👧‍👦"), Ok(()));
    assert_eq!(reaction(&"k".repeat(limits::REACTION_KEY_BYTES)), Ok(()));
    assert_eq!(reaction(""), Err(InvalidOp::ReactionKeyLength));
    assert_eq!(reaction(&"k".repeat(65)), Err(InvalidOp::ReactionKeyLength));
    // Bytes of UTF-8, not characters.
    assert_eq!(reaction(&"é".repeat(33)), Err(InvalidOp::ReactionKeyLength));
    let malformed = Err(InvalidOp::Malformed("reaction".into()));
    assert_eq!(check("reaction", &json!({ "target": TARGET })), malformed);
    let odd = json!({ "target": TARGET, "key": "a", "removed": "yes" });
    assert_eq!(check("reaction", &odd), malformed);
}

#[test]
fn what_is_typed_is_a_json_object_and_no_array_of_its_fields() {
    for (kind, content) in [
        ("message", json!(["my secret"])),
        ("edit", json!([TARGET, { "text": "a" }])),
        ("edit", json!({ "target": TARGET, "content": ["a"] })),
        ("delete", json!([TARGET])),
        ("reaction", json!([TARGET, "a"])),
    ] {
        let malformed = Err(InvalidOp::Malformed(kind.into()));
        assert_eq!(check(kind, &content), malformed, "{kind} {content}");
    }
    assert_eq!(
        check("poll.vote", &json!(["a"])),
        Ok(()),
        "other kinds are as their apps want them"
    );
}

#[test]
fn nothing_concerns_itself() {
    for (kind, content) in [
        ("edit", json!({ "target": ID, "content": { "text": "a" } })),
        ("delete", json!({ "target": ID })),
        ("reaction", json!({ "target": ID, "key": "a" })),
        ("message", json!({ "text": "a", "reply_to": ID })),
        ("message", json!({ "text": "a", "thread": ID })),
    ] {
        assert_eq!(check(kind, &content), Err(InvalidOp::TargetsItself), "{kind} {content}");
    }
    let quote = json!({ "text": "a", "reply_to": TARGET, "thread": TARGET });
    assert_eq!(check("message", &quote), Ok(()));
    let odd = json!({ "text": "a", "thread": 7 });
    assert_eq!(check("message", &odd), Err(InvalidOp::Malformed("message".into())));
}

#[test]
fn an_edit_says_everything_anew_but_where_the_message_stands() {
    let plain = content(r#"{"text":"a","metadata":{"x":1.50}}"#);
    let edit = |inner: &str| content(&format!(r#"{{"target":"{TARGET}","content":{inner}}}"#));
    // Byte for byte where nothing has to be kept, and what is not known passes.
    let inner = r#"{ "text": "b",  "aurora": 1.50 }"#;
    assert_eq!(edited(&plain, &edit(inner)).unwrap().as_json(), inner);
    let standing = content(&format!(r#"{{"text":"a","thread":"{TARGET}","reply_to":"{ID}"}}"#));
    let now = edited(&standing, &edit(inner)).unwrap();
    let message: MessageContent = now.parse().unwrap();
    assert_eq!((message.text.as_str(), message.metadata.as_ref()), ("b", None));
    assert_eq!(message.thread, Some(TARGET.parse().unwrap()));
    assert_eq!(message.reply_to, Some(ID.parse().unwrap()));
    assert!(now.as_json().contains(r#""aurora":1.50"#), "numbers keep their digits");
    // An edit does not move it elsewhere.
    let moving = edit(&format!(r#"{{"text":"b","thread":"{ID}"}}"#));
    assert_eq!(edited(&plain, &moving).unwrap().as_json(), r#"{"text":"b"}"#);
    let moved: MessageContent = edited(&standing, &moving).unwrap().parse().unwrap();
    assert_eq!(moved.thread, Some(TARGET.parse().unwrap()));
    // An edit of an edited message counts from the original: the same again.
    assert_eq!(edited(&now, &edit(inner)).unwrap(), now);
    assert!(edited(&plain, &content("{}")).is_err());
    // Of what was taken as an array nothing stays.
    let odd = edited(&content(r#"["secret"]"#), &edit(inner)).unwrap();
    assert_eq!(odd.as_json(), inner);
}

#[test]
fn of_what_was_deleted_only_its_thread_is_left() {
    assert_eq!(deleted(&content(r#"{"text":"secret","reply_to":"x"}"#)).as_json(), "{}");
    for odd in ["7", r#"["secret"]"#, r#"["secret","more"]"#] {
        assert_eq!(deleted(&content(odd)).as_json(), "{}");
    }
    let standing = content(&format!(r#"{{"text":"secret","thread":"{TARGET}"}}"#));
    let left = format!(r#"{{"thread":"{TARGET}"}}"#);
    assert_eq!(deleted(&standing).as_json(), left);
    assert_eq!(deleted(&deleted(&standing)).as_json(), left);
}

#[test]
fn what_has_not_changed_says_nothing_of_it() {
    let event = json!({
        "id": ID, "room": TARGET, "seq": 1, "sender": "a", "at": 1, "kind": "message",
        "content": { "text": "a" }, "fold": {}
    });
    let event: Event = serde_json::from_value(event).unwrap();
    assert!(event.fold.is_some_and(|fold| fold.is_empty()));
    assert_eq!(serde_json::to_string(&Fold::default()).unwrap(), "{}");
    assert_eq!(serde_json::to_string(&RoomSettings::default()).unwrap(), "{}");
}
