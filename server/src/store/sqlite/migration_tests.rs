//! Databases of earlier versions go on with this one.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tidewire_protocol::{
    BanRequest, Checksum, Content, EditContent, Event, EventId, EventKind, FileKey, HistoryAnchor,
    MessageContent, MuteRequest, Op, OpOutcome, Role, RoomId, RoomSettings, SearchTerms, Seq,
    SettingsUpdate, SlowMode, UploadId, UploadRequest, UserId,
};
use uuid::Uuid;

use super::{SqliteStore, migrations};
use crate::bus::InProcess;
use crate::store::{AccountStore, EventJson, Found, NewUpload, SearchQuery, Store, StoreError};

const ROOM: Uuid = Uuid::from_u128(7);

/// A database as the version before edits, reactions, threads and settings left it: a group of Ada
/// and Bob, with messages, and with kinds of an app's own that mean something only now.
fn second_schema(path: &Path) {
    let conn = Connection::open(path).unwrap();
    for step in &migrations::STEPS[..2] {
        conn.execute_batch(step).unwrap();
    }
    conn.pragma_update(None, "user_version", 2).unwrap();
    conn.execute_batch(
        "INSERT INTO meta VALUES('e1', 1);
         UPDATE shards SET head_ord = 7;
         INSERT INTO profiles VALUES('ada', 'Ada', NULL, 5);",
    )
    .unwrap();
    conn.execute(
        "INSERT INTO rooms VALUES(1, ?1, 2, 'Harbour', NULL, 'ada', 1, 0, 6, 6, 7, 2)",
        [ROOM.as_bytes()],
    )
    .unwrap();
    conn.execute_batch(
        "INSERT INTO members VALUES(1, 'ada', 1, 1, 1, 1, 6, 1, 7, NULL, NULL);
         INSERT INTO members VALUES(1, 'bob', 2, 1, 1, 1, 1, 1, 0, NULL, NULL);",
    )
    .unwrap();
    let first = id(2);
    let events = [
        ("room.created", r#"{"kind":"group","name":"Harbour","members":["ada","bob"]}"#.into()),
        ("message", r#"{"text":"first"}"#.into()),
        ("edit", format!(r#"{{"target":"{first}","content":{{"text":"forged"}}}}"#)),
        ("reaction", r#""odd""#.into()),
        ("message", format!(r#"{{"text":"last","thread":"{first}"}}"#)),
        ("poll", r#"{"q":1}"#.into()),
    ];
    for (place, (kind, content)) in events.into_iter().enumerate() {
        let seq = place as i64 + 1;
        conn.execute(
            "INSERT INTO events VALUES(?1, 1, ?1, ?2, 'ada', ?1, ?3, ?4, x'00')",
            (seq, id(seq as u128).uuid().as_bytes(), kind, content),
        )
        .unwrap();
    }
}

/// The same after the next two steps: with an index of messages that lacks lists of short beginnings, and
/// has taken in all that there was.
fn fourth_schema(path: &Path) {
    second_schema(path);
    let conn = Connection::open(path).unwrap();
    for step in &migrations::STEPS[2..4] {
        conn.execute_batch(step).unwrap();
    }
    conn.pragma_update(None, "user_version", 4).unwrap();
    conn.execute_batch(
        "INSERT INTO search(rowid, terms) VALUES(2, 'first');
         INSERT INTO search(rowid, terms) VALUES(5, 'last');
         DELETE FROM search_todo;",
    )
    .unwrap();
}

fn id(seq: u128) -> EventId {
    EventId::from_uuid(Uuid::from_u128(0x100 + seq))
}

fn bob() -> UserId {
    "bob".parse().unwrap()
}

fn events(json: &[EventJson]) -> Vec<Event> {
    json.iter().map(|json| serde_json::from_str(json.get()).unwrap()).collect()
}

#[tokio::test]
async fn an_older_database_goes_on_and_its_own_kinds_of_that_name_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    second_schema(&path);
    let store = SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap();
    assert_eq!(store.epoch().as_str(), "e1");
    let room = RoomId::from_uuid(ROOM);
    let state = store.room(room, bob()).await.unwrap();
    assert_eq!((state.head_seq, state.name.as_deref()), (Seq::new(6), Some("Harbour")));
    assert_eq!((state.avatar_url, state.settings), (None, RoomSettings::default()));
    assert_eq!(state.unread_base.unwrap().unread, 2);
    assert_eq!(events(&[state.last_message.unwrap()])[0].seq, Seq::new(5));
    let history = || store.history(room, bob(), None, HistoryAnchor::Newest, 100);
    let page = history().await.unwrap();
    assert_eq!(page.covers, Some((Seq::new(1), Seq::new(6))));
    let told = events(&page.messages);
    let seqs: Vec<u64> = told.iter().map(|event| event.seq.get()).collect();
    assert_eq!(seqs, [1, 2, 5, 6]);
    assert!(told.iter().all(|event| event.fold.is_none()));
    assert_eq!(told[1].content.as_json(), r#"{"text":"first"}"#);
    // The feed brings them as they are.
    assert_eq!(store.log_after(0, 0, 100).await.unwrap().len(), 7);
    // What comes now counts, also for what was there before.
    let content = MessageContent::of_text("better");
    let edit = Op {
        id: id(99),
        kind: EventKind::Edit,
        content: Content::of(&EditContent { target: id(2), content }).unwrap(),
    };
    let ada: UserId = "ada".parse().unwrap();
    let appended = store.append(room, ada.clone(), vec![edit]).await.unwrap();
    assert!(matches!(appended.results[0].outcome, OpOutcome::Accepted { .. }));
    let muted = RoomSettings { muted: true, ..RoomSettings::default() };
    let update = SettingsUpdate { settings: muted, version: Some(0) };
    let set = store.set_settings(room, ada.clone(), update).await.unwrap();
    assert_eq!(set, SettingsUpdate { version: Some(1), ..update });
    let told = events(&history().await.unwrap().messages);
    assert_eq!(told[1].content.as_json(), r#"{"text":"better"}"#);
    store.close().await;
    // Opened again, nothing is done twice.
    let store = SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap();
    assert_eq!(store.room(room, ada).await.unwrap().settings, muted);
    store.close().await;
}

#[tokio::test]
async fn an_older_database_takes_files_and_what_was_said_of_some_before_is_only_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    fourth_schema(&path);
    let conn = Connection::open(&path).unwrap();
    // From when no server knew the field: nobody has looked at it.
    let odd = r#"{"text":"old","attachments":[{"id":7}]}"#;
    conn.execute("UPDATE events SET content = ?1 WHERE seq = 2", [odd]).unwrap();
    drop(conn);
    let store = SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap();
    let (ada, room): (UserId, _) = ("ada".parse().unwrap(), RoomId::from_uuid(ROOM));
    let page = store.history(room, bob(), None, HistoryAnchor::Newest, 100).await.unwrap();
    assert_eq!(events(&page.messages)[1].content.as_json(), odd);
    let request = UploadRequest {
        id: UploadId::from_uuid(Uuid::from_u128(9)),
        name: "a".into(),
        content_type: "a/b".into(),
        size: 3,
        sha256: Checksum::new([7; 32]),
    };
    let key: FileKey = "0123456789abcdef".parse().unwrap();
    let new = NewUpload { request, key: key.clone(), part_size: 3 };
    let upload = store.begin_upload(ada.clone(), new).await.unwrap();
    store.complete_upload(upload.request.id).await.unwrap();
    let delete = Content::from_json(format!(r#"{{"target":"{}"}}"#, id(2))).unwrap();
    let delete = Op { id: id(98), kind: EventKind::Delete, content: delete };
    let appended = store.append(room, ada.clone(), vec![delete]).await.unwrap();
    assert!(matches!(appended.results[0].outcome, OpOutcome::Accepted { .. }));
    assert!(store.file(Some(ada), key).await.is_ok());
    store.close().await;
}

#[tokio::test]
async fn in_an_older_database_nobody_is_out_or_silent_until_somebody_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    fourth_schema(&path);
    let store = SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap();
    let (ada, room): (UserId, _) = ("ada".parse().unwrap(), RoomId::from_uuid(ROOM));
    assert_eq!(store.bans(room, ada.clone(), None).await.unwrap().bans, []);
    store.set_role(room, ada.clone(), bob(), Role::Moderator).await.unwrap();
    let eve: UserId = "eve".parse().unwrap();
    let ban = BanRequest { reason: Some("spam".into()) };
    store.ban(room, bob(), eve.clone(), ban).await.unwrap();
    assert_eq!(store.bans(room, ada.clone(), None).await.unwrap().bans.len(), 1);
    let refused = store.add_members(room, ada.clone(), vec![eve.clone()]).await.unwrap_err();
    assert_eq!(refused, StoreError::Banned(eve));
    let state = store.room(room, bob()).await.unwrap();
    assert_eq!((state.mute, state.slow_mode_ms), (None, 0));
    let mute = MuteRequest { for_ms: Some(60_000), reason: None };
    store.mute(room, ada.clone(), bob(), mute).await.unwrap();
    assert!(store.room(room, bob()).await.unwrap().mute.is_some());
    let slow = SlowMode { interval_ms: 5_000 };
    assert_eq!(store.set_slow_mode(room, ada, slow).await.unwrap().slow_mode_ms, 5_000);
    store.close().await;
}

#[tokio::test]
async fn an_older_database_takes_accounts_of_all_but_those_who_are_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    fourth_schema(&path);
    let store = SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap();
    let make =
        async |name: &str| store.create_account(name.parse().unwrap(), "hash".into(), None).await;
    // Ada has a profile; Bob was only added, and never came.
    assert_eq!(make("ada").await.unwrap_err(), StoreError::UserTaken);
    make("bob").await.unwrap();
    assert_eq!(store.sessions(bob()).await.unwrap(), []);
    store.close().await;
}

#[tokio::test]
async fn who_left_an_older_database_sees_the_room_as_it_was_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    fourth_schema(&path);
    let conn = Connection::open(&path).unwrap();
    let events = [
        ("member.joined", r#"{"user":"cyd"}"#),
        ("room.updated", r#"{"name":"Quay","avatar_url":"https://img.example/q"}"#),
        ("message", r#"{"text":"between"}"#),
        ("member.left", r#"{"user":"bob"}"#),
        ("room.updated", r#"{"name":"Secret"}"#),
        ("member.left", r#"{"user":"cyd"}"#),
    ];
    for (place, (kind, content)) in events.into_iter().enumerate() {
        let seq = place as i64 + 7;
        conn.execute(
            "INSERT INTO events VALUES(?1 + 1, 1, ?1, ?2, 'ada', ?1, ?3, ?4, x'00', NULL)",
            (seq, id(seq as u128).uuid().as_bytes(), kind, content),
        )
        .unwrap();
    }
    conn.execute_batch(
        "UPDATE shards SET head_ord = 13;
         UPDATE rooms SET name = 'Secret', head_seq = 12, head_ord = 13, members = 1;
         UPDATE members SET left_seq = 10, left_ord = 11 WHERE user = 'bob';
         INSERT INTO members(rk, user, role, joined_at, joined_seq, joined_ord, delivered_seq,
             read_seq, left_seq, left_ord) VALUES(1, 'cyd', 2, 1, 7, 8, 7, 7, 12, 13);",
    )
    .unwrap();
    drop(conn);
    let store = SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap();
    let room = RoomId::from_uuid(ROOM);
    for (reader, name, picture, members) in [
        ("bob", "Quay", Some("https://img.example/q"), 2),
        ("cyd", "Secret", None, 1),
        ("ada", "Secret", None, 1),
    ] {
        let state = store.room(room, reader.parse().unwrap()).await.unwrap();
        assert_eq!(state.name.as_deref(), Some(name), "{reader}");
        assert_eq!((state.avatar_url.as_deref(), state.members), (picture, members), "{reader}");
    }
    store.close().await;
}

async fn find(store: &SqliteStore, text: &str) -> Found {
    let terms = SearchTerms::parse(text).unwrap();
    let query = SearchQuery { terms, room: None, sender: None, limit: 50, below: None };
    store.search(bob(), query).await.unwrap()
}

#[tokio::test]
async fn an_older_index_is_made_anew_and_finds_what_was_said_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    fourth_schema(&path);
    let store = SqliteStore::open(&path, Arc::new(InProcess::new(1)), 1, 20).unwrap();
    assert!(find(&store, "fi").await.indexing, "what there was is still to be taken in");
    while store.index_more().await.unwrap() {}
    for (text, seqs) in [("fi", vec![2]), ("last", vec![5]), ("forged", vec![])] {
        let found = find(&store, text).await;
        let found: Vec<u64> = events(&found.messages).iter().map(|event| event.seq.get()).collect();
        assert_eq!(found, seqs, "{text}");
    }
    assert!(!find(&store, "fi").await.indexing);
    store.close().await;
    let conn = Connection::open(&path).unwrap();
    let schema: String = conn
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'search'", [], |row| row.get(0))
        .unwrap();
    assert!(schema.contains("prefix = '2 3'"), "{schema}");
}
