//! Uploads to a server that dies in the middle, and to one whose disk is full.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidewire_tests::disk::Disk;
use tidewire_tests::server::ServerProcess;
use tidewire_tests::{PATIENCE, http};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use uuid::Uuid;

const MIB: usize = 1024 * 1024;

/// Somebody who uploads a file.
struct Uploader {
    server: ServerProcess,
    token: String,
    asked: Value,
    file: Vec<u8>,
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Waits until it is so.
async fn until(what: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        tokio::task::yield_now().await;
    }
}

impl Uploader {
    async fn new(server: ServerProcess, bytes: usize) -> Self {
        let file: Vec<u8> = (0..bytes).map(|place| (place / 3 + place / 4099) as u8).collect();
        let sha256: String =
            Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
        let asked = json!({
            "id": Uuid::now_v7(), "name": "a", "content_type": "a/b", "size": bytes, "sha256": sha256,
        });
        let token = server.token("ada");
        Self { server, token, asked, file }
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.server.dir().join("files").join(name)
    }

    async fn begin(&self) -> Value {
        http::call(self.addr(), &self.token, "POST", "/v1/uploads", Some(&self.asked)).await.ok()
    }

    fn complete_path(&self) -> String {
        format!("/v1/uploads/{}/complete", self.asked["id"].as_str().unwrap())
    }

    fn bytes_of(&self, number: usize) -> &[u8] {
        &self.file[(number - 1) * MIB..self.file.len().min(number * MIB)]
    }

    /// Puts what is missing. Gives how many parts that were.
    async fn put_missing(&self) -> usize {
        let told = self.begin().await;
        let parts = told["parts"].as_array().cloned().unwrap_or_default();
        for part in &parts {
            let bytes = self.bytes_of(part["number"].as_u64().unwrap() as usize);
            let url = part["url"].as_str().unwrap();
            let (status, _) = http::bytes(self.addr(), "PUT", url, Some(bytes)).await.unwrap();
            assert_eq!(status, 200);
        }
        parts.len()
    }

    /// Completes it, and gets it back as it was. Nothing else is left on the disk.
    async fn ends_well(&self) {
        let path = self.complete_path();
        let done = http::call(self.addr(), &self.token, "POST", &path, None).await.ok();
        assert_eq!(done["complete"], true);
        let path = format!("/v1/files/{}", done["key"].as_str().unwrap());
        let access = http::call(self.addr(), &self.token, "GET", &path, None).await.ok();
        let url = access["url"].as_str().unwrap();
        let (status, bytes) = http::bytes(self.addr(), "GET", url, None).await.unwrap();
        assert!(status == 200 && bytes == self.file, "{status}, {} bytes", bytes.len());
        assert_eq!(files(&self.folder("aside")), Vec::<PathBuf>::new());
        assert_eq!(files(&self.folder("parts")), Vec::<PathBuf>::new());
        assert_eq!(files(&self.folder("objects")).len(), 1);
    }
}

#[tokio::test]
async fn a_server_killed_in_the_middle_of_a_part_has_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path().join("server")).await;
    let mut ada = Uploader::new(server, 3 * MIB).await;
    let told = ada.begin().await;
    let url = |number: usize| told["parts"][number - 1]["url"].as_str().unwrap().to_owned();
    let first = ada.bytes_of(1);
    let (status, _) = http::bytes(ada.addr(), "PUT", &url(1), Some(first)).await.unwrap();
    assert_eq!(status, 200);
    // Half of the second, and then nothing.
    let mut stream = TcpStream::connect(ada.addr()).await.unwrap();
    let head = format!("PUT {} HTTP/1.1\r\nhost: x\r\ncontent-length: {MIB}\r\n\r\n", url(2));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&ada.bytes_of(2)[..MIB / 2]).await.unwrap();
    let aside = ada.folder("aside");
    let arrived = || files(&aside).iter().any(|path| path.metadata().is_ok_and(|it| it.len() > 0));
    until("half a part is on the disk", arrived).await;
    ada.server.kill().await;
    assert_eq!(files(&aside).len(), 1);
    ada.server.start_again().await;
    assert_eq!(files(&aside).len(), 0);
    assert_eq!(ada.begin().await["stored"], json!([1]));
    assert_eq!(ada.put_missing().await, 2);
    ada.ends_well().await;
}

/// Kills the server while it completes an upload, as soon as it is so.
async fn killed_while_completing(so: impl Fn(&Uploader) -> bool) {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(folder.path().join("server")).await;
    let mut ada = Uploader::new(server, 40 * MIB).await;
    assert_eq!(ada.put_missing().await, 40);
    let (addr, token, path) = (ada.addr(), ada.token.clone(), ada.complete_path());
    let asking = tokio::spawn(async move {
        // It may be answered, or not any more.
        let _ = http::try_raw(addr, Some(&token), "POST", &path, None).await;
    });
    until("the server puts it together", || so(&ada)).await;
    ada.server.kill().await;
    asking.await.unwrap();
    ada.server.start_again().await;
    assert_eq!(ada.put_missing().await, 0, "not a byte goes out again");
    ada.ends_well().await;
}

#[tokio::test]
async fn a_server_killed_while_it_puts_parts_together_needs_none_of_them_again() {
    killed_while_completing(|ada| !files(&ada.folder("aside")).is_empty()).await;
}

#[tokio::test]
async fn a_server_killed_while_it_checks_a_file_needs_no_part_again() {
    killed_while_completing(|ada| !files(&ada.folder("objects")).is_empty()).await;
}

#[tokio::test]
async fn a_server_on_a_full_disk_takes_no_part_by_halves_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("server");
    std::fs::create_dir(&dir).unwrap();
    let Some(disk) = Disk::over(&dir) else { return };
    let secret = format!("--secret-file={}", folder.path().join("secret.key").display());
    let flags = ["--ops-per-second=0", secret.as_str()];
    let server = ServerProcess::start_wrapped(dir, &flags, disk.wrapper("size=24m")).await;
    let ada = Uploader::new(server, 6 * MIB).await;
    let told = ada.begin().await;
    let ballast = disk.fill(ada.server.pid());
    let aside = disk.seen_by(ada.server.pid()).join("files/aside");
    for number in 1..=2 {
        let url = told["parts"][number - 1]["url"].as_str().unwrap();
        let (status, body) =
            http::bytes(ada.addr(), "PUT", url, Some(ada.bytes_of(number))).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &body["error"]["code"]), (503, &json!("unavailable")), "{body}");
        assert_eq!(body["error"]["temporary"], true);
        assert_eq!(files(&aside), Vec::<PathBuf>::new(), "nothing half stays");
    }
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(ada.put_missing().await, 6);
    // Full again: there is no room for the whole beside its parts.
    disk.fill(ada.server.pid());
    let path = ada.complete_path();
    let refused = http::call(ada.addr(), &ada.token, "POST", &path, None).await;
    let error = refused.refusal(503, "unavailable");
    assert_eq!(error["temporary"], true);
    assert_eq!(files(&aside), Vec::<PathBuf>::new());
    std::fs::remove_file(&ballast).unwrap();
    let done = http::call(ada.addr(), &ada.token, "POST", &path, None).await.ok();
    assert_eq!(done["complete"], true);
}
