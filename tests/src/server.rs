//! A server process on a folder: started, stopped, killed and started again.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::binaries::binaries;

/// The file in a server's folder by which it signs.
pub const SECRET: &str = "secret.key";

/// A server. Killed when dropped.
#[derive(Debug)]
pub struct ServerProcess {
    dir: PathBuf,
    flags: Vec<String>,
    wrapper: Vec<String>,
    running: Option<Running>,
    /// A std mutex, because nothing awaits while it is held.
    log: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    addr: SocketAddr,
}

impl ServerProcess {
    /// Starts a server without a limit on what a user may send.
    pub async fn start(dir: impl Into<PathBuf>) -> Self {
        Self::start_with(dir, &["--ops-per-second=0"]).await
    }

    /// Starts a server with these flags.
    pub async fn start_with(dir: impl Into<PathBuf>, flags: &[&str]) -> Self {
        Self::start_wrapped(dir, flags, Vec::new()).await
    }

    /// Starts a server by another program, see [`crate::disk`].
    pub async fn start_wrapped(
        dir: impl Into<PathBuf>,
        flags: &[&str],
        wrapper: Vec<String>,
    ) -> Self {
        let mut server = Self {
            dir: dir.into(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            wrapper,
            running: None,
            log: Arc::default(),
        };
        server.start_again().await;
        server
    }

    /// Starts it on its folder after it was stopped or killed. Its port is another one.
    ///
    /// # Panics
    /// If it does not listen.
    pub async fn start_again(&mut self) {
        self.start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await;
    }

    /// The same at an address that it had before: nobody has to be led to it.
    ///
    /// # Panics
    /// If it does not listen: somebody else may have taken the port meanwhile.
    pub async fn start_at(&mut self, addr: SocketAddr) {
        let program = &binaries().server;
        let mut command = match self.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(program);
                command
            }
            None => Command::new(program),
        };
        let mut child = command
            .args(["serve", "--listen", &addr.to_string(), "--data"])
            .arg(&self.dir)
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let log = self.log.clone();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                log.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(PATIENCE, lines.next_line()).await;
        let Ok(Ok(Some(line))) = first else {
            panic!("the server does not listen: {first:?}\n{}", self.log());
        };
        let addr = line.strip_prefix("listening on ").and_then(|url| url.split_once("://"));
        let addr = addr.and_then(|(_, addr)| addr.parse().ok());
        let addr = addr.unwrap_or_else(|| panic!("the server's first line is `{line}`"));
        self.running = Some(Running { child, addr });
    }

    /// Lets it stand still (SIGSTOP), until [`ServerProcess::resume`].
    ///
    /// # Panics
    /// If it does not run.
    pub async fn pause(&self) {
        self.signal("STOP").await;
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Panics
    /// If it does not run.
    pub async fn resume(&self) {
        self.signal("CONT").await;
    }

    async fn signal(&self, name: &str) {
        let running = self.running.as_ref().expect("the server runs");
        let pid = running.child.id().expect("the server runs");
        // The shell's own `kill` is everywhere.
        let told = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().await;
        assert!(told.expect("a shell runs").success());
    }

    /// Ends it with SIGTERM and waits: it has to end with success.
    ///
    /// # Panics
    /// If it does not.
    pub async fn stop(&mut self) {
        self.signal("TERM").await;
        let mut running = self.running.take().expect("the server runs");
        let Ok(Ok(status)) = timeout(PATIENCE, running.child.wait()).await else {
            panic!("the server does not stop\n{}", self.log());
        };
        assert!(status.success(), "the server ended with {status}\n{}", self.log());
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn kill(&mut self) {
        let mut running = self.running.take().expect("the server runs");
        running.child.kill().await.expect("the server can be killed");
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.child.try_wait(), Ok(None)))
    }

    /// Where it listens.
    ///
    /// # Panics
    /// If it does not run.
    pub fn addr(&self) -> SocketAddr {
        self.running.as_ref().expect("the server runs").addr
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pid(&self) -> u32 {
        self.running.as_ref().and_then(|running| running.child.id()).expect("the server runs")
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A token, as the binary gives it.
    ///
    /// # Panics
    /// If it gives none.
    pub fn token(&self, user: &str) -> String {
        let output = std::process::Command::new(&binaries().server)
            .args(["token", "--user", user, "--data"])
            .arg(&self.dir)
            .args(self.flags.iter().filter(|flag| flag.starts_with("--secret-file=")))
            .output()
            .expect("the server's binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A token that ends in so many seconds, or ended so many seconds ago: signed with the
    /// server's secret, as an app's own sign-in server would.
    ///
    /// # Panics
    /// If the server has no secret.
    pub fn token_for(&self, user: &str, seconds: i64) -> String {
        let secret = std::fs::read_to_string(self.dir.join(SECRET)).expect("the secret");
        let secret: Vec<u8> = secret
            .trim()
            .as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let exp = i64::try_from(now).unwrap() + seconds;
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = URL_SAFE_NO_PAD.encode(json!({"sub": user, "exp": exp}).to_string());
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret).unwrap();
        mac.update(format!("{head}.{claims}").as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{head}.{claims}.{signature}")
    }

    /// What it has logged, its end.
    pub fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter()
            .skip(log.len().saturating_sub(40))
            .fold(String::new(), |all, line| format!("{all}server: {line}\n"))
    }
}
