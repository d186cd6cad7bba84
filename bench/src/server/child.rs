//! A server in a process of its own: started, killed, and asked of the system what it takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use tidewire_server::{Config, PolicyChoice, Server};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Error;

/// What a child is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind<'a> {
    /// The reference server on this folder.
    Tidewire { data: &'a Path, admission: u32 },
    /// The bare one.
    Bare,
}

/// A child. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) addr: SocketAddr,
}

impl Process {
    /// Starts one, at any port.
    pub(crate) async fn start(kind: Kind<'_>) -> Result<Self, Error> {
        Self::start_at(kind, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await
    }

    /// Starts one here.
    pub(crate) async fn start_at(kind: Kind<'_>, listen: SocketAddr) -> Result<Self, Error> {
        let mut command = Command::new(std::env::current_exe()?);
        match kind {
            Kind::Tidewire { data, admission } => {
                command.args(["server-child", "--admission", &admission.to_string(), "--data"]);
                command.arg(data);
            }
            Kind::Bare => {
                command.arg("server-bare");
            }
        }
        command.args(["--listen", &listen.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("a child has an output")?;
        let first = BufReader::new(output).lines().next_line().await?;
        let addr = first.ok_or("the child did not start")?.parse()?;
        Ok(Self { child, addr })
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<(), Error> {
        Ok(self.child.kill().await?)
    }

    /// What it keeps in memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64, Error> {
        let pid = self.child.id().ok_or("the child is gone")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.ok_or("the system does not tell")? * 1024)
    }
}

/// Run in the child: serves until its input ends, which it does with the parent.
///
/// # Errors
/// When it cannot start.
pub async fn serve(data: &Path, listen: SocketAddr, admission: u32) -> Result<(), Error> {
    let mut config = Config::new(data);
    config.listen = listen;
    // Everybody stays in real-time, and nobody is slowed down: what is measured is the server.
    config.policy = PolicyChoice::Capacity;
    config.socket_capacity = 20_000;
    config.admission_per_second = admission;
    config.polls_per_second = 0;
    config.rate_limit = None;
    let server = Server::start(config).await?;
    println!("{}", server.addr());
    tokio::io::stdin().read_to_end(&mut Vec::new()).await?;
    server.stop().await;
    Ok(())
}
