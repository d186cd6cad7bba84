//! Timelines that open and close: at the newest, at the first unread, around a message, in a thread.
//! The disk is asked first; the server only where that has a hole.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidewire_protocol::{ErrorCode, EventId, EventKind, HistoryAnchor, RoomId, Seq};

use super::history::Goal;
use super::message::Message;
use super::rows::TimelineUpdate;
use super::window::{END, Of, Start, Window};
use super::windows::WindowKey;
use crate::defaults;
use crate::engine::Engine;
use crate::engine::command::Reply;
use crate::engine::disk::loads::LoadPurpose;
use crate::engine::effect::{CommandId, Notice, Request, RequestError, TimelineId};
use crate::engine::query::Query;
use crate::engine::rooms::heads::Entry;
use crate::engine::stats::Tier;
use crate::error::Error;

/// Where a timeline opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimelineStart {
    /// At the newest messages.
    Newest,
    /// Around the first message that the user has not read; at the newest if there is none.
    FirstUnread,
    /// Around this message.
    Message(EventId),
    /// Around this place; at the newest if that is beyond the room's end, at the oldest if it is
    /// before its beginning.
    Seq(Seq),
}

/// An open timeline.
#[derive(Debug)]
pub(crate) struct View {
    /// What it shows; none while it is being opened.
    pub(crate) window: Option<WindowKey>,
    unread_from: Option<Seq>,
}

/// A message that a timeline is to be opened at, and that has to be found first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finding {
    pub(crate) command: CommandId,
    pub(crate) timeline: TimelineId,
    pub(crate) room: RoomId,
    pub(crate) message: EventId,
    /// Whether its thread is to be shown, and not the room around it.
    pub(crate) thread: bool,
}

impl Engine {
    pub(crate) fn open_timeline(
        &mut self,
        command: CommandId,
        timeline: TimelineId,
        room: RoomId,
        start: TimelineStart,
    ) {
        if !self.begin_view(command, timeline, room) {
            return;
        }
        let unread_from = self.timelines.get(&timeline).and_then(|view| view.unread_from);
        match (start, unread_from) {
            (TimelineStart::Newest, _) | (TimelineStart::FirstUnread, None) => {
                self.open_newest(command, timeline, room);
            }
            (TimelineStart::FirstUnread, Some(seq)) | (TimelineStart::Seq(seq), _) => {
                self.open_around(command, timeline, room, seq);
            }
            (TimelineStart::Message(message), _) => {
                self.find(Finding { command, timeline, room, message, thread: false });
            }
        }
    }

    pub(crate) fn open_thread(
        &mut self,
        command: CommandId,
        timeline: TimelineId,
        room: RoomId,
        root: EventId,
    ) {
        if self.begin_view(command, timeline, room) {
            self.find(Finding { command, timeline, room, message: root, thread: true });
        }
    }

    fn begin_view(&mut self, command: CommandId, timeline: TimelineId, room: RoomId) -> bool {
        if !self.rooms.contains_key(&room) {
            self.reply(command, Err(Error::UnknownRoom(room)));
            return false;
        }
        let unread_from = self.heads.rooms.get(&room).and_then(Entry::unread_from);
        self.timelines.insert(timeline, View { window: None, unread_from });
        self.interest.changed();
        self.watching.again = true;
        self.note_opened(room);
        true
    }

    fn open_newest(&mut self, command: CommandId, timeline: TimelineId, room: RoomId) {
        match self.windows.live(room) {
            Some((key, _)) => self.join(command, timeline, key),
            None => {
                let key = self.new_window(room, Of::Room, Start::Newest);
                self.join(command, timeline, key);
                self.fill(key);
            }
        }
    }

    /// Opens around a place: in a window that is there, from the disk, or from the server.
    fn open_around(&mut self, command: CommandId, timeline: TimelineId, room_id: RoomId, seq: Seq) {
        let Some(room) = self.rooms.get(&room_id) else {
            self.reply(command, Err(Error::UnknownRoom(room_id)));
            return;
        };
        let seq = seq.max(room.state.first_seq).max(Seq::new(1));
        let held = room.held.contains(seq);
        if !held && seq > room.feed_seq {
            // It is on its way to the newest, if there is such a place.
            self.open_newest(command, timeline, room_id);
            return;
        }
        let live = self.windows.live(room_id);
        let there = live.filter(|(_, window)| held && window.loaded && window.contains(seq));
        if let Some((key, _)) = there {
            self.join(command, timeline, key);
        } else if held && (!self.online() || room.holds_around(seq)) {
            let key = self.new_window(room_id, Of::Room, Start::Around(seq));
            self.join(command, timeline, key);
            self.fill(key);
        } else {
            let key = self.new_window(room_id, Of::Room, Start::Server(seq));
            if let Some(view) = self.timelines.get_mut(&timeline) {
                view.window = Some(key);
            }
            let (anchor, limit) = (HistoryAnchor::Around(seq), defaults::TIMELINE_PAGE);
            let goal = Goal::Open(key, timeline);
            self.fetch_history(room_id, anchor, limit, Some(command), goal, None);
        }
    }

    fn new_window(&mut self, room: RoomId, of: Of, start: Start) -> WindowKey {
        let used = self.windows.next_use();
        let (user, blocked) = (self.config.user.clone(), self.blocks.shown().clone());
        self.windows.insert(room, Window::new(of, user, blocked, start, used))
    }

    /// A timeline shows this window from now on, or as soon as that has its first messages.
    fn join(&mut self, command: CommandId, timeline: TimelineId, key: WindowKey) {
        let used = self.windows.next_use();
        let Some(window) = self.windows.get_mut(key) else { return };
        window.used = used;
        if let Some(view) = self.timelines.get_mut(&timeline) {
            view.window = Some(key);
        }
        if window.loaded {
            self.read(Tier::Memory, 0);
            self.flush_window(key);
            self.attach(timeline, key);
            self.reply(command, Ok(Reply::Opened));
        } else {
            window.waiting.push((command, timeline));
        }
    }

    /// Looks for a message: in memory, on disk, and then at the server.
    pub(crate) fn find(&mut self, finding: Finding) {
        let Finding { command, timeline, room, message: id, thread } = finding;
        if self.has_gone(finding) {
            return;
        }
        let in_memory = self.windows.of(room).find_map(|(_, window)| window.message(id)).cloned();
        if let Some(message) = in_memory {
            self.found(finding, message);
        } else if !thread && self.outbox.get(id).is_some() {
            // It is going to be the newest.
            self.open_newest(command, timeline, room);
        } else {
            let query = Query::Messages { room, ids: vec![id] };
            self.load(query, LoadPurpose::Find(finding));
        }
    }

    /// Whether the timeline was given up while its message was looked for: nobody would ever close its
    /// window.
    fn has_gone(&mut self, finding: Finding) -> bool {
        let gone = !self.timelines.contains_key(&finding.timeline);
        if gone {
            self.reply(finding.command, Err(Error::Closed));
        }
        gone
    }

    pub(crate) fn find_on_server(&mut self, finding: Finding) {
        if self.has_gone(finding) {
            return;
        }
        self.findings.insert(finding.command, finding);
        self.call(finding.command, Request::Message(finding.room, finding.message), false);
    }

    /// What the server's "no" to a command means, if that looked for a message.
    pub(crate) fn not_found(&mut self, command: CommandId, error: RequestError) -> Error {
        match (self.findings.remove(&command), error) {
            (Some(finding), RequestError::Refused(error))
                if error.code == ErrorCode::UnknownMessage =>
            {
                Error::UnknownMessage(finding.message)
            }
            (_, error) => error.into(),
        }
    }

    /// The message that a timeline is to be opened at is here.
    pub(crate) fn found(&mut self, finding: Finding, message: Arc<Message>) {
        let Finding { command, timeline, room, message: id, thread } = finding;
        if self.has_gone(finding) {
            return;
        }
        let Some(seq) = message.seq.filter(|_| !thread || message.kind == EventKind::Message)
        else {
            self.reply(command, Err(Error::UnknownMessage(id)));
            return;
        };
        if !thread {
            self.open_around(command, timeline, room, seq);
            return;
        }
        let of = Of::Thread(id);
        let open = self.windows.of(room).find(|(_, w)| w.of == of && w.is_live());
        if let Some(key) = open.map(|(key, _)| *key) {
            self.join(command, timeline, key);
            return;
        }
        let key = self.new_window(room, of, Start::Newest);
        if let Some(window) = self.windows.get_mut(key) {
            window.set_root(message);
        }
        self.join(command, timeline, key);
        self.fill(key);
    }

    /// A window's first messages are here; between the two places nothing else is.
    pub(crate) fn window_loaded(
        &mut self,
        key: WindowKey,
        whole: (Seq, Seq),
        messages: Vec<Arc<Message>>,
    ) {
        let room = self.rooms.get(&key.room);
        let unknown = crate::engine::rooms::room::Room::unknown(key.room, 0);
        let room = room.unwrap_or(&unknown);
        let Some(window) = self.windows.get_mut(key) else { return };
        let page = defaults::TIMELINE_PAGE;
        let (mut from, mut to) = whole;
        let first = messages.first().and_then(|message| message.seq);
        match window.start {
            Start::Around(seq) if to != END || from != Seq::ZERO => {
                let older = messages.iter().filter(|message| message.seq < Some(seq)).count();
                if older >= page / 2 {
                    from = first.unwrap_or(from);
                }
                if messages.len() - older >= page - page / 2 {
                    to = messages.last().and_then(|message| message.seq).unwrap_or(to);
                }
            }
            _ => {
                let few = window.of != Of::Room && messages.len() < page;
                from = match first {
                    // All that is here: it may be all that there is.
                    _ if few => window.whole_from(&room.held, room.feed_seq, first),
                    Some(first) => first,
                    None => END,
                };
            }
        }
        self.begin_window(key, &messages, from, to);
        let waiting = self.windows.get_mut(key).map(|window| std::mem::take(&mut window.waiting));
        for (command, timeline) in waiting.into_iter().flatten() {
            self.attach(timeline, key);
            self.reply(command, Ok(Reply::Opened));
        }
    }

    pub(crate) fn begin_window(
        &mut self,
        key: WindowKey,
        messages: &[Arc<Message>],
        from: Seq,
        to: Seq,
    ) {
        let others = self.rooms.get(&key.room).and_then(|room| room.others(&self.config.user));
        if let Some(window) = self.windows.get_mut(key) {
            window.begin(messages, from, to);
            window.set_others(others);
        }
        self.flush_window(key);
    }

    /// From here on the timeline gets the window's updates, beginning with everything.
    pub(crate) fn attach(&mut self, timeline: TimelineId, key: WindowKey) {
        let Some(view) = self.timelines.get_mut(&timeline) else { return };
        view.window = Some(key);
        if let Some(window) = self.windows.get_mut(key) {
            window.timelines.push(timeline);
            self.tell_everything(timeline);
        }
    }

    fn tell_everything(&mut self, timeline: TimelineId) {
        let Some(view) = self.timelines.get(&timeline) else { return };
        let Some(window) = view.window.and_then(|key| self.windows.get(key)) else { return };
        let (rows, more_before, more_after) = window.everything();
        let unread_from = view.unread_from;
        let reset = TimelineUpdate::Reset { rows, more_before, more_after, unread_from };
        self.notify(Notice::Timeline(timeline, reset));
    }

    pub(crate) fn reset_timeline(&mut self, command: CommandId, timeline: TimelineId) {
        self.tell_everything(timeline);
        self.reply(command, Ok(Reply::Done));
    }

    pub(crate) fn close_timeline(&mut self, timeline: TimelineId) {
        let Some(view) = self.timelines.remove(&timeline) else { return };
        let Some(key) = view.window else { return };
        let Some(window) = self.windows.get_mut(key) else { return };
        window.timelines.retain(|other| *other != timeline);
        let wanted = |other: &TimelineId| self.timelines.contains_key(other);
        if !window.timelines.is_empty() || window.waiting.iter().any(|(_, other)| wanted(other)) {
            return;
        }
        let waiting = std::mem::take(&mut window.waiting);
        self.windows.remove(key);
        self.interest.changed();
        self.watching.again = true;
        for (command, _) in waiting {
            self.reply(command, Err(Error::Closed));
        }
    }
}
