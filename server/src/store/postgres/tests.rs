//! The suite of all stores on this one, and what only a database server can get wrong.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tidewire_protocol::{
    BanRequest, Content, EventId, EventKind, MessageContent, NewRoom, Op, RoomId, RoomKind,
    SlowMode,
};
use tidewire_services::{Authority, Postgres};
use uuid::Uuid;

use super::{OpenError, Options, PostgresStore, look, migrate, renew_epoch, set_password_at};
use crate::bus::{Bus, InProcess};
use crate::store::hot::{Hot, HotCounts};
use crate::store::{AccountStore, Store, StoreError, conformance};

/// What never takes so long unless something is broken.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Migrated, and copied for each test.
const TEMPLATE: &str = "migrated";

/// A cluster with a migrated database to make others from.
struct Cluster {
    server: Arc<Postgres>,
    made: Mutex<HashSet<String>>,
}

async fn cluster() -> Option<Arc<Cluster>> {
    let server = Arc::new(Postgres::start()?);
    server.create(TEMPLATE);
    migrate(&server.url(TEMPLATE)).await.unwrap();
    Some(Arc::new(Cluster { server, made: Mutex::default() }))
}

impl Cluster {
    /// The database of a folder: made at the first time.
    fn database(&self, folder: &Path) -> String {
        let name = folder.file_name().unwrap().to_string_lossy().replace(['.', '-'], "_");
        if self.made.lock().unwrap().insert(name.clone()) {
            self.server.create_as(&name, &["-T", TEMPLATE]);
        }
        self.server.url(&name)
    }

    async fn open(&self, folder: &Path) -> Result<PostgresStore, OpenError> {
        self.open_with(folder, b"secret", None, Arc::new(InProcess::new(super::SHARDS))).await
    }

    async fn open_with(
        &self,
        folder: &Path,
        secret: &[u8],
        instance: Option<&str>,
        bus: Arc<dyn Bus>,
    ) -> Result<PostgresStore, OpenError> {
        let url = self.database(folder);
        let options =
            Options { url: &url, read_url: None, secret, instance, max_members: 20, hot: hot() };
        open(options, bus).await
    }
}

fn hot() -> Arc<Hot> {
    Arc::new(Hot::new(1 << 20, HotCounts::default()))
}

async fn open(options: Options<'_>, bus: Arc<dyn Bus>) -> Result<PostgresStore, OpenError> {
    let ready = look(&options).await?;
    PostgresStore::open(options, ready, bus).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_the_promises_of_every_store() {
    let Some(cluster) = cluster().await else { return };
    conformance::suite(&|folder| {
        let cluster = cluster.clone();
        Box::pin(async move { Arc::new(cluster.open(&folder).await.unwrap()) as Arc<dyn Store> })
    })
    .await;
}

fn message(text: &str) -> Op {
    let content = Content::of(&MessageContent::of_text(text)).unwrap();
    Op { id: EventId::from_uuid(Uuid::now_v7()), kind: EventKind::Message, content }
}

async fn room(store: &PostgresStore) -> RoomId {
    let id = RoomId::from_uuid(Uuid::now_v7());
    let room = NewRoom { id, kind: RoomKind::Group, name: None, members: vec![] };
    store.create_room("ada".parse().unwrap(), room).await.unwrap();
    id
}

fn ada() -> tidewire_protocol::UserId {
    "ada".parse().unwrap()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_on_one_database_write_one_log_without_gaps() {
    let Some(cluster) = cluster().await else { return };
    let folder = folder();
    let mut stores = Vec::new();
    for _ in 0..3 {
        stores.push(Arc::new(cluster.open(folder.path()).await.unwrap()));
    }
    let rooms = [room(&stores[0]).await, room(&stores[1]).await];
    let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
    // Follows every shard on a store that writes nothing of what it reads.
    let follower = {
        let (store, done) = (stores[2].clone(), done.clone());
        tokio::spawn(async move {
            let (mut ords, mut seen) = (vec![0; super::SHARDS], Vec::new());
            loop {
                let last = done.load(std::sync::atomic::Ordering::SeqCst);
                let before = seen.len();
                for (shard, ord) in ords.iter_mut().enumerate() {
                    for entry in store.log_after(shard, *ord, 7).await.unwrap() {
                        *ord = entry.ord;
                        seen.push(entry);
                    }
                }
                if last && seen.len() == before {
                    return seen;
                }
            }
        })
    };
    let writers: Vec<_> = (0..12)
        .map(|n| {
            let store = stores[n % 3].clone();
            tokio::spawn(async move {
                for m in 0..40 {
                    let ops = vec![message("one"), message("two")];
                    store.append(rooms[(n + m) % 2], ada(), ops).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, std::sync::atomic::Ordering::SeqCst);
    let log = follower.await.unwrap();
    for room in rooms {
        let seqs =
            log.iter().filter(|entry| entry.room == Some(room)).map(|entry| match &entry.news {
                crate::store::News::Event(event) => event.seq.get(),
                other => panic!("{other:?}"),
            });
        assert_eq!(seqs.collect::<Vec<_>>(), (1..=481).collect::<Vec<_>>());
    }
    for store in stores {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bell_has_rung_when_the_answer_comes() {
    let Some(cluster) = cluster().await else { return };
    let (folder, bus) = (folder(), Arc::new(InProcess::new(super::SHARDS)));
    let bell = bus.subscribe();
    let store = cluster.open_with(folder.path(), b"secret", None, bus).await.unwrap();
    let room = room(&store).await;
    assert_eq!(*bell.borrow(), store.heads().await.unwrap());
    store.append(room, ada(), vec![message("x")]).await.unwrap();
    assert_eq!(*bell.borrow(), store.heads().await.unwrap());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_is_refused_and_harms_no_other() {
    let Some(cluster) = cluster().await else { return };
    let folder = folder();
    let store = cluster.open(folder.path()).await.unwrap();
    let room = room(&store).await;
    let id = RoomId::from_uuid(Uuid::now_v7());
    let named = NewRoom { id, kind: RoomKind::Group, name: Some("a\0b".into()), members: vec![] };
    let refused = store.create_room(ada(), named).await.unwrap_err();
    assert!(matches!(refused, StoreError::InvalidContent(_)), "{refused:?}");
    // What PostgreSQL's own JSON cannot hold is kept as text, as it came.
    let json = r#"{"text":"a\u0000b \ud83d","metadata":{"n":1e999,"z":"\u0000"}}"#;
    let odd = Op { content: Content::from_json(json.to_owned()).unwrap(), ..message("") };
    let odd = Op { kind: "custom.odd".into(), ..odd };
    let (odd, fine) = tokio::join!(
        store.append(room, ada(), vec![odd]),
        store.append(room, ada(), vec![message("fine")]),
    );
    assert_eq!((odd.unwrap().fresh, fine.unwrap().fresh), (1, 1));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_away_is_used_again() {
    let Some(cluster) = cluster().await else { return };
    let folder = folder();
    let store = cluster.open(folder.path()).await.unwrap();
    let room = room(&store).await;
    store.append(room, ada(), vec![message("before")]).await.unwrap();
    cluster.server.stop();
    let lost = message("while it was away");
    let error = store.append(room, ada(), vec![lost.clone()]).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    let error = store.room(room, ada()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    cluster.server.start_again();
    let again = store.append(room, ada(), vec![lost]).await.unwrap();
    assert_eq!(again.fresh, 1);
    assert_eq!(store.room(room, ada()).await.unwrap().head_seq.get(), 3);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_lags_is_not_asked_for_what_it_lacks() {
    use tidewire_protocol::{HistoryAnchor, Seq};
    let Some(cluster) = cluster().await else { return };
    let folder = folder();
    let store = cluster.open(folder.path()).await.unwrap();
    let room = room(&store).await;
    store.append(room, ada(), vec![message("old")]).await.unwrap();
    store.close().await;
    // As far behind as one can be: a copy that stands still.
    let url = cluster.database(folder.path());
    let name = folder.path().file_name().unwrap().to_string_lossy().replace(['.', '-'], "_");
    cluster.server.create_as("behind", &["-T", &name]);
    let behind = cluster.server.url("behind");
    let options = |read_url| Options {
        url: &url,
        read_url,
        secret: b"secret",
        instance: None,
        max_members: 20,
        hot: hot(),
    };
    let bus = || Arc::new(InProcess::new(super::SHARDS));
    let store = open(options(Some(&behind)), bus()).await.unwrap();
    store.append(room, ada(), vec![message("new")]).await.unwrap();
    let head =
        async |anchor| store.history(room, ada(), None, anchor, 10).await.unwrap().as_of.get();
    assert_eq!(head(HistoryAnchor::Newest).await, 2, "the standby answers");
    assert_eq!(head(HistoryAnchor::After(Seq::new(2))).await, 2);
    assert_eq!(head(HistoryAnchor::Around(Seq::new(3))).await, 3, "the primary does");
    let made = self::room(&store).await;
    let page = store.history(made, ada(), None, HistoryAnchor::Newest, 10).await.unwrap();
    assert_eq!(page.as_of.get(), 1, "a room that it does not know yet");
    store.close().await;
    // Another database is no standby.
    cluster.server.create("other");
    migrate(&cluster.server.url("other")).await.unwrap();
    let other = cluster.server.url("other");
    let error = open(options(Some(&other)), bus()).await.err();
    assert!(matches!(error, Some(OpenError::OtherEpoch)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_at_the_start_is_said() {
    let Some(cluster) = cluster().await else { return };
    let opened = async |url: &str| {
        let secret = b"secret";
        let options =
            Options { url, read_url: None, secret, instance: None, max_members: 20, hot: hot() };
        open(options, Arc::new(InProcess::new(super::SHARDS))).await.err().unwrap()
    };
    let server = &cluster.server;
    assert!(matches!(opened("nonsense").await, OpenError::Url(_)));
    let nobody = opened("postgres://x:secret-word@127.0.0.1:1/x?sslmode=disable").await;
    assert!(matches!(nobody, OpenError::Unreachable { .. }), "{nobody:?}");
    assert!(!nobody.to_string().contains("secret-word") && nobody.to_string().contains("start it"));
    let missing = opened(&server.url("missing")).await;
    assert!(matches!(missing, OpenError::Refused { .. }), "{missing:?}");
    server.create("fresh");
    assert!(matches!(opened(&server.url("fresh")).await, OpenError::Empty));
    server.create_as("ascii", &["-E", "SQL_ASCII", "-T", "template0", "--locale=C"]);
    assert!(matches!(opened(&server.url("ascii")).await, OpenError::Encoding(_)));
    // One of a newer server, and one whose migration has stopped on its way.
    for (version, newer) in [(99, true), (0, false)] {
        let name = format!("version{version}");
        server.create_as(&name, &["-T", TEMPLATE]);
        server.run_sql(&name, &format!("UPDATE meta SET version = {version}"));
        let error = opened(&server.url(&name)).await;
        assert_eq!(matches!(error, OpenError::Newer { found: 99, .. }), newer, "{error:?}");
        assert!(error.to_string().contains(if newer { "version 99" } else { "migrate" }));
    }
    assert!(matches!(migrate(&server.url("version99")).await, Err(OpenError::Newer { .. })));
    server.create_as("frozen", &["-T", TEMPLATE]);
    server.run_sql("frozen", "ALTER DATABASE frozen SET default_transaction_read_only = on");
    let error = opened(&server.url("frozen")).await;
    assert!(matches!(error, OpenError::ReadOnly), "{error:?}");
    // What PostgreSQL says when its disk is full, at the first write.
    server.create_as("full", &["-T", TEMPLATE]);
    server.run_sql(
        "full",
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;
         CREATE TRIGGER full_disk BEFORE UPDATE ON meta EXECUTE FUNCTION full_disk()",
    );
    let error = opened(&server.url("full")).await;
    assert!(matches!(error, OpenError::Full(_)), "{error:?}");
    assert!(error.to_string().contains("make room"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_twice_and_at_the_same_time_does_no_harm() {
    let Some(cluster) = cluster().await else { return };
    cluster.server.create("twice");
    let url = cluster.server.url("twice");
    let (one, two) = tokio::join!(migrate(&url), migrate(&url));
    let mut took = [one.unwrap(), two.unwrap()];
    took.sort_unstable();
    assert_eq!(
        took,
        [(0, super::migrations::known()), (super::migrations::known(), super::migrations::known())]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_an_older_database_nobody_is_out_or_silent_until_somebody_says_so() {
    let Some(cluster) = cluster().await else { return };
    let folder = folder();
    let store = cluster.open(folder.path()).await.unwrap();
    let room = room(&store).await;
    store.close().await;
    // As the step before left it.
    let url = cluster.database(folder.path());
    let name = folder.path().file_name().unwrap().to_string_lossy().replace(['.', '-'], "_");
    cluster.server.run_sql(
        &name,
        "DROP TABLE bans, mutes, slow_writes, accounts, sessions, blocks, block_lists, reports; ALTER TABLE rooms DROP COLUMN slow_mode_ms;
         UPDATE meta SET version = 2",
    );
    assert_eq!(migrate(&url).await.unwrap(), (2, super::migrations::known()));
    let store = cluster.open(folder.path()).await.unwrap();
    assert_eq!(store.bans(room, ada(), None).await.unwrap().bans, []);
    let eve: tidewire_protocol::UserId = "eve".parse().unwrap();
    store.ban(room, ada(), eve.clone(), BanRequest::default()).await.unwrap();
    let refused = store.add_members(room, ada(), vec![eve.clone()]).await.unwrap_err();
    assert_eq!(refused, StoreError::Banned(eve));
    let state = store.room(room, ada()).await.unwrap();
    assert_eq!((state.mute, state.slow_mode_ms), (None, 0));
    let slow = SlowMode { interval_ms: 5_000 };
    assert_eq!(store.set_slow_mode(room, ada(), slow).await.unwrap().slow_mode_ms, 5_000);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_on_one_database_have_one_secret_and_names_of_their_own() {
    let Some(cluster) = cluster().await else { return };
    let folder = folder();
    let bus = || Arc::new(InProcess::new(super::SHARDS));
    let open = |secret, name| cluster.open_with(folder.path(), secret, name, bus());
    let first = open(b"secret", Some("one")).await.unwrap();
    let second = open(b"secret", Some("two")).await.unwrap();
    let error = open(b"secret", Some("one")).await.err().unwrap();
    assert!(matches!(&error, OpenError::SameInstance(name) if name == "one"), "{error:?}");
    let error = open(b"another", None).await.err().unwrap();
    assert!(matches!(error, OpenError::OtherSecret), "{error:?}");
    first.close().await;
    // Given back with its connection, which the server notices a moment later.
    let again = async {
        loop {
            match open(b"secret", Some("one")).await {
                Ok(store) => break store,
                Err(OpenError::SameInstance(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error:?}"),
            }
        }
    };
    let again = tokio::time::timeout(PATIENCE, again).await.unwrap();
    again.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_epoch_is_given_only_while_no_server_runs() {
    let Some(cluster) = cluster().await else { return };
    let folder = folder();
    let url = cluster.database(folder.path());
    let store = cluster.open(folder.path()).await.unwrap();
    let before = store.epoch().clone();
    assert!(matches!(renew_epoch(&url).await, Err(OpenError::InUse)));
    store.close().await;
    drop(store);
    let renewed = async {
        while let Err(error) = renew_epoch(&url).await {
            assert!(matches!(error, OpenError::InUse), "{error:?}");
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.unwrap();
    let store = cluster.open(folder.path()).await.unwrap();
    assert_ne!(*store.epoch(), before);
    store.close().await;
    cluster.server.create("untouched");
    let error = renew_epoch(&cluster.server.url("untouched")).await.err().unwrap();
    assert!(matches!(error, OpenError::Empty), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_a_database_is_believed_by_the_authority_that_the_url_names() {
    let authority = Authority::new("of PostgreSQL");
    let Some(server) = Postgres::start_secure(&authority) else { return };
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (folder.path().join("right ca.pem"), folder.path().join("wrong.pem"));
    std::fs::write(&right, authority.pem()).unwrap();
    std::fs::write(&wrong, Authority::new("of nobody").pem()).unwrap();
    server.create("secure");
    let url = server.secure_url("secure", Some(&right));
    migrate(&url).await.unwrap();
    let told = Options {
        url: &url,
        read_url: Some(&url),
        secret: b"secret",
        instance: None,
        max_members: 20,
        hot: hot(),
    };
    let store = open(told, Arc::new(InProcess::new(super::SHARDS))).await.unwrap();
    store.probe().await;
    let spoken = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
         WHERE a.datname = 'secure' AND a.application_name = 'tidewire-server'";
    assert_eq!(server.ask("postgres", spoken), "t", "none would be empty");
    for roots in [Some(wrong.as_path()), None] {
        let error = migrate(&server.secure_url("secure", roots)).await.unwrap_err();
        assert!(matches!(error, OpenError::Untrusted { .. }), "{error:?}");
        assert!(error.to_string().contains("sslrootcert"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_sets_another_password() {
    let Some(cluster) = cluster().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = cluster.open(folder.path()).await.unwrap();
    let (ada, eve) = ("ada".parse().unwrap(), "eve".parse().unwrap());
    let url = cluster.database(folder.path());
    let set = async |user| set_password_at(&url, "another", user).await;
    assert_eq!(set(&ada).await, Ok(false), "no account");
    store.create_account("ada".parse().unwrap(), "hash".into(), None).await.unwrap();
    for _ in 0..2 {
        let session = conformance::accounts::session("ada", None);
        assert!(store.begin_session(session, 1, None).await.unwrap());
    }
    assert_eq!(set(&ada).await, Ok(true));
    let account = store.account("ada".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((account.password.as_str(), account.version), ("another", 2));
    assert!(store.sessions("ada".parse().unwrap()).await.unwrap().is_empty());
    assert_eq!(set(&eve).await, Ok(false));
}
