//! Databases of every earlier version, opened by today's code.

use super::*;
use crate::store::migrations::{STEPS, known, version};
use rusqlite::Connection;

/// The files of one version, as SQL, each made by the code of its time: the cache (in version 1 with
/// the outbox in it), and what exists nowhere else.
struct Fixture {
    version: u32,
    cache: &'static str,
    own: Option<&'static str>,
}

const FIXTURES: &[Fixture] = &[
    Fixture { version: 1, cache: include_str!("../fixtures/1.sql"), own: None },
    Fixture {
        version: 2,
        cache: include_str!("../fixtures/2.sql"),
        own: Some(include_str!("../fixtures/2-outbox.sql")),
    },
    Fixture {
        version: 3,
        cache: include_str!("../fixtures/3.sql"),
        own: Some(include_str!("../fixtures/3-outbox.sql")),
    },
    Fixture {
        version: 4,
        cache: include_str!("../fixtures/4.sql"),
        own: Some(include_str!("../fixtures/4-outbox.sql")),
    },
];

impl Fixture {
    fn lay_out(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        let make = |name: &str, sql: &str| {
            let file = Connection::open(folder.join(name)).unwrap();
            file.pragma_update(None, "journal_mode", "WAL").unwrap();
            file.execute_batch(sql).unwrap();
            assert_eq!(version(&file).unwrap(), self.version, "{name}");
        };
        make("tidewire.db", self.cache);
        if let Some(own) = self.own {
            make("outbox.db", own);
        }
    }
}

#[test]
fn every_version_before_the_newest_has_a_fixture() {
    let there: Vec<u32> = FIXTURES.iter().map(|fixture| fixture.version).collect();
    let wanted: Vec<u32> = (1..known()).collect();
    assert_eq!(
        there, wanted,
        "a step was appended: put a database of the version before it, with pending sends, into \
         store/fixtures and name it here"
    );
    assert_eq!(known() as usize, STEPS.len());
}

#[test]
fn a_database_of_every_earlier_version_opens_with_its_pending_sends_in_order() {
    for fixture in FIXTURES {
        let folder = tempfile::tempdir().unwrap();
        fixture.lay_out(folder.path());
        // Opened twice: what was moved stays moved.
        for _ in 0..2 {
            let mut open = Open::files(folder.path()).unwrap();
            let rows = start(open.database());
            let version = fixture.version;
            let ids: Vec<String> =
                rows.outbox.iter().map(|row| row.op.id.to_string()[32..].to_owned()).collect();
            assert_eq!(ids, ["2329", "232a", "232b", "232d"], "of version {version}");
            assert_eq!(rows.outbox[0].op.content.as_json(), r#"{"text":"pending 1"}"#);
            assert_eq!(rows.outbox[0].attempted_at, Some(1_760_000_200_000));
            assert_eq!(rows.outbox[0].failed, None);
            assert!(matches!(rows.outbox[1].failed, Some(FailReason::Refused(_))));
            assert_eq!(rows.outbox[3].queued_at, 1_760_000_100_005);
            assert_eq!(rows.repair, None, "of version {version}");
            // The cache is as it was, or empty and to be filled again.
            if rows.cursor.is_some() {
                assert_eq!(rows.rooms.len(), 2);
                let room = &rows.rooms[1];
                assert_eq!(room.held, [(1, 5), (11, 60)]);
                let receipts = open.database().query(&Query::receipts_of_all());
                let Ok(Rows::Receipts(receipts)) = receipts else { panic!() };
                let of_room = receipts.iter().find(|(of, _)| *of == room.state.id);
                assert_eq!(of_room.unwrap().1.len(), 2);
                assert_eq!(room.state.last_event.as_ref().unwrap().seq, Seq::new(60));
                let newest = Query::Newest { room: room.state.id, limit: 100 };
                let Ok(Rows::Events(events)) = open.database().query(&newest) else { panic!() };
                assert_eq!(events.len(), 55);
            } else {
                assert!(rows.rooms.is_empty());
            }
            // And it takes more.
            open.database().execute(&enqueue(1)).unwrap();
            let mut undo = Transaction { durable: true, ..Transaction::default() };
            undo.push(Write::Dequeue(id(9_000_001)));
            open.database().execute(&undo).unwrap();
        }
    }
}

#[test]
fn what_an_earlier_version_stored_is_found_once_it_is_taken_into_the_index() {
    for fixture in FIXTURES {
        let folder = tempfile::tempdir().unwrap();
        fixture.lay_out(folder.path());
        let mut open = Open::files(folder.path()).unwrap();
        let database = open.database();
        let stored: i64 = database
            .connection
            .query_row("SELECT count(*) FROM events WHERE kind = 'message'", [], |row| row.get(0))
            .unwrap();
        let stored = usize::try_from(stored).unwrap();
        let terms = tidewire_protocol::SearchTerms::parse("QUOTED mess").unwrap();
        let (room, sender) = (None, None);
        let lookup =
            SearchLookup { terms, room, sender, limit: 1_000, before: None, beside: false };
        let found = |database: &mut Database| match database
            .query(&Query::Search(Box::new(lookup.clone())))
            .unwrap()
        {
            Rows::Search(rows) => rows.events.len(),
            other => panic!("{other:?}"),
        };
        let mut steps = 0;
        while start(database).unindexed {
            assert_eq!(found(database), stored.min(20 * steps), "of version {}", fixture.version);
            let writes = vec![Write::IndexMore(20)];
            database.execute(&Transaction { writes, ..Transaction::default() }).unwrap();
            steps += 1;
        }
        assert_eq!(found(database), stored, "of version {}", fixture.version);
        assert!(steps > 1 || stored == 0, "{steps}");
    }
}

#[test]
fn an_outbox_that_was_moved_and_not_yet_dropped_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    FIXTURES[0].lay_out(folder.path());
    // As if the process had ended between the two.
    let mut own = Connection::open(folder.path().join("outbox.db")).unwrap();
    let cache = Connection::open(folder.path().join("tidewire.db")).unwrap();
    let rows = crate::store::migrations::outbox_of(&cache).unwrap();
    crate::store::migrations::take_outbox(&mut own, &rows).unwrap();
    own.execute("DELETE FROM outbox WHERE n = 1", []).unwrap();
    drop((own, cache));
    let mut open = Open::files(folder.path()).unwrap();
    assert_eq!(start(open.database()).outbox.len(), 3, "what has left since does not come back");
}

#[test]
fn a_newer_database_is_refused_with_its_version_and_left_as_it_is() {
    for name in ["tidewire.db", "outbox.db"] {
        let folder = tempfile::tempdir().unwrap();
        account(folder.path());
        let path = folder.path().join(name);
        let found = known() + 1;
        {
            // Not written back to the file: what the log holds counts too, and stays.
            let newer = Connection::open(&path).unwrap();
            newer
                .set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
                .unwrap();
            newer.pragma_update(None, "user_version", found).unwrap();
        }
        let files = |suffix: &str| {
            ["tidewire.db", "outbox.db"]
                .map(|name| std::fs::read(folder.path().join(format!("{name}{suffix}"))).ok())
        };
        let before = (files(""), files("-wal"));
        let error = Open::files(folder.path()).unwrap_err();
        assert_eq!(error, StoreError::Newer { found, known: known() });
        assert!(before == (files(""), files("-wal")), "{name} was touched");
    }
}
