//! Damaged files: nothing panics, the outbox is there or the error says why not, the cache begins anew.

use super::*;

/// Reads all that a client reads, and begins anew where something is damaged, as the engine does.
async fn live(folder: &Path) -> Result<(Store, StartRows), StoreError> {
    let store = Store::open(folder, false).await?;
    let mut repair = None;
    for _ in 0..4 {
        let rows = match load(&store, everything()).await {
            Ok(Rows::Start(rows)) => anywhere(*rows),
            Ok(other) => panic!("{other:?}"),
            Err(StoreError::Damaged { path, reason }) if path.ends_with("outbox.db") => {
                return Err(StoreError::Damaged { path, reason });
            }
            Err(StoreError::Damaged { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        repair = rows.repair.clone().or(repair);
        let mut sound = true;
        for room in &rows.rooms {
            let query = Query::Newest { room: room.state.id, limit: 1_000 };
            match load(&store, query).await {
                Ok(_) => {}
                Err(StoreError::Damaged { .. } | StoreError::Superseded) => sound = false,
                Err(error) => panic!("{error}"),
            }
        }
        let number = fastrand::u64(10_000_000..20_000_000);
        match commit(&store, filled_room(77, 20)).await {
            Ok(()) if sound => {
                // What is queued from now on is there at the next start.
                commit(&store, enqueue(number)).await.unwrap();
                let mut undo = Transaction::default();
                undo.push(Write::Dequeue(id(9_000_000 + number)));
                commit(&store, undo).await.unwrap();
                return Ok((store, StartRows { repair, ..rows }));
            }
            Ok(()) | Err(StoreError::Damaged { .. } | StoreError::Superseded) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it never becomes sound");
}

fn bytes(folder: &Path, name: &str) -> Vec<u8> {
    std::fs::read(folder.join(name)).unwrap()
}

/// Where a page of a table begins, as SQLite's own list of pages says.
fn pages_of(folder: &Path, name: &str, table: &str) -> Vec<usize> {
    // Root pages are enough for those of one page; the rest is found by its marks.
    let file = rusqlite::Connection::open(folder.join(name)).unwrap();
    let root: i64 = file
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |row| row.get(0))
        .unwrap();
    drop(file);
    let bytes = bytes(folder, name);
    let root = usize::try_from(root - 1).unwrap() * 4096;
    // An interior page: its children follow.
    let mut pages = vec![root];
    if matches!(bytes[root], 2 | 5) {
        let right = u32::from_be_bytes(bytes[root + 8..root + 12].try_into().unwrap());
        pages.push((right as usize - 1) * 4096);
    }
    pages
}

#[tokio::test]
async fn a_damaged_cache_is_set_aside_and_the_outbox_stays() {
    type Harm = fn(&Path, &mut Vec<u8>);
    let harms: &[(&str, Harm)] = &[
        ("the header", |_, bytes| bytes[..16].fill(b'?')),
        ("the first page", |_, bytes| bytes[..4096].fill(0)),
        ("the schema", |_, bytes| {
            let at = bytes.windows(6).position(|word| word == b"events").unwrap();
            bytes[at] = b'o';
        }),
        ("the version", |_, bytes| bytes[60..64].copy_from_slice(&1u32.to_be_bytes())),
        ("a great version", |_, bytes| bytes[60] = 0x40),
        ("the pages of events", |folder, bytes| {
            for page in pages_of(folder, "tidewire.db", "events") {
                bytes[page..page + 200].fill(0xff);
            }
        }),
        ("the rooms", |folder, bytes| {
            for page in pages_of(folder, "tidewire.db", "rooms") {
                bytes[page..page + 8].fill(0xff);
            }
        }),
        ("the index of rooms", |folder, bytes| {
            for page in pages_of(folder, "tidewire.db", "sqlite_autoindex_rooms_1") {
                bytes[page..page + 8].fill(0xff);
            }
        }),
        ("half of the file", |_, bytes| bytes.truncate(bytes.len() / 2)),
        ("a page and a bit", |_, bytes| bytes.truncate(5_000)),
        ("all but some bytes", |_, bytes| bytes.truncate(50)),
        ("everything", |_, bytes| bytes.fill(0)),
    ];
    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let before = account(folder.path());
        let mut cache = bytes(folder.path(), "tidewire.db");
        harm(folder.path(), &mut cache);
        std::fs::write(folder.path().join("tidewire.db"), &cache).unwrap();
        let (store, rows) = live(folder.path()).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(rows.outbox, before.outbox, "{what}");
        let repair = rows.repair.unwrap_or_else(|| panic!("{what}: nobody is told"));
        assert!(repair.cache && repair.complete && repair.outbox.is_none(), "{what}: {repair:?}");
        assert_eq!(rows.cursor, None, "{what}: reading begins anew");
        store.close().await;
        let aside = |prefix: &str| {
            let names = std::fs::read_dir(folder.path()).unwrap();
            names
                .filter(|entry| {
                    let name = entry.as_ref().unwrap().file_name();
                    let name = name.to_string_lossy();
                    name.starts_with(prefix) && !name.ends_with("-wal")
                })
                .count()
        };
        assert_eq!(aside("tidewire.db.damaged-"), 1, "{what}");
        assert_eq!(aside("outbox.db.damaged-"), 0, "{what}");
    }
}

#[tokio::test]
async fn a_damaged_outbox_is_rescued_row_by_row() {
    type Harm = fn(&Path, &mut Vec<u8>);
    let harms: &[(&str, Harm)] = &[
        ("the header", |_, bytes| bytes[..16].fill(b'?')),
        ("the first page", |_, bytes| bytes[..4096].fill(0)),
        ("the schema", |_, bytes| {
            let at = bytes.windows(6).position(|word| word == b"outbox").unwrap();
            bytes[at] = b'i';
        }),
        ("the version", |_, bytes| bytes[60..64].fill(0)),
        ("the index", |folder, bytes| {
            for page in pages_of(folder, "outbox.db", "sqlite_autoindex_outbox_1") {
                bytes[page..page + 8].fill(0xff);
            }
        }),
    ];
    for (what, harm) in harms {
        let folder = tempfile::tempdir().unwrap();
        let before = account(folder.path());
        let mut own = bytes(folder.path(), "outbox.db");
        harm(folder.path(), &mut own);
        std::fs::write(folder.path().join("outbox.db"), &own).unwrap();
        let (store, rows) = live(folder.path()).await.unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(rows.outbox, before.outbox, "{what}");
        let repair = rows.repair.unwrap_or_else(|| panic!("{what}: nobody is told"));
        assert_eq!((repair.outbox, repair.complete), (Some(60), true), "{what}: {repair:?}");
        assert_eq!(rows.cursor, before.cursor, "{what}: the cache is sound");
        store.close().await;
    }
}

#[tokio::test]
async fn a_damaged_draft_or_wish_keeps_nobody_from_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let before = account(folder.path());
    let file = rusqlite::Connection::open(folder.path().join("outbox.db")).unwrap();
    file.execute_batch(
        "INSERT OR REPLACE INTO drafts VALUES (zeroblob(16), CAST(x'48ff69' AS TEXT));
         INSERT OR REPLACE INTO drafts VALUES (x'00', 'of no room');
         INSERT OR REPLACE INTO wishes VALUES (zeroblob(16), '{');
         INSERT OR REPLACE INTO block_wishes VALUES ('', 'perhaps');",
    )
    .unwrap();
    drop(file);
    let (store, rows) = live(folder.path()).await.unwrap();
    let repair = rows.repair.expect("it is told");
    assert_eq!((repair.cache, repair.outbox), (false, Some(60)), "{repair:?}");
    assert_eq!((rows.outbox, rows.cursor), (before.outbox, before.cursor));
    let nobodys = RoomId::from_uuid(Uuid::nil());
    let draft = rows.drafts.iter().find(|draft| draft.room == nobodys).unwrap();
    assert_eq!(draft.text, "H\u{fffd}i", "all of it that is text");
    assert_eq!(rows.drafts.len(), before.drafts.len() + 1);
    assert!(rows.wishes.is_empty() && rows.block_wishes.is_empty());
    store.close().await;
}

#[tokio::test]
async fn an_outbox_that_can_not_be_read_to_its_end_is_left_until_that_is_accepted() {
    type Harm = fn(&Path, &mut Vec<u8>);
    let harms: &[(&str, Harm, u64)] = &[
        (
            "its last page",
            |folder, bytes| {
                let page = *pages_of(folder, "outbox.db", "outbox").last().unwrap();
                bytes[page..page + 4096].fill(0xff);
            },
            1,
        ),
        (
            "a page of its files",
            |folder, bytes| {
                let page = *pages_of(folder, "outbox.db", "uploads").last().unwrap();
                bytes[page..page + 4096].fill(0xff);
            },
            48,
        ),
        ("everything", |_, bytes| bytes.fill(0), 0),
        ("its content", |_, bytes| bytes.clear(), 0),
    ];
    for (what, harm, least) in harms {
        let folder = tempfile::tempdir().unwrap();
        let before = account(folder.path());
        let mut own = bytes(folder.path(), "outbox.db");
        harm(folder.path(), &mut own);
        std::fs::write(folder.path().join("outbox.db"), &own).unwrap();
        for _ in 0..2 {
            let error = live(folder.path()).await.unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error}");
            assert!(bytes(folder.path(), "outbox.db") == own, "{what} is left as it is");
        }
        let store = Store::open(folder.path(), true).await.unwrap();
        let Ok(Rows::Start(rows)) = load(&store, everything()).await else { panic!("{what}") };
        let rows = anywhere(*rows);
        let repair = rows.repair.unwrap();
        assert!(!repair.complete && repair.outbox >= Some(*least), "{what}: {repair:?}");
        let rescued = rows.outbox.iter().filter(|row| before.outbox.contains(row)).count() as u64;
        assert_eq!((Some(rescued), rows.outbox.len() as u64), (repair.outbox, rescued), "{what}");
        assert_eq!(rows.cursor, before.cursor, "{what}: the cache is sound");
        store.close().await;
    }
}

#[tokio::test]
async fn a_damaged_log_ends_where_it_is_damaged() {
    for harmed in ["tidewire.db-wal", "outbox.db-wal"] {
        let folder = tempfile::tempdir().unwrap();
        let copy = tempfile::tempdir().unwrap();
        let mut open = Open::files(folder.path()).unwrap();
        for number in 1..=20 {
            open.database().execute(&filled_room(number, 10)).unwrap();
            open.database().execute(&enqueue(number)).unwrap();
        }
        let before = start(open.database());
        // As a killed process leaves them: with their logs.
        for name in ["tidewire.db", "tidewire.db-wal", "outbox.db", "outbox.db-wal"] {
            std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        drop(open);
        let mut log = bytes(copy.path(), harmed);
        let middle = log.len() / 2;
        log[middle..middle + 64].fill(0x55);
        std::fs::write(copy.path().join(harmed), &log).unwrap();
        let (store, rows) = live(copy.path()).await.unwrap();
        // What is read is a beginning of what was written, with no hole in it.
        assert!(before.outbox.starts_with(&rows.outbox), "{harmed}");
        for room in &rows.rooms {
            let query = Query::Newest { room: room.state.id, limit: 100 };
            let Ok(Rows::Events(events)) = load(&store, query).await else { panic!("{harmed}") };
            let held: u64 = room.held.iter().map(|(from, to)| to - from + 1).sum();
            assert_eq!(events.len() as u64, held, "{harmed}");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn damage_that_is_met_while_running_is_mended_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let before = account(folder.path());
    let store = Store::open(folder.path(), false).await.unwrap();
    assert!(load(&store, everything()).await.is_ok());
    let pages = pages_of(folder.path(), "tidewire.db", "events");
    let mut cache = bytes(folder.path(), "tidewire.db");
    for page in pages {
        cache[page..page + 4096].fill(0xff);
    }
    std::fs::write(folder.path().join("tidewire.db"), &cache).unwrap();
    // What SQLite has in memory may hide it for a while.
    let mut met = false;
    for number in 1..=12 {
        let query = Query::Newest { room: room(number), limit: 1_000 };
        met |= matches!(load(&store, query).await, Err(StoreError::Damaged { .. }));
    }
    assert!(met);
    // What builds on what is gone is refused, whoever comes first.
    assert_eq!(commit(&store, filled_room(1, 50)).await, Err(StoreError::Superseded));
    let Ok(Rows::Start(rows)) = load(&store, everything()).await else { panic!() };
    let rows = anywhere(*rows);
    assert!(rows.repair.is_some_and(|repair| repair.cache && repair.complete));
    assert_eq!((rows.outbox, rows.cursor, rows.rooms.len()), (before.outbox, None, 0));
    assert_eq!(commit(&store, filled_room(1, 50)).await, Ok(()));
    store.close().await;
}

#[tokio::test]
async fn a_repair_that_is_interrupted_anywhere_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let before = account(folder.path());
    let path = |name: &str| folder.path().join(name);
    // A new outbox was begun: it counts for nothing.
    std::fs::write(path("outbox.db.unfinished"), "half of it").unwrap();
    let (store, rows) = live(folder.path()).await.unwrap();
    assert_eq!(rows.outbox, before.outbox);
    store.close().await;
    assert!(!path("outbox.db.unfinished").exists());
    // It was ready, and the damaged one still stood in its place.
    std::fs::copy(path("outbox.db"), path("outbox.db.ready")).unwrap();
    std::fs::write(path("outbox.db"), "damaged").unwrap();
    std::fs::write(path("outbox.db-wal"), "damaged too").unwrap();
    let (store, rows) = live(folder.path()).await.unwrap();
    assert_eq!(rows.outbox, before.outbox);
    store.close().await;
    // The damaged one was gone already.
    std::fs::rename(path("outbox.db"), path("outbox.db.ready")).unwrap();
    let (store, rows) = live(folder.path()).await.unwrap();
    assert_eq!(rows.outbox, before.outbox);
    store.close().await;
}

#[tokio::test]
async fn bytes_that_change_anywhere_never_lose_a_pending_send_in_silence() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let origin = tempfile::tempdir().unwrap();
    let before = account(origin.path());
    let (mut sound, mut mended, mut refused) = (0, 0, 0);
    for _ in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tidewire.db", "outbox.db"] {
            std::fs::copy(origin.path().join(name), folder.path().join(name)).unwrap();
        }
        let name = if random.bool() { "tidewire.db" } else { "outbox.db" };
        let mut file = bytes(folder.path(), name);
        let length = random.usize(1..64);
        let at = random.usize(..file.len() - length);
        file[at..at + length].iter_mut().for_each(|byte| *byte = random.u8(..));
        std::fs::write(folder.path().join(name), &file).unwrap();
        let told = || format!("SEED={seed}: {length} bytes at {at} of {name}");
        match live(folder.path()).await {
            Ok((store, rows)) => {
                // What one row says may have changed without a sign: SQLite has no sums of rows.
                assert_eq!(rows.outbox.len(), before.outbox.len(), "{}", told());
                let same = rows.outbox.iter().zip(&before.outbox).filter(|(a, b)| a == b).count();
                let changed = before.outbox.len() - same;
                let most = if name == "outbox.db" { 2 } else { 0 };
                assert!(changed <= most, "{}: {changed} rows", told());
                if rows.repair.is_some() {
                    mended += 1
                } else {
                    sound += 1
                }
                store.close().await;
            }
            Err(StoreError::Damaged { .. } | StoreError::Newer { .. }) => {
                assert_eq!(name, "outbox.db", "{}", told());
                assert!(bytes(folder.path(), name) == file, "{}", told());
                refused += 1;
            }
            Err(error) => panic!("{}: {error}", told()),
        }
    }
    println!("{sound} sound, {mended} mended, {refused} refused");
}
