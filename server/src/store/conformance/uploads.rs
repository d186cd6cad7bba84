//! Promises about uploads and the messages that list them.

use tidewire_protocol::{
    Attachment, Checksum, EditContent, ErrorCode, EventId, EventKind, FileKey, MessageContent, Op,
    OpOutcome, RoomId, UploadId, UploadRequest,
};
use uuid::Uuid;

use super::{Fixture, delete, error, op, user};
use crate::store::{NewUpload, StoreError, UploadRow, UploadState};

fn new(size: u64) -> NewUpload {
    let id = UploadId::from_uuid(Uuid::now_v7());
    let request = UploadRequest {
        id,
        name: "mast.jpg".into(),
        content_type: "image/jpeg".into(),
        size,
        sha256: Checksum::new([7; 32]),
    };
    let key: FileKey = id.to_string().replace('-', "").parse().unwrap();
    NewUpload { request, key, part_size: 1024 }
}

fn listing(files: &[&UploadRow]) -> Op {
    let attachments = files.iter().map(|upload| attachment(upload)).collect();
    op(EventKind::Message, &MessageContent { attachments, ..MessageContent::default() })
}

fn attachment(upload: &UploadRow) -> Attachment {
    let UploadRequest { id, name, content_type, size, sha256 } = upload.request.clone();
    Attachment {
        id,
        key: upload.key.clone(),
        name,
        content_type,
        size,
        sha256,
        width: Some(3),
        height: Some(2),
        duration_ms: None,
        preview: None,
    }
}

impl Fixture<'_> {
    async fn begun(&self, owner: &str) -> UploadRow {
        self.store.begin_upload(user(owner), new(5)).await.unwrap()
    }

    async fn uploaded(&self, owner: &str) -> UploadRow {
        let upload = self.begun(owner).await;
        self.store.complete_upload(upload.request.id).await.unwrap();
        upload
    }

    async fn sees(&self, name: &str, upload: &UploadRow) -> bool {
        match self.store.file(Some(user(name)), upload.key.clone()).await {
            Ok(found) => {
                assert_eq!((&found.request, found.state), (&upload.request, UploadState::Complete));
                true
            }
            Err(StoreError::UnknownFile) => false,
            Err(other) => panic!("{other}"),
        }
    }

    /// Those that are on their way out if all that was asked for until now is too old.
    async fn outgoing(&self, before: i64) -> Vec<UploadId> {
        let rows = self.store.outgoing_uploads(before, 100).await.unwrap();
        assert!(rows.iter().all(|row| row.state == UploadState::Outgoing));
        rows.into_iter().map(|row| row.request.id).collect()
    }

    async fn list(&self, room: RoomId, sender: &str, upload: &UploadRow) -> EventId {
        self.send(room, sender, listing(&[upload])).await
    }
}

/// Later than any moment of these tests.
const LATER: i64 = i64::MAX;

pub(super) async fn the_same_request_is_the_same_upload_and_any_other_is_none(f: &Fixture<'_>) {
    let asked = new(5);
    let id = asked.request.id;
    let begun = f.store.begin_upload(user("ada"), asked.clone()).await.unwrap();
    assert_eq!((begun.state, begun.token.as_deref()), (UploadState::Begun, None));
    f.store.set_upload_token(id, Some("t1".into())).await.unwrap();
    // The parts stay as they were, whatever the server would choose today.
    let again = NewUpload { part_size: 2048, ..asked.clone() };
    let known = f.store.begin_upload(user("ada"), again).await.unwrap();
    assert_eq!((known.token.as_deref(), known.part_size), (Some("t1"), 1024));
    assert_eq!(f.store.upload(user("ada"), id).await.unwrap(), known);
    assert_eq!(f.store.upload_of_key(begun.key.clone()).await.unwrap(), known);
    let other = UploadRequest { size: 6, ..asked.request.clone() };
    let other = NewUpload { request: other, ..asked.clone() };
    let taken = [f.store.begin_upload(user("ada"), other).await, {
        f.store.begin_upload(user("bob"), asked.clone()).await
    }];
    assert!(taken.into_iter().all(|answer| error(answer) == StoreError::IdTaken));
    assert_eq!(error(f.store.upload(user("bob"), id).await), StoreError::UnknownUpload);
    assert_eq!(f.store.cancel_upload(user("bob"), id).await, Ok(None));
    f.store.complete_upload(id).await.unwrap();
    f.store.complete_upload(id).await.unwrap();
    let done = f.store.begin_upload(user("ada"), asked.clone()).await.unwrap();
    assert_eq!((done.state, done.token), (UploadState::Complete, None));
    assert_eq!(error(f.store.upload_of_key(done.key).await), StoreError::UnknownUpload);
    // Given up, the id is free again once the file is gone.
    let going = f.store.cancel_upload(user("ada"), id).await.unwrap().unwrap();
    assert_eq!(going.state, UploadState::Outgoing);
    assert_eq!(error(f.store.upload(user("ada"), id).await), StoreError::UnknownUpload);
    let known = f.store.begin_upload(user("ada"), asked.clone()).await.unwrap();
    assert_eq!(known.state, UploadState::Outgoing);
    f.store.forget_upload(id).await.unwrap();
    let anew = f.store.begin_upload(user("ada"), asked).await.unwrap();
    assert_eq!((anew.state, anew.key), (UploadState::Begun, begun.key));
    f.store.forget_upload(id).await.unwrap();
    assert!(f.store.upload(user("ada"), id).await.is_ok(), "only what is on its way out goes");
}

pub(super) async fn a_message_lists_only_what_its_sender_has_completed(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob"]).await;
    let (done, begun) = (f.uploaded("ada").await, f.begun("ada").await);
    let never = f.store.cancel_upload(user("ada"), f.uploaded("ada").await.request.id).await;
    let never = never.unwrap().unwrap();
    for (by, upload, code) in [
        ("bob", &done, ErrorCode::UnknownUpload),
        ("ada", &never, ErrorCode::UnknownUpload),
        ("ada", &begun, ErrorCode::UploadIncomplete),
    ] {
        assert_eq!(f.refused(room, by, listing(&[upload])).await, code);
        // One that is right beside it changes nothing.
        if by == "ada" {
            assert_eq!(f.refused(room, by, listing(&[&done, upload])).await, code);
        }
    }
    let file = attachment(&done);
    for wrong in [
        Attachment { name: "other".into(), ..file.clone() },
        Attachment { size: 6, ..file.clone() },
        Attachment { content_type: "text/html".into(), ..file.clone() },
        Attachment { sha256: Checksum::new([8; 32]), ..file.clone() },
        Attachment { key: begun.key.clone(), ..file.clone() },
    ] {
        let content = MessageContent { attachments: vec![wrong], ..MessageContent::default() };
        let refused = f.refused(room, "ada", op(EventKind::Message, &content)).await;
        assert_eq!(refused, ErrorCode::InvalidContent);
    }
    f.list(room, "ada", &done).await;
    f.list(room, "ada", &done).await;
    // What a message lists is not given up.
    let refused = f.store.cancel_upload(user("ada"), done.request.id).await;
    assert!(matches!(refused, Err(StoreError::Forbidden(_))));
    assert!(f.sees("bob", &done).await);
}

pub(super) async fn a_file_is_seen_by_who_may_read_a_message_that_lists_it(f: &Fixture<'_>) {
    let room = f.group("ada", &["bob", "cyd"]).await;
    let (first, second, begun) =
        (f.uploaded("ada").await, f.uploaded("ada").await, f.begun("ada").await);
    assert!(f.sees("ada", &first).await && !f.sees("bob", &first).await);
    assert!(!f.sees("ada", &begun).await);
    f.list(room, "ada", &first).await;
    f.store.remove_member(room, user("ada"), user("bob")).await.unwrap();
    f.list(room, "ada", &second).await;
    assert!(f.sees("bob", &first).await, "he may read it still");
    assert!(!f.sees("bob", &second).await, "it was written after he had left");
    assert!(f.sees("cyd", &second).await && !f.sees("eve", &second).await);
    // Another room brings him to it.
    let other = f.group("ada", &["bob"]).await;
    f.list(other, "ada", &second).await;
    assert!(f.sees("bob", &second).await);
    f.store.add_members(room, user("ada"), vec![user("eve")]).await.unwrap();
    assert!(f.sees("eve", &first).await);
}

pub(super) async fn what_nothing_lists_goes_and_what_a_message_lists_stays(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    let (listed, idle, begun) =
        (f.uploaded("ada").await, f.uploaded("ada").await, f.begun("ada").await);
    f.list(room, "ada", &listed).await;
    assert_eq!(f.outgoing(0).await, [], "nothing is old enough");
    let mut going = f.outgoing(LATER).await;
    going.sort();
    assert_eq!(going, [idle.request.id, begun.request.id]);
    // They are told until they are forgotten, and are there for nobody.
    assert_eq!(f.outgoing(0).await.len(), 2);
    assert!(!f.sees("ada", &idle).await);
    assert_eq!(f.refused(room, "ada", listing(&[&idle])).await, ErrorCode::UnknownUpload);
    f.store.forget_upload(idle.request.id).await.unwrap();
    f.store.forget_upload(begun.request.id).await.unwrap();
    f.store.forget_upload(listed.request.id).await.unwrap();
    assert_eq!(f.outgoing(LATER).await, []);
    assert!(f.sees("ada", &listed).await);
}

pub(super) async fn a_deletion_takes_a_file_along_once_nothing_lists_it(f: &Fixture<'_>) {
    let (room, other) = (f.group("ada", &["bob"]).await, f.group("ada", &["bob"]).await);
    let (shared, alone) = (f.uploaded("ada").await, f.uploaded("ada").await);
    let first = f.send(room, "ada", listing(&[&shared, &alone])).await;
    let second = f.list(other, "ada", &shared).await;
    // An edit takes nothing away, whatever it lists.
    let content = MessageContent::of_text("now with words");
    f.send(room, "ada", op(EventKind::Edit, &EditContent { target: first, content })).await;
    assert!(f.sees("bob", &alone).await);
    let told = f.history(room, "bob").await;
    let now: MessageContent = told.last().unwrap().content.parse().unwrap();
    assert_eq!((now.text.as_str(), now.attachments.len()), ("now with words", 2));
    f.send(room, "ada", delete(first)).await;
    assert!(!f.sees("bob", &alone).await && !f.sees("ada", &alone).await);
    assert!(f.sees("bob", &shared).await);
    assert_eq!(f.outgoing(0).await, [alone.request.id], "at once");
    f.send(other, "ada", delete(second)).await;
    assert!(!f.sees("bob", &shared).await);
    assert_eq!(f.outgoing(0).await.len(), 2);
}

pub(super) async fn a_repeat_is_accepted_whatever_became_of_its_files(f: &Fixture<'_>) {
    let room = f.group("ada", &[]).await;
    let message = listing(&[&f.uploaded("ada").await]);
    let first = f.append(room, "ada", vec![message.clone()]).await;
    let id = message.id;
    f.send(room, "ada", delete(id)).await;
    for upload in f.outgoing(0).await {
        f.store.forget_upload(upload).await.unwrap();
    }
    let again = f.append(room, "ada", vec![message]).await;
    assert_eq!((&again.results, again.fresh), (&first.results, 0));
    assert!(matches!(again.results[0].outcome, OpOutcome::Accepted { .. }));
}
