//! What a client shows, built from what its agent prints, and checked at every step: whatever
//! happens to network, server or process, a timeline is in order and shows nothing twice.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// A row of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A message or another event.
    Message(Message),
    /// Events that exist and are not here, both ends included.
    Gap(u64, u64),
}

/// A message or another event, as shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// Who sent it.
    pub sender: String,
    /// Its place in the room, once it has one.
    pub seq: Option<u64>,
    /// What kind of event it is.
    pub kind: String,
    /// Its text, if it is a `message`.
    pub text: Option<String>,
    /// `sending`, `waiting`, `failed`, `sent`, `delivered` or `read`.
    pub state: String,
    /// Of one's own message: how many others have it, how many have read it, how many there are.
    pub reach: Option<(u64, u64, u64)>,
    /// All of the row, as the agent told it.
    pub json: Value,
}

impl Message {
    /// Whether it is in the log: sent, and maybe more.
    pub fn is_sent(&self) -> bool {
        matches!(self.state.as_str(), "sent" | "delivered" | "read")
    }
}

impl Row {
    fn parse(row: &Value) -> Self {
        if let Some(gap) = row.get("gap") {
            return Row::Gap(gap[0].as_u64().unwrap(), gap[1].as_u64().unwrap());
        }
        Row::Message(Message {
            id: text(&row["id"]),
            sender: text(&row["sender"]),
            seq: row["seq"].as_u64(),
            kind: text(&row["kind"]),
            text: row["content"]["text"].as_str().map(str::to_owned),
            state: text(&row["state"]),
            reach: row.get("of").map(|of| {
                let count = |count: &Value| count.as_u64().unwrap();
                (count(&row["delivered_to"]), count(&row["read_by"]), count(of))
            }),
            json: row.clone(),
        })
    }

    /// The message, if it is one.
    pub fn message(&self) -> Option<&Message> {
        match self {
            Row::Message(message) => Some(message),
            Row::Gap(..) => None,
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

/// A room's timeline.
#[derive(Debug, Default)]
pub struct Timeline {
    /// The rows, oldest first.
    pub rows: Vec<Row>,
    /// Whether there are older messages.
    pub more: bool,
    /// Whether there are newer messages than those of the timeline.
    pub more_after: bool,
    /// Where what was unread began when it was opened.
    pub unread_from: Option<u64>,
    /// The states that each message was shown in, in order, over all openings of the room; what
    /// comes after `sent` is not among them.
    pub states: HashMap<String, Vec<String>>,
    /// Messages that were shown once and then were not, other than by a reset.
    pub vanished: Vec<String>,
    /// The number of the last update.
    number: u64,
}

impl Timeline {
    /// The messages, oldest first: rows that are no gaps.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.rows.iter().filter_map(Row::message)
    }

    /// The message with this id.
    pub fn message(&self, id: &str) -> Option<&Message> {
        self.messages().find(|message| message.id == id)
    }

    /// The texts shown, oldest first.
    pub fn texts(&self) -> Vec<&str> {
        self.messages().filter_map(|message| message.text.as_deref()).collect()
    }

    /// The gaps shown, oldest first.
    pub fn gaps(&self) -> Vec<(u64, u64)> {
        let gap = |row: &Row| match row {
            Row::Gap(from, to) => Some((*from, *to)),
            Row::Message(_) => None,
        };
        self.rows.iter().filter_map(gap).collect()
    }

    fn take(&mut self, line: &Value) -> Result<(), String> {
        let number = line["number"].as_u64().unwrap();
        self.more = line["more"].as_bool().unwrap();
        self.more_after = line["more_after"].as_bool().unwrap();
        if let Some(rows) = line.get("reset") {
            self.unread_from = line["unread_from"].as_u64();
            self.rows = rows.as_array().unwrap().iter().map(Row::parse).collect();
        } else {
            if number <= self.number {
                return Err(format!("update {number} came after {}", self.number));
            }
            let before: Vec<String> = self.messages().map(|message| message.id.clone()).collect();
            for change in line["changes"].as_array().unwrap() {
                self.change(change)?;
            }
            let now: HashSet<&str> = self.messages().map(|message| message.id.as_str()).collect();
            let gone: Vec<_> = before.into_iter().filter(|id| !now.contains(id.as_str())).collect();
            self.vanished.extend(gone);
        }
        self.number = number;
        self.check()
    }

    fn change(&mut self, change: &Value) -> Result<(), String> {
        let index = usize::try_from(change["index"].as_u64().unwrap()).unwrap();
        let op = change["op"].as_str().unwrap();
        let most = if op == "insert" { self.rows.len() } else { self.rows.len().wrapping_sub(1) };
        if self.rows.is_empty() && op != "insert" || index > most {
            return Err(format!("{op} at {index} of {} rows", self.rows.len()));
        }
        match op {
            "insert" => self.rows.insert(index, Row::parse(&change["row"])),
            "set" => self.rows[index] = Row::parse(&change["row"]),
            "remove" => drop(self.rows.remove(index)),
            other => return Err(format!("a change of kind {other}")),
        }
        Ok(())
    }

    /// What holds at every moment.
    fn check(&mut self) -> Result<(), String> {
        let mut ids = HashSet::new();
        let mut last = 0;
        let mut unsent = false;
        for row in &self.rows {
            let (from, to) = match row {
                Row::Gap(from, to) => (*from, *to),
                Row::Message(message) => {
                    if !ids.insert(&message.id) {
                        return Err(format!("{} is shown twice", message.id));
                    }
                    if message.is_sent() != message.seq.is_some() {
                        return Err(format!("{} has the wrong state", message.id));
                    }
                    let states = self.states.entry(message.id.clone()).or_default();
                    let state = if message.is_sent() { "sent" } else { &message.state };
                    if states.last().is_none_or(|last| last != state) {
                        if states.last().is_some_and(|state| state == "sent") {
                            return Err(format!("{} was sent and is not now", message.id));
                        }
                        states.push(state.to_owned());
                    }
                    match message.seq {
                        Some(seq) => (seq, seq),
                        None => {
                            unsent = true;
                            continue;
                        }
                    }
                }
            };
            if unsent || from <= last || to < from {
                return Err(format!("{from}..={to} stands behind {last}, unsent: {unsent}"));
            }
            last = to;
        }
        Ok(())
    }
}

/// A list of rooms, as its updates have built it.
#[derive(Debug, Default)]
pub struct List {
    /// The rows of the window, from top to bottom.
    pub rows: Vec<Value>,
    /// Where the window begins.
    pub first: u64,
    /// How many rooms there are in all.
    pub total: u64,
    number: u64,
}

impl List {
    /// The rooms of the window, from top to bottom.
    pub fn rooms(&self) -> Vec<&str> {
        self.rows.iter().filter_map(|row| row["room"].as_str()).collect()
    }

    /// The row of a room.
    pub fn row(&self, room: &str) -> Option<&Value> {
        self.rows.iter().find(|row| row["room"] == room)
    }

    fn take(&mut self, line: &Value) -> Result<(), String> {
        let number = line["number"].as_u64().unwrap();
        self.first = line["first"].as_u64().unwrap();
        self.total = line["total"].as_u64().unwrap();
        if let Some(rows) = line["reset"].as_array() {
            self.rows.clone_from(rows);
        } else {
            if number <= self.number {
                return Err(format!("update {number} came after {}", self.number));
            }
            for change in line["changes"].as_array().unwrap() {
                let index = usize::try_from(change["index"].as_u64().unwrap()).unwrap();
                let row = || change["row"].clone();
                match change["op"].as_str().unwrap() {
                    "insert" if index <= self.rows.len() => self.rows.insert(index, row()),
                    "set" if index < self.rows.len() => self.rows[index] = row(),
                    "remove" if index < self.rows.len() => drop(self.rows.remove(index)),
                    other => return Err(format!("{other} at {index} of {}", self.rows.len())),
                }
            }
        }
        self.number = number;
        let rooms: HashSet<&str> = self.rooms().into_iter().collect();
        if rooms.len() != self.rows.len() {
            return Err("a room is listed twice".into());
        }
        if self.first + self.rows.len() as u64 > self.total {
            return Err(format!("{} rows from {} of {}", self.rows.len(), self.first, self.total));
        }
        Ok(())
    }
}

/// Everything that an agent has told.
#[derive(Debug, Default)]
pub struct View {
    /// Every line, in order.
    pub lines: Vec<Value>,
    /// What it printed to stderr.
    pub stderr: Vec<String>,
    /// The modes told, with their reasons, in order.
    pub modes: Vec<(String, String)>,
    /// The problems told, in order.
    pub problems: Vec<Value>,
    /// Where others stand, as told last.
    pub presence: HashMap<String, Value>,
    /// Who types in which room, as told last.
    pub typing: HashMap<String, Vec<String>>,
    /// How often it told that rooms changed.
    pub rooms_changed: u64,
    /// The timelines of rooms that are or were open.
    pub timelines: HashMap<String, Timeline>,
    /// The lists of rooms, by the name that they were opened under.
    pub lists: HashMap<String, List>,
    /// The total of what is unread, as told last.
    pub unread_total: Option<Value>,
    /// Answers by the number of their question.
    pub(crate) replies: HashMap<u64, Value>,
    /// Whether its output has ended.
    pub ended: bool,
    /// The first broken promise.
    pub broken: Option<String>,
}

impl View {
    /// The mode, now.
    pub fn mode(&self) -> &str {
        self.modes.last().map_or("", |(mode, _)| mode)
    }

    /// The timeline of a room that was opened.
    ///
    /// # Panics
    /// If it was not.
    pub fn timeline(&self, room: &str) -> &Timeline {
        self.timelines.get(room).unwrap_or_else(|| panic!("{room} was never open"))
    }

    /// Whether a user was last told to stand there.
    pub fn stands(&self, user: &str, presence: &str) -> bool {
        self.presence.get(user).is_some_and(|told| told["presence"] == presence)
    }

    /// Who types in a room, as told last.
    pub fn typists(&self, room: &str) -> Vec<&str> {
        self.typing.get(room).into_iter().flatten().map(String::as_str).collect()
    }

    /// The row of a room in a list.
    pub fn listed(&self, list: &str, room: &str) -> Option<&Value> {
        self.lists.get(list)?.row(room)
    }

    /// Whether a problem of this name was told.
    pub fn has_problem(&self, name: &str) -> bool {
        self.problems.iter().any(|problem| problem["problem"] == name)
    }

    pub(crate) fn take(&mut self, line: Value) {
        match line["event"].as_str() {
            Some("timeline") => {
                let timeline = self.timelines.entry(text(&line["room"])).or_default();
                if let Err(broken) = timeline.take(&line) {
                    self.broken.get_or_insert(format!("{broken}, after {line}"));
                }
            }
            Some("mode") => self.modes.push((text(&line["mode"]), text(&line["reason"]))),
            Some("problem") => self.problems.push(line.clone()),
            Some("presence") => {
                for change in line["changes"].as_array().unwrap() {
                    self.presence.insert(text(&change["user"]), change.clone());
                }
            }
            Some("typing") => {
                let users = line["users"].as_array().unwrap().iter().map(text).collect();
                self.typing.insert(text(&line["room"]), users);
            }
            Some("room_list") => {
                let list = self.lists.entry(text(&line["list"])).or_default();
                if let Err(broken) = list.take(&line) {
                    self.broken.get_or_insert(format!("{broken}, after {line}"));
                }
            }
            Some("unread_total") => self.unread_total = Some(line.clone()),
            Some("rooms_changed") => self.rooms_changed += 1,
            Some("reply") => {
                if let Some(id) = line["id"].as_u64() {
                    self.replies.insert(id, line.clone());
                }
            }
            _ => {}
        }
        self.lines.push(line);
    }

    /// The end of the log, for the report of a failure.
    pub fn tail(&self) -> String {
        let skipped = self.lines.len().saturating_sub(40);
        let mut tail = format!("({skipped} lines before)\n");
        for line in self.lines.iter().skip(skipped) {
            let mut line = line.to_string();
            if line.len() > 600 {
                let end = (0..=600).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
                line.truncate(end);
                line.push('…');
            }
            tail.push_str(&line);
            tail.push('\n');
        }
        for line in self.stderr.iter().rev().take(20).rev() {
            tail.push_str("stderr: ");
            tail.push_str(line);
            tail.push('\n');
        }
        tail
    }
}
