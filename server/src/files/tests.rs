//! What no request can bring about: moments that have passed, and a server that ended in the middle.

use std::sync::Arc;

use tidewire_protocol::{
    Checksum, Content, EventId, EventKind, MessageContent, NewRoom, Op, OpOutcome, RoomId,
    RoomKind, UploadId,
};
use uuid::Uuid;

use super::sweep::sweep;
use super::*;
use crate::bus::InProcess;
use crate::clock;
use crate::store::sqlite::SqliteStore;
use crate::store::{NewUpload, Store};

struct Stage {
    store: SqliteStore,
    files: Files,
    folder: tempfile::TempDir,
}

fn stage() -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let bus = Arc::new(InProcess::new(1));
    let store = SqliteStore::open(&folder.path().join("tidewire.db"), bus, 2, 20).unwrap();
    let files = Files::open(&Config::new(folder.path()), &[7; 32]).unwrap();
    Stage { store, files, folder }
}

fn ada() -> UserId {
    "ada".parse().unwrap()
}

impl Stage {
    fn local(&self) -> &Folder {
        self.files.folder().unwrap()
    }

    /// An upload with one part on the disk.
    async fn begun(&self) -> UploadRow {
        let request = UploadRequest {
            id: UploadId::from_uuid(Uuid::now_v7()),
            name: "a".into(),
            content_type: "a/b".into(),
            size: 3,
            sha256: Checksum::new(<sha2::Sha256 as sha2::Digest>::digest(b"abc").into()),
        };
        let key = self.files.key(&ada(), &request);
        let new = NewUpload { request, key, part_size: 3 };
        let mut upload = self.store.begin_upload(ada(), new).await.unwrap();
        let token = self.files.objects.begin(&upload).await.unwrap();
        self.store.set_upload_token(upload.request.id, Some(token.clone())).await.unwrap();
        upload.token = Some(token.clone());
        let mut part = self.local().receive().await.unwrap();
        part.write(b"abc").await.unwrap();
        let permit =
            PartPermit { key: upload.key.clone(), token, number: 1, bytes: 3, expires: u64::MAX };
        self.local().keep(&permit, part.finish().await.unwrap()).await.unwrap();
        upload
    }

    /// The same, put together and complete.
    async fn complete(&self) -> UploadRow {
        let upload = self.begun().await;
        let (key, token) = (&upload.key, upload.token.as_deref().unwrap());
        let parts = self.files.objects.parts(key, token).await.unwrap().unwrap();
        self.files.objects.assemble(key, token, &parts).await.unwrap();
        self.store.complete_upload(upload.request.id).await.unwrap();
        upload
    }

    /// What lies in the folder, but for folders.
    fn lying(&self) -> usize {
        fn count(path: &Path) -> usize {
            let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.folder.path().join("files"))
    }

    async fn sweep_at(&self, now: i64) -> usize {
        let lasts = i64::try_from(self.files.lasts.as_millis()).unwrap();
        sweep(&self.store, &self.files, now - lasts).await
    }
}

const HOUR: i64 = 3_600_000;

#[tokio::test]
async fn what_no_message_lists_goes_after_a_day_from_disk_and_database() {
    let stage = stage();
    let (listed, idle, begun) =
        (stage.complete().await, stage.complete().await, stage.begun().await);
    let room = RoomId::from_uuid(Uuid::now_v7());
    let new = NewRoom { id: room, kind: RoomKind::Group, name: None, members: Vec::new() };
    stage.store.create_room(ada(), new).await.unwrap();
    let UploadRequest { id, name, content_type, size, sha256 } = listed.request.clone();
    let key = listed.key.clone();
    let file = tidewire_protocol::Attachment {
        id,
        key,
        name,
        content_type,
        size,
        sha256,
        width: None,
        height: None,
        duration_ms: None,
        preview: None,
    };
    let content = MessageContent { attachments: vec![file], ..MessageContent::default() };
    let content = Content::of(&content).unwrap();
    let op = Op { id: EventId::from_uuid(Uuid::now_v7()), kind: EventKind::Message, content };
    let sent = stage.store.append(room, ada(), vec![op]).await.unwrap();
    assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }));

    let now = clock::now_ms();
    assert_eq!((stage.sweep_at(now + 23 * HOUR).await, stage.lying()), (0, 3));
    assert_eq!((stage.sweep_at(now + 25 * HOUR).await, stage.lying()), (2, 1));
    for gone in [idle, begun] {
        assert!(stage.store.upload(ada(), gone.request.id).await.is_err());
    }
    assert!(stage.store.file(Some(ada()), listed.key).await.is_ok());
    assert_eq!(stage.sweep_at(now + 10_000 * HOUR).await, 0);
}

#[tokio::test]
async fn a_deletion_that_was_cut_short_is_finished_at_the_next_turn() {
    let stage = stage();
    let upload = stage.complete().await;
    // The server has ended right after this.
    stage.store.cancel_upload(ada(), upload.request.id).await.unwrap();
    assert_eq!(stage.lying(), 1);
    assert_eq!((stage.sweep_at(clock::now_ms()).await, stage.lying()), (1, 0));
    assert!(!stage.store.outgoing_upload(upload.request.id).await.unwrap());
}

#[tokio::test]
async fn parts_are_gone_only_when_the_object_is_there() {
    let stage = stage();
    let upload = stage.begun().await;
    let (key, token) = (&upload.key, upload.token.as_deref().unwrap());
    let objects = &stage.files.objects;
    let parts = objects.parts(key, token).await.unwrap().unwrap();
    // One that is told and is not there: nothing becomes of it, and nothing is lost.
    let more = [parts[0].clone(), StoredPart { number: 2, ..parts[0].clone() }];
    assert!(objects.assemble(key, token, &more).await.is_err());
    assert_eq!(objects.size(key).await.unwrap(), None);
    assert_eq!(
        (objects.parts(key, token).await.unwrap().unwrap(), stage.lying()),
        (parts.clone(), 1)
    );
    objects.assemble(key, token, &parts).await.unwrap();
    assert_eq!(objects.size(key).await.unwrap(), Some(3));
    assert_eq!((objects.parts(key, token).await.unwrap().unwrap(), stage.lying()), (vec![], 1));
}

#[tokio::test]
async fn a_part_that_is_not_wholly_there_is_not_there() {
    let stage = stage();
    let upload = stage.begun().await;
    {
        let mut part = stage.local().receive().await.unwrap();
        part.write(b"half").await.unwrap();
        assert_eq!(stage.lying(), 2);
    }
    assert_eq!(stage.lying(), 1, "the client went away");
    let mut part = stage.local().receive().await.unwrap();
    part.write(b"half").await.unwrap();
    std::mem::forget(part);
    assert_eq!(stage.lying(), 2, "the server was killed");
    let again = Folder::open(&stage.folder.path().join("files"), mac(&[7; 32])).unwrap();
    assert_eq!(stage.lying(), 1);
    let token = upload.token.unwrap();
    let parts = again.parts(&upload.key, &token).await.unwrap().unwrap();
    assert_eq!(parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1]);
}

#[test]
fn an_address_is_good_for_one_thing_until_it_ends() {
    let stage = stage();
    let folder = stage.local();
    let key: FileKey = "f3q7v9x2m4k8t6w1".parse().unwrap();
    let permit = PartPermit {
        key: key.clone(),
        token: "5f".repeat(16),
        number: 2,
        bytes: 10,
        expires: clock::now_seconds() + 60,
    };
    let signature = |address: &str| address.split_once("signature=").unwrap().1.to_owned();
    let signed = signature(&folder.part_address(&permit));
    assert!(folder.permits_part(&permit, &signed));
    for other in [
        PartPermit { number: 3, ..permit.clone() },
        PartPermit { bytes: 11, ..permit.clone() },
        PartPermit { expires: permit.expires + 1, ..permit.clone() },
        PartPermit { token: "5e".repeat(16), ..permit.clone() },
        PartPermit { key: "f3q7v9x2m4k8t6w2".parse().unwrap(), ..permit.clone() },
    ] {
        assert!(!folder.permits_part(&other, &signed), "{other:?}");
    }
    for forged in ["", "0", &signed[1..], &signed.to_uppercase(), &format!("{signed}0")] {
        assert!(!folder.permits_part(&permit, forged), "{forged}");
    }
    // Right, and ended.
    let ended = PartPermit { expires: clock::now_seconds(), ..permit.clone() };
    assert!(!folder.permits_part(&ended, &signature(&folder.part_address(&ended))));
    // One to put is none to get, and the other way round.
    assert!(!folder.permits_get(&key, permit.expires, &signed));
    let got = signature(&folder.object_address(&key, permit.expires));
    assert!(folder.permits_get(&key, permit.expires, &got));
    assert!(!folder.permits_part(&permit, &got));
    // Another server's.
    let other = Folder::open(&stage.folder.path().join("other"), mac(&[8; 32])).unwrap();
    assert!(!other.permits_part(&permit, &signed));
}

#[test]
fn a_name_breaks_out_of_no_header() {
    let told = disposition("a\"b;c=\u{e9}😀.png", "image/png");
    assert_eq!(
        told,
        "inline; filename=\"a_b_c___.png\"; filename*=UTF-8''a%22b%3Bc%3D%C3%A9%F0%9F%98%80.png"
    );
    for kind in ["text/html", "image/svg+xml", "application/pdf", "IMAGE/SVG+XML; x=image/png"] {
        assert!(disposition("a", kind).starts_with("attachment; "), "{kind}");
    }
    assert!(disposition("a", "Image/PNG").starts_with("inline; "));
}

#[test]
fn a_key_follows_from_the_upload_and_from_the_secret() {
    let stage = stage();
    let request = UploadRequest {
        id: UploadId::from_uuid(Uuid::from_u128(1)),
        name: "a".into(),
        content_type: "a/b".into(),
        size: 3,
        sha256: Checksum::new([1; 32]),
    };
    let key = stage.files.key(&ada(), &request);
    assert_eq!(
        key,
        stage.files.key(&ada(), &UploadRequest { name: "b".into(), ..request.clone() })
    );
    let other = UploadRequest { sha256: Checksum::new([2; 32]), ..request.clone() };
    assert_ne!(key, stage.files.key(&ada(), &other));
    assert_ne!(key, stage.files.key(&"bob".parse().unwrap(), &request));
    let there = Files::open(&Config::new(stage.folder.path().join("x")), &[8; 32]).unwrap();
    assert_ne!(key, there.key(&ada(), &request));
}
