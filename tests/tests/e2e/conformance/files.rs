//! Files: parts, completion, who may list them and who gets them.

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tidewire::{ErrorCode, EventId, EventKind, MessageContent, RoomId};
use tidewire_protocol::{
    Attachment, Checksum, Content, DeleteContent, EditContent, FileAccess, FileKey, Op, OpOutcome,
    Upload, UploadId, UploadRequest, WireError,
};
use uuid::Uuid;

use super::{FileCall, Served, add, group, op, refusal, remove, talk, try_send};

const MIB: usize = 1024 * 1024;

fn file(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|place| (place / 7 + place / 1000) as u8).collect()
}

fn asked(file: &[u8]) -> UploadRequest {
    UploadRequest {
        id: UploadId::from_uuid(Uuid::now_v7()),
        name: "tides.pdf".into(),
        content_type: "application/pdf".into(),
        size: file.len() as u64,
        sha256: Checksum::new(Sha256::digest(file).into()),
    }
}

async fn told<T: DeserializeOwned>(
    server: &mut impl Served,
    name: &str,
    call: FileCall,
) -> Result<T, WireError> {
    Ok(serde_json::from_slice(&server.file_call(name, call).await?).unwrap())
}

async fn begin(server: &mut impl Served, name: &str, asked: &UploadRequest) -> Upload {
    told(server, name, FileCall::Begin(asked.clone())).await.unwrap()
}

async fn put(
    server: &mut impl Served,
    upload: &Upload,
    numbers: &[u32],
    file: &[u8],
) -> Result<(), WireError> {
    for part in upload.parts.iter().filter(|part| numbers.contains(&part.number)) {
        let size = upload.part_size as usize;
        let from = (part.number as usize - 1) * size;
        let bytes = file[from..file.len().min(from + size)].to_vec();
        server.file_call("nobody", FileCall::Put(part.url.clone(), bytes)).await?;
    }
    Ok(())
}

async fn uploaded(server: &mut impl Served, name: &str, file: &[u8]) -> Attachment {
    let asked = asked(file);
    let begun = begin(server, name, &asked).await;
    put(server, &begun, &[1, 2, 3], file).await.unwrap();
    let done: Upload = told(server, name, FileCall::Complete(asked.id)).await.unwrap();
    assert!(done.complete);
    let UploadRequest { id, name, content_type, size, sha256 } = asked;
    Attachment {
        id,
        key: done.key,
        name,
        content_type,
        size,
        sha256,
        width: None,
        height: None,
        duration_ms: None,
        preview: None,
    }
}

fn listing(files: &[&Attachment]) -> Op {
    let attachments = files.iter().map(|file| (*file).clone()).collect();
    let content = MessageContent { attachments, ..MessageContent::default() };
    Op { content: Content::of(&content).unwrap(), ..op("") }
}

async fn list(server: &mut impl Served, by: &str, room: RoomId, file: &Attachment) -> EventId {
    let op = listing(&[file]);
    let id = op.id;
    let sent = try_send(server, by, room, vec![op]).await.unwrap();
    assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }), "{sent:?}");
    id
}

async fn gets(server: &mut impl Served, name: &str, key: &FileKey) -> Option<Vec<u8>> {
    match told::<FileAccess>(server, name, FileCall::Access(key.clone())).await {
        Ok(access) => Some(server.file_call(name, FileCall::Get(access.url)).await.unwrap()),
        Err(error) => {
            assert_eq!(error.code, ErrorCode::UnknownFile);
            None
        }
    }
}

pub(super) async fn a_file_travels_in_parts_and_a_repeat_tells_what_is_missing(
    server: &mut impl Served,
) {
    let file = file(2 * MIB + 5);
    let asked = asked(&file);
    let begun = begin(server, "ada", &asked).await;
    assert_eq!((begun.part_size, begun.parts.len()), (MIB as u64, 3));
    put(server, &begun, &[2], &file).await.unwrap();
    let again = begin(server, "ada", &asked).await;
    assert_eq!((&again.key, again.stored.as_slice()), (&begun.key, &[2][..]));
    assert_eq!(again.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 3]);
    let refused = told::<Upload>(server, "ada", FileCall::Complete(asked.id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::UploadIncomplete);
    assert_eq!(refused.detail.unwrap().missing_parts, [1, 3]);
    let refused = told::<Upload>(server, "bob", FileCall::Complete(asked.id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::UnknownUpload);
    put(server, &again, &[1, 3], &file).await.unwrap();
    let whole = begin(server, "ada", &asked).await;
    assert_eq!((whole.stored.len(), whole.parts.len(), whole.complete), (3, 0, false));
    for _ in 0..2 {
        let done: Upload = told(server, "ada", FileCall::Complete(asked.id)).await.unwrap();
        assert!(done.complete && done.key == begun.key && done.stored.is_empty());
    }
    assert!(begin(server, "ada", &asked).await.complete);
    let late = put(server, &begun, &[1], &file).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::UnknownUpload);
    assert_eq!(gets(server, "ada", &begun.key).await, Some(file));
}

pub(super) async fn what_breaks_a_rule_is_refused_with_what_would_do(server: &mut impl Served) {
    let good = asked(b"abc");
    let large = UploadRequest { size: 50 * MIB as u64 + 1, ..good.clone() };
    let refused = told::<Upload>(server, "ada", FileCall::Begin(large)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::TooLarge);
    assert_eq!(refused.detail.unwrap().max_bytes, Some(50 * MIB as u64));
    for wrong in [
        UploadRequest { size: 0, ..good.clone() },
        UploadRequest { name: "../a".into(), ..good.clone() },
        UploadRequest { content_type: "pdf".into(), ..good.clone() },
    ] {
        let refused = told::<Upload>(server, "ada", FileCall::Begin(wrong)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::InvalidContent);
    }
    let begun = begin(server, "ada", &good).await;
    let other = UploadRequest { name: "other".into(), ..good.clone() };
    for (name, request) in [("ada", other), ("bob", good.clone())] {
        let refused = told::<Upload>(server, name, FileCall::Begin(request)).await.unwrap_err();
        assert_eq!(refused.code, ErrorCode::IdTaken);
    }
    let url = begun.parts[0].url.clone();
    for (url, bytes, code) in [
        (url.clone(), "abcd", ErrorCode::InvalidContent),
        (url.clone(), "ab", ErrorCode::InvalidContent),
        (url.replace("expires=", "expires=0"), "abc", ErrorCode::UrlExpired),
    ] {
        // The model knows no signatures: what it can know is that the time is over.
        if code == ErrorCode::UrlExpired {
            let (before, _) = url.split_once("expires=").unwrap();
            let ended = format!("{before}expires=1&signature=00");
            let call = FileCall::Put(ended, bytes.into());
            assert_eq!(server.file_call("ada", call).await.unwrap_err().code, code);
            continue;
        }
        let call = FileCall::Put(url, bytes.into());
        assert_eq!(server.file_call("ada", call).await.unwrap_err().code, code);
    }
    assert!(begin(server, "ada", &good).await.stored.is_empty());
    // Given up by nobody but the one whose it is.
    put(server, &begun, &[1], b"abc").await.unwrap();
    server.file_call("bob", FileCall::Cancel(good.id)).await.unwrap();
    assert_eq!(begin(server, "ada", &good).await.stored, [1]);
    for _ in 0..2 {
        server.file_call("ada", FileCall::Cancel(good.id)).await.unwrap();
    }
    let refused = told::<Upload>(server, "ada", FileCall::Complete(good.id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::UnknownUpload);
    let anew = begin(server, "ada", &good).await;
    assert_eq!((&anew.key, anew.stored.len()), (&begun.key, 0));
    let late = put(server, &begun, &[1], b"abc").await.unwrap_err();
    assert_eq!(late.code, ErrorCode::UnknownUpload);
}

pub(super) async fn what_is_not_what_was_declared_begins_anew(server: &mut impl Served) {
    let asked = asked(b"abc");
    let begun = begin(server, "ada", &asked).await;
    put(server, &begun, &[1], b"abd").await.unwrap();
    let refused = told::<Upload>(server, "ada", FileCall::Complete(asked.id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::ChecksumMismatch);
    let refused = told::<Upload>(server, "ada", FileCall::Complete(asked.id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::UploadIncomplete);
    assert_eq!(gets(server, "ada", &begun.key).await, None);
    let anew = begin(server, "ada", &asked).await;
    assert_eq!((&anew.key, anew.stored.len()), (&begun.key, 0));
    put(server, &anew, &[1], b"abc").await.unwrap();
    let done: Upload = told(server, "ada", FileCall::Complete(asked.id)).await.unwrap();
    assert!(done.complete);
}

pub(super) async fn a_message_lists_only_what_its_sender_has_completed(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    let file = uploaded(server, "ada", b"abc").await;
    let half = asked(b"abc");
    let begun = begin(server, "ada", &half).await;
    let half = Attachment { id: half.id, key: begun.key, ..file.clone() };
    let never = Attachment { id: UploadId::from_uuid(Uuid::now_v7()), ..file.clone() };
    for (by, listed, code) in [
        ("bob", &file, ErrorCode::UnknownUpload),
        ("ada", &never, ErrorCode::UnknownUpload),
        ("ada", &half, ErrorCode::UploadIncomplete),
        ("ada", &Attachment { size: 4, ..file.clone() }, ErrorCode::InvalidContent),
        ("ada", &Attachment { name: "other".into(), ..file.clone() }, ErrorCode::InvalidContent),
        ("ada", &Attachment { key: half.key.clone(), ..file.clone() }, ErrorCode::InvalidContent),
    ] {
        let sent = try_send(server, by, room, vec![listing(&[listed]), op("behind")]).await;
        let results = sent.unwrap().results;
        assert_eq!(refusal(&results[0].outcome), Some(code));
        assert_eq!(results[1].outcome, OpOutcome::NotTried);
    }
    // What was refused may be sent under the same id once it is right.
    let message = listing(&[&half]);
    try_send(server, "ada", room, vec![message.clone()]).await.unwrap();
    let again = UploadRequest {
        id: half.id,
        name: half.name.clone(),
        content_type: half.content_type.clone(),
        size: half.size,
        sha256: half.sha256,
    };
    let again = begin(server, "ada", &again).await;
    put(server, &again, &[1], b"abc").await.unwrap();
    told::<Upload>(server, "ada", FileCall::Complete(half.id)).await.unwrap();
    for _ in 0..2 {
        let sent = try_send(server, "ada", room, vec![message.clone()]).await.unwrap();
        assert!(matches!(sent.results[0].outcome, OpOutcome::Accepted { .. }), "{sent:?}");
    }
    let refused = server.file_call("ada", FileCall::Cancel(half.id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::Forbidden);
}

pub(super) async fn a_file_is_for_those_who_may_read_a_message_that_lists_it(
    server: &mut impl Served,
) {
    let room = group(server, "ada", &["bob"]).await;
    let (first, second) =
        (uploaded(server, "ada", b"first").await, uploaded(server, "ada", b"second").await);
    assert_eq!(gets(server, "ada", &first.key).await.unwrap(), b"first");
    assert_eq!(gets(server, "bob", &first.key).await, None);
    list(server, "ada", room, &first).await;
    assert_eq!(gets(server, "bob", &first.key).await.unwrap(), b"first");
    remove(server, "ada", room, "bob").await.unwrap();
    list(server, "ada", room, &second).await;
    assert_eq!(gets(server, "bob", &first.key).await.unwrap(), b"first");
    assert_eq!(gets(server, "bob", &second.key).await, None);
    assert_eq!(gets(server, "eve", &first.key).await, None);
    add(server, "ada", room, "eve").await.unwrap();
    assert_eq!(gets(server, "eve", &second.key).await.unwrap(), b"second");
    let none: FileKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
    assert_eq!(gets(server, "ada", &none).await, None);
}

pub(super) async fn a_file_goes_with_the_last_message_that_lists_it(server: &mut impl Served) {
    let room = group(server, "ada", &["bob"]).await;
    talk(server, "bob", room, 2).await;
    let file = uploaded(server, "ada", b"abc").await;
    let (first, second) =
        (list(server, "ada", room, &file).await, list(server, "ada", room, &file).await);
    let change = |kind, content| Op { kind, content, ..op("") };
    // An edit takes nothing away and adds nothing.
    let content = MessageContent::of_text("now with words");
    let content = Content::of(&EditContent { target: first, content }).unwrap();
    try_send(server, "ada", room, vec![change(EventKind::Edit, content)]).await.unwrap();
    for (target, left) in [(first, true), (second, false)] {
        let content = Content::of(&DeleteContent { target }).unwrap();
        let sent = try_send(server, "ada", room, vec![change(EventKind::Delete, content)]).await;
        assert!(matches!(sent.unwrap().results[0].outcome, OpOutcome::Accepted { .. }));
        assert_eq!(gets(server, "bob", &file.key).await.is_some(), left);
    }
    assert_eq!(gets(server, "ada", &file.key).await, None);
    let sent = try_send(server, "ada", room, vec![listing(&[&file])]).await.unwrap();
    assert_eq!(refusal(&sent.results[0].outcome), Some(ErrorCode::UnknownUpload));
}
