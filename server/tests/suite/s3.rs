//! A real S3-compatible server, VersityGW on a folder of its own: it checks signatures, and knows parts.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tidewire_server::{Config, FileStore, S3};
use tokio::net::TcpStream;

use crate::harness::PATIENCE;

const ACCESS: &str = "tidewire-test";
const SECRET: &str = "a secret of tests alone";
pub(crate) const BUCKET: &str = "chat";

/// Ends with this.
pub(crate) struct S3Server {
    child: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `cargo xtask test` has put it, unless told otherwise.
fn program() -> PathBuf {
    let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tools/versitygw-1.8.0/versitygw");
    std::env::var_os("TIDEWIRE_VERSITYGW").map_or_else(|| built.into(), PathBuf::from)
}

impl S3Server {
    /// One with an empty bucket; none where it is not installed.
    ///
    /// # Panics
    /// Where it is not and `CI` is set: there, nothing is skipped.
    pub(crate) async fn start() -> Option<Self> {
        let program = program();
        if !program.exists() {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true" || ci == "1");
            assert!(!ci, "VersityGW is missing, and nothing may be skipped: {}", program.display());
            eprintln!("SKIPPED: VersityGW is missing: `cargo xtask test server` installs it");
            return None;
        }
        for _ in 0..10 {
            if let Some(server) = Self::try_start(&program).await {
                return Some(server);
            }
        }
        panic!("{} does not listen", program.display());
    }

    /// It takes no port 0: somebody else may take the one that was free.
    async fn try_start(program: &PathBuf) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (root, beside) = (folder.path().join("root"), folder.path().join("beside"));
        std::fs::create_dir_all(root.join(BUCKET)).unwrap();
        std::fs::create_dir_all(&beside).unwrap();
        let mut child = Command::new(program)
            .args(["--quiet", "--port", &format!("127.0.0.1:{port}"), "posix", "--sidecar"])
            .arg(&beside)
            .arg(&root)
            .env("ROOT_ACCESS_KEY", ACCESS)
            .env("ROOT_SECRET_KEY", SECRET)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let listens = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                if child.try_wait().unwrap().is_some() {
                    return false;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            true
        };
        let listens = tokio::time::timeout(PATIENCE, listens).await.unwrap_or(false);
        let server = Self { child, port, _folder: folder };
        listens.then_some(server)
    }

    /// A server keeps its files here.
    pub(crate) fn configure(&self, config: &mut Config) {
        config.files = FileStore::S3(S3 {
            endpoint: format!("http://127.0.0.1:{}", self.port),
            bucket: BUCKET.into(),
            region: "us-east-1".into(),
            access_key_id: ACCESS.into(),
            secret_access_key: SECRET.into(),
            path_style: true,
            prefix: "files/".into(),
        });
    }
}
