//! What the app was promised, and whether it was kept: what returned with success is there in the end,
//! once, in order; what did not return may or may not be.

use std::collections::{BTreeSet, HashMap};

use tidewire::engine::{Command, CommandId};
use tidewire::simulation::{Broken, Simulation};
use tidewire::{
    Content, EventId, EventKind, MessageContent, OnFailure, RoomId, SendOptions, Seq,
    SettingsChange,
};
use tidewire_protocol::{DeleteContent, EditContent, ReactionContent};

/// Something that the user does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A message.
    Send,
    /// One with files.
    SendFiles,
    /// One that quotes another.
    Reply,
    /// Another text for a message.
    Edit,
    /// No message any more.
    Delete,
    /// A mark on a message.
    React,
    /// All is read.
    MarkRead,
    /// What failed is sent again.
    Retry,
    /// What failed is given up.
    Discard,
    /// A message is taken back, however far it is.
    Cancel,
    /// Something begun.
    Draft,
    /// A room muted, or not any more.
    Settings,
}

impl Act {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Send,
        Self::SendFiles,
        Self::Reply,
        Self::Edit,
        Self::Delete,
        Self::React,
        Self::MarkRead,
        Self::Retry,
        Self::Discard,
        Self::Cancel,
        Self::Draft,
        Self::Settings,
    ];
}

/// How a message went out of the outbox by the user's will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// Deleted, or as if it had never been.
    Deleted,
    /// As if it had never been.
    Discarded,
}

#[derive(Debug)]
struct Said {
    room: RoomId,
    id: EventId,
    /// Whether it holds nothing up if it fails, or waits for files: then others may overtake it.
    aside: bool,
    text: String,
    /// How many files it has.
    files: usize,
    send: CommandId,
    edits: Vec<(String, CommandId)>,
    gone: Vec<(Gone, CommandId)>,
    marks: Vec<CommandId>,
}

/// What one user has done on one client.
#[derive(Debug, Default)]
pub struct Promises {
    client: usize,
    said: Vec<Said>,
    read: Vec<(RoomId, Seq, CommandId)>,
    drafts: Vec<(RoomId, String, CommandId)>,
    muted: Vec<(RoomId, bool, CommandId)>,
    number: u32,
}

/// The mark that the user puts on messages.
const MARK: &str = "+1";

impl Promises {
    /// Of this client.
    pub fn of(client: usize) -> Self {
        Self { client, ..Self::default() }
    }

    /// The user does something in a room, if there is anything to do it to.
    pub fn act(&mut self, simulation: &mut Simulation, act: Act, room: RoomId) {
        self.number += 1;
        let text = format!("number {}", self.number);
        match act {
            Act::Send => self.say(simulation, room, MessageContent::of_text(text), false),
            Act::SendFiles => self.say_with_files(simulation, room, text),
            Act::Reply => {
                let target = self.target(simulation, room);
                let reply_to = target.map(|at| self.said[at].id);
                let content = MessageContent { reply_to, ..MessageContent::of_text(text) };
                self.say(simulation, room, content, false);
                // It waits for what it quotes.
                if let (Some(at), Some(reply)) = (target, self.said.len().checked_sub(1)) {
                    self.said[reply].aside |= self.said[at].aside;
                }
            }
            Act::Edit => {
                let Some(at) = self.target(simulation, room) else { return };
                let content = MessageContent::of_text(text.clone());
                let edit = EditContent { target: self.said[at].id, content };
                let command = self.operate(simulation, room, EventKind::Edit, &edit);
                self.said[at].edits.push((text, command));
            }
            Act::Delete => {
                let Some(at) = self.target(simulation, room) else { return };
                let delete = DeleteContent { target: self.said[at].id };
                let command = self.operate(simulation, room, EventKind::Delete, &delete);
                self.said[at].gone.push((Gone::Deleted, command));
            }
            Act::React => {
                let Some(at) = self.target(simulation, room) else { return };
                let (target, key) = (self.said[at].id, MARK.to_owned());
                let mark = ReactionContent { target, key, removed: false };
                let command = self.operate(simulation, room, EventKind::Reaction, &mark);
                self.said[at].marks.push(command);
            }
            Act::MarkRead => {
                let rooms = simulation.client(self.client).stored().rooms;
                let Some(row) = rooms.iter().find(|row| row.state.id == room) else { return };
                let head = row.state.head_seq;
                let command = simulation.client(self.client).mark_read_to(room, head);
                self.read.push((room, head, command));
            }
            Act::Retry | Act::Discard => {
                let outbox = simulation.client(self.client).stored().outbox;
                let failed = outbox.iter().filter(|row| row.failed.is_some());
                let Some(id) = failed.map(|row| row.op.id).next() else { return };
                let ask = if act == Act::Retry { Command::Retry } else { Command::Discard };
                let command = simulation.client(self.client).command(ask(id));
                if act == Act::Discard
                    && let Some(said) = self.said.iter_mut().find(|said| said.id == id)
                {
                    said.gone.push((Gone::Discarded, command));
                }
            }
            Act::Cancel => {
                let Some(at) = self.target(simulation, room) else { return };
                let command = simulation.client(self.client).cancel(room, self.said[at].id);
                self.said[at].gone.push((Gone::Deleted, command));
            }
            Act::Draft => {
                let draft = Command::SetDraft { room, text: Some(text.clone()) };
                let command = simulation.client(self.client).command(draft);
                self.drafts.push((room, text, command));
            }
            Act::Settings => {
                let muted = self.number.is_multiple_of(2);
                let change = SettingsChange { muted: Some(muted), ..SettingsChange::default() };
                let set = Command::SetSettings(room, change);
                let command = simulation.client(self.client).command(set);
                self.muted.push((room, muted, command));
            }
        }
    }

    /// Says something that holds nothing up if it fails.
    pub fn say_aside(&mut self, simulation: &mut Simulation, room: RoomId) {
        self.number += 1;
        let content = MessageContent::of_text(format!("number {}", self.number));
        self.say(simulation, room, content, true);
    }

    fn say(
        &mut self,
        simulation: &mut Simulation,
        room: RoomId,
        message: MessageContent,
        skip: bool,
    ) {
        let Ok(content) = Content::of(&message) else { return };
        let on_failure = if skip { OnFailure::Skip } else { OnFailure::Hold };
        let options = SendOptions { on_failure, ..SendOptions::default() };
        let mut client = simulation.client(self.client);
        let (id, send) = client.operate_with(room, EventKind::Message, content, options);
        self.said.push(Said {
            room,
            id,
            aside: skip,
            text: message.text,
            files: 0,
            send,
            edits: Vec::new(),
            gone: Vec::new(),
            marks: Vec::new(),
        });
    }

    /// Every other one does not hold its place: then others may overtake it.
    fn say_with_files(&mut self, simulation: &mut Simulation, room: RoomId, text: String) {
        let ordered = self.number.is_multiple_of(2);
        let options = SendOptions { ordered, ..SendOptions::default() };
        let byte = self.number.to_le_bytes()[0];
        let files = vec![vec![byte; 2_500], vec![byte; 10]];
        let count = files.len();
        let mut client = simulation.client(self.client);
        let (id, send) = client.send_files(room, &text, files, options);
        self.said.push(Said {
            room,
            id,
            aside: !ordered,
            text,
            files: count,
            send,
            edits: Vec::new(),
            gone: Vec::new(),
            marks: Vec::new(),
        });
    }

    fn operate<T: serde::Serialize>(
        &self,
        simulation: &mut Simulation,
        room: RoomId,
        kind: EventKind,
        content: &T,
    ) -> CommandId {
        let content = Content::of(content)
            .unwrap_or_else(|error| unreachable!("these contents have a JSON: {error}"));
        simulation.client(self.client).operate(room, kind, content).1
    }

    /// The newest message of a room that the app knows to be queued, and that the user has not done
    /// away with.
    fn target(&self, simulation: &mut Simulation, room: RoomId) -> Option<usize> {
        let client = simulation.client(self.client);
        let stands = |said: &Said| {
            said.room == room && said.gone.is_empty() && client.succeeded(said.send) == Some(true)
        };
        self.said.iter().rposition(stands)
    }

    /// Whether everything was kept. To be asked once nothing is on its way any more.
    ///
    /// # Errors
    /// The first that was not.
    pub fn check(&self, simulation: &mut Simulation) -> Result<(), Broken> {
        for said in &self.said {
            self.check_said(simulation, said)?;
        }
        self.check_order(simulation)?;
        let copies = simulation.client(self.client).look().copies.len();
        if copies > 0 {
            return broken(format!("{copies} copies of files are left"));
        }
        let user = simulation.client(self.client).user();
        for (room, seq, command) in &self.read {
            let receipts = &simulation.server.rooms[room].receipts;
            let read = receipts.get(&user).map(|(receipt, _)| receipt.read).unwrap_or_default();
            if self.succeeded(simulation, *command) == Some(true) && read < *seq {
                return broken(format!("{room} was read to {seq}, the server knows {read}"));
            }
        }
        let drafts = simulation.client(self.client).stored().drafts;
        for room in self.drafts.iter().map(|(room, ..)| *room).collect::<BTreeSet<_>>() {
            let set = self.drafts.iter().filter(|(of, ..)| *of == room);
            let may =
                self.possible(simulation, None, set.map(|(_, text, command)| (text, *command)));
            let there = drafts.iter().find(|draft| draft.room == room).map(|draft| &draft.text);
            if !may.contains(&there) {
                return broken(format!("the draft is {there:?}, it should be of {may:?}"));
            }
        }
        for room in self.muted.iter().map(|(room, ..)| *room).collect::<BTreeSet<_>>() {
            let set = self.muted.iter().filter(|(of, ..)| *of == room);
            let off = Some(&false);
            let may = self.possible(simulation, off, set.map(|(_, on, command)| (on, *command)));
            let state = simulation.server.state_for(&user, room);
            let muted = state.map(|state| state.settings.muted).unwrap_or_default();
            if !may.contains(&Some(&muted)) {
                return broken(format!("{room} is muted: {muted}, it should be of {may:?}"));
            }
        }
        Ok(())
    }

    fn succeeded(&self, simulation: &mut Simulation, command: CommandId) -> Option<bool> {
        simulation.client(self.client).succeeded(command)
    }

    /// What may stand after these, in order: the last that was accepted, and what came after it
    /// and was not answered.
    fn possible<'a, T>(
        &self,
        simulation: &mut Simulation,
        first: Option<&'a T>,
        sets: impl Iterator<Item = (&'a T, CommandId)>,
    ) -> Vec<Option<&'a T>> {
        let mut may = vec![first];
        for (value, command) in sets {
            match self.succeeded(simulation, command) {
                Some(true) => may = vec![Some(value)],
                Some(false) => {}
                None => may.push(Some(value)),
            }
        }
        may
    }

    fn check_said(&self, simulation: &mut Simulation, said: &Said) -> Result<(), Broken> {
        let Said { room, id, .. } = said;
        let user = simulation.client(self.client).user();
        let accepted = self.succeeded(simulation, said.send);
        let now = simulation.server.rooms[room].now(*id, &user);
        let ends: Vec<(Gone, Option<bool>)> = said
            .gone
            .iter()
            .map(|(gone, command)| (*gone, self.succeeded(simulation, *command)))
            .filter(|(_, accepted)| *accepted != Some(false))
            .collect();
        let must_go = |gone: Gone| ends.contains(&(gone, Some(true)));
        let Some(now) = now else {
            return match accepted {
                Some(true) if ends.is_empty() => broken(format!("{id} was accepted, and is lost")),
                _ => Ok(()),
            };
        };
        if accepted == Some(false) {
            return broken(format!("{id} was refused here, and has arrived"));
        }
        if must_go(Gone::Discarded) {
            return broken(format!("{id} was discarded, and has arrived"));
        }
        let fold = now.fold.clone().unwrap_or_default();
        if fold.deleted.is_some() {
            return match ends.is_empty() {
                true => broken(format!("{id} is deleted, and nobody did it")),
                false => Ok(()),
            };
        }
        if must_go(Gone::Deleted) {
            return broken(format!("{id} was deleted, and stands"));
        }
        let edits = said.edits.iter().map(|(text, command)| (text, *command));
        let may = self.possible(simulation, Some(&said.text), edits);
        let MessageContent { text, attachments, .. } = now.content.parse().unwrap_or_default();
        if attachments.len() != said.files {
            let (has, files) = (attachments.len(), said.files);
            return broken(format!("{id} lists {has} files, it should list {files}"));
        }
        if !may.contains(&Some(&text)) {
            return broken(format!("{id} says {text:?}, it should say one of {may:?}"));
        }
        let marked = fold.reactions.iter().any(|one| one.key == MARK && one.mine);
        let wanted =
            said.marks.iter().any(|command| self.succeeded(simulation, *command) == Some(true));
        if wanted && !marked {
            return broken(format!("the mark on {id} is lost"));
        }
        Ok(())
    }

    /// Nothing stands twice, under whatever id, and what is there is in the order in which it was
    /// said.
    fn check_order(&self, simulation: &mut Simulation) -> Result<(), Broken> {
        let places: HashMap<EventId, usize> = self
            .said
            .iter()
            .enumerate()
            .filter(|(_, said)| !said.aside)
            .map(|(at, said)| (said.id, at))
            .collect();
        for room in self.said.iter().map(|said| said.room).collect::<BTreeSet<_>>() {
            let log = &simulation.server.rooms[&room].log;
            let there: Vec<usize> =
                log.iter().filter_map(|event| places.get(&event.id).copied()).collect();
            if !there.is_sorted() {
                return broken(format!("{room} has them in the order {there:?}"));
            }
            let mut ids = BTreeSet::new();
            if let Some(twice) = log.iter().find(|event| !ids.insert(event.id)) {
                return broken(format!("{} stands twice in {room}", twice.id));
            }
            let mut texts = BTreeSet::new();
            for event in log.iter().filter(|event| event.kind == EventKind::Message) {
                let text = event.content.parse::<MessageContent>().map(|content| content.text);
                let text = text.unwrap_or_default();
                if text.starts_with("number ") && !texts.insert(text.clone()) {
                    return broken(format!("`{text}` was sent twice into {room}"));
                }
            }
        }
        Ok(())
    }
}

fn broken(what: String) -> Result<(), Broken> {
    Err(Broken(what))
}
