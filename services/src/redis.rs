//! A server of Redis, or of Valkey.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::authority::Authority;
use crate::process::{Tethered, find, free_port, missing, wait_for};

/// A server of Redis or Valkey that keeps nothing. Ends with its handle.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    /// Where it speaks TLS, by a certificate in its folder.
    secure_port: Option<u16>,
    password: Option<String>,
    program: PathBuf,
    running: Mutex<Option<Tethered>>,
    // Dropped after the process.
    folder: tempfile::TempDir,
}

impl Redis {
    /// One without a password. None where neither is installed.
    ///
    /// # Panics
    /// Where it does not start, and where it is missing with `CI=true`.
    pub fn start() -> Option<Self> {
        Self::start_with(None)
    }

    /// One that wants this password.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_with(password: Option<&str>) -> Option<Self> {
        let Some(program) = find(&["valkey-server", "redis-server"]) else {
            missing("Redis or Valkey");
            return None;
        };
        match Self::try_start(program, password, None) {
            Ok(server) => Some(server),
            Err(error) => panic!("Redis: {error}"),
        }
    }

    /// One that speaks TLS, by a certificate of this authority.
    ///
    /// # Panics
    /// As [`Redis::start`].
    pub fn start_secure(authority: &Authority) -> Option<Self> {
        let Some(program) = find(&["valkey-server", "redis-server"]) else {
            missing("Redis or Valkey");
            return None;
        };
        match Self::try_start(program, None, Some(authority)) {
            Ok(server) => Some(server),
            Err(error) => panic!("Redis: {error}"),
        }
    }

    fn try_start(
        program: PathBuf,
        password: Option<&str>,
        authority: Option<&Authority>,
    ) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("tidewire-redis-").tempdir()?;
        let secure_port = match authority {
            Some(authority) => {
                authority.issue(folder.path());
                Some(free_port()?)
            }
            None => None,
        };
        let (port, password) = (free_port()?, password.map(str::to_owned));
        let running = Mutex::new(None);
        let server = Self { port, secure_port, password, program, running, folder };
        server.run()?;
        Ok(server)
    }

    fn run(&self) -> Result<()> {
        let folder = self.folder.path();
        let port = self.port.to_string();
        let mut command = vec![self.program.display().to_string()];
        for word in ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"] {
            command.push(word.to_owned());
        }
        if let Some(password) = &self.password {
            command.extend(["--requirepass".to_owned(), password.clone()]);
        }
        if let Some(port) = self.secure_port {
            let of_tls = [
                "--tls-cert-file",
                "cert.pem",
                "--tls-key-file",
                "key.pem",
                "--tls-auth-clients",
                "no",
            ];
            command.extend(of_tls.map(str::to_owned));
            command.extend(["--tls-port".to_owned(), port.to_string()]);
        }
        let mut running = Tethered::start(folder, &[], &command)?;
        wait_for(&mut running, folder, || answers(self.port))?;
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    /// Its address, with its password.
    pub fn url(&self) -> String {
        if let Some(port) = self.secure_port {
            return format!("rediss://127.0.0.1:{port}");
        }
        match &self.password {
            Some(password) => format!("redis://:{password}@127.0.0.1:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops it; what it held is gone.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(running);
    }

    /// Starts it again on the same port, empty.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_again(&self) {
        if let Err(error) = self.run() {
            panic!("Redis: {error}");
        }
    }
}

/// Whether it answers, be it with a refusal.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let mut line = String::new();
    stream.write_all(b"PING\r\n").is_ok()
        && BufReader::new(stream).read_line(&mut line).is_ok()
        && (line.starts_with('+') || line.starts_with('-'))
}
