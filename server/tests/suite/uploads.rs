//! Files of messages from outside. Each promise of the first part is kept by every object store: the folder of the
//! server's own, and a real S3-compatible server.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};
use tidewire_protocol::{ErrorBody, ErrorCode, FileAccess, RoomState, Upload, UploadRequest};
use tidewire_server::{Config, RateLimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Answer, PATIENCE, Running, start, start_with};
use crate::objects::{asked, attachment, bytes, exchange, is_refused, slice};
use crate::s3::S3Server;

const MIB: usize = 1024 * 1024;

/// A file of three parts on any store.
fn file() -> Vec<u8> {
    bytes(11 * MIB + 17)
}

/// All parts of the same size on both stores.
fn same_parts(config: &mut Config) {
    config.upload_part_bytes = Some(5 * MIB as u64);
}

macro_rules! promises {
    ($($name:ident;)*) => {
        mod in_a_folder {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(&super::start_with(super::same_parts).await).await;
                }
            )*
        }

        mod in_s3 {
            $(
                #[tokio::test]
                async fn $name() {
                    let Some(s3) = super::S3Server::start().await else { return };
                    let server = super::start_with(|config| {
                        super::same_parts(config);
                        s3.configure(config);
                    });
                    super::$name(&server.await).await;
                }
            )*
        }
    };
}

promises! {
    a_file_comes_back_as_it_was_uploaded;
    a_repeat_says_what_is_stored_and_only_the_rest_goes_out;
    what_is_not_what_was_declared_is_thrown_away_and_begins_anew;
    a_part_of_another_size_or_damaged_is_not_taken;
    an_address_that_was_changed_is_none;
    an_address_of_what_is_done_with_takes_nothing;
    an_upload_given_up_is_gone_and_may_begin_anew;
    completing_at_the_same_time_is_completing_once;
    who_may_not_read_a_message_gets_no_file_of_it;
    a_deleted_message_takes_its_file_along;
}

async fn a_file_comes_back_as_it_was_uploaded(server: &Running) {
    let room = server.group("ada", &["bob"]).await;
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    assert_eq!((begun.part_size, begun.parts.len(), begun.complete), (5 * MIB as u64, 3, false));
    assert!(begun.expires_in_ms >= 60_000);
    // In any order.
    for part in begun.parts.iter().rev() {
        assert_eq!(server.put(&begun, part, &file).await.status, 200);
    }
    let done: Upload = server.complete("ada", asked.id).await.parse();
    assert!(done.complete && done.parts.is_empty());
    server.list("ada", room, vec![attachment(&asked, &done)]).await;
    let access: FileAccess = server.access("bob", done.key.as_str()).await.parse();
    assert!(access.expires_in_ms.is_some_and(|ms| ms >= 60_000) && access.base_url.is_none());
    let got = server.at("GET", &access.url, &[], &[]).await;
    assert_eq!((got.status, got.body.len()), (200, file.len()));
    assert_eq!(Sha256::digest(&got.body), Sha256::digest(&file));
    assert_eq!(got.header("content-type"), Some("image/jpeg"));
    assert!(got.header("cache-control").unwrap().contains("immutable"));
    assert!(got.header("content-disposition").unwrap().starts_with("inline; filename="));
    let range = [("range", "bytes=5242870-5242889")];
    let some = server.at("GET", &access.url, &range, &[]).await;
    assert_eq!((some.status, some.body.as_slice()), (206, &file[5_242_870..5_242_890]));
}

async fn a_repeat_says_what_is_stored_and_only_the_rest_goes_out(server: &Running) {
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    assert_eq!(server.put(&begun, &begun.parts[1], &file).await.status, 200);
    let again = server.begin("ada", &asked).await;
    assert_eq!((&again.key, again.part_size), (&begun.key, begun.part_size));
    assert_eq!(again.stored, [2]);
    assert_eq!(again.parts.iter().map(|part| part.number).collect::<Vec<_>>(), [1, 3]);
    let refused = server.complete("ada", asked.id).await;
    assert_eq!(refused.code(), ErrorCode::UploadIncomplete);
    let body: ErrorBody = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(body.error.detail.unwrap().missing_parts, [1, 3]);
    // A part may be put again, and an old address is still good.
    assert_eq!(server.put(&begun, &begun.parts[1], &file).await.status, 200);
    assert_eq!(server.put(&begun, &begun.parts[0], &file).await.status, 200);
    assert_eq!(server.put(&again, &again.parts[1], &file).await.status, 200);
    let all = server.begin("ada", &asked).await;
    assert_eq!((all.stored.len(), all.parts.len(), all.complete), (3, 0, false));
    for _ in 0..2 {
        let done: Upload = server.complete("ada", asked.id).await.parse();
        assert!(done.complete);
    }
    assert!(server.begin("ada", &asked).await.complete);
}

async fn what_is_not_what_was_declared_is_thrown_away_and_begins_anew(server: &Running) {
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    let mut changed = file.clone();
    changed[7 * MIB] ^= 1;
    // Each part is what its own checksum says: only the whole is not.
    server.put_all(&begun, &changed).await;
    assert_eq!(server.complete("ada", asked.id).await.code(), ErrorCode::ChecksumMismatch);
    assert_eq!(server.complete("ada", asked.id).await.code(), ErrorCode::UploadIncomplete);
    let anew = server.begin("ada", &asked).await;
    assert_eq!((&anew.key, anew.stored.len(), anew.parts.len()), (&begun.key, 0, 3));
    server.put_all(&anew, &file).await;
    assert!(server.complete("ada", asked.id).await.parse::<Upload>().complete);
}

async fn a_part_of_another_size_or_damaged_is_not_taken(server: &Running) {
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    let part = &begun.parts[0];
    let right = slice(&begun, 1, &file);
    let longer = &file[..right.len() + 1];
    for body in [longer, &right[1..], b"", &file] {
        let answer = server.at("PUT", &part.url, &[], body).await;
        assert!(is_refused(&answer), "{} bytes: {}", body.len(), answer.head);
    }
    let md5 = [("content-md5", "1B2M2Y8AsgTpgAmY7PhCfg==")];
    let answer = server.at("PUT", &part.url, &md5, right).await;
    assert!(is_refused(&answer), "{}", answer.head);
    assert!(server.begin("ada", &asked).await.stored.is_empty());
    assert_eq!(server.put(&begun, part, &file).await.status, 200);
}

async fn an_address_that_was_changed_is_none(server: &Running) {
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    let url = &begun.parts[0].url;
    let right = slice(&begun, 1, &file);
    let (name, value) = url.rsplit_once('=').unwrap();
    assert!(name.to_ascii_lowercase().ends_with("signature"), "{name}");
    let end = url.to_ascii_lowercase().find("expires=").unwrap() + "expires=".len();
    let longer = format!("{}9{}", &url[..end], &url[end + 1..]);
    for forged in [
        url.replace("partNumber=1", "partNumber=2"),
        url.replace(begun.key.as_str(), "0123456789abcdef0123456789abcdef"),
        format!("{name}={}", value.chars().rev().collect::<String>()),
        name.to_owned(),
        longer,
    ] {
        assert_ne!(&forged, url);
        let answer = server.at("PUT", &forged, &[], right).await;
        assert!(is_refused(&answer), "{forged}: {}", answer.head);
        // What may be put may not be got.
        let answer = server.at("GET", &forged, &[], &[]).await;
        assert!(is_refused(&answer), "{forged}: {}", answer.head);
    }
    assert!(is_refused(&server.at("GET", url, &[], &[]).await));
    assert!(server.begin("ada", &asked).await.stored.is_empty());
}

async fn an_address_of_what_is_done_with_takes_nothing(server: &Running) {
    let room = server.group("ada", &["bob"]).await;
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    server.put_all(&begun, &file).await;
    let done: Upload = server.complete("ada", asked.id).await.parse();
    server.list("ada", room, vec![attachment(&asked, &done)]).await;
    let other = bytes(file.len() + 1)[1..].to_vec();
    let answer = server.put(&begun, &begun.parts[0], &other).await;
    assert!(is_refused(&answer), "{}", answer.head);
    let got = server.at("GET", &server.url_for("bob", done.key.as_str()).await, &[], &[]).await;
    assert_eq!(Sha256::digest(&got.body), Sha256::digest(&file));
}

async fn an_upload_given_up_is_gone_and_may_begin_anew(server: &Running) {
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    server.put_all(&begun, &file).await;
    assert_eq!(server.cancel("bob", asked.id).await.status, 200);
    assert_eq!(server.begin("ada", &asked).await.stored.len(), 3, "it is none of his");
    for _ in 0..2 {
        assert_eq!(server.cancel("ada", asked.id).await.status, 200);
    }
    assert_eq!(server.complete("ada", asked.id).await.code(), ErrorCode::UnknownUpload);
    assert!(is_refused(&server.put(&begun, &begun.parts[0], &file).await));
    let anew = server.begin("ada", &asked).await;
    assert_eq!((&anew.key, anew.stored.len()), (&begun.key, 0));
    server.put_all(&anew, &file).await;
    assert!(server.complete("ada", asked.id).await.parse::<Upload>().complete);
    // Complete, and never listed.
    assert_eq!(server.cancel("ada", asked.id).await.status, 200);
    assert_eq!(server.access("ada", begun.key.as_str()).await.code(), ErrorCode::UnknownFile);
    assert_eq!(server.begin("ada", &asked).await.stored.len(), 0);
}

async fn completing_at_the_same_time_is_completing_once(server: &Running) {
    let file = file();
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    server.put_all(&begun, &file).await;
    let complete = || server.complete("ada", asked.id);
    let (a, b, c) = tokio::join!(complete(), complete(), complete());
    for answer in [a, b, c] {
        assert!(answer.parse::<Upload>().complete);
    }
    let got = server.at("GET", &server.url_for("ada", begun.key.as_str()).await, &[], &[]).await;
    assert_eq!(Sha256::digest(&got.body), Sha256::digest(&file));
}

async fn who_may_not_read_a_message_gets_no_file_of_it(server: &Running) {
    let room = server.group("ada", &["bob"]).await;
    let file = bytes(1000);
    let (asked, done) = server.upload("ada", &file).await;
    let (later_asked, later) = server.upload("ada", &file).await;
    let refused = server.list_refused("bob", room, attachment(&asked, &done)).await;
    assert_eq!(refused, ErrorCode::UnknownUpload, "it is not his");
    assert_eq!(server.access("bob", done.key.as_str()).await.code(), ErrorCode::UnknownFile);
    server.list("ada", room, vec![attachment(&asked, &done)]).await;
    server.url_for("bob", done.key.as_str()).await;
    let path = format!("/v1/rooms/{room}/members/bob");
    server.call("DELETE", &path, Some(&server.token("ada")), None).await.parse::<RoomState>();
    server.list("ada", room, vec![attachment(&later_asked, &later)]).await;
    server.url_for("bob", done.key.as_str()).await;
    assert_eq!(server.access("bob", later.key.as_str()).await.code(), ErrorCode::UnknownFile);
    assert_eq!(server.access("eve", done.key.as_str()).await.code(), ErrorCode::UnknownFile);
    let none = server.call("GET", &format!("/v1/files/{}", done.key), None, None).await;
    assert_eq!(none.code(), ErrorCode::TokenInvalid);
}

async fn a_deleted_message_takes_its_file_along(server: &Running) {
    let room = server.group("ada", &["bob"]).await;
    let (asked, done) = server.upload("ada", &bytes(1000)).await;
    let message = server.list("ada", room, vec![attachment(&asked, &done)]).await;
    assert_eq!(server.cancel("ada", asked.id).await.code(), ErrorCode::Forbidden);
    server.delete_message("ada", room, message).await;
    for name in ["ada", "bob"] {
        let refused = server.access(name, done.key.as_str()).await;
        assert_eq!(refused.code(), ErrorCode::UnknownFile);
    }
    let refused = server.list_refused("ada", room, attachment(&asked, &done)).await;
    assert_eq!(refused, ErrorCode::UnknownUpload);
    // The same upload may begin anew while the old one is on its way out.
    assert!(server.begin("ada", &asked).await.stored.is_empty());
}

#[tokio::test]
async fn what_breaks_a_rule_never_begins() {
    let server = start_with(|config| config.max_upload_bytes = 1000).await;
    let good = asked(&bytes(1000));
    let refused = |request: UploadRequest| {
        let server = &server;
        async move { server.post("ada", "/v1/uploads", &request).await }
    };
    let large = refused(UploadRequest { size: 1001, ..good.clone() }).await;
    assert_eq!(large.code(), ErrorCode::TooLarge);
    let body: ErrorBody = serde_json::from_slice(&large.body).unwrap();
    assert_eq!(body.error.detail.unwrap().max_bytes, Some(1000));
    for wrong in [
        UploadRequest { size: 0, ..good.clone() },
        UploadRequest { name: "../../etc/passwd".into(), ..good.clone() },
        UploadRequest { name: "a\u{202e}gpj.exe".into(), ..good.clone() },
        UploadRequest { name: "a\r\nset-cookie: x".into(), ..good.clone() },
        UploadRequest { name: String::new(), ..good.clone() },
        UploadRequest { name: "a".repeat(256), ..good.clone() },
        UploadRequest { content_type: "text/html\r\nx: y".into(), ..good.clone() },
    ] {
        assert_eq!(refused(wrong).await.code(), ErrorCode::InvalidContent);
    }
    server.begin("ada", &good).await;
    let taken = refused(UploadRequest { name: "other".into(), ..good.clone() }).await;
    assert_eq!(taken.code(), ErrorCode::IdTaken);
    let taken = server.post("bob", "/v1/uploads", &good).await;
    assert_eq!(taken.code(), ErrorCode::IdTaken);
    assert_eq!(server.complete("bob", good.id).await.code(), ErrorCode::UnknownUpload);
    for odd in ["{}", r#"{"id":"x"}"#, "[]"] {
        let answer =
            server.call("POST", "/v1/uploads", Some(&server.token("ada")), Some(odd)).await;
        assert_eq!(answer.code(), ErrorCode::BadRequest);
    }
    let mut odd = serde_json::to_value(&good).unwrap();
    odd["sha256"] = json!("../x");
    assert_eq!(server.post("ada", "/v1/uploads", &odd).await.code(), ErrorCode::BadRequest);
}

#[tokio::test]
async fn too_many_bytes_get_a_slot_and_a_repeat_costs_none() {
    let limit = RateLimit { per_second: 1000.0, burst: 5000 };
    let server = start_with(|config| config.upload_limit = Some(limit)).await;
    let first = asked(&bytes(4000));
    for _ in 0..5 {
        server.begin("ada", &first).await;
    }
    let second = server.post("ada", "/v1/uploads", &asked(&bytes(3000))).await;
    assert_eq!(second.code(), ErrorCode::RateLimited);
    let body: ErrorBody = serde_json::from_slice(&second.body).unwrap();
    assert!((1..=2_000).contains(&body.error.retry_after_ms.unwrap()), "{body:?}");
    server.begin("bob", &asked(&bytes(3000))).await;
}

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let server = start().await;
    let token = server.token("ada");
    let signed = "partNumber=1&uploadId=..%2F..%2Fx&size=1&expires=9999999999&signature=00";
    for path in [
        "/v1/objects/..%2F..%2Fsecret.key?expires=9999999999&signature=00",
        "/v1/objects/../../secret.key",
        "/v1/objects/%2e%2e%2fsecret.key",
        "/v1/objects/secret.key",
        "/v1/objects/f3q7v9x2m4k8t6w1",
        "/v1/objects/f3q7v9x2m4k8t6w1?expires=9999999999&signature=00",
        "/v1/objects/f3q7v9x2m4k8t6w1?expires=9999999999",
        "/v1/files/..%2f..%2fsecret.key",
    ] {
        let answer = server.call("GET", path, Some(&token), None).await;
        assert!(matches!(answer.status, 400 | 403 | 404), "{path}: {}", answer.head);
        answer.code();
    }
    for key in ["..%2F..%2Fx", "f3q7v9x2m4k8t6w1"] {
        let path = format!("/v1/objects/{key}?{signed}");
        let answer = exchange(server.server.addr(), "PUT", &path, &[], b"x").await;
        assert!(matches!(answer.status, 400 | 403), "{path}: {}", answer.head);
    }
    let answer = server.call("POST", "/v1/objects/f3q7v9x2m4k8t6w1", Some(&token), None).await;
    assert_eq!(answer.code(), ErrorCode::MethodNotAllowed);
}

/// The headers with which a file is given.
async fn given(server: &Running, request: &UploadRequest, file: &[u8]) -> (String, Answer) {
    let begun = server.begin("ada", request).await;
    server.put_all(&begun, file).await;
    server.complete("ada", request.id).await.parse::<Upload>();
    let url = server.url_for("ada", begun.key.as_str()).await;
    let answer = server.at("GET", &url, &[], &[]).await;
    (url, answer)
}

#[tokio::test]
async fn a_file_of_the_folder_runs_nothing_and_is_never_asked_for_twice() {
    let server = start().await;
    let file = b"<script>alert(1)</script>".repeat(100);
    let request = UploadRequest { content_type: "text/html".into(), ..asked(&file) };
    let (url, answer) = given(&server, &request, &file).await;
    assert_eq!((answer.status, &answer.body), (200, &file));
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment; "));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; sandbox"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    let etag = answer.header("etag").unwrap().to_owned();
    let again = server.at("GET", &url, &[("if-none-match", &etag)], &[]).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    // Not gzipped, whatever is accepted: ranges are those of the file.
    let headers = [("range", "bytes=-10"), ("accept-encoding", "gzip")];
    let tail = server.at("GET", &url, &headers, &[]).await;
    assert_eq!((tail.status, tail.body.as_slice()), (206, &file[file.len() - 10..]));
    let beyond = server.at("GET", &url, &[("range", "bytes=9999999-")], &[]).await;
    assert_eq!(beyond.status, 416);
    let head = server.at("HEAD", &url, &[], &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(file.len().to_string().as_str()));
}

#[tokio::test]
async fn with_a_content_network_the_key_alone_opens_a_file() {
    let server =
        start_with(|config| config.cdn_url = Some("https://cdn.example/chat".into())).await;
    let file = bytes(100);
    let (_, done) = server.upload("ada", &file).await;
    let access: FileAccess = server.access("ada", done.key.as_str()).await.parse();
    assert_eq!(access.base_url.as_deref(), Some("https://cdn.example/chat/"));
    assert_eq!(access.url, format!("https://cdn.example/chat/{}", done.key));
    assert_eq!(access.expires_in_ms, None);
    assert_eq!(server.access("bob", done.key.as_str()).await.code(), ErrorCode::UnknownFile);
    // The network itself asks here.
    let got = server.at("GET", &format!("/v1/objects/{}", done.key), &[], &[]).await;
    assert_eq!((got.status, got.body), (200, file));
    let other = start().await;
    let (_, done) = other.upload("ada", &bytes(100)).await;
    let got = other.at("GET", &format!("/v1/objects/{}", done.key), &[], &[]).await;
    assert_eq!(got.code(), ErrorCode::UrlExpired);
}

#[tokio::test]
async fn a_part_that_comes_to_nothing_gives_its_place_back() {
    let server = start_with(|config| config.body_timeout = Duration::from_millis(50)).await;
    let file = bytes(1000);
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    let url = &begun.parts[0].url;
    // More of them than may be written at a time.
    for _ in 0..70 {
        let slow = server.at("PUT", url, &[("content-length", "1000")], &file[..10]).await;
        assert_eq!(slow.code(), ErrorCode::Unavailable);
    }
    let aside = server.folder.path().join("files/aside");
    assert_eq!(std::fs::read_dir(aside).unwrap().count(), 0);
    server.put_all(&begun, &file).await;
    assert!(server.complete("ada", asked.id).await.parse::<Upload>().complete);
}

#[tokio::test]
async fn a_part_that_came_whole_is_kept_though_its_sender_is_gone() {
    let server = start().await;
    let file = bytes(MIB);
    for _ in 0..5 {
        let asked = asked(&file);
        let begun = server.begin("ada", &asked).await;
        let mut cut = TcpStream::connect(server.server.addr()).await.unwrap();
        let url = &begun.parts[0].url;
        let head = format!("PUT {url} HTTP/1.1\r\nhost: x\r\ncontent-length: {MIB}\r\n\r\n");
        cut.write_all(head.as_bytes()).await.unwrap();
        cut.write_all(&file).await.unwrap();
        drop(cut);
        let kept = async { while server.begin("ada", &asked).await.stored != [1] {} };
        tokio::time::timeout(PATIENCE, kept).await.expect("it has to be sent again");
    }
}

#[tokio::test]
async fn what_was_put_together_before_a_crash_is_whole_whatever_is_left_of_its_parts() {
    let server = start().await;
    let file = bytes(2 * MIB + 100);
    let asked = asked(&file);
    let begun = server.begin("ada", &asked).await;
    server.put_all(&begun, &file).await;
    // The server has ended while it cleared the parts away.
    let folder = server.folder.path().join("files");
    let key = begun.key.as_str();
    let object = folder.join("objects").join(&key[..2]).join(key);
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(&object, &file).unwrap();
    let token = std::fs::read_dir(folder.join("parts")).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_file(token.join("2")).unwrap();
    let again = server.begin("ada", &asked).await;
    assert_eq!((again.stored.len(), again.parts.len()), (3, 0));
    assert!(server.complete("ada", asked.id).await.parse::<Upload>().complete);
    assert_eq!(std::fs::read_dir(folder.join("parts")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_large_file_has_few_parts_and_their_addresses_come_by_the_hundred() {
    let server = start_with(|config| {
        config.max_upload_bytes = 1 << 40;
        config.upload_limit = None;
    });
    let server = server.await;
    let of = |size| UploadRequest { size, ..asked(b"x") };
    let many = server.begin("ada", &of(500 * MIB as u64)).await;
    assert_eq!((many.part_size, many.parts.len()), (MIB as u64, 100));
    let huge = server.begin("ada", &of(1 << 40)).await;
    assert_eq!(huge.part_size, (1_u64 << 40).div_ceil(1000));
}

#[tokio::test]
async fn an_object_store_that_is_away_is_no_refusal() {
    let Some(s3) = S3Server::start().await else { return };
    let server = start_with(|config| s3.configure(config)).await;
    let first = asked(&bytes(1000));
    let begun = server.begin("ada", &first).await;
    server.put_all(&begun, &bytes(1000)).await;
    drop(s3);
    for answer in [
        server.post("ada", "/v1/uploads", &asked(&bytes(10))).await,
        server.post("ada", "/v1/uploads", &first).await,
        server.complete("ada", first.id).await,
        server.cancel("ada", first.id).await,
    ] {
        assert_eq!(answer.code(), ErrorCode::Unavailable);
        let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap();
        assert!(body.error.temporary && body.error.retry_after_ms.is_some());
    }
}
