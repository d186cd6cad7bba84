//! Takes out of a line what only people should know.
//!
//! It works on the JSON, and by default it replaces: a text stays only where it is known to be an id
//! or one of the words of the protocol. So what a later version adds is hidden until somebody says
//! that it may be seen. Names of fields stay: no map among the inputs is keyed by names of people.

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Fields whose text is one of a few words, or the name of a kind or a code.
const WORDS: &[&str] = &[
    "in",
    "type",
    "kind",
    "code",
    "mode",
    "role",
    "sort",
    "outcome",
    "state",
    "app_state",
    "ceiling",
    "command",
    "socket",
    "why",
    "sdk",
    "holds",
    "on_failure",
    "content_type",
    "copy",
    "part",
];

/// Words that stand where a text of the system may stand too.
const WORDS_OF_FAILURES: &[&str] = &["disk_full", "superseded", "unknown", "expired"];

/// Fields that name users, whatever their names look like.
const USERS: &[&str] =
    &["user", "users", "sender", "peer", "profiles", "presence", "members", "by"];

/// Fields that hold a room first and then users.
const ROOM_AND_USERS: &[&str] = &[
    "list_members",
    "add_members",
    "remove_member",
    "list_bans",
    "unban",
    "unmute_member",
    "muted_members",
];

/// Fields that name a file, or what its bytes come to: how many hexadecimal digits they have.
const OF_FILES: &[(&str, usize)] = &[("file_key", 32), ("sha256", 64)];

/// Fields of the content of messages and of what changes them: which ones there are is no secret.
const OF_MESSAGES: &[&str] =
    &["text", "metadata", "mentions", "reply_to", "thread", "target", "key", "removed", "content"];

/// Those of them that name another message, by its id.
const REFERENCES: &[&str] = &["reply_to", "thread", "target"];

/// The bytes of a preview, as Base64: as many of them stay.
const BASE64: &str = "data";

/// The mark of a reaction: what it is is hidden, which ones are the same is not.
const MARK: &str = "key";

/// Replaces texts, each by the same one throughout.
#[derive(Debug)]
pub(crate) struct Redactor {
    salt: u64,
}

impl Redactor {
    pub(crate) fn new(salt: u64) -> Self {
        Self { salt }
    }

    /// The line with everything replaced that is not known to be harmless.
    pub(crate) fn redact(&self, json: &str) -> String {
        let out = String::with_capacity(json.len());
        let mut walk = Walk { redactor: self, json, at: 0, out };
        walk.value(Place { key: "", index: 0 }, Depth::Structure);
        let rest = &json[walk.at..];
        walk.out.push_str(rest);
        walk.out
    }

    fn hash(&self, text: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.salt.to_le_bytes());
        hash.update(text);
        hash.finalize().into()
    }

    /// A name for a name. 48 bits tell a million of them apart.
    fn pseudonym(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let hash = self.hash(text);
        let digits: String = hash[..6].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("p{digits}")
    }

    /// What may stand for a text of the structure.
    fn stand_in(&self, text: &str, place: Place<'_>) -> String {
        let of_users =
            USERS.contains(&place.key) || (ROOM_AND_USERS.contains(&place.key) && place.index > 0);
        let harmless = WORDS.contains(&place.key)
            || (["Err", "failed"].contains(&place.key) && WORDS_OF_FAILURES.contains(&text))
            || (!of_users && text.len() == 36 && Uuid::parse_str(text).is_ok());
        let digits = OF_FILES.iter().find(|(field, _)| *field == place.key);
        match (place.key, digits) {
            _ if harmless => text.to_owned(),
            (_, Some((_, digits))) => {
                let hash = self.hash(text);
                hash.iter().take(digits / 2).map(|byte| format!("{byte:02x}")).collect()
            }
            (BASE64, _) => text.chars().map(|c| if c == '=' { '=' } else { 'A' }).collect(),
            _ => self.pseudonym(text),
        }
    }
}

/// Where a value stands: below which key, and at which place of the list there.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    key: &'a str,
    index: usize,
}

/// Whose JSON this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// The engine's or the protocol's.
    Structure,
    /// The content of an event, of which only length and shape may stay.
    Content,
    /// The value of one of the fields that messages have.
    OfMessage,
    /// A value within it.
    InContent,
}

struct Walk<'a> {
    redactor: &'a Redactor,
    json: &'a str,
    at: usize,
    out: String,
}

impl<'a> Walk<'a> {
    fn value(&mut self, place: Place<'_>, depth: Depth) {
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(place, depth),
            Some(b'"') => {
                let raw = self.string();
                let is_reference = depth == Depth::OfMessage
                    && REFERENCES.contains(&place.key)
                    && Uuid::parse_str(&decoded(raw)).is_ok();
                if place.key == MARK && matches!(depth, Depth::Structure | Depth::OfMessage) {
                    self.mark(raw);
                } else if depth == Depth::Structure {
                    let text = self.redactor.stand_in(&decoded(raw), place);
                    self.push_text(&text);
                } else if is_reference {
                    self.out.push_str(raw);
                } else {
                    self.out.push_str(&masked(raw));
                }
            }
            _ => self.scalar(depth),
        }
    }

    fn object(&mut self, depth: Depth) {
        self.copy();
        // Content of the server's own kinds names users, and the engine looks into it.
        let mut of_server = false;
        loop {
            self.space();
            match self.peek() {
                Some(b'"') => {}
                Some(b',') => {
                    self.copy();
                    continue;
                }
                Some(b'}') => return self.copy(),
                _ => return,
            }
            let raw = self.string();
            let key = decoded(raw);
            match depth {
                Depth::OfMessage | Depth::InContent => self.key_of_content(raw, &key),
                Depth::Content if !OF_MESSAGES.contains(&key.as_str()) => {
                    self.key_of_content(raw, &key);
                }
                _ => self.push_text(&key),
            }
            self.space();
            if self.peek() == Some(b':') {
                self.copy();
            }
            self.space();
            let below = match depth {
                Depth::Structure if key == "content" && !of_server => Depth::Content,
                Depth::Structure => Depth::Structure,
                // What a message says from an edit on.
                Depth::Content if key == "content" => Depth::Content,
                Depth::Content if OF_MESSAGES.contains(&key.as_str()) => Depth::OfMessage,
                Depth::Content | Depth::OfMessage | Depth::InContent => Depth::InContent,
            };
            if key == "kind" {
                let rest = &self.json[self.at..];
                of_server = rest.starts_with("\"room.") || rest.starts_with("\"member.");
            }
            self.value(Place { key: &key, index: 0 }, below);
        }
    }

    fn list(&mut self, place: Place<'_>, depth: Depth) {
        self.copy();
        let mut index = 0;
        let below = if depth == Depth::Structure { depth } else { Depth::InContent };
        loop {
            self.space();
            match self.peek() {
                Some(b']') => return self.copy(),
                Some(b',') => {
                    self.copy();
                    index += 1;
                }
                None => return,
                _ => self.value(Place { index: place.index.max(index), ..place }, below),
            }
        }
    }

    /// A number or a word of JSON.
    fn scalar(&mut self, depth: Depth) {
        let rest = &self.json[self.at..];
        let end = rest.find([',', '}', ']', '\n', ' ']).unwrap_or(rest.len());
        let word = &rest[..end];
        let number = word.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if depth == Depth::Structure || !number {
            self.out.push_str(word);
        } else {
            self.out.extend(word.chars().map(|c| if c.is_ascii_digit() { '1' } else { c }));
        }
        // Never stand still on what is no JSON.
        self.at += end.max(usize::from(end == 0 && !rest.is_empty()));
    }

    /// The mark of a reaction: as many letters as it has bytes of JSON, so that different ones stay
    /// different and nothing else changes.
    fn mark(&mut self, raw: &'a str) {
        let hash = self.redactor.hash(&decoded(raw));
        let letters = hash.iter().cycle().map(|byte| char::from(b'a' + byte % 26));
        self.out.push('"');
        self.out.extend(letters.take(raw.len().saturating_sub(2)));
        self.out.push('"');
    }

    /// A key of the app's own: letters that keep different keys different.
    fn key_of_content(&mut self, raw: &str, key: &str) {
        let hash = self.redactor.hash(key);
        let mut letters = hash.iter().cycle().map(|byte| char::from(b'a' + byte % 26));
        let masked = masked(raw);
        let letters =
            masked.chars().map(|c| if c == 'x' { letters.next().unwrap_or('x') } else { c });
        self.out.extend(letters);
    }

    /// The string at this place, with its quotes.
    fn string(&mut self) -> &'a str {
        let rest = &self.json[self.at..];
        let mut escaped = false;
        let end = rest.bytes().enumerate().skip(1).find_map(|(at, byte)| match byte {
            _ if escaped => {
                escaped = false;
                None
            }
            b'\\' => {
                escaped = true;
                None
            }
            b'"' => Some(at + 1),
            _ => None,
        });
        let end = end.unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn push_text(&mut self, text: &str) {
        self.out.push_str(&Value::String(text.to_owned()).to_string());
    }

    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn copy(&mut self) {
        self.out.push_str(&self.json[self.at..=self.at]);
        self.at += 1;
    }

    fn space(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace() && byte != b'\n') {
            self.copy();
        }
    }
}

fn decoded(raw: &str) -> String {
    serde_json::from_str(raw).unwrap_or_default()
}

/// A string of the same length, in bytes of JSON and in bytes of text, with the same white space.
fn masked(raw: &str) -> String {
    let mut masked = String::with_capacity(raw.len());
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' | ' ' => masked.push(c),
            '\\' => match chars.next() {
                Some('u') => {
                    let digits: String = chars.by_ref().take(4).collect();
                    let code = u32::from_str_radix(&digits, 16).unwrap_or_default();
                    masked.push_str(match code {
                        0..0x80 => "\\u0001",
                        0x80..0x800 => "\\u00e9",
                        0xd800..0xdc00 => "\\ud83d",
                        0xdc00..0xe000 => "\\ude00",
                        _ => "\\u4e00",
                    });
                }
                Some(white @ ('n' | 't' | 'r')) => masked.extend(['\\', white]),
                Some(_) => masked.push_str("\\\\"),
                None => masked.push('x'),
            },
            c => masked.push(match c.len_utf8() {
                1 => 'x',
                2 => 'é',
                3 => '一',
                _ => '😀',
            }),
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidewire_protocol::{Content, EventKind, MessageContent, Op};

    use super::*;

    fn redact(json: &str) -> String {
        Redactor::new(7).redact(json)
    }

    #[test]
    fn ids_numbers_and_words_stay_and_everything_else_is_replaced() {
        let id = "0192f0c1-2b3c-7d4e-8f50-112233445566";
        let line = format!(
            r#"{{"at":[5,1700],"in":{{"frame":[3,{{"type":"live","room":"{id}","user":"{id}","epoch":"e1"}}]}}}}"#
        );
        let user = Redactor::new(7).pseudonym(id);
        let epoch = Redactor::new(7).pseudonym("e1");
        assert_eq!(
            redact(&line),
            format!(
                r#"{{"at":[5,1700],"in":{{"frame":[3,{{"type":"live","room":"{id}","user":"{user}","epoch":"{epoch}"}}]}}}}"#
            )
        );
    }

    #[test]
    fn a_name_is_always_the_same_and_another_one_in_another_recording() {
        let twice = redact(r#"{"sender":"ada","peer":"ada"}"#);
        let value: Value = serde_json::from_str(&twice).unwrap();
        assert_eq!(value["sender"], value["peer"]);
        assert_ne!(twice, Redactor::new(8).redact(r#"{"sender":"ada","peer":"ada"}"#));
        assert!(!twice.contains("ada"));
    }

    #[test]
    fn a_text_that_begins_as_a_word_of_the_protocol_is_hidden_where_it_is_a_name() {
        for json in [r#"{"user":"superseded"}"#, r#"{"name":"polling"}"#, r#"{"x":"disk_full"}"#] {
            let hidden = redact(json);
            assert!(!hidden.contains("superseded") && !hidden.contains("polling"), "{hidden}");
            assert!(!hidden.contains("disk_full"), "{hidden}");
        }
    }

    #[test]
    fn whom_the_servers_own_events_name_stays_the_same_person() {
        let joined = r#"{"sender":"bob","kind":"member.joined","content":{"user":"bob"}}"#;
        let value: Value = serde_json::from_str(&redact(joined)).unwrap();
        assert_eq!(value["sender"], value["content"]["user"]);
        assert!(!redact(joined).contains("bob"));
    }

    #[test]
    fn what_is_no_json_is_walked_through_and_never_hangs() {
        for json in ["", "{", "}", "[1,", "{\"a\"", "nonsense here", "\"", "{\"content\":\"\\"] {
            redact(json);
        }
    }

    /// Whatever the wire carries, now and later: its examples are all pinned.
    #[test]
    fn no_example_of_the_wire_keeps_a_users_name() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/tests/golden");
        let mut seen = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
            let redacted = redact(&format!("{{\"in\":{value}}}"));
            for name in ["ada", "bob", "grace", "alan", "linus"] {
                let words = redacted.split(|c: char| !c.is_ascii_alphanumeric());
                assert!(words.clone().all(|word| word != name), "{name} stays in {redacted}");
                seen += usize::from(text.contains(name));
            }
        }
        assert!(seen > 10, "{seen} examples with names");
    }

    #[test]
    fn what_changes_a_message_still_names_it_and_tells_the_same_marks_from_others() {
        let id = "0192f0c1-2b3c-7d4e-8f50-112233445566";
        let content = |content: &str| {
            let json = redact(&format!(r#"{{"kind":"any","content":{content}}}"#));
            serde_json::from_str::<Value>(&json).unwrap()["content"].clone()
        };
        let reaction =
            |key: &str| content(&format!(r#"{{"target":"{id}","key":"{key}","removed":true}}"#));
        let (one, other) = (reaction("👍"), reaction("🎉"));
        assert_eq!((&one["target"], &one["removed"]), (&Value::from(id), &Value::from(true)));
        assert_ne!(one["key"], other["key"]);
        assert_eq!(one["key"].as_str().unwrap().len(), "👍".len());
        let fold = redact(r#"{"fold":{"reactions":[{"key":"👍","count":1,"by":["ada"]}]}}"#);
        let fold: Value = serde_json::from_str(&fold).unwrap();
        assert_eq!(fold["fold"]["reactions"][0]["key"], one["key"]);
        assert_ne!(fold["fold"]["reactions"][0]["by"][0], "ada");

        let edit = content(&format!(r#"{{"target":"{id}","content":{{"text":"secret"}}}}"#));
        assert_eq!(edit["content"]["text"], "xxxxxx");
        let quote = content(&format!(r#"{{"text":"secret","reply_to":"{id}","thread":"{id}"}}"#));
        assert_eq!((&quote["reply_to"], &quote["thread"]), (&Value::from(id), &Value::from(id)));
        // An id is one only where messages name each other.
        let hidden = content(&format!(r#"{{"text":"{id}","metadata":{{"target":"{id}"}}}}"#));
        assert!(!hidden.to_string().contains(id), "{hidden}");
        let odd = content(r#"{"target":"ada lovelace","key":["ada"]}"#);
        assert!(!odd.to_string().contains("ada"), "{odd}");
    }

    proptest! {
        #[test]
        fn content_keeps_length_and_shape_and_loses_its_text(
            text in "[a-zà-ü一-龥😀 \"\\\\\n\u{1}]{1,60}",
            value in "[b-w]{4,20}",
            number in 2u32..999,
        ) {
            let metadata = Some(serde_json::json!({ "first": value, "second": [number, true, null] }));
            let mentions = vec!["grace".parse().unwrap()];
            let content = MessageContent { text: text.clone(), metadata, mentions, ..MessageContent::default() };
            let op = Op {
                id: tidewire_protocol::EventId::from_uuid(Uuid::nil()),
                kind: EventKind::Message,
                content: Content::of(&content).unwrap(),
            };
            let line = serde_json::to_string(&op).unwrap();
            let redacted = redact(&line);
            prop_assert_eq!(redacted.len(), line.len());
            let after: Op = serde_json::from_str(&redacted).unwrap();
            prop_assert_eq!(after.wire_bytes(), op.wire_bytes());
            prop_assert_eq!(after.validate().is_ok(), op.validate().is_ok());
            let seen: MessageContent = after.content.parse().unwrap();
            prop_assert_eq!(seen.text.len(), text.len());
            prop_assert!(!redacted.contains(&value) && !redacted.contains("grace"));
            prop_assert!(seen.text.chars().all(|c| "x é一😀\\\n\u{1}".contains(c)), "{}", seen.text);
        }
    }
}
