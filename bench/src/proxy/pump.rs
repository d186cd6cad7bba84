//! One direction of a connection: what comes in goes out, when and if the fault allows.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::Instant;

use super::connection::End;
use super::portal::is_stream;
use super::{Fault, MOST_LOSSES, RETRANSMISSION, Shared, Told};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// Bytes of one direction kept in the proxy at most; then it reads no further.
const MOST_KEPT: usize = 1024 * 1024;

/// A piece of data on its way.
struct Piece {
    came: Instant,
    /// What its losses cost, also when the network has become better since.
    late: Duration,
    data: Vec<u8>,
}

/// How often a packet is lost before it arrives.
pub(super) fn losses(rng: &mut fastrand::Rng, percent: u8) -> u32 {
    (0..MOST_LOSSES).take_while(|_| rng.u8(0..100) < percent).count() as u32
}

/// What so many losses in a row cost: each waits twice as long as the one before.
pub(super) fn lateness(losses: u32) -> Duration {
    RETRANSMISSION * (2u32.pow(losses) - 1)
}

/// How long a line takes for so many bytes that carries `rate` of them a second.
fn taking(bytes: usize, rate: u32) -> Duration {
    Duration::from_secs_f64(bytes as f64 / f64::from(rate.max(1)))
}

pub(super) async fn pump(
    way: Way,
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    shared: &Shared,
    sent_under: &Mutex<u64>,
) -> io::Result<End> {
    let mut faults = shared.fault.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    let mut kept: VecDeque<Piece> = VecDeque::new();
    let mut rng = fastrand::Rng::new();
    let mut bytes_kept = 0;
    let mut ended = false;
    // When the line has carried what it took.
    let mut free_at = Instant::now();
    // Whether an event stream has begun that is kept back.
    let mut held = false;
    loop {
        if ended && kept.is_empty() {
            to.shutdown().await?;
            return Ok(End::Closed);
        }
        let Told { fault, number } = *faults.borrow_and_update();
        let due = kept.front().and_then(|piece| match fault {
            Fault::HoldAnswers if way == Way::Down => None,
            Fault::NoStreams if held => None,
            Fault::Delay(time) => Some(piece.came + piece.late + time),
            Fault::Rate(bytes) => Some(free_at.max(piece.came) + taking(piece.data.len(), bytes)),
            _ => Some(piece.came + piece.late),
        });
        let wait = async move {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = faults.changed() => if changed.is_err() { return Ok(End::Reset) },
            () = wait => {
                if let Some(Piece { data, .. }) = kept.pop_front() {
                    to.write_all(&data).await?;
                    bytes_kept -= data.len();
                    free_at = Instant::now();
                    let sent = data.len() as u64;
                    shared.count(|counters| match way {
                        Way::Up => counters.bytes_up += sent,
                        Way::Down => counters.bytes_down += sent,
                    });
                }
            }
            read = from.read(&mut buffer), if !ended && bytes_kept < MOST_KEPT => {
                let read = read?;
                ended = read == 0;
                if read == 0 {
                    continue;
                }
                if let Fault::TearNextAnswer { after } = fault
                    && way == Way::Down
                    && *sent_under.lock().unwrap_or_else(PoisonError::into_inner) == number
                    && shared.take_loss()
                {
                    to.write_all(&buffer[..after.min(read - 1)]).await?;
                    to.flush().await?;
                    shared.count(|counters| counters.lost_answers += 1);
                    return Ok(End::Reset);
                }
                let mut under = sent_under.lock().unwrap_or_else(PoisonError::into_inner);
                match (way, fault) {
                    (Way::Up, _) => *under = number,
                    (Way::Down, Fault::LoseNextAnswer) if *under == number => {
                        if shared.take_loss() {
                            shared.count(|counters| counters.lost_answers += 1);
                            return Ok(End::Reset);
                        }
                    }
                    (Way::Down, Fault::HoldAnswers) => {
                        shared.count(|counters| counters.bytes_held += read as u64);
                    }
                    (Way::Down, Fault::NoStreams) if !held && is_stream(&buffer[..read]) => {
                        held = true;
                        shared.count(|counters| counters.held_streams += 1);
                    }
                    (Way::Down, _) => {}
                }
                drop(under);
                let lost = match fault {
                    Fault::Loss { percent } => losses(&mut rng, percent),
                    _ => 0,
                };
                if lost > 0 {
                    shared.count(|counters| counters.retransmissions += u64::from(lost));
                }
                let data = buffer[..read].to_vec();
                kept.push_back(Piece { came: Instant::now(), late: lateness(lost), data });
                bytes_kept += read;
            }
        }
    }
}
