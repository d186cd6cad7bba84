//! What must be true of a client at every moment, and what in the end.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tidewire_protocol::{Event, EventId, EventKind, MessageContent, Receipt, RoomId, Seq};

use super::client::SimClient;
use super::server::ModelServer;
use crate::engine::{
    ListId, Message, Query, RangeSet, References, RoomListQuery, RoomSort, Row, Rows, StartRows,
    TimelineId, Unread, is_mutation,
};

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
    let receipts = client.stored_receipts();
    check_rows_of_store(client, server, &stored, &receipts)
}

fn check_rows_of_store(
    client: &SimClient,
    server: &ModelServer,
    stored: &StartRows,
    receipts: &BTreeMap<RoomId, Vec<Receipt>>,
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
        // A bootstrap does not tell of what happened in a room that the user is out of by then.
        let left_unseen =
            !room.state.joined && server.rooms.get(&id).is_none_or(|room| !room.has(&client.user));
        hold!(
            room.feed_seq.get() >= passed || left_unseen,
            "the cursor {cursor} passed seq {passed} of {id}, the room knows of {}",
            room.feed_seq
        );
        // Receipts from before the user came in are in the room's state.
        if let Ok((log, member)) = server.seen_by(&client.user, id)
            && member.left.is_none()
            && member.joined_ord <= ord
            && log.shares_receipts()
        {
            for (receipt, place) in log.receipts.values() {
                let known = receipts.get(&id).into_iter().flatten();
                let known = { known }.find(|known| known.user == receipt.user);
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

/// Whether an event is stored by itself: those that change another one go into it.
fn stands_alone(event: &Event) -> bool {
    !is_mutation(&event.kind)
}

/// Whether an event makes a row in the timeline of its room.
pub(super) fn makes_row(event: &Event) -> bool {
    stands_alone(event) && References::of(&event.content).thread.is_none()
}

/// What a client stores of a room, its threads among it, by seq.
fn stored_events(client: &mut SimClient, id: RoomId, log: &[Event]) -> Result<Vec<Event>, Broken> {
    let roots = log.iter().filter_map(|event| References::of(&event.content).thread);
    let roots: std::collections::BTreeSet<EventId> = roots.collect();
    let (limit, before) = (usize::MAX, Seq::new(u64::MAX));
    let threads = roots.into_iter().map(|root| Query::Thread { room: id, root, before, limit });
    let mut all = Vec::new();
    for query in threads.chain([Query::Newest { room: id, limit }]) {
        match client.disk.peek(&query) {
            Ok(Rows::Events(events)) => all.extend(events),
            other => return Err(Broken(format!("events are not answered by {other:?}"))),
        }
    }
    all.sort_by_key(|event| event.seq);
    Ok(all)
}

/// Every stored event is the server's, and every held one that stands by itself is stored.
///
/// # Errors
/// The first that is not so.
pub fn check_events(client: &mut SimClient, server: &ModelServer) -> Result<(), Broken> {
    for room in client.stored().rooms {
        let id = room.state.id;
        let log = server.rooms.get(&id).map_or(&[][..], |room| &room.log);
        let events = stored_events(client, id, log)?;
        for event in &events {
            let seq = event.seq;
            let original = log.get(seq.previous().get() as usize);
            let same = original.is_some_and(|original| {
                (original.id, original.at, &original.kind, &original.sender)
                    == (event.id, event.at, &event.kind, &event.sender)
                    && (event.fold.is_some() || original.content == event.content)
            });
            hold!(same, "{seq} of {id} is stored as {event:?}");
        }
        let held = RangeSet::from_ranges(room.held.iter().copied());
        let expected: Vec<u64> = log
            .iter()
            .filter(|event| held.contains(event.seq) && stands_alone(event))
            .map(|event| event.seq.get())
            .collect();
        let stored: Vec<u64> = events.iter().map(|event| event.seq.get()).collect();
        hold!(expected == stored, "held {:?}, stored {stored:?} in {id}", room.held);
    }
    Ok(())
}

/// Every stored message that does not count as stale is what the server has made of it, and every
/// timeline shows what is stored. True once nothing is on its way.
///
/// # Errors
/// The first that is not so.
pub fn check_folds(client: &mut SimClient, server: &ModelServer) -> Result<(), Broken> {
    let user = client.user.clone();
    for room in client.stored().rooms {
        let id = room.state.id;
        let Ok((log, member)) = server.seen_by(&user, id) else { continue };
        if member.left.is_some() {
            continue;
        }
        let stale = RangeSet::from_ranges(room.stale.iter().copied());
        for event in stored_events(client, id, &log.log)? {
            let Some(original) = log.log.get(event.seq.previous().get() as usize) else { continue };
            let told = log.folded(original, log.head(), &user);
            let fresh = !stale.contains(event.seq);
            hold!(
                !fresh || same_fold(&event, &told),
                "{event:?} is {told:?} on the server in {id}; held {:?}, stale {:?}",
                room.held,
                room.stale
            );
            check_shown(client, &event)?;
        }
    }
    Ok(())
}

/// Every timeline that shows a message shows it as it is stored, and whether the user has blocked
/// whom it is of.
fn check_shown(client: &SimClient, event: &Event) -> Result<(), Broken> {
    let mut stored = Message::of_event(event.clone());
    stored.blocked = stored.is_by(&client.engine.blocked().into_iter().collect());
    for row in client.rows.values().flatten().filter_map(Row::message) {
        if row.id == event.id {
            let shown = Message {
                state: stored.state.clone(),
                reach: None,
                reply_to: stored.reply_to.clone(),
                ..(**row).clone()
            };
            hold!(shown == stored, "{shown:?} is shown, {stored:?} is stored");
        }
        if let Some(quote) = row.reply_to.as_ref().filter(|quote| quote.id == event.id) {
            let quoted = Some(stored.quoted());
            hold!(quote.message == quoted, "{quote:?} is shown of {quoted:?}");
        }
    }
    Ok(())
}

/// Whether two folds are the same. Whom a reaction names is some of them: all, as long as they never
/// were more than are named.
fn same_fold(stored: &Event, told: &Event) -> bool {
    let bare = |event: &Event| {
        let mut fold = event.fold.as_deref().cloned().unwrap_or_default();
        fold.reactions.iter_mut().for_each(|one| one.by.clear());
        fold.reactions.sort_by(|a, b| a.key.cmp(&b.key));
        fold
    };
    stored.content == told.content && bare(stored) == bare(told)
}

/// What must be true once nothing is in the way any more and time has passed.
pub(super) fn check_settled(client: &mut SimClient, server: &ModelServer) -> Result<(), Broken> {
    let stored = client.stored();
    let receipts = client.stored_receipts();
    let cursor = client.engine.cursor().map_or(0, |cursor| server.ord(cursor));
    for id in server.rooms_of(&client.user) {
        let (log, member) = match server.seen_by(&client.user, id) {
            Ok(found) => found,
            Err(error) => return Err(Broken(error.to_string())),
        };
        let head = log.last_seen_by(member);
        let last = log.ords.last().copied().unwrap_or_default().max(log.receipt_ord);
        hold!(cursor >= last, "the log is read to {cursor}, {id} has news at {last}");
        let room = stored.rooms.iter().find(|room| room.state.id == id);
        let Some(room) = room else {
            return Err(Broken(format!("{id} is not stored")));
        };
        hold!(room.state.joined, "{id} is stored as left");
        hold!(
            room.state.head_seq == head && room.feed_seq == head,
            "{id} is at {head}, stored is {} and read to {}",
            room.state.head_seq,
            room.feed_seq
        );
        hold!(room.state.members > 0, "of {id} only events are known");
        // Who is in a room that nobody looks at may be in doubt: then nobody else's is stored.
        let looked_at = client.timelines.values().any(|open| *open == id);
        let known = receipts.get(&id).map_or(&[][..], Vec::as_slice);
        let alone = known.iter().all(|receipt| receipt.user == client.user);
        if log.shares_receipts() && (looked_at || !alone) {
            for (receipt, _) in log.receipts.values() {
                hold!(known.contains(receipt), "{receipt:?} of {id} is not known");
            }
        }
    }
    check_unread(client, server)?;
    let failed = stored.outbox.iter().any(|row| row.failed.is_some());
    hold!(failed || stored.outbox.is_empty(), "stuck in the outbox: {:?}", stored.outbox);
    for (timeline, rows) in &client.rows {
        check_whole(*timeline, client, server, rows)?;
    }
    check_events(client, server)?;
    check_folds(client, server)
}

/// What is unread of each room is what the server counts at the user's watermark, and the total is
/// their sum.
fn check_unread(client: &SimClient, server: &ModelServer) -> Result<(), Broken> {
    let mut total = Unread::NOTHING;
    for id in server.rooms_of(&client.user) {
        let Ok((log, _)) = server.seen_by(&client.user, id) else { continue };
        let read = log.receipts.get(&client.user).map_or(Seq::ZERO, |(own, _)| own.read);
        let counted = Unread {
            messages: log.unread(&client.user, read, log.head()),
            mentions: log.mentions(&client.user, read),
            exact: true,
        };
        let known = client.engine.unread(id);
        hold!(
            known == counted,
            "{known:?} of {id}, read up to {read} of {}: it is {counted:?}",
            log.head()
        );
        let settings = log.settings.get(&client.user).map(|of| of.now).unwrap_or_default();
        let known = client.engine.settings(id);
        hold!(
            known == Some(settings),
            "the settings of {id} are {settings:?}, known are {known:?}"
        );
        if !settings.archived {
            let messages = if settings.muted { counted.mentions } else { counted.messages };
            total = total.plus(Unread { messages, ..counted });
        }
    }
    let known = client.engine.unread_total();
    hold!(known == total, "{known:?} of all rooms together: it is {total:?}");
    let told = client.unread_told;
    hold!(told == Some(total), "the app was told {told:?} of {total:?}");
    let list = server.blocked_by(&client.user);
    let known = client.engine.blocked();
    let held = client.engine.blocks_held();
    let at = (server.blocks_of(&client.user).1, client.engine.cursor(), server.head());
    hold!(known == list.users, "{list:?} are blocked, known are {known:?}: {held:?}, {at:?}");
    let blocked = list.users;
    let told = client.blocked_told.last().map_or(&[][..], |told| told);
    hold!(told == blocked, "the app was told that {told:?} are blocked, it is {blocked:?}");
    for (list, query) in &client.lists {
        check_list(client, server, *list, query)?;
    }
    Ok(())
}

/// A list of rooms shows what is in the window of the rooms that the query means, in its order.
fn check_list(
    client: &SimClient,
    server: &ModelServer,
    list: ListId,
    query: &RoomListQuery,
) -> Result<(), Broken> {
    let rows = client.listed.get(&list).map_or(&[][..], |rows| rows);
    let mut expected = Vec::new();
    for id in server.rooms_of(&client.user) {
        let Ok((log, _)) = server.seen_by(&client.user, id) else { continue };
        let settings = log.settings.get(&client.user).map(|of| of.now).unwrap_or_default();
        let unread = client.engine.unread(id).any();
        let wanted = settings.archived == query.filter.archived && (!query.filter.unread || unread);
        let said = log.log.iter().rev().find(|event| said(event));
        let row = rows.iter().find(|row| row.room == id);
        hold!(
            wanted == row.is_some(),
            "{id} is wanted: {wanted}, and is listed as {row:?} with {query:?}"
        );
        let Some(row) = row else { continue };
        if row.pending == 0 {
            let (shown, newest) = (row.last_message.as_ref().map(|m| m.id), said.map(|e| e.id));
            hold!(shown == newest, "{id} lists {shown:?}, the newest message is {newest:?}");
        }
        let read = query.sort == RoomSort::UnreadFirst && !unread;
        expected.push((!settings.pinned, read, Reverse((row.at, id))));
    }
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(_, _, Reverse((_, id)))| id).collect();
    let listed: Vec<_> = rows.iter().map(|row| row.room).collect();
    hold!(listed == expected, "listed is {listed:?}, it should be {expected:?} with {query:?}");
    Ok(())
}

/// Whether an event is a message that stands in no thread.
fn said(event: &Event) -> bool {
    event.kind == EventKind::Message
        && event.content.parse::<MessageContent>().is_ok_and(|message| message.thread.is_none())
}

/// A timeline shows every message of its range, as the server has folded it, or a gap in its place; and
/// it is what would be derived anew.
fn check_whole(
    timeline: TimelineId,
    client: &SimClient,
    server: &ModelServer,
    rows: &[Row],
) -> Result<(), Broken> {
    let id = client.timelines[&timeline];
    let Some(shown) = client.engine.derived(timeline) else { return Ok(()) };
    hold!(rows == shown.rows, "{timeline:?} shows {rows:?}, derived anew is {:?}", shown.rows);
    let Ok((log, member)) = server.seen_by(&client.user, id) else { return Ok(()) };
    if member.left.is_some() {
        return Ok(());
    }
    let head = log.last_seen_by(member);
    let belongs = |event: &Event| match shown.thread {
        None => makes_row(event),
        Some(root) => stands_alone(event) && References::of(&event.content).thread == Some(root),
    };
    // The next one that makes a row, from this one on.
    let next_row = |seq: Seq| {
        let rest = log.log.get(seq.previous().get() as usize..).unwrap_or_default();
        rest.iter().find(|event| belongs(event)).map_or(log.head().next(), |event| event.seq)
    };
    let root = shown.thread.and_then(|root| log.log.iter().find(|event| event.id == root));
    let mut next = shown.from;
    for row in rows {
        let (from, to) = match row {
            Row::Gap { from, to } => (*from, *to),
            Row::Message(message) => match message.seq {
                Some(seq) if root.is_some_and(|root| root.seq == seq) => continue,
                Some(seq) => (seq, seq),
                None => continue,
            },
        };
        // A gap begins where something is missing, whether or not that makes a row.
        hold!(
            next.is_none_or(|next| next_row(next) == next_row(from) && from >= next),
            "{from} of {id} is shown after {next:?}, without a gap's mark"
        );
        next = Some(to.next());
    }
    let end = shown.to.min(head);
    hold!(
        next.is_some_and(|next| next_row(next) > end),
        "{id} is shown up to {next:?}, its window ends at {end}"
    );
    let (before, after) = client.more.get(&timeline).copied().unwrap_or_default();
    let bottom = root.map_or(Seq::new(1), |root| root.seq.next());
    let above = shown.from.is_some_and(|from| from > bottom);
    hold!(
        (before, after) == (above, shown.to < head),
        "{id} is shown from {:?} to {} of {head}, more is told as {before}, {after}",
        shown.from,
        shown.to
    );
    Ok(())
}

/// What must be true of a timeline at every moment as well: what lies between two messages is
/// marked as a gap, unless it is held and makes no row, or the feed has yet to bring it.
pub(super) fn check_marks(rows: &[Row], passed: Seq, held: &RangeSet) -> Result<(), Broken> {
    let mut next: Option<Seq> = None;
    for row in rows {
        let (from, to) = match row {
            Row::Gap { from, to } => (*from, *to),
            Row::Message(message) => match message.seq {
                Some(seq) => (seq, seq),
                None => continue,
            },
        };
        if let Some(next) = next {
            let missing = held.holes(next.get(), from.previous().get());
            hold!(
                from == next || missing.first().is_none_or(|(seq, _)| *seq > passed.get()),
                "what lies from {next} to {from} is not shown, and the feed has passed {passed}"
            );
        }
        next = Some(to.next());
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
