//! A server that speaks TLS, by an authority of its own that nobody trusts yet.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tidewire_services::Authority;
use tokio::sync::Mutex;

use crate::server::{SECRET, ServerProcess};

/// What a server is told to speak TLS by this authority, without a limit on what a user may send. Its certificate and key
/// are put into the folder.
pub fn flags(authority: &Authority, folder: &Path) -> [String; 3] {
    let (certificate, key) = authority.issue(folder);
    [
        "--ops-per-second=0".to_owned(),
        format!("--tls-cert={}", certificate.display()),
        format!("--tls-key={}", key.display()),
    ]
}

/// A running one.
#[derive(Debug)]
pub struct SecureServer {
    /// An async mutex, because it is held until the process is gone.
    server: Mutex<ServerProcess>,
    addr: SocketAddr,
    roots: String,
}

impl SecureServer {
    /// Starts one on a folder. It takes the tokens of the server that has its folder at `other`.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(folder: PathBuf, other: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::copy(other.join(SECRET), folder.join(SECRET)).expect("the other has a secret");
        let authority = Authority::new("a stage");
        let flags = flags(&authority, &folder);
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let server = ServerProcess::start_with(folder, &flags).await;
        let (addr, roots) = (server.addr(), authority.pem().to_owned());
        Self { server: Mutex::new(server), addr, roots }
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("https://{}", self.addr)
    }

    /// The certificate of its authority, as PEM.
    pub fn roots(&self) -> &str {
        &self.roots
    }

    /// Ends it.
    pub async fn kill(&self) {
        let mut server = self.server.lock().await;
        if server.runs() {
            server.kill().await;
        }
    }
}
