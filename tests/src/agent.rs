//! One client: an agent process, what it is asked and what it shows.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

use crate::PATIENCE;
use crate::binaries::binaries;
use crate::view::{Message, View};

/// How an agent is started: again and again the same, if it is wanted.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The server's address.
    pub url: String,
    /// Whose client it is.
    pub user: String,
    /// The token, if it has one.
    pub token: Option<String>,
    /// The folder for its data; without it everything is in memory.
    pub data: Option<PathBuf>,
    /// Further flags.
    pub flags: Vec<String>,
    /// A program and its arguments that start the agent, see [`crate::disk`].
    pub wrapper: Vec<String>,
}

impl Setup {
    /// With the flags that let a test see in a second what takes a user half a minute.
    pub fn new(url: impl Into<String>, user: &str) -> Self {
        let setup = Self {
            url: url.into(),
            user: user.to_owned(),
            token: None,
            data: None,
            flags: Vec::new(),
            wrapper: Vec::new(),
        };
        setup
            .knob("polling-interval-ms", 200)
            .knob("slow-polling-interval-ms", 200)
            .knob("background-heartbeat-interval-ms", 1_000)
            .knob("spread-ms", 0)
            .knob("message-buffer-time-ms", 100)
    }

    /// Sets a knob; a later one replaces an earlier one.
    #[must_use]
    pub fn knob(mut self, name: &str, value: u64) -> Self {
        let name = format!("--{name}=");
        self.flags.retain(|flag| !flag.starts_with(&name));
        self.flags.push(format!("{name}{value}"));
        self
    }

    /// Started by the system, with nobody looking.
    #[must_use]
    pub fn in_background(mut self) -> Self {
        self.flags.push("--app-state=background".into());
        self
    }

    /// With this token.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// With its data in this folder.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Sets one of the agent's flags that have no value.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        self.flags.push(format!("--{name}"));
        self
    }

    /// Started by another program.
    #[must_use]
    pub fn wrapped(mut self, wrapper: Vec<String>) -> Self {
        self.wrapper = wrapper;
        self
    }

    /// The client's database.
    ///
    /// # Panics
    /// If there is none yet.
    pub fn database(&self) -> PathBuf {
        let data = self.data.as_deref().expect("the client has a folder");
        database_in(data).unwrap_or_else(|| panic!("no database in {}", data.display()))
    }
}

/// The one account's database in a client's folder.
pub fn database_in(data: &Path) -> Option<PathBuf> {
    let accounts = std::fs::read_dir(data).ok()?;
    accounts
        .filter_map(|entry| Some(entry.ok()?.path().join("tidewire.db")))
        .find(|path| path.exists())
}

/// A running agent. Killed when dropped.
#[derive(Debug)]
pub struct Agent {
    /// Whose client it is.
    pub user: String,
    child: Child,
    stdin: Mutex<Option<ChildStdin>>,
    view: watch::Receiver<View>,
    questions: AtomicU64,
}

impl Agent {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    /// If it does not get ready.
    pub async fn start(setup: &Setup) -> Self {
        match Self::try_start(setup).await {
            Ok(agent) => agent,
            Err(fatal) => panic!("{}'s agent did not start: {fatal}", setup.user),
        }
    }

    /// The same, for an agent that may say why it can not work.
    ///
    /// # Errors
    /// What it said.
    ///
    /// # Panics
    /// If it says nothing.
    pub async fn try_start(setup: &Setup) -> Result<Self, Value> {
        let agent = &binaries().agent;
        let mut command = match setup.wrapper.split_first() {
            Some((wrapper, arguments)) => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(agent);
                command
            }
            None => Command::new(agent),
        };
        command.args(["--server", &setup.url, "--user", &setup.user]);
        if let Some(token) = &setup.token {
            command.args(["--token", token]);
        }
        if let Some(data) = &setup.data {
            command.arg("--data").arg(data);
        }
        let mut child = command
            .args(&setup.flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the agent starts");
        let (sender, view) = watch::channel(View::default());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut errors = BufReader::new(child.stderr.take().unwrap()).lines();
        let telling = sender.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str(&line) {
                    Ok(line) => telling.send_modify(|view| view.take(line)),
                    Err(_) => telling.send_modify(|view| {
                        view.broken.get_or_insert(format!("no JSON: {line}"));
                    }),
                }
            }
            telling.send_modify(|view| view.ended = true);
        });
        tokio::spawn(async move {
            while let Ok(Some(line)) = errors.next_line().await {
                sender.send_modify(|view| view.stderr.push(line));
            }
        });
        let stdin = Mutex::new(child.stdin.take());
        let user = setup.user.clone();
        let mut agent = Self { user, child, stdin, view, questions: AtomicU64::new(1) };
        agent.until_ended_or("it starts", |view| !view.lines.is_empty()).await;
        let first = agent.view().lines.first().cloned().unwrap_or_default();
        if first["event"] == "ready" {
            return Ok(agent);
        }
        // Its folder is free only once it is gone.
        agent.child.kill().await.expect("the agent ends");
        Err(first)
    }

    /// What it has told so far.
    pub fn view(&self) -> watch::Ref<'_, View> {
        self.view.borrow()
    }

    /// Waits until what it shows is as wanted.
    ///
    /// # Panics
    /// If it never is, if the agent ends, and if a promise is broken meanwhile.
    pub async fn until(&self, what: &str, mut wanted: impl FnMut(&View) -> bool) {
        let mut met = false;
        self.until_ended_or(what, |view| {
            met = wanted(view);
            met
        })
        .await;
        let view = self.view();
        assert!(met, "{} ended before {what}\n{}", self.user, view.tail());
    }

    async fn until_ended_or(&self, what: &str, mut wanted: impl FnMut(&View) -> bool) {
        let mut view = self.view.clone();
        let waited = view.wait_for(|view| view.broken.is_some() || wanted(view) || view.ended);
        let in_time = timeout(PATIENCE, waited).await.is_ok();
        let view = self.view();
        if let Some(broken) = &view.broken {
            panic!("{} broke a promise: {broken}\n{}", self.user, view.tail());
        }
        assert!(in_time, "{} waits in vain: {what}\n{}", self.user, view.tail());
    }

    /// Asks something. Gives the answer or the error.
    ///
    /// # Errors
    /// As told: `error`, `message`, `temporary`.
    pub async fn ask(&self, mut question: Value) -> Result<Value, Value> {
        let id = self.questions.fetch_add(1, Ordering::Relaxed);
        question["id"] = id.into();
        let line = format!("{question}\n");
        let mut stdin = self.stdin.lock().await;
        let written = match stdin.as_mut() {
            Some(stdin) => stdin.write_all(line.as_bytes()).await,
            None => panic!("{} has been told to quit", self.user),
        };
        drop(stdin);
        assert!(written.is_ok(), "{} hears nothing\n{}", self.user, self.view().tail());
        self.until(&format!("the answer to {question}"), |view| view.replies.contains_key(&id))
            .await;
        let answer = self.view().replies[&id].clone();
        if answer.get("error").is_some() {
            Err(answer["error"].clone())
        } else {
            Ok(answer["ok"].clone())
        }
    }

    /// Asks something of an agent that may die of it. Gives nothing if it has died without an answer.
    pub async fn ask_or_die(&self, mut question: Value) -> Option<Result<Value, Value>> {
        let id = self.questions.fetch_add(1, Ordering::Relaxed);
        question["id"] = id.into();
        let line = format!("{question}\n");
        if let Some(stdin) = self.stdin.lock().await.as_mut() {
            // A dead one hears nothing.
            let _ = stdin.write_all(line.as_bytes()).await;
        }
        self.until_ended_or("an answer or the end", |view| view.replies.contains_key(&id)).await;
        let answer = self.view().replies.get(&id).cloned()?;
        let error = answer.get("error").cloned();
        Some(error.map_or_else(|| Ok(answer["ok"].clone()), Err))
    }

    /// Waits until what it shows is as wanted, or it has died. Gives whether it lives.
    ///
    /// # Panics
    /// If neither comes to be, and if a promise is broken meanwhile.
    pub async fn lives_until(&self, what: &str, mut wanted: impl FnMut(&View) -> bool) -> bool {
        let mut met = false;
        self.until_ended_or(what, |view| {
            met = wanted(view);
            met
        })
        .await;
        met
    }

    /// Asks something that has to succeed.
    ///
    /// # Panics
    /// If it does not.
    pub async fn must(&self, question: Value) -> Value {
        let asked = question.to_string();
        match self.ask(question).await {
            Ok(answer) => answer,
            Err(error) => panic!("{}: {asked}: {error}\n{}", self.user, self.view().tail()),
        }
    }

    /// Creates a group, opens it and gives its id.
    pub async fn create_room(&self, members: &[&str]) -> String {
        let room = self
            .must(json!({"cmd": "create_room", "name": "Harbour", "members": members}))
            .await["room"]
            .as_str()
            .unwrap()
            .to_owned();
        self.open(&room).await;
        room
    }

    /// Opens a room, once the client knows it.
    pub async fn open(&self, room: &str) {
        loop {
            let changed = self.view().rooms_changed;
            match self.ask(json!({"cmd": "open_room", "room": room})).await {
                Ok(_) => break,
                Err(error) if error["error"] == "unknown_room" => {
                    self.until("the room is known", |view| view.rooms_changed > changed).await;
                }
                Err(error) => panic!("{} can not open {room}: {error}", self.user),
            }
        }
        self.until("the timeline", |view| view.timelines.contains_key(room)).await;
    }

    /// Sends a text and gives its id: by then it is on disk.
    pub async fn send(&self, room: &str, text: &str) -> String {
        let answer = self.must(json!({"cmd": "send", "room": room, "text": text})).await;
        answer["message"].as_str().unwrap().to_owned()
    }

    /// Sends `USER NUMBER` for each number, one after the other, and gives the ids.
    pub async fn send_numbers(
        &self,
        room: &str,
        numbers: std::ops::RangeInclusive<u32>,
    ) -> Vec<String> {
        let mut ids = Vec::new();
        for number in numbers {
            ids.push(self.send(room, &format!("{} {number}", self.user)).await);
        }
        ids
    }

    /// Waits until all of these are shown as sent.
    pub async fn sees(&self, room: &str, ids: &[String]) {
        let shown = |view: &View| {
            let timeline = view.timelines.get(room);
            timeline.is_some_and(|timeline| {
                ids.iter().all(|id| timeline.message(id).is_some_and(Message::is_sent))
            })
        };
        self.until(&format!("{} messages are sent", ids.len()), shown).await;
    }

    /// Waits until a text is shown as sent, and gives its message.
    pub async fn sees_text(&self, room: &str, text: &str) -> Message {
        let find = |view: &View| {
            let mut messages = view.timelines.get(room)?.messages();
            let of_text = |m: &&Message| m.text.as_deref() == Some(text) && m.is_sent();
            messages.find(of_text).cloned()
        };
        self.until(&format!("`{text}` is sent"), |view| find(view).is_some()).await;
        find(&self.view()).unwrap()
    }

    /// The message with this id, as shown now.
    ///
    /// # Panics
    /// If it is not.
    pub fn message(&self, room: &str, id: &str) -> Message {
        let view = self.view();
        let message = view.timeline(room).message(id).cloned();
        message.unwrap_or_else(|| panic!("{} does not show {id}\n{}", self.user, view.tail()))
    }

    /// Sets the app's own ceiling and waits for the mode that follows.
    pub async fn ceiling(&self, mode: &str) {
        self.must(json!({"cmd": "set_ceiling", "mode": mode})).await;
        self.in_mode(mode).await;
    }

    /// Fetches all that is missing of a room that is open, as a reader does who scrolls through it.
    ///
    /// # Panics
    /// If the server does not give it.
    pub async fn fill_gaps(&self, room: &str) {
        loop {
            let gap = self.view().timeline(room).gaps().last().copied();
            let Some((from, to)) = gap else { return };
            self.must(json!({"cmd": "fill_gap", "room": room, "from": from, "to": to})).await;
            self.until("the gap shrinks", |view| {
                view.timeline(room).gaps().last().copied() != Some((from, to))
            })
            .await;
        }
    }

    /// Waits until the list of rooms has this one at this seq or above, whether or not it is open.
    pub async fn knows(&self, room: &str, seq: u64) {
        loop {
            let changes = self.view().rooms_changed;
            let rooms = self.must(json!({"cmd": "rooms"})).await;
            let rooms = rooms["rooms"].as_array().expect("rooms");
            let state = rooms.iter().map(|room| &room["state"]).find(|state| state["id"] == *room);
            if state.is_some_and(|state| state["head_seq"].as_u64() >= Some(seq)) {
                return;
            }
            let what = format!("{room} is known at {seq}");
            self.until(&what, |view| view.rooms_changed > changes).await;
        }
    }

    /// Tells what the network is.
    pub async fn network(&self, kind: &str) {
        self.must(json!({"cmd": "set_network", "kind": kind})).await;
    }

    /// Waits until the mode is this.
    pub async fn in_mode(&self, mode: &str) {
        self.until(&format!("the mode is {mode}"), |view| view.mode() == mode).await;
    }

    /// Waits for a problem of this name.
    pub async fn has_problem(&self, name: &str) {
        self.until(&format!("the problem {name}"), |view| view.has_problem(name)).await;
    }

    /// A counter, by its path in the answer to `stats`.
    pub async fn stat(&self, pointer: &str) -> u64 {
        let stats = self.must(json!({"cmd": "stats"})).await;
        stats.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{stats}"))
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the agent runs")
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the agent can be killed");
    }

    /// Asks it to end, and waits until it has, with success.
    ///
    /// # Panics
    /// If it does not.
    pub async fn quit(mut self) {
        let stdin = self.stdin.lock().await.take();
        if let Some(mut stdin) = stdin {
            // One that has ended already is found out below.
            let _ = stdin.write_all(b"{\"cmd\": \"quit\"}\n").await;
        }
        let ended = timeout(PATIENCE, self.child.wait()).await;
        let Ok(Ok(status)) = ended else {
            panic!("{} does not end\n{}", self.user, self.view().tail());
        };
        assert!(status.success(), "{} ended with {status}\n{}", self.user, self.view().tail());
    }
}
