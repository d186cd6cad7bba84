//! A person's chat in a terminal, against any server, online and offline.
//!
//! ```sh
//! cargo run -p tidewire --example chat -- --server http://127.0.0.1:8080 --user ada --token "$TOKEN" --data ada-data
//! ```
//!
//! It shows who is there and who types. What one types oneself a terminal hands over only as whole
//! lines, so that the others hear of it by `/typing`.
//!
//! Lines that begin with `/` are commands (`/help` lists them), all others are messages.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tidewire::{
    AppState, Client, ClientEvent, Error, EventKind, Message, MessageState, ModeReport, Network,
    NetworkKind, Presence, Problem, Room, RoomFilter, RoomId, RoomList, RoomListQuery, RoomListRow,
    RoomSort, Row, RowKey, Seq, Tier, Timeline, Unread, UserId,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

#[derive(Parser)]
struct Args {
    /// The server's address, `http://host:port` or `https://host`.
    #[arg(long)]
    server: String,
    /// Whose chat this is.
    #[arg(long)]
    user: UserId,
    /// The token; without it what is cached can be read, and what is written waits.
    #[arg(long, env = "TIDEWIRE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The folder for what is cached and what waits to be sent.
    #[arg(long, default_value = "tidewire-chat")]
    data: PathBuf,
}

/// Rows that a terminal shows.
const SCREEN: usize = 20;

const HELP: &str = "\
/rooms [all]       the rooms, those with something unread first; `all`: also the archived ones
/open N            opens room N of that list
/direct USER       opens the conversation with USER
/group NAME USER…  makes a group
/mute, /pin, /archive [off]  the open room
/draft [TEXT]      keeps what you have begun to write in the open room
/older             loads older messages
/gap               fetches what is missing in the newest gap
/who               who of the open room is there
/typing            lets the others know that a message is on its way
/retry, /discard   the oldest message that the server refused
/offline, /online  leaves the network, and comes back
/away, /back       to the background, and back
/why               the mode, and why
/quit              ends; what waits is sent after the next start";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let mut builder = Client::builder(args.server, args.user).data_dir(args.data);
    if let Some(token) = args.token {
        builder = builder.token(token);
    }
    match builder.open().await {
        Ok(client) => {
            let mode = client.mode();
            let mut chat =
                Chat { client, mode, rooms: Vec::new(), list: None, open: None, away: false };
            chat.run().await;
            chat.client.close().await;
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

struct Chat {
    client: Client,
    /// As last told.
    mode: ModeReport,
    /// As last listed, for `/open`.
    rooms: Vec<Room>,
    /// The list of them: open for as long as the chat runs, so that rooms open at once.
    list: Option<List>,
    open: Option<Open>,
    /// In the background nobody reads.
    away: bool,
}

struct List {
    list: RoomList,
    rows: Vec<Arc<RoomListRow>>,
}

struct Open {
    room: Room,
    timeline: Timeline,
    rows: Vec<Row>,
    /// What was printed of each row: a terminal can not take a line back, so a row that changed is
    /// printed again.
    printed: std::collections::HashMap<RowKey, String>,
}

impl Chat {
    async fn run(&mut self) {
        say(&format!("This is {}. /help lists the commands.", self.client.user()));
        let mut events = self.client.events();
        say_mode(self.mode);
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        loop {
            tokio::select! {
                line = lines.next_line() => match line {
                    Ok(Some(line)) => match self.line(line.trim()).await {
                        Ok(true) => {}
                        Ok(false) => return,
                        Err(error) => say(&format!("! {error}")),
                    },
                    // No terminal any more, or input that is no text.
                    Ok(None) => return,
                    Err(error) => {
                        say(&format!("! {error}"));
                        return;
                    }
                },
                event = events.recv() => match event {
                    Ok(ClientEvent::Mode(report)) => {
                        if std::mem::replace(&mut self.mode, report) != report {
                            say_mode(report);
                        }
                    }
                    Ok(ClientEvent::PresenceChanged(changes)) => self.say_presence(&changes),
                    Ok(ClientEvent::TypingChanged { room, users }) => self.say_typing(room, &users),
                    Ok(ClientEvent::Problem(problem)) => say_problem(&problem),
                    Ok(ClientEvent::UnreadTotalChanged(total)) => say_total(total),
                    Ok(ClientEvent::RoomsChanged | ClientEvent::ProfilesChanged(_) | ClientEvent::BlockedChanged(_)) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                listed = next_of_list(&mut self.list) => if let Err(error) = listed {
                    say(&format!("! {error}"));
                    self.list = None;
                },
                shown = next(&mut self.open, self.away) => if let Err(error) = shown {
                    say(&format!("! {error}"));
                    self.open = None;
                },
            }
        }
    }

    /// Carries out one line. Gives whether to go on.
    async fn line(&mut self, line: &str) -> Result<bool, Error> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match command {
            "" => {}
            "/help" => say(HELP),
            "/quit" => return Ok(false),
            "/rooms" => self.list(rest == "all").await?,
            "/open" => {
                match rest.parse::<usize>().ok().and_then(|n| self.rooms.get(n.checked_sub(1)?)) {
                    Some(room) => self.open(room.clone()).await?,
                    None => say("There is no such number: /rooms lists them."),
                }
            }
            "/direct" => {
                let room = self.client.direct_room(UserId::new(rest)?).await?;
                self.open(room).await?;
            }
            "/group" => {
                let mut words = rest.split_whitespace();
                let name = words.next().unwrap_or_default().to_owned();
                let members: Result<Vec<UserId>, _> = words.map(UserId::new).collect();
                let room = self.client.create_group(name, members?).await?;
                self.open(room).await?;
            }
            "/who" => self.who().await?,
            "/typing" => match &self.open {
                Some(open) => open.room.typing(),
                None => say("Open a room first."),
            },
            "/why" => say_mode(self.client.mode()),
            "/offline" => {
                self.client.set_network(Network { kind: NetworkKind::None, ..Network::default() });
            }
            "/online" => self.client.set_network(Network::default()),
            "/away" => {
                self.away = true;
                self.client.set_app_state(AppState::Background).await;
            }
            "/back" => {
                self.away = false;
                self.client.set_app_state(AppState::Foreground).await;
                if let Some(open) = &self.open {
                    open.mark_read().await?;
                }
            }
            "/mute" | "/pin" | "/archive" | "/draft" => self.set(command, rest).await?,
            "/older" | "/gap" | "/retry" | "/discard" => self.in_room(command).await?,
            unknown if unknown.starts_with('/') => say("No such command: /help lists them."),
            _ => match &self.open {
                Some(open) => {
                    open.room.send(line).await?;
                }
                None => say("Open a room first: /rooms, /open or /direct."),
            },
        }
        Ok(true)
    }

    async fn in_room(&mut self, command: &str) -> Result<(), Error> {
        let Some(open) = &self.open else {
            say("Open a room first.");
            return Ok(());
        };
        match command {
            "/older" => {
                let older = open.timeline.load_older(30).await?;
                let tier = match older.tier {
                    Tier::Memory => "memory",
                    Tier::Disk => "disk",
                    Tier::Server => "the server",
                };
                say(&format!("· {} older messages from {tier}", older.added));
            }
            "/gap" => match open.newest_gap() {
                Some((from, to)) => drop(open.timeline.fill_gap(from, to).await?),
                None => say("· nothing is missing"),
            },
            _ => match open.first_failed() {
                Some(message) if command == "/retry" => open.room.retry(message.id).await?,
                Some(message) => open.room.discard(message.id).await?,
                None => say("· nothing was refused"),
            },
        }
        Ok(())
    }

    async fn list(&mut self, archived: bool) -> Result<(), Error> {
        let mut list = match self.list.take() {
            Some(list) => list,
            None => self.open_list(false).await?,
        };
        // What has happened since is there at once, or nothing has.
        while let Ok(batch) = timeout(Duration::from_millis(200), list.list.next()).await {
            batch?.update.apply(&mut list.rows);
        }
        let away = if archived { self.open_list(true).await?.rows } else { Vec::new() };
        let rows: Vec<_> = list.rows.iter().chain(&away).collect();
        self.rooms = rows.iter().map(|row| self.client.room(row.room)).collect();
        for (number, row) in (1..).zip(&rows) {
            say(&format!("{number:>3}  {}", describe_room(row)));
        }
        if rows.is_empty() {
            say("There are no rooms yet: /direct USER begins one.");
        }
        self.list = Some(list);
        Ok(())
    }

    async fn open_list(&self, archived: bool) -> Result<List, Error> {
        let filter = RoomFilter { archived, ..RoomFilter::default() };
        let sort = RoomSort::UnreadFirst;
        let query = RoomListQuery { sort, filter, ..RoomListQuery::default() };
        let mut list = self.client.room_list(query).await?;
        let mut rows = Vec::new();
        list.next().await?.update.apply(&mut rows);
        if !archived {
            list.set_visible(0, SCREEN)?;
        }
        Ok(List { list, rows })
    }

    /// Sets something of the open room, for all of the user's devices, or its draft.
    async fn set(&self, command: &str, rest: &str) -> Result<(), Error> {
        let Some(open) = &self.open else {
            say("Open a room first.");
            return Ok(());
        };
        let on = rest != "off";
        match command {
            "/mute" => open.room.mute(on).await,
            "/pin" => open.room.pin(on).await,
            "/archive" => open.room.archive(on).await,
            _ => open.room.set_draft(Some(rest.to_owned())).await,
        }
    }

    /// Who of the open room is there, at most 100 of them.
    async fn who(&self) -> Result<(), Error> {
        let Some(open) = &self.open else {
            say("Open a room first.");
            return Ok(());
        };
        let (members, _) = open.room.members(None).await?;
        let users = members.into_iter().map(|member| member.user);
        let users: Vec<UserId> = users.filter(|user| user != self.client.user()).collect();
        let presence = self.client.presence(users.clone()).await?;
        for (user, presence) in users.iter().zip(presence) {
            say(&format!("  {user} {}", describe_presence(presence)));
        }
        Ok(())
    }

    fn say_presence(&self, changes: &[(UserId, Presence)]) {
        // Somebody who stands at the screen wants to know who comes and goes, not a list of all.
        if self.open.is_some() && changes.len() <= 3 {
            let told = changes.iter().filter(|(_, presence)| *presence != Presence::Unknown);
            for (user, presence) in told {
                say(&format!("· {user} {}", describe_presence(*presence)));
            }
        }
    }

    fn say_typing(&self, room: RoomId, users: &[UserId]) {
        let here = self.open.as_ref().is_some_and(|open| open.room.id() == room);
        let names: Vec<&str> = users.iter().map(UserId::as_str).collect();
        match &names[..] {
            _ if !here => {}
            [] => {}
            [one] => say(&format!("· {one} is typing …")),
            more => say(&format!("· {} are typing …", more.join(", "))),
        }
    }

    async fn open(&mut self, room: Room) -> Result<(), Error> {
        let timeline = room.timeline().await?;
        say("───");
        if let Some(draft) = room.draft().await? {
            say(&format!("· you had begun: {}", printable(&draft)));
        }
        let printed = std::collections::HashMap::new();
        self.open = Some(Open { room, timeline, rows: Vec::new(), printed });
        Ok(())
    }
}

fn describe_presence(presence: Presence) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_millis() as i64);
    match presence {
        Presence::Unknown => "may be anywhere: nothing is known".into(),
        Presence::Online => "is here".into(),
        Presence::Away => "is away".into(),
        Presence::Offline { last_seen: None } => "is not here".into(),
        Presence::Offline { last_seen: Some(at) } => {
            let minutes = (now - at).max(0) / 60_000;
            match minutes {
                0 => "was here a moment ago".into(),
                1..120 => format!("was here {minutes} min ago"),
                _ => format!("was here {} h ago", minutes / 60),
            }
        }
    }
}

/// A room of the list, on a line.
fn describe_room(row: &RoomListRow) -> String {
    let peer = row.peer.as_ref().map(ToString::to_string);
    let mut line = printable(&row.name.clone().or(peer).unwrap_or_default());
    for (on, mark) in [
        (row.settings.pinned, "  ⚑"),
        (row.settings.muted, "  🔇"),
        (row.settings.archived, "  (archived)"),
        (row.failed, "  ✗"),
    ] {
        if on {
            line.push_str(mark);
        }
    }
    if row.unread.any() {
        let about = if row.unread.exact { "" } else { "at least " };
        let many = if row.unread.messages >= 1_000 { "+" } else { "" };
        line.push_str(&format!("  [{about}{}{many} unread", row.unread.messages));
        if row.unread.mentions > 0 {
            line.push_str(&format!(", {} for you", row.unread.mentions));
        }
        line.push(']');
    }
    if let Some(draft) = &row.draft {
        line.push_str(&format!("  you began: {}", printable(draft)));
    } else if let Some(said) = &row.last_message {
        line.push_str(&format!("  {}", describe(&Row::Message(said.clone()))));
    }
    line
}

fn say_total(total: Unread) {
    if total.any() {
        say(&format!("· {} unread, {} for you", total.messages, total.mentions));
    }
}

fn say_mode(report: ModeReport) {
    say(&format!("· {}, because {}", report.mode, report.reason));
}

/// Waits for what changes in the list; for ever if none is open.
async fn next_of_list(list: &mut Option<List>) -> Result<(), Error> {
    let Some(list) = list else { return std::future::pending().await };
    list.list.next().await?.update.apply(&mut list.rows);
    Ok(())
}

/// Waits for the open room's next update, prints it and marks it read, if somebody is there to read
/// it; for ever if none is open.
async fn next(open: &mut Option<Open>, away: bool) -> Result<(), Error> {
    let Some(open) = open else { return std::future::pending().await };
    let batch = open.timeline.next().await?;
    batch.update.apply(&mut open.rows);
    for row in &open.rows {
        let line = describe(row);
        if open.printed.get(&row.key()) != Some(&line) {
            say(&line);
            open.printed.insert(row.key(), line);
        }
    }
    if !away {
        open.mark_read().await?;
    }
    Ok(())
}

impl Open {
    /// What is on the screen is read.
    async fn mark_read(&self) -> Result<(), Error> {
        match self.rows.iter().filter_map(|row| row.message()?.seq).max() {
            Some(newest) => self.room.mark_read(newest).await,
            None => Ok(()),
        }
    }

    fn newest_gap(&self) -> Option<(Seq, Seq)> {
        self.rows.iter().rev().find_map(|row| match row {
            Row::Gap { from, to } => Some((*from, *to)),
            Row::Message(_) => None,
        })
    }

    fn first_failed(&self) -> Option<&Message> {
        let failed = |message: &&Message| matches!(message.state, MessageState::Failed(_));
        self.rows.iter().filter_map(Row::message).map(AsRef::as_ref).find(failed)
    }
}

fn describe(row: &Row) -> String {
    let message = match row {
        Row::Gap { from, to } => return format!("… messages {from} to {to} are not here: /gap"),
        Row::Message(message) => message,
    };
    let mark = match &message.state {
        MessageState::Sending => "◷",
        MessageState::Waiting(_) => "…",
        MessageState::Failed(_) => "✗",
        MessageState::Sent => "✓",
        MessageState::Delivered => "✓✓",
        MessageState::Read => "✓✓ read",
    };
    let text = match (&message.kind, message.text()) {
        _ if message.blocked => "(from somebody who is blocked)".into(),
        _ if message.deleted.is_some() => "(deleted)".into(),
        (_, Some(text)) => printable(&text),
        (EventKind::RoomCreated, _) => "made this room".into(),
        (EventKind::MemberJoined, _) => "added somebody".into(),
        (EventKind::MemberLeft, _) => "removed somebody, or left".into(),
        (kind, None) => format!("({})", printable(kind.as_str())),
    };
    let why = match &message.state {
        MessageState::Failed(reason) => format!("  [{reason}: /retry or /discard]"),
        _ => String::new(),
    };
    // In a group, how many have read it.
    let reach = match (&message.state, message.reach) {
        (MessageState::Sent | MessageState::Delivered, Some(reach)) if reach.of > 1 => {
            format!("  [{} of {} have it, {} read it]", reach.delivered_to, reach.of, reach.read_by)
        }
        _ => String::new(),
    };
    let edited = if message.edited.is_some() { " (edited)" } else { "" };
    let quote = match message.reply_to.as_ref().map(|quote| &quote.message) {
        Some(Some(quoted)) => {
            let text = quoted.text.as_deref().map_or("(deleted)".into(), printable);
            format!("«{}: {text}» ", quoted.sender)
        }
        Some(None) => "«…» ".into(),
        None => String::new(),
    };
    let mut after = String::new();
    for one in &message.reactions {
        after += &format!("  {}×{}", printable(&one.key), one.count);
    }
    if let Some(replies) = message.replies {
        after += &format!("  [{} in its thread]", replies.count);
    }
    format!("{mark} {}: {quote}{text}{edited}{after}{why}{reach}", message.sender)
}

/// What others write must not move this terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn say_problem(problem: &Problem) {
    match problem {
        Problem::AuthRequired { reason } => say(&format!("! a token is needed: {reason}")),
        Problem::WrongUser { token_user } => say(&format!("! the token is {token_user}'s")),
        Problem::StoreFailed(error) => say(&format!("! {error}")),
        Problem::StoreRecovered => say("· the disk works again"),
        Problem::Repaired(repair) if repair.complete => say("· what was damaged on disk is mended"),
        Problem::Repaired(_) => {
            say("! some messages that were not sent are lost: the disk was damaged")
        }
        // The row says so itself.
        Problem::SendFailed { .. } => {}
    }
}

fn say(line: &str) {
    // A terminal that is gone ends the input too.
    let _ = writeln!(std::io::stdout(), "{line}");
}
