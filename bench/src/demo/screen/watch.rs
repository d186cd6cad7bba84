//! The person's client, watched: whatever it tells becomes news for the screen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;
use tidewire::{
    AppState, Body, Change, Client, ClientEvent, EventKind, Message, MessageContent, MessageState,
    NetworkKind, Problem, Reason, Room, RoomSummary, Row, Tier, Timeline, TimelineUpdate,
};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{mpsc, watch};

use super::latency::Sent;
use super::mark::mark;
use super::news::{Cost, Line, News, RoomLine, Said};
use crate::demo::Error;

/// The list of rooms is asked for at most once in this time.
const ROOMS_PAUSE: Duration = Duration::from_millis(250);
/// Messages that one keystroke loads.
const OLDER: usize = 50;

/// Tells of modes, until the client is closed.
pub(super) async fn modes(client: Client, news: UnboundedSender<News>) {
    let mut modes = client.watch_mode();
    while modes.changed().await.is_ok() {
        let report = *modes.borrow_and_update();
        let told = News::Mode { mode: report.mode, reason: reason(report.reason) };
        if news.send(told).is_err() {
            return;
        }
    }
}

fn reason(reason: Reason) -> String {
    match reason {
        Reason::Network(NetworkKind::Cellular2G) => "the network is 2G".into(),
        Reason::App(AppState::Background) => "the app is in the background".into(),
        Reason::Ceiling => "the demo asked for it".into(),
        other => other.to_string(),
    }
}

/// Tells of problems, each at once, until the client is closed.
pub(super) async fn problems(client: Client, news: UnboundedSender<News>) {
    let mut events = client.events();
    loop {
        match events.recv().await {
            Ok(ClientEvent::Problem(told)) => {
                if news.send(News::Notice(problem(&told))).is_err() {
                    return;
                }
            }
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Tells of rooms, until the client is closed.
pub(super) async fn rooms(client: Client, news: UnboundedSender<News>) {
    let mut events = client.events();
    loop {
        let Ok(mut rooms) = client.rooms().await else { return };
        // As they were made: a list that jumps is hard to walk through.
        rooms.sort_by_key(|room| room.state.id);
        let lines: Vec<RoomLine> = rooms.iter().map(room_line).collect();
        let pause = if lines.is_empty() { Duration::ZERO } else { ROOMS_PAUSE };
        if news.send(News::Rooms(lines)).is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
        loop {
            match events.recv().await {
                Ok(ClientEvent::RoomsChanged) | Err(RecvError::Lagged(_)) => break,
                Ok(_) => {}
                Err(RecvError::Closed) => return,
            }
        }
        // Changes that came meanwhile are answered by the next look.
        while events.try_recv().is_ok() {}
    }
}

fn problem(problem: &Problem) -> String {
    match problem {
        Problem::SendFailed { .. } => "a message failed: r retries, x discards (after Esc)".into(),
        other => format!("{other:?}"),
    }
}

fn room_line(room: &RoomSummary) -> RoomLine {
    let state = &room.state;
    let last = state.last_event.as_ref().map(|event| match event.body() {
        Body::Message(message) => format!("{}: {}", event.sender, message.text),
        Body::MemberJoined(change) => format!("{} joined", change.user),
        Body::MemberLeft(change) => format!("{} left", change.user),
        Body::Edit(_)
        | Body::Delete(_)
        | Body::Reaction(_)
        | Body::RoomCreated(_)
        | Body::RoomUpdated(_)
        | Body::MemberRole(_)
        | Body::MemberBanned(_)
        | Body::MemberUnbanned(_)
        | Body::MemberMuted(_)
        | Body::MemberUnmuted(_)
        | Body::RoomSlowMode(_)
        | Body::Opaque => String::new(),
    });
    let peer = state.peer.as_ref().map(ToString::to_string);
    let name = state.name.clone().or(peer);
    RoomLine {
        id: state.id,
        name: name.unwrap_or_default(),
        members: state.members,
        last: last.unwrap_or_default(),
        pending: room.pending,
        unread: Some(room.unread.messages),
    }
}

/// What the client has cost, as it counts itself.
pub(super) async fn cost(client: &Client) -> Result<Cost, Error> {
    let stats = client.stats().await?;
    let tier = stats.last_tier.map(|tier| match tier {
        Tier::Memory => "memory",
        Tier::Disk => "disk",
        Tier::Server => "server",
    });
    Ok(Cost {
        wakeups: stats.wakeups,
        bytes_sent: stats.bytes_sent,
        bytes_received: stats.bytes_received,
        last_tier: tier.map(str::to_owned),
    })
}

/// What a look into a room needs.
pub(super) struct Look {
    pub(super) room: Room,
    pub(super) client: Client,
    /// When the demo began: ms since 1970-01-01 UTC.
    pub(super) began_at: i64,
    pub(super) sent: Sent,
    pub(super) news: UnboundedSender<News>,
    /// Nothing is read while the person is away.
    pub(super) away: watch::Receiver<bool>,
    /// Each asks for older messages once.
    pub(super) older: mpsc::UnboundedReceiver<()>,
}

/// Rows up to which older messages are loaded: with more of them the timeline would slide away from
/// the newest, which this screen always shows.
const MOST_ROWS: usize = 300;

/// Tells of one room's timeline, and fills the gaps that it shows.
pub(super) async fn timeline(mut look: Look) {
    let timeline = loop {
        match look.room.timeline().await {
            Ok(timeline) => break Arc::new(timeline),
            Err(tidewire::Error::Closed) => return,
            // The room is not known yet.
            Err(_) => tokio::time::sleep(ROOMS_PAUSE).await,
        }
    };
    let filling = Arc::new(AtomicBool::new(false));
    let mut rows: Vec<Row> = Vec::new();
    let mut last = 0;
    loop {
        tokio::select! {
            batch = timeline.next_after(last) => {
                let Ok(batch) = batch else { return };
                last = batch.number;
                look.measure(&batch.update);
                batch.update.apply(&mut rows);
                let more = batch.update.more_before() && rows.len() < MOST_ROWS;
                let lines = look.lines(&rows);
                let room = look.room.id();
                if look.news.send(News::Timeline { room, lines, more }).is_err() {
                    return;
                }
                if rows.len() < MOST_ROWS {
                    fill(&timeline, &rows, &filling);
                }
                look.mark_read(&rows).await;
            }
            Ok(()) = look.away.changed() => look.mark_read(&rows).await,
            Some(()) = look.older.recv() => {
                if rows.len() >= MOST_ROWS {
                    continue;
                }
                let (timeline, news) = (timeline.clone(), look.news.clone());
                tokio::spawn(async move {
                    if let Err(error) = timeline.load_older(OLDER).await {
                        let _ = news.send(News::Notice(format!("older messages: {error}")));
                    }
                });
            }
        }
    }
}

/// Fetches what the newest gap lacks. If that fails, the next update tries again.
fn fill(timeline: &Arc<Timeline>, rows: &[Row], filling: &Arc<AtomicBool>) {
    let gap = rows.iter().rev().find_map(|row| match row {
        Row::Gap { from, to } => Some((*from, *to)),
        Row::Message(_) => None,
    });
    let Some((from, to)) = gap else { return };
    if filling.swap(true, Ordering::Relaxed) {
        return;
    }
    let (timeline, filling) = (timeline.clone(), filling.clone());
    tokio::spawn(async move {
        if let Err(error) = timeline.fill_gap(from, to).await {
            tracing::debug!(%error, "the gap is filled later");
        }
        filling.store(false, Ordering::Relaxed);
    });
}

impl Look {
    /// What is on the screen is read.
    async fn mark_read(&self, rows: &[Row]) {
        if *self.away.borrow() {
            return;
        }
        if let Some(seq) = rows.iter().rev().find_map(|row| row.message()?.seq)
            && let Err(error) = self.room.mark_read(seq).await
        {
            tracing::debug!(%error, "not marked as read");
        }
    }

    /// Measures what is seen for the first time. What was there when the room was opened tells
    /// nothing: it waited for the person.
    fn measure(&self, update: &TimelineUpdate) {
        let (rows, fresh): (Vec<&Row>, bool) = match update {
            TimelineUpdate::Reset { rows, .. } => (rows.iter().collect(), false),
            TimelineUpdate::Diff { changes, .. } => {
                let row = |change| match change {
                    &Change::Insert { ref row, .. } | &Change::Set { ref row, .. } => Some(row),
                    Change::Remove { .. } => None,
                };
                (changes.iter().filter_map(row).collect(), true)
            }
        };
        for message in rows.into_iter().filter_map(Row::message) {
            if message.seq.is_some()
                && let Some(ms) = self.sent.seen(message.id)
                && fresh
            {
                let own = message.sender == *self.client.user();
                let _ = self.news.send(News::Latency { own, ms });
            }
        }
    }

    fn lines(&self, rows: &[Row]) -> Vec<Line> {
        let mut lines = Vec::with_capacity(rows.len());
        let mut joined: Vec<String> = Vec::new();
        for row in rows {
            if let Row::Message(message) = row
                && message.kind == EventKind::MemberJoined
            {
                joined.push(who(message));
                continue;
            }
            lines.extend(joined_note(&std::mem::take(&mut joined)));
            match row {
                Row::Gap { from, to } => {
                    lines.push(Line::Gap { from: from.get(), to: to.get() });
                }
                Row::Message(message) => lines.push(self.line(message)),
            }
        }
        lines.extend(joined_note(&joined));
        lines
    }

    fn line(&self, message: &Message) -> Line {
        match message.kind {
            EventKind::Message => {}
            EventKind::MemberLeft => return Line::Note(format!("{} left", who(message))),
            EventKind::RoomCreated => return Line::Note("the room was made".into()),
            _ => return Line::Note(format!("{}: an event of its own kind", message.sender)),
        }
        let text = message.content.parse::<MessageContent>().map(|content| content.text);
        let since = message.at.saturating_sub(self.began_at).max(0) / 1_000;
        Line::Message(Said {
            id: message.id,
            sender: message.sender.to_string(),
            own: message.sender == *self.client.user(),
            text: text.unwrap_or_default(),
            mark: mark(&message.state),
            at_s: u64::try_from(since).unwrap_or(0),
            failed: match &message.state {
                MessageState::Failed(reason) => Some(reason.to_string()),
                _ => None,
            },
        })
    }
}

/// Whom an event of members is about.
fn who(message: &Message) -> String {
    #[derive(Deserialize)]
    struct About {
        user: String,
    }
    message.content.parse::<About>().map(|about| about.user).unwrap_or_default()
}

/// One line, however many came.
fn joined_note(users: &[String]) -> Option<Line> {
    let text = match users {
        [] => return None,
        [one] => format!("{one} joined"),
        [one, other] => format!("{one} and {other} joined"),
        [first, rest @ ..] => format!("{first} and {} others joined", rest.len()),
    };
    Some(Line::Note(text))
}
