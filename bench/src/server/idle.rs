//! What a connection costs that says nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use tempfile::TempDir;
use tidewire::RoomId;
use tidewire_protocol::Cursor;
use tidewire_server::auth::Keys;

use super::Error;
use super::child::{Kind, Process};
use super::crowd;
use super::light::{Greeting, Light, bootstrap};

/// Sockets that are opened at a time.
const AT_ONCE: usize = 64;

/// Everybody connected to one server.
pub(super) struct Crowd {
    pub(super) process: Process,
    pub(super) folder: TempDir,
    pub(super) keys: Arc<Keys>,
    pub(super) rooms: Vec<RoomId>,
    pub(super) members: Vec<Member>,
    pub(super) admission: u32,
    /// What a connection costs, in KB.
    pub(super) kb_each: f64,
}

/// One of them.
pub(super) struct Member {
    pub(super) token: String,
    pub(super) cursor: Cursor,
    pub(super) socket: Light,
}

/// Connects as many users as that, each to the feed of his room.
pub(super) async fn ours(connections: usize, admission: u32) -> Result<Crowd, Error> {
    let folder = tempfile::tempdir()?;
    let process = Process::start(Kind::Tidewire { data: folder.path(), admission }).await?;
    let keys = Arc::new(crowd::keys(folder.path())?);
    let rooms = crowd::rooms(&format!("http://{}", process.addr), &keys, connections).await?;
    let mut ready = Vec::new();
    for number in 0..connections {
        let token = crowd::token(&keys, &crowd::user(number)?)?;
        let cursor = bootstrap(process.addr, &token).await?;
        ready.push((token, cursor));
    }
    // What any connection needs is there once there was one.
    drop(connected(&process, ready.first().ok_or("nobody")?.clone()).await?);
    let before = process.resident()?;
    let members: Vec<Result<Member, Error>> = stream::iter(ready)
        .map(|ready| connected(&process, ready))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let members = members.into_iter().collect::<Result<Vec<_>, _>>()?;
    let grown = process.resident()?.saturating_sub(before);
    let kb_each = grown as f64 / 1_000.0 / connections as f64;
    Ok(Crowd { process, folder, keys, rooms, members, admission, kb_each })
}

async fn connected(process: &Process, (token, cursor): (String, Cursor)) -> Result<Member, Error> {
    loop {
        let mut socket = Light::open(process.addr).await?;
        match socket.greet(&token, Some(&cursor)).await? {
            Greeting::Welcome => return Ok(Member { token, cursor, socket }),
            Greeting::Slot(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        }
    }
}

/// What a connection costs on the bare server, in KB.
pub(super) async fn bare(connections: usize) -> Result<f64, Error> {
    let process = Process::start(Kind::Bare).await?;
    drop(Light::open_bare(process.addr).await?);
    let before = process.resident()?;
    let sockets: Vec<Result<Light, Error>> = stream::iter(0..connections)
        .map(|_| Light::open_bare(process.addr))
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let sockets = sockets.into_iter().collect::<Result<Vec<_>, _>>()?;
    let grown = process.resident()?.saturating_sub(before);
    drop(sockets);
    Ok(grown as f64 / 1_000.0 / connections as f64)
}

impl Crowd {
    /// The server's folder.
    pub(super) fn data(&self) -> &Path {
        self.folder.path()
    }
}
