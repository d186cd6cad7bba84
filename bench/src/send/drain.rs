//! A queue that was filled without a network, and leaves when there is one.

use std::path::Path;
use std::time::{Duration, Instant};

use tidewire::{Mode, Row};
use tidewire_server::Server;

use super::Error;
use super::echo::{Screen, open};

/// How a queue left.
#[derive(Debug)]
pub(super) struct Drain {
    /// Requests and frames with operations until everything was sent.
    pub(super) requests: f64,
    /// Messages a second, out of the queue.
    pub(super) rate: f64,
    /// Messages a second, into it.
    pub(super) queueing: f64,
}

/// Time for everything to leave.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) async fn measure(
    server: &Server,
    data: &Path,
    mode: Mode,
    messages: usize,
) -> Result<Drain, Error> {
    let client = open(server, "bob", data).await?;
    let room = client.create_group("Harbour", Vec::new()).await?;
    let mut screen = Screen::open(&room).await?;
    client.set_mode_ceiling(Mode::Offline);
    client.watch_mode().wait_for(|report| report.mode == Mode::Offline).await?;
    let begin = Instant::now();
    for number in 0..messages {
        room.send(format!("number {number}")).await?;
    }
    let queueing = messages as f64 / begin.elapsed().as_secs_f64();
    let before = client.stats().await?;
    let begin = Instant::now();
    client.set_mode_ceiling(mode);
    let sent = |row: &Row| row.message().is_some_and(|message| message.state.is_sent());
    let all = async {
        loop {
            screen.look().await?;
            // The room's first event is there already.
            if screen.rows().iter().rev().take(messages).all(sent)
                && screen.rows().len() > messages / 4
            {
                return Ok::<_, Error>(());
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.map_err(|_| "the queue does not leave")??;
    let took = begin.elapsed().as_secs_f64();
    let after = client.stats().await?;
    client.close().await;
    Ok(Drain {
        requests: (after.sends - before.sends) as f64,
        rate: messages as f64 / took,
        queueing,
    })
}
