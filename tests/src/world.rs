//! A server, the networks that lead to it, and what all that is shown must agree with.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tempfile::TempDir;
use tidewire_bench::proxy::Proxy;

use crate::agent::{Agent, Setup};
use crate::http;
use crate::server::ServerProcess;
use crate::view::View;

/// A server and its clients' folders.
#[derive(Debug)]
pub struct World {
    /// The server.
    pub server: ServerProcess,
    folder: TempDir,
    /// Addresses that stay when the server's does not.
    networks: Mutex<Vec<Arc<Proxy>>>,
    /// The network on which nothing fails.
    good: Arc<Proxy>,
}

impl World {
    /// A server that lets everybody send as much as they like.
    pub async fn start() -> Self {
        Self::start_with(&["--ops-per-second=0"]).await
    }

    /// A server with these flags.
    pub async fn start_with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = ServerProcess::start_with(folder.path().join("server"), flags).await;
        Self::around(folder, server).await
    }

    /// With a server that runs already.
    pub async fn around(folder: TempDir, server: ServerProcess) -> Self {
        let good = Arc::new(Proxy::start(server.addr()).await.expect("a port"));
        let networks = Mutex::new(vec![good.clone()]);
        Self { server, folder, networks, good }
    }

    /// A network of its own, to be harmed.
    pub async fn network(&self) -> Arc<Proxy> {
        let network = Arc::new(Proxy::start(self.server.addr()).await.expect("a port"));
        self.networks.lock().unwrap_or_else(PoisonError::into_inner).push(network.clone());
        network
    }

    /// Where clients' folders are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client on the good network, with a folder of its own and a token.
    pub fn client(&self, user: &str) -> Setup {
        self.client_over(&self.good, user)
    }

    /// The same on another network.
    pub fn client_over(&self, network: &Proxy, user: &str) -> Setup {
        Setup::new(network.url(), user)
            .token(self.server.token(user))
            .data(self.folder.path().join(format!("client-{user}")))
    }

    /// Starts the server again, after it was stopped or killed, and leads all networks to it.
    pub async fn start_server_again(&mut self) {
        self.server.start_again().await;
        self.lead_to_server();
    }

    /// Leads all networks to where the server is now.
    pub fn lead_to_server(&self) {
        self.lead_to(self.server.addr());
    }

    /// Leads all networks to another address.
    pub fn lead_to(&self, addr: SocketAddr) {
        for network in self.networks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            network.set_target(addr);
        }
    }

    /// One call to the server, as this user.
    pub async fn call(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> http::Answer {
        http::call(self.server.addr(), &self.server.token(user), method, path, body).await
    }

    /// The room's whole log as the server has it.
    pub async fn log(&self, room: &str, user: &str) -> Vec<Value> {
        let token = self.server.token(user);
        let mut log = Vec::new();
        loop {
            let after = log.last().map_or(json!(0), |event: &Value| event["seq"].clone());
            let path = format!("/v1/rooms/{room}/messages?after={after}&limit=200");
            let page = http::call(self.server.addr(), &token, "GET", &path, None).await.ok();
            let messages = page["messages"].as_array().unwrap();
            if messages.is_empty() {
                return log;
            }
            log.extend(messages.iter().cloned());
        }
    }

    /// Waits until these clients show the room's event number `events`, then until they show the
    /// end of the server's log, whole, and nothing else. Checks the log itself: `events` long,
    /// gapless from 1, no id twice, each sender's numbers (see [`Agent::send_numbers`]) from 1 on
    /// in order. Gives the log.
    ///
    /// # Panics
    /// If any of this is not so.
    pub async fn agree(&self, room: &str, agents: &[&Agent], events: usize) -> Vec<Value> {
        let log = self.shown(room, agents, events).await;
        for agent in agents {
            let view = agent.view();
            let vanished = &view.timeline(room).vanished;
            assert!(vanished.is_empty(), "{}: {vanished:?} vanished\n{}", agent.user, view.tail());
        }
        log
    }

    /// The same where something that was shown may have gone since.
    ///
    /// # Panics
    /// As [`World::agree`].
    pub async fn shown(&self, room: &str, agents: &[&Agent], events: usize) -> Vec<Value> {
        for agent in agents {
            let last = |view: &View| view.timeline(room).messages().filter_map(|m| m.seq).max();
            agent
                .until(&format!("event {events} is shown"), |view| {
                    last(view).is_some_and(|seq| seq >= events as u64)
                })
                .await;
        }
        let log = self.log(room, &agents[0].user).await;
        assert_eq!(log.len(), events, "{log:#?}");
        check_log(&log);
        let told: Vec<(u64, String)> =
            log.iter().map(|e| (e["seq"].as_u64().unwrap(), key(e))).collect();
        for agent in agents {
            let agrees = |view: &View| {
                let timeline = view.timeline(room);
                let shown: Vec<(u64, String)> = timeline
                    .messages()
                    .map(|m| (m.seq.unwrap_or(0), format!("{} {}", m.id, m.sender)))
                    .collect();
                !shown.is_empty() && timeline.gaps().is_empty() && told.ends_with(&shown)
            };
            agent.until(&format!("{room} is shown as the log of {} is", log.len()), agrees).await;
        }
        log
    }
}

fn key(event: &Value) -> String {
    format!("{} {}", event["id"].as_str().unwrap(), event["sender"].as_str().unwrap())
}

fn check_log(log: &[Value]) {
    let mut ids = std::collections::HashSet::new();
    let mut numbers = std::collections::HashMap::<&str, u32>::new();
    for (event, seq) in log.iter().zip(1u64..) {
        assert_eq!(event["seq"], seq, "the log has a hole");
        assert!(ids.insert(event["id"].as_str().unwrap()), "an id stands twice in the log");
        let words = event["content"]["text"].as_str().and_then(|text| text.split_once(' '));
        let sender = event["sender"].as_str().unwrap();
        if let Some((name, number)) = words
            && name == sender
            && let Ok(number) = number.parse::<u32>()
        {
            let last = numbers.entry(sender).or_default();
            assert_eq!(number, *last + 1, "{sender}'s messages are not in order, or not whole");
            *last = number;
        }
    }
}
