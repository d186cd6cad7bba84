//! What must be true of a client at every moment, and what in the end.

use tidewire_protocol::Seq;

use super::client::SimClient;
use super::server::ModelServer;
use crate::engine::{Query, RangeSet, Row, Rows, StartRows};

/// A promise that was broken, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

macro_rules! hold {
    ($cond:expr, $($text:tt)+) => {
        if !$cond {
            return Err(Broken(format!($($text)+)));
        }
    };
}

/// What must be true of the disk at every moment: the stored cursor passes no event that is
/// neither stored nor known to be missing, and no receipt.
///
/// # Errors
/// The first that is not so.
pub fn check_store(client: &mut SimClient, server: &ModelServer) -> Result<(), Broken> {
    let stored = client.stored();
    check_rows_of_store(client, server, &stored)
}

fn check_rows_of_store(
    client: &SimClient,
    server: &ModelServer,
    stored: &StartRows,
) -> Result<(), Broken> {
    let Some(cursor) = &stored.cursor else { return Ok(()) };
    if stored.epoch.as_ref() != Some(&server.epoch) {
        return Ok(());
    }
    let ord = server.ord(cursor);
    for room in &stored.rooms {
        let id = room.state.id;
        let passed = server.seqs_up_to(&client.user, id, ord);
        let held = RangeSet::from_ranges(room.held.iter().copied());
        hold!(
            room.feed_seq.get() >= passed,
            "the cursor {cursor} passed seq {passed} of {id}, the room knows of {}",
            room.feed_seq
        );
        if let Some(log) = server.rooms.get(&id)
            && log.has(&client.user)
            && log.shares_receipts()
        {
            for (receipt, place) in log.receipts.values() {
                let known = room.receipts.iter().find(|known| known.user == receipt.user);
                if let Some(known) = known.filter(|_| *place > 0 && *place <= ord) {
                    hold!(
                        (known.delivered, known.read) == (receipt.delivered, receipt.read),
                        "the cursor {cursor} passed {receipt:?}, known is {known:?}"
                    );
                }
            }
        }
        let limited = server.limited_at.get(&(client.user.clone(), id)).copied();
        for (start, end) in held.holes(1, room.feed_seq.get()) {
            hold!(
                Seq::new(end) <= limited.unwrap_or_default(),
                "{start}..={end} of {id} are missing, and the room was never limited there"
            );
        }
    }
    Ok(())
}

/// Every stored event is the server's, and every held one is stored.
///
/// # Errors
/// The first that is not so.
pub fn check_events(client: &mut SimClient, server: &ModelServer) -> Result<(), Broken> {
    for room in client.stored().rooms {
        let id = room.state.id;
        let query = Query::Newest { room: id, limit: usize::MAX };
        let events = match client.disk.peek(&query) {
            Ok(Rows::Events(events)) => events,
            other => return Err(Broken(format!("events are not answered by {other:?}"))),
        };
        let log = server.rooms.get(&id).map_or(&[][..], |room| &room.log);
        for event in &events {
            let seq = event.seq;
            hold!(
                Some(event) == log.get(seq.previous().get() as usize),
                "{seq} of {id} is stored as {event:?}"
            );
        }
        let held: u64 = room.held.iter().map(|(start, end)| end - start + 1).sum();
        let stored: Vec<u64> = events.iter().map(|event| event.seq.get()).collect();
        hold!(held == stored.len() as u64, "held {:?}, stored {stored:?} in {id}", room.held);
    }
    Ok(())
}

/// What must be true of a timeline at every moment: nothing is shown twice, or out of order.
///
/// # Errors
/// The first that is not so.
pub fn check_rows(rows: &[Row]) -> Result<(), Broken> {
    let mut seen = std::collections::HashSet::new();
    let mut last = Seq::ZERO;
    for row in rows {
        hold!(seen.insert(row.key()), "shown twice: {:?}", row.key());
        match row {
            Row::Message(message) => {
                if let Some(seq) = message.seq {
                    hold!(seq > last, "{seq} shown after {last}");
                    last = seq;
                }
            }
            Row::Gap { from, to } => {
                hold!(*from > last && to >= from, "a gap out of its place");
                last = *to;
            }
        }
    }
    Ok(())
}
