//! Several servers on one PostgreSQL and one Redis, all real.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tidewire_services::{Nginx, Postgres, Redis};

use crate::binaries::binaries;
use crate::server::ServerProcess;
use crate::world::World;

/// Several servers that carry one log. The first of them is the world's.
#[derive(Debug)]
pub struct Instances {
    /// The first server, the networks, and what all must agree with.
    pub world: World,
    /// The other servers.
    pub others: Vec<ServerProcess>,
    /// What carries their bells.
    pub redis: Redis,
    /// What holds their log. Ends last.
    pub postgres: Postgres,
}

impl Instances {
    /// So many servers; none where PostgreSQL or Redis is not installed.
    ///
    /// # Panics
    /// Where they do not start, and with `CI=true` where something is missing.
    pub async fn start(count: usize) -> Option<Self> {
        Self::start_with(count, &[]).await
    }

    /// The same with these flags besides.
    ///
    /// # Panics
    /// As [`Instances::start`].
    pub async fn start_with(count: usize, more: &[&str]) -> Option<Self> {
        let (postgres, redis) = (Postgres::start()?, Redis::start()?);
        postgres.create("tidewire");
        let url = postgres.url("tidewire");
        migrate(&url, &[]);
        let folder = tempfile::tempdir().expect("a folder");
        let secret = folder.path().join("secret.key");
        let mut servers = Vec::new();
        for n in 0..count {
            let flags = [
                "--ops-per-second=0".to_owned(),
                format!("--postgres-url={url}"),
                format!("--redis-url={}", redis.url()),
                format!("--secret-file={}", secret.display()),
                format!("--instance-id=server-{n}"),
            ];
            let flags = flags.iter().map(String::as_str).chain(more.iter().copied());
            let flags: Vec<&str> = flags.collect();
            let folder = folder.path().join(format!("server-{n}"));
            servers.push(ServerProcess::start_with(folder, &flags).await);
        }
        let others = servers.split_off(1);
        let first = servers.pop().expect("at least one server");
        let world = World::around(folder, first).await;
        Some(Self { world, others, redis, postgres })
    }

    /// NGINX in front of them, as `deploy/nginx.conf` has it; none where it is not installed.
    ///
    /// # Panics
    /// Where it does not start, and with `CI=true` where it is missing.
    pub fn nginx(&self) -> Option<Nginx> {
        let servers = self.servers().map(ServerProcess::addr);
        let servers: Vec<SocketAddr> = servers.collect();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx.conf");
        let written = std::fs::read_to_string(file).expect("deploy/nginx.conf");
        Nginx::start(|addr| {
            let mut adapted = written.replacen("listen 8080;", &format!("listen {addr};"), 1);
            for (n, server) in servers.iter().enumerate() {
                let there = format!("127.0.0.1:{}", 8081 + n);
                assert!(adapted.contains(&there), "{there} is in deploy/nginx.conf");
                adapted = adapted.replacen(&there, &server.to_string(), 1);
            }
            adapted
        })
    }

    /// All servers.
    pub fn servers(&self) -> impl Iterator<Item = &ServerProcess> {
        std::iter::once(&self.world.server).chain(&self.others)
    }

    fn servers_mut(&mut self) -> impl Iterator<Item = &mut ServerProcess> {
        std::iter::once(&mut self.world.server).chain(&mut self.others)
    }

    /// Takes a backup, as it is while everything runs.
    pub fn back_up(&self) {
        self.postgres.back_up("tidewire", &self.world.folder().join("backup"));
    }

    /// Kills all servers, brings the database back to what it was at the backup, as `docs/operations.md` says, and
    /// starts the servers again where they were. `meanwhile` happens while none of them is there.
    ///
    /// # Panics
    /// Where something of it fails.
    pub async fn restore(&mut self, meanwhile: impl AsyncFnOnce()) {
        let addrs: Vec<SocketAddr> = self.servers().map(ServerProcess::addr).collect();
        for server in self.servers_mut() {
            server.kill().await;
        }
        meanwhile().await;
        self.postgres.restore("tidewire", &self.world.folder().join("backup"));
        migrate(&self.postgres.url("tidewire"), &["--new-epoch"]);
        for (server, addr) in self.servers_mut().zip(addrs) {
            server.start_at(addr).await;
        }
    }
}

fn migrate(url: &str, flags: &[&str]) {
    let migrated = Command::new(&binaries().server)
        .args(["migrate", "--postgres-url", url])
        .args(flags)
        .output()
        .expect("the server's binary runs");
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
}
