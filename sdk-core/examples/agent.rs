//! One client, driven by JSON lines on stdin, everything observed as JSON lines on stdout.
//! `docs/agent.md` describes both.
//!
//! ```sh
//! cargo run -p tidewire --example agent -- --server http://127.0.0.1:7070 --user ada --token "$TOKEN" --data ada-data
//! ```

#[path = "agent/command.rs"]
mod command;
#[path = "agent/death.rs"]
mod death;
#[path = "agent/json.rs"]
mod json;

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use serde_json::{Value, json};
use tidewire::{
    AppState, Attachment, Budget, Client, ClientEvent, Download, Error, EventId, FileKey,
    LocalFile, Logout, MessageContent, Network, ProfileUpdate, Progress, Recording, Refreshed,
    RoomId, RoomList, RoomListQuery, RoomUpdate, Row, SearchQuery, SearchScope, SendOptions, Seq,
    Timeline, TimelineStart, TimelineUpdate, UserId,
};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::broadcast::{self, error::RecvError};

use command::{Command, Line};
use json::{
    budget_json, change_json, error_json, list_json, loaded_json, mode_json, presence_json,
    problem_json, report_json, room_json, row_json, search_json, stats_json, summary_json,
    unread_json,
};

#[derive(Parser)]
struct Args {
    /// The server's address, `http://host:port`.
    #[arg(long)]
    server: String,
    /// Whose client this is.
    #[arg(long)]
    user: UserId,
    /// The token; without it the client works on what is cached.
    #[arg(long)]
    token: Option<String>,
    /// The folder for the client's data; without it everything is kept in memory.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Where the app stands at the start: `foreground` or `background`.
    #[arg(long, default_value = "foreground", value_parser = app_state)]
    app_state: AppState,
    #[arg(long, default_value_t = 5_000)]
    polling_interval_ms: u64,
    #[arg(long, default_value_t = 10_000)]
    slow_polling_interval_ms: u64,
    #[arg(long, default_value_t = 60_000)]
    background_heartbeat_interval_ms: u64,
    #[arg(long, default_value_t = 30_000)]
    presence_heartbeat_interval_ms: u64,
    #[arg(long, default_value_t = 1_000)]
    message_buffer_time_ms: u64,
    #[arg(long, default_value_t = 10_000)]
    spread_ms: u64,
    #[arg(long, default_value_t = 5)]
    max_concurrent_rooms: usize,
    #[arg(long, default_value_t = 500)]
    max_messages_per_room: usize,
    #[arg(long, default_value_t = 300_000)]
    cache_ttl_ms: u64,
    #[arg(long, default_value_t = 10_000)]
    outbox_capacity: usize,
    #[arg(long, default_value_t = 256 * 1024 * 1024)]
    cache_bytes: u64,
    #[arg(long, default_value_t = 256 * 1024 * 1024)]
    file_cache_bytes: u64,
    /// A file with certificates (PEM) by which the server's own may be signed besides those that Mozilla trusts.
    #[arg(long)]
    root_certificates: Option<PathBuf>,
    /// Begins although pending sends can not be read any more.
    #[arg(long)]
    accept_loss: bool,
    /// Records what the client is given and what it decides into this file.
    #[arg(long)]
    record: Option<PathBuf>,
    /// With the texts of all messages and the names of users.
    #[arg(long, requires = "record")]
    record_verbatim: bool,
    /// Without it wake-ups are not limited.
    #[arg(long)]
    max_wakeups_per_hour: Option<u32>,
    /// Without it bytes are not limited.
    #[arg(long)]
    max_bytes_per_hour: Option<u64>,
}

fn app_state(name: &str) -> Result<AppState, String> {
    serde_json::from_value(name.into()).map_err(|error| error.to_string())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    death::listen();
    let ms = Duration::from_millis;
    let mut builder = Client::builder(args.server, args.user)
        .app_state(args.app_state)
        .polling_interval(ms(args.polling_interval_ms))
        .slow_polling_interval(ms(args.slow_polling_interval_ms))
        .background_heartbeat_interval(ms(args.background_heartbeat_interval_ms))
        .presence_heartbeat_interval(ms(args.presence_heartbeat_interval_ms))
        .message_buffer_time(ms(args.message_buffer_time_ms))
        .spread(ms(args.spread_ms))
        .max_concurrent_rooms(args.max_concurrent_rooms)
        .max_messages_per_room(args.max_messages_per_room)
        .cache_ttl(ms(args.cache_ttl_ms))
        .outbox_capacity(args.outbox_capacity)
        .cache_bytes(args.cache_bytes)
        .file_cache_bytes(args.file_cache_bytes)
        .accept_loss(args.accept_loss)
        .budget(Budget {
            max_wakeups_per_hour: args.max_wakeups_per_hour,
            max_bytes_per_hour: args.max_bytes_per_hour,
        });
    if let Some(token) = args.token {
        builder = builder.token(token);
    }
    if let Some(folder) = args.data {
        builder = builder.data_dir(folder);
    }
    if let Some(file) = args.root_certificates {
        match std::fs::read(&file) {
            Ok(pem) => builder = builder.root_certificates(pem),
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                return ExitCode::from(2);
            }
        }
    }
    if let Some(file) = args.record {
        let verbatim = args.record_verbatim;
        let recording = if verbatim { Recording::Verbatim } else { Recording::Redacted };
        builder = builder.record(file, recording);
    }
    let client = match builder.open().await {
        Ok(client) => client,
        Err(error) => {
            say(json!({"event": "fatal", "error": error_json(&error)}));
            return ExitCode::FAILURE;
        }
    };
    let agent =
        Agent { client, open: HashMap::new(), lists: HashMap::new(), files: HashMap::new() };
    agent.run().await;
    ExitCode::SUCCESS
}

struct Agent {
    client: Client,
    open: HashMap<RoomId, OpenRoom>,
    /// By the names that commands give them.
    lists: HashMap<String, OpenList>,
    /// Files that are wanted or held.
    files: HashMap<FileKey, Vec<HeldFile>>,
}

/// A task that gets a file and then holds it.
struct HeldFile(tokio::task::JoinHandle<()>);

struct OpenList {
    list: Arc<RoomList>,
    reader: tokio::task::JoinHandle<()>,
}

struct OpenRoom {
    timeline: Arc<Timeline>,
    rows: Arc<Mutex<Vec<Row>>>,
    reader: tokio::task::JoinHandle<()>,
}

impl Agent {
    async fn run(mut self) {
        // Subscribed before anything is asked for, so that no event is missed.
        let events = tokio::spawn(tell_events(self.client.events()));
        say(json!({"event": "ready", "user": self.client.user()}));
        say(mode_json(self.client.mode()));
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        loop {
            let line = match lines.next_line().await {
                Ok(Some(line)) if line.trim().is_empty() => continue,
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    say(json!({"event": "bad_line", "message": error.to_string()}));
                    break;
                }
            };
            let line: Line = match serde_json::from_str(&line) {
                Ok(line) => line,
                Err(error) => {
                    say(json!({"event": "bad_line", "message": error.to_string()}));
                    continue;
                }
            };
            let quit = matches!(line.command, Command::Quit);
            if quit {
                break;
            }
            match self.carry_out(line.command).await {
                Ok(answer) => say(json!({"event": "reply", "id": line.id, "ok": answer})),
                Err(error) => {
                    say(json!({"event": "reply", "id": line.id, "error": error_json(&error)}));
                }
            }
        }
        for room in self.open.values() {
            room.reader.abort();
        }
        for list in self.lists.values() {
            list.reader.abort();
        }
        self.client.close().await;
        events.abort();
        say(json!({"event": "bye"}));
    }

    async fn carry_out(&mut self, command: Command) -> Result<Value, Error> {
        let client = &self.client;
        Ok(match command {
            Command::CreateRoom { name, members, peer } => {
                let room = match peer {
                    Some(peer) => client.direct_room(peer).await?,
                    None => {
                        let name = name.unwrap_or_default();
                        client.create_group(name, members.unwrap_or_default()).await?
                    }
                };
                json!({"room": room.id()})
            }
            Command::Rooms => {
                let rooms = client.rooms().await?;
                json!({"rooms": rooms.iter().map(summary_json).collect::<Vec<_>>()})
            }
            Command::OpenRoomList { list, sort, filter, window } => {
                let query = RoomListQuery { sort, filter, window };
                let opened = client.room_list(query).await?;
                if let Some(before) = self.lists.insert(list.clone(), OpenList::start(list, opened))
                {
                    before.reader.abort();
                }
                json!({})
            }
            Command::CloseRoomList { list } => {
                if let Some(list) = self.lists.remove(&list) {
                    list.reader.abort();
                }
                json!({})
            }
            Command::SetListVisible { list, first, count } => {
                if let Some(list) = self.lists.get(&list) {
                    list.list.set_visible(first, count)?;
                }
                json!({})
            }
            Command::UnreadTotal => unread_json(client.unread_total().await?),
            Command::SetDraft { room, text } => {
                client.room(room).set_draft(text).await?;
                json!({})
            }
            Command::Draft { room } => json!({"text": client.room(room).draft().await?}),
            Command::Settings { room, muted, pinned, archived } => {
                let room = client.room(room);
                if let Some(muted) = muted {
                    room.mute(muted).await?;
                }
                if let Some(pinned) = pinned {
                    room.pin(pinned).await?;
                }
                if let Some(archived) = archived {
                    room.archive(archived).await?;
                }
                json!({})
            }
            Command::UpdateRoom { room, name, avatar_url } => {
                let update = RoomUpdate { name, avatar_url };
                room_json(client.room(room).update(update).await?)
            }
            Command::SetRole { room, user, role } => {
                room_json(client.room(room).set_role(user, role).await?)
            }
            Command::OpenRoom { room, at } => {
                // Nothing happens if it is open already, unless somebody wants to be elsewhere.
                if at.is_some() || !self.open.contains_key(&room) {
                    let start = at.unwrap_or(TimelineStart::Newest);
                    let timeline = client.room(room).timeline_at(start).await?;
                    self.show(room, OpenRoom::start(timeline, None));
                }
                json!({})
            }
            Command::Thread { room, message } => {
                let timeline = client.room(room).thread(message).await?;
                self.show(room, OpenRoom::start(timeline, Some(message)));
                json!({})
            }
            Command::CloseRoom { room } => {
                if let Some(room) = self.open.remove(&room) {
                    room.reader.abort();
                }
                json!({})
            }
            Command::Send {
                room,
                text,
                metadata,
                mentions,
                reply_to,
                thread,
                on_failure,
                expires_after_ms,
            } => {
                let attachments = Vec::new();
                let message =
                    MessageContent { text, metadata, mentions, reply_to, thread, attachments };
                let expires_after = expires_after_ms.map(Duration::from_millis);
                let options = SendOptions { on_failure, expires_after, ..SendOptions::default() };
                let id = client.room(room).send_with(message, options).await?;
                json!({"message": id})
            }
            Command::SendFiles {
                room,
                text,
                files,
                reply_to,
                thread,
                ordered,
                on_failure,
                expires_after_ms,
            } => {
                let message =
                    MessageContent { text, reply_to, thread, ..MessageContent::default() };
                let expires_after = expires_after_ms.map(Duration::from_millis);
                let options = SendOptions { on_failure, expires_after, ordered };
                let files = files.into_iter().map(Into::into).collect();
                let id = client.room(room).send_files(message, files, options).await?;
                json!({"message": id})
            }
            Command::Edit { room, message, text, metadata, mentions } => {
                let content =
                    MessageContent { text, metadata, mentions, ..MessageContent::default() };
                client.room(room).edit(message, content).await?;
                json!({})
            }
            Command::Delete { room, message } => {
                client.room(room).delete(message).await?;
                json!({})
            }
            Command::React { room, message, key } => {
                client.room(room).react(message, key).await?;
                json!({})
            }
            Command::Unreact { room, message, key } => {
                client.room(room).unreact(message, key).await?;
                json!({})
            }
            Command::Retry { room, message } => {
                client.room(room).retry(message).await?;
                json!({})
            }
            Command::Discard { room, message } => {
                client.room(room).discard(message).await?;
                json!({})
            }
            Command::DieAt { step } => {
                death::die_at(step);
                json!({})
            }
            Command::Cancel { room, message } => {
                client.room(room).cancel(message).await?;
                json!({})
            }
            Command::History { room, count } => {
                loaded_json(self.timeline(room)?.load_older(count).await?)
            }
            Command::LoadNewer { room, count } => {
                loaded_json(self.timeline(room)?.load_newer(count).await?)
            }
            Command::FillGap { room, from, to, side } => {
                loaded_json(self.timeline(room)?.fill_gap_from(from, to, side).await?)
            }
            Command::MarkRead { room, seq } => {
                let seq = match seq {
                    Some(seq) => seq,
                    None => self.newest(room)?,
                };
                client.room(room).mark_read(seq).await?;
                json!({"seq": seq})
            }
            Command::Snapshot { room } => self.snapshot(room),
            Command::Typing { room } => {
                client.room(room).typing();
                json!({})
            }
            Command::Typists { room } => json!({"users": client.room(room).typists().await?}),
            Command::Presence { users } => {
                let presence = client.presence(users.clone()).await?;
                let told = users.iter().zip(presence);
                let told: Vec<Value> =
                    told.map(|(user, presence)| presence_json(user, presence)).collect();
                json!({"presence": told})
            }
            Command::Members { room, after } => {
                let (members, next) = client.room(room).members(after).await?;
                json!({"members": members, "next": next})
            }
            Command::Receipts { room, seq, after } => {
                json!(client.room(room).receipts(seq, after).await?)
            }
            Command::AddMembers { room, users } => {
                room_json(client.room(room).add_members(users).await?)
            }
            Command::RemoveMember { room, user } => {
                room_json(client.room(room).remove_member(user).await?)
            }
            Command::Ban { room, user, reason } => {
                room_json(client.room(room).ban(user, reason).await?)
            }
            Command::Unban { room, user } => room_json(client.room(room).unban(user).await?),
            Command::Bans { room, after } => json!(client.room(room).bans(after).await?),
            Command::Report { room, message, reason, note } => {
                json!(client.room(room).report(message, reason, note).await?)
            }
            Command::ReportUser { room, user, reason, note } => {
                json!(client.room(room).report_user(user, reason, note).await?)
            }
            Command::Reports { room, after, all } => {
                json!(client.room(room).reports(after, all).await?)
            }
            Command::ResolveReport { room, report } => {
                json!(client.room(room).resolve_report(report).await?)
            }
            Command::Block { user } => {
                client.block(user).await?;
                json!({})
            }
            Command::Unblock { user } => {
                client.unblock(user).await?;
                json!({})
            }
            Command::Blocked => json!({ "users": client.blocked().await? }),
            Command::MuteMember { room, user, for_ms, reason } => {
                let time = for_ms.map(Duration::from_millis);
                room_json(client.room(room).mute_member(user, time, reason).await?)
            }
            Command::UnmuteMember { room, user } => {
                room_json(client.room(room).unmute_member(user).await?)
            }
            Command::MutedMembers { room, after } => {
                json!(client.room(room).muted_members(after).await?)
            }
            Command::SetSlowMode { room, interval_ms } => {
                let interval = interval_ms.map(Duration::from_millis);
                room_json(client.room(room).set_slow_mode(interval).await?)
            }
            Command::Leave { room } => room_json(client.room(room).leave().await?),
            Command::Search { text, room, sender, limit, after, everywhere } => {
                let after = after.map(|after| after.parse()).transpose()?;
                let scope = if everywhere { SearchScope::Everywhere } else { SearchScope::Device };
                let mut query =
                    SearchQuery { room, sender, after, scope, ..SearchQuery::new(text) };
                query.limit = limit.unwrap_or(query.limit);
                search_json(&client.search(query).await?)
            }
            Command::Profiles { users } => json!({"profiles": client.profiles(users).await?}),
            Command::SetProfile { name, avatar_url } => {
                let update = ProfileUpdate { name, avatar_url };
                json!({"profile": client.update_profile(update).await?})
            }
            Command::SetAppState { state } => {
                client.set_app_state(state).await;
                json!({})
            }
            Command::SetNetwork { kind, metered, constrained } => {
                client.set_network(Network { kind: kind.into(), metered, constrained });
                json!({})
            }
            Command::SetPower { low } => {
                client.set_power(low);
                json!({})
            }
            Command::RefreshOnce { deadline_ms } => {
                let done = client.refresh_once(Duration::from_millis(deadline_ms)).await?;
                let Refreshed { complete, new_events, pending } = done;
                json!({"complete": complete, "new_events": new_events, "pending": pending})
            }
            Command::SetCeiling { mode } => {
                client.set_mode_ceiling(mode);
                json!({})
            }
            Command::SetVisible { rooms } => {
                client.set_visible_rooms(&rooms);
                json!({})
            }
            Command::SetBudget { max_wakeups_per_hour, max_bytes_per_hour } => {
                client.set_budget(Budget { max_wakeups_per_hour, max_bytes_per_hour });
                json!({})
            }
            Command::Budget => budget_json(client.budget().await?),
            Command::Why { room, message } => {
                let why = match (room, message) {
                    (Some(room), Some(id)) => client.room(room).why_message(id).await?,
                    (Some(room), None) => client.room(room).why().await?,
                    (None, _) => client.why().await?,
                };
                json!({"sentence": why.sentence, "facts": why.facts})
            }
            Command::Download { file } => {
                self.download(&file);
                json!({})
            }
            Command::ReleaseFile { file } => {
                self.files.remove(&file);
                json!({})
            }
            Command::CacheReport => report_json(&client.cache_report().await?),
            Command::Logout { keep } => {
                client.logout(if keep { Logout::Keep } else { Logout::Discard }).await?;
                json!({})
            }
            Command::Stats => stats_json(&client.stats().await?),
            Command::Quit => json!({}),
        })
    }

    /// Gets a file, and holds it until it is released.
    fn download(&mut self, file: &Attachment) {
        let download = self.client.download(file);
        let reader = tokio::spawn(tell_download(file.key.clone(), download));
        let held = self.files.entry(file.key.clone()).or_default();
        held.push(HeldFile(reader));
    }

    /// What is open of a room from now on.
    fn show(&mut self, room: RoomId, open: OpenRoom) {
        if let Some(before) = self.open.insert(room, open) {
            before.reader.abort();
        }
    }

    fn timeline(&self, room: RoomId) -> Result<Arc<Timeline>, Error> {
        let open = self.open.get(&room).ok_or(Error::UnknownRoom(room))?;
        Ok(open.timeline.clone())
    }

    /// The newest event that an open room shows.
    fn newest(&self, room: RoomId) -> Result<Seq, Error> {
        let open = self.open.get(&room).ok_or(Error::UnknownRoom(room))?;
        let shown = open.rows();
        Ok(shown.iter().filter_map(|row| row.message()?.seq).max().unwrap_or_default())
    }

    fn snapshot(&self, room: Option<RoomId>) -> Value {
        let rooms: HashMap<String, Vec<Value>> = self
            .open
            .iter()
            .filter(|(id, _)| room.is_none_or(|wanted| wanted == **id))
            .map(|(id, open)| (id.to_string(), open.rows().iter().map(row_json).collect()))
            .collect();
        json!({"rooms": rooms})
    }
}

impl Drop for HeldFile {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl OpenList {
    fn start(name: String, list: RoomList) -> Self {
        let list = Arc::new(list);
        let reader = tokio::spawn(tell_list(name, list.clone()));
        Self { list, reader }
    }
}

impl OpenRoom {
    fn start(timeline: Timeline, thread: Option<EventId>) -> Self {
        let timeline = Arc::new(timeline);
        let rows = Arc::new(Mutex::new(Vec::new()));
        let reader = tokio::spawn(tell_timeline(timeline.clone(), rows.clone(), thread));
        Self { timeline, rows, reader }
    }

    fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn tell_timeline(
    timeline: Arc<Timeline>,
    rows: Arc<Mutex<Vec<Row>>>,
    thread: Option<EventId>,
) {
    let mut last = 0;
    while let Ok(batch) = timeline.next_after(last).await {
        last = batch.number;
        batch.update.apply(&mut rows.lock().unwrap_or_else(PoisonError::into_inner));
        let mut line = match &batch.update {
            TimelineUpdate::Reset { rows, unread_from, .. } => {
                let rows: Vec<Value> = rows.iter().map(row_json).collect();
                json!({"reset": rows, "unread_from": unread_from})
            }
            TimelineUpdate::Diff { changes, .. } => {
                json!({"changes": changes.iter().map(change_json).collect::<Vec<_>>()})
            }
        };
        line["event"] = "timeline".into();
        line["room"] = timeline.room_id().to_string().into();
        line["number"] = batch.number.into();
        line["more"] = batch.update.more_before().into();
        line["more_after"] = batch.update.more_after().into();
        if let Some(root) = thread {
            line["thread"] = root.to_string().into();
        }
        say(line);
    }
}

/// Tells how far a file is, and at last where. Then it holds the file.
async fn tell_download(key: FileKey, download: Download) {
    let mut progress = download.watch_progress();
    let got: Result<LocalFile, Error> = {
        let mut file = std::pin::pin!(download.file());
        loop {
            tokio::select! {
                biased;
                Ok(()) = progress.changed() => {
                    let Progress { bytes, size } = *progress.borrow_and_update();
                    say(json!({"event": "download", "file": key, "bytes": bytes, "size": size}));
                }
                got = &mut file => break got,
            }
        }
    };
    match &got {
        Ok(file) => say(json!({"event": "downloaded", "file": key, "path": file.path()})),
        Err(error) => {
            say(json!({"event": "downloaded", "file": key, "error": error_json(error)}));
        }
    }
    // Until it is released.
    std::future::pending::<()>().await;
    drop(got);
}

async fn tell_list(name: String, list: Arc<RoomList>) {
    let mut last = 0;
    while let Ok(batch) = list.next_after(last).await {
        last = batch.number;
        let mut line = list_json(&batch.update);
        line["event"] = "room_list".into();
        line["list"] = name.clone().into();
        line["number"] = batch.number.into();
        say(line);
    }
}

async fn tell_events(mut events: broadcast::Receiver<ClientEvent>) {
    loop {
        match events.recv().await {
            Ok(ClientEvent::Mode(report)) => say(mode_json(report)),
            Ok(ClientEvent::RoomsChanged) => say(json!({"event": "rooms_changed"})),
            Ok(ClientEvent::UnreadTotalChanged(total)) => {
                let mut line = unread_json(total);
                line["event"] = "unread_total".into();
                say(line);
            }
            Ok(ClientEvent::ProfilesChanged(users)) => {
                say(json!({"event": "profiles", "users": users}));
            }
            Ok(ClientEvent::BlockedChanged(users)) => {
                say(json!({"event": "blocked", "users": users}));
            }
            Ok(ClientEvent::PresenceChanged(changes)) => {
                let changes: Vec<Value> =
                    changes.iter().map(|(user, presence)| presence_json(user, *presence)).collect();
                say(json!({"event": "presence", "changes": changes}));
            }
            Ok(ClientEvent::TypingChanged { room, users }) => {
                say(json!({"event": "typing", "room": room, "users": users}));
            }
            Ok(ClientEvent::Problem(problem)) => say(problem_json(&problem)),
            Err(RecvError::Lagged(missed)) => {
                say(json!({"event": "missed", "events": missed}));
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// One line, whole: several tasks tell.
fn say(line: Value) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // Whoever started this and reads no more does not want to hear of it.
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}
