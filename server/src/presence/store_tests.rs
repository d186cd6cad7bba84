//! Presence with a real database behind it.

use std::sync::Arc;

use tidewire_protocol::{Ephemeral, NewRoom, RoomKind, Watch};
use uuid::Uuid;

use super::tests::{beat, user};
use super::*;
use crate::bus::InProcess;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

struct Stage {
    presence: Presence,
    store: SqliteStore,
    _folder: tempfile::TempDir,
}

fn stage() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let bus = Arc::new(InProcess::new(1));
    let store = SqliteStore::open(&folder.path().join("tidewire.db"), bus, 2, 20).unwrap();
    let presence = Presence::expecting(None, 100, Instant::now());
    Stage { presence, store, _folder: folder }
}

fn made_up() -> RoomId {
    RoomId::from_uuid(Uuid::now_v7())
}

impl Stage {
    async fn group(&self, creator: &str, others: &[&str]) -> RoomId {
        let id = made_up();
        let members = others.iter().map(|name| user(name)).collect();
        let room = NewRoom { id, kind: RoomKind::Group, name: None, members };
        self.store.create_room(user(creator), room).await.unwrap();
        id
    }

    async fn ask(&self, name: &str, rooms: Vec<RoomId>, since: Option<&str>) -> Option<Ephemeral> {
        let watch = Watch { rooms, since: since.map(Into::into) };
        self.presence.answer(&user(name), &watch, &self.store).await.unwrap()
    }
}

#[tokio::test]
async fn rooms_that_the_asker_is_not_in_are_not_kept() {
    let stage = stage();
    let room = stage.group("bob", &["cyd"]).await;
    let mut rooms: Vec<RoomId> = (0..10).map(|_| made_up()).collect();
    rooms.push(room);
    stage.ask("eve", rooms.clone(), None).await;
    assert_eq!(stage.presence.lock().watched.sizes(), (0, 0, 0));
    // Whoever is in it keeps it, whatever strangers ask.
    stage.ask("bob", vec![room], None).await;
    stage.ask("eve", rooms, None).await;
    assert_eq!(stage.presence.lock().watched.sizes(), (1, 2, 1));
}

#[tokio::test]
async fn who_has_many_rooms_read_is_told_of_the_rest_later() {
    let stage = stage();
    let room = stage.group("ada", &["bob"]).await;
    let later = Instant::now() + Duration::from_secs(3_600);
    stage.presence.reading.take(&user("ada"), 1_000, later).unwrap();
    let first = stage.ask("ada", vec![room], None).await.unwrap();
    assert_eq!((first.presence.len(), stage.presence.lock().watched.sizes().0), (0, 0));
    // Somebody else has it read: it is there for everybody, and news to the one who waited.
    stage.ask("bob", vec![room], None).await.unwrap();
    let next = stage.ask("ada", vec![room], first.to.as_deref()).await.unwrap();
    assert_eq!(next.presence.len(), 1);
}

#[tokio::test]
async fn last_seen_is_right_before_it_is_on_the_disk() {
    let stage = stage();
    let room = stage.group("ada", &["bob"]).await;
    stage.store.put_last_seen(vec![(user("bob"), 1_000)]).await.unwrap();
    let start = Instant::now();
    stage.presence.seen(&user("bob"), beat(1_000), start);
    stage.presence.expire(start + Duration::from_secs(3));
    let first = stage.ask("ada", vec![room], None).await.unwrap();
    assert!(first.presence[0].last_seen.unwrap() > 1_000_000, "{first:?}");
    // What is being written is known until it is there.
    let writing = stage.presence.lock().ledger.all();
    stage.presence.lock().ledger.seen(&user("bob"), i64::MAX);
    stage.presence.lock().ledger.written(&writing);
    assert_eq!(stage.presence.lock().ledger.last(&user("bob")), Some(i64::MAX));
    stage.presence.lock().ledger.written(&[(user("bob"), i64::MAX)]);
    assert_eq!(stage.presence.lock().ledger.last(&user("bob")), None);
}
