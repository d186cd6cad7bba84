//! Whom the load is for: a server of its own, in a process that it starts, or one that runs elsewhere. Makes the rooms.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tidewire::{RoomId, UserId};
use tidewire_protocol::{NewMembers, NewRoom, RoomKind, RoomState};
use tidewire_server::auth::Keys;

use super::Error;
use crate::server::child::{Kind, Process};
use crate::server::light::call;

/// Members that one call may name.
const NAMED: usize = 100;

/// Longer than any run.
const TOKEN: Duration = Duration::from_secs(24 * 3_600);

/// A server that runs elsewhere.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Where: `http://10.0.0.5:8080`. SDK clients also take `https`.
    pub url: String,
    /// The file with the secret that it takes tokens by.
    pub secret_file: PathBuf,
    /// Its process, where that is on this machine and is to be watched.
    pub pid: Option<u32>,
}

/// The server of a run.
pub(crate) struct Target {
    pub(crate) url: String,
    pub(crate) addr: SocketAddr,
    keys: Keys,
    /// What every user's name begins with.
    prefix: String,
    own: Option<(Process, TempDir, u32)>,
    pid: Option<u32>,
}

/// A room of a run.
pub(crate) struct Place {
    pub(crate) id: RoomId,
    /// Its head before anybody talked.
    pub(crate) first: u64,
    /// One of its members: any.
    member: usize,
}

impl Target {
    /// Starts a server in a process of its own, which lets so many in a second; 0 lets in all.
    pub(crate) async fn start(admission: u32) -> Result<Self, Error> {
        let folder = tempfile::tempdir()?;
        let process = Process::start(Kind::Tidewire { data: folder.path(), admission }).await?;
        let keys = Keys::load_or_create(folder.path())?;
        let (addr, pid) = (process.addr, process.pid());
        let own = Some((process, folder, admission));
        Ok(Self { url: format!("http://{addr}"), addr, keys, prefix: "user-".into(), own, pid })
    }

    /// One that runs.
    pub(crate) fn elsewhere(there: &Elsewhere) -> Result<Self, Error> {
        let url = there.url.trim_end_matches('/').to_owned();
        let host = url.strip_prefix("http://").ok_or(
            "--url begins with `http://`: light clients speak no TLS, and rooms are made by them",
        )?;
        let host = host.split('/').next().unwrap_or(host);
        let with_port = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let addr = with_port.to_socket_addrs()?.next().ok_or("the host of --url has no address")?;
        if !there.secret_file.is_file() {
            let file = there.secret_file.display();
            return Err(
                format!("{file} is no file: --secret-file is the server's `secret.key`").into()
            );
        }
        let keys = Keys::load_or_create_file(&there.secret_file)?;
        // Those of an earlier run are other users, with other rooms.
        let prefix = format!("load-{:08x}-", fastrand::u32(..));
        Ok(Self { url, addr, keys, prefix, own: None, pid: there.pid })
    }

    /// Whether the server is one of its own, which it may kill.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// The process to watch.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.pid
    }

    pub(crate) fn user(&self, number: usize) -> Result<UserId, Error> {
        Ok(UserId::new(format!("{}{number:05}", self.prefix))?)
    }

    pub(crate) fn token(&self, user: &UserId) -> Result<String, Error> {
        Ok(self.keys.mint(user, TOKEN)?)
    }

    /// Makes rooms of so many members each, the last of whatever is left.
    pub(crate) async fn rooms(&self, users: usize, members: usize) -> Result<Vec<Place>, Error> {
        let mut rooms = Vec::new();
        for first in (0..users).step_by(members.max(1)) {
            let others = (first + 1..users.min(first + members))
                .map(|number| self.user(number))
                .collect::<Result<Vec<_>, _>>()?;
            let (now, later) = others.split_at(others.len().min(NAMED));
            let id = RoomId::from_uuid(uuid::Uuid::now_v7());
            let name = Some(format!("room {}", rooms.len()));
            let room = NewRoom { id, kind: RoomKind::Group, name, members: now.to_vec() };
            let mut state: RoomState = self.post(first, "/v1/rooms", &room).await?;
            for users in later.chunks(NAMED) {
                let more = NewMembers { users: users.to_vec() };
                state = self.post(first, &format!("/v1/rooms/{id}/members"), &more).await?;
            }
            rooms.push(Place { id, first: state.head_seq.get(), member: first });
        }
        Ok(rooms)
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        by: usize,
        path: &str,
        body: &impl serde::Serialize,
    ) -> Result<T, Error> {
        let token = self.token(&self.user(by)?)?;
        let body = serde_json::to_string(body)?;
        Ok(serde_json::from_str(&call(self.addr, &token, "POST", path, &body).await?)?)
    }

    /// Where the log of a room ends.
    pub(crate) async fn head(&self, place: &Place) -> Result<u64, Error> {
        let token = self.token(&self.user(place.member)?)?;
        let path = format!("/v1/rooms/{}", place.id);
        let answer = call(self.addr, &token, "GET", &path, "").await?;
        Ok(serde_json::from_str::<RoomState>(&answer)?.head_seq.get())
    }

    /// Kills the server, and starts it again on the same folder and port.
    pub(crate) async fn kill_and_start(&mut self) -> Result<(), Error> {
        let Some((process, folder, admission)) = &mut self.own else { return Ok(()) };
        process.kill().await?;
        let kind = Kind::Tidewire { data: folder.path(), admission: *admission };
        *process = Process::start_at(kind, self.addr).await?;
        self.pid = process.pid();
        Ok(())
    }
}
