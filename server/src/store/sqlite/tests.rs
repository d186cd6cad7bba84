//! The suite of all stores on this one, and what only an embedded database can get wrong.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tidewire_protocol::{
    Content, EventId, EventKind, MessageContent, NewRoom, Op, RoomId, RoomKind,
};
use uuid::Uuid;

use super::{OpenError, SqliteStore};
use crate::bus::{Bus, InProcess};
use crate::store::hot::{Hot, HotCounts};
use crate::store::{Store, StoreError, conformance};

fn open(folder: &Path) -> Result<SqliteStore, OpenError> {
    let hot = Arc::new(Hot::new(1 << 20, HotCounts::default()));
    let store = SqliteStore::open(&folder.join("tidewire.db"), Arc::new(InProcess::new(1)), 2, 20);
    Ok(store?.keeping(hot))
}

fn message(bytes: usize) -> Op {
    let content = MessageContent::of_text("x".repeat(bytes));
    Op {
        id: EventId::from_uuid(Uuid::now_v7()),
        kind: EventKind::Message,
        content: Content::of(&content).unwrap(),
    }
}

async fn room(store: &SqliteStore) -> RoomId {
    let id = RoomId::from_uuid(Uuid::now_v7());
    let room = NewRoom { id, kind: RoomKind::Group, name: None, members: vec![] };
    store.create_room("ada".parse().unwrap(), room).await.unwrap();
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_promises_of_every_store() {
    conformance::suite(&|folder| {
        Box::pin(async move { Arc::new(open(&folder).unwrap()) as Arc<dyn Store> })
    })
    .await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_passes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let room = room(&store).await;
    let ada = || "ada".parse().unwrap();
    store.append(room, ada(), vec![message(10)]).await.unwrap();
    let limit = |pages: i64| {
        store.write(move |tx| {
            tx.conn.pragma_update(None, "max_page_count", pages)?;
            Ok(())
        })
    };
    limit(1).await.unwrap();
    let mut stored = 1;
    let error = loop {
        match store.append(room, ada(), vec![message(8_000)]).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    // Reading goes on, nothing half-written is seen, and writing goes on once there is room.
    let state = store.room(room, ada()).await.unwrap();
    assert_eq!(state.head_seq.get(), 1 + stored);
    limit(100_000).await.unwrap();
    store.append(room, ada(), vec![message(8_000)]).await.unwrap();
    assert_eq!(store.room(room, ada()).await.unwrap().head_seq.get(), 2 + stored);
    store.close().await;
}

#[tokio::test]
async fn a_job_that_fails_or_panics_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let room = room(&store).await;
    let broken = store.write(|tx| {
        tx.conn.execute_batch("DELETE FROM events")?;
        Err::<(), _>(StoreError::IdTaken)
    });
    let panicking = store.write(|tx| -> Result<(), StoreError> {
        tx.conn.execute_batch("DELETE FROM rooms")?;
        panic!("a bug");
    });
    let fine = store.append(room, "ada".parse().unwrap(), vec![message(1)]);
    let (broken, panicking, fine) = tokio::join!(broken, panicking, fine);
    assert_eq!(broken.unwrap_err(), StoreError::IdTaken);
    assert!(matches!(panicking.unwrap_err(), StoreError::Failed(_)));
    assert_eq!(fine.unwrap().fresh, 1);
    assert_eq!(store.log_after(0, 0, 10).await.unwrap().len(), 2);
    store.close().await;
}

#[tokio::test]
async fn what_brings_nothing_new_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let room = room(&store).await;
    let ada = || "ada".parse().unwrap();
    let op = message(1);
    store.append(room, ada(), vec![op.clone()]).await.unwrap();
    let changes = || store.write(|tx| Ok(tx.conn.total_changes()));
    let before = changes().await.unwrap();
    store.append(room, ada(), vec![op]).await.unwrap();
    store.add_members(room, ada(), vec![ada()]).await.unwrap();
    assert_eq!(changes().await.unwrap(), before);
    store.close().await;
}

#[tokio::test]
async fn the_bell_has_rung_when_the_answer_comes() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Arc::new(InProcess::new(1));
    let bell = bus.subscribe();
    let store = SqliteStore::open(&folder.path().join("tidewire.db"), bus, 1, 20).unwrap();
    let room = room(&store).await;
    store.append(room, "ada".parse().unwrap(), vec![message(1)]).await.unwrap();
    assert_eq!(*bell.borrow(), store.heads().await.unwrap());
    store.close().await;
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidewire.db");
    let text = "these are not the bytes you are looking for".repeat(100);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(open(folder.path()), Err(OpenError::NotADatabase)));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().close().await;
    let conn = Connection::open(folder.path().join("tidewire.db")).unwrap();
    conn.pragma_update(None, "user_version", 99).unwrap();
    drop(conn);
    assert!(matches!(open(folder.path()), Err(OpenError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn every_commit_waits_for_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    let pragmas = store.write(|tx| {
        let journal: String = tx.conn.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        let synchronous: i64 = tx.conn.pragma_query_value(None, "synchronous", |row| row.get(0))?;
        Ok((journal, synchronous))
    });
    assert_eq!(pragmas.await.unwrap(), ("wal".into(), 2));
    store.close().await;
}
