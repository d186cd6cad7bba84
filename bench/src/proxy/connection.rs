//! One connection through the proxy, from its acceptance to its end.

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::portal::{answer, is_upgrade, portal, read_head};
use super::pump::{Way, pump};
use super::{Fault, Shared, Told};

pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // For want of file descriptors, most often: the next one may have better luck.
                let Ok((client, _)) = accepted else {
                    tokio::task::yield_now().await;
                    continue;
                };
                shared.count(|counters| {
                    counters.accepted += 1;
                    counters.open += 1;
                });
                connections.spawn(serve(client, shared.clone()));
            }
            // Takes the ended ones out, so that they don't pile up.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As its two sides wished.
    Closed,
    /// By a reset.
    Reset,
}

async fn serve(mut client: TcpStream, shared: Arc<Shared>) {
    let mut faults = shared.fault.subscribe();
    let opened = *faults.borrow_and_update();
    let end = if opened.fault == Fault::Cut {
        End::Reset
    } else {
        tokio::select! {
            end = carry(&mut client, opened.fault, &shared) => end,
            () = reset_asked(&mut faults) => End::Reset,
        }
    };
    if end == End::Reset {
        // Without lingering a close is a reset. If the system refuses, it is a close: bad enough.
        let _ = client.set_zero_linger();
    }
    drop(client);
    shared.count(|counters| {
        counters.open -= 1;
        counters.reset += u64::from(end == End::Reset);
    });
}

/// Waits for a fault, told after the connection was opened, that resets it.
async fn reset_asked(faults: &mut watch::Receiver<Told>) {
    loop {
        if faults.changed().await.is_err() || faults.borrow_and_update().fault.resets() {
            return;
        }
    }
}

async fn carry(client: &mut TcpStream, opened_under: Fault, shared: &Shared) -> End {
    let carried = match opened_under {
        Fault::Portal { status } => return portal(client, status, shared).await,
        Fault::NoSockets | Fault::NoStreams => match read_head(client).await {
            Ok(head) if is_upgrade(&head) => {
                shared.count(|counters| counters.refused_upgrades += 1);
                return answer(client, 502).await;
            }
            Ok(head) => pass(client, head, shared).await,
            Err(error) => Err(error),
        },
        _ => pass(client, Vec::new(), shared).await,
    };
    carried.unwrap_or(End::Reset)
}

/// Passes `head` and then everything in both directions, as the fault allows.
async fn pass(client: &mut TcpStream, head: Vec<u8>, shared: &Shared) -> io::Result<End> {
    let target = *shared.target();
    let mut server = TcpStream::connect(target).await?;
    // Latency is the fault's affair alone.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    if !head.is_empty() {
        server.write_all(&head).await?;
        shared.count(|counters| counters.bytes_up += head.len() as u64);
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // The number of the fault under which the client sent something last.
    let sent_under = Mutex::new(0);
    let up = pump(Way::Up, from_client, to_server, shared, &sent_under);
    let down = pump(Way::Down, from_server, to_client, shared, &sent_under);
    tokio::pin!(up, down);
    // When one side has said its last word, the other may still speak.
    let ends = tokio::select! {
        end = &mut up => (end?, down.await?),
        end = &mut down => (end?, End::Closed),
    };
    Ok(if ends == (End::Closed, End::Closed) { End::Closed } else { End::Reset })
}
