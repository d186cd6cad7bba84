//! What a message may tell of its files, exactly at each limit and one beyond.

use proptest::prelude::*;
use tidewire_protocol::{
    Attachment, Checksum, Content, EditContent, EventKind, FileKey, InvalidFile, InvalidOp,
    MessageContent, Op, Preview, UploadRequest, check_content_type, check_file_name,
    clean_file_name, edited, limits,
};

fn file(number: u32) -> Attachment {
    Attachment {
        id: format!("0199c82e-1000-7c01-8a5b-{number:012x}").parse().unwrap(),
        key: "f3q7v9x2m4k8t6w1".parse().unwrap(),
        name: "mast.jpg".into(),
        content_type: "image/jpeg".into(),
        size: 1,
        sha256: Checksum::new([7; 32]),
        width: None,
        height: None,
        duration_ms: None,
        preview: None,
    }
}

fn op(kind: EventKind, content: &impl serde::Serialize) -> Op {
    let id = "0199c82d-0e20-7105-8a5b-4c6d7e8f0005".parse().unwrap();
    Op { id, kind, content: Content::of(content).unwrap() }
}

fn listing(text: &str, attachments: Vec<Attachment>) -> MessageContent {
    MessageContent { attachments, ..MessageContent::of_text(text) }
}

fn check(attachments: Vec<Attachment>) -> Result<(), InvalidOp> {
    op(EventKind::Message, &listing("", attachments)).validate()
}

#[test]
fn a_message_with_files_needs_no_text() {
    assert_eq!(check(vec![]), Err(InvalidOp::TextEmpty));
    assert_eq!(check(vec![file(1)]), Ok(()));
}

#[test]
fn a_message_lists_at_most_10_files_each_once() {
    assert_eq!(check((0..10).map(file).collect()), Ok(()));
    assert_eq!(check((0..11).map(file).collect()), Err(InvalidOp::TooManyAttachments(11)));
    assert_eq!(check(vec![file(1), file(2), file(1)]), Err(InvalidOp::AttachmentTwice));
}

#[test]
fn what_is_full_everywhere_fits_into_a_message() {
    let full = |number| Attachment {
        name: "n".repeat(limits::FILE_NAME_BYTES),
        content_type: format!("image/{}", "t".repeat(limits::CONTENT_TYPE_BYTES - 6)),
        key: "k".repeat(limits::FILE_KEY_BYTES).parse().unwrap(),
        size: u64::MAX,
        width: Some(limits::PICTURE_PIXELS),
        height: Some(limits::PICTURE_PIXELS),
        duration_ms: Some(u32::MAX),
        preview: Some(Preview { format: "f".repeat(32), data: "A".repeat(limits::PREVIEW_BYTES) }),
        ..file(number)
    };
    let metadata = Some(serde_json::json!("x".repeat(limits::METADATA_BYTES - 2)));
    let files = (0..limits::ATTACHMENTS as u32).map(full).collect();
    let message = MessageContent { metadata, ..listing(&"a".repeat(limits::TEXT_BYTES), files) };
    assert_eq!(op(EventKind::Message, &message).validate(), Ok(()));
}

#[test]
fn names_that_mislead_are_no_names() {
    for name in
        ["a", "mast, from below.jpg", "Ärger 😀.png", ".profile", "...", "a".repeat(255).as_str()]
    {
        assert_eq!(check_file_name(name), Ok(()), "{name:?}");
    }
    for name in [
        "a/b",
        "/etc/passwd",
        "..\\b",
        "C:\\x",
        "a\0",
        "a\nb",
        "a\u{7f}",
        "a\u{85}b",
        "a\u{2028}b",
        "photo\u{202e}gpj.exe",
        "a\u{2066}b",
        "a\u{200f}",
        "a\u{feff}",
    ] {
        assert_eq!(check_file_name(name), Err(InvalidFile::NameCharacter), "{name:?}");
    }
    for name in [" a", "a ", ".", "..", "\u{3000}a"] {
        assert_eq!(check_file_name(name), Err(InvalidFile::NameForm), "{name:?}");
    }
    assert_eq!(check_file_name(""), Err(InvalidFile::NameLength(0)));
    assert_eq!(check_file_name(&"é".repeat(128)), Err(InvalidFile::NameLength(256)));
}

proptest! {
    #[test]
    fn whatever_a_name_is_cleaned_it_is_one(name in any::<String>(), long in 0_usize..400) {
        let name = name + &"é".repeat(long) + ".tar";
        prop_assert_eq!(check_file_name(&clean_file_name(&name)), Ok(()));
        prop_assert_eq!(clean_file_name(&clean_file_name(&name)), clean_file_name(&name));
    }
}

#[test]
fn a_good_name_is_not_cleaned_and_a_long_one_keeps_its_extension() {
    assert_eq!(clean_file_name("Mast, from below.jpg"), "Mast, from below.jpg");
    let long = clean_file_name(&format!("{}.jpg", "é".repeat(200)));
    assert!(long.ends_with("é.jpg") && long.len() <= 255, "{long}");
}

#[test]
fn a_media_type_looks_like_one() {
    for text in
        ["image/jpeg", "audio/ogg; codecs=opus", "application/vnd.x-y+json", "text/plain;a=\"b\""]
    {
        assert_eq!(check_content_type(text), Ok(()), "{text}");
    }
    let long = format!("image/{}", "t".repeat(122));
    for text in [
        "",
        "image",
        "image/",
        "/jpeg",
        "a/b/c",
        "im age/jpeg",
        "a/b\r\nx: y",
        "a/b; é",
        " a/b",
        &long,
    ] {
        assert_eq!(check_content_type(text), Err(InvalidFile::ContentType), "{text:?}");
    }
}

#[test]
fn a_file_has_bytes_pixels_and_a_preview_within_limits() {
    let why = |file| match check(vec![file]) {
        Err(InvalidOp::Attachment { index: 0, why }) => Some(why),
        Ok(()) => None,
        other => panic!("{other:?}"),
    };
    let preview = |format: &str, data: &str| Attachment {
        preview: Some(Preview { format: format.into(), data: data.into() }),
        ..file(1)
    };
    assert_eq!(why(Attachment { size: 0, ..file(1) }), Some(InvalidFile::Empty));
    assert_eq!(why(Attachment { width: Some(0), ..file(1) }), Some(InvalidFile::Pixels));
    assert_eq!(why(Attachment { height: Some(100_001), ..file(1) }), Some(InvalidFile::Pixels));
    assert_eq!(why(preview("thumbhash", "1QcSHQRn")), None);
    assert_eq!(why(preview("webp", "AA==")), None);
    assert_eq!(why(preview("webp", &"A".repeat(1024))), None);
    assert_eq!(why(preview("webp", &"A".repeat(1028))), Some(InvalidFile::PreviewLength));
    assert_eq!(why(preview("webp", "")), Some(InvalidFile::PreviewLength));
    for (format, data) in
        [("", "AAAA"), ("We", "AAAA"), ("webp", "AAA"), ("webp", "A==="), ("webp", "<b>=")]
    {
        assert_eq!(why(preview(format, data)), Some(InvalidFile::PreviewForm), "{format} {data}");
    }
}

#[test]
fn keys_and_checksums_have_one_spelling() {
    for text in ["f3q7v9x2m4k8t6w1", &"k".repeat(64)] {
        assert_eq!(text.parse::<FileKey>().unwrap().as_str(), text);
    }
    for text in [
        "",
        "short",
        "../../../../etc/passwd",
        "F3Q7V9X2M4K8T6W1",
        "f3q7v9x2m4k8t6w.",
        &"k".repeat(65),
    ] {
        assert!(text.parse::<FileKey>().is_err(), "{text}");
    }
    let text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    assert_eq!(text.parse::<Checksum>().unwrap().to_string(), text);
    for text in [&text[1..], &text.to_uppercase(), &format!("{}é", &text[2..]), ""] {
        assert!(text.parse::<Checksum>().is_err(), "{text}");
    }
}

#[test]
fn an_edit_leaves_the_files_as_they_were() {
    let original = Content::of(&listing("before", vec![file(1)])).unwrap();
    let change = |content| {
        let target = "0199c82d-0e20-7105-8a5b-4c6d7e8f0006".parse().unwrap();
        op(EventKind::Edit, &EditContent { target, content })
    };
    // From a client that knows nothing of files, and from one that lists others.
    for attachments in [vec![], vec![file(2)]] {
        let op = change(listing("after", attachments));
        assert_eq!(op.validate(), Ok(()));
        let now: MessageContent = edited(&original, &op.content).unwrap().parse().unwrap();
        assert_eq!(now, listing("after", vec![file(1)]));
    }
    assert_eq!(change(listing("", vec![])).validate(), Err(InvalidOp::TextEmpty));
    assert_eq!(change(listing("", vec![file(1)])).validate(), Ok(()));
}

#[test]
fn an_upload_is_asked_for_with_a_name_a_type_and_a_size() {
    let asked = UploadRequest {
        id: file(1).id,
        name: "a".into(),
        content_type: "a/b".into(),
        size: 1,
        sha256: Checksum::new([0; 32]),
    };
    assert_eq!(asked.validate(), Ok(()));
    assert_eq!(UploadRequest { size: 0, ..asked.clone() }.validate(), Err(InvalidFile::Empty));
    assert!(UploadRequest { name: "../a".into(), ..asked.clone() }.validate().is_err());
    assert!(
        !format!("{:?} {:?}", UploadRequest { name: "secret".into(), ..asked }, file(1))
            .contains("secret")
    );
}
