//! Which jobs wait for which, how large the log grows, and what is left behind.

use std::sync::atomic::Ordering;

use super::*;

#[tokio::test]
async fn a_read_that_may_overtake_does_not_wait_for_a_long_write() {
    let folder = tempfile::tempdir().unwrap();
    account(folder.path());
    let store = Store::open(folder.path(), false).await.unwrap();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    // The lane is busy until it is told to go on.
    let done = store.commit(filled_room(20, 100), move |_| {
        let _ = wait.recv();
    });
    assert!(done.is_none());
    let query = Query::Event(room(3), id(300_007));
    let Ok(Rows::Events(events)) = load(&store, query).await else { panic!() };
    assert_eq!(events.len(), 1);
    // What is read in order sees all that was given before it.
    let newest = load(&store, Query::Newest { room: room(20), limit: 10 });
    let mut newest = std::pin::pin!(newest);
    let early = tokio::time::timeout(std::time::Duration::ZERO, newest.as_mut()).await;
    assert!(early.is_err(), "it waits for the write");
    go.send(()).unwrap();
    let Ok(Rows::Events(events)) = newest.await else { panic!() };
    assert_eq!(events.len(), 10);
    store.close().await;
}

/// What somebody waits for is done where it is asked for, if it is short and nothing else comes before it. What it
/// came to is given back, not sent: a task that sends to itself is woken for nothing, and another thread gets up to
/// take it over.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_done_at_once_is_told_once_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), false).await.unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let send = |number: u64, tell: std::sync::mpsc::Sender<u64>| {
        let transaction = Transaction { independent: true, ..enqueue(number) };
        store.commit(transaction, move |result| drop(result.map(|_| tell.send(number))))
    };
    let page = || Query::Newest { room: room(1), limit: 10 };
    let tells = || |rows: Result<Rows, StoreError>| panic!("told too: {rows:?}");
    // Jobs have been short lately, whatever this disk is like.
    for pace in [&store.shared.commits, &store.shared.pages] {
        (0..50).for_each(|_| pace.note(|| ()));
    }
    // Opening has ended here before it has for the thread that did it.
    while store.shared.jobs.load(Ordering::Acquire) > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(send(1, tell.clone()), Some(Ok(Vec::new())));
    assert!(matches!(store.load(page(), tells()), Some(Ok(Rows::Events(_)))));
    // Behind another it waits for its turn, and is told by the thread whose turn it is.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    assert!(
        store
            .commit(filled_room(20, 1), move |_| {
                let _ = wait.recv();
            })
            .is_none()
    );
    assert!(send(2, tell.clone()).is_none());
    go.send(()).unwrap();
    drop(tell);
    assert_eq!(told.iter().collect::<Vec<_>>(), [2]);
    store.close().await;
}

#[tokio::test]
async fn a_released_store_is_opened_by_a_read_that_may_overtake_too() {
    let folder = tempfile::tempdir().unwrap();
    account(folder.path());
    let store = Store::open(folder.path(), false).await.unwrap();
    let query = || Query::Event(room(3), id(300_007));
    assert!(load(&store, query()).await.is_ok());
    let (done, released) = tokio::sync::oneshot::channel();
    store.releasing(move || {
        let _ = done.send(());
    })();
    released.await.unwrap();
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    // The logs are written back, the indexes of the logs are gone.
    assert_eq!(names(), ["lock", "outbox.db", "tidewire.db"]);
    drop(Open::files(folder.path()).unwrap());
    assert!(load(&store, query()).await.is_ok());
    store.close().await;
    assert!(load(&store, query()).await.is_err());
}

#[tokio::test]
async fn the_log_stays_bounded_however_much_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), false).await.unwrap();
    for number in 1..=150 {
        commit(&store, filled_room(number, 300)).await.unwrap();
        // Somebody reads now and then.
        load(&store, Query::Event(room(number), id(1))).await.unwrap();
    }
    let Ok(Rows::Sizes(sizes)) = load(&store, Query::Sizes).await else { panic!() };
    assert!(sizes.database > 8_000_000, "{sizes:?}");
    assert!(sizes.log < 2 * crate::defaults::WAL_BYTES, "{sizes:?}");
    assert!(sizes.outbox > 0 && sizes.used <= sizes.database, "{sizes:?}");
    store.close().await;
}

#[tokio::test]
async fn what_is_erased_leaves_no_file_and_the_folder_can_be_used_again() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("account");
    account(&folder);
    std::fs::write(folder.join("outbox.db.damaged-1"), "of before").unwrap();
    let store = Store::open(&folder, false).await.unwrap();
    assert!(load(&store, Query::Event(room(3), id(300_007))).await.is_ok());
    store.erase().await.unwrap();
    assert!(!folder.exists());
    assert!(load(&store, everything()).await.is_err());
    let again = Store::open(&folder, false).await.unwrap();
    let Ok(Rows::Start(rows)) = load(&again, everything()).await else { panic!() };
    assert!(rows.outbox.is_empty() && rows.rooms.is_empty());
    again.close().await;
}

#[tokio::test]
async fn what_has_come_back_by_the_feed_waits_no_more_even_if_the_outbox_lost_its_last_write() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::files(folder.path()).unwrap();
    let database = open.database();
    for number in 1..=6 {
        database.execute(&enqueue(number)).unwrap();
    }
    // The cache has what was to leave the outbox in the same transaction.
    let mut back = filled_room(2, 10);
    back.push(Write::Event(Box::new(Event { id: id(9_000_004), ..event(2, 12) })));
    // Bob has sent something under an id of hers.
    back.push(Write::Event(Box::new(Event { id: id(9_000_001), ..event(2, 13) })));
    database.execute(&back).unwrap();
    let waiting = |rows: &StartRows| rows.outbox.iter().map(|row| row.op.id).collect::<Vec<_>>();
    let left: Vec<_> = [1, 2, 3, 5, 6].map(|number| id(9_000_000 + number)).into();
    assert_eq!(waiting(&start(database)), left);
    assert_eq!(waiting(&start(database)), left);
}

#[test]
fn a_lock_on_a_file_that_is_gone_locks_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("account");
    let first = Folder::lock(&folder).unwrap();
    assert!(matches!(Folder::lock(&folder), Err(StoreError::FolderInUse { .. })));
    std::fs::write(folder.join("outbox.db"), "something").unwrap();
    first.erase().unwrap();
    assert!(!folder.exists());
    let second = Folder::lock(&folder).unwrap();
    std::fs::remove_file(folder.join("lock")).unwrap();
    let third = Folder::lock(&folder).unwrap();
    drop((second, third));
}

#[tokio::test]
async fn what_goes_for_want_of_space_is_not_held_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut open = Open::files(folder.path()).unwrap();
    open.database().execute(&filled_room(1, 300)).unwrap();
    let mut drop_some = Transaction::default();
    drop_some.push(Write::Stale { room: room(1), ranges: vec![(50, 150), (200, 210)] });
    drop_some.push(Write::Drop { room: room(1), through: Seq::new(120) });
    open.database().execute(&drop_some).unwrap();
    let rows = start(open.database());
    assert_eq!(rows.rooms[0].held, [(121, 300)]);
    assert_eq!(rows.rooms[0].stale, [(121, 150), (200, 210)]);
    let all = Query::Newest { room: room(1), limit: 1_000 };
    let Ok(Rows::Events(events)) = open.database().query(&all) else { panic!() };
    assert_eq!((events.len(), events[0].seq), (180, Seq::new(121)));
}
