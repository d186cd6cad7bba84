//! Several servers on one PostgreSQL and one Redis, all real.

use std::process::Command;

use tidewire_services::{Postgres, Redis};

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
        let (postgres, redis) = (Postgres::start()?, Redis::start()?);
        postgres.create("tidewire");
        let url = postgres.url("tidewire");
        let migrated = Command::new(&binaries().server)
            .args(["migrate", "--postgres-url", &url])
            .output()
            .expect("the server's binary runs");
        assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
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
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            let folder = folder.path().join(format!("server-{n}"));
            servers.push(ServerProcess::start_with(folder, &flags).await);
        }
        let others = servers.split_off(1);
        let first = servers.pop().expect("at least one server");
        let world = World::around(folder, first).await;
        Some(Self { world, others, redis, postgres })
    }
}
